/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk.h - a disk that loses power: what may be on it at a moment of a log.
 *
 * The rules are POSIX's and no more. What fsync or fdatasync returned for, or
 * was written through an O_DSYNC descriptor, is there. Every other write since
 * may be there or not, whole or in pieces of 512 or 4096 bytes, in any order,
 * with the file's new length or the old one or one between, and holes where
 * nothing came read as zeros. A name that was made, moved or removed is so for
 * certain only after its folder was synced; renaming is one step.
 */
#ifndef TESTS_POWERLOSS_DISK_H
#define TESTS_POWERLOSS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/powerloss/record.h"
#include "tests/support/synth.h"

struct disk; /* the state at a place in the log */

/* A log in memory; `bytes` stay the caller's and must outlive the disk. */
struct disk *disk_new(const char *bytes, size_t n);
void disk_free(struct disk *disk);

/*
 * Goes on to the next moment at which something may be half done: a sync, or a
 * write that is durable at return, is about to end. False at the log's end.
 * `note` is called for what the program put into the log on the way.
 */
typedef void (*disk_note)(void *self, const struct record_head *head,
                          const char *bytes);
bool disk_next(struct disk *disk, disk_note note, void *self);

/* How much of what is pending gets to the disk. */
enum disk_luck {
    DISK_NONE, /* nothing: the call had just begun */
    DISK_ALL,  /* everything: it had just ended */
    DISK_SOME  /* by chance */
};

/*
 * Makes the folder `root`, which is there and empty, one that a power loss at
 * this moment may leave.
 */
void disk_build(const struct disk *disk, const char *root, enum disk_luck luck,
                struct synth_rng *rng);

/* How many things are pending. */
size_t disk_pending(const struct disk *disk);

#endif
