/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_number.c - numbers and times as people read them: what Prometheus
 * adds to Go's functions [prometheus/template/template.go].
 */
#include <math.h>

#include "server/rules/template_func.h"

/* As Prometheus's convertToFloat(). */
static fw_rc to_float(const struct tv *v, double *out, struct fw_err *err)
{
    if (v->kind == TV_FLOAT)
        *out = v->f;
    else if (v->kind == TV_INT)
        *out = (double)v->i;
    else if (v->kind == TV_SPAN)
        *out = (double)v->i / 1e9;
    else if (v->kind == TV_TEXT) {
        if (fw_parse_double(v->s, out, NULL) != FW_OK)
            return fw_err_set(err, FW_EINVAL,
                              "strconv.ParseFloat: parsing \"%.*s\": invalid "
                              "syntax",
                              FW_STR_ARG(v->s));
    } else {
        return fw_err_set(err, FW_EINVAL, "can't convert %s to float",
                          tv_type_name(v));
    }
    return FW_OK;
}

/* ---- numbers for people ---- */

static fw_rc add_scaled(struct fw_buf *text, double v, double by,
                        const char *const *prefixes, bool small,
                        const char *unit)
{
    const char *prefix = "";
    fw_rc rc;

    for (; *prefixes != NULL; prefixes++) {
        if (small ? fabs(v) >= 1 : fabs(v) < by)
            break;
        prefix = *prefixes;
        v = small ? v * by : v / by;
    }
    rc = tv_add_4g(text, v);
    if (rc == FW_OK)
        rc = fw_buf_adds(text, prefix);
    return rc == FW_OK ? fw_buf_adds(text, unit) : rc;
}

static const char *const large[] = {"k", "M", "G", "T", "P",
                                    "E", "Z", "Y", NULL};
static const char *const small[] = {"m", "u", "n", "p", "f",
                                    "a", "z", "y", NULL};
static const char *const binary[] = {"ki", "Mi", "Gi", "Ti", "Pi",
                                     "Ei", "Zi", "Yi", NULL};

CALL(humanize)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    if (rc != FW_OK)
        return rc;
    if (v == 0 || !isfinite(v))
        rc = tv_add_4g(&text, v);
    else if (fabs(v) >= 1)
        rc = add_scaled(&text, v, 1000, large, false, "");
    else
        rc = add_scaled(&text, v, 1000, small, true, "");
    return template_keep(run, &text, rc, out, err);
}

CALL(humanize1024)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    if (rc != FW_OK)
        return rc;
    if (fabs(v) <= 1 || !isfinite(v))
        rc = tv_add_4g(&text, v);
    else
        rc = add_scaled(&text, v, 1024, binary, false, "");
    return template_keep(run, &text, rc, out, err);
}

static fw_rc add_long_span(struct fw_buf *text, double v)
{
    const char *sign = v < 0 ? "-" : "";
    long long d;
    fw_rc rc;

    v = fabs(v);
    if (v >= 9.2e18) /* int64(v) is the least number in Go */
        v = 9.2e18;
    d = (long long)v;
    if (d >= 86400)
        return fw_buf_printf(text, "%s%lldd %lldh %lldm %llds", sign, d / 86400,
                             d / 3600 % 24, d / 60 % 60, d % 60);
    if (d >= 3600)
        return fw_buf_printf(text, "%s%lldh %lldm %llds", sign, d / 3600,
                             d / 60 % 60, d % 60);
    if (d >= 60)
        return fw_buf_printf(text, "%s%lldm %llds", sign, d / 60, d % 60);
    rc = fw_buf_adds(text, sign);
    if (rc == FW_OK)
        rc = tv_add_4g(text, v);
    return rc == FW_OK ? fw_buf_addc(text, 's') : rc;
}

CALL(humanize_duration)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    if (rc != FW_OK)
        return rc;
    if (!isfinite(v))
        rc = tv_add_4g(&text, v);
    else if (v == 0)
        rc = fw_buf_adds(&text, "0s");
    else if (fabs(v) >= 1)
        rc = add_long_span(&text, v);
    else
        rc = add_scaled(&text, v, 1000, small, true, "s");
    return template_keep(run, &text, rc, out, err);
}

CALL(humanize_percentage)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    if (rc != FW_OK)
        return rc;
    rc = tv_add_4g(&text, v * 100);
    if (rc == FW_OK)
        rc = fw_buf_addc(&text, '%');
    return template_keep(run, &text, rc, out, err);
}

static fw_rc to_time_of(double v, fw_ms *out, struct fw_err *err)
{
    if (!(fabs(v) < 9.2e15))
        return fw_err_set(err, FW_EINVAL,
                          "%g cannot be represented as a nanoseconds timestamp "
                          "since it overflows int64",
                          v);
    *out = (fw_ms)floor(v * 1000 + 0.5e-6);
    return FW_OK;
}

CALL(humanize_timestamp)
{
    struct fw_buf text = TEXT_BUF;
    struct tv when = {.kind = TV_TIME};
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    if (rc != FW_OK)
        return rc;
    if (!isfinite(v)) {
        rc = tv_add_4g(&text, v);
    } else {
        rc = to_time_of(v, &when.i, err);
        if (rc == FW_OK)
            rc = tv_print(&text, &when);
    }
    return template_keep(run, &text, rc, out, err);
}

CALL(to_time)
{
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    *out = (struct tv){.kind = TV_TIME};
    return rc == FW_OK ? to_time_of(v, &out->i, err) : rc;
}

CALL(to_duration)
{
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    if (rc == FW_OK && !(fabs(v) < 9.2e9))
        return fw_err_set(err, FW_EINVAL,
                          "%g cannot be represented as a duration", v);
    if (rc == FW_OK)
        *out = (struct tv){.kind = TV_SPAN, .i = llround(v * 1e9)};
    return rc;
}

CALL(now)
{
    *out = tv_float((double)trun_data(run)->now / 1000);
    return FW_OK;
}

CALL(parse_duration)
{
    fw_ms span = 0;

    if (fw_parse_duration(args[0].s, &span, NULL) != FW_OK)
        return fw_err_set(err, FW_EINVAL,
                          "not a valid duration string: \"%.*s\"",
                          FW_STR_ARG(args[0].s));
    *out = tv_float((double)span / 1000);
    return FW_OK;
}

const struct tfunction template_numbers[] = {
    {"humanize", 1, 1, "a", humanize},
    {"humanize1024", 1, 1, "a", humanize1024},
    {"humanizeDuration", 1, 1, "a", humanize_duration},
    {"humanizePercentage", 1, 1, "a", humanize_percentage},
    {"humanizeTimestamp", 1, 1, "a", humanize_timestamp},
    {"now", 0, 0, "a", now},
    {"parseDuration", 1, 1, "s", parse_duration},
    {"toDuration", 1, 1, "a", to_duration},
    {"toTime", 1, 1, "a", to_time},
    {0},
};
