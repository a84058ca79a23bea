/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * query.h - PromQL over any source of samples, and the ways to print answers.
 *
 * Text -> fw_query_parse -> a checked tree -> fw_query_run -> a result in an
 * arena -> fw_print_*. Everything of one query lives in one arena and dies
 * with it.
 */
#ifndef FW_QUERY_QUERY_H
#define FW_QUERY_QUERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/storage.h"

/* ---- Where samples come from ------------------------------------------------
 */

/*
 * The one interface between the engine and a store, local or remote. `select`
 * answers as fw_store_select; the others as fw_cursor_*. Called from several
 * threads at once, each with cursors of its own. Those behind `self` may be
 * NULL: cursors are then opened for each series, and summaries not used.
 */
struct fw_source {
    fw_rc (*select)(void *self, const struct fw_matcher *matchers, size_t n,
                    fw_ms from, fw_ms to, size_t max_series,
                    struct fw_arena *arena, struct fw_series **series,
                    size_t *count, struct fw_err *err);
    fw_rc (*open)(void *self, uint32_t series, fw_ms from, fw_ms to,
                  void **cursor, struct fw_err *err);
    fw_rc (*next)(void *self, void *cursor, struct fw_run *run,
                  struct fw_err *err);
    void (*close)(void *self, void *cursor);
    void *self;
    fw_rc (*reset)(void *self, void *cursor, uint32_t series, fw_ms from,
                   fw_ms to, struct fw_err *err);
    fw_rc (*peek)(void *self, void *cursor, struct fw_summary *summary,
                  struct fw_err *err);
    void (*skip)(void *self, void *cursor);
    fw_rc (*span)(void *self, void *cursor, fw_ms *first, fw_ms *last);
    void (*hold)(void *self, void *cursor, bool on);
    /* Summaries of samples that are gone, as fw_rollups_*; all or none. */
    fw_ms (*rollups_last)(void *self);
    fw_rc (*rollups_open)(void *self, void **rollups, struct fw_err *err);
    fw_rc (*rollups_read)(void *self, void *rollups, uint32_t series,
                          fw_ms from, fw_ms to, const struct fw_summary **rows,
                          size_t *n, struct fw_err *err);
    void (*rollups_close)(void *self, void *rollups);
};

/* The local store as a source; borrows it. */
struct fw_source fw_source_of_store(struct fw_store *store);

/* ---- Asking
 * ------------------------------------------------------------------- */

struct fw_query; /* a parsed and checked expression; lives in its arena */

/*
 * Parses and type-checks. FW_EINVAL: err has line and column, and its text
 * shows the offending line with the place underlined and, where one is near,
 * a suggestion.
 */
FW_CHECK fw_rc fw_query_parse(struct fw_str text, struct fw_arena *arena,
                              struct fw_query **out, struct fw_err *err);

/*
 * A selector by itself, as match[] of the HTTP API has it: no offset, no @.
 * The matchers live in `arena`. FW_EINVAL as above.
 */
FW_CHECK fw_rc fw_parse_selector(struct fw_str text, struct fw_arena *arena,
                                 struct fw_matcher **matchers, size_t *n,
                                 struct fw_err *err);

/*
 * Switches features on by the names Prometheus gives them (--enable-feature),
 * with commas between: "promql-experimental-functions",
 * "promql-delayed-name-removal". Before the first query; FW_EINVAL if there is
 * no such feature.
 */
FW_CHECK fw_rc fw_query_enable(const char *features, struct fw_err *err);

/*
 * Threads that share the work of large queries, of any number of them at
 * once. They start with the first such query. NULL: no memory. Free it when
 * no query uses it any more.
 */
struct fw_crew;
struct fw_crew *fw_crew_new(size_t threads);
/* The same with a thread for each core but the caller's. */
struct fw_crew *fw_crew_of_cores(void);
void fw_crew_free(struct fw_crew *crew); /* NULL is fine */

/* What one query may use, and how far an instant looks back. */
struct fw_query_limits {
    uint64_t max_samples; /* read; those that summaries stand for too */
    uint64_t max_points;  /* of the answer */
    uint64_t max_bytes;   /* of memory */
    size_t max_series;    /* read */
    fw_ms max_ms;         /* of time */
    fw_ms lookback;       /* between an instant and its sample */
};

/* The limits that can strike; fw_query_limit_name() has the option's name, if
 * it has one. */
enum fw_query_limit {
    FW_LIMIT_SAMPLES,
    FW_LIMIT_POINTS,
    FW_LIMIT_MEMORY,
    FW_LIMIT_SERIES,
    FW_LIMIT_TIME,
    FW_LIMIT_DEPTH,     /* FW_MAX_QUERY_DEPTH */
    FW_LIMIT_OPERATORS, /* FW_MAX_QUERY_CHAIN */
    FW_QUERY_LIMITS
};

/*
 * The limits of every query of this program whose options do not say
 * otherwise. At first those of storage/base/limits.h. fw_query_limits_set():
 * before the first query; a 0 leaves that one as it is.
 */
struct fw_query_limits fw_query_limits(void);
void fw_query_limits_set(const struct fw_query_limits *limits);

/* "query_max_samples"; static. */
const char *fw_query_limit_name(enum fw_query_limit limit);

/* How many queries it has stopped since the program began. Any thread. */
uint64_t fw_query_limit_struck(enum fw_query_limit limit);

/* A 0 of these stands for what fw_query_limits() says. */
struct fw_query_options {
    fw_ms start, end; /* instants; equal for an instant query */
    fw_ms step;       /* 0 with start == end */
    fw_ms lookback;
    size_t max_series;
    uint64_t max_samples;
    const atomic_bool *cancel;    /* NULL, or set to stop it: FW_ECANCELED */
    const struct fw_clock *clock; /* for the time budget; NULL: none */
    fw_ms max_ms;
    struct fw_crew *crew; /* NULL: this thread alone */
};

enum fw_value_type {
    FW_SCALAR,
    FW_STRING,
    FW_VECTOR, /* instant query: one point per series */
    FW_MATRIX  /* range query, or an instant query of a range selector */
};

/* A series of a result; times rise; NaN may be a value. */
struct fw_result_series {
    struct fw_labels labels;
    fw_ms *t;
    double *v;
    size_t n;
};

struct fw_result {
    enum fw_value_type type;
    struct fw_result_series *series; /* SCALAR: one without labels */
    size_t count;
    struct fw_str text;      /* STRING */
    fw_ms time;              /* STRING: of the evaluation */
    struct fw_str *warnings; /* annotations, as Prometheus gives them */
    size_t warning_count;
    struct fw_str *infos;
    size_t info_count;
    uint64_t samples_read; /* those that summaries stand for too */
    uint64_t series_read;
};

/* Runs a query; the result lives in `arena`. FW_ETOOBIG names the limit. */
FW_CHECK fw_rc fw_query_run(struct fw_query *query, const struct fw_source *src,
                            const struct fw_query_options *options,
                            struct fw_arena *arena, struct fw_result *result,
                            struct fw_err *err);

/*
 * Runs a query and appends its plan to `out`: a line for each step, with what
 * it read, handed on and took. For people; the form may change.
 */
FW_CHECK fw_rc fw_query_explain(struct fw_query *query,
                                const struct fw_source *src,
                                const struct fw_query_options *options,
                                struct fw_arena *arena, struct fw_buf *out,
                                struct fw_err *err);

/* The type an expression will have, and the expression printed back. */
enum fw_value_type fw_query_type(const struct fw_query *query);
FW_CHECK fw_rc fw_query_print(const struct fw_query *query, struct fw_buf *out);

/*
 * The tree as /api/v1/parse_query of Prometheus gives it: the JSON that stands
 * under "data".
 */
FW_CHECK fw_rc fw_query_print_ast(const struct fw_query *query,
                                  struct fw_buf *out);

/* ---- Printing
 * ------------------------------------------------------------------ */

FW_CHECK fw_rc fw_print_table(const struct fw_result *result, bool tty,
                              int columns, struct fw_buf *out);
/* series,timestamp,value; timestamps in seconds; RFC 4180 quoting. */
FW_CHECK fw_rc fw_print_csv(const struct fw_result *result, struct fw_buf *out);
/* The `data` object of the Prometheus HTTP API, wrapped in status. */
FW_CHECK fw_rc fw_print_json(const struct fw_result *result,
                             struct fw_buf *out);

/*
 * A chart for a terminal: lines of braille dots (ASCII where `ascii`), with
 * axes and a legend, at most `columns` wide and `rows` high. NaN points are
 * gaps. A band (lower, upper; both NULL for none) is drawn shaded around its
 * line; a limit is a dashed horizontal line; a mark a vertical one.
 */
struct fw_chart_line {
    struct fw_str title;
    const fw_ms *t;
    const double *v;
    const double *lower;
    const double *upper;
    size_t n;
};

struct fw_chart {
    const struct fw_chart_line *lines;
    size_t line_count;
    const double *limits;
    size_t limit_count;
    const fw_ms *marks;
    size_t mark_count;
    const char *title; /* NULL for none */
    int columns, rows; /* 0: 80 x 20 */
    bool color, ascii;
};
FW_CHECK fw_rc fw_print_chart(const struct fw_chart *chart, struct fw_buf *out);

/* ---- Functions of other rooms
 * ----------------------------------------------------- */

/*
 * A function over one range vector that a room above registers: called per
 * series and step with the samples of its window. `numbers` holds its scalar
 * arguments in order, `texts` its string ones. Returns FW_OK and *out, or
 * FW_NONE for "no point here". Must be thread-safe. The table is filled at
 * start-up, before the first query.
 */
struct fw_window_call {
    const fw_ms *t;
    const double *v;
    size_t n;
    fw_ms from, to; /* the window: from < t <= to; `to` is the step's instant */
    const double *numbers;
    const struct fw_str *texts;
    const char **note; /* out: static text for the answer's annotations */
};
typedef fw_rc (*fw_window_function)(const struct fw_window_call *call,
                                    double *out, struct fw_err *err);
/*
 * `signature` has a letter per argument: 'm' the range vector (exactly one),
 * 's' a scalar, 't' a string. FW_EINVAL if the name is taken.
 */
FW_CHECK fw_rc fw_query_register(const char *name, const char *signature,
                                 fw_window_function function,
                                 struct fw_err *err);

/* ---- Asking another server ------------------------------------------------
 */

/*
 * How commands with --server reach it: posts a form to a URL (gets it where
 * the form is empty) and gives the body of the answer, whatever its status, in
 * `arena`. FW_EIO says why there is none. Handed down at start-up.
 */
typedef fw_rc (*fw_fetch)(struct fw_str url, struct fw_str form,
                          struct fw_arena *arena, struct fw_str *body,
                          struct fw_err *err);
void fw_query_set_fetch(fw_fetch fetch);

/* query, series, labels, values, explain: rows for the table of commands. */
extern const struct fw_command fw_query_commands[];

#endif
