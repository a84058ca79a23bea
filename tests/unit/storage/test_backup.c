/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
/*
 * test_backup.c - a copy made while the store is written is the store at one
 * moment, and what is not a whole copy is refused.
 */
#include "tests/support/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/backup/backup_list.h"
#include "storage/base/file.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define NOW ((fw_ms)1700000000000)
#define BATCH 40
#define SERIES 5 /* BATCH samples make one record of BATCH / SERIES each */
#define BACKUPS 6

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

/* Commits record number `record`, from 1; half a day is two thousand. */
static fw_rc send(struct fw_store *store, uint64_t record)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    fw_rc rc = FW_OK;

    for (uint32_t i = 0; i < BATCH && rc == FW_OK; i++) {
        uint64_t k = (record - 1) * (BATCH / SERIES) + i / SERIES;
        uint32_t id = 0;

        rc = numbered_series(store, i % SERIES, &id, &err);
        if (rc == FW_OK)
            rc = fw_batch_add(&batch, id, NOW + (fw_ms)k * 20000, (double)k);
    }
    if (rc == FW_OK)
        rc = fw_store_append(store, &batch, &result, &err);
    fw_batch_release(&batch);
    return rc;
}

/* Each series has the samples of records 1 to `records`, no other. */
static void check_store(struct fw_store *store, uint64_t records)
{
    for (uint32_t series = 0; series < SERIES; series++) {
        struct fw_cursor *cursor = NULL;
        struct fw_run run = {0};
        uint64_t k = 0;
        uint32_t id = 0;
        fw_rc rc;

        if (records == 0 && numbered_series(store, series, &id, &err) != FW_OK)
            continue;
        assert_int_equal(numbered_series(store, series, &id, &err), FW_OK);
        assert_int_equal(
            fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, &err),
            FW_OK);
        while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
            for (size_t i = 0; i < run.n; i++, k++) {
                assert_true(run.t[i] == NOW + (fw_ms)k * 20000);
                assert_true(run.v[i] == (double)k);
            }
        if (rc != FW_END)
            fail_msg("%s", err.text);
        fw_cursor_close(cursor);
        assert_int_equal(k, records * (BATCH / SERIES));
    }
}

static void check_folder(const char *dir, uint64_t records)
{
    struct fw_store *store = open_store(dir, true);

    check_store(store, records);
    fw_store_close(store);
}

/* A store of that many records, some of them in partitions; left open. */
static struct fw_store *make_store(const char *dir, uint64_t records)
{
    struct fw_store *store = open_store(dir, false);

    for (uint64_t i = 1; i <= records; i++) {
        assert_int_equal(send(store, i), FW_OK);
        if (i == records / 2)
            assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    }
    return store;
}

/* ---- While it is written
 * ------------------------------------------------------
 */

struct writing {
    struct fw_store *store;
    atomic_bool stop;
    _Atomic uint64_t acknowledged;
};

static void *write_on(void *self)
{
    struct writing *w = self;

    for (uint64_t i = 1; !atomic_load(&w->stop); i++) {
        if (send(w->store, i) != FW_OK)
            abort();
        atomic_store(&w->acknowledged, i);
        if (i % 50 == 0 &&
            sealer_run(w->store->sealer, i % 200 == 0 ? SEAL_ALL : SEAL_RING,
                       &err) != FW_OK)
            abort();
    }
    return NULL;
}

static void a_copy_is_the_store_at_one_moment(void **state)
{
    const char *dir = tmpdir_new();
    struct writing w = {.store = open_store(dir, false)};
    char to[8192], back[8192], name[32];
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    for (int i = 0; i < BACKUPS; i++) {
        struct fw_backup_report report = {0}, restored = {0};
        uint64_t before = atomic_load(&w.acknowledged);
        struct patience patience = {0};

        (void)snprintf(name, sizeof(name), "copies/%d", i);
        (void)tmpdir_path(to, sizeof(to), dir, name);
        if (fw_store_backup(w.store, to, NULL, &report, &err) != FW_OK)
            fail_msg("%s", err.text);
        assert_true(report.record >= before);
        assert_true(report.at == fw_clock_now(&fake.clock));
        (void)snprintf(name, sizeof(name), "restored/%d", i);
        (void)tmpdir_path(back, sizeof(back), dir, name);
        if (fw_store_restore(to, back, NULL, &restored, &err) != FW_OK)
            fail_msg("%s", err.text);
        assert_int_equal(restored.record, report.record);
        assert_int_equal(restored.bytes, report.bytes);
        check_folder(back, report.record);
        while (atomic_load(&w.acknowledged) < report.record + 10 &&
               patience_lasts(&patience))
            continue; /* until there is something new */
    }
    atomic_store(&w.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&w.acknowledged) > 50);
    check_store(w.store, atomic_load(&w.acknowledged));
    fw_store_close(w.store);
}

static void a_restored_folder_is_written_on(void **state)
{
    const char *dir = tmpdir_new();
    char data[8192], to[8192], back[8192];
    struct fw_backup_report report = {0};
    struct fw_store *store =
        make_store(tmpdir_path(data, sizeof(data), dir, "data"), 100);

    (void)state;
    (void)tmpdir_path(to, sizeof(to), dir, "copy");
    (void)tmpdir_path(back, sizeof(back), dir, "back");
    assert_int_equal(fw_store_backup(store, to, NULL, &report, &err), FW_OK);
    fw_store_close(store);
    assert_int_equal(report.record, 100);
    assert_int_equal(fw_store_restore(to, back, NULL, &report, &err), FW_OK);
    store = open_store(back, false);
    check_store(store, 100);
    for (uint64_t i = 101; i <= 200; i++)
        assert_int_equal(send(store, i), FW_OK);
    fw_store_close(store);
    check_folder(back, 200);
}

static void a_closed_folder_is_copied_too(void **state)
{
    const char *dir = tmpdir_new();
    char data[8192], to[8192];
    struct fw_backup_report report = {0};
    struct fw_store *store, *reader;

    (void)state;
    (void)tmpdir_path(to, sizeof(to), dir, "copy");
    store = make_store(tmpdir_path(data, sizeof(data), dir, "data"), 50);
    reader = open_store(data, true);
    /* Its writer would have to be asked. */
    assert_int_equal(fw_store_backup(reader, to, NULL, &report, &err),
                     FW_EBUSY);
    fw_store_close(store);
    if (fw_store_backup(reader, to, NULL, &report, &err) != FW_OK)
        fail_msg("%s", err.text);
    fw_store_close(reader);
    check_folder(to, 50);
    assert_int_equal(fw_backup_check(to, &report, &err), FW_OK);
}

/* ---- What is refused
 * ----------------------------------------------------------
 */

/* Changes `from` to something else, and back when called again. */
static void flip(const char *path, uint64_t at)
{
    FILE *f = fopen(path, "r+");
    int c;

    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    c = fgetc(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_not_equal(fputc(c ^ 1, f), EOF);
    assert_int_equal(fclose(f), 0);
}

static void must_be_refused(const char *from, const char *to, const char *why)
{
    struct fw_backup_report report = {0};
    char unfinished[8300];

    assert_int_equal(fw_backup_check(from, &report, &err), FW_ECORRUPT);
    if (strstr(err.text, why) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, why);
    assert_int_equal(fw_store_restore(from, to, NULL, &report, &err),
                     FW_ECORRUPT);
    assert_false(fw_file_exists(to));
    (void)snprintf(unfinished, sizeof(unfinished), "%s.unfinished", to);
    assert_false(fw_file_exists(unfinished));
    assert_int_equal(report.files, 0);
}

static void a_copy_that_is_not_whole_is_refused(void **state)
{
    const char *dir = tmpdir_new();
    char data[8192], from[8192], to[8192], path[8200], aside[8300];
    struct synth_rng rng = synth_seed(fixture_seed());
    struct fw_buf text = FW_BUF_INIT(1 << 20);
    struct fw_backup_report report = {0};
    struct backup_list list = {0};
    struct fw_store *store =
        make_store(tmpdir_path(data, sizeof(data), dir, "data"), 30);

    (void)state;
    (void)tmpdir_path(from, sizeof(from), dir, "copy");
    (void)tmpdir_path(to, sizeof(to), dir, "back");
    assert_int_equal(fw_store_backup(store, from, NULL, &report, &err), FW_OK);
    fw_store_close(store);
    (void)tmpdir_path(path, sizeof(path), from, BACKUP_LIST_NAME);
    assert_int_equal(fw_file_read(path, &text, &err), FW_OK);
    for (uint64_t i = 0; i < text.len; i += 1 + synth_u64(&rng) % 9) {
        flip(path, i);
        /* Any word: the version may have become another. */
        assert_int_not_equal(fw_backup_check(from, &report, &err), FW_OK);
        flip(path, i);
    }
    assert_int_equal(
        backup_list_read(&list, (struct fw_str){text.data, text.len}, &err),
        FW_OK);
    assert_true(list.count >= 3);
    for (size_t i = 0; i < list.count; i++) {
        (void)tmpdir_path(path, sizeof(path), from, list.files[i].name);
        for (int n = 0; n < 5; n++) {
            uint64_t at = synth_u64(&rng) % list.files[i].bytes;

            flip(path, at);
            must_be_refused(from, to, "SHA-256");
            flip(path, at);
        }
        (void)snprintf(aside, sizeof(aside), "%s.x", path);
        assert_int_equal(rename(path, aside), 0);
        must_be_refused(from, to, "is not in");
        assert_int_equal(rename(aside, path), 0);
    }
    (void)tmpdir_path(path, sizeof(path), from, list.files[0].name);
    (void)tmpdir_path(aside, sizeof(aside), dir, "aside");
    assert_int_equal(rename(path, aside), 0);
    must_be_refused(from, to, "missing");
    assert_int_equal(rename(aside, path), 0);
    assert_int_equal(truncate(path, (off_t)list.files[0].bytes - 1), 0);
    must_be_refused(from, to, "bytes");
    backup_list_release(&list);
    fw_buf_release(&text);
}

static void nothing_is_overwritten(void **state)
{
    const char *dir = tmpdir_new();
    char data[8192], to[8192];
    struct fw_backup_report report = {0};
    struct fw_store *store =
        make_store(tmpdir_path(data, sizeof(data), dir, "data"), 10);

    (void)state;
    (void)tmpdir_path(to, sizeof(to), dir, "copy");
    assert_int_equal(fw_store_backup(store, data, NULL, &report, &err),
                     FW_EINVAL);
    assert_int_equal(fw_store_backup(store, to, NULL, &report, &err), FW_OK);
    assert_int_equal(fw_store_backup(store, to, NULL, &report, &err),
                     FW_EINVAL);
    fw_store_close(store);
    assert_int_equal(fw_store_restore(to, data, NULL, &report, &err),
                     FW_EINVAL);
    assert_int_equal(fw_store_restore(data, to, NULL, &report, &err),
                     FW_ENOTFOUND);
    check_folder(data, 10);
    assert_int_equal(fw_backup_check(to, &report, &err), FW_OK);
}

/* ---- What goes wrong on the way
 * -----------------------------------------------
 */

static void a_call_to_the_disk_that_fails_leaves_no_half_copy(void **state)
{
    const char *dir = tmpdir_new();
    char data[8192], to[8192], unfinished[8300];
    struct fw_store *store =
        make_store(tmpdir_path(data, sizeof(data), dir, "data"), 30);
    uint64_t nth = 1;

    (void)state;
    (void)tmpdir_path(to, sizeof(to), dir, "copy");
    (void)snprintf(unfinished, sizeof(unfinished), "%s.unfinished", to);
    for (bool given = true; given; nth++) {
        struct fw_backup_report report = {0};
        fw_rc rc;

        fault_disk(FAULT_DISK, nth, nth % 2 == 0 ? FAULT_ONCE : FAULT_FOREVER,
                   nth % 3 == 0 ? ENOSPC : EIO);
        rc = fw_store_backup(store, to, NULL, &report, &err);
        given = fault_end();
        if (rc == FW_OK) {
            if (fw_backup_check(to, &report, &err) != FW_OK)
                fail_msg("call %d: %s", (int)nth, err.text);
        } else {
            assert_true(rc == FW_EIO || rc == FW_ENOSPC);
        }
        /* The last call syncs the folder around it: then it is there, whole,
         * and not known to be durable. */
        if (fw_file_exists(to))
            assert_int_equal(fw_backup_check(to, &report, &err), FW_OK);
        tmpdir_remove(to);
        tmpdir_remove(unfinished);
        assert_true(nth < 500);
    }
    assert_true(nth > 10);
    assert_int_equal(send(store, 31), FW_OK);
    check_store(store, 31);
    fw_store_close(store);
}

static void a_killed_copy_is_never_taken_for_a_whole_one(void **state)
{
    const char *dir = tmpdir_new();
    char data[8192], to[8192], unfinished[8300];
    struct synth_rng rng = synth_seed(fixture_seed());
    int whole = 0, none = 0;
    long longest = 0; /* ns; of one that is left alone */

    (void)state;
    fw_store_close(
        make_store(tmpdir_path(data, sizeof(data), dir, "data"), 300));
    (void)tmpdir_path(to, sizeof(to), dir, "copy");
    (void)snprintf(unfinished, sizeof(unfinished), "%s.unfinished", to);
    for (int round = 0; round < 40; round++) {
        struct timespec wait = {0}, before = {0}, after = {0};
        struct fw_backup_report report = {0};
        int status = 0;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct fw_store *store = open_store(data, false);

            (void)!fw_store_backup(store, to, NULL, &report, &err);
            _exit(0);
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        if (round > 0) {
            wait.tv_nsec = (long)(synth_u64(&rng) % (uint64_t)longest);
            (void)nanosleep(&wait, NULL);
            (void)kill(pid, SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        if (round == 0)
            longest = (after.tv_sec - before.tv_sec) * 1000000000 +
                      after.tv_nsec - before.tv_nsec;
        longest = longest > 900000000 ? 900000000 : longest;
        if (fw_file_exists(to)) {
            if (fw_backup_check(to, &report, &err) != FW_OK)
                fail_msg("%s", err.text);
            check_folder(to, 300);
            whole++;
            longest -= longest / 4; /* the first one was slow: kill sooner */
        } else {
            none++;
            longest += longest / 4;
        }
        longest = longest < 100000 ? 100000 : longest;
        tmpdir_remove(to);
        tmpdir_remove(unfinished);
    }
    print_message("%d whole, %d not made\n", whole, none);
    assert_true(whole > 0 && none > 0);
    check_folder(data, 300);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_the_store_at_one_moment),
        cmocka_unit_test(a_restored_folder_is_written_on),
        cmocka_unit_test(a_closed_folder_is_copied_too),
        cmocka_unit_test(a_copy_that_is_not_whole_is_refused),
        cmocka_unit_test(nothing_is_overwritten),
        cmocka_unit_test(a_call_to_the_disk_that_fails_leaves_no_half_copy),
        cmocka_unit_test(a_killed_copy_is_never_taken_for_a_whole_one),
    };

    fake_clock_init(&fake, NOW + 400 * FW_DAY);
    return fixture_main(argc, argv, tests);
}
