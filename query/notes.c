/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/notes.h"

#include <stdio.h>

#include "query/parse/place.h"

static const char *const kind_names[] = {"warning", "info"};

void notes_init(struct notes *notes, struct fw_arena *arena,
                struct fw_str query)
{
    *notes = (struct notes){.arena = arena, .query = query};
}

static struct note *find(struct notes *notes, enum note_kind kind,
                         const char *text)
{
    for (size_t i = 0; i < notes->count[kind]; i++) {
        if (strcmp(notes->list[kind][i].text, text) == 0)
            return &notes->list[kind][i];
    }
    return NULL;
}

void notes_add(struct notes *notes, enum note_kind kind, struct span span,
               const char *fmt, ...)
{
    struct note *there;
    char text[512];
    const char *kept;
    va_list ap;

    notes->told++;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    there = find(notes, kind, text);
    if (there != NULL) {
        there->span = span;
        return;
    }
    if (notes->count[kind] == NOTES_MAX) {
        notes->omitted[kind]++;
        return;
    }
    kept = fw_arena_strdup(notes->arena, text);
    if (kept != NULL)
        notes->list[kind][notes->count[kind]++] = (struct note){kept, span};
}

static struct fw_str *take_list(struct notes *notes, enum note_kind kind,
                                size_t *count)
{
    size_t n = notes->count[kind];
    struct fw_str *list = fw_arena_alloc(notes->arena, (n + 1) * sizeof(*list));
    size_t out = 0;
    const char *text;

    for (size_t i = 0; i < n && list != NULL; i++) {
        const struct note *note = &notes->list[kind][i];
        struct place place = place_of(notes->query, note->span.from);

        text = fw_arena_printf(notes->arena, "PromQL %s: %s (%d:%d)",
                               kind_names[kind], note->text, place.line,
                               place.column);
        if (text != NULL)
            list[out++] = fw_str_of(text);
    }
    if (notes->omitted[kind] > 0 && list != NULL) {
        text = fw_arena_printf(notes->arena, "%zu more %s annotations omitted",
                               notes->omitted[kind], kind_names[kind]);
        if (text != NULL)
            list[out++] = fw_str_of(text);
    }
    *count = out;
    return list;
}

void notes_finish(struct notes *notes, struct fw_result *result)
{
    result->warnings = take_list(notes, NOTE_WARNING, &result->warning_count);
    result->infos = take_list(notes, NOTE_INFO, &result->info_count);
}
