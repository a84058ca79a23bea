/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line.h - one line of text from a sender, whatever its protocol.
 *
 * A line is read in two steps. line_parse() finds where the raw text of the
 * series, the values and the time stand; it runs for every line and allocates
 * nothing. line_labels() turns the raw text into labels; it runs only for a
 * series that the sender has not named before. Both are functions of their
 * bytes alone.
 */
#ifndef SERVER_INGEST_LINE_H
#define SERVER_INGEST_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/ingest/number.h"
#include "storage/base/limits.h"
#include "storage/storage.h"

enum line_protocol { LINE_INFLUX, LINE_GRAPHITE, LINE_OPENTSDB };
#define LINE_PROTOCOLS 3

/* Why a line was not taken. Each has a counter and a sentence. */
enum line_fault {
    LINE_OK,
    LINE_BAD_FORM,     /* none of the protocols */
    LINE_BAD_NAME,     /* no name where one belongs */
    LINE_BAD_TAG,      /* a tag without its '=' */
    LINE_BAD_VALUE,    /* not a number */
    LINE_BAD_TIME,     /* not a timestamp */
    LINE_BAD_TEXT,     /* not UTF-8, or control characters */
    LINE_BAD_LABELS,   /* a label twice, or past a label limit */
    LINE_TOO_MANY,     /* past FW_MAX_LINE_VALUES */
    LINE_TOO_LONG,     /* past FW_MAX_LINE_BYTES */
    LINE_TOO_NEW,      /* further ahead than --max-future */
    LINE_NO_MEMORY,    /* ran out of it */
    LINE_BAD_COMMAND,  /* a #word with a wrong argument */
    LINE_CUT_OFF,      /* the stream ended inside it */
    LINE_SERIES_LIMIT, /* a good line, but --max-series struck */
    LINE_NOT_STORED,   /* a good line, but the store could not */
    LINE_FAULTS
};

/* "bad_value", for counters; and a few words for people. Static. */
const char *line_fault_name(enum line_fault fault);
const char *line_fault_text(enum line_fault fault);

struct line_value {
    struct fw_str part; /* the rest of the series' name: field or tags */
    double v;
};

/* A line taken apart; texts point into it. Zero-initialise once, reuse. */
struct line {
    enum line_protocol protocol;
    struct fw_str series;      /* raw text all its values share */
    struct line_value *values; /* owned */
    size_t n, cap;
    size_t skipped; /* strings, and the "no value" of a sender: nan */
    bool timed;     /* else the time of arrival is meant */
    fw_ms t;
};

void line_release(struct line *line);

/*
 * Takes apart one line without its end of line. Blanks around it are fine; an
 * empty one gives LINE_OK with n = 0. `unit` is that of Influx timestamps.
 */
enum line_fault line_parse(struct fw_str text, enum time_unit unit,
                           struct line *out);

/* The labels of one series, not yet canonical. */
struct line_labels {
    struct fw_label v[FW_MAX_LABELS + 1];
    size_t n;
};

/* The labels of value `i`; texts live in the line or in `arena`. */
enum line_fault line_labels(const struct line *line, size_t i,
                            struct fw_arena *arena, struct line_labels *out);

/* Looks like the first line of an HTTP request, or like a TLS greeting. */
bool line_is_foreign(struct fw_str text);

/* ---- for the protocols ---- */

enum line_fault line_add_value(struct line *line, struct fw_str part, double v);
enum line_fault line_add_label(struct line_labels *labels, struct fw_str name,
                               struct fw_str value);

/* UTF-8 without control characters. */
bool line_is_text(struct fw_str text);

/* Takes the next run of non-blank bytes off the front; empty at the end. */
struct fw_str line_word(struct fw_str *rest);

#endif
