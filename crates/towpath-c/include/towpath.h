/*
 * towpath: MQTT 3.1.1 and 5 over TCP and WebSockets, without I/O, clock or allocation.
 *
 * The driver law. Change something (towpath_commit, a command, towpath_timeout), then call towpath_poll until it says
 * TOWPATH_KIND_WAIT or TOWPATH_KIND_ENDED. Between two attempts: towpath_start, open the byte stream, and tell how
 * that goes with towpath_entered, towpath_reached and towpath_closed.
 *
 * A client belongs to one thread at a time. Every call checks its pointers and numbers and answers a status. Text is
 * UTF-8 and ends with a zero, unless it comes with a length. Times are milliseconds on any clock that never goes back.
 *
 * Made by cbindgen from crates/towpath-c; don't edit.
 */

#ifndef TOWPATH_H
#define TOWPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if UINTPTR_MAX > 0xffffffffu
#define TOWPATH_POINTERS_64 1
#endif


#if defined(TOWPATH_POINTERS_64)
/**
 * Eight-byte words of a client.
 */
#define TOWPATH_CLIENT_WORDS 144
#endif

#if !defined(TOWPATH_POINTERS_64)
/**
 * Eight-byte words of a client.
 */
#define TOWPATH_CLIENT_WORDS 120
#endif

/**
 * The number of this interface. It changes with each change that a program must be compiled again for.
 */
#define TOWPATH_ABI 1

/**
 * How many subscriptions, filters, headers or properties one call takes.
 */
#define TOWPATH_MOST 8

/**
 * MQTT 3.1.1, for `towpath_options.version`.
 */
#define TOWPATH_V311 4

/**
 * MQTT 5, for `towpath_options.version`.
 */
#define TOWPATH_V5 5

/**
 * The bytes of the id of a finding, such as `TP-MQTT-004`, with the zero behind it.
 */
#define TOWPATH_FINDING 16

/**
 * `towpath_wait.until_ms` when there is no deadline.
 */
#define TOWPATH_NEVER UINT64_MAX

/**
 * How a call ended. Unless something else is said, nothing was changed when it is not `TOWPATH_STATUS_OK`.
 */
enum towpath_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  TOWPATH_STATUS_OK = 0,
  /**
   * A pointer is null that may not be.
   */
  TOWPATH_STATUS_NULL = -1,
  /**
   * `towpath_init` was not called for this client.
   */
  TOWPATH_STATUS_NOT_INITIALISED = -2,
  /**
   * The client is in use further up the stack: a callback called it.
   */
  TOWPATH_STATUS_BUSY = -3,
  /**
   * A number or a length that is not allowed.
   */
  TOWPATH_STATUS_ARGUMENT = -4,
  /**
   * More than `TOWPATH_MOST` of something.
   */
  TOWPATH_STATUS_TOO_MANY = -5,
  /**
   * A text that is not UTF-8.
   */
  TOWPATH_STATUS_TEXT = -6,
  /**
   * The callback for random numbers failed.
   */
  TOWPATH_STATUS_RANDOM = -7,
  /**
   * There is no such property.
   */
  TOWPATH_STATUS_NONE = -8,
  /**
   * The library was built without it.
   */
  TOWPATH_STATUS_NOT_BUILT = -9,
  /**
   * MQTT 3.1.1 has no way to say this.
   */
  TOWPATH_STATUS_NEEDS_V5 = -20,
  /**
   * A topic, filter or property is not valid.
   */
  TOWPATH_STATUS_INVALID = -21,
  /**
   * The server takes only a lower QoS.
   */
  TOWPATH_STATUS_QOS = -22,
  /**
   * The server keeps no retained messages.
   */
  TOWPATH_STATUS_RETAIN = -23,
  /**
   * The packet is larger than the server takes.
   */
  TOWPATH_STATUS_PACKET_TOO_LARGE = -24,
  /**
   * The server has no wildcard subscriptions.
   */
  TOWPATH_STATUS_WILDCARD = -25,
  /**
   * The server has no shared subscriptions.
   */
  TOWPATH_STATUS_SHARED = -26,
  /**
   * The server has no subscription identifiers.
   */
  TOWPATH_STATUS_SUBSCRIPTION_IDENTIFIER = -27,
  /**
   * No room in the session store or the transmit buffer now: send what is due, or give larger buffers.
   */
  TOWPATH_STATUS_FULL = -28,
  /**
   * All packet identifiers are in use.
   */
  TOWPATH_STATUS_NO_PACKET_ID = -29,
  /**
   * There is no connection and the command makes no sense without one.
   */
  TOWPATH_STATUS_NOT_CONNECTED = -30,
  /**
   * A host, path or header holds characters that HTTP does not allow.
   */
  TOWPATH_STATUS_HEADER = -31,
  /**
   * The command can't be taken for a reason that this interface has no word for.
   */
  TOWPATH_STATUS_REFUSED = -32,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_status towpath_status;
#else
typedef int32_t towpath_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What `towpath_poll` answers.
 */
enum towpath_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nothing to do before bytes arrive or the time of `wait` has come.
   */
  TOWPATH_KIND_WAIT = 0,
  /**
   * The attempt is over; begin another with `towpath_start`.
   */
  TOWPATH_KIND_ENDED = 1,
  /**
   * Send `bytes`, or some of them, and report with `towpath_transmitted`.
   */
  TOWPATH_KIND_TRANSMIT = 2,
  /**
   * A `fact` about the climb. Only after `towpath_trace` switched it on.
   */
  TOWPATH_KIND_FACT = 3,
  /**
   * The server accepted the connection: `connected`.
   */
  TOWPATH_KIND_CONNECTED = 10,
  /**
   * A `message`, or its first piece.
   */
  TOWPATH_KIND_MESSAGE = 11,
  /**
   * A further piece of a message: `message`, with an offset.
   */
  TOWPATH_KIND_PIECE = 12,
  /**
   * A message of QoS 1 or 2 is settled: `settled`.
   */
  TOWPATH_KIND_SETTLED = 13,
  /**
   * A message of QoS 0 that waited for a connection was dropped: `settled`, without identifier.
   */
  TOWPATH_KIND_DROPPED = 14,
  /**
   * SUBACK: `subscribed`.
   */
  TOWPATH_KIND_SUBSCRIBED = 15,
  /**
   * UNSUBACK: `subscribed`.
   */
  TOWPATH_KIND_UNSUBSCRIBED = 16,
  /**
   * A step of enhanced authentication: `auth`.
   */
  TOWPATH_KIND_AUTH = 17,
  /**
   * The connection ended because the application asked for it. Close the transport.
   */
  TOWPATH_KIND_DISCONNECTED = 18,
  /**
   * The attempt ended: `fault`. Close the transport; the session is kept for the next attempt.
   */
  TOWPATH_KIND_FAILED = 19,
  /**
   * An event that this version of the interface has no words for.
   */
  TOWPATH_KIND_OTHER = 255,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_kind towpath_kind;
#else
typedef uint8_t towpath_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What is waited for.
 */
enum towpath_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nothing is started.
   */
  TOWPATH_REASON_IDLE = 0,
  /**
   * The driver is climbing a rung below the byte stream.
   */
  TOWPATH_REASON_TRANSPORT = 1,
  /**
   * The answer to the HTTP upgrade.
   */
  TOWPATH_REASON_UPGRADE = 2,
  /**
   * CONNACK.
   */
  TOWPATH_REASON_CONNACK = 3,
  /**
   * The next sign of life has to be sent.
   */
  TOWPATH_REASON_KEEP_ALIVE = 4,
  /**
   * The answer to a ping.
   */
  TOWPATH_REASON_PING_ANSWER = 5,
  /**
   * The bytes of the farewell have to leave.
   */
  TOWPATH_REASON_CLOSING = 6,
  /**
   * The attempt is over.
   */
  TOWPATH_REASON_ENDED = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_reason towpath_reason;
#else
typedef uint8_t towpath_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * One step of an attempt, in the order of climbing.
 */
enum towpath_rung
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The interface is up.
   */
  TOWPATH_RUNG_LINK = 0,
  /**
   * The device has a usable source address.
   */
  TOWPATH_RUNG_ADDRESS = 1,
  /**
   * The name resolves.
   */
  TOWPATH_RUNG_DNS = 2,
  /**
   * An IPv4 address is reachable through a translator.
   */
  TOWPATH_RUNG_NAT64 = 3,
  /**
   * The TCP connection is established.
   */
  TOWPATH_RUNG_TCP = 4,
  /**
   * A proxy relays the connection.
   */
  TOWPATH_RUNG_PROXY = 5,
  /**
   * The TLS handshake is complete.
   */
  TOWPATH_RUNG_TLS = 6,
  /**
   * The HTTP server switches to WebSocket.
   */
  TOWPATH_RUNG_UPGRADE = 7,
  /**
   * WebSocket frames flow.
   */
  TOWPATH_RUNG_WS = 8,
  /**
   * The MQTT server accepts the connection.
   */
  TOWPATH_RUNG_MQTT = 9,
  /**
   * The cloud hub takes the device.
   */
  TOWPATH_RUNG_HUB = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_rung towpath_rung;
#else
typedef uint8_t towpath_rung;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a fact is.
 */
enum towpath_fact_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The rung is being climbed.
   */
  TOWPATH_FACT_KIND_STARTED = 0,
  /**
   * The rung is reached.
   */
  TOWPATH_FACT_KIND_REACHED = 1,
  /**
   * A packet, request or frame was handed to the wire.
   */
  TOWPATH_FACT_KIND_SENT = 2,
  /**
   * A packet, answer or frame came in.
   */
  TOWPATH_FACT_KIND_RECEIVED = 3,
  /**
   * The attempt ended here.
   */
  TOWPATH_FACT_KIND_FAILED = 4,
  /**
   * Something else.
   */
  TOWPATH_FACT_KIND_OTHER = 255,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_fact_kind towpath_fact_kind;
#else
typedef uint8_t towpath_fact_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a message ended.
 */
enum towpath_outcome
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The server has it.
   */
  TOWPATH_OUTCOME_ACKNOWLEDGED = 0,
  /**
   * The server refused it.
   */
  TOWPATH_OUTCOME_REFUSED = 1,
  /**
   * Its expiry interval passed before it could be sent.
   */
  TOWPATH_OUTCOME_EXPIRED = 2,
  /**
   * It made room for newer messages.
   */
  TOWPATH_OUTCOME_DISPLACED = 3,
  /**
   * The server's limits don't admit it.
   */
  TOWPATH_OUTCOME_NOT_ADMITTED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_outcome towpath_outcome;
#else
typedef uint8_t towpath_outcome;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Who has to act for a fault to go away.
 */
enum towpath_blame
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The peer refused or broke a rule of its protocol.
   */
  TOWPATH_BLAME_PEER = 0,
  /**
   * This side: a buffer, an option, a resource of the device.
   */
  TOWPATH_BLAME_LOCAL = 1,
  /**
   * The network between the two.
   */
  TOWPATH_BLAME_PATH = 2,
  /**
   * The caller asked for something that can't be.
   */
  TOWPATH_BLAME_USAGE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_blame towpath_blame;
#else
typedef uint8_t towpath_blame;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why the platform's byte stream ended or could not be opened; for `towpath_closed`.
 */
enum towpath_cause
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The peer closed it.
   */
  TOWPATH_CAUSE_CLOSED = 0,
  /**
   * It was reset.
   */
  TOWPATH_CAUSE_RESET = 1,
  /**
   * Nothing listens on the port.
   */
  TOWPATH_CAUSE_REFUSED = 2,
  /**
   * No route to the host.
   */
  TOWPATH_CAUSE_HOST_UNREACHABLE = 3,
  /**
   * The network is unreachable.
   */
  TOWPATH_CAUSE_NET_UNREACHABLE = 4,
  /**
   * No answer in time.
   */
  TOWPATH_CAUSE_TIMED_OUT = 5,
  /**
   * The device has no address that reaches beyond its own link.
   */
  TOWPATH_CAUSE_NO_SOURCE_ADDRESS = 6,
  /**
   * No DNS server is known.
   */
  TOWPATH_CAUSE_NO_RESOLVER = 7,
  /**
   * No DNS server answered.
   */
  TOWPATH_CAUSE_RESOLVER_SILENT = 8,
  /**
   * The DNS server failed.
   */
  TOWPATH_CAUSE_RESOLVER_FAILED = 9,
  /**
   * The name does not exist.
   */
  TOWPATH_CAUSE_NAME_NOT_FOUND = 10,
  /**
   * The name has no usable address.
   */
  TOWPATH_CAUSE_NO_ADDRESS = 11,
  /**
   * TLS: the server's certificate leads to no root that is trusted.
   */
  TOWPATH_CAUSE_CERTIFICATE_UNTRUSTED = 20,
  /**
   * TLS: the server's certificate has expired.
   */
  TOWPATH_CAUSE_CERTIFICATE_EXPIRED = 21,
  /**
   * TLS: the server's certificate is not valid yet.
   */
  TOWPATH_CAUSE_CERTIFICATE_FUTURE = 22,
  /**
   * TLS: the server's certificate is for another name.
   */
  TOWPATH_CAUSE_CERTIFICATE_NAME = 23,
  /**
   * TLS: the server's certificate is not valid.
   */
  TOWPATH_CAUSE_CERTIFICATE_BAD = 24,
  /**
   * TLS: the server refuses the client certificate, or wants one.
   */
  TOWPATH_CAUSE_CLIENT_CERTIFICATE = 25,
  /**
   * TLS: the server ended it with an alert.
   */
  TOWPATH_CAUSE_ALERT = 26,
  /**
   * TLS: own certificate, key or name can't be used.
   */
  TOWPATH_CAUSE_MATERIAL = 27,
  /**
   * TLS: the library failed; most often out of memory.
   */
  TOWPATH_CAUSE_LIBRARY = 28,
  /**
   * TLS: the server asked for a renegotiation, which the platform does not allow.
   */
  TOWPATH_CAUSE_RENEGOTIATION_OFF = 29,
  /**
   * TLS: it can't be done as asked.
   */
  TOWPATH_CAUSE_PROFILE = 30,
  /**
   * Anything else; `number` tells.
   */
  TOWPATH_CAUSE_OTHER = 255,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum towpath_cause towpath_cause;
#else
typedef uint8_t towpath_cause;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Memory for a client: a session, and the attempt that carries it. `towpath_init` makes it one. It may not be moved.
 * Memory full of zeros is a client that is not initialised; other memory has to be initialised before anything else.
 */
typedef struct {
  /**
   * The library's own.
   */
  uint64_t opaque[TOWPATH_CLIENT_WORDS];
} towpath_client;

/**
 * The client's memory. It has to stay where it is and be left alone for as long as the client is used.
 */
typedef struct {
  /**
   * Received bytes. It has to hold the largest packet, except for the payload of a message, which may come in
   * pieces; for WebSocket 140 bytes more.
   */
  uint8_t *rx;
  /**
   * Bytes of `rx`.
   */
  size_t rx_len;
  /**
   * Bytes to send: the largest packet and 160 bytes more, or CONNECT and the HTTP request together.
   */
  uint8_t *tx;
  /**
   * Bytes of `tx`.
   */
  size_t tx_len;
  /**
   * What outlives a connection: messages that are not acknowledged, each with 12 bytes more, and subscriptions on
   * their way.
   */
  uint8_t *store;
  /**
   * Bytes of `store`.
   */
  size_t store_len;
  /**
   * Topics behind topic aliases of MQTT 5. May be null: then there are none.
   */
  uint8_t *aliases;
  /**
   * Bytes of `aliases`.
   */
  size_t aliases_len;
} towpath_buffers;

/**
 * Where random numbers come from that nobody else can predict; for keys and masks of WebSocket, and for pauses.
 */
typedef struct {
  /**
   * Fills `out` with `len` random bytes and answers 0, or something else if it can't: then the attempt ends. It
   * must not call the client.
   */
  int (*fill)(void *context, uint8_t *out, size_t len);
  /**
   * Handed to `fill`.
   */
  void *context;
} towpath_random;

/**
 * Some bytes; not text with a zero at its end. `data` may be null if `len` is 0.
 */
typedef struct {
  /**
   * The first byte.
   */
  const uint8_t *data;
  /**
   * How many.
   */
  size_t len;
} towpath_bytes;

/**
 * A property of MQTT 5, by its number on the wire (MQTT 5 section 2.2.2.2).
 */
typedef struct {
  /**
   * Its number, such as 0x11 for the session expiry interval.
   */
  uint8_t id;
  /**
   * The value of a property that is a number.
   */
  uint32_t number;
  /**
   * The value of a property that is bytes or text; of a user property (0x26) the name.
   */
  towpath_bytes data;
  /**
   * The value of a user property.
   */
  towpath_bytes value;
} towpath_property;

/**
 * A list of properties; at most `TOWPATH_MOST`. With MQTT 3.1.1 it has to be empty.
 */
typedef struct {
  /**
   * The first. May be null if there are none.
   */
  const towpath_property *list;
  /**
   * How many.
   */
  size_t count;
} towpath_properties;

/**
 * A message to publish, and the will.
 */
typedef struct {
  /**
   * Where, with a zero at its end.
   */
  const char *topic;
  /**
   * What.
   */
  towpath_bytes payload;
  /**
   * How often it may arrive: 0 at most once, 1 at least once, 2 exactly once.
   */
  uint8_t qos;
  /**
   * Not 0: the server keeps it.
   */
  uint8_t retain;
  /**
   * Properties of MQTT 5.
   */
  towpath_properties properties;
} towpath_outgoing;

/**
 * A header of the HTTP request.
 */
typedef struct {
  /**
   * Its name, with a zero at its end.
   */
  const char *name;
  /**
   * Its value, with a zero at its end. It is never printed.
   */
  const char *value;
} towpath_header;

/**
 * How the WebSocket is asked for (RFC 6455 section 4.1).
 */
typedef struct {
  /**
   * The `Host:` header: the name, and the port unless it is 80 (443 with TLS).
   */
  const char *host;
  /**
   * Path and query, beginning with `/`.
   */
  const char *target;
  /**
   * The subprotocols offered, separated by commas. Null: `mqtt`.
   */
  const char *subprotocols;
  /**
   * Further headers; at most `TOWPATH_MOST`. May be null if there are none.
   */
  const towpath_header *headers;
  /**
   * How many.
   */
  size_t header_count;
} towpath_upgrade;

/**
 * How to begin an attempt. `towpath_defaults` fills it in.
 */
typedef struct {
  /**
   * `TOWPATH_V5`, which is the default, or `TOWPATH_V311`.
   */
  uint8_t version;
  /**
   * Not 0: without an earlier session. Default: 1.
   */
  uint8_t clean_start;
  /**
   * Not 0: TLS lies on the byte stream, so nothing leaves before `towpath_reached` says `TOWPATH_RUNG_TLS`.
   */
  uint8_t secured;
  /**
   * Not 0: commands are sent behind CONNECT without waiting for CONNACK.
   */
  uint8_t pipeline;
  /**
   * Not 0: the application acknowledges messages of QoS 1 and 2 with `towpath_acknowledge`.
   */
  uint8_t manual_acks;
  /**
   * The longest silence of the client in seconds; 0 switches it off. Default: 60.
   */
  uint16_t keep_alive;
  /**
   * How many messages of QoS 1 and 2 may be unacknowledged; 0: as many as the server takes.
   */
  uint16_t window;
  /**
   * How long each rung may take, and the answer to a ping, in milliseconds. Default: 10000.
   */
  uint32_t patience_ms;
  /**
   * The client identifier. Null or empty: the server makes one up.
   */
  const char *client_id;
  /**
   * The user name, or null.
   */
  const char *user_name;
  /**
   * The password; none if `data` is null. Never printed.
   */
  towpath_bytes password;
  /**
   * What the server publishes when the client vanishes, or null.
   */
  const towpath_outgoing *will;
  /**
   * Climb by WebSocket, or null.
   */
  const towpath_upgrade *upgrade;
  /**
   * Properties of MQTT 5.
   */
  towpath_properties properties;
} towpath_options;

/**
 * One filter to subscribe to.
 */
typedef struct {
  /**
   * The topics, with a zero at its end.
   */
  const char *filter;
  /**
   * The highest QoS wanted.
   */
  uint8_t qos;
  /**
   * Not 0: don't send back what this client publishes. MQTT 5.
   */
  uint8_t no_local;
  /**
   * Not 0: keep the retain flag as published. MQTT 5.
   */
  uint8_t retain_as_published;
  /**
   * Retained messages: 0 at each subscribe, 1 if the subscription is new, 2 never. MQTT 5.
   */
  uint8_t retain_handling;
} towpath_subscription;

/**
 * With `TOWPATH_KIND_WAIT` and `TOWPATH_KIND_ENDED`.
 */
typedef struct {
  /**
   * When to call `towpath_timeout`, on the clock of `now_ms`; `TOWPATH_NEVER` if there is no deadline.
   */
  uint64_t until_ms;
  /**
   * What is waited for.
   */
  towpath_reason reason;
} towpath_wait;

/**
 * A fact about the climb.
 */
typedef struct {
  /**
   * When, on the clock of `now_ms`.
   */
  uint64_t at_ms;
  /**
   * On which rung.
   */
  towpath_rung rung;
  /**
   * What.
   */
  towpath_fact_kind kind;
  /**
   * The name of what was sent or received, such as `CONNECT`; not zero-terminated.
   */
  towpath_bytes name;
  /**
   * Its size, bytes.
   */
  uint32_t size;
} towpath_fact;

/**
 * The contents of CONNACK. Properties with `towpath_property_at`.
 */
typedef struct {
  /**
   * Whether the server kept the session.
   */
  bool session_present;
  /**
   * Whether the server keeps retained messages.
   */
  bool retain_available;
  /**
   * The highest QoS that the server takes.
   */
  uint8_t maximum_qos;
  /**
   * The keep alive in force, seconds.
   */
  uint16_t keep_alive;
  /**
   * Unacknowledged messages of QoS 1 and 2 that the server takes.
   */
  uint16_t receive_maximum;
  /**
   * The largest packet that the server takes, bytes.
   */
  uint32_t maximum_packet_size;
  /**
   * Seconds that the session outlives the connection.
   */
  uint32_t session_expiry;
} towpath_connected;

/**
 * A received message or a piece of it. What it points to stays until the next call. Properties of the first piece with
 * `towpath_property_at`.
 */
typedef struct {
  /**
   * Where it was published, not zero-terminated; of a further piece empty.
   */
  towpath_bytes topic;
  /**
   * The payload, or this piece of it.
   */
  towpath_bytes payload;
  /**
   * Where the piece begins in the payload, bytes.
   */
  size_t offset;
  /**
   * The whole payload, bytes. This was all of it when `offset + payload.len` reaches it.
   */
  size_t payload_len;
  /**
   * The packet identifier, 0 with QoS 0.
   */
  uint16_t packet_id;
  /**
   * The QoS it came with.
   */
  uint8_t qos;
  /**
   * Whether the server had kept it.
   */
  bool retain;
  /**
   * Whether the server had sent it before.
   */
  bool dup;
} towpath_message;

/**
 * How a message of this client ended.
 */
typedef struct {
  /**
   * The identifier that `towpath_publish` answered; 0 with QoS 0.
   */
  uint16_t packet_id;
  /**
   * How.
   */
  towpath_outcome outcome;
  /**
   * The server's reason code, 0 if there is none.
   */
  uint8_t reason;
} towpath_settled;

/**
 * SUBACK or UNSUBACK. Properties with `towpath_property_at`.
 */
typedef struct {
  /**
   * The identifier that `towpath_subscribe` or `towpath_unsubscribe` answered.
   */
  uint16_t packet_id;
  /**
   * One reason code a filter, in order: the QoS granted, or from 0x80 on why not.
   */
  towpath_bytes codes;
} towpath_subscribed;

/**
 * A step of enhanced authentication. Properties with `towpath_property_at`.
 */
typedef struct {
  /**
   * Success, continue or re-authenticate.
   */
  uint8_t reason;
} towpath_auth_step;

/**
 * Why an attempt ended. `towpath_fault_text` has it in words.
 */
typedef struct {
  /**
   * The rung that broke.
   */
  towpath_rung rung;
  /**
   * Who has to act.
   */
  towpath_blame blame;
  /**
   * The raw number behind the cause, 0 if there is none: an errno, an HTTP status, a reason code of MQTT, a close
   * code of WebSocket.
   */
  uint32_t number;
  /**
   * The TLS alert that ended it, -1 if there was none.
   */
  int16_t alert;
  /**
   * The cause as a number of this build of the library, for logs: numbers of another build may differ.
   */
  uint16_t code;
  /**
   * The cause for programs: its id in the catalogue of findings, such as `TP-TCP-010`, with a zero at its end. It
   * stays the same over versions, and `towpath explain` has more about it.
   */
  char finding[TOWPATH_FINDING];
} towpath_fault;

/**
 * What belongs to the kind.
 */
typedef union {
  /**
   * Of `TOWPATH_KIND_WAIT` and `TOWPATH_KIND_ENDED`.
   */
  towpath_wait wait;
  /**
   * Of `TOWPATH_KIND_TRANSMIT`.
   */
  towpath_bytes bytes;
  /**
   * Of `TOWPATH_KIND_FACT`.
   */
  towpath_fact fact;
  /**
   * Of `TOWPATH_KIND_CONNECTED`.
   */
  towpath_connected connected;
  /**
   * Of `TOWPATH_KIND_MESSAGE` and `TOWPATH_KIND_PIECE`.
   */
  towpath_message message;
  /**
   * Of `TOWPATH_KIND_SETTLED` and `TOWPATH_KIND_DROPPED`.
   */
  towpath_settled settled;
  /**
   * Of `TOWPATH_KIND_SUBSCRIBED` and `TOWPATH_KIND_UNSUBSCRIBED`.
   */
  towpath_subscribed subscribed;
  /**
   * Of `TOWPATH_KIND_AUTH`.
   */
  towpath_auth_step auth;
  /**
   * Of `TOWPATH_KIND_FAILED`.
   */
  towpath_fault fault;
} towpath_data;

/**
 * What `towpath_poll` wants from the driver. What it points to stays until the next call.
 */
typedef struct {
  /**
   * Which of `data` holds.
   */
  towpath_kind kind;
  /**
   * The rest.
   */
  towpath_data data;
} towpath_output;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The number of the interface that this library was built with; compare it with `TOWPATH_ABI`.
 */
uint32_t towpath_abi(void);

/**
 * Makes a client in `client`, with an empty session. `buffers` and `random` are copied; the memory that they lead to
 * has to stay. Whatever was in `client` before is forgotten.
 *
 * # Safety
 * Each pointer is null or leads to what its type says. The buffers don't overlap, and nobody else uses them for as
 * long as the client is used.
 */
towpath_status towpath_init(towpath_client *client,
                            const towpath_buffers *buffers,
                            const towpath_random *random);

/**
 * Fills in the defaults: MQTT 5, clean start, keep alive of 60 s, ten seconds a rung, nothing else.
 *
 * # Safety
 * `options` is null or leads to room for options.
 */
towpath_status towpath_defaults(towpath_options *options);

/**
 * Begins an attempt: writes the HTTP request, if there is one, and CONNECT, which leave as their rungs are reached.
 * Nothing of `options` is needed after the call.
 *
 * # Safety
 * Each pointer is null or leads to what its type says; so does each in what it leads to.
 */
towpath_status towpath_start(towpath_client *client,
                             uint64_t now_ms,
                             const towpath_options *options);

/**
 * Publishes. Without a connection the message waits in the session store.
 *
 * `packet_id`, which may be null, gets the identifier by which `TOWPATH_KIND_SETTLED` reports; 0 with QoS 0.
 *
 * # Safety
 * Each pointer is null or leads to what its type says; so does each in what it leads to.
 */
towpath_status towpath_publish(towpath_client *client, const towpath_outgoing *message, uint16_t *packet_id);

/**
 * Subscribes, now or as soon as there is a connection. `TOWPATH_KIND_SUBSCRIBED` reports with the identifier that
 * `packet_id`, which may be null, gets.
 *
 * # Safety
 * Each pointer is null or leads to what its type says; so does each in what it leads to.
 */
towpath_status towpath_subscribe(towpath_client *client,
                                 const towpath_subscription *list,
                                 size_t count,
                                 uint16_t *packet_id);

/**
 * Unsubscribes, now or as soon as there is a connection. `filters` leads to `count` texts.
 * `TOWPATH_KIND_UNSUBSCRIBED` reports with the identifier that `packet_id`, which may be null, gets.
 *
 * # Safety
 * Each pointer is null or leads to what its type says; so does each in what it leads to.
 */
towpath_status towpath_unsubscribe(towpath_client *client,
                                   const char *const *filters,
                                   size_t count,
                                   uint16_t *packet_id);

/**
 * Acknowledges a received message of QoS 1 or 2 where `towpath_options.manual_acks` is set.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_acknowledge(towpath_client *client, uint8_t qos, uint16_t packet_id);

/**
 * Sends AUTH, a step of enhanced authentication of MQTT 5 (section 4.12). `properties` may be null.
 *
 * # Safety
 * Each pointer is null or leads to what its type says; so does each in what it leads to.
 */
towpath_status towpath_auth(towpath_client *client, uint8_t reason, const towpath_properties *properties);

/**
 * Says farewell. `TOWPATH_KIND_DISCONNECTED` follows when it has left. `reason` is a reason code of MQTT 5: 0, or 4 to
 * let the server publish the will; 0 with MQTT 3.1.1.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_disconnect(towpath_client *client,
                                  uint8_t reason);

/**
 * Lets the connection go as it is, without a farewell and without an event. The session is kept.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_abandon(towpath_client *client);

/**
 * The driver begins to climb `rung` (a `towpath_rung`), one below the byte stream: `TOWPATH_RUNG_DNS`,
 * `TOWPATH_RUNG_TCP`.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_entered(towpath_client *client, uint64_t now_ms, uint8_t rung);

/**
 * The driver has reached `rung` (a `towpath_rung`). With `TOWPATH_RUNG_TCP` the byte stream is open and bytes may
 * leave; where it is secured, with `TOWPATH_RUNG_TLS`.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_reached(towpath_client *client,
                               uint64_t now_ms,
                               uint8_t rung);

/**
 * The byte stream ended, or could not be opened. `cause` is a `towpath_cause`, `number` an errno, with the causes
 * of TLS the number of its library without sign, 0 if there is none. What was received before is still read; then the attempt fails.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_closed(towpath_client *client,
                              uint64_t now_ms,
                              uint8_t cause,
                              uint32_t number);

/**
 * Room for received bytes; report with `towpath_commit` how many were put there. It is empty while the buffer is full
 * of what was not polled out.
 *
 * # Safety
 * Each pointer is null or leads to what its type says.
 */
towpath_status towpath_rx_space(towpath_client *client,
                                uint8_t **room,
                                size_t *len);

/**
 * `n` bytes were received into what `towpath_rx_space` gave. No other call may come between.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_commit(towpath_client *client, uint64_t now_ms, size_t n);

/**
 * `n` bytes of the last `TOWPATH_KIND_TRANSMIT` were sent.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_transmitted(towpath_client *client, uint64_t now_ms, size_t n);

/**
 * The time of `towpath_wait.until_ms`, or of `towpath_deadline`, has come. Too early or too often does no harm.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_timeout(towpath_client *client,
                               uint64_t now_ms);

/**
 * When to call `towpath_timeout` also while there are bytes to send: a peer that takes none is noticed by this.
 * `TOWPATH_NEVER` if there is no deadline, or no client.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
uint64_t towpath_deadline(const towpath_client *client);

/**
 * What the driver has to do next, into `output`. Call it after every other call, until it says `TOWPATH_KIND_WAIT` or
 * `TOWPATH_KIND_ENDED`. What `output` leads to stays until the next call; a message counts as received then.
 *
 * # Safety
 * Each pointer is null or leads to what its type says.
 */
towpath_status towpath_poll(towpath_client *client,
                            uint64_t now_ms,
                            towpath_output *output);

/**
 * The property number `index` of the last event, into `property`; `TOWPATH_STATUS_NONE` if it has fewer. What it leads
 * to stays until the next call that is not this one.
 *
 * # Safety
 * Each pointer is null or leads to what its type says.
 */
towpath_status towpath_property_at(const towpath_client *client,
                                   size_t index,
                                   towpath_property *property);

/**
 * Switches `TOWPATH_KIND_FACT` on (not 0) or off.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
towpath_status towpath_trace(towpath_client *client, uint8_t on);

/**
 * How long to wait before the next attempt, milliseconds: doubling from `first_ms` to `longest_ms` with each failure,
 * half of it by chance; it starts over once a connection has held for `stable_ms`. Call it once after each end. 0 if
 * there is no client.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
uint64_t towpath_pause(towpath_client *client,
                       uint64_t now_ms,
                       uint32_t first_ms,
                       uint32_t longest_ms,
                       uint32_t stable_ms);

/**
 * Whether CONNACK has accepted the connection and nothing has ended it.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
bool towpath_is_connected(const towpath_client *client);

/**
 * Messages of QoS 1 and 2 that are accepted and not settled, sent or not.
 *
 * # Safety
 * `client` is null or leads to a client.
 */
size_t towpath_unsettled(const towpath_client *client);

/**
 * The address that the translator turns into `ipv4`, into `ipv6`. `prefix` has 16 bytes of which `len` bits count: 32,
 * 40, 48, 56, 64 or 96. `TOWPATH_STATUS_INVALID` if it is no prefix, or may not carry this address: 64:ff9b::/96 is for
 * public addresses only.
 *
 * # Safety
 * Each pointer is null or leads to 16 bytes, `ipv4` to 4.
 */
towpath_status towpath_nat64_synthesise(const uint8_t *prefix,
                                        uint8_t len,
                                        const uint8_t *ipv4,
                                        uint8_t *ipv6);

/**
 * The NAT64 prefix in an AAAA record of `ipv4only.arpa`, into `prefix` (16 bytes) and `len` (bits).
 * `TOWPATH_STATUS_NONE` if there is none in it.
 *
 * # Safety
 * Each pointer is null or leads to 16 bytes, `len` to one.
 */
towpath_status towpath_nat64_discover(const uint8_t *aaaa, uint8_t *prefix, uint8_t *len);

/**
 * Writes the fault that ended the last attempt in one line into `room`: rung, cause, numbers, what the peer said,
 * remedy, and the id of the finding. It is cut to `len` bytes with the zero at its end, as `snprintf` does.
 *
 * Answers the bytes of the whole text without the zero; 0 if there was no fault, or no client.
 *
 * # Safety
 * `client` is null or leads to a client; `room` is null or leads to `len` bytes.
 */
size_t towpath_fault_text(const towpath_client *client,
                          char *room,
                          size_t len);

/**
 * The name of a `towpath_rung`, such as `tcp`; empty if there is none. It is never null and stays for ever.
 */
const char *towpath_rung_name(uint8_t rung);

/**
 * What a `towpath_status` means, in English. It is never null and stays for ever.
 */
const char *towpath_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TOWPATH_H */
