/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/api.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Beyond it a double of milliseconds has no milliseconds any more. */
#define MAX_SECONDS 9e12

/* How much of a wrong value an error repeats. */
#define ECHO_BYTES 200

/* `before` and `kind` are what Prometheus says around the value. */
static bool complain(struct call *call, const char *name, struct fw_str value,
                     const char *before, const char *kind)
{
    struct fw_buf quoted = FW_BUF_INIT(8 * ECHO_BYTES);
    struct fw_json json;

    if (value.n > ECHO_BYTES)
        value.n = ECHO_BYTES;
    fw_json_init(&json, &quoted);
    fw_json_str(&json, value);
    call_error(call, 400, NULL,
               "invalid parameter \"%s\": %scannot parse %s to a valid %s",
               name, before, fw_json_rc(&json) == FW_OK ? quoted.data : "it",
               kind);
    fw_buf_release(&quoted);
    return false;
}

/* Hexadecimal is for expressions. */
static bool is_decimal(struct fw_str text)
{
    return text.n > 0 && memchr(text.p, 'x', text.n) == NULL &&
           memchr(text.p, 'X', text.n) == NULL;
}

static bool parse_seconds(struct fw_str text, fw_ms *out)
{
    struct fw_err err = {0};
    double seconds;

    if (!is_decimal(text) || fw_parse_double(text, &seconds, &err) != FW_OK ||
        !(fabs(seconds) <= MAX_SECONDS))
        return false;
    *out = (fw_ms)llround(seconds * 1000);
    return true;
}

/* The two ends of time as Prometheus's own clients write them. */
static bool parse_end_of_time(struct fw_str text, fw_ms *out)
{
    if (fw_str_eq(text, FW_STR("-292273086-05-16T16:47:06Z")))
        *out = INT64_MIN / 4;
    else if (fw_str_eq(text, FW_STR("292277025-08-18T07:12:54.999999999Z")) ||
             fw_str_eq(text, FW_STR("292277025-08-18T07:12:54.999Z")))
        *out = INT64_MAX / 4;
    else
        return false;
    return true;
}

/* RFC 3339: a date, a T, and an offset behind it, "Z" or "+02:00". */
static bool parse_date(struct fw_str text, fw_ms *out)
{
    struct fw_err err = {0};
    const char *offset = text.n > 6 ? text.p + text.n - 6 : "";

    if (text.n == 0 || text.p[0] < '0' || text.p[0] > '9' ||
        memchr(text.p, 'T', text.n) == NULL)
        return false;
    if (text.p[text.n - 1] != 'Z' && *offset != '+' && *offset != '-')
        return false;
    return fw_parse_time(text, 0, out, &err) == FW_OK;
}

bool api_time(struct call *call, const char *name, bool required, fw_ms *out)
{
    struct fw_str text = form_get(&call->form, name);
    char before[64] = "";

    if (text.n == 0 && !required)
        return true;
    if (parse_seconds(text, out) || parse_end_of_time(text, out) ||
        parse_date(text, out))
        return true;
    if (!required)
        (void)snprintf(before, sizeof(before),
                       "invalid time value for '%s': ", name);
    return complain(call, name, text, before, "timestamp");
}

bool api_duration(struct call *call, const char *name, bool required,
                  fw_ms *out)
{
    struct fw_str text = form_get(&call->form, name);
    struct fw_err err = {0};

    if (text.n == 0 && !required)
        return true;
    if (parse_seconds(text, out) || fw_parse_duration(text, out, &err) == FW_OK)
        return true;
    return complain(call, name, text, "", "duration");
}

bool api_limit(struct call *call, size_t *out)
{
    struct fw_str text = form_get(&call->form, "limit");
    size_t n = 0;

    *out = SIZE_MAX;
    if (text.n == 0)
        return true;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || i > 15) {
            call_error(call, 400, NULL,
                       text.p[0] == '-' ? "invalid parameter \"limit\": limit "
                                          "must be non-negative"
                                        : "invalid parameter \"limit\": it is "
                                          "no number");
            return false;
        }
        n = n * 10 + (size_t)(text.p[i] - '0');
    }
    if (n > 0) /* 0: no limit */
        *out = n;
    return true;
}

bool api_integer(struct call *call, const char *name, const char *wanted,
                 int64_t *out)
{
    struct fw_str text = form_get(&call->form, name);
    bool minus = text.n > 0 && text.p[0] == '-';
    size_t i = minus || (text.n > 0 && text.p[0] == '+') ? 1 : 0;
    bool good = text.n > i && text.n - i <= 18;
    int64_t n = 0;

    if (text.n == 0)
        return true;
    for (; i < text.n && good; i++) {
        good = text.p[i] >= '0' && text.p[i] <= '9';
        n = n * 10 + (text.p[i] - '0');
    }
    if (good)
        *out = minus ? -n : n;
    else
        call_error(call, 400, NULL, "%s must be %s", name, wanted);
    return good;
}

bool api_selectors(struct call *call, bool required, struct api_selector **out,
                   size_t *count)
{
    const struct form_pair *pair;
    struct fw_err err = {0};
    size_t i = 0, n = 0;

    *out = fw_arena_calloc(call->arena, call->form.n + 1, sizeof(**out));
    if (*out == NULL) {
        call_error(call, 503, NULL, "out of memory");
        return false;
    }
    while ((pair = form_each(&call->form, "match[]", &i)) != NULL) {
        fw_rc rc = fw_parse_selector(pair->value, call->arena,
                                     &(*out)[n].matchers, &(*out)[n].n, &err);

        if (rc != FW_OK) {
            call_error(call, rc == FW_EINVAL ? 400 : 503, NULL,
                       "invalid parameter \"match[]\": %s", err.text);
            return false;
        }
        n++;
    }
    if (required && n == 0) {
        call_error(call, 400, NULL, "no match[] parameter provided");
        return false;
    }
    *count = n;
    return true;
}

void api_put_notes(struct fw_json *json, const char *key,
                   const struct fw_str *notes, size_t n)
{
    if (n == 0)
        return;
    fw_json_key(json, key);
    fw_json_array(json);
    for (size_t i = 0; i < n; i++)
        fw_json_str(json, notes[i]);
    fw_json_array_end(json);
}
