/* The example on a platform that does nothing, for the linker. */
#include "exchange.h"

/* Where a panic of the library ends. */
void abort(void);

void abort(void)
{
    for (;;) {
    }
}

static uint64_t now(void *context)
{
    (void)context;
    return 0;
}

static void open(void *context, towpath_client *client)
{
    (void)context;
    towpath_reached(client, 0, TOWPATH_RUNG_TCP);
}

static void send(void *context, towpath_client *client, const uint8_t *data, size_t len)
{
    (void)context;
    (void)data;
    towpath_transmitted(client, 0, len);
}

static void receive(void *context, towpath_client *client, uint8_t *room, size_t len)
{
    (void)context;
    (void)room;
    towpath_commit(client, 0, len);
}

static void wait(void *context, uint64_t until_ms, bool sending)
{
    (void)context;
    (void)until_ms;
    (void)sending;
}

static void close(void *context)
{
    (void)context;
}

static int fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    (void)out;
    (void)len;
    return -1;
}

static void say(void *context, const char *line)
{
    (void)context;
    (void)line;
}

int main(void)
{
    static const struct exchange_platform platform = {0, now, open, send, receive, wait, close, fill, say};
    static const struct exchange_options options = {TOWPATH_V5, "device", "topic", "host", "/mqtt", 1};

    return exchange(&platform, &options);
}
