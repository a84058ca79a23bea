/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_window.c - functions over range vectors: a selector or a subquery
 * gives the samples of one series after the other, and a window function one
 * value per step.
 */
#include <stdatomic.h>
#include <stddef.h>

#include "query/eval/digest.h"
#include "query/eval/lanes.h"
#include "query/eval/series_scan.h"
#include "query/functions/functions.h"

#define SUBQUERY_STEP_MS FW_MINUTE /* of [1h:], as Prometheus by default */

bool window_overlaps(const struct window_job *job)
{
    return !job->fixed && job->grid->count > 1 &&
           job->range / 8 > job->grid->step;
}

void window_bounds(const struct window_job *job, struct bounds *bounds)
{
    fw_ms shift = job->range + job->offset;
    uint32_t lo = 0;
    uint32_t hi = 0;

    for (size_t i = 0; i < job->grid->count; i++) {
        fw_ms at = job->fixed ? job->at : grid_time(job->grid, i);

        while (lo < job->n && job->t[lo] <= at - shift)
            lo++;
        if (hi < lo)
            hi = lo;
        while (hi < job->n && job->t[hi] <= at - job->offset)
            hi++;
        bounds[i] = (struct bounds){lo, hi};
    }
}

/* One call under way. */
struct over {
    struct scan scan; /* of a selector */
    struct sink sink; /* takes the rows of a subquery */
    struct sink *next;
    struct window_job job; /* what is the same for all series */
    /* Of a subquery: */
    const struct grid *inner;
    struct reader reader; /* for its memory */
    double *out;
};

static fw_rc call_outside(const struct window_job *job, double *out)
{
    double numbers[EVAL_MAX_ARGS];
    const char *note = NULL;
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        struct fw_window_call call = {.t = job->t + w.lo,
                                      .v = job->v + w.lo,
                                      .n = w.hi - w.lo,
                                      .from = w.from,
                                      .to = w.to,
                                      .numbers = numbers,
                                      .texts = job->texts,
                                      .note = &note};
        fw_rc rc;

        out[w.step] = absent();
        if (call.n == 0)
            continue;
        for (size_t i = 0; i < job->number_count; i++)
            numbers[i] = job->numbers[i][w.step];
        rc = job->call->function->outside(&call, &out[w.step], job->ev->err);
        if (rc == FW_NONE)
            out[w.step] = absent();
        else if (rc != FW_OK)
            return rc;
        rc = budget_samples(job->ev->budget, 0, job->ev->err);
        if (rc != FW_OK)
            return rc;
    }
    if (note != NULL && job->said != NULL)
        atomic_store(job->said, note);
    return FW_OK;
}

/* The values of the series whose samples the reader has. */
static fw_rc make_values(const struct over *over, struct reader *reader,
                         double *out)
{
    const struct function *fn = over->job.call->function;
    struct window_job job = over->job;
    struct bounds *bounds =
        scratch_get(&reader->bounds, job.grid->count * sizeof(*bounds));
    fw_rc rc = FW_NONE;

    if (bounds == NULL)
        return fw_err_set(&reader->err, FW_ENOMEM, "out of memory");
    job.t = reader->samples.t;
    job.v = reader->samples.v;
    job.n = reader->samples.n;
    job.whole = reader->samples.whole && job.n <= LANES_WHOLE_MAX;
    job.new_times = reader->new_times;
    job.bounds = bounds;
    job.scratch = &reader->work;
    job.geometry = &reader->geometry;
    job.ev = &reader->ev;
    if (job.new_times)
        window_bounds(&job, bounds);
    if (reader->digest_count > 0)
        return digest_row(&job, reader->digests, reader->digest_count, out);
    rc = fn->outside != NULL ? call_outside(&job, out) : fn->window(&job, out);
    if (rc == FW_OK && row_is_empty(out, job.grid->count))
        return FW_NONE;
    return rc;
}

static fw_rc make_row(const struct scan *scan, struct reader *reader,
                      uint32_t series, double *out)
{
    const struct over *over = (const struct over *)scan;
    fw_rc rc = make_values(over, reader, out);

    if (rc != FW_EINVAL || reader->digest_count == 0)
        return rc;
    /* Summaries will not do after all. */
    reader->rows_test = NULL;
    rc = reader_read(reader, series, scan->from, scan->to, scan->stale, NULL,
                     NULL);
    return rc == FW_OK ? make_values(over, reader, out) : rc;
}

static fw_rc take_values(struct over *over, const struct fw_labels *labels,
                         double *v)
{
    const struct function *fn = over->job.call->function;
    struct row row = {*labels, v};

    if (fn->remark != NULL)
        fn->remark(&over->job, labels, v);
    return over->next->take(over->next, &row);
}

static fw_rc take_row(struct scan *scan, const struct fw_labels *labels,
                      double *v)
{
    return take_values((struct over *)scan, labels, v);
}

static fw_rc run_on_selector(struct eval *ev, struct over *over,
                             const struct node *selector)
{
    const struct function *fn = over->job.call->function;
    const struct grid *grid = over->job.grid;
    const struct shift *shift = &selector->selector.shift;
    bool digests = fn->digest != DIGEST_NONE && fn->digest < DIGEST_RATE &&
                   digest_pays(&over->job);

    over->scan = (struct scan){.ev = ev,
                               .selector = selector,
                               .from = shift_time(ev, shift, grid->start) -
                                       over->job.range + 1,
                               .to = shift_time(ev, shift, grid_last(grid)),
                               .heavy = fn->outside != NULL,
                               .steps = grid->count,
                               .digest = digests ? digest_fits : NULL,
                               .digest_self = &over->job,
                               .make = make_row,
                               .take = take_row};
    if (fn->digest != DIGEST_NONE && ev->src->rollups_last != NULL &&
        ev->src->rollups_last(ev->src->self) >= over->scan.from)
        over->scan.rows = digest_fits;
    return scan_run(&over->scan);
}

static fw_rc take_inner_row(struct sink *sink, struct row *row)
{
    struct over *over =
        (struct over *)(void *)((char *)sink - offsetof(struct over, sink));
    struct samples *samples = &over->reader.samples;
    fw_rc rc = FW_OK;

    samples->n = 0;
    samples->whole = false;
    for (size_t i = 0; i < over->inner->count && rc == FW_OK; i++) {
        if (!is_absent(row->v[i]))
            rc = samples_add(samples, grid_time(over->inner, i), row->v[i],
                             over->job.ev->err);
    }
    if (rc == FW_OK)
        rc = budget_steps(over->job.ev->budget, over->inner->count,
                          over->job.ev->err);
    if (rc != FW_OK || samples->n == 0)
        return rc;
    over->reader.new_times = true;
    rc = make_values(over, &over->reader, over->out);
    if (rc == FW_OK)
        return take_values(over, &row->labels, over->out);
    if (rc != FW_NONE && over->job.ev->err != NULL)
        *over->job.ev->err = over->reader.err;
    return rc == FW_NONE ? FW_OK : rc;
}

bool subquery_grid(const struct eval *ev, const struct subquery *sub,
                   const struct grid *grid, struct grid *out)
{
    fw_ms step = sub->step > 0 ? sub->step : SUBQUERY_STEP_MS;
    fw_ms after = shift_time(ev, &sub->shift, grid->start) - sub->range;
    fw_ms last = shift_time(ev, &sub->shift, grid_last(grid));
    fw_ms start = step * (after / step);

    if (start <= after)
        start += step;
    if (start > last)
        return false;
    *out = (struct grid){start, step, (size_t)((last - start) / step) + 1};
    return true;
}

static fw_rc run_on_subquery(struct eval *ev, struct over *over,
                             const struct node *node)
{
    struct grid inner;
    fw_rc rc;

    if (!subquery_grid(ev, &node->subquery, over->job.grid, &inner))
        return FW_OK;
    rc = budget_samples(ev->budget, inner.count, ev->err);
    if (rc != FW_OK)
        return rc;
    over->inner = &inner;
    reader_init(&over->reader, ev);
    rc = eval_array(ev, over->job.grid->count, &over->out);
    if (rc == FW_OK)
        rc = eval_vector(ev, node->args[0], &inner, &over->sink);
    reader_release(&over->reader);
    return rc;
}

/* The arguments besides the range vector, which is returned. */
static fw_rc bind_arguments(struct eval *ev, const struct node *call,
                            struct over *over, const struct node **range)
{
    size_t texts = 0;

    for (size_t i = 0; i < call->arg_count; i++) {
        const struct node *arg = call->args[i];
        double *numbers = NULL;
        fw_rc rc;

        switch (arg->type) {
        case FW_MATRIX:
            *range = node_inside(arg);
            break;
        case FW_STRING:
            over->job.texts[texts++] = node_inside(arg)->text;
            break;
        default:
            rc = eval_scalar_array(ev, arg, over->job.grid, &numbers);
            if (rc != FW_OK)
                return rc;
            over->job.numbers[over->job.number_count++] = numbers;
        }
    }
    return FW_OK;
}

static void bind_range(const struct eval *ev, const struct node *range,
                       struct window_job *job)
{
    const struct shift *shift = range->kind == NODE_RANGE
                                    ? &range->args[0]->selector.shift
                                    : &range->subquery.shift;

    job->range =
        range->kind == NODE_RANGE ? range->range : range->subquery.range;
    job->offset = shift->offset;
    job->fixed = shift->at_kind != AT_NONE;
    job->at = shift_time(ev, shift, 0) + shift->offset;
}

fw_rc call_window(struct eval *ev, const struct node *call,
                  const struct grid *grid, struct sink *sink)
{
    bool keeps = (call->function->flags & FN_KEEPS_NAME) != 0;
    const struct node *range = NULL;
    _Atomic(const char *) said = NULL;
    const char *note;
    struct unnamer u;
    struct over over = {
        .sink = {take_inner_row},
        .next = keeps ? sink : &u.sink,
        .job = {.grid = grid, .ev = ev, .call = call, .said = &said}};
    fw_rc rc = bind_arguments(ev, call, &over, &range);

    if (rc != FW_OK)
        return rc;
    bind_range(ev, range, &over.job);
    unnamer_init(&u, ev, range, grid, true, sink);
    if (range->kind == NODE_RANGE)
        rc = run_on_selector(ev, &over, range->args[0]);
    else
        rc = run_on_subquery(ev, &over, range);
    note = atomic_load(&said);
    if (note != NULL)
        notes_add(&ev->notes, NOTE_INFO, range->span, "%s", note);
    return unnamer_finish(&u, rc);
}
