//! TLS: the handshake, the certificates of both sides, renegotiation.

use towpath_proto::{
    Code, Rung,
    tls::{Message, PublicKey, Side, Version},
};

use super::{each_is, made::*};
use crate::{evidence::Scheme::*, probe::Change, verdict::diagnose};

fn tls(code: Code) -> Made {
    broke(Mqtts, 8883, Rung::Tls, code)
}

fn asked() -> [towpath_proto::tls::Fact; 1] {
    [handshake(Side::Server, Message::CERTIFICATE_REQUEST)]
}

#[test]
fn handshakes_without_an_answer() {
    let certificate = handshake(Side::Server, Message::CERTIFICATE);
    let small = Change::Mss(400);
    each_is(vec![
        ("cut after ClientHello", tls(Code::TlsClosed), "TP-TLS-001"),
        (
            "reset before a word",
            {
                let mut made = tls(Code::TlsClosed).silent_on(Rung::Tcp, true);
                made.evidence.probes[0].1.fault =
                    Some(towpath_proto::Fault::new(Rung::Tcp, Code::Reset));
                made
            },
            "TP-TCP-002",
        ),
        (
            "closed before a word",
            tls(Code::TlsClosed).silent_on(Rung::Tcp, true),
            "TP-TLS-001",
        ),
        ("no answer", tls(Code::TlsTimeout), "TP-TLS-002"),
        ("plain text", tls(Code::PeerNotTls), "TP-TLS-003"),
        (
            "cut after the certificate",
            tls(Code::TlsClosed).tls(&[certificate]),
            "TP-TLS-004",
        ),
        (
            "small segments are answered",
            tls(Code::TlsTimeout).works(small.clone(), Rung::Tls).fails(
                Change::Nothing,
                Rung::Tls,
                Code::TlsTimeout,
            ),
            "TP-TCP-015",
        ),
        (
            "a second try is answered as well",
            tls(Code::TlsTimeout)
                .works(small, Rung::Tls)
                .works(Change::Nothing, Rung::Tls),
            "TP-TLS-002",
        ),
        (
            "TLS 1.2 is answered, 1.3 is not",
            tls(Code::TlsClosed)
                .works(Change::TlsVersion(Version::Tls12), Rung::Tls)
                .fails(Change::Nothing, Rung::Tls, Code::TlsClosed),
            "TP-TLS-051",
        ),
        (
            "with the name told it is answered",
            tls(Code::TlsClosed)
                .settings(|s| s.no_server_name = true)
                .works(Change::ServerName, Rung::Tls),
            "TP-TLS-047",
        ),
        (
            "with ALPN it is answered",
            broke(Mqtts, 443, Rung::Tls, Code::TlsClosed)
                .works(Change::Alpn("x-amzn-mqtt-ca"), Rung::Tls),
            "TP-TLS-049",
        ),
        (
            "without ALPN it is answered",
            tls(Code::TlsClosed).works(Change::NoAlpn, Rung::Tls),
            "TP-TLS-028",
        ),
        (
            "cut behind the handshake, and by itself",
            broke(Mqtts, 8883, Rung::Mqtt, Code::Closed).silent_on(Rung::Tls, true),
            "TP-TLS-005",
        ),
    ]);
}

#[test]
fn nothing_in_common() {
    let suites = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        tls(Code::NoCommonSuite)
            .alert(Side::Server, 40)
            .settings(|s| {
                s.suites = names;
                s.tls_max = Some(Version::Tls12);
            })
    };
    let every = |version, key| {
        let mut climb = came_to(Rung::Tls);
        climb.tls = vec![
            (climb.took, agreed(version)),
            (climb.took, server_chain(key, 2000)),
        ];
        (asks(Change::EverySuite, Rung::Tls), climb)
    };
    let (all, ec) = every(Version::Tls12, PublicKey::Ec(256));
    let (_, rsa) = every(Version::Tls12, PublicKey::Rsa(2048));
    let (_, newer) = every(Version::Tls13, PublicKey::Rsa(2048));
    let rsa_only = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
    let ecdsa_only = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"];
    let version = || tls(Code::NoCommonVersion).alert(Side::Server, 70);
    each_is(vec![
        (
            "no suite",
            tls(Code::NoCommonSuite).alert(Side::Server, 40),
            "TP-TLS-020",
        ),
        (
            "another suite of the same kind",
            suites(&rsa_only).asked(all.clone(), rsa.clone()),
            "TP-TLS-020",
        ),
        (
            "an ECDSA key for RSA suites",
            suites(&rsa_only).asked(all.clone(), ec),
            "TP-TLS-018",
        ),
        (
            "an RSA key for ECDSA suites",
            suites(&ecdsa_only).asked(all.clone(), rsa),
            "TP-TLS-018",
        ),
        (
            "a build without ECDSA",
            tls(Code::NoCommonSuite)
                .profile(|p| {
                    p.tls.ecdsa = Some(set("CONFIG_PSA_WANT_ALG_ECDSA", false));
                })
                .asked(all.clone(), every(Version::Tls12, PublicKey::Ec(384)).1),
            "TP-TLS-018",
        ),
        (
            "the suites are of 1.2, the server of 1.3",
            suites(&rsa_only).asked(all, newer),
            "TP-TLS-020",
        ),
        ("alert 70", version(), "TP-TLS-021"),
        (
            "alert 70 to 1.2, 1.3 is taken",
            version()
                .settings(|s| s.tls_max = Some(Version::Tls12))
                .works(Change::TlsVersion(Version::Tls13), Rung::Tls),
            "TP-TLS-021",
        ),
        (
            "alert 70 to 1.3, 1.2 is taken",
            version()
                .settings(|s| s.tls_min = Some(Version::Tls13))
                .works(Change::TlsVersion(Version::Tls12), Rung::Tls),
            "TP-TLS-022",
        ),
        (
            "this side says 70 to an old ServerHello",
            tls(Code::NoCommonVersion).alert(Side::Client, 70),
            "TP-TLS-022",
        ),
        (
            "an unknown name",
            tls(Code::UnknownServerName).alert(Side::Server, 112),
            "TP-TLS-027",
        ),
        (
            "no name at all",
            tls(Code::UnknownServerName)
                .alert(Side::Server, 112)
                .settings(|s| s.no_server_name = true),
            "TP-TLS-047",
        ),
        (
            "no protocol",
            tls(Code::NoCommonAlpn).alert(Side::Server, 120),
            "TP-TLS-028",
        ),
        (
            "alert 80",
            tls(Code::TlsAlert).alert(Side::Server, 80),
            "TP-TLS-029",
        ),
        (
            "alert 80 without a name, none with it",
            tls(Code::TlsAlert)
                .alert(Side::Server, 80)
                .settings(|s| s.no_server_name = true)
                .works(Change::ServerName, Rung::Tls),
            "TP-TLS-047",
        ),
        ("a broken record", tls(Code::TlsRecord), "TP-TLS-045"),
        (
            "a record larger than the device's buffer",
            tls(Code::TlsRecord).number(0x7200).profile(|p| {
                p.tls.in_buffer = Some(set("CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN", 4096));
            }),
            "TP-TLS-024",
        ),
        (
            "a chain larger than the device's buffer",
            tls(Code::TlsMessageTooLarge).tls(&[server_chain(PublicKey::Rsa(2048), 5200)]),
            "TP-TLS-017",
        ),
        (
            "a key larger than the device's numbers",
            tls(Code::TlsNumberTooLarge),
            "TP-TLS-046",
        ),
    ]);
}

#[test]
fn dates() {
    let expired = || tls(Code::ServerCertificateExpired);
    let future = || tls(Code::ServerCertificateFuture);
    let leaf = |from, to| valid(certificate("broker.example", "Middle"), from, to);
    let middle = || valid(certificate("Middle", "Root"), -1000, 1000);
    each_is(vec![
        (
            "expired yesterday",
            expired().chain(&[leaf(-90, -1), middle()]),
            "TP-TLS-010",
        ),
        (
            "begins tomorrow",
            future().chain(&[leaf(1, 90), middle()]),
            "TP-TLS-011",
        ),
        ("nothing of the chain is known", expired(), "TP-TLS-010"),
        (
            "the whole chain is long over",
            expired().chain(&[leaf(-900, -800), valid(middle(), -2000, -700)]),
            "TP-TLS-010",
        ),
        (
            "the whole chain is yet to come",
            future().chain(&[leaf(8000, 8090), valid(middle(), 7000, 9000)]),
            "TP-TLS-055",
        ),
        (
            "the clock is before this program was built",
            future()
                .chain(&[leaf(1, 90), middle()])
                .settings(|s| s.built = Some(clock(TODAY + 30 * DAY))),
            "TP-TLS-055",
        ),
        (
            "the clock is after this program was built",
            future()
                .chain(&[leaf(1, 90), middle()])
                .settings(|s| s.built = Some(clock(TODAY - 30 * DAY))),
            "TP-TLS-011",
        ),
        (
            "the intermediate is over",
            expired().chain(&[leaf(-90, 90), valid(middle(), -900, -1)]),
            "TP-TLS-010",
        ),
    ]);
    let over = || expired().chain(&[leaf(-900, -800), valid(middle(), -2000, -700)]);
    let or_else = |made: &Made| {
        let found = diagnose(&made.evidence).found.remove(0);
        let ids = found.or_else.iter().map(|other| other.id);
        (found.finding.id, ids.collect::<Vec<_>>())
    };
    assert_eq!(
        or_else(&over()),
        ("TP-TLS-010", vec!["TP-TLS-055"]),
        "a private PKI that ended, or a clock that is ahead"
    );
    let by_date = |seconds| {
        let mut climb = came_to(Rung::Tls);
        climb.http = Some(crate::evidence::HttpHead {
            date: Some(TODAY + seconds),
            ..head(200)
        });
        over().asked(crate::probe::Probe::Date, climb)
    };
    assert_eq!(
        or_else(&by_date(1)),
        ("TP-TLS-010", vec![]),
        "the clock is right"
    );
    assert_eq!(or_else(&by_date(-900 * DAY)).0, "TP-TLS-055");
    let found = diagnose(&expired().chain(&[leaf(-90, -1), middle()]).evidence).found;
    assert_eq!(
        found[0].cause(),
        "the server's certificate expired on 2026-10-31"
    );
    let found = diagnose(
        &expired()
            .chain(&[leaf(-90, 90), valid(middle(), -900, -1)])
            .evidence,
    )
    .found;
    assert_eq!(
        found[0].cause(),
        "the certificate Middle of the server's chain expired on 2026-10-31"
    );
}

#[test]
fn names_and_trust() {
    let name = || tls(Code::ServerCertificateName).chain(&[certificate("other.example", "Root")]);
    let untrusted = |chain: &[_]| tls(Code::ServerCertificateUntrusted).chain(chain);
    let leaf = |issuer| certificate("broker.example", issuer);
    let sha384 = || {
        let mut leaf = leaf("Root");
        leaf.signature = "ecdsa-with-SHA384".into();
        leaf
    };
    each_is(vec![
        ("another name", name(), "TP-TLS-012"),
        (
            "by address",
            name().target(|t| t.host = "10.0.0.7".into()),
            "TP-TLS-052",
        ),
        (
            "by address, with the name given",
            name()
                .target(|t| t.host = "10.0.0.7".into())
                .settings(|s| s.server_name = Some("broker.example".into())),
            "TP-TLS-012",
        ),
        (
            "another certificate without the name",
            name()
                .settings(|s| s.no_server_name = true)
                .works(Change::ServerName, Rung::Tls),
            "TP-TLS-047",
        ),
        ("unknown root", untrusted(&[leaf("Our CA")]), "TP-TLS-013"),
        (
            "signed itself",
            untrusted(&[leaf("broker.example")]),
            "TP-TLS-014",
        ),
        (
            "signed itself, by the number alone",
            tls(Code::ServerCertificateUntrusted).number(18),
            "TP-TLS-014",
        ),
        (
            "without the intermediate",
            tls(Code::ServerChainIncomplete).chain(&[leaf("Middle")]),
            "TP-TLS-015",
        ),
        (
            "the roots of Azure before 2023",
            untrusted(&[
                leaf("Middle"),
                certificate("Middle", "DigiCert Global Root G2"),
            ]),
            "TP-TLS-053",
        ),
        (
            "a build without SHA-384",
            untrusted(&[sha384()])
                .profile(|p| p.tls.sha384 = Some(set("CONFIG_MBEDTLS_SHA384", false))),
            "TP-TLS-050",
        ),
        (
            "a short key",
            tls(Code::ServerCertificateWeak).chain(&[leaf("Root")]),
            "TP-TLS-016",
        ),
        (
            "for another purpose",
            tls(Code::ServerCertificateBad).chain(&[leaf("Root")]),
            "TP-TLS-019",
        ),
    ]);
    let found = diagnose(&name().target(|t| t.host = "10.0.0.7".into()).evidence).found;
    assert_eq!(
        found[0].cause(),
        "the certificate is for other.example, not for 10.0.0.7"
    );
}

#[test]
fn the_clients_certificate() {
    let own = |code| {
        tls(code)
            .target(|t| t.client_certificate = true)
            .tls(&asked())
    };
    let cut = || tls(Code::ClientCertificateUnanswered).tls(&asked());
    let own_cut = || cut().target(|t| t.client_certificate = true);
    let tls12 = || asks(Change::TlsVersion(Version::Tls12), Rung::Tls);
    each_is(vec![
        (
            "wanted, none given",
            tls(Code::ClientCertificateMissing)
                .tls(&asked())
                .alert(Side::Server, 116),
            "TP-TLS-026",
        ),
        (
            "of an unknown CA",
            own(Code::ClientCertificateUntrusted).alert(Side::Server, 48),
            "TP-TLS-040",
        ),
        (
            "expired",
            own(Code::ClientCertificateExpired).alert(Side::Server, 45),
            "TP-TLS-041",
        ),
        (
            "refused",
            own(Code::ClientCertificateRefused).alert(Side::Server, 42),
            "TP-TLS-042",
        ),
        (
            "another key",
            own(Code::ClientCertificateRefused).alert(Side::Server, 51),
            "TP-TLS-044",
        ),
        ("cut in TLS 1.3", own_cut(), "TP-TLS-043"),
        ("cut in TLS 1.3, none given", cut(), "TP-TLS-026"),
        (
            "cut in TLS 1.3, TLS 1.2 says why",
            own_cut().asked(
                tls12(),
                failed_at(Rung::Tls, Code::ClientCertificateUntrusted),
            ),
            "TP-TLS-040",
        ),
        (
            "cut in TLS 1.3, TLS 1.2 takes it",
            cut()
                .silent_on(Rung::Tls, true)
                .asked(tls12(), came_to(Rung::Tls)),
            "TP-TLS-005",
        ),
        (
            "cut because of CONNECT",
            cut().silent_on(Rung::Tls, false),
            "TP-MQTT-001",
        ),
        (
            "cut because of CONNECT, with a certificate",
            own_cut()
                .silent_on(Rung::Tls, false)
                .tls(&[handshake(Side::Client, Message::CERTIFICATE_VERIFY)]),
            "TP-MQTT-030",
        ),
        (
            "no asking after the handshake",
            broke(Wss, 443, Rung::Upgrade, Code::PostHandshakeMissing).number(403),
            "TP-TLS-039",
        ),
    ]);
}

#[test]
fn tls_13_is_not_called_ok_before_the_server_said_a_byte() {
    let made = broke(Mqtts, 8883, Rung::Mqtt, Code::ConnackTimeout)
        .target(|t| t.client_certificate = true)
        .tls(&asked());
    let mut made = made;
    made.climb()
        .tls
        .insert(0, (std::time::Duration::ZERO, agreed(Version::Tls13)));
    made.climb()
        .tls
        .retain(|(_, fact)| *fact != agreed(Version::Tls12));
    let ladder = diagnose(&made.evidence).ladder;
    let state = ladder
        .iter()
        .find(|step| step.rung == Rung::Tls)
        .unwrap()
        .state;
    assert_eq!(state, crate::diagnosis::State::NotMeasured);
}

#[test]
fn renegotiation() {
    let wss = |code| broke(Wss, 443, Rung::Tls, code);
    each_is(vec![
        (
            "refused by this side",
            wss(Code::RenegotiationOff),
            "TP-TLS-031",
        ),
        ("not secure", wss(Code::RenegotiationInsecure), "TP-TLS-033"),
        ("cut", wss(Code::RenegotiationClosed), "TP-TLS-034"),
        ("no end", wss(Code::RenegotiationTimeout), "TP-TLS-035"),
        ("after CONNACK", wss(Code::RenegotiationLate), "TP-TLS-036"),
        ("a second one", wss(Code::RenegotiationAgain), "TP-TLS-037"),
        (
            "as somebody else",
            wss(Code::RenegotiationIdentity),
            "TP-TLS-038",
        ),
    ]);
}
