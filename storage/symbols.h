/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols.h - each label name and value kept once, named by a number.
 *
 * Texts never move and are never dropped. Not thread-safe: the registry's
 * lock guards it; but a text once looked up may be read without the lock.
 */
#ifndef STORAGE_SYMBOLS_H
#define STORAGE_SYMBOLS_H

#include "storage/base/arena.h"
#include "storage/base/err.h"
#include "storage/base/hash.h"
#include "storage/base/str.h"

#define SYMBOL_NONE UINT32_MAX

struct symbols {
    struct fw_arena *texts;
    struct fw_str *v; /* by number */
    size_t n, cap;
    struct fw_index index;
    uint64_t seed;
};

FW_CHECK fw_rc symbols_init(struct symbols *s);
void symbols_release(struct symbols *s);

/* The number of a text, or SYMBOL_NONE. */
uint32_t symbols_find(const struct symbols *s, struct fw_str text);
/* The same, made if new. FW_ENOMEM. */
FW_CHECK fw_rc symbols_add(struct symbols *s, struct fw_str text,
                           uint32_t *out);

static inline struct fw_str symbols_text(const struct symbols *s, uint32_t i)
{
    return s->v[i];
}

#endif
