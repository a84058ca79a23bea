/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_test_values.c - the short hand for samples in tests of rules:
 *
 *     5        one sample         _        none at this step
 *     5x3      5 5 5 5            _x3      three steps without
 *     5+2x3    5 7 9 11           stale    the stale marker
 *     5-2x3    5 3 1 -1           NaN Inf -Inf 0x1F 1e3
 */
#include <ctype.h>
#include <string.h>

#include "server/rules/rule_test.h"

#define MAX_VALUES 10000000

/* Where the number at p ends: digits, a point, an exponent, hex, Inf, NaN. */
static size_t number_length(const char *p, size_t n)
{
    size_t i = 0;
    bool hex;

    if (i < n && (p[i] == '+' || p[i] == '-'))
        i++;
    if (n - i >= 3 && isalpha((unsigned char)p[i])) {
        size_t from = i;

        while (i < n && isalpha((unsigned char)p[i]) && p[i] != 'x')
            i++;
        return i - from >= 3 ? i : 0;
    }
    hex = n - i > 2 && p[i] == '0' && (p[i + 1] == 'x' || p[i + 1] == 'X') &&
          isxdigit((unsigned char)p[i + 2]) && p[i + 1] == 'X';
    if (hex)
        i += 2;
    while (i < n &&
           (hex ? isxdigit((unsigned char)p[i])
                : isdigit((unsigned char)p[i]) || p[i] == '.' || p[i] == '_'))
        i++;
    if (!hex && i < n && (p[i] == 'e' || p[i] == 'E')) {
        size_t e = i + 1;

        if (e < n && (p[e] == '+' || p[e] == '-'))
            e++;
        if (e < n && isdigit((unsigned char)p[e])) {
            while (e < n && isdigit((unsigned char)p[e]))
                e++;
            i = e;
        }
    }
    return i;
}

static fw_rc wrong(struct fw_str word, struct fw_err *err)
{
    return fw_err_set(err, FW_EINVAL,
                      "'%.*s' is no value: write 5, 5x3, 5+2x3, 5-2x3, _, "
                      "_x3 or stale",
                      (int)(word.n > 60 ? 60 : word.n), word.p);
}

/* "x12" at the end of a word. */
static bool read_times(struct fw_str text, uint64_t *out)
{
    uint64_t n = 0;

    if (text.n < 2 || text.p[0] != 'x')
        return false;
    for (size_t i = 1; i < text.n; i++) {
        if (!isdigit((unsigned char)text.p[i]) || n > MAX_VALUES)
            return false;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    *out = n;
    return n <= MAX_VALUES;
}

static struct fw_str rest_of(struct fw_str text, size_t n)
{
    return (struct fw_str){text.p + n, text.n - n};
}

struct values {
    fw_ms t, interval;
    rule_test_value each;
    void *self;
};

static fw_rc put(struct values *s, double v, struct fw_err *err)
{
    fw_rc rc = s->each(s->self, s->t, v, err);

    s->t += s->interval;
    return rc;
}

static fw_rc put_stale(struct values *s, struct fw_err *err)
{
    uint64_t bits = FW_STALE_BITS;
    double v;

    memcpy(&v, &bits, sizeof(v));
    return put(s, v, err);
}

static fw_rc put_word(struct values *s, struct fw_str word, struct fw_err *err)
{
    struct fw_str rest;
    double first = 0, step = 0;
    uint64_t times = 0;
    size_t n;
    fw_rc rc = FW_OK;

    if (fw_str_eq(word, FW_STR("stale")))
        return put_stale(s, err);
    if (word.p[0] == '_' &&
        (word.n == 1 || read_times(rest_of(word, 1), &times))) {
        s->t += s->interval * (fw_ms)(word.n == 1 ? 1 : times);
        return FW_OK;
    }
    if (word.p[0] == '{')
        return fw_err_set(err, FW_EINVAL,
                          "native histograms are not taken yet");
    n = number_length(word.p, word.n);
    if (n == 0 ||
        fw_parse_double((struct fw_str){word.p, n}, &first, NULL) != FW_OK)
        return wrong(word, err);
    rest = rest_of(word, n);
    if (rest.n == 0)
        return put(s, first, err);
    if (rest.p[0] == '+' || rest.p[0] == '-') {
        n = number_length(rest.p, rest.n);
        if (n == 0 ||
            fw_parse_double((struct fw_str){rest.p, n}, &step, NULL) != FW_OK)
            return wrong(word, err);
        rest = rest_of(rest, n);
    }
    if (!read_times(rest, &times))
        return wrong(word, err);
    for (uint64_t i = 0; rc == FW_OK && i <= times; i++) {
        rc = put(s, first, err);
        first += step;
    }
    return rc;
}

fw_rc rule_test_values(struct fw_str text, fw_ms interval, rule_test_value each,
                       void *self, struct fw_err *err)
{
    struct values s = {0, interval, each, self};
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < text.n;) {
        size_t from = i;

        while (i < text.n && !isspace((unsigned char)text.p[i]))
            i++;
        if (i > from)
            rc = put_word(&s, (struct fw_str){text.p + from, i - from}, err);
        else
            i++;
    }
    return rc;
}
