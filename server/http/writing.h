/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * writing.h - one HTTP write on its way into the store.
 *
 * The parser of a protocol adds samples; they go to the committer in batches,
 * and when the last batch is durable the request is answered. What was not
 * taken is counted and the first of it named, for a client must never read a
 * 2xx where something was lost.
 */
#ifndef SERVER_HTTP_WRITING_H
#define SERVER_HTTP_WRITING_H

#include <pthread.h>

#include "server/http/api.h"
#include "server/ingest/line.h"

struct writing {
    struct call *call;
    enum api_write_protocol protocol;
    struct fw_batch batch;    /* being filled */
    struct fw_arena *scratch; /* for the labels of one series */
    fw_ms now;

    uint64_t refused; /* samples or lines that can never be stored */
    uint64_t limited; /* that --max-series kept out */
    char reason[FW_ERR_TEXT_BYTES]; /* of the first; "" while there is none */

    pthread_mutex_t lock; /* leaf; guards the rest */
    pthread_cond_t back;
    size_t out;        /* batches that are with the committer */
    bool parsed;       /* no more will come */
    fw_rc rc;          /* of the first batch that failed */
    uint64_t stored;   /* duplicates of what is there count as stored */
    uint64_t turned;   /* samples the store would not take */
    struct fw_err err; /* the sentence for rc, or for the first turned away */
};

/* NULL: out of memory, and the call is answered. It lives in call->arena. */
struct writing *writing_new(struct call *call,
                            enum api_write_protocol protocol);

/*
 * Adds a sample of a series. False: the store cannot take more now, and the
 * caller may as well stop parsing.
 */
bool writing_add(struct writing *w, uint32_t series, fw_ms t, double v);

/*
 * The id of labels not in the cache. False: refused and counted, as
 * `samples` of them; `name` is how the sender wrote the series.
 */
bool writing_series(struct writing *w, struct fw_label *labels, size_t n,
                    struct series_key key, struct fw_str name, uint64_t samples,
                    uint32_t *id);

/* True once the store has failed us: no use in going on. */
bool writing_broken(struct writing *w);

/* Counts what cannot be stored; the first sentence is kept for the reply. */
void writing_refuse(struct writing *w, uint64_t samples, const char *fmt, ...)
    FW_PRINTF(3, 4);

/* All is parsed: the call is answered now or when the last batch is back. */
void writing_end(struct writing *w);

/* Answers now, storing nothing: the request as a whole is wrong. */
void writing_fail(struct writing *w, int status, const char *fmt, ...)
    FW_PRINTF(3, 4);

/* Sets the reply of a write in the form its protocol's clients read. */
void writing_reply(struct call *call, enum api_write_protocol protocol,
                   int status, const char *text);

#endif
