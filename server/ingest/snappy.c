/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/snappy.h"

#include <stdint.h>

#include <snappy-c.h>

/* No element of a block makes more than 64 bytes of less than 2. */
#define MAX_EXPANSION 64

size_t snappy_block_length(struct fw_str block)
{
    size_t length;

    if (block.n == 0 ||
        snappy_uncompressed_length(block.p, block.n, &length) != SNAPPY_OK)
        return SIZE_MAX;
    return length;
}

fw_rc snappy_block_add(struct fw_str block, struct fw_buf *out,
                       struct fw_err *err)
{
    size_t length = snappy_block_length(block);
    fw_rc rc;

    if (length == SIZE_MAX)
        return fw_err_set(err, FW_EINVAL, "the body is no snappy block");
    if (length > out->max - out->len)
        return fw_err_set(err, FW_ETOOBIG,
                          "the snappy block claims %zu bytes; the limit is %zu",
                          length, out->max - out->len);
    if (length / MAX_EXPANSION > block.n)
        return fw_err_set(err, FW_EINVAL,
                          "the snappy block claims %zu bytes, which its %zu "
                          "cannot hold",
                          length, block.n);
    rc = fw_buf_reserve(out, length);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "no memory for a body of %zu bytes", length);
    if (snappy_uncompress(block.p, block.n, out->data + out->len, &length) !=
        SNAPPY_OK)
        return fw_err_set(err, FW_EINVAL, "the body is no snappy block");
    out->len += length;
    out->data[out->len] = '\0';
    return FW_OK;
}
