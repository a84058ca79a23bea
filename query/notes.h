/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notes.h - annotations of an answer: warnings and infos, each once, with the
 * place in the query, as Prometheus gives them.
 */
#ifndef FW_QUERY_NOTES_H
#define FW_QUERY_NOTES_H

#include "query/parse/ast.h"

#define NOTES_MAX 10 /* of each kind; the API of Prometheus shows as many */

enum note_kind { NOTE_WARNING, NOTE_INFO };

struct note {
    const char *text; /* without the place */
    struct span span;
};

struct notes {
    struct fw_arena *arena;
    struct fw_str query;
    struct note list[2][NOTES_MAX];
    size_t count[2];
    size_t omitted[2];
    size_t told; /* calls of notes_add() */
};

void notes_init(struct notes *notes, struct fw_arena *arena,
                struct fw_str query);

/*
 * Adds a note. Of notes with one text the last place is kept. A lack of memory
 * loses it.
 */
void notes_add(struct notes *notes, enum note_kind kind, struct span span,
               const char *fmt, ...) FW_PRINTF(4, 5);

/*
 * Hands over "PromQL warning: text (line:column)" for each, and "N more ...
 * omitted" where some were.
 */
void notes_finish(struct notes *notes, struct fw_result *result);

#endif
