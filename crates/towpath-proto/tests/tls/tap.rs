//! The tap: what it sees of real streams, and that it sees the same however they are cut.

use openssl::{nid::Nid, ssl::SslVersion};
use proptest::prelude::*;
use towpath_proto::{
    Code,
    fault::Fault,
    text::Text,
    tls::{Alert, Fact, Message, Seen, Side, Tap, Version},
};
use towpath_sim::{ToyProfile, ToyTerms};

use crate::streams::{Setup, Stream, ec, openssl, rsa, toy};

/// What the two taps see of a stream.
pub(crate) fn watch(stream: &Stream) -> Vec<Seen> {
    let mut taps = [Tap::new(Side::Client), Tap::new(Side::Server)];
    let mut seen = Vec::new();
    for (side, bytes) in stream {
        taps[*side as usize].observe(bytes, &mut |what| seen.push(what));
    }
    seen
}

/// What one tap sees of `bytes` in pieces of these lengths, over and over. The quotation of what is no TLS depends on
/// how much of it was there.
fn watch_cut(side: Side, bytes: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut tap = Tap::new(side);
    let mut seen = Vec::new();
    let mut rest = bytes;
    let mut lengths = cuts.iter().cycle();
    while !rest.is_empty() {
        let n = lengths.next().map_or(rest.len(), |n| *n).min(rest.len());
        let (piece, after) = rest.split_at(n);
        tap.observe(piece, &mut |what| {
            seen.push(match what {
                Seen::Foreign(fault) => Seen::Foreign(Fault {
                    detail: Text::EMPTY,
                    ..fault
                }),
                what => what,
            });
        });
        rest = after;
    }
    seen
}

/// As a line: `c:` and `s:` before messages, `D` for application data.
fn line(seen: &[Seen]) -> String {
    let words = seen.iter().filter_map(|seen| match seen {
        Seen::ApplicationData => Some("D".to_owned()),
        Seen::Foreign(fault) => Some(format!("{:?}", fault.code)),
        Seen::Fact(Fact::Handshake { from, message, .. }) => {
            Some(format!("{}:{}", &from.name()[..1], message.name()))
        }
        Seen::Fact(Fact::Alert(alert)) => Some(format!("alert {}", alert.description)),
        Seen::Fact(Fact::HiddenAlert(side)) => Some(format!("{}:alert", &side.name()[..1])),
        Seen::Fact(Fact::HelloRequest { len }) => Some(format!("HelloRequest({len})")),
        Seen::Fact(Fact::Hello { .. } | Fact::Chain { .. }) => None,
        other => Some(format!("{other:?}")),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn tls12() -> Setup {
    Setup::new(SslVersion::TLS1_2, ec(Nid::X9_62_PRIME256V1))
}

#[test]
fn a_full_handshake_of_openssl_in_tls_1_2() {
    assert_eq!(
        line(&watch(&openssl(&tls12()))),
        "c:ClientHello s:ServerHello s:Certificate s:ServerKeyExchange s:ServerHelloDone \
         c:ClientKeyExchange s:NewSessionTicket D D c:alert"
    );
    let mutual = Setup {
        mutual: true,
        ..tls12()
    };
    assert_eq!(
        line(&watch(&openssl(&mutual))),
        "c:ClientHello s:ServerHello s:Certificate s:ServerKeyExchange s:CertificateRequest \
         s:ServerHelloDone c:Certificate c:ClientKeyExchange c:CertificateVerify \
         s:NewSessionTicket D D c:alert"
    );
}

/// Behind ServerHello everything looks like application data.
#[test]
fn a_handshake_of_openssl_in_tls_1_3() {
    let setup = Setup::new(SslVersion::TLS1_3, ec(Nid::X9_62_PRIME256V1));
    let seen = line(&watch(&openssl(&setup)));
    let rest = seen.strip_prefix("c:ClientHello s:ServerHello D");
    let rest = rest.unwrap_or_else(|| panic!("{seen}"));
    assert!(rest.split(' ').all(|word| word.is_empty() || word == "D"));
}

#[test]
fn an_alert_in_clear_is_read() {
    let setup = Setup {
        mismatch: true,
        identity: rsa(2048),
        ..tls12()
    };
    let seen = watch(&openssl(&setup));
    assert_eq!(line(&seen), "c:ClientHello alert 40");
    let alert = Fact::Alert(Alert::fatal(Side::Server, 40));
    assert_eq!(seen.last(), Some(&Seen::Fact(alert)));
}

#[test]
fn a_resumed_session_has_no_certificate() {
    let profile = ToyProfile {
        session: b"earlier".to_vec(),
        ..ToyProfile::default()
    };
    let terms = ToyTerms {
        resumes: true,
        tickets: 1,
        ..ToyTerms::default()
    };
    assert_eq!(
        line(&watch(&toy(profile, terms, false))),
        "c:ClientHello s:ServerHello s:NewSessionTicket D D c:alert"
    );
}

/// Of the messages in it nothing is seen but that it was asked for.
#[test]
fn a_renegotiation_shows_by_its_first_record() {
    let stream = toy(ToyProfile::default(), ToyTerms::default(), true);
    let seen = line(&watch(&stream));
    assert!(seen.ends_with("D HelloRequest(28) D c:alert"), "{seen}");
    let tls13 = ToyProfile {
        version: Version::Tls13,
        post_handshake_auth: true,
        ..ToyProfile::default()
    };
    let terms = ToyTerms {
        version: Version::Tls13,
        ..ToyTerms::default()
    };
    let seen = line(&watch(&toy(tls13, terms, true)));
    assert!(!seen.contains("HelloRequest"), "{seen}");
}

#[test]
fn a_message_may_span_records_and_share_them() {
    // Two messages in three records: ServerHelloDone (empty) and one of four bytes, cut inside its head.
    let bytes = [
        &[22, 3, 3, 0, 6, 14, 0, 0, 0, 11, 0][..],
        &[22, 3, 3, 0, 0],
        &[22, 3, 3, 0, 6, 0, 4, 1, 2, 3, 4],
    ]
    .concat();
    let handshake = |message, len| {
        Seen::Fact(Fact::Handshake {
            from: Side::Server,
            message,
            len,
        })
    };
    let expected = [
        handshake(Message::SERVER_HELLO_DONE, 0),
        handshake(Message::CERTIFICATE, 4),
    ];
    assert_eq!(watch_cut(Side::Server, &bytes, &[]), expected);
}

#[test]
fn what_is_no_tls_is_named_at_its_first_byte() {
    for (bytes, code) in [
        (&b"HTTP/1.1 400"[..], Code::PeerNotTls),
        (b"\x20\x02\x00\x00", Code::PeerNotTls),
        (b"\x16\x02\x00", Code::PeerNotTls),
        // Behind a good record it is damage.
        (b"\x16\x03\x03\x00\x00HTTP", Code::TlsRecord),
    ] {
        let seen = watch_cut(Side::Server, bytes, &[1]);
        let [Seen::Foreign(fault)] = seen[..] else {
            panic!("{seen:?}");
        };
        assert_eq!(fault.code, code);
    }
}

/// Every stream there is, cut into pieces of any length, and with one byte changed.
fn real_streams() -> Vec<(Side, Vec<u8>)> {
    let streams = [
        openssl(&tls12()),
        openssl(&Setup {
            mutual: true,
            alpn: true,
            ..tls12()
        }),
        openssl(&Setup::new(SslVersion::TLS1_3, ec(Nid::X9_62_PRIME256V1))),
        toy(ToyProfile::default(), ToyTerms::default(), true),
    ];
    let mut list = Vec::new();
    for stream in streams {
        for side in [Side::Client, Side::Server] {
            let pieces = stream.iter().filter(|(from, _)| *from == side);
            list.push((side, pieces.flat_map(|(_, bytes)| bytes.clone()).collect()));
        }
    }
    list
}

#[test]
fn any_cut_gives_the_same_facts_and_no_change_makes_it_panic() {
    for (side, bytes) in real_streams() {
        let whole = watch_cut(side, &bytes, &[]);
        for cuts in [&[1][..], &[2, 3], &[5, 1, 100], &[7]] {
            assert_eq!(watch_cut(side, &bytes, cuts), whole);
        }
        for at in 0..bytes.len().min(600) {
            for bit in [1, 0x10, 0x80] {
                let mut bytes = bytes.clone();
                bytes[at] ^= bit;
                assert_eq!(
                    watch_cut(side, &bytes, &[]),
                    watch_cut(side, &bytes, &[3, 1, 40])
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_the_same_however_cut(
        bytes in records(),
        cuts in prop::collection::vec(1..50usize, 1..6),
    ) {
        for side in [Side::Client, Side::Server] {
            prop_assert_eq!(watch_cut(side, &bytes, &[]), watch_cut(side, &bytes, &cuts));
        }
    }
}

/// Heads of records with any length and bodies that need not have it, so that much of it is read as TLS.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let record = (
        19..25u8,
        prop::collection::vec(any::<u8>(), 0..80),
        prop::option::weighted(0.1, any::<u16>()),
        0..30u8,
    );
    let bytes = record.prop_map(|(kind, mut body, len, message)| {
        if let Some(first) = body.first_mut() {
            *first = message;
        }
        let [high, low] = len.unwrap_or(body.len() as u16).to_be_bytes();
        let mut bytes = vec![kind, 3, 3, high, low];
        bytes.append(&mut body);
        bytes
    });
    prop::collection::vec(bytes, 0..12).prop_map(|list| list.concat())
}
