/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_aggregate.c - sum, avg, min, max, count, group, stddev, stdvar: one
 * pass over the rows as they come, an accumulator per group and step.
 *
 * Sums are compensated and added in the order of the series, as in
 * Prometheus, so that they are the same to the bit.
 */
#include <math.h>
#include <stdlib.h>

#include "query/eval/group.h"
#include "query/eval/window.h"
#include "storage/base/limits.h"

/*
 * Per group, `steps` of each: value is the sum, extreme or squared distance;
 * comp its compensation, or the mean of stddev; count the points seen.
 */
struct accumulator {
    double *value;
    double *comp;
    double *count;
    bool *moving; /* avg: the sum overflowed, so value and comp are the mean */
};

struct aggregation {
    struct sink sink;
    struct eval *ev;
    const struct node *node;
    size_t steps;
    struct groups groups;
    struct accumulator *acc;
    size_t cap;
};

static fw_rc add_group(struct aggregation *a, size_t group)
{
    struct accumulator *acc;
    fw_rc rc = fw_grow(&a->acc, &a->cap, group + 1, sizeof(*a->acc),
                       FW_MAX_QUERY_SERIES);

    if (rc != FW_OK)
        return fw_err_set(a->ev->err, rc, "too many groups, or out of memory");
    acc = &a->acc[group];
    *acc = (struct accumulator){NULL, NULL, NULL, NULL};
    rc = eval_array(a->ev, a->steps, &acc->value);
    if (rc == FW_OK)
        rc = eval_array(a->ev, a->steps, &acc->comp);
    if (rc == FW_OK)
        rc = eval_array(a->ev, a->steps, &acc->count);
    if (rc == FW_OK && a->node->op == TOKEN_AVG) {
        acc->moving =
            fw_arena_calloc(a->ev->arena, a->steps, sizeof(*acc->moving));
        if (acc->moving == NULL)
            rc = eval_no_memory(a->ev);
    }
    return rc;
}

/* ---- One point ----------------------------------------------------------- */

static void add_sum(struct accumulator *acc, size_t i, double v)
{
    struct ksum k = {acc->value[i], acc->comp[i]};

    if (acc->count[i] == 0)
        k = (struct ksum){v, 0};
    else
        ksum_add(&k, v);
    acc->value[i] = k.sum;
    acc->comp[i] = k.c;
    acc->count[i]++;
}

static void add_mean(struct accumulator *acc, size_t i, double v)
{
    struct ksum k = {acc->value[i], acc->comp[i]};
    double n = acc->count[i] + 1;
    double q;

    if (n == 1 || !acc->moving[i]) {
        struct ksum next = k;

        if (n == 1)
            next = (struct ksum){v, 0};
        else
            ksum_add(&next, v);
        if (n == 1 || !isinf(next.sum)) {
            acc->value[i] = next.sum;
            acc->comp[i] = next.c;
            acc->count[i] = n;
            return;
        }
        acc->moving[i] = true;
        k.sum /= n - 1;
        k.c /= n - 1;
    }
    q = (n - 1) / n;
    k.sum *= q;
    k.c *= q;
    ksum_add(&k, v / n);
    acc->value[i] = k.sum;
    acc->comp[i] = k.c;
    acc->count[i] = n;
}

/* Welford: value is the sum of squared distances, comp the mean. */
static void add_spread(struct accumulator *acc, size_t i, double v)
{
    double n = ++acc->count[i];
    double delta;

    if (n == 1) {
        acc->comp[i] = v;
        acc->value[i] = isfinite(v) ? 0 : NAN;
        return;
    }
    delta = v - acc->comp[i];
    acc->comp[i] += delta / n;
    acc->value[i] += delta * (v - acc->comp[i]);
}

static void add_extreme(struct accumulator *acc, size_t i, double v, bool max)
{
    double *best = &acc->value[i];

    if (acc->count[i]++ == 0 || isnan(*best) || (max ? v > *best : v < *best))
        *best = v;
}

static void add_point(enum token_kind op, struct accumulator *acc, size_t i,
                      double v)
{
    switch (op) {
    case TOKEN_SUM:
        add_sum(acc, i, v);
        break;
    case TOKEN_AVG:
        add_mean(acc, i, v);
        break;
    case TOKEN_MIN:
        add_extreme(acc, i, v, false);
        break;
    case TOKEN_MAX:
        add_extreme(acc, i, v, true);
        break;
    case TOKEN_STDDEV:
    case TOKEN_STDVAR:
        add_spread(acc, i, v);
        break;
    default: /* count, group */
        acc->count[i]++;
        break;
    }
}

static fw_rc take_row(struct sink *sink, struct row *row)
{
    struct aggregation *a = (struct aggregation *)sink;
    size_t group = 0;
    bool is_new = false;
    fw_rc rc = group_of(&a->groups, &row->labels, &group, &is_new);

    if (rc == FW_OK && is_new)
        rc = add_group(a, group);
    if (rc != FW_OK)
        return rc;
    for (size_t i = 0; i < a->steps; i++) {
        if (!is_absent(row->v[i]))
            add_point(a->node->op, &a->acc[group], i, row->v[i]);
    }
    return FW_OK;
}

/* ---- Results ------------------------------------------------------------- */

static double finish_point(enum token_kind op, const struct accumulator *acc,
                           size_t i)
{
    double n = acc->count[i];

    if (n == 0)
        return absent();
    switch (op) {
    case TOKEN_SUM:
        return acc->value[i] + acc->comp[i];
    case TOKEN_AVG:
        return acc->moving[i] ? acc->value[i] + acc->comp[i]
                              : acc->value[i] / n + acc->comp[i] / n;
    case TOKEN_COUNT:
        return n;
    case TOKEN_GROUP:
        return 1;
    case TOKEN_STDVAR:
        return acc->value[i] / n;
    case TOKEN_STDDEV:
        return sqrt(acc->value[i] / n);
    default: /* min, max */
        return acc->value[i];
    }
}

static fw_rc push_groups(struct aggregation *a, struct sink *sink)
{
    fw_rc rc = FW_OK;

    for (size_t g = 0; g < a->groups.set.count && rc == FW_OK; g++) {
        struct row row = {a->groups.set.rows[g].labels, a->acc[g].value};

        for (size_t i = 0; i < a->steps; i++)
            row.v[i] = finish_point(a->node->op, &a->acc[g], i);
        rc = sink->take(sink, &row);
    }
    return rc;
}

fw_rc eval_aggregate(struct eval *ev, const struct node *node,
                     const struct grid *grid, struct sink *sink)
{
    struct aggregation a = {
        .sink = {take_row}, .ev = ev, .node = node, .steps = grid->count};
    fw_rc rc;

    groups_init(&a.groups, ev, &node->grouping);
    rc = eval_vector(ev, node->args[0], grid, &a.sink);
    if (rc == FW_OK)
        rc = push_groups(&a, sink);
    groups_release(&a.groups);
    free(a.acc);
    return rc;
}
