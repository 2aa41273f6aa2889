/* paho C, MQTTAsync: the library's own threads send and receive, this one fills the window. */
#include <MQTTAsync.h>
#include <semaphore.h>

#include "bench.h"

/* QoS 0 has no window of its own; this bounds the library's queue of unwritten messages. */
#define QOS0_WINDOW 1000

static sem_t connected, room, closed;

static void check(const char *what, int rc)
{
    if (rc != MQTTASYNC_SUCCESS) {
        const char *text = MQTTAsync_strerror(rc);
        fail(what, text != NULL ? text : "unknown");
    }
}

static void on_connect(void *context, MQTTAsync_successData *data)
{
    (void)context;
    (void)data;
    sem_post(&connected);
}

static void on_failure(void *context, MQTTAsync_failureData *data)
{
    fail((const char *)context, data != NULL && data->message != NULL ? data->message : "failed");
}

static void on_sent(void *context, MQTTAsync_successData *data)
{
    (void)data;
    sem_post((sem_t *)context);
}

static int on_message(void *context, char *topic, int length, MQTTAsync_message *message)
{
    (void)context;
    (void)length;
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static MQTTAsync open_client(int port)
{
    char uri[64];
    MQTTAsync client;
    snprintf(uri, sizeof uri, "tcp://127.0.0.1:%d", port);
    check("create", MQTTAsync_create(&client, uri, "paho-pub", MQTTCLIENT_PERSISTENCE_NONE, NULL));
    check("callbacks", MQTTAsync_setCallbacks(client, NULL, NULL, on_message, NULL));
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    options.keepAliveInterval = KEEP_ALIVE_SECONDS;
    options.cleansession = 1;
    options.maxInflight = WINDOW;
    options.onSuccess = on_connect;
    options.onFailure = on_failure;
    options.context = "connect";
    check("connect", MQTTAsync_connect(client, &options));
    sem_wait(&connected);
    return client;
}

static void send_message(MQTTAsync client, const struct job *job, int qos, sem_t *when_done)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.onSuccess = on_sent;
    options.onFailure = NULL;
    options.context = when_done;
    check("send", MQTTAsync_send(client, TOPIC, job->payload_length, job->payload, qos, 0, &options));
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);
    int qos = is_op(&job, "pub1") ? 1 : 0;
    int window = qos == 1 ? WINDOW : QOS0_WINDOW;
    if (qos == 0 && !is_op(&job, "pub0")) {
        fail("operation", job.op);
    }
    sem_init(&connected, 0, 0);
    sem_init(&room, 0, window);
    sem_init(&closed, 0, 0);
    MQTTAsync client = open_client(job.port);
    struct cpu_clock start = read_clock();
    for (int sent = 0; sent < job.count; sent++) {
        sem_wait(&room);
        send_message(client, &job, qos, &room);
    }
    if (qos == 0) {
        send_message(client, &job, 1, &closed);
        sem_wait(&closed);
    } else {
        for (int left = 0; left < window; left++) {
            sem_wait(&room);
        }
    }
    report_cpu(start);
    return 0;
}
