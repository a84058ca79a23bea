/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "server/loop.h"
#include "tests/support/fake_clock.h"

struct counter {
    struct loop_task task;
    struct loop *loop;
    int runs;
    int stop_at;
};

static void count_run(struct loop_task *task)
{
    struct counter *c = LOOP_OWNER(task, struct counter, task);

    if (++c->runs >= c->stop_at)
        loop_stop(c->loop);
}

static struct loop *open_loop(const struct fw_clock *clock)
{
    struct loop *loop = NULL;
    struct fw_err err = {0};

    assert_int_equal(loop_open(clock, &loop, &err), FW_OK);
    return loop;
}

static void a_task_from_another_thread_runs_on_the_loop(void **state)
{
    struct loop *loop = open_loop(fw_clock_system());
    struct counter c = {{count_run, NULL}, loop, 0, 1};

    (void)state;
    loop_post(loop, &c.task);
    loop_run(loop);
    assert_int_equal(c.runs, 1);
    loop_close(loop);
}

#define POSTERS 4
#define POSTS 500

struct poster {
    struct counter *counters; /* POSTS of them */
    struct loop *loop;
};

static atomic_int ran;

static void count_all(struct loop_task *task)
{
    struct counter *c = LOOP_OWNER(task, struct counter, task);

    c->runs++;
    if (atomic_fetch_add(&ran, 1) + 1 == POSTERS * POSTS)
        loop_stop(c->loop);
}

static void *post_all(void *self)
{
    struct poster *p = self;

    for (int i = 0; i < POSTS; i++) {
        p->counters[i] = (struct counter){{count_all, NULL}, p->loop, 0, 0};
        loop_post(p->loop, &p->counters[i].task);
    }
    return NULL;
}

static void tasks_of_many_threads_all_run_once(void **state)
{
    static struct counter counters[POSTERS][POSTS];
    struct loop *loop = open_loop(fw_clock_system());
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    (void)state;
    atomic_store(&ran, 0);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){counters[i], loop};
        assert_int_equal(
            pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < POSTERS; i++)
        for (int k = 0; k < POSTS; k++)
            assert_int_equal(counters[i][k].runs, 1);
    loop_close(loop);
}

struct alarm {
    struct loop_timer timer;
    struct loop *loop;
    int number;
    bool last;
};

static int order[4];
static int order_count;

static void ring(struct loop_timer *timer)
{
    struct alarm *a = LOOP_OWNER(timer, struct alarm, timer);

    order[order_count++] = a->number;
    if (a->last)
        loop_stop(a->loop);
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
    struct fake_clock fake;
    struct loop *loop;
    struct alarm a, b, c, never;

    (void)state;
    fake_clock_init(&fake, 1700000000000);
    loop = open_loop(&fake.clock);
    a = (struct alarm){{.fire = ring}, loop, 1, false};
    b = (struct alarm){{.fire = ring}, loop, 2, false};
    c = (struct alarm){{.fire = ring}, loop, 3, true};
    never = (struct alarm){{.fire = ring}, loop, 4, false};
    order_count = 0;
    loop_timer_set(loop, &c.timer, 20);
    loop_timer_set(loop, &a.timer, 30);
    loop_timer_set(loop, &b.timer, 10);
    loop_timer_set(loop, &never.timer, 5);
    loop_timer_set(loop, &a.timer, 1); /* moved */
    loop_timer_clear(&never.timer);
    loop_timer_clear(&never.timer); /* twice is fine */
    fake_clock_advance(&fake, 40);
    loop_run(loop);
    assert_int_equal(order_count, 3);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[2], 3);
    loop_close(loop);
}

static void a_timer_follows_the_clock_it_was_given(void **state)
{
    struct fake_clock fake;
    struct loop *loop;
    struct alarm a;
    struct counter c;

    (void)state;
    fake_clock_init(&fake, 1700000000000);
    loop = open_loop(&fake.clock);
    a = (struct alarm){{.fire = ring}, loop, 7, true};
    c = (struct counter){{count_run, NULL}, loop, 0, 99};
    order_count = 0;
    loop_timer_set(loop, &a.timer, FW_HOUR);
    fake_clock_advance(&fake, FW_HOUR);
    loop_post(loop, &c.task);
    loop_run(loop);
    assert_int_equal(order[0], 7);
    loop_close(loop);
}

struct pair {
    struct loop_watch watch[2];
    struct loop *loop;
    int events;
};

static struct pair *the_pair;

static void remove_both(struct loop_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
    the_pair->events++;
    loop_remove(the_pair->loop, &the_pair->watch[0]);
    loop_remove(the_pair->loop, &the_pair->watch[1]);
    loop_stop(the_pair->loop);
}

static void no_event_of_a_removed_watch_is_delivered(void **state)
{
    struct loop *loop = open_loop(fw_clock_system());
    struct pair pair = {.loop = loop};
    struct fw_err err = {0};
    int a[2], b[2];

    (void)state;
    the_pair = &pair;
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    pair.watch[0] = (struct loop_watch){a[0], remove_both};
    pair.watch[1] = (struct loop_watch){b[0], remove_both};
    assert_int_equal(loop_add(loop, &pair.watch[0], EPOLLIN, &err), FW_OK);
    assert_int_equal(loop_add(loop, &pair.watch[1], EPOLLIN, &err), FW_OK);
    loop_run(loop);
    assert_int_equal(pair.events, 1);
    loop_close(loop);
    for (int i = 0; i < 2; i++) {
        (void)close(a[i]);
        (void)close(b[i]);
    }
}

static void what_was_posted_runs_even_if_the_loop_has_ended(void **state)
{
    struct loop *loop = open_loop(fw_clock_system());
    struct counter c = {{count_run, NULL}, loop, 0, 99};

    (void)state;
    loop_stop(loop);
    loop_run(loop);
    loop_post(loop, &c.task);
    loop_close(loop);
    assert_int_equal(c.runs, 1);
}

static void a_descriptor_that_cannot_be_watched_is_an_error(void **state)
{
    struct loop *loop = open_loop(fw_clock_system());
    struct loop_watch bad = {-1, remove_both};
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(loop_add(loop, &bad, EPOLLIN, &err), FW_EIO);
    assert_true(err.text[0] != '\0');
    loop_close(loop);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_from_another_thread_runs_on_the_loop),
        cmocka_unit_test(tasks_of_many_threads_all_run_once),
        cmocka_unit_test(timers_fire_in_the_order_of_their_times),
        cmocka_unit_test(a_timer_follows_the_clock_it_was_given),
        cmocka_unit_test(no_event_of_a_removed_watch_is_delivered),
        cmocka_unit_test(what_was_posted_runs_even_if_the_loop_has_ended),
        cmocka_unit_test(a_descriptor_that_cannot_be_watched_is_an_error),
    };
    return fixture_main(argc, argv, tests);
}
