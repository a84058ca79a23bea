/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "server/collect/mount_probe.h"

static pthread_mutex_t server = PTHREAD_MUTEX_INITIALIZER;
static atomic_int calls;
static atomic_int inside;

/* "/hung" answers when somebody unlocks the file server. */
static int slow_statvfs(const char *path, struct statvfs *out)
{
    atomic_fetch_add(&calls, 1);
    if (strcmp(path, "/hung") == 0) {
        atomic_fetch_add(&inside, 1);
        (void)pthread_mutex_lock(&server);
        (void)pthread_mutex_unlock(&server);
        atomic_fetch_sub(&inside, 1);
    }
    if (strcmp(path, "/bad") == 0)
        return -1;
    *out = (struct statvfs){.f_blocks = 7};
    return 0;
}

static const char *const paths[] = {"/a", "/hung", "/b", "/bad"};

static void mounts_that_answer_are_measured(void **state)
{
    struct mount_probe probe = {.statvfs = slow_statvfs, .patience_ms = 10000};
    struct mount_result results[4];

    (void)state;
    mount_probe_run(&probe, paths, 4, results);
    assert_true(results[0].ok && results[1].ok && results[2].ok);
    assert_int_equal(results[0].size.f_blocks, 7);
    assert_false(results[3].ok);
    assert_int_equal(probe.hung_count, 0);
    mount_probe_release(&probe);
}

/* Locks the file server. How long the others may take is the machine's affair:
 * where one was too slow, it is tried again with more patience. */
static void probe_beside_a_hung_one(struct mount_probe *probe,
                                    struct mount_result results[4])
{
    for (int ms = 300;; ms *= 4) {
        *probe =
            (struct mount_probe){.statvfs = slow_statvfs, .patience_ms = ms};
        (void)pthread_mutex_lock(&server);
        mount_probe_run(probe, paths, 4, results);
        if (results[0].ok && results[2].ok)
            return;
        (void)pthread_mutex_unlock(&server);
        mount_probe_release(probe);
        assert_true(ms < 60000);
    }
}

static void one_that_hangs_holds_up_no_other_and_is_left_alone(void **state)
{
    struct mount_probe probe;
    struct mount_result results[4];
    struct patience patience = {0};
    int before;

    (void)state;
    probe_beside_a_hung_one(&probe, results);
    assert_false(results[1].ok);
    assert_int_equal(probe.hung_count, 1);

    probe.patience_ms = 60000; /* none of the others is waited for */
    before = atomic_load(&calls);
    mount_probe_run(&probe, paths, 4, results);
    assert_int_equal(atomic_load(&calls), before + 3); /* not "/hung" again */
    assert_false(results[1].ok);

    (void)pthread_mutex_unlock(&server);
    while (probe.hung_count > 0 && patience_lasts(&patience))
        mount_probe_run(&probe, paths, 4, results);
    assert_int_equal(probe.hung_count, 0);
    assert_true(results[1].ok);
    mount_probe_release(&probe);
}

static void letting_go_of_a_hanging_one_is_safe(void **state)
{
    struct mount_probe probe = {.statvfs = slow_statvfs, .patience_ms = 100};
    struct mount_result results[4];
    struct patience patience = {0};

    (void)state;
    (void)pthread_mutex_lock(&server);
    mount_probe_run(&probe, paths, 4, results);
    mount_probe_release(&probe);
    (void)pthread_mutex_unlock(&server);
    while (atomic_load(&inside) > 0 && patience_lasts(&patience))
        continue;
    assert_int_equal(atomic_load(&inside), 0);
    (void)usleep(20000); /* most likely the thread lets go of its memory */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mounts_that_answer_are_measured),
        cmocka_unit_test(one_that_hangs_holds_up_no_other_and_is_left_alone),
        cmocka_unit_test(letting_go_of_a_hanging_one_is_safe),
    };
    return fixture_main(argc, argv, tests);
}
