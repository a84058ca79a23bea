/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * influx.h - InfluxDB line protocol:
 *
 *     measurement[,tag=value...] field=value[,field=value...] [timestamp]
 */
#ifndef SERVER_INGEST_INFLUX_H
#define SERVER_INGEST_INFLUX_H

#include "server/ingest/line.h"

enum line_fault influx_parse(struct fw_str text, enum time_unit unit,
                             struct line *out);

/* `series` is "measurement,tags" as sent, `field` a field's key as sent. */
enum line_fault influx_labels(struct fw_str series, struct fw_str field,
                              struct fw_arena *arena, struct line_labels *out);

/* True where the bytes after the first blank are `key=`: influx, not another.
 */
bool influx_recognise(struct fw_str text);

#endif
