/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/ladder.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const fw_ms coarse[] = {
    FW_SECOND, FW_MINUTE,  FW_HOUR,     3 * FW_HOUR,  6 * FW_HOUR,
    FW_DAY,    7 * FW_DAY, 28 * FW_DAY, 364 * FW_DAY, 3640 * FW_DAY,
};

static const fw_ms fine[] = {
    2 * FW_SECOND,  3 * FW_SECOND,  5 * FW_SECOND,  10 * FW_SECOND,
    15 * FW_SECOND, 20 * FW_SECOND, 30 * FW_SECOND, 45 * FW_SECOND,
    2 * FW_MINUTE,  3 * FW_MINUTE,  5 * FW_MINUTE,  10 * FW_MINUTE,
    15 * FW_MINUTE, 20 * FW_MINUTE, 30 * FW_MINUTE, 45 * FW_MINUTE,
    2 * FW_HOUR,    4 * FW_HOUR,    8 * FW_HOUR,    12 * FW_HOUR,
    18 * FW_HOUR,   2 * FW_DAY,     3 * FW_DAY,     4 * FW_DAY,
    5 * FW_DAY,     10 * FW_DAY,    14 * FW_DAY,    21 * FW_DAY,
    60 * FW_DAY,    90 * FW_DAY,    120 * FW_DAY,   180 * FW_DAY,
    270 * FW_DAY,   728 * FW_DAY,   1092 * FW_DAY,  1820 * FW_DAY,
};

static void put(struct ladder *l, fw_ms horizon, enum ladder_phase phase,
                enum ladder_role role)
{
    if (l->n < LADDER_MOST)
        l->rung[l->n++] = (struct ladder_rung){horizon, phase, role};
}

void ladder_alone(fw_ms horizon, struct ladder *out)
{
    *out = (struct ladder){.rung = {{horizon, LADDER_BETWEEN, LADDER_SELF}},
                           .n = 1};
}

void ladder_make(fw_ms horizon, fw_ms least, struct ladder *out)
{
    struct ladder l = {.n = 0};
    fw_ms from = 0, to = 0;
    size_t i;

    for (i = 0; i < COUNT(coarse) && coarse[i] <= horizon; i++) {
        from = coarse[i];
        if (coarse[i] >= least || coarse[i] == horizon)
            put(&l, coarse[i], LADDER_COARSE,
                coarse[i] == horizon ? LADDER_SELF : LADDER_BELOW);
    }
    if (from == horizon) {
        *out = l;
        return;
    }
    if (i < COUNT(coarse)) {
        to = coarse[i];
        put(&l, to, LADDER_COARSE, LADDER_OVER);
    }
    l.between = true;
    for (i = 0; i < COUNT(fine) && l.between; i++) {
        if (fine[i] <= from || (fine[i] < least && fine[i] != horizon))
            continue;
        if (to != 0 && fine[i] >= to)
            break;
        put(&l, fine[i], LADDER_FINE,
            fine[i] < horizon    ? LADDER_BELOW
            : fine[i] == horizon ? LADDER_SELF
                                 : LADDER_OVER);
        if (fine[i] == horizon)
            l.between = false;
        if (fine[i] >= horizon)
            break;
    }
    if (l.between)
        put(&l, horizon, LADDER_BETWEEN, LADDER_SELF);
    *out = l;
}

/* The share of the futures behind `a`, an answer for `reach`, that have passed
 * the limit by t: on lines between what is known of the times. */
static double passed_by(const struct ladder_answer *a, double reach, double t)
{
    const double at[] = {a->p10, a->p50, a->p90};
    const double share[] = {0.1, 0.5, 0.9};
    double t0 = 0.0, p0 = 0.0;

    for (size_t i = 0; i < COUNT(at) && at[i] >= 0.0; i++) {
        if (t < at[i])
            return p0 + (share[i] - p0) * (t - t0) / (at[i] - t0);
        t0 = at[i];
        p0 = share[i];
    }
    if (!(reach > t0))
        return a->probability;
    return p0 + (a->probability - p0) * (t - t0) / (reach - t0);
}

/* A time that a rung below has stands; one that none has is not before them. */
static double time_of(double soon, double own, fw_ms passed)
{
    if (soon >= 0.0 || own < 0.0)
        return soon;
    return own > (double)passed ? own : (double)passed;
}

void ladder_times(const struct ladder_bounds *b, struct ladder_answer *answer)
{
    answer->p10 = time_of(b->soon.p10, answer->p10, b->passed);
    answer->p50 = time_of(b->soon.p50, answer->p50, b->passed);
    answer->p90 = time_of(b->soon.p90, answer->p90, b->passed);
}

void ladder_take(const struct ladder *l, size_t rung,
                 const struct ladder_answer *answer,
                 struct ladder_bounds *bounds)
{
    const struct ladder_rung *r = &l->rung[rung];
    struct ladder_answer a;

    if (answer != NULL) {
        a = *answer;
        ladder_times(bounds, &a);
    }
    if (r->role == LADDER_BELOW && answer != NULL) {
        bounds->least = a.probability;
        bounds->soon = a;
        bounds->passed = r->horizon;
    }
    if (r->role == LADDER_OVER && answer != NULL) {
        bounds->most = a.probability;
        bounds->over = a;
        bounds->reach = r->horizon;
    }
    if (l->between && rung + 2 == l->n && bounds->reach > 0) {
        double p = passed_by(&bounds->over, (double)bounds->reach,
                             (double)l->rung[rung + 1].horizon);

        bounds->least = bounds->most = ladder_within(p, bounds);
    }
}
