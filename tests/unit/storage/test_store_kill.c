/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: timeout=300 */
/*
 * test_store_kill.c - a writing process is killed at random moments, again and
 * again, on the same folder. It tells each acknowledgement to a pipe; what the
 * pipe says must be in the store afterwards, bit for bit and once, and nothing
 * may be there that was never sent.
 *
 * The values are a function of series and time, so the ledger is one number
 * for each series: how many of its samples were acknowledged.
 */
#include "tests/support/fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)1700000000000)
#define SERIES 40
#define ROUNDS 40
#define STEP 10000 /* ms between samples: a day is 8,640 */

static struct fake_clock fake;
static struct fw_err err;

struct ledger {
    uint32_t sent[SERIES];         /* handed to the store, at most */
    uint32_t acknowledged[SERIES]; /* by the pipe */
};

static uint64_t bits_of(uint32_t series, uint32_t k)
{
    uint64_t seed = (uint64_t)series << 32 | k;
    struct synth_rng rng = synth_seed(seed);

    return series % 2 == 0 ? synth_u64(&rng)
                           : fw_double_bits((double)(k % 977) / 10);
}

static fw_ms time_of(uint32_t series, uint32_t k)
{
    return START + (fw_ms)series * 7 * FW_DAY / 10 + (fw_ms)k * STEP;
}

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

static uint32_t series_id(struct fw_store *store, uint32_t number)
{
    char text[16];
    struct fw_label v[] = {{FW_STR("n"), {text, 0}}};
    struct fw_labels labels = {v, 1};
    uint32_t id = UINT32_MAX;

    v[0].value.n = (size_t)snprintf(text, sizeof(text), "%u", number);
    if (fw_store_series(store, &labels, &id, &err) != FW_OK)
        return UINT32_MAX;
    return id;
}

/* ---- The process that is killed
 * -----------------------------------------------
 */

/* Before sending, {series, upper bound, 0}; after the answer {.., .., 1}. */
static void tell(int fd, uint32_t series, uint32_t k, uint32_t what)
{
    uint32_t words[3] = {series, k, what};

    if (write(fd, words, sizeof(words)) != (ssize_t)sizeof(words))
        _exit(3);
}

_Noreturn static void child(const char *dir, int fd, const struct ledger *known,
                            uint64_t seed)
{
    struct synth_rng rng = synth_seed(seed);
    struct fw_store *store = open_store(dir, false);
    uint32_t next[SERIES];

    memcpy(next, known->acknowledged, sizeof(next));
    for (;;) {
        uint32_t series = (uint32_t)(synth_u64(&rng) % SERIES);
        uint32_t n = 1 + (uint32_t)(synth_u64(&rng) % 300);
        uint32_t id = series_id(store, series);
        struct fw_append_result result = {0};
        struct fw_batch batch = {0};

        tell(fd, series, next[series] + n, 0);
        for (uint32_t i = 0; i < n; i++)
            if (fw_batch_add(&batch, id, time_of(series, next[series] + i),
                             fw_double_of_bits(
                                 bits_of(series, next[series] + i))) != FW_OK)
                _exit(4);
        if (fw_store_append(store, &batch, &result, &err) != FW_OK)
            _exit(5);
        next[series] += n;
        tell(fd, series, next[series], 1);
        if (synth_u64(&rng) % 16 == 0 &&
            sealer_run(store->sealer,
                       synth_u64(&rng) % 4 == 0 ? SEAL_ALL : SEAL_FULL,
                       &err) != FW_OK)
            _exit(6);
        if (synth_u64(&rng) % 64 == 0) {
            fw_store_close(store);
            store = open_store(dir, false);
        }
    }
}

/* ---- The process that kills
 * ---------------------------------------------------
 */

static void read_ledger(int fd, struct ledger *ledger)
{
    uint32_t words[3];
    ssize_t n;

    while ((n = read(fd, words, sizeof(words))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        assert_int_equal(n, sizeof(words));
        assert_true(words[0] < SERIES);
        if (words[2] == 1)
            ledger->acknowledged[words[0]] = words[1];
        else if (words[1] > ledger->sent[words[0]])
            ledger->sent[words[0]] = words[1];
    }
}

static void run_and_kill(const char *dir, struct ledger *ledger,
                         struct synth_rng *rng)
{
    struct timespec wait = {0, (long)(1 + synth_u64(rng) % 250) * 1000000L};
    uint64_t seed = synth_u64(rng);
    int fds[2], status = 0;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child(dir, fds[1], ledger, seed);
    }
    (void)close(fds[1]);
    (void)nanosleep(&wait, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    read_ledger(fds[0], ledger);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* killed, not failed */
    (void)close(fds[0]);
}

/* Samples of a series from the start on, each the right one: how many. */
static uint32_t check_series(struct fw_store *store, uint32_t series)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    uint32_t k = 0;
    fw_rc rc;

    assert_int_equal(fw_cursor_open(store, series_id(store, series), INT64_MIN,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, k++)
            if (run.t[i] != time_of(series, k) ||
                fw_double_bits(run.v[i]) != bits_of(series, k))
                fail_msg("series %u: sample %u is another one", series, k);
    if (rc != FW_END)
        fail_msg("%s", err.text);
    fw_cursor_close(cursor);
    return k;
}

static void check(const char *dir, struct ledger *ledger, bool read_only)
{
    struct fw_store *store = open_store(dir, read_only);
    struct fw_store_stats stats;

    fw_store_stats(store, &stats);
    assert_int_equal(stats.corrupt_found, 0);
    for (uint32_t series = 0; series < SERIES; series++) {
        uint32_t found;

        if (read_only && series_id(store, series) == UINT32_MAX) {
            assert_int_equal(ledger->acknowledged[series], 0);
            continue;
        }
        found = check_series(store, series);
        if (found < ledger->acknowledged[series])
            fail_msg("series %u: %u acknowledged, %u found", series,
                     ledger->acknowledged[series], found);
        if (found > ledger->sent[series])
            fail_msg("series %u: %u sent, %u found", series,
                     ledger->sent[series], found);
        /* What was committed and not answered goes on from where it is. */
        if (!read_only)
            ledger->acknowledged[series] = found;
    }
    fw_store_close(store);
}

static void nothing_acknowledged_is_lost_by_kill_9(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    const char *dir = tmpdir_new();
    struct ledger ledger = {0};
    uint64_t total = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        run_and_kill(dir, &ledger, &rng);
        if (round == 0 && access(dir, F_OK) != 0)
            continue;
        if (round % 3 == 0 && round > 0)
            check(dir, &ledger, true);
        if (round % 2 == 0)
            check(dir, &ledger, false);
    }
    check(dir, &ledger, false);
    for (uint32_t i = 0; i < SERIES; i++)
        total += ledger.acknowledged[i];
    print_message("%d kills, %llu samples\n", ROUNDS,
                  (unsigned long long)total);
    assert_true(total > 10000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_by_kill_9),
    };

    fake_clock_init(&fake, START + 400 * FW_DAY);
    return fixture_main(argc, argv, tests);
}
