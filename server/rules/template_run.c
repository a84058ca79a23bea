/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_run.c - walks a parsed template and writes its text.
 *
 * Steps, depth and output are capped: a rule file is written by people, but a
 * range in a range over a large result is not what they meant.
 */
#include <stdio.h>
#include <string.h>

#include "server/rules/template_tree.h"

#define MAX_VARIABLES 256
#define MAX_ARGUMENTS 32

struct variable {
    struct fw_str name;
    struct tv value;
};

struct trun {
    const struct template *t;
    const struct template_data *data;
    struct fw_arena *arena;
    struct fw_buf *out;
    struct fw_err *err;
    struct variable variables[MAX_VARIABLES];
    size_t variable_count;
    size_t steps;
    int depth;
};

/* How a list of nodes ended. */
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct fw_arena *trun_arena(struct trun *run)
{
    return run->arena;
}

const struct template_data *trun_data(struct trun *run)
{
    return run->data;
}

/* Go's place: the line, and the bytes before it in that line. */
static fw_rc fail_at(struct trun *run, struct fw_str at, const char *fmt, ...)
    FW_PRINTF(3, 4);

static fw_rc fail_at(struct trun *run, struct fw_str at, const char *fmt, ...)
{
    static const char before[] =
        "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
        "{{$externalURL := .ExternalURL}}{{$value := .Value}}";
    const char *from = run->t->source.p;
    int line = 1, column = (int)sizeof(before) - 1;
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (const char *p = from; p < at.p; p++) {
        column++;
        if (*p == '\n') {
            line++;
            column = 0;
        }
    }
    return fw_err_set(run->err, FW_EINVAL,
                      "error executing template %s: template: %s:%d:%d: "
                      "executing \"%s\" at <%.*s%s>: %s",
                      run->t->name, run->t->name, line, column, run->t->name,
                      (int)(at.n > 20 ? 20 : at.n), at.p,
                      at.n > 20 ? "..." : "", text);
}

/* ---- variables ---- */

static fw_rc push(struct trun *run, struct fw_str name, struct tv value)
{
    if (run->variable_count == MAX_VARIABLES)
        return fw_err_set(run->err, FW_EINVAL, "too many variables");
    run->variables[run->variable_count++] = (struct variable){name, value};
    return FW_OK;
}

static struct variable *find(struct trun *run, struct fw_str name)
{
    for (size_t i = run->variable_count; i > 0; i--)
        if (fw_str_eq(run->variables[i - 1].name, name))
            return &run->variables[i - 1];
    return NULL;
}

/* ---- values ---- */

static fw_rc field_of_data(struct trun *run, struct fw_str name,
                           struct tv *value)
{
    const struct template_data *d = run->data;

    if (fw_str_eq(name, FW_STR("Labels")))
        *value = (struct tv){.kind = TV_LABELS, .labels = *d->labels};
    else if (fw_str_eq(name, FW_STR("ExternalLabels")))
        *value = (struct tv){.kind = TV_LABELS, .labels = *d->external_labels};
    else if (fw_str_eq(name, FW_STR("ExternalURL")))
        *value = tv_text(fw_str_of(d->external_url));
    else if (fw_str_eq(name, FW_STR("Value")))
        *value = tv_float(d->value);
    else
        return FW_NONE;
    return FW_OK;
}

static fw_rc field(struct trun *run, struct fw_str at, struct fw_str name,
                   struct tv *value)
{
    fw_rc rc = FW_NONE;

    switch (value->kind) {
    case TV_DATA:
        rc = field_of_data(run, name, value);
        break;
    case TV_LABELS:
        *value = tv_text(fw_labels_get(&value->labels, name));
        return FW_OK;
    case TV_ARGS:
        for (size_t i = 0; i < value->args.n; i++) {
            char arg[24];

            (void)snprintf(arg, sizeof(arg), "arg%zu", i);
            if (fw_str_eq(fw_str_of(arg), name)) {
                *value = value->args.v[i];
                return FW_OK;
            }
        }
        *value = (struct tv){.kind = TV_NONE};
        return FW_OK;
    case TV_SAMPLE:
        if (fw_str_eq(name, FW_STR("Labels"))) {
            *value =
                (struct tv){.kind = TV_LABELS, .labels = value->sample->labels};
            return FW_OK;
        }
        if (fw_str_eq(name, FW_STR("Value"))) {
            *value = tv_float(value->sample->value);
            return FW_OK;
        }
        break;
    case TV_NONE:
    case TV_NIL:
        return fail_at(run, at, "nil data; no entry for key \"%.*s\"",
                       FW_STR_ARG(name));
    default:
        break;
    }
    if (rc == FW_NONE)
        return fail_at(run, at, "can't evaluate field %.*s in type %s",
                       FW_STR_ARG(name), tv_type_name(value));
    return rc;
}

static fw_rc run_pipe(struct trun *run, const struct tpipe *pipe, struct tv dot,
                      struct tv *out);

static fw_rc call(struct trun *run, const struct tcommand *command,
                  struct tv dot, const struct tv *piped, struct tv *out);

static fw_rc operand(struct trun *run, const struct targ *arg, struct tv dot,
                     struct tv *out)
{
    struct variable *variable;
    fw_rc rc = FW_OK;

    switch (arg->kind) {
    case TARG_DOT:
    case TARG_FIELD:
        *out = dot;
        break;
    case TARG_VARIABLE:
        variable = find(run, arg->name);
        if (variable == NULL)
            return fail_at(run, arg->text, "undefined variable: %.*s",
                           FW_STR_ARG(arg->name));
        *out = variable->value;
        break;
    case TARG_VALUE:
        *out = arg->value;
        break;
    case TARG_PIPE:
        rc = run_pipe(run, arg->pipe, dot, out);
        break;
    case TARG_FUNCTION: {
        struct targ alone = *arg;
        struct tcommand command = {
            .args = &alone, .count = 1, .text = arg->text};

        alone.next = NULL;
        rc = call(run, &command, dot, NULL, out);
        break;
    }
    }
    for (size_t i = 0; rc == FW_OK && i < arg->field_count; i++)
        rc = field(run, arg->text, arg->fields[i], out);
    return rc;
}

/* What Go's reflection would let pass as a parameter of that type. */
static fw_rc check_type(struct trun *run, struct fw_str at, char takes,
                        struct tv *v)
{
    const char *want = NULL;

    switch (takes) {
    case 's':
        if (v->kind != TV_TEXT)
            want = "string";
        break;
    case 'f':
        if (v->kind == TV_INT && v->constant)
            *v = tv_float((double)v->i);
        if (v->kind != TV_FLOAT)
            want = "float64";
        break;
    case 'S':
        if (v->kind != TV_SAMPLES)
            want = "template.queryResult";
        break;
    case 'p':
        if (v->kind != TV_SAMPLE)
            want = "*template.sample";
        break;
    default:
        break;
    }
    if (want == NULL)
        return FW_OK;
    if (v->kind == TV_NONE || v->kind == TV_NIL)
        return fail_at(run, at, "invalid value; expected %s", want);
    return fail_at(run, at, "wrong type for value; expected %s; got %s", want,
                   tv_type_name(v));
}

/* `and` and `or` stop at the first argument that decides. */
static bool decides(const struct tfunction *f, const struct tv *v)
{
    return (strcmp(f->name, "and") == 0 && !tv_true(v)) ||
           (strcmp(f->name, "or") == 0 && tv_true(v));
}

static fw_rc check_count(struct trun *run, const struct tcommand *command,
                         const struct tfunction *f, size_t n)
{
    if (n >= (size_t)f->least && (f->most < 0 || n <= (size_t)f->most))
        return FW_OK;
    return fail_at(run, command->args->text,
                   "wrong number of args for %s: want %s%d got %zu", f->name,
                   f->most < 0 ? "at least " : "", f->least, n);
}

static fw_rc call(struct trun *run, const struct tcommand *command,
                  struct tv dot, const struct tv *piped, struct tv *out)
{
    const struct tfunction *f = command->args->function;
    struct tv args[MAX_ARGUMENTS];
    struct fw_err inner = {0};
    size_t n = 0;
    fw_rc rc = FW_OK;

    if (command->count - 1 + (piped != NULL) > MAX_ARGUMENTS)
        return fail_at(run, command->text, "too many arguments");
    rc = check_count(run, command, f, command->count - 1 + (piped != NULL));
    for (const struct targ *arg = command->args->next; rc == FW_OK && arg;
         arg = arg->next) {
        rc = operand(run, arg, dot, &args[n]);
        if (rc != FW_OK)
            return rc;
        rc = check_type(
            run, arg->text,
            f->takes[n < strlen(f->takes) ? n : strlen(f->takes) - 1],
            &args[n]);
        n++;
        if (rc == FW_OK && decides(f, &args[n - 1])) {
            *out = args[n - 1];
            return FW_OK;
        }
    }
    if (rc == FW_OK && piped != NULL) {
        args[n] = *piped;
        rc = check_type(
            run, command->text,
            f->takes[n < strlen(f->takes) ? n : strlen(f->takes) - 1],
            &args[n]);
        n++;
    }
    if (rc != FW_OK)
        return rc;
    rc = f->call(f, run, args, n, out, &inner);
    if (rc == FW_EINVAL)
        return fail_at(run, command->text, "error calling %s: %s", f->name,
                       inner.text);
    if (rc != FW_OK && run->err != NULL)
        *run->err = inner;
    return rc;
}

static fw_rc run_command(struct trun *run, const struct tcommand *command,
                         struct tv dot, const struct tv *piped, struct tv *out)
{
    if (command->args->kind == TARG_FUNCTION && command->args->field_count == 0)
        return call(run, command, dot, piped, out);
    if (command->count > 1 || piped != NULL)
        return fail_at(run, command->args->text,
                       "can't give argument to non-function %.*s",
                       FW_STR_ARG(command->args->text));
    return operand(run, command->args, dot, out);
}

static fw_rc run_pipe(struct trun *run, const struct tpipe *pipe, struct tv dot,
                      struct tv *out)
{
    struct tv value = {0};
    bool first = true;
    fw_rc rc = FW_OK;

    if (++run->depth > TEMPLATE_MAX_DEPTH)
        return fw_err_set(run->err, FW_EINVAL,
                          "exceeded maximum template depth (%d)",
                          TEMPLATE_MAX_DEPTH);
    for (const struct tcommand *c = pipe->commands; rc == FW_OK && c != NULL;
         c = c->next) {
        struct tv piped = value;

        rc = run_command(run, c, dot, first ? NULL : &piped, &value);
        first = false;
    }
    run->depth--;
    if (rc != FW_OK)
        return rc;
    if (pipe->var_count == 1) {
        struct variable *variable =
            pipe->assign ? find(run, pipe->vars[0]) : NULL;

        if (variable != NULL)
            variable->value = value;
        else
            rc = push(run, pipe->vars[0], value);
    }
    *out = value;
    return rc;
}

/* ---- nodes ---- */

static fw_rc run_list(struct trun *run, const struct tnode *node, struct tv dot,
                      enum flow *flow);

static fw_rc count_step(struct trun *run)
{
    if (++run->steps > TEMPLATE_MAX_STEPS)
        return fw_err_set(run->err, FW_EINVAL,
                          "the template runs for too long");
    return FW_OK;
}

static fw_rc run_turn(struct trun *run, const struct tnode *node, struct tv key,
                      struct tv item, enum flow *flow)
{
    size_t mark = run->variable_count;
    fw_rc rc = count_step(run);

    if (rc != FW_OK)
        return rc;
    if (node->pipe->var_count == 2) {
        rc = push(run, node->pipe->vars[0], key);
        if (rc == FW_OK)
            rc = push(run, node->pipe->vars[1], item);
    } else if (node->pipe->var_count == 1) {
        rc = push(run, node->pipe->vars[0], item);
    }
    if (rc == FW_OK)
        rc = run_list(run, node->body, item, flow);
    run->variable_count = mark;
    return rc;
}

static size_t length(const struct tv *v)
{
    switch (v->kind) {
    case TV_SAMPLES:
        return v->samples.n;
    case TV_LABELS:
        return v->labels.n;
    case TV_ARGS:
        return v->args.n;
    case TV_INT:
        return v->i > 0 ? (size_t)v->i : 0;
    default:
        return 0;
    }
}

static void turn_of(struct trun *run, const struct tv *over, size_t i,
                    struct tv *key, struct tv *item)
{
    char *name;

    *key = tv_int((int64_t)i);
    switch (over->kind) {
    case TV_SAMPLES:
        *item = (struct tv){.kind = TV_SAMPLE, .sample = &over->samples.v[i]};
        break;
    case TV_LABELS:
        *key = tv_text(over->labels.v[i].name);
        *item = tv_text(over->labels.v[i].value);
        break;
    case TV_ARGS:
        name = fw_arena_printf(run->arena, "arg%zu", i);
        *key = tv_text(fw_str_of(name != NULL ? name : ""));
        *item = over->args.v[i];
        break;
    default:
        *item = *key;
        break;
    }
}

static fw_rc run_range(struct trun *run, const struct tnode *node,
                       struct tv dot)
{
    size_t mark = run->variable_count, n;
    struct tpipe pipe = *node->pipe;
    enum flow flow = FLOW_ON;
    struct tv over = {0};
    fw_rc rc;

    pipe.var_count = 0; /* they take the items, not the whole */
    rc = run_pipe(run, &pipe, dot, &over);
    if (rc != FW_OK)
        return rc;
    if (over.kind == TV_TEXT || over.kind == TV_BOOL || over.kind == TV_FLOAT ||
        over.kind == TV_SAMPLE || over.kind == TV_DATA)
        return fail_at(run, pipe.commands->text, "range can't iterate over %s",
                       tv_type_name(&over));
    n = length(&over);
    if (n == 0)
        return run_list(run, node->otherwise, dot, &flow);
    for (size_t i = 0; rc == FW_OK && i < n && flow != FLOW_BREAK; i++) {
        struct tv key, item;

        flow = FLOW_ON;
        turn_of(run, &over, i, &key, &item);
        rc = run_turn(run, node, key, item, &flow);
    }
    run->variable_count = mark;
    return rc;
}

static fw_rc run_if(struct trun *run, const struct tnode *node, struct tv dot,
                    enum flow *flow)
{
    size_t mark = run->variable_count;
    struct tv value = {0};
    fw_rc rc = run_pipe(run, node->pipe, dot, &value);

    if (rc == FW_OK && tv_true(&value))
        rc = run_list(run, node->body, node->kind == TNODE_WITH ? value : dot,
                      flow);
    else if (rc == FW_OK)
        rc = run_list(run, node->otherwise, dot, flow);
    run->variable_count = mark;
    return rc;
}

static fw_rc run_define(struct trun *run, struct fw_str name, struct tv dot)
{
    const struct tdefine *d = run->t->defines;
    size_t mark = run->variable_count;
    enum flow flow = FLOW_ON;
    fw_rc rc;

    while (d != NULL && !fw_str_eq(d->name, name))
        d = d->next;
    if (d == NULL)
        return fail_at(run, name, "template \"%.*s\" not defined",
                       FW_STR_ARG(name));
    if (++run->depth > TEMPLATE_MAX_DEPTH)
        return fw_err_set(run->err, FW_EINVAL,
                          "exceeded maximum template depth (%d)",
                          TEMPLATE_MAX_DEPTH);
    rc = push(run, FW_STR("$"), dot);
    if (rc == FW_OK)
        rc = run_list(run, d->body, dot, &flow);
    run->variable_count = mark;
    run->depth--;
    return rc;
}

fw_rc trun_named(struct trun *run, struct fw_str name, struct tv dot,
                 struct fw_buf *out, struct fw_err *err)
{
    struct fw_buf *before = run->out;
    struct fw_err *errors = run->err;
    fw_rc rc;

    run->out = out;
    run->err = err;
    rc = run_define(run, name, dot);
    run->out = before;
    run->err = errors;
    return rc;
}

static fw_rc run_action(struct trun *run, const struct tnode *node,
                        struct tv dot)
{
    struct tv value = {0};
    fw_rc rc = run_pipe(run, node->pipe, dot, &value);

    if (rc == FW_OK && node->pipe->var_count == 0)
        rc = tv_print(run->out, &value);
    return rc;
}

static fw_rc run_node(struct trun *run, const struct tnode *node, struct tv dot,
                      enum flow *flow)
{
    struct tv value = {.kind = TV_NIL};
    fw_rc rc = FW_OK;

    switch (node->kind) {
    case TNODE_TEXT:
        return fw_buf_add(run->out, node->text.p, node->text.n);
    case TNODE_ACTION:
        return run_action(run, node, dot);
    case TNODE_IF:
    case TNODE_WITH:
        return run_if(run, node, dot, flow);
    case TNODE_RANGE:
        return run_range(run, node, dot);
    case TNODE_TEMPLATE:
        if (node->pipe != NULL)
            rc = run_pipe(run, node->pipe, dot, &value);
        return rc == FW_OK ? run_define(run, node->text, value) : rc;
    case TNODE_BREAK:
        *flow = FLOW_BREAK;
        break;
    case TNODE_CONTINUE:
        *flow = FLOW_CONTINUE;
        break;
    }
    return FW_OK;
}

static fw_rc run_list(struct trun *run, const struct tnode *node, struct tv dot,
                      enum flow *flow)
{
    fw_rc rc = FW_OK;

    for (; rc == FW_OK && node != NULL && *flow == FLOW_ON; node = node->next) {
        rc = count_step(run);
        if (rc == FW_OK)
            rc = run_node(run, node, dot, flow);
    }
    return rc;
}

fw_rc template_expand(const struct template *t,
                      const struct template_data *data, struct fw_arena *arena,
                      struct fw_buf *out, struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT(TEMPLATE_MAX_OUTPUT);
    struct trun *run;
    struct tv root = {.kind = TV_DATA};
    enum flow flow = FLOW_ON;
    fw_rc rc;

    if (template_is_plain(t))
        return fw_buf_add(out, t->source.p, t->source.n);
    run = fw_arena_calloc(arena, 1, sizeof(*run));
    if (run == NULL)
        return fw_arena_err(arena, err);
    run->t = t;
    run->data = data;
    run->arena = arena;
    run->out = &text;
    run->err = err;
    rc = push(run, FW_STR("$"), root);
    if (rc == FW_OK)
        rc = push(run, FW_STR("$labels"),
                  (struct tv){.kind = TV_LABELS, .labels = *data->labels});
    if (rc == FW_OK)
        rc = push(
            run, FW_STR("$externalLabels"),
            (struct tv){.kind = TV_LABELS, .labels = *data->external_labels});
    if (rc == FW_OK)
        rc = push(run, FW_STR("$externalURL"),
                  tv_text(fw_str_of(data->external_url)));
    if (rc == FW_OK)
        rc = push(run, FW_STR("$value"), tv_float(data->value));
    if (rc == FW_OK)
        rc = run_list(run, t->root, root, &flow);
    if (rc == FW_ETOOBIG)
        rc = fw_err_set(err, FW_EINVAL, "the text is longer than %zu bytes",
                        TEMPLATE_MAX_OUTPUT);
    if (rc == FW_OK && text.len > 0)
        rc = fw_buf_add(out, text.data, text.len);
    fw_buf_release(&text);
    return rc;
}
