/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_value.c - one written value into one typed field.
 *
 * Sentences here have no place in them: the same reader serves the file,
 * which adds line and column, and the command line, which adds the option.
 */
#include "server/config/config_schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/base/str.h"

#define MAX_TEXT_BYTES 4096

/* A value as it is quoted in a sentence: short, nothing a terminal obeys. */
struct shown {
    char text[96];
};

static struct shown show(struct fw_str text)
{
    struct shown s = {{0}};
    struct fw_buf visible = FW_BUF_INIT(MAX_TEXT_BYTES);
    bool cut = text.n > 40;

    if (cut)
        for (text.n = 40; text.n > 0 && (text.p[text.n] & 0xC0) == 0x80;)
            text.n--;
    if (fw_add_visible(&visible, text) == FW_OK && visible.data != NULL)
        (void)snprintf(s.text, sizeof(s.text), "%.80s%s", visible.data,
                       cut ? "..." : "");
    fw_buf_release(&visible);
    return s;
}

static fw_rc wrong(const struct config_key *key, struct fw_str text,
                   struct fw_err *err)
{
    if (text.n == 0)
        return fw_err_set(err, FW_EINVAL, "'%s' has no value; it takes %s",
                          key->name, config_type_help(key->type));
    return fw_err_set(err, FW_EINVAL, "'%s' takes %s, not '%s'", key->name,
                      config_type_help(key->type), show(text).text);
}

static bool unbounded(const struct config_key *key)
{
    return key->least == 0 && key->most == 0;
}

static fw_rc check_span(const struct config_key *key, fw_ms span,
                        struct fw_err *err)
{
    char least[FW_DURATION_TEXT_BYTES], most[FW_DURATION_TEXT_BYTES];

    if (unbounded(key) ||
        ((double)span >= key->least && (double)span <= key->most))
        return FW_OK;
    (void)fw_format_duration(least, (fw_ms)key->least);
    (void)fw_format_duration(most, (fw_ms)key->most);
    return fw_err_set(err, FW_EINVAL, "'%s' must lie between %s and %s",
                      key->name, least, most);
}

static fw_rc check_number(const struct config_key *key, double v,
                          struct fw_err *err)
{
    if (unbounded(key) || (v >= key->least && v <= key->most))
        return FW_OK;
    return fw_err_set(err, FW_EINVAL, "'%s' must lie between %.0f and %.0f",
                      key->name, key->least, key->most);
}

static fw_rc set_span(const struct config_key *key, struct fw_str text,
                      fw_ms *field, struct fw_err *err)
{
    fw_ms span = 0;
    fw_rc rc;

    if (key->type == CONFIG_EVERY && fw_str_eq(text, FW_STR("off"))) {
        *field = 0;
        return FW_OK;
    }
    if (fw_parse_duration(text, &span, NULL) != FW_OK)
        return wrong(key, text, err);
    rc = check_span(key, span, err);
    if (rc == FW_OK)
        *field = span;
    return rc;
}

/* Digits only, as far as they reach; false if there are none or too many. */
static bool read_digits(struct fw_str *text, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = 0;

    for (; n < text->n && isdigit((unsigned char)text->p[n]); n++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(text->p[n] - '0');
    }
    if (n == 0)
        return false;
    *text = (struct fw_str){text->p + n, text->n - n};
    *out = v;
    return true;
}

static fw_rc set_big_count(const struct config_key *key, struct fw_str text,
                           uint64_t *field, struct fw_err *err)
{
    struct fw_str rest = text;
    uint64_t v;
    fw_rc rc;

    if (!read_digits(&rest, &v) || rest.n != 0)
        return wrong(key, text, err);
    rc = check_number(key, (double)v, err);
    if (rc == FW_OK)
        *field = v;
    return rc;
}

static fw_rc set_count(const struct config_key *key, struct fw_str text,
                       uint32_t *field, struct fw_err *err)
{
    uint64_t v = 0;
    fw_rc rc = set_big_count(key, text, &v, err);

    if (rc == FW_OK)
        *field = (uint32_t)v;
    return rc;
}

static fw_rc set_bytes(const struct config_key *key, struct fw_str text,
                       uint64_t *field, struct fw_err *err)
{
    static const struct {
        const char *unit;
        uint64_t times;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };
    struct fw_str rest = text;
    uint64_t v;

    if (!read_digits(&rest, &v))
        return wrong(key, text, err);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        fw_rc rc;

        if (!fw_str_eq(rest, fw_str_of(units[i].unit)))
            continue;
        rc = check_number(key, (double)v * (double)units[i].times, err);
        if (rc == FW_OK)
            *field = v * units[i].times;
        return rc;
    }
    return wrong(key, text, err);
}

static fw_rc set_share(const struct config_key *key, struct fw_str text,
                       double *field, struct fw_err *err)
{
    double v;

    if (fw_parse_double(text, &v, NULL) != FW_OK || !(v > 0 && v < 1))
        return wrong(key, text, err);
    *field = v;
    return FW_OK;
}

static fw_rc set_bool(const struct config_key *key, struct fw_str text,
                      bool *field, struct fw_err *err)
{
    if (fw_str_eq(text, FW_STR("true")))
        *field = true;
    else if (fw_str_eq(text, FW_STR("false")))
        *field = false;
    else
        return wrong(key, text, err);
    return FW_OK;
}

static fw_rc set_level(const struct config_key *key, struct fw_str text,
                       enum fw_log_level *field, struct fw_err *err)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (fw_str_eq(text, fw_str_of(names[i]))) {
            *field = (enum fw_log_level)i;
            return FW_OK;
        }
    return wrong(key, text, err);
}

/*
 * The scheme, a host, and nothing that would write a secret or a second line
 * into a log: URLs are named in logs as they stand here.
 */
static bool is_url(struct fw_str text)
{
    size_t scheme = text.n > 8 && memcmp(text.p, "https://", 8) == 0  ? 8
                    : text.n > 7 && memcmp(text.p, "http://", 7) == 0 ? 7
                                                                      : 0;
    size_t host = scheme;

    if (scheme == 0)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
            return false;
    while (host < text.n && strchr("/?#", text.p[host]) == NULL) {
        if (text.p[host] == '@')
            return false;
        host++;
    }
    return host > scheme && text.p[scheme] != ':';
}

static bool is_address(struct fw_str text)
{
    struct fw_str port = text;
    uint64_t number;
    size_t colon = text.n;

    if (fw_str_eq(text, FW_STR("off")))
        return true;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return false;
    port = (struct fw_str){text.p + colon, text.n - colon};
    return read_digits(&port, &number) && port.n == 0 && number <= 65535;
}

static fw_rc set_text(const struct config_key *key, struct fw_str text,
                      const char **field, struct fw_arena *arena,
                      struct fw_err *err)
{
    const char *copy;

    if ((text.n == 0 && !key->may_be_empty) ||
        memchr(text.p, '\0', text.n) != NULL ||
        (key->type == CONFIG_URL && !is_url(text)) ||
        (key->type == CONFIG_ADDRESS && !is_address(text)))
        return wrong(key, text, err);
    if (text.n > MAX_TEXT_BYTES &&
        (key->type != CONFIG_EXPR || text.n > FW_MAX_QUERY_TEXT_BYTES))
        return fw_err_set(err, FW_ETOOBIG, "'%s' is longer than %d bytes",
                          key->name,
                          key->type == CONFIG_EXPR ? FW_MAX_QUERY_TEXT_BYTES
                                                   : MAX_TEXT_BYTES);
    copy = fw_arena_strndup(arena, text.p, text.n);
    if (copy == NULL)
        return fw_arena_err(arena, err);
    *field = copy;
    return FW_OK;
}

fw_rc config_value_set(const struct config_key *key, struct fw_str text,
                       void *base, struct fw_arena *arena, struct fw_err *err)
{
    void *field = (char *)base + key->offset;

    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_URL:
    case CONFIG_ADDRESS:
    case CONFIG_EXPR:
    case CONFIG_BREACH:
        return set_text(key, text, field, arena, err);
    case CONFIG_DURATION:
    case CONFIG_EVERY:
        return set_span(key, text, field, err);
    case CONFIG_COUNT:
        return set_count(key, text, field, err);
    case CONFIG_BIG_COUNT:
        return set_big_count(key, text, field, err);
    case CONFIG_BYTES:
        return set_bytes(key, text, field, err);
    case CONFIG_SHARE:
        return set_share(key, text, field, err);
    case CONFIG_BOOL:
        return set_bool(key, text, field, err);
    case CONFIG_LEVEL:
        return set_level(key, text, field, err);
    case CONFIG_TEXTS:
    case CONFIG_LABELS:
    case CONFIG_SECTION:
    case CONFIG_LIST:
        break;
    }
    return wrong(key, text, err);
}
