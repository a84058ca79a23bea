/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ruler.h - the groups of rules of a configuration, evaluated when they are
 * due: where rule_run.h meets the clock, the store and Alertmanager.
 */
#ifndef SERVER_RULES_RULER_H
#define SERVER_RULES_RULER_H

#include "server/config/config.h"
#include "server/notify/managers.h"
#include "server/rules/rule_run.h"

struct ruler_options {
    struct fw_store *store;       /* borrowed */
    const struct fw_clock *clock; /* NULL: the system's */
    const struct config *config;  /* borrowed; its rules may be NULL */
    const char *external_url;     /* where the configuration has none */
    struct managers *managers;    /* borrowed; NULL: nobody is told */
    size_t threads;               /* of ruler_start(); 0: 2 */
};

struct ruler_stats {
    uint64_t groups, rules;
    uint64_t evaluations, failures; /* of rules */
    uint64_t missed;                /* evaluations of groups */
    uint64_t pending, firing;       /* alerts now */
    uint64_t series;                /* written by rules now */
};

struct ruler;

/*
 * No thread yet. `previous` (may be NULL; stopped) hands over the state of
 * rules that stay; then it may be closed.
 */
FW_CHECK fw_rc ruler_open(const struct ruler_options *options,
                          struct ruler *previous, struct ruler **out,
                          struct fw_err *err);
void ruler_close(struct ruler *r);

/* Evaluates what is due; returns how long until the next one is, in ms. */
fw_ms ruler_step(struct ruler *r);

/* Threads that do so until ruler_stop(), which leaves it to be closed. */
FW_CHECK fw_rc ruler_start(struct ruler *r, struct fw_err *err);
void ruler_stop(struct ruler *r);

/* ---- any thread ---- */

void ruler_stats(struct ruler *r, struct ruler_stats *out);

/* Shows each group while it is locked; until `each` answers false. */
void ruler_each(struct ruler *r,
                bool (*each)(void *self, const struct group_run *g),
                void *self);

#endif
