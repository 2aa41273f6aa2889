//! Signatures made with real keys, and every way in which they can be wrong.

use proptest::prelude::*;

use super::{
    super::jws::{Keys, check},
    *,
};

fn checked(service: &Service, signature: &str, manifest: &str) -> Result<(), Refused> {
    let roots = service.roots();
    let keys = Keys {
        roots: &roots,
        disabled: &[],
    };
    check(
        signature.as_bytes(),
        manifest.as_bytes(),
        &keys,
        &OpenSsl,
        &mut [0; 12_000],
    )
}

#[test]
fn the_chain_from_the_root_to_the_manifest_holds() {
    let service = Service::new();
    let signature = service.sign("{}");
    assert_eq!(checked(&service, &signature, "{}"), Ok(()));
    assert_eq!(
        checked(&service, &signature, "{ }"),
        Err(Refused::ManifestHash)
    );
}

#[test]
fn every_link_is_checked() {
    let (service, other) = (Service::new(), Service::new());
    let payload = format!(r#"{{"sha256":"{}"}}"#, b64(sha256(b"{}")));
    let with = |sjwk: &str, key: &PKey<Private>| {
        compact(
            key,
            &format!(r#"{{"alg":"RS256","sjwk":"{sjwk}"}}"#),
            &payload,
        )
    };
    let sjwk = service.sjwk();
    assert_eq!(checked(&service, &with(&sjwk, &service.key), "{}"), Ok(()));
    assert_eq!(
        checked(&service, &with(&sjwk, &other.key), "{}"),
        Err(Refused::Signature)
    );
    assert_eq!(
        checked(&service, &with(&other.sjwk(), &other.key), "{}"),
        Err(Refused::SigningKey)
    );
    let unknown = compact(
        &service.root,
        r#"{"alg":"RS256","kid":"ADU.1.R"}"#,
        &service.jwk(),
    );
    assert_eq!(
        checked(&service, &with(&unknown, &service.key), "{}"),
        Err(Refused::UnknownRoot)
    );
    // The signing key may not sign another.
    let nested = compact(
        &service.key,
        &format!(r#"{{"alg":"RS256","kid":"{ROOT}"}}"#),
        &other.jwk(),
    );
    assert_eq!(
        checked(&service, &with(&nested, &other.key), "{}"),
        Err(Refused::SigningKey)
    );

    for disabled in [ROOT, "ADU.200702.R.S"] {
        let roots = service.roots();
        let keys = Keys {
            roots: &roots,
            disabled: &[disabled],
        };
        let end = check(
            with(&sjwk, &service.key).as_bytes(),
            b"{}",
            &keys,
            &OpenSsl,
            &mut [0; 12_000],
        );
        assert_eq!(end, Err(Refused::DisabledKey), "{disabled}");
    }
}

#[test]
fn forms_that_are_not_rs256_are_refused() {
    let service = Service::new();
    let payload = format!(r#"{{"sha256":"{}"}}"#, b64(sha256(b"{}")));
    let sjwk = service.sjwk();
    for header in [
        format!(r#"{{"alg":"none","sjwk":"{sjwk}"}}"#),
        format!(r#"{{"alg":"HS256","sjwk":"{sjwk}"}}"#),
        format!(r#"{{"alg":"RS256","crit":["b64"],"b64":false,"sjwk":"{sjwk}"}}"#),
        r#"{"alg":"RS256"}"#.to_string(),
        r#"{"alg":"RS256","sjwk":"a.b"}"#.to_string(),
        r#"{"alg":"RS256","sjwk":7}"#.to_string(),
        format!(r#"{{"sjwk":"{sjwk}"}}"#),
        "[]".to_string(),
    ] {
        let signature = compact(&service.key, &header, &payload);
        assert_eq!(
            checked(&service, &signature, "{}"),
            Err(Refused::SignatureForm),
            "{header}"
        );
    }
    for signature in [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "e30.e30.e30",
        "é.e30.e30",
    ] {
        assert_eq!(
            checked(&service, signature, "{}"),
            Err(Refused::SignatureForm),
            "{signature}"
        );
    }
    // A key that is too small to be trusted.
    let small = Rsa::generate(1024).unwrap();
    let n = b64(small.n().to_vec());
    let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#);
    let sjwk = compact(
        &service.root,
        &format!(r#"{{"alg":"RS256","kid":"{ROOT}"}}"#),
        &jwk,
    );
    let signature = compact(
        &PKey::from_rsa(small).unwrap(),
        &format!(r#"{{"alg":"RS256","sjwk":"{sjwk}"}}"#),
        &payload,
    );
    assert_eq!(
        checked(&service, &signature, "{}"),
        Err(Refused::SignatureForm)
    );
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let service = Service::new();
    let rsa = service.key.rsa().unwrap();
    let payload = |hash: &str| format!(r#"{{"sha256":"{hash}"}}"#);
    let hash = sha256(b"{}");
    for n in [
        b64(rsa.n().to_vec()),
        b64url(rsa.n().to_vec()),
        b64(rsa.n().to_vec()).replace('/', "\\/"),
        b64url([&[0], &rsa.n().to_vec()[..]].concat()),
    ] {
        let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#);
        let sjwk = compact(
            &service.root,
            &format!(r#"{{"alg":"RS256","kid":"{ROOT}"}}"#),
            &jwk,
        );
        let header = format!(r#"{{"alg":"RS256","sjwk":"{sjwk}"}}"#);
        for hash in [b64(hash), b64url(hash)] {
            let signature = compact(&service.key, &header, &payload(&hash));
            assert_eq!(checked(&service, &signature, "{}"), Ok(()), "{n}");
        }
    }
}

#[test]
fn scratch_that_is_too_small_is_an_error() {
    let service = Service::new();
    let signature = service.sign("{}");
    let roots = service.roots();
    let keys = Keys {
        roots: &roots,
        disabled: &[],
    };
    let mut enough = false;
    for len in (0..signature.len() * 3).step_by(64) {
        let end = check(
            signature.as_bytes(),
            b"{}",
            &keys,
            &OpenSsl,
            &mut std::vec![0; len],
        );
        assert!(
            end == Ok(()) || end == Err(Refused::TooLarge),
            "{len}: {end:?}"
        );
        enough |= end == Ok(());
    }
    assert!(enough, "three times the signature is enough");
}

#[test]
fn no_flipped_bit_passes() {
    let service = Service::new();
    let signature = service.sign("{}");
    for at in (0..signature.len()).step_by(7) {
        let mut flipped = signature.clone().into_bytes();
        // Unlike the low bits of a last character, this one always counts.
        flipped[at] ^= 0x10;
        let roots = service.roots();
        let keys = Keys {
            roots: &roots,
            disabled: &[],
        };
        assert!(
            check(&flipped, b"{}", &keys, &OpenSsl, &mut [0; 12_000]).is_err(),
            "{at}"
        );
    }
}

/// Lets every signature pass, so that what is behind is reached.
struct Trusting;

impl Verify for Trusting {
    fn rs256(&self, _: &[u8], _: &[u8], _: &[u8], _: &[u8]) -> bool {
        true
    }
}

proptest! {
    #[test]
    fn noise_never_panics(signature: Vec<u8>, header in "\\PC{0,60}", sjwk in "[A-Za-z0-9._-]{0,60}", len in 0_usize..3000) {
        let keys = Keys { roots: &[Root { kid: "a", n: &[], e: &[] }], disabled: &[] };
        let mut scratch = std::vec![0; len];
        let _ = check(&signature, b"", &keys, &Trusting, &mut scratch);
        let inner = format!("{}.{}.{}", b64url(r#"{"alg":"RS256","kid":"a"}"#), b64url(&header), sjwk);
        for outer in [header, format!(r#"{{"alg":"RS256","sjwk":"{sjwk}"}}"#), format!(r#"{{"alg":"RS256","sjwk":"{inner}"}}"#)] {
            let text = format!("{}.{}.{}", b64url(outer), b64url("{}"), sjwk);
            let _ = check(text.as_bytes(), b"", &keys, &Trusting, &mut scratch);
        }
    }
}
