/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"

#define CHUNK_SHIFT 16
#define CHUNK_BYTES ((size_t)1 << CHUNK_SHIFT)
#define CHUNK_NONE UINT32_MAX
#define CHUNKS_MAX 65535 /* so many have a place in 32 bits */
#define LONG_TEXT 255    /* the length byte of a text whose length follows */

fw_rc symbols_init(struct symbols *s)
{
    *s = (struct symbols){.seed = fw_hash_random_seed(),
                          .free_first = SYMBOL_NONE,
                          .current = CHUNK_NONE,
                          .free_chunk = CHUNK_NONE};
    return FW_OK;
}

void symbols_release(struct symbols *s)
{
    for (size_t i = 0; i < s->chunk_count; i++)
        free(s->chunks[i].bytes);
    free(s->chunks);
    free(s->at);
    free(s->refs);
    tag_index_release(&s->index);
    *s = (struct symbols){0};
}

uint64_t symbols_hash(const struct symbols *s, struct fw_str text)
{
    return fw_hash64(text.p, text.n, s->seed);
}

struct fw_str symbols_text(const struct symbols *s, uint32_t i)
{
    uint32_t at = s->at[i];
    const char *p =
        s->chunks[at >> CHUNK_SHIFT].bytes + (at & (CHUNK_BYTES - 1));
    size_t n = (unsigned char)*p;

    if (n < LONG_TEXT)
        return (struct fw_str){p + 1, n};
    return (struct fw_str){p + 3, (size_t)(unsigned char)p[1] |
                                      (size_t)(unsigned char)p[2] << 8};
}

static bool same_text(const void *self, uint32_t value, const void *key)
{
    return fw_str_eq(symbols_text(self, value), *(const struct fw_str *)key);
}

static uint32_t find(const struct symbols *s, struct fw_str text, uint64_t hash)
{
    return tag_index_find(&s->index, hash, same_text, s, &text);
}

uint32_t symbols_find(const struct symbols *s, struct fw_str text)
{
    return find(s, text, symbols_hash(s, text));
}

/* ---- Chunks ---------------------------------------------------------------
 */

static fw_rc chunk_new(struct symbols *s)
{
    uint32_t i = s->free_chunk;
    char *bytes = malloc(CHUNK_BYTES);
    fw_rc rc = FW_OK;

    if (bytes == NULL)
        return FW_ENOMEM;
    if (i == CHUNK_NONE) {
        i = (uint32_t)s->chunk_count;
        rc = fw_grow(&s->chunks, &s->chunk_cap, s->chunk_count + 1,
                     sizeof(*s->chunks), CHUNKS_MAX);
        if (rc != FW_OK) {
            free(bytes);
            return FW_ENOMEM;
        }
        s->chunk_count++;
    } else {
        s->free_chunk = s->chunks[i].used;
    }
    s->chunks[i] = (struct symbol_chunk){.bytes = bytes};
    s->current = i;
    return FW_OK;
}

static void chunk_drop(struct symbols *s, uint32_t i)
{
    free(s->chunks[i].bytes);
    s->chunks[i] = (struct symbol_chunk){.used = s->free_chunk};
    s->free_chunk = i;
}

/* Copies a text to where it can stay. */
static fw_rc text_put(struct symbols *s, struct fw_str text, uint32_t *at)
{
    size_t head = text.n < LONG_TEXT ? 1 : 3;
    struct symbol_chunk *chunk;
    uint32_t full = s->current;
    char *p;

    if (full == CHUNK_NONE ||
        s->chunks[full].used + head + text.n > CHUNK_BYTES) {
        fw_rc rc = chunk_new(s);

        if (rc != FW_OK)
            return rc;
        if (full != CHUNK_NONE && s->chunks[full].live == 0)
            chunk_drop(s, full);
    }
    chunk = &s->chunks[s->current];
    *at = s->current << CHUNK_SHIFT | chunk->used;
    p = chunk->bytes + chunk->used;
    p[0] = (char)(text.n < LONG_TEXT ? text.n : LONG_TEXT);
    if (head == 3) {
        p[1] = (char)(text.n & 0xFF);
        p[2] = (char)(text.n >> 8);
    }
    memcpy(p + head, text.p, text.n);
    chunk->used += (uint32_t)(head + text.n);
    chunk->live++;
    return FW_OK;
}

static void text_drop(struct symbols *s, uint32_t at)
{
    uint32_t i = at >> CHUNK_SHIFT;

    if (--s->chunks[i].live == 0 && i != s->current)
        chunk_drop(s, i);
}

/* ---- Numbers --------------------------------------------------------------
 */

static fw_rc number_new(struct symbols *s, uint32_t *out)
{
    fw_rc rc = FW_OK;

    *out = s->free_first;
    if (*out != SYMBOL_NONE)
        return FW_OK;
    rc = fw_grow(&s->at, &s->cap_at, s->n + 1, sizeof(*s->at), SYMBOL_NONE - 1);
    if (rc == FW_OK)
        rc = fw_grow(&s->refs, &s->cap_refs, s->n + 1, sizeof(*s->refs),
                     SYMBOL_NONE - 1);
    *out = (uint32_t)s->n;
    return rc;
}

fw_rc symbols_add(struct symbols *s, struct fw_str text, uint64_t hash,
                  uint32_t *out)
{
    uint32_t i = find(s, text, hash);
    uint32_t at = 0;
    fw_rc rc;

    if (i != FW_INDEX_NONE) {
        s->refs[i]++;
        *out = i;
        return FW_OK;
    }
    rc = number_new(s, &i);
    if (rc == FW_OK)
        rc = tag_index_reserve(&s->index, s->index.count + 1);
    if (rc == FW_OK)
        rc = text_put(s, text, &at);
    if (rc == FW_OK)
        rc = tag_index_add(&s->index, hash, i);
    if (rc != FW_OK)
        return rc;
    if (i == s->free_first)
        s->free_first = s->at[i];
    else
        s->n++;
    s->at[i] = at;
    s->refs[i] = 1;
    *out = i;
    return FW_OK;
}

void symbols_ref(struct symbols *s, uint32_t i)
{
    s->refs[i]++;
}

void symbols_unref(struct symbols *s, uint32_t i)
{
    FW_ASSERT(s->refs[i] > 0);
    if (--s->refs[i] > 0)
        return;
    (void)tag_index_remove(&s->index, symbols_hash(s, symbols_text(s, i)), i);
    text_drop(s, s->at[i]);
    s->at[i] = s->free_first;
    s->free_first = i;
    s->forgotten++;
}

size_t symbols_bytes(const struct symbols *s)
{
    size_t sum = (s->cap_at + s->cap_refs) * sizeof(uint32_t) +
                 s->index.capacity * sizeof(uint64_t) +
                 s->chunk_cap * sizeof(*s->chunks);

    for (size_t i = 0; i < s->chunk_count; i++)
        sum += s->chunks[i].bytes != NULL ? CHUNK_BYTES : 0;
    return sum;
}
