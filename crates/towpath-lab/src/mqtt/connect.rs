//! CONNECT and its answer: whose client this is, and whether it may come in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use towpath_proto::{
    Rung,
    mqtt::{
        Version, packet,
        packet::{Kind, Packet},
        reason::ReasonCode,
    },
};

use super::{
    Arrival,
    conversation::{End, Line, Stage},
    faults::{self, AtConnect},
    guest::Guest,
    input::Frame,
    registrant::Registration,
    timers::{Silence, after},
};
use crate::{
    config::{KeepAlive0, Limits},
    hub::{
        Hello, Hub, Refused,
        registry::check_id,
        topic::{is_secret, shortened},
    },
    log::{Code, Level, Record},
};

/// A client that has not said yet who it is.
pub(super) struct Connect {
    arrival: Arrival,
    /// The faults of CONNECT have been done.
    struck: bool,
}

/// What became of the first packet.
pub(super) enum Outcome {
    /// It waits.
    Later,
    /// The connection is over.
    Over,
    /// The client is in.
    In(Stage),
}

/// Why there is no way in.
enum Refusal {
    /// The connection is closed without an answer.
    Close(Code, String),
    /// CONNACK says so.
    Connack(Refused),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Connack(refused)
    }
}

fn refused(return_code: u8, code: Code, why: impl Into<String>) -> Refusal {
    Refusal::Connack(Refused {
        return_code,
        code,
        why: why.into(),
    })
}

impl Connect {
    pub(super) const fn new(arrival: Arrival) -> Self {
        Self {
            arrival,
            struck: false,
        }
    }

    /// The first packet.
    pub(super) fn take(&mut self, line: &mut Line, frame: &Frame<'_>) -> Outcome {
        // However long its answer takes, CONNECT has come.
        line.timers.connect_came();
        let connect = match decode(frame) {
            Ok(connect) => connect,
            Err(refusal) => return refuse(line, refusal),
        };
        identify(line, &connect);
        if !self.struck {
            self.struck = true;
            let fault = faults::at_connect(&line.lab.means.faults, &line.connection);
            if let Some(fault) = fault {
                return suffer(line, fault);
            }
        }
        match self.admit(line, &connect) {
            Ok(stage) => Outcome::In(stage),
            Err(refusal) => refuse(line, refusal),
        }
    }

    fn admit(&self, line: &mut Line, connect: &packet::Connect<'_>) -> Result<Stage, Refusal> {
        let user_name = connect.user_name.unwrap_or_default();
        if let Some(hub) = line.lab.hub(host(user_name)) {
            let hub = Arc::clone(hub);
            return self.admit_to_hub(line, &hub, connect);
        }
        if is_secret(user_name) {
            let why = "a token or connection string stands where the user name belongs, which is \
                       {hub}/{device}/?api-version=2021-04-12 for a hub, and \
                       {idScope}/registrations/{id}/api-version=2019-03-31 for a provisioning service";
            return Err(refused(4, Code::ArgumentInvalid, why));
        }
        if is_registration(user_name) {
            return self.admit_to_dps(line, connect);
        }
        let server_name = self.arrival.host.as_deref();
        if user_name.is_empty() {
            // The hub whose name the client dialled knows best what it misses.
            let hub = server_name.and_then(|host| line.lab.hub(host));
            if let Some(hub) = hub.map(Arc::clone) {
                return self.admit_to_hub(line, &hub, connect);
            }
        }
        let known: Vec<_> = line.lab.hubs.iter().map(|hub| hub.host.as_str()).collect();
        let why = format!(
            "there is no hub {}: the user name {} names none of {}; the server name of TLS was {}",
            shortened(host(user_name)),
            shortened(user_name),
            known.join(", "),
            server_name.unwrap_or("not sent"),
        );
        // Server unavailable: it can't be told from a hub that is not there yet.
        Err(refused(3, Code::HubNotFound, why))
    }

    fn admit_to_hub(
        &self,
        line: &mut Line,
        hub: &Arc<Hub>,
        connect: &packet::Connect<'_>,
    ) -> Result<Stage, Refusal> {
        line.connection.identify(Some(&hub.host), None);
        let will = connect.will.map(|will| will.topic.as_str());
        let hello = Hello {
            client_id: connect.client_id,
            user_name: connect.user_name,
            password: connect.password,
            clean: connect.clean_start,
            will,
            certificate: self.arrival.certificate.as_ref(),
        };
        let admitted = hub.admit(&hello, &line.connection)?;
        line.connection
            .identify(None, Some(&admitted.name.to_string()));
        let will = connect.will.map(|will| {
            let topic = will.topic.as_str().to_owned();
            (topic, Bytes::copy_from_slice(will.payload))
        });
        let present = admitted.session_present;
        let guest = Guest::new(
            Arc::clone(hub),
            Arc::clone(&line.connection),
            admitted,
            will,
        );
        let silence = silence(connect.keep_alive, &hub.limits, hub.behaviour.keep_alive_0);
        let_in(line, connect, silence, present);
        if guest.expires.is_some() {
            line.timers.tick_from(line.now);
        }
        let text = format!(
            "{} is in{}{}",
            guest.name,
            if present { ", session present" } else { "" },
            guest.expiry(),
        );
        line.connection.step(Rung::Hub, true, text.clone());
        line.tell(Record::info(Code::DeviceConnected, text));
        faults::after_connack(line, true);
        Ok(Stage::Hub(Box::new(guest)))
    }

    fn admit_to_dps(
        &self,
        line: &mut Line,
        connect: &packet::Connect<'_>,
    ) -> Result<Stage, Refusal> {
        let user_name = connect.user_name.unwrap_or_default();
        let lab = Arc::clone(&line.lab);
        let Some(dps) = &lab.dps else {
            let why = format!(
                "the user name {} is one of a provisioning service, which this lab has not",
                shortened(user_name)
            );
            return Err(refused(5, Code::Unauthorized, why));
        };
        line.connection.identify(Some(&dps.host), None);
        let registrant = dps.admit(
            connect.client_id,
            user_name,
            connect.password,
            self.arrival.certificate.as_ref(),
            &line.connection,
        )?;
        line.connection.identify(None, Some(&registrant.id));
        let limits = Limits::default();
        let silence = silence(connect.keep_alive, &limits, KeepAlive0::Cap);
        // The service forgets its clients: whatever clean session says, there is no session.
        let_in(line, connect, silence, false);
        let text = format!("{} is at the provisioning service", registrant.id);
        line.tell(Record::info(Code::DeviceConnected, text));
        faults::after_connack(line, false);
        Ok(Stage::Dps(Registration::new(registrant)))
    }
}

/// Answers CONNECT and starts the times of an admitted client.
fn let_in(
    line: &mut Line,
    connect: &packet::Connect<'_>,
    silence: Option<Silence>,
    session_present: bool,
) {
    line.output.put(&Packet::Connack(packet::Connack {
        session_present,
        ..packet::Connack::default()
    }));
    let now = line.now;
    line.timers.connected(now, silence);
    let detail = format!(
        "client id {}, keep-alive {} s, clean session {}",
        shortened(connect.client_id),
        connect.keep_alive,
        u8::from(connect.clean_start)
    );
    line.connection.step(Rung::Mqtt, true, detail);
}

/// The longest silence: 1.5 times the keep-alive ([MQTT-3.1.2-24]), but not longer than the cap.
fn silence(keep_alive: u16, limits: &Limits, zero: KeepAlive0) -> Option<Silence> {
    let cap = Duration::from_secs(limits.keep_alive_cap_s.min(86_400));
    let limit = match (keep_alive, zero) {
        (0, KeepAlive0::Never) => return None,
        (0, KeepAlive0::Cap) => cap,
        (seconds, _) => cap.min(Duration::from_millis(u64::from(seconds) * 1500)),
    };
    Some(Silence { limit, keep_alive })
}

/// The host in a user name.
fn host(user_name: &str) -> &str {
    user_name.split('/').next().unwrap_or_default()
}

/// Whether a user name is one of the provisioning service: `{idScope}/registrations/..`.
fn is_registration(user_name: &str) -> bool {
    user_name.split('/').nth(1) == Some("registrations")
}

/// Who the client says it is, for faults and texts. It may claim anything.
fn identify(line: &Line, connect: &packet::Connect<'_>) {
    let id = connect.client_id;
    // What can't be a device or a module, 128 characters each, is not taken for one.
    let mut ids = id.splitn(3, '/');
    let fits = ids.by_ref().take(2).all(|id| check_id(id).is_ok()) && ids.next().is_none();
    let device = (fits && !is_secret(id)).then_some(id);
    let user_name = connect.user_name.unwrap_or_default();
    let hub = line.lab.hub(host(user_name)).map(|hub| &hub.host);
    let dps = line.lab.dps.as_ref().filter(|_| is_registration(user_name));
    let host = hub.or_else(|| dps.map(|dps| &dps.host));
    line.connection.identify(host.map(String::as_str), device);
}

/// Reads CONNECT.
fn decode<'a>(frame: &Frame<'a>) -> Result<packet::Connect<'a>, Refusal> {
    if frame.header.kind != Kind::Connect {
        let why = format!(
            "the first packet is {}, not CONNECT [MQTT-3.1.0-1]",
            frame.header.kind.name()
        );
        return Err(Refusal::Close(Code::ProtocolError, why));
    }
    if let Some(version) = other_version(frame.body) {
        let why = format!("the client speaks {version}; the hub speaks MQTT 3.1.1 (level 4)");
        return Err(refused(1, Code::InvalidProtocolVersion, why));
    }
    match Packet::decode_body(&frame.header, frame.body, Version::V311) {
        Ok(Packet::Connect(connect)) => Ok(connect),
        Err(invalid) if invalid.reason == ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => {
            Err(refused(2, Code::ArgumentInvalid, invalid.clause))
        }
        Err(invalid) => Err(Refusal::Close(Code::ProtocolError, invalid.clause.into())),
        Ok(_) => Err(Refusal::Close(Code::ProtocolError, "no CONNECT".into())),
    }
}

/// Another version of MQTT than 3.1.1, by the start of CONNECT. What follows may have a form of its own.
fn other_version(body: &[u8]) -> Option<String> {
    match body {
        [0, 4, b'M', b'Q', b'T', b'T', level, ..] if *level != 4 => Some(match level {
            5 => "MQTT 5 (level 5)".into(),
            other => format!("level {other} of MQTT"),
        }),
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, ..] => {
            Some(format!("MQTT 3.1 (MQIsdp, level {level})"))
        }
        _ => None,
    }
}

/// What else a client may have begun to speak.
pub(super) fn other_protocol(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x16, 3, ..] => Some("a second TLS handshake"),
        [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', ..] => Some("HTTP"),
        [b'A', b'M', b'Q', b'P', ..] => Some("AMQP"),
        _ => None,
    }
}

/// The answer has the form of 3.1.1 also for a client of MQTT 5: that is what a server of 3.1.1 has to say
/// ([MQTT-3.1.2-2] there), and what clients of MQTT 5 look for.
fn connack(line: &mut Line, return_code: u8) {
    line.output.put_bytes(&[0x20, 2, 0, return_code]);
}

fn refuse(line: &mut Line, refusal: Refusal) -> Outcome {
    let (code, step, why) = match refusal {
        Refusal::Close(code, why) => (code, why.clone(), why),
        Refusal::Connack(Refused {
            return_code,
            code,
            why,
        }) => {
            connack(line, return_code);
            let named = ReasonCode::from_v311_connack(return_code).map_or("", ReasonCode::text);
            let step = format!("CONNACK {return_code} ({named}): {} {why}", code.number());
            (code, step, why)
        }
    };
    line.connection.step(Rung::Mqtt, false, step);
    line.end(End::new(code, why));
    Outcome::Over
}

/// Does what a fault has for CONNECT.
fn suffer(line: &mut Line, fault: AtConnect) -> Outcome {
    let text = match fault {
        AtConnect::Wait(millis) => {
            line.timers.hold(after(line.now, millis));
            return Outcome::Later;
        }
        AtConnect::Silent => {
            line.connection
                .step(Rung::Mqtt, false, "the fault connect-silent: no answer");
            let silence = silence(0, &Limits::default(), KeepAlive0::Cap);
            let now = line.now;
            line.timers.connected(now, silence);
            line.mute();
            return Outcome::Over;
        }
        AtConnect::Close => "the fault connect-close closed the connection".to_owned(),
        AtConnect::Garbage => {
            line.output.put_bytes(faults::GARBAGE);
            "the fault connack-garbage answered with what is no MQTT".to_owned()
        }
        AtConnect::Refuse(code) => {
            connack(line, code);
            format!("the fault connack-{code} refused the client")
        }
    };
    line.connection.step(Rung::Mqtt, false, text.clone());
    let mut end = End::new(None, text);
    end.level = Level::Info;
    line.end(end);
    Outcome::Over
}
