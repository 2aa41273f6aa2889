//! What both sides share. The names in C are those of the header; numbers that come from C are plain integers, because
//! a Rust enum or `bool` with another value would be undefined.

use core::ffi::{c_char, c_int, c_void};

/// The number of this interface. It changes with each change that a program must be compiled again for.
pub const TOWPATH_ABI: u32 = 1;

/// How many subscriptions, filters, headers or properties one call takes.
pub const TOWPATH_MOST: usize = 8;

/// MQTT 3.1.1, for `towpath_options.version`.
pub const TOWPATH_V311: u8 = 4;

/// MQTT 5, for `towpath_options.version`.
pub const TOWPATH_V5: u8 = 5;

/// The bytes of the id of a finding, such as `TP-MQTT-004`, with the zero behind it.
pub const TOWPATH_FINDING: usize = 16;

/// `towpath_wait.until_ms` when there is no deadline.
pub const TOWPATH_NEVER: u64 = u64::MAX;

/// How a call ended. Unless something else is said, nothing was changed when it is not `TOWPATH_STATUS_OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer is null that may not be.
    Null = -1,
    /// `towpath_init` was not called for this client.
    NotInitialised = -2,
    /// The client is in use further up the stack: a callback called it.
    Busy = -3,
    /// A number or a length that is not allowed.
    Argument = -4,
    /// More than `TOWPATH_MOST` of something.
    TooMany = -5,
    /// A text that is not UTF-8.
    Text = -6,
    /// The callback for random numbers failed.
    Random = -7,
    /// There is no such property.
    None = -8,
    /// The library was built without it.
    NotBuilt = -9,
    /// MQTT 3.1.1 has no way to say this.
    NeedsV5 = -20,
    /// A topic, filter or property is not valid.
    Invalid = -21,
    /// The server takes only a lower QoS.
    Qos = -22,
    /// The server keeps no retained messages.
    Retain = -23,
    /// The packet is larger than the server takes.
    PacketTooLarge = -24,
    /// The server has no wildcard subscriptions.
    Wildcard = -25,
    /// The server has no shared subscriptions.
    Shared = -26,
    /// The server has no subscription identifiers.
    SubscriptionIdentifier = -27,
    /// No room in the session store or the transmit buffer now: send what is due, or give larger buffers.
    Full = -28,
    /// All packet identifiers are in use.
    NoPacketId = -29,
    /// There is no connection and the command makes no sense without one.
    NotConnected = -30,
    /// A host, path or header holds characters that HTTP does not allow.
    Header = -31,
    /// The command can't be taken for a reason that this interface has no word for.
    Refused = -32,
}

/// Some bytes; not text with a zero at its end. `data` may be null if `len` is 0.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

/// The client's memory. It has to stay where it is and be left alone for as long as the client is used.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Buffers {
    /// Received bytes. It has to hold the largest packet, except for the payload of a message, which may come in
    /// pieces; for WebSocket 140 bytes more.
    pub rx: *mut u8,
    /// Bytes of `rx`.
    pub rx_len: usize,
    /// Bytes to send: the largest packet and 160 bytes more, or CONNECT and the HTTP request together.
    pub tx: *mut u8,
    /// Bytes of `tx`.
    pub tx_len: usize,
    /// What outlives a connection: messages that are not acknowledged, each with 12 bytes more, and subscriptions on
    /// their way.
    pub store: *mut u8,
    /// Bytes of `store`.
    pub store_len: usize,
    /// Topics behind topic aliases of MQTT 5. May be null: then there are none.
    pub aliases: *mut u8,
    /// Bytes of `aliases`.
    pub aliases_len: usize,
}

/// Where random numbers come from that nobody else can predict; for keys and masks of WebSocket, and for pauses.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Random {
    /// Fills `out` with `len` random bytes and answers 0, or something else if it can't: then the attempt ends. It
    /// must not call the client.
    pub fill: Option<unsafe extern "C" fn(context: *mut c_void, out: *mut u8, len: usize) -> c_int>,
    /// Handed to `fill`.
    pub context: *mut c_void,
}

/// A property of MQTT 5, by its number on the wire (MQTT 5 section 2.2.2.2).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Property {
    /// Its number, such as 0x11 for the session expiry interval.
    pub id: u8,
    /// The value of a property that is a number.
    pub number: u32,
    /// The value of a property that is bytes or text; of a user property (0x26) the name.
    pub data: Bytes,
    /// The value of a user property.
    pub value: Bytes,
}

/// A list of properties; at most `TOWPATH_MOST`. With MQTT 3.1.1 it has to be empty.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Properties {
    /// The first. May be null if there are none.
    pub list: *const Property,
    /// How many.
    pub count: usize,
}

/// A message to publish, and the will.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Outgoing {
    /// Where, with a zero at its end.
    pub topic: *const c_char,
    /// What.
    pub payload: Bytes,
    /// How often it may arrive: 0 at most once, 1 at least once, 2 exactly once.
    pub qos: u8,
    /// Not 0: the server keeps it.
    pub retain: u8,
    /// Properties of MQTT 5.
    pub properties: Properties,
}

/// One filter to subscribe to.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Subscription {
    /// The topics, with a zero at its end.
    pub filter: *const c_char,
    /// The highest QoS wanted.
    pub qos: u8,
    /// Not 0: don't send back what this client publishes. MQTT 5.
    pub no_local: u8,
    /// Not 0: keep the retain flag as published. MQTT 5.
    pub retain_as_published: u8,
    /// Retained messages: 0 at each subscribe, 1 if the subscription is new, 2 never. MQTT 5.
    pub retain_handling: u8,
}

/// A header of the HTTP request.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Header {
    /// Its name, with a zero at its end.
    pub name: *const c_char,
    /// Its value, with a zero at its end. It is never printed.
    pub value: *const c_char,
}

/// How the WebSocket is asked for (RFC 6455 section 4.1).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Upgrade {
    /// The `Host:` header: the name, and the port unless it is 80 (443 with TLS).
    pub host: *const c_char,
    /// Path and query, beginning with `/`.
    pub target: *const c_char,
    /// The subprotocols offered, separated by commas. Null: `mqtt`.
    pub subprotocols: *const c_char,
    /// Further headers; at most `TOWPATH_MOST`. May be null if there are none.
    pub headers: *const Header,
    /// How many.
    pub header_count: usize,
}

/// How to begin an attempt. `towpath_defaults` fills it in.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Options {
    /// `TOWPATH_V5`, which is the default, or `TOWPATH_V311`.
    pub version: u8,
    /// Not 0: without an earlier session. Default: 1.
    pub clean_start: u8,
    /// Not 0: TLS lies on the byte stream, so nothing leaves before `towpath_reached` says `TOWPATH_RUNG_TLS`.
    pub secured: u8,
    /// Not 0: commands are sent behind CONNECT without waiting for CONNACK.
    pub pipeline: u8,
    /// Not 0: the application acknowledges messages of QoS 1 and 2 with `towpath_acknowledge`.
    pub manual_acks: u8,
    /// The longest silence of the client in seconds; 0 switches it off. Default: 60.
    pub keep_alive: u16,
    /// How many messages of QoS 1 and 2 may be unacknowledged; 0: as many as the server takes.
    pub window: u16,
    /// How long each rung may take, and the answer to a ping, in milliseconds. Default: 10000.
    pub patience_ms: u32,
    /// The client identifier. Null or empty: the server makes one up.
    pub client_id: *const c_char,
    /// The user name, or null.
    pub user_name: *const c_char,
    /// The password; none if `data` is null. Never printed.
    pub password: Bytes,
    /// What the server publishes when the client vanishes, or null.
    pub will: *const Outgoing,
    /// Climb by WebSocket, or null.
    pub upgrade: *const Upgrade,
    /// Properties of MQTT 5.
    pub properties: Properties,
}

/// One step of an attempt, in the order of climbing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Rung {
    /// The interface is up.
    Link = 0,
    /// The device has a usable source address.
    Address = 1,
    /// The name resolves.
    Dns = 2,
    /// An IPv4 address is reachable through a translator.
    Nat64 = 3,
    /// The TCP connection is established.
    Tcp = 4,
    /// A proxy relays the connection.
    Proxy = 5,
    /// The TLS handshake is complete.
    Tls = 6,
    /// The HTTP server switches to WebSocket.
    Upgrade = 7,
    /// WebSocket frames flow.
    Ws = 8,
    /// The MQTT server accepts the connection.
    Mqtt = 9,
    /// The cloud hub takes the device.
    Hub = 10,
}

/// Who has to act for a fault to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Blame {
    /// The peer refused or broke a rule of its protocol.
    Peer = 0,
    /// This side: a buffer, an option, a resource of the device.
    Local = 1,
    /// The network between the two.
    Path = 2,
    /// The caller asked for something that can't be.
    Usage = 3,
}

/// Why the platform's byte stream ended or could not be opened; for `towpath_closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// The peer closed it.
    Closed = 0,
    /// It was reset.
    Reset = 1,
    /// Nothing listens on the port.
    Refused = 2,
    /// No route to the host.
    HostUnreachable = 3,
    /// The network is unreachable.
    NetUnreachable = 4,
    /// No answer in time.
    TimedOut = 5,
    /// The device has no address that reaches beyond its own link.
    NoSourceAddress = 6,
    /// No DNS server is known.
    NoResolver = 7,
    /// No DNS server answered.
    ResolverSilent = 8,
    /// The DNS server failed.
    ResolverFailed = 9,
    /// The name does not exist.
    NameNotFound = 10,
    /// The name has no usable address.
    NoAddress = 11,
    /// TLS: the server's certificate leads to no root that is trusted.
    CertificateUntrusted = 20,
    /// TLS: the server's certificate has expired.
    CertificateExpired = 21,
    /// TLS: the server's certificate is not valid yet.
    CertificateFuture = 22,
    /// TLS: the server's certificate is for another name.
    CertificateName = 23,
    /// TLS: the server's certificate is not valid.
    CertificateBad = 24,
    /// TLS: the server refuses the client certificate, or wants one.
    ClientCertificate = 25,
    /// TLS: the server ended it with an alert.
    Alert = 26,
    /// TLS: own certificate, key or name can't be used.
    Material = 27,
    /// TLS: the library failed; most often out of memory.
    Library = 28,
    /// TLS: the server asked for a renegotiation, which the platform does not allow.
    RenegotiationOff = 29,
    /// TLS: it can't be done as asked.
    Profile = 30,
    /// Anything else; `number` tells.
    Other = 255,
}

/// What `towpath_poll` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Nothing to do before bytes arrive or the time of `wait` has come.
    Wait = 0,
    /// The attempt is over; begin another with `towpath_start`.
    Ended = 1,
    /// Send `bytes`, or some of them, and report with `towpath_transmitted`.
    Transmit = 2,
    /// A `fact` about the climb. Only after `towpath_trace` switched it on.
    Fact = 3,
    /// The server accepted the connection: `connected`.
    Connected = 10,
    /// A `message`, or its first piece.
    Message = 11,
    /// A further piece of a message: `message`, with an offset.
    Piece = 12,
    /// A message of QoS 1 or 2 is settled: `settled`.
    Settled = 13,
    /// A message of QoS 0 that waited for a connection was dropped: `settled`, without identifier.
    Dropped = 14,
    /// SUBACK: `subscribed`.
    Subscribed = 15,
    /// UNSUBACK: `subscribed`.
    Unsubscribed = 16,
    /// A step of enhanced authentication: `auth`.
    Auth = 17,
    /// The connection ended because the application asked for it. Close the transport.
    Disconnected = 18,
    /// The attempt ended: `fault`. Close the transport; the session is kept for the next attempt.
    Failed = 19,
    /// An event that this version of the interface has no words for.
    Other = 255,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Nothing is started.
    Idle = 0,
    /// The driver is climbing a rung below the byte stream.
    Transport = 1,
    /// The answer to the HTTP upgrade.
    Upgrade = 2,
    /// CONNACK.
    Connack = 3,
    /// The next sign of life has to be sent.
    KeepAlive = 4,
    /// The answer to a ping.
    PingAnswer = 5,
    /// The bytes of the farewell have to leave.
    Closing = 6,
    /// The attempt is over.
    Ended = 7,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The server has it.
    Acknowledged = 0,
    /// The server refused it.
    Refused = 1,
    /// Its expiry interval passed before it could be sent.
    Expired = 2,
    /// It made room for newer messages.
    Displaced = 3,
    /// The server's limits don't admit it.
    NotAdmitted = 4,
}

/// What a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FactKind {
    /// The rung is being climbed.
    Started = 0,
    /// The rung is reached.
    Reached = 1,
    /// A packet, request or frame was handed to the wire.
    Sent = 2,
    /// A packet, answer or frame came in.
    Received = 3,
    /// The attempt ended here.
    Failed = 4,
    /// Something else.
    Other = 255,
}

/// With `TOWPATH_KIND_WAIT` and `TOWPATH_KIND_ENDED`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Wait {
    /// When to call `towpath_timeout`, on the clock of `now_ms`; `TOWPATH_NEVER` if there is no deadline.
    pub until_ms: u64,
    /// What is waited for.
    pub reason: Reason,
}

/// A fact about the climb.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Fact {
    /// When, on the clock of `now_ms`.
    pub at_ms: u64,
    /// On which rung.
    pub rung: Rung,
    /// What.
    pub kind: FactKind,
    /// The name of what was sent or received, such as `CONNECT`; not zero-terminated.
    pub name: Bytes,
    /// Its size, bytes.
    pub size: u32,
}

/// The contents of CONNACK. Properties with `towpath_property_at`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Connected {
    /// Whether the server kept the session.
    pub session_present: bool,
    /// Whether the server keeps retained messages.
    pub retain_available: bool,
    /// The highest QoS that the server takes.
    pub maximum_qos: u8,
    /// The keep alive in force, seconds.
    pub keep_alive: u16,
    /// Unacknowledged messages of QoS 1 and 2 that the server takes.
    pub receive_maximum: u16,
    /// The largest packet that the server takes, bytes.
    pub maximum_packet_size: u32,
    /// Seconds that the session outlives the connection.
    pub session_expiry: u32,
}

/// A received message or a piece of it. What it points to stays until the next call. Properties of the first piece with
/// `towpath_property_at`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Message {
    /// Where it was published, not zero-terminated; of a further piece empty.
    pub topic: Bytes,
    /// The payload, or this piece of it.
    pub payload: Bytes,
    /// Where the piece begins in the payload, bytes.
    pub offset: usize,
    /// The whole payload, bytes. This was all of it when `offset + payload.len` reaches it.
    pub payload_len: usize,
    /// The packet identifier, 0 with QoS 0.
    pub packet_id: u16,
    /// The QoS it came with.
    pub qos: u8,
    /// Whether the server had kept it.
    pub retain: bool,
    /// Whether the server had sent it before.
    pub dup: bool,
}

/// How a message of this client ended.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Settled {
    /// The identifier that `towpath_publish` answered; 0 with QoS 0.
    pub packet_id: u16,
    /// How.
    pub outcome: Outcome,
    /// The server's reason code, 0 if there is none.
    pub reason: u8,
}

/// SUBACK or UNSUBACK. Properties with `towpath_property_at`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Subscribed {
    /// The identifier that `towpath_subscribe` or `towpath_unsubscribe` answered.
    pub packet_id: u16,
    /// One reason code a filter, in order: the QoS granted, or from 0x80 on why not.
    pub codes: Bytes,
}

/// A step of enhanced authentication. Properties with `towpath_property_at`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Auth {
    /// Success, continue or re-authenticate.
    pub reason: u8,
}

/// Why an attempt ended. `towpath_fault_text` has it in words.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Fault {
    /// The rung that broke.
    pub rung: Rung,
    /// Who has to act.
    pub blame: Blame,
    /// The raw number behind the cause, 0 if there is none: an errno, an HTTP status, a reason code of MQTT, a close
    /// code of WebSocket.
    pub number: u32,
    /// The TLS alert that ended it, -1 if there was none.
    pub alert: i16,
    /// The cause as a number of this build of the library, for logs: numbers of another build may differ.
    pub code: u16,
    /// The cause for programs: its id in the catalogue of findings, such as `TP-TCP-010`, with a zero at its end. It
    /// stays the same over versions, and `towpath explain` has more about it.
    pub finding: [c_char; TOWPATH_FINDING],
}

/// What belongs to the kind.
#[derive(Clone, Copy)]
#[repr(C)]
pub union Data {
    /// Of `TOWPATH_KIND_WAIT` and `TOWPATH_KIND_ENDED`.
    pub wait: Wait,
    /// Of `TOWPATH_KIND_TRANSMIT`.
    pub bytes: Bytes,
    /// Of `TOWPATH_KIND_FACT`.
    pub fact: Fact,
    /// Of `TOWPATH_KIND_CONNECTED`.
    pub connected: Connected,
    /// Of `TOWPATH_KIND_MESSAGE` and `TOWPATH_KIND_PIECE`.
    pub message: Message,
    /// Of `TOWPATH_KIND_SETTLED` and `TOWPATH_KIND_DROPPED`.
    pub settled: Settled,
    /// Of `TOWPATH_KIND_SUBSCRIBED` and `TOWPATH_KIND_UNSUBSCRIBED`.
    pub subscribed: Subscribed,
    /// Of `TOWPATH_KIND_AUTH`.
    pub auth: Auth,
    /// Of `TOWPATH_KIND_FAILED`.
    pub fault: Fault,
}

/// What `towpath_poll` wants from the driver. What it points to stays until the next call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Output {
    /// Which of `data` holds.
    pub kind: Kind,
    /// The rest.
    pub data: Data,
}
