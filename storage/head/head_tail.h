/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_tail.h - the newest samples of a series, not packed: plain values, or
 * narrow ones.
 *
 * A series whose tails are packed again and again gets a narrow one where its
 * values allow: base + d, in units of the last decimal, with d of 16 bits. A
 * value goes in only if the same bits come out. One that does not makes the
 * tail plain, which takes memory, so it is looked at when it is staged and
 * stands in its place from then on.
 */
#ifndef STORAGE_HEAD_TAIL_H
#define STORAGE_HEAD_TAIL_H

#include <string.h>

#include "storage/base/bytes.h"
#include "storage/head/head.h"

#define HEAD_TAIL 16   /* samples of a plain tail before it is packed */
#define HEAD_NARROW 32 /* of a narrow one */
#define HEAD_NARROW_DECIMALS 9
#define HEAD_NARROW_BASE 8 /* bytes before the narrow values */

extern const double head_powers[HEAD_NARROW_DECIMALS + 1];

static inline uint64_t *head_tail(const struct head_series *s)
{
    return (uint64_t *)(void *)s->data;
}

static inline int16_t *head_narrow(const struct head_series *s)
{
    return (int16_t *)(void *)(s->data + HEAD_NARROW_BASE);
}

/* What head_narrow_of() finds of values: how a tail begins. */
struct head_form {
    uint8_t form;  /* 0: plain; else decimals + 1 */
    uint32_t cap;  /* of the tail */
    int64_t units; /* the base, if it is not plain */
};

/* How the tail behind values v[0..n) should be; *hint is what packing taught.
 */
struct head_form head_form_behind(const uint64_t *v, size_t n,
                                  const struct values_hint *hint);

/* Rounds to an integer if |x| < 2^51; anything comes out for others. */
static inline double head_round(double x)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */

    return x + shift - shift;
}

static inline double head_narrow_value(double base, int d, double power)
{
    return (base + d) / power;
}

/* Puts a value at index `at` of a narrow tail; false if it does not fit. */
static inline bool head_narrow_put(struct head_series *s, uint32_t at,
                                   uint64_t bits)
{
    double power = head_powers[s->tail_form - 1];
    double v, d, base, back;
    int64_t units;

    memcpy(&v, &bits, sizeof(v));
    memcpy(&units, s->data, sizeof(units));
    base = (double)units;
    d = head_round(v * power) - base;
    if (!(d >= INT16_MIN && d <= INT16_MAX))
        return false;
    back = head_narrow_value(base, (int)d, power);
    if (fw_double_bits(back) != bits)
        return false;
    head_narrow(s)[at] = (int16_t)d;
    return true;
}

/* The bits of samples [from, from + n). */
static inline void head_tail_get(const struct head_series *s, size_t from,
                                 size_t n, uint64_t *out)
{
    const int16_t *narrow;
    double power;
    int64_t units;

    if (s->tail_form == 0) {
        if (n > 0)
            memcpy(out, head_tail(s) + from, n * sizeof(*out));
        return;
    }
    narrow = head_narrow(s) + from;
    power = head_powers[s->tail_form - 1];
    memcpy(&units, s->data, sizeof(units));
    for (size_t i = 0; i < n; i++)
        out[i] =
            fw_double_bits(head_narrow_value((double)units, narrow[i], power));
}

#endif
