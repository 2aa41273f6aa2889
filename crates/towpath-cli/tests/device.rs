//! The real program as a device of a lab.
#![cfg(all(feature = "lab", feature = "device", unix))]

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixDatagram,
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
    time::Duration,
};

use common::{Folder, Ran, free_port, ran, run, towpath};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use towpath_lab::{Config, Lab};

/// A lab in this process, and a folder for its devices.
struct Cloud {
    runtime: Runtime,
    /// Taken when it ends.
    lab: Option<Lab>,
    folder: Folder,
}

impl Cloud {
    fn start(config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let lab = runtime.block_on(Lab::start(config)).unwrap();
        let folder = Folder::new();
        folder.file("root.pem", &lab.root_pem());
        Self {
            runtime,
            lab: Some(lab),
            folder,
        }
    }

    fn meter() -> Self {
        let cloud = Self::start(Config::for_tests().device("meter"));
        cloud
            .folder
            .file("meter.key", &cloud.key("DeviceId=meter;SharedAccessKey="));
        cloud
    }

    fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    /// The key behind `name` in a connection string.
    fn key(&self, name: &str) -> String {
        let strings = self.lab().connection_strings();
        let mut strings = strings.iter();
        let key = strings
            .find_map(|(_, string)| string.split_once(name))
            .unwrap();
        format!("{}\n", key.1)
    }

    fn ports(&self) -> String {
        let lab = self.lab();
        let (mqtts, https) = (lab.mqtts().port(), lab.https().port());
        format!("ports = {{ mqtts = {mqtts}, https = {https} }}\n")
    }

    /// Writes the file of the meter; `more` are tables.
    fn file(&self, more: &str) -> String {
        self.file_at(&self.ports(), more)
    }

    fn file_at(&self, top: &str, more: &str) -> String {
        let text = format!(
            "state = \"state\"\n{top}\n[hub]\nhost = \"localhost\"\ndevice_id = \"meter\"\n\
             key_file = \"meter.key\"\n\n[tls]\ncafile = \"root.pem\"\n\n{more}"
        );
        self.folder.file("device.toml", &text)
    }

    fn bodies(&self) -> Vec<String> {
        let received = self.lab().telemetry("meter").into_iter();
        received
            .map(|message| String::from_utf8(message.body.to_vec()).unwrap())
            .collect()
    }

    fn twin(&self) -> Value {
        self.lab().twin("meter").unwrap()
    }

    fn desire(&self, patch: &Value) {
        self.runtime
            .block_on(self.lab().patch_desired("meter", patch))
            .unwrap();
    }

    fn invoke(&self, method: &str, payload: Value) -> (u32, Value) {
        let answer = self
            .lab()
            .invoke("meter", method, payload, Duration::from_secs(60));
        let (status, answer) = self.runtime.block_on(answer).unwrap();
        (u32::try_from(status).unwrap(), answer)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            self.runtime.block_on(lab.stop());
        }
    }
}

/// A running device, ended with this value.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    err: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn start(file: &str) -> Self {
        let mut child = towpath(&["device", "--config", file, "--trace"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let err = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            stdin,
            err,
            said: String::new(),
        }
    }

    fn write(&mut self, text: &str) {
        self.stdin
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Reads standard error up to a line that has all of these words.
    #[track_caller]
    fn wait_for(&mut self, words: &[&str]) -> String {
        loop {
            let mut line = String::new();
            let read = self.err.read_line(&mut line).unwrap();
            assert!(read > 0, "no {words:?} in:\n{}", self.said);
            self.said.push_str(&line);
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    /// As a service manager ends it.
    fn terminate(self) -> Ran {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        self.ended()
    }

    fn ended(mut self) -> Ran {
        self.stdin = None;
        let mut err = std::mem::take(&mut self.said);
        self.err.read_to_string(&mut err).unwrap();
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FROM_STDIN: &str = "[telemetry]\nfrom = \"stdin\"\nproperties = { site = \"north side\" }\n";

#[test]
fn lines_of_standard_input_become_telemetry() {
    let cloud = Cloud::meter();
    let mut device = Running::start(&cloud.file(FROM_STDIN));
    let lines: Vec<_> = (0..300)
        .map(|number| format!("{{\"n\":{number}}}"))
        .collect();
    device.write(&format!("{}\n", lines.join("\n")));
    device.end_input();
    let ended = device.ended();
    assert_eq!(ended.code, 0, "{ended:?}");
    for rung in ["tcp", "tls", "mqtt"] {
        assert!(ended.err.contains(rung), "{ended:?}");
    }
    assert_eq!(cloud.bodies(), lines);
    let first = cloud.lab().telemetry("meter").remove(0);
    assert_eq!(&*first.properties["site"], "north side");
}

#[test]
fn a_line_that_is_no_json_is_named_and_the_others_arrive() {
    let cloud = Cloud::meter();
    let mut device = Running::start(&cloud.file(FROM_STDIN));
    device.write("{\"n\":1}\n\nn=2\n{\"n\":3}\n");
    device.end_input();
    let ended = device.ended();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended
            .err
            .contains("line 3 of standard input: this is no JSON: "),
        "{ended:?}"
    );
    assert!(
        ended
            .err
            .ends_with("1 message left out, 2 sent; why stands above\n"),
        "{ended:?}"
    );
    assert_eq!(cloud.bodies(), ["{\"n\":1}", "{\"n\":3}"]);
}

#[test]
fn methods_are_answered_by_programs() {
    let cloud = Cloud::meter();
    let file = cloud.file(
        "[methods.blink]\nrun = [\"sh\", \"-c\", \"read payload; echo \\\"{\\\\\\\"got\\\\\\\":$payload,\\\\\\\"as\\\\\\\":\\\\\\\"$TOWPATH_METHOD\\\\\\\"}\\\"\"]\n\
         [methods.refuse]\nrun = [\"sh\", \"-c\", \"echo 'status 409'; echo busy\"]\n\
         [methods.hang]\nrun = [\"sleep\", \"1000\"]\ntimeout = 1\n\
         [methods.fail]\nrun = [\"false\"]\n",
    );
    let mut device = Running::start(&file);
    device.wait_for(&["twin", "done"]);
    assert_eq!(
        cloud.invoke("blink", json!({"times": 3})),
        (200, json!({"got": {"times": 3}, "as": "blink"}))
    );
    assert_eq!(cloud.invoke("refuse", json!(null)), (409, json!("busy")));
    assert_eq!(
        cloud.invoke("fail", json!(null)),
        (500, json!({"error": "exit status 1"}))
    );
    let (status, answer) = cloud.invoke("nothing", json!(null));
    assert_eq!(status, 501, "{answer}");
    let (status, answer) = cloud.invoke("hang", json!(null));
    assert_eq!(
        (status, answer),
        (504, json!({"error": "it took more than 1 s (timeout)"}))
    );
    let ended = device.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn properties_go_to_files_and_come_from_files() {
    let cloud = Cloud::meter();
    cloud.desire(&json!({"interval": 60, "led": {"on": true}}));
    let file = cloud.file(
        "[desired]\nfile = \"desired.json\"\nrun = [\"sh\", \"-c\", \"cat >> got.jsonl; echo >> got.jsonl\"]\n\
         [reported]\nfile = \"reported.json\"\n",
    );
    let text = fs::read_to_string(&file).unwrap();
    let got = cloud.folder.0.join("got.jsonl");
    fs::write(&file, text.replace("got.jsonl", got.to_str().unwrap())).unwrap();
    cloud
        .folder
        .file("reported.json", r#"{"serial":"A-17","old":1}"#);

    let mut device = Running::start(&file);
    device.wait_for(&["twin", "done"]);
    device.wait_for(&["reported", "done"]);
    let desired = || -> Value {
        let text = fs::read(cloud.folder.0.join("desired.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    assert_eq!(
        (&desired()["interval"], &desired()["led"]),
        (&json!(60), &json!({"on": true}))
    );
    let reported = &cloud.twin()["properties"]["reported"];
    assert_eq!(
        (&reported["serial"], &reported["old"]),
        (&json!("A-17"), &json!(1))
    );

    cloud.desire(&json!({"interval": 5, "led": {"on": null, "dim": 3}}));
    device.wait_for(&["desired", "done"]);
    assert_eq!(
        (&desired()["interval"], &desired()["led"]),
        (&json!(5), &json!({"dim": 3}))
    );
    cloud.folder.file("reported.json", r#"{"serial":"A-18"}"#);
    device.wait_for(&["reported", "done"]);
    let reported = &cloud.twin()["properties"]["reported"];
    assert_eq!(
        (&reported["serial"], &reported["old"]),
        (&json!("A-18"), &Value::Null)
    );

    let ended = device.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    let first = fs::read_to_string(got).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["interval"], json!(60));
}

#[test]
fn cloud_to_device_messages_are_printed() {
    let cloud = Cloud::meter();
    let mut device = Running::start(&cloud.file(""));
    device.wait_for(&["twin", "done"]);
    let sent = cloud
        .lab()
        .send_to_device("meter", "good morning", [("from", "back end")]);
    cloud.runtime.block_on(sent).unwrap();
    let mut out = BufReader::new(device.child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "good morning\n");
    device.child.stdout = Some(out.into_inner());
    assert_eq!(device.terminate().code, 0);
}

#[test]
fn what_was_taken_survives_a_restart() {
    let cloud = Cloud::meter();
    // Nobody listens there.
    let nowhere = format!(
        "ports = {{ mqtts = {}, https = {} }}\n",
        free_port(),
        free_port()
    );
    let mut device = Running::start(&cloud.file_at(&nowhere, FROM_STDIN));
    device.write("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    device.end_input();
    device.wait_for(&["telemetry", "all taken, 3 messages on the way"]);
    let ended = device.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(cloud.bodies().is_empty());

    let mut device = Running::start(&cloud.file(FROM_STDIN));
    device.write("{\"n\":4}\n");
    device.end_input();
    let ended = device.ended();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(
        cloud.bodies(),
        ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "{\"n\":4}"]
    );
}

#[test]
fn a_program_is_run_again_and_again() {
    let cloud = Cloud::meter();
    let file = cloud
        .file("[telemetry]\nrun = [\"sh\", \"-c\", \"echo '{\\\"t\\\":21.5}'\"]\nevery = 0.05\n");
    let device = Running::start(&file);
    let second = async {
        let first = cloud.lab().next_telemetry("meter", 0).await.unwrap();
        cloud
            .lab()
            .next_telemetry("meter", first.sequence)
            .await
            .unwrap()
    };
    let second = cloud.runtime.block_on(second);
    assert_eq!(&second.body[..], b"{\"t\":21.5}");
    assert_eq!(device.terminate().code, 0);
}

#[test]
fn one_thing_at_a_time() {
    let cloud = Cloud::meter();
    let file = cloud.file("");
    let sent = run(&[
        "device",
        "send",
        "--config",
        &file,
        "-m",
        "{\"n\":1}",
        "--property",
        "site=north",
    ]);
    sent.ok();
    assert_eq!(cloud.bodies(), ["{\"n\":1}"]);
    assert_eq!(
        &*cloud.lab().telemetry("meter")[0].properties["site"],
        "north"
    );

    let told = run(&[
        "device",
        "twin",
        "--config",
        &file,
        "--report",
        "{\"serial\":\"A\"}",
    ]);
    let version: Value = serde_json::from_str(told.ok()).unwrap();
    assert!(version["reported_version"].is_number(), "{version}");
    let twin = run(&["device", "twin", "--config", &file]);
    let twin: Value = serde_json::from_str(twin.ok()).unwrap();
    assert_eq!(twin["reported"]["serial"], "A");
    run(&["device", "twin", "--config", &file, "--report", "[1]"])
        .failed(2, "towpath: --report: this has to be a JSON object");

    let checked = run(&["device", "check", "--config", &file]);
    assert!(checked.ok().contains("proof        key"), "{checked:?}");
}

#[test]
fn what_is_wrong_is_named() {
    let cloud = Cloud::meter();
    let file = cloud.file("[telemetri]\n");
    let refused = run(&["device", "--config", &file]);
    refused.failed(2, "towpath: ");
    assert!(
        refused
            .err
            .contains("device.toml:12: telemetri: this key is not known; is it telemetry?"),
        "{refused:?}"
    );
    let text = "[hub]\nhost = \"localhost\"\n";
    let file = cloud.folder.file("missing.toml", text);
    let refused = run(&["device", "--config", &file]);
    assert!(
        refused
            .failed(2, "towpath: ")
            .contains("missing.toml:1: hub: device_id is missing"),
        "{refused:?}"
    );
    run(&["device", "--config", "nowhere.toml"]).failed(2, "towpath: cannot read nowhere.toml: ");

    // A key that is not the device's.
    let file = cloud.file("");
    cloud
        .folder
        .file("meter.key", "d3Jvbmcga2V5IGZvciB0aGUgbWV0ZXI=\n");
    let refused = run(&["device", "send", "--config", &file, "-m", "1"]);
    refused.failed(1, "towpath: ");
    assert!(!refused.err.contains("d3Jvbmc"), "{refused:?}");
    println!("{}", refused.err);
    let refused = run(&["device", "send", "--config", &file, "-m", "1", "--json"]);
    let error: Value = serde_json::from_str(refused.err.lines().last().unwrap()).unwrap();
    assert!(
        error["remedy"]
            .as_str()
            .is_some_and(|remedy| !remedy.is_empty()),
        "{error}"
    );
}

#[test]
fn the_example_is_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/device.toml");
    towpath::config::device::DeviceConfig::from_file(path).unwrap();
    // With everything that is commented out, but for what excludes each other.
    let mut table = "";
    let mut all = String::new();
    let text = fs::read_to_string(path).unwrap();
    for line in text.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_key = line.split_once(" = ").is_some_and(|(name, _)| {
            name.chars()
                .all(|char| char.is_ascii_lowercase() || char == '_')
        });
        if line.starts_with('[') {
            table = line.split(']').next().unwrap();
        }
        let other = table == "[provisioning"
            || table == "[tls" && ["cert", "key"].iter().any(|key| line.starts_with(key))
            || ["key_env", "from = "]
                .iter()
                .any(|key| line.starts_with(key));
        if (is_key || line.starts_with('[')) && !other {
            all.push_str(line);
        }
        all.push('\n');
    }
    towpath::config::device::DeviceConfig::parse(&all, "all.toml").unwrap();
}

#[test]
fn systemd_is_told() {
    let cloud = Cloud::meter();
    let path = cloud.folder.0.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let file = cloud.file("");
    let mut child = towpath(&["device", "--config", &file])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000")
        .spawn()
        .unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // In whatever order.
    let told = |wanted: &[&str]| {
        let mut open = wanted.to_vec();
        let mut bytes = [0; 1024];
        while !open.is_empty() {
            let len = socket.recv(&mut bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
            open.retain(|wanted| !text.starts_with(wanted));
        }
    };
    told(&["READY=1", "WATCHDOG=1", "STATUS=connected to localhost"]);
    told(&["WATCHDOG=1"]);
    let id = child.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    told(&["STOPPING=1"]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_init_writes_runs_and_provisions() {
    let folder = Folder::new();
    let ports: Vec<_> = (0..2).map(|_| free_port().to_string()).collect();
    let dir = folder.0.to_str().unwrap();
    run(&[
        "lab",
        "init",
        dir,
        "--mqtts-port",
        &ports[0],
        "--https-port",
        &ports[1],
    ])
    .ok();
    let here = |args: &[&str], input: &[u8]| -> Ran {
        let mut child = towpath(args)
            .current_dir(&folder.0)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        ran(child)
    };
    for file in ["device.toml", "device-sas.toml", "device-dps.toml"] {
        here(&["device", "check", "--config", file], b"").ok();
    }
    let mut config = Config::load(folder.0.join("lab.toml")).unwrap();
    config.listen.page = None;
    let runtime = Runtime::new().unwrap();
    let lab = runtime.block_on(Lab::start(config)).unwrap();
    for file in ["device.toml", "device-sas.toml", "device-dps.toml"] {
        let sent = here(&["device", "--config", file], b"{\"power\":21.5}\n");
        assert_eq!(sent.code, 0, "{file}: {sent:?}");
    }
    for device in ["meter-x509", "meter-sas", "meter-dps"] {
        assert_eq!(
            &lab.telemetry(device)[0].body[..],
            b"{\"power\":21.5}",
            "{device}"
        );
    }
    let assigned = here(
        &[
            "device",
            "provision",
            "--config",
            "device-dps.toml",
            "--json",
        ],
        b"",
    );
    let assigned: Value = serde_json::from_str(assigned.ok()).unwrap();
    assert_eq!(
        assigned,
        json!({"hub": "localhost", "device_id": "meter-dps"})
    );
    runtime.block_on(lab.stop());
}
