/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * decimal.c - three ways from digits to a double, cheapest first.
 *
 *   1. mantissa < 2^53 and |exponent| <= 22: both are exact doubles, so one
 *      multiplication or division rounds once (Clinger).
 *   2. up to 19 digits: mantissa x the first 128 bits of 5^exponent decides
 *      the rounding (Lemire). With more digits, both the mantissa cut after
 *      19 and the next one above must give the same double.
 *   3. what is left, about nothing: strtod().
 */
#include "storage/base/decimal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "storage/base/bytes.h"

#define POWER_MIN (-342) /* below 10^-342 even 19 nines are zero */
#define POWER_MAX 308
#define POWER_COUNT (POWER_MAX - POWER_MIN + 1)
#define MANTISSA_BITS 52
#define MAX_DIGITS 19 /* the most that always fit 64 bits */

__extension__ typedef unsigned __int128 u128; /* gcc and clang both */

/* The first 128 bits of 5^q; rounded up where q < 0, as the proof asks. */
static u128 powers[POWER_COUNT];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

/* ---- The table of powers of five ------------------------------------------
 */

/* 5^308 has 716 bits; 2^1023 / 5^342 still has 229 to take 128 from. */
#define LIMBS 32

static void limbs_times_5(uint32_t *x)
{
    uint64_t carry = 0;

    for (int i = 0; i < LIMBS; i++) {
        carry += (uint64_t)x[i] * 5;
        x[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static void limbs_by_5(uint32_t *x)
{
    uint64_t rest = 0;

    for (int i = LIMBS - 1; i >= 0; i--) {
        rest = rest << 32 | x[i];
        x[i] = (uint32_t)(rest / 5);
        rest %= 5;
    }
}

static unsigned limbs_bit(const uint32_t *x, int bit)
{
    return bit < 0 ? 0 : (x[bit / 32] >> (bit % 32)) & 1u;
}

/* The 128 bits below and with the highest one that is set. */
static u128 limbs_top(const uint32_t *x)
{
    int high = LIMBS * 32 - 1;
    u128 top = 0;

    while (limbs_bit(x, high) == 0)
        high--;
    for (int i = 0; i < 128; i++)
        top = top << 1 | limbs_bit(x, high - i);
    return top;
}

static void powers_fill(void)
{
    uint32_t x[LIMBS] = {1};

    for (int q = 0; q <= POWER_MAX; q++) {
        powers[q - POWER_MIN] = limbs_top(x);
        limbs_times_5(x);
    }
    memset(x, 0, sizeof(x));
    x[LIMBS - 1] = 0x80000000u;
    /* floor(floor(x / 5) / 5) is floor(x / 25), so no error gathers. */
    for (int q = -1; q >= POWER_MIN; q--) {
        limbs_by_5(x);
        powers[q - POWER_MIN] = limbs_top(x) + 1;
    }
}

/* ---- Mantissa and exponent to double --------------------------------------
 */

/* floor(log2(10^q)) + 63; exact for |q| <= 400. */
static int power_of_two(int q)
{
    return ((152170 + 65536) * q >> 16) + 63;
}

static double assemble(uint64_t mantissa, int exponent)
{
    return fw_double_of_bits(mantissa | (uint64_t)exponent << MANTISSA_BITS);
}

/* Below the smallest normal double the mantissa loses bits before rounding. */
static double subnormal(uint64_t mantissa, int power2)
{
    if (-power2 + 1 >= 64)
        return 0.0;
    mantissa >>= -power2 + 1;
    mantissa += mantissa & 1;
    mantissa >>= 1;
    return assemble(mantissa, 0); /* a carry into bit 52 is exponent 1 */
}

/* mantissa x 10^q, rounded once. Lemire 2021, algorithm 1. */
static double scale(uint64_t w, int q)
{
    int shift;
    int upper_bit;
    int power2;
    uint64_t upper;
    uint64_t lower;
    uint64_t mantissa;
    u128 product;

    if (w == 0 || q < POWER_MIN)
        return 0.0;
    if (q > POWER_MAX)
        return __builtin_inf();
    shift = __builtin_clzll(w);
    w <<= shift;
    product = (u128)w * (uint64_t)(powers[q - POWER_MIN] >> 64);
    /* The low half of the power matters only if all spare bits are ones. */
    if (((uint64_t)(product >> 64) & 0x1FF) == 0x1FF)
        product += (u128)w * (uint64_t)powers[q - POWER_MIN] >> 64;
    upper = (uint64_t)(product >> 64);
    lower = (uint64_t)product;
    upper_bit = (int)(upper >> 63);
    mantissa = upper >> (upper_bit + 64 - MANTISSA_BITS - 3);
    power2 = power_of_two(q) + upper_bit - shift + 1023;
    if (power2 <= 0)
        return subnormal(mantissa, power2);
    /* Exactly half way, which only small powers can be: to even. */
    if (lower <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
        mantissa << (upper_bit + 64 - MANTISSA_BITS - 3) == upper)
        mantissa &= ~(uint64_t)1;
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >> (MANTISSA_BITS + 1) != 0) {
        mantissa >>= 1;
        power2++;
    }
    if (power2 >= 0x7FF)
        return __builtin_inf();
    return assemble(mantissa & ~((uint64_t)1 << MANTISSA_BITS), power2);
}

static bool scale_exactly(uint64_t w, int q, double *out)
{
    static const double tens[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (w > (uint64_t)1 << 53 || q < -22 || q > 22)
        return false;
    *out = q < 0 ? (double)w / tens[-q] : (double)w * tens[q];
    return true;
}

/* ---- Text to mantissa and exponent ------------------------------------------
 */

struct digits {
    uint64_t mantissa; /* the first 19 significant ones */
    int count;         /* of those */
    int exponent;      /* of ten */
    bool cut;          /* a digit other than 0 was left out */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void take_digit(struct digits *d, char c, bool behind_point)
{
    if (d->count >= MAX_DIGITS) {
        d->cut = d->cut || c != '0';
        d->exponent += !behind_point;
        return;
    }
    d->mantissa = d->mantissa * 10 + (uint64_t)(c - '0');
    d->count += d->mantissa != 0;
    d->exponent -= behind_point;
}

/* The exponent's digits, where there is at least one; else nothing is taken. */
static const char *take_exponent(const char *p, const char *end, int *exponent)
{
    const char *at = p + 1;
    bool negative = at < end && *at == '-';
    int e = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at >= end || !is_digit(*at))
        return p;
    for (; at < end && is_digit(*at); at++)
        if (e < 100000)
            e = e * 10 + (*at - '0');
    *exponent += negative ? -e : e;
    return at;
}

/* NULL if there is no digit at all. */
static const char *take_number(const char *p, const char *end, struct digits *d)
{
    bool any = false;

    for (; p < end && is_digit(*p); p++, any = true)
        take_digit(d, *p, false);
    if (p < end && *p == '.') {
        const char *point = p++;

        for (; p < end && is_digit(*p); p++, any = true)
            take_digit(d, *p, true);
        if (!any)
            return NULL;
        if (p == point + 1)
            return p; /* "1." is a number, as for strtod() */
    }
    if (!any)
        return NULL;
    return p;
}

static size_t take_word(const char *p, size_t n, double *out)
{
    if (n >= 8 && strncasecmp(p, "infinity", 8) == 0) {
        *out = __builtin_inf();
        return 8;
    }
    if (n >= 3 && strncasecmp(p, "inf", 3) == 0) {
        *out = __builtin_inf();
        return 3;
    }
    if (n >= 3 && strncasecmp(p, "nan", 3) == 0) {
        *out = __builtin_nan("");
        return 3;
    }
    return 0;
}

static double slowly(const char *p, size_t n)
{
    char copy[FW_DECIMAL_MAX_BYTES + 1];

    memcpy(copy, p, n);
    copy[n] = '\0';
    return strtod(copy, NULL);
}

static double value_of(const struct digits *d, const char *text, size_t n)
{
    double v;

    if (!d->cut && scale_exactly(d->mantissa, d->exponent, &v))
        return v;
    (void)pthread_once(&powers_once, powers_fill);
    v = scale(d->mantissa, d->exponent);
    if (d->cut && v != scale(d->mantissa + 1, d->exponent))
        return slowly(text, n);
    return v;
}

size_t fw_decimal_parse(const char *p, size_t n, double *out)
{
    const char *end = p + n;
    const char *start = p;
    struct digits d = {0};
    const char *at;
    bool negative;
    double v;

    if (n == 0)
        return 0;
    negative = *p == '-';
    if (*p == '-' || *p == '+')
        start++;
    at = take_number(start, end, &d);
    if (at == NULL) {
        size_t word = take_word(start, (size_t)(end - start), &v);

        if (word == 0)
            return 0;
        *out = negative ? -v : v;
        return (size_t)(start - p) + word;
    }
    if (at < end && (*at == 'e' || *at == 'E'))
        at = take_exponent(at, end, &d.exponent);
    if (at - p > FW_DECIMAL_MAX_BYTES)
        return 0;
    v = value_of(&d, start, (size_t)(at - start));
    *out = negative ? -v : v;
    return (size_t)(at - p);
}
