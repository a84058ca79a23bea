/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_watches.c - what watching costs.
 *
 *     bench_watches [SERIES [MINUTES [ZONE]]]
 *
 * SERIES disks (default 1000) fill slowly, each with its own day and noise; 14
 * days are known, a sample each 5 minutes. One watch looks at all of them each
 * minute, 24 hours ahead, under a clock of the bench's own, for MINUTES
 * (default 60). With a ZONE (Europe/Berlin) the watch has that time zone, and
 * is forecast in full at each look. Prints the CPU time of the first look
 * (which fits), of the looks after it, what that means for 10,000 series a
 * minute, and memory.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "server/alert/watcher.h"
#include "storage/base/limits.h"
#include "tests/support/fake_clock.h"

#define START (1700000000 * FW_SECOND)
#define EVERY (5 * FW_MINUTE)
#define KNOWN (14 * FW_DAY)
#define MOST_MINUTES 10000

static struct fake_clock fake;
static struct fw_store *store;
static size_t g_series = 1000, g_minutes = 60;

/* Free space in percent: falls for weeks, breathes by day, has some noise. */
static double value(size_t series, fw_ms t)
{
    double days = (double)(t - START) / (double)FW_DAY;
    uint64_t noise = (uint64_t)t / 1000 * 2654435761u + series * 40503u;

    noise ^= noise >> 15;
    noise *= 2246822519u;
    noise ^= noise >> 13;
    return 60 - days * (double)(series % 7) / 3 +
           (double)(series % 5) * sin(6.283185307 * days) +
           (double)(noise % 1000) / 1000;
}

static void add_samples(const uint32_t *ids, fw_ms from, fw_ms to)
{
    struct fw_append_result result;
    struct fw_batch batch = {0};
    struct fw_err err = {0};

    for (fw_ms t = from; t < to; t += EVERY)
        for (size_t i = 0; i < g_series; i++) {
            measure_must(fw_batch_add(&batch, ids[i], t, value(i, t)), &err);
            if (batch.n == FW_MAX_BATCH_SAMPLES)
                measure_must(fw_store_append(store, &batch, &result, &err),
                             &err);
        }
    if (batch.n > 0)
        measure_must(fw_store_append(store, &batch, &result, &err), &err);
    fw_batch_release(&batch);
}

static uint32_t *make_series(void)
{
    uint32_t *ids = calloc(g_series, sizeof(*ids));
    struct fw_err err = {0};

    for (size_t i = 0; ids != NULL && i < g_series; i++) {
        char name[32];
        struct fw_label v[2] = {{FW_STR(FW_METRIC_NAME), FW_STR("disk_free")},
                                {FW_STR("host"), {name, 0}}};
        struct fw_labels labels = {v, 2};

        v[1].value.n = (size_t)snprintf(name, sizeof(name), "host%05zu", i);
        measure_must(fw_store_series(store, &labels, &ids[i], &err), &err);
    }
    return ids;
}

static void look_for(const uint32_t *ids, struct watcher *watcher)
{
    static double looks[MOST_MINUTES];
    struct watcher_stats stats;
    double first, total = 0, per_series;
    double start = measure_cpu();
    fw_ms now = START + KNOWN;

    (void)watcher_step(watcher);
    first = measure_cpu() - start;
    for (size_t i = 0; i < g_minutes; i++) {
        fake_clock_advance(&fake, FW_MINUTE);
        now += FW_MINUTE;
        if (now % EVERY == 0)
            add_samples(ids, now, now + 1);
        start = measure_cpu();
        (void)watcher_step(watcher);
        looks[i] = measure_cpu() - start;
        total += looks[i];
    }
    watcher_stats(watcher, &stats);
    per_series = total / (double)g_minutes / (double)g_series;
    printf("watched series: %llu, looks: %llu, failures: %llu\n",
           (unsigned long long)stats.series, (unsigned long long)stats.looks,
           (unsigned long long)stats.failures);
    printf("first look, all fitted: %.2f s of CPU, %.2f ms a series\n", first,
           1000 * first / (double)g_series);
    printf("a look: median %.1f ms, 99th percentile %.1f ms, mean %.3f ms a "
           "series\n",
           1000 * measure_share(looks, g_minutes, 0.5),
           1000 * measure_share(looks, g_minutes, 0.99), 1000 * per_series);
    printf("series a second and core: %.0f; 10,000 of them each minute: %.2f "
           "cores\n",
           1 / per_series, per_series * 10000 / 60);
    printf("memory of what is followed: %.1f KiB a series\n",
           (double)stats.forecaster_bytes / 1024 / (double)g_series);
}

int main(int argc, char **argv)
{
    struct config_watch watch = {
        .name = "DiskFull",
        .expr = "disk_free",
        .breach_text = "< 5",
        .breach = {.side = FW_BELOW, .limit = 5, .for_ms = 5 * FW_MINUTE},
        .horizon = FW_DAY,
        .history = KNOWN,
        .interval = FW_MINUTE,
        .probability = 0.8,
        .recover = 0.6,
        .minimum_precision = 0.7,
        .owner = "bench",
        .reason = "figures"};
    struct fw_store_options options = {.create = true, .linger = -1};
    struct watcher_options watching = {.watches = &watch, .watch_count = 1};
    struct watcher *watcher = NULL;
    char dir[] = "/tmp/forewarn-bench-XXXXXX", command[64];
    struct fw_err err = {0};
    uint32_t *ids;

    if (argc > 1)
        g_series = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        g_minutes = strtoul(argv[2], NULL, 10);
    if (g_series == 0 || g_minutes == 0 || g_minutes > MOST_MINUTES ||
        mkdtemp(dir) == NULL)
        return 2;
    if (argc > 3)
        measure_must(fw_zone_open(argv[3], &watch.zone, &err), &err);
    fake_clock_init(&fake, START + KNOWN);
    options.clock = watching.clock = &fake.clock;
    measure_must(fw_store_open(dir, &options, &store, &err), &err);
    ids = make_series();
    add_samples(ids, START, START + KNOWN);
    watching.store = store;
    measure_must(watcher_open(&watching, &watcher, &err), &err);
    look_for(ids, watcher);
    watcher_close(watcher);
    fw_store_close(store);
    fw_zone_close(watch.zone);
    free(ids);
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
