/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parse_list.c - what stands in parentheses, and who may stand before them. */
#include "query/functions/functions.h"
#include "query/parse/parser.h"
#include "query/parse/place.h"

static fw_rc label(struct parser *p, struct fw_str *out)
{
    if (p->token.kind == TOKEN_STRING) {
        fw_rc rc = parse_string(p, out);

        if (rc == FW_OK && (out->n == 0 || !fw_utf8_valid(out->p, out->n)))
            return complain(p->query->text, p->last, NULL, p->err,
                            "invalid label name for grouping: \"%.*s\"",
                            FW_STR_ARG(*out));
        return rc;
    }
    *out = parser_text(p, p->token.span);
    if (!token_is_label_name(p->token.kind) || !is_plain_label(*out))
        return parser_unexpected(p, "grouping opts", "label");
    return parser_next(p);
}

/* "(a, b,)": a comma may stand behind the last. */
fw_rc parse_label_list(struct parser *p, struct fw_str **labels, size_t *count)
{
    void *items = NULL;
    size_t n = 0;
    bool more;
    fw_rc rc;

    rc = parser_take(p, TOKEN_LEFT_PAREN, &more);
    if (rc != FW_OK)
        return rc;
    if (!more)
        return parser_unexpected(p, "grouping opts", "\"(\"");
    while (more && p->token.kind != TOKEN_RIGHT_PAREN) {
        rc = parser_grow(p, &items, n, sizeof(struct fw_str));
        if (rc == FW_OK)
            rc = label(p, (struct fw_str *)items + n);
        if (rc == FW_OK)
            rc = parser_take(p, TOKEN_COMMA, &more);
        if (rc != FW_OK)
            return rc;
        n++;
    }
    if (p->token.kind != TOKEN_RIGHT_PAREN)
        return parser_unexpected(p, "grouping opts", "\",\" or \")\"");
    *labels = items;
    *count = n;
    return parser_next(p);
}

fw_rc parse_arguments(struct parser *p, struct node ***args, size_t *count)
{
    void *items = NULL;
    size_t n = 0;
    bool more;
    fw_rc rc = parser_take(p, TOKEN_LEFT_PAREN, &more);

    if (rc != FW_OK)
        return rc;
    if (!more)
        return parser_unexpected(p, "aggregation", NULL);
    more = p->token.kind != TOKEN_RIGHT_PAREN;
    while (more) {
        if (n > 0 && p->token.kind == TOKEN_RIGHT_PAREN)
            return complain(p->query->text, p->last, NULL, p->err,
                            "trailing commas not allowed in function call "
                            "args");
        rc = parser_grow(p, &items, n, sizeof(struct node *));
        if (rc == FW_OK)
            rc = parse_expression(p, (struct node **)items + n);
        if (rc == FW_OK)
            rc = parser_take(p, TOKEN_COMMA, &more);
        if (rc != FW_OK)
            return rc;
        n++;
    }
    if (p->token.kind != TOKEN_RIGHT_PAREN)
        return parser_unexpected(p, NULL, NULL);
    *args = items;
    *count = n;
    return parser_next(p);
}

/* by (...) or without (...), if it stands here. */
static fw_rc grouping(struct parser *p, struct node *node, bool *given)
{
    bool without = p->token.kind == TOKEN_WITHOUT;
    fw_rc rc;

    *given = without || p->token.kind == TOKEN_BY;
    if (!*given)
        return FW_OK;
    rc = parser_next(p);
    if (rc == FW_OK)
        rc = parse_label_list(p, &node->grouping.labels, &node->grouping.count);
    node->grouping.without = without;
    return rc;
}

/* The parameter is written first, but kept behind the vector. */
static fw_rc order_arguments(struct parser *p, struct node *node,
                             struct node **args, size_t count)
{
    size_t want = token_takes_parameter(node->op) ? 2 : 1;

    if (count == 0)
        return complain(p->query->text, node->span, NULL, p->err,
                        "no arguments for aggregate expression provided");
    if (count != want)
        return complain(p->query->text, node->span, NULL, p->err,
                        "wrong number of arguments for aggregate expression "
                        "provided, expected %zu, got %zu",
                        want, count);
    if (want == 2) {
        struct node *parameter = args[0];

        args[0] = args[1];
        args[1] = parameter;
    }
    node->args = args;
    node->arg_count = count;
    node->height = node_height(node);
    return FW_OK;
}

fw_rc parse_aggregate(struct parser *p, struct node **out)
{
    struct node *node =
        node_new(p->arena, p->query, NODE_AGGREGATE, p->token.span);
    struct node **args = NULL;
    size_t count = 0;
    bool given = false;
    fw_rc rc;

    if (node == NULL)
        return parser_no_memory(p);
    node->op = p->token.kind;
    rc = parser_next(p);
    if (rc == FW_OK)
        rc = grouping(p, node, &given);
    if (rc == FW_OK)
        rc = parse_arguments(p, &args, &count);
    if (rc == FW_OK && !given)
        rc = grouping(p, node, &given);
    if (rc != FW_OK)
        return rc;
    node->span.to = p->last.to;
    *out = node;
    return order_arguments(p, node, args, count);
}

/* bool, on (...) or ignoring (...), group_left (...) or group_right (...). */
fw_rc parse_operator_modifiers(struct parser *p, struct node *node)
{
    struct matching *m = &node->matching;
    fw_rc rc = parser_take(p, TOKEN_BOOL, &node->returns_bool);

    if (rc != FW_OK ||
        (p->token.kind != TOKEN_ON && p->token.kind != TOKEN_IGNORING))
        return rc;
    m->given = true;
    m->on = p->token.kind == TOKEN_ON;
    rc = parser_next(p);
    if (rc == FW_OK)
        rc = parse_label_list(p, &m->labels, &m->count);
    if (rc != FW_OK || (p->token.kind != TOKEN_GROUP_LEFT &&
                        p->token.kind != TOKEN_GROUP_RIGHT))
        return rc;
    m->card = p->token.kind == TOKEN_GROUP_LEFT ? MANY_TO_ONE : ONE_TO_MANY;
    rc = parser_next(p);
    if (rc == FW_OK && p->token.kind == TOKEN_LEFT_PAREN)
        rc = parse_label_list(p, &m->include, &m->include_count);
    return rc;
}
