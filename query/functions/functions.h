/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * functions.h - the table of functions: what each takes and how it is
 * evaluated. A function is one row here and a few lines in an fn_*.c file.
 */
#ifndef FW_QUERY_FUNCTIONS_H
#define FW_QUERY_FUNCTIONS_H

#include "query/parse/ast.h"

struct eval;
struct grid;
struct sink;
struct window_job;

/* Letters of function.args */
#define ARG_SCALAR 's'
#define ARG_VECTOR 'v'
#define ARG_RANGE 'm'
#define ARG_TEXT 't'

/* Pushes the series of a call into a sink. */
typedef fw_rc (*call_eval)(struct eval *ev, const struct node *call,
                           const struct grid *grid, struct sink *sink);

/* Fills out[0..grid->count) for a call whose value is a scalar. */
typedef fw_rc (*scalar_eval)(struct eval *ev, const struct node *call,
                             const struct grid *grid, double *out);

/* One value for each step from the samples of one series. Any thread. */
typedef fw_rc (*window_eval)(const struct window_job *job, double *out);

/* Says what is to be said of a row that was made; on the query's thread. */
typedef void (*window_remark)(const struct window_job *job,
                              const struct fw_labels *labels,
                              const double *row);

/* What a window function makes of blocks that were not read (digest.c). */
enum digest_kind {
    DIGEST_NONE, /* it has to see every sample */
    DIGEST_COUNT,
    DIGEST_PRESENT,
    DIGEST_FIRST,
    DIGEST_LAST,
    DIGEST_SUM,
    DIGEST_AVG,
    DIGEST_MIN,
    DIGEST_MAX,
    /* Of rollups alone; blocks are read. */
    DIGEST_RATE,
    DIGEST_INCREASE,
    DIGEST_DELTA
};

struct function {
    const char *name;
    const char *args; /* a letter per argument; the last may repeat */
    int least, most;  /* how many; most < 0: any number */
    enum fw_value_type type;
    int flags;
    scalar_eval scalar;
    call_eval call;
    window_eval window;         /* with call == call_window */
    window_remark remark;       /* with call == call_window, or NULL */
    enum digest_kind digest;    /* what it needs of summaries */
    double (*map)(double);      /* with call_map or call_date */
    fw_window_function outside; /* registered by a room above */
};

enum function_flags {
    FN_EXPERIMENTAL = 1, /* behind promql-experimental-functions */
    FN_KEEPS_NAME = 2,   /* its series keep the metric name */
    FN_MOVES = 4,        /* depends on the step even if its arguments do not */
    FN_RENAMES = 8       /* may set the metric name: label_replace */
};

/* The rows built in; ends with a NULL name. */
extern const struct function builtin_functions[];

/*
 * The function with that name; FW_EINVAL with a suggestion, pointing at
 * `span` in `text`, if there is none.
 */
FW_CHECK fw_rc function_find(struct fw_str name, struct fw_str text,
                             struct span span, const struct function **out,
                             struct fw_err *err);

/* The letter for argument i. */
char function_arg(const struct function *function, size_t i);

bool experimental_enabled(void);
bool delayed_names_enabled(void);

/* Names of all functions and aggregations into `names`; returns how many. */
size_t function_names(const char **names, size_t max);

#endif
