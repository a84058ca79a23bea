/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_text.c - values as Go's fmt prints them: %v, Sprintf, %.4g.
 *
 * Most texts of alerts end in a number, and people compare them with what
 * Prometheus sent the week before; so the forms are Go's to the letter.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/rules/template_tree.h"

#define MAX_WIDTH 1000

bool tv_true(const struct tv *v)
{
    switch (v->kind) {
    case TV_BOOL:
        return v->b;
    case TV_INT:
    case TV_SPAN:
        return v->i != 0;
    case TV_FLOAT:
        return v->f != 0; /* NaN is true in Go too */
    case TV_TEXT:
        return v->s.n > 0;
    case TV_LABELS:
        return v->labels.n > 0;
    case TV_ARGS:
        return v->args.n > 0;
    case TV_SAMPLES:
        return v->samples.n > 0;
    case TV_SAMPLE:
    case TV_DATA:
    case TV_TIME:
        return true;
    case TV_NONE:
    case TV_NIL:
        break;
    }
    return false;
}

const char *tv_type_name(const struct tv *v)
{
    static const char *const names[] = {
        [TV_NONE] = "<nil>",
        [TV_NIL] = "<nil>",
        [TV_BOOL] = "bool",
        [TV_INT] = "int",
        [TV_FLOAT] = "float64",
        [TV_TEXT] = "string",
        [TV_LABELS] = "map[string]string",
        [TV_ARGS] = "map[string]interface {}",
        [TV_SAMPLES] = "template.queryResult",
        [TV_SAMPLE] = "*template.sample",
        [TV_DATA] = ("struct { Labels map[string]string; ExternalLabels "
                     "map[string]string; ExternalURL string; Value float64 }"),
        [TV_TIME] = "*time.Time",
        [TV_SPAN] = "time.Duration",
    };

    return names[v->kind];
}

fw_rc tv_keep(struct fw_arena *arena, const struct fw_buf *text, struct tv *out,
              struct fw_err *err)
{
    char *copy =
        fw_arena_strndup(arena, text->len > 0 ? text->data : "", text->len);

    if (copy == NULL)
        return fw_arena_err(arena, err);
    *out = tv_text((struct fw_str){copy, text->len});
    return FW_OK;
}

/* ---- numbers ---- */

/* "NaN", "+Inf", "-Inf", or NULL for a finite number. */
static const char *odd_number(double v)
{
    if (isnan(v))
        return "NaN";
    return isinf(v) ? v > 0 ? "+Inf" : "-Inf" : NULL;
}

/* Go writes at least two digits of exponent, as C does. */
fw_rc tv_add_4g(struct fw_buf *out, double v)
{
    const char *odd = odd_number(v);

    return odd != NULL ? fw_buf_adds(out, odd) : fw_buf_printf(out, "%.4g", v);
}

/* The fewest digits that read back as v, in %e form; returns their count. */
static int shortest(char out[40], double v)
{
    for (int digits = 0; digits < 17; digits++) {
        (void)snprintf(out, 40, "%.*e", digits, v);
        if (strtod(out, NULL) == v)
            return digits;
    }
    return 16;
}

/* strconv.FormatFloat(v, 'g', -1, 64): %e below 1e-4 and from 1e6 on. */
static fw_rc add_g(struct fw_buf *out, double v)
{
    const char *odd = odd_number(v);
    char text[40];
    int digits, exponent;

    if (odd != NULL)
        return fw_buf_adds(out, odd);
    digits = shortest(text, v);
    exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 6)
        return fw_buf_adds(out, text);
    return fw_buf_printf(out, "%.*f", digits > exponent ? digits - exponent : 0,
                         v);
}

static fw_rc add_time(struct fw_buf *out, fw_ms t)
{
    char text[FW_TIME_TEXT_BYTES];
    char fraction[8] = "";
    int ms = (int)(((t % 1000) + 1000) % 1000);

    (void)fw_format_time(text, t - ms);
    if (ms > 0) {
        (void)snprintf(fraction, sizeof(fraction), ".%03d", ms);
        for (size_t n = strlen(fraction); fraction[n - 1] == '0'; n--)
            fraction[n - 1] = '\0';
    }
    return fw_buf_printf(out, "%.10s %.8s%s +0000 UTC", text, text + 11,
                         fraction);
}

/* time.Duration.String(): "1h2m3.5s", "0s", "1.5ms". */
static fw_rc add_span(struct fw_buf *out, int64_t ns)
{
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    const char *sign = ns < 0 ? "-" : "";
    uint64_t minutes = u / 60000000000u;
    fw_rc rc;

    if (u == 0)
        return fw_buf_adds(out, "0s");
    if (u < 1000000000u) {
        const char *unit = u < 1000 ? "ns" : u < 1000000 ? "\u00b5s" : "ms";
        double per = u < 1000 ? 1 : u < 1000000 ? 1e3 : 1e6;

        rc = fw_buf_adds(out, sign);
        if (rc == FW_OK)
            rc = add_g(out, (double)u / per);
        return rc == FW_OK ? fw_buf_adds(out, unit) : rc;
    }
    rc = fw_buf_adds(out, sign);
    if (rc == FW_OK && minutes >= 60)
        rc = fw_buf_printf(out, "%lluh", (unsigned long long)(minutes / 60));
    if (rc == FW_OK && minutes > 0)
        rc = fw_buf_printf(out, "%llum", (unsigned long long)(minutes % 60));
    if (rc == FW_OK)
        rc = add_g(out, (double)(u % 60000000000u) / 1e9);
    return rc == FW_OK ? fw_buf_addc(out, 's') : rc;
}

/* ---- %v ---- */

static fw_rc add_map(struct fw_buf *out, const struct fw_labels *labels)
{
    fw_rc rc = fw_buf_adds(out, "map[");

    for (size_t i = 0; rc == FW_OK && i < labels->n; i++)
        rc = fw_buf_printf(out, "%s%.*s:%.*s", i > 0 ? " " : "",
                           FW_STR_ARG(labels->v[i].name),
                           FW_STR_ARG(labels->v[i].value));
    return rc == FW_OK ? fw_buf_addc(out, ']') : rc;
}

static fw_rc add_sample(struct fw_buf *out, const struct tv_sample *sample)
{
    fw_rc rc = fw_buf_adds(out, "{");

    if (rc == FW_OK)
        rc = add_map(out, &sample->labels);
    if (rc == FW_OK)
        rc = fw_buf_addc(out, ' ');
    if (rc == FW_OK)
        rc = add_g(out, sample->value);
    return rc == FW_OK ? fw_buf_addc(out, '}') : rc;
}

static fw_rc add_args(struct fw_buf *out, const struct tv *v)
{
    fw_rc rc = fw_buf_adds(out, "map[");

    for (size_t i = 0; rc == FW_OK && i < v->args.n; i++) {
        rc = fw_buf_printf(out, "%sarg%zu:", i > 0 ? " " : "", i);
        if (rc == FW_OK)
            rc = tv_print(out, &v->args.v[i]);
    }
    return rc == FW_OK ? fw_buf_addc(out, ']') : rc;
}

fw_rc tv_print(struct fw_buf *out, const struct tv *v)
{
    fw_rc rc = FW_OK;

    switch (v->kind) {
    case TV_NONE:
        return fw_buf_adds(out, "<no value>");
    case TV_NIL:
        return fw_buf_adds(out, "<nil>");
    case TV_BOOL:
        return fw_buf_adds(out, v->b ? "true" : "false");
    case TV_INT:
        return fw_buf_printf(out, "%lld", (long long)v->i);
    case TV_FLOAT:
        return add_g(out, v->f);
    case TV_TEXT:
        return fw_buf_add(out, v->s.p, v->s.n);
    case TV_LABELS:
        return add_map(out, &v->labels);
    case TV_TIME:
        return add_time(out, v->i);
    case TV_SPAN:
        return add_span(out, v->i);
    case TV_SAMPLE:
        return add_sample(out, v->sample);
    case TV_ARGS:
        return add_args(out, v);
    case TV_DATA:
        return fw_buf_adds(out, "{}");
    case TV_SAMPLES:
        break;
    }
    rc = fw_buf_addc(out, '[');
    for (size_t i = 0; rc == FW_OK && i < v->samples.n; i++) {
        if (i > 0)
            rc = fw_buf_addc(out, ' ');
        if (rc == FW_OK)
            rc = add_sample(out, &v->samples.v[i]);
    }
    return rc == FW_OK ? fw_buf_addc(out, ']') : rc;
}

/* ---- Sprintf ---- */

struct verb {
    bool minus, plus, sharp, space, zero;
    int width, precision; /* -1: none */
    char letter;
};

static fw_rc add_padded(struct fw_buf *out, const struct verb *verb,
                        const char *text, size_t n, bool number)
{
    size_t columns = fw_utf8_columns(text, n);
    size_t pad = verb->width > 0 && (size_t)verb->width > columns
                     ? (size_t)verb->width - columns
                     : 0;
    bool zero = verb->zero && !verb->minus && number;
    fw_rc rc = FW_OK;

    if (zero && n > 0 && (*text == '-' || *text == '+') && pad > 0) {
        rc = fw_buf_addc(out, *text);
        text++;
        n--;
    }
    for (size_t i = 0; rc == FW_OK && !verb->minus && i < pad; i++)
        rc = fw_buf_addc(out, zero ? '0' : ' ');
    if (rc == FW_OK)
        rc = fw_buf_add(out, text, n);
    for (size_t i = 0; rc == FW_OK && verb->minus && i < pad; i++)
        rc = fw_buf_addc(out, ' ');
    return rc;
}

static fw_rc add_bad(struct fw_buf *out, const struct verb *verb,
                     const struct tv *v)
{
    fw_rc rc = fw_buf_printf(out, "%%!%c(%s=", verb->letter, tv_type_name(v));

    if (rc == FW_OK)
        rc = tv_print(out, v);
    return rc == FW_OK ? fw_buf_addc(out, ')') : rc;
}

static fw_rc add_float(struct fw_buf *out, const struct verb *verb, double v)
{
    struct fw_buf text = FW_BUF_INIT(4096);
    const char *odd = odd_number(v);
    struct verb plain = *verb;
    char letter = verb->letter == 'v' ? 'g' : verb->letter;
    fw_rc rc = FW_OK;

    if (odd != NULL) {
        rc = fw_buf_adds(&text, odd);
        plain.zero = false;
    } else {
        if (v >= 0 && !signbit(v) && (verb->plus || verb->space))
            rc = fw_buf_addc(&text, verb->plus ? '+' : ' ');
        if (rc == FW_OK && (letter == 'g' || letter == 'G') &&
            verb->precision < 0)
            rc = add_g(&text, v);
        else if (rc == FW_OK)
            switch (letter) {
            case 'e':
                rc =
                    fw_buf_printf(&text, "%.*e",
                                  verb->precision < 0 ? 6 : verb->precision, v);
                break;
            case 'E':
                rc =
                    fw_buf_printf(&text, "%.*E",
                                  verb->precision < 0 ? 6 : verb->precision, v);
                break;
            case 'g':
                rc = fw_buf_printf(&text, "%.*g", verb->precision, v);
                break;
            case 'G':
                rc = fw_buf_printf(&text, "%.*G", verb->precision, v);
                break;
            default:
                rc =
                    fw_buf_printf(&text, "%.*f",
                                  verb->precision < 0 ? 6 : verb->precision, v);
            }
    }
    if (rc == FW_OK)
        rc = add_padded(out, &plain, text.data != NULL ? text.data : "",
                        text.len, true);
    fw_buf_release(&text);
    return rc;
}

static fw_rc add_int(struct fw_buf *out, const struct verb *verb, int64_t v)
{
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    const char *sign = v < 0 ? "-" : verb->plus ? "+" : verb->space ? " " : "";
    char text[96];
    int n = 0;

    switch (verb->letter) {
    case 'x':
        n = snprintf(text, sizeof(text), "%s%s%llx", sign,
                     verb->sharp ? "0x" : "", (unsigned long long)u);
        break;
    case 'X':
        n = snprintf(text, sizeof(text), "%s%s%llX", sign,
                     verb->sharp ? "0X" : "", (unsigned long long)u);
        break;
    case 'o':
        n = snprintf(text, sizeof(text), "%s%llo", sign, (unsigned long long)u);
        break;
    case 'b':
        n = snprintf(text, sizeof(text), "%s", sign);
        for (int bit = 63, begun = 0; bit >= 0; bit--) {
            begun |= (int)(u >> bit & 1) | (bit == 0);
            if (begun)
                text[n++] = (char)('0' + (u >> bit & 1));
        }
        break;
    default:
        n = snprintf(text, sizeof(text), "%s%llu", sign, (unsigned long long)u);
    }
    return add_padded(out, verb, text, (size_t)n, true);
}

static fw_rc add_quoted(struct fw_buf *out, struct fw_str s)
{
    fw_rc rc = fw_buf_addc(out, '"');

    for (size_t i = 0; rc == FW_OK && i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            rc = fw_buf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            rc = fw_buf_printf(out, "\\%c",
                               c == '\n'   ? 'n'
                               : c == '\t' ? 't'
                                           : 'r');
        else if (c < ' ' || c == 0x7f)
            rc = fw_buf_printf(out, "\\x%02x", c);
        else
            rc = fw_buf_addc(out, (char)c);
    }
    return rc == FW_OK ? fw_buf_addc(out, '"') : rc;
}

static fw_rc add_hex(struct fw_buf *out, const struct verb *verb,
                     struct fw_str s)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < s.n; i++)
        rc = fw_buf_printf(out, verb->letter == 'x' ? "%02x" : "%02X",
                           (unsigned char)s.p[i]);
    return rc;
}

/* The first `n` characters of a text. */
static struct fw_str cut(struct fw_str s, int n)
{
    size_t at = 0;
    uint32_t cp;

    while (n-- > 0 && at < s.n)
        at += fw_utf8_next(s.p + at, s.n - at, &cp);
    return (struct fw_str){s.p, at};
}

static fw_rc add_text(struct fw_buf *out, const struct verb *verb,
                      struct fw_str s)
{
    struct fw_buf text = FW_BUF_INIT(TEMPLATE_MAX_OUTPUT);
    fw_rc rc;

    if (verb->precision >= 0)
        s = cut(s, verb->precision);
    if (verb->letter == 'x' || verb->letter == 'X')
        rc = add_hex(&text, verb, s);
    else if (verb->letter == 'q' || (verb->letter == 'v' && verb->sharp))
        rc = add_quoted(&text, s);
    else
        rc = fw_buf_add(&text, s.p, s.n);
    if (rc == FW_OK)
        rc = add_padded(out, verb, text.len > 0 ? text.data : "", text.len,
                        false);
    fw_buf_release(&text);
    return rc;
}

static fw_rc add_other(struct fw_buf *out, const struct verb *verb,
                       const struct tv *v)
{
    struct fw_buf text = FW_BUF_INIT(TEMPLATE_MAX_OUTPUT);
    fw_rc rc = tv_print(&text, v);

    if (rc == FW_OK)
        rc = add_padded(out, verb, text.len > 0 ? text.data : "", text.len,
                        false);
    fw_buf_release(&text);
    return rc;
}

static fw_rc add_verb(struct fw_buf *out, const struct verb *verb,
                      const struct tv *v)
{
    if (verb->letter == 'T')
        return fw_buf_adds(out, tv_type_name(v));
    switch (v->kind) {
    case TV_FLOAT:
        if (strchr("vgGeEfF", verb->letter) != NULL)
            return add_float(out, verb, v->f);
        break;
    case TV_INT:
        if (verb->letter == 'c') {
            struct fw_buf one = FW_BUF_INIT(16);
            fw_rc rc = fw_buf_addc(&one, (char)v->i);

            if (rc == FW_OK)
                rc = add_padded(out, verb, one.data, one.len, false);
            fw_buf_release(&one);
            return rc;
        }
        if (strchr("vdxXob", verb->letter) != NULL)
            return add_int(out, verb, v->i);
        break;
    case TV_TEXT:
        if (strchr("vsqxX", verb->letter) != NULL)
            return add_text(out, verb, v->s);
        break;
    case TV_BOOL:
        if (strchr("vt", verb->letter) != NULL)
            return add_other(out, verb, v);
        break;
    case TV_TIME:
    case TV_SPAN:
    case TV_LABELS:
    case TV_SAMPLES:
    case TV_SAMPLE:
        if (strchr("vs", verb->letter) != NULL)
            return add_other(out, verb, v);
        break;
    default:
        if (verb->letter == 'v')
            return fw_buf_adds(out, "<nil>");
        return fw_buf_printf(out, "%%!%c(<nil>)", verb->letter);
    }
    return add_bad(out, verb, v);
}

static int take_int(const char **p, const char *end)
{
    int n = -1;

    for (; *p < end && isdigit((unsigned char)**p); (*p)++)
        if (n < MAX_WIDTH)
            n = (n < 0 ? 0 : n) * 10 + (**p - '0');
    return n > MAX_WIDTH ? MAX_WIDTH : n;
}

static const char *take_flags(const char *p, const char *end, struct verb *verb)
{
    for (; p < end; p++) {
        if (*p == '-')
            verb->minus = true;
        else if (*p == '+')
            verb->plus = true;
        else if (*p == '#')
            verb->sharp = true;
        else if (*p == ' ')
            verb->space = true;
        else if (*p == '0')
            verb->zero = true;
        else
            break;
    }
    return p;
}

/* "*" takes the next argument; otherwise digits. */
static int take_size(const char **p, const char *end, const struct tv *args,
                     size_t n, size_t *used)
{
    int size;

    if (*p < end && **p == '*') {
        (*p)++;
        if (*used < n && args[*used].kind == TV_INT &&
            args[*used].i >= -MAX_WIDTH && args[*used].i <= MAX_WIDTH) {
            size = (int)args[(*used)++].i;
            return size;
        }
        return -1;
    }
    return take_int(p, end);
}

static fw_rc add_extra(struct fw_buf *out, const struct tv *args, size_t n,
                       size_t used)
{
    fw_rc rc = fw_buf_adds(out, "%!(EXTRA ");

    for (size_t i = used; rc == FW_OK && i < n; i++) {
        rc = fw_buf_printf(out, "%s%s=", i > used ? ", " : "",
                           tv_type_name(&args[i]));
        if (rc == FW_OK)
            rc = tv_print(out, &args[i]);
    }
    return rc == FW_OK ? fw_buf_addc(out, ')') : rc;
}

fw_rc tv_printf(struct fw_buf *out, struct fw_str format, const struct tv *args,
                size_t n)
{
    const char *p = format.p, *end = format.p + format.n;
    size_t used = 0;
    fw_rc rc = FW_OK;

    while (rc == FW_OK && p < end) {
        struct verb verb = {.width = -1, .precision = -1};

        if (*p != '%') {
            rc = fw_buf_addc(out, *p++);
            continue;
        }
        p = take_flags(p + 1, end, &verb);
        verb.width = take_size(&p, end, args, n, &used);
        if (p < end && *p == '.') {
            p++;
            verb.precision = take_size(&p, end, args, n, &used);
            if (verb.precision < 0)
                verb.precision = 0;
        }
        if (p >= end)
            return fw_buf_adds(out, "%!(NOVERB)");
        verb.letter = *p++;
        if (verb.letter == '%')
            rc = fw_buf_addc(out, '%');
        else if (used >= n)
            rc = fw_buf_printf(out, "%%!%c(MISSING)", verb.letter);
        else
            rc = add_verb(out, &verb, &args[used++]);
    }
    return rc == FW_OK && used < n ? add_extra(out, args, n, used) : rc;
}
