/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=10 */
/*
 * test_life_faults.c - all that a store does in its life, on a folder that has
 * everything in it, while the n-th call to the disk or the n-th allocation
 * fails, once or for ever: what was acknowledged is there (life.h), the same
 * store goes on when the fault is over, the folder opens again and verify finds
 * nothing in it. No failure is told as damage.
 *
 * A usual run takes some of the points, others for each seed; FOREWARN_LONG=1
 * takes each.
 */
#include "tests/support/fault.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/segments/verify.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/life.h"

#define PATH_ROOM 8192
#define STEPS 400   /* until the folder has everything */
#define ROUNDS 12   /* of a usual run, for each kind of fault */
#define POINTS 6000 /* there are never so many */

static struct fake_clock fake;
static struct fw_err err;

/* The folder that each round begins with, and what it has. */
static char begun[PATH_ROOM];
static const char *place; /* where each round has its own */
static struct life_ledger begun_ledger;
static fw_ms begun_at;

struct fault {
    const char *name;
    unsigned calls; /* 0: of memory */
    enum fault_mode mode;
    int error;
};

static void no_one(void *self, const struct life_note *note)
{
    (void)self;
    (void)note;
}

static void copy_folder(const char *from, const char *to)
{
    char command[2 * PATH_ROOM + 64];

    (void)snprintf(command, sizeof(command), "cp -r %s %s", from, to);
    assert_int_equal(system(command), 0);
}

static void must(fw_rc rc, const char *what)
{
    if (rc != FW_OK)
        fail_msg("%s: %s", what, err.text);
}

/* A folder with days closed and hot, rollups, deletions, a head, a journal. */
static void make_folder(const char *dir)
{
    struct life life = {.fake = &fake,
                        .rng = synth_seed(fixture_seed()),
                        .ledger = &begun_ledger,
                        .tell = no_one};
    char data[PATH_ROOM];
    struct fw_store_stats stats;

    life.data = tmpdir_path(data, sizeof(data), dir, "first");
    must(life_open(&life, &err), "open");
    for (int i = 0; i < STEPS; i++)
        must(life_step(&life, &err), "a step");
    must(life_compact(&life, &err), "compact");
    must(life_delete(&life, &err), "delete");
    must(life_seal(&life, true, &err), "seal");
    for (int i = 0; i < 5; i++)
        must(life_write_samples(&life, &err), "write");
    fw_store_stats(life.store, &stats);
    print_message("%" PRIu64 " partitions, %" PRIu64 " tombstones\n",
                  stats.partitions, stats.tombstones);
    /* As it is after kill -9: not all of it has left the journal. */
    copy_folder(data, tmpdir_path(begun, sizeof(begun), dir, "begun"));
    fw_store_close(life.store);
    begun_at = fw_clock_now(&fake.clock);
}

/* True for an answer that a failing disk or memory may give. */
static bool is_fair(const struct fault *fault, fw_rc rc)
{
    if (rc == FW_OK)
        return true;
    return fault->calls == 0 ? rc == FW_ENOMEM
                             : rc == FW_EIO || rc == FW_ENOSPC;
}

static void try(const struct fault *fault, uint64_t nth, const char *what,
                fw_rc rc)
{
    if (!is_fair(fault, rc))
        fail_msg("%s, number %" PRIu64 ": to %s failed with %d: %s",
                 fault->name, nth, what, rc, err.text);
}

/* Each thing it does, one after the other, whatever failed before. */
static void live(struct life *life, const struct fault *fault, uint64_t nth)
{
    try(fault, nth, "write", life_write_samples(life, &err));
    try(fault, nth, "seal", life_seal(life, false, &err));
    try(fault, nth, "write on", life_write_samples(life, &err));
    try(fault, nth, "delete", life_delete(life, &err));
    try(fault, nth, "seal all", life_seal(life, true, &err));
    try(fault, nth, "copy", life_backup(life, &err));
    /* The oldest days go by retention, and others get their rollups. */
    fake_clock_advance(life->fake, 30 * FW_HOUR);
    try(fault, nth, "write later", life_write_samples(life, &err));
    try(fault, nth, "compact", life_compact(life, &err));
    try(fault, nth, "seal again", life_seal(life, true, &err));
}

static void must_be_right(const struct fault *fault, uint64_t nth,
                          const char *when, fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s, number %" PRIu64 ", %s: %s", fault->name, nth, when,
                 err.text);
}

static void note_finding(void *self, const char *sentence)
{
    print_message("%s\n", sentence);
    (void)self;
}

/* The folder, opened anew, has what was acknowledged and is sound. */
static void check_again(struct life *life, const struct fault *fault,
                        uint64_t nth)
{
    struct verify_totals totals = {0};
    uint64_t found = 0;

    must_be_right(fault, nth, "opened again", life_open(life, &err));
    must_be_right(fault, nth, "read again",
                  life_settle(life->ledger, life->store, &err));
    must_be_right(fault, nth, "verified",
                  verify_store(life->store, note_finding, NULL, &totals, &err));
    if (totals.findings > 0)
        fail_msg("%s, number %" PRIu64 ": verify found something", fault->name,
                 nth);
    must_be_right(fault, nth, "copies",
                  life_check_backups(life->ledger, life->copies, &found, &err));
    fw_store_close(life->store);
}

/* True if the fault was given. */
static bool one_round(const struct fault *fault, uint64_t nth)
{
    struct life_ledger ledger = begun_ledger;
    char data[PATH_ROOM], copies[PATH_ROOM];
    struct life life = {.fake = &fake,
                        .rng = synth_seed(nth),
                        .ledger = &ledger,
                        .tell = no_one};
    bool given;
    fw_rc rc;

    life.data = tmpdir_path(data, sizeof(data), place, "data");
    life.copies = tmpdir_path(copies, sizeof(copies), place, "copies");
    copy_folder(begun, data);
    fake_clock_step(&fake, begun_at);
    if (fault->calls == 0)
        fault_memory(nth, fault->mode);
    else
        fault_disk(fault->calls, nth, fault->mode, fault->error);
    rc = life_open(&life, &err);
    try(fault, nth, "open", rc);
    if (rc == FW_OK) {
        live(&life, fault, nth);
        given = fault_end();
        must_be_right(fault, nth, "read on",
                      life_check(&ledger, life.store, &err));
        must_be_right(fault, nth, "written on",
                      life_write_samples(&life, &err));
        fw_store_close(life.store);
    } else {
        given = fault_end();
    }
    check_again(&life, fault, nth);
    tmpdir_remove(data);
    tmpdir_remove(copies);
    return given;
}

static bool is_long(void)
{
    const char *text = getenv("FOREWARN_LONG");

    return text != NULL && strcmp(text, "1") == 0;
}

/* How many calls, or allocations, there are in a round. */
static uint64_t count_points(const struct fault *fault)
{
    struct fault late = *fault;
    uint64_t low = 1, high = POINTS;

    /* The first that is not given any more. */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (one_round(&late, middle))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void each_point(const struct fault *fault)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    uint64_t points = count_points(fault), stretch, rounds = 0;

    assert_true(points > 20 && points < POINTS);
    stretch = is_long() ? 1 : points / ROUNDS + 1;
    for (uint64_t at = 1; at < points; at += stretch, rounds++)
        (void)one_round(fault, at + synth_u64(&rng) % stretch);
    print_message("%s: %" PRIu64 " of %" PRIu64 " points\n", fault->name,
                  rounds, points);
}

static void each_of(const struct fault *faults, size_t n)
{
    if (begun[0] == '\0') {
        place = tmpdir_new();
        make_folder(place);
    }
    for (size_t i = 0; i < n; i++)
        each_point(&faults[i]);
}

#define EACH_OF(faults) each_of((faults), sizeof(faults) / sizeof((faults)[0]))

static void a_call_to_the_disk_that_fails_is_survived(void **state)
{
    static const struct fault faults[] = {
        {"EIO once", FAULT_DISK, FAULT_ONCE, EIO},
        {"ENOSPC once", FAULT_DISK, FAULT_ONCE, ENOSPC},
        {"a write cut short", FAULT_WRITE, FAULT_ONCE, FAULT_SHORT},
    };

    (void)state;
    EACH_OF(faults);
}

static void a_disk_that_fails_for_ever_is_survived(void **state)
{
    static const struct fault faults[] = {
        {"EIO for ever", FAULT_DISK, FAULT_FOREVER, EIO},
        {"ENOSPC for ever", FAULT_DISK, FAULT_FOREVER, ENOSPC},
    };

    (void)state;
    EACH_OF(faults);
}

static void a_read_that_fails_is_survived(void **state)
{
    static const struct fault faults[] = {
        {"EIO of a read once", FAULT_READ, FAULT_ONCE, EIO},
        {"EIO of reads for ever", FAULT_READ, FAULT_FOREVER, EIO},
    };

    (void)state;
    EACH_OF(faults);
}

static void an_allocation_that_fails_is_survived(void **state)
{
    static const struct fault faults[] = {
        {"no memory once", 0, FAULT_ONCE, ENOMEM},
        {"no memory for ever", 0, FAULT_FOREVER, ENOMEM},
    };

    (void)state;
    EACH_OF(faults);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_to_the_disk_that_fails_is_survived),
        cmocka_unit_test(a_disk_that_fails_for_ever_is_survived),
        cmocka_unit_test(a_read_that_fails_is_survived),
        cmocka_unit_test(an_allocation_that_fails_is_survived),
    };

    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1);
    fake_clock_init(&fake, LIFE_START);
    return fixture_main(argc, argv, tests);
}
