/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * life.h - a store's life with a ledger: random work, each acknowledgement
 * told to somebody outside, and the comparison of a store with what was told.
 *
 * Values are a function of series and number, so a ledger is a count for each
 * series. Retention is on: what is older may be gone, nothing else.
 */
#ifndef TESTS_UNIT_STORAGE_LIFE_H
#define TESTS_UNIT_STORAGE_LIFE_H

#include "storage/storage.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"

#define LIFE_SERIES 12
#define LIFE_KEYS 20
#define LIFE_START ((fw_ms)1700000000000)

/* One thing told: before it was handed to the store, or when it was kept. */
struct life_note {
    uint32_t what;
    uint32_t series;
    uint64_t count;
};
enum {
    LIFE_SENT,   /* samples 0 .. count-1 of the series, at most */
    LIFE_STORED, /* acknowledged */
    LIFE_PUT,    /* version `count` of the table */
    LIFE_KEPT,   /* committed */
    LIFE_BACKUP, /* so many whole backups */
    LIFE_DOOMED, /* deletion number `count` of its own series begins */
    LIFE_DELETED /* it was carried out */
};

/* What is known at a moment. */
struct life_ledger {
    uint64_t sent[LIFE_SERIES], stored[LIFE_SERIES];
    uint64_t put, kept;
    uint64_t backups;
    uint64_t doomed, deleted; /* samples of a series that goes on dying */
    fw_ms mortal_at;          /* where its last one stands */
    uint64_t stored_in_all;
    fw_ms newest; /* sent */
};

void life_take_note(struct life_ledger *ledger, const struct life_note *note);

struct life {
    const char *data, *copies; /* folders */
    struct fake_clock *fake;
    struct synth_rng rng;
    struct life_ledger *ledger; /* notes are taken there as well as told */
    void (*tell)(void *self, const struct life_note *note);
    void *self;
    struct fw_store *store; /* of life_open() */
};

struct fw_store_options life_options(struct fake_clock *fake, bool read_only);

/* Opens the store for writing, with the clock where the samples are. */
FW_CHECK fw_rc life_open(struct life *life, struct fw_err *err);

/*
 * Something by chance: samples, a version of the table, sealing (and what is
 * done with it), hours that pass. FW_EINVAL says that an answer was wrong.
 */
FW_CHECK fw_rc life_step(struct life *life, struct fw_err *err);
FW_CHECK fw_rc life_write_samples(struct life *life, struct fw_err *err);
FW_CHECK fw_rc life_seal(struct life *life, bool all, struct fw_err *err);
/* Closes the days there are. */
FW_CHECK fw_rc life_compact(struct life *life, struct fw_err *err);
/* A series of its own is deleted, and then has one more sample. */
FW_CHECK fw_rc life_delete(struct life *life, struct fw_err *err);
FW_CHECK fw_rc life_backup(struct life *life, struct fw_err *err);

/* FW_ECORRUPT with a sentence unless the store has what the ledger says. */
FW_CHECK fw_rc life_check(const struct life_ledger *ledger,
                          struct fw_store *store, struct fw_err *err);

/* The same, and the ledger then says what is there: nothing is on its way. */
FW_CHECK fw_rc life_settle(struct life_ledger *ledger, struct fw_store *store,
                           struct fw_err *err);

/*
 * Each folder of `copies` that is called a backup is one, and all that were
 * told are there. Adds to *found.
 */
FW_CHECK fw_rc life_check_backups(const struct life_ledger *ledger,
                                  const char *copies, uint64_t *found,
                                  struct fw_err *err);

#endif
