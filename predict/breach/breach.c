/* SPDX-License-Identifier: GPL-3.0-or-later */
/* breach.c - "> 90" and back. */
#include <math.h>
#include <stdio.h>

#include "predict/predict.h"

static void skip_spaces(struct fw_str *s)
{
    while (s->n > 0 && (*s->p == ' ' || *s->p == '\t')) {
        s->p++;
        s->n--;
    }
}

/* The comparison; `rest` is what stands behind it. */
static fw_rc take_side(struct fw_str text, struct fw_breach *b,
                       struct fw_str *out, struct fw_err *err)
{
    struct fw_str rest = text;

    skip_spaces(&rest);
    while (rest.n > 0 &&
           (rest.p[rest.n - 1] == ' ' || rest.p[rest.n - 1] == '\t'))
        rest.n--;
    if (rest.n == 0 || (*rest.p != '>' && *rest.p != '<'))
        return fw_err_set(err, FW_EINVAL,
                          "a limit begins with >, >=, < or <=, as in '> 90': "
                          "'%.*s' does not",
                          FW_STR_ARG(text));
    b->side = *rest.p == '>' ? FW_ABOVE : FW_BELOW;
    rest.p++;
    rest.n--;
    if (rest.n > 0 && *rest.p == '=') {
        b->or_equal = true;
        rest.p++;
        rest.n--;
    }
    skip_spaces(&rest);
    *out = rest;
    return FW_OK;
}

/* "90", "0x5a", "1e9" and, as people say it, "950GB". */
static bool number(struct fw_str text, double *out)
{
    if (fw_parse_double(text, out, NULL) == FW_OK)
        return isfinite(*out);
    return fw_amount_parse(text, out, NULL) == FW_OK;
}

fw_rc fw_breach_parse(struct fw_str text, struct fw_breach *out,
                      struct fw_err *err)
{
    struct fw_breach b = {0};
    struct fw_str rest;
    fw_rc rc = take_side(text, &b, &rest, err);

    if (rc != FW_OK)
        return rc;
    if (!number(rest, &b.limit))
        return fw_err_set(err, FW_EINVAL,
                          "the limit '%.*s' lacks a finite number after the "
                          "comparison, as in '> 90'",
                          FW_STR_ARG(text));
    *out = b;
    return FW_OK;
}

fw_rc fw_breach_parse_limit(struct fw_str text, struct fw_breach *out,
                            struct fw_str *expr, struct fw_err *err)
{
    struct fw_breach b = {0};
    struct fw_str rest;
    fw_rc rc = take_side(text, &b, &rest, err);
    double limit;

    if (rc != FW_OK)
        return rc;
    if (rest.n == 0 || fw_parse_double(rest, &limit, NULL) == FW_OK ||
        number(rest, &limit)) {
        *expr = FW_STR("");
        return fw_breach_parse(text, out, err);
    }
    *expr = rest;
    *out = b;
    return FW_OK;
}

void fw_breach_print(const struct fw_breach *breach, char *out)
{
    char number[FW_DOUBLE_TEXT_BYTES];

    (void)fw_format_double(number, breach->limit);
    (void)snprintf(out, FW_DOUBLE_TEXT_BYTES + 8, "%s%s %s",
                   breach->side == FW_ABOVE ? ">" : "<",
                   breach->or_equal ? "=" : "", number);
}

const char *fw_verdict_name(enum fw_verdict verdict)
{
    static const char *const names[] = {
        "cannot tell",        "flat",   "trend",    "seasonal",
        "trend with seasons", "step",   "sawtooth", "reset",
        "saturating",         "bursty", "noisy"};

    return (size_t)verdict < sizeof(names) / sizeof(*names) ? names[verdict]
                                                            : "?";
}

const char *fw_reason_name(enum fw_reason reason)
{
    static const char *const names[] = {"none", "too short", "stale", "gaps",
                                        "not finite"};

    return (size_t)reason < sizeof(names) / sizeof(*names) ? names[reason]
                                                           : "?";
}
