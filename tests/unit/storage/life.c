/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/storage/life.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/segments/sealer.h"
#include "tests/support/tmpdir.h"

#define STEP (20 * FW_MINUTE)
#define RETENTION (6 * FW_DAY)
#define MOST 60    /* samples of a batch */
#define MORTAL 999 /* the series whose samples are deleted */
#define MORTAL_TEXT FW_STR("999")
#define PATH_ROOM 8192

static fw_ms time_of(uint32_t series, uint64_t k)
{
    return LIFE_START + (fw_ms)series * 1000 + (fw_ms)k * STEP;
}

static uint64_t bits_of(uint32_t series, uint64_t k)
{
    struct synth_rng rng = synth_seed((uint64_t)series << 32 | k);

    return series % 3 == 0 ? synth_u64(&rng)
                           : fw_double_bits((double)(k * series % 977) / 10);
}

static fw_rc series_id(struct fw_store *store, uint32_t number, uint32_t *id,
                       struct fw_err *err)
{
    char text[16];
    struct fw_label v[] = {{FW_STR("n"), {text, 0}}};
    struct fw_labels labels = {v, 1};

    v[0].value.n = (size_t)snprintf(text, sizeof(text), "%u", number);
    return fw_store_series(store, &labels, id, err);
}

void life_take_note(struct life_ledger *l, const struct life_note *note)
{
    switch (note->what) {
    case LIFE_SENT:
        if (note->count > l->sent[note->series])
            l->sent[note->series] = note->count;
        if (time_of(note->series, note->count) > l->newest)
            l->newest = time_of(note->series, note->count);
        break;
    case LIFE_STORED:
        l->stored_in_all += note->count - l->stored[note->series];
        l->stored[note->series] = note->count;
        break;
    case LIFE_PUT:
        l->put = note->count;
        break;
    case LIFE_KEPT:
        l->kept = note->count;
        break;
    case LIFE_DOOMED:
        l->doomed = note->count;
        l->mortal_at = l->newest - FW_HOUR + (fw_ms)note->count;
        break;
    case LIFE_DELETED:
        l->deleted = note->count;
        break;
    default:
        l->backups = note->count;
    }
}

/* ---- Living ---------------------------------------------------------------
 */

static void tell(struct life *l, uint32_t what, uint32_t series, uint64_t count)
{
    struct life_note note = {what, series, count};

    life_take_note(l->ledger, &note);
    l->tell(l->self, &note);
}

struct fw_store_options life_options(struct fake_clock *fake, bool read_only)
{
    return (struct fw_store_options){.create = true,
                                     .read_only = read_only,
                                     .linger = -1,
                                     .retention = RETENTION,
                                     .rollup_retention = 4 * RETENTION,
                                     .rollup_lead = RETENTION / 4,
                                     .ooo_window = 1000 * FW_DAY,
                                     .disk_floor = 1,
                                     .plain_samples = 4096, /* some */
                                     .clock = &fake->clock};
}

static void clock_up_to(struct life *l, fw_ms t)
{
    if (t > fw_clock_now(&l->fake->clock))
        fake_clock_step(l->fake, t);
}

fw_rc life_open(struct life *l, struct fw_err *err)
{
    struct fw_store_options options = life_options(l->fake, false);

    clock_up_to(l, l->ledger->newest);
    return fw_store_open(l->data, &options, &l->store, err);
}

/* No series runs far ahead of another, for retention counts from the newest. */
static uint32_t choose_series(struct life *l)
{
    uint32_t least = 0;

    if (synth_u64(&l->rng) % 4 == 0)
        return (uint32_t)(synth_u64(&l->rng) % LIFE_SERIES);
    for (uint32_t i = 1; i < LIFE_SERIES; i++)
        if (l->ledger->stored[i] < l->ledger->stored[least])
            least = i;
    return least;
}

fw_rc life_write_samples(struct life *l, struct fw_err *err)
{
    uint32_t series = choose_series(l);
    uint32_t n = 1 + (uint32_t)(synth_u64(&l->rng) % MOST);
    uint64_t next = l->ledger->stored[series];
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = 0;
    fw_rc rc = series_id(l->store, series, &id, err);

    for (uint32_t i = 0; i < n && rc == FW_OK; i++)
        rc = fw_batch_add(&batch, id, time_of(series, next + i),
                          fw_double_of_bits(bits_of(series, next + i)));
    clock_up_to(l, time_of(series, next + n));
    tell(l, LIFE_SENT, series, next + n);
    if (rc == FW_OK)
        rc = fw_store_append(l->store, &batch, &result, err);
    fw_batch_release(&batch);
    if (rc == FW_OK && result.stored + result.duplicates != n)
        rc = fw_err_set(err, FW_EINVAL, "of %u samples %u are there: %s", n,
                        result.stored + result.duplicates, result.err.text);
    if (rc == FW_OK)
        tell(l, LIFE_STORED, series, next + n);
    return rc;
}

static fw_rc put_number(struct fw_txn *txn, const char *key, uint64_t number,
                        struct fw_err *err)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%" PRIu64, number);

    return fw_txn_put(txn, "ledger", fw_str_of(key),
                      (struct fw_str){text, (size_t)n}, err);
}

/* Version v changes one key of twenty, and `last`. */
static fw_rc write_table(struct life *l, struct fw_err *err)
{
    uint64_t v = l->ledger->kept + 1;
    struct fw_txn *txn = NULL;
    char key[32];
    fw_rc rc;

    tell(l, LIFE_PUT, 0, v);
    rc = fw_txn_begin(l->store, true, &txn, err);
    if (rc != FW_OK)
        return rc;
    (void)snprintf(key, sizeof(key), "key %02" PRIu64, v % LIFE_KEYS);
    rc = put_number(txn, key, v, err);
    if (rc == FW_OK)
        rc = put_number(txn, "last", v, err);
    if (rc != FW_OK) {
        fw_txn_abort(txn);
        return rc;
    }
    rc = fw_txn_commit(txn, err);
    if (rc == FW_OK)
        tell(l, LIFE_KEPT, 0, v);
    return rc;
}

fw_rc life_seal(struct life *l, bool all, struct fw_err *err)
{
    enum seal_scope some = synth_u64(&l->rng) % 2 == 0 ? SEAL_FULL : SEAL_RING;

    return sealer_run(l->store->sealer, all ? SEAL_ALL : some, err);
}

fw_rc life_compact(struct life *l, struct fw_err *err)
{
    return fw_store_compact(l->store, NULL, err);
}

static fw_rc write_mortal(struct life *l, uint64_t n, struct fw_err *err)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = 0;
    fw_rc rc = series_id(l->store, MORTAL, &id, err);

    if (rc == FW_OK)
        rc = fw_batch_add(&batch, id, l->ledger->mortal_at, (double)n);
    if (rc == FW_OK)
        rc = fw_store_append(l->store, &batch, &result, err);
    fw_batch_release(&batch);
    if (rc == FW_OK && result.stored != 1)
        rc = fw_err_set(err, FW_EINVAL, "the sample is not there: %s",
                        result.err.text);
    return rc;
}

/*
 * Everything the series had is deleted, then sample n comes: what is there is
 * sample `deleted`, or one between that and `doomed`, and one only.
 */
fw_rc life_delete(struct life *l, struct fw_err *err)
{
    struct fw_matcher mortal = {FW_MATCH_EQUAL, FW_STR("n"), MORTAL_TEXT};
    uint64_t n = l->ledger->doomed + 1, series = 0;
    fw_rc rc;

    tell(l, LIFE_DOOMED, 0, n);
    rc = fw_store_delete(l->store, &mortal, 1, INT64_MIN, INT64_MAX, &series,
                         err);
    if (rc == FW_OK)
        rc = write_mortal(l, n, err);
    if (rc == FW_OK)
        tell(l, LIFE_DELETED, 0, n);
    return rc;
}

fw_rc life_backup(struct life *l, struct fw_err *err)
{
    struct fw_backup_report report = {0};
    char to[PATH_ROOM], unfinished[PATH_ROOM + 16];
    fw_rc rc;

    (void)snprintf(to, sizeof(to), "%s/%" PRIu64, l->copies,
                   l->ledger->backups);
    (void)snprintf(unfinished, sizeof(unfinished), "%s.unfinished", to);
    /* Left by one that was stopped; and one may have become whole untold. */
    tmpdir_remove(unfinished);
    tmpdir_remove(to);
    rc = fw_store_backup(l->store, to, NULL, &report, err);
    if (rc == FW_OK)
        tell(l, LIFE_BACKUP, 0, l->ledger->backups + 1);
    return rc;
}

fw_rc life_step(struct life *l, struct fw_err *err)
{
    uint64_t chance = synth_u64(&l->rng) % 100;

    if (chance < 10)
        return write_table(l, err);
    if (chance < 13)
        return life_seal(l, true, err);
    if (chance < 17)
        return life_seal(l, false, err);
    if (chance < 20) { /* what is old is sealed by itself */
        fake_clock_advance(l->fake, 4 * FW_HOUR);
        return FW_OK;
    }
    if (chance < 22)
        return life_compact(l, err);
    if (chance < 26)
        return life_delete(l, err);
    return life_write_samples(l, err);
}

/* ---- Comparing ------------------------------------------------------------
 */

static fw_rc wrong_sample(uint32_t series, uint64_t k, const char *what,
                          struct fw_err *err)
{
    return fw_err_set(err, FW_ECORRUPT, "series %u, sample %" PRIu64 ": %s",
                      series, k, what);
}

/*
 * Reads a series. Samples rise one by one from `must_from` at the latest; *end
 * is behind the last one.
 */
static fw_rc read_series(struct fw_cursor *cursor, uint32_t series,
                         uint64_t must_from, uint64_t *end, struct fw_err *err)
{
    struct fw_run run = {0};
    uint64_t next = 0;
    fw_rc rc;

    while ((rc = fw_cursor_next(cursor, &run, err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++) {
            uint64_t k = (uint64_t)((run.t[i] - time_of(series, 0)) / STEP);

            if (run.t[i] != time_of(series, k) || k < next)
                return wrong_sample(series, k, "nobody sent that time", err);
            if (k > next && k > must_from)
                return wrong_sample(series, next, "it is missing", err);
            if (fw_double_bits(run.v[i]) != bits_of(series, k))
                return wrong_sample(series, k, "it has other bits", err);
            next = k + 1;
        }
    *end = next;
    return rc == FW_END ? FW_OK : rc;
}

static fw_rc check_series(const struct life_ledger *l, struct fw_store *store,
                          uint32_t series, uint64_t *end, struct fw_err *err)
{
    struct fw_cursor *cursor = NULL;
    uint64_t must_from = 0;
    uint32_t id = 0;
    fw_rc rc;

    *end = 0;
    /* Retention may have taken what is older than this, or not yet. */
    while (time_of(series, must_from) < l->newest - RETENTION)
        must_from++;
    rc = series_id(store, series, &id, err);
    if (rc != FW_OK)
        return l->stored[series] > must_from
                   ? wrong_sample(series, 0, "the series is not known", err)
                   : FW_OK;
    rc = fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, err);
    if (rc == FW_OK)
        rc = read_series(cursor, series, must_from, end, err);
    fw_cursor_close(cursor);
    if (rc != FW_OK)
        return rc;
    if (*end < l->stored[series] && l->stored[series] > must_from)
        return wrong_sample(series, *end, "it was acknowledged and is gone",
                            err);
    if (*end > l->sent[series])
        return wrong_sample(series, *end - 1, "nobody sent it", err);
    return FW_OK;
}

/* *out is 0 where there is no such key. */
static fw_rc get_number(struct fw_txn *txn, const char *key, uint64_t *out,
                        struct fw_err *err)
{
    struct fw_str value = {0};
    char text[32] = "";
    fw_rc rc = fw_txn_get(txn, "ledger", fw_str_of(key), &value, err);

    *out = 0;
    if (rc == FW_NONE)
        return FW_OK;
    if (rc != FW_OK)
        return rc;
    if (value.n >= sizeof(text))
        return fw_err_set(err, FW_ECORRUPT, "%s has another value", key);
    memcpy(text, value.p, value.n);
    *out = strtoull(text, NULL, 10);
    return FW_OK;
}

static fw_rc check_keys(const struct life_ledger *l, struct fw_txn *txn,
                        uint64_t *last, struct fw_err *err)
{
    fw_rc rc = get_number(txn, "last", last, err);

    if (rc == FW_OK && (*last < l->kept || *last > l->put))
        return fw_err_set(err, FW_ECORRUPT,
                          "the table has version %" PRIu64 "; kept %" PRIu64
                          ", put %" PRIu64,
                          *last, l->kept, l->put);
    for (uint64_t i = 0; i < LIFE_KEYS && rc == FW_OK; i++) {
        uint64_t want = *last < i ? 0 : *last - (*last - i) % LIFE_KEYS;
        uint64_t is = 0;
        char key[32];

        (void)snprintf(key, sizeof(key), "key %02" PRIu64, i);
        rc = get_number(txn, key, &is, err);
        if (rc == FW_OK && is != want)
            return fw_err_set(err, FW_ECORRUPT,
                              "%s is %" PRIu64 ", with %" PRIu64 " the last",
                              key, is, *last);
    }
    return rc;
}

/*
 * Of the mortal series the last sample is there, and none that was deleted. One
 * that died between the deletion and the next sample has none.
 */
static fw_rc check_mortal(const struct life_ledger *l, struct fw_store *store,
                          struct fw_err *err)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    uint64_t seen = 0, samples = 0;
    uint32_t id = 0;
    fw_rc rc = series_id(store, MORTAL, &id, err);

    if (rc != FW_OK)
        return FW_OK; /* it never was */
    rc = fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, err);
    while (rc == FW_OK && (rc = fw_cursor_next(cursor, &run, err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, samples++)
            seen = (uint64_t)run.v[i];
    fw_cursor_close(cursor);
    if (rc != FW_END)
        return rc;
    if (samples > 1 || (samples == 1 && seen < l->deleted) ||
        seen > l->doomed ||
        (samples == 0 && l->deleted == l->doomed && l->deleted > 0 &&
         l->mortal_at >= l->newest - RETENTION))
        return fw_err_set(err, FW_ECORRUPT,
                          "%" PRIu64 " samples of the series that dies, the "
                          "last %" PRIu64 "; deleted %" PRIu64
                          ", doomed %" PRIu64,
                          samples, seen, l->deleted, l->doomed);
    return FW_OK;
}

static fw_rc compare(const struct life_ledger *l, struct fw_store *store,
                     uint64_t ends[LIFE_SERIES], uint64_t *last,
                     struct fw_err *err)
{
    struct fw_store_stats stats;
    struct fw_txn *txn = NULL;
    fw_rc rc;

    fw_store_stats(store, &stats);
    if (stats.corrupt_found != 0)
        return fw_err_set(err, FW_ECORRUPT,
                          "%" PRIu64 " damaged blocks or records",
                          stats.corrupt_found);
    for (uint32_t i = 0; i < LIFE_SERIES; i++) {
        rc = check_series(l, store, i, &ends[i], err);
        if (rc != FW_OK)
            return rc;
    }
    rc = check_mortal(l, store, err);
    if (rc != FW_OK)
        return rc;
    rc = fw_txn_begin(store, false, &txn, err);
    if (rc == FW_OK)
        rc = check_keys(l, txn, last, err);
    fw_txn_abort(txn);
    return rc;
}

fw_rc life_check(const struct life_ledger *l, struct fw_store *store,
                 struct fw_err *err)
{
    uint64_t ends[LIFE_SERIES], last;

    return compare(l, store, ends, &last, err);
}

fw_rc life_settle(struct life_ledger *l, struct fw_store *store,
                  struct fw_err *err)
{
    uint64_t ends[LIFE_SERIES], last = 0;
    fw_rc rc = compare(l, store, ends, &last, err);

    if (rc != FW_OK)
        return rc;
    for (uint32_t i = 0; i < LIFE_SERIES; i++)
        if (ends[i] > l->stored[i]) {
            l->stored_in_all += ends[i] - l->stored[i];
            l->stored[i] = ends[i];
        }
    for (uint32_t i = 0; i < LIFE_SERIES; i++)
        l->sent[i] = l->stored[i];
    l->put = l->kept = last;
    return FW_OK;
}

fw_rc life_check_backups(const struct life_ledger *l, const char *copies,
                         uint64_t *found, struct fw_err *err)
{
    struct fw_backup_report report;
    char copy[PATH_ROOM];
    struct dirent *entry;
    uint64_t whole = 0;
    fw_rc rc = FW_OK;
    DIR *d = opendir(copies);

    while (d != NULL && rc == FW_OK && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.' ||
            strstr(entry->d_name, ".unfinished") != NULL)
            continue;
        (void)tmpdir_path(copy, sizeof(copy), copies, entry->d_name);
        rc = fw_backup_check(copy, &report, err);
        whole++;
    }
    if (d != NULL)
        (void)closedir(d);
    if (rc == FW_OK && whole < l->backups)
        rc = fw_err_set(err, FW_ECORRUPT,
                        "of %" PRIu64 " backups %" PRIu64 " are there",
                        l->backups, whole);
    *found += whole;
    return rc;
}
