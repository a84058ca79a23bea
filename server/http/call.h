/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * call.h - one request while it is being answered.
 *
 * A route's function reads the request from it and fills in the reply. It runs
 * where its route says (a small write on the loop, too), and when it returns
 * the reply is complete - except on a ROUTE_WRITE: there call_done() tells,
 * later perhaps and from any thread, and the call may be gone when the function
 * returns.
 */
#ifndef SERVER_HTTP_CALL_H
#define SERVER_HTTP_CALL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "server/http/form.h"
#include "server/http/http_head.h"
#include "server/http/reply.h"
#include "server/http/router.h"
#include "storage/base/json.h"

struct api; /* api.h: what the functions work on */

struct call {
    const struct api *api;
    const struct http_head *head;
    struct fw_str body;
    struct fw_str hole; /* of the route's placeholder, percent-encoded */
    const struct route *route;
    struct fw_arena *arena; /* dies with the call */
    struct form form;       /* query string and form body */
    struct reply reply;
    struct reply_form shape;
    bool on_loop;       /* nothing may wait */
    atomic_bool cancel; /* the client has gone */
    fw_rc made;         /* of reply_start() or reply_continue() */

    void (*done)(struct call *call); /* of the connection */
};

/* Parses the parameters and runs the route's function. Its thread's time. */
void call_run(struct call *call);

/* Runs reply_continue() for the next piece of a long reply. */
void call_continue(struct call *call);

/* The reply is complete; the call is no longer the caller's. */
void call_done(struct call *call);

/* ---- answers ---- */

/* {"status":"error","errorType":...,"error":...}; type may be NULL for a
 * status' usual one. */
void call_error(struct call *call, int status, const char *type,
                const char *fmt, ...) FW_PRINTF(4, 5);

/* The same for a failed function, by the kind of its code. */
void call_failed(struct call *call, const struct fw_err *err);

/* A whole text. */
void call_text(struct call *call, int status, const char *text);

/*
 * {"status":"success","data": - and, behind the value the caller writes, }.
 */
void call_data_begin(struct call *call, struct fw_json *json);
void call_data_end(struct call *call, struct fw_json *json);

#endif
