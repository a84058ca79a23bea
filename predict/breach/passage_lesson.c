/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/passage_lesson.h"

#include <math.h>
#include <string.h>

#include "predict/breach/passage_guess.h"
#include "predict/breach/passage_past.h"

#define BLUR 1.2
/* Keeps divisions from zero; far below what a double of about 1 resolves as a
 * difference, since it must not matter how the values were scaled. */
#define TINY 1e-13
#define ALIKE_NEAR 3.0F   /* a third of a usual scatter off weighs half */
#define ALIKE_SHARE 4     /* of the origins, about that part is alike */
#define LATELY 12.0       /* horizons that are "a day" where there is none */
#define LATELY_LEAST 1e-4 /* older ones fade no more */
#define SCALED_MOST 5.0F  /* errors grow or shrink by this at most */
#define PHASE_NEAR 16.0F  /* errors 1/16 of a day off weigh half */
#define ANALOG_BLUR 0.3   /* of the analogs' deviation */
#define ANALOG_LEAST 0.05 /* of the week's, at the least */
#define LOGIT_MOST 6.0    /* surer than this is never said by one candidate */
#define NOTHING (-INFINITY)

/* Plain comparisons, which compile to two instructions; no NaN comes here. */
static inline float clamp(float z, float lo, float hi)
{
    z = z < lo ? lo : z;
    return z > hi ? hi : z;
}

static inline double lanes_sum(const float *v)
{
    double sum = 0.0;

    for (size_t j = 0; j < NUMERIC_LANES; j++)
        sum += (double)v[j];
    return sum;
}

static inline double lanes_most(const float *v)
{
    float most = v[0];

    for (size_t j = 1; j < NUMERIC_LANES; j++)
        most = v[j] > most ? v[j] : most;
    return (double)most;
}

/* ---- Columns ------------------------------------------------------------- */

#define COLUMNS (SAID + 5 + PASSAGE_SHAPE)

/* All of them, in the order in which they lie in memory. */
static void all_columns(struct columns *c, float **out[COLUMNS])
{
    size_t n = 0;

    for (int i = 0; i < SAID; i++)
        out[n++] = &c->off[i];
    out[n++] = &c->outcome;
    out[n++] = &c->scale;
    out[n++] = &c->place;
    out[n++] = &c->level;
    out[n++] = &c->now;
    for (int i = 0; i < PASSAGE_SHAPE; i++)
        out[n++] = &c->shape[i];
}

fw_rc lesson_room(struct passage *p, struct fw_arena *arena)
{
    struct columns *c = &p->columns;
    float **all[COLUMNS], *at;
    double w = 1.0, fade = exp(-1.0 / LESSON_FADES);
    size_t each;

    c->room =
        p->pool_count < 2 * PASSAGE_POOL ? p->pool_count : 2 * PASSAGE_POOL;
    each = c->room + NUMERIC_LANES;
    at = fw_arena_calloc(arena, COLUMNS * each, sizeof(*at));
    if (at == NULL)
        return FW_ENOMEM;
    all_columns(c, all);
    for (size_t i = 0; i < COLUMNS; i++, at += each)
        *all[i] = at;
    for (size_t i = PASSAGE_POOL; i-- > 0; w *= fade)
        p->age[i] = (float)w;
    for (size_t i = 0; i < LESSON_ROOM; i++)
        p->ones[i] = 1.0F;
    return FW_OK;
}

static void columns_shift(struct columns *c, size_t by)
{
    float **all[COLUMNS];

    all_columns(c, all);
    for (size_t i = 0; i < COLUMNS; i++)
        memmove(*all[i], *all[i] + by,
                (c->to - c->from - by) * sizeof(**all[i]));
    c->from += by;
}

double lesson_said(const struct origin *o, int c)
{
    return c == SAID_STAYS ? o->now : o->guess[c];
}

double lesson_from(const struct passage *p, double v)
{
    return v - p->y[0];
}

static void lay(struct passage *p, size_t i)
{
    struct columns *c = &p->columns;
    const struct origin *o = &p->pool[i];
    size_t at = i - c->from;

    for (int k = 0; k < SAID; k++) {
        double said = lesson_said(o, k);

        c->off[k][at] = isnan(said) ? NOTHING : (float)(o->outcome - said);
        if (isnan(said))
            c->silent[k] = i + 1;
    }
    c->outcome[at] = (float)lesson_from(p, o->outcome);
    c->scale[at] = (float)o->scale;
    c->level[at] = (float)lesson_from(p, o->level);
    c->now[at] = (float)lesson_from(p, o->now);
    c->place[at] = p->day > 0 ? (float)(o->at % p->day) : 0.0F;
    for (int k = 0; k < PASSAGE_SHAPE; k++)
        c->shape[k][at] = (float)o->shape[k];
}

/* Origins come in rising order mostly: then only the new ones are laid on. */
static void columns_hold(struct passage *p, size_t first, size_t end)
{
    struct columns *c = &p->columns;

    if (first < c->from || first > c->to || end < c->to) {
        memset(c->silent, 0, sizeof(c->silent));
        c->from = c->to = first;
    } else if (end - c->from > c->room) {
        columns_shift(c, first - c->from);
    }
    for (; c->to < end; c->to++)
        lay(p, c->to);
}

/* ---- What is the same for all questions ---------------------------------- */

/* Where c said something; evenly chosen, at most NUMERIC_FEW. */
static void choose_samples(const struct passage *p, int c, struct known *k)
{
    const struct lesson *l = &p->lesson;
    const float *off = lesson_column(&p->columns, l, p->columns.off[c]);
    uint16_t at[PASSAGE_POOL];
    size_t every;

    k->n = k->samples = 0;
    for (size_t i = 0; i < l->n; i++) {
        at[k->n] = (uint16_t)i;
        k->n += off[i] > NOTHING ? 1 : 0;
    }
    every = k->n / NUMERIC_FEW + 1;
    for (size_t i = 0; i < k->n; i += every)
        k->sample[k->samples++] = at[i];
}

/* A quantile of one column of a sorted block (type 7, as elsewhere). */
static double block_quantile(int32_t v[NUMERIC_FEW][NUMERIC_LANES],
                             size_t column, size_t n, double q)
{
    double pos = q * (double)(n - 1), x;
    size_t lo = (size_t)pos;

    x = (double)numeric_value(v[lo][column]);
    if (lo + 1 == n)
        return x;
    return x +
           (pos - (double)lo) * ((double)numeric_value(v[lo + 1][column]) - x);
}

/*
 * The spread of values whose tails may be very heavy: the range of the middle
 * half over that of a normal distribution.
 */
static double block_spread(int32_t v[NUMERIC_FEW][NUMERIC_LANES], size_t column,
                           size_t n)
{
    if (n == 0)
        return 0.0;
    return (block_quantile(v, column, n, 0.75) -
            block_quantile(v, column, n, 0.25)) /
           1.349;
}

static void fill_column(int32_t v[NUMERIC_FEW][NUMERIC_LANES], size_t column,
                        const float *x, const float *times,
                        const struct known *k)
{
    for (size_t i = 0; i < k->samples; i++) {
        size_t at = k->sample[i];

        v[i][column] = numeric_key(times != NULL ? x[at] * times[at] : x[at]);
    }
    for (size_t i = k->samples; i < NUMERIC_FEW; i++)
        v[i][column] = INT32_MAX;
}

/* Blur of a distribution known from n values [Silverman 1986, eq. 3.31],
 * doubled since ours is a box. */
static double blur_of(size_t n)
{
    return BLUR * pow((double)n + 1.0, -0.2);
}

static double bend(const struct lesson *l, double v)
{
    double x = (v - l->usual) * l->per_width;

    return copysign(sqrt(1.0 + 2.0 * fabs(x)) - 1.0, x);
}

static inline float bent(float v, float usual, float per_width)
{
    float x = (v - usual) * per_width;

    return copysignf(sqrtf(1.0F + 2.0F * fabsf(x)) - 1.0F, x);
}

NUMERIC_WIDE
static void bend_values(const struct lesson *l, const float *v,
                        float *restrict out)
{
    const float usual = (float)l->usual, per_width = (float)l->per_width;

    for (size_t i = 0; i < l->n; i += NUMERIC_LANES)
        for (size_t j = i; j < i + NUMERIC_LANES; j++)
            out[j] = bent(v[j], usual, per_width);
}

/* Where nothing was said, nothing comes out. */
NUMERIC_WIDE
static void bend_errors(const struct lesson *l, const float *outcome,
                        const float *bent_outcome, const float *off,
                        float *restrict out)
{
    const float usual = (float)l->usual, per_width = (float)l->per_width;

    for (size_t i = 0; i < l->n; i += NUMERIC_LANES)
        for (size_t j = i; j < i + NUMERIC_LANES; j++)
            out[j] =
                bent_outcome[j] - bent(outcome[j] - off[j], usual, per_width);
}

/* The usual level and how it scatters, by the sorted column of levels. */
static void find_usual(struct lesson *l, const float *level,
                       int32_t v[NUMERIC_FEW][NUMERIC_LANES], size_t column)
{
    size_t n = l->known[SAID_STAYS].samples;
    double width = block_spread(v, column, n);

    l->usual = block_quantile(v, column, n, 0.5);
    if (!(width > 0.0)) /* more than half are alike: the mean deviation */
        for (size_t i = 0; i < l->n; i++)
            width += fabs((double)level[i] - l->usual) / (double)l->n;
    l->per_width = 1.0 / (width + TINY);
}

static void bend_all(struct passage *p)
{
    struct lesson *l = &p->lesson;
    const struct columns *c = &p->columns;
    const float *outcome = lesson_column(c, l, c->outcome);
    float bent_outcome[LESSON_ROOM];

    bend_values(l, lesson_column(c, l, c->level), l->level);
    bend_values(l, lesson_column(c, l, c->now), l->now);
    bend_values(l, outcome, bent_outcome);
    for (int i = 0; i < SAID; i++)
        bend_errors(l, outcome, bent_outcome, lesson_column(c, l, c->off[i]),
                    l->bent[i]);
}

/* Spreads of the errors, of the outcomes and the levels; and then, by these,
 * of the errors on the bent scale. */
static void learn_spreads(struct passage *p)
{
    struct lesson *l = &p->lesson;
    const struct columns *c = &p->columns;
    const float *level = lesson_column(c, l, c->level);
    struct known *known = l->known, *every = &known[SAID_STAYS];
    int32_t v[2][NUMERIC_FEW][NUMERIC_LANES];
    const size_t outcomes = SAID, levels = SAID + 1;

#define AT(column) v[(column) / NUMERIC_LANES], (column) % NUMERIC_LANES
    for (size_t i = 0; i < SAID; i++)
        fill_column(AT(i), lesson_column(c, l, c->off[i]), NULL, &known[i]);
    fill_column(AT(outcomes), lesson_column(c, l, c->outcome), NULL, every);
    fill_column(AT(levels), level, NULL, every);
    numeric_sort_beside(v[0]);
    numeric_sort_beside(v[1]);
    for (size_t i = 0; i < SAID; i++)
        known[i].blur =
            known[i].all * block_spread(AT(i), known[i].samples) + TINY;
    l->outcomes = block_spread(AT(outcomes), every->samples);
    find_usual(l, level, AT(levels));
    bend_all(p);
    for (size_t i = 0; i < SAID; i++)
        fill_column(AT(i), l->bent[i], NULL, &known[i]);
    numeric_sort_beside(v[0]);
    numeric_sort_beside(v[1]);
    for (size_t i = 0; i < SAID; i++)
        known[i].bent = block_spread(AT(i), known[i].samples);
#undef AT
}

/* How large the errors of c are, and the weights behind that. */
NUMERIC_WIDE
static void learn_size(const float *off, const float *w, size_t n,
                       struct known *out)
{
    float size[NUMERIC_LANES] = {0}, sum[NUMERIC_LANES] = {0};
    float most[NUMERIC_LANES] = {0};

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++) {
            float e = off[i + j], on = e > NOTHING ? w[i + j] : 0.0F;

            e = e > NOTHING ? fabsf(e) : 0.0F;
            size[j] += on * e;
            sum[j] += on;
            most[j] = on > most[j] ? on : most[j];
        }
    out->weight = lanes_sum(sum);
    out->most = lanes_most(most);
    out->size = lanes_sum(size) / out->weight;
}

/* How much each origin counts as one of the last day or so; zeros behind. */
static void day_weights(const struct passage *p, float *out)
{
    const struct lesson *l = &p->lesson;
    double day = p->day > 0 ? (double)p->day : LATELY * (double)p->h;
    double once = exp(-(double)p->stride / day), w = 1.0;
    size_t at = l->pool[l->n - 1].at;

    memset(out + l->n, 0, NUMERIC_LANES * sizeof(*out));
    for (size_t i = l->n; i-- > 0;) {
        for (; at >= l->pool[i].at + p->stride && w > LATELY_LEAST;
             at -= p->stride)
            w *= once;
        at = l->pool[i].at;
        out[i] = (float)w;
    }
}

/* The mean of weighted errors, where there are any. */
NUMERIC_WIDE
static double mean_error(const float *off, const float *w, size_t n)
{
    float up[NUMERIC_LANES] = {0}, sum[NUMERIC_LANES] = {0};

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++) {
            float e = off[i + j], on = e > NOTHING ? w[i + j] : 0.0F;

            e = e > NOTHING ? e : 0.0F;
            up[j] += on * e;
            sum[j] += on;
        }
    return lanes_sum(up) / (lanes_sum(sum) + TINY);
}

/*
 * The mean error of a candidate within the last day or so, in its usual
 * errors: what was too low yesterday is so today.
 */
static double off_lately(const struct passage *p, int c, const float *day)
{
    const struct lesson *l = &p->lesson;
    const float *off = lesson_column(&p->columns, l, p->columns.off[c]);

    if (l->known[c].n == 0)
        return 0.0;
    return asinh(mean_error(off, day, l->n) / (l->known[c].size + TINY));
}

/* The largest of what rose or fell. */
NUMERIC_WIDE
static double largest_size(const float *off, const float *w, size_t n)
{
    float most[NUMERIC_LANES] = {0};

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++) {
            float size = w[i + j] > 0.0F ? fabsf(off[i + j]) : 0.0F;

            most[j] = size > most[j] ? size : most[j];
        }
    return lanes_most(most);
}

static void learn(struct passage *p)
{
    static const int recent[] = {SAID_STAYS, AUTOREG, MIDDLE, DAY_1};
    struct lesson *l = &p->lesson;
    const struct columns *c = &p->columns;
    const float *stays = lesson_column(c, l, c->off[SAID_STAYS]);
    double all = blur_of(l->n), few = blur_of(l->n / ALIKE_SHARE);
    float day[LESSON_ROOM];

    l->age = p->age + (PASSAGE_POOL - l->n);
    for (int i = SAID; i-- > 0;) {
        struct known *k = &l->known[i];
        bool some = c->silent[i] > l->first;

        if (some || i == SAID_STAYS) {
            choose_samples(p, i, k);
        } else {
            k->n = l->n;
            k->samples = l->known[SAID_STAYS].samples;
            memcpy(k->sample, l->known[SAID_STAYS].sample, sizeof(k->sample));
        }
        k->all = k->n == l->n ? all : blur_of(k->n);
        k->few = k->n == l->n ? few : blur_of(k->n / ALIKE_SHARE);
        learn_size(lesson_column(c, l, c->off[i]), l->age, l->n, k);
        k->lately = 0.0;
    }
    learn_spreads(p);
    day_weights(p, day);
    for (size_t i = 0; i < sizeof(recent) / sizeof(*recent); i++)
        l->known[recent[i]].lately = off_lately(p, recent[i], day);
    l->climb = largest_size(stays, l->age, l->n) + TINY;
    past_learn(p);
}

void lesson_take(struct passage *p, size_t o)
{
    struct lesson *l = &p->lesson;
    size_t lo = 0, hi = p->pool_count, n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (p->pool[mid].at + p->h <= o)
            lo = mid + 1;
        else
            hi = mid;
    }
    n = lo < PASSAGE_POOL ? lo : PASSAGE_POOL;
    if (l->pool != NULL && l->n == n && l->first == lo - n)
        return;
    l->n = n;
    l->first = lo - n;
    l->pool = p->pool + l->first;
    if (n < POOL_LEAST)
        return;
    columns_hold(p, l->first, lo);
    learn(p);
}

/* ---- The question at hand ------------------------------------------------ */

struct today {
    float place, day, scale, level, now;
};

/*
 * Weights of the earlier origins at the same phase of the day, how much more
 * scattered today is than they were, and weights of those that were like today
 * in level, value and scatter.
 */
NUMERIC_WIDE
static void weigh(const struct columns *c, struct lesson *l,
                  const struct today *q)
{
    const float *place = lesson_column(c, l, c->place);
    const float *scale = lesson_column(c, l, c->scale);
    const float *level = l->level, *now = l->now, *age = l->age;
    const float today = q->place, day = q->day, per_day = 1.0F / q->day;
    const float level_now = q->level, value_now = q->now, wide = q->scale;
    float *restrict phase = l->phase.of, *restrict alike = l->alike.of;
    float *restrict ratio = l->ratio, *restrict apart = l->apart;

    for (size_t i = 0; i < l->n; i += NUMERIC_LANES)
        for (size_t j = i; j < i + NUMERIC_LANES; j++) {
            float d = fabsf(place[j] - today), e, r, u, v, w;

            d = (d < day - d ? d : day - d) * per_day;
            apart[j] = d;
            e = PHASE_NEAR * d * (PHASE_NEAR * d);
            w = age[j] / (1.0F + e * e);
            phase[j] = w;
            r = clamp(wide / scale[j], 1.0F / SCALED_MOST, SCALED_MOST);
            ratio[j] = r;
            r = (r > 1.0F ? r : 1.0F / r) - 1.0F;
            u = ALIKE_NEAR * (level[j] - level_now);
            v = ALIKE_NEAR * (now[j] - value_now);
            alike[j] = sqrtf(w) / (1.0F + u * u + v * v + r * r);
        }
}

NUMERIC_WIDE
static void sum_up(const float *w, size_t n, struct weights *out)
{
    float sum[NUMERIC_LANES] = {0}, most[NUMERIC_LANES] = {0};

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++) {
            sum[j] += w[i + j];
            most[j] = w[i + j] > most[j] ? w[i + j] : most[j];
        }
    out->sum = lanes_sum(sum);
    out->most = lanes_most(most);
}

void lesson_sum(const struct lesson *l, struct weights *w)
{
    sum_up(w->of, l->n, w);
}

void lesson_weigh(struct passage *p, const struct origin *q)
{
    struct lesson *l = &p->lesson;
    struct today today = {p->day > 0 ? (float)(q->at % p->day) : 0.0F,
                          p->day > 0 ? (float)p->day : 1.0F, (float)q->scale,
                          (float)bend(l, lesson_from(p, q->level)),
                          (float)bend(l, lesson_from(p, q->now))};

    weigh(&p->columns, l, &today);
    lesson_sum(l, &l->phase);
    lesson_sum(l, &l->alike);
}

/* ---- Tails --------------------------------------------------------------- */

static double logit(double p)
{
    return fmin(fmax(log(p / (1.0 - p)), -LOGIT_MOST), LOGIT_MOST);
}

/* Weight of x[i], or of x[i] * times[i], above the distance d; each x blurred
 * over +-blur. */
NUMERIC_WIDE
static double above(const float *x, const float *w, size_t n, double blur,
                    double d)
{
    float sum[NUMERIC_LANES] = {0}, slope = (float)(0.5 / blur);
    float at = (float)d;

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++)
            sum[j] +=
                w[i + j] * clamp(slope * (x[i + j] - at) + 0.5F, 0.0F, 1.0F);
    return lanes_sum(sum);
}

NUMERIC_WIDE
static double above_scaled(const float *x, const float *times, const float *w,
                           size_t n, double blur, double d)
{
    float sum[NUMERIC_LANES] = {0}, slope = (float)(0.5 / blur);
    float at = (float)d;

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++)
            sum[j] +=
                w[i + j] * clamp(slope * (x[i + j] * times[i + j] - at) + 0.5F,
                                 0.0F, 1.0F);
    return lanes_sum(sum);
}

/* As log odds, with half of the weightiest outcome added on either side so
 * that nothing is impossible. */
static double tail(double over, double sum, double most)
{
    if (!(sum > 0.0))
        return logit(0.5);
    return logit((over + 0.25 * most) / (sum + 0.5 * most));
}

/* Sum and largest of the weights at which c said something. */
struct some {
    double sum, most;
};

static struct some weights_for(const struct passage *p, int c,
                               const struct weights *w)
{
    const struct lesson *l = &p->lesson;
    const float *off = lesson_column(&p->columns, l, p->columns.off[c]);
    struct known k;

    if (l->known[c].n == l->n)
        return (struct some){w->sum, w->most};
    learn_size(off, w->of, l->n, &k);
    return (struct some){k.weight, k.most};
}

double lesson_tail(const struct passage *p, const struct origin *q, int c,
                   double limit)
{
    const struct lesson *l = &p->lesson;
    const struct known *k = &l->known[c];
    const float *off = lesson_column(&p->columns, l, p->columns.off[c]);

    return tail(above(off, l->age, l->n, k->blur, limit - lesson_said(q, c)),
                k->weight, k->most);
}

double lesson_scaled(const struct passage *p, const struct origin *q, int c,
                     double spread, double limit)
{
    const struct lesson *l = &p->lesson;
    const float *off = lesson_column(&p->columns, l, p->columns.off[c]);
    struct some s = weights_for(p, c, &l->phase);

    return tail(above_scaled(off, l->ratio, l->phase.of, l->n,
                             l->known[c].all * spread + TINY,
                             limit - lesson_said(q, c)),
                s.sum, s.most);
}

static double bent_tail(const struct passage *p, const struct origin *q, int c,
                        const struct weights *w, double blur, double limit)
{
    const struct lesson *l = &p->lesson;
    double d = bend(l, lesson_from(p, limit)) -
               bend(l, lesson_from(p, lesson_said(q, c)));
    struct some s = weights_for(p, c, w);

    return tail(
        above(l->bent[c], w->of, l->n, blur * l->known[c].bent + TINY, d),
        s.sum, s.most);
}

double lesson_alike(const struct passage *p, const struct origin *q, int c,
                    double limit)
{
    return bent_tail(p, q, c, &p->lesson.alike, p->lesson.known[c].few, limit);
}

double lesson_phase(const struct passage *p, const struct origin *q, int c,
                    double limit)
{
    return bent_tail(p, q, c, &p->lesson.phase, p->lesson.known[c].all, limit);
}

void lesson_scaled_spreads(const struct passage *p, const int *which,
                           size_t count, double *out)
{
    const struct lesson *l = &p->lesson;
    int32_t v[NUMERIC_FEW][NUMERIC_LANES];

    for (size_t from = 0; from < count; from += NUMERIC_LANES) {
        size_t to = from + NUMERIC_LANES;

        to = to < count ? to : count;
        for (size_t i = from; i < to; i++)
            fill_column(v, i - from,
                        lesson_column(&p->columns, l, p->columns.off[which[i]]),
                        l->ratio, &l->known[which[i]]);
        numeric_sort_beside(v);
        for (size_t i = from; i < to; i++)
            out[i] = block_spread(v, i - from, l->known[which[i]].samples);
    }
}

double lesson_outcomes(const struct passage *p, const struct weights *w,
                       double blur, double limit)
{
    const struct lesson *l = &p->lesson;
    const float *outcome = lesson_column(&p->columns, l, p->columns.outcome);
    const struct known *k = &l->known[SAID_STAYS];

    blur += TINY;
    limit = lesson_from(p, limit);
    if (w == NULL)
        return tail(above(outcome, l->age, l->n, blur, limit), k->weight,
                    k->most);
    return tail(above(outcome, w->of, l->n, blur, limit), w->sum, w->most);
}

/* The deviation of weighted x * times; about `middle`, so that no digits are
 * lost. */
NUMERIC_WIDE
static double deviation(const float *x, const float *times, const float *w,
                        size_t n, float middle)
{
    float sum[NUMERIC_LANES] = {0}, sq[NUMERIC_LANES] = {0};
    float all[NUMERIC_LANES] = {0};
    double mean, weight;

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++) {
            float e = x[i + j] * times[i + j] - middle;

            sum[j] += w[i + j] * e;
            sq[j] += w[i + j] * e * e;
            all[j] += w[i + j];
        }
    weight = lanes_sum(all);
    mean = lanes_sum(sum) / weight;
    return sqrt(fmax(lanes_sum(sq) / weight - mean * mean, 0.0));
}

double lesson_analogs(const struct passage *p, const struct origin *q,
                      bool scaled, double least, double limit)
{
    const struct lesson *l = &p->lesson;
    const float *off =
        lesson_column(&p->columns, l, p->columns.off[SAID_STAYS]);
    const float *times = scaled ? l->ratio : p->ones, *w = l->analog.of;
    double blur = deviation(off, times, w, l->n, off[0] * times[0]);

    blur = ANALOG_BLUR * (blur + ANALOG_LEAST * least) + TINY;
    return tail(above_scaled(off, times, w, l->n, blur, limit - q->now),
                l->analog.sum, l->analog.most);
}

/* ---- The errors in their order ------------------------------------------- */

double lesson_quantile(const struct passage *p, int c, double q)
{
    const struct lesson *l = &p->lesson;
    const float *off = lesson_column(&p->columns, l, p->columns.off[c]);
    double pos = fmin(fmax(q, 0.0), 1.0) * (double)(l->known[c].n - 1);
    size_t lo = (size_t)pos;
    float at, next;

    /* Those that said nothing are the lowest. */
    at = numeric_ranked(off, l->n, lo + (l->n - l->known[c].n), &next);
    return (double)at + (pos - (double)lo) * ((double)next - (double)at);
}

double lesson_above(const struct passage *p, int c, double e)
{
    const struct lesson *l = &p->lesson;
    const float *off = lesson_column(&p->columns, l, p->columns.off[c]);
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        n += (double)off[i] > e ? 1 : 0;
    return (double)n / (double)l->known[c].n;
}
