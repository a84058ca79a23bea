/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry.c - series are found, added and forgotten, under the one lock.
 * registry_rows.c has the pages they are in, registry_metrics.c counts.
 */
#include "storage/index/registry.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/index/definition.h"
#include "storage/index/registry_parts.h"

/*
 * Whoever holds the lock gives it back within a microsecond or two: to look
 * again costs less than to sleep and be woken, which took a third of the time
 * where two threads made many series. Past that it is somebody who takes long.
 */
#define LOOKS 100

static void look_again_soon(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void lock_to_read(struct registry *r)
{
    for (int i = 0; i < LOOKS; i++) {
        if (pthread_rwlock_tryrdlock(&r->lock) == 0)
            return;
        look_again_soon();
    }
    (void)pthread_rwlock_rdlock(&r->lock);
}

static void lock_to_write(struct registry *r)
{
    for (int i = 0; i < LOOKS; i++) {
        if (pthread_rwlock_trywrlock(&r->lock) == 0)
            return;
        look_again_soon();
    }
    (void)pthread_rwlock_wrlock(&r->lock);
}

fw_rc registry_init(struct registry *r)
{
    *r = (struct registry){.metrics.label = SYMBOL_NONE};
    if (pthread_rwlock_init(&r->lock, NULL) != 0)
        return FW_ENOMEM;
    return symbols_init(&r->symbols);
}

void registry_release(struct registry *r)
{
    for (size_t i = 0; i < r->packed_n; i++)
        label_page_free(r->packed[i]);
    for (size_t i = 0; i < r->open_count; i++)
        page_open_free(r->open[i]);
    free(r->packed);
    free(r->metrics.v);
    tag_index_release(&r->metrics.by_name);
    free(r->leaving);
    free(r->wanted);
    symbols_release(&r->symbols);
    postings_release(&r->postings);
    tag_index_release(&r->by_labels);
    (void)pthread_rwlock_destroy(&r->lock);
}

/* ---- Hashes -----------------------------------------------------------------
 */

/* A label set with the hashes of its texts, for looking up and adding. */
struct hashed {
    const struct fw_labels *labels;
    uint64_t names[FW_MAX_LABELS], values[FW_MAX_LABELS];
    uint64_t all;
};

static void hash_labels(const struct registry *r,
                        const struct fw_labels *labels, struct hashed *out)
{
    out->labels = labels;
    out->all = 0;
    for (size_t i = 0; i < labels->n; i++) {
        out->names[i] = symbols_hash(&r->symbols, labels->v[i].name);
        out->values[i] = symbols_hash(&r->symbols, labels->v[i].value);
        out->all = registry_hash_label(out->all, out->names[i], out->values[i]);
    }
}

static uint64_t hash_pairs(const struct registry *r, const uint32_t *pairs,
                           uint32_t labels)
{
    uint64_t h = 0;

    for (uint32_t i = 0; i < labels; i++)
        h = registry_hash_label(
            h,
            symbols_hash(&r->symbols, symbols_text(&r->symbols, pairs[2 * i])),
            symbols_hash(&r->symbols,
                         symbols_text(&r->symbols, pairs[2 * i + 1])));
    return h;
}

/* ---- Looking up -------------------------------------------------------------
 */

static bool same_labels(const void *self, uint32_t id, const void *key)
{
    const struct registry *r = self;
    const struct fw_labels *labels = key;
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t n = 0;

    if (!registry_pairs_locked(r, id, pairs, &n) || n != labels->n)
        return false;
    /* Values first, and from the end: that is where series differ. */
    for (size_t i = n; i > 0; i--)
        if (!fw_str_eq(symbols_text(&r->symbols, pairs[2 * i - 1]),
                       labels->v[i - 1].value))
            return false;
    for (size_t i = 0; i < n; i++)
        if (!fw_str_eq(symbols_text(&r->symbols, pairs[2 * i]),
                       labels->v[i].name))
            return false;
    return true;
}

static uint32_t find_locked(const struct registry *r, const struct hashed *h)
{
    return tag_index_find(&r->by_labels, h->all, same_labels, r, h->labels);
}

/* The labels as texts, in `room`; false for a hole or an unknown id. */
static bool labels_locked(const struct registry *r, uint32_t id,
                          struct fw_label room[FW_MAX_LABELS],
                          struct fw_labels *out)
{
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t n = 0;

    if (!registry_pairs_locked(r, id, pairs, &n))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        room[i].name = symbols_text(&r->symbols, pairs[2 * i]);
        room[i].value = symbols_text(&r->symbols, pairs[2 * i + 1]);
    }
    *out = (struct fw_labels){room, n};
    return true;
}

/* ---- Adding -----------------------------------------------------------------
 */

/* The symbols of a label set, with a reference each. */
static fw_rc intern(struct registry *r, const struct hashed *h, uint32_t *pairs)
{
    size_t done = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < h->labels->n && rc == FW_OK; i++) {
        rc = symbols_add(&r->symbols, h->labels->v[i].name, h->names[i],
                         &pairs[done]);
        done += rc == FW_OK;
        if (rc == FW_OK)
            rc = symbols_add(&r->symbols, h->labels->v[i].value, h->values[i],
                             &pairs[done]);
        done += rc == FW_OK;
        if (rc != FW_OK)
            registry_drop_symbols(r, pairs, done);
    }
    return rc;
}

static fw_rc add_locked(struct registry *r, uint32_t id, const struct hashed *h)
{
    uint32_t number = id / REGISTRY_PAGE_SERIES;
    uint32_t labels = (uint32_t)h->labels->n;
    uint32_t pairs[2 * FW_MAX_LABELS];
    struct registry_open *open = NULL;
    fw_rc rc = page_to_write(r, number, &open);

    if (rc == FW_OK)
        rc = tag_index_reserve(&r->by_labels, r->by_labels.count + 1);
    if (rc == FW_OK)
        rc = intern(r, h, pairs);
    if (rc != FW_OK)
        return rc;
    rc = metrics_count(r, pairs, labels, 1);
    if (rc == FW_OK) {
        rc = page_put_row(r, open, id % REGISTRY_PAGE_SERIES, pairs, labels);
        if (rc != FW_OK)
            (void)!metrics_count(r, pairs, labels, -1);
    }
    registry_drop_symbols(r, pairs,
                          2 * (size_t)labels); /* the row has its own now */
    if (rc == FW_OK)
        rc = tag_index_add(&r->by_labels, h->all, id);
    if (rc != FW_OK)
        return rc;
    r->known++;
    r->n = r->n > id ? r->n : (size_t)id + 1;
    /* Where memory for packing is missing the page is packed another time. */
    if (open->known == REGISTRY_PAGE_SERIES)
        for (size_t i = 0; i < r->open_count; i++)
            if (r->open[i] == open) {
                (void)!page_pack(r, i);
                break;
            }
    return FW_OK;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

/* Somebody asks for a series: it does not leave. */
static void want_locked(struct registry *r, uint32_t id)
{
    const uint32_t *at =
        r->leaving_n == 0
            ? NULL
            : bsearch(&id, r->leaving, r->leaving_n, sizeof(id), by_number);

    if (at != NULL)
        atomic_store(&r->wanted[at - r->leaving], true);
}

static fw_rc find_hashed(struct registry *r, const struct fw_labels *labels,
                         struct hashed *h, uint32_t *id)
{
    uint32_t found;

    if (!definition_canonical(labels))
        return FW_EINVAL;
    hash_labels(r, labels, h);
    lock_to_read(r);
    found = find_locked(r, h);
    if (found != FW_INDEX_NONE)
        want_locked(r, found);
    (void)pthread_rwlock_unlock(&r->lock);
    if (found == FW_INDEX_NONE)
        return FW_NONE;
    *id = found;
    return FW_OK;
}

fw_rc registry_find(struct registry *r, const struct fw_labels *labels,
                    uint32_t *id)
{
    struct hashed h;

    return find_hashed(r, labels, &h, id);
}

/* A new series is one too many. */
static fw_rc check_limits(const struct registry *r,
                          const struct fw_labels *labels,
                          const struct registry_limits *limits,
                          struct fw_err *err)
{
    struct fw_str metric = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));
    uint32_t name;

    if (r->known >= limits->series || r->n >= UINT32_MAX - 1)
        return fw_err_set(err, FW_ETOOBIG,
                          "there are %zu series already, which is the limit "
                          "(--max-series)",
                          r->known);
    if (limits->metric == 0 || metric.n == 0)
        return FW_OK;
    name = symbols_find(&r->symbols, metric);
    if (name == SYMBOL_NONE || metrics_series(r, name) < limits->metric)
        return FW_OK;
    return fw_err_set(err, FW_ETOOBIG,
                      "the metric '%.*s' has %u series already, which is the "
                      "limit of one metric (--max-metric-series)",
                      (int)(metric.n < 200 ? metric.n : 200), metric.p,
                      metrics_series(r, name));
}

fw_rc registry_id(struct registry *r, const struct fw_labels *labels,
                  const struct registry_limits *limits, uint32_t *id,
                  struct fw_err *err)
{
    struct hashed h;
    fw_rc rc = find_hashed(r, labels, &h, id);
    uint32_t found;

    if (rc == FW_EINVAL)
        return fw_err_set(err, rc, "the labels are not in canonical form");
    if (rc == FW_OK)
        return rc;
    rc = FW_OK;
    lock_to_write(r);
    found = find_locked(r, &h); /* somebody may have been faster */
    if (found == FW_INDEX_NONE) {
        found = (uint32_t)r->n;
        rc = check_limits(r, labels, limits, err);
        if (rc == FW_OK)
            rc = add_locked(r, found, &h);
        if (rc == FW_ENOMEM)
            rc = fw_err_set(err, rc, "out of memory");
    }
    (void)pthread_rwlock_unlock(&r->lock);
    if (rc == FW_OK)
        *id = found;
    return rc;
}

static bool known_locked(const struct registry *r, uint32_t id)
{
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t n;

    return registry_pairs_locked(r, id, pairs, &n);
}

fw_rc registry_define(struct registry *r, uint32_t id,
                      const struct fw_labels *labels, struct fw_err *err)
{
    struct hashed h;
    uint32_t found;
    fw_rc rc = FW_OK;

    if (id >= UINT32_MAX - 1 || !definition_canonical(labels))
        return fw_err_set(err, FW_ECORRUPT, "bad labels of series %u", id);
    hash_labels(r, labels, &h);
    lock_to_write(r);
    found = find_locked(r, &h);
    if (found == id)
        rc = FW_OK;
    else if (found != FW_INDEX_NONE)
        rc = fw_err_set(err, FW_ECORRUPT,
                        "series %u has the labels of series %u", id, found);
    else if (known_locked(r, id))
        rc = fw_err_set(err, FW_ECORRUPT, "series %u has two sets of labels",
                        id);
    else
        rc = add_locked(r, id, &h);
    (void)pthread_rwlock_unlock(&r->lock);
    if (rc == FW_ENOMEM)
        return fw_err_set(err, rc, "out of memory");
    return rc;
}

/* ---- Forgetting -------------------------------------------------------------
 */

static fw_rc forget_row(struct registry *r, uint32_t id)
{
    uint32_t row = id % REGISTRY_PAGE_SERIES;
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t labels = 0;
    struct registry_open *open = NULL;
    fw_rc rc;

    if (!registry_pairs_locked(r, id, pairs, &labels))
        return FW_OK;
    rc = page_to_write(r, id / REGISTRY_PAGE_SERIES, &open);
    if (rc != FW_OK)
        return rc;
    (void)tag_index_remove(&r->by_labels, hash_pairs(r, pairs, labels), id);
    (void)!metrics_count(r, pairs, labels, -1); /* it is there to be counted */
    page_drop_row(r, open, row);
    free((void *)(uintptr_t)open->rows.pairs[row]);
    open->rows.pairs[row] = NULL;
    open->rows.labels[row] = 0;
    open->known--;
    r->known--;
    return FW_OK;
}

/* Pages that were opened to take series out, all but the one that grows. */
static fw_rc pack_others(struct registry *r)
{
    uint32_t newest = (uint32_t)(r->n / REGISTRY_PAGE_SERIES);
    fw_rc rc = FW_OK;

    for (size_t i = r->open_count; i > 0 && rc == FW_OK; i--)
        if (r->open[i - 1]->number != newest)
            rc = page_pack(r, i - 1);
    return rc;
}

size_t registry_leaving(struct registry *r, struct id_list *ids)
{
    size_t n = 0;

    lock_to_write(r);
    free(r->leaving);
    free(r->wanted);
    r->leaving = NULL;
    r->leaving_n = 0;
    for (size_t i = 0; i < ids->n; i++)
        if (known_locked(r, ids->v[i]))
            ids->v[n++] = ids->v[i];
    r->wanted = calloc(n + 1, sizeof(*r->wanted));
    if (r->wanted != NULL && n > 0) {
        r->leaving = ids->v;
        r->leaving_n = n;
        *ids = (struct id_list){0};
    }
    n = r->leaving_n;
    (void)pthread_rwlock_unlock(&r->lock);
    free(ids->v);
    *ids = (struct id_list){0};
    return n;
}

static fw_rc forget_locked(struct registry *r, registry_may may, void *self,
                           struct id_list *gone)
{
    size_t n = 0;
    fw_rc rc = fw_grow(&gone->v, &gone->cap, r->leaving_n + 1, sizeof(*gone->v),
                       UINT32_MAX);

    if (rc != FW_OK || r->leaving_n == 0)
        return rc;
    for (size_t i = 0; i < r->leaving_n; i++)
        if (!atomic_load(&r->wanted[i]) && may(self, r->leaving[i]))
            gone->v[n++] = r->leaving[i];
    r->leaving_n = 0;
    gone->n = n;
    if (n == 0)
        return FW_OK;
    /* Postings first: no list may name a symbol that is not there. */
    rc = postings_remove(&r->postings, gone->v, n);
    for (size_t i = 0; i < n && rc == FW_OK; i++)
        rc = forget_row(r, gone->v[i]);
    return rc == FW_OK ? pack_others(r) : rc;
}

fw_rc registry_forget(struct registry *r, registry_may may, void *self,
                      struct id_list *gone)
{
    fw_rc rc;

    lock_to_write(r);
    rc = forget_locked(r, may, self, gone);
    (void)pthread_rwlock_unlock(&r->lock);
    return rc;
}

/* ---- Telling ----------------------------------------------------------------
 */

fw_rc registry_put_definition(struct registry *r, uint32_t id,
                              struct fw_buf *out)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    fw_rc rc = FW_NONE;

    lock_to_read(r);
    if (labels_locked(r, id, room, &labels))
        rc = definition_put(out, &labels);
    (void)pthread_rwlock_unlock(&r->lock);
    return rc;
}

void registry_describe(struct registry *r, uint32_t id, char *out, size_t n)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 8);
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    bool there;

    lock_to_read(r);
    there = labels_locked(r, id, room, &labels) &&
            fw_labels_print(&text, &labels) == FW_OK;
    (void)pthread_rwlock_unlock(&r->lock);
    if (there)
        (void)snprintf(out, n, "%s", text.data);
    else
        (void)snprintf(out, n, "series %u", id);
    fw_buf_release(&text);
}

fw_rc registry_skip(struct registry *r, uint32_t next)
{
    lock_to_write(r);
    r->n = r->n > next ? r->n : next;
    (void)pthread_rwlock_unlock(&r->lock);
    return FW_OK;
}

bool registry_has(struct registry *r, uint32_t id)
{
    bool has;

    lock_to_read(r);
    has = known_locked(r, id);
    (void)pthread_rwlock_unlock(&r->lock);
    return has;
}

bool registry_gone(struct registry *r, uint32_t id)
{
    bool gone;

    lock_to_read(r);
    gone = id < r->n && !known_locked(r, id);
    (void)pthread_rwlock_unlock(&r->lock);
    return gone;
}

size_t registry_next_id(struct registry *r)
{
    size_t n;

    lock_to_read(r);
    n = r->n;
    (void)pthread_rwlock_unlock(&r->lock);
    return n;
}

size_t registry_known(struct registry *r)
{
    size_t n;

    lock_to_read(r);
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
