/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "storage/base/bytes.h"

static struct fw_str write_one(struct fw_buf *out)
{
    struct record_writer w;

    record_begin(&w, out, RECORD_SCORE, 2);
    record_put_u8(&w, 7);
    record_put_u32(&w, 0xdeadbeef);
    record_put_ms(&w, -5);
    record_put_double(&w, NAN);
    record_put_str(&w, FW_STR("caf\xc3\xa9"));
    record_put_str(&w, FW_STR(""));
    assert_int_equal(record_end(&w, NULL), FW_OK);
    return (struct fw_str){out->data, out->len};
}

static void fields_come_back_as_they_went(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(4096);
    struct fw_str bytes = write_one(&buf);
    struct record_reader r;

    (void)state;
    assert_int_equal(record_open(&r, bytes, RECORD_SCORE, 2, NULL), FW_OK);
    assert_int_equal(record_get_u8(&r), 7);
    assert_int_equal(record_get_u32(&r), 0xdeadbeef);
    assert_int_equal(record_get_ms(&r), -5);
    assert_true(isnan(record_get_double(&r)));
    assert_true(fw_str_eq(record_get_str(&r), FW_STR("caf\xc3\xa9")));
    assert_int_equal(record_get_str(&r).n, 0);
    assert_int_equal(record_close(&r, NULL), FW_OK);
    fw_buf_release(&buf);
}

static void every_flipped_bit_is_found(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(4096);
    struct fw_str bytes = write_one(&buf);

    (void)state;
    for (size_t bit = 0; bit < bytes.n * 8; bit++) {
        struct record_reader r;

        buf.data[bit / 8] = (char)(buf.data[bit / 8] ^ (1 << (bit % 8)));
        assert_int_equal(record_open(&r, bytes, RECORD_SCORE, 2, NULL),
                         FW_ECORRUPT);
        buf.data[bit / 8] = (char)(buf.data[bit / 8] ^ (1 << (bit % 8)));
    }
    for (size_t n = 0; n < bytes.n; n++) {
        struct record_reader r;

        assert_int_equal(
            record_open(&r, (struct fw_str){bytes.p, n}, RECORD_SCORE, 2, NULL),
            FW_ECORRUPT);
    }
    fw_buf_release(&buf);
}

static void kinds_and_versions_are_told_apart(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(4096);
    struct fw_str bytes = write_one(&buf);
    struct fw_err err = {0};
    struct record_reader r;

    (void)state;
    assert_int_equal(record_open(&r, bytes, RECORD_TOTALS, 2, &err),
                     FW_ECORRUPT);
    assert_int_equal(record_open(&r, bytes, RECORD_SCORE, 1, &err),
                     FW_EVERSION);
    assert_string_equal(err.text,
                        "a record of version 2; this program knows up to 1");
    fw_buf_release(&buf);
}

static void a_missing_or_a_left_over_field_is_told(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(4096);
    struct fw_str bytes = write_one(&buf);
    struct record_reader r;

    (void)state;
    assert_int_equal(record_open(&r, bytes, RECORD_SCORE, 2, NULL), FW_OK);
    (void)record_get_u8(&r);
    assert_int_equal(record_close(&r, NULL), FW_ECORRUPT);
    for (int i = 0; i < 20; i++)
        (void)record_get_u64(&r);
    assert_int_equal(record_get_u64(&r), 0);
    assert_int_equal(record_get_str(&r).n, 0);
    assert_int_equal(record_close(&r, NULL), FW_ECORRUPT);
    fw_buf_release(&buf);
}

static void past_the_cap_a_record_is_refused(void **state)
{
    struct fw_buf buf = FW_BUF_INIT(16);
    struct record_writer w;

    (void)state;
    record_begin(&w, &buf, RECORD_SCORE, 1);
    record_put_str(&w, FW_STR("more than sixteen bytes"));
    assert_int_equal(record_end(&w, NULL), FW_ETOOBIG);
    fw_buf_release(&buf);
}

static void keys_keep_the_order_of_their_numbers(void **state)
{
    struct record_key a = record_key_u64(255), b = record_key_u64(256);
    uint64_t id = 0;

    (void)state;
    assert_true(memcmp(a.bytes, b.bytes, sizeof(a.bytes)) < 0);
    assert_true(record_key_read(record_key_str(&b), &id));
    assert_int_equal(id, 256);
    assert_false(record_key_read(FW_STR("short"), &id));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back_as_they_went),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(kinds_and_versions_are_told_apart),
        cmocka_unit_test(a_missing_or_a_left_over_field_is_told),
        cmocka_unit_test(past_the_cap_a_record_is_refused),
        cmocka_unit_test(keys_keep_the_order_of_their_numbers),
    };

    return fixture_main(argc, argv, tests);
}
