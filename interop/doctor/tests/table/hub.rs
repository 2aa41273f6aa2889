//! The hub: a key, a user name, a clock, a path; and what shows only to somebody who subscribes.

use doctor::{Cloud, Key, Report, SetUp, play};
use serde_json::Value;
use towpath::Rung;
use towpath_doctor::Proof;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let spoken = SPOKEN
        .iter()
        .map(|(fault, finding, _)| (*finding, Proof::Lab(fault)));
    LOGINS.iter().map(SetUp::key).chain(spoken).collect()
}

/// A device whose clock says something else.
fn at(cloud: &Cloud, shift: &str) -> Report {
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    cloud.doctor_of_device_with(
        &[],
        &[
            ("LD_PRELOAD", library),
            ("FAKETIME", shift),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ],
    )
}

const LOGINS: &[SetUp<Cloud>] = &[
    SetUp::breaks("hub-wrong-key", "TP-HUB-021", Rung::Hub, |cloud| {
        cloud.doctor_of_key("bm90LXRoZS1rZXktb2YtdGhpcy1kZXZpY2UtMTIzNDU=", &[], &[])
    }),
    SetUp::breaks("hub-clock", "TP-HUB-005", Rung::Hub, |cloud| {
        at(cloud, "-5h")
    }),
    SetUp::breaks("hub-username", "TP-HUB-023", Rung::Hub, |cloud| {
        let user = "hub.lab.example/other/?api-version=2021-04-12";
        cloud.doctor_as(user, "mqtts", &[])
    }),
    SetUp::breaks("upgrade-hub-path", "TP-UPG-023", Rung::Upgrade, |cloud| {
        cloud.doctor_at("wss://hub.lab.example/mqtt")
    }),
];

#[test]
fn logins_at_a_hub() {
    play(&mut Cloud::start(), LOGINS);
}

/// A fault, its finding, and the command that meets it. The doctor does not subscribe.
const SPOKEN: &[(&str, &str, &[&str])] = &[(
    "suback-refused",
    "TP-MQTT-012",
    &["sub", "devices/meter/messages/devicebound/#", "-W", "5"],
)];

#[test]
fn who_subscribes() {
    let cloud = Cloud::start();
    for (fault, finding, words) in SPOKEN {
        let outcome = cloud.faulty(&[fault], |cloud| cloud.run(words));
        let said: Vec<Value> = outcome.objects();
        let said = said.iter().filter_map(|object| object["finding"].as_str());
        let said: Vec<_> = said.collect();
        println!("{finding:<14} {fault:<28} by towpath {}", words[0]);
        assert_eq!(
            (outcome.status, &said[..]),
            (Some(1), &[*finding][..]),
            "{outcome:?}"
        );
    }
}
