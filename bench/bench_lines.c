/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_lines.c - writes telemetry to standard output, the same bytes for the
 * same arguments, for whatever ingest is to be measured: as InfluxDB lines, or
 * as remote_write requests.
 *
 *     bench_lines [-w N] SET SERIES SAMPLES START_SECONDS STEP_SECONDS
 *                 [PART PARTS]
 *
 * SET is one of
 *   cpu      as the cpu set of the Time Series Benchmark Suite: ten fields a
 *            host, each a walk of N(0,1) within 0..100, printed as an integer
 *   decimal  the same walk with two decimals
 *   counter  integer counters with Poisson-like increments
 *   full     the walk in all 17 digits
 *   node     a machine's own mix: of ten fields three that stay, two counters
 *            of events of which one mostly rests, two of seconds of CPU in
 *            ticks of 0.01, two of memory in pages of 4,096 and a load average
 * SERIES / 10 hosts report at each of SAMPLES instants. With PART and PARTS
 * only every PARTS-th host is written, so that several connections can share
 * a set.
 *
 * With -w, the samples are HTTP requests of remote_write 1.0 of N series with
 * one sample each, labels sorted as Prometheus sends them: in front of each
 * stands its length, 32 bits little-endian.
 */
#include <math.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/buf.h"
#include "storage/base/bytes.h"
#include "tests/support/synth.h"

#define FIELDS 10
#define TEXT_BYTES 32

static const char *const fields[FIELDS] = {
    "usage_user",   "usage_system",    "usage_idle",    "usage_nice",
    "usage_iowait", "usage_irq",       "usage_softirq", "usage_steal",
    "usage_guest",  "usage_guest_nice"};

enum set { SET_CPU, SET_DECIMAL, SET_COUNTER, SET_FULL, SET_NODE, SET_COUNT };
static const char *const set_names[SET_COUNT] = {"cpu", "decimal", "counter",
                                                 "full", "node"};

/* ---- values ---------------------------------------------------------------
 */

static double poisson_like(struct synth_rng *rng, double mean)
{
    return floor(-mean * log(1 - synth_uniform(rng)));
}

static double next_node(struct synth_rng *rng, size_t field, double v)
{
    switch (field) {
    case 0:
    case 1:
    case 2:
        return v;
    case 3:
        return v + poisson_like(rng, 40);
    case 4:
        return synth_uniform(rng) < 0.9 ? v : v + poisson_like(rng, 3);
    case 5:
    case 6: /* seconds of CPU: hundredths are what the kernel counts */
        return (floor(v * 100 + 0.5) + poisson_like(rng, 60)) / 100;
    case 7:
    case 8:
        return v + 4096 * floor(synth_normal(rng) * 20);
    default:
        return fabs(v * 0.95 + 0.05 * fabs(synth_normal(rng)));
    }
}

static double next(enum set set, struct synth_rng *rng, size_t field, double v)
{
    if (set == SET_NODE)
        return next_node(rng, field, v);
    if (set == SET_COUNTER)
        return v + poisson_like(rng, 40);
    v += synth_normal(rng);
    return v < 0 ? 0 : v > 100 ? 100 : v;
}

static double first(enum set set, struct synth_rng *rng, size_t field)
{
    double u = synth_uniform(rng);

    if (set == SET_COUNTER)
        return 0;
    if (set == SET_NODE)
        return field >= 7 && field < 9 ? 4096 * floor(u * 2e6)
               : field == 9            ? u
                                       : floor(u * 100);
    return u * 100;
}

static void print_value(enum set set, size_t field, double v,
                        char out[TEXT_BYTES])
{
    int digits = set == SET_DECIMAL ? 2
                 : set == SET_NODE && field >= 5 && field != 7 && field != 8
                     ? 2
                     : 0;

    if (set == SET_FULL)
        (void)snprintf(out, TEXT_BYTES, "%.17g", v);
    else
        (void)snprintf(out, TEXT_BYTES, "%.*f", digits,
                       digits == 0 ? floor(v) : v);
}

/* ---- lines ----------------------------------------------------------------
 */

static void print_host(enum set set, struct synth_rng *rng, double *v,
                       size_t host, unsigned long long t)
{
    char text[TEXT_BYTES];

    printf("cpu,hostname=host_%zu,region=eu-west-1,datacenter=eu-west-1%c,"
           "rack=%zu,os=Ubuntu16.10,arch=x64,team=NYC,service=%zu,"
           "service_version=1,service_environment=test ",
           host, (char)('a' + host % 3), host % 89, host % 19);
    for (size_t f = 0; f < FIELDS; f++) {
        v[f] = next(set, rng, f, v[f]);
        print_value(set, f, v[f], text);
        printf("%s%s=%s", f == 0 ? "" : ",", fields[f], text);
    }
    printf(" %llu000000000\n", t);
}

/* ---- remote_write ---------------------------------------------------------
 */

struct request {
    struct fw_buf body; /* a WriteRequest */
    struct fw_buf message;
    size_t samples, most;
};

static void must(fw_rc rc)
{
    if (rc != FW_OK) {
        (void)fprintf(stderr, "bench_lines: out of memory\n");
        exit(3);
    }
}

static void add_field(struct fw_buf *out, int number, const char *bytes,
                      size_t n)
{
    char head[1 + FW_VARINT_MAX_BYTES];

    head[0] = (char)(number << 3 | 2);
    must(fw_buf_add(out, head, 1 + fw_varint_put(head + 1, n)));
    must(fw_buf_add(out, bytes, n));
}

static void add_label(struct fw_buf *out, const char *name, const char *value)
{
    struct fw_buf label = FW_BUF_INIT(1024);

    add_field(&label, 1, name, strlen(name));
    add_field(&label, 2, value, strlen(value));
    add_field(out, 1, label.data, label.len);
    fw_buf_release(&label);
}

static void add_series(struct fw_buf *out, size_t host, const char *field,
                       double v, unsigned long long t)
{
    char text[64], sample[32];
    size_t n;

    (void)snprintf(text, sizeof(text), "cpu_%s", field);
    add_label(out, "__name__", text);
    add_label(out, "arch", "x64");
    (void)snprintf(text, sizeof(text), "eu-west-1%c", (char)('a' + host % 3));
    add_label(out, "datacenter", text);
    (void)snprintf(text, sizeof(text), "host_%zu", host);
    add_label(out, "hostname", text);
    add_label(out, "os", "Ubuntu16.10");
    (void)snprintf(text, sizeof(text), "%zu", host % 89);
    add_label(out, "rack", text);
    add_label(out, "region", "eu-west-1");
    (void)snprintf(text, sizeof(text), "%zu", host % 19);
    add_label(out, "service", text);
    add_label(out, "service_environment", "test");
    add_label(out, "service_version", "1");
    add_label(out, "team", "NYC");
    sample[0] = 1 << 3 | 1;
    fw_put_le64(sample + 1, fw_double_bits(v));
    sample[9] = 2 << 3;
    n = 10 + fw_varint_put(sample + 10, t * 1000);
    add_field(out, 2, sample, n);
}

static void end_request(struct request *r)
{
    size_t most = snappy_max_compressed_length(r->body.len);
    char *packed = malloc(most);
    char head[512], length[4];
    int n;

    if (r->samples == 0)
        return;
    if (packed == NULL ||
        snappy_compress(r->body.data, r->body.len, packed, &most) != SNAPPY_OK)
        must(FW_ENOMEM);
    n = snprintf(head, sizeof(head),
                 "POST /api/v1/write HTTP/1.1\r\nHost: bench\r\n"
                 "User-Agent: bench_lines\r\n"
                 "Content-Encoding: snappy\r\n"
                 "Content-Type: application/x-protobuf\r\n"
                 "X-Prometheus-Remote-Write-Version: 0.1.0\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 most);
    fw_put_le32(length, (uint32_t)((size_t)n + most));
    (void)fwrite(length, 1, sizeof(length), stdout);
    (void)fwrite(head, 1, (size_t)n, stdout);
    (void)fwrite(packed, 1, most, stdout);
    free(packed);
    fw_buf_clear(&r->body);
    r->samples = 0;
}

static void request_host(struct request *r, enum set set, struct synth_rng *rng,
                         double *v, size_t host, unsigned long long t)
{
    char text[TEXT_BYTES];

    for (size_t f = 0; f < FIELDS; f++) {
        v[f] = next(set, rng, f, v[f]);
        print_value(set, f, v[f], text);
        fw_buf_clear(&r->message);
        add_series(&r->message, host, fields[f], strtod(text, NULL), t);
        add_field(&r->body, 1, r->message.data, r->message.len);
        if (++r->samples == r->most)
            end_request(r);
    }
}

/* ---- the program ----------------------------------------------------------
 */

static enum set set_of(const char *name)
{
    for (int s = 0; s < SET_COUNT; s++)
        if (strcmp(set_names[s], name) == 0)
            return (enum set)s;
    (void)fprintf(stderr, "bench_lines: no set '%s'\n", name);
    exit(2);
}

static void usage(void)
{
    (void)fprintf(stderr, "usage: bench_lines [-w N] SET SERIES SAMPLES "
                          "START_SECONDS STEP_SECONDS [PART PARTS]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    struct request request = {.body = FW_BUF_INIT((size_t)64 << 20),
                              .message = FW_BUF_INIT(65536)};
    size_t hosts, samples, part, parts;
    unsigned long long start, step;
    struct synth_rng *rng;
    double *v;
    enum set set;
    int option;

    while ((option = getopt(argc, argv, "w:")) != -1) {
        request.most = strtoul(optarg, NULL, 10);
        if (option != 'w' || request.most == 0)
            usage();
    }
    argc -= optind - 1;
    argv += optind - 1;
    if (argc != 6 && argc != 8)
        usage();
    set = set_of(argv[1]);
    hosts = strtoul(argv[2], NULL, 10) / FIELDS;
    samples = strtoul(argv[3], NULL, 10);
    start = strtoull(argv[4], NULL, 10);
    step = strtoull(argv[5], NULL, 10);
    part = argc == 8 ? strtoul(argv[6], NULL, 10) : 0;
    parts = argc == 8 ? strtoul(argv[7], NULL, 10) : 1;
    v = calloc(hosts * FIELDS, sizeof(*v));
    rng = calloc(hosts, sizeof(*rng));
    if (v == NULL || rng == NULL || parts == 0)
        return 3;
    for (size_t h = 0; h < hosts; h++) {
        rng[h] = synth_seed(h + 1);
        for (size_t f = 0; f < FIELDS; f++)
            v[h * FIELDS + f] = first(set, &rng[h], f);
    }
    for (size_t i = 0; i < samples; i++)
        for (size_t h = part; h < hosts; h += parts)
            if (request.most > 0)
                request_host(&request, set, &rng[h], &v[h * FIELDS], h,
                             start + i * step);
            else
                print_host(set, &rng[h], &v[h * FIELDS], h, start + i * step);
    end_request(&request);
    fw_buf_release(&request.body);
    fw_buf_release(&request.message);
    free(v);
    free(rng);
    return fflush(stdout) == 0 ? 0 : 3;
}
