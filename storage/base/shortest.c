/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shortest.c - after [Raffaello Giulietti: The Schubfach way to render
 * doubles, 2020].
 *
 * A double c * 2^q stands for all numbers that round to it: from 4c - 2 to
 * 4c + 2, in units of 2^(q-2). Multiplied by a power of ten that makes this
 * interval between one and ten units long, it holds at least one integer and
 * at most one multiple of ten. The multiple of ten, if there, is the shortest;
 * else it is the integer nearest to v. The product is rounded to odd, which
 * keeps every comparison true although its low bits are dropped.
 */
#include "storage/base/shortest.h"

#include <stdbool.h>
#include <string.h>

#include "storage/base/power10_table.h"

#define HIDDEN_BIT ((uint64_t)1 << 52)
#define EXPONENT_BIAS 1075 /* of c * 2^q with an integer c */

__extension__ typedef unsigned __int128 wide;

/* The high bits of the product; the last one is set if any below it is. */
static uint64_t round_to_odd(const struct fw_power10 *g, uint64_t c)
{
    wide low = (wide)g->low * c;
    wide all = (wide)g->high * c + (uint64_t)(low >> 64);

    return (uint64_t)(all >> 64) | ((uint64_t)all > 1);
}

/* floor(log10(2^q)), or of three quarters of it. */
static int floor_log10(int q, bool three_quarters)
{
    return (q * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

static int floor_log2_of_power10(int k)
{
    return k * 1741647 >> 19;
}

/* c * 2^q as an integer, where it is one of at most 53 bits. */
static bool is_small_integer(uint64_t c, int q)
{
    return q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0;
}

void fw_shortest(double v, uint64_t *digits, int *exponent)
{
    uint64_t bits, c, lower, middle, upper, tens, ones;
    bool even, narrow, down, up;
    const struct fw_power10 *power;
    int q, k, shift;

    memcpy(&bits, &v, sizeof(bits));
    c = bits & (HIDDEN_BIT - 1);
    q = (int)(bits >> 52 & 0x7FF);
    narrow =
        c == 0 && q > 1; /* the double below is nearer than the one above */
    if (q > 0)
        c |= HIDDEN_BIT;
    else
        q = 1;
    q -= EXPONENT_BIAS;
    if (is_small_integer(c, q)) {
        *digits = c >> -q;
        *exponent = 0;
        return;
    }
    even = c % 2 == 0; /* then the ends of the interval round to v as well */
    k = floor_log10(q, narrow);
    power = &fw_power10_table[-k - FW_POWER10_LEAST];
    shift = q + floor_log2_of_power10(-k) + 1;
    lower = round_to_odd(power, (4 * c - 2 + narrow) << shift) + !even;
    middle = round_to_odd(power, 4 * c << shift);
    upper = round_to_odd(power, (4 * c + 2) << shift) - !even;
    ones = middle / 4;
    tens = ones / 10;
    down = lower <= 40 * tens;
    up = 40 * tens + 40 <= upper;
    if (ones >= 10 && down != up) {
        *digits = tens + up;
        *exponent = k + 1;
        return;
    }
    down = lower <= 4 * ones;
    up = 4 * ones + 4 <= upper;
    if (down == up) /* both or none: the nearer one, of two the even one */
        up = middle > 4 * ones + 2 || (middle == 4 * ones + 2 && ones % 2 == 1);
    *digits = ones + up;
    *exponent = k;
}
