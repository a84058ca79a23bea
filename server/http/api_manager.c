/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_manager.c - the part of Alertmanager's API (v2) that amtool and its
 * likes use: silences, alerts, status. Its errors are bare JSON texts.
 *
 * What changes something must be sent as application/json: a page of another
 * site cannot make a browser do that unasked.
 */
#include <string.h>

#include "server/alert_list.h"
#include "server/config/yaml_tree.h"
#include "server/http/api.h"

/* ---- answers ---- */

static void begin(struct call *call, struct fw_json *json)
{
    call->reply.status = 200;
    call->reply.type = TYPE_JSON;
    fw_buf_init(&call->reply.body, FW_MAX_REPLY_BYTES);
    fw_json_init(json, &call->reply.body);
}

static void refuse(struct call *call, int status, const char *text)
{
    struct fw_json json;

    fw_buf_release(&call->reply.body);
    begin(call, &json);
    call->reply.status = status;
    fw_json_text(&json, text);
    if (fw_json_rc(&json) != FW_OK)
        call_error(call, 503, NULL, "out of memory");
}

static void finish(struct call *call, const struct fw_json *json)
{
    if (fw_json_rc(json) != FW_OK)
        refuse(call, 500, "the answer is too large");
}

static void fail(struct call *call, fw_rc rc, const struct fw_err *err)
{
    refuse(call,
           rc == FW_EINVAL || rc == FW_ETOOBIG ? 400
           : rc == FW_ENOTFOUND                ? 404
                                               : 500,
           err->text);
}

/* ---- what is asked for ---- */

#define MAX_FILTERS 64

struct filters {
    struct fw_matcher v[MAX_FILTERS];
    size_t n;
};

static fw_rc read_filters(struct call *call, struct filters *out,
                          struct fw_err *err)
{
    const struct form_pair *pair;
    size_t i = 0;
    fw_rc rc = FW_OK;

    out->n = 0;
    while (rc == FW_OK &&
           (pair = form_each(&call->form, "filter", &i)) != NULL) {
        if (out->n == MAX_FILTERS)
            return fw_err_set(err, FW_ETOOBIG, "too many filters");
        rc = silence_parse_matcher(pair->value, call->arena, &out->v[out->n++],
                                   err);
    }
    return rc;
}

static bool takes_labels(const struct filters *f,
                         const struct fw_labels *labels)
{
    for (size_t i = 0; i < f->n; i++)
        if (!silence_matcher_holds(&f->v[i],
                                   fw_labels_get(labels, f->v[i].name)))
            return false;
    return true;
}

/* A silence is found by the values its own matchers name. */
static bool takes_silence(const struct filters *f, const struct silence *s)
{
    for (size_t i = 0; i < f->n; i++) {
        struct fw_str value = FW_STR("");

        for (size_t k = 0; k < s->matcher_count; k++)
            if (fw_str_eq(s->matchers[k].name, f->v[i].name))
                value = s->matchers[k].value;
        if (!silence_matcher_holds(&f->v[i], value))
            return false;
    }
    return true;
}

static bool wants(const struct call *call, const char *parameter)
{
    return !fw_str_eq(form_get(&call->form, parameter), FW_STR("false"));
}

/* ---- status ---- */

void api_manager_status(struct call *call)
{
    struct fw_json j;

    begin(call, &j);
    fw_json_object(&j);
    fw_json_key(&j, "cluster");
    fw_json_object(&j);
    fw_json_field_text(&j, "status", "disabled");
    fw_json_key(&j, "peers");
    fw_json_array(&j);
    fw_json_array_end(&j);
    fw_json_object_end(&j);
    fw_json_key(&j, "versionInfo");
    fw_json_object(&j);
    fw_json_field_text(&j, "branch", "");
    fw_json_field_text(&j, "buildDate", "");
    fw_json_field_text(&j, "buildUser", "");
    fw_json_field_text(&j, "goVersion", "");
    fw_json_field_text(&j, "revision", "forewarn");
    fw_json_field_text(&j, "version", FW_VERSION);
    fw_json_object_end(&j);
    fw_json_key(&j, "config");
    fw_json_object(&j);
    fw_json_field_text(&j, "original", "");
    fw_json_object_end(&j);
    fw_json_field_time(&j, "uptime", call->api->started);
    fw_json_object_end(&j);
    finish(call, &j);
}

void api_manager_receivers(struct call *call)
{
    struct fw_json j;

    begin(call, &j);
    fw_json_array(&j);
    fw_json_object(&j);
    fw_json_field_text(&j, "name", "webhook");
    fw_json_object_end(&j);
    fw_json_array_end(&j);
    finish(call, &j);
}

/* ---- alerts ---- */

static void put_alert(struct fw_json *j, const struct alert_list *list,
                      const struct listed_alert *a, fw_ms now)
{
    const struct silence *s;
    char fingerprint[20];
    size_t at = 0;

    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)a->fingerprint);
    fw_json_object(j);
    fw_json_key(j, "annotations");
    fw_labels_json(j, &a->annotations);
    fw_json_field_time(j, "endsAt", now + 5 * FW_MINUTE);
    fw_json_field_text(j, "fingerprint", fingerprint);
    fw_json_key(j, "receivers");
    fw_json_array(j);
    fw_json_object(j);
    fw_json_field_text(j, "name", "webhook");
    fw_json_object_end(j);
    fw_json_array_end(j);
    fw_json_field_time(j, "startsAt", a->starts_at);
    fw_json_key(j, "status");
    fw_json_object(j);
    fw_json_key(j, "inhibitedBy");
    fw_json_array(j);
    fw_json_array_end(j);
    fw_json_key(j, "mutedBy");
    fw_json_array(j);
    fw_json_array_end(j);
    fw_json_key(j, "silencedBy");
    fw_json_array(j);
    while ((s = alert_list_silence(list, a, now, &at)) != NULL)
        fw_json_text(j, s->id);
    fw_json_array_end(j);
    fw_json_field_text(j, "state", a->silenced ? "suppressed" : "active");
    fw_json_object_end(j);
    fw_json_field_time(j, "updatedAt", a->updated_at);
    fw_json_field_text(j, "generatorURL", "");
    fw_json_key(j, "labels");
    fw_labels_json(j, &a->labels);
    fw_json_object_end(j);
}

static fw_rc open_list(struct call *call, struct fw_cli *cli,
                       struct alert_view *view, struct alert_list *list,
                       struct fw_err *err)
{
    fw_rc rc;

    *cli =
        (struct fw_cli){.store = call->api->store, .clock = call->api->clock};
    rc = alert_view_open(view, cli, err);
    return rc == FW_OK ? alert_list_read(view, fw_clock_now(call->api->clock),
                                         list, err)
                       : rc;
}

void api_manager_alerts(struct call *call)
{
    fw_ms now = fw_clock_now(call->api->clock);
    struct alert_view view = {0};
    struct alert_list list = {0};
    struct filters filters;
    struct fw_err err = {0};
    struct fw_cli cli;
    struct fw_json j;
    fw_rc rc = read_filters(call, &filters, &err);

    if (rc == FW_OK)
        rc = open_list(call, &cli, &view, &list, &err);
    if (rc == FW_OK) {
        begin(call, &j);
        fw_json_array(&j);
        for (size_t i = 0; i < list.count; i++)
            if (takes_labels(&filters, &list.alerts[i].labels) &&
                wants(call, list.alerts[i].silenced ? "silenced" : "active"))
                put_alert(&j, &list, &list.alerts[i], now);
        fw_json_array_end(&j);
        finish(call, &j);
    } else {
        fail(call, rc, &err);
    }
    alert_view_close(&view);
}

/* ---- silences ---- */

static void put_silence(struct fw_json *j, const struct silence *s, fw_ms now)
{
    fw_json_object(j);
    fw_json_field_text(j, "id", s->id);
    fw_json_key(j, "status");
    fw_json_object(j);
    fw_json_field_text(j, "state", silence_state_name(silence_state(s, now)));
    fw_json_object_end(j);
    fw_json_field_time(j, "updatedAt", s->updated_at);
    fw_json_field_str(j, "comment", s->comment);
    fw_json_field_str(j, "createdBy", s->created_by);
    fw_json_field_time(j, "endsAt", s->ends_at);
    fw_json_key(j, "matchers");
    fw_json_array(j);
    for (size_t i = 0; i < s->matcher_count; i++) {
        enum fw_match_op op = s->matchers[i].op;

        fw_json_object(j);
        fw_json_field_bool(j, "isEqual",
                           op == FW_MATCH_EQUAL || op == FW_MATCH_REGEX);
        fw_json_field_bool(j, "isRegex",
                           op == FW_MATCH_REGEX || op == FW_MATCH_NOT_REGEX);
        fw_json_field_str(j, "name", s->matchers[i].name);
        fw_json_field_str(j, "value", s->matchers[i].value);
        fw_json_object_end(j);
    }
    fw_json_array_end(j);
    fw_json_field_time(j, "startsAt", s->starts_at);
    fw_json_object_end(j);
}

/* All silences in a read transaction of their own. */
static fw_rc read_silences(struct call *call, struct silence **out,
                           size_t *count, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(call->api->store, false, &txn, err);

    if (rc == FW_OK)
        rc = silence_all(txn, call->arena, out, count, err);
    fw_txn_abort(txn);
    return rc;
}

static void list_silences(struct call *call)
{
    fw_ms now = fw_clock_now(call->api->clock);
    struct silence *silences = NULL;
    struct filters filters;
    struct fw_err err = {0};
    struct fw_json j;
    size_t n = 0;
    fw_rc rc = read_filters(call, &filters, &err);

    if (rc == FW_OK)
        rc = read_silences(call, &silences, &n, &err);
    if (rc != FW_OK) {
        fail(call, rc, &err);
        return;
    }
    begin(call, &j);
    fw_json_array(&j);
    for (size_t i = 0; i < n; i++)
        if (takes_silence(&filters, &silences[i]))
            put_silence(&j, &silences[i], now);
    fw_json_array_end(&j);
    finish(call, &j);
}

static fw_rc read_matchers(const struct node *list, struct silence *s,
                           struct fw_err *err)
{
    if (list == NULL || list->kind != NODE_LIST)
        return fw_err_set(err, FW_EINVAL, "matchers in body is required");
    for (const struct node *item = list->first; item; item = item->next) {
        bool regex =
            fw_str_eq(yaml_member_text(item, "isRegex"), FW_STR("true"));
        bool equal =
            !fw_str_eq(yaml_member_text(item, "isEqual"), FW_STR("false"));

        if (s->matcher_count == SILENCE_MAX_MATCHERS)
            return fw_err_set(err, FW_ETOOBIG, "more than %d matchers",
                              SILENCE_MAX_MATCHERS);
        s->matchers[s->matcher_count++] = (struct fw_matcher){
            .op = regex   ? equal ? FW_MATCH_REGEX : FW_MATCH_NOT_REGEX
                  : equal ? FW_MATCH_EQUAL
                          : FW_MATCH_DIFFERS,
            .name = yaml_member_text(item, "name"),
            .value = yaml_member_text(item, "value")};
    }
    return FW_OK;
}

/* JSON is YAML to our reader, which knows where it stands. */
static fw_rc read_silence(struct call *call, struct silence *s,
                          struct fw_err *err)
{
    fw_ms now = fw_clock_now(call->api->clock);
    const struct node *root = NULL;
    struct fw_str id;
    fw_rc rc = yaml_tree_read(call->body, call->arena, &root, err);

    if (rc != FW_OK)
        return rc;
    id = yaml_member_text(root, "id");
    if (id.n >= sizeof(s->id))
        return fw_err_set(err, FW_ENOTFOUND, "silence not found");
    memcpy(s->id, id.p, id.n);
    s->created_by = yaml_member_text(root, "createdBy");
    s->comment = yaml_member_text(root, "comment");
    rc = fw_parse_time(yaml_member_text(root, "startsAt"), now, &s->starts_at,
                       err);
    if (rc == FW_OK)
        rc = fw_parse_time(yaml_member_text(root, "endsAt"), now, &s->ends_at,
                           err);
    return rc == FW_OK ? read_matchers(yaml_member(root, "matchers"), s, err)
                       : rc;
}

static bool is_json(const struct call *call)
{
    struct fw_str type = http_head_get(call->head, "content-type");

    return type.n >= 16 &&
           http_same((struct fw_str){type.p, 16}, "application/json");
}

static void put_one(struct call *call)
{
    struct silence silence = {.matcher_count = 0};
    struct fw_txn *txn = NULL;
    struct fw_err err = {0};
    struct fw_json j;
    fw_rc rc;

    if (!is_json(call)) {
        refuse(call, 415, "a silence is sent as application/json");
        return;
    }
    rc = read_silence(call, &silence, &err);
    if (rc == FW_OK)
        rc = fw_txn_begin(call->api->store, true, &txn, &err);
    if (rc == FW_OK)
        rc = silence_put(txn, &silence, fw_clock_now(call->api->clock), &err);
    rc = fw_txn_end(txn, rc, &err);
    if (rc != FW_OK) {
        fail(call, rc, &err);
        return;
    }
    begin(call, &j);
    fw_json_object(&j);
    fw_json_field_text(&j, "silenceID", silence.id);
    fw_json_object_end(&j);
    finish(call, &j);
}

void api_manager_silences(struct call *call)
{
    if (call->head->method == METHOD_POST)
        put_one(call);
    else
        list_silences(call);
}

static void show_one(struct call *call)
{
    fw_ms now = fw_clock_now(call->api->clock);
    struct silence *silences = NULL;
    struct fw_err err = {0};
    struct fw_json j;
    size_t n = 0;
    fw_rc rc = read_silences(call, &silences, &n, &err);

    if (rc != FW_OK) {
        fail(call, rc, &err);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (fw_str_eq(fw_str_of(silences[i].id), call->hole)) {
            begin(call, &j);
            put_silence(&j, &silences[i], now);
            finish(call, &j);
            return;
        }
    refuse(call, 404, "silence not found");
}

/* The API has no place for who and why: the audit says where it came from. */
static void end_one(struct call *call)
{
    struct fw_txn *txn = NULL;
    struct fw_err err = {0};
    struct fw_json j;
    fw_rc rc = fw_txn_begin(call->api->store, true, &txn, &err);

    if (rc == FW_OK)
        rc = silence_expire(txn, call->hole, fw_clock_now(call->api->clock),
                            FW_STR("api"),
                            FW_STR("DELETE /api/v2/silence by HTTP"), &err);
    rc = fw_txn_end(txn, rc, &err);
    if (rc != FW_OK) {
        fail(call, rc, &err);
        return;
    }
    begin(call, &j);
    fw_json_object(&j);
    fw_json_object_end(&j);
    finish(call, &j);
}

void api_manager_silence(struct call *call)
{
    if (call->head->method == METHOD_DELETE)
        end_one(call);
    else
        show_one(call);
}
