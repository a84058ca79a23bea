/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crew.h - threads that help whoever has work to share.
 *
 * Who has a task asks for helpers, works on it as well, and dismisses them:
 * helpers that have not begun never will, and those at work are waited for.
 * So a task may live on the stack of its owner, and a crew that is busy
 * elsewhere delays nobody.
 */
#ifndef FW_QUERY_CREW_H
#define FW_QUERY_CREW_H

#include "query/query.h"

struct crew_task {
    /* Runs on a helper's thread, in several at once; returns when done. */
    void (*help)(struct crew_task *task);
    struct crew_task *next; /* crew.lock, as the rest */
    size_t wanted;          /* helpers that have not begun */
    size_t at_work;
};

/* How many helpers there can be. 0 for NULL. */
size_t crew_size(const struct fw_crew *crew);

/* Asks for helpers; the owner goes on at once. */
void crew_ask(struct fw_crew *crew, struct crew_task *task, size_t helpers);

/* No helper is at work on the task any more when it returns. */
void crew_dismiss(struct fw_crew *crew, struct crew_task *task);

#endif
