//! SOCKS5 through Dante.

use proxy::{BROKER, Dante, FORBIDDEN, Login, NOWHERE, Office, PASSWORD, SCHEMES, USER};

#[test]
fn without_credentials() {
    let office = Office::open();
    let dante = Dante::start(&office, Login::Open);
    let url = Dante::url();
    for scheme in SCHEMES {
        office.exchange(scheme, &[], &["--proxy", &url]);
    }
    let log = dante.log();
    assert_eq!(log.matches("tcp/connect [").count(), 8, "{log}");
}

#[test]
fn with_credentials() {
    let office = Office::open();
    let _dante = Dante::start(&office, Login::Plain);
    let url = Dante::url();
    let user = ["--proxy", url.as_str(), "--proxy-user", USER];
    for scheme in SCHEMES {
        let known = [("TOWPATH_PROXY_PASSWORD", PASSWORD)];
        office.exchange(scheme, &known, &user);
    }
    let broker = Office::url("wss", BROKER);
    let wants = (
        "proxy",
        "SocksMethod",
        "takes none of the offered authentication methods (offered: none; it wants credentials)",
    );
    office.fails(&broker, &[], &["--proxy", &url], wants);
    let refuses = (
        "proxy",
        "SocksAuthFailed",
        "the SOCKS proxy does not take these credentials. Check user and password",
    );
    let wrong = [("TOWPATH_PROXY_PASSWORD", "wrong")];
    office.fails(&broker, &wrong, &user, refuses);
}

#[test]
fn refusals() {
    let office = Office::open();
    let _dante = Dante::start(&office, Login::Open);
    let url = Dante::url();
    let proxy = ["--proxy", url.as_str()];
    let rule = (
        "proxy",
        "SocksFailed",
        "did not open the connection (reply 2: not allowed by its rules)",
    );
    for scheme in SCHEMES {
        office.fails(&Office::url(scheme, FORBIDDEN), &[], &proxy, rule);
    }
    let unknown = ("proxy", "SocksFailed", "(reply 4: host unreachable)");
    office.fails(&Office::url("wss", NOWHERE), &[], &proxy, unknown);
    let closed = ("proxy", "SocksFailed", "(reply 5: connection refused)");
    office.fails(&format!("mqtt://{BROKER}:1"), &[], &proxy, closed);
    let other = ["--proxy", "http://192.0.2.1:1080"];
    // Dante says nothing to what it does not know.
    let closes = (
        "proxy",
        "ProxyClosed",
        "without an answer. Check the proxy's scheme and port",
    );
    office.fails(&Office::url("wss", BROKER), &[], &other, closes);
}
