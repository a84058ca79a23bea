/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * intake.h - from the lines of one sender to a batch for the store.
 *
 * A sender names the same series again and again. The intake remembers the raw
 * bytes of each name with the id the store gave it (names.h), so that a line
 * whose like it has seen costs a comparison and its numbers. One thread at a
 * time.
 *
 * There are two ways through. The quick one (quick.h) takes lines that begin
 * with a head it knows and have no surprises; whatever it is not sure about it
 * leaves alone. The other, line_parse(), is the definition: it takes every
 * line, and for those that both take it gives the same samples.
 */
#ifndef SERVER_INGEST_INTAKE_H
#define SERVER_INGEST_INTAKE_H

#include "server/ingest/line.h"
#include "server/ingest/names.h"
#include "storage/storage.h"

#define INTAKE_TIME_BYTES 24

/* The last time that was read: the lines of one moment all say the same. */
struct intake_time {
    char text[INTAKE_TIME_BYTES];
    size_t n; /* 0: none yet */
    enum time_unit unit;
    fw_ms t;
};

struct intake {
    struct fw_store *store; /* borrowed */
    enum time_unit unit;    /* of Influx timestamps */
    struct fw_batch batch;  /* what was taken; the caller submits it */
    struct fw_err err;      /* of the last fault that came from the store */
    size_t skipped;         /* values without a number, of the last line */
    enum line_protocol protocol; /* of the last line that was taken */
    size_t taken;                /* values of the last line */
    bool slow;                   /* for tests: line_parse() takes every line */

    struct line line; /* reused from line to line */
    struct fw_arena *arena;
    struct names names;
    uint64_t epoch; /* of the store when the names were learned */
    struct intake_time time;
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
