/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_tree.h - a parsed template, between its parser, its runner and its
 * functions.
 *
 *     node: text | action pipe | if/with/range pipe list else | template
 *     pipe: [$a[, $b] := or =] command | command | ...
 *     command: operand operand ...
 *     operand: . .A.B $x $x.A function "text" 12 1.5 true nil (pipe) (pipe).A
 */
#ifndef SERVER_RULES_TEMPLATE_TREE_H
#define SERVER_RULES_TEMPLATE_TREE_H

#include "server/rules/template.h"

#define TEMPLATE_MAX_DEPTH 64
#define TEMPLATE_MAX_OUTPUT ((size_t)1 << 20)
#define TEMPLATE_MAX_STEPS 1000000 /* nodes run for one text */

/* ---- values ---- */

enum tv_kind {
    TV_NONE, /* no value */
    TV_NIL,
    TV_BOOL,
    TV_INT,
    TV_FLOAT,
    TV_TEXT,
    TV_LABELS,  /* map[string]string */
    TV_ARGS,    /* map[string]interface{} */
    TV_SAMPLES, /* result of a query */
    TV_SAMPLE,
    TV_DATA, /* the root */
    TV_TIME, /* `i`, milliseconds since the epoch */
    TV_SPAN  /* `i`, nanoseconds */
};

struct tv;

struct tv_sample {
    struct fw_labels labels;
    double value;
};

struct tv {
    enum tv_kind kind;
    bool constant; /* TV_INT written in the text: takes any number type */
    union {
        bool b;
        int64_t i;
        double f;
        struct fw_str s;
        struct fw_labels labels;
        struct {
            struct tv_sample *v;
            size_t n;
        } samples;
        const struct tv_sample *sample;
        struct {
            const struct tv *v;
            size_t n;
        } args;
    };
};

static inline struct tv tv_text(struct fw_str s)
{
    return (struct tv){.kind = TV_TEXT, .s = s};
}

static inline struct tv tv_float(double f)
{
    return (struct tv){.kind = TV_FLOAT, .f = f};
}

static inline struct tv tv_int(int64_t i)
{
    return (struct tv){.kind = TV_INT, .i = i};
}

static inline struct tv tv_bool(bool b)
{
    return (struct tv){.kind = TV_BOOL, .b = b};
}

/* ---- the tree ---- */

struct tpipe;
struct tnode;

enum targ_kind {
    TARG_DOT,
    TARG_FIELD,
    TARG_VARIABLE,
    TARG_FUNCTION,
    TARG_VALUE,
    TARG_PIPE
};

struct targ {
    enum targ_kind kind;
    struct fw_str text;    /* as written */
    struct fw_str name;    /* VARIABLE with its $, FUNCTION */
    struct fw_str *fields; /* .A.B behind it */
    size_t field_count;
    struct tv value;
    struct tpipe *pipe;
    const struct tfunction *function;
    struct targ *next;
};

struct tcommand {
    struct targ *args;
    size_t count;
    struct fw_str text;
    struct tcommand *next;
};

struct tpipe {
    struct fw_str vars[2];
    int var_count;
    bool assign; /* = rather than := */
    struct tcommand *commands;
};

enum tnode_kind {
    TNODE_TEXT,
    TNODE_ACTION,
    TNODE_IF,
    TNODE_WITH,
    TNODE_RANGE,
    TNODE_TEMPLATE,
    TNODE_BREAK,
    TNODE_CONTINUE
};

struct tnode {
    enum tnode_kind kind;
    struct fw_str text; /* TEXT; TEMPLATE: the name */
    struct tpipe *pipe;
    struct tnode *body, *otherwise;
    struct tnode *next;
};

struct tdefine {
    struct fw_str name;
    struct tnode *body;
    struct tdefine *next;
};

struct template
{
    const char *name;
    struct fw_str source;
    struct tnode *root;
    struct tdefine *defines;
};

/* ---- functions ---- */

struct trun; /* one expansion: template_run.c */

struct tfunction {
    const char *name;
    int least, most; /* arguments; most < 0: any number */
    /*
     * A letter per argument, the last one for all that follow: 's' text, 'f'
     * number, 'S' samples, 'p' one sample, 'a' anything.
     */
    const char *takes;
    fw_rc (*call)(const struct tfunction *self, struct trun *run,
                  const struct tv *args, size_t n, struct tv *out,
                  struct fw_err *err);
};

const struct tfunction *tfunction_find(struct fw_str name);

/* What a function may use of the expansion. */
struct fw_arena *trun_arena(struct trun *run);
const struct template_data *trun_data(struct trun *run);
/* Runs a {{ define }}d template into a text, for `tmpl`. */
fw_rc trun_named(struct trun *run, struct fw_str name, struct tv dot,
                 struct fw_buf *out, struct fw_err *err);

/* ---- how Go prints things: template_text.c ---- */

/* As %v. */
fw_rc tv_print(struct fw_buf *out, const struct tv *v);
/* As fmt.Sprintf. */
fw_rc tv_printf(struct fw_buf *out, struct fw_str format, const struct tv *args,
                size_t n);
/* As fmt.Sprintf("%.4g"). */
fw_rc tv_add_4g(struct fw_buf *out, double v);
bool tv_true(const struct tv *v);
/* "string", "float64", ...: as Go names the type. */
const char *tv_type_name(const struct tv *v);
/* Keeps a buffer's text in the arena. */
fw_rc tv_keep(struct fw_arena *arena, const struct fw_buf *text, struct tv *out,
              struct fw_err *err);

#endif
