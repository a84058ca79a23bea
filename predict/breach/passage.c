/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/passage.h"

#include <math.h>
#include <string.h>

#include "predict/breach/passage_guess.h"
#include "predict/breach/passage_noise.h"
#include "predict/breach/passage_past.h"

#define TINY 1e-13       /* keeps divisions from zero, as passage_lesson.c's */
#define TRUST_LEAST 0.03 /* less trusted ones are asked only once */
#define OUTCOMES_BLUR 0.35 /* of the outcomes' spread */
#define OUTCOMES_LEAST 0.2
/* What one value more or less does to an answer is noise in part: a quarter of
 * the log odds is that of a moment before. */
#define BEFORE_SHARE 0.25
#define BEFORE_A_DAY 48 /* such moments */
#define LATELY_STEPS 12 /* or of the horizon, where there is no day */
#define FAR_FROM 2.0    /* times the largest climb seen, from there on far */
#define FAR_SLOPE 1.5   /* log odds off for each e-fold beyond that */

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

static double bounded(double z, double lo, double hi)
{
    z = z < lo ? lo : z;
    return z > hi ? hi : z;
}

/* ---- From guesses to tails ----------------------------------------------- */

struct verdict {
    double x[PASSAGE_FEATURES];
    double size[PASSAGE_CANDIDATES]; /* mean absolute error; NaN: no guess */
    int best;
    double sure; /* how much nearer the best is than "it stays": 0..1 */
};

/* The tails of every candidate by all its errors, and who was nearest. */
static void judge_candidates(struct passage *p, const struct origin *q,
                             double limit, struct verdict *out)
{
    out->best = -1;
    for (int c = 0; c < PASSAGE_CANDIDATES; c++) {
        const struct known *k = &p->lesson.known[c];

        out->size[c] = NAN;
        if (isnan(q->guess[c]) || k->n < POOL_LEAST)
            continue;
        out->x[c] = lesson_tail(p, q, c, limit);
        out->size[c] = k->size;
        if (out->best < 0 || out->size[c] < out->size[out->best])
            out->best = c;
    }
}

/*
 * How much is given on each candidate: by the fourth power of how near it has
 * been. Those that are asked again come out in `which`, "it stays" as the last.
 */
static size_t choose_trusted(const struct verdict *v,
                             double trust[PASSAGE_CANDIDATES], int which[SAID])
{
    size_t n = 0;

    for (int c = 0; c < PASSAGE_CANDIDATES; c++) {
        double near;

        trust[c] = 0.0;
        if (isnan(v->size[c]))
            continue;
        near = (v->size[v->best] + TINY) / (v->size[c] + TINY);
        trust[c] = near * near * near * near;
        if (trust[c] >= TRUST_LEAST || c == AUTOREG || c == DAY_1 ||
            c == MIDDLE)
            which[n++] = c;
    }
    which[n++] = SAID_STAYS;
    return n;
}

/*
 * The mean of the candidates' log odds, by how near each has been; and of
 * their scaled tails and their tails by what was alike.
 */
static void judge_skilled(struct passage *p, const struct origin *q,
                          double limit, struct verdict *out)
{
    double scaled[SAID], alike[SAID], trust[PASSAGE_CANDIDATES], spread[SAID];
    double sum[3] = {0}, all = 0.0, some = 0.0;
    int which[SAID];
    size_t n = choose_trusted(out, trust, which);

    lesson_scaled_spreads(p, which, n, spread);
    for (size_t i = 0; i < n; i++) {
        int c = which[i];

        scaled[c] = lesson_scaled(p, q, c, spread[i], limit);
        alike[c] = lesson_alike(p, q, c, limit);
        if (c == SAID_STAYS)
            continue;
        sum[1] += trust[c] * scaled[c];
        sum[2] += trust[c] * alike[c];
        some += trust[c];
    }
    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (!isnan(out->size[c])) {
            sum[0] += trust[c] * out->x[c];
            all += trust[c];
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
    out->x[F_EXCURSION_SCALED] = scaled[SAID_STAYS];
    out->x[F_ALIKE_STAYS] = alike[SAID_STAYS];
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

/* What came after earlier origins, at all and at this phase of the day; and
 * after those that were like this one. */
static void judge_past(struct passage *p, const struct origin *q, double limit,
                       struct verdict *out)
{
    const struct lesson *l = &p->lesson;
    double least = past_scatter(p, q->at), blur;

    past_weigh(p, q);
    out->x[F_ANALOG] = lesson_analogs(p, q, false, least, limit);
    out->x[F_ANALOG_SCALED] = lesson_analogs(p, q, true, least, limit);
    blur = OUTCOMES_BLUR * (l->outcomes + OUTCOMES_LEAST * least);
    out->x[F_OUTCOMES] = lesson_outcomes(p, NULL, blur, limit);
    out->x[F_OUTCOMES_PHASE] = lesson_outcomes(p, &l->phase, blur, limit);
    past_place(p, q, &out->x[F_PAST]);
}

/* What followed earlier origins without any model, "it stays" being the
 * guess; and how much better than that the best guess has been. */
static void judge_history(struct passage *p, const struct origin *q,
                          double limit, struct verdict *out)
{
    const struct known *known = p->lesson.known;
    double stays = known[SAID_STAYS].size;

    out->x[F_EXCURSION] = lesson_tail(p, q, SAID_STAYS, limit);
    out->x[F_EXCURSION_BENT] = lesson_phase(p, q, SAID_STAYS, limit);
    out->sure = bounded(1.0 - out->size[out->best] / (stays + TINY), 0.0, 1.0);
    out->x[F_SURE_SKILLED] = out->sure * out->x[F_SKILLED];
    out->x[F_SURE_AUTOREG] = out->sure * out->x[F_AUTOREG_SCALED];
    judge_place(p, q, stays, out);
    out->x[F_OFF_STAYS] = known[SAID_STAYS].lately;
    out->x[F_OFF_AUTOREG] = known[AUTOREG].lately;
    out->x[F_OFF_MIDDLE] = known[MIDDLE].lately;
    out->x[F_OFF_DAY] = known[DAY_1].lately;
}

static fw_rc judge(struct passage *p, size_t o, double limit, struct origin *q,
                   struct verdict *out)
{
    lesson_take(p, o);
    if (p->lesson.n < POOL_LEAST)
        return FW_NONE;
    guess_look(p, o, q);
    lesson_weigh(p, q);
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
    double guess = q->now, beyond;

    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (!isnan(q->guess[c]))
            guess = fmax(guess, q->guess[c]);
    beyond = (limit - guess) / p->lesson.climb;
    return beyond > FAR_FROM ? FAR_SLOPE * log(beyond / FAR_FROM) : 0.0;
}

static fw_rc odds(struct passage *p, size_t o, double limit, struct origin *q,
                  struct verdict *v, double *out)
{
    fw_rc rc = judge(p, o, limit, q, v);

    if (rc == FW_OK)
        *out = passage_log_odds(v->x) - far_off(p, q, limit);
    return rc;
}

/*
 * What was to be said of this limit half an hour ago, or a step where steps are
 * longer; NaN if nothing was. Whoever asks every half hour has asked it then.
 * It counts less where the series is foretold well: there is less noise, and
 * half an hour decides whether a ramp gets there.
 */
static double odds_before(struct passage *p, size_t o, double limit,
                          struct origin *q, struct verdict *v)
{
    size_t back = p->day > 0 ? p->day / BEFORE_A_DAY : p->h / LATELY_STEPS;
    double z;

    back = back > p->h / 2 ? p->h / 2 : back;
    back = back > 0 ? back : 1;
    if (o <= back || isnan(p->raw[o - back - 1]))
        return NAN;
    o -= back;
    if (p->before.at == o && p->before.limit == limit)
        return p->before.odds;
    return odds(p, o, limit, q, v, &z) == FW_OK ? z : NAN;
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

static void times(struct passage *p, const struct origin *q, int guide,
                  double limit, struct passage_answer *out)
{
    double at[3] = {0.1, 0.5, 0.9}, *to[3], above;

    if (out->probability < at[0]) {
        out->p10 = out->p50 = out->p90 = -1.0;
        return;
    }
    to[0] = &out->p10;
    to[1] = &out->p50;
    to[2] = &out->p90;
    above = lesson_above(p, guide, limit - q->guess[guide]);
    if (!guess_path(p, q->at, guide, p->path))
        above = 0.0;
    for (int i = 0; i < 3; i++) {
        /* The guide's own tail stands for the whole probability. */
        double share = at[i] / out->probability * above;

        *to[i] = -1.0;
        if (at[i] <= out->probability)
            *to[i] = above > 0.0
                         ? first_step(p, lesson_quantile(p, guide, 1.0 - share),
                                      limit)
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
    double before = odds_before(p, o, limit, &q, &v), own;
    fw_rc rc = odds(p, o, limit, &q, &v, &own);

    if (rc != FW_OK)
        return rc;
    p->before = (struct said_before){o, limit, own};
    if (!isnan(before))
        own += BEFORE_SHARE * (1.0 - v.sure) * (before - own);
    noise_ask(p->y, o, p->h, p->day, limit, &noise);
    own = 1.0 / (1.0 + exp(-own));
    own += noise.weight * (noise.probability - own);
    out->probability = ladder_within(own, bounds);
    out->origins = p->lesson.n;
    out->guide = guess_names[v.best];
    if (noise.weight > 0.5)
        times_of_noise(p, &noise, out);
    else
        times(p, &q, v.best, limit, out);
    return FW_OK;
}
