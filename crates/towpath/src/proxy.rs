//! The proxy that a connection goes through.

mod environment;

use std::fmt;

use towpath_proto::{
    Fault,
    proxy::{Ask, Credentials, Tunnel},
};

pub use towpath_proto::proxy::Scheme;

use crate::{Endpoint, Error};

/// A proxy, from a URL such as `http://proxy.example:3128` or `socks5://anna:secret@192.0.2.1`. Names of servers are
/// resolved by the proxy.
///
/// [`Debug`](fmt::Debug) and [`Display`](fmt::Display) show no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    credentials: Option<(String, Vec<u8>)>,
}

impl Proxy {
    /// Takes a URL apart: `http://` (port 80 if none is named), `socks5://` or `socks5h://` (port 1080), or none of them,
    /// which is `http://`. User and password are percent-decoded.
    ///
    /// # Errors
    /// [`Error::Url`] with what is wrong, without the URL: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Url {
            why: format!("the proxy's URL: {why}"),
        };
        let assumed;
        let text = if text.contains("://") {
            text
        } else {
            assumed = format!("http://{text}");
            &assumed
        };
        let url = url::Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        let (scheme, port) = match url.scheme() {
            "http" => (Scheme::Http, 80),
            "socks5" | "socks5h" | "socks" => (Scheme::Socks5, 1080),
            "https" => {
                return Err(wrong(
                    "TLS to the proxy (https://) is not supported; most proxies take http:// on the same port, \
                     and what goes through them may be TLS all the same",
                ));
            }
            "socks4" | "socks4a" => return Err(wrong("SOCKS4 is not supported; use socks5://")),
            _ => return Err(wrong("the scheme is not known; use http:// or socks5://")),
        };
        let host = match url.host() {
            Some(url::Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        };
        if host.is_empty() || host.contains('%') {
            return Err(wrong("the host is missing, or no valid name"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("there is something behind host and port"));
        }
        let credentials = if url.username().is_empty() && url.password().is_none() {
            None
        } else {
            let user = String::from_utf8(decoded(url.username()))
                .map_err(|_| wrong("the user name is not UTF-8"))?;
            Some((user, decoded(url.password().unwrap_or_default())))
        };
        Ok(Self {
            scheme,
            host,
            port: url.port().unwrap_or(port),
            credentials,
        })
    }

    /// The proxy that the environment names for this server, if it names one. Of each variable the lower-case name goes
    /// first; an empty one counts as not there.
    ///
    /// - `HTTPS_PROXY` for `mqtts://` and `wss://`.
    /// - `http_proxy` for `ws://`, in lower case only: a web server gives a request's `Proxy:` header as `HTTP_PROXY` to
    ///   programs that it runs.
    /// - `ALL_PROXY` for those without one of their own, and for `mqtt://`.
    /// - `NO_PROXY` lists servers that are reached without: names (with all below them), `.suffix`, addresses, networks
    ///   such as `10.0.0.0/8`, each also with `:port`, or `*` for all. `localhost` and loopback addresses never go
    ///   through a proxy of the environment.
    ///
    /// # Errors
    /// [`Error::Config`] with the variable that can't be used.
    pub fn from_environment(endpoint: &Endpoint) -> Result<Option<Self>, Error> {
        environment::proxy(endpoint, |name| std::env::var_os(name))
    }

    /// The same proxy with other credentials, or with some.
    #[must_use]
    pub fn with_credentials(
        mut self,
        user: impl Into<String>,
        password: impl Into<Vec<u8>>,
    ) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// What it speaks.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its name or address; IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The user name, if there are credentials.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.credentials.as_ref().map(|(user, _)| user.as_str())
    }

    /// Whether there is a password, which may be empty.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.credentials
            .as_ref()
            .is_some_and(|(_, password)| !password.is_empty())
    }

    /// The dialogue with this proxy that leads to a server.
    ///
    /// # Errors
    /// What the proxy can't be asked for.
    pub(crate) fn tunnel<'a>(&'a self, endpoint: &'a Endpoint) -> Result<Tunnel<'a>, Fault> {
        Tunnel::new(Ask {
            scheme: self.scheme,
            host: &endpoint.host,
            port: endpoint.port,
            credentials: self
                .credentials
                .as_ref()
                .map(|(user, password)| Credentials { user, password }),
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Socks5 => "socks5",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user())
            .finish_non_exhaustive()
    }
}

/// Undoes percent-encoding. What is none stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| {
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            u8::try_from(high? << 4 | low?).ok()
        });
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_right() {
        for (text, shown, user, password) in [
            (
                "http://proxy.example:3128",
                "http://proxy.example:3128",
                None,
                &b""[..],
            ),
            ("proxy.example:3128", "http://proxy.example:3128", None, b""),
            ("http://Proxy.Example", "http://proxy.example:80", None, b""),
            (
                "socks5://[2001:db8::1]/",
                "socks5://[2001:db8::1]:1080",
                None,
                b"",
            ),
            ("socks5h://a:80", "socks5://a:80", None, b""),
            ("socks://a", "socks5://a:1080", None, b""),
            ("http://anna@a:1", "http://a:1", Some("anna"), b""),
            ("anna:secret@a:1", "http://a:1", Some("anna"), b"secret"),
            (
                "http://dom%5Canna:p%40%3a%25%ff@a:1",
                "http://a:1",
                Some("dom\\anna"),
                b"p@:%\xff",
            ),
        ] {
            let proxy = Proxy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (proxy.to_string().as_str(), proxy.user()),
                (shown, user),
                "{text}"
            );
            let found = proxy
                .credentials
                .map_or_else(Vec::new, |(_, password)| password);
            assert_eq!(found, password, "{text}");
        }
    }

    #[test]
    fn urls_that_are_wrong_say_why_and_keep_the_password() {
        for (text, why) in [
            ("https://u:hunter2@a", "not supported"),
            ("socks4://u:hunter2@a", "SOCKS4"),
            ("ftp://u:hunter2@a", "scheme"),
            ("http://u:hunter2@", "host"),
            ("http://u:hunter2@a:99999", "port"),
            ("http://u:hunter2@a/path", "behind"),
            ("socks5://u:hunter2@a b", "domain"),
            ("http://%ff:hunter2@a", "UTF-8"),
            ("", "host"),
        ] {
            let error = Proxy::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let proxy = Proxy::parse("http://anna:hunter2@a").unwrap();
        let shown = format!("{proxy} {proxy:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", b"hunter2")), "{shown}");
        assert!(proxy.has_password());
    }
}
