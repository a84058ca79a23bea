/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/manager_queue.h"

#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/notify/manager_relabel.h"
#include "storage/base/log.h"

#define T_MANAGER_ALERTS "manager_alerts"
#define MANAGER_ALERT_VERSION 1
#define KEEP_MS FW_DAY /* an older alert is no news any more */

void manager_queue_init(struct manager_queue *q)
{
    *q = (struct manager_queue){.count = 0};
    (void)pthread_mutex_init(&q->lock, NULL);
}

void manager_queue_release(struct manager_queue *q)
{
    for (size_t i = 0; i < q->count; i++)
        free(q->items[i].json);
    free(q->items);
    (void)pthread_mutex_destroy(&q->lock);
}

/* ---- durable ---- */

static fw_rc store_one(struct fw_txn *txn, const struct manager_alert *a,
                       struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_key key = record_key_u64(a->fingerprint);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_MANAGER_ALERT, MANAGER_ALERT_VERSION);
    record_put_ms(&w, a->made_at);
    record_put_str(&w, a->json);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_MANAGER_ALERTS, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

fw_rc manager_queue_store(struct fw_txn *txn,
                          const struct manager_alert *alerts, size_t n,
                          struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < n; i++)
        rc = store_one(txn, &alerts[i], err);
    return rc;
}

struct loading {
    struct manager_queue *q;
    fw_ms now;
    uint64_t bad[256]; /* too old or damaged: removed with the next load */
    size_t bad_count;
};

static bool load_one(void *self, struct fw_str key, struct fw_str value)
{
    struct loading *l = self;
    struct manager_alert a = {0};
    struct record_reader r;
    bool good = record_key_read(key, &a.fingerprint) &&
                record_open(&r, value, RECORD_MANAGER_ALERT,
                            MANAGER_ALERT_VERSION, NULL) == FW_OK;

    if (good) {
        a.made_at = record_get_ms(&r);
        a.json = record_get_str(&r);
        good = record_close(&r, NULL) == FW_OK;
    }
    if (good && l->now - a.made_at < KEEP_MS)
        manager_queue_add(l->q, &a, 1);
    else if (key.n == 8 && l->bad_count < 256)
        l->bad[l->bad_count++] = a.fingerprint;
    return true;
}

static fw_rc remove_one(struct fw_txn *txn, uint64_t fingerprint,
                        struct fw_err *err)
{
    struct record_key key = record_key_u64(fingerprint);
    fw_rc rc = fw_txn_delete(txn, T_MANAGER_ALERTS, record_key_str(&key), err);

    return rc == FW_NONE ? FW_OK : rc;
}

fw_rc manager_queue_load(struct manager_queue *q, struct fw_txn *txn, fw_ms now,
                         struct fw_err *err)
{
    struct loading l = {.q = q, .now = now};
    struct record_key from = record_key_u64(0);
    fw_rc rc = fw_txn_scan(txn, T_MANAGER_ALERTS, record_key_str(&from),
                           load_one, &l, err);

    for (size_t i = 0; rc == FW_OK && i < l.bad_count; i++)
        rc = remove_one(txn, l.bad[i], err);
    return rc;
}

/* ---- in memory ---- */

static struct manager_item *find(struct manager_queue *q, uint64_t fingerprint)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->items[i].fingerprint == fingerprint)
            return &q->items[i];
    return NULL;
}

static void remove_at(struct manager_queue *q, size_t at)
{
    free(q->items[at].json);
    q->count--;
    memmove(&q->items[at], &q->items[at + 1],
            (q->count - at) * sizeof(*q->items));
}

static bool add_one(struct manager_queue *q, const struct manager_alert *a)
{
    struct manager_item *item = find(q, a->fingerprint);
    char *json = malloc(a->json.n + 1);

    if (json == NULL)
        return false;
    memcpy(json, a->json.p, a->json.n);
    if (item == NULL && q->count == FW_MAX_MANAGER_ALERTS) {
        remove_at(q, 0);
        q->dropped++;
    }
    if (item == NULL &&
        fw_grow(&q->items, &q->cap, q->count + 1, sizeof(*q->items),
                FW_MAX_MANAGER_ALERTS) != FW_OK) {
        free(json);
        return false;
    }
    if (item == NULL) {
        item = &q->items[q->count++];
        *item = (struct manager_item){.fingerprint = a->fingerprint};
    }
    free(item->json);
    item->json = json;
    item->n = a->json.n;
    item->made_at = a->made_at;
    item->waiting = UINT64_MAX;
    item->number = ++q->number;
    return true;
}

void manager_queue_add(struct manager_queue *q,
                       const struct manager_alert *alerts, size_t n)
{
    size_t lost = 0;

    (void)pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < n; i++)
        lost += !add_one(q, &alerts[i]);
    q->dropped += lost;
    (void)pthread_mutex_unlock(&q->lock);
    if (lost > 0)
        fw_log(FW_LOG_ERROR,
               "%zu alerts cannot be queued for Alertmanager: out of memory",
               lost);
}

void manager_queue_set_active(struct manager_queue *q, uint64_t mask)
{
    (void)pthread_mutex_lock(&q->lock);
    q->active = mask;
    (void)pthread_mutex_unlock(&q->lock);
}

/* Adds the alert as it is, or as the rules make it; FW_NONE: not at all. */
static fw_rc add_to_body(const struct manager_item *item,
                         struct relabel *relabel, struct fw_buf *body,
                         bool comma)
{
    size_t before = body->len;
    struct fw_err err = {0};
    fw_rc rc = comma ? fw_buf_addc(body, ',') : FW_OK;

    if (rc == FW_OK && relabel == NULL)
        return fw_buf_add(body, item->json, item->n);
    if (rc == FW_OK)
        rc = manager_relabel(relabel, (struct fw_str){item->json, item->n},
                             body, &err);
    if (rc == FW_ECORRUPT) {
        fw_log(FW_LOG_ERROR, "%s; it is not sent", err.text);
        rc = FW_NONE;
    }
    if (rc == FW_NONE)
        body->len = before;
    return rc;
}

fw_rc manager_queue_pick(struct manager_queue *q, unsigned bit, size_t most,
                         struct relabel *relabel, struct fw_buf *body,
                         struct manager_pick *picks, size_t *n, size_t *dropped)
{
    uint64_t mask = UINT64_C(1) << bit;
    fw_rc rc;

    *n = *dropped = 0;
    (void)pthread_mutex_lock(&q->lock);
    rc = fw_buf_addc(body, '[');
    for (size_t i = 0; rc == FW_OK && i < q->count && *n < most; i++) {
        const struct manager_item *item = &q->items[i];

        if ((item->waiting & mask) == 0)
            continue;
        rc = add_to_body(item, relabel, body, *n > *dropped);
        if (rc == FW_NONE) {
            (*dropped)++;
            rc = FW_OK;
        }
        picks[(*n)++] = (struct manager_pick){item->fingerprint, item->number};
    }
    (void)pthread_mutex_unlock(&q->lock);
    return rc == FW_OK ? fw_buf_addc(body, ']') : rc;
}

void manager_queue_settle(struct manager_queue *q, unsigned bit,
                          const struct manager_pick *picks, size_t n,
                          uint64_t *gone, size_t *gone_n)
{
    *gone_n = 0;
    (void)pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < n; i++) {
        struct manager_item *item = find(q, picks[i].fingerprint);

        if (item == NULL || item->number != picks[i].number)
            continue; /* it has changed since, and waits again */
        item->waiting &= ~(UINT64_C(1) << bit);
        if ((item->waiting & q->active) != 0)
            continue;
        gone[(*gone_n)++] = item->fingerprint;
        remove_at(q, (size_t)(item - q->items));
    }
    (void)pthread_mutex_unlock(&q->lock);
}

fw_rc manager_queue_forget(struct manager_queue *q, struct fw_store *store,
                           const uint64_t *gone, size_t n, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc;

    if (n == 0)
        return FW_OK;
    rc = fw_txn_begin(store, true, &txn, err);
    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        bool back;

        (void)pthread_mutex_lock(&q->lock);
        back = find(q, gone[i]) != NULL;
        (void)pthread_mutex_unlock(&q->lock);
        if (!back)
            rc = remove_one(txn, gone[i], err);
    }
    return fw_txn_end(txn, rc, err);
}

size_t manager_queue_length(struct manager_queue *q, uint64_t *dropped)
{
    size_t n;

    (void)pthread_mutex_lock(&q->lock);
    n = q->count;
    *dropped = q->dropped;
    (void)pthread_mutex_unlock(&q->lock);
    return n;
}
