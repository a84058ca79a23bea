/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fn_math.c - functions of single values: of vectors, and those of scalars. */
#include <math.h>

#include "query/eval/eval.h"
#include "query/eval/labelset.h"
#include "query/functions/functions.h"

/* ---- One value at a time ------------------------------------------------- */

struct map {
    struct sink sink;
    struct sink *next;
    size_t steps;
    double (*of)(double);
};

static fw_rc map_row(struct sink *sink, struct row *row)
{
    struct map *m = (struct map *)sink;

    for (size_t i = 0; i < m->steps; i++) {
        if (!is_absent(row->v[i]))
            row->v[i] = m->of(row->v[i]);
    }
    return m->next->take(m->next, row);
}

fw_rc call_map(struct eval *ev, const struct node *call,
               const struct grid *grid, struct sink *sink)
{
    struct unnamer u;
    struct map map = {{map_row}, &u.sink, grid->count, call->function->map};

    unnamer_init(&u, ev, call->args[0], grid, false, sink);
    return unnamer_finish(&u, eval_vector(ev, call->args[0], grid, &map.sink));
}

/* ---- clamp, round: with scalars per step --------------------------------- */

/*
 * Go's math.Min and math.Max: the extreme infinity wins, else any NaN does, and
 * -0 is less than 0.
 */
static double least(double a, double b)
{
    if (a == -INFINITY || b == -INFINITY)
        return -INFINITY;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? a : b;
    return a < b ? a : b;
}

static double most(double a, double b)
{
    if (a == INFINITY || b == INFINITY)
        return INFINITY;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? b : a;
    return a > b ? a : b;
}

struct clamp {
    struct sink sink;
    struct sink *next;
    size_t steps;
    const double *low, *high; /* per step; NULL: no bound */
};

static fw_rc clamp_row(struct sink *sink, struct row *row)
{
    struct clamp *c = (struct clamp *)sink;

    for (size_t i = 0; i < c->steps; i++) {
        double low = c->low != NULL ? c->low[i] : -INFINITY;
        double high = c->high != NULL ? c->high[i] : INFINITY;

        if (is_absent(row->v[i]))
            continue;
        row->v[i] = high < low ? absent() : most(low, least(high, row->v[i]));
    }
    if (row_is_empty(row->v, c->steps))
        return FW_OK;
    return c->next->take(c->next, row);
}

static fw_rc clamp_between(struct eval *ev, const struct node *call,
                           const struct node *low, const struct node *high,
                           const struct grid *grid, struct sink *sink)
{
    struct unnamer u;
    struct clamp clamp = {{clamp_row}, &u.sink, grid->count, NULL, NULL};
    double *lows = NULL;
    double *highs = NULL;
    fw_rc rc = FW_OK;

    if (low != NULL)
        rc = eval_scalar_array(ev, low, grid, &lows);
    if (rc == FW_OK && high != NULL)
        rc = eval_scalar_array(ev, high, grid, &highs);
    if (rc != FW_OK)
        return rc;
    clamp.low = lows;
    clamp.high = highs;
    unnamer_init(&u, ev, call->args[0], grid, false, sink);
    return unnamer_finish(&u,
                          eval_vector(ev, call->args[0], grid, &clamp.sink));
}

fw_rc call_clamp(struct eval *ev, const struct node *call,
                 const struct grid *grid, struct sink *sink)
{
    return clamp_between(ev, call, call->args[1], call->args[2], grid, sink);
}

fw_rc call_clamp_min(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink)
{
    return clamp_between(ev, call, call->args[1], NULL, grid, sink);
}

fw_rc call_clamp_max(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink)
{
    return clamp_between(ev, call, NULL, call->args[1], grid, sink);
}

struct rounder {
    struct sink sink;
    struct sink *next;
    size_t steps;
    const double *nearest; /* per step */
};

/* Ties go up; multiplying by the inverse is what Prometheus does. */
static fw_rc round_row(struct sink *sink, struct row *row)
{
    struct rounder *r = (struct rounder *)sink;

    for (size_t i = 0; i < r->steps; i++) {
        double inverse = 1.0 / r->nearest[i];

        if (!is_absent(row->v[i]))
            row->v[i] = floor(row->v[i] * inverse + 0.5) / inverse;
    }
    return r->next->take(r->next, row);
}

fw_rc call_round(struct eval *ev, const struct node *call,
                 const struct grid *grid, struct sink *sink)
{
    struct unnamer u;
    struct rounder r = {{round_row}, &u.sink, grid->count, NULL};
    double *nearest = NULL;
    fw_rc rc = eval_array(ev, grid->count, &nearest);

    if (rc == FW_OK && call->arg_count > 1)
        rc = eval_scalar(ev, call->args[1], grid, nearest);
    else if (rc == FW_OK)
        row_fill(nearest, grid->count, 1);
    if (rc != FW_OK)
        return rc;
    r.nearest = nearest;
    unnamer_init(&u, ev, call->args[0], grid, false, sink);
    return unnamer_finish(&u, eval_vector(ev, call->args[0], grid, &r.sink));
}

/* ---- Between scalars and vectors ----------------------------------------- */

fw_rc call_vector(struct eval *ev, const struct node *call,
                  const struct grid *grid, struct sink *sink)
{
    struct row row = {{NULL, 0}, NULL};
    fw_rc rc = eval_scalar_array(ev, call->args[0], grid, &row.v);

    return rc == FW_OK ? sink->take(sink, &row) : rc;
}

struct only {
    struct sink sink;
    size_t steps;
    double *v;   /* the value, while there is one */
    bool *twice; /* more than one */
};

static fw_rc keep_only(struct sink *sink, struct row *row)
{
    struct only *o = (struct only *)sink;

    for (size_t i = 0; i < o->steps; i++) {
        if (is_absent(row->v[i]))
            continue;
        if (!is_absent(o->v[i]))
            o->twice[i] = true;
        o->v[i] = row->v[i];
    }
    return FW_OK;
}

fw_rc scalar_of_vector(struct eval *ev, const struct node *call,
                       const struct grid *grid, double *out)
{
    struct only only = {{keep_only}, grid->count, out, NULL};
    fw_rc rc;

    only.twice = fw_arena_calloc(ev->arena, grid->count, sizeof(bool));
    if (only.twice == NULL)
        return eval_no_memory(ev);
    row_fill(out, grid->count, absent());
    rc = eval_vector(ev, call->args[0], grid, &only.sink);
    for (size_t i = 0; i < grid->count; i++) {
        if (only.twice[i] || is_absent(out[i]))
            out[i] = NAN;
    }
    return rc;
}

fw_rc scalar_pi(struct eval *ev, const struct node *call,
                const struct grid *grid, double *out)
{
    (void)ev;
    (void)call;
    row_fill(out, grid->count, M_PI);
    return FW_OK;
}

/* ---- absent -------------------------------------------------------------- */

struct seen {
    struct sink sink;
    size_t steps;
    double *v; /* 1 where nothing was seen, else ABSENT */
};

static fw_rc mark_seen(struct sink *sink, struct row *row)
{
    struct seen *s = (struct seen *)sink;

    for (size_t i = 0; i < s->steps; i++) {
        if (!is_absent(row->v[i]))
            s->v[i] = absent();
    }
    return FW_OK;
}

/* How many matchers name this label, and whether all of them are `=`. */
static bool is_told_once(const struct selector *sel, size_t m)
{
    for (size_t i = 0; i < sel->count; i++) {
        if (i != m && fw_str_eq(sel->matchers[i].name, sel->matchers[m].name))
            return false;
    }
    return sel->matchers[m].op == FW_MATCH_EQUAL &&
           !fw_str_eq(sel->matchers[m].name, NAME_LABEL);
}

/* What can be said of the labels of a series that is not there. */
static fw_rc labels_of_absent(struct eval *ev, const struct node *arg,
                              struct fw_labels *out)
{
    const struct node *node = node_inside(arg);
    const struct selector *sel;

    *out = (struct fw_labels){NULL, 0};
    if (node->kind == NODE_RANGE)
        node = node->args[0];
    if (node->kind != NODE_SELECTOR)
        return FW_OK;
    sel = &node->selector;
    for (size_t i = 0; i < sel->count; i++) {
        if (is_told_once(sel, i) &&
            !labels_set(ev->arena, out, sel->matchers[i].name,
                        sel->matchers[i].value))
            return eval_no_memory(ev);
    }
    return FW_OK;
}

static fw_rc absent_where(struct eval *ev, const struct node *call,
                          const struct grid *grid, bool window,
                          struct sink *sink)
{
    struct seen seen = {{mark_seen}, grid->count, NULL};
    struct row row = {{NULL, 0}, NULL};
    fw_rc rc = eval_array(ev, grid->count, &seen.v);

    if (rc != FW_OK)
        return rc;
    row_fill(seen.v, grid->count, 1);
    rc = window ? call_window(ev, call, grid, &seen.sink)
                : eval_vector(ev, call->args[0], grid, &seen.sink);
    if (rc == FW_OK)
        rc = labels_of_absent(ev, call->args[0], &row.labels);
    if (rc != FW_OK || row_is_empty(seen.v, grid->count))
        return rc;
    row.v = seen.v;
    return sink->take(sink, &row);
}

fw_rc call_absent(struct eval *ev, const struct node *call,
                  const struct grid *grid, struct sink *sink)
{
    return absent_where(ev, call, grid, false, sink);
}

fw_rc call_absent_over_time(struct eval *ev, const struct node *call,
                            const struct grid *grid, struct sink *sink)
{
    return absent_where(ev, call, grid, true, sink);
}
