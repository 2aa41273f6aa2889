//! What a device says, when, and to whom: one attempt after the other.

use std::time::Duration;

use towpath_azure::{Entry, Proof, Settings, Transport, dps::GLOBAL_ENDPOINT, dps::RefusedKind};
use towpath_proto::{Code, Rung};

use crate::{
    rig::Told,
    stage::{Stage, assigned, key},
};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const DPS: &str = "mqtts global.azure-devices-provisioning.net 8883";
const TO_DPS: &str = "CONNECT dev1 0ne00000001/registrations/dev1/api-version=2019-03-31* until *";
const REGISTERS: &str =
    r#"PUBLISH $dps/registrations/PUT/iotdps-register/?$rid=* {"registrationId":"dev1"*}"#;
const EVENTS: &str = "devices/dev1/messages/events/%24.mid=";

fn entry() -> Entry<'static> {
    Entry::Dps {
        host: GLOBAL_ENDPOINT,
        scope: "0ne00000001",
        registration_id: "dev1",
        payload: "",
    }
}

/// A device with a key that sends telemetry and wants nothing from the hub, so that dialogues are short.
fn quiet() -> Settings<'static> {
    let mut settings = Settings::new(entry(), Proof::Key(key()));
    settings.wants.messages = false;
    settings.wants.methods = false;
    settings.wants.twin = false;
    settings
}

/// A quiet device at its hub.
fn online(settings: &Settings<'static>) -> Stage {
    let mut stage = Stage::new(settings, assigned("lock1.azure-devices.net"), None);
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock1.azure-devices.net/dev1/?api-version=2021-04-12* until *");
    stage.accepts(false);
    stage.tells(&Told::Connected(Transport::Mqtts, false));
    stage.passes(SECOND);
    stage
}

fn message(number: u64) -> String {
    format!("PUBLISH {EVENTS}{number}&of=a%20canal {number}")
}

fn message_again(number: u64) -> String {
    format!("PUBLISH again {EVENTS}{number}&of=a%20canal {number}")
}

/// The provisioning service assigns a hub to a device that has just connected there.
fn assigns(stage: &mut Stage, hub: &str) {
    stage.hears(TO_DPS);
    stage.hears("SUBSCRIBE $dps/registrations/res/#");
    stage.hears(REGISTERS);
    stage.accepts(false);
    stage.grants(&[1]);
    let topic = register_answer(stage, 202, "&retry-after=3");
    stage.publishes(&topic, r#"{"operationId":"op.1","status":"assigning"}"#);
    stage.passes(2 * SECOND);
    stage.hears_nothing();
    stage.passes(SECOND);
    stage.hears(
        "PUBLISH $dps/registrations/GET/iotdps-get-operationstatus/?$rid=*&operationId=op.1  ",
    );
    let topic = register_answer(stage, 200, "");
    let body = format!(
        r#"{{"operationId":"op.1","status":"assigned","registrationState":{{"registrationId":"dev1","assignedHub":"{hub}","deviceId":"dev1","status":"assigned"}}}}"#
    );
    stage.publishes(&topic, &body);
    stage.tells(&Told::Assigned(assigned(hub).expect("a hub")));
    stage.hears("DISCONNECT");
}

/// The topic that answers the last question.
fn register_answer(stage: &Stage, status: u16, more: &str) -> String {
    let rid = stage.rid.as_deref().expect("a question");
    format!("$dps/registrations/res/{status}/?$rid={rid}{more}")
}

#[test]
fn a_cold_start_asks_dps_and_goes_to_the_hub_that_it_names() {
    let mut stage = Stage::new(&Settings::new(entry(), Proof::Key(key())), None, None);
    stage.climbs(DPS);
    assigns(&mut stage, "lock1.azure-devices.net");
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock1.azure-devices.net/dev1/?api-version=2021-04-12* until *");
    // Behind CONNECT, before it is answered: that saves a round trip.
    stage.hears("SUBSCRIBE *devices/dev1/messages/devicebound/#*");
    stage.accepts(false);
    stage.tells(&Told::Connected(Transport::Mqtts, false));
}

#[test]
fn a_kept_assignment_leads_straight_to_the_hub() {
    let mut stage = online(&quiet());
    stage.accept(None);
    stage.hears(&message(0));
    stage.acknowledges();
    stage.tells(&Told::Delivered(0));
    stage.hears_nothing();
}

#[test]
fn telemetry_follows_connect_without_waiting_for_its_answer() {
    let mut stage = Stage::new(&quiet(), assigned("lock1.azure-devices.net"), None);
    stage.accept(None);
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT *");
    stage.hears(&message(0));
    stage.accepts(false);
    stage.tells(&Told::Connected(Transport::Mqtts, false));
    stage.acknowledges();
    stage.tells(&Told::Delivered(0));
}

#[test]
fn a_closed_port_8883_leads_to_443_and_that_is_remembered() {
    let mut stage = Stage::new(&quiet(), assigned("lock1.azure-devices.net"), None);
    let pause = stage.fails_to_climb(
        "mqtts lock1.azure-devices.net 8883",
        Rung::Tcp,
        Code::ConnectTimeout,
    );
    assert!(
        pause <= SECOND,
        "another way is no second attempt at the same"
    );
    stage.passes(pause);
    stage.climbs("wss lock1.azure-devices.net 443");
    assert_eq!(
        stage.target(),
        "/$iothub/websocket?iothub-no-client-cert=true"
    );
    stage.hears("CONNECT dev1 *");
    stage.accepts(false);
    stage.tells(&Told::Connected(Transport::Wss, false));
    stage.passes(HOUR / 10);
    let pause = stage.ends(Rung::Tcp, Code::Reset);
    stage.passes(pause);
    stage.climbs("wss lock1.azure-devices.net 443");
}

#[test]
fn without_a_name_no_port_is_another_way() {
    let mut stage = Stage::new(&quiet(), assigned("lock1.azure-devices.net"), None);
    for code in [Code::NoSourceAddress, Code::ResolverSilent] {
        let rung = match code {
            Code::NoSourceAddress => Rung::Address,
            _ => Rung::Dns,
        };
        let pause = stage.fails_to_climb("mqtts lock1.azure-devices.net 8883", rung, code);
        stage.passes(pause);
    }
    stage.climbs("mqtts lock1.azure-devices.net 8883");
}

#[test]
fn with_a_certificate_the_hub_may_ask_for_it() {
    let settings = Settings {
        proof: Proof::Certificate,
        ..quiet()
    };
    let hub = assigned("lock1.azure-devices.net");
    let mut stage = Stage::new(&settings, hub, Some(Transport::Wss));
    stage.climbs("wss lock1.azure-devices.net 443");
    assert_eq!(stage.target(), "/$iothub/websocket");
    stage.hears("CONNECT dev1 lock1.azure-devices.net/dev1/?api-version=2021-04-12");
}

#[test]
fn a_renewal_waits_for_messages_under_way() {
    // The random numbers are the same for each.
    let life = online(&quiet()).renews_after();
    assert!(
        (HOUR * 70 / 100..=HOUR * 80 / 100).contains(&life),
        "{life:?}"
    );
    let mut stage = online(&quiet());
    stage.passes(life - 10 * SECOND);
    stage.accept(None);
    stage.accept(None);
    stage.hears(&message(0));
    stage.hears(&message(1));
    stage.passes_until_told(20 * SECOND);
    stage.tells(&Told::Renewing);
    // What is accepted now goes with the next connection.
    stage.accept(None);
    stage.hears_nothing();
    stage.acknowledges();
    stage.hears_nothing();
    stage.acknowledges();
    stage.tells(&Told::Delivered(0));
    stage.tells(&Told::Delivered(1));
    stage.hears("DISCONNECT");
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 *");
    stage.hears(&message(2));
}

#[test]
fn a_renewal_does_not_wait_for_ever_and_loses_nothing() {
    let life = online(&quiet()).renews_after();
    let mut stage = online(&quiet());
    stage.passes(life - 10 * SECOND);
    stage.accept(None);
    stage.hears(&message(0));
    stage.passes_until_told(20 * SECOND);
    stage.tells(&Told::Renewing);
    stage.hears_nothing();
    stage.passes(30 * SECOND);
    stage.hears("DISCONNECT");
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 *");
    stage.accepts(true);
    stage.tells(&Told::Connected(Transport::Mqtts, true));
    stage.hears(&message_again(0));
    stage.acknowledges();
    stage.tells(&Told::Delivered(0));
}

#[test]
fn a_hub_that_acknowledges_nothing_is_left() {
    let mut stage = online(&quiet());
    stage.passes(600 * SECOND);
    stage.accept(None);
    stage.hears(&message(0));
    stage.passes_until_told(121 * SECOND);
    let pause = stage.disconnected(Code::HubSilent);
    stage.passes(pause);
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 *");
    // Something swallows what is sent ahead, so nothing is.
    stage.hears_nothing();
    stage.accepts(true);
    stage.tells(&Told::Connected(Transport::Mqtts, true));
    stage.hears(&message_again(0));
    stage.acknowledges();
    stage.tells(&Told::Delivered(0));
}

#[test]
fn a_clock_that_jumps_ahead_brings_the_renewal_ahead() {
    let mut stage = online(&quiet());
    stage.passes(60 * SECOND);
    stage.unix = stage.unix.map(|unix| unix + 3500);
    stage.accept(None);
    stage.tells(&Told::Renewing);
}

#[test]
fn a_refusal_brings_a_fresh_token_and_then_dps() {
    let mut stage = Stage::new(&quiet(), assigned("lock1.azure-devices.net"), None);
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock1.azure-devices.net/dev1/?* until 3600");
    let pause = stage.refuses(5);
    stage.dials_nobody();
    stage.passes(pause);
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock1.azure-devices.net/dev1/?* until *");
    let pause = stage.refuses(5);
    stage.passes(pause);
    stage.climbs(DPS);
    assigns(&mut stage, "lock2.azure-devices.net");
    stage.climbs("mqtts lock2.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock2.azure-devices.net/dev1/?* until *");
}

#[test]
fn a_hub_that_is_busy_is_not_asked_at_once_and_after_ten_times_dps_is() {
    let mut stage = Stage::new(&quiet(), assigned("lock1.azure-devices.net"), None);
    let mut least = Duration::ZERO;
    for _ in 0..10 {
        stage.climbs("mqtts lock1.azure-devices.net 8883");
        stage.hears("CONNECT *");
        let pause = stage.refuses(3);
        assert!(pause >= least && pause <= HOUR, "{pause:?}");
        least = (pause / 2).min(SECOND * 60);
        stage.passes(pause);
    }
    stage.climbs(DPS);
    assigns(&mut stage, "lock1.azure-devices.net");
    stage.climbs("mqtts lock1.azure-devices.net 8883");
}

#[test]
fn whom_dps_does_not_know_it_leaves_alone_for_an_hour() {
    let mut stage = Stage::new(&quiet(), None, None);
    stage.climbs(DPS);
    stage.hears(TO_DPS);
    stage.hears("SUBSCRIBE $dps/registrations/res/#");
    stage.hears(REGISTERS);
    stage.accepts(false);
    let topic = register_answer(&stage, 401, "");
    stage.publishes(
        &topic,
        r#"{"errorCode":401002,"trackingId":"t","message":"Unauthorized"}"#,
    );
    let Told::NotAssigned(refused, pause) = stage.told() else {
        panic!("a refusal");
    };
    assert_eq!(
        (refused.kind, refused.code),
        (RefusedKind::Unauthorized, 401002)
    );
    assert!((HOUR..=2 * HOUR).contains(&pause), "{pause:?}");
    stage.hears("DISCONNECT");
    stage.passes(HOUR - SECOND);
    stage.dials_nobody();
    stage.passes(HOUR + SECOND);
    stage.climbs(DPS);
}

#[test]
fn a_hub_that_takes_the_device_again_is_found_though_dps_has_forgotten_it() {
    let mut stage = online(&quiet());
    let mut pause = stage.ends(Rung::Tcp, Code::Closed);
    for _ in 0..2 {
        stage.passes(pause);
        stage.climbs("mqtts lock1.azure-devices.net 8883");
        stage.hears("CONNECT *");
        pause = stage.refuses(5);
    }
    stage.passes(pause);
    stage.climbs(DPS);
    stage.hears(TO_DPS);
    stage.hears("SUBSCRIBE $dps/registrations/res/#");
    stage.hears(REGISTERS);
    stage.accepts(false);
    let topic = register_answer(&stage, 404, "");
    stage.publishes(
        &topic,
        r#"{"errorCode":404201,"trackingId":"t","message":"Not found"}"#,
    );
    let Told::NotAssigned(refused, pause) = stage.told() else {
        panic!("a refusal");
    };
    assert_eq!(refused.kind, RefusedKind::NotFound);
    stage.hears("DISCONNECT");
    stage.passes(pause);
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT *");
    let pause = stage.refuses(5);
    stage.passes(pause);
    stage.climbs(DPS);
}

#[test]
fn a_refusal_of_dps_is_the_same_in_connack() {
    let mut stage = Stage::new(&quiet(), None, None);
    stage.climbs(DPS);
    stage.hears(TO_DPS);
    let pause = stage.refuses(5);
    assert!((HOUR..=2 * HOUR).contains(&pause), "{pause:?}");
    stage.passes(pause);
    stage.climbs(DPS);
}

#[test]
fn dps_says_how_long_to_wait() {
    let mut stage = Stage::new(&quiet(), None, None);
    stage.climbs(DPS);
    stage.hears(TO_DPS);
    stage.hears("SUBSCRIBE $dps/registrations/res/#");
    stage.hears(REGISTERS);
    stage.accepts(false);
    let topic = register_answer(&stage, 429, "&retry-after=77");
    stage.publishes(
        &topic,
        r#"{"errorCode":429001,"trackingId":"t","message":"Too many"}"#,
    );
    let Told::NotAssigned(refused, pause) = stage.told() else {
        panic!("a refusal");
    };
    assert_eq!(refused.retry_after, Some(77));
    stage.hears("DISCONNECT");
    stage.passes(76 * SECOND);
    stage.dials_nobody();
    stage.passes(pause.saturating_sub(76 * SECOND));
    stage.climbs(DPS);
}

#[test]
fn a_clock_that_is_not_set_is_waited_for() {
    let mut stage = Stage::new(&quiet(), assigned("lock1.azure-devices.net"), None);
    stage.unix = None;
    stage.accept(None);
    stage.passes(HOUR);
    stage.dials_nobody();
    stage.unix = Some(Stage::UNIX);
    stage.passes(SECOND);
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock1.azure-devices.net/dev1/?* until *");
}

#[test]
fn a_certificate_does_not_wait_for_the_clock() {
    let settings = Settings {
        proof: Proof::Certificate,
        ..quiet()
    };
    let mut stage = Stage::new(&settings, assigned("lock1.azure-devices.net"), None);
    stage.unix = None;
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock1.azure-devices.net/dev1/?api-version=2021-04-12");
}

#[test]
fn what_the_old_hub_has_not_acknowledged_goes_to_the_new_one() {
    let mut stage = online(&quiet());
    for _ in 0..3 {
        stage.accept(None);
    }
    stage.hears(&message(0));
    stage.hears(&message(1));
    stage.hears(&message(2));
    stage.acknowledges();
    stage.tells(&Told::Delivered(0));
    let mut pause = stage.ends(Rung::Tcp, Code::Closed);
    for _ in 0..2 {
        stage.passes(pause);
        stage.climbs("mqtts lock1.azure-devices.net 8883");
        stage.hears("CONNECT *");
        pause = stage.refuses(5);
    }
    stage.passes(pause);
    stage.climbs(DPS);
    assigns(&mut stage, "lock2.azure-devices.net");
    stage.climbs("mqtts lock2.azure-devices.net 8883");
    stage.hears("CONNECT dev1 lock2.azure-devices.net/dev1/?* until *");
    stage.hears(&message(1));
    stage.hears(&message(2));
    stage.accepts(false);
    stage.tells(&Told::Connected(Transport::Mqtts, false));
    stage.acknowledges();
    stage.tells(&Told::Delivered(1));
    stage.acknowledges();
    stage.tells(&Told::Delivered(2));
}

#[test]
fn what_dps_acknowledges_is_not_taken_for_telemetry() {
    let mut stage = online(&quiet());
    for _ in 0..4 {
        stage.accept(None);
    }
    let mut pause = stage.ends(Rung::Tcp, Code::Reset);
    for _ in 0..2 {
        stage.passes(pause);
        stage.climbs("mqtts lock1.azure-devices.net 8883");
        stage.hears("CONNECT *");
        pause = stage.refuses(5);
    }
    stage.passes(pause);
    stage.climbs(DPS);
    stage.hears(TO_DPS);
    stage.hears("SUBSCRIBE *");
    stage.hears(REGISTERS);
    stage.accepts(false);
    stage.grants(&[1]);
    stage.acknowledges();
    stage.tells_nothing();
    assert_eq!(stage.rig.outbox.len(), 4);
}

#[test]
fn what_expires_without_a_connection_is_taken_back() {
    let mut stage = online(&quiet());
    stage.accept(None);
    stage.accept(Some(Stage::UNIX + 100));
    stage.accept(None);
    for number in 0..3 {
        stage.hears(&message(number));
    }
    let pause = stage.ends(Rung::Tcp, Code::Reset);
    stage.accept(Some(Stage::UNIX + 100));
    stage.unix = Some(Stage::UNIX + 100);
    stage.passes(pause);
    stage.tells(&Told::Expired(1));
    stage.climbs("mqtts lock1.azure-devices.net 8883");
    stage.hears("CONNECT *");
    stage.accepts(true);
    stage.hears(&message_again(0));
    stage.hears(&message_again(2));
    stage.hears_nothing();
}

#[test]
fn versions_of_the_twin_only_rise() {
    let mut settings = quiet();
    settings.wants.twin = true;
    let mut stage = online(&settings);
    stage.hears("SUBSCRIBE $iothub/twin/*");
    stage.grants(&[0, 0]);
    stage.hears("PUBLISH $iothub/twin/GET/?$rid=*");
    let whole = |stage: &mut Stage, version: u64| {
        let rid = stage.rid.clone().expect("a question");
        let document =
            format!(r#"{{"desired":{{"$version":{version}}},"reported":{{"$version":1}}}}"#);
        stage.publishes(&format!("$iothub/twin/res/200/?$rid={rid}"), &document);
        stage.tells(&Told::Twin { document, version });
    };
    whole(&mut stage, 7);
    let changes = |stage: &mut Stage, version: u64| {
        let patch = format!(r#"{{"level":1,"$version":{version}}}"#);
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
        stage.publishes(&topic, &patch);
        Told::Desired { patch, version }
    };
    changes(&mut stage, 7);
    stage.tells_nothing();
    let told = changes(&mut stage, 8);
    stage.tells(&told);
    changes(&mut stage, 8);
    stage.tells_nothing();
    // What lies between was lost: the whole is asked for.
    changes(&mut stage, 10);
    stage.tells_nothing();
    stage.hears("PUBLISH $iothub/twin/GET/?$rid=*");
    whole(&mut stage, 10);
    let told = changes(&mut stage, 11);
    stage.tells(&told);
}

#[test]
fn what_comes_back_with_a_new_session_is_subscribed_to_anew() {
    let mut settings = quiet();
    settings.wants.methods = true;
    let mut stage = online(&settings);
    stage.hears("SUBSCRIBE $iothub/methods/POST/#");
    stage.grants(&[0]);
    for present in [true, false] {
        let pause = stage.ends(Rung::Tcp, Code::Reset);
        stage.passes(pause);
        stage.climbs("mqtts lock1.azure-devices.net 8883");
        stage.hears("CONNECT *");
        stage.accepts(present);
        stage.tells(&Told::Connected(Transport::Mqtts, present));
        stage.passes(SECOND);
        if !present {
            stage.hears("SUBSCRIBE $iothub/methods/POST/#");
            stage.grants(&[0]);
        }
        stage.hears_nothing();
    }
}
