/*
 * examples/c/exchange.c on the board mps2-an505. Settings in device.cfg: host (an IPv4 address), port, topic; path for a
 * WebSocket; version (3.1.1 or 5); attempts.
 */
#include <string.h>

#include "board.h"
#include "exchange.h"

/* How long DHCP and TCP may take together. */
#define PATIENCE_MS 10000

static char host[64], port[8], topic[64], path[64], version[8], attempts[8], authority[80], line[48];

static uint16_t number(const char *text)
{
    uint32_t number = 0;

    while (*text >= '0' && *text <= '9' && number <= UINT16_MAX)
        number = number * 10 + (uint32_t)(*text++ - '0');
    return number <= UINT16_MAX ? (uint16_t)number : 0;
}

static uint64_t on_now(void *context)
{
    (void)context;
    return board_now_ms();
}

static void on_open(void *context, towpath_client *client)
{
    int cause;

    (void)context;
    towpath_entered(client, board_now_ms(), TOWPATH_RUNG_TCP);
    cause = board_open(host, number(port), board_now_ms() + PATIENCE_MS);
    if (cause != 0)
        towpath_closed(client, board_now_ms(), (uint8_t)cause, 0);
    else
        towpath_reached(client, board_now_ms(), TOWPATH_RUNG_TCP);
}

static void on_send(void *context, towpath_client *client, const uint8_t *data, size_t len)
{
    int32_t sent = board_send(data, len);

    (void)context;
    if (sent >= 0)
        towpath_transmitted(client, board_now_ms(), (size_t)sent);
    else
        towpath_closed(client, board_now_ms(), TOWPATH_CAUSE_RESET, 0);
}

static void on_receive(void *context, towpath_client *client, uint8_t *room, size_t len)
{
    int32_t got = board_receive(room, len);

    (void)context;
    if (got >= 0)
        towpath_commit(client, board_now_ms(), (size_t)got);
    else
        towpath_closed(client, board_now_ms(), got == -1 ? TOWPATH_CAUSE_CLOSED : TOWPATH_CAUSE_RESET, 0);
}

static void on_wait(void *context, uint64_t until_ms, bool sending)
{
    (void)context;
    board_wait(until_ms, sending);
}

static void on_close(void *context)
{
    (void)context;
    board_close();
}

static int on_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    board_random(out, len);
    return 0;
}

static void on_say(void *context, const char *text)
{
    (void)context;
    board_say(text);
}

/* "host:port", for the Host header. */
static void write_authority(void)
{
    size_t len = strlen(host);

    memcpy(authority, host, len);
    authority[len] = ':';
    memcpy(authority + len + 1, port, strlen(port) + 1);
}

/* "stack: N bytes" */
static void say_stack(void)
{
    static const char before[] = "stack: ", behind[] = " bytes";
    char digits[12];
    size_t at = sizeof digits, number = board_stack();

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    memcpy(line, before, sizeof before - 1);
    memcpy(line + sizeof before - 1, digits + at, sizeof digits - at);
    memcpy(line + sizeof before - 1 + sizeof digits - at, behind, sizeof behind);
    board_say(line);
}

int application(void)
{
    static const struct exchange_platform platform = {NULL,    on_now,   on_open,   on_send, on_receive,
                                                      on_wait, on_close, on_random, on_say};
    struct exchange_options options;
    int answer;

    if (!board_setting("host", host, sizeof host) || !board_setting("port", port, sizeof port)) {
        board_say("device.cfg needs host and port");
        return 2;
    }
    if (!board_setting("topic", topic, sizeof topic))
        memcpy(topic, "towpath/c", sizeof "towpath/c");
    write_authority();
    options.version = TOWPATH_V5;
    if (board_setting("version", version, sizeof version) && version[0] == '3')
        options.version = TOWPATH_V311;
    options.client_id = "";
    options.topic = topic;
    options.host = authority;
    options.path = board_setting("path", path, sizeof path) ? path : NULL;
    options.attempts = board_setting("attempts", attempts, sizeof attempts) ? number(attempts) : 5;
    answer = exchange(&platform, &options);
    say_stack();
    return answer;
}
