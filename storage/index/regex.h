/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * regex.h - regular expressions in the syntax of RE2, on PCRE2.
 *
 * Prometheus promises RE2: its syntax, its meaning, and no pattern that takes
 * for ever. PCRE2 knows more and means some things otherwise, so a pattern is
 * first translated: what RE2 refuses is refused, what means something else is
 * rewritten. Most patterns need no engine at all; `shape` says which.
 */
#ifndef STORAGE_REGEX_H
#define STORAGE_REGEX_H

#include "storage/base/buf.h"
#include "storage/storage.h"

enum regex_shape {
    REGEX_ANYTHING,     /* .* */
    REGEX_NOT_EMPTY,    /* .+ */
    REGEX_ALTERNATIVES, /* a|b|c, without a special character */
    REGEX_PREFIX,       /* abc.* */
    REGEX_ENGINE        /* everything else */
};

struct fw_regex {
    enum regex_shape shape;
    struct fw_str *words; /* ALTERNATIVES: all; PREFIX: the one; in `text` */
    size_t word_count;
    char *text;  /* owned */
    void *code;  /* pcre2_code */
    void *match; /* pcre2_match_data */
    void *context;
    int *workspace; /* of the second engine; made when first needed */
    size_t workspace_size;
};

/* Adds the pattern in PCRE2's words to `out`; FW_EINVAL with the reason. */
FW_CHECK fw_rc regex_translate(struct fw_str pattern, struct fw_buf *out,
                               struct fw_err *err);

#endif
