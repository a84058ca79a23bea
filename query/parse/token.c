/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/parse/token.h"

#include <ctype.h>
#include <strings.h>

static const char *const texts[TOKEN_KIND_COUNT] = {
    [TOKEN_LEFT_PAREN] = "(",
    [TOKEN_RIGHT_PAREN] = ")",
    [TOKEN_LEFT_BRACE] = "{",
    [TOKEN_RIGHT_BRACE] = "}",
    [TOKEN_LEFT_BRACKET] = "[",
    [TOKEN_RIGHT_BRACKET] = "]",
    [TOKEN_COMMA] = ",",
    [TOKEN_COLON] = ":",
    [TOKEN_ASSIGN] = "=",
    [TOKEN_AT] = "@",
    [TOKEN_REGEX] = "=~",
    [TOKEN_NOT_REGEX] = "!~",
    [TOKEN_ADD] = "+",
    [TOKEN_SUB] = "-",
    [TOKEN_MUL] = "*",
    [TOKEN_DIV] = "/",
    [TOKEN_MOD] = "%",
    [TOKEN_POW] = "^",
    [TOKEN_ATAN2] = "atan2",
    [TOKEN_EQ] = "==",
    [TOKEN_NE] = "!=",
    [TOKEN_LT] = "<",
    [TOKEN_LE] = "<=",
    [TOKEN_GT] = ">",
    [TOKEN_GE] = ">=",
    [TOKEN_AND] = "and",
    [TOKEN_OR] = "or",
    [TOKEN_UNLESS] = "unless",
    [TOKEN_SUM] = "sum",
    [TOKEN_AVG] = "avg",
    [TOKEN_MIN] = "min",
    [TOKEN_MAX] = "max",
    [TOKEN_COUNT] = "count",
    [TOKEN_GROUP] = "group",
    [TOKEN_STDDEV] = "stddev",
    [TOKEN_STDVAR] = "stdvar",
    [TOKEN_TOPK] = "topk",
    [TOKEN_BOTTOMK] = "bottomk",
    [TOKEN_QUANTILE] = "quantile",
    [TOKEN_COUNT_VALUES] = "count_values",
    [TOKEN_LIMITK] = "limitk",
    [TOKEN_LIMIT_RATIO] = "limit_ratio",
    [TOKEN_BY] = "by",
    [TOKEN_WITHOUT] = "without",
    [TOKEN_ON] = "on",
    [TOKEN_IGNORING] = "ignoring",
    [TOKEN_GROUP_LEFT] = "group_left",
    [TOKEN_GROUP_RIGHT] = "group_right",
    [TOKEN_BOOL] = "bool",
    [TOKEN_OFFSET] = "offset",
    [TOKEN_START] = "start",
    [TOKEN_END_OF_QUERY] = "end",
};

const char *token_text(enum token_kind kind)
{
    return texts[kind];
}

enum token_kind token_of_word(struct fw_str word)
{
    for (int k = TOKEN_ATAN2; k < TOKEN_KIND_COUNT; k++) {
        if (texts[k] != NULL && strlen(texts[k]) == word.n &&
            strncasecmp(texts[k], word.p, word.n) == 0)
            return (enum token_kind)k;
    }
    if (word.n == 3 && (strncasecmp(word.p, "inf", 3) == 0 ||
                        strncasecmp(word.p, "nan", 3) == 0))
        return TOKEN_NUMBER;
    if (memchr(word.p, ':', word.n) != NULL)
        return TOKEN_METRIC;
    return TOKEN_IDENTIFIER;
}

bool token_is_operator(enum token_kind kind)
{
    return kind >= TOKEN_ADD && kind <= TOKEN_UNLESS;
}

bool token_is_comparison(enum token_kind kind)
{
    return kind >= TOKEN_EQ && kind <= TOKEN_GE;
}

bool token_is_set_operator(enum token_kind kind)
{
    return kind >= TOKEN_AND && kind <= TOKEN_UNLESS;
}

bool token_is_aggregate(enum token_kind kind)
{
    return kind >= TOKEN_SUM && kind <= TOKEN_LIMIT_RATIO;
}

bool token_takes_parameter(enum token_kind kind)
{
    return kind >= TOKEN_TOPK && kind <= TOKEN_LIMIT_RATIO;
}

bool token_is_metric_name(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_METRIC:
    case TOKEN_BY:
    case TOKEN_WITHOUT:
    case TOKEN_OFFSET:
    case TOKEN_START:
    case TOKEN_END_OF_QUERY:
        return true;
    default:
        return token_is_aggregate(kind) || token_is_set_operator(kind);
    }
}

bool token_is_label_name(enum token_kind kind)
{
    return token_is_metric_name(kind) || kind == TOKEN_ATAN2 ||
           (kind >= TOKEN_BY && kind <= TOKEN_END_OF_QUERY);
}

/* What a token without a fixed form is called. */
static const char *kind_name(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_END:
        return "end of input";
    case TOKEN_IDENTIFIER:
        return "identifier";
    case TOKEN_METRIC:
        return "metric identifier";
    case TOKEN_STRING:
        return "string";
    case TOKEN_NUMBER:
        return "number";
    case TOKEN_DURATION:
        return "duration";
    default:
        return "";
    }
}

fw_rc token_describe(const struct token *token, struct fw_str text,
                     struct fw_buf *out)
{
    struct fw_str word = {text.p + token->span.from,
                          token->span.to - token->span.from};
    enum token_kind kind = token->kind;

    if (kind == TOKEN_END)
        return fw_buf_adds(out, kind_name(kind));
    if (token_is_aggregate(kind))
        return fw_buf_printf(out, "<aggr:%.*s>", FW_STR_ARG(word));
    if (token_is_operator(kind))
        return fw_buf_printf(out, "<op:%.*s>", FW_STR_ARG(word));
    if (kind >= TOKEN_BY)
        return fw_buf_printf(out, "<%.*s>", FW_STR_ARG(word));
    if (texts[kind] != NULL)
        return fw_buf_printf(out, "\"%.*s\"", FW_STR_ARG(word));
    if (kind == TOKEN_STRING)
        return fw_buf_printf(out, "string %.*s", FW_STR_ARG(word));
    return fw_buf_printf(out, "%s \"%.*s\"", kind_name(kind), FW_STR_ARG(word));
}
