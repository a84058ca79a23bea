/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_admin.c - what an operator and a service manager ask.
 */
#include "server/http/api.h"

#include <errno.h>
#include <sys/stat.h>

#include "server/audit/audit.h"
#include "storage/base/file.h"
#include "storage/base/hash.h"

void api_healthy(struct call *call)
{
    call_text(call, 200, "Forewarn is Healthy.\n");
}

/* It is ready all the same: all else is served. */
static void add_damage(struct call *call, const struct fw_store_stats *stats)
{
    if (stats->records_bad + stats->records_lost + stats->salvages == 0)
        return;
    if (fw_buf_printf(&call->reply.body,
                      "The journal was damaged: %llu records were set aside, "
                      "%llu are lost; the log of the start and 'forewarn "
                      "verify' say which.\n",
                      (unsigned long long)stats->records_bad,
                      (unsigned long long)stats->records_lost) != FW_OK)
        fw_buf_clear(&call->reply.body);
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
        add_damage(call, &stats);
    }
}

void api_reload(struct call *call)
{
    const struct api *api = call->api;
    struct fw_str actor = form_get(&call->form, "actor");
    struct fw_str reason = form_get(&call->form, "reason");
    struct fw_err err = {0};

    if (actor.n == 0 && reason.n == 0) {
        actor = api->reload_actor;
        reason = api->reload_reason;
    }
    if (api->reload == NULL)
        call_error(call, 403, "unavailable",
                   "reloading over HTTP is not enabled");
    else if (actor.n == 0 || reason.n == 0)
        call_error(call, 400, NULL,
                   "invalid parameter \"%s\": who does this and why is kept: "
                   "say actor=... and reason=..., or name those who say "
                   "neither by lifecycle_actor and lifecycle_reason",
                   actor.n == 0 ? "actor" : "reason");
    else if (api->reload(api->self, actor, reason, &err) != FW_OK)
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
    fw_json_field_text(&json, "name", "forewarn");
    fw_json_field_text(&json, "version", FW_VERSION);
    fw_json_object_end(&json);
    if (fw_json_rc(&json) != FW_OK)
        call_error(call, 503, NULL, "out of memory");
}

/* ---- /api/v1/admin/tsdb: behind --enable-admin-api ---- */

/*
 * Who asks and why, as an entry in the chain of what was done wants it. False:
 * answered.
 */
static bool read_account(struct call *call, struct audit_entry *entry)
{
    entry->actor = form_get(&call->form, "actor");
    entry->reason = form_get(&call->form, "reason");
    if (!call->api->admin)
        call_error(call, 403, "unavailable", "admin APIs disabled");
    else if (entry->actor.n == 0 || entry->reason.n == 0)
        call_error(call, 400, NULL,
                   "invalid parameter \"%s\": who does this and why is kept: "
                   "say actor=... and reason=...",
                   entry->actor.n == 0 ? "actor" : "reason");
    else
        return true;
    return false;
}

/* Writes down what was asked for before it is done. False: answered. */
static bool write_down(struct call *call, struct audit_entry *entry)
{
    struct fw_txn *txn = NULL;
    struct fw_err err = {0};
    fw_rc rc;

    entry->at = fw_clock_now(call->api->clock);
    rc = fw_txn_begin(call->api->store, true, &txn, &err);
    if (rc == FW_OK)
        rc = audit_add(txn, entry, &err);
    rc = fw_txn_end(txn, rc, &err);
    err.rc = rc;
    if (rc == FW_EINVAL || rc == FW_ETOOBIG)
        call_error(call, 400, NULL, "%s", err.text);
    else if (rc != FW_OK)
        call_failed(call, &err);
    return rc == FW_OK;
}

static void answer_snapshot(struct call *call, const char *name)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    fw_json_field_text(&json, "name", name);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

/* A backup beside the data folder's files, in snapshots/NAME. */
/* A snapshot has all that is acknowledged, so this changes nothing. */
static bool check_skip_head(struct call *call)
{
    static const char *const booleans[] = {"1",    "t",     "T",     "TRUE",
                                           "true", "True",  "0",     "f",
                                           "F",    "FALSE", "false", "False"};
    struct fw_str text = form_get(&call->form, "skip_head");

    for (size_t i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++) {
        if (text.n == 0 || fw_str_eq(text, fw_str_of(booleans[i])))
            return true;
    }
    call_error(call, 400, NULL,
               "invalid parameter \"skip_head\": unable to parse boolean");
    return false;
}

void api_snapshot(struct call *call)
{
    struct audit_entry entry = {.act = FW_STR("backup-taken")};
    struct fw_backup_report report;
    char folder[FW_PATH_BYTES], path[FW_PATH_BYTES], name[32];
    struct fw_err err = {0};
    fw_rc rc;

    if (!check_skip_head(call) || !read_account(call, &entry))
        return;
    (void)snprintf(name, sizeof(name), "%lld-%08x",
                   (long long)fw_clock_now(call->api->clock),
                   (unsigned)fw_hash_random_seed());
    entry.what = fw_str_of(name);
    rc =
        fw_path_join(folder, fw_store_dir(call->api->store), "snapshots", &err);
    if (rc == FW_OK)
        rc = fw_path_join(path, folder, name, &err);
    if (rc == FW_OK && mkdir(folder, 0700) != 0 && errno != EEXIST)
        rc = fw_err_sys(&err, errno, "cannot make %s", folder);
    if (rc == FW_OK && !write_down(call, &entry))
        return;
    if (rc == FW_OK)
        rc = fw_store_backup(call->api->store, path, &call->cancel, &report,
                             &err);
    err.rc = rc;
    if (rc != FW_OK)
        call_failed(call, &err);
    else
        answer_snapshot(call, name);
}

/* Rewrites what is on disk, without what was deleted. */
void api_clean_tombstones(struct call *call)
{
    struct audit_entry entry = {.act = FW_STR("data-compacted"),
                                .what = FW_STR("all that is on disk")};
    struct fw_err err = {0};
    fw_rc rc;

    if (!read_account(call, &entry) || !write_down(call, &entry))
        return;
    rc = fw_store_compact(call->api->store, &call->cancel, &err);
    err.rc = rc;
    if (rc < 0)
        call_failed(call, &err);
    else
        call_text(call, 204, "");
}

/* What is deleted, in the words of the request. */
static struct fw_str describe_deletion(const struct call *call)
{
    struct fw_str start = form_get(&call->form, "start");
    struct fw_str end = form_get(&call->form, "end");
    const char *text = NULL;
    char *all;
    size_t n = 0;

    /* The selectors one after the other, then the range. */
    for (size_t i = 0; i < call->form.n; i++)
        n += call->form.v[i].value.n + 2;
    all = fw_arena_calloc(call->arena, n + 1, 1);
    n = 0;
    for (size_t i = 0; all != NULL;) {
        const struct form_pair *p = form_each(&call->form, "match[]", &i);

        if (p == NULL)
            break;
        memcpy(all + n, p->value.p, p->value.n);
        n += p->value.n;
        all[n++] = ' ';
    }
    if (all != NULL)
        text = fw_arena_printf(
            call->arena, "%sfrom %.*s to %.*s", all,
            FW_STR_ARG(start.n > 0 ? start : FW_STR("the beginning")),
            FW_STR_ARG(end.n > 0 ? end : FW_STR("the end")));
    return fw_str_of(text != NULL ? text : "");
}

void api_delete_series(struct call *call)
{
    struct audit_entry entry = {.act = FW_STR("data-deleted")};
    struct api_selector *asked;
    struct fw_err err = {0};
    fw_ms from, to;
    size_t count;
    fw_rc rc = FW_OK;

    if (!read_account(call, &entry) || !api_range(call, &from, &to) ||
        !api_selectors(call, true, &asked, &count))
        return;
    entry.what = describe_deletion(call);
    if (!write_down(call, &entry))
        return;
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        uint64_t series = 0;

        rc = fw_store_delete(call->api->store, asked[i].matchers, asked[i].n,
                             from, to, &series, &err);
    }
    err.rc = rc;
    if (rc != FW_OK)
        call_failed(call, &err);
    else
        call_text(call, 204, "");
}
