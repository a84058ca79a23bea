/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * names.h - the names one sender uses, as the bytes it writes them in.
 *
 *     cpu,host=a,rack=7 user=55,system=73 1795305600000000000
 *     `---- head ----'  `--'    `----' fields
 *
 * A head is what the values of a line share: InfluxDB's measurement and tags,
 * Graphite's path, OpenTSDB's metric and tags. Its fields have the ids of
 * series; where the protocol has no fields there is one with an empty name.
 *
 * Senders say the same lines in the same order again and again. So a head
 * knows which head came after it the last time and which field came first, and
 * a field which came after it: what is foreseen costs a comparison, what is
 * only known a hash. One thread at a time.
 */
#ifndef SERVER_INGEST_NAMES_H
#define SERVER_INGEST_NAMES_H

#include "server/ingest/line.h"
#include "storage/base/hash.h"

#define NAMES_NONE FW_INDEX_NONE

/* Bytes behind the text of the names that may be read, though not used. */
#define NAMES_SLACK 16

struct names_head {
    uint32_t at;        /* in the text */
    uint32_t n, tail_n; /* bytes of the series; of OpenTSDB's tags behind it */
    uint32_t next;      /* the head of the line after, the last time */
    uint32_t first;     /* the field that came first, the last time */
    uint8_t protocol;   /* enum line_protocol */
    bool plain; /* any line that begins so and is foreseen is of its protocol */
};

struct names_field {
    uint32_t at, n; /* in the text */
    uint32_t head;
    uint32_t id;
    uint32_t next; /* the field after it, the last time */
};

struct names {
    uint64_t seed;
    struct names_head *heads;
    size_t head_count, head_cap;
    struct names_field *fields;
    size_t field_count, field_cap;
    struct fw_index by_head, by_field;
    struct fw_buf text;
    uint32_t last;   /* head of the last line, or NAMES_NONE */
    uint64_t resets; /* times all was forgotten for want of room */
};

void names_init(struct names *names);
void names_release(struct names *names);

/* Begins anew: the ids may not hold any more. */
void names_forget(struct names *names);

/*
 * Sees to it that a line of `fields` values and `bytes` of names finds room
 * under FW_MAX_SERIES_CACHE: a sender with more than that starts over.
 */
void names_make_room(struct names *names, size_t fields, size_t bytes);

/* How often that happened since it was asked last. */
static inline uint64_t names_take_resets(struct names *names)
{
    uint64_t resets = names->resets;

    names->resets = 0;
    return resets;
}

/* NAMES_NONE: not known. */
uint32_t names_find_head(const struct names *names, enum line_protocol protocol,
                         struct fw_str series, struct fw_str tail);
uint32_t names_find_field(const struct names *names, uint32_t head,
                          struct fw_str field);

/*
 * NAMES_NONE: memory ran out. That costs time, never data. `like` is a field
 * that may have the same name, whose bytes are shared then, or NAMES_NONE.
 */
uint32_t names_add_head(struct names *names, enum line_protocol protocol,
                        struct fw_str series, struct fw_str tail);
uint32_t names_add_field(struct names *names, uint32_t head,
                         struct fw_str field, uint32_t id, uint32_t like);

/* What comes after the last line now is expected there the next time. */
static inline void names_step(struct names *names, uint32_t head)
{
    if (names->last != NAMES_NONE && names->heads[names->last].next != head)
        names->heads[names->last].next = head;
    names->last = head;
}

/* The head that came after the last line the time before, or NULL. */
static inline const struct names_head *names_foreseen(const struct names *names)
{
    uint32_t next =
        names->last != NAMES_NONE ? names->heads[names->last].next : NAMES_NONE;

    return next != NAMES_NONE ? &names->heads[next] : NULL;
}

#endif
