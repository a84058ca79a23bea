/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_check.c - the first bad entry of a chain.
 *
 * Entry n + 1 holds the digest of n. If the two disagree, either may have been
 * changed: if what follows n + 1 still has the digest that n + 1 has now, then
 * n + 1 is as it was written, and n was changed; else n + 1 was.
 */
#include "server/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/audit/audit_record.h"

static bool same(const struct fw_sha256_digest *a,
                 const struct fw_sha256_digest *b)
{
    return memcmp(a->bytes, b->bytes, FW_SHA256_BYTES) == 0;
}

static void blame(struct audit_check *check, uint64_t id, const char *reason)
{
    if (check->bad != 0)
        return;
    check->bad = id;
    (void)snprintf(check->reason, sizeof(check->reason), "%s", reason);
}

void audit_check_start(struct audit_check *check,
                       const struct audit_head *expected)
{
    *check = (struct audit_check){0};
    if (expected != NULL)
        check->expected = *expected;
}

/* `witness` is what comes after `last` says of it. */
static void settle_doubt(struct audit_check *check,
                         const struct fw_sha256_digest *witness)
{
    if (check->doubt == 0)
        return;
    if (same(witness, &check->last.digest))
        blame(check, check->doubt,
              "it is not what was written: the next "
              "entry has another digest of it");
    else
        blame(check, check->last.id,
              "it is not what was written: neither "
              "its neighbours' digests nor its own "
              "agree");
}

static void missing(struct audit_check *check, uint64_t id)
{
    char text[160];
    uint64_t want = check->last.id + 1;

    if (id == want + 1)
        (void)snprintf(text, sizeof(text), "it is missing");
    else
        (void)snprintf(text, sizeof(text),
                       "it is missing, as all up to %" PRIu64, id - 1);
    blame(check, want, text);
}

fw_rc audit_check_add(struct audit_check *check, struct fw_str key,
                      struct fw_str record, struct fw_err *err)
{
    struct fw_err why = {0};
    struct audit_entry entry;
    struct audit_head now = {0};
    fw_rc rc = fw_sha256(record.p, record.n, &now.digest, err);

    if (rc != FW_OK || check->bad != 0)
        return rc;
    check->count++;
    if (!record_key_read(key, &now.id) || now.id <= check->last.id) {
        blame(check, check->last.id + 1, "a foreign key stands there");
        return FW_OK;
    }
    if (audit_record_get(record, &entry, &why) != FW_OK) {
        /* The doubt stays open: who can say now which of the two it was? */
        blame(check, check->doubt != 0 ? check->doubt : now.id, why.text);
        return FW_OK;
    }
    settle_doubt(check, &entry.previous);
    if (now.id != check->last.id + 1)
        missing(check, now.id);
    if (entry.id != now.id)
        blame(check, now.id, "it is another entry, put in this place");
    if (check->bad == 0 && !same(&entry.previous, &check->last.digest)) {
        if (check->last.id == 0)
            blame(check, now.id,
                  "it follows on something, and nothing is "
                  "before it");
        else
            check->doubt = check->last.id;
    }
    check->last = now;
    if (now.id == check->expected.id) {
        check->expected_seen = true;
        if (!same(&now.digest, &check->expected.digest))
            blame(check, now.id, "it is not the entry that was noted");
    }
    return FW_OK;
}

void audit_check_end(struct audit_check *check, const struct audit_head *head)
{
    if (check->bad != 0)
        return;
    if (head == NULL) {
        blame(check, check->last.id + 1, "the stored head cannot be read");
        return;
    }
    settle_doubt(check, &head->digest);
    if (head->id > check->last.id)
        missing(check, head->id + 1);
    else if (head->id < check->last.id)
        blame(check, head->id + 1, "it was added behind the stored head");
    else if (!same(&head->digest, &check->last.digest))
        blame(check, check->last.id,
              "it is not what was written: the stored "
              "head has another digest of it");
    if (check->expected.id != 0 && !check->expected_seen)
        missing(check, check->expected.id + 1);
}
