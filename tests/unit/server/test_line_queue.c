/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/ingest/line_queue.h"
#include "tests/support/fault.h"

/* What was answered: "+a -b(reason) ". */
static char told[512];

static void tell(void *self, const char *token, const char *reason)
{
    size_t n = strlen(told);

    (void)self;
    if (reason == NULL)
        (void)snprintf(told + n, sizeof(told) - n, "+%s ", token);
    else
        (void)snprintf(told + n, sizeof(told) - n, "-%s(%s) ", token, reason);
}

static void assert_told(struct line_queue *queue, const char *want)
{
    told[0] = '\0';
    line_queue_settle(queue, tell, NULL);
    assert_string_equal(told, want);
}

static void token(struct line_queue *queue, const char *text)
{
    assert_int_equal(line_queue_token(queue, fw_str_of(text)), FW_OK);
}

static void answered(struct line_pending *p, fw_rc rc, uint32_t refused,
                     const char *reason)
{
    line_pending_set(p, rc, refused, reason);
    p->done = true;
}

static void a_token_waits_for_every_batch_before_it(void **state)
{
    struct line_queue queue;
    struct line_pending *a, *b;

    (void)state;
    line_queue_init(&queue);
    a = line_queue_batch(&queue, NULL, NULL);
    b = line_queue_batch(&queue, NULL, NULL);
    token(&queue, "t");
    assert_told(&queue, "");
    answered(b, FW_OK, 0, "");
    assert_told(&queue, "");
    answered(a, FW_OK, 0, "");
    assert_told(&queue, "+t ");
    assert_int_equal(queue.count, 0);
    assert_null(queue.first);
}

static void a_failure_is_told_to_the_token_behind_it_only(void **state)
{
    struct line_queue queue;
    struct line_pending *a, *b, *c;

    (void)state;
    line_queue_init(&queue);
    a = line_queue_batch(&queue, NULL, NULL);
    token(&queue, "1");
    b = line_queue_batch(&queue, NULL, NULL);
    token(&queue, "2");
    c = line_queue_batch(&queue, NULL, NULL);
    token(&queue, "3");
    answered(c, FW_OK, 0, "");
    answered(b, FW_ENOSPC, 5, "the disk is full");
    answered(a, FW_OK, 0, "");
    assert_told(&queue, "+1 -2(the disk is full) +3 ");
}

static void samples_the_store_left_out_are_a_refusal(void **state)
{
    struct line_queue queue;
    struct line_pending *a;

    (void)state;
    line_queue_init(&queue);
    a = line_queue_batch(&queue, NULL, NULL);
    token(&queue, "t");
    answered(a, FW_OK, 1, "too old");
    assert_told(&queue, "-t(too old) ");
}

static void a_note_is_for_the_token_behind_it_even_if_others_wait(void **state)
{
    struct line_queue queue;
    struct line_pending *a;

    (void)state;
    line_queue_init(&queue);
    a = line_queue_batch(&queue, NULL, NULL);
    token(&queue, "before");
    line_queue_note(&queue, "no more series");
    line_queue_note(&queue, "and another reason");
    token(&queue, "behind");
    token(&queue, "later");
    answered(a, FW_OK, 0, "");
    assert_told(&queue, "+before -behind(no more series) +later ");
}

static void forgetting_keeps_batches_the_store_still_has(void **state)
{
    struct line_queue queue;
    struct line_pending *a;

    (void)state;
    line_queue_init(&queue);
    token(&queue, "1");
    a = line_queue_batch(&queue, NULL, NULL);
    token(&queue, "2");
    line_queue_note(&queue, "x");
    line_queue_forget(&queue);
    assert_int_equal(queue.count, 1);
    assert_ptr_equal(queue.first, a);
    token(&queue, "3"); /* the end of the list is where it should be */
    answered(a, FW_OK, 0, "");
    assert_told(&queue, "+3 ");
}

static void without_memory_nothing_is_promised(void **state)
{
    struct line_queue queue;

    (void)state;
    line_queue_init(&queue);
    fault_memory(1, FAULT_ONCE);
    assert_null(line_queue_batch(&queue, NULL, NULL));
    assert_true(fault_end());
    token(&queue, "1");
    token(&queue, "2");
    assert_told(&queue, "-1(memory ran out) -2(memory ran out) ");
    fault_memory(1, FAULT_ONCE);
    assert_int_equal(line_queue_token(&queue, FW_STR("3")), FW_ENOMEM);
    assert_true(fault_end());
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_waits_for_every_batch_before_it),
        cmocka_unit_test(a_failure_is_told_to_the_token_behind_it_only),
        cmocka_unit_test(samples_the_store_left_out_are_a_refusal),
        cmocka_unit_test(a_note_is_for_the_token_behind_it_even_if_others_wait),
        cmocka_unit_test(forgetting_keeps_batches_the_store_still_has),
        cmocka_unit_test(without_memory_nothing_is_promised),
    };
    return fixture_main(argc, argv, tests);
}
