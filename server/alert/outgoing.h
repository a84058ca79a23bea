/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outgoing.h - word of Forewarn's own that waits in memory for a commit.
 *
 * Alerts are told by the dispatcher; this is for what the watcher itself has to
 * say (a standing that changed, a digest): built during a look, put into the
 * outbox in the transaction that stores the look, and forgotten after it.
 */
#ifndef SERVER_ALERT_OUTGOING_H
#define SERVER_ALERT_OUTGOING_H

#include "server/config/config.h"
#include "storage/storage.h"

struct outgoing_body; /* one that waits */

struct outgoing {
    const struct config_webhook *webhooks; /* borrowed: who hears of it */
    size_t webhook_count;
    struct outgoing_body *bodies; /* owned */
    size_t count, cap;
};

/* Takes the body; `rc` is what building it gave. `whose`: for the log. */
void outgoing_keep(struct outgoing *out, fw_rc rc, struct fw_buf *body,
                   const char *whose, fw_ms now);

/* One note for each body and webhook; *dropped grows by what had no room. */
FW_CHECK fw_rc outgoing_store(const struct outgoing *out, struct fw_txn *txn,
                              size_t *dropped, struct fw_err *err);

/* Forgets all but the first `count`. */
void outgoing_cut(struct outgoing *out, size_t count);
void outgoing_release(struct outgoing *out);

#endif
