/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_check.c - see lmdb_check.h. The layout is that of liblmdb 0.9 on
 * little-endian machines with 64-bit words (mdb.c: MDB_page, MDB_node,
 * MDB_meta, MDB_db), data version 1.
 *
 *   page   0 u64 number   10 u16 flags   12 u16 lower, 14 u16 upper
 *                                        12 u32 count (overflow)
 *          16 u16 offsets of the nodes, up to `lower`; nodes from `upper` on
 *   node   0 u16 low   2 u16 high   4 u16 flags   6 u16 key size   8 key, data
 *   meta   16 u32 magic   20 u32 version   24 address   32 map size
 *          40 table of free pages   88 main table   136 u64 last   144 u64 txn
 *   table  0 u32 pad   4 u16 flags   6 u16 depth   8, 16, 24 u64 pages
 *          32 u64 entries   40 u64 root
 */
#include "storage/lmdb/lmdb_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/lmdb/lmdb_heads.h"

#define PAGE LMDB_PAGE
#define PAGE_HEADER 16
#define NODE_HEADER 8
#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1
#define META_BYTES 152
#define NO_PAGE UINT64_MAX
#define DEPTH_MAX 16
#define KEY_MAX 511

#define FLAG_BRANCH 0x01
#define FLAG_LEAF 0x02
#define FLAG_OVERFLOW 0x04
#define FLAG_META 0x08
#define NODE_BIG 0x01
#define TABLE_INTEGER_KEY 0x08
#define TABLE_SINGLE_FILE                                                      \
    0x4000 /* of the environment, kept with this table                         \
            */

struct table {
    uint16_t flags, depth;
    uint64_t entries, root;
};

struct checker {
    const char *path;
    int fd;
    uint64_t file_pages;
    uint64_t last; /* highest page number in use */
    uint8_t *seen; /* owned: a bit for each page of the file */
    struct fw_err *err;
    bool free_list; /* walking the table of free pages */
    uint64_t entries;
    uint8_t key[KEY_MAX]; /* the last one seen in the table */
    size_t key_n;
    bool any_key;
};

static fw_rc wrong(struct checker *c, uint64_t page, const char *what)
{
    return fw_err_set(c->err, FW_ECORRUPT, "%s: page %llu is damaged: %s",
                      c->path, (unsigned long long)page, what);
}

static fw_rc read_page(struct checker *c, uint64_t number, uint8_t page[PAGE])
{
    ssize_t n;

    if (number >= c->file_pages)
        return wrong(c, number, "it lies behind the end of the file");
    n = pread(c->fd, page, PAGE, (off_t)(number * PAGE));
    if (n < 0)
        return fw_err_sys(c->err, errno, "cannot read %s", c->path);
    return n == PAGE ? FW_OK : wrong(c, number, "it is cut short");
}

/* Each page belongs to one place: twice seen is a damaged reference. */
static fw_rc take_page(struct checker *c, uint64_t number)
{
    uint8_t bit = (uint8_t)(1u << number % 8);

    if (number < 2 || number > c->last || number >= c->file_pages)
        return wrong(c, number, "a reference to it is out of bounds");
    if ((c->seen[number / 8] & bit) != 0)
        return wrong(c, number, "two references lead to it");
    c->seen[number / 8] |= bit;
    return FW_OK;
}

/* ---- Leaves ---------------------------------------------------------------
 */

static fw_rc check_overflow(struct checker *c, uint64_t number, uint32_t size)
{
    uint8_t page[PAGE];
    uint64_t pages = ((uint64_t)size + PAGE_HEADER + PAGE - 1) / PAGE;
    fw_rc rc = FW_OK;

    for (uint64_t i = 0; i < pages && rc == FW_OK; i++)
        rc = take_page(c, number + i);
    if (rc == FW_OK)
        rc = read_page(c, number, page);
    if (rc != FW_OK)
        return rc;
    if (fw_get_le64(page) != number ||
        (fw_get_le16(page + 10) & 0xFF) != FLAG_OVERFLOW ||
        fw_get_le32(page + 12) != pages)
        return wrong(c, number, "it is no large value of that size");
    return FW_OK;
}

/* A list of free pages: count, then page numbers, falling. */
static fw_rc check_free_list(struct checker *c, uint64_t number,
                             const uint8_t *list, uint32_t size)
{
    uint64_t count, before = UINT64_MAX;
    fw_rc rc = FW_OK;

    if (size < 8 || size % 8 != 0)
        return wrong(c, number, "its list of free pages is cut short");
    count = fw_get_le64(list);
    if (count > size / 8 - 1)
        return wrong(c, number, "its list of free pages is too long");
    for (uint64_t i = 0; i < count && rc == FW_OK; i++) {
        uint64_t page = fw_get_le64(list + 8 + i * 8);

        if (page >= before)
            return wrong(c, number, "its list of free pages is out of order");
        before = page;
        /* A free page need never have been written. */
        if (page < 2 || page > c->last)
            return wrong(c, number, "its list of free pages is out of bounds");
        if (page < c->file_pages)
            rc = take_page(c, page);
    }
    return rc;
}

static fw_rc check_big(struct checker *c, uint64_t number, uint64_t first,
                       uint32_t size)
{
    uint8_t *list;
    ssize_t n;
    fw_rc rc = check_overflow(c, first, size);

    if (rc != FW_OK || !c->free_list)
        return rc;
    list = malloc(size);
    if (list == NULL)
        return fw_err_set(c->err, FW_ENOMEM, "out of memory");
    n = pread(c->fd, list, size, (off_t)(first * PAGE + PAGE_HEADER));
    if (n < 0)
        rc = fw_err_sys(c->err, errno, "cannot read %s", c->path);
    else
        rc = n == (ssize_t)size ? check_free_list(c, number, list, size)
                                : wrong(c, first, "it is cut short");
    free(list);
    return rc;
}

static bool key_rises(const struct checker *c, const uint8_t *key, size_t n)
{
    size_t common = n < c->key_n ? n : c->key_n;
    int order;

    if (!c->any_key)
        return true;
    if (c->free_list)
        return n == 8 && fw_get_le64(key) > fw_get_le64(c->key);
    order = memcmp(key, c->key, common);
    return order > 0 || (order == 0 && n > c->key_n);
}

static fw_rc check_leaf_node(struct checker *c, uint64_t number,
                             const uint8_t *node, size_t room)
{
    uint32_t size =
        (uint32_t)fw_get_le16(node) | (uint32_t)fw_get_le16(node + 2) << 16;
    uint16_t flags = fw_get_le16(node + 4);
    size_t key_n = fw_get_le16(node + 6);
    const uint8_t *key = node + NODE_HEADER;
    size_t held = flags == NODE_BIG ? 8 : size;

    if (flags != 0 && flags != NODE_BIG)
        return wrong(c, number, "a node has unknown flags");
    if (key_n == 0 || key_n > KEY_MAX || held > room ||
        NODE_HEADER + key_n > room - held)
        return wrong(c, number, "a node is out of bounds");
    if ((c->free_list && key_n != 8) || !key_rises(c, key, key_n))
        return wrong(c, number, "its keys are out of order");
    memcpy(c->key, key, key_n);
    c->key_n = key_n;
    c->any_key = true;
    c->entries++;
    if (flags == NODE_BIG)
        return check_big(c, number, fw_get_le64(key + key_n), size);
    return c->free_list ? check_free_list(c, number, key + key_n, size) : FW_OK;
}

/* ---- The tree -------------------------------------------------------------
 */

/* The child of a branch node; its key is checked for bounds only. */
static fw_rc branch_child(struct checker *c, uint64_t number,
                          const uint8_t *node, size_t room, uint64_t *child)
{
    size_t key_n = fw_get_le16(node + 6);

    if (key_n > KEY_MAX || NODE_HEADER + key_n > room)
        return wrong(c, number, "a node is out of bounds");
    *child = (uint64_t)fw_get_le16(node) |
             (uint64_t)fw_get_le16(node + 2) << 16 |
             (uint64_t)fw_get_le16(node + 4) << 32;
    return FW_OK;
}

static fw_rc check_page_header(struct checker *c, uint64_t number,
                               const uint8_t page[PAGE], bool leaf)
{
    uint16_t lower = fw_get_le16(page + 12);
    uint16_t upper = fw_get_le16(page + 14);

    if (fw_get_le64(page) != number)
        return wrong(c, number, "it has another number");
    if ((fw_get_le16(page + 10) & 0xFF) != (leaf ? FLAG_LEAF : FLAG_BRANCH))
        return wrong(c, number, "it is of another kind");
    if (lower < PAGE_HEADER || lower > upper || upper > PAGE ||
        (lower - PAGE_HEADER) % 2 != 0 || lower == PAGE_HEADER)
        return wrong(c, number, "its bounds are wrong");
    return FW_OK;
}

/* Recursion is as deep as the tree, which `depth` has bounded. */
static fw_rc check_page(struct checker *c, uint64_t number, unsigned depth)
{
    uint8_t page[PAGE];
    fw_rc rc = take_page(c, number);
    size_t count;

    if (rc == FW_OK)
        rc = read_page(c, number, page);
    if (rc == FW_OK)
        rc = check_page_header(c, number, page, depth == 1);
    if (rc != FW_OK)
        return rc;
    count = (fw_get_le16(page + 12) - PAGE_HEADER) / 2u;
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        size_t at = fw_get_le16(page + PAGE_HEADER + 2 * i);
        uint64_t child = 0;

        if (at < fw_get_le16(page + 14) || at > PAGE - NODE_HEADER)
            return wrong(c, number, "a node is out of bounds");
        if (depth == 1) {
            rc = check_leaf_node(c, number, page + at, PAGE - at);
            continue;
        }
        rc = branch_child(c, number, page + at, PAGE - at, &child);
        if (rc == FW_OK)
            rc = check_page(c, child, depth - 1);
    }
    return rc;
}

static fw_rc check_table(struct checker *c, const struct table *t,
                         bool free_list)
{
    fw_rc rc = FW_OK;

    c->free_list = free_list;
    c->any_key = false;
    c->entries = 0;
    if ((t->flags & ~TABLE_SINGLE_FILE) !=
            (free_list ? TABLE_INTEGER_KEY : 0) ||
        t->depth > DEPTH_MAX || (t->root == NO_PAGE) != (t->depth == 0))
        return wrong(c, 0, "its description of a table is wrong");
    if (t->depth > 0)
        rc = check_page(c, t->root, t->depth);
    if (rc == FW_OK && c->entries != t->entries)
        return wrong(c, t->root, "its tree has lost entries");
    return rc;
}

/* ---- The two meta pages
 * -------------------------------------------------------
 */

static struct table table_of(const uint8_t *p)
{
    return (struct table){fw_get_le16(p + 4), fw_get_le16(p + 6),
                          fw_get_le64(p + 32), fw_get_le64(p + 40)};
}

static fw_rc check_meta_page(struct checker *c, uint64_t number,
                             const uint8_t page[PAGE])
{
    if ((fw_get_le16(page + 10) & 0xFF) != FLAG_META ||
        fw_get_le64(page) != number || fw_get_le32(page + 16) != META_MAGIC ||
        fw_get_le32(page + 20) != META_VERSION)
        return wrong(c, number, "it is no head of an LMDB file");
    if (fw_get_le32(page + 40) != PAGE)
        return wrong(c, number, "it names another page size");
    return FW_OK;
}

static fw_rc check_heads(struct checker *c, uint8_t heads[2][PAGE])
{
    uint64_t txn[2];
    fw_rc rc = FW_OK;

    for (unsigned i = 0; i < 2 && rc == FW_OK; i++) {
        rc = read_page(c, i, heads[i]);
        if (rc == FW_OK)
            rc = check_meta_page(c, i, heads[i]);
    }
    if (rc != FW_OK)
        return rc;
    /* Commits alternate between the two, so their numbers are neighbours. */
    txn[0] = fw_get_le64(heads[0] + LMDB_HEAD_TXN);
    txn[1] = fw_get_le64(heads[1] + LMDB_HEAD_TXN);
    if (txn[0] > txn[1] + 1 || txn[1] > txn[0] + 1 || txn[0] % 2 != 0 ||
        (txn[1] % 2 != 1 && txn[1] != 0))
        return wrong(c, 0, "its transaction numbers are wrong");
    return FW_OK;
}

/* All that a head leads to. */
static fw_rc check_trees(struct checker *c, const uint8_t *head)
{
    struct table free_pages = table_of(head + 40);
    struct table main_table = table_of(head + 88);
    fw_rc rc;

    c->last = fw_get_le64(head + 136);
    if (c->last > c->file_pages * 2 + (1u << 18))
        return wrong(c, 0, "its count of pages is wrong");
    memset(c->seen, 0, c->file_pages / 8 + 1);
    rc = check_table(c, &main_table, false);
    return rc == FW_OK ? check_table(c, &free_pages, true) : rc;
}

/*
 * Whether the hidden head is whole, as it is; where LMDB gave it up it does not
 * fit together.
 */
static fw_rc check_hidden(struct checker *c, const uint8_t *head, bool *whole)
{
    struct fw_err *err = c->err;
    struct fw_err why = {0};
    fw_rc rc;

    c->err = &why;
    rc = check_trees(c, head);
    c->err = err;
    if (rc != FW_OK && rc != FW_ECORRUPT)
        return fw_err_set(err, rc, "%s", why.text);
    *whole = rc == FW_OK;
    return FW_OK;
}

static fw_rc write_number(struct checker *c, const struct lmdb_heads_mend *mend)
{
    uint8_t bytes[8];
    off_t at = (off_t)mend->head * PAGE + LMDB_HEAD_TXN;
    int fd = open(c->path, O_WRONLY | O_CLOEXEC);
    fw_rc rc = FW_OK;

    fw_put_le64(bytes, mend->number);
    if (fd < 0 || pwrite(fd, bytes, sizeof(bytes), at) != sizeof(bytes) ||
        fsync(fd) != 0)
        rc = fw_err_sys(c->err, errno, "cannot mend %s", c->path);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static fw_rc check_all(struct checker *c, bool mend, bool *hides)
{
    uint8_t heads[2][PAGE];
    struct lmdb_heads_mend by = {0};
    enum lmdb_heads_verdict verdict;
    bool whole = false;
    unsigned newest;
    fw_rc rc = check_heads(c, heads);

    if (rc != FW_OK)
        return rc;
    newest = fw_get_le64(heads[1] + LMDB_HEAD_TXN) >
                     fw_get_le64(heads[0] + LMDB_HEAD_TXN)
                 ? 1
                 : 0;
    verdict = lmdb_heads_judge(c->fd, heads, &by);
    if (verdict == LMDB_HEADS_UNREAD)
        return fw_err_sys(c->err, errno, "cannot read %s", c->path);
    if (verdict == LMDB_HEADS_HIDDEN)
        rc = check_hidden(c, heads[1 - newest], &whole);
    if (rc != FW_OK)
        return rc;
    if (whole && mend)
        return write_number(c, &by);
    *hides = whole;
    rc = check_trees(c, heads[newest]);
    if (rc == FW_OK && verdict == LMDB_HEADS_WRONG)
        rc = wrong(c, newest, "its transaction number is wrong");
    return rc;
}

fw_rc lmdb_check_file(const char *path, bool mend, bool *hides,
                      struct fw_err *err)
{
    struct checker c = {.path = path, .err = err};
    bool hidden = false;
    struct stat st;
    fw_rc rc = FW_OK;

    c.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (c.fd < 0 && errno != ENOENT)
        return fw_err_sys(err, errno, "cannot open %s", path);
    if (c.fd < 0)
        goto out;
    if (fstat(c.fd, &st) != 0) {
        rc = fw_err_sys(err, errno, "cannot look at %s", path);
        goto out;
    }
    if (st.st_size == 0)
        goto out;
    c.file_pages = (uint64_t)st.st_size / PAGE;
    c.seen = calloc(c.file_pages / 8 + 1, 1);
    if (c.seen == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    else
        rc = check_all(&c, mend, &hidden);
out:
    if (rc == FW_OK)
        *hides = hidden;
    free(c.seen);
    if (c.fd >= 0)
        (void)close(c.fd);
    return rc;
}

/* A page as LMDB begins a file with, or nothing but zeros. */
static bool is_blank(const uint8_t *page, size_t n, uint64_t number)
{
    bool zero = true;

    for (size_t i = 0; i < n && zero; i++)
        zero = page[i] == 0;
    return zero ||
           (n >= META_BYTES && fw_get_le64(page) == number &&
            fw_get_le32(page + 16) == META_MAGIC &&
            fw_get_le64(page + 136) == 1 && fw_get_le64(page + 144) == 0);
}

bool lmdb_check_unborn(const char *path)
{
    uint8_t pages[2 * PAGE + 1];
    struct fw_err err = {0};
    bool unborn = false, hides = false;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    n = pread(fd, pages, sizeof(pages), 0);
    (void)close(fd);
    if (n >= 0 && n <= 2 * PAGE) {
        size_t first = n < PAGE ? (size_t)n : PAGE;

        unborn = is_blank(pages, first, 0) &&
                 is_blank(pages + PAGE, (size_t)n - first, 1) &&
                 (n == 0 ||
                  lmdb_check_file(path, false, &hides, &err) == FW_ECORRUPT);
    }
    return unborn;
}
