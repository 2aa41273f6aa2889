//! Shared access signatures: tokens that devices, registrants and services show instead of their key.
//!
//! `SharedAccessSignature sr={resource}&sig={signature}&se={expiry}[&skn={policy}]`, in any order. The signature is that
//! of the resource as it is written, not of a form made anew: clients encode it in different ways, one not at all.

use std::fmt;

use openssl::base64;
use percent_encoding::percent_decode_str;

use crate::{clock::Time, key::Key};

/// A token as it came; its signature is not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// `sr` as written, which is what is signed.
    written: String,
    /// `sr`, decoded.
    pub(crate) resource: String,
    signature: Vec<u8>,
    /// `se` as written.
    expiry: String,
    /// `se`.
    pub(crate) expires: Time,
    /// `skn`; an empty one is none.
    pub(crate) policy: Option<String>,
}

/// Without the signature, which lets in.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("resource", &self.resource)
            .field("expires", &self.expires)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It has not the form of a token.
    Malformed(&'static str),
    /// It is for something else.
    Resource {
        /// What it is for.
        token: String,
        /// What it would have to be for.
        wanted: String,
    },
    /// None of the keys has signed it.
    Key,
    /// It has expired.
    Expired {
        /// Seconds ago.
        seconds: i64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the token is malformed: {why}"),
            Self::Resource { token, wanted } => {
                write!(f, "the token is for {token:?}, not for {wanted:?}")
            }
            Self::Key => f.write_str("the token was signed with another key"),
            Self::Expired { seconds } => write!(
                f,
                "the token expired {seconds} s ago by this clock; renew it, and compare the device's clock"
            ),
        }
    }
}

impl Token {
    /// Reads a token.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let Some(fields) = text.strip_prefix("SharedAccessSignature ") else {
            return Err(Problem::Malformed(
                "it does not begin with \"SharedAccessSignature \"",
            ));
        };
        let (mut resource, mut signature, mut expiry, mut policy) = (None, None, None, None);
        for field in fields.trim().split('&') {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let slot = match name {
                "sr" => &mut resource,
                "sig" => &mut signature,
                "se" => &mut expiry,
                "skn" => &mut policy,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        let written = resource.ok_or(Problem::Malformed("sr is missing"))?;
        let signature = decoded(signature.ok_or(Problem::Malformed("sig is missing"))?)?;
        let signature =
            base64::decode_block(&signature).map_err(|_| Problem::Malformed("sig is no base64"))?;
        let expiry = expiry.ok_or(Problem::Malformed("se is missing"))?;
        let seconds: i64 = expiry
            .parse()
            .map_err(|_| Problem::Malformed("se is no number of seconds"))?;
        Ok(Self {
            written: written.to_owned(),
            resource: decoded(written)?,
            signature,
            expiry: expiry.to_owned(),
            expires: Time::from_millis(seconds.saturating_mul(1000)),
            policy: policy
                .map(decoded)
                .transpose()?
                .filter(|policy| !policy.is_empty()),
        })
    }

    /// Checks the resource (which the token's has to be, or to be above in whole segments), the signature under any of
    /// `keys`, and the expiry with `skew` seconds of tolerance.
    pub(crate) fn check<'k>(
        &self,
        wanted: &str,
        keys: impl IntoIterator<Item = &'k Key>,
        now: Time,
        skew: i64,
    ) -> Result<(), Problem> {
        if !covers(&self.resource, wanted) {
            return Err(Problem::Resource {
                token: self.resource.clone(),
                wanted: wanted.to_owned(),
            });
        }
        let text = format!("{}\n{}", self.written, self.expiry);
        // Every key is tried, so that time does not tell which one it was.
        let mut signed = false;
        for key in keys {
            signed |= key.verifies(text.as_bytes(), &self.signature);
        }
        if !signed {
            return Err(Problem::Key);
        }
        let late = now.since(self.expires.plus(skew.saturating_mul(1000)));
        if late > 0 {
            return Err(Problem::Expired {
                seconds: now.since(self.expires) / 1000,
            });
        }
        Ok(())
    }
}

fn decoded(text: &str) -> Result<String, Problem> {
    let text = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Problem::Malformed("it is not UTF-8"))?;
    Ok(text.into_owned())
}

/// Whether a token for `resource` is good for `wanted`: the same, or above it by whole segments. The host, which is the
/// first segment, is compared without case.
fn covers(resource: &str, wanted: &str) -> bool {
    let mut have = resource.trim_end_matches('/').split('/');
    let mut want = wanted.split('/');
    let host = match (have.next(), want.next()) {
        (Some(have), Some(want)) => have.eq_ignore_ascii_case(want),
        _ => false,
    };
    host && have.all(|segment| want.next() == Some(segment))
}

/// Signs a token; `resource` is written percent-encoded.
pub(crate) fn sign(resource: &str, key: &Key, expires: Time, policy: Option<&str>) -> String {
    let written =
        percent_encoding::utf8_percent_encode(resource, percent_encoding::NON_ALPHANUMERIC)
            .to_string();
    let expiry = expires.as_secs();
    let mac = key.hmac(format!("{written}\n{expiry}").as_bytes());
    let signature = base64::encode_block(&mac);
    let signature =
        percent_encoding::utf8_percent_encode(&signature, percent_encoding::NON_ALPHANUMERIC);
    let policy = policy
        .map(|policy| format!("&skn={policy}"))
        .unwrap_or_default();
    format!("SharedAccessSignature sr={written}&sig={signature}&se={expiry}{policy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";

    /// Signatures that clients of others made.
    #[test]
    fn signatures_of_other_clients() {
        let vectors = [
            (
                "localhost%2Fdevices%2Fdev1",
                1_795_293_446,
                "GWxGM+W49ci3Aag97uHfiBKYiYglN67OYm+mS5rSzLw=",
            ),
            (
                "localhost%2Fdevices%2Fdev1%2Fmodules%2Fmod1",
                1_795_293_459,
                "qEFBG/wb20Uv0V7vGFWZ/9cztbsCHhFy53nMhXFFKB0=",
            ),
            (
                "0ne00000001/registrations/dev1",
                1_795_293_485,
                "iO1rF74UrvPJBbJhMlLjRE/8eHAR7ScnEhEb2QGhisQ=",
            ),
        ];
        let key = Key::from_base64(KEY).expect("a key");
        for (resource, expiry, signature) in vectors {
            let signature = signature
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3d");
            let token =
                format!("SharedAccessSignature sig={signature}&sr={resource}&se={expiry}&skn=");
            let token = Token::parse(&token).expect("a token");
            assert_eq!(token.policy, None);
            let wanted = token.resource.clone();
            let before = Time::from_millis((expiry - 1) * 1000);
            assert_eq!(token.check(&wanted, [&key], before, 0), Ok(()));
            assert_eq!(
                token.check(&wanted, [&Key::random()], before, 0),
                Err(Problem::Key)
            );
            let after = before.plus(11_000);
            assert_eq!(
                token.check(&wanted, [&key], after, 0),
                Err(Problem::Expired { seconds: 10 })
            );
            assert_eq!(token.check(&wanted, [&key], after, 300), Ok(()));
        }
    }

    #[test]
    fn a_resource_covers_whole_segments_only() {
        assert!(covers("Hub.Example/devices/a", "hub.example/devices/a"));
        assert!(covers("hub/devices", "hub/devices/a/modules/m"));
        assert!(!covers("hub/devices/a", "hub/devices/ab"));
        assert!(!covers("hub/devices/A", "hub/devices/a"));
        assert!(!covers("hub/devices/a/modules/m", "hub/devices/a"));
    }

    #[test]
    fn what_is_signed_here_verifies() {
        let key = Key::random();
        let expires = Time::from_millis(5_000_000);
        let token =
            Token::parse(&sign("hub/devices/a b", &key, expires, Some("device"))).expect("a token");
        assert_eq!(token.policy.as_deref(), Some("device"));
        assert_eq!(
            token.check("hub/devices/a b", [&key], Time::default(), 0),
            Ok(())
        );
    }
}
