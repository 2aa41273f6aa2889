//! SOCKS5.

use super::*;

const GREETING: &[u8] = &[5, 1, 0];
const GREETING_OF_ANNA: &[u8] = &[5, 2, 0, 2];
const LOGIN: &[u8] = b"\x01\x04anna\x06secret";
/// Port 8883 is 0x22b3.
const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0ebroker.example\x22\xb3";
const OPEN: &[u8] = b"\x05\x00\x00\x01\xc0\x00\x02\x01\x04\x38";

fn socks(turns: &[Turn<'_>]) -> Result<(), Fault> {
    play_cut(ask(Scheme::Socks5), turns)
}

fn anna(turns: &[Turn<'_>]) -> Result<(), Fault> {
    play_cut(as_anna(Scheme::Socks5), turns)
}

/// The turns up to the reply.
fn asked(reply: &[u8]) -> [Turn<'_>; 4] {
    [
        RecvBytes(GREETING),
        SendBytes(b"\x05\x00"),
        RecvBytes(REQUEST),
        SendBytes(reply),
    ]
}

#[test]
fn names_go_to_the_proxy_and_any_bound_address_is_passed_over() {
    for reply in [
        OPEN,
        b"\x05\x00\x00\x03\x03abc\x04\x38",
        b"\x05\x00\x00\x03\x00\x04\x38",
        b"\x05\x00\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x04\x38",
    ] {
        assert_eq!(socks(&asked(reply)), Ok(()), "{}", reply.escape_ascii());
    }
}

#[test]
fn addresses_go_as_addresses() {
    for (host, request) in [
        (
            "192.0.2.1",
            &b"\x05\x01\x00\x01\xc0\x00\x02\x01\x22\xb3"[..],
        ),
        (
            "2001:db8::1",
            b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x22\xb3",
        ),
    ] {
        let ask = Ask {
            host,
            ..ask(Scheme::Socks5)
        };
        let turns = [
            RecvBytes(GREETING),
            SendBytes(b"\x05\x00"),
            RecvBytes(request),
            SendBytes(OPEN),
        ];
        assert_eq!(play_cut(ask, &turns), Ok(()), "{host}");
    }
}

#[test]
fn user_and_password() {
    let greeted = [
        RecvBytes(GREETING_OF_ANNA),
        SendBytes(b"\x05\x02"),
        RecvBytes(LOGIN),
    ];
    for verdict in [b"\x01\x00", b"\x05\x00"] {
        let rest = [SendBytes(verdict), RecvBytes(REQUEST), SendBytes(OPEN)];
        assert_eq!(anna(&[&greeted[..], &rest].concat()), Ok(()));
    }
    let refused = [&greeted[..], &[SendBytes(b"\x01\x01")]].concat();
    assert_eq!(code(anna(&refused)), Code::SocksAuthFailed);
    let closed = [&greeted[..], &[Close]].concat();
    assert_eq!(code(anna(&closed)), Code::SocksAuthFailed);
    // It does not want them.
    let rest = [RecvBytes(REQUEST), SendBytes(OPEN)];
    let turns = [
        &[RecvBytes(GREETING_OF_ANNA), SendBytes(b"\x05\x00")][..],
        &rest,
    ]
    .concat();
    assert_eq!(anna(&turns), Ok(()));
}

#[test]
fn methods_that_do_not_meet() {
    let none = socks(&[RecvBytes(GREETING), SendBytes(b"\x05\xff")]);
    let line = std::format!("{}", none.unwrap_err());
    assert!(
        line.contains("methods (offered: none; it wants credentials)"),
        "{line}"
    );
    for method in [0x01, 0x02, 0x80] {
        let unasked = socks(&[RecvBytes(GREETING), SendBytes(&[5, method])]);
        assert_eq!(code(unasked), Code::SocksMethod, "{method}");
    }
    let both = anna(&[RecvBytes(GREETING_OF_ANNA), SendBytes(b"\x05\xff")]);
    assert_eq!(code(both), Code::SocksMethod);
}

#[test]
fn each_reply_says_why() {
    for (reply, why) in [
        (1, "general failure"),
        (2, "not allowed by its rules"),
        (3, "network unreachable"),
        (4, "host unreachable"),
        (5, "connection refused"),
        (6, "TTL expired"),
        (7, "command not supported"),
        (8, "address type not supported"),
        (0x5b, "an unknown reason"),
    ] {
        let fault = socks(&asked(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0])).unwrap_err();
        assert_eq!(
            (fault.code, fault.number),
            (Code::SocksFailed, u32::from(reply))
        );
        let line = std::format!("{fault}");
        assert!(
            line.contains(&std::format!("(reply {reply}: {why})")),
            "{line}"
        );
    }
}

#[test]
fn what_is_no_socks5_is_named() {
    for (noise, said) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "HTTP"),
        (b"\x15\x03\x01", "TLS"),
        (b"\x00\x5b", "SOCKS4"),
        (b"SSH-2.0", ""),
    ] {
        let fault = socks(&[RecvBytes(GREETING), SendBytes(noise)]).unwrap_err();
        assert_eq!((fault.code, fault.detail.as_str()), (Code::NotProxy, said));
    }
    assert_eq!(code(socks(&asked(b"\x05\x00\x00\x02\x00"))), Code::NotProxy);
    assert_eq!(code(socks(&asked(b"\x04\x00"))), Code::NotProxy);
}

#[test]
fn silence_and_the_end() {
    for (turns, waits) in [
        (&[RecvBytes(GREETING)][..], "no answer to the greeting"),
        (&asked(b"")[..], "no reply to CONNECT"),
        (&asked(&OPEN[..9]), "no reply to CONNECT"),
    ] {
        let silent = socks(turns).unwrap_err();
        assert_eq!(
            (silent.code, silent.detail.as_str()),
            (Code::ProxyTimeout, waits)
        );
        let closed = [turns, &[Close]].concat();
        assert_eq!(code(socks(&closed)), Code::ProxyClosed);
    }
}
