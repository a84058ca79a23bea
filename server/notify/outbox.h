/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox.h - notifications on their way, durable until delivered.
 *
 * A note enters in the transaction that stores the change it tells of, and
 * leaves once its receiver has answered with success: so it is delivered at
 * least once, whatever happens to this process in between. Bounded: past
 * FW_MAX_OUTBOX the oldest makes room, and the caller is told.
 */
#ifndef SERVER_NOTIFY_OUTBOX_H
#define SERVER_NOTIFY_OUTBOX_H

#include "storage/storage.h"

struct note {
    uint64_t id; /* rises with time while anything is waiting */
    struct fw_str url;
    fw_ms created_at;
    struct fw_str payload;
};

/* *dropped: how many older notes had to make room. */
FW_CHECK fw_rc outbox_add(struct fw_txn *txn, const struct note *note,
                          size_t *dropped, struct fw_err *err);

/*
 * Calls `each` for every waiting note, oldest first, until it answers false.
 * The note's texts are valid inside the call only. A damaged one comes with an
 * empty url: remove it.
 */
typedef bool (*outbox_each)(void *self, const struct note *note);
FW_CHECK fw_rc outbox_walk(struct fw_txn *txn, outbox_each each, void *self,
                           struct fw_err *err);

FW_CHECK fw_rc outbox_remove(struct fw_txn *txn, uint64_t id,
                             struct fw_err *err);

#endif
