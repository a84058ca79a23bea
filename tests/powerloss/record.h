/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record.h - what a program does to a folder on disk, call by call, in a log.
 *
 * Linked into a program, record.c stands before libc (LMDB's calls go through
 * it as well); as fw_record.so it is preloaded into the real binary:
 *
 *     LD_PRELOAD=.../fw_record.so FOREWARN_RECORD=LOG FOREWARN_RECORD_ROOT=DIR
 *
 * Each call is made and logged under one lock, so the log's order is the order
 * in which they happened. disk.h builds from it what a power loss may leave.
 *
 * The log is records of this head and `n` bytes. Files and folders are known by
 * a number, which a name that is used again does not share; the root is 0.
 */
#ifndef TESTS_POWERLOSS_RECORD_H
#define TESTS_POWERLOSS_RECORD_H

#include <stddef.h>
#include <stdint.h>

enum record_kind {
    RECORD_CREATE = 1, /* file `file` appears in `dir`; bytes: its name */
    RECORD_FOLDER,     /* the same, a folder */
    RECORD_WRITE,      /* bytes at `at`; `flag`: durable when it returned */
    RECORD_RESIZE,     /* to `at` bytes */
    RECORD_SYNC,       /* fsync or fdatasync of `file` */
    RECORD_RENAME,     /* bytes: name in `dir`, NUL, name in `dir2` */
    RECORD_REMOVE,     /* bytes: name in `dir` */
    RECORD_LINK,       /* `file` also appears in `dir`; bytes: its name */
    RECORD_SENT,       /* bytes that went out through a socket `file` */
    RECORD_NOTE        /* bytes: of record_note() */
};

struct record_head {
    uint32_t kind, flag;
    uint32_t file, dir, dir2;
    uint32_t n; /* bytes behind this head */
    uint64_t at;
};

/*
 * From now on calls below the folder `root`, which must be empty, are logged to
 * the new file `log`, in this process and in those it forks, which must not run
 * at the same time.
 */
void record_begin(const char *root, const char *log);

/* No call is logged any more. */
void record_end(void);

/* In a process forked from the one that began: files opened before are not
 * known here. */
void record_continue(void);

/* Puts `n` bytes of the caller's into the log. */
void record_note(const void *bytes, size_t n);

#endif
