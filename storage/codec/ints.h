/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ints.h - a run of 64-bit integers: what values and times become.
 *
 * A common divisor is taken out, then a prediction (none, the last integer,
 * the last difference, or a straight line), then a centre; what remains is
 * packed by groups (bits.h). Arithmetic wraps, so any integers come back.
 */
#ifndef STORAGE_CODEC_INTS_H
#define STORAGE_CODEC_INTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/codec/kernels.h"

/* Longer runs are cut by the callers: parameters chosen for more integers
 * fit worse, and this bounds the encoder's memory on the stack. */
#define INTS_MAX 4096
#define INTS_GROUPS_MAX (INTS_MAX / CODEC_GROUP)
#define INTS_HEADER_BYTES_MAX 64
#define INTS_ORDER_ANY 0xFFu

/* How a run will be written; made by ints_plan or ints_plan_like. */
struct ints_plan {
    struct codec_line line; /* as it stands before the first group */
    uint64_t gcd;           /* 1: none */
    uint64_t base;
    bool one_tag; /* tags[0] holds for every group */
    size_t n;
    size_t bytes; /* what ints_write will write, exactly */
    uint8_t tags[INTS_GROUPS_MAX];
};

/* What a plan can learn from the one of the block before. */
struct ints_manner {
    uint8_t order; /* INTS_ORDER_ANY: see which is likeliest */
    bool zigzag;
    bool fraction; /* the grid's step is not whole */
};

/*
 * Plans x[0..n), 1 <= n <= INTS_MAX: ints_plan searches all manners,
 * ints_plan_like takes the given one, or of INTS_ORDER_ANY the one that the
 * middle of x suggests. Both divide x by its common divisor in
 * place; ints_write wants it as they left it.
 */
void ints_plan(uint64_t *x, size_t n, struct ints_plan *best);
void ints_plan_like(uint64_t *x, size_t n, struct ints_manner manner,
                    struct ints_plan *plan);
/* Plans without prediction or divisor, and leaves x as it is. */
void ints_plan_plain(const uint64_t *x, size_t n, struct ints_plan *plan);

struct ints_manner ints_manner_of(const struct ints_plan *plan);

/* Writes plan->bytes and may overwrite BITS_SLACK bytes behind them. */
size_t ints_write(const uint64_t *x, const struct ints_plan *plan,
                  uint8_t *out);

/* A run being read, group by group. */
struct ints_reader {
    const uint8_t *in; /* behind what was read */
    const uint8_t *end;
    struct codec_line line;
    uint64_t gcd;
    uint64_t base;
    bool one_tag;
    uint8_t tag;
};

/* Reads the header of the run at [in, end); false: the bytes hold none. */
bool ints_open(struct ints_reader *reader, const uint8_t *in,
               const uint8_t *end);

/*
 * Reads the next group, n integers, into x, which has CODEC_ROOM; every group
 * but a run's last has CODEC_GROUP. False: the bytes do not hold it.
 */
bool ints_next(struct ints_reader *reader, size_t n, uint64_t *x);

/* The same, as the doubles x / 10^k. */
bool ints_next_decimals(struct ints_reader *reader, size_t n, unsigned k,
                        double *out);

#endif
