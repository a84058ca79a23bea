/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/head/head_tail.h"

#include "storage/codec/values_format.h"

#define UNITS_MAX 1e15  /* whole numbers up to there are exact, sums too */
#define SPREAD_MAX 8192 /* of the values before: the next ones should fit */
#define LOOKED_AT 64
#define DECIMALS_TRIED 4

const double head_powers[HEAD_NARROW_DECIMALS + 1] = {1,   1e1, 1e2, 1e3, 1e4,
                                                      1e5, 1e6, 1e7, 1e8, 1e9};

/* Whether all values are whole multiples of 10^-k, not far from each other. */
static bool fit(const uint64_t *bits, size_t n, unsigned k, int64_t *last)
{
    double power = head_powers[k];
    double low = UNITS_MAX, high = -UNITS_MAX, units = 0;

    for (size_t i = 0; i < n; i++) {
        double v;

        memcpy(&v, &bits[i], sizeof(v));
        units = head_round(v * power);
        if (!(units >= -UNITS_MAX && units <= UNITS_MAX) ||
            fw_double_bits(units / power) != bits[i])
            return false;
        low = units < low ? units : low;
        high = units > high ? units : high;
    }
    *last = (int64_t)units;
    return high - low <= SPREAD_MAX;
}

struct head_form head_form_behind(const uint64_t *v, size_t n,
                                  const struct values_hint *hint)
{
    unsigned likely =
        hint->kind == VALUES_DECIMAL && hint->decimals <= HEAD_NARROW_DECIMALS
            ? hint->decimals
            : 0;
    struct head_form out = {.cap = HEAD_NARROW};
    size_t skip = n > LOOKED_AT ? n - LOOKED_AT : 0;

    for (unsigned i = 0; i <= DECIMALS_TRIED; i++) {
        unsigned k = i == 0 ? likely : i - 1;

        if (fit(v + skip, n - skip, k, &out.units)) {
            out.form = (uint8_t)(k + 1);
            return out;
        }
    }
    return (struct head_form){.cap = HEAD_TAIL};
}
