/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/query/memory_source.h"

#include <stdlib.h>

#define RUN_SAMPLES 3
#define MAX_ITEMS 1000000

void memory_source_init(struct memory_source *m)
{
    *m = (struct memory_source){.arena = fw_arena_new((size_t)64 << 20)};
    FW_ASSERT(m->arena != NULL);
}

void memory_source_release(struct memory_source *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->series[i].t);
        free(m->series[i].v);
    }
    free(m->series);
    fw_arena_free(m->arena);
    *m = (struct memory_source){0};
}

/* ---- Filling ------------------------------------------------------------- */

struct memory_series *memory_source_series(struct memory_source *m,
                                           const char *text)
{
    struct fw_matcher *matchers = NULL;
    struct fw_label *v;
    struct fw_labels labels;
    struct fw_err err = {0};
    size_t n = 0;
    size_t at;

    if (fw_parse_selector(fw_str_of(text), m->arena, &matchers, &n, &err) !=
        FW_OK) {
        fprintf(stderr, "%s: %s\n", text, err.text);
        return NULL;
    }
    v = fw_arena_calloc(m->arena, n, sizeof(*v));
    for (size_t i = 0; i < n; i++)
        v[i] = (struct fw_label){matchers[i].name, matchers[i].value};
    FW_ASSERT(fw_labels_canonical(v, &n, &err) == FW_OK);
    labels = (struct fw_labels){v, n};
    for (at = 0; at < m->count; at++) {
        int order = fw_labels_cmp(&m->series[at].labels, &labels);

        if (order == 0)
            return &m->series[at];
        if (order > 0)
            break;
    }
    FW_ASSERT(fw_grow(&m->series, &m->cap, m->count + 1, sizeof(*m->series),
                      MAX_ITEMS) == FW_OK);
    memmove(m->series + at + 1, m->series + at,
            (m->count - at) * sizeof(*m->series));
    m->series[at] = (struct memory_series){.labels = labels};
    m->count++;
    return &m->series[at];
}

void memory_series_add(struct memory_series *s, fw_ms t, double v)
{
    size_t cap = s->cap;

    FW_ASSERT(s->n == 0 || s->t[s->n - 1] < t);
    FW_ASSERT(fw_grow(&s->t, &cap, s->n + 1, sizeof(*s->t), MAX_ITEMS) ==
              FW_OK);
    FW_ASSERT(fw_grow(&s->v, &s->cap, s->n + 1, sizeof(*s->v), MAX_ITEMS) ==
              FW_OK);
    s->t[s->n] = t;
    s->v[s->n++] = v;
}

/* ---- Reading ------------------------------------------------------------- */

static bool matches(const struct fw_matcher *m, const struct fw_labels *labels)
{
    struct fw_str value = fw_labels_get(labels, m->name);
    struct fw_regex *regex = NULL;
    bool hit;

    if (m->op == FW_MATCH_EQUAL || m->op == FW_MATCH_DIFFERS)
        return fw_str_eq(value, m->value) == (m->op == FW_MATCH_EQUAL);
    FW_ASSERT(fw_regex_compile(m->value, &regex, NULL) == FW_OK);
    hit = fw_regex_matches(regex, value);
    fw_regex_free(regex);
    return hit == (m->op == FW_MATCH_REGEX);
}

static bool all_match(const struct fw_matcher *matchers, size_t n,
                      const struct fw_labels *labels)
{
    for (size_t i = 0; i < n; i++) {
        if (!matches(&matchers[i], labels))
            return false;
    }
    return true;
}

static fw_rc memory_select(void *self, const struct fw_matcher *matchers,
                           size_t n, fw_ms from, fw_ms to, size_t max_series,
                           struct fw_arena *arena, struct fw_series **series,
                           size_t *count, struct fw_err *err)
{
    struct memory_source *m = self;
    struct fw_series *found = fw_arena_alloc(arena, m->count * sizeof(*found));
    size_t out = 0;

    (void)from; /* series that only may have samples are welcome */
    (void)to;
    if (found == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < m->count; i++) {
        if (!all_match(matchers, n, &m->series[i].labels))
            continue;
        if (out == max_series)
            return fw_err_set(err, FW_ETOOBIG, "more than %zu series match",
                              max_series);
        found[out++] = (struct fw_series){(uint32_t)i, m->series[i].labels};
    }
    *series = found;
    *count = out;
    return FW_OK;
}

struct memory_cursor {
    const struct memory_series *series;
    size_t next, end;
};

static fw_rc memory_open(void *self, uint32_t series, fw_ms from, fw_ms to,
                         void **cursor, struct fw_err *err)
{
    struct memory_source *m = self;
    struct memory_cursor *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    c->series = &m->series[series];
    while (c->next < c->series->n && c->series->t[c->next] < from)
        c->next++;
    for (c->end = c->next; c->end < c->series->n && c->series->t[c->end] <= to;)
        c->end++;
    m->opened++;
    *cursor = c;
    return FW_OK;
}

static fw_rc memory_next(void *self, void *cursor, struct fw_run *run,
                         struct fw_err *err)
{
    struct memory_source *m = self;
    struct memory_cursor *c = cursor;
    size_t n = c->end - c->next < RUN_SAMPLES ? c->end - c->next : RUN_SAMPLES;

    if (m->fail_in > 0 && --m->fail_in == 0)
        return fw_err_set(err, FW_ECORRUPT, "a block cannot be read");
    if (n == 0)
        return FW_END;
    *run = (struct fw_run){
        .t = c->series->t + c->next, .v = c->series->v + c->next, .n = n};
    c->next += n;
    m->handed += n;
    return FW_OK;
}

static void memory_close(void *self, void *cursor)
{
    (void)self;
    free(cursor);
}

struct fw_source memory_source_as_source(struct memory_source *m)
{
    return (struct fw_source){.select = memory_select,
                              .open = memory_open,
                              .next = memory_next,
                              .close = memory_close,
                              .self = m};
}
