/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_FIRST_CHUNK 4096
#define ARENA_LARGEST_CHUNK ((size_t)1 << 20)

struct chunk {
    struct chunk *next;
    size_t size;
    size_t used;
    size_t pad; /* keeps the bytes behind the header aligned to 16 */
};

struct fw_arena {
    struct chunk *chunks; /* newest first */
    size_t next_size;
    size_t used;
    size_t max;
    bool capped; /* the last failure was the cap, not the system */
};

_Static_assert(sizeof(struct chunk) % ARENA_ALIGN == 0,
               "what follows a chunk header must be aligned");

struct fw_arena *fw_arena_new(size_t max_bytes)
{
    struct fw_arena *arena = calloc(1, sizeof(*arena));

    if (arena == NULL)
        return NULL;
    arena->max = max_bytes;
    arena->next_size = ARENA_FIRST_CHUNK;
    return arena;
}

void fw_arena_clear(struct fw_arena *arena)
{
    while (arena->chunks != NULL) {
        struct chunk *next = arena->chunks->next;

        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used = 0;
    arena->next_size = ARENA_FIRST_CHUNK;
}

void fw_arena_free(struct fw_arena *arena)
{
    if (arena == NULL)
        return;
    fw_arena_clear(arena);
    free(arena);
}

static struct chunk *chunk_add(struct fw_arena *arena, size_t bytes)
{
    size_t size = bytes > arena->next_size ? bytes : arena->next_size;
    struct chunk *chunk = malloc(sizeof(*chunk) + size);

    if (chunk == NULL) {
        arena->capped = false;
        return NULL;
    }
    chunk->size = size;
    chunk->used = 0;
    chunk->pad = 0;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    if (arena->next_size < ARENA_LARGEST_CHUNK)
        arena->next_size *= 2;
    return chunk;
}

void *fw_arena_alloc(struct fw_arena *arena, size_t bytes)
{
    struct chunk *chunk = arena->chunks;
    char *at;

    if (bytes > arena->max || arena->used > arena->max - bytes) {
        arena->capped = true;
        return NULL;
    }
    bytes = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (chunk == NULL || chunk->size - chunk->used < bytes) {
        chunk = chunk_add(arena, bytes);
        if (chunk == NULL)
            return NULL;
    }
    at = (char *)(chunk + 1) + chunk->used;
    chunk->used += bytes;
    arena->used += bytes;
    return at;
}

void *fw_arena_calloc(struct fw_arena *arena, size_t count, size_t bytes)
{
    void *at;

    if (bytes != 0 && count > SIZE_MAX / bytes) {
        arena->capped = true;
        return NULL;
    }
    at = fw_arena_alloc(arena, count * bytes);
    if (at != NULL)
        memset(at, 0, count * bytes);
    return at;
}

char *fw_arena_strndup(struct fw_arena *arena, const char *text, size_t n)
{
    char *copy = fw_arena_alloc(arena, n + 1);

    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *fw_arena_strdup(struct fw_arena *arena, const char *text)
{
    return fw_arena_strndup(arena, text, strlen(text));
}

char *fw_arena_printf(struct fw_arena *arena, const char *fmt, ...)
{
    va_list ap;
    char *text;
    int need;

    va_start(ap, fmt);
    need = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (need < 0)
        return NULL;
    text = fw_arena_alloc(arena, (size_t)need + 1);
    if (text == NULL)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(text, (size_t)need + 1, fmt, ap);
    va_end(ap);
    return text;
}

fw_rc fw_arena_err(const struct fw_arena *arena, struct fw_err *err)
{
    if (arena->capped)
        return fw_err_set(err, FW_ETOOBIG,
                          "this needs more than its %zu MiB of memory; ask for "
                          "fewer series or a shorter range",
                          arena->max >> 20);
    return fw_err_set(err, FW_ENOMEM, "out of memory");
}

bool fw_arena_capped(const struct fw_arena *arena)
{
    return arena->capped;
}

size_t fw_arena_used(const struct fw_arena *arena)
{
    return arena->used;
}
