//! `hub` at the lab, over QEMU's own network: provisioned, with twin, methods and telemetry; each rung broken in turn;
//! power cut with messages in the outbox.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use firmware::{Board, HOST, Run, image};
use mqtt::{Folder, Port};
use openssl::{pkey::PKey, x509::X509};
use serde_json::{Value as Json, json};
use tls::pki::{Pki, Server};
use tokio::runtime::{Builder, Runtime};
use towpath_lab::{
    Config, Key, Lab,
    config::{Enrollment, Hub, Provisioning},
    fault::{Kind, Setting},
};

const DEVICE: &str = "meter-1";
const KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";
const HUB: &str = "hub.cloud.example";
const DPS: &str = "dps.cloud.example";
const PATIENCE: Duration = Duration::from_secs(30);

/// A hub and a provisioning service, on this machine's 127.0.0.1.
struct Cloud {
    lab: Option<Lab>,
    runtime: Runtime,
}

impl Cloud {
    /// With a device that has a key, or one whose certificates are those of the lab's CA.
    fn start(by_key: bool) -> Self {
        let mut config = Config::for_tests();
        config.hubs = vec![Hub {
            host: HUB.into(),
            ..Hub::default()
        }];
        let enrollment = Enrollment {
            id: DEVICE.into(),
            primary_key: Some(Key::from_base64(KEY).expect("base64")),
            ..Enrollment::default()
        };
        config.provisioning = Some(Provisioning {
            host: DPS.into(),
            enrollments: if by_key { vec![enrollment] } else { Vec::new() },
            ..Provisioning::default()
        });
        if !by_key {
            config = config.x509_group("plant");
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let lab = runtime.block_on(Lab::start(config)).expect("a lab");
        Self {
            lab: Some(lab),
            runtime,
        }
    }

    fn lab(&self) -> &Lab {
        self.lab.as_ref().expect("there until the end")
    }

    /// A board with this program that is to be provisioned here, by this transport.
    fn board(&self, program: &str, transport: &str) -> Board {
        let lab = self.lab();
        let (_, scope) = lab.provisioning().expect("a provisioning service");
        let root = X509::from_pem(lab.root_pem().as_bytes()).expect("the lab's root");
        Board::new(program)
            .setting("dps", DPS)
            .setting("scope", scope)
            .setting("id", DEVICE)
            .setting("address", HOST)
            .setting("mqtts", lab.mqtts().port())
            .setting("https", lab.https().port())
            .setting("transport", transport)
            .setting("fleet", 1)
            .file("root.der", root.to_der().expect("DER"))
    }

    /// The hub has a job for the device, in the words of NCS `azure_fota`.
    fn update(&self, version: &str, port: u16) {
        let job = json!({
            "firmware": {
                "fwVersion": version,
                "fwLocation": { "host": format!("localhost:{port}"), "path": "image.bin" },
                "fwFragmentSize": 4096,
                "jobId": format!("job-{version}"),
            },
        });
        let patched = self.lab().patch_desired(DEVICE, &job);
        self.runtime.block_on(patched).expect("a job");
    }

    fn with_key(&self, transport: &str) -> Board {
        self.board("hub", transport).file("sas.key", KEY)
    }

    fn with_certificate(&self, transport: &str) -> Board {
        let made = self
            .lab()
            .device_certificate(DEVICE)
            .expect("a certificate");
        let chain = X509::stack_from_pem(made.chain.as_bytes()).expect("a chain");
        let key = PKey::private_key_from_pem(made.key.as_bytes()).expect("a key");
        self.board("hub", transport)
            .file("device.der", chain[0].to_der().expect("DER"))
            .file("device.key", key.private_key_to_der().expect("DER"))
    }

    /// Calls a method of the device.
    fn invoke(&self, method: &str) -> (i32, Json) {
        let call = self.lab().invoke(DEVICE, method, Json::Null, PATIENCE);
        let answered = self.runtime.block_on(call);
        answered.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The numbers in the device's telemetry, as they came.
    fn counted(&self) -> Vec<u64> {
        let number = |body: &[u8]| {
            let body: Json = serde_json::from_slice(body).expect("JSON");
            body["count"].as_u64().expect("a number")
        };
        let telemetry = self.lab().telemetry(DEVICE);
        telemetry
            .iter()
            .map(|message| number(&message.body))
            .collect()
    }

    fn switch_on(&self, setting: Setting) -> u64 {
        self.lab().faults().switch_on(setting).expect("a fault")
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            self.runtime.block_on(lab.stop());
        }
    }
}

/// The whole of a device's day: twin, method, telemetry, and the end.
fn live(cloud: &Cloud, run: Run, messages: u64) -> String {
    run.until(&["assigned: meter-1 at hub.cloud.example"]);
    run.until(&["path      ready"]);
    run.until(&[&format!("delivered: {messages}")]);
    assert_eq!(cloud.invoke("blink"), (200, json!({"lit": true})));
    let patch = json!({"interval": 5});
    let patched = cloud.lab().patch_desired(DEVICE, &patch);
    let twin = cloud.runtime.block_on(patched).expect("a twin");
    run.until(&["desired: version 2"]);
    let sent = cloud.lab().send_to_device(DEVICE, "hello", []);
    cloud.runtime.block_on(sent).expect("a place in the queue");
    run.until(&["message: hello"]);
    assert_eq!(cloud.counted(), (1..=messages).collect::<Vec<_>>());
    let twin_after = cloud.lab().twin(DEVICE).expect("a twin");
    let reported = &twin_after["properties"]["reported"]["board"];
    assert_eq!(reported, "mps2-an505", "{twin}");
    assert_eq!(cloud.invoke("stop").0, 200);
    let ended = run.wait();
    let text = ended.done();
    println!(
        "stack {} bytes, heap {} bytes",
        ended.measured("stack"),
        ended.measured("heap")
    );
    text
}

#[test]
fn a_device_with_a_key_lives_on_port_8883() {
    let cloud = Cloud::start(true);
    let board = cloud
        .with_key("mqtts")
        .setting("count", 8)
        .setting("interval", 50);
    let text = live(&cloud, board.start(), 8);
    assert!(!text.contains("upgrade"), "{text}");
}

#[test]
fn a_device_with_a_certificate_lives_on_port_443() {
    let cloud = Cloud::start(false);
    let board = cloud
        .with_certificate("wss")
        .setting("count", 8)
        .setting("interval", 50);
    let text = live(&cloud, board.start(), 8);
    assert!(text.contains("renegotiated, as the server asked"), "{text}");
}

/// A device meets each of these faults once, names rung and finding, and works all the same afterwards.
fn recovers(rung: &str, transport: &str, faults: &[Kind]) {
    for fault in faults {
        let cloud = Cloud::start(true);
        cloud.switch_on(Setting::new(*fault).times(1));
        let run = cloud.with_key(transport).setting("count", 1).start();
        run.until(&[&format!("  {rung:<9} broke")]);
        // Without a word of its own it is 503, which has a finding of its own.
        let id = match fault {
            Kind::UpgradeStatus => "TP-UPG-018",
            fault => fault.finding().expect("a finding"),
        };
        let finding = format!("[{id}]");
        let said = run.until(&[&finding]);
        println!("{rung:<8} {}: {said}", fault.name());
        run.until(&["path      ready"]);
        run.until(&["delivered: 1"]);
        assert_eq!(cloud.invoke("stop").0, 200);
        let _ = run.wait().done();
    }
}

// A reset is not among them: QEMU's own network hands it on as an end.
#[test]
fn a_handshake_that_breaks_is_named_and_the_device_comes_back() {
    recovers("tls", "mqtts", &[Kind::HelloClose, Kind::CertExpired]);
}

#[test]
fn a_certificate_that_is_no_good_is_named_and_the_device_comes_back() {
    recovers("tls", "wss", &[Kind::CertWrongName, Kind::CertUnknownRoot]);
}

#[test]
fn an_upgrade_that_fails_is_named_and_the_device_comes_back() {
    recovers(
        "upgrade",
        "wss",
        &[Kind::UpgradeStatus, Kind::UpgradeAccept],
    );
}

#[test]
fn a_websocket_that_breaks_is_named_and_the_device_comes_back() {
    recovers("ws", "wss", &[Kind::FramesMasked, Kind::CloseCode]);
}

#[test]
fn a_connect_that_is_refused_is_named_and_the_device_comes_back() {
    recovers("mqtt", "mqtts", &[Kind::Connack3, Kind::ConnackGarbage]);
}

#[test]
fn what_was_accepted_before_a_power_cut_is_sent_after_it() {
    let cloud = Cloud::start(true);
    let refusing = cloud.switch_on(Setting::new(Kind::AcceptReset));
    let mut board = cloud
        .with_key("mqtts")
        .setting("count", 20)
        .setting("interval", 5);
    let run = board.start();
    for number in 1..=20 {
        run.until(&[&format!("accepted: {number}")]);
    }
    drop(run.cut());
    assert!(cloud.lab().faults().switch_off(refusing));
    board.set("count", 0);
    let run = board.start();
    run.until(&["outbox: 20 messages wait"]);
    run.until(&["delivered: 20"]);
    assert_eq!(cloud.counted(), (1..=20).collect::<Vec<_>>());
    assert_eq!(cloud.invoke("stop").0, 200);
    let _ = run.wait().done();
}

#[test]
fn an_update_is_fetched_and_booted_and_confirms_itself() {
    let cloud = Cloud::start(true);
    let first = image("hub.slot");
    let second = renamed(&first, b"version:1.0.0", b"version:1.1.0");
    let pki = Pki::kept();
    let server = Images::start(&pki, &second);
    let mut roots = cloud.lab().root_pem().into_bytes();
    roots.extend(fs::read(pki.root()).expect("the root of the server of images"));
    let board = cloud
        .board("boot", "mqtts")
        .file("sas.key", KEY)
        .setting("count", 3)
        .file("root.der", roots)
        .file("flash.bin", &first);
    let run = board.start();
    run.until(&["version: 1.0.0"]);
    run.until(&["delivered: 3"]);
    cloud.update("1.1.0", server.port.number());
    run.until(&["update: fetching 1.1.0"]);
    run.until(&["restart"]);
    run.until(&["boot: a new image is in place, on probation"]);
    run.until(&["version: 1.1.0"]);
    run.until(&["update: confirmed"]);
    run.until(&["update: done"]);
    run.until(&["update: reported"]);
    assert_eq!(cloud.invoke("stop").0, 200);
    let _ = run.wait().done();
    let flash = fs::read(board.path("flash.bin")).expect("the flash");
    assert!(flash.starts_with(&second), "another image is in place");
    let twin = cloud.lab().twin(DEVICE).expect("a twin");
    let reported = &twin["properties"]["reported"]["firmware"];
    println!("{reported}");
    assert_eq!(reported["fwUpdateStatus"], "current", "{twin}");
    assert_eq!(reported["currentFwVersion"], "1.1.0", "{twin}");
}

/// The image with other bytes in the place of some.
fn renamed(image: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    let at = image.windows(from.len()).position(|bytes| bytes == from);
    let at = at.expect("the image's version");
    image[at..at + to.len()].copy_from_slice(to);
    image
}

/// nginx with one image, over TLS.
struct Images {
    child: Child,
    port: Port,
    _folder: Folder,
}

impl Images {
    fn start(pki: &Pki, image: &[u8]) -> Self {
        let folder = Folder::new("images");
        fs::write(folder.file("image.bin"), image).expect("the image");
        let port = Port::claim();
        let pair = pki.server(Server::Rsa);
        let root = folder.path().display();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/log;\n\
             events {{ worker_connections 16; }}\n\
             http {{ access_log off; client_body_temp_path {root}; proxy_temp_path {root};\n\
             fastcgi_temp_path {root}; uwsgi_temp_path {root}; scgi_temp_path {root};\n\
             server {{ listen 127.0.0.1:{} ssl; root {root};\n\
             ssl_certificate {}; ssl_certificate_key {}; }} }}\n",
            port.number(),
            pair.chain.display(),
            pair.key.display(),
        );
        fs::write(folder.file("nginx.conf"), config).expect("a config");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "/usr/sbin/nginx", "-c"])
            .arg(folder.file("nginx.conf"))
            .spawn()
            .expect("nginx");
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port.number())).is_err() {
            assert!(Instant::now() < until, "nginx does not start");
            thread::sleep(Duration::from_millis(5));
        }
        Self {
            child,
            port,
            _folder: folder,
        }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
