/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * decimal.c - three ways from digits to a double, cheapest first.
 *
 *   1. mantissa < 2^53 and |exponent| <= 22: both are exact doubles, so one
 *      multiplication or division rounds once (Clinger). Nearly all that
 *      senders write is of this kind and short, so take_short() reads it in
 *      front of everything else, eight digits at a time.
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

/* ---- Short decimals ---------------------------------------------------------
 */

/* Up to eight bytes at p as one number, the first in the lowest place. */
static uint64_t load_8(const char *p, const char *end)
{
    uint64_t x = 0;

    if (end - p >= 8)
        return fw_get_le64(p);
    for (int i = 0; p + i < end; i++)
        x |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return x; /* a zero byte is no digit */
}

/*
 * Takes the digits at the front of eight bytes: sets *value to theirs and
 * returns how many they are. A byte less '0' is a digit's if neither it nor it
 * plus 0x76 has its highest bit; a carry only reaches bytes behind the first
 * that is none. The three steps add neighbours up: digits to pairs, to fours,
 * to all eight.
 */
static int take_8(uint64_t x, uint64_t *value)
{
    uint64_t other;
    int n = 8;

    x ^= UINT64_C(0x3030303030303030);
    other =
        ((x + UINT64_C(0x7676767676767676)) | x) & UINT64_C(0x8080808080808080);
    if (other != 0) {
        n = __builtin_ctzll(other) / 8;
        if (n == 0) {
            *value = 0;
            return 0;
        }
        x <<= 64 - 8 * n; /* zeros in front of the first digit */
    }
    x = (x * 10 + (x >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
    x = (x * 100 + (x >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
    *value = (x * 10000 + (x >> 32)) & UINT64_C(0xFFFFFFFF);
    return n;
}

static const uint64_t ten_to[] = {1,      10,      100,      1000,     10000,
                                  100000, 1000000, 10000000, 100000000};

/*
 * Takes an unsigned number of at most 15 digits in front of its point, seven
 * behind it, 15 in all, and no exponent. NULL for any other: the long way
 * decides about it.
 */
static const char *take_short(const char *p, const char *end, double *out)
{
    uint64_t whole, more, part;
    int n = take_8(load_8(p, end), &whole);
    int k;

    p += n;
    if (n == 8) {
        n = take_8(load_8(p, end), &more);
        if (n == 8)
            return NULL;
        whole = whole * ten_to[n] + more;
        p += n;
        n += 8;
    }
    if (n == 0)
        return NULL;
    if (p == end || (*p != '.' && (*p | 0x20) != 'e')) {
        *out = (double)whole;
        return p;
    }
    if (*p++ != '.')
        return NULL;
    k = take_8(load_8(p, end), &part);
    p += k;
    if (k == 0 || k == 8 || n + k > 15 || (p < end && (*p | 0x20) == 'e'))
        return NULL;
    /* Below 10^15, so exact; and so is the power: rounded once. */
    *out = (double)(whole * ten_to[k] + part) / (double)ten_to[k];
    return p;
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

/* Takes a run of digits; behind the first that is not 0, eight at a time. */
static const char *take_digits(const char *p, const char *end, struct digits *d,
                               bool behind_point)
{
    while (p < end && is_digit(*p)) {
        uint64_t eight;

        if (d->count > 0 && d->count + 8 <= MAX_DIGITS && end - p >= 8 &&
            take_8(fw_get_le64(p), &eight) == 8) {
            d->mantissa = d->mantissa * ten_to[8] + eight;
            d->count += 8;
            d->exponent -= behind_point ? 8 : 0;
            p += 8;
        } else {
            take_digit(d, *p++, behind_point);
        }
    }
    return p;
}

/* NULL if there is no digit at all; "1." and ".5" are numbers to strtod(). */
static const char *take_number(const char *p, const char *end, struct digits *d)
{
    const char *at = take_digits(p, end, d, false);
    size_t n = (size_t)(at - p);

    if (at < end && *at == '.') {
        p = at + 1;
        at = take_digits(p, end, d, true);
        n += (size_t)(at - p);
    }
    return n > 0 ? at : NULL;
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
    at = take_short(start, end, &v);
    if (at != NULL) {
        *out = negative ? -v : v;
        return (size_t)(at - p);
    }
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
