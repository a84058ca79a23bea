/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/line_stats.h"

#include <inttypes.h>

#include "storage/base/log.h"

#define SHOWN_BYTES 120 /* of a bad line */

void bad_lines_init(struct bad_lines *bad, struct line_stats *stats)
{
    *bad = (struct bad_lines){.stats = stats};
    (void)pthread_mutex_init(&bad->lock, NULL);
}

void bad_lines_release(struct bad_lines *bad)
{
    (void)pthread_mutex_destroy(&bad->lock);
}

/* True if this one may be named; *unnamed is how many were not, before it. */
static bool may_name(struct bad_lines *bad, uint64_t now_ns, uint64_t *unnamed)
{
    bool yes;

    (void)pthread_mutex_lock(&bad->lock);
    if (now_ns - bad->since_ns >= BAD_LINES_EVERY_MS * UINT64_C(1000000)) {
        bad->since_ns = now_ns;
        bad->named = 0;
    }
    yes = bad->named < BAD_LINES_AT_ONCE;
    *unnamed = 0;
    if (yes) {
        bad->named++;
        *unnamed = bad->unnamed;
        bad->unnamed = 0;
    } else {
        bad->unnamed++;
    }
    (void)pthread_mutex_unlock(&bad->lock);
    return yes;
}

/* True if it may be named now; says first how many were not. */
static bool begin_naming(struct bad_lines *bad, uint64_t now_ns)
{
    uint64_t unnamed;

    if (!may_name(bad, now_ns, &unnamed)) {
        line_stats_add(&bad->stats->bad_unlogged, 1);
        return false;
    }
    if (unnamed > 0)
        fw_log(FW_LOG_WARN, "%" PRIu64 " more bad lines were not named here",
               unnamed);
    return true;
}

void bad_lines_name(struct bad_lines *bad, uint64_t now_ns, const char *from,
                    uint64_t number, enum line_fault fault, const char *detail,
                    struct fw_str text)
{
    bool cut = text.n > SHOWN_BYTES;

    line_stats_add(&bad->stats->bad[fault], 1);
    if (!begin_naming(bad, now_ns))
        return;
    fw_log(FW_LOG_WARN, "bad line %" PRIu64 " from %s: %s%s%s: '%.*s%s'",
           number, from, line_fault_text(fault), detail != NULL ? ": " : "",
           detail != NULL ? detail : "", (int)(cut ? SHOWN_BYTES : text.n),
           text.p, cut ? "..." : "");
}

void bad_lines_refused(struct bad_lines *bad, uint64_t now_ns, const char *from,
                       uint64_t samples, const char *reason)
{
    line_stats_add(&bad->stats->refused, samples);
    if (begin_naming(bad, now_ns))
        fw_log(FW_LOG_WARN, "%" PRIu64 " samples from %s were not stored: %s",
               samples, from, reason);
}
