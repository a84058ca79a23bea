/* SPDX-License-Identifier: GPL-3.0-or-later */
/* standing_table.c - standings in the tables of meta/, and their changes. */
#include "server/alert/standing.h"

#include <stdio.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/alert/watch_news.h"
#include "server/audit/audit.h"

#define T_STANDING "watch_standing"
#define T_OVERRIDE "watch_override"
#define STANDING_VERSION 1
#define OVERRIDE_VERSION 1

static fw_rc put_record(struct fw_txn *txn, const char *table,
                        struct fw_str watch, struct record_writer *w,
                        struct fw_err *err)
{
    fw_rc rc = record_end(w, err);

    if (rc == FW_OK)
        rc = fw_txn_put(txn, table, watch,
                        (struct fw_str){w->out->data, w->out->len}, err);
    return rc;
}

fw_rc standing_put(struct fw_txn *txn, struct fw_str watch,
                   const struct standing *s, struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_STANDING, STANDING_VERSION);
    record_put_u64(&w, s->definition);
    record_put_u8(&w, (uint8_t)s->state);
    record_put_ms(&w, s->since);
    record_put_u64(&w, s->events);
    record_put_u32(&w, s->outcomes);
    record_put_ms(&w, s->tested_at);
    record_put_ms(&w, s->tested_from);
    record_put_u64(&w, s->tested_right);
    record_put_u64(&w, s->tested_false);
    record_put_u64(&w, s->tested_missed);
    rc = put_record(txn, T_STANDING, watch, &w, err);
    fw_buf_release(&record);
    return rc;
}

fw_rc standing_get(struct fw_txn *txn, struct fw_str watch,
                   struct standing *out, struct fw_err *err)
{
    struct standing s = {0};
    struct record_reader r;
    struct fw_str bytes;
    uint8_t state;
    fw_rc rc = fw_txn_get(txn, T_STANDING, watch, &bytes, err);

    if (rc == FW_OK)
        rc = record_open(&r, bytes, RECORD_STANDING, STANDING_VERSION, err);
    if (rc != FW_OK)
        return rc;
    s.definition = record_get_u64(&r);
    state = record_get_u8(&r);
    s.since = record_get_ms(&r);
    s.events = record_get_u64(&r);
    s.outcomes = record_get_u32(&r) & ((1u << STANDING_EVENTS) - 1);
    s.tested_at = record_get_ms(&r);
    s.tested_from = record_get_ms(&r);
    s.tested_right = record_get_u64(&r);
    s.tested_false = record_get_u64(&r);
    s.tested_missed = record_get_u64(&r);
    rc = record_close(&r, err);
    if (rc == FW_OK && state > STANDING_SHADOW)
        rc = fw_err_set(err, FW_ECORRUPT, "a watch of state %u", state);
    s.state = (enum standing_state)state;
    if (rc == FW_OK)
        *out = s;
    return rc;
}

fw_rc standing_override_put(struct fw_txn *txn, struct fw_str watch,
                            const struct standing_override *o,
                            struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    fw_rc rc;

    if (o->until == 0) {
        rc = fw_txn_delete(txn, T_OVERRIDE, watch, err);
        return rc == FW_NONE ? FW_OK : rc;
    }
    record_begin(&w, &record, RECORD_OVERRIDE, OVERRIDE_VERSION);
    record_put_u8(&w, (uint8_t)o->state);
    record_put_ms(&w, o->at);
    record_put_ms(&w, o->until);
    record_put_str(&w, fw_str_of(o->actor));
    record_put_str(&w, fw_str_of(o->reason));
    rc = put_record(txn, T_OVERRIDE, watch, &w, err);
    fw_buf_release(&record);
    return rc;
}

static void keep_text(char *to, size_t cap, struct fw_str text)
{
    size_t n = text.n < cap ? text.n : cap - 1;

    if (n > 0)
        memcpy(to, text.p, n);
    to[n] = '\0';
}

fw_rc standing_override_get(struct fw_txn *txn, struct fw_str watch,
                            struct standing_override *out, struct fw_err *err)
{
    struct standing_override o = {0};
    struct record_reader r;
    struct fw_str bytes;
    uint8_t state;
    fw_rc rc = fw_txn_get(txn, T_OVERRIDE, watch, &bytes, err);

    if (rc == FW_OK)
        rc = record_open(&r, bytes, RECORD_OVERRIDE, OVERRIDE_VERSION, err);
    if (rc != FW_OK)
        return rc;
    state = record_get_u8(&r);
    o.at = record_get_ms(&r);
    o.until = record_get_ms(&r);
    keep_text(o.actor, sizeof(o.actor), record_get_str(&r));
    keep_text(o.reason, sizeof(o.reason), record_get_str(&r));
    rc = record_close(&r, err);
    if (rc == FW_OK && state > STANDING_SHADOW)
        rc = fw_err_set(err, FW_ECORRUPT, "an override of state %u", state);
    o.state = (enum standing_state)state;
    if (rc == FW_OK)
        *out = o;
    return rc;
}

/* ---- changes
 * ------------------------------------------------------------------------- */

static fw_rc audit_change(struct fw_txn *txn, const struct config_watch *watch,
                          enum standing_state before, enum standing_state after,
                          const char *why, fw_ms now, struct fw_err *err)
{
    struct audit_entry entry = {
        .at = now,
        .actor = FW_STR("forewarn"),
        .owner = fw_str_of(watch->owner),
        .act = FW_STR("watch-state"),
        .what = fw_str_of(watch->name),
        .reason = fw_str_of(why),
        .before = fw_str_of(standing_name(before)),
        .after = fw_str_of(standing_name(after)),
    };

    return audit_add(txn, &entry, err);
}

fw_rc standing_settle(struct fw_txn *txn, const struct config_watch *watch,
                      struct standing *s, fw_ms now, bool *changed,
                      char why[STANDING_WHY_BYTES], struct fw_err *err)
{
    struct standing_override override;
    enum standing_state earned;
    fw_rc rc =
        standing_override_get(txn, fw_str_of(watch->name), &override, err);

    *changed = false;
    if (rc < 0 && rc != FW_ECORRUPT)
        return rc;
    earned =
        standing_earned(s, rc == FW_OK ? &override : NULL, watch, now, why);
    if (earned == s->state)
        return FW_OK;
    rc = audit_change(txn, watch, s->state, earned, why, now, err);
    if (rc != FW_OK)
        return rc;
    s->state = earned;
    s->since = now;
    *changed = true;
    return FW_OK;
}

fw_rc standing_tell(struct fw_txn *txn, const struct config_watch *watch,
                    enum standing_state before, const struct standing *s,
                    const char *why, struct fw_buf *out, struct fw_err *err)
{
    char summary[STANDING_WHY_BYTES + 256];
    const struct notice_pair labels[] = {{"alertname", "WatchStanding"},
                                         {"watch", watch->name},
                                         {"owner", watch->owner},
                                         {NULL, NULL}};
    const struct notice_pair annotations[] = {
        {"summary", summary},
        {"state", standing_name(s->state)},
        {"was", standing_name(before)},
        {"why", why},
        {NULL, NULL}};

    (void)snprintf(summary, sizeof(summary), "%s is now %s (was %s): %s",
                   watch->name, standing_name(s->state), standing_name(before),
                   why);
    return notice_tell(txn, labels, annotations, s->since, out, err);
}
