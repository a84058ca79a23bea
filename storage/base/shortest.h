/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shortest.h - the shortest decimal that reads back as the same double. */
#ifndef FW_STORAGE_BASE_SHORTEST_H
#define FW_STORAGE_BASE_SHORTEST_H

#include <stdint.h>

/*
 * For a finite v > 0: *digits * 10^*exponent reads back as v, no decimal with
 * fewer digits does, and of those with as many it is the nearest. *digits has
 * at most 17 digits and may end in zeros.
 */
void fw_shortest(double v, uint64_t *digits, int *exponent);

#endif
