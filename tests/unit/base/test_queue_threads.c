/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <sched.h>

#include "storage/base/queue.h"

#define SENDERS 4
#define ITEMS 5000

static void *send(void *arg)
{
    struct fw_queue *queue = arg;

    for (uintptr_t i = 1; i <= ITEMS; i++)
        while (fw_queue_push(queue, (void *)i) == FW_EBUSY)
            (void)sched_yield();
    return NULL;
}

static void many_senders_lose_and_double_nothing(void **state)
{
    struct fw_queue queue;
    pthread_t threads[SENDERS];
    uint64_t sum = 0;
    void *item;

    (void)state;
    assert_int_equal(fw_queue_init(&queue, 16), FW_OK);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send, &queue), 0);
    for (int i = 0; i < SENDERS * ITEMS; i++) {
        assert_int_equal(fw_queue_pop(&queue, 10000, &item), FW_OK);
        sum += (uintptr_t)item;
    }
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(sum == (uint64_t)SENDERS * ITEMS * (ITEMS + 1) / 2);
    assert_int_equal(fw_queue_count(&queue), 0);
    fw_queue_release(&queue);
}

static void a_full_queue_is_an_answer(void **state)
{
    struct fw_queue queue;
    int x = 0;

    (void)state;
    assert_int_equal(fw_queue_init(&queue, 2), FW_OK);
    assert_int_equal(fw_queue_push(&queue, &x), FW_OK);
    assert_int_equal(fw_queue_push(&queue, &x), FW_OK);
    assert_int_equal(fw_queue_push(&queue, &x), FW_EBUSY);
    fw_queue_release(&queue);
}

static void waiting_ends_with_the_time_or_with_the_queue(void **state)
{
    struct fw_queue queue;
    void *item;
    int x = 0;

    (void)state;
    assert_int_equal(fw_queue_init(&queue, 2), FW_OK);
    assert_int_equal(fw_queue_pop(&queue, 0, &item), FW_NONE);
    assert_int_equal(fw_queue_pop(&queue, 5, &item), FW_NONE);
    assert_int_equal(fw_queue_push(&queue, &x), FW_OK);
    fw_queue_close(&queue);
    assert_int_equal(fw_queue_push(&queue, &x), FW_ECANCELED);
    assert_int_equal(fw_queue_pop(&queue, -1, &item), FW_OK);
    assert_int_equal(fw_queue_pop(&queue, -1, &item), FW_END);
    fw_queue_release(&queue);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_senders_lose_and_double_nothing),
        cmocka_unit_test(a_full_queue_is_an_answer),
        cmocka_unit_test(waiting_ends_with_the_time_or_with_the_queue),
    };

    return fixture_main(argc, argv, tests);
}
