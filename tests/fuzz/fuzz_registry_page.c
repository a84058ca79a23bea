/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_registry_page.c - the reader of registry pages: as they are; with the
 * checksum put right; and with the input as the text under the compression.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/index/definition.h"
#include "storage/index/registry_page.h"
#include "storage/segments/deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fw_rc each(void *self, uint32_t id, const struct fw_labels *labels,
                  struct fw_err *err)
{
    (void)self;
    (void)id;
    (void)err;
    FW_ASSERT(definition_canonical(labels));
    return FW_OK;
}

static void read_page(const char *bytes, size_t size)
{
    struct fw_str page = {bytes, size};
    struct registry registry;
    struct fw_err err = {0};
    uint32_t next = 0;
    bool before;

    (void)!registry_page_get(page, each, NULL, &err);
    if (registry_init(&registry) == FW_OK)
        (void)!registry_page_load(&registry, 1, page, &next, &before, &err);
    registry_release(&registry);
}

/* A page whose text is the input, all checks satisfied. */
static void read_as_text(const uint8_t *data, size_t size, const char *magic)
{
    struct fw_buf page = FW_BUF_INIT(size * 2 + 4096);
    char header[20] = {0};

    memcpy(header, magic, 4);
    fw_put_le32(header + 8, 512);
    fw_put_le32(header + 12, 512);
    fw_put_le32(header + 16, (uint32_t)size);
    if (fw_buf_add(&page, header, sizeof(header)) == FW_OK &&
        deflate_pack(data, size, 1, &page) == FW_OK) {
        fw_put_le32(page.data + 4, fw_crc32c(page.data + 8, page.len - 8));
        read_page(page.data, page.len);
    }
    fw_buf_release(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    read_page(copy, size);
    if (size >= 20) {
        fw_put_le32(copy + 4, fw_crc32c(copy + 8, size - 8));
        read_page(copy, size);
    }
    free(copy);
    if (size < 65536) {
        read_as_text(data, size, "FWR1");
        read_as_text(data, size, "FWR2");
    }
    return 0;
}
