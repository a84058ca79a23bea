/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/outgoing.h"

#include <stdlib.h>

#include "server/notify/outbox.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define MAX_OUTGOING 10000 /* that wait for a disk to take them */

struct outgoing_body {
    char *payload; /* owned */
    size_t n;
    fw_ms created_at;
};

void outgoing_keep(struct outgoing *out, fw_rc rc, struct fw_buf *body,
                   const char *whose, fw_ms now)
{
    if (rc == FW_OK && out->webhook_count == 0) {
        fw_buf_release(body);
        return;
    }
    if (rc == FW_OK)
        rc = fw_grow(&out->bodies, &out->cap, out->count + 1,
                     sizeof(*out->bodies), MAX_OUTGOING);
    if (rc != FW_OK) {
        fw_log(FW_LOG_ERROR,
               "a notification of '%s' is lost: too many wait "
               "for the disk, or memory ran out",
               whose);
        fw_buf_release(body);
        return;
    }
    out->bodies[out->count++] =
        (struct outgoing_body){body->data, body->len, now};
}

fw_rc outgoing_store(const struct outgoing *out, struct fw_txn *txn,
                     size_t *dropped, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < out->count; i++)
        for (size_t k = 0; rc == FW_OK && k < out->webhook_count; k++) {
            struct note note = {
                .url = fw_str_of(out->webhooks[k].url),
                .created_at = out->bodies[i].created_at,
                .payload = {out->bodies[i].payload, out->bodies[i].n},
            };
            size_t one = 0;

            rc = outbox_add(txn, &note, &one, err);
            *dropped += one;
        }
    return rc;
}

void outgoing_cut(struct outgoing *out, size_t count)
{
    while (out->count > count)
        free(out->bodies[--out->count].payload);
}

void outgoing_release(struct outgoing *out)
{
    outgoing_cut(out, 0);
    free(out->bodies);
    *out = (struct outgoing){0};
}
