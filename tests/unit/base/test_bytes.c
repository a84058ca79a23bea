/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "tests/support/synth.h"

static void fields_come_back_and_lie_as_said(void **state)
{
    unsigned char b[8];

    (void)state;
    fw_put_le32(b, 0x01020304u);
    assert_int_equal(b[0], 4);
    assert_int_equal(fw_get_le32(b), 0x01020304u);
    fw_put_be64(b, 0x0102030405060708u);
    assert_int_equal(b[0], 1);
    assert_int_equal(fw_get_be64(b), 0x0102030405060708u);
    fw_put_le16(b, 0xBEEF);
    assert_int_equal(fw_get_le16(b), 0xBEEF);
    fw_put_be32(b, 7);
    assert_int_equal(b[3], 7);
    assert_int_equal(fw_get_be32(b), 7);
    fw_put_le64(b, UINT64_MAX - 1);
    assert_int_equal(fw_get_le64(b), UINT64_MAX - 1);
}

static void varints_come_back_at_every_width(void **state)
{
    unsigned char b[FW_VARINT_MAX_BYTES];

    (void)state;
    for (int shift = 0; shift < 64; shift++) {
        uint64_t v = ((uint64_t)1 << shift) | 1;
        uint64_t back = 0;
        size_t n = fw_varint_put(b, v);

        assert_int_equal(fw_varint_get(b, n, &back), n);
        assert_int_equal(back, v);
        assert_int_equal(fw_varint_get(b, n - 1, &back), 0);
    }
}

static void a_varint_past_64_bits_is_refused(void **state)
{
    unsigned char b[11] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                           0xFF, 0xFF, 0xFF, 0x02, 0x00};
    uint64_t v = 77;

    (void)state;
    assert_int_equal(fw_varint_get(b, sizeof(b), &v), 0);
    b[9] = 0x81;
    assert_int_equal(fw_varint_get(b, sizeof(b), &v), 0);
    assert_int_equal(v, 77);
}

static void zigzag_holds_the_extremes(void **state)
{
    const int64_t all[] = {0, -1, 1, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        assert_true(fw_unzigzag(fw_zigzag(all[i])) == all[i]);
    assert_int_equal(fw_zigzag(-1), 1);
}

static void nan_payloads_survive(void **state)
{
    (void)state;
    assert_true(fw_double_bits(fw_double_of_bits(0x7ff0000000000002u)) ==
                0x7ff0000000000002u);
}

/* Check values of RFC 3720, appendix B.4. */
static void crc_agrees_with_the_rfc(void **state)
{
    unsigned char zeros[32] = {0};
    unsigned char rising[32];

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        rising[i] = (unsigned char)i;
    assert_int_equal(fw_crc32c(zeros, 32), 0x8A9136AAu);
    assert_int_equal(fw_crc32c(rising, 32), 0x46DD794Eu);
    assert_int_equal(fw_crc32c("123456789", 9), 0xE3069283u);
}

static void both_crcs_agree_at_every_length_and_cut(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    unsigned char bytes[300];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)synth_u64(&rng);
    for (size_t n = 0; n < sizeof(bytes); n++) {
        uint32_t whole = fw_crc32c(bytes, n);
        size_t cut = n == 0 ? 0 : (size_t)(synth_u64(&rng) % n);

        assert_int_equal(whole, fw_crc32c_more_portable(0, bytes, n));
        assert_int_equal(
            whole, fw_crc32c_more(fw_crc32c(bytes, cut), bytes + cut, n - cut));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back_and_lie_as_said),
        cmocka_unit_test(varints_come_back_at_every_width),
        cmocka_unit_test(a_varint_past_64_bits_is_refused),
        cmocka_unit_test(zigzag_holds_the_extremes),
        cmocka_unit_test(nan_payloads_survive),
        cmocka_unit_test(crc_agrees_with_the_rfc),
        cmocka_unit_test(both_crcs_agree_at_every_length_and_cut),
    };

    return fixture_main(argc, argv, tests);
}
