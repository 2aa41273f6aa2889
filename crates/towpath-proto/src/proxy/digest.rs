//! The answer to a challenge of Digest (RFC 7616 3.4).

use sha2::Digest as Hash;

use super::{Credentials, challenge::Digest};

/// A hash in lower-case hexadecimal digits.
pub(super) struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    fn of(bytes: &[u8]) -> Self {
        let mut hex = Self {
            digits: [0; 64],
            len: 0,
        };
        for (place, byte) in hex.digits.chunks_exact_mut(2).zip(bytes) {
            place.copy_from_slice(&digits(*byte));
            hex.len += 2;
        }
        hex
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

fn digits(byte: u8) -> [u8; 2] {
    let digit = |value: u8| match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    };
    [digit(byte >> 4), digit(byte & 15)]
}

/// Random bits as digits, to be the client's nonce.
pub(super) fn cnonce(words: [u32; 4]) -> [u8; 32] {
    let mut text = [0; 32];
    let bytes = words.iter().flat_map(|word| word.to_be_bytes());
    for (place, byte) in text.chunks_exact_mut(2).zip(bytes) {
        place.copy_from_slice(&digits(byte));
    }
    text
}

/// How often a nonce of the server was used. Each is used once here.
pub(super) const COUNT: &[u8] = b"00000001";

/// What is asked for: method and target.
pub(super) struct Request<'a> {
    pub(super) method: &'a [u8],
    /// The target in the pieces it is written in.
    pub(super) target: &'a [&'a [u8]],
}

/// The response to `challenge`.
pub(super) fn response(
    challenge: &Digest<'_>,
    credentials: &Credentials<'_>,
    request: &Request<'_>,
    cnonce: &[u8],
) -> Hex {
    if challenge.algorithm.sha256 {
        response_by::<sha2::Sha256>(challenge, credentials, request, cnonce)
    } else {
        response_by::<md5::Md5>(challenge, credentials, request, cnonce)
    }
}

fn response_by<H: Hash>(
    challenge: &Digest<'_>,
    credentials: &Credentials<'_>,
    request: &Request<'_>,
    cnonce: &[u8],
) -> Hex {
    // RFC 7616 3.4.2: A1.
    let mut a1 = H::new();
    a1.update(credentials.user);
    a1.update(b":");
    update_unescaped(&mut a1, challenge.realm);
    a1.update(b":");
    a1.update(credentials.password);
    let mut a1 = Hex::of(&a1.finalize());
    if challenge.algorithm.session {
        let mut session = H::new();
        session.update(a1.as_bytes());
        session.update(b":");
        update_unescaped(&mut session, challenge.nonce);
        session.update(b":");
        session.update(cnonce);
        a1 = Hex::of(&session.finalize());
    }
    // RFC 7616 3.4.3: A2.
    let mut a2 = H::new();
    a2.update(request.method);
    a2.update(b":");
    for piece in request.target {
        a2.update(piece);
    }
    let a2 = Hex::of(&a2.finalize());
    // RFC 7616 3.4.1; without qop the form of RFC 2069.
    let mut whole = H::new();
    whole.update(a1.as_bytes());
    whole.update(b":");
    update_unescaped(&mut whole, challenge.nonce);
    if challenge.qop {
        for part in [b":", COUNT, b":", cnonce, b":auth"] {
            whole.update(part);
        }
    }
    whole.update(b":");
    whole.update(a2.as_bytes());
    Hex::of(&whole.finalize())
}

/// RFC 7616 3.4.1 hashes what a quoted string means, not how it is written.
fn update_unescaped(hash: &mut impl Hash, quoted: &[u8]) {
    let mut rest = quoted;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at_checked(at).unwrap_or_default();
        hash.update(before);
        let escaped = escape.get(1..2).unwrap_or_default();
        hash.update(escaped);
        rest = escape.get(2..).unwrap_or_default();
    }
    hash.update(rest);
}

#[cfg(test)]
mod tests {
    use super::{
        super::challenge::{Offer, strongest},
        *,
    };

    fn answer(
        challenge: &[u8],
        user: &str,
        password: &str,
        request: &Request<'_>,
        cnonce: &[u8],
    ) -> Hex {
        let Some(Offer::Digest(digest)) = strongest(challenge) else {
            panic!("no digest")
        };
        let credentials = Credentials {
            user,
            password: password.as_bytes(),
        };
        response(&digest, &credentials, request, cnonce)
    }

    /// RFC 7616 3.9.1.
    #[test]
    fn the_examples_of_the_rfc() {
        let request = Request {
            method: b"GET",
            target: &[b"/dir", b"/index.html"],
        };
        let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, expected) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            extern crate std;
            let challenge = std::format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let hex = answer(
                challenge.as_bytes(),
                "Mufasa",
                "Circle of Life",
                &request,
                cnonce,
            );
            assert_eq!(hex.as_bytes(), expected.as_bytes(), "{algorithm}");
        }
    }

    /// RFC 2617 3.5, which is MD5 with qop; and RFC 2069 2.4 as corrected by its errata, without.
    #[test]
    fn the_older_forms() {
        let request = Request {
            method: b"GET",
            target: &[b"/dir/index.html"],
        };
        let challenge = b"Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let hex = answer(challenge, "Mufasa", "Circle Of Life", &request, b"0a4f113b");
        assert_eq!(hex.as_bytes(), b"6629fae49393a05397450978507c4ef1");
        let challenge =
            b"Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let hex = answer(challenge, "Mufasa", "CircleOfLife", &request, b"");
        assert_eq!(hex.as_bytes(), b"1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn escapes_are_hashed_as_what_they_mean() {
        let request = Request {
            method: b"GET",
            target: &[b"/"],
        };
        let one = answer(
            br#"Digest realm="a\"b", nonce="n""#,
            "u",
            "p",
            &request,
            b"",
        );
        let same = answer(
            br#"Digest realm="\a\"\b", nonce="\n""#,
            "u",
            "p",
            &request,
            b"",
        );
        assert_eq!(one.as_bytes(), same.as_bytes());
    }
}
