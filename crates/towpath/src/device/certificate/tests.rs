//! A crash may come at any step: each state that the disk can be in is made here, and mended.

use std::sync::atomic::{AtomicU32, Ordering};

use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::PKey,
    x509::{X509Builder, X509Req},
};

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("towpath-certificate-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn paths(&self) -> Paths {
        Paths {
            cert: self.0.join("device.pem"),
            key: self.0.join("device.key"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate that signs itself, in PEM, and its key.
fn pair(name: &str) -> (Vec<u8>, Vec<u8>) {
    let (key, request) = new_key_and_csr(name, Curve::P256).unwrap();
    let signer = PKey::private_key_from_pem(&key).unwrap();
    let request = X509Req::from_der(&request).unwrap();
    let mut certificate = X509Builder::new().unwrap();
    certificate
        .set_subject_name(request.subject_name())
        .unwrap();
    certificate
        .set_pubkey(&request.public_key().unwrap())
        .unwrap();
    let (from, until) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(30));
    certificate.set_not_before(&from.unwrap()).unwrap();
    certificate.set_not_after(&until.unwrap()).unwrap();
    certificate.sign(&signer, MessageDigest::sha256()).unwrap();
    (certificate.build().to_pem().unwrap(), key.to_vec())
}

fn name_of(paths: &Paths) -> String {
    let chain = fs::read(&paths.cert).unwrap();
    facts(&chain).unwrap().common_name.unwrap()
}

fn assert_fits(paths: &Paths) {
    assert!(fit_files(&paths.cert, &paths.key, None).unwrap());
}

fn names(folder: &Folder) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_pair_takes_the_place_of_the_old_one_which_stays() {
    let folder = Folder::new();
    let paths = folder.paths();
    let (old, new) = (pair("old"), pair("new"));
    install(&old.0, &old.1, &paths).unwrap();
    assert_eq!(names(&folder), ["device.key", "device.pem"]);
    install(&new.0, &new.1, &paths).unwrap();
    assert_eq!(name_of(&paths), "new");
    assert_fits(&paths);
    assert_eq!(
        names(&folder),
        [
            "device.key",
            "device.key.old",
            "device.pem",
            "device.pem.old"
        ]
    );
    assert_eq!(fs::read(folder.0.join("device.key.old")).unwrap(), old.1);
    assert_eq!(mend(&paths, None).unwrap(), Mended::Nothing);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for path in [&paths.cert, &paths.key] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    let paths = folder.paths();
    let (old, new) = (pair("old"), pair("new"));
    install(&old.0, &old.1, &paths).unwrap();
    let error = install(&new.0, &old.1, &paths).unwrap_err().to_string();
    assert!(error.contains("does not fit"), "{error}");
    assert_eq!(name_of(&paths), "old");
    assert_eq!(names(&folder), ["device.key", "device.pem"]);
}

/// Which of the new pair's files are beside the old one's, and which are in their place already.
#[test]
fn each_crash_ends_with_a_pair_that_fits() {
    for (new_key, new_cert, key_placed, cert_placed, ends_as, mended) in [
        (true, false, false, false, "old", Mended::Dropped),
        (true, true, false, false, "new", Mended::Installed),
        (false, true, true, false, "new", Mended::Installed),
        // A disk may keep the second rename and lose the first.
        (true, false, false, true, "new", Mended::Installed),
        (false, false, true, true, "new", Mended::Nothing),
    ] {
        let folder = Folder::new();
        let paths = folder.paths();
        let (old, new) = (pair("old"), pair("new"));
        let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
        write(&paths.key, if key_placed { &new.1 } else { &old.1 });
        write(&paths.cert, if cert_placed { &new.0 } else { &old.0 });
        if new_key {
            write(&beside(&paths.key, ".new"), &new.1);
        }
        if new_cert {
            write(&beside(&paths.cert, ".new"), &new.0);
        }
        // A crash may come while it is mended, too: once more changes nothing.
        assert_eq!(mend(&paths, None).unwrap(), mended);
        assert_eq!(mend(&paths, None).unwrap(), Mended::Nothing);
        assert_fits(&paths);
        assert_eq!(name_of(&paths), ends_as);
        assert_eq!(names(&folder), ["device.key", "device.pem"]);
    }
}

#[test]
fn leftovers_of_two_installations_are_dropped() {
    let folder = Folder::new();
    let paths = folder.paths();
    let (old, new) = (pair("old"), pair("new"));
    install(&old.0, &old.1, &paths).unwrap();
    fs::write(beside(&paths.key, ".new"), pair("another").1).unwrap();
    fs::write(beside(&paths.cert, ".new"), &new.0).unwrap();
    assert_eq!(mend(&paths, None).unwrap(), Mended::Dropped);
    assert_eq!(name_of(&paths), "old");
    assert_fits(&paths);
}

#[test]
fn what_dps_issues_is_read_in_each_form() {
    let (pem, _) = pair("meter-1");
    let text = String::from_utf8(pem).unwrap();
    let base64: String = text.lines().filter(|line| !line.contains('-')).collect();
    let escaped = text.replace('\n', "\\n");
    for issued in [
        format!("[\"{base64}\"]"),
        format!(" [ \"{base64}\" , \"{base64}\" ] "),
        format!("\"{base64}\""),
        format!("[\"{}\"]", base64.replace('/', "\\/")),
        format!("\"{escaped}\""),
    ] {
        let chain = issued_chain(issued.as_bytes()).unwrap();
        assert_eq!(facts(&chain).unwrap().common_name.unwrap(), "meter-1");
    }
    for wrong in [
        "",
        "[]",
        "null",
        "[\"\"]",
        "[\"!\"]",
        "[\"QUJD\"]",
        "[\"QUJD\" \"QUJD\"]",
        "[\"QUJD",
        "{\"a\":\"b\"}",
        "\"a\\u0041\"",
    ] {
        assert!(issued_chain(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

proptest::proptest! {
    #[test]
    fn noise_never_panics(noise in "[\\x00-\\x7f]{0,60}") {
        let _ = issued_chain(noise.as_bytes());
    }
}

#[test]
fn one_file_for_both_is_refused_before_anything_is_written() {
    let folder = Folder::new();
    let (cert, key) = pair("old");
    let both = [cert, key].concat();
    let file = folder.0.join("device.pem");
    fs::write(&file, &both).unwrap();
    std::os::unix::fs::symlink(&file, folder.0.join("link.pem")).unwrap();
    let (cert, key) = pair("new");
    for other in [file.clone(), folder.0.join("link.pem")] {
        let paths = Paths {
            cert: file.clone(),
            key: other,
        };
        let error = install(&cert, &key, &paths).unwrap_err().to_string();
        assert!(error.contains("a file of its own"), "{error}");
        assert_eq!(mend(&paths, None).unwrap(), Mended::Nothing);
        assert_eq!(fs::read(&file).unwrap(), both);
        assert_eq!(names(&folder), ["device.pem", "link.pem"]);
    }
}

#[test]
fn escapes_of_ascii_in_what_was_issued_are_undone() {
    let (pem, _) = pair("escaped");
    let text = String::from_utf8(pem.clone()).unwrap();
    let json = text
        .replace('+', "\\u002B")
        .replace('=', "\\u003d")
        .replace('\n', "\\u000A");
    let chain = issued_chain(format!("[\"{json}\"]").as_bytes()).unwrap();
    assert_eq!(facts(&chain).unwrap(), facts(&pem).unwrap());
    for wrong in ["\\u00e9", "\\u12", "\\u+041", "\\x41"] {
        assert!(issued_chain(format!("[\"{wrong}\"]").as_bytes()).is_err());
    }
}
