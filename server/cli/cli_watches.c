/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_watches.c - `forewarn watches`: every watched series and its alert. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/alert_commands.h"
#include "server/cli/text_table.h"
#include "storage/base/json.h"
#include "storage/base/limits.h"

#define OUT_BYTES ((size_t)256 << 20)

/* The worse first; then the likelier. */
static int compare_rows(const void *a, const void *b)
{
    const struct watched_row *x = a, *y = b;
    double p, q;

    if (x->state.alert.phase != y->state.alert.phase)
        return x->state.alert.phase > y->state.alert.phase ? -1 : 1;
    p = x->state.outlook.told ? x->state.outlook.probability : -1;
    q = y->state.outlook.told ? y->state.outlook.probability : -1;
    if (p != q)
        return p > q ? -1 : 1;
    return strcmp(x->watch->name, y->watch->name);
}

static const char *state_word(const struct watched_row *row)
{
    if (row->subject.id == 0)
        return "no data";
    if (row->state.alert.phase == ALERT_INACTIVE &&
        row->state.outlook.at != 0 && !row->state.outlook.told)
        return "cannot tell";
    return alert_phase_name(row->state.alert.phase);
}

static const char *standing_word(struct alert_view *view,
                                 const struct config_watch *watch)
{
    struct standing standing;

    if (alert_view_standing(view, watch, &standing, NULL) != FW_OK)
        return "damaged";
    return standing_name(standing.state);
}

static void add_labels(struct text_table *t, const struct fw_labels *labels)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 4);

    if (fw_labels_print(&text, labels) == FW_OK && text.data != NULL)
        text_table_add(t, (struct fw_str){text.data, text.len});
    else
        text_table_add(t, FW_STR("?"));
    fw_buf_release(&text);
}

static void add_outlook(struct text_table *t, const struct outlook *o)
{
    char span[FW_DURATION_TEXT_BYTES] = "";

    if (!o->told) {
        text_table_add(t, FW_STR(""));
        text_table_add(t,
                       fw_str_of(o->at != 0 ? fw_reason_name(o->reason) : ""));
        return;
    }
    text_table_printf(t, "%.2f", o->probability);
    if (o->p50 >= 0)
        (void)fw_format_span(span, o->p50);
    text_table_add(t, fw_str_of(span));
}

static fw_rc print_table(struct alert_view *view,
                         const struct watched_row *rows, size_t n,
                         struct fw_buf *out)
{
    static const char *const heads[] = {"WATCH", "SERIES", "STANDING",
                                        "STATE", "P",      "BREACH IN",
                                        "VALUE", "LIMIT",  "OWNER"};
    struct text_table t;

    text_table_init(&t, view->arena, "llllrlrll", heads);
    for (size_t i = 0; i < n; i++) {
        char value[FW_DOUBLE_TEXT_BYTES] = "";

        text_table_add(&t, fw_str_of(rows[i].watch->name));
        if (rows[i].subject.id != 0)
            add_labels(&t, &rows[i].subject.labels);
        else
            text_table_add(&t, fw_str_of(rows[i].watch->expr));
        text_table_add(&t, fw_str_of(standing_word(view, rows[i].watch)));
        text_table_add(&t, fw_str_of(state_word(&rows[i])));
        add_outlook(&t, &rows[i].state.outlook);
        if (rows[i].subject.id != 0 && !isnan(rows[i].state.observed.value))
            (void)fw_format_short(value, rows[i].state.observed.value, 4);
        text_table_add(&t, fw_str_of(value));
        text_table_add(&t, fw_str_of(rows[i].watch->breach_text));
        text_table_add(&t, fw_str_of(rows[i].watch->owner));
    }
    return text_table_print(&t, out);
}

static void key_time(struct fw_json *j, const char *key, fw_ms t)
{
    fw_json_key(j, key);
    if (t <= 0)
        fw_json_null(j);
    else
        fw_json_seconds(j, t);
}

static void put_row(struct fw_json *j, struct alert_view *view,
                    const struct watched_row *row)
{
    const struct outlook *o = &row->state.outlook;

    fw_json_object(j);
    fw_json_field_text(j, "watch", row->watch->name);
    fw_json_field_text(j, "expr", row->watch->expr);
    fw_json_field_text(j, "breach", row->watch->breach_text);
    fw_json_field_text(j, "owner", row->watch->owner);
    fw_json_field_text(j, "reason", row->watch->reason);
    fw_json_field_seconds(j, "horizon", row->watch->horizon);
    fw_json_field_text(j, "standing", standing_word(view, row->watch));
    fw_json_field_text(j, "state", state_word(row));
    fw_json_key(j, "labels");
    fw_labels_json(j, &row->subject.labels);
    if (row->subject.id != 0) {
        key_time(j, "since", row->state.alert.since);
        key_time(j, "firedAt", row->state.alert.fired_at);
        fw_json_field_double(j, "value", row->state.observed.value);
        key_time(j, "valueAt", row->state.observed.last_at);
        key_time(j, "lookedAt", o->at);
        fw_json_field_double(j, "probability", o->told ? o->probability : NAN);
        fw_json_field_span(j, "timeToBreach", o->told ? o->p50 : -1);
        fw_json_field_span(j, "timeToBreachP10", o->told ? o->p10 : -1);
        fw_json_field_span(j, "timeToBreachP90", o->told ? o->p90 : -1);
        fw_json_field_text(j, "model", o->model);
        if (!o->told && o->at != 0)
            fw_json_field_text(j, "cannotTell", fw_reason_name(o->reason));
    }
    fw_json_object_end(j);
}

static fw_rc print_json(struct alert_view *view, const struct watched_row *rows,
                        size_t n, struct fw_buf *out)
{
    struct fw_json j;

    fw_json_init(&j, out);
    fw_json_array(&j);
    for (size_t i = 0; i < n; i++)
        put_row(&j, view, &rows[i]);
    fw_json_array_end(&j);
    return fw_json_rc(&j) == FW_OK ? fw_buf_addc(out, '\n') : fw_json_rc(&j);
}

int cmd_watches(struct fw_cli *cli, int argc, char **argv)
{
    static const char *const formats[] = {"table", "json", NULL};
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct alert_view view = {0};
    struct watched_row *rows = NULL;
    struct fw_err err = {0};
    struct fw_args args;
    int format, code = FW_EXIT_OK;
    size_t n = 0;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = fw_args_choice(cli, &args, "format", formats, &format, &err);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = alert_view_rows(&view, &rows, &n, &err);
    if (rc == FW_OK) {
        qsort(rows, n, sizeof(*rows), compare_rows);
        rc = format == 0 ? print_table(&view, rows, n, &out)
                         : print_json(&view, rows, n, &out);
        if (rc != FW_OK)
            (void)fw_err_set(&err, rc, "the list cannot be built: %s",
                             fw_rc_name(rc));
    }
    if (rc != FW_OK) {
        code = fw_cli_fail(cli, &err);
    } else {
        (void)fwrite(out.data, 1, out.len, cli->out);
        if (n == 0)
            (void)fprintf(cli->err, "forewarn watches: none; name some under "
                                    "'watches:' in forewarn.yml\n");
        code = n == 0 ? FW_EXIT_NO : FW_EXIT_OK;
    }
    alert_view_close(&view);
    fw_buf_release(&out);
    return code;
}
