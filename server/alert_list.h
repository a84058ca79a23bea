/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_list.h - the alerts that somebody has been told of, of rules and of
 * watches, as the tables know them: with their silences and who has
 * acknowledged them.
 */
#ifndef SERVER_ALERT_LIST_H
#define SERVER_ALERT_LIST_H

#include "server/alert/watch_news.h"
#include "server/cli/alert_commands.h"
#include "server/notify/silence.h"

struct listed_alert {
    struct fw_labels labels, annotations;
    uint64_t fingerprint;
    fw_ms starts_at, updated_at;
    double value;
    const char *state;   /* "firing", "predicted", "breached" */
    struct fw_str owner; /* of a watch */
    bool of_watch, silenced, acknowledged;
    bool unproven;           /* a watch on trial: told once */
    struct ack ack;          /* where acknowledged */
    const struct news *news; /* of a watch, by alert_list_told(); else NULL */
};

struct alert_list {
    struct listed_alert *alerts; /* oldest first */
    size_t count;
    struct news *news; /* by alert_list_told(): all, what has ended too */
    size_t news_count;
    struct silence *silences;
    size_t silence_count;
};

/* Reads with the view's transaction; all of it lives in view->arena. */
FW_CHECK fw_rc alert_list_read(struct alert_view *view, fw_ms now,
                               struct alert_list *out, struct fw_err *err);

/*
 * The same of the alerts that are to be told: those of rules, and of watches
 * what stands in their news. No alert of a watch that must be silent is there.
 */
FW_CHECK fw_rc alert_list_told(struct alert_view *view, fw_ms now,
                               struct alert_list *out, struct fw_err *err);

/* The ids of the active silences that hold for an alert, one after another. */
const struct silence *alert_list_silence(const struct alert_list *list,
                                         const struct listed_alert *alert,
                                         fw_ms now, size_t *at);

#endif
