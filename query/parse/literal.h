/* SPDX-License-Identifier: GPL-3.0-or-later */
/* literal.h - what numbers, durations and strings of a query stand for. */
#ifndef FW_QUERY_LITERAL_H
#define FW_QUERY_LITERAL_H

#include "storage/base/arena.h"
#include "storage/base/str.h"

/*
 * Decimal, hexadecimal, octal (a leading 0 or 0o) and binary integers with
 * underscores between digits, and decimal fractions with exponents, as Go
 * reads them; "inf" and "nan" in any case.
 */
FW_CHECK fw_rc literal_number(struct fw_str text, double *out,
                              struct fw_err *err);

/*
 * A number as Go's 'f' format writes it: the shortest digits that read back as
 * it, never with an exponent. Returns the length.
 */
#define LITERAL_PLAIN_BYTES 400
size_t literal_plain(char out[LITERAL_PLAIN_BYTES], double v);

/*
 * A quoted string without its quotes and escapes (Go's, in "" and ''; none in
 * backquotes). FW_EINVAL: *bad is the offset of what is wrong in `text`.
 */
FW_CHECK fw_rc literal_string(struct fw_str text, struct fw_arena *arena,
                              struct fw_str *out, size_t *bad,
                              struct fw_err *err);

#endif
