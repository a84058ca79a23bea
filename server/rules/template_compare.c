/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_compare.c - comparisons and logic, as Go's text/template has them.
 */
#include <math.h>
#include <string.h>

#include "server/rules/template_func.h"

CALL(go_not)
{
    *out = tv_bool(!tv_true(&args[0]));
    return FW_OK;
}

/* Reached only when no argument decided: the last one is the answer. */
CALL(go_last)
{
    *out = args[n - 1];
    return FW_OK;
}

static fw_rc incompatible(struct fw_err *err)
{
    return fw_err_set(err, FW_EINVAL, "incompatible types for comparison");
}

static bool is_basic(const struct tv *v)
{
    return v->kind == TV_BOOL || v->kind == TV_INT || v->kind == TV_FLOAT ||
           v->kind == TV_TEXT || v->kind == TV_SPAN;
}

/* *order: <0, 0, >0; 2 where NaN takes part. */
static fw_rc compare(const struct tv *a, const struct tv *b, int *order,
                     struct fw_err *err)
{
    if (!is_basic(a) || !is_basic(b))
        return fw_err_set(err, FW_EINVAL, "invalid type for comparison");
    if (a->kind != b->kind)
        return incompatible(err);
    switch (a->kind) {
    case TV_BOOL:
        *order = (int)a->b - (int)b->b;
        break;
    case TV_INT:
    case TV_SPAN:
        *order = a->i < b->i ? -1 : a->i > b->i;
        break;
    case TV_FLOAT:
        *order = isnan(a->f) || isnan(b->f) ? 2
                 : a->f < b->f              ? -1
                                            : a->f > b->f;
        break;
    default:
        *order = fw_str_cmp(a->s, b->s);
        *order = *order < 0 ? -1 : *order > 0;
        break;
    }
    return FW_OK;
}

CALL(go_eq)
{
    *out = tv_bool(false);
    for (size_t i = 1; i < n; i++) {
        int order = 0;
        fw_rc rc = compare(&args[0], &args[i], &order, err);

        if (rc != FW_OK)
            return rc;
        if (order == 0) {
            *out = tv_bool(true);
            return FW_OK;
        }
    }
    return FW_OK;
}

enum { LESS = 1, EQUAL = 2, GREATER = 4, UNORDERED = 8 };

static const struct relation {
    const char *name;
    unsigned holds; /* for which of these */
} relations[] = {
    {"ge", GREATER | EQUAL},
    {"gt", GREATER},
    {"le", LESS | EQUAL},
    {"lt", LESS},
    {"ne", LESS | GREATER | UNORDERED},
};

static unsigned holds_for(const char *name)
{
    for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++)
        if (strcmp(relations[i].name, name) == 0)
            return relations[i].holds;
    return 0;
}

CALL(go_relation)
{
    const unsigned holds = holds_for(self->name);
    int order = 0;
    unsigned is;
    fw_rc rc;

    /* Booleans are equal or not, and have no order. */
    if ((holds & UNORDERED) == 0 && args[0].kind == TV_BOOL &&
        args[1].kind == TV_BOOL)
        return fw_err_set(err, FW_EINVAL, "invalid type for comparison");
    rc = compare(&args[0], &args[1], &order, err);
    is = order == 2  ? UNORDERED
         : order < 0 ? LESS
         : order > 0 ? GREATER
                     : EQUAL;
    if (rc == FW_OK)
        *out = tv_bool((holds & is) != 0);
    return rc;
}

const struct tfunction template_comparisons[] = {
    {"and", 1, -1, "a", go_last},   {"eq", 2, -1, "a", go_eq},
    {"ge", 2, 2, "a", go_relation}, {"gt", 2, 2, "a", go_relation},
    {"le", 2, 2, "a", go_relation}, {"lt", 2, 2, "a", go_relation},
    {"ne", 2, 2, "a", go_relation}, {"not", 1, 1, "a", go_not},
    {"or", 1, -1, "a", go_last},    {0},
};
