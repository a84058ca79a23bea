/* SPDX-License-Identifier: GPL-3.0-or-later */
/* unparse.c - a tree back to text, in the form Prometheus prints it. */
#include "query/parse/ast.h"

#include <math.h>

#include "query/functions/functions.h"

/* A writer that remembers its first failure, so that printing reads plainly. */
struct pen {
    struct fw_buf *out;
    fw_rc rc;
};

static void put(struct pen *pen, const char *text)
{
    if (pen->rc == FW_OK)
        pen->rc = fw_buf_adds(pen->out, text);
}

static void put_str(struct pen *pen, struct fw_str text)
{
    if (pen->rc == FW_OK)
        pen->rc = fw_buf_add(pen->out, text.p, text.n);
}

static void put_char(struct pen *pen, char c)
{
    if (pen->rc == FW_OK)
        pen->rc = fw_buf_addc(pen->out, c);
}

/* Quoted as Go's %q: escapes for what would not show. */
static void put_quoted(struct pen *pen, struct fw_str text)
{
    static const char bytes[] = "\a\b\f\n\r\t\v\\\"";
    static const char names[] = "abfnrtv\\\"";

    put_char(pen, '"');
    for (size_t i = 0; i < text.n && pen->rc == FW_OK;) {
        uint32_t cp;
        size_t n = fw_utf8_next(text.p + i, text.n - i, &cp);
        const char *hit = text.p[i] != '\0' ? strchr(bytes, text.p[i]) : NULL;

        if (hit != NULL)
            pen->rc = fw_buf_printf(pen->out, "\\%c", names[hit - bytes]);
        else if (cp < 0x20 || cp == 0x7f || (n == 1 && cp == 0xFFFD))
            pen->rc =
                fw_buf_printf(pen->out, "\\x%02x", (unsigned char)text.p[i]);
        else
            put_str(pen, (struct fw_str){text.p + i, n});
        i += n;
    }
    put_char(pen, '"');
}

static void put_number(struct pen *pen, double v)
{
    char text[FW_DOUBLE_TEXT_BYTES];

    (void)fw_format_double(text, v);
    put(pen, isinf(v) && v > 0 ? "+Inf" : text);
}

static void put_duration(struct pen *pen, fw_ms span)
{
    char text[FW_DURATION_TEXT_BYTES];

    (void)fw_format_duration(text, span);
    put(pen, text);
}

static void put_shift(struct pen *pen, const struct shift *shift)
{
    if (shift->at_kind == AT_TIME && pen->rc == FW_OK)
        pen->rc = fw_buf_printf(
            pen->out, " @ %s%lld.%03u", shift->at < 0 ? "-" : "",
            (long long)(shift->at < 0 ? -(shift->at / 1000) : shift->at / 1000),
            (unsigned)((shift->at < 0 ? -(shift->at % 1000)
                                      : shift->at % 1000)));
    if (shift->at_kind == AT_START)
        put(pen, " @ start()");
    if (shift->at_kind == AT_END)
        put(pen, " @ end()");
    if (shift->offset == 0)
        return;
    put(pen, shift->offset < 0 ? " offset -" : " offset ");
    put_duration(pen, shift->offset < 0 ? -shift->offset : shift->offset);
}

static void put_label(struct pen *pen, struct fw_str name)
{
    if (is_plain_label(name))
        put_str(pen, name);
    else
        put_quoted(pen, name);
}

static void put_labels(struct pen *pen, const struct fw_str *labels,
                       size_t count)
{
    put_char(pen, '(');
    for (size_t i = 0; i < count; i++) {
        put(pen, i > 0 ? ", " : "");
        put_label(pen, labels[i]);
    }
    put_char(pen, ')');
}

static void put_selector_head(struct pen *pen, const struct selector *sel)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    bool outside = sel->name.n > 0 && is_plain_metric(sel->name);
    bool first = true;

    if (outside)
        put_str(pen, sel->name);
    if (outside && sel->count == 1)
        return;
    put_char(pen, '{');
    for (size_t i = 0; i < sel->count; i++) {
        const struct fw_matcher *m = &sel->matchers[i];

        /* The matcher of a name given by itself stands last. */
        if (sel->name.n > 0 && i + 1 == sel->count) {
            if (outside)
                continue;
            put(pen, first ? "" : ",");
            put_quoted(pen, sel->name);
            continue;
        }
        put(pen, first ? "" : ",");
        first = false;
        put_label(pen, m->name);
        put(pen, ops[m->op]);
        put_quoted(pen, m->value);
    }
    put_char(pen, '}');
}

static void put_node(struct pen *pen, const struct node *node);

static void put_args(struct pen *pen, const struct node *node)
{
    put_char(pen, '(');
    for (size_t i = 0; i < node->arg_count; i++) {
        put(pen, i > 0 ? ", " : "");
        put_node(pen, node->args[i]);
    }
    put_char(pen, ')');
}

static void put_aggregate(struct pen *pen, const struct node *node)
{
    const struct grouping *g = &node->grouping;

    put(pen, token_text(node->op));
    if (g->without || g->count > 0) {
        put(pen, g->without ? " without " : " by ");
        put_labels(pen, g->labels, g->count);
        put_char(pen, ' ');
    }
    put_char(pen, '(');
    if (node->arg_count > 1) {
        put_node(pen, node->args[1]);
        put(pen, ", ");
    }
    put_node(pen, node->args[0]);
    put_char(pen, ')');
}

static void put_binary(struct pen *pen, const struct node *node)
{
    const struct matching *m = &node->matching;

    put_node(pen, node->args[0]);
    put_char(pen, ' ');
    put(pen, token_text(node->op));
    put(pen, node->returns_bool ? " bool" : "");
    if (m->given && (m->count > 0 || m->on)) {
        put(pen, m->on ? " on " : " ignoring ");
        put_labels(pen, m->labels, m->count);
    }
    if (m->card == MANY_TO_ONE || m->card == ONE_TO_MANY) {
        put(pen, m->card == MANY_TO_ONE ? " group_left " : " group_right ");
        put_labels(pen, m->include, m->include_count);
    }
    put_char(pen, ' ');
    put_node(pen, node->args[1]);
}

static void put_range(struct pen *pen, const struct node *node)
{
    const struct selector *sel = &node->args[0]->selector;

    put_selector_head(pen, sel);
    put_char(pen, '[');
    put_duration(pen, node->range);
    put_char(pen, ']');
    put_shift(pen, &sel->shift);
}

static void put_subquery(struct pen *pen, const struct node *node)
{
    put_node(pen, node->args[0]);
    put_char(pen, '[');
    put_duration(pen, node->subquery.range);
    put_char(pen, ':');
    if (node->subquery.step != 0)
        put_duration(pen, node->subquery.step);
    put_char(pen, ']');
    put_shift(pen, &node->subquery.shift);
}

static void put_node(struct pen *pen, const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
        put_number(pen, node->number);
        break;
    case NODE_STRING:
        put_quoted(pen, node->text);
        break;
    case NODE_SELECTOR:
        put_selector_head(pen, &node->selector);
        put_shift(pen, &node->selector.shift);
        break;
    case NODE_RANGE:
        put_range(pen, node);
        break;
    case NODE_SUBQUERY:
        put_subquery(pen, node);
        break;
    case NODE_CALL:
        put(pen, node->function->name);
        put_args(pen, node);
        break;
    case NODE_AGGREGATE:
        put_aggregate(pen, node);
        break;
    case NODE_BINARY:
        put_binary(pen, node);
        break;
    case NODE_UNARY:
        put(pen, token_text(node->op));
        put_node(pen, node->args[0]);
        break;
    case NODE_PAREN:
        put_args(pen, node);
        break;
    }
}

fw_rc node_print(const struct node *node, struct fw_buf *out)
{
    struct pen pen = {out, FW_OK};

    put_node(&pen, node);
    return pen.rc;
}

fw_rc fw_query_print(const struct fw_query *query, struct fw_buf *out)
{
    return node_print(query->root, out);
}
