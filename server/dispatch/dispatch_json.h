/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch_json.h - a group of alerts as Alertmanager's webhook payload,
 * version 4, where alerts of watches carry an object `forecast` (the first of
 * them stands beside the group too); and labels in the records of groups.
 */
#ifndef SERVER_DISPATCH_JSON_H
#define SERVER_DISPATCH_JSON_H

#include "server/alert/record_codec.h"
#include "server/alert/watch_news.h"
#include "storage/storage.h"

struct dispatch_alert {
    const struct fw_labels *labels, *annotations;
    fw_ms starts_at, ends_at; /* ends_at 0: it is firing */
    const struct news *news;  /* of a watch: its forecast; else NULL */
};

struct dispatch_notice {
    const struct fw_labels *labels; /* of the group */
    const char *external_url;
    const struct dispatch_alert *alerts;
    size_t count;
};

/* FW_ETOOBIG past the buffer's cap. */
FW_CHECK fw_rc dispatch_json(const struct dispatch_notice *notice,
                             struct fw_buf *out);

void dispatch_put_labels(struct record_writer *w,
                         const struct fw_labels *labels);
/* `v` has room for RULE_MAX_LABELS. False: the record is damaged. */
bool dispatch_get_labels(struct record_reader *r, struct fw_label *v,
                         struct fw_labels *out);

#endif
