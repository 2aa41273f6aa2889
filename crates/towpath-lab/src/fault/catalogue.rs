//! Every fault: what a client finds, its name on the switch, its rung, and what it does.

use towpath_proto::Rung;

/// What value a fault takes, and what it is when none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// The fault takes no value.
    Nothing,
    /// A number in the unit that the fault's text names.
    Number(u64),
    /// A word.
    Word(&'static str),
}

use Takes::{Nothing, Number, Word};

/// The finding of a line below, if it has one.
const fn only(findings: &[&'static str]) -> Option<&'static str> {
    match findings {
        [finding, ..] => Some(finding),
        [] => None,
    }
}

macro_rules! faults {
    ($($kind:ident [$($id:literal)?] $name:literal $rung:ident $takes:expr, $what:literal;)*) => {
        /// Which fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = $what] $kind,)*
        }

        impl Kind {
            /// Every fault, from the lowest rung upwards.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// What a client that meets it finds, by the id in the catalogue of findings, such as `TP-TLS-004`. Several
            /// faults may look alike to a client; one that harms no client which keeps to the rules has none.
            #[must_use]
            pub const fn finding(self) -> Option<&'static str> {
                match self { $(Self::$kind => only(&[$($id)?]),)* }
            }

            /// The name on the switch, such as `cert-expired`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The rung where a client meets it.
            #[must_use]
            pub const fn rung(self) -> Rung {
                match self { $(Self::$kind => Rung::$rung,)* }
            }

            /// What value it takes.
            #[must_use]
            pub const fn takes(self) -> Takes {
                match self { $(Self::$kind => $takes,)* }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$kind => $what,)* }
            }
        }
    };
}

faults! {
    AcceptClose ["TP-TLS-001"] "accept-close" Tcp Nothing, "Closes the connection as soon as it is accepted.";
    AcceptReset ["TP-TCP-002"] "accept-reset" Tcp Nothing, "Resets the connection as soon as it is accepted.";
    AcceptSilent ["TP-TLS-002"] "accept-silent" Tcp Nothing, "Accepts the connection and never answers.";
    ResetAfter ["TP-TCP-002"] "reset-after" Tcp Number(1000), "Resets the connection after so many milliseconds.";
    Drip [] "drip" Tcp Number(100), "Sends one byte at a time, with so many milliseconds between them.";

    HelloClose ["TP-TLS-001"] "hello-close" Tls Nothing, "Closes the connection when ClientHello has come.";
    HelloSilent ["TP-TLS-002"] "hello-silent" Tls Nothing, "Never answers ClientHello.";
    HelloPlain ["TP-TLS-003"] "hello-plain" Tls Nothing, "Answers ClientHello with an HTTP error in plain text.";
    CertificateClose ["TP-TLS-004"] "certificate-close" Tls Nothing, "Closes the connection after the server's certificate was sent.";
    HandshakeClose ["TP-TLS-005"] "handshake-close" Tls Nothing, "Closes the connection right after the handshake.";
    HandshakeSlow ["TP-TLS-002"] "handshake-slow" Tls Number(10_000), "Waits so many milliseconds before it answers ClientHello.";
    CertExpired ["TP-TLS-010"] "cert-expired" Tls Nothing, "Shows a certificate that expired yesterday.";
    CertNotYet ["TP-TLS-011"] "cert-not-yet" Tls Nothing, "Shows a certificate that begins tomorrow.";
    CertWrongName ["TP-TLS-012"] "cert-wrong-name" Tls Nothing, "Shows a certificate for another name.";
    CertUnknownRoot ["TP-TLS-013"] "cert-unknown-root" Tls Nothing, "Shows a certificate of a CA that nobody knows, as an inspecting proxy does.";
    CertSelfSigned ["TP-TLS-014"] "cert-self-signed" Tls Nothing, "Shows a certificate that signed itself.";
    CertNoChain ["TP-TLS-015"] "cert-no-chain" Tls Nothing, "Leaves out the intermediate certificate.";
    CertSha384 ["TP-TLS-050"] "cert-sha384" Tls Nothing, "Shows a chain signed with SHA-384.";
    CertLarge ["TP-TLS-017"] "cert-large" Tls Nothing, "Shows a chain of more than 5 kB.";
    CertEcdsa ["TP-TLS-018"] "cert-ecdsa" Tls Nothing, "Shows an ECDSA certificate only.";
    SuiteOnly ["TP-TLS-020"] "suite-only" Tls Word("ECDHE-RSA-AES256-GCM-SHA384"), "Accepts this one suite of TLS 1.2 only (OpenSSL's name).";
    Tls13Only ["TP-TLS-021"] "tls13-only" Tls Nothing, "Accepts TLS 1.3 only.";
    Tls12Only ["TP-TLS-022"] "tls12-only" Tls Nothing, "Accepts TLS 1.2 only, where the config takes 1.3 too.";
    RecordSmall [] "record-small" Tls Number(512), "Cuts what it sends into records of so many bytes.";
    RecordLarge ["TP-TLS-024"] "record-large" Tls Nothing, "Fills records to 16 kB where there is enough to send.";
    NoResumption [] "no-resumption" Tls Nothing, "Takes no session up again.";
    CertificateRequired ["TP-TLS-026"] "certificate-required" Tls Nothing, "Refuses a client without a certificate in the first handshake.";

    RenegotiateNone ["TP-HUB-022"] "renegotiate-none" Tls Nothing, "443 never asks for a client certificate.";
    RenegotiateOptional ["TP-TLS-031"] "renegotiate" Tls Nothing, "443 asks for the client certificate by renegotiation after the GET.";
    RenegotiateRequire ["TP-TLS-026"] "renegotiate-require" Tls Nothing, "443 asks by renegotiation and refuses a client that has none.";
    RenegotiateLegacy ["TP-TLS-033"] "renegotiate-legacy" Tls Nothing, "443 asks by renegotiation without secure renegotiation (RFC 5746).";
    RenegotiateDrop ["TP-TLS-031"] "renegotiate-drop" Tls Nothing, "443 asks by renegotiation and cuts the connection when that is refused.";
    RenegotiateDelay ["TP-TLS-035"] "renegotiate-delay" Tls Number(15_000), "443 pauses so many milliseconds inside the renegotiation.";
    RenegotiateLate ["TP-TLS-036"] "renegotiate-late" Tls Nothing, "443 asks by renegotiation after the 101 instead of before it.";
    RenegotiateTwice ["TP-TLS-037"] "renegotiate-twice" Tls Nothing, "443 asks by renegotiation twice.";

    GetClose ["TP-UPG-001"] "get-close" Upgrade Nothing, "Closes the connection instead of answering the upgrade request.";
    GetSilent ["TP-UPG-002"] "get-silent" Upgrade Nothing, "Never answers the upgrade request.";
    UpgradeStatus ["TP-UPG-003"] "upgrade-status" Upgrade Number(503), "Answers the upgrade request with this HTTP status: 200, 302, 400, 401, 403, 404, 407, 5xx.";
    UpgradeChunked [] "upgrade-chunked" Upgrade Nothing, "Sends the 101 with Transfer-Encoding: chunked.";
    UpgradeSplit [] "upgrade-split" Upgrade Number(20), "Sends the 101 in pieces of so many bytes.";
    UpgradeLarge ["TP-UPG-006"] "upgrade-large" Upgrade Number(8192), "Fills the 101 with header fields up to so many bytes.";
    UpgradeNoSubprotocol ["TP-UPG-007"] "upgrade-no-subprotocol" Upgrade Nothing, "Leaves Sec-WebSocket-Protocol out of the 101.";
    UpgradeSubprotocol ["TP-UPG-008"] "upgrade-subprotocol" Upgrade Word("amqp"), "Names this subprotocol in the 101.";
    UpgradeAccept ["TP-UPG-009"] "upgrade-accept" Upgrade Nothing, "Sends a wrong Sec-WebSocket-Accept.";
    UpgradeLost ["TP-UPG-010"] "upgrade-lost" Upgrade Nothing, "Sends the head of the 101 without its last line.";

    UpgradedClose ["TP-WS-001"] "upgraded-close" Ws Nothing, "Closes the connection right after the 101.";
    FramesSplit [] "frames-split" Ws Number(1), "Cuts each MQTT packet into frames of so many bytes.";
    FramesJoined [] "frames-joined" Ws Number(200), "Collects packets for so many milliseconds into one frame.";
    FramesText ["TP-WS-004"] "frames-text" Ws Nothing, "Sends text frames instead of binary ones.";
    FramesMasked ["TP-WS-005"] "frames-masked" Ws Nothing, "Masks its frames, which a server must not.";
    PingFlood [] "ping-flood" Ws Number(1000), "Sends so many WebSocket pings a second.";
    CloseCode ["TP-WS-007"] "close-code" Ws Number(1011), "Closes the WebSocket with this code after CONNECT.";

    ConnectClose ["TP-MQTT-001"] "connect-close" Mqtt Nothing, "Closes the connection when CONNECT has come.";
    ConnectSilent ["TP-MQTT-002"] "connect-silent" Mqtt Nothing, "Never answers CONNECT.";
    Connack1 ["TP-MQTT-003"] "connack-1" Mqtt Nothing, "Refuses CONNECT: unacceptable protocol version.";
    Connack2 ["TP-MQTT-004"] "connack-2" Mqtt Nothing, "Refuses CONNECT: identifier rejected.";
    Connack3 ["TP-MQTT-005"] "connack-3" Mqtt Nothing, "Refuses CONNECT: server unavailable.";
    Connack4 ["TP-MQTT-006"] "connack-4" Mqtt Nothing, "Refuses CONNECT: bad user name or password.";
    Connack5 ["TP-MQTT-007"] "connack-5" Mqtt Nothing, "Refuses CONNECT: not authorized.";
    ConnackSlow ["TP-MQTT-002"] "connack-slow" Mqtt Number(10_000), "Answers CONNECT after so many milliseconds.";
    ConnackGarbage ["TP-MQTT-022"] "connack-garbage" Mqtt Nothing, "Answers CONNECT with bytes that are no MQTT.";
    PubackNone ["TP-MQTT-010"] "puback-none" Mqtt Nothing, "Never acknowledges QoS 1.";
    PubackSlow [] "puback-slow" Mqtt Number(5000), "Acknowledges QoS 1 after so many milliseconds.";
    SubackRefused ["TP-MQTT-012"] "suback-refused" Mqtt Nothing, "Refuses each subscription with 0x80.";
    PingSilent ["TP-MQTT-013"] "ping-silent" Mqtt Nothing, "Never answers PINGREQ.";
    SilentDrop ["TP-MQTT-013"] "silent-drop" Mqtt Number(0), "Sends nothing more so many milliseconds after CONNACK, and keeps the connection open.";
    DropAfter ["TP-MQTT-015"] "drop-after" Mqtt Number(5000), "Closes the connection so many milliseconds after CONNACK.";

    Takeover ["TP-HUB-001"] "takeover" Hub Number(5000), "Lets somebody else take the identity over so many milliseconds after CONNACK (400027).";
    Maintenance ["TP-HUB-002"] "maintenance" Hub Number(5000), "Closes the connection for maintenance so many milliseconds after CONNACK (400029).";
    Failover ["TP-HUB-003"] "failover" Hub Number(5000), "Closes the connection because the hub moves so many milliseconds after CONNACK (400030).";
    TokenExpired ["TP-HUB-021"] "token-expired" Hub Nothing, "Takes each token for expired.";
    ClockSkew ["TP-HUB-005"] "clock-skew" Hub Number(3600), "Lets the hub's clock run so many seconds ahead.";
    HubNotFound ["TP-HUB-006"] "hub-not-found" Hub Nothing, "Knows no hub of this name (401001).";
    HubSuspended ["TP-HUB-007"] "hub-suspended" Hub Nothing, "The hub is suspended (403001).";
    HubQuota ["TP-HUB-008"] "hub-quota" Hub Nothing, "The messages of the day are used up (403002).";
    DeviceDisabled ["TP-HUB-009"] "device-disabled" Hub Nothing, "Takes the device for disabled (403012).";
    DeviceUnknown ["TP-HUB-021"] "device-unknown" Hub Nothing, "Takes the device for unknown (404001).";
    Throttle ["TP-HUB-011"] "throttle" Hub Number(1), "Lets so many messages a second through; the rest waits, twins answer 429.";
    Twin400 ["TP-HUB-012"] "twin-400" Hub Nothing, "Answers twin requests with 400.";
    Twin413 ["TP-HUB-013"] "twin-413" Hub Nothing, "Answers twin updates with 413.";
    Twin429 ["TP-HUB-014"] "twin-429" Hub Nothing, "Answers twin requests with 429.";
    Twin500 ["TP-HUB-015"] "twin-500" Hub Number(500), "Answers twin requests with this status of 500 to 599.";
    TwinSilent ["TP-HUB-016"] "twin-silent" Hub Nothing, "Never answers twin requests.";
    DesiredTwice [] "desired-twice" Hub Nothing, "Sends each change of desired properties twice, the older one last.";
    MethodLost [] "method-lost" Hub Nothing, "Does not pass method calls on to the device.";
    C2dTwice [] "c2d-twice" Hub Nothing, "Delivers each cloud-to-device message twice, the second with DUP.";
    SessionLost [] "session-lost" Hub Nothing, "Forgets the device's session at CONNECT.";

    DpsAssigning [] "dps-assigning" Hub Number(3), "Answers this many polls with assigning before the assignment.";
    DpsRetryAfter [] "dps-retry-after" Hub Number(10), "Asks for so many seconds between polls.";
    DpsUnauthorized ["TP-DPS-003"] "dps-unauthorized" Hub Nothing, "Refuses the registration: 401002.";
    DpsNotFound ["TP-DPS-004"] "dps-not-found" Hub Nothing, "Knows no enrolment: 404201.";
    DpsConflict ["TP-DPS-005"] "dps-conflict" Hub Nothing, "Answers 409: another registration is at work.";
    DpsThrottle ["TP-DPS-006"] "dps-throttle" Hub Number(5), "Answers 429 with retry-after of so many seconds.";
    DpsServerError ["TP-DPS-007"] "dps-500" Hub Number(500), "Answers with this status of 500 to 599.";
    DpsDisabled ["TP-DPS-008"] "dps-disabled" Hub Nothing, "Ends the registration as disabled.";
    DpsFailed ["TP-DPS-009"] "dps-failed" Hub Number(400_209), "Ends the registration as failed with this error code.";
    DpsUnassigned ["TP-DPS-010"] "dps-unassigned" Hub Nothing, "Ends the registration as unassigned.";
    DpsWrongHub ["TP-DPS-011"] "dps-wrong-hub" Hub Word("nowhere.invalid"), "Assigns the device to this host.";
    DpsSilent ["TP-DPS-012"] "dps-silent" Hub Nothing, "Never answers a registration.";
    DpsBadRequest ["TP-DPS-013"] "dps-400" Hub Nothing, "Answers 400: the body is not what the service takes.";
}
