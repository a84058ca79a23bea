/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "storage/base/arena.h"
#include "tests/support/fault.h"

static void gives_aligned_memory_that_stays_put(void **state)
{
    struct fw_arena *arena = fw_arena_new(1 << 24);
    unsigned char *pieces[500];

    (void)state;
    for (size_t i = 0; i < 500; i++) {
        pieces[i] = fw_arena_alloc(arena, i * 7);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i & 0xFF), i * 7);
    }
    for (size_t i = 1; i < 500; i++)
        assert_int_equal(pieces[i][i * 7 - 1], i & 0xFF);
    fw_arena_free(arena);
}

static void the_cap_is_an_error_that_names_itself(void **state)
{
    struct fw_arena *arena = fw_arena_new(2 << 20);
    struct fw_err err = {0};

    (void)state;
    assert_non_null(fw_arena_alloc(arena, 1 << 20));
    assert_null(fw_arena_alloc(arena, (1 << 20) + 1));
    assert_int_equal(fw_arena_err(arena, &err), FW_ETOOBIG);
    assert_non_null(strstr(err.text, "2 MiB"));
    assert_null(fw_arena_calloc(arena, SIZE_MAX / 2, 4));
    fw_arena_free(arena);
}

static void clear_gives_everything_back(void **state)
{
    struct fw_arena *arena = fw_arena_new(1 << 20);

    (void)state;
    for (int round = 0; round < 50; round++) {
        assert_non_null(fw_arena_alloc(arena, 900000));
        fw_arena_clear(arena);
    }
    assert_int_equal(fw_arena_used(arena), 0);
    fw_arena_free(arena);
}

static void out_of_memory_is_told_from_the_cap(void **state)
{
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_err err = {0};

    (void)state;
    fault_memory(1, FAULT_ONCE);
    assert_null(fw_arena_alloc(arena, 100));
    assert_true(fault_end());
    assert_int_equal(fw_arena_err(arena, &err), FW_ENOMEM);
    assert_non_null(fw_arena_alloc(arena, 100));
    fw_arena_free(arena);
}

static void text_is_copied_and_closed(void **state)
{
    struct fw_arena *arena = fw_arena_new(1 << 20);

    (void)state;
    assert_string_equal(fw_arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(fw_arena_printf(arena, "%s-%d", "x", 7), "x-7");
    assert_string_equal(fw_arena_strdup(arena, ""), "");
    fw_arena_free(arena);
    fw_arena_free(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_memory_that_stays_put),
        cmocka_unit_test(the_cap_is_an_error_that_names_itself),
        cmocka_unit_test(clear_gives_everything_back),
        cmocka_unit_test(out_of_memory_is_told_from_the_cap),
        cmocka_unit_test(text_is_copied_and_closed),
    };

    return fixture_main(argc, argv, tests);
}
