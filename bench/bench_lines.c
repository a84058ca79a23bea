/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_lines.c - writes telemetry as InfluxDB lines to standard output, the
 * same bytes for the same arguments, for whatever ingest is to be measured.
 *
 *     bench_lines SET SERIES SAMPLES START_SECONDS STEP_SECONDS [PART PARTS]
 *
 * SET is one of
 *   cpu      as the cpu set of the Time Series Benchmark Suite: ten fields a
 *            host, each a walk of N(0,1) within 0..100, printed as an integer
 *   decimal  the same walk with two decimals
 *   counter  integer counters with Poisson-like increments
 *   full     the walk in all 17 digits
 * SERIES / 10 hosts report at each of SAMPLES instants. With PART and PARTS
 * only every PARTS-th host is written, so that several connections can share
 * a set.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/synth.h"

#define FIELDS 10

static const char *const fields[FIELDS] = {
    "usage_user",   "usage_system",    "usage_idle",    "usage_nice",
    "usage_iowait", "usage_irq",       "usage_softirq", "usage_steal",
    "usage_guest",  "usage_guest_nice"};

enum set { SET_CPU, SET_DECIMAL, SET_COUNTER, SET_FULL, SET_COUNT };
static const char *const set_names[SET_COUNT] = {"cpu", "decimal", "counter",
                                                 "full"};

static double next(enum set set, struct synth_rng *rng, double v)
{
    if (set == SET_COUNTER)
        return v + floor(-40 * log(1 - synth_uniform(rng)));
    v += synth_normal(rng);
    return v < 0 ? 0 : v > 100 ? 100 : v;
}

static void print_value(enum set set, double v)
{
    switch (set) {
    case SET_CPU:
    case SET_COUNTER:
        printf("%.0f", floor(v));
        return;
    case SET_DECIMAL:
        printf("%.2f", v);
        return;
    default:
        printf("%.17g", v);
    }
}

static void print_host(enum set set, struct synth_rng *rng, double *v,
                       size_t host, unsigned long long t)
{
    printf("cpu,hostname=host_%zu,region=eu-west-1,datacenter=eu-west-1%c,"
           "rack=%zu,os=Ubuntu16.10,arch=x64,team=NYC,service=%zu,"
           "service_version=1,service_environment=test ",
           host, (char)('a' + host % 3), host % 89, host % 19);
    for (size_t f = 0; f < FIELDS; f++) {
        v[f] = next(set, rng, v[f]);
        printf("%s%s=", f == 0 ? "" : ",", fields[f]);
        print_value(set, v[f]);
    }
    printf(" %llu000000000\n", t);
}

static enum set set_of(const char *name)
{
    for (int s = 0; s < SET_COUNT; s++)
        if (strcmp(set_names[s], name) == 0)
            return (enum set)s;
    (void)fprintf(stderr, "bench_lines: no set '%s'\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    size_t hosts, samples, part, parts;
    unsigned long long start, step;
    struct synth_rng *rng;
    double *v;
    enum set set;

    if (argc != 6 && argc != 8) {
        (void)fprintf(stderr, "usage: bench_lines SET SERIES SAMPLES "
                              "START_SECONDS STEP_SECONDS [PART PARTS]\n");
        return 2;
    }
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
        for (size_t f = 0; f < FIELDS && set != SET_COUNTER; f++)
            v[h * FIELDS + f] = synth_uniform(&rng[h]) * 100;
    }
    for (size_t i = 0; i < samples; i++)
        for (size_t h = part; h < hosts; h += parts)
            print_host(set, &rng[h], &v[h * FIELDS], h, start + i * step);
    free(v);
    free(rng);
    return fflush(stdout) == 0 ? 0 : 3;
}
