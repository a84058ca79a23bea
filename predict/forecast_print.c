/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/forecast_print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "predict/words.h"
#include "storage/base/json.h"

#define TABLE_ROWS 12   /* points of a table, evenly chosen */
#define HISTORY_SHOWN 2 /* horizons of the past on a chart */

static struct fw_str name_of(const struct forecast_row *row)
{
    return row->name.n > 0 ? row->name : FW_STR("value");
}

void passage_words(const struct fw_forecast *f, const struct fw_breach *breach,
                   fw_ms horizon, char *out, size_t bytes)
{
    char limit[FW_DOUBLE_TEXT_BYTES + 8], within[WORDS_BYTES];
    char p10[WORDS_BYTES], p50[WORDS_BYTES], p90[WORDS_BYTES],
        chance[WORDS_BYTES];
    const struct fw_passage *p = &f->passage;
    size_t at;

    out[0] = '\0';
    if (breach == NULL || !f->has_passage)
        return;
    fw_breach_print(breach, limit);
    (void)words_span(horizon, within);
    if (p->breached_now && p->probability >= 1.0) {
        (void)snprintf(out, bytes, "already %s", limit);
        return;
    }
    at = (size_t)snprintf(out, bytes, "%s for %s within %s",
                          words_percent(p->probability, chance), limit, within);
    if (p->p50 < 0 && p->p10 < 0)
        return;
    (void)words_span(p->p10, p10);
    (void)words_span(p->p50, p50);
    (void)words_span(p->p90, p90);
    if (p->p50 < 0)
        (void)snprintf(out + at, bytes - at, ", not before %s", p10);
    else if (p->p90 < 0)
        (void)snprintf(out + at, bytes - at, ", likely in %s (from %s on)", p50,
                       p10);
    else
        (void)snprintf(out + at, bytes - at,
                       ", likely in %s (between %s and %s)", p50, p10, p90);
}

/* ---- JSON ---------------------------------------------------------------- */

static void json_passage(struct fw_json *json, const struct fw_passage *p)
{
    fw_json_object(json);
    fw_json_field_double(json, "probability", p->probability);
    fw_json_field_bool(json, "breached_now", p->breached_now);
    fw_json_field_span(json, "p10_s", p->p10);
    fw_json_field_span(json, "p50_s", p->p50);
    fw_json_field_span(json, "p90_s", p->p90);
    fw_json_object_end(json);
}

static void json_scores(struct fw_json *json, const struct fw_forecast *f)
{
    fw_json_array(json);
    for (size_t i = 0; i < f->score_count; i++) {
        const struct fw_score *s = &f->scores[i];

        fw_json_object(json);
        fw_json_field_text(json, "model", s->model);
        fw_json_field_double(json, "mae", s->mae);
        fw_json_field_double(json, "mae_vs_naive", s->mase);
        fw_json_field_double(json, "coverage", s->coverage);
        fw_json_field_int(json, "origins", s->origins);
        fw_json_object_end(json);
    }
    fw_json_array_end(json);
}

static void json_points(struct fw_json *json, const struct fw_forecast *f)
{
    fw_json_array(json);
    for (size_t i = 0; i < f->n; i++) {
        fw_json_object(json);
        fw_json_field_seconds(json, "timestamp", f->t[i]);
        fw_json_field_double(json, "point", f->point[i]);
        fw_json_field_double(json, "lower", f->lower[i]);
        fw_json_field_double(json, "upper", f->upper[i]);
        fw_json_object_end(json);
    }
    fw_json_array_end(json);
}

static void json_history(struct fw_json *json, const struct fw_forecast *f)
{
    fw_json_array(json);
    for (size_t i = 0; i < f->history_n; i++) {
        fw_json_array(json);
        fw_json_seconds(json, f->history_t[i]);
        fw_json_double(json, f->history_v[i]);
        fw_json_array_end(json);
    }
    fw_json_array_end(json);
}

void forecast_json(struct fw_json *json, const struct fw_forecast *f,
                   bool with_history)
{
    fw_json_object(json);
    fw_json_field_text(json, "verdict", fw_verdict_name(f->verdict));
    fw_json_key(json, "reason");
    if (f->reason == FW_REASON_NONE)
        fw_json_null(json);
    else
        fw_json_text(json, fw_reason_name(f->reason));
    fw_json_field_text(json, "why", f->why);
    fw_json_field_seconds(json, "step_s", f->step);
    fw_json_field_double(json, "season_steps", f->season);
    fw_json_field_double(json, "level", f->level);
    fw_json_key(json, "model");
    if (f->model == NULL)
        fw_json_null(json);
    else
        fw_json_text(json, f->model);
    fw_json_field_bool(json, "beats_naive", f->beats_naive);
    fw_json_field_text(json, "assumes", f->assumes);
    fw_json_field_text(json, "known", f->known != NULL ? f->known : "");
    fw_json_key(json, "hint");
    if (f->counter)
        fw_json_text(json, fw_forecast_hint(f));
    else
        fw_json_null(json);
    fw_json_key(json, "scores");
    json_scores(json, f);
    fw_json_key(json, "breach");
    if (f->has_passage)
        json_passage(json, &f->passage);
    else
        fw_json_null(json);
    if (with_history) {
        fw_json_key(json, "history");
        json_history(json, f);
    }
    fw_json_key(json, "forecast");
    json_points(json, f);
    fw_json_object_end(json);
}

static fw_rc print_json(const struct forecast_row *rows, size_t count,
                        struct fw_buf *out)
{
    struct fw_json json;

    fw_json_init(&json, out);
    fw_json_array(&json);
    for (size_t i = 0; i < count; i++) {
        fw_json_object(&json);
        fw_json_field_str(&json, "series", rows[i].name);
        fw_json_field_double(&json, "current", rows[i].current);
        fw_json_field_seconds(&json, "current_at", rows[i].current_at);
        fw_json_field_double(&json, "limit", rows[i].limit);
        fw_json_key(&json, "answer");
        forecast_json(&json, rows[i].forecast, false);
        fw_json_object_end(&json);
    }
    fw_json_array_end(&json);
    if (fw_json_rc(&json) != FW_OK)
        return fw_json_rc(&json);
    return fw_buf_addc(out, '\n');
}

/* ---- CSV ----------------------------------------------------------------- */

fw_rc print_csv_text(struct fw_buf *out, struct fw_str s)
{
    fw_rc rc;

    if (memchr(s.p, ',', s.n) == NULL && memchr(s.p, '"', s.n) == NULL &&
        memchr(s.p, '\n', s.n) == NULL && memchr(s.p, '\r', s.n) == NULL)
        return fw_buf_add(out, s.p, s.n);
    rc = fw_buf_addc(out, '"');
    for (size_t i = 0; rc == FW_OK && i < s.n; i++) {
        if (s.p[i] == '"')
            rc = fw_buf_addc(out, '"');
        if (rc == FW_OK)
            rc = fw_buf_addc(out, s.p[i]);
    }
    return rc == FW_OK ? fw_buf_addc(out, '"') : rc;
}

fw_rc print_csv_seconds(struct fw_buf *out, fw_ms t)
{
    if (t % 1000 == 0)
        return fw_buf_printf(out, "%lld", (long long)(t / 1000));
    return fw_buf_printf(out, "%.3f", (double)t / 1000.0);
}

static fw_rc csv_points(const struct forecast_row *row, struct fw_buf *out)
{
    const struct fw_forecast *f = row->forecast;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < f->n; i++) {
        const double v[3] = {f->point[i], f->lower[i], f->upper[i]};

        rc = print_csv_text(out, row->name);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, ',');
        if (rc == FW_OK)
            rc = print_csv_seconds(out, f->t[i]);
        for (size_t j = 0; rc == FW_OK && j < 3; j++)
            rc = isnan(v[j]) ? fw_buf_addc(out, ',')
                             : fw_buf_printf(out, ",%.10g", v[j]);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '\n');
    }
    return rc;
}

static fw_rc csv_passage(const struct forecast_row *row, struct fw_buf *out)
{
    const struct fw_forecast *f = row->forecast;
    const fw_ms when[3] = {f->passage.p10, f->passage.p50, f->passage.p90};
    fw_rc rc = print_csv_text(out, row->name);

    if (rc == FW_OK)
        rc = fw_buf_addc(out, ',');
    if (rc == FW_OK && f->has_passage)
        rc = fw_buf_printf(out, "%.6g", f->passage.probability);
    for (size_t j = 0; rc == FW_OK && j < 3; j++) {
        rc = fw_buf_addc(out, ',');
        if (rc == FW_OK && f->has_passage && when[j] >= 0)
            rc = print_csv_seconds(out, when[j]);
    }
    if (rc == FW_OK)
        rc = fw_buf_printf(out, ",%s,%s\n", fw_verdict_name(f->verdict),
                           f->model != NULL ? f->model : "");
    return rc;
}

static fw_rc print_csv(const struct forecast_row *rows, size_t count,
                       const struct forecast_look *look, struct fw_buf *out)
{
    fw_rc rc = fw_buf_adds(
        out, look->summary_only
                 ? "series,probability,p10_s,p50_s,p90_s,verdict,model\n"
                 : "series,timestamp,point,lower,upper\n");

    for (size_t i = 0; rc == FW_OK && i < count; i++)
        rc = look->summary_only ? csv_passage(&rows[i], out)
                                : csv_points(&rows[i], out);
    return rc;
}

/* ---- Words --------------------------------------------------------------- */

/* A sentence, broken between words to the width of the terminal. */
static fw_rc wrap(struct fw_buf *out, const char *head, const char *text,
                  int columns)
{
    size_t indent = strlen(head), at = indent;
    size_t width = columns > 40 ? (size_t)columns : 80;
    fw_rc rc = fw_buf_adds(out, head);

    while (rc == FW_OK && *text != '\0') {
        size_t word = strcspn(text, " ");

        if (at > indent && at + 1 + word > width) {
            rc = fw_buf_printf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            rc = fw_buf_addc(out, ' ');
            at++;
        }
        if (rc == FW_OK)
            rc = fw_buf_add(out, text, word);
        at += word;
        text += word;
        text += *text == ' ';
    }
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

static fw_rc words(const struct forecast_row *row,
                   const struct forecast_look *look, struct fw_buf *out)
{
    const struct fw_forecast *f = row->forecast;
    char current[WORDS_BYTES], line[512];
    int columns = look->columns;
    fw_rc rc = fw_add_visible(out, name_of(row));

    (void)words_number(row->current, current);
    if (rc == FW_OK)
        rc = fw_buf_printf(out, "  %s\n", current);
    (void)snprintf(line, sizeof(line), "%s: %s", fw_verdict_name(f->verdict),
                   f->why);
    if (rc == FW_OK)
        rc = wrap(out, "  shape    ", line, columns);
    if (rc == FW_OK && f->counter)
        rc = wrap(out, "  hint     ", fw_forecast_hint(f), columns);
    if (rc == FW_OK && f->known != NULL && *f->known != '\0')
        rc = wrap(out, "  known    ", f->known, columns);
    if (f->verdict == FW_CANNOT_TELL)
        return rc;
    if (look->breach != NULL) {
        struct fw_breach breach = *look->breach;

        breach.limit = row->limit;
        passage_words(f, &breach, look->horizon, line, sizeof(line));
        if (rc == FW_OK)
            rc = wrap(out, "  breach   ", line, columns);
    }
    (void)snprintf(line, sizeof(line),
                   "%s; error %.2f times that of the naive forecast%s",
                   f->model, f->scores[0].mase,
                   f->beats_naive ? "" : " (nothing beats it here)");
    if (rc == FW_OK)
        rc = wrap(out, "  model    ", line, columns);
    if (rc == FW_OK)
        rc = wrap(out, "  assumes  ", f->assumes, columns);
    return rc;
}

static fw_rc points(const struct fw_forecast *f, struct fw_buf *out)
{
    size_t some = f->n < TABLE_ROWS ? f->n : TABLE_ROWS;
    fw_rc rc = fw_buf_printf(out, "  %-24s %12s %12s %12s\n", "time", "point",
                             "lower", "upper");

    for (size_t i = 0; rc == FW_OK && i < some; i++) {
        size_t k = (i + 1) * f->n / some - 1;
        char t[FW_TIME_TEXT_BYTES], p[WORDS_BYTES], l[WORDS_BYTES],
            u[WORDS_BYTES];

        (void)fw_format_time(t, f->t[k]);
        (void)words_number(f->point[k], p);
        (void)words_number(f->lower[k], l);
        (void)words_number(f->upper[k], u);
        rc = fw_buf_printf(out, "  %-24s %12s %12s %12s\n", t, p, l, u);
    }
    return rc;
}

static fw_rc chart(const struct forecast_row *row,
                   const struct forecast_look *look, struct fw_buf *out)
{
    const struct fw_forecast *f = row->forecast;
    size_t shown = HISTORY_SHOWN * f->n, skip, marks = 0;
    struct fw_chart_line lines[2] = {{.title = FW_STR("seen")},
                                     {.title = FW_STR("forecast")}};
    double limit = look->breach != NULL ? row->limit : 0.0;
    fw_ms mark[1];
    struct fw_chart c = {.lines = lines,
                         .line_count = 2,
                         .limits = &limit,
                         .limit_count = look->breach != NULL,
                         .marks = mark,
                         .columns = look->columns,
                         .rows = look->rows > 30 ? 20 : look->rows - 6,
                         .color = look->color,
                         .ascii = look->ascii};

    if (f->n == 0)
        return FW_OK;
    if (shown < 24)
        shown = 24;
    skip = f->history_n > shown ? f->history_n - shown : 0;
    lines[0].t = f->history_t + skip;
    lines[0].v = f->history_v + skip;
    lines[0].n = f->history_n - skip;
    lines[1].t = f->t;
    lines[1].v = f->point;
    lines[1].lower = f->lower;
    lines[1].upper = f->upper;
    lines[1].n = f->n;
    if (f->has_passage && f->passage.p50 >= 0)
        mark[marks++] = f->t[0] - f->step + f->passage.p50;
    c.mark_count = marks;
    return fw_print_chart(&c, out);
}

fw_rc forecast_print(const struct forecast_row *rows, size_t count,
                     const struct forecast_look *look, struct fw_buf *out)
{
    fw_rc rc = FW_OK;

    if (look->format == FORECAST_JSON)
        return print_json(rows, count, out);
    if (look->format == FORECAST_CSV)
        return print_csv(rows, count, look, out);
    for (size_t i = 0; rc == FW_OK && i < count; i++) {
        if (i > 0)
            rc = fw_buf_addc(out, '\n');
        if (rc == FW_OK)
            rc = words(&rows[i], look, out);
        if (rc == FW_OK && look->format == FORECAST_CHART)
            rc = chart(&rows[i], look, out);
        if (rc == FW_OK && look->format == FORECAST_TABLE &&
            !look->summary_only && rows[i].forecast->n > 0)
            rc = points(rows[i].forecast, out);
    }
    return rc;
}
