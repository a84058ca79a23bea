/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_select.c - instant selectors: the newest sample at or before each step,
 * if it is younger than the lookback and no stale marker. Each series is read
 * once for all steps.
 */
#include "query/eval.h"
#include "query/functions.h"

/* Index of the sample that a step sees plus one; 0: none. */
static size_t visible(const struct samples *s, size_t *next, fw_ms at,
                      fw_ms lookback)
{
    size_t i = *next;

    while (i < s->n && s->t[i] <= at)
        i++;
    *next = i;
    if (i == 0 || s->t[i - 1] <= at - lookback || is_absent(s->v[i - 1]))
        return 0;
    return i;
}

/* Values, or with `times` the instants of the samples in seconds. */
static void look_up(const struct eval *ev, const struct shift *shift,
                    const struct grid *grid, const struct samples *s,
                    bool times, double *out)
{
    size_t next = 0;

    for (size_t i = 0; i < grid->count; i++) {
        fw_ms at = shift_time(ev, shift, grid_time(grid, i));
        size_t seen = visible(s, &next, at, ev->lookback);

        if (seen == 0)
            out[i] = absent();
        else
            out[i] = times ? (double)s->t[seen - 1] / 1000 : s->v[seen - 1];
    }
}

static fw_rc eval_instants(struct eval *ev, const struct node *node,
                           const struct grid *grid, bool times,
                           struct sink *sink)
{
    const struct shift *shift = &node->selector.shift;
    fw_ms from = shift_time(ev, shift, grid->start) - ev->lookback + 1;
    fw_ms to = shift_time(ev, shift, grid_last(grid));
    struct samples samples = {0};
    struct fw_series *series = NULL;
    size_t count = 0;
    double *v = NULL;
    fw_rc rc = eval_array(ev, grid->count, &v);

    if (rc == FW_OK)
        rc = select_series(ev, node, from, to, &series, &count);
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        struct row row = {series[i].labels, v};

        rc = read_series(ev, node, series[i].id, from, to, true, &samples);
        if (rc != FW_OK || samples.n == 0)
            continue;
        look_up(ev, shift, grid, &samples, times, v);
        if (!row_is_empty(v, grid->count))
            rc = sink->take(sink, &row);
    }
    samples_release(&samples);
    return rc;
}

fw_rc eval_selector(struct eval *ev, const struct node *node,
                    const struct grid *grid, struct sink *sink)
{
    return eval_instants(ev, node, grid, false, sink);
}

/* ---- timestamp() -------------------------------------------------------- */

struct stamp {
    struct sink sink;
    struct sink *next;
    const struct grid *grid;
};

static fw_rc stamp_row(struct sink *sink, struct row *row)
{
    struct stamp *s = (struct stamp *)sink;

    for (size_t i = 0; i < s->grid->count; i++) {
        if (!is_absent(row->v[i]))
            row->v[i] = (double)grid_time(s->grid, i) / 1000;
    }
    return s->next->take(s->next, row);
}

/* Of a selector the times of its samples, of all else those of the steps. */
fw_rc call_timestamp(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink)
{
    const struct node *arg = call->args[0];
    struct node inside = *node_inside(arg);
    struct unnamer u;
    struct stamp stamp = {{stamp_row}, &u.sink, grid};
    fw_rc rc;

    unnamer_init(&u, ev, arg, grid, false, sink);
    if (inside.kind != NODE_SELECTOR) {
        rc = eval_vector(ev, arg, grid, &stamp.sink);
    } else {
        /* With @, Prometheus forgets the offset here; so do we. */
        if (inside.selector.shift.at_kind != AT_NONE)
            inside.selector.shift.offset = 0;
        rc = eval_instants(ev, &inside, grid, true, &u.sink);
    }
    return unnamer_finish(&u, rc);
}
