/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config.c - from a tree of YAML to a checked struct config.
 *
 * One walker serves every map of the file: it looks each key up in the table
 * it was given, refuses what is unknown or stands twice, and fills the field
 * the row names. What one row cannot know (recover below probability, names
 * that differ) is judged afterwards.
 */
#include "server/config/config.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/config_check.h"
#include "server/config/config_schema.h"
#include "server/config/yaml_tree.h"
#include "server/rules/rule_file.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"

#define CONFIG_ARENA_BYTES ((size_t)256 << 20)
#define MAX_WATCH_FILES 10000

/* ---- walking a map ------------------------------------------------------- */

static fw_rc walk_map(struct config_file *f, const struct node *map,
                      const struct config_key *keys, const char *what,
                      void *base, struct fw_err *err);

static fw_rc no_such_key(struct config_file *f, const struct node *key,
                         const struct config_key *keys, const char *what,
                         struct fw_err *err)
{
    const char *near = config_key_nearest(keys, key->text);
    char list[256] = "";

    if (near != NULL)
        return config_fail(
            f, key, err, "%s has no key '%.*s'; did you mean '%s'?", what,
            (int)(key->text.n > 60 ? 60 : key->text.n), key->text.p, near);
    for (size_t i = 0; keys[i].name != NULL; i++) {
        size_t n = strlen(list);

        (void)snprintf(list + n, sizeof(list) - n, "%s%s", i > 0 ? ", " : "",
                       keys[i].name);
    }
    return config_fail(f, key, err, "%s has no key '%.*s'; there are %s", what,
                       (int)(key->text.n > 60 ? 60 : key->text.n), key->text.p,
                       list);
}

static fw_rc wrong_kind(struct config_file *f, const struct config_key *key,
                        const struct node *node, struct fw_err *err)
{
    if (node->kind == NODE_TEXT && node->text.n == 0)
        return config_fail(f, node, err, "'%s' has no value; it takes %s",
                           key->name, config_type_help(key->type));
    return config_fail(f, node, err, "'%s' takes %s, not %s", key->name,
                       config_type_help(key->type), yaml_kind_name(node->kind));
}

static fw_rc walk_texts(struct config_file *f, const struct config_key *key,
                        const struct node *list, void *base, struct fw_err *err)
{
    const char **texts =
        fw_arena_calloc(f->config->arena, list->count + 1, sizeof(*texts));
    size_t n = 0;

    if (texts == NULL)
        return fw_arena_err(f->config->arena, err);
    for (const struct node *item = list->first; item; item = item->next) {
        if (item->kind != NODE_TEXT || item->text.n == 0)
            return config_fail(f, item, err, "'%s' takes a list of texts",
                               key->name);
        texts[n++] = item->text.p;
    }
    *(const char ***)((char *)base + key->offset) = texts;
    *(size_t *)((char *)base + key->count_offset) = n;
    return FW_OK;
}

/* [a-zA-Z_][a-zA-Z0-9_]*, as every receiver of alerts expects. */
static bool is_label_name(struct fw_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (c >= '0' && c <= '9' && i > 0)))
            return false;
    }
    return name.n > 0 && name.n <= FW_MAX_LABEL_NAME_BYTES;
}

static fw_rc walk_labels(struct config_file *f, const struct config_key *key,
                         const struct node *map, void *base, struct fw_err *err)
{
    struct config_label *labels =
        fw_arena_calloc(f->config->arena, map->count + 1, sizeof(*labels));
    size_t n = 0;

    if (labels == NULL)
        return fw_arena_err(f->config->arena, err);
    if (map->count > FW_MAX_LABELS)
        return config_fail(f, map, err, "'%s' takes at most %d labels",
                           key->name, FW_MAX_LABELS);
    for (const struct node *item = map->first; item; item = item->next) {
        if (!is_label_name(item->key->text))
            return config_fail(f, item->key, err,
                               "'%.*s' is no label name: letters, digits and "
                               "_ only, no digit first",
                               FW_STR_ARG(item->key->text));
        if (item->kind != NODE_TEXT || item->text.n > FW_MAX_LABEL_VALUE_BYTES)
            return config_fail(f, item, err,
                               "the label '%s' takes a text of at most %d "
                               "bytes",
                               item->key->text.p, FW_MAX_LABEL_VALUE_BYTES);
        for (size_t i = 0; i < n; i++)
            if (strcmp(labels[i].name, item->key->text.p) == 0)
                return config_fail(f, item->key, err,
                                   "the label '%s' stands twice",
                                   labels[i].name);
        labels[n++] = (struct config_label){item->key->text.p, item->text.p};
    }
    *(struct config_label **)((char *)base + key->offset) = labels;
    *(size_t *)((char *)base + key->count_offset) = n;
    return FW_OK;
}

/* Appends the items of this file's list to those already read. */
static fw_rc walk_list(struct config_file *f, const struct config_key *key,
                       const struct node *list, void *base, struct fw_err *err)
{
    size_t *count = (size_t *)((char *)base + key->count_offset);
    char **items = (char **)((char *)base + key->offset);
    size_t total = *count + list->count;
    char what[64];
    char *all;

    if (total > key->most_items)
        return config_fail(f, list, err, "'%s' takes at most %zu items",
                           key->name, key->most_items);
    all = fw_arena_calloc(f->config->arena, total + 1, key->item_bytes);
    if (all == NULL)
        return fw_arena_err(f->config->arena, err);
    if (*count > 0)
        memcpy(all, *items, *count * key->item_bytes);
    (void)snprintf(what, sizeof(what), "an item of '%s'", key->name);
    for (const struct node *item = list->first; item; item = item->next) {
        char *into = all + *count * key->item_bytes;
        fw_rc rc = walk_map(f, item, key->below, what, into, err);

        if (rc != FW_OK)
            return rc;
        *(int *)(into + key->place_offset) = item->line;
        if (key->below == config_watch_keys)
            rc = config_check_watch(f, item, (struct config_watch *)into, err);
        else if (key->below == config_schedule_keys)
            rc = config_check_schedule(f, item, (struct config_schedule *)into,
                                       err);
        else if (key->below == config_action_keys)
            rc =
                config_check_action(f, item, (struct config_action *)into, err);
        else if (key->below == config_relabel_keys)
            rc = config_check_relabel(f, item, (struct config_relabel *)into,
                                      err);
        if (rc != FW_OK)
            return rc;
        /* Counted at once, so that the next one sees it as a neighbour. */
        *items = all;
        (*count)++;
    }
    return FW_OK;
}

static fw_rc walk_value(struct config_file *f, const struct config_key *key,
                        const struct node *node, void *base, struct fw_err *err)
{
    static const enum node_kind kinds[] = {
        [CONFIG_TEXTS] = NODE_LIST,
        [CONFIG_LABELS] = NODE_MAP,
        [CONFIG_SECTION] = NODE_MAP,
        [CONFIG_LIST] = NODE_LIST,
    };
    enum node_kind kind =
        key->type < CONFIG_TEXTS ? NODE_TEXT : kinds[key->type];
    struct fw_err inner = {0};
    char what[64];
    fw_rc rc;

    if (node->kind != kind)
        return wrong_kind(f, key, node, err);
    switch (key->type) {
    case CONFIG_TEXTS:
        return walk_texts(f, key, node, base, err);
    case CONFIG_LABELS:
        return walk_labels(f, key, node, base, err);
    case CONFIG_SECTION:
        (void)snprintf(what, sizeof(what), "'%s'", key->name);
        return walk_map(f, node, key->below, what, base, err);
    case CONFIG_LIST:
        return walk_list(f, key, node, base, err);
    default:
        rc = config_value_set(key, node->text, base, f->config->arena, &inner);
        if (rc == FW_EINVAL || rc == FW_ETOOBIG)
            return config_fail(f, node, err, "%s", inner.text);
        if (rc != FW_OK && err != NULL)
            *err = inner;
        return rc;
    }
}

static fw_rc set_defaults(const struct config_key *keys, void *base,
                          struct fw_arena *arena, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (; rc == FW_OK && keys->name != NULL; keys++) {
        if (keys->initial != NULL)
            rc = config_value_set(keys, fw_str_of(keys->initial), base, arena,
                                  err);
        if (rc == FW_OK && keys->type == CONFIG_SECTION)
            rc = set_defaults(keys->below, base, arena, err);
    }
    return rc;
}

static fw_rc walk_map(struct config_file *f, const struct node *map,
                      const struct config_key *keys, const char *what,
                      void *base, struct fw_err *err)
{
    uint64_t seen = 0; /* a bit per row; tables are far shorter than 64 */
    fw_rc rc;

    if (map->kind != NODE_MAP)
        return config_fail(f, map, err, "%s must be a map, not %s", what,
                           yaml_kind_name(map->kind));
    rc = set_defaults(keys, base, f->config->arena, err);
    for (const struct node *item = map->first; rc == FW_OK && item;
         item = item->next) {
        const struct config_key *key = config_key_find(keys, item->key->text);
        uint64_t bit;

        if (key == NULL)
            return no_such_key(f, item->key, keys, what, err);
        bit = UINT64_C(1) << (key - keys);
        if ((seen & bit) != 0)
            return config_fail(f, item->key, err, "'%s' stands twice in %s",
                               key->name, what);
        seen |= bit;
        rc = walk_value(f, key, item, base, err);
    }
    for (size_t i = 0; rc == FW_OK && keys[i].name != NULL; i++)
        if (keys[i].required && (seen & (UINT64_C(1) << i)) == 0)
            return config_fail(f, map, err, "%s lacks '%s': %s", what,
                               keys[i].name, keys[i].help);
    return rc;
}

/* ---- files ----------------------------------------------------------------
 */

static fw_rc config_new(struct config **out, struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new(CONFIG_ARENA_BYTES);
    struct config *config;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    config = fw_arena_calloc(arena, 1, sizeof(*config));
    if (config == NULL) {
        fw_arena_free(arena);
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    }
    config->arena = arena;
    *out = config;
    return FW_OK;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    rule_set_free(config->rules);
    for (size_t i = 0; i < config->watch_count; i++)
        fw_zone_close(config->watches[i].zone);
    fw_arena_free(config->arena);
}

static fw_rc read_text(struct config *config, const char *name,
                       struct fw_str text, const struct config_key *keys,
                       struct fw_err *err)
{
    struct config_file f = {.config = config};
    const struct node *root = NULL;
    struct fw_err inner = {0};
    fw_rc rc;

    f.name = fw_arena_strdup(config->arena, name);
    if (f.name == NULL)
        return fw_arena_err(config->arena, err);
    rc = yaml_tree_read(text, config->arena, &root, &inner);
    if (rc != FW_OK) {
        if (inner.line > 0)
            return fw_err_at(err, FW_EINVAL, inner.line, inner.column,
                             "%s:%d:%d: %s", f.name, inner.line, inner.column,
                             inner.text);
        return fw_err_set(err, rc, "%s: %s", f.name, inner.text);
    }
    if (root == NULL)
        return FW_OK;
    return walk_map(&f, root, keys,
                    keys == config_keys ? "forewarn.yml" : "a file of watches",
                    config, err);
}

static fw_rc read_file(struct config *config, const char *path,
                       const struct config_key *keys, struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_CONFIG_BYTES);
    fw_rc rc = fw_file_read(path, &text, err);

    if (rc == FW_OK)
        rc = read_text(config, path, (struct fw_str){text.data, text.len}, keys,
                       err);
    fw_buf_release(&text);
    return rc;
}

/* Beside the file that names it, unless it is absolute. */
static fw_rc beside(const char *file, const char *pattern,
                    char out[FW_PATH_BYTES], struct fw_err *err)
{
    const char *slash = strrchr(file, '/');
    int dir = slash != NULL && pattern[0] != '/' ? (int)(slash + 1 - file) : 0;
    int n = snprintf(out, FW_PATH_BYTES, "%.*s%s", dir, file, pattern);

    if (n < 0 || n >= FW_PATH_BYTES)
        return fw_err_set(err, FW_ETOOBIG,
                          "%s: the path '%.60s...' is too long", file, pattern);
    return FW_OK;
}

static fw_rc read_pattern(struct config *config, const char *pattern,
                          struct fw_err *err)
{
    char path[FW_PATH_BYTES];
    glob_t found = {0};
    fw_rc rc = beside(config->path, pattern, path, err);
    int answer;

    if (rc != FW_OK)
        return rc;
    answer = glob(path, GLOB_ERR, NULL, &found);
    if (answer == GLOB_NOMATCH && strpbrk(pattern, "*?[") == NULL)
        rc = fw_err_set(err, FW_EINVAL,
                        "%s: watch_files names '%s', which is not there",
                        config->path, path);
    else if (answer != 0 && answer != GLOB_NOMATCH)
        rc = fw_err_set(err, FW_EIO, "%s: cannot look for watch_files '%s'",
                        config->path, path);
    else if (found.gl_pathc > MAX_WATCH_FILES)
        rc = fw_err_set(err, FW_ETOOBIG,
                        "%s: watch_files '%s' names %zu files; at most %d",
                        config->path, path, found.gl_pathc, MAX_WATCH_FILES);
    for (size_t i = 0; rc == FW_OK && i < found.gl_pathc; i++)
        rc = read_file(config, found.gl_pathv[i], config_watch_file, err);
    globfree(&found);
    return rc;
}

/* Mails and commands join the webhooks, once all has been read. */
static fw_rc join_receivers(struct config *config, struct fw_err *err)
{
    size_t n = config->webhook_count,
           more = config->email_count + config->command_count;
    struct config_webhook *all;

    if (more == 0)
        return FW_OK;
    all = fw_arena_calloc(config->arena, n + more, sizeof(*all));
    if (all == NULL)
        return fw_arena_err(config->arena, err);
    if (n > 0)
        memcpy(all, config->webhooks, n * sizeof(*all));
    for (size_t i = 0; i < config->email_count; i++)
        if (strpbrk(config->emails[i].to, "<>\r\n \t") != NULL ||
            strpbrk(config->emails[i].from, "<>\r\n \t") != NULL)
            return fw_err_set(err, FW_EINVAL,
                              "%s: line %d: 'to' and 'from' of a mail are one "
                              "bare address each, such as ops@example.org",
                              config->path != NULL ? config->path : "",
                              config->emails[i].line);
    for (size_t i = 0; i < config->email_count; i++)
        all[n++] = (struct config_webhook){
            .url = fw_arena_printf(config->arena, "mailto:%s",
                                   config->emails[i].to),
            .timeout = config->emails[i].timeout,
            .email = &config->emails[i]};
    for (size_t i = 0; i < config->command_count; i++) {
        const struct config_command *c = &config->commands[i];

        if (c->word_count == 0 || c->words[0][0] != '/')
            return fw_err_set(err, FW_EINVAL,
                              "%s: line %d: a command begins with the full "
                              "path of a program",
                              config->path != NULL ? config->path : "",
                              c->line);
        all[n++] = (struct config_webhook){
            .url =
                fw_arena_printf(config->arena, "exec:%zu:%s", i, c->words[0]),
            .timeout = c->timeout,
            .command = c};
    }
    for (size_t i = 0; i < n; i++)
        if (all[i].url == NULL)
            return fw_arena_err(config->arena, err);
    config->webhooks = all;
    config->webhook_count = n;
    return FW_OK;
}

static fw_rc read_rules(struct config *config, struct fw_err *err)
{
    fw_rc rc = rule_set_new(&config->rules, err);

    for (size_t i = 0; rc == FW_OK && i < config->rule_file_count; i++) {
        char path[FW_PATH_BYTES];

        rc = beside(config->path, config->rule_files[i], path, err);
        if (rc == FW_OK)
            rc = rule_set_glob(config->rules, path, err);
    }
    return rc;
}

fw_rc config_defaults(struct config **out, struct fw_err *err)
{
    struct config *config = NULL;
    fw_rc rc = config_new(&config, err);

    if (rc == FW_OK)
        rc = set_defaults(config_keys, config, config->arena, err);
    if (rc == FW_OK)
        *out = config;
    else
        config_free(config);
    return rc;
}

fw_rc config_read(struct fw_str text, const char *name, struct config **out,
                  struct fw_err *err)
{
    struct config *config = NULL;
    fw_rc rc = config_defaults(&config, err);

    if (rc == FW_OK)
        rc = read_text(config, name, text, config_keys, err);
    if (rc == FW_OK)
        *out = config;
    else
        config_free(config);
    return rc;
}

fw_rc config_load(const char *path, struct config **out, struct fw_err *err)
{
    struct config *config = NULL;
    fw_rc rc = config_defaults(&config, err);

    if (rc == FW_OK)
        rc = read_file(config, path, config_keys, err);
    if (rc == FW_OK) {
        config->path = fw_arena_strdup(config->arena, path);
        if (config->path == NULL)
            rc = fw_arena_err(config->arena, err);
    }
    for (size_t i = 0; rc == FW_OK && i < config->watch_file_count; i++)
        rc = read_pattern(config, config->watch_files[i], err);
    if (rc == FW_OK && config->rule_file_count > 0)
        rc = read_rules(config, err);
    if (rc == FW_OK)
        rc = config_check_named_actions(config, err);
    if (rc == FW_OK)
        rc = join_receivers(config, err);
    if (rc == FW_OK)
        *out = config;
    else
        config_free(config);
    return rc;
}

fw_rc config_set(struct config *config, const char *key, const char *text,
                 struct fw_err *err)
{
    const struct config_key *row = config_key_find(config_keys, fw_str_of(key));

    FW_ASSERT(row != NULL); /* an option was declared that is no key */
    return config_value_set(row, fw_str_of(text), config, config->arena, err);
}

fw_rc config_print_defaults(struct fw_buf *out)
{
    fw_rc rc = fw_buf_adds(out, "# forewarn.yml: every key at its default.\n");

    for (const struct config_key *k = config_keys;
         rc == FW_OK && k->name != NULL; k++) {
        rc = fw_buf_printf(out, "\n# %s.\n", k->help);
        if (rc == FW_OK && k->initial != NULL)
            rc = fw_buf_printf(out, "%s: %s\n", k->name, k->initial);
        else if (rc == FW_OK)
            rc = fw_buf_printf(out, "# %s:\n", k->name);
    }
    return rc;
}
