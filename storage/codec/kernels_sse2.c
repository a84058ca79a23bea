/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels_sse2.c - kernels for every x86-64. kernels_scalar.c says what each
 * must do; here is what SSE2 does much quicker.
 *
 * That is the way from small residuals to doubles in one pass, four at a time
 * in 32 bits: what is added up stays below 2^31, and what it is added to, the
 * integer before the group, is a double by then. Both are whole and below 2^52,
 * so the sum is exact. While the divider works, and it takes half of the time,
 * the next four are unpacked.
 */
#include "storage/codec/kernels.h"

#if defined(__SSE2__) && defined(__x86_64__)

#include <emmintrin.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels_plain.h"

#define LANES 4

/* ---- small residuals ---------------------------------------------------- */

/* A group on its way from packed residuals to doubles. */
struct narrow {
    const uint8_t *low;       /* residuals of `width` bits, ... */
    const uint8_t *quotients; /* ... and of a Rice group what stands above */
    unsigned width;
    __m128i even, odd; /* where a pair's integers stand in 64 bits */
    __m128i apart;     /* what parts them there */
    __m128i shift;     /* of quotients */
    __m128i centre;
    __m128i sum; /* of the residuals before, in each lane */
    __m128d base;
    __m128d power;
};

/*
 * Integers i to i + 3, i divisible by 4: two pairs, each out of 64 bits, in
 * which the second of a pair moves up to the upper half.
 */
static inline __m128i narrow_low(const struct narrow *s, size_t i)
{
    size_t first = i * s->width, second = first + 2 * (size_t)s->width;
    uint64_t a = fw_get_le64(s->low + first / 8) >> (first % 8);
    uint64_t b = fw_get_le64(s->low + second / 8) >> (second % 8);
    __m128i pairs = _mm_unpacklo_epi64(_mm_cvtsi64_si128((int64_t)a),
                                       _mm_cvtsi64_si128((int64_t)b));

    return _mm_or_si128(_mm_and_si128(pairs, s->even),
                        _mm_and_si128(_mm_sll_epi64(pairs, s->apart), s->odd));
}

static inline __m128i narrow_quotients(const struct narrow *s, size_t i)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i q = _mm_cvtsi32_si128((int)fw_get_le32(s->quotients + i));

    q = _mm_unpacklo_epi16(_mm_unpacklo_epi8(q, zero), zero);
    return _mm_sll_epi32(q, s->shift);
}

/* The integers themselves, less what `base` stands for. */
static inline __m128i narrow_sums(struct narrow *s, size_t i, bool rice,
                                  bool zigzag, bool sums)
{
    __m128i u = narrow_low(s, i);

    if (rice)
        u = _mm_add_epi32(u, narrow_quotients(s, i));
    if (zigzag)
        u = _mm_xor_si128(_mm_srli_epi32(u, 1),
                          _mm_sub_epi32(_mm_setzero_si128(),
                                        _mm_and_si128(u, _mm_set1_epi32(1))));
    u = _mm_add_epi32(u, s->centre);
    if (!sums)
        return u;
    u = _mm_add_epi32(u, _mm_slli_si128(u, 4));
    u = _mm_add_epi32(u, _mm_slli_si128(u, 8));
    u = _mm_add_epi32(u, s->sum);
    s->sum = _mm_shuffle_epi32(u, 0xFF);
    return u;
}

static inline void put4(const struct narrow *s, __m128i x, bool sums,
                        bool divide, double *out)
{
    __m128d low = _mm_cvtepi32_pd(x);
    __m128d high = _mm_cvtepi32_pd(_mm_shuffle_epi32(x, 0xEE));

    if (sums) {
        low = _mm_add_pd(low, s->base);
        high = _mm_add_pd(high, s->base);
    }
    if (divide) {
        low = _mm_div_pd(low, s->power);
        high = _mm_div_pd(high, s->power);
    }
    _mm_storeu_pd(out, low);
    _mm_storeu_pd(out + 2, high);
}

static inline int32_t lane_at(__m128i v, size_t i)
{
    int32_t lanes[LANES];

    memcpy(lanes, &v, sizeof(lanes));
    return lanes[i];
}

/* Returns the last integer, less what `base` stands for. */
static inline int32_t narrow_group(struct narrow *s, size_t n, bool rice,
                                   bool zigzag, bool sums, bool divide,
                                   double *out)
{
    size_t whole = n / LANES * LANES;
    double rest[LANES];
    __m128i x = _mm_setzero_si128();

    for (size_t i = 0; i < whole; i += LANES) {
        x = narrow_sums(s, i, rice, zigzag, sums);
        put4(s, x, sums, divide, out + i);
    }
    if (whole < n) {
        x = narrow_sums(s, whole, rice, zigzag, sums);
        put4(s, x, sums, divide, rest);
        memcpy(out + whole, rest, (n - whole) * sizeof(*out));
    }
    return lane_at(x, (n - 1) % LANES);
}

static inline int32_t narrow_any(struct narrow *s, size_t n, bool rice,
                                 bool zigzag, bool sums, bool divide,
                                 double *out)
{
    if (sums && divide)
        return narrow_group(s, n, rice, zigzag, true, true, out);
    if (sums)
        return narrow_group(s, n, rice, zigzag, true, false, out);
    if (divide)
        return narrow_group(s, n, rice, zigzag, false, true, out);
    return narrow_group(s, n, rice, zigzag, false, false, out);
}

static bool is_narrow(const struct codec_line *line)
{
    return line->order <= 1 &&
           line->centre + (UINT64_C(1) << 20) < UINT64_C(1) << 21 &&
           line->last + (UINT64_C(1) << 51) < UINT64_C(1) << 52;
}

static void narrow_begin(struct narrow *s, const uint8_t *low, unsigned width,
                         const struct codec_line *line, unsigned k)
{
    const uint32_t mask = (uint32_t)mask_of(width);

    s->low = low;
    s->width = width;
    s->even = _mm_set_epi32(0, (int)mask, 0, (int)mask);
    s->odd = _mm_set_epi32((int)mask, 0, (int)mask, 0);
    s->apart = _mm_cvtsi32_si128(32 - (int)width);
    s->shift = _mm_cvtsi32_si128((int)width);
    s->centre = _mm_set1_epi32((int)(int64_t)line->centre);
    s->sum = _mm_setzero_si128();
    s->base = _mm_set1_pd((double)(int64_t)line->last);
    s->power = _mm_set1_pd(codec_power10[k]);
}

static const uint8_t *sse2_narrow(const uint8_t *low, unsigned width,
                                  const uint8_t *unary, const uint8_t *end,
                                  size_t n, struct codec_line *line, unsigned k,
                                  double *out)
{
    CODEC_ALIGNED uint8_t quotients[CODEC_GROUP + 8];
    const bool sums = line->order == 1, divide = k > 0;
    struct narrow s = {.quotients = quotients};
    int32_t total;

    if (!is_narrow(line))
        return NULL;
    if (unary != NULL)
        end = plain_unary(unary, end, n, quotients);
    if (end == NULL)
        return NULL;
    narrow_begin(&s, low, width, line, k);
    if (unary != NULL && line->zigzag)
        total = narrow_any(&s, n, true, true, sums, divide, out);
    else if (unary != NULL)
        total = narrow_any(&s, n, true, false, sums, divide, out);
    else if (line->zigzag)
        total = narrow_any(&s, n, false, true, sums, divide, out);
    else
        total = narrow_any(&s, n, false, false, sums, divide, out);
    if (sums)
        line->last += (uint64_t)(int64_t)total;
    return end;
}

/* ---- what is no quicker here -------------------------------------------- */

static const uint8_t *sse2_unrice(const uint8_t *low, unsigned k,
                                  const uint8_t *unary, const uint8_t *end,
                                  size_t n, uint64_t *out)
{
    return kernels_scalar()->unrice(low, k, unary, end, n, out);
}

static void sse2_restore(struct codec_line *line, uint64_t *x, size_t n)
{
    kernels_scalar()->restore(line, x, n);
}

static void sse2_divide(const uint64_t *q, size_t n, unsigned k, double *out)
{
    kernels_scalar()->divide(q, n, k, out);
}

static size_t sse2_decimal(const double *v, size_t n, unsigned k, uint64_t *q,
                           uint64_t *ulps, uint64_t *any_ulps,
                           uint64_t failed[CODEC_GROUP / 64])
{
    return kernels_scalar()->decimal(v, n, k, q, ulps, any_ulps, failed);
}

/* ---- totals ------------------------------------------------------------- */

#define TOTALS_LANES 2
#define TOTALS_ROWS 2
typedef __m128d totals_vec;
#define totals_min _mm_min_pd
#define totals_max _mm_max_pd

static inline __m128d totals_rise(__m128d x, __m128d before)
{
    return x - _mm_and_pd(_mm_cmpge_pd(x, before), before);
}

static inline void totals_rows(const double *const *v, size_t i,
                               __m128d rows[TOTALS_ROWS])
{
    __m128d v0 = _mm_loadu_pd(v[0] + i), v1 = _mm_loadu_pd(v[1] + i);

    rows[0] = _mm_unpacklo_pd(v0, v1);
    rows[1] = _mm_unpackhi_pd(v0, v1);
}

#include "storage/codec/kernels_totals.h"

const struct codec_kernels *kernels_sse2(void)
{
    static const struct codec_kernels kernels = {
        .name = "sse2",
        .unpack = plain_unpack,
        .unrice = sse2_unrice,
        .expand = plain_expand,
        .narrow = sse2_narrow,
        .restore = sse2_restore,
        .scale = plain_scale,
        .divide = sse2_divide,
        .nudge = plain_nudge,
        .unorder = plain_unorder,
        .lookup = plain_lookup,
        .decimal = sse2_decimal,
        .residual = plain_residual,
        .extent = plain_extent,
        .lengths = plain_lengths,
        .quotients = plain_quotients,
        .pack = plain_pack,
        .totals = plain_totals,
    };

    return &kernels;
}

#else

const struct codec_kernels *kernels_sse2(void)
{
    return NULL;
}

#endif
