/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/eval/labelset.h"

#include "query/parse/ast.h"
#include "storage/base/hash.h"

uint64_t labels_hash(const struct fw_labels *labels)
{
    uint64_t hash = labels->n;

    for (size_t i = 0; i < labels->n; i++) {
        hash = fw_hash64(labels->v[i].name.p, labels->v[i].name.n, hash);
        hash = fw_hash64(labels->v[i].value.p, labels->v[i].value.n, hash);
    }
    return hash;
}

bool labels_equal(const struct fw_labels *a, const struct fw_labels *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!fw_str_eq(a->v[i].name, b->v[i].name) ||
            !fw_str_eq(a->v[i].value, b->v[i].value))
            return false;
    }
    return true;
}

static bool is_in(struct fw_str name, const struct fw_str *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fw_str_eq(names[i], name))
            return true;
    }
    return false;
}

void labels_pick(const struct fw_labels *from, const struct fw_str *names,
                 size_t count, bool keep, struct fw_label *to, size_t *n)
{
    size_t out = 0;

    for (size_t i = 0; i < from->n; i++) {
        if (is_in(from->v[i].name, names, count) == keep)
            to[out++] = from->v[i];
    }
    *n = out;
}

bool labels_copy(struct fw_arena *arena, const struct fw_label *v, size_t n,
                 struct fw_labels *out)
{
    struct fw_label *copy = fw_arena_alloc(arena, n * sizeof(*copy));

    if (copy == NULL)
        return false;
    if (n > 0)
        memcpy(copy, v, n * sizeof(*copy));
    *out = (struct fw_labels){copy, n};
    return true;
}

bool label_buffer_fit(struct label_buffer *buffer, struct fw_arena *arena,
                      size_t n)
{
    if (buffer->v != NULL && n <= buffer->cap)
        return true;
    buffer->cap = n < 32 ? 32 : 2 * n;
    buffer->v = fw_arena_alloc(arena, buffer->cap * sizeof(*buffer->v));
    return buffer->v != NULL;
}

/* The index of a label, or where it would stand; *found tells. */
static size_t position(const struct fw_labels *labels, struct fw_str name,
                       bool *found)
{
    for (size_t i = 0; i < labels->n; i++) {
        int order = fw_str_cmp(labels->v[i].name, name);

        if (order >= 0) {
            *found = order == 0;
            return i;
        }
    }
    *found = false;
    return labels->n;
}

bool labels_drop_name(struct fw_arena *arena, struct fw_labels *labels)
{
    bool found;
    size_t at = position(labels, NAME_LABEL, &found);

    if (!found)
        return true;
    if (at == 0) {
        *labels = (struct fw_labels){labels->v + 1, labels->n - 1};
        return true;
    }
    return labels_set(arena, labels, NAME_LABEL, FW_STR(""));
}

/* Where the name of a marked label points. */
static const char marked_name[] = FW_METRIC_NAME;

bool labels_has_marked_name(const struct fw_labels *labels)
{
    for (size_t i = 0; i < labels->n; i++) {
        if (labels->v[i].name.p == marked_name)
            return true;
    }
    return false;
}

bool labels_mark_name(struct fw_arena *arena, struct fw_labels *labels)
{
    bool found;
    size_t at = position(labels, NAME_LABEL, &found);
    struct fw_label *v;

    if (!found || labels->v[at].name.p == marked_name)
        return true;
    v = fw_arena_alloc(arena, labels->n * sizeof(*v));
    if (v == NULL)
        return false;
    memcpy(v, labels->v, labels->n * sizeof(*v));
    v[at].name.p = marked_name;
    labels->v = v;
    return true;
}

bool labels_set(struct fw_arena *arena, struct fw_labels *labels,
                struct fw_str name, struct fw_str value)
{
    bool found;
    size_t at = position(labels, name, &found);
    size_t rest = at + found;
    size_t add = value.n > 0;
    struct fw_label *v;

    if (!found && add == 0)
        return true;
    v = fw_arena_alloc(arena, (labels->n + 1) * sizeof(*v));
    if (v == NULL)
        return false;
    if (at > 0)
        memcpy(v, labels->v, at * sizeof(*v));
    if (add)
        v[at] = (struct fw_label){name, value};
    if (labels->n > rest)
        memcpy(v + at + add, labels->v + rest, (labels->n - rest) * sizeof(*v));
    *labels = (struct fw_labels){v, at + add + labels->n - rest};
    return true;
}

fw_rc labels_describe(struct fw_buf *out, const struct fw_labels *labels)
{
    fw_rc rc = fw_buf_addc(out, '{');

    for (size_t i = 0; i < labels->n && rc == FW_OK; i++) {
        const struct fw_label *l = &labels->v[i];
        bool plain = is_plain_label(l->name);

        rc = fw_buf_printf(out, "%s%s%.*s%s=\"", i > 0 ? ", " : "",
                           plain ? "" : "\"", FW_STR_ARG(l->name),
                           plain ? "" : "\"");
        for (size_t k = 0; k < l->value.n && rc == FW_OK; k++) {
            char c = l->value.p[k];

            if (c == '"' || c == '\\')
                rc = fw_buf_addc(out, '\\');
            if (rc == FW_OK)
                rc = c == '\n' ? fw_buf_adds(out, "\\n") : fw_buf_addc(out, c);
        }
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '"');
    }
    return rc == FW_OK ? fw_buf_addc(out, '}') : rc;
}
