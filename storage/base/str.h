/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * str.h - pieces of text, and the few forms of it that people write: times,
 * durations, numbers, and words that are nearly right.
 */
#ifndef FW_STORAGE_BASE_STR_H
#define FW_STORAGE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/clock.h"
#include "storage/base/err.h"

/* A piece of text owned by somebody else; not NUL-terminated. */
struct fw_str {
    const char *p;
    size_t n;
};

#define FW_STR(literal) ((struct fw_str){(literal), sizeof(literal) - 1})

static inline struct fw_str fw_str_of(const char *text)
{
    return (struct fw_str){text, strlen(text)};
}

static inline bool fw_str_eq(struct fw_str a, struct fw_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Byte order, shorter first on a common prefix; <0, 0, >0. */
int fw_str_cmp(struct fw_str a, struct fw_str b);

/* For printf's "%.*s". */
#define FW_STR_ARG(s) ((int)(s).n), ((s).p)

/* True if the bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool fw_utf8_valid(const char *p, size_t n);

/*
 * Decodes one code point at p (n > 0): returns its length in bytes and sets
 * *cp; for a bad sequence returns 1 and U+FFFD.
 */
size_t fw_utf8_next(const char *p, size_t n, uint32_t *cp);

/* Columns a terminal needs for this text: one per code point. */
size_t fw_utf8_columns(const char *p, size_t n);

/*
 * Adds text so that it can be shown on a terminal or in a log line: control
 * characters, DEL, C1 and bidirectional controls become \xNN or \u{NNNN}.
 */
FW_CHECK fw_rc fw_add_visible(struct fw_buf *out, struct fw_str text);

/*
 * A span of time as Prometheus writes it: "90s", "1h30m", "5m", "1d", "250ms",
 * units y w d h m s ms, each at most once and in that order. FW_EINVAL with a
 * sentence otherwise; an answer past 292 years is FW_EINVAL too.
 */
FW_CHECK fw_rc fw_parse_duration(struct fw_str text, fw_ms *out,
                                 struct fw_err *err);

/*
 * An instant: "now", "now-6h", "-6h" (before now), epoch seconds with or
 * without a fraction, or RFC 3339 ("2026-11-23T05:00:00Z", "+01:00", a space
 * for the T, seconds and zone optional: UTC). FW_EINVAL with a sentence.
 */
FW_CHECK fw_rc fw_parse_time(struct fw_str text, fw_ms now, fw_ms *out,
                             struct fw_err *err);

/*
 * A number in full: decimal, hex, "NaN", "+Inf"; nothing before or after it.
 */
FW_CHECK fw_rc fw_parse_double(struct fw_str text, double *out,
                               struct fw_err *err);

#define FW_DOUBLE_TEXT_BYTES 32
#define FW_TIME_TEXT_BYTES 40
#define FW_DURATION_TEXT_BYTES 64

/*
 * The shortest decimal text that reads back as the same double, in the form
 * Go's strconv prints it ('f' format with -1 precision for the JSON API:
 * "0.1", "1e+21" beyond 1e21 and below 1e-6 as "1e-07"), and "NaN", "+Inf",
 * "-Inf". Returns its length.
 */
size_t fw_format_double(char out[FW_DOUBLE_TEXT_BYTES], double v);

/* Writes n in decimal up to `end` (20 bytes at most); where it begins. */
char *fw_digits_before(char *end, uint64_t n);

/* A number for people: `digits` significant ones, SI-less ("1234", "0.0312").
 */
size_t fw_format_short(char out[FW_DOUBLE_TEXT_BYTES], double v, int digits);

/* "2026-11-23T05:00:00.250Z"; milliseconds only where there are any. */
size_t fw_format_time(char out[FW_TIME_TEXT_BYTES], fw_ms t);

/* The same to the second, for sentences and tables that people read. */
size_t fw_format_second(char out[FW_TIME_TEXT_BYTES], fw_ms t);

/* "1d2h", "1h30m", "47s", "250ms", "0s": the exact span, as Prometheus. */
size_t fw_format_duration(char out[FW_DURATION_TEXT_BYTES], fw_ms span);

/* The two leading units, rounded, for people: "3h 20m", "47 s", "2d 4h". */
size_t fw_format_span(char out[FW_DURATION_TEXT_BYTES], fw_ms span);

/*
 * The candidate nearest to `word` (edit distance, at most a third of its
 * length), or NULL: for "did you mean ...?".
 */
const char *fw_nearest(const char *word, const char *const *candidates,
                       size_t n);

#endif
