/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_env.c - see lmdb_env.h.
 *
 * Three things LMDB leaves to its user happen here. The map can only be grown
 * while no transaction of this process is active: `active` counts them, and
 * whoever grows waits for none. After a failed write of its meta page LMDB
 * refuses everything until reopened: that is done in the same quiet moment.
 * And beginning a read costs a lock and a search, so finished ones are kept.
 */
#include "storage/lmdb/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/file.h"
#include "storage/lmdb/lmdb_check.h"

#define IDLE_READS 16
#define PAGE_BYTES 4096
#define MAX_READERS 1022
#define QUIET_WAIT_MS 2000
#define MAIN_TABLE 1 /* LMDB's handle of the unnamed table */
#define GROWTHS 48   /* doublings until the address space ends */

struct lmdb_env {
    struct lmdb_env *next; /* table_lock */
    unsigned users;        /* table_lock */
    char *path;
    struct lmdb_options options;
    bool hides;   /* a commit: see lmdb_check_file() */
    dev_t device; /* what the path leads to, however it is spelt */
    ino_t inode;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    MDB_env *env;              /* changes only while nothing is active */
    unsigned active;           /* transactions; lock */
    bool quiet;                /* somebody wants none to begin; lock */
    MDB_txn *idle[IDLE_READS]; /* reset reads, ready to be renewed; lock */
    unsigned idle_count;       /* lock */
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lmdb_env *table; /* table_lock */

/* ---- Errors -------------------------------------------------------------- */

static fw_rc code_of(int code)
{
    switch (code) {
    case MDB_NOTFOUND:
        return FW_NONE;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return FW_ENOSPC;
    case ENOMEM:
        return FW_ENOMEM;
    case ENOENT:
        return FW_ENOTFOUND;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return FW_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return FW_EVERSION;
    case MDB_READERS_FULL:
        return FW_EBUSY;
    case MDB_MAP_FULL:
    case MDB_BAD_VALSIZE:
    case MDB_TXN_FULL:
        return FW_ETOOBIG;
    default:
        return FW_EIO;
    }
}

static fw_rc fail(const struct lmdb_env *env, int code, const char *what,
                  struct fw_err *err)
{
    return fw_err_set(err, code_of(code), "%s: cannot %s: %s", env->path, what,
                      mdb_strerror(code));
}

/* ---- Opening --------------------------------------------------------------
 */

static fw_rc file_of(const char *path, const struct lmdb_options *options,
                     char out[FW_PATH_BYTES], struct fw_err *err)
{
    if (options->single_file) {
        (void)snprintf(out, FW_PATH_BYTES, "%s", path);
        return FW_OK;
    }
    return fw_path_join(out, path, "data.mdb", err);
}

/*
 * LMDB syncs what it commits, not the two pages that a file begins with, nor
 * the file's name: a power loss might leave commits without a file. So these
 * are made durable before anything is committed, which is as long as nothing is
 * behind them.
 */
static fw_rc sync_new(const struct lmdb_env *e, struct fw_err *err)
{
    char path[FW_PATH_BYTES];
    struct stat st;
    fw_rc rc = file_of(e->path, &e->options, path, err);
    int fd;

    if (rc != FW_OK || e->options.read_only)
        return rc;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 ||
        (st.st_size <= 2 * PAGE_BYTES && fsync(fd) != 0))
        rc = fw_err_sys(err, errno, "cannot sync %s", path);
    if (rc == FW_OK && st.st_size <= 2 * PAGE_BYTES) {
        char *slash = strrchr(path, '/');

        if (slash != NULL)
            slash[slash == path ? 1 : 0] = '\0';
        rc = fw_dir_sync(slash != NULL ? path : ".", err);
    }
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static fw_rc env_start(struct lmdb_env *e, struct fw_err *err)
{
    fw_rc rc;
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    MDB_env *env = NULL;
    int code = mdb_env_create(&env);

    if (code != 0)
        return fail(e, code, "make an environment", err);
    flags |= e->options.read_only ? MDB_RDONLY : 0u;
    flags |= e->options.single_file ? MDB_NOSUBDIR : 0u;
    flags |= e->options.sealed ? MDB_RDONLY | MDB_NOLOCK : 0u;
    flags |= e->options.building ? MDB_NOSYNC | MDB_NOLOCK : 0u;
    code = mdb_env_set_mapsize(env, e->options.map_bytes);
    if (code == 0)
        code = mdb_env_set_maxreaders(env, MAX_READERS);
    if (code == 0)
        code = mdb_env_open(env, e->path, flags, 0640);
    if (code == 0)
        code = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (code == 0) {
        code = mdb_dbi_open(txn, NULL, 0, &dbi);
        mdb_txn_abort(txn);
    }
    if (code != 0) {
        mdb_env_close(env);
        return fail(e, code, "open it", err);
    }
    FW_ASSERT(dbi == MAIN_TABLE);
    rc = sync_new(e, err);
    if (rc != FW_OK) {
        mdb_env_close(env);
        return rc;
    }
    e->env = env;
    return FW_OK;
}

static void drop_idle_locked(struct lmdb_env *e)
{
    while (e->idle_count > 0)
        mdb_txn_abort(e->idle[--e->idle_count]);
}

static void env_free(struct lmdb_env *e)
{
    if (e == NULL)
        return;
    drop_idle_locked(e);
    if (e->env != NULL)
        mdb_env_close(e->env);
    (void)pthread_cond_destroy(&e->changed);
    (void)pthread_mutex_destroy(&e->lock);
    free(e->path);
    free(e);
}

static struct lmdb_env *env_alloc(const char *path,
                                  const struct lmdb_options *options)
{
    struct lmdb_env *e = calloc(1, sizeof(*e));
    pthread_condattr_t attr;

    if (e == NULL)
        return NULL;
    e->path = strdup(path);
    e->options = *options;
    e->users = 1;
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&e->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (e->path == NULL) {
        env_free(e);
        return NULL;
    }
    return e;
}

/* LMDB believes what it reads, so the file is looked through before. */
static fw_rc check_first(const char *path, const struct lmdb_options *options,
                         bool *hides, struct fw_err *err)
{
    char file[FW_PATH_BYTES];
    fw_rc rc = file_of(path, options, file, err);

    if (rc != FW_OK || !options->check)
        return rc;
    if (!lmdb_check_unborn(file))
        return lmdb_check_file(file, options->mend, hides, err);
    if (options->read_only)
        return fw_err_set(err, FW_ENOTFOUND, "%s was never begun", file);
    if (truncate(file, 0) != 0)
        return fw_err_sys(err, errno, "cannot begin %s anew", file);
    return FW_OK;
}

bool lmdb_is_begun(const char *file)
{
    return fw_file_exists(file) && !lmdb_check_unborn(file);
}

/* An environment of this process that the path leads to, or NULL. */
static struct lmdb_env *find_locked(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return NULL;
    for (struct lmdb_env *e = table; e != NULL; e = e->next)
        if (e->device == st.st_dev && e->inode == st.st_ino)
            return e;
    return NULL;
}

fw_rc lmdb_open(const char *path, const struct lmdb_options *options,
                struct lmdb_env **out, struct fw_err *err)
{
    struct lmdb_env *e;
    struct stat st;
    bool hides = false;
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&table_lock);
    e = find_locked(path);
    if (e != NULL && e->options.read_only && !options->read_only) {
        rc = fw_err_set(err, FW_EBUSY, "%s is open for reading here", path);
        goto out;
    }
    if (e != NULL) {
        e->users++;
        goto out;
    }
    rc = check_first(path, options, &hides, err);
    if (rc != FW_OK)
        goto out;
    e = env_alloc(path, options);
    if (e == NULL) {
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
        goto out;
    }
    e->hides = hides;
    rc = env_start(e, err);
    if (rc == FW_OK && stat(path, &st) != 0)
        rc = fw_err_sys(err, errno, "cannot look at %s", path);
    if (rc != FW_OK) {
        env_free(e);
        goto out;
    }
    e->device = st.st_dev;
    e->inode = st.st_ino;
    e->next = table;
    table = e;
out:
    if (rc == FW_OK)
        *out = e;
    (void)pthread_mutex_unlock(&table_lock);
    return rc;
}

bool lmdb_hides_commit(const struct lmdb_env *env)
{
    return env->hides;
}

bool lmdb_close(struct lmdb_env *env)
{
    bool last = false;

    if (env == NULL)
        return false;
    (void)pthread_mutex_lock(&table_lock);
    if (--env->users == 0) {
        for (struct lmdb_env **at = &table; *at != NULL; at = &(*at)->next)
            if (*at == env) {
                *at = env->next;
                break;
            }
        env_free(env);
        last = true;
    }
    (void)pthread_mutex_unlock(&table_lock);
    return last;
}

fw_rc lmdb_check_shareable(struct fw_err *err)
{
    int major = 0, minor = 0, patch = 0;
    const char *text = mdb_version(&major, &minor, &patch);

    if (major == 0 && minor == 9 && patch >= 26 && patch <= 31)
        return fw_err_set(err, FW_EVERSION,
                          "%s destroys the locks of a running server when a "
                          "reader closes (ITS#10095); ask the server instead, "
                          "or use LMDB 0.9.24, 0.9.25 or 0.9.32",
                          text);
    return FW_OK;
}

fw_rc lmdb_sync(struct lmdb_env *env, struct fw_err *err)
{
    int code = mdb_env_sync(env->env, 1);

    return code == 0 ? FW_OK : fail(env, code, "sync it", err);
}

/* ---- The quiet moment -----------------------------------------------------
 */

static struct timespec quiet_deadline(void)
{
    struct timespec ts = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += QUIET_WAIT_MS / 1000;
    return ts;
}

/*
 * Waits until no transaction of this process is active and keeps new ones from
 * beginning. Gives up after a while: a thread that holds one and begins
 * another would wait for us for ever.
 */
static bool quiet_begin(struct lmdb_env *e)
{
    struct timespec deadline = quiet_deadline();
    bool got;

    (void)pthread_mutex_lock(&e->lock);
    while (e->quiet)
        (void)pthread_cond_wait(&e->changed, &e->lock);
    e->quiet = true;
    while (e->active > 0)
        if (pthread_cond_timedwait(&e->changed, &e->lock, &deadline) != 0)
            break;
    got = e->active == 0;
    if (!got) {
        e->quiet = false;
        (void)pthread_cond_broadcast(&e->changed);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return got;
}

static void quiet_end(struct lmdb_env *e)
{
    (void)pthread_mutex_lock(&e->lock);
    e->quiet = false;
    (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
}

/* Doubles the map; `adopt` takes the size another process chose instead. */
static fw_rc map_grow(struct lmdb_env *e, bool adopt, struct fw_err *err)
{
    size_t bytes = adopt ? 0 : e->options.map_bytes * 2;
    int code;

    if (!quiet_begin(e))
        return fw_err_set(err, FW_EBUSY,
                          "%s: its map cannot grow while reads last", e->path);
    code = mdb_env_set_mapsize(e->env, bytes);
    if (code == 0 && !adopt)
        e->options.map_bytes = bytes;
    quiet_end(e);
    return code == 0 ? FW_OK : fail(e, code, "grow its map", err);
}

/* After MDB_PANIC the environment is dead; a new one on the file is not. */
static fw_rc env_restart(struct lmdb_env *e, struct fw_err *err)
{
    MDB_env *old = e->env;
    fw_rc rc;

    if (!quiet_begin(e))
        return fw_err_set(err, FW_EBUSY,
                          "%s: it cannot be reopened while reads last",
                          e->path);
    drop_idle_locked(e);
    mdb_env_close(old);
    e->env = NULL;
    rc = env_start(e, err);
    quiet_end(e);
    return rc;
}

/* ---- Transactions -----------------------------------------------------------
 */

/* False if that would be to wait; *txn is an idle read, if there is one. */
static bool enter(struct lmdb_env *e, bool read, bool wait, MDB_txn **txn)
{
    bool entered;

    (void)pthread_mutex_lock(&e->lock);
    while (e->quiet && wait)
        (void)pthread_cond_wait(&e->changed, &e->lock);
    entered = !e->quiet;
    if (entered)
        e->active++;
    if (entered && read && e->idle_count > 0)
        *txn = e->idle[--e->idle_count];
    (void)pthread_mutex_unlock(&e->lock);
    return entered;
}

/* Counts one transaction less; keeps `idle`, a read, for the next one. */
static void leave(struct lmdb_env *e, MDB_txn *idle)
{
    (void)pthread_mutex_lock(&e->lock);
    if (idle != NULL && e->idle_count < IDLE_READS) {
        e->idle[e->idle_count++] = idle;
        idle = NULL;
    }
    if (idle != NULL)
        mdb_txn_abort(idle);
    e->active--;
    if (e->active == 0 && e->quiet)
        (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
}

static int try_begin(struct lmdb_env *e, bool write, bool wait, MDB_txn **out)
{
    MDB_txn *txn = NULL;
    int code;

    if (!enter(e, !write, wait, &txn))
        return EBUSY;
    if (e->env == NULL)
        code = MDB_PANIC; /* an earlier restart failed */
    else if (txn != NULL)
        code = mdb_txn_renew(txn);
    else
        code = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, &txn);
    if (code != 0) {
        leave(e, NULL);
        if (txn != NULL)
            mdb_txn_abort(txn);
        return code;
    }
    *out = txn;
    return 0;
}

static fw_rc begin(struct lmdb_env *e, bool write, struct lmdb_txn *txn,
                   struct fw_err *err)
{
    MDB_txn *handle = NULL;
    int code = 0;

    for (int attempt = 0; attempt < 3; attempt++) {
        fw_rc rc;

        code = try_begin(e, write, true, &handle);
        if (code == MDB_MAP_RESIZED)
            rc = map_grow(e, true, err);
        else if (code == MDB_PANIC)
            rc = env_restart(e, err);
        else
            break;
        if (rc != FW_OK)
            return rc;
    }
    if (code != 0)
        return fail(e, code, "begin a transaction", err);
    *txn = (struct lmdb_txn){e, handle, write};
    return FW_OK;
}

fw_rc lmdb_begin_read(struct lmdb_env *env, struct lmdb_txn *txn,
                      struct fw_err *err)
{
    return begin(env, false, txn, err);
}

fw_rc lmdb_try_read(struct lmdb_env *env, struct lmdb_txn *txn)
{
    MDB_txn *handle = NULL;

    if (try_begin(env, false, false, &handle) != 0)
        return FW_EBUSY;
    *txn = (struct lmdb_txn){env, handle, false};
    return FW_OK;
}

fw_rc lmdb_begin_write(struct lmdb_env *env, struct lmdb_txn *txn,
                       struct fw_err *err)
{
    /* A caller who cannot run his work again is spared a full map. */
    if (lmdb_used_bytes(env) > env->options.map_bytes / 4 * 3) {
        fw_rc rc = map_grow(env, false, err);

        if (rc != FW_OK && rc != FW_EBUSY)
            return rc;
    }
    return begin(env, true, txn, err);
}

fw_rc lmdb_commit(struct lmdb_txn *txn, struct fw_err *err)
{
    struct lmdb_env *e = txn->env;
    int code = mdb_txn_commit(txn->handle);

    txn->handle = NULL;
    leave(e, NULL);
    return code == 0 ? FW_OK : fail(e, code, "commit", err);
}

void lmdb_end(struct lmdb_txn *txn)
{
    MDB_txn *handle = txn->handle;

    if (handle == NULL)
        return;
    txn->handle = NULL;
    if (txn->write) {
        mdb_txn_abort(handle);
        leave(txn->env, NULL);
    } else {
        mdb_txn_reset(handle);
        leave(txn->env, handle);
    }
}

fw_rc lmdb_update(struct lmdb_env *env, lmdb_work work, void *self,
                  struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct fw_err why = {0};
    fw_rc rc = FW_OK;

    for (int growth = 0; growth < GROWTHS; growth++) {
        rc = lmdb_begin_write(env, &txn, err);
        if (rc != FW_OK)
            return rc;
        rc = work(self, &txn, &why);
        if (rc == FW_OK)
            rc = lmdb_commit(&txn, &why);
        else
            lmdb_end(&txn);
        if (rc != FW_ETOOBIG)
            break;
        if (map_grow(env, false, err) != FW_OK)
            break;
    }
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "%s", why.text);
}

/* ---- Keys and values --------------------------------------------------------
 */

static MDB_val val_of(struct fw_str s)
{
    return (MDB_val){s.n, (void *)(uintptr_t)s.p};
}

static struct fw_str str_of(MDB_val v)
{
    return (struct fw_str){v.mv_data, v.mv_size};
}

fw_rc lmdb_get(struct lmdb_txn *txn, struct fw_str key, struct fw_str *value,
               struct fw_err *err)
{
    MDB_val k = val_of(key);
    MDB_val v = {0};
    int code = mdb_get(txn->handle, MAIN_TABLE, &k, &v);

    if (code == MDB_NOTFOUND)
        return FW_NONE;
    if (code != 0)
        return fail(txn->env, code, "read", err);
    *value = str_of(v);
    return FW_OK;
}

static fw_rc put(struct lmdb_txn *txn, struct fw_str key, struct fw_str value,
                 unsigned flags, struct fw_err *err)
{
    MDB_val k = val_of(key);
    MDB_val v = val_of(value);
    int code = mdb_put(txn->handle, MAIN_TABLE, &k, &v, flags);

    return code == 0 ? FW_OK : fail(txn->env, code, "write", err);
}

fw_rc lmdb_put(struct lmdb_txn *txn, struct fw_str key, struct fw_str value,
               struct fw_err *err)
{
    return put(txn, key, value, 0, err);
}

fw_rc lmdb_append(struct lmdb_txn *txn, struct fw_str key, struct fw_str value,
                  struct fw_err *err)
{
    return put(txn, key, value, MDB_APPEND, err);
}

fw_rc lmdb_delete(struct lmdb_txn *txn, struct fw_str key, struct fw_err *err)
{
    MDB_val k = val_of(key);
    int code = mdb_del(txn->handle, MAIN_TABLE, &k, NULL);

    if (code == MDB_NOTFOUND)
        return FW_NONE;
    return code == 0 ? FW_OK : fail(txn->env, code, "delete", err);
}

fw_rc lmdb_cursor_open(struct lmdb_txn *txn, struct lmdb_cursor *out,
                       struct fw_err *err)
{
    MDB_cursor *handle = NULL;
    int code = mdb_cursor_open(txn->handle, MAIN_TABLE, &handle);

    if (code != 0)
        return fail(txn->env, code, "open a cursor", err);
    *out = (struct lmdb_cursor){txn->env, handle};
    return FW_OK;
}

void lmdb_cursor_close(struct lmdb_cursor *cursor)
{
    if (cursor->handle != NULL)
        mdb_cursor_close(cursor->handle);
    cursor->handle = NULL;
}

static fw_rc move(struct lmdb_cursor *c, MDB_cursor_op op, MDB_val k,
                  struct fw_str *key, struct fw_str *value, struct fw_err *err)
{
    MDB_val v = {0};
    int code = mdb_cursor_get(c->handle, &k, &v, op);

    if (code == MDB_NOTFOUND)
        return FW_END;
    if (code != 0)
        return fail(c->env, code, "read", err);
    *key = str_of(k);
    *value = str_of(v);
    return FW_OK;
}

fw_rc lmdb_seek(struct lmdb_cursor *cursor, struct fw_str from,
                struct fw_str *key, struct fw_str *value, struct fw_err *err)
{
    MDB_cursor_op op = from.n == 0 ? MDB_FIRST : MDB_SET_RANGE;

    return move(cursor, op, val_of(from), key, value, err);
}

fw_rc lmdb_next(struct lmdb_cursor *cursor, struct fw_str *key,
                struct fw_str *value, struct fw_err *err)
{
    return move(cursor, MDB_NEXT, (MDB_val){0}, key, value, err);
}

fw_rc lmdb_prev(struct lmdb_cursor *cursor, struct fw_str *key,
                struct fw_str *value, struct fw_err *err)
{
    return move(cursor, MDB_PREV, (MDB_val){0}, key, value, err);
}

fw_rc lmdb_last(struct lmdb_cursor *cursor, struct fw_str *key,
                struct fw_str *value, struct fw_err *err)
{
    return move(cursor, MDB_LAST, (MDB_val){0}, key, value, err);
}

struct oldest {
    uint64_t txn;
    bool any;
};

/* A line of mdb_reader_list(): pid, thread and, unless it is idle, a number. */
static int see_reader(const char *line, void *self)
{
    const char *last = strrchr(line, ' ');
    struct oldest *oldest = self;
    uint64_t txn;

    if (last == NULL || last[1] < '0' || last[1] > '9')
        return 0;
    txn = strtoull(last + 1, NULL, 10);
    if (!oldest->any || txn < oldest->txn)
        *oldest = (struct oldest){txn, true};
    return 0;
}

uint64_t lmdb_reader_lag(struct lmdb_env *env)
{
    struct oldest oldest = {0};
    MDB_envinfo info = {0};

    (void)enter(env, false, true, NULL);
    if (env->env != NULL && mdb_env_info(env->env, &info) == 0)
        (void)mdb_reader_list(env->env, see_reader, &oldest);
    leave(env, NULL);
    return oldest.any && oldest.txn < info.me_last_txnid
               ? info.me_last_txnid - oldest.txn
               : 0;
}

int lmdb_clear_stale_readers(struct lmdb_env *env)
{
    int dead = 0;

    (void)enter(env, false, true, NULL);
    if (env->env != NULL && mdb_reader_check(env->env, &dead) != 0)
        dead = 0;
    leave(env, NULL);
    return dead;
}

uint64_t lmdb_used_bytes(struct lmdb_env *env)
{
    MDB_envinfo info = {0};
    MDB_stat stat_of = {0};
    uint64_t bytes = 0;

    (void)enter(env, false, true, NULL);
    if (env->env != NULL && mdb_env_info(env->env, &info) == 0 &&
        mdb_env_stat(env->env, &stat_of) == 0)
        bytes = (uint64_t)(info.me_last_pgno + 1) * stat_of.ms_psize;
    leave(env, NULL);
    return bytes;
}
