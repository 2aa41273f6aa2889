//! Servers that are no proxies, proxies that answer oddly, and where the proxy is named.

use proxy::{Act, BROKER, Impostor, Login, OFFICE, Office, PASSWORD, SCHEMES, Squid, USER};

const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad Gateway\r\nServer: relay/1\r\n\r\n";
const FORBIDDEN: &str = "HTTP/1.0 403 Forbidden\r\n\r\n<html>no</html>";
const NTLM: &str = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\n\
    Proxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
const WEB: &str = "HTTP/1.1 405 Not Allowed\r\nServer: nginx/1.22.1\r\n\r\n";

#[test]
fn each_is_named() {
    let office = Office::open();
    let known = [("TOWPATH_PROXY_PASSWORD", PASSWORD)];
    let user = ["--proxy-user", USER];
    for (act, scheme, code, line) in [
        (
            Act::Close,
            "http",
            "ProxyClosed",
            "closed the connection without an answer",
        ),
        (
            Act::Close,
            "socks5",
            "ProxyClosed",
            "closed the connection without an answer",
        ),
        (
            Act::Hear,
            "http",
            "ProxyClosed",
            "closed the connection without an answer",
        ),
        (
            Act::Hear,
            "socks5",
            "ProxyClosed",
            "closed the connection without an answer",
        ),
        (
            Act::Silent,
            "http",
            "ProxyTimeout",
            "does not answer (2000 ms; no answer to CONNECT)",
        ),
        (
            Act::Silent,
            "socks5",
            "ProxyTimeout",
            "does not answer (2000 ms; no answer to the greeting)",
        ),
        (
            Act::Say("SSH-2.0-OpenSSH_9.2\r\n"),
            "http",
            "NotProxy",
            "(peer says \"SSH-2.0-OpenSSH_9.2\")",
        ),
        (
            Act::Say("\u{15}\u{3}\u{1}"),
            "http",
            "NotProxy",
            "no proxy of this kind",
        ),
        (
            Act::Say("HTTP/1.1 400 Bad Request\r\n\r\n"),
            "socks5",
            "NotProxy",
            "(peer says \"HTTP\")",
        ),
        (
            Act::Say("\u{5}\u{2}\u{1}\u{0}\u{9}"),
            "socks5",
            "NotProxy",
            "no proxy of this kind",
        ),
        (
            Act::Say(WEB),
            "http",
            "NotProxy",
            "(HTTP 405; peer says \"Not Allowed, nginx/1.22.1\")",
        ),
        (
            Act::Say(BAD_GATEWAY),
            "http",
            "ProxyBadGateway",
            "(HTTP 502; peer says \"Bad Gateway, relay/1\")",
        ),
        (
            Act::Say(FORBIDDEN),
            "http",
            "ProxyRefused",
            "(HTTP 403; peer says \"Forbidden\")",
        ),
        (
            Act::Say(NTLM),
            "http",
            "ProxyAuthScheme",
            "not known here (HTTP 407; Negotiate, NTLM)",
        ),
    ] {
        let impostor = Impostor::start(&office, act);
        let url = impostor.url(scheme);
        // Only who waits in vain waits no longer than that.
        let silent = matches!(act, Act::Silent);
        let patience: &[&str] = if silent { &["--timeout", "2"] } else { &[] };
        let arguments = [&["--proxy", url.as_str()], &user[..], patience].concat();
        office.fails(
            &Office::url("wss", BROKER),
            &known,
            &arguments,
            ("proxy", code, line),
        );
    }
}

#[test]
fn the_environment_names_it() {
    let office = Office::open();
    let squid = Squid::start(&office, Login::Plain);
    // The password as a URL takes it.
    let encoded: String = PASSWORD
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let url = Squid::url().replace("http://", &format!("http://{USER}:{encoded}@"));
    for scheme in SCHEMES {
        let own = match scheme {
            "ws" => "http_proxy",
            "mqtt" => "all_proxy",
            _ => "HTTPS_PROXY",
        };
        office.exchange(scheme, &[(own, &url)], &[]);
        office.exchange(scheme, &[("ALL_PROXY", &url)], &[]);
    }
    squid.until_tunnels(16, Some(USER));

    // Without the proxy the office lets nobody in.
    let direct = ("tcp", "Refused", "connection refused");
    for (scheme, variables) in [
        (
            "wss",
            &[("HTTPS_PROXY", url.as_str()), ("NO_PROXY", "192.0.2.0/24")][..],
        ),
        ("mqtt", &[("ALL_PROXY", &url), ("no_proxy", OFFICE)]),
        ("ws", &[("HTTP_PROXY", &url)]),
        ("mqtt", &[("HTTPS_PROXY", &url)]),
    ] {
        office.fails(&Office::url(scheme, OFFICE), variables, &[], direct);
    }
    let variables = [("HTTPS_PROXY", url.as_str())];
    let none = ["--proxy", "none"];
    office.fails(&Office::url("wss", OFFICE), &variables, &none, direct);
    // The device knows no name.
    let outcome = office.publish(
        &Office::url("wss", BROKER),
        &variables,
        &["--proxy", "none", "--json"],
    );
    let rung = outcome.failed().rung;
    assert!(matches!(rung.as_str(), "address" | "dns"), "{rung}");
}

#[test]
fn passwords_are_refused_where_others_see_them() {
    let office = Office::open();
    let broker = Office::url("wss", BROKER);
    for arguments in [
        &["--proxy", "http://anna:hunter2@192.0.2.1:3128"][..],
        &[
            "--proxy",
            "http://192.0.2.1",
            "--proxy-user",
            "anna:hunter2",
        ],
        &["--proxy", "http://192.0.2.1", "--proxy-password", "hunter2"],
        &["--proxy", "https://anna:hunter2@192.0.2.1"],
    ] {
        let outcome = office.publish(&broker, &[], arguments);
        assert_eq!(outcome.status, Some(2), "{outcome:?}");
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
    let variables = [("HTTPS_PROXY", "https://anna:hunter2@192.0.2.1")];
    let outcome = office.publish(&broker, &variables, &[]);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(
        outcome.stderr.contains("HTTPS_PROXY: "),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}
