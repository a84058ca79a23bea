/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fn_info.c - info(): the labels of info series, such as target_info, laid
 * beside those of series with the same instance and job.
 *
 * Which info series counts may change from step to step: of those with one
 * name and the same identity, the one whose sample is newest (as Prometheus has
 * it from 3.7 on; before, two within the lookback were an error). So a row of
 * the operand may be cut in several series, one for each set of labels it
 * wears.
 */
#include "query/eval/labelset.h"
#include "query/eval/series_scan.h"
#include "query/functions/functions.h"

#define INFO_METRIC FW_STR("target_info")
#define IDENTITY 2

/* What tells that two series speak of one target. */
static const char *const identity[IDENTITY] = {"instance", "job"};

struct info {
    struct scan scan; /* of the info series */
    struct eval *ev;
    const struct node *call;
    const struct grid *grid;
    struct node selector;           /* what is asked of the store */
    const struct selector *wanted;  /* second argument, or NULL */
    struct rowset base;             /* the rows of the operand */
    bool *plain;                    /* base rows that are info series */
    struct rowset values[IDENTITY]; /* {identity="value"} of the base rows */
    struct rowset infos;            /* info series; v: times of their samples */
    struct rowset keys;  /* {name, instance, job} of them, once each */
    struct rowset names; /* {name} of them */
    uint32_t *first;     /* per key: its first info series */
    uint32_t *next;      /* per info series: the next of its key */
    struct rowset out;
};

#define NO_INFO UINT32_MAX

static void add_matcher(struct info *in, enum fw_match_op op,
                        struct fw_str name, struct fw_str value)
{
    struct selector *sel = &in->selector.selector;

    sel->matchers[sel->count++] = (struct fw_matcher){op, name, value};
}

/* One of the labels, as a set of labels of its own; n is 0 if it is missing. */
static fw_rc label_alone(struct info *in, const struct fw_labels *labels,
                         struct fw_str name, struct fw_labels *out)
{
    struct fw_str value = fw_labels_get(labels, name);
    struct fw_label one = {name, value};

    *out = (struct fw_labels){NULL, 0};
    if (value.n > 0 && !labels_copy(in->ev->arena, &one, 1, out))
        return eval_no_memory(in->ev);
    return FW_OK;
}

static fw_rc note_label(struct info *in, struct rowset *set,
                        const struct fw_labels *labels, struct fw_str name)
{
    struct fw_labels alone;
    size_t at = 0;
    bool is_new = false;
    fw_rc rc = label_alone(in, labels, name, &alone);

    if (rc != FW_OK || alone.n == 0)
        return rc;
    return rowset_find_or_add(set, &alone, &at, &is_new);
}

/* ---- The operand ----------------------------------------------------------
 */

static fw_rc matches_one(const struct fw_matcher *m, struct fw_str value,
                         bool *out, struct fw_err *err)
{
    struct fw_regex *regex = NULL;
    fw_rc rc;

    if (m->op == FW_MATCH_EQUAL || m->op == FW_MATCH_DIFFERS) {
        *out = fw_str_eq(m->value, value) == (m->op == FW_MATCH_EQUAL);
        return FW_OK;
    }
    rc = fw_regex_compile(m->value, &regex, err);
    if (rc != FW_OK)
        return rc;
    *out = fw_regex_matches(regex, value) == (m->op == FW_MATCH_REGEX);
    fw_regex_free(regex);
    return FW_OK;
}

/* An info series itself is left as it is. */
static fw_rc is_info(struct info *in, const struct fw_labels *labels, bool *out)
{
    struct fw_str name = fw_labels_get(labels, NAME_LABEL);

    *out = in->wanted == NULL && fw_str_eq(name, INFO_METRIC);
    for (size_t i = 0; in->wanted != NULL && i < in->wanted->count; i++) {
        const struct fw_matcher *m = &in->wanted->matchers[i];
        fw_rc rc;

        if (!fw_str_eq(m->name, NAME_LABEL))
            continue;
        rc = matches_one(m, name, out, in->ev->err);
        if (rc != FW_OK || *out)
            return rc;
    }
    return FW_OK;
}

static fw_rc look_at_base(struct info *in)
{
    fw_rc rc = FW_OK;

    in->plain =
        fw_arena_calloc(in->ev->arena, in->base.count + 1, sizeof(*in->plain));
    if (in->plain == NULL)
        return eval_no_memory(in->ev);
    for (size_t i = 0; i < in->base.count && rc == FW_OK; i++) {
        const struct fw_labels *labels = &in->base.rows[i].labels;

        rc = is_info(in, labels, &in->plain[i]);
        for (size_t k = 0; k < IDENTITY && rc == FW_OK && !in->plain[i]; k++)
            rc = note_label(in, &in->values[k], labels, fw_str_of(identity[k]));
    }
    return rc;
}

/* ---- The info series ------------------------------------------------------
 */

/* The time of the newest sample that each step sees, as a double. */
static fw_rc look_up(const struct scan *scan, struct reader *reader,
                     uint32_t series, double *out)
{
    const struct info *in = (const struct info *)scan;
    const struct samples *s = &reader->samples;
    size_t next = 0;
    bool empty = true;

    (void)series;
    for (size_t i = 0; i < in->grid->count; i++) {
        fw_ms at = grid_time(in->grid, i);

        while (next < s->n && s->t[next] <= at)
            next++;
        out[i] = absent();
        if (next == 0 || s->t[next - 1] <= at - in->ev->lookback ||
            is_absent(s->v[next - 1]))
            continue;
        out[i] = (double)s->t[next - 1];
        empty = false;
    }
    return empty ? FW_NONE : FW_OK;
}

/* True if some base row has the same value of each label of the identity. */
static fw_rc is_asked_for(struct info *in, const struct fw_labels *labels,
                          bool *out)
{
    *out = true;
    for (size_t k = 0; k < IDENTITY && *out; k++) {
        struct fw_labels alone;
        fw_rc rc;

        if (in->values[k].count == 0)
            continue;
        rc = label_alone(in, labels, fw_str_of(identity[k]), &alone);
        if (rc != FW_OK)
            return rc;
        *out = rowset_has(&in->values[k], &alone);
    }
    return FW_OK;
}

static fw_rc take_info(struct scan *scan, const struct fw_labels *labels,
                       double *v)
{
    struct info *in = (struct info *)scan;
    struct row row = {*labels, v};
    bool asked = false;
    fw_rc rc = is_asked_for(in, labels, &asked);

    if (rc != FW_OK || !asked)
        return rc;
    rc = in->infos.sink.take(&in->infos.sink, &row);
    return rc == FW_OK ? note_label(in, &in->names, labels, NAME_LABEL) : rc;
}

/* The first selector beneath, depth first: its @ and offset bound the times. */
static const struct node *first_selector(const struct node *node)
{
    const struct node *found = node->kind == NODE_SELECTOR ? node : NULL;

    for (size_t i = 0; i < node->arg_count && found == NULL; i++)
        found = first_selector(node->args[i]);
    return found;
}

static void bound_times(struct info *in)
{
    const struct node *operand = first_selector(in->call->args[0]);
    struct scan *scan = &in->scan;

    scan->from = in->grid->start;
    /* Of the query itself to its end, though the last step may be earlier. */
    scan->to =
        in->grid->start == in->ev->start ? in->ev->end : grid_last(in->grid);
    if (operand != NULL) {
        scan->from = shift_time(in->ev, &operand->selector.shift, scan->from);
        scan->to = shift_time(in->ev, &operand->selector.shift, scan->to);
    }
    scan->from -= in->ev->lookback - 1;
}

static fw_rc read_infos(struct info *in)
{
    size_t wanted = in->wanted != NULL ? in->wanted->count : 0;
    struct selector *sel = &in->selector.selector;
    bool named = false;

    if (in->values[0].count == 0 && in->values[1].count == 0)
        return FW_OK; /* nothing to tell the target by */
    in->selector = (struct node){.kind = NODE_SELECTOR, .id = in->call->id};
    sel->matchers = fw_arena_alloc(in->ev->arena, (wanted + IDENTITY + 1) *
                                                      sizeof(*sel->matchers));
    if (sel->matchers == NULL)
        return eval_no_memory(in->ev);
    for (size_t i = 0; i < wanted; i++) {
        sel->matchers[sel->count++] = in->wanted->matchers[i];
        named = named || fw_str_eq(in->wanted->matchers[i].name, NAME_LABEL);
    }
    if (!named)
        add_matcher(in, FW_MATCH_EQUAL, NAME_LABEL, INFO_METRIC);
    for (size_t k = 0; k < IDENTITY; k++)
        if (in->values[k].count > 0)
            add_matcher(in, FW_MATCH_DIFFERS, fw_str_of(identity[k]),
                        FW_STR(""));
    in->scan = (struct scan){.ev = in->ev,
                             .selector = &in->selector,
                             .stale = true,
                             .steps = in->grid->count,
                             .make = look_up,
                             .take = take_info};
    bound_times(in);
    return scan_run(&in->scan);
}

/* ---- Which of them a row wears --------------------------------------------
 */

/* {name, instance, job}: the name given, the others as `labels` has them. */
static fw_rc key_of(struct info *in, struct fw_str name,
                    const struct fw_labels *labels, struct fw_labels *out)
{
    struct fw_label v[IDENTITY + 1] = {{NAME_LABEL, name}};
    size_t n = 1;

    for (size_t k = 0; k < IDENTITY; k++) {
        struct fw_str value = fw_labels_get(labels, fw_str_of(identity[k]));

        if (value.n > 0)
            v[n++] = (struct fw_label){fw_str_of(identity[k]), value};
    }
    return labels_copy(in->ev->arena, v, n, out) ? FW_OK
                                                 : eval_no_memory(in->ev);
}

/* Chains the info series by their keys, in their order. */
static fw_rc chain_infos(struct info *in)
{
    size_t n = in->infos.count + 1;
    fw_rc rc = FW_OK;

    in->first = fw_arena_alloc(in->ev->arena, n * sizeof(*in->first));
    in->next = fw_arena_alloc(in->ev->arena, n * sizeof(*in->next));
    if (in->first == NULL || in->next == NULL)
        return eval_no_memory(in->ev);
    for (size_t i = in->infos.count; i > 0 && rc == FW_OK; i--) {
        const struct fw_labels *labels = &in->infos.rows[i - 1].labels;
        struct fw_labels key;
        size_t at = 0;
        bool is_new = false;

        rc = key_of(in, fw_labels_get(labels, NAME_LABEL), labels, &key);
        if (rc == FW_OK)
            rc = rowset_find_or_add(&in->keys, &key, &at, &is_new);
        if (rc != FW_OK)
            break;
        in->next[i - 1] = is_new ? NO_INFO : in->first[at];
        in->first[at] = (uint32_t)(i - 1);
    }
    return rc;
}

static fw_rc duplicates(struct info *in, uint32_t a, uint32_t b, fw_ms t)
{
    struct fw_buf text = FW_BUF_INIT(FW_ERR_TEXT_BYTES);
    fw_rc rc = labels_describe(&text, &in->infos.rows[a].labels);

    if (rc == FW_OK)
        rc = fw_buf_printf(&text, " @ %lld, new ", (long long)t);
    if (rc == FW_OK)
        rc = labels_describe(&text, &in->infos.rows[b].labels);
    if (rc == FW_OK)
        rc = fw_buf_printf(&text, " @ %lld", (long long)t);
    if (rc != FW_OK)
        fw_buf_clear(&text); /* labels too long for the sentence */
    rc = fw_err_set(in->ev->err, FW_EINVAL,
                    "found duplicate series for info metric: existing %s",
                    text.len > 0 ? text.data : "");
    fw_buf_release(&text);
    return rc;
}

/* The newest info series of a key at a step, or NO_INFO. */
static fw_rc newest(struct info *in, size_t key, size_t step, uint32_t *out)
{
    uint32_t best = NO_INFO;
    double at = 0;

    for (uint32_t i = in->first[key]; i != NO_INFO; i = in->next[i]) {
        double t = in->infos.rows[i].v[step];

        if (is_absent(t) || (best != NO_INFO && t < at))
            continue;
        if (best != NO_INFO && t == at)
            return duplicates(in, best, i, (fw_ms)t);
        best = i;
        at = t;
    }
    *out = best;
    return FW_OK;
}

/* Two of one key with the same time are an error, whoever asks. */
static fw_rc check_duplicates(struct info *in)
{
    fw_rc rc = FW_OK;

    for (size_t k = 0; k < in->keys.count; k++)
        for (size_t i = 0; i < in->grid->count && rc == FW_OK; i++) {
            uint32_t found;

            rc = newest(in, k, i, &found);
        }
    return rc;
}

/* True if labels of this name are asked for. */
static bool is_wanted(const struct info *in, struct fw_str name)
{
    bool any = false;

    for (size_t i = 0; in->wanted != NULL && i < in->wanted->count; i++) {
        if (fw_str_eq(in->wanted->matchers[i].name, name))
            return true;
        any = any || !fw_str_eq(in->wanted->matchers[i].name, NAME_LABEL);
    }
    return !any;
}

/* Adds the labels of an info series to `to`, which began as those of `base`. */
static fw_rc wear(struct info *in, const struct fw_labels *base,
                  const struct fw_labels *from, struct fw_labels *to,
                  size_t *added)
{
    for (size_t i = 0; i < from->n; i++) {
        struct fw_str name = from->v[i].name;
        struct fw_str there = fw_labels_get(to, name);

        if (fw_str_eq(name, NAME_LABEL) || !is_wanted(in, name) ||
            fw_labels_get(base, name).n > 0)
            continue;
        if (there.n > 0 && !fw_str_eq(there, from->v[i].value))
            return fw_err_set(in->ev->err, FW_EINVAL, "conflicting label: %.*s",
                              FW_STR_ARG(name));
        if (!labels_set(in->ev->arena, to, name, from->v[i].value))
            return eval_no_memory(in->ev);
        (*added)++;
    }
    return FW_OK;
}

/* A row that got no label is kept only if that is what was asked for. */
static fw_rc may_be_bare(const struct info *in, bool *out)
{
    bool fetched = in->values[0].count + in->values[1].count > 0;

    *out = true;
    for (size_t i = 0; in->wanted != NULL && i < in->wanted->count; i++) {
        const struct fw_matcher *m = &in->wanted->matchers[i];
        fw_rc rc;

        if (fetched && fw_str_eq(m->name, NAME_LABEL))
            continue;
        rc = matches_one(m, FW_STR(""), out, in->ev->err);
        if (rc != FW_OK || !*out)
            return rc;
    }
    return FW_OK;
}

/* What one base row wears at present, and the row of the result for it. */
struct dress {
    uint32_t *worn; /* per name: the info series, or NO_INFO */
    size_t *keys;   /* per name: the key, or SIZE_MAX */
    bool made, kept;
    size_t out;
};

/* Finds what the row wears at a step; true in *changed if it is something new.
 */
static fw_rc choose(struct info *in, size_t step, struct dress *d,
                    bool *changed)
{
    *changed = !d->made;
    for (size_t k = 0; k < in->names.count; k++) {
        uint32_t found = NO_INFO;
        fw_rc rc = d->keys[k] == SIZE_MAX
                       ? FW_OK
                       : newest(in, d->keys[k], step, &found);

        if (rc != FW_OK)
            return rc;
        *changed = *changed || found != d->worn[k];
        d->worn[k] = found;
    }
    return FW_OK;
}

static fw_rc put_on(struct info *in, const struct fw_labels *base,
                    struct dress *d)
{
    struct fw_labels labels = *base;
    size_t added = 0;
    bool is_new = false;
    fw_rc rc = FW_OK;

    for (size_t k = 0; k < in->names.count && rc == FW_OK; k++) {
        if (d->worn[k] != NO_INFO)
            rc = wear(in, base, &in->infos.rows[d->worn[k]].labels, &labels,
                      &added);
    }
    d->made = true;
    d->kept = true;
    if (rc == FW_OK && added == 0)
        rc = may_be_bare(in, &d->kept);
    if (rc != FW_OK || !d->kept)
        return rc;
    return rowset_find_or_add(&in->out, &labels, &d->out, &is_new);
}

static fw_rc put_point(struct info *in, size_t row, size_t step, double v)
{
    double *to = &in->out.rows[row].v[step];

    if (!is_absent(*to))
        return fw_err_set(in->ev->err, FW_EINVAL,
                          "vector cannot contain metrics with the same "
                          "labelset");
    *to = v;
    return FW_OK;
}

static fw_rc find_keys(struct info *in, const struct fw_labels *base,
                       struct dress *d)
{
    for (size_t k = 0; k < in->names.count; k++) {
        struct fw_labels key;
        bool is_new = false;
        fw_rc rc = key_of(in, in->names.rows[k].labels.v[0].value, base, &key);

        if (rc != FW_OK)
            return rc;
        d->keys[k] = SIZE_MAX;
        if (rowset_has(&in->keys, &key))
            rc = rowset_find_or_add(&in->keys, &key, &d->keys[k], &is_new);
        if (rc != FW_OK)
            return rc;
    }
    return FW_OK;
}

static fw_rc dress_row(struct info *in, size_t i, struct dress *d)
{
    const struct row *base = &in->base.rows[i];
    fw_rc rc = find_keys(in, &base->labels, d);

    d->made = false;
    for (size_t s = 0; s < in->grid->count && rc == FW_OK; s++) {
        bool changed = !d->made;

        if (is_absent(base->v[s]))
            continue;
        if (!in->plain[i])
            rc = choose(in, s, d, &changed);
        if (rc == FW_OK && changed && in->plain[i]) {
            bool is_new = false;

            d->made = d->kept = true;
            rc = rowset_find_or_add(&in->out, &base->labels, &d->out, &is_new);
        } else if (rc == FW_OK && changed) {
            rc = put_on(in, &base->labels, d);
        }
        if (rc == FW_OK && d->kept)
            rc = put_point(in, d->out, s, base->v[s]);
    }
    return rc;
}

static fw_rc dress_all(struct info *in)
{
    size_t n = in->names.count + 1;
    struct dress d = {
        .worn = fw_arena_calloc(in->ev->arena, n, sizeof(*d.worn)),
        .keys = fw_arena_calloc(in->ev->arena, n, sizeof(*d.keys))};
    fw_rc rc = check_duplicates(in);

    if (d.worn == NULL || d.keys == NULL)
        return eval_no_memory(in->ev);
    for (size_t i = 0; i < in->base.count && rc == FW_OK; i++)
        rc = dress_row(in, i, &d);
    return rc;
}

fw_rc call_info(struct eval *ev, const struct node *call,
                const struct grid *grid, struct sink *sink)
{
    struct info in = {.ev = ev, .call = call, .grid = grid};
    struct rowset *const without_points[] = {&in.values[0], &in.values[1],
                                             &in.keys, &in.names};
    fw_rc rc;

    if (call->arg_count > 1)
        in.wanted = &node_inside(call->args[1])->selector;
    rowset_init(&in.base, ev->arena, grid->count, ev->err);
    rowset_init(&in.infos, ev->arena, grid->count, ev->err);
    rowset_init(&in.out, ev->arena, grid->count, ev->err);
    for (size_t i = 0; i < 4; i++)
        rowset_init(without_points[i], ev->arena, 0, ev->err);
    rc = eval_vector(ev, call->args[0], grid, &in.base.sink);
    if (rc == FW_OK)
        rc = look_at_base(&in);
    if (rc == FW_OK)
        rc = read_infos(&in);
    if (rc == FW_OK)
        rc = chain_infos(&in);
    if (rc == FW_OK)
        rc = dress_all(&in);
    if (rc == FW_OK)
        rc = rowset_push(&in.out, sink);
    rowset_release(&in.base);
    rowset_release(&in.infos);
    rowset_release(&in.out);
    for (size_t i = 0; i < 4; i++)
        rowset_release(without_points[i]);
    return rc;
}
