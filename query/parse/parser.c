/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/parse/parser.h"

#include "query/functions/functions.h"
#include "query/parse/literal.h"
#include "query/parse/place.h"
#include "query/query_limits.h"
#include "storage/base/limits.h"

fw_rc parser_next(struct parser *p)
{
    p->last = p->token.span;
    return lexer_next(&p->lexer, &p->token, p->err);
}

fw_rc parser_take(struct parser *p, enum token_kind kind, bool *took)
{
    *took = p->token.kind == kind;
    return *took ? parser_next(p) : FW_OK;
}

struct fw_str parser_text(const struct parser *p, struct span span)
{
    return (struct fw_str){p->query->text.p + span.from, span.to - span.from};
}

fw_rc parser_unexpected(struct parser *p, const char *context,
                        const char *expected)
{
    struct fw_buf what = FW_BUF_INIT(512);
    fw_rc rc = token_describe(&p->token, p->query->text, &what);

    rc = complain(p->query->text, p->token.span, NULL, p->err,
                  "unexpected %s%s%s%s%s", rc == FW_OK ? what.data : "text",
                  context != NULL ? " in " : "", context != NULL ? context : "",
                  expected != NULL ? ", expected " : "",
                  expected != NULL ? expected : "");
    fw_buf_release(&what);
    return rc;
}

fw_rc parser_no_memory(struct parser *p)
{
    return fw_arena_err(p->arena, p->err);
}

fw_rc parser_grow(struct parser *p, void **items, size_t count,
                  size_t item_bytes)
{
    void *bigger;

    /* Room is doubled at each power of two. */
    if (*items != NULL && (count & (count - 1)) != 0)
        return FW_OK;
    bigger =
        fw_arena_alloc(p->arena, (count == 0 ? 1 : 2 * count) * item_bytes);
    if (bigger == NULL)
        return parser_no_memory(p);
    if (count > 0)
        memcpy(bigger, *items, count * item_bytes);
    *items = bigger;
    return FW_OK;
}

fw_rc parse_string(struct parser *p, struct fw_str *out)
{
    struct span span = p->token.span;
    struct fw_err why = {0};
    size_t bad = 0;
    fw_rc rc = literal_string(parser_text(p, span), p->arena, out, &bad, &why);

    if (rc == FW_EINVAL) {
        span.from += (uint32_t)bad;
        return complain(p->query->text, span, NULL, p->err, "%s", why.text);
    }
    if (rc != FW_OK)
        return parser_no_memory(p);
    return parser_next(p);
}

/* ---- Operands ----------------------------------------------------------- */

static fw_rc number(struct parser *p, struct node **out)
{
    struct fw_str text = parser_text(p, p->token.span);
    struct node *node =
        node_new(p->arena, p->query, NODE_NUMBER, p->token.span);
    struct fw_err why = {0};
    fw_ms span;

    if (node == NULL)
        return parser_no_memory(p);
    if (p->token.kind == TOKEN_NUMBER) {
        if (literal_number(text, &node->number, &why) != FW_OK)
            return complain(p->query->text, p->token.span, NULL, p->err, "%s",
                            why.text);
    } else {
        if (fw_parse_duration(text, &span, NULL) != FW_OK)
            return complain(p->query->text, p->token.span, NULL, p->err,
                            "not a valid duration string: \"%.*s\"",
                            FW_STR_ARG(text));
        node->number = (double)span / 1000;
    }
    *out = node;
    return parser_next(p);
}

static fw_rc quoted(struct parser *p, struct node **out)
{
    struct node *node =
        node_new(p->arena, p->query, NODE_STRING, p->token.span);

    if (node == NULL)
        return parser_no_memory(p);
    *out = node;
    return parse_string(p, &node->text);
}

static fw_rc paren(struct parser *p, struct node **out)
{
    struct span span = p->token.span;
    struct node *inside = NULL;
    struct node *node;
    fw_rc rc = parser_next(p);

    if (rc == FW_OK)
        rc = parse_expression(p, &inside);
    if (rc != FW_OK)
        return rc;
    if (p->token.kind != TOKEN_RIGHT_PAREN)
        return parser_unexpected(p, NULL, NULL);
    span.to = p->token.span.to;
    node = node_new(p->arena, p->query, NODE_PAREN, span);
    if (node == NULL || !node_set_args(p->arena, node, &inside, 1))
        return parser_no_memory(p);
    *out = node;
    return parser_next(p);
}

/* True if a "(" follows the present token, blanks and comments aside. */
static bool paren_follows(const struct parser *p)
{
    struct lexer ahead = p->lexer;
    struct token token;
    struct fw_err ignored = {0};

    return lexer_next(&ahead, &token, &ignored) == FW_OK &&
           token.kind == TOKEN_LEFT_PAREN;
}

static fw_rc call(struct parser *p, struct node **out)
{
    struct span name = p->token.span;
    struct node *node = node_new(p->arena, p->query, NODE_CALL, name);
    struct node **args = NULL;
    size_t count = 0;
    fw_rc rc;

    if (node == NULL)
        return parser_no_memory(p);
    rc = function_find(parser_text(p, name), p->query->text, name,
                       &node->function, p->err);
    if (rc == FW_OK)
        rc = parser_next(p);
    if (rc == FW_OK)
        rc = parse_arguments(p, &args, &count);
    if (rc != FW_OK)
        return rc;
    node->span.to = p->last.to;
    node->args = args;
    node->arg_count = count;
    node->height = node_height(node);
    *out = node;
    return FW_OK;
}

static fw_rc operand(struct parser *p, struct node **out)
{
    enum token_kind kind = p->token.kind;

    if (kind == TOKEN_NUMBER || kind == TOKEN_DURATION)
        return number(p, out);
    if (kind == TOKEN_STRING)
        return quoted(p, out);
    if (kind == TOKEN_LEFT_PAREN)
        return paren(p, out);
    if (kind == TOKEN_LEFT_BRACE)
        return parse_selector(p, out);
    if (kind == TOKEN_IDENTIFIER && paren_follows(p))
        return call(p, out);
    if (token_is_aggregate(kind)) {
        struct lexer ahead = p->lexer;
        struct token token = {TOKEN_END, {0, 0}};
        struct fw_err ignored = {0};
        fw_rc rc = lexer_next(&ahead, &token, &ignored);

        if (rc == FW_OK &&
            (token.kind == TOKEN_LEFT_PAREN || token.kind == TOKEN_BY ||
             token.kind == TOKEN_WITHOUT))
            return parse_aggregate(p, out);
    }
    if (token_is_metric_name(kind))
        return parse_selector(p, out);
    return parser_unexpected(p, NULL, NULL);
}

/* ---- Operators ---------------------------------------------------------- */

/* How tightly a binary operator binds; 0 if it is none. */
static int binding(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_OR:
        return 1;
    case TOKEN_AND:
    case TOKEN_UNLESS:
        return 2;
    case TOKEN_ADD:
    case TOKEN_SUB:
        return 4;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
    case TOKEN_ATAN2:
        return 5;
    case TOKEN_POW:
        return 6;
    default:
        return token_is_comparison(kind) ? 3 : 0;
    }
}

static fw_rc expression(struct parser *p, int least, struct node **out);

/* A sign binds like a product: -a ^ 2 is -(a ^ 2), -a * b is (-a) * b. */
static fw_rc unary(struct parser *p, struct node **out)
{
    struct token sign = p->token;
    struct node *operand_node = NULL;
    struct node *node;
    fw_rc rc = parser_next(p);

    if (rc == FW_OK)
        rc = expression(p, binding(TOKEN_POW), &operand_node);
    if (rc != FW_OK)
        return rc;
    if (operand_node->kind == NODE_NUMBER) {
        if (sign.kind == TOKEN_SUB)
            operand_node->number = -operand_node->number;
        operand_node->span.from = sign.span.from;
        *out = operand_node;
        return FW_OK;
    }
    node = node_new(p->arena, p->query, NODE_UNARY,
                    (struct span){sign.span.from, operand_node->span.to});
    if (node == NULL || !node_set_args(p->arena, node, &operand_node, 1))
        return parser_no_memory(p);
    node->op = sign.kind;
    *out = node;
    return FW_OK;
}

static fw_rc prefix(struct parser *p, struct node **out)
{
    fw_rc rc;

    if (p->token.kind == TOKEN_ADD || p->token.kind == TOKEN_SUB)
        return unary(p, out);
    rc = operand(p, out);
    return rc == FW_OK ? parse_postfix(p, out) : rc;
}

static fw_rc binary(struct parser *p, struct node **left)
{
    struct token op = p->token;
    struct node *args[2] = {*left, NULL};
    struct node *node = node_new(p->arena, p->query, NODE_BINARY, op.span);
    int bind = binding(op.kind);
    fw_rc rc;

    if (node == NULL)
        return parser_no_memory(p);
    node->op = op.kind;
    rc = parser_next(p);
    if (rc == FW_OK)
        rc = parse_operator_modifiers(p, node);
    if (rc == FW_OK) /* only ^ groups to the right */
        rc = expression(p, op.kind == TOKEN_POW ? bind : bind + 1, &args[1]);
    if (rc != FW_OK)
        return rc;
    if (!node_set_args(p->arena, node, args, 2))
        return parser_no_memory(p);
    node->span.from = args[0]->span.from;
    node->span.to = args[1]->span.to;
    *left = node;
    if (node->height <= FW_MAX_QUERY_CHAIN)
        return FW_OK;
    limit_count(FW_LIMIT_OPERATORS);
    return complain(p->query->text, op.span, NULL, p->err,
                    "more than %d operators in a row; record a part of the "
                    "expression under a name of its own",
                    FW_MAX_QUERY_CHAIN);
}

static fw_rc expression(struct parser *p, int least, struct node **out)
{
    struct node *left = NULL;
    fw_rc rc;

    if (++p->depth > FW_MAX_QUERY_DEPTH) {
        limit_count(FW_LIMIT_DEPTH);
        return complain(p->query->text, p->token.span, NULL, p->err,
                        "the expression is nested more than %d levels deep; "
                        "record a part of it under a name of its own",
                        FW_MAX_QUERY_DEPTH);
    }
    rc = prefix(p, &left);
    while (rc == FW_OK && binding(p->token.kind) >= least &&
           binding(p->token.kind) > 0)
        rc = binary(p, &left);
    p->depth--;
    if (rc == FW_OK)
        *out = left;
    return rc;
}

fw_rc parse_expression(struct parser *p, struct node **out)
{
    return expression(p, 1, out);
}

fw_rc parse_text(struct fw_query *query, struct fw_arena *arena,
                 struct fw_err *err)
{
    struct parser p = {.query = query, .arena = arena, .err = err};
    struct node *root = NULL;
    fw_rc rc;

    lexer_init(&p.lexer, query->text);
    rc = parser_next(&p);
    if (rc != FW_OK)
        return rc;
    if (p.token.kind == TOKEN_END)
        return complain(query->text, p.token.span, NULL, err,
                        "no expression found in input");
    rc = parse_expression(&p, &root);
    if (rc != FW_OK)
        return rc;
    if (p.token.kind != TOKEN_END)
        return parser_unexpected(&p, NULL, NULL);
    query->root = root;
    return FW_OK;
}
