/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which writes the loop takes itself: by the bytes that came and, of snappy,
 * by those that it says it holds.
 */
#include "tests/support/fixture.h"

#include <stdlib.h>

#include "server/http/api.h"
#include "server/http/call.h"
#include "storage/base/bytes.h"

#define KIB ((size_t)1024)

static const struct route remote = {.answer = api_remote_write};
static const struct route influx = {.answer = api_influx_v1};
static const struct route exposition = {.answer = api_import_prometheus};

static bool is_small(const struct route *route, const char *p, size_t n)
{
    struct call call = {.route = route, .body = {p, n}};

    return api_is_small_write(&call);
}

/* A snappy block of n bytes in all that says it holds `claims`. */
static bool is_small_snappy(uint64_t claims, size_t n)
{
    char *body = calloc(1, n + FW_VARINT_MAX_BYTES);
    bool small;

    assert_non_null(body);
    (void)fw_varint_put(body, claims);
    small = is_small(&remote, body, n);
    free(body);
    return small;
}

static void text_is_small_up_to_128_kib(void **state)
{
    char *body = calloc(1, 128 * KIB + 1);

    (void)state;
    assert_non_null(body);
    for (int i = 0; i < 2; i++) {
        const struct route *route = i == 0 ? &influx : &exposition;

        assert_true(is_small(route, body, 0));
        assert_true(is_small(route, body, 128 * KIB - 1));
        assert_true(is_small(route, body, 128 * KIB));
        assert_false(is_small(route, body, 128 * KIB + 1));
    }
    free(body);
}

static void snappy_is_small_by_both_sizes(void **state)
{
    (void)state;
    assert_true(is_small_snappy(1000, 128 * KIB));
    assert_false(is_small_snappy(1000, 128 * KIB + 1));
    assert_true(is_small_snappy(1024 * KIB - 1, 100));
    assert_true(is_small_snappy(1024 * KIB, 100));
    assert_false(is_small_snappy(1024 * KIB + 1, 100));
    assert_true(is_small_snappy(1024 * KIB, 128 * KIB));
    assert_false(is_small_snappy(1024 * KIB + 1, 128 * KIB));
    assert_false(is_small_snappy(1024 * KIB, 128 * KIB + 1));
}

/* What is no block at all is left to a worker, whatever it costs to find out.
 */
static void snappy_that_claims_anything(void **state)
{
    (void)state;
    assert_true(is_small_snappy(0, 1));
    assert_false(is_small_snappy(UINT32_MAX, 100));
    assert_false(is_small_snappy(UINT64_MAX, 100));
    assert_false(is_small_snappy((uint64_t)1 << 32, 100));
    assert_false(is_small(&remote, "", 0));
    assert_false(is_small(&remote, "\x80", 1));
    assert_false(is_small(&remote, "\xff\xff\xff\xff", 4));
    assert_false(is_small(&remote, "\xff\xff\xff\xff\xff\xff", 6));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_small_up_to_128_kib),
        cmocka_unit_test(snappy_is_small_by_both_sizes),
        cmocka_unit_test(snappy_that_claims_anything),
    };

    return fixture_main(argc, argv, tests);
}
