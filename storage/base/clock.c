/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/clock.h"

#include <stddef.h>
#include <time.h>

static fw_ms system_now(void *self)
{
    struct timespec ts = {0};

    (void)self;
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail on Linux */
    return (fw_ms)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint64_t system_mono_ns(void *self)
{
    struct timespec ts = {0};

    (void)self;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail on Linux */
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

const struct fw_clock *fw_clock_system(void)
{
    static const struct fw_clock clock = {system_now, system_mono_ns, NULL};

    return &clock;
}
