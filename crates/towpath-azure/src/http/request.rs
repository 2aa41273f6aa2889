//! The head of a request.
//!
//! Takes in what is asked for; gives out the text to send, or why it can't be sent as it is: a line end in a value
//! would make a second field, or a second request.

use core::fmt::{self, Write as _};

use towpath_proto::http::head;

/// A request. The body, if any, follows its head.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `PUT`, `POST`.
    pub method: &'a str,
    /// Host and port as in the address.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a dyn fmt::Display,
    /// More fields.
    pub fields: &'a [(&'a str, &'a dyn fmt::Display)],
    /// Which part is asked for.
    pub range: Option<Range>,
    /// How many bytes of body follow.
    pub content_length: Option<u64>,
    /// Whether the connection is to end after the answer.
    pub close: bool,
}

/// A part of a file, in bytes from 0 (RFC 9110 section 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub first: u64,
    /// The last byte; `None`: up to the end.
    pub last: Option<u64>,
}

impl<'a> Request<'a> {
    /// Asks for a file or a part of it.
    #[must_use]
    pub const fn get(host: &'a str, target: &'a dyn fmt::Display) -> Self {
        Self {
            method: "GET",
            host,
            target,
            fields: &[],
            range: None,
            content_length: None,
            close: false,
        }
    }

    /// Writes the head with its empty line. What was written before an error is to be thrown away.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn write(&self, out: &mut impl fmt::Write) -> Result<(), Unwritable> {
        if !head::is_token(self.method.as_bytes()) {
            return Err(Unwritable::Method);
        }
        let host = self.host.as_bytes();
        if host.is_empty()
            || !host
                .iter()
                .all(|byte| byte.is_ascii_graphic() && *byte != b'/')
        {
            return Err(Unwritable::Host);
        }
        write!(out, "{} ", self.method)?;
        target(out, self.target)?;
        write!(
            out,
            " HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: identity\r\n",
            self.host
        )?;
        for (name, value) in self.fields {
            field(out, name, *value)?;
        }
        match self.range {
            Some(Range { first, last: None }) => write!(out, "Range: bytes={first}-\r\n")?,
            Some(Range {
                first,
                last: Some(last),
            }) => {
                write!(out, "Range: bytes={first}-{last}\r\n")?;
            }
            None => {}
        }
        if let Some(len) = self.content_length {
            write!(out, "Content-Length: {len}\r\n")?;
        }
        if self.close {
            out.write_str("Connection: close\r\n")?;
        }
        Ok(out.write_str("\r\n")?)
    }
}

fn target(out: &mut impl fmt::Write, value: &dyn fmt::Display) -> Result<(), Unwritable> {
    let mut checked = Checked {
        out,
        valid: |text, at_start| {
            let text = text.as_bytes();
            (!at_start || text.first() == Some(&b'/'))
                && text
                    .iter()
                    .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        },
        at_start: true,
        refused: false,
    };
    let written = write!(checked, "{value}");
    match (checked.refused || checked.at_start, written) {
        (true, _) => Err(Unwritable::Target),
        (false, written) => Ok(written?),
    }
}

fn field(
    out: &mut impl fmt::Write,
    name: &str,
    value: &dyn fmt::Display,
) -> Result<(), Unwritable> {
    if !head::is_token(name.as_bytes()) {
        return Err(Unwritable::Field);
    }
    write!(out, "{name}: ")?;
    let mut checked = Checked {
        out,
        valid: |text, _| head::is_field_value(text.as_bytes()),
        at_start: true,
        refused: false,
    };
    let written = write!(checked, "{value}");
    if checked.refused {
        return Err(Unwritable::Field);
    }
    written?;
    Ok(out.write_str("\r\n")?)
}

/// Lets through what is valid, piece by piece.
struct Checked<'w, W> {
    out: &'w mut W,
    valid: fn(&str, bool) -> bool,
    at_start: bool,
    refused: bool,
}

impl<W: fmt::Write> fmt::Write for Checked<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_empty() {
            return Ok(());
        }
        if !(self.valid)(text, self.at_start) {
            self.refused = true;
            return Err(fmt::Error);
        }
        self.at_start = false;
        self.out.write_str(text)
    }
}

/// Without the values of fields and the query, which may hold tokens.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.host)
            .field("range", &self.range)
            .field("content_length", &self.content_length)
            .finish_non_exhaustive()
    }
}

/// Why a request can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unwritable {
    /// There is no room for it.
    Full,
    /// The method is not a word.
    Method,
    /// The host is empty or has characters that no host has.
    Host,
    /// The target does not begin with a slash, or has characters that need percent-encoding.
    Target,
    /// A field's name is not a word, or its value holds a line end or another control character.
    Field,
}

impl From<fmt::Error> for Unwritable {
    fn from(_: fmt::Error) -> Self {
        Self::Full
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the request does not fit the buffer; enlarge it",
            Self::Method => "the method of the request is not one",
            Self::Host => "the host of the request is empty or not valid",
            Self::Target => {
                "the target of the request does not begin with / or has characters that must be percent-encoded"
            }
            Self::Field => "a header field of the request has characters that HTTP does not allow",
        })
    }
}

impl core::error::Error for Unwritable {}
