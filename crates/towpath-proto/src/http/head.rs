//! The head of an HTTP/1.1 message: start line and fields (RFC 9112 sections 2 to 5).
//!
//! The pieces work on single lines, so that an answer can be read from a buffer smaller than its head;
//! [`Head`] puts them together for a head that lies in a buffer as a whole.

/// A line without its end, and how many bytes it took with it.
///
/// Lines end in CRLF; a lone LF is taken for the same (RFC 9112 2.2).
#[must_use]
pub fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let lf = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes.get(..lf)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), lf + 1))
}

/// The length of the head at the start of `bytes` with its empty line, `None` if the empty line is not there yet.
#[must_use]
pub fn len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let (line, taken) = line(bytes.get(at..)?)?;
        at += taken;
        if line.is_empty() {
            return Some(at);
        }
    }
}

/// Cuts a field line at its colon: the name, and the value without the whitespace around it (RFC 9112 5.1).
///
/// Whitespace before the colon is dropped, as a proxy must do with it in an answer. `None` if there is no name.
#[must_use]
pub fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = name.trim_ascii_end();
    (!name.is_empty()).then(|| (name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// The members of a comma-separated list, without the empty ones (RFC 9110 5.6.1).
pub fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Whether a comma-separated list has this member, in any case.
#[must_use]
pub fn has_member(list: &[u8], member: &str) -> bool {
    has(list, member.as_bytes())
}

/// The same for a member that need not be text.
pub(crate) fn has(list: &[u8], member: &[u8]) -> bool {
    members(list).any(|found| found.eq_ignore_ascii_case(member))
}

/// Whether `bytes` is a token, as field names, methods and subprotocols are (RFC 9110 5.6.2).
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether `bytes` may be the value of a field: no control character but the tab (RFC 9110 5.5).
#[must_use]
pub fn is_field_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

/// Whether `bytes` may be the target of a request in origin form: a path and a query of visible ASCII (RFC 9112 3.2.1).
#[must_use]
pub fn is_origin_form(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'/')
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
}

/// The status code of a status line (RFC 9112 4), `None` if it is not one of HTTP/1.1.
#[must_use]
pub fn status(line: &[u8]) -> Option<u16> {
    let (code, rest) = line.strip_prefix(b"HTTP/1.1 ")?.split_first_chunk::<3>()?;
    if !matches!(rest.first(), None | Some(b' '))
        || !matches!(code, [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'])
    {
        return None;
    }
    Some(
        code.iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')),
    )
}

/// The method and the target of a request line (RFC 9112 3), `None` if it is not one of HTTP/1.1.
#[must_use]
pub fn request(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let whole =
        is_token(method) && !target.is_empty() && version == b"HTTP/1.1" && words.next().is_none();
    whole.then_some((method, target))
}

/// A complete head.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    start: &'a [u8],
    fields: &'a [u8],
}

impl<'a> Head<'a> {
    /// The head at the start of `bytes`. `None` if it is not complete, if a line has no field name or is folded:
    /// a server refuses such a request (RFC 9112 5.1, 5.2).
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.get(..len(bytes)?)?;
        let (start, taken) = line(bytes)?;
        let head = Self {
            start,
            fields: bytes.get(taken..)?,
        };
        head.lines()
            .all(|line| field(line).is_some_and(|(name, _)| is_token(name)))
            .then_some(head)
    }

    /// The request line or status line.
    #[must_use]
    pub const fn start_line(&self) -> &'a [u8] {
        self.start
    }

    /// Name and value of each field, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.lines().filter_map(field)
    }

    /// The values of all fields of this name, in any case.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The value of the only field of this name; `None` if there is none, or more than one.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.fields;
        core::iter::from_fn(move || {
            let (found, taken) = line(rest)?;
            rest = rest.get(taken..).unwrap_or_default();
            (!found.is_empty()).then_some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        assert_eq!(len(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody"), Some(27));
        assert_eq!(len(b"GET / HTTP/1.1\nHost: a\n\nbody"), Some(24));
        assert_eq!(len(b"GET / HTTP/1.1\r\nHost: a\r\n\r"), None);
        assert_eq!(len(b""), None);
    }

    #[test]
    fn fields_are_found_in_any_case_and_without_whitespace() {
        let head =
            Head::new(b"GET /a HTTP/1.1\r\nHOST:\t a \r\nA: 1\r\na:2\r\nB:\r\n\r\n").unwrap();
        assert_eq!(request(head.start_line()), Some((&b"GET"[..], &b"/a"[..])));
        assert_eq!(head.only("host"), Some(&b"a"[..]));
        assert_eq!(head.only("a"), None, "two of them");
        assert!(head.values("A").eq([b"1", b"2"]));
        assert_eq!(head.only("b"), Some(&b""[..]));
    }

    #[test]
    fn a_line_without_a_name_or_folded_spoils_the_head() {
        for fields in [
            "no colon",
            ": no name",
            "A: 1\r\n folded: 2",
            "A\t: space before the colon is in no token\r\nä: 1",
        ] {
            let head = std::format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
            assert!(Head::new(head.as_bytes()).is_none(), "{fields}");
        }
    }

    #[test]
    fn start_lines() {
        assert_eq!(status(b"HTTP/1.1 101 Switching Protocols"), Some(101));
        assert_eq!(status(b"HTTP/1.1 404"), Some(404));
        for bad in [
            "HTTP/1.0 200 OK",
            "HTTP/1.1 20",
            "HTTP/1.1 2000",
            "HTTP/1.1 099 ",
            "http/1.1 200 OK",
            "",
            "HTTP/1.1 2x0 ",
        ] {
            assert_eq!(status(bad.as_bytes()), None, "{bad}");
        }
        for bad in [
            "GET / HTTP/1.0",
            "GET  / HTTP/1.1",
            "GET /",
            "G\tT / HTTP/1.1",
            "",
            "GET / HTTP/1.1 ",
        ] {
            assert_eq!(request(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn lists() {
        assert!(has_member(b"keep-alive , UPGRADE", "upgrade"));
        assert!(!has_member(b"upgraded, , x", "upgrade"));
        assert_eq!(members(b" , a,,b ,").count(), 2);
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes: std::vec::Vec<u8>) {
            let _ = (len(&bytes), field(&bytes), status(&bytes), request(&bytes));
        }

        #[test]
        fn noise_in_a_head_never_panics(noise in "[\\x00-\\x7f]{0,60}") {
            let text = std::format!("GET / HTTP/1.1\r\n{noise}\r\n\r\n");
            if let Some(head) = Head::new(text.as_bytes()) {
                prop_assert!(head.fields().all(|(name, _)| is_token(name)));
            }
        }
    }
}
