/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * events.h - when planned changes take place, and how much they come to.
 */
#ifndef FW_PREDICT_EVENTS_H
#define FW_PREDICT_EVENTS_H

#include "predict/predict.h"

#define EVENTS_MOMENT_BYTES 64

/* Events and the clocks by which they come again. */
struct events {
    const struct fw_event *all;
    size_t n;
    const struct fw_zone *zone; /* NULL: UTC */
};

/* An event as it is being read, name by name. */
struct fw_event_draft {
    struct fw_event event;
    fw_ms lasts;
    bool has_at, has_delta;
};

/* One change of the level: at `at` by `by`. */
struct events_step {
    fw_ms at;
    double by;
    const struct fw_event *event;
};

/*
 * The steps in (from, to], in the order of time: `most` of them at most.
 * Returns how many; a change that ends is two of them.
 */
size_t events_steps(const struct events *e, fw_ms from, fw_ms to,
                    struct events_step *out, size_t most);

/* The event that leaves out what was measured at t, or NULL. */
const struct fw_event *events_leaving_out(const struct events *e, fw_ms t);

/* "Fri 2026-11-27 10:00 Z", or by the clocks of the zone "... +01:00". */
const char *events_moment(const struct fw_zone *zone, fw_ms t,
                          char out[EVENTS_MOMENT_BYTES]);

#endif
