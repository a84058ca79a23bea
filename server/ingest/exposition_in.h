/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exposition_in.h - Prometheus's text exposition format, line by line:
 *
 *     name{label="value",...} value [milliseconds]
 *     {"any name", label="value"} value
 *     # comment
 *
 * In two steps, as line.h: the first finds the pieces and runs for every line,
 * the second makes labels and runs for a series not met before.
 */
#ifndef SERVER_INGEST_EXPOSITION_IN_H
#define SERVER_INGEST_EXPOSITION_IN_H

#include <stdbool.h>

#include "server/ingest/line.h"

struct exposition {
    struct fw_str series; /* as sent; empty: a comment or an empty line */
    double v;
    bool timed;
    fw_ms t;
};

/* Takes one line apart, without its end of line. */
enum line_fault exposition_parse(struct fw_str text, struct exposition *out);

/* The labels of a series as sent; texts live in it or in `arena`. */
enum line_fault exposition_labels(struct fw_str series, struct fw_arena *arena,
                                  struct line_labels *out);

#endif
