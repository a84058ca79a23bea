/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/journal/recover.h"

#include <stdlib.h>

#include "storage/base/bytes.h"
#include "storage/base/limits.h"
#include "storage/journal/quarantine.h"
#include "storage/read/block_cache.h"

struct replay {
    struct fw_store *store;
    struct fw_err *why;
    struct block_cache *cache;
    struct head_hold hold;
    struct partition *part; /* of the last sample; most are of the same */
    bool none;              /* no partition has the time `none_at` */
    fw_ms none_at;
    bool incomplete;      /* a record before this one is bad, or lost */
    uint64_t homeless;    /* samples of the record whose series is unknown */
    uint32_t homeless_id; /* such a series */
    uint32_t skip_to;     /* behind all such series */
};

static fw_rc define_all(struct replay *r, struct journal_reader *reader,
                        struct fw_err *err)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    uint32_t id = 0;
    fw_rc rc;

    while ((rc = journal_reader_definition(reader, &id, room, &labels, err)) ==
           FW_OK) {
        rc = registry_define(&r->store->registry, id, &labels, err);
        if (rc == FW_OK)
            rc = head_make(&r->store->head, id);
        if (rc != FW_OK)
            return rc;
        head_get(&r->store->head, id)->defined = true;
    }
    return rc == FW_END ? FW_OK : rc;
}

/* True if the partition of this time has all of the record already. */
static bool sealed_before(struct replay *r, uint64_t seq, fw_ms t)
{
    if (r->none && t == r->none_at)
        return false;
    if (r->part == NULL || t < r->part->first || t > r->part->last) {
        r->part = manifest_find_complete(&r->store->manifest, t);
        r->none = r->part == NULL;
        r->none_at = t;
    }
    return r->part != NULL && seq <= r->part->complete;
}

/*
 * True if the record's sample is in a block or came from a checkpoint: those of
 * a series leave memory in order of time, unless they were late.
 */
static bool there_before(struct replay *r, const struct head_series *s,
                         uint64_t seq, fw_ms t, bool late)
{
    if (s->ring_first != 0 && seq < s->seq_first)
        return true;
    if (!late && s->block_count > 0 && t <= s->sealed_max)
        return true;
    return sealed_before(r, seq, t);
}

/* No new series may get its id, or these samples would be taken for its own. */
static void note_homeless(struct replay *r, uint32_t id)
{
    r->homeless++;
    r->homeless_id = id;
    if (id >= r->skip_to && id < FW_MAX_SERIES * 2)
        r->skip_to = id + 1;
}

static fw_rc put_one(struct replay *r, uint64_t seq, uint32_t id, fw_ms t,
                     uint64_t bits, bool late, struct fw_err *err)
{
    struct head *head = &r->store->head;
    const struct head_series *s = head_get(head, id);
    enum head_verdict verdict;
    uint64_t there = 0;

    if (s == NULL || !s->made) {
        /* Forgotten since, or told with its page; unless what defined it was
         * in a record that is not there. */
        if (!registry_gone(&r->store->registry, id) || r->incomplete)
            note_homeless(r, id);
        return FW_OK;
    }
    if (there_before(r, s, seq, t, late) ||
        tombs_cover_record(&r->store->tombs, id, t, seq))
        return FW_OK;
    verdict = head_stage(&r->hold, id, t, bits, -1, false);
    if (verdict == HEAD_ASK_DISK) {
        head_let_go(&r->hold);
        if (block_cache_find(r->cache, r->store, id, t, &there) == FW_OK)
            return FW_OK;
        verdict = head_stage(&r->hold, id, t, bits, -1, true);
    }
    switch (verdict) {
    case HEAD_ACCEPTED:
    case HEAD_LATE:
        (void)head_apply(&r->hold, id, t, bits, seq);
        (void)atomic_fetch_add(&r->store->counters.replayed, 1);
        return FW_OK;
    case HEAD_NO_MEMORY:
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    default:
        return FW_OK; /* it is there already */
    }
}

/*
 * The end of the samples from `at` on that may come by runs: none was late,
 * nothing was deleted, and their partition has not had the record.
 */
static size_t end_of_usual(struct replay *r, uint64_t seq,
                           const struct journal_piece *p, size_t at)
{
    size_t n = at;

    if (p->any_late || atomic_load(&r->store->tombs.count) > 0)
        return at;
    while (n < p->n && ((n > at && p->t[n] == p->t[n - 1]) ||
                        !sealed_before(r, seq, p->t[n])))
        n++;
    return n;
}

static fw_rc put_piece(struct replay *r, uint64_t seq,
                       const struct journal_piece *p, struct fw_err *err)
{
    size_t i = 0, end = 0, shown;
    fw_rc rc = FW_OK;

    while (i < p->n && rc == FW_OK) {
        if (i >= end)
            end = end_of_usual(r, seq, p, i);
        shown = head_replay_run(&r->hold, p->ids + i, p->t + i, p->v + i,
                                end - i, seq);
        (void)atomic_fetch_add(&r->store->counters.replayed, shown);
        i += shown;
        if (i < p->n) {
            rc = put_one(r, seq, p->ids[i], p->t[i], fw_double_bits(p->v[i]),
                         p->late[i], err);
            i++;
        }
    }
    return rc;
}

static fw_rc replay_record(struct replay *r, uint64_t seq, struct fw_str text,
                           struct fw_err *err)
{
    struct journal_reader reader;
    fw_rc rc = journal_reader_open(&reader, text, err);

    if (rc == FW_OK && reader.seq != seq)
        rc = fw_err_set(
            err, FW_ECORRUPT, "journal record %llu stands at the place of %llu",
            (unsigned long long)reader.seq, (unsigned long long)seq);
    if (rc == FW_OK) {
        (void)atomic_fetch_add(&r->store->journal.live_samples,
                               reader.samples_left);
        rc = define_all(r, &reader, err);
    }
    while (rc == FW_OK) {
        rc = journal_reader_piece(&reader, err);
        if (rc == FW_OK)
            rc = put_piece(r, seq, &reader.piece, err);
    }
    head_let_go(&r->hold);
    head_pack_tails(&r->hold);
    return rc == FW_END ? FW_OK : rc;
}

static fw_rc each_record(void *self, uint64_t seq, struct fw_str text,
                         struct fw_err *err)
{
    struct replay *r = self;
    struct fw_err why = {0};
    fw_rc rc = replay_record(r, seq, text, &why);

    if (rc == FW_OK && r->homeless > 0)
        rc = fw_err_set(&why, FW_ECORRUPT,
                        "%llu of its samples are of series %u and others, "
                        "which are defined nowhere, and are left out",
                        (unsigned long long)r->homeless, r->homeless_id);
    r->homeless = 0;
    if (rc == FW_ECORRUPT) {
        quarantine_record(r->store, "journal", seq, text, &why);
        r->incomplete = true;
        if (r->why->text[0] == '\0')
            *r->why = why;
        return FW_OK;
    }
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "%s", why.text);
}

fw_rc recover_journal(struct fw_store *store, struct lmdb_txn *txn,
                      struct fw_err *why, struct fw_err *err)
{
    struct replay replay = {
        .store = store, .why = why, .hold = {.head = &store->head}};
    fw_rc rc;

    replay.cache = calloc(1, sizeof(*replay.cache));
    if (replay.cache == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    replay.incomplete = atomic_load(&store->counters.records_lost) > 0;
    rc = journal_replay(txn, each_record, &replay, err);
    if (rc == FW_OK && registry_skip(&store->registry, replay.skip_to) != FW_OK)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    head_hold_release(&replay.hold);
    block_cache_release(replay.cache);
    free(replay.cache);
    return rc;
}
