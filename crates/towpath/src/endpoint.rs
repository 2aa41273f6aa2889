//! Where to connect: a URL taken apart.

use std::fmt;

use crate::Error;

/// How to climb to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `mqtt://`: MQTT over TCP, port 1883.
    Mqtt,
    /// `ws://`: MQTT over WebSocket, port 80.
    Ws,
}

impl Scheme {
    /// The port that the scheme means when the URL names none.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Ws => 80,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Ws => "ws",
        }
    }
}

/// A server's address, from a URL such as `mqtt://broker.example` or `ws://broker.example:8080/mqtt`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// How to climb.
    pub scheme: Scheme,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Path and query of the WebSocket, beginning with `/`.
    pub target: String,
}

impl Endpoint {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`Error::Url`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Url { why };
        if !text.contains("://") {
            return Err(wrong(format!(
                "{text:?} has no scheme; write it as mqtt://host or ws://host/path"
            )));
        }
        let url = url::Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        let scheme = match url.scheme() {
            "mqtt" | "tcp" => Scheme::Mqtt,
            "ws" => Scheme::Ws,
            "mqtts" | "ssl" | "tls" | "wss" => {
                return Err(wrong(format!(
                    "{}:// needs TLS, which this version does not have yet",
                    url.scheme()
                )));
            }
            other => {
                return Err(wrong(format!(
                    "{other}:// is not known; use mqtt:// or ws://"
                )));
            }
        };
        if url.password().is_some() || !url.username().is_empty() {
            return Err(wrong(
                "a user or password does not belong into the URL; use the options for them".into(),
            ));
        }
        let host = match url.host() {
            Some(url::Host::Ipv6(address)) => address.to_string(),
            Some(host) if !host.to_string().is_empty() => host.to_string(),
            _ => return Err(wrong("the host is missing".into())),
        };
        if url.fragment().is_some() {
            return Err(wrong("a #fragment has no meaning here".into()));
        }
        let path = if url.path().is_empty() {
            "/"
        } else {
            url.path()
        };
        if scheme == Scheme::Mqtt && (path != "/" || url.query().is_some()) {
            return Err(wrong(
                "mqtt:// has no path; the topic is an argument of its own".into(),
            ));
        }
        let target = url
            .query()
            .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        Ok(Self {
            scheme,
            host,
            port: url.port().unwrap_or_else(|| scheme.port()),
            target,
        })
    }

    /// The value of the HTTP `Host:` header: with the port unless it is the scheme's own (RFC 9110 section 7.2).
    pub(crate) fn host_header(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        write!(f, "{}://{host}:{}", self.scheme.name(), self.port)?;
        if self.scheme == Scheme::Ws {
            f.write_str(&self.target)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_right() {
        for (text, scheme, host, port, target) in [
            ("mqtt://broker", Scheme::Mqtt, "broker", 1883, "/"),
            ("tcp://10.0.0.1:2000", Scheme::Mqtt, "10.0.0.1", 2000, "/"),
            ("mqtt://[::1]:1", Scheme::Mqtt, "::1", 1, "/"),
            (
                "ws://Broker.Example/mqtt?a=b",
                Scheme::Ws,
                "broker.example",
                80,
                "/mqtt?a=b",
            ),
            (
                "ws://h:443/$iothub/websocket",
                Scheme::Ws,
                "h",
                443,
                "/$iothub/websocket",
            ),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(
                (endpoint.scheme, endpoint.host.as_str(), endpoint.port),
                (scheme, host, port),
                "{text}"
            );
            assert_eq!(endpoint.target, target);
        }
    }

    #[test]
    fn urls_that_are_wrong_say_why() {
        for (text, why) in [
            ("broker:1883", "mqtt://host"),
            ("http://broker", "not known"),
            ("mqtt://", "host"),
            ("mqtt://user:secret@broker", "does not belong"),
            ("mqtt://broker/topic", "no path"),
            ("mqtt://broker:99999", "port"),
            ("wss://broker", "TLS"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn the_host_header_names_odd_ports_only() {
        assert_eq!(Endpoint::parse("ws://h/").unwrap().host_header(), "h");
        assert_eq!(
            Endpoint::parse("ws://[::1]:81/").unwrap().host_header(),
            "[::1]:81"
        );
    }
}
