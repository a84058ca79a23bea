/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/gzip.h"
#include "server/http/http.h"

#define SECOND UINT64_C(1000000000)

/* Feeds text in steps, accepting bodies up to `max`; returns what was used. */
static size_t feed(struct http_reader *reader, const char *text, size_t n,
                   size_t step, size_t max)
{
    size_t at = 0;

    while (at < n && reader->state != HTTP_READY &&
           reader->state != HTTP_REFUSED) {
        size_t now = n - at < step ? n - at : step;

        at += http_reader_feed(reader, text + at, now, 0);
        if (reader->state == HTTP_HEAD_READY)
            http_reader_accept(reader, max, 0);
    }
    return at;
}

static void a_request_in_any_pieces(void **state)
{
    static const char text[] = "\r\nPOST / HTTP/1.1\r\nHost: a\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /next";

    (void)state;
    for (size_t step = 1; step < sizeof(text); step++) {
        struct http_reader reader;

        http_reader_init(&reader, NULL, 0);
        assert_int_equal(feed(&reader, text, sizeof(text) - 1, step, 1000),
                         sizeof(text) - 1 - strlen("GET /next"));
        assert_int_equal(reader.state, HTTP_READY);
        assert_int_equal(reader.body.len, 5);
        assert_memory_equal(reader.body.data, "abcde", 5);
        http_reader_release(&reader);
    }
}

static void the_next_request_begins_where_this_one_ends(void **state)
{
    static const char text[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                               "Content-Length: 3\r\n\r\nabc"
                               "GET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http_reader reader;
    size_t used;

    (void)state;
    http_reader_init(&reader, NULL, 0);
    used = feed(&reader, text, sizeof(text) - 1, 1000, 1000);
    assert_int_equal(reader.state, HTTP_READY);
    http_reader_next(&reader, 0);
    assert_true(http_reader_idle(&reader));
    used += feed(&reader, text + used, sizeof(text) - 1 - used, 1000, 1000);
    assert_int_equal(used, sizeof(text) - 1);
    assert_int_equal(reader.state, HTTP_READY);
    assert_true(fw_str_eq(reader.head.path, FW_STR("/b")));
    http_reader_release(&reader);
}

static enum http_limit g_limit; /* that the last refusal named */

static int refusal_of(const char *text, size_t n, size_t max)
{
    struct http_reader reader;
    int status;

    http_reader_init(&reader, NULL, 0);
    (void)feed(&reader, text, n, 1000, max);
    status = reader.state == HTTP_REFUSED ? reader.refusal.status : 0;
    g_limit = reader.refusal.limit;
    http_reader_release(&reader);
    return status;
}

static void heads_have_a_cap(void **state)
{
    char *text = malloc(1 << 20);

    (void)state;
    memset(text, 'a', 1 << 20);
    memcpy(text, "GET /", 5);
    assert_int_equal(refusal_of(text, 1 << 20, 0), 414);
    assert_int_equal(g_limit, HTTP_LIMIT_TARGET_BYTES);
    memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
    assert_int_equal(refusal_of(text, 1 << 20, 0), 431);
    assert_int_equal(g_limit, HTTP_LIMIT_HEAD_BYTES);
    free(text);
}

static void bodies_have_a_cap(void **state)
{
    static const char sized[] =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef";
    static const char chunked[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";

    (void)state;
    assert_int_equal(refusal_of(sized, sizeof(sized) - 1, 6), 0);
    assert_int_equal(g_limit, HTTP_LIMIT_NONE);
    assert_int_equal(refusal_of(sized, sizeof(sized) - 1, 5), 413);
    assert_int_equal(g_limit, HTTP_LIMIT_FORM_BYTES);
    assert_int_equal(refusal_of(chunked, sizeof(chunked) - 1, 6), 0);
    assert_int_equal(refusal_of(chunked, sizeof(chunked) - 1, 5), 413);
}

/* A request with a body under some Content-Encoding. */
static size_t compose(char *to, size_t room, const char *coding,
                      const void *body, size_t n)
{
    size_t head = (size_t)snprintf(to, room,
                                   "POST / HTTP/1.1\r\nHost: a\r\n"
                                   "Content-Encoding: %s\r\n"
                                   "Content-Length: %zu\r\n\r\n",
                                   coding, n);

    assert_true(head + n < room);
    memcpy(to + head, body, n);
    return head + n;
}

static void pack(const char *text, size_t n, struct fw_buf *out)
{
    struct gzip *gzip;

    assert_int_equal(gzip_new(&gzip), FW_OK);
    assert_int_equal(gzip_add(gzip, (struct fw_str){text, n}, true, out),
                     FW_OK);
    gzip_free(gzip);
}

static void gzip_is_decoded_on_the_way_in(void **state)
{
    struct fw_buf packed = FW_BUF_INIT(1 << 20);
    char text[4096];
    struct http_reader reader;
    size_t n;

    (void)state;
    pack("first ", 6, &packed);
    pack("second", 6, &packed); /* members may follow each other */
    n = compose(text, sizeof(text), "gzip", packed.data, packed.len);
    for (size_t step = 1; step < 40; step++) {
        http_reader_init(&reader, NULL, 0);
        (void)feed(&reader, text, n, step, 1000);
        assert_int_equal(reader.state, HTTP_READY);
        assert_string_equal(reader.body.data, "first second");
        http_reader_release(&reader);
    }
    assert_int_equal(refusal_of(text, n, 11), 413);
    assert_int_equal(g_limit, HTTP_LIMIT_FORM_BYTES);

    n = compose(text, sizeof(text), "gzip", packed.data, packed.len - 1);
    assert_int_equal(refusal_of(text, n, 1000), 400); /* cut short */
    assert_int_equal(g_limit, HTTP_LIMIT_NONE);
    packed.data[packed.len - 1] ^= 1;
    n = compose(text, sizeof(text), "gzip", packed.data, packed.len);
    assert_int_equal(refusal_of(text, n, 1000), 400); /* its length is wrong */
    n = compose(text, sizeof(text), "gzip", "nonsense", 8);
    assert_int_equal(refusal_of(text, n, 1000), 400);
    n = compose(text, sizeof(text), "zstd", packed.data, packed.len);
    assert_int_equal(refusal_of(text, n, 1000), 415);
    fw_buf_release(&packed);
}

static void a_gzip_bomb_stops_at_the_ratio(void **state)
{
    struct fw_buf packed = FW_BUF_INIT(8 << 20);
    size_t zeros = 24 << 20;
    char *text = calloc(1, zeros);
    struct http_reader reader;
    size_t n;

    (void)state;
    pack(text, zeros, &packed);
    assert_true(packed.len * FW_MAX_HTTP_RATIO < zeros);
    n = compose(text, zeros, "gzip", packed.data, packed.len);
    http_reader_init(&reader, NULL, 0);
    (void)feed(&reader, text, n, 1000, 32 << 20);
    assert_int_equal(reader.state, HTTP_REFUSED);
    assert_int_equal(reader.refusal.status, 413);
    assert_int_equal(reader.refusal.limit, HTTP_LIMIT_BODY_RATIO);
    assert_true(reader.body.cap <= 4 << 20);
    http_reader_release(&reader);
    fw_buf_release(&packed);
    free(text);
}

static void all_bodies_together_have_a_cap(void **state)
{
    static const char head[] =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n";
    _Atomic size_t memory = FW_MAX_HTTP_MEMORY_BYTES - 1000;
    struct http_reader reader;
    char body[3000] = {0};

    (void)state;
    http_reader_init(&reader, &memory, 0);
    (void)feed(&reader, head, sizeof(head) - 1, 1000, 5000);
    (void)feed(&reader, body, sizeof(body), 1000, 5000);
    assert_int_equal(reader.state, HTTP_REFUSED);
    assert_int_equal(reader.refusal.status, 503);
    assert_int_equal(reader.refusal.limit, HTTP_LIMIT_BODY_MEMORY);
    http_reader_release(&reader);
    assert_int_equal(memory, FW_MAX_HTTP_MEMORY_BYTES - 1000);
}

static void one_header_a_second_ends_after_ten_seconds(void **state)
{
    struct http_reader reader;
    uint64_t now = 5 * SECOND;

    (void)state;
    http_reader_init(&reader, NULL, now);
    now += 60 * SECOND; /* waiting for a request is no crime */
    assert_false(http_reader_late(&reader, now));
    (void)http_reader_feed(&reader, "GET / HTTP/1.1\r\n", 16, now);
    for (int i = 0; i < 10; i++) {
        now += SECOND;
        assert_false(http_reader_late(&reader, now));
        (void)http_reader_feed(&reader, "A: b\r\n", 6, now);
    }
    assert_true(http_reader_late(&reader, now + 1000000));
    assert_int_equal(reader.refusal.status, 408);
    assert_int_equal(reader.refusal.limit, HTTP_LIMIT_HEAD_TIME);
    http_reader_release(&reader);
}

static void a_slow_body_ends_once_the_grace_is_over(void **state)
{
    static const char head[] =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n";
    struct http_reader reader;
    char kilobyte[1100] = {0};
    uint64_t now = 0;

    (void)state;
    http_reader_init(&reader, NULL, now);
    (void)feed(&reader, head, sizeof(head) - 1, 1000, 100000);
    for (int i = 0; i < 40; i++) { /* 1100 bytes a second are enough */
        now += SECOND;
        (void)http_reader_feed(&reader, kilobyte, sizeof(kilobyte), now);
        assert_false(http_reader_late(&reader, now));
    }
    for (int i = 0; i < 3; i++) { /* one byte a second is not */
        now += SECOND;
        (void)http_reader_feed(&reader, "x", 1, now);
    }
    assert_true(http_reader_late(&reader, now + SECOND));
    assert_int_equal(reader.refusal.status, 408);
    assert_int_equal(reader.refusal.limit, HTTP_LIMIT_BODY_RATE);
    http_reader_release(&reader);
}

static void an_idle_connection_ends_without_a_word(void **state)
{
    struct http_reader reader;

    (void)state;
    http_reader_init(&reader, NULL, 0);
    assert_false(http_reader_late(&reader, FW_HTTP_IDLE_MS * SECOND / 1000));
    assert_true(
        http_reader_late(&reader, (FW_HTTP_IDLE_MS + 1) * SECOND / 1000));
    assert_int_equal(reader.refusal.status, 0);
    assert_int_equal(reader.refusal.limit, HTTP_LIMIT_IDLE_TIME);
    http_reader_release(&reader);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_in_any_pieces),
        cmocka_unit_test(the_next_request_begins_where_this_one_ends),
        cmocka_unit_test(heads_have_a_cap),
        cmocka_unit_test(bodies_have_a_cap),
        cmocka_unit_test(gzip_is_decoded_on_the_way_in),
        cmocka_unit_test(a_gzip_bomb_stops_at_the_ratio),
        cmocka_unit_test(all_bodies_together_have_a_cap),
        cmocka_unit_test(one_header_a_second_ends_after_ten_seconds),
        cmocka_unit_test(a_slow_body_ends_once_the_grace_is_over),
        cmocka_unit_test(an_idle_connection_ends_without_a_word),
    };
    return fixture_main(argc, argv, tests);
}
