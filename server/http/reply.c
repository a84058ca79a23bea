/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/reply.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "storage/base/limits.h"

#define GZIP_LEAST_BYTES 1024 /* below it a reply fits one packet anyway */

const char *reply_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {{200, "OK"},
                 {204, "No Content"},
                 {400, "Bad Request"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {408, "Request Timeout"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {422, "Unprocessable Content"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {499, "Client Closed Request"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status)
            return known[i].reason;
    return "Other";
}

void reply_release(struct reply *reply)
{
    if (reply->release != NULL)
        reply->release(reply->self);
    gzip_free(reply->gzip);
    fw_buf_release(&reply->body);
    fw_buf_release(&reply->head);
    fw_buf_release(&reply->piece);
    *reply = (struct reply){0};
}

void reply_field(struct reply *reply, const char *name, const char *fmt, ...)
{
    struct reply_field *field = &reply->fields[reply->field_count];
    va_list ap;

    if (reply->field_count == REPLY_FIELDS)
        return;
    field->name = name;
    va_start(ap, fmt);
    (void)vsnprintf(field->value, sizeof(field->value), fmt, ap); /* may cut */
    va_end(ap);
    for (char *p = field->value; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    reply->field_count++;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", which stays the same for a second. */
static fw_rc add_date(struct fw_buf *out, fw_ms now)
{
    static _Thread_local struct {
        time_t seconds;
        char text[64];
    } last;
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;

    if (last.seconds == seconds && last.text[0] != '\0')
        return fw_buf_adds(out, last.text);
    last.text[0] = '\0';
    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(last.text, sizeof(last.text),
                 "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm) == 0) {
        last.text[0] = '\0'; /* a clock beyond all calendars: no Date */
        return FW_OK;
    }
    last.seconds = seconds;
    return fw_buf_adds(out, last.text);
}

static fw_rc add_fields(struct reply *reply, const struct reply_form *form)
{
    struct fw_buf *out = &reply->head;
    fw_rc rc = add_date(out, form->now);

    if (rc == FW_OK && reply->type != NULL)
        rc = fw_buf_printf(out,
                           "Content-Type: %s\r\n"
                           "X-Content-Type-Options: nosniff\r\n"
                           "Content-Security-Policy: default-src 'none'\r\n"
                           "Cache-Control: no-store\r\n"
                           "Vary: Accept-Encoding\r\n",
                           reply->type);
    for (size_t i = 0; i < reply->field_count && rc == FW_OK; i++)
        rc = fw_buf_printf(out, "%s: %s\r\n", reply->fields[i].name,
                           reply->fields[i].value);
    if (rc == FW_OK && reply->gzip != NULL)
        rc = fw_buf_adds(out, "Content-Encoding: gzip\r\n");
    if (rc == FW_OK && !form->keep_alive)
        rc = fw_buf_adds(out, "Connection: close\r\n");
    else if (rc == FW_OK && form->minor == 0)
        rc = fw_buf_adds(out, "Connection: keep-alive\r\n");
    return rc;
}

/* `length` of the body, or SIZE_MAX where it is not known. */
static fw_rc add_head(struct reply *reply, const struct reply_form *form,
                      size_t length)
{
    struct fw_buf *out = &reply->head;
    fw_rc rc;

    fw_buf_init(out, FW_MAX_HTTP_HEAD_BYTES);
    rc = fw_buf_printf(out, "HTTP/1.1 %d %s\r\n", reply->status,
                       reply_reason(reply->status));
    if (rc == FW_OK)
        rc = add_fields(reply, form);
    if (rc == FW_OK && length != SIZE_MAX && reply->status != 204)
        rc = fw_buf_printf(out, "Content-Length: %zu\r\n", length);
    else if (rc == FW_OK && reply->chunked)
        rc = fw_buf_adds(out, "Transfer-Encoding: chunked\r\n");
    if (rc == FW_OK)
        rc = fw_buf_adds(out, "\r\n");
    return rc;
}

/* Takes from the maker until a piece is full or all is there. */
static fw_rc fill(struct reply *reply, struct fw_buf *out)
{
    fw_rc rc = FW_OK;

    while (rc == FW_OK && out->len < FW_HTTP_PIECE_BYTES)
        rc = reply->more(reply->self, out);
    return rc;
}

/* Compresses what is in *body, in place. */
static fw_rc squeeze(struct reply *reply, struct fw_buf *body, bool last)
{
    struct fw_buf packed = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    fw_rc rc = gzip_add(reply->gzip, (struct fw_str){body->data, body->len},
                        last, &packed);

    if (rc != FW_OK) {
        fw_buf_release(&packed);
        return rc;
    }
    fw_buf_release(body);
    *body = packed;
    return FW_OK;
}

/* Frames reply->piece into reply->body. */
static fw_rc frame(struct reply *reply, bool last)
{
    struct fw_buf *out = &reply->body;
    fw_rc rc = FW_OK;

    fw_buf_clear(out);
    if (reply->gzip != NULL)
        rc = squeeze(reply, &reply->piece, last);
    if (rc != FW_OK || reply->bodiless)
        return rc;
    if (reply->chunked && reply->piece.len > 0)
        rc = fw_buf_printf(out, "%zx\r\n", reply->piece.len);
    if (rc == FW_OK)
        rc = fw_buf_add(out, reply->piece.data, reply->piece.len);
    if (rc == FW_OK && reply->chunked && reply->piece.len > 0)
        rc = fw_buf_adds(out, "\r\n");
    if (rc == FW_OK && reply->chunked && last)
        rc = fw_buf_adds(out, "0\r\n\r\n");
    return rc;
}

fw_rc reply_continue(struct reply *reply)
{
    fw_rc made, rc;

    fw_buf_clear(&reply->piece);
    made = fill(reply, &reply->piece);
    if (made < 0)
        return made;
    rc = frame(reply, made == FW_END);
    return rc == FW_OK ? made : rc;
}

/* The body is longer than one piece: it goes out as it is made. */
static fw_rc start_stream(struct reply *reply, struct reply_form *form)
{
    fw_rc rc;

    reply->chunked = form->minor == 1;
    if (!reply->chunked)
        form->keep_alive = false;
    reply->piece = reply->body;
    fw_buf_init(&reply->body, FW_MAX_REPLY_BYTES);
    rc = add_head(reply, form, SIZE_MAX);
    if (rc != FW_OK)
        return rc;
    if (reply->bodiless)
        return FW_END;
    return frame(reply, false);
}

fw_rc reply_start(struct reply *reply, struct reply_form *form)
{
    bool last = true;
    fw_rc rc = FW_OK;

    if (reply->status == 0)
        reply->status = 200;
    reply->bodiless = form->method == METHOD_HEAD || reply->status == 204;
    if (reply->body.max == 0)
        fw_buf_init(&reply->body, FW_MAX_REPLY_BYTES);
    if (reply->more != NULL) {
        rc = fill(reply, &reply->body);
        if (rc < 0)
            return rc;
        last = rc == FW_END;
        rc = FW_OK;
    }
    if (form->gzip && reply->body.len >= GZIP_LEAST_BYTES)
        rc = gzip_new(&reply->gzip);
    if (rc != FW_OK)
        return rc;
    if (!last)
        return start_stream(reply, form);
    if (reply->gzip != NULL)
        rc = squeeze(reply, &reply->body, true);
    if (rc == FW_OK)
        rc = add_head(reply, form, reply->body.len);
    if (rc == FW_OK && reply->bodiless)
        fw_buf_clear(&reply->body);
    return rc == FW_OK ? FW_END : rc;
}
