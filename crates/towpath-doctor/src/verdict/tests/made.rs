//! Evidence made by hand.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use towpath_proto::{
    Code, Fault, Rung,
    net::{self, Candidate, Ended, Families, Origin, dns},
    tls::{self, Alert, Message, PublicKey, Side, Version},
};

use crate::{
    catalogue,
    diagnosis::Found,
    evidence::{Certificate, Climb, Evidence, HttpHead, Passed, Scheme, Service, Settings, Target},
    probe::{Change, Probe},
    profile::{DeviceProfile, Set},
};

/// 2026-11-01, the day of these tests.
pub(crate) const TODAY: i64 = 1_793_491_200;
pub(crate) const DAY: i64 = 86_400;

/// Evidence under construction.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) evidence: Evidence,
}

/// A broker behind this URL, whose climb broke on this rung with this code.
pub(crate) fn broke(scheme: Scheme, port: u16, rung: Rung, code: Code) -> Made {
    let mut made = Made {
        evidence: Evidence {
            target: Target {
                scheme,
                host: "broker.example".into(),
                port,
                path: if scheme.is_framed() {
                    "/mqtt".into()
                } else {
                    String::new()
                },
                proxy: None,
                service: Service::Broker,
                mqtt5: false,
                client_id: None,
                user: None,
                password: false,
                token_made: false,
                client_certificate: false,
            },
            settings: Settings {
                families: Families::Any,
                subprotocols: "mqtt".into(),
                ..Settings::default()
            },
            profile: None,
            vantage: "this machine, from 192.0.2.7".into(),
            client: "OpenSSL".into(),
            clock: clock(TODAY),
            lint: Vec::new(),
            climb: None,
            probes: Vec::new(),
        },
    };
    made.evidence.climb = Some(climb(scheme, Some((rung, code))));
    made
}

/// The same, of a path that stands.
pub(crate) fn stands(scheme: Scheme, port: u16) -> Made {
    let mut made = broke(scheme, port, Rung::Mqtt, Code::Closed);
    made.evidence.climb = Some(climb(scheme, None));
    made
}

pub(crate) fn clock(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap())
}

/// A climb that broke there, or none at all.
pub(crate) fn climb(scheme: Scheme, broke: Option<(Rung, Code)>) -> Climb {
    let rungs = [
        (Rung::Dns, true),
        (Rung::Tcp, true),
        (Rung::Tls, scheme.is_secured()),
        (Rung::Upgrade, scheme.is_framed()),
        (Rung::Ws, scheme.is_framed()),
        (Rung::Mqtt, true),
    ];
    let top = broke.map(|(rung, _)| rung);
    let mut steps = Vec::new();
    for (at, (rung, needed)) in (0u64..).zip(rungs) {
        let begun = top.is_none_or(|top| rung <= top);
        let reached = top.is_none_or(|top| rung < top);
        let sent = match rung {
            Rung::Upgrade => Some(("GET", 200)),
            Rung::Mqtt => Some(("CONNECT", 40)),
            _ => None,
        };
        let received = match rung {
            Rung::Upgrade => Some(("101", 160)),
            Rung::Mqtt => Some(("CONNACK", 4)),
            _ => None,
        };
        if needed {
            steps.push(Passed {
                rung,
                started: begun.then(|| Duration::from_millis(at * 10)),
                reached: reached.then(|| Duration::from_millis(at * 10 + 5)),
                sent: sent.filter(|_| begun),
                received: received.filter(|_| reached),
            });
        }
    }
    let mut climb = Climb::default();
    climb.steps = steps;
    climb.fault = broke.map(|(rung, code)| Fault::new(rung, code));
    climb.took = Duration::from_millis(70);
    if top.is_none_or(|top| top > Rung::Tls) && scheme.is_secured() {
        climb
            .tls
            .push((Duration::from_millis(25), agreed(Version::Tls12)));
    }
    climb
}

pub(crate) fn agreed(version: Version) -> tls::Fact {
    tls::Fact::Agreed {
        version,
        suite: if version == Version::Tls13 {
            0x1301
        } else {
            0xc02f
        },
        resumed: false,
    }
}

/// An attempt that came as far as `until` and ended there.
pub(crate) fn came_to(until: Rung) -> Climb {
    let mut made = climb(Scheme::Wss, None);
    for step in &mut made.steps {
        if step.rung > until {
            (step.started, step.reached, step.sent, step.received) = (None, None, None, None);
        }
    }
    let proxy = Passed {
        rung: Rung::Proxy,
        started: None,
        reached: (until >= Rung::Proxy).then_some(Duration::from_millis(15)),
        sent: None,
        received: None,
    };
    made.steps.push(proxy);
    if until < Rung::Tls {
        made.tls.clear();
    }
    made
}

/// An attempt that broke there.
pub(crate) fn failed_at(rung: Rung, code: Code) -> Climb {
    climb(Scheme::Wss, Some((rung, code)))
}

pub(crate) fn asks(change: Change, until: Rung) -> Probe {
    Probe::Climb { change, until }
}

pub(crate) fn certificate(subject: &str, issuer: &str) -> Certificate {
    Certificate {
        subject: format!("CN={subject}"),
        issuer: format!("CN={issuer}"),
        names: vec![subject.into()],
        not_before: TODAY - 100 * DAY,
        not_after: TODAY + 100 * DAY,
        key: "RSA 2048".into(),
        signature: "sha256WithRSAEncryption".into(),
        len: 900,
    }
}

/// The same certificate, valid between these days from today.
pub(crate) fn valid(mut certificate: Certificate, from: i64, to: i64) -> Certificate {
    certificate.not_before = TODAY + from * DAY;
    certificate.not_after = TODAY + to * DAY;
    certificate
}

pub(crate) fn head(status: u16) -> HttpHead {
    HttpHead {
        status,
        server: "nginx/1.22.1".into(),
        ..HttpHead::default()
    }
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn candidate(text: &str) -> Candidate {
    Candidate {
        address: address(text),
        origin: Origin::Dns,
        source: None,
    }
}

pub(crate) fn handshake(from: Side, message: Message) -> tls::Fact {
    tls::Fact::Handshake {
        from,
        message,
        len: 100,
    }
}

pub(crate) fn server_chain(key: PublicKey, len: u32) -> tls::Fact {
    tls::Fact::Chain {
        from: Side::Server,
        certificates: 2,
        len,
        key: Some(key),
    }
}

pub(crate) fn set<T>(key: &str, value: T) -> Set<T> {
    Set {
        value,
        key: key.into(),
        at: "prj.conf line 3".into(),
    }
}

impl Made {
    pub(crate) fn climb(&mut self) -> &mut Climb {
        self.evidence.climb.as_mut().unwrap()
    }

    pub(crate) fn fault(mut self, change: impl FnOnce(Fault) -> Fault) -> Self {
        let fault = self.climb().fault.unwrap();
        self.climb().fault = Some(change(fault));
        self
    }

    pub(crate) fn number(self, number: u32) -> Self {
        self.fault(|fault| fault.number(number))
    }

    pub(crate) fn alert(self, from: Side, description: u8) -> Self {
        self.fault(|fault| fault.alert(Alert::fatal(from, description)))
    }

    /// Asked beside the climb, with this answer.
    pub(crate) fn asked(mut self, probe: Probe, answer: Climb) -> Self {
        self.evidence.probes.push((probe, answer));
        self
    }

    /// With this change it came as far as `until`.
    pub(crate) fn works(self, change: Change, until: Rung) -> Self {
        self.asked(asks(change, until), came_to(until))
    }

    /// With this change it broke too.
    pub(crate) fn fails(self, change: Change, until: Rung, code: Code) -> Self {
        self.asked(asks(change, until), failed_at(until, code))
    }

    /// A connection on which nothing was said beyond `on`: the server closed it, or waited.
    pub(crate) fn silent_on(self, on: Rung, closes: bool) -> Self {
        let mut answer = came_to(on);
        answer.fault = closes.then(|| Fault::new(on, Code::Closed));
        self.asked(Probe::Linger { on }, answer)
    }

    pub(crate) fn tls(mut self, facts: &[tls::Fact]) -> Self {
        for fact in facts {
            self.climb().tls.push((Duration::from_millis(24), *fact));
        }
        self
    }

    pub(crate) fn net(mut self, facts: &[net::Fact]) -> Self {
        for fact in facts {
            self.climb()
                .net
                .push((Duration::from_millis(4), Rung::Dns, *fact));
        }
        self
    }

    /// Addresses that were tried, and how each ended.
    pub(crate) fn tried(mut self, attempts: &[(&str, Ended)]) -> Self {
        for (text, ended) in attempts {
            let candidate = candidate(text);
            let facts = [
                net::Fact::Trying(candidate),
                net::Fact::Ended(candidate.address, *ended, Duration::from_millis(3)),
            ];
            for fact in facts {
                self.climb()
                    .net
                    .push((Duration::from_millis(12), Rung::Tcp, fact));
            }
        }
        self
    }

    /// The DNS server that was asked, and what it said.
    pub(crate) fn dns(self, server: &str, outcome: Result<u8, Code>) -> Self {
        let record = dns::Record::A;
        let answer = match outcome {
            Ok(addresses) => net::Fact::Answered {
                record,
                addresses,
                ttl: Duration::from_secs(60),
            },
            Err(code) => net::Fact::Unanswered { record, code },
        };
        self.net(&[
            net::Fact::Asked {
                record,
                server: socket(server),
                over: dns::Transport::Udp,
            },
            answer,
        ])
    }

    pub(crate) fn chain(mut self, chain: &[Certificate]) -> Self {
        self.climb().chain = chain.to_vec();
        self
    }

    pub(crate) fn http(mut self, head: HttpHead) -> Self {
        self.climb().http = Some(head);
        self
    }

    pub(crate) fn target(mut self, change: impl FnOnce(&mut Target)) -> Self {
        change(&mut self.evidence.target);
        self
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.evidence.settings);
        self
    }

    pub(crate) fn profile(mut self, change: impl FnOnce(&mut DeviceProfile)) -> Self {
        change(self.evidence.profile.get_or_insert_default());
        self
    }

    pub(crate) fn proxied(self) -> Self {
        self.target(|target| target.proxy = Some("http://proxy.example:3128".into()))
    }

    /// An IoT hub, with a token or with a certificate.
    pub(crate) fn hub(self, token: bool) -> Self {
        self.target(|target| {
            target.service = Service::Hub;
            target.host = "hub.azure-devices.net".into();
            target.client_id = Some("sensor-1".into());
            target.user = Some("hub.azure-devices.net/sensor-1/?api-version=2021-04-12".into());
            target.password = token;
            target.token_made = token;
            target.client_certificate = !token;
        })
    }

    /// What the lint found, and whether it breaks the path.
    pub(crate) fn lint(mut self, id: &str, breaks: bool) -> Self {
        let found = Found::new(catalogue::find(id).unwrap());
        let found = found.because("prj.conf line 3", "CONFIG_SOMETHING=n");
        self.evidence
            .lint
            .push(if breaks { found } else { found.warning() });
        self
    }
}
