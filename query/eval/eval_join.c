/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_join.c - arithmetic and comparison between two vectors.
 *
 * Rows with the same signature form a match group. One side of it, the "one"
 * side, may have one point per step; each row of the other is combined with
 * it. Rows may take turns over time, so the rules hold per step, not per row.
 */
#include "query/eval/labelset.h"
#include "query/eval/match.h"

struct joining {
    struct eval *ev;
    const struct node *node;
    size_t steps;
    struct sides sides;
    size_t one, many; /* which side of `sides` is which */
    uint32_t *first;  /* of each group: its first row on the one side */
    uint32_t *next;   /* of each row there: the next of its group */
    struct rowset result;
};

#define NO_ROW UINT32_MAX

/* Chains the rows of the one side by their groups. */
static fw_rc chain_groups(struct joining *j)
{
    const struct rowset *set = &j->sides.set[j->one];
    const uint32_t *group = j->sides.group[j->one];

    j->first =
        fw_arena_alloc(j->ev->arena, j->sides.group_count * sizeof(*j->first));
    j->next = fw_arena_alloc(j->ev->arena, set->count * sizeof(*j->next));
    if (j->first == NULL || j->next == NULL)
        return eval_no_memory(j->ev);
    memset(j->first, 0xFF, j->sides.group_count * sizeof(*j->first));
    for (size_t r = set->count; r > 0; r--) {
        j->next[r - 1] = j->first[group[r - 1]];
        j->first[group[r - 1]] = (uint32_t)(r - 1);
    }
    return FW_OK;
}

/* ---- Errors -------------------------------------------------------------- */

/* "...for the match group {} on the left ...: [{...}, {...}" */
static fw_rc describe_duplicates(struct joining *j, const struct row *a,
                                 const struct row *b,
                                 const struct fw_labels *matched,
                                 struct fw_buf *text)
{
    fw_rc rc = fw_buf_adds(text, "found duplicate series for the match group ");

    if (rc == FW_OK)
        rc = labels_describe(text, matched);
    if (rc == FW_OK)
        rc = fw_buf_printf(text, " on the %s hand-side of the operation: [",
                           j->one == 0 ? "left" : "right");
    if (rc == FW_OK)
        rc = labels_describe(text, &b->labels);
    if (rc == FW_OK)
        rc = fw_buf_adds(text, ", ");
    return rc == FW_OK ? labels_describe(text, &a->labels) : rc;
}

static fw_rc many_to_many(struct joining *j, const struct row *a,
                          const struct row *b)
{
    struct label_buffer buffer = {NULL, 0};
    struct fw_labels matched = {NULL, 0};
    struct fw_buf text = FW_BUF_INIT(FW_ERR_TEXT_BYTES);

    if (!label_buffer_fit(&buffer, j->ev->arena, a->labels.n))
        return eval_no_memory(j->ev);
    matched.v = buffer.v;
    match_labels(&j->node->matching, &a->labels, buffer.v, &matched.n);
    /* Labels too long for the sentence are left out. */
    if (describe_duplicates(j, a, b, &matched, &text) != FW_OK)
        fw_buf_clear(&text);
    (void)fw_err_set(j->ev->err, FW_EINVAL,
                     "%s];many-to-many matching not allowed: matching labels "
                     "must be unique on one side",
                     text.len > 0 ? text.data : "found duplicate series [");
    fw_buf_release(&text);
    return FW_EINVAL;
}

/* True if both rows have a point at some step. */
static bool overlap(const struct row *a, const struct row *b, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        if (!is_absent(a->v[i]) && !is_absent(b->v[i]))
            return true;
    }
    return false;
}

/* Where the other side has no point at all, nothing is matched. */
static fw_rc blank_unmatched_steps(struct joining *j, size_t s)
{
    const struct rowset *other = &j->sides.set[1 - s];
    struct rowset *set = &j->sides.set[s];
    bool *any = fw_arena_calloc(j->ev->arena, j->steps, sizeof(*any));

    if (any == NULL)
        return eval_no_memory(j->ev);
    for (size_t r = 0; r < other->count; r++) {
        for (size_t i = 0; i < j->steps; i++)
            any[i] |= !is_absent(other->rows[r].v[i]);
    }
    for (size_t r = 0; r < set->count; r++) {
        for (size_t i = 0; i < j->steps; i++) {
            if (!any[i])
                set->rows[r].v[i] = absent();
        }
    }
    return FW_OK;
}

/* The one side must have one point at most per group and step. */
static fw_rc check_one_side(struct joining *j)
{
    const struct row *rows = j->sides.set[j->one].rows;

    for (uint32_t g = 0; g < j->sides.group_count; g++) {
        for (uint32_t a = j->first[g]; a != NO_ROW; a = j->next[a]) {
            for (uint32_t b = j->next[a]; b != NO_ROW; b = j->next[b]) {
                if (overlap(&rows[a], &rows[b], j->steps))
                    return many_to_many(j, &rows[a], &rows[b]);
            }
        }
    }
    return FW_OK;
}

/* ---- Results ------------------------------------------------------------- */

static fw_rc result_labels(struct joining *j, const struct row *many,
                           const struct row *one, struct fw_labels *out)
{
    const struct matching *m = &j->node->matching;
    struct fw_arena *arena = j->ev->arena;
    bool compares = token_is_comparison(j->node->op);
    bool ok = true;

    *out = many->labels;
    if (!compares || j->node->returns_bool)
        ok = labels_drop_name(arena, out);
    if (ok && m->card == ONE_TO_ONE && (m->on || m->count > 0)) {
        struct fw_label *v = fw_arena_alloc(arena, out->n * sizeof(*v));
        size_t n = 0;

        ok = v != NULL;
        if (ok)
            labels_pick(out, m->labels, m->count, m->on, v, &n);
        *out = (struct fw_labels){v, n};
    }
    for (size_t i = 0; i < m->include_count && ok; i++)
        ok = labels_set(arena, out, m->include[i],
                        fw_labels_get(&one->labels, m->include[i]));
    return ok ? FW_OK : eval_no_memory(j->ev);
}

/* What one pair of rows makes; ABSENT where either has no point. */
static void combine(const struct joining *j, const struct row *many,
                    const struct row *one, double *out)
{
    const struct row *left = j->many == 0 ? many : one;
    const struct row *right = j->many == 0 ? one : many;

    binary_rows(j->node->op, j->node->returns_bool, left->v, right->v, left->v,
                out, j->steps);
}

/*
 * Steps at which a group is matched already, by which labels: two rows of the
 * many side may not come to the same result labels at one step, nor, one to
 * one, to any result. A point that a comparison takes out does not count.
 */
struct taken {
    struct rowset set; /* by group (one to one) or by group and labels */
};

static fw_rc claim(struct joining *j, struct taken *taken, uint32_t group,
                   const struct row *result)
{
    const struct fw_labels *labels = &result->labels;
    bool single = j->node->matching.card == ONE_TO_ONE;
    char *key = fw_arena_printf(j->ev->arena, "%u", group);
    struct fw_label *v;
    struct fw_labels full;
    size_t at = 0;
    bool is_new = false;
    fw_rc rc;

    v = fw_arena_alloc(j->ev->arena, (labels->n + 1) * sizeof(*v));
    if (key == NULL || v == NULL)
        return eval_no_memory(j->ev);
    v[0] = (struct fw_label){FW_STR(""), fw_str_of(key)};
    if (!single && labels->n > 0)
        memcpy(v + 1, labels->v, labels->n * sizeof(*v));
    full = (struct fw_labels){v, single ? 1 : labels->n + 1};
    rc = rowset_find_or_add(&taken->set, &full, &at, &is_new);
    for (size_t i = 0; i < j->steps && rc == FW_OK; i++) {
        if (is_absent(result->v[i]))
            continue;
        if (!is_absent(taken->set.rows[at].v[i]))
            return fw_err_set(
                j->ev->err, FW_EINVAL, "multiple matches for labels: %s",
                single ? "many-to-one matching must be explicit "
                         "(group_left/group_right)"
                       : "grouping labels must ensure unique matches");
        taken->set.rows[at].v[i] = 1;
    }
    return rc;
}

static fw_rc join_pair(struct joining *j, struct taken *taken, uint32_t group,
                       const struct row *many, const struct row *one,
                       double *buffer)
{
    struct row result = {{NULL, 0}, buffer};
    fw_rc rc;

    if (!overlap(many, one, j->steps))
        return FW_OK;
    combine(j, many, one, buffer);
    if (row_is_empty(buffer, j->steps))
        return FW_OK;
    rc = result_labels(j, many, one, &result.labels);
    if (rc == FW_OK && taken != NULL)
        rc = claim(j, taken, group, &result);
    return rc == FW_OK ? rowset_merge(&j->result, &result, false) : rc;
}

/* How many rows of the many side each group has, to spare lone ones a check */
static fw_rc count_many(struct joining *j, uint32_t **out)
{
    uint32_t *count =
        fw_arena_calloc(j->ev->arena, j->sides.group_count, sizeof(*count));

    if (count == NULL)
        return eval_no_memory(j->ev);
    for (size_t r = 0; r < j->sides.set[j->many].count; r++)
        count[j->sides.group[j->many][r]]++;
    *out = count;
    return FW_OK;
}

static fw_rc join_rows(struct joining *j)
{
    const struct rowset *many = &j->sides.set[j->many];
    const struct rowset *one = &j->sides.set[j->one];
    struct taken taken;
    uint32_t *counts = NULL;
    double *buffer = NULL;
    fw_rc rc = eval_array(j->ev, j->steps, &buffer);

    rowset_init(&taken.set, j->ev->arena, j->steps, j->ev->err);
    if (rc == FW_OK)
        rc = count_many(j, &counts);
    for (size_t r = 0; r < many->count && rc == FW_OK; r++) {
        uint32_t g = j->sides.group[j->many][r];

        for (uint32_t o = j->first[g]; o != NO_ROW && rc == FW_OK;
             o = j->next[o])
            rc = join_pair(j, counts[g] > 1 ? &taken : NULL, g, &many->rows[r],
                           &one->rows[o], buffer);
        if (rc == FW_OK)
            rc = budget_samples(j->ev->budget, 0, j->ev->err);
    }
    rowset_release(&taken.set);
    return rc;
}

fw_rc eval_join(struct eval *ev, const struct node *node,
                const struct grid *grid, struct sink *sink)
{
    bool swapped = node->matching.card == ONE_TO_MANY;
    struct joining j = {.ev = ev,
                        .node = node,
                        .steps = grid->count,
                        .one = swapped ? 0 : 1,
                        .many = swapped ? 1 : 0};
    fw_rc rc = sides_collect(ev, node, grid, &j.sides);

    rowset_init(&j.result, ev->arena, grid->count, ev->err);
    if (rc == FW_OK)
        rc = chain_groups(&j);
    if (rc == FW_OK)
        rc = blank_unmatched_steps(&j, j.one);
    if (rc == FW_OK)
        rc = check_one_side(&j);
    if (rc == FW_OK)
        rc = join_rows(&j);
    if (rc == FW_OK)
        rc = rowset_push(&j.result, sink);
    rowset_release(&j.result);
    sides_release(&j.sides);
    return rc;
}
