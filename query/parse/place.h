/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * place.h - errors in a query: the sentence, the line with the place
 * underlined and, where one is near, a suggestion.
 */
#ifndef FW_QUERY_PLACE_H
#define FW_QUERY_PLACE_H

#include "query/parse/token.h"

/* 1-based; columns count characters, not bytes. */
struct place {
    int line, column;
};
struct place place_of(struct fw_str text, size_t offset);

/*
 * Sets err to "LINE:COLUMN: parse error: sentence", the line and the marks
 * under `span`; `hint` (or NULL) becomes a last line. Returns FW_EINVAL.
 */
fw_rc complain(struct fw_str text, struct span span, const char *hint,
               struct fw_err *err, const char *fmt, ...) FW_PRINTF(5, 6);

#endif
