/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/notes.h"

#include <stdio.h>

#include "query/place.h"

static const char *const kind_names[] = {"warning", "info"};

void notes_init(struct notes *notes, struct fw_arena *arena,
                struct fw_str query)
{
    *notes = (struct notes){.arena = arena, .query = query};
}

static bool is_there(const struct notes *notes, enum note_kind kind,
                     struct fw_str text)
{
    for (size_t i = 0; i < notes->count[kind]; i++) {
        if (fw_str_eq(notes->list[kind][i], text))
            return true;
    }
    return false;
}

void notes_add(struct notes *notes, enum note_kind kind, struct span span,
               const char *fmt, ...)
{
    struct place place = place_of(notes->query, span.from);
    char body[512];
    char text[640];
    char *kept;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(body, sizeof(body), fmt, ap);
    va_end(ap);
    (void)snprintf(text, sizeof(text), "PromQL %s: %s (%d:%d)",
                   kind_names[kind], body, place.line, place.column);
    if (is_there(notes, kind, fw_str_of(text)))
        return;
    if (notes->count[kind] == NOTES_MAX) {
        notes->omitted[kind]++;
        return;
    }
    kept = fw_arena_strdup(notes->arena, text);
    if (kept != NULL)
        notes->list[kind][notes->count[kind]++] = fw_str_of(kept);
}

static struct fw_str *take_list(struct notes *notes, enum note_kind kind,
                                size_t *count)
{
    struct fw_str *list = notes->list[kind];
    size_t n = notes->count[kind];
    struct fw_str *copy;

    if (notes->omitted[kind] > 0) {
        const char *more =
            fw_arena_printf(notes->arena, "%zu more %s annotations omitted",
                            notes->omitted[kind], kind_names[kind]);

        if (more != NULL)
            list[n++] = fw_str_of(more);
    }
    copy = fw_arena_alloc(notes->arena, n * sizeof(*copy));
    *count = copy != NULL ? n : 0;
    if (copy != NULL && n > 0)
        memcpy(copy, list, n * sizeof(*copy));
    return copy;
}

void notes_finish(struct notes *notes, struct fw_result *result)
{
    result->warnings = take_list(notes, NOTE_WARNING, &result->warning_count);
    result->infos = take_list(notes, NOTE_INFO, &result->info_count);
}
