/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels_avx512.c - kernels for processors with AVX-512 VBMI2 (Ice Lake,
 * Zen 4 and later). kernels_scalar.c says what each must do.
 *
 * Eight integers at a time. Tails are done with masks, so that nothing is
 * read or written beyond what the scalar kernels touch, but for the whole
 * vectors that kernels.h allows in a group's buffer.
 */
#include "storage/codec/kernels.h"

#ifdef __AVX512VBMI2__

#include <immintrin.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels_plain.h"

#define LANES 8

/* The lanes that item i of n begins. */
static __mmask8 lanes_of(size_t n, size_t i)
{
    return (__mmask8)(n - i >= LANES ? 0xFFu : (1u << (n - i)) - 1);
}

static __m512i all_of(uint64_t v)
{
    return _mm512_set1_epi64((long long)v);
}

static __m512i count_up(void)
{
    return _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
}

/* ---- decoding ----------------------------------------------------------- */

/*
 * Eight integers of w bits are w bytes. One byte permutation brings to each
 * lane the eight bytes in which its integer begins; a shift and a mask leave
 * it alone. Holds for w + 7 <= 64.
 */
struct unpacker {
    __m512i bytes;
    __m512i shift;
    __m512i mask;
};

static struct unpacker unpacker_of(unsigned width)
{
    __m512i bit = _mm512_mullo_epi64(count_up(), all_of(width));
    __m512i byte = _mm512_srli_epi64(bit, 3);
    struct unpacker u;

    /* the byte number, in all eight bytes of its lane, plus 0 to 7 */
    byte = _mm512_shuffle_epi8(byte,
                               _mm512_set4_epi32(0x08080808, 0x08080808, 0, 0));
    u.bytes = _mm512_add_epi8(byte, all_of(UINT64_C(0x0706050403020100)));
    u.shift = _mm512_and_epi64(bit, all_of(7));
    u.mask = all_of((UINT64_C(1) << width) - 1);
    return u;
}

static inline __m512i unpack8(const struct unpacker *u, const uint8_t *in)
{
    __m512i v = _mm512_permutexvar_epi8(u->bytes, _mm512_loadu_si512(in));

    return _mm512_and_epi64(_mm512_srlv_epi64(v, u->shift), u->mask);
}

static void avx512_unpack(const uint8_t *in, unsigned width, size_t n,
                          uint64_t *out)
{
    if (width > 57) {
        kernels_scalar()->unpack(in, width, n, out);
        return;
    }
    const struct unpacker u = unpacker_of(width);
    for (size_t i = 0; i < n; i += LANES, in += width)
        _mm512_storeu_si512(out + i, unpack8(&u, in));
}

/* The next bytes of [p, end), at most 8, as a little-endian word. */
static inline uint64_t load_some(const uint8_t *p, const uint8_t *end)
{
    uint64_t word = 0;

    if (end - p >= 8)
        memcpy(&word, p, 8);
    else
        memcpy(&word, p, (size_t)(end - p));
    return word;
}

/*
 * Compressing the numbers 0..63 by a word of the unary plane leaves the places
 * of its ones; a quotient is the distance between neighbours. A byte holds
 * it: CODEC_UNARY_MAX plus a word stays below 256.
 */
static const uint8_t *unary_read(const uint8_t *p, const uint8_t *end, size_t n,
                                 uint8_t quotients[CODEC_GROUP + 64])
{
    const __m512i places = _mm512_set_epi64(
        0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928,
        0x2726252423222120, 0x1f1e1d1c1b1a1918, 0x1716151413121110,
        0x0f0e0d0c0b0a0908, 0x0706050403020100);
    const __m512i before = _mm512_sub_epi8(places, _mm512_set1_epi8(1));
    const __m512i one = _mm512_set1_epi8(1);
    size_t done = 0;
    int previous = -1;

    while (p < end) {
        uint64_t word = load_some(p, end);
        if (word == 0) {
            previous -= 64;
            if (previous < -(CODEC_UNARY_MAX + 2))
                return NULL;
            p += 8;
            continue;
        }
        if ((int)_tzcnt_u64(word) - previous - 1 > CODEC_UNARY_MAX)
            return NULL;
        __m512i at = _mm512_maskz_compress_epi8(word, places);
        __m512i behind = _mm512_permutexvar_epi8(before, at);
        behind = _mm512_mask_set1_epi8(behind, 1, (char)previous);
        _mm512_storeu_si512(quotients + done,
                            _mm512_sub_epi8(_mm512_sub_epi8(at, behind), one));
        size_t ones = (size_t)_mm_popcnt_u64(word);
        if (done + ones >= n) {
            uint64_t last = _pdep_u64(UINT64_C(1) << (n - done - 1), word);
            return p + _tzcnt_u64(last) / 8 + 1;
        }
        done += ones;
        previous = -1 - (int)_lzcnt_u64(word);
        p += 8;
    }
    return NULL;
}

static const uint8_t *avx512_unrice(const uint8_t *low, unsigned k,
                                    const uint8_t *unary, const uint8_t *end,
                                    size_t n, uint64_t *out)
{
    CODEC_ALIGNED uint8_t quotients[CODEC_GROUP + 64];
    const struct unpacker u = unpacker_of(k);
    const __m128i shift = _mm_cvtsi32_si128((int)k);
    const uint8_t *after = unary_read(unary, end, n, quotients);

    if (after == NULL)
        return NULL;
    for (size_t i = 0; i < n; i += LANES, low += k) {
        __m512i high = _mm512_cvtepu8_epi64(
            _mm_loadl_epi64((const __m128i *)(const void *)(quotients + i)));
        high = _mm512_sll_epi64(high, shift);
        _mm512_storeu_si512(out + i, _mm512_or_epi64(unpack8(&u, low), high));
    }
    return after;
}

static void avx512_expand(const uint8_t bitmap[CODEC_GROUP / 8],
                          const uint64_t *packed, size_t n, uint64_t *out)
{
    for (size_t i = 0; i < n; i += LANES) {
        __mmask8 present = bitmap[i / 8];
        __m512i v = _mm512_maskz_expandloadu_epi64(present, packed);
        _mm512_storeu_si512(out + i,
                            _mm512_mask_add_epi64(v, present, v, all_of(1)));
        packed += _mm_popcnt_u32(present);
    }
}

static inline __m512i unmap8(__m512i u, __m512i centre, bool zigzag)
{
    if (zigzag) {
        __m512i sign = _mm512_sub_epi64(_mm512_setzero_si512(),
                                        _mm512_and_epi64(u, all_of(1)));
        u = _mm512_xor_epi64(_mm512_srli_epi64(u, 1), sign);
    }
    return _mm512_add_epi64(u, centre);
}

/* x[0], x[0] + x[1], ... */
static inline __m512i running_sum(__m512i x)
{
    const __m512i zero = _mm512_setzero_si512();

    x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 7));
    x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 6));
    return _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 4));
}

static inline __m512i top_lane(__m512i x)
{
    return _mm512_permutexvar_epi64(all_of(7), x);
}

static inline uint64_t lane_at(__m512i x, size_t lane)
{
    return (uint64_t)_mm_cvtsi128_si64(
        _mm512_castsi512_si128(_mm512_permutexvar_epi64(all_of(lane), x)));
}

/* The compiler's own reduction adds signed integers, which may not wrap. */
static inline uint64_t sum_of_lanes(__m512i x)
{
    return lane_at(running_sum(x), LANES - 1);
}

static inline void restore0(const struct codec_line *line, bool zigzag,
                            uint64_t *x, size_t n)
{
    const __m512i centre = all_of(line->centre);

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_loadu_si512(x + i);
        _mm512_storeu_si512(x + i, unmap8(v, centre, zigzag));
    }
}

/* The carry is one addition a vector: the sums within it do not wait. */
static inline void restore1(struct codec_line *line, bool zigzag, uint64_t *x,
                            size_t n)
{
    const __m512i centre = all_of(line->centre);
    __m512i last = all_of(line->last);
    __m512i sum = last;

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = unmap8(_mm512_loadu_si512(x + i), centre, zigzag);
        __m512i within = running_sum(v);
        sum = _mm512_add_epi64(within, last);
        _mm512_storeu_si512(x + i, sum);
        last = _mm512_add_epi64(last, top_lane(within));
    }
    line->last = lane_at(sum, (n - 1) % LANES);
}

static inline void restore2(struct codec_line *line, bool zigzag, uint64_t *x,
                            size_t n)
{
    const __m512i centre = all_of(line->centre);
    __m512i last = all_of(line->last);
    __m512i delta = all_of(line->delta);
    __m512i sum = last;
    __m512i deltas = delta;

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = unmap8(_mm512_loadu_si512(x + i), centre, zigzag);
        __m512i within = running_sum(v);
        deltas = _mm512_add_epi64(within, delta);
        delta = _mm512_add_epi64(delta, top_lane(within));
        within = running_sum(deltas);
        sum = _mm512_add_epi64(within, last);
        _mm512_storeu_si512(x + i, sum);
        last = _mm512_add_epi64(last, top_lane(within));
    }
    line->last = lane_at(sum, (n - 1) % LANES);
    line->delta = lane_at(deltas, (n - 1) % LANES);
}

static inline __m512i grid_positions(const struct codec_line *line)
{
    return _mm512_add_epi64(all_of(line->position),
                            _mm512_mullo_epi64(count_up(), all_of(line->step)));
}

static inline void restore_grid(struct codec_line *line, bool zigzag,
                                uint64_t *x, size_t n)
{
    const __m512i centre = all_of(line->centre + line->last);
    const __m512i step = all_of(line->step * LANES);
    __m512i position = grid_positions(line);

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = unmap8(_mm512_loadu_si512(x + i), centre, zigzag);
        __m512i at = _mm512_srai_epi64(position, CODEC_GRID_SHIFT);
        _mm512_storeu_si512(x + i, _mm512_add_epi64(v, at));
        position = _mm512_add_epi64(position, step);
    }
    line->position += n * line->step;
}

static inline void restore_any(struct codec_line *line, bool zigzag,
                               uint64_t *x, size_t n)
{
    switch (line->order) {
    case 1:
        restore1(line, zigzag, x, n);
        break;
    case 2:
        restore2(line, zigzag, x, n);
        break;
    case CODEC_ORDER_GRID:
        restore_grid(line, zigzag, x, n);
        break;
    default:
        restore0(line, zigzag, x, n);
        break;
    }
}

static void avx512_restore(struct codec_line *line, uint64_t *x, size_t n)
{
    if (line->zigzag)
        restore_any(line, true, x, n);
    else
        restore_any(line, false, x, n);
}

static void avx512_scale(uint64_t *x, size_t n, uint64_t gcd, uint64_t base)
{
    const __m512i factor = all_of(gcd);
    const __m512i offset = all_of(base);

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_loadu_si512(x + i);
        v = _mm512_mullo_epi64(v, factor);
        _mm512_storeu_si512(x + i, _mm512_add_epi64(v, offset));
    }
}

/*
 * a / 10^k, correctly rounded, without a division. y = a * R is within 1.5
 * ulp, with R the rounded reciprocal. a - y * 10^k then is exact: it is a
 * multiple of ulp(y) * 2^k and at most 1.5 * ulp(y) * 10^k, which takes
 * log2(1.5 * 5^k) bits, 53 at most up to k = 22. So y + rest * R misses a /
 * 10^k by 1.5 ulp * 2^-53 before it is rounded, and no quotient of a 53-bit
 * integer lies that close to the middle of two doubles: it would be a multiple
 * of ulp / 2 * 5^-k away, and cannot be there itself, for 10^k times an odd
 * 54-bit number has more than 53 bits. [cf. Markstein, IBM J. R&D 34(1), 1990]
 */
static inline __m512d quotient8(__m512d a, __m512d power, __m512d reciprocal)
{
    __m512d y = _mm512_mul_pd(a, reciprocal);
    __m512d rest = _mm512_fnmadd_pd(y, power, a);

    return _mm512_fmadd_pd(rest, reciprocal, y);
}

static inline __m512d divide8(__m512i q, __m512d power, __m512d reciprocal)
{
    return quotient8(_mm512_cvtepi64_pd(q), power, reciprocal);
}

static void avx512_divide(const uint64_t *q, size_t n, unsigned k, double *out)
{
    const __m512d power = _mm512_set1_pd(codec_power10[k]);
    const __m512d reciprocal = _mm512_set1_pd(1 / codec_power10[k]);

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_loadu_si512(q + i);
        __m512d d =
            k == 0 ? _mm512_cvtepi64_pd(v) : divide8(v, power, reciprocal);
        _mm512_mask_storeu_pd(out + i, lanes_of(n, i), d);
    }
}

/* ---- narrow groups ------------------------------------------------------
 *
 * Sixteen integers of 32 bits at a time, from packed bits to doubles without
 * a stop in memory.
 */

#define NARROW_LANES 16

/* As struct unpacker, four bytes to a lane: holds for w + 7 <= 32. */
static struct unpacker narrow_unpacker_of(unsigned width)
{
    const __m512i number =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i bit = _mm512_mullo_epi32(number, _mm512_set1_epi32((int)width));
    __m512i byte = _mm512_srli_epi32(bit, 3);
    struct unpacker u;

    byte = _mm512_shuffle_epi8(
        byte, _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0));
    u.bytes = _mm512_add_epi8(byte, _mm512_set1_epi32(0x03020100));
    u.shift = _mm512_and_epi32(bit, _mm512_set1_epi32(7));
    u.mask = _mm512_set1_epi32((1 << width) - 1);
    return u;
}

static inline __m512i unpack16(const struct unpacker *u, const uint8_t *in)
{
    __m512i v = _mm512_permutexvar_epi8(u->bytes, _mm512_loadu_si512(in));

    return _mm512_and_epi32(_mm512_srlv_epi32(v, u->shift), u->mask);
}

static inline __m512i narrow_sum(__m512i x)
{
    const __m512i zero = _mm512_setzero_si512();

    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
    return _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
}

struct narrow_divisor {
    unsigned k;
    __m512d power, reciprocal;
};

static inline __m512d narrow_double(__m256i q, const struct narrow_divisor *d)
{
    __m512d a = _mm512_cvtepi32_pd(q);

    return d->k == 0 ? a : quotient8(a, d->power, d->reciprocal);
}

/* Items i to i + 15 of n; whole vectors need no mask, which would be slow. */
static inline void put16(__m512i x, const struct narrow_divisor *d, size_t n,
                         size_t i, double *out)
{
    __m512d low = narrow_double(_mm512_castsi512_si256(x), d);
    __m512d high = narrow_double(_mm512_extracti64x4_epi64(x, 1), d);

    if (n - i >= NARROW_LANES) {
        _mm512_storeu_pd(out + i, low);
        _mm512_storeu_pd(out + i + LANES, high);
        return;
    }
    _mm512_mask_storeu_pd(out + i, lanes_of(n, i), low);
    if (n - i > LANES)
        _mm512_mask_storeu_pd(out + i + LANES, lanes_of(n, i + LANES), high);
}

struct narrow {
    struct unpacker unpacker;
    unsigned width;
    const uint8_t *quotients; /* of a Rice group */
    struct narrow_divisor divisor;
};

static inline __m512i narrow_residuals(const struct narrow *g, bool rice,
                                       bool zigzag, const uint8_t *low,
                                       size_t i, __m512i centre)
{
    const __m128i width = _mm_cvtsi32_si128((int)g->width);
    __m512i u = unpack16(&g->unpacker, low);

    if (rice) {
        __m512i high = _mm512_cvtepu8_epi32(
            _mm_loadu_si128((const __m128i *)(const void *)(g->quotients + i)));
        u = _mm512_or_epi32(u, _mm512_sll_epi32(high, width));
    }
    if (zigzag) {
        __m512i sign = _mm512_sub_epi32(
            _mm512_setzero_si512(), _mm512_and_epi32(u, _mm512_set1_epi32(1)));
        u = _mm512_xor_epi32(_mm512_srli_epi32(u, 1), sign);
    }
    return _mm512_add_epi32(u, centre);
}

static inline void narrow_group(const struct narrow *g, bool rice, bool zigzag,
                                bool sums, struct codec_line *line,
                                const uint8_t *low, size_t n, double *out)
{
    const __m512i centre = _mm512_set1_epi32((int)(int64_t)line->centre);
    const __m512i top = _mm512_set1_epi32(NARROW_LANES - 1);
    __m512i last = _mm512_set1_epi32((int)(int64_t)line->last);
    __m512i x = last;

    for (size_t i = 0; i < n; i += NARROW_LANES) {
        x = narrow_residuals(g, rice, zigzag, low, i, centre);
        if (sums) {
            __m512i within = narrow_sum(x);
            x = _mm512_add_epi32(within, last);
            last =
                _mm512_add_epi32(last, _mm512_permutexvar_epi32(top, within));
        }
        put16(x, &g->divisor, n, i, out);
        low += 2 * (size_t)g->width;
    }
    if (sums) {
        __m512i at = _mm512_set1_epi32((int)((n - 1) % NARROW_LANES));
        line->last = (uint64_t)(int64_t)_mm_cvtsi128_si32(
            _mm512_castsi512_si128(_mm512_permutexvar_epi32(at, x)));
    }
}

static inline void narrow_any(const struct narrow *g, bool rice,
                              struct codec_line *line, const uint8_t *low,
                              size_t n, double *out)
{
    bool sums = line->order == 1;

    if (line->zigzag && sums)
        narrow_group(g, rice, true, true, line, low, n, out);
    else if (line->zigzag)
        narrow_group(g, rice, true, false, line, low, n, out);
    else if (sums)
        narrow_group(g, rice, false, true, line, low, n, out);
    else
        narrow_group(g, rice, false, false, line, low, n, out);
}

static const uint8_t *avx512_narrow(const uint8_t *low, unsigned width,
                                    const uint8_t *unary, const uint8_t *end,
                                    size_t n, struct codec_line *line,
                                    unsigned k, double *out)
{
    CODEC_ALIGNED uint8_t quotients[CODEC_GROUP + 64];
    struct narrow g = {narrow_unpacker_of(width),
                       width,
                       quotients,
                       {k, _mm512_set1_pd(codec_power10[k]),
                        _mm512_set1_pd(1 / codec_power10[k])}};

    if (!narrow_line(line))
        return NULL;
    if (unary == NULL) {
        narrow_any(&g, false, line, low, n, out);
        return end;
    }
    end = unary_read(unary, end, n, quotients);
    if (end != NULL)
        narrow_any(&g, true, line, low, n, out);
    return end;
}

static void avx512_nudge(const uint64_t *ulps, size_t n, double *out)
{
    for (size_t i = 0; i < n; i += LANES) {
        __mmask8 lanes = lanes_of(n, i);
        __m512i v = _mm512_maskz_loadu_epi64(lanes, out + i);
        v = _mm512_add_epi64(v, _mm512_loadu_si512(ulps + i));
        _mm512_mask_storeu_epi64(out + i, lanes, v);
    }
}

static void avx512_unorder(const uint64_t *x, size_t n, double *out)
{
    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_loadu_si512(x + i);
        __m512i sign = _mm512_srli_epi64(_mm512_srai_epi64(v, 63), 1);
        _mm512_mask_storeu_epi64(out + i, lanes_of(n, i),
                                 _mm512_xor_epi64(v, sign));
    }
}

/* Up to 16 entries live in two registers; for more, gathering is no faster
 * than plain loads. */
static bool avx512_lookup(const double *entries, size_t count,
                          const uint64_t *ranks, size_t n, double *out)
{
    const __m512i limit = all_of(count);
    const size_t second = count > LANES ? LANES : 0;

    if (count > 2 * LANES)
        return plain_lookup(entries, count, ranks, n, out);
    const __m512d low = _mm512_maskz_loadu_pd(lanes_of(count, 0), entries);
    const __m512d high =
        _mm512_maskz_loadu_pd(lanes_of(count, second), entries + second);
    for (size_t i = 0; i < n; i += LANES) {
        __mmask8 lanes = lanes_of(n, i);
        __m512i rank = _mm512_loadu_si512(ranks + i);
        if (_mm512_mask_cmpge_epu64_mask(lanes, rank, limit) != 0)
            return false;
        _mm512_mask_storeu_pd(out + i, lanes,
                              _mm512_permutex2var_pd(low, rank, high));
    }
    return true;
}

/* ---- encoding ----------------------------------------------------------- */

struct decimal_vectors {
    __m512i q;
    __m512i off;
    __mmask8 good;
};

static inline struct decimal_vectors decimal8(__m512d v, unsigned k,
                                              __m512d power, __m512d reciprocal)
{
    struct decimal_vectors r;
    __m512d y = _mm512_mul_pd(v, power);
    __m512d size = _mm512_abs_pd(y);

    r.good = _mm512_cmp_pd_mask(size, _mm512_set1_pd(0x1p51), _CMP_LT_OQ);
    r.q = _mm512_cvt_roundpd_epi64(y, _MM_FROUND_TO_NEAREST_INT |
                                          _MM_FROUND_NO_EXC);
    if (k == 0) {
        __mmask8 large =
            _mm512_cmp_pd_mask(size, _mm512_set1_pd(0x1p63), _CMP_LT_OQ);
        r.q = _mm512_mask_cvttpd_epi64(r.q, (__mmask8)(large & ~r.good), y);
        r.good |= large;
    }
    __m512d back =
        k == 0 ? _mm512_cvtepi64_pd(r.q) : divide8(r.q, power, reciprocal);
    r.off = _mm512_sub_epi64(_mm512_castpd_si512(v), _mm512_castpd_si512(back));
    r.good = _mm512_mask_cmple_epu64_mask(
        r.good, _mm512_add_epi64(r.off, all_of(CODEC_ULPS_MAX)),
        all_of(2 * CODEC_ULPS_MAX));
    return r;
}

static size_t avx512_decimal(const double *v, size_t n, unsigned k, uint64_t *q,
                             uint64_t *ulps, uint64_t *any_ulps,
                             uint64_t failed[CODEC_GROUP / 64])
{
    const __m512d power = _mm512_set1_pd(codec_power10[k]);
    const __m512d reciprocal = _mm512_set1_pd(1 / codec_power10[k]);
    __m512i any = _mm512_setzero_si512();
    uint8_t marks[CODEC_GROUP / 8] = {0};

    for (size_t i = 0; i < n; i += LANES) {
        __mmask8 lanes = lanes_of(n, i);
        struct decimal_vectors r =
            decimal8(_mm512_maskz_loadu_pd(lanes, v + i), k, power, reciprocal);
        __m512i off = _mm512_maskz_mov_epi64(r.good, r.off);
        any = _mm512_mask_or_epi64(any, lanes, any, off);
        _mm512_mask_storeu_epi64(q + i, lanes,
                                 _mm512_maskz_mov_epi64(r.good, r.q));
        _mm512_mask_storeu_epi64(ulps + i, lanes, off);
        marks[i / 8] = (uint8_t)(~r.good & lanes);
    }
    *any_ulps |= (uint64_t)_mm512_reduce_or_epi64(any);
    failed[0] = fw_get_le64(marks);
    failed[1] = fw_get_le64(marks + 8);
    return (size_t)(_mm_popcnt_u64(failed[0]) + _mm_popcnt_u64(failed[1]));
}

/* What stands before each lane: the previous vector's last, then its own. */
static inline __m512i one_back(__m512i v, __m512i previous)
{
    return _mm512_alignr_epi64(v, previous, LANES - 1);
}

static inline void residual_any(struct codec_line *line, unsigned order,
                                bool zigzag, const uint64_t *x, size_t n,
                                uint64_t *u)
{
    const __m512i centre = all_of(
        order == CODEC_ORDER_GRID ? line->centre + line->last : line->centre);
    const __m512i step = all_of(line->step * LANES);
    __m512i position = grid_positions(line);
    __m512i last = all_of(line->last);
    __m512i delta = all_of(line->delta);

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_maskz_loadu_epi64(lanes_of(n, i), x + i);
        __m512i r = v;
        if (order == 1 || order == 2)
            r = _mm512_sub_epi64(v, one_back(v, last));
        if (order == 2) {
            __m512i first = r;
            r = _mm512_sub_epi64(r, one_back(r, delta));
            delta = first;
        }
        if (order == CODEC_ORDER_GRID) {
            r = _mm512_sub_epi64(r,
                                 _mm512_srai_epi64(position, CODEC_GRID_SHIFT));
            position = _mm512_add_epi64(position, step);
        }
        last = v;
        r = _mm512_sub_epi64(r, centre);
        if (zigzag)
            r = _mm512_xor_epi64(_mm512_slli_epi64(r, 1),
                                 _mm512_srai_epi64(r, 63));
        _mm512_storeu_si512(u + i, r);
    }
    if (order == 1 || order == 2)
        line->last = lane_at(last, (n - 1) % LANES);
    if (order == 2)
        line->delta = lane_at(delta, (n - 1) % LANES);
    if (order == CODEC_ORDER_GRID)
        line->position += n * line->step;
}

static inline void residual_mapped(struct codec_line *line, bool zigzag,
                                   const uint64_t *x, size_t n, uint64_t *u)
{
    switch (line->order) {
    case 1:
        residual_any(line, 1, zigzag, x, n, u);
        break;
    case 2:
        residual_any(line, 2, zigzag, x, n, u);
        break;
    case CODEC_ORDER_GRID:
        residual_any(line, CODEC_ORDER_GRID, zigzag, x, n, u);
        break;
    default:
        residual_any(line, 0, zigzag, x, n, u);
        break;
    }
}

static void avx512_residual(struct codec_line *line, const uint64_t *x,
                            size_t n, uint64_t *u)
{
    if (line->zigzag)
        residual_mapped(line, true, x, n, u);
    else
        residual_mapped(line, false, x, n, u);
}

static void avx512_extent(const uint64_t *r, size_t n, uint64_t *min,
                          uint64_t *sum)
{
    __m512i low = all_of(*min);
    __m512i all = _mm512_setzero_si512();

    for (size_t i = 0; i < n; i += LANES) {
        __mmask8 lanes = lanes_of(n, i);
        __m512i v = _mm512_maskz_loadu_epi64(lanes, r + i);
        low = _mm512_mask_min_epi64(low, lanes, low, v);
        all = _mm512_add_epi64(all, v);
    }
    *min = (uint64_t)_mm512_reduce_min_epi64(low);
    *sum += sum_of_lanes(all);
}

static void count_lengths(const uint8_t lengths[CODEC_GROUP], unsigned top,
                          struct codec_lengths *out)
{
    const __m512i low = _mm512_loadu_si512(lengths);
    const __m512i high = _mm512_loadu_si512(lengths + 64);

    memset(out->count, 0, sizeof(out->count));
    for (unsigned w = 0; w <= top; w++) {
        __m512i all = _mm512_set1_epi8((char)w);
        out->count[w] =
            (uint8_t)(_mm_popcnt_u64(_mm512_cmpeq_epi8_mask(low, all)) +
                      _mm_popcnt_u64(_mm512_cmpeq_epi8_mask(high, all)));
    }
}

static void avx512_lengths(const uint64_t *u, size_t n,
                           struct codec_lengths *out)
{
    uint8_t lengths[CODEC_GROUP];
    __m512i max = _mm512_setzero_si512();
    __m512i sum = max;

    _mm512_storeu_si512(lengths, _mm512_set1_epi8(-1));
    _mm512_storeu_si512(lengths + 64, _mm512_set1_epi8(-1));
    for (size_t i = 0; i < n; i += LANES) {
        __mmask8 lanes = lanes_of(n, i);
        __m512i v = _mm512_maskz_loadu_epi64(lanes, u + i);
        __m512i length = _mm512_sub_epi64(all_of(64), _mm512_lzcnt_epi64(v));
        max = _mm512_max_epu64(max, v);
        sum = _mm512_add_epi64(sum, v);
        _mm512_mask_cvtepi64_storeu_epi8(lengths + i, lanes, length);
    }
    out->max = (uint64_t)_mm512_reduce_max_epu64(max);
    out->sum = sum_of_lanes(sum);
    count_lengths(lengths, 64 - (unsigned)_lzcnt_u64(out->max), out);
}

static uint64_t avx512_quotients(const uint64_t *u, size_t n, unsigned k)
{
    const __m128i shift = _mm_cvtsi32_si128((int)k);
    __m512i sum = _mm512_setzero_si512();

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_maskz_loadu_epi64(lanes_of(n, i), u + i);
        sum = _mm512_add_epi64(sum, _mm512_srl_epi64(v, shift));
    }
    return sum_of_lanes(sum);
}

/* Appends bits to a word and writes it out whenever it is full. */
struct bit_writer {
    uint8_t *out;
    uint64_t word;
    unsigned used;
};

static inline void put_bits(struct bit_writer *w, uint64_t bits, unsigned count)
{
    w->word |= bits << w->used;
    w->used += count;
    if (w->used >= 64) {
        memcpy(w->out, &w->word, 8);
        w->out += 8;
        w->used -= 64;
        w->word = w->used > 0 ? bits >> (count - w->used) : 0;
    }
}

/* Narrow integers come together in a register as bytes, or pairs of them. */
static void pack_narrow(const uint64_t *u, size_t n, unsigned width,
                        uint8_t *out)
{
    const uint64_t mask = UINT64_MAX / 0xFF * ((UINT64_C(1) << width) - 1);

    for (size_t i = 0; i < n; i += LANES, out += width) {
        __m512i v = _mm512_maskz_loadu_epi64(lanes_of(n, i), u + i);
        uint64_t word = _pext_u64(
            (uint64_t)_mm_cvtsi128_si64(_mm512_cvtepi64_epi8(v)), mask);
        memcpy(out, &word, 8);
    }
}

static void pack_middle(const uint64_t *u, size_t n, unsigned width,
                        uint8_t *out)
{
    const uint64_t mask = UINT64_MAX / 0xFFFF * ((UINT64_C(1) << width) - 1);
    struct bit_writer w = {.out = out};

    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_maskz_loadu_epi64(lanes_of(n, i), u + i);
        __m128i pairs = _mm512_cvtepi64_epi16(v);
        uint64_t low = (uint64_t)_mm_cvtsi128_si64(pairs);
        uint64_t high = (uint64_t)_mm_extract_epi64(pairs, 1);
        put_bits(&w, _pext_u64(low, mask), 4 * width);
        put_bits(&w, _pext_u64(high, mask), 4 * width);
    }
    if (w.used > 0)
        memcpy(w.out, &w.word, 8);
}

static void avx512_pack(const uint64_t *u, size_t n, unsigned width,
                        uint8_t *out)
{
    if (width == 0)
        return;
    if (width <= 8)
        pack_narrow(u, n, width, out);
    else if (width <= 16 && n % LANES == 0)
        pack_middle(u, n, width, out);
    else
        kernels_scalar()->pack(u, n, width, out);
}

/* ---- totals ------------------------------------------------------------- */

#define TOTALS_LANES 8
#define TOTALS_ROWS 4
typedef __m512d totals_vec;
#define totals_min _mm512_min_pd
#define totals_max _mm512_max_pd

static inline __m512d totals_rise(__m512d x, __m512d before)
{
    __mmask8 rises = _mm512_cmp_pd_mask(x, before, _CMP_GE_OQ);

    return _mm512_mask_sub_pd(x, rises, x, before);
}

/* Four values of block b and of the one four lanes on. */
static inline __m512d of_two(const double *const *v, size_t b, size_t i)
{
    __m512d low = _mm512_castpd256_pd512(_mm256_loadu_pd(v[b] + i));

    return _mm512_insertf64x4(low, _mm256_loadu_pd(v[b + 4] + i), 1);
}

static inline void totals_rows(const double *const *v, size_t i,
                               __m512d rows[TOTALS_ROWS])
{
    const __m512i first = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
    const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
    __m512d v0 = of_two(v, 0, i), v1 = of_two(v, 1, i);
    __m512d v2 = of_two(v, 2, i), v3 = of_two(v, 3, i);
    __m512d even01 = _mm512_unpacklo_pd(v0, v1);
    __m512d even23 = _mm512_unpacklo_pd(v2, v3);
    __m512d odd01 = _mm512_unpackhi_pd(v0, v1);
    __m512d odd23 = _mm512_unpackhi_pd(v2, v3);

    rows[0] = _mm512_permutex2var_pd(even01, first, even23);
    rows[1] = _mm512_permutex2var_pd(odd01, first, odd23);
    rows[2] = _mm512_permutex2var_pd(even01, second, even23);
    rows[3] = _mm512_permutex2var_pd(odd01, second, odd23);
}

#include "storage/codec/kernels_totals.h"

const struct codec_kernels *kernels_avx512(void)
{
    static const struct codec_kernels kernels = {
        .name = "avx512",
        .unpack = avx512_unpack,
        .unrice = avx512_unrice,
        .expand = avx512_expand,
        .narrow = avx512_narrow,
        .restore = avx512_restore,
        .scale = avx512_scale,
        .divide = avx512_divide,
        .nudge = avx512_nudge,
        .unorder = avx512_unorder,
        .lookup = avx512_lookup,
        .decimal = avx512_decimal,
        .residual = avx512_residual,
        .extent = avx512_extent,
        .lengths = avx512_lengths,
        .quotients = avx512_quotients,
        .pack = avx512_pack,
        .totals = plain_totals,
    };
    bool able = __builtin_cpu_supports("avx512f") &&
                __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512cd") &&
                __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vbmi") &&
                __builtin_cpu_supports("avx512vbmi2") &&
                __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");

    return able ? &kernels : NULL;
}

#else

const struct codec_kernels *kernels_avx512(void)
{
    return NULL;
}

#endif
