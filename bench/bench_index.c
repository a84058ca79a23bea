/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_index.c - what series cost: memory, disk, opening, finding them.
 *
 *   bench_index [-s SERIES] [-n NEW] [-h HOURS] [-d DIR] [PART...]
 *
 * PART is registry, store, new or churn; all of them without one. Series have
 * ten labels as a cluster of containers gives them: ten metrics of each pod,
 * and the pod's name is nowhere else. CPU is of the whole process.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "storage/base/limits.h"
#include "storage/index/registry.h"
#include "storage/storage.h"
#include "tests/support/synth.h"

#define START ((fw_ms)1700000000000)
#define METRICS 10
#define BATCH 5000
#define IN_FLIGHT 100000

static size_t g_series = 1000000;
static size_t g_new = 200000;
static size_t g_hours = 8760;
static const char *g_dir = "bench_index.data";

/* ---- Measures --------------------------------------------------------------
 */

/* ---- Series ----------------------------------------------------------------
 */

struct text_labels {
    char text[METRICS][64];
    struct fw_label v[METRICS];
    struct fw_labels labels;
};

static void put(struct text_labels *l, size_t i, const char *name)
{
    l->v[i] = (struct fw_label){fw_str_of(name), fw_str_of(l->text[i])};
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * 0x9E3779B97F4A7C15u;
    return x ^ (x >> 29);
}

/* Series `i`: pod i / 10, one of its ten metrics. */
static const struct fw_labels *make(struct text_labels *l, size_t i)
{
    static const char *const metrics[METRICS] = {
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "container_network_receive_bytes_total",
        "container_network_transmit_bytes_total",
        "container_fs_reads_total",
        "container_fs_writes_total",
        "container_threads",
        "container_sockets",
        "container_file_descriptors",
        "container_start_time_seconds"};
    size_t pod = i / METRICS;
    unsigned a = (unsigned)pod;

    (void)snprintf(l->text[0], 64, "%s", metrics[i % METRICS]);
    (void)snprintf(l->text[1], 64, "eu-%u", a / 7 % 8);
    (void)snprintf(l->text[2], 64, "%s", a % 3 == 0 ? "test" : "production");
    (void)snprintf(l->text[3], 64, "kubelet-%u", a % 5);
    (void)snprintf(l->text[4], 64, "namespace-%u", a / 40 % 50);
    (void)snprintf(l->text[5], 64, "node-%u.example.net", a / 100 % 1000);
    (void)snprintf(l->text[6], 64, "service-%u-%08x-%05x", a / 10 % 200,
                   (unsigned)mix(a / 10), (unsigned)mix(a + 77) & 0xFFFFF);
    (void)snprintf(l->text[7], 64, "service-%u", a / 10 % 200);
    (void)snprintf(l->text[8], 64, "team-%u", a / 3 % 20);
    (void)snprintf(l->text[9], 64, "v1.%u", a / 10 % 50);
    put(l, 0, FW_METRIC_NAME);
    put(l, 1, "cluster");
    put(l, 2, "environment");
    put(l, 3, "job");
    put(l, 4, "namespace");
    put(l, 5, "node");
    put(l, 6, "pod");
    put(l, 7, "service");
    put(l, 8, "team");
    put(l, 9, "version");
    l->labels = (struct fw_labels){l->v, METRICS};
    return &l->labels;
}

static double making_cpu(size_t from, size_t n)
{
    struct text_labels l;
    double c0 = measure_cpu();
    size_t sum = 0;

    for (size_t i = from; i < from + n; i++)
        sum += make(&l, i)->v[6].value.n;
    return sum == 1 ? 0 : measure_cpu() - c0;
}

/* ---- The registry alone
 * ------------------------------------------------------
 */

static void bench_registry(void)
{
    static const struct registry_limits no_limits = {.series = UINT32_MAX};
    double n = (double)g_series;
    double before = measure_anonymous(), c0, made = making_cpu(0, g_series);
    struct registry *r = malloc(sizeof(*r));
    struct text_labels l;
    struct fw_err err = {0};
    uint32_t id = 0;

    if (r == NULL || registry_init(r) != FW_OK)
        exit(1);
    c0 = measure_cpu();
    for (size_t i = 0; i < g_series; i++)
        measure_must(registry_id(r, make(&l, i), &no_limits, &id, &err), &err);
    printf("registry alone: %zu series of ten labels\n", g_series);
    printf("  new               %8.0f ns of CPU each\n",
           (measure_cpu() - c0 - made) * 1e9 / n);
    printf("  memory            %8.1f B each\n",
           (measure_anonymous() - before) / n);
    c0 = measure_cpu();
    for (size_t i = 0; i < g_series; i++)
        measure_must(registry_id(r, make(&l, i * 7919 % g_series), &no_limits,
                                 &id, &err),
                     &err);
    printf("  known, any order  %8.0f ns of CPU each\n",
           (measure_cpu() - c0 - made) * 1e9 / n);
    registry_release(r);
    free(r);
}

/* ---- The store -----------------------------------------------------------
 */

static struct fw_store *open_store(bool read_only, fw_ms retention)
{
    struct fw_store_options options = {.create = !read_only,
                                       .read_only = read_only,
                                       .retention = retention,
                                       .max_series = 20000000,
                                       .disk_floor = 1};
    struct fw_store *store = NULL;
    struct fw_err err = {0};

    measure_must(fw_store_open(g_dir, &options, &store, &err), &err);
    return store;
}

static void remove_store(void)
{
    char command[600];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", g_dir);
    if (system(command) != 0)
        exit(1);
}

static _Atomic uint64_t g_answered;
static uint64_t g_sent;

static void answered(void *self, const struct fw_append_result *result)
{
    struct fw_err err = result->err;

    (void)self;
    measure_must(result->rc, &err);
    (void)atomic_fetch_add(&g_answered, result->stored);
}

static void submit(struct fw_store *store, struct fw_batch *batch)
{
    struct fw_err err = {0};
    size_t n = batch->n;
    fw_rc rc;

    while ((rc = fw_store_submit(store, batch, answered, NULL, &err)) ==
           FW_EBUSY)
        (void)usleep(1000);
    measure_must(rc, &err);
    g_sent += n;
    /* No more in flight than a server with a few senders has. */
    while (g_sent - atomic_load(&g_answered) > IN_FLIGHT)
        (void)usleep(200);
}

/* `rounds` samples of each of n series, a round after the other. */
static void append(struct fw_store *store, const uint32_t *ids, size_t n,
                   size_t rounds, fw_ms start, fw_ms step)
{
    uint64_t until = atomic_load(&g_answered) + (uint64_t)n * rounds;
    struct fw_batch batch = {0};

    for (size_t k = 0; k < rounds; k++)
        for (size_t i = 0; i < n; i++) {
            if (fw_batch_add(&batch, ids[i], start + (fw_ms)k * step,
                             (double)(i % 100 + k)) != FW_OK)
                exit(1);
            if (batch.n == BATCH)
                submit(store, &batch);
        }
    if (batch.n > 0)
        submit(store, &batch);
    while (atomic_load(&g_answered) < until)
        (void)usleep(200);
}

static void select_in(struct fw_store *store, const char *what,
                      const struct fw_matcher *m, size_t n, fw_ms from,
                      fw_ms to)
{
    struct fw_arena *arena = fw_arena_new((size_t)4 << 30);
    double best[2] = {1e9, 1e9};
    struct fw_series *series;
    struct fw_err err = {0};
    size_t count = 0;

    for (int pass = 0; pass < 5; pass++) {
        double c0 = measure_cpu(), took;

        fw_arena_clear(arena);
        measure_must(fw_store_select(store, m, n, from, to, SIZE_MAX, arena,
                                     &series, &count, &err),
                     &err);
        took = (measure_cpu() - c0) * 1e3;
        best[pass > 0] = took < best[pass > 0] ? took : best[pass > 0];
    }
    printf("  %-34s %9.3f ms first, %9.3f ms again, %zu series\n", what,
           best[0], best[1], count);
    fw_arena_free(arena);
}

static void select_one(struct fw_store *store, const char *what,
                       const struct fw_matcher *m, size_t n)
{
    select_in(store, what, m, n, INT64_MIN, INT64_MAX);
}

static void selects(struct fw_store *store)
{
    struct fw_matcher and[] = {
        {FW_MATCH_EQUAL, FW_STR("team"), FW_STR("team-3")},
        {FW_MATCH_EQUAL, FW_STR("cluster"), FW_STR("eu-2")}};
    struct fw_matcher one[] = {
        {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME), FW_STR("container_threads")},
        {FW_MATCH_EQUAL, FW_STR("node"), FW_STR("node-7.example.net")}};
    struct fw_matcher regex = {FW_MATCH_REGEX, FW_STR("pod"),
                               FW_STR("service-1[0-4]-.*-[0-9a-f]*7")};
    struct fw_matcher words = {FW_MATCH_REGEX, FW_STR("node"),
                               FW_STR("node-(1|2|3).example.net")};
    struct fw_matcher not [] = {
        {FW_MATCH_EQUAL, FW_STR("node"), FW_STR("node-7.example.net")},
        {FW_MATCH_NOT_REGEX, FW_STR("pod"), FW_STR(".*7.*")}};
    struct fw_matcher any = {FW_MATCH_REGEX, FW_STR(FW_METRIC_NAME),
                             FW_STR(".+")};

    select_one(store, "metric and node", one, 2);
    select_one(store, "50k and 125k", and, 2);
    select_one(store, "regex over 100k pods", &regex, 1);
    select_one(store, "regex over 1,000 nodes", &words, 1);
    select_one(store, "node without pods like .*7.*", not, 2);
    select_one(store, "{__name__=~\".+\"}", &any, 1);
}

static uint32_t *make_series(struct fw_store *store, size_t from, size_t n)
{
    uint32_t *ids = malloc(n * sizeof(*ids));
    struct text_labels l;
    struct fw_err err = {0};

    for (size_t i = 0; ids != NULL && i < n; i++)
        measure_must(fw_store_series(store, make(&l, from + i), &ids[i], &err),
                     &err);
    return ids;
}

/* Everything of the folder out of the page cache, so that opening is cold. */
static void cool(void)
{
    char command[800];

    (void)snprintf(command, sizeof(command),
                   "sync; find '%s' -type f -exec dd if='{}' iflag=nocache "
                   "count=0 status=none ';'",
                   g_dir);
    if (system(command) != 0)
        exit(1);
}

static void bench_open(bool read_only, const char *what)
{
    struct fw_matcher one = {FW_MATCH_EQUAL, FW_STR("pod"), FW_STR("none")};
    double before = measure_anonymous(), t0 = measure_wall(),
           c0 = measure_cpu(), t1;
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_store *store = open_store(read_only, INT64_MAX);
    struct fw_series *series;
    struct fw_err err = {0};
    size_t count = 0;

    measure_must(fw_store_select(store, &one, 1, INT64_MIN, INT64_MAX, 1000000,
                                 arena, &series, &count, &err),
                 &err);
    t1 = measure_wall();
    printf("  %-34s %9.3f s, %.3f s of CPU, then %.1f B of memory a series\n",
           what, t1 - t0, measure_cpu() - c0,
           (measure_anonymous() - before) / (double)g_series);
    if (read_only)
        selects(store);
    fw_store_close(store);
    fw_arena_free(arena);
}

static void bench_store(void)
{
    double before = measure_anonymous(), c0, made = making_cpu(0, g_series);
    struct fw_store_stats stats;
    struct fw_store *store;
    uint32_t *ids;

    remove_store();
    store = open_store(false, INT64_MAX);
    c0 = measure_cpu();
    ids = make_series(store, 0, g_series);
    printf("store: %zu series\n", g_series);
    printf("  %-34s %9.0f ns of CPU each\n", "fw_store_series, new",
           (measure_cpu() - c0 - made) * 1e9 / (double)g_series);
    printf("  %-34s %9.1f B each\n", "memory without samples",
           (measure_anonymous() - before) / (double)g_series - 4);
    append(store, ids, g_series, 2, START, 15000);
    printf("  %-34s %9.1f B each\n", "memory with two samples",
           (measure_anonymous() - before) / (double)g_series - 4);
    fw_store_close(store);
    free(ids);
    cool();
    bench_open(true, "open cold and ask");
    bench_open(false, "open again to write");
    store = open_store(true, INT64_MAX);
    fw_store_stats(store, &stats);
    printf("  %-34s %9.1f B a series of two samples\n", "on disk",
           (double)stats.disk_bytes / (double)g_series);
    fw_store_close(store);
    remove_store();
}

/* ---- New series with few samples
 * ----------------------------------------------
 */

static void bench_new(void)
{
    double million = (double)g_new * 12 / 1e6;
    double c0, t0, first, made = making_cpu(0, g_new);
    struct fw_store_stats stats;
    struct fw_store *store;
    uint32_t *ids;

    remove_store();
    store = open_store(false, INT64_MAX);
    c0 = measure_cpu();
    t0 = measure_wall();
    ids = make_series(store, 0, g_new);
    first = measure_cpu() - c0 - made;
    append(store, ids, g_new, 12, START, 15000);
    fw_store_stats(store, &stats);
    printf("new: %zu series of 12 samples\n", g_new);
    printf("  ids %.3f s, all %.3f s of CPU, %.3f s wall: %.3f CPU-s a million "
           "samples; %.2f B a sample in the journal\n",
           first, measure_cpu() - c0 - made, measure_wall() - t0,
           (measure_cpu() - c0 - made) / million,
           (double)stats.commit_bytes / 1e6 / million);
    fw_store_close(store);
    store = open_store(true, INT64_MAX);
    fw_store_stats(store, &stats);
    printf("  sealed and closed: %.3f CPU-s a million, %.2f B a sample\n",
           (measure_cpu() - c0 - made) / million,
           (double)stats.disk_bytes / 1e6 / million);
    fw_store_close(store);
    free(ids);
    remove_store();
}

/* ---- Churn ------------------------------------------------------------------
 */

static void bench_churn(void)
{
    size_t pods = 40, each = pods * METRICS;
    double before = measure_anonymous(), c0 = measure_cpu();
    struct fw_store_stats stats;
    struct fw_store *store;
    struct fw_matcher metric = {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME),
                                FW_STR("container_threads")};
    struct fw_matcher pod = {FW_MATCH_EQUAL, FW_STR("pod"), {NULL, 0}};
    double n = (double)(g_hours * each), t0;
    struct text_labels l;

    pod.value = make(&l, g_hours / 2 * each)->v[6].value;
    remove_store();
    store = open_store(false, INT64_MAX);
    for (size_t hour = 0; hour < g_hours; hour++) {
        uint32_t *ids = make_series(store, hour * each, each);

        append(store, ids, each, 4, START + (fw_ms)hour * FW_HOUR,
               15 * FW_MINUTE);
        free(ids);
    }
    fw_store_stats(store, &stats);
    printf("churn: %zu hours, %zu new series each hour, 4 samples each\n",
           g_hours, each);
    printf("  %.1f s of CPU, %.1f B of memory a series, %llu samples of them "
           "in memory\n",
           measure_cpu() - c0, (measure_anonymous() - before) / n,
           (unsigned long long)stats.head_samples);
    fw_store_close(store);
    before = measure_anonymous();
    t0 = measure_wall();
    store = open_store(true, INT64_MAX);
    fw_store_stats(store, &stats);
    printf("  opened again in %.2f s: %.1f B of memory, %.1f B on disk a "
           "series\n",
           measure_wall() - t0, (measure_anonymous() - before) / n,
           (double)stats.disk_bytes / n);
    select_one(store, "one pod, all of the time", &pod, 1);
    select_one(store, "one metric, all of the time", &metric, 1);
    select_in(store, "one metric, one day of it", &metric, 1,
              START + (fw_ms)(g_hours / 2) * FW_HOUR,
              START + (fw_ms)(g_hours / 2 + 24) * FW_HOUR);
    select_in(store, "one metric, one hour of it", &metric, 1,
              START + (fw_ms)(g_hours / 2) * FW_HOUR,
              START + (fw_ms)(g_hours / 2) * FW_HOUR + FW_HOUR - 1);
    fw_store_close(store);
    remove_store();
}

static bool asked(int argc, char **argv, const char *part)
{
    bool any = false;

    for (int i = optind; i < argc; i++) {
        any = true;
        if (strcmp(argv[i], part) == 0)
            return true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "s:n:h:d:")) != -1) {
        if (letter == 's')
            g_series = strtoul(optarg, NULL, 10);
        else if (letter == 'n')
            g_new = strtoul(optarg, NULL, 10);
        else if (letter == 'h')
            g_hours = strtoul(optarg, NULL, 10);
        else if (letter == 'd')
            g_dir = optarg;
        else
            return 2;
    }
    if (asked(argc, argv, "registry"))
        bench_registry();
    if (asked(argc, argv, "store"))
        bench_store();
    if (asked(argc, argv, "new"))
        bench_new();
    if (asked(argc, argv, "churn"))
        bench_churn();
    return 0;
}
