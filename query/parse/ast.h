/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ast.h - the tree of an expression. It lives in the arena of its query and
 * is not written to once it is parsed and checked, so that one tree may be
 * evaluated by several threads.
 */
#ifndef FW_QUERY_AST_H
#define FW_QUERY_AST_H

#include "query/parse/token.h"
#include "query/query.h"

struct function; /* functions.h */

enum node_kind {
    NODE_NUMBER,
    NODE_STRING,
    NODE_SELECTOR,  /* metric{label="x"} */
    NODE_RANGE,     /* args: the selector before [5m] */
    NODE_SUBQUERY,  /* args: the expression before [1h:1m] */
    NODE_CALL,      /* args: as written */
    NODE_AGGREGATE, /* args: the vector, then the parameter if any */
    NODE_BINARY,    /* args: left, right */
    NODE_UNARY,     /* args: the operand */
    NODE_PAREN      /* args: what it holds */
};

enum at_kind {
    AT_NONE,
    AT_TIME,
    AT_START, /* of the query, also inside a subquery */
    AT_END
};

/* `offset` and `@` of a selector or subquery. */
struct shift {
    bool has_offset;
    fw_ms offset;
    enum at_kind at_kind;
    fw_ms at;
};

struct selector {
    struct fw_str name;          /* written outside the braces, or empty */
    struct fw_matcher *matchers; /* the name's included */
    size_t count;
    struct shift shift;
};

struct subquery {
    fw_ms range;
    fw_ms step; /* 0: the default */
    struct shift shift;
};

struct grouping {
    struct fw_str *labels;
    size_t count;
    bool without;
};

enum cardinality { ONE_TO_ONE, MANY_TO_ONE, ONE_TO_MANY, MANY_TO_MANY };

struct matching {
    enum cardinality card;
    bool on; /* labels are those of on(), else of ignoring() */
    bool given;
    struct fw_str *labels;
    size_t count;
    struct fw_str *include; /* labels of group_left() */
    size_t include_count;
};

struct node {
    enum node_kind kind;
    enum fw_value_type type;
    struct span span;
    uint32_t id;     /* counts the nodes of a query from 0 */
    uint32_t height; /* nodes on the longest way down, this one included */
    bool steady;     /* the same at every step: one evaluation will do */
    bool one_name;   /* its series all have one metric name, or none */
    const struct node *twin; /* the same, evaluated before; NULL: none */
    uint32_t twins;          /* how many have this one for their twin */
    struct node **args;
    size_t arg_count;
    enum token_kind op; /* AGGREGATE, BINARY, UNARY */
    bool returns_bool;  /* BINARY with `bool` */
    union {
        double number;
        struct fw_str text; /* STRING */
        struct selector selector;
        fw_ms range; /* RANGE */
        struct subquery subquery;
        const struct function *function; /* CALL */
        struct grouping grouping;        /* AGGREGATE */
        struct matching matching;        /* BINARY */
    };
};

struct fw_query {
    struct fw_str text;
    struct node *root;
    uint32_t node_count;
    bool has_twins;
};

/* A node without arguments yet; NULL when the arena is full. */
struct node *node_new(struct fw_arena *arena, struct fw_query *query,
                      enum node_kind kind, struct span span);

/* Gives a node its arguments and height; false when the arena is full. */
bool node_set_args(struct fw_arena *arena, struct node *node,
                   struct node *const *args, size_t count);

/* The height that follows from the arguments. */
uint32_t node_height(const struct node *node);

/* The node inside any parentheses around it. */
const struct node *node_inside(const struct node *node);

/* "scalar", "instant vector", "range vector", "string". */
const char *value_type_name(enum fw_value_type type);

/* True for [a-zA-Z_][a-zA-Z0-9_]* (labels) and with colons (metrics). */
bool is_plain_label(struct fw_str name);
bool is_plain_metric(struct fw_str name);

/* Adds the node as it would be written. */
FW_CHECK fw_rc node_print(const struct node *node, struct fw_buf *out);

#endif
