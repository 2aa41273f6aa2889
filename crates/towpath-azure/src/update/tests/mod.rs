//! The whole of it against a signer with real keys, a flash that loses power, and a server that speaks HTTP.

extern crate std;

mod adu;
mod download;
mod fota;
mod jws;
mod power;

use std::{
    boxed::Box,
    collections::HashMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use base64ct::Encoding;
use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use openssl::{
    bn::BigNum,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::{Signer, Verifier},
};
use sha2::{Digest, Sha256};
use towpath_proto::{Code, Fault, Instant, Rung};

use super::*;
use crate::{
    Now,
    http::{Answer, Response, Step as Http},
};

/// Nothing in these tests waits.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("something waits"),
    }
}

fn at(seconds: u64) -> Now {
    Now::new(
        Instant::ZERO.after(Duration::from_secs(seconds)),
        1_800_000_000 + seconds,
    )
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn encode<E: Encoding>(bytes: &[u8]) -> String {
    let mut buffer = std::vec![0; bytes.len() * 2 + 4];
    E::encode(bytes, &mut buffer).unwrap().to_string()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    encode::<base64ct::Base64>(bytes.as_ref())
}

fn b64url(bytes: impl AsRef<[u8]>) -> String {
    encode::<base64ct::Base64UrlUnpadded>(bytes.as_ref())
}

struct OpenSsl;

impl Verify for OpenSsl {
    fn rs256(&self, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let key = BigNum::from_slice(n)
            .and_then(|n| Rsa::from_public_components(n, BigNum::from_slice(e)?))
            .and_then(PKey::from_rsa);
        key.is_ok_and(|key| {
            let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
            verifier.verify_oneshot(signature, message).unwrap_or(false)
        })
    }
}

/// Signs as the service does: a root key, and a signing key in each signature.
struct Service {
    root: PKey<Private>,
    key: PKey<Private>,
    n: Vec<u8>,
    e: Vec<u8>,
}

const ROOT: &str = "ADU.200702.R.T";

fn sign(key: &PKey<Private>, message: &str) -> String {
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    b64url(signer.sign_oneshot_to_vec(message.as_bytes()).unwrap())
}

fn compact(key: &PKey<Private>, header: &str, payload: &str) -> String {
    let message = format!(
        "{}.{}",
        b64url(header.as_bytes()),
        b64url(payload.as_bytes())
    );
    let signature = sign(key, &message);
    format!("{message}.{signature}")
}

impl Service {
    fn new() -> Self {
        let (root, key) = (Rsa::generate(2048).unwrap(), Rsa::generate(2048).unwrap());
        Self {
            n: root.n().to_vec(),
            e: root.e().to_vec(),
            root: PKey::from_rsa(root).unwrap(),
            key: PKey::from_rsa(key).unwrap(),
        }
    }

    fn roots(&self) -> [Root<'_>; 1] {
        [Root {
            kid: ROOT,
            n: &self.n,
            e: &self.e,
        }]
    }

    /// The signing key, in the standard alphabet of base64 as the service has it.
    fn jwk(&self) -> String {
        let rsa = self.key.rsa().unwrap();
        let n = b64(rsa.n().to_vec());
        format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","alg":"RS256","kid":"ADU.200702.R.S"}}"#)
    }

    fn sjwk(&self) -> String {
        compact(
            &self.root,
            &format!(r#"{{"alg":"RS256","kid":"{ROOT}"}}"#),
            &self.jwk(),
        )
    }

    fn sign(&self, manifest: &str) -> String {
        let header = format!(r#"{{"alg":"RS256","sjwk":"{}"}}"#, self.sjwk());
        let payload = format!(r#"{{"sha256":"{}"}}"#, b64(sha256(manifest.as_bytes())));
        compact(&self.key, &header, &payload)
    }

    /// Desired properties with a signed manifest.
    fn deploy(&self, workflow: &str, manifest: &serde_json::Value, url: &str) -> serde_json::Value {
        let text = manifest.to_string();
        serde_json::json!({"deviceUpdate": {"__t": "c", "service": {
            "workflow": {"action": 3, "id": workflow},
            "updateManifest": text,
            "updateManifestSignature": self.sign(&text),
            "fileUrls": {"00000": url},
        }}, "$version": 7})
    }
}

fn manifest(version: &str, image: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "manifestVersion": "5",
        "updateId": {"provider": "Contoso", "name": "Toaster", "version": version},
        "compatibility": [{"manufacturer": "Contoso", "model": "Toaster"}],
        "instructions": {"steps": [{"handler": "microsoft/swupdate:1", "files": ["00000"],
            "handlerProperties": {"installedCriteria": format!("fw-{version}")}}]},
        "files": {"00000": {"fileName": "fw.bin", "sizeInBytes": image.len(),
            "hashes": {"sha256": b64(sha256(image))}}},
        "createdDateTime": "2026-11-01T00:00:00Z",
    })
}

fn image(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// A server of files, and a connection to it that may break.
struct Server {
    files: HashMap<String, (Vec<u8>, String)>,
    /// Answers in place of the files, the first to the first request.
    answers: Vec<Vec<u8>>,
    /// What was asked: path, `Range`, `If-Range`.
    asked: Vec<String>,
    /// The bytes of each answer after which the connection breaks.
    breaks: Vec<usize>,
    ranges: bool,
    machine: Box<Response>,
    bytes: Vec<u8>,
    /// How many bytes come at once.
    piece: usize,
}

impl Server {
    fn new(path: &str, image: &[u8]) -> Self {
        Self {
            files: HashMap::from([(path.to_string(), (image.to_vec(), "\"v1\"".to_string()))]),
            answers: Vec::new(),
            asked: Vec::new(),
            breaks: Vec::new(),
            ranges: true,
            machine: Box::default(),
            bytes: Vec::new(),
            piece: usize::MAX,
        }
    }

    fn answer(&self, request: &Request<'_>) -> Vec<u8> {
        let Some((file, etag)) = self.files.get(request.url) else {
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        };
        let fresh = request.if_range.is_none_or(|tag| tag == etag);
        let range = request.range.filter(|_| self.ranges && fresh);
        let Some(range) = range else {
            return [
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: {etag}\r\n\r\n",
                    file.len()
                )
                .as_bytes(),
                file,
            ]
            .concat();
        };
        let first = range.first as usize;
        if first >= file.len() {
            let head = format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n",
                file.len()
            );
            return head.into_bytes();
        }
        let last = range
            .last
            .map_or(file.len() - 1, |last| (last as usize).min(file.len() - 1));
        let part = &file[first..=last];
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{last}/{}\r\nETag: {etag}\r\n\r\n",
            part.len(),
            file.len()
        );
        [head.as_bytes(), part].concat()
    }

    /// The next step of the answer, with what its bytes brought.
    fn step(&mut self) -> Result<(bool, Vec<u8>), Fault> {
        loop {
            let fed = self.bytes.len().min(self.piece);
            let (taken, step) = self
                .machine
                .feed(&self.bytes[..fed])
                .map_err(|_| broken())?;
            let found = match step {
                Http::Body(body) => Some((false, body.to_vec())),
                Http::Head | Http::End => Some((true, Vec::new())),
                Http::More => None,
            };
            self.bytes.drain(..taken);
            match found {
                Some(found) => return Ok(found),
                None if self.bytes.is_empty() => {
                    self.machine.closed().map_err(|_| broken())?;
                }
                None => (),
            }
        }
    }
}

fn broken() -> Fault {
    Fault::new(Rung::Tcp, Code::Closed)
}

impl Source for Server {
    async fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, Fault> {
        let range = request.range.map_or(String::new(), |range| {
            format!(
                " {}-{}",
                range.first,
                range.last.map_or(String::new(), |last| last.to_string())
            )
        });
        let if_range = request
            .if_range
            .map_or(String::new(), |tag| format!(" {tag}"));
        self.asked.push(format!("{}{range}{if_range}", request.url));
        self.bytes = if self.answers.is_empty() {
            self.answer(request)
        } else {
            self.answers.remove(0)
        };
        if !self.breaks.is_empty() {
            self.bytes.truncate(self.breaks.remove(0));
        }
        *self.machine = Response::default();
        self.step()?;
        Ok(self.machine.answer().unwrap().clone())
    }

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        if buffer.len() < self.piece {
            self.piece = buffer.len();
        }
        let (_, body) = self.step()?;
        buffer[..body.len()].copy_from_slice(&body);
        Ok(body.len())
    }
}

/// A slot in flash of words of 8 bytes. What was not flushed may be lost, and power goes after so many operations.
#[derive(Clone, Default)]
struct Flash {
    image: Option<Image>,
    bytes: Vec<u8>,
    marked: Option<Vec<u8>>,
    running: Running,
    confirmed: u32,
    /// Operations until the power goes.
    power: Option<u32>,
    /// A byte that flips between writing and reading.
    rotten: Option<usize>,
    capacity: Option<u64>,
}

impl Flash {
    fn spend(&mut self) -> Result<(), &'static str> {
        match &mut self.power {
            Some(0) => Err("no power"),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Slot for Flash {
    const BLOCK: usize = 8;
    type Error = &'static str;

    fn capacity(&self) -> u64 {
        self.capacity.unwrap_or(1 << 20)
    }

    async fn kept(&mut self) -> Result<Option<Kept>, &'static str> {
        let whole =
            self.image.as_ref().and_then(|image| image.size) == Some(self.bytes.len() as u64);
        let len = if whole {
            self.bytes.len()
        } else {
            self.bytes.len() / 8 * 8
        };
        self.bytes.truncate(len);
        Ok(self.image.clone().map(|image| Kept {
            image,
            written: len as u64,
        }))
    }

    async fn begin(&mut self, image: &Image) -> Result<(), &'static str> {
        self.spend()?;
        self.image = Some(image.clone());
        self.bytes.clear();
        Ok(())
    }

    async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), &'static str> {
        assert_eq!(offset, self.bytes.len() as u64, "in order");
        assert!(
            self.bytes.len().is_multiple_of(8),
            "whole words but at the end"
        );
        if let Err(error) = self.spend() {
            // Power goes in the middle of it.
            self.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(error);
        }
        self.bytes.extend_from_slice(bytes);
        if let Some(rotten) = self.rotten.filter(|rotten| *rotten < self.bytes.len()) {
            self.bytes[rotten] ^= 1;
            self.rotten = None;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), &'static str> {
        self.spend()
    }

    async fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), &'static str> {
        self.spend()?;
        let offset = offset as usize;
        buffer.copy_from_slice(&self.bytes[offset..offset + buffer.len()]);
        Ok(())
    }

    async fn mark_for_boot(&mut self, image: &Checked) -> Result<(), &'static str> {
        self.spend()?;
        assert_eq!(
            *image.digest(),
            sha256(&self.bytes),
            "only what was checked is marked"
        );
        assert_eq!(image.size(), self.bytes.len() as u64);
        self.marked = Some(self.bytes.clone());
        self.running = Running::Pending;
        Ok(())
    }

    async fn confirm(&mut self) -> Result<(), &'static str> {
        self.spend()?;
        self.confirmed += 1;
        self.running = Running::Confirmed;
        Ok(())
    }

    async fn running(&mut self) -> Result<Running, &'static str> {
        Ok(self.running)
    }
}

/// Installs and hands back what came of it.
fn fetch(job: &Job, slot: &mut Flash, server: &mut Server) -> Result<Checked, Failure> {
    let mut buffer = [0; 64];
    done(install(job, slot, server, &mut buffer, |_, _| ()))
}

const URL: &str = "http://files.example/fw.bin";

fn job(image: &[u8]) -> Job {
    Job {
        url: Address::try_from(URL).unwrap(),
        version: Label::try_from("2.0").unwrap(),
        criteria: Label::new(),
        provider: Label::new(),
        name: Label::new(),
        size: Some(image.len() as u64),
        digest: Some(sha256(image)),
        fragment: None,
        limit: 1 << 20,
        plain: true,
    }
}

/// A job that says neither size nor hash.
fn blind_job(fragment: Option<u32>) -> Job {
    Job {
        size: None,
        digest: None,
        fragment,
        ..job(&[])
    }
}
