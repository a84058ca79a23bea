/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/gunzip.h"

#include <zlib.h>

#define PIECE ((size_t)1 << 20)
#define GZIP_ONLY (16 + MAX_WBITS) /* zlib's word for it */

bool gunzip_is(struct fw_str bytes)
{
    return bytes.n >= 2 && bytes.p[0] == '\x1f' && bytes.p[1] == '\x8b';
}

static fw_rc add_piece(z_stream *z, struct fw_buf *out, int *code)
{
    fw_rc rc = fw_buf_reserve(out, PIECE);

    if (rc != FW_OK)
        return rc;
    z->next_out = (Bytef *)out->data + out->len;
    z->avail_out = (uInt)PIECE;
    *code = inflate(z, Z_NO_FLUSH);
    out->len += PIECE - z->avail_out;
    return *code == Z_MEM_ERROR ? FW_ENOMEM : FW_OK;
}

fw_rc gunzip_all(struct fw_str bytes, struct fw_buf *out, struct fw_err *err)
{
    z_stream z = {0};
    size_t given = 0;
    int code = Z_OK;
    fw_rc rc = FW_OK;

    if (inflateInit2(&z, GZIP_ONLY) != Z_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    while (rc == FW_OK) {
        if (z.avail_in == 0 && given < bytes.n) {
            size_t n = bytes.n - given < PIECE ? bytes.n - given : PIECE;

            z.next_in = (Bytef *)(uintptr_t)(bytes.p + given);
            z.avail_in = (uInt)n;
            given += n;
        }
        rc = add_piece(&z, out, &code);
        if (rc != FW_OK || (code != Z_OK && code != Z_STREAM_END &&
                            !(code == Z_BUF_ERROR && given < bytes.n)))
            break;
        if (code == Z_STREAM_END) {
            if (z.avail_in == 0 && given == bytes.n)
                break;
            (void)inflateReset(&z); /* another member follows */
        }
    }
    (void)inflateEnd(&z);
    if (rc == FW_ETOOBIG)
        return fw_err_set(err, rc, "more than %zu bytes when unpacked",
                          out->max);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    if (code != Z_STREAM_END)
        return fw_err_set(err, FW_EINVAL,
                          "it begins like a gzip file and does not go on like "
                          "one");
    return FW_OK;
}
