//! The ladder's words, line by line.

use super::*;

const PEER: &str = "127.0.0.1:1883";

struct Climb(Ladder, Vec<String>);

impl Climb {
    fn to(url: &str) -> Self {
        Self(Ladder::new(Endpoint::parse(url).unwrap()), Vec::new())
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
