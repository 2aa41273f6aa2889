/*
 * MQTT for an application on Zephyr over its sockets: the driver of towpath.h. Names, TCP and TLS are Zephyr's; the
 * WebSocket and MQTT are towpath's.
 */
#include <errno.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/socket.h>
#include <zephyr/random/random.h>

#include "towpath_zephyr.h"

LOG_MODULE_REGISTER(towpath, CONFIG_TOWPATH_LOG_LEVEL);

/* The longest line about a fault. */
#define TEXT_MAX 384
/* The longest name of a server, with the colon and port behind it. */
#define HOST_MAX 262

static towpath_client client;
static uint8_t rx[CONFIG_TOWPATH_RX_BUFFER];
static uint8_t tx[CONFIG_TOWPATH_TX_BUFFER];
static uint8_t store[CONFIG_TOWPATH_STORE];

static struct {
	struct towpath_mqtt_config config;
	bool ready;
	bool open;
	int socket;
} state = {.socket = -1};

static uint64_t now_ms(void)
{
	return (uint64_t)k_uptime_get();
}

static int fill_random(void *context, uint8_t *out, size_t len)
{
	(void)context;
	return sys_csrand_get(out, len);
}

/* From a status of towpath to an errno of Zephyr. */
static int answer(towpath_status status)
{
	switch (status) {
	case TOWPATH_STATUS_OK:
		return 0;
	case TOWPATH_STATUS_FULL:
	case TOWPATH_STATUS_NO_PACKET_ID:
		return -ENOMEM;
	case TOWPATH_STATUS_NOT_CONNECTED:
		return -ENOTCONN;
	case TOWPATH_STATUS_PACKET_TOO_LARGE:
		return -EMSGSIZE;
	case TOWPATH_STATUS_NEEDS_V5:
	case TOWPATH_STATUS_QOS:
	case TOWPATH_STATUS_RETAIN:
		return -ENOTSUP;
	case TOWPATH_STATUS_BUSY:
		return -EBUSY;
	case TOWPATH_STATUS_RANDOM:
		return -EIO;
	default:
		return -EINVAL;
	}
}

/* The cause behind an errno of a socket. */
static uint8_t cause_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return TOWPATH_CAUSE_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return TOWPATH_CAUSE_RESET;
	case EHOSTUNREACH:
		return TOWPATH_CAUSE_HOST_UNREACHABLE;
	case ENETUNREACH:
		return TOWPATH_CAUSE_NET_UNREACHABLE;
	case ETIMEDOUT:
		return TOWPATH_CAUSE_TIMED_OUT;
	case ENOTCONN:
	case ECONNABORTED:
		return TOWPATH_CAUSE_CLOSED;
	default:
		return TOWPATH_CAUSE_OTHER;
	}
}

static void broken_by(int error)
{
	towpath_closed(&client, now_ms(), cause_of(error), (uint32_t)error);
}

static bool is_secured(enum towpath_mqtt_transport transport)
{
	return transport == TOWPATH_MQTT_TLS || transport == TOWPATH_MQTT_WSS;
}

static bool is_websocket(enum towpath_mqtt_transport transport)
{
	return transport == TOWPATH_MQTT_WS || transport == TOWPATH_MQTT_WSS;
}

static uint16_t port_of(const struct towpath_mqtt_connection *connection)
{
	static const uint16_t usual[] = {1883, 8883, 80, 443};

	return connection->port != 0 ? connection->port : usual[connection->transport];
}

/* Appends the digits of a number and a zero; answers where the zero is. */
static char *put_number(char *to, uint16_t number)
{
	char digits[5];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	memcpy(to, digits + at, sizeof(digits) - at);
	to += sizeof(digits) - at;
	*to = 0;
	return to;
}

#if defined(CONFIG_TOWPATH_TLS)
/* The server is verified always: its chain by the security tags, its name by the host name. */
static int secure(int socket, const char *hostname)
{
	int verify = TLS_PEER_VERIFY_REQUIRED;
	size_t tags = state.config.sec_tag_count * sizeof(sec_tag_t);

	if (zsock_setsockopt(socket, SOL_TLS, TLS_SEC_TAG_LIST, state.config.sec_tags, tags) != 0 ||
	    zsock_setsockopt(socket, SOL_TLS, TLS_PEER_VERIFY, &verify, sizeof(verify)) != 0 ||
	    zsock_setsockopt(socket, SOL_TLS, TLS_HOSTNAME, hostname, strlen(hostname) + 1) != 0) {
		return -errno;
	}
	return 0;
}
#endif

/* A send that takes longer than a rung may is the end of the connection. */
static void limit_sending(int socket)
{
	struct timeval span = {
		.tv_sec = CONFIG_TOWPATH_PATIENCE_MS / 1000,
		.tv_usec = CONFIG_TOWPATH_PATIENCE_MS % 1000 * 1000,
	};

	if (zsock_setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &span, sizeof(span)) != 0) {
		LOG_WRN("SO_SNDTIMEO: %d; a send may wait for long", errno);
	}
}

/* Opens a connection to this address, with TLS where it is asked for. 0 or a negative errno; then `shaking` says whether
 * it was TLS's. */
static int open_to(const struct zsock_addrinfo *to, const struct towpath_mqtt_connection *connection, bool *shaking)
{
	int protocol = IPPROTO_TCP;
	int error = 0;

	*shaking = false;
#if defined(CONFIG_TOWPATH_TLS)
	if (is_secured(connection->transport)) {
		protocol = IPPROTO_TLS_1_2;
	}
#endif
	state.socket = zsock_socket(to->ai_family, SOCK_STREAM, protocol);
	if (state.socket < 0) {
		return -errno;
	}
	limit_sending(state.socket);
#if defined(CONFIG_TOWPATH_TLS)
	if (is_secured(connection->transport)) {
		error = secure(state.socket, connection->hostname);
	}
#endif
	if (error == 0 && zsock_connect(state.socket, to->ai_addr, to->ai_addrlen) != 0) {
		error = -errno;
		/* Zephyr's connect() is TCP and TLS in one. These are TCP's; what else there is on TLS's way is its. */
		*shaking = is_secured(connection->transport) && error != -ECONNREFUSED && error != -EHOSTUNREACH &&
			   error != -ENETUNREACH && error != -ETIMEDOUT;
	}
	if (error != 0) {
		zsock_close(state.socket);
		state.socket = -1;
	}
	return error;
}

/* What Zephyr says about a name, as a cause. */
static uint8_t cause_of_name(int error)
{
	switch (error) {
	case DNS_EAI_NONAME:
		return TOWPATH_CAUSE_NAME_NOT_FOUND;
	case DNS_EAI_NODATA:
	case DNS_EAI_ADDRFAMILY:
		return TOWPATH_CAUSE_NO_ADDRESS;
	case DNS_EAI_AGAIN:
	case DNS_EAI_CANCELED:
		return TOWPATH_CAUSE_RESOLVER_SILENT;
	default:
		return TOWPATH_CAUSE_RESOLVER_FAILED;
	}
}

/* Climbs from the name to TLS, and tells the client how that went. */
static void dial(const struct towpath_mqtt_connection *connection)
{
	struct zsock_addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct zsock_addrinfo *list = NULL;
	bool shaking = false;
	char port[6];
	int error;

	put_number(port, port_of(connection));
	towpath_entered(&client, now_ms(), TOWPATH_RUNG_DNS);
	error = zsock_getaddrinfo(connection->hostname, port, &hints, &list);
	if (error != 0) {
		LOG_DBG("getaddrinfo: %d", error);
		towpath_closed(&client, now_ms(), cause_of_name(error), (uint32_t)(error < 0 ? -error : error));
		return;
	}
	towpath_reached(&client, now_ms(), TOWPATH_RUNG_DNS);
	towpath_entered(&client, now_ms(), TOWPATH_RUNG_TCP);
	error = -EADDRNOTAVAIL;
	for (const struct zsock_addrinfo *to = list; to != NULL && state.socket < 0 && !shaking; to = to->ai_next) {
		error = open_to(to, connection, &shaking);
	}
	zsock_freeaddrinfo(list);
	if (state.socket >= 0 || shaking) {
		towpath_reached(&client, now_ms(), TOWPATH_RUNG_TCP);
	}
	if (state.socket < 0) {
		broken_by(-error);
	} else if (is_secured(connection->transport)) {
		towpath_reached(&client, now_ms(), TOWPATH_RUNG_TLS);
	}
}

/* The Host header: the name, and the port unless it is the transport's own. */
static int write_host(char *host, const struct towpath_mqtt_connection *connection)
{
	size_t len = strlen(connection->hostname);
	uint16_t usual = is_secured(connection->transport) ? 443 : 80;

	if (len > HOST_MAX - sizeof(":65535")) {
		return -EINVAL;
	}
	memcpy(host, connection->hostname, len + 1);
	if (port_of(connection) != usual) {
		host[len] = ':';
		put_number(host + len + 1, port_of(connection));
	}
	return 0;
}

static int start(const struct towpath_mqtt_connection *connection)
{
	towpath_options options;
	towpath_upgrade upgrade = {0};
	char host[HOST_MAX];

	towpath_defaults(&options);
	options.patience_ms = CONFIG_TOWPATH_PATIENCE_MS;
	options.version = connection->version;
	options.clean_start = connection->keep_session ? 0 : 1;
	options.secured = is_secured(connection->transport) ? 1 : 0;
	options.client_id = connection->client_id;
	options.user_name = connection->user_name;
	options.will = connection->will;
	if (connection->keep_alive != 0) {
		options.keep_alive = connection->keep_alive;
	}
	if (connection->password != NULL) {
		options.password.data = (const uint8_t *)connection->password;
		options.password.len = strlen(connection->password);
	}
	if (is_websocket(connection->transport)) {
		int error = write_host(host, connection);

		if (error != 0) {
			return error;
		}
		upgrade.host = host;
		upgrade.target = connection->path != NULL ? connection->path : "/mqtt";
		options.upgrade = &upgrade;
	}
	return answer(towpath_start(&client, now_ms(), &options));
}

int towpath_mqtt_init(const struct towpath_mqtt_config *config)
{
	towpath_buffers buffers = {
		.rx = rx,
		.rx_len = sizeof(rx),
		.tx = tx,
		.tx_len = sizeof(tx),
		.store = store,
		.store_len = sizeof(store),
	};
	towpath_random random = {.fill = fill_random};
	int error;

	if (config == NULL) {
		return -EINVAL;
	}
	if (state.open) {
		return -EALREADY;
	}
	state.config = *config;
	error = towpath_abi() == TOWPATH_ABI ? answer(towpath_init(&client, &buffers, &random)) : -EINVAL;
	state.ready = error == 0;
	return error;
}

int towpath_mqtt_connect(const struct towpath_mqtt_connection *connection)
{
	int error;

	if (connection == NULL || connection->hostname == NULL || !state.ready ||
	    (unsigned int)connection->transport > TOWPATH_MQTT_WSS) {
		return -EINVAL;
	}
	if (state.open) {
		return -EALREADY;
	}
	if ((is_secured(connection->transport) && !IS_ENABLED(CONFIG_TOWPATH_TLS)) ||
	    (is_websocket(connection->transport) && !IS_ENABLED(CONFIG_TOWPATH_WEBSOCKET))) {
		return -ENOTSUP;
	}
	error = start(connection);
	if (error == 0) {
		state.open = true;
		dial(connection);
	}
	return error;
}

static void over(const towpath_fault *fault)
{
	const struct towpath_mqtt_callbacks *callbacks = &state.config.callbacks;
	char text[TEXT_MAX];

	text[0] = 0;
	if (state.socket >= 0) {
		zsock_close(state.socket);
		state.socket = -1;
	}
	state.open = false;
	if (fault != NULL) {
		towpath_fault_text(&client, text, sizeof(text));
		LOG_WRN("%s", text);
	}
	if (callbacks->on_disconnected != NULL) {
		callbacks->on_disconnected(fault, fault != NULL ? text : NULL, state.config.user);
	}
}

/* Calls back with an event. */
static void tell(const towpath_output *output)
{
	const struct towpath_mqtt_callbacks *callbacks = &state.config.callbacks;
	void *user = state.config.user;

	switch (output->kind) {
	case TOWPATH_KIND_CONNECTED:
		if (callbacks->on_connected != NULL) {
			callbacks->on_connected(&output->data.connected, user);
		}
		break;
	case TOWPATH_KIND_MESSAGE:
	case TOWPATH_KIND_PIECE:
		if (callbacks->on_message != NULL) {
			callbacks->on_message(&output->data.message, user);
		}
		break;
	case TOWPATH_KIND_SETTLED:
	case TOWPATH_KIND_DROPPED:
		if (callbacks->on_settled != NULL) {
			callbacks->on_settled(&output->data.settled, user);
		}
		break;
	case TOWPATH_KIND_SUBSCRIBED:
		if (callbacks->on_subscribed != NULL) {
			callbacks->on_subscribed(&output->data.subscribed, user);
		}
		break;
	case TOWPATH_KIND_DISCONNECTED:
		over(NULL);
		break;
	case TOWPATH_KIND_FAILED:
		over(&output->data.fault);
		break;
	default:
		break;
	}
}

/* Waits in send(): a TLS socket that was interrupted would have to be given the same bytes again, and more may have come
 * behind them by then. */
static void transmit(const towpath_bytes *bytes)
{
	ssize_t sent = zsock_send(state.socket, bytes->data, bytes->len, 0);

	if (sent >= 0) {
		towpath_transmitted(&client, now_ms(), (size_t)sent);
	} else {
		broken_by(errno == EAGAIN ? ETIMEDOUT : errno);
	}
}

static void receive(void)
{
	uint8_t *room;
	size_t len;
	ssize_t got;

	if (towpath_rx_space(&client, &room, &len) != TOWPATH_STATUS_OK || len == 0) {
		return;
	}
	got = zsock_recv(state.socket, room, len, ZSOCK_MSG_DONTWAIT);
	if (got > 0) {
		towpath_commit(&client, now_ms(), (size_t)got);
	} else if (got == 0) {
		towpath_closed(&client, now_ms(), TOWPATH_CAUSE_CLOSED, 0);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		broken_by(errno);
	}
}

/* Waits until bytes have come, `until` at the latest. */
static void wait_for(uint64_t until)
{
	struct zsock_pollfd ready = {.fd = state.socket, .events = ZSOCK_POLLIN};
	uint64_t now = now_ms();
	uint64_t span = until <= now ? 0 : until - now;

	if (state.socket < 0) {
		return;
	}
	/* poll() takes no longer span; waking too early does no harm. */
	if (zsock_poll(&ready, 1, span > 3600000 ? 3600000 : (int)span) > 0) {
		receive();
	}
}

int towpath_mqtt_poll(int32_t timeout_ms)
{
	uint64_t end = timeout_ms < 0 ? TOWPATH_NEVER : now_ms() + (uint64_t)timeout_ms;
	bool done = false;
	towpath_output output;

	if (!state.open) {
		return -ENOTCONN;
	}
	for (;;) {
		int error = answer(towpath_poll(&client, now_ms(), &output));

		if (error != 0) {
			return error;
		}
		if (output.kind == TOWPATH_KIND_TRANSMIT) {
			transmit(&output.data.bytes);
		} else if (output.kind == TOWPATH_KIND_WAIT) {
			uint64_t until = MIN(output.data.wait.until_ms, end);

			if (now_ms() >= end || (timeout_ms < 0 && done)) {
				return 0;
			}
			wait_for(until);
			towpath_timeout(&client, now_ms());
		} else if (output.kind == TOWPATH_KIND_ENDED) {
			return -ENOTCONN;
		} else {
			tell(&output);
			done = true;
		}
		if (!state.open) {
			return -ENOTCONN;
		}
	}
}

int towpath_mqtt_publish(const char *topic, const void *payload, size_t len, uint8_t qos, bool retain,
			 uint16_t *packet_id)
{
	towpath_outgoing message = {
		.topic = topic,
		.payload = {.data = payload, .len = len},
		.qos = qos,
		.retain = retain ? 1 : 0,
	};

	return answer(towpath_publish(&client, &message, packet_id));
}

int towpath_mqtt_subscribe(const char *filter, uint8_t qos, uint16_t *packet_id)
{
	towpath_subscription wanted = {.filter = filter, .qos = qos};

	return answer(towpath_subscribe(&client, &wanted, 1, packet_id));
}

int towpath_mqtt_unsubscribe(const char *filter, uint16_t *packet_id)
{
	return answer(towpath_unsubscribe(&client, &filter, 1, packet_id));
}

int towpath_mqtt_disconnect(void)
{
	return answer(towpath_disconnect(&client, 0));
}

uint64_t towpath_mqtt_pause(void)
{
	return towpath_pause(&client, now_ms(), 1000, 120000, 30000);
}

towpath_client *towpath_mqtt_client(void)
{
	return &client;
}
