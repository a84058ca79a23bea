/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exposition_out.h - writes Prometheus's text exposition format.
 */
#ifndef SERVER_HTTP_EXPOSITION_OUT_H
#define SERVER_HTTP_EXPOSITION_OUT_H

#include <stdbool.h>

#include "storage/storage.h"

/* How a name that is no identifier is written. */
enum exposition_names {
    EXPOSITION_UTF8,       /* in quotes: {"my.metric"} */
    EXPOSITION_UNDERSCORES /* for readers that know no quotes: my_metric */
};

/*
 * Adds `name{a="b",...}`. `extra`, if not NULL, goes in even with an empty
 * value, unless a label of its name is there.
 */
FW_CHECK fw_rc exposition_put_series(struct fw_buf *out,
                                     const struct fw_labels *labels,
                                     const struct fw_label *extra,
                                     enum exposition_names names);

/* Adds a metric's name. */
FW_CHECK fw_rc exposition_put_name(struct fw_buf *out, struct fw_str name,
                                   enum exposition_names names);

#endif
