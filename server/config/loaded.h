/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loaded.h - which configuration is in force, and how the last attempt to read
 * it went: for status/config, status/runtimeinfo and /metrics.
 *
 * Any thread; the lock is a leaf.
 */
#ifndef SERVER_LOADED_H
#define SERVER_LOADED_H

#include <pthread.h>

#include "server/collect/sample_set.h"
#include "server/config/config.h"
#include "storage/base/str.h"

struct loaded {
    pthread_mutex_t lock;
    struct fw_buf yaml; /* config_print() of it */
    bool good;          /* the last attempt to read one */
    fw_ms since;        /* when that in force was read */
};

/* What loaded_state() tells. */
struct loaded_state {
    bool good;
    fw_ms since;
};

void loaded_init(struct loaded *loaded);
void loaded_release(struct loaded *loaded);

/* `config` is in force from `now` on. FW_ENOMEM: what was shown stays. */
FW_CHECK fw_rc loaded_set(struct loaded *loaded, const struct config *config,
                          fw_ms now, struct fw_err *err);

/* An attempt to read another one came to nothing. */
void loaded_failed(struct loaded *loaded);

struct loaded_state loaded_state(struct loaded *loaded);

/* Appends the YAML, secrets masked. */
FW_CHECK fw_rc loaded_yaml(struct loaded *loaded, struct fw_buf *out);
/* When it was read and whether the last attempt went well, for /metrics. */
void loaded_metrics_add(struct loaded *loaded, struct sample_set *set);

#endif
