/*
 * Runs the glue on a host: the functions of Zephyr that it uses, over POSIX sockets, and an application on it that gets
 * its own messages of each QoS back. There is no TLS here.
 *
 *   glue tcp|ws HOST PORT TOPIC
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/socket.h>
#include <zephyr/random/random.h>

#include "towpath_zephyr.h"

int64_t k_uptime_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int sys_csrand_get(void *to, size_t len)
{
	FILE *source = fopen("/dev/urandom", "rb");
	size_t got = source != NULL ? fread(to, 1, len, source) : 0;

	if (source != NULL)
		fclose(source);
	return got == len ? 0 : -EIO;
}

void stub_log(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	vfprintf(stderr, format, values);
	va_end(values);
	fputc('\n', stderr);
}

int zsock_getaddrinfo(const char *host, const char *service, const struct zsock_addrinfo *hints,
		      struct zsock_addrinfo **list)
{
	struct addrinfo wanted = {.ai_socktype = hints->ai_socktype}, *found = NULL;
	int error = getaddrinfo(host, service, &wanted, &found);

	*list = NULL;
	if (error != 0)
		return error == EAI_NONAME ? DNS_EAI_NONAME : DNS_EAI_AGAIN;
	for (const struct addrinfo *from = found; from != NULL; from = from->ai_next) {
		struct zsock_addrinfo *to = calloc(1, sizeof(*to) + from->ai_addrlen);

		to->ai_family = from->ai_family;
		to->ai_socktype = from->ai_socktype;
		to->ai_addrlen = from->ai_addrlen;
		to->ai_addr = (struct sockaddr *)(to + 1);
		memcpy(to->ai_addr, from->ai_addr, from->ai_addrlen);
		to->ai_next = *list;
		*list = to;
	}
	freeaddrinfo(found);
	return 0;
}

void zsock_freeaddrinfo(struct zsock_addrinfo *list)
{
	while (list != NULL) {
		struct zsock_addrinfo *next = list->ai_next;

		free(list);
		list = next;
	}
}

int zsock_socket(int family, int type, int protocol)
{
	return socket(family, type, protocol);
}

int zsock_connect(int socket, const struct sockaddr *to, socklen_t len)
{
	return connect(socket, to, len);
}

int zsock_setsockopt(int socket, int level, int name, const void *value, socklen_t len)
{
	return setsockopt(socket, level, name, value, len);
}

ssize_t zsock_send(int socket, const void *data, size_t len, int flags)
{
	return send(socket, data, len, flags | MSG_NOSIGNAL);
}

ssize_t zsock_recv(int socket, void *room, size_t len, int flags)
{
	return recv(socket, room, len, (flags & ZSOCK_MSG_DONTWAIT) != 0 ? MSG_DONTWAIT : 0);
}

int zsock_poll(struct zsock_pollfd *list, int count, int timeout)
{
	struct pollfd ready = {.fd = list->fd, .events = POLLIN};

	(void)count;
	return poll(&ready, 1, timeout);
}

int zsock_close(int socket)
{
	return close(socket);
}

static const char *topic;
static unsigned int came, settled;

static void on_connected(const towpath_connected *connected, void *user)
{
	(void)user;
	printf("connected, keep alive %u s\n", (unsigned int)connected->keep_alive);
	towpath_mqtt_subscribe(topic, 2, NULL);
}

static void on_subscribed(const towpath_subscribed *subscribed, void *user)
{
	(void)subscribed;
	(void)user;
	towpath_mqtt_publish(topic, "at most once", 12, 0, false, NULL);
	towpath_mqtt_publish(topic, "at least once", 13, 1, false, NULL);
	towpath_mqtt_publish(topic, "exactly once", 12, 2, false, NULL);
}

static void leave_if_done(void)
{
	if (came == 3 && settled == 2)
		towpath_mqtt_disconnect();
}

static void on_message(const towpath_message *message, void *user)
{
	(void)user;
	printf("message: %.*s\n", (int)message->payload.len, (const char *)message->payload.data);
	came++;
	leave_if_done();
}

static void on_settled(const towpath_settled *how, void *user)
{
	(void)user;
	printf("settled: %u\n", (unsigned int)how->outcome);
	settled++;
	leave_if_done();
}

static void on_disconnected(const towpath_fault *fault, const char *text, void *user)
{
	(void)user;
	if (fault == NULL)
		printf("disconnected\n");
	else
		printf("fault %s: %s\n", fault->finding, text);
}

int main(int count, char **arguments)
{
	struct towpath_mqtt_config config = {
		.callbacks = {on_connected, on_disconnected, on_message, on_settled, on_subscribed},
	};
	struct towpath_mqtt_connection connection = {.client_id = "towpath-zephyr"};

	if (count != 5)
		return 2;
	topic = arguments[4];
	connection.transport = strcmp(arguments[1], "ws") == 0 ? TOWPATH_MQTT_WS : TOWPATH_MQTT_TCP;
	connection.hostname = arguments[2];
	connection.port = (uint16_t)atoi(arguments[3]);
	if (towpath_mqtt_init(&config) != 0 || towpath_mqtt_connect(&connection) != 0)
		return 2;
	while (towpath_mqtt_poll(-1) == 0)
		continue;
	printf("pause %llu ms\n", (unsigned long long)towpath_mqtt_pause());
	return came == 3 && settled == 2 ? 0 : 1;
}
