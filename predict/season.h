/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * season.h - which period does a series repeat itself with?
 *
 * People's days and weeks are tried first, then whatever the autocorrelation
 * peaks at. A season counts only if three of them were seen.
 */
#ifndef FW_PREDICT_SEASON_H
#define FW_PREDICT_SEASON_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/clock.h"
#include "storage/base/err.h"

#define SEASON_SEEN 3 /* whole seasons that must have been seen */

struct season {
    size_t length;   /* in steps; 0: none */
    size_t longer;   /* a second one, a multiple of the first; 0: none */
    double strength; /* autocorrelation at `length`, trend taken off */
};

/*
 * Looks for the seasons of n grid values without NaN, `step` apart. `hint` is
 * a season known to somebody, in steps: taken first if it was seen often
 * enough; 0 or 1 for no hint.
 */
FW_CHECK fw_rc season_find(const double *y, size_t n, fw_ms step, double hint,
                           struct season *out);

#endif
