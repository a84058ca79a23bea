/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_segment.c - the reader of segments, behind its checksums: those that
 * guard the header, the directory and the columns are put right first, so
 * that what lies behind them is reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/segments/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_blocks(const struct segment *s,
                        const struct segment_block *blocks)
{
    static fw_ms t[SEGMENT_SAMPLES_MAX];
    static double v[SEGMENT_SAMPLES_MAX];
    struct fw_err err = {0};

    for (uint32_t i = 0; i < s->block_count && i < 64; i++) {
        const struct segment_block *b = &blocks[i];

        (void)!segment_times(s, b->column, b->n, t, &err);
        (void)!segment_values(s, b->series, b->offset, b->bytes, b->n, v, &err);
    }
}

static void read_segment(const uint8_t *bytes, size_t size)
{
    struct fw_str text = {(const char *)bytes, size};
    struct segment_block *blocks = NULL;
    uint8_t *inflated = NULL;
    struct segment segment;
    struct fw_err err = {0};

    if (segment_open(&segment, text, &err) == FW_OK &&
        segment_directory(&segment, &blocks, &err) == FW_OK) {
        if (segment.deflated) {
            inflated = malloc(segment.data_bytes);
            if (inflated != NULL &&
                segment_inflate(&segment, inflated, &err) == FW_OK)
                segment.data = inflated;
        }
        if (segment.data != NULL)
            read_blocks(&segment, blocks);
    }
    free(blocks);
    free(inflated);
}

/* Puts right what can be put right without believing the input. */
static void repair(uint8_t *p, size_t size)
{
    uint32_t columns, off_columns, off_data;

    if (size < SEGMENT_HEADER)
        return;
    columns = fw_get_le32(p + 12);
    off_columns = fw_get_le32(p + 32);
    off_data = fw_get_le32(p + 36);
    if (off_columns <= off_data && off_data <= size &&
        off_columns >= SEGMENT_HEADER) {
        uint32_t room = off_data - off_columns;

        for (uint32_t i = 0; i < columns && i < 64 &&
                             SEGMENT_HEADER + (i + 2) * 8 <= off_columns;
             i++) {
            uint8_t *entry = p + SEGMENT_HEADER + i * 8;
            uint32_t from = fw_get_le32(entry);
            uint32_t to = i + 1 < columns ? fw_get_le32(entry + 8) : room;

            if (from <= to && to <= room)
                fw_put_le32(entry + 4,
                            fw_crc32c(p + off_columns + from, to - from));
        }
        fw_put_le32(p + 56, fw_crc32c(p + SEGMENT_HEADER,
                                      off_columns - SEGMENT_HEADER));
    }
    fw_put_le32(p + 60, fw_crc32c(p, 60));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    read_segment(copy, size);
    repair(copy, size);
    read_segment(copy, size);
    free(copy);
    return 0;
}
