/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/symbols.h"

#include <stdlib.h>

fw_rc symbols_init(struct symbols *s)
{
    *s = (struct symbols){.seed = fw_hash_random_seed()};
    s->texts = fw_arena_new(SIZE_MAX / 2);
    return s->texts == NULL ? FW_ENOMEM : FW_OK;
}

void symbols_release(struct symbols *s)
{
    fw_arena_free(s->texts);
    fw_index_release(&s->index);
    free(s->v);
    *s = (struct symbols){0};
}

static bool same_text(const void *self, uint32_t value, const void *key)
{
    const struct symbols *s = self;
    const struct fw_str *text = key;

    return fw_str_eq(s->v[value], *text);
}

uint32_t symbols_find(const struct symbols *s, struct fw_str text)
{
    uint64_t hash = fw_hash64(text.p, text.n, s->seed);

    return fw_index_find(&s->index, hash, same_text, s, &text);
}

fw_rc symbols_add(struct symbols *s, struct fw_str text, uint32_t *out)
{
    uint64_t hash = fw_hash64(text.p, text.n, s->seed);
    uint32_t found = fw_index_find(&s->index, hash, same_text, s, &text);
    char *copy;
    fw_rc rc;

    if (found != FW_INDEX_NONE) {
        *out = found;
        return FW_OK;
    }
    rc = fw_grow(&s->v, &s->cap, s->n + 1, sizeof(*s->v), SYMBOL_NONE - 1);
    if (rc != FW_OK)
        return rc;
    copy = fw_arena_strndup(s->texts, text.p, text.n);
    if (copy == NULL)
        return FW_ENOMEM;
    rc = fw_index_add(&s->index, hash, (uint32_t)s->n);
    if (rc != FW_OK)
        return rc;
    s->v[s->n] = (struct fw_str){copy, text.n};
    *out = (uint32_t)s->n++;
    return FW_OK;
}
