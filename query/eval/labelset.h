/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * labelset.h - label sets derived from others: without a name, with only some
 * labels, with one set. Texts are shared with the source; the arrays live in
 * the arena. NULL-array answers do not occur: a false means no memory.
 */
#ifndef FW_QUERY_LABELSET_H
#define FW_QUERY_LABELSET_H

#include "query/query.h"

#define NAME_LABEL FW_STR(FW_METRIC_NAME)

uint64_t labels_hash(const struct fw_labels *labels);
bool labels_equal(const struct fw_labels *a, const struct fw_labels *b);

/* Copies to `to` (room for from->n) those labels that are (not) in names. */
void labels_pick(const struct fw_labels *from, const struct fw_str *names,
                 size_t count, bool keep, struct fw_label *to, size_t *n);

/* Without the metric name; shares the array where it can. */
bool labels_drop_name(struct fw_arena *arena, struct fw_labels *labels);

/*
 * Delayed removal of metric names: the name stays, so that it can still be
 * matched, grouped by and replaced, and its label is marked by the address of
 * its name. It is dropped when the answer is made.
 */
bool labels_mark_name(struct fw_arena *arena, struct fw_labels *labels);
bool labels_has_marked_name(const struct fw_labels *labels);

/* With label = value; an empty value removes it. */
bool labels_set(struct fw_arena *arena, struct fw_labels *labels,
                struct fw_str name, struct fw_str value);

/* A copy of an array of labels in the arena; the texts stay where they are. */
bool labels_copy(struct fw_arena *arena, const struct fw_label *v, size_t n,
                 struct fw_labels *out);

/* Room for labels being picked, from one series to the next. */
struct label_buffer {
    struct fw_label *v;
    size_t cap;
};
bool label_buffer_fit(struct label_buffer *buffer, struct fw_arena *arena,
                      size_t n);

/* Adds {__name__="x", a="b"} as error messages of Prometheus show it. */
FW_CHECK fw_rc labels_describe(struct fw_buf *out,
                               const struct fw_labels *labels);

#endif
