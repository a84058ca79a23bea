/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * parser.h - tokens to a tree: a Pratt parser, one token ahead.
 *
 * parser.c holds expressions; parse_selector.c what stands in braces, in
 * brackets and behind `offset` and `@`; parse_list.c what stands in
 * parentheses (arguments, labels) and the modifiers of operators.
 */
#ifndef FW_QUERY_PARSER_H
#define FW_QUERY_PARSER_H

#include "query/parse/ast.h"
#include "query/parse/lexer.h"

struct parser {
    struct lexer lexer;
    struct token token; /* the next one */
    struct span last;   /* of the token before it */
    struct fw_query *query;
    struct fw_arena *arena;
    struct fw_err *err;
    int depth;
};

/* Parses the whole text of `query` and sets its root; types are not checked. */
FW_CHECK fw_rc parse_text(struct fw_query *query, struct fw_arena *arena,
                          struct fw_err *err);

/* ---- Shared by the parser's files --------------------------------------- */

FW_CHECK fw_rc parser_next(struct parser *p);

/* Takes the next token if it is of that kind; *took tells. */
FW_CHECK fw_rc parser_take(struct parser *p, enum token_kind kind, bool *took);

/* "unexpected TOKEN in CONTEXT, expected WHAT"; both may be NULL. */
fw_rc parser_unexpected(struct parser *p, const char *context,
                        const char *expected);

/* The text of a token, and of the next one. */
struct fw_str parser_text(const struct parser *p, struct span span);

/* FW_ENOMEM or FW_ETOOBIG, after an allocation failed. */
fw_rc parser_no_memory(struct parser *p);

/* Appends a pointer-sized or larger item to an array in the arena. */
FW_CHECK fw_rc parser_grow(struct parser *p, void **items, size_t count,
                           size_t item_bytes);

FW_CHECK fw_rc parse_expression(struct parser *p, struct node **out);

/* The unquoted text of the next token, a string; it is taken. */
FW_CHECK fw_rc parse_string(struct parser *p, struct fw_str *out);

FW_CHECK fw_rc parse_selector(struct parser *p, struct node **out);

/* [...], offset and @ behind a node, as many as there are. */
FW_CHECK fw_rc parse_postfix(struct parser *p, struct node **node);

FW_CHECK fw_rc parse_label_list(struct parser *p, struct fw_str **labels,
                                size_t *count);
FW_CHECK fw_rc parse_arguments(struct parser *p, struct node ***args,
                               size_t *count);
FW_CHECK fw_rc parse_aggregate(struct parser *p, struct node **out);
FW_CHECK fw_rc parse_operator_modifiers(struct parser *p, struct node *node);

#endif
