/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry_metrics.c - how many series each metric has.
 */
#include "storage/index/registry_parts.h"

static bool same_metric(const void *self, uint32_t value, const void *key)
{
    const struct registry_metrics *m = self;

    return m->v[value].name == *(const uint32_t *)key;
}

static uint64_t hash_symbol(uint32_t symbol)
{
    uint64_t h = (uint64_t)symbol * 0x9E3779B97F4A7C15u;

    return h ^ h >> 32;
}

uint32_t metrics_series(const struct registry *r, uint32_t name)
{
    uint32_t at = tag_index_find(&r->metrics.by_name, hash_symbol(name),
                                 same_metric, &r->metrics, &name);

    return at == FW_INDEX_NONE ? 0 : r->metrics.v[at].series;
}

/* Counts `by` series of a metric more, or less. */
static fw_rc count_metric(struct registry *r, uint32_t name, int64_t by)
{
    struct registry_metrics *m = &r->metrics;
    uint32_t at =
        tag_index_find(&m->by_name, hash_symbol(name), same_metric, m, &name);
    fw_rc rc;

    if (at != FW_INDEX_NONE) {
        /* A count of 0 stays: the symbol may come again, for another text. */
        m->v[at].series = (uint32_t)((int64_t)m->v[at].series + by);
        return FW_OK;
    }
    rc = fw_grow(&m->v, &m->cap, m->n + 1, sizeof(*m->v), UINT32_MAX - 1);
    if (rc == FW_OK)
        rc = tag_index_add(&m->by_name, hash_symbol(name), (uint32_t)m->n);
    if (rc == FW_OK)
        m->v[m->n++] = (struct registry_metric){name, (uint32_t)by};
    return rc;
}

/* The symbol of __name__, once there is one; it then stays for good. */
static uint32_t metric_label(struct registry *r)
{
    if (r->metrics.label == SYMBOL_NONE) {
        r->metrics.label = symbols_find(&r->symbols, FW_STR(FW_METRIC_NAME));
        if (r->metrics.label != SYMBOL_NONE)
            symbols_ref(&r->symbols, r->metrics.label);
    }
    return r->metrics.label;
}

fw_rc metrics_count(struct registry *r, const uint32_t *pairs, uint32_t labels,
                    int64_t by)
{
    uint32_t label = metric_label(r);

    for (uint32_t i = 0; i < labels; i++)
        if (pairs[2 * i] == label)
            return count_metric(r, pairs[2 * i + 1], by);
    return FW_OK;
}

fw_rc metrics_count_page(struct registry *r, const struct label_page *page)
{
    uint32_t label = metric_label(r);
    fw_rc rc = FW_OK;

    for (uint32_t s = 0; s < page->shape_count; s++)
        for (uint32_t i = 0; i < page->shapes[s].labels; i++) {
            const struct label_column *c =
                &page->columns[page->shapes[s].first_column + i];

            if (page->words[c->name] != label)
                continue;
            for (uint32_t m = 0; m < page->shapes[s].members && rc == FW_OK;
                 m++)
                rc = count_metric(
                    r, page->words[c->base + label_column_rank(page, c, m)], 1);
        }
    return rc;
}
