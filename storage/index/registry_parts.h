/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry_parts.h - what the files of the registry share. All of it with the
 * lock held, for writing unless the registry is const.
 */
#ifndef STORAGE_REGISTRY_PARTS_H
#define STORAGE_REGISTRY_PARTS_H

#include "storage/index/registry.h"

/*
 * The hash of a series is made of those of its texts, so that a page gives
 * the hashes of its series from a few words. The texts' hashes are seeded.
 */
static inline uint64_t registry_hash_label(uint64_t h, uint64_t name,
                                           uint64_t value)
{
    h = (h ^ name) * 0x9E3779B97F4A7C15u;
    h = ((h ^ h >> 32) + value) * 0xC2B2AE3D27D4EB4Fu;
    return h ^ h >> 29;
}

/* Gives back a reference of each. */
void registry_drop_symbols(struct registry *r, const uint32_t *pairs, size_t n);

/* ---- registry_metrics.c: how many series a metric has -----------------------
 */

/* Counts `by` series more, or less, of the metric that the labels name. */
FW_CHECK fw_rc metrics_count(struct registry *r, const uint32_t *pairs,
                             uint32_t labels, int64_t by);
/* One more for each series of a page. */
FW_CHECK fw_rc metrics_count_page(struct registry *r,
                                  const struct label_page *page);
/* Of the metric with that symbol for a name. */
uint32_t metrics_series(const struct registry *r, uint32_t name);

/* ---- registry_rows.c: pages that still change ------------------------------
 */

/* NULL where there is none of that number. */
struct registry_open *page_find_open(const struct registry *r, uint32_t number);
/* The open page of that number, made of a packed one or of nothing. */
FW_CHECK fw_rc page_to_write(struct registry *r, uint32_t number,
                             struct registry_open **out);
/* Packs the open page at this place; without memory it stays open. */
FW_CHECK fw_rc page_pack(struct registry *r, size_t at);
/* A row takes references of its own; its page must have none there. */
FW_CHECK fw_rc page_put_row(struct registry *r, struct registry_open *open,
                            uint32_t row, const uint32_t *pairs,
                            uint32_t labels);
/* Gives back the references of a row. */
void page_drop_row(struct registry *r, const struct registry_open *open,
                   uint32_t row);
void page_open_free(struct registry_open *open);

#endif
