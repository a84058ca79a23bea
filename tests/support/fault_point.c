/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault_point.c - counts calls and picks the ones that fail.
 */
#include "tests/support/fault_point.h"

#include <stddef.h>

struct fault_point fault_memory_point;
struct fault_point fault_disk_point;
void (*fault_told)(void);

void fault_point_arm(struct fault_point *point, uint64_t nth,
                     enum fault_mode mode)
{
    atomic_store(&point->armed, false);
    atomic_store(&point->nth, nth);
    atomic_store(&point->seen, 0);
    atomic_store(&point->given, 0);
    atomic_store(&point->forever, mode == FAULT_FOREVER);
    atomic_store(&point->armed, nth > 0);
}

bool fault_point_hit(struct fault_point *point)
{
    if (!atomic_load(&point->armed))
        return false;
    uint64_t seen = atomic_fetch_add(&point->seen, 1) + 1;
    uint64_t nth = atomic_load(&point->nth);
    bool fails = seen == nth || (seen > nth && atomic_load(&point->forever));
    if (fails && atomic_fetch_add(&point->given, 1) == 0 && fault_told != NULL)
        fault_told();
    return fails;
}

bool fault_end(void)
{
    atomic_store(&fault_memory_point.armed, false);
    atomic_store(&fault_disk_point.armed, false);
    bool given = atomic_exchange(&fault_memory_point.given, 0) > 0;
    return atomic_exchange(&fault_disk_point.given, 0) > 0 || given;
}

uint64_t fault_count(void)
{
    return atomic_load(&fault_memory_point.seen) +
           atomic_load(&fault_disk_point.seen);
}
