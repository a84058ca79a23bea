/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checkpoint.c - see checkpoint.h.
 *
 * A sample is in the journal, then (if its series is slow) in the ring, then
 * in a block; each place is durable before the one before lets go. After a
 * crash it may be in two of them. What the ring has again is told by time:
 * samples in chunks and tail came in order, so those that are not newer than
 * the newest block, or than what the ring gave already, are there. What the
 * journal has again is told by its record's number: the ring says up to which
 * one it has a series whole.
 */
#include "storage/journal/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "storage/journal/checkpoint_record.h"
#include "storage/journal/quarantine.h"

struct item {
    uint32_t series;
    uint32_t run; /* samples of chunks and tail when it was copied */
    bool all;     /* they are all in this record */
};

struct round {
    struct fw_store *store;
    uint64_t applied; /* the last journal record shown when copying began */
    struct checkpoint_writer writer;
    struct head_snap snap;
    struct item *items; /* of the record being made */
    size_t item_count, item_cap;
};

/* ---- Writing --------------------------------------------------------------
 */

/* Samples that are packed here: they are in no chunk, or in half of one. */
struct plain {
    fw_ms t[HEAD_CHUNK_SAMPLES];
    double v[HEAD_CHUNK_SAMPLES];
    size_t n;
    struct values_hint hint;
};

static fw_rc flush(struct round *r, struct plain *p)
{
    fw_rc rc = p->n == 0 ? FW_OK
                         : checkpoint_writer_plain(&r->writer, p->t, p->v, p->n,
                                                   &p->hint);

    p->n = 0;
    return rc;
}

static fw_rc put_tail(struct round *r, struct plain *p)
{
    size_t i = r->snap.area_bytes == 0 ? r->snap.skip : 0;
    fw_rc rc = FW_OK;

    for (; i < r->snap.tail_n && rc == FW_OK; i++) {
        p->t[p->n] = r->snap.tail_t[i];
        memcpy(&p->v[p->n], &r->snap.tail_bits[i], sizeof(p->v[0]));
        if (++p->n == HEAD_CHUNK_SAMPLES)
            rc = flush(r, p);
    }
    return rc == FW_OK ? flush(r, p) : rc;
}

/* What the ring lacks of the first chunk, which it has the beginning of. */
static void take_rest(const struct head_chunk *chunk, size_t skip,
                      struct plain *p)
{
    fw_ms t[HEAD_CHUNK_SAMPLES];
    double v[HEAD_CHUNK_SAMPLES];

    head_times_get(chunk->times, t);
    head_chunk_values(chunk, v);
    p->n = chunk->n - skip;
    memcpy(p->t, t + skip, p->n * sizeof(*t));
    memcpy(p->v, v + skip, p->n * sizeof(*v));
}

/* How many chunks put_series() will write. */
static size_t count_chunks(const struct head_snap *snap)
{
    struct head_chunk chunk;
    size_t whole = 0, rest = 0, tail = snap->tail_n;

    if (snap->area_bytes == 0)
        tail -= snap->skip;
    for (size_t at = 0; at < snap->area_bytes; whole++) {
        at = head_chunk_get(snap->area, at, &chunk);
        if (whole == 0 && snap->skip > 0)
            rest = chunk.n - snap->skip;
    }
    if (rest > 0 && whole == 1) { /* one with the tail */
        tail += rest;
        whole = 0;
    }
    return whole + (tail + HEAD_CHUNK_SAMPLES - 1) / HEAD_CHUNK_SAMPLES;
}

static fw_rc put_series(struct round *r, uint32_t id)
{
    const struct head_snap *snap = &r->snap;
    struct head_chunk chunk;
    struct plain plain;
    size_t at = 0;
    fw_rc rc = checkpoint_writer_series(&r->writer, id, count_chunks(snap));

    plain.n = 0;
    plain.hint = snap->hint;
    if (snap->skip > 0 && snap->area_bytes > 0) {
        at = head_chunk_get(snap->area, 0, &chunk);
        take_rest(&chunk, snap->skip, &plain);
        if (rc == FW_OK && at < snap->area_bytes)
            rc = flush(r, &plain);
    }
    while (at < snap->area_bytes && rc == FW_OK) {
        at = head_chunk_get(snap->area, at, &chunk);
        rc = checkpoint_writer_chunk(&r->writer, &chunk);
    }
    return rc == FW_OK ? put_tail(r, &plain) : rc;
}

static fw_rc close_record(struct round *r, struct fw_err *err)
{
    struct journal *ring = &r->store->ring;
    uint64_t seq = ring->next_seq;
    struct fw_str record = {0};
    fw_rc rc;

    if (r->item_count == 0)
        return FW_OK;
    if (seq > UINT32_MAX)
        return fw_err_set(err, FW_ETOOBIG, "head checkpoints have run out");
    rc = checkpoint_writer_finish(&r->writer, seq, r->applied, &record);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    rc = journal_append(ring, record, err);
    if (rc != FW_OK)
        return rc;
    (void)atomic_fetch_add(&r->store->counters.checkpoint_bytes, record.n);
    for (size_t i = 0; i < r->item_count; i++)
        head_saved(&r->store->head, r->items[i].series, (uint32_t)seq,
                   r->items[i].all, r->items[i].run, r->applied + 1);
    r->item_count = 0;
    checkpoint_writer_clear(&r->writer);
    return FW_OK;
}

static fw_rc copy_series(struct round *r, uint32_t id, uint64_t before,
                         uint32_t ring_before, bool *late)
{
    struct head *head = &r->store->head;
    struct head_series *s = head_get(head, id);
    struct item item = {.series = id};
    bool wanted;
    fw_rc rc = FW_OK;

    if (s == NULL)
        return FW_OK;
    head_lock(head, id);
    item.all = s->ring_first <= ring_before; /* or not in the ring at all */
    wanted = head_count(s) > 0 &&
             (s->seq_first <= before || (s->ring_first != 0 && item.all));
    if (wanted && head_late_count(s) > 0) {
        *late = true;
        wanted = false;
    }
    if (wanted) {
        item.run = s->packed + s->tail_n;
        rc = head_snap_take_behind(&r->snap, s, item.all ? 0 : s->saved);
    }
    head_unlock(head, id);
    if (!wanted || rc != FW_OK)
        return rc;
    rc = fw_grow(&r->items, &r->item_cap, r->item_count + 1, sizeof(*r->items),
                 UINT32_MAX);
    if (rc == FW_OK)
        rc = put_series(r, id);
    head_snap_clear(&r->snap);
    if (rc == FW_OK)
        r->items[r->item_count++] = item;
    return rc;
}

fw_rc checkpoint_trim(struct fw_store *store, struct fw_err *err)
{
    struct journal *ring = &store->ring;
    uint64_t oldest = head_oldest_ring(&store->head);
    fw_rc rc =
        journal_pass(ring, store->meta,
                     oldest < ring->next_seq ? oldest : ring->next_seq, err);

    return rc == FW_OK ? journal_trim(ring, err) : rc;
}

static void begin_copying(struct round *r)
{
    r->applied = atomic_load(&r->store->head.applied);
}

fw_rc checkpoint_round(struct fw_store *store, struct seal_state *state,
                       uint64_t before, uint32_t ring_before, bool *late,
                       struct fw_err *err)
{
    struct round round = {.store = store};
    uint32_t limit;
    uint64_t oldest;
    fw_rc rc;

    checkpoint_writer_init(&round.writer);
    begin_copying(&round);
    /* The journal is about to forget what defines these series. */
    rc = seal_save_registry(store, state, err);
    limit = head_limit(&store->head);
    limit = limit < state->registry_saved ? limit : state->registry_saved;
    for (uint32_t id = 0; id < limit && rc == FW_OK; id++) {
        rc = copy_series(&round, id, before, ring_before, late);
        if (rc != FW_OK) {
            rc = fw_err_set(err, rc, "out of memory");
        } else if (checkpoint_writer_full(&round.writer)) {
            rc = close_record(&round, err);
            begin_copying(&round);
        }
    }
    if (rc == FW_OK)
        rc = close_record(&round, err);
    if (rc == FW_OK) {
        oldest = head_oldest_seq(&store->head);
        rc = journal_pass(
            &store->journal, store->meta,
            oldest < round.applied + 1 ? oldest : round.applied + 1, err);
    }
    if (rc == FW_OK) {
        rc = checkpoint_trim(store, err);
    }
    checkpoint_writer_release(&round.writer);
    head_snap_release(&round.snap);
    free(round.items);
    if (rc != FW_OK)
        (void)atomic_fetch_add(&store->counters.seal_failures, 1);
    return rc;
}

/* ---- Reading back ---------------------------------------------------------
 */

struct load {
    struct fw_store *store;
    struct fw_err *why;
};

static fw_rc load_series(struct load *load, struct checkpoint_reader *r,
                         uint32_t id, struct fw_err *err)
{
    struct head *head = &load->store->head;
    const struct head_series *s = head_get(head, id);
    struct head_chunk chunk;
    fw_rc rc;

    /* A series that was forgotten since; or its registry page is damaged,
     * which has been told, and the others need not suffer for it. */
    if ((s == NULL || !s->made) && registry_gone(&load->store->registry, id)) {
        do
            rc = checkpoint_reader_chunk(r, &chunk, err);
        while (rc == FW_OK);
        return rc == FW_END ? FW_OK : rc;
    }
    if (s == NULL || !s->made)
        return fw_err_set(err, FW_ECORRUPT,
                          "head checkpoint %llu has samples of series %u, "
                          "which is defined nowhere",
                          (unsigned long long)r->seq, id);
    while ((rc = checkpoint_reader_chunk(r, &chunk, err)) == FW_OK)
        if (head_restore(head, id, &chunk, r->v, (uint32_t)r->seq,
                         r->applied + 1) != FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
    return rc == FW_END ? FW_OK : rc;
}

static fw_rc load_record(struct load *load, uint64_t seq, struct fw_str text,
                         struct fw_err *err)
{
    struct checkpoint_reader r;
    uint32_t id = 0;
    fw_rc rc = checkpoint_reader_open(&r, text, err);

    if (rc == FW_OK && (r.seq != seq || seq > UINT32_MAX))
        rc = fw_err_set(err, FW_ECORRUPT,
                        "head checkpoint %llu stands at the place of %llu",
                        (unsigned long long)r.seq, (unsigned long long)seq);
    while (rc == FW_OK) {
        rc = checkpoint_reader_series(&r, &id, err);
        if (rc == FW_OK)
            rc = load_series(load, &r, id, err);
    }
    checkpoint_reader_release(&r);
    return rc == FW_END ? FW_OK : rc;
}

static fw_rc each_record(void *self, uint64_t seq, struct fw_str text,
                         struct fw_err *err)
{
    struct load *load = self;
    struct fw_err why = {0};
    fw_rc rc = load_record(load, seq, text, &why);

    if (rc == FW_ECORRUPT || rc == FW_EVERSION) {
        quarantine_record(load->store, "head", seq, text, &why);
        if (load->why->text[0] == '\0')
            *load->why = why;
        return FW_OK;
    }
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "%s", why.text);
}

fw_rc checkpoint_load(struct fw_store *store, struct lmdb_txn *txn,
                      struct fw_err *why, struct fw_err *err)
{
    struct load load = {store, why};

    return journal_replay(txn, each_record, &load, err);
}
