/* SPDX-License-Identifier: GPL-3.0-or-later */
/* robust.h - where a line through a window leads to, outliers, steps and teeth
 * of a saw considered. */
#ifndef FW_PREDICT_ROBUST_H
#define FW_PREDICT_ROBUST_H

#include "storage/base/clock.h"
#include "storage/base/err.h"

/*
 * The value `ahead` after `now`, from n samples (times rising): the median of
 * the best of the cheap models, as fw_forecast_run() has it. Where that cannot
 * tell, a line by bisquare weights [Holland & Welsch 1977] that knows of jumps,
 * of climbs that slow down and of teeth of a saw; with two to four samples the
 * plain line of predict_linear. FW_NONE for fewer than two finite samples.
 */
FW_CHECK fw_rc robust_ahead(const fw_ms *t, const double *v, size_t n,
                            fw_ms now, fw_ms ahead, double *out);

/*
 * How long after `now` that line meets `limit`, in *out. FW_NONE where no slope
 * is sure, where it leads elsewhere, for a saw, and for what lies further ahead
 * than eight times what was seen.
 */
FW_CHECK fw_rc robust_until(const fw_ms *t, const double *v, size_t n,
                            fw_ms now, double limit, fw_ms *out);

#endif
