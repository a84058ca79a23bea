/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * known.c - the forecast with what is known beforehand: planned changes, times
 * that are not learnt from, and clocks that are put forward and back.
 *
 * Around the pipeline, not in it: samples of excluded times are taken out; a
 * planned step that has come is taken out of the past, so that no model sees a
 * trend in it; one to come is laid on the forecast. Under a time zone samples
 * go in with the time their clocks showed and the forecast comes out by real
 * time, so that nine in the morning stays nine in the morning.
 */
#include "predict/breach/known.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "predict/counter.h"
#include "predict/forecaster.h"
#include "predict/numeric.h"
#include "predict/words.h"

#define SCRATCH_BYTES ((size_t)256 << 20)
#define STEPS_MOST 256   /* planned steps in the past, and to come */
#define BESIDE 5         /* samples before and after a step that show it */
#define SEEN_PART 0.5    /* off by more of a step than this: it was not seen */
#define TOLD_MOST 8      /* events that are told of, each */
#define KNOWN_BYTES 2048 /* of what is told */
#define CHANGE_LOOKED (14 * FW_DAY) /* clocks do not change twice within it */

struct knowing {
    const struct fw_forecast_options *o;
    struct events events;
    struct fw_arena *arena, *scratch;
    fw_ms *t; /* the samples learnt from */
    double *v;
    size_t n, left_out;
    struct events_step past[STEPS_MOST];
    size_t past_count;
    bool seen[STEPS_MOST];
    struct events_step ahead[STEPS_MOST];
    size_t ahead_count;
    fw_ms end; /* of the samples */
};

/* ---- Samples ------------------------------------------------------------- */

static fw_rc copy_samples(struct knowing *k, const fw_ms *t, const double *v,
                          size_t n)
{
    k->t = fw_arena_alloc(k->scratch, (n + 1) * sizeof(*k->t));
    k->v = fw_arena_alloc(k->scratch, (n + 1) * sizeof(*k->v));
    if (k->t == NULL || k->v == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < n && t[i] <= k->o->now; i++) {
        if (events_leaving_out(&k->events, t[i]) != NULL) {
            k->left_out++;
            continue;
        }
        k->t[k->n] = t[i];
        k->v[k->n++] = v[i];
    }
    while (k->n > 0 && !isfinite(k->v[k->n - 1]))
        k->n--;
    return FW_OK;
}

static size_t index_after(const struct knowing *k, fw_ms at)
{
    size_t lo = 0, hi = k->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (k->t[mid] < at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The median of the finite ones of v[from .. to), and how far they spread. */
static bool middle_of(const double *v, size_t from, size_t to, double *middle,
                      double *spread)
{
    double some[BESIDE], lo = INFINITY, hi = -INFINITY;
    size_t n = 0;

    for (size_t i = from; i < to && n < BESIDE; i++)
        if (isfinite(v[i])) {
            lo = fmin(lo, v[i]);
            hi = fmax(hi, v[i]);
            some[n++] = v[i];
        }
    if (n == 0)
        return false;
    *middle = numeric_median(some, n);
    *spread = hi - lo;
    return true;
}

/* Plans are put off: a step counts only if the samples show it. */
static bool step_seen(const struct knowing *k, const struct events_step *s)
{
    size_t at = index_after(k, s->at);
    double before, after, spread_before, spread_after;

    if (!middle_of(k->v, at > BESIDE ? at - BESIDE : 0, at, &before,
                   &spread_before) ||
        !middle_of(k->v, at, k->n, &after, &spread_after))
        return false;
    return fabs(after - before - s->by) <=
           SEEN_PART * fabs(s->by) + fmin(spread_before, spread_after);
}

/* Moves what lies before each step that was seen to the level after it. */
static void take_out_steps(struct knowing *k)
{
    double by = 0.0;
    size_t step;

    if (k->n == 0)
        return;
    k->end = k->t[k->n - 1];
    k->past_count =
        events_steps(&k->events, k->t[0], k->end, k->past, STEPS_MOST);
    for (size_t i = 0; i < k->past_count; i++)
        k->seen[i] = step_seen(k, &k->past[i]);
    step = k->past_count;
    for (size_t i = k->n; i-- > 0;) {
        for (; step > 0 && k->past[step - 1].at > k->t[i]; step--)
            by += k->seen[step - 1] ? k->past[step - 1].by : 0.0;
        k->v[i] += by;
    }
    k->ahead_count = events_steps(&k->events, k->end, k->o->now + k->o->horizon,
                                  k->ahead, STEPS_MOST);
}

/* ---- Clocks -------------------------------------------------------------- */

static bool clocks_change(const struct fw_zone *zone, fw_ms from, fw_ms to)
{
    fw_ms first = fw_zone_offset(zone, from);

    for (fw_ms t = from; t < to; t += CHANGE_LOOKED)
        if (fw_zone_offset(zone, t) != first)
            return true;
    return fw_zone_offset(zone, to) != first;
}

/* The hour that clocks show twice is kept as it was the second time. */
static size_t by_clocks(const struct fw_zone *zone, const fw_ms *t,
                        const double *v, size_t n, fw_ms *clock, double *value)
{
    size_t at = n, kept;

    for (size_t i = n; i-- > 0;) {
        fw_ms shown = t[i] + fw_zone_offset(zone, t[i]);

        if (at < n && shown >= clock[at])
            continue;
        clock[--at] = shown;
        value[at] = v[i];
    }
    kept = n - at;
    memmove(clock, clock + at, kept * sizeof(*clock));
    memmove(value, value + at, kept * sizeof(*value));
    return kept;
}

static void history_by_instants(const struct fw_zone *zone,
                                struct fw_forecast *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->history_n; i++) {
        fw_ms t = fw_zone_instant(zone, f->history_t[i]);

        if (kept > 0 && t <= f->history_t[kept - 1])
            continue; /* clocks never showed it */
        f->history_t[kept] = t;
        f->history_v[kept++] = f->history_v[i];
    }
    f->history_n = kept;
}

/* Points at even distances of real time, each what its clocks say. */
static fw_rc points_by_instants(const struct knowing *k, struct fw_forecast *f)
{
    const struct fw_zone *zone = k->o->zone;
    fw_ms lead = (k->o->now - k->end) / f->step;
    fw_ms ahead = (k->o->now + k->o->horizon - k->end + f->step - 1) / f->step;
    size_t n = ahead > lead ? (size_t)(ahead - lead) : 0;
    struct fw_forecast old = *f;

    f->t = fw_arena_alloc(k->arena, (n + 1) * sizeof(*f->t));
    f->point = fw_arena_alloc(k->arena, (n + 1) * sizeof(*f->point));
    f->lower = fw_arena_alloc(k->arena, (n + 1) * sizeof(*f->lower));
    f->upper = fw_arena_alloc(k->arena, (n + 1) * sizeof(*f->upper));
    if (f->t == NULL || f->point == NULL || f->lower == NULL ||
        f->upper == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        fw_ms t = k->end + (lead + (fw_ms)i + 1) * f->step;
        fw_ms past = t + fw_zone_offset(zone, t) - old.t[0];
        fw_ms cell = past <= 0 ? 0 : (past + f->step / 2) / f->step;
        size_t j = (size_t)cell < old.n ? (size_t)cell : old.n - 1;

        f->t[i] = t;
        f->point[i] = old.point[j];
        f->lower[i] = old.lower[j];
        f->upper[i] = old.upper[j];
    }
    f->n = n;
    return FW_OK;
}

static fw_ms span_by_instants(const struct knowing *k, fw_ms span)
{
    fw_ms now = k->o->now, at;

    if (span < 0)
        return span;
    at = fw_zone_instant(k->o->zone,
                         now + fw_zone_offset(k->o->zone, now) + span) -
         now;
    return at < 0 ? 0 : at > k->o->horizon ? k->o->horizon : at;
}

/* True for a season that people's clocks set: parts of a day, days, weeks. */
static bool season_of_clocks(const struct fw_forecast *f)
{
    fw_ms season = (fw_ms)(f->season + 0.5) * f->step;

    return season > FW_HOUR && (season % FW_DAY == 0 || FW_DAY % season == 0);
}

/* FW_NONE where clocks make no difference to this series. */
static fw_rc run_by_clocks(const struct knowing *k, struct fw_forecast **out,
                           struct fw_err *err)
{
    const struct fw_zone *zone = k->o->zone;
    fw_ms now = k->o->now, then = now + k->o->horizon;
    struct fw_forecast_options o = *k->o;
    fw_ms *clock;
    double *value;
    size_t n;
    fw_rc rc;

    if (zone == NULL || k->n == 0 || !clocks_change(zone, k->t[0], then))
        return FW_NONE;
    clock = fw_arena_alloc(k->scratch, k->n * sizeof(*clock));
    value = fw_arena_alloc(k->scratch, k->n * sizeof(*value));
    if (clock == NULL || value == NULL)
        return FW_ENOMEM;
    n = by_clocks(zone, k->t, k->v, k->n, clock, value);
    o.now = now + fw_zone_offset(zone, now);
    o.horizon = then + fw_zone_offset(zone, then) - o.now;
    if (o.horizon <= 0)
        o.horizon = k->o->horizon;
    rc = forecast_plain(clock, value, n, &o, k->arena, out, err);
    if (rc != FW_OK)
        return rc;
    if ((*out)->verdict == FW_CANNOT_TELL || !season_of_clocks(*out))
        return FW_NONE;
    history_by_instants(zone, *out);
    (*out)->passage.p10 = span_by_instants(k, (*out)->passage.p10);
    (*out)->passage.p50 = span_by_instants(k, (*out)->passage.p50);
    (*out)->passage.p90 = span_by_instants(k, (*out)->passage.p90);
    return points_by_instants(k, *out);
}

/* ---- The answer ---------------------------------------------------------- */

static double within(const struct fw_forecast_options *o, double v)
{
    if (o->has_lower)
        v = fmax(v, o->lower);
    if (o->has_upper)
        v = fmin(v, o->upper);
    return fmin(fmax(v, -1.7e308), 1.7e308);
}

/* The past as it was, the future as it is planned. */
static void lay_on_steps(const struct knowing *k, struct fw_forecast *f)
{
    size_t step = k->past_count;
    double by = 0.0;

    for (size_t i = f->history_n; i-- > 0;) {
        for (; step > 0 && k->past[step - 1].at > f->history_t[i]; step--)
            by += k->seen[step - 1] ? k->past[step - 1].by : 0.0;
        f->history_v[i] -= by;
    }
    by = 0.0;
    step = 0;
    for (size_t i = 0; i < f->n; i++) {
        for (; step < k->ahead_count && k->ahead[step].at <= f->t[i]; step++)
            by += k->ahead[step].by;
        f->point[i] = within(k->o, f->point[i] + by);
        f->lower[i] += by;
        f->upper[i] += by;
        if (!isnan(f->lower[i])) {
            f->lower[i] = within(k->o, f->lower[i]);
            f->upper[i] = within(k->o, f->upper[i]);
        }
    }
}

static void say(char *text, size_t *at, const char *fmt, ...) FW_PRINTF(3, 4);

static void say(char *text, size_t *at, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text + *at, KNOWN_BYTES - *at, fmt, args);
    va_end(args);
    if (n > 0)
        *at +=
            (size_t)n < KNOWN_BYTES - *at ? (size_t)n : KNOWN_BYTES - *at - 1;
}

/* One event: its amount as it was written, when, for how long, how often. */
static void say_step(const struct knowing *k, char *text, size_t *at,
                     const char *what, const struct events_step *s)
{
    const struct fw_event *e = s->event;
    char moment[EVENTS_MOMENT_BYTES], span[WORDS_BYTES];
    bool plain = *e->amount >= '0' && *e->amount <= '9';

    (void)events_moment(k->o->zone, s->at, moment);
    say(text, at, "%s%s: %s%s on %s", *at > 0 ? " " : "", what,
        plain ? "+" : "", e->amount, moment);
    if (e->until != 0)
        say(text, at, " for %s", words_span(e->until - e->at, span));
    if (e->every != 0)
        say(text, at, ", every %s", words_span(e->every, span));
    say(text, at, "%s%s.", *e->why != '\0' ? ", because " : "", e->why);
}

/* True for the step that tells of its event: the first beginning, or of one
 * that is under way its end. */
static bool tells(const struct events_step *steps, size_t i)
{
    const struct fw_event *e = steps[i].event;

    for (size_t j = 0; j < i; j++)
        if (steps[j].event == e)
            return steps[i].by == e->delta && i == j + 1 &&
                   steps[j].by != e->delta;
    return true;
}

static fw_rc tell(const struct knowing *k, struct fw_forecast *f)
{
    char text[KNOWN_BYTES] = "";
    size_t at = 0, told = 0;

    for (size_t i = 0; i < k->ahead_count && told < TOLD_MOST; i++)
        if (tells(k->ahead, i)) {
            say_step(k, text, &at, "Known change", &k->ahead[i]);
            told++;
        }
    told = 0;
    for (size_t i = k->past_count; i-- > 0 && told < TOLD_MOST;)
        if (k->past[i].by == k->past[i].event->delta) {
            say_step(k, text, &at,
                     k->seen[i] ? "Taken into account"
                                : "Planned, but not seen in the samples",
                     &k->past[i]);
            told++;
        }
    if (k->left_out > 0)
        say(text, &at, "%sNot learnt from: %zu sample%s of excluded times.",
            at > 0 ? " " : "", k->left_out, k->left_out == 1 ? "" : "s");
    f->known = fw_arena_strndup(k->arena, text, at);
    return f->known != NULL ? FW_OK : FW_ENOMEM;
}

/* The chance of a breach where steps are to come. */
static fw_rc passage_with_steps(const struct knowing *k, struct fw_forecast *f,
                                struct fw_err *err)
{
    const struct known_future future = {.t = k->t,
                                        .v = k->v,
                                        .n = k->n,
                                        .steps = k->ahead,
                                        .step_count = k->ahead_count,
                                        .options = k->o,
                                        .forecast = f};
    fw_rc rc;

    if (k->ahead_count == 0 || k->o->breach == NULL || !f->has_passage ||
        (f->passage.breached_now && f->passage.probability >= 1.0))
        return FW_OK;
    rc = known_passage(&future, &f->passage, err);
    if (rc == FW_NONE) {
        f->has_passage = false;
        return FW_OK;
    }
    return rc;
}

static fw_rc check_events(const struct fw_forecast_options *o,
                          struct fw_err *err)
{
    if (o->event_count > FW_MAX_EVENTS)
        return fw_err_set(err, FW_ETOOBIG, "%zu events; %d is the most",
                          o->event_count, FW_MAX_EVENTS);
    for (size_t i = 0; i < o->event_count; i++)
        if (!isfinite(o->events[i].delta))
            return fw_err_set(err, FW_EINVAL, "a change must be a number");
    return FW_OK;
}

static fw_rc run_knowing(struct knowing *k, struct fw_forecast **out,
                         struct fw_err *err)
{
    struct fw_forecast *f = NULL;
    fw_rc rc;

    take_out_steps(k);
    rc = run_by_clocks(k, &f, err);
    if (rc == FW_NONE)
        rc = forecast_plain(k->t, k->v, k->n, k->o, k->arena, &f, err);
    if (rc != FW_OK)
        return rc;
    lay_on_steps(k, f);
    if (f->verdict != FW_CANNOT_TELL)
        rc = passage_with_steps(k, f, err);
    if (rc == FW_OK)
        rc = tell(k, f);
    if (rc == FW_OK)
        *out = f;
    return rc;
}

fw_rc fw_forecast_run(const fw_ms *t, const double *v, size_t n,
                      const struct fw_forecast_options *options,
                      struct fw_arena *arena, struct fw_forecast **out,
                      struct fw_err *err)
{
    struct knowing k = {
        .o = options,
        .events = {options->events, options->event_count, options->zone},
        .arena = arena};
    struct fw_forecast *f = NULL;
    fw_rc rc = check_events(options, err);

    if (rc == FW_OK && options->event_count == 0 && options->zone == NULL) {
        rc = forecast_plain(t, v, n, options, arena, &f, err);
    } else if (rc == FW_OK) {
        /* What is wrong with the samples, the pipeline says of all of them. */
        k.scratch = fw_arena_new(SCRATCH_BYTES);
        rc = k.scratch == NULL ? FW_ENOMEM : copy_samples(&k, t, v, n);
        if (rc == FW_OK)
            rc = run_knowing(&k, &f, err);
        fw_arena_free(k.scratch);
        if (rc == FW_ENOMEM)
            rc = fw_err_set(err, rc, "out of memory for a forecast");
    }
    if (rc != FW_OK)
        return rc;
    f->counter = counter_seems(v, n);
    *out = f;
    return FW_OK;
}

const char *fw_forecast_hint(const struct fw_forecast *forecast)
{
    return forecast->counter ? counter_hint : "";
}
