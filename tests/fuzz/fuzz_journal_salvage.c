/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_journal_salvage.c - the search for records in a damaged file of the
 * journal: what it finds lies within the file, each number once, and its
 * checksum is right. Files are as they are, and with the checksum of what looks
 * like a record put right for the length its page header says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/journal/journal_salvage.h"

#define PAGE 4096u
#define FROM 2 /* a trim point */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void search(const uint8_t *bytes, size_t size, bool head)
{
    struct salvage_list list = {0};
    struct fw_err err = {0};
    int fd = memfd_create("salvage", MFD_CLOEXEC);
    uint64_t last = 0;

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    if (salvage_search(fd, size, head, FROM, FROM + size, &list, &err) == FW_OK)
        for (size_t i = 0; i < list.n; i++) {
            const struct salvage_record *r = &list.v[i];
            const uint8_t *p = bytes + r->at;

            if (r->at > size || r->bytes > size - r->at || r->bytes < 32 ||
                r->seq < FROM || r->seq <= last || r->seq > list.highest ||
                fw_get_le64(p + 8) != r->seq ||
                fw_get_le32(p + 4) != fw_crc32c(p + 8, r->bytes - 8))
                abort();
            last = r->seq;
        }
    salvage_list_release(&list);
    (void)close(fd);
}

/* Large values, as their first page tells of them, without zeros behind. */
static void sign(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + PAGE <= size; at += PAGE) {
        size_t pages = fw_get_le32(bytes + at + 12);
        uint8_t *p = bytes + at + 16;
        size_t n;

        if (bytes[at + 10] != 4 || pages == 0 || pages > (size - at) / PAGE)
            continue;
        n = pages * PAGE - 16;
        while (n > 32 && p[n - 1] == 0)
            n--;
        fw_put_le32(p + 4, fw_crc32c(p + 8, n - 8));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    search(copy, size, false);
    search(copy, size, true);
    sign(copy, size);
    search(copy, size, false);
    search(copy, size, true);
    free(copy);
    return 0;
}
