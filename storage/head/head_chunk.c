/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/head/head_chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/bytes.h"
#include "storage/base/hash.h"

#define AREA_MAX ((size_t)1 << 30)

size_t head_chunk_get(const char *area, size_t at, struct head_chunk *out)
{
    const char *p = area + at;

    memcpy(&out->times, p, sizeof(struct head_times *));
    memcpy(&out->n, p + 8, sizeof(out->n));
    memcpy(&out->bytes, p + 10, sizeof(out->bytes));
    out->values = (const uint8_t *)p + HEAD_CHUNK_HEADER;
    return at + HEAD_CHUNK_HEADER + out->bytes;
}

size_t head_chunk_put(char *to, struct head_times *times, const uint8_t *values,
                      size_t bytes)
{
    uint16_t size = (uint16_t)bytes;

    static_assert(sizeof(struct head_times *) <= 8, "a chunk has room for it");
    memset(to, 0, 8);
    memcpy(to, &times, sizeof(struct head_times *));
    memcpy(to + 8, &times->n, sizeof(times->n));
    memcpy(to + 10, &size, sizeof(size));
    memcpy(to + HEAD_CHUNK_HEADER, values, bytes);
    return HEAD_CHUNK_HEADER + bytes;
}

void head_chunk_values(const struct head_chunk *chunk, double *out)
{
    struct fw_err err = {0};
    fw_rc rc = values_decode(chunk->values, chunk->bytes, chunk->n, out, &err);

    FW_ASSERT(rc == FW_OK); /* we packed them, or a checksum said so */
}

void head_area_ref(const char *area, size_t bytes)
{
    struct head_chunk chunk;

    for (size_t at = 0; at < bytes;) {
        at = head_chunk_get(area, at, &chunk);
        (void)head_times_ref(chunk.times);
    }
}

void head_area_unref(const char *area, size_t bytes)
{
    struct head_chunk chunk;

    for (size_t at = 0; at < bytes;) {
        at = head_chunk_get(area, at, &chunk);
        head_times_unref(chunk.times);
    }
}

void head_packer_release(struct head_packer *p)
{
    for (size_t i = 0; i < HEAD_MEMOS; i++)
        head_times_unref(p->memos[i].times);
    free(p->fresh);
    memset(p, 0, sizeof(*p));
}

/* ---- Packing --------------------------------------------------------------
 */

/* Samples that go into one chunk, gathered from small chunks and the tail. */
struct piece {
    struct head_piece_key key;
    fw_ms t[HEAD_CHUNK_SAMPLES];
    double v[HEAD_CHUNK_SAMPLES];
    size_t n;
};

static void note_source(struct piece *piece, uint64_t id, uint32_t at, size_t n)
{
    struct head_piece_key *key = &piece->key;

    /* Past what a key holds the count tells that there is none. */
    if (key->count < HEAD_PIECE_SOURCES) {
        key->sources[key->count].id = id;
        key->sources[key->count].at = at;
        key->sources[key->count].n = (uint32_t)n;
    }
    key->count++;
}

static struct head_memo *memo_of(struct head_packer *p,
                                 const struct head_piece_key *key)
{
    size_t last = key->count - 1;

    if (key->count > HEAD_PIECE_SOURCES)
        return NULL;
    return &p->memos[(key->sources[last].id * 31 + key->sources[last].at) %
                     HEAD_MEMOS];
}

static bool same_key(const struct head_piece_key *a,
                     const struct head_piece_key *b)
{
    return a->count == b->count &&
           memcmp(a->sources, b->sources, a->count * sizeof(a->sources[0])) ==
               0;
}

static struct head_times *times_of(struct head_packer *p,
                                   const struct piece *piece)
{
    struct head_memo *memo = memo_of(p, &piece->key);
    struct head_times *times;

    if (memo != NULL && memo->times != NULL &&
        same_key(&memo->key, &piece->key))
        return head_times_ref(memo->times);
    times = head_times_new(piece->t, piece->n);
    if (memo != NULL && times != NULL) {
        head_times_unref(memo->times);
        memo->times = head_times_ref(times);
        memo->key = piece->key;
    }
    return times;
}

/* Puts the gathered samples behind p->fresh and begins the next piece. */
static fw_rc close_piece(struct head_packer *p, struct piece *piece,
                         struct values_hint *hint)
{
    uint8_t room[HEAD_VALUES_ROOM];
    struct head_times *times;
    size_t bytes;
    fw_rc rc;

    if (piece->n == 0)
        return FW_OK;
    FW_ASSERT(values_bound(piece->n) <= sizeof(room));
    rc =
        fw_grow(&p->fresh, &p->fresh_cap,
                p->fresh_bytes + HEAD_CHUNK_HEADER + sizeof(room), 1, AREA_MAX);
    if (rc != FW_OK)
        return rc;
    times = times_of(p, piece);
    if (times == NULL)
        return FW_ENOMEM;
    bytes = values_encode(piece->v, piece->n, hint, room);
    p->fresh_bytes +=
        head_chunk_put(p->fresh + p->fresh_bytes, times, room, bytes);
    piece->n = 0;
    piece->key.count = 0;
    return FW_OK;
}

/* What the pieces are made in. */
struct packing {
    struct head_packer *packer;
    struct values_hint *hint;
    size_t most; /* samples of a piece */
    struct piece piece;
};

static fw_rc feed(struct packing *w, uint64_t id, uint32_t at, const fw_ms *t,
                  const void *v, size_t n)
{
    struct piece *piece = &w->piece;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < n && rc == FW_OK;) {
        size_t k = w->most - piece->n;

        k = k < n - i ? k : n - i;
        memcpy(piece->t + piece->n, t + i, k * sizeof(*piece->t));
        memcpy(piece->v + piece->n, (const char *)v + i * sizeof(double),
               k * sizeof(*piece->v));
        note_source(piece, id, at + (uint32_t)i, k);
        piece->n += k;
        i += k;
        if (piece->n == w->most)
            rc = close_piece(w->packer, piece, w->hint);
    }
    return rc;
}

static fw_rc feed_small(struct packing *w, const char *area, size_t from,
                        size_t bytes)
{
    struct head_chunk chunk;
    fw_ms t[HEAD_CHUNK_SAMPLES];
    double v[HEAD_CHUNK_SAMPLES];
    fw_rc rc = FW_OK;

    while (from < bytes && rc == FW_OK) {
        from = head_chunk_get(area, from, &chunk);
        head_times_get(chunk.times, t);
        head_chunk_values(&chunk, v);
        rc = feed(w, chunk.times->id, 0, t, v, chunk.n);
    }
    return rc;
}

/* Where the chunks of less than `most` at the end begin; their samples. */
static size_t find_small(const char *area, size_t bytes, size_t most,
                         size_t *samples)
{
    struct head_chunk chunk;
    size_t from = 0;

    *samples = 0;
    for (size_t at = 0; at < bytes;) {
        at = head_chunk_get(area, at, &chunk);
        if (chunk.n >= most) {
            from = at;
            *samples = 0;
        } else {
            *samples += chunk.n;
        }
    }
    return from;
}

fw_rc head_pack(struct head_packer *p, const char *area, size_t bytes,
                const struct head_column *column, uint32_t column_at,
                const uint64_t *tail, size_t tail_n, struct values_hint *hint,
                size_t *keep)
{
    struct packing w;
    size_t small = 0, from;
    fw_rc rc = FW_OK;

    w.packer = p; /* not all of it: a piece is large */
    w.hint = hint;
    w.piece.n = 0;
    w.piece.key.count = 0;
    p->fresh_bytes = 0;
    w.most = HEAD_CHUNK_SAMPLES;
    *keep = bytes;
    from = find_small(area, bytes, HEAD_CHUNK_SAMPLES, &small);
    if (small + tail_n < HEAD_CHUNK_SAMPLES) {
        w.most = HEAD_CHUNK_MIDDLE;
        from = find_small(area, bytes, HEAD_CHUNK_MIDDLE, &small);
    }
    if (small + tail_n >= w.most) {
        *keep = from;
        rc = feed_small(&w, area, from, bytes);
    }
    if (rc == FW_OK)
        rc = feed(&w, column->id, column_at, column->t + column_at, tail,
                  tail_n);
    if (rc == FW_OK)
        rc = close_piece(p, &w.piece, hint);
    if (rc != FW_OK) {
        head_area_unref(p->fresh, p->fresh_bytes);
        p->fresh_bytes = 0;
    }
    return rc;
}
