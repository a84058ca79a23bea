/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quick.h - lines whose like the sender has sent before.
 */
#ifndef SERVER_INGEST_QUICK_H
#define SERVER_INGEST_QUICK_H

#include "server/ingest/intake.h"

/*
 * Takes the line into the batch, just as line_parse() and the names would. If
 * it cannot be sure of that, it returns false, and nothing has changed.
 */
bool quick_take(struct intake *intake, struct fw_str text, fw_ms now,
                fw_ms latest);

#endif
