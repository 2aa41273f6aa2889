//! The real program keeps itself up to date at a lab: firmware by jobs in the twin, from a server with TLS; the certificate
//! by the provisioning service.
#![cfg(all(feature = "lab", feature = "device", feature = "openssl", unix))]

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStderr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{SystemTime, UNIX_EPOCH},
};

use common::{Folder, Ran, pki::Pki, towpath};
use openssl::{
    asn1::Asn1Time,
    base64,
    bn::BigNum,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sha::sha256,
    sign::Signer,
    ssl::{SslAcceptor, SslFiletype, SslMethod},
    x509::{X509, X509NameBuilder},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use towpath_lab::{Config, Lab, config::Enrollment};

/// A server of images for localhost.
struct Images {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Images {
    fn start(pki: &Pki, images: HashMap<&'static str, Vec<u8>>) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor
            .set_private_key_file(&pki.server.key, SslFiletype::PEM)
            .unwrap();
        acceptor
            .set_certificate_chain_file(&pki.server.cert)
            .unwrap();
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // A client that leaves is its own business.
                let _ = stream.map(|stream| answer(&acceptor, stream, &images));
            }
        });
        Self {
            address,
            over,
            thread: Some(thread),
        }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(acceptor: &SslAcceptor, stream: TcpStream, images: &HashMap<&str, Vec<u8>>) {
    let Ok(stream) = acceptor.accept(stream) else {
        return;
    };
    let mut stream = BufReader::new(stream);
    let mut path = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
    }
    let (status, body) = match images.get(path.as_str()) {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", &b""[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let stream = stream.get_mut();
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    let _ = stream.shutdown();
}

/// A lab, a server of images, and the folder of one device whose firmware is the file `installed`.
struct Site {
    runtime: Runtime,
    /// Taken when it ends.
    lab: Option<Lab>,
    images: Images,
    folder: Folder,
    config: String,
}

/// What the device runs: copied by `apply`, with its version.
const UPDATE: &str = "slot = \"image\"\nversion_file = \"version\"\ntimeout = 60\n";

impl Site {
    fn start(images: HashMap<&'static str, Vec<u8>>, update: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let lab = runtime
            .block_on(Lab::start(Config::for_tests().device("meter")))
            .unwrap();
        let (pki, folder) = (Pki::new(), Folder::new());
        let ca = fs::read_to_string(&pki.ca.cert).unwrap();
        folder.file("roots.pem", &format!("{}{ca}", lab.root_pem()));
        let strings = lab.connection_strings();
        let mut strings = strings.iter();
        let key = strings
            .find_map(|(_, text)| text.split_once("DeviceId=meter;SharedAccessKey="))
            .unwrap();
        folder.file("meter.key", &format!("{}\n", key.1));
        folder.file("version", "1.0.0\n");
        folder.file("installed", "old");
        let here = folder.0.display();
        let config = folder.file(
            "device.toml",
            &format!(
                "state = \"state\"\nports = {{ mqtts = {}, https = {} }}\n\
                 [hub]\nhost = \"localhost\"\ndevice_id = \"meter\"\nkey_file = \"meter.key\"\n\
                 [tls]\ncafile = \"roots.pem\"\n\
                 [update]\n{UPDATE}{}",
                lab.mqtts().port(),
                lab.https().port(),
                update.replace("HERE", &here.to_string()),
            ),
        );
        Self {
            images: Images::start(&pki, images),
            runtime,
            lab: Some(lab),
            folder,
            config,
        }
    }

    fn desire(&self, patch: &Value) {
        let lab = self.lab.as_ref().unwrap();
        self.runtime
            .block_on(lab.patch_desired("meter", patch))
            .unwrap();
    }

    fn reported(&self) -> Value {
        self.lab.as_ref().unwrap().twin("meter").unwrap()["properties"]["reported"].clone()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.0.join(name)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    fn fota(&self, version: &str) -> Value {
        json!({"firmware": {
            "fwVersion": version, "jobId": format!("job-{version}"), "fwFragmentSize": 1024,
            "fwLocation": {"protocol": "https:", "host": format!("localhost:{}", self.images.port()),
                "path": "image.bin"},
        }})
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            self.runtime.block_on(lab.stop());
        }
    }
}

/// A running device, ended with this value.
struct Running {
    child: Child,
    err: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn start(site: &Site) -> Self {
        let mut child = towpath(&["device", "--config", &site.config, "--trace"])
            .spawn()
            .unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            err,
            said: String::new(),
        }
    }

    #[track_caller]
    fn wait_for(&mut self, words: &[&str]) {
        loop {
            let mut line = String::new();
            let read = self.err.read_line(&mut line).unwrap();
            assert!(read > 0, "no {words:?} in:\n{}", self.said);
            self.said.push_str(&line);
            if words.iter().all(|word| line.contains(word)) {
                return;
            }
        }
    }

    /// Until the hub has a report of which this holds.
    #[track_caller]
    fn reported(&mut self, site: &Site, is_right: impl Fn(&Value) -> bool) -> Value {
        loop {
            self.wait_for(&["firmware", "reported"]);
            let reported = site.reported();
            if is_right(&reported) {
                return reported;
            }
        }
    }

    fn ended(mut self) -> Ran {
        let mut err = std::mem::take(&mut self.said);
        self.err.read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran {
            code,
            out: String::new(),
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn image() -> Vec<u8> {
    (0..300_000_u32)
        .map(|at| (at * 7 + at / 251) as u8)
        .collect()
}

fn images() -> HashMap<&'static str, Vec<u8>> {
    HashMap::from([("/image.bin", image())])
}

const FOTA: &str = "kind = \"fota\"\n\
    apply = [\"sh\", \"-c\", \"cp $1 HERE/installed; echo $TOWPATH_VERSION > HERE/version\", \"apply\"]\n";

#[test]
fn a_fota_job_is_installed_and_reported_after_the_restart() {
    let site = Site::start(images(), FOTA);
    let mut device = Running::start(&site);
    device.wait_for(&["twin", "done"]);
    site.desire(&site.fota("1.1.0"));
    let ended = device.ended();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.err.contains("1.1.0 is installed"), "{ended:?}");
    assert_eq!(site.read("installed"), image());

    let mut device = Running::start(&site);
    let reported = device.reported(&site, |reported| {
        reported["firmware"]["fwUpdateStatus"] == "current"
    });
    assert_eq!(reported["firmware"]["currentFwVersion"], "1.1.0");
    assert!(
        device.said.contains("update: 1.1.0 runs"),
        "{}",
        device.said
    );
}

#[test]
fn an_older_version_is_refused_and_overwrites_nothing() {
    let site = Site::start(images(), FOTA);
    let mut device = Running::start(&site);
    device.wait_for(&["twin", "done"]);
    site.desire(&site.fota("0.9.0"));
    let reported = device.reported(&site, |reported| {
        reported["firmware"]["fwUpdateStatus"] == "error"
    });
    assert_eq!(reported["firmware"]["fwUpdateSubstatus"], "downgrade");
    assert_eq!(reported["firmware"]["currentFwVersion"], "1.0.0");
    assert_eq!(site.read("installed"), b"old");
    assert!(!site.path("image").exists() && !site.path("image.part").exists());
}

#[test]
fn one_that_does_not_work_is_taken_back() {
    let update = format!("{FOTA}confirm = [\"false\"]\n");
    let site = Site::start(images(), &update);
    site.desire(&site.fota("1.1.0"));
    assert_eq!(Running::start(&site).ended().code, 4);
    // The new one runs, and its test fails.
    let ended = Running::start(&site).ended();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.err.contains("1.1.0 does not work"), "{ended:?}");
    // What brings the old one back is the system's business.
    fs::write(site.path("version"), "1.0.0\n").unwrap();
    let mut device = Running::start(&site);
    let reported = device.reported(&site, |reported| {
        reported["firmware"]["fwUpdateStatus"] == "rolledback"
    });
    assert_eq!(reported["firmware"]["currentFwVersion"], "1.0.0");
}

#[test]
fn one_whose_program_fails_is_not_counted_as_installed() {
    let site = Site::start(images(), "kind = \"fota\"\napply = [\"false\"]\n");
    site.desire(&site.fota("1.1.0"));
    let mut device = Running::start(&site);
    let reported = device.reported(&site, |reported| {
        reported["firmware"]["fwUpdateStatus"] == "rolledback"
    });
    assert_eq!(reported["firmware"]["currentFwVersion"], "1.0.0");
    assert!(
        device.said.contains("[update] apply: exit status 1"),
        "{}",
        device.said
    );
    assert_eq!(site.read("installed"), b"old");
}

/// Signs as Device Update does: a root key, and a signing key in each signature.
struct Service {
    root: PKey<Private>,
    key: PKey<Private>,
    /// The file with the root key.
    roots: String,
}

fn b64url(bytes: impl AsRef<[u8]>) -> String {
    let text = base64::encode_block(bytes.as_ref());
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

fn compact(key: &PKey<Private>, header: &Value, payload: &Value) -> String {
    let message = format!(
        "{}.{}",
        b64url(header.to_string()),
        b64url(payload.to_string())
    );
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    let signature = signer.sign_oneshot_to_vec(message.as_bytes()).unwrap();
    format!("{message}.{}", b64url(signature))
}

impl Service {
    fn new() -> Self {
        let (root, key) = (Rsa::generate(2048).unwrap(), Rsa::generate(2048).unwrap());
        let n = b64url(root.n().to_vec());
        let roots = json!({"protected": {"rootKeys": {
            "ADU.200702.R.T": {"keyType": "RSA", "n": n, "e": 65537},
        }}});
        Self {
            root: PKey::from_rsa(root).unwrap(),
            key: PKey::from_rsa(key).unwrap(),
            roots: roots.to_string(),
        }
    }

    fn sign(&self, manifest: &str) -> String {
        let n = base64::encode_block(&self.key.rsa().unwrap().n().to_vec());
        let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "S"});
        let sjwk = compact(
            &self.root,
            &json!({"alg": "RS256", "kid": "ADU.200702.R.T"}),
            &jwk,
        );
        let payload = json!({"sha256": base64::encode_block(&sha256(manifest.as_bytes()))});
        compact(&self.key, &json!({"alg": "RS256", "sjwk": sjwk}), &payload)
    }

    /// Desired properties with a manifest that says this size.
    fn deploy(&self, site: &Site, version: &str, size: usize) -> Value {
        let manifest = json!({
            "manifestVersion": "5",
            "updateId": {"provider": "Contoso", "name": "Meter", "version": version},
            "compatibility": [{"manufacturer": "Contoso", "model": "Meter"}],
            "instructions": {"steps": [{"handler": "microsoft/swupdate:1", "files": ["00000"],
                "handlerProperties": {"installedCriteria": version}}]},
            "files": {"00000": {"fileName": "fw.bin", "sizeInBytes": size,
                "hashes": {"sha256": base64::encode_block(&sha256(&image()))}}},
            "createdDateTime": "2026-11-01T00:00:00Z",
        })
        .to_string();
        json!({"deviceUpdate": {"__t": "c", "service": {
            "workflow": {"action": 3, "id": format!("deploy-{version}")},
            "updateManifest": manifest,
            "updateManifestSignature": self.sign(&manifest),
            "fileUrls": {"00000": format!("https://localhost:{}/image.bin", site.images.port())},
        }}})
    }
}

fn adu(service: &Service) -> Site {
    let update = FOTA.replace(
        "kind = \"fota\"",
        "kind = \"adu\"\nmanufacturer = \"Contoso\"\nmodel = \"Meter\"\nprovider = \"Contoso\"\nname = \"Meter\"\nroots = \"roots.json\"",
    );
    let site = Site::start(images(), &update);
    site.folder.file("roots.json", &service.roots);
    site
}

#[test]
fn a_signed_deployment_is_installed_and_reported_after_the_restart() {
    let service = Service::new();
    let site = adu(&service);
    site.desire(&service.deploy(&site, "1.2", image().len()));
    let ended = Running::start(&site).ended();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(site.read("installed"), image());
    let mut device = Running::start(&site);
    let reported = device.reported(&site, |reported| {
        reported["deviceUpdate"]["agent"]["lastInstallResult"]["resultCode"] == 700
    });
    let agent = &reported["deviceUpdate"]["agent"];
    assert_eq!(agent["state"], 0);
    assert_eq!(agent["workflow"]["id"], "deploy-1.2");
    let installed: Value =
        serde_json::from_str(agent["installedUpdateId"].as_str().unwrap()).unwrap();
    assert_eq!(
        installed,
        json!({"provider": "Contoso", "name": "Meter", "version": "1.2"})
    );
}

#[test]
fn a_wrong_signature_is_refused_and_a_wrong_size_overwrites_nothing() {
    let service = Service::new();
    let site = adu(&service);
    let mut device = Running::start(&site);
    device.wait_for(&["twin", "done"]);
    // The manifest was changed after it was signed.
    let mut changed = service.deploy(&site, "1.2", image().len());
    let manifest = &mut changed["deviceUpdate"]["service"]["updateManifest"];
    *manifest = json!(manifest.as_str().unwrap().replace("fw.bin", "fw.exe"));
    site.desire(&changed);
    let failed = |name: &'static str| {
        move |reported: &Value| {
            let agent = &reported["deviceUpdate"]["agent"];
            let details = &agent["lastInstallResult"]["resultDetails"];
            details.as_str().is_some_and(|text| text.starts_with(name)) && agent["state"] == 255
        }
    };
    device.reported(&site, failed("manifest-hash"));
    assert!(!site.path("image").exists() && !site.path("image.part").exists());

    site.desire(&service.deploy(&site, "1.3", image().len() + 1));
    device.reported(&site, failed("size"));
    assert!(!site.path("image").exists());
    assert_eq!(site.read("installed"), b"old");
}

#[test]
fn the_command_update_does_the_job_that_waits_and_says_when_there_is_none() {
    let site = Site::start(images(), FOTA);
    let update = || common::run(&["device", "update", "--config", &site.config]);
    assert_eq!(update().ok(), "version  1.0.0\n");
    site.desire(&site.fota("1.1.0"));
    let ended = update();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(site.read("installed"), image());
    assert_eq!(update().ok(), "version  1.1.0\n");
    site.desire(&site.fota("0.9.0"));
    let ended = update();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("older than what runs"), "{ended:?}");
}

/// A certificate of the CA that ends in a day, after 89 others.
fn old_certificate(ca: &common::pki::Pair, folder: &Folder) {
    let read = |path: &str| fs::read(path).unwrap();
    let issuer = X509::from_pem(&read(&ca.cert)).unwrap();
    let issuer_key = PKey::private_key_from_pem(&read(&ca.key)).unwrap();
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let time = |days: i64| Asn1Time::from_unix(now + days * 24 * 3600).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "meter").unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(4711).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name.build()).unwrap();
    builder.set_issuer_name(issuer.subject_name()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&time(-89)).unwrap();
    builder.set_not_after(&time(1)).unwrap();
    builder.sign(&issuer_key, MessageDigest::sha256()).unwrap();
    let pem = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    folder.file("meter.pem", &pem(builder.build().to_pem().unwrap()));
    folder.file("meter.key", &pem(key.private_key_to_pem_pkcs8().unwrap()));
}

#[test]
fn a_certificate_that_ends_soon_is_renewed_and_shown_to_the_hub() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (pki, folder) = (Pki::new(), Folder::new());
    old_certificate(&pki.ca, &folder);
    let mut config = Config::for_tests();
    config
        .provisioning
        .get_or_insert_default()
        .groups
        .push(Enrollment {
            id: "fleet".into(),
            cas: vec![pki.ca.cert.into()],
            issue_certificates: true,
            ..Enrollment::default()
        });
    let lab = runtime.block_on(Lab::start(config)).unwrap();
    folder.file("root.pem", &lab.root_pem());
    let (host, scope) = lab.provisioning().unwrap();
    let file = folder.file(
        "device.toml",
        &format!(
            "state = \"state\"\nports = {{ mqtts = {}, https = {} }}\n\
             [provisioning]\nhost = \"{host}\"\nscope = \"{scope}\"\nregistration_id = \"meter\"\n\
             [tls]\ncafile = \"root.pem\"\ncert = \"meter.pem\"\nkey = \"meter.key\"\n\
             [renewal]\nby_dps = true\n[telemetry]\nfrom = \"stdin\"\n",
            lab.mqtts().port(),
            lab.https().port(),
        ),
    );
    let old = fs::read(folder.0.join("meter.pem")).unwrap();
    let mut child = towpath(&["device", "--config", &file, "--trace"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let err = BufReader::new(child.stderr.take().unwrap());
    let mut device = Running {
        child,
        err,
        said: String::new(),
    };
    stdin.write_all(b"{\"n\":1}\n").unwrap();
    device.wait_for(&["there is a new certificate"]);
    stdin.write_all(b"{\"n\":2}\n").unwrap();
    device.wait_for(&["connected to"]);
    drop(stdin);
    let ended = device.ended();
    assert_eq!(ended.code, 0, "{ended:?}");
    let new = fs::read(folder.0.join("meter.pem")).unwrap();
    assert_ne!(new, old);
    assert_eq!(fs::read(folder.0.join("meter.pem.old")).unwrap(), old);
    let bodies: Vec<_> = lab.telemetry("meter");
    let bodies: Vec<&[u8]> = bodies.iter().map(|message| &message.body[..]).collect();
    assert_eq!(bodies, [&b"{\"n\":1}"[..], b"{\"n\":2}"]);
    runtime.block_on(lab.stop());
}
