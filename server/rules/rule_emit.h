/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_emit.h - what rule_run.c and rule_eval.c share: the series a rule
 * writes, and its alerts as a set.
 */
#ifndef SERVER_RULES_RULE_EMIT_H
#define SERVER_RULES_RULE_EMIT_H

#include "server/rules/rule_run.h"
#include "storage/base/limits.h"

void rule_alert_free(struct rule_alert *a);
void rule_series_release(struct rule_series *s);

struct rule_alert *rule_run_find_alert(struct rule_run *r,
                                       const struct fw_labels *labels,
                                       uint64_t hash);
/* Drops the alerts that were freed and set to NULL. */
fw_rc rule_run_pack_alerts(struct rule_run *r);

/* Writes a sample of this turn, remembering its series. */
FW_CHECK fw_rc rule_emit(struct rule_run *r, const struct rule_world *w,
                         const struct fw_labels *labels, fw_ms t, double v,
                         struct fw_err *err);
/* Ends the series that this turn did not write. */
FW_CHECK fw_rc rule_emit_stale(struct rule_run *r, const struct rule_world *w,
                               fw_ms t, struct fw_err *err);

/* ---- labels under construction ---- */

#define RULE_MAX_LABELS (2 * FW_MAX_LABELS + 4)

/* Sorted by name; empty values are absent. Texts are borrowed. */
struct label_set {
    struct fw_label v[RULE_MAX_LABELS];
    size_t n;
};

void label_set_from(struct label_set *set, const struct fw_labels *labels);
/* Sets, or for an empty value removes. FW_ETOOBIG. */
FW_CHECK fw_rc label_set_put(struct label_set *set, struct fw_str name,
                             struct fw_str value);
struct fw_labels label_set_labels(const struct label_set *set);

#endif
