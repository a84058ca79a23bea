/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "server/http/chunk.h"

/*
 * Feeds a body in steps of `step` bytes. The state it ends in; what it carried
 * is in `out`, and *left is what stands behind its end.
 */
static enum chunk_state feed(const char *body, size_t n, size_t step,
                             char out[256], size_t *left)
{
    struct chunk chunk = {0};
    size_t at = 0;
    size_t len = 0;

    while (at < n && chunk.state != CHUNK_END && chunk.state != CHUNK_BAD) {
        size_t now = n - at < step ? n - at : step;
        struct fw_str in = {body + at, now};

        while (in.n > 0 && chunk.state != CHUNK_END &&
               chunk.state != CHUNK_BAD) {
            struct fw_str data;

            chunk_take(&chunk, &in, &data);
            if (data.n > 0) {
                assert_true(len + data.n < 256);
                memcpy(out + len, data.p, data.n);
                len += data.n;
            }
        }
        at += now - in.n;
    }
    out[len] = '\0';
    *left = n - at;
    return chunk.state;
}

static void any_split_gives_the_same_body(void **state)
{
    static const char body[] = "4\r\nWiki\r\n6;x=\"y\"\r\npedia \r\n"
                               "00e\r\nin \r\n\r\nchunks.\r\n"
                               "0\r\nTrailer: yes\r\n\r\nGET";
    char out[256];
    size_t left;

    (void)state;
    for (size_t step = 1; step <= sizeof(body); step++) {
        assert_int_equal(feed(body, sizeof(body) - 1, step, out, &left),
                         CHUNK_END);
        assert_string_equal(out, "Wikipedia in \r\n\r\nchunks.");
        assert_int_equal(left, 3);
    }
}

static void what_two_servers_read_in_two_ways_is_bad(void **state)
{
    static const char *const bodies[] = {
        "\r\n0\r\n\r\n",
        "4\nWiki\n0\n\n",
        "4\r\nWiki\n0\r\n\r\n",
        "4\r\nWikix\r\n",
        "+4\r\nWiki\r\n0\r\n\r\n",
        " 4\r\nWiki\r\n0\r\n\r\n",
        "4 \r\nWiki\r\n0\r\n\r\n",
        "0x4\r\nWiki\r\n0\r\n\r\n",
        "g\r\n",
        "10000000000000000\r\n",
        "5;a\nb\r\nWikip\r\n0\r\n\r\n",
        "5;a\x01\r\nWikip\r\n",
        "0\r\n\nGET",
        "0\r\nA: b\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\n: nameless\r\n\r\n",
    };
    char out[256];
    size_t left;

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        if (feed(bodies[i], strlen(bodies[i]), 1000, out, &left) != CHUNK_BAD)
            fail_msg("taken: %s", bodies[i]);
}

static void extensions_and_trailers_have_an_end(void **state)
{
    struct chunk chunk = {0};
    char text[1024];
    struct fw_str in = {text, sizeof(text)};
    struct fw_str data;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "4;", 2);
    chunk_take(&chunk, &in, &data);
    assert_int_equal(chunk.state, CHUNK_BAD);
    assert_true(in.n >= sizeof(text) - CHUNK_MAX_LINE - 1);
    assert_int_equal(chunk.limit, HTTP_LIMIT_CHUNK_LINE);

    chunk = (struct chunk){0};
    in = FW_STR("0\r\n");
    chunk_take(&chunk, &in, &data);
    for (int i = 0; i < 2000 && chunk.state != CHUNK_BAD; i++) {
        in = FW_STR("A: b\r\n");
        chunk_take(&chunk, &in, &data);
    }
    assert_int_equal(chunk.state, CHUNK_BAD);
    assert_int_equal(chunk.limit, HTTP_LIMIT_CHUNK_TRAILERS);

    chunk = (struct chunk){0};
    in = FW_STR("0000000000000001\r\n");
    chunk_take(&chunk, &in, &data);
    assert_int_equal(chunk.state, CHUNK_BAD);
    assert_int_equal(chunk.limit, HTTP_LIMIT_CHUNK_DIGITS);

    chunk = (struct chunk){0};
    in = FW_STR("x");
    chunk_take(&chunk, &in, &data);
    assert_int_equal(chunk.state, CHUNK_BAD);
    assert_int_equal(chunk.limit, HTTP_LIMIT_NONE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_body),
        cmocka_unit_test(what_two_servers_read_in_two_ways_is_bad),
        cmocka_unit_test(extensions_and_trailers_have_an_end),
    };
    return fixture_main(argc, argv, tests);
}
