/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_chunk.h - samples in memory, packed: the chunks of one series back to
 * back in one piece of memory, its "area".
 *
 * A tail that is full becomes a small chunk; small chunks and a tail that
 * together fill a middling one (HEAD_CHUNK_MIDDLE) are packed again as that,
 * and so are middling ones that fill a big one (HEAD_CHUNK_SAMPLES). Big ones
 * stay as they are until they are sealed, two to a block. So a sample is packed
 * three times, and takes nearly what it will take on disk.
 */
#ifndef STORAGE_HEAD_CHUNK_H
#define STORAGE_HEAD_CHUNK_H

#include "storage/codec/values.h"
#include "storage/head/head_times.h"

#define HEAD_CHUNK_MIDDLE 64
#define HEAD_CHUNK_SAMPLES 256 /* of a big chunk; others have less */
#define HEAD_TIMES_ROOM (1024 + 16 * HEAD_CHUNK_SAMPLES)
#define HEAD_VALUES_ROOM (1024 + 16 * HEAD_CHUNK_SAMPLES)
#define HEAD_CHUNK_HEADER 12

struct head_chunk {
    struct head_times *times; /* the area holds a reference */
    const uint8_t *values;
    uint16_t n, bytes;
};

/* The chunk at offset `at` of an area; returns the offset of the next one. */
size_t head_chunk_get(const char *area, size_t at, struct head_chunk *out);

/* Writes a chunk to `to`, HEAD_CHUNK_HEADER + bytes long, and returns that. */
size_t head_chunk_put(char *to, struct head_times *times, const uint8_t *values,
                      size_t bytes);

void head_chunk_values(const struct head_chunk *chunk, double *out);

/* Counts a reference for each chunk of an area, or takes it back. */
void head_area_ref(const char *area, size_t bytes);
void head_area_unref(const char *area, size_t bytes);

/* Which times a piece was made of, so that neighbours share the outcome. */
#define HEAD_PIECE_SOURCES 9
struct head_piece_key {
    struct {
        uint64_t id;
        uint32_t at, n;
    } sources[HEAD_PIECE_SOURCES];
    size_t count;
};

#define HEAD_MEMOS 64
struct head_memo {
    struct head_piece_key key;
    struct head_times *times; /* a reference */
};

/* The one that packs; one thread. Starts zeroed. */
struct head_packer {
    struct head_memo memos[HEAD_MEMOS];
    char *fresh; /* owned: chunks of the last head_pack() */
    size_t fresh_bytes, fresh_cap;
};

void head_packer_release(struct head_packer *p);

/*
 * Packs the tail: p->fresh is then what has to stand behind the first *keep
 * bytes of the area, each of its chunks with a reference. FW_ENOMEM: p->fresh
 * is empty.
 */
FW_CHECK fw_rc head_pack(struct head_packer *p, const char *area, size_t bytes,
                         const struct head_column *column, uint32_t column_at,
                         const uint64_t *tail, size_t tail_n,
                         struct values_hint *hint, size_t *keep);

#endif
