/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * opentsdb.h - OpenTSDB's telnet protocol:
 *
 *     put metric timestamp value [tag=value...]
 */
#ifndef SERVER_INGEST_OPENTSDB_H
#define SERVER_INGEST_OPENTSDB_H

#include "server/ingest/line.h"

enum line_fault opentsdb_parse(struct fw_str text, struct line *out);

/* `metric` and `tags` as sent; tags stand between blanks. */
enum line_fault opentsdb_labels(struct fw_str metric, struct fw_str tags,
                                struct line_labels *out);

/* True for a `put` line (Influx and Graphite may measure a "put" too). */
bool opentsdb_recognise(struct fw_str text);

#endif
