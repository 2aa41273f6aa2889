//! Keys that never leave their token: SoftHSM behind PKCS#11, swtpm behind the provider of TPM 2.0. Run by
//! `scripts/test-tokens`, since not every machine has them.
//!
//! The libraries behind OpenSSL are told by the environment where their tokens are. So each test runs itself once more,
//! with an environment of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use towpath_proto::{
    Code,
    tls::{Identity, Profile},
};
use towpath_tls_openssl::certificate;

use super::{TLS12, TLS13, World, connect, peer};

const PIN: &[u8] = b"824713";
const FOLDER: &str = "TOWPATH_TEST_FOLDER";

/// A folder that goes with the test, and a program that does.
struct Place {
    folder: PathBuf,
    program: Option<Child>,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("towpath-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self {
            folder,
            program: None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(program) = &mut self.program {
            let _ = program.kill();
            let _ = program.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// Runs the test of this name in a process of its own.
fn again(name: &str, place: &Place, environment: &[(&str, &str)]) {
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(FOLDER, &place.folder)
        .envs(environment.iter().copied())
        .status()
        .unwrap();
    assert!(status.success(), "{name} with {environment:?}");
}

/// The device shows its certificate and signs with the key behind `uri`, in both versions.
fn assert_signs(world: &World, uri: &str, pin: Option<&[u8]>) {
    let identity = Identity {
        key: uri.as_bytes(),
        password: pin,
        ..world.identity()
    };
    assert!(certificate::fits(&identity).unwrap());
    for versions in [TLS12, TLS13] {
        let mut client = world.profile(|profile| {
            let profile = Profile {
                versions: Some(versions),
                identity: Some(identity),
                ..profile
            };
            connect(&profile).unwrap()
        });
        let builder = peer::context(&world.server, &[], Some(&world.devices));
        let mut builder = builder;
        builder.set_verify(
            openssl::ssl::SslVerifyMode::PEER | openssl::ssl::SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        );
        let mut server = peer::Server::new(&builder.build());
        peer::meet(&mut client, &mut server).unwrap();
        assert_eq!(server.client().as_deref(), Some("dev001"));
    }
}

/// What is said where the key behind `uri` can't be used.
fn refusal(world: &World, uri: &str, pin: Option<&[u8]>) -> String {
    let identity = Identity {
        key: uri.as_bytes(),
        password: pin,
        ..world.identity()
    };
    let fault = world.profile(|profile| {
        connect(&Profile {
            identity: Some(identity),
            ..profile
        })
        .unwrap_err()
    });
    assert_eq!(fault.code, Code::TlsMaterial);
    let said = fault.to_string();
    assert!(
        !said.contains("824713") && !said.contains("000000"),
        "{said}"
    );
    said
}

#[test]
#[ignore = "needs SoftHSM and OpenSSL's provider or engine for PKCS#11: scripts/test-tokens"]
fn a_key_in_an_hsm_signs() {
    let place = Place::new("softhsm");
    let conf = place.folder.join("softhsm2.conf");
    let tokens = place.folder.join("tokens");
    fs::create_dir(&tokens).unwrap();
    fs::write(
        &conf,
        format!("directories.tokendir = {}\n", tokens.display()),
    )
    .unwrap();
    let module = env::var("SOFTHSM2_MODULE")
        .unwrap_or_else(|_| "/usr/lib/softhsm/libsofthsm2.so".to_owned());
    let environment = [
        ("SOFTHSM2_CONF", conf.to_str().unwrap()),
        ("PKCS11_MODULE_PATH", &module),
        ("PKCS11_PROVIDER_MODULE", &module),
    ];
    again("tokens::in_the_hsm", &place, &environment);
}

#[test]
#[ignore = "a part of a_key_in_an_hsm_signs"]
fn in_the_hsm() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let world = World::new();
    let key = Path::new(&folder).join("key.pem");
    fs::write(&key, &world.device_key).unwrap();
    let pin = std::str::from_utf8(PIN).unwrap();
    let token = ["--init-token", "--free", "--label", "devices"];
    run(
        "softhsm2-util",
        &[&token[..], &["--pin", pin, "--so-pin", "00001111"]].concat(),
    );
    let import = ["--import", key.to_str().unwrap(), "--token", "devices"];
    let named = ["--label", "dev001", "--id", "01", "--pin", pin];
    run("softhsm2-util", &[&import[..], &named[..]].concat());
    fs::remove_file(&key).unwrap();

    let uri = "pkcs11:token=devices;object=dev001;type=private";
    assert_signs(&world, uri, Some(PIN));
    let other = "pkcs11:token=devices;object=dev002;type=private";
    let said = refusal(&world, other, Some(PIN));
    assert!(said.contains("token"), "{said}");
    // A process that has logged in stays so: what a wrong PIN is worth shows in another one.
    let place = Place {
        folder: folder.into(),
        program: None,
    };
    again("tokens::with_wrong_pins", &place, &[]);
    // The folder is the parent's.
    std::mem::forget(place);
}

#[test]
#[ignore = "a part of a_key_in_an_hsm_signs"]
fn with_wrong_pins() {
    if env::var_os(FOLDER).is_none() {
        return;
    }
    let world = World::new();
    let uri = "pkcs11:token=devices;object=dev001;type=private";
    let said = refusal(&world, uri, None);
    assert!(said.contains("PIN"), "{said}");
    let said = refusal(&world, uri, Some(b"000000"));
    assert!(said.contains("PIN"), "{said}");
}

#[test]
#[ignore = "needs swtpm, tpm2-tools and OpenSSL's provider tpm2: scripts/test-tokens"]
fn a_key_in_a_tpm_signs() {
    let mut place = Place::new("swtpm");
    let socket = place.folder.join("socket");
    let state = format!("dir={}", place.folder.display());
    let server = format!("type=unixio,path={}", socket.display());
    let control = format!("type=unixio,path={}.ctrl", socket.display());
    let flags = "not-need-init,startup-clear";
    let program = Command::new("swtpm")
        .args(["socket", "--tpm2", "--tpmstate", &state, "--flags", flags])
        .args(["--server", &server, "--ctrl", &control])
        .stdin(Stdio::null())
        .spawn();
    place.program = Some(program.expect("swtpm"));
    while !socket.exists() {
        let ended = place.program.as_mut().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "swtpm: {ended:?}");
        std::thread::yield_now();
    }
    let tcti = format!("swtpm:path={}", socket.display());
    let environment = [("TPM2TOOLS_TCTI", &*tcti), ("TPM2OPENSSL_TCTI", &*tcti)];
    again("tokens::in_the_tpm", &place, &environment);
}

#[test]
#[ignore = "a part of a_key_in_a_tpm_signs"]
fn in_the_tpm() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let world = World::new();
    let file = |name: &str| Path::new(&folder).join(name).to_str().unwrap().to_owned();
    let [pem, primary, public, private, key] =
        ["key.pem", "primary", "key.pub", "key.priv", "key.ctx"].map(file);
    fs::write(&pem, &world.device_key).unwrap();
    run("tpm2_createprimary", &["-C", "o", "-c", &primary]);
    let import = [
        "-C", &primary, "-G", "ecc", "-i", &pem, "-u", &public, "-r", &private,
    ];
    run("tpm2_import", &import);
    fs::remove_file(&pem).unwrap();
    run("tpm2_flushcontext", &["-t"]);
    run(
        "tpm2_load",
        &["-C", &primary, "-u", &public, "-r", &private, "-c", &key],
    );
    run("tpm2_evictcontrol", &["-C", "o", "-c", &key, "0x81000001"]);
    run("tpm2_flushcontext", &["-t"]);

    assert_signs(&world, "handle:0x81000001", None);
    let said = refusal(&world, "handle:0x81000002", None);
    assert!(said.contains("token"), "{said}");
}
