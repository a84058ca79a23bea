/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/shape.h"

#include <math.h>
#include <stdio.h>

#include "predict/models/sawtooth.h"
#include "predict/models/straight.h"
#include "predict/numeric.h"
#include "predict/words.h"

#define SEASON_LEAST 0.3 /* autocorrelation that a person would see */
#define TREND_SURE 4.0   /* standard errors of the slope */
#define TREND_SEEN 2.0   /* scatters the line climbs over its piece */
#define STEP_SEEN 4.0    /* scatters between the levels beside a change */
#define STEP_PART 8      /* a piece of at least 1/8 of the series */

struct text {
    char span[WORDS_BYTES];
    char a[WORDS_BYTES], b[WORDS_BYTES];
};

static const char *span(struct text *t, const struct samples_grid *g, size_t n)
{
    (void)words_span((fw_ms)n * g->step, t->span);
    return t->span;
}

static bool constant(const struct samples_grid *g)
{
    for (size_t i = 1; i < g->n; i++)
        if (g->filled[i] != g->filled[0])
            return false;
    return true;
}

/* Three falls or more of like height with climbs between them, upright or
 * upside down (a tank that is refilled). */
static bool sawtooth(const struct samples_grid *g, char *why, size_t bytes)
{
    struct sawtooth s;
    double drop = sawtooth_drop(g->filled, g->n);
    struct text t;

    sawtooth_start(&s);
    for (size_t i = 0; i < g->n; i++)
        sawtooth_add(&s, g->filled, i, drop);
    if (!sawtooth_holds(&s, g->n))
        return false;
    (void)words_number(s.peak[s.kept - 1], t.a);
    (void)words_number(s.floor[s.kept - 1], t.b);
    (void)snprintf(why, bytes,
                   "%zu climbs ended in a sudden fall, the last from %s to "
                   "%s, one each %s",
                   s.count, t.a, t.b,
                   span(&t, g, (s.at[s.kept - 1] - s.at[0]) / (s.kept - 1)));
    return true;
}

static bool step(const struct samples_grid *g, const struct segments *seg,
                 size_t start, const struct numeric_line *now, char *why,
                 size_t bytes)
{
    size_t before = segments_start(seg, start);
    struct numeric_line past;
    double from, to;
    struct text t;

    if (start == 0 || start < before + 5 || g->n - start < g->n / STEP_PART ||
        line_fit(g->filled, before, start, &past) != FW_OK)
        return false;
    from = past.level;
    to = now->level - now->slope * (double)(g->n - 1 - start);
    if (!(fabs(to - from) > STEP_SEEN * fmax(past.sigma, now->sigma)))
        return false;
    (void)words_number(from, t.a);
    (void)words_number(to, t.b);
    (void)snprintf(why, bytes, "it went from %s to %s %s ago and has stayed",
                   t.a, t.b, span(&t, g, g->n - start));
    return true;
}

enum fw_verdict shape_tell(const struct samples_grid *g,
                           const struct season *season,
                           const struct segments *seg, char *why, size_t bytes)
{
    size_t start = segments_start(seg, g->n);
    struct numeric_line line = {0}, whole;
    bool trend, seasonal = season->strength >= SEASON_LEAST;
    double climb;
    struct text t;

    if (constant(g)) {
        (void)words_number(g->filled[0], t.a);
        (void)snprintf(why, bytes, "each of the %zu values is %s", g->known,
                       t.a);
        return FW_FLAT;
    }
    if (sawtooth(g, why, bytes))
        return FW_SAWTOOTH;
    if (line_fit(g->filled, start, g->n, &line) != FW_OK)
        line = (struct numeric_line){.level = g->filled[g->n - 1],
                                     .sigma = INFINITY};
    /* One story for the whole, where its newest piece only tells it again. */
    if (start > 0 && line_fit(g->filled, 0, g->n, &whole) == FW_OK &&
        whole.slope * line.slope > 0.0 &&
        fabs(whole.slope) > 0.5 * fabs(line.slope) &&
        fabs(whole.slope) < 2.0 * fabs(line.slope) &&
        fabs(whole.level - line.level) < TREND_SEEN * whole.sigma) {
        line = whole;
        start = 0;
    }
    climb = line.slope * (double)(g->n - start);
    /* The piece must also be most of what a forecast is made from. */
    trend = fabs(line.slope) > TREND_SURE * line.slope_se &&
            fabs(climb) > TREND_SEEN * line.sigma && g->n - start >= 8;
    (void)words_number(line.slope * (double)FW_HOUR / (double)g->step, t.a);
    (void)words_number(line.sigma, t.b);
    if (seasonal && season->length > 0) {
        trend = trend && start < g->n / 2;
        (void)snprintf(
            why, bytes,
            "it repeats itself every %s (autocorrelation %.2f)%s%s%s",
            span(&t, g, season->length), season->strength,
            trend ? " and changes by " : "", trend ? t.a : "",
            trend ? " per hour" : "");
        return trend ? FW_TREND_SEASONAL : FW_SEASONAL;
    }
    if (trend) {
        (void)snprintf(why, bytes,
                       "it changes by %s per hour, steadily for %s (scatter "
                       "about the line %s)",
                       t.a, span(&t, g, g->n - start), t.b);
        return FW_TREND;
    }
    if (step(g, seg, start, &line, why, bytes))
        return FW_STEP;
    if (line.sigma < 0.05 * fabs(line.level)) {
        (void)snprintf(why, bytes, "no trend and no season; it scatters by %s",
                       t.b);
        return FW_FLAT;
    }
    (void)snprintf(why, bytes,
                   "no trend, no season, no steps that last: it scatters or "
                   "wanders by %s",
                   t.b);
    return FW_NOISY;
}
