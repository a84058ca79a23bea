/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/query/script.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/bytes.h"
#include "storage/base/file.h"
#include "tests/unit/query/memory_source.h"

#define MAX_WANTS 256
#define MAX_VALUES 4096
#define ARENA_BYTES ((size_t)256 << 20)
#define RELATIVE 1e-12

struct want {
    int line;
    const char *text;
};

struct script {
    const char *path;
    int line;
    char *at; /* the rest of the file, cut into lines as it is read */
    struct memory_source data;
    fw_ms lookback;
    struct script_result result;
    /* The case being read. */
    int eval_line;
    const char *expr;
    bool ordered, range;
    fw_ms start, end, step;
    struct want wants[MAX_WANTS];
    size_t want_count;
};

/* ---- Words --------------------------------------------------------------- */

static void fail(struct script *s, int line, const char *fmt, ...)
    FW_PRINTF(3, 4);
static void fail(struct script *s, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: ", s->path, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    s->result.failures++;
}

static char *skip(char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* The next word of *p, cut off; an empty one at the end. */
static char *word(char **p)
{
    char *start = skip(*p);
    char *end = start + strcspn(start, " \t");

    *p = end;
    if (*end != '\0') {
        *end = '\0';
        *p = end + 1;
    }
    return start;
}

static bool takes(char **p, const char *keyword)
{
    size_t n = strlen(keyword);
    char *q = skip(*p);

    if (strncmp(q, keyword, n) != 0 || (q[n] != ' ' && q[n] != '\0'))
        return false;
    *p = q + n;
    return true;
}

/* "4m", "-30s", "0", "1.5" (seconds). */
static fw_ms span_of(struct script *s, const char *text)
{
    bool minus = *text == '-';
    fw_ms out = 0;
    double seconds;

    text += minus;
    if (fw_parse_duration(fw_str_of(text), &out, NULL) != FW_OK) {
        if (fw_parse_double(fw_str_of(text), &seconds, NULL) != FW_OK)
            fail(s, s->line, "'%s' is no time", text);
        else
            out = (fw_ms)llround(seconds * 1000);
    }
    return minus ? -out : out;
}

static double value_of(struct script *s, const char *text)
{
    double v = 0;

    if (strcmp(text, "_") == 0 || strcmp(text, "stale") == 0)
        return fw_double_of_bits(FW_STALE_BITS);
    if (fw_parse_double(fw_str_of(text), &v, NULL) != FW_OK)
        fail(s, s->line, "'%s' is no value", text);
    return v;
}

/* ---- data ---------------------------------------------------------------- */

/* The series at the front of *p: up to a blank outside braces and quotes. */
static char *series_text(char **p)
{
    char *start = skip(*p);
    char *q = start;
    bool braces = false;
    bool quotes = false;

    for (; *q != '\0' && (braces || (*q != ' ' && *q != '\t')); q++) {
        if (*q == '"' && (q == start || q[-1] != '\\'))
            quotes = !quotes;
        if (!quotes && *q == '{')
            braces = true;
        if (!quotes && *q == '}')
            braces = false;
    }
    *p = q;
    if (*q != '\0') {
        *q = '\0';
        *p = q + 1;
    }
    return start;
}

/* "0+10x5": 0 and five more, each 10 higher. */
static void add_ramp(struct script *s, struct memory_series *series, fw_ms *t,
                     fw_ms every, char *text)
{
    char *x = strrchr(text, 'x');
    char *sign = x;
    double first, by;
    long count = strtol(x + 1, NULL, 10);

    *x = '\0';
    while (sign > text + 1 && *sign != '+' && *sign != '-')
        sign--;
    by = strtod(sign, NULL);
    *sign = '\0';
    first = value_of(s, text);
    for (long i = 0; i <= count; i++, *t += every)
        memory_series_add(series, *t, first + by * (double)i);
}

static void add_value(struct script *s, struct memory_series *series, fw_ms *t,
                      fw_ms every, char *text)
{
    if (strchr(text, 'x') != NULL && isdigit((unsigned char)*text)) {
        add_ramp(s, series, t, every, text);
        return;
    }
    if (strcmp(text, "_") != 0)
        memory_series_add(series, *t, value_of(s, text));
    *t += every;
}

/* data every 1m [from 10m] SERIES VALUE...; data at SERIES TIME=VALUE... */
static void read_data(struct script *s, char *rest)
{
    bool explicit_times = takes(&rest, "at");
    fw_ms every = 0;
    fw_ms t = 0;
    struct memory_series *series;

    if (!explicit_times && takes(&rest, "every"))
        every = span_of(s, word(&rest));
    if (takes(&rest, "from"))
        t = span_of(s, word(&rest));
    series = memory_source_series(&s->data, series_text(&rest));
    if (series == NULL) {
        fail(s, s->line, "this is no series");
        return;
    }
    for (char *v = word(&rest); *v != '\0'; v = word(&rest)) {
        char *equals = strchr(v, '=');

        if (explicit_times && equals != NULL) {
            *equals = '\0';
            t = span_of(s, v);
            v = equals + 1;
        }
        add_value(s, series, &t, every, v);
    }
}

/* ---- eval ---------------------------------------------------------------- */

/* eval [ordered] at TIME EXPR; eval [ordered] from A to B step C EXPR */
static void read_eval(struct script *s, char *rest)
{
    s->eval_line = s->line;
    s->want_count = 0;
    s->ordered = takes(&rest, "ordered");
    s->range = !takes(&rest, "at");
    if (s->range && !takes(&rest, "from")) {
        fail(s, s->line, "eval needs 'at' or 'from'");
        return;
    }
    s->start = s->end = span_of(s, word(&rest));
    s->step = 0;
    if (s->range) {
        (void)takes(&rest, "to");
        s->end = span_of(s, word(&rest));
        (void)takes(&rest, "step");
        s->step = span_of(s, word(&rest));
    }
    s->expr = skip(rest);
}

static void read_want(struct script *s, char *rest)
{
    if (s->want_count < MAX_WANTS)
        s->wants[s->want_count++] = (struct want){s->line, skip(rest)};
}

/* ---- Comparing ----------------------------------------------------------- */

static bool alike(double want, double got)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (want == got)
        return want != 0 || signbit(want) == signbit(got);
    return isfinite(want) && isfinite(got) &&
           fabs(want - got) <= RELATIVE * fmax(fabs(want), fabs(got));
}

static void describe(const struct fw_result_series *series, struct fw_buf *out)
{
    FW_ASSERT(fw_labels_print(out, &series->labels) == FW_OK);
    for (size_t i = 0; i < series->n && i < 12; i++) {
        char text[FW_DOUBLE_TEXT_BYTES];

        (void)fw_format_double(text, series->v[i]);
        FW_ASSERT(fw_buf_printf(out, " %s@%g", text,
                                (double)series->t[i] / 1000) == FW_OK);
    }
}

static void show_result(const struct fw_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        struct fw_buf text = FW_BUF_INIT(65536);

        describe(&result->series[i], &text);
        fprintf(stderr, "    got %s\n", text.data);
        fw_buf_release(&text);
    }
    if (result->count == 0)
        fprintf(stderr, "    got nothing\n");
}

/* One value per step; `_` where there must be no point. */
static bool same_points(struct script *s, const struct fw_result_series *got,
                        char *rest)
{
    size_t at = 0;
    fw_ms t = s->start;

    for (char *v = word(&rest); *v != '\0'; v = word(&rest)) {
        double want;
        char *times = strchr(v, 'x'); /* "1x3": 1 four times */
        long count = times != NULL ? strtol(times + 1, NULL, 10) : 0;

        if (times != NULL)
            *times = '\0';
        want = value_of(s, v);
        for (long i = 0; i <= count; i++, t += s->step) {
            if (fw_double_bits(want) == FW_STALE_BITS)
                continue;
            if (at >= got->n || got->t[at] != t || !alike(want, got->v[at]))
                return false;
            at++;
        }
    }
    return at == got->n;
}

/* An instant query of a range selector: TIME=VALUE... */
static bool same_samples(struct script *s, const struct fw_result_series *got,
                         char *rest)
{
    size_t at = 0;

    for (char *v = word(&rest); *v != '\0'; v = word(&rest), at++) {
        char *equals = strchr(v, '=');

        if (equals == NULL)
            return false;
        *equals = '\0';
        if (at >= got->n || got->t[at] != span_of(s, v) ||
            !alike(value_of(s, equals + 1), got->v[at]))
            return false;
    }
    return at == got->n;
}

/* Labels of "name{a="b"}" in canonical order. */
static bool parse_labels(struct fw_arena *arena, const char *text,
                         struct fw_labels *out)
{
    struct fw_matcher *m = NULL;
    struct fw_label *v;
    size_t n = 0;

    *out = (struct fw_labels){NULL, 0};
    if (strcmp(text, "{}") == 0)
        return true;
    if (fw_parse_selector(fw_str_of(text), arena, &m, &n, NULL) != FW_OK)
        return false;
    v = fw_arena_calloc(arena, n, sizeof(*v));
    for (size_t i = 0; i < n; i++)
        v[i] = (struct fw_label){m[i].name, m[i].value};
    if (fw_labels_canonical(v, &n, NULL) != FW_OK)
        return false;
    *out = (struct fw_labels){v, n};
    return true;
}

static size_t find_series(const struct fw_result *result,
                          const struct fw_labels *labels)
{
    for (size_t i = 0; i < result->count; i++) {
        if (fw_labels_cmp(&result->series[i].labels, labels) == 0)
            return i;
    }
    return result->count;
}

static bool check_series(struct script *s, const struct want *want,
                         size_t number, const struct fw_result *result,
                         struct fw_arena *arena)
{
    char *text = fw_arena_strdup(arena, want->text);
    char *rest = text;
    struct fw_labels labels;
    size_t at;

    if (!parse_labels(arena, series_text(&rest), &labels)) {
        fail(s, want->line, "'%s' is no series", want->text);
        return false;
    }
    at = find_series(result, &labels);
    if (at == result->count || (s->ordered && at != number))
        return false;
    if (result->type == FW_MATRIX && !s->range)
        return same_samples(s, &result->series[at], rest);
    return same_points(s, &result->series[at], rest);
}

static bool has_note(const struct fw_str *notes, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (memmem(notes[i].p, notes[i].n, text, strlen(text)) != NULL)
            return true;
    }
    return false;
}

static bool check_scalar(struct script *s, const struct fw_result *result,
                         char *rest)
{
    return result->type == FW_SCALAR && result->count == 1 &&
           alike(value_of(s, word(&rest)), result->series[0].v[0]);
}

/* Checks one want; counts those that speak of series. */
static bool check_want(struct script *s, const struct want *want,
                       const struct fw_result *result, struct fw_arena *arena,
                       size_t *series)
{
    char *rest = fw_arena_strdup(arena, want->text);

    if (takes(&rest, "empty"))
        return result->count == 0;
    if (takes(&rest, "warn"))
        return has_note(result->warnings, result->warning_count, skip(rest));
    if (takes(&rest, "info"))
        return has_note(result->infos, result->info_count, skip(rest));
    if (takes(&rest, "string"))
        return result->type == FW_STRING &&
               fw_str_eq(result->text, fw_str_of(skip(rest)));
    if (takes(&rest, "scalar")) {
        (*series)++;
        return check_scalar(s, result, rest);
    }
    return check_series(s, want, (*series)++, result, arena);
}

static void check_answer(struct script *s, const struct fw_result *result,
                         struct fw_arena *arena)
{
    size_t series = 0;

    for (size_t i = 0; i < s->want_count; i++) {
        if (check_want(s, &s->wants[i], result, arena, &series))
            continue;
        fail(s, s->wants[i].line, "%s\n    want %s", s->expr, s->wants[i].text);
        show_result(result);
        return;
    }
    if (series != result->count && result->type != FW_STRING) {
        fail(s, s->eval_line, "%s\n    answers %zu series, %zu are wanted",
             s->expr, result->count, series);
        show_result(result);
    }
}

static void check_error(struct script *s, const struct fw_err *err)
{
    const char *text = s->want_count == 1 ? s->wants[0].text : "";

    if (strncmp(text, "error ", 6) != 0)
        fail(s, s->eval_line, "%s\n    fails: %s", s->expr, err->text);
    else if (strstr(err->text, text + 6) == NULL)
        fail(s, s->wants[0].line, "%s\n    want %s\n    got  %s", s->expr, text,
             err->text);
}

static void run_case(struct script *s)
{
    struct fw_query_options options = {.start = s->start,
                                       .end = s->end,
                                       .step = s->step,
                                       .lookback = s->lookback};
    struct fw_source source = memory_source_as_source(&s->data);
    struct fw_arena *arena;
    struct fw_query *query = NULL;
    struct fw_result result = {0};
    struct fw_err err = {0};
    fw_rc rc;

    if (s->expr == NULL)
        return;
    arena = fw_arena_new(ARENA_BYTES);
    FW_ASSERT(arena != NULL);
    rc = fw_query_parse(fw_str_of(s->expr), arena, &query, &err);
    if (rc == FW_OK)
        rc = fw_query_run(query, &source, &options, arena, &result, &err);
    s->result.cases++;
    if (rc != FW_OK)
        check_error(s, &err);
    else if (s->want_count == 0)
        fail(s, s->eval_line, "%s\n    has no want", s->expr);
    else
        check_answer(s, &result, arena);
    fw_arena_free(arena);
    s->expr = NULL;
}

/* ---- Lines --------------------------------------------------------------- */

/* The next line that says something; NULL at the end. */
static char *next_line(struct script *s)
{
    while (*s->at != '\0') {
        char *line = s->at;
        size_t n = strcspn(line, "\n");

        s->at += n + (line[n] == '\n');
        line[n] = '\0';
        s->line++;
        line = skip(line);
        if (*line != '\0' && *line != '#')
            return line;
    }
    return NULL;
}

static void read_line(struct script *s, char *line)
{
    if (takes(&line, "want")) {
        read_want(s, line);
        return;
    }
    run_case(s);
    if (takes(&line, "data")) {
        read_data(s, line);
    } else if (takes(&line, "eval")) {
        read_eval(s, line);
    } else if (takes(&line, "clear")) {
        memory_source_release(&s->data);
        memory_source_init(&s->data);
        s->lookback = 0;
    } else if (takes(&line, "lookback")) {
        s->lookback = span_of(s, word(&line));
    } else {
        fail(s, s->line,
             "a line begins with data, eval, want, clear or "
             "lookback");
    }
}

struct script_result script_run(const char *path)
{
    struct fw_buf text = FW_BUF_INIT((size_t)4 << 20);
    struct script s = {.path = path};
    struct fw_err err = {0};

    memory_source_init(&s.data);
    if (fw_file_read(path, &text, &err) != FW_OK) {
        fail(&s, 0, "%s", err.text);
    } else {
        s.at = text.data;
        for (char *line = next_line(&s); line != NULL; line = next_line(&s))
            read_line(&s, line);
        run_case(&s);
        if (s.result.cases == 0)
            fail(&s, s.line, "there is no case in this script");
    }
    memory_source_release(&s.data);
    fw_buf_release(&text);
    return s.result;
}
