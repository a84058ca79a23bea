/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/forget.h"

#include <stdlib.h>

#include "storage/base/bytes.h"
#include "storage/index/registry_page.h"
#include "storage/segments/rollup.h"

/* ---- Who may leave
 * ------------------------------------------------------------
 */

/* A series all of whose samples are gone lives on in its summaries. */
static fw_rc find_idle(struct fw_store *store, struct id_list *out,
                       struct fw_err *err)
{
    uint32_t limit = (uint32_t)registry_next_id(&store->registry);
    struct rollup_set kept = {0};
    fw_rc rc = rollup_series(store, INT64_MIN, INT64_MAX, false, &kept, err);

    for (uint32_t id = 0; id < limit && rc == FW_OK; id++) {
        if (rollup_set_has(&kept, id) || !head_idle(&store->head, id))
            continue;
        rc = fw_grow(&out->v, &out->cap, out->n + 1, sizeof(*out->v),
                     UINT32_MAX);
        if (rc == FW_OK)
            out->v[out->n++] = id;
        else
            (void)fw_err_set(err, rc, "out of memory");
    }
    rollup_set_release(&kept);
    return rc;
}

/* True if no record of the journal is as old as the first sweep. */
static fw_rc journal_passed(struct fw_store *store, uint64_t applied,
                            bool *passed, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc = lmdb_begin_read(store->journal.env, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, err);
    *passed = rc == FW_END ||
              (rc == FW_OK && key.n == 8 && fw_get_be64(key.p) > applied);
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

/* ---- Leaving
 * ------------------------------------------------------------------
 */

static bool retire(void *self, uint32_t id)
{
    struct fw_store *store = self;

    return head_retire(&store->head, id);
}

struct save_work {
    struct fw_store *store;
    const struct id_list *gone;
};

static fw_rc save_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    const struct save_work *w = self;
    uint32_t last = UINT32_MAX;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < w->gone->n && rc == FW_OK; i++) {
        uint32_t number = w->gone->v[i] / REGISTRY_PAGE_SERIES;

        if (number != last)
            rc = registry_save_page(&w->store->registry, txn, number, err);
        last = number;
    }
    return rc;
}

static fw_rc forget(struct fw_store *store, struct fw_err *err)
{
    struct id_list gone = {0};
    struct save_work work = {store, &gone};
    fw_rc rc = registry_forget(&store->registry, retire, store, &gone);

    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    else if (gone.n > 0)
        rc = lmdb_update(store->meta, save_in, &work, err);
    /* Where the pages were not written they are forgotten again next time. */
    (void)atomic_fetch_add(&store->counters.forgotten, gone.n);
    free(gone.v);
    head_bury(&store->head);
    return rc;
}

fw_rc forget_sweep(struct fw_store *store, struct forget_state *state,
                   struct fw_err *err)
{
    struct id_list idle = {0};
    bool passed = false;
    fw_rc rc;

    if (atomic_load(&store->counters.corrupt) > 0)
        return FW_OK;
    rc = journal_passed(store, state->applied, &passed, err);
    passed = passed && store->ring.first_seq > state->ring;
    if (rc == FW_OK && passed)
        rc = forget(store, err);
    if (rc != FW_OK)
        return rc;
    state->applied = atomic_load(&store->head.applied);
    state->ring = store->ring.next_seq - 1;
    rc = find_idle(store, &idle, err);
    if (rc != FW_OK) {
        free(idle.v);
        return rc;
    }
    if (registry_leaving(&store->registry, &idle) > 0)
        (void)atomic_fetch_add(&store->epoch, 1);
    return FW_OK;
}
