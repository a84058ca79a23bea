/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_feed.c - feeds a running server's line port, as fast as it takes it or
 * at a steady rate, and measures when what it sent was acknowledged.
 *
 *     bench_feed [-c CONNECTIONS] [-r RATE] [-l MS] [-p PID] [-d FOLDER]
 *                PORT SERIES SAMPLES START_SECONDS STEP_SECONDS
 *
 * SERIES / 10 hosts of ten integer walks within 0..100 report at each of
 * SAMPLES instants; the connections (2) share the hosts. With -r, RATE samples
 * a second in all; lines go out every MS milliseconds (10), each time followed
 * by a `#sync`, and the latency is from the first byte of them until `#synced`.
 * Without -r there is a `#sync` every 100,000 samples.
 *
 * -p prints what the server process used meanwhile: CPU, and bytes written to
 * the device. -d measures in FOLDER, before and after, what an append of 64 KiB
 * with fdatasync() takes there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/synth.h"

#define FIELDS 10
#define MAX_CONNECTIONS 64
#define BUFFER_BYTES (1 << 20)
#define LINE_ROOM 512
#define SYNC_SAMPLES 100000
#define PROBES 200
#define PROBE_BYTES (64 * 1024)
#define MAX_ACKS (1 << 20)

static const char *const fields[FIELDS] = {
    "usage_user",   "usage_system",    "usage_idle",    "usage_nice",
    "usage_iowait", "usage_irq",       "usage_softirq", "usage_steal",
    "usage_guest",  "usage_guest_nice"};

struct plan {
    int port;
    size_t connections, hosts, samples;
    uint64_t start, step;
    double rate;      /* samples a second of one connection; 0: no limit */
    uint64_t beat_ns; /* between two bursts */
};

struct host {
    char *head; /* "cpu,hostname=... " */
    size_t head_n;
    uint64_t rng;
    uint8_t v[FIELDS];
};

struct feeder {
    const struct plan *plan;
    size_t part;
    int fd;
    struct host *hosts;
    size_t host_count;
    char *buffer;
    size_t n;
    uint64_t *sent_ns; /* of each sync; written before it is sent */
    double *latency_ms;
    _Atomic size_t syncs, acks;
    pthread_t sender, reader;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_feed: %s: %s\n", what, strerror(errno));
    exit(3);
}

static void *must(void *p)
{
    if (p == NULL)
        die("memory");
    return p;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
    struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        continue;
}

/* ---- lines ----------------------------------------------------------------
 */

static void make_host(struct host *host, size_t number)
{
    char text[LINE_ROOM];

    host->head_n = (size_t)snprintf(
        text, sizeof(text),
        "cpu,hostname=host_%zu,region=eu-west-1,datacenter=eu-west-1%c,"
        "rack=%zu,os=Ubuntu16.10,arch=x64,team=NYC,service=%zu,"
        "service_version=1,service_environment=test ",
        number, (char)('a' + number % 3), number % 89, number % 19);
    host->head = must(strdup(text));
    host->rng = synth_u64(&(struct synth_rng){number + 1}) | 1;
    for (size_t f = 0; f < FIELDS; f++)
        host->v[f] = (uint8_t)(host->rng >> (6 * f) & 63);
}

static char *put_number(char *to, unsigned v)
{
    if (v >= 100)
        *to++ = (char)('0' + v / 100);
    if (v >= 10)
        *to++ = (char)('0' + v / 10 % 10);
    *to++ = (char)('0' + v % 10);
    return to;
}

/* One line; each value goes one down, stays or goes one up. */
static char *put_line(char *to, struct host *host, const char *time,
                      size_t time_n)
{
    uint64_t r = host->rng;

    r ^= r << 13;
    r ^= r >> 7;
    r ^= r << 17;
    host->rng = r;
    memcpy(to, host->head, host->head_n);
    to += host->head_n;
    for (size_t f = 0; f < FIELDS; f++, r >>= 2) {
        size_t n = strlen(fields[f]);
        unsigned step = r & 3;

        if (step == 0 && host->v[f] > 0)
            host->v[f]--;
        else if (step == 3 && host->v[f] < 100)
            host->v[f]++;
        memcpy(to, fields[f], n);
        to[n] = '=';
        to = put_number(to + n + 1, host->v[f]);
        *to++ = f + 1 < FIELDS ? ',' : ' ';
    }
    memcpy(to, time, time_n);
    return to + time_n;
}

/* ---- a connection ---------------------------------------------------------
 */

static void flush(struct feeder *f)
{
    for (size_t at = 0; at < f->n;) {
        ssize_t n = send(f->fd, f->buffer + at, f->n - at, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            die("send");
        at += n > 0 ? (size_t)n : 0;
    }
    f->n = 0;
}

static void add_sync(struct feeder *f, uint64_t begun)
{
    size_t k = atomic_load(&f->syncs);

    if (k == MAX_ACKS)
        return;
    f->sent_ns[k] = begun;
    f->n += (size_t)snprintf(f->buffer + f->n, LINE_ROOM, "#sync %zu\n", k);
    atomic_store(&f->syncs, k + 1);
}

static void *send_all(void *self)
{
    struct feeder *f = self;
    const struct plan *plan = f->plan;
    size_t burst = plan->rate > 0
                       ? (size_t)(plan->rate * (double)plan->beat_ns / 1e9)
                       : SYNC_SAMPLES;
    uint64_t begun = now_ns(), due = begun;
    size_t open = 0; /* samples since the last sync */

    for (size_t i = 0; i < plan->samples; i++) {
        char time[32];
        size_t time_n =
            (size_t)snprintf(time, sizeof(time), "%" PRIu64 "000000000\n",
                             plan->start + i * plan->step);

        for (size_t h = 0; h < f->host_count; h++) {
            f->n = (size_t)(put_line(f->buffer + f->n, &f->hosts[h], time,
                                     time_n) -
                            f->buffer);
            open += FIELDS;
            if (open >= burst) {
                add_sync(f, begun);
                flush(f);
                open = 0;
                due += plan->beat_ns;
                if (plan->rate > 0)
                    sleep_until(due);
                /* What is late was due earlier: the wait counts. */
                begun = plan->rate > 0 ? due : now_ns();
            } else if (f->n + LINE_ROOM > BUFFER_BYTES / 4) {
                flush(f);
            }
        }
    }
    add_sync(f, begun);
    flush(f);
    (void)shutdown(f->fd, SHUT_WR);
    return NULL;
}

/* Answers are lines "#synced K", in order. */
static void *read_all(void *self)
{
    struct feeder *f = self;
    char text[4096];
    ssize_t n;

    while ((n = recv(f->fd, text, sizeof(text), 0)) > 0) {
        uint64_t now = now_ns();

        if (memmem(text, (size_t)n, "refused", 7) != NULL) {
            (void)fprintf(stderr, "bench_feed: %.*s\n", (int)n, text);
            exit(1);
        }
        for (ssize_t i = 0; i < n; i++)
            if (text[i] == '\n') {
                size_t k = atomic_fetch_add(&f->acks, 1);

                f->latency_ms[k] = (double)(now - f->sent_ns[k]) / 1e6;
            }
    }
    return NULL;
}

static void connect_to(struct feeder *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)f->plan->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    f->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (f->fd < 0 ||
        connect(f->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect");
    (void)setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void feeder_start(struct feeder *f, const struct plan *plan, size_t part)
{
    *f = (struct feeder){.plan = plan, .part = part};
    f->hosts = must(calloc(plan->hosts, sizeof(*f->hosts)));
    f->buffer = must(malloc(BUFFER_BYTES));
    f->sent_ns = must(calloc(MAX_ACKS, sizeof(*f->sent_ns)));
    f->latency_ms = must(calloc(MAX_ACKS, sizeof(*f->latency_ms)));
    for (size_t h = part; h < plan->hosts; h += plan->connections)
        make_host(&f->hosts[f->host_count++], h);
    connect_to(f);
    if (pthread_create(&f->reader, NULL, read_all, f) != 0 ||
        pthread_create(&f->sender, NULL, send_all, f) != 0)
        die("thread");
}

/* ---- numbers ---------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_quantiles(const char *what, double *v, size_t n)
{
    if (n == 0)
        return;
    qsort(v, n, sizeof(*v), by_value);
    printf("%s: p50 %.2f p90 %.2f p99 %.2f max %.2f ms (%zu)\n", what, v[n / 2],
           v[n * 9 / 10], v[n * 99 / 100], v[n - 1], n);
}

static void probe_disk(const char *folder, const char *when)
{
    double ms[PROBES];
    char path[4096], what[64];
    char *bytes = must(calloc(1, PROBE_BYTES));
    int fd;

    (void)snprintf(path, sizeof(path), "%s/probe-XXXXXX", folder);
    fd = mkstemp(path);
    if (fd < 0)
        die(path);
    (void)unlink(path);
    for (size_t i = 0; i < PROBES; i++) {
        uint64_t begun = now_ns();

        if (write(fd, bytes, PROBE_BYTES) != PROBE_BYTES || fdatasync(fd) != 0)
            die("probe");
        ms[i] = (double)(now_ns() - begun) / 1e6;
    }
    (void)close(fd);
    free(bytes);
    (void)snprintf(what, sizeof(what), "64 KiB + fdatasync %s", when);
    print_quantiles(what, ms, PROBES);
}

struct usage {
    double cpu_s;
    uint64_t written;
};

static struct usage usage_of(long pid)
{
    struct usage u = {0};
    unsigned long user = 0, sys = 0;
    char path[64], line[1024];
    const char *p;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    f = fopen(path, "r");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL)
        die(path);
    (void)fclose(f);
    p = strrchr(line, ')');
    for (int i = 0; i < 12 && p != NULL; i++)
        p = strchr(p + 1, ' ');
    if (p == NULL || sscanf(p, "%lu %lu", &user, &sys) != 2)
        die(path);
    u.cpu_s = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    (void)snprintf(path, sizeof(path), "/proc/%ld/io", pid);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        (void)sscanf(line, "write_bytes: %" SCNu64, &u.written);
    if (f != NULL)
        (void)fclose(f);
    return u;
}

/* ---- the program ----------------------------------------------------------
 */

static void run(const struct plan *plan, long pid)
{
    static struct feeder feeders[MAX_CONNECTIONS];
    double total = (double)plan->hosts * FIELDS * (double)plan->samples;
    struct usage before = {0}, after = {0};
    double *all = NULL;
    size_t n = 0;
    uint64_t begun;
    double wall;

    if (pid > 0)
        before = usage_of(pid);
    begun = now_ns();
    for (size_t i = 0; i < plan->connections; i++)
        feeder_start(&feeders[i], plan, i);
    for (size_t i = 0; i < plan->connections; i++) {
        struct feeder *f = &feeders[i];

        (void)pthread_join(f->sender, NULL);
        (void)pthread_join(f->reader, NULL);
        if (f->acks != f->syncs) {
            (void)fprintf(stderr, "bench_feed: %zu of %zu acknowledged\n",
                          (size_t)f->acks, (size_t)f->syncs);
            exit(1);
        }
        all = must(realloc(all, (n + f->acks) * sizeof(*all)));
        memcpy(all + n, f->latency_ms, f->acks * sizeof(*all));
        n += f->acks;
    }
    wall = (double)(now_ns() - begun) / 1e9;
    printf("%.0f samples, all durable, in %.2f s: %.3f million a second\n",
           total, wall, total / wall / 1e6);
    print_quantiles("acknowledged after", all, n);
    if (pid > 0) {
        after = usage_of(pid);
        printf("server: %.4f CPU seconds a million samples, %.2f bytes a "
               "sample written to the device\n",
               (after.cpu_s - before.cpu_s) / total * 1e6,
               (double)(after.written - before.written) / total);
    }
    free(all);
}

int main(int argc, char **argv)
{
    struct plan plan = {.connections = 2, .beat_ns = 10000000};
    const char *folder = NULL;
    long pid = 0;
    int option;

    while ((option = getopt(argc, argv, "c:r:l:p:d:")) != -1) {
        if (option == 'c')
            plan.connections = strtoul(optarg, NULL, 10);
        else if (option == 'r')
            plan.rate = strtod(optarg, NULL);
        else if (option == 'l')
            plan.beat_ns = strtoul(optarg, NULL, 10) * 1000000;
        else if (option == 'p')
            pid = strtol(optarg, NULL, 10);
        else if (option == 'd')
            folder = optarg;
        else
            return 2;
    }
    if (argc - optind != 5 || plan.connections == 0 ||
        plan.connections > MAX_CONNECTIONS) {
        (void)fprintf(stderr,
                      "usage: bench_feed [-c CONNECTIONS] [-r RATE] [-l MS] "
                      "[-p PID] [-d FOLDER] PORT SERIES SAMPLES START_SECONDS "
                      "STEP_SECONDS\n");
        return 2;
    }
    argv += optind;
    plan.port = (int)strtol(argv[0], NULL, 10);
    plan.hosts = strtoul(argv[1], NULL, 10) / FIELDS;
    plan.samples = strtoul(argv[2], NULL, 10);
    plan.start = strtoull(argv[3], NULL, 10);
    plan.step = strtoull(argv[4], NULL, 10);
    plan.rate /= (double)plan.connections;
    if (folder != NULL)
        probe_disk(folder, "before");
    run(&plan, pid);
    if (folder != NULL)
        probe_disk(folder, "after");
    return 0;
}
