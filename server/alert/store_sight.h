/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_sight.h - what a watch sees: query and predict over a store. */
#ifndef SERVER_ALERT_STORE_SIGHT_H
#define SERVER_ALERT_STORE_SIGHT_H

#include "server/alert/watcher.h"

/* Keep it where it is while its sight is in use. */
struct store_sight {
    struct fw_source source;
    const struct fw_clock *clock; /* of time budgets */
};

/* The store and the clock (NULL: the system's) are borrowed. */
void store_sight_init(struct store_sight *sight, struct fw_store *store,
                      const struct fw_clock *clock);
struct watcher_sight store_sight_of(struct store_sight *sight);

#endif
