/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_writes.c - writes telemetry as bodies of Prometheus's remote_write to
 * standard output: the same samples for every server that is measured.
 *
 *     bench_writes HOSTS HOURS COUNTERS END_SECONDS
 *
 * HOSTS report the ten fields of the cpu set of the Time Series Benchmark
 * Suite each 10 s for HOURS up to END_SECONDS, each a walk of N(0,1) within
 * 0..100 printed as an integer; COUNTERS series of http_requests_total report
 * each 10 s during the last hour. A body is preceded by its length in eight
 * bytes, little-endian. Bodies rise in time, so that no server meets a late
 * sample.
 */
#include <math.h>
#include <snappy-c.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "tests/support/synth.h"

#define FIELDS 10
#define STEP_MS 10000
#define HOUR_MS 3600000
#define SLICE 60 /* instants of one body */
#define SERIES_PER_BODY 1000
#define SAMPLE_BYTES 24
#define LABEL_BYTES 512

static const char *const fields[FIELDS] = {
    "usage_user",   "usage_system",    "usage_idle",    "usage_nice",
    "usage_iowait", "usage_irq",       "usage_softirq", "usage_steal",
    "usage_guest",  "usage_guest_nice"};

/* One series: where its walk is. */
struct walker {
    struct synth_rng rng;
    double v;
};

/* A body that grows; it is made large enough beforehand. */
struct body {
    uint8_t *p;
    size_t n;
};

static void put_varint(struct body *b, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        b->p[b->n++] = (uint8_t)(v | 128);
    b->p[b->n++] = (uint8_t)v;
}

static void put_bytes(struct body *b, int number, const void *p, size_t n)
{
    put_varint(b, (uint64_t)number << 3 | 2);
    put_varint(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void put_label(struct body *b, const char *name, const char *value)
{
    uint8_t room[LABEL_BYTES];
    struct body label = {room, 0};

    put_bytes(&label, 1, name, strlen(name));
    put_bytes(&label, 2, value, strlen(value));
    put_bytes(b, 1, room, label.n);
}

static void put_sample(struct body *b, int64_t t, double v)
{
    uint8_t room[SAMPLE_BYTES];
    struct body sample = {room, 0};

    sample.p[sample.n++] = 1 << 3 | 1;
    fw_put_le64(room + 1, fw_double_bits(v));
    sample.n += 8;
    sample.p[sample.n++] = 2 << 3;
    put_varint(&sample, (uint64_t)t);
    put_bytes(b, 2, room, sample.n);
}

/* Labels in the order of their names, as remote_write wants them. */
static void put_cpu_labels(struct body *b, size_t i)
{
    char name[64], host[32];

    (void)snprintf(name, sizeof(name), "cpu_%s", fields[i % FIELDS]);
    (void)snprintf(host, sizeof(host), "host_%zu", i / FIELDS);
    put_label(b, "__name__", name);
    put_label(b, "datacenter", i / FIELDS % 2 == 0 ? "eu-1a" : "eu-1b");
    put_label(b, "field", fields[i % FIELDS]);
    put_label(b, "hostname", host);
    put_label(b, "os", "Ubuntu16.10");
    put_label(b, "region", "eu-west-1");
}

static void put_counter_labels(struct body *b, size_t i)
{
    static const char *const codes[] = {"200", "204", "404", "500"};
    char instance[32], path[32];

    (void)snprintf(instance, sizeof(instance), "10.0.0.%zu:9100", i / 40);
    (void)snprintf(path, sizeof(path), "/api/v1/p%zu", i / 4 % 10);
    put_label(b, "__name__", "http_requests_total");
    put_label(b, "code", codes[i % 4]);
    put_label(b, "instance", instance);
    put_label(b, "job", i / 40 % 2 == 0 ? "api" : "web");
    put_label(b, "path", path);
}

static double next(struct walker *w, bool counter)
{
    if (counter)
        return w->v += floor(-40 * log(1 - synth_uniform(&w->rng)));
    w->v += synth_normal(&w->rng);
    w->v = w->v < 0 ? 0 : w->v > 100 ? 100 : w->v;
    return floor(w->v);
}

static bool send_body(const struct body *b)
{
    size_t n = snappy_max_compressed_length(b->n);
    char *out = malloc(n);
    uint8_t length[8];
    bool sent = false;

    if (out != NULL &&
        snappy_compress((const char *)b->p, b->n, out, &n) == SNAPPY_OK) {
        fw_put_le64(length, n);
        sent = fwrite(length, 1, sizeof(length), stdout) == sizeof(length) &&
               fwrite(out, 1, n, stdout) == n;
    }
    free(out);
    return sent;
}

/* One body for each SERIES_PER_BODY series, over instants from..from + n. */
static bool send_slice(struct walker *walkers, size_t count, bool counter,
                       int64_t from, size_t n)
{
    size_t room = LABEL_BYTES + n * SAMPLE_BYTES;
    struct body one = {malloc(room), 0};
    struct body all = {malloc(SERIES_PER_BODY * (room + 16)), 0};
    bool sent = one.p != NULL && all.p != NULL;

    for (size_t i = 0; i < count && sent; i++) {
        one.n = 0;
        if (counter)
            put_counter_labels(&one, i);
        else
            put_cpu_labels(&one, i);
        for (size_t k = 0; k < n; k++)
            put_sample(&one, from + (int64_t)k * STEP_MS,
                       next(&walkers[i], counter));
        put_bytes(&all, 1, one.p, one.n);
        if ((i + 1) % SERIES_PER_BODY == 0 || i + 1 == count) {
            sent = send_body(&all);
            all.n = 0;
        }
    }
    free(one.p);
    free(all.p);
    return sent;
}

static struct walker *make_walkers(size_t count, uint64_t seed)
{
    struct walker *walkers = calloc(count + 1, sizeof(*walkers));

    for (size_t i = 0; i < count && walkers != NULL; i++) {
        walkers[i].rng = synth_seed(seed + i);
        walkers[i].v = synth_uniform(&walkers[i].rng) * 100;
    }
    return walkers;
}

int main(int argc, char **argv)
{
    size_t cpus, counters;
    int64_t hours, end, t;
    struct walker *cpu, *counter;
    bool sent;

    if (argc != 5) {
        (void)fprintf(stderr,
                      "usage: bench_writes HOSTS HOURS COUNTERS END_SECONDS\n");
        return 2;
    }
    cpus = strtoul(argv[1], NULL, 10) * FIELDS;
    hours = strtol(argv[2], NULL, 10);
    counters = strtoul(argv[3], NULL, 10);
    end = strtoll(argv[4], NULL, 10) * 1000;
    cpu = make_walkers(cpus, 1);
    counter = make_walkers(counters, 1000003);
    sent = cpu != NULL && counter != NULL;
    for (t = end - hours * HOUR_MS + STEP_MS; t <= end && sent;
         t += SLICE * STEP_MS) {
        sent = send_slice(cpu, cpus, false, t, SLICE);
        if (sent && t > end - HOUR_MS)
            sent = send_slice(counter, counters, true, t, SLICE);
    }
    free(cpu);
    free(counter);
    return sent && fflush(stdout) == 0 ? 0 : 3;
}
