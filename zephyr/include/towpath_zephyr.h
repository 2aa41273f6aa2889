/*
 * MQTT for an application on Zephyr: what the mqtt_helper of the nRF Connect SDK does, and beyond that WebSockets,
 * MQTT 5, sessions that outlive a connection, and faults that name the rung, the cause and the remedy.
 *
 * There is one client, as with mqtt_helper. The difference in use: towpath_mqtt_poll() takes the place of its thread,
 * so the application decides in which thread its callbacks run. All functions are to be called in that thread.
 */
#ifndef TOWPATH_ZEPHYR_H
#define TOWPATH_ZEPHYR_H

#include <zephyr/kernel.h>
#include <zephyr/net/tls_credentials.h>

#include "towpath.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What carries MQTT. */
enum towpath_mqtt_transport {
	TOWPATH_MQTT_TCP,
	TOWPATH_MQTT_TLS,
	TOWPATH_MQTT_WS,
	TOWPATH_MQTT_WSS,
};

/* The application's callbacks; each may be null. What they are given lives until they return, or until they
 * call something: they may publish, subscribe and disconnect, but not connect or poll. */
struct towpath_mqtt_callbacks {
	/* The server accepted the connection. */
	void (*on_connected)(const towpath_connected *connected, void *user);
	/* The connection ended as asked (fault is null), or by a fault; then text is the line that says what to do. */
	void (*on_disconnected)(const towpath_fault *fault, const char *text, void *user);
	/* A message or a piece of one. */
	void (*on_message)(const towpath_message *message, void *user);
	/* How a message of QoS 1 or 2 ended. */
	void (*on_settled)(const towpath_settled *settled, void *user);
	/* SUBACK. */
	void (*on_subscribed)(const towpath_subscribed *subscribed, void *user);
};

struct towpath_mqtt_config {
	struct towpath_mqtt_callbacks callbacks;
	/* Handed to the callbacks. */
	void *user;
	/* Security tags of tls_credential_add(): the root, and with X.509 the device's certificate and key. */
	const sec_tag_t *sec_tags;
	size_t sec_tag_count;
};

/* Where to, and as whom. Strings end with a zero and have to stay until towpath_mqtt_connect() has returned. */
struct towpath_mqtt_connection {
	enum towpath_mqtt_transport transport;
	const char *hostname;
	/* 0: the usual one of the transport (1883, 8883, 80, 443). */
	uint16_t port;
	/* Path and query of a WebSocket; null: "/mqtt". */
	const char *path;
	const char *client_id;
	/* Null: none. */
	const char *user_name;
	const char *password;
	/* TOWPATH_V5 or TOWPATH_V311; 0: TOWPATH_V5. */
	uint8_t version;
	/* True: go on with the session of an earlier connection. */
	bool keep_session;
	/* Seconds; 0: 60. */
	uint16_t keep_alive;
	/* What the server publishes when the device vanishes, or null. */
	const towpath_outgoing *will;
};

/* Prepares the client. The configuration is copied; the security tags have to stay. 0, -EALREADY if it is connected,
 * -EINVAL. */
int towpath_mqtt_init(const struct towpath_mqtt_config *config);

/* Begins a connection: name, TCP, TLS; it waits for these as Zephyr's sockets do. What follows, WebSocket and MQTT, is
 * done by towpath_mqtt_poll(), which also reports a fault of these. 0, -EALREADY, -ENOTSUP if it is not configured,
 * -EINVAL. */
int towpath_mqtt_connect(const struct towpath_mqtt_connection *connection);

/* Sends, receives and calls back, for at most `timeout_ms` (negative: until something was done). 0, or -ENOTCONN once
 * the connection is over and on_disconnected has told why. */
int towpath_mqtt_poll(int32_t timeout_ms);

/* Publishes, also without a connection: then it is sent with the next. `packet_id` may be null. 0, -ENOMEM while there
 * is no room, -EINVAL. */
int towpath_mqtt_publish(const char *topic, const void *payload, size_t len, uint8_t qos, bool retain,
			 uint16_t *packet_id);

/* Subscribes, now or with the next connection. `packet_id` may be null. */
int towpath_mqtt_subscribe(const char *filter, uint8_t qos, uint16_t *packet_id);

/* Ends a subscription. `packet_id` may be null. */
int towpath_mqtt_unsubscribe(const char *filter, uint16_t *packet_id);

/* Says farewell; towpath_mqtt_poll() goes on until on_disconnected. */
int towpath_mqtt_disconnect(void);

/* How long to wait before the next connection, milliseconds: from one second to two minutes, half of it by chance. Call
 * it once after each on_disconnected with a fault. */
uint64_t towpath_mqtt_pause(void);

/* For everything else that towpath.h has. */
towpath_client *towpath_mqtt_client(void);

#ifdef __cplusplus
}
#endif

#endif
