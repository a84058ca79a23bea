/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A connection without a socket: requests go in as text, what would be sent
 * comes out as text.
 */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/http_conn.h"

#define SECOND UINT64_C(1000000000)

static void answer_hello(struct call *call)
{
    call_text(call, 200, "hello\n");
}

static void answer_echo(struct call *call)
{
    call->reply.type = TYPE_TEXT;
    fw_buf_init(&call->reply.body, 1 << 20);
    assert_int_equal(fw_buf_add(&call->reply.body, call->body.p, call->body.n),
                     FW_OK);
}

/* A reply of 300,000 bytes, made in pieces of 1,000. */
static fw_rc more_lines(void *self, struct fw_buf *out)
{
    int *left = self;

    for (int i = 0; i < 100; i++)
        assert_int_equal(fw_buf_adds(out, "123456789\n"), FW_OK);
    return --*left > 0 ? FW_OK : FW_END;
}

static int g_lines_left;

static void answer_long(struct call *call)
{
    g_lines_left = 300;
    call->reply.type = TYPE_TEXT;
    call->reply.more = more_lines;
    call->reply.self = &g_lines_left;
}

static fw_rc more_broken(void *self, struct fw_buf *out)
{
    fw_rc rc = more_lines(self, out);

    return g_lines_left == 100 ? FW_ENOMEM : rc;
}

static void answer_broken(struct call *call)
{
    answer_long(call);
    call->reply.more = more_broken;
}

static const struct route g_routes[] = {
    {METHOD_GET, "/hello", ROUTE_HERE, 1000, answer_hello},
    {METHOD_POST, "/echo", ROUTE_QUERY, 100000, answer_echo},
    {METHOD_GET, "/long", ROUTE_QUERY, 1000, answer_long},
    {METHOD_GET, "/broken", ROUTE_QUERY, 1000, answer_broken},
    {0}};

static bool g_busy;
static bool g_waiting; /* an answer that the test gives later */

static void nothing_done(struct call *call)
{
    (void)call;
}

static fw_rc work(struct http_conn *conn)
{
    if (g_busy)
        return FW_EBUSY;
    conn->call.done = nothing_done;
    g_waiting = true;
    if (conn->state == CONN_MORE)
        call_continue(&conn->call);
    else
        call_run(&conn->call);
    return FW_OK;
}

static int setup(void **state)
{
    struct http_conn *conn = calloc(1, sizeof(*conn));

    http_conn_init(conn, g_routes, NULL, NULL, 0);
    conn->work = work;
    g_busy = false;
    g_waiting = false;
    *state = conn;
    return 0;
}

static int teardown(void **state)
{
    http_conn_release(*state);
    free(*state);
    return 0;
}

/* Everything that would be sent, `step` bytes at a time, is added to `out`. */
static void drain(struct http_conn *conn, struct fw_buf *out, size_t step)
{
    for (int i = 0; i < 1000000; i++) {
        struct iovec parts[2];
        size_t n;

        while (g_waiting) {
            g_waiting = false;
            http_conn_answered(conn, 0, 0);
        }
        if (http_conn_output(conn, parts) == 0)
            return;
        n = parts[0].iov_len < step ? parts[0].iov_len : step;
        assert_int_equal(fw_buf_add(out, parts[0].iov_base, n), FW_OK);
        http_conn_sent(conn, n, 0, 0);
    }
    fail_msg("it never ends");
}

static void say(struct http_conn *conn, struct fw_buf *out, const char *text)
{
    http_conn_input(conn, text, strlen(text), 0, 0);
    drain(conn, out, 1000000);
}

static size_t count(const struct fw_buf *out, const char *what)
{
    size_t n = 0;

    for (const char *p = out->data; p != NULL && (p = strstr(p, what)) != NULL;
         p += strlen(what))
        n++;
    return n;
}

#define REPLIES(out) count(&(out), "HTTP/1.1 ")

static void one_request_one_reply(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    say(*state, &out, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(REPLIES(out), 1);
    assert_non_null(strstr(out.data, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(out.data, "Content-Length: 6\r\n"));
    assert_non_null(strstr(out.data, "\r\n\r\nhello\n"));
    say(*state, &out, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(REPLIES(out), 2);
    assert_int_equal(count(&out, "hello"), 1);
    assert_int_equal(count(&out, "Content-Length: 6\r\n"), 2);
    fw_buf_release(&out);
}

static void a_thousand_pipelined_requests(void **state)
{
    struct http_conn *conn = *state;
    struct fw_buf in = FW_BUF_INIT(1 << 20);
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    size_t at = 0;

    for (int i = 0; i < 1000; i++)
        assert_int_equal(
            fw_buf_adds(&in, i % 2 == 0
                                 ? "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                                 : "POST /echo HTTP/1.1\r\nHost: a\r\n"
                                   "Content-Length: 3\r\n\r\nabc"),
            FW_OK);
    while (at < in.len) {
        size_t n = in.len - at < 5000 ? in.len - at : 5000;

        assert_true(http_conn_wants_input(conn));
        http_conn_input(conn, in.data + at, n, 0, 0);
        at += n;
        drain(conn, &out, 777);
    }
    assert_int_equal(REPLIES(out), 1000);
    assert_int_equal(count(&out, "\r\n\r\nabc"), 500);
    assert_true(http_conn_idle(conn));
    fw_buf_release(&in);
    fw_buf_release(&out);
}

static void after_bad_framing_one_reply_and_the_end(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    struct http_conn *conn = *state;

    say(conn, &out,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(REPLIES(out), 1);
    assert_non_null(strstr(out.data, "HTTP/1.1 400 "));
    assert_non_null(strstr(out.data, "Connection: close\r\n"));
    assert_non_null(strstr(out.data, "\"errorType\":\"bad_data\""));
    assert_int_equal(conn->state, CONN_DRAIN);
    say(conn, &out, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(REPLIES(out), 1);
    http_conn_tick(conn, 0, 3 * SECOND);
    assert_int_equal(conn->state, CONN_CLOSED);
    fw_buf_release(&out);
}

static void lost_paths_and_methods(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    say(*state, &out, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(out.data, "HTTP/1.1 404 "));
    assert_non_null(strstr(out.data, "\"errorType\":\"not_found\""));
    say(*state, &out,
        "DELETE /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    assert_non_null(strstr(out.data, "HTTP/1.1 405 "));
    say(*state, &out, "OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(out.data, "HTTP/1.1 204 "));
    assert_non_null(strstr(out.data, "Allow: GET, HEAD, OPTIONS\r\n"));
    say(*state, &out, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(out.data, "hello"));
    fw_buf_release(&out);
}

static void a_long_reply_comes_in_chunks(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    say(*state, &out, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(out.data, "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(out.data, "Content-Length"));
    assert_int_equal(count(&out, "123456789\n"), 30000);
    assert_memory_equal(out.data + out.len - 7, "\r\n0\r\n\r\n", 7);
    say(*state, &out, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(REPLIES(out), 2);
    fw_buf_release(&out);
}

static void to_http_1_0_it_goes_up_to_the_end(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    struct http_conn *conn = *state;

    say(conn, &out, "GET /long HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_null(strstr(out.data, "chunked"));
    assert_non_null(strstr(out.data, "Connection: close\r\n"));
    assert_int_equal(count(&out, "123456789\n"), 30000);
    assert_int_equal(conn->state, CONN_DRAIN);
    fw_buf_release(&out);
}

static void a_reply_that_breaks_is_cut_not_ended(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    struct http_conn *conn = *state;

    say(conn, &out, "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(conn->state, CONN_CLOSED);
    assert_memory_not_equal(out.data + out.len - 5, "0\r\n\r\n", 5);
    fw_buf_release(&out);
}

static void gzip_only_to_who_wants_it(void **state)
{
    struct fw_buf plain = FW_BUF_INIT(1 << 20);
    struct fw_buf packed = FW_BUF_INIT(1 << 20);

    say(*state, &packed,
        "GET /long HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_non_null(strstr(packed.data, "Content-Encoding: gzip\r\n"));
    assert_true(packed.len < 30000);
    say(*state, &plain,
        "GET /hello HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_null(strstr(plain.data, "Content-Encoding")); /* too short */
    fw_buf_release(&plain);
    fw_buf_release(&packed);
}

static void expect_continue_is_answered_first(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    say(*state, &out,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        "Expect: 100-continue\r\n\r\n");
    assert_string_equal(out.data, "HTTP/1.1 100 Continue\r\n\r\n");
    say(*state, &out, "abc");
    assert_non_null(strstr(out.data, "\r\n\r\nabc"));
    fw_buf_release(&out);
}

static void busy_workers_are_a_503(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    uint64_t before = http_limit_struck(HTTP_LIMIT_WAITING);

    g_busy = true;
    say(*state, &out, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(http_limit_struck(HTTP_LIMIT_WAITING), before + 1);
    assert_non_null(strstr(out.data, "HTTP/1.1 503 "));
    assert_non_null(strstr(out.data, "Retry-After: 1\r\n"));
    fw_buf_release(&out);
}

static void each_limit_that_strikes_is_counted_once(void **state)
{
    struct http_conn *conn = *state;
    struct call call = {0};
    struct fw_json json;
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    uint64_t before[HTTP_LIMITS];

    for (int i = 0; i < HTTP_LIMITS; i++)
        before[i] = http_limit_struck((enum http_limit)i);
    call_data_begin(&call, &json);
    call.reply.body.max = call.reply.body.len + 8;
    fw_json_text(&json, "an answer past its cap");
    call_data_end(&call, &json);
    assert_int_equal(call.reply.status, 422);
    reply_release(&call.reply);
    say(conn, &out,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n");
    assert_non_null(strstr(out.data, "HTTP/1.1 413 "));
    for (int i = 0; i < HTTP_LIMITS; i++)
        assert_int_equal(http_limit_struck((enum http_limit)i) - before[i],
                         i == HTTP_LIMIT_REPLY_BYTES ||
                             i == HTTP_LIMIT_FORM_BYTES);
    fw_buf_release(&out);
}

static void each_limit_has_a_name_of_its_own(void **state)
{
    (void)state;
    assert_null(http_limit_name(HTTP_LIMIT_NONE));
    for (int i = HTTP_LIMIT_NONE + 1; i < HTTP_LIMITS; i++) {
        assert_non_null(http_limit_name((enum http_limit)i));
        for (int j = HTTP_LIMIT_NONE + 1; j < i; j++)
            assert_string_not_equal(http_limit_name((enum http_limit)i),
                                    http_limit_name((enum http_limit)j));
    }
}

static void nothing_is_read_while_a_request_is_answered(void **state)
{
    struct http_conn *conn = *state;
    const char *text = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
                       "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    http_conn_input(conn, text, strlen(text), 0, 0);
    assert_int_equal(conn->state, CONN_WORK);
    assert_false(http_conn_wants_input(conn));
    assert_false(http_conn_idle(conn));
    drain(conn, &out, 100000);
    assert_int_equal(REPLIES(out), 2);
    fw_buf_release(&out);
}

static void a_reader_that_does_not_read_is_closed(void **state)
{
    struct http_conn *conn = *state;
    const char *text = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n";

    http_conn_input(conn, text, strlen(text), 0, 0);
    g_waiting = false;
    http_conn_answered(conn, 0, 0);
    http_conn_tick(conn, 0, 30 * SECOND);
    assert_int_equal(conn->state, CONN_SEND);
    http_conn_tick(conn, 0, 31 * SECOND);
    assert_int_equal(conn->state, CONN_CLOSED);
}

int main(int argc, char **argv)
{
#define CONN_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CONN_TEST(one_request_one_reply),
        CONN_TEST(a_thousand_pipelined_requests),
        CONN_TEST(after_bad_framing_one_reply_and_the_end),
        CONN_TEST(lost_paths_and_methods),
        CONN_TEST(a_long_reply_comes_in_chunks),
        CONN_TEST(to_http_1_0_it_goes_up_to_the_end),
        CONN_TEST(a_reply_that_breaks_is_cut_not_ended),
        CONN_TEST(gzip_only_to_who_wants_it),
        CONN_TEST(expect_continue_is_answered_first),
        CONN_TEST(busy_workers_are_a_503),
        CONN_TEST(each_limit_that_strikes_is_counted_once),
        CONN_TEST(each_limit_has_a_name_of_its_own),
        CONN_TEST(nothing_is_read_while_a_request_is_answered),
        CONN_TEST(a_reader_that_does_not_read_is_closed),
    };
    return fixture_main(argc, argv, tests);
}
