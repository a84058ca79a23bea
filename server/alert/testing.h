/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * testing.h - new watches go through the stored past, a look at a time, while
 * the watcher has nothing else to do.
 */
#ifndef SERVER_ALERT_TESTING_H
#define SERVER_ALERT_TESTING_H

#include "server/alert/hindsight.h"

/* Zero is one that has not begun. */
struct testing {
    struct hindsight *past; /* owned; NULL: none is being tested */
    struct watching *g;     /* the watch being tested */
    fw_ms from, now;        /* what it goes through */
    uint64_t refused;       /* watches with too many series */
};

/*
 * One look of the watch being tested, or of the next that was not tested yet.
 * True if there was something to do. A watch that is done has its
 * `standing.tested_at` set and its past taken in, and is returned in *done for
 * the caller to store; else *done is NULL.
 */
bool testing_step(struct testing *testing, struct watching *watches, size_t n,
                  const struct watcher_sight *sight, fw_ms span, fw_ms now,
                  struct watching **done);

void testing_release(struct testing *testing);

#endif
