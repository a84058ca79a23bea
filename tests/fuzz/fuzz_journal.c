/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_journal.c - the reader of journal records, as they are and with their
 * checksum put right.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/journal/journal_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_record(const uint8_t *bytes, size_t size)
{
    struct fw_label room[FW_MAX_LABELS];
    struct journal_reader reader;
    struct fw_labels labels;
    struct fw_err err = {0};
    uint32_t id = 0;
    uint64_t bits = 0;
    fw_ms t = 0;

    if (journal_reader_open(&reader, (struct fw_str){(const char *)bytes, size},
                            &err) != FW_OK)
        return;
    while (journal_reader_definition(&reader, &id, room, &labels, &err) ==
           FW_OK)
        FW_ASSERT(labels.n <= FW_MAX_LABELS);
    while (journal_reader_sample(&reader, &id, &t, &bits, &err) == FW_OK)
        FW_ASSERT(id < UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    read_record(copy, size);
    if (size >= JOURNAL_RECORD_HEADER) {
        fw_put_le32(copy + 4, fw_crc32c(copy + 8, size - 8));
        read_record(copy, size);
    }
    free(copy);
    return 0;
}
