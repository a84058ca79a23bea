/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values_encode.c - the decision tree: how to write a run of values.
 *
 * Every way is planned to the byte before it is written, and the smallest is
 * taken; nothing is written before it is known that decoding gives the same
 * bits back. The search is
 *
 *   all equal                          -> constant
 *   most are decimals of k digits      -> integers, ulps, exceptions
 *   at most a third are distinct       -> dictionary
 *   always                             -> order-preserving bits
 *   if nothing is smaller              -> raw
 *
 * With a hint from the block before, its way is tried first and kept when it
 * still fits.
 */
#include <assert.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/bits.h"
#include "storage/codec/values.h"
#include "storage/codec/values_decimals.h"
#include "storage/codec/values_dictionary.h"
#include "storage/codec/values_format.h"

#define RUN_BYTES_MAX (1 + VALUES_RUN * sizeof(double))
#define AGE_SAMPLES 64 /* age a hint by one, */
#define AGE_BLOCK 8    /* and more of them by this at most */
#define HINT_AGE_MAX 240
#define HASTY_AGE_MAX UINT8_MAX
#define BRIEF 256    /* fewer values teach a little only, */
#define ENOUGH 64    /* which so many put in doubt */
#define GOOD_BYTES 2 /* a value: no need to look for better */

size_t values_bound(size_t n)
{
    return n * sizeof(double) + (n + VALUES_RUN - 1) / VALUES_RUN + BITS_SLACK;
}

/* ---- the other ways ----------------------------------------------------- */

static bool all_equal(const double *v, size_t n)
{
    uint64_t first = fw_double_bits(v[0]);
    uint64_t any = 0;

    for (size_t i = 0; i < n && any == 0; i += CODEC_GROUP)
        for (size_t j = i; j < n && j < i + CODEC_GROUP; j++)
            any |= fw_double_bits(v[j]) ^ first;
    return any == 0;
}

/* Small integers and powers of two end in zero bytes: left out. */
static size_t constant_write(double v, uint8_t *out)
{
    uint8_t all[8];
    unsigned zeros = 0;

    fw_put_le64(all, fw_double_bits(v));
    while (zeros < 8 && all[zeros] == 0)
        zeros++;
    out[0] = (uint8_t)(VALUES_CONSTANT + 8 - zeros);
    memcpy(out + 1, all + zeros, 8 - zeros);
    return 1 + 8 - zeros;
}

static size_t raw_write(const double *v, size_t n, uint8_t *out)
{
    out[0] = VALUES_RAW;
    for (size_t i = 0; i < n; i++)
        fw_put_le64(out + 1 + 8 * i, fw_double_bits(v[i]));
    return 1 + 8 * n;
}

/* The run as integers that sort as its doubles do. */
struct ordered {
    size_t bytes;
    struct ints_plan plan;
    uint64_t x[VALUES_RUN];
};

static void ordered_plan(const double *v, size_t n,
                         const struct ints_manner *like, struct ordered *o)
{
    for (size_t i = 0; i < n; i++)
        o->x[i] = values_order(v[i]);
    if (like != NULL)
        ints_plan_like(o->x, n, *like, &o->plan);
    else
        ints_plan(o->x, n, &o->plan);
    o->bytes = 1 + o->plan.bytes;
}

static size_t ordered_write(const struct ordered *o, uint8_t *out)
{
    out[0] = VALUES_BITS;
    return 1 + ints_write(o->x, &o->plan, out + 1);
}

/* ---- with a hint -------------------------------------------------------- */

static void hint_set(struct values_hint *hint, unsigned kind, unsigned decimals,
                     const struct ints_plan *plan, size_t bytes, size_t n)
{
    struct ints_manner manner = ints_manner_of(plan);

    hint->kind = (uint8_t)kind;
    hint->decimals = (uint8_t)decimals;
    hint->order = manner.order;
    hint->zigzag = manner.zigzag;
    hint->fraction = manner.fraction;
    hint->brief = n < BRIEF;
    hint->bytes_per_k = (uint16_t)(bytes * 1024 / n);
}

/* How long a hint is followed before a search looks wiser. */
struct patience {
    uint8_t age;
    uint8_t part; /* of the size before may be added, as 1 / part, ... */
    uint8_t more; /* ... and so many bytes */
    bool doubts;  /* that what a few values taught is so of many */
};

static const struct patience careful = {HINT_AGE_MAX, 16, 8, true};
static const struct patience hasty = {HASTY_AGE_MAX, 2, 64, false};

static bool still_fits(const struct values_hint *hint,
                       const struct patience *patience, size_t bytes, size_t n)
{
    size_t before = (size_t)hint->bytes_per_k * n / 1024;

    return bytes <= before + before / patience->part + patience->more &&
           bytes < 1 + n * sizeof(double);
}

static bool is_doubtful(const struct values_hint *hint,
                        const struct patience *patience, size_t n)
{
    return patience->doubts && hint->brief && n >= ENOUGH;
}

static struct ints_manner hint_manner(const struct values_hint *hint,
                                      const struct patience *patience, size_t n)
{
    bool doubt = is_doubtful(hint, patience, n);

    return (struct ints_manner){.order = doubt ? INTS_ORDER_ANY : hint->order,
                                .zigzag = hint->zigzag,
                                .fraction = hint->fraction};
}

/* What a few values taught, many correct who were asked. */
static void hint_learns(struct values_hint *hint,
                        const struct patience *patience,
                        const struct ints_plan *plan, size_t bytes, size_t n)
{
    if (is_doubtful(hint, patience, n))
        hint_set(hint, hint->kind, hint->decimals, plan, bytes, n);
}

/* Writes the run in the manner of the last; 0 if that does not do well. */
static size_t decimals_like(const double *v, size_t n, struct values_hint *hint,
                            const struct patience *patience, uint8_t *out)
{
    struct values_decimals d;

    if (!values_decimals_like(v, n, hint->decimals,
                              hint_manner(hint, patience, n), &d) ||
        !still_fits(hint, patience, d.bytes, n))
        return 0;
    hint_learns(hint, patience, &d.plan, d.bytes, n);
    return values_decimals_write(&d, v, out);
}

static size_t ordered_like(const double *v, size_t n, struct values_hint *hint,
                           const struct patience *patience, uint8_t *out)
{
    struct ints_manner manner = hint_manner(hint, patience, n);
    struct ordered o;

    ordered_plan(v, n, &manner, &o);
    if (!still_fits(hint, patience, o.bytes, n))
        return 0;
    hint_learns(hint, patience, &o.plan, o.bytes, n);
    return ordered_write(&o, out);
}

/* What does not fit stays behind in `out`, to be written over. */
static size_t dictionary_like(const double *v, size_t n,
                              struct values_hint *hint,
                              const struct patience *patience, uint8_t *out)
{
    struct ints_manner manner = hint_manner(hint, patience, n);
    struct ints_plan plan;
    size_t bytes = values_dictionary_write(v, n, &manner, &plan, out);

    if (bytes == 0 || !still_fits(hint, patience, bytes, n))
        return 0;
    hint_learns(hint, patience, &plan, bytes, n);
    return bytes;
}

/* A long run ages a hint more than a short one, but no more than a block. */
static void hint_ages(struct values_hint *hint, size_t n)
{
    size_t by = n / AGE_SAMPLES < 1           ? 1
                : n / AGE_SAMPLES > AGE_BLOCK ? AGE_BLOCK
                                              : n / AGE_SAMPLES;

    hint->age =
        (uint8_t)(hint->age + by < UINT8_MAX ? hint->age + by : UINT8_MAX);
}

static size_t write_like(const double *v, size_t n, struct values_hint *hint,
                         const struct patience *patience, uint8_t *out)
{
    /* Digits are seen in a few values already; another kind may be chance. */
    if (hint->age >= patience->age ||
        (hint->kind != VALUES_DECIMAL && is_doubtful(hint, patience, n)))
        return 0;
    hint_ages(hint, n);
    switch (hint->kind) {
    case VALUES_DECIMAL:
        return decimals_like(v, n, hint, patience, out);
    case VALUES_BITS:
        return ordered_like(v, n, hint, patience, out);
    case VALUES_DICTIONARY:
        return dictionary_like(v, n, hint, patience, out);
    default:
        return 0;
    }
}

/* ---- the search --------------------------------------------------------- */

/* All ways but the dictionary; decimals or bits also fill the hint. */
static size_t write_plain(const double *v, size_t n, struct values_hint *hint,
                          size_t limit, uint8_t *out)
{
    struct values_decimals d;
    struct ordered o;
    size_t raw = 1 + n * sizeof(double);
    bool decimal = values_decimals_search(v, n, &d);

    if (limit <= GOOD_BYTES * n ||
        (decimal && d.exceptions == 0 && d.bytes <= GOOD_BYTES * n))
        o.bytes = SIZE_MAX; /* the bits of such values look random */
    else
        ordered_plan(v, n, NULL, &o);
    if (decimal && d.bytes <= o.bytes && d.bytes < raw) {
        if (d.bytes >= limit)
            return 0;
        hint_set(hint, VALUES_DECIMAL, d.k, &d.plan, d.bytes, n);
        return values_decimals_write(&d, v, out);
    }
    if (o.bytes < raw) {
        if (o.bytes >= limit)
            return 0;
        hint_set(hint, VALUES_BITS, 0, &o.plan, o.bytes, n);
        return ordered_write(&o, out);
    }
    hint->kind = VALUES_RAW;
    return raw < limit ? raw_write(v, n, out) : 0;
}

/*
 * A dictionary is written first, as it needs its entries written to know its
 * size; it stands only if nothing else is smaller.
 */
static size_t write_search(const double *v, size_t n, struct values_hint *hint,
                           uint8_t *out)
{
    struct ints_plan ranks;
    size_t dictionary = values_dictionary_write(v, n, NULL, &ranks, out);
    size_t limit = dictionary > 0 ? dictionary : SIZE_MAX;
    size_t plain;

    hint->age = 0;
    plain = write_plain(v, n, hint, limit, out);
    if (plain > 0)
        return plain;
    hint_set(hint, VALUES_DICTIONARY, 0, &ranks, dictionary, n);
    return dictionary;
}

size_t values_entries_write(const double *v, size_t n, uint8_t *out)
{
    struct values_hint unused = {0};

    if (all_equal(v, n))
        return constant_write(v[0], out);
    return write_plain(v, n, &unused, SIZE_MAX, out);
}

static size_t write_run(const double *v, size_t n, struct values_hint *hint,
                        const struct patience *patience, uint8_t *out)
{
    size_t bytes;

    if (all_equal(v, n))
        return constant_write(v[0], out);
    bytes = write_like(v, n, hint, patience, out);
    return bytes > 0 ? bytes : write_search(v, n, hint, out);
}

static size_t encode(const double *v, size_t n, struct values_hint *hint,
                     const struct patience *patience, uint8_t *out)
{
    struct values_hint none = {0};
    size_t bytes = 0;

    if (hint == NULL)
        hint = &none;
    for (size_t i = 0; i < n; i += VALUES_RUN) {
        size_t run = n - i < VALUES_RUN ? n - i : VALUES_RUN;
        bytes += write_run(v + i, run, hint, patience, out + bytes);
    }
    assert(bytes <= values_bound(n));
    return bytes;
}

size_t values_encode(const double *v, size_t n, struct values_hint *hint,
                     uint8_t *out)
{
    return encode(v, n, hint, &careful, out);
}

size_t values_encode_hastily(const double *v, size_t n,
                             struct values_hint *hint, uint8_t *out)
{
    return encode(v, n, hint, &hasty, out);
}

void values_hint_of(const uint8_t *in, size_t len, size_t n,
                    struct values_hint *hint)
{
    struct ints_reader reader;
    unsigned decimals;

    *hint = (struct values_hint){0};
    if (n == 0 || n > VALUES_RUN || len < 2 || len > n * sizeof(double) ||
        (in[0] != VALUES_BITS && in[0] < VALUES_DECIMAL) ||
        !ints_open(&reader, in + 1, in + len))
        return;
    decimals = in[0] == VALUES_BITS ? 0 : in[0] & VALUES_DECIMAL_DIGITS;
    if (decimals > CODEC_DECIMALS_MAX)
        return;
    hint->kind = in[0] == VALUES_BITS ? VALUES_BITS : VALUES_DECIMAL;
    hint->decimals = (uint8_t)decimals;
    hint->order = reader.line.order;
    hint->zigzag = reader.line.zigzag;
    hint->fraction =
        (reader.line.step & ((UINT64_C(1) << CODEC_GRID_SHIFT) - 1)) != 0;
    hint->brief = n < BRIEF;
    hint->bytes_per_k = (uint16_t)(len * 1024 / n);
}
