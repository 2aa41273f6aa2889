//! The real program as a doctor: at a real broker, at a lab, at peers that answer badly or not at all.
#![cfg(all(feature = "lab", feature = "device", feature = "openssl", unix))]

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, UdpSocket},
    process::Stdio,
    thread,
    time::Duration,
};

use common::{Broker, Folder, Ran, free_port, pki::Pki, run, towpath};
use serde_json::Value;
use tokio::runtime::Runtime;
use towpath_lab::{
    Config, Lab,
    fault::{Kind, Setting},
    log::Code,
};

/// What `towpath doctor --json` said, and with which status.
struct Said {
    code: i32,
    json: Value,
    all: String,
}

impl Said {
    fn finding(&self) -> &str {
        self.json["verdict"]["id"].as_str().unwrap_or_default()
    }

    fn state(&self) -> &str {
        self.json["verdict"]["state"].as_str().unwrap_or_default()
    }

    /// The rungs with their states, such as `dns ok, tcp problem, mqtt not reached`.
    fn ladder(&self) -> String {
        let phases = self.json["phases"].as_array().into_iter().flatten();
        let words = phases.map(|phase| {
            let word = |name: &str| phase[name].as_str().unwrap_or_default();
            format!("{} {}", word("phase"), word("state"))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The milliseconds of all that was done: of the climb, and of the questions in rounds beside it.
    fn millis(&self) -> f64 {
        let ms = |values: &Value| -> Vec<f64> {
            let values = values.as_array().into_iter().flatten();
            values.filter_map(|value| value["ms"].as_f64()).collect()
        };
        let climb = ms(&self.json["phases"]).into_iter().sum::<f64>();
        climb + ms(&self.json["probes"]).into_iter().fold(0.0, f64::max)
    }

    #[track_caller]
    fn ready(&self) {
        assert_eq!((self.code, self.state()), (0, "ready"), "{}", self.all);
        assert!(
            self.ladder().split(", ").all(|rung| rung.ends_with(" ok")),
            "{}",
            self.all
        );
    }

    #[track_caller]
    fn broken(&self, finding: &str, ladder: &str) {
        assert_eq!((self.code, self.state()), (1, "broken"), "{}", self.all);
        assert_eq!(
            (self.finding(), &*self.ladder()),
            (finding, ladder),
            "{}",
            self.all
        );
    }
}

fn doctor(args: &[&str]) -> Said {
    let mut all = vec!["doctor", "--json"];
    all.extend(args);
    said(run(&all))
}

fn said(ran: Ran) -> Said {
    let all = format!("{ran:?}");
    assert_eq!(ran.err, "", "{all}");
    let json = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {all}"));
    Said {
        code: ran.code,
        json,
        all,
    }
}

/// A lab with one device that has a key, and the device's file.
struct Cloud {
    runtime: Runtime,
    /// Taken when it ends.
    lab: Option<Lab>,
    folder: Folder,
}

impl Cloud {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = Config::for_tests().device("meter");
        let lab = runtime.block_on(Lab::start(config)).unwrap();
        let folder = Folder::new();
        folder.file("root.pem", &lab.root_pem());
        let key = lab
            .connection_strings()
            .iter()
            .find_map(|(_, string)| {
                let (_, key) = string.split_once("DeviceId=meter;SharedAccessKey=")?;
                Some(format!("{key}\n"))
            })
            .unwrap();
        folder.file("meter.key", &key);
        Self {
            runtime,
            lab: Some(lab),
            folder,
        }
    }

    fn with(fault: Setting) -> Self {
        let cloud = Self::start();
        cloud.lab().faults().switch_on(fault).unwrap();
        cloud
    }

    fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    fn key(&self) -> String {
        let key = fs::read_to_string(self.folder.0.join("meter.key")).unwrap();
        key.trim().to_owned()
    }

    /// The file of the device, by one of its ways.
    fn device(&self, transport: &str) -> String {
        let (mqtts, https) = (self.lab().mqtts().port(), self.lab().https().port());
        let text = format!(
            "transport = \"{transport}\"\nports = {{ mqtts = {mqtts}, https = {https} }}\n\
             [hub]\nhost = \"localhost\"\ndevice_id = \"meter\"\nkey_file = \"meter.key\"\n\
             [tls]\ncafile = \"root.pem\"\n"
        );
        self.folder.file("device.toml", &text)
    }

    fn doctor(&self, transport: &str, more: &[&str]) -> Said {
        let file = self.device(transport);
        let mut args = vec!["--config", &file];
        args.extend(more);
        doctor(&args)
    }

    fn count(&self, code: Code) -> usize {
        let log = self.lab().log().since(0);
        log.iter().filter(|record| record.code == code).count()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            self.runtime.block_on(lab.stop());
        }
    }
}

#[test]
fn a_broker_that_is_well_is_ready_by_each_way() {
    let broker = Broker::start();
    doctor(&[&broker.mqtt]).ready();
    doctor(&[&broker.mqtt, "--mqtt", "3.1.1"]).ready();
    doctor(&[&broker.ws]).ready();
    let pki = Pki::new();
    let server = pki.leaf("server-for-long", common::pki::HERE, 400);
    let pki = Pki { server, ..pki };
    let broker = Broker::with_tls(&pki);
    doctor(&[&broker.mqtt, "--cafile", &pki.ca.cert]).ready();
    doctor(&[&broker.mqtt, "--cafile", &pki.ca.cert, "--tls", "mbed"]).ready();
    let me = pki.leaf("me", "DNS:me", 400);
    let own = ["--cert", &me.cert, "--key", &me.key];
    doctor(&[&[&*broker.ws, "--cafile", &pki.ca.cert], &own[..]].concat()).ready();
}

#[test]
fn a_client_certificate_that_ends_soon_is_a_warning_with_a_status_of_its_own() {
    let pki = Pki::new();
    let broker = Broker::with_tls(&pki);
    // Of the server's, which is as young and as short-lived, nothing is said: it is renewed in its last third.
    let said = doctor(&[&broker.mqtt, "--cafile", &pki.ca.cert]);
    assert_eq!((said.code, said.state()), (0, "ready"), "{}", said.all);
    let meter = pki.leaf("meter-4", "DNS:meter-4", 2);
    let said = doctor(&[
        &broker.mqtt,
        "--cafile",
        &pki.ca.cert,
        "--cert",
        &meter.cert,
        "--key",
        &meter.key,
    ]);
    assert_eq!((said.code, said.state()), (3, "warning"), "{}", said.all);
    assert_eq!(said.json["findings"][0]["id"], "TP-DEV-031", "{}", said.all);
}

#[test]
fn a_closed_port_and_a_name_that_is_none() {
    let port = free_port();
    let said = doctor(&[&format!("mqtt://127.0.0.1:{port}")]);
    said.broken("TP-TCP-010", "tcp problem, mqtt not reached");
    let said = doctor(&[
        "mqtt://broker.invalid",
        "--resolver",
        &format!("127.0.0.1:{port}"),
    ]);
    assert_eq!(said.code, 1, "{}", said.all);
    assert!(said.finding().starts_with("TP-DNS-"), "{}", said.all);
}

#[test]
fn the_refused_certificate_is_shown() {
    for library in common::pki::LIBRARIES {
        let pki = Pki::new();
        let (_server, port) = common::pki::s_server(&pki.server, &[]);
        let other = pki.other_ca();
        let url = format!("mqtts://localhost:{port}");
        let said = doctor(&[
            &url,
            "--cafile",
            &other.cert,
            "--tls",
            library,
            "--no-probes",
        ]);
        assert_eq!(said.code, 1, "{}", said.all);
        assert!(said.finding().starts_with("TP-TLS-01"), "{}", said.all);
        assert!(said.all.contains("towpath ca"), "the issuer: {}", said.all);
    }
}

#[test]
fn a_wrong_password_is_sent_once_and_shown_never() {
    let broker = Broker::with_login();
    let secret = "n0t-the-password";
    let report = Folder::new();
    let page = report.0.join("report.html");
    for json in [true, false] {
        let mut args = vec!["doctor", &broker.mqtt, "-u", "alice", "--report"];
        args.push(page.to_str().unwrap());
        if json {
            args.push("--json");
        } else {
            args.push("--verbose");
        }
        let ran = common::ran(
            towpath(&args)
                .env("TOWPATH_PASSWORD", secret)
                .spawn()
                .unwrap(),
        );
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.out.contains("TP-MQTT-007") || ran.out.contains("TP-MQTT-006"),
            "{ran:?}"
        );
        let page = fs::read_to_string(&page).unwrap();
        for told in [&ran.out, &ran.err, &page] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[test]
fn usage_has_a_status_of_its_own() {
    for args in [
        &["doctor"][..],
        &["doctor", "localhost"],
        &[
            "doctor",
            "mqtt://localhost",
            "--kconfig",
            "/nowhere/prj.conf",
        ],
        &["doctor", "mqtt://localhost", "--insecure"],
        &[
            "doctor",
            "mqtt://localhost",
            "--config",
            "/nowhere/device.toml",
        ],
    ] {
        let ran = run(args);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{args:?}: {ran:?}");
    }
}

#[test]
fn a_device_is_climbed_as_up_to_its_twin() {
    let cloud = Cloud::start();
    for transport in ["mqtts", "wss"] {
        let said = cloud.doctor(transport, &[]);
        said.ready();
        assert!(said.ladder().ends_with("mqtt ok, hub ok"), "{}", said.all);
        assert!(said.millis() < 2000.0, "{}", said.all);
        assert!(!said.all.contains(&cloud.key()), "{}", said.all);
        assert!(!said.all.contains("sig="), "{}", said.all);
    }
    assert!(cloud.lab().telemetry("meter").is_empty());
}

#[test]
fn a_device_that_is_refused_asks_once_more_by_rest_and_never_again() {
    for fault in [Kind::DeviceDisabled, Kind::DeviceUnknown] {
        let cloud = Cloud::with(Setting::new(fault));
        let said = cloud.doctor("mqtts", &[]);
        let ladder = "dns ok, tcp ok, tls ok, mqtt ok, hub problem";
        if fault == Kind::DeviceDisabled {
            said.broken("TP-HUB-009", ladder);
        }
        // Of a device that it does not know the hub says as little as of a wrong key.
        assert_eq!((said.code, &*said.ladder()), (1, ladder), "{}", said.all);
        let refused = [
            Code::DeviceDisabled,
            Code::DeviceNotFound,
            Code::IotHubUnauthorized,
            Code::Unauthorized,
        ];
        let refused: usize = refused.into_iter().map(|code| cloud.count(code)).sum();
        assert!(refused <= 2, "{refused} times");
    }
}

#[test]
fn a_silence_on_any_rung_is_called_within_ten_seconds() {
    for (fault, transport, rung) in [
        (Kind::AcceptSilent, "mqtts", "tls problem"),
        (Kind::HelloSilent, "wss", "tls problem"),
        (Kind::GetSilent, "wss", "upgrade problem"),
        (Kind::UpgradeLost, "wss", "upgrade problem"),
        (Kind::ConnectSilent, "mqtts", "mqtt problem"),
        (Kind::TwinSilent, "mqtts", "hub problem"),
    ] {
        let cloud = Cloud::with(Setting::new(fault));
        let said = cloud.doctor(transport, &[]);
        assert_eq!(said.code, 1, "{fault:?}: {}", said.all);
        assert!(said.ladder().contains(rung), "{fault:?}: {}", said.all);
        assert!(said.millis() < 10_000.0, "{fault:?}: {}", said.all);
    }
}

#[test]
fn a_silent_name_server_is_called_within_ten_seconds() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    let said = doctor(&["mqtt://broker.example", "--resolver", &server]);
    said.broken(
        "TP-DNS-002",
        "dns problem, tcp not reached, mqtt not reached",
    );
    assert!(said.millis() < 10_000.0, "{}", said.all);
}

#[test]
fn a_server_that_takes_the_connection_and_no_more_is_called_within_ten_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let said = doctor(&[&format!("mqtt://127.0.0.1:{port}")]);
    said.broken("TP-MQTT-002", "tcp ok, mqtt problem");
    assert!(said.millis() < 10_000.0, "{}", said.all);
}

#[test]
fn who_watches_learns_what_ends_the_connection() {
    let cloud = Cloud::with(Setting::new(Kind::DropAfter).number(300));
    let said = cloud.doctor("mqtts", &["--watch", "20"]);
    assert_eq!(said.code, 1, "{}", said.all);
    assert_eq!(said.finding(), "TP-MQTT-015", "{}", said.all);
    let calm = Cloud::start();
    calm.doctor("mqtts", &["--watch", "0.2"]).ready();
}

#[test]
fn questions_beside_the_climb_can_be_left_out() {
    let port = free_port();
    let said = doctor(&[&format!("mqtts://127.0.0.1:{port}"), "--no-probes"]);
    said.broken(
        "TP-TCP-010",
        "tcp problem, tls not reached, mqtt not reached",
    );
    assert_eq!(said.json["probes"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_pub_says_bears_the_finding() {
    let port = free_port();
    let url = format!("mqtt://127.0.0.1:{port}");
    let ran = run(&["pub", &url, "a", "-m", "x", "--json"]);
    let error: Value = serde_json::from_str(ran.err.trim()).unwrap();
    assert_eq!(error["finding"], "TP-TCP-010");
    let ran = run(&["pub", &url, "a", "-m", "x"]);
    assert!(ran.err.ends_with("[TP-TCP-010]\n"), "{ran:?}");
}

#[test]
fn what_waits_for_a_device_stays_the_devices() {
    let cloud = Cloud::start();
    let file = cloud.device("mqtts");
    let mut device = towpath(&["device", "--config", &file, "--trace"])
        .spawn()
        .unwrap();
    let mut told = BufReader::new(device.stderr.take().unwrap());
    let mut line = String::new();
    while !(line.contains("twin") && line.contains("done")) {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "the device ended");
    }
    // It leaves, and its session stays.
    let asked = std::process::Command::new("kill")
        .arg(device.id().to_string())
        .status();
    assert!(asked.unwrap().success());
    assert!(device.wait().unwrap().success());
    let sent = cloud.lab().send_to_device("meter", "for the meter", []);
    cloud.runtime.block_on(sent).unwrap();
    cloud.doctor("mqtts", &[]).ready();
    let log = cloud.lab().log().since(0);
    let messages = log
        .iter()
        .filter(|record| record.code == Code::CloudToDevice);
    let texts: Vec<_> = messages.map(|record| format!("{record:?}")).collect();
    assert!(!texts.is_empty());
    assert!(
        !texts.iter().any(|text| text.contains("completed")),
        "{texts:#?}"
    );
}

#[test]
fn what_a_broker_keeps_for_a_session_stays_there() {
    let broker = Broker::start();
    let kept = ["-i", "meter9", "--keep-session"];
    let session = [&broker.mqtt, "a", "-q", "1", "--trace"];
    let mut subscriber = common::Subscriber::start(&[&session[..4], &kept[..]].concat());
    let _ = subscriber.child.kill();
    let _ = subscriber.child.wait();
    run(&["pub", &broker.mqtt, "a", "-m", "kept", "-q", "1"]).ok();
    doctor(&[&[&*broker.mqtt, "--watch", "0.5"], &kept[..]].concat()).ready();
    let args = [&["sub"], &session[..4], &kept[..], &["-C", "1", "-W", "20"]].concat();
    assert_eq!(run(&args).ok(), "kept\n");
}

#[test]
fn who_is_interrupted_while_watching_takes_leave_and_gets_the_verdict() {
    let (tell, told) = std::sync::mpsc::channel();
    let port = common::peer(move |mut stream| {
        let mut bytes = [0; 1024];
        let _ = stream.read(&mut bytes);
        // CONNACK of MQTT 3.1.1; the sign of life shows that it has arrived.
        let _ = stream.write_all(&[0x20, 2, 0, 0]);
        let len = stream.read(&mut bytes).unwrap();
        tell.send(bytes[..len].to_vec()).unwrap();
        let _ = stream.write_all(&[0xd0, 0]);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        tell.send(rest).unwrap();
    });
    let url = format!("mqtt://127.0.0.1:{port}");
    let args = ["--mqtt", "3.1.1", "-k", "1", "--watch", "60"];
    let will = ["--will-topic", "gone", "--will-payload", "x"];
    let child = towpath(&[&["doctor", "--json", &url], &args[..], &will[..]].concat())
        .spawn()
        .unwrap();
    assert_eq!(told.recv().unwrap(), [0xc0, 0], "PINGREQ");
    let pid = child.id().to_string();
    let asked = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(asked.unwrap().success());
    said(common::ran(child)).ready();
    assert_eq!(told.recv().unwrap(), [0xe0, 0], "DISCONNECT");
}

#[test]
fn a_slow_server_is_not_a_broken_one() {
    let port = common::peer(|mut stream| {
        let mut bytes = [0; 1024];
        let _ = stream.read(&mut bytes);
        thread::sleep(Duration::from_secs(5));
        // CONNACK of MQTT 3.1.1.
        let _ = stream.write_all(&[0x20, 2, 0, 0]);
        while matches!(stream.read(&mut bytes), Ok(1..)) {}
    });
    doctor(&[&format!("mqtt://127.0.0.1:{port}"), "--mqtt", "3.1.1"]).ready();
}

#[test]
fn the_verdict_is_told_where_the_report_can_not_be_written() {
    let port = free_port();
    let ran = run(&[
        "doctor",
        &format!("mqtt://127.0.0.1:{port}"),
        "--report",
        "/nowhere/report.html",
    ]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("TP-TCP-010"), "{ran:?}");
    assert!(ran.err.contains("/nowhere/report.html"), "{ran:?}");
}

#[test]
fn a_pipe_is_read_once() {
    let broker = Broker::with_login();
    let shell = |command: String| {
        let child = std::process::Command::new("bash")
            .args(["-c", &command])
            .env_remove("TOWPATH_PASSWORD")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        common::ran(child.unwrap())
    };
    let program = env!("CARGO_BIN_EXE_towpath");
    let url = &broker.mqtt;
    said(shell(format!(
        "{program} doctor --json {url} -u alice --password-file <(echo 'open sesame')"
    )))
    .ready();
    let ran = shell(format!(
        "{program} doctor mqtts://localhost:1 --cafile <(echo)"
    ));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("pipe"), "{ran:?}");
}
