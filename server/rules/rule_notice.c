/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/rules/rule_notice.h"

#include <ctype.h>
#include <string.h>

#include "server/notify/relabel.h"
#include "server/rules/rule_emit.h"
#include "storage/base/json.h"
#include "storage/base/limits.h"

fw_rc rule_notice_link(struct fw_buf *out, const char *url, const char *expr)
{
    size_t n = strlen(url);
    fw_rc rc;

    while (n > 0 && url[n - 1] == '/')
        n--;
    rc = fw_buf_add(out, url, n);
    if (rc == FW_OK)
        rc = fw_buf_adds(out, "/graph?g0.expr=");
    for (; rc == FW_OK && *expr != '\0'; expr++) {
        unsigned char c = (unsigned char)*expr;

        if ((c < 0x80 && isalnum(c)) || strchr("-_.~", c) != NULL)
            rc = fw_buf_addc(out, (char)c);
        else if (c == ' ')
            rc = fw_buf_addc(out, '+');
        else
            rc = fw_buf_printf(out, "%%%02X", c);
    }
    return rc == FW_OK ? fw_buf_adds(out, "&g0.tab=1") : rc;
}

static fw_rc put_alert(struct fw_json *j, const struct rule_alert *a,
                       const struct fw_labels *labels, const char *expr,
                       const char *url)
{
    struct fw_buf link = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    fw_rc rc = rule_notice_link(&link, url, expr);

    fw_json_object(j);
    fw_json_key(j, "annotations");
    fw_labels_json(j, &a->annotations);
    fw_json_field_time(j, "endsAt",
                       a->resolved_at != 0 ? a->resolved_at : a->valid_until);
    fw_json_field_time(j, "startsAt", a->fired_at);
    fw_json_field_text(j, "generatorURL", rc == FW_OK ? link.data : "");
    fw_json_key(j, "labels");
    fw_labels_json(j, labels);
    fw_json_object_end(j);
    fw_buf_release(&link);
    return fw_json_rc(j);
}

fw_rc rule_notice_make(const struct rule_alert *a, const char *expr,
                       const struct rule_world *w, fw_ms now,
                       struct fw_arena *arena, struct manager_alert *out,
                       struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT((size_t)1 << 20);
    struct label_set set;
    struct fw_labels labels;
    struct fw_json json;
    char *copy = NULL;
    fw_rc rc = FW_OK;

    label_set_from(&set, &a->labels);
    for (size_t i = 0; rc == FW_OK && i < w->external_labels.n; i++) {
        const struct fw_label *l = &w->external_labels.v[i];
        struct fw_labels own = label_set_labels(&set);

        if (fw_labels_get(&own, l->name).n == 0)
            rc = label_set_put(&set, l->name, l->value);
    }
    if (rc == FW_OK)
        rc = relabel_apply(w->relabel, &set, arena, err);
    if (rc == FW_NONE)
        return rc;
    labels = label_set_labels(&set);
    fw_json_init(&json, &text);
    if (rc == FW_OK)
        rc = put_alert(&json, a, &labels, expr, w->external_url);
    if (rc == FW_OK)
        copy = fw_arena_strndup(arena, text.data, text.len);
    if (copy != NULL)
        *out = (struct manager_alert){
            rule_labels_hash(&labels), now, {copy, text.len}};
    else
        rc = fw_err_set(err, rc != FW_OK ? rc : FW_ENOMEM,
                        "an alert cannot be written: too large, or no memory");
    fw_buf_release(&text);
    return rc;
}
