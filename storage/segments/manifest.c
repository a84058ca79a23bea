/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/meta.h"

#define KEY_BYTES 13
#define KEY_BYTES_1 9 /* of format 1, and of serial 0 */
#define VALUE_BYTES (44 + PARTITION_NAME_BYTES)
#define VALUE_BYTES_1 (24 + PARTITION_NAME_BYTES)
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
    free(m->gone);
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
static void name_of(fw_ms first, const char *ending,
                    char out[PARTITION_NAME_BYTES])
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

    (void)snprintf(out, PARTITION_NAME_BYTES, "%04lld%02u%02u.%s", (long long)y,
                   (unsigned)(m % 100), (unsigned)(d % 100), ending);
}

/* ---- Entries of meta/
 * ---------------------------------------------------------
 */

struct entry {
    fw_ms first, last;
    uint32_t serial, rank;
    enum state state;
    int kind;
    uint64_t tombs;
    const char *name;
};

static struct entry entry_of(const struct partition *p, enum state state)
{
    return (struct entry){.first = p->first,
                          .last = p->last,
                          .serial = p->serial,
                          .rank = p->rank,
                          .state = state,
                          .kind = atomic_load(&p->kind),
                          .tombs = p->tombs,
                          .name = p->name};
}

static struct fw_str entry_key(char room[KEY_BYTES], fw_ms first,
                               uint32_t serial)
{
    room[0] = META_PART;
    fw_put_be64(room + 1, (uint64_t)first ^ BIAS);
    fw_put_be32(room + 9, serial);
    return (struct fw_str){room, serial == 0 ? KEY_BYTES_1 : KEY_BYTES};
}

static fw_rc entry_put(struct lmdb_txn *txn, const struct entry *e,
                       struct fw_err *err)
{
    char key[KEY_BYTES];
    char value[VALUE_BYTES] = {0};

    fw_put_le64(value, (uint64_t)e->first);
    fw_put_le64(value + 8, (uint64_t)e->last);
    fw_put_le32(value + 16, (uint32_t)e->state);
    fw_put_le32(value + 20, (uint32_t)e->kind);
    memcpy(value + 24, e->name, strlen(e->name));
    fw_put_le32(value + 64, e->serial);
    fw_put_le32(value + 68, e->rank);
    fw_put_le64(value + 72, e->tombs);
    fw_put_le32(value + 80, fw_crc32c(value, 80));
    return lmdb_put(txn, entry_key(key, e->first, e->serial),
                    (struct fw_str){value, sizeof(value)}, err);
}

struct entries_work {
    struct entry *entries;
    size_t count;
};

static fw_rc entries_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    const struct entries_work *w = self;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < w->count && rc == FW_OK; i++)
        rc = entry_put(txn, &w->entries[i], err);
    return rc;
}

static fw_rc entry_write(struct manifest *m, struct entry entry,
                         struct fw_err *err)
{
    struct entries_work work = {&entry, 1};

    return lmdb_update(m->meta, entries_in, &work, err);
}

struct forget_work {
    fw_ms first;
    uint32_t serial;
};

static fw_rc forget_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    const struct forget_work *w = self;
    char key[KEY_BYTES];
    fw_rc rc = lmdb_delete(txn, entry_key(key, w->first, w->serial), err);

    return rc == FW_NONE ? FW_OK : rc;
}

/* ---- In memory ------------------------------------------------------------
 */

/* The place of the first partition that begins behind t. */
static size_t place_locked(const struct manifest *m, fw_ms t)
{
    size_t low = 0, n = m->count;

    while (n > 0) {
        size_t half = n / 2;

        if (m->sorted[low + half]->first <= t) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

static fw_rc make_room_locked(struct manifest *m, size_t more)
{
    fw_rc rc = fw_grow(&m->sorted, &m->cap, m->count + more,
                       sizeof(struct partition *), MANIFEST_MAX);

    return rc == FW_OK
               ? fw_grow(&m->by_index, &m->index_cap, m->index_count + more,
                         sizeof(struct partition *), MANIFEST_MAX)
               : rc;
}

static fw_rc insert(struct manifest *m, struct partition *p)
{
    size_t at;
    fw_rc rc;

    (void)pthread_rwlock_wrlock(&m->lock);
    at = place_locked(m, p->first);
    rc = make_room_locked(m, 1);
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

/* A partition of an entry, not in the lists yet. */
static fw_rc make(struct manifest *m, const struct entry *e,
                  struct partition **out)
{
    struct partition *p = NULL;
    fw_rc rc = partition_new(m->dir, e->name, e->first, e->last, &p);

    if (rc != FW_OK)
        return rc;
    p->read_only = m->read_only;
    p->check = m->check;
    p->map_bytes = m->map_bytes;
    p->serial = e->serial;
    p->rank = e->rank;
    p->tombs = e->tombs;
    atomic_store(&p->kind, e->kind);
    *out = p;
    return FW_OK;
}

static fw_rc add(struct manifest *m, const struct entry *e,
                 struct partition **out)
{
    struct partition *p = NULL;
    fw_rc rc = make(m, e, &p);

    if (rc != FW_OK)
        return rc;
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

    (void)pthread_rwlock_rdlock(&m->lock);
    for (size_t i = place_locked(m, t); i > 0 && found == NULL; i--)
        if (m->sorted[i - 1]->last >= t &&
            atomic_load(&m->sorted[i - 1]->kind) == PARTITION_HOT)
            found = m->sorted[i - 1];
    (void)pthread_rwlock_unlock(&m->lock);
    return found;
}

struct partition *manifest_find_complete(struct manifest *m, fw_ms t)
{
    struct partition *found = NULL;

    (void)pthread_rwlock_rdlock(&m->lock);
    for (size_t i = place_locked(m, t); i > 0; i--) {
        struct partition *p = m->sorted[i - 1];

        if (p->last >= t && atomic_load(&p->kind) < PARTITION_CLOSED &&
            (found == NULL || p->complete > found->complete))
            found = p;
    }
    (void)pthread_rwlock_unlock(&m->lock);
    return found;
}

/* ---- Making them ----------------------------------------------------------
 */

static bool is_gone(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->gone_count; i++)
        if (strcmp(m->gone[i], name) == 0)
            return true;
    return false;
}

/*
 * A partition of this name may have been dropped and still be read: its file
 * goes away with its last reader, or at the next start, and must not take a
 * new one with it.
 */
static void free_name(const struct manifest *m, const char *ending,
                      char name[PARTITION_NAME_BYTES])
{
    char path[FW_PATH_BYTES], day[PARTITION_NAME_BYTES];
    struct fw_err err = {0};

    (void)snprintf(day, sizeof(day), "%.*s", (int)strcspn(name, "."), name);
    for (uint32_t i = 2; i < 100000; i++) {
        if (fw_path_join(path, m->dir, name, &err) != FW_OK ||
            (!fw_file_exists(path) && !is_gone(m, name)))
            return;
        (void)snprintf(name, PARTITION_NAME_BYTES, "%.20s-%u.%s", day, i,
                       ending);
    }
}

/*
 * A name that is free here may belong on disk to a file that was unlinked: the
 * power going would give that one to the new entry. So the folder is synced
 * before a name is used (again).
 */
static fw_rc settle_names(const struct manifest *m, struct fw_err *err)
{
    return fw_dir_sync(m->dir, err);
}

/* Cuts a stretch so that it overlaps no other hot partition. */
static void cut_to_fit(struct manifest *m, fw_ms t, fw_ms *first, fw_ms *last)
{
    (void)pthread_rwlock_rdlock(&m->lock);
    for (size_t i = 0; i < m->count; i++) {
        const struct partition *p = m->sorted[i];

        if (atomic_load(&p->kind) != PARTITION_HOT)
            continue;
        if (p->last < t && p->last >= *first)
            *first = p->last + 1;
        if (p->first > t && p->first <= *last)
            *last = p->first - 1;
    }
    (void)pthread_rwlock_unlock(&m->lock);
}

fw_rc manifest_plan(struct manifest *m, fw_ms t, fw_ms now,
                    struct partition **out, struct fw_err *err)
{
    struct partition *p = manifest_find(m, t);
    char name[PARTITION_NAME_BYTES];
    struct entry entry = {.state = PLANNED, .kind = PARTITION_HOT};
    fw_rc rc;

    if (p != NULL) {
        *out = p;
        return FW_OK;
    }
    manifest_span(t, now, &entry.first, &entry.last);
    cut_to_fit(m, t, &entry.first, &entry.last);
    name_of(entry.first, "hot", name);
    free_name(m, "hot", name);
    entry.name = name;
    entry.serial = m->serial + 1;
    entry.rank = m->rank + 1;
    rc = settle_names(m, err);
    if (rc == FW_OK)
        rc = entry_write(m, entry, err);
    if (rc != FW_OK)
        return rc;
    rc = add(m, &entry, out);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "too many partitions");
    m->serial = entry.serial;
    m->rank = entry.rank;
    return FW_OK;
}

fw_rc manifest_live(struct manifest *m, struct partition *p, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (!p->exists)
        rc = entry_write(m, entry_of(p, LIVE), err);
    if (rc == FW_OK)
        p->exists = true;
    return rc;
}

fw_rc manifest_freeze(struct manifest *m, struct partition *p,
                      struct fw_err *err)
{
    struct entry entry = entry_of(p, LIVE);
    fw_rc rc;

    entry.kind = PARTITION_FROZEN;
    rc = entry_write(m, entry, err);
    if (rc == FW_OK)
        atomic_store(&p->kind, PARTITION_FROZEN);
    return rc;
}

fw_rc manifest_plan_closed(struct manifest *m,
                           const struct manifest_stretch *stretch,
                           struct partition **out, struct fw_err *err)
{
    const char *ending =
        stretch->kind == PARTITION_ROLLUP ? "rollup" : "sealed";
    char name[PARTITION_NAME_BYTES];
    struct entry entry = {.first = stretch->first,
                          .last = stretch->last,
                          .serial = m->serial + (stretch->alone ? 2 : 1),
                          .rank = stretch->rank,
                          .tombs = stretch->tombs,
                          .state = PLANNED,
                          .kind = stretch->kind,
                          .name = name};
    fw_rc rc;

    name_of(stretch->first, ending, name);
    free_name(m, ending, name);
    rc = settle_names(m, err);
    if (rc == FW_OK)
        rc = entry_write(m, entry, err);
    if (rc != FW_OK)
        return rc;
    m->serial = entry.serial;
    rc = make(m, &entry, out);
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

bool manifest_may_be_live(struct manifest *m, const struct partition *p)
{
    struct lmdb_txn txn = {0};
    struct fw_err err = {0};
    struct fw_str value = {0};
    char key[KEY_BYTES];
    bool live = true;
    fw_rc rc = lmdb_begin_read(m->meta, &txn, &err);

    if (rc != FW_OK)
        return true;
    rc = lmdb_get(&txn, entry_key(key, p->first, p->serial), &value, &err);
    if (rc == FW_NONE)
        live = false;
    else if (rc == FW_OK && value.n == VALUE_BYTES)
        live = fw_get_le32(value.p + 16) != PLANNED &&
               fw_get_le32(value.p + 16) != DROPPED;
    lmdb_end(&txn);
    return live;
}

static void note_gone(struct manifest *m, const struct partition *p)
{
    if (fw_grow(&m->gone, &m->gone_cap, m->gone_count + 1, sizeof(*m->gone),
                1 << 20) == FW_OK)
        memcpy(m->gone[m->gone_count++], p->name, sizeof(p->name));
}

/*
 * A commit that failed may have come to the disk all the same, and then the
 * new file is all there is: it goes only after its entry surely has.
 */
void manifest_unplan(struct manifest *m, struct partition *p)
{
    struct forget_work work = {p->first, p->serial};
    struct fw_err err = {0};

    note_gone(m, p);
    if (manifest_may_be_live(m, p) ||
        lmdb_update(m->meta, forget_in, &work, &err) != FW_OK)
        return; /* the next start sees what became of it */
    (void)unlink(p->path);
}

fw_rc manifest_replace(struct manifest *m, struct partition *const *made,
                       size_t made_count, struct partition *const *old,
                       size_t count, struct fw_err *err)
{
    struct entries_work work = {
        .entries = calloc(made_count + count + 1, sizeof(*work.entries))};
    fw_rc rc = FW_OK;

    if (work.entries == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < made_count; i++)
        work.entries[work.count++] = entry_of(made[i], LIVE);
    for (size_t i = 0; i < count; i++)
        work.entries[work.count++] = entry_of(old[i], DROPPED);
    /* Memory first: what follows the commit must not fail. */
    (void)pthread_rwlock_wrlock(&m->lock);
    rc = make_room_locked(m, made_count);
    (void)pthread_rwlock_unlock(&m->lock);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "too many partitions");
    if (rc == FW_OK)
        rc = lmdb_update(m->meta, entries_in, &work, err);
    free(work.entries);
    for (size_t i = 0; i < made_count && rc == FW_OK; i++) {
        made[i]->exists = true;
        rc = insert(m, made[i]);
    }
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

void manifest_forget(struct manifest *m, struct partition *p)
{
    note_gone(m, p);
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
}

fw_rc manifest_drop(struct manifest *m, struct partition *p, struct fw_err *err)
{
    fw_rc rc = manifest_replace(m, NULL, 0, &p, 1, err);

    if (rc == FW_OK)
        manifest_forget(m, p);
    return rc;
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

size_t manifest_count(struct manifest *m)
{
    size_t count;

    (void)pthread_rwlock_rdlock(&m->lock);
    count = m->count;
    (void)pthread_rwlock_unlock(&m->lock);
    return count;
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

/* A partition that was dropped, or was not finished. */
struct leftover {
    struct forget_work entry;
    char name[PARTITION_NAME_BYTES];
};

struct load {
    struct manifest *m;
    struct fw_err *why;
    struct leftover *gone; /* owned */
    size_t gone_count, gone_cap;
};

static fw_rc note_leftover(struct load *load, const struct entry *e)
{
    struct leftover left = {.entry = {e->first, e->serial}};
    fw_rc rc;

    if (load->m->read_only)
        return FW_OK;
    memcpy(left.name, e->name, sizeof(left.name));
    rc = fw_grow(&load->gone, &load->gone_cap, load->gone_count + 1,
                 sizeof(*load->gone), MANIFEST_MAX);
    if (rc == FW_OK)
        load->gone[load->gone_count++] = left;
    return rc;
}

static bool name_is_used(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->sorted[i]->name, name) == 0)
            return true;
    return false;
}

/*
 * Removes the file, then the entry. All entries have been read: where one that
 * counts has the same name, the file is that one's.
 */
static fw_rc finish_drop(struct manifest *m, const struct leftover *left,
                         struct fw_err *err)
{
    struct forget_work work = left->entry;
    char path[FW_PATH_BYTES], more[FW_PATH_BYTES + 8];
    fw_rc rc = fw_path_join(path, m->dir, left->name, err);

    if (rc != FW_OK)
        return rc;
    if (name_is_used(m, left->name))
        return lmdb_update(m->meta, forget_in, &work, err);
    (void)snprintf(more, sizeof(more), "%s-lock", path);
    (void)unlink(more);
    (void)snprintf(more, sizeof(more), "%s.tmp", path);
    (void)unlink(more);
    if (unlink(path) != 0 && fw_file_exists(path))
        return FW_OK; /* next time */
    return lmdb_update(m->meta, forget_in, &work, err);
}

static fw_rc entry_get(struct fw_str value, char name[PARTITION_NAME_BYTES],
                       struct entry *e, struct fw_err *err)
{
    uint32_t state, kind;

    if ((value.n != VALUE_BYTES && value.n != VALUE_BYTES_1) ||
        value.p[VALUE_BYTES_1 - 1] != '\0' ||
        (value.n == VALUE_BYTES &&
         fw_get_le32(value.p + 80) != fw_crc32c(value.p, 80)))
        return fw_err_set(err, FW_ECORRUPT,
                          "the manifest has an entry that cannot be read");
    memcpy(name, value.p + 24, PARTITION_NAME_BYTES);
    state = fw_get_le32(value.p + 16);
    kind = fw_get_le32(value.p + 20);
    if (state > DROPPED || kind > PARTITION_ROLLUP || name[0] == '\0' ||
        strchr(name, '/') != NULL)
        return fw_err_set(err, FW_ECORRUPT,
                          "the manifest has an entry of no kind there is");
    *e = (struct entry){.first = (fw_ms)fw_get_le64(value.p),
                        .last = (fw_ms)fw_get_le64(value.p + 8),
                        .state = (enum state)state,
                        .kind = (int)kind,
                        .name = name};
    if (value.n == VALUE_BYTES) {
        e->serial = fw_get_le32(value.p + 64);
        e->rank = fw_get_le32(value.p + 68);
        e->tombs = fw_get_le64(value.p + 72);
    }
    return FW_OK;
}

/* It stays as it is, and so does the file it names. */
static void note_damage(struct load *load, struct fw_str key,
                        const struct fw_err *damage)
{
    uint32_t serial = key.n == KEY_BYTES ? fw_get_be32(key.p + 9) : 0;

    load->m->damaged++;
    if (load->why->text[0] == '\0')
        *load->why = *damage;
    if (serial > load->m->serial && serial < UINT32_MAX / 2)
        load->m->serial = serial;
}

static fw_rc load_entry(void *self, struct fw_str key, struct fw_str value,
                        struct fw_err *err)
{
    struct load *load = self;
    struct partition *p = NULL;
    char name[PARTITION_NAME_BYTES], room[KEY_BYTES];
    struct fw_err damage = {0};
    struct fw_str right;
    struct entry e = {0};
    fw_rc rc = entry_get(value, name, &e, &damage);

    right = entry_key(room, e.first, e.serial);
    if (rc == FW_OK && !fw_str_eq(key, right))
        rc = fw_err_set(&damage, FW_ECORRUPT,
                        "the manifest has an entry at the place of another");
    if (rc != FW_OK) {
        note_damage(load, key, &damage);
        return FW_OK;
    }
    load->m->serial = e.serial > load->m->serial ? e.serial : load->m->serial;
    load->m->rank = e.rank > load->m->rank ? e.rank : load->m->rank;
    if (e.state == DROPPED ||
        (e.state == PLANNED && e.kind >= PARTITION_CLOSED))
        rc = note_leftover(load, &e);
    else
        rc = add(load->m, &e, &p);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "too many partitions");
    if (p != NULL)
        p->exists = e.state == LIVE || lmdb_is_begun(p->path);
    return FW_OK;
}

static fw_rc each_entry(struct manifest *m,
                        fw_rc (*each)(void *self, struct fw_str key,
                                      struct fw_str value, struct fw_err *err),
                        void *self, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    char section = META_PART;
    fw_rc rc = lmdb_begin_read(m->meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc =
            lmdb_seek(&cursor, (struct fw_str){&section, 1}, &key, &value, err);
    /* One whose length is wrong is damaged, and not the end of them. */
    while (rc == FW_OK && key.n > 0 && key.p[0] == META_PART) {
        rc = each(self, key, value, err);
        if (rc == FW_OK)
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

struct naming {
    const char *file;
    bool found;
};

/* A damaged entry still has the name of its file, or nobody knows it. */
static fw_rc see_name(void *self, struct fw_str key, struct fw_str value,
                      struct fw_err *err)
{
    struct naming *n = self;

    (void)key;
    (void)err;
    if (value.n >= VALUE_BYTES_1 && value.p[VALUE_BYTES_1 - 1] == '\0' &&
        strcmp(value.p + 24, n->file) == 0)
        n->found = true;
    return FW_OK;
}

fw_rc manifest_names(struct manifest *m, const char *file, bool *named,
                     struct fw_err *err)
{
    struct naming naming = {.file = file};
    fw_rc rc = each_entry(m, see_name, &naming, err);

    if (rc == FW_OK)
        *named = naming.found;
    return rc;
}

fw_rc manifest_load(struct manifest *m, struct fw_err *why, struct fw_err *err)
{
    struct load load = {.m = m, .why = why};
    fw_rc rc = each_entry(m, load_entry, &load, err);

    for (size_t i = 0; i < load.gone_count && rc == FW_OK; i++)
        rc = finish_drop(m, &load.gone[i], err);
    free(load.gone);
    return rc;
}
