/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/parse/ast.h"

struct node *node_new(struct fw_arena *arena, struct fw_query *query,
                      enum node_kind kind, struct span span)
{
    struct node *node = fw_arena_calloc(arena, 1, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->kind = kind;
    node->span = span;
    node->height = 1;
    node->id = query->node_count++;
    return node;
}

bool node_set_args(struct fw_arena *arena, struct node *node,
                   struct node *const *args, size_t count)
{
    node->args = fw_arena_alloc(arena, count * sizeof(struct node *));
    if (node->args == NULL)
        return false;
    if (count > 0)
        memcpy(node->args, args, count * sizeof(struct node *));
    node->arg_count = count;
    node->height = node_height(node);
    return true;
}

uint32_t node_height(const struct node *node)
{
    uint32_t highest = 0;

    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i]->height > highest)
            highest = node->args[i]->height;
    }
    return highest + 1;
}

const struct node *node_inside(const struct node *node)
{
    while (node->kind == NODE_PAREN)
        node = node->args[0];
    return node;
}

const char *value_type_name(enum fw_value_type type)
{
    static const char *const names[] = {
        [FW_SCALAR] = "scalar",
        [FW_STRING] = "string",
        [FW_VECTOR] = "instant vector",
        [FW_MATRIX] = "range vector",
    };
    return names[type];
}

static bool is_plain(struct fw_str name, bool colons)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
            (c == ':' && colons) || (c >= '0' && c <= '9' && i > 0))
            continue;
        return false;
    }
    return name.n > 0;
}

bool is_plain_label(struct fw_str name)
{
    return is_plain(name, false);
}

bool is_plain_metric(struct fw_str name)
{
    return is_plain(name, true);
}

enum fw_value_type fw_query_type(const struct fw_query *query)
{
    return query->root->type;
}
