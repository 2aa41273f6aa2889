//! Addresses of the schemes `http` and `https` (RFC 9110 section 4.2).
//!
//! Takes in text; gives out what to dial and what to ask for there.

use core::fmt;

use towpath_proto::http::head;

/// An address. Its query is not shown, since it may hold a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    /// Whether it is `https`.
    pub secure: bool,
    /// The host to dial: a name, or an address without brackets.
    pub host: &'a str,
    /// The port to dial.
    pub port: u16,
    /// Host and port as the field `Host` wants them.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
}

impl<'a> Url<'a> {
    /// Reads an address. A fragment is dropped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ => return Err(UrlError::Scheme),
        };
        Self::read(secure, rest)
    }

    /// The address that an answer's `Location` means: a whole one, or a path at the same place.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn follow(&self, location: &'a str) -> Result<Self, UrlError> {
        if let Some(rest) = location.strip_prefix("//") {
            return Self::read(self.secure, rest);
        }
        if location.starts_with('/') {
            return Ok(Self {
                target: target(location)?,
                ..*self
            });
        }
        Self::parse(location)
    }

    fn read(secure: bool, rest: &'a str) -> Result<Self, UrlError> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Host)?;
        let (host, port) = host_and_port(authority, if secure { 443 } else { 80 })?;
        Ok(Self {
            secure,
            host,
            port,
            authority,
            target: target(path)?,
        })
    }
}

/// Path and query, without the fragment.
fn target(path: &str) -> Result<&str, UrlError> {
    let target = path.split_once('#').map_or(path, |(before, _)| before);
    if target.is_empty() {
        return Ok("/");
    }
    head::is_origin_form(target.as_bytes())
        .then_some(target)
        .ok_or(UrlError::Path)
}

/// What to dial for a host with or without a port, `usual` without.
///
/// # Errors
/// What is wrong with it.
pub fn host_and_port(authority: &str, usual: u16) -> Result<(&str, u16), UrlError> {
    // A name and password would be shown by whoever logs the address.
    if authority.contains('@') {
        return Err(UrlError::Host);
    }
    let (host, port, valid): (_, _, fn(u8) -> bool) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => port,
                None if rest.is_empty() => "",
                None => return Err(UrlError::Host),
            };
            let valid = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
            (host, port, valid)
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (host, port, valid)
        }
    };
    if host.is_empty() || host.len() > 253 || !host.bytes().all(valid) {
        return Err(UrlError::Host);
    }
    let port = match port {
        "" => usual,
        // Reading a number would also take a sign.
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_range| UrlError::Port)?
        }
        _ => return Err(UrlError::Port),
    };
    if port == 0 {
        return Err(UrlError::Port);
    }
    Ok((host, port))
}

impl fmt::Debug for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        let (path, query) = match self.target.split_once('?') {
            Some((path, _)) => (path, "?.."),
            None => (self.target, ""),
        };
        write!(f, "{scheme}://{}{path}{query}", self.authority)
    }
}

/// Why a text is not an address that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not begin with `https://` or `http://`.
    Scheme,
    /// There is no host, or it is not written as one; a name and password before it are not taken either.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The path does not begin with a slash, or has characters that need percent-encoding.
    Path,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the address does not begin with https:// or http://",
            Self::Host => "the address has no valid host",
            Self::Port => "the port in the address is not a number from 1 to 65535",
            Self::Path => {
                "the path in the address does not begin with / or has characters that must be percent-encoded"
            }
        })
    }
}

impl core::error::Error for UrlError {}
