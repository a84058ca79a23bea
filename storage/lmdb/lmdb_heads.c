/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_heads.c - see lmdb_heads.h, and lmdb_check.c for the layout of pages.
 *
 * A commit with number N frees pages of the one before, if only the root it
 * replaced, and keeps their list under the key N of the table of free pages.
 * Only N + 2 may use them, since readers may still be at N - 1 when N + 1 is
 * made. A commit into an empty table may free nothing, but then the commits
 * before and after it do. This is read here with every bound checked, since the
 * tables of the older head are looked at by nobody else.
 */
#include "storage/lmdb/lmdb_heads.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"

#define PAGE LMDB_PAGE
#define PAGE_HEADER 16
#define NODE_HEADER 8
#define FLAG_BRANCH 0x01
#define FLAG_LEAF 0x02
#define NODE_BIG 0x01
#define DEPTH_MAX 16
#define KEY_BYTES 8
#define NO_PAGE UINT64_MAX
#define LIST_MAX ((uint32_t)64 << 20) /* bytes of a list of pages */

struct tree {
    int fd;
    unsigned depth;
    uint64_t root;
    int error; /* errno of a read that failed: that is no damage */
};

/* A list of freed pages. */
struct list {
    uint64_t key;
    uint32_t bytes, crc;
};

static struct tree free_pages_of(int fd, const uint8_t *head)
{
    return (struct tree){fd, fw_get_le16(head + 46), fw_get_le64(head + 80), 0};
}

static bool has_entries(const uint8_t *head)
{
    return fw_get_le64(head + 128) != NO_PAGE;
}

static bool read_bytes(struct tree *t, void *out, size_t n, uint64_t at)
{
    ssize_t got = pread(t->fd, out, n, (off_t)at);

    if (got < 0)
        t->error = errno;
    return got == (ssize_t)n;
}

static bool read_page(struct tree *t, uint64_t number, bool leaf,
                      uint8_t page[PAGE])
{
    uint16_t lower, upper;

    if (number < 2 || number > (uint64_t)INT64_MAX / PAGE ||
        !read_bytes(t, page, PAGE, number * PAGE))
        return false;
    lower = fw_get_le16(page + 12);
    upper = fw_get_le16(page + 14);
    return fw_get_le64(page) == number &&
           (fw_get_le16(page + 10) & 0xFF) ==
               (leaf ? FLAG_LEAF : FLAG_BRANCH) &&
           lower > PAGE_HEADER && lower <= upper && upper <= PAGE &&
           lower % 2 == 0;
}

static size_t count_of(const uint8_t page[PAGE])
{
    return (fw_get_le16(page + 12) - PAGE_HEADER) / 2u;
}

/* A node with room for a key of `key` bytes, or NULL. */
static const uint8_t *node_of(const uint8_t page[PAGE], size_t i, size_t key,
                              size_t *room)
{
    size_t at = fw_get_le16(page + PAGE_HEADER + 2 * i);

    if (at < PAGE_HEADER || at > PAGE - NODE_HEADER - key)
        return NULL;
    *room = PAGE - at - NODE_HEADER - key;
    return page + at;
}

static uint64_t key_of(const uint8_t *node)
{
    return fw_get_le64(node + NODE_HEADER);
}

static uint64_t child_of(const uint8_t *node)
{
    return (uint64_t)fw_get_le16(node) | (uint64_t)fw_get_le16(node + 2) << 16 |
           (uint64_t)fw_get_le16(node + 4) << 32;
}

static bool list_of(struct tree *t, const uint8_t *node, size_t room,
                    struct list *out)
{
    uint32_t size =
        (uint32_t)fw_get_le16(node) | (uint32_t)fw_get_le16(node + 2) << 16;
    const uint8_t *data = node + NODE_HEADER + KEY_BYTES;
    bool big = (fw_get_le16(node + 4) & NODE_BIG) != 0;
    bool got;
    uint8_t *copy;
    uint64_t first;

    if (fw_get_le16(node + 6) != KEY_BYTES || room < KEY_BYTES)
        return false;
    *out = (struct list){key_of(node), size, 0};
    if (!big) {
        if (size > room)
            return false;
        out->crc = fw_crc32c(data, size);
        return true;
    }
    first = fw_get_le64(data);
    if (size > LIST_MAX || first > (uint64_t)INT64_MAX / PAGE)
        return false;
    copy = malloc(size + 1);
    if (copy == NULL) {
        t->error = ENOMEM;
        return false;
    }
    got = read_bytes(t, copy, size, first * PAGE + PAGE_HEADER);
    if (got)
        out->crc = fw_crc32c(copy, size);
    free(copy);
    return got;
}

/* The last list with a key <= `most`; false where there is none. */
static bool find_list(struct tree *t, uint64_t most, struct list *out)
{
    uint64_t number = t->root;
    uint8_t page[PAGE];

    for (unsigned depth = t->depth; depth > 0 && depth <= DEPTH_MAX; depth--) {
        const uint8_t *node = NULL;
        size_t room = 0;

        if (!read_page(t, number, depth == 1, page))
            return false;
        for (size_t i = count_of(page); i > 0 && node == NULL; i--) {
            bool keyed = i > 1 || depth == 1; /* the first of a branch is not */

            node = node_of(page, i - 1, keyed ? KEY_BYTES : 0, &room);
            if (node == NULL)
                return false;
            if (keyed && key_of(node) > most)
                node = NULL;
        }
        if (node == NULL)
            return false;
        if (depth == 1)
            return list_of(t, node, room, out);
        number = child_of(node);
    }
    return false;
}

static bool same(const struct list *one, const struct list *other)
{
    return one->bytes == other->bytes && one->crc == other->crc;
}

static bool has_list(struct tree *t, const struct list *list)
{
    struct list found = {0};

    return list->key == 0 || (find_list(t, list->key, &found) &&
                              found.key == list->key && same(&found, list));
}

/* None, with key 0, for an empty table; false where it cannot be read. */
static bool last_list(struct tree *t, struct list *out)
{
    if (find_list(t, UINT64_MAX, out))
        return true;
    *out = (struct list){0};
    return t->depth == 0 && t->root == NO_PAGE;
}

/*
 * x, the one LMDB takes, has the number `a`. That is right if its last list is
 * that of a, or of a - 1 where a freed nothing. Then y is the newer one, a + 1,
 * only if it knows of a. Comparing what is in the lists tells it from a y in
 * which a key of theirs was changed.
 */
static enum lmdb_heads_verdict judge(uint8_t heads[2][LMDB_PAGE], unsigned x,
                                     struct tree *x_tree, struct tree *y_tree,
                                     struct lmdb_heads_mend *mend)
{
    struct list x_last, y_last;
    bool x_read = last_list(x_tree, &x_last);
    uint64_t a = fw_get_le64(heads[x] + LMDB_HEAD_TXN);
    bool hidden;

    /* A list that is damaged, or cut off, speaks for no other number. */
    if (!x_read)
        return LMDB_HEADS_WRONG;
    (void)last_list(y_tree, &y_last); /* unread, it has none either */
    if (a == 0) {
        *mend = (struct lmdb_heads_mend){1, 1};
        return has_entries(heads[1]) ? LMDB_HEADS_HIDDEN : LMDB_HEADS_SOUND;
    }
    *mend = (struct lmdb_heads_mend){1 - x, a + 1};
    if (x_last.key == a)
        return has_list(y_tree, &x_last) ? LMDB_HEADS_HIDDEN : LMDB_HEADS_SOUND;
    if (x_last.key + 1 == a)
        return y_last.key == a + 1 && !same(&y_last, &x_last)
                   ? LMDB_HEADS_HIDDEN
                   : LMDB_HEADS_SOUND;
    /* Too high; if it was lower by 2, then y is a - 1 and the newest. */
    *mend = (struct lmdb_heads_mend){x, a - 2};
    hidden =
        (x_last.key + 2 == a && has_list(y_tree, &x_last)) ||
        (x_last.key + 3 == a && y_last.key + 1 == a && !same(&y_last, &x_last));
    return hidden ? LMDB_HEADS_HIDDEN : LMDB_HEADS_WRONG;
}

enum lmdb_heads_verdict lmdb_heads_judge(int fd, uint8_t heads[2][LMDB_PAGE],
                                         struct lmdb_heads_mend *mend)
{
    unsigned x = fw_get_le64(heads[1] + LMDB_HEAD_TXN) >
                         fw_get_le64(heads[0] + LMDB_HEAD_TXN)
                     ? 1
                     : 0;
    struct tree x_tree = free_pages_of(fd, heads[x]);
    struct tree y_tree = free_pages_of(fd, heads[1 - x]);
    enum lmdb_heads_verdict verdict = judge(heads, x, &x_tree, &y_tree, mend);

    if (x_tree.error == 0 && y_tree.error == 0)
        return verdict;
    errno = x_tree.error != 0 ? x_tree.error : y_tree.error;
    return LMDB_HEADS_UNREAD;
}
