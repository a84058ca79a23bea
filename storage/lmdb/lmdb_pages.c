/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_pages.c - see lmdb_pages.h, and lmdb_check.c for the layout of pages.
 *
 * Large values stand in runs of pages without headers but on the first. What a
 * proven one has within is its own, however much it looks like a page.
 */
#include "storage/lmdb/lmdb_pages.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"

#define PAGE 4096u
#define PAGE_HEADER 16u
#define NODE_HEADER 8u
#define FLAG_OVERFLOW 0x04
#define NODE_BIG 0x01

struct search {
    int fd;
    uint64_t pages; /* of the file, whole ones */
    uint64_t bytes; /* the same */
    uint8_t *taken; /* owned: a bit for each page within a proven value */
    lmdb_prove prove;
    void *self;
    struct fw_err *err;
};

static bool is_taken(const struct search *s, uint64_t page)
{
    return (s->taken[page / 8] >> page % 8 & 1) != 0;
}

/* The pages of a large value, which begins behind the header of its first. */
static void take_run(struct search *s, uint64_t at, size_t bytes)
{
    uint64_t first = at / PAGE;
    uint64_t end = (at + bytes + PAGE - 1) / PAGE;

    for (uint64_t page = first; page < end && page < s->pages; page++)
        s->taken[page / 8] |= (uint8_t)(1u << page % 8);
}

static fw_rc try_place(struct search *s, const struct lmdb_place *place,
                       bool large)
{
    size_t bytes = 0;
    fw_rc rc = s->prove(s->self, place, &bytes, s->err);

    if (rc == FW_OK && large)
        take_run(s, place->at, bytes);
    return rc == FW_NONE ? FW_OK : rc;
}

/* The node at `at` of a page; what does not fit is no node. */
static fw_rc try_node(struct search *s, uint64_t number,
                      const uint8_t page[PAGE], size_t at)
{
    const uint8_t *node = page + at;
    size_t room = PAGE - at;
    uint32_t size =
        (uint32_t)fw_get_le16(node) | (uint32_t)fw_get_le16(node + 2) << 16;
    bool large = (fw_get_le16(node + 4) & NODE_BIG) != 0;
    struct lmdb_place place = {.has_key = true, .least = size, .most = size};
    size_t value = NODE_HEADER + LMDB_PAGES_KEY;
    uint64_t first;

    if (fw_get_le16(node + 6) != LMDB_PAGES_KEY || value > room)
        return FW_OK;
    memcpy(place.key, node + NODE_HEADER, LMDB_PAGES_KEY);
    place.at = number * PAGE + at + value;
    if (!large)
        return size > room - value ? FW_OK : try_place(s, &place, false);
    if (room - value < 8)
        return FW_OK;
    first = fw_get_le64(node + value);
    if (first >= s->pages)
        return FW_OK;
    place.at = first * PAGE + PAGE_HEADER;
    return size > s->bytes - place.at ? FW_OK : try_place(s, &place, true);
}

/*
 * As many slots as make sense: how many there are stands in a header that may
 * be wrong itself.
 */
static fw_rc try_leaf(struct search *s, uint64_t number,
                      const uint8_t page[PAGE])
{
    size_t end = PAGE; /* slots do not reach into the nodes */
    fw_rc rc = FW_OK;

    for (size_t slot = PAGE_HEADER; slot + 2 <= end && rc == FW_OK; slot += 2) {
        size_t at = fw_get_le16(page + slot);

        if (at < slot + 2 || at > PAGE - NODE_HEADER)
            continue;
        end = at < end ? at : end;
        rc = try_node(s, number, page, at);
    }
    return rc;
}

static fw_rc try_run(struct search *s, uint64_t number,
                     const uint8_t page[PAGE])
{
    uint64_t count = fw_get_le32(page + 12);
    struct lmdb_place place = {.at = number * PAGE + PAGE_HEADER};

    if ((fw_get_le16(page + 10) & 0xFF) != FLAG_OVERFLOW || count == 0 ||
        count > s->pages - number)
        return FW_OK;
    /* LMDB takes no more pages than it needs. */
    place.most = (size_t)(count * PAGE - PAGE_HEADER);
    place.least = count == 1 ? 0 : place.most - PAGE + 1;
    return try_place(s, &place, true);
}

fw_rc lmdb_pages_search(int fd, uint64_t file_bytes, lmdb_prove prove,
                        void *self, struct fw_err *err)
{
    struct search s = {.fd = fd,
                       .pages = file_bytes / PAGE,
                       .prove = prove,
                       .self = self,
                       .err = err};
    uint8_t page[PAGE];
    fw_rc rc = FW_OK;

    s.bytes = s.pages * PAGE;
    s.taken = calloc(s.pages / 8 + 1, 1);
    if (s.taken == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (uint64_t number = 0; number < s.pages && rc == FW_OK; number++) {
        if (is_taken(&s, number) ||
            pread(fd, page, PAGE, (off_t)(number * PAGE)) != (ssize_t)PAGE)
            continue;
        rc = try_run(&s, number, page);
        if (rc == FW_OK && !is_taken(&s, number))
            rc = try_leaf(&s, number, page);
    }
    free(s.taken);
    return rc;
}
