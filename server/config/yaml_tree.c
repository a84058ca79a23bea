/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * yaml_tree.c - libyaml's events, gathered into a tree.
 *
 * The events come one at a time, so depth and node count are judged before
 * anything is built of them.
 */
#include "server/config/yaml_tree.h"

#include <string.h>
#include <yaml.h>

#define MAX_DEPTH 16
#define MAX_NODES 200000

/* What an alias may name. */
struct anchor {
    const char *name;
    const struct node *node;
    size_t nodes; /* it and all below */
    struct anchor *next;
};

struct builder {
    yaml_parser_t parser;
    struct fw_arena *arena;
    size_t nodes;
    bool aliases;           /* they may stand */
    struct anchor *anchors; /* newest first */
};

const struct node *yaml_member(const struct node *map, const char *key)
{
    if (map == NULL || map->kind != NODE_MAP)
        return NULL;
    for (const struct node *item = map->first; item; item = item->next)
        if (fw_str_eq(item->key->text, fw_str_of(key)))
            return item;
    return NULL;
}

struct fw_str yaml_member_text(const struct node *map, const char *key)
{
    const struct node *node = yaml_member(map, key);

    return node != NULL && node->kind == NODE_TEXT &&
                   (node->quoted || !fw_str_eq(node->text, FW_STR("null")))
               ? node->text
               : FW_STR("");
}

const char *yaml_kind_name(enum node_kind kind)
{
    static const char *const names[] = {"a text", "a list", "a map"};

    return names[kind];
}

static fw_rc fail_at(struct fw_err *err, fw_rc rc, yaml_mark_t mark,
                     const char *text)
{
    return fw_err_at(err, rc, (int)mark.line + 1, (int)mark.column + 1, "%s",
                     text);
}

/* libyaml's own words are terse; the commonest slip gets a hint. */
static fw_rc syntax_error(const struct builder *b, struct fw_err *err)
{
    const char *problem = b->parser.problem;
    const char *hint = "";

    if (b->parser.error == YAML_MEMORY_ERROR)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    if (problem == NULL)
        problem = "it does not parse";
    if (strstr(problem, "cannot start any token") != NULL)
        hint = " (tabs cannot indent YAML, and @ or ` need quotes)";
    else if (strstr(problem, "mapping values are not allowed") != NULL)
        hint = " (a text with ': ' in it needs quotes)";
    else if (strstr(problem, "did not find expected key") != NULL)
        hint = " (is the indentation even?)";
    return fw_err_at(err, FW_EINVAL, (int)b->parser.problem_mark.line + 1,
                     (int)b->parser.problem_mark.column + 1,
                     "this is no YAML: %s%s", problem, hint);
}

static fw_rc next_event(struct builder *b, yaml_event_t *event,
                        struct fw_err *err)
{
    if (!yaml_parser_parse(&b->parser, event))
        return syntax_error(b, err);
    return FW_OK;
}

static struct node *new_node(struct builder *b, enum node_kind kind,
                             yaml_mark_t at, struct fw_err *err)
{
    struct node *node;

    if (++b->nodes > MAX_NODES) {
        (void)fail_at(err, FW_ETOOBIG, at, "more than 200000 values");
        return NULL;
    }
    node = fw_arena_calloc(b->arena, 1, sizeof(*node));
    if (node == NULL) {
        (void)fw_arena_err(b->arena, err);
        return NULL;
    }
    node->kind = kind;
    node->line = (int)at.line + 1;
    node->column = (int)at.column + 1;
    return node;
}

static fw_rc read_text(struct builder *b, const yaml_event_t *event,
                       struct node **out, struct fw_err *err)
{
    struct node *node = new_node(b, NODE_TEXT, event->start_mark, err);
    size_t n = event->data.scalar.length;
    char *copy;

    if (node == NULL)
        return err->rc;
    copy =
        fw_arena_strndup(b->arena, (const char *)event->data.scalar.value, n);
    if (copy == NULL)
        return fw_arena_err(b->arena, err);
    node->text = (struct fw_str){copy, n};
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (event->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
        event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE)
        node->column++;
    /* Marks count characters; two more are the quotes; an escape differs. */
    node->one_line = event->end_mark.line == event->start_mark.line &&
                     event->end_mark.index - event->start_mark.index ==
                         fw_utf8_columns(copy, n) + (node->quoted ? 2 : 0);
    *out = node;
    return FW_OK;
}

/* An event's anchor, or "". */
static const char *anchor_of(const yaml_event_t *event)
{
    const yaml_char_t *name = NULL;

    if (event->type == YAML_SCALAR_EVENT)
        name = event->data.scalar.anchor;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        name = event->data.sequence_start.anchor;
    else if (event->type == YAML_MAPPING_START_EVENT)
        name = event->data.mapping_start.anchor;
    return name != NULL ? (const char *)name : "";
}

static fw_rc remember_anchor(struct builder *b, const yaml_event_t *event,
                             const struct node *node, size_t nodes,
                             struct fw_err *err)
{
    struct anchor *anchor;

    if (!b->aliases || *anchor_of(event) == '\0')
        return FW_OK;
    anchor = fw_arena_calloc(b->arena, 1, sizeof(*anchor));
    if (anchor != NULL)
        anchor->name = fw_arena_strdup(b->arena, anchor_of(event));
    if (anchor == NULL || anchor->name == NULL)
        return fw_arena_err(b->arena, err);
    anchor->node = node;
    anchor->nodes = nodes;
    anchor->next = b->anchors;
    b->anchors = anchor;
    return FW_OK;
}

/* A copy of the top node; what hangs below is shared and never written. */
static fw_rc read_alias(struct builder *b, const yaml_event_t *event,
                        struct node **out, struct fw_err *err)
{
    const struct anchor *a = b->anchors;
    struct node *copy;

    if (!b->aliases)
        return fail_at(err, FW_EINVAL, event->start_mark,
                       "aliases (*name) are not taken: write the value out");
    while (a != NULL &&
           strcmp(a->name, (const char *)event->data.alias.anchor) != 0)
        a = a->next;
    if (a == NULL)
        return fail_at(err, FW_EINVAL, event->start_mark,
                       "this alias names no anchor above it");
    copy = new_node(b, a->node->kind, event->start_mark, err);
    if (copy == NULL)
        return err->rc;
    b->nodes += a->nodes;
    if (b->nodes > MAX_NODES)
        return fail_at(err, FW_ETOOBIG, event->start_mark,
                       "more than 200000 values");
    *copy = *a->node;
    copy->next = NULL;
    copy->key = NULL;
    *out = copy;
    return FW_OK;
}

static bool map_has(const struct node *map, struct fw_str name)
{
    for (const struct node *item = map->first; item; item = item->next)
        if (fw_str_eq(item->key->text, name))
            return true;
    return false;
}

/* `<<: *base` in a map, once all of the map has been read. */
static fw_rc merge_bases(struct builder *b, struct node *map,
                         struct fw_err *err)
{
    const struct node **link = &map->first;
    const struct node *bases[16];
    size_t n = 0;

    while (*link != NULL) {
        const struct node *item = *link;

        if (!item->key->quoted && fw_str_eq(item->key->text, FW_STR("<<")) &&
            item->kind == NODE_MAP && n < 16) {
            bases[n++] = item;
            *link = item->next;
            map->count--;
        } else {
            link =
                (const struct node **)&((struct node *)(uintptr_t)item)->next;
        }
    }
    for (size_t i = 0; i < n; i++)
        for (const struct node *k = bases[i]->first; k; k = k->next) {
            struct node *copy;

            if (map_has(map, k->key->text))
                continue;
            copy = fw_arena_calloc(b->arena, 1, sizeof(*copy));
            if (copy == NULL)
                return fw_arena_err(b->arena, err);
            *copy = *k;
            copy->next = NULL;
            *link = copy;
            link = &copy->next;
            map->count++;
        }
    return FW_OK;
}

static fw_rc read_node(struct builder *b, const yaml_event_t *event, int depth,
                       struct node **out, struct fw_err *err);

static bool is_end(const yaml_event_t *event)
{
    return event->type == YAML_SEQUENCE_END_EVENT ||
           event->type == YAML_MAPPING_END_EVENT;
}

/* One item: a value, or in a map a key and its value. FW_END after the last. */
static fw_rc read_item(struct builder *b, bool map, int depth,
                       struct node **out, struct fw_err *err)
{
    yaml_event_t event = {.type = YAML_NO_EVENT};
    struct node *key = NULL;
    fw_rc rc = next_event(b, &event, err);

    if (rc == FW_OK && is_end(&event))
        rc = FW_END;
    if (rc == FW_OK && map) {
        if (event.type != YAML_SCALAR_EVENT)
            rc = fail_at(err, FW_EINVAL, event.start_mark,
                         "a key is a plain word here");
        else
            rc = read_text(b, &event, &key, err);
        yaml_event_delete(&event);
        if (rc == FW_OK)
            rc = next_event(b, &event, err);
    }
    if (rc == FW_OK)
        rc = read_node(b, &event, depth, out, err);
    if (rc == FW_OK)
        (*out)->key = key;
    yaml_event_delete(&event);
    return rc;
}

static fw_rc read_items(struct builder *b, struct node *into, int depth,
                        struct fw_err *err)
{
    const struct node **link = &into->first;
    struct node *item = NULL;
    fw_rc rc;

    while ((rc = read_item(b, into->kind == NODE_MAP, depth, &item, err)) ==
           FW_OK) {
        *link = item;
        link = &item->next;
        into->count++;
    }
    return rc == FW_END ? FW_OK : rc;
}

/* Recursion is bounded by MAX_DEPTH. */
static fw_rc read_node(struct builder *b, const yaml_event_t *event, int depth,
                       struct node **out, struct fw_err *err)
{
    size_t before = b->nodes;
    struct node *node;
    fw_rc rc;

    if (depth > MAX_DEPTH)
        return fail_at(err, FW_ETOOBIG, event->start_mark,
                       "nested deeper than 16 levels");
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        rc = read_text(b, event, out, err);
        return rc == FW_OK ? remember_anchor(b, event, *out, 1, err) : rc;
    case YAML_ALIAS_EVENT:
        return read_alias(b, event, out, err);
    case YAML_SEQUENCE_START_EVENT:
        node = new_node(b, NODE_LIST, event->start_mark, err);
        break;
    case YAML_MAPPING_START_EVENT:
        node = new_node(b, NODE_MAP, event->start_mark, err);
        break;
    default:
        return fail_at(err, FW_EINVAL, event->start_mark,
                       "a value is missing here");
    }
    if (node == NULL)
        return err->rc;
    rc = read_items(b, node, depth + 1, err);
    if (rc == FW_OK && b->aliases && node->kind == NODE_MAP)
        rc = merge_bases(b, node, err);
    if (rc == FW_OK)
        rc = remember_anchor(b, event, node, b->nodes - before, err);
    if (rc == FW_OK)
        *out = node;
    return rc;
}

/* The document's root, or nothing; a second document is a mistake. */
static fw_rc read_stream(struct builder *b, struct node **root,
                         struct fw_err *err)
{
    int documents = 0;
    bool done = false;
    fw_rc rc = FW_OK;

    while (rc == FW_OK && !done) {
        yaml_event_t event;

        rc = next_event(b, &event, err);
        if (rc != FW_OK)
            break;
        if (event.type == YAML_STREAM_END_EVENT)
            done = true;
        else if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            rc = fail_at(err, FW_EINVAL, event.start_mark,
                         "a second document begins here: one file, one "
                         "document");
        else if (event.type != YAML_STREAM_START_EVENT &&
                 event.type != YAML_DOCUMENT_START_EVENT &&
                 event.type != YAML_DOCUMENT_END_EVENT)
            rc = read_node(b, &event, 1, root, err);
        yaml_event_delete(&event);
    }
    return rc;
}

static fw_rc check_utf8(struct fw_str text, struct fw_err *err)
{
    int line = 1;
    size_t from = 0;

    if (fw_utf8_valid(text.p, text.n))
        return FW_OK;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n') {
            if (!fw_utf8_valid(text.p + from, i - from))
                break;
            from = i + 1;
            line++;
        }
    return fw_err_at(err, FW_EINVAL, line, 1,
                     "this line is not UTF-8: save the file as UTF-8");
}

static fw_rc read_tree(struct fw_str text, bool aliases, struct fw_arena *arena,
                       const struct node **out, struct fw_err *err)
{
    struct builder b = {.arena = arena, .aliases = aliases};
    struct fw_err local = {0};
    struct node *root = NULL;
    fw_rc rc;

    if (err == NULL)
        err = &local;
    rc = check_utf8(text, err);
    if (rc != FW_OK)
        return rc;
    if (!yaml_parser_initialize(&b.parser))
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text.p,
                                 text.n);
    rc = read_stream(&b, &root, err);
    if (rc == FW_OK && root != NULL && root->kind == NODE_TEXT &&
        root->text.n == 0 && !root->quoted)
        root = NULL; /* nothing but comments, or a bare '---' */
    if (rc == FW_OK)
        *out = root;
    yaml_parser_delete(&b.parser);
    return rc;
}

fw_rc yaml_tree_read(struct fw_str text, struct fw_arena *arena,
                     const struct node **out, struct fw_err *err)
{
    return read_tree(text, false, arena, out, err);
}

fw_rc yaml_tree_read_aliases(struct fw_str text, struct fw_arena *arena,
                             const struct node **out, struct fw_err *err)
{
    return read_tree(text, true, arena, out, err);
}
