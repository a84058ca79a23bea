/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/counter.h"

#include <math.h>
#include <string.h>

#define LEAST 20        /* values that show a habit */
#define LEAST_NAMED 2   /* where the name says it already */
#define WHOLE_MOST 9e15 /* above it every double is whole */
#define RESET_PART 0.2  /* it starts anew below this part of what it had */
#define RESETS_PER 200  /* values: more often, and it is a sawtooth */
#define RISES_LEAST 0.2 /* of all steps */

const char counter_hint[] =
    "this looks like a counter; use rate(): whole numbers that never fall but "
    "to start anew say nothing by their size";

static bool seems(const double *v, size_t n, size_t least, bool whole)
{
    size_t known = 0, rises = 0, resets = 0;
    double last = NAN;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            continue;
        if (v[i] < 0.0 || (whole && (v[i] > WHOLE_MOST || v[i] != floor(v[i]))))
            return false;
        if (v[i] < last && v[i] > RESET_PART * last)
            return false;
        resets += v[i] < last;
        rises += v[i] > last;
        known++;
        last = v[i];
    }
    return known >= least && (double)rises >= RISES_LEAST * (double)known &&
           resets <= 1 + known / RESETS_PER;
}

bool counter_seems(const double *v, size_t n)
{
    return seems(v, n, LEAST, true);
}

static bool ends_in(struct fw_str name, const char *const *ends)
{
    for (; *ends != NULL; ends++) {
        size_t n = strlen(*ends);

        if (name.n >= n && memcmp(name.p + name.n - n, *ends, n) == 0)
            return true;
    }
    return false;
}

bool counter_named(const struct fw_labels *labels, const double *v, size_t n)
{
    /* Prometheus's and OpenMetrics' habits of naming. */
    static const char *const counters[] = {"_total", "_count", "_sum",
                                           "_bucket", NULL};
    static const char *const gauges[] = {
        "_bytes", "_percent", "_ratio",  "_celsius", "_used",
        "_size",  "_seconds", "_free",   "_avail",   "_capacity",
        "_limit", "_depth",   "_inodes", "_info",    NULL};
    struct fw_str name = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));

    if (ends_in(name, counters))
        return seems(v, n, LEAST_NAMED, false);
    return !ends_in(name, gauges) && counter_seems(v, n);
}
