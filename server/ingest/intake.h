/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * intake.h - from the lines of one sender to a batch for the store.
 *
 * A sender names the same series again and again. The intake remembers the raw
 * bytes of each name with the id the store gave it, so that a line it has seen
 * the like of costs a hash and a number. One thread at a time.
 */
#ifndef SERVER_INGEST_INTAKE_H
#define SERVER_INGEST_INTAKE_H

#include "server/ingest/line.h"
#include "storage/base/hash.h"
#include "storage/storage.h"

struct intake_known; /* one remembered series */

struct intake {
    struct fw_store *store; /* borrowed */
    enum time_unit unit;    /* of Influx timestamps */
    struct fw_batch batch;  /* what was taken; the caller submits it */
    struct fw_err err;      /* of the last fault that came from the store */
    size_t skipped;         /* values without a number, of the last line */
    enum line_protocol protocol; /* of the last line that was taken */
    size_t taken;                /* values of the last line */

    struct line line; /* reused from line to line */
    struct fw_arena *arena;
    uint64_t seed;
    struct fw_index index; /* hash of the raw name -> place in `known` */
    struct intake_known *known;
    size_t known_count, known_cap;
    uint32_t last;       /* place of the one named last, or FW_INDEX_NONE */
    struct fw_buf names; /* the raw bytes of all known names */
};

/* FW_ENOMEM. Release it even then. */
FW_CHECK fw_rc intake_init(struct intake *intake, struct fw_store *store);
void intake_release(struct intake *intake);

/* True when the batch may not have room for one more line: submit it. */
bool intake_is_full(const struct intake *intake);

/*
 * Takes one line into the batch: all its values or none. `now` is the time of
 * values that bring none; times past `latest` are LINE_TOO_NEW.
 */
enum line_fault intake_line(struct intake *intake, struct fw_str text,
                            fw_ms now, fw_ms latest);

#endif
