/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api_watch.c - what Prometheus has no word for: why, and how often right. */
#include "server/http/api.h"

typedef fw_rc (*ask_about)(void *self, const struct form *form,
                           struct fw_json *json, struct fw_err *err);

static void answer(struct call *call, ask_about ask)
{
    struct fw_err err = {0};
    struct fw_json json;
    fw_rc rc = FW_ENOTFOUND;

    call_data_begin(call, &json);
    if (ask != NULL)
        rc = ask(call->api->self, &call->form, &json, &err);
    else
        (void)fw_err_set(&err, rc, "this server has no watches");
    if (rc == FW_OK) {
        call_data_end(call, &json);
        return;
    }
    fw_buf_clear(&call->reply.body);
    err.rc = rc;
    if (rc == FW_ENOTFOUND)
        call_error(call, 404, NULL, "%s", err.text);
    else
        call_failed(call, &err);
}

void api_why(struct call *call)
{
    answer(call, call->api->why);
}

void api_record(struct call *call)
{
    answer(call, call->api->record);
}
