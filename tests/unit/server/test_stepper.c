/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "server/stepper.h"

#define PATIENCE_S 60

/* What a step does: says that it began, may wait to be let go, and answers. */
struct fixture {
    struct stepper stepper;
    sem_t began, go;
    bool held; /* a step waits for `go` */
    fw_ms answer;
    atomic_uint steps;
};

static bool waits(sem_t *sem)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return sem_timedwait(sem, &until) == 0;
}

static void await(sem_t *sem)
{
    assert_true(waits(sem));
}

static fw_ms step(void *self)
{
    struct fixture *f = self;

    (void)atomic_fetch_add(&f->steps, 1);
    (void)sem_post(&f->began);
    if (f->held)
        (void)waits(&f->go);
    return f->answer;
}

/* Goes on until it is told to stop. */
static fw_ms long_step(void *self)
{
    struct fixture *f = self;
    struct timespec t = {.tv_nsec = 1000000};

    (void)sem_post(&f->began);
    while (!stepper_stopping(&f->stepper))
        (void)nanosleep(&t, NULL);
    return 0;
}

static struct stepper_task task_of(struct fixture *f)
{
    return (struct stepper_task){.name = "test", .step = step, .self = f};
}

static void start(struct fixture *f, const struct stepper_task *task,
                  size_t threads)
{
    struct fw_err err = {0};

    assert_int_equal(stepper_start(&f->stepper, task, threads, &err), FW_OK);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    stepper_init(&f->stepper);
    assert_int_equal(sem_init(&f->began, 0, 0), 0);
    assert_int_equal(sem_init(&f->go, 0, 0), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    stepper_release(&f->stepper);
    (void)sem_destroy(&f->began);
    (void)sem_destroy(&f->go);
    free(f);
    return 0;
}

static void it_steps_on_until_it_is_stopped(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);
    unsigned steps;

    start(f, &task, 1);
    for (int i = 0; i < 100; i++)
        await(&f->began);
    stepper_stop(&f->stepper);
    steps = atomic_load(&f->steps);
    assert_true(steps >= 100);
    assert_true(stepper_stopping(&f->stepper));
    stepper_stop(&f->stepper);
    assert_int_equal(atomic_load(&f->steps), steps);
}

static void a_wait_ends_when_its_time_is_over(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    f->answer = 1;
    start(f, &task, 1);
    for (int i = 0; i < 10; i++)
        await(&f->began);
    stepper_stop(&f->stepper);
}

static void no_wait_is_longer_than_the_longest(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    f->answer = INT64_MAX;
    task.longest = 1;
    start(f, &task, 1);
    for (int i = 0; i < 10; i++)
        await(&f->began);
    stepper_stop(&f->stepper);
}

static void a_long_wait_ends_when_it_is_woken_or_stopped(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    f->answer = INT64_MAX;
    start(f, &task, 1);
    await(&f->began);
    for (int i = 0; i < 5; i++) {
        stepper_wake(&f->stepper);
        await(&f->began);
    }
    stepper_stop(&f->stepper);
    assert_int_equal(atomic_load(&f->steps), 6);
}

static void a_wake_during_a_step_makes_one_more(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    f->answer = FW_HOUR;
    f->held = true;
    start(f, &task, 1);
    await(&f->began);
    stepper_wake(&f->stepper);
    stepper_wake(&f->stepper);
    (void)sem_post(&f->go);
    await(&f->began);
    (void)sem_post(&f->go);
    stepper_stop(&f->stepper);
    assert_int_equal(atomic_load(&f->steps), 2);
}

static void the_first_step_can_wait_and_be_woken(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    f->answer = FW_HOUR;
    task.first = FW_HOUR;
    stepper_wake(&f->stepper); /* before there is a thread: not lost */
    start(f, &task, 1);
    await(&f->began);
    stepper_stop(&f->stepper);
}

static void stopped_before_its_first_step_it_makes_none(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    task.first = FW_HOUR;
    start(f, &task, 1);
    stepper_stop(&f->stepper);
    assert_int_equal(atomic_load(&f->steps), 0);
}

static void what_never_started_can_be_stopped(void **state)
{
    struct fixture *f = *state;

    stepper_stop(&f->stepper);
    assert_true(stepper_stopping(&f->stepper));
}

static void several_threads_step_at_the_same_time(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    f->held = true;
    f->answer = FW_HOUR;
    start(f, &task, 4);
    for (int i = 0; i < 4; i++) /* none is let go yet: all are inside */
        await(&f->began);
    for (int i = 0; i < 4; i++)
        (void)sem_post(&f->go);
    stepper_stop(&f->stepper);
    assert_int_equal(atomic_load(&f->steps), 4);
}

static void a_long_step_can_ask_whether_it_is_to_stop(void **state)
{
    struct fixture *f = *state;
    struct stepper_task task = task_of(f);

    task.step = long_step;
    start(f, &task, 2);
    await(&f->began);
    stepper_stop(&f->stepper);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_steps_on_until_it_is_stopped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_wait_ends_when_its_time_is_over,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(no_wait_is_longer_than_the_longest,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_long_wait_ends_when_it_is_woken_or_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wake_during_a_step_makes_one_more,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_step_can_wait_and_be_woken,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            stopped_before_its_first_step_it_makes_none, setup, teardown),
        cmocka_unit_test_setup_teardown(what_never_started_can_be_stopped,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(several_threads_step_at_the_same_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_long_step_can_ask_whether_it_is_to_stop, setup, teardown),
    };

    return fixture_main(argc, argv, tests);
}
