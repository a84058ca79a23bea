/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/tombs.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/meta.h"

#define MAGIC 0x31545746u /* "FWT1" */
#define KEY_BYTES 9
#define HEADER_BYTES 48

void tombs_init(struct tombs *t)
{
    *t = (struct tombs){0};
    (void)pthread_rwlock_init(&t->lock, NULL);
}

void tombs_release(struct tombs *t)
{
    size_t count = atomic_load(&t->count);

    for (size_t i = 0; i < count; i++)
        free(t->v[i].series);
    free(t->v);
    (void)pthread_rwlock_destroy(&t->lock);
}

/* ---- Entries of meta/ -----------------------------------------------------
 *
 *    0  u32  magic `FWT1`      4  u32  series
 *    8  i64  from             16  i64  to, which belongs to it
 *   24  u64  id               32  u64  journal record
 *   40  u32  rank             44  u32  crc32c of all but these four bytes
 *   48  u32  each series, rising
 */

static uint32_t crc_of(struct fw_str value)
{
    uint32_t crc = fw_crc32c(value.p, 44);

    return fw_crc32c_more(crc, value.p + HEADER_BYTES, value.n - HEADER_BYTES);
}

static struct fw_str key_of(char room[KEY_BYTES], uint64_t id)
{
    room[0] = META_TOMB;
    fw_put_be64(room + 1, id);
    return (struct fw_str){room, KEY_BYTES};
}

fw_rc tomb_get(struct fw_str value, struct tomb *out, struct fw_err *err)
{
    struct tomb found = {0};

    if (value.n < HEADER_BYTES || fw_get_le32(value.p) != MAGIC ||
        (value.n - HEADER_BYTES) / 4 != fw_get_le32(value.p + 4) ||
        (value.n - HEADER_BYTES) % 4 != 0 ||
        fw_get_le32(value.p + 44) != crc_of(value))
        return fw_err_set(err, FW_ECORRUPT,
                          "meta/ has a tombstone that is damaged");
    found.count = fw_get_le32(value.p + 4);
    found.from = (fw_ms)fw_get_le64(value.p + 8);
    found.to = (fw_ms)fw_get_le64(value.p + 16);
    found.id = fw_get_le64(value.p + 24);
    found.seq = fw_get_le64(value.p + 32);
    found.rank = fw_get_le32(value.p + 40);
    found.series = malloc(found.count * sizeof(*found.series) + 1);
    if (found.series == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < found.count; i++)
        found.series[i] = fw_get_le32(value.p + HEADER_BYTES + 4 * i);
    *out = found;
    return FW_OK;
}

static fw_rc tomb_put(const struct tomb *tomb, struct fw_buf *out)
{
    size_t n = HEADER_BYTES + 4 * tomb->count;
    fw_rc rc = fw_buf_reserve(out, n);

    if (rc != FW_OK)
        return rc;
    fw_put_le32(out->data, MAGIC);
    fw_put_le32(out->data + 4, (uint32_t)tomb->count);
    fw_put_le64(out->data + 8, (uint64_t)tomb->from);
    fw_put_le64(out->data + 16, (uint64_t)tomb->to);
    fw_put_le64(out->data + 24, tomb->id);
    fw_put_le64(out->data + 32, tomb->seq);
    fw_put_le32(out->data + 40, tomb->rank);
    for (size_t i = 0; i < tomb->count; i++)
        fw_put_le32(out->data + HEADER_BYTES + 4 * i, tomb->series[i]);
    out->len = n;
    fw_put_le32(out->data + 44, crc_of((struct fw_str){out->data, n}));
    return FW_OK;
}

/* ---- Changing -------------------------------------------------------------
 */

struct work {
    uint64_t id;
    struct fw_str value; /* empty: delete */
};

static fw_rc write_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    const struct work *w = self;
    char key[KEY_BYTES];
    fw_rc rc;

    if (w->value.n > 0)
        return lmdb_put(txn, key_of(key, w->id), w->value, err);
    rc = lmdb_delete(txn, key_of(key, w->id), err);
    return rc == FW_NONE ? FW_OK : rc;
}

static fw_rc show(struct tombs *t, struct tomb *tomb)
{
    size_t count = atomic_load(&t->count);
    fw_rc rc;

    (void)pthread_rwlock_wrlock(&t->lock);
    rc = fw_grow(&t->v, &t->cap, count + 1, sizeof(*t->v), TOMBS_MAX);
    if (rc == FW_OK) {
        t->v[count] = *tomb;
        atomic_store(&t->count, count + 1);
    }
    (void)pthread_rwlock_unlock(&t->lock);
    return rc;
}

fw_rc tombs_add(struct tombs *t, struct lmdb_env *meta, struct tomb *tomb,
                struct fw_err *err)
{
    struct fw_buf bytes =
        FW_BUF_INIT(HEADER_BYTES + 4 * (size_t)TOMB_SERIES_MAX);
    struct work work;
    fw_rc rc = FW_OK;

    if (atomic_load(&t->count) >= TOMBS_MAX)
        rc = fw_err_set(err, FW_ETOOBIG,
                        "%d deletions wait to be carried out on disk; run "
                        "`forewarn compact` first",
                        TOMBS_MAX);
    tomb->id = t->last_id + 1;
    if (rc == FW_OK && tomb_put(tomb, &bytes) != FW_OK)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    work = (struct work){tomb->id, {bytes.data, bytes.len}};
    if (rc == FW_OK)
        rc = lmdb_update(meta, write_in, &work, err);
    if (rc == FW_OK) {
        t->last_id = tomb->id;
        if (show(t, tomb) == FW_OK)
            tomb->series = NULL;
        else
            rc = fw_err_set(err, FW_ENOMEM,
                            "out of memory: the deletion is noted, and holds "
                            "from the next start");
    }
    fw_buf_release(&bytes);
    return rc;
}

fw_rc tombs_remove(struct tombs *t, struct lmdb_env *meta, uint64_t id,
                   struct fw_err *err)
{
    struct work work = {.id = id};
    fw_rc rc = lmdb_update(meta, write_in, &work, err);
    size_t kept = 0;

    if (rc != FW_OK)
        return rc;
    (void)pthread_rwlock_wrlock(&t->lock);
    for (size_t i = 0; i < atomic_load(&t->count); i++) {
        if (t->v[i].id == id)
            free(t->v[i].series);
        else
            t->v[kept++] = t->v[i];
    }
    atomic_store(&t->count, kept);
    (void)pthread_rwlock_unlock(&t->lock);
    return FW_OK;
}

fw_rc tombs_load(struct tombs *t, struct lmdb_env *meta, struct fw_err *why,
                 struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    char section = META_TOMB;
    fw_rc rc = lmdb_begin_read(meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc =
            lmdb_seek(&cursor, (struct fw_str){&section, 1}, &key, &value, err);
    while (rc == FW_OK && key.n > 0 && key.p[0] == META_TOMB) {
        struct tomb tomb = {0};
        struct fw_err damage = {0};
        bool whole = key.n == KEY_BYTES; /* else it is damaged, as its value */
        uint64_t id = whole ? fw_get_be64(key.p + 1) : 0;

        t->last_id = id > t->last_id ? id : t->last_id;
        rc = tomb_get(value, &tomb, &damage);
        if (rc == FW_OK && whole && tomb.id == id)
            rc = show(t, &tomb);
        else if (rc == FW_OK || rc == FW_ECORRUPT) {
            free(tomb.series);
            t->damaged++;
            if (why->text[0] == '\0')
                *why = damage;
            rc = FW_OK;
        }
        if (rc != FW_OK) {
            free(tomb.series);
            rc = fw_err_set(err, rc, "out of memory for the tombstones");
        } else {
            rc = lmdb_next(&cursor, &key, &value, err);
        }
    }
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

/* ---- Asking ---------------------------------------------------------------
 */

static bool names(const struct tomb *tomb, uint32_t series)
{
    size_t low = 0, n = tomb->count;

    while (n > 0) {
        size_t half = n / 2;

        if (tomb->series[low + half] < series) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low < tomb->count && tomb->series[low] == series;
}

fw_rc tombs_of(struct tombs *t, uint32_t series, fw_ms from, fw_ms to,
               struct tomb_range **v, size_t *count, size_t *cap)
{
    fw_rc rc = FW_OK;

    *count = 0;
    if (atomic_load(&t->count) == 0)
        return FW_OK;
    (void)pthread_rwlock_rdlock(&t->lock);
    for (size_t i = 0; i < atomic_load(&t->count) && rc == FW_OK; i++) {
        const struct tomb *tomb = &t->v[i];

        if (tomb->from > to || tomb->to < from || !names(tomb, series))
            continue;
        rc = fw_grow(v, cap, *count + 1, sizeof(**v), TOMBS_MAX);
        if (rc == FW_OK)
            (*v)[(*count)++] =
                (struct tomb_range){tomb->from, tomb->to, tomb->rank, tomb->id};
    }
    (void)pthread_rwlock_unlock(&t->lock);
    return rc;
}

static bool cover(struct tombs *t, uint32_t series, fw_ms at, uint32_t rank,
                  uint64_t seq)
{
    bool any = false;

    if (atomic_load(&t->count) == 0)
        return false;
    (void)pthread_rwlock_rdlock(&t->lock);
    for (size_t i = 0; i < atomic_load(&t->count) && !any; i++) {
        const struct tomb *tomb = &t->v[i];

        any = tomb->from <= at && at <= tomb->to && rank <= tomb->rank &&
              seq <= tomb->seq && names(tomb, series);
    }
    (void)pthread_rwlock_unlock(&t->lock);
    return any;
}

bool tombs_cover(struct tombs *t, uint32_t series, fw_ms at, uint32_t rank)
{
    return cover(t, series, at, rank, 0);
}

bool tombs_cover_record(struct tombs *t, uint32_t series, fw_ms at,
                        uint64_t seq)
{
    return cover(t, series, at, 0, seq);
}

bool tombs_wait(struct tombs *t, const struct partition *p)
{
    bool any = false;

    if (atomic_load(&t->count) == 0)
        return false;
    (void)pthread_rwlock_rdlock(&t->lock);
    for (size_t i = 0; i < atomic_load(&t->count) && !any; i++)
        any = t->v[i].id > p->tombs && p->rank <= t->v[i].rank &&
              t->v[i].from <= p->last && t->v[i].to >= p->first;
    (void)pthread_rwlock_unlock(&t->lock);
    return any;
}
