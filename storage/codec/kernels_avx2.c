/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels_avx2.c - kernels for processors with AVX2, FMA and BMI (Haswell,
 * Zen and later). kernels_scalar.c says what each must do.
 *
 * Four integers at a time. What is missing against AVX-512 is made up: the
 * conversion from int64 by two halves, shifts that keep the sign by
 * comparing, the byte permutation by one for each pair.
 */
#include "storage/codec/kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>
#include <string.h>

#include "storage/codec/kernels_plain.h"

#define LANES 4

static inline __m256i all_of(uint64_t v)
{
    return _mm256_set1_epi64x((long long)v);
}

static inline __m256i load4(const uint64_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void store4(uint64_t *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}

/* ---- decoding ----------------------------------------------------------- */

/*
 * Eight integers of w bits are w bytes, four pairs. The 16 bytes from where a
 * pair begins hold both for w <= 57; a byte shuffle brings the eight bytes in
 * which each begins to its lane, a shift and a mask leave it alone.
 */
struct unpacker {
    __m256i bytes[2]; /* for pairs 0 and 1, 2 and 3 */
    __m256i shift[2];
    __m256i mask;
    unsigned offset[4]; /* of each pair */
};

static inline void unpacker_half(struct unpacker *u, unsigned half,
                                 __m256i number, __m256i width)
{
    const __m256i spread = _mm256_set_epi64x(
        0x0808080808080808, 0, 0x0808080808080808, 0); /* the low byte of each
                                                          lane to all of it */
    __m256i bit = _mm256_mul_epu32(number, width);
    __m256i pair = _mm256_unpacklo_epi64(bit, bit);
    __m256i first =
        _mm256_sub_epi64(_mm256_srli_epi64(bit, 3), _mm256_srli_epi64(pair, 3));

    first = _mm256_shuffle_epi8(first, spread);
    u->bytes[half] =
        _mm256_add_epi8(first, all_of(UINT64_C(0x0706050403020100)));
    u->shift[half] = _mm256_and_si256(bit, all_of(7));
}

static inline struct unpacker unpacker_of(unsigned width)
{
    struct unpacker u;

    unpacker_half(&u, 0, _mm256_set_epi64x(3, 2, 1, 0), all_of(width));
    unpacker_half(&u, 1, _mm256_set_epi64x(7, 6, 5, 4), all_of(width));
    for (unsigned pair = 0; pair < 4; pair++)
        u.offset[pair] = pair * 2 * width / 8;
    u.mask = all_of((UINT64_C(1) << width) - 1);
    return u;
}

static inline __m256i unpack4(const struct unpacker *u, unsigned half,
                              const uint8_t *in)
{
    __m128i low = _mm_loadu_si128(
        (const __m128i *)(const void *)(in + u->offset[2 * half]));
    __m128i high = _mm_loadu_si128(
        (const __m128i *)(const void *)(in + u->offset[2 * half + 1]));
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);

    v = _mm256_shuffle_epi8(v, u->bytes[half]);
    return _mm256_and_si256(_mm256_srlv_epi64(v, u->shift[half]), u->mask);
}

static void avx2_unpack(const uint8_t *in, unsigned width, size_t n,
                        uint64_t *out)
{
    if (width > 57) {
        plain_unpack(in, width, n, out);
        return;
    }
    const struct unpacker u = unpacker_of(width);
    for (size_t i = 0; i < n; i += 8, in += width) {
        store4(out + i, unpack4(&u, 0, in));
        store4(out + i + 4, unpack4(&u, 1, in));
    }
}

static inline __m256i quotient4(const uint8_t *q, __m128i shift)
{
    int four;

    memcpy(&four, q, 4);
    return _mm256_sll_epi64(_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four)),
                            shift);
}

static const uint8_t *avx2_unrice(const uint8_t *low, unsigned k,
                                  const uint8_t *unary, const uint8_t *end,
                                  size_t n, uint64_t *out)
{
    CODEC_ALIGNED uint8_t quotients[CODEC_GROUP + 8];
    const struct unpacker u = unpacker_of(k);
    const __m128i shift = _mm_cvtsi32_si128((int)k);
    const uint8_t *after = plain_unary(unary, end, n, quotients);

    if (after == NULL)
        return NULL;
    for (size_t i = 0; i < n; i += 8, low += k) {
        __m256i a = quotient4(quotients + i, shift);
        __m256i b = quotient4(quotients + i + 4, shift);
        store4(out + i, _mm256_or_si256(a, unpack4(&u, 0, low)));
        store4(out + i + 4, _mm256_or_si256(b, unpack4(&u, 1, low)));
    }
    return after;
}

static inline __m256i unmap4(__m256i u, __m256i centre, bool zigzag)
{
    if (zigzag) {
        __m256i sign = _mm256_sub_epi64(_mm256_setzero_si256(),
                                        _mm256_and_si256(u, all_of(1)));
        u = _mm256_xor_si256(_mm256_srli_epi64(u, 1), sign);
    }
    return _mm256_add_epi64(u, centre);
}

/* x[0], x[0] + x[1], ... */
static inline __m256i running_sum(__m256i x)
{
    x = _mm256_add_epi64(x, _mm256_slli_si256(x, 8));
    __m256i low = _mm256_permute4x64_epi64(x, 0x55);
    return _mm256_add_epi64(
        x, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xF0));
}

static inline __m256i top_lane(__m256i x)
{
    return _mm256_permute4x64_epi64(x, 0xFF);
}

static inline uint64_t lane_at(__m256i x, size_t lane)
{
    uint64_t all[LANES];

    store4(all, x);
    return all[lane];
}

/* The carry is one addition a vector: the sums within it do not wait. */
static inline void restore1(struct codec_line *line, bool zigzag, uint64_t *x,
                            size_t n)
{
    const __m256i centre = all_of(line->centre);
    __m256i last = all_of(line->last);
    __m256i sum = last;

    for (size_t i = 0; i < n; i += LANES) {
        __m256i within = running_sum(unmap4(load4(x + i), centre, zigzag));
        sum = _mm256_add_epi64(within, last);
        store4(x + i, sum);
        last = _mm256_add_epi64(last, top_lane(within));
    }
    line->last = lane_at(sum, (n - 1) % LANES);
}

static inline void restore2(struct codec_line *line, bool zigzag, uint64_t *x,
                            size_t n)
{
    const __m256i centre = all_of(line->centre);
    __m256i last = all_of(line->last);
    __m256i delta = all_of(line->delta);
    __m256i sum = last;
    __m256i deltas = delta;

    for (size_t i = 0; i < n; i += LANES) {
        __m256i within = running_sum(unmap4(load4(x + i), centre, zigzag));
        deltas = _mm256_add_epi64(within, delta);
        delta = _mm256_add_epi64(delta, top_lane(within));
        within = running_sum(deltas);
        sum = _mm256_add_epi64(within, last);
        store4(x + i, sum);
        last = _mm256_add_epi64(last, top_lane(within));
    }
    line->last = lane_at(sum, (n - 1) % LANES);
    line->delta = lane_at(deltas, (n - 1) % LANES);
}

static inline void restore_rest(struct codec_line *line, bool zigzag,
                                uint64_t *x, size_t n)
{
    const bool grid = line->order == CODEC_ORDER_GRID;
    const __m256i centre = all_of(line->centre + (grid ? line->last : 0));

    for (size_t i = 0; i < n; i += LANES)
        store4(x + i, unmap4(load4(x + i), centre, zigzag));
    if (grid) {
        for (size_t i = 0; i < n; i++)
            x[i] += grid_at(line->position + i * line->step);
        line->position += n * line->step;
    }
}

static inline void restore_any(struct codec_line *line, bool zigzag,
                               uint64_t *x, size_t n)
{
    if (line->order == 1)
        restore1(line, zigzag, x, n);
    else if (line->order == 2)
        restore2(line, zigzag, x, n);
    else
        restore_rest(line, zigzag, x, n);
}

static void avx2_restore(struct codec_line *line, uint64_t *x, size_t n)
{
    if (line->zigzag)
        restore_any(line, true, x, n);
    else
        restore_any(line, false, x, n);
}

/* Any int64 to the nearest double, by halves: the sum rounds once. */
static inline __m256d double4(__m256i q)
{
    __m256i low =
        _mm256_blend_epi32(all_of(UINT64_C(0x4330000000000000)), q, 0x55);
    __m256i high = _mm256_xor_si256(_mm256_srli_epi64(q, 32),
                                    all_of(UINT64_C(0x4530000080000000)));
    __m256d top = _mm256_sub_pd(_mm256_castsi256_pd(high),
                                _mm256_set1_pd(0x1.00000801p84));

    return _mm256_add_pd(top, _mm256_castsi256_pd(low));
}

/* Correctly rounded: the proof stands beside divide8 in kernels_avx512.c. */
static inline __m256d divide4(__m256i q, __m256d power, __m256d reciprocal)
{
    __m256d a = double4(q);
    __m256d y = _mm256_mul_pd(a, reciprocal);
    __m256d rest = _mm256_fnmadd_pd(y, power, a);

    return _mm256_fmadd_pd(rest, reciprocal, y);
}

/* The lanes that item i of n begins, for masked loads and stores. */
static inline __m256i lanes_of(size_t n, size_t i)
{
    __m256i at = _mm256_add_epi64(all_of(i), _mm256_set_epi64x(3, 2, 1, 0));

    return _mm256_cmpgt_epi64(all_of(n), at);
}

static inline void divide_all(const uint64_t *q, size_t n, bool whole,
                              double power, double *out)
{
    const __m256d powers = _mm256_set1_pd(power);
    const __m256d reciprocals = _mm256_set1_pd(1 / power);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        __m256i v = load4(q + i);
        _mm256_storeu_pd(out + i,
                         whole ? double4(v) : divide4(v, powers, reciprocals));
    }
    if (i < n) {
        __m256i v = load4(q + i);
        _mm256_maskstore_pd(out + i, lanes_of(n, i),
                            whole ? double4(v)
                                  : divide4(v, powers, reciprocals));
    }
}

static void avx2_divide(const uint64_t *q, size_t n, unsigned k, double *out)
{
    if (k == 0)
        divide_all(q, n, true, 1, out);
    else
        divide_all(q, n, false, codec_power10[k], out);
}

/* ---- encoding ----------------------------------------------------------- */

/* 1.5 * 2^52: adding it rounds a double below 2^51 to an integer that then
 * stands in the low bits. */
#define ROUNDER 6755399441055744.0

struct decimal_vectors {
    __m256i q;
    __m256i off;
    __m256i good;
    __m256i large; /* needs the conversion that only scalar code has */
};

static inline struct decimal_vectors decimal4(__m256d v, __m256d power,
                                              __m256d reciprocal)
{
    const __m256d rounder = _mm256_set1_pd(ROUNDER);
    __m256d y = _mm256_mul_pd(v, power);
    __m256d size = _mm256_andnot_pd(_mm256_set1_pd(-0.0), y);
    __m256d small = _mm256_cmp_pd(size, _mm256_set1_pd(0x1p51), _CMP_LT_OQ);
    __m256d below = _mm256_cmp_pd(size, _mm256_set1_pd(0x1p63), _CMP_LT_OQ);
    struct decimal_vectors r;

    r.large = _mm256_castpd_si256(_mm256_andnot_pd(small, below));
    r.q = _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(y, rounder)),
                           _mm256_castpd_si256(rounder));
    __m256d back = divide4(r.q, power, reciprocal);
    r.off = _mm256_sub_epi64(_mm256_castpd_si256(v), _mm256_castpd_si256(back));
    __m256i up = _mm256_add_epi64(r.off, all_of(CODEC_ULPS_MAX));
    __m256i far =
        _mm256_or_si256(_mm256_cmpgt_epi64(_mm256_setzero_si256(), up),
                        _mm256_cmpgt_epi64(up, all_of(2 * CODEC_ULPS_MAX)));
    r.good = _mm256_andnot_si256(far, _mm256_castpd_si256(small));
    return r;
}

static size_t avx2_decimal(const double *v, size_t n, unsigned k, uint64_t *q,
                           uint64_t *ulps, uint64_t *any_ulps,
                           uint64_t failed[CODEC_GROUP / 64])
{
    const __m256d power = _mm256_set1_pd(codec_power10[k]);
    const __m256d reciprocal = _mm256_set1_pd(1 / codec_power10[k]);
    __m256i any = _mm256_setzero_si256();
    __m256i large = any;

    failed[0] = failed[1] = 0;
    if (n % LANES != 0)
        return kernels_scalar()->decimal(v, n, k, q, ulps, any_ulps, failed);
    for (size_t i = 0; i < n; i += LANES) {
        struct decimal_vectors r =
            decimal4(_mm256_loadu_pd(v + i), power, reciprocal);
        __m256i off = _mm256_and_si256(r.off, r.good);
        any = _mm256_or_si256(any, off);
        large = _mm256_or_si256(large, r.large);
        store4(q + i, _mm256_and_si256(r.q, r.good));
        store4(ulps + i, off);
        unsigned bad =
            0xFu & ~(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(r.good));
        failed[i / 64] |= (uint64_t)bad << (i % 64);
    }
    if (k == 0 && !_mm256_testz_si256(large, large))
        return kernels_scalar()->decimal(v, n, k, q, ulps, any_ulps, failed);
    *any_ulps |=
        lane_at(any, 0) | lane_at(any, 1) | lane_at(any, 2) | lane_at(any, 3);
    return (size_t)(_mm_popcnt_u64(failed[0]) + _mm_popcnt_u64(failed[1]));
}

/* ---- totals ------------------------------------------------------------- */

#define TOTALS_LANES 4
#define TOTALS_ROWS 4
typedef __m256d totals_vec;
#define totals_min _mm256_min_pd
#define totals_max _mm256_max_pd

static inline __m256d totals_rise(__m256d x, __m256d before)
{
    __m256d rises = _mm256_cmp_pd(x, before, _CMP_GE_OQ);

    return x - _mm256_and_pd(rises, before);
}

static inline void totals_rows(const double *const *v, size_t i,
                               __m256d rows[TOTALS_ROWS])
{
    __m256d v0 = _mm256_loadu_pd(v[0] + i), v1 = _mm256_loadu_pd(v[1] + i);
    __m256d v2 = _mm256_loadu_pd(v[2] + i), v3 = _mm256_loadu_pd(v[3] + i);
    __m256d even01 = _mm256_unpacklo_pd(v0, v1);
    __m256d even23 = _mm256_unpacklo_pd(v2, v3);
    __m256d odd01 = _mm256_unpackhi_pd(v0, v1);
    __m256d odd23 = _mm256_unpackhi_pd(v2, v3);

    rows[0] = _mm256_permute2f128_pd(even01, even23, 0x20);
    rows[1] = _mm256_permute2f128_pd(odd01, odd23, 0x20);
    rows[2] = _mm256_permute2f128_pd(even01, even23, 0x31);
    rows[3] = _mm256_permute2f128_pd(odd01, odd23, 0x31);
}

#include "storage/codec/kernels_totals.h"

const struct codec_kernels *kernels_avx2(void)
{
    static const struct codec_kernels kernels = {
        .name = "avx2",
        .unpack = avx2_unpack,
        .unrice = avx2_unrice,
        .expand = plain_expand,
        .restore = avx2_restore,
        .scale = plain_scale,
        .divide = avx2_divide,
        .nudge = plain_nudge,
        .unorder = plain_unorder,
        .lookup = plain_lookup,
        .decimal = avx2_decimal,
        .residual = plain_residual,
        .extent = plain_extent,
        .lengths = plain_lengths,
        .quotients = plain_quotients,
        .pack = plain_pack,
        .totals = plain_totals,
    };
    bool able =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");

    return able ? &kernels : NULL;
}

#else

const struct codec_kernels *kernels_avx2(void)
{
    return NULL;
}

#endif
