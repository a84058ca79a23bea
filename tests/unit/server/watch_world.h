/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch_world.h - a world of the test's own making for a watcher: time is a
 * fake clock, values are a function of it, and forecasts are either what the
 * test says or predict's own over those values. For one test program each.
 */
#ifndef TESTS_UNIT_SERVER_WATCH_WORLD_H
#define TESTS_UNIT_SERVER_WATCH_WORLD_H

#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/alert/standing.h"
#include "server/alert/watcher.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define START (1700000000 * FW_SECOND)

struct world {
    struct fake_clock clock;
    struct fw_store *store;
    const char *dir;
    struct config_watch watch;
    struct watcher *watcher;
    fw_ms sample;                             /* between two values */
    fw_ms born;                               /* of the first value */
    double (*value)(fw_ms since, void *self); /* NaN: missing */
    void *self;
    double probability; /* what the forecast says; NaN: cannot tell */
    double (*foretold)(fw_ms now); /* or this, where it is set */
    fw_ms backtest;
    uint32_t page_budget;
    bool real;       /* let predict say it */
    bool fail;       /* the query cannot be answered */
    bool calibrated; /* probabilities are corrected */
    char host[32];
    int fetches;          /* of samples to forecast from */
    uint64_t told_before; /* by watchers that are closed */
    /* what was heard */
    int firing, breached, resolved, right, false_alarms;
    char last[1024], breach_line[1024];
};

static struct world w;
static struct fw_err err;

static const struct config_webhook hook = {.url = "http://127.0.0.1:9/"};

static void ok(fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s: %s", fw_rc_name(rc), err.text);
}

/* ---- the world -------------------------------------------------------------
 */

static double flat(fw_ms since, void *self)
{
    (void)since;
    return *(double *)self;
}

static fw_rc add_labels(struct fw_arena *arena, struct fw_labels *out)
{
    struct fw_label *v = fw_arena_calloc(arena, 1, sizeof(*v));

    v[0] = (struct fw_label){FW_STR("host"), fw_str_of(w.host)};
    *out = (struct fw_labels){v, 1};
    return FW_OK;
}

static fw_rc see(void *self, struct fw_str expr, fw_ms from, fw_ms to,
                 fw_ms step, struct fw_arena *arena, struct fw_result *result,
                 struct fw_err *e)
{
    size_t n = (size_t)((to - from) / step) + 1, kept = 0;
    struct fw_result_series *s = fw_arena_calloc(arena, 1, sizeof(*s));

    (void)self;
    (void)expr;
    if (w.fail)
        return fw_err_set(e, FW_ETOOBIG, "too much");
    s->t = fw_arena_calloc(arena, n, sizeof(*s->t));
    s->v = fw_arena_calloc(arena, n, sizeof(*s->v));
    for (size_t i = 0; i < n; i++) {
        fw_ms t = from + (fw_ms)i * step;
        double v = w.value((t - w.born) / w.sample * w.sample, w.self);

        if (isnan(v))
            continue;
        s->t[kept] = t;
        s->v[kept++] = v;
    }
    s->n = kept;
    (void)add_labels(arena, &s->labels);
    *result = (struct fw_result){
        .type = FW_MATRIX, .series = s, .count = kept > 0 ? 1 : 0};
    return FW_OK;
}

/* The samples themselves, for a forecast that predict makes. */
static fw_rc fetch(void *self, struct fw_str expr, fw_ms span, fw_ms history,
                   const struct fw_forecast_options *options,
                   struct fw_arena *arena, struct fw_result *result,
                   struct fw_err *e)
{
    struct fw_result_series *s = fw_arena_calloc(arena, 1, sizeof(*s));
    fw_ms from = options->now - span;
    size_t cap;

    (void)self;
    (void)expr;
    (void)history;
    (void)e;
    w.fetches++;
    if (from < w.born)
        from = w.born;
    from = w.born + (from - w.born + w.sample - 1) / w.sample * w.sample;
    cap = (size_t)((options->now - from) / w.sample) + 2;
    s->t = fw_arena_calloc(arena, cap, sizeof(*s->t));
    s->v = fw_arena_calloc(arena, cap, sizeof(*s->v));
    for (fw_ms at = from; at <= options->now; at += w.sample) {
        double x = w.value(at - w.born, w.self);

        if (isnan(x))
            continue;
        s->t[s->n] = at;
        s->v[s->n++] = x;
    }
    (void)add_labels(arena, &s->labels);
    *result = (struct fw_result){
        .type = FW_MATRIX, .series = s, .count = s->n > 0 ? 1 : 0};
    return FW_OK;
}

static fw_rc foresee(void *self, struct fw_str expr, fw_ms history,
                     const struct fw_forecast_options *options,
                     struct fw_arena *arena, struct fw_forecast_series **out,
                     size_t *count, struct fw_err *e)
{
    struct fw_forecast_series *s = fw_arena_calloc(arena, 1, sizeof(*s));
    struct fw_forecast *f = fw_arena_calloc(arena, 1, sizeof(*f));

    (void)self;
    (void)expr;
    if (w.foretold != NULL)
        w.probability = w.foretold(options->now);
    (void)history;
    (void)e;
    f->verdict = isnan(w.probability) ? FW_CANNOT_TELL : FW_TREND;
    f->reason = isnan(w.probability) ? FW_GAPS : FW_REASON_NONE;
    f->has_passage = !isnan(w.probability);
    f->model = "oracle";
    f->passage = (struct fw_passage){.probability = w.probability,
                                     .p10 = FW_MINUTE,
                                     .p50 = 10 * FW_MINUTE,
                                     .p90 = -1};
    s->forecast = f;
    (void)add_labels(arena, &s->labels);
    *out = s;
    *count = 1;
    return FW_OK;
}

static void hear(void *self, enum fw_log_level level, const char *line)
{
    (void)self;
    (void)level;
    w.firing += strstr(line, "} predicted: ") != NULL;
    w.breached += strstr(line, "} breached: ") != NULL;
    w.resolved += strstr(line, "} resolved: ") != NULL;
    w.right += strstr(line, "}: right, ") != NULL;
    w.false_alarms += strstr(line, "}: false alarm") != NULL;
    (void)snprintf(w.last, sizeof(w.last), "%s", line);
    if (strstr(line, "} breached: ") != NULL)
        (void)snprintf(w.breach_line, sizeof(w.breach_line), "%s", line);
}

static void open_watcher(void)
{
    struct watcher_sight sight = {.observe = see,
                                  .fetch = w.real ? fetch : NULL,
                                  .foresee = w.real ? NULL : foresee};
    struct watcher_options options = {.store = w.store,
                                      .clock = &w.clock.clock,
                                      .watches = &w.watch,
                                      .watch_count = 1,
                                      .webhooks = &hook,
                                      .webhook_count = 1,
                                      .backtest = w.backtest,
                                      .page_budget = w.page_budget,
                                      .page_digest = 4 * FW_HOUR,
                                      .as_said = !w.calibrated,
                                      .sight = &sight};

    ok(watcher_open(&options, &w.watcher, &err));
}

static void open_world(void)
{
    struct fw_store_options options = {
        .create = true, .clock = &w.clock.clock, .linger = -1, .disk_floor = 1};

    ok(fw_store_open(w.dir, &options, &w.store, &err));
    open_watcher();
}

static void close_world(void)
{
    struct watcher_stats stats;

    watcher_stats(w.watcher, &stats);
    w.told_before += stats.told;
    watcher_close(w.watcher);
    fw_store_close(w.store);
    w.watcher = NULL;
}

static int begin(void **state)
{
    static double quiet = 1;

    (void)state;
    w = (struct world){
        .dir = tmpdir_new(),
        .sample = FW_MINUTE,
        .born = START,
        .value = flat,
        .self = &quiet,
        .probability = 0.1,
        .watch = {.name = "Disk",
                  .expr = "x",
                  .breach_text = "> 90",
                  .breach = {.side = FW_ABOVE, .limit = 90},
                  .horizon = FW_HOUR,
                  .history = 4 * FW_DAY,
                  .interval = FW_MINUTE,
                  .probability = 0.8,
                  .recover = 0.6,
                  .minimum_precision = 0.7,
                  .owner = "o",
                  .reason = "r",
                  .file = "f",
                  .line = 1},
    };
    (void)snprintf(w.host, sizeof(w.host), "a");
    fake_clock_init(&w.clock, START);
    fw_log_to(hear, NULL);
    open_world();
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (w.watcher != NULL)
        close_world();
    fw_log_to(NULL, NULL);
    return 0;
}

/* Lets `span` pass, a look at each interval. */
static void pass(fw_ms span)
{
    fw_ms until = fw_clock_now(&w.clock.clock) + span;

    while (fw_clock_now(&w.clock.clock) < until) {
        fw_ms wait;

        fake_clock_advance(&w.clock, 1);
        wait = watcher_step(w.watcher);
        if (wait > until - fw_clock_now(&w.clock.clock))
            wait = until - fw_clock_now(&w.clock.clock);
        fake_clock_advance(&w.clock, wait > 1 ? wait - 1 : 0);
    }
}

static struct fw_record record_now(struct totals *totals)
{
    struct fw_txn *txn = NULL;
    struct fw_record r;
    struct totals t;

    ok(fw_txn_begin(w.store, false, &txn, &err));
    ok(totals_get(txn, FW_STR("Disk"), &t, &err));
    fw_txn_abort(txn);
    totals_record(&t, &r);
    if (totals != NULL)
        *totals = t;
    return r;
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif
