/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_tombstone.c - the entry of a tombstone, with its checksum put right. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/segments/tombs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_tomb(const char *bytes, size_t size)
{
    struct tomb tomb = {0};
    struct fw_err err = {0};

    if (tomb_get((struct fw_str){bytes, size}, &tomb, &err) == FW_OK)
        free(tomb.series);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    read_tomb(copy, size);
    if (size >= 48) {
        uint32_t crc;

        fw_put_le32(copy, 0x31545746u);
        crc = fw_crc32c(copy, 44);
        fw_put_le32(copy + 44, fw_crc32c_more(crc, copy + 48, size - 48));
        read_tomb(copy, size);
    }
    free(copy);
    return 0;
}
