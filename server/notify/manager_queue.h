/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manager_queue.h - alerts on their way to Alertmanagers: what waits for whom.
 *
 * One entry per alert, the newest state of it: Alertmanagers want to know how
 * things stand, not how they came to stand so. Each entry waits for every
 * Alertmanager by itself, and is also in table `manager_alerts` of meta/ until
 * all have it; so each gets it at least once, whatever happens to this process.
 */
#ifndef SERVER_NOTIFY_MANAGER_QUEUE_H
#define SERVER_NOTIFY_MANAGER_QUEUE_H

#include <pthread.h>

#include "storage/base/hash.h"
#include "storage/base/limits.h"
#include "storage/storage.h"

struct relabel; /* relabel.h */

/* An alert as Alertmanager's API has it. Borrowed. */
struct manager_alert {
    uint64_t fingerprint;
    fw_ms made_at;
    struct fw_str json;
};

struct manager_item {
    uint64_t fingerprint;
    uint64_t number;  /* changes with each new state */
    uint64_t waiting; /* a bit for each Alertmanager that lacks it */
    fw_ms made_at;
    char *json; /* owned */
    size_t n;
};

struct manager_queue {
    pthread_mutex_t lock;       /* leaf; guards all below */
    struct manager_item *items; /* owned; oldest first */
    size_t count, cap;
    uint64_t number;
    uint64_t active;  /* bits of those there are */
    uint64_t dropped; /* because too many waited */
};

void manager_queue_init(struct manager_queue *q);
void manager_queue_release(struct manager_queue *q);

/* Stores the alerts, in the transaction of what they tell of. */
FW_CHECK fw_rc manager_queue_store(struct fw_txn *txn,
                                   const struct manager_alert *alerts, size_t n,
                                   struct fw_err *err);
/* Queues them in memory. FW_ENOMEM loses those that did not fit: logged. */
void manager_queue_add(struct manager_queue *q,
                       const struct manager_alert *alerts, size_t n);
/* What an earlier process left behind. */
FW_CHECK fw_rc manager_queue_load(struct manager_queue *q, struct fw_txn *txn,
                                  fw_ms now, struct fw_err *err);

/* Which Alertmanagers there are now. */
void manager_queue_set_active(struct manager_queue *q, uint64_t mask);

/* A picked alert, to be settled later. */
struct manager_pick {
    uint64_t fingerprint, number;
};

/*
 * Adds to `body` a JSON array of at most `most` alerts that wait for
 * Alertmanager `bit`, each as its rules of relabelling (or NULL) make it; *n of
 * them are named in `picks`, *dropped of these are not in the array, since the
 * rules drop them.
 */
FW_CHECK fw_rc manager_queue_pick(struct manager_queue *q, unsigned bit,
                                  size_t most, struct relabel *relabel,
                                  struct fw_buf *body,
                                  struct manager_pick *picks, size_t *n,
                                  size_t *dropped);

/*
 * That Alertmanager has them. Those nobody waits for any more are dropped, and
 * their fingerprints written to `gone` (room for n): *gone_n of them.
 */
void manager_queue_settle(struct manager_queue *q, unsigned bit,
                          const struct manager_pick *picks, size_t n,
                          uint64_t *gone, size_t *gone_n);

/* Removes what is gone from the table, unless it is queued anew. */
FW_CHECK fw_rc manager_queue_forget(struct manager_queue *q,
                                    struct fw_store *store,
                                    const uint64_t *gone, size_t n,
                                    struct fw_err *err);

size_t manager_queue_length(struct manager_queue *q, uint64_t *dropped);

#endif
