/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "tests/support/fault.h"

static void grows_and_stays_terminated(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(100000);

    (void)state;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(fw_buf_printf(&buf, "%d,", i), FW_OK);
    assert_int_equal(buf.len, strlen(buf.data));
    assert_memory_equal(buf.data, "0,1,2,3,", 8);
    fw_buf_release(&buf);
    assert_null(buf.data);
}

static void past_the_cap_it_stays_as_it_was(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(8);

    (void)state;
    assert_int_equal(fw_buf_adds(&buf, "12345678"), FW_OK);
    assert_int_equal(fw_buf_addc(&buf, '9'), FW_ETOOBIG);
    assert_int_equal(fw_buf_printf(&buf, "%d", 9), FW_ETOOBIG);
    assert_string_equal(buf.data, "12345678");
    fw_buf_release(&buf);
}

static void consume_keeps_the_tail(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(64);

    (void)state;
    assert_int_equal(fw_buf_adds(&buf, "line one\nline"), FW_OK);
    fw_buf_consume(&buf, 9);
    assert_string_equal(buf.data, "line");
    fw_buf_consume(&buf, 100);
    assert_int_equal(buf.len, 0);
    fw_buf_release(&buf);
}

static void running_out_of_memory_loses_nothing(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(1 << 20);
    char big[4096] = {0};

    (void)state;
    assert_int_equal(fw_buf_adds(&buf, "kept"), FW_OK);
    fault_memory(1, FAULT_FOREVER);
    assert_int_equal(fw_buf_add(&buf, big, sizeof(big)), FW_ENOMEM);
    assert_true(fault_end());
    assert_string_equal(buf.data, "kept");
    fw_buf_release(&buf);
}

static void grow_doubles_up_to_its_cap(void **state)
{
    int *items = NULL;
    size_t cap = 0;

    (void)state;
    assert_int_equal(fw_grow(&items, &cap, 5, sizeof(*items), 20), FW_OK);
    assert_int_equal(cap, 8);
    items[4] = 42;
    assert_int_equal(fw_grow(&items, &cap, 17, sizeof(*items), 20), FW_OK);
    assert_in_range(cap, 17, 20);
    assert_int_equal(items[4], 42);
    assert_int_equal(fw_grow(&items, &cap, 21, sizeof(*items), 20), FW_ETOOBIG);
    assert_int_equal(fw_grow(&items, &cap, SIZE_MAX, sizeof(*items), SIZE_MAX),
                     FW_ETOOBIG);
    free(items);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(past_the_cap_it_stays_as_it_was),
        cmocka_unit_test(consume_keeps_the_tail),
        cmocka_unit_test(running_out_of_memory_loses_nothing),
        cmocka_unit_test(grow_doubles_up_to_its_cap),
    };

    return fixture_main(argc, argv, tests);
}
