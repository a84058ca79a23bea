/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * series_scan.c - the series lie in chunks, the chunks in a ring of slots.
 * Whoever is free takes the next chunk whose slot is free and makes its rows;
 * the thread that runs the scan takes finished chunks in order and makes chunks
 * itself while the next in order is not done. So rows come in the order of the
 * series, and there are never more of them in memory than the ring has.
 *
 * A scan begins alone. If the first series shows that there is much to do,
 * helpers are asked for.
 */
#include "query/eval/series_scan.h"

#include <pthread.h>
#include <stdlib.h>

#include "query/crew.h"

/* In samples and values; a sample takes about a nanosecond. */
#define WORK_TO_SHARE 400000
#define WORK_OF_CHUNK 65536
#define CHUNK_SERIES_MAX 512
#define CHUNK_VALUES_MAX 131072
#define SLOTS_PER_THREAD 3
#define HOLD_SERIES 32 /* that one thread alone reads in one look at files */

struct chunk {
    size_t first, count; /* series */
    double *rows;        /* of the slot */
    bool *has;           /* per series: it has points */
    size_t made;         /* series until the end, or the failure */
    fw_rc rc;
    struct fw_err err;
    bool done; /* lock */
};

/* A scan that several threads work on. */
struct shared {
    struct crew_task task;
    struct scan *scan;
    const struct fw_series *series;
    size_t first, count; /* series that are shared: first <= i < count */
    size_t per_chunk, chunks;
    struct chunk *slots;
    size_t slot_count;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a chunk is done, or a slot is free */
    size_t next;            /* chunk to make; lock */
    size_t taken;           /* chunks taken; lock */
    bool stop;              /* lock */
    struct node_cost cost;  /* of readers that are through; lock */
};

static fw_rc make_row(struct scan *scan, struct reader *reader, uint32_t series,
                      double *out)
{
    fw_rc rc;

    reader->rows_test = scan->rows;
    reader->rows_self = scan->digest_self;
    rc = reader_read(reader, series, scan->from, scan->to, scan->stale,
                     scan->digest, scan->digest_self);
    if (rc != FW_OK)
        return rc;
    if (reader->samples.n == 0 && reader->digest_count == 0)
        return FW_NONE;
    rc = budget_steps(scan->ev->budget, scan->steps, &reader->err);
    if (rc != FW_OK)
        return rc;
    return scan->make(scan, reader, series, out);
}

static void add_cost(struct node_cost *to, const struct node_cost *from)
{
    to->samples += from->samples;
    to->runs += from->runs;
    to->skipped += from->skipped;
    to->summarised += from->summarised;
    to->rolled += from->rolled;
    to->threads++;
}

/* ---- Together -------------------------------------------------------------
 */

static void make_chunk(struct shared *s, struct reader *reader,
                       struct chunk *chunk)
{
    chunk->rc = FW_OK;
    reader_hold(reader, true);
    for (chunk->made = 0; chunk->made < chunk->count; chunk->made++) {
        size_t i = chunk->made;
        fw_rc rc = make_row(s->scan, reader, s->series[chunk->first + i].id,
                            chunk->rows + i * s->scan->steps);

        chunk->has[i] = rc == FW_OK;
        if (rc == FW_OK || rc == FW_NONE)
            continue;
        chunk->rc = rc;
        chunk->err = reader->err;
        break;
    }
    reader_hold(reader, false);
}

/* The next chunk to make, or NULL if there is none for now. */
static struct chunk *next_chunk_locked(struct shared *s)
{
    struct chunk *chunk;
    size_t left;

    if (s->stop || s->next == s->chunks || s->next >= s->taken + s->slot_count)
        return NULL;
    chunk = &s->slots[s->next % s->slot_count];
    chunk->first = s->first + s->next * s->per_chunk;
    left = s->count - chunk->first;
    chunk->count = left < s->per_chunk ? left : s->per_chunk;
    chunk->done = false;
    s->next++;
    return chunk;
}

/* Makes one chunk, without the lock. */
static void make_unlocked(struct shared *s, struct reader *reader,
                          struct chunk *chunk)
{
    (void)pthread_mutex_unlock(&s->lock);
    make_chunk(s, reader, chunk);
    (void)pthread_mutex_lock(&s->lock);
    chunk->done = true;
    (void)pthread_cond_broadcast(&s->changed);
}

static void help(struct crew_task *task)
{
    struct shared *s = (struct shared *)task;
    struct reader reader;

    reader_init(&reader, s->scan->ev);
    (void)pthread_mutex_lock(&s->lock);
    while (!s->stop && s->next < s->chunks) {
        struct chunk *chunk = next_chunk_locked(s);

        if (chunk != NULL)
            make_unlocked(s, &reader, chunk);
        else
            (void)pthread_cond_wait(&s->changed, &s->lock);
    }
    add_cost(&s->cost, &reader.cost);
    (void)pthread_mutex_unlock(&s->lock);
    reader_release(&reader);
}

static fw_rc take_chunk(struct shared *s, const struct chunk *chunk)
{
    struct scan *scan = s->scan;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < chunk->made && rc == FW_OK; i++) {
        if (chunk->has[i])
            rc = scan->take(scan, &s->series[chunk->first + i].labels,
                            chunk->rows + i * scan->steps);
    }
    if (rc == FW_OK && chunk->rc != FW_OK) {
        rc = chunk->rc;
        if (scan->ev->err != NULL)
            *scan->ev->err = chunk->err;
    }
    return rc;
}

/* The part of the thread that runs the scan. */
static fw_rc lead(struct shared *s, struct reader *reader)
{
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&s->lock);
    while (s->taken < s->chunks && rc == FW_OK) {
        struct chunk *due = &s->slots[s->taken % s->slot_count];
        struct chunk *chunk;

        if (s->taken < s->next && due->done) {
            (void)pthread_mutex_unlock(&s->lock);
            rc = take_chunk(s, due);
            (void)pthread_mutex_lock(&s->lock);
            s->taken++;
            (void)pthread_cond_broadcast(&s->changed);
            continue;
        }
        chunk = next_chunk_locked(s);
        if (chunk != NULL)
            make_unlocked(s, reader, chunk);
        else
            (void)pthread_cond_wait(&s->changed, &s->lock);
    }
    s->stop = true;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

/* One piece of memory: the slots, their rows, their marks. */
static bool make_slots(struct shared *s, size_t steps)
{
    size_t rows = s->per_chunk * steps * sizeof(double);
    size_t one = sizeof(struct chunk) + rows + s->per_chunk * sizeof(bool);
    char *p = malloc(s->slot_count * one);

    s->slots = (struct chunk *)(void *)p;
    if (p == NULL)
        return false;
    p += s->slot_count * sizeof(struct chunk);
    for (size_t i = 0; i < s->slot_count; i++)
        s->slots[i].rows = (double *)(void *)(p + i * rows);
    p += s->slot_count * rows;
    for (size_t i = 0; i < s->slot_count; i++)
        s->slots[i].has = (bool *)(void *)(p + i * s->per_chunk);
    return true;
}

static size_t at_least_one(size_t n)
{
    return n > 0 ? n : 1;
}

/* The series from `first` on, together; `work` is what one of them takes. */
static fw_rc run_shared(struct scan *scan, const struct fw_series *series,
                        size_t first, size_t count, uint64_t work,
                        struct reader *reader)
{
    size_t helpers = crew_size(scan->ev->crew);
    struct shared s = {.task = {.help = help},
                       .scan = scan,
                       .series = series,
                       .first = first,
                       .count = count,
                       .slot_count = (helpers + 1) * SLOTS_PER_THREAD};
    fw_rc rc;

    s.per_chunk = scan->heavy ? 1 : at_least_one(WORK_OF_CHUNK / work);
    if (s.per_chunk > CHUNK_SERIES_MAX)
        s.per_chunk = CHUNK_SERIES_MAX;
    if (s.per_chunk * scan->steps > CHUNK_VALUES_MAX)
        s.per_chunk = at_least_one(CHUNK_VALUES_MAX / scan->steps);
    s.chunks = (count - first + s.per_chunk - 1) / s.per_chunk;
    if (!make_slots(&s, scan->steps))
        return fw_err_set(scan->ev->err, FW_ENOMEM, "out of memory");
    (void)pthread_mutex_init(&s.lock, NULL);
    (void)pthread_cond_init(&s.changed, NULL);
    crew_ask(scan->ev->crew, &s.task,
             helpers < s.chunks - 1 ? helpers : s.chunks - 1);
    rc = lead(&s, reader);
    crew_dismiss(scan->ev->crew, &s.task);
    add_cost(&s.cost, &reader->cost);
    reader->cost = s.cost;
    (void)pthread_cond_destroy(&s.changed);
    (void)pthread_mutex_destroy(&s.lock);
    free(s.slots);
    return rc;
}

/* ---- Alone, to begin with -------------------------------------------------
 */

static bool is_large(const struct scan *scan, uint64_t work, size_t left)
{
    if (crew_size(scan->ev->crew) == 0 || left < 2)
        return false;
    return scan->heavy || work * left >= WORK_TO_SHARE;
}

static fw_rc run_alone(struct scan *scan, const struct fw_series *series,
                       size_t count, double *row, struct reader *reader)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        uint64_t work = scan->steps + 64;

        if (i % HOLD_SERIES == 0)
            reader_hold(reader, false);
        reader_hold(reader, true);
        rc = make_row(scan, reader, series[i].id, row);
        if (rc == FW_OK)
            rc = scan->take(scan, &series[i].labels, row);
        else if (rc == FW_NONE)
            rc = FW_OK;
        else if (scan->ev->err != NULL)
            *scan->ev->err = reader->err;
        work += (reader->cost.samples - reader->cost.summarised) / (i + 1);
        /* Where the first series is mostly read, the others are read whole. */
        if (i == 0 && reader->cost.summarised < reader->cost.samples / 2)
            scan->digest = NULL;
        if (rc == FW_OK && is_large(scan, work, count - i - 1)) {
            reader_hold(reader, false);
            return run_shared(scan, series, i + 1, count, work, reader);
        }
    }
    reader_hold(reader, false);
    return rc;
}

fw_rc scan_run(struct scan *scan)
{
    struct eval *ev = scan->ev;
    struct fw_series *series = NULL;
    struct reader reader;
    size_t count = 0;
    double *row = NULL;
    fw_rc rc = select_series(ev, scan->selector, scan->from, scan->to, &series,
                             &count);

    if (rc == FW_OK)
        rc = eval_array(ev, scan->steps, &row);
    if (rc != FW_OK)
        return rc;
    reader_init(&reader, ev);
    rc = run_alone(scan, series, count, row, &reader);
    if (ev->costs != NULL)
        reader_account(&reader, &ev->costs[scan->selector->id]);
    reader_release(&reader);
    return rc;
}
