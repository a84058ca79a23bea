/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/call.h"

#include <stdio.h>
#include <string.h>

#include "query/query.h"
#include "server/http/http_limit.h"

void call_text(struct call *call, int status, const char *text)
{
    struct reply *reply = &call->reply;

    reply->status = status;
    reply->type = TYPE_TEXT;
    fw_buf_init(&reply->body, FW_MAX_REPLY_BYTES);
    if (fw_buf_adds(&reply->body, text) != FW_OK)
        reply->status = 503; /* without a body, for there is no memory */
}

static const char *type_of(int status)
{
    switch (status) {
    case 404:
        return "not_found";
    case 406:
        return "not_acceptable";
    case 422:
        return "execution";
    case 499:
        return "canceled";
    case 500:
        return "internal";
    case 503:
        return "unavailable";
    default:
        return "bad_data";
    }
}

void call_error(struct call *call, int status, const char *type,
                const char *fmt, ...)
{
    struct reply *reply = &call->reply;
    char text[FW_ERR_TEXT_BYTES + 256];
    struct fw_json json;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap); /* cut to fit */
    va_end(ap);
    reply_release(reply);
    reply->status = status;
    reply->type = TYPE_JSON;
    if (status == 503 || status == 429)
        reply_field(reply, "Retry-After", "1");
    fw_buf_init(&reply->body, FW_MAX_REPLY_BYTES);
    fw_json_init(&json, &reply->body);
    fw_json_object(&json);
    fw_json_field_text(&json, "status", "error");
    fw_json_field_text(&json, "errorType",
                       type != NULL ? type : type_of(status));
    fw_json_field_text(&json, "error", text);
    fw_json_object_end(&json);
    if (fw_json_rc(&json) != FW_OK)
        fw_buf_clear(&reply->body);
}

void call_failed(struct call *call, const struct fw_err *err)
{
    switch (err->rc) {
    case FW_EINVAL:
        call_error(call, 400, NULL, "%s", err->text);
        break;
    case FW_ETOOBIG:
        call_error(call, 422, NULL, "%s", err->text);
        break;
    case FW_ECANCELED:
        if (atomic_load(&call->cancel))
            call_error(call, 499, NULL, "%s", err->text);
        else
            call_error(call, 503, "timeout", "%s", err->text);
        break;
    case FW_EBUSY:
    case FW_ENOMEM:
    case FW_ENOSPC:
    case FW_EREADONLY:
        call_error(call, 503, NULL, "%s", err->text);
        break;
    default:
        call_error(call, 500, NULL, "%s", err->text);
        break;
    }
}

void call_data_begin(struct call *call, struct fw_json *json)
{
    call->reply.type = TYPE_JSON;
    fw_buf_init(&call->reply.body, FW_MAX_REPLY_BYTES);
    fw_json_init(json, &call->reply.body);
    fw_json_object(json);
    fw_json_field_text(json, "status", "success");
    fw_json_key(json, "data");
}

void call_data_end(struct call *call, struct fw_json *json)
{
    fw_json_object_end(json);
    if (fw_json_rc(json) == FW_ETOOBIG)
        http_limit_strike(HTTP_LIMIT_REPLY_BYTES);
    if (fw_json_rc(json) == FW_ETOOBIG)
        call_error(call, 422, NULL, "the answer is larger than %zu bytes",
                   FW_MAX_REPLY_BYTES);
    else if (fw_json_rc(json) != FW_OK)
        call_error(call, 503, NULL, "out of memory");
}

static bool is_form(const struct http_head *head)
{
    struct fw_str type = http_head_get(head, "content-type");
    const char *semicolon = type.n > 0 ? memchr(type.p, ';', type.n) : NULL;

    if (semicolon != NULL)
        type.n = (size_t)(semicolon - type.p);
    while (type.n > 0 && type.p[type.n - 1] == ' ')
        type.n--;
    return http_same(type, "application/x-www-form-urlencoded");
}

/* The body comes first, as in Go: form_get() gives its value then. */
static fw_rc parse_form(struct call *call, struct fw_err *err)
{
    const struct http_head *head = call->head;
    fw_rc rc = FW_OK;

    if (call->route->place != ROUTE_WRITE && head->method == METHOD_POST &&
        is_form(head))
        rc = form_parse(&call->form, call->body, call->arena, err);
    if (rc == FW_OK)
        rc = form_parse(&call->form, head->query, call->arena, err);
    if (rc == FW_ETOOBIG)
        http_limit_strike(HTTP_LIMIT_PARAMETERS);
    return rc;
}

static void start(struct call *call)
{
    call->made = reply_start(&call->reply, &call->shape);
    if (call->made < 0) {
        call_error(call, 500, NULL, "the reply could not be made: %s",
                   fw_rc_name(call->made));
        call->made = reply_start(&call->reply, &call->shape);
    }
}

void call_run(struct call *call)
{
    bool later = call->route->place == ROUTE_WRITE;
    struct fw_err err = {0};

    call->arena = fw_arena_new(fw_query_limits().max_bytes);
    if (call->arena == NULL) {
        call_error(call, 503, NULL, "out of memory");
    } else if (parse_form(call, &err) != FW_OK) {
        call_error(call, 400, NULL, "error parsing form values: %s", err.text);
    } else {
        call->route->answer(call);
        if (later)
            return;
    }
    call_done(call);
}

void call_continue(struct call *call)
{
    call->made = reply_continue(&call->reply);
    call->done(call);
}

void call_done(struct call *call)
{
    start(call);
    call->done(call);
}
