/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line_text.h - what a line says, as one text that a test can compare:
 * `name{tag=value,...} 1.5 @time` or `now`, several joined by "; ", with
 * ` (2 skipped)` where values were, or the name of the fault.
 */
#ifndef TESTS_UNIT_SERVER_LINE_TEXT_H
#define TESTS_UNIT_SERVER_LINE_TEXT_H

#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "server/ingest/line.h"

static inline void line_text_value(struct fw_buf *out, const struct line *line,
                                   size_t i, const struct line_labels *labels)
{
    char number[FW_DOUBLE_TEXT_BYTES];

    (void)fw_format_double(number, line->values[i].v);
    assert_int_equal(fw_buf_printf(out, "%s%.*s{", i > 0 ? "; " : "",
                                   FW_STR_ARG(labels->v[0].value)),
                     FW_OK);
    for (size_t k = 1; k < labels->n; k++)
        assert_int_equal(fw_buf_printf(out, "%s%.*s=%.*s", k > 1 ? "," : "",
                                       FW_STR_ARG(labels->v[k].name),
                                       FW_STR_ARG(labels->v[k].value)),
                         FW_OK);
    assert_int_equal(fw_buf_printf(out, "} %s ", number), FW_OK);
    assert_int_equal(line->timed
                         ? fw_buf_printf(out, "@%lld", (long long)line->t)
                         : fw_buf_adds(out, "now"),
                     FW_OK);
}

static inline void line_text(struct fw_buf *out, const char *text,
                             enum time_unit unit)
{
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct line_labels labels;
    struct line line = {0};
    /* A block of exactly its size, so that a read past the end is seen. */
    size_t n = strlen(text);
    char *copy = malloc(n + 1);
    enum line_fault fault;

    assert_non_null(copy);
    memcpy(copy, text, n);
    fault = line_parse((struct fw_str){copy, n}, unit, &line);
    for (size_t i = 0; i < line.n && fault == LINE_OK; i++) {
        fault = line_labels(&line, i, arena, &labels);
        if (fault == LINE_OK)
            line_text_value(out, &line, i, &labels);
    }
    if (fault != LINE_OK) {
        fw_buf_clear(out);
        assert_int_equal(fw_buf_adds(out, line_fault_name(fault)), FW_OK);
    } else if (line.skipped > 0) {
        assert_int_equal(fw_buf_printf(out, " (%zu skipped)", line.skipped),
                         FW_OK);
    }
    free(copy);
    line_release(&line);
    fw_arena_free(arena);
}

static inline void assert_line_unit(const char *text, enum time_unit unit,
                                    const char *want)
{
    struct fw_buf got = FW_BUF_INIT(1 << 20);

    line_text(&got, text, unit);
    assert_string_equal(got.len > 0 ? got.data : "", want);
    fw_buf_release(&got);
}

static inline void assert_line(const char *text, const char *want)
{
    assert_line_unit(text, TIME_AUTO, want);
}

#endif
