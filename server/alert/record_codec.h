/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record_codec.h - the frame of every record that alerting keeps in meta/.
 *
 *     u8 kind | u8 version | fields ... | u32 CRC32C of all before it
 *
 * Fields stand in a fixed order without names: integers little-endian, texts
 * as varint length and bytes. docs/formats/ledger.md lists each kind. Reading
 * never goes past the end: a field that is not there marks the reader bad and
 * reads as zero, and record_close() tells.
 */
#ifndef SERVER_ALERT_RECORD_CODEC_H
#define SERVER_ALERT_RECORD_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/clock.h"
#include "storage/base/str.h"

enum record_kind {
    RECORD_SUBJECT = 1,
    RECORD_PREDICTION = 2,
    RECORD_SCORE = 3,
    RECORD_TOTALS = 4,
    RECORD_ALERT = 5,
    RECORD_WATCH = 6,
    RECORD_NOTE = 7,
    RECORD_AUDIT = 8,
    RECORD_AUDIT_HEAD = 9,
    RECORD_STANDING = 10,
    RECORD_OVERRIDE = 11,
    RECORD_BUDGET = 12,
    RECORD_SCHEDULE = 13,
    RECORD_NEWS = 14,
    RECORD_ACTION = 15,
    RECORD_ACTION_CASE = 16,
    RECORD_CALIBRATION = 17,
    RECORD_VALUE_SCORE = 18,
    RECORD_RULE_ALERT = 20,
    RECORD_MANAGER_ALERT = 21,
    RECORD_SILENCE = 22,
    RECORD_ACK = 23,
    RECORD_GROUP = 24
};

#define FW_MAX_RECORD_BYTES (1u << 20)

struct record_writer {
    struct fw_buf *out; /* not owned; cleared by record_begin() */
    fw_rc rc;           /* the first failure; later puts do nothing */
};

void record_begin(struct record_writer *w, struct fw_buf *out,
                  enum record_kind kind, uint8_t version);
void record_put_u8(struct record_writer *w, uint8_t v);
void record_put_u32(struct record_writer *w, uint32_t v);
void record_put_u64(struct record_writer *w, uint64_t v);
void record_put_ms(struct record_writer *w, fw_ms v);
void record_put_double(struct record_writer *w, double v); /* its bits */
void record_put_str(struct record_writer *w, struct fw_str text);
/* Adds the checksum. FW_ETOOBIG, FW_ENOMEM. */
FW_CHECK fw_rc record_end(struct record_writer *w, struct fw_err *err);

struct record_reader {
    const unsigned char *p;
    size_t n;
    bool bad;
};

/*
 * Checks frame, checksum and kind. FW_ECORRUPT; FW_EVERSION for a version
 * above `newest`. The reader borrows `bytes`.
 */
FW_CHECK fw_rc record_open(struct record_reader *r, struct fw_str bytes,
                           enum record_kind kind, uint8_t newest,
                           struct fw_err *err);
/* The version of a record that record_open() took. */
uint8_t record_version(struct fw_str bytes);
uint8_t record_get_u8(struct record_reader *r);
uint32_t record_get_u32(struct record_reader *r);
uint64_t record_get_u64(struct record_reader *r);
/* Times and spans beyond 70 million years are none: the record is bad. */
fw_ms record_get_ms(struct record_reader *r);
double record_get_double(struct record_reader *r);
struct fw_str record_get_str(struct record_reader *r); /* borrowed */
/* FW_ECORRUPT if a field was missing or bytes are left over. */
FW_CHECK fw_rc record_close(const struct record_reader *r, struct fw_err *err);

/* Keys: numbers big-endian, so that LMDB keeps them in order. */
struct record_key {
    char bytes[8];
};
struct record_key record_key_u64(uint64_t id);
struct fw_str record_key_str(const struct record_key *key);
/* False if the key is not eight bytes. */
bool record_key_read(struct fw_str key, uint64_t *id);

#endif
