/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "storage/base/sha256.h"

/* From FIPS 180-4's examples (NIST, SHA_All.pdf). */
static const struct {
    const char *text, *hex;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void answers_as_the_standard_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct fw_sha256_digest digest;
        struct fw_err err = {0};
        char hex[FW_SHA256_HEX_BYTES];

        assert_int_equal(
            fw_sha256(known[i].text, strlen(known[i].text), &digest, &err),
            FW_OK);
        fw_sha256_hex(&digest, hex);
        assert_string_equal(hex, known[i].hex);
    }
}

static void pieces_give_what_the_whole_gives(void **state)
{
    struct fw_sha256_state pieces = {0};
    struct fw_sha256_digest whole, joined;
    struct fw_err err = {0};
    unsigned char bytes[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 7);
    assert_int_equal(fw_sha256(bytes, sizeof(bytes), &whole, &err), FW_OK);
    assert_int_equal(fw_sha256_start(&pieces, &err), FW_OK);
    for (size_t at = 0, step = 0; at < sizeof(bytes); at += step) {
        step =
            at % 97 + 1 < sizeof(bytes) - at ? at % 97 + 1 : sizeof(bytes) - at;
        assert_int_equal(fw_sha256_add(&pieces, bytes + at, step, &err), FW_OK);
    }
    assert_int_equal(fw_sha256_end(&pieces, &joined, &err), FW_OK);
    fw_sha256_release(&pieces);
    assert_memory_equal(whole.bytes, joined.bytes, FW_SHA256_BYTES);
}

static void digits_read_back_and_nothing_else_does(void **state)
{
    struct fw_sha256_digest digest, back;
    struct fw_err err = {0};
    char hex[FW_SHA256_HEX_BYTES];

    (void)state;
    assert_int_equal(fw_sha256("x", 1, &digest, &err), FW_OK);
    fw_sha256_hex(&digest, hex);
    assert_true(fw_sha256_read_hex(hex, strlen(hex), &back));
    assert_memory_equal(digest.bytes, back.bytes, FW_SHA256_BYTES);
    assert_false(fw_sha256_read_hex(hex, strlen(hex) - 1, &back));
    hex[5] = 'g';
    assert_false(fw_sha256_read_hex(hex, strlen(hex), &back));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_the_standard_says),
        cmocka_unit_test(pieces_give_what_the_whole_gives),
        cmocka_unit_test(digits_read_back_and_nothing_else_does),
    };

    return fixture_main(argc, argv, tests);
}
