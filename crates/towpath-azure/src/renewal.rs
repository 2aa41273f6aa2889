//! Certificates that end: when one is due, and the new ones that DPS issued.
//!
//! Takes in the dates of a certificate and the time, or what
//! [`Outcome::Assigned`](crate::dps::Outcome::Assigned) lends as `issued`; gives out whether to renew, and the
//! certificates as PEM or DER. To be issued one, a device registers anew with a certificate signing request
//! ([`dps::Request::csr`](crate::dps::Request::csr)). Two previews of DPS are read: an array of base64 texts
//! (`issuedCertificateChain`), and one text, PEM or base64 (`issuedClientCertificate`).

use core::{
    fmt::{self, Write},
    iter,
};

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};
use towpath_proto::{Code, Fault, Rung};

use crate::json::{Elements, Text, Value};

#[cfg(test)]
mod tests;

/// A certificate is renewed at most this many seconds before its end, however long it lives: 30 days.
const EARLIEST: u64 = 30 * 24 * 3600;

/// Whether a certificate is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Due {
    /// It is good for a while, or not valid yet.
    No,
    /// It is to be renewed now.
    Soon,
    /// Nobody takes it any more.
    Expired,
}

/// From when until when a certificate is valid, seconds since 1970, both inclusive (RFC 5280 section 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub not_before: u64,
    /// `notAfter`.
    pub not_after: u64,
}

impl Validity {
    /// When to renew: 30 days before the end, or in the last third of a life that is shorter than 90 days. So that the
    /// devices of a fleet that were issued their certificates at once do not come back at once, each has a moment of
    /// its own within the first quarter of that time; `name`, such as the registration ID, decides which.
    #[must_use]
    pub fn renew_at(&self, name: &str) -> u64 {
        let life = self.not_after.saturating_sub(self.not_before);
        let ahead = EARLIEST.min(life / 3);
        let digest = Sha256::digest(name.as_bytes());
        let share = digest.first_chunk::<4>().copied().unwrap_or_default();
        // 30 days are 22 bits of seconds, so that this is far from 64.
        let spread = (ahead / 4).saturating_mul(u32::from_be_bytes(share).into()) >> 32;
        self.not_after.saturating_sub(ahead).saturating_add(spread)
    }

    /// Whether it is due at this time.
    #[must_use]
    pub fn due(&self, unix: u64, name: &str) -> Due {
        if unix > self.not_after {
            Due::Expired
        } else if unix >= self.renew_at(name) {
            Due::Soon
        } else {
            Due::No
        }
    }
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates that DPS issued, the device's own first. All of it was checked to be base64 of something that
/// begins as a certificate does; what they say is for whoever installs them to check.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'m>(Value<'m>);

impl<'m> Chain<'m> {
    /// Reads what [`Outcome::Assigned`](crate::dps::Outcome::Assigned) lends as `issued`.
    ///
    /// # Errors
    /// [`Code::DpsMalformed`] with what is wrong.
    pub fn parse(issued: &'m [u8]) -> Result<Self, Fault> {
        let wrong = |why: &str| Fault::new(Rung::Hub, Code::DpsMalformed).detail(why.as_bytes());
        let value = Value::parse(issued).map_err(|_| wrong("issued certificates are no JSON"))?;
        let chain = Self(value);
        let is_text = |value: Value<'_>| value.text().is_some();
        let is_list = || value.is_array() && value.elements().all(is_text);
        if !is_text(value) && !is_list() {
            return Err(wrong("issued certificates are neither text nor array"));
        }
        let mut count = 0_usize;
        for certificate in chain.certificates() {
            if !certificate.is_sound() {
                return Err(wrong("an issued certificate is no base64 of DER"));
            }
            count = count.saturating_add(1);
        }
        if count == 0 {
            return Err(wrong("there is no certificate among the issued ones"));
        }
        Ok(chain)
    }

    /// The certificates, the device's own first.
    pub fn certificates(&self) -> impl Iterator<Item = Certificate<'m>> + use<'m> {
        let alone = self.0.text();
        Certificates {
            texts: self.0.elements(),
            rest: alone,
        }
    }
}

/// All of them as PEM, one behind the other: what a TLS library takes as a chain.
impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificates()
            .try_for_each(|certificate| fmt::Display::fmt(&certificate, f))
    }
}

struct Certificates<'m> {
    texts: Elements<'m>,
    /// What is left of the text that is being read.
    rest: Option<Text<'m>>,
}

impl<'m> Iterator for Certificates<'m> {
    type Item = Certificate<'m>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(text) = self.rest.take() else {
                self.rest = Some(self.texts.next()?.text()?);
                continue;
            };
            let Some((_, behind)) = text.split_once(BEGIN) else {
                // Bare base64, or what follows the last certificate of a PEM text.
                let bare = Certificate(text);
                if bare.characters().next().is_some() {
                    return Some(bare);
                }
                continue;
            };
            let ended = behind.split_once(END);
            self.rest = ended.map(|(_, rest)| rest);
            // Without an end all of it is the body; that it has none shows when it is decoded.
            return Some(Certificate(ended.map_or(behind, |(body, _)| body)));
        }
    }
}

/// One of the certificates. It displays as PEM (RFC 7468).
#[derive(Clone, Copy)]
pub struct Certificate<'m>(Text<'m>);

impl fmt::Debug for Certificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} characters)", self.characters().count())
    }
}

impl<'m> Certificate<'m> {
    /// The characters of the base64, without the ends of lines.
    fn characters(&self) -> impl Iterator<Item = char> + use<'m> {
        self.0.chars().filter(|c| !c.is_ascii_whitespace())
    }

    /// The base64 in blocks of four characters; `None` for one that is none.
    fn blocks(&self) -> impl Iterator<Item = Option<[u8; 4]>> + use<'m> {
        let mut characters = self.characters();
        iter::from_fn(move || {
            let mut block = [0; 4];
            for (index, byte) in block.iter_mut().enumerate() {
                match characters.next() {
                    None if index == 0 => return None,
                    None => return Some(None),
                    Some(c) => match u8::try_from(c) {
                        Ok(ascii) => *byte = ascii,
                        Err(_) => return Some(None),
                    },
                }
            }
            Some(Some(block))
        })
    }

    /// Its pieces in DER, up to three bytes each with their number; `None` for one that can't be decoded.
    fn pieces(&self) -> impl Iterator<Item = Option<([u8; 3], usize)>> + use<'m> {
        let mut ended = false;
        self.blocks().map(move |block| {
            let block = block.filter(|_| !ended)?;
            let mut piece = [0; 3];
            let len = Base64::decode(block, &mut piece).ok()?.len();
            // Padding is at the end only.
            ended = len < piece.len();
            Some((piece, len))
        })
    }

    /// Base64 throughout, and a SEQUENCE (RFC 5280 section 4.1) at the start.
    fn is_sound(&self) -> bool {
        let first = self.pieces().next().flatten();
        first.is_some_and(|([tag, ..], _)| tag == 0x30) && self.pieces().all(|one| one.is_some())
    }

    /// Its length in DER, bytes.
    #[must_use]
    pub fn der_len(&self) -> usize {
        self.pieces()
            .flatten()
            .fold(0, |sum: usize, (_, len)| sum.saturating_add(len))
    }

    /// Writes it in DER to the start of `out`; `None` if it has more bytes than that.
    #[must_use]
    pub fn der<'o>(&self, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let mut end = 0_usize;
        for piece in self.pieces() {
            let (piece, len) = piece?;
            let from = end;
            end = end.checked_add(len)?;
            out.get_mut(from..end)?.copy_from_slice(piece.get(..len)?);
        }
        out.get(..end)
    }
}

impl fmt::Display for Certificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BEGIN)?;
        for (index, c) in self.characters().enumerate() {
            if index % 64 == 0 {
                f.write_char('\n')?;
            }
            f.write_char(c)?;
        }
        writeln!(f, "\n{END}")
    }
}
