/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * digest.h - windows over blocks that were not read: what their summaries
 * say, and the samples between them.
 */
#ifndef FW_QUERY_DIGEST_H
#define FW_QUERY_DIGEST_H

#include "query/eval/window.h"

/* True if windows are long enough to hold whole blocks, and few. */
bool digest_pays(const struct window_job *job);

/*
 * A digest_test, over a job: true if no window of the job begins or ends
 * within these samples, so each holds all of them or none.
 */
bool digest_fits(const void *job, fw_ms t_first, fw_ms t_last);

/*
 * The values of a job of a function with a digest kind. FW_NONE: no points.
 * FW_EINVAL: summaries will not do, every sample has to be read.
 */
FW_CHECK fw_rc digest_row(const struct window_job *job,
                          const struct digest *digests, size_t count,
                          double *out);

#endif
