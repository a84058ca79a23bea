/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_func.h - what the functions of templates have in common, a table of
 * them for each kind.
 */
#ifndef SERVER_RULES_TEMPLATE_FUNC_H
#define SERVER_RULES_TEMPLATE_FUNC_H

#include "server/rules/template_tree.h"

/* Few functions need all that they are given. */
#define CALL(name)                                                             \
    static fw_rc name(__attribute__((unused)) const struct tfunction *self,    \
                      __attribute__((unused)) struct trun *run,                \
                      __attribute__((unused)) const struct tv *args,           \
                      __attribute__((unused)) size_t n, struct tv *out,        \
                      __attribute__((unused)) struct fw_err *err)

#define TEXT_BUF FW_BUF_INIT(TEMPLATE_MAX_OUTPUT)

/* The end of a function that wrote a text: releases it, with `rc` of writing
 * it, into the expansion's arena. */
fw_rc template_keep(struct trun *run, struct fw_buf *text, fw_rc rc,
                    struct tv *out, struct fw_err *err);

/* As url.QueryEscape. */
fw_rc template_add_escaped(struct fw_buf *text, struct fw_str s);

/* Each ends with a row without a name. */
extern const struct tfunction template_numbers[];     /* and times */
extern const struct tfunction template_words[];       /* texts */
extern const struct tfunction template_comparisons[]; /* and logic */

#endif
