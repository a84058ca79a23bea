/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan.c - sixteen bytes at a time with SSE2, which every x86-64 has, so there
 * is nothing to choose at run time; elsewhere byte by byte.
 *
 * AVX2 gained nothing here: what is scanned is a name of 5 to 150 bytes, and
 * only in lines that the intake did not foresee.
 */
#include "server/ingest/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

const char *scan_to_slowly(const char *p, const char *end, char a, char b)
{
    while (p < end && *p != a && *p != b)
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return p;
}

#ifdef __SSE2__

/* A bit for each of the sixteen bytes at p that is a, b or a backslash. */
static unsigned marks(const char *p, char a, char b)
{
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(a)),
                               _mm_cmpeq_epi8(x, _mm_set1_epi8(b)));

    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(hit);
}

const char *scan_to(const char *p, const char *end, char a, char b)
{
    while (end - p >= 16) {
        unsigned hit = marks(p, a, b);

        if (hit == 0) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(hit);
        if (*p == a || *p == b)
            return p;
        p += p + 1 < end ? 2 : 1;
    }
    return scan_to_slowly(p, end, a, b);
}

#else

const char *scan_to(const char *p, const char *end, char a, char b)
{
    return scan_to_slowly(p, end, a, b);
}

#endif
