//! The upgrade, frames and MQTT.

use towpath_proto::{
    Code, Rung,
    tls::{Message, Side},
};

use super::{each_is, made::*};
use crate::{
    evidence::{HttpHead, Scheme::*},
    probe::{Change, Probe},
    verdict::diagnose,
};

#[test]
fn upgrades() {
    let wss = |code| broke(Wss, 443, Rung::Upgrade, code);
    let ws = |code| broke(Ws, 80, Rung::Upgrade, code);
    let moved = |location: &str| HttpHead {
        location: location.into(),
        ..head(302)
    };
    let tls_there = Change::Transport(Wss, 80);
    each_is(vec![
        ("cut", wss(Code::Closed), "TP-UPG-001"),
        (
            "reset by a listener of raw MQTT",
            ws(Code::Reset).silent_on(Rung::Tcp, false),
            "TP-UPG-001",
        ),
        (
            "cut by itself",
            wss(Code::Closed).silent_on(Rung::Tls, true),
            "TP-TLS-005",
        ),
        (
            "cut in clear by itself",
            ws(Code::Closed).silent_on(Rung::Tcp, true),
            "TP-TCP-001",
        ),
        (
            "no answer",
            wss(Code::UpgradeTimeout).number(4000),
            "TP-UPG-002",
        ),
        (
            "half an answer",
            wss(Code::UpgradeTimeout).number(4000).http(head(101)),
            "TP-UPG-010",
        ),
        (
            "a web page",
            wss(Code::HttpStatus).number(200),
            "TP-UPG-003",
        ),
        ("a head without end", wss(Code::HeadTooLarge), "TP-UPG-006"),
        ("no subprotocol", wss(Code::NoSubprotocol), "TP-UPG-007"),
        (
            "another subprotocol",
            wss(Code::WrongSubprotocol),
            "TP-UPG-008",
        ),
        ("a wrong hash", wss(Code::WrongAccept), "TP-UPG-009"),
        ("400", wss(Code::BadRequest).number(400), "TP-UPG-011"),
        (
            "400, and the hub's path is taken",
            wss(Code::BadRequest)
                .number(400)
                .works(Change::Path("/$iothub/websocket"), Rung::Upgrade),
            "TP-UPG-023",
        ),
        (
            "400 without a path",
            wss(Code::BadRequest).number(400).target(|t| t.path.clear()),
            "TP-UPG-026",
        ),
        (
            "400 to many subprotocols, not to one",
            wss(Code::BadRequest)
                .number(400)
                .works(Change::OneSubprotocol, Rung::Upgrade),
            "TP-UPG-025",
        ),
        (
            "400 in clear on a port for TLS",
            ws(Code::BadRequest)
                .number(400)
                .works(tls_there.clone(), Rung::Tls),
            "TP-TLS-048",
        ),
        (
            "cut in clear on a port for TLS that is not trusted",
            ws(Code::Reset).asked(asks(tls_there, Rung::Tls), {
                let mut climb = failed_at(Rung::Tls, Code::ServerCertificateUntrusted);
                climb
                    .tls
                    .push((climb.took, handshake(Side::Server, Message::SERVER_HELLO)));
                climb
            }),
            "TP-TLS-048",
        ),
        ("401", wss(Code::Unauthorized).number(401), "TP-UPG-012"),
        ("403", wss(Code::Forbidden).number(403), "TP-UPG-013"),
        (
            "404",
            wss(Code::NotFound)
                .number(404)
                .fails(Change::Path("/"), Rung::Upgrade, Code::NotFound),
            "TP-UPG-014",
        ),
        (
            "404, and another path is taken",
            wss(Code::NotFound)
                .number(404)
                .works(Change::Path("/"), Rung::Upgrade),
            "TP-UPG-023",
        ),
        (
            "407",
            wss(Code::ProxyAuthRequired).number(407),
            "TP-PROXY-013",
        ),
        ("426", wss(Code::UpgradeRequired).number(426), "TP-UPG-016"),
        (
            "the server moved",
            wss(Code::Redirected)
                .number(302)
                .http(moved("https://other.example/")),
            "TP-UPG-017",
        ),
        (
            "in clear, to a host of another domain",
            ws(Code::Redirected)
                .number(302)
                .http(moved("http://login.portal.example/login?token=1")),
            "TP-UPG-024",
        ),
        (
            "in clear, to an address",
            ws(Code::Redirected)
                .number(302)
                .http(moved("http://10.0.0.1/login")),
            "TP-UPG-024",
        ),
        (
            "in clear, to https and www",
            ws(Code::Redirected)
                .number(301)
                .http(moved("https://www.broker.example/mqtt")),
            "TP-UPG-017",
        ),
        (
            "in clear, to the same host",
            ws(Code::Redirected)
                .number(301)
                .http(moved("https://broker.example/mqtt")),
            "TP-UPG-017",
        ),
        ("511", ws(Code::ServerError).number(511), "TP-UPG-024"),
        ("502", wss(Code::ServerError).number(502), "TP-UPG-018"),
        ("no HTTP", wss(Code::NotHttp), "TP-UPG-019"),
        ("broken HTTP", wss(Code::HeadMalformed), "TP-UPG-020"),
        (
            "101 without Upgrade",
            wss(Code::UpgradeHeader),
            "TP-UPG-021",
        ),
        ("an extension", wss(Code::UnaskedExtension), "TP-UPG-022"),
    ]);
    let portal = ws(Code::Redirected)
        .number(302)
        .http(moved("http://login.portal.example/login?token=1"));
    let said = format!("{:?}", diagnose(&portal.evidence));
    assert!(
        !said.contains("token=1"),
        "what stands behind the question mark may be a secret"
    );
    let www = ws(Code::Redirected)
        .number(301)
        .http(moved("https://www.broker.example/mqtt"));
    let found = diagnose(&www.evidence).found.remove(0);
    assert_eq!(
        found.fix(),
        "Use wss://www.broker.example instead of ws://broker.example."
    );
    assert_eq!(found.or_else[0].id, "TP-UPG-024");
    let many = wss(Code::HttpStatus).number(429);
    assert_eq!(
        diagnose(&many.evidence).found[0].cause(),
        "the server takes no more requests from here for now (HTTP 429)"
    );
}

#[test]
fn frames_and_connect() {
    let ws = |code| broke(Wss, 443, Rung::Ws, code);
    let mqtt = |code| broke(Mqtts, 8883, Rung::Mqtt, code);
    let plain = |code| broke(Mqtt, 8883, Rung::Mqtt, code);
    let refused = |number| mqtt(Code::ConnectRefused).number(number);
    let tls_there = Change::Transport(Mqtts, 8883);
    let shown = [handshake(Side::Client, Message::CERTIFICATE_VERIFY)];
    each_is(vec![
        ("cut on frames", ws(Code::Closed), "TP-WS-001"),
        (
            "cut behind 101 by itself",
            broke(Wss, 443, Rung::Mqtt, Code::Closed).silent_on(Rung::Ws, true),
            "TP-WS-001",
        ),
        ("text frames", ws(Code::FrameText), "TP-WS-004"),
        ("masked frames", ws(Code::FrameMask), "TP-WS-005"),
        ("close frame", ws(Code::WsClosed).number(1011), "TP-WS-007"),
        (
            "MQTT was ended, and the frames with it",
            broke(Wss, 443, Rung::Ws, Code::WsClosed).number(1000),
            "TP-MQTT-001",
        ),
        ("reserved bits", ws(Code::FrameReserved), "TP-WS-008"),
        (
            "cut after CONNECT, and the next one in the handshake already",
            mqtt(Code::Closed).asked(
                Probe::Linger { on: Rung::Tls },
                failed_at(Rung::Tls, Code::TlsClosed),
            ),
            "TP-TLS-001",
        ),
        (
            "cut after CONNECT",
            mqtt(Code::Closed).silent_on(Rung::Tls, false),
            "TP-MQTT-001",
        ),
        (
            "reset after CONNECT",
            plain(Code::Reset).silent_on(Rung::Tcp, false),
            "TP-MQTT-032",
        ),
        (
            "cut in clear by itself",
            plain(Code::Closed).silent_on(Rung::Tcp, true),
            "TP-TCP-001",
        ),
        (
            "plain MQTT on a port for TLS",
            plain(Code::Reset).works(tls_there.clone(), Rung::Tls),
            "TP-TLS-048",
        ),
        (
            "plain MQTT into the silence of one",
            plain(Code::ConnackTimeout).works(tls_there, Rung::Tls),
            "TP-TLS-048",
        ),
        (
            "TLS by its own words",
            plain(Code::PeerSpeaksTls),
            "TP-TLS-048",
        ),
        ("HTTP", plain(Code::PeerSpeaksHttp), "TP-MQTT-022"),
        (
            "cut with a certificate",
            mqtt(Code::Closed)
                .target(|t| t.client_certificate = true)
                .tls(&shown)
                .silent_on(Rung::Tls, false),
            "TP-MQTT-030",
        ),
        (
            "AWS on 443 without ALPN",
            broke(Mqtts, 443, Rung::Mqtt, Code::Closed)
                .target(|t| t.host = "x.iot.eu-west-1.amazonaws.com".into()),
            "TP-TLS-049",
        ),
        ("no CONNACK", mqtt(Code::ConnackTimeout), "TP-MQTT-002"),
        ("version", refused(0x84), "TP-MQTT-003"),
        ("client id", refused(0x85), "TP-MQTT-004"),
        ("not available", refused(0x88), "TP-MQTT-005"),
        ("password", refused(0x86), "TP-MQTT-006"),
        ("not authorized", refused(0x87), "TP-MQTT-007"),
        (
            "not authorized, another id is taken",
            refused(0x87)
                .target(|t| t.client_id = Some("x".into()))
                .works(Change::ClientId, Rung::Mqtt),
            "TP-MQTT-025",
        ),
        (
            "not authorized, nor is another id",
            refused(0x87)
                .target(|t| t.client_id = Some("x".into()))
                .fails(Change::ClientId, Rung::Mqtt, Code::ConnectRefused),
            "TP-MQTT-007",
        ),
        ("banned", refused(0x8a), "TP-MQTT-016"),
        ("quota", refused(0x97), "TP-MQTT-034"),
        ("another server", refused(0x9c), "TP-MQTT-029"),
        ("no retain", refused(0x9a), "TP-MQTT-028"),
        (
            "a number of MQTT 5 to 3.1.1",
            mqtt(Code::Malformed)
                .fault(|f| f.clause("MQTT 3.1.1 3.2.2.3 a reserved connect return code")),
            "TP-MQTT-031",
        ),
        ("no MQTT", mqtt(Code::Malformed), "TP-MQTT-009"),
    ]);
}

#[test]
fn a_refusal_of_no_name_is_told_as_what_it_most_often_is() {
    let refused = || broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused).number(0x87);
    let cause = |made: Made| diagnose(&made.evidence).found.remove(0).cause().to_owned();
    assert!(cause(refused()).contains("most often"));
    let shown = cause(refused().target(|t| t.client_certificate = true));
    assert!(!shown.contains("password"), "{shown}");
}

/// A connection that stood for this long when it was cut.
fn stood(scheme: crate::evidence::Scheme, seconds: u64) -> Made {
    let mut made = stands(scheme, 443);
    made.climb().fault = Some(towpath_proto::Fault::new(Rung::Mqtt, Code::Closed));
    made.climb().took = std::time::Duration::from_secs(seconds);
    made
}

#[test]
fn the_end_of_a_connection_that_stood() {
    let said = |number| {
        let mut made = stood(Mqtts, 5);
        made.climb().fault =
            Some(towpath_proto::Fault::new(Rung::Mqtt, Code::ServerDisconnected).number(number));
        made
    };
    each_is(vec![
        ("cut without a word", stood(Mqtts, 5), "TP-MQTT-015"),
        (
            "reset",
            stood(Mqtts, 5).fault(|fault| towpath_proto::Fault {
                code: Code::Reset,
                ..fault
            }),
            "TP-TCP-002",
        ),
        (
            "idle behind a reverse proxy",
            stood(Wss, 60).http(head(101)),
            "TP-MQTT-024",
        ),
        (
            "busy behind a reverse proxy",
            {
                let mut made = stood(Wss, 60).http(head(101));
                made.climb()
                    .steps
                    .iter_mut()
                    .find(|s| s.rung == Rung::Mqtt)
                    .unwrap()
                    .sent = Some(("PUBLISH", 9));
                made
            },
            "TP-MQTT-015",
        ),
        ("taken over", said(0x8e), "TP-MQTT-018"),
        ("keep alive", said(0x8d), "TP-MQTT-027"),
        ("too large", said(0x95), "TP-MQTT-019"),
        ("quota", said(0x97), "TP-MQTT-034"),
        ("moved", said(0x9d), "TP-MQTT-029"),
        ("not allowed", said(0x87), "TP-MQTT-026"),
        ("for a reason", said(0x98), "TP-MQTT-017"),
        (
            "silence",
            broke(Mqtts, 8883, Rung::Mqtt, Code::PingTimeout),
            "TP-MQTT-013",
        ),
        ("a hub", stood(Mqtts, 5).hub(true), "TP-MQTT-015"),
    ]);
}
