/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_select.c - instant selectors: the newest sample at or before each step,
 * if it is younger than the lookback and no stale marker. Each series is read
 * once for all steps.
 */
#include "query/eval/series_scan.h"
#include "query/functions/functions.h"

struct instants {
    struct scan scan;
    struct sink *sink;
    const struct grid *grid;
    struct shift seen_from; /* the instants whose lookback counts */
    bool times; /* of the samples, in seconds, instead of their values */
};

/*
 * Index of the sample that each step sees plus one; 0: none is young enough.
 * This depends on the times alone.
 */
static const uint32_t *find_visible(const struct instants *in,
                                    struct reader *reader)
{
    const struct samples *s = &reader->samples;
    const struct shift *shift = &in->seen_from;
    const struct eval *ev = in->scan.ev;
    uint32_t *seen =
        scratch_get(&reader->bounds, in->grid->count * sizeof(*seen));
    uint32_t next = 0;

    for (size_t i = 0; i < in->grid->count && seen != NULL && reader->new_times;
         i++) {
        fw_ms at = shift_time(ev, shift, grid_time(in->grid, i));

        while (next < s->n && s->t[next] <= at)
            next++;
        seen[i] = next > 0 && s->t[next - 1] > at - ev->lookback ? next : 0;
    }
    return seen;
}

static fw_rc look_up(const struct scan *scan, struct reader *reader,
                     uint32_t series, double *out)
{
    const struct instants *in = (const struct instants *)scan;
    const struct samples *s = &reader->samples;
    const uint32_t *seen = find_visible(in, reader);
    bool empty = true;

    (void)series;
    if (seen == NULL)
        return fw_err_set(&reader->err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < in->grid->count; i++) {
        out[i] = seen[i] > 0 ? s->v[seen[i] - 1] : absent();
        if (is_absent(out[i])) /* or a stale marker */
            continue;
        empty = false;
        if (in->times)
            out[i] = (double)s->t[seen[i] - 1] / 1000;
    }
    return empty ? FW_NONE : FW_OK;
}

static fw_rc take_instants(struct scan *scan, const struct fw_labels *labels,
                           double *v)
{
    struct instants *in = (struct instants *)scan;
    struct row row = {*labels, v};

    return in->sink->take(in->sink, &row);
}

static fw_rc eval_instants(struct eval *ev, const struct node *node,
                           const struct grid *grid, bool times,
                           struct sink *sink)
{
    const struct shift *shift = &node->selector.shift;
    struct instants in = {
        .scan = {.ev = ev,
                 .selector = node,
                 .from = shift_time(ev, shift, grid->start) - ev->lookback + 1,
                 .to = shift_time(ev, shift, grid_last(grid)),
                 .stale = true,
                 .steps = grid->count,
                 .make = look_up,
                 .take = take_instants},
        .sink = sink,
        .grid = grid,
        .seen_from = *shift,
        .times = times};

    /* With @, Prometheus reads what the offset asks for, and then forgets it:
     * from @ itself such samples must be young enough. So here. */
    if (times && shift->at_kind != AT_NONE)
        in.seen_from.offset = 0;
    return scan_run(&in.scan);
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
    const struct node *inside = node_inside(arg);
    struct unnamer u;
    struct stamp stamp = {{stamp_row}, &u.sink, grid};
    fw_rc rc;

    unnamer_init(&u, ev, arg, grid, false, sink);
    if (inside->kind == NODE_SELECTOR)
        rc = eval_instants(ev, inside, grid, true, &u.sink);
    else
        rc = eval_vector(ev, arg, grid, &stamp.sink);
    return unnamer_finish(&u, rc);
}
