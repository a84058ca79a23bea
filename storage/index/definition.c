/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/definition.h"

#include "storage/base/bytes.h"

static fw_rc put_text(struct fw_buf *out, struct fw_str text)
{
    char length[FW_VARINT_MAX_BYTES];
    fw_rc rc = fw_buf_add(out, length, fw_varint_put(length, text.n));

    return rc == FW_OK ? fw_buf_add(out, text.p, text.n) : rc;
}

fw_rc definition_put(struct fw_buf *out, const struct fw_labels *labels)
{
    char count[FW_VARINT_MAX_BYTES];
    fw_rc rc = fw_buf_add(out, count, fw_varint_put(count, labels->n));

    for (size_t i = 0; i < labels->n && rc == FW_OK; i++) {
        rc = put_text(out, labels->v[i].name);
        if (rc == FW_OK)
            rc = put_text(out, labels->v[i].value);
    }
    return rc;
}

static bool get_text(const char *p, size_t n, size_t *at, struct fw_str *out)
{
    uint64_t length = 0;
    size_t took = fw_varint_get(p + *at, n - *at, &length);

    if (took == 0 || length > n - *at - took)
        return false;
    *out = (struct fw_str){p + *at + took, (size_t)length};
    *at += took + (size_t)length;
    return true;
}

bool definition_canonical(const struct fw_labels *labels)
{
    size_t bytes = 0;

    if (labels->n > FW_MAX_LABELS)
        return false;
    for (size_t i = 0; i < labels->n; i++) {
        const struct fw_label *label = &labels->v[i];

        bytes += label->name.n + label->value.n;
        if (label->name.n == 0 || label->name.n > FW_MAX_LABEL_NAME_BYTES ||
            label->value.n == 0 || label->value.n > FW_MAX_LABEL_VALUE_BYTES)
            return false;
        if (i > 0 && fw_str_cmp(labels->v[i - 1].name, label->name) >= 0)
            return false;
    }
    return bytes <= FW_MAX_SERIES_BYTES;
}

fw_rc definition_get(const void *bytes, size_t n,
                     struct fw_label room[FW_MAX_LABELS],
                     struct fw_labels *labels, size_t *used)
{
    const char *p = bytes;
    uint64_t count = 0;
    size_t at = fw_varint_get(p, n, &count);
    struct fw_labels found = {room, (size_t)count};

    if (at == 0 || count > FW_MAX_LABELS)
        return FW_ECORRUPT;
    for (size_t i = 0; i < count; i++)
        if (!get_text(p, n, &at, &room[i].name) ||
            !get_text(p, n, &at, &room[i].value))
            return FW_ECORRUPT;
    if (!definition_canonical(&found))
        return FW_ECORRUPT;
    *labels = found;
    *used = at;
    return FW_OK;
}
