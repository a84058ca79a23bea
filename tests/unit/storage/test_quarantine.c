/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_quarantine.c - a record of the journal that cannot be served: it is
 * kept, told and counted, and everything else is there.
 */
#include "storage/journal/quarantine.h"
#include "tests/support/fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/base/limits.h"
#include "storage/segments/sealer.h"
#include "storage/segments/verify.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define NOW ((fw_ms)1700000000000)
#define BATCH 50   /* samples of a series in a record */
#define RECORDS 4u /* the first defines series 0, the second series 1 */

static struct fake_clock fake;
static struct fw_err err;
static char dir[FW_PATH_BYTES];

static void add(struct fw_batch *batch, uint32_t id, uint32_t number,
                uint32_t from)
{
    for (uint32_t i = from; i < from + BATCH; i++)
        assert_int_equal(
            fw_batch_add(batch, id, NOW + (fw_ms)i * 1000, number * 1000 + i),
            FW_OK);
}

/* One record: series 0 always, series 1 from the second record on. */
static void write_record(struct fw_store *store, uint32_t k)
{
    struct fw_batch batch = {0};

    add(&batch, numbered_id(store, 0), 0, k * BATCH);
    if (k > 0)
        add(&batch, numbered_id(store, 1), 1, k * BATCH);
    assert_int_equal(fw_store_append(store, &batch, NULL, &err), FW_OK);
    fw_batch_release(&batch);
}

/* By a process that dies, so that there is a journal. */
static void make_folder(void)
{
    int status = 0;
    pid_t pid;

    (void)tmpdir_path(dir, sizeof(dir), tmpdir_new(), "data");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct fw_store *store = numbered_open(dir, &fake, false);

        for (uint32_t k = 0; k < RECORDS; k++)
            write_record(store, k);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

struct change {
    uint64_t seq;
    size_t at;
    bool signed_anew; /* the checksum is put right */
    char *bytes;      /* owned by the test: the record as it is now */
    size_t n;
};

static fw_rc change_in(void *self, struct lmdb_txn *txn, struct fw_err *e)
{
    struct change *c = self;
    char room[8];
    struct fw_str key = {room, sizeof(room)}, value;
    fw_rc rc;

    fw_put_be64(room, c->seq);
    rc = lmdb_get(txn, key, &value, e);
    if (rc != FW_OK)
        return rc;
    c->n = value.n;
    c->bytes = malloc(value.n);
    assert_non_null(c->bytes);
    memcpy(c->bytes, value.p, value.n);
    c->bytes[c->at < value.n ? c->at : value.n - 1] ^= 0x10;
    if (c->signed_anew)
        fw_put_le32(c->bytes + 4, fw_crc32c(c->bytes + 8, value.n - 8));
    return lmdb_put(txn, key, (struct fw_str){c->bytes, c->n}, e);
}

static void change_record(struct change *c)
{
    const struct lmdb_options options = {.map_bytes = (size_t)1 << 24};
    char path[FW_PATH_BYTES];
    struct lmdb_env *env = NULL;

    assert_int_equal(fw_path_join(path, dir, "journal", &err), FW_OK);
    assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
    assert_int_equal(lmdb_update(env, change_in, c, &err), FW_OK);
    (void)lmdb_close(env);
}

/* Bit k is set if the samples of record k are there, all and right. */
static unsigned records_of(struct fw_store *store, uint32_t number)
{
    uint32_t there[RECORDS] = {0};
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    unsigned bits = 0;
    fw_rc rc;

    assert_int_equal(fw_cursor_open(store, numbered_id(store, number),
                                    INT64_MIN, INT64_MAX, &cursor, &err),
                     FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++) {
            uint32_t k = (uint32_t)((run.t[i] - NOW) / 1000);

            assert_true(k < RECORDS * BATCH);
            assert_true(fw_double_bits(run.v[i]) ==
                        fw_double_bits((double)(number * 1000 + k)));
            there[k / BATCH]++;
        }
    assert_int_equal(rc, FW_END);
    fw_cursor_close(cursor);
    for (uint32_t k = 0; k < RECORDS; k++) {
        assert_true(there[k] == 0 || there[k] == BATCH);
        bits |= there[k] == BATCH ? 1u << k : 0;
    }
    return bits;
}

static const char *finding(struct fw_store *store, size_t i)
{
    char *const *v = NULL;
    size_t more = 0, n = fw_store_findings(store, &v, &more);

    assert_true(i < n);
    assert_int_equal(more, 0);
    return v[i];
}

static void assert_kept(const struct change *c)
{
    struct fw_buf bytes = FW_BUF_INIT((size_t)1 << 20);
    char name[96], path[2 * FW_PATH_BYTES];
    struct stat st;

    (void)snprintf(name, sizeof(name), "journal-%llu-%08x.rec",
                   (unsigned long long)c->seq, fw_crc32c(c->bytes, c->n));
    (void)snprintf(path, sizeof(path), "%s/" QUARANTINE_FOLDER "/%s", dir,
                   name);
    assert_int_equal(fw_file_read(path, &bytes, &err), FW_OK);
    assert_int_equal(bytes.len, c->n);
    assert_memory_equal(bytes.data, c->bytes, c->n);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    fw_buf_release(&bytes);
}

static void count_finding(void *self, const char *sentence)
{
    if (strstr(sentence, QUARANTINE_FOLDER) != NULL)
        ++*(unsigned *)self;
}

static void a_bad_record_is_kept_and_the_rest_served(void **state)
{
    /* In the middle, and at the tail, which is no different. */
    static const uint64_t seqs[] = {3, RECORDS};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct change c = {.seq = seqs[i], .at = 100};
        unsigned left = 0xF & ~(1u << (seqs[i] - 1));
        struct fw_store_stats stats;
        struct verify_totals totals;
        struct fw_store *store;
        unsigned named = 0;

        make_folder();
        change_record(&c);
        store = numbered_open(dir, &fake, true);
        assert_non_null(strstr(finding(store, 0), "checksum"));
        fw_store_close(store);
        for (int round = 0; round < 2; round++) {
            store = numbered_open(dir, &fake, false);
            assert_int_equal(records_of(store, 0), left);
            assert_int_equal(records_of(store, 1), left & 0xE);
            fw_store_stats(store, &stats);
            assert_int_equal(stats.quarantine_files, 1);
            assert_int_equal(stats.quarantine_bytes, c.n);
            assert_kept(&c);
            assert_int_equal(
                verify_store(store, count_finding, &named, &totals, &err),
                FW_OK);
            assert_true(named > 0);
            if (round == 0) {
                assert_int_equal(stats.records_bad, 1);
                assert_int_equal(stats.corrupt_found, 1);
                assert_non_null(strstr(finding(store, 0), "journal-"));
                assert_non_null(strstr(finding(store, 0), "samples"));
            }
            fw_store_close(store); /* clean: the journal goes, the copy stays */
        }
        free(c.bytes);
        tmpdir_remove(dir);
    }
}

/* The record that says who series 0 is cannot be read; those behind it can. */
static void samples_of_a_lost_series_are_nobodys(void **state)
{
    struct change c = {.seq = 1, .at = 100};
    struct fw_store_stats stats;
    struct fw_store *store;
    uint32_t other;
    int status = 0;
    pid_t pid;

    (void)state;
    make_folder();
    change_record(&c);
    /* A new series comes, and the process dies before anything is sealed. */
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct fw_batch batch = {0};

        store = numbered_open(dir, &fake, false);
        assert_int_equal(records_of(store, 1), 0xE);
        add(&batch, numbered_id(store, 5), 5, 0);
        assert_int_equal(fw_store_append(store, &batch, NULL, &err), FW_OK);
        assert_int_equal(sealer_run(store->sealer, SEAL_FULL, &err), FW_OK);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    store = numbered_open(dir, &fake, false);
    fw_store_stats(store, &stats);
    assert_int_equal(stats.records_bad, RECORDS);
    assert_int_equal(stats.quarantine_files, RECORDS);
    assert_non_null(strstr(finding(store, 1), "defined nowhere"));
    assert_int_equal(records_of(store, 1), 0xE);
    assert_int_equal(records_of(store, 5), 1);
    assert_int_equal(records_of(store, 0), 0);
    other = numbered_id(store, 0);
    assert_int_not_equal(other, numbered_id(store, 5));
    assert_int_not_equal(other, numbered_id(store, 1));
    fw_store_close(store);
    free(c.bytes);
}

/* Its checksum is right, and it stands where another one belongs. */
static void a_record_at_anothers_place_is_not_served(void **state)
{
    struct change c = {.seq = 2, .at = 8, .signed_anew = true};
    struct fw_store *store;

    (void)state;
    make_folder();
    change_record(&c);
    store = numbered_open(dir, &fake, false);
    assert_int_equal(records_of(store, 0), 0xD);
    assert_kept(&c);
    fw_store_close(store);
    free(c.bytes);
}

static void what_does_not_fit_is_counted(void **state)
{
    struct change c = {.seq = 2, .at = 100};
    char path[2 * FW_PATH_BYTES];
    struct fw_store_stats stats;
    struct fw_store *store;

    (void)state;
    make_folder();
    change_record(&c);
    (void)snprintf(path, sizeof(path), "%s/" QUARANTINE_FOLDER, dir);
    assert_int_equal(mkdir(path, 0750), 0);
    for (unsigned i = 0; i < FW_MAX_QUARANTINE_FILES; i++) {
        int fd;

        (void)snprintf(path, sizeof(path), "%s/" QUARANTINE_FOLDER "/%u", dir,
                       i);
        fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    store = numbered_open(dir, &fake, false);
    fw_store_stats(store, &stats);
    /* The record, and those behind it whose series it defined. */
    assert_true(stats.quarantine_refused > 0);
    assert_int_equal(stats.quarantine_refused, stats.records_bad);
    assert_int_equal(stats.quarantine_files, FW_MAX_QUARANTINE_FILES);
    assert_non_null(strstr(finding(store, 0), "full"));
    assert_int_equal(records_of(store, 0), 0xD);
    fw_store_close(store);
    free(c.bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_record_is_kept_and_the_rest_served),
        cmocka_unit_test(samples_of_a_lost_series_are_nobodys),
        cmocka_unit_test(a_record_at_anothers_place_is_not_served),
        cmocka_unit_test(what_does_not_fit_is_counted),
    };

    fake_clock_init(&fake, NOW + FW_DAY);
    return fixture_main(argc, argv, tests);
}
