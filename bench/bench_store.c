/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_store.c - the store without the network: batches in, durable, sealed,
 * read back.
 *
 *   bench_store [-s SERIES] [-n SAMPLES] [-p PASSES] [-c] [-d DIR]
 *
 * -c rewrites what was written, as is done when a day is over, before reading.
 *
 * Series are walks in 0..100 of whole numbers, one tenth or one hundredth, ten
 * seconds apart, all at the same times, as a scrape gives them (the shape of
 * TSBS's cpu set). Times are of the whole process: wall clock, and CPU of all
 * its threads, which other work on the machine disturbs less.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "storage/base/limits.h"
#include "storage/storage.h"
#include "tests/support/synth.h"

#define HOLD_SERIES 32
#define START ((fw_ms)1700000000000)
#define STEP (10 * FW_SECOND)

static size_t g_series = 1000;
static size_t g_samples = 4320;
static int g_passes = 2;
static bool g_compact;
static const char *g_dir = "bench_store.data";

static struct fw_store *open_store(bool read_only)
{
    struct fw_store_options options = {.create = !read_only,
                                       .read_only = read_only,
                                       .retention = INT64_MAX,
                                       .rollup_retention = INT64_MAX,
                                       .rollup_lead = INT64_MAX,
                                       .disk_floor = 1};
    struct fw_store *store = NULL;
    struct fw_err err = {0};

    measure_must(fw_store_open(g_dir, &options, &store, &err), &err);
    return store;
}

static uint32_t *make_series(struct fw_store *store)
{
    uint32_t *ids = malloc(g_series * sizeof(*ids));
    struct fw_err err = {0};

    measure_must_be_new(store, g_dir);
    for (size_t i = 0; ids != NULL && i < g_series; i++) {
        char host[32], core[32];
        struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("cpu_usage")},
                               {FW_STR("core"), {core, 0}},
                               {FW_STR("host"), {host, 0}},
                               {FW_STR("region"), FW_STR("eu-central-1")}};
        struct fw_labels labels = {v, 4};

        v[1].value.n = (size_t)snprintf(core, sizeof(core), "%zu", i % 10);
        v[2].value.n = (size_t)snprintf(host, sizeof(host), "host_%zu", i / 10);
        measure_must(fw_store_series(store, &labels, &ids[i], &err), &err);
    }
    return ids;
}

/* ---- Writing --------------------------------------------------------------
 */

static _Atomic uint64_t g_answered;

static void answered(void *self, const struct fw_append_result *result)
{
    (void)self;
    if (result->rc != FW_OK) {
        fprintf(stderr, "bench_store: %s\n", result->err.text);
        exit(1);
    }
    (void)atomic_fetch_add(&g_answered, result->stored);
}

static void submit(struct fw_store *store, struct fw_batch *batch)
{
    struct fw_err err = {0};
    fw_rc rc;

    while ((rc = fw_store_submit(store, batch, answered, NULL, &err)) ==
           FW_EBUSY)
        (void)usleep(1000);
    measure_must(rc, &err);
}

static void write_all(struct fw_store *store, const uint32_t *ids)
{
    static const double scale[] = {1, 10, 100};
    struct synth_rng rng = synth_seed(1);
    double *at = malloc(g_series * sizeof(*at));
    struct fw_batch batch = {0};

    for (size_t i = 0; i < g_series; i++)
        at[i] = 50;
    for (size_t k = 0; k < g_samples; k++)
        for (size_t i = 0; i < g_series; i++) {
            double s = scale[i % 3];

            at[i] += synth_normal(&rng);
            at[i] = at[i] < 0 ? 0 : at[i] > 100 ? 100 : at[i];
            if (fw_batch_add(&batch, ids[i], START + (fw_ms)k * STEP,
                             (double)(int64_t)(at[i] * s) / s) != FW_OK)
                exit(1);
            if (batch.n == 5000)
                submit(store, &batch);
        }
    if (batch.n > 0)
        submit(store, &batch);
    while (atomic_load(&g_answered) < (uint64_t)g_series * g_samples)
        (void)usleep(1000);
    free(at);
}

/* What write_all() costs without a store: the making of the numbers. */
static double making_cpu(void)
{
    struct synth_rng rng = synth_seed(1);
    double before = measure_cpu(), sum = 0;

    for (size_t k = 0; k < g_series * g_samples; k++)
        sum += synth_normal(&rng);
    return sum > 1e300 ? 0 : measure_cpu() - before;
}

/* ---- Reading --------------------------------------------------------------
 */

typedef double pair __attribute__((vector_size(16), aligned(8)));

/* Sixteen sums side by side, or the additions wait for each other. */
static double sum_of(const double *v, size_t n)
{
    const pair *p = (const pair *)(const void *)v;
    pair a = {0}, b = {0}, c = {0}, d = {0};
    pair e = {0}, f = {0}, g = {0}, h = {0};
    size_t i = 0;
    double sum;

    for (; i + 16 <= n; i += 16, p += 8) {
        a += p[0];
        b += p[1];
        c += p[2];
        d += p[3];
        e += p[4];
        f += p[5];
        g += p[6];
        h += p[7];
    }
    a += b + c + d + e + f + g + h;
    sum = a[0] + a[1];
    for (; i < n; i++)
        sum += v[i];
    return sum;
}

static uint64_t read_all(struct fw_store *store, size_t series)
{
    uint64_t n = 0;
    double sum = 0;

    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    struct fw_err err = {0};

    measure_must(fw_cursor_open(store, 0, INT64_MIN, INT64_MAX, &cursor, &err),
                 &err);
    for (size_t i = 0; i < series; i++) {
        if (i % HOLD_SERIES == 0) /* as a query does */
            fw_cursor_hold(cursor, false);
        fw_cursor_hold(cursor, true);
        measure_must(
            fw_cursor_reset(cursor, (uint32_t)i, INT64_MIN, INT64_MAX, &err),
            &err);
        while (fw_cursor_next(cursor, &run, &err) == FW_OK) {
            sum += sum_of(run.v, run.n);
            n += run.n;
        }
    }
    fw_cursor_close(cursor);
    if (sum < 0)
        printf("%f\n", sum);
    return n;
}

int main(int argc, char **argv)
{
    struct fw_store_stats stats;
    double t0, c0, made, million;
    struct fw_store *store;
    uint32_t *ids;
    uint64_t n = 0;
    int letter;

    while ((letter = getopt(argc, argv, "s:n:d:p:c")) != -1) {
        if (letter == 's')
            g_series = strtoul(optarg, NULL, 10);
        else if (letter == 'n')
            g_samples = strtoul(optarg, NULL, 10);
        else if (letter == 'd')
            g_dir = optarg;
        else if (letter == 'c')
            g_compact = true;
        else if (letter == 'p')
            g_passes = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    }
    million = (double)(g_series * g_samples) / 1e6;
    made = making_cpu();
    store = open_store(false);
    c0 = measure_cpu();
    ids = make_series(store);
    printf("%zu new series: %.3f s CPU\n", g_series, measure_cpu() - c0);
    t0 = measure_wall();
    c0 = measure_cpu();
    write_all(store, ids);
    printf("%.1f M samples durable: %.2f s (%.2f M/s), %.3f CPU-s/M\n", million,
           measure_wall() - t0, million / (measure_wall() - t0),
           (measure_cpu() - c0 - made) / million);
    fw_store_stats(store, &stats);
    printf("%llu commits, %.2f journal B/sample, %.0f MiB anonymous memory, "
           "%llu samples in it\n",
           (unsigned long long)stats.commits,
           (double)stats.commit_bytes / 1e6 / million,
           measure_anonymous() / 1048576,
           (unsigned long long)stats.head_samples);
    if (g_compact) {
        struct fw_err err = {0};

        c0 = measure_cpu();
        t0 = measure_wall();
        measure_must(fw_store_compact(store, NULL, &err), &err);
        printf("rewritten: %.2f s, %.3f CPU-s/M\n", measure_wall() - t0,
               (measure_cpu() - c0) / million);
        fw_store_stats(store, &stats);
    }
    c0 = measure_cpu();
    t0 = measure_wall();
    fw_store_close(store);
    printf("close: %.2f s, %.3f CPU-s/M of what was left\n",
           measure_wall() - t0,
           (measure_cpu() - c0) / ((double)stats.head_samples / 1e6 + 1e-9));
    c0 = measure_cpu();
    t0 = measure_wall();
    store = open_store(true);
    printf("open: %.3f s, %.3f s CPU\n", measure_wall() - t0,
           measure_cpu() - c0);
    fw_store_stats(store, &stats);
    printf("on disk: %.4f B/sample\n",
           (double)stats.disk_bytes / 1e6 / million);
    for (int pass = 0; pass < g_passes; pass++) {
        c0 = measure_cpu();
        n = read_all(store, g_series);
        printf("scan with checksums and sum: %.0f M samples/s of CPU\n",
               (double)n / 1e6 / (measure_cpu() - c0));
    }
    fw_store_close(store);
    free(ids);
    return n == (uint64_t)g_series * g_samples ? 0 : 1;
}
