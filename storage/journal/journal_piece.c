/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_piece.c - see docs/formats/journal.md.
 *
 * Senders give rows: series with neighbouring ids, all at one time. So ids and
 * times are runs, and next to nothing; the values of a row are packed as a
 * block is, one series beside the other. Nothing refers to another record, so
 * each can be lost alone.
 */
#include "storage/journal/journal_piece.h"

#include <assert.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/times.h"

#define TIMES_PACKED 1
#define SOME_LATE 2
#define RUN_LONG 1  /* a length follows */
#define RUN_STAYS 2 /* the id stays the same; else it counts up */

#define MAX JOURNAL_PIECE_SAMPLES
#define ROOM (24 * MAX + 4096)

static_assert(MAX * FW_VARINT_MAX_BYTES * 2 < 24 * MAX, "runs have room");

/* ---- Writing --------------------------------------------------------------
 */

static size_t id_run(const struct journal_piece *p, size_t at, bool *stays)
{
    size_t end = at + 1;

    *stays = end < p->n && p->ids[end] == p->ids[at];
    while (end < p->n && p->ids[end] == p->ids[end - 1] + (*stays ? 0u : 1u))
        end++;
    return end - at;
}

static char *put_ids(const struct journal_piece *p, uint32_t last, char *to)
{
    for (size_t i = 0; i < p->n;) {
        bool stays;
        size_t n = id_run(p, i, &stays);
        int64_t step = (int64_t)p->ids[i] - (int64_t)last;

        to +=
            fw_varint_put(to, fw_zigzag(step) << 2 | (stays ? RUN_STAYS : 0u) |
                                  (n > 1 ? RUN_LONG : 0u));
        if (n > 1)
            to += fw_varint_put(to, n);
        i += n;
        last = p->ids[i - 1];
    }
    return to;
}

static size_t time_run(const struct journal_piece *p, size_t at)
{
    size_t end = at + 1;

    while (end < p->n && p->t[end] == p->t[at])
        end++;
    return end - at;
}

static char *put_times(const struct journal_piece *p, fw_ms last, char *to)
{
    for (size_t i = 0; i < p->n;) {
        size_t n = time_run(p, i);
        uint64_t step =
            (uint64_t)p->t[i] - (uint64_t)last; /* wraps, and back */

        to += fw_varint_put(to, n);
        to += fw_varint_put(to, fw_zigzag((int64_t)step));
        last = p->t[i];
        i += n;
    }
    return to;
}

static bool many_times(const struct journal_piece *p)
{
    size_t runs = 0;

    for (size_t i = 0; i < p->n; runs++)
        i += time_run(p, i);
    return runs > 4 && runs > p->n / 8;
}

static char *put_packed_times(const struct journal_piece *p, char *to)
{
    uint8_t packed[ROOM];
    size_t bytes = times_encode(p->t, p->n, packed);

    to += fw_varint_put(to, bytes);
    memcpy(to, packed, bytes);
    return to + bytes;
}

static char *put_late(const struct journal_piece *p, char *to)
{
    memset(to, 0, (p->n + 7) / 8);
    for (size_t i = 0; i < p->n; i++)
        to[i / 8] = (char)(to[i / 8] | (p->late[i] ? 1 << i % 8 : 0));
    return to + (p->n + 7) / 8;
}

fw_rc journal_piece_put(const struct journal_piece *piece,
                        struct journal_last *last, struct values_hint *hint,
                        struct fw_buf *out)
{
    bool packed = many_times(piece);
    uint8_t values[ROOM];
    char room[ROOM], *to = room;
    size_t bytes;
    fw_rc rc;

    FW_ASSERT(piece->n > 0 && piece->n <= MAX &&
              values_bound(MAX) <= sizeof(values) &&
              times_bound(MAX) <= sizeof(values));
    to += fw_varint_put(to, piece->n);
    *to++ =
        (char)((packed ? TIMES_PACKED : 0) | (piece->any_late ? SOME_LATE : 0));
    to = put_ids(piece, last->id, to);
    rc = fw_buf_add(out, room, (size_t)(to - room));
    to = packed ? put_packed_times(piece, room)
                : put_times(piece, last->t, room);
    if (piece->any_late)
        to = put_late(piece, to);
    bytes = values_encode_hastily(piece->v, piece->n, hint, values);
    to += fw_varint_put(to, bytes);
    if (rc == FW_OK)
        rc = fw_buf_add(out, room, (size_t)(to - room));
    if (rc == FW_OK)
        rc = fw_buf_add(out, values, bytes);
    last->id = piece->ids[piece->n - 1];
    last->t = piece->t[piece->n - 1];
    return rc;
}

/* ---- Reading --------------------------------------------------------------
 */

struct place {
    const char *p;
    size_t n, at;
};

static bool get_number(struct place *from, uint64_t *out)
{
    size_t took = fw_varint_get(from->p + from->at, from->n - from->at, out);

    from->at += took;
    return took > 0;
}

static bool get_ids(struct place *from, struct journal_piece *out,
                    uint32_t last)
{
    for (size_t i = 0; i < out->n;) {
        uint64_t word = 0, n = 1;
        int64_t id;

        if (!get_number(from, &word) || word >> 2 > (uint64_t)UINT32_MAX * 2 ||
            ((word & RUN_LONG) != 0 && !get_number(from, &n)))
            return false;
        id = (int64_t)last + fw_unzigzag(word >> 2);
        if (n == 0 || n > out->n - i || id < 0 ||
            id + (int64_t)n > (int64_t)UINT32_MAX)
            return false;
        for (uint64_t k = 0; k < n; k++)
            out->ids[i++] =
                (uint32_t)id + ((word & RUN_STAYS) != 0 ? 0 : (uint32_t)k);
        last = out->ids[i - 1];
    }
    return true;
}

static bool get_times(struct place *from, struct journal_piece *out, fw_ms last)
{
    for (size_t i = 0; i < out->n;) {
        uint64_t n = 0, step = 0;

        if (!get_number(from, &n) || !get_number(from, &step) || n == 0 ||
            n > out->n - i)
            return false;
        last = (fw_ms)((uint64_t)last + (uint64_t)fw_unzigzag(step));
        for (; n > 0; n--)
            out->t[i++] = last;
    }
    return true;
}

/* Bytes that have their length before them. */
static const uint8_t *get_bytes(struct place *from, size_t *bytes)
{
    const uint8_t *p;
    uint64_t n = 0;

    if (!get_number(from, &n) || n > from->n - from->at)
        return NULL;
    p = (const uint8_t *)from->p + from->at;
    from->at += (size_t)n;
    *bytes = (size_t)n;
    return p;
}

static bool get_packed_times(struct place *from, struct journal_piece *out)
{
    struct fw_err err = {0};
    size_t bytes = 0;
    const uint8_t *p = get_bytes(from, &bytes);

    return p != NULL && times_decode(p, bytes, out->n, out->t, &err) == FW_OK;
}

static bool get_late(struct place *from, struct journal_piece *out)
{
    if ((out->n + 7) / 8 > from->n - from->at)
        return false;
    for (size_t i = 0; i < out->n; i++)
        out->late[i] = (from->p[from->at + i / 8] >> i % 8 & 1) != 0;
    from->at += (out->n + 7) / 8;
    return true;
}

size_t journal_piece_get(const char *p, size_t n, struct journal_last *last,
                         struct journal_piece *out)
{
    struct place from = {p, n, 0};
    struct fw_err err = {0};
    const uint8_t *values;
    uint64_t count = 0;
    size_t bytes = 0;
    unsigned flags;

    if (!get_number(&from, &count) || count == 0 || count > MAX || from.at == n)
        return 0;
    out->n = (uint32_t)count;
    flags = (unsigned char)p[from.at++];
    out->any_late = (flags & SOME_LATE) != 0;
    if ((flags & ~(unsigned)(TIMES_PACKED | SOME_LATE)) != 0 ||
        !get_ids(&from, out, last->id))
        return 0;
    if (!((flags & TIMES_PACKED) != 0 ? get_packed_times(&from, out)
                                      : get_times(&from, out, last->t)))
        return 0;
    memset(out->late, 0, sizeof(out->late));
    if (out->any_late && !get_late(&from, out))
        return 0;
    values = get_bytes(&from, &bytes);
    if (values == NULL ||
        values_decode(values, bytes, out->n, out->v, &err) != FW_OK)
        return 0;
    last->id = out->ids[out->n - 1];
    last->t = out->t[out->n - 1];
    return from.at;
}
