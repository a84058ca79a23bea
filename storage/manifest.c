/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/meta.h"

#define KEY_BYTES 9
#define VALUE_BYTES (24 + PARTITION_NAME_BYTES)
#define OPEN_FILES 192 /* partitions kept open at once */
#define BIAS ((uint64_t)1 << 63)

enum state { PLANNED = 0, LIVE = 1, DROPPED = 2 };

fw_rc manifest_init(struct manifest *m, const char *dir, struct lmdb_env *meta,
                    bool read_only, size_t map_bytes)
{
    struct fw_err err = {0};

    *m = (struct manifest){
        .meta = meta, .read_only = read_only, .map_bytes = map_bytes};
    (void)pthread_rwlock_init(&m->lock, NULL);
    return fw_path_join(m->dir, dir, "part", &err);
}

void manifest_release(struct manifest *m)
{
    for (size_t i = 0; i < m->count; i++)
        partition_unref(m->sorted[i]);
    free(m->sorted);
    free(m->by_index);
    (void)pthread_rwlock_destroy(&m->lock);
}

/* ---- Spans of time
 * ------------------------------------------------------------
 */

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;

    return q - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

void manifest_span(fw_ms t, fw_ms now, fw_ms *first, fw_ms *last)
{
    uint64_t distance =
        t > now ? (uint64_t)t - (uint64_t)now : (uint64_t)now - (uint64_t)t;
    uint64_t limit = distance / 32 / (uint64_t)FW_DAY;
    int64_t day = floor_div(t, FW_DAY);
    int64_t days = 1;
    int64_t start;

    while ((uint64_t)days <= limit / 2)
        days *= 2;
    start = floor_div(day, days) * days;
    /* The first and the last one there can be reach to the end of time. */
    if (__builtin_mul_overflow(start, FW_DAY, first))
        *first = INT64_MIN;
    if (__builtin_mul_overflow(start + days, FW_DAY, last))
        *last = INT64_MAX;
    else
        *last -= 1;
}

/* Days since 1970 as year, month, day [Hinnant, chrono-compatible dates]. */
static void name_of(fw_ms first, char out[PARTITION_NAME_BYTES])
{
    int64_t z = floor_div(first, FW_DAY) + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t d = doy - (153 * mp + 2) / 5 + 1;
    int64_t m = mp < 10 ? mp + 3 : mp - 9;
    int64_t y = yoe + era * 400 + (m <= 2 ? 1 : 0);

    (void)snprintf(out, PARTITION_NAME_BYTES, "%04lld%02u%02u.hot",
                   (long long)y, (unsigned)(m % 100), (unsigned)(d % 100));
}

/* ---- Entries of meta/
 * ---------------------------------------------------------
 */

struct entry_work {
    fw_ms first, last;
    const char *name; /* NULL: delete */
    enum state state;
};

static fw_rc entry_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    const struct entry_work *w = self;
    char key[KEY_BYTES] = {META_PART};
    char value[VALUE_BYTES] = {0};
    fw_rc rc;

    fw_put_be64(key + 1, (uint64_t)w->first ^ BIAS);
    if (w->name == NULL) {
        rc = lmdb_delete(txn, (struct fw_str){key, sizeof(key)}, err);
        return rc == FW_NONE ? FW_OK : rc;
    }
    fw_put_le64(value, (uint64_t)w->first);
    fw_put_le64(value + 8, (uint64_t)w->last);
    fw_put_le32(value + 16, (uint32_t)w->state);
    memcpy(value + 24, w->name, strlen(w->name));
    return lmdb_put(txn, (struct fw_str){key, sizeof(key)},
                    (struct fw_str){value, sizeof(value)}, err);
}

static fw_rc entry_write(struct manifest *m, const struct partition *p,
                         enum state state, struct fw_err *err)
{
    struct entry_work work = {p->first, p->last, p->name, state};

    return lmdb_update(m->meta, entry_in, &work, err);
}

/* ---- In memory ------------------------------------------------------------
 */

/* The place of the first partition that ends at or behind t. */
static size_t place_locked(const struct manifest *m, fw_ms t)
{
    size_t low = 0, n = m->count;

    while (n > 0) {
        size_t half = n / 2;

        if (m->sorted[low + half]->last < t) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

static fw_rc insert(struct manifest *m, struct partition *p)
{
    size_t at;
    fw_rc rc;

    (void)pthread_rwlock_wrlock(&m->lock);
    at = place_locked(m, p->first);
    rc = fw_grow(&m->sorted, &m->cap, m->count + 1, sizeof(struct partition *),
                 MANIFEST_MAX);
    if (rc == FW_OK)
        rc = fw_grow(&m->by_index, &m->index_cap, m->index_count + 1,
                     sizeof(struct partition *), MANIFEST_MAX);
    if (rc == FW_OK) {
        memmove(m->sorted + at + 1, m->sorted + at,
                (m->count - at) * sizeof(struct partition *));
        m->sorted[at] = p;
        m->count++;
        p->index = (uint16_t)m->index_count;
        m->by_index[m->index_count++] = p;
    }
    (void)pthread_rwlock_unlock(&m->lock);
    return rc;
}

static fw_rc add(struct manifest *m, const char *name, fw_ms first, fw_ms last,
                 struct partition **out)
{
    struct partition *p = NULL;
    fw_rc rc = partition_new(m->dir, name, first, last, &p);

    if (rc != FW_OK)
        return rc;
    p->read_only = m->read_only;
    p->check = m->check;
    p->map_bytes = m->map_bytes;
    rc = insert(m, p);
    if (rc != FW_OK) {
        partition_unref(p);
        return rc;
    }
    *out = p;
    return FW_OK;
}

struct partition *manifest_find(struct manifest *m, fw_ms t)
{
    struct partition *found = NULL;
    size_t at;

    (void)pthread_rwlock_rdlock(&m->lock);
    at = place_locked(m, t);
    if (at < m->count && m->sorted[at]->first <= t)
        found = m->sorted[at];
    (void)pthread_rwlock_unlock(&m->lock);
    return found;
}

/*
 * A partition of this name may have been dropped and still be read: its file
 * goes away with its last reader and must not take a new one with it.
 */
static void free_name(const struct manifest *m, char name[PARTITION_NAME_BYTES])
{
    char path[FW_PATH_BYTES], day[PARTITION_NAME_BYTES];
    struct fw_err err = {0};

    (void)snprintf(day, sizeof(day), "%.*s", (int)strcspn(name, "."), name);
    for (int i = 2; i < 1000; i++) {
        if (fw_path_join(path, m->dir, name, &err) != FW_OK ||
            !fw_file_exists(path))
            return;
        (void)snprintf(name, PARTITION_NAME_BYTES, "%.20s-%d.hot", day, i);
    }
}

fw_rc manifest_plan(struct manifest *m, fw_ms t, fw_ms now,
                    struct partition **out, struct fw_err *err)
{
    struct partition *p = manifest_find(m, t);
    char name[PARTITION_NAME_BYTES];
    struct entry_work work = {.state = PLANNED};
    fw_ms first, last;
    size_t at;
    fw_rc rc;

    if (p != NULL) {
        *out = p;
        return FW_OK;
    }
    manifest_span(t, now, &first, &last);
    (void)pthread_rwlock_rdlock(&m->lock);
    at = place_locked(m, t); /* neighbours made under another clock */
    if (at > 0 && m->sorted[at - 1]->last >= first)
        first = m->sorted[at - 1]->last + 1;
    if (at < m->count && m->sorted[at]->first <= last)
        last = m->sorted[at]->first - 1;
    (void)pthread_rwlock_unlock(&m->lock);
    name_of(first, name);
    free_name(m, name);
    work.first = first;
    work.last = last;
    work.name = name;
    rc = lmdb_update(m->meta, entry_in, &work, err);
    if (rc != FW_OK)
        return rc;
    rc = add(m, name, first, last, out);
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "too many partitions");
}

fw_rc manifest_live(struct manifest *m, struct partition *p, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (!p->exists)
        rc = entry_write(m, p, LIVE, err);
    if (rc == FW_OK)
        p->exists = true;
    return rc;
}

struct partition *manifest_ref(struct manifest *m, uint16_t index)
{
    struct partition *p = NULL;

    (void)pthread_rwlock_rdlock(&m->lock);
    if (index < m->index_count && m->by_index[index] != NULL)
        p = partition_ref(m->by_index[index]);
    (void)pthread_rwlock_unlock(&m->lock);
    return p;
}

fw_rc manifest_drop(struct manifest *m, struct partition *p, struct fw_err *err)
{
    fw_rc rc = entry_write(m, p, DROPPED, err);

    if (rc != FW_OK)
        return rc;
    (void)pthread_rwlock_wrlock(&m->lock);
    for (size_t i = 0; i < m->count; i++)
        if (m->sorted[i] == p) {
            memmove(m->sorted + i, m->sorted + i + 1,
                    (m->count - i - 1) * sizeof(struct partition *));
            m->count--;
            break;
        }
    m->by_index[p->index] = NULL;
    (void)pthread_rwlock_unlock(&m->lock);
    atomic_store(&p->dropped, true);
    partition_unref(p);
    return FW_OK;
}

fw_rc manifest_list(struct manifest *m, struct partition ***out, size_t *count)
{
    struct partition **list;

    (void)pthread_rwlock_rdlock(&m->lock);
    list = malloc((m->count + 1) * sizeof(struct partition *));
    for (size_t i = 0; list != NULL && i < m->count; i++)
        list[i] = partition_ref(m->sorted[i]);
    *count = list != NULL ? m->count : 0;
    (void)pthread_rwlock_unlock(&m->lock);
    *out = list;
    return list == NULL ? FW_ENOMEM : FW_OK;
}

void manifest_list_free(struct partition **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        partition_unref(list[i]);
    free(list);
}

static int by_last_use(const void *a, const void *b)
{
    const struct partition *left = *(struct partition *const *)a;
    const struct partition *right = *(struct partition *const *)b;

    return (left->last_use > right->last_use) -
           (left->last_use < right->last_use);
}

void manifest_close_idle(struct manifest *m)
{
    struct partition **list = NULL;
    size_t count = 0, open = 0;

    if (manifest_list(m, &list, &count) != FW_OK)
        return; /* there will be another time */
    for (size_t i = 0; i < count; i++) {
        (void)pthread_mutex_lock(&list[i]->lock);
        open += list[i]->env != NULL ? 1 : 0;
        (void)pthread_mutex_unlock(&list[i]->lock);
    }
    if (open > OPEN_FILES) {
        qsort(list, count, sizeof(struct partition *), by_last_use);
        for (size_t i = 0; i < count && open > OPEN_FILES; i++)
            open -= partition_close_idle(list[i]) ? 1 : 0;
    }
    manifest_list_free(list, count);
}

/* ---- Loading --------------------------------------------------------------
 */

struct load {
    struct manifest *m;
    fw_ms *gone; /* owned: entries whose file has been removed */
    size_t gone_count, gone_cap;
};

/* Finishes the removal of a dropped partition. */
static fw_rc finish_drop(struct load *load, const char *name, fw_ms first)
{
    char path[FW_PATH_BYTES], lock_path[FW_PATH_BYTES + 8];
    struct fw_err err = {0};
    fw_rc rc;

    if (load->m->read_only ||
        fw_path_join(path, load->m->dir, name, &err) != FW_OK)
        return FW_OK;
    (void)snprintf(lock_path, sizeof(lock_path), "%s-lock", path);
    (void)unlink(lock_path);
    if (unlink(path) != 0 && fw_file_exists(path))
        return FW_OK; /* next time */
    rc = fw_grow(&load->gone, &load->gone_cap, load->gone_count + 1,
                 sizeof(*load->gone), MANIFEST_MAX);
    if (rc == FW_OK)
        load->gone[load->gone_count++] = first;
    return rc;
}

static fw_rc load_entry(struct load *load, struct fw_str value,
                        struct fw_err *err)
{
    struct partition *p = NULL;
    char name[PARTITION_NAME_BYTES];
    uint32_t state;
    fw_ms first;
    fw_rc rc;

    if (value.n != VALUE_BYTES || value.p[VALUE_BYTES - 1] != '\0')
        return fw_err_set(err, FW_ECORRUPT,
                          "the manifest has an entry that cannot be read");
    first = (fw_ms)fw_get_le64(value.p);
    state = fw_get_le32(value.p + 16);
    memcpy(name, value.p + 24, sizeof(name));
    if (state == DROPPED)
        rc = finish_drop(load, name, first);
    else
        rc = add(load->m, name, first, (fw_ms)fw_get_le64(value.p + 8), &p);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "too many partitions");
    if (p != NULL)
        p->exists = state == LIVE || lmdb_is_begun(p->path);
    return FW_OK;
}

static fw_rc each_entry(struct load *load, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    char section = META_PART;
    fw_rc rc = lmdb_begin_read(load->m->meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc =
            lmdb_seek(&cursor, (struct fw_str){&section, 1}, &key, &value, err);
    while (rc == FW_OK && key.n == KEY_BYTES && key.p[0] == META_PART) {
        rc = load_entry(load, value, err);
        if (rc == FW_OK)
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

fw_rc manifest_load(struct manifest *m, struct fw_err *err)
{
    struct load load = {.m = m};
    fw_rc rc = each_entry(&load, err);

    for (size_t i = 0; i < load.gone_count && rc == FW_OK; i++) {
        struct entry_work work = {.first = load.gone[i]};

        rc = lmdb_update(m->meta, entry_in, &work, err);
    }
    free(load.gone);
    return rc;
}
