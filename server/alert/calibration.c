/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/calibration.h"

#include <math.h>

#include "server/alert/record_codec.h"

#define T_CALIBRATIONS "calibrations"
#define CALIBRATION_VERSION 1
#define EDGE 1e-4 /* probabilities nearer to 0 or 1 count as this far off */
#define STEPS 25  /* of Newton's method; five are usual */

/*
 * Neighbouring predictions see much of the same future (24 of them to a
 * horizon), so each counts as a part of one. And the map must have a reason to
 * leave the identity: a prior as strong as these deviations of a and b.
 */
#define WEIGHT 0.25
#define PRIOR_A 0.5
#define PRIOR_B 1.0

void calibration_init(struct calibration *c, uint64_t definition)
{
    *c = (struct calibration){.definition = definition, .a = 1};
}

static double logit(double p)
{
    p = p < EDGE ? EDGE : p > 1 - EDGE ? 1 - EDGE : p;
    return log(p / (1 - p));
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double total(const struct calibration_grades *g)
{
    double n = 0;

    for (int i = 0; i < CALIBRATION_BINS; i++)
        n += g->n[i];
    return n;
}

/* Even steps of the logit from 0.01 to 0.99, and what lies beyond. */
static int bin_of(double p)
{
    double x = (logit(p) + 4.6) / 9.2 * CALIBRATION_BINS;

    return x < 0 ? 0 : x >= CALIBRATION_BINS ? CALIBRATION_BINS - 1 : (int)x;
}

/*
 * The most likely a and b given `g` and the prior, by Newton's method on the
 * two of them; the log-likelihood of logistic regression is concave.
 */
static void fit(struct calibration *c, const struct calibration_grades *g)
{
    double a = 1, b = 0;

    for (int step = 0; step < STEPS; step++) {
        double ga = (a - 1) / (PRIOR_A * PRIOR_A), gb = b / (PRIOR_B * PRIOR_B);
        double aa = 1 / (PRIOR_A * PRIOR_A), ab = 0,
               bb = 1 / (PRIOR_B * PRIOR_B), det, da, db;

        for (int i = 0; i < CALIBRATION_BINS; i++) {
            double x, q, w = WEIGHT * g->n[i];

            if (g->n[i] <= 0)
                continue;
            x = g->logit[i] / g->n[i];
            q = logistic(a * x + b);
            ga += w * x * (q - g->breaches[i] / g->n[i]);
            gb += w * (q - g->breaches[i] / g->n[i]);
            aa += w * q * (1 - q) * x * x;
            ab += w * q * (1 - q) * x;
            bb += w * q * (1 - q);
        }
        det = aa * bb - ab * ab;
        if (!(det > 1e-12))
            return;
        da = (bb * ga - ab * gb) / det;
        db = (aa * gb - ab * ga) / det;
        a -= da;
        b -= db;
        if (fabs(da) + fabs(db) < 1e-9)
            break;
    }
    /* A map that turned likely into unlikely would be a fault of the data. */
    if (!isfinite(a) || !isfinite(b) || a <= 0.05)
        return;
    c->a = a;
    c->b = b;
}

/* Brier score of the bins' means; `map` corrects them first. */
static double brier(const struct calibration *c,
                    const struct calibration_grades *g, bool map)
{
    double sum = 0, n = 0;

    for (int i = 0; i < CALIBRATION_BINS; i++) {
        double q;

        if (g->n[i] <= 0)
            continue;
        q = map ? logistic(c->a * g->logit[i] / g->n[i] + c->b)
                : g->p[i] / g->n[i];
        sum += g->breaches[i] * (1 - q) * (1 - q) +
               (g->n[i] - g->breaches[i]) * q * q;
        n += g->n[i];
    }
    return n > 0 ? sum / n : NAN;
}

static void merge(struct calibration *c)
{
    double share = total(&c->past) > CALIBRATION_KEEP ? 0.5 : 1;

    for (int i = 0; i < CALIBRATION_BINS; i++) {
        c->past.n[i] = share * c->past.n[i] + c->newest.n[i];
        c->past.breaches[i] =
            share * c->past.breaches[i] + c->newest.breaches[i];
        c->past.p[i] = share * c->past.p[i] + c->newest.p[i];
        c->past.logit[i] = share * c->past.logit[i] + c->newest.logit[i];
    }
    c->newest = (struct calibration_grades){{0}, {0}, {0}, {0}};
}

bool calibration_is_old_enough(const struct calibration *c)
{
    return total(&c->past) >= CALIBRATION_LEAST &&
           c->events >= CALIBRATION_EVENTS;
}

/* The map of the older grades, on the newest. */
static void try_out(struct calibration *c)
{
    if (calibration_is_old_enough(c)) {
        c->brier_raw = brier(c, &c->newest, false);
        c->brier_mapped = brier(c, &c->newest, true);
        c->in_force = c->brier_mapped < c->brier_raw;
        c->trials++;
    }
    merge(c);
    fit(c, &c->past);
}

void calibration_add(struct calibration *c, double p, bool breach,
                     fw_ms breached_at)
{
    int i = bin_of(p);

    c->newest.n[i]++;
    c->newest.p[i] += p;
    c->newest.logit[i] += logit(p);
    if (breach)
        c->newest.breaches[i]++;
    if (breach && breached_at != c->newest_breach) {
        c->newest_breach = breached_at;
        c->events++;
    }
    c->changed = true;
    if (total(&c->newest) >= CALIBRATION_BATCH)
        try_out(c);
}

double calibration_map(const struct calibration *c, double p)
{
    return c->in_force ? logistic(c->a * logit(p) + c->b) : p;
}

/* ---- in meta/ ---- */

static void put_grades(struct record_writer *w,
                       const struct calibration_grades *g)
{
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        record_put_double(w, g->n[i]);
        record_put_double(w, g->breaches[i]);
        record_put_double(w, g->p[i]);
        record_put_double(w, g->logit[i]);
    }
}

static void get_grades(struct record_reader *r, struct calibration_grades *g)
{
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        g->n[i] = record_get_double(r);
        g->breaches[i] = record_get_double(r);
        g->p[i] = record_get_double(r);
        g->logit[i] = record_get_double(r);
    }
}

fw_rc calibration_get(struct fw_txn *txn, struct fw_str key,
                      struct calibration *out, struct fw_err *err)
{
    struct calibration c = {0};
    struct record_reader r;
    struct fw_str bytes;
    fw_rc rc = fw_txn_get(txn, T_CALIBRATIONS, key, &bytes, err);

    if (rc != FW_OK)
        return rc;
    if (record_open(&r, bytes, RECORD_CALIBRATION, CALIBRATION_VERSION, NULL) !=
        FW_OK)
        return FW_NONE;
    c.definition = record_get_u64(&r);
    c.a = record_get_double(&r);
    c.b = record_get_double(&r);
    c.in_force = record_get_u8(&r) != 0;
    c.trials = record_get_u64(&r);
    c.brier_raw = record_get_double(&r);
    c.brier_mapped = record_get_double(&r);
    c.events = record_get_u64(&r);
    c.newest_breach = record_get_ms(&r);
    get_grades(&r, &c.past);
    get_grades(&r, &c.newest);
    if (record_close(&r, NULL) != FW_OK)
        return FW_NONE;
    *out = c;
    return FW_OK;
}

fw_rc calibration_put(struct fw_txn *txn, struct fw_str key,
                      const struct calibration *c, struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_CALIBRATION, CALIBRATION_VERSION);
    record_put_u64(&w, c->definition);
    record_put_double(&w, c->a);
    record_put_double(&w, c->b);
    record_put_u8(&w, c->in_force);
    record_put_u64(&w, c->trials);
    record_put_double(&w, c->brier_raw);
    record_put_double(&w, c->brier_mapped);
    record_put_u64(&w, c->events);
    record_put_ms(&w, c->newest_breach);
    put_grades(&w, &c->past);
    put_grades(&w, &c->newest);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_CALIBRATIONS, key,
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}
