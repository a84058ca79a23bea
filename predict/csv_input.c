/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/csv_input.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/decimal.h"
#include "storage/base/hash.h"
#include "storage/base/limits.h"

#define COLUMNS_MOST 32
#define SAMPLES_MOST 200000000u /* rows of one file: 3 GB of memory */
#define TASKS_MOST 10000000u
#define SECONDS_MOST 9223372036.0 /* 1677 to 2262, as everywhere here */

/* ---- Rows ---------------------------------------------------------------- */

/* Walks a file row by row; quoted fields may span lines. */
struct reader {
    struct fw_str rest;
    struct fw_arena *arena; /* for fields with doubled quotes */
    size_t line;            /* of the row being read, 1-based */
    size_t next_line;
    struct fw_str field[COLUMNS_MOST];
    size_t fields;
};

static struct fw_str trimmed(const char *p, size_t n)
{
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r'))
        n--;
    return (struct fw_str){p, n};
}

/* A field that began with a quote; p is behind it. Returns the bytes taken
 * and the text without doubled quotes, or 0 if it never ends. */
static size_t quoted(struct reader *r, const char *p, size_t n,
                     struct fw_str *out, fw_rc *rc)
{
    char *copy = NULL;
    size_t at = 0, kept = 0;

    for (;; at++) {
        if (at == n)
            return 0;
        if (p[at] == '\n')
            r->next_line++;
        if (p[at] == '"') {
            if (at + 1 == n || p[at + 1] != '"')
                break;
            if (copy == NULL) {
                copy = fw_arena_alloc(r->arena, n);
                if (copy == NULL) {
                    *rc = FW_ENOMEM;
                    return 0;
                }
                memcpy(copy, p, at);
            }
            at++;
        }
        if (copy != NULL)
            copy[kept] = p[at];
        kept++;
    }
    *out = (struct fw_str){copy != NULL ? copy : p, kept};
    return at + 1;
}

/*
 * Splits the next row; FW_END after the last. FW_EINVAL for a row that cannot
 * be split (it is skipped to its end of line).
 */
static fw_rc next_row(struct reader *r)
{
    const char *p = r->rest.p;
    size_t n = r->rest.n, at = 0;
    fw_rc rc = FW_OK;

    r->fields = 0;
    r->line = r->next_line;
    if (n == 0)
        return FW_END;
    for (;;) {
        struct fw_str field;
        size_t from = at;

        while (at < n && (p[at] == ' ' || p[at] == '\t'))
            at++;
        if (at < n && p[at] == '"') {
            size_t took = quoted(r, p + at + 1, n - at - 1, &field, &rc);

            if (rc != FW_OK)
                return rc;
            if (took == 0)
                return r->rest.n = 0, FW_EINVAL;
            at += 1 + took;
            while (at < n && p[at] != ',' && p[at] != '\n')
                at++;
        } else {
            while (at < n && p[at] != ',' && p[at] != '\n')
                at++;
            field = trimmed(p + from, at - from);
        }
        if (r->fields < COLUMNS_MOST)
            r->field[r->fields++] = field;
        if (at == n || p[at] == '\n')
            break;
        at++;
    }
    r->next_line++;
    at += at < n;
    if (at > FW_MAX_CSV_LINE_BYTES)
        rc = FW_EINVAL;
    r->rest.p += at;
    r->rest.n -= at;
    return rc;
}

static void reader_start(struct reader *r, struct fw_str text,
                         struct fw_arena *arena)
{
    *r = (struct reader){.rest = text, .arena = arena, .next_line = 1};
    /* A byte order mark, as spreadsheets write it. */
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) {
        r->rest.p += 3;
        r->rest.n -= 3;
    }
}

static bool blank(const struct reader *r)
{
    return r->fields == 1 && r->field[0].n == 0;
}

static void complain(struct csv_report *report, size_t line, const char *what,
                     struct fw_str text)
{
    size_t i = report->bad++;

    if (i >= CSV_COMPLAINTS)
        return;
    report->complaint[i].row = line;
    (void)snprintf(report->complaint[i].what, sizeof(report->complaint[i].what),
                   what, (int)(text.n < 40 ? text.n : 40),
                   text.p != NULL ? text.p : "");
}

static bool is(struct fw_str s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* ---- Fields -------------------------------------------------------------- */

static bool number(struct fw_str s, double *out)
{
    if (s.n > 0 && fw_decimal_parse(s.p, s.n, out) == s.n)
        return true;
    return fw_parse_double(s, out, NULL) == FW_OK;
}

static bool instant(struct fw_str s, fw_ms *out)
{
    double seconds;

    /* The usual case first: whole or fractional seconds since 1970. */
    if (s.n > 0 && fw_decimal_parse(s.p, s.n, &seconds) == s.n) {
        if (!(fabs(seconds) <= SECONDS_MOST))
            return false;
        *out = (fw_ms)llround(seconds * 1000.0);
        return true;
    }
    /* Words such as "now" are for people, not for files. */
    return s.n > 0 && *s.p >= '0' && *s.p <= '9' &&
           fw_parse_time(s, 0, out, NULL) == FW_OK;
}

/* ---- Series -------------------------------------------------------------- */

struct gather {
    struct csv_series series;
    size_t t_cap, v_cap;
};

struct gathering {
    struct gather *all; /* owned, with their arrays */
    size_t count, cap;
    struct fw_index index;
    uint32_t last; /* rows of one series mostly stand together */
};

static bool same_name(const void *self, uint32_t value, const void *key)
{
    const struct gathering *g = self;

    return fw_str_eq(g->all[value].series.name, *(const struct fw_str *)key);
}

static fw_rc series_of(struct gathering *g, struct fw_str name,
                       struct gather **out)
{
    uint64_t hash;
    uint32_t i;
    fw_rc rc;

    if (g->count > 0 && fw_str_eq(g->all[g->last].series.name, name)) {
        *out = &g->all[g->last];
        return FW_OK;
    }
    hash = fw_hash64(name.p, name.n, 0);
    i = fw_index_find(&g->index, hash, same_name, g, &name);
    if (i == FW_INDEX_NONE) {
        rc = fw_grow(&g->all, &g->cap, g->count + 1, sizeof(*g->all),
                     FW_MAX_FORECAST_SERIES);
        if (rc != FW_OK)
            return rc;
        i = (uint32_t)g->count;
        rc = fw_index_add(&g->index, hash, i);
        if (rc != FW_OK)
            return rc;
        g->all[g->count++] = (struct gather){.series = {.name = name}};
    }
    g->last = i;
    *out = &g->all[i];
    return FW_OK;
}

static fw_rc add_sample(struct gathering *g, struct fw_str name, fw_ms t,
                        double v)
{
    struct gather *s;
    fw_rc rc = series_of(g, name, &s);

    if (rc == FW_OK)
        rc = fw_grow(&s->series.t, &s->t_cap, s->series.n + 1, sizeof(fw_ms),
                     SAMPLES_MOST);
    if (rc == FW_OK)
        rc = fw_grow(&s->series.v, &s->v_cap, s->series.n + 1, sizeof(double),
                     SAMPLES_MOST);
    if (rc != FW_OK)
        return rc;
    s->series.t[s->series.n] = t;
    s->series.v[s->series.n++] = v;
    return FW_OK;
}

struct row {
    fw_ms t;
    double v;
    size_t order;
};

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->t != y->t)
        return x->t < y->t ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Sorts by time, the last of equal times staying, into the arena. */
static fw_rc settle(struct csv_series *s, struct fw_arena *arena,
                    struct csv_report *report)
{
    fw_ms *t = fw_arena_alloc(arena, s->n * sizeof(*t));
    double *v = fw_arena_alloc(arena, s->n * sizeof(*v));
    struct row *rows = NULL;
    size_t kept = 0;
    bool sorted = true;

    if (t == NULL || v == NULL)
        return FW_ENOMEM;
    for (size_t i = 1; i < s->n; i++)
        sorted = sorted && s->t[i] > s->t[i - 1];
    if (sorted) {
        memcpy(t, s->t, s->n * sizeof(*t));
        memcpy(v, s->v, s->n * sizeof(*v));
        kept = s->n;
    } else {
        rows = malloc(s->n * sizeof(*rows));
        if (rows == NULL)
            return FW_ENOMEM;
        for (size_t i = 0; i < s->n; i++) {
            rows[i] = (struct row){s->t[i], s->v[i], i};
            report->unordered |= i > 0 && s->t[i] < s->t[i - 1];
        }
        qsort(rows, s->n, sizeof(*rows), by_time);
        for (size_t i = 0; i < s->n; i++) {
            if (i + 1 < s->n && rows[i + 1].t == rows[i].t) {
                report->duplicates++;
                continue;
            }
            t[kept] = rows[i].t;
            v[kept++] = rows[i].v;
        }
        free(rows);
    }
    free(s->t);
    free(s->v);
    s->t = t;
    s->v = v;
    s->n = kept;
    return FW_OK;
}

struct columns {
    int series, timestamp, value;
};

static int find(const struct reader *r, const char *const *names)
{
    for (; *names != NULL; names++)
        for (size_t i = 0; i < r->fields; i++)
            if (is(r->field[i], *names))
                return (int)i;
    return -1;
}

static bool names_columns(const struct reader *r, struct columns *out)
{
    static const char *const series[] = {"series", "id", "unique_id", "metric",
                                         NULL};
    static const char *const times[] = {"timestamp", "time", "ts", "date",
                                        NULL};
    static const char *const values[] = {"value", "y", "v", NULL};

    out->series = find(r, series);
    out->timestamp = find(r, times);
    out->value = find(r, values);
    return out->timestamp >= 0 && out->value >= 0;
}

/* True if this first row is data; then the columns go by their number. */
static bool no_header(const struct reader *r, struct columns *out)
{
    fw_ms t;
    double v;

    *out =
        r->fields == 2 ? (struct columns){-1, 0, 1} : (struct columns){0, 1, 2};
    return (r->fields == 2 || r->fields == 3) &&
           instant(r->field[out->timestamp], &t) &&
           number(r->field[out->value], &v);
}

static fw_rc take_row(struct reader *r, const struct columns *c,
                      struct gathering *g, struct csv_report *report)
{
    struct fw_str name = FW_STR("");
    int most = c->timestamp > c->value ? c->timestamp : c->value;
    fw_ms t;
    double v;

    if (c->series > most)
        most = c->series;
    report->rows++;
    if ((int)r->fields <= most) {
        complain(report, r->line, "too few columns%.*s", FW_STR(""));
        return FW_OK;
    }
    if (!instant(r->field[c->timestamp], &t)) {
        complain(report, r->line,
                 "'%.*s' is no timestamp (Unix seconds or RFC 3339)",
                 r->field[c->timestamp]);
        return FW_OK;
    }
    if (!number(r->field[c->value], &v)) {
        complain(report, r->line, "'%.*s' is no number", r->field[c->value]);
        return FW_OK;
    }
    if (c->series >= 0)
        name = r->field[c->series];
    return add_sample(g, name, t, v);
}

static fw_rc gather_rows(struct reader *r, struct gathering *g,
                         struct csv_report *report, struct fw_err *err)
{
    struct columns columns;
    bool first = true;
    fw_rc rc;

    while ((rc = next_row(r)) != FW_END) {
        if (rc == FW_EINVAL) {
            report->rows++;
            complain(report, r->line, "a quote that never ends%.*s",
                     FW_STR(""));
            continue;
        }
        if (rc != FW_OK)
            return rc;
        if (blank(r))
            continue;
        if (first) {
            first = false;
            if (names_columns(r, &columns))
                continue;
            if (!no_header(r, &columns))
                return fw_err_set(
                    err, FW_EINVAL,
                    "line %zu: the first row names no columns 'timestamp' and "
                    "'value' (and, for several series, 'series')",
                    r->line);
        }
        rc = take_row(r, &columns, g, report);
        if (rc != FW_OK)
            return rc;
    }
    if (first)
        return fw_err_set(err, FW_EINVAL, "the file is empty");
    return FW_OK;
}

fw_rc csv_read_series(struct fw_str text, struct fw_arena *arena,
                      struct csv_series **out, size_t *count,
                      struct csv_report *report, struct fw_err *err)
{
    struct gathering g = {0};
    struct reader r;
    struct csv_series *all;
    fw_rc rc;

    *report = (struct csv_report){0};
    reader_start(&r, text, arena);
    rc = gather_rows(&r, &g, report, err);
    if (rc == FW_OK && g.count == 0)
        rc = fw_err_set(err, FW_EINVAL, "no usable row in %zu", report->rows);
    if (rc != FW_OK)
        goto out;
    all = fw_arena_alloc(arena, g.count * sizeof(*all));
    if (all == NULL) {
        rc = FW_ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < g.count && rc == FW_OK; i++) {
        rc = settle(&g.all[i].series, arena, report);
        all[i] = g.all[i].series;
        if (rc == FW_OK)
            g.all[i].series.t = NULL, g.all[i].series.v = NULL;
    }
    if (rc == FW_OK) {
        *out = all;
        *count = g.count;
    }
out:
    for (size_t i = 0; i < g.count; i++) {
        free(g.all[i].series.t);
        free(g.all[i].series.v);
    }
    free(g.all);
    fw_index_release(&g.index);
    if (rc == FW_ENOMEM)
        return fw_arena_err(arena, err);
    if (rc == FW_ETOOBIG)
        return fw_err_set(err, rc, "more than %d series in one file",
                          FW_MAX_FORECAST_SERIES);
    return rc;
}

/* ---- Tasks --------------------------------------------------------------- */

enum { TASK, SERIES, AS_OF, THRESHOLD, DIRECTION, HORIZON, TASK_COLUMNS };

static bool take_task(struct reader *r, const int *column,
                      struct csv_report *report, struct csv_task *out)
{
    struct fw_str f[TASK_COLUMNS];
    double horizon;

    report->rows++;
    for (int i = 0; i < TASK_COLUMNS; i++) {
        if (column[i] >= (int)r->fields) {
            complain(report, r->line, "too few columns%.*s", FW_STR(""));
            return false;
        }
        f[i] = r->field[column[i]];
    }
    *out = (struct csv_task){.task = f[TASK], .series = f[SERIES]};
    out->below = is(f[DIRECTION], "below");
    if (!out->below && !is(f[DIRECTION], "above")) {
        complain(report, r->line, "direction '%.*s' is not above or below",
                 f[DIRECTION]);
        return false;
    }
    if (!instant(f[AS_OF], &out->as_of)) {
        complain(report, r->line, "'%.*s' is no timestamp", f[AS_OF]);
        return false;
    }
    if (!number(f[THRESHOLD], &out->threshold) || !isfinite(out->threshold)) {
        complain(report, r->line, "'%.*s' is no finite threshold",
                 f[THRESHOLD]);
        return false;
    }
    if (!number(f[HORIZON], &horizon) || !(horizon > 0.0) || horizon > 1e10) {
        complain(report, r->line, "'%.*s' is no horizon in seconds",
                 f[HORIZON]);
        return false;
    }
    out->horizon = (fw_ms)llround(horizon * 1000.0);
    return true;
}

fw_rc csv_read_tasks(struct fw_str text, struct fw_arena *arena,
                     struct csv_task **out, size_t *count,
                     struct csv_report *report, struct fw_err *err)
{
    static const char *const names[TASK_COLUMNS] = {
        "task", "series", "as_of", "threshold", "direction", "horizon_s"};
    int column[TASK_COLUMNS];
    struct csv_task *all = NULL;
    size_t n = 0, cap = 0;
    struct reader r;
    bool first = true;
    fw_rc rc;

    *report = (struct csv_report){0};
    reader_start(&r, text, arena);
    while ((rc = next_row(&r)) != FW_END) {
        if (rc == FW_EINVAL) {
            report->rows++;
            complain(report, r.line, "a quote that never ends%.*s", FW_STR(""));
            continue;
        }
        if (rc != FW_OK)
            goto out;
        if (blank(&r))
            continue;
        for (int i = 0; first && i < TASK_COLUMNS; i++) {
            const char *const one[] = {names[i], NULL};

            column[i] = find(&r, one);
            if (column[i] < 0) {
                rc = fw_err_set(err, FW_EINVAL,
                                "the first row names no column '%s'", names[i]);
                goto out;
            }
        }
        if (first) {
            first = false;
            continue;
        }
        rc = fw_grow(&all, &cap, n + 1, sizeof(*all), TASKS_MOST);
        if (rc != FW_OK)
            goto out;
        n += take_task(&r, column, report, &all[n]);
    }
    rc = FW_OK;
    *out = fw_arena_alloc(arena, (n + 1) * sizeof(*all));
    if (*out == NULL)
        rc = FW_ENOMEM;
    else if (n > 0)
        memcpy(*out, all, n * sizeof(*all));
    *count = n;
out:
    free(all);
    if (rc == FW_ENOMEM)
        return fw_arena_err(arena, err);
    if (rc == FW_ETOOBIG)
        return fw_err_set(err, rc, "more than %u tasks in one file",
                          TASKS_MOST);
    return rc;
}

/* ---- Anything else ------------------------------------------------------- */

fw_rc csv_walk(struct fw_str text, struct fw_arena *arena, csv_take take,
               void *self)
{
    struct fw_str names[COLUMNS_MOST];
    struct reader r;
    size_t columns = 0;
    fw_rc rc;

    reader_start(&r, text, arena);
    while ((rc = next_row(&r)) == FW_OK) {
        if (blank(&r))
            continue;
        if (columns == 0) {
            columns = r.fields;
            memcpy(names, r.field, columns * sizeof(names[0]));
            continue;
        }
        for (size_t i = 0; rc == FW_OK && i < columns && i < r.fields; i++)
            if (r.field[i].n > 0)
                rc = take(self, r.line, names[i], r.field[i]);
        if (rc == FW_OK)
            rc = take(self, r.line, FW_STR(""), FW_STR(""));
        if (rc != FW_OK)
            return rc;
    }
    return rc == FW_END ? FW_OK : rc;
}
