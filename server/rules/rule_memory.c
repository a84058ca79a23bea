/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/rules/rule_memory.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"

#define MAX_MEMORY_SERIES 1000000
#define MAX_MEMORY_SAMPLES 100000000

static bool is_series(const void *self, uint32_t at, const void *key)
{
    const struct rule_memory *m = self;

    return fw_labels_cmp(&m->series[at].labels, key) == 0;
}

static fw_rc find_series(struct rule_memory *m, const struct fw_labels *labels,
                         uint32_t *out, struct fw_err *err)
{
    uint64_t hash = rule_labels_hash(labels);
    struct memory_series fresh = {0};
    fw_rc rc;

    *out = fw_index_find(&m->index, hash, is_series, m, labels);
    if (*out != FW_INDEX_NONE)
        return FW_OK;
    rc = rule_labels_copy(labels, &fresh.labels);
    if (rc == FW_OK)
        rc = fw_grow(&m->series, &m->cap, m->count + 1, sizeof(*m->series),
                     MAX_MEMORY_SERIES);
    if (rc == FW_OK)
        rc = fw_index_add(&m->index, hash, (uint32_t)m->count);
    if (rc != FW_OK) {
        free((void *)(uintptr_t)fresh.labels.v);
        return fw_err_set(err, rc, "no room for more series");
    }
    *out = (uint32_t)m->count;
    m->series[m->count++] = fresh;
    return FW_OK;
}

fw_rc rule_memory_add(void *self, const struct fw_labels *labels,
                      uint32_t *series, fw_ms t, double v, struct fw_err *err)
{
    struct rule_memory *m = self;
    struct memory_series *s;
    uint32_t at = *series;
    fw_rc rc = FW_OK;

    if (at == 0) {
        rc = find_series(m, labels, &at, err);
        if (rc != FW_OK)
            return rc;
        *series = ++at;
    }
    s = &m->series[at - 1];
    if (s->n > 0 && s->t[s->n - 1] >= t)
        return FW_OK;
    rc = fw_grow(&s->t, &s->t_cap, s->n + 1, sizeof(*s->t), MAX_MEMORY_SAMPLES);
    if (rc == FW_OK)
        rc = fw_grow(&s->v, &s->v_cap, s->n + 1, sizeof(*s->v),
                     MAX_MEMORY_SAMPLES);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "no room for more samples");
    s->t[s->n] = t;
    s->v[s->n++] = v;
    return FW_OK;
}

void rule_memory_release(struct rule_memory *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free((void *)(uintptr_t)m->series[i].labels.v);
        free(m->series[i].t);
        free(m->series[i].v);
    }
    free(m->series);
    fw_index_release(&m->index);
    *m = (struct rule_memory){0};
}

/* ---- as a source ---- */

static bool satisfies(const struct fw_labels *labels,
                      const struct fw_matcher *matchers,
                      struct fw_regex *const *regexes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct fw_str value = fw_labels_get(labels, matchers[i].name);
        bool equal = regexes[i] != NULL ? fw_regex_matches(regexes[i], value)
                                        : fw_str_eq(value, matchers[i].value);

        if (equal != (matchers[i].op == FW_MATCH_EQUAL ||
                      matchers[i].op == FW_MATCH_REGEX))
            return false;
    }
    return true;
}

static int compare_series(const void *a, const void *b)
{
    return fw_labels_cmp(&((const struct fw_series *)a)->labels,
                         &((const struct fw_series *)b)->labels);
}

static fw_rc select_all(struct rule_memory *m,
                        const struct fw_matcher *matchers,
                        struct fw_regex *const *regexes, size_t n,
                        size_t max_series, struct fw_arena *arena,
                        struct fw_series **series, size_t *count,
                        struct fw_err *err)
{
    struct fw_series *found =
        fw_arena_calloc(arena, m->count + 1, sizeof(*found));
    size_t kept = 0;

    if (found == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < m->count; i++)
        if (satisfies(&m->series[i].labels, matchers, regexes, n))
            found[kept++] =
                (struct fw_series){(uint32_t)i, m->series[i].labels};
    if (kept > max_series)
        return fw_err_set(err, FW_ETOOBIG, "more than %zu series", max_series);
    qsort(found, kept, sizeof(*found), compare_series);
    *series = found;
    *count = kept;
    return FW_OK;
}

static fw_rc memory_select(void *self, const struct fw_matcher *matchers,
                           size_t n, fw_ms from, fw_ms to, size_t max_series,
                           struct fw_arena *arena, struct fw_series **series,
                           size_t *count, struct fw_err *err)
{
    struct fw_regex **regexes =
        fw_arena_calloc(arena, n + 1, sizeof(void *)); /* of pointers */
    fw_rc rc = FW_OK;

    (void)from;
    (void)to;
    if (regexes == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; rc == FW_OK && i < n; i++)
        if (matchers[i].op == FW_MATCH_REGEX ||
            matchers[i].op == FW_MATCH_NOT_REGEX)
            rc = fw_regex_compile(matchers[i].value, &regexes[i], err);
    if (rc == FW_OK)
        rc = select_all(self, matchers, regexes, n, max_series, arena, series,
                        count, err);
    for (size_t i = 0; i < n; i++)
        fw_regex_free(regexes[i]);
    return rc;
}

struct memory_cursor {
    const struct memory_series *series;
    fw_ms from, to;
    bool done;
};

static fw_rc memory_open(void *self, uint32_t series, fw_ms from, fw_ms to,
                         void **cursor, struct fw_err *err)
{
    struct rule_memory *m = self;
    struct memory_cursor *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    *c = (struct memory_cursor){&m->series[series], from, to, false};
    *cursor = c;
    return FW_OK;
}

/* The first index whose time is not before t. */
static size_t lower_bound(const fw_ms *times, size_t n, fw_ms t)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;

        if (times[middle] < t)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static fw_rc memory_next(void *self, void *cursor, struct fw_run *run,
                         struct fw_err *err)
{
    struct memory_cursor *c = cursor;
    const struct memory_series *s = c->series;
    size_t from = lower_bound(s->t, s->n, c->from);
    size_t to = lower_bound(s->t, s->n, c->to);

    (void)self;
    (void)err;
    while (to < s->n && s->t[to] == c->to)
        to++;
    if (c->done || from >= to)
        return FW_END;
    c->done = true;
    *run = (struct fw_run){.t = s->t + from, .v = s->v + from, .n = to - from};
    return FW_OK;
}

static void memory_close(void *self, void *cursor)
{
    (void)self;
    free(cursor);
}

struct fw_source rule_memory_source(struct rule_memory *m)
{
    return (struct fw_source){.select = memory_select,
                              .open = memory_open,
                              .next = memory_next,
                              .close = memory_close,
                              .self = m};
}
