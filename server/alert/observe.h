/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * observe.h - what really happened to a watched series, value by value.
 *
 * Predictions are graded by this and by nothing else. It reads each stretch of
 * time once, so that a day's horizon costs no more to grade than an hour's.
 * Pure: no clock, no store.
 */
#ifndef SERVER_ALERT_OBSERVE_H
#define SERVER_ALERT_OBSERVE_H

#include "predict/predict.h"

struct observed {
    fw_ms through;      /* read up to here */
    fw_ms watched_ms;   /* time, in all, with values; short silences count */
    fw_ms last_at;      /* newest value; 0: none yet */
    fw_ms beyond_since; /* start of the present stay beyond; 0: inside */
    fw_ms breached_at;  /* start of the newest breach; 0: none so far */
    double value;       /* newest; NaN: none yet */
    bool counted;       /* the present stay has lasted for `for` */
    bool been_inside;   /* a value inside was seen before now */
};

enum seen {
    SEEN_NOTHING, /* no value lately */
    SEEN_INSIDE,
    SEEN_BEYOND, /* beyond the limit, but not yet for long enough */
    SEEN_BREACH
};

void observed_init(struct observed *o, fw_ms through);

/* True if `v` is on the wrong side of the limit; NaN is not. */
bool breach_holds(const struct fw_breach *breach, double v);

/*
 * Takes the next value, at t > o->through; values are `step` apart, and a
 * longer silence than `gap` ends a stay beyond the limit, since nobody saw it.
 * Over a shorter one the value before it is taken to have held.
 * True if a breach was completed by it: it then began at o->breached_at.
 */
bool observed_add(struct observed *o, const struct fw_breach *breach, fw_ms t,
                  double v, fw_ms step, fw_ms gap);

/* What the newest value says at `now`; older than `gap` says nothing. */
enum seen observed_seen(const struct observed *o, fw_ms now, fw_ms gap);

#endif
