/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lexer.h - query text to tokens, one at a time.
 *
 * What a character means depends on where it stands: inside braces there are
 * no operators, inside brackets a colon parts two durations. The lexer keeps
 * count of both, so that the parser never sees a token out of place.
 */
#ifndef FW_QUERY_LEXER_H
#define FW_QUERY_LEXER_H

#include "query/parse/token.h"

struct lexer {
    struct fw_str text;
    size_t at;
    int parens;       /* open ( */
    bool in_braces;   /* between { and } */
    bool in_brackets; /* between [ and ] */
    bool saw_colon;   /* in these brackets */
};

void lexer_init(struct lexer *lexer, struct fw_str text);

/* The next token, TOKEN_END at the end. FW_EINVAL: err shows the place. */
FW_CHECK fw_rc lexer_next(struct lexer *lexer, struct token *out,
                          struct fw_err *err);

#endif
