/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/wire.h"

static bool take_varint(struct fw_str *in, uint64_t *out)
{
    size_t n = fw_varint_get(in->p, in->n, out);

    in->p += n;
    in->n -= n;
    return n > 0;
}

static bool take_fixed(struct fw_str *in, size_t n, uint64_t *out)
{
    if (in->n < n)
        return false;
    *out = n == 8 ? fw_get_le64(in->p) : fw_get_le32(in->p);
    in->p += n;
    in->n -= n;
    return true;
}

static bool take_bytes(struct fw_str *in, struct fw_str *out)
{
    uint64_t n;

    if (!take_varint(in, &n) || n > in->n)
        return false;
    *out = (struct fw_str){in->p, (size_t)n};
    in->p += n;
    in->n -= (size_t)n;
    return true;
}

static bool take_tag(struct fw_str *in, struct wire_field *out)
{
    uint64_t tag;

    if (!take_varint(in, &tag) || tag >> 3 == 0 || tag >> 32 != 0 ||
        (tag & 7) > WIRE_FIXED32)
        return false;
    out->number = (uint32_t)(tag >> 3);
    out->type = (enum wire_type)(tag & 7);
    return true;
}

/* A value that is no group. */
static bool take_value(struct fw_str *in, struct wire_field *out)
{
    switch (out->type) {
    case WIRE_VARINT:
        return take_varint(in, &out->value);
    case WIRE_FIXED64:
        return take_fixed(in, 8, &out->value);
    case WIRE_FIXED32:
        return take_fixed(in, 4, &out->value);
    case WIRE_BYTES:
        return take_bytes(in, &out->bytes);
    default:
        return false;
    }
}

/* Skips to behind the end of the group that has just been opened. */
static bool skip_group(struct fw_str *in, uint32_t number)
{
    uint32_t open[WIRE_MAX_DEPTH] = {number};
    size_t depth = 1;

    while (depth > 0) {
        struct wire_field field;

        if (in->n == 0 || !take_tag(in, &field))
            return false;
        if (field.type == WIRE_GROUP) {
            if (depth == WIRE_MAX_DEPTH)
                return false;
            open[depth++] = field.number;
        } else if (field.type == WIRE_GROUP_END) {
            if (open[--depth] != field.number)
                return false;
        } else if (!take_value(in, &field)) {
            return false;
        }
    }
    return true;
}

fw_rc wire_next(struct fw_str *in, struct wire_field *out)
{
    if (in->n == 0)
        return FW_END;
    if (!take_tag(in, out))
        return FW_EINVAL;
    if (out->type == WIRE_GROUP)
        return skip_group(in, out->number) ? FW_OK : FW_EINVAL;
    return take_value(in, out) ? FW_OK : FW_EINVAL;
}
