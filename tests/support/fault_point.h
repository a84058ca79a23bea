/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault_point.h - the counter behind fault.h, shared by its two sides.
 */
#ifndef TESTS_SUPPORT_FAULT_POINT_H
#define TESTS_SUPPORT_FAULT_POINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/support/fault.h"

struct fault_point {
    atomic_bool armed;
    _Atomic uint64_t nth;
    _Atomic uint64_t seen;
    _Atomic uint64_t given;
    atomic_bool forever;
};

void fault_point_arm(struct fault_point *point, uint64_t nth,
                     enum fault_mode mode);

/* Counts one call; true if it is to fail. */
bool fault_point_hit(struct fault_point *point);

extern struct fault_point fault_memory_point;
extern struct fault_point fault_disk_point;

/* Called at the first fault given since arming, where it is set. */
extern void (*fault_told)(void);

#endif
