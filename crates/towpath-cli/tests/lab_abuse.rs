//! Ten thousand clients that break every rule: the lab goes on, and its memory does not grow.
#![cfg(all(feature = "lab", target_os = "linux"))]

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::Child,
    thread,
};

use common::{Folder, ran, towpath};
use openssl::{
    base64,
    hash::MessageDigest,
    pkey::PKey,
    sign::Signer,
    ssl::{SslConnector, SslMethod},
};
use serde_json::Value;

/// Clients of each kind: first packets, requests, bodies of REST, calls of the lab's own API.
const EACH: u64 = 2_500;

/// How many clients come before the memory is looked at for the first time: all code has run then.
const WARM: u64 = 600;

/// What the memory may grow by after that, in kB: less than 700 bytes for a client. Each is remembered by the event
/// log and the list of ended connections, both of which are full by then.
const GROWTH: u64 = 6 * 1024;

struct Lab {
    child: Child,
    mqtts: u16,
    https: u16,
    page: u16,
    root: String,
    /// Of the policy that may do everything.
    token: String,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lab {
    fn start(folder: &Folder) -> Self {
        let ports = ["--mqtts-port", "0", "--https-port", "0", "--page-port", "0"];
        let mut child = towpath(&["lab", "--json"])
            .args(ports)
            .current_dir(&folder.0)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        // Its events are many; whoever does not read them would hold it up.
        thread::spawn(move || for _ in out.split(b'\n') {});
        let port = |key: &str| {
            let text = ready[key].as_str().unwrap().trim_end_matches('/');
            text.rsplit_once(':').unwrap().1.parse().unwrap()
        };
        Self {
            mqtts: port("mqtts"),
            https: port("https"),
            page: port("page"),
            root: ready["root"].as_str().unwrap().to_owned(),
            token: token(ready["connection_strings"].as_str().unwrap()),
            child,
        }
    }

    fn memory_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

/// A token by which REST reads the bodies that it is sent.
fn token(connection_strings: &str) -> String {
    let all = fs::read_to_string(connection_strings).unwrap();
    let (_, key) = all
        .lines()
        .find_map(|line| line.split_once("SharedAccessKeyName=iothubowner;SharedAccessKey="))
        .unwrap();
    let key = PKey::hmac(&base64::decode_block(key).unwrap()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let signature = signer
        .sign_oneshot_to_vec(b"localhost\n4102444800")
        .unwrap();
    let signature = base64::encode_block(&signature)
        .replace('+', "%2B")
        .replace('=', "%3D");
    format!("SharedAccessSignature sr=localhost&sig={signature}&se=4102444800&skn=iothubowner")
}

/// xorshift64*: the same clients in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap() % sides
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.roll(most))
            .map(|_| u8::try_from(self.roll(256)).unwrap())
            .collect()
    }

    /// The same with some bytes changed, doubled, lost or cut off.
    fn broken(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len().max(1));
            let new = u8::try_from(self.roll(256)).unwrap();
            match self.roll(5) {
                _ if bytes.is_empty() => bytes.push(new),
                0 => bytes.truncate(at),
                1 => bytes.insert(at, new),
                2 => drop(bytes.remove(at)),
                3 => bytes.extend_from_within(at..),
                _ => bytes[at] = new,
            }
        }
        bytes
    }
}

/// A good CONNECT, but for the credentials.
fn connect() -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04\xc2\x00\x3c".to_vec();
    for text in [
        "device-1",
        "localhost/device-1/?api-version=2021-04-12",
        "SharedAccessSignature sr=a&sig=b&se=1",
    ] {
        body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        body.extend(text.as_bytes());
    }
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    packet
}

const UPGRADE: &str = "GET /$iothub/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: kqX64mYKREm8ZG7XrBKhIw==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/// A request with a body of JSON, good or bad.
fn rest(lab: &Lab, dice: &mut Dice, targets: &[(&str, &str)], json: &str) -> Vec<u8> {
    let (method, target) = targets[dice.roll(targets.len())];
    let body = match dice.roll(3) {
        0 => dice.bytes(4000),
        1 => format!(
            "{}{}",
            "[".repeat(dice.roll(3000)),
            "{\"a\":".repeat(dice.roll(500))
        )
        .into_bytes(),
        _ => dice.broken(json.as_bytes()),
    };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        lab.token,
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    if dice.roll(4) == 0 {
        dice.broken(&request)
    } else {
        request
    }
}

const REST: [(&str, &str); 6] = [
    ("PUT", "/devices/a?api-version=2021-04-12"),
    ("PATCH", "/twins/device-1?api-version=2021-04-12"),
    ("POST", "/devices/query?api-version=2021-04-12"),
    ("POST", "/twins/device-1/methods?api-version=2021-04-12"),
    (
        "POST",
        "/devices/device-1/messages/events?api-version=2021-04-12&iothub-no-client-cert=true",
    ),
    ("PUT", "/enrollments/a?api-version=2021-10-01"),
];

const API: [(&str, &str); 5] = [
    ("POST", "/api/faults"),
    ("PATCH", "/api/hubs/localhost/devices/device-1/twin"),
    ("POST", "/api/hubs/localhost/devices/device-1/messages"),
    ("POST", "/api/hubs/localhost/devices/nobody/methods/reboot"),
    ("POST", "/api/hubs/%ff/devices/%00/messages"),
];

/// Sends everything, says that this was all, and reads to the end. Whether the lab takes it to the end is its affair.
fn over_tls(connector: &SslConnector, port: u16, bytes: &[u8]) {
    let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut tls = connector.connect("localhost", tcp).unwrap();
    let _ = tls.write_all(bytes);
    let _ = tls.get_ref().shutdown(Shutdown::Write);
    let _ = tls.read_to_end(&mut Vec::new());
}

fn over_tcp(port: u16, bytes: &[u8]) {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let _ = tcp.write_all(bytes);
    let _ = tcp.shutdown(Shutdown::Write);
    let _ = tcp.read_to_end(&mut Vec::new());
}

/// One client of each kind.
fn abuse(lab: &Lab, connector: &SslConnector, dice: &mut Dice) {
    let packet = if dice.roll(3) == 0 {
        dice.bytes(300)
    } else {
        dice.broken(&connect())
    };
    over_tls(connector, lab.mqtts, &packet);
    let request = if dice.roll(3) == 0 {
        dice.bytes(300)
    } else {
        dice.broken(UPGRADE.as_bytes())
    };
    over_tls(connector, lab.https, &request);
    let twin = r#"{"properties":{"desired":{"a":{"b":[1,2,{"c":"d"}]}}},"tags":{}}"#;
    over_tls(connector, lab.https, &rest(lab, dice, &REST, twin));
    let fault = r#"{"fault":"connack-5","device":"nobody-ever","times":1}"#;
    over_tcp(lab.page, &rest(lab, dice, &API, fault));
}

#[test]
fn ten_thousand_broken_clients_leave_it_as_it_was() {
    let folder = Folder::new();
    let lab = Lab::start(&folder);
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_ca_file(&lab.root).unwrap();
    let connector = connector.build();
    // TOWPATH_CLIENTS=N for more of each kind.
    let each = env::var("TOWPATH_CLIENTS").map_or(EACH, |text| text.parse().unwrap());
    let mut warm = 0;
    for (first, last) in [(0, WARM), (WARM, each)] {
        thread::scope(|scope| {
            for part in 0..4 {
                let (lab, connector) = (&lab, &connector);
                scope.spawn(move || {
                    for number in (first..last).filter(|number| number % 4 == part) {
                        abuse(lab, connector, &mut Dice(number + 1));
                    }
                });
            }
        });
        if first == 0 {
            warm = lab.memory_kb();
        }
    }
    let memory = lab.memory_kb();
    println!(
        "{} clients: {warm} kB after {}, {memory} kB at the end",
        each * 4,
        WARM * 4
    );
    assert!(memory < warm + GROWTH, "{warm} kB became {memory} kB");

    // It still lets a client come as far as its credentials do.
    let url = format!("mqtts://localhost:{}", lab.mqtts);
    let args = [
        "pub",
        &url,
        "devices/device-1/messages/events/",
        "-m",
        "x",
        "--mqtt",
        "3.1.1",
        "--cafile",
        &lab.root,
        "-i",
        "device-1",
        "-u",
        "localhost/device-1/?api-version=2021-04-12",
    ];
    let refused = ran(towpath(&args).spawn().unwrap());
    assert!(refused.err.starts_with("towpath: mqtt: "), "{refused:?}");
}
