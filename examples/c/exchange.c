#include "exchange.h"

#include <string.h>

/* The longest line that is printed. */
#define LINE 420

struct app {
    const struct exchange_platform *platform;
    const struct exchange_options *options;
    uint64_t began, started[TOWPATH_RUNG_HUB + 1];
    unsigned came, settled;
    bool done;
};

static towpath_client client;
static uint8_t rx[1024], tx[1024], store[1024], aliases[64];

static uint64_t now(const struct app *app)
{
    return app->platform->now_ms(app->platform->context);
}

/* A line that is put together piece by piece; what does not fit is cut. */
struct line {
    char text[LINE];
    size_t len;
};

static void add_bytes(struct line *line, const void *data, size_t len)
{
    if (len > sizeof line->text - 1 - line->len)
        len = sizeof line->text - 1 - line->len;
    if (len > 0)
        memcpy(line->text + line->len, data, len);
    line->len += len;
    line->text[line->len] = 0;
}

static void add(struct line *line, const char *text)
{
    add_bytes(line, text, strlen(text));
}

static void add_number(struct line *line, uint32_t number)
{
    char digits[10];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    add_bytes(line, digits + at, sizeof digits - at);
}

static void pad_to(struct line *line, size_t column)
{
    while (line->len < column)
        add(line, " ");
}

static void say(const struct app *app, const struct line *line)
{
    app->platform->say(app->platform->context, line->text);
}

/* A line of the ladder: rung, state, milliseconds. */
static void say_rung(const struct app *app, const char *rung, const char *state, uint64_t took, const char *what)
{
    struct line line = {{0}, 0};

    add(&line, "  ");
    add(&line, rung);
    pad_to(&line, 12);
    add(&line, state);
    pad_to(&line, 24);
    add_number(&line, (uint32_t)took);
    add(&line, " ms  ");
    add(&line, what);
    say(app, &line);
}

static void publish(struct app *app, const char *text, uint8_t qos)
{
    struct line line = {{0}, 0};
    towpath_outgoing message;
    towpath_status status;

    memset(&message, 0, sizeof message);
    message.topic = app->options->topic;
    message.payload.data = (const uint8_t *)text;
    message.payload.len = strlen(text);
    message.qos = qos;
    status = towpath_publish(&client, &message, NULL);
    if (status != TOWPATH_STATUS_OK) {
        add(&line, "publish: ");
        add(&line, towpath_status_text(status));
        say(app, &line);
    }
}

static void subscribe(const struct app *app)
{
    towpath_subscription wanted;

    memset(&wanted, 0, sizeof wanted);
    wanted.filter = app->options->topic;
    wanted.qos = 2;
    towpath_subscribe(&client, &wanted, 1, NULL);
}

/* The ladder, as the rungs are climbed. */
static void on_fact(struct app *app, const towpath_fact *fact)
{
    uint64_t *started = &app->started[fact->rung];

    if (fact->kind == TOWPATH_FACT_KIND_STARTED)
        *started = fact->at_ms;
    else if (fact->kind == TOWPATH_FACT_KIND_REACHED && fact->rung != TOWPATH_RUNG_WS)
        say_rung(app, towpath_rung_name(fact->rung), "reached", fact->at_ms - *started, "");
    else if (fact->kind == TOWPATH_FACT_KIND_FAILED)
        say_rung(app, towpath_rung_name(fact->rung), "broke", fact->at_ms - *started, "");
}

static void on_message(struct app *app, const towpath_message *message)
{
    struct line line = {{0}, 0};

    add(&line, "message: ");
    add_bytes(&line, message->topic.data, message->topic.len);
    add(&line, ": ");
    add_bytes(&line, message->payload.data, message->payload.len);
    say(app, &line);
    app->came++;
}

static void on_settled(struct app *app, const towpath_settled *settled)
{
    struct line line = {{0}, 0};

    add(&line, "settled: ");
    add_number(&line, settled->packet_id);
    add(&line, settled->outcome == TOWPATH_OUTCOME_ACKNOWLEDGED ? ", acknowledged" : ", not acknowledged");
    say(app, &line);
    app->settled++;
}

static void on_failed(struct app *app)
{
    struct line line = {{0}, 0};
    size_t len = towpath_fault_text(&client, line.text, sizeof line.text);

    line.len = len < sizeof line.text ? len : sizeof line.text - 1;
    say(app, &line);
}

/* Works on what towpath_poll has for the application. */
static void on_event(struct app *app, const towpath_output *output)
{
    switch (output->kind) {
    case TOWPATH_KIND_FACT:
        on_fact(app, &output->data.fact);
        break;
    case TOWPATH_KIND_CONNECTED:
        say_rung(app, "path", "ready", now(app) - app->began,
                 output->data.connected.session_present ? "session kept" : "session new");
        subscribe(app);
        break;
    case TOWPATH_KIND_SUBSCRIBED:
        publish(app, "at most once", 0);
        publish(app, "at least once", 1);
        publish(app, "exactly once", 2);
        break;
    case TOWPATH_KIND_MESSAGE:
        on_message(app, &output->data.message);
        break;
    case TOWPATH_KIND_SETTLED:
        on_settled(app, &output->data.settled);
        break;
    case TOWPATH_KIND_DISCONNECTED:
        app->done = true;
        break;
    case TOWPATH_KIND_FAILED:
        on_failed(app);
        break;
    default:
        break;
    }
    /* Each message came back, and those that are acknowledged are. */
    if (output->kind != TOWPATH_KIND_FACT && app->came >= 3 && app->settled >= 2)
        towpath_disconnect(&client, 0);
}

static void receive(const struct app *app)
{
    uint8_t *room;
    size_t len;

    if (towpath_rx_space(&client, &room, &len) == TOWPATH_STATUS_OK && len > 0)
        app->platform->receive(app->platform->context, &client, room, len);
}

/* One attempt, from the name to its end. The driver law: change something, then poll until it says wait. */
static void attempt(struct app *app)
{
    const struct exchange_platform *platform = app->platform;
    towpath_output output;

    platform->open(platform->context, &client);
    for (;;) {
        towpath_poll(&client, now(app), &output);
        switch (output.kind) {
        case TOWPATH_KIND_TRANSMIT:
            platform->send(platform->context, &client, output.data.bytes.data, output.data.bytes.len);
            /* A peer that takes nothing may still say something, and the deadline holds. */
            platform->wait(platform->context, towpath_deadline(&client), true);
            receive(app);
            towpath_timeout(&client, now(app));
            break;
        case TOWPATH_KIND_WAIT:
            platform->wait(platform->context, output.data.wait.until_ms, false);
            receive(app);
            towpath_timeout(&client, now(app));
            break;
        case TOWPATH_KIND_ENDED:
            platform->close(platform->context);
            return;
        default:
            on_event(app, &output);
            break;
        }
    }
}

static towpath_status start(struct app *app)
{
    towpath_options options;
    towpath_upgrade upgrade;

    towpath_defaults(&options);
    options.version = app->options->version;
    options.client_id = app->options->client_id;
    if (app->options->path != NULL) {
        memset(&upgrade, 0, sizeof upgrade);
        upgrade.host = app->options->host;
        upgrade.target = app->options->path;
        options.upgrade = &upgrade;
    }
    app->came = 0;
    app->settled = 0;
    app->began = now(app);
    return towpath_start(&client, app->began, &options);
}

int exchange(const struct exchange_platform *platform, const struct exchange_options *options)
{
    towpath_buffers buffers = {rx, sizeof rx, tx, sizeof tx, store, sizeof store, aliases, sizeof aliases};
    towpath_random random = {platform->random, platform->context};
    struct line line = {{0}, 0};
    struct app app;
    unsigned tried;
    towpath_status status = towpath_init(&client, &buffers, &random);

    memset(&app, 0, sizeof app);
    app.platform = platform;
    app.options = options;
    if (towpath_abi() != TOWPATH_ABI)
        status = TOWPATH_STATUS_ARGUMENT;
    towpath_trace(&client, 1);
    for (tried = 0; status == TOWPATH_STATUS_OK && !app.done && tried < options->attempts; tried++) {
        if (tried > 0) {
            uint64_t until = now(&app) + towpath_pause(&client, now(&app), 200, 5000, 30000);
            while (now(&app) < until)
                platform->wait(platform->context, until, false);
        }
        status = start(&app);
        if (status == TOWPATH_STATUS_OK)
            attempt(&app);
    }
    if (status != TOWPATH_STATUS_OK) {
        add(&line, "towpath: ");
        add(&line, towpath_status_text(status));
        say(&app, &line);
        return 2;
    }
    return app.done ? 0 : 1;
}
