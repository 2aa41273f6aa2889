//! The real program as a lab, and as its device.
#![cfg(feature = "lab")]

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::{Child, ChildStdout, Command},
};

use common::{Folder, Ran, free_port, ran, run, towpath};
use serde_json::Value;

/// A running lab, ended with this value.
struct Lab {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Its first line.
    ready: Value,
}

impl Lab {
    /// Starts it in `folder`, so that no lab.toml of anybody is read.
    fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut child = towpath(&["lab", "--json"])
            .args(args)
            .current_dir(&folder.0)
            // Where a lab that is killed leaves its files.
            .env("TMPDIR", &folder.0)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        if line.is_empty() {
            panic!("the lab did not start: {:?}", ran(child));
        }
        let ready = serde_json::from_str(&line).unwrap();
        Self { child, out, ready }
    }

    fn text(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap()
    }

    /// The next event of this code.
    fn event(&mut self, code: u64) -> Value {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).unwrap();
            assert!(read > 0, "the lab ended before {code}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["code"] == code {
                return event;
            }
        }
    }

    /// What its API says.
    fn api(&self, path: &str) -> Value {
        let page = self.text("page");
        let host = page.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    fn port(&self, listener: &str) -> &str {
        self.text(listener).rsplit_once(':').unwrap().1
    }

    /// As a service manager ends it.
    fn terminate(mut self) -> Ran {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").arg(&id).status().unwrap();
        assert!(killed.success());
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, out, err }
    }

    /// With `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FREE: [&str; 6] = ["--mqtts-port", "0", "--https-port", "0", "--page-port", "0"];

/// Publishes with the settings of a file that `init` has written.
fn publish(folder: &Folder, file: &str, device: &str, text: &str) -> Ran {
    let topic = format!("devices/{device}/messages/events/");
    let args = [
        "pub", "--config", file, &topic, "-m", text, "-q", "1", "--trace",
    ];
    let child = towpath(&args).current_dir(&folder.0).spawn().unwrap();
    ran(child)
}

fn mode(folder: &Folder, name: &str) -> u32 {
    let found = fs::metadata(folder.0.join(name)).unwrap();
    found.permissions().mode() & 0o777
}

#[test]
fn what_init_writes_works_and_survives_kill_9() {
    let folder = Folder::new();
    let ports: Vec<_> = (0..3).map(|_| free_port().to_string()).collect();
    let dir = folder.0.to_str().unwrap();
    let init = [
        "lab",
        "init",
        dir,
        "--mqtts-port",
        &ports[0],
        "--https-port",
        &ports[1],
        "--page-port",
        &ports[2],
    ];
    let made = run(&init);
    assert!(made.ok().contains("towpath device --config"), "{made:?}");
    for secret in [
        "device.key",
        "mqtt-sas.token",
        "device-sas.key",
        "device-dps.key",
        "state/connection-strings.txt",
        "state/lab.redb",
        "state/certs/root.key",
    ] {
        assert_eq!(mode(&folder, secret), 0o600, "{secret}");
    }

    let config = ["--config", "lab.toml"];
    let mut lab = Lab::start(&folder, &config);
    assert_eq!(lab.port("mqtts"), ports[0]);
    publish(&folder, "mqtt-sas.toml", "meter-sas", "one").ok();
    let over_443 = publish(&folder, "mqtt-x509.toml", "meter-x509", "two");
    over_443.ok();
    assert!(
        over_443.err.contains("client certificate shown"),
        "{over_443:?}"
    );
    assert_eq!(lab.event(1003)["host"], "localhost");
    let root = fs::read(folder.0.join("state/root.pem")).unwrap();
    lab.kill();

    let lab = Lab::start(&folder, &config);
    assert_eq!(fs::read(folder.0.join("state/root.pem")).unwrap(), root);
    publish(&folder, "mqtt-sas.toml", "meter-sas", "three").ok();
    let kept = lab.api("/api/hubs/localhost/telemetry").to_string();
    for text in ["one", "two", "three"] {
        assert!(kept.contains(&format!("\"body\":\"{text}\"")), "{kept}");
    }
    let ended = lab.terminate();
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
}

#[test]
fn init_writes_over_nothing_unless_told() {
    let folder = Folder::new();
    let dir = folder.0.to_str().unwrap();
    run(&["lab", "init", dir]).ok();
    let edited = folder.file("lab.toml", "# mine\n");
    let refused = run(&["lab", "init", dir]);
    refused.failed(1, "towpath: ");
    assert!(
        refused
            .err
            .contains("lab.toml: this is there already; --force"),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&edited).unwrap(), "# mine\n");
    let root = fs::read(folder.0.join("state/root.pem")).unwrap();
    run(&["lab", "init", dir, "--force"]).ok();
    assert!(fs::read_to_string(&edited).unwrap().contains("[[hub]]"));
    assert_eq!(fs::read(folder.0.join("state/root.pem")).unwrap(), root);
}

#[test]
fn without_a_config_there_is_a_device_and_nothing_is_left() {
    let folder = Folder::new();
    let mut args = FREE.to_vec();
    args.push("--show-keys");
    let lab = Lab::start(&folder, &args);
    let keys = lab.ready["keys"].to_string();
    assert!(
        keys.contains("DeviceId=device-1;SharedAccessKey="),
        "{keys}"
    );
    let root = lab.text("root").to_owned();
    assert!(
        fs::read_to_string(&root)
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    let devices = lab.api("/api/hubs/localhost/devices").to_string();
    assert!(devices.contains("device-1"), "{devices}");
    let ended = lab.terminate();
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    assert!(!fs::exists(root).unwrap());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn keys_are_shown_only_when_asked_for() {
    let folder = Folder::new();
    let lab = Lab::start(&folder, &[&FREE[..], &["--state", "state", "-v"]].concat());
    assert!(lab.ready.get("keys").is_none(), "{}", lab.ready);
    let strings = fs::read_to_string(lab.text("connection_strings")).unwrap();
    let key = strings.split("SharedAccessKey=").nth(1).unwrap();
    let key = key.lines().next().unwrap().to_owned();
    let first = lab.ready.to_string();
    let ended = lab.terminate();
    assert!(key.len() > 20 && !first.contains(&key) && !ended.out.contains(&key));
}

#[test]
fn faults_and_events_name_each_other() {
    let folder = Folder::new();
    let config = folder.file(
        "my.toml",
        "[[hub]]\nhost = \"localhost\"\n[[hub.device]]\nid = \"a\"\nprimary_key = \"QUJDREVGRw==\"\n",
    );
    let args = [&FREE[..], &["--config", &config, "--fault", "connack-5"]].concat();
    let mut lab = Lab::start(&folder, &args);
    let url = format!("mqtts://localhost:{}", lab.port("mqtts"));
    let topic = "devices/a/messages/events/";
    let pub_ = [
        "pub",
        &url,
        topic,
        "-m",
        "x",
        "--mqtt",
        "3.1.1",
        "-i",
        "a",
        "-u",
        "localhost/a/",
    ];
    let password = folder.file("token", "SharedAccessSignature sr=x&sig=x&se=1\n");
    let more = ["--cafile", lab.text("root"), "--password-file", &password];
    let refused = run(&[&pub_[..], &more].concat());
    refused.failed(1, "towpath: mqtt: ");
    let applied = lab.event(1017);
    assert_eq!(applied["fault"], "connack-5", "{applied}");
}

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    let folder = Folder::new();
    let wrong = folder.file("wrong.toml", "[[hub]]\nhost = \"localhost\"\n[listn]\n");
    let ran_here = |args: &[&str]| {
        let child = towpath(args).current_dir(&folder.0).spawn().unwrap();
        ran(child)
    };
    let refused = ran_here(&["lab", "--config", &wrong]);
    refused.failed(2, "towpath: ");
    assert!(
        refused
            .err
            .contains("wrong.toml:3: listn: this key is not known; is it listen?"),
        "{refused:?}"
    );
    ran_here(&["lab", "--config", "nowhere.toml"]).failed(2, "towpath: nowhere.toml: ");
    ran_here(&["lab", "--fault", "cert-expird"]).failed_usage();
    ran_here(&["lab", "--state", "a", "--ephemeral"]).failed_usage();
    ran_here(&["lab", "init", "--state", "a"]).failed_usage();

    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let args = [
        "lab",
        "--mqtts-port",
        &port,
        "--https-port",
        "0",
        "--no-page",
    ];
    let refused = ran_here(&args);
    refused.failed(
        1,
        &format!("towpath: can't listen on 127.0.0.1:{port} (mqtts): "),
    );
    assert!(
        refused.err.contains("Another program has this port"),
        "{refused:?}"
    );
    let refused = ran_here(&[&args[..], &["--json"]].concat());
    let error: Value = serde_json::from_str(refused.err.trim()).unwrap();
    assert_eq!(error["code"], "Lab", "{refused:?}");
}

#[test]
fn the_faults_are_listed() {
    let all = run(&["lab", "faults"]);
    assert!(
        all.ok().contains("  cert-expired            TP-TLS-010   "),
        "{all:?}"
    );
    let json = run(&["lab", "faults", "--json"]);
    let first: Value = serde_json::from_str(json.ok().lines().next().unwrap()).unwrap();
    assert_eq!(first["name"], "accept-close");
}
