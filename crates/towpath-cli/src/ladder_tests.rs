//! The ladder's words, line by line.

use super::*;

const PEER: &str = "127.0.0.1:1883";

struct Climb(Ladder, Vec<String>);

impl Climb {
    fn to(url: &str) -> Self {
        Self(Ladder::new(Endpoint::parse(url).unwrap(), None), Vec::new())
    }

    /// A fact at this many microseconds.
    fn fact(mut self, micros: u64, rung: Rung, fact: Fact) -> Self {
        let trace = Trace {
            at: Instant::from_micros(micros),
            rung,
            fact,
        };
        let line = self.0.fact(&trace, PEER.parse().ok());
        self.1.extend(line.map(|line| line.text(false)));
        self
    }

    fn tcp(self) -> Self {
        self.fact(0, Rung::Tcp, Fact::Started)
            .fact(300, Rung::Tcp, Fact::Reached)
    }

    fn accepted(mut self, limits: &Limits) -> Self {
        let lines = self.0.connected(true, limits);
        self.1.extend(lines.iter().map(|line| line.text(false)));
        self
    }

    fn broke(mut self, at: u64, fault: &Fault) -> Self {
        self = self.fact(at, fault.rung, Fact::Failed);
        let lines = self.0.broke(fault);
        self.1.extend(lines.iter().map(|line| line.text(false)));
        self
    }

    #[track_caller]
    fn shows(&self, lines: &[&str]) {
        assert_eq!(self.1, lines);
    }
}

#[test]
fn a_whole_climb() {
    Climb::to("ws://broker.example:1883/mqtt?sig=secret")
        .fact(0, Rung::Dns, Fact::Started)
        .fact(12_345, Rung::Dns, Fact::Reached)
        .fact(12_345, Rung::Tcp, Fact::Started)
        .fact(12_645, Rung::Tcp, Fact::Reached)
        .fact(12_645, Rung::Upgrade, Fact::Started)
        .fact(12_645, Rung::Upgrade, Fact::Sent("GET", 100))
        .fact(1_512_645, Rung::Upgrade, Fact::Received("101", 100))
        .fact(1_512_645, Rung::Upgrade, Fact::Reached)
        .fact(1_512_645, Rung::Ws, Fact::Reached)
        .fact(1_512_645, Rung::Mqtt, Fact::Started)
        .fact(1_513_645, Rung::Mqtt, Fact::Reached)
        .accepted(&Limits::defaults(60, 0))
        .shows(&[
            "  dns       reached       12.3 ms  broker.example",
            "  tcp       reached       0.30 ms  127.0.0.1:1883",
            "  upgrade   reached       1500 ms  GET /mqtt?... -> 101",
            "  mqtt      reached       1.00 ms  CONNECT -> CONNACK",
            "  path      ready         1514 ms  session kept, keep alive 60 s",
        ]);
}

#[test]
fn the_name_does_not_resolve() {
    let fault = Fault::new(Rung::Dns, Code::NameNotFound).detail(b"Name or service not known");
    Climb::to("mqtt://nowhere.example")
        .fact(0, Rung::Dns, Fact::Started)
        .broke(2_000, &fault)
        .shows(&[
            "  dns       broke         2.00 ms  nowhere.example",
            "  tcp       not reached",
            "  mqtt      not reached",
        ]);
}

#[test]
fn the_port_is_closed() {
    let fault = Fault::new(Rung::Tcp, Code::Refused)
        .number(111)
        .detail(PEER.as_bytes());
    Climb::to("ws://127.0.0.1:1883")
        .fact(0, Rung::Tcp, Fact::Started)
        .broke(100, &fault)
        .shows(&[
            "  tcp       broke         0.10 ms  127.0.0.1:1883",
            "  upgrade   not reached",
            "  mqtt      not reached",
        ]);
}

#[test]
fn the_upgrade_is_refused() {
    let fault = Fault::new(Rung::Upgrade, Code::NotFound).number(404);
    Climb::to("ws://127.0.0.1:1883/mqtt")
        .tcp()
        .fact(300, Rung::Upgrade, Fact::Started)
        .fact(300, Rung::Upgrade, Fact::Sent("GET", 100))
        .broke(1300, &fault)
        .shows(&[
            "  tcp       reached       0.30 ms  127.0.0.1:1883",
            "  upgrade   broke         1.00 ms  last sent GET /mqtt, last received HTTP 404",
            "  mqtt      not reached",
        ]);
}

#[test]
fn an_errno_is_no_http_status() {
    let fault = Fault::new(Rung::Upgrade, Code::Reset).number(104);
    let climb = Climb::to("ws://127.0.0.1:1883/mqtt")
        .tcp()
        .fact(300, Rung::Upgrade, Fact::Sent("GET", 100))
        .broke(1300, &fault);
    assert!(climb.1[1].ends_with("last sent GET /mqtt, last received nothing"));
}

#[test]
fn the_peer_speaks_something_else() {
    for (code, last) in [
        (Code::PeerSpeaksTls, "TLS"),
        (Code::PeerSpeaksHttp, "HTTP"),
        (Code::Malformed, "not MQTT"),
        (Code::ConnackTimeout, "nothing"),
    ] {
        let climb = Climb::to("mqtt://127.0.0.1")
            .tcp()
            .fact(300, Rung::Mqtt, Fact::Started)
            .fact(300, Rung::Mqtt, Fact::Sent("CONNECT", 30))
            .broke(800, &Fault::new(Rung::Mqtt, code));
        let expected =
            format!("  mqtt      broke         0.50 ms  last sent CONNECT, last received {last}");
        assert_eq!(climb.1[1], expected);
    }
}

#[test]
fn a_connection_that_held_breaks_and_is_climbed_again() {
    let fault = Fault::new(Rung::Mqtt, Code::PingTimeout).number(10_000);
    let climb = Climb::to("mqtt://127.0.0.1")
        .tcp()
        .fact(300, Rung::Mqtt, Fact::Started)
        .fact(500, Rung::Mqtt, Fact::Reached)
        .accepted(&Limits::defaults(0, 0))
        .fact(600, Rung::Mqtt, Fact::Sent("PINGREQ", 2))
        .fact(700, Rung::Mqtt, Fact::Received("PUBLISH", 2))
        .broke(60_000_500, &fault)
        .tcp();
    climb.shows(&[
        "  tcp       reached       0.30 ms  127.0.0.1:1883",
        "  mqtt      reached       0.20 ms  CONNECT -> CONNACK",
        "  path      ready         0.50 ms  session kept, no keep alive",
        "  mqtt      broke        60000 ms  last sent PINGREQ, last received PUBLISH",
        "  tcp       reached       0.30 ms  127.0.0.1:1883",
    ]);
}

#[test]
fn colour_goes_with_the_state_only_and_json_has_the_same_words() {
    let line = Line::done(
        "publish",
        Some(Duration::from_micros(1500)),
        "PUBLISH".into(),
    );
    assert_eq!(
        line.text(true),
        "  publish   \x1b[32mdone       \x1b[0m   1.50 ms  PUBLISH"
    );
    assert_eq!(
        line.json(),
        "{\"trace\":\"publish\",\"state\":\"done\",\"ms\":1.500,\"what\":\"PUBLISH\"}"
    );
}

mod tls {
    use super::*;
    use towpath::tls::{Alert, Fact as Seen, Message, PublicKey, Side, Version};

    impl Climb {
        fn seen(self, micros: u64, fact: Seen) -> Self {
            self.fact(micros, Rung::Tls, Fact::Tls(fact))
        }

        fn said(self, micros: u64, from: Side, message: Message) -> Self {
            self.seen(
                micros,
                Seen::Handshake {
                    from,
                    message,
                    len: 100,
                },
            )
        }

        fn shows_chain(self, micros: u64) -> Self {
            self.seen(
                micros,
                Seen::Chain {
                    from: Side::Server,
                    certificates: 3,
                    len: 2460,
                    key: Some(PublicKey::Rsa(2048)),
                },
            )
        }

        /// The first handshake, from 300 to 12,600 µs.
        fn secured(self, version: Version, suite: u16, resumed: bool) -> Self {
            self.seen(
                12_600,
                Seen::Agreed {
                    version,
                    suite,
                    resumed,
                },
            )
            .seen(12_600, Seen::RoundTrips(if resumed { 1 } else { 2 }))
            .fact(300, Rung::Tls, Fact::Started)
            .fact(12_600, Rung::Tls, Fact::Reached)
        }
    }

    const TLS12: (Version, u16) = (Version::Tls12, 0xc02f);
    const REACHED: &str =
        "  tls       reached       12.3 ms  TLS 1.2 ECDHE_RSA_WITH_AES_128_GCM_SHA256";

    #[test]
    fn a_handshake() {
        let (version, suite) = TLS12;
        Climb::to("mqtts://127.0.0.1:1883")
            .tcp()
            .shows_chain(5000)
            .said(6000, Side::Server, Message::CERTIFICATE_REQUEST)
            .said(7000, Side::Client, Message::CERTIFICATE_VERIFY)
            .secured(version, suite, false)
            .shows(&[
                "  tcp       reached       0.30 ms  127.0.0.1:1883",
                &format!(
                    "{REACHED}\n{:35}chain of 3 in 2460 B, RSA-2048, 2 round trips\n{:35}client certificate shown",
                    "", ""
                ),
            ]);
    }

    #[test]
    fn a_session_resumed_and_a_suite_without_a_name() {
        let climb = Climb::to("mqtts://127.0.0.1:1883")
            .tcp()
            .secured(Version::Tls12, 0xfafa, true);
        assert_eq!(
            climb.1[1],
            format!(
                "  tls       reached       12.3 ms  TLS 1.2 0xfafa\n{:35}resumed, 1 round trip",
                ""
            )
        );
    }

    #[test]
    fn a_renegotiation_done() {
        let (version, suite) = TLS12;
        let climb = Climb::to("wss://127.0.0.1:1883/mqtt")
            .tcp()
            .secured(version, suite, false)
            .seen(20_000, Seen::HelloRequest { len: 28 })
            .seen(20_100, Seen::Renegotiating)
            // Those of the second handshake are not told again.
            .shows_chain(21_000)
            .said(21_000, Side::Server, Message::CERTIFICATE_REQUEST)
            .said(22_000, Side::Client, Message::CERTIFICATE_VERIFY)
            .said(22_000, Side::Client, Message::FINISHED)
            .seen(28_500, Seen::Renegotiated);
        assert_eq!(
            climb.1[2..],
            [
                "  tls       done          8.50 ms  renegotiated, as the server asked: client certificate shown"
            ]
        );
    }

    #[test]
    fn a_renegotiation_refused_and_the_alerts() {
        let (version, suite) = TLS12;
        let fault = Fault::new(Rung::Tls, Code::RenegotiationOff);
        let warning = Alert {
            from: Side::Client,
            fatal: false,
            description: 100,
        };
        let climb = Climb::to("wss://127.0.0.1:1883/mqtt")
            .tcp()
            .secured(version, suite, false)
            .said(20_000, Side::Server, Message::HELLO_REQUEST)
            .seen(20_000, Seen::HelloRequest { len: 28 })
            .seen(20_100, Seen::RenegotiationRefused)
            .seen(20_100, Seen::Alert(warning))
            .seen(21_000, Seen::HiddenAlert(Side::Server))
            .seen(21_000, Seen::Alert(Alert::fatal(Side::Server, 40)))
            .broke(22_600, &fault);
        assert_eq!(
            climb.1[2..],
            [
                "  tls       refused                renegotiation, which the server asked for",
                "  tls       alert                  client sent warning 100 no_renegotiation",
                "  tls       alert                  server sent alert 40 handshake_failure",
                "  tls       broke         10.0 ms  last sent nothing, last received HelloRequest",
                "  upgrade   not reached",
                "  mqtt      not reached",
            ]
        );
    }

    #[test]
    fn a_certificate_asked_for_after_the_handshake() {
        let climb = Climb::to("wss://127.0.0.1:1883/mqtt")
            .tcp()
            .said(5000, Side::Client, Message::FINISHED)
            .secured(Version::Tls13, 0x1301, false)
            .said(20_000, Side::Server, Message::CERTIFICATE_REQUEST)
            .said(21_000, Side::Client, Message::FINISHED);
        assert_eq!(
            climb.1[2..],
            [
                "  tls       done          1.00 ms  asked by the server after the handshake: client certificate asked for, \
              none shown"
            ]
        );
    }

    #[test]
    fn farewells_are_no_alerts_worth_a_line() {
        let farewell = |from| {
            Seen::Alert(Alert {
                from,
                fatal: false,
                description: 0,
            })
        };
        let climb = Climb::to("mqtts://127.0.0.1:1883")
            .seen(1, farewell(Side::Client))
            .seen(2, farewell(Side::Server));
        climb.shows(&[]);
        let climb = Climb::to("mqtts://127.0.0.1:1883").seen(2, farewell(Side::Server));
        climb.shows(&["  tls       alert                  server sent warning 0 close_notify"]);
    }

    #[test]
    fn what_breaks_before_a_byte_is_sent() {
        let fault = Fault::new(Rung::Tls, Code::TlsMaterial).detail(b"client key");
        Climb::to("mqtts://127.0.0.1:1883")
            .fact(0, Rung::Tls, Fact::Started)
            .broke(1000, &fault)
            .shows(&[
                "  tls       broke         1.00 ms  client key",
                "  mqtt      not reached",
            ]);
    }

    #[test]
    fn json_has_the_same_as_members() {
        let mut ladder = Ladder::new(Endpoint::parse("mqtts://h").unwrap(), None);
        let trace = |fact| Trace {
            at: Instant::from_micros(5),
            rung: Rung::Tls,
            fact,
        };
        let alert = Seen::Alert(Alert::fatal(Side::Client, 48));
        let line = ladder.fact(&trace(Fact::Tls(alert)), None).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(value["state"], "alert");
        assert_eq!(
            (&value["alert"]["from"], &value["alert"]["number"]),
            (&"client".into(), &48.into())
        );
        let line = ladder.fact(&trace(Fact::Reached), None).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line.json()).unwrap();
        for member in [
            "version",
            "suite",
            "suite_number",
            "resumed",
            "round_trips",
            "chain",
            "client_certificate",
        ] {
            assert!(value.get(member).is_some(), "{member} in {value}");
        }
        assert_eq!(value["chain"], serde_json::Value::Null);
    }
}

#[path = "ladder/net_tests.rs"]
mod net;
