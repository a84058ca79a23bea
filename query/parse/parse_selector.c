/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parse_selector.c - selectors, and what is written behind an operand. */
#include <math.h>

#include "query/parse/literal.h"
#include "query/parse/parser.h"
#include "query/parse/place.h"

/* ---- name{label="value"} ------------------------------------------------ */

static fw_rc match_op(struct parser *p, enum fw_match_op *out)
{
    switch (p->token.kind) {
    case TOKEN_ASSIGN:
        *out = FW_MATCH_EQUAL;
        break;
    case TOKEN_NE:
        *out = FW_MATCH_DIFFERS;
        break;
    case TOKEN_REGEX:
        *out = FW_MATCH_REGEX;
        break;
    case TOKEN_NOT_REGEX:
        *out = FW_MATCH_NOT_REGEX;
        break;
    default:
        return parser_unexpected(p, "label matching",
                                 "label matching operator");
    }
    return parser_next(p);
}

static fw_rc check_regex(struct parser *p, const struct fw_matcher *m,
                         struct span span)
{
    struct fw_err why = {0};
    fw_rc rc;

    if (m->op != FW_MATCH_REGEX && m->op != FW_MATCH_NOT_REGEX)
        return FW_OK;
    rc = fw_regex_check(m->value, &why);
    if (rc != FW_EINVAL)
        return rc == FW_OK ? FW_OK : fw_err_set(p->err, rc, "%s", why.text);
    return complain(p->query->text, span, NULL, p->err, "%s", why.text);
}

/* The rest of a matcher whose label was read already. */
static fw_rc matcher_rest(struct parser *p, struct span start,
                          struct fw_matcher *out)
{
    fw_rc rc = match_op(p, &out->op);

    if (rc != FW_OK)
        return rc;
    if (p->token.kind != TOKEN_STRING)
        return parser_unexpected(p, "label matching", "string");
    rc = parse_string(p, &out->value);
    if (rc != FW_OK)
        return rc;
    start.to = p->last.to;
    return check_regex(p, out, start);
}

/*
 * One item in braces: label="x", "label name"="x" or, once and alone, the
 * metric name in quotes.
 */
static fw_rc item(struct parser *p, struct node *node, bool *is_name,
                  struct fw_matcher *out)
{
    struct selector *sel = &node->selector;
    struct span start = p->token.span;
    bool quoted = p->token.kind == TOKEN_STRING;
    fw_rc rc;

    *is_name = false;
    if (!quoted && p->token.kind != TOKEN_IDENTIFIER)
        return parser_unexpected(p, "label matching", "identifier or \"}\"");
    out->name = parser_text(p, start);
    rc = quoted ? parse_string(p, &out->name) : parser_next(p);
    if (rc != FW_OK)
        return rc;
    *is_name = quoted && (p->token.kind == TOKEN_COMMA ||
                          p->token.kind == TOKEN_RIGHT_BRACE);
    if (!*is_name)
        return matcher_rest(p, start, out);
    node->span.to = p->last.to;
    if (sel->name.n > 0)
        return complain(p->query->text, node->span, NULL, p->err,
                        "metric name must not be set twice: \"%.*s\" or "
                        "\"%.*s\"",
                        FW_STR_ARG(sel->name), FW_STR_ARG(out->name));
    sel->name = out->name;
    return FW_OK;
}

static fw_rc braces(struct parser *p, struct node *node)
{
    struct selector *sel = &node->selector;
    void *items = NULL;
    size_t n = 0;
    bool more = true;
    fw_rc rc = parser_next(p);

    while (rc == FW_OK && more && p->token.kind != TOKEN_RIGHT_BRACE) {
        bool is_name = false;

        rc = parser_grow(p, &items, n, sizeof(struct fw_matcher));
        if (rc == FW_OK)
            rc = item(p, node, &is_name, (struct fw_matcher *)items + n);
        n += !is_name;
        if (rc == FW_OK)
            rc = parser_take(p, TOKEN_COMMA, &more);
    }
    if (rc != FW_OK)
        return rc;
    if (p->token.kind != TOKEN_RIGHT_BRACE)
        return parser_unexpected(p, "label matching", "\",\" or \"}\"");
    sel->matchers = items;
    sel->count = n;
    return parser_next(p);
}

/* The matcher of the metric name goes last. */
static fw_rc add_name_matcher(struct parser *p, struct selector *sel)
{
    void *items = sel->matchers;
    fw_rc rc = parser_grow(p, &items, sel->count, sizeof(struct fw_matcher));

    if (rc != FW_OK)
        return rc;
    sel->matchers = items;
    sel->matchers[sel->count++] =
        (struct fw_matcher){.op = FW_MATCH_EQUAL,
                            .name = FW_STR(FW_METRIC_NAME),
                            .value = sel->name};
    return FW_OK;
}

fw_rc parse_selector(struct parser *p, struct node **out)
{
    struct node *node =
        node_new(p->arena, p->query, NODE_SELECTOR, p->token.span);
    fw_rc rc = FW_OK;

    if (node == NULL)
        return parser_no_memory(p);
    if (p->token.kind != TOKEN_LEFT_BRACE) {
        node->selector.name = parser_text(p, p->token.span);
        rc = parser_next(p);
    }
    if (rc == FW_OK && p->token.kind == TOKEN_LEFT_BRACE)
        rc = braces(p, node);
    if (rc == FW_OK && node->selector.name.n > 0)
        rc = add_name_matcher(p, &node->selector);
    node->span.to = p->last.to;
    *out = node;
    return rc;
}

/* ---- Behind an operand -------------------------------------------------- */

/* A duration, or a number of seconds; negative ones where `signs`. */
static fw_rc span_of_time(struct parser *p, bool signs, const char *context,
                          const char *expected, fw_ms *out)
{
    struct span start = p->token.span;
    bool negative = p->token.kind == TOKEN_SUB;
    struct fw_err why = {0};
    double seconds = 0;
    fw_rc rc = FW_OK;

    if (negative || p->token.kind == TOKEN_ADD)
        rc = parser_next(p);
    if (rc != FW_OK)
        return rc;
    if (p->token.kind == TOKEN_DURATION) {
        rc = fw_parse_duration(parser_text(p, p->token.span), out, NULL);
        if (rc != FW_OK)
            rc = fw_err_set(&why, rc, "not a valid duration string: \"%.*s\"",
                            FW_STR_ARG(parser_text(p, p->token.span)));
    } else if (p->token.kind == TOKEN_NUMBER) {
        rc = literal_number(parser_text(p, p->token.span), &seconds, &why);
        if (rc == FW_OK && !(fabs(seconds) < 9e15))
            rc = fw_err_set(&why, FW_EINVAL, "duration out of range");
        if (rc == FW_OK)
            *out = (fw_ms)(seconds * 1000);
    } else {
        return parser_unexpected(p, context, expected);
    }
    start.to = p->token.span.to;
    if (rc == FW_OK && !signs && (negative || *out <= 0))
        rc = fw_err_set(&why, FW_EINVAL, "duration must be greater than 0");
    if (rc != FW_OK)
        return complain(p->query->text, start, NULL, p->err, "%s", why.text);
    if (negative)
        *out = -*out;
    return parser_next(p);
}

static fw_rc make_subquery(struct parser *p, struct node **node, fw_ms range,
                           fw_ms step)
{
    struct span span = {(*node)->span.from, p->last.to};
    struct node *sub = node_new(p->arena, p->query, NODE_SUBQUERY, span);

    if (sub == NULL || !node_set_args(p->arena, sub, node, 1))
        return parser_no_memory(p);
    sub->subquery.range = range;
    sub->subquery.step = step;
    *node = sub;
    return FW_OK;
}

static fw_rc make_range(struct parser *p, struct node **node, fw_ms range,
                        struct span brackets)
{
    const struct shift *shift = &(*node)->selector.shift;
    const char *why = NULL;
    struct node *made;

    if ((*node)->kind != NODE_SELECTOR)
        why = "ranges only allowed for vector selectors";
    else if (shift->offset != 0)
        why = "no offset modifiers allowed before range";
    else if (shift->at_kind != AT_NONE)
        why = "no @ modifiers allowed before range";
    if (why != NULL)
        return complain(p->query->text, brackets, NULL, p->err, "%s", why);
    made = node_new(p->arena, p->query, NODE_RANGE,
                    (struct span){(*node)->span.from, brackets.to});
    if (made == NULL || !node_set_args(p->arena, made, node, 1))
        return parser_no_memory(p);
    made->range = range;
    *node = made;
    return FW_OK;
}

/* [5m] or [1h:1m] or [1h:] */
static fw_rc brackets(struct parser *p, struct node **node)
{
    struct span span = p->token.span;
    fw_ms range = 0;
    fw_ms step = 0;
    bool colon = false;
    fw_rc rc = parser_next(p);

    if (rc == FW_OK)
        rc = span_of_time(p, false, "subquery selector", "number or duration",
                          &range);
    if (rc == FW_OK)
        rc = parser_take(p, TOKEN_COLON, &colon);
    if (rc == FW_OK && colon && p->token.kind != TOKEN_RIGHT_BRACKET)
        rc = span_of_time(p, false, "subquery selector",
                          "number or duration or \"]\"", &step);
    if (rc != FW_OK)
        return rc;
    if (p->token.kind != TOKEN_RIGHT_BRACKET)
        return parser_unexpected(
            p, colon ? "subquery selector" : "subquery or range",
            colon ? "\"]\"" : "\":\" or \"]\"");
    span.to = p->token.span.to;
    rc = parser_next(p);
    if (rc != FW_OK)
        return rc;
    return colon ? make_subquery(p, node, range, step)
                 : make_range(p, node, range, span);
}

/* Where `offset` and `@` of a node are kept; NULL if it takes none. */
static struct shift *shift_of(struct node *node)
{
    switch (node->kind) {
    case NODE_SELECTOR:
        return &node->selector.shift;
    case NODE_RANGE:
        return &node->args[0]->selector.shift;
    case NODE_SUBQUERY:
        return &node->subquery.shift;
    default:
        return NULL;
    }
}

static fw_rc offset(struct parser *p, struct node *node)
{
    struct shift *shift = shift_of(node);
    fw_ms by = 0;
    fw_rc rc;

    if (shift == NULL)
        return complain(p->query->text, node->span, NULL, p->err,
                        "offset modifier must be preceded by an instant vector "
                        "selector or range vector selector or a subquery");
    if (shift->has_offset)
        return complain(p->query->text, node->span, NULL, p->err,
                        "offset may not be set multiple times");
    rc = parser_next(p);
    if (rc == FW_OK)
        rc = span_of_time(p, true, "offset", "number or duration", &by);
    if (rc != FW_OK)
        return rc;
    shift->has_offset = true;
    shift->offset = by;
    node->span.to = p->last.to;
    return FW_OK;
}

static fw_rc timestamp(struct parser *p, const struct node *node,
                       struct shift *shift)
{
    bool negative = p->token.kind == TOKEN_SUB;
    struct fw_err why = {0};
    double v = 0;
    fw_rc rc = FW_OK;

    if (negative || p->token.kind == TOKEN_ADD)
        rc = parser_next(p);
    if (rc != FW_OK)
        return rc;
    if (p->token.kind == TOKEN_NUMBER) {
        rc = literal_number(parser_text(p, p->token.span), &v, &why);
    } else if (p->token.kind == TOKEN_DURATION) {
        fw_ms ms = 0;

        rc = fw_parse_duration(parser_text(p, p->token.span), &ms, &why);
        v = (double)ms / 1000;
    } else {
        return parser_unexpected(p, "@", "timestamp");
    }
    if (rc != FW_OK)
        return complain(p->query->text, p->token.span, NULL, p->err, "%s",
                        why.text);
    v = negative ? -v : v;
    if (!isfinite(v))
        return complain(p->query->text, node->span, NULL, p->err,
                        "timestamp out of bounds for @ modifier: %s",
                        isnan(v) ? "NaN"
                        : v > 0  ? "+Inf"
                                 : "-Inf");
    if (fabs(v) >= 9.2e15)
        return complain(p->query->text, node->span, NULL, p->err,
                        "timestamp out of bounds for @ modifier: %f", v);
    shift->at_kind = AT_TIME;
    /* Further away there is nothing, and sums could overflow. */
    shift->at = (fw_ms)fmin(fmax(round(v * 1000), -0x1p60), 0x1p60);
    return parser_next(p);
}

/* start() or end() */
static fw_rc edge(struct parser *p, struct shift *shift)
{
    enum at_kind kind = p->token.kind == TOKEN_START ? AT_START : AT_END;
    bool opened = false;
    bool closed = false;
    fw_rc rc = parser_next(p);

    if (rc == FW_OK)
        rc = parser_take(p, TOKEN_LEFT_PAREN, &opened);
    if (rc == FW_OK && opened)
        rc = parser_take(p, TOKEN_RIGHT_PAREN, &closed);
    if (rc == FW_OK && !closed)
        return parser_unexpected(p, "@", "timestamp");
    shift->at_kind = kind;
    return rc;
}

static fw_rc at(struct parser *p, struct node *node)
{
    struct shift *shift = shift_of(node);
    fw_rc rc;

    if (shift == NULL)
        return complain(p->query->text, node->span, NULL, p->err,
                        "@ modifier must be preceded by an instant vector "
                        "selector or range vector selector or a subquery");
    if (shift->at_kind != AT_NONE)
        return complain(p->query->text, node->span, NULL, p->err,
                        "@ <timestamp> may not be set multiple times");
    rc = parser_next(p);
    if (rc != FW_OK)
        return rc;
    rc = p->token.kind == TOKEN_START || p->token.kind == TOKEN_END_OF_QUERY
             ? edge(p, shift)
             : timestamp(p, node, shift);
    node->span.to = p->last.to;
    return rc;
}

fw_rc parse_postfix(struct parser *p, struct node **node)
{
    fw_rc rc = FW_OK;

    while (rc == FW_OK) {
        if (p->token.kind == TOKEN_LEFT_BRACKET)
            rc = brackets(p, node);
        else if (p->token.kind == TOKEN_OFFSET)
            rc = offset(p, *node);
        else if (p->token.kind == TOKEN_AT)
            rc = at(p, *node);
        else
            break;
    }
    return rc;
}
