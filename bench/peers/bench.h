/* What every C peer shares: the order on the command line, the CPU clock, the report line.
 * The same words as in src/measure.rs. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "devices/dev-0001/messages/events/"
#define WINDOW 100
#define KEEP_ALIVE_SECONDS 60

struct job {
    const char *op;
    int port;
    int count;
    int payload_length;
    char *payload;
    const char *ca; /* where the operation uses TLS */
};

struct cpu_clock {
    double user, system, wall;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int is_op(const struct job *job, const char *op)
{
    return strcmp(job->op, op) == 0;
}

static struct job parse_job(int argc, char **argv)
{
    if (argc != 5) {
        fail("arguments", "expected OP PORT COUNT PAYLOAD");
    }
    struct job job = {
        .op = argv[1],
        .port = atoi(argv[2]),
        .count = atoi(argv[3]),
        .payload_length = atoi(argv[4]),
    };
    if (strstr(job.op, "tls") != NULL) {
        job.ca = getenv("BENCH_CA");
        if (job.ca == NULL) {
            fail("BENCH_CA", "not set");
        }
    }
    job.payload = malloc(job.payload_length + 1);
    if (job.payload == NULL) {
        fail("payload", "out of memory");
    }
    memset(job.payload, 'x', job.payload_length);
    return job;
}

static double seconds(struct timeval t)
{
    return t.tv_sec + t.tv_usec / 1e6;
}

static struct cpu_clock read_clock(void)
{
    struct rusage usage;
    struct timespec now;
    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct cpu_clock){
        .user = seconds(usage.ru_utime),
        .system = seconds(usage.ru_stime),
        .wall = now.tv_sec + now.tv_nsec / 1e9,
    };
}

static void report_cpu(struct cpu_clock start)
{
    struct cpu_clock end = read_clock();
    printf("cpu %.6f %.6f %.6f\n", end.user - start.user, end.system - start.system,
           end.wall - start.wall);
    fflush(stdout);
}

#endif
