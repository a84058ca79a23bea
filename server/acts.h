/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acts.h - what commands may ask of the server they run in, beyond its store:
 * to read its configuration again, to run a schedule now.
 *
 * One server runs in a process; serve.c offers these while it is up. Anywhere
 * else nobody offers anything, and asking is refused with a sentence.
 */
#ifndef SERVER_ACTS_H
#define SERVER_ACTS_H

#include "storage/base/clock.h"
#include "storage/base/str.h"

/* One schedule, as a list shows it; texts live in the arena asked with. */
struct act_schedule {
    const char *name, *kind, *cron, *timezone, *folder; /* folder or NULL */
    bool notify;
    fw_ms last, next; /* 0: never; INT64_MAX: never again */
};

struct fw_arena;

struct acts {
    fw_rc (*reload)(void *self, struct fw_str actor, struct fw_str reason,
                    struct fw_err *err);
    fw_rc (*schedules)(void *self, struct fw_arena *arena,
                       struct act_schedule **out, size_t *count,
                       struct fw_err *err);
    /* FW_ENOTFOUND where no schedule has that name. */
    fw_rc (*run_schedule)(void *self, const char *name, struct fw_str actor,
                          struct fw_str reason, struct fw_err *err);
    void *self;
};

/* NULL takes the offer back; then nobody is inside any more. */
void acts_offer(const struct acts *acts);

/* FW_EREADONLY where no server runs in this process; else what it answers. */
FW_CHECK fw_rc acts_reload(struct fw_str actor, struct fw_str reason,
                           struct fw_err *err);
FW_CHECK fw_rc acts_schedules(struct fw_arena *arena, struct act_schedule **out,
                              size_t *count, struct fw_err *err);
FW_CHECK fw_rc acts_run_schedule(const char *name, struct fw_str actor,
                                 struct fw_str reason, struct fw_err *err);

#endif
