/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_alert_record.c - the records of alerting as hostile bytes.
 *
 * Each input becomes a record with a good checksum (or, told by its first
 * byte, keeps its own), is put into every table of meta/ where such records
 * live, and is read back through the functions that the server and the
 * commands use. The transaction is aborted, so inputs do not meet.
 */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/alert/ledger.h"
#include "server/alert/page_budget.h"
#include "server/alert/record_codec.h"
#include "server/alert/standing.h"
#include "server/alert/watch_table.h"
#include "server/audit/audit.h"
#include "server/notify/outbox.h"
#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];
static struct fw_store *store;

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void clean_up(void)
{
    fw_store_close(store);
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_once(void)
{
    struct fw_store_options options = {.create = true, .disk_floor = 1};

    if (store != NULL)
        return;
    (void)snprintf(dir, sizeof(dir), "/tmp/forewarn-fuzz-XXXXXX");
    if (mkdtemp(dir) == NULL ||
        fw_store_open(dir, &options, &store, NULL) != FW_OK)
        abort();
    (void)atexit(clean_up);
}

static void put(struct fw_txn *txn, const char *table, struct fw_str key,
                struct fw_str value)
{
    if (fw_txn_put(txn, table, key, value, NULL) != FW_OK)
        abort();
}

static void put_all(struct fw_txn *txn, struct fw_str record)
{
    static const char id4[4] = {0, 0, 0, 1};
    static const char id8[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    struct fw_str short_key = {id4, sizeof(id4)}, long_key = {id8, sizeof(id8)};

    put(txn, "subjects", short_key, record);
    put(txn, "watched", short_key, record);
    put(txn, "predictions", long_key, record);
    put(txn, "predictions_open", long_key, FW_STR("o"));
    put(txn, "scores", long_key, record);
    put(txn, "outbox", long_key, record);
    put(txn, "watch_totals", FW_STR("w"), record);
    put(txn, "watches", FW_STR("w"), record);
    put(txn, "audit", long_key, record);
    put(txn, "watch_standing", FW_STR("w"), record);
    put(txn, "watch_override", FW_STR("w"), record);
    put(txn, "page_budget", FW_STR("o"), record);
    put(txn, "audit_head", FW_STR("head"), record);
}

static bool see_prediction(void *self, uint64_t id, const struct prediction *p)
{
    (void)self;
    if (id != 1 || (p != NULL && strlen(p->model) >= MODEL_NAME_BYTES))
        abort();
    return true;
}

/* Reads every text, so that a sanitizer sees one that is not there. */
static bool see_entry(void *self, uint64_t id, const struct audit_entry *e)
{
    size_t *bytes = self;

    if (id != 1)
        abort();
    if (e != NULL)
        for (size_t i = 0; i < e->reason.n; i++)
            *bytes += (unsigned char)e->reason.p[i] != 0;
    return true;
}

/* One entry that a stranger wrote: whole or not, it must be told. */
static void read_audit(struct fw_txn *txn)
{
    struct audit_check check;
    struct audit_head head;
    struct fw_err err = {0};
    size_t bytes = 0;

    if (audit_each(txn, 0, see_entry, &bytes, &err) != FW_OK ||
        audit_verify(txn, NULL, &check, &err) != FW_OK)
        abort();
    (void)!audit_head(txn, &head, &err);
}

static void read_standing(struct fw_txn *txn)
{
    static const struct config_watch watch = {.name = "w", .owner = "o"};
    struct standing standing = {0};
    char why[STANDING_WHY_BYTES];
    struct fw_err err = {0};
    bool changed;

    (void)!standing_get(txn, FW_STR("w"), &standing, &err);
    (void)!standing_settle(txn, &watch, &standing, 1, &changed, why, &err);
}

static void read_budgets(struct fw_txn *txn)
{
    struct budgets budgets = {.per_day = 1};
    struct fw_err err = {0};

    if (budgets_load(txn, &budgets, &err) == FW_OK)
        (void)budget_takes(&budgets, "o", 1);
    budgets_release(&budgets);
}

static bool see_note(void *self, const struct note *note)
{
    *(size_t *)self += note->url.n + note->payload.n;
    return true;
}

static void read_all(struct fw_txn *txn, struct fw_arena *arena, size_t size)
{
    struct subject subject;
    struct prediction prediction;
    struct score score;
    struct totals totals;
    struct config_watch *watches;
    struct watched_state *states;
    struct fw_record record;
    struct fw_err err = {0};
    size_t n, damaged, bytes = 0;

    (void)!ledger_subject_get(txn, 1, arena, &subject, &err);
    (void)!ledger_get(txn, 1, &prediction, &err);
    (void)!ledger_score_get(txn, 1, &score, &err);
    (void)!ledger_open_each(txn, see_prediction, NULL, &err);
    (void)!watch_table_all(txn, arena, &watches, &n, &err);
    if (totals_get(txn, FW_STR("w"), &totals, &err) == FW_OK)
        totals_record(&totals, &record);
    if (watched_all(txn, arena, &states, &n, &damaged, &err) == FW_OK &&
        n + damaged != 1)
        abort();
    if (outbox_walk(txn, see_note, &bytes, &err) == FW_OK && bytes > size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_arena *arena;
    struct fw_txn *txn = NULL;
    char record[4096];
    size_t n = size > 0 ? size - 1 : 0;

    if (n == 0 || n > sizeof(record) - 4)
        return 0;
    open_once();
    memcpy(record, data + 1, n);
    if (data[0] != 0) {
        fw_put_le32(record + n, fw_crc32c(record, n));
        n += 4;
    }
    arena = fw_arena_new((size_t)1 << 20);
    if (arena == NULL || fw_txn_begin(store, true, &txn, NULL) != FW_OK)
        abort();
    put_all(txn, (struct fw_str){record, n});
    read_all(txn, arena, n);
    read_audit(txn);
    read_standing(txn);
    read_budgets(txn);
    fw_txn_abort(txn);
    fw_arena_free(arena);
    return 0;
}
