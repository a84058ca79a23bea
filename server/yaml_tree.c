/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * yaml_tree.c - libyaml's events, gathered into a tree.
 *
 * The events come one at a time, so depth and node count are judged before
 * anything is built of them.
 */
#include "server/yaml_tree.h"

#include <string.h>
#include <yaml.h>

#define MAX_DEPTH 16
#define MAX_NODES 200000

struct builder {
    yaml_parser_t parser;
    struct fw_arena *arena;
    size_t nodes;
};

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
    struct node *node;
    fw_rc rc;

    if (depth > MAX_DEPTH)
        return fail_at(err, FW_ETOOBIG, event->start_mark,
                       "nested deeper than 16 levels");
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_text(b, event, out, err);
    case YAML_ALIAS_EVENT:
        return fail_at(err, FW_EINVAL, event->start_mark,
                       "aliases (*name) are not taken: write the value out");
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

fw_rc yaml_tree_read(struct fw_str text, struct fw_arena *arena,
                     const struct node **out, struct fw_err *err)
{
    struct builder b = {.arena = arena};
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
