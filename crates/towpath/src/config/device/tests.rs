//! Files of devices that are right, and ways for one to be wrong.

use std::{fs, path::PathBuf};

use towpath_azure::Key;

use super::{load::Proof, *};
use crate::config::Secrets;

const FILE: &str = "conf/device.toml";
const HUB: &str = "[hub]\nhost = \"h.example\"\ndevice_id = \"d\"\nkey_file = \"k\"\n";
const RENEWED: &str =
    "[provisioning]\nscope = \"s\"\nregistration_id = \"d\"\n[renewal]\nby_dps = true\n";

#[track_caller]
fn parse(text: &str) -> DeviceConfig {
    DeviceConfig::parse(text, FILE).unwrap()
}

#[track_caller]
fn wrong(text: &str) -> String {
    DeviceConfig::parse(text, FILE).unwrap_err().to_string()
}

/// The example in the documentation of the module.
fn example() -> String {
    let doc = include_str!("mod.rs").lines();
    let inside = doc.skip_while(|line| *line != "//! ```toml").skip(1);
    inside
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.trim_start_matches("//!").trim_start()))
        .collect()
}

/// Without what excludes each other.
fn consistent(text: &str) -> String {
    let mut table = "";
    let mut kept = String::new();
    for line in text.lines() {
        if line.starts_with('[') {
            table = line;
        }
        let left_out = table.starts_with("[provisioning]")
            || line.starts_with("key_env")
            || line.starts_with("from = ")
            || line.starts_with("version_file");
        kept.push_str(if left_out { "" } else { line });
        kept.push('\n');
    }
    kept
}

#[test]
fn the_example_has_every_key_and_reads() {
    let shown = format!("\n{}", example());
    for (prefix, keys) in KNOWN {
        for key in *keys {
            let found = shown.contains(&format!("\n{key} = "))
                || shown.contains(&format!("\n[{key}]"))
                || shown.contains(&format!("{{ {key} = "))
                || shown.contains(&format!(", {key} = "))
                || shown.contains(&format!("\n[{key}."))
                // Those of every connection are shown there.
                || ["tls", "network", "proxy"].contains(key);
            assert!(found, "{prefix}{key} is not in the example");
        }
    }
    let config = parse(&consistent(&example()));
    let seconds = |given: &Given<Duration>| given.as_ref().map(|given| given.value().as_secs());
    assert_eq!(config.host(), "edge.example");
    assert_eq!(seconds(&config.token_life), Some(3600));
    assert_eq!(seconds(&config.telemetry.every), Some(60));
    assert_eq!(
        config.state.as_ref().unwrap().value(),
        &PathBuf::from("conf/state")
    );
    assert_eq!(
        config.telemetry.run.as_ref().unwrap().value(),
        &Program {
            path: "conf/./read-sensor".into(),
            args: vec!["--json".into()],
        }
    );
    let (name, reboot) = &config.methods[0];
    assert_eq!(
        (name.as_str(), seconds(&reboot.timeout)),
        ("reboot", Some(30))
    );
    // Not a path: it is searched for.
    assert_eq!(reboot.run.path, PathBuf::from("systemctl"));
}

#[test]
fn what_is_missing_is_named_with_its_place() {
    for (text, error) in [
        (
            "",
            "conf/device.toml: [hub] is missing, with host and device_id; or [provisioning]",
        ),
        (
            "\n[hub]\ndevice_id = \"d\"",
            "conf/device.toml:2: hub: host is missing",
        ),
        ("[hub]\nhost = \"h\"", ":1: hub: device_id is missing"),
        (
            "[hub]\nhost = \"h\"\ndevice_id = \"d\"",
            ":1: hub: nothing says how the device proves who it is: name its key with key_file",
        ),
        (
            "\n\n[provisioning]\nregistration_id = \"d\"",
            ":3: provisioning: scope is missing",
        ),
        (
            "[provisioning]\nscope = \"s\"",
            ":1: provisioning: registration_id is missing",
        ),
        (
            &format!("{HUB}[methods.reboot]\ntimeout = 3\n"),
            ":5: methods.reboot: run is missing",
        ),
        (
            &format!("{HUB}[telemetry]\nformat = \"text\"\n"),
            ":5: telemetry: from = \"stdin\" is missing, or run",
        ),
        (
            &format!("{HUB}[telemetry]\nrun = [\"date\"]\n"),
            ":6: telemetry.run: every is missing",
        ),
        (
            &format!(
                "{HUB}[update]\nkind = \"adu\"\nslot = \"s\"\nversion = \"1\"\napply = [\"a\"]\n"
            ),
            ":5: update: manufacturer is missing, which kind = \"adu\" needs",
        ),
        (
            &format!(
                "{HUB}[update]\nkind = \"adu\"\nslot = \"s\"\nversion = \"1\"\napply = [\"a\"]\n\
                 manufacturer = \"m\"\nmodel = \"m\"\nroots = \"r\"\n"
            ),
            ":5: update: provider is missing",
        ),
        (
            &format!("{RENEWED}[tls]\ncert = \"c\"\nkey = \"pkcs11:object=k\""),
            ":8: tls.key: [renewal] by_dps = true makes a new key",
        ),
        (
            &format!("{RENEWED}[tls]\ncert = \"c\"\nkey = \"c\""),
            ":8: tls.key: [renewal] by_dps = true needs certificate and key in files of their own",
        ),
        (
            &format!("{HUB}[update]\nslot = \"s\"\n"),
            ":5: update: kind is missing",
        ),
        (
            "[hub]\nhost = \"h\"\ndevice_id = \"d\"\n[tls]\ncert = \"c\"",
            ":5: tls.cert: its private key is missing",
        ),
    ] {
        let found = wrong(text);
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn errors_name_file_line_and_key() {
    for (more, error) in [
        (
            "[telemetry]\nfrom = \"file\"",
            "conf/device.toml:6: telemetry.from: \"file\" is not known; use \"stdin\"",
        ),
        (
            "[telemetry]\nfrom = \"stdin\"\nevery = 3",
            ":7: telemetry.every: this goes with run",
        ),
        (
            "[telemetry]\nrun = \"date\"\nevery = 3",
            ":6: telemetry.run: this has to be a program and its arguments",
        ),
        (
            "[telemetry]\nrun = []\nevery = 3",
            ":6: telemetry.run: this has to be a program",
        ),
        (
            "[telemetry]\nfrom = \"stdin\"\nproperties = { a = 1 }",
            ":7: telemetry.properties: this has to be a table",
        ),
        (
            "[outbox]\nbytes = 1000",
            ":6: outbox.bytes: this has to be at least 524288",
        ),
        (
            "[outbox]\nfull = \"drop\"",
            "use \"wait\" or \"oldest\" or \"newest\"",
        ),
        (
            "[outbox]\nsize = 4",
            ":6: outbox.size: this key is not known; there are bytes, age, full, memory",
        ),
        (
            "[methods]\nreboot = [\"reboot\"]",
            ":6: methods.reboot: this has to be a table",
        ),
        (
            "[methods.a]\nrun = [\"x\"]\ntimout = 4",
            ":7: methods.a.timout: this key is not known; is it timeout?",
        ),
        (
            "[methodes.a]\n",
            ":5: methodes: this key is not known; is it methods?",
        ),
        (
            "[renewal]\nby_dps = true",
            ":6: renewal.by_dps: there is no [provisioning]",
        ),
        (
            "[update]\nkind = \"fota\"\nslot = \"s\"\nversion = \"1\"\nroots = \"r\"\napply = [\"a\"]",
            ":9: update.roots: jobs of kind",
        ),
        (
            "[tls]\ncafile = 1",
            ":6: tls.cafile: this has to be the path of a file",
        ),
        (
            "[tls]\nsession_file = \"s\"",
            ":6: tls.session_file: TLS sessions are kept in the folder of state",
        ),
        (
            "[tls]\ncert = \"c\"\nkey = \"k\"",
            ":4: hub.key_file: there is a certificate in [tls], too",
        ),
        (
            "[provisioning]\nscope = \"s\"",
            ":5: provisioning: there is [hub], too",
        ),
        (
            "[ports]\nmqtts = 0",
            ":6: ports.mqtts: this has to be a port",
        ),
        (
            "[ports]\nmqtts = 70000",
            ":6: ports.mqtts: this has to be a port",
        ),
        (
            "[fleet]\nrate = 0",
            ":6: fleet.rate: this has to be above 0",
        ),
    ] {
        let found = wrong(&format!("{HUB}{more}"));
        assert!(found.contains(error), "{found}");
        assert!(!found.contains('\n'), "{found}");
    }
    for (top, error) in [
        (
            "keepalive = 1200",
            ":1: keepalive: IoT Hub takes at most 1177 seconds",
        ),
        (
            "token_life = 5",
            ":1: token_life: this has to be from 60 seconds",
        ),
        (
            "transport = \"https\"",
            ":1: transport: \"https\" is not known; use \"auto\" or \"mqtts\" or \"wss\"",
        ),
        ("hub_host = \"x\"", ":1: hub_host: this key is not known"),
        (
            "device_id = \"x\"",
            ":1: device_id: this key belongs into [hub]",
        ),
        ("run = \"x\"", ":1: run: this key belongs into [telemetry]"),
    ] {
        let found = wrong(&format!("{top}\n{HUB}"));
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn names_are_checked_before_anything_is_sent() {
    for (host, id, error) in [
        (
            "https://h.example",
            "d",
            ":2: hub.host: this has to be a host name alone",
        ),
        (
            "HostName=h;DeviceId=d",
            "d",
            ":2: hub.host: this has to be a host name alone",
        ),
        (
            "h.example:8883",
            "d",
            ":2: hub.host: this has to be a host name alone; give a port",
        ),
        ("", "d", ":2: hub.host: this has to be a host name of 1"),
        ("h", "a/b", ":3: hub.device_id: '/' does not belong here"),
        ("h", "", ":3: hub.device_id: this has to have 1 to 128"),
    ] {
        let found = wrong(&format!(
            "[hub]\nhost = \"{host}\"\ndevice_id = \"{id}\"\nkey_file = \"k\""
        ));
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn keys_of_a_connection_that_a_device_decides_are_explained() {
    for (key, error) in [
        (
            "url = \"mqtts://h\"",
            ":1: url: a device finds its server by [hub] host",
        ),
        (
            "user = \"u\"",
            ":1: user: user name and password are made from the device's key",
        ),
        (
            "password_file = \"f\"",
            "name that with key_file in [hub] or [provisioning]",
        ),
        ("mqtt = \"5\"", ":1: mqtt: IoT Hub speaks MQTT 3.1.1"),
        (
            "keep_session = true",
            ":1: keep_session: the session is always kept",
        ),
        ("id = \"d\"", "give it with device_id in [hub]"),
        (
            "key_file = \"k\"",
            "this key belongs into [hub] or [provisioning]",
        ),
    ] {
        let found = wrong(&format!("{key}\n{HUB}"));
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn a_key_in_the_file_is_refused_and_not_repeated() {
    for text in [
        "key = \"c2VjcmV0\"",
        "[hub]\nkey = \"c2VjcmV0\"",
        "[hub]\nshared_access_key = \"c2VjcmV0\"",
        "[provisioning]\ngroup_key = \"c2VjcmV0\"",
        "connection_string = \"HostName=h;SharedAccessKey=c2VjcmV0\"",
    ] {
        let found = wrong(text);
        assert!(
            found.contains("key_file") && !found.contains("c2VjcmV0"),
            "{found}"
        );
    }
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("towpath-device-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn keys_are_read_from_their_files() {
    let folder = Folder::new("keys");
    let file = folder.0.join("device.toml");
    let load = |text: &str| DeviceConfig::parse(text, &file).unwrap().proof();
    fs::write(folder.0.join("k"), "c2VjcmV0\n").unwrap();
    let Ok(Proof::Key(key)) = load(HUB) else {
        panic!("a key");
    };
    let same = Key::from_base64("c2VjcmV0").unwrap();
    assert_eq!(key.sign(&[b"x"]), same.sign(&[b"x"]));

    let group =
        "[provisioning]\nscope = \"s\"\nregistration_id = \"Meter\"\ngroup_key_file = \"k\"";
    let Ok(Proof::Key(derived)) = load(group) else {
        panic!("a key");
    };
    assert_eq!(derived.sign(&[b"x"]), same.derive("meter").sign(&[b"x"]));

    fs::write(folder.0.join("k"), "HostName=h;SharedAccessKey=c2VjcmV0").unwrap();
    let found = load(HUB).unwrap_err().to_string();
    assert!(found.contains("device.toml:4: hub.key_file: "), "{found}");
    assert!(!found.contains("c2VjcmV0"), "{found}");
    fs::remove_file(folder.0.join("k")).unwrap();
    let found = load(HUB).unwrap_err().to_string();
    assert!(
        found.starts_with("cannot read ") && found.contains("/k: "),
        "{found}"
    );
    let found = load("[hub]\nhost = \"h\"\ndevice_id = \"d\"\nkey_env = \"TOWPATH_NOT_SET\"");
    let found = found.unwrap_err().to_string();
    assert!(
        found.ends_with("hub.key_env: the environment variable TOWPATH_NOT_SET is not set"),
        "{found}"
    );
}

#[test]
fn options_are_those_of_every_connection() {
    let config = parse(&format!(
        "transport = \"wss\"\nkeepalive = 100\n{HUB}[ports]\nhttps = 8443\n[proxy]\nurl = \"http://p.example:3128\"\n"
    ));
    let options = config.options(Secrets::default()).unwrap();
    assert_eq!(
        (options.endpoint().host.as_str(), options.endpoint().port),
        ("h.example", 8443)
    );
    assert_eq!(
        options.proxied_by().map(crate::Proxy::host),
        Some("p.example")
    );
    let config = parse("[provisioning]\nscope = \"s\"\nregistration_id = \"r\"\nkey_file = \"k\"");
    assert_eq!(config.host(), "global.azure-devices-provisioning.net");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = DeviceConfig::parse(&text, FILE);
        let _ = DeviceConfig::parse(&format!("{HUB}{text}"), FILE);
    }
}
