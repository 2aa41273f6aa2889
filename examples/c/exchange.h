/*
 * A small application on towpath, the same for every platform: it connects, subscribes to a topic, publishes to it with
 * QoS 0, 1 and 2, gets each message back and says farewell. If the path breaks it comes back after a pause.
 *
 * It needs a byte stream, a clock and random numbers of the platform, and nothing of the C library beyond memset,
 * memcpy and strlen.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdint.h>

#include "towpath.h"

/* What the platform does. Each function gets the context. */
struct exchange_platform {
    void *context;
    /* Milliseconds since any moment, never going back. */
    uint64_t (*now_ms)(void *context);
    /* Climbs the rungs below MQTT, and tells towpath so: towpath_entered, towpath_reached, towpath_closed. */
    void (*open)(void *context, towpath_client *client);
    /* Sends some of the bytes, without waiting; tells towpath_transmitted or towpath_closed. */
    void (*send)(void *context, towpath_client *client, const uint8_t *data, size_t len);
    /* Puts what has come into the room, without waiting; tells towpath_commit or towpath_closed. */
    void (*receive)(void *context, towpath_client *client, uint8_t *room, size_t len);
    /* Waits until something can be received, or sent if that is wanted, or until then (TOWPATH_NEVER: for ever). */
    void (*wait)(void *context, uint64_t until_ms, bool sending);
    /* Closes the byte stream, if there is one. */
    void (*close)(void *context);
    /* Fills the room with random numbers; 0 if it could. */
    int (*random)(void *context, uint8_t *out, size_t len);
    /* Prints a line. */
    void (*say)(void *context, const char *line);
};

/* What to do. */
struct exchange_options {
    /* TOWPATH_V5 or TOWPATH_V311. */
    uint8_t version;
    const char *client_id;
    const char *topic;
    /* The Host header and the path of a WebSocket; host may be null if the path is. */
    const char *host;
    const char *path;
    /* How many attempts before it gives up. */
    unsigned attempts;
};

/* 0 when all messages came back and the farewell has left, 1 after a fault, 2 if it was asked for what can't be. */
int exchange(const struct exchange_platform *platform, const struct exchange_options *options);

#endif
