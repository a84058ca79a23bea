/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch_managers.h - alerts of watches on their way to Alertmanagers, as
 * those of rules are sent by the ruler: at each change, then again while they
 * last, with an end that moves ahead; and for 15 minutes after their end.
 */
#ifndef SERVER_DISPATCH_MANAGERS_H
#define SERVER_DISPATCH_MANAGERS_H

#include "server/alert/watch_news.h"
#include "server/notify/managers.h"
#include "server/rules/rule_run.h"

/* What was sent of one alert. In order of id, as the news are. */
struct sent_news {
    uint64_t id;
    fw_ms starts_at, changed_at, updated_at, sent_at;
};

struct manager_feed {
    struct managers *managers; /* borrowed; NULL: there are none */
    struct fw_store *store;    /* borrowed */
    struct rule_world world;   /* labels, URL, delay: owned below */
    struct fw_label *external; /* owned */
    struct relabel *relabel;   /* owned */
    struct sent_news *sent;    /* owned */
    size_t count, cap;
};

FW_CHECK fw_rc manager_feed_open(struct manager_feed *feed,
                                 const struct config *config,
                                 const char *external_url, struct fw_err *err);
void manager_feed_release(struct manager_feed *feed);

/* Queues what is due of `news`, which are in order of id. */
FW_CHECK fw_rc manager_feed_step(struct manager_feed *feed,
                                 const struct news *news, size_t count,
                                 fw_ms now, struct fw_arena *arena,
                                 struct fw_err *err);

#endif
