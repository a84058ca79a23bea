/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arithmetic.c - operators on whole rows. */
#include <math.h>

#include "query/eval/eval.h"

/* A loop per operator, so that the compiler sees each plainly. */
#define ARITHMETIC(expr)                                                       \
    for (size_t i = 0; i < n; i++) {                                           \
        double l = a[i], r = b[i];                                             \
        out[i] = is_absent(l) || is_absent(r) ? absent() : (expr);             \
    }
#define COMPARE(expr)                                                          \
    for (size_t i = 0; i < n; i++) {                                           \
        double l = a[i], r = b[i], keep = kept[i];                             \
        if (is_absent(l) || is_absent(r))                                      \
            out[i] = absent();                                                 \
        else if (as_bool)                                                      \
            out[i] = (expr) ? 1 : 0;                                           \
        else                                                                   \
            out[i] = (expr) ? keep : absent();                                 \
    }

void binary_rows(enum token_kind op, bool as_bool, const double *a,
                 const double *b, const double *kept, double *out, size_t n)
{
    switch (op) {
    case TOKEN_ADD:
        ARITHMETIC(l + r)
        break;
    case TOKEN_SUB:
        ARITHMETIC(l - r)
        break;
    case TOKEN_MUL:
        ARITHMETIC(l * r)
        break;
    case TOKEN_DIV:
        ARITHMETIC(l / r)
        break;
    case TOKEN_MOD:
        ARITHMETIC(fmod(l, r))
        break;
    case TOKEN_POW:
        ARITHMETIC(pow(l, r))
        break;
    case TOKEN_ATAN2:
        ARITHMETIC(atan2(l, r))
        break;
    case TOKEN_EQ:
        COMPARE(l == r)
        break;
    case TOKEN_NE:
        COMPARE(l != r)
        break;
    case TOKEN_LT:
        COMPARE(l < r)
        break;
    case TOKEN_LE:
        COMPARE(l <= r)
        break;
    case TOKEN_GT:
        COMPARE(l > r)
        break;
    default:
        COMPARE(l >= r)
        break;
    }
}
