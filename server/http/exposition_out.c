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

static bool fits(char c, bool first, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (colon && c == ':') || (!first && c >= '0' && c <= '9');
}

static bool plain_name(struct fw_str name, bool colon)
{
    for (size_t i = 0; i < name.n; i++)
        if (!fits(name.p[i], i == 0, colon))
            return false;
    return name.n > 0;
}

/* One underscore for each character that does not fit. */
static fw_rc put_escaped_name(struct fw_buf *out, struct fw_str name,
                              bool colon)
{
    fw_rc rc = FW_OK;
    size_t i = 0;

    while (i < name.n && rc == FW_OK) {
        uint32_t cp;
        size_t n = fw_utf8_next(name.p + i, name.n - i, &cp);

        rc = fw_buf_addc(out, fits(name.p[i], i == 0, colon) ? name.p[i] : '_');
        i += n;
    }
    return rc;
}

static fw_rc put_quoted(struct fw_buf *out, struct fw_str text)
{
    fw_rc rc = fw_buf_addc(out, '"');

    if (rc == FW_OK)
        rc = put_escaped(out, text);
    return rc == FW_OK ? fw_buf_addc(out, '"') : rc;
}

static fw_rc put_name(struct fw_buf *out, struct fw_str name, bool colon,
                      enum exposition_names names)
{
    if (plain_name(name, colon))
        return fw_buf_add(out, name.p, name.n);
    if (names == EXPOSITION_UNDERSCORES)
        return put_escaped_name(out, name, colon);
    return put_quoted(out, name);
}

fw_rc exposition_put_name(struct fw_buf *out, struct fw_str name,
                          enum exposition_names names)
{
    return put_name(out, name, true, names);
}

static fw_rc put_pair(struct fw_buf *out, const struct fw_label *label,
                      enum exposition_names names, bool *comma)
{
    fw_rc rc = fw_buf_adds(out, *comma ? "," : "");

    *comma = true;
    if (rc == FW_OK)
        rc = put_name(out, label->name, false, names);
    if (rc == FW_OK)
        rc = fw_buf_addc(out, '=');
    return rc == FW_OK ? put_quoted(out, label->value) : rc;
}

fw_rc exposition_put_series(struct fw_buf *out, const struct fw_labels *labels,
                            const struct fw_label *extra,
                            enum exposition_names names)
{
    struct fw_str name = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));
    bool front = plain_name(name, true) || names == EXPOSITION_UNDERSCORES;
    bool braces = !front || labels->n > 1 || extra != NULL;
    bool comma = !front && name.n > 0;
    fw_rc rc = front ? put_name(out, name, true, names) : FW_OK;

    if (rc == FW_OK && braces)
        rc = fw_buf_addc(out, '{');
    if (rc == FW_OK && comma)
        rc = put_quoted(out, name);
    for (size_t i = 0; i < labels->n && rc == FW_OK; i++)
        if (!fw_str_eq(labels->v[i].name, FW_STR(FW_METRIC_NAME)))
            rc = put_pair(out, &labels->v[i], names, &comma);
    if (rc == FW_OK && extra != NULL &&
        fw_labels_get(labels, extra->name).n == 0)
        rc = put_pair(out, extra, names, &comma);
    return rc == FW_OK && braces ? fw_buf_addc(out, '}') : rc;
}
