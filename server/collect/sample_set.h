/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sample_set.h - values with names, gathered in one go and stored at one time.
 */
#ifndef SERVER_COLLECT_SAMPLE_SET_H
#define SERVER_COLLECT_SAMPLE_SET_H

#include "storage/storage.h"

#define SAMPLE_SET_MAX 100000 /* values of one gathering */
#define SAMPLE_SET_LABELS 6   /* of one value, beside its name */

struct sample {
    struct fw_label labels[SAMPLE_SET_LABELS + 3]; /* room for the common */
    size_t n;
    double v;
};

/* Texts are copied into the arena; release frees all. */
struct sample_set {
    struct fw_arena *arena;
    struct sample *v; /* owned */
    size_t n, cap;
    size_t dropped; /* past a cap, out of memory, or with a bad label */
};

FW_CHECK fw_rc sample_set_init(struct sample_set *set);
void sample_set_release(struct sample_set *set);
void sample_set_clear(struct sample_set *set);

/*
 * Adds a value of `metric` with pairs of label name and value (const char *),
 * ended by NULL. Never fails: what cannot be added is counted in `dropped`.
 */
void sample_set_add(struct sample_set *set, const char *metric, double v, ...)
    __attribute__((sentinel));

/*
 * Stores all of it at time `t` with the `common` labels added, in one batch,
 * and waits until it is durable. Series the store refuses are counted in
 * `dropped`; FW_EBUSY, FW_EREADONLY, ... where the batch is.
 */
FW_CHECK fw_rc sample_set_store(struct sample_set *set, struct fw_store *store,
                                fw_ms t, const struct fw_label *common,
                                size_t common_n, struct fw_err *err);

#endif
