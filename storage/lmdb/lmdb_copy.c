/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_copy.c - see lmdb_copy.h.
 *
 * The one place where commits are not synchronous: nobody knows the file
 * before it is synced as a whole and its folder renamed.
 */
#include "storage/lmdb/lmdb_copy.h"

#include <errno.h>
#include <lmdb.h>

#define COMMIT_BYTES ((size_t)16 << 20)
#define SPARE_BYTES ((size_t)16 << 20) /* of the map, beyond the source's */

struct copier {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    const char *path;
    size_t uncommitted;
    struct fw_err *err;
};

static fw_rc fail(struct copier *c, int code)
{
    if (code == ENOSPC || code == EDQUOT)
        return fw_err_sys(c->err, code, "cannot write %s", c->path);
    return fw_err_set(c->err, code == ENOMEM ? FW_ENOMEM : FW_EIO,
                      "cannot write %s: %s", c->path, mdb_strerror(code));
}

static fw_rc start(struct copier *c, size_t map_bytes, bool single_file)
{
    unsigned flags = MDB_NOSYNC | MDB_NOLOCK | MDB_NORDAHEAD;
    int code = mdb_env_create(&c->env);

    flags |= single_file ? MDB_NOSUBDIR : 0u;
    if (code == 0)
        code = mdb_env_set_mapsize(c->env, map_bytes);
    if (code == 0)
        code = mdb_env_open(c->env, c->path, flags, 0640);
    if (code == 0)
        code = mdb_txn_begin(c->env, NULL, 0, &c->txn);
    if (code == 0)
        code = mdb_dbi_open(c->txn, NULL, 0, &c->dbi);
    return code == 0 ? FW_OK : fail(c, code);
}

static fw_rc commit(struct copier *c, bool more)
{
    int code = mdb_txn_commit(c->txn);

    c->txn = NULL;
    c->uncommitted = 0;
    if (code == 0 && more)
        code = mdb_txn_begin(c->env, NULL, 0, &c->txn);
    return code == 0 ? FW_OK : fail(c, code);
}

static fw_rc put(struct copier *c, struct fw_str key, struct fw_str value)
{
    MDB_val k = {key.n, (void *)(uintptr_t)key.p};
    MDB_val v = {value.n, (void *)(uintptr_t)value.p};
    int code = mdb_put(c->txn, c->dbi, &k, &v, MDB_APPEND);

    if (code != 0)
        return fail(c, code);
    c->uncommitted += key.n + value.n;
    return c->uncommitted < COMMIT_BYTES ? FW_OK : commit(c, true);
}

static fw_rc copy_all(struct copier *c, struct lmdb_cursor *from,
                      const atomic_bool *cancel)
{
    struct fw_str key, value;
    fw_rc rc = lmdb_seek(from, (struct fw_str){"", 0}, &key, &value, c->err);

    while (rc == FW_OK) {
        if (cancel != NULL && atomic_load(cancel))
            return fw_err_set(c->err, FW_ECANCELED, "it was called off");
        rc = put(c, key, value);
        if (rc == FW_OK)
            rc = lmdb_next(from, &key, &value, c->err);
    }
    return rc == FW_END ? FW_OK : rc;
}

fw_rc lmdb_copy(struct lmdb_txn *from, const char *path, bool single_file,
                const atomic_bool *cancel, struct fw_err *err)
{
    struct copier c = {.path = path, .err = err};
    struct lmdb_cursor cursor = {0};
    uint64_t used = lmdb_used_bytes(from->env);
    fw_rc rc = start(&c, (size_t)(used + used / 4) + SPARE_BYTES, single_file);

    if (rc == FW_OK)
        rc = lmdb_cursor_open(from, &cursor, err);
    if (rc == FW_OK)
        rc = copy_all(&c, &cursor, cancel);
    if (rc == FW_OK)
        rc = commit(&c, false);
    if (rc == FW_OK) {
        int code = mdb_env_sync(c.env, 1);

        rc = code == 0 ? FW_OK : fail(&c, code);
    }
    lmdb_cursor_close(&cursor);
    if (c.txn != NULL)
        mdb_txn_abort(c.txn);
    if (c.env != NULL)
        mdb_env_close(c.env);
    return rc;
}
