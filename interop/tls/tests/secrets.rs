//! Keys, passwords and sessions to resume are not told: not by `Debug`, events, traces or faults.

use std::{fmt::Write as _, fs, sync::Arc};

use ::openssl::{base64, pkey::PKey};
use tls::{
    apache::{Apache, PATH, Profile},
    backends, connect_watched, options,
    pki::{Client, KEY_PASSWORD, Pki},
};
use towpath::{
    Code, Options,
    tls::{Backend, Sessions, TlsOptions},
};

const MQTT_PASSWORD: &[u8] = b"correct-horse-battery";
const GUESSED: &[u8] = b"guessed-key-password";

backends! {
    nothing_secret_is_told
}

/// A secret, by the name that a failure says.
struct Secret(&'static str, Vec<u8>);

/// The ways in which eight bytes of a secret may be written.
fn forms(bytes: &[u8]) -> Vec<String> {
    let decimal: Vec<_> = bytes.iter().map(ToString::to_string).collect();
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    // Three bytes make four letters: what is left over depends on what follows.
    let whole = bytes.len() / 3 * 3;
    let mut forms = vec![
        decimal.join(","),
        hex.to_uppercase(),
        hex,
        base64::encode_block(&bytes[..whole]),
    ];
    forms.extend(String::from_utf8(bytes.to_vec()));
    forms
}

/// Any eight bytes in a row, on a boundary of eight.
fn is_told(told: &str, secret: &[u8]) -> bool {
    let told: String = told.split_ascii_whitespace().collect();
    let mut chunks = secret.chunks_exact(8);
    chunks.any(|chunk| forms(chunk).iter().any(|form| told.contains(form)))
}

#[test]
fn a_secret_would_be_found() {
    let secret = b"correct-horse-battery";
    let bytes = secret.to_vec();
    for told in [
        format!("{:?}", String::from_utf8_lossy(secret)),
        format!("{bytes:?}"),
        format!("{bytes:#?}"),
        format!("{bytes:02x?}").replace(", ", ""),
        base64::encode_block(&secret[..]),
    ] {
        assert!(is_told(&told, secret), "{told}");
    }
    assert!(!is_told("identity: true", secret));
}

fn secrets(pki: &Pki, sessions: &Sessions) -> Vec<Secret> {
    let pair = pki.client(Client::Good);
    let pem = fs::read(&pair.key).expect("the key");
    let key = PKey::private_key_from_pem(&pem).expect("a key");
    let scalar = key.ec_key().expect("P-256").private_key().to_vec();
    let locked = fs::read_to_string(pki.locked().key).expect("the encrypted key");
    let body: String = locked
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let mut list = vec![
        Secret("the private key", scalar),
        Secret("the encrypted key", body.into_bytes()),
        Secret("the key's password", KEY_PASSWORD.into()),
        Secret("the wrong key password", GUESSED.into()),
        Secret("the MQTT password", MQTT_PASSWORD.into()),
    ];
    if let Some(bytes) = sessions.bytes() {
        list.push(Secret("the session", without_text(&bytes)));
    }
    list
}

/// A session holds the server's name and certificate too, which are no secrets; what could be told of them is text.
fn without_text(session: &[u8]) -> Vec<u8> {
    let is_text = |chunk: &&[u8]| {
        let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte == 0;
        chunk.iter().filter(|byte| plain(byte)).count() < 6
    };
    session
        .chunks(8)
        .filter(is_text)
        .flatten()
        .copied()
        .collect()
}

fn identity(pki: &Pki, backend: Backend, password: &[u8]) -> TlsOptions {
    let locked = pki.locked();
    tls::tls(pki, backend, None)
        .identity_files(locked.chain, locked.key, Some(password.to_vec()))
        .expect("the files")
}

fn anna(tls: TlsOptions) -> Options {
    options(&format!("wss://localhost{PATH}"), tls)
        .credentials("anna", MQTT_PASSWORD)
        .trace(true)
}

/// Everything that this attempt tells; the code of its fault if there is one.
async fn attempt(options: Options, told: &mut String) -> Option<Code> {
    let _ = writeln!(told, "{options:?} {options:#?}");
    let came = connect_watched(options, |event| {
        let _ = writeln!(told, "{event:?} {event:#?}");
    });
    match came.await {
        Ok(mut peer) => {
            let _ = writeln!(told, "{:?} {:#?}", peer.face, peer.face);
            peer.close().await;
            None
        }
        Err(fault) => {
            let _ = writeln!(told, "{fault} {fault:?}");
            Some(fault.code)
        }
    }
}

async fn nothing_secret_is_told(backend: Backend) {
    let pki = Pki::kept();
    let apache = Apache::start(&pki, Profile::V12First);
    let sessions = Arc::new(Sessions::new());
    let mut told = String::new();

    let good = identity(&pki, backend, KEY_PASSWORD.as_bytes()).sessions(Arc::clone(&sessions));
    let _ = write!(told, "{good:?} {good:#?}");
    // Twice: the second connection resumes the session of the first.
    for _ in 0..2 {
        assert_eq!(attempt(anna(good.clone()), &mut told).await, None);
    }
    assert!(sessions.bytes().is_some(), "a session to resume");
    assert!(told.contains("resumed: true"), "resumed");
    let _ = write!(told, "{sessions:?}");

    let wrong = identity(&pki, backend, GUESSED);
    assert_eq!(
        attempt(anna(wrong), &mut told).await,
        Some(Code::TlsMaterial)
    );
    let good = pki.client(Client::Good);
    let other = pki.client(Client::OtherCa);
    let crossed = tls::tls(&pki, backend, None)
        .identity_files(other.chain, good.key, None)
        .expect("the files");
    assert_eq!(
        attempt(anna(crossed), &mut told).await,
        Some(Code::TlsMaterial)
    );
    let refused = tls::tls(&pki, backend, Some(Client::OtherCa));
    assert_eq!(
        attempt(anna(refused), &mut told).await,
        Some(Code::ClientCertificateUntrusted)
    );
    drop(apache);

    for Secret(name, bytes) in secrets(&pki, &sessions) {
        assert!(bytes.len() >= 16, "{name} is long enough to be looked for");
        assert!(!is_told(&told, &bytes), "{name} is told in {told}");
    }
}
