/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * clock.h - time as something that is handed in.
 *
 * Nothing below the server asks the system for the time, so that an hour of
 * alerting is a millisecond of testing.
 */
#ifndef FW_STORAGE_BASE_CLOCK_H
#define FW_STORAGE_BASE_CLOCK_H

#include <stdint.h>

typedef int64_t fw_ms; /* milliseconds since the Unix epoch, or a span */

#define FW_SECOND ((fw_ms)1000)
#define FW_MINUTE (60 * FW_SECOND)
#define FW_HOUR (60 * FW_MINUTE)
#define FW_DAY (24 * FW_HOUR)

struct fw_clock {
    fw_ms (*now)(void *self);        /* wall clock, may step */
    uint64_t (*mono_ns)(void *self); /* never goes back */
    void *self;
};

/* The system's clocks. Static; lives as long as the process. */
const struct fw_clock *fw_clock_system(void);

static inline fw_ms fw_clock_now(const struct fw_clock *clock)
{
    return clock->now(clock->self);
}

static inline uint64_t fw_clock_mono_ns(const struct fw_clock *clock)
{
    return clock->mono_ns(clock->self);
}

#endif
