/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "server/workers.h"

static atomic_int done;

static void finish(struct worker_job *job)
{
    (void)job;
    atomic_fetch_add(&done, 1);
}

static void every_job_runs_once_and_stop_waits_for_all(void **state)
{
    struct worker_job jobs[100];
    struct workers *workers = NULL;
    struct fw_err err = {0};

    (void)state;
    atomic_store(&done, 0);
    assert_int_equal(workers_start(3, 0, 100, &workers, &err), FW_OK);
    for (int i = 0; i < 100; i++) {
        jobs[i].run = finish;
        assert_int_equal(workers_submit(workers, &jobs[i]), FW_OK);
    }
    workers_stop(workers);
    assert_int_equal(atomic_load(&done), 100);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int at_gate;

static void wait_at_gate(struct worker_job *job)
{
    (void)job;
    atomic_fetch_add(&at_gate, 1);
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
}

static void a_full_queue_is_an_answer(void **state)
{
    struct worker_job jobs[3] = {{wait_at_gate}, {finish}, {finish}};
    struct workers *workers = NULL;
    struct fw_err err = {0};

    (void)state;
    atomic_store(&at_gate, 0);
    atomic_store(&done, 0);
    assert_int_equal(workers_start(1, 0, 1, &workers, &err), FW_OK);
    (void)pthread_mutex_lock(&gate);
    assert_int_equal(workers_submit(workers, &jobs[0]), FW_OK);
    while (atomic_load(&at_gate) == 0)
        ;
    assert_int_equal(workers_submit(workers, &jobs[1]), FW_OK);
    assert_int_equal(workers_submit(workers, &jobs[2]), FW_EBUSY);
    assert_int_equal(workers_waiting(workers), 1);
    (void)pthread_mutex_unlock(&gate);
    workers_stop(workers);
    assert_int_equal(atomic_load(&done), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_and_stop_waits_for_all),
        cmocka_unit_test(a_full_queue_is_an_answer),
    };
    return fixture_main(argc, argv, tests);
}
