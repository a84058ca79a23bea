/* SPDX-License-Identifier: GPL-3.0-or-later */
/* token.h - the words of the language, their kinds and their names. */
#ifndef FW_QUERY_TOKEN_H
#define FW_QUERY_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/str.h"

enum token_kind {
    TOKEN_END,
    TOKEN_IDENTIFIER,
    TOKEN_METRIC, /* an identifier with a colon: no label can be called so */
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_DURATION,

    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_ASSIGN, /* = */
    TOKEN_AT,

    TOKEN_REGEX,     /* =~ */
    TOKEN_NOT_REGEX, /* !~ */

    TOKEN_ADD, /* the binary operators: token_is_operator() */
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_ATAN2,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_UNLESS,

    TOKEN_SUM, /* the aggregations: token_is_aggregate() */
    TOKEN_AVG,
    TOKEN_MIN,
    TOKEN_MAX,
    TOKEN_COUNT,
    TOKEN_GROUP,
    TOKEN_STDDEV,
    TOKEN_STDVAR,
    TOKEN_TOPK,
    TOKEN_BOTTOMK,
    TOKEN_QUANTILE,
    TOKEN_COUNT_VALUES,
    TOKEN_LIMITK,
    TOKEN_LIMIT_RATIO,

    TOKEN_BY,
    TOKEN_WITHOUT,
    TOKEN_ON,
    TOKEN_IGNORING,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_BOOL,
    TOKEN_OFFSET,
    TOKEN_START,
    TOKEN_END_OF_QUERY, /* end, as in @ end() */
    TOKEN_KIND_COUNT
};

/* A place in the text: bytes from..to, `to` excluded. */
struct span {
    uint32_t from, to;
};

struct token {
    enum token_kind kind;
    struct span span;
};

/* The kind of a word: a keyword in any case, "inf" and "nan", or a name. */
enum token_kind token_of_word(struct fw_str word);

/* "sum", "+", "group_left": as it is written; for kinds that have one form. */
const char *token_text(enum token_kind kind);

bool token_is_operator(enum token_kind kind);
bool token_is_comparison(enum token_kind kind);
bool token_is_set_operator(enum token_kind kind);
bool token_is_aggregate(enum token_kind kind);
/* topk, bottomk, quantile, count_values, limitk, limit_ratio */
bool token_takes_parameter(enum token_kind kind);

/* Words that are keywords in one place and may be names in another. */
bool token_is_metric_name(enum token_kind kind);
bool token_is_label_name(enum token_kind kind);

/* How an error message calls a token: `identifier "b"`, `<op:*>`. */
FW_CHECK fw_rc token_describe(const struct token *token, struct fw_str text,
                              struct fw_buf *out);

#endif
