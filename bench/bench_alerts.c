/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_alerts.c - rules and watches: how many per second one core evaluates,
 * and what a watched series costs in memory.
 *
 *   bench_alerts [-r RULES] [-s SERIES] [-w WATCHED] [-l LOOKS] [-d DIR]
 *
 * Rules run in groups of 100, half of them recordings, over SERIES series of a
 * real store: `sum by (job) (rate(...))` over ten series, an alert on what it
 * recorded, an alert on one series, an aggregation over all. A tenth of the
 * alerts fires. Watched series have a day of history a minute apart and are
 * looked at as the server does it, a minute later each time. Time is the fake
 * clock's; CPU is of the whole process, committer included.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "server/alert/watcher.h"
#include "server/rules/ruler.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define START ((fw_ms)1700000000000)
#define GROUP 100

static size_t g_rules = 2000;
static size_t g_series = 1000;
static size_t g_watched = 100;
static int g_looks = 5;
static const char *g_dir = "bench_alerts.data";
static fw_ms g_now = START;
static struct fw_store *g_store;

static fw_ms clock_now(void *self)
{
    (void)self;
    return g_now;
}

static uint64_t clock_mono(void *self)
{
    (void)self;
    return (uint64_t)(g_now - START + FW_DAY) * 1000000;
}

static const struct fw_clock g_clock = {clock_now, clock_mono, NULL};

/* ---- data ---- */

static uint32_t series_of(const char *name, size_t i)
{
    char job[32], instance[32];
    struct fw_label l[3] = {{FW_STR("__name__"), fw_str_of(name)}};
    struct fw_labels labels = {l, 3};
    struct fw_err err = {0};
    uint32_t id = 0;

    (void)snprintf(instance, sizeof(instance), "host-%zu", i);
    (void)snprintf(job, sizeof(job), "job-%zu", i / 10);
    l[1] = (struct fw_label){FW_STR("instance"), fw_str_of(instance)};
    l[2] = (struct fw_label){FW_STR("job"), fw_str_of(job)};
    measure_must(fw_store_series(g_store, &labels, &id, &err), &err);
    return id;
}

static void flush(struct fw_batch *batch)
{
    struct fw_append_result result;
    struct fw_err err = {0};

    if (batch->n > 0)
        measure_must(fw_store_append(g_store, batch, &result, &err), &err);
}

/* A counter and a gauge per series, at one instant. */
static void scrape(fw_ms t, const uint32_t *ids)
{
    struct fw_batch batch = {0};

    for (size_t i = 0; i < g_series; i++) {
        double n = (double)(t - START) / 1000;

        if (fw_batch_add(&batch, ids[2 * i], t, n * (double)(1 + i % 7)) !=
                FW_OK ||
            fw_batch_add(&batch, ids[2 * i + 1], t,
                         i % 10 == 0 ? 95 : (double)(i % 90)) != FW_OK)
            exit(1);
        if (batch.n > FW_MAX_BATCH_SAMPLES - 4)
            flush(&batch);
    }
    flush(&batch);
    fw_batch_release(&batch);
}

/* ---- rules ---- */

static struct rule_set *make_rules(void)
{
    struct fw_buf text = FW_BUF_INIT((size_t)64 << 20);
    struct rule_set *set = NULL;
    struct fw_err err = {0};
    fw_rc rc = fw_buf_adds(&text, "groups:\n");

    for (size_t i = 0; rc == FW_OK && i < g_rules; i++) {
        size_t job = i / 4 % (g_series / 10 + 1), host = i % g_series;

        if (i % GROUP == 0)
            rc = fw_buf_printf(&text, "- name: g%zu\n  rules:\n", i / GROUP);
        if (rc == FW_OK && i % 4 == 0)
            rc = fw_buf_printf(&text,
                               "  - {record: 'job:c:rate%zu', expr: 'sum by "
                               "(job) (rate(c{job=\"job-%zu\"}[1m]))'}\n",
                               i, job);
        else if (rc == FW_OK && i % 4 == 1)
            rc = fw_buf_printf(&text,
                               "  - {alert: Rate%zu, expr: 'job:c:rate%zu > "
                               "1000', for: 5m, labels: {severity: page}}\n",
                               i, i - 1);
        else if (rc == FW_OK && i % 4 == 2)
            rc = fw_buf_printf(
                &text,
                "  - {alert: Gauge%zu, expr: 'g{instance=\"host-%zu\"} > 90', "
                "annotations: {summary: '{{ $labels.instance }} has {{ $value "
                "| humanize }}'}}\n",
                i, host);
        else if (rc == FW_OK)
            rc = fw_buf_printf(&text,
                               "  - {record: 'job:g:max%zu', expr: 'max by "
                               "(job) (g{job=~\"job-%zu.*\"})'}\n",
                               i, job);
    }
    if (rc != FW_OK)
        exit(1);
    measure_must(rule_set_new(&set, &err), &err);
    measure_must(rule_set_read(set, (struct fw_str){text.data, text.len},
                               "bench", NULL, NULL, &err),
                 &err);
    fw_buf_release(&text);
    return set;
}

static void bench_rules(void)
{
    uint32_t *ids = calloc(2 * g_series, sizeof(*ids));
    struct config config = {.evaluation_interval = 15 * FW_SECOND,
                            .rules_resend_delay = FW_MINUTE,
                            .rules_for_outage_tolerance = FW_HOUR};
    struct ruler_options options = {
        .store = g_store, .clock = &g_clock, .config = &config};
    struct ruler_stats before, stats;
    struct ruler *ruler = NULL;
    struct fw_err err = {0};
    double spent = 0;

    for (size_t i = 0; i < g_series; i++) {
        ids[2 * i] = series_of("c", i);
        ids[2 * i + 1] = series_of("g", i);
    }
    for (int i = 0; i < 20; i++, g_now += 15 * FW_SECOND)
        scrape(g_now, ids);
    config.rules = make_rules();
    measure_must(ruler_open(&options, NULL, &ruler, &err), &err);
    for (int i = 0; i < 12; i++) {
        double began;

        g_now += 15 * FW_SECOND;
        scrape(g_now, ids);
        if (i == 2)
            ruler_stats(ruler, &before);
        began = measure_cpu();
        (void)ruler_step(ruler);
        if (i >= 2)
            spent += measure_cpu() - began;
    }
    ruler_stats(ruler, &stats);
    stats.evaluations -= before.evaluations;
    printf("rules: %zu over %zu series, %llu evaluations, %llu failed, %llu "
           "firing, %llu series written\n",
           g_rules, 2 * g_series, (unsigned long long)stats.evaluations,
           (unsigned long long)stats.failures, (unsigned long long)stats.firing,
           (unsigned long long)stats.series);
    printf("rules: %.0f per CPU-second (%.1f us each)\n",
           (double)stats.evaluations / spent,
           1e6 * spent / (double)stats.evaluations);
    ruler_close(ruler);
    rule_set_free(config.rules);
    free(ids);
}

/* ---- watches ---- */

/* A load with a daily season, noise, and here and there a leak. */
static double watched_value(size_t i, fw_ms t)
{
    double day = (double)(t % FW_DAY) / (double)FW_DAY;
    double noise =
        (double)((t / 1000 * 7919 + (fw_ms)i * 104729) % 1000) / 1000;

    return 40 + 20 * sin(6.283185307 * (day + (double)i / 100)) + 3 * noise +
           (i % 50 == 0 ? (double)(t - START) / (double)FW_DAY * 10 : 0);
}

static void feed_watched(fw_ms from, fw_ms to, const uint32_t *ids)
{
    struct fw_batch batch = {0};

    for (fw_ms t = from; t < to; t += FW_MINUTE)
        for (size_t i = 0; i < g_watched; i++) {
            if (fw_batch_add(&batch, ids[i], t, watched_value(i, t)) != FW_OK)
                exit(1);
            if (batch.n > FW_MAX_BATCH_SAMPLES / 2)
                flush(&batch);
        }
    flush(&batch);
    fw_batch_release(&batch);
}

static void bench_watches(void)
{
    uint32_t *ids = calloc(g_watched + 1, sizeof(*ids));
    struct config_watch watch = {.name = "Load",
                                 .expr = "load",
                                 .breach_text = "> 90",
                                 .breach = {.side = FW_ABOVE, .limit = 90},
                                 .horizon = FW_HOUR,
                                 .history = FW_DAY,
                                 .interval = FW_MINUTE,
                                 .probability = 0.8,
                                 .recover = 0.6,
                                 .owner = "o",
                                 .reason = "r",
                                 .file = "f",
                                 .line = 1};
    struct watcher_options options = {.store = g_store,
                                      .clock = &g_clock,
                                      .watches = &watch,
                                      .watch_count = 1};
    struct watcher *watcher = NULL;
    struct watcher_stats stats;
    struct fw_err err = {0};
    double first, later = 0, began, before;
    fw_ms from = g_now;

    for (size_t i = 0; i < g_watched; i++)
        ids[i] = series_of("load", i);
    g_now = from + FW_DAY;
    feed_watched(from, g_now, ids);
    measure_must(watcher_open(&options, &watcher, &err), &err);
    before = measure_anonymous();
    began = measure_cpu();
    (void)watcher_step(watcher);
    first = measure_cpu() - began;
    for (int i = 0; i < g_looks; i++) {
        g_now += FW_MINUTE;
        feed_watched(g_now - FW_MINUTE, g_now, ids);
        began = measure_cpu();
        (void)watcher_step(watcher);
        later += measure_cpu() - began;
    }
    watcher_stats(watcher, &stats);
    if (stats.failures > 0 || stats.predictions < stats.series)
        printf("watches: %llu looks failed, %llu predictions made\n",
               (unsigned long long)stats.failures,
               (unsigned long long)stats.predictions);
    printf("watches: %llu series, first look %.3f ms a series, later ones "
           "%.4f ms (%.0f per CPU-second)\n",
           (unsigned long long)stats.series, 1e3 * first / (double)stats.series,
           1e3 * later / g_looks / (double)stats.series,
           (double)stats.series * g_looks / later);
    printf("watches: 10,000 series each minute take %.2f of a core; %.0f bytes "
           "of memory a series\n",
           later / g_looks / (double)stats.series * 10000 / 60,
           (measure_anonymous() - before) / (double)stats.series);
    watcher_close(watcher);
    free(ids);
}

int main(int argc, char **argv)
{
    struct fw_store_options options = {.create = true,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .disk_floor = 1,
                                       .clock = &g_clock};
    struct fw_err err = {0};
    int letter;

    while ((letter = getopt(argc, argv, "r:s:w:l:d:")) != -1) {
        if (letter == 'r')
            g_rules = strtoul(optarg, NULL, 10);
        else if (letter == 's')
            g_series = strtoul(optarg, NULL, 10);
        else if (letter == 'w')
            g_watched = strtoul(optarg, NULL, 10);
        else if (letter == 'l')
            g_looks = (int)strtol(optarg, NULL, 10);
        else if (letter == 'd')
            g_dir = optarg;
        else
            return 2;
    }
    fw_log_set_level(FW_LOG_ERROR);
    measure_must(fw_store_open(g_dir, &options, &g_store, &err), &err);
    if (g_rules > 0)
        bench_rules();
    if (g_watched > 0 && g_looks > 0)
        bench_watches();
    fw_store_close(g_store);
    return 0;
}
