/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "storage/index/regex.h"

#define MEMO_NO 1
#define MEMO_YES 2
#define MEMOS_MAX ((size_t)16 << 20) /* bytes of all memos that are kept */

/* ---- The cache --------------------------------------------------------------
 */

void matcher_cache_init(struct matcher_cache *cache)
{
    memset(cache, 0, sizeof(*cache));
    (void)pthread_mutex_init(&cache->lock, NULL);
}

/* One of the cache, which owns its name. */
static void drop(struct matcher *m)
{
    free((void *)(uintptr_t)m->name.p);
    fw_regex_free(m->regex);
    free(m->memo);
}

void matcher_cache_release(struct matcher_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        drop(&cache->idle[i]);
    cache->count = 0;
    (void)pthread_mutex_destroy(&cache->lock);
}

static bool take(struct matcher_cache *cache, struct matcher *m,
                 const struct fw_matcher *from)
{
    bool found = false;

    (void)pthread_mutex_lock(&cache->lock);
    for (size_t i = cache->count; i > 0 && !found; i--) {
        struct matcher *idle = &cache->idle[i - 1];

        if (!fw_str_eq(idle->name, from->name) ||
            !fw_str_eq(fw_str_of(idle->regex->text), from->value))
            continue;
        found = true;
        m->regex = idle->regex;
        m->memo = idle->memo;
        m->memo_n = idle->memo_n;
        m->forgotten = idle->forgotten;
        free((void *)(uintptr_t)idle->name.p);
        memmove(idle, idle + 1, (cache->count - i) * sizeof(*idle));
        cache->count--;
    }
    cache->hits += found;
    cache->misses += !found;
    (void)pthread_mutex_unlock(&cache->lock);
    return found;
}

static size_t memos(const struct matcher_cache *cache)
{
    size_t bytes = 0;

    for (size_t i = 0; i < cache->count; i++)
        bytes += cache->idle[i].memo_n;
    return bytes;
}

void matcher_end(struct matcher *m, struct matcher_cache *cache)
{
    struct matcher kept = *m;
    char *name;

    if (m->regex == NULL)
        return;
    name = malloc(m->name.n + 1);
    if (cache == NULL || name == NULL || m->memo_n > MEMOS_MAX) {
        free(name);
        fw_regex_free(m->regex);
        free(m->memo);
        m->regex = NULL;
        return;
    }
    memcpy(name, m->name.p, m->name.n);
    kept.name = (struct fw_str){name, m->name.n};
    m->regex = NULL;
    (void)pthread_mutex_lock(&cache->lock);
    while (cache->count == MATCHER_CACHE ||
           (cache->count > 0 && memos(cache) + kept.memo_n > MEMOS_MAX)) {
        drop(&cache->idle[0]);
        cache->count--;
        memmove(cache->idle, cache->idle + 1,
                cache->count * sizeof(*cache->idle));
    }
    cache->idle[cache->count++] = kept;
    (void)pthread_mutex_unlock(&cache->lock);
}

/* ---- One condition
 * ------------------------------------------------------------
 */

fw_rc matcher_begin(struct matcher *m, const struct fw_matcher *from,
                    struct matcher_cache *cache, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    *m = (struct matcher){
        .name = from->name, .value = from->value, .value_symbol = SYMBOL_NONE};
    m->negated = from->op == FW_MATCH_DIFFERS || from->op == FW_MATCH_NOT_REGEX;
    if ((from->op == FW_MATCH_REGEX || from->op == FW_MATCH_NOT_REGEX) &&
        (cache == NULL || !take(cache, m, from)))
        rc = fw_regex_compile(from->value, &m->regex, err);
    if (rc == FW_OK)
        m->takes_empty = matcher_takes(m, (struct fw_str){"", 0});
    return rc;
}

fw_rc matcher_prepare(struct matcher *m, const struct symbols *s)
{
    uint8_t *memo;

    if (m->regex == NULL) {
        m->value_symbol = symbols_find(s, m->value);
        return FW_OK;
    }
    if (m->forgotten != s->forgotten && m->memo_n > 0)
        memset(m->memo, 0, m->memo_n); /* numbers may mean other texts now */
    m->forgotten = s->forgotten;
    if (m->memo_n >= s->n && m->memo != NULL)
        return FW_OK;
    memo = realloc(m->memo, s->n + s->n / 8 + 64);
    if (memo == NULL)
        return FW_ENOMEM;
    memset(memo + m->memo_n, 0, s->n + s->n / 8 + 64 - m->memo_n);
    m->memo = memo;
    m->memo_n = s->n + s->n / 8 + 64;
    return FW_OK;
}

bool matcher_takes(struct matcher *m, struct fw_str value)
{
    bool same = m->regex != NULL ? fw_regex_matches(m->regex, value)
                                 : fw_str_eq(m->value, value);

    return same != m->negated;
}

bool matcher_takes_symbol(struct matcher *m, const struct symbols *s,
                          uint32_t value)
{
    if (m->regex == NULL)
        return (value == m->value_symbol) != m->negated;
    if (m->memo[value] == 0)
        m->memo[value] = fw_regex_matches(m->regex, symbols_text(s, value))
                             ? MEMO_YES
                             : MEMO_NO;
    return (m->memo[value] == MEMO_YES) != m->negated;
}

size_t matcher_words(const struct matcher *m, const struct fw_str **words)
{
    if (m->negated)
        return 0;
    if (m->regex == NULL) {
        *words = &m->value;
        return 1;
    }
    if (m->regex->shape != REGEX_ALTERNATIVES)
        return 0;
    *words = m->regex->words;
    return m->regex->word_count;
}
