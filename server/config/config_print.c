/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_print.c - the rows of config_schema.c read backwards: from fields to
 * YAML.
 */
#include "server/config/config_print.h"

#include <stdio.h>
#include <string.h>

#include "server/config/config_schema.h"
#include "server/config/yaml_out.h"

struct printer {
    struct yaml_out *yaml;
    const struct config *config;
};

/* ---- values ---- */

static const void *field_of(const struct config_key *key, const void *base)
{
    return (const char *)base + key->offset;
}

static size_t count_of(const struct config_key *key, const void *base)
{
    return *(const size_t *)(const void *)((const char *)base +
                                           key->count_offset);
}

static void format_bytes(char out[FW_DURATION_TEXT_BYTES], uint64_t v)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (unit < 4 && v != 0 && v % 1024 == 0) {
        v /= 1024;
        unit++;
    }
    (void)snprintf(out, FW_DURATION_TEXT_BYTES, "%llu%s", (unsigned long long)v,
                   units[unit]);
}

/* A plain value that is no text, as it would be written. */
static const char *number_text(const struct config_key *key, const void *base,
                               char out[FW_DURATION_TEXT_BYTES])
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const void *field = field_of(key, base);

    switch (key->type) {
    case CONFIG_DURATION:
        (void)fw_format_duration(out, *(const fw_ms *)field);
        return out;
    case CONFIG_EVERY:
        if (*(const fw_ms *)field == 0)
            return "off";
        (void)fw_format_duration(out, *(const fw_ms *)field);
        return out;
    case CONFIG_COUNT:
        (void)snprintf(out, FW_DURATION_TEXT_BYTES, "%u",
                       *(const uint32_t *)field);
        return out;
    case CONFIG_BIG_COUNT:
        (void)snprintf(out, FW_DURATION_TEXT_BYTES, "%llu",
                       (unsigned long long)*(const uint64_t *)field);
        return out;
    case CONFIG_BYTES:
        format_bytes(out, *(const uint64_t *)field);
        return out;
    case CONFIG_SHARE:
        (void)fw_format_double(out, *(const double *)field);
        return out;
    case CONFIG_BOOL:
        return *(const bool *)field ? "true" : "false";
    case CONFIG_LEVEL:
        return levels[*(const enum fw_log_level *)field];
    default:
        return NULL; /* a text, or no plain value */
    }
}

static bool is_text(const struct config_key *key)
{
    return key->type == CONFIG_TEXT || key->type == CONFIG_URL ||
           key->type == CONFIG_ADDRESS || key->type == CONFIG_EXPR ||
           key->type == CONFIG_BREACH;
}

/*
 * Services that take webhooks put the permission to post into the path: of a
 * secret URL the host stays, so that one sees where it goes.
 */
static void put_secret(struct printer *p, const struct config_key *key,
                       const char *text)
{
    const char *host = strstr(text, "://");
    size_t keep;
    char shown[512];

    if (key->type != CONFIG_URL || host == NULL) {
        yaml_out_text(p->yaml, CONFIG_SECRET);
        return;
    }
    keep = (size_t)(host - text) + 3 + strcspn(host + 3, "/?#");
    if (text[keep] == '\0' || strcmp(text + keep, "/") == 0)
        yaml_out_text(p->yaml, text);
    else {
        (void)snprintf(shown, sizeof(shown), "%.*s/" CONFIG_SECRET,
                       (int)(keep > 400 ? 400 : keep), text);
        yaml_out_text(p->yaml, shown);
    }
}

/* ---- maps ---- */

static void put_keys(struct printer *p, const struct config_key *keys,
                     const void *base);

/* False where no key of it has a value other than its default. */
static bool says_something(const struct config_key *keys, const void *base)
{
    char now[FW_DURATION_TEXT_BYTES];

    for (; keys->name != NULL; keys++) {
        const char *text;

        if (keys->type == CONFIG_SECTION) {
            if (says_something(keys->below, base))
                return true;
            continue;
        }
        if (keys->type == CONFIG_TEXTS || keys->type == CONFIG_LABELS ||
            keys->type == CONFIG_LIST) {
            if (count_of(keys, base) > 0)
                return true;
            continue;
        }
        text = is_text(keys) ? *(const char *const *)field_of(keys, base)
                             : number_text(keys, base, now);
        if (text != NULL &&
            (keys->initial == NULL || strcmp(text, keys->initial) != 0))
            return true;
    }
    return false;
}

/*
 * Mails and programs stand behind the webhooks in memory, and watches of other
 * files behind those of this one; here each is written once, where it is from.
 */
static bool is_from_elsewhere(const struct printer *p,
                              const struct config_key *key, const void *item)
{
    if (key->below == config_webhook_keys) {
        const struct config_webhook *hook = item;

        return hook->email != NULL || hook->command != NULL;
    }
    if (key->below == config_watch_keys) {
        const struct config_watch *watch = item;

        return p->config->path != NULL && watch->file != NULL &&
               strcmp(p->config->path, watch->file) != 0;
    }
    return false;
}

static void put_items(struct printer *p, const struct config_key *key,
                      const void *base)
{
    const char *items = *(const char *const *)field_of(key, base);
    size_t n = count_of(key, base), own = 0;

    for (size_t i = 0; i < n; i++)
        own += !is_from_elsewhere(p, key, items + i * key->item_bytes);
    if (own == 0)
        return;
    yaml_out_text(p->yaml, key->name);
    yaml_out_list(p->yaml);
    for (size_t i = 0; i < n; i++) {
        const char *item = items + i * key->item_bytes;

        if (is_from_elsewhere(p, key, item))
            continue;
        yaml_out_map(p->yaml);
        put_keys(p, key->below, item);
        yaml_out_map_end(p->yaml);
    }
    yaml_out_list_end(p->yaml);
}

static void put_texts(struct printer *p, const struct config_key *key,
                      const void *base)
{
    const char *const *texts = *(const char *const *const *)field_of(key, base);
    size_t n = count_of(key, base);

    if (n == 0)
        return;
    yaml_out_text(p->yaml, key->name);
    yaml_out_list(p->yaml);
    for (size_t i = 0; i < n; i++)
        yaml_out_text(p->yaml, texts[i]);
    yaml_out_list_end(p->yaml);
}

static void put_labels(struct printer *p, const struct config_key *key,
                       const void *base)
{
    const struct config_label *labels =
        *(const struct config_label *const *)field_of(key, base);
    size_t n = count_of(key, base);

    if (n == 0)
        return;
    yaml_out_text(p->yaml, key->name);
    yaml_out_map(p->yaml);
    for (size_t i = 0; i < n; i++) {
        yaml_out_text(p->yaml, labels[i].name);
        yaml_out_text(p->yaml, labels[i].value);
    }
    yaml_out_map_end(p->yaml);
}

static void put_plain(struct printer *p, const struct config_key *key,
                      const void *base)
{
    char text[FW_DURATION_TEXT_BYTES];

    if (!is_text(key)) {
        yaml_out_text(p->yaml, key->name);
        yaml_out_plain(p->yaml, number_text(key, base, text));
        return;
    }
    {
        const char *value = *(const char *const *)field_of(key, base);

        if (value == NULL)
            return;
        yaml_out_text(p->yaml, key->name);
        if (key->secret)
            put_secret(p, key, value);
        else
            yaml_out_text(p->yaml, value);
    }
}

static void put_keys(struct printer *p, const struct config_key *keys,
                     const void *base)
{
    for (; keys->name != NULL; keys++) {
        switch (keys->type) {
        case CONFIG_LIST:
            put_items(p, keys, base);
            break;
        case CONFIG_TEXTS:
            put_texts(p, keys, base);
            break;
        case CONFIG_LABELS:
            put_labels(p, keys, base);
            break;
        case CONFIG_SECTION:
            if (!says_something(keys->below, base))
                break;
            yaml_out_text(p->yaml, keys->name);
            yaml_out_map(p->yaml);
            put_keys(p, keys->below, base);
            yaml_out_map_end(p->yaml);
            break;
        default:
            put_plain(p, keys, base);
            break;
        }
    }
}

fw_rc config_print(const struct config *config, struct fw_buf *out,
                   struct fw_err *err)
{
    struct printer p = {.yaml = yaml_out_new(out), .config = config};
    size_t before = out->len;
    fw_rc rc;

    if (p.yaml == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    yaml_out_map(p.yaml);
    put_keys(&p, config_keys, config);
    yaml_out_map_end(p.yaml);
    rc = yaml_out_end(p.yaml);
    if (rc == FW_OK)
        return FW_OK;
    out->len = before;
    return fw_err_set(err, rc, "the configuration is too long to show");
}
