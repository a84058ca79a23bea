/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/robust.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/models/sawtooth.h"
#include "predict/models/straight.h"
#include "predict/numeric.h"
#include "predict/predict.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define LEAST_PIPELINE 24 /* samples; fewer are left to the line */
#define POINTS_MOST 480   /* a finer window is thinned out to so many */
#define POINTS_LEAST 5    /* for anything but the plain line */
#define SLOPE_SURE 2.0    /* standard errors below which a slope is none */
#define JUMP_SIZE 20.0    /* usual steps that make a jump, */
#define JUMP_KEPT 6       /* values it lasts for at the least, */
#define JUMPS_MOST 2      /* and so many in a window are exceptions */
#define KIN_MOST 0.95     /* autocorrelation that is still allowed for */
#define TEETH_AHEAD 20000 /* steps a saw is followed */
#define UNTIL_MOST 8.0    /* so many times what was seen, a line is believed */

struct window {
    double x[POINTS_MOST]; /* seconds from now */
    double y[POINTS_MOST];
    size_t n;
    double step; /* seconds */
};

/* Every k-th of the finite samples, the newest among them. */
static void take(const fw_ms *t, const double *v, size_t n, fw_ms now,
                 struct window *w)
{
    size_t finite = 0, every, skip;

    for (size_t i = 0; i < n; i++)
        finite += isfinite(v[i]) ? 1 : 0;
    w->n = 0;
    every = (finite + POINTS_MOST - 1) / POINTS_MOST;
    if (finite == 0)
        return;
    skip = (finite - 1) % every;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        skip = every - 1;
        w->x[w->n] = (double)(t[i] - now) / 1000.0;
        w->y[w->n++] = v[i];
    }
    w->step = w->n > 1 ? (w->x[w->n - 1] - w->x[0]) / (double)(w->n - 1) : 0.0;
}

/* The plain line by least squares. */
static double plain(const struct window *w, double ahead)
{
    double mx = 0.0, my = 0.0, xx = 0.0, xy = 0.0;

    for (size_t i = 0; i < w->n; i++) {
        mx += w->x[i] / (double)w->n;
        my += w->y[i] / (double)w->n;
    }
    for (size_t i = 0; i < w->n; i++) {
        xx += (w->x[i] - mx) * (w->x[i] - mx);
        xy += (w->x[i] - mx) * (w->y[i] - my);
    }
    return my + (xx > 0.0 ? xy / xx : 0.0) * (ahead - mx);
}

/* FW_NONE if it is no saw. */
static fw_rc next_teeth(const struct window *w, double ahead, double *out)
{
    size_t h =
        (size_t)fmin(ceil((ahead - w->x[w->n - 1]) / w->step), TEETH_AHEAD);
    double drop = sawtooth_drop(w->y, w->n), *path;
    struct sawtooth s;

    sawtooth_start(&s);
    for (size_t i = 0; i < w->n; i++)
        sawtooth_add(&s, w->y, i, drop);
    if (!sawtooth_holds(&s, w->n) || h == 0)
        return FW_NONE;
    path = malloc(h * sizeof(*path));
    if (path == NULL)
        return FW_ENOMEM;
    sawtooth_path(&s, w->y, w->n, h, path);
    *out = path[h - 1];
    free(path);
    return FW_OK;
}

/* Moves what lies before a rare jump to the level after it: a restart, a file
 * that was moved, is no climb. What jumps often does so by habit. */
static void level_jumps(struct window *w)
{
    double work[POINTS_MOST], before, after, usual;
    size_t at[JUMPS_MOST], count = 0;

    for (size_t i = 1; i < w->n; i++)
        work[i - 1] = fabs(w->y[i] - w->y[i - 1]);
    usual = numeric_median(work, w->n - 1);
    for (size_t i = JUMP_KEPT; i + JUMP_KEPT <= w->n; i++) {
        double jump = w->y[i] - w->y[i - 1];

        if (fabs(jump) <= JUMP_SIZE * usual + 1e-9 * fabs(w->y[i]))
            continue;
        memcpy(work, w->y + i - JUMP_KEPT, JUMP_KEPT * sizeof(*work));
        before = numeric_median(work, JUMP_KEPT);
        memcpy(work, w->y + i, JUMP_KEPT * sizeof(*work));
        after = numeric_median(work, JUMP_KEPT);
        if ((after - before) / jump < 0.7)
            continue; /* a spike */
        if (count == JUMPS_MOST)
            return;
        at[count++] = i;
    }
    for (size_t k = 0; k < count; k++) {
        double jump = w->y[at[k]] - w->y[at[k] - 1];

        for (size_t i = 0; i < at[k]; i++)
            w->y[i] += jump;
    }
}

/* By how much neighbours that resemble each other make errors larger than
 * those of as many strangers. */
static double kinship(const struct window *w, size_t from,
                      const struct numeric_line *line)
{
    double last = 0.0, xx = 0.0, xy = 0.0, rho;

    for (size_t i = from; i < w->n; i++) {
        double e = w->y[i] - line->level + line->slope * (double)(w->n - 1 - i);

        xx += e * e;
        xy += i > from ? e * last : 0.0;
        last = e;
    }
    rho = xx > 0.0 ? fmin(fmax(xy / xx, 0.0), KIN_MOST) : 0.0;
    return sqrt((1.0 + rho) / (1.0 - rho));
}

/* What the newest third says of the slope, within its error: a climb that has
 * slowed down is not what it was. */
static double slowed(const struct window *w, double slope)
{
    size_t third = w->n / 3;
    struct numeric_line now;
    double within;

    if (third < POINTS_LEAST ||
        line_fit(w->y, w->n - third, w->n, &now) != FW_OK)
        return slope;
    within = 2.0 * now.slope_se * kinship(w, w->n - third, &now);
    if (slope > 0.0)
        return fmax(fmin(slope, now.slope + within), 0.0);
    return fmin(fmax(slope, now.slope - within), 0.0);
}

/* The slope per second that is sure, of a window in which jumps have been
 * levelled; 0 where none is. FW_EINVAL where no line fits. */
static fw_rc sure_slope(struct window *w, double *level, double *slope)
{
    struct numeric_line line;

    level_jumps(w);
    if (line_fit(w->y, 0, w->n, &line) != FW_OK)
        return FW_EINVAL;
    *level = line.level;
    *slope = 0.0;
    if (fabs(line.slope) > SLOPE_SURE * line.slope_se * kinship(w, 0, &line))
        *slope = slowed(w, line.slope) / w->step;
    return FW_OK;
}

static fw_rc line_ahead(const fw_ms *t, const double *v, size_t n, fw_ms now,
                        fw_ms ahead, double *out)
{
    double seconds = (double)ahead / 1000.0, level, slope;
    struct window w;
    fw_rc rc;

    numeric_start();
    take(t, v, n, now, &w);
    if (w.n < 2)
        return FW_NONE;
    *out = plain(&w, seconds);
    if (w.n < POINTS_LEAST || !(w.step > 0.0))
        return FW_OK;
    rc = next_teeth(&w, seconds, out);
    if (rc != FW_NONE)
        return rc;
    if (sure_slope(&w, &level, &slope) == FW_OK)
        *out = level + slope * (seconds - w.x[w.n - 1]);
    return FW_OK;
}

fw_rc robust_until(const fw_ms *t, const double *v, size_t n, fw_ms now,
                   double limit, fw_ms *out)
{
    double level, slope, seconds, seen;
    struct window w;
    fw_rc rc;

    numeric_start();
    take(t, v, n, now, &w);
    if (w.n < POINTS_LEAST || !(w.step > 0.0))
        return FW_NONE;
    rc = next_teeth(&w, w.step, &level);
    if (rc != FW_NONE) /* a saw goes nowhere */
        return rc == FW_OK ? FW_NONE : rc;
    if (sure_slope(&w, &level, &slope) != FW_OK || slope == 0.0)
        return FW_NONE;
    seconds = (limit - level) / slope + w.x[w.n - 1];
    seen = w.x[w.n - 1] - w.x[0];
    if (!(seconds > 0.0) || seconds > UNTIL_MOST * seen)
        return FW_NONE;
    *out = (fw_ms)(seconds * 1000.0);
    return FW_OK;
}

/* The point of the pipeline's cheap models; FW_NONE where it cannot tell. */
static fw_rc pipeline_ahead(const fw_ms *t, const double *v, size_t n,
                            fw_ms now, fw_ms ahead, double *out)
{
    struct fw_forecast_options o = {
        .now = now, .horizon = ahead, .point_only = true};
    struct fw_arena *arena = fw_arena_new(ARENA_BYTES);
    struct fw_forecast *f = NULL;
    fw_rc rc;

    if (arena == NULL)
        return FW_ENOMEM;
    rc = fw_forecast_run(t, v, n, &o, arena, &f, NULL);
    if (rc == FW_OK && (f->verdict == FW_CANNOT_TELL || f->n == 0))
        rc = FW_NONE;
    if (rc == FW_OK)
        *out = f->point[f->n - 1];
    fw_arena_free(arena);
    return rc;
}

fw_rc robust_ahead(const fw_ms *t, const double *v, size_t n, fw_ms now,
                   fw_ms ahead, double *out)
{
    fw_rc rc = FW_NONE;

    if (ahead > 0 && n >= LEAST_PIPELINE)
        rc = pipeline_ahead(t, v, n, now, ahead, out);
    return rc == FW_OK || rc == FW_ENOMEM
               ? rc
               : line_ahead(t, v, n, now, ahead, out);
}
