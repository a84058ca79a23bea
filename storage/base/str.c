/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/shortest.h"

int fw_str_cmp(struct fw_str a, struct fw_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

/* How many bytes the sequence led by `lead` has; 0 if it cannot lead one. */
static size_t utf8_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 4;
    return 0;
}

size_t fw_utf8_next(const char *p, size_t n, uint32_t *cp)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)p[0];
    size_t len = utf8_length(lead);
    uint32_t x;

    *cp = 0xFFFD;
    if (len == 0 || len > n)
        return 1;
    x = len == 1 ? lead : lead & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)p[i];

        if ((c & 0xC0) != 0x80)
            return 1;
        x = x << 6 | (c & 0x3F);
    }
    if (x < least[len] || x > 0x10FFFF || (x >= 0xD800 && x <= 0xDFFF))
        return 1;
    *cp = x;
    return len;
}

bool fw_utf8_valid(const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t len;

        if ((unsigned char)p[i] < 0x80) {
            i++;
            continue;
        }
        len = fw_utf8_next(p + i, n - i, &cp);
        if (len == 1)
            return false;
        i += len;
    }
    return true;
}

size_t fw_utf8_columns(const char *p, size_t n)
{
    size_t columns = 0;

    for (size_t i = 0; i < n; columns++) {
        uint32_t cp;

        i += fw_utf8_next(p + i, n - i, &cp);
    }
    return columns;
}

/* Code points that move the cursor or reorder the text around them. */
static bool is_hidden(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7F && cp <= 0x9F) ||
           (cp >= 0x200E && cp <= 0x200F) || (cp >= 0x2028 && cp <= 0x202E) ||
           (cp >= 0x2066 && cp <= 0x2069) || cp == 0x061C || cp == 0xFEFF;
}

fw_rc fw_add_visible(struct fw_buf *out, struct fw_str text)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < text.n && rc == FW_OK;) {
        uint32_t cp;
        size_t len = fw_utf8_next(text.p + i, text.n - i, &cp);

        if (cp == 0xFFFD && len == 1)
            rc = fw_buf_printf(out, "\\x%02x", (unsigned char)text.p[i]);
        else if (cp < 0x80 && is_hidden(cp))
            rc = fw_buf_printf(out, "\\x%02x", cp);
        else if (is_hidden(cp))
            rc = fw_buf_printf(out, "\\u{%x}", cp);
        else
            rc = fw_buf_add(out, text.p + i, len);
        i += len;
    }
    return rc;
}

struct unit {
    const char *name;
    fw_ms ms;
};

static const struct unit units[] = {
    {"y", 365 * FW_DAY}, {"w", 7 * FW_DAY}, {"d", FW_DAY}, {"h", FW_HOUR},
    {"m", FW_MINUTE},    {"s", FW_SECOND},  {"ms", 1},
};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static fw_rc bad_duration(struct fw_str text, struct fw_err *err)
{
    return fw_err_set(err, FW_EINVAL,
                      "'%.*s' is not a duration; write it like 30s, 5m, 1h30m "
                      "or 7d",
                      FW_STR_ARG(text));
}

fw_rc fw_parse_duration(struct fw_str text, fw_ms *out, struct fw_err *err)
{
    size_t i = 0;
    size_t from = 0; /* units before this one were used already */
    fw_ms total = 0;

    if (text.n == 0)
        return bad_duration(text, err);
    if (text.n == 1 && text.p[0] == '0') {
        *out = 0;
        return FW_OK;
    }
    while (i < text.n) {
        size_t start = i;
        size_t u;
        fw_ms number = 0;
        fw_ms part;

        for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, text.p[i] - '0', &number))
                return bad_duration(text, err);
        if (i == start)
            return bad_duration(text, err);
        start = i;
        while (i < text.n && text.p[i] >= 'a' && text.p[i] <= 'z')
            i++;
        for (u = from; u < UNIT_COUNT; u++)
            if (strlen(units[u].name) == i - start &&
                memcmp(units[u].name, text.p + start, i - start) == 0)
                break;
        if (u == UNIT_COUNT ||
            __builtin_mul_overflow(number, units[u].ms, &part) ||
            __builtin_add_overflow(total, part, &total))
            return bad_duration(text, err);
        from = u + 1;
    }
    *out = total;
    return FW_OK;
}

fw_rc fw_parse_double(struct fw_str text, double *out, struct fw_err *err)
{
    char copy[400];
    char *end;
    double v;

    if (text.n == 0 || text.n >= sizeof(copy) ||
        memchr(text.p, '\0', text.n) != NULL ||
        strchr(" \t\r\n\v\f", text.p[0]) != NULL)
        return fw_err_set(err, FW_EINVAL, "'%.*s' is not a number",
                          text.n > 80 ? 80 : (int)text.n, text.p);
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    v = strtod(copy, &end);
    if (*end != '\0' || strchr(copy, '(') != NULL)
        return fw_err_set(err, FW_EINVAL, "'%s' is not a number", copy);
    *out = v;
    return FW_OK;
}

/* Days since 1970-01-01 of a civil date (proleptic Gregorian). */
static int64_t days_of_civil(int64_t y, int m, int d)
{
    int64_t era;
    int64_t yoe;
    int64_t doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_of_days(int64_t days, int64_t *y, int *m, int *d)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2);
}

/* Reads exactly `digits` digits; false if they are not there. */
static bool take_digits(struct fw_str *s, size_t digits, int *out)
{
    int v = 0;

    if (s->n < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    s->p += digits;
    s->n -= digits;
    *out = v;
    return true;
}

static bool take_char(struct fw_str *s, const char *any_of)
{
    if (s->n == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL)
        return false;
    s->p++;
    s->n--;
    return true;
}

static bool take_fraction(struct fw_str *s, int *ms)
{
    int scale = 100;

    *ms = 0;
    if (!take_char(s, "."))
        return true;
    if (s->n == 0 || s->p[0] < '0' || s->p[0] > '9')
        return false;
    for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->n--) {
        *ms += (s->p[0] - '0') * scale;
        scale /= 10;
    }
    return true;
}

static bool take_zone(struct fw_str *s, int *minutes)
{
    int sign;
    int h;
    int m;

    *minutes = 0;
    if (s->n == 0 || take_char(s, "Zz"))
        return true;
    sign = s->p[0] == '-' ? -1 : 1;
    if (!take_char(s, "+-") || !take_digits(s, 2, &h) || !take_char(s, ":") ||
        !take_digits(s, 2, &m) || h > 23 || m > 59)
        return false;
    *minutes = sign * (h * 60 + m);
    return true;
}

static int days_in_month(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return m == 2 && leap ? 29 : days[m - 1];
}

static bool parse_rfc3339(struct fw_str s, fw_ms *out)
{
    int y, mo, d, h = 0, mi = 0, sec = 0, ms = 0, zone = 0;

    if (!take_digits(&s, 4, &y) || !take_char(&s, "-") ||
        !take_digits(&s, 2, &mo) || !take_char(&s, "-") ||
        !take_digits(&s, 2, &d))
        return false;
    if (s.n > 0) {
        if (!take_char(&s, "Tt ") || !take_digits(&s, 2, &h) ||
            !take_char(&s, ":") || !take_digits(&s, 2, &mi))
            return false;
        if (take_char(&s, ":") &&
            (!take_digits(&s, 2, &sec) || !take_fraction(&s, &ms)))
            return false;
        if (!take_zone(&s, &zone))
            return false;
    }
    if (s.n > 0 || mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo) ||
        h > 23 || mi > 59 || sec > 60)
        return false;
    *out = days_of_civil(y, mo, d) * FW_DAY + h * FW_HOUR +
           (mi - zone) * FW_MINUTE + sec * FW_SECOND + ms;
    return true;
}

fw_rc fw_parse_time(struct fw_str text, fw_ms now, fw_ms *out,
                    struct fw_err *err)
{
    struct fw_str rest = text;
    fw_ms span;
    double seconds;

    if (rest.n >= 3 && memcmp(rest.p, "now", 3) == 0) {
        rest.p += 3;
        rest.n -= 3;
        if (rest.n == 0) {
            *out = now;
            return FW_OK;
        }
    }
    if (rest.n > 1 &&
        (rest.p[0] == '-' || (rest.p[0] == '+' && rest.n < text.n))) {
        struct fw_str amount = {rest.p + 1, rest.n - 1};

        if (fw_parse_duration(amount, &span, NULL) == FW_OK) {
            *out = rest.p[0] == '-' ? now - span : now + span;
            return FW_OK;
        }
    }
    if (rest.n == text.n && parse_rfc3339(text, out))
        return FW_OK;
    if (rest.n == text.n && fw_parse_double(text, &seconds, NULL) == FW_OK &&
        fabs(seconds) < 9.2e15) {
        *out = (fw_ms)llround(seconds * 1000.0);
        return FW_OK;
    }
    return fw_err_set(err, FW_EINVAL,
                      "'%.*s' is not a time; write now, -6h, epoch seconds, or "
                      "2026-11-23T05:00:00Z",
                      FW_STR_ARG(text));
}

char *fw_digits_before(char *end, uint64_t n)
{
    static const char pairs[] = "00010203040506070809"
                                "10111213141516171819"
                                "20212223242526272829"
                                "30313233343536373839"
                                "40414243444546474849"
                                "50515253545556575859"
                                "60616263646566676869"
                                "70717273747576777879"
                                "80818283848586878889"
                                "90919293949596979899";

    for (; n >= 100; n /= 100) {
        end -= 2;
        memcpy(end, pairs + 2 * (n % 100), 2);
    }
    if (n >= 10) {
        end -= 2;
        memcpy(end, pairs + 2 * n, 2);
    } else {
        *--end = (char)('0' + n);
    }
    return end;
}

/*
 * The shortest digits that read back as v > 0, without closing zeros:
 * d.ddd * 10^exponent. They end with `end`; returns where they begin.
 */
static char *shortest_before(char *end, double v, int *exponent)
{
    uint64_t number;
    char *digits;

    fw_shortest(v, &number, exponent);
    while (number % 10 == 0) {
        number /= 10;
        (*exponent)++;
    }
    digits = fw_digits_before(end, number);
    *exponent += (int)(end - digits) - 1;
    return digits;
}

/* An integer >= 0 as text; returns its length. */
static size_t put_integer(char *out, uint64_t n)
{
    char text[32];
    char *digits = fw_digits_before(text + sizeof(text), n);
    size_t length = (size_t)(text + sizeof(text) - digits);

    memcpy(out, digits, length);
    out[length] = '\0';
    return length;
}

static size_t layout_plain(char *out, const char *digits, int n, int exponent)
{
    size_t count = (size_t)n;
    size_t whole = exponent < 0 ? 0 : (size_t)exponent + 1;
    size_t at = 0;

    if (exponent < 0) {
        memcpy(out, "0.000000", 8); /* exponent is at least -6 */
        at = (size_t)(1 - exponent);
    } else if (whole < count) {
        memcpy(out, digits, whole);
        out[whole] = '.';
        at = whole + 1;
        digits += whole;
        count -= whole;
    }
    memcpy(out + at, digits, count);
    at += count;
    if (at < whole) {
        memset(out + at, '0', whole - at);
        at = whole;
    }
    out[at] = '\0';
    return at;
}

static size_t layout_exponent(char *out, const char *digits, int n,
                              int exponent)
{
    size_t at = 0;

    out[at++] = digits[0];
    if (n > 1) {
        out[at++] = '.';
        memcpy(out + at, digits + 1, (size_t)n - 1);
        at += (size_t)n - 1;
    }
    return at + (size_t)snprintf(out + at, 8, "e%c%02d",
                                 exponent < 0 ? '-' : '+', abs(exponent));
}

size_t fw_format_double(char out[FW_DOUBLE_TEXT_BYTES], double v)
{
    char text[32];
    char *end = text + sizeof(text);
    const char *digits;
    size_t sign = 0;
    int exponent;
    int n;

    if (isnan(v))
        return (size_t)snprintf(out, FW_DOUBLE_TEXT_BYTES, "NaN");
    if (isinf(v))
        return (size_t)snprintf(out, FW_DOUBLE_TEXT_BYTES,
                                v > 0 ? "+Inf" : "-Inf");
    if (signbit(v)) {
        out[sign++] = '-';
        v = -v;
    }
    if (v < 1e15 && v == (double)(int64_t)v) /* the common, cheap case */
        return sign + put_integer(out + sign, (uint64_t)v);
    digits = shortest_before(end, v, &exponent);
    n = (int)(end - digits);
    if (exponent < -6 || exponent >= 21)
        return sign + layout_exponent(out + sign, digits, n, exponent);
    return sign + layout_plain(out + sign, digits, n, exponent);
}

size_t fw_format_short(char out[FW_DOUBLE_TEXT_BYTES], double v, int digits)
{
    if (!isfinite(v))
        return fw_format_double(out, v);
    if (fabs(v) >= 1e15 || (v != 0 && fabs(v) < 1e-6))
        return (size_t)snprintf(out, FW_DOUBLE_TEXT_BYTES, "%.*e", digits - 1,
                                v);
    if (fabs(v) >= pow(10, digits))
        return (size_t)snprintf(out, FW_DOUBLE_TEXT_BYTES, "%.0f", v);
    return (size_t)snprintf(out, FW_DOUBLE_TEXT_BYTES, "%.*g", digits, v);
}

static size_t put_time(char out[FW_TIME_TEXT_BYTES], fw_ms t, bool parts)
{
    fw_ms ms = ((t % FW_DAY) + FW_DAY) % FW_DAY;
    int64_t days = t / FW_DAY - (t % FW_DAY < 0 ? 1 : 0);
    int64_t y;
    int m;
    int d;
    int n;

    civil_of_days(days, &y, &m, &d);
    n = snprintf(out, FW_TIME_TEXT_BYTES, "%04lld-%02d-%02dT%02d:%02d:%02d",
                 (long long)y, m, d, (int)(ms / FW_HOUR),
                 (int)(ms / FW_MINUTE % 60), (int)(ms / FW_SECOND % 60));
    if (parts)
        n += snprintf(out + n, FW_TIME_TEXT_BYTES - (size_t)n, ".%03d",
                      (int)(ms % FW_SECOND));
    n += snprintf(out + n, FW_TIME_TEXT_BYTES - (size_t)n, "Z");
    return (size_t)n;
}

size_t fw_format_time(char out[FW_TIME_TEXT_BYTES], fw_ms t)
{
    return put_time(out, t, t % FW_SECOND != 0);
}

size_t fw_format_second(char out[FW_TIME_TEXT_BYTES], fw_ms t)
{
    return put_time(out, t, false);
}

size_t fw_format_duration(char out[FW_DURATION_TEXT_BYTES], fw_ms span)
{
    uint64_t left = span < 0 ? 0 - (uint64_t)span : (uint64_t)span;
    size_t at = 0;

    if (span == 0)
        return (size_t)snprintf(out, FW_DURATION_TEXT_BYTES, "0s");
    if (span < 0)
        out[at++] = '-';
    for (size_t u = 0; u < UNIT_COUNT; u++) {
        uint64_t unit = (uint64_t)units[u].ms;

        /* Years and weeks only where they say it all, as Prometheus does. */
        if (left < unit || (u < 2 && left % unit != 0))
            continue;
        at +=
            (size_t)snprintf(out + at, FW_DURATION_TEXT_BYTES - at, "%llu%s",
                             (unsigned long long)(left / unit), units[u].name);
        left %= unit;
    }
    return at;
}

/* "3h 20m"; the smaller unit only where there is any of it. */
static size_t two_units(char *out, const char *sign, long long large,
                        char large_unit, long long small, char small_unit)
{
    if (small == 0)
        return (size_t)snprintf(out, FW_DURATION_TEXT_BYTES, "%s%lld%c", sign,
                                large, large_unit);
    return (size_t)snprintf(out, FW_DURATION_TEXT_BYTES, "%s%lld%c %lld%c",
                            sign, large, large_unit, small, small_unit);
}

size_t fw_format_span(char out[FW_DURATION_TEXT_BYTES], fw_ms span)
{
    const char *sign = span < 0 ? "-" : "";
    long long s = (long long)(span < 0 ? -(span / 1000) : span / 1000);
    size_t max = FW_DURATION_TEXT_BYTES;

    if (s >= 365LL * 86400 * 2)
        return (size_t)snprintf(out, max, "%s%.1f years", sign,
                                (double)s / (365.25 * 86400));
    if (s >= 86400)
        return two_units(out, sign, s / 86400, 'd', s % 86400 / 3600, 'h');
    if (s >= 3600)
        return two_units(out, sign, s / 3600, 'h', s % 3600 / 60, 'm');
    if (s >= 120)
        return two_units(out, sign, s / 60, 'm', s % 60, 's');
    if (s >= 1 || span == 0)
        return (size_t)snprintf(out, max, "%s%lld s", sign, s);
    return (size_t)snprintf(out, max, "%lld ms", (long long)span);
}

#define NEAREST_MAX_BYTES 64

/* Levenshtein's distance over bytes, one row at a time. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[NEAREST_MAX_BYTES + 1];

    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = best < change ? best : change;
        }
    }
    return row[nb];
}

const char *fw_nearest(const char *word, const char *const *candidates,
                       size_t n)
{
    size_t len = strlen(word);
    size_t best = len / 3 + 2; /* one past the farthest that is still near */
    const char *found = NULL;

    if (len > NEAREST_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        size_t distance;

        if (other > NEAREST_MAX_BYTES)
            continue;
        distance = edit_distance(word, len, candidates[i], other);
        if (distance < best && distance < other) {
            best = distance;
            found = candidates[i];
        }
    }
    return found;
}
