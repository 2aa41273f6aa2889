//! Dialogues with proxies, byte by byte.

extern crate std;

mod http;
mod socks;

use std::{borrow::ToOwned as _, vec::Vec};

use proptest::prelude::*;

use super::*;

/// What follows the proxy's last byte: nobody may touch it.
const BEHIND: &[u8] = b"\x20\x02\x00\x00";

const ANNA: Credentials<'static> = Credentials {
    user: "anna",
    password: b"secret",
};

fn ask(scheme: Scheme) -> Ask<'static> {
    Ask {
        scheme,
        host: "broker.example",
        port: 8883,
        credentials: None,
    }
}

fn as_anna(scheme: Scheme) -> Ask<'static> {
    Ask {
        credentials: Some(ANNA),
        ..ask(scheme)
    }
}

/// What the proxy does.
#[derive(Debug, Clone, Copy)]
enum Turn<'a> {
    /// It receives exactly this.
    Recv(&'a str),
    /// The same, in bytes.
    RecvBytes(&'a [u8]),
    /// It sends this.
    Send(&'a str),
    /// The same, in bytes.
    SendBytes(&'a [u8]),
    /// It sees this end of the connection, and another one begin.
    Again,
    /// It closes.
    Close,
}

use Turn::{Again, Close, Recv, RecvBytes, Send, SendBytes};

/// How bytes are handed over.
#[derive(Debug, Clone, Copy)]
enum Hand {
    /// At most so many as are asked for.
    Exact,
    /// All that have come, with what follows behind.
    Peek,
    /// All, cut here.
    Cut(usize),
}

/// Random numbers that count.
fn counting() -> impl Random {
    let mut last = 0;
    move || {
        last += 1;
        last
    }
}

/// Plays a dialogue. `Ok`: the tunnel is open, and no byte behind it was taken.
fn play(ask: Ask<'_>, turns: &[Turn<'_>], hand: Hand) -> Result<(), Fault> {
    let mut tunnel = Tunnel::new(ask)?;
    let mut random = counting();
    let mut out = [0; ROOM];
    let mut over = false;
    for (index, turn) in turns.iter().enumerate() {
        let behind = if index + 1 == turns.len() {
            BEHIND
        } else {
            &[]
        };
        let said = tunnel.poll_output(&mut random, &mut out);
        if let Output::Failed(fault) = said {
            return Err(fault);
        }
        match *turn {
            Recv(text) => received(said, &out, text.as_bytes()),
            RecvBytes(bytes) => received(said, &out, bytes),
            Send(text) => over |= hand_over(&mut tunnel, text.as_bytes(), behind, hand),
            SendBytes(bytes) => over |= hand_over(&mut tunnel, bytes, behind, hand),
            Again => assert_eq!(said, Output::Reconnect),
            Close => {
                assert!(matches!(said, Output::Read { .. }), "{said:?}");
                tunnel.ended();
            }
        }
    }
    match tunnel.poll_output(&mut random, &mut out) {
        Output::Done => {
            assert!(!over, "what is behind was read");
            assert_eq!(tunnel.absorb(BEHIND), 0);
            Ok(())
        }
        Output::Failed(fault) => Err(fault),
        Output::Read { .. } => Err(tunnel.late(Duration::from_millis(1500))),
        other => panic!("the dialogue is over, but: {other:?}"),
    }
}

fn received(said: Output, out: &[u8], expected: &[u8]) {
    let Output::Transmit(len) = said else {
        panic!("{said:?} instead of {}", expected.escape_ascii())
    };
    let sent = &out[..len];
    assert!(
        sent == expected,
        "sent     {}\nexpected {}",
        sent.escape_ascii(),
        expected.escape_ascii()
    );
}

/// Gives the proxy's bytes. True if more was read than the proxy sent.
fn hand_over(tunnel: &mut Tunnel<'_>, bytes: &[u8], behind: &[u8], hand: Hand) -> bool {
    let whole: Vec<u8> = bytes.iter().chain(behind).copied().collect();
    let mut over = false;
    let mut at = 0;
    while at < bytes.len() {
        let Output::Read { most } = tunnel.poll_output(&mut counting(), &mut []) else {
            // It has heard enough.
            break;
        };
        let end = match hand {
            Hand::Exact => whole.len().min(at + most),
            Hand::Peek => whole.len(),
            Hand::Cut(cut) if at < cut => bytes.len().min(cut),
            Hand::Cut(_) => bytes.len(),
        };
        over |= matches!(hand, Hand::Exact) && end > bytes.len();
        let taken = tunnel.absorb(&whole[at..end]);
        if taken < end - at {
            break;
        }
        at += taken;
    }
    over
}

/// Plays a dialogue in every way, which comes to the same.
fn play_cut(ask: Ask<'_>, turns: &[Turn<'_>]) -> Result<(), Fault> {
    let whole = play(ask, turns, Hand::Cut(0));
    let longest = turns
        .iter()
        .map(|turn| match turn {
            Send(text) => text.len(),
            SendBytes(bytes) => bytes.len(),
            _ => 0,
        })
        .max()
        .unwrap_or_default();
    for cut in 1..=longest {
        assert_eq!(play(ask, turns, Hand::Cut(cut)), whole, "cut at {cut}");
    }
    // An answer that is cut off would be completed by what follows.
    if whole.is_ok() {
        assert_eq!(play(ask, turns, Hand::Exact), whole, "as asked for");
        assert_eq!(play(ask, turns, Hand::Peek), whole, "all at once");
    }
    whole
}

fn code(outcome: Result<(), Fault>) -> Code {
    let fault = outcome.expect_err("a fault");
    assert_eq!(fault.rung, Rung::Proxy);
    fault.code
}

#[test]
fn what_cannot_be_asked_for_is_refused_at_once() {
    let long = "a".repeat(256);
    let with = |host, credentials| {
        Tunnel::new(Ask {
            host,
            credentials,
            ..ask(Scheme::Http)
        })
        .map(|_| ())
    };
    let user = |user, password| Some(Credentials { user, password });
    for (host, credentials, why) in [
        ("", None, "empty"),
        (&*long, None, "over 255"),
        ("a b", None, "characters"),
        ("a\r\nX: y", None, "characters"),
        ("a:1", None, "characters"),
        ("[::1]", None, "characters"),
        ("fe80::1%eth0", None, "characters"),
        ("h", user("", b"p"), "user name is empty"),
        ("h", user("a\nb", b"p"), "control"),
        ("h", user(&long, b"p"), "over 255"),
        ("h", user("a", long.as_bytes()), "over 255"),
    ] {
        let fault = with(host, credentials).expect_err(host);
        assert_eq!(fault.code, Code::ProxyName);
        let line = std::format!("{fault}");
        assert!(line.contains(why), "{host}: {line}");
    }
    for host in ["a", "a.b-c_d.example", "192.0.2.1", "::1", "2001:db8::1"] {
        assert_eq!(with(host, user("anna", b"")), Ok(()), "{host}");
    }
}

#[test]
fn a_password_is_shown_to_nobody() {
    let ask = Ask {
        credentials: Some(Credentials {
            user: "anna",
            password: b"hunter2",
        }),
        ..ask(Scheme::Http)
    };
    let shown = std::format!("{:?} {ask:?}", Tunnel::new(ask).unwrap());
    assert!(
        shown.contains("anna") && !shown.contains("hunter2"),
        "{shown}"
    );
    let numbers = std::format!("{:?}", b"hunter2");
    assert!(!shown.contains(&numbers), "{shown}");
}

proptest! {
    /// Whatever comes, in whatever pieces: no panic, an end, and what was asked for is enough.
    #[test]
    fn any_answer_ends_or_waits(
        socks in any::<bool>(),
        known in any::<bool>(),
        answers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..6),
    ) {
        let scheme = if socks { Scheme::Socks5 } else { Scheme::Http };
        let ask = if known { as_anna(scheme) } else { ask(scheme) };
        let mut tunnel = Tunnel::new(ask).unwrap();
        let (mut random, mut out) = (counting(), [0; ROOM]);
        for answer in &answers {
            while let Output::Transmit(_) | Output::Reconnect = tunnel.poll_output(&mut random, &mut out) {}
            let start: &[u8] = if socks { &[5] } else { b"HTTP/1.1 407 \r\n" };
            let bytes = [start, answer].concat();
            let taken = tunnel.absorb(&bytes);
            prop_assert!(taken <= bytes.len());
        }
        tunnel.ended();
        let _ = tunnel.late(Duration::from_secs(1));
    }
}
