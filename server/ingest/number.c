/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * number.c - what senders write as numbers and times, in full: a number with
 * something stuck to it is no number.
 */
#include "server/ingest/number.h"

#include <math.h>

#include "storage/base/decimal.h"

bool number_parse_any(struct fw_str text, double *out)
{
    double v;

    if (text.n == 0 || fw_decimal_parse(text.p, text.n, &v) != text.n)
        return false;
    *out = v;
    return true;
}

bool number_parse(struct fw_str text, double *out)
{
    /* All numbers end in a digit or a point; nan and infinity do not. */
    return text.n > 0 && text.p[text.n - 1] <= '9' &&
           number_parse_any(text, out);
}

bool number_parse_uint(struct fw_str text, uint64_t *out)
{
    uint64_t v = 0;

    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        uint64_t digit = (uint64_t)(unsigned char)(text.p[i] - '0');

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

bool number_parse_int(struct fw_str text, int64_t *out)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    uint64_t v;

    if (text.n > 0 && (text.p[0] == '-' || text.p[0] == '+'))
        text = (struct fw_str){text.p + 1, text.n - 1};
    if (!number_parse_uint(text, &v) || v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool time_unit_parse(struct fw_str text, enum time_unit *out)
{
    static const char *const words[] = {"auto", "s", "ms", "us", "ns"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (fw_str_eq(text, fw_str_of(words[i]))) {
            *out = (enum time_unit)i;
            return true;
        }
    return false;
}

static int64_t floor_div(int64_t v, int64_t by)
{
    return v / by - (v % by < 0 ? 1 : 0);
}

static enum time_unit unit_of(double size)
{
    if (size >= 1e17)
        return TIME_NS;
    if (size >= 1e14)
        return TIME_US;
    return size >= 1e11 ? TIME_MS : TIME_S;
}

bool time_parse(struct fw_str text, enum time_unit unit, fw_ms *out)
{
    int64_t raw;

    if (!number_parse_int(text, &raw))
        return false;
    if (unit == TIME_AUTO)
        unit = unit_of(fabs((double)raw));
    if (unit == TIME_S)
        return !__builtin_mul_overflow(raw, (int64_t)1000, out);
    *out = unit == TIME_MS   ? raw
           : unit == TIME_US ? floor_div(raw, 1000)
                             : floor_div(raw, 1000000);
    return true;
}

bool time_parse_fraction(struct fw_str text, enum time_unit unit, fw_ms *out)
{
    static const double ms_per[] = {0, 1e3, 1, 1e-3, 1e-6};
    double raw;

    if (time_parse(text, unit, out))
        return true;
    if (!number_parse(text, &raw))
        return false;
    raw *= ms_per[unit == TIME_AUTO ? unit_of(fabs(raw)) : unit];
    /* 1e15 ms is the year 33658: beyond, a double has no fraction to give. */
    if (!(fabs(raw) < 1e15))
        return false;
    /* Text such as 1.001 is no exact double; the nearest millisecond is meant.
     */
    *out = (fw_ms)llround(raw);
    return true;
}
