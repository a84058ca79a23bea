/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "server/local/local_frame.h"
#include "storage/base/bytes.h"
#include "storage/base/limits.h"

static char *words[] = {(char *)"query", (char *)"up{a=\"b\"}", (char *)""};

static struct fw_buf encoded(void)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    struct local_request request = {LOCAL_TTY, 132, 50, 3, words};
    struct fw_err err = {0};

    assert_int_equal(local_request_put(&out, &request, &err), FW_OK);
    return out;
}

static void a_request_comes_back_as_it_was(void **state)
{
    struct fw_buf bytes = encoded();
    struct local_request got = {0};
    struct fw_err err = {0};
    size_t size = 0;

    (void)state;
    assert_int_equal(local_request_size(bytes.data, bytes.len, &size, &err),
                     FW_OK);
    assert_int_equal(size, bytes.len);
    assert_int_equal(local_request_get(bytes.data, bytes.len, &got, &err),
                     FW_OK);
    assert_int_equal(got.flags, LOCAL_TTY);
    assert_int_equal(got.columns, 132);
    assert_int_equal(got.rows, 50);
    assert_int_equal(got.argc, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(got.argv[i], words[i]);
    assert_null(got.argv[3]);
    local_request_release(&got);
    fw_buf_release(&bytes);
}

static void every_cut_is_refused_or_waited_for(void **state)
{
    struct fw_buf bytes = encoded();

    (void)state;
    for (size_t n = 0; n < bytes.len; n++) {
        struct local_request got = {0};
        struct fw_err err = {0};
        size_t size = 0;
        char *copy = malloc(n + 1);
        fw_rc rc;

        assert_non_null(copy);
        memcpy(copy, bytes.data, n);
        rc = local_request_size(copy, n, &size, &err);
        assert_true(rc == FW_NONE || (rc == FW_OK && size == bytes.len));
        assert_true(local_request_get(copy, n, &got, &err) < 0);
        free(copy);
    }
    fw_buf_release(&bytes);
}

static void every_flipped_byte_is_refused_or_another_request(void **state)
{
    struct fw_buf bytes = encoded();

    (void)state;
    for (size_t i = 0; i < bytes.len; i++) {
        struct local_request got = {0};
        struct fw_err err = {0};

        bytes.data[i] = (char)(bytes.data[i] ^ 0xff);
        if (local_request_get(bytes.data, bytes.len, &got, &err) == FW_OK)
            local_request_release(&got);
        else
            assert_true(err.text[0] != '\0');
        bytes.data[i] = (char)(bytes.data[i] ^ 0xff);
    }
    fw_buf_release(&bytes);
}

static void another_version_is_told_apart(void **state)
{
    struct fw_buf bytes = encoded();
    struct local_request got = {0};
    struct fw_err err = {0};

    (void)state;
    fw_put_le16(bytes.data + 8, LOCAL_VERSION + 1);
    assert_int_equal(local_request_get(bytes.data, bytes.len, &got, &err),
                     FW_EVERSION);
    fw_buf_release(&bytes);
}

static void a_huge_length_is_refused_before_it_is_believed(void **state)
{
    uint8_t head[LOCAL_REQUEST_HEAD];
    struct fw_err err = {0};
    size_t size = 0;

    (void)state;
    fw_put_le32(head, LOCAL_MAGIC);
    fw_put_le32(head + 4, UINT32_MAX);
    assert_int_equal(local_request_size(head, sizeof(head), &size, &err),
                     FW_ETOOBIG);
    fw_put_le32(head, LOCAL_MAGIC + 1);
    assert_int_equal(local_request_size(head, sizeof(head), &size, &err),
                     FW_ECORRUPT);
}

static void a_request_of_too_many_words_is_too_big(void **state)
{
    uint8_t bytes[20] = {0};
    struct local_request request;
    struct fw_err err = {0};

    (void)state;
    fw_put_le32(bytes, LOCAL_MAGIC);
    fw_put_le32(bytes + 4, sizeof(bytes) - LOCAL_REQUEST_HEAD);
    fw_put_le16(bytes + 8, LOCAL_VERSION);
    fw_put_le32(bytes + 16, LOCAL_MAX_ARGS + 1);
    assert_int_equal(local_request_get(bytes, sizeof(bytes), &request, &err),
                     FW_ETOOBIG);
    fw_put_le32(bytes + 16, LOCAL_MAX_ARGS);
    assert_int_equal(local_request_get(bytes, sizeof(bytes), &request, &err),
                     FW_ECORRUPT);
    fw_put_le32(bytes + 16, 0);
    assert_int_equal(local_request_get(bytes, sizeof(bytes), &request, &err),
                     FW_ECORRUPT);
}

static void a_command_line_past_the_limit_is_not_sent(void **state)
{
    char *big = calloc(1, FW_MAX_LOCAL_REQUEST_BYTES + 1);
    struct fw_buf out = FW_BUF_INIT(2 * FW_MAX_LOCAL_REQUEST_BYTES);
    struct local_request request = {0, 80, 24, 1, &big};
    struct fw_err err = {0};

    (void)state;
    assert_non_null(big);
    memset(big, 'x', FW_MAX_LOCAL_REQUEST_BYTES);
    assert_int_equal(local_request_put(&out, &request, &err), FW_ETOOBIG);
    assert_int_equal(out.len, 0);
    fw_buf_release(&out);
    free(big);
}

static void frame_heads_are_checked(void **state)
{
    uint8_t bytes[LOCAL_FRAME_HEAD];
    struct local_head head = {LOCAL_ERR, 77};
    struct fw_err err = {0};

    (void)state;
    local_head_put(bytes, head);
    assert_int_equal(local_head_get(bytes, &head, &err), FW_OK);
    assert_int_equal(head.kind, LOCAL_ERR);
    assert_int_equal(head.length, 77);
    local_head_put(bytes, (struct local_head){LOCAL_EXIT, 2});
    assert_int_equal(local_head_get(bytes, &head, &err), FW_ECORRUPT);
    local_head_put(bytes,
                   (struct local_head){LOCAL_OUT, LOCAL_MAX_PAYLOAD + 1});
    assert_int_equal(local_head_get(bytes, &head, &err), FW_ECORRUPT);
    fw_put_le32(bytes, 0);
    assert_int_equal(local_head_get(bytes, &head, &err), FW_ECORRUPT);
    fw_put_le32(bytes, 5);
    assert_int_equal(local_head_get(bytes, &head, &err), FW_ECORRUPT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_back_as_it_was),
        cmocka_unit_test(every_cut_is_refused_or_waited_for),
        cmocka_unit_test(every_flipped_byte_is_refused_or_another_request),
        cmocka_unit_test(another_version_is_told_apart),
        cmocka_unit_test(a_huge_length_is_refused_before_it_is_believed),
        cmocka_unit_test(a_request_of_too_many_words_is_too_big),
        cmocka_unit_test(a_command_line_past_the_limit_is_not_sent),
        cmocka_unit_test(frame_heads_are_checked),
    };
    return fixture_main(argc, argv, tests);
}
