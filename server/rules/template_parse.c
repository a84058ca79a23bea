/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_parse.c - from text to the tree of template_tree.h.
 *
 * One pass by recursive descent straight over the bytes. Variables are checked
 * here, as Go does, so that a slip is found when rules are read and not when
 * the alert fires.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/rules/template_tree.h"

#define MAX_VARIABLES 128
#define MAX_FIELDS 16

struct parser {
    struct template *t;
    struct fw_arena *arena;
    struct fw_err *err;
    const char *p, *end;
    bool trim_next; /* the last action ended with " -}}" */
    struct fw_str variables[MAX_VARIABLES];
    size_t variable_count;
    int depth, range_depth;
};

/* What ended a list of nodes. */
enum ending { END_OF_TEXT, END_END, END_ELSE };

static int line_of(const struct parser *p)
{
    int line = 1;

    for (const char *c = p->t->source.p; c < p->p; c++)
        line += *c == '\n';
    return line;
}

static fw_rc fail(struct parser *p, const char *fmt, ...) FW_PRINTF(2, 3);

static fw_rc fail(struct parser *p, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fw_err_set(p->err, FW_EINVAL, "template: %s:%d: %s", p->t->name,
                      line_of(p), text);
}

static fw_rc no_memory(struct parser *p)
{
    return fw_arena_err(p->arena, p->err);
}

static void *make(struct parser *p, size_t bytes)
{
    return fw_arena_calloc(p->arena, 1, bytes);
}

/* ---- bytes ---- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80) != 0;
}

static bool looking_at(const struct parser *p, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(p->end - p->p) >= n && memcmp(p->p, text, n) == 0;
}

static void skip_space(struct parser *p)
{
    while (p->p < p->end && strchr(" \t\r\n", *p->p) != NULL && *p->p != '\0')
        p->p++;
}

static bool at_close(const struct parser *p)
{
    return looking_at(p, "}}") || looking_at(p, "-}}");
}

static struct fw_str take_word(struct parser *p)
{
    const char *from = p->p;

    while (p->p < p->end && is_word(*p->p))
        p->p++;
    return (struct fw_str){from, (size_t)(p->p - from)};
}

static struct fw_str peek_word(struct parser *p)
{
    const char *from = p->p;
    struct fw_str word = take_word(p);

    p->p = from;
    return word;
}

/* ---- constants ---- */

static size_t put_utf8(char *to, uint32_t cp)
{
    if (cp < 0x80) {
        to[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        to[0] = (char)(0xC0 | cp >> 6);
        to[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        to[0] = (char)(0xE0 | cp >> 12);
        to[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        to[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | cp >> 18);
    to[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    to[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    to[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

static bool take_hex(struct parser *p, int digits, int base, uint32_t *out)
{
    char text[9] = "";
    char *stop;

    if (p->end - p->p < digits)
        return false;
    memcpy(text, p->p, (size_t)digits);
    *out = (uint32_t)strtoul(text, &stop, base);
    p->p += digits;
    return stop == text + digits;
}

/* Behind a backslash; writes at most four bytes. */
static bool take_escape(struct parser *p, char *to, size_t *n)
{
    static const char from[] = "abfnrtv\\'\"";
    static const char into[] = "\a\b\f\n\r\t\v\\'\"";
    char c = *p->p;
    const char *at = strchr(from, c);
    uint32_t cp = 0;

    if (c != '\0' && at != NULL) {
        p->p++;
        to[(*n)++] = into[at - from];
        return true;
    }
    if (c >= '0' && c <= '7') {
        if (!take_hex(p, 3, 8, &cp) || cp > 255)
            return false;
        to[(*n)++] = (char)cp;
        return true;
    }
    p->p++;
    if (c == 'x') {
        if (!take_hex(p, 2, 16, &cp))
            return false;
        to[(*n)++] = (char)cp;
        return true;
    }
    if ((c != 'u' && c != 'U') || !take_hex(p, c == 'u' ? 4 : 8, 16, &cp) ||
        cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
        return false;
    *n += put_utf8(to + *n, cp);
    return true;
}

static fw_rc take_quoted(struct parser *p, struct tv *out)
{
    char quote = *p->p++;
    const char *from = p->p;
    char *text;
    size_t n = 0;

    while (p->p < p->end && *p->p != quote) {
        if (*p->p == '\n' && quote != '`')
            return fail(p, "unterminated quoted string");
        p->p += *p->p == '\\' && quote != '`' && p->end - p->p > 1 ? 2 : 1;
    }
    if (p->p >= p->end)
        return fail(p, quote == '`'   ? "unterminated raw quoted string"
                       : quote == '"' ? "unterminated quoted string"
                                      : "unterminated character constant");
    text = fw_arena_alloc(p->arena, (size_t)(p->p - from) + 5);
    if (text == NULL)
        return no_memory(p);
    p->p = from;
    while (*p->p != quote) {
        if (*p->p != '\\' || quote == '`') {
            text[n++] = *p->p++;
            continue;
        }
        p->p++;
        if (!take_escape(p, text, &n))
            return fail(p, "invalid syntax");
    }
    p->p++;
    if (quote == '\'') {
        uint32_t cp = 0;

        if (n == 0 || fw_utf8_next(text, n, &cp) != n)
            return fail(p, "malformed character constant: %.*s",
                        (int)(p->p - from + 1), from - 1);
        *out = tv_int((int64_t)cp);
        out->constant = true;
    } else {
        *out = tv_text((struct fw_str){text, n});
    }
    return FW_OK;
}

static fw_rc take_number(struct parser *p, struct tv *out)
{
    const char *from = p->p;
    char text[64];
    char *stop;
    size_t n = 0;

    if (*p->p == '+' || *p->p == '-')
        p->p++;
    while (p->p < p->end &&
           (is_word(*p->p) || *p->p == '.' ||
            ((*p->p == '+' || *p->p == '-') &&
             (p->p[-1] == 'e' || p->p[-1] == 'E') && from[1] != 'x')))
        p->p++;
    for (const char *c = from; c < p->p; c++) { /* 1_000 is 1000 */
        if (n + 1 == sizeof(text))
            return fail(p, "bad number syntax: \"%.*s\"", 60, from);
        if (*c != '_')
            text[n++] = *c;
    }
    text[n] = '\0';
    if (strpbrk(text, ".") != NULL ||
        (strpbrk(text, "eE") != NULL && strpbrk(text, "xX") == NULL)) {
        *out = (struct tv){.kind = TV_FLOAT};
        if (fw_parse_double((struct fw_str){text, n}, &out->f, NULL) != FW_OK)
            return fail(p, "bad number syntax: \"%s\"", text);
        return FW_OK;
    }
    *out = tv_int(strtoll(text, &stop, 0));
    out->constant = true;
    if (*stop != '\0')
        return fail(p, "bad number syntax: \"%s\"", text);
    return FW_OK;
}

/* ---- operands, commands, pipes ---- */

static fw_rc parse_pipe(struct parser *p, const char *context, bool in_paren,
                        struct tpipe **out);

static fw_rc parse_fields(struct parser *p, struct targ *arg)
{
    struct fw_str found[MAX_FIELDS];
    size_t n = 0;

    while (p->end - p->p > 1 && *p->p == '.' && is_word(p->p[1])) {
        p->p++;
        if (n == MAX_FIELDS)
            return fail(p, "too many fields in a row");
        found[n++] = take_word(p);
    }
    arg->fields = fw_arena_calloc(p->arena, n + 1, sizeof(*found));
    if (arg->fields == NULL)
        return no_memory(p);
    memcpy(arg->fields, found, n * sizeof(*found));
    arg->field_count = n;
    return FW_OK;
}

static bool is_known_variable(const struct parser *p, struct fw_str name)
{
    if (name.n == 1) /* $ itself: the root */
        return true;
    for (size_t i = 0; i < p->variable_count; i++)
        if (fw_str_eq(p->variables[i], name))
            return true;
    return false;
}

static struct fw_str take_variable(struct parser *p)
{
    const char *from = p->p++;

    (void)take_word(p);
    return (struct fw_str){from, (size_t)(p->p - from)};
}

static fw_rc parse_identifier(struct parser *p, struct targ *arg)
{
    struct fw_str word = take_word(p);

    arg->kind = TARG_VALUE;
    if (fw_str_eq(word, FW_STR("true")) || fw_str_eq(word, FW_STR("false"))) {
        arg->value = tv_bool(word.n == 4);
    } else if (fw_str_eq(word, FW_STR("nil"))) {
        arg->value = (struct tv){.kind = TV_NIL};
    } else {
        arg->kind = TARG_FUNCTION;
        arg->name = word;
        arg->function = tfunction_find(word);
        if (arg->function == NULL)
            return fail(p, "function \"%.*s\" not defined", FW_STR_ARG(word));
    }
    return FW_OK;
}

static fw_rc parse_operand(struct parser *p, struct targ *arg)
{
    char c = *p->p;
    fw_rc rc = FW_OK;

    if (c == '.' && (p->end - p->p < 2 || !isdigit((unsigned char)p->p[1]))) {
        arg->kind = TARG_DOT;
        if (p->end - p->p > 1 && is_word(p->p[1]))
            arg->kind = TARG_FIELD;
        else
            p->p++;
    } else if (c == '$') {
        arg->kind = TARG_VARIABLE;
        arg->name = take_variable(p);
        if (!is_known_variable(p, arg->name))
            return fail(p, "undefined variable \"%.*s\"",
                        FW_STR_ARG(arg->name));
    } else if (c == '"' || c == '`' || c == '\'') {
        arg->kind = TARG_VALUE;
        rc = take_quoted(p, &arg->value);
    } else if (isdigit((unsigned char)c) || c == '.' ||
               ((c == '+' || c == '-') && p->end - p->p > 1 &&
                (isdigit((unsigned char)p->p[1]) || p->p[1] == '.'))) {
        arg->kind = TARG_VALUE;
        rc = take_number(p, &arg->value);
    } else if (c == '(') {
        arg->kind = TARG_PIPE;
        p->p++;
        rc = parse_pipe(p, "parenthesized pipeline", true, &arg->pipe);
    } else if (is_word(c)) {
        rc = parse_identifier(p, arg);
    } else {
        rc = fail(p, "unexpected \"%c\" in operand", c);
    }
    return rc == FW_OK ? parse_fields(p, arg) : rc;
}

static bool at_command_end(const struct parser *p, bool in_paren)
{
    return p->p >= p->end || at_close(p) || *p->p == '|' ||
           (in_paren && *p->p == ')');
}

static fw_rc parse_command(struct parser *p, bool in_paren,
                           struct tcommand *command)
{
    struct targ **link = &command->args;
    const char *from = p->p;
    fw_rc rc = FW_OK;

    while (rc == FW_OK && !at_command_end(p, in_paren)) {
        struct targ *arg = make(p, sizeof(*arg));
        const char *begin = p->p;

        if (arg == NULL)
            return no_memory(p);
        rc = parse_operand(p, arg);
        if (rc != FW_OK)
            return rc;
        arg->text = (struct fw_str){begin, (size_t)(p->p - begin)};
        *link = arg;
        link = &arg->next;
        command->count++;
        command->text = (struct fw_str){from, (size_t)(p->p - from)};
        if (!at_command_end(p, in_paren) && strchr(" \t\r\n", *p->p) == NULL)
            return fail(p, "unexpected \"%c\" in operand", *p->p);
        skip_space(p);
    }
    return rc;
}

/* "$a :=", "$a, $b :=", "$a =", where one begins here. */
static fw_rc parse_declaration(struct parser *p, const char *context,
                               struct tpipe *pipe)
{
    const char *from = p->p;
    struct fw_str vars[2];
    int n = 0;

    while (n < 2 && p->p < p->end && *p->p == '$') {
        vars[n++] = take_variable(p);
        skip_space(p);
        if (n == 2 || !looking_at(p, ",") || strcmp(context, "range") != 0)
            break;
        p->p++;
        skip_space(p);
    }
    if (n > 0 && looking_at(p, ":="))
        p->p += 2;
    else if (n > 0 && looking_at(p, "="))
        p->p++, pipe->assign = true;
    else {
        p->p = from;
        return FW_OK;
    }
    for (int i = 0; i < n; i++) {
        pipe->vars[i] = vars[i];
        if (pipe->assign && !is_known_variable(p, vars[i]))
            return fail(p, "undefined variable \"%.*s\"", FW_STR_ARG(vars[i]));
        if (!pipe->assign && p->variable_count == MAX_VARIABLES)
            return fail(p, "too many variables");
        if (!pipe->assign)
            p->variables[p->variable_count++] = vars[i];
    }
    pipe->var_count = n;
    skip_space(p);
    return FW_OK;
}

/* A constant or a dot cannot take what stands before a '|'. */
static fw_rc check_pipe(struct parser *p, const struct tpipe *pipe,
                        const char *context)
{
    const struct tcommand *command = pipe->commands;

    if (command == NULL)
        return fail(p, "missing value for %s", context);
    for (command = command->next; command != NULL; command = command->next)
        if (command->args->kind == TARG_VALUE ||
            command->args->kind == TARG_DOT)
            return fail(p, "non executable command in pipeline stage 2");
    return FW_OK;
}

static fw_rc parse_pipe(struct parser *p, const char *context, bool in_paren,
                        struct tpipe **out)
{
    struct tpipe *pipe = make(p, sizeof(*pipe));
    struct tcommand **link;
    fw_rc rc;

    if (pipe == NULL)
        return no_memory(p);
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return fail(p, "nested too deeply");
    link = &pipe->commands;
    skip_space(p);
    rc = parse_declaration(p, context, pipe);
    while (rc == FW_OK) {
        struct tcommand *command = make(p, sizeof(*command));

        if (command == NULL)
            return no_memory(p);
        rc = parse_command(p, in_paren, command);
        if (rc != FW_OK)
            return rc;
        if (command->args != NULL) {
            *link = command;
            link = &command->next;
        } else if (pipe->commands != NULL || looking_at(p, "|")) {
            return fail(p, "missing value for %s",
                        pipe->commands != NULL ? "command" : context);
        }
        if (p->p >= p->end)
            return fail(p,
                        in_paren ? "unclosed left paren" : "unclosed action");
        if (*p->p != '|')
            break;
        p->p++;
        skip_space(p);
    }
    if (rc == FW_OK)
        rc = check_pipe(p, pipe, context);
    if (rc == FW_OK && in_paren)
        p->p++;
    p->depth--;
    *out = pipe;
    return rc;
}

/* ---- actions ---- */

static fw_rc close_action(struct parser *p)
{
    skip_space(p);
    if (looking_at(p, "-}}")) {
        p->p += 3;
        p->trim_next = true;
        return FW_OK;
    }
    if (looking_at(p, "}}")) {
        p->p += 2;
        return FW_OK;
    }
    if (p->p >= p->end)
        return fail(p, "unclosed action");
    return fail(p, "unexpected \"%c\" in command", *p->p);
}

static fw_rc parse_list(struct parser *p, struct tnode **out,
                        enum ending *ending);

/* The branches behind {{if}}, {{with}}, {{range}} and {{else if}}. */
static fw_rc parse_branches(struct parser *p, const char *word,
                            struct tnode *node)
{
    size_t variables = p->variable_count;
    enum ending ending = END_OF_TEXT;
    fw_rc rc = parse_pipe(p, word, false, &node->pipe);

    if (rc == FW_OK)
        rc = close_action(p);
    if (rc == FW_OK)
        rc = parse_list(p, &node->body, &ending);
    if (rc == FW_OK && ending == END_ELSE) {
        struct fw_str next;

        skip_space(p);
        next = peek_word(p);
        if (node->kind != TNODE_RANGE && fw_str_eq(next, fw_str_of(word))) {
            struct tnode *inner = make(p, sizeof(*inner));

            if (inner == NULL)
                return no_memory(p);
            p->p += next.n;
            inner->kind = node->kind;
            node->otherwise = inner;
            rc = parse_branches(p, word, inner);
            p->variable_count = variables;
            return rc; /* one {{end}} closes them all */
        }
        rc = close_action(p);
        if (rc == FW_OK)
            rc = parse_list(p, &node->otherwise, &ending);
        if (rc == FW_OK && ending == END_ELSE)
            rc = fail(p, "expected end; found {{else}}");
    }
    if (rc == FW_OK && ending == END_OF_TEXT)
        rc = fail(p, "unexpected EOF");
    p->variable_count = variables;
    return rc;
}

static fw_rc parse_control(struct parser *p, const char *word,
                           enum tnode_kind kind, struct tnode *node)
{
    fw_rc rc;

    node->kind = kind;
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return fail(p, "nested too deeply");
    p->range_depth += kind == TNODE_RANGE;
    rc = parse_branches(p, word, node);
    p->range_depth -= kind == TNODE_RANGE;
    p->depth--;
    return rc;
}

static fw_rc take_name(struct parser *p, const char *context,
                       struct fw_str *out)
{
    struct tv name = {0};
    fw_rc rc;

    skip_space(p);
    if (p->p >= p->end || (*p->p != '"' && *p->p != '`'))
        return fail(p, "unexpected token in %s", context);
    rc = take_quoted(p, &name);
    *out = name.s;
    return rc;
}

static fw_rc parse_template(struct parser *p, struct tnode *node)
{
    fw_rc rc = take_name(p, "template clause", &node->text);

    node->kind = TNODE_TEMPLATE;
    skip_space(p);
    if (rc == FW_OK && !at_close(p))
        rc = parse_pipe(p, "template clause", false, &node->pipe);
    return rc == FW_OK ? close_action(p) : rc;
}

static fw_rc parse_define(struct parser *p)
{
    struct tdefine *define = make(p, sizeof(*define));
    size_t variables = p->variable_count;
    enum ending ending = END_OF_TEXT;
    fw_rc rc;

    if (define == NULL)
        return no_memory(p);
    rc = take_name(p, "define clause", &define->name);
    if (rc == FW_OK)
        rc = close_action(p);
    p->variable_count = 0;
    if (rc == FW_OK)
        rc = parse_list(p, &define->body, &ending);
    p->variable_count = variables;
    if (rc == FW_OK && ending != END_END)
        rc = fail(p, "unexpected %s in define clause",
                  ending == END_ELSE ? "{{else}}" : "EOF");
    define->next = p->t->defines;
    p->t->defines = define;
    return rc;
}

static fw_rc parse_loop_word(struct parser *p, enum tnode_kind kind,
                             struct tnode *node)
{
    node->kind = kind;
    if (p->range_depth == 0)
        return fail(p, "{{%s}} outside {{range}}",
                    kind == TNODE_BREAK ? "break" : "continue");
    return close_action(p);
}

/* Behind "{{". FW_NONE: it gave no node (a define, a comment). */
static fw_rc parse_action(struct parser *p, struct tnode *node,
                          enum ending *ending)
{
    struct fw_str word;
    const char *from;
    fw_rc rc;

    skip_space(p);
    from = p->p;
    word = take_word(p);
    if (fw_str_eq(word, FW_STR("if")))
        return parse_control(p, "if", TNODE_IF, node);
    if (fw_str_eq(word, FW_STR("with")))
        return parse_control(p, "with", TNODE_WITH, node);
    if (fw_str_eq(word, FW_STR("range")))
        return parse_control(p, "range", TNODE_RANGE, node);
    if (fw_str_eq(word, FW_STR("template")))
        return parse_template(p, node);
    if (fw_str_eq(word, FW_STR("break")))
        return parse_loop_word(p, TNODE_BREAK, node);
    if (fw_str_eq(word, FW_STR("continue")))
        return parse_loop_word(p, TNODE_CONTINUE, node);
    if (fw_str_eq(word, FW_STR("define"))) {
        rc = parse_define(p);
        return rc == FW_OK ? FW_NONE : rc;
    }
    if (fw_str_eq(word, FW_STR("end"))) {
        *ending = END_END;
        rc = close_action(p);
        return rc == FW_OK ? FW_END : rc;
    }
    if (fw_str_eq(word, FW_STR("else"))) {
        *ending = END_ELSE; /* the caller reads on: "else if" */
        return FW_END;
    }
    p->p = from;
    node->kind = TNODE_ACTION;
    rc = parse_pipe(p, "command", false, &node->pipe);
    return rc == FW_OK ? close_action(p) : rc;
}

/* A comment stands alone in its action. False if there is none here. */
static bool parse_comment(struct parser *p, fw_rc *rc)
{
    const char *stop;

    if (!looking_at(p, "/*"))
        return false;
    stop = memmem(p->p, (size_t)(p->end - p->p), "*/", 2);
    if (stop == NULL) {
        *rc = fail(p, "unclosed comment");
        return true;
    }
    p->p = stop + 2;
    *rc = close_action(p);
    if (*rc != FW_OK)
        *rc = fail(p, "comment ends before closing delimiter");
    return true;
}

/*
 * Text up to the next "{{", trimmed as the dashes on both sides say; false if
 * no action follows it.
 */
static bool take_text(struct parser *p, struct fw_str *text)
{
    const char *open = memmem(p->p, (size_t)(p->end - p->p), "{{", 2);
    const char *from = p->p;
    const char *to = open != NULL ? open : p->end;
    bool trim = open != NULL && p->end - open > 3 && open[2] == '-' &&
                strchr(" \t\r\n", open[3]) != NULL;

    p->p = open != NULL ? open + 2 + (trim ? 1 : 0) : p->end;
    if (p->trim_next)
        while (from < to && strchr(" \t\r\n", *from) != NULL)
            from++;
    if (trim)
        while (to > from && strchr(" \t\r\n", to[-1]) != NULL)
            to--;
    p->trim_next = false;
    *text = (struct fw_str){from, (size_t)(to - from)};
    return open != NULL;
}

static fw_rc add_text(struct parser *p, struct fw_str text,
                      struct tnode ***link)
{
    struct tnode *node;

    if (text.n == 0)
        return FW_OK;
    node = make(p, sizeof(*node));
    if (node == NULL)
        return no_memory(p);
    node->kind = TNODE_TEXT;
    node->text = text;
    **link = node;
    *link = &node->next;
    return FW_OK;
}

static fw_rc parse_list(struct parser *p, struct tnode **out,
                        enum ending *ending)
{
    struct tnode **link = out;
    fw_rc rc = FW_OK;

    *ending = END_OF_TEXT;
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return fail(p, "nested too deeply");
    while (rc == FW_OK) {
        struct fw_str text;
        struct tnode *node;
        bool action = take_text(p, &text);

        rc = add_text(p, text, &link);
        if (rc != FW_OK || !action)
            break;
        skip_space(p);
        if (parse_comment(p, &rc))
            continue;
        node = make(p, sizeof(*node));
        if (node == NULL)
            return no_memory(p);
        rc = parse_action(p, node, ending);
        if (rc == FW_OK) {
            *link = node;
            link = &node->next;
        } else if (rc == FW_NONE) {
            rc = FW_OK;
        }
    }
    p->depth--;
    return rc == FW_END ? FW_OK : rc;
}

fw_rc template_parse(struct fw_str text, const char *name,
                     struct fw_arena *arena, struct template **out,
                     struct fw_err *err)
{
    struct template *t = fw_arena_calloc(arena, 1, sizeof(*t));
    struct parser p = {.arena = arena, .err = err};
    enum ending ending = END_OF_TEXT;
    const char *copy = fw_arena_strndup(arena, text.p, text.n);
    fw_rc rc;

    if (t == NULL || copy == NULL)
        return fw_arena_err(arena, err);
    t->name = fw_arena_strdup(arena, name);
    if (t->name == NULL)
        return fw_arena_err(arena, err);
    t->source = (struct fw_str){copy, text.n};
    p.t = t;
    p.p = copy;
    p.end = copy + text.n;
    p.variables[p.variable_count++] = FW_STR("$labels");
    p.variables[p.variable_count++] = FW_STR("$externalLabels");
    p.variables[p.variable_count++] = FW_STR("$externalURL");
    p.variables[p.variable_count++] = FW_STR("$value");
    rc = parse_list(&p, &t->root, &ending);
    if (rc == FW_OK && ending != END_OF_TEXT)
        rc = fail(&p, "unexpected {{%s}}", ending == END_END ? "end" : "else");
    if (rc == FW_OK)
        *out = t;
    return rc;
}

bool template_is_plain(const struct template *t)
{
    return t->root == NULL ||
           (t->root->kind == TNODE_TEXT && t->root->next == NULL &&
            t->defines == NULL && t->root->text.n == t->source.n);
}
