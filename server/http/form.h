/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * form.h - the parameters of a request: its query string and, for a POST, its
 * application/x-www-form-urlencoded body.
 */
#ifndef SERVER_HTTP_FORM_H
#define SERVER_HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/arena.h"
#include "storage/base/limits.h"
#include "storage/base/str.h"

struct form_pair {
    struct fw_str name;
    struct fw_str value;
};

/* Zero-initialised is empty; all of it lives in the arena it was parsed with.
 */
struct form {
    struct form_pair *v;
    size_t n, cap;
};

/*
 * Adds the pairs of `text` behind those already there. FW_EINVAL for a bad
 * percent-escape or a ';' (which two servers read in two ways), FW_ETOOBIG past
 * FW_MAX_HTTP_PARAMETERS.
 */
FW_CHECK fw_rc form_parse(struct form *form, struct fw_str text,
                          struct fw_arena *arena, struct fw_err *err);

/* The first value of a name; p is NULL where there is none. */
struct fw_str form_get(const struct form *form, const char *name);
bool form_has(const struct form *form, const char *name);

/* The next pair of that name from index *i on, which moves; NULL at the end. */
const struct form_pair *form_each(const struct form *form, const char *name,
                                  size_t *i);

/*
 * Decodes %XX (and, where `plus`, '+' to a blank) into the arena. FW_EINVAL for
 * a bad escape.
 */
FW_CHECK fw_rc form_decode(struct fw_str text, bool plus,
                           struct fw_arena *arena, struct fw_str *out,
                           struct fw_err *err);

#endif
