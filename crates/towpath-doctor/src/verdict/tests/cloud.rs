//! The hub and the provisioning service.

use towpath_proto::{
    Code, Rung,
    tls::{Message, Side},
};

use super::{each_is, made::*};
use crate::{
    evidence::{HttpHead, Scheme::*, Service},
    probe::Probe,
    verdict::diagnose,
};

#[test]
fn hubs() {
    let refused = || {
        broke(Mqtts, 8883, Rung::Hub, Code::HubUnauthorized)
            .number(0x87)
            .hub(true)
    };
    let rest = |code| {
        let mut climb = came_to(Rung::Tls);
        climb.http = Some(HttpHead {
            hub_code: code,
            ..head(401)
        });
        climb
    };
    let date = |seconds| {
        let mut climb = came_to(Rung::Tls);
        climb.http = Some(HttpHead {
            date: Some(TODAY + seconds),
            ..head(200)
        });
        climb
    };
    let says = |code| {
        refused()
            .asked(Probe::Date, date(2))
            .asked(Probe::Rest, rest(code))
    };
    let framed = || broke(Wss, 443, Rung::Mqtt, Code::ConnectRefused).number(0x87);
    each_is(vec![
        ("one word", refused(), "TP-HUB-021"),
        ("CONNACK 5 of a hub", framed().hub(true), "TP-HUB-021"),
        ("token expired", says(401_003), "TP-HUB-004"),
        ("no such hub", says(401_001), "TP-HUB-006"),
        ("suspended", says(403_001), "TP-HUB-007"),
        (
            "suspended, said by CONNACK 3",
            broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused)
                .number(0x88)
                .hub(true)
                .asked(Probe::Rest, rest(403_001)),
            "TP-HUB-007",
        ),
        (
            "in trouble",
            broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused)
                .number(0x88)
                .hub(true),
            "TP-MQTT-005",
        ),
        (
            "an identifier that a hub does not take",
            broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused)
                .number(0x85)
                .hub(true),
            "TP-MQTT-004",
        ),
        ("quota", says(403_002), "TP-HUB-008"),
        ("disabled", says(403_012), "TP-HUB-009"),
        ("no such device", says(404_001), "TP-HUB-010"),
        ("throttled", says(429_001), "TP-HUB-011"),
        ("a wrong key", says(401_002), "TP-HUB-021"),
        (
            "the clock is an hour behind",
            refused().asked(Probe::Date, date(3600)),
            "TP-HUB-005",
        ),
        (
            "the clock is an hour behind, and the token seems expired",
            refused()
                .asked(Probe::Date, date(3600))
                .asked(Probe::Rest, rest(401_003)),
            "TP-HUB-005",
        ),
        (
            "disabled, and the clock is an hour behind",
            refused()
                .asked(Probe::Date, date(3600))
                .asked(Probe::Rest, rest(403_012)),
            "TP-HUB-009",
        ),
        (
            "the clock is an hour behind, and the token was made elsewhere",
            refused()
                .target(|t| t.token_made = false)
                .asked(Probe::Date, date(3600)),
            "TP-HUB-021",
        ),
        (
            "a token of elsewhere is over",
            refused()
                .target(|t| t.token_made = false)
                .asked(Probe::Date, date(3600))
                .asked(Probe::Rest, rest(401_003)),
            "TP-HUB-004",
        ),
        (
            "the clock is four minutes off",
            refused().asked(Probe::Date, date(-240)),
            "TP-HUB-021",
        ),
        (
            "a certificate that 443 never asks for",
            framed().hub(false),
            "TP-HUB-022",
        ),
        (
            "the same, said by CONNACK 3",
            framed().number(0x88).hub(false),
            "TP-HUB-022",
        ),
        (
            "a certificate that 443 asked for",
            framed()
                .hub(false)
                .tls(&[handshake(Side::Server, Message::CERTIFICATE_REQUEST)]),
            "TP-HUB-021",
        ),
        (
            "the twin",
            broke(Mqtts, 8883, Rung::Hub, Code::TwinRefused)
                .number(429)
                .hub(true),
            "TP-HUB-014",
        ),
        (
            "no twin",
            broke(Mqtts, 8883, Rung::Hub, Code::TwinSilent).hub(true),
            "TP-HUB-016",
        ),
    ]);
}

#[test]
fn a_wrong_clock_stays_a_cause_where_the_token_is_not_known_to_be_of_it() {
    let mut behind = came_to(Rung::Tls);
    behind.http = Some(HttpHead {
        date: Some(TODAY + 3600),
        ..head(200)
    });
    let given = broke(Mqtts, 8883, Rung::Hub, Code::HubUnauthorized)
        .number(0x87)
        .hub(true)
        .target(|t| t.token_made = false)
        .asked(Probe::Date, behind);
    let found = diagnose(&given.evidence).found.remove(0);
    assert_eq!(found.or_else[0].id, "TP-HUB-005");
    assert!(
        found
            .evidence
            .iter()
            .any(|seen| seen.seen == "60 minutes behind the server's")
    );
}

#[test]
fn provisioning() {
    let dps = |code: Code| {
        broke(Mqtts, 8883, Rung::Hub, code).hub(true).target(|t| {
            t.service = Service::Provisioning;
            t.host = "global.azure-devices-provisioning.net".into();
        })
    };
    let ahead = {
        let mut climb = came_to(Rung::Tls);
        climb.http = Some(HttpHead {
            date: Some(TODAY - 7200),
            ..head(200)
        });
        climb
    };
    each_is(vec![
        (
            "not taken",
            dps(Code::DpsUnauthorized).number(401_002),
            "TP-DPS-003",
        ),
        (
            "not taken, by a clock two hours ahead",
            dps(Code::DpsUnauthorized)
                .number(401_002)
                .asked(Probe::Date, ahead),
            "TP-HUB-005",
        ),
        (
            "CONNACK 5",
            broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused)
                .number(0x87)
                .hub(true)
                .target(|t| t.service = Service::Provisioning),
            "TP-DPS-003",
        ),
        (
            "no enrolment",
            dps(Code::DpsNotFound).number(404_201),
            "TP-DPS-004",
        ),
        ("409", dps(Code::DpsBusy).number(409), "TP-DPS-005"),
        (
            "too many",
            dps(Code::DpsThrottled).number(429_001),
            "TP-DPS-006",
        ),
        ("busy", dps(Code::DpsBusy).number(500), "TP-DPS-007"),
        ("disabled", dps(Code::DpsDisabled), "TP-DPS-008"),
        ("failed", dps(Code::DpsFailed).number(400_209), "TP-DPS-009"),
        ("no hub", dps(Code::DpsUnassigned), "TP-DPS-010"),
        ("no answer", dps(Code::DpsSilent), "TP-DPS-012"),
        ("400", dps(Code::DpsFailed).number(400), "TP-DPS-013"),
        (
            "400 with a code",
            dps(Code::DpsFailed).number(400_004),
            "TP-DPS-013",
        ),
        (
            "409 with a code",
            dps(Code::DpsBusy).number(409_001),
            "TP-DPS-005",
        ),
        (
            "no answer by the end of the look",
            dps(Code::TwinSilent),
            "TP-DPS-012",
        ),
        (
            "still deciding by the end of the look",
            {
                let mut made = dps(Code::TwinSilent);
                made.climb().steps.push(crate::evidence::Passed {
                    rung: Rung::Hub,
                    started: None,
                    reached: None,
                    sent: Some(("PUBLISH", 80)),
                    received: Some(("PUBLISH", 90)),
                });
                made
            },
            "TP-DPS-007",
        ),
        ("garbage", dps(Code::DpsMalformed), "TP-DPS-014"),
    ]);
}
