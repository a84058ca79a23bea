/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols.h - each label name and value kept once, named by a number.
 *
 * Whoever keeps a number counts as a reference; with the last one the text
 * goes, and its number may come again for another text (`forgotten` counts
 * such moments, for those who remember things by number). Texts lie in chunks
 * that are given back when nothing in them is in use: series that come and go
 * together, as those of a restarted container do, leave no trace. Not
 * thread-safe: the registry's lock guards it.
 */
#ifndef STORAGE_SYMBOLS_H
#define STORAGE_SYMBOLS_H

#include "storage/base/err.h"
#include "storage/base/hash.h"
#include "storage/base/str.h"
#include "storage/index/tag_index.h"

#define SYMBOL_NONE UINT32_MAX

struct symbol_chunk {
    char *bytes; /* owned; NULL while the chunk is not in use */
    uint32_t used;
    uint32_t live; /* texts */
};

struct symbols {
    uint32_t *at;   /* by number: where its text is, or the next free number */
    uint32_t *refs; /* by number */
    size_t n;
    size_t cap_at, cap_refs;
    uint32_t free_first; /* number, or SYMBOL_NONE */
    struct symbol_chunk *chunks;
    size_t chunk_count, chunk_cap;
    uint32_t current; /* the chunk that texts are added to */
    uint32_t free_chunk;
    struct tag_index index;
    uint64_t seed;
    uint64_t forgotten;
};

FW_CHECK fw_rc symbols_init(struct symbols *s);
void symbols_release(struct symbols *s);

uint64_t symbols_hash(const struct symbols *s, struct fw_str text);

/* The number of a text, or SYMBOL_NONE. */
uint32_t symbols_find(const struct symbols *s, struct fw_str text);
/*
 * The same, made if new, with a reference more. `hash` is the text's.
 * FW_ENOMEM.
 */
FW_CHECK fw_rc symbols_add(struct symbols *s, struct fw_str text, uint64_t hash,
                           uint32_t *out);
void symbols_ref(struct symbols *s, uint32_t i);
void symbols_unref(struct symbols *s, uint32_t i);

/* Valid while somebody has a reference, and the lock is held. */
struct fw_str symbols_text(const struct symbols *s, uint32_t i);

/* Memory in use. */
size_t symbols_bytes(const struct symbols *s);

#endif
