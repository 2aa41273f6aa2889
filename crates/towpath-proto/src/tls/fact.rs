//! What is seen of a TLS connection, by the tap in its records or by the library inside them.

use super::{Alert, Version};

/// A side of the connection. This side is always the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// This side.
    Client,
    /// The peer.
    Server,
}

impl Side {
    /// The lower-case name that logs and JSON use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// The handshake message types (RFC 5246 section 7.4, RFC 8446 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message(pub u8);

impl Message {
    /// HelloRequest: the server asks for a renegotiation (TLS 1.2).
    pub const HELLO_REQUEST: Self = Self(0);
    /// ClientHello.
    pub const CLIENT_HELLO: Self = Self(1);
    /// ServerHello.
    pub const SERVER_HELLO: Self = Self(2);
    /// NewSessionTicket.
    pub const NEW_SESSION_TICKET: Self = Self(4);
    /// Certificate.
    pub const CERTIFICATE: Self = Self(11);
    /// CertificateRequest.
    pub const CERTIFICATE_REQUEST: Self = Self(13);
    /// ServerHelloDone.
    pub const SERVER_HELLO_DONE: Self = Self(14);
    /// CertificateVerify.
    pub const CERTIFICATE_VERIFY: Self = Self(15);
    /// Finished.
    pub const FINISHED: Self = Self(20);

    /// The name in the specifications.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "HelloRequest",
            1 => "ClientHello",
            2 => "ServerHello",
            4 => "NewSessionTicket",
            8 => "EncryptedExtensions",
            11 => "Certificate",
            12 => "ServerKeyExchange",
            13 => "CertificateRequest",
            14 => "ServerHelloDone",
            15 => "CertificateVerify",
            16 => "ClientKeyExchange",
            20 => "Finished",
            22 => "CertificateStatus",
            24 => "KeyUpdate",
            _ => "handshake message",
        }
    }
}

/// The fields of a hello that decide most failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hello {
    /// The highest version offered, or the one chosen; as on the wire, such as 0x0303.
    pub version: u16,
    /// The suite chosen (ServerHello), or 0.
    pub suite: u16,
    /// How many suites are offered (ClientHello), or 0.
    pub suites: u8,
    /// Whether the server's name is told (SNI).
    pub server_name: bool,
    /// Whether application protocols are offered, or one is chosen (ALPN).
    pub alpn: bool,
    /// Whether secure renegotiation is signalled, by extension or by suite (RFC 5746).
    pub secure_renegotiation: bool,
    /// Whether authentication after the handshake is offered (TLS 1.3).
    pub post_handshake_auth: bool,
    /// The maximum fragment length's code (RFC 6066 section 4), or 0.
    pub max_fragment: u8,
}

/// A public key of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// RSA with this many bits.
    Rsa(u16),
    /// An elliptic curve of this many bits.
    Ec(u16),
    /// Ed25519.
    Ed25519,
    /// Something else.
    Other,
}

/// One fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A handshake message of `len` bytes without its head of four.
    Handshake {
        /// Who sent it.
        from: Side,
        /// Which.
        message: Message,
        /// Its length, bytes.
        len: u32,
    },
    /// The fields of a ClientHello or ServerHello.
    Hello {
        /// Who sent it.
        from: Side,
        /// Its fields.
        hello: Hello,
    },
    /// The certificates that one side showed.
    Chain {
        /// Who sent it.
        from: Side,
        /// How many; 0: it had none to show.
        certificates: u8,
        /// The length of the Certificate message, bytes.
        len: u32,
        /// The leaf's key, where it can be seen.
        key: Option<PublicKey>,
    },
    /// An alert.
    Alert(Alert),
    /// An alert in an encrypted record, whose number only the library can tell.
    HiddenAlert(Side),
    /// After the first handshake the server sent a handshake record of `len` bytes of ciphertext, which in TLS 1.2 can
    /// only be HelloRequest: it asks for a renegotiation.
    HelloRequest {
        /// The record's length, bytes. 28 with AES-GCM, 20 with ChaCha20.
        len: u16,
    },
    /// A renegotiation was taken up.
    Renegotiating,
    /// The renegotiation is complete.
    Renegotiated,
    /// The renegotiation was answered with `no_renegotiation`.
    RenegotiationRefused,
    /// The first handshake is complete.
    Agreed {
        /// The version.
        version: Version,
        /// The suite's number.
        suite: u16,
        /// Whether an earlier session was resumed.
        resumed: bool,
    },
    /// How many flights of the server had to be waited for until the first handshake was complete, which is its number of
    /// round trips: two in TLS 1.2, one if it is resumed, one in TLS 1.3.
    RoundTrips(u8),
    /// The server gave a session to resume later.
    Ticket,
}
