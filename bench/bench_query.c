/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_query.c - queries of the kind the Time Series Benchmark Suite asks,
 * on a store of its own making.
 *
 *     bench_query [HOSTS [HOURS [SECONDS_PER_QUERY [THREADS [ONLY]]]]]
 *
 * HOSTS report ten metrics every 10 s for HOURS (default 240, 12, 1: 10.4
 * million samples). Prints for each query the median and the 99th percentile
 * of its time, the median and the least CPU time of all THREADS (default 1),
 * the samples it reads and how many of them a second of (median) CPU time. On
 * a machine with other work the least is what to compare. ONLY: queries with
 * this in their names.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure.h"
#include "query/query.h"
#include "storage/base/limits.h"
#include "tests/support/synth.h"

#define FIELDS 10
#define STEP_MS 10000
#define START_MS 1700000000000
#define MAX_RUNS 1000

static const char *const fields[FIELDS] = {
    "usage_user",   "usage_system",    "usage_idle",    "usage_nice",
    "usage_iowait", "usage_irq",       "usage_softirq", "usage_steal",
    "usage_guest",  "usage_guest_nice"};

struct ask {
    const char *name;
    const char *text;
    fw_ms range; /* before the newest sample; 0: an instant */
    fw_ms step;
};

static const struct ask asks[] = {
    {"single host max, 1 h",
     "max_over_time(cpu_usage_user{hostname=\"host_7\"}[1m])", FW_HOUR,
     FW_MINUTE},
    {"5 metrics x 8 hosts max, 1 h",
     "max by (field) (max_over_time({__name__=~\"cpu_usage_(user|system|idle|"
     "nice|irq)\",hostname=~\"host_[0-7]\"}[1m]))",
     FW_HOUR, FW_MINUTE},
    {"double group-by, 1 metric, 12 h",
     "avg by (hostname) (avg_over_time(cpu_usage_user[1h]))", 12 * FW_HOUR,
     FW_HOUR},
    {"double group-by, 10 metrics, 12 h",
     "avg by (hostname, field) (avg_over_time({__name__=~\"cpu_.*\"}[1h]))",
     12 * FW_HOUR, FW_HOUR},
    {"high cpu, 12 h", "max_over_time(cpu_usage_user[1m]) > 90", 12 * FW_HOUR,
     FW_MINUTE},
    {"last point", "cpu_usage_user", 0, 0},
    {"full scan", "sum(sum_over_time({__name__=~\"cpu_.*\"}[12h]))", 0, 0},
    {"full scan, max", "max(max_over_time({__name__=~\"cpu_.*\"}[12h]))", 0, 0},
    {"rate over all, 12 h", "sum(rate({__name__=~\"cpu_.*\"}[5m]))",
     12 * FW_HOUR, 5 * FW_MINUTE},
    {"quantile over time, 12 h", "quantile_over_time(0.95, cpu_usage_user[1h])",
     12 * FW_HOUR, 5 * FW_MINUTE},
    {"quantile over hosts, 12 h", "quantile(0.95, cpu_usage_user)",
     12 * FW_HOUR, 5 * FW_MINUTE},
    {"join, 12 h",
     "cpu_usage_user / on(hostname) (cpu_usage_user + on(hostname) "
     "cpu_usage_idle)",
     12 * FW_HOUR, 5 * FW_MINUTE},
};

static void die(const struct fw_err *err)
{
    (void)fprintf(stderr, "bench_query: %s\n", err->text);
    exit(3);
}

/* ---- Data ---------------------------------------------------------------- */

static uint32_t make_series(struct fw_store *store, size_t host, size_t field)
{
    char name[64], hostname[32];
    struct fw_label v[3];
    struct fw_labels labels = {v, 3};
    struct fw_err err = {0};
    uint32_t id = 0;
    size_t n = 3;

    /* The metric again as a label, so that functions may drop the name. */
    (void)snprintf(name, sizeof(name), "cpu_%s", fields[field]);
    (void)snprintf(hostname, sizeof(hostname), "host_%zu", host);
    v[0] = (struct fw_label){FW_STR("__name__"), fw_str_of(name)};
    v[1] = (struct fw_label){FW_STR("hostname"), fw_str_of(hostname)};
    v[2] = (struct fw_label){FW_STR("field"), fw_str_of(fields[field])};
    if (fw_labels_canonical(v, &n, &err) != FW_OK ||
        fw_store_series(store, &labels, &id, &err) != FW_OK)
        die(&err);
    return id;
}

static void flush(struct fw_store *store, struct fw_batch *batch)
{
    struct fw_append_result result = {0};
    struct fw_err err = {0};

    if (batch->n == 0)
        return;
    if (fw_store_append(store, batch, &result, &err) != FW_OK)
        die(&err);
    if (result.stored == 0)
        die(&result.err);
}

static void make_data(struct fw_store *store, size_t hosts, size_t samples)
{
    uint32_t *ids = calloc(hosts * FIELDS, sizeof(*ids));
    double *values = calloc(hosts * FIELDS, sizeof(*values));
    struct synth_rng rng = synth_seed(1);
    struct fw_batch batch = {0};
    struct fw_err err = {0};

    FW_ASSERT(ids != NULL && values != NULL);
    for (size_t s = 0; s < hosts * FIELDS; s++) {
        ids[s] = make_series(store, s / FIELDS, s % FIELDS);
        values[s] = 50;
    }
    for (size_t i = 0; i < samples; i++) {
        for (size_t s = 0; s < hosts * FIELDS; s++) {
            double v = values[s] + synth_normal(&rng);

            values[s] = v < 0 ? 0 : v > 100 ? 100 : v;
            if (batch.n == FW_MAX_BATCH_SAMPLES)
                flush(store, &batch);
            if (fw_batch_add(&batch, ids[s], START_MS + (fw_ms)i * STEP_MS,
                             (double)(int)values[s]) != FW_OK)
                die(&err);
        }
    }
    flush(store, &batch);
    fw_batch_release(&batch);
    free(ids);
    free(values);
}

/* ---- Asking -------------------------------------------------------------- */

static double run_once(const struct fw_source *source, struct fw_crew *crew,
                       const struct ask *ask, fw_ms newest, uint64_t *samples)
{
    const struct fw_clock *clock = fw_clock_system();
    struct fw_query_options options = {.start = newest - ask->range,
                                       .end = newest,
                                       .step = ask->step,
                                       .crew = crew};
    struct fw_arena *arena = fw_arena_new(FW_MAX_QUERY_BYTES);
    struct fw_query *query = NULL;
    struct fw_result result = {0};
    struct fw_err err = {0};
    uint64_t from = fw_clock_mono_ns(clock);
    uint64_t to;

    FW_ASSERT(arena != NULL);
    if (fw_query_parse(fw_str_of(ask->text), arena, &query, &err) != FW_OK ||
        fw_query_run(query, source, &options, arena, &result, &err) != FW_OK)
        die(&err);
    to = fw_clock_mono_ns(clock);
    *samples = result.samples_read;
    fw_arena_free(arena);
    return (double)(to - from) / 1e6;
}

static void measure(const struct fw_source *source, struct fw_crew *crew,
                    const struct ask *ask, fw_ms newest, double seconds)
{
    double ms[MAX_RUNS], cpu[MAX_RUNS];
    double spent = 0;
    uint64_t samples = 0;
    size_t n = 0;

    (void)run_once(source, crew, ask, newest, &samples); /* warm */
    while (n < MAX_RUNS && (n < 5 || spent < seconds * 1000)) {
        double before = measure_cpu() * 1e3;

        ms[n] = run_once(source, crew, ask, newest, &samples);
        cpu[n] = measure_cpu() * 1e3 - before;
        spent += ms[n++];
    }
    double median = measure_share(ms, n, 0.5),
           busy = measure_share(cpu, n, 0.5);

    printf("%-34s %9.3f ms %9.3f ms %9.3f ms %9.3f ms %11llu %9.1f M/s\n",
           ask->name, median, measure_share(ms, n, 0.99), busy, cpu[0],
           (unsigned long long)samples, (double)samples / busy / 1000);
    (void)fflush(stdout);
}

static double number(int argc, char **argv, int i, double initial)
{
    double v = initial;
    struct fw_err err = {0};

    if (i < argc && fw_parse_double(fw_str_of(argv[i]), &v, &err) != FW_OK)
        die(&err);
    return v;
}

int main(int argc, char **argv)
{
    size_t hosts = (size_t)number(argc, argv, 1, 240);
    size_t samples = (size_t)(number(argc, argv, 2, 12) * FW_HOUR / STEP_MS);
    double seconds = number(argc, argv, 3, 1);
    size_t threads = (size_t)number(argc, argv, 4, 1);
    struct fw_store_options options = {
        .create = true, .retention = INT64_MAX, .ooo_window = INT64_MAX / 4};
    char dir[] = "/tmp/forewarn-bench-XXXXXX";
    char remove[64];
    struct fw_store *store = NULL;
    struct fw_crew *crew = fw_crew_new(threads - 1);
    struct fw_source source;
    struct fw_err err = {0};

    if (mkdtemp(dir) == NULL)
        return 3;
    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        die(&err);
    make_data(store, hosts, samples);
    source = fw_source_of_store(store);
    printf("%zu series, %zu samples, %zu threads\n"
           "%-34s %12s %12s %12s %12s %11s\n",
           hosts * FIELDS, hosts * FIELDS * samples, threads, "query", "median",
           "p99", "CPU", "least CPU", "samples");
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        if (argc > 5 && strstr(asks[i].name, argv[5]) == NULL)
            continue;
        measure(&source, crew, &asks[i],
                START_MS + (fw_ms)(samples - 1) * STEP_MS, seconds);
    }
    fw_crew_free(crew);
    fw_store_close(store);
    (void)snprintf(remove, sizeof(remove), "rm -r %s", dir);
    return system(remove) == 0 ? 0 : 3;
}
