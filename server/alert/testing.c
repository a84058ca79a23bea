/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/testing.h"

#include "storage/base/limits.h"
#include "storage/base/log.h"

void testing_release(struct testing *t)
{
    hindsight_free(t->past);
    t->past = NULL;
    t->g = NULL;
}

static struct watching *next_untested(struct watching *watches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (watches[i].standing.tested_at == 0)
            return &watches[i];
    return NULL;
}

static fw_rc begin(struct testing *t, struct watching *g,
                   const struct watcher_sight *sight, fw_ms span, fw_ms now,
                   struct fw_err *err)
{
    struct hindsight_options options = {.watch = g->watch,
                                        .sight = *sight,
                                        .to = now,
                                        .max_series = FW_MAX_BACKTEST_SERIES};

    options.from = now - hindsight_span(g->watch, span);
    t->g = g;
    t->from = options.from;
    t->now = now;
    return hindsight_new(&options, &t->past, err);
}

/* The test is over, well or badly: it is not tried again. */
static void end(struct testing *t, fw_rc rc, struct fw_err *err)
{
    if (rc == FW_END)
        rc = standing_take_past(&t->g->standing, t->past, t->g->watch, t->from,
                                t->now, err);
    if (rc == FW_ETOOBIG)
        t->refused++;
    if (rc != FW_OK) {
        fw_log(FW_LOG_WARN,
               "watch '%s' cannot be tested over the past, its record begins "
               "now: %s",
               t->g->watch->name, err->text);
        t->g->standing.tested_at = t->now;
        t->g->standing.tested_from = t->now;
    }
}

bool testing_step(struct testing *t, struct watching *watches, size_t n,
                  const struct watcher_sight *sight, fw_ms span, fw_ms now,
                  struct watching **done)
{
    struct fw_err err = {0};
    fw_rc rc = FW_OK;

    *done = NULL;
    if (t->past == NULL) {
        struct watching *g = next_untested(watches, n);

        if (g == NULL)
            return false;
        rc = begin(t, g, sight, span, now, &err);
    }
    if (rc == FW_OK)
        rc = hindsight_look(t->past, &err);
    if (rc == FW_OK)
        return true;
    end(t, rc, &err);
    *done = t->g;
    testing_release(t);
    return true;
}
