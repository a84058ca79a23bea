/* SPDX-License-Identifier: GPL-3.0-or-later */
/* page.h - what a schedule makes, by the commands a person would give. */
#ifndef SERVER_SCHEDULE_PAGE_H
#define SERVER_SCHEDULE_PAGE_H

#include "server/config/config.h"
#include "storage/storage.h"

/*
 * The forecast report in a format ("text", "html", "json"), or for the kind
 * "digest" the alerts of now and the record of the watches, as text. FW_EIO
 * with what the command said where it failed.
 */
FW_CHECK fw_rc page_make(struct fw_store *store, const struct fw_clock *clock,
                         const char *kind, const char *format,
                         struct fw_buf *out, struct fw_err *err);

/*
 * Writes it to FOLDER/NAME-20261123T0800Z.html, whole or not at all, and
 * removes the oldest of that name past `keep` (0: none). `path` gets where.
 */
FW_CHECK fw_rc page_write(const struct config_schedule *schedule, fw_ms at,
                          const struct fw_buf *text, char *path,
                          size_t path_bytes, struct fw_err *err);

#endif
