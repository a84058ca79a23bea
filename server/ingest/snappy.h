/* SPDX-License-Identifier: GPL-3.0-or-later */
/* snappy.h - libsnappy's door: one block, decoded under a cap. */
#ifndef SERVER_INGEST_SNAPPY_H
#define SERVER_INGEST_SNAPPY_H

#include "storage/base/buf.h"
#include "storage/base/str.h"

/*
 * Adds what the block decodes to. The length it declares is held against the
 * buffer's cap before anything is allocated: seven bytes may claim 4 GiB.
 * FW_ETOOBIG, FW_EINVAL with a sentence, FW_ENOMEM.
 */
FW_CHECK fw_rc snappy_block_add(struct fw_str block, struct fw_buf *out,
                                struct fw_err *err);

/* The length that the block declares; SIZE_MAX where it declares none. */
size_t snappy_block_length(struct fw_str block);

#endif
