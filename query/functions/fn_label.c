/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fn_label.c - functions of labels, and the order of series. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "query/eval/eval.h"
#include "query/eval/labelset.h"
#include "query/functions/functions.h"
#include "storage/base/limits.h"

#define MAX_GROUPS 64 /* of a regex of label_replace */

static struct fw_str text_arg(const struct node *call, size_t i)
{
    return node_inside(call->args[i])->text;
}

/* Any UTF-8 that is not empty is a label name. */
static fw_rc check_name(struct eval *ev, struct fw_str name, const char *which,
                        const char *function)
{
    if (name.n > 0 && fw_utf8_valid(name.p, name.n))
        return FW_OK;
    return fw_err_set(ev->err, FW_EINVAL, "invalid %s label name in %s(): %.*s",
                      which, function, FW_STR_ARG(name));
}

/* ---- label_replace ------------------------------------------------------- */

struct replace {
    struct sink sink;
    struct eval *ev;
    struct rowset *set;
    struct fw_regex *regex;
    struct fw_str to, with, from;
};

/* A copy of what was built, in the arena. */
static fw_rc keep_text(struct eval *ev, const struct fw_buf *buf,
                       struct fw_str *out)
{
    char *p =
        fw_arena_strndup(ev->arena, buf->len > 0 ? buf->data : "", buf->len);

    if (p == NULL)
        return eval_no_memory(ev);
    *out = (struct fw_str){p, buf->len};
    return FW_OK;
}

static fw_rc replace_row(struct sink *sink, struct row *row)
{
    struct replace *r = (struct replace *)sink;
    struct fw_buf built = FW_BUF_INIT(FW_MAX_SERIES_BYTES);
    struct fw_str groups[MAX_GROUPS];
    struct fw_str value = {NULL, 0};
    size_t count = 0;
    fw_rc rc = fw_regex_groups(r->regex, fw_labels_get(&row->labels, r->from),
                               groups, MAX_GROUPS, &count);

    if (rc == FW_NONE)
        return rowset_merge(r->set, row, true);
    if (count > MAX_GROUPS)
        count = MAX_GROUPS;
    if (rc == FW_OK)
        rc = fw_regex_expand(r->regex, r->with, groups, count, &built);
    if (rc == FW_ETOOBIG)
        rc = fw_err_set(r->ev->err, rc,
                        "label_replace() makes a label longer "
                        "than a series may have");
    if (rc == FW_OK)
        rc = keep_text(r->ev, &built, &value);
    fw_buf_release(&built);
    if (rc == FW_OK && !labels_set(r->ev->arena, &row->labels, r->to, value))
        rc = eval_no_memory(r->ev);
    return rc == FW_OK ? rowset_merge(r->set, row, true) : rc;
}

fw_rc call_label_replace(struct eval *ev, const struct node *call,
                         const struct grid *grid, struct sink *sink)
{
    struct rowset set;
    struct replace r = {.sink = {replace_row},
                        .ev = ev,
                        .set = &set,
                        .to = text_arg(call, 1),
                        .with = text_arg(call, 2),
                        .from = text_arg(call, 3)};
    struct fw_str pattern = text_arg(call, 4);
    fw_rc rc;

    rc = fw_regex_compile(pattern, &r.regex, ev->err);
    if (rc != FW_OK)
        return rc != FW_EINVAL ? rc
                               : fw_err_set(ev->err, rc,
                                            "invalid regular expression in "
                                            "label_replace(): %.*s",
                                            FW_STR_ARG(pattern));
    rowset_init(&set, ev->arena, grid->count, ev->err);
    rc = check_name(ev, r.to, "destination", "label_replace");
    if (rc == FW_OK)
        rc = eval_vector(ev, call->args[0], grid, &r.sink);
    if (rc == FW_OK)
        rc = rowset_push(&set, sink);
    rowset_release(&set);
    fw_regex_free(r.regex);
    return rc;
}

/* ---- label_join ---------------------------------------------------------- */

struct join {
    struct sink sink;
    struct eval *ev;
    struct rowset *set;
    const struct node *call;
};

static fw_rc join_row(struct sink *sink, struct row *row)
{
    struct join *j = (struct join *)sink;
    struct fw_buf built = FW_BUF_INIT(FW_MAX_SERIES_BYTES);
    struct fw_str between = text_arg(j->call, 2);
    struct fw_str value = {NULL, 0};
    fw_rc rc = FW_OK;

    for (size_t i = 3; i < j->call->arg_count && rc == FW_OK; i++) {
        struct fw_str part = fw_labels_get(&row->labels, text_arg(j->call, i));

        if (i > 3)
            rc = fw_buf_add(&built, between.p, between.n);
        if (rc == FW_OK)
            rc = fw_buf_add(&built, part.p, part.n);
    }
    if (rc == FW_ETOOBIG)
        rc = fw_err_set(j->ev->err, rc,
                        "label_join() makes a label longer "
                        "than a series may have");
    if (rc == FW_OK)
        rc = keep_text(j->ev, &built, &value);
    fw_buf_release(&built);
    if (rc == FW_OK &&
        !labels_set(j->ev->arena, &row->labels, text_arg(j->call, 1), value))
        rc = eval_no_memory(j->ev);
    return rc == FW_OK ? rowset_merge(j->set, row, true) : rc;
}

fw_rc call_label_join(struct eval *ev, const struct node *call,
                      const struct grid *grid, struct sink *sink)
{
    struct rowset set;
    struct join j = {{join_row}, ev, &set, call};
    fw_rc rc = check_name(ev, text_arg(call, 1), "destination", "label_join");

    for (size_t i = 3; i < call->arg_count && rc == FW_OK; i++)
        rc = check_name(ev, text_arg(call, i), "source", "label_join");
    if (rc != FW_OK)
        return rc;
    rowset_init(&set, ev->arena, grid->count, ev->err);
    rc = eval_vector(ev, call->args[0], grid, &j.sink);
    if (rc == FW_OK)
        rc = rowset_push(&set, sink);
    rowset_release(&set);
    return rc;
}

/* ---- Order --------------------------------------------------------------- */

/* NaN comes last in both directions. */
static int by_value(const struct row *a, const struct row *b, int sign)
{
    double x = a->v[0];
    double y = b->v[0];

    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return sign * ((x > y) - (x < y));
}

static int ascending(const void *a, const void *b, void *unused)
{
    (void)unused;
    return by_value(a, b, 1);
}

static int descending(const void *a, const void *b, void *unused)
{
    (void)unused;
    return by_value(a, b, -1);
}

/* The number at p, leading zeros skipped; its digits in *n. */
static const char *digits(const char *p, const char *end, size_t *n)
{
    const char *start;

    while (p < end && *p == '0')
        p++;
    start = p;
    while (p < end && isdigit((unsigned char)*p))
        p++;
    *n = (size_t)(p - start);
    return start;
}

/* Runs of digits compare as numbers, all else byte by byte. */
static int natural_order(struct fw_str a, struct fw_str b)
{
    const char *p = a.p, *p_end = a.p + a.n;
    const char *q = b.p, *q_end = b.p + b.n;

    while (p < p_end && q < q_end) {
        size_t n, m;
        const char *x, *y;
        int order;

        if (!isdigit((unsigned char)*p) || !isdigit((unsigned char)*q)) {
            if (*p != *q)
                return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
            p++;
            q++;
            continue;
        }
        x = digits(p, p_end, &n);
        y = digits(q, q_end, &m);
        if (n != m)
            return n < m ? -1 : 1;
        order = memcmp(x, y, n);
        if (order != 0)
            return order;
        p = x + n;
        q = y + m;
    }
    return (p < p_end) - (q < q_end);
}

static int by_labels(const void *a, const void *b, void *call)
{
    const struct row *x = a;
    const struct row *y = b;
    const struct node *node = call;

    for (size_t i = 1; i < node->arg_count; i++) {
        struct fw_str l = fw_labels_get(&x->labels, text_arg(node, i));
        struct fw_str r = fw_labels_get(&y->labels, text_arg(node, i));

        if (!fw_str_eq(l, r))
            return natural_order(l, r);
    }
    return fw_labels_cmp(&x->labels, &y->labels);
}

static int by_labels_down(const void *a, const void *b, void *call)
{
    return by_labels(b, a, call);
}

typedef int (*row_order)(const void *a, const void *b, void *self);

/* Only an instant query has an order of series to speak of. */
static fw_rc sorted(struct eval *ev, const struct node *call,
                    const struct grid *grid, row_order order, struct sink *sink)
{
    struct rowset set;
    fw_rc rc;

    if (grid->count > 1)
        return eval_vector(ev, call->args[0], grid, sink);
    rowset_init(&set, ev->arena, grid->count, ev->err);
    rc = eval_vector(ev, call->args[0], grid, &set.sink);
    if (rc == FW_OK && set.count > 1)
        qsort_r(set.rows, set.count, sizeof(*set.rows), order,
                (void *)(uintptr_t)call);
    if (rc == FW_OK)
        rc = rowset_push(&set, sink);
    rowset_release(&set);
    return rc;
}

fw_rc call_sort(struct eval *ev, const struct node *call,
                const struct grid *grid, struct sink *sink)
{
    return sorted(ev, call, grid, ascending, sink);
}

fw_rc call_sort_desc(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink)
{
    return sorted(ev, call, grid, descending, sink);
}

fw_rc call_sort_by_label(struct eval *ev, const struct node *call,
                         const struct grid *grid, struct sink *sink)
{
    return sorted(ev, call, grid, by_labels, sink);
}

fw_rc call_sort_by_label_desc(struct eval *ev, const struct node *call,
                              const struct grid *grid, struct sink *sink)
{
    return sorted(ev, call, grid, by_labels_down, sink);
}
