/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/crew.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct fw_crew {
    pthread_mutex_t lock;     /* leaf */
    pthread_cond_t wanted;    /* a task wants helpers, or it is time to go */
    pthread_cond_t dismissed; /* a helper left its task */
    struct crew_task *tasks;  /* that want helpers, oldest first; lock */
    bool closing;             /* lock */
    size_t size;
    size_t started; /* threads; lock */
    pthread_t threads[];
};

struct fw_crew *fw_crew_new(size_t threads)
{
    struct fw_crew *crew =
        calloc(1, sizeof(*crew) + threads * sizeof(crew->threads[0]));

    if (crew == NULL)
        return NULL;
    crew->size = threads;
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_cond_init(&crew->wanted, NULL);
    (void)pthread_cond_init(&crew->dismissed, NULL);
    return crew;
}

struct fw_crew *fw_crew_of_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return fw_crew_new(cores > 1 ? (size_t)cores - 1 : 0);
}

void fw_crew_free(struct fw_crew *crew)
{
    if (crew == NULL)
        return;
    (void)pthread_mutex_lock(&crew->lock);
    crew->closing = true;
    (void)pthread_cond_broadcast(&crew->wanted);
    (void)pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->started; i++)
        (void)pthread_join(crew->threads[i], NULL);
    (void)pthread_cond_destroy(&crew->wanted);
    (void)pthread_cond_destroy(&crew->dismissed);
    (void)pthread_mutex_destroy(&crew->lock);
    free(crew);
}

size_t crew_size(const struct fw_crew *crew)
{
    return crew != NULL ? crew->size : 0;
}

/* Takes a place at the oldest task; it leaves the list with its last one. */
static struct crew_task *take_place_locked(struct fw_crew *crew)
{
    struct crew_task *task = crew->tasks;

    if (--task->wanted == 0)
        crew->tasks = task->next;
    task->at_work++;
    return task;
}

static void *work(void *self)
{
    struct fw_crew *crew = self;

    (void)pthread_setname_np(pthread_self(), "query");
    (void)pthread_mutex_lock(&crew->lock);
    while (!crew->closing) {
        struct crew_task *task;

        if (crew->tasks == NULL) {
            (void)pthread_cond_wait(&crew->wanted, &crew->lock);
            continue;
        }
        task = take_place_locked(crew);
        (void)pthread_mutex_unlock(&crew->lock);
        task->help(task);
        (void)pthread_mutex_lock(&crew->lock);
        task->at_work--;
        (void)pthread_cond_broadcast(&crew->dismissed);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/*
 * Threads start with the first task, as nice as the thread that has it; where
 * one cannot, there are fewer.
 */
static void start_locked(struct fw_crew *crew)
{
    while (crew->started < crew->size) {
        if (pthread_create(&crew->threads[crew->started], NULL, work, crew) !=
            0)
            return;
        crew->started++;
    }
}

void crew_ask(struct fw_crew *crew, struct crew_task *task, size_t helpers)
{
    struct crew_task **end = &crew->tasks;

    task->at_work = 0;
    task->wanted = helpers;
    task->next = NULL;
    if (helpers == 0)
        return;
    (void)pthread_mutex_lock(&crew->lock);
    start_locked(crew);
    while (*end != NULL)
        end = &(*end)->next;
    *end = task;
    (void)pthread_cond_broadcast(&crew->wanted);
    (void)pthread_mutex_unlock(&crew->lock);
}

void crew_dismiss(struct fw_crew *crew, struct crew_task *task)
{
    (void)pthread_mutex_lock(&crew->lock);
    for (struct crew_task **at = &crew->tasks; *at != NULL; at = &(*at)->next) {
        if (*at == task) {
            *at = task->next;
            break;
        }
    }
    task->wanted = 0;
    while (task->at_work > 0)
        (void)pthread_cond_wait(&crew->dismissed, &crew->lock);
    (void)pthread_mutex_unlock(&crew->lock);
}
