/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * intake_target.h - two intakes of one store, one of which takes each line by
 * line_parse(): both must make the same of it.
 */
#ifndef TESTS_FUZZ_INTAKE_TARGET_H
#define TESTS_FUZZ_INTAKE_TARGET_H

#include <stdlib.h>
#include <string.h>

#include "server/ingest/intake.h"
#include "storage/base/bytes.h"

#define INTAKE_NOW INT64_C(1700000000000)
#define INTAKE_LATEST (INTAKE_NOW + FW_MAX_FUTURE_MS)

struct intake_pair {
    struct intake quick, slow;
    size_t lines_quick; /* that did not need line_parse() */
};

static inline void intake_pair_init(struct intake_pair *pair,
                                    struct fw_store *store)
{
    *pair = (struct intake_pair){0};
    FW_ASSERT(intake_init(&pair->quick, store) == FW_OK);
    FW_ASSERT(intake_init(&pair->slow, store) == FW_OK);
    pair->slow.slow = true;
}

static inline void intake_pair_release(struct intake_pair *pair)
{
    intake_release(&pair->quick);
    intake_release(&pair->slow);
}

static inline void intake_pair_compare(const struct fw_batch *a,
                                       const struct fw_batch *b)
{
    FW_ASSERT(a->n == b->n);
    for (size_t i = 0; i < a->n; i++) {
        FW_ASSERT(a->series[i] == b->series[i]);
        FW_ASSERT(a->t[i] == b->t[i]);
        FW_ASSERT(fw_double_bits(a->v[i]) == fw_double_bits(b->v[i]));
    }
}

/* The line lies in a block of its size, so that a read past it is seen. */
static inline void intake_pair_take(struct intake_pair *pair, const char *line,
                                    size_t n)
{
    struct intake *a = &pair->quick;
    struct intake *b = &pair->slow;
    char *copy = malloc(n > 0 ? n : 1);
    struct fw_str text = {copy, n};
    enum line_fault fault;

    FW_ASSERT(copy != NULL);
    memcpy(copy, line, n);
    a->line.n = 0;
    fault = intake_line(b, text, INTAKE_NOW, INTAKE_LATEST);
    FW_ASSERT(intake_line(a, text, INTAKE_NOW, INTAKE_LATEST) == fault);
    FW_ASSERT(a->skipped == b->skipped && a->taken == b->taken);
    FW_ASSERT(a->taken == 0 || a->protocol == b->protocol);
    intake_pair_compare(&a->batch, &b->batch);
    if (fault == LINE_OK && a->taken > 0 && a->line.n == 0)
        pair->lines_quick++;
    a->batch.n = b->batch.n = 0;
    free(copy);
}

#endif
