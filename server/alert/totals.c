/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * totals.c - the sums behind a watch's record, stored.
 */
#include "server/alert/ledger.h"
#include "server/alert/record_codec.h"

#define T_TOTALS "watch_totals"
#define TOTALS_VERSION 2 /* 1 knew nothing of values */

fw_rc totals_get(struct fw_txn *txn, struct fw_str watch, struct totals *out,
                 struct fw_err *err)
{
    struct totals t = {0};
    struct record_reader r;
    struct fw_str value;
    fw_rc rc = fw_txn_get(txn, T_TOTALS, watch, &value, err);

    if (rc == FW_OK)
        rc = record_open(&r, value, RECORD_TOTALS, TOTALS_VERSION, err);
    if (rc != FW_OK)
        return rc;
    t.definition = record_get_u64(&r);
    t.since = record_get_ms(&r);
    t.predictions = record_get_u64(&r);
    t.brier_sum = record_get_double(&r);
    t.right = record_get_u64(&r);
    t.false_alarms = record_get_u64(&r);
    t.missed = record_get_u64(&r);
    t.voided = record_get_u64(&r);
    t.lead_count = record_get_u64(&r);
    for (uint64_t i = 0; i < TOTALS_LEADS && i < t.lead_count; i++)
        t.leads[i] = record_get_ms(&r);
    for (int i = 0; i < TOTALS_BINS; i++) {
        t.bins[i].count = record_get_u64(&r);
        t.bins[i].breaches = record_get_u64(&r);
        t.bins[i].sum = record_get_double(&r);
    }
    if (record_version(value) >= 2) {
        t.valued = record_get_u64(&r);
        t.inside = record_get_u64(&r);
        t.loss_sum = record_get_double(&r);
        t.naive_sum = record_get_double(&r);
    }
    rc = record_close(&r, err);
    if (rc == FW_OK)
        *out = t;
    return rc;
}

fw_rc totals_put(struct fw_txn *txn, struct fw_str watch,
                 const struct totals *t, struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_TOTALS, TOTALS_VERSION);
    record_put_u64(&w, t->definition);
    record_put_ms(&w, t->since);
    record_put_u64(&w, t->predictions);
    record_put_double(&w, t->brier_sum);
    record_put_u64(&w, t->right);
    record_put_u64(&w, t->false_alarms);
    record_put_u64(&w, t->missed);
    record_put_u64(&w, t->voided);
    record_put_u64(&w, t->lead_count);
    for (uint64_t i = 0; i < TOTALS_LEADS && i < t->lead_count; i++)
        record_put_ms(&w, t->leads[i]);
    for (int i = 0; i < TOTALS_BINS; i++) {
        record_put_u64(&w, t->bins[i].count);
        record_put_u64(&w, t->bins[i].breaches);
        record_put_double(&w, t->bins[i].sum);
    }
    record_put_u64(&w, t->valued);
    record_put_u64(&w, t->inside);
    record_put_double(&w, t->loss_sum);
    record_put_double(&w, t->naive_sum);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_TOTALS, watch,
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}
