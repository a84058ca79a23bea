/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_window.c - functions over range vectors: a selector or a subquery
 * gives the samples of one series after the other, and a window function one
 * value per step.
 */
#include <stdlib.h>

#include "query/functions.h"
#include "query/window.h"
#include "storage/base/limits.h"

#define SUBQUERY_STEP_MS FW_MINUTE /* of [1h:], as Prometheus by default */

void *scratch_get(struct scratch *scratch, size_t bytes)
{
    if (bytes > scratch->cap) {
        void *p = bytes <= FW_MAX_QUERY_BYTES ? malloc(bytes) : NULL;

        if (p == NULL)
            return NULL;
        free(scratch->p);
        scratch->p = p;
        scratch->cap = bytes;
    }
    return scratch->p;
}

bool window_overlaps(const struct window_job *job)
{
    return !job->fixed && job->grid->count > 1 &&
           job->range / 8 > job->grid->step;
}

/* One call under way. */
struct over {
    struct sink sink; /* first: takes the rows of a subquery */
    struct sink *next;
    struct window_job job;
    struct samples samples;
    struct scratch scratch;
    const struct grid *inner; /* of a subquery */
    double *out;
};

static fw_rc call_outside(const struct window_job *job, double *out)
{
    double numbers[EVAL_MAX_ARGS];
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        struct fw_window_call call = {.t = job->t + w.lo,
                                      .v = job->v + w.lo,
                                      .n = w.hi - w.lo,
                                      .from = w.from,
                                      .to = w.to,
                                      .numbers = numbers,
                                      .texts = job->texts};
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
        rc = budget_samples(&job->ev->budget, 0, job->ev->err);
        if (rc != FW_OK)
            return rc;
    }
    return FW_OK;
}

/* Counters are told by the ends of their names. */
static void note_non_counter(struct eval *ev, const struct node *call,
                             const struct fw_labels *labels)
{
    static const char *const ends[] = {"_total", "_sum", "_count", "_bucket"};
    struct fw_str name = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));
    struct span span = call->args[0]->span;

    if (node_inside(call->args[0])->kind == NODE_SUBQUERY)
        span = (struct span){0, 0}; /* where Prometheus says it is */
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t n = strlen(ends[i]);

        if (name.n >= n && memcmp(name.p + name.n - n, ends[i], n) == 0)
            return;
    }
    if (name.n > 0)
        notes_add(&ev->notes, NOTE_INFO, span,
                  "metric might not be a counter, name does not end in "
                  "_total/_sum/_count/_bucket: \"%.*s\"",
                  FW_STR_ARG(name));
}

/* The values of the series whose samples were gathered, pushed on. */
static fw_rc run(struct over *over, const struct fw_labels *labels)
{
    const struct function *fn = over->job.call->function;
    struct row row = {*labels, over->out};
    fw_rc rc;

    if (over->samples.n == 0)
        return FW_OK;
    over->job.t = over->samples.t;
    over->job.v = over->samples.v;
    over->job.n = over->samples.n;
    rc = fn->outside != NULL ? call_outside(&over->job, over->out)
                             : fn->window(&over->job, over->out);
    if (rc != FW_OK || row_is_empty(over->out, over->job.grid->count))
        return rc;
    if ((fn->flags & FN_COUNTER) != 0)
        note_non_counter(over->job.ev, over->job.call, labels);
    return over->next->take(over->next, &row);
}

static fw_rc run_on_selector(struct eval *ev, struct over *over,
                             const struct node *selector)
{
    const struct grid *grid = over->job.grid;
    const struct shift *shift = &selector->selector.shift;
    fw_ms from = shift_time(ev, shift, grid->start) - over->job.range + 1;
    fw_ms to = shift_time(ev, shift, grid_last(grid));
    struct fw_series *series = NULL;
    size_t count = 0;
    fw_rc rc = select_series(ev, selector, from, to, &series, &count);

    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        rc = read_series(ev, selector, series[i].id, from, to, false,
                         &over->samples);
        if (rc == FW_OK)
            rc = run(over, &series[i].labels);
    }
    return rc;
}

static fw_rc take_inner_row(struct sink *sink, struct row *row)
{
    struct over *over = (struct over *)sink;
    fw_rc rc = FW_OK;

    over->samples.n = 0;
    for (size_t i = 0; i < over->inner->count && rc == FW_OK; i++) {
        if (!is_absent(row->v[i]))
            rc = samples_add(&over->samples, grid_time(over->inner, i),
                             row->v[i], over->job.ev->err);
    }
    return rc == FW_OK ? run(over, &row->labels) : rc;
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
    rc = budget_samples(&ev->budget, inner.count, ev->err);
    if (rc != FW_OK)
        return rc;
    over->inner = &inner;
    return eval_vector(ev, node->args[0], &inner, &over->sink);
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
    struct unnamer u;
    struct over over = {
        .sink = {take_inner_row},
        .next = keeps ? sink : &u.sink,
        .job = {
            .grid = grid, .scratch = &over.scratch, .ev = ev, .call = call}};
    fw_rc rc = bind_arguments(ev, call, &over, &range);

    if (rc == FW_OK)
        rc = eval_array(ev, grid->count, &over.out);
    if (rc != FW_OK)
        return rc;
    bind_range(ev, range, &over.job);
    unnamer_init(&u, ev, range, grid, true, sink);
    if (range->kind == NODE_RANGE)
        rc = run_on_selector(ev, &over, range->args[0]);
    else
        rc = run_on_subquery(ev, &over, range);
    rc = unnamer_finish(&u, rc);
    samples_release(&over.samples);
    free(over.scratch.p);
    return rc;
}
