/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_actions.c - `forewarn actions`: what is done by itself, and how much. */
#include <string.h>

#include "server/action/action_book.h"
#include "server/cli/alert_commands.h"
#include "server/cli/text_table.h"
#include "storage/base/json.h"

#define OUT_BYTES ((size_t)16 << 20)

struct printing {
    struct text_table table;
    struct fw_json json;
    bool as_json;
    fw_ms now;
    size_t n;
};

static const char *state_word(const struct action_book *b, fw_ms now)
{
    if (b->running != 0)
        return "running";
    if (b->expires_at != 0 && now >= b->expires_at)
        return "expired";
    return b->dry_run ? "dry run" : "ready";
}

static void add_count(struct text_table *t, size_t n, uint32_t most)
{
    if (most == 0)
        text_table_printf(t, "%zu", n);
    else
        text_table_printf(t, "%zu/%u", n, most);
}

static void add_row(struct printing *p, struct fw_str name,
                    const struct action_book *b)
{
    struct text_table *t = &p->table;
    char ago[FW_DURATION_TEXT_BYTES] = "";

    if (b->last_at != 0)
        (void)fw_format_span(ago, p->now - b->last_at);
    text_table_add(t, name);
    text_table_add(t, fw_str_of(state_word(b, p->now)));
    add_count(t, action_runs_within(b, FW_HOUR, p->now), b->per_hour);
    add_count(t, action_runs_within(b, FW_DAY, p->now), b->per_day);
    text_table_add(t, fw_str_of(ago));
    text_table_add(t, fw_str_of(b->last));
    text_table_add(t, fw_str_of(b->watches));
    text_table_add(t, fw_str_of(b->owner));
}

static void put_object(struct printing *p, struct fw_str name,
                       const struct action_book *b)
{
    struct fw_json *j = &p->json;

    fw_json_object(j);
    fw_json_field_str(j, "action", name);
    fw_json_field_text(j, "state", state_word(b, p->now));
    fw_json_field_text(j, "command", b->command);
    fw_json_field_text(j, "limits", b->limits);
    fw_json_field_text(j, "watches", b->watches);
    fw_json_field_text(j, "owner", b->owner);
    fw_json_field_text(j, "reason", b->reason);
    fw_json_field_count(j, "runsHour", action_runs_within(b, FW_HOUR, p->now));
    fw_json_field_count(j, "runsDay", action_runs_within(b, FW_DAY, p->now));
    fw_json_field_count(j, "perHour", b->per_hour);
    fw_json_field_count(j, "perDay", b->per_day);
    fw_json_field_count(j, "runs", b->run_total);
    fw_json_field_count(j, "held", b->held_total);
    fw_json_field_count(j, "refused", b->refused_total);
    fw_json_field_text(j, "last", b->last);
    fw_json_key(j, "lastAt");
    if (b->last_at == 0)
        fw_json_null(j);
    else
        fw_json_seconds(j, b->last_at);
    fw_json_object_end(j);
}

static bool print_one(void *self, struct fw_str name,
                      const struct action_book *b)
{
    struct printing *p = self;

    p->n++;
    if (p->as_json)
        put_object(p, name, b);
    else
        add_row(p, name, b);
    return true;
}

static fw_rc print_all(struct alert_view *view, bool as_json, fw_ms now,
                       struct fw_buf *out, size_t *n, struct fw_err *err)
{
    static const char *const heads[] = {"ACTION", "STATE", "HOUR",    "DAY",
                                        "AGO",    "LAST",  "WATCHES", "OWNER"};
    struct printing p = {.as_json = as_json, .now = now};
    fw_rc rc;

    text_table_init(&p.table, view->arena, "llrrrlll", heads);
    fw_json_init(&p.json, out);
    if (as_json)
        fw_json_array(&p.json);
    rc = action_books_each(view->txn, print_one, &p, err);
    *n = p.n;
    if (rc != FW_OK)
        return rc;
    if (as_json) {
        fw_json_array_end(&p.json);
        rc = fw_json_rc(&p.json);
        return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
    }
    return p.n > 0 ? text_table_print(&p.table, out) : FW_OK;
}

int cmd_actions(struct fw_cli *cli, int argc, char **argv)
{
    static const char *const formats[] = {"table", "json", NULL};
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct alert_view view = {0};
    struct fw_err err = {0};
    struct fw_args args;
    int format = 0, code = FW_EXIT_OK;
    size_t n = 0;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = fw_args_choice(cli, &args, "format", formats, &format, &err);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = print_all(&view, format == 1, fw_clock_now(cli->clock), &out, &n,
                       &err);
    if (rc != FW_OK) {
        if (err.rc == FW_OK)
            (void)fw_err_set(&err, rc, "the list cannot be built: %s",
                             fw_rc_name(rc));
        code = fw_cli_fail(cli, &err);
    } else {
        (void)fwrite(out.data, 1, out.len, cli->out);
        if (n == 0) {
            (void)fprintf(cli->err, "forewarn: there are no actions\n");
            code = FW_EXIT_NO;
        }
    }
    fw_buf_release(&out);
    alert_view_close(&view);
    return code;
}
