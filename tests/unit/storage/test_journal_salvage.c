/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_journal_salvage.c - the file of the journal is damaged in all ways: the
 * folder opens, what is served is right, what is missing is told, the damaged
 * file is kept; and wherever that is cut off, the next start does the same.
 */
#include "storage/journal/journal_salvage.h"
#include "tests/support/fault.h"
#include "tests/support/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/lmdb/lmdb_check.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define NOW ((fw_ms)1700000000000)
#define SERIES 3u
#define ROUNDS 12u /* each a record; every third is a small one */
#define MANY 300u  /* samples of a series in a large one: some pages */
#define FLIPS 150
#define PAGE 4096u
#define PATH_ROOM 4096

static struct fake_clock fake;
static struct fw_err err;
static char data[PATH_ROOM];  /* as it was left by a process that died */
static char trial[PATH_ROOM]; /* a copy, to be damaged */
static char file[PATH_ROOM + 32];
static size_t file_bytes;
static uint32_t written; /* times of each series */

static uint64_t value_of(uint32_t series, uint32_t k)
{
    struct synth_rng rng = synth_seed(series * 100000 + k);

    return fw_double_bits((double)(synth_u64(&rng) >> 12));
}

static void write_round(struct fw_store *store, uint32_t *at, uint32_t n)
{
    struct fw_batch batch = {0};

    for (uint32_t series = 0; series < SERIES; series++)
        for (uint32_t k = *at; k < *at + n; k++)
            assert_int_equal(
                fw_batch_add(&batch, numbered_id(store, series),
                             NOW + (fw_ms)k * 10,
                             fw_double_of_bits(value_of(series, k))),
                FW_OK);
    assert_int_equal(fw_store_append(store, &batch, NULL, &err), FW_OK);
    fw_batch_release(&batch);
    *at += n;
}

static uint32_t write_all(struct fw_store *store, bool seal)
{
    uint32_t at = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        write_round(store, &at, round % 3 == 2 ? 2 : MANY);
        if (seal && round == 3)
            assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    }
    return at;
}

static void copy_folder(void)
{
    char command[3 * PATH_ROOM + 64];

    (void)snprintf(command, sizeof(command), "rm -rf %s && cp -r %s %s", trial,
                   data, trial);
    assert_int_equal(system(command), 0);
}

/* By a process that dies; `seal`: the older part is in blocks by then. */
static void make_folder(bool seal)
{
    const char *dir = tmpdir_new();
    struct stat st;
    int status = 0;
    pid_t pid;

    (void)tmpdir_path(data, sizeof(data), dir, "data");
    (void)tmpdir_path(trial, sizeof(trial), dir, "data");
    written = ROUNDS / 3 * (2 * MANY + 2);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(write_all(numbered_open(trial, &fake, false), seal) == written
                  ? 0
                  : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    (void)tmpdir_path(trial, sizeof(trial), dir, "trial");
    (void)snprintf(file, sizeof(file), "%s/journal/data.mdb", data);
    assert_int_equal(stat(file, &st), 0);
    file_bytes = (size_t)st.st_size;
    (void)snprintf(file, sizeof(file), "%s/journal/data.mdb", trial);
}

/* How many samples there are, each of them right and once. */
static uint32_t count(struct fw_store *store)
{
    uint32_t n = 0;

    for (uint32_t series = 0; series < SERIES; series++) {
        struct fw_cursor *cursor = NULL;
        struct fw_run run = {0};
        fw_ms last = INT64_MIN;
        fw_rc rc;

        assert_int_equal(fw_cursor_open(store, numbered_id(store, series),
                                        INT64_MIN, INT64_MAX, &cursor, &err),
                         FW_OK);
        while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
            for (size_t i = 0; i < run.n; i++, n++) {
                uint32_t k = (uint32_t)((run.t[i] - NOW) / 10);

                assert_true(run.t[i] > last && k < written);
                assert_true(fw_double_bits(run.v[i]) == value_of(series, k));
                last = run.t[i];
            }
        assert_int_equal(rc, FW_END);
        fw_cursor_close(cursor);
    }
    return n;
}

static size_t kept_files(void)
{
    char path[PATH_ROOM + 32];
    struct dirent *entry;
    size_t n = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/quarantine", trial);
    d = opendir(path);
    while (d != NULL && (entry = readdir(d)) != NULL)
        n += strstr(entry->d_name, "journal-data-") == entry->d_name ? 1 : 0;
    if (d != NULL)
        (void)closedir(d);
    return n;
}

/* Opens what is damaged; answers how many samples are missing, all told. */
static uint32_t look(const char *what)
{
    uint32_t all = SERIES * written, there, again;
    struct fw_store_stats stats;
    struct fw_store *store = NULL;
    bool hides = false, broken;

    broken = lmdb_check_file(file, false, &hides, &err) == FW_ECORRUPT;
    if (numbered_try(trial, &fake, false, &store, &err) != FW_OK)
        fail_msg("%s: it does not open: %s", what, err.text);
    there = count(store);
    fw_store_stats(store, &stats);
    if (there < all && stats.corrupt_found == 0)
        fail_msg("%s: %u samples are missing, and not a word", what,
                 all - there);
    if (broken && (stats.salvages != 1 || kept_files() != 1))
        fail_msg("%s: the damaged file is not kept", what);
    fw_store_close(store);
    store = numbered_open(trial, &fake, true);
    again = count(store);
    fw_store_close(store);
    if (again != there)
        fail_msg("%s: %u samples, and then %u", what, there, again);
    return all - there;
}

static void damage(size_t at, const void *bytes, size_t n)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, (off_t)at), n);
    (void)close(fd);
}

static void zero_page(size_t page)
{
    static const char zeros[PAGE];

    damage(page * PAGE, zeros, PAGE);
}

static void a_page_that_is_gone_costs_its_records(void **state)
{
    uint32_t most = 0, least = UINT32_MAX;
    char what[64];

    (void)state;
    for (int seal = 0; seal < 2; seal++) {
        make_folder(seal == 1);
        for (size_t page = 0; page < file_bytes / PAGE; page++) {
            uint32_t lost;

            copy_folder();
            zero_page(page);
            (void)snprintf(what, sizeof(what), "page %zu of zeros", page);
            lost = look(what);
            most = lost > most ? lost : most;
            least = lost < least ? lost : least;
        }
        tmpdir_remove(data);
    }
    assert_int_equal(least, 0);
    assert_true(most > 0);
    /* But the leaf, which has small records and says how long others are. */
    assert_true(most <= SERIES * written);
}

static void a_flipped_bit_costs_a_record_at_most(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    char what[64];

    (void)state;
    make_folder(false);
    for (int i = 0; i < FLIPS; i++) {
        size_t at = synth_u64(&rng) % file_bytes;
        unsigned char byte;
        int fd;

        if (i % 2 == 0) /* where pages and their headers begin */
            at = at / PAGE * PAGE + at % 64;
        copy_folder();
        fd = open(file, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        (void)close(fd);
        byte ^= (unsigned char)(1u << (synth_u64(&rng) % 8));
        damage(at, &byte, 1);
        (void)snprintf(what, sizeof(what), "a bit of byte %zu", at);
        /* The first one names the series, without which nothing has a place. */
        if (look(what) > SERIES * MANY)
            assert_true(written > MANY);
    }
}

static void a_cut_file_costs_what_was_behind(void **state)
{
    uint32_t least = UINT32_MAX;
    char what[64];

    (void)state;
    make_folder(false);
    for (size_t bytes = 0; bytes < file_bytes; bytes += PAGE / 2) {
        uint32_t lost;

        copy_folder();
        assert_int_equal(truncate(file, (off_t)bytes), 0);
        (void)snprintf(what, sizeof(what), "cut to %zu bytes", bytes);
        lost = look(what);
        least = lost < least ? lost : least;
    }
    assert_true(least < SERIES * written);
}

/* What was deleted and trimmed is still in free pages, and stays away. */
static void deleted_samples_stay_away(void **state)
{
    struct fw_matcher all = {FW_MATCH_REGEX, FW_STR("n"), FW_STR(".+")};
    struct fw_store_stats stats;
    struct fw_store *store;
    uint64_t hit = 0;
    int status = 0;
    pid_t pid;

    (void)state;
    make_folder(false);
    copy_folder();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        uint32_t at = written;

        store = numbered_open(trial, &fake, false);
        assert_int_equal(
            fw_store_delete(store, &all, 1, INT64_MIN, INT64_MAX, &hit, &err),
            FW_OK);
        assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
        write_round(store, &at, 1); /* which trims what is not needed */
        assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
        write_round(store, &at, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    written += 2;
    zero_page(0);
    zero_page(1);
    store = numbered_open(trial, &fake, false);
    fw_store_stats(store, &stats);
    assert_int_equal(stats.salvages, 1);
    assert_int_equal(stats.records_lost, 0);
    assert_int_equal(count(store), 2 * SERIES);
    fw_store_close(store);
}

static void numbers_never_come_again(void **state)
{
    struct fw_store *store;
    uint64_t next;

    (void)state;
    make_folder(false);
    copy_folder();
    assert_int_equal(truncate(file, 2 * PAGE), 0);
    store = numbered_open(trial, &fake, false);
    next = store->journal.next_seq;
    assert_true(next > ROUNDS);
    fw_store_close(store);
}

static void a_reader_is_told_who_can_help(void **state)
{
    struct fw_store *store = NULL;

    (void)state;
    make_folder(false);
    copy_folder();
    zero_page(0);
    assert_int_equal(numbered_try(trial, &fake, true, &store, &err),
                     FW_ECORRUPT);
    assert_non_null(strstr(err.text, "start a server"));
}

/* From the n-th call on nothing reaches the disk: as if the process died. */
static void cut_off_anywhere_it_is_done_again(void **state)
{
    uint32_t want;
    uint64_t nth;

    (void)state;
    make_folder(false);
    copy_folder();
    zero_page(0);
    want = SERIES * written - look("undisturbed");
    assert_true(want > 0);
    for (nth = 1; nth < 200; nth++) {
        struct fw_store *store = NULL;
        bool given;
        fw_rc rc;

        copy_folder();
        zero_page(0);
        fault_disk(FAULT_DISK, nth, FAULT_FOREVER, EIO);
        rc = numbered_try(trial, &fake, false, &store, &err);
        if (rc == FW_OK)
            assert_int_equal(count(store), want);
        given = fault_end();
        fw_store_close(store);
        store = numbered_open(trial, &fake, false);
        assert_int_equal(count(store), want);
        assert_int_equal(kept_files(), 1);
        fw_store_close(store);
        if (!given)
            break;
    }
    assert_in_range(nth, 10, 199);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_is_gone_costs_its_records),
        cmocka_unit_test(a_flipped_bit_costs_a_record_at_most),
        cmocka_unit_test(a_cut_file_costs_what_was_behind),
        cmocka_unit_test(deleted_samples_stay_away),
        cmocka_unit_test(numbers_never_come_again),
        cmocka_unit_test(a_reader_is_told_who_can_help),
        cmocka_unit_test(cut_off_anywhere_it_is_done_again),
    };

    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1);
    fake_clock_init(&fake, NOW + FW_DAY);
    return fixture_main(argc, argv, tests);
}
