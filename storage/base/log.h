/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.h - one line per event, as logfmt, on stderr.
 *
 * Only the server and the commands log, once, where a failure is handled;
 * the rooms beneath return their errors instead.
 */
#ifndef FW_STORAGE_BASE_LOG_H
#define FW_STORAGE_BASE_LOG_H

#include "storage/base/err.h"

enum fw_log_level { FW_LOG_DEBUG, FW_LOG_INFO, FW_LOG_WARN, FW_LOG_ERROR };

/* Where lines go: handed in by tests; NULL puts back stderr. */
typedef void (*fw_log_sink)(void *self, enum fw_log_level level,
                            const char *line);
void fw_log_to(fw_log_sink sink, void *self);
void fw_log_set_level(enum fw_log_level least);

/*
 * Writes `time=... level=... msg="..."`: the message is formatted, made
 * visible (no control characters reach a terminal) and quoted. Any thread.
 */
void fw_log(enum fw_log_level level, const char *fmt, ...) FW_PRINTF(2, 3);

#endif
