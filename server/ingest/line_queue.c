/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/line_queue.h"

#include <stdio.h>
#include <stdlib.h>

void line_queue_init(struct line_queue *queue)
{
    *queue = (struct line_queue){.last = &queue->first};
}

void line_queue_forget(struct line_queue *queue)
{
    struct line_pending **place = &queue->first;

    while (*place != NULL) {
        struct line_pending *p = *place;

        if (p->done) {
            *place = p->next;
            queue->count--;
            free(p);
        } else {
            place = &p->next;
        }
    }
    queue->last = place;
}

static void refuse(struct line_queue *queue, const char *reason)
{
    if (!queue->refused)
        (void)snprintf(queue->reason, sizeof(queue->reason), "%s", reason);
    queue->refused = true;
}

/* Without memory for the queue no promise can be kept any more. */
static struct line_pending *add(struct line_queue *queue)
{
    struct line_pending *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        queue->broken = true;
        refuse(queue, "memory ran out");
        return NULL;
    }
    *queue->last = p;
    queue->last = &p->next;
    queue->count++;
    return p;
}

struct line_pending *line_queue_batch(struct line_queue *queue, void *owner,
                                      void (*answered)(struct loop_task *task))
{
    struct line_pending *p = add(queue);

    if (p != NULL) {
        p->owner = owner;
        p->task.run = answered;
    }
    return p;
}

fw_rc line_queue_token(struct line_queue *queue, struct fw_str token)
{
    struct line_pending *p = add(queue);

    if (p == NULL)
        return FW_ENOMEM;
    p->is_token = true;
    p->done = true;
    (void)snprintf(p->text, sizeof(p->text), "%.*s", FW_STR_ARG(token));
    queue->noted = false;
    return FW_OK;
}

/*
 * The note goes into the queue, for the token behind it and not for one before
 * it; one is enough.
 */
void line_queue_note(struct line_queue *queue, const char *reason)
{
    struct line_pending *p = queue->noted ? NULL : add(queue);

    if (p == NULL)
        return;
    line_pending_set(p, FW_EREADONLY, 0, reason);
    p->done = true;
    queue->noted = true;
}

void line_pending_set(struct line_pending *p, fw_rc rc, uint32_t refused,
                      const char *reason)
{
    p->rc = rc;
    p->refused = refused;
    (void)snprintf(p->text, sizeof(p->text), "%.255s", reason);
}

void line_queue_settle(struct line_queue *queue,
                       void (*answer)(void *self, const char *token,
                                      const char *reason),
                       void *self)
{
    while (queue->first != NULL && queue->first->done) {
        struct line_pending *p = queue->first;

        queue->first = p->next;
        if (queue->first == NULL)
            queue->last = &queue->first;
        queue->count--;
        if (p->is_token) {
            answer(self, p->text, queue->refused ? queue->reason : NULL);
            queue->refused = queue->broken;
        } else if (p->rc != FW_OK || p->refused > 0) {
            refuse(queue, p->text);
        }
        free(p);
    }
}
