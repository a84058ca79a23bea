/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reload_gate.h - from whoever wants the configuration read again to the main
 * thread, which does it.
 *
 *     SIGHUP ------------------+
 *     POST /-/reload --> ask --+--> main thread: take, do it, done --> ask
 *     forewarn reload -> ask --+                                     returns
 *
 * Everybody comes with a name and a reason: the audit log has them, and the
 * door. A signal brings its sender; a reason it cannot bring.
 */
#ifndef SERVER_RELOAD_GATE_H
#define SERVER_RELOAD_GATE_H

#include <pthread.h>
#include <signal.h>

#include "storage/base/str.h"

struct reload_asker {
    char actor[128], reason[512];
    char door[64]; /* "POST /-/reload", "forewarn reload", "SIGHUP ..." */
};

struct reload_gate {
    pthread_t main_thread;
    pthread_mutex_t turn; /* one asker at a time; takes `lock` inside */
    pthread_mutex_t lock; /* leaf; guards what follows */
    pthread_cond_t done;
    struct reload_asker asker; /* of the one whose turn it is */
    uint64_t reloads;          /* finished */
    bool closed;
    fw_rc rc;
    struct fw_err err;
};

/* By the thread that will reload. */
void reload_gate_init(struct reload_gate *gate);
/* Whoever waits is refused, and whoever comes. */
void reload_gate_close(struct reload_gate *gate);
void reload_gate_release(struct reload_gate *gate);

/*
 * Any other thread: has it done, and waits for the outcome. FW_EINVAL without a
 * name or a reason, FW_EBUSY after a minute.
 */
FW_CHECK fw_rc reload_gate_ask(struct reload_gate *gate, struct fw_str actor,
                               struct fw_str reason, const char *door,
                               struct fw_err *err);

/* The main thread, with the SIGHUP it got: who asks. */
void reload_gate_take(struct reload_gate *gate, const siginfo_t *info,
                      struct reload_asker *out);
/* And when that is done or has failed. */
void reload_gate_done(struct reload_gate *gate, fw_rc rc,
                      const struct fw_err *err);

#endif
