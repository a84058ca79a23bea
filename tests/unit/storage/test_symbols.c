/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/symbols.h"
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/synth.h"

static struct synth_rng rng;

static struct fw_str text_of(char room[64], unsigned number)
{
    int n = snprintf(room, 64, "value-%u-of-a-label", number);

    return (struct fw_str){room, (size_t)n};
}

static uint32_t add(struct symbols *s, struct fw_str text)
{
    uint32_t number = 0;

    assert_int_equal(symbols_add(s, text, symbols_hash(s, text), &number),
                     FW_OK);
    return number;
}

static void texts_come_and_go(void **state)
{
    enum { TEXTS = 3000 };
    static uint32_t refs[TEXTS], numbers[TEXTS];
    struct symbols s;
    char room[64];

    (void)state;
    assert_int_equal(symbols_init(&s), FW_OK);
    for (unsigned round = 0; round < 200000; round++) {
        unsigned i = (unsigned)(synth_u64(&rng) % TEXTS);

        if (refs[i] > 0 && synth_u64(&rng) % 2 == 0) {
            symbols_unref(&s, numbers[i]);
            refs[i]--;
        } else {
            uint32_t number = add(&s, text_of(room, i));

            assert_true(refs[i] == 0 || number == numbers[i]);
            numbers[i] = number;
            refs[i]++;
        }
    }
    for (unsigned i = 0; i < TEXTS; i++) {
        struct fw_str text = text_of(room, i);
        uint32_t found = symbols_find(&s, text);

        assert_int_equal(found, refs[i] > 0 ? numbers[i] : SYMBOL_NONE);
        assert_true(refs[i] == 0 || fw_str_eq(symbols_text(&s, found), text));
    }
    assert_true(s.n <= TEXTS);
    symbols_release(&s);
}

static void what_came_and_went_leaves_no_memory(void **state)
{
    struct symbols s;
    char room[64];
    uint32_t numbers[1000];
    unsigned at = 0;

    (void)state;
    assert_int_equal(symbols_init(&s), FW_OK);
    for (unsigned day = 0; day < 500; day++) {
        for (unsigned i = 0; i < 1000; i++, at++) {
            if (day > 0)
                symbols_unref(&s, numbers[i]);
            numbers[i] = add(&s, text_of(room, at));
        }
    }
    assert_true(s.chunk_count <= 4);
    assert_true(s.n <= 2000);
    assert_true(s.index.capacity <= 8192);
    assert_true(s.forgotten > 400000);
    symbols_release(&s);
}

static void long_texts_have_their_length(void **state)
{
    struct symbols s;
    char *text = malloc(4096);

    (void)state;
    memset(text, 'x', 4096);
    assert_int_equal(symbols_init(&s), FW_OK);
    for (size_t n = 1; n <= 4096; n += n < 300 ? 1 : 97) {
        uint32_t number = add(&s, (struct fw_str){text, n});

        assert_int_equal(symbols_text(&s, number).n, n);
        assert_int_equal(symbols_find(&s, (struct fw_str){text, n}), number);
    }
    symbols_release(&s);
    free(text);
}

/* ---- The table ---- */

static bool same_number(const void *self, uint32_t value, const void *key)
{
    (void)self;
    return value == *(const uint32_t *)key;
}

static void the_table_finds_what_is_in_it(void **state)
{
    enum { ITEMS = 5000 };
    static bool in[ITEMS];
    struct tag_index index = {0};
    size_t count = 0;

    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        uint32_t i = (uint32_t)(synth_u64(&rng) % ITEMS);
        uint64_t hash = (uint64_t)(i / 3) * 0x9E3779B97F4A7C15u; /* collide */

        if (in[i]) {
            assert_true(tag_index_remove(&index, hash, i));
            count--;
        } else {
            assert_false(tag_index_remove(&index, hash, i));
            assert_int_equal(tag_index_add(&index, hash, i), FW_OK);
            count++;
        }
        in[i] = !in[i];
        assert_int_equal(index.count, count);
        i = (uint32_t)(synth_u64(&rng) % ITEMS);
        hash = (uint64_t)(i / 3) * 0x9E3779B97F4A7C15u;
        assert_int_equal(tag_index_find(&index, hash, same_number, NULL, &i),
                         in[i] ? i : FW_INDEX_NONE);
    }
    tag_index_release(&index);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_and_go),
        cmocka_unit_test(what_came_and_went_leaves_no_memory),
        cmocka_unit_test(long_texts_have_their_length),
        cmocka_unit_test(the_table_finds_what_is_in_it),
    };

    rng = synth_seed(fixture_seed());
    return fixture_main(argc, argv, tests);
}
