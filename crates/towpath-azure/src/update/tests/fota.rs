//! The twin conventions of NCS `azure_fota`.

use proptest::prelude::*;
use serde_json::json;

use super::{power::World, *};

pub(super) const PLACE: &str = "https://files.example/fw.bin";

pub(super) fn settings(version: &str) -> Settings<'static> {
    Settings {
        kind: Kind::Fota {
            version: version.to_string().leak(),
        },
        downgrade: false,
        plain: false,
        whole: false,
        limit: 1 << 20,
    }
}

pub(super) fn desired(job: &str, version: &str) -> serde_json::Value {
    json!({"firmware": {"fwVersion": version, "jobId": job, "fwFragmentSize": 300,
        "fwLocation": {"host": "files.example", "path": "fw.bin"}}, "$version": 7})
}

fn world(job: serde_json::Value) -> World {
    let image = image(1000);
    let mut world = World::new("v1", Server::new(PLACE, &image));
    world.versions.insert(image, "v2".to_string());
    world.desired = job;
    world
}

fn statuses(world: &World) -> Vec<String> {
    world
        .reports
        .iter()
        .map(|report| {
            report["firmware"]["fwUpdateStatus"]
                .as_str()
                .unwrap()
                .to_string()
        })
        .collect()
}

#[test]
fn a_job_goes_from_the_twin_to_a_confirmed_image() {
    let mut world = world(desired("job-1", "v2"));
    world.run(settings);
    assert_eq!(statuses(&world), ["downloading", "applying", "current"]);
    assert_eq!(
        world.reports[0],
        json!({"firmware": {"fwUpdateStatus": "downloading", "currentFwVersion": "v1",
        "pendingFwVersion": "v2", "jobId": "job-1", "fwUpdateSubstatus": null}})
    );
    assert_eq!(
        world.reports[2],
        json!({"firmware": {"fwUpdateStatus": "current", "currentFwVersion": "v2"}})
    );
    assert_eq!((world.flash.confirmed, world.restarts), (1, 1));
    assert_eq!(world.server.asked[0], format!("{PLACE} 0-299"));
    // The job stays in the twin and is not done again.
    world.reports.clear();
    world.run(settings);
    assert!(world.reports.is_empty(), "{:?}", world.reports);
}

#[test]
fn a_device_that_is_idle_says_so_once() {
    let mut world = world(json!({"$version": 1}));
    world.run(settings);
    assert_eq!(
        world.reports,
        [json!({"firmware": {"fwUpdateStatus": "current", "currentFwVersion": "v1"}})]
    );
    world.run(settings);
    assert_eq!(world.reports.len(), 1);
}

#[test]
fn jobs_that_are_refused_say_why_and_touch_nothing() {
    let at = |host: &str, path: &str| {
        json!({"fwVersion": "v2", "jobId": "j", "fwFragmentSize": 300,
        "fwLocation": {"host": host, "path": path}})
    };
    for (firmware, reason) in [
        (at("http://files.example", "fw.bin"), "insecure"),
        (at("files.example", "missing.bin"), "server"),
        (at("ftp://files.example", "fw.bin"), "insecure"),
        (at("", "fw.bin"), "url"),
        (at("files.example", &"x".repeat(2000)), "url"),
        (
            json!({"fwVersion": "v0.9", "jobId": "j", "fwFragmentSize": 1, "fwLocation": {"host": "h", "path": "p"}}),
            "downgrade",
        ),
        (
            json!({"fwVersion": "a1b2", "jobId": "j", "fwFragmentSize": 1, "fwLocation": {"host": "h", "path": "p"}}),
            "version-order",
        ),
        (
            json!({"fwVersion": "v2", "jobId": "j", "fwFragmentSize": 0, "fwLocation": {"host": "h", "path": "p"}}),
            "incomplete",
        ),
        (
            json!({"fwVersion": "v2", "jobId": "j", "fwFragmentSize": 1}),
            "incomplete",
        ),
        (
            json!({"fwVersion": "v2", "jobId": "j".repeat(40)}),
            "incomplete",
        ),
        (json!({"fwVersion": {}, "jobId": "j"}), "incomplete"),
        (json!({"jobId": "j"}), "incomplete"),
    ] {
        let mut world = world(json!({"firmware": firmware}));
        world.run(settings);
        let last = &world.reported["firmware"];
        assert_eq!(
            (&last["fwUpdateStatus"], &last["fwUpdateSubstatus"]),
            (&json!("error"), &json!(reason)),
            "{firmware}"
        );
        assert_eq!(
            (world.boots, world.flash.image, world.restarts),
            (b"old".to_vec(), None, 0),
            "{firmware}"
        );
    }
}

#[test]
fn an_error_stays_until_a_new_job() {
    let mut world = world(desired("j1", "v0"));
    world.run(settings);
    assert_eq!(statuses(&world), ["error"]);
    world.run(settings);
    assert_eq!(statuses(&world), ["error"], "not reported again");
    // Even where nothing was kept.
    world.record = None;
    world.run(settings);
    assert_eq!(statuses(&world), ["error"]);
    world.desired = desired("j2", "v2");
    world.run(settings);
    assert_eq!(world.version, "v2");
    assert_eq!(
        statuses(&world)[1..],
        ["downloading", "applying", "current"]
    );
    assert_eq!(world.reported["firmware"].get("fwUpdateSubstatus"), None);
}

#[test]
fn a_job_without_an_identifier_is_told_by_its_version() {
    let mut job = desired("", "v2");
    job["firmware"].as_object_mut().unwrap().remove("jobId");
    let mut world = world(job);
    world.server.files.clear();
    world.run(settings);
    assert_eq!(statuses(&world).last().unwrap(), "error");
    let asked = world.server.asked.len();
    world.run(settings);
    assert_eq!(
        world.server.asked.len(),
        asked,
        "what has just failed does not begin again by itself"
    );
}

#[test]
fn a_version_may_be_a_number() {
    let mut job = desired("j", "");
    job["firmware"]["fwVersion"] = json!(2);
    let mut world = world(job);
    world.versions.insert(image(1000), "2".to_string());
    world.version = "1".to_string();
    world.run(settings);
    assert_eq!(world.version, "2");
}

#[test]
fn after_a_restart_the_twin_tells_what_nothing_else_does() {
    for (reported, expected, boots) in [
        (
            json!({"fwUpdateStatus": "applying", "currentFwVersion": "v0", "pendingFwVersion": "v1", "jobId": "j"}),
            "current",
            "v1",
        ),
        (
            json!({"fwUpdateStatus": "applying", "currentFwVersion": "v1", "pendingFwVersion": "v2", "jobId": "j"}),
            "rolledback",
            "v1",
        ),
        (
            json!({"fwUpdateStatus": "rebooting", "currentFwVersion": "v1", "pendingFwVersion": "v2", "jobId": "j"}),
            "rolledback",
            "v1",
        ),
        (
            json!({"fwUpdateStatus": "applying", "currentFwVersion": "v7", "pendingFwVersion": "v2", "jobId": "j"}),
            "current",
            "v1",
        ),
        (
            json!({"fwUpdateStatus": "downloading", "currentFwVersion": "v1", "pendingFwVersion": "v2", "jobId": "j"}),
            "error",
            "v1",
        ),
        (
            json!({"fwUpdateStatus": "what", "currentFwVersion": "v1", "jobId": "j"}),
            "current",
            "v1",
        ),
    ] {
        let mut world = world(desired("j", "v2"));
        world.reported["firmware"] = reported.clone();
        world.run(settings);
        assert_eq!(
            world.reported["firmware"]["fwUpdateStatus"], expected,
            "{reported}"
        );
        assert_eq!(
            world.version, boots,
            "the job of before is not begun again: {reported}"
        );
        assert!(world.server.asked.is_empty());
    }
}

#[test]
fn a_change_without_the_place_asks_for_the_whole_twin() {
    let mut agent = Agent::new(settings("v1"), None, Running::Confirmed);
    agent.twin(
        at(0),
        br#"{"desired":{},"reported":{}}"#,
        1,
        &OpenSsl,
        &mut [],
    );
    assert_eq!(agent.poll(at(0)), Step::Report);
    agent.reported(true);
    agent.desired(
        at(1),
        br#"{"firmware":{"jobId":"j2"},"$version":2}"#,
        2,
        &OpenSsl,
        &mut [],
    );
    assert_eq!(agent.poll(at(1)), Step::RequestTwin);
    agent.desired(
        at(1),
        br#"{"firmware":null,"$version":3}"#,
        3,
        &OpenSsl,
        &mut [],
    );
    agent.desired(at(1), b"{", 4, &OpenSsl, &mut []);
    assert_eq!(agent.outcome(), Some(Err(Refused::Json)));
}

#[test]
fn while_it_downloads_other_jobs_wait() {
    let mut agent = Agent::new(settings("v1"), None, Running::Confirmed);
    agent.twin(
        at(0),
        json!({"desired": desired("j1", "v2"), "reported": {}})
            .to_string()
            .as_bytes(),
        1,
        &OpenSsl,
        &mut [],
    );
    agent.desired(
        at(1),
        desired("j2", "v3").to_string().as_bytes(),
        2,
        &OpenSsl,
        &mut [],
    );
    assert_eq!(agent.job().unwrap().version, "v2");
}

proptest! {
    #[test]
    fn noise_in_the_twin_never_panics(
        status in "current|downloading|applying|[a-z]{0,9}", one in "\\PC{0,70}", other in "[v0-9.]{0,6}",
        id in "[a-z]{0,41}", size: i64, noise: Vec<u8>,
    ) {
        let mut agent = Agent::new(settings("v1"), None, Running::Testing);
        let twin = json!({
            "desired": {"firmware": {"fwVersion": other, "jobId": id, "fwFragmentSize": size, "fwLocation": {"host": one, "path": one}}},
            "reported": {"firmware": {"fwUpdateStatus": status, "currentFwVersion": one, "pendingFwVersion": other, "jobId": id}},
        }).to_string();
        agent.twin(at(0), twin.as_bytes(), 1, &OpenSsl, &mut []);
        agent.desired(at(0), &noise, 2, &OpenSsl, &mut []);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&agent.report().to_string()).is_ok());
    }
}
