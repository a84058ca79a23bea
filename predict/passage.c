/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/passage.h"

#include <math.h>
#include <string.h>

#include "predict/numeric.h"
#include "predict/passage_guess.h"
#include "predict/passage_weights.h"

#define POOL_LEAST 12  /* fewer do not make a distribution */
#define RECENCY 1000.0 /* origins after which an error weighs 1/e */
#define SPREAD_OF 64   /* values a spread is taken from */
#define BLUR 1.2
/* Keeps divisions from zero; far below what a double of about 1 resolves as a
 * difference, since it must not matter how the values were scaled. */
#define TINY 1e-13
#define BENT 3.0        /* usual scatters from which ratios count */
#define SCALED_MOST 5.0 /* errors grow or shrink by this at most */
#define PHASE_NEAR 16.0 /* errors 1/16 of a day off weigh half */
#define LANES 4         /* sums kept side by side, so that they overlap */
#define LOGIT_MOST 6.0  /* surer than this is never said by one candidate */

enum feature_id {
    F_CANDIDATE, /* the first PASSAGE_CANDIDATES: tails by all errors */
    F_EXCURSION = PASSAGE_CANDIDATES, /* "it stays" as the guess */
    /* Tails by the errors at this phase of the day, in proportion to today's
     * scatter. */
    F_EXCURSION_SCALED,
    F_AUTOREG_SCALED,
    F_DAY_SCALED,
    F_MIDDLE_SCALED,
    F_EXCURSION_BENT, /* on a bent scale */
    F_SKILLED,        /* the candidates' tails by their skill */
    F_SURE_SKILLED,   /* the same where the series is foretold well */
    F_SURE_AUTOREG,
    /* From here on what does not depend on the limit. */
    F_HORIZON,
    F_RISE_36, /* what guesses say, in usual rises */
    F_RISE_288,
    F_RISE_DAY,
    F_RISE_DAY_MOVED,
    F_RISE_WEEK,
    F_RISE_AUTOREG,
    F_RISE_MIDDLE
};
static_assert(F_RISE_MIDDLE + 1 == PASSAGE_FEATURES, "one slot a feature");
static_assert(F_HORIZON == PASSAGE_FALLING, "those that fall come first");

const char *const passage_feature_names[PASSAGE_FEATURES] = {
    "line12",     "line12h",   "line36",      "line36h",      "line72",
    "line72h",    "line288",   "line288h",    "day0",         "dayh",
    "day1",       "weekh",     "autoreg",     "autoreg_r",    "sawtooth",
    "middle",     "rise",      "rise_scaled", "ar_scaled",    "day_scaled",
    "mid_scaled", "rise_bent", "skilled",     "sure_skilled", "sure_ar",
    "horizon",    "says36",    "says288",     "says_day0",    "says_day1",
    "says_week",  "says_ar",   "says_mid"};

/* Plain comparisons, which compile to two instructions; no NaN comes here. */
static inline double clamp(double z, double lo, double hi)
{
    z = z < lo ? lo : z;
    return z > hi ? hi : z;
}

static double bounded(double z, double lo, double hi)
{
    return clamp(z, lo, hi);
}

/* ---- From guesses to tails ----------------------------------------------- */

static void lesson_take(const struct passage *p, size_t o, struct lesson *out)
{
    size_t lo = 0, hi = p->pool_count;
    double w = 1.0, fade = exp(-1.0 / RECENCY);

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (p->pool[mid].at + p->h <= o)
            lo = mid + 1;
        else
            hi = mid;
    }
    out->n = lo < PASSAGE_POOL ? lo : PASSAGE_POOL;
    out->pool = p->pool + (lo - out->n);
    for (size_t i = out->n; i-- > 0; w *= fade)
        out->weight[i] = w;
}

static double logit(double p)
{
    return fmin(fmax(log(p / (1.0 - p)), -LOGIT_MOST), LOGIT_MOST);
}

/*
 * Weighted share of x above the limit, each x blurred over +-blur, with half
 * an outcome added on either side so that nothing is impossible.
 */
static double tail(const double *x, const double *weight, size_t n, double blur,
                   double limit)
{
    double above[LANES] = {0}, sum[LANES] = {0}, most = 0.0, total, scale;
    double slope = 0.5 / blur, shift = 0.5 - slope * limit;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            double u = clamp(slope * x[i + j] + shift, 0.0, 1.0);
            double w = weight[i + j];

            above[j] += w * u;
            sum[j] += w;
            most = w > most ? w : most;
        }
    for (; i < n; i++) {
        above[0] += weight[i] * clamp(slope * x[i] + shift, 0.0, 1.0);
        sum[0] += weight[i];
        most = weight[i] > most ? weight[i] : most;
    }
    total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    scale = 0.5 * most; /* half of the weightiest outcome */
    if (!(total > 0.0))
        return 0.5;
    return ((above[0] + above[1]) + (above[2] + above[3]) + 0.5 * scale) /
           (total + scale);
}

/*
 * Middle and spread of values whose tails may be very heavy: the median, and
 * the range of the middle half over that of a normal distribution. From at
 * most SPREAD_OF of them, evenly chosen.
 */
static double spread_of(const double *x, size_t n, double *middle_out)
{
    double v[SPREAD_OF];
    size_t every = n / SPREAD_OF + 1, m = 0;

    for (size_t i = 0; i < n; i += every)
        v[m++] = x[i];
    numeric_sort(v, m);
    *middle_out = numeric_quantile(v, m, 0.5);
    return (numeric_quantile(v, m, 0.75) - numeric_quantile(v, m, 0.25)) /
           1.349;
}

/* Blur of a distribution known from n values [Silverman 1986, eq. 3.31],
 * doubled since ours is a box. */
static double blur_of(double spread, size_t n)
{
    return BLUR * spread * pow((double)n + 1.0, -0.2) + TINY;
}

/* How far a phase is from another in a period, as a share of it. */
static double apart(size_t a, size_t b, size_t period)
{
    size_t d = a > b ? a - b : b - a;

    d %= period;
    if (d > period / 2)
        d = period - d;
    return (double)d / (double)period;
}

struct verdict {
    double x[PASSAGE_FEATURES];
    double size[PASSAGE_CANDIDATES]; /* mean absolute error; NaN: no guess */
    int best;
};

/* Weights of the earlier origins at the same phase of the day, and how much
 * more scattered today is than they were. */
static void weigh(const struct passage *p, const struct origin *q,
                  struct lesson *l)
{
    for (size_t i = 0; i < l->n; i++) {
        double d =
            p->day > 0 ? PHASE_NEAR * apart(l->pool[i].at, q->at, p->day) : 0.0;

        l->phase[i] = l->weight[i] / (1.0 + d * d * d * d);
        l->ratio[i] =
            clamp(q->scale / l->pool[i].scale, 1.0 / SCALED_MOST, SCALED_MOST);
    }
}

/*
 * Where a guess, made now, would have led to with each earlier error: as it
 * was, and (if `scaled`) in proportion to today's scatter. c < 0: "it stays".
 */
static void cases_take(const struct lesson *l, const struct origin *q, int c,
                       bool scaled, struct cases *out)
{
    double guess = c < 0 ? q->now : q->guess[c];
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        const struct origin *o = &l->pool[i];
        double e = o->outcome - (c < 0 ? o->now : o->guess[c]);

        if (isnan(e))
            continue;
        out->x[n] = guess + e;
        if (scaled)
            out->scaled[n] = guess + e * l->ratio[i];
        out->w[n] = l->weight[i];
        out->phase[n++] = l->phase[i];
    }
    out->n = n;
}

static double plain_tail(const struct cases *k, double limit)
{
    double middle, blur = blur_of(spread_of(k->x, k->n, &middle), k->n);

    return logit(tail(k->x, k->w, k->n, blur, limit));
}

static double scaled_tail(const struct cases *k, double limit)
{
    double middle, blur = blur_of(spread_of(k->scaled, k->n, &middle), k->n);

    return logit(tail(k->scaled, k->phase, k->n, blur, limit));
}

/* The feature of a candidate's scaled tail, or -1. */
static int scaled_feature(int c)
{
    return c == AUTOREG  ? F_AUTOREG_SCALED
           : c == DAY_1  ? F_DAY_SCALED
           : c == MIDDLE ? F_MIDDLE_SCALED
                         : -1;
}

static double mean_size(const struct cases *k, double guess)
{
    double size = 0.0, total = 0.0;

    for (size_t i = 0; i < k->n; i++) {
        size += k->w[i] * fabs(k->x[i] - guess);
        total += k->w[i];
    }
    return size / total;
}

static void judge_candidates(const struct lesson *l, const struct origin *q,
                             double limit, struct cases *k, struct verdict *out)
{
    double top = 0.0, all = 0.0, least = INFINITY;

    out->best = -1;
    for (int c = 0; c < PASSAGE_CANDIDATES; c++) {
        int f = scaled_feature(c);

        out->size[c] = NAN;
        if (isnan(q->guess[c]))
            continue;
        cases_take(l, q, c, f >= 0, k);
        if (k->n < POOL_LEAST)
            continue;
        out->x[c] = plain_tail(k, limit);
        if (f >= 0)
            out->x[f] = scaled_tail(k, limit);
        out->size[c] = mean_size(k, q->guess[c]);
        if (out->size[c] < least) {
            least = out->size[c];
            out->best = c;
        }
    }
    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (!isnan(out->size[c])) {
            double ratio = (least + TINY) / (out->size[c] + TINY);
            double trust = ratio * ratio * ratio * ratio;

            top += trust * out->x[c];
            all += trust;
        }
    out->x[F_SKILLED] = all > 0.0 ? top / all : 0.0;
    /* A candidate without a guess says what the others say. */
    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (isnan(out->size[c])) {
            int f = scaled_feature(c);

            out->x[c] = out->x[F_SKILLED];
            if (f >= 0)
                out->x[f] = out->x[F_SKILLED];
        }
}

/*
 * The tail on a scale bent by asinh, where rises far from the usual values
 * count by their ratio: for series that are quiet mostly and a hundred times
 * as high at times.
 */
static double bent_tail(const struct lesson *l, const struct origin *q,
                        double limit, struct cases *k)
{
    double middle, width, now, blur;

    for (size_t i = 0; i < l->n; i++)
        k->x[i] = l->pool[i].level;
    width = spread_of(k->x, l->n, &middle);
    if (!(width > 0.0)) /* more than half are alike: the mean deviation */
        for (size_t i = 0; i < l->n; i++)
            width += fabs(k->x[i] - middle) / (double)l->n;
    width = BENT * width + TINY;
    now = asinh((q->now - middle) / width);
    for (size_t i = 0; i < l->n; i++)
        k->x[i] = now + asinh((l->pool[i].outcome - middle) / width) -
                  asinh((l->pool[i].now - middle) / width);
    limit = asinh((limit - middle) / width);
    blur = blur_of(spread_of(k->x, l->n, &middle), l->n);
    return logit(tail(k->x, l->phase, l->n, blur, limit));
}

/*
 * What holds for any limit: what the guesses say. Rises are in
 * units of the usual error of "it stays".
 */
static void judge_place(const struct passage *p, const struct origin *q,
                        double stays, struct verdict *out)
{
    static const int says[] = {LINE_36,   LINE_288, DAY_0, DAY_1,
                               WEEK_HALF, AUTOREG,  MIDDLE};
    double unit = stays + TINY;

    /* An hour is 1/24 of a day; less was not in the data of the fit. */
    out->x[F_HORIZON] =
        p->day > 0 ? bounded(log((double)p->h / (double)p->day), -3.2, 0.0)
                   : -1.6;
    for (size_t i = 0; i < sizeof(says) / sizeof(*says); i++) {
        double guess = q->guess[says[i]];

        if (isnan(guess))
            guess = q->guess[MIDDLE];
        out->x[F_RISE_36 + i] = asinh((guess - q->now) / unit);
    }
}

/* What followed earlier origins without any model, "it stays" being the
 * guess; and how much better than that the best guess has been. */
static void judge_history(const struct passage *p, const struct lesson *l,
                          const struct origin *q, double limit, struct cases *k,
                          struct verdict *out)
{
    double stays, sure;

    cases_take(l, q, -1, true, k);
    out->x[F_EXCURSION] = plain_tail(k, limit);
    out->x[F_EXCURSION_SCALED] = scaled_tail(k, limit);
    stays = mean_size(k, q->now);
    sure = bounded(1.0 - out->size[out->best] / (stays + TINY), 0.0, 1.0);
    out->x[F_EXCURSION_BENT] = bent_tail(l, q, limit, k);
    out->x[F_SURE_SKILLED] = sure * out->x[F_SKILLED];
    out->x[F_SURE_AUTOREG] = sure * out->x[F_AUTOREG_SCALED];
    judge_place(p, q, stays, out);
}

static fw_rc judge(struct passage *p, size_t o, double limit, struct origin *q,
                   struct verdict *out)
{
    struct lesson *lesson = &p->lesson;

    lesson_take(p, o, lesson);
    if (lesson->n < POOL_LEAST)
        return FW_NONE;
    guess_look(p, o, q);
    weigh(p, q, lesson);
    memset(out, 0, sizeof(*out));
    judge_candidates(lesson, q, limit, &p->cases, out);
    if (out->best < 0)
        return FW_NONE;
    judge_history(p, lesson, q, limit, &p->cases, out);
    return FW_OK;
}

fw_rc passage_features(struct passage *p, size_t o, double limit,
                       double features[PASSAGE_FEATURES])
{
    struct origin q;
    struct verdict v;
    fw_rc rc = judge(p, o, limit, &q, &v);

    if (rc == FW_OK)
        memcpy(features, v.x, sizeof(v.x));
    return rc;
}

/*
 * The log odds: a regression whose weights may change with the place, as a
 * network with one layer of units. Weights of all that falls as the limit
 * rises are >= 0, in the layer and behind it, so the sum falls too [Sill
 * 1998].
 */
static double weigh_up(const double features[PASSAGE_FEATURES])
{
    double x[PASSAGE_FEATURES], sum = passage_bias;

    for (size_t i = 0; i < PASSAGE_FEATURES; i++) {
        x[i] = bounded((features[i] - passage_middle[i]) / passage_width[i],
                       -PASSAGE_INPUT_MOST, PASSAGE_INPUT_MOST);
        sum += passage_linear[i] * x[i];
    }
    for (size_t u = 0; u < PASSAGE_UNITS; u++) {
        double in = passage_unit_bias[u];

        for (size_t i = 0; i < PASSAGE_FEATURES; i++)
            in += passage_unit[u][i] * x[i];
        sum += passage_unit_out[u] * tanh(in);
    }
    return sum;
}

/* ---- The answer ---------------------------------------------------------- */

/*
 * When, if the error of the guiding candidate's maximum turns out to be e: the
 * first step at which its path, plus the part of e that has built up by then,
 * is above the limit. At the last step that is guess + e, so a future that
 * breaches within the horizon has its time within it.
 */
static double first_step(const struct passage *p, double e, double limit)
{
    for (size_t k = 0; k < p->h; k++)
        if (p->path[k] + e * sqrt((double)(k + 1) / (double)p->h) > limit)
            return (double)(k + 1);
    return (double)p->h;
}

static void times(struct passage *p, const struct lesson *l,
                  const struct origin *q, int guide, double limit,
                  struct passage_answer *out)
{
    double e[PASSAGE_POOL], at[3] = {0.1, 0.5, 0.9}, *to[3];
    size_t n = 0, above = 0;

    to[0] = &out->p10;
    to[1] = &out->p50;
    to[2] = &out->p90;
    for (size_t i = 0; i < l->n; i++)
        if (!isnan(l->pool[i].guess[guide]))
            e[n++] = l->pool[i].outcome - l->pool[i].guess[guide];
    numeric_sort(e, n);
    for (size_t i = 0; i < n; i++)
        above += q->guess[guide] + e[i] > limit;
    if (!guess_path(p, q->at, guide, p->path))
        above = 0;
    for (int i = 0; i < 3; i++) {
        /* The guide's own tail stands for the whole probability. */
        double share = at[i] / out->probability * (double)above / (double)n;

        *to[i] = -1.0;
        if (at[i] <= out->probability)
            *to[i] =
                above > 0
                    ? first_step(p, numeric_quantile(e, n, 1.0 - share), limit)
                    : (double)p->h;
    }
}

fw_rc passage_ask(struct passage *p, size_t o, double limit,
                  struct passage_answer *out)
{
    struct origin q;
    struct verdict v;
    fw_rc rc = judge(p, o, limit, &q, &v);

    if (rc != FW_OK)
        return rc;
    out->probability = 1.0 / (1.0 + exp(-weigh_up(v.x)));
    out->origins = p->lesson.n;
    out->guide = guess_names[v.best];
    times(p, &p->lesson, &q, v.best, limit, out);
    return FW_OK;
}
