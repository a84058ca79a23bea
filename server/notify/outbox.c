/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/outbox.h"

#include "server/alert/record_codec.h"
#include "storage/base/limits.h"

#define T_OUTBOX "outbox"
#define NOTE_VERSION 1

static fw_rc note_put(struct fw_buf *out, const struct note *note,
                      struct fw_err *err)
{
    struct record_writer w;

    record_begin(&w, out, RECORD_NOTE, NOTE_VERSION);
    record_put_ms(&w, note->created_at);
    record_put_str(&w, note->url);
    record_put_str(&w, note->payload);
    return record_end(&w, err);
}

static fw_rc note_read(uint64_t id, struct fw_str bytes, struct note *out)
{
    struct note note = {.id = id};
    struct record_reader r;
    fw_rc rc = record_open(&r, bytes, RECORD_NOTE, NOTE_VERSION, NULL);

    if (rc != FW_OK)
        return rc;
    note.created_at = record_get_ms(&r);
    note.url = record_get_str(&r);
    note.payload = record_get_str(&r);
    rc = record_close(&r, NULL);
    if (rc == FW_OK)
        *out = note;
    return rc;
}

static bool take_first(void *self, struct fw_str key, struct fw_str value)
{
    uint64_t *id = self;

    (void)value;
    if (!record_key_read(key, id))
        *id = 0;
    return false;
}

/* Ids are contiguous but for holes, so their spread bounds the count. */
static fw_rc make_room(struct fw_txn *txn, uint64_t newest, size_t *dropped,
                       struct fw_err *err)
{
    struct record_key from = record_key_u64(0);
    uint64_t oldest = newest;
    fw_rc rc = fw_txn_scan(txn, T_OUTBOX, record_key_str(&from), take_first,
                           &oldest, err);

    *dropped = 0;
    if (rc != FW_OK || newest - oldest + 1 < FW_MAX_OUTBOX)
        return rc;
    rc = outbox_remove(txn, oldest, err);
    if (rc == FW_OK)
        *dropped = 1;
    return rc;
}

fw_rc outbox_add(struct fw_txn *txn, const struct note *note, size_t *dropped,
                 struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct fw_str key, value;
    struct record_key fresh;
    uint64_t newest = 0;
    fw_rc rc = fw_txn_last(txn, T_OUTBOX, &key, &value, err);

    if (rc == FW_OK && !record_key_read(key, &newest))
        rc = fw_err_set(err, FW_ECORRUPT, "the outbox is damaged");
    if (rc < 0)
        goto out;
    *dropped = 0;
    if (rc == FW_OK)
        rc = make_room(txn, newest, dropped, err);
    if (rc >= 0)
        rc = note_put(&record, note, err);
    fresh = record_key_u64(newest + 1);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_OUTBOX, record_key_str(&fresh),
                        (struct fw_str){record.data, record.len}, err);
out:
    fw_buf_release(&record);
    return rc;
}

struct walk {
    outbox_each each;
    void *self;
};

static bool walk_one(void *self, struct fw_str key, struct fw_str value)
{
    struct walk *walk = self;
    struct note note = {0};
    uint64_t id;

    if (!record_key_read(key, &id))
        return true;
    if (note_read(id, value, &note) != FW_OK)
        note = (struct note){.id = id, .url = FW_STR("")};
    return walk->each(walk->self, &note);
}

fw_rc outbox_walk(struct fw_txn *txn, outbox_each each, void *self,
                  struct fw_err *err)
{
    struct walk walk = {each, self};
    struct record_key from = record_key_u64(0);

    return fw_txn_scan(txn, T_OUTBOX, record_key_str(&from), walk_one, &walk,
                       err);
}

fw_rc outbox_remove(struct fw_txn *txn, uint64_t id, struct fw_err *err)
{
    struct record_key key = record_key_u64(id);
    fw_rc rc = fw_txn_delete(txn, T_OUTBOX, record_key_str(&key), err);

    return rc == FW_NONE ? FW_OK : rc;
}
