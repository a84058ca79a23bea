/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * standing.h - may a watch wake somebody?
 *
 *   trial    too little is known of it: it tells, labelled record="unproven",
 *            at most once per series and horizon
 *   paging   enough of its newest alerts were right: it tells
 *   shadow   too few were, or it was asked to be silent: it is graded, and
 *            nobody hears of it
 *
 * A watch earns its standing by its alerts, those it would have raised over the
 * stored past (hindsight) and those it raises in life, silent ones too. So it
 * loses its page by itself when it stops being right, and earns it again the
 * same way. Its owner may set it for a while (an override), with a reason.
 */
#ifndef SERVER_ALERT_STANDING_H
#define SERVER_ALERT_STANDING_H

#include "server/alert/watch_table.h"

struct hindsight; /* hindsight.h */

enum standing_state { STANDING_TRIAL, STANDING_PAGING, STANDING_SHADOW };

#define STANDING_EVENTS 20 /* newest alerts that count */
#define STANDING_LEAST 5   /* fewer prove nothing */

#define STANDING_ACTOR_BYTES 128
#define STANDING_REASON_BYTES 512
#define STANDING_WHY_BYTES 768

/* What the owner said. `until` 0: nothing. */
struct standing_override {
    enum standing_state state;
    fw_ms at, until;
    char actor[STANDING_ACTOR_BYTES];
    char reason[STANDING_REASON_BYTES];
};

/* Durable. Zero with its definition is that of a new watch. */
struct standing {
    uint64_t definition; /* another question, another standing */
    enum standing_state state;
    fw_ms since;
    uint64_t events;   /* decided alerts, those of the past replayed too */
    uint32_t outcomes; /* bit i: the i-th newest was right */
    fw_ms tested_at;   /* when the past was gone through; 0: not yet */
    fw_ms tested_from;
    uint64_t tested_right, tested_false, tested_missed;
};

const char *standing_name(enum standing_state state); /* static */
/* FW_EINVAL names the words there are. */
FW_CHECK fw_rc standing_parse(struct fw_str text, enum standing_state *out,
                              struct fw_err *err);

/* One more decided alert, newer than all before. */
void standing_event(struct standing *standing, bool right);

/* Of the newest alerts that count: how many, and how many were right. */
void standing_newest(const struct standing *standing, unsigned *count,
                     unsigned *right);

/*
 * The state it deserves at `now`; `why` gets a sentence without a full stop.
 * `override` may be NULL.
 */
enum standing_state standing_earned(const struct standing *standing,
                                    const struct standing_override *override,
                                    const struct config_watch *watch, fw_ms now,
                                    char why[STANDING_WHY_BYTES]);

/* Takes what a finished replay says: its alerts are older than any in life. */
FW_CHECK fw_rc standing_take_past(struct standing *standing,
                                  const struct hindsight *past,
                                  const struct config_watch *watch, fw_ms from,
                                  fw_ms now, struct fw_err *err);

/*
 * Is this change of an alert to be told? Notes in the state of the series as
 * what it was told, so that what began is also ended, and once only.
 */
bool standing_tells(enum standing_state state, struct watched_state *series,
                    enum alert_change change, fw_ms now, fw_ms horizon);

/* True where the alert is one for lists and series of alerts: it is not over,
 * and not that of a shadow that nobody was told of. */
bool standing_shows(enum standing_state state,
                    const struct watched_state *series);

/* ---- In meta/
 * ------------------------------------------------------------------ */

/* FW_NONE where there is none. */
FW_CHECK fw_rc standing_get(struct fw_txn *txn, struct fw_str watch,
                            struct standing *out, struct fw_err *err);
FW_CHECK fw_rc standing_put(struct fw_txn *txn, struct fw_str watch,
                            const struct standing *standing,
                            struct fw_err *err);
FW_CHECK fw_rc standing_override_get(struct fw_txn *txn, struct fw_str watch,
                                     struct standing_override *out,
                                     struct fw_err *err);
/* `until` 0 takes it away. */
FW_CHECK fw_rc standing_override_put(struct fw_txn *txn, struct fw_str watch,
                                     const struct standing_override *override,
                                     struct fw_err *err);

/*
 * Gives the watch the state it deserves. If that is another one, `*changed`,
 * `why` says why, and the audit log has it.
 */
FW_CHECK fw_rc standing_settle(struct fw_txn *txn,
                               const struct config_watch *watch,
                               struct standing *standing, fw_ms now,
                               bool *changed, char why[STANDING_WHY_BYTES],
                               struct fw_err *err);

/*
 * Word of a change for the owner: puts it among the news, and writes the body
 * of a webhook.
 */
FW_CHECK fw_rc standing_tell(struct fw_txn *txn,
                             const struct config_watch *watch,
                             enum standing_state before,
                             const struct standing *standing, const char *why,
                             struct fw_buf *out, struct fw_err *err);

#endif
