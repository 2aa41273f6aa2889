//! HTTP CONNECT.

use super::*;

const CONNECT: &str = "CONNECT broker.example:8883 HTTP/1.1\r\nHost: broker.example:8883\r\n\r\n";
/// `anna:secret` in base64.
const BASIC: &str = "CONNECT broker.example:8883 HTTP/1.1\r\nHost: broker.example:8883\r\n\
    Proxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n\r\n";

const ASKS_BASIC: &str = "HTTP/1.1 407 Proxy Authentication Required\r\n\
    Proxy-Authenticate: Basic realm=\"r\"\r\nContent-Length: 5\r\n\r\nsorry";

fn http(turns: &[Turn<'_>]) -> Result<(), Fault> {
    play_cut(ask(Scheme::Http), turns)
}

fn anna(turns: &[Turn<'_>]) -> Result<(), Fault> {
    play_cut(as_anna(Scheme::Http), turns)
}

fn line(outcome: Result<(), Fault>) -> std::string::String {
    std::format!("{}", outcome.expect_err("a fault"))
}

#[test]
fn any_2xx_opens_the_tunnel() {
    for answer in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 204 \nA: b\n\n",
        // RFC 9110 9.3.6: these mean nothing here.
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        assert_eq!(http(&[Recv(CONNECT), Send(answer)]), Ok(()), "{answer}");
    }
}

#[test]
fn addresses_of_ipv6_have_brackets() {
    let ask = Ask {
        host: "2001:db8::1",
        port: 443,
        ..ask(Scheme::Http)
    };
    let request = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n";
    let turns = [Recv(request), Send("HTTP/1.1 200 OK\r\n\r\n")];
    assert_eq!(play_cut(ask, &turns), Ok(()));
}

#[test]
fn credentials_wait_for_the_question() {
    let open = Send("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(anna(&[Recv(CONNECT), open]), Ok(()));
    let same = [Recv(CONNECT), Send(ASKS_BASIC), Recv(BASIC), open];
    assert_eq!(anna(&same), Ok(()));
}

#[test]
fn a_connection_that_does_not_stay_is_opened_again() {
    let open = Send("HTTP/1.1 200 OK\r\n\r\n");
    for answer in [
        "HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\n\r\n",
        "HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\nProxy-Connection: Close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.0 407 \r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
    ] {
        let turns = [Recv(CONNECT), Send(answer), Again, Recv(BASIC), open];
        assert_eq!(anna(&turns), Ok(()), "{answer}");
    }
    let kept = "HTTP/1.0 407 \r\nProxy-Authenticate: Basic\r\n\
        Proxy-Connection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        anna(&[Recv(CONNECT), Send(kept), Recv(BASIC), open]),
        Ok(())
    );
    // It says that it stays, and goes.
    let goes = [
        Recv(CONNECT),
        Send(ASKS_BASIC),
        Recv(BASIC),
        Close,
        Again,
        Recv(BASIC),
        open,
    ];
    assert_eq!(anna(&goes), Ok(()));
    let cut = "HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\nContent-Length: 9\r\n\r\nhalf";
    assert_eq!(
        anna(&[Recv(CONNECT), Send(cut), Close, Again, Recv(BASIC), open]),
        Ok(())
    );
    // Once is enough.
    let twice = [
        Recv(CONNECT),
        Send(ASKS_BASIC),
        Recv(BASIC),
        Close,
        Again,
        Recv(BASIC),
        Close,
    ];
    assert_eq!(code(anna(&twice)), Code::ProxyClosed);
}

const DIGEST: &str = "HTTP/1.1 407 \r\nProxy-Authenticate: Basic realm=\"r\"\r\n\
    Proxy-Authenticate: Digest realm=\"a \\\"b\\\"\", qop=\"auth\", nonce=\"n\", opaque=\"o\"\r\n\
    Proxy-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n";

/// The response is that of Python's `hashlib` over the same texts.
const MD5: &str = "CONNECT broker.example:8883 HTTP/1.1\r\nHost: broker.example:8883\r\n\
    Proxy-Authorization: Digest username=\"anna\", realm=\"a \\\"b\\\"\", nonce=\"n\", \
    uri=\"broker.example:8883\", response=\"d6299346399389f61376ccaed58f1aeb\", qop=auth, nc=00000001, \
    cnonce=\"00000001000000020000000300000004\", opaque=\"o\"\r\n\r\n";

const STALE: &str = "HTTP/1.1 407 \r\nProxy-Authenticate: Digest realm=\"r\", qop=\"auth\", \
    nonce=\"m\", algorithm=SHA-256, stale=true\r\nContent-Length: 0\r\n\r\n";

const SHA256: &str = "CONNECT broker.example:8883 HTTP/1.1\r\nHost: broker.example:8883\r\n\
    Proxy-Authorization: Digest username=\"anna\", realm=\"r\", nonce=\"m\", \
    uri=\"broker.example:8883\", response=\"b300c9b9216bcd9f0e2a22bbdc285ee2de93ba06895bc558f94c6c568ef953d8\", algorithm=SHA-256, qop=auth, nc=00000001, \
    cnonce=\"00000005000000060000000700000008\"\r\n\r\n";

#[test]
fn digest_is_preferred_and_a_stale_nonce_is_replaced_once() {
    let open = Send("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(
        anna(&[Recv(CONNECT), Send(DIGEST), Recv(MD5), open]),
        Ok(())
    );
    let stale = [
        Recv(CONNECT),
        Send(DIGEST),
        Recv(MD5),
        Send(STALE),
        Recv(SHA256),
    ];
    assert_eq!(anna(&[&stale[..], &[open]].concat()), Ok(()));
    let again = [&stale[..], &[Send(STALE)]].concat();
    assert_eq!(code(anna(&again)), Code::ProxyAuthFailed);
    let wrong = [Recv(CONNECT), Send(DIGEST), Recv(MD5), Send(DIGEST)];
    assert_eq!(code(anna(&wrong)), Code::ProxyAuthFailed);
}

#[test]
fn questions_that_cannot_be_answered() {
    let asked = |field: &str| {
        let answer = std::format!("HTTP/1.1 407 \r\n{field}\r\nContent-Length: 0\r\n\r\n");
        line(anna(&[Recv(CONNECT), Send(&answer)]))
    };
    let known = asked("Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM, negotiate");
    assert!(known.contains("(HTTP 407; Negotiate, NTLM)"), "{known}");
    assert!(known.contains("not known here"), "{known}");
    let nothing = asked("Server: x");
    assert!(nothing.contains("not known here"), "{nothing}");
    let long = "x".repeat(700);
    let cut = asked(&std::format!(
        "Proxy-Authenticate: Digest nonce=\"n\", realm=\"r\", opaque=\"{long}\""
    ));
    assert!(cut.contains("not known here (HTTP 407; Digest)"), "{cut}");
}

#[test]
fn without_credentials_the_question_is_the_answer() {
    let fault = line(http(&[Recv(CONNECT), Send(DIGEST)]));
    assert_eq!(
        fault,
        "proxy: a proxy asks for credentials (HTTP 407; Basic, Digest, Negotiate). \
         Give the proxy's user and password. [TP-PROXY-013]"
    );
    let fault = line(anna(&[
        Recv(CONNECT),
        Send(ASKS_BASIC),
        Recv(BASIC),
        Send(ASKS_BASIC),
    ]));
    assert!(
        fault.starts_with("proxy: the proxy does not take these credentials (HTTP 407"),
        "{fault}"
    );
}

#[test]
fn a_colon_cannot_be_said_in_basic() {
    let ask = Ask {
        credentials: Some(Credentials {
            user: "an:na",
            ..ANNA
        }),
        ..ask(Scheme::Http)
    };
    let fault = play(ask, &[Recv(CONNECT), Send(ASKS_BASIC)], Hand::Exact);
    assert_eq!(code(fault), Code::ProxyName);
}

#[test]
fn each_status_has_its_cause() {
    for (status, expected) in [
        (300, Code::ProxyStatus),
        (400, Code::NotProxy),
        (401, Code::ProxyRefused),
        (403, Code::ProxyRefused),
        (404, Code::NotProxy),
        (405, Code::NotProxy),
        (429, Code::ProxyStatus),
        (500, Code::ProxyStatus),
        (501, Code::NotProxy),
        (502, Code::ProxyBadGateway),
        (503, Code::ProxyBadGateway),
        (504, Code::ProxyBadGateway),
    ] {
        let answer = std::format!("HTTP/1.1 {status} Because\r\nServer: x/1\r\n\r\n<html>");
        let fault = http(&[Recv(CONNECT), Send(&answer)]).expect_err("a fault");
        assert_eq!((fault.code, fault.number), (expected, status));
        let line = std::format!("{fault}");
        let said = std::format!("(HTTP {status}; peer says \"Because, x/1\")");
        assert!(line.contains(&said), "{line}");
    }
}

#[test]
fn the_cause_that_a_proxy_names_is_shown() {
    let squid = "HTTP/1.1 503 Service Unavailable\r\nServer: squid/5.7\r\n\
        X-Squid-Error: ERR_CONNECT_FAIL 111\r\nVia: 1.1 x\r\n\r\n";
    let fault = line(http(&[Recv(CONNECT), Send(squid)]));
    assert!(
        fault.contains("peer says \"ERR_CONNECT_FAIL 111\""),
        "{fault}"
    );
    let unknown =
        "HTTP/1.1 500 Internal Server Error\r\nX-Squid-Error: ERR_CANNOT_FORWARD 0\r\n\r\n";
    assert_eq!(
        code(http(&[Recv(CONNECT), Send(unknown)])),
        Code::ProxyBadGateway
    );
    let standard = "HTTP/1.1 502 \r\nProxy-Status: p; error=dns_error\r\nServer: x\r\n\r\n";
    let fault = line(http(&[Recv(CONNECT), Send(standard)]));
    assert!(
        fault.contains("peer says \"p; error=dns_error\""),
        "{fault}"
    );
}

#[test]
fn what_is_no_proxy_is_quoted() {
    for (noise, said) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "SSH-2.0-OpenSSH_9.2"),
        (b"HTTP/2.0 200 OK\r\n", "HTTP/2.0 200 OK"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 2000 OK"),
        (b"HTTP/1.1 6 no\r\n\r\n", "HTTP/1.1 6 no"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        (b"\x05\xff", "?"),
        (b"no\xff", "no?"),
    ] {
        let turns = [Recv(CONNECT), SendBytes(noise), Close];
        let fault = http(&turns).expect_err(said);
        assert_eq!(fault.code, Code::NotProxy);
        assert_eq!(fault.detail.as_str(), said);
    }
    // What is no text is not waited for: there may be no end of a line.
    let binary = http(&[Recv(CONNECT), SendBytes(b"\x16\x03\x01")]);
    assert_eq!(binary.expect_err("a fault").detail.as_str(), "TLS");
    // The same if it falls silent.
    let fault = http(&[Recv(CONNECT), Send("220 mail")]);
    assert_eq!(code(fault), Code::NotProxy);
    let endless = "x".repeat(100);
    assert_eq!(code(http(&[Recv(CONNECT), Send(&endless)])), Code::NotProxy);
}

#[test]
fn silence_and_the_end_are_told_apart() {
    let fault = line(http(&[Recv(CONNECT), Send("HTTP/1.1 200 OK\r\nA: b")]));
    assert!(
        fault.contains("does not answer (1500 ms; in the middle of an answer)"),
        "{fault}"
    );
    let fault = line(http(&[Recv(CONNECT), Send("")]));
    assert!(
        fault.contains("does not answer (1500 ms; no answer to CONNECT)"),
        "{fault}"
    );
    assert_eq!(code(http(&[Recv(CONNECT), Close])), Code::ProxyClosed);
    assert_eq!(
        code(http(&[Recv(CONNECT), Send("HTTP/1.1 200 OK\r\n"), Close])),
        Code::ProxyClosed
    );
    // What is known of an answer that breaks off says more.
    let half = "HTTP/1.1 403 Forbidden\r\nServer: s";
    assert_eq!(
        code(http(&[Recv(CONNECT), Send(half), Close])),
        Code::ProxyRefused
    );
}

#[test]
fn a_head_without_end_is_cut() {
    let field = "X: ".to_owned() + &"y".repeat(1000) + "\r\n";
    let answer = "HTTP/1.1 200 OK\r\n".to_owned() + &field.repeat(5);
    let fault = play(
        ask(Scheme::Http),
        &[Recv(CONNECT), Send(&answer)],
        Hand::Exact,
    );
    assert_eq!(code(fault), Code::HeadTooLarge);
    // Lines may be longer than what is kept of them.
    let answer = "HTTP/1.1 200 OK\r\n".to_owned() + &field.repeat(3) + "\r\n";
    let turns = [Recv(CONNECT), Send(&answer)];
    assert_eq!(play(ask(Scheme::Http), &turns, Hand::Peek), Ok(()));
    assert_eq!(play(ask(Scheme::Http), &turns, Hand::Exact), Ok(()));
}

#[test]
fn the_longest_request_has_room() {
    let (host, user) = ("h".repeat(HOST_MAX), "\"".repeat(CREDENTIAL_MAX));
    let password = [b'p'; CREDENTIAL_MAX];
    let ask = Ask {
        host: &host,
        port: 65535,
        credentials: Some(Credentials {
            user: &user,
            password: &password,
        }),
        ..ask(Scheme::Http)
    };
    let nonce = "n".repeat(420);
    for challenge in [
        std::format!(
            "Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256-sess, opaque=\"{nonce:.60}\""
        ),
        "Basic realm=\"r\"".to_owned(),
    ] {
        let mut tunnel = Tunnel::new(ask).unwrap();
        let (mut random, mut out) = (counting(), [0; ROOM]);
        let bare = tunnel.poll_output(&mut random, &mut out);
        assert!(matches!(bare, Output::Transmit(..=600)), "{bare:?}");
        let answer = std::format!(
            "HTTP/1.1 407 \r\nProxy-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(tunnel.absorb(answer.as_bytes()), answer.len());
        let said = tunnel.poll_output(&mut random, &mut out);
        assert!(matches!(said, Output::Transmit(700..)), "{said:?}");
    }
    let mut tunnel = Tunnel::new(ask).unwrap();
    let said = tunnel.poll_output(&mut counting(), &mut [0; 64]);
    assert!(
        matches!(said, Output::Failed(fault) if fault.code == Code::ProxyName),
        "{said:?}"
    );
}
