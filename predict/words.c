/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/words.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#define DIGITS 4

static_assert(WORDS_BYTES >= FW_DURATION_TEXT_BYTES, "a span must fit");

const char *words_number(double v, char out[WORDS_BYTES])
{
    static const struct {
        double least, unit;
        const char *name;
    } units[] = {{1e12, 1e12, " T"},
                 {1e9, 1e9, " G"},
                 {1e6, 1e6, " M"},
                 {1e5, 1e3, " k"}};
    char digits[FW_DOUBLE_TEXT_BYTES];

    if (isnan(v)) {
        (void)snprintf(out, WORDS_BYTES, "-");
        return out;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (fabs(v) >= units[i].least && fabs(v) < 1e16) {
            (void)fw_format_short(digits, v / units[i].unit, DIGITS);
            (void)snprintf(out, WORDS_BYTES, "%s%s", digits, units[i].name);
            return out;
        }
    (void)fw_format_short(digits, v, DIGITS);
    (void)snprintf(out, WORDS_BYTES, "%s", digits);
    return out;
}

const char *words_percent(double p, char out[WORDS_BYTES])
{
    if (p > 0.0 && p < 0.01)
        (void)snprintf(out, WORDS_BYTES, "under 1 %%");
    else if (p > 0.99 && p < 1.0)
        (void)snprintf(out, WORDS_BYTES, "over 99 %%");
    else
        (void)snprintf(out, WORDS_BYTES, "%.0f %%", 100.0 * p);
    return out;
}

const char *words_span(fw_ms span, char out[WORDS_BYTES])
{
    size_t n = fw_format_span(out, span);

    /* "12h 0m" says no more than "12h". */
    if (n > 3 && out[n - 3] == ' ' && out[n - 2] == '0')
        out[n - 3] = '\0';
    return out;
}
