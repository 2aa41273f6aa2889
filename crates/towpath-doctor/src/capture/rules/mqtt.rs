//! MQTT in clear: CONNECT and its answer.

use towpath_proto::{Code, Fault, Rung};

use super::{Case, Claim, Outcome, Wait, ending};
use crate::capture::talk::{
    Foreign,
    mqtt::{Hello, Mqtt},
};

pub(super) fn claim(case: &Case<'_>, outcome: &mut Outcome) -> Option<Claim> {
    let mqtt = case.talk().mqtt.as_ref()?;
    let base = |id| match &mqtt.connect {
        Some(connect) => Claim::new(id, Rung::Mqtt).seen("last sent", words(connect)),
        None => Claim::new(id, Rung::Mqtt),
    };
    if let Some((foreign, mark)) = mqtt.foreign {
        let id = match foreign {
            Foreign::Http => "TP-MQTT-022",
            Foreign::Tls => "TP-TLS-048",
            _ => "TP-MQTT-009",
        };
        return Some(base(id).seen("last received", format!("{mark}: {}", foreign.words())));
    }
    let Some((code, mark)) = mqtt.connack else {
        return unanswered(case, mqtt, base);
    };
    if code != 0 {
        let claim = base(refused(mqtt, code));
        let said = format!("{mark}: CONNACK {code}");
        let said = if code > 5 {
            format!("{said} (0x{code:02x})")
        } else {
            said
        };
        return Some(claim.seen("last received", said));
    }
    outcome.reached = Some(Rung::Mqtt);
    outcome.ready = Some(mark);
    provisioning(mqtt)
}

/// CONNECT without its secrets.
fn words(connect: &Hello) -> String {
    let version = if connect.mqtt5 { "5" } else { "3.1.1" };
    let id = if connect.client_id.is_empty() {
        "none"
    } else {
        &connect.client_id
    };
    let proof = match (connect.user, connect.password) {
        (true, true) => "user and password",
        (true, false) => "user without password",
        (false, true) => "password without user",
        (false, false) => "no user",
    };
    format!(
        "{}: CONNECT of MQTT {version}, client id {id}, {proof}, keep-alive {} s",
        connect.mark,
        connect.keep_alive.as_secs()
    )
}

fn refused(mqtt: &Mqtt, code: u8) -> &'static str {
    let connect = mqtt.connect.as_ref();
    let denied = matches!(code, 4 | 5 | 0x86 | 0x87);
    if connect.is_some_and(|connect| connect.hub) && denied {
        return "TP-HUB-021";
    }
    if connect.is_some_and(|connect| connect.provisioning) && denied {
        return "TP-DPS-003";
    }
    if code > 5 && connect.is_some_and(|connect| !connect.mqtt5) {
        return "TP-MQTT-031";
    }
    Fault::new(Rung::Mqtt, Code::ConnectRefused)
        .number(u32::from(code))
        .finding()
}

fn unanswered(case: &Case<'_>, mqtt: &Mqtt, base: impl Fn(&'static str) -> Claim) -> Option<Claim> {
    let sent = mqtt
        .connect
        .as_ref()
        .map(|connect| connect.mark)
        .or_else(|| {
            let [client, _] = mqtt.last;
            client.map(|(_, mark)| mark)
        })?;
    let wait = case.wait(sent);
    let framed = case.talk().ws.is_some();
    let id = match wait {
        Wait::Open => return None,
        Wait::Silent(..) => "TP-MQTT-002",
        Wait::Ended(..) if case.is_tls_port() && !framed && case.talk().tls.is_none() => {
            "TP-TLS-048"
        }
        Wait::Ended(true, ..) => "TP-MQTT-032",
        Wait::Ended(false, ..) => "TP-MQTT-001",
    };
    let others: &[&str] = match id {
        "TP-TLS-048" => &["TP-MQTT-032", "TP-MQTT-001"],
        "TP-MQTT-032" => &["TP-TLS-048", "TP-MQTT-020"],
        "TP-MQTT-001" => &["TP-TLS-048", "TP-MQTT-007"],
        _ => &[],
    };
    Some(ending(base(id).seen("last received", "nothing"), wait).or_else(others))
}

/// What the provisioning service said in its answers.
fn provisioning(mqtt: &Mqtt) -> Option<Claim> {
    let (status, mark) = mqtt.provisioning?;
    let id = match status {
        400 => "TP-DPS-013",
        401 => "TP-DPS-003",
        403 => "TP-DPS-008",
        404 => "TP-DPS-004",
        409 => "TP-DPS-005",
        429 => "TP-DPS-006",
        500.. => "TP-DPS-007",
        _ => return None,
    };
    Some(Claim::new(id, Rung::Hub).seen("answer", format!("{mark}: status {status}")))
}
