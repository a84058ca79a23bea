/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_audit.c - `forewarn audit list | verify | head`. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "server/audit/audit.h"
#include "server/cli/alert_commands.h"
#include "server/cli/text_table.h"
#include "storage/base/json.h"

#define CELL_COLUMNS 60
#define OUT_BYTES ((size_t)256 << 20)

const struct fw_option audit_options[] = {
    {"format", 'f', "FORMAT", "table", "list: table or json"},
    {"from", 0, "TIME", NULL, "list: only what was done since"},
    {"act", 0, "WORD", NULL, "list: only acts of this kind"},
    {"limit", 'n', "NUMBER", "100", "list: so many of the newest; 0 for all"},
    {"head", 0, "ID:DIGEST", NULL,
     "verify: a head that was noted elsewhere and must still be in the chain"},
    {0},
};

/* ---- list
 * -------------------------------------------------------------------- */

/* First pass counts what is asked for, the second prints the newest. */
struct listing {
    fw_ms from;
    const char *act;
    uint64_t matched, skip; /* of the matched, not to be printed */
    bool printing;
    struct text_table *table; /* or */
    struct fw_json *json;
};

static bool wanted(const struct listing *l, const struct audit_entry *e)
{
    if (e == NULL)
        return true; /* one that cannot be read is never hidden */
    return e->at >= l->from &&
           (l->act == NULL || fw_str_eq(e->act, fw_str_of(l->act)));
}

static void put_entry(struct fw_json *j, uint64_t id,
                      const struct audit_entry *e)
{
    char text[FW_SHA256_HEX_BYTES];

    fw_json_object(j);
    fw_json_field_count(j, "id", id);
    fw_json_field_bool(j, "readable", e != NULL);
    if (e != NULL) {
        fw_json_field_seconds(j, "at", e->at);
        fw_json_field_str(j, "actor", e->actor);
        fw_json_field_str(j, "owner", e->owner);
        fw_json_field_str(j, "act", e->act);
        fw_json_field_str(j, "what", e->what);
        fw_json_field_str(j, "reason", e->reason);
        fw_json_field_str(j, "before", e->before);
        fw_json_field_str(j, "after", e->after);
        fw_sha256_hex(&e->previous, text);
        fw_json_field_str(j, "previous", fw_str_of(text));
    }
    fw_json_object_end(j);
}

/* Bytes of at most n, and whole characters of them. */
static int cut_at(struct fw_str text, int n)
{
    int at = text.n < (size_t)n ? (int)text.n : n;

    while (at > 0 && (size_t)at < text.n &&
           ((unsigned char)text.p[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* "before -> after", as far as there is something to say. */
static void add_change(struct text_table *t, const struct audit_entry *e)
{
    int half = (int)(e->after.n > 0 ? CELL_COLUMNS / 2 : CELL_COLUMNS);

    if (e->before.n > 0 && e->after.n > 0)
        text_table_printf(t, "%.*s%s -> %.*s", cut_at(e->before, half),
                          e->before.p,
                          (int)e->before.n > half ? "\xe2\x80\xa6" : "",
                          (int)e->after.n, e->after.p);
    else if (e->before.n > 0)
        text_table_printf(t, "was %.*s", (int)e->before.n, e->before.p);
    else
        text_table_add(t, e->after);
}

static void add_row(struct text_table *t, uint64_t id,
                    const struct audit_entry *e)
{
    char when[FW_TIME_TEXT_BYTES];

    text_table_printf(t, "%" PRIu64, id);
    if (e == NULL) {
        text_table_add(t, FW_STR("cannot be read: see 'forewarn audit "
                                 "verify'"));
        for (int i = 0; i < 6; i++)
            text_table_add(t, FW_STR(""));
        return;
    }
    (void)fw_format_time(when, e->at);
    text_table_add(t, fw_str_of(when));
    text_table_add(t, e->actor);
    text_table_add(t, e->owner);
    text_table_add(t, e->act);
    text_table_add(t, e->what);
    add_change(t, e);
    text_table_add(t, e->reason);
}

static bool list_one(void *self, uint64_t id, const struct audit_entry *e)
{
    struct listing *l = self;

    if (!wanted(l, e))
        return true;
    if (!l->printing)
        l->matched++;
    else if (l->skip > 0)
        l->skip--;
    else if (l->table != NULL)
        add_row(l->table, id, e);
    else
        put_entry(l->json, id, e);
    return true;
}

static fw_rc list_into(struct alert_view *view, struct listing *l, int format,
                       struct fw_buf *out, struct fw_err *err)
{
    static const char *const heads[] = {"ID",  "TIME", "ACTOR",  "OWNER",
                                        "ACT", "WHAT", "CHANGE", "REASON"};
    struct text_table table;
    struct fw_json json;
    fw_rc rc;

    l->printing = true;
    text_table_init(&table, view->arena, "rlllllll", heads);
    table.widest = CELL_COLUMNS; /* all of it is in the JSON */
    fw_json_init(&json, out);
    if (format == 0) {
        l->table = &table;
    } else {
        l->json = &json;
        fw_json_array(&json);
    }
    rc = audit_each(view->txn, 1, list_one, l, err);
    if (rc != FW_OK)
        return rc;
    if (format == 0) {
        rc = text_table_print(&table, out);
    } else {
        fw_json_array_end(&json);
        rc = fw_json_rc(&json) == FW_OK ? fw_buf_addc(out, '\n')
                                        : fw_json_rc(&json);
    }
    if (rc != FW_OK)
        return fw_err_set(err, rc, "the list cannot be built: %s",
                          fw_rc_name(rc));
    return FW_OK;
}

static fw_rc list(struct alert_view *view, const struct fw_args *args,
                  struct fw_buf *out, int *code, struct fw_err *err)
{
    static const char *const formats[] = {"table", "json", NULL};
    struct fw_cli *cli = view->cli;
    const char *from = fw_args_get(cli, args, "from");
    struct listing l = {.from = INT64_MIN,
                        .act = fw_args_get(cli, args, "act")};
    double limit;
    int format;
    fw_rc rc = fw_args_choice(cli, args, "format", formats, &format, err);

    if (rc == FW_OK)
        rc = fw_args_double(cli, args, "limit", &limit, err);
    if (rc == FW_OK && !(limit >= 0 && limit <= 1e15))
        rc = fw_err_set(err, FW_EINVAL, "--limit is a number from 0 on");
    if (rc == FW_OK && from != NULL)
        rc = fw_parse_time(fw_str_of(from), fw_clock_now(cli->clock), &l.from,
                           err);
    if (rc == FW_OK)
        rc = audit_each(view->txn, 1, list_one, &l, err);
    if (rc != FW_OK)
        return rc;
    if (limit > 0 && l.matched > (uint64_t)limit)
        l.skip = l.matched - (uint64_t)limit;
    if (l.skip > 0 && format == 0)
        (void)fprintf(cli->err,
                      "forewarn audit: the newest %.0f of %" PRIu64
                      " ('--limit 0' shows all)\n",
                      limit, l.matched);
    if (l.matched == 0) {
        (void)fprintf(cli->err, "forewarn audit: no entries\n");
        *code = FW_EXIT_NO;
        if (format == 0)
            return FW_OK;
    }
    return list_into(view, &l, format, out, err);
}

/* ---- verify and head
 * ---------------------------------------------------------- */

static fw_rc verify(struct alert_view *view, const struct fw_args *args,
                    struct fw_buf *out, int *code, struct fw_err *err)
{
    const char *noted = fw_args_get(view->cli, args, "head");
    struct audit_head expected = {0};
    char text[AUDIT_HEAD_TEXT_BYTES];
    struct audit_check check;
    fw_rc rc = FW_OK;

    if (noted != NULL)
        rc = audit_head_read(fw_str_of(noted), &expected, err);
    if (rc == FW_OK)
        rc = audit_verify(view->txn, noted != NULL ? &expected : NULL, &check,
                          err);
    if (rc != FW_OK)
        return rc;
    if (check.bad != 0) {
        *code = FW_EXIT_NO;
        return fw_buf_printf(out, "BAD: entry %" PRIu64 ": %s\n", check.bad,
                             check.reason);
    }
    audit_head_text(&check.last, text);
    return fw_buf_printf(out, "whole: %" PRIu64 " entries, head %s\n",
                         check.count, text);
}

static fw_rc head(struct alert_view *view, struct fw_buf *out,
                  struct fw_err *err)
{
    char text[AUDIT_HEAD_TEXT_BYTES];
    struct audit_head head;
    fw_rc rc = audit_head(view->txn, &head, err);

    if (rc != FW_OK)
        return rc;
    audit_head_text(&head, text);
    return fw_buf_printf(out, "%s\n", text);
}

static fw_rc run_verb(struct alert_view *view, const struct fw_args *args,
                      struct fw_buf *out, int *code, struct fw_err *err)
{
    static const char *const verbs[] = {"list", "verify", "head"};
    const char *verb = args->rest_count > 0 ? args->rest[0] : "list";
    const char *near;

    if (args->rest_count <= 1 && strcmp(verb, "list") == 0)
        return list(view, args, out, code, err);
    if (args->rest_count <= 1 && strcmp(verb, "verify") == 0)
        return verify(view, args, out, code, err);
    if (args->rest_count <= 1 && strcmp(verb, "head") == 0)
        return head(view, out, err);
    near = fw_nearest(verb, verbs, 3);
    return fw_err_set(err, FW_EINVAL, "say 'forewarn audit %s'",
                      near == NULL ? "list | verify | head" : near);
}

int cmd_audit(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct alert_view view = {0};
    struct fw_err err = {0};
    struct fw_args args;
    int code = FW_EXIT_OK;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = run_verb(&view, &args, &out, &code, &err);
    if (rc == FW_OK && fwrite(out.data, 1, out.len, cli->out) != out.len)
        rc = fw_err_sys(&err, errno, "cannot write the answer");
    if (rc != FW_OK)
        code = fw_cli_fail(cli, &err);
    alert_view_close(&view);
    fw_buf_release(&out);
    return code;
}
