/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/deflate.h"

#include <zlib.h>

fw_rc deflate_pack(const void *bytes, size_t n, int level, struct fw_buf *out)
{
    uLongf room = compressBound((uLong)n);
    fw_rc rc = fw_buf_reserve(out, room);

    if (rc != FW_OK)
        return rc;
    if (compress2((Bytef *)out->data + out->len, &room, bytes, (uLong)n,
                  level) != Z_OK)
        return FW_ENOMEM; /* the only failure with room enough */
    out->len += room;
    return FW_OK;
}

fw_rc deflate_unpack(const void *bytes, size_t n, void *out, size_t out_n)
{
    uLongf length = (uLongf)out_n;
    uLong used = (uLong)n;
    int code = uncompress2(out, &length, bytes, &used);

    if (code == Z_MEM_ERROR)
        return FW_ENOMEM;
    return code == Z_OK && length == out_n && used == n ? FW_OK : FW_ECORRUPT;
}
