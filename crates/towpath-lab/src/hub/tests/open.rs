//! What a hub is at its start: from the config, from the store, from both.

use serde_json::{Map, json};

use super::*;
use crate::hub::{
    Authentication, Identity, Origin,
    registry::{Proof, Wanted},
};

fn dev1() -> Name {
    Name::device("dev1")
}

fn identity(bench: &Bench, name: &Name) -> Identity {
    bench.hub.lock().entries[name].identity.clone()
}

fn object(json: serde_json::Value) -> Map<String, serde_json::Value> {
    json.as_object().expect("an object").clone()
}

fn desired(bench: &Bench, name: &Name) -> serde_json::Value {
    let twin = bench.hub.twin_json(name).expect("a twin");
    let mut desired = object(twin["properties"]["desired"].clone());
    desired.retain(|name, _| !name.starts_with('$'));
    desired.into()
}

#[test]
fn keys_are_made_once() {
    let folder = Folder::new();
    let keys = |bench: &Bench| {
        let policies: Vec<_> = bench
            .hub
            .policies
            .iter()
            .map(|policy| {
                (
                    policy.name.clone(),
                    policy.primary.clone(),
                    policy.secondary.clone(),
                )
            })
            .collect();
        (
            identity(bench, &dev1()),
            identity(bench, &Name::module("dev1", "mod1")),
            policies,
        )
    };
    let before = keys(&Bench::with(&config(), folder.store()).expect("a hub"));
    let names: Vec<_> = before.2.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "iothubowner",
            "service",
            "device",
            "registryRead",
            "registryReadWrite"
        ]
    );
    let after = keys(&Bench::with(&config(), folder.store()).expect("a hub"));
    assert_eq!(before, after);
    assert_ne!(before.2[0].1, before.2[1].1, "each its own");
}

#[test]
fn the_config_wins_for_what_lets_in() {
    let folder = Folder::new();
    let key = Key::random();
    let mut config = config();
    config.devices[0].primary_key = Some(key.clone());
    let before = {
        let bench = Bench::with(&config, folder.store()).expect("a hub");
        let before = identity(&bench, &dev1());
        let wanted = Wanted {
            authentication: Some(Proof::CertificateAuthority),
            enabled: Some(false),
            ..Wanted::default()
        };
        drop(
            bench
                .hub
                .update(&dev1(), wanted, None)
                .expect("it may be changed"),
        );
        let wanted = Wanted::default();
        let own = bench
            .hub
            .create(&Name::device("own"), wanted, Origin::Registry);
        drop(own.expect("a device of the registry's"));
        before
    };
    let bench = Bench::with(&config, folder.store()).expect("a hub");
    let after = identity(&bench, &dev1());
    assert!(after.enabled && after.generation == before.generation && after.etag > before.etag);
    match after.authentication {
        Authentication::Sas { primary, .. } => assert_eq!(primary, key),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        identity(&bench, &Name::device("own")).origin,
        Origin::Registry
    );
    // Not declared any more: it goes, with its module. The registry's own stays.
    config.devices.clear();
    drop(bench);
    let names = |bench: Bench| -> Vec<_> { bench.hub.lock().entries.keys().cloned().collect() };
    let bench = Bench::with(&config, folder.store()).expect("a hub");
    assert_eq!(names(bench), [Name::device("own")]);
    let bench = Bench::with(&config, folder.store()).expect("a hub");
    assert_eq!(names(bench), [Name::device("own")]);
}

#[test]
fn twins_keep_what_was_changed() {
    let folder = Folder::new();
    let mut config = config();
    config.devices[0].desired = object(json!({"interval": 5, "mode": "a"}));
    {
        let bench = Bench::with(&config, folder.store()).expect("a hub");
        assert_eq!(
            desired(&bench, &dev1()),
            json!({"interval": 5, "mode": "a"})
        );
        let change = json!({"properties": {"desired": {"interval": 7, "more": 1}}});
        drop(
            bench
                .hub
                .patch_twin(&dev1(), &change, None, false)
                .expect("a change"),
        );
    }
    {
        let bench = Bench::with(&config, folder.store()).expect("a hub");
        assert_eq!(
            desired(&bench, &dev1()),
            json!({"interval": 7, "mode": "a", "more": 1})
        );
    }
    config.devices[0].desired = object(json!({"interval": 9}));
    for _ in 0..2 {
        let bench = Bench::with(&config, folder.store()).expect("a hub");
        assert_eq!(
            desired(&bench, &dev1()),
            json!({"interval": 9, "mode": "a", "more": 1})
        );
    }
}

/// A declaration that could not be applied is not taken for one that was.
#[test]
fn a_declared_change_is_not_lost() {
    let folder = Folder::new();
    let mut config = config();
    drop(Bench::with(&config, folder.store()).expect("a hub"));
    config.devices[0].desired = object(json!({"text": "x".repeat(100)}));
    config.limits.twin_bytes = 50;
    let error = Bench::with(&config, folder.store());
    assert!(error.is_err(), "it is too large");
    config.limits.twin_bytes = 500;
    let bench = Bench::with(&config, folder.store()).expect("a hub");
    assert_eq!(desired(&bench, &dev1()), json!({"text": "x".repeat(100)}));
}

#[test]
fn two_hubs_in_one_store() {
    let folder = Folder::new();
    let mut other = config();
    other.host = "Other.example".into();
    other.devices.clear();
    {
        let bench = Bench::with(&config(), folder.store()).expect("a hub");
        let connection = bench.connection(Listener::Mqtts);
        drop(
            bench
                .hub
                .telemetry(&dev1(), &connection, crate::hub::Incoming::default()),
        );
    }
    let bench = Bench::with(&other, folder.store()).expect("a hub");
    assert_eq!(bench.hub.host, "other.example");
    assert!(bench.hub.lock().entries.is_empty() && bench.hub.telemetry.last() == 0);
    drop(bench);
    let bench = Bench::with(&config(), folder.store()).expect("a hub");
    assert!(bench.hub.lock().entries.contains_key(&dev1()) && bench.hub.telemetry.last() == 1);
}

/// The error of a hub that the config can't be.
fn error(toml: &str) -> String {
    let config: config::Hub = toml::from_str(toml).expect(toml);
    let hub = Bench::with(&config, Store::ephemeral());
    hub.err().expect(toml).to_string()
}

#[test]
fn configs_that_cannot_be() {
    let folder = Folder::new();
    std::fs::write(folder.file("empty.pem"), "").expect("a file");
    let empty = folder.file("empty.pem").display().to_string();
    let (key, print) = (Key::random().to_base64(), "A".repeat(40));
    for (toml, word) in [
        ("host = ''", "host"),
        ("host = 'a/b'", "no host name"),
        (
            "device = [{id = 'd'}, {id = 'd'}]",
            "device \"d\": it is declared twice",
        ),
        ("device = [{id = ''}]", "1 to 128 characters"),
        ("device = [{id = 'a/b'}]", "not '/'"),
        (
            "device = [{id = 'd', module = [{id = 'a b'}]}]",
            "module \"a b\"",
        ),
        (
            "device = [{id = 'd', primary_thumbprint = '{A}'}]",
            "has 39 hexadecimal digits",
        ),
        (
            "device = [{id = 'd', secondary_thumbprint = 'xy'}]",
            "it is not hexadecimal",
        ),
        (
            "device = [{id = 'd', x509_ca = true, primary_key = '{KEY}'}]",
            "one of them",
        ),
        (
            "device = [{id = 'd', primary_thumbprint = '{A}A', primary_key = '{KEY}'}]",
            "one of them",
        ),
        (
            "device = [{id = 'd', desired = {'a.b' = 1}}]",
            "device \"d\"",
        ),
        ("device_cas = ['/nowhere/ca.pem']", "/nowhere/ca.pem"),
        ("device_cas = ['{EMPTY}']", "no certificate in PEM"),
        ("policy = [{name = 'p', rights = []}]", "permits nothing"),
        (
            "policy = [{name = 'p', rights = ['RegistryRead']}, {name = 'p', rights = ['RegistryRead']}]",
            "declared twice",
        ),
    ] {
        let toml = toml
            .replace("{KEY}", &key)
            .replace("{A}", &print[1..])
            .replace("{EMPTY}", &empty);
        let host = if toml.starts_with("host") {
            ""
        } else {
            "host = 'h'\n"
        };
        let error = error(&format!("{host}{toml}"));
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}
