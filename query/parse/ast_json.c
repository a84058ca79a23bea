/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ast_json.c - a tree as Prometheus's parse_query writes it; keys in order. */
#include "query/functions/functions.h"
#include "query/parse/ast.h"
#include "query/parse/literal.h"
#include "storage/base/json.h"

static void put_node(struct fw_json *json, const struct node *node);

static void put_key_node(struct fw_json *json, const char *key,
                         const struct node *node)
{
    fw_json_key(json, key);
    if (node == NULL)
        fw_json_null(json);
    else
        put_node(json, node);
}

static void put_list(struct fw_json *json, const char *key,
                     const struct fw_str *texts, size_t count)
{
    fw_json_key(json, key);
    fw_json_array(json);
    for (size_t i = 0; i < count; i++)
        fw_json_str(json, texts[i]);
    fw_json_array_end(json);
}

static const char *type_word(char letter)
{
    switch (letter) {
    case ARG_SCALAR:
        return "scalar";
    case ARG_RANGE:
        return "matrix";
    case ARG_TEXT:
        return "string";
    default:
        return "vector";
    }
}

/* ---- Selectors ----------------------------------------------------------- */

static void put_matchers(struct fw_json *json, const struct selector *sel)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};

    fw_json_key(json, "matchers");
    fw_json_array(json);
    for (size_t i = 0; i < sel->count; i++) {
        fw_json_object(json);
        fw_json_field_str(json, "name", sel->matchers[i].name);
        fw_json_field_text(json, "type", ops[sel->matchers[i].op]);
        fw_json_field_str(json, "value", sel->matchers[i].value);
        fw_json_object_end(json);
    }
    fw_json_array_end(json);
}

static void put_edge(struct fw_json *json, const struct shift *shift)
{
    fw_json_key(json, "startOrEnd");
    if (shift->at_kind == AT_START)
        fw_json_text(json, "start");
    else if (shift->at_kind == AT_END)
        fw_json_text(json, "end");
    else
        fw_json_null(json);
}

static void put_timestamp(struct fw_json *json, const struct shift *shift)
{
    fw_json_key(json, "timestamp");
    if (shift->at_kind == AT_TIME)
        fw_json_int(json, shift->at);
    else
        fw_json_null(json);
}

static void put_selector(struct fw_json *json, const struct selector *sel,
                         fw_ms range)
{
    put_matchers(json, sel);
    fw_json_field_str(json, "name", sel->name);
    fw_json_field_int(json, "offset", sel->shift.offset);
    if (range > 0) {
        fw_json_field_int(json, "range", range);
    }
    put_edge(json, &sel->shift);
    put_timestamp(json, &sel->shift);
    fw_json_field_text(json, "type",
                       range > 0 ? "matrixSelector" : "vectorSelector");
}

static void put_subquery(struct fw_json *json, const struct node *node)
{
    const struct subquery *sub = &node->subquery;

    put_key_node(json, "expr", node->args[0]);
    fw_json_field_int(json, "offset", sub->shift.offset);
    fw_json_field_int(json, "range", sub->range);
    put_edge(json, &sub->shift);
    fw_json_field_int(json, "step", sub->step);
    put_timestamp(json, &sub->shift);
    fw_json_field_text(json, "type", "subquery");
}

/* ---- Operators and calls ------------------------------------------------- */

static void put_aggregate(struct fw_json *json, const struct node *node)
{
    put_key_node(json, "expr", node->args[0]);
    put_list(json, "grouping", node->grouping.labels, node->grouping.count);
    fw_json_field_text(json, "op", token_text(node->op));
    put_key_node(json, "param", node->arg_count > 1 ? node->args[1] : NULL);
    fw_json_field_text(json, "type", "aggregation");
    fw_json_field_bool(json, "without", node->grouping.without);
}

static void put_matching(struct fw_json *json, const struct node *node)
{
    static const char *const cards[] = {
        [ONE_TO_ONE] = "one-to-one",
        [MANY_TO_ONE] = "many-to-one",
        [ONE_TO_MANY] = "one-to-many",
        [MANY_TO_MANY] = "many-to-many",
    };
    const struct matching *m = &node->matching;

    fw_json_key(json, "matching");
    if (node->args[0]->type != FW_VECTOR || node->args[1]->type != FW_VECTOR) {
        fw_json_null(json);
        return;
    }
    fw_json_object(json);
    fw_json_field_text(json, "card", cards[m->card]);
    put_list(json, "include", m->include, m->include_count);
    put_list(json, "labels", m->labels, m->count);
    fw_json_field_bool(json, "on", m->on);
    fw_json_object_end(json);
}

static void put_binary(struct fw_json *json, const struct node *node)
{
    fw_json_field_bool(json, "bool", node->returns_bool);
    put_key_node(json, "lhs", node->args[0]);
    put_matching(json, node);
    fw_json_field_text(json, "op", token_text(node->op));
    put_key_node(json, "rhs", node->args[1]);
    fw_json_field_text(json, "type", "binaryExpr");
}

static void put_call(struct fw_json *json, const struct node *node)
{
    const struct function *fn = node->function;

    fw_json_key(json, "args");
    fw_json_array(json);
    for (size_t i = 0; i < node->arg_count; i++)
        put_node(json, node->args[i]);
    fw_json_array_end(json);
    fw_json_key(json, "func");
    fw_json_object(json);
    fw_json_key(json, "argTypes");
    fw_json_array(json);
    for (const char *p = fn->args; *p != '\0'; p++)
        fw_json_text(json, type_word(*p));
    fw_json_array_end(json);
    fw_json_field_text(json, "name", fn->name);
    fw_json_field_text(json, "returnType",
                       fn->type == FW_SCALAR ? "scalar" : "vector");
    fw_json_field_int(json, "variadic",
                      fn->most < 0 ? -1 : fn->most - fn->least);
    fw_json_object_end(json);
    fw_json_field_text(json, "type", "call");
}

static void put_number(struct fw_json *json, double v)
{
    char text[LITERAL_PLAIN_BYTES];

    (void)literal_plain(text, v);
    fw_json_field_text(json, "type", "numberLiteral");
    fw_json_field_text(json, "val", text);
}

static void put_node(struct fw_json *json, const struct node *node)
{
    fw_json_object(json);
    switch (node->kind) {
    case NODE_NUMBER:
        put_number(json, node->number);
        break;
    case NODE_STRING:
        fw_json_field_text(json, "type", "stringLiteral");
        fw_json_field_str(json, "val", node->text);
        break;
    case NODE_SELECTOR:
        put_selector(json, &node->selector, 0);
        break;
    case NODE_RANGE:
        put_selector(json, &node->args[0]->selector, node->range);
        break;
    case NODE_SUBQUERY:
        put_subquery(json, node);
        break;
    case NODE_CALL:
        put_call(json, node);
        break;
    case NODE_AGGREGATE:
        put_aggregate(json, node);
        break;
    case NODE_BINARY:
        put_binary(json, node);
        break;
    case NODE_UNARY:
        put_key_node(json, "expr", node->args[0]);
        fw_json_field_text(json, "op", token_text(node->op));
        fw_json_field_text(json, "type", "unaryExpr");
        break;
    case NODE_PAREN:
        put_key_node(json, "expr", node->args[0]);
        fw_json_field_text(json, "type", "parenExpr");
        break;
    }
    fw_json_object_end(json);
}

fw_rc fw_query_print_ast(const struct fw_query *query, struct fw_buf *out)
{
    struct fw_json json;

    fw_json_init(&json, out);
    put_node(&json, query->root);
    return fw_json_rc(&json);
}
