/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/passage.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "predict/models/lagfit.h"
#include "predict/models/sawtooth.h"
#include "predict/numeric.h"
#include "predict/passage_weights.h"

#define POOL 480        /* newest earlier origins whose errors are used */
#define POOL_LEAST 12   /* fewer do not make a distribution */
#define POOL_PER_H 4    /* origins per horizon */
#define FIRST_ORIGIN 16 /* values before the first origin */
#define LEVEL_OF 6      /* values whose mean is "the level now" */
#define RECENCY 80.0    /* origins after which an error weighs 1/e */
#define GAP_SHARE 0.5   /* a window emptier than this has no outcome */
#define REFIT_LEAST 24  /* steps between refits of the autoregression */
#define SPREAD_OF 64    /* values a spread is taken from */
#define BLUR 2.0
#define LOGIT_MOST 6.0 /* surer than this is never said by one candidate */

enum candidate_id {
    LINE_12,
    LINE_12_HALF,
    LINE_36,
    LINE_36_HALF,
    LINE_72,
    LINE_72_HALF,
    LINE_288,
    LINE_288_HALF,
    DAY_0,
    DAY_HALF,
    DAY_1,
    WEEK_HALF,
    AUTOREG,
    AUTOREG_RECENT,
    SAWTOOTH,
    MIDDLE /* the median of the others */
};
static_assert(MIDDLE + 1 == PASSAGE_CANDIDATES, "one slot a candidate");

static const char *const candidate_names[PASSAGE_CANDIDATES] = {
    "line over 12 steps",
    "half a line over 12 steps",
    "line over 36 steps",
    "half a line over 36 steps",
    "line over 72 steps",
    "half a line over 72 steps",
    "line over 288 steps",
    "half a line over 288 steps",
    "yesterday",
    "yesterday, half moved to today's level",
    "yesterday at today's level",
    "last week, half moved to today's level",
    "autoregression",
    "autoregression, recent",
    "sawtooth",
    "median of the guesses",
};

static const size_t windows[] = {12, 36, 72, 288};

enum feature_id {
    F_CANDIDATE, /* the first PASSAGE_CANDIDATES: tails by all errors */
    /* The same by errors at this phase of the day, and by errors where level,
     * slope and unrest were like now. */
    F_EXCURSION = PASSAGE_CANDIDATES,
    F_EXCURSION_PHASE,
    F_EXCURSION_NEAR,
    F_AUTOREG_PHASE,
    F_AUTOREG_NEAR,
    F_DAY_PHASE,
    F_DAY_NEAR,
    F_MIDDLE_PHASE,
    F_MIDDLE_NEAR,
    F_MAXIMA, /* how high earlier maxima were, whatever went before them */
    F_MAXIMA_PHASE,
    F_MAXIMA_NEAR,
    F_NORMAL,
    F_SKILLED, /* the candidates' tails by their skill */
    F_BEST,
    F_NEVER,
    F_SPREAD
};
static_assert(F_SPREAD + 1 == PASSAGE_FEATURES, "one slot a feature");

const char *const passage_feature_names[PASSAGE_FEATURES] = {
    "line12",  "line12h",   "line36",     "line36h",   "line72",
    "line72h", "line288",   "line288h",   "day0",      "dayh",
    "day1",    "weekh",     "autoreg",    "autoreg_r", "sawtooth",
    "middle",  "rise",      "rise_phase", "rise_near", "ar_phase",
    "ar_near", "day_phase", "day_near",   "mid_phase", "mid_near",
    "max",     "max_phase", "max_near",   "normal",    "skilled",
    "best",    "never",     "spread"};

#define LAG_SETS 3 /* and the same again with the recent past weighing more */
#define ALL_SETS (2 * LAG_SETS)
#define RECENT_HALF 600.0 /* steps, half-life of those */

/* What is known about one origin, before its outcome. */
struct origin {
    size_t at; /* sees y[0 .. at) */
    double now, level, slope, unrest;
    double scale;                     /* of the values lately */
    double guess[PASSAGE_CANDIDATES]; /* of the maximum; NaN: none */
    double outcome;                   /* the maximum; NaN: not known */
};

struct refit {
    size_t at;
    struct lagfit_line line[ALL_SETS];
    bool solved[ALL_SETS];
};

struct passage {
    const double *y, *raw;
    size_t n, h, day, week, stride;
    double *sum, *sum_x; /* of y and of i * y before i */
    double *sum_sq;
    size_t *missing;    /* empty cells before i */
    double *window_max; /* of y[i .. i+h) */
    double *highest;    /* of y[0 .. i) */
    struct origin *pool;
    size_t pool_count;
    struct lagfit lags[ALL_SETS]; /* their lags; the sums are not used */
    struct refit *refits;
    size_t refit_count, refit_every;
    struct sawtooth saw; /* as of saw_at; origins are asked in rising order */
    size_t saw_at;
    double saw_drop;
    double *path; /* h */
};

/* ---- Getting ready ------------------------------------------------------- */

/* Maxima of all windows of h by a queue of falling values [Lemire 2006]. */
static void sliding_max(const double *y, size_t n, size_t h, size_t *queue,
                        double *out)
{
    size_t head = 0, tail = 0;

    for (size_t i = 0; i < n; i++) {
        while (tail > head && y[queue[tail - 1]] <= y[i])
            tail--;
        queue[tail++] = i;
        if (i + 1 < h)
            continue;
        if (queue[head] + h <= i)
            head++;
        out[i + 1 - h] = y[queue[head]];
    }
}

static void run_sums(struct passage *p)
{
    p->sum[0] = p->sum_x[0] = p->sum_sq[0] = 0.0;
    p->missing[0] = 0;
    p->highest[0] = -INFINITY;
    for (size_t i = 0; i < p->n; i++) {
        p->sum[i + 1] = p->sum[i] + p->y[i];
        p->sum_x[i + 1] = p->sum_x[i] + (double)i * p->y[i];
        p->missing[i + 1] = p->missing[i] + (isnan(p->raw[i]) != 0);
        p->sum_sq[i + 1] = p->sum_sq[i] + p->y[i] * p->y[i];
        p->highest[i + 1] = fmax(p->highest[i], p->y[i]);
    }
}

/*
 * The autoregression is refitted every so many steps, counted from the start
 * of the series, so that an answer does not depend on what came later. Of
 * three sets of lags (without a season, with the day, with the week too) an
 * origin uses the richest that could be solved by then.
 */
static fw_rc refit_all(struct passage *p, struct fw_arena *arena)
{
    struct lagfit *fit = p->lags;
    size_t last_gap = 0;

    p->refit_every = p->h > REFIT_LEAST ? p->h : REFIT_LEAST;
    p->refits =
        fw_arena_calloc(arena, p->n / p->refit_every + 2, sizeof(*p->refits));
    if (p->refits == NULL)
        return FW_ENOMEM;
    for (size_t j = 0; j < ALL_SETS; j++)
        lagfit_init(&fit[j], j % LAG_SETS > 0 ? p->day : 0,
                    j % LAG_SETS > 1 ? p->week : 0, p->n,
                    j < LAG_SETS ? 1.0 : pow(0.5, 1.0 / RECENT_HALF));
    for (size_t t = 1; t <= p->n; t++) {
        if (t % p->refit_every == 0) {
            struct refit *r = &p->refits[p->refit_count++];

            r->at = t;
            for (size_t j = 0; j < ALL_SETS; j++)
                r->solved[j] = lagfit_solve(&fit[j], &r->line[j]);
        }
        if (t == p->n)
            break;
        if (isnan(p->raw[t]))
            last_gap = t + 1;
        for (size_t j = 0; j < ALL_SETS; j++)
            if ((j % LAG_SETS < 1 || p->day > 0) &&
                (j % LAG_SETS < 2 || p->week > 0) &&
                t >= fit[j].lag[fit[j].p - 1] &&
                (last_gap == 0 || t >= last_gap + 3))
                lagfit_add(&fit[j], p->y, t);
    }
    return FW_OK;
}

/* ---- Candidates ---------------------------------------------------------- */

/* Least squares slope of y[from .. to) from running sums. */
static double slope_of(const struct passage *p, size_t from, size_t to)
{
    double n = (double)(to - from);
    double mid = 0.5 * (double)(from + to - 1);
    double sxy =
        p->sum_x[to] - p->sum_x[from] - mid * (p->sum[to] - p->sum[from]);

    return n > 1.0 ? sxy * 12.0 / (n * (n * n - 1.0)) : 0.0;
}

static double level_at(const struct passage *p, size_t o)
{
    size_t n = o < LEVEL_OF ? o : LEVEL_OF;

    return (p->sum[o] - p->sum[o - n]) / (double)n;
}

/* The largest of the h values that followed o - back, moved by a share of the
 * change of level since then. */
static double season_max(const struct passage *p, size_t o, size_t back,
                         double share)
{
    size_t from = o - back;
    double most;

    if (back == 0 || o < back + LEVEL_OF)
        return NAN;
    if (p->h <= back) {
        most = p->window_max[from];
    } else {
        most = -INFINITY;
        for (size_t i = from; i < o; i++)
            most = fmax(most, p->y[i]);
    }
    return most + share * (level_at(p, o) - level_at(p, from));
}

static const struct lagfit_line *line_for(const struct passage *p, size_t o,
                                          bool recent, size_t *set)
{
    size_t i = o / p->refit_every;
    const struct refit *r;

    if (i == 0 || i > p->refit_count)
        return NULL;
    r = &p->refits[i - 1];
    for (size_t k = LAG_SETS; k-- > 0;) {
        size_t j = recent ? LAG_SETS + k : k;

        if (r->solved[j]) {
            *set = j;
            return &r->line[j];
        }
    }
    return NULL;
}

static void follow_sawtooth(struct passage *p, size_t o)
{
    if (o < p->saw_at) { /* an earlier origin than the last: from the start */
        sawtooth_start(&p->saw);
        p->saw_at = 0;
    }
    for (; p->saw_at < o; p->saw_at++)
        sawtooth_add(&p->saw, p->y, p->saw_at, p->saw_drop);
}

/* The path of a candidate that has one of its own; false if not from here. */
static bool path_of(struct passage *p, size_t o, int id, double *out)
{
    size_t h = p->h, set;
    const struct lagfit_line *line;

    if (id <= LINE_288_HALF) {
        size_t w = windows[id / 2] < o ? windows[id / 2] : o;
        double slope = slope_of(p, o - w, o) * (id % 2 == 1 ? 0.5 : 1.0);

        for (size_t k = 0; k < h; k++)
            out[k] = p->y[o - 1] + slope * (double)(k + 1);
        return true;
    }
    if (id <= WEEK_HALF) {
        size_t back = id == WEEK_HALF ? p->week : p->day;
        double share = id == DAY_0 ? 0.0 : id == DAY_1 ? 1.0 : 0.5, move;

        if (back == 0 || o < back + LEVEL_OF)
            return false;
        move = share * (level_at(p, o) - level_at(p, o - back));
        for (size_t k = 0; k < h; k++)
            out[k] = p->y[o - back + k % back] + move;
        return true;
    }
    if (id == MIDDLE)
        return false;
    if (id == SAWTOOTH) {
        follow_sawtooth(p, o);
        if (!sawtooth_holds(&p->saw, o))
            return false;
        sawtooth_path(&p->saw, p->y, o, h, out);
        return true;
    }
    line = line_for(p, o, id == AUTOREG_RECENT, &set);
    if (line == NULL)
        return false;
    lagfit_path(&p->lags[set], line, p->y, o, h, out);
    return isfinite(out[h - 1]);
}

static double path_max(struct passage *p, size_t o, int id)
{
    double most = -INFINITY, range = p->highest[o];

    if (!path_of(p, o, id, p->path))
        return NAN;
    for (size_t k = 0; k < p->h; k++)
        most = fmax(most, p->path[k]);
    /* An autoregression that explodes is no guess; values are about 1. */
    return fabs(most) < 100.0 * (1.0 + fabs(range)) ? most : NAN;
}

static double middle(const double *guess)
{
    double v[PASSAGE_CANDIDATES];
    size_t n = 0;

    for (size_t i = 0; i < MIDDLE; i++)
        if (!isnan(guess[i]))
            v[n++] = guess[i];
    return numeric_median(v, n);
}

/* Root mean square step over the shortest window. */
static double unrest_at(const struct passage *p, size_t o)
{
    size_t n = o > windows[0] ? windows[0] : o - 1;
    double ss = 0.0;

    for (size_t i = o - n; i < o; i++)
        ss += (p->y[i] - p->y[i - 1]) * (p->y[i] - p->y[i - 1]);
    return n > 0 ? sqrt(ss / (double)n) : 0.0;
}

/* Deviation of the last n values. */
static double scatter(const struct passage *p, size_t o, size_t n)
{
    double mean, sq;

    n = n < o ? n : o;
    mean = (p->sum[o] - p->sum[o - n]) / (double)n;
    sq = (p->sum_sq[o] - p->sum_sq[o - n]) / (double)n;
    return sqrt(fmax(sq - mean * mean, 0.0));
}

static void look(struct passage *p, size_t o, struct origin *out)
{
    double ahead = (double)p->h;

    out->at = o;
    out->now = p->y[o - 1];
    out->level = level_at(p, o);
    out->slope = slope_of(p, o > windows[0] ? o - windows[0] : 0, o);
    out->unrest = unrest_at(p, o);
    out->scale = scatter(p, o, p->h > 24 ? p->h : 24) +
                 0.1 * scatter(p, o, 10 * p->h) + 1e-6;
    for (int i = 0; i < 4; i++) {
        size_t w = windows[i] < o ? windows[i] : o;
        double slope = slope_of(p, o - w, o);

        out->guess[2 * i] = out->now + fmax(slope, slope * ahead);
        out->guess[2 * i + 1] = out->now + 0.5 * fmax(slope, slope * ahead);
    }
    out->guess[DAY_0] = season_max(p, o, p->day, 0.0);
    out->guess[DAY_HALF] = season_max(p, o, p->day, 0.5);
    out->guess[DAY_1] = season_max(p, o, p->day, 1.0);
    out->guess[WEEK_HALF] = season_max(p, o, p->week, 0.5);
    out->guess[AUTOREG] = path_max(p, o, AUTOREG);
    out->guess[AUTOREG_RECENT] = path_max(p, o, AUTOREG_RECENT);
    out->guess[SAWTOOTH] = path_max(p, o, SAWTOOTH);
    out->guess[MIDDLE] = middle(out->guess);
    out->outcome = NAN;
    if (o + p->h <= p->n &&
        (double)(p->missing[o + p->h] - p->missing[o]) <= GAP_SHARE * ahead)
        out->outcome = p->window_max[o];
}

fw_rc passage_new(const double *y, const double *raw, size_t n, size_t h,
                  const struct season *season, struct fw_arena *arena,
                  struct passage **out)
{
    struct passage *p = fw_arena_calloc(arena, 1, sizeof(*p));
    size_t *queue = fw_arena_alloc(arena, (n + 1) * sizeof(*queue));
    fw_rc rc;

    if (p == NULL || queue == NULL)
        return FW_ENOMEM;
    *p = (struct passage){.y = y,
                          .raw = raw,
                          .n = n,
                          .h = h,
                          .day = season->length,
                          .week = season->longer};
    p->stride = h > POOL_PER_H ? h / POOL_PER_H : 1;
    p->sum = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->sum_x = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->sum_sq = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->missing = fw_arena_alloc(arena, (n + 1) * sizeof(size_t));
    p->highest = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->window_max = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->path = fw_arena_alloc(arena, h * sizeof(double));
    p->pool = fw_arena_alloc(arena, (n / p->stride + 1) * sizeof(*p->pool));
    if (p->sum == NULL || p->sum_x == NULL || p->sum_sq == NULL ||
        p->missing == NULL || p->highest == NULL || p->window_max == NULL ||
        p->path == NULL || p->pool == NULL)
        return FW_ENOMEM;
    run_sums(p);
    sliding_max(y, n, h, queue, p->window_max);
    rc = refit_all(p, arena);
    if (rc != FW_OK)
        return rc;
    p->saw_drop = sawtooth_drop(y, n < 288 ? n : 288);
    sawtooth_start(&p->saw);
    for (size_t o = p->stride; o + h <= n; o += p->stride) {
        if (o < FIRST_ORIGIN || isnan(raw[o - 1]))
            continue;
        look(p, o, &p->pool[p->pool_count]);
        if (!isnan(p->pool[p->pool_count].outcome))
            p->pool_count++;
    }
    *out = p;
    return FW_OK;
}

/* ---- From guesses to tails ----------------------------------------------- */

/* The earlier origins a question may learn from. */
struct lesson {
    const struct origin *pool;
    size_t n;
    double weight[POOL], phase[POOL], near[POOL], total;
};

static void lesson_take(const struct passage *p, size_t o, struct lesson *out)
{
    size_t lo = 0, hi = p->pool_count;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (p->pool[mid].at + p->h <= o)
            lo = mid + 1;
        else
            hi = mid;
    }
    out->n = lo < POOL ? lo : POOL;
    out->pool = p->pool + (lo - out->n);
    out->total = 0.0;
    for (size_t i = 0; i < out->n; i++) {
        out->weight[i] = exp(-(double)(out->n - 1 - i) / RECENCY);
        out->total += out->weight[i];
    }
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
    double above = 0.0, total = 0.0, scale = 0.0;

    for (size_t i = 0; i < n; i++) {
        double u = 0.5 + 0.5 * (x[i] - limit) / blur;

        above += weight[i] * fmin(fmax(u, 0.0), 1.0);
        total += weight[i];
        scale = fmax(scale, weight[i]);
    }
    if (!(total > 0.0))
        return 0.5;
    scale *= 0.5; /* half of the weightiest outcome */
    return (above + 0.5 * scale) / (total + scale);
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
    return BLUR * spread * pow((double)n + 1.0, -0.2) + 1e-9;
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

/* Weights of the earlier origins: by age alone, and for those at the same
 * phase of the day or in a like state more. */
static void weigh(const struct passage *p, const struct origin *q,
                  struct lesson *l)
{
    double mean[3] = {0}, sd[3] = {0};
    double n = (double)l->n;

    for (size_t i = 0; i < l->n; i++) {
        const double v[3] = {l->pool[i].level, l->pool[i].slope,
                             l->pool[i].unrest};

        for (int j = 0; j < 3; j++) {
            mean[j] += v[j] / n;
            sd[j] += v[j] * v[j] / n;
        }
    }
    for (int j = 0; j < 3; j++)
        sd[j] = sqrt(fmax(sd[j] - mean[j] * mean[j], 0.0)) + 1e-9;
    for (size_t i = 0; i < l->n; i++) {
        double a = (q->level - l->pool[i].level) / sd[0];
        double b = (q->slope - l->pool[i].slope) / sd[1];
        double c = (q->unrest - l->pool[i].unrest) / sd[2];
        double d = a * a + 0.5 * b * b + 0.5 * c * c;

        l->near[i] = l->weight[i] / (0.02 + d * d);
        l->phase[i] = l->weight[i];
        if (p->day > 0) {
            d = 16.0 * apart(l->pool[i].at, q->at, p->day);
            l->phase[i] /= 1.0 + d * d * d * d;
        }
    }
}

/* The values a guess would have led to with each earlier error. */
static size_t outcomes(const struct lesson *l, const struct origin *q, int c,
                       double *x, double *w, double *phase, double *near)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        double e = l->pool[i].outcome - l->pool[i].guess[c];

        if (isnan(e))
            continue;
        x[n] = q->guess[c] + e;
        w[n] = l->weight[i];
        phase[n] = l->phase[i];
        near[n] =
            q->guess[c] + e * fmin(fmax(q->scale / l->pool[i].scale, 0.2), 5.0);
        n++;
    }
    return n;
}

/* The features of one candidate by phase and by state, or -1. */
static int by_phase(int c)
{
    return c == AUTOREG  ? F_AUTOREG_PHASE
           : c == DAY_1  ? F_DAY_PHASE
           : c == MIDDLE ? F_MIDDLE_PHASE
                         : -1;
}

static void judge_candidates(const struct lesson *l, const struct origin *q,
                             double limit, struct verdict *out)
{
    double x[POOL], w[POOL], phase[POOL], near[POOL];
    double top = 0.0, all = 0.0, least = INFINITY;

    out->best = -1;
    for (int c = 0; c < PASSAGE_CANDIDATES; c++) {
        double mean, blur, size = 0.0, total = 0.0;
        size_t n;
        int f = by_phase(c);

        out->size[c] = NAN;
        if (isnan(q->guess[c]))
            continue;
        n = outcomes(l, q, c, x, w, phase, near);
        if (n < POOL_LEAST)
            continue;
        for (size_t i = 0; i < n; i++) {
            size += w[i] * fabs(x[i] - q->guess[c]);
            total += w[i];
        }
        blur = blur_of(spread_of(x, n, &mean), n);
        out->size[c] = size / total;
        out->x[c] = logit(tail(x, w, n, blur, limit));
        if (f >= 0) {
            out->x[f] = logit(tail(x, phase, n, blur, limit));
            out->x[f + 1] = logit(
                tail(near, w, n, blur_of(spread_of(near, n, &mean), n), limit));
        }
        if (out->size[c] < least) {
            least = out->size[c];
            out->best = c;
        }
    }
    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (!isnan(out->size[c])) {
            double ratio = (least + 1e-9) / (out->size[c] + 1e-9);
            double trust = ratio * ratio * ratio * ratio;

            top += trust * out->x[c];
            all += trust;
        }
    out->x[F_SKILLED] = all > 0.0 ? top / all : 0.0;
    out->x[F_BEST] = out->best >= 0 ? out->x[out->best] : 0.0;
    for (int c = 0; c < PASSAGE_CANDIDATES; c++)
        if (isnan(out->size[c])) {
            int f = by_phase(c);

            out->x[c] = out->x[F_SKILLED];
            if (f >= 0)
                out->x[f] = out->x[f + 1] = out->x[F_SKILLED];
        }
}

/* What followed earlier origins, without any model: by how much the maximum
 * exceeded the value then, and how high it was; everywhere, at the same phase,
 * and where the state was alike. */
static void judge_history(const struct passage *p, const struct lesson *l,
                          const struct origin *q, double limit,
                          struct verdict *out)
{
    double rise[POOL], most[POOL], mean, spread, blur, z;
    const double *w = l->weight;
    size_t n = l->n;

    for (size_t i = 0; i < n; i++) {
        rise[i] = q->now + l->pool[i].outcome - l->pool[i].now;
        most[i] = l->pool[i].outcome;
    }
    spread = spread_of(rise, n, &mean);
    blur = blur_of(spread, n);
    out->x[F_EXCURSION] = logit(tail(rise, w, n, blur, limit));
    out->x[F_EXCURSION_PHASE] = logit(tail(rise, l->phase, n, blur, limit));
    double r2[POOL];
    for (size_t i = 0; i < n; i++)
        r2[i] = q->now + (l->pool[i].outcome - l->pool[i].now) *
                             fmin(fmax(q->scale / l->pool[i].scale, 0.2), 5.0);
    out->x[F_EXCURSION_NEAR] = logit(
        tail(r2, l->phase, n, blur_of(spread_of(r2, n, &mean), n), limit));
    z = (mean - limit) / (spread + 1e-9);
    out->x[F_NORMAL] = fmin(fmax(z, -LOGIT_MOST), LOGIT_MOST);
    spread = spread_of(most, n, &mean);
    blur = blur_of(spread, n);
    out->x[F_MAXIMA] = logit(tail(most, w, n, blur, limit));
    out->x[F_MAXIMA_PHASE] = logit(tail(most, l->phase, n, blur, limit));
    out->x[F_MAXIMA_NEAR] = logit(tail(most, l->near, n, blur, limit));
    z = (p->highest[q->at] - limit) / (spread + 1e-9);
    out->x[F_NEVER] = fmin(fmax(z, -1.0), 0.0);
    /* How far off the limit is, in usual scatter of the values themselves. */
    z = (q->now - limit) / (spread + 1e-9);
    out->x[F_SPREAD] = fmin(fmax(z, -LOGIT_MOST), LOGIT_MOST);
}

static fw_rc judge(struct passage *p, size_t o, double limit,
                   struct lesson *lesson, struct origin *q, struct verdict *out)
{
    lesson_take(p, o, lesson);
    if (lesson->n < POOL_LEAST)
        return FW_NONE;
    look(p, o, q);
    weigh(p, q, lesson);
    memset(out, 0, sizeof(*out));
    judge_candidates(lesson, q, limit, out);
    if (out->best < 0)
        return FW_NONE;
    judge_history(p, lesson, q, limit, out);
    return FW_OK;
}

fw_rc passage_features(struct passage *p, size_t o, double limit,
                       double features[PASSAGE_FEATURES])
{
    struct lesson lesson;
    struct origin q;
    struct verdict v;
    fw_rc rc = judge(p, o, limit, &lesson, &q, &v);

    if (rc == FW_OK)
        memcpy(features, v.x, sizeof(v.x));
    return rc;
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
    double e[POOL], at[3] = {0.1, 0.5, 0.9}, *to[3];
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
    if (!path_of(p, q->at, guide, p->path))
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
    struct lesson lesson;
    struct origin q;
    struct verdict v;
    double sum = passage_weight_bias;
    fw_rc rc = judge(p, o, limit, &lesson, &q, &v);

    if (rc != FW_OK)
        return rc;
    for (size_t i = 0; i < PASSAGE_FEATURES; i++)
        sum += passage_weights[i] * v.x[i];
    out->probability = 1.0 / (1.0 + exp(-sum));
    out->origins = lesson.n;
    out->guide = candidate_names[v.best];
    times(p, &lesson, &q, v.best, limit, out);
    return FW_OK;
}
