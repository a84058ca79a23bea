/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_run.h - groups of rules while they run: evaluation and state, exactly
 * as Prometheus 3 has them [prometheus/rules/group.go, alerting.go].
 *
 * Nothing here knows a clock, a store or a thread: the instant is handed in,
 * samples come from a source and go to a sink. So a unit test of rules and the
 * server run the same code, and a month of alerting is seconds.
 */
#ifndef SERVER_RULES_RULE_RUN_H
#define SERVER_RULES_RULE_RUN_H

#include "server/rules/rule_file.h"
#include "storage/base/hash.h"

struct relabel; /* server/notify/relabel.h */

/* Where rules read and write. All borrowed. */
struct rule_world {
    struct fw_source source;
    /* Stores one sample; `*series` is 0 or what an earlier call left there. */
    fw_rc (*add)(void *self, const struct fw_labels *labels, uint32_t *series,
                 fw_ms t, double v, struct fw_err *err);
    /* Makes what was added readable. May be NULL. */
    fw_rc (*settle)(void *self, struct fw_err *err);
    void *self;
    const struct fw_clock *clock; /* how long things take; NULL: not measured */
    const atomic_bool *cancel;    /* NULL, or set to end queries */
    struct fw_labels external_labels;
    const char *external_url; /* "" where there is none */
    struct relabel *relabel;  /* of alerts on their way out; may be NULL */
    fw_ms resend_delay;
    fw_ms lookback; /* 0: the default */
};

enum rule_alert_state { RULE_INACTIVE, RULE_PENDING, RULE_FIRING };

/* Times are epoch ms, 0 where there is none. */
struct rule_alert {
    struct fw_labels labels;      /* owned, one block */
    struct fw_labels annotations; /* owned, one block */
    uint64_t hash;                /* of the labels */
    enum rule_alert_state state;
    double value;
    fw_ms active_at, fired_at, resolved_at, last_sent_at, valid_until;
    fw_ms keep_firing_since;
    fw_ms held_until; /* restored, and not seen since: fires till then */
    uint64_t seen;    /* turn it was last in the result */
    bool changed;     /* since it was last stored */
};

/* A series that a rule wrote, so that it can be ended. */
struct rule_series {
    struct fw_labels labels; /* owned, one block */
    uint64_t hash;
    uint64_t seen; /* turn it was last written */
    uint32_t id;
};

struct rule_run {
    const struct rule *rule;
    uint64_t identity;          /* of file, group, name, labels: for tables */
    struct rule_alert **alerts; /* owned */
    size_t alert_count, alert_cap;
    struct fw_index alert_index;
    struct rule_series *series; /* owned */
    size_t series_count, series_cap;
    struct fw_index series_index;
    uint64_t turn;
    bool restored; /* alerts may write their series */
    bool failed, evaluated;
    char error[FW_ERR_TEXT_BYTES];
    fw_ms evaluated_at;
    uint64_t took_ns;
};

struct group_run {
    const struct rule_group *group;
    fw_ms interval, query_offset;
    uint64_t slot_ns;       /* its offset within the interval */
    struct rule_run *rules; /* owned */
    size_t count;
    fw_ms evaluated_at;
    uint64_t took_ns;
    uint64_t evaluations, failures, missed;
};

/*
 * `restored`: nothing has to be taken back from before (tests, a reload).
 * Intervals that the group leaves open are filled in.
 */
FW_CHECK fw_rc group_run_init(struct group_run *g,
                              const struct rule_group *group,
                              fw_ms default_interval, fw_ms default_offset,
                              bool restored, struct fw_err *err);
void group_run_release(struct group_run *g);

/* The newest of the group's instants that is not after `now`. */
fw_ms group_run_slot(const struct group_run *g, fw_ms now);

/*
 * Takes over alerts and series of rules that are the same in `from` (whose
 * rules lose them). What is left there ends at `now` when group_run_end() is
 * called.
 */
void group_run_adopt(struct group_run *g, struct group_run *from);

/* Writes the stale marker to every series of the group. */
FW_CHECK fw_rc group_run_end(struct group_run *g, const struct rule_world *w,
                             fw_ms now, struct fw_err *err);

/* Called with a group whose state changes, around each change. */
struct rule_guard {
    void (*lock)(void *self);
    void (*unlock)(void *self);
    void *self;
};

/*
 * Evaluates all rules of a group at `ts`. Failures are kept with the rules and
 * counted, not returned. `guard` may be NULL.
 */
void group_run_evaluate(struct group_run *g, const struct rule_world *w,
                        fw_ms ts, const struct rule_guard *guard);

/*
 * Takes the `for` of pending alerts back from ALERTS_FOR_STATE, after the
 * second evaluation since the start [Group.RestoreForState].
 */
struct rule_restore {
    fw_ms outage_tolerance;
    fw_ms for_grace_period;
};
void group_run_restore(struct group_run *g, const struct rule_world *w,
                       const struct rule_restore *restore, fw_ms now,
                       const struct rule_guard *guard);

/* True if Prometheus would send this one at `ts` [Alert.needsSending]. */
bool rule_alert_is_due(const struct rule_alert *a, fw_ms ts,
                       fw_ms resend_delay);
/* Marks it as sent at `ts`: last_sent_at, valid_until. */
void rule_alert_mark_sent(struct rule_alert *a, fw_ms ts, fw_ms resend_delay,
                          fw_ms interval);

/* Adds an alert to a rule, for restoring: copies the labels. */
FW_CHECK fw_rc rule_run_add_alert(struct rule_run *r,
                                  const struct fw_labels *labels,
                                  const struct fw_labels *annotations,
                                  struct rule_alert **out, struct fw_err *err);

/* Go's hash of labels is not ours; any good one tells alerts apart. */
uint64_t rule_labels_hash(const struct fw_labels *labels);

/* "inactive", "pending", "firing". Static. */
const char *rule_alert_state_name(enum rule_alert_state state);
/* The worst of its alerts. */
enum rule_alert_state rule_run_state(const struct rule_run *r);

/* A deep copy in one heap block, as a label array. */
FW_CHECK fw_rc rule_labels_copy(const struct fw_labels *labels,
                                struct fw_labels *out);

#endif
