/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * predict.h - what will a series do, when will it cross a limit, and how sure
 * is that?
 *
 * Samples -> regular grid -> candidate models -> rolling-origin backtest ->
 * the chosen model's paths -> interval, P(breach), time to breach. Nothing
 * here knows a clock, a store or a socket; the same input and seed give the
 * same answer. "Cannot tell", with its reason, is an answer.
 */
#ifndef FW_PREDICT_PREDICT_H
#define FW_PREDICT_PREDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query/query.h"
#include "storage/base/zone.h"

/* ---- The question -----------------------------------------------------------
 */

enum fw_side { FW_ABOVE, FW_BELOW };

/* "> 90", ">= 90", "< 5" or "<= 5", staying so for `for_ms` to count. */
struct fw_breach {
    enum fw_side side;
    bool or_equal;
    double limit;
    fw_ms for_ms;
};
FW_CHECK fw_rc fw_breach_parse(struct fw_str text, struct fw_breach *out,
                               struct fw_err *err);
/* "> 90", into a buffer of FW_DOUBLE_TEXT_BYTES + 8. */
void fw_breach_print(const struct fw_breach *breach, char *out);
/* The same, or a limit that is an expression, "> node_capacity": then *expr is
 * that part of `text` and out->limit is 0. Else *expr is empty. */
FW_CHECK fw_rc fw_breach_parse_limit(struct fw_str text, struct fw_breach *out,
                                     struct fw_str *expr, struct fw_err *err);

/*
 * What is known beforehand. A change is added to the values from `at` on (to
 * `until`, if that is set); an exclusion is a time [at, until) whose samples
 * are not learnt from. Either may come again `every` so often, by the clocks of
 * the options' zone where that is whole days.
 */
struct fw_event {
    bool exclude;
    fw_ms at;
    fw_ms until; /* 0: for good (changes only) */
    fw_ms every; /* 0: once */
    double delta;
    const char *amount; /* the delta as it was written, "+200GB" */
    const char *why;    /* "" for no reason given */
};

/* "at=TIME,delta=-200GB,why=...", and if need be `for=2h` or `every=7d`; the
 * reason comes last and may hold commas. Texts live in the arena. */
FW_CHECK fw_rc fw_event_parse(struct fw_str text, fw_ms now,
                              struct fw_arena *arena, struct fw_event *out,
                              struct fw_err *err);
/* "FROM/TO", and if need be ",every=7d" and ",why=...". */
FW_CHECK fw_rc fw_exclude_parse(struct fw_str text, fw_ms now,
                                struct fw_arena *arena, struct fw_event *out,
                                struct fw_err *err);
/* "200", "-200GB", "1.5GiB", "+3k": a number with a factor of 1000 or 1024; B
 * behind it says nothing more. */
FW_CHECK fw_rc fw_amount_parse(struct fw_str text, double *out,
                               struct fw_err *err);
/*
 * Events of a file, as CSV (columns at, delta, until, for, every, why; a row
 * without delta is left out of what is learnt) or as JSON: an array of objects
 * with these keys. At most FW_MAX_EVENTS; the first at *out, in the arena.
 */
FW_CHECK fw_rc fw_events_read(struct fw_str text, fw_ms now,
                              struct fw_arena *arena, struct fw_event **out,
                              size_t *count, struct fw_err *err);
/* An event piece by piece: at, delta, until, for, every, why, each with its
 * text; without a delta it is a time to be left out. */
struct fw_event_draft;
struct fw_event_draft *fw_event_begin(struct fw_arena *arena); /* or NULL */
FW_CHECK fw_rc fw_event_take(struct fw_event_draft *draft, struct fw_str name,
                             struct fw_str value, fw_ms now,
                             struct fw_arena *arena, struct fw_err *err);
FW_CHECK fw_rc fw_event_end(const struct fw_event_draft *draft,
                            struct fw_event *out, struct fw_err *err);
/* True if a change lies in (from, to]. */
bool fw_events_change(const struct fw_event *events, size_t n,
                      const struct fw_zone *zone, fw_ms from, fw_ms to);
#define FW_MAX_EVENTS 64

/* What is known beforehand, as the options of a command say it. */
#define FW_KNOWN_OPTIONS                                                       \
    {"event", 0, "EVENT", NULL,                                                \
     "a planned change, as in "                                                \
     "'at=2026-11-27T10:00Z,delta=+200GB,why=migration'; as often as there "   \
     "are"},                                                                   \
        {"exclude", 0, "FROM/TO", NULL,                                        \
         "a time not to learn from, as in "                                    \
         "'2026-11-01T02:00Z/2026-11-01T04:00Z,every=7d'; as often as there "  \
         "are"},                                                               \
        {"events", 0, "FILE", NULL, "a file of both, as CSV or JSON"},         \
    {                                                                          \
        "time-zone", 0, "ZONE", NULL,                                          \
            "by whose clocks days and weeks go, as in Europe/Berlin"           \
    }

struct fw_known {
    struct fw_event *events; /* in the arena */
    size_t event_count;
    struct fw_zone *zone; /* the caller closes it; NULL: UTC */
};
FW_CHECK fw_rc fw_known_of_args(struct fw_cli *cli, const struct fw_args *args,
                                fw_ms now, struct fw_arena *arena,
                                struct fw_known *out, struct fw_err *err);

struct fw_forecast_options {
    fw_ms now;                 /* the forecast starts after this instant */
    fw_ms horizon;             /* > 0 */
    fw_ms step;                /* grid interval; 0: chosen from the data */
    double season;             /* known season length in steps; 0: looked for */
    double level;              /* of the interval, in (0, 1); 0: 0.95 */
    bool has_lower, has_upper; /* bounds the values cannot leave */
    double lower, upper;
    uint64_t seed;                  /* of the sample paths; 0: a fixed one */
    const struct fw_breach *breach; /* NULL: no limit is asked about */
    /* Several times as fast: the cheap models, tried from few moments; lower
     * and upper are NaN, and no score has a coverage. */
    bool point_only;
    const struct fw_event *events;
    size_t event_count;
    /* Days and weeks go by the clocks of this zone; NULL: by UTC. Borrowed. */
    const struct fw_zone *zone;
    /* fw_forecast_expr() only: the limit of each series is what this gives for
     * it at `now`, and breach->limit says nothing. Empty: breach->limit. */
    struct fw_str limit_expr;
    /* fw_forecast_expr() only: called after each series, for a bar; or NULL. */
    void (*progress)(void *self, size_t done, size_t all);
    void *progress_self;
};

/* ---- The answer
 * -------------------------------------------------------------- */

enum fw_verdict {
    FW_CANNOT_TELL, /* see reason */
    FW_FLAT,
    FW_TREND,
    FW_SEASONAL,
    FW_TREND_SEASONAL,
    FW_STEP,
    FW_SAWTOOTH,
    FW_RESET,      /* a climb that fell back, once or twice, and goes on */
    FW_SATURATING, /* ever more slowly towards a level */
    FW_BURSTY,     /* quiet mostly, far off at times */
    FW_NOISY
};

enum fw_reason {
    FW_REASON_NONE,
    FW_TOO_SHORT, /* fewer samples than any model needs */
    FW_STALE,     /* the newest sample is too old for this horizon */
    FW_GAPS,      /* too little of the grid is filled */
    FW_NOT_FINITE /* nothing but NaN or infinities */
};

#define FW_MODEL_MAX 16

/* One candidate's backtest: rolling origin, errors scaled by the naive one. */
struct fw_score {
    const char *model; /* static name */
    double mae;
    double mase;     /* MAE / MAE of the naive forecast on the same origins */
    double coverage; /* share of outcomes inside the interval */
    int origins;
};

/* P(breach within the horizon) and when; spans from `now`. */
struct fw_passage {
    bool breached_now;   /* the newest value is already beyond the limit */
    double probability;  /* in [0, 1] */
    fw_ms p10, p50, p90; /* time to breach among all paths; -1: beyond the
                            horizon */
};

struct fw_forecast {
    enum fw_verdict verdict;
    enum fw_reason reason;
    char why[256]; /* the reason, or the evidence for the verdict: a sentence */
    fw_ms step;
    size_t n; /* grid points of the forecast */
    fw_ms *t;
    double *point, *lower, *upper;
    size_t history_n; /* the resampled past, NaN where it has gaps */
    fw_ms *history_t;
    double *history_v;
    double level;
    double season;                        /* in steps; 0 where none is used */
    const char *model;                    /* static name of the chosen one */
    struct fw_score scores[FW_MODEL_MAX]; /* best first; [0] is the chosen */
    size_t score_count;
    bool beats_naive;
    char assumes[512]; /* what the chosen model takes for granted, and how that
                          was tested: sentences */
    bool has_passage;
    struct fw_passage passage;
    const char *known; /* the events that count here: sentences, or "" */
    bool counter;      /* it seems to be one: fw_forecast_hint() */
};

/* What is to be said besides, "" if nothing: "this looks like a counter; use
 * rate()". Static. */
const char *fw_forecast_hint(const struct fw_forecast *forecast);

const char *fw_verdict_name(enum fw_verdict verdict);
const char *fw_reason_name(enum fw_reason reason);

/*
 * Forecasts one series of n samples (times rising; NaN and infinite values are
 * treated as missing). The answer lives in `arena`. "Cannot tell" is FW_OK.
 * FW_EINVAL for options that make no sense, FW_ETOOBIG past
 * FW_MAX_FORECAST_SAMPLES. Thread-safe.
 */
FW_CHECK fw_rc fw_forecast_run(const fw_ms *t, const double *v, size_t n,
                               const struct fw_forecast_options *options,
                               struct fw_arena *arena, struct fw_forecast **out,
                               struct fw_err *err);

/*
 * Evaluates an expression over [now - history, now] at its own resolution and
 * forecasts each series of it: the way from a store to an answer.
 */
struct fw_forecast_series {
    struct fw_labels labels;
    struct fw_forecast *forecast;
    double current; /* newest value, NaN if none */
    fw_ms current_at;
    fw_ms spacing; /* mean distance of the newest samples; 0: unknown */
    double limit;  /* of this very series; NaN: none is asked about */
};
FW_CHECK fw_rc fw_forecast_expr(struct fw_str expr, const struct fw_source *src,
                                fw_ms history,
                                const struct fw_forecast_options *options,
                                struct fw_arena *arena,
                                struct fw_forecast_series **out, size_t *count,
                                struct fw_err *err);

/*
 * The limits that an expression gives for the series of another, as if they
 * stood left and right of a binary operator of PromQL at `now`: one limit may
 * serve many series (group_left), on(...) and ignoring(...) may lead it.
 */
struct fw_limits; /* in the arena */
FW_CHECK fw_rc fw_limits_fetch(struct fw_str expr, struct fw_str limit_expr,
                               const struct fw_source *src, fw_ms now,
                               fw_ms history, struct fw_arena *arena,
                               struct fw_limits **out, struct fw_err *err);
/* "EXPR - LIMIT", matched the same way: what is beyond the limit is beyond
 * nothing. In the arena. */
FW_CHECK fw_rc fw_limit_difference(struct fw_str expr, struct fw_str limit_expr,
                                   struct fw_arena *arena, const char **out,
                                   struct fw_err *err);
/* NaN if there is none for these labels (their name does not count). */
double fw_limits_of(const struct fw_limits *limits,
                    const struct fw_labels *labels);

/*
 * The samples such a forecast is made of, from the last `span` before
 * options->now only: a plain selector at its own resolution, anything else as
 * fine as a forecast over `history` wants. For fw_forecaster.
 */
FW_CHECK fw_rc fw_forecast_fetch(struct fw_str expr,
                                 const struct fw_source *src, fw_ms span,
                                 fw_ms history,
                                 const struct fw_forecast_options *options,
                                 struct fw_arena *arena,
                                 struct fw_result *result, struct fw_err *err);

/* ---- A watched series --------------------------------------------------- */

/*
 * What is kept of one series between looks, so that an answer about a limit
 * costs a fraction of a millisecond instead of a fit: the grid of its history,
 * the newest fit, and what was foreseen and happened at earlier moments. One
 * thread at a time. The answers are those of fw_forecast_run() but for the age
 * of the fit (and fewer earlier moments where the history is long).
 */
struct fw_forecaster;

struct fw_forecaster_options {
    fw_ms horizon;           /* > 0 */
    fw_ms step;              /* grid interval; 0: chosen from the data */
    fw_ms history;           /* kept at most; 0: 14 days */
    struct fw_breach breach; /* side, or_equal and for_ms hold for all asks */
};

/* FW_EINVAL for options that make no sense. The caller frees *out. */
FW_CHECK fw_rc fw_forecaster_new(const struct fw_forecaster_options *options,
                                 struct fw_forecaster **out,
                                 struct fw_err *err);
void fw_forecaster_free(struct fw_forecaster *f); /* NULL is fine */

/*
 * Fits anew from the whole history (times rising; what is not finite is left
 * out). FW_NONE: too little to answer from yet; ask again with more. What was
 * fitted before is replaced only on FW_OK.
 */
FW_CHECK fw_rc fw_forecaster_fit(struct fw_forecaster *f, const fw_ms *t,
                                 const double *v, size_t n, fw_ms now,
                                 struct fw_err *err);

/* One sample more, in O(1); those not newer than the newest are ignored. */
void fw_forecaster_add(struct fw_forecaster *f, fw_ms t, double v);

/* A fit is due: never fitted, the fit is old, or its guesses miss. When it is
 * old differs a little from series to series, so that refits spread. */
bool fw_forecaster_due(const struct fw_forecaster *f, fw_ms now);

/* Time of the newest sample; INT64_MIN before the first fit. */
fw_ms fw_forecaster_newest(const struct fw_forecaster *f);

/*
 * P(beyond `limit` within the horizon after now) and when. `guide` (may be
 * NULL) becomes the static name of the guess nearest so far. FW_NONE: cannot
 * tell (never fitted, or the newest sample is too old).
 */
FW_CHECK fw_rc fw_forecaster_ask(struct fw_forecaster *f, fw_ms now,
                                 double limit, struct fw_passage *out,
                                 const char **guide, struct fw_err *err);

/* Memory it takes. */
size_t fw_forecaster_bytes(const struct fw_forecaster *f);

/* ---- The report
 * --------------------------------------------------------------- */

/* How often a watch was right: from its ledger. */
struct fw_record {
    uint64_t predictions; /* scored ones */
    uint64_t right, false_alarms, missed;
    double brier;      /* mean over scored predictions; NaN if none */
    fw_ms median_lead; /* of right alerts; -1 if none */
};

struct fw_json;

/* Writes it as one JSON object, the median lead in seconds under `lead_key`. */
void fw_record_json(struct fw_json *json, const struct fw_record *record,
                    const char *lead_key);

/* A question that the row answers besides, in plain words. */
struct fw_report_note {
    const char *question;
    struct fw_str answer; /* paragraphs end with '\n' */
};

struct fw_report_row {
    struct fw_str watch, expr, owner, reason;
    struct fw_breach breach;
    fw_ms horizon;
    double probability;  /* the watch fires at */
    struct fw_str state; /* "quiet", "firing", ... */
    struct fw_forecast_series series;
    struct fw_record record;
    const struct fw_report_note *notes;
    size_t note_count;
    fw_ms by_trend; /* fw_report_print() finds it: when a straight line meets
                       the limit; -1: none does */
};

enum fw_report_format {
    FW_REPORT_TEXT,
    FW_REPORT_JSON,
    FW_REPORT_HTML,
    FW_REPORT_CSV, /* a row a series */
    FW_REPORT_PDF  /* FW_EINVAL where it was built without cairo */
};

/*
 * Prints the report, most urgent first. HTML is one self-contained file.
 * `footer` ends it: a word of the caller's about where it comes from.
 */
FW_CHECK fw_rc fw_report_print(const struct fw_report_row *rows, size_t n,
                               fw_ms now, enum fw_report_format format,
                               bool color, int columns, struct fw_str footer,
                               struct fw_buf *out, struct fw_err *err);

/* ---- In PromQL --------------------------------------------------------- */

/*
 * Adds to query's table of functions, at start-up and once:
 *   forecast(v[14d], horizon)                     the point so far ahead
 *   forecast_quantile(q, v[14d], horizon)         a quantile of it
 *   breach_probability(v[14d], "> 90", horizon)   chance within the horizon
 *   time_to_breach(q, v[14d], "> 90", horizon)    seconds; +Inf: beyond it
 *   predict_robust(v[6h], seconds)                as predict_linear
 * Horizons are seconds. A series that cannot be told gives no point.
 */
FW_CHECK fw_rc fw_predict_register(struct fw_err *err);

/* forecast, breach: rows for the table of commands (report is the server's). */
extern const struct fw_command fw_predict_commands[];

#endif
