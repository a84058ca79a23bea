/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit.c - entries and head in the tables of meta/.
 */
#include "server/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/audit/audit_record.h"
#include "storage/base/limits.h"

#define T_AUDIT "audit"
#define T_HEAD "audit_head"
#define HEAD_KEY FW_STR("head")

static fw_rc must_have(struct fw_str text, const char *name, bool required,
                       struct fw_err *err)
{
    if (required && text.n == 0)
        return fw_err_set(err, FW_EINVAL,
                          "an act that changes something needs %s %s",
                          strchr("aeiou", name[0]) != NULL ? "an" : "a", name);
    if (text.n > FW_MAX_AUDIT_TEXT)
        return fw_err_set(err, FW_ETOOBIG,
                          "%s of %zu bytes is more than the audit log takes "
                          "(%d)",
                          name, text.n, FW_MAX_AUDIT_TEXT);
    if (!fw_utf8_valid(text.p, text.n))
        return fw_err_set(err, FW_EINVAL, "%s is not UTF-8", name);
    return FW_OK;
}

static fw_rc entry_valid(const struct audit_entry *e, struct fw_err *err)
{
    const struct {
        struct fw_str text;
        const char *name;
        bool required;
    } fields[] = {
        {e->actor, "actor", true},  {e->reason, "reason", true},
        {e->act, "act", true},      {e->owner, "owner", false},
        {e->what, "what", false},   {e->before, "before", false},
        {e->after, "after", false},
    };
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < sizeof(fields) / sizeof(fields[0]);
         i++)
        rc = must_have(fields[i].text, fields[i].name, fields[i].required, err);
    return rc;
}

/* The newest entry as the chain itself has it. */
static fw_rc chain_end(struct fw_txn *txn, struct audit_head *out,
                       struct fw_err *err)
{
    struct fw_str key, record;
    fw_rc rc = fw_txn_last(txn, T_AUDIT, &key, &record, err);

    *out = (struct audit_head){0};
    if (rc == FW_NONE)
        return FW_OK;
    if (rc != FW_OK)
        return rc;
    if (!record_key_read(key, &out->id))
        return fw_err_set(err, FW_ECORRUPT, "the audit log has a foreign key");
    return fw_sha256(record.p, record.n, &out->digest, err);
}

fw_rc audit_head(struct fw_txn *txn, struct audit_head *out, struct fw_err *err)
{
    struct fw_str record;
    fw_rc rc = fw_txn_get(txn, T_HEAD, HEAD_KEY, &record, err);

    if (rc == FW_NONE) {
        *out = (struct audit_head){0};
        return FW_OK;
    }
    return rc == FW_OK ? audit_record_get_head(record, out, err) : rc;
}

/*
 * What the next entry follows. The remembered head counts, not what is found:
 * if somebody cut the chain, the next entry must not heal it.
 */
static fw_rc next_after(struct fw_txn *txn, struct audit_head *head,
                        uint64_t *id, struct fw_err *err)
{
    struct audit_head found;
    fw_rc rc = chain_end(txn, &found, err);

    if (rc == FW_OK)
        rc = audit_head(txn, head, err);
    if (rc == FW_ECORRUPT || (rc == FW_OK && head->id == 0)) {
        *head = found;
        rc = FW_OK;
    }
    if (rc == FW_OK)
        *id = (head->id > found.id ? head->id : found.id) + 1;
    return rc;
}

static fw_rc put_head(struct fw_txn *txn, const struct audit_head *head,
                      struct fw_buf *record, struct fw_err *err)
{
    fw_rc rc = audit_record_put_head(record, head, err);

    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_HEAD, HEAD_KEY,
                        (struct fw_str){record->data, record->len}, err);
    return rc;
}

fw_rc audit_add(struct fw_txn *txn, const struct audit_entry *entry,
                struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct audit_entry whole = *entry;
    struct audit_head head;
    struct record_key key;
    fw_rc rc = entry_valid(entry, err);

    if (rc == FW_OK)
        rc = next_after(txn, &head, &whole.id, err);
    if (rc == FW_OK) {
        whole.previous = head.digest;
        rc = audit_record_put(&record, &whole, err);
    }
    if (rc == FW_OK) {
        key = record_key_u64(whole.id);
        rc = fw_txn_put(txn, T_AUDIT, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    }
    if (rc == FW_OK) {
        head.id = whole.id;
        rc = fw_sha256(record.data, record.len, &head.digest, err);
    }
    if (rc == FW_OK)
        rc = put_head(txn, &head, &record, err);
    fw_buf_release(&record);
    return rc;
}

/* ---- reading
 * -------------------------------------------------------------------- */

struct walk {
    audit_each_entry each;
    void *self;
};

static bool walk_one(void *self, struct fw_str key, struct fw_str record)
{
    const struct walk *walk = self;
    struct audit_entry entry;
    uint64_t id = 0;

    if (!record_key_read(key, &id) ||
        audit_record_get(record, &entry, NULL) != FW_OK)
        return walk->each(walk->self, id, NULL);
    return walk->each(walk->self, id, &entry);
}

fw_rc audit_each(struct fw_txn *txn, uint64_t from, audit_each_entry each,
                 void *self, struct fw_err *err)
{
    struct walk walk = {each, self};
    struct record_key key = record_key_u64(from);

    return fw_txn_scan(txn, T_AUDIT, record_key_str(&key), walk_one, &walk,
                       err);
}

struct verifying {
    struct audit_check *check;
    struct fw_err *err;
    fw_rc rc;
};

static bool verify_one(void *self, struct fw_str key, struct fw_str record)
{
    struct verifying *v = self;

    v->rc = audit_check_add(v->check, key, record, v->err);
    return v->rc == FW_OK && v->check->bad == 0;
}

fw_rc audit_verify(struct fw_txn *txn, const struct audit_head *expected,
                   struct audit_check *out, struct fw_err *err)
{
    struct verifying v = {out, err, FW_OK};
    struct audit_head head = {0};
    fw_rc rc;

    audit_check_start(out, expected);
    rc = fw_txn_scan(txn, T_AUDIT, FW_STR(""), verify_one, &v, err);
    if (rc == FW_OK)
        rc = v.rc;
    if (rc != FW_OK)
        return rc;
    rc = audit_head(txn, &head, err);
    if (rc != FW_OK && rc != FW_ECORRUPT && rc != FW_EVERSION)
        return rc;
    audit_check_end(out, rc == FW_OK ? &head : NULL);
    return FW_OK;
}

/* ---- heads as text
 * -------------------------------------------------------------- */

void audit_head_text(const struct audit_head *head,
                     char out[AUDIT_HEAD_TEXT_BYTES])
{
    char hex[FW_SHA256_HEX_BYTES];

    fw_sha256_hex(&head->digest, hex);
    (void)snprintf(out, AUDIT_HEAD_TEXT_BYTES, "%" PRIu64 ":%s", head->id, hex);
}

fw_rc audit_head_read(struct fw_str text, struct audit_head *out,
                      struct fw_err *err)
{
    size_t i = 0;
    uint64_t id = 0;

    for (; i < text.n && i < 19 && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        id = id * 10 + (uint64_t)(text.p[i] - '0');
    if (i == 0 || i == text.n || text.p[i] != ':' ||
        !fw_sha256_read_hex(text.p + i + 1, text.n - i - 1, &out->digest))
        return fw_err_set(err, FW_EINVAL,
                          "'%.*s' is not a head of the audit log: it looks "
                          "like 17:9f86d081...(64 digits), as 'forewarn audit "
                          "head' prints it",
                          (int)(text.n < 100 ? text.n : 100), text.p);
    out->id = id;
    return FW_OK;
}
