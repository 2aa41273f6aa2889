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
    /// `mqtts://`: MQTT over TLS, port 8883.
    Mqtts,
    /// `wss://`: MQTT over WebSocket over TLS, port 443.
    Wss,
}

impl Scheme {
    /// The port that the scheme means when the URL names none.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Ws => 80,
            Self::Mqtts => 8883,
            Self::Wss => 443,
        }
    }

    /// Whether the path climbs TLS.
    #[must_use]
    pub const fn is_secured(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether the path climbs WebSocket.
    #[must_use]
    pub const fn is_framed(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Ws => "ws",
            Self::Mqtts => "mqtts",
            Self::Wss => "wss",
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
                "{text:?} has no scheme; write it as mqtt://host, mqtts://host or wss://host/path"
            )));
        }
        let url = url::Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        let scheme = match url.scheme() {
            "mqtt" | "tcp" => Scheme::Mqtt,
            "ws" => Scheme::Ws,
            "mqtts" | "ssl" | "tls" => Scheme::Mqtts,
            "wss" => Scheme::Wss,
            other => {
                return Err(wrong(format!(
                    "{other}:// is not known; use mqtt://, mqtts://, ws:// or wss://"
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
        if !scheme.is_framed() && (path != "/" || url.query().is_some()) {
            return Err(wrong(format!(
                "{}:// has no path; the topic is an argument of its own",
                scheme.name()
            )));
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
        if self.scheme.is_framed() {
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
            ("mqtts://broker", Scheme::Mqtts, "broker", 8883, "/"),
            (
                "ws://Broker.Example/mqtt?a=b",
                Scheme::Ws,
                "broker.example",
                80,
                "/mqtt?a=b",
            ),
            (
                "wss://h/$iothub/websocket",
                Scheme::Wss,
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
            ("mqtts://broker/topic", "mqtts:// has no path"),
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
