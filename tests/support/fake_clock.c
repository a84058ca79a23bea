/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_clock.c - time that stands still until the test moves it.
 */
#include "tests/support/fake_clock.h"

#include <assert.h>

static fw_ms fake_now(void *self)
{
    struct fake_clock *fake = self;
    return atomic_load(&fake->now_ms);
}

static uint64_t fake_mono_ns(void *self)
{
    struct fake_clock *fake = self;
    return atomic_load(&fake->mono_ns);
}

void fake_clock_init(struct fake_clock *fake, fw_ms now)
{
    fake->clock.now = fake_now;
    fake->clock.mono_ns = fake_mono_ns;
    fake->clock.self = fake;
    atomic_init(&fake->now_ms, now);
    atomic_init(&fake->mono_ns, UINT64_C(1000000000));
}

void fake_clock_advance(struct fake_clock *fake, fw_ms span)
{
    assert(span >= 0);
    (void)atomic_fetch_add(&fake->now_ms, span);
    (void)atomic_fetch_add(&fake->mono_ns, (uint64_t)span * 1000000u);
}

void fake_clock_step(struct fake_clock *fake, fw_ms now)
{
    atomic_store(&fake->now_ms, now);
}
