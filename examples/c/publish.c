/*
 * MQTT from C over POSIX sockets.
 *
 *   publish HOST PORT TOPIC [/PATH]     with a path by WebSocket
 *
 * MQTT_VERSION=4 in the environment speaks MQTT 3.1.1, ATTEMPTS says how often it tries (5).
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

struct posix {
    const char *host, *port;
    int socket;  /* -1: there is none */
    int entropy; /* /dev/urandom */
};

static uint64_t posix_now(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int posix_random(void *context, uint8_t *out, size_t len)
{
    const struct posix *posix = context;

    return read(posix->entropy, out, len) == (ssize_t)len ? 0 : -1;
}

/* The cause behind an errno, in towpath's words. */
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
    default:
        return TOWPATH_CAUSE_OTHER;
    }
}

/* The first address that takes the connection; -1, and errno, if none does. */
static int connected(const struct addrinfo *list)
{
    const struct addrinfo *to;
    int error = EADDRNOTAVAIL;

    for (to = list; to != NULL; to = to->ai_next) {
        int made = socket(to->ai_family, to->ai_socktype, to->ai_protocol);
        if (made >= 0 && connect(made, to->ai_addr, to->ai_addrlen) == 0)
            return made;
        error = errno;
        if (made >= 0)
            close(made);
    }
    errno = error;
    return -1;
}

static void posix_open(void *context, towpath_client *client)
{
    struct posix *posix = context;
    struct addrinfo hints, *list = NULL;
    int error;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    towpath_entered(client, posix_now(context), TOWPATH_RUNG_DNS);
    if (getaddrinfo(posix->host, posix->port, &hints, &list) != 0) {
        towpath_closed(client, posix_now(context), TOWPATH_CAUSE_NAME_NOT_FOUND, 0);
        return;
    }
    towpath_reached(client, posix_now(context), TOWPATH_RUNG_DNS);
    towpath_entered(client, posix_now(context), TOWPATH_RUNG_TCP);
    posix->socket = connected(list);
    error = errno;
    freeaddrinfo(list);
    if (posix->socket < 0) {
        towpath_closed(client, posix_now(context), cause_of(error), (uint32_t)error);
        return;
    }
    fcntl(posix->socket, F_SETFL, O_NONBLOCK);
    towpath_reached(client, posix_now(context), TOWPATH_RUNG_TCP);
}

static bool would_wait(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static void posix_send(void *context, towpath_client *client, const uint8_t *data, size_t len)
{
    struct posix *posix = context;
    ssize_t sent = send(posix->socket, data, len, MSG_NOSIGNAL);

    if (sent >= 0)
        towpath_transmitted(client, posix_now(context), (size_t)sent);
    else if (!would_wait(errno))
        towpath_closed(client, posix_now(context), cause_of(errno), (uint32_t)errno);
}

static void posix_receive(void *context, towpath_client *client, uint8_t *room, size_t len)
{
    struct posix *posix = context;
    ssize_t got = recv(posix->socket, room, len, 0);

    if (got > 0)
        towpath_commit(client, posix_now(context), (size_t)got);
    else if (got == 0)
        towpath_closed(client, posix_now(context), TOWPATH_CAUSE_CLOSED, 0);
    else if (!would_wait(errno))
        towpath_closed(client, posix_now(context), cause_of(errno), (uint32_t)errno);
}

static void posix_wait(void *context, uint64_t until_ms, bool sending)
{
    struct posix *posix = context;
    uint64_t now = posix_now(context);
    uint64_t span = until_ms <= now ? 0 : until_ms - now;
    /* Without a socket, poll only waits. */
    struct pollfd ready = {posix->socket, (short)(sending ? POLLIN | POLLOUT : POLLIN), 0};

    /* poll takes no longer span; waking too early does no harm. */
    poll(&ready, 1, span > 3600000 ? 3600000 : (int)span);
}

static void posix_close(void *context)
{
    struct posix *posix = context;

    if (posix->socket >= 0)
        close(posix->socket);
    posix->socket = -1;
}

static void posix_say(void *context, const char *line)
{
    (void)context;
    puts(line);
    fflush(stdout);
}

int main(int count, char **arguments)
{
    struct posix posix;
    struct exchange_options options;
    struct exchange_platform platform = {&posix,        posix_now,  posix_open,  posix_send,  posix_receive,
                                         posix_wait, posix_close, posix_random, posix_say};
    const char *version = getenv("MQTT_VERSION"), *attempts = getenv("ATTEMPTS");
    char host[300], id[32];
    int answer;

    if (count < 4 || count > 5) {
        fprintf(stderr, "usage: publish HOST PORT TOPIC [/PATH]\n");
        return 2;
    }
    posix.host = arguments[1];
    posix.port = arguments[2];
    posix.socket = -1;
    posix.entropy = open("/dev/urandom", O_RDONLY);
    snprintf(host, sizeof host, "%s:%s", posix.host, posix.port);
    snprintf(id, sizeof id, "towpath-c-%ld", (long)getpid());
    options.version = version != NULL && strcmp(version, "4") == 0 ? TOWPATH_V311 : TOWPATH_V5;
    options.client_id = id;
    options.topic = arguments[3];
    options.host = host;
    options.path = count == 5 ? arguments[4] : NULL;
    options.attempts = attempts != NULL ? (unsigned)atoi(attempts) : 5;
    answer = exchange(&platform, &options);
    close(posix.entropy);
    return answer;
}
