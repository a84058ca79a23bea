/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_checkpoint.c - the reader of head checkpoints, as they are and with
 * their checksum put right. What it lets through has to unpack.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/journal/checkpoint_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_record(const uint8_t *bytes, size_t size)
{
    struct checkpoint_reader r;
    struct head_chunk chunk;
    struct fw_err err = {0};
    fw_ms t[HEAD_CHUNK_SAMPLES];
    double v[HEAD_CHUNK_SAMPLES];
    uint32_t id = 0;
    fw_rc rc = checkpoint_reader_open(
        &r, (struct fw_str){(const char *)bytes, size}, &err);

    while (rc == FW_OK) {
        rc = checkpoint_reader_series(&r, &id, &err);
        while (rc == FW_OK &&
               (rc = checkpoint_reader_chunk(&r, &chunk, &err)) == FW_OK) {
            head_times_get(chunk.times, t);
            head_chunk_values(&chunk, v);
        }
        rc = rc == FW_END && r.series_left > 0 ? FW_OK : rc;
    }
    checkpoint_reader_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    read_record(copy, size);
    if (size >= CHECKPOINT_HEADER) {
        fw_put_le32(copy + 4, fw_crc32c(copy + 8, size - 8));
        read_record(copy, size);
    }
    free(copy);
    return 0;
}
