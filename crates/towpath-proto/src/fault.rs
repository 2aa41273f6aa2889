//! What went wrong, on which rung, whose fault it is and what mends it.

use core::fmt;

use crate::{rung::Rung, text::Text, tls::Alert};

#[cfg(feature = "defmt")]
use crate::interned::interned;

/// The finding of a fault, where its rung or its number decides it; else that of its code. Each id goes through the
/// macro `$id`.
macro_rules! finding {
    ($fault:expr, $id:ident, $of_code:expr) => {
        match ($fault.code, $fault.rung) {
            (Code::Closed, Rung::Upgrade) => $id!("TP-UPG-001"),
            (Code::Closed, Rung::Ws) => $id!("TP-WS-001"),
            (Code::Closed, Rung::Mqtt | Rung::Hub) => $id!("TP-MQTT-001"),
            (Code::Reset, Rung::Mqtt | Rung::Hub) => $id!("TP-MQTT-032"),
            // The number of a CONNACK that refuses: of 3.1.1 up to 5, of MQTT 5 from 0x80 on. Some brokers say the
            // latter to a client of 3.1.1 too.
            (Code::ConnectRefused, _) => match $fault.number {
                1 | 0x84 => $id!("TP-MQTT-003"),
                2 | 0x85 => $id!("TP-MQTT-004"),
                3 | 0x88 | 0x89 => $id!("TP-MQTT-005"),
                4 | 0x86 => $id!("TP-MQTT-006"),
                5 | 0x87 => $id!("TP-MQTT-007"),
                _ => $id!("TP-MQTT-016"),
            },
            (Code::ServerDisconnected, _) if $fault.number == 0x8e => $id!("TP-MQTT-018"),
            (Code::ServerDisconnected, _) if $fault.number == 0x95 => $id!("TP-MQTT-019"),
            (Code::TwinRefused, _) => match $fault.number {
                400 => $id!("TP-HUB-012"),
                413 => $id!("TP-HUB-013"),
                429 => $id!("TP-HUB-014"),
                _ => $id!("TP-HUB-015"),
            },
            (Code::DpsFailed, _) if $fault.number == 400 => $id!("TP-DPS-013"),
            (Code::DpsBusy, _) if $fault.number == 409 => $id!("TP-DPS-005"),
            _ => $of_code,
        }
    };
}

/// Who has to act for a [`Fault`] to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer refused or broke a rule of its protocol.
    Peer,
    /// This side: a buffer, an option, a resource of the machine.
    Local,
    /// The network between the two.
    Path,
    /// The caller asked for something that cannot be.
    Usage,
}

impl Blame {
    /// The lower-case name that logs and JSON use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Local => "local",
            Self::Path => "path",
            Self::Usage => "usage",
        }
    }
}

/// The end of an attempt: one rung, one cause. It is the same value on a device and on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The rung that broke.
    pub rung: Rung,
    /// Who has to act.
    pub blame: Blame,
    /// The cause.
    pub code: Code,
    /// The raw number behind the cause, 0 if there is none: an HTTP status, an MQTT reason code,
    /// a WebSocket close code, an errno, an error code of a service.
    pub number: u32,
    /// The clause of the specification that was broken, or empty.
    pub clause: &'static str,
    /// What the peer said about it: the `Server:` header, a reason string. On the rungs up to TLS it is this side's own
    /// words.
    pub detail: Text<56>,
    /// The TLS alert that ended it, and who sent it.
    pub alert: Option<Alert>,
}

impl Fault {
    /// A fault with the usual blame of its code and nothing more.
    #[must_use]
    #[cfg_attr(target_os = "none", inline(never))]
    pub const fn new(rung: Rung, code: Code) -> Self {
        Self {
            rung,
            blame: code.blame(),
            code,
            number: 0,
            clause: "",
            detail: Text::EMPTY,
            alert: None,
        }
    }

    /// The id of this fault in the catalogue of findings, such as `TP-TCP-010`: `towpath explain` has more about it.
    #[must_use]
    pub fn finding(&self) -> &'static str {
        macro_rules! text {
            ($id:literal) => {
                $id
            };
        }
        finding!(self, text, self.code.finding())
    }

    /// [`finding`](Self::finding) as the number of a string.
    #[cfg(feature = "defmt")]
    pub(crate) fn interned_finding(&self) -> defmt::Str {
        finding!(self, interned, self.code.interned_finding())
    }

    /// Up to TLS, and about itself, this side speaks: an address, an error text.
    pub(crate) fn says_detail(&self) -> bool {
        (self.rung <= Rung::Tls && !self.code.quotes_proxy())
            || matches!(
                self.code,
                Code::Io | Code::DpsMalformed | Code::KeyUnreadable | Code::HttpMalformed
            )
    }

    /// The same fault with the TLS alert that ended it.
    #[must_use]
    pub const fn alert(mut self, alert: Alert) -> Self {
        self.alert = Some(alert);
        self
    }

    /// The same fault with the raw number of the layer below.
    #[must_use]
    pub const fn number(mut self, number: u32) -> Self {
        self.number = number;
        self
    }

    /// The same fault with the clause that was broken.
    #[must_use]
    pub const fn clause(mut self, clause: &'static str) -> Self {
        self.clause = clause;
        self
    }

    /// The same fault with what the peer said.
    #[must_use]
    pub fn detail(mut self, said: &[u8]) -> Self {
        self.detail.keep(said);
        self
    }

    /// The same fault with another side to blame.
    #[must_use]
    pub const fn blame(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }
}

/// A fault of MQTT on its way up through the calls of the core, where each step copies it: without the rung, which is
/// the same for all, and without room for what the peer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) code: Code,
    pub(crate) number: u32,
    pub(crate) clause: &'static str,
}

impl Cause {
    pub(crate) const fn new(code: Code) -> Self {
        Self::numbered(code, 0)
    }

    pub(crate) const fn numbered(code: Code, number: u32) -> Self {
        Self {
            code,
            number,
            clause: "",
        }
    }

    pub(crate) const fn clause(mut self, clause: &'static str) -> Self {
        self.clause = clause;
        self
    }
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Self::new(Rung::Mqtt, cause.code)
            .number(cause.number)
            .clause(cause.clause)
    }
}

/// One line: `rung: cause (number; peer says "..."; clause). remedy [id]`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rung, self.code.cause())?;
        let mut open = false;
        let mut part = |f: &mut fmt::Formatter<'_>| {
            let before = if open { "; " } else { " (" };
            open = true;
            f.write_str(before)
        };
        if self.number != 0 {
            part(f)?;
            self.code.fmt_number(self.number, f)?;
        }
        if let Some(alert) = self.alert {
            part(f)?;
            fmt::Display::fmt(&alert, f)?;
        }
        if !self.detail.is_empty() {
            part(f)?;
            if self.says_detail() {
                write!(f, "{}", self.detail)?;
            } else {
                write!(f, "peer says {:?}", self.detail)?;
            }
        }
        if !self.clause.is_empty() {
            part(f)?;
            f.write_str(self.clause)?;
        }
        if open {
            f.write_str(")")?;
        }
        if !self.code.remedy().is_empty() {
            write!(f, ". {}", self.code.remedy())?;
        }
        write!(f, " [{}]", self.finding())
    }
}

impl core::error::Error for Fault {}

/// What kind of number [`Fault::number`] is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Os,
    Http,
    Reason,
    Close,
    Bytes,
    Millis,
    Tls,
    /// A response code of DNS.
    Rcode,
    /// A reply code of SOCKS5.
    Socks,
    /// An error code of the Device Provisioning Service, such as 401002; below 1000 the status alone.
    Dps,
}

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident $finding:literal, $blame:ident, $number:ident, $cause:literal, $remedy:literal; )*) => {
        /// The causes that a [`Fault`] can have. Each has one cause text and one remedy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $( #[doc = $cause] $(#[$doc])* $name, )* }

        impl Code {
            /// Every code, for tables and tests.
            pub const ALL: &'static [Self] = &[$( Self::$name, )*];

            /// The name as written in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => stringify!($name), )* }
            }

            /// The cause, as the middle of a sentence.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $( Self::$name => $cause, )* }
            }

            /// What to try, as a sentence; empty if the cause says it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $( Self::$name => $remedy, )* }
            }

            /// Who usually has to act.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $( Self::$name => Blame::$blame, )* }
            }

            /// The id in the catalogue of findings, such as `TP-TCP-010`, by the code alone; see [`Fault::finding`].
            #[must_use]
            pub const fn finding(self) -> &'static str {
                match self { $( Self::$name => $finding, )* }
            }

            pub(crate) const fn number_kind(self) -> Number {
                match self { $( Self::$name => Number::$number, )* }
            }

            /// Cause and remedy as numbers of strings.
            #[cfg(feature = "defmt")]
            pub(crate) fn interned(self) -> (defmt::Str, Option<defmt::Str>) {
                match self { $( Self::$name => {
                    let remedy = (!$remedy.is_empty()).then_some(interned!($remedy));
                    (interned!($cause), remedy)
                } )* }
            }

            #[cfg(feature = "defmt")]
            fn interned_finding(self) -> defmt::Str {
                match self { $( Self::$name => interned!($finding), )* }
            }
        }
    };
}

codes! {
    // Address and name.
    NoSourceAddress "TP-ADDR-001", Path, Os, "this device has no address that reaches beyond its own link", "Wait for the network's router advertisement or DHCP, or look why none comes.";
    FamilyUnavailable "TP-ADDR-002", Usage, Os, "the name or address exists only in the other address family", "Allow both families, or use a name that has addresses of this one.";
    NameInvalid "TP-DNS-010", Usage, Os, "this is no valid host name", "Correct the host name; names beyond ASCII are written in punycode (xn--).";
    NoResolver "TP-DNS-001", Path, Os, "no DNS server is known", "Give one with --resolver, or let the network announce one (RDNSS, DHCP).";
    ResolverSilent "TP-DNS-002", Path, Millis, "no DNS server answered", "Check the DNS servers of this network, or give another with --resolver.";
    ResolverRefused "TP-DNS-003", Path, Rcode, "the DNS server refuses the question", "Use a DNS server that serves this network (--resolver).";
    ResolverFailed "TP-DNS-004", Path, Rcode, "the DNS server failed", "Ask another DNS server (--resolver); this one can't reach the name's own servers, or does not trust their answer.";
    NameNotFound "TP-DNS-005", Usage, Rcode, "the name does not exist", "Check the host name; if it is right, check the DNS server of this network.";
    NoAddress "TP-DNS-006", Path, Os, "the name exists but has no usable address", "Check the name's A and AAAA records.";
    AliasLoop "TP-DNS-007", Path, Os, "the name's aliases (CNAME) go in a circle or have no end", "Mend the CNAME records of the name.";
    AnswerMalformed "TP-DNS-008", Path, Os, "the DNS server's answer can't be read", "A middlebox may have damaged it; give another server with --resolver.";
    AnswerTooLarge "TP-DEV-022", Local, Bytes, "the DNS server's answer is larger than the buffer for it", "Give the resolver a larger buffer, or the name fewer addresses.";
    // NAT64.
    Nat64NoPrefix "TP-NAT64-001", Path, Os, "the server has IPv4 addresses only, this network offers IPv6 only, and no NAT64 prefix is known", "Give the prefix with --nat64-prefix (a Thread border router lists it in its network data), or use a network with NAT64.";
    Nat64PrefixInvalid "TP-NAT64-002", Usage, Os, "this is no NAT64 prefix", "Give an IPv6 prefix of length 32, 40, 48, 56, 64 or 96 whose bits 64 to 71 are zero (RFC 6052).";
    Nat64Private "TP-NAT64-003", Usage, Os, "the server's IPv4 address is private, and the well-known NAT64 prefix 64:ff9b::/96 may not carry private addresses", "Let the network use a prefix of its own for NAT64, or give the server a public or an IPv6 address.";
    Nat64Silent "TP-NAT64-004", Path, Millis, "no answer through NAT64", "The translator is dead, or the server behind it is; try another IPv4 address through the same prefix to tell.";
    Nat64NoRoute "TP-NAT64-005", Path, Os, "no route through NAT64", "NAT64 was withdrawn, the prefix is an old one, or the IPv4 host behind it is down: look at the router's NAT64 and its prefix, then at the host.";
    // TCP.
    BindFailed "TP-DEV-024", Usage, Os, "the source address cannot be used", "Give --bind an address that this machine has.";
    Refused "TP-TCP-010", Peer, Os, "connection refused: nothing listens on this port", "Check the port, and that the server runs.";
    HostUnreachable "TP-TCP-011", Path, Os, "no route to the host", "Check the address and the route; a firewall may reject it.";
    NetUnreachable "TP-TCP-012", Path, Os, "the network is unreachable", "Check that this machine has a route and the address family.";
    ConnectTimeout "TP-TCP-013", Path, Millis, "no answer to the connection request", "A firewall drops it, or the host is down; try port 443.";
    Reset "TP-TCP-002", Path, Os, "the connection was reset", "The peer or a middlebox cut it; look at the peer's log. A TLS port does this to plain MQTT.";
    Closed "TP-TCP-001", Peer, Os, "the peer closed the connection", "Look at the peer's log; with mqtt:// or ws:// on a TLS port, use mqtts:// or wss://.";
    Io "TP-DEV-023", Local, Os, "the operating system reported an error", "";
    LargePacketsLost "TP-TCP-015", Path, Bytes, "small packets pass, large ones vanish: the path's MTU is smaller than announced, and nothing says so", "Give --mss (1200, or 400 if that is too much), or let the router clamp the MSS to its path's MTU.";
    // Proxy.
    ProxyName "TP-PROXY-001", Usage, Os, "the proxy can't be asked for this", "Change what is named here: a host name that is too long, or characters that the proxy's protocol can't carry.";
    NotProxy "TP-PROXY-002", Usage, Http, "what answers is no proxy of this kind", "Check the proxy's scheme (http:// or socks5://), host and port.";
    ProxyTimeout "TP-PROXY-003", Path, Millis, "the proxy does not answer", "The proxy is overloaded or can't reach the server; look at its log.";
    ProxyClosed "TP-PROXY-004", Peer, Os, "the proxy closed the connection without an answer", "Check the proxy's scheme and port, and its access rules.";
    ProxyRefused "TP-PROXY-005", Peer, Http, "the proxy forbids the connection", "Have the server's name and port allowed in the proxy's rules; many allow port 443 only.";
    ProxyAuthFailed "TP-PROXY-006", Peer, Http, "the proxy does not take these credentials", "Check user and password of the proxy.";
    ProxyAuthScheme "TP-PROXY-007", Peer, Http, "the proxy offers only kinds of authentication that are not known here", "Let the proxy offer Basic or Digest to this device.";
    ProxyBadGateway "TP-PROXY-008", Peer, Http, "the proxy can't reach the server", "Check the server's name and port, and from the proxy's network.";
    ProxyStatus "TP-PROXY-009", Peer, Http, "the proxy did not open the connection", "Look at the proxy's log.";
    SocksFailed "TP-PROXY-010", Peer, Socks, "the SOCKS proxy did not open the connection", "Look at the reason; the proxy's rules, or the server's name and port.";
    SocksMethod "TP-PROXY-011", Peer, Os, "the SOCKS proxy takes none of the offered authentication methods", "Give the proxy's user and password, or none if it wants none.";
    SocksAuthFailed "TP-PROXY-012", Peer, Os, "the SOCKS proxy does not take these credentials", "Check user and password of the proxy.";
    // TLS: what this side brings along.
    TlsProfile "TP-DEV-026", Usage, Os, "TLS can't be done as asked", "Change the setting named here, or take the other TLS back-end.";
    TlsMaterial "TP-DEV-027", Usage, Tls, "a certificate, key or name for TLS can't be used", "Check the file or the value that is named; PEM and DER are read.";
    ClockUnset "TP-DEV-029", Local, Os, "the clock is not set, so certificates can't be checked", "Set the clock first (SNTP), or choose expressly to go without dates.";
    // TLS: the handshake as such.
    TlsTimeout "TP-TLS-002", Path, Millis, "no answer in the TLS handshake", "Something swallows it: a port that is no TLS, or a network that drops large packets (try a smaller MSS).";
    TlsClosed "TP-TLS-001", Peer, Tls, "the connection ended inside the TLS handshake", "The port may speak no TLS, or the server wants another name (SNI), ALPN, version or certificate; look at its log.";
    PeerNotTls "TP-TLS-003", Usage, Os, "the peer does not speak TLS on this port", "Use mqtt:// or ws://, or the TLS port (often 8883, or 443).";
    TlsAlert "TP-TLS-029", Peer, Tls, "the server ended TLS with an alert", "Look at the server's log.";
    NoCommonVersion "TP-TLS-021", Peer, Tls, "client and server have no TLS version in common", "Widen --tls-min and --tls-max, or enable the server's version.";
    NoCommonSuite "TP-TLS-020", Peer, Tls, "client and server have no cipher suite or group in common", "Offer a suite that fits the server's key (RSA or ECDSA) and a group that it takes.";
    NoCommonAlpn "TP-TLS-028", Peer, Tls, "the server takes none of the application protocols offered", "Offer the ALPN name that this server wants, or none.";
    UnknownServerName "TP-TLS-027", Peer, Tls, "the server does not know the name it was asked for", "Check the host name, or give the right one with --sni.";
    TlsRecord "TP-TLS-045", Peer, Tls, "a broken TLS record", "A middlebox may have damaged it, or the peer is no TLS server.";
    TlsInternal "TP-DEV-025", Local, Tls, "the TLS library failed", "Look at the number and the text; out of memory is the usual cause on a device.";
    TlsMessageTooLarge "TP-TLS-017", Local, Tls, "a handshake message is larger than the TLS input buffer", "Raise the input buffer (MBEDTLS_SSL_IN_CONTENT_LEN) above the server's Certificate message; a maximum fragment length does not help.";
    TlsNumberTooLarge "TP-TLS-046", Local, Tls, "an RSA key is larger than the TLS library's numbers", "Raise MBEDTLS_MPI_MAX_SIZE; RSA-4096 needs 512.";
    // TLS: the server's certificate.
    ServerCertificateUntrusted "TP-TLS-013", Peer, Tls, "the server's certificate leads to no root that is trusted", "Give its root with --cafile; a middlebox that inspects TLS looks the same.";
    ServerChainIncomplete "TP-TLS-015", Peer, Tls, "the server sent its own certificate without the one that signed it", "Let the server send the whole chain; if a CA of your own signed it, give that with --cafile.";
    ServerCertificateExpired "TP-TLS-010", Peer, Tls, "the server's certificate has expired", "Renew it; if it is valid, the clock of this device is wrong.";
    ServerCertificateFuture "TP-TLS-011", Peer, Tls, "the server's certificate is not valid yet", "Set the clock of this device; if it is right, the certificate was issued for later.";
    ServerCertificateName "TP-TLS-012", Peer, Tls, "the server's certificate is for another name", "Use a name or an address that the certificate bears.";
    ServerCertificateWeak "TP-TLS-016", Peer, Tls, "the server's certificate uses a key or a hash that is too weak", "Let the server use RSA of 2048 bits or more, or P-256, and SHA-256.";
    ServerCertificateBad "TP-TLS-019", Peer, Tls, "the server's certificate is not valid", "Look at the number; the certificate may be revoked, damaged or for another purpose.";
    // TLS: the client's certificate.
    ClientCertificateMissing "TP-TLS-026", Peer, Tls, "the server wants a client certificate and got none", "Give --cert and --key.";
    ClientCertificateUntrusted "TP-TLS-040", Peer, Tls, "the server does not know the CA of the client certificate", "Register the CA with the server, or send the intermediate certificates too.";
    ClientCertificateExpired "TP-TLS-041", Peer, Tls, "the server says the client certificate has expired", "Renew the client certificate.";
    ClientCertificateRefused "TP-TLS-042", Peer, Tls, "the server refuses the client certificate", "Look at the server's log; expired, revoked or of another CA are the usual causes.";
    ClientCertificateUnanswered "TP-TLS-043", Peer, Tls, "the server closed the connection after it asked for the client certificate", "It took no certificate, or refused this one without saying so; look at its log.";
    PostHandshakeMissing "TP-TLS-039", Peer, Http, "the server could not ask for the client certificate after the TLS 1.3 handshake", "Set the highest version to TLS 1.2, or take a back-end with post-handshake authentication (OpenSSL).";
    // TLS: renegotiation.
    RenegotiationOff "TP-TLS-031", Peer, Tls, "the server asked for a TLS renegotiation, which this side does not allow", "It wants a client certificate: give --cert and --key, with which one is allowed until CONNACK; on a device enable MBEDTLS_SSL_RENEGOTIATION and switch it on at run time.";
    RenegotiationAgain "TP-TLS-037", Peer, Tls, "the server asked for a second TLS renegotiation", "One is allowed; let the server ask for the certificate once.";
    RenegotiationLate "TP-TLS-036", Peer, Tls, "the server asked for a TLS renegotiation after CONNACK", "Let the server ask for the certificate before it accepts the connection.";
    RenegotiationInsecure "TP-TLS-033", Peer, Tls, "the server's TLS has no secure renegotiation (RFC 5746)", "Update the server's TLS: without it somebody in between could put bytes in front of a connection.";
    RenegotiationIdentity "TP-TLS-038", Peer, Tls, "the server came to the TLS renegotiation with another certificate", "Somebody may stand in between; a load balancer over unlike servers also does this.";
    RenegotiationClosed "TP-TLS-034", Peer, Tls, "the connection ended inside the TLS renegotiation", "The server may want a client certificate, or refuse this one without saying so; look at its log.";
    RenegotiationTimeout "TP-TLS-035", Path, Millis, "the TLS renegotiation did not come to its end", "Raise the time for a rung; a slow device, or a server that waits for more, is the usual cause.";
    // Either layer, when the peer turns out to speak something else.
    PeerSpeaksTls "TP-TLS-048", Usage, Os, "the peer speaks TLS on this port", "Use mqtts:// or wss://, or the plain port.";
    PeerSpeaksHttp "TP-MQTT-022", Usage, Os, "the peer is an HTTP server", "Use ws://, or the MQTT port (often 1883).";
    // HTTP upgrade.
    RequestField "TP-DEV-035", Usage, Os, "a part of the upgrade request may not be sent", "Take line breaks, control characters and the handshake's own headers out of host, path, subprotocol and headers.";
    UpgradeTimeout "TP-UPG-002", Path, Millis, "no complete answer to the upgrade request", "The server or a proxy holds the request; check host, port and path.";
    NotHttp "TP-UPG-019", Peer, Os, "the answer is not HTTP/1.1", "This port is no WebSocket server; check port and scheme.";
    HeadMalformed "TP-UPG-020", Peer, Os, "the HTTP answer is malformed", "A middlebox may have damaged it.";
    HeadTooLarge "TP-UPG-006", Peer, Bytes, "the HTTP answer has a head without end", "This is no WebSocket server, or a proxy adds headers.";
    BadRequest "TP-UPG-011", Peer, Http, "the server calls the upgrade request bad", "Check the path, the query and the subprotocol.";
    Unauthorized "TP-UPG-012", Peer, Http, "the server asks for HTTP credentials", "Give the credentials that the server's front end wants.";
    Forbidden "TP-UPG-013", Peer, Http, "the server forbids the upgrade", "Check the path, the client certificate and the server's access list.";
    NotFound "TP-UPG-014", Peer, Http, "the server has no such path", "Check the path of the URL (often /mqtt).";
    ProxyAuthRequired "TP-PROXY-013", Peer, Http, "a proxy asks for credentials", "Give the proxy's user and password.";
    UpgradeRequired "TP-UPG-016", Peer, Http, "the server wants another protocol version", "The server may not speak WebSocket version 13.";
    Redirected "TP-UPG-017", Peer, Http, "the server redirects the request", "Use the address it points to; a captive portal also does this.";
    ServerError "TP-UPG-018", Peer, Http, "the server failed", "The front end can't reach the broker, or it is overloaded; try later.";
    HttpStatus "TP-UPG-003", Peer, Http, "the server did not switch to WebSocket", "This path is no WebSocket; check the path of the URL.";
    UpgradeHeader "TP-UPG-021", Peer, Http, "the answer says 101 but not `Upgrade: websocket`", "A proxy in between may strip the header.";
    WrongAccept "TP-UPG-009", Peer, Http, "the answer's accept hash is wrong", "A cache or a proxy in between answered instead of the server.";
    NoSubprotocol "TP-UPG-007", Peer, Http, "the server did not take the subprotocol mqtt", "This path is a WebSocket but no MQTT; check the path.";
    WrongSubprotocol "TP-UPG-008", Peer, Http, "the server chose a subprotocol that was not offered", "Offer the subprotocol that this server knows (mqtt, mqttv3.1).";
    UnaskedExtension "TP-UPG-022", Peer, Http, "the server uses an extension that was not offered", "A proxy in between changes the upgrade.";
    // HTTP for its own sake: REST calls, downloads.
    HttpTimeout "TP-HUB-032", Path, Millis, "no complete answer to the HTTP request", "The server or a proxy holds the request; try again, or raise the time for a rung.";
    HttpMalformed "TP-HUB-033", Peer, Os, "the HTTP answer can't be read", "Check host and port; a middlebox may have damaged it.";
    HttpCut "TP-HUB-034", Peer, Bytes, "the connection ended before the HTTP answer did", "Ask again; a download goes on where it ended.";
    HttpTooLarge "TP-DEV-022", Local, Bytes, "the HTTP answer is larger than what is taken here", "This may be another server; check the address.";
    UploadRefused "TP-HUB-030", Peer, Http, "the hub does not take the file upload", "Link a storage account and a container to the hub; check the device's credentials; at most 10 uploads of a device may be under way.";
    StorageRefused "TP-HUB-031", Peer, Http, "the storage does not take the file", "Upload again: the place for a file is given for an hour at most; look at the storage account's firewall.";
    // WebSocket frames, RFC 6455.
    FrameMask "TP-WS-005", Peer, Os, "a frame is masked the wrong way", "The peer breaks RFC 6455.";
    FrameReserved "TP-WS-008", Peer, Os, "a frame uses reserved bits or a reserved opcode", "The peer breaks RFC 6455, or uses an extension unasked.";
    FrameControl "TP-WS-008", Peer, Os, "a control frame is fragmented or too long", "The peer breaks RFC 6455.";
    FrameOrder "TP-WS-008", Peer, Os, "a frame continues nothing, or a message is not continued", "The peer breaks RFC 6455.";
    FrameLength "TP-WS-008", Peer, Os, "a frame's length is not valid", "The peer breaks RFC 6455.";
    FrameText "TP-WS-004", Peer, Os, "a text frame where MQTT needs binary", "This path is a WebSocket but no MQTT; check the path.";
    FrameUtf8 "TP-WS-008", Peer, Os, "a text message is not UTF-8", "The peer breaks RFC 6455.";
    FrameClose "TP-WS-008", Peer, Close, "a close frame is not valid", "The peer breaks RFC 6455.";
    WsClosed "TP-WS-007", Peer, Close, "the peer closed the WebSocket", "Look at the peer's log.";
    // MQTT.
    ConnackTimeout "TP-MQTT-002", Path, Millis, "no CONNACK", "The server is overloaded, or this port is no MQTT server.";
    PingTimeout "TP-MQTT-013", Path, Millis, "the server stopped answering", "The network broke silently; a shorter keep-alive notices it sooner.";
    Malformed "TP-MQTT-009", Peer, Bytes, "a malformed packet", "The peer breaks MQTT, or this port is no MQTT server.";
    ProtocolError "TP-MQTT-020", Peer, Bytes, "a packet that is not allowed here", "The peer breaks MQTT.";
    PacketTooLarge "TP-MQTT-019", Peer, Bytes, "a packet larger than agreed", "Raise the maximum packet size on the side that refuses.";
    BufferTooSmall "TP-DEV-022", Local, Bytes, "a packet's head does not fit the receive buffer", "Enlarge the receive buffer, or announce a maximum packet size.";
    SessionFull "TP-DEV-022", Local, Bytes, "the session store is full", "Enlarge the store, or lower the receive maximum.";
    ReceiveMaximum "TP-MQTT-021", Peer, Bytes, "the server sent more unacknowledged messages than allowed", "The peer breaks MQTT.";
    TopicAlias "TP-MQTT-021", Peer, Bytes, "a topic alias that was not agreed", "The peer breaks MQTT.";
    AliasesFull "TP-DEV-022", Local, Bytes, "the topic alias buffer is full", "Enlarge the alias buffer, or announce fewer aliases.";
    ConnectRefused "TP-MQTT-016", Peer, Reason, "the server refused the connection", "Check client id, user, password and the server's access rules.";
    ServerDisconnected "TP-MQTT-017", Peer, Reason, "the server ended the connection", "Look at the reason, and at the server's log.";
    // The hub and its Device Provisioning Service.
    DpsUnauthorized "TP-DPS-003", Peer, Dps, "the provisioning service does not take this device's proof", "Check ID scope, registration ID and key against the enrolment (a group's devices have keys derived from its own), and the clock; with a certificate, its common name has to be the registration ID, and the intermediates have to be sent along.";
    DpsNotFound "TP-DPS-004", Peer, Dps, "the provisioning service has no enrolment for this device", "Check the ID scope and the registration ID, or create an enrolment for it.";
    DpsDisabled "TP-DPS-008", Peer, Dps, "the enrolment of this device is disabled", "Enable it at the provisioning service.";
    DpsUnassigned "TP-DPS-010", Peer, Dps, "the provisioning service knows the device and assigned no hub", "Link a hub to the service, or look at the enrolment's allocation policy.";
    DpsThrottled "TP-DPS-006", Peer, Dps, "the provisioning service has too many requests", "It is asked again later; keep the assignment over restarts, and spread the starts of a fleet.";
    DpsBusy "TP-DPS-007", Peer, Dps, "the provisioning service can't answer now", "It is asked again later; look at Azure's status page if it lasts.";
    DpsFailed "TP-DPS-009", Peer, Dps, "the provisioning service refuses the registration", "Look at the number and the text; the payload, the request for a certificate, or the allocation function are the usual causes.";
    DpsMalformed "TP-DPS-014", Peer, Dps, "the provisioning service's answer can't be read", "Check the host name of the service; this may be another server.";
    DpsSilent "TP-DPS-012", Path, Millis, "the provisioning service does not answer", "It accepted the connection: ask again later, and look at Azure's status page if it lasts.";
    HubUnauthorized "TP-HUB-021", Peer, Reason, "the hub does not take this device", "Check its key or certificate, the clock, and that the device exists at this hub and is enabled; the hub has one word for all of these.";
    HubName "TP-HUB-026", Usage, Os, "an identifier or a payload that can't be said to the hub", "Look at the rule: identifiers have no +, # or control characters, and what DPS is told beside the registration ID is a JSON object.";
    HubSilent "TP-HUB-027", Path, Millis, "the hub accepted the connection and acknowledges nothing", "Something on the way swallows what is sent; the device comes back without sending ahead of the answer. Look at the proxy or firewall if it lasts.";
    HubFilterRefused "TP-HUB-028", Peer, Reason, "the hub refuses a subscription", "A hub of the basic tier has no cloud-to-device messages, methods and twins: switch off what it lacks.";
    TwinSilent "TP-HUB-016", Path, Millis, "the hub does not answer for the device's twin", "It is asked again; look at Azure's status page if it lasts.";
    TwinRefused "TP-HUB-015", Peer, Dps, "the hub does not give the device's twin", "It is asked again; with 429 the hub has too many requests. A hub of the basic tier has no twins: do without.";
    KeyUnreadable "TP-DEV-030", Usage, Os, "the device's key can't be read", "Give the key as the portal shows it: base64 on one line, with nothing before or behind it.";
}

impl Code {
    /// Whether the detail is what a proxy said.
    const fn quotes_proxy(self) -> bool {
        matches!(
            self,
            Self::NotProxy
                | Self::ProxyRefused
                | Self::ProxyAuthFailed
                | Self::ProxyBadGateway
                | Self::ProxyStatus
        )
    }

    fn fmt_number(self, number: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number_kind() {
            Number::Os => write!(f, "os error {number}"),
            Number::Http => write!(f, "HTTP {number}"),
            Number::Close => write!(f, "close code {number}"),
            Number::Bytes => write!(f, "{number} bytes"),
            Number::Millis => write!(f, "{number} ms"),
            Number::Rcode => f.write_str(rcode(number)),
            Number::Socks => write!(f, "reply {number}: {}", socks_reply(number)),
            Number::Dps if number < 1000 => write!(f, "status {number}"),
            Number::Dps => write!(f, "error {number}"),
            // OpenSSL numbers what verification found; Mbed TLS has negative errors from 0x1000 on.
            Number::Tls if number <= 0xff => write!(f, "X.509 error {number}"),
            Number::Tls => write!(f, "Mbed TLS error -0x{number:04x}"),
            Number::Reason => match u8::try_from(number) {
                Ok(byte) => fmt::Display::fmt(&crate::mqtt::reason::ReasonCode(byte), f),
                Err(_) => write!(f, "{number}"),
            },
        }
    }
}

/// The name of a DNS response code (RFC 1035 section 4.1.1, RFC 6895 section 2.3).
pub(crate) const fn rcode(number: u32) -> &'static str {
    match number {
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => "an unusual RCODE",
    }
}

/// What a reply code of SOCKS5 means (RFC 1928 section 6).
pub(crate) const fn socks_reply(number: u32) -> &'static str {
    match number {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "an unknown reason",
    }
}
