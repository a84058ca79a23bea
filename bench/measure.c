/* SPDX-License-Identifier: GPL-3.0-or-later */
/* measure.c - the clocks and the memory of a bench; see measure.h. */
#include "bench/measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double clock_seconds(clockid_t which)
{
    struct timespec t = {0};

    (void)clock_gettime(which, &t); /* cannot fail for these clocks */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double measure_wall(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

double measure_cpu(void)
{
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double measure_thread_cpu(void)
{
    return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

/* The number behind `key` in a file of /proc; 0 where there is none. */
static double proc_number(const char *path, const char *key)
{
    FILE *f = fopen(path, "r");
    char line[256];
    double out = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            out = strtod(line + strlen(key), NULL);
    if (f != NULL)
        (void)fclose(f);
    return out;
}

double measure_anonymous(void)
{
    return proc_number("/proc/self/status", "RssAnon:") * 1024;
}

double measure_written(void)
{
    return proc_number("/proc/self/io", "write_bytes:");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double measure_share(double *v, size_t n, double share)
{
    size_t at = (size_t)(share * (double)n);

    qsort(v, n, sizeof(*v), by_size);
    return v[at < n ? at : n - 1];
}

void measure_must(fw_rc rc, const struct fw_err *err)
{
    if (rc == FW_OK)
        return;
    (void)fprintf(stderr, "%s: %s\n", program_invocation_short_name, err->text);
    exit(1);
}

void measure_must_be_new(struct fw_store *store, const char *dir)
{
    struct fw_store_stats stats;

    fw_store_stats(store, &stats);
    if (stats.series == 0)
        return;
    (void)fprintf(stderr, "%s: %s is not empty\n",
                  program_invocation_short_name, dir);
    exit(1);
}
