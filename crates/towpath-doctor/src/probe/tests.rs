//! What is asked after which fault, and what is never asked.

use towpath_proto::{Code, Rung, tls::Version};

use super::{Change, Probe, next};
use crate::{evidence::Scheme::*, verdict::tests::made::*};

fn questions(made: &Made) -> Vec<Probe> {
    next(&made.evidence)
}

fn to_tls(change: Change) -> Probe {
    asks(change, Rung::Tls)
}

#[test]
fn a_path_that_stands_is_left_alone() {
    assert_eq!(questions(&stands(Wss, 443)), []);
    let warned = stands(Mqtts, 8883).lint("TP-MQTT-023", false);
    assert_eq!(questions(&warned), []);
}

#[test]
fn what_is_known_before_is_not_asked_about() {
    let broken = broke(Mqtts, 8883, Rung::Tls, Code::TlsClosed).lint("TP-TLS-047", true);
    assert_eq!(questions(&broken), []);
    let later = broke(Mqtts, 8883, Rung::Tcp, Code::ConnectTimeout).lint("TP-TLS-047", true);
    assert!(
        !questions(&later).is_empty(),
        "what would break later explains nothing"
    );
}

#[test]
fn a_closed_port_asks_the_neighbours() {
    let other = || asks(Change::Transport(Wss, 443), Rung::Tcp);
    let closed = || broke(Mqtts, 8883, Rung::Tcp, Code::ConnectTimeout);
    assert_eq!(questions(&closed()), [other()]);
    let named = closed().settings(|s| s.environment_proxy = Some("http://p.example:3128".into()));
    assert_eq!(
        questions(&named),
        [asks(Change::EnvironmentProxy, Rung::Proxy), other()]
    );
    let bound = closed().settings(|s| s.bind = Some(address("10.0.0.1")));
    assert_eq!(
        questions(&bound),
        [asks(Change::AnySource, Rung::Tcp), other()]
    );
    assert_eq!(
        questions(&closed().proxied()),
        [asks(Change::Direct, Rung::Tcp)]
    );
    let framed = broke(Wss, 443, Rung::Tcp, Code::ConnectTimeout);
    assert_eq!(
        questions(&framed),
        [asks(Change::Transport(Mqtts, 8883), Rung::Tcp)]
    );
    assert_eq!(
        questions(&closed().fails(Change::Transport(Wss, 443), Rung::Tcp, Code::Refused)),
        []
    );
}

#[test]
fn silence_in_tls_asks_with_small_segments_and_once_more() {
    let silent = broke(Mqtts, 8883, Rung::Tls, Code::TlsTimeout)
        .settings(|s| s.tls_max = Some(Version::Tls12));
    assert_eq!(
        questions(&silent),
        [to_tls(Change::Mss(400)), to_tls(Change::Nothing)]
    );
}

#[test]
fn a_narrow_client_asks_with_everything() {
    let narrow = broke(Mqtts, 8883, Rung::Tls, Code::NoCommonSuite).settings(|s| {
        s.suites = vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into()];
    });
    assert_eq!(questions(&narrow), [to_tls(Change::EverySuite)]);
    let wide = broke(Mqtts, 8883, Rung::Tls, Code::NoCommonSuite);
    assert_eq!(questions(&wide), [], "it has offered everything");
}

#[test]
fn a_refused_login_is_not_tried_again() {
    let refused = |number| broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused).number(number);
    let with_password = |number| {
        refused(number).target(|t| {
            t.user = Some("u".into());
            t.password = true;
        })
    };
    let chosen = |made: Made| made.target(|t| t.client_id = Some("sensor-1".into()));
    let other_id = || asks(Change::ClientId, Rung::Mqtt);
    assert_eq!(questions(&with_password(0x86)), []);
    assert_eq!(questions(&with_password(0x87)), []);
    assert_eq!(
        questions(&chosen(with_password(0x86))),
        [],
        "the password is wrong, whatever the id"
    );
    assert_eq!(
        questions(&chosen(with_password(0x87))),
        [],
        "3.1.1 says 5 of a wrong password too"
    );
    assert_eq!(questions(&refused(0x87)), [other_id()]);
    assert_eq!(questions(&chosen(refused(0x87))), [other_id()]);
    assert_eq!(questions(&chosen(refused(0x85))), [other_id()]);
    assert_eq!(
        questions(&chosen(with_password(0x85))),
        [other_id()],
        "the server has named the identifier, not the password"
    );
    let asked = chosen(refused(0x87)).fails(Change::ClientId, Rung::Mqtt, Code::ConnectRefused);
    assert_eq!(questions(&asked), [], "once");
    for code in [
        Code::Unauthorized,
        Code::ProxyAuthFailed,
        Code::SocksAuthFailed,
        Code::ProxyAuthRequired,
    ] {
        assert_eq!(
            questions(&broke(Wss, 443, Rung::Upgrade, code).proxied()),
            [],
            "{code:?}"
        );
    }
}

#[test]
fn a_hub_is_asked_over_http_once_and_never_by_mqtt_again() {
    let refused = || broke(Mqtts, 8883, Rung::Hub, Code::HubUnauthorized).number(0x87);
    assert_eq!(questions(&refused().hub(true)), [Probe::Date, Probe::Rest]);
    assert_eq!(questions(&refused().hub(false)), [Probe::Date, Probe::Rest]);
    let asked = refused()
        .hub(true)
        .asked(Probe::Date, came_to(Rung::Tls))
        .asked(Probe::Rest, came_to(Rung::Tls));
    assert_eq!(questions(&asked), []);
}

#[test]
fn clear_text_is_never_tried_in_place_of_tls() {
    for (rung, code) in [
        (Rung::Tls, Code::TlsClosed),
        (Rung::Tls, Code::PeerNotTls),
        (Rung::Upgrade, Code::Closed),
        (Rung::Upgrade, Code::BadRequest),
        (Rung::Mqtt, Code::Closed),
    ] {
        for scheme in [Mqtts, Wss] {
            let clear = |probe: &Probe| {
                matches!(
                    probe,
                    Probe::Climb {
                        change: Change::Transport(Mqtt | Ws, _),
                        ..
                    }
                )
            };
            assert!(
                !questions(&broke(scheme, 443, rung, code)).iter().any(clear),
                "{code:?}"
            );
        }
    }
}

#[test]
fn a_plain_scheme_asks_whether_the_port_speaks_tls() {
    let reset = broke(Mqtt, 8883, Rung::Mqtt, Code::Reset);
    let expected = [
        to_tls(Change::Transport(Mqtts, 8883)),
        Probe::Linger { on: Rung::Tcp },
    ];
    assert_eq!(questions(&reset), expected);
    let framed = broke(Ws, 443, Rung::Upgrade, Code::BadRequest);
    assert_eq!(
        questions(&framed).first(),
        Some(&to_tls(Change::Transport(Wss, 443)))
    );
}

#[test]
fn a_wrong_path_asks_for_the_usual_ones() {
    let not_found = |path: &str| {
        broke(Wss, 443, Rung::Upgrade, Code::NotFound).target(|t| t.path = path.into())
    };
    let path = |path| asks(Change::Path(path), Rung::Upgrade);
    assert_eq!(questions(&not_found("/ws")), [path("/mqtt"), path("/")]);
    assert_eq!(questions(&not_found("/mqtt")), [path("/")]);
    assert_eq!(
        questions(&not_found("/mqtt").hub(true)),
        [path("/$iothub/websocket")]
    );
    assert_eq!(questions(&not_found("/$iothub/websocket").hub(true)), []);
}

#[test]
fn whom_the_server_told_to_wait_asks_nothing() {
    let status =
        |scheme, number| broke(scheme, 443, Rung::Upgrade, Code::HttpStatus).number(number);
    for scheme in [Ws, Wss] {
        assert_eq!(questions(&status(scheme, 429)), []);
        assert_eq!(questions(&status(scheme, 451)), []);
    }
    let path = |path| asks(Change::Path(path), Rung::Upgrade);
    assert!(
        questions(&status(Wss, 405)).contains(&path("/")),
        "a page that takes no GET may be at a wrong path"
    );
}

#[test]
fn a_name_asks_the_other_servers_of_this_network() {
    let servers = [socket("10.0.0.1:53"), socket("10.0.0.2:53")];
    let unknown = broke(Mqtts, 8883, Rung::Dns, Code::NameNotFound)
        .dns("10.0.0.1:53", Err(Code::NameNotFound))
        .settings(|s| s.resolvers = servers.to_vec());
    assert_eq!(
        questions(&unknown),
        [asks(Change::Resolver(servers[1]), Rung::Tcp)]
    );
}

#[test]
fn nothing_above_the_rung_that_broke_is_written_for_the_proxy() {
    let through = broke(Wss, 443, Rung::Tls, Code::ServerCertificateUntrusted).proxied();
    assert_eq!(questions(&through), [to_tls(Change::Direct)]);
    let connack = broke(Wss, 443, Rung::Mqtt, Code::ConnackTimeout).proxied();
    assert_eq!(questions(&connack), []);
}
