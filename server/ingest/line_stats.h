/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line_stats.h - what the line port counts, and the naming of bad lines.
 */
#ifndef SERVER_INGEST_LINE_STATS_H
#define SERVER_INGEST_LINE_STATS_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/ingest/line.h"

/* Counters since the start; any thread. */
struct line_stats {
    _Atomic uint64_t lines[LINE_PROTOCOLS]; /* taken */
    _Atomic uint64_t values[LINE_PROTOCOLS];
    _Atomic uint64_t skipped; /* strings and nan */
    _Atomic uint64_t bad[LINE_FAULTS];
    _Atomic uint64_t bytes;
    _Atomic uint64_t accepted;  /* connections */
    _Atomic uint64_t refused;   /* samples the store would not take */
    _Atomic uint64_t stalls;    /* times a sender waited for the store */
    _Atomic uint64_t held;      /* times a sender waited for its own answers */
    _Atomic uint64_t forgotten; /* times a sender's names were, for room */
    _Atomic uint64_t bad_unlogged; /* bad lines the log did not name */
};

static inline void line_stats_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/*
 * Names bad lines in the log: at most BAD_LINES_AT_ONCE in BAD_LINES_EVERY_MS,
 * then one line that says how many more there were.
 */
#define BAD_LINES_AT_ONCE 10
#define BAD_LINES_EVERY_MS 10000

struct bad_lines {
    pthread_mutex_t lock; /* leaf */
    uint64_t since_ns;    /* lock */
    unsigned named;       /* lock */
    uint64_t unnamed;     /* lock */
    struct line_stats *stats;
};

void bad_lines_init(struct bad_lines *bad, struct line_stats *stats);
void bad_lines_release(struct bad_lines *bad);

/* `from` is the sender; `detail` a sentence of the store, or NULL. */
void bad_lines_name(struct bad_lines *bad, uint64_t now_ns, const char *from,
                    uint64_t number, enum line_fault fault, const char *detail,
                    struct fw_str text);

/* The same for good lines whose samples the store would not take. */
void bad_lines_refused(struct bad_lines *bad, uint64_t now_ns, const char *from,
                       uint64_t samples, const char *reason);

#endif
