/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>

#include "tests/fuzz/intake_target.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LINES 200000

struct desk {
    struct fw_store *store;
    struct intake_pair pair;
};

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    struct fw_store_options options = {.create = true, .max_series = 2000};
    struct fw_err err = {0};

    assert_non_null(desk);
    assert_int_equal(fw_store_open(tmpdir_new(), &options, &desk->store, &err),
                     FW_OK);
    intake_pair_init(&desk->pair, desk->store);
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;

    intake_pair_release(&desk->pair);
    fw_store_close(desk->store);
    free(desk);
    return 0;
}

static void take(struct desk *desk, const char *line)
{
    intake_pair_take(&desk->pair, line, strlen(line));
}

/* ---- lines that look like each other --------------------------------------
 */

static const char *pick(struct synth_rng *rng, const char *const *from,
                        size_t n)
{
    return from[synth_u64(rng) % n];
}

#define PICK(rng, from) pick((rng), (from), COUNT(from))

static const char *const heads[] = {"cpu,host=a",
                                    "cpu,host=b,rack=7",
                                    "cpu",
                                    "put",
                                    "m\\ n,t=a\\,b",
                                    "a\\\\,x=1",
                                    "x;k=v",
                                    "a.b.c",
                                    "a\\",
                                    "put\\",
                                    "p",
                                    "deep,host=a,x=\\=",
                                    "12",
                                    "a=b",
                                    "#x",
                                    "veryverylongmeasurement,host=something"};
static const char *const fields[] = {
    "a",  "b",     "user", "usage_user", "usage_sys", "x\\ y",    "x\\=y",
    "\\", "a\\\\", "k=v",  "",           "1",         "12345678", "123456789"};
static const char *const values[] = {"1",
                                     "55",
                                     "-3",
                                     "0",
                                     "-0",
                                     "-0i",
                                     "55i",
                                     "5u",
                                     "1.5",
                                     "12.25",
                                     "-0.0",
                                     "1e5",
                                     "1e",
                                     "nan",
                                     "inf",
                                     "t",
                                     "false",
                                     "\"a b\"",
                                     "\"",
                                     ".5",
                                     "1.",
                                     "+7",
                                     "1.5i",
                                     "9007199254740993",
                                     "123456789012345678i",
                                     "0x10",
                                     "1_0",
                                     "9999999",
                                     "99999999",
                                     "123456.7",
                                     "",
                                     "-",
                                     "0.1234567",
                                     "0.12345678",
                                     "1234567.1234567",
                                     "1e400"};
static const char *const times[] = {"1700000000",
                                    "1700000001",
                                    "1700000000000000000",
                                    "1700000000123",
                                    "-1",
                                    "N",
                                    "1700000000.5",
                                    "99999999999999999",
                                    "x",
                                    "",
                                    "17000000000000000000000",
                                    "1700000000 ",
                                    "1700000000\r",
                                    "1700000000 5",
                                    "1700000000\t"};
static const char *const gaps[] = {" ", " ", " ", " ", " ", " ", "  ", "\t"};

static size_t influx(struct synth_rng *rng, char *out, size_t size)
{
    size_t n =
        (size_t)snprintf(out, size, "%s%s", PICK(rng, heads), PICK(rng, gaps));
    size_t count = 1 + synth_u64(rng) % 4;

    for (size_t i = 0; i < count; i++)
        n += (size_t)snprintf(
            out + n, size - n, "%s%s=%s", i > 0 ? "," : "", PICK(rng, fields),
            values[synth_u64(rng) %
                   (synth_u64(rng) % 4 == 0 ? COUNT(values) : 12)]);
    if (synth_u64(rng) % 4 > 0)
        n += (size_t)snprintf(out + n, size - n, "%s%s", PICK(rng, gaps),
                              PICK(rng, times));
    return n;
}

static size_t graphite(struct synth_rng *rng, char *out, size_t size)
{
    return (size_t)snprintf(out, size, "%s%s%s%s%s", PICK(rng, heads),
                            PICK(rng, gaps), PICK(rng, values), PICK(rng, gaps),
                            PICK(rng, times));
}

static size_t opentsdb(struct synth_rng *rng, char *out, size_t size)
{
    static const char *const tags[] = {"host=a", "host=a  ", "host=b x=y",
                                       "",       "host=",    "host"};

    return (size_t)snprintf(out, size, "put%s%s%s%s%s%s%s%s", PICK(rng, gaps),
                            PICK(rng, heads), PICK(rng, gaps), PICK(rng, times),
                            PICK(rng, gaps), PICK(rng, values), PICK(rng, gaps),
                            PICK(rng, tags));
}

/* One byte of it becomes another that means something. */
static void spoil(struct synth_rng *rng, char *line, size_t n)
{
    static const char bytes[] = " ,=\\\"\t\r.-+015ieputN#\xff";

    if (n > 0)
        line[synth_u64(rng) % n] = bytes[synth_u64(rng) % (sizeof(bytes) - 1)];
}

static void both_ways_take_the_same_from_any_line(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct desk *desk = *state;
    char line[512];

    for (int i = 0; i < LINES; i++) {
        uint64_t kind = synth_u64(&rng) % 8;
        size_t n = kind == 0   ? opentsdb(&rng, line, sizeof(line))
                   : kind == 1 ? graphite(&rng, line, sizeof(line))
                               : influx(&rng, line, sizeof(line));

        if (synth_u64(&rng) % 4 == 0)
            spoil(&rng, line, n);
        desk->pair.quick.unit = desk->pair.slow.unit =
            (enum time_unit)(i / 1000 % 5);
        intake_pair_take(&desk->pair, line, n);
    }
    assert_true(desk->pair.lines_quick > LINES / 20);
    print_message("%zu of %d lines went the quick way\n",
                  desk->pair.lines_quick, LINES);
}

/* ---- single promises -------------------------------------------------------
 */

static void a_line_said_again_goes_the_quick_way(void **state)
{
    static const char *const lines[] = {
        "cpu,host=a user=1,sys=2.5 1700000000", "cpu,host=b user=1i,sys=-2",
        "load.short 1.5 1700000000", "put mem 1700000000 5 host=a"};
    struct desk *desk = *state;

    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT(lines); i++)
            take(desk, lines[i]);
    assert_int_equal(desk->pair.lines_quick, 2 * COUNT(lines));
}

static void heads_and_fields_in_another_order_are_still_known(void **state)
{
    struct desk *desk = *state;

    take(desk, "m,h=a a=1,b=2,c=3 1700000000");
    take(desk, "m,h=b a=1,b=2,c=3 1700000000");
    take(desk, "m,h=b c=1,b=2 1700000000");
    take(desk, "m,h=b a=4 1700000000");
    take(desk, "m,h=a b=4,c=3,a=1 1700000000");
    assert_int_equal(desk->pair.lines_quick, 3);
}

static void a_new_field_of_a_known_head_is_learned(void **state)
{
    struct desk *desk = *state;

    take(desk, "m,h=a a=1 1700000000");
    take(desk, "m,h=a a=1,b=2 1700000000");
    take(desk, "m,h=a a=1,b=2 1700000000");
    assert_int_equal(desk->pair.lines_quick, 1);
}

static void a_time_in_another_unit_is_read_anew(void **state)
{
    struct desk *desk = *state;

    take(desk, "m a=1 1700000000");
    take(desk, "m a=1 1700000000");
    desk->pair.quick.unit = desk->pair.slow.unit = TIME_MS;
    take(desk, "m a=1 1700000000");
    take(desk, "a.b 1 1700000000");
    take(desk, "a.b 1 1700000000");
    assert_int_equal(desk->pair.lines_quick, 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_ways_take_the_same_from_any_line,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_said_again_goes_the_quick_way,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            heads_and_fields_in_another_order_are_still_known, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_new_field_of_a_known_head_is_learned,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_time_in_another_unit_is_read_anew,
                                        set_up, tear_down),
    };
    return fixture_main(argc, argv, tests);
}
