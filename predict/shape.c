/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "predict/models/sawtooth.h"
#include "predict/models/straight.h"
#include "predict/numeric.h"
#include "predict/words.h"

#define SEASON_LEAST 0.3 /* autocorrelation that a person would see */
#define TREND_SURE 4.0   /* standard errors of the slope */
#define TREND_SEEN 2.0   /* scatters the line climbs over its piece */
#define STEP_SEEN 4.0    /* scatters between the levels beside a change */
#define STEP_PART 8      /* a piece of at least 1/8 of the series */
#define LOST_SQUARES 1e-4
#define TOOTH_EDGE 0.2  /* of a tooth: the middle of one lies between */
#define FLAT_PART 0.05  /* of the level; what scatters by more is noisy */
#define RESET_PIECE 8   /* values of a climb before and after a reset */
#define RESET_PART 0.5  /* of the fall, at least, was climbed before */
#define RESET_RATES 3.0 /* the two climbs differ by this at most */
#define BURST_FAR 8.0   /* usual deviations that make a burst */
#define BURST_PART 0.1  /* of the way to the extremes, at least */
#define BURST_NEAR 3    /* steps a job by the clock is late or early */
#define SATURATING_BLOCKS 48
#define SATURATING_LINE 0.25 /* of a line's error, at most, has the curve */
#define SATURATING_REST 0.08 /* of the variance */
#define SATURATING_LEFT 0.35 /* of the way to the level */

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

/* The sudden falls of the values, or their sudden rises, turned upside down in
 * `y` (a tank that is refilled, what is left on a disk that is cleaned up). */
static void find_falls(const struct samples_grid *g, bool upside_down,
                       double *drop, double *y, struct sawtooth *s)
{
    for (size_t i = 0; i < g->n; i++)
        y[i] = upside_down ? -g->filled[i] : g->filled[i];
    if (!upside_down) /* what counts as one is the same for both */
        *drop = sawtooth_drop(y, g->n);
    sawtooth_start(s);
    for (size_t i = 0; i < g->n; i++)
        sawtooth_add(s, y, i, *drop);
}

/* True if most teeth are half way up in their middle: bursts fall as suddenly,
 * but lie low between their falls. */
static bool climbs_evenly(const double *y, const struct sawtooth *s)
{
    size_t even = 0;

    for (size_t i = 1; i < s->kept; i++) {
        size_t from = s->at[i - 1], third = (s->at[i] - from + 2) / 3;
        double mean = 0.0, part;

        for (size_t j = 0; j < third; j++)
            mean += y[from + third + j < s->at[i] ? from + third + j : from] /
                    (double)third;
        part = (mean - s->floor[i - 1]) / (s->peak[i] - s->floor[i - 1]);
        even += part > TOOTH_EDGE && part < 1.0 - TOOTH_EDGE;
    }
    return 2 * even >= s->kept - 1;
}

/* Three falls or more of like height with climbs between them. */
static bool sawtooth(const struct samples_grid *g, const double *y,
                     const struct sawtooth *s, bool upside_down, char *why,
                     size_t bytes)
{
    double sign = upside_down ? -1.0 : 1.0;
    struct text t;

    if (!sawtooth_holds(s, g->n) || !climbs_evenly(y, s))
        return false;
    (void)words_number(sign * s->peak[s->kept - 1], t.a);
    (void)words_number(sign * s->floor[s->kept - 1], t.b);
    (void)snprintf(
        why, bytes,
        "%zu %s ended in a sudden %s, the last from %s to "
        "%s, one each %s",
        s->count, upside_down ? "declines" : "climbs",
        upside_down ? "rise" : "fall", t.a, t.b,
        span(&t, g, (s->at[s->kept - 1] - s->at[0]) / (s->kept - 1)));
    return true;
}

/*
 * A climb of y[from .. to): steady, and by a good part of a fall.
 */
static bool climbs(const double *y, size_t from, size_t to, double least,
                   struct numeric_line *line)
{
    return to >= from + RESET_PIECE && line_fit(y, from, to, line) == FW_OK &&
           line->slope > TREND_SURE * line->slope_se &&
           line->slope * (double)(to - from) > least;
}

/*
 * A climb that was set back and goes on: what a leak looks like whose service
 * is started anew. Once or twice; three times make a sawtooth.
 */
static bool reset(const struct samples_grid *g, const double *y,
                  const struct sawtooth *s, bool upside_down, char *why,
                  size_t bytes)
{
    double sign = upside_down ? -1.0 : 1.0, fall;
    struct numeric_line before, after;
    size_t at;
    struct text t;

    if (s->kept == 0 || s->kept > 2)
        return false;
    at = s->at[s->kept - 1];
    if (!climbs(y, s->kept == 2 ? s->at[0] : 0, at, 0.0, &before) ||
        !climbs(y, at, g->n, 0.0, &after))
        return false;
    fall = before.level - (after.level - after.slope * (double)(g->n - 1 - at));
    if (before.slope * (double)(at - (s->kept == 2 ? s->at[0] : 0)) <
            RESET_PART * fall ||
        fall < 4.0 * fmax(before.sigma, after.sigma) ||
        after.slope < before.slope / RESET_RATES ||
        after.slope > before.slope * RESET_RATES)
        return false;
    (void)words_number(sign * s->peak[s->kept - 1], t.a);
    (void)words_number(sign * s->floor[s->kept - 1], t.b);
    (void)snprintf(why, bytes, "it was set back from %s to %s %s ago", t.a, t.b,
                   span(&t, g, g->n - at));
    (void)words_number(sign * after.slope * (double)FW_HOUR / (double)g->step,
                       t.a);
    (void)snprintf(why + strlen(why), bytes - strlen(why),
                   " and goes on as before, by %s per hour", t.a);
    return true;
}

static size_t greatest_change(const struct samples_grid *g, size_t from,
                              size_t to)
{
    size_t at = from;

    for (size_t i = from + 1; i < to; i++)
        if (fabs(g->filled[i] - g->filled[i - 1]) >
            fabs(g->filled[at] - g->filled[at - 1]))
            at = i;
    return at;
}

/*
 * Two levels, the newer one kept. A change in the middle of a block makes the
 * least piece there can be of it; the older level then lies before that.
 */
static bool step(const struct samples_grid *g, const struct segments *seg,
                 size_t start, const struct numeric_line *now, char *why,
                 size_t bytes)
{
    size_t end = start, before = segments_start(seg, start), at;
    struct numeric_line past;
    double from, to;
    struct text t;

    if (before > 0 && start - before <= SEGMENTS_LEAST * seg->block) {
        end = before;
        before = segments_start(seg, end);
    }
    if (start == 0 || end < before + 5 || g->n - start < g->n / STEP_PART ||
        line_fit(g->filled, before, end, &past) != FW_OK)
        return false;
    from = past.level;
    to = now->level - now->slope * (double)(g->n - 1 - start);
    if (!(fabs(to - from) > STEP_SEEN * fmax(past.sigma, now->sigma)))
        return false;
    at = greatest_change(g, end > seg->block ? end - seg->block : 1,
                         start + seg->block < g->n ? start + seg->block : g->n);
    (void)words_number(from, t.a);
    (void)words_number(to, t.b);
    (void)snprintf(why, bytes, "it went from %s to %s %s ago and has stayed",
                   t.a, t.b, span(&t, g, g->n - at));
    return true;
}

/* ---- Levelling off ------------------------------------------------------ */

/* Squared error of y about level + part * x, and these two. */
static double fit_error(const double *x, const double *y, size_t n,
                        double *level, double *part)
{
    double mx = 0.0, my = 0.0, xx = 0.0, xy = 0.0, yy = 0.0;

    for (size_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        xy += (x[i] - mx) * (y[i] - my);
        yy += (y[i] - my) * (y[i] - my);
    }
    *part = xx > 0.0 ? xy / xx : 0.0;
    *level = my - *part * mx;
    return fmax(yy - *part * xy, 0.0);
}

/* The least error of two levels, one after the other. */
static double step_error(const double *y, size_t n)
{
    double x[SATURATING_BLOCKS], level, part, least = INFINITY;

    for (size_t at = 1; at < n; at++) {
        for (size_t i = 0; i < n; i++)
            x[i] = i < at ? 0.0 : 1.0;
        least = fmin(least, fit_error(x, y, n, &level, &part));
    }
    return least;
}

/*
 * Ever more slowly towards a level: level + part * exp(-t / tau) fits means
 * of blocks far better than a line and than a step, and most of the way has
 * been gone.
 */
static bool saturating(const struct samples_grid *g, char *why, size_t bytes)
{
    static const double taus[] = {0.06, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5};
    double b[SATURATING_BLOCKS], x[SATURATING_BLOCKS], line, flat, level, part;
    double best = INFINITY, best_level = 0.0, best_tau = 0.0, best_part = 0.0;
    size_t width = g->n / SATURATING_BLOCKS, m = SATURATING_BLOCKS;
    struct text t;

    if (width == 0)
        return false;
    for (size_t i = 0; i < m; i++) {
        b[i] = 0.0;
        for (size_t j = 0; j < width; j++)
            b[i] += g->filled[g->n - (m - i) * width + j] / (double)width;
        x[i] = 0.0;
    }
    flat = fit_error(x, b, m, &level, &part);
    for (size_t i = 0; i < m; i++)
        x[i] = (double)i;
    line = fit_error(x, b, m, &level, &part);
    for (size_t k = 0; k < sizeof(taus) / sizeof(*taus); k++) {
        double e;

        for (size_t i = 0; i < m; i++)
            x[i] = exp(-(double)i / (taus[k] * (double)m));
        e = fit_error(x, b, m, &level, &part);
        if (e < best) {
            best = e;
            best_level = level;
            best_part = part;
            best_tau = taus[k] * (double)(m * width);
        }
    }
    if (!(best < SATURATING_LINE * line) || !(best < SATURATING_REST * flat) ||
        !(best < 0.5 * step_error(b, m)) ||
        fabs(best_part) < 6.0 * sqrt(best / (double)m) ||
        exp(-(double)(m * width) / best_tau) > SATURATING_LEFT)
        return false;
    (void)words_number(best_level, t.a);
    (void)snprintf(why, bytes,
                   "it %s ever more slowly towards %s, half of what is left "
                   "each %s",
                   best_part < 0.0 ? "rises" : "falls", t.a,
                   span(&t, g, (size_t)(0.6931 * best_tau + 0.5)));
    return true;
}

/* ---- Bursts -------------------------------------------------------------- */

struct bursts {
    double middle, far, farthest;
    size_t count, values, longest;
};

static bool is_far(const struct bursts *b, double v)
{
    return fabs(v - b->middle) > b->far;
}

/* True for the first value of a burst. */
static bool begins(const struct samples_grid *g, const struct bursts *b,
                   size_t i)
{
    return is_far(b, g->filled[i]) && (i == 0 || !is_far(b, g->filled[i - 1]));
}

static void find_bursts(const struct samples_grid *g, double *work,
                        struct bursts *b)
{
    size_t length = 0;

    memcpy(work, g->filled, g->n * sizeof(*work));
    numeric_sort(work, g->n);
    *b = (struct bursts){.middle = numeric_quantile(work, g->n, 0.5)};
    b->farthest = b->middle;
    b->far = BURST_FAR / 1.349 *
             (numeric_quantile(work, g->n, 0.75) -
              numeric_quantile(work, g->n, 0.25));
    /* Where more than half of the values are alike: a part of the way to the
     * extremes. */
    b->far = fmax(b->far, BURST_PART * fmax(work[g->n - 1] - b->middle,
                                            b->middle - work[0]));
    for (size_t i = 0; i < g->n; i++) {
        double v = g->filled[i];

        length = is_far(b, v) ? length + 1 : 0;
        b->values += is_far(b, v);
        b->count += begins(g, b, i);
        b->longest = length > b->longest ? length : b->longest;
        if (fabs(v - b->middle) > fabs(b->farthest - b->middle))
            b->farthest = v;
    }
}

/* Most bursts come a season after another one: a job by the clock. */
static bool by_the_clock(const struct samples_grid *g, const struct bursts *b,
                         size_t season)
{
    size_t again = 0, all = 0;

    for (size_t i = season + BURST_NEAR; i < g->n; i++) {
        bool found = false;

        if (!begins(g, b, i))
            continue;
        for (size_t j = i - season - BURST_NEAR;
             j <= i - season + BURST_NEAR && j < i; j++)
            found = found || is_far(b, g->filled[j]);
        again += found;
        all++;
    }
    return all > 0 && 10 * again >= 6 * all;
}

/* Near one level mostly, and for short times far from it. */
static bool bursty(const struct samples_grid *g, size_t season, double *work,
                   char *why, size_t bytes)
{
    struct bursts b;
    struct text t;

    find_bursts(g, work, &b);
    if (b.count < 2 || b.values > g->n / 5 || b.longest > g->n / 10 + 1 ||
        (season > 0 && by_the_clock(g, &b, season)))
        return false;
    (void)words_number(b.middle, t.a);
    (void)words_number(b.farthest, t.b);
    (void)snprintf(why, bytes,
                   "near %s mostly, and %zu times far off for %s at most, the "
                   "farthest %s",
                   t.a, b.count, span(&t, g, b.longest), t.b);
    return true;
}

/* ---- The verdict --------------------------------------------------------- */

/* What half of the values from `start` on scatter by about the line, as the
 * deviation of a normal distribution (the line's own is that of its blocks). */
static double scatter_about(const struct samples_grid *g, size_t start,
                            const struct numeric_line *line, double *work)
{
    size_t n = g->n - start;

    for (size_t i = 0; i < n; i++)
        work[i] = g->filled[start + i] - line->level +
                  line->slope * (double)(n - 1 - i);
    numeric_sort(work, n);
    return (numeric_quantile(work, n, 0.75) - numeric_quantile(work, n, 0.25)) /
           1.349;
}

enum fw_verdict shape_tell(const struct samples_grid *g,
                           const struct season *season,
                           const struct segments *seg, double *work, char *why,
                           size_t bytes)
{
    size_t start = segments_start(seg, g->n);
    struct numeric_line line = {0}, whole;
    bool trend, seasonal = season->strength >= SEASON_LEAST;
    struct sawtooth falls;
    double climb, scatter, drop = INFINITY;
    struct text t;

    if (constant(g)) {
        (void)words_number(g->filled[0], t.a);
        (void)snprintf(why, bytes, "each of the %zu values is %s", g->known,
                       t.a);
        return FW_FLAT;
    }
    for (int turn = 0; turn < 2; turn++) {
        find_falls(g, turn == 1, &drop, work, &falls);
        if (sawtooth(g, work, &falls, turn == 1, why, bytes))
            return FW_SAWTOOTH;
        if (reset(g, work, &falls, turn == 1, why, bytes))
            return FW_RESET;
    }
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
    if (saturating(g, why, bytes))
        return FW_SATURATING;
    if (bursty(g, seasonal ? season->length : 0, work, why, bytes))
        return FW_BURSTY;
    climb = line.slope * (double)(g->n - start);
    /* The piece must also be most of what a forecast is made from. */
    trend = fabs(line.slope) > TREND_SURE * line.slope_se &&
            fabs(climb) > TREND_SEEN * line.sigma && g->n - start >= 8;
    (void)words_number(line.slope * (double)FW_HOUR / (double)g->step, t.a);
    scatter = scatter_about(g, start, &line, work);
    /* Squares of values about 1e-300 are lost, and the line's scatter with
     * them. */
    if (line.sigma < LOST_SQUARES * scatter && fabs(climb) < scatter)
        trend = false;
    (void)words_number(scatter, t.b);
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
    if (scatter < FLAT_PART * fabs(line.level)) {
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
