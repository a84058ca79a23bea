/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/passage.h"

#include <math.h>
#include <string.h>

#include "predict/breach/passage_noise.h"
#include "predict/breach/passage_past.h"
#include "predict/numeric.h"

#define POOL_LEAST 12  /* fewer do not make a distribution */
#define RECENCY 1000.0 /* origins after which an error weighs 1/e */
#define SPREAD_OF 64   /* values a spread is taken from */
#define BLUR 1.2
/* Keeps divisions from zero; far below what a double of about 1 resolves as a
 * difference, since it must not matter how the values were scaled. */
#define TINY 1e-13
#define ALIKE_NEAR 3.0     /* a third of a usual scatter off weighs half */
#define ALIKE_SHARE 4      /* of the origins, about that part is alike */
#define TRUST_LEAST 0.03   /* less trusted ones are asked only once */
#define LATELY 12.0        /* horizons that are "a day" where there is none */
#define SCALED_MOST 5.0    /* errors grow or shrink by this at most */
#define PHASE_NEAR 16.0    /* errors 1/16 of a day off weigh half */
#define ANALOG_BLUR 0.3    /* of the analogs' deviation */
#define ANALOG_LEAST 0.05  /* of the week's, at the least */
#define OUTCOMES_BLUR 0.35 /* of the outcomes' spread */
#define OUTCOMES_LEAST 0.2
#define LANES 4        /* sums kept side by side, so that they overlap */
#define FAR_FROM 2.0   /* times the largest climb seen, from there on far */
#define FAR_SLOPE 1.5  /* log odds off for each e-fold beyond that */
#define LOGIT_MOST 6.0 /* surer than this is never said by one candidate */

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
    F_SCALED_SKILLED, /* their scaled tails by their skill */
    /* Tails by the errors at origins that were like this one, bent. */
    F_ALIKE_SKILLED,
    F_ALIKE_STAYS,
    F_ALIKE_AUTOREG,
    F_ALIKE_MIDDLE,
    F_OUTCOMES, /* what came, whatever was said */
    F_OUTCOMES_PHASE,
    F_ANALOG, /* rises at the nearest origins by what led up to them */
    F_ANALOG_SCALED,
    /* From here on what does not depend on the limit. */
    F_HORIZON,
    F_RISE_36, /* what guesses say, in usual rises */
    F_RISE_288,
    F_RISE_DAY,
    F_RISE_DAY_MOVED,
    F_RISE_WEEK,
    F_RISE_AUTOREG,
    F_RISE_MIDDLE,
    F_OFF_STAYS, /* how far off the guesses were within the last day */
    F_OFF_AUTOREG,
    F_OFF_MIDDLE,
    F_OFF_DAY,
    F_PAST /* PAST_COUNT of them */
};
static_assert(F_PAST + PAST_COUNT == PASSAGE_FEATURES, "one slot a feature");
static_assert(F_SURE_SKILLED == PASSAGE_SURE, "passage_weigh.c");
static_assert(F_HORIZON == PASSAGE_FALLING, "those that fall come first");

const char *const passage_feature_names[PASSAGE_FEATURES] = {
    "line12",     "line12h",     "line36",      "line36h",      "line72",
    "line72h",    "line288",     "line288h",    "day0",         "dayh",
    "day1",       "weekh",       "autoreg",     "autoreg_r",    "sawtooth",
    "middle",     "rise",        "rise_scaled", "ar_scaled",    "day_scaled",
    "mid_scaled", "rise_bent",   "skilled",     "sure_skilled", "sure_ar",
    "scaled",     "alike",       "rise_alike",  "ar_alike",     "mid_alike",
    "outcomes",   "outcomes_ph", "analog",      "analog_sc",    "horizon",
    "says36",     "says288",     "says_day0",   "says_day1",    "says_week",
    "says_ar",    "says_mid",    "off_stays",   "off_ar",       "off_mid",
    "off_day",    "known",       "season",      "repeats",      "stays",
    "unrest",     "roughness",   "rank",        "day_up",       "hour_up"};

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

static void lesson_take(struct passage *p, size_t o, struct lesson *out)
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
    out->first = lo - out->n;
    out->pool = p->pool + out->first;
    for (size_t i = out->n; i-- > 0; w *= fade)
        out->weight[i] = w;
    guess_columns(p, out->first, lo);
}

static double logit(double p)
{
    return fmin(fmax(log(p / (1.0 - p)), -LOGIT_MOST), LOGIT_MOST);
}

/*
 * Weighted share of x above the limit, each x blurred over +-blur, with half
 * an outcome added on either side so that nothing is impossible.
 */
NUMERIC_WIDE
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
    numeric_sort_few(v, m);
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

struct verdict {
    double x[PASSAGE_FEATURES];
    double size[PASSAGE_CANDIDATES]; /* mean absolute error; NaN: no guess */
    int best;
};

/*
 * A scale bent so that far from the usual values differences count by their
 * root: for series that are quiet mostly and a hundred times as high at times.
 */
static inline double bend(const struct lesson *l, double v)
{
    double x = (v - l->usual) * l->per_width;

    return copysign(sqrt(1.0 + 2.0 * fabs(x)) - 1.0, x);
}

static void find_usual(struct lesson *l, const double *level)
{
    double width = spread_of(level, l->n, &l->usual);

    if (!(width > 0.0)) /* more than half are alike: the mean deviation */
        for (size_t i = 0; i < l->n; i++)
            width += fabs(level[i] - l->usual) / (double)l->n;
    l->per_width = 1.0 / (width + TINY);
}

/*
 * Weights of the earlier origins at the same phase of the day, how much more
 * scattered today is than they were, and weights of those that were like today
 * in level, value and scatter.
 */
NUMERIC_WIDE
static void weigh(struct passage *p, const struct origin *q)
{
    struct lesson *l = &p->lesson;
    const struct columns *c = &p->columns;
    size_t first = l->first - c->from;
    const double *level = c->level + first, *scale = c->scale + first;
    const double *outcome = c->outcome + first, *place = c->place + first;
    const double *now = c->said[SAID_STAYS] + first;
    double day = p->day > 0 ? (double)p->day : 1.0, level_now, value_now;
    double here = p->day > 0 ? (double)(q->at % p->day) : 0.0;

    find_usual(l, level);
    level_now = bend(l, q->level);
    value_now = bend(l, q->now);
    for (size_t i = 0; i < l->n; i++) {
        double by_level = ALIKE_NEAR * (bend(l, level[i]) - level_now);
        double by_now = ALIKE_NEAR * (bend(l, now[i]) - value_now);
        double d = fabs(place[i] - here), r;

        d = PHASE_NEAR * (d > day - d ? day - d : d) / day;
        l->phase[i] = l->weight[i] / (1.0 + d * d * d * d);
        r = clamp(q->scale / scale[i], 1.0 / SCALED_MOST, SCALED_MOST);
        l->ratio[i] = r;
        r = r > 1.0 ? r - 1.0 : 1.0 / r - 1.0;
        l->alike[i] = sqrt(l->phase[i]) /
                      (1.0 + by_level * by_level + by_now * by_now + r * r);
        l->bent[i] = bend(l, outcome[i]);
    }
}

/* What candidate c said at o. */
static inline double said(const struct origin *o, int c)
{
    return c == SAID_STAYS ? o->now : o->guess[c];
}

/* What candidate c said at the origins of the lesson, how far off it was, and
 * whether it said something at each of them. */
static inline const double *said_then(const struct passage *p, int c)
{
    return p->columns.said[c] + (p->lesson.first - p->columns.from);
}

static inline const double *off_then(const struct passage *p, int c)
{
    return p->columns.off[c] + (p->lesson.first - p->columns.from);
}

static inline bool never_silent(const struct passage *p, int c)
{
    return p->columns.silent[c] <= p->lesson.first;
}

/* Leaves out the cases of origins at which c said nothing. */
static void cases_close(struct passage *p, int c, const double *weight)
{
    const double *off = off_then(p, c);
    struct cases *k = &p->cases;
    size_t n = p->lesson.n, kept = 0;

    k->w = weight;
    k->n = n;
    if (never_silent(p, c))
        return;
    for (size_t i = 0; i < n; i++) {
        k->x[kept] = k->x[i];
        k->some_w[kept] = weight[i];
        kept += isnan(off[i]) ? 0 : 1;
    }
    k->w = k->some_w;
    k->n = kept;
}

/* Where a guess, made now, would have led to with each earlier error. */
static void cases_take(struct passage *p, const struct origin *q, int c)
{
    const double *off = off_then(p, c);
    double guess = said(q, c), *x = p->cases.x;

    for (size_t i = 0; i < p->lesson.n; i++)
        x[i] = guess + off[i];
    cases_close(p, c, p->lesson.weight);
}

/* The same in proportion to today's scatter, at this phase of the day. */
static void cases_scaled(struct passage *p, const struct origin *q, int c)
{
    const double *off = off_then(p, c), *ratio = p->lesson.ratio;
    double guess = said(q, c), *x = p->cases.x;

    for (size_t i = 0; i < p->lesson.n; i++)
        x[i] = guess + off[i] * ratio[i];
    cases_close(p, c, p->lesson.phase);
}

/* The same on the bent scale; `weight` is the lesson's phase or alike. */
NUMERIC_WIDE
static void cases_bent(struct passage *p, const struct origin *q, int c,
                       const double *weight)
{
    const struct lesson *l = &p->lesson;
    const double *then = said_then(p, c), *bent = l->bent;
    double guess = bend(l, said(q, c)), *x = p->cases.x;

    for (size_t i = 0; i < l->n; i++)
        x[i] = guess + bent[i] - bend(l, then[i]);
    cases_close(p, c, weight);
}

/* The tail of the cases, of which about n / share count. */
static double tail_of(const struct cases *k, size_t share, double limit)
{
    double middle, spread = spread_of(k->x, k->n, &middle);

    return logit(tail(k->x, k->w, k->n, blur_of(spread, k->n / share), limit));
}

static double scaled_tail(struct passage *p, const struct origin *q, int c,
                          double limit)
{
    cases_scaled(p, q, c);
    return tail_of(&p->cases, 1, limit);
}

static double alike_tail(struct passage *p, const struct origin *q, int c,
                         double limit)
{
    cases_bent(p, q, c, p->lesson.alike);
    return tail_of(&p->cases, ALIKE_SHARE, bend(&p->lesson, limit));
}

NUMERIC_WIDE
static double mean_size(const struct cases *k, double guess)
{
    double size[LANES] = {0}, total[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= k->n; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            size[j] += k->w[i + j] * fabs(k->x[i + j] - guess);
            total[j] += k->w[i + j];
        }
    for (; i < k->n; i++) {
        size[0] += k->w[i] * fabs(k->x[i] - guess);
        total[0] += k->w[i];
    }
    return ((size[0] + size[1]) + (size[2] + size[3])) /
           ((total[0] + total[1]) + (total[2] + total[3]));
}

/* The tails of every candidate by all its errors, and who was nearest. */
static void judge_candidates(struct passage *p, const struct origin *q,
                             double limit, struct verdict *out)
{
    const struct cases *k = &p->cases;

    out->best = -1;
    for (int c = 0; c < PASSAGE_CANDIDATES; c++) {
        out->size[c] = NAN;
        if (isnan(q->guess[c]))
            continue;
        cases_take(p, q, c);
        if (k->n < POOL_LEAST)
            continue;
        out->x[c] = tail_of(k, 1, limit);
        out->size[c] = mean_size(k, q->guess[c]);
        if (out->best < 0 || out->size[c] < out->size[out->best])
            out->best = c;
    }
}

/*
 * The mean of the candidates' log odds, by the fourth power of how near each
 * has been; and of their scaled tails and their tails by what was alike.
 */
static void judge_skilled(struct passage *p, const struct origin *q,
                          double limit, struct verdict *out)
{
    double scaled[PASSAGE_CANDIDATES], alike[PASSAGE_CANDIDATES];
    double sum[3] = {0}, all = 0.0, some = 0.0;

    for (int c = 0; c < PASSAGE_CANDIDATES; c++) {
        double near, trust;

        scaled[c] = alike[c] = NAN;
        if (isnan(out->size[c]))
            continue;
        near = (out->size[out->best] + TINY) / (out->size[c] + TINY);
        trust = near * near * near * near;
        sum[0] += trust * out->x[c];
        all += trust;
        if (trust < TRUST_LEAST && c != AUTOREG && c != DAY_1 && c != MIDDLE)
            continue;
        scaled[c] = scaled_tail(p, q, c, limit);
        alike[c] = alike_tail(p, q, c, limit);
        sum[1] += trust * scaled[c];
        sum[2] += trust * alike[c];
        some += trust;
    }
    out->x[F_SKILLED] = sum[0] / all;
    out->x[F_SCALED_SKILLED] = sum[1] / some;
    out->x[F_ALIKE_SKILLED] = sum[2] / some;
    /* A candidate without a guess says what the others say. */
    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (isnan(out->size[c])) {
            out->x[c] = out->x[F_SKILLED];
            scaled[c] = out->x[F_SCALED_SKILLED];
            alike[c] = out->x[F_ALIKE_SKILLED];
        }
    out->x[F_AUTOREG_SCALED] = scaled[AUTOREG];
    out->x[F_DAY_SCALED] = scaled[DAY_1];
    out->x[F_MIDDLE_SCALED] = scaled[MIDDLE];
    out->x[F_ALIKE_AUTOREG] = alike[AUTOREG];
    out->x[F_ALIKE_MIDDLE] = alike[MIDDLE];
}

/*
 * The mean error of a candidate within the last day or so, in its usual
 * errors: what was too low yesterday is so today.
 */
static double off_lately(const struct passage *p, const struct origin *q, int c,
                         double day)
{
    const struct lesson *l = &p->lesson;
    const double *off = off_then(p, c);
    double up = 0.0, lately = 0.0, size = 0.0, all = 0.0, w = 1.0;
    size_t at = q->at;

    for (size_t i = l->n; i-- > 0;) {
        double e = off[i];

        if (w > 1e-4) {
            w *= exp(-(double)(at - l->pool[i].at) / day);
            at = l->pool[i].at;
        }
        if (isnan(e))
            continue;
        up += w * e;
        lately += w;
        size += l->weight[i] * fabs(e);
        all += l->weight[i];
    }
    if (!(all > 0.0))
        return 0.0;
    return asinh(up / (lately + TINY) / (size / all + TINY));
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

/* The tail of the rises at the analogs, in proportion to today's scatter or
 * not; `least` is a scatter below which nothing is told apart. */
static double analog_tail(struct passage *p, const struct origin *q,
                          bool scaled, double least, double limit)
{
    const double *w = p->lesson.analog, *off = off_then(p, SAID_STAYS);
    double sum = 0.0, sq = 0.0, all = 0.0, blur, *x = p->cases.x;

    for (size_t i = 0; i < p->lesson.n; i++) {
        double e = scaled ? off[i] * p->lesson.ratio[i] : off[i];

        x[i] = q->now + e;
        sum += w[i] * e;
        sq += w[i] * e * e;
        all += w[i];
    }
    sq = fmax(sq / all - sum / all * (sum / all), 0.0);
    blur = ANALOG_BLUR * (sqrt(sq) + ANALOG_LEAST * least) + TINY;
    return logit(tail(x, w, p->lesson.n, blur, limit));
}

/* What came after earlier origins, at all and at this phase of the day; and
 * after those that were like this one. */
static void judge_past(struct passage *p, const struct origin *q, double limit,
                       struct verdict *out)
{
    const struct lesson *l = &p->lesson;
    const double *outcome = p->columns.outcome + (l->first - p->columns.from);
    double least = past_scatter(p, q->at), middle, blur;

    past_weigh(p, q);
    out->x[F_ANALOG] = analog_tail(p, q, false, least, limit);
    out->x[F_ANALOG_SCALED] = analog_tail(p, q, true, least, limit);
    blur = OUTCOMES_BLUR *
               (spread_of(outcome, l->n, &middle) + OUTCOMES_LEAST * least) +
           TINY;
    out->x[F_OUTCOMES] = logit(tail(outcome, l->weight, l->n, blur, limit));
    out->x[F_OUTCOMES_PHASE] =
        logit(tail(outcome, l->phase, l->n, blur, limit));
    past_place(p, q, &out->x[F_PAST]);
}

/* What followed earlier origins without any model, "it stays" being the
 * guess; and how much better than that the best guess has been. */
static void judge_history(struct passage *p, const struct origin *q,
                          double limit, struct verdict *out)
{
    double day = p->day > 0 ? (double)p->day : LATELY * (double)p->h;
    double stays, sure;

    cases_take(p, q, SAID_STAYS);
    stays = mean_size(&p->cases, q->now);
    out->x[F_EXCURSION] = tail_of(&p->cases, 1, limit);
    out->x[F_EXCURSION_SCALED] = scaled_tail(p, q, SAID_STAYS, limit);
    out->x[F_ALIKE_STAYS] = alike_tail(p, q, SAID_STAYS, limit);
    cases_bent(p, q, SAID_STAYS, p->lesson.phase);
    out->x[F_EXCURSION_BENT] = tail_of(&p->cases, 1, bend(&p->lesson, limit));
    sure = bounded(1.0 - out->size[out->best] / (stays + TINY), 0.0, 1.0);
    out->x[F_SURE_SKILLED] = sure * out->x[F_SKILLED];
    out->x[F_SURE_AUTOREG] = sure * out->x[F_AUTOREG_SCALED];
    judge_place(p, q, stays, out);
    out->x[F_OFF_STAYS] = off_lately(p, q, SAID_STAYS, day);
    out->x[F_OFF_AUTOREG] = off_lately(p, q, AUTOREG, day);
    out->x[F_OFF_MIDDLE] = off_lately(p, q, MIDDLE, day);
    out->x[F_OFF_DAY] = off_lately(p, q, DAY_1, day);
}

static fw_rc judge(struct passage *p, size_t o, double limit, struct origin *q,
                   struct verdict *out)
{
    struct lesson *lesson = &p->lesson;

    lesson_take(p, o, lesson);
    if (lesson->n < POOL_LEAST)
        return FW_NONE;
    guess_look(p, o, q);
    weigh(p, q);
    memset(out, 0, sizeof(*out));
    judge_candidates(p, q, limit, out);
    if (out->best < 0)
        return FW_NONE;
    judge_skilled(p, q, limit, out);
    judge_history(p, q, limit, out);
    judge_past(p, q, limit, out);
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
 * What the past never came near. The tails above know of no outcome but those
 * seen, and half a one more; how far beyond them the limit lies is not in them.
 * Log odds to take off: none up to FAR_FROM times the largest move that was
 * ever seen within the horizon, counted from the highest guess.
 */
static double far_off(const struct passage *p, const struct origin *q,
                      double limit)
{
    const double *off = off_then(p, SAID_STAYS);
    double climb = TINY, guess = said(q, SAID_STAYS), beyond;

    for (size_t i = 0; i < p->lesson.n; i++)
        climb = fmax(climb, fabs(off[i]));
    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (!isnan(q->guess[c]))
            guess = fmax(guess, q->guess[c]);
    beyond = (limit - guess) / climb;
    return beyond > FAR_FROM ? FAR_SLOPE * log(beyond / FAR_FROM) : 0.0;
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

    if (out->probability < at[0]) {
        out->p10 = out->p50 = out->p90 = -1.0;
        return;
    }
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

/* Of independent values the times are known as the probability is. */
static void times_of_noise(const struct passage *p,
                           const struct noise_answer *noise,
                           struct passage_answer *out)
{
    const double share[3] = {0.1, 0.5, 0.9};
    double *to[3] = {&out->p10, &out->p50, &out->p90};

    for (int i = 0; i < 3; i++)
        *to[i] = share[i] > out->probability
                     ? -1.0
                     : fmin(noise_when(noise, share[i]), (double)p->h);
}

fw_rc passage_ask(struct passage *p, size_t o, double limit,
                  const struct ladder_bounds *bounds,
                  struct passage_answer *out)
{
    struct noise_answer noise;
    struct origin q;
    struct verdict v;
    double own;
    fw_rc rc = judge(p, o, limit, &q, &v);

    if (rc != FW_OK)
        return rc;
    noise_ask(p->y, o, p->h, p->day, limit, &noise);
    own = 1.0 / (1.0 + exp(far_off(p, &q, limit) - passage_log_odds(v.x)));
    own += noise.weight * (noise.probability - own);
    out->probability = ladder_within(own, bounds);
    out->origins = p->lesson.n;
    out->guide = guess_names[v.best];
    if (noise.weight > 0.5)
        times_of_noise(p, &noise, out);
    else
        times(p, &p->lesson, &q, v.best, limit, out);
    return FW_OK;
}
