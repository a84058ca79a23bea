/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_file.c - from a tree of YAML to struct rule_group, with every check of
 * Prometheus's rulefmt [prometheus/model/rulefmt] and its sentences.
 *
 * Checking goes on behind a mistake, so that one run shows them all.
 */
#include "server/rules/rule_file.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/yaml_tree.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"

#define SET_ARENA_BYTES ((size_t)512 << 20)
#define SCRATCH_BYTES ((size_t)16 << 20)
#define MAX_RULE_FILES 10000

/* One reading of one file. */
struct reading {
    struct rule_set *set;
    const char *file;
    rule_complaint complain;
    void *self;
    struct fw_err *first; /* of the mistakes */
    size_t mistakes;
    fw_rc fatal; /* out of memory ends it */
};

/* Where we are, for sentences. */
struct place {
    const struct node *group;
    const char *group_name;
    size_t rule; /* 1-based; 0: in the group itself */
    const char *rule_name;
};

/* ---- complaints ---- */

static void tell(struct reading *r, const struct fw_err *err)
{
    if (r->mistakes++ == 0 && r->first != NULL)
        *r->first = *err;
    if (r->complain != NULL)
        r->complain(r->self, err);
}

static void complain(struct reading *r, const struct node *at,
                     const struct place *place, const char *fmt, ...)
    FW_PRINTF(4, 5);

static void complain(struct reading *r, const struct node *at,
                     const struct place *place, const char *fmt, ...)
{
    char text[FW_ERR_TEXT_BYTES];
    char where[300] = "";
    struct fw_err err = {0};
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (place != NULL && place->rule > 0)
        (void)snprintf(where, sizeof(where),
                       "group \"%.80s\", rule %zu, "
                       "\"%.80s\": ",
                       place->group_name, place->rule, place->rule_name);
    else if (place != NULL)
        (void)snprintf(where, sizeof(where),
                       "group \"%.80s\": ", place->group_name);
    (void)fw_err_at(&err, FW_EINVAL, at->line, at->column, "%s:%d:%d: %s%s",
                    r->file, at->line, at->column, where, text);
    tell(r, &err);
}

static void out_of_memory(struct reading *r)
{
    if (r->fatal == FW_OK)
        r->fatal = fw_arena_err(r->set->arena, r->first);
}

/* ---- values ---- */

static const char *keep(struct reading *r, struct fw_str text)
{
    const char *copy = fw_arena_strndup(r->set->arena, text.p, text.n);

    if (copy == NULL)
        out_of_memory(r);
    return copy != NULL ? copy : "";
}

static bool is_empty(const struct node *node)
{
    return node == NULL ||
           (node->kind == NODE_TEXT && node->text.n == 0 && !node->quoted);
}

static bool is_kind(struct reading *r, const struct node *node,
                    enum node_kind kind, const struct place *place)
{
    if (node->kind == kind)
        return true;
    complain(r, node, place, "'%.*s' takes %s, not %s",
             FW_STR_ARG(node->key != NULL ? node->key->text : FW_STR("it")),
             yaml_kind_name(kind), yaml_kind_name(node->kind));
    return false;
}

static fw_ms read_span(struct reading *r, const struct node *node,
                       const struct place *place)
{
    fw_ms span = 0;

    if (!is_kind(r, node, NODE_TEXT, place))
        return 0;
    if (!fw_str_eq(node->text, FW_STR("0")) &&
        fw_parse_duration(node->text, &span, NULL) != FW_OK)
        complain(r, node, place, "not a valid duration string: \"%.*s\"",
                 (int)(node->text.n > 60 ? 60 : node->text.n), node->text.p);
    return span;
}

static int64_t read_int(struct reading *r, const struct node *node,
                        const struct place *place)
{
    char text[24] = "";
    char *stop = text;
    long long v = 0;

    if (!is_kind(r, node, NODE_TEXT, place))
        return 0;
    if (node->text.n < sizeof(text)) {
        memcpy(text, node->text.p, node->text.n);
        v = strtoll(text, &stop, 10);
    }
    if (node->text.n == 0 || *stop != '\0' || stop == text)
        complain(r, node, place, "'%.*s' takes a whole number",
                 FW_STR_ARG(node->key->text));
    return v;
}

static bool is_label_name(struct fw_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!(isalpha((unsigned char)name.p[i]) || name.p[i] == '_' ||
              (isdigit((unsigned char)name.p[i]) && i > 0)))
            return false;
    return name.n > 0;
}

static int compare_texts(const void *a, const void *b)
{
    return fw_str_cmp(((const struct rule_text *)a)->name,
                      ((const struct rule_text *)b)->name);
}

/* A map of names and texts. `what` is "label" or "annotation". */
static void read_texts(struct reading *r, const struct node *map,
                       const struct place *place, const char *what,
                       struct rule_text **out, size_t *count)
{
    struct rule_text *texts;
    size_t n = 0;

    if (is_empty(map) || !is_kind(r, map, NODE_MAP, place))
        return;
    texts = fw_arena_calloc(r->set->arena, map->count + 1, sizeof(*texts));
    if (texts == NULL) {
        out_of_memory(r);
        return;
    }
    for (const struct node *item = map->first; item; item = item->next) {
        struct fw_str name = item->key->text;

        if (!is_label_name(name) || (strcmp(what, "label") == 0 &&
                                     fw_str_eq(name, FW_STR(FW_METRIC_NAME))))
            complain(r, item->key, place, "invalid %s name: %.*s", what,
                     (int)(name.n > 80 ? 80 : name.n), name.p);
        else if (item->kind != NODE_TEXT)
            complain(r, item, place, "%s \"%.*s\" takes a text, not %s", what,
                     FW_STR_ARG(name), yaml_kind_name(item->kind));
        else
            texts[n++] =
                (struct rule_text){.name = fw_str_of(keep(r, name)),
                                   .value = fw_str_of(keep(r, item->text))};
        for (size_t i = 0; i + 1 < n; i++)
            if (fw_str_eq(texts[i].name, name))
                complain(r, item->key, place, "%s \"%.*s\" stands twice", what,
                         FW_STR_ARG(name));
    }
    qsort(texts, n, sizeof(*texts), compare_texts);
    *out = texts;
    *count = n;
}

static const struct node *item_of(const struct node *map, struct fw_str name)
{
    for (const struct node *item = map->first; item; item = item->next)
        if (fw_str_eq(item->key->text, name))
            return item;
    return map;
}

/* The templates of an alert's labels or annotations. */
static void read_templates(struct reading *r, const struct node *map,
                           const struct place *place, const char *what,
                           const char *alert, struct rule_text *texts, size_t n)
{
    const char *name = fw_arena_printf(r->set->arena, "__alert_%s", alert);

    if (name == NULL) {
        out_of_memory(r);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct fw_err err = {0};
        fw_rc rc;

        if (texts[i].text != NULL)
            continue;
        rc = template_parse(texts[i].value, name, r->set->arena, &texts[i].text,
                            &err);
        if (rc == FW_EINVAL)
            complain(r,
                     map != NULL ? item_of(map, texts[i].name) : place->group,
                     place, "%s \"%.*s\": %s", what, FW_STR_ARG(texts[i].name),
                     err.text);
        else if (rc != FW_OK)
            out_of_memory(r);
    }
}

/* ---- a rule ---- */

static bool is_metric_name(const char *name)
{
    return *name != '\0' && fw_utf8_valid(name, strlen(name));
}

/* The place inside a value that stands on one line as it reads. */
static struct node place_in(const struct node *value, int line, int column)
{
    struct node at = *value;

    if (value->one_line && line <= 1 && column > 0)
        at.column += column - 1;
    return at;
}

static void read_expr(struct reading *r, const struct node *node,
                      const struct place *place, struct rule *rule)
{
    struct fw_arena *arena;
    struct fw_query *query = NULL;
    struct fw_buf printed = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    struct fw_err err = {0};
    fw_rc rc;

    if (!is_kind(r, node, NODE_TEXT, place))
        return;
    arena = fw_arena_new(SCRATCH_BYTES);
    if (arena == NULL) {
        r->fatal = fw_err_set(r->first, FW_ENOMEM, "out of memory");
        return;
    }
    rc = fw_query_parse(node->text, arena, &query, &err);
    if (rc == FW_OK)
        rc = fw_query_print(query, &printed);
    if (rc == FW_OK) {
        rule->expr = keep(r, (struct fw_str){printed.data, printed.len});
    } else if (rc == FW_EINVAL || rc == FW_ETOOBIG) {
        struct node at = place_in(node, err.line, err.column);

        complain(r, &at, place, "could not parse expression: %s", err.text);
    } else {
        r->fatal = fw_err_set(r->first, rc, "%s", err.text);
    }
    fw_buf_release(&printed);
    fw_arena_free(arena);
}

enum rule_field {
    RULE_RECORD,
    RULE_ALERT,
    RULE_EXPR,
    RULE_FOR,
    RULE_KEEP_FIRING_FOR,
    RULE_LABELS,
    RULE_ANNOTATIONS,
    RULE_FIELDS
};

static const char *const rule_fields[RULE_FIELDS] = {
    "record",          "alert",  "expr",       "for",
    "keep_firing_for", "labels", "annotations"};

enum group_field {
    GROUP_NAME,
    GROUP_INTERVAL,
    GROUP_QUERY_OFFSET,
    GROUP_LIMIT,
    GROUP_RULES,
    GROUP_LABELS,
    GROUP_FIELDS
};

static const char *const group_fields[GROUP_FIELDS] = {
    "name", "interval", "query_offset", "limit", "rules", "labels"};

/* Sorts the items of a map into `found`; tells what is unknown or doubled. */
static void take_fields(struct reading *r, const struct node *map,
                        const char *const *names, size_t count,
                        const char *what, const struct place *place,
                        const struct node **found)
{
    for (const struct node *item = map->first; item; item = item->next) {
        const char *near;
        char word[64];
        size_t i = 0;

        while (i < count && !fw_str_eq(item->key->text, fw_str_of(names[i])))
            i++;
        if (i < count && found[i] != NULL) {
            complain(r, item->key, place,
                     "key \"%s\" is already set in line "
                     "%d",
                     names[i], found[i]->key->line);
        } else if (i < count) {
            found[i] = item;
        } else {
            (void)snprintf(word, sizeof(word), "%.*s",
                           FW_STR_ARG(item->key->text));
            near = fw_nearest(word, names, count);
            complain(r, item->key, place, "field %s not found in %s%s%s%s",
                     word, what, near != NULL ? "; did you mean '" : "",
                     near != NULL ? near : "", near != NULL ? "'?" : "");
        }
    }
    for (size_t i = 0; i < count; i++)
        if (found[i] != NULL && is_empty(found[i]))
            found[i] = NULL;
}

/* Label names and braces cannot stand in a recorded name. */
static void check_record(struct reading *r, const struct node *const *found,
                         const struct place *place, const struct rule *rule)
{
    if (found[RULE_ANNOTATIONS] != NULL)
        complain(r, found[RULE_ANNOTATIONS]->key, place,
                 "invalid field 'annotations' in recording rule");
    if (found[RULE_FOR] != NULL)
        complain(r, found[RULE_FOR]->key, place,
                 "invalid field 'for' in recording rule");
    if (found[RULE_KEEP_FIRING_FOR] != NULL)
        complain(r, found[RULE_KEEP_FIRING_FOR]->key, place,
                 "invalid field 'keep_firing_for' in recording rule");
    if (strpbrk(rule->name, "{}") != NULL)
        complain(r, found[RULE_RECORD], place,
                 "braces present in the recording rule name; should it be in "
                 "expr?: %s",
                 rule->name);
    else if (!is_metric_name(rule->name))
        complain(r, found[RULE_RECORD], place,
                 "invalid recording rule name: %s", rule->name);
}

static void check_alert(struct reading *r, const struct node *const *found,
                        const struct place *place, struct rule *rule)
{
    if (found[RULE_FOR] != NULL)
        rule->for_ms = read_span(r, found[RULE_FOR], place);
    if (found[RULE_KEEP_FIRING_FOR] != NULL)
        rule->keep_firing_for =
            read_span(r, found[RULE_KEEP_FIRING_FOR], place);
    read_texts(r, found[RULE_ANNOTATIONS], place, "annotation",
               &rule->annotations, &rule->annotation_count);
    read_templates(r, found[RULE_LABELS], place, "label", rule->name,
                   rule->labels, rule->label_count);
    read_templates(r, found[RULE_ANNOTATIONS], place, "annotation", rule->name,
                   rule->annotations, rule->annotation_count);
}

/* The rule's own labels win over the group's. */
static void merge_labels(struct reading *r, const struct rule_text *group,
                         size_t n, struct rule *rule)
{
    struct rule_text *all;
    size_t count = 0;

    if (n == 0)
        return;
    all =
        fw_arena_calloc(r->set->arena, n + rule->label_count + 1, sizeof(*all));
    if (all == NULL) {
        out_of_memory(r);
        return;
    }
    for (size_t i = 0; i < rule->label_count; i++)
        all[count++] = rule->labels[i];
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < rule->label_count &&
               !fw_str_eq(rule->labels[k].name, group[i].name))
            k++;
        if (k == rule->label_count)
            all[count++] = group[i];
    }
    qsort(all, count, sizeof(*all), compare_texts);
    rule->labels = all;
    rule->label_count = count;
}

static const char *name_of(struct reading *r, const struct node *node,
                           const struct place *place)
{
    if (node == NULL || !is_kind(r, node, NODE_TEXT, place))
        return "";
    return keep(r, node->text);
}

static void read_rule(struct reading *r, const struct node *map,
                      struct place *place, const struct rule_group *group,
                      const struct rule_text *labels, size_t label_count,
                      struct rule *rule)
{
    const struct node *found[RULE_FIELDS] = {NULL};
    const struct node *name;

    (void)group;
    place->rule_name = "";
    if (map->kind != NODE_MAP) {
        complain(r, map, place, "a rule is a map, not %s",
                 yaml_kind_name(map->kind));
        return;
    }
    name = item_of(map, FW_STR("alert"));
    if (name == map)
        name = item_of(map, FW_STR("record"));
    if (name != map && name->kind == NODE_TEXT)
        place->rule_name = keep(r, name->text);
    take_fields(r, map, rule_fields, RULE_FIELDS, "a rule", place, found);
    rule->line = map->line;
    rule->expr = "";
    rule->alerting = found[RULE_ALERT] != NULL;
    rule->name =
        name_of(r, found[rule->alerting ? RULE_ALERT : RULE_RECORD], place);
    if (found[RULE_ALERT] != NULL && found[RULE_RECORD] != NULL)
        complain(r, found[RULE_RECORD], place,
                 "only one of 'record' and 'alert' must be set");
    if (found[RULE_ALERT] == NULL && found[RULE_RECORD] == NULL)
        complain(r, map, place, "one of 'record' or 'alert' must be set");
    if (found[RULE_EXPR] == NULL)
        complain(r, map, place, "field 'expr' must be set in rule");
    else
        read_expr(r, found[RULE_EXPR], place, rule);
    read_texts(r, found[RULE_LABELS], place, "label", &rule->labels,
               &rule->label_count);
    merge_labels(r, labels, label_count, rule);
    if (rule->alerting)
        check_alert(r, found, place, rule);
    else if (found[RULE_RECORD] != NULL)
        check_record(r, found, place, rule);
}

/* ---- a group ---- */

static void read_rules(struct reading *r, const struct node *list,
                       struct place *place, const struct rule_text *labels,
                       size_t label_count, struct rule_group *group)
{
    if (list == NULL || !is_kind(r, list, NODE_LIST, place))
        return;
    group->rules =
        fw_arena_calloc(r->set->arena, list->count + 1, sizeof(*group->rules));
    if (group->rules == NULL) {
        out_of_memory(r);
        return;
    }
    for (const struct node *item = list->first; item; item = item->next) {
        place->rule = group->rule_count + 1;
        read_rule(r, item, place, group, labels, label_count,
                  &group->rules[group->rule_count]);
        group->rule_count++;
    }
}

static void read_group(struct reading *r, const struct node *map,
                       struct rule_group *group)
{
    const struct node *found[GROUP_FIELDS] = {NULL};
    struct rule_text *labels = NULL;
    size_t label_count = 0;
    struct place place = {.group = map, .group_name = ""};

    if (map->kind != NODE_MAP) {
        complain(r, map, NULL, "a group is a map, not %s",
                 yaml_kind_name(map->kind));
        return;
    }
    take_fields(r, map, group_fields, GROUP_FIELDS, "a group", NULL, found);
    *group = (struct rule_group){.name = name_of(r, found[GROUP_NAME], NULL),
                                 .file = r->file,
                                 .interval = RULES_DEFAULT,
                                 .query_offset = RULES_DEFAULT,
                                 .line = map->line};
    place.group_name = group->name;
    if (*group->name == '\0')
        complain(r, map, NULL, "Groupname must not be empty");
    if (found[GROUP_INTERVAL] != NULL)
        group->interval = read_span(r, found[GROUP_INTERVAL], &place);
    if (group->interval == 0)
        group->interval = RULES_DEFAULT;
    if (found[GROUP_QUERY_OFFSET] != NULL)
        group->query_offset = read_span(r, found[GROUP_QUERY_OFFSET], &place);
    if (found[GROUP_LIMIT] != NULL)
        group->limit = read_int(r, found[GROUP_LIMIT], &place);
    read_texts(r, found[GROUP_LABELS], &place, "label", &labels, &label_count);
    read_rules(r, found[GROUP_RULES], &place, labels, label_count, group);
}

static void read_groups(struct reading *r, const struct node *list)
{
    size_t before = r->set->count;

    if (is_empty(list) || !is_kind(r, list, NODE_LIST, NULL))
        return;
    for (const struct node *item = list->first; item && r->fatal == FW_OK;
         item = item->next) {
        struct rule_group *group;

        if (r->set->count == r->set->cap) {
            size_t cap = r->set->cap == 0 ? 16 : r->set->cap * 2;
            struct rule_group *all =
                fw_arena_calloc(r->set->arena, cap, sizeof(*all));

            if (all == NULL) {
                out_of_memory(r);
                return;
            }
            if (r->set->count > 0)
                memcpy(all, r->set->groups, r->set->count * sizeof(*all));
            r->set->groups = all;
            r->set->cap = cap;
        }
        group = &r->set->groups[r->set->count++];
        read_group(r, item, group);
        for (size_t i = before; i + 1 < r->set->count; i++)
            if (group->name != NULL && r->set->groups[i].name != NULL &&
                strcmp(r->set->groups[i].name, group->name) == 0)
                complain(r, item, NULL,
                         "groupname: \"%s\" is repeated in the same file",
                         group->name);
    }
}

/* ---- files ---- */

fw_rc rule_set_new(struct rule_set **out, struct fw_err *err)
{
    struct rule_set *set = calloc(1, sizeof(*set));

    if (set != NULL)
        set->arena = fw_arena_new(SET_ARENA_BYTES);
    if (set == NULL || set->arena == NULL) {
        free(set);
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    }
    *out = set;
    return FW_OK;
}

void rule_set_free(struct rule_set *set)
{
    if (set == NULL)
        return;
    fw_arena_free(set->arena);
    free(set);
}

fw_rc rule_set_read(struct rule_set *set, struct fw_str text, const char *file,
                    rule_complaint complain_to, void *self, struct fw_err *err)
{
    static const char *const top[] = {"groups"};
    struct fw_err local = {0};
    struct reading r = {.set = set,
                        .complain = complain_to,
                        .self = self,
                        .first = err != NULL ? err : &local};
    const struct node *root = NULL, *groups = NULL;
    size_t before = set->count;
    struct fw_err inner = {0};
    fw_rc rc;

    r.file = fw_arena_strdup(set->arena, file);
    if (r.file == NULL)
        return fw_arena_err(set->arena, err);
    rc = yaml_tree_read_aliases(text, set->arena, &root, &inner);
    if (rc != FW_OK && inner.line == 0)
        return fw_err_set(err, rc, "%s: %s", file, inner.text);
    if (rc != FW_OK) {
        struct node at = {.line = inner.line, .column = inner.column};

        complain(&r, &at, NULL, "%s", inner.text);
        return FW_EINVAL;
    }
    if (root != NULL && root->kind != NODE_MAP)
        complain(&r, root, NULL,
                 "a file of rules is a map with 'groups', not "
                 "%s",
                 yaml_kind_name(root->kind));
    else if (root != NULL) {
        take_fields(&r, root, top, 1, "a file of rules", NULL, &groups);
        read_groups(&r, groups);
    }
    if (r.fatal == FW_OK && r.mistakes == 0)
        return FW_OK;
    set->count = before;
    return r.fatal != FW_OK ? r.fatal : FW_EINVAL;
}

fw_rc rule_set_load(struct rule_set *set, const char *path,
                    rule_complaint complain_to, void *self, struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_CONFIG_BYTES);
    fw_rc rc = fw_file_read(path, &text, err);

    if (rc == FW_OK)
        rc = rule_set_read(
            set, (struct fw_str){text.len > 0 ? text.data : "", text.len}, path,
            complain_to, self, err);
    fw_buf_release(&text);
    return rc;
}

fw_rc rule_set_glob(struct rule_set *set, const char *pattern,
                    struct fw_err *err)
{
    glob_t found = {0};
    int answer = glob(pattern, GLOB_ERR, NULL, &found);
    fw_rc rc = FW_OK;

    if (answer != 0 && answer != GLOB_NOMATCH)
        rc =
            fw_err_set(err, FW_EIO, "cannot look for rule_files '%s'", pattern);
    else if (found.gl_pathc > MAX_RULE_FILES)
        rc = fw_err_set(err, FW_ETOOBIG,
                        "rule_files '%s' names %zu files; at most %d", pattern,
                        found.gl_pathc, MAX_RULE_FILES);
    for (size_t i = 0; rc == FW_OK && i < found.gl_pathc; i++)
        rc = rule_set_load(set, found.gl_pathv[i], NULL, NULL, err);
    globfree(&found);
    return rc;
}
