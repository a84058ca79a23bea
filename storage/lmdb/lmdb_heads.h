/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_heads.h - which of an LMDB file's two heads is the newest?
 *
 * LMDB takes the one with the higher transaction number, and nothing else
 * speaks for a number: one flipped bit hides the last commit, and nobody knows.
 * But each commit notes under its number which pages it freed, and the commit
 * after it cannot have used these up. So the lists of free pages of the two
 * heads tell which of them knows of the other.
 */
#ifndef STORAGE_LMDB_HEADS_H
#define STORAGE_LMDB_HEADS_H

#include <stdint.h>

#define LMDB_PAGE 4096
#define LMDB_HEAD_TXN 144 /* where the number stands in a head */

enum lmdb_heads_verdict {
    LMDB_HEADS_SOUND,  /* the higher number is the newer one */
    LMDB_HEADS_HIDDEN, /* the lower number is the newer one */
    LMDB_HEADS_WRONG,  /* neither can be believed */
    LMDB_HEADS_UNREAD  /* the disk or memory failed: errno says how */
};

/* What is wrong with one number, if so: it stands in head `head`. */
struct lmdb_heads_mend {
    unsigned head;
    uint64_t number;
};

/*
 * `heads` are the first two pages of the file behind `fd`, with numbers that
 * are neighbours. *mend says what would make a hidden commit the newest one.
 *
 * A head whose write failed looks hidden as well: LMDB then gives it its old
 * number and count of pages back, but leaves the new tables. That commit was
 * not acknowledged, and may be there as after any failed write: if all its
 * pages are within the count and sound, it is as good as one that was.
 */
enum lmdb_heads_verdict lmdb_heads_judge(int fd, uint8_t heads[2][LMDB_PAGE],
                                         struct lmdb_heads_mend *mend);

#endif
