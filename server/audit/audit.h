/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit.h - who changed what, when and why, so that tampering shows.
 *
 * Every act that changes state, a person's or the machine's own, is an entry.
 * Each entry holds the SHA-256 of the one before it, so that none can be
 * changed, taken out, put in or moved without the chain breaking there. What
 * breaks no link is cutting the end off: against that the newest entry's
 * digest, the *head*, is kept beside the chain and shown outside (metrics,
 * reports); `audit_check_end` compares. Formats: docs/formats/audit.md.
 *
 *     audit        u64 id, 1, 2, 3 ...  -> entry
 *     audit_head   "head"               -> id and digest of the newest
 */
#ifndef SERVER_AUDIT_AUDIT_H
#define SERVER_AUDIT_AUDIT_H

#include "storage/base/sha256.h"
#include "storage/storage.h"

struct audit_entry {
    uint64_t id;          /* set by audit_add() */
    fw_ms at;             /* when it was done */
    struct fw_str actor;  /* who did it: a user, or "forewarn"; required */
    struct fw_str owner;  /* who answers for the thing; may be empty */
    struct fw_str act;    /* one of the words in docs/audit.md; required */
    struct fw_str what;   /* to which thing: a watch, a file, a range */
    struct fw_str reason; /* why; required */
    struct fw_str before, after; /* what it was and became, as text or JSON */
    struct fw_sha256_digest previous; /* set by audit_add() */
};

/* The newest entry. id 0: there is none, and the digest is all zeros. */
struct audit_head {
    uint64_t id;
    struct fw_sha256_digest digest;
};

/*
 * Appends an entry in the caller's transaction, so that the act and its entry
 * are stored together or not at all. FW_EINVAL names what is missing: an act
 * without actor or reason is refused. Texts longer than FW_MAX_AUDIT_TEXT are
 * refused too (FW_ETOOBIG), not cut.
 */
FW_CHECK fw_rc audit_add(struct fw_txn *txn, const struct audit_entry *entry,
                         struct fw_err *err);

/* FW_OK with id 0 where nothing was ever done; FW_ECORRUPT. */
FW_CHECK fw_rc audit_head(struct fw_txn *txn, struct audit_head *out,
                          struct fw_err *err);

/* "17:9f86d0...": how a head is shown. */
#define AUDIT_HEAD_TEXT_BYTES (21 + FW_SHA256_HEX_BYTES)
void audit_head_text(const struct audit_head *head,
                     char out[AUDIT_HEAD_TEXT_BYTES]);
/* FW_EINVAL says what a head looks like. */
FW_CHECK fw_rc audit_head_read(struct fw_str text, struct audit_head *out,
                               struct fw_err *err);

/*
 * Calls `each` for the entries with id >= from in order until it answers false.
 * The entry is NULL where one cannot be read; texts live until it returns.
 */
typedef bool (*audit_each_entry)(void *self, uint64_t id,
                                 const struct audit_entry *entry);
FW_CHECK fw_rc audit_each(struct fw_txn *txn, uint64_t from,
                          audit_each_entry each, void *self,
                          struct fw_err *err);

/* ---- Checking the chain ----------------------------------------------------
 */

/*
 * Is it whole? A check is fed the entries in order and finds the first bad one.
 * Where entry n + 1 disagrees with n about n's digest, the one after decides
 * which of them was changed.
 */
struct audit_check {
    uint64_t count;             /* entries seen */
    uint64_t bad;               /* id of the first bad one; 0: none so far */
    char reason[160];           /* what is wrong with it */
    struct audit_head expected; /* to be passed on the way; id 0: none */
    bool expected_seen;
    struct audit_head last; /* of those read */
    uint64_t doubt;         /* it and the next disagree; 0: none */
};

void audit_check_start(struct audit_check *check,
                       const struct audit_head *expected);
/* FW_ENOMEM; what is wrong with the entry is no error, it stands in `check`. */
FW_CHECK fw_rc audit_check_add(struct audit_check *check, struct fw_str key,
                               struct fw_str record, struct fw_err *err);
/* `head` is what is stored beside the chain. */
void audit_check_end(struct audit_check *check, const struct audit_head *head);

/* All of it, in one transaction. `expected` may be NULL. */
FW_CHECK fw_rc audit_verify(struct fw_txn *txn,
                            const struct audit_head *expected,
                            struct audit_check *out, struct fw_err *err);

#endif
