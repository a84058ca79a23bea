/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=14 */
/*
 * test_store_kill.c - a process that works on a store is killed at random
 * moments, two hundred times, on the same folder. It tells each acknowledgement
 * to a pipe; what the pipe says must be in the store afterwards, bit for bit
 * and once, and nothing may be there that was never sent (life.h).
 *
 * FOREWARN_LONG=1: two thousand.
 */
#include "tests/support/fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/file.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/life.h"

#define KILLS_DISK 20
#define KILLS_MEMORY 180
#define PATH_ROOM 8192
#define MOST_WAIT_NS 20000000u

static struct fake_clock fake;
static struct fw_err err;

/* What the process is at when it is killed. */
enum moment {
    AT_ANYTHING,
    AT_START,   /* opening, again and again; replaying what was left */
    AT_SEALING, /* and retention, and what else is done with old samples */
    AT_REWRITING,
    AT_BACKUP,
    AT_DELETING, /* and carrying it out on disk, again and again */
    AT_CLOSING,
    MOMENTS
};

struct folders {
    char data[PATH_ROOM], copies[PATH_ROOM];
};

/* ---- The process that is killed
 * -----------------------------------------------
 */

static void tell(void *self, const struct life_note *note)
{
    if (write(*(int *)self, note, sizeof(*note)) != (ssize_t)sizeof(*note))
        _exit(3);
}

static void must(fw_rc rc)
{
    if (rc == FW_OK)
        return;
    fprintf(stderr, "the writer: %s\n", err.text);
    _exit(4);
}

static void work(struct life *life, enum moment moment)
{
    switch (moment) {
    case AT_SEALING:
        for (int i = 0; i < 6; i++)
            must(life_write_samples(life, &err));
        must(life_seal(life, synth_u64(&life->rng) % 2 == 0, &err));
        break;
    case AT_REWRITING:
        must(life_write_samples(life, &err));
        must(life_compact(life, &err));
        break;
    case AT_BACKUP:
        must(life_backup(life, &err));
        break;
    case AT_DELETING:
        must(life_delete(life, &err));
        if (synth_u64(&life->rng) % 2 == 0)
            must(life_write_samples(life, &err));
        if (synth_u64(&life->rng) % 2 == 0)
            must(life_compact(life, &err));
        break;
    default:
        must(life_step(life, &err));
    }
    if (moment == AT_START || moment == AT_CLOSING) {
        fw_store_close(life->store);
        must(life_open(life, &err));
    }
}

static _Noreturn void child(const struct folders *folders, int fd,
                            struct life_ledger *ledger, uint64_t seed,
                            enum moment moment)
{
    struct life life = {.data = folders->data,
                        .copies = folders->copies,
                        .fake = &fake,
                        .rng = synth_seed(seed),
                        .ledger = ledger,
                        .tell = tell,
                        .self = &fd};

    must(life_open(&life, &err));
    for (;;)
        work(&life, moment);
}

/* ---- The process that kills
 * ---------------------------------------------------
 */

static void read_ledger(int fd, struct life_ledger *ledger)
{
    struct life_note note;
    ssize_t n;

    while ((n = read(fd, &note, sizeof(note))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        assert_int_equal(n, sizeof(note));
        life_take_note(ledger, &note);
    }
}

/* From when on it works; an opening is a moment of its own. */
static bool wait_for_work(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, 60000) == 1;
}

static void run_and_kill(const struct folders *folders,
                         struct life_ledger *ledger, struct synth_rng *rng,
                         enum moment moment)
{
    struct timespec wait = {0, (long)(synth_u64(rng) % MOST_WAIT_NS)};
    uint64_t seed = synth_u64(rng);
    int fds[2], status = 0;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child(folders, fds[1], ledger, seed, moment);
    }
    (void)close(fds[1]);
    if (moment != AT_START)
        assert_true(wait_for_work(fds[0]));
    (void)nanosleep(&wait, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    read_ledger(fds[0], ledger);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* killed, not failed */
    (void)close(fds[0]);
}

static void check(const struct folders *folders, struct life_ledger *ledger,
                  bool read_only)
{
    struct fw_store_options options = life_options(&fake, read_only);
    struct fw_store *store = NULL;
    uint64_t found = 0;

    if (ledger->newest > fw_clock_now(&fake.clock))
        fake_clock_step(&fake, ledger->newest);
    if (fw_store_open(folders->data, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    if (life_settle(ledger, store, &err) != FW_OK)
        fail_msg("%s", err.text);
    fw_store_close(store);
    if (life_check_backups(ledger, folders->copies, &found, &err) != FW_OK)
        fail_msg("%s", err.text);
}

static void kill_again_and_again(const char *dir, int kills)
{
    const char *longer = getenv("FOREWARN_LONG");
    bool more = longer != NULL && strcmp(longer, "1") == 0;
    struct synth_rng rng = synth_seed(fixture_seed());
    struct life_ledger ledger = {0};
    struct folders folders;

    (void)tmpdir_path(folders.data, sizeof(folders.data), dir, "data");
    (void)tmpdir_path(folders.copies, sizeof(folders.copies), dir, "copies");
    kills = more ? kills * 10 : kills;
    for (int round = 0; round < kills; round++) {
        bool read_only = synth_u64(&rng) % 3 == 0;

        run_and_kill(&folders, &ledger, &rng,
                     (enum moment)(synth_u64(&rng) % MOMENTS));
        /* Killed twice in a row, now and then, before anybody looks. */
        if (ledger.stored_in_all > 0 && synth_u64(&rng) % 5 != 0)
            check(&folders, &ledger, read_only);
        if (ledger.backups > 3) { /* they fill the disk */
            tmpdir_remove(folders.copies);
            ledger.backups = 0;
        }
    }
    check(&folders, &ledger, false);
    print_message("%d kills, %" PRIu64 " samples, %" PRIu64 " versions\n",
                  kills, ledger.stored_in_all, ledger.kept);
    assert_true(ledger.stored_in_all > 0);
}

/* A disk spends its time in syncs, and so do those who are killed there. */
static void nothing_acknowledged_is_lost_by_kill_9(void **state)
{
    (void)state;
    kill_again_and_again(tmpdir_new(), KILLS_DISK);
}

/* In memory the time between the calls is the longer one. */
static void nor_between_the_calls_to_the_disk(void **state)
{
    (void)state;
    if (access("/dev/shm", W_OK) != 0)
        skip();
    assert_int_equal(setenv("TMPDIR", "/dev/shm", 1), 0);
    kill_again_and_again(tmpdir_new(), KILLS_MEMORY);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_by_kill_9),
        cmocka_unit_test(nor_between_the_calls_to_the_disk),
    };

    fake_clock_init(&fake, LIFE_START);
    return fixture_main(argc, argv, tests);
}
