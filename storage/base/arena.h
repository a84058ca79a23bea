/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * arena.h - memory for things that die together: a query, a request.
 *
 * Allocation is a pointer bump; nothing is freed singly. The cap makes one
 * expensive query fail by itself instead of taking the process with it.
 */
#ifndef FW_STORAGE_BASE_ARENA_H
#define FW_STORAGE_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/err.h"

struct fw_arena;

/* NULL when memory ran out. `max_bytes` is the most it will ever hand out. */
struct fw_arena *fw_arena_new(size_t max_bytes);
void fw_arena_free(struct fw_arena *arena); /* NULL is fine */
void fw_arena_clear(struct fw_arena *arena);

/*
 * Uninitialised (alloc) or zeroed (calloc) memory, aligned to 16 bytes, valid
 * until the arena is cleared or freed. NULL past the cap or out of memory:
 * fw_arena_err() then says which. A size of 0 gives a valid pointer.
 */
void *fw_arena_alloc(struct fw_arena *arena, size_t bytes);
void *fw_arena_calloc(struct fw_arena *arena, size_t count, size_t bytes);
char *fw_arena_strdup(struct fw_arena *arena, const char *text);
char *fw_arena_strndup(struct fw_arena *arena, const char *text, size_t n);
char *fw_arena_printf(struct fw_arena *arena, const char *fmt, ...)
    FW_PRINTF(2, 3);

/* Sets err to what made the last allocation fail and returns its code. */
fw_rc fw_arena_err(const struct fw_arena *arena, struct fw_err *err);

/* Whether the last allocation that failed was refused by the cap. */
bool fw_arena_capped(const struct fw_arena *arena);

size_t fw_arena_used(const struct fw_arena *arena); /* bytes handed out */

#endif
