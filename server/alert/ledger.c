/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ledger.c - predictions and scores in the tables of meta/.
 */
#include "server/alert/ledger.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "storage/base/bytes.h"
#include "storage/base/hash.h"
#include "storage/base/limits.h"

#define T_SUBJECTS "subjects"
#define T_SUBJECT_IDS "subject_ids"
#define T_PREDICTIONS "predictions"
#define T_OPEN "predictions_open"
#define T_SCORES "scores"
#define T_VALUES "value_scores"

#define SUBJECT_VERSION 1
#define PREDICTION_VERSION 3 /* 1 lacked `raw`, 2 the quantiles */
#define SCORE_VERSION 1
#define VALUE_VERSION 1

/* What of a prediction is open: the value in T_OPEN. */
#define OPEN_BOTH 'o'
#define OPEN_VALUE 'v'   /* it has a score */
#define OPEN_OUTCOME 's' /* its quantiles have one */

/* ---- subjects
 * ---------------------------------------------------------------- */

static fw_rc subject_put(struct fw_buf *out, struct fw_str watch,
                         const struct fw_labels *labels, struct fw_err *err)
{
    struct record_writer w;

    record_begin(&w, out, RECORD_SUBJECT, SUBJECT_VERSION);
    record_put_str(&w, watch);
    record_put_u32(&w, (uint32_t)labels->n);
    for (size_t i = 0; i < labels->n; i++) {
        record_put_str(&w, labels->v[i].name);
        record_put_str(&w, labels->v[i].value);
    }
    return record_end(&w, err);
}

static struct fw_str copy_str(struct fw_arena *arena, struct fw_str text,
                              bool *failed)
{
    const char *copy = fw_arena_strndup(arena, text.p, text.n);

    if (copy == NULL)
        *failed = true;
    return (struct fw_str){copy, text.n};
}

static fw_rc subject_read(struct fw_str bytes, struct fw_arena *arena,
                          struct subject *out, struct fw_err *err)
{
    struct record_reader r;
    struct fw_label *labels;
    bool failed = false;
    uint32_t n;
    fw_rc rc = record_open(&r, bytes, RECORD_SUBJECT, SUBJECT_VERSION, err);

    if (rc != FW_OK)
        return rc;
    out->watch = copy_str(arena, record_get_str(&r), &failed);
    n = record_get_u32(&r);
    if (n > FW_MAX_LABELS)
        return fw_err_set(err, FW_ECORRUPT, "a subject with %u labels", n);
    labels = fw_arena_calloc(arena, n + 1, sizeof(*labels));
    for (uint32_t i = 0; labels != NULL && i < n; i++) {
        labels[i].name = copy_str(arena, record_get_str(&r), &failed);
        labels[i].value = copy_str(arena, record_get_str(&r), &failed);
    }
    if (failed || labels == NULL)
        return fw_arena_err(arena, err);
    out->labels = (struct fw_labels){labels, n};
    return record_close(&r, err);
}

static struct fw_str id_key(uint32_t id, char out[4])
{
    fw_put_be32(out, id);
    return (struct fw_str){out, 4};
}

/* The next free id: one above the last. */
static fw_rc next_subject(struct fw_txn *txn, uint32_t *id, struct fw_err *err)
{
    struct fw_str key, value;
    fw_rc rc = fw_txn_last(txn, T_SUBJECTS, &key, &value, err);

    if (rc == FW_NONE) {
        *id = 1;
        return FW_OK;
    }
    if (rc == FW_OK && (key.n != 4 || fw_get_be32(key.p) == UINT32_MAX))
        return fw_err_set(err, FW_ECORRUPT, "the table of subjects is damaged");
    if (rc == FW_OK)
        *id = fw_get_be32(key.p) + 1;
    return rc;
}

/*
 * Looks under `hash` and, where another subject sits there, under the hashes
 * after it. FW_OK with *id; FW_NONE with the free hash in *slot.
 */
static fw_rc find_subject(struct fw_txn *txn, struct fw_str record,
                          uint64_t hash, uint32_t *id, uint64_t *slot,
                          struct fw_err *err)
{
    for (;; hash++) {
        struct record_key key = record_key_u64(hash);
        struct fw_str value;
        char id_bytes[4];
        fw_rc rc =
            fw_txn_get(txn, T_SUBJECT_IDS, record_key_str(&key), &value, err);

        if (rc == FW_NONE)
            *slot = hash;
        if (rc != FW_OK)
            return rc;
        if (value.n != 4)
            return fw_err_set(err, FW_ECORRUPT, "a subject's id is damaged");
        *id = fw_get_le32(value.p);
        rc = fw_txn_get(txn, T_SUBJECTS, id_key(*id, id_bytes), &value, err);
        if (rc == FW_OK && fw_str_eq(value, record))
            return FW_OK;
        if (rc < 0)
            return rc;
    }
}

fw_rc ledger_subject(struct fw_txn *txn, struct fw_str watch,
                     const struct fw_labels *labels, bool make, uint32_t *id,
                     struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct fw_str bytes;
    struct record_key key;
    char id_bytes[4], id_value[4];
    uint64_t slot = 0;
    fw_rc rc = subject_put(&record, watch, labels, err);

    if (rc != FW_OK)
        goto out;
    bytes = (struct fw_str){record.data, record.len};
    rc = find_subject(txn, bytes, fw_hash64(bytes.p, bytes.n, 0), id, &slot,
                      err);
    if (rc != FW_NONE)
        goto out;
    if (!make) {
        rc = fw_err_set(err, FW_ENOTFOUND, "this series is not watched yet");
        goto out;
    }
    rc = next_subject(txn, id, err);
    if (rc != FW_OK)
        goto out;
    key = record_key_u64(slot);
    fw_put_le32(id_value, *id);
    rc = fw_txn_put(txn, T_SUBJECTS, id_key(*id, id_bytes), bytes, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_SUBJECT_IDS, record_key_str(&key),
                        (struct fw_str){id_value, 4}, err);
out:
    fw_buf_release(&record);
    return rc;
}

fw_rc ledger_subject_get(struct fw_txn *txn, uint32_t id,
                         struct fw_arena *arena, struct subject *out,
                         struct fw_err *err)
{
    struct subject subject = {.id = id};
    struct fw_str value;
    char key[4];
    fw_rc rc = fw_txn_get(txn, T_SUBJECTS, id_key(id, key), &value, err);

    if (rc == FW_OK)
        rc = subject_read(value, arena, &subject, err);
    if (rc == FW_OK)
        *out = subject;
    return rc;
}

/* ---- predictions
 * -------------------------------------------------------------- */

static fw_rc prediction_put(struct fw_buf *out, const struct prediction *p,
                            struct fw_err *err)
{
    struct record_writer w;

    record_begin(&w, out, RECORD_PREDICTION, PREDICTION_VERSION);
    record_put_u32(&w, p->subject);
    record_put_u8(&w, (uint8_t)p->kind);
    record_put_ms(&w, p->made_at);
    record_put_ms(&w, p->horizon);
    record_put_u8(&w, (uint8_t)((p->breach.side == FW_BELOW ? 1 : 0) |
                                (p->breach.or_equal ? 2 : 0)));
    record_put_double(&w, p->breach.limit);
    record_put_ms(&w, p->breach.for_ms);
    record_put_double(&w, p->probability);
    record_put_ms(&w, p->p10);
    record_put_ms(&w, p->p50);
    record_put_ms(&w, p->p90);
    record_put_double(&w, p->value);
    record_put_str(&w, fw_str_of(p->model));
    record_put_ms(&w, p->watched_ms);
    record_put_double(&w, p->raw);
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        record_put_double(&w, p->extreme[i]);
    return record_end(&w, err);
}

static fw_rc prediction_read(uint64_t id, struct fw_str bytes,
                             struct prediction *out, struct fw_err *err)
{
    struct prediction p = {.id = id};
    struct record_reader r;
    struct fw_str model;
    uint8_t side;
    fw_rc rc =
        record_open(&r, bytes, RECORD_PREDICTION, PREDICTION_VERSION, err);

    if (rc != FW_OK)
        return rc;
    p.subject = record_get_u32(&r);
    p.kind = record_get_u8(&r) == PREDICTION_ALERT ? PREDICTION_ALERT
                                                   : PREDICTION_ROUTINE;
    p.made_at = record_get_ms(&r);
    p.horizon = record_get_ms(&r);
    side = record_get_u8(&r);
    p.breach.side = (side & 1) != 0 ? FW_BELOW : FW_ABOVE;
    p.breach.or_equal = (side & 2) != 0;
    p.breach.limit = record_get_double(&r);
    p.breach.for_ms = record_get_ms(&r);
    p.probability = record_get_double(&r);
    p.p10 = record_get_ms(&r);
    p.p50 = record_get_ms(&r);
    p.p90 = record_get_ms(&r);
    p.value = record_get_double(&r);
    model = record_get_str(&r);
    p.watched_ms = record_get_ms(&r);
    p.raw = record_version(bytes) >= 2 ? record_get_double(&r) : p.probability;
    p.reached = NAN;
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        p.extreme[i] = record_version(bytes) >= 3 ? record_get_double(&r) : NAN;
    rc = record_close(&r, err);
    if (rc == FW_OK && model.n >= sizeof(p.model))
        rc = fw_err_set(err, FW_ECORRUPT,
                        "a prediction's model has a name of "
                        "%zu bytes",
                        model.n);
    if (rc != FW_OK)
        return rc;
    memcpy(p.model, model.p, model.n);
    *out = p;
    return FW_OK;
}

fw_rc ledger_newest(struct fw_txn *txn, uint64_t *id, struct fw_err *err)
{
    struct fw_str key, value;
    fw_rc rc = fw_txn_last(txn, T_PREDICTIONS, &key, &value, err);

    if (rc == FW_NONE) {
        *id = 0;
        return FW_OK;
    }
    if (rc == FW_OK && !record_key_read(key, id))
        return fw_err_set(err, FW_ECORRUPT,
                          "the table of predictions is damaged");
    return rc;
}

fw_rc ledger_add(struct fw_txn *txn, struct prediction *prediction,
                 struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_key key;
    uint64_t newest;
    fw_rc rc = ledger_newest(txn, &newest, err);

    if (rc == FW_OK)
        rc = prediction_put(&record, prediction, err);
    if (rc == FW_OK) {
        key = record_key_u64(newest + 1);
        rc = fw_txn_put(txn, T_PREDICTIONS, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    }
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_OPEN, record_key_str(&key), FW_STR("o"), err);
    if (rc == FW_OK)
        prediction->id = newest + 1;
    fw_buf_release(&record);
    return rc;
}

fw_rc ledger_get(struct fw_txn *txn, uint64_t id, struct prediction *out,
                 struct fw_err *err)
{
    struct record_key key = record_key_u64(id);
    struct fw_str value;
    fw_rc rc =
        fw_txn_get(txn, T_PREDICTIONS, record_key_str(&key), &value, err);

    if (rc == FW_OK)
        rc = prediction_read(id, value, out, err);
    if (rc < 0)
        return fw_err_prefix(err, "prediction %llu", (unsigned long long)id);
    return rc;
}

/* ---- scores
 * -------------------------------------------------------------------- */

static fw_rc set_open(struct fw_txn *txn, uint64_t id, char open,
                      struct fw_err *err)
{
    struct record_key key = record_key_u64(id);

    return fw_txn_put(txn, T_OPEN, record_key_str(&key),
                      (struct fw_str){&open, 1}, err);
}

static fw_rc close_open(struct fw_txn *txn, uint64_t id, struct fw_err *err)
{
    struct record_key key = record_key_u64(id);
    fw_rc rc = fw_txn_delete(txn, T_OPEN, record_key_str(&key), err);

    return rc == FW_NONE ? FW_OK : rc;
}

/* FW_NONE: nothing. */
static fw_rc what_is_open(struct fw_txn *txn, uint64_t id, char *open,
                          struct fw_err *err)
{
    struct record_key key = record_key_u64(id);
    struct fw_str value;
    fw_rc rc = fw_txn_get(txn, T_OPEN, record_key_str(&key), &value, err);

    if (rc == FW_OK)
        *open = value.n == 1 ? value.p[0] : OPEN_BOTH;
    return rc;
}

fw_rc ledger_score(struct fw_txn *txn, const struct score *score,
                   struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_key key = record_key_u64(score->id);
    struct record_writer w;
    struct fw_str value;
    fw_rc rc = fw_txn_get(txn, T_SCORES, record_key_str(&key), &value, err);

    if (rc == FW_OK)
        rc = fw_err_set(err, FW_EINVAL, "prediction %llu is scored already",
                        (unsigned long long)score->id);
    if (rc != FW_NONE)
        goto out;
    record_begin(&w, &record, RECORD_SCORE, SCORE_VERSION);
    record_put_u8(&w, (uint8_t)score->outcome);
    record_put_ms(&w, score->scored_at);
    record_put_ms(&w, score->breached_at);
    record_put_double(&w, score->brier);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_SCORES, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    if (rc == FW_OK && score->value_open)
        rc = set_open(txn, score->id, OPEN_VALUE, err);
    else if (rc == FW_OK)
        rc = close_open(txn, score->id, err);
out:
    fw_buf_release(&record);
    return rc;
}

fw_rc ledger_score_value(struct fw_txn *txn, const struct value_score *score,
                         struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_key key = record_key_u64(score->id);
    struct record_writer w;
    struct fw_str value;
    char open;
    fw_rc rc = fw_txn_get(txn, T_VALUES, record_key_str(&key), &value, err);

    if (rc == FW_OK)
        rc = fw_err_set(err, FW_EINVAL,
                        "the quantiles of prediction %llu are scored already",
                        (unsigned long long)score->id);
    if (rc != FW_NONE)
        goto out;
    record_begin(&w, &record, RECORD_VALUE_SCORE, VALUE_VERSION);
    record_put_ms(&w, score->scored_at);
    record_put_double(&w, score->reached);
    record_put_double(&w, score->loss);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_VALUES, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    if (rc == FW_OK)
        rc = what_is_open(txn, score->id, &open, err);
    if (rc == FW_OK && open == OPEN_BOTH)
        rc = set_open(txn, score->id, OPEN_OUTCOME, err);
    else if (rc == FW_OK)
        rc = close_open(txn, score->id, err);
    if (rc == FW_NONE)
        rc = FW_OK;
out:
    fw_buf_release(&record);
    return rc;
}

fw_rc ledger_value_get(struct fw_txn *txn, uint64_t id, struct value_score *out,
                       struct fw_err *err)
{
    struct record_key key = record_key_u64(id);
    struct value_score s = {.id = id};
    struct record_reader r;
    struct fw_str value;
    fw_rc rc = fw_txn_get(txn, T_VALUES, record_key_str(&key), &value, err);

    if (rc == FW_NONE)
        return rc;
    if (rc == FW_OK)
        rc = record_open(&r, value, RECORD_VALUE_SCORE, VALUE_VERSION, err);
    if (rc == FW_OK) {
        s.scored_at = record_get_ms(&r);
        s.reached = record_get_double(&r);
        s.loss = record_get_double(&r);
        rc = record_close(&r, err);
    }
    if (rc != FW_OK)
        return fw_err_prefix(err, "the quantiles of prediction %llu",
                             (unsigned long long)id);
    *out = s;
    return FW_OK;
}

fw_rc ledger_void(struct fw_txn *txn, uint64_t id, fw_ms now,
                  struct fw_err *err)
{
    struct score score = {
        .id = id, .outcome = OUTCOME_VOID, .scored_at = now, .brier = NAN};
    struct score there;
    fw_rc rc = ledger_score_get(txn, id, &there, err);

    /* A damaged score stays as it is, too. */
    return rc == FW_NONE ? ledger_score(txn, &score, err)
                         : close_open(txn, id, err);
}

fw_rc ledger_score_get(struct fw_txn *txn, uint64_t id, struct score *out,
                       struct fw_err *err)
{
    struct record_key key = record_key_u64(id);
    struct score s = {.id = id};
    struct record_reader r;
    struct fw_str value;
    uint8_t outcome;
    fw_rc rc = fw_txn_get(txn, T_SCORES, record_key_str(&key), &value, err);

    if (rc == FW_NONE)
        return rc;
    if (rc == FW_OK)
        rc = record_open(&r, value, RECORD_SCORE, SCORE_VERSION, err);
    if (rc == FW_OK) {
        outcome = record_get_u8(&r);
        s.scored_at = record_get_ms(&r);
        s.breached_at = record_get_ms(&r);
        s.brier = record_get_double(&r);
        rc = record_close(&r, err);
        if (rc == FW_OK && (outcome == OUTCOME_OPEN || outcome > OUTCOME_VOID))
            rc = fw_err_set(err, FW_ECORRUPT, "an outcome of %u", outcome);
        s.outcome = (enum outcome)outcome;
    }
    if (rc != FW_OK)
        return fw_err_prefix(err, "the score of prediction %llu",
                             (unsigned long long)id);
    *out = s;
    return FW_OK;
}

/* ---- walking
 * ------------------------------------------------------------------- */

struct walk {
    struct fw_txn *txn;
    ledger_each each;
    void *self;
    bool open; /* the table holds ids only */
};

static bool walk_one(void *self, struct fw_str key, struct fw_str value)
{
    struct walk *walk = self;
    struct prediction p;
    uint64_t id;
    fw_rc rc;

    if (!record_key_read(key, &id))
        return true;
    rc = walk->open ? ledger_get(walk->txn, id, &p, NULL)
                    : prediction_read(id, value, &p, NULL);
    if (rc == FW_OK && walk->open && value.n == 1) {
        p.scored = value.p[0] == OPEN_VALUE;
        if (value.p[0] == OPEN_OUTCOME)
            p.extreme[0] = NAN;
    }
    return walk->each(walk->self, id, rc == FW_OK ? &p : NULL);
}

fw_rc ledger_open_each(struct fw_txn *txn, ledger_each each, void *self,
                       struct fw_err *err)
{
    struct walk walk = {txn, each, self, true};
    struct record_key first = record_key_u64(0);

    return fw_txn_scan(txn, T_OPEN, record_key_str(&first), walk_one, &walk,
                       err);
}

fw_rc ledger_each_from(struct fw_txn *txn, uint64_t from, ledger_each each,
                       void *self, struct fw_err *err)
{
    struct walk walk = {txn, each, self, false};
    struct record_key first = record_key_u64(from);

    return fw_txn_scan(txn, T_PREDICTIONS, record_key_str(&first), walk_one,
                       &walk, err);
}

#define PRUNE_STEP 512

struct prune {
    struct fw_txn *txn;
    fw_ms before;
    uint64_t newest; /* stays: ids rise for ever */
    uint64_t ids[PRUNE_STEP];
    size_t n, most;
};

/* Collects only: a table must not change while it is walked. */
static bool prune_pick(void *self, uint64_t id, const struct prediction *p)
{
    struct prune *prune = self;
    struct score score;

    if (p != NULL && p->made_at >= prune->before)
        return false;
    if (id == prune->newest)
        return false;
    if (p == NULL || ledger_score_get(prune->txn, id, &score, NULL) != FW_NONE)
        prune->ids[prune->n++] = id;
    return prune->n < prune->most;
}

fw_rc ledger_prune(struct fw_txn *txn, fw_ms before, size_t most,
                   size_t *removed, struct fw_err *err)
{
    struct prune prune = {.txn = txn, .before = before};
    fw_rc rc = ledger_newest(txn, &prune.newest, err);

    prune.most = most < PRUNE_STEP ? most : PRUNE_STEP;
    if (rc == FW_OK)
        rc = ledger_each_from(txn, 0, prune_pick, &prune, err);
    for (size_t i = 0; rc >= 0 && i < prune.n; i++) {
        struct record_key key = record_key_u64(prune.ids[i]);

        rc = fw_txn_delete(txn, T_PREDICTIONS, record_key_str(&key), err);
        if (rc >= 0)
            rc = fw_txn_delete(txn, T_SCORES, record_key_str(&key), err);
        if (rc >= 0)
            rc = fw_txn_delete(txn, T_VALUES, record_key_str(&key), err);
        if (rc >= 0)
            rc = fw_txn_delete(txn, T_OPEN, record_key_str(&key), err);
    }
    if (rc < 0)
        return rc;
    *removed = prune.n;
    return FW_OK;
}
