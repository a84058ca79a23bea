/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/head/head_times.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/hash.h"
#include "storage/head/head_chunk.h"

#define FIRST_CAP 4
#define FORKS_MAX 8 /* neighbours' columns looked at before making one */

static uint64_t next_id(void)
{
    static _Atomic uint64_t last;

    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

/* ---- Packed ---------------------------------------------------------------
 */

static struct head_times *make_times(const uint8_t *packed, size_t bytes,
                                     size_t n, fw_ms first, fw_ms last)
{
    struct head_times *times = malloc(sizeof(*times) + bytes);

    if (times == NULL)
        return NULL;
    times->id = next_id();
    atomic_init(&times->refs, 1);
    times->n = (uint16_t)n;
    times->bytes = (uint16_t)bytes;
    times->first = first;
    times->last = last;
    memcpy(times->packed, packed, bytes);
    return times;
}

struct head_times *head_times_new(const fw_ms *t, size_t n)
{
    uint8_t room[HEAD_TIMES_ROOM];

    FW_ASSERT(n > 0 && n <= HEAD_CHUNK_SAMPLES &&
              times_bound(n) <= sizeof(room));
    return make_times(room, times_encode(t, n, room), n, t[0], t[n - 1]);
}

struct head_times *head_times_of(const uint8_t *packed, size_t bytes, size_t n)
{
    fw_ms t[HEAD_CHUNK_SAMPLES];
    struct fw_err err = {0};

    if (n == 0 || n > HEAD_CHUNK_SAMPLES || bytes > HEAD_TIMES_ROOM ||
        times_decode(packed, bytes, n, t, &err) != FW_OK)
        return NULL;
    for (size_t i = 1; i < n; i++)
        if (t[i] <= t[i - 1])
            return NULL;
    return make_times(packed, bytes, n, t[0], t[n - 1]);
}

struct head_times *head_times_ref(struct head_times *times)
{
    (void)atomic_fetch_add_explicit(&times->refs, 1, memory_order_relaxed);
    return times;
}

void head_times_unref(struct head_times *times)
{
    if (times != NULL && atomic_fetch_sub(&times->refs, 1) == 1)
        free(times);
}

void head_times_get(const struct head_times *times, fw_ms *out)
{
    struct fw_err err = {0};
    fw_rc rc = times_decode(times->packed, times->bytes, times->n, out, &err);

    FW_ASSERT(rc == FW_OK); /* we packed them */
}

/* ---- Open -----------------------------------------------------------------
 */

struct head_column *head_column_ref(struct head_column *column)
{
    (void)atomic_fetch_add_explicit(&column->refs, 1, memory_order_relaxed);
    return column;
}

static void count_bytes(const struct head_column *c, int64_t times)
{
    int64_t bytes = (int64_t)(sizeof(*c) + c->cap * sizeof(*c->t));

    (void)atomic_fetch_add_explicit(c->bytes, times * bytes,
                                    memory_order_relaxed);
}

void head_column_unref(struct head_column *column)
{
    while (column != NULL && atomic_fetch_sub(&column->refs, 1) == 1) {
        struct head_column *next = column->grown;

        head_column_unref(column->fork); /* FORKS_MAX deep at most */
        count_bytes(column, -1);
        free(column);
        column = next;
    }
}

void head_recent_release(struct head_recent *recent)
{
    for (size_t i = 0; i < HEAD_RECENT; i++)
        head_column_unref(recent->columns[i]);
    memset(recent->columns, 0, sizeof(recent->columns));
}

/* The first n times of `like` (which may be NULL), then t. */
static struct head_column *copy_column(const struct head_recent *recent,
                                       const struct head_column *like,
                                       uint32_t n, fw_ms t)
{
    uint32_t cap = FIRST_CAP;
    struct head_column *c;

    while (cap < n + 1)
        cap *= 2;
    c = malloc(sizeof(*c) + cap * sizeof(*c->t));
    if (c == NULL)
        return NULL;
    *c = (struct head_column){
        .id = next_id(), .n = n + 1, .cap = cap, .bytes = recent->bytes};
    atomic_init(&c->refs, 1);
    count_bytes(c, 1);
    if (n > 0)
        memcpy(c->t, like->t, n * sizeof(*c->t));
    c->t[n] = t;
    return c;
}

static void move_to(struct head_column **column, struct head_column *to)
{
    if (*column == to)
        return;
    (void)head_column_ref(to);
    head_column_unref(*column);
    *column = to;
}

static bool begin(struct head_column **column, struct head_recent *recent,
                  fw_ms t)
{
    struct head_column **slot =
        &recent->columns[fw_hash64(&t, sizeof(t), 0) % HEAD_RECENT];
    struct head_column *made;

    if (*slot == NULL || (*slot)->t[0] != t) {
        made = copy_column(recent, NULL, 0, t);
        if (made == NULL)
            return false;
        head_column_unref(*slot);
        *slot = made;
    }
    move_to(column, *slot);
    return true;
}

/* The column to look at next, where `c` does not have t at index `at`. */
static struct head_column *successor(const struct head_recent *recent,
                                     struct head_column *c, uint32_t at,
                                     fw_ms t)
{
    bool full = at == c->n;
    struct head_column **link = full ? &c->grown : &c->fork;
    struct head_column *made;

    if (*link != NULL && (full || c->fork_at == at))
        return *link;
    made = copy_column(recent, c, at, t);
    if (made == NULL)
        return NULL;
    head_column_unref(*link);
    *link = made;
    c->fork_at = full ? c->fork_at : at;
    return made;
}

static bool has_or_adds(struct head_column *c, uint32_t at, fw_ms t)
{
    if (at < c->n)
        return c->t[at] == t;
    if (at >= c->cap)
        return false;
    c->t[c->n++] = t;
    return true;
}

bool head_column_take(struct head_column **column, struct head_recent *recent,
                      uint32_t at, fw_ms t)
{
    struct head_column *c = *column;

    if (at == 0)
        return begin(column, recent, t);
    for (int i = 0; i < FORKS_MAX; i++) {
        if (has_or_adds(c, at, t)) {
            move_to(column, c);
            return true;
        }
        c = successor(recent, c, at, t);
        if (c == NULL)
            return false;
    }
    c = copy_column(recent, *column, at, t); /* one that nobody will join */
    if (c == NULL)
        return false;
    head_column_unref(*column);
    *column = c;
    return true;
}
