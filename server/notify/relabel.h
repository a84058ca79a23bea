/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relabel.h - labels changed by rules of the configuration, exactly as
 * Prometheus does [prometheus/model/relabel].
 */
#ifndef SERVER_RELABEL_H
#define SERVER_RELABEL_H

#include "server/config/config.h"
#include "server/rules/rule_emit.h"

/* FW_EINVAL says what is wrong with a rule, without its place. */
FW_CHECK fw_rc relabel_check(const struct config_relabel *rule,
                             struct fw_err *err);

struct relabel;

/* `rules` are borrowed and must have passed relabel_check(). */
FW_CHECK fw_rc relabel_new(const struct config_relabel *rules, size_t count,
                           struct relabel **out, struct fw_err *err);
void relabel_free(struct relabel *relabel);

/*
 * One rule after the other; texts that are made live in `arena`. FW_NONE: the
 * rules drop it, or nothing is left of it. Any thread; NULL changes nothing.
 */
FW_CHECK fw_rc relabel_apply(struct relabel *relabel, struct label_set *set,
                             struct fw_arena *arena, struct fw_err *err);

#endif
