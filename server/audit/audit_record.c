/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audit/audit_record.h"

#include <string.h>

#define ENTRY_VERSION 1
#define HEAD_VERSION 1

static void put_digest(struct record_writer *w,
                       const struct fw_sha256_digest *digest)
{
    record_put_str(
        w, (struct fw_str){(const char *)digest->bytes, FW_SHA256_BYTES});
}

static void get_digest(struct record_reader *r, struct fw_sha256_digest *out)
{
    struct fw_str bytes = record_get_str(r);

    *out = (struct fw_sha256_digest){{0}};
    if (bytes.n == FW_SHA256_BYTES)
        memcpy(out->bytes, bytes.p, FW_SHA256_BYTES);
    else
        r->bad = true;
}

fw_rc audit_record_put(struct fw_buf *out, const struct audit_entry *entry,
                       struct fw_err *err)
{
    struct record_writer w;

    record_begin(&w, out, RECORD_AUDIT, ENTRY_VERSION);
    record_put_u64(&w, entry->id);
    record_put_ms(&w, entry->at);
    record_put_str(&w, entry->actor);
    record_put_str(&w, entry->owner);
    record_put_str(&w, entry->act);
    record_put_str(&w, entry->what);
    record_put_str(&w, entry->reason);
    record_put_str(&w, entry->before);
    record_put_str(&w, entry->after);
    put_digest(&w, &entry->previous);
    return record_end(&w, err);
}

fw_rc audit_record_get(struct fw_str record, struct audit_entry *out,
                       struct fw_err *err)
{
    struct audit_entry entry = {0};
    struct record_reader r;
    fw_rc rc = record_open(&r, record, RECORD_AUDIT, ENTRY_VERSION, err);

    if (rc != FW_OK)
        return rc;
    entry.id = record_get_u64(&r);
    entry.at = record_get_ms(&r);
    entry.actor = record_get_str(&r);
    entry.owner = record_get_str(&r);
    entry.act = record_get_str(&r);
    entry.what = record_get_str(&r);
    entry.reason = record_get_str(&r);
    entry.before = record_get_str(&r);
    entry.after = record_get_str(&r);
    get_digest(&r, &entry.previous);
    rc = record_close(&r, err);
    if (rc == FW_OK)
        *out = entry;
    return rc;
}

fw_rc audit_record_put_head(struct fw_buf *out, const struct audit_head *head,
                            struct fw_err *err)
{
    struct record_writer w;

    record_begin(&w, out, RECORD_AUDIT_HEAD, HEAD_VERSION);
    record_put_u64(&w, head->id);
    put_digest(&w, &head->digest);
    return record_end(&w, err);
}

fw_rc audit_record_get_head(struct fw_str record, struct audit_head *out,
                            struct fw_err *err)
{
    struct audit_head head = {0};
    struct record_reader r;
    fw_rc rc = record_open(&r, record, RECORD_AUDIT_HEAD, HEAD_VERSION, err);

    if (rc != FW_OK)
        return rc;
    head.id = record_get_u64(&r);
    get_digest(&r, &head.digest);
    rc = record_close(&r, err);
    if (rc == FW_OK)
        *out = head;
    return rc;
}
