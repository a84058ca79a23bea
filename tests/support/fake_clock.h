/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_clock.h - time that stands still until the test moves it.
 */
#ifndef TESTS_SUPPORT_FAKE_CLOCK_H
#define TESTS_SUPPORT_FAKE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "storage/base/clock.h"

/* Any thread may read it or move it. The struct must not be copied. */
struct fake_clock {
    struct fw_clock clock; /* hand out &fake.clock */
    _Atomic int64_t now_ms;
    _Atomic uint64_t mono_ns;
};

void fake_clock_init(struct fake_clock *fake, fw_ms now);

/* Time passes: both clocks move on by `span` >= 0. */
void fake_clock_advance(struct fake_clock *fake, fw_ms span);

/* Somebody sets the wall clock; the monotonic one goes on. */
void fake_clock_step(struct fake_clock *fake, fw_ms now);

#endif
