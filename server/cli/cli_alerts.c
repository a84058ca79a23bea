/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_alerts.c - `forewarn alerts`, `ack`, `silence`, `unsilence`: who is being
 * told of what, and how people answer. Reading works on a folder; what changes
 * something goes through the server, with a name and a reason.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/alert_list.h"
#include "server/cli/text_table.h"
#include "storage/base/json.h"
#include "storage/base/limits.h"

#define OUT_BYTES ((size_t)256 << 20)

const struct fw_option alerts_options[] = {
    {"format", 'f', "FORMAT", "table", "table or json"},
    {"silences", 0, NULL, NULL, "list the silences instead"},
    {0},
};

const struct fw_option ack_options[] = {
    {"actor", 0, "NAME", NULL, "who acknowledges (required)"},
    {"reason", 0, "TEXT", NULL, "why, or what is being done (required)"},
    {0},
};

const struct fw_option silence_options[] = {
    {"for", 0, "SPAN", "1h", "how long"},
    {"start", 0, "TIME", "now", "from when on"},
    {"actor", 0, "NAME", NULL, "who wants quiet (required)"},
    {"reason", 0, "TEXT", NULL, "why (required)"},
    {0},
};

const struct fw_option unsilence_options[] = {
    {"actor", 0, "NAME", NULL, "who ends it (required)"},
    {"reason", 0, "TEXT", NULL, "why (required)"},
    {0},
};

/* ---- showing ---- */

static const char *quiet_word(const struct listed_alert *a)
{
    return a->silenced ? "silenced" : a->acknowledged ? "acknowledged" : "";
}

static void add_labels(struct text_table *t, const struct fw_labels *labels)
{
    struct fw_label v[FW_MAX_LABELS];
    struct fw_labels rest = {v, 0};
    struct fw_buf text = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 4);

    for (size_t i = 0; i < labels->n && rest.n < FW_MAX_LABELS; i++)
        if (!fw_str_eq(labels->v[i].name, FW_STR("alertname")))
            v[rest.n++] = labels->v[i];
    if (fw_labels_print(&text, &rest) == FW_OK && text.data != NULL)
        text_table_add(t, (struct fw_str){text.data, text.len});
    else
        text_table_add(t, FW_STR(""));
    fw_buf_release(&text);
}

static fw_rc print_alerts(struct alert_view *view,
                          const struct alert_list *list, fw_ms now,
                          struct fw_buf *out)
{
    static const char *const heads[] = {"ALERT", "LABELS", "STATE", "SINCE",
                                        "VALUE", "QUIET",  "OWNER"};
    struct text_table t;

    text_table_init(&t, view->arena, "lllrrll", heads);
    for (size_t i = 0; i < list->count; i++) {
        const struct listed_alert *a = &list->alerts[i];
        char value[FW_DOUBLE_TEXT_BYTES] = "", span[FW_DURATION_TEXT_BYTES];

        text_table_add(&t, fw_labels_get(&a->labels, FW_STR("alertname")));
        add_labels(&t, &a->labels);
        text_table_add(&t, fw_str_of(a->state));
        (void)fw_format_span(span, now > a->starts_at ? now - a->starts_at : 0);
        text_table_add(&t, fw_str_of(span));
        if (!isnan(a->value))
            (void)fw_format_short(value, a->value, 4);
        text_table_add(&t, fw_str_of(value));
        text_table_add(&t, fw_str_of(quiet_word(a)));
        text_table_add(&t, a->owner);
    }
    return text_table_print(&t, out);
}

static void put_alert(struct fw_json *j, const struct listed_alert *a)
{
    char fingerprint[20];

    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)a->fingerprint);
    fw_json_object(j);
    fw_json_key(j, "labels");
    fw_labels_json(j, &a->labels);
    fw_json_key(j, "annotations");
    fw_labels_json(j, &a->annotations);
    fw_json_field_str(j, "state", fw_str_of(a->state));
    fw_json_field_seconds(j, "startsAt", a->starts_at);
    fw_json_field_double(j, "value", a->value);
    fw_json_field_bool(j, "silenced", a->silenced);
    fw_json_key(j, "acknowledgedBy");
    if (a->acknowledged)
        fw_json_str(j, a->ack.actor);
    else
        fw_json_null(j);
    fw_json_field_str(j, "fingerprint", fw_str_of(fingerprint));
    fw_json_object_end(j);
}

static fw_rc add_matchers(const struct silence *s, struct fw_buf *out)
{
    static const char *const signs[] = {"=", "!=", "=~", "!~"};
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < s->matcher_count; i++)
        rc = fw_buf_printf(out, "%s%.*s%s\"%.*s\"", i > 0 ? " " : "",
                           FW_STR_ARG(s->matchers[i].name),
                           signs[s->matchers[i].op],
                           FW_STR_ARG(s->matchers[i].value));
    return rc;
}

static fw_rc print_silences(struct alert_view *view,
                            const struct alert_list *list, fw_ms now,
                            struct fw_buf *out)
{
    static const char *const heads[] = {"ID",   "MATCHERS", "STATE",
                                        "ENDS", "BY",       "REASON"};
    struct text_table t;

    text_table_init(&t, view->arena, "llllll", heads);
    for (size_t i = 0; i < list->silence_count; i++) {
        const struct silence *s = &list->silences[i];
        struct fw_buf text = FW_BUF_INIT(65536);
        char ends[FW_TIME_TEXT_BYTES];

        text_table_add(&t, fw_str_of(s->id));
        text_table_add(&t, add_matchers(s, &text) == FW_OK && text.len > 0
                               ? (struct fw_str){text.data, text.len}
                               : FW_STR("?"));
        text_table_add(&t,
                       fw_str_of(silence_state_name(silence_state(s, now))));
        (void)fw_format_second(ends, s->ends_at);
        text_table_add(&t, fw_str_of(ends));
        text_table_add(&t, s->created_by);
        text_table_add(&t, s->comment);
        fw_buf_release(&text);
    }
    return text_table_print(&t, out);
}

static void put_silence(struct fw_json *j, const struct silence *s, fw_ms now)
{
    struct fw_buf text = FW_BUF_INIT(65536);

    fw_json_object(j);
    fw_json_field_str(j, "id", fw_str_of(s->id));
    fw_json_field_str(j, "state",
                      fw_str_of(silence_state_name(silence_state(s, now))));
    fw_json_field_str(j, "matchers",
                      add_matchers(s, &text) == FW_OK && text.len > 0
                          ? (struct fw_str){text.data, text.len}
                          : FW_STR(""));
    fw_json_field_seconds(j, "startsAt", s->starts_at);
    fw_json_field_seconds(j, "endsAt", s->ends_at);
    fw_json_field_str(j, "createdBy", s->created_by);
    fw_json_field_str(j, "comment", s->comment);
    fw_json_object_end(j);
    fw_buf_release(&text);
}

static fw_rc print_json(const struct alert_list *list, bool silences, fw_ms now,
                        struct fw_buf *out)
{
    struct fw_json j;

    fw_json_init(&j, out);
    fw_json_array(&j);
    for (size_t i = 0; !silences && i < list->count; i++)
        put_alert(&j, &list->alerts[i]);
    for (size_t i = 0; silences && i < list->silence_count; i++)
        put_silence(&j, &list->silences[i], now);
    fw_json_array_end(&j);
    return fw_json_rc(&j) == FW_OK ? fw_buf_addc(out, '\n') : fw_json_rc(&j);
}

int cmd_alerts(struct fw_cli *cli, int argc, char **argv)
{
    static const char *const formats[] = {"table", "json", NULL};
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    fw_ms now = fw_clock_now(cli->clock);
    struct alert_view view = {0};
    struct alert_list list = {0};
    struct fw_err err = {0};
    struct fw_args args;
    int format = 0, code = FW_EXIT_OK;
    bool silences;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    silences = fw_args_has(cli, &args, "silences");
    rc = fw_args_choice(cli, &args, "format", formats, &format, &err);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = alert_list_read(&view, now, &list, &err);
    if (rc == FW_OK)
        rc = format == 1 ? print_json(&list, silences, now, &out)
             : silences  ? print_silences(&view, &list, now, &out)
                         : print_alerts(&view, &list, now, &out);
    if (rc == FW_OK)
        (void)fwrite(out.data, 1, out.len, cli->out);
    else
        code = fw_cli_fail(
            cli, err.rc != FW_OK
                     ? &err
                     : &(struct fw_err){.rc = rc, .text = "out of memory"});
    alert_view_close(&view);
    fw_buf_release(&out);
    return code;
}

/* ---- acting ---- */

fw_rc command_who(const struct fw_cli *cli, const struct fw_args *args,
                  struct fw_str *actor, struct fw_str *reason,
                  struct fw_err *err)
{
    const char *who = fw_args_get(cli, args, "actor");
    const char *why = fw_args_get(cli, args, "reason");

    if (who == NULL || why == NULL || *who == '\0' || *why == '\0')
        return fw_err_set(err, FW_EINVAL,
                          "--actor and --reason are needed: who says so, and "
                          "why");
    if (cli->store == NULL)
        return fw_err_set(err, FW_EREADONLY,
                          "no server runs on '%s'; only it can change that",
                          cli->data_dir);
    *actor = fw_str_of(who);
    *reason = fw_str_of(why);
    return FW_OK;
}

static int answer(struct fw_cli *cli, fw_rc rc, const struct fw_err *err)
{
    int code = rc == FW_OK ? FW_EXIT_OK : fw_cli_fail(cli, err);

    return rc == FW_ENOTFOUND ? FW_EXIT_NO : code;
}

/* Matchers; a first word without a sign is the name of the alert. */
static fw_rc read_matchers(const struct fw_args *args, struct fw_arena *arena,
                           struct silence *s, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (args->rest_count == 0)
        return fw_err_set(err, FW_EINVAL,
                          "say which alerts: a name, or matchers such as "
                          "job=db severity=~'page|ticket'");
    if (args->rest_count > SILENCE_MAX_MATCHERS)
        return fw_err_set(err, FW_ETOOBIG, "more than %d matchers",
                          SILENCE_MAX_MATCHERS);
    for (int i = 0; rc == FW_OK && i < args->rest_count; i++) {
        struct fw_matcher *m = &s->matchers[s->matcher_count++];

        if (i == 0 && strpbrk(args->rest[0], "=~") == NULL)
            *m = (struct fw_matcher){FW_MATCH_EQUAL, FW_STR("alertname"),
                                     fw_str_of(args->rest[0])};
        else
            rc = silence_parse_matcher(fw_str_of(args->rest[i]), arena, m, err);
    }
    return rc;
}

int cmd_silence(struct fw_cli *cli, int argc, char **argv)
{
    struct silence s = {.matcher_count = 0};
    struct fw_arena *arena = NULL;
    struct fw_txn *txn = NULL;
    struct fw_err err = {0};
    struct fw_args args;
    fw_ms now = fw_clock_now(cli->clock), span = 0;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    arena = fw_arena_new(1 << 20);
    if (arena == NULL)
        rc = fw_err_set(&err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = read_matchers(&args, arena, &s, &err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, &args, "for", &span, &err);
    if (rc == FW_OK)
        rc = fw_parse_time(fw_str_of(fw_args_get(cli, &args, "start")), now,
                           &s.starts_at, &err);
    if (rc == FW_OK)
        rc = command_who(cli, &args, &s.created_by, &s.comment, &err);
    s.ends_at = s.starts_at + span;
    if (rc == FW_OK)
        rc = fw_txn_begin(cli->store, true, &txn, &err);
    if (rc == FW_OK)
        rc = fw_txn_end(txn, silence_put(txn, &s, now, &err), &err);
    if (rc == FW_OK)
        (void)fprintf(cli->out, "%s\n", s.id);
    fw_arena_free(arena);
    return answer(cli, rc, &err);
}

int cmd_unsilence(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_str actor, reason;
    struct fw_txn *txn = NULL;
    struct fw_err err = {0};
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (args.rest_count != 1)
        rc = fw_err_set(&err, FW_EINVAL,
                        "name one silence; 'forewarn alerts --silences' lists "
                        "them");
    if (rc == FW_OK)
        rc = command_who(cli, &args, &actor, &reason, &err);
    if (rc == FW_OK)
        rc = fw_txn_begin(cli->store, true, &txn, &err);
    if (rc == FW_OK)
        rc = fw_txn_end(txn,
                        silence_expire(txn, fw_str_of(args.rest[0]),
                                       fw_clock_now(cli->clock), actor, reason,
                                       &err),
                        &err);
    return answer(cli, rc, &err);
}

/* The alerts of that name, or all that matchers choose, in one transaction. */
static fw_rc ack_all(struct fw_cli *cli, const struct alert_list *list,
                     const struct silence *chosen, struct fw_str actor,
                     struct fw_str reason, size_t *count, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(cli->store, true, &txn, err);

    *count = 0;
    for (size_t i = 0; rc == FW_OK && i < list->count; i++) {
        const struct listed_alert *a = &list->alerts[i];
        struct ack ack = {.fingerprint = a->fingerprint,
                          .starts_at = a->starts_at,
                          .at = fw_clock_now(cli->clock),
                          .actor = actor,
                          .reason = reason};
        struct fw_buf what = FW_BUF_INIT(65536);

        if (!silence_matches(chosen, &a->labels))
            continue;
        rc = fw_labels_print(&what, &a->labels);
        if (rc == FW_OK)
            rc = ack_put(txn, &ack, (struct fw_str){what.data, what.len}, err);
        fw_buf_release(&what);
        (*count)++;
    }
    return fw_txn_end(txn, rc, err);
}

int cmd_ack(struct fw_cli *cli, int argc, char **argv)
{
    struct silence chosen = {.matcher_count = 0};
    struct fw_str actor, reason;
    struct alert_view view = {0};
    struct alert_list list = {0};
    struct fw_err err = {0};
    struct fw_args args;
    size_t count = 0;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = command_who(cli, &args, &actor, &reason, &err);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = read_matchers(&args, view.arena, &chosen, &err);
    if (rc == FW_OK)
        rc = alert_list_read(&view, fw_clock_now(cli->clock), &list, &err);
    if (rc == FW_OK)
        rc = ack_all(cli, &list, &chosen, actor, reason, &count, &err);
    if (rc == FW_OK && count == 0)
        rc = fw_err_set(&err, FW_ENOTFOUND,
                        "no such alert is active ('forewarn alerts' lists "
                        "them)");
    if (rc == FW_OK)
        (void)fprintf(cli->out, "%zu alert%s acknowledged\n", count,
                      count == 1 ? "" : "s");
    alert_view_close(&view);
    return answer(cli, rc, &err);
}
