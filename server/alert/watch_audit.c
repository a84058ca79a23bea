/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/watch_audit.h"

#include <string.h>

#include "server/audit/audit.h"
#include "storage/base/json.h"
#include "storage/base/limits.h"

/* All that can be changed about a watch; empty for one that is not there. */
static fw_rc describe(struct fw_buf *out, const struct config_watch *w)
{
    struct fw_json j;

    fw_buf_clear(out);
    if (w == NULL)
        return FW_OK;
    fw_json_init(&j, out);
    fw_json_object(&j);
    fw_json_field_text(&j, "expr", w->expr);
    fw_json_field_text(&j, "breach", w->breach_text);
    fw_json_field_duration(&j, "for", w->breach.for_ms);
    fw_json_field_duration(&j, "horizon", w->horizon);
    fw_json_field_duration(&j, "history", w->history);
    fw_json_field_duration(&j, "interval", w->interval);
    fw_json_field_duration(&j, "lead", w->lead);
    fw_json_field_double(&j, "probability", w->probability);
    fw_json_field_double(&j, "recover", w->recover);
    fw_json_field_text(&j, "owner", w->owner);
    fw_json_field_text(&j, "reason", w->reason);
    fw_json_field_text(&j, "runbook", w->runbook != NULL ? w->runbook : "");
    fw_json_key(&j, "labels");
    fw_json_object(&j);
    for (size_t i = 0; i < w->label_count; i++)
        fw_json_field_text(&j, w->labels[i].name, w->labels[i].value);
    fw_json_object_end(&j);
    fw_json_object_end(&j);
    return fw_json_rc(&j);
}

static const struct config_watch *find(const struct config_watch *v, size_t n,
                                       const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].name, name) == 0)
            return &v[i];
    return NULL;
}

static struct fw_str text_of(const struct fw_buf *buf)
{
    return (struct fw_str){buf->data, buf->len};
}

/* One of the two may be NULL. */
static fw_rc audit_one(struct fw_txn *txn, const struct config_watch *old,
                       const struct config_watch *now, fw_ms at,
                       struct fw_err *err)
{
    const struct config_watch *either = now != NULL ? now : old;
    struct fw_buf before = FW_BUF_INIT(FW_MAX_AUDIT_TEXT);
    struct fw_buf after = FW_BUF_INIT(FW_MAX_AUDIT_TEXT);
    struct fw_buf reason = FW_BUF_INIT(FW_MAX_AUDIT_TEXT);
    fw_rc rc = describe(&before, old);

    if (rc == FW_OK)
        rc = describe(&after, now);
    if (rc == FW_OK && now != NULL && now->file != NULL)
        rc = fw_buf_printf(&reason, "%s:%d names it", now->file, now->line);
    else if (rc == FW_OK)
        rc = fw_buf_adds(&reason, now != NULL
                                      ? "the configuration names it"
                                      : "the configuration names it no more");
    if (rc != FW_OK) {
        rc = fw_err_set(err, rc, "the audit entry of watch '%s': %s",
                        either->name, fw_rc_name(rc));
    } else if (!fw_str_eq(text_of(&before), text_of(&after))) {
        struct audit_entry entry = {
            .at = at,
            .actor = FW_STR("forewarn"),
            .owner = fw_str_of(either->owner),
            .act = fw_str_of(old == NULL   ? "watch-added"
                             : now == NULL ? "watch-removed"
                                           : "watch-changed"),
            .what = fw_str_of(either->name),
            .reason = text_of(&reason),
            .before = text_of(&before),
            .after = text_of(&after),
        };

        rc = audit_add(txn, &entry, err);
    }
    fw_buf_release(&before);
    fw_buf_release(&after);
    fw_buf_release(&reason);
    return rc;
}

fw_rc watch_audit(struct fw_txn *txn, const struct config_watch *old,
                  size_t old_count, const struct config_watch *now,
                  size_t now_count, fw_ms at, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < old_count; i++)
        if (find(now, now_count, old[i].name) == NULL)
            rc = audit_one(txn, &old[i], NULL, at, err);
    for (size_t i = 0; rc == FW_OK && i < now_count; i++)
        rc =
            audit_one(txn, find(old, old_count, now[i].name), &now[i], at, err);
    return rc;
}
