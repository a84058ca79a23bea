/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_admin.c - what an operator and a service manager ask.
 */
#include "server/http/api.h"

void api_healthy(struct call *call)
{
    call_text(call, 200, "Forewarn is Healthy.\n");
}

/* The listener opens only once the store is: who gets here is served. */
void api_ready(struct call *call)
{
    struct fw_store_stats stats;

    fw_store_stats(call->api->store, &stats);
    if (stats.read_only) {
        call_text(call, 503, "Forewarn is read-only: ");
        if (fw_buf_printf(&call->reply.body, "%s\n", stats.read_only_reason) !=
            FW_OK)
            fw_buf_clear(&call->reply.body);
    } else {
        call_text(call, 200, "Forewarn is Ready.\n");
    }
}

void api_reload(struct call *call)
{
    const struct api *api = call->api;
    struct fw_err err = {0};

    if (api->reload == NULL)
        call_error(call, 403, "unavailable",
                   "reloading over HTTP is not enabled");
    else if (api->reload(api->self, &err) != FW_OK)
        call_error(call, 500, NULL, "failed to reload config: %s", err.text);
    else
        call_text(call, 200, "");
}

void api_version(struct call *call)
{
    struct fw_json json;

    call->reply.type = TYPE_JSON;
    fw_buf_init(&call->reply.body, FW_MAX_REPLY_BYTES);
    fw_json_init(&json, &call->reply.body);
    fw_json_object(&json);
    fw_json_key(&json, "name");
    fw_json_text(&json, "forewarn");
    fw_json_key(&json, "version");
    fw_json_text(&json, FW_VERSION);
    fw_json_object_end(&json);
    if (fw_json_rc(&json) != FW_OK)
        call_error(call, 503, NULL, "out of memory");
}

/* Snapshots and deletions have no authentication yet, so they stay shut. */
void api_admin(struct call *call)
{
    call_error(call, 403, "unavailable", "admin APIs disabled");
}
