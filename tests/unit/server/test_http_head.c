/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/http_head.h"

#define GET "GET /x HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

/* The status a head is refused with, 0 if it is taken. */
static int judge_bytes(const char *bytes, size_t n, struct http_head *head)
{
    struct http_refusal refusal = {0};
    size_t seen = 0;
    size_t end = http_head_end(bytes, n, &seen, &refusal);

    if (refusal.status != 0)
        return refusal.status;
    if (end != n)
        return -1; /* not whole */
    return http_head_parse(bytes, n, head, &refusal) ? 0 : refusal.status;
}

static int judge(const char *text)
{
    static struct http_head head;

    return judge_bytes(text, strlen(text), &head);
}

static void takes_what_clients_send(void **state)
{
    static struct http_head head;
    const char *text = "POST /api/v1/query?a=b&c HTTP/1.1\r\n"
                       "Host: example.org:9777\r\n"
                       "Content-Type:application/x-www-form-urlencoded \t\r\n"
                       "X-Empty:\r\n"
                       "Content-Length: 12\r\n\r\n";

    (void)state;
    assert_int_equal(judge_bytes(text, strlen(text), &head), 0);
    assert_int_equal(head.method, METHOD_POST);
    assert_true(fw_str_eq(head.path, FW_STR("/api/v1/query")));
    assert_true(fw_str_eq(head.query, FW_STR("a=b&c")));
    assert_int_equal(head.length, 12);
    assert_true(head.keep_alive);
    assert_true(fw_str_eq(http_head_get(&head, "content-type"),
                          FW_STR("application/x-www-form-urlencoded")));
    assert_int_equal(http_head_get(&head, "x-empty").n, 0);
    assert_null(http_head_get(&head, "x-other").p);
}

static void the_other_forms_of_a_target(void **state)
{
    static struct http_head head;
    const char *absolute = "GET http://a:1/p?q HTTP/1.1\r\n" HOST "\r\n";

    (void)state;
    assert_int_equal(judge_bytes(absolute, strlen(absolute), &head), 0);
    assert_true(fw_str_eq(head.path, FW_STR("/p")));
    assert_int_equal(judge("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(judge("GET x HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(judge("GET http:///x HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(judge("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), 400);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static struct http_head head;
    const char *old = "GET / HTTP/1.0\r\n\r\n";
    const char *kept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    const char *closing = GET HOST "Connection: close\r\n\r\n";

    (void)state;
    assert_int_equal(judge_bytes(old, strlen(old), &head), 0);
    assert_false(head.keep_alive);
    assert_int_equal(judge_bytes(kept, strlen(kept), &head), 0);
    assert_true(head.keep_alive);
    assert_int_equal(judge_bytes(closing, strlen(closing), &head), 0);
    assert_false(head.keep_alive);
}

/* What two servers might read in two ways is refused. */
static void framing_in_doubt_is_refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {GET "\r\n", 400}, /* no Host */
        {GET HOST HOST "\r\n", 400},
        {GET "Host: a/b\r\n\r\n", 400},
        {GET "Host:\r\n\r\n", 400},
        {GET HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {GET HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {GET HOST "Content-Length: 1, 1\r\n\r\n", 400},
        {GET HOST "Content-Length: +4\r\n\r\n", 400},
        {GET HOST "Content-Length: -1\r\n\r\n", 400},
        {GET HOST "Content-Length: 0x4\r\n\r\n", 400},
        {GET HOST "Content-Length: \r\n\r\n", 400},
        {GET HOST "Content-Length: 18446744073709551617\r\n\r\n", 400},
        {GET HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {GET HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
         400},
        {GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {GET HOST "Transfer-Encoding: xchunked\r\n\r\n", 501},
        {GET HOST "Transfer-Encoding: chunked\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {GET HOST "Transfer-Encoding : chunked\r\n\r\n", 400},
        {GET HOST "A : b\r\n\r\n", 400},
        {GET HOST "A: b\r\n c\r\n\r\n", 400},
        {GET HOST " A: b\r\n\r\n", 400},
        {GET HOST "A b\r\n\r\n", 400},
        {GET HOST ": b\r\n\r\n", 400},
        {GET HOST "A(: b\r\n\r\n", 400},
        {"GET /x HTTP/1.1\nHost: a\n\n", 400},
        {GET "Host: a\n\r\n", 400},
        {GET "Host: a\rb\r\n\r\n", 400},
        {GET HOST "A: b\x01\r\n\r\n", 400},
        {GET HOST "A: b\x7f\r\n\r\n", 400},
        {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
        {"GET /\r\n" HOST "\r\n", 400},
        {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"get / HTTP/1.1\r\n" HOST "\r\n", 400},
        {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / http/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\n", 505},
        {GET HOST "Expect: 200-maybe\r\n\r\n", 417},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (judge(cases[i].text) != cases[i].status)
            fail_msg("case %zu: %d instead of %d: %s", i, judge(cases[i].text),
                     cases[i].status, cases[i].text);
}

static void a_nul_is_refused_wherever_it_stands(void **state)
{
    static const char text[] = GET "Host: a\r\nA: b\r\n\r\n";
    static struct http_head head;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        char bytes[sizeof(text)];

        memcpy(bytes, text, sizeof(text));
        bytes[i] = '\0';
        assert_int_equal(judge_bytes(bytes, sizeof(text) - 1, &head), 400);
    }
}

static void the_end_is_found_byte_by_byte(void **state)
{
    static const char text[] = GET HOST "\r\nrest";
    struct http_refusal refusal = {0};
    size_t seen = 0;
    size_t whole = strlen(text) - 4;

    (void)state;
    for (size_t n = 1; n < whole; n++)
        assert_int_equal(http_head_end(text, n, &seen, &refusal), 0);
    assert_int_equal(http_head_end(text, strlen(text), &seen, &refusal), whole);
    assert_int_equal(refusal.status, 0);
}

static void too_many_fields_and_too_long_a_target(void **state)
{
    char *text = malloc(16384);
    size_t n = (size_t)snprintf(text, 16384, GET HOST);

    (void)state;
    for (int i = 0; i < 99; i++)
        n += (size_t)snprintf(text + n, 16384 - n, "A: b\r\n");
    (void)snprintf(text + n, 16384 - n, "\r\n");
    assert_int_equal(judge(text), 0);
    (void)snprintf(text + n, 16384 - n, "A: b\r\n\r\n");
    assert_int_equal(judge(text), 431);

    n = (size_t)snprintf(text, 16384, "GET /");
    memset(text + n, 'a', 8191);
    (void)snprintf(text + n + 8191, 4096, " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(judge(text), 0);
    memset(text + n, 'a', 8192);
    (void)snprintf(text + n + 8192, 4096, " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(judge(text), 414);
    free(text);
}

static void lists_know_names_and_quality(void **state)
{
    (void)state;
    assert_true(http_list_has(FW_STR("gzip, deflate, br"), "gzip"));
    assert_true(http_list_has(FW_STR("deflate, GZip;q=0.5"), "gzip"));
    assert_false(http_list_has(FW_STR("gzip;q=0, deflate"), "gzip"));
    assert_false(http_list_has(FW_STR("gzip;q=0.000"), "gzip"));
    assert_true(http_list_has(FW_STR("gzip;q=0.001"), "gzip"));
    assert_false(http_list_has(FW_STR("xgzip"), "gzip"));
    assert_false(http_list_has(FW_STR(""), "gzip"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_clients_send),
        cmocka_unit_test(the_other_forms_of_a_target),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(framing_in_doubt_is_refused),
        cmocka_unit_test(a_nul_is_refused_wherever_it_stands),
        cmocka_unit_test(the_end_is_found_byte_by_byte),
        cmocka_unit_test(too_many_fields_and_too_long_a_target),
        cmocka_unit_test(lists_know_names_and_quality),
    };
    return fixture_main(argc, argv, tests);
}
