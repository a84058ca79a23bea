/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/exposition_out.h"

/* A label's value between quotes, escaped as the text format wants it. */
static fw_rc put_escaped(struct fw_buf *out, struct fw_str text)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < text.n && rc == FW_OK; i++) {
        char c = text.p[i];

        if (c == '\\' || c == '"')
            rc = fw_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            rc = fw_buf_adds(out, "\\n");
        else
            rc = fw_buf_addc(out, c);
    }
    return rc;
}

static bool plain_name(struct fw_str name, bool colon)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '_' || (colon && c == ':');

        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.n > 0;
}

static fw_rc put_quoted(struct fw_buf *out, struct fw_str text)
{
    fw_rc rc = fw_buf_addc(out, '"');

    if (rc == FW_OK)
        rc = put_escaped(out, text);
    return rc == FW_OK ? fw_buf_addc(out, '"') : rc;
}

static fw_rc put_pair(struct fw_buf *out, const struct fw_label *label,
                      bool *comma)
{
    fw_rc rc = fw_buf_adds(out, *comma ? "," : "");

    *comma = true;
    if (rc == FW_OK)
        rc = plain_name(label->name, false)
                 ? fw_buf_add(out, label->name.p, label->name.n)
                 : put_quoted(out, label->name);
    if (rc == FW_OK)
        rc = fw_buf_addc(out, '=');
    return rc == FW_OK ? put_quoted(out, label->value) : rc;
}

fw_rc exposition_put_name(struct fw_buf *out, struct fw_str name)
{
    return plain_name(name, true) ? fw_buf_add(out, name.p, name.n)
                                  : put_quoted(out, name);
}

fw_rc exposition_put_series(struct fw_buf *out, const struct fw_labels *labels,
                            const struct fw_label *extra)
{
    struct fw_str name = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));
    bool plain = plain_name(name, true);
    bool braces = !plain || labels->n > 1 || extra != NULL;
    bool comma = !plain && name.n > 0;
    fw_rc rc = plain ? fw_buf_add(out, name.p, name.n) : FW_OK;

    if (rc == FW_OK && braces)
        rc = fw_buf_addc(out, '{');
    if (rc == FW_OK && comma)
        rc = put_quoted(out, name);
    for (size_t i = 0; i < labels->n && rc == FW_OK; i++)
        if (!fw_str_eq(labels->v[i].name, FW_STR(FW_METRIC_NAME)))
            rc = put_pair(out, &labels->v[i], &comma);
    if (rc == FW_OK && extra != NULL &&
        fw_labels_get(labels, extra->name).n == 0)
        rc = put_pair(out, extra, &comma);
    return rc == FW_OK && braces ? fw_buf_addc(out, '}') : rc;
}
