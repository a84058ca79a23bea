/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/partition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/segments/rollup.h"

#define MAGIC 0x31505746u /* "FWP1" */
#define VERSION 1
#define KEY_BYTES 8
#define HEADER_BYTES 40

fw_rc partition_new(const char *part_dir, const char *name, fw_ms first,
                    fw_ms last, struct partition **out)
{
    struct partition *p = calloc(1, sizeof(*p));
    struct fw_err err = {0};

    if (p == NULL)
        return FW_ENOMEM;
    if (snprintf(p->name, sizeof(p->name), "%s", name) >=
            (int)sizeof(p->name) ||
        fw_path_join(p->path, part_dir, name, &err) != FW_OK) {
        free(p);
        return FW_ETOOBIG;
    }
    p->first = first;
    p->last = last;
    p->refs = 1;
    p->next_segment = 1;
    (void)pthread_mutex_init(&p->lock, NULL);
    *out = p;
    return FW_OK;
}

struct partition *partition_ref(struct partition *p)
{
    (void)atomic_fetch_add(&p->refs, 1);
    return p;
}

void partition_unref(struct partition *p)
{
    char lock_path[FW_PATH_BYTES + 8];

    if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    (void)lmdb_close(p->env);
    rollup_index_free(p->rollups);
    if (atomic_load(&p->dropped)) {
        /* Left-overs are found and removed at the next start. */
        (void)snprintf(lock_path, sizeof(lock_path), "%s-lock", p->path);
        (void)unlink(p->path);
        (void)unlink(lock_path);
    }
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

fw_rc partition_enter(struct partition *p, struct lmdb_env **env,
                      struct fw_err *err)
{
    bool closed = atomic_load(&p->kind) >= PARTITION_CLOSED;
    struct lmdb_options options = {.read_only = p->read_only || closed,
                                   .sealed = closed,
                                   .single_file = true,
                                   .check = p->check,
                                   .mend = !p->read_only,
                                   .map_bytes = p->map_bytes};
    static _Atomic uint64_t uses;
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&p->lock);
    if (p->env == NULL)
        rc = lmdb_open(p->path, &options, &p->env, err);
    if (rc == FW_OK) {
        p->env_users++;
        p->last_use = atomic_fetch_add(&uses, 1);
        *env = p->env;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

void partition_leave(struct partition *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->env_users--;
    (void)pthread_mutex_unlock(&p->lock);
}

bool partition_close_idle(struct partition *p)
{
    struct lmdb_env *idle = NULL;

    (void)pthread_mutex_lock(&p->lock);
    if (p->env_users == 0) {
        idle = p->env;
        p->env = NULL;
    }
    (void)pthread_mutex_unlock(&p->lock);
    (void)lmdb_close(idle);
    return idle != NULL;
}

/* ---- Reading --------------------------------------------------------------
 */

static struct fw_str key_of(char room[KEY_BYTES], uint64_t number)
{
    fw_put_be64(room, number);
    return (struct fw_str){room, KEY_BYTES};
}

fw_rc partition_view(struct partition *p, struct partition_view *out,
                     struct fw_err *err)
{
    struct lmdb_env *env = NULL;
    fw_rc rc = partition_enter(p, &env, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_begin_read(env, &out->txn, err);
    if (rc == FW_OK)
        out->part = p;
    else
        partition_leave(p);
    return rc;
}

fw_rc partition_try_view(struct partition *p, struct partition_view *out)
{
    struct lmdb_env *env = NULL;
    struct fw_err err = {0};
    fw_rc rc = partition_enter(p, &env, &err);

    if (rc != FW_OK)
        return FW_EBUSY; /* asked again, it will be told */
    rc = lmdb_try_read(env, &out->txn);
    if (rc == FW_OK)
        out->part = p;
    else
        partition_leave(p);
    return rc;
}

void partition_view_end(struct partition_view *view)
{
    lmdb_end(&view->txn);
    partition_leave(view->part);
}

fw_rc partition_segment(struct partition_view *view, uint32_t number,
                        struct segment *out, struct fw_err *err)
{
    char room[KEY_BYTES];
    struct fw_str value = {0};
    fw_rc rc = lmdb_get(&view->txn, key_of(room, number), &value, err);

    if (rc == FW_NONE)
        return fw_err_set(err, FW_ECORRUPT, "the segment is gone");
    return rc == FW_OK ? segment_open(out, value, err) : rc;
}

/* What comes of the header is in *end. */
static fw_rc header_get(const struct partition *p, struct fw_str value,
                        struct partition_end *end, struct fw_err *err)
{
    if (value.n < HEADER_BYTES || fw_get_le32(value.p) != MAGIC ||
        fw_get_le32(value.p + 36) != fw_crc32c(value.p, 36))
        return fw_err_set(err, FW_ECORRUPT, "%s: its header is damaged",
                          p->path);
    if (fw_get_le32(value.p + 4) != VERSION)
        return fw_err_set(err, FW_EVERSION,
                          "%s has format version %u; this build knows %d",
                          p->path, fw_get_le32(value.p + 4), VERSION);
    if ((fw_ms)fw_get_le64(value.p + 8) != p->first ||
        (fw_ms)fw_get_le64(value.p + 16) != p->last)
        return fw_err_set(err, FW_ECORRUPT,
                          "%s holds another stretch of time than the manifest "
                          "says",
                          p->path);
    end->complete = fw_get_le64(value.p + 24);
    end->header = true;
    return FW_OK;
}

fw_rc partition_complete(struct partition_view *view, uint64_t *complete,
                         uint32_t *end, struct fw_err *err)
{
    struct partition_end found = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key = {0}, value = {0};
    char room[KEY_BYTES];
    fw_rc rc = lmdb_get(&view->txn, key_of(room, 0), &value, err);

    if (rc == FW_NONE)
        rc = fw_err_set(err, FW_ECORRUPT, "it has no header");
    if (rc == FW_OK)
        rc = header_get(view->part, value, &found, err);
    if (rc == FW_OK)
        rc = lmdb_cursor_open(&view->txn, &cursor, err);
    if (rc == FW_OK)
        rc = lmdb_last(&cursor, &key, &value, err);
    lmdb_cursor_close(&cursor);
    if (rc == FW_OK &&
        (key.n != KEY_BYTES || fw_get_be64(key.p) >= UINT32_MAX - 1 ||
         found.complete > fw_get_be64(key.p)))
        rc = fw_err_set(err, FW_ECORRUPT, "its header names other segments");
    if (rc == FW_OK) {
        *complete = found.complete;
        *end = (uint32_t)fw_get_be64(key.p) + 1;
    }
    return rc;
}

fw_rc partition_scan(struct partition *p, partition_each each, void *self,
                     struct partition_end *end, struct fw_err *err)
{
    struct partition_end unasked;
    struct lmdb_env *env = NULL;
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc = partition_enter(p, &env, err);
    fw_rc header = FW_OK;

    if (rc != FW_OK)
        return rc;
    end = end != NULL ? end : &unasked;
    *end = (struct partition_end){.next_segment = 1};
    rc = lmdb_begin_read(env, &txn, err);
    if (rc == FW_OK)
        rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, err);
    while (rc == FW_OK) {
        uint64_t number = key.n == KEY_BYTES ? fw_get_be64(key.p) : UINT64_MAX;

        if (number == 0) {
            header = header_get(p, value, end, err);
        } else if (number < UINT32_MAX) {
            rc = each(self, (uint32_t)number, value, err);
            end->next_segment = (uint32_t)number + 1;
        } else {
            rc = fw_err_set(err, FW_ECORRUPT, "%s has a key of no segment",
                            p->path);
        }
        if (rc == FW_OK)
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    partition_leave(p);
    return rc == FW_END ? header : rc;
}

fw_rc partition_set_aside(struct partition *p, struct fw_err *err)
{
    char aside[FW_PATH_BYTES + 16], lock_path[FW_PATH_BYTES + 8];

    (void)snprintf(aside, sizeof(aside), "%s.damaged", p->path);
    (void)snprintf(lock_path, sizeof(lock_path), "%s-lock", p->path);
    if (fw_file_exists(aside))
        return fw_err_set(err, FW_ECORRUPT, "%s is there already", aside);
    if (rename(p->path, aside) != 0)
        return fw_err_sys(err, errno, "cannot rename %s", p->path);
    (void)unlink(lock_path);
    return FW_OK;
}

/* ---- Writing --------------------------------------------------------------
 */

struct append_work {
    fw_ms first, last;
    uint32_t next_segment;
    const struct fw_str *segments;
    size_t count;
    uint64_t complete;
};

static fw_rc append_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    struct append_work *w = self;
    char header[HEADER_BYTES] = {0};
    char room[KEY_BYTES];
    fw_rc rc;

    fw_put_le32(header + 0, MAGIC);
    fw_put_le32(header + 4, VERSION);
    fw_put_le64(header + 8, (uint64_t)w->first);
    fw_put_le64(header + 16, (uint64_t)w->last);
    fw_put_le64(header + 24, w->complete);
    fw_put_le32(header + 36, fw_crc32c(header, 36));
    rc = lmdb_put(txn, key_of(room, 0), (struct fw_str){header, sizeof(header)},
                  err);
    for (size_t i = 0; i < w->count && rc == FW_OK; i++)
        rc = lmdb_put(txn, key_of(room, w->next_segment + i), w->segments[i],
                      err);
    return rc;
}

fw_rc partition_append(struct partition *p, const struct fw_str *segments,
                       size_t count, uint64_t complete, struct fw_err *err)
{
    struct append_work work = {
        .first = p->first,
        .last = p->last,
        .next_segment = p->next_segment,
        .segments = segments,
        .count = count,
        .complete = complete > p->complete ? complete : p->complete};
    struct lmdb_env *env = NULL;
    fw_rc rc;

    if (count > UINT32_MAX - p->next_segment - 1)
        return fw_err_set(err, FW_ETOOBIG, "%s has too many segments", p->path);
    rc = partition_enter(p, &env, err);
    if (rc != FW_OK)
        return rc;
    rc = lmdb_update(env, append_in, &work, err);
    partition_leave(p);
    if (rc != FW_OK)
        return rc;
    p->next_segment += (uint32_t)count;
    p->complete = work.complete;
    return FW_OK;
}

/* ---- Building -------------------------------------------------------------
 */

fw_rc partition_build_begin(struct partition_builder *b, const char *part_dir,
                            const char *name, size_t map_bytes,
                            struct fw_err *err)
{
    struct lmdb_options options = {
        .single_file = true, .building = true, .map_bytes = map_bytes};
    fw_rc rc;

    *b = (struct partition_builder){.next_segment = 1};
    (void)snprintf(b->dir, sizeof(b->dir), "%s", part_dir);
    rc = fw_path_join(b->path, part_dir, name, err);
    if (rc != FW_OK)
        return rc;
    (void)snprintf(b->temp, sizeof(b->temp), "%s.tmp", b->path);
    (void)unlink(b->temp);
    return lmdb_open(b->temp, &options, &b->env, err);
}

static fw_rc build_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    struct append_work *w = self;
    char room[KEY_BYTES];
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < w->count && rc == FW_OK; i++)
        rc = lmdb_append(txn, key_of(room, w->next_segment + i), w->segments[i],
                         err);
    return rc;
}

fw_rc partition_build_add(struct partition_builder *b,
                          const struct fw_str *segments, size_t count,
                          struct fw_err *err)
{
    struct append_work work = {
        .next_segment = b->next_segment, .segments = segments, .count = count};
    fw_rc rc = lmdb_update(b->env, build_in, &work, err);

    if (rc == FW_OK)
        b->next_segment += (uint32_t)count;
    return rc;
}

fw_rc partition_build_finish(struct partition_builder *b, fw_ms first,
                             fw_ms last, uint64_t complete, struct fw_err *err)
{
    struct append_work work = {.first = first,
                               .last = last,
                               .next_segment = b->next_segment,
                               .complete = complete};
    fw_rc rc = lmdb_update(b->env, append_in, &work, err);

    if (rc == FW_OK)
        rc = lmdb_sync(b->env, err);
    if (rc != FW_OK)
        return rc;
    (void)lmdb_close(b->env);
    b->env = NULL;
    if (rename(b->temp, b->path) != 0)
        return fw_err_sys(err, errno, "cannot rename %s", b->temp);
    b->temp[0] = '\0';
    return fw_dir_sync(b->dir, err);
}

void partition_build_release(struct partition_builder *b)
{
    (void)lmdb_close(b->env);
    b->env = NULL;
    if (b->temp[0] != '\0')
        (void)unlink(b->temp);
    b->temp[0] = '\0';
}
