/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line_target.h - what holds for a line of any protocol, once taken apart.
 */
#ifndef TESTS_FUZZ_LINE_TARGET_H
#define TESTS_FUZZ_LINE_TARGET_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "server/ingest/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void line_target_inside(struct fw_str part, struct fw_str text)
{
    if (part.n > 0)
        FW_ASSERT(part.p >= text.p && part.p + part.n <= text.p + text.n);
}

/* Texts lie inside the line, values are numbers, labels can be made or not. */
static inline void line_target_check(struct fw_str text, struct line *line,
                                     enum line_fault fault)
{
    struct fw_arena *arena = fw_arena_new(16 << 20);
    struct line_labels labels;

    FW_ASSERT(arena != NULL);
    if (fault == LINE_OK) {
        line_target_inside(line->series, text);
        for (size_t i = 0; i < line->n; i++) {
            line_target_inside(line->values[i].part, text);
            FW_ASSERT(!isnan(line->values[i].v));
            labels.n = 0;
            if (line_labels(line, i, arena, &labels) == LINE_OK)
                FW_ASSERT(labels.n > 0 && labels.v[0].value.n > 0);
        }
    }
    fw_arena_free(arena);
}

#endif
