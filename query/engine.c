/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine.c - the doors of the room: text to query, query to result. */
#include "query/engine.h"

#include <stdlib.h>

#include "query/eval/labelset.h"
#include "query/eval/reader.h"
#include "query/functions/functions.h"
#include "query/parse/check.h"
#include "query/parse/parser.h"
#include "query/parse/place.h"
#include "storage/base/hash.h"
#include "storage/base/limits.h"

/* Beyond this, times could overflow where offsets are added. */
#define FARTHEST_MS ((fw_ms)1 << 60)

/* ---- Parsing ------------------------------------------------------------ */

static fw_rc too_long(struct fw_str text, struct fw_err *err)
{
    return fw_err_at(err, FW_EINVAL, 1, 1,
                     "the query is %zu bytes long; at most %d are taken",
                     text.n, FW_MAX_QUERY_TEXT_BYTES);
}

fw_rc fw_query_parse(struct fw_str text, struct fw_arena *arena,
                     struct fw_query **out, struct fw_err *err)
{
    struct fw_query *query = fw_arena_calloc(arena, 1, sizeof(*query));
    char *copy;
    fw_rc rc;

    if (text.n > FW_MAX_QUERY_TEXT_BYTES)
        return too_long(text, err);
    copy = fw_arena_strndup(arena, text.p, text.n);
    if (query == NULL || copy == NULL)
        return fw_arena_err(arena, err);
    query->text = (struct fw_str){copy, text.n};
    rc = parse_text(query, arena, err);
    if (rc == FW_OK)
        rc = check_types(query, err);
    if (rc != FW_OK)
        return rc;
    check_traits(query->root);
    rc = find_twins(query, arena, err);
    if (rc == FW_OK)
        *out = query;
    return rc;
}

fw_rc fw_parse_selector(struct fw_str text, struct fw_arena *arena,
                        struct fw_matcher **matchers, size_t *n,
                        struct fw_err *err)
{
    struct fw_query *query = NULL;
    const struct node *root;
    fw_rc rc = fw_query_parse(text, arena, &query, err);

    if (rc != FW_OK)
        return rc;
    root = query->root;
    if (root->kind != NODE_SELECTOR || root->selector.shift.has_offset ||
        root->selector.shift.at_kind != AT_NONE)
        return complain(query->text, root->span, NULL, err,
                        "a selector of series is expected here, such as "
                        "up{job=\"node\"}");
    *matchers = root->selector.matchers;
    *n = root->selector.count;
    return FW_OK;
}

/* ---- Results ------------------------------------------------------------ */

/* Turns rows into series of points, steps without a point left out. */
struct gatherer {
    struct sink sink;
    struct eval *ev;
    const struct grid *grid;
    struct fw_result_series *series; /* grown */
    size_t count, cap;
};

static fw_rc add_series(struct gatherer *g, const struct fw_labels *labels,
                        size_t points, struct fw_result_series **out)
{
    struct fw_arena *arena = g->ev->arena;
    fw_rc rc = budget_points(g->ev->budget, points, g->ev->err);
    struct fw_result_series *s;

    if (rc != FW_OK)
        return rc;
    rc = fw_grow(&g->series, &g->cap, g->count + 1, sizeof(*g->series),
                 FW_MAX_QUERY_SERIES);
    if (rc == FW_ETOOBIG)
        return fw_err_set(g->ev->err, rc,
                          "the answer has more than %d series; aggregate or "
                          "select fewer",
                          FW_MAX_QUERY_SERIES);
    if (rc != FW_OK)
        return fw_err_set(g->ev->err, rc, "out of memory");
    s = &g->series[g->count];
    s->labels = *labels;
    s->t = fw_arena_alloc(arena, points * sizeof(*s->t));
    s->v = fw_arena_alloc(arena, points * sizeof(*s->v));
    s->n = 0;
    if (s->t == NULL || s->v == NULL)
        return eval_no_memory(g->ev);
    g->count++;
    *out = s;
    return FW_OK;
}

static fw_rc gather_row(struct sink *sink, struct row *row)
{
    struct gatherer *g = (struct gatherer *)sink;
    struct fw_result_series *s;
    size_t points = 0;
    fw_rc rc;

    for (size_t i = 0; i < g->grid->count; i++)
        points += !is_absent(row->v[i]);
    if (points == 0)
        return FW_OK;
    rc = add_series(g, &row->labels, points, &s);
    for (size_t i = 0; i < g->grid->count && rc == FW_OK; i++) {
        if (is_absent(row->v[i]))
            continue;
        s->t[s->n] = grid_time(g->grid, i);
        s->v[s->n++] = row->v[i];
    }
    return rc;
}

static int by_labels(const void *a, const void *b)
{
    const struct fw_result_series *x = a;
    const struct fw_result_series *y = b;

    return fw_labels_cmp(&x->labels, &y->labels);
}

static bool same_labels(const void *self, uint32_t value, const void *key)
{
    const struct gatherer *g = self;

    return labels_equal(&g->series[value].labels, key);
}

/* Names that were only marked until now go; then no two may be alike. */
static fw_rc drop_marked_names(struct gatherer *g)
{
    struct fw_index seen = {0};
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < g->count && rc == FW_OK; i++) {
        struct fw_labels *labels = &g->series[i].labels;
        uint64_t hash;

        if (labels_has_marked_name(labels) &&
            !labels_drop_name(g->ev->arena, labels))
            rc = eval_no_memory(g->ev);
        hash = labels_hash(labels);
        if (rc == FW_OK &&
            fw_index_find(&seen, hash, same_labels, g, labels) != FW_INDEX_NONE)
            rc = fw_err_set(g->ev->err, FW_EINVAL,
                            "vector cannot contain metrics with the same "
                            "labelset");
        else if (rc == FW_OK && fw_index_add(&seen, hash, (uint32_t)i) != FW_OK)
            rc = fw_err_set(g->ev->err, FW_ENOMEM, "out of memory");
    }
    fw_index_release(&seen);
    return rc;
}

static fw_rc hand_over(struct gatherer *g, struct fw_result *result)
{
    size_t bytes = g->count * sizeof(*g->series);
    struct fw_result_series *kept = fw_arena_alloc(g->ev->arena, bytes);

    if (kept == NULL)
        return eval_no_memory(g->ev);
    if (g->count > 0)
        memcpy(kept, g->series, bytes);
    result->series = kept;
    result->count = g->count;
    return FW_OK;
}

/* The samples of a range selector, as they are. */
static fw_rc gather_samples(struct eval *ev, const struct node *node,
                            const struct grid *grid, struct gatherer *g)
{
    const struct node *selector = node->args[0];
    fw_ms to = shift_time(ev, &selector->selector.shift, grid->start);
    fw_ms from = to - node->range + 1;
    struct reader reader;
    struct fw_series *series = NULL;
    size_t count = 0;
    fw_rc rc = select_series(ev, selector, from, to, &series, &count);

    reader_init(&reader, ev);
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        const struct samples *samples = &reader.samples;
        struct fw_result_series *s = NULL;

        rc = reader_read(&reader, series[i].id, from, to, false, NULL, NULL);
        if (rc != FW_OK && ev->err != NULL)
            *ev->err = reader.err;
        if (rc != FW_OK || samples->n == 0)
            continue;
        rc = add_series(g, &series[i].labels, samples->n, &s);
        if (rc != FW_OK)
            break;
        memcpy(s->t, samples->t, samples->n * sizeof(*s->t));
        memcpy(s->v, samples->v, samples->n * sizeof(*s->v));
        s->n = samples->n;
    }
    if (ev->costs != NULL)
        reader_account(&reader, &ev->costs[selector->id]);
    reader_release(&reader);
    return rc;
}

/* The instants of a subquery that is the whole of an instant query. */
static fw_rc gather_subquery(struct eval *ev, const struct node *node,
                             const struct grid *grid, struct gatherer *g)
{
    struct grid inner;

    if (!subquery_grid(ev, &node->subquery, grid, &inner))
        return FW_OK;
    g->grid = &inner;
    return eval_vector(ev, node->args[0], &inner, &g->sink);
}

static fw_rc run_scalar(struct eval *ev, const struct node *root,
                        const struct grid *grid, struct gatherer *g)
{
    struct row row = {{NULL, 0}, NULL};
    fw_rc rc = eval_scalar_array(ev, root, grid, &row.v);

    return rc == FW_OK ? gather_row(&g->sink, &row) : rc;
}

static fw_rc run_root(struct eval *ev, const struct grid *grid, bool range,
                      struct fw_result *result)
{
    const struct node *root = node_inside(ev->query->root);
    struct gatherer g = {{gather_row}, ev, grid, NULL, 0, 0};
    fw_rc rc = FW_OK;

    result->type = range ? FW_MATRIX : root->type;
    result->time = grid->start;
    if (root->type == FW_STRING)
        result->text = root->text;
    else if (root->type == FW_SCALAR)
        rc = run_scalar(ev, root, grid, &g);
    else if (root->kind == NODE_RANGE)
        rc = gather_samples(ev, root, grid, &g);
    else if (root->kind == NODE_SUBQUERY)
        rc = gather_subquery(ev, root, grid, &g);
    else
        rc = eval_vector(ev, root, grid, &g.sink);
    if (rc == FW_OK && ev->delayed_names)
        rc = drop_marked_names(&g);
    if (rc == FW_OK && result->type == FW_MATRIX && g.count > 1)
        qsort(g.series, g.count, sizeof(*g.series), by_labels);
    if (rc == FW_OK)
        rc = hand_over(&g, result);
    free(g.series);
    return rc;
}

/* ---- Running ------------------------------------------------------------ */

static bool too_far(fw_ms t)
{
    return t > FARTHEST_MS || t < -FARTHEST_MS;
}

static fw_rc check_options(const struct fw_query *query,
                           const struct fw_query_options *options,
                           struct fw_err *err)
{
    enum fw_value_type type = query->root->type;
    fw_ms length;

    if (too_far(options->start) || too_far(options->end))
        return fw_err_set(err, FW_EINVAL,
                          "a time of the query is out of "
                          "range");
    length = options->end - options->start;
    if (length < 0)
        return fw_err_set(err, FW_EINVAL,
                          "end timestamp must not be before start time");
    if (options->step == 0 && length == 0)
        return FW_OK;
    if (options->step <= 0)
        return fw_err_set(err, FW_EINVAL,
                          "zero or negative query resolution step widths are "
                          "not accepted. Try a positive integer");
    if (length / options->step > FW_MAX_QUERY_POINTS)
        return fw_err_set(err, FW_EINVAL,
                          "exceeded maximum resolution of %d points per "
                          "timeseries. Try decreasing the query resolution "
                          "(?step=XX)",
                          FW_MAX_QUERY_POINTS);
    if (type != FW_SCALAR && type != FW_VECTOR)
        return fw_err_set(err, FW_EINVAL,
                          "invalid expression type \"%s\" for range query, "
                          "must be Scalar or instant Vector",
                          value_type_name(type));
    return FW_OK;
}

fw_rc query_run(const struct fw_query *query, const struct fw_source *src,
                const struct fw_query_options *options, struct fw_arena *arena,
                struct node_cost *costs, struct fw_result *result,
                struct fw_err *err)
{
    bool range = options->step > 0;
    struct grid grid = {options->start, range ? options->step : 1, 1};
    struct budget budget;
    struct eval ev = {
        .query = query,
        .src = src,
        .arena = arena,
        .err = err,
        .start = options->start,
        .end = options->end,
        .lookback = options->lookback > 0 ? options->lookback
                                          : fw_query_limits().lookback,
        .costs = costs,
        .budget = &budget,
        .crew = options->crew,
        .delayed_names = delayed_names_enabled(),
    };
    struct fw_result made = {0};
    fw_rc rc = check_options(query, options, err);

    if (rc != FW_OK)
        return rc;
    if (range)
        grid.count =
            (size_t)((options->end - options->start) / options->step) + 1;
    budget_init(&budget, options);
    if (query->has_twins)
        ev.twins = twins_new(query, fw_query_limits().max_bytes / 8);
    notes_init(&ev.notes, arena, query->text);
    rc = run_root(&ev, &grid, range, &made);
    twins_free(ev.twins);
    if (rc == FW_ETOOBIG && !atomic_load(&budget.struck) &&
        fw_arena_capped(arena))
        rc = budget_memory(&budget, err);
    if (rc != FW_OK)
        return rc;
    notes_finish(&ev.notes, &made);
    made.samples_read = atomic_load(&budget.samples);
    made.series_read = atomic_load(&budget.series);
    *result = made;
    return FW_OK;
}

fw_rc fw_query_run(struct fw_query *query, const struct fw_source *src,
                   const struct fw_query_options *options,
                   struct fw_arena *arena, struct fw_result *result,
                   struct fw_err *err)
{
    return query_run(query, src, options, arena, NULL, result, err);
}
