/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * remote_answer.h - what a server with Prometheus's HTTP API answers, read
 * back. The bytes are a stranger's: every step is checked and bounded.
 */
#ifndef FW_QUERY_REMOTE_ANSWER_H
#define FW_QUERY_REMOTE_ANSWER_H

#include "query/query.h"

struct remote_answer {
    struct fw_result result;  /* of query and query_range */
    struct fw_labels *series; /* of series */
    size_t series_count;
    struct fw_str *texts; /* of labels and label values */
    size_t text_count;
};

/*
 * Reads a whole body; all of it lives in `arena`. FW_EINVAL with the server's
 * own sentence where it says that the question is wrong, FW_EIO with it where
 * something else failed, or where this is no such answer.
 */
FW_CHECK fw_rc remote_answer_read(struct fw_str body, struct fw_arena *arena,
                                  struct remote_answer *out,
                                  struct fw_err *err);

#endif
