/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/parse/place.h"

#include <stdio.h>

#define SHOWN_BYTES 100 /* of a line, around the place */

struct place place_of(struct fw_str text, size_t offset)
{
    struct place place = {1, 1};
    size_t start = 0;

    if (offset > text.n)
        offset = text.n;
    for (size_t i = 0; i < offset; i++) {
        if (text.p[i] == '\n') {
            place.line++;
            start = i + 1;
        }
    }
    place.column = 1 + (int)fw_utf8_columns(text.p + start, offset - start);
    return place;
}

/* The first byte at or after i that begins a character. */
static size_t at_character(struct fw_str text, size_t i)
{
    while (i < text.n && ((unsigned char)text.p[i] & 0xC0) == 0x80)
        i++;
    return i;
}

/* The part of the line around the place that will be shown. */
static struct span visible_line(struct fw_str text, struct span span)
{
    size_t from = span.from < text.n ? span.from : text.n;
    size_t to = from;

    while (from > 0 && text.p[from - 1] != '\n' &&
           span.from - from < SHOWN_BYTES / 2)
        from--;
    while (to < text.n && text.p[to] != '\n' && to - from < SHOWN_BYTES)
        to++;
    from = at_character(text, from);
    to = at_character(text, to);
    return (struct span){(uint32_t)from, (uint32_t)to};
}

static fw_rc add_marked_line(struct fw_buf *out, struct fw_str text,
                             struct span span)
{
    struct span line = visible_line(text, span);
    size_t end = span.to < line.to ? span.to : line.to;
    size_t before =
        span.from > line.from
            ? fw_utf8_columns(text.p + line.from, span.from - line.from)
            : 0;
    size_t marks = end > span.from
                       ? fw_utf8_columns(text.p + span.from, end - span.from)
                       : 0;
    fw_rc rc = fw_buf_adds(out, "\n  ");

    for (size_t i = line.from; i < line.to && rc == FW_OK; i++)
        rc = fw_buf_addc(out, text.p[i] == '\t' ? ' ' : text.p[i]);
    if (rc == FW_OK)
        rc = fw_buf_printf(out, "\n  %*s^", (int)before, "");
    for (size_t i = 1; i < marks && rc == FW_OK; i++)
        rc = fw_buf_addc(out, '~');
    return rc;
}

fw_rc complain(struct fw_str text, struct span span, const char *hint,
               struct fw_err *err, const char *fmt, ...)
{
    struct place place = place_of(text, span.from);
    struct fw_buf lines = FW_BUF_INIT(FW_ERR_TEXT_BYTES);
    char sentence[FW_ERR_TEXT_BYTES / 2];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, ap);
    va_end(ap);
    /* Without memory for the picture, the sentence still goes out. */
    if (add_marked_line(&lines, text, span) != FW_OK)
        fw_buf_clear(&lines);
    (void)fw_err_at(err, FW_EINVAL, place.line, place.column,
                    "%d:%d: parse error: %s%s%s%s", place.line, place.column,
                    sentence, lines.len > 0 ? lines.data : "",
                    hint != NULL ? "\n  " : "", hint != NULL ? hint : "");
    fw_buf_release(&lines);
    return FW_EINVAL;
}
