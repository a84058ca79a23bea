/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/read/block_reader.h"

#include <stdlib.h>
#include <string.h>

#include "storage/segments/deflate.h"

#define ALIGNMENT 64
#define POOL_MAX 4                 /* readers kept for the next */
#define STEPS 16                   /* blocks between two looks at the clock */
#define EXPECTED_MAX ((size_t)256) /* bytes; the rest follows suit */
#define INFLATED_MAX ((size_t)8 * 1024 * 1024) /* bytes one reader keeps */

static size_t slot_number(uint16_t part, uint32_t segment)
{
    return (segment + part * 29u) % READER_SEGMENTS;
}

static void segment_slot_clear(struct reader_segment *slot)
{
    free(slot->blocks);
    free(slot->data);
    *slot = (struct reader_segment){0};
}

struct block_reader *block_reader_new(void)
{
    return calloc(1, sizeof(struct block_reader));
}

void block_reader_free(struct block_reader *r)
{
    if (r == NULL)
        return;
    block_reader_look_away(r);
    for (size_t i = 0; i < READER_COLUMNS; i++)
        free(r->columns[i].t);
    for (size_t i = 0; i < READER_SEGMENTS; i++)
        segment_slot_clear(&r->segments[i]);
    free(r->v);
    free(r);
}

/* ---- Looking at a file ----------------------------------------------------
 */

static void end_look(struct reader_look *look)
{
    if (look->number != 0)
        partition_view_end(&look->view);
    look->number = 0;
}

void block_reader_look_away(struct block_reader *r)
{
    for (size_t i = 0; i < READER_LOOKS; i++)
        end_look(&r->looks[i]);
}

static struct reader_look *look_of(struct block_reader *r,
                                   const struct partition *part)
{
    for (size_t i = 0; i < READER_LOOKS; i++)
        if (r->looks[i].number != 0 && r->looks[i].view.part == part)
            return &r->looks[i];
    return NULL;
}

static bool expired(const struct block_reader *r, uint64_t now_ns)
{
    for (size_t i = 0; i < READER_LOOKS; i++)
        if (r->looks[i].number != 0 &&
            now_ns - r->looks[i].began_ns > r->pool->budget_ns)
            return true;
    return false;
}

/* A look that lasted too long keeps a file's map from growing: it is renewed */
static void keep_budget(struct block_reader *r)
{
    if (r->pool == NULL || !r->holds || ++r->steps < STEPS)
        return;
    r->steps = 0;
    if (!expired(r, fw_clock_mono_ns(r->pool->clock)))
        return;
    block_reader_look_away(r);
    (void)atomic_fetch_add(&r->pool->renewed, 1);
}

/*
 * Looks at a partition. Nobody waits for one file while looking at another:
 * where it would have to, the reader looks away from all of them first.
 */
static fw_rc look_at(struct block_reader *r, struct partition *part,
                     struct reader_look **out, struct fw_err *err)
{
    struct reader_look *look = look_of(r, part);
    fw_rc rc;

    *out = look;
    if (look != NULL)
        return FW_OK;
    look = &r->looks[r->look_count % READER_LOOKS];
    end_look(look);
    rc = partition_try_view(part, &look->view);
    if (rc != FW_OK) {
        block_reader_look_away(r);
        rc = partition_view(part, &look->view, err);
    }
    if (rc == FW_OK)
        look->number = ++r->look_count;
    if (rc == FW_OK && r->pool != NULL && r->holds)
        look->began_ns = fw_clock_mono_ns(r->pool->clock);
    *out = look;
    return rc;
}

void block_reader_expect(const struct block_reader *r,
                         const struct block_ref *ref)
{
    const struct reader_segment *slot =
        &r->segments[slot_number(ref->part, ref->segment)];
    const uint8_t *p = slot->open.data;
    bool holds = false;

    for (size_t i = 0; i < READER_LOOKS; i++)
        holds = holds || (slot->look != 0 && r->looks[i].number == slot->look);
    if (!holds || slot->part != ref->part || slot->segment != ref->segment ||
        p == NULL || ref->offset > slot->open.data_bytes)
        return;
    for (size_t i = 0; i < ref->bytes && i < EXPECTED_MAX; i += ALIGNMENT)
        __builtin_prefetch(p + ref->offset + i);
    /* Else gcc takes the function for one without effect and drops calls. */
    __asm__ volatile("");
}

/* Whole vectors, so that readers may run over the end. */
static void *aligned_room(size_t n, size_t size)
{
    return aligned_alloc(ALIGNMENT,
                         (n * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

/* ---- Times ----------------------------------------------------------------
 */

/* Blocks of neighbouring segments must not fight for a place. */
static struct reader_column *column_slot(struct block_reader *r, uint16_t part,
                                         uint32_t segment, uint16_t column)
{
    return &r->columns[(segment + column * 37u + part * 61u) % READER_COLUMNS];
}

/* FW_ECORRUPT where times do not rise; else their step, or 0. */
static fw_rc look_at_times(const fw_ms *t, size_t n, fw_ms *step,
                           struct fw_err *err)
{
    uint64_t first = n > 1 ? (uint64_t)t[1] - (uint64_t)t[0] : 0;
    uint64_t differs = 0;
    unsigned falls = 0;

    for (size_t i = 1; i < n; i++) {
        falls |= t[i] <= t[i - 1];
        differs |= ((uint64_t)t[i] - (uint64_t)t[i - 1]) ^ first;
    }
    if (falls != 0)
        return fw_err_set(err, FW_ECORRUPT, "times do not rise");
    *step = n > 1 && differs == 0 && first <= INT64_MAX ? (fw_ms)first : 0;
    return FW_OK;
}

static fw_rc fill_column(struct reader_column *slot, const struct segment *s,
                         const struct block_ref *ref, struct fw_err *err)
{
    fw_rc rc;

    slot->filled = false;
    if (slot->cap < ref->n) {
        free(slot->t);
        slot->t = aligned_room(ref->n, sizeof(*slot->t));
        slot->cap = slot->t != NULL ? ref->n : 0;
    }
    if (slot->t == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = segment_times(s, ref->column, ref->n, slot->t, err);
    if (rc == FW_OK)
        rc = look_at_times(slot->t, ref->n, &slot->step, err);
    if (rc != FW_OK)
        return rc;
    slot->part = ref->part;
    slot->segment = ref->segment;
    slot->column = ref->column;
    slot->n = ref->n;
    slot->filled = true;
    return FW_OK;
}

static fw_rc read_times(struct block_reader *r, const struct segment *s,
                        const struct block_ref *ref, struct fw_run *run,
                        struct fw_err *err)
{
    struct reader_column *slot =
        column_slot(r, ref->part, ref->segment, ref->column);
    fw_rc rc = FW_OK;

    if (!slot->filled || slot->segment != ref->segment ||
        slot->part != ref->part || slot->column != ref->column ||
        slot->n != ref->n)
        rc = fill_column(slot, s, ref, err);
    if (rc != FW_OK)
        return rc;
    if (slot->t[0] != ref->t_min || slot->t[ref->n - 1] != ref->t_max)
        return fw_err_set(err, FW_ECORRUPT,
                          "times do not agree with the directory");
    *run = (struct fw_run){.t = slot->t, .n = ref->n, .step = slot->step};
    return FW_OK;
}

/* ---- Segments -------------------------------------------------------------
 */

static struct reader_segment *segment_slot(struct block_reader *r,
                                           uint16_t part, uint32_t segment)
{
    struct reader_segment *slot = &r->segments[slot_number(part, segment)];

    if (!slot->filled || slot->part != part || slot->segment != segment) {
        segment_slot_clear(slot);
        slot->filled = true;
        slot->part = part;
        slot->segment = segment;
    }
    return slot;
}

static void forget_inflated(struct block_reader *r)
{
    for (size_t i = 0; i < READER_SEGMENTS; i++) {
        free(r->segments[i].data);
        r->segments[i].data = NULL;
        r->segments[i].data_bytes = 0;
    }
}

static fw_rc inflate(struct block_reader *r, struct reader_segment *slot,
                     const struct segment *s, struct fw_err *err)
{
    size_t kept = s->data_bytes;
    uint8_t *data;
    fw_rc rc;

    for (size_t i = 0; i < READER_SEGMENTS; i++)
        kept += r->segments[i].data_bytes;
    if (kept > INFLATED_MAX)
        forget_inflated(r);
    data = malloc(s->data_bytes);
    if (data == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = segment_inflate(s, data, err);
    if (rc != FW_OK) {
        free(data);
        return rc;
    }
    slot->data = data;
    slot->data_bytes = s->data_bytes;
    return FW_OK;
}

/* Where the blocks of a segment are to be read from. */
static fw_rc find_data(struct block_reader *r, struct segment *s,
                       const struct block_ref *ref, struct fw_err *err)
{
    struct reader_segment *slot;
    fw_rc rc = FW_OK;

    if (!s->deflated)
        return FW_OK;
    slot = segment_slot(r, ref->part, ref->segment);
    if (slot->data == NULL)
        rc = inflate(r, slot, s, err);
    if (rc == FW_OK && slot->data_bytes != s->data_bytes)
        return fw_err_set(err, FW_ECORRUPT, "a segment has changed");
    if (rc == FW_OK)
        s->data = slot->data;
    return rc;
}

/* The segment of a block, in the file that is looked at. */
static fw_rc find_segment(struct block_reader *r, struct partition *part,
                          const struct block_ref *ref, struct segment *out,
                          struct fw_err *err)
{
    struct reader_segment *slot = segment_slot(r, ref->part, ref->segment);
    struct reader_look *look = NULL;
    uint64_t before = r->look_count;
    fw_rc rc;

    keep_budget(r);
    rc = look_at(r, part, &look, err);
    if (rc == FW_OK && slot->look != look->number) {
        rc = partition_segment(&look->view, ref->segment, &slot->open, err);
        if (rc != FW_OK && look->number <= before) {
            end_look(look); /* it may be younger than the look at its file */
            return find_segment(r, part, ref, out, err);
        }
        slot->look = rc == FW_OK ? look->number : 0;
    }
    if (rc == FW_OK)
        *out = slot->open;
    return rc;
}

static fw_rc read_samples(struct block_reader *r, struct segment *s,
                          const struct block_ref *ref, uint32_t series,
                          struct fw_run *out, struct fw_err *err)
{
    fw_rc rc;

    if (r->v_cap < ref->n) {
        free(r->v);
        r->v = aligned_room(ref->n, sizeof(*r->v));
        r->v_cap = r->v != NULL ? ref->n : 0;
    }
    if (r->v == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = read_times(r, s, ref, out, err);
    if (rc == FW_OK)
        rc = find_data(r, s, ref, err);
    if (rc == FW_OK)
        rc = segment_values(s, series, ref->offset, ref->bytes, ref->n, r->v,
                            err);
    out->v = r->v;
    return rc;
}

fw_rc block_reader_read(struct block_reader *r, struct partition *part,
                        const struct block_ref *ref, uint32_t series,
                        struct fw_run *out, struct fw_err *err)
{
    struct fw_run run = {0};
    struct segment s;
    fw_rc rc = find_segment(r, part, ref, &s, err);

    if (rc == FW_OK)
        rc = read_samples(r, &s, ref, series, &run, err);
    if (!r->holds)
        block_reader_look_away(r);
    if (rc == FW_ECORRUPT)
        return fw_err_prefix(err, "%s, segment %u, block at byte %u",
                             part->path, ref->segment, ref->offset);
    if (rc == FW_OK)
        *out = run;
    return rc;
}

/* ---- Summaries ------------------------------------------------------------
 */

static fw_rc read_directory(struct block_reader *r, struct partition *part,
                            const struct block_ref *ref,
                            struct reader_segment **out, struct fw_err *err)
{
    struct reader_segment *slot = segment_slot(r, ref->part, ref->segment);
    struct segment s;
    fw_rc rc;

    *out = slot;
    if (slot->blocks != NULL)
        return FW_OK;
    rc = find_segment(r, part, ref, &s, err);
    if (rc == FW_OK)
        rc = segment_directory(&s, &slot->blocks, err);
    if (rc == FW_OK)
        slot->block_count = s.block_count;
    if (!r->holds)
        block_reader_look_away(r);
    if (rc == FW_ECORRUPT)
        return fw_err_prefix(err, "%s, segment %u", part->path, ref->segment);
    return rc;
}

static const struct segment_block *find_block(const struct reader_segment *slot,
                                              uint32_t offset)
{
    uint32_t low = 0;
    uint32_t n = slot->block_count;

    while (n > 0) {
        uint32_t half = n / 2;

        if (slot->blocks[low + half].offset < offset) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low < slot->block_count ? &slot->blocks[low] : NULL;
}

fw_rc block_reader_summary(struct block_reader *r, struct partition *part,
                           const struct block_ref *ref, uint32_t series,
                           struct fw_summary *out, struct fw_err *err)
{
    struct reader_segment *slot = NULL;
    const struct segment_block *b;
    fw_rc rc = read_directory(r, part, ref, &slot, err);

    if (rc != FW_OK)
        return rc;
    b = find_block(slot, ref->offset);
    if (b == NULL || b->offset != ref->offset || b->series != series ||
        b->n != ref->n || b->t_min != ref->t_min || b->t_max != ref->t_max)
        return fw_err_set(err, FW_ECORRUPT,
                          "%s, segment %u: its directory does not have the "
                          "block at byte %u",
                          part->path, ref->segment, ref->offset);
    *out = (struct fw_summary){.t_first = b->t_min,
                               .t_last = b->t_max,
                               .n = b->n,
                               .nans = b->nans,
                               .min = b->min,
                               .max = b->max,
                               .sum = b->sum,
                               .first = b->first,
                               .last = b->last,
                               .increase = b->increase};
    return FW_OK;
}

/* ---- The pool -------------------------------------------------------------
 */

void reader_pool_init(struct reader_pool *pool, const struct fw_clock *clock,
                      uint64_t budget_ns)
{
    *pool = (struct reader_pool){.clock = clock, .budget_ns = budget_ns};
    (void)pthread_mutex_init(&pool->lock, NULL);
}

void reader_pool_release(struct reader_pool *pool)
{
    while (pool->idle != NULL) {
        struct block_reader *r = pool->idle;

        pool->idle = r->next;
        block_reader_free(r);
    }
    (void)pthread_mutex_destroy(&pool->lock);
}

struct block_reader *reader_pool_take(struct reader_pool *pool)
{
    struct block_reader *r;

    (void)pthread_mutex_lock(&pool->lock);
    r = pool->idle;
    if (r != NULL) {
        pool->idle = r->next;
        pool->count--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (r == NULL)
        r = block_reader_new();
    if (r != NULL)
        r->pool = pool;
    return r;
}

void reader_pool_give(struct reader_pool *pool, struct block_reader *r)
{
    if (r == NULL)
        return;
    r->holds = false;
    block_reader_look_away(r);
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->count < POOL_MAX) {
        r->next = pool->idle;
        pool->idle = r;
        pool->count++;
        r = NULL;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    block_reader_free(r);
}
