/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_meta_keys.c - each bit of the length of each key of meta/ is flipped:
 * what stood behind it is still there, or it is told that it is not.
 *
 * LMDB keeps the length of a key in its node and no checksum of it. Whoever
 * read "until a key is of another kind" once took a wrong length for the end,
 * and all partitions, tombstones or registry pages behind it were gone without
 * a word.
 */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/file.h"
#include "storage/index/label_page.h"
#include "storage/meta.h"
#include "storage/store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define START ((fw_ms)19700 * FW_DAY)
#define SERIES 1040  /* three registry pages */
#define LOOKED_AT 30 /* one in so many of them, and the first ones */
#define SERIES_OF_PAGE (LABEL_PAGE_ROWS / LOOKED_AT + DAYS + 1)
#define DAYS 3 /* partitions, and tombstones */
#define ENTRIES 10
#define TABLES 2
#define PAGE 4096
#define PAGE_HEADER 16
#define NODE_HEADER 8
#define LEAF 0x02
#define KEY_ROOM 16

static struct fake_clock fake;
static struct fw_err err;

/* What a store has, and how often it told that something is missing. */
struct sight {
    uint32_t series, samples, back, entries;
    uint64_t told;
};

static fw_rc open_store(const char *dir, bool read_only, struct fw_store **out)
{
    struct fw_store_options options = {.create = !read_only,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .max_series = 2 * SERIES,
                                       .ooo_window = 100 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};

    return fw_store_open(dir, &options, out, &err);
}

/* Of each day one sample of each series; that of series `day` is deleted. */
static void write_day(struct fw_store *store, uint32_t day)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    char name[16];
    struct fw_matcher matcher = {
        FW_MATCH_EQUAL,
        FW_STR("n"),
        {name, (size_t)snprintf(name, sizeof(name), "%u", day)}};
    uint64_t hit = 0;
    uint32_t id = 0;

    for (uint32_t i = 0; i < SERIES; i++) {
        assert_int_equal(numbered_series(store, i, &id, &err), FW_OK);
        assert_int_equal(fw_batch_add(&batch, id, START + day * FW_DAY, i),
                         FW_OK);
    }
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(fw_store_delete(store, &matcher, 1, START + day * FW_DAY,
                                     START + day * FW_DAY, &hit, &err),
                     FW_OK);
}

static fw_rc entry_of(struct fw_txn *txn, unsigned table, unsigned i, bool put)
{
    char room[16];
    struct fw_str key = {room, (size_t)snprintf(room, sizeof(room), "k%u", i)};
    struct fw_str value = {0};
    const char *name = table == 0 ? "first" : "second";

    return put ? fw_txn_put(txn, name, key, key, &err)
               : fw_txn_get(txn, name, key, &value, &err);
}

static void make_folder(const char *dir)
{
    struct fw_store *store = NULL;
    struct fw_txn *txn = NULL;

    assert_int_equal(open_store(dir, false, &store), FW_OK);
    for (uint32_t day = 0; day < DAYS; day++)
        write_day(store, day);
    assert_int_equal(fw_txn_begin(store, true, &txn, &err), FW_OK);
    for (unsigned i = 0; i < TABLES * ENTRIES; i++)
        assert_int_equal(entry_of(txn, i % TABLES, i / TABLES, true), FW_OK);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
    fw_store_close(store);
}

static void read_series(struct fw_store *store, uint32_t number,
                        struct sight *sight)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    uint32_t id = 0;
    fw_rc rc;

    if (numbered_series(store, number, &id, &err) != FW_OK)
        return;
    sight->series++;
    assert_int_equal(
        fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, &err), FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++) {
            assert_true(run.v[i] >= number && run.v[i] <= number);
            if (run.t[i] == START + (fw_ms)number * FW_DAY)
                sight->back++;
            else
                sight->samples++;
        }
    sight->told += rc != FW_END ? 1 : 0;
    fw_cursor_close(cursor);
}

/* False where the folder is refused. */
static bool look(const char *dir, struct sight *sight)
{
    struct fw_store *store = NULL;
    struct fw_store_stats stats;
    struct fw_txn *txn = NULL;

    *sight = (struct sight){0};
    err = (struct fw_err){0};
    if (open_store(dir, true, &store) != FW_OK) {
        assert_true(err.text[0] != '\0');
        return false;
    }
    for (uint32_t i = 0; i < SERIES; i += i < DAYS ? 1 : LOOKED_AT)
        read_series(store, i, sight);
    assert_int_equal(fw_txn_begin(store, false, &txn, &err), FW_OK);
    for (unsigned i = 0; i < TABLES * ENTRIES; i++)
        sight->entries +=
            entry_of(txn, i % TABLES, i / TABLES, false) == FW_OK ? 1 : 0;
    fw_txn_abort(txn);
    fw_store_stats(store, &stats);
    sight->told += stats.corrupt_found;
    fw_store_close(store);
    return true;
}

static void write_byte(const char *path, size_t at, char byte)
{
    FILE *f = fopen(path, "r+b");

    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(byte, f), (unsigned char)byte);
    assert_int_equal(fclose(f), 0);
}

struct trial {
    const char *dir;
    const char kinds[8];
    char path[FW_PATH_BYTES];
    struct sight whole;
    uint32_t tried, opened;
};

static bool same(const struct sight *a, const struct sight *b)
{
    return a->series == b->series && a->samples == b->samples &&
           a->back == b->back && a->entries == b->entries;
}

/* No more is missing than what one key of that kind stands for. */
static bool is_little(const struct sight *now, const struct sight *whole,
                      char kind)
{
    uint32_t pages = kind == META_PAGE ? SERIES_OF_PAGE : 0;
    uint32_t days = kind == META_PART ? 1 : 0;
    uint32_t entries = kind == META_TABLE ? ENTRIES : kind == META_KEY ? 1 : 0;

    return now->series + pages >= whole->series &&
           now->samples + pages * DAYS + days * whole->series >=
               whole->samples &&
           now->back <= (kind == META_TOMB ? 1 : 0) &&
           now->entries + entries >= whole->entries;
}

static void flip_length(struct trial *t, char kind, size_t at, char byte,
                        unsigned bit)
{
    struct sight now;
    const char *wrong = NULL;

    write_byte(t->path, at, (char)(byte ^ 1 << bit));
    t->tried++;
    if (look(t->dir, &now)) {
        t->opened++;
        if (!same(&now, &t->whole) && now.told <= t->whole.told)
            wrong = "and not a word";
        else if (!is_little(&now, &t->whole, kind))
            wrong = "for one key";
        if (wrong != NULL)
            fail_msg("bit %u of byte %zu, a key '%c': %u of %u series, %u of "
                     "%u samples, %u that were deleted, %u of %u entries, %s",
                     bit, at, kind, now.series, t->whole.series, now.samples,
                     t->whole.samples, now.back, now.entries, t->whole.entries,
                     wrong);
    }
    write_byte(t->path, at, byte);
}

typedef void (*each_node)(struct trial *t, struct fw_buf *file, size_t node);

/* Of all leaves; one may be of a commit that is gone: no matter. */
static void walk_nodes(struct trial *t, struct fw_buf *file, each_node each)
{
    for (size_t page = 2 * PAGE; page + PAGE <= file->len; page += PAGE) {
        const char *p = file->data + page;
        size_t count = (fw_get_le16(p + 12) - PAGE_HEADER) / 2u;

        if ((fw_get_le16(p + 10) & 0xFF) != LEAF || fw_get_le16(p + 12) > PAGE)
            continue;
        for (size_t i = 0; i < count; i++) {
            size_t node = fw_get_le16(p + PAGE_HEADER + 2 * i);

            if (node < PAGE - NODE_HEADER - KEY_ROOM)
                each(t, file, page + node);
        }
    }
}

/* A length of more than a byte is out of bounds, which is told before. */
static void flip_lengths(struct trial *t, struct fw_buf *file, size_t node)
{
    char kind = file->data[node + NODE_HEADER];

    if (kind != '\0' && strchr(t->kinds, kind) != NULL)
        for (unsigned bit = 0; bit < 8; bit++)
            flip_length(t, kind, node + 6, file->data[node + 6], bit);
}

static void damage_last_entry(struct trial *t, struct fw_buf *file, size_t node)
{
    static const char last[] = "k9"; /* the greatest key of a table */
    const char *key = file->data + node + NODE_HEADER;

    if (fw_get_le16(file->data + node + 6) == 5 && key[0] == META_KEY &&
        memcmp(key + 3, last, 2) == 0) {
        file->data[node + NODE_HEADER + 5] ^= 1;
        write_byte(t->path, node + NODE_HEADER + 5,
                   file->data[node + NODE_HEADER + 5]);
    }
}

static void read_file(struct trial *t, struct fw_buf *file)
{
    make_folder(t->dir);
    assert_int_equal(fw_path_join(t->path, t->dir, "meta/data.mdb", &err),
                     FW_OK);
    assert_int_equal(fw_file_read(t->path, file, &err), FW_OK);
    assert_true(look(t->dir, &t->whole));
    assert_int_equal(t->whole.told, 0);
    assert_int_equal(t->whole.back, 0);
    assert_int_equal(t->whole.entries, TABLES * ENTRIES);
}

static void a_wrong_length_of_a_key_hides_nothing(void **state)
{
    struct fw_buf file = FW_BUF_INIT((size_t)64 << 20);
    struct trial t = {
        .dir = tmpdir_new(),
        .kinds = {META_PAGE, META_PART, META_TOMB, META_KEY, META_TABLE}};

    (void)state;
    read_file(&t, &file);
    walk_nodes(&t, &file, flip_lengths);
    print_message("%u lengths, %u folders opened\n", t.tried, t.opened);
    assert_true(t.opened > 0 && t.opened < t.tried);
    fw_buf_release(&file);
}

/* The last entries are damaged: that is told behind one that is cut short. */
static void a_short_key_does_not_end_the_looking(void **state)
{
    struct fw_buf file = FW_BUF_INIT((size_t)64 << 20);
    struct trial t = {.dir = tmpdir_new(), .kinds = {META_KEY}};

    (void)state;
    read_file(&t, &file);
    walk_nodes(&t, &file, damage_last_entry);
    assert_true(look(t.dir, &t.whole));
    assert_int_equal(t.whole.told, TABLES);
    assert_int_equal(t.whole.entries, TABLES * (ENTRIES - 1));
    walk_nodes(&t, &file, flip_lengths);
    assert_true(t.opened > 0);
    fw_buf_release(&file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_length_of_a_key_hides_nothing),
        cmocka_unit_test(a_short_key_does_not_end_the_looking),
    };

    fake_clock_init(&fake, START + DAYS * FW_DAY);
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1);
    return fixture_main(argc, argv, tests);
}
