/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_head.c - the strict front, and the seam to libhttp-parser.
 *
 * The grammar accepts a bare LF, blanks before a colon and folded lines, which
 * is how requests are smuggled past a proxy that reads them differently. So
 * the whole head is buffered and checked line by line before the grammar sees
 * it. No other file knows libhttp-parser.
 */
#include "server/http/http_head.h"

#include <http_parser.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(struct http_refusal *refusal, int status, const char *reason)
{
    refusal->status = status;
    refusal->reason = reason;
    return false;
}

static bool strike(struct http_refusal *refusal, enum http_limit limit,
                   int status, const char *reason)
{
    refusal->limit = limit;
    return refuse(refusal, status, reason);
}

bool http_same(struct fw_str text, const char *lower)
{
    size_t i;

    for (i = 0; i < text.n && lower[i] != '\0'; i++) {
        char c = text.p[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != lower[i])
            return false;
    }
    return i == text.n && lower[i] == '\0';
}

struct fw_str http_head_get(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (http_same(head->fields[i].name, name))
            return head->fields[i].value;
    return (struct fw_str){NULL, 0};
}

static struct fw_str trim(struct fw_str text)
{
    while (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t')) {
        text.p++;
        text.n--;
    }
    while (text.n > 0 &&
           (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
        text.n--;
    return text;
}

/* What stands before the first `stop`; *rest is what stands behind it. */
static struct fw_str cut(struct fw_str *rest, char stop)
{
    const char *end = rest->n == 0 ? NULL : memchr(rest->p, stop, rest->n);
    struct fw_str head = *rest;

    if (end == NULL) {
        *rest = (struct fw_str){rest->p + rest->n, 0};
        return head;
    }
    head.n = (size_t)(end - rest->p);
    *rest = (struct fw_str){end + 1, rest->n - head.n - 1};
    return head;
}

/* "q=0", "q=0.0": the client says it does not want it. */
static bool refused_by_q(struct fw_str parameters)
{
    while (parameters.n > 0) {
        struct fw_str one = trim(cut(&parameters, ';'));

        if (one.n >= 3 && (one.p[0] == 'q' || one.p[0] == 'Q') &&
            one.p[1] == '=') {
            for (size_t i = 2; i < one.n; i++)
                if (one.p[i] != '0' && one.p[i] != '.')
                    return false;
            return true;
        }
    }
    return false;
}

bool http_list_has(struct fw_str list, const char *token)
{
    while (list.n > 0) {
        struct fw_str one = trim(cut(&list, ','));
        struct fw_str name = trim(cut(&one, ';'));

        if (http_same(name, token))
            return !refused_by_q(one);
    }
    return false;
}

/* A character of a method or of a field's name [RFC 9110, 5.6.2]. */
static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_field_byte(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7F);
}

size_t http_head_end(const char *bytes, size_t n, size_t *seen,
                     struct http_refusal *refusal)
{
    for (size_t i = *seen; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c == '\n') {
            if (i == 0 || bytes[i - 1] != '\r') {
                refuse(refusal, 400, "a line ends with LF alone");
                return 0;
            }
            if (i >= 3 && bytes[i - 2] == '\n') {
                *seen = i + 1;
                return i + 1;
            }
        } else if (i > 0 && bytes[i - 1] == '\r') {
            refuse(refusal, 400, "a CR without its LF");
            return 0;
        } else if (c != '\r' && !is_field_byte(c)) {
            refuse(refusal, 400, "a control character in the head");
            return 0;
        }
    }
    *seen = n;
    return 0;
}

static bool parse_version(struct fw_str version, struct http_head *out,
                          struct http_refusal *refusal)
{
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 ||
        version.p[6] != '.')
        return refuse(refusal, 400, "the request line does not parse");
    if (version.p[5] != '1' || (version.p[7] != '0' && version.p[7] != '1'))
        return refuse(refusal, 505, "only HTTP/1.0 and HTTP/1.1 are spoken");
    out->minor = version.p[7] - '0';
    return true;
}

static enum method_bit method_of(struct fw_str name)
{
    static const struct {
        const char *name;
        enum method_bit method;
    } known[] = {{"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},
                 {"POST", METHOD_POST},     {"PUT", METHOD_PUT},
                 {"DELETE", METHOD_DELETE}, {"OPTIONS", METHOD_OPTIONS}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (fw_str_eq(name, fw_str_of(known[i].name)))
            return known[i].method;
    return METHOD_OTHER;
}

/*
 * The path and the query of a target: "/path?query", the absolute form
 * "http://host/path?query" that a proxy would get, or "*".
 */
static bool split_target(struct http_head *out, struct http_refusal *refusal)
{
    struct fw_str rest = out->target;

    if (rest.n > 7 && strncasecmp(rest.p, "http://", 7) == 0) {
        const char *slash = memchr(rest.p + 7, '/', rest.n - 7);

        if (slash == NULL || slash == rest.p + 7)
            return refuse(refusal, 400, "the target has no path");
        rest.n -= (size_t)(slash - rest.p);
        rest.p = slash;
    }
    if (rest.p[0] != '/' && !fw_str_eq(rest, FW_STR("*")))
        return refuse(refusal, 400, "the target is no path");
    if (memchr(rest.p, '#', rest.n) != NULL)
        return refuse(refusal, 400, "the target has a fragment");
    out->path = cut(&rest, '?');
    out->query = rest;
    return true;
}

static bool parse_request_line(struct fw_str line, struct http_head *out,
                               struct http_refusal *refusal)
{
    struct fw_str method = cut(&line, ' ');

    out->target = cut(&line, ' ');
    if (out->target.n > FW_MAX_HTTP_TARGET_BYTES)
        return strike(refusal, HTTP_LIMIT_TARGET_BYTES, 414,
                      "the target is longer than 8 KiB");
    if (method.n == 0 || method.n > 32 || out->target.n == 0)
        return refuse(refusal, 400, "the request line does not parse");
    for (size_t i = 0; i < method.n; i++)
        if (!is_token((unsigned char)method.p[i]))
            return refuse(refusal, 400, "the method is no token");
    for (size_t i = 0; i < out->target.n; i++) {
        unsigned char c = (unsigned char)out->target.p[i];

        if (c <= 0x20 || c >= 0x7F)
            return refuse(refusal, 400, "the target is not percent-encoded");
    }
    if (!parse_version(line, out, refusal))
        return false;
    out->method = method_of(method);
    return split_target(out, refusal);
}

static bool parse_length(struct fw_str value, struct http_head *out,
                         struct http_refusal *refusal)
{
    if (out->has_length)
        return refuse(refusal, 400, "Content-Length stands twice");
    if (value.n == 0 || value.n > 18)
        return refuse(refusal, 400, "Content-Length is no number");
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return refuse(refusal, 400, "Content-Length is no number");
        out->length = out->length * 10 + (uint64_t)(value.p[i] - '0');
    }
    out->has_length = true;
    return true;
}

static bool parse_transfer(struct fw_str value, struct http_head *out,
                           struct http_refusal *refusal)
{
    if (out->chunked)
        return refuse(refusal, 400, "Transfer-Encoding stands twice");
    if (out->minor == 0)
        return refuse(refusal, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (!http_same(value, "chunked"))
        return refuse(refusal, 501, "only Transfer-Encoding: chunked is taken");
    out->chunked = true;
    return true;
}

/* A host, with a port perhaps: nothing that could be part of a path. */
static bool check_host(struct fw_str value)
{
    if (value.n == 0)
        return false;
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c <= 0x20 || c >= 0x7F || strchr("/?#@\\<>\"{}|^`", c) != NULL)
            return false;
    }
    return true;
}

static bool parse_field(struct fw_str line, struct http_head *out, int *hosts,
                        struct http_refusal *refusal)
{
    struct http_field *field = &out->fields[out->field_count];
    struct fw_str rest = line;

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return refuse(refusal, 400, "a header field is folded");
    if (memchr(line.p, ':', line.n) == NULL)
        return refuse(refusal, 400, "a header field has no colon");
    if (out->field_count == FW_MAX_HTTP_FIELDS)
        return strike(refusal, HTTP_LIMIT_FIELDS, 431,
                      "more than 100 header fields");
    field->name = cut(&rest, ':');
    field->value = trim(rest);
    if (field->name.n == 0)
        return refuse(refusal, 400, "a header field has no name");
    for (size_t i = 0; i < field->name.n; i++)
        if (!is_token((unsigned char)field->name.p[i]))
            return refuse(refusal, 400, "a header field's name is no token");
    out->field_count++;
    if (http_same(field->name, "host")) {
        if (++*hosts > 1 || !check_host(field->value))
            return refuse(refusal, 400, "the Host field is wrong");
    } else if (http_same(field->name, "content-length")) {
        return parse_length(field->value, out, refusal);
    } else if (http_same(field->name, "transfer-encoding")) {
        return parse_transfer(field->value, out, refusal);
    } else if (http_same(field->name, "expect")) {
        if (!http_same(field->value, "100-continue"))
            return refuse(refusal, 417, "only Expect: 100-continue is known");
        out->expect_continue = out->minor == 1;
    }
    return true;
}

static int skip_body(http_parser *parser)
{
    (void)parser;
    return 1; /* "this message has no body": we read it ourselves */
}

/* What the grammar says; false if it disagrees with what we found. */
static bool second_judge(const char *bytes, size_t n, struct http_head *out)
{
    http_parser_settings settings;
    http_parser parser;
    uint64_t length;
    bool chunked;

    http_parser_settings_init(&settings);
    settings.on_headers_complete = skip_body;
    http_parser_init(&parser, HTTP_REQUEST);
    if (http_parser_execute(&parser, &settings, bytes, n) != n &&
        !parser.upgrade)
        return false;
    if (HTTP_PARSER_ERRNO(&parser) != HPE_OK)
        return false;
    chunked = (parser.flags & F_CHUNKED) != 0;
    length = (parser.flags & F_CONTENTLENGTH) != 0 ? parser.content_length : 0;
    out->keep_alive = http_should_keep_alive(&parser) != 0;
    return chunked == out->chunked && (chunked || length == out->length);
}

static bool parse_lines(struct fw_str rest, struct http_head *out,
                        struct http_refusal *refusal)
{
    struct fw_str line = cut(&rest, '\n');
    int hosts = 0;

    line.n--; /* http_head_end() has seen the CR */
    if (!parse_request_line(line, out, refusal))
        return false;
    for (;;) {
        line = cut(&rest, '\n');
        line.n--;
        if (line.n == 0)
            break;
        if (!parse_field(line, out, &hosts, refusal))
            return false;
    }
    if (hosts == 0 && out->minor == 1)
        return refuse(refusal, 400, "the Host field is missing");
    if (out->chunked && out->has_length)
        return refuse(refusal, 400,
                      "Content-Length and Transfer-Encoding together");
    return true;
}

bool http_head_parse(const char *bytes, size_t n, struct http_head *out,
                     struct http_refusal *refusal)
{
    size_t seen = 0;

    *out = (struct http_head){0};
    if (http_head_end(bytes, n, &seen, refusal) != n)
        return refusal->status != 0 ? false
                                    : refuse(refusal, 400, "a cut head");
    if (!parse_lines((struct fw_str){bytes, n}, out, refusal))
        return false;
    if (!second_judge(bytes, n, out))
        return refuse(refusal, 400, "the request does not parse");
    return true;
}
