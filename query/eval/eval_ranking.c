/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_ranking.c - aggregations that must see all points of a step together:
 * quantile, topk, bottomk, limitk, limit_ratio. Rows are collected once and
 * each step is ranked by itself.
 */
#include <math.h>
#include <stdlib.h>

#include "query/eval/group.h"
#include "query/eval/window.h"
#include "storage/base/hash.h"

struct ranking {
    struct eval *ev;
    const struct node *node;
    const struct grid *grid;
    struct rowset set;
    struct groups groups;
    struct members members;
    double *parameter; /* per step */
};

static fw_rc order_by_group(struct ranking *r)
{
    size_t n = r->set.count;
    size_t *group = fw_arena_alloc(r->ev->arena, n * sizeof(*group));

    if (group == NULL)
        return eval_no_memory(r->ev);
    for (size_t i = 0; i < n; i++) {
        bool is_new;
        fw_rc rc =
            group_of(&r->groups, &r->set.rows[i].labels, &group[i], &is_new);

        if (rc != FW_OK)
            return rc;
    }
    return members_order(r->ev, group, n, r->groups.set.count, &r->members);
}

/* ---- quantile ------------------------------------------------------------ */

static void note_quantile(struct ranking *r)
{
    for (size_t i = 0; i < r->grid->count; i++) {
        double q = r->parameter[i];
        char text[FW_DOUBLE_TEXT_BYTES];

        if (q >= 0 && q <= 1)
            continue;
        (void)fw_format_double(text, q);
        notes_add(&r->ev->notes, NOTE_WARNING, r->node->args[1]->span,
                  "quantile value should be between 0 and 1, got %s", text);
    }
}

static fw_rc push_quantiles(struct ranking *r, struct sink *sink)
{
    double *out = NULL;
    double *values = NULL;
    fw_rc rc = eval_array(r->ev, r->grid->count, &out);

    if (rc == FW_OK)
        rc = eval_array(r->ev, r->set.count, &values);
    note_quantile(r);
    for (size_t g = 0; g < r->groups.set.count && rc == FW_OK; g++) {
        struct row row = {r->groups.set.rows[g].labels, out};

        for (size_t i = 0; i < r->grid->count; i++) {
            size_t n = 0;

            for (size_t m = r->members.first[g]; m < r->members.first[g + 1];
                 m++) {
                double v = r->set.rows[r->members.rows[m]].v[i];

                if (!is_absent(v))
                    values[n++] = v;
            }
            out[i] =
                n == 0 ? absent() : quantile_of(r->parameter[i], values, n);
        }
        rc = sink->take(sink, &row);
    }
    return rc;
}

/* ---- topk, bottomk ------------------------------------------------------- */

/*
 * A heap with the weakest of the k on top, moved exactly as Go's
 * container/heap moves it, so that of equal values the same ones stay.
 */
struct heap {
    size_t *row;
    size_t n;
    const struct ranking *r;
    size_t step;
    bool top; /* topk: the weakest is the least */
};

static double heap_value(const struct heap *h, size_t i)
{
    return h->r->set.rows[h->row[i]].v[h->step];
}

static bool heap_less(const struct heap *h, size_t i, size_t j)
{
    double a = heap_value(h, i);
    double b = heap_value(h, j);

    if (isnan(a))
        return true;
    return h->top ? a < b : a > b;
}

static void heap_swap(struct heap *h, size_t i, size_t j)
{
    size_t row = h->row[i];

    h->row[i] = h->row[j];
    h->row[j] = row;
}

static void heap_push(struct heap *h, size_t row)
{
    size_t i = h->n++;

    h->row[i] = row;
    while (i > 0 && heap_less(h, i, (i - 1) / 2)) {
        heap_swap(h, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void heap_sink_top(struct heap *h)
{
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->n)
            return;
        if (child + 1 < h->n && heap_less(h, child + 1, child))
            child++;
        if (!heap_less(h, child, i))
            return;
        heap_swap(h, i, child);
        i = child;
    }
}

static void heap_offer(struct heap *h, size_t row, size_t k)
{
    double v = h->r->set.rows[row].v[h->step];
    double weakest;

    if (h->n < k) {
        heap_push(h, row);
        return;
    }
    weakest = heap_value(h, 0);
    if ((h->top ? weakest < v : weakest > v) || (isnan(weakest) && !isnan(v))) {
        h->row[0] = row;
        heap_sink_top(h);
    }
}

/* Strongest first, NaN last; equal ones as the heap had them. */
static void heap_sort(struct heap *h)
{
    for (size_t i = 1; i < h->n; i++) {
        for (size_t j = i; j > 0 && heap_less(h, j - 1, j); j--)
            heap_swap(h, j - 1, j);
    }
}

/* ---- Which rows stay at a step ------------------------------------------- */

/* The ones that stay of group g at a step, best first, into h->row. */
static void choose(const struct ranking *r, size_t g, size_t step, size_t k,
                   struct heap *h)
{
    h->n = 0;
    h->step = step;
    for (size_t m = r->members.first[g]; m < r->members.first[g + 1]; m++) {
        size_t row = r->members.rows[m];

        if (is_absent(r->set.rows[row].v[step]))
            continue;
        if (r->node->op != TOKEN_LIMITK)
            heap_offer(h, row, k);
        else if (h->n < k)
            h->row[h->n++] = row;
    }
    if (r->node->op != TOKEN_LIMITK)
        heap_sort(h);
}

static fw_rc check_k(struct ranking *r, bool *none)
{
    double max = -INFINITY;
    double min = INFINITY;
    bool nan = false;

    for (size_t i = 0; i < r->grid->count; i++) {
        double k = r->parameter[i];

        nan |= isnan(k);
        max = k > max ? k : max;
        min = k < min ? k : min;
    }
    *none = max < 1 && !nan;
    if (*none)
        return FW_OK;
    if (nan)
        return fw_err_set(r->ev->err, FW_EINVAL, "Parameter value is NaN");
    if (min <= -9223372036854775808.0)
        return fw_err_set(r->ev->err, FW_EINVAL,
                          "Scalar value %g underflows int64", min);
    if (max >= 9223372036854775807.0)
        return fw_err_set(r->ev->err, FW_EINVAL,
                          "Scalar value %g overflows int64", max);
    return FW_OK;
}

/* Instant query: in the order of rank. */
static fw_rc push_in_order(struct ranking *r, struct heap *h, struct sink *sink)
{
    fw_rc rc = FW_OK;

    for (size_t g = 0; g < r->groups.set.count && rc == FW_OK; g++) {
        if (r->parameter[0] < 1)
            return FW_OK;
        choose(r, g, 0,
               r->parameter[0] < (double)r->set.count ? (size_t)r->parameter[0]
                                                      : r->set.count,
               h);
        for (size_t i = 0; i < h->n && rc == FW_OK; i++)
            rc = sink->take(sink, &r->set.rows[h->row[i]]);
    }
    return rc;
}

/* Range query: each row keeps the points that stay. */
static fw_rc push_what_stays(struct ranking *r, struct heap *h,
                             struct sink *sink)
{
    size_t steps = r->grid->count;
    size_t rows = r->set.count;
    bool *stays = fw_arena_calloc(r->ev->arena, rows * steps, sizeof(*stays));
    fw_rc rc = FW_OK;

    if (stays == NULL)
        return eval_no_memory(r->ev);
    for (size_t i = 0; i < steps; i++) {
        double k = r->parameter[i];

        for (size_t g = 0; k >= 1 && g < r->groups.set.count; g++) {
            choose(r, g, i, k < (double)rows ? (size_t)k : rows, h);
            for (size_t c = 0; c < h->n; c++)
                stays[h->row[c] * steps + i] = true;
        }
    }
    for (size_t m = 0; m < rows && rc == FW_OK; m++) {
        for (size_t i = 0; i < steps; i++) {
            if (!stays[m * steps + i])
                r->set.rows[m].v[i] = absent();
        }
        if (!row_is_empty(r->set.rows[m].v, steps))
            rc = sink->take(sink, &r->set.rows[m]);
    }
    return rc;
}

static fw_rc push_chosen(struct ranking *r, struct sink *sink)
{
    struct heap h = {.r = r, .top = r->node->op == TOKEN_TOPK};
    bool none = false;
    fw_rc rc = check_k(r, &none);

    if (rc != FW_OK || none)
        return rc;
    h.row = fw_arena_alloc(r->ev->arena, r->set.count * sizeof(*h.row));
    if (h.row == NULL)
        return eval_no_memory(r->ev);
    return r->grid->count == 1 ? push_in_order(r, &h, sink)
                               : push_what_stays(r, &h, sink);
}

/* ---- limit_ratio --------------------------------------------------------- */

/* Length and text as Prometheus keeps them: one byte, or 255 and three. */
static fw_rc add_text(struct fw_buf *out, struct fw_str text)
{
    fw_rc rc = fw_buf_addc(out, text.n < 255 ? (char)text.n : (char)255);

    for (int shift = 0; shift < 24 && text.n >= 255 && rc == FW_OK; shift += 8)
        rc = fw_buf_addc(out, (char)(text.n >> shift & 255));
    return rc == FW_OK ? fw_buf_add(out, text.p, text.n) : rc;
}

/*
 * Where between 0 and 1 a series stands: the hash of its labels, the same as
 * in Prometheus, so that both choose the same series.
 */
static fw_rc standing_of(const struct fw_labels *labels, struct fw_buf *room,
                         double *out)
{
    fw_rc rc = FW_OK;

    fw_buf_clear(room);
    for (size_t i = 0; i < labels->n && rc == FW_OK; i++) {
        rc = add_text(room, labels->v[i].name);
        if (rc == FW_OK)
            rc = add_text(room, labels->v[i].value);
    }
    *out = (double)fw_xxh64(room->len > 0 ? room->data : "", room->len) /
           (double)UINT64_MAX;
    return rc;
}

/*
 * r > 0 takes the series below r, r < 0 the rest of r = 1 + r, so that the two
 * make up the whole.
 */
static bool in_sample(double ratio, double at)
{
    return (ratio >= 0 && at < ratio) || (ratio < 0 && at >= 1.0 + ratio);
}

static fw_rc note_ratio(struct ranking *r)
{
    for (size_t i = 0; i < r->grid->count; i++) {
        double *ratio = &r->parameter[i];
        double cap = *ratio > 1 ? 1 : -1;

        if (isnan(*ratio))
            return fw_err_set(r->ev->err, FW_EINVAL, "Ratio value is NaN");
        if (fabs(*ratio) <= 1)
            continue;
        notes_add(&r->ev->notes, NOTE_WARNING, r->node->args[1]->span,
                  "ratio value should be between -1 and 1, got %g, capping to "
                  "%g",
                  *ratio, cap);
        *ratio = cap;
    }
    return FW_OK;
}

static fw_rc push_share(struct ranking *r, struct sink *sink)
{
    struct fw_buf room = FW_BUF_INIT((size_t)1 << 20);
    fw_rc rc = note_ratio(r);

    for (size_t m = 0; m < r->set.count && rc == FW_OK; m++) {
        struct row *row = &r->set.rows[m];
        double at = 0;

        if (standing_of(&row->labels, &room, &at) != FW_OK) {
            rc = fw_err_set(r->ev->err, FW_ENOMEM, "out of memory");
            break;
        }
        for (size_t i = 0; i < r->grid->count; i++) {
            if (r->parameter[i] == 0 || !in_sample(r->parameter[i], at))
                row->v[i] = absent();
        }
        if (!row_is_empty(row->v, r->grid->count))
            rc = sink->take(sink, row);
    }
    fw_buf_release(&room);
    return rc;
}

fw_rc eval_ranking(struct eval *ev, const struct node *node,
                   const struct grid *grid, struct sink *sink)
{
    struct ranking r = {.ev = ev, .node = node, .grid = grid};
    fw_rc rc;

    groups_init(&r.groups, ev, &node->grouping);
    rowset_init(&r.set, ev->arena, grid->count, ev->err);
    rc = eval_scalar_array(ev, node->args[1], grid, &r.parameter);
    if (rc == FW_OK)
        rc = eval_vector(ev, node->args[0], grid, &r.set.sink);
    if (rc == FW_OK)
        rc = order_by_group(&r);
    if (rc == FW_OK && node->op == TOKEN_QUANTILE)
        rc = push_quantiles(&r, sink);
    else if (rc == FW_OK && node->op == TOKEN_LIMIT_RATIO)
        rc = push_share(&r, sink);
    else if (rc == FW_OK)
        rc = push_chosen(&r, sink);
    rowset_release(&r.set);
    groups_release(&r.groups);
    return rc;
}
