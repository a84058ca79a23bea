/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_memory.h - series in memory as a source of samples and a sink of rules:
 * where unit tests of rules (and ours) run, without a folder.
 */
#ifndef SERVER_RULES_RULE_MEMORY_H
#define SERVER_RULES_RULE_MEMORY_H

#include "server/rules/rule_run.h"

struct memory_series {
    struct fw_labels labels; /* owned, one block */
    fw_ms *t;                /* owned */
    double *v;               /* owned */
    size_t n, t_cap, v_cap;
};

/* Zero is empty. One thread at a time. */
struct rule_memory {
    struct memory_series *series; /* owned */
    size_t count, cap;
    struct fw_index index;
};

void rule_memory_release(struct rule_memory *m);

/*
 * Adds a sample; times of a series rise, one at the same time or before is
 * dropped. As rule_world.add.
 */
FW_CHECK fw_rc rule_memory_add(void *self, const struct fw_labels *labels,
                               uint32_t *series, fw_ms t, double v,
                               struct fw_err *err);

/* Borrows `m`. */
struct fw_source rule_memory_source(struct rule_memory *m);

#endif
