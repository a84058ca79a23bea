/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_slab.h - memory for the small pieces of many series.
 *
 * A series that is packed moves to another piece each time, a little larger,
 * and a million of them do so side by side: of what malloc held then, a sixth
 * was holes. Here pieces of one size stand together in slabs; a slab whose
 * pieces have all moved on serves another size. A piece has no header, so who
 * gives it back tells its size.
 */
#ifndef STORAGE_HEAD_SLAB_H
#define STORAGE_HEAD_SLAB_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define HEAD_SLAB_STEP 16                  /* bytes from one size to the next */
#define HEAD_SLAB_MOST 1024                /* larger pieces are malloc's */
#define HEAD_SLAB_REGION ((size_t)1 << 20) /* taken from malloc together */
#define HEAD_SLAB_SIZES (HEAD_SLAB_MOST / HEAD_SLAB_STEP + 1)

/* The slabs of one size. */
struct head_slab_size {
    struct head_slab *current;      /* pieces come from here, */
    struct head_slab *first, *last; /* and these have holes, oldest first */
};

/* Any thread may call. */
struct head_slabs {
    pthread_mutex_t lock; /* leaf; of all that follows */
    struct head_slab_size sizes[HEAD_SLAB_SIZES];
    struct head_slab *empty; /* of no size */
    size_t empty_count, used_count;
    size_t used_bytes; /* of pieces that somebody has */
    void **regions;    /* owned */
    size_t region_count, region_cap;
};

void head_slabs_init(struct head_slabs *slabs);
/* All pieces go too, but for the large ones. */
void head_slabs_release(struct head_slabs *slabs);

/* A piece of n > 0 bytes, aligned for anything; NULL without memory. */
void *head_slabs_new(struct head_slabs *slabs, size_t n);
/* Gives one back, of the size it was asked with; NULL is fine. */
void head_slabs_free(struct head_slabs *slabs, void *piece, size_t n);

#endif
