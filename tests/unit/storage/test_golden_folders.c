/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_golden_folders.c - whole data folders, written by the programs of each
 * format version, are opened and read for ever.
 *
 * tests/golden/folders/NAME.tar.gz holds data/ and expected.txt, which the
 * writer made from what it had sent, not from what it read back:
 *
 *     series LABELS            as fw_labels_print() has them
 *      TIME BITS               milliseconds; the float64 in hexadecimal
 *     row FIRST LAST N MIN MAX SUM FIRST LAST INCREASE     of whole numbers:
 *                              an hour of the series whose samples are gone
 *     kv TABLE KEY VALUE       in hexadecimal, "-" where empty
 *
 * This program is also the writer: with FW_GOLDEN_MAKE=DIR in the environment
 * it fills DIR/data and DIR/expected.txt and ends without closing the store
 * (FW_GOLDEN_CLOSE=1: closes it well). make.sh beside the folders packs them.
 */
#include "tests/support/fixture.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/buf.h"
#include "storage/base/bytes.h"
#include "storage/segments/rollup.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define FOLDER "tests/golden/folders"
#define NOW ((fw_ms)1700000000000) /* 2023-11-14T22:13:20Z */
#define CENTURY (36525 * FW_DAY)
#define PATH_ROOM 8192

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = false,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .rollup_retention = INT64_MAX,
                                       .rollup_lead = INT64_MAX,
                                       .max_future = 3 * CENTURY,
                                       .ooo_window = 3 * CENTURY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    options.create = getenv("FW_GOLDEN_MAKE") != NULL;
    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

/* ---- The writer
 * ---------------------------------------------------------------
 */

struct writer {
    struct fw_store *store;
    FILE *expected;
    struct fw_label labels[3];
    size_t label_count;
    uint32_t id;
    struct fw_batch batch;
};

static void must(fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s", err.text);
}

static void flush(struct writer *w)
{
    struct fw_append_result result = {0};

    if (w->batch.n == 0)
        return;
    must(fw_store_append(w->store, &w->batch, &result, &err));
    assert_int_equal(result.rc, FW_OK);
}

/* From here on samples are of this series; each series is written once. */
static void series(struct writer *w, const char *name, const char *label,
                   const char *value)
{
    struct fw_buf text = FW_BUF_INIT(4096);
    struct fw_labels set = {w->labels, 0};
    size_t n = 0;

    flush(w);
    w->labels[n++] = (struct fw_label){FW_STR(FW_METRIC_NAME), fw_str_of(name)};
    w->labels[n++] = (struct fw_label){fw_str_of(label), fw_str_of(value)};
    must(fw_labels_canonical(w->labels, &n, &err));
    set.n = n;
    must(fw_store_series(w->store, &set, &w->id, &err));
    must(fw_labels_print(&text, &set));
    fprintf(w->expected, "series %.*s\n", (int)text.len, text.data);
    fw_buf_release(&text);
}

static void sample(struct writer *w, fw_ms t, double v)
{
    must(fw_batch_add(&w->batch, w->id, t, v));
    fprintf(w->expected, " %" PRId64 " %016" PRIx64 "\n", t, fw_double_bits(v));
}

/* The second value of a time is refused, and no harm done. */
static void conflict(struct writer *w, fw_ms t, double v)
{
    flush(w);
    must(fw_batch_add(&w->batch, w->id, t, v));
    flush(w);
}

static void write_shapes(struct writer *w, const char *part, fw_ms from)
{
    struct synth_rng rng = synth_seed(7);
    double walk = 20;

    series(w, "constant", "part", part);
    for (int i = 0; i < 560; i++)
        sample(w, from + i * 15000, 1);
    series(w, "decimal", "part", part);
    for (int i = 0; i < 560; i++) {
        walk += (double)(synth_u64(&rng) % 21) - 10;
        sample(w, from + i * 15000, walk / 10);
    }
    series(w, "counter", "part", part);
    for (int i = 0; i < 560; i++)
        sample(w, from + i * 15000 + (int64_t)(synth_u64(&rng) % 9),
               (double)(i % 300 * 13));
    series(w, "noise", "part", part);
    for (int i = 0; i < 90; i++)
        sample(w, from + i * 1000,
               fw_double_of_bits(synth_u64(&rng) & ~(1ull << 62)));
    conflict(w, from + 1000, 4711);
}

static void write_odd(struct writer *w, const char *part, fw_ms from)
{
    static const uint64_t bits[] = {FW_STALE_BITS,
                                    0x7ff8000000000001u,
                                    0xfff8000000000042u,
                                    0x8000000000000000u,
                                    0,
                                    0x7ff0000000000000u,
                                    0xfff0000000000000u,
                                    1,
                                    0x800fffffffffffffu,
                                    0x7fefffffffffffffu,
                                    0x0010000000000000u,
                                    0x3fb999999999999au,
                                    0x7ff7ffffffffffffu};

    series(w, "odd values", "part", part);
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        sample(w, from + (fw_ms)i, fw_double_of_bits(bits[i]));
    series(w, "far times", "part", part);
    sample(w, -CENTURY, 1);
    sample(w, -1, 2);
    sample(w, 0, 3);
    sample(w, from, 4);
    sample(w, NOW + CENTURY, 5);
    sample(w, NOW + 2 * CENTURY, 6);
    series(w, "\xce\xb1\xce\xb2 \"quoted\" \\", "l\xc3\xa4ngs", part);
    sample(w, from, 0.1);
}

static void write_many(struct writer *w, const char *part, fw_ms from)
{
    for (int i = 0; i < 520; i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%s-%d", part, i);
        series(w, "churned", "pod", text);
        sample(w, from + i, i);
    }
}

static void put(struct writer *w, struct fw_txn *txn, const char *table,
                const char *key, const char *value)
{
    must(fw_txn_put(txn, table, fw_str_of(key), fw_str_of(value), &err));
    fprintf(w->expected, "kv %s ", table);
    for (; *key != '\0'; key++)
        fprintf(w->expected, "%02x", (unsigned)*key & 0xffu);
    fputs(*value == '\0' ? " -" : " ", w->expected);
    for (; *value != '\0'; value++)
        fprintf(w->expected, "%02x", (unsigned)*value & 0xffu);
    fputc('\n', w->expected);
}

static void write_tables(struct writer *w)
{
    struct fw_txn *txn = NULL;

    must(fw_txn_begin(w->store, true, &txn, &err));
    for (int i = 0; i < 150; i++) {
        char key[32], value[64];

        (void)snprintf(key, sizeof(key), "key %03d", i);
        (void)snprintf(value, sizeof(value), "%0*d", 1 + i % 60, i);
        put(w, txn, i % 3 == 0 ? "ledger" : "outbox", key, value);
    }
    put(w, txn, "empty", "k", "");
    must(fw_txn_put(txn, "ledger", FW_STR("gone"), FW_STR("x"), &err));
    must(fw_txn_commit(txn, &err));
    must(fw_txn_begin(w->store, true, &txn, &err));
    must(fw_txn_delete(txn, "ledger", FW_STR("gone"), &err));
    must(fw_txn_commit(txn, &err));
}

/* A series of which a part is deleted again; only what is left is expected. */
static void write_deleted(struct writer *w, const char *part, fw_ms from)
{
    struct fw_matcher matcher = {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME),
                                 FW_STR("deleted")};
    uint64_t count = 0;

    series(w, "deleted", "part", part);
    for (int i = 0; i < 40; i++)
        if (i >= 10 && i < 30)
            must(fw_batch_add(&w->batch, w->id, from + i, i));
        else
            sample(w, from + i, i);
    flush(w);
    must(fw_store_delete(w->store, &matcher, 1, from + 10, from + 29, &count,
                         &err));
    assert_true(count > 0);
}

/* Samples [0, n) of the hour that ends at `end`, and its row. */
static void write_hour(struct writer *w, fw_ms end, int n)
{
    int min = INT_MAX, max = 0, sum = 0, increase = 0, before = 0, first = 0;

    for (int i = 0; i < n; i++) {
        int v = i * 37 % 101;

        must(fw_batch_add(&w->batch, w->id, end - (n - 1 - i) * 60000, v));
        first = i == 0 ? v : first;
        min = v < min ? v : min;
        max = v > max ? v : max;
        sum += v;
        increase += i == 0 ? 0 : v >= before ? v - before : v;
        before = v;
    }
    fprintf(w->expected, "row %" PRId64 " %" PRId64 " %d %d %d %d %d %d %d\n",
            end - (n - 1) * 60000, end, n, min, max, sum, first, before,
            increase);
}

static void drop_closed(struct fw_store *store)
{
    struct partition **list = NULL;
    size_t count = 0;

    (void)pthread_mutex_lock(&store->quiet);
    must(manifest_list(&store->manifest, &list, &count));
    for (size_t i = 0; i < count; i++)
        if (atomic_load(&list[i]->kind) == PARTITION_CLOSED) {
            head_forget_part(&store->head, list[i]->index);
            must(manifest_drop(&store->manifest, list[i], &err));
        }
    manifest_list_free(list, count);
    rollup_look(store);
    (void)pthread_mutex_unlock(&store->quiet);
}

static void write_summarised(struct writer *w)
{
    fw_ms from = (NOW - 400 * FW_DAY) / FW_HOUR * FW_HOUR;

    for (int s = 0; s < 3; s++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%d", s);
        series(w, "summarised", "number", name);
        for (int hour = 1; hour <= 40; hour++)
            write_hour(w, from + hour * FW_HOUR, 20 + s);
    }
    flush(w);
    must(fw_store_compact(w->store, NULL, &err));
    drop_closed(w->store);
}

static _Noreturn void make(const char *dir)
{
    char path[PATH_ROOM];
    struct writer w = {0};

    w.expected =
        fopen(tmpdir_path(path, sizeof(path), dir, "expected.txt"), "w");
    assert_non_null(w.expected);
    fputs("# what was written, series by series\n", w.expected);
    w.store = open_store(tmpdir_path(path, sizeof(path), dir, "data"), false);
    write_summarised(&w);
    write_shapes(&w, "sealed", NOW - 2 * FW_DAY);
    write_odd(&w, "sealed", NOW - 2 * FW_DAY);
    write_many(&w, "sealed", NOW - 2 * FW_DAY);
    flush(&w);
    write_deleted(&w, "closed", NOW - 2 * FW_DAY);
    must(fw_store_compact(w.store, NULL, &err));
    write_tables(&w);
    write_shapes(&w, "half", NOW - FW_DAY);
    flush(&w);
    must(sealer_run(w.store->sealer, SEAL_FULL, &err));
    write_shapes(&w, "head", NOW - FW_DAY);
    write_odd(&w, "head", NOW - FW_DAY);
    flush(&w);
    must(sealer_run(w.store->sealer, SEAL_RING, &err));
    write_deleted(&w, "tombstone", NOW - FW_DAY);
    write_shapes(&w, "journal", NOW - FW_DAY);
    write_odd(&w, "journal", NOW - FW_DAY);
    write_many(&w, "journal", NOW - 2 * FW_DAY);
    flush(&w);
    if (fclose(w.expected) != 0)
        fail_msg("expected.txt cannot be written");
    if (getenv("FW_GOLDEN_CLOSE") != NULL)
        fw_store_close(w.store);
    _exit(0);
}

/* ---- The reader
 * ---------------------------------------------------------------
 */

/* Reads the lines of a series and compares them with what the store has. */
static void check_series(struct fw_store *store, const struct fw_series *s,
                         const char *lines, size_t *samples)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    const char *at = lines;
    fw_rc rc;

    must(fw_cursor_open(store, s->id, INT64_MIN, INT64_MAX, &cursor, &err));
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++) {
            char *end = NULL;

            assert_int_equal(*at, ' '); /* else: more than was written */
            if (strtoll(at, &end, 10) != run.t[i] ||
                strtoull(end, &end, 16) != fw_double_bits(run.v[i]))
                fail_msg("found %" PRId64 " %016" PRIx64 ", not%.60s", run.t[i],
                         fw_double_bits(run.v[i]), at);
            assert_int_equal(*end, '\n');
            at = end + 1;
            ++*samples;
        }
    if (rc != FW_END)
        fail_msg("%s", err.text);
    fw_cursor_close(cursor);
    assert_int_not_equal(*at, ' '); /* else: less than was written */
}

/* The rows that stand behind the line of a series. */
static void check_rows(struct fw_store *store, const struct fw_series *s,
                       const char *lines)
{
    const struct fw_summary *rows = NULL;
    struct fw_rollups *rollups = NULL;
    size_t n = 0;

    must(fw_rollups_open(store, &rollups, &err));
    must(
        fw_rollups_read(rollups, s->id, INT64_MIN, INT64_MAX, &rows, &n, &err));
    for (size_t i = 0; i < n; i++) {
        char text[200];
        int length =
            snprintf(text, sizeof(text),
                     "row %" PRId64 " %" PRId64 " %u %g %g %g %g %g %g\n",
                     rows[i].t_first, rows[i].t_last, rows[i].n, rows[i].min,
                     rows[i].max, rows[i].sum, rows[i].first, rows[i].last,
                     rows[i].increase);

        if (strncmp(lines, text, (size_t)length) != 0)
            fail_msg("found %s not %.80s", text, lines);
        lines += length;
    }
    assert_int_not_equal(strncmp(lines, "row ", 4), 0);
    fw_rollups_close(rollups);
}

static void check_all_series(struct fw_store *store, const char *expected)
{
    struct fw_matcher any = {FW_MATCH_DIFFERS, FW_STR(FW_METRIC_NAME),
                             FW_STR("")};
    struct fw_arena *arena = fw_arena_new(64 << 20);
    struct fw_series *found = NULL;
    size_t count = 0, samples = 0, expected_count = 0;

    must(fw_store_select(store, &any, 1, INT64_MIN, INT64_MAX, 100000, arena,
                         &found, &count, &err));
    for (const char *at = expected; (at = strstr(at, "\nseries ")) != NULL;
         at++)
        expected_count++;
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        struct fw_buf text = FW_BUF_INIT(4096);
        const char *at;

        must(fw_buf_add(&text, "\nseries ", 8));
        must(fw_labels_print(&text, &found[i].labels));
        must(fw_buf_add(&text, "\n", 2)); /* and its NUL */
        at = strstr(expected, text.data);
        if (at == NULL)
            fail_msg("nobody wrote %s", text.data);
        check_series(store, &found[i], at + text.len - 1, &samples);
        if (strncmp(at + text.len - 1, "row ", 4) == 0)
            check_rows(store, &found[i], at + text.len - 1);
        fw_buf_release(&text);
    }
    assert_true(samples > 4000);
    fw_arena_free(arena);
}

static size_t unhex(const char *text, size_t n, char *out)
{
    if (n == 1 && *text == '-')
        return 0;
    for (size_t i = 0; i < n / 2; i++) {
        char two[3] = {text[2 * i], text[2 * i + 1], '\0'};

        out[i] = (char)strtoul(two, NULL, 16);
    }
    return n / 2;
}

static bool count_key(void *self, struct fw_str key, struct fw_str value)
{
    (void)key;
    (void)value;
    ++*(size_t *)self;
    return true;
}

static void check_tables(struct fw_store *store, const char *expected)
{
    static const char *const tables[] = {"ledger", "outbox", "empty"};
    struct fw_txn *txn = NULL;
    size_t lines = 0, keys = 0;

    must(fw_txn_begin(store, false, &txn, &err));
    for (const char *at = expected; (at = strstr(at, "\nkv ")) != NULL; at++) {
        char table[40], key[200], value[200], k[100], v[100];
        struct fw_str got = {0};
        size_t n;

        assert_int_equal(sscanf(at, "\nkv %39s %199s %199s", table, key, value),
                         3);
        n = unhex(key, strlen(key), k);
        must(fw_txn_get(txn, table, (struct fw_str){k, n}, &got, &err));
        n = unhex(value, strlen(value), v);
        assert_int_equal(got.n, n);
        assert_memory_equal(got.p, v, n);
        lines++;
    }
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        must(fw_txn_scan(txn, tables[i], FW_STR(""), count_key, &keys, &err));
    fw_txn_abort(txn);
    assert_true(lines > 0);
    assert_int_equal(keys, lines);
}

static void check_folder(const char *dir, const char *expected, bool read_only)
{
    struct fw_store *store = open_store(dir, read_only);
    struct fw_store_stats stats;

    check_all_series(store, expected);
    check_tables(store, expected);
    fw_store_stats(store, &stats);
    assert_int_equal(stats.corrupt_found, 0);
    fw_store_close(store);
}

/* It takes new samples, and has both after it was closed. */
static void write_to(const char *dir)
{
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("new")}};
    struct fw_labels labels = {v, 1};
    struct fw_append_result result = {0};
    struct fw_store *store = open_store(dir, false);
    struct fw_batch batch = {0};
    uint32_t id = 0;

    must(fw_store_series(store, &labels, &id, &err));
    must(fw_batch_add(&batch, id, NOW, 1));
    must(fw_store_append(store, &batch, &result, &err));
    assert_int_equal(result.stored, 1);
    must(sealer_run(store->sealer, SEAL_ALL, &err));
    fw_store_close(store);
}

static void check_archive(const char *name)
{
    char command[PATH_ROOM], path[PATH_ROOM];
    const char *dir = tmpdir_new();
    struct fw_buf expected = FW_BUF_INIT(64 << 20);

    (void)snprintf(command, sizeof(command),
                   "tar -xzf " FOLDER "/%s -C %s --no-same-owner", name, dir);
    if (system(command) != 0)
        fail_msg("%s cannot be unpacked", name);
    print_message("%s\n", name);
    must(fw_file_read(tmpdir_path(path, sizeof(path), dir, "expected.txt"),
                      &expected, &err));
    must(fw_buf_add(&expected, "", 1));
    (void)tmpdir_path(path, sizeof(path), dir, "data");
    check_folder(path, expected.data, true);
    check_folder(path, expected.data, false); /* closing it rewrites much */
    check_folder(path, expected.data, true);
    write_to(path);
    fw_buf_release(&expected);
    tmpdir_remove(dir);
}

static void folders_of_every_version_are_read(void **state)
{
    DIR *d = opendir(FOLDER);
    struct dirent *entry;
    int archives = 0;

    (void)state;
    assert_non_null(d);
    while ((entry = readdir(d)) != NULL)
        if (strstr(entry->d_name, ".tar.gz") != NULL) {
            check_archive(entry->d_name);
            archives++;
        }
    (void)closedir(d);
    assert_true(archives >= 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_of_every_version_are_read),
    };
    const char *made = getenv("FW_GOLDEN_MAKE");

    fake_clock_init(&fake, NOW);
    if (made != NULL)
        make(made);
    return fixture_main(argc, argv, tests);
}
