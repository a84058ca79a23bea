/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_short.c - crossing a limit, asked of a series too young to have been
 * wrong before.
 *
 * Two stories are simulated. In the first the values scatter about a line; in
 * the second they wander, each step adding the drift and a bit of chance (a
 * disk filled at a noisy rate). How strongly neighbouring deviations from the
 * line agree tells the two apart, and the paths are shared out accordingly. In
 * both the drift itself is known only as well as so few values allow, with
 * Student's t for an error that is itself estimated, which is what makes early
 * answers modest. Chance is resampled in blocks from what was
 * seen [Kuensch 1989], single jumps left out: one step up does not promise
 * another.
 */
#include "predict/breach/passage.h"

#include <math.h>
#include <string.h>

#include "predict/models/straight.h"
#include "predict/numeric.h"

#define PATHS 400
#define STREAM 0xd1342543de82ef95u /* from one path's numbers to the next's */
#define VALUES_MOST 512            /* newest values looked at */
#define VALUES_LEAST 5
#define JUMP 6.0         /* robust deviations that make a step a jump */
#define JUMPS_MOST 0.05  /* share of steps; more of them are a way of life */
#define AGREE 4.0        /* standard errors within which two drifts are one */
#define END 5            /* newest values that must lie near the line */
#define SAME_SCATTER 3.0 /* a whole scatters this much more than its piece */

struct story {
    struct numeric_line line;
    double newest;
    double *rest;  /* deviations from the line */
    double *steps; /* changes from value to value, less their mean */
    size_t n, step_count, block;
    double drift, drift_se; /* of the wandering story */
    double freedom;         /* degrees of it behind drift_se */
    double wander;          /* share of paths that wander */
};

/* Blocks of chance, by where they begin; what lies behind the last value is
 * before the first. */
struct blocks {
    const double *chance;
    double *sum;  /* what a block adds in all */
    double *most; /* the most that is added by then, at any of its steps */
    size_t n, length;
    bool adds; /* false: a deviation is gone with its step */
};

/* Leaves out rare jumps; the mean of what remains is the drift. */
static void steps_of(struct story *s, const double *y, size_t n, double *work)
{
    double centre, spread, sum = 0.0, ss = 0.0, blocks = 0.0;
    size_t jumps = 0, kept = 0;

    for (size_t i = 1; i < n; i++)
        work[i - 1] = s->steps[i - 1] = y[i] - y[i - 1];
    centre = numeric_median(work, n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        work[i] = fabs(s->steps[i] - centre);
    spread = 1.4826 * numeric_median(work, n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        jumps += fabs(s->steps[i] - centre) > JUMP * spread;
    if ((double)jumps > fmax(1.0, JUMPS_MOST * (double)(n - 1)))
        spread = INFINITY;
    for (size_t i = 0; i + 1 < n; i++)
        if (fabs(s->steps[i] - centre) <= JUMP * spread)
            s->steps[kept++] = s->steps[i];
    s->step_count = kept;
    for (size_t i = 0; i < kept; i++)
        sum += s->steps[i];
    s->drift = sum / (double)kept;
    for (size_t i = 0; i < kept; i++)
        s->steps[i] -= s->drift;
    /* The error of the drift from sums over blocks, since steps are related
     * to their neighbours. */
    for (size_t i = 0; i + s->block <= kept; i++) {
        double b = 0.0;

        for (size_t j = 0; j < s->block; j++)
            b += s->steps[i + j];
        ss += b * b / (double)s->block;
        blocks += 1.0;
    }
    /* The mean was taken from the same steps, which costs a degree. */
    s->freedom = fmax(blocks - 1.0, 2.0);
    s->drift_se =
        blocks > 0.0 ? sqrt(ss / fmax(blocks - 1.0, 1.0) / (double)kept) : 0.0;
}

static fw_rc tell(const double *y, size_t n, struct fw_arena *arena,
                  struct story *s)
{
    double *work = fw_arena_alloc(arena, n * sizeof(double));
    double xx = 0.0, xy = 0.0, rho;
    fw_rc rc;

    s->rest = fw_arena_alloc(arena, n * sizeof(double));
    s->steps = fw_arena_alloc(arena, n * sizeof(double));
    if (work == NULL || s->rest == NULL || s->steps == NULL)
        return FW_ENOMEM;
    rc = line_fit(y, 0, n, &s->line);
    if (rc != FW_OK)
        return rc;
    s->n = n;
    s->newest = y[n - 1];
    s->block = (size_t)fmax(1.0, sqrt((double)n) / 2.0);
    for (size_t i = 0; i < n; i++) {
        s->rest[i] = y[i] - s->line.level -
                     s->line.slope * ((double)i - (double)(n - 1));
        if (i > 0) {
            xx += s->rest[i - 1] * s->rest[i - 1];
            xy += s->rest[i - 1] * s->rest[i];
        }
    }
    steps_of(s, y, n, work);
    /* Lag-1 autocorrelation, its small-sample bias (1 + 3 rho)/n put back
     * [Kendall 1954]; below a half it is noise about a line. */
    rho = xx > 0.0 ? xy / xx : 0.0;
    rho += (1.0 + 3.0 * rho) / (double)n;
    s->wander = fmin(fmax((rho - 0.3) / 0.4, 0.0), 1.0);
    /* Related deviations tell less about the slope than free ones. */
    rho = fmin(fmax(rho, 0.0), 0.9);
    s->line.slope_se *= sqrt((1.0 + rho) / (1.0 - rho));
    return FW_OK;
}

static fw_rc cut_blocks(const struct story *s, bool wander,
                        struct fw_arena *arena, struct blocks *b)
{
    b->chance = wander ? s->steps : s->rest;
    b->n = wander ? s->step_count : s->n;
    b->length = s->block;
    b->adds = wander;
    b->sum = fw_arena_alloc(arena, b->n * sizeof(double));
    b->most = fw_arena_alloc(arena, b->n * sizeof(double));
    if (b->sum == NULL || b->most == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < b->n; i++) {
        double sum = 0.0, most = -INFINITY;

        for (size_t j = 0; j < b->length; j++) {
            double chance = b->chance[(i + j) % b->n];

            sum = wander ? sum + chance : chance;
            most = sum > most ? sum : most;
        }
        b->sum[i] = wander ? sum : 0.0;
        b->most[i] = most;
    }
    return FW_OK;
}

/* SplitMix64 [Steele, Lea & Flood 2014]: a stream of its own for each path. */
static inline size_t draw(uint64_t *state, size_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (size_t)((z >> 32) * n >> 32);
}

/* The step within the block that begins at `at` at which v gets above the
 * limit; 0 if none of `steps` does. */
static size_t step_above(const struct blocks *b, size_t at, double v,
                         double rate, size_t steps, double limit)
{
    double sum = 0.0;

    for (size_t j = 0; j < steps; j++) {
        double chance = b->chance[at];

        sum = b->adds ? sum + chance : chance;
        if (v + rate * (double)(j + 1) + sum > limit)
            return j + 1;
        at = at + 1 == b->n ? 0 : at + 1;
    }
    return 0;
}

/*
 * One future; returns the first step above the limit, or 0. Its path is the
 * same whatever the limit, so a higher one is never likelier; it goes block by
 * block, and only a block that might pass the limit is looked into.
 */
static size_t live(const struct blocks *b, double v, double rate, uint64_t seed,
                   size_t h, double limit)
{
    double climb = (rate > 0.0 ? rate : 0.0) * (double)b->length;

    for (size_t k = 0; k < h; k += b->length) {
        size_t at = draw(&seed, b->n), left = h - k;

        if (v + b->most[at] + climb > limit) {
            size_t step = step_above(
                b, at, v, rate, left < b->length ? left : b->length, limit);

            if (step > 0)
                return k + step;
        }
        v += b->sum[at] + rate * (double)b->length;
    }
    return 0;
}

/* A rate as likely as any other that such a story may have. */
static double rate_of(const struct story *s, bool wander,
                      struct numeric_rng *rng)
{
    if (wander)
        return s->drift + s->drift_se * numeric_rng_student(rng, s->freedom);
    return s->line.slope +
           s->line.slope_se *
               numeric_rng_student(rng, fmax((double)s->n - 2.0, 2.0));
}

/*
 * Is the whole history one story with its newest piece? The drifts then agree
 * within their errors, the whole scatters no more than a wandering series of
 * its length does, and it ends near its own line. A walk looks straight for a
 * while by chance; its newest piece alone would be believed too readily.
 */
static bool agree(const struct story *whole, const struct story *piece)
{
    double se = hypot(whole->drift_se, piece->drift_se), end[END];
    double length = sqrt((double)whole->n / (double)piece->n);

    for (size_t i = 0; i < END; i++)
        end[i] = whole->rest[whole->n - 1 - i];
    return fabs(whole->drift - piece->drift) <= AGREE * se &&
           whole->line.sigma <= SAME_SCATTER * length * piece->line.sigma &&
           fabs(numeric_median(end, END)) <= AGREE * whole->line.sigma;
}

fw_rc passage_short(const double *y, size_t start, size_t o, size_t h,
                    double limit, uint64_t seed,
                    const struct ladder_bounds *bounds, struct fw_arena *arena,
                    struct passage_answer *out)
{
    struct story s = {0}, piece = {0};
    struct blocks blocks[2];
    struct numeric_rng *rng;
    double when[PATHS], *at[3] = {&out->p10, &out->p50, &out->p90};
    const double share[3] = {0.1, 0.5, 0.9};
    size_t hits = 0, first = o > VALUES_MOST ? o - VALUES_MOST : 0;
    fw_rc rc;

    if (o - first < VALUES_LEAST)
        return FW_NONE;
    rc = tell(y + first, o - first, arena, &s);
    if (rc == FW_OK && start > first && o >= start + VALUES_LEAST) {
        rc = tell(y + start, o - start, arena, &piece);
        if (rc == FW_OK && !agree(&s, &piece))
            s = piece;
    }
    for (int i = 0; rc == FW_OK && i < 2; i++)
        rc = cut_blocks(&s, i == 1, arena, &blocks[i]);
    if (rc != FW_OK)
        return rc;
    rng = numeric_rng_new(seed);
    if (rng == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < PATHS; i++) {
        bool wander = (double)i < s.wander * PATHS;
        double rate = rate_of(&s, wander, rng);
        size_t k = live(&blocks[wander], wander ? s.newest : s.line.level, rate,
                        seed + i * STREAM, h, limit);

        if (k > 0)
            when[hits++] = (double)k;
    }
    numeric_rng_free(rng);
    numeric_sort(when, hits);
    /* Half a path on either side: simulation proves nothing impossible. */
    out->probability =
        ladder_within(((double)hits + 0.5) / (PATHS + 1.0), bounds);
    /* The paths that got there stand for the whole probability. */
    for (int i = 0; i < 3; i++)
        *at[i] = share[i] > out->probability ? -1.0
                 : hits == 0                 ? (double)h
                             : when[(size_t)(share[i] / out->probability *
                                             (double)(hits - 1))];
    out->origins = 0;
    out->guide = s.wander > 0.5 ? "simulated drift" : "simulated line";
    return FW_OK;
}
