//! Numbers that the peer sends: TLS alerts (RFC 8446 section 6, RFC 5246 section 7.2), HTTP statuses (RFC 9110), close
//! codes of WebSocket (RFC 6455 section 7.4.1), CONNACK codes of MQTT 3.1.1 (section 3.2.2.3) and reason codes of MQTT 5
//! (section 2.4), error codes of IoT Hub and DPS as Microsoft's documents list them.

use super::{Row, rows};

pub(super) const ALERT: &str = "TLS alert";
pub(super) const CONNACK: &str = "CONNACK of MQTT 3.1.1";
pub(super) const REASON: &str = "reason code of MQTT 5";
pub(super) const HTTP: &str = "HTTP status";
pub(super) const CLOSE: &str = "close code of WebSocket";
pub(super) const HUB: &str = "Azure IoT Hub and DPS";
pub(super) const PAHO: &str = "return code of paho";

const ALERTS: &[Row] = rows! {
    0, "close_notify", "no failure: the sender ends TLS", ["TP-TLS-001", "TP-MQTT-001", "TP-MQTT-015"];
    10, "unexpected_message", "a message that is not allowed at this step", ["TP-TLS-029"];
    20, "bad_record_mac", "a record was changed on the way, or the keys differ", ["TP-TLS-045"];
    22, "record_overflow", "a record is too large", ["TP-TLS-024"];
    40, "handshake_failure", "no suite or group in common; a client certificate is wanted; or the renegotiation was refused", ["TP-TLS-020", "TP-TLS-026", "TP-TLS-031", "TP-TLS-018", "TP-TLS-049"];
    42, "bad_certificate", "a certificate is damaged or not accepted; its sender is the one that refuses", ["TP-TLS-042", "TP-TLS-012", "TP-TLS-011", "TP-TLS-019"];
    43, "unsupported_certificate", "a certificate of this kind is not taken", ["TP-TLS-042"];
    44, "certificate_revoked", "the certificate has been revoked", ["TP-TLS-042", "TP-TLS-019"];
    45, "certificate_expired", "the certificate has expired, by its receiver's clock", ["TP-TLS-041", "TP-TLS-010", "TP-TLS-055"];
    46, "certificate_unknown", "the certificate is not accepted, for some other reason", ["TP-TLS-042", "TP-TLS-013"];
    47, "illegal_parameter", "a field of the handshake is out of range", ["TP-TLS-029"];
    48, "unknown_ca", "the certificate leads to no CA that its receiver trusts: sent by the client it is about the server's, sent by the server about the client's", ["TP-TLS-013", "TP-TLS-040", "TP-PROXY-014", "TP-TLS-015"];
    49, "access_denied", "the certificate is good, but has no right here", ["TP-TLS-042"];
    50, "decode_error", "a message can't be read", ["TP-TLS-029"];
    51, "decrypt_error", "a signature does not fit; from the server: the client's certificate and key do not belong together", ["TP-TLS-044", "TP-DEV-028"];
    70, "protocol_version", "no TLS version in common", ["TP-TLS-021", "TP-TLS-022"];
    71, "insufficient_security", "the suites offered are too weak", ["TP-TLS-020"];
    80, "internal_error", "the sender failed in itself: a server for want of SNI, a client for want of memory", ["TP-TLS-047", "TP-DEV-010", "TP-TLS-029"];
    86, "inappropriate_fallback", "the client tried a lower version than it has", ["TP-TLS-051"];
    90, "user_canceled", "the sender gave up", ["TP-TLS-029"];
    100, "no_renegotiation", "the sender refuses a renegotiation", ["TP-TLS-031"];
    109, "missing_extension", "an extension is missing, often the server's name", ["TP-TLS-047", "TP-TLS-029"];
    112, "unrecognized_name", "the server does not know the name it was asked for", ["TP-TLS-027"];
    116, "certificate_required", "TLS 1.3: a client certificate is wanted", ["TP-TLS-026"];
    120, "no_application_protocol", "none of the application protocols (ALPN) is taken", ["TP-TLS-028", "TP-TLS-049"];
};

const CONNACKS: &[Row] = rows! {
    0, "CONNACK 0", "accepted", [];
    1, "CONNACK 1", "unacceptable protocol version", ["TP-MQTT-003"];
    2, "CONNACK 2", "identifier rejected", ["TP-MQTT-004"];
    3, "CONNACK 3", "server unavailable", ["TP-MQTT-005"];
    4, "CONNACK 4", "bad user name or password", ["TP-MQTT-006"];
    5, "CONNACK 5", "not authorized", ["TP-MQTT-007", "TP-HUB-021", "TP-HUB-004", "TP-HUB-005", "TP-HUB-023", "TP-HUB-022", "TP-MQTT-025"];
};

const REASONS: &[Row] = rows! {
    0x80, "unspecified error", "the server says no and not why", ["TP-MQTT-016", "TP-MQTT-012"];
    0x81, "malformed packet", "a packet can't be read", ["TP-MQTT-009"];
    0x82, "protocol error", "a packet that is not allowed here", ["TP-MQTT-020"];
    0x83, "implementation specific error", "the server does not take it, for a reason of its own", ["TP-MQTT-016"];
    0x84, "unsupported protocol version", "the server does not speak this version; some say so to clients of 3.1.1 too", ["TP-MQTT-003", "TP-MQTT-031"];
    0x85, "client identifier not valid", "the client identifier is not taken", ["TP-MQTT-004"];
    0x86, "bad user name or password", "the credentials are not taken", ["TP-MQTT-006"];
    0x87, "not authorized", "not allowed: in CONNACK to connect, in PUBACK to publish, in SUBACK to subscribe", ["TP-MQTT-007", "TP-MQTT-026"];
    0x88, "server unavailable", "the server is not available", ["TP-MQTT-005"];
    0x89, "server busy", "the server is busy", ["TP-MQTT-005"];
    0x8A, "banned", "the client has been banned", ["TP-MQTT-016"];
    0x8B, "server shutting down", "the server shuts down", ["TP-MQTT-017"];
    0x8C, "bad authentication method", "the method of authentication is not taken", ["TP-MQTT-016"];
    0x8D, "keep alive timeout", "the server heard nothing for one and a half keep-alives", ["TP-MQTT-027"];
    0x8E, "session taken over", "another client came with the same identifier", ["TP-MQTT-018"];
    0x8F, "topic filter invalid", "the filter is not valid", ["TP-MQTT-012"];
    0x90, "topic name invalid", "the topic is not valid", ["TP-MQTT-026"];
    0x93, "receive maximum exceeded", "more unacknowledged messages than allowed", ["TP-MQTT-021"];
    0x94, "topic alias invalid", "a topic alias that was not agreed", ["TP-MQTT-021"];
    0x95, "packet too large", "a packet is larger than agreed", ["TP-MQTT-019"];
    0x96, "message rate too high", "too many messages", ["TP-MQTT-034"];
    0x97, "quota exceeded", "a limit of the account is used up", ["TP-MQTT-034"];
    0x98, "administrative action", "an administrator ended the connection", ["TP-MQTT-017"];
    0x99, "payload format invalid", "the payload is not what its format says", ["TP-MQTT-017"];
    0x9A, "retain not supported", "the server keeps no messages", ["TP-MQTT-028"];
    0x9B, "QoS not supported", "the server does not take this QoS", ["TP-MQTT-028"];
    0x9C, "use another server", "the server names another one", ["TP-MQTT-029"];
    0x9D, "server moved", "the server has moved", ["TP-MQTT-029"];
    0x9E, "shared subscriptions not supported", "the server has no shared subscriptions", ["TP-MQTT-028"];
    0x9F, "connection rate exceeded", "too many connections in a short time", ["TP-MQTT-034"];
    0xA0, "maximum connect time", "the server allows a connection no longer", ["TP-MQTT-017"];
    0xA1, "subscription identifiers not supported", "the server has no subscription identifiers", ["TP-MQTT-028"];
    0xA2, "wildcard subscriptions not supported", "the server takes no wildcards", ["TP-MQTT-028"];
};

const STATUSES: &[Row] = rows! {
    101, "101 Switching Protocols", "no failure: the upgrade is accepted", [];
    200, "200 OK", "a web page is served here, no WebSocket; or a captive portal answers", ["TP-UPG-003", "TP-UPG-024"];
    301, "301 Moved Permanently", "the server sends elsewhere", ["TP-UPG-017", "TP-UPG-024"];
    302, "302 Found", "the server sends elsewhere", ["TP-UPG-017", "TP-UPG-024"];
    307, "307 Temporary Redirect", "the server sends elsewhere", ["TP-UPG-017", "TP-UPG-024"];
    308, "308 Permanent Redirect", "the server sends elsewhere", ["TP-UPG-017"];
    400, "400 Bad Request", "the request is not taken: path, subprotocol, or plain HTTP on a TLS port", ["TP-UPG-011", "TP-UPG-023", "TP-UPG-026", "TP-TLS-048"];
    401, "401 Unauthorized", "HTTP credentials are wanted", ["TP-UPG-012"];
    403, "403 Forbidden", "forbidden; over TLS 1.3 with a client certificate: it could not be asked for after the handshake", ["TP-UPG-013", "TP-TLS-039"];
    404, "404 Not Found", "no such path here", ["TP-UPG-014", "TP-UPG-023"];
    407, "407 Proxy Authentication Required", "a proxy wants credentials", ["TP-PROXY-013", "TP-PROXY-006"];
    426, "426 Upgrade Required", "the server wants another protocol or version", ["TP-UPG-016"];
    429, "429 Too Many Requests", "too many requests", ["TP-HUB-011", "TP-DPS-006"];
    500, "500 Internal Server Error", "the server failed", ["TP-UPG-018"];
    502, "502 Bad Gateway", "the front end is alive, the broker behind it is not", ["TP-UPG-018", "TP-PROXY-008"];
    503, "503 Service Unavailable", "the server is not available", ["TP-UPG-018"];
    504, "504 Gateway Timeout", "the front end waited for the broker in vain", ["TP-UPG-018", "TP-PROXY-008"];
};

const CLOSES: &[Row] = rows! {
    1000, "1000 normal closure", "the peer is done", ["TP-WS-007"];
    1001, "1001 going away", "the peer goes away", ["TP-WS-007"];
    1002, "1002 protocol error", "a frame broke the rules", ["TP-WS-007", "TP-WS-011", "TP-WS-008"];
    1003, "1003 unsupported data", "a frame of a kind that is not taken, such as text", ["TP-WS-010", "TP-WS-007"];
    1005, "1005 no status", "the peer closed without a code", ["TP-WS-007"];
    1006, "1006 abnormal closure", "the connection ended without a close frame; the peer did not send this number", ["TP-WS-001", "TP-MQTT-015"];
    1007, "1007 invalid payload", "a text message is not UTF-8", ["TP-WS-010", "TP-WS-008"];
    1008, "1008 policy violation", "the peer's rules forbid it", ["TP-WS-007"];
    1009, "1009 message too big", "a message is larger than the peer takes", ["TP-MQTT-019", "TP-WS-007"];
    1011, "1011 internal error", "the peer failed", ["TP-WS-007"];
    1012, "1012 service restart", "the peer restarts", ["TP-WS-007"];
    1013, "1013 try again later", "the peer is overloaded", ["TP-WS-007"];
    1015, "1015 TLS handshake", "TLS failed; the peer did not send this number", ["TP-TLS-001"];
};

const HUBS: &[Row] = rows! {
    400_027, "ConnectionForcefullyClosedOnNewConnection", "another client came with the same identity", ["TP-HUB-001"];
    400_029, "GatewayMaintenance", "the hub's front end is in maintenance; connect again", ["TP-HUB-002"];
    400_030, "GatewayFailover", "the hub moves; connect again", ["TP-HUB-003"];
    401_000, "Unauthorized", "not authorized", ["TP-HUB-021"];
    401_001, "IotHubNotFound", "there is no such hub", ["TP-HUB-006"];
    401_002, "IotHubUnauthorizedAccess", "DPS does not take the device's proof; of a hub: not authorized", ["TP-DPS-003", "TP-HUB-021"];
    401_003, "IotHubUnauthorized", "the hub does not take the device: token expired, wrong key or thumbprint, clock more than five minutes off, or no such device", ["TP-HUB-021", "TP-HUB-004", "TP-HUB-005", "TP-HUB-010"];
    403_001, "IotHubSuspended", "the hub is suspended", ["TP-HUB-007"];
    403_002, "IotHubQuotaExceeded", "the messages of the day are used up", ["TP-HUB-008"];
    403_004, "DeviceMaximumQueueDepthExceeded", "the device's queue of messages is full", ["TP-HUB-008"];
    403_006, "DeviceMaximumActiveFileUploadLimitExceeded", "more than ten uploads of the device are under way", ["TP-HUB-030"];
    403_010, "GenericForbidden", "the hub's tier does not have this", ["TP-HUB-028"];
    403_012, "DeviceDisabled", "the device is disabled", ["TP-HUB-009"];
    404_001, "DeviceNotFound", "the hub knows no such device", ["TP-HUB-010"];
    404_012, "IotHubFailingOver", "the hub moves; connect again", ["TP-HUB-003"];
    404_103, "DeviceNotOnline", "the device is not connected, or has no methods subscribed", [];
    404_104, "DeviceConnectionClosedRemotely", "the connection ended: keep-alive, reset, or the token's end", ["TP-HUB-029", "TP-MQTT-023", "TP-MQTT-015"];
    404_201, "EnrollmentNotFound", "DPS knows no such enrolment", ["TP-DPS-004"];
    404_202, "RegistrationNotFound", "DPS knows no such registration", ["TP-DPS-004"];
    409_002, "LinkCreationConflict", "two links of one device at once", ["TP-HUB-001"];
    412_002, "DeviceMessageLockLost", "the message was settled too late", [];
    413_001, "MessageTooLarge", "the message is larger than 256 kB", ["TP-MQTT-019"];
    429_001, "ThrottlingException", "too many requests", ["TP-HUB-011"];
    429_002, "ThrottleBacklogLimitExceeded", "too many requests", ["TP-HUB-011"];
    429_003, "ThrottlingBacklogTimeout", "too many requests", ["TP-HUB-011"];
    499_000, "ClientClosedRequest", "the device gave up", [];
    500_001, "ServerError", "the hub failed; try again", ["TP-HUB-015"];
    500_008, "GenericTimeout", "the hub failed in time; try again", ["TP-HUB-015"];
    503_001, "ServiceUnavailable", "the hub is not available; try again", ["TP-MQTT-005"];
    503_005, "ServiceUnavailable", "the hub is not available; try again", ["TP-MQTT-005"];
};

/// `mosquitto_sub`, paho and most wrappers print these beside a lost connection.
const PAHOS: &[Row] = rows! {
    7, "connection lost", "the connection ended without DISCONNECT: taken over, an illegal topic, a packet too large, the token's end, or an idle timer", ["TP-MQTT-018", "TP-HUB-024", "TP-MQTT-019", "TP-HUB-029", "TP-MQTT-023"];
};

/// Every table with what it is called.
pub(super) const TABLES: &[(&str, &[Row])] = &[
    (CONNACK, CONNACKS),
    (ALERT, ALERTS),
    (REASON, REASONS),
    (HTTP, STATUSES),
    (CLOSE, CLOSES),
    (HUB, HUBS),
    (PAHO, PAHOS),
];
