//! A device with its flash, its bootloader and its twin, whose power goes at every single operation.

use super::*;

/// What survives a cut of power, and the service's side.
pub(super) struct World {
    pub(super) flash: Flash,
    pub(super) record: Option<[u8; RECORD]>,
    pub(super) server: Server,
    /// The desired properties, if there are any.
    pub(super) desired: serde_json::Value,
    /// What the device reported, newest last.
    pub(super) reports: Vec<serde_json::Value>,
    /// The reported properties that all reports make.
    pub(super) reported: serde_json::Value,
    /// What boots, and its version.
    pub(super) boots: Vec<u8>,
    pub(super) version: String,
    /// What is kept for going back.
    old: Option<(Vec<u8>, String)>,
    /// Versions of images by their bytes.
    pub(super) versions: HashMap<Vec<u8>, String>,
    pub(super) seconds: u64,
    pub(super) restarts: u32,
}

/// How a life of the device ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    NoPower,
    Restart,
    /// Nothing is left to do.
    Still,
}

fn merge(into: &mut serde_json::Value, patch: &serde_json::Value) {
    let Some(patch) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = serde_json::json!({});
    }
    let map = into.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            map.remove(name);
        } else {
            merge(
                map.entry(name.clone()).or_insert(serde_json::Value::Null),
                value,
            );
        }
    }
}

impl World {
    pub(super) fn new(version: &str, server: Server) -> Self {
        Self {
            flash: Flash::default(),
            record: None,
            server,
            desired: serde_json::json!({"$version": 1}),
            reports: Vec::new(),
            reported: serde_json::json!({"$version": 1}),
            boots: b"old".to_vec(),
            version: version.to_string(),
            old: None,
            versions: HashMap::new(),
            seconds: 0,
            restarts: 0,
        }
    }

    /// The bootloader's work at a start: what was marked is tried, what was tried and not confirmed is taken back.
    fn boot(&mut self) {
        match self.flash.running {
            Running::Pending => {
                let marked = self.flash.marked.take().unwrap();
                let version = self.versions[&marked].clone();
                let boots = core::mem::replace(&mut self.boots, marked);
                self.old = Some((boots, core::mem::replace(&mut self.version, version)));
                self.flash.running = Running::Testing;
                self.flash.image = None;
            }
            Running::Testing => {
                (self.boots, self.version) = self.old.take().unwrap();
                self.flash.running = Running::RolledBack;
            }
            Running::RolledBack | Running::Confirmed | Running::Applying => (),
        }
    }

    fn report(&mut self, agent: &Agent<'_>) {
        let report: serde_json::Value = serde_json::from_str(&agent.report().to_string()).unwrap();
        merge(&mut self.reported, &report);
        self.reports.push(report);
    }

    /// A life from the start to its end. Between, the twin is read once.
    pub(super) fn live(&mut self, settings: impl FnOnce(&str) -> Settings<'static>) -> End {
        let version = self.version.clone();
        let mut agent = Agent::new(settings(&version), self.record.as_ref(), self.flash.running);
        let twin =
            serde_json::json!({"desired": self.desired, "reported": self.reported}).to_string();
        let mut scratch = std::vec![0; 16_000];
        agent.twin(at(self.seconds), twin.as_bytes(), 7, &OpenSsl, &mut scratch);
        for _ in 0..10_000 {
            let step = agent.poll(at(self.seconds));
            if !matches!(step, Step::Wait(_)) && self.flash.spend().is_err() {
                return End::NoPower;
            }
            match step {
                Step::Keep => {
                    self.record = Some(agent.record());
                    agent.kept();
                }
                Step::Confirm => {
                    let done = done(self.flash.confirm());
                    if done.is_err() {
                        return End::NoPower;
                    }
                    agent.confirmed(true);
                }
                Step::Report => {
                    self.report(&agent);
                    agent.reported(true);
                }
                Step::RequestTwin => {
                    agent.twin(at(self.seconds), twin.as_bytes(), 7, &OpenSsl, &mut scratch);
                }
                Step::Stop => panic!("nothing runs"),
                Step::Fetch => {
                    let job = agent.job().unwrap().clone();
                    let end = fetch(&job, &mut self.flash, &mut self.server);
                    if self.flash.power == Some(0) {
                        return End::NoPower;
                    }
                    agent.fetched(at(self.seconds), end, &mut || 7);
                }
                Step::Mark => {
                    let checked = agent.checked().unwrap().clone();
                    if done(self.flash.mark_for_boot(&checked)).is_err() {
                        return End::NoPower;
                    }
                    agent.marked(true);
                }
                Step::Restart => return End::Restart,
                Step::Wait(Some(until)) => {
                    self.seconds = until.as_micros() / 1_000_000 + 1;
                }
                Step::Wait(None) => return End::Still,
            }
        }
        panic!("it goes in circles")
    }

    /// Lives until nothing is left to do.
    pub(super) fn run(&mut self, settings: impl Fn(&str) -> Settings<'static>) {
        for _ in 0..12 {
            match self.live(&settings) {
                End::Still => return,
                End::NoPower => self.flash.power = None,
                End::Restart => (),
            }
            self.restarts += 1;
            self.boot();
        }
        panic!("it restarts in circles")
    }
}

/// A deployment over whose whole length power goes once, at every operation in turn.
fn cut_everywhere(
    make: impl Fn() -> World,
    settings: impl Fn(&str) -> Settings<'static>,
    judge: impl Fn(&World, bool),
) -> u32 {
    let (mut cuts, mut back) = (0, 0);
    loop {
        let mut world = make();
        let (old, new) = (
            world.boots.clone(),
            world.versions.keys().next().unwrap().clone(),
        );
        world.flash.power = Some(cuts);
        world.run(&settings);
        assert!(
            world.boots == old || world.boots == new,
            "cut {cuts}: what boots is whole"
        );
        let installed = world.boots == new;
        assert!(!installed || world.flash.confirmed > 0, "cut {cuts}");
        judge(&world, installed);
        back += u32::from(!installed);
        if world.flash.power.is_some() {
            // It did not come to the cut.
            assert!(installed);
            // Only between the first start of the new image and its confirmation power may take it back.
            assert!(back <= 3, "{back} of {cuts}");
            return cuts;
        }
        cuts += 1;
    }
}

#[test]
fn device_update_survives_a_cut_anywhere() {
    let service = Service::new();
    let image = image(1000);
    let make = || {
        let mut world = World::new("1.0", Server::new(URL, &image));
        world.desired = service.deploy("w1", &manifest("2.0", &image), URL);
        world.versions.insert(image.clone(), "2.0".to_string());
        world
    };
    let roots: &'static [Root<'static>] = adu::leak(&service);
    let cuts = cut_everywhere(
        make,
        |version| adu::settings(version, roots),
        |world, installed| {
            let agent = &world.reported["deviceUpdate"]["agent"];
            assert_eq!(agent["state"], if installed { 0 } else { 255 });
            let result = &agent["lastInstallResult"];
            if installed {
                assert_eq!(result["resultCode"], 700);
            } else {
                assert_eq!(
                    result["extendedResultCode"],
                    Refused::RolledBack.extended_result_code()
                );
            }
        },
    );
    assert!(cuts > 40, "{cuts} operations");
}

#[test]
fn fota_survives_a_cut_anywhere() {
    let image = image(1000);
    let make = || {
        let mut world = World::new("v1", Server::new(fota::PLACE, &image));
        world.desired = fota::desired("job-1", "v2");
        world.versions.insert(image.clone(), "v2".to_string());
        world
    };
    let cuts = cut_everywhere(make, fota::settings, |world, installed| {
        let firmware = &world.reported["firmware"];
        assert_eq!(
            firmware["fwUpdateStatus"],
            if installed { "current" } else { "rolledback" }
        );
        assert_eq!(
            firmware["currentFwVersion"],
            if installed { "v2" } else { "v1" }
        );
    });
    assert!(cuts > 40, "{cuts} operations");
}
