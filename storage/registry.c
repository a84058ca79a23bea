/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/registry.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/definition.h"

/* What the hash of a label set is made of: lengths keep "ab","c" from "a","bc".
 */
#define KEY_BYTES (FW_MAX_SERIES_BYTES + FW_MAX_LABELS * 8)

fw_rc registry_init(struct registry *r)
{
    *r = (struct registry){.seed = fw_hash_random_seed()};
    if (pthread_rwlock_init(&r->lock, NULL) != 0)
        return FW_ENOMEM;
    r->pages = fw_arena_new(SIZE_MAX / 2);
    return r->pages == NULL ? FW_ENOMEM : symbols_init(&r->symbols);
}

void registry_release(struct registry *r)
{
    symbols_release(&r->symbols);
    postings_release(&r->postings);
    fw_index_release(&r->by_labels);
    fw_arena_free(r->pages);
    free(r->series);
    (void)pthread_rwlock_destroy(&r->lock);
}

static uint64_t hash_labels(const struct registry *r,
                            const struct fw_labels *labels)
{
    char key[KEY_BYTES];
    size_t n = 0;

    for (size_t i = 0; i < labels->n; i++) {
        const struct fw_label *label = &labels->v[i];
        uint32_t lengths[2] = {(uint32_t)label->name.n,
                               (uint32_t)label->value.n};

        memcpy(key + n, lengths, sizeof(lengths));
        n += sizeof(lengths);
        memcpy(key + n, label->name.p, label->name.n);
        n += label->name.n;
        memcpy(key + n, label->value.p, label->value.n);
        n += label->value.n;
    }
    return fw_hash64(key, n, r->seed);
}

static bool same_labels(const void *self, uint32_t id, const void *key)
{
    const struct registry *r = self;
    const struct fw_labels *labels = key;
    const struct registry_series *series = &r->series[id];

    if (series->count != labels->n)
        return false;
    for (size_t i = 0; i < labels->n; i++) {
        const uint32_t *pair = series->pairs + 2 * i;

        if (!fw_str_eq(symbols_text(&r->symbols, pair[0]), labels->v[i].name) ||
            !fw_str_eq(symbols_text(&r->symbols, pair[1]), labels->v[i].value))
            return false;
    }
    return true;
}

static uint32_t find_locked(const struct registry *r, uint64_t hash,
                            const struct fw_labels *labels)
{
    return fw_index_find(&r->by_labels, hash, same_labels, r, labels);
}

/* Interns the labels; the pairs live as long as the registry. */
static fw_rc intern(struct registry *r, const struct fw_labels *labels,
                    const uint32_t **out)
{
    uint32_t *pairs = fw_arena_alloc(r->pages, labels->n * 2 * sizeof(*pairs));
    fw_rc rc = pairs == NULL ? FW_ENOMEM : FW_OK;

    for (size_t i = 0; i < labels->n && rc == FW_OK; i++) {
        rc = symbols_add(&r->symbols, labels->v[i].name, &pairs[2 * i]);
        if (rc == FW_OK)
            rc =
                symbols_add(&r->symbols, labels->v[i].value, &pairs[2 * i + 1]);
    }
    if (rc == FW_OK)
        *out = pairs;
    return rc;
}

static fw_rc room_for(struct registry *r, uint32_t id)
{
    fw_rc rc = fw_grow(&r->series, &r->cap, (size_t)id + 1, sizeof(*r->series),
                       UINT32_MAX);

    while (rc == FW_OK && r->n <= id)
        r->series[r->n++] = (struct registry_series){0};
    return rc;
}

/*
 * A failure half way leaves postings that name the id wrongly. They are
 * harmless: select.c puts each condition to the labels themselves.
 */
static fw_rc add_locked(struct registry *r, uint32_t id, uint64_t hash,
                        const struct fw_labels *labels)
{
    const uint32_t *pairs = NULL;
    size_t before = r->n;
    fw_rc rc = intern(r, labels, &pairs);

    if (rc == FW_OK)
        rc = room_for(r, id);
    for (size_t i = 0; i < labels->n && rc == FW_OK; i++)
        rc = postings_add(&r->postings, pairs[2 * i], pairs[2 * i + 1], id);
    if (rc == FW_OK)
        rc = fw_index_add(&r->by_labels, hash, id);
    if (rc != FW_OK) {
        r->n = r->n > before ? before : r->n;
        return rc;
    }
    r->series[id] = (struct registry_series){pairs, (uint32_t)labels->n};
    r->known++;
    return FW_OK;
}

fw_rc registry_find(struct registry *r, const struct fw_labels *labels,
                    uint32_t *id)
{
    uint32_t found;

    if (!definition_canonical(labels))
        return FW_EINVAL;
    (void)pthread_rwlock_rdlock(&r->lock);
    found = find_locked(r, hash_labels(r, labels), labels);
    (void)pthread_rwlock_unlock(&r->lock);
    if (found == FW_INDEX_NONE)
        return FW_NONE;
    *id = found;
    return FW_OK;
}

fw_rc registry_id(struct registry *r, const struct fw_labels *labels,
                  uint32_t max_series, uint32_t *id, struct fw_err *err)
{
    fw_rc rc = registry_find(r, labels, id);
    uint64_t hash;
    uint32_t found;

    if (rc == FW_EINVAL)
        return fw_err_set(err, rc, "the labels are not in canonical form");
    if (rc == FW_OK)
        return rc;
    rc = FW_OK;
    (void)pthread_rwlock_wrlock(&r->lock);
    hash = hash_labels(r, labels);
    found = find_locked(r, hash, labels); /* somebody may have been faster */
    if (found == FW_INDEX_NONE) {
        found = (uint32_t)r->n;
        if (r->known >= max_series || r->n >= UINT32_MAX - 1)
            rc = fw_err_set(err, FW_ETOOBIG,
                            "there are %zu series already, which is the limit "
                            "(--max-series)",
                            r->known);
        else
            rc = add_locked(r, found, hash, labels);
        if (rc == FW_ENOMEM)
            rc = fw_err_set(err, rc, "out of memory");
    }
    (void)pthread_rwlock_unlock(&r->lock);
    if (rc == FW_OK)
        *id = found;
    return rc;
}

fw_rc registry_define(struct registry *r, uint32_t id,
                      const struct fw_labels *labels, struct fw_err *err)
{
    uint64_t hash;
    uint32_t found;
    fw_rc rc = FW_OK;

    if (id >= UINT32_MAX - 1 || !definition_canonical(labels))
        return fw_err_set(err, FW_ECORRUPT, "bad labels of series %u", id);
    (void)pthread_rwlock_wrlock(&r->lock);
    hash = hash_labels(r, labels);
    found = find_locked(r, hash, labels);
    if (found == id)
        rc = FW_OK;
    else if (found != FW_INDEX_NONE)
        rc = fw_err_set(err, FW_ECORRUPT,
                        "series %u has the labels of series %u", id, found);
    else if (id < r->n && r->series[id].pairs != NULL)
        rc = fw_err_set(err, FW_ECORRUPT, "series %u has two sets of labels",
                        id);
    else
        rc = add_locked(r, id, hash, labels);
    (void)pthread_rwlock_unlock(&r->lock);
    if (rc == FW_ENOMEM)
        return fw_err_set(err, rc, "out of memory");
    return rc;
}

/* The labels as texts, in `room`; false for a hole or an unknown id. */
static bool labels_locked(const struct registry *r, uint32_t id,
                          struct fw_label room[FW_MAX_LABELS],
                          struct fw_labels *out)
{
    const struct registry_series *series;

    if (id >= r->n || r->series[id].pairs == NULL)
        return false;
    series = &r->series[id];
    for (size_t i = 0; i < series->count; i++) {
        room[i].name = symbols_text(&r->symbols, series->pairs[2 * i]);
        room[i].value = symbols_text(&r->symbols, series->pairs[2 * i + 1]);
    }
    *out = (struct fw_labels){room, series->count};
    return true;
}

fw_rc registry_put_definition(struct registry *r, uint32_t id,
                              struct fw_buf *out)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    bool there;

    (void)pthread_rwlock_rdlock(&r->lock);
    there = labels_locked(r, id, room, &labels);
    (void)pthread_rwlock_unlock(&r->lock);
    /* The texts themselves never move, so they may be read without the lock. */
    return there ? definition_put(out, &labels) : FW_NONE;
}

void registry_describe(struct registry *r, uint32_t id, char *out, size_t n)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 8);
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    bool there;

    (void)pthread_rwlock_rdlock(&r->lock);
    there = labels_locked(r, id, room, &labels);
    (void)pthread_rwlock_unlock(&r->lock);
    if (there && fw_labels_print(&text, &labels) == FW_OK)
        (void)snprintf(out, n, "%s", text.data);
    else
        (void)snprintf(out, n, "series %u", id);
    fw_buf_release(&text);
}

fw_rc registry_skip(struct registry *r, uint32_t next)
{
    fw_rc rc = FW_OK;

    (void)pthread_rwlock_wrlock(&r->lock);
    if (next > 0)
        rc = room_for(r, next - 1);
    (void)pthread_rwlock_unlock(&r->lock);
    return rc;
}

size_t registry_next_id(struct registry *r)
{
    size_t n;

    (void)pthread_rwlock_rdlock(&r->lock);
    n = r->n;
    (void)pthread_rwlock_unlock(&r->lock);
    return n;
}

size_t registry_known(struct registry *r)
{
    size_t n;

    (void)pthread_rwlock_rdlock(&r->lock);
    n = r->known;
    (void)pthread_rwlock_unlock(&r->lock);
    return n;
}

fw_rc registry_copy_locked(struct registry *r, uint32_t id,
                           struct fw_arena *arena, struct fw_labels *labels,
                           struct fw_err *err)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels found = {0};
    struct fw_label *v;
    size_t bytes = 0;
    char *texts;

    if (!labels_locked(r, id, room, &found))
        return FW_NONE;
    for (size_t i = 0; i < found.n; i++)
        bytes += room[i].name.n + room[i].value.n;
    v = fw_arena_alloc(arena, found.n * sizeof(*v) + bytes);
    if (v == NULL)
        return fw_arena_err(arena, err);
    texts = (char *)(v + found.n);
    for (size_t i = 0; i < found.n; i++) {
        v[i].name = (struct fw_str){texts, room[i].name.n};
        memcpy(texts, room[i].name.p, room[i].name.n);
        texts += room[i].name.n;
        v[i].value = (struct fw_str){texts, room[i].value.n};
        memcpy(texts, room[i].value.p, room[i].value.n);
        texts += room[i].value.n;
    }
    *labels = (struct fw_labels){v, found.n};
    return FW_OK;
}
