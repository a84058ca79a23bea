/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels.h - the inner loops of the codec, once per kind of processor.
 *
 * kernels_scalar.c is the reference; the AVX2 and AVX-512 versions give the
 * same values out of the decoder and the same bytes out of the encoder, and
 * are tested against it on the same inputs. Which one runs is decided once,
 * by what the processor says it can do.
 *
 * All of them work on a group: at most CODEC_GROUP integers in a buffer of
 * CODEC_ROOM, so that a kernel may write whole vectors. Readers of packed
 * bits may read up to CODEC_PAD bytes past the packed bytes; the caller (see
 * bits.c) makes sure that they exist. Integer arithmetic wraps: hostile
 * bytes give wrong integers, never undefined behaviour.
 */
#ifndef STORAGE_CODEC_KERNELS_H
#define STORAGE_CODEC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CODEC_GROUP 128 /* integers that share one way of being packed */
#define CODEC_ROOM 144  /* a group's buffer: whole vectors may be written */
#define CODEC_ALIGNED _Alignas(64) /* a vector then never spans two lines */
#define CODEC_PAD 64 /* bytes a kernel may read past packed bits */
#define CODEC_DECIMALS_MAX 17
#define CODEC_ULPS_MAX 31   /* how far a value may lie from its decimal */
#define CODEC_UNARY_MAX 191 /* the largest quotient of a Rice group */
#define CODEC_GRID_SHIFT 16 /* fraction bits of a grid's step */
#define CODEC_ORDER_GRID 3  /* residuals from a straight line */

/*
 * How integers x become residuals u and back, carried from group to group:
 * order 0: r = x;  1: r = x - x';  2: r = (x - x') - (x' - x'');
 * grid: r = x - last - (position >> 16).  u = r - centre, or its zigzag.
 */
struct codec_line {
    uint8_t order;
    bool zigzag;
    uint64_t centre;
    uint64_t last;     /* the x before this group; of a grid, its origin */
    uint64_t delta;    /* order 2: the difference that led to `last` */
    uint64_t step;     /* grid: with CODEC_GRID_SHIFT fraction bits */
    uint64_t position; /* grid: index times step, wrapping */
};

/* What the encoder wants to know about a group before it packs it. */
struct codec_lengths {
    uint8_t count[65]; /* how many integers have this many bits */
    uint64_t max;
    uint64_t sum; /* means nothing when max has more than 56 bits */
};

/*
 * The widths at which residuals are narrow: with those of Rice groups eight
 * bits longer, 128 of them and the line's own add up to less than 2^31.
 */
#define CODEC_NARROW_PLAIN 20
#define CODEC_NARROW_RICE 12

static inline bool narrow_line(const struct codec_line *line)
{
    return line->order <= 1 &&
           line->centre + (UINT64_C(1) << 20) < UINT64_C(1) << 21 &&
           line->last + (UINT64_C(1) << 30) < UINT64_C(1) << 31;
}

/* What the values of a block add up to. */
struct codec_totals {
    double sum, rest; /* what its additions lost */
    double increase;  /* of the rises from value to value */
    double min, max;
};

struct codec_kernels {
    const char *name;

    /* -- decoding -- */

    /* n integers of `width` bits, least significant first. */
    void (*unpack)(const uint8_t *in, unsigned width, size_t n, uint64_t *out);

    /*
     * A Rice group: low parts of k bits at `low`, quotients in unary at
     * `unary`, which ends before `end` and is never read past it. Returns the
     * byte behind the last quotient, NULL if there are not n of them.
     */
    const uint8_t *(*unrice)(const uint8_t *low, unsigned k,
                             const uint8_t *unary, const uint8_t *end, size_t n,
                             uint64_t *out);

    /* Where the bitmap has a one, the next of `packed` plus one; else 0. */
    void (*expand)(const uint8_t bitmap[CODEC_GROUP / 8],
                   const uint64_t *packed, size_t n, uint64_t *out);

    /*
     * All of it at once, for groups of small integers, which are the most:
     * residuals of `width` bits, or those of a Rice group where `unary` is not
     * NULL, become what restore() and then divide() would make of them. NULL
     * if they are not that small (narrow_line(), which some can do without), or
     * no such group; then nothing has happened. The kernel itself is NULL where
     * it would not be quicker.
     */
    const uint8_t *(*narrow)(const uint8_t *low, unsigned width,
                             const uint8_t *unary, const uint8_t *end, size_t n,
                             struct codec_line *line, unsigned k, double *out);

    /* Residuals to integers in place; `line` moves on behind the group. */
    void (*restore)(struct codec_line *line, uint64_t *x, size_t n);

    /* x = base + gcd * x */
    void (*scale)(uint64_t *x, size_t n, uint64_t gcd, uint64_t base);

    /* out = (double)q / 10^k, rounded as IEEE division rounds. */
    void (*divide)(const uint64_t *q, size_t n, unsigned k, double *out);

    /* The bits of out[i] plus the signed ulps[i]. */
    void (*nudge)(const uint64_t *ulps, size_t n, double *out);

    /* Order-preserving integers to the doubles whose bits they stand for. */
    void (*unorder)(const uint64_t *x, size_t n, double *out);

    /* out[i] = entries[ranks[i]]; false if a rank is not below count. */
    bool (*lookup)(const double *entries, size_t count, const uint64_t *ranks,
                   size_t n, double *out);

    /* -- encoding -- */

    /*
     * Tries v[i] = q[i] / 10^k give or take CODEC_ULPS_MAX ulps. Sets ulps[i]
     * to the signed distance, and the i-th bit of `failed` (and q, ulps to 0)
     * where it does not hold. Returns how many failed; *any_ulps is or-ed
     * with all distances. n is at most CODEC_GROUP.
     */
    size_t (*decimal)(const double *v, size_t n, unsigned k, uint64_t *q,
                      uint64_t *ulps, uint64_t *any_ulps,
                      uint64_t failed[CODEC_GROUP / 64]);

    /* Integers to residuals; `line` moves on behind the group. */
    void (*residual)(struct codec_line *line, const uint64_t *x, size_t n,
                     uint64_t *u);

    /* Lowers *min to the least of r, signed, and adds all to *sum. */
    void (*extent)(const uint64_t *r, size_t n, uint64_t *min, uint64_t *sum);

    void (*lengths)(const uint64_t *u, size_t n, struct codec_lengths *out);

    /* The sum of u[i] >> k. */
    uint64_t (*quotients)(const uint64_t *u, size_t n, unsigned k);

    /* The inverse of unpack; may write up to 8 bytes past the packed ones. */
    void (*pack)(const uint64_t *u, size_t n, unsigned width, uint8_t *out);

    /* -- summaries -- */

    /*
     * What some blocks of n values each add up to; n is not 0. Means something
     * only where `sum` and `rest` are finite; of zeros of two signs the first
     * is an extreme.
     */
    void (*totals)(const double *const *v, size_t blocks, size_t n,
                   struct codec_totals *out);
};

extern const double codec_power10[CODEC_DECIMALS_MAX + 1];

/* The kernels in use: the best this processor has, unless told otherwise. */
const struct codec_kernels *codec_kernels(void);

/*
 * Each kind, NULL where this build or this processor lacks it. The index runs
 * from 0 (scalar) to below CODEC_KERNELS. codec_kernels_use() sets the ones in
 * use, for tests and benchmarks; it must not race with coding.
 */
#define CODEC_KERNELS 4
const struct codec_kernels *codec_kernels_at(unsigned index);
void codec_kernels_use(const struct codec_kernels *kernels);

/* One per file; asked by kernels.c only. */
const struct codec_kernels *kernels_scalar(void);
const struct codec_kernels *kernels_sse2(void);
const struct codec_kernels *kernels_avx2(void);
const struct codec_kernels *kernels_avx512(void);

#endif
