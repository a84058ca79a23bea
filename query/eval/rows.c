/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/eval/rows.h"

#include <stdlib.h>

#include "query/eval/labelset.h"
#include "storage/base/limits.h"

void row_fill(double *v, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        v[i] = value;
}

bool row_is_empty(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i]))
            return false;
    }
    return true;
}

static fw_rc append(struct rowset *set, const struct fw_labels *labels,
                    struct row **out)
{
    fw_rc rc = fw_grow(&set->rows, &set->cap, set->count + 1,
                       sizeof(*set->rows), FW_MAX_QUERY_SERIES);
    struct row *row;

    if (rc == FW_ETOOBIG)
        return fw_err_set(set->err, rc,
                          "the query makes more than %d series; aggregate or "
                          "select fewer",
                          FW_MAX_QUERY_SERIES);
    if (rc != FW_OK)
        return fw_err_set(set->err, rc, "out of memory");
    row = &set->rows[set->count];
    row->labels = *labels;
    row->v = fw_arena_alloc(set->arena, set->steps * sizeof(double));
    if (row->v == NULL)
        return fw_arena_err(set->arena, set->err);
    set->count++;
    *out = row;
    return FW_OK;
}

static fw_rc collect(struct sink *sink, struct row *row)
{
    struct rowset *set = (struct rowset *)sink;
    struct row *copy;
    fw_rc rc = append(set, &row->labels, &copy);

    if (rc == FW_OK)
        memcpy(copy->v, row->v, set->steps * sizeof(double));
    return rc;
}

void rowset_init(struct rowset *set, struct fw_arena *arena, size_t steps,
                 struct fw_err *err)
{
    *set = (struct rowset){
        .sink = {collect}, .arena = arena, .steps = steps, .err = err};
}

void rowset_release(struct rowset *set)
{
    free(set->rows);
    fw_index_release(&set->index);
    *set = (struct rowset){0};
}

fw_rc rowset_add(struct rowset *set, const struct fw_labels *labels,
                 struct row **out)
{
    fw_rc rc = append(set, labels, out);

    if (rc == FW_OK)
        row_fill((*out)->v, set->steps, absent());
    return rc;
}

static bool same_labels(const void *self, uint32_t value, const void *key)
{
    const struct rowset *set = self;

    return labels_equal(&set->rows[value].labels, key);
}

fw_rc rowset_find_or_add(struct rowset *set, const struct fw_labels *labels,
                         size_t *index, bool *is_new)
{
    uint64_t hash = labels_hash(labels);
    uint32_t at = fw_index_find(&set->index, hash, same_labels, set, labels);
    struct row *row;
    fw_rc rc;

    *is_new = at == FW_INDEX_NONE;
    *index = at;
    if (!*is_new)
        return FW_OK;
    *index = set->count;
    rc = rowset_add(set, labels, &row);
    if (rc == FW_OK &&
        fw_index_add(&set->index, hash, (uint32_t)*index) != FW_OK)
        rc = fw_err_set(set->err, FW_ENOMEM, "out of memory");
    return rc;
}

bool rowset_has(const struct rowset *set, const struct fw_labels *labels)
{
    return fw_index_find(&set->index, labels_hash(labels), same_labels, set,
                         labels) != FW_INDEX_NONE;
}

static fw_rc same_labelset(struct rowset *set)
{
    return fw_err_set(set->err, FW_EINVAL,
                      "vector cannot contain metrics with the same labelset");
}

fw_rc rowset_merge(struct rowset *set, const struct row *row, bool strict)
{
    size_t at = 0;
    bool is_new = false;
    fw_rc rc = rowset_find_or_add(set, &row->labels, &at, &is_new);
    double *to;

    if (rc != FW_OK)
        return rc;
    if (strict && !is_new)
        return same_labelset(set);
    to = set->rows[at].v;
    for (size_t i = 0; i < set->steps; i++) {
        if (is_absent(row->v[i]))
            continue;
        if (!is_absent(to[i]))
            return same_labelset(set);
        to[i] = row->v[i];
    }
    return FW_OK;
}

fw_rc rowset_push(struct rowset *set, struct sink *sink)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < set->count && rc == FW_OK; i++)
        rc = sink->take(sink, &set->rows[i]);
    return rc;
}
