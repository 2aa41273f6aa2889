//! Device Update for IoT Hub, from a deployment to its report.

use proptest::prelude::*;
use serde_json::json;

use super::{super::jws::Keys, power::World, *};

/// The roots of a service for as long as the test runs.
pub(super) fn leak(service: &Service) -> &'static [Root<'static>] {
    let [root] = service.roots();
    let root = Root {
        kid: ROOT,
        n: root.n.to_vec().leak(),
        e: root.e.to_vec().leak(),
    };
    std::vec![root].leak()
}

pub(super) fn settings(version: &str, roots: &'static [Root<'static>]) -> Settings<'static> {
    Settings {
        kind: Kind::DeviceUpdate {
            device: super::super::adu::Device {
                manufacturer: "Contoso",
                model: "Toaster",
                custom: &[("region", "eu \"1\"")],
                handlers: &["microsoft/swupdate:1"],
            },
            installed: UpdateId {
                provider: Label::try_from("Contoso").unwrap(),
                name: Label::try_from("Toaster").unwrap(),
                version: Label::try_from(version).unwrap(),
            },
            keys: Keys {
                roots,
                disabled: &[],
            },
        },
        downgrade: false,
        plain: false,
        whole: false,
        limit: 1 << 20,
    }
}

struct Bench {
    service: Service,
    world: World,
    roots: &'static [Root<'static>],
}

impl Bench {
    fn new() -> Self {
        let service = Service::new();
        let image = image(1000);
        let mut world = World::new("1.0", Server::new(URL, &image));
        world.versions.insert(image, "2.0".to_string());
        Self {
            roots: leak(&service),
            service,
            world,
        }
    }

    fn run(&mut self) {
        let roots = self.roots;
        self.world.run(|version| settings(version, roots));
    }

    fn agent(&self) -> &serde_json::Value {
        &self.world.reported["deviceUpdate"]["agent"]
    }

    /// What a deployment of this manifest comes to.
    fn refused(&mut self, workflow: &str, desired: serde_json::Value, reason: Refused) {
        self.world.desired = desired;
        self.run();
        let agent = self.agent();
        assert_eq!(agent["state"], 255, "{reason:?}: {agent}");
        assert_eq!(agent["workflow"], json!({"action": 3, "id": workflow}));
        let result = &agent["lastInstallResult"];
        assert_eq!(result["resultCode"], 0);
        assert_eq!(
            result["extendedResultCode"],
            reason.extended_result_code(),
            "{reason:?}: {result}"
        );
        let details = result["resultDetails"].as_str().unwrap();
        assert!(details.starts_with(reason.name()), "{details}");
        assert_eq!(self.world.boots, b"old");
        assert_eq!((self.world.restarts, &self.world.flash.marked), (0, &None));
    }
}

#[test]
fn a_deployment_goes_from_the_twin_to_a_confirmed_image() {
    let mut bench = Bench::new();
    bench.run();
    let agent = bench.agent();
    assert_eq!(
        *agent,
        json!({
            "deviceProperties": {"manufacturer": "Contoso", "model": "Toaster", "region": "eu \"1\"",
                "contractModelId": "dtmi:azure:iot:deviceUpdateContractModel;2",
                "aduVer": format!("DU;towpath/{}", env!("CARGO_PKG_VERSION"))},
            "compatPropertyNames": "manufacturer,model,region",
            "state": 0,
            "installedUpdateId": r#"{"provider":"Contoso","name":"Toaster","version":"1.0"}"#,
        })
    );
    bench.world.desired = bench
        .service
        .deploy("w1", &manifest("2.0", &image(1000)), URL);
    bench.run();
    let states: Vec<_> = bench
        .world
        .reports
        .iter()
        .map(|report| report["deviceUpdate"]["agent"]["state"].clone())
        .collect();
    assert_eq!(states, [0, 6, 6, 0]);
    assert_eq!(
        bench.world.reports[1]["deviceUpdate"]["service"],
        json!({"ac": 200, "av": 7, "value": {
        "workflow": {"action": 3, "id": "w1"}, "updateManifest": null, "updateManifestSignature": null, "fileUrls": null}})
    );
    let agent = bench.agent();
    assert_eq!(agent["workflow"], json!({"action": 3, "id": "w1"}));
    assert_eq!(
        agent["installedUpdateId"],
        r#"{"provider":"Contoso","name":"Toaster","version":"2.0"}"#
    );
    let step = json!({"resultCode": 700, "extendedResultCode": 0, "resultDetails": ""});
    assert_eq!(agent["lastInstallResult"]["stepResults"]["step_0"], step);
    assert_eq!((bench.world.flash.confirmed, bench.world.restarts), (1, 1));
    // The deployment stays in the twin and is not done again.
    let asked = bench.world.server.asked.len();
    bench.run();
    assert_eq!(
        (bench.world.server.asked.len(), bench.world.restarts),
        (asked, 1)
    );
}

#[test]
fn a_device_that_knows_itself_by_the_criteria_reports_the_update() {
    let mut bench = Bench::new();
    bench
        .world
        .versions
        .insert(image(1000), "fw-2.0".to_string());
    bench.world.desired = bench
        .service
        .deploy("w1", &manifest("2.0", &image(1000)), URL);
    let roots = bench.roots;
    let all = |version: &str| Settings {
        downgrade: true,
        ..settings(version, roots)
    };
    bench.world.run(all);
    assert_eq!(bench.world.version, "fw-2.0");
    assert_eq!(
        bench.agent()["installedUpdateId"],
        r#"{"provider":"Contoso","name":"Toaster","version":"2.0"}"#
    );
    // The same update under another deployment is there already.
    bench.world.desired = bench
        .service
        .deploy("w2", &manifest("2.0", &image(1000)), URL);
    let asked = bench.world.server.asked.len();
    bench.world.run(all);
    assert_eq!(bench.world.server.asked.len(), asked);
    assert_eq!(
        (
            &bench.agent()["state"],
            &bench.agent()["lastInstallResult"]["resultCode"]
        ),
        (&json!(0), &json!(700))
    );
    assert_eq!(bench.agent()["workflow"]["id"], "w2");
}

#[test]
fn an_image_that_does_not_work_is_rolled_back_and_reported() {
    let mut bench = Bench::new();
    bench.world.desired = bench
        .service
        .deploy("w1", &manifest("2.0", &image(1000)), URL);
    let roots = bench.roots;
    assert_eq!(
        bench.world.live(|version| settings(version, roots)),
        power::End::Restart
    );
    // The bootloader tried it, and came back.
    bench.world.flash.running = Running::RolledBack;
    bench.run();
    assert_eq!(bench.agent()["state"], 255);
    assert_eq!(
        bench.agent()["lastInstallResult"]["extendedResultCode"],
        Refused::RolledBack.extended_result_code()
    );
    let asked = bench.world.server.asked.len();
    bench.run();
    assert_eq!(bench.world.server.asked.len(), asked, "not again by itself");
    // The service may try again by a new time stamp.
    bench.world.desired["deviceUpdate"]["service"]["workflow"]["retryTimestamp"] =
        json!("2026-11-02T00:00:00Z");
    bench.run();
    assert_eq!(bench.world.version, "2.0");
    assert_eq!(
        bench.agent()["workflow"]["retryTimestamp"],
        "2026-11-02T00:00:00Z"
    );
}

#[test]
fn an_installation_that_was_interrupted_is_done_again_unless_the_new_version_runs() {
    let mut bench = Bench::new();
    bench.world.desired = bench
        .service
        .deploy("w1", &manifest("2.0", &image(1000)), URL);
    let roots = bench.roots;
    assert_eq!(
        bench.world.live(|version| settings(version, roots)),
        power::End::Restart
    );
    let record = bench.world.record.unwrap();
    let begin = |version| Agent::new(settings(version, roots), Some(&record), Running::Applying);
    let mut agent = begin("1.0");
    agent.kept();
    assert_eq!(agent.outcome(), None, "no success yet");
    assert_eq!(agent.poll(at(0)), Step::Restart);
    let mut agent = begin("2.0");
    assert_eq!(agent.outcome(), None, "on probation");
    assert!(matches!(agent.poll(at(0)), Step::Wait(_)));
    agent.twin(at(0), b"{}", 1, &OpenSsl, &mut []);
    assert_eq!(agent.poll(at(0)), Step::Confirm);
    agent.confirmed(true);
    assert_eq!(agent.outcome(), Some(Ok(())));
}

#[test]
fn what_is_signed_wrongly_is_refused() {
    let (mut bench, other) = (Bench::new(), Service::new());
    let good = manifest("2.0", &image(1000));
    let field = |deploy: &mut serde_json::Value, name: &str, value: serde_json::Value| {
        deploy["deviceUpdate"]["service"][name] = value;
    };
    bench.refused("a", other.deploy("a", &good, URL), Refused::SigningKey);
    let mut deploy = bench.service.deploy("b", &good, URL);
    field(
        &mut deploy,
        "updateManifest",
        json!(manifest("3.0", &image(1000)).to_string()),
    );
    bench.refused("b", deploy.clone(), Refused::ManifestHash);
    deploy["deviceUpdate"]["service"]["workflow"]["id"] = json!("c");
    field(
        &mut deploy,
        "updateManifestSignature",
        serde_json::Value::Null,
    );
    bench.refused("c", deploy.clone(), Refused::SignatureForm);
    deploy["deviceUpdate"]["service"]["workflow"]["id"] = json!("d");
    field(&mut deploy, "updateManifest", serde_json::Value::Null);
    bench.refused("d", deploy, Refused::Incomplete);
    bench.roots = &[];
    let deploy = bench.service.deploy("e", &good, URL);
    bench.refused("e", deploy, Refused::UnknownRoot);
    assert!(
        bench.world.server.asked.is_empty(),
        "nothing was downloaded"
    );
    assert!(bench.world.flash.image.is_none(), "nothing was written");
}

#[test]
fn manifests_that_do_not_fit_are_refused() {
    let mut bench = Bench::new();
    let with = |path: &str, value: serde_json::Value| {
        let mut manifest = manifest("2.0", &image(1000));
        *manifest.pointer_mut(path).unwrap() = value;
        manifest
    };
    let step = "/instructions/steps/0";
    for (at, (manifest, reason)) in [
        (
            with("/manifestVersion", json!("3")),
            Refused::ManifestVersion,
        ),
        (with("/updateId/version", json!("0.9")), Refused::Downgrade),
        (
            with("/updateId/version", json!("new")),
            Refused::VersionOrder,
        ),
        (with("/updateId/name", json!(7)), Refused::Incomplete),
        // Its versions have no order with those of what runs: an older one could be smuggled in.
        (
            with("/updateId/name", json!("Kettle")),
            Refused::OtherUpdate,
        ),
        (with("/updateId/provider", json!("")), Refused::OtherUpdate),
        (
            with("/updateId/version", json!("2.0\nphase=confirmed")),
            Refused::Incomplete,
        ),
        (with("/updateId", json!(null)), Refused::Incomplete),
        (
            with("/compatibility/0/model", json!("Kettle")),
            Refused::Incompatible,
        ),
        (
            with("/compatibility/0/manufacturer", json!("Fabrikam")),
            Refused::Incompatible,
        ),
        (
            with(
                "/compatibility/0",
                json!({"manufacturer": "Contoso", "model": "Toaster", "region": "us"}),
            ),
            Refused::Incompatible,
        ),
        (
            with("/compatibility/0", json!("all")),
            Refused::Incompatible,
        ),
        (with("/instructions", json!({})), Refused::Incomplete),
        (with("/instructions/steps", json!([])), Refused::Files),
        (
            with(
                step,
                json!({"type": "reference", "detachedManifestFileId": "00000"}),
            ),
            Refused::Reference,
        ),
        (
            with(
                step,
                json!({"handler": "microsoft/apt:1", "files": ["00000"]}),
            ),
            Refused::Handler,
        ),
        (
            with(
                step,
                json!({"handler": "microsoft/swupdate:1", "files": ["00000", "00001"]}),
            ),
            Refused::Files,
        ),
        (
            with(
                step,
                json!({"handler": "microsoft/swupdate:1", "files": ["00001"]}),
            ),
            Refused::Files,
        ),
        (
            with(step, json!({"handler": "microsoft/swupdate:1"})),
            Refused::Files,
        ),
        (
            with("/files/00000/hashes", json!({"md5": "x"})),
            Refused::NoHash,
        ),
        (
            with("/files/00000/hashes/sha256", json!("AAAA")),
            Refused::NoHash,
        ),
        (
            with("/files/00000/hashes/sha256", json!(b64([7; 32]))),
            Refused::Hash,
        ),
        (
            with("/files/00000/sizeInBytes", json!(-1)),
            Refused::Incomplete,
        ),
        (with("/files/00000/sizeInBytes", json!(999)), Refused::Size),
        (
            with("/files/00000/sizeInBytes", json!(2_000_000)),
            Refused::NoRoom,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let workflow = format!("w{at}");
        let deploy = bench.service.deploy(&workflow, &manifest, URL);
        bench.refused(&workflow, deploy, reason);
    }
    let good = manifest("2.0", &image(1000));
    for (workflow, url, reason) in [
        ("u1", "ftp://files.example/fw.bin", Refused::Url),
        ("u2", "http://files.example/other", Refused::Server),
        ("u3", "https://\u{e9}/", Refused::Url),
    ] {
        let deploy = bench.service.deploy(workflow, &good, url);
        bench.refused(workflow, deploy, reason);
    }
    let mut deploy = bench.service.deploy("u4", &good, URL);
    deploy["deviceUpdate"]["service"]["fileUrls"] = json!({"00001": URL});
    bench.refused("u4", deploy, Refused::NoUrl);
    // After all that a good one is installed.
    bench.world.desired = bench.service.deploy("last", &good, URL);
    bench.run();
    assert_eq!(bench.world.version, "2.0");
}

#[test]
fn a_manifest_larger_than_the_scratch_is_refused() {
    let bench = Bench::new();
    let desired = bench
        .service
        .deploy("w", &manifest("2.0", &image(1000)), URL)
        .to_string();
    let mut enough = false;
    for len in (0..16_000).step_by(500) {
        let mut agent = Agent::new(settings("1.0", bench.roots), None, Running::Confirmed);
        agent.twin(
            at(0),
            desired.as_bytes(),
            1,
            &OpenSsl,
            &mut std::vec![0; len],
        );
        assert!(
            agent.job().is_some() || agent.outcome() == Some(Err(Refused::TooLarge)),
            "{len}"
        );
        assert!(!enough || agent.job().is_some());
        enough = agent.job().is_some();
    }
    assert!(enough);
}

#[test]
fn a_deployment_can_be_cancelled_and_replaced() {
    let bench = Bench::new();
    let good = manifest("2.0", &image(1000));
    let mut scratch = std::vec![0; 16_000];
    let mut agent = Agent::new(settings("1.0", bench.roots), None, Running::Confirmed);
    let mut tell = |agent: &mut Agent<'_>, desired: &serde_json::Value| {
        agent.desired(
            at(1),
            desired.to_string().as_bytes(),
            8,
            &OpenSsl,
            &mut scratch,
        );
    };
    agent.twin(
        at(0),
        b"{\"desired\":{},\"reported\":{}}",
        1,
        &OpenSsl,
        &mut [],
    );
    let steps = |agent: &mut Agent<'_>| {
        let mut steps = Vec::new();
        loop {
            let step = agent.poll(at(1));
            match step {
                Step::Keep => agent.kept(),
                Step::Report => {
                    let report: serde_json::Value =
                        serde_json::from_str(&agent.report().to_string()).unwrap();
                    steps.push(report["deviceUpdate"]["agent"]["state"].to_string());
                    agent.reported(true);
                }
                Step::Wait(_) => return steps,
                other => steps.push(format!("{other:?}")),
            }
        }
    };
    assert_eq!(steps(&mut agent), ["0"]);
    tell(&mut agent, &bench.service.deploy("w1", &good, URL));
    assert_eq!(steps(&mut agent), ["6", "Fetch"]);
    tell(&mut agent, &bench.service.deploy("w1", &good, URL));
    assert_eq!(
        steps(&mut agent),
        ["6"],
        "the same again is acknowledged only"
    );
    tell(&mut agent, &bench.service.deploy("w2", &good, URL));
    assert_eq!(steps(&mut agent), ["Stop", "6", "Fetch"]);
    let cancel = json!({"deviceUpdate": {"service": {"workflow": {"action": 255, "id": "w3"}}}});
    tell(&mut agent, &cancel);
    assert_eq!(steps(&mut agent), ["Stop", "0"]);
    let report: serde_json::Value = serde_json::from_str(&agent.report().to_string()).unwrap();
    let report = &report["deviceUpdate"]["agent"];
    assert_eq!(report["workflow"], json!({"action": 255, "id": "w3"}));
    assert_eq!(report["lastInstallResult"]["resultCode"], -1);
    // A change that says less than all asks for the whole twin.
    tell(
        &mut agent,
        &json!({"deviceUpdate": {"service": {"workflow": {"action": 3, "id": "w4"}}}}),
    );
    assert_eq!(steps(&mut agent), ["RequestTwin", "0"]);
    // The actions of old agents are refused.
    tell(
        &mut agent,
        &json!({"deviceUpdate": {"service": {"workflow": {"action": 1, "id": "w5"}}}}),
    );
    agent.kept();
    assert_eq!(agent.poll(at(1)), Step::Report);
    let report: serde_json::Value = serde_json::from_str(&agent.report().to_string()).unwrap();
    assert_eq!(report["deviceUpdate"]["service"]["ac"], 406);
    assert_eq!(report["deviceUpdate"]["agent"]["state"], 255);
}

#[test]
fn a_server_that_is_down_is_asked_again_with_pauses() {
    let mut bench = Bench::new();
    bench.world.server.breaks = std::vec![0; 4];
    bench.world.desired = bench
        .service
        .deploy("w1", &manifest("2.0", &image(1000)), URL);
    bench.run();
    assert_eq!(bench.world.version, "2.0");
    assert!(
        (15 * 15..3600).contains(&bench.world.seconds),
        "{} s",
        bench.world.seconds
    );

    let mut bench = Bench::new();
    bench.world.server.breaks = std::vec![0; 100];
    let deploy = bench
        .service
        .deploy("w1", &manifest("2.0", &image(1000)), URL);
    bench.refused("w1", deploy, Refused::Unreachable);
    assert_eq!(bench.world.server.asked.len(), 11);
    assert!(bench.world.seconds > 7200, "{} s", bench.world.seconds);
}

#[test]
fn a_report_that_is_not_answered_is_made_again() {
    let bench = Bench::new();
    let mut agent = Agent::new(settings("1.0", bench.roots), None, Running::Confirmed);
    let twin = b"{\"desired\":{},\"reported\":{}}";
    assert_eq!(
        agent.poll(at(0)),
        Step::Wait(None),
        "nothing before the hub is there"
    );
    agent.twin(at(0), twin, 1, &OpenSsl, &mut []);
    assert_eq!(agent.poll(at(0)), Step::Report);
    assert_eq!(agent.poll(at(0)), Step::Wait(None));
    agent.disconnected();
    assert_eq!(agent.poll(at(0)), Step::Wait(None));
    agent.twin(at(9), twin, 1, &OpenSsl, &mut []);
    assert_eq!(agent.poll(at(9)), Step::Report);
}

proptest! {
    #[test]
    fn noise_in_the_twin_never_panics(
        action: u16, id in "\\PC{0,70}", text in "\\PC{0,90}", urls in "[{}\":a-z,]{0,20}", noise: Vec<u8>,
    ) {
        let mut agent = Agent::new(settings("1.0", &[]), None, Running::Confirmed);
        let mut scratch = [0; 400];
        let desired = json!({"deviceUpdate": {"service": {"workflow": {"action": action % 5, "id": id},
            "updateManifest": text, "updateManifestSignature": text, "fileUrls": {"a": urls}}}}).to_string();
        agent.twin(at(0), desired.as_bytes(), 1, &OpenSsl, &mut scratch);
        agent.desired(at(0), &noise, 2, &OpenSsl, &mut scratch);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&agent.report().to_string()).is_ok());
    }

    #[test]
    fn noise_in_a_manifest_never_panics(noise: Vec<u8>, at in 0_usize..600, byte: u8) {
        let device = super::super::adu::Device { manufacturer: "Contoso", model: "Toaster", custom: &[], handlers: &["microsoft/swupdate:1"] };
        let _ = Manifest::read(&noise, &device);
        let mut text = manifest("2.0", b"abc").to_string().into_bytes();
        let len = text.len();
        text[at % len] = byte;
        let _ = Manifest::read(&text, &device);
    }
}
