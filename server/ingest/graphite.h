/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * graphite.h - Graphite's plaintext protocol, with tags:
 *
 *     path[;tag=value...] value [timestamp]
 */
#ifndef SERVER_INGEST_GRAPHITE_H
#define SERVER_INGEST_GRAPHITE_H

#include "server/ingest/line.h"

enum line_fault graphite_parse(struct fw_str text, struct line *out);

/* `series` is "path;tags" as sent. */
enum line_fault graphite_labels(struct fw_str series, struct line_labels *out);

#endif
