//! Domain names: from text, and as the wire has them.

use core::fmt;

use domain::{
    base::name::{Name as Labels, NameBuilder, ParsedName, ToName},
    dep::octseq::array::Array,
};

use crate::{
    fault::{Code, Fault},
    rung::Rung,
    text::Text,
};

/// The longest name on the wire, in bytes (RFC 1035 section 3.1).
pub const MAX_LEN: usize = 255;

/// The longest name as text without the last dot: on the wire each label has a length in front and the root is one
/// byte more.
const MAX_TEXT: usize = 253;

/// The longest label, in bytes (RFC 1035 section 3.1).
const MAX_LABEL: usize = 63;

/// A domain name, absolute, at most 255 bytes on the wire (RFC 1035 section 3.1). Names that differ in case only are
/// equal (RFC 4343).
#[derive(Clone)]
pub struct Name(Labels<Array<MAX_LEN>>);

impl Name {
    /// Reads a host name. A dot at the end is allowed. So are underscores and names of digits, which do exist (RFC 2181
    /// section 11); what no resolver would take from a user is not.
    ///
    /// # Errors
    /// [`Code::NameInvalid`], and in its detail what is wrong.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.as_bytes();
        let text = text.strip_suffix(b".").unwrap_or(text);
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if text.len() > MAX_TEXT {
            return Err(invalid("longer than 253 characters"));
        }
        let mut builder = NameBuilder::<Array<MAX_LEN>>::new();
        for label in text.split(|byte| *byte == b'.') {
            check(label)?;
            builder
                .append_label(label)
                .map_err(|_| invalid("longer than 253 characters"))?;
        }
        builder
            .into_name()
            .map(Self)
            .map_err(|_| invalid("longer than 253 characters"))
    }

    /// The name as the wire has it: labels, each behind its length, and the root at the end.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// A name out of a message, in one piece. `None` cannot be: a name that was read has at most 255 bytes.
    pub(super) fn flatten(name: &ParsedName<&[u8]>) -> Option<Self> {
        name.try_to_name().map(Self).ok()
    }

    pub(super) const fn labels(&self) -> &Labels<Array<MAX_LEN>> {
        &self.0
    }
}

fn check(label: &[u8]) -> Result<(), Fault> {
    if label.is_empty() {
        return Err(invalid("a label is empty: two dots, or one in front"));
    }
    if !label.is_ascii() {
        return Err(invalid("not ASCII"));
    }
    if label.len() > MAX_LABEL {
        return Err(invalid("a label is longer than 63 characters"));
    }
    match label
        .iter()
        .find(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_'))
    {
        Some(byte) => {
            let mut said = Text::<56>::EMPTY;
            // A control character shows as `?`.
            said.append(b"the character '");
            said.append(&[*byte, b'\'']);
            Err(invalid(said.as_str()))
        }
        None => Ok(()),
    }
}

fn invalid(what: &str) -> Fault {
    Fault::new(Rung::Dns, Code::NameInvalid)
        .clause("RFC 1035 2.3")
        .detail(what.as_bytes())
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.name_eq(&other.0)
    }
}

impl Eq for Name {}

/// With dots, without the last one; what is no visible ASCII is escaped (RFC 1035 section 5.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
