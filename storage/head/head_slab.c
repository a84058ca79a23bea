/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/head/head_slab.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "storage/base/buf.h"

/* The address sanitizer looks after pieces that are malloc's. */
#ifdef __SANITIZE_ADDRESS__
#define SLAB_MOST 0
#else
#define SLAB_MOST HEAD_SLAB_MOST
#endif

#define SLAB_BYTES ((size_t)32 << 10) /* and its address is a multiple */
#define SLAB_HEADER 64 /* bytes; as long as a line of the processor's cache */
#define REGION_SLABS (HEAD_SLAB_REGION / SLAB_BYTES)
#define HOLES_SHARE 12 /* of all slabs: as many are left to become empty */
#define EMPTY_SHARE 16 /* of all slabs: more go back to the kernel */
#define EMPTY_FEW 16
#define PAGE_BYTES 4096

/* A piece that nobody has. */
struct piece {
    struct piece *next;
};

struct head_slab {
    struct head_slab *next, *before; /* of those with holes */
    struct piece *free;
    uint32_t piece_bytes;
    uint32_t used;  /* pieces that somebody has */
    uint32_t fresh; /* offset of the next one that nobody had yet */
    bool listed;    /* among those with holes */
};

void head_slabs_init(struct head_slabs *slabs)
{
    *slabs = (struct head_slabs){0};
    (void)pthread_mutex_init(&slabs->lock, NULL);
}

void head_slabs_release(struct head_slabs *slabs)
{
    for (size_t i = 0; i < slabs->region_count; i++)
        free(slabs->regions[i]);
    free(slabs->regions);
    (void)pthread_mutex_destroy(&slabs->lock);
    *slabs = (struct head_slabs){0};
}

static struct head_slab *slab_of(const void *piece)
{
    uintptr_t at = (uintptr_t)piece;

    return (struct head_slab *)(at - at % SLAB_BYTES);
}

static bool has_room(const struct head_slab *slab)
{
    return slab->free != NULL || slab->fresh + slab->piece_bytes <= SLAB_BYTES;
}

/* ---- Slabs with holes -------------------------------------------------------
 */

static void list_slab(struct head_slab_size *size, struct head_slab *slab)
{
    slab->next = NULL;
    slab->before = size->last;
    if (size->last != NULL)
        size->last->next = slab;
    else
        size->first = slab;
    size->last = slab;
    slab->listed = true;
}

static void unlist_slab(struct head_slab_size *size, struct head_slab *slab)
{
    if (slab->before != NULL)
        slab->before->next = slab->next;
    else
        size->first = slab->next;
    if (slab->next != NULL)
        slab->next->before = slab->before;
    else
        size->last = slab->before;
    slab->listed = false;
}

/* ---- Slabs ------------------------------------------------------------------
 */

static void add_region(struct head_slabs *slabs)
{
    char *region = NULL;

    if (fw_grow(&slabs->regions, &slabs->region_cap, slabs->region_count + 1,
                sizeof(*slabs->regions), SIZE_MAX / 16) == FW_OK)
        region = aligned_alloc(SLAB_BYTES, HEAD_SLAB_REGION);
    if (region == NULL)
        return;
    slabs->regions[slabs->region_count++] = region;
    for (size_t i = REGION_SLABS; i > 0; i--) {
        struct head_slab *slab =
            (struct head_slab *)(void *)(region + (i - 1) * SLAB_BYTES);

        slab->next = slabs->empty;
        slabs->empty = slab;
    }
    slabs->empty_count += REGION_SLABS;
}

static void begin_slab(struct head_slabs *slabs, size_t size)
{
    struct head_slab *slab = slabs->empty;

    slabs->empty = slab->next;
    slabs->empty_count--;
    slabs->used_count++;
    *slab = (struct head_slab){.piece_bytes = (uint32_t)(size * HEAD_SLAB_STEP),
                               .fresh = SLAB_HEADER};
    slabs->sizes[size].current = slab;
}

/*
 * Where pieces of a size come from next. One with holes is the last choice as
 * long as holes are few: series are packed one after the other, so all of it
 * will soon be free, unless somebody is put there meanwhile.
 */
static bool find_slab(struct head_slabs *slabs, size_t size)
{
    struct head_slab_size *s = &slabs->sizes[size];
    size_t bytes = slabs->used_count * SLAB_BYTES;
    bool wasteful = bytes - slabs->used_bytes > bytes / HOLES_SHARE;

    if (slabs->empty == NULL && (s->first == NULL || !wasteful))
        add_region(slabs);
    if (slabs->empty != NULL) {
        begin_slab(slabs, size);
        return true;
    }
    s->current = s->first;
    if (s->current != NULL)
        unlist_slab(s, s->current);
    return s->current != NULL;
}

/* Its first page stays, with the list it is in. */
static void end_slab(struct head_slabs *slabs, struct head_slab *slab)
{
    slab->next = slabs->empty;
    slabs->empty = slab;
    slabs->empty_count++;
    slabs->used_count--;
    if (slabs->empty_count > EMPTY_FEW + slabs->used_count / EMPTY_SHARE)
        (void)madvise((char *)slab + PAGE_BYTES, SLAB_BYTES - PAGE_BYTES,
                      MADV_DONTNEED);
}

/* ---- Pieces -----------------------------------------------------------------
 */

static void *take_piece(struct head_slabs *slabs, struct head_slab *slab)
{
    void *out = slab->free;

    if (out != NULL) {
        slab->free = slab->free->next;
    } else {
        out = (char *)slab + slab->fresh;
        slab->fresh += slab->piece_bytes;
    }
    slab->used++;
    slabs->used_bytes += slab->piece_bytes;
    return out;
}

void *head_slabs_new(struct head_slabs *slabs, size_t n)
{
    size_t size = (n + HEAD_SLAB_STEP - 1) / HEAD_SLAB_STEP;
    struct head_slab_size *s;
    void *out = NULL;

    if (n > SLAB_MOST)
        return malloc(n);
    s = &slabs->sizes[size];
    (void)pthread_mutex_lock(&slabs->lock);
    if (s->current != NULL && !has_room(s->current))
        s->current = NULL;
    if (s->current != NULL || find_slab(slabs, size))
        out = take_piece(slabs, s->current);
    (void)pthread_mutex_unlock(&slabs->lock);
    return out;
}

void head_slabs_free(struct head_slabs *slabs, void *piece, size_t n)
{
    size_t size = (n + HEAD_SLAB_STEP - 1) / HEAD_SLAB_STEP;
    struct head_slab_size *s;
    struct piece *hole = piece;
    struct head_slab *slab;

    if (piece == NULL || n > SLAB_MOST) {
        free(piece);
        return;
    }
    s = &slabs->sizes[size];
    slab = slab_of(piece);
    (void)pthread_mutex_lock(&slabs->lock);
    hole->next = slab->free;
    slab->free = hole;
    slab->used--;
    slabs->used_bytes -= slab->piece_bytes;
    if (slab != s->current && !slab->listed)
        list_slab(s, slab);
    if (slab->used == 0 && slab->listed) {
        unlist_slab(s, slab);
        end_slab(slabs, slab);
    }
    (void)pthread_mutex_unlock(&slabs->lock);
}
