/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/page_budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/alert/watch_news.h"
#include "server/audit/audit.h"

#define T_BUDGET "page_budget"
#define BUDGET_VERSION 1
#define DIGEST_BYTES 65536 /* of held lines; more are counted, not quoted */

void budgets_release(struct budgets *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free(b->v[i].owner);
        fw_buf_release(&b->v[i].held);
    }
    free(b->v);
    b->v = NULL;
    b->n = b->cap = 0;
}

static struct budget *find(struct budgets *b, struct fw_str owner)
{
    struct budget *one;

    for (size_t i = 0; i < b->n; i++)
        if (fw_str_eq(fw_str_of(b->v[i].owner), owner))
            return &b->v[i];
    if (fw_grow(&b->v, &b->cap, b->n + 1, sizeof(*b->v), FW_MAX_WATCHES) !=
        FW_OK)
        return NULL;
    one = &b->v[b->n];
    *one = (struct budget){.owner = strndup(owner.p, owner.n),
                           .held = FW_BUF_INIT(DIGEST_BYTES)};
    if (one->owner == NULL)
        return NULL;
    b->n++;
    return one;
}

/* Pages older than a day, or from a clock that was set back, do not count. */
static void forget_old(struct budget *one, fw_ms now)
{
    size_t kept = 0;

    for (size_t i = 0; i < one->page_count; i++)
        if (now - one->pages[i] < FW_DAY && one->pages[i] <= now)
            one->pages[kept++] = one->pages[i];
    one->page_count = kept;
}

bool budget_takes(struct budgets *b, const char *owner, fw_ms now)
{
    struct budget *one;

    if (b->per_day == 0)
        return true;
    one = find(b, fw_str_of(owner));
    if (one == NULL)
        return true;
    forget_old(one, now);
    if (one->page_count >= b->per_day || one->page_count >= FW_MAX_PAGE_BUDGET)
        return false;
    one->pages[one->page_count++] = now;
    one->changed = true;
    return true;
}

fw_rc budget_hold(struct budgets *b, const char *owner, const char *sentence,
                  fw_ms now)
{
    struct budget *one = find(b, fw_str_of(owner));
    char when[FW_TIME_TEXT_BYTES];

    if (one == NULL)
        return FW_ENOMEM;
    if (one->held_count == 0) {
        one->held_since = now;
        one->to_audit = true;
    }
    one->held_count++;
    one->changed = true;
    (void)fw_format_second(when, now);
    return fw_buf_printf(&one->held, "%s %s\n", when, sentence);
}

struct budget *budget_due(struct budgets *b, fw_ms now)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].held_count > 0 &&
            (now - b->v[i].held_since >= b->digest || now < b->v[i].held_since))
            return &b->v[i];
    return NULL;
}

fw_rc budget_tell(struct fw_txn *txn, const struct budgets *b,
                  const struct budget *one, fw_ms now, struct fw_buf *out,
                  struct fw_err *err)
{
    char summary[256];
    const struct notice_pair labels[] = {
        {"alertname", "PredictionDigest"}, {"owner", one->owner}, {NULL, NULL}};
    const struct notice_pair annotations[] = {
        {"summary", summary},
        {"predictions", one->held.len > 0 ? one->held.data : ""},
        {NULL, NULL}};

    (void)snprintf(summary, sizeof(summary),
                   "%" PRIu64 " prediction%s held back: more than %u predicted "
                   "pages in a day",
                   one->held_count, one->held_count == 1 ? " was" : "s were",
                   b->per_day);
    return notice_tell(txn, labels, annotations, now, out, err);
}

void budget_empty(struct budget *one)
{
    fw_buf_clear(&one->held);
    one->held_count = 0;
    one->changed = true;
}

/* ---- in meta/
 * ------------------------------------------------------------------ */

static fw_rc store_one(struct fw_txn *txn, const struct budget *one,
                       struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_BUDGET, BUDGET_VERSION);
    record_put_u32(&w, (uint32_t)one->page_count);
    for (size_t i = 0; i < one->page_count; i++)
        record_put_ms(&w, one->pages[i]);
    record_put_u64(&w, one->held_count);
    record_put_ms(&w, one->held_since);
    record_put_str(&w, (struct fw_str){one->held.data, one->held.len});
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_BUDGET, fw_str_of(one->owner),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

static fw_rc audit_one(struct fw_txn *txn, const struct budgets *b,
                       const struct budget *one, fw_ms now, struct fw_err *err)
{
    char reason[160];
    struct audit_entry entry = {
        .at = now,
        .actor = FW_STR("forewarn"),
        .owner = fw_str_of(one->owner),
        .act = FW_STR("page-budget"),
        .what = fw_str_of(one->owner),
        .after = FW_STR("further predictions wait for a digest"),
    };

    (void)snprintf(reason, sizeof(reason),
                   "%zu predicted pages in the last day; the budget is %u",
                   one->page_count, b->per_day);
    entry.reason = fw_str_of(reason);
    return audit_add(txn, &entry, err);
}

fw_rc budgets_store(struct fw_txn *txn, const struct budgets *b, fw_ms now,
                    struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < b->n; i++) {
        if (b->v[i].changed)
            rc = store_one(txn, &b->v[i], err);
        if (rc == FW_OK && b->v[i].to_audit)
            rc = audit_one(txn, b, &b->v[i], now, err);
    }
    return rc;
}

void budgets_settle(struct budgets *b)
{
    for (size_t i = 0; i < b->n; i++)
        b->v[i].changed = b->v[i].to_audit = false;
}

static fw_rc load_one(struct budgets *b, struct fw_str owner,
                      struct fw_str bytes)
{
    struct record_reader r;
    struct budget *one;
    struct fw_str held;
    uint32_t n;
    fw_rc rc = record_open(&r, bytes, RECORD_BUDGET, BUDGET_VERSION, NULL);

    if (rc != FW_OK)
        return rc;
    one = find(b, owner);
    if (one == NULL)
        return FW_ENOMEM;
    n = record_get_u32(&r);
    if (n > FW_MAX_PAGE_BUDGET)
        return FW_ECORRUPT;
    for (uint32_t i = 0; i < n; i++)
        one->pages[i] = record_get_ms(&r);
    one->held_count = record_get_u64(&r);
    one->held_since = record_get_ms(&r);
    held = record_get_str(&r);
    rc = record_close(&r, NULL);
    if (rc == FW_OK && held.n > 0)
        rc = fw_buf_add(&one->held, held.p, held.n);
    if (rc != FW_OK)
        one->held_count = 0;
    one->page_count = rc == FW_OK ? n : 0;
    return rc;
}

struct loading {
    struct budgets *b;
    fw_rc rc;
};

/* A damaged budget begins anew: nothing but a day's count is lost. */
static bool load_each(void *self, struct fw_str key, struct fw_str value)
{
    struct loading *l = self;
    fw_rc rc = load_one(l->b, key, value);

    if (rc == FW_ENOMEM)
        l->rc = rc;
    return l->rc == FW_OK;
}

fw_rc budgets_load(struct fw_txn *txn, struct budgets *b, struct fw_err *err)
{
    struct loading l = {b, FW_OK};
    fw_rc rc = fw_txn_scan(txn, T_BUDGET, FW_STR("\0"), load_each, &l, err);

    if (rc == FW_OK && l.rc != FW_OK)
        rc = fw_err_set(err, l.rc, "out of memory");
    return rc;
}
