/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * workers.h - threads for what takes long: commands that were asked for
 * through the local socket, later queries over HTTP.
 */
#ifndef SERVER_WORKERS_H
#define SERVER_WORKERS_H

#include <stddef.h>

#include "storage/base/err.h"

struct worker_job {
    void (*run)(struct worker_job *job); /* may free the job */
};

struct workers;

/* Of threads that answer questions: what takes samples in goes first. */
#define WORKERS_NICENESS 5

/*
 * Starts `threads` threads, so much nicer than the process; at most `waiting`
 * jobs wait for one.
 */
FW_CHECK fw_rc workers_start(size_t threads, int niceness, size_t waiting,
                             struct workers **out, struct fw_err *err);

/* FW_EBUSY when too many wait, FW_ECANCELED once stopped. Any thread. */
FW_CHECK fw_rc workers_submit(struct workers *workers, struct worker_job *job);

size_t workers_waiting(struct workers *workers);

/* Runs what waits, then ends the threads. NULL is fine. */
void workers_stop(struct workers *workers);

#endif
