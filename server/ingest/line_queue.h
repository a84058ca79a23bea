/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line_queue.h - what a sender waits for, in the order it came: batches in
 * flight, `#sync` tokens, and notes of good lines that could not be kept.
 *
 * A token is answered when it comes to the front. Everything before it is then
 * durable, or something is not, and the answer says which. One thread, but for
 * a batch's own entry while the store has it.
 */
#ifndef SERVER_INGEST_LINE_QUEUE_H
#define SERVER_INGEST_LINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/loop.h"
#include "storage/storage.h"

#define LINE_REASON_BYTES 256

/* A batch, a token or a note. A batch is its owner's until `done`. */
struct line_pending {
    struct loop_task task; /* brings the store's answer to the loop */
    struct line_pending *next;
    void *owner;
    bool is_token;
    bool done;
    fw_rc rc;
    uint32_t samples;             /* of the batch */
    uint32_t refused;             /* of them */
    char text[LINE_REASON_BYTES]; /* the token, or the reason of a refusal */
};

struct line_queue {
    struct line_pending *first, **last;
    size_t count;
    bool refused; /* something since the last token was not stored */
    bool noted;   /* a note since the last token */
    bool broken;  /* memory ran out: every token is refused from now on */
    char reason[LINE_REASON_BYTES];
};

void line_queue_init(struct line_queue *queue);

/* Frees all that is done; batches in flight stay until they are. */
void line_queue_forget(struct line_queue *queue);

/*
 * A batch takes its place. Its entry is filled when the store has answered, and
 * `done` set on the queue's thread. NULL when memory ran out: every token is
 * refused from then on.
 */
struct line_pending *line_queue_batch(struct line_queue *queue, void *owner,
                                      void (*answered)(struct loop_task *task));

/* A token takes its place. FW_ENOMEM. */
FW_CHECK fw_rc line_queue_token(struct line_queue *queue, struct fw_str token);

/* A good line could not be kept: the next token behind it will be refused. */
void line_queue_note(struct line_queue *queue, const char *reason);

/* Fills a batch's entry with what became of it. Any thread; posts nothing. */
void line_pending_set(struct line_pending *p, fw_rc rc, uint32_t refused,
                      const char *reason);

/*
 * Takes off what is done at the front; calls `answer` for each token, with the
 * reason if it is refused, else NULL.
 */
void line_queue_settle(struct line_queue *queue,
                       void (*answer)(void *self, const char *token,
                                      const char *reason),
                       void *self);

#endif
