/* libmosquitto, single threaded: every step of it happens inside mosquitto_loop or a call here. */
#include <mosquitto.h>

#include "bench.h"

static int connected, subscribed, acknowledged, received;

static void check(const char *what, int rc)
{
    if (rc != MOSQ_ERR_SUCCESS) {
        fail(what, mosquitto_strerror(rc));
    }
}

static void on_connect(struct mosquitto *m, void *context, int rc)
{
    (void)m;
    (void)context;
    if (rc != 0) {
        fail("CONNACK", mosquitto_connack_string(rc));
    }
    connected++;
}

static void on_subscribe(struct mosquitto *m, void *context, int id, int n, const int *granted)
{
    (void)m;
    (void)context;
    (void)id;
    (void)n;
    (void)granted;
    subscribed = 1;
}

/* Also called for QoS 0, when the packet has been written. */
static void on_publish(struct mosquitto *m, void *context, int id)
{
    (void)m;
    (void)context;
    (void)id;
    acknowledged++;
}

static void on_message(struct mosquitto *m, void *context, const struct mosquitto_message *message)
{
    (void)m;
    (void)context;
    (void)message;
    received++;
}

static struct mosquitto *open_client(const struct job *job)
{
    int before = connected;
    struct mosquitto *m = mosquitto_new(NULL, true, NULL);
    if (m == NULL) {
        fail("mosquitto_new", "no client");
    }
    mosquitto_connect_callback_set(m, on_connect);
    mosquitto_subscribe_callback_set(m, on_subscribe);
    mosquitto_publish_callback_set(m, on_publish);
    mosquitto_message_callback_set(m, on_message);
    mosquitto_max_inflight_messages_set(m, WINDOW);
    if (job->ca != NULL) {
        check("tls", mosquitto_tls_set(m, job->ca, NULL, NULL, NULL, NULL));
    }
    check("connect", mosquitto_connect(m, "127.0.0.1", job->port, KEEP_ALIVE_SECONDS));
    while (connected == before) {
        check("loop", mosquitto_loop(m, 1000, 1));
    }
    return m;
}

static void publish(struct mosquitto *m, const struct job *job, int qos)
{
    check("publish",
          mosquitto_publish(m, NULL, TOPIC, job->payload_length, job->payload, qos, false));
}

static void run_pub0(const struct job *job)
{
    struct mosquitto *m = open_client(job);
    struct cpu_clock start = read_clock();
    for (int sent = 0; sent < job->count; sent++) {
        publish(m, job, 0);
        /* publish writes by itself; the loop is needed only when the socket would not take it. */
        while (mosquitto_want_write(m)) {
            check("loop", mosquitto_loop(m, 1000, 1));
        }
    }
    int before = acknowledged;
    publish(m, job, 1);
    while (acknowledged == before) {
        check("loop", mosquitto_loop(m, 1000, 1));
    }
    report_cpu(start);
}

static void run_pub1(const struct job *job)
{
    struct mosquitto *m = open_client(job);
    struct cpu_clock start = read_clock();
    int sent = 0;
    while (acknowledged < job->count) {
        while (sent < job->count && sent - acknowledged < WINDOW) {
            publish(m, job, 1);
            sent++;
        }
        check("loop", mosquitto_loop(m, 1000, 1));
    }
    report_cpu(start);
}

static void run_sub(const struct job *job)
{
    struct mosquitto *m = open_client(job);
    check("subscribe", mosquitto_subscribe(m, NULL, TOPIC, 0));
    while (!subscribed) {
        check("loop", mosquitto_loop(m, 1000, 1));
    }
    puts("ready");
    fflush(stdout);
    struct cpu_clock start = read_clock();
    while (received < job->count) {
        check("loop", mosquitto_loop(m, 1000, 1));
    }
    report_cpu(start);
}

static long resident_kb(void)
{
    char line[256];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) {
        fail("/proc/self/status", "cannot be read");
    }
    while (kb < 0 && fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "VmRSS: %ld", &kb);
    }
    fclose(status);
    return kb;
}

/* Every step of the library happens in our calls, so there is nothing to wait for before reading. */
static void run_idle(const struct job *job)
{
    open_client(job);
    long before = resident_kb();
    for (int i = 0; i < job->count; i++) {
        open_client(job);
    }
    printf("memory %.4f\n", (double)(resident_kb() - before) / job->count);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);
    mosquitto_lib_init();
    if (is_op(&job, "pub0") || is_op(&job, "tls0")) {
        run_pub0(&job);
    } else if (is_op(&job, "pub1")) {
        run_pub1(&job);
    } else if (is_op(&job, "sub") || is_op(&job, "sub-tls")) {
        run_sub(&job);
    } else if (is_op(&job, "idle") || is_op(&job, "idle-tls")) {
        run_idle(&job);
    } else {
        fail("operation", job.op);
    }
    return 0;
}
