/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/parse/check.h"

#include "query/eval/eval.h"
#include "query/functions/functions.h"
#include "query/parse/place.h"

static fw_rc check(const struct fw_query *query, struct node *node,
                   struct fw_err *err);

static fw_rc expect(const struct fw_query *query, const struct node *node,
                    enum fw_value_type want, const char *context,
                    struct fw_err *err)
{
    const char *hint = NULL;

    if (node->type == want)
        return FW_OK;
    if (want == FW_MATRIX && node->type == FW_VECTOR)
        hint = node_inside(node)->kind == NODE_SELECTOR
                   ? "a range is written behind the selector: [5m]"
                   : "a range over an expression is a subquery: (...)[5m:1m]";
    return complain(query->text, node->span, hint, err,
                    "expected type %s in %s, got %s", value_type_name(want),
                    context, value_type_name(node->type));
}

/* ---- Operators ---------------------------------------------------------- */

/* The place of the operator itself, between its operands. */
static struct span operator_span(const struct fw_query *query,
                                 const struct node *node)
{
    struct span span = {node->args[0]->span.to, node->args[1]->span.from};
    const char *p = query->text.p;

    while (span.from < span.to && strchr(" \t\r\n", p[span.from]) != NULL)
        span.from++;
    while (span.to > span.from && strchr(" \t\r\n", p[span.to - 1]) != NULL)
        span.to--;
    return span;
}

static fw_rc check_include(const struct fw_query *query,
                           const struct node *node, struct fw_err *err)
{
    const struct matching *m = &node->matching;

    for (size_t i = 0; m->on && i < m->count; i++) {
        for (size_t j = 0; j < m->include_count; j++) {
            if (fw_str_eq(m->labels[i], m->include[j]))
                return complain(query->text, operator_span(query, node), NULL,
                                err,
                                "label \"%.*s\" must not occur in ON and GROUP "
                                "clause at once",
                                FW_STR_ARG(m->labels[i]));
        }
    }
    return FW_OK;
}

static fw_rc check_operands(const struct fw_query *query, struct node *node,
                            struct fw_err *err)
{
    for (size_t i = 0; i < 2; i++) {
        const struct node *arg = node->args[i];

        if (arg->type != FW_SCALAR && arg->type != FW_VECTOR)
            return complain(query->text, arg->span, NULL, err,
                            "binary expression must contain only scalar and "
                            "instant vector types");
    }
    return FW_OK;
}

static fw_rc check_matching(const struct fw_query *query, struct node *node,
                            struct fw_err *err)
{
    struct matching *m = &node->matching;
    bool vectors =
        node->args[0]->type == FW_VECTOR && node->args[1]->type == FW_VECTOR;
    const char *op = token_text(node->op);

    if (!vectors && m->count > 0)
        return complain(query->text, node->span, NULL, err,
                        "vector matching only allowed between instant "
                        "vectors");
    if (!token_is_set_operator(node->op))
        return FW_OK;
    if (!vectors)
        return complain(query->text, node->span, NULL, err,
                        "set operator \"%s\" not allowed in binary scalar "
                        "expression",
                        op);
    if (m->card != ONE_TO_ONE)
        return complain(query->text, node->span, NULL, err,
                        "no grouping allowed for \"%s\" operation", op);
    m->card = MANY_TO_MANY;
    return FW_OK;
}

static fw_rc check_binary(const struct fw_query *query, struct node *node,
                          struct fw_err *err)
{
    bool compares = token_is_comparison(node->op);
    bool scalars =
        node->args[0]->type == FW_SCALAR && node->args[1]->type == FW_SCALAR;
    fw_rc rc;

    if (node->returns_bool && !compares)
        return complain(query->text, operator_span(query, node), NULL, err,
                        "bool modifier can only be used on comparison "
                        "operators");
    if (compares && !node->returns_bool && scalars)
        return complain(query->text, operator_span(query, node),
                        "write it as: == bool, > bool, ...", err,
                        "comparisons between scalars must use BOOL modifier");
    rc = check_include(query, node, err);
    if (rc == FW_OK)
        rc = check_operands(query, node, err);
    if (rc == FW_OK)
        rc = check_matching(query, node, err);
    node->type = scalars ? FW_SCALAR : FW_VECTOR;
    return rc;
}

static fw_rc check_unary(const struct fw_query *query, struct node *node,
                         struct fw_err *err)
{
    enum fw_value_type type = node->args[0]->type;

    node->type = type;
    if (type == FW_SCALAR || type == FW_VECTOR)
        return FW_OK;
    return complain(query->text, node->span, NULL, err,
                    "unary expression only allowed on expressions of type "
                    "scalar or instant vector, got \"%s\"",
                    value_type_name(type));
}

/* ---- Calls and aggregations --------------------------------------------- */

static enum fw_value_type type_of_letter(char letter)
{
    switch (letter) {
    case ARG_SCALAR:
        return FW_SCALAR;
    case ARG_RANGE:
        return FW_MATRIX;
    case ARG_TEXT:
        return FW_STRING;
    default:
        return FW_VECTOR;
    }
}

static fw_rc check_arity(const struct fw_query *query, const struct node *node,
                         struct fw_err *err)
{
    const struct function *fn = node->function;
    int got = (int)node->arg_count;

    if (fn->least == fn->most && got != fn->least)
        return complain(query->text, node->span, NULL, err,
                        "expected %d argument(s) in call to \"%s\", got %d",
                        fn->least, fn->name, got);
    if (got < fn->least)
        return complain(query->text, node->span, NULL, err,
                        "expected at least %d argument(s) in call to \"%s\", "
                        "got %d",
                        fn->least, fn->name, got);
    if (fn->most >= 0 && got > fn->most)
        return complain(query->text, node->span, NULL, err,
                        "expected at most %d argument(s) in call to \"%s\", "
                        "got %d",
                        fn->most, fn->name, got);
    return FW_OK;
}

static bool is_info(const struct node *node)
{
    return node->kind == NODE_CALL && node->arg_count == 2 &&
           node->function->call == call_info;
}

/* The second argument only looks like a vector: it says which labels. */
static fw_rc check_info(const struct fw_query *query, const struct node *node,
                        struct fw_err *err)
{
    const struct node *arg = node_inside(node->args[1]);

    if (arg->kind == NODE_SELECTOR && arg->selector.name.n == 0)
        return FW_OK;
    return complain(query->text, node->args[1]->span,
                    "write it without a metric name: "
                    "{version=~\".+\"}",
                    err,
                    "expected label selectors only, got vector selector "
                    "instead");
}

static fw_rc check_call(const struct fw_query *query, struct node *node,
                        struct fw_err *err)
{
    char context[96];
    fw_rc rc = check_arity(query, node, err);

    (void)snprintf(context, sizeof(context), "call to function \"%s\"",
                   node->function->name);
    for (size_t i = 0; i < node->arg_count && rc == FW_OK; i++)
        rc = expect(query, node->args[i],
                    type_of_letter(function_arg(node->function, i)), context,
                    err);
    node->type = node->function->type;
    return rc == FW_OK && is_info(node) ? check_info(query, node, err) : rc;
}

static fw_rc check_aggregate(const struct fw_query *query, struct node *node,
                             struct fw_err *err)
{
    fw_rc rc =
        expect(query, node->args[0], FW_VECTOR, "aggregation expression", err);

    node->type = FW_VECTOR;
    if (rc != FW_OK || node->arg_count == 1)
        return rc;
    if ((node->op == TOKEN_LIMITK || node->op == TOKEN_LIMIT_RATIO) &&
        !experimental_enabled())
        return complain(query->text, node->span, NULL, err,
                        "%s() is experimental and must be enabled with "
                        "--enable-feature=promql-experimental-functions",
                        token_text(node->op));
    return expect(query, node->args[1],
                  node->op == TOKEN_COUNT_VALUES ? FW_STRING : FW_SCALAR,
                  "aggregation parameter", err);
}

/* ---- Selectors ---------------------------------------------------------- */

/* True if a series without the label would match. */
static fw_rc takes_empty(const struct fw_matcher *m, bool *out,
                         struct fw_err *err)
{
    struct fw_regex *regex = NULL;
    fw_rc rc;

    switch (m->op) {
    case FW_MATCH_EQUAL:
        *out = m->value.n == 0;
        return FW_OK;
    case FW_MATCH_DIFFERS:
        *out = m->value.n > 0;
        return FW_OK;
    default:
        rc = fw_regex_compile(m->value, &regex, err);
        if (rc != FW_OK)
            return rc;
        *out = fw_regex_matches(regex, FW_STR("")) == (m->op == FW_MATCH_REGEX);
        fw_regex_free(regex);
        return FW_OK;
    }
}

static fw_rc check_selector(const struct fw_query *query, struct node *node,
                            struct fw_err *err)
{
    const struct selector *sel = &node->selector;

    node->type = FW_VECTOR;
    for (size_t i = 0; sel->name.n > 0 && i + 1 < sel->count; i++) {
        const struct fw_matcher *m = &sel->matchers[i];

        if (fw_str_eq(m->name, FW_STR(FW_METRIC_NAME)))
            return complain(query->text, node->span, NULL, err,
                            "metric name must not be set twice: \"%.*s\" or "
                            "\"%.*s\"",
                            FW_STR_ARG(sel->name), FW_STR_ARG(m->value));
    }
    for (size_t i = 0; i < sel->count; i++) {
        bool empty = true;
        fw_rc rc = takes_empty(&sel->matchers[i], &empty, err);

        if (rc != FW_OK || !empty)
            return rc;
    }
    return complain(query->text, node->span,
                    "name a metric, or a label that must be there: "
                    "{job=~\".+\"}",
                    err,
                    "vector selector must contain at least one non-empty "
                    "matcher");
}

static fw_rc check_subquery(const struct fw_query *query, struct node *node,
                            struct fw_err *err)
{
    enum fw_value_type type = node->args[0]->type;

    node->type = FW_MATRIX;
    if (type == FW_VECTOR)
        return FW_OK;
    return complain(query->text, node->span, NULL, err,
                    "subquery is only allowed on instant vector, got %s "
                    "instead",
                    type == FW_MATRIX ? "matrix" : value_type_name(type));
}

static fw_rc check(const struct fw_query *query, struct node *node,
                   struct fw_err *err)
{
    for (size_t i = 0; i < node->arg_count; i++) {
        fw_rc rc;

        if (i == 1 && is_info(node) &&
            node_inside(node->args[i])->kind == NODE_SELECTOR) {
            node->args[i]->type = FW_VECTOR; /* it may match anything */
            continue;
        }
        rc = check(query, node->args[i], err);
        if (rc != FW_OK)
            return rc;
    }
    switch (node->kind) {
    case NODE_NUMBER:
        node->type = FW_SCALAR;
        return FW_OK;
    case NODE_STRING:
        node->type = FW_STRING;
        return FW_OK;
    case NODE_SELECTOR:
        return check_selector(query, node, err);
    case NODE_RANGE:
        node->type = FW_MATRIX;
        return FW_OK;
    case NODE_SUBQUERY:
        return check_subquery(query, node, err);
    case NODE_CALL:
        return check_call(query, node, err);
    case NODE_AGGREGATE:
        return check_aggregate(query, node, err);
    case NODE_BINARY:
        return check_binary(query, node, err);
    case NODE_UNARY:
        return check_unary(query, node, err);
    case NODE_PAREN:
        node->type = node->args[0]->type;
        return FW_OK;
    }
    return FW_OK;
}

fw_rc check_types(struct fw_query *query, struct fw_err *err)
{
    return check(query, query->root, err);
}

/* ---- Traits ------------------------------------------------------------- */

static bool all_steady(const struct node *node)
{
    for (size_t i = 0; i < node->arg_count; i++) {
        if (!node->args[i]->steady)
            return false;
    }
    return true;
}

static bool is_steady(const struct node *node)
{
    switch (node->kind) {
    case NODE_SELECTOR:
        return node->selector.shift.at_kind != AT_NONE;
    case NODE_SUBQUERY:
        return node->subquery.shift.at_kind != AT_NONE;
    case NODE_CALL:
        return (node->function->flags & FN_MOVES) == 0 &&
               node->function->outside == NULL && all_steady(node);
    default:
        return all_steady(node);
    }
}

static bool pins_name(const struct selector *sel)
{
    for (size_t i = 0; i < sel->count; i++) {
        if (sel->matchers[i].op == FW_MATCH_EQUAL &&
            fw_str_eq(sel->matchers[i].name, FW_STR(FW_METRIC_NAME)))
            return true;
    }
    return false;
}

static bool groups_by_name(const struct grouping *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (fw_str_eq(g->labels[i], FW_STR(FW_METRIC_NAME)))
            return !g->without;
    }
    return false;
}

static bool has_one_name(const struct node *node)
{
    switch (node->kind) {
    case NODE_SELECTOR:
        return pins_name(&node->selector);
    case NODE_CALL:
        if (node->function->flags & FN_RENAMES)
            return false;
        return (node->function->flags & FN_KEEPS_NAME) == 0 ||
               node->args[0]->one_name;
    case NODE_AGGREGATE:
        if (token_takes_parameter(node->op) && node->op != TOKEN_QUANTILE &&
            node->op != TOKEN_COUNT_VALUES)
            return node->args[0]->one_name;
        return !groups_by_name(&node->grouping) || node->args[0]->one_name;
    case NODE_BINARY:
        if (!token_is_comparison(node->op) && !token_is_set_operator(node->op))
            return true;
        return node->op != TOKEN_OR && node->matching.card != MANY_TO_ONE &&
               node->matching.card != ONE_TO_MANY && node->args[0]->one_name &&
               node->args[1]->one_name;
    default:
        return node->arg_count == 0 || node->args[0]->one_name;
    }
}

void check_traits(struct node *node)
{
    for (size_t i = 0; i < node->arg_count; i++)
        check_traits(node->args[i]);
    node->steady = is_steady(node);
    node->one_name = has_one_name(node);
}
