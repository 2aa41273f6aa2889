//! What a proxy wants: the challenges of `Proxy-Authenticate` (RFC 9110 11.3, RFC 7616 3.3).

use crate::http::head;

/// One thing in a list of challenges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item<'a> {
    /// A challenge begins.
    Scheme(&'a [u8]),
    /// A parameter of it: name and value, a quoted one as it stands between its quotes.
    Parameter(&'a [u8], &'a [u8]),
}

/// The hash of Digest, with its `-sess` variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithm {
    pub(super) sha256: bool,
    pub(super) session: bool,
    /// Whether the challenge names it; one that does not means MD5.
    pub(super) named: bool,
}

impl Algorithm {
    const MD5: Self = Self {
        sha256: false,
        session: false,
        named: false,
    };

    fn named(name: &[u8]) -> Option<Self> {
        const KNOWN: [(&[u8], bool, bool); 4] = [
            (b"MD5", false, false),
            (b"MD5-sess", false, true),
            (b"SHA-256", true, false),
            (b"SHA-256-sess", true, true),
        ];
        KNOWN
            .iter()
            .find(|(known, ..)| known.eq_ignore_ascii_case(name))
            .map(|&(_, sha256, session)| Self {
                sha256,
                session,
                named: true,
            })
    }

    pub(super) const fn name(self) -> &'static str {
        match (self.sha256, self.session) {
            (false, false) => "MD5",
            (false, true) => "MD5-sess",
            (true, false) => "SHA-256",
            (true, true) => "SHA-256-sess",
        }
    }
}

/// A challenge of Digest that can be answered. Texts are as they stand between their quotes, escapes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest<'a> {
    pub(super) realm: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) opaque: Option<&'a [u8]>,
    pub(super) algorithm: Algorithm,
    /// Whether the answer has the protection `auth`; without it is the form of RFC 2069.
    pub(super) qop: bool,
    /// The answer before this one was right, but its nonce had grown old.
    pub(super) stale: bool,
}

/// What can be done for a proxy, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer<'a> {
    Basic,
    Digest(Digest<'a>),
}

impl Offer<'_> {
    pub(super) const fn strength(&self) -> u8 {
        match self {
            Self::Basic => 1,
            Self::Digest(digest) if !digest.algorithm.sha256 => 2,
            Self::Digest(_) => 3,
        }
    }
}

/// The strongest challenge in the value of a field that can be answered.
pub(super) fn strongest(value: &[u8]) -> Option<Offer<'_>> {
    let mut items = Items { rest: value };
    let mut best: Option<Offer<'_>> = None;
    let mut current = None;
    loop {
        let item = items.next();
        if let Some(Item::Parameter(name, value)) = item {
            if let Some(Draft::Digest(digest)) = &mut current {
                digest.parameter(name, value);
            }
            continue;
        }
        // The challenge before this one is complete.
        if let Some(offer) = current.take().and_then(Draft::offer)
            && best.is_none_or(|best| best.strength() < offer.strength())
        {
            best = Some(offer);
        }
        match item {
            Some(Item::Scheme(name)) => current = Draft::of(name),
            _ => return best,
        }
    }
}

/// The names of the schemes in the value of a field.
pub(super) fn schemes(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    Items { rest: value }.filter_map(|item| match item {
        Item::Scheme(name) => Some(name),
        Item::Parameter(..) => None,
    })
}

/// A challenge that is being read.
enum Draft<'a> {
    Basic,
    Digest(Fields<'a>),
}

#[derive(Default)]
struct Fields<'a> {
    realm: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
    opaque: Option<&'a [u8]>,
    /// `None`: not there; `Some(None)`: not known.
    algorithm: Option<Option<Algorithm>>,
    qop: Option<&'a [u8]>,
    stale: bool,
}

impl<'a> Draft<'a> {
    fn of(scheme: &[u8]) -> Option<Self> {
        if scheme.eq_ignore_ascii_case(b"Basic") {
            Some(Self::Basic)
        } else if scheme.eq_ignore_ascii_case(b"Digest") {
            Some(Self::Digest(Fields::default()))
        } else {
            None
        }
    }

    /// What it comes to; nothing if a part is missing or not known (RFC 7616 3.3).
    fn offer(self) -> Option<Offer<'a>> {
        let fields = match self {
            Self::Basic => return Some(Offer::Basic),
            Self::Digest(fields) => fields,
        };
        Some(Offer::Digest(Digest {
            realm: fields.realm?,
            nonce: fields.nonce?,
            opaque: fields.opaque,
            algorithm: fields.algorithm.unwrap_or(Some(Algorithm::MD5))?,
            qop: match fields.qop {
                None => false,
                Some(list) if head::has_member(list, "auth") => true,
                Some(_) => return None,
            },
            stale: fields.stale,
        }))
    }
}

impl<'a> Fields<'a> {
    fn parameter(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        if is("realm") {
            self.realm = Some(value);
        } else if is("nonce") {
            self.nonce = Some(value);
        } else if is("opaque") {
            self.opaque = Some(value);
        } else if is("algorithm") {
            self.algorithm = Some(Algorithm::named(value));
        } else if is("qop") {
            self.qop = Some(value);
        } else if is("stale") {
            self.stale = value.eq_ignore_ascii_case(b"true");
        }
    }
}

/// Walks through a list of challenges. What can't be read is passed over up to the next comma.
struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    fn skip(&mut self, unwanted: impl Fn(u8) -> bool) {
        let end = self.rest.iter().position(|byte| !unwanted(*byte));
        self.rest = self
            .rest
            .get(end.unwrap_or(self.rest.len())..)
            .unwrap_or_default();
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte));
        let (taken, rest) = self
            .rest
            .split_at_checked(end.unwrap_or(self.rest.len()))
            .unwrap_or_default();
        self.rest = rest;
        taken
    }

    /// A value: a quoted string without its quotes, or a token. `None` if the end quote is missing.
    fn value(&mut self) -> Option<&'a [u8]> {
        let Some(quoted) = self.rest.strip_prefix(b"\"") else {
            return Some(self.take(|byte| !matches!(byte, b',' | b' ' | b'\t')));
        };
        let mut escaped = false;
        let end = quoted.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        let Some((value, rest)) = end.and_then(|end| quoted.split_at_checked(end)) else {
            self.rest = &[];
            return None;
        };
        self.rest = rest.get(1..).unwrap_or_default();
        Some(value)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            self.skip(|byte| matches!(byte, b',' | b' ' | b'\t'));
            if self.rest.is_empty() {
                return None;
            }
            let name = self.take(|byte| head::is_token(&[byte]));
            if name.is_empty() {
                // The `/` and `=` of a token68, or noise.
                self.skip(|byte| byte != b',');
                continue;
            }
            let behind = self.rest.trim_ascii_start();
            match behind.strip_prefix(b"=") {
                // The padding of a token68 has nothing behind it (RFC 9110 11.2).
                Some(value) if !matches!(value.first(), None | Some(b'=' | b',')) => {
                    self.rest = value.trim_ascii_start();
                    if let Some(value) = self.value() {
                        return Some(Item::Parameter(name, value));
                    }
                }
                Some(_) => self.skip(|byte| byte != b','),
                // A scheme stands alone, or before a space; what else follows a token is the rest of a token68.
                None if matches!(self.rest.first(), None | Some(b' ' | b'\t' | b',')) => {
                    return Some(Item::Scheme(name));
                }
                None => self.skip(|byte| byte != b','),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn names(value: &str) -> Vec<&str> {
        schemes(value.as_bytes())
            .map(|name| str::from_utf8(name).unwrap())
            .collect()
    }

    #[test]
    fn challenges_are_told_from_parameters() {
        assert_eq!(
            names("Basic realm=\"a, b\", Digest nonce=c , NTLM"),
            ["Basic", "Digest", "NTLM"]
        );
        assert_eq!(names("Negotiate, NTLM"), ["Negotiate", "NTLM"]);
        assert_eq!(names(",, Basic ,"), ["Basic"]);
        assert_eq!(names("Basic realm=\"no end"), ["Basic"]);
        assert_eq!(
            names("Negotiate a/b+c==, Basic realm=x"),
            ["Negotiate", "Basic"]
        );
        assert_eq!(names(""), [] as [&str; 0]);
    }

    #[test]
    fn the_strongest_is_found() {
        let strength =
            |value: &str| strongest(value.as_bytes()).map_or(0, |offer| offer.strength());
        let digest = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
        assert_eq!(strength("Basic realm=\"r\""), 1);
        assert_eq!(strength(digest), 2);
        assert_eq!(
            strength(&std::format!("{digest}, algorithm=MD5, Basic realm=x")),
            2
        );
        assert_eq!(
            strength(&std::format!("{digest}, {digest}, algorithm=SHA-256")),
            3
        );
        assert_eq!(
            strength(&std::format!("{digest}, algorithm=SHA-512-256")),
            0
        );
        assert_eq!(
            strength("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""),
            0
        );
        assert_eq!(strength("Digest realm=\"r\""), 0, "no nonce");
        assert_eq!(strength("Bearer, Negotiate"), 0);
    }

    #[test]
    fn parameters_are_read_in_any_case_and_with_escapes() {
        let value = br#"digest REALM="a\"b\\", Nonce = "n" ,opaque="" , QOP="auth-int , AUTH", algorithm="sha-256-sess", stale=TRUE"#;
        let Some(Offer::Digest(digest)) = strongest(value) else {
            panic!("no digest")
        };
        assert_eq!(digest.realm, br#"a\"b\\"#);
        assert_eq!((digest.nonce, digest.opaque), (&b"n"[..], Some(&b""[..])));
        assert_eq!(digest.algorithm.name(), "SHA-256-sess");
        assert!(digest.qop && digest.stale);
    }

    proptest! {
        #[test]
        fn nothing_panics_or_hangs(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = strongest(&value);
            let _ = schemes(&value).count();
        }

        #[test]
        fn nor_does_what_looks_like_a_challenge(
            value in r#"(Digest|Basic|NTLM|realm|nonce|qop|algorithm|=|"|\\|,| |auth|MD5|a){0,40}"#
        ) {
            let _ = strongest(value.as_bytes());
            prop_assert!(schemes(value.as_bytes()).count() <= value.len());
        }
    }
}
