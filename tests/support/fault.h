/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault.h - the n-th allocation, or the n-th call to the disk, fails.
 *
 * The usual loop fails each point once, then each point for ever, until a run
 * meets no fault any more:
 *
 *     for (uint64_t nth = 1;; nth++) {
 *         fault_memory(nth, FAULT_ONCE);
 *         fw_rc rc = thing_under_test(&out);
 *         if (!fault_end())
 *             break;
 *         assert_int_equal(rc, FW_ENOMEM);
 *     }
 *
 * Memory: the allocations of our own code, caught when the test is linked
 * (ld --wrap); libraries allocate undisturbed. Disk: every call on a regular
 * file, LMDB's included, since the test program's own write(), fsync() and so
 * on stand before libc's. Counting is by process, so threads share one count.
 */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

enum fault_mode { FAULT_ONCE, FAULT_FOREVER };

enum fault_calls {
    FAULT_WRITE = 1,  /* write, pwrite, writev, pwritev */
    FAULT_SYNC = 2,   /* fsync, fdatasync, msync */
    FAULT_RESIZE = 4, /* ftruncate, posix_fallocate, fallocate */
    FAULT_NAME = 8,   /* rename, unlink */
    FAULT_READ = 16,  /* read, pread */
    FAULT_DISK = FAULT_WRITE | FAULT_SYNC | FAULT_RESIZE | FAULT_NAME
};

/* `error` for fault_disk(): a write stops half way and says so. */
#define FAULT_SHORT 0

/* From now on allocation number `nth` (from 1) answers NULL with ENOMEM. */
void fault_memory(uint64_t nth, enum fault_mode mode);

/*
 * From now on call number `nth` among those in the mask `calls` fails with
 * errno `error` (EIO, ENOSPC, ...), or is cut short.
 */
void fault_disk(unsigned calls, uint64_t nth, enum fault_mode mode, int error);

/* Ends both; true if at least one fault was given since it began. */
bool fault_end(void);

/* How many calls of the armed kind were counted since it began. */
uint64_t fault_count(void);

#endif
