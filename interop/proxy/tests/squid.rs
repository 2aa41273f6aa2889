//! HTTP CONNECT through squid.

use proxy::{BROKER, FORBIDDEN, Login, NOWHERE, Office, PASSWORD, SCHEMES, Squid, USER};

const KNOWN: &[(&str, &str)] = &[("TOWPATH_PROXY_PASSWORD", PASSWORD)];
const WRONG: &[(&str, &str)] = &[("TOWPATH_PROXY_PASSWORD", "wrong")];

#[test]
fn without_credentials() {
    let office = Office::open();
    let squid = Squid::start(&office, Login::Open);
    let url = Squid::url();
    for scheme in SCHEMES {
        office.exchange(scheme, &[], &["--proxy", &url]);
    }
    squid.until_tunnels(8, None);
}

fn with_credentials(login: Login) {
    let office = Office::open();
    let squid = Squid::start(&office, login);
    let url = Squid::url();
    for scheme in SCHEMES {
        office.exchange(scheme, KNOWN, &["--proxy", &url, "--proxy-user", USER]);
    }
    squid.until_tunnels(8, Some(USER));
    let broker = Office::url("wss", BROKER);
    let asks = (
        "proxy",
        "ProxyAuthRequired",
        "a proxy asks for credentials (HTTP 407; ",
    );
    office.fails(&broker, &[], &["--proxy", &url], asks);
    let refuses = (
        "proxy",
        "ProxyAuthFailed",
        "the proxy does not take these credentials (HTTP 407; peer says \"ERR_CACHE_ACCESS_DENIED",
    );
    let user = ["--proxy", url.as_str(), "--proxy-user", USER];
    office.fails(&broker, WRONG, &user, refuses);
}

#[test]
fn basic() {
    with_credentials(Login::Plain);
}

#[test]
fn digest() {
    with_credentials(Login::Digest);
}

#[test]
fn refusals() {
    let office = Office::open();
    let _squid = Squid::start(&office, Login::Open);
    let url = Squid::url();
    let proxy = ["--proxy", url.as_str()];
    let forbids = (
        "proxy",
        "ProxyRefused",
        "the proxy forbids the connection (HTTP 403; peer says \"ERR_ACCESS_DENIED",
    );
    for scheme in SCHEMES {
        office.fails(&Office::url(scheme, FORBIDDEN), &[], &proxy, forbids);
    }
    let unknown = (
        "proxy",
        "ProxyBadGateway",
        "the proxy can't reach the server (HTTP 500; peer says \"ERR_CANNOT_FORWARD",
    );
    office.fails(&Office::url("wss", NOWHERE), &[], &proxy, unknown);
    let closed = (
        "proxy",
        "ProxyBadGateway",
        "the proxy can't reach the server (HTTP 503; peer says \"ERR_CONNECT_FAIL 111",
    );
    let url = format!("mqtt://{BROKER}:1");
    office.fails(&url, &[], &proxy, closed);
    let wrong = ["--proxy", "socks5://192.0.2.1:3128", "--timeout", "3"];
    let outcome = office.publish(&url, &[], &[&wrong[..], &["--json"]].concat());
    assert_eq!(outcome.failed().rung, "proxy");
}
