/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/collect/mount_probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What one thread works through; shared with it, freed by the last to go. */
struct probe_round {
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t changed;
    int refs;    /* lock */
    size_t done; /* lock; results before it are final */
    bool over;   /* lock; the thread has ended */
    bool leave;  /* lock; nobody waits: stop after the present one */
    int (*statvfs)(const char *path, struct statvfs *out);
    size_t n;
    char **paths;
    struct mount_result *results;
};

static void round_unref_locked(struct probe_round *round)
{
    bool last = --round->refs == 0;

    (void)pthread_mutex_unlock(&round->lock);
    if (!last)
        return;
    for (size_t i = 0; round->paths != NULL && i < round->n; i++)
        free(round->paths[i]);
    free(round->paths);
    free(round->results);
    (void)pthread_cond_destroy(&round->changed);
    (void)pthread_mutex_destroy(&round->lock);
    free(round);
}

static void round_unref(struct probe_round *round)
{
    (void)pthread_mutex_lock(&round->lock);
    round_unref_locked(round);
}

static struct probe_round *round_new(const struct mount_probe *probe,
                                     const char *const *paths, size_t n)
{
    struct probe_round *round = calloc(1, sizeof(*round));
    pthread_condattr_t attr;
    bool ok = true;

    if (round == NULL)
        return NULL;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&round->lock, NULL);
    (void)pthread_cond_init(&round->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    round->refs = 1;
    round->n = n;
    round->statvfs = probe->statvfs;
    round->paths = calloc(n, sizeof(*round->paths));
    round->results = calloc(n, sizeof(*round->results));
    ok = round->paths != NULL && round->results != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        round->paths[i] = strdup(paths[i]);
        ok = round->paths[i] != NULL;
    }
    if (ok)
        return round;
    round_unref(round);
    return NULL;
}

static void *work(void *self)
{
    struct probe_round *round = self;
    bool leave = false;

    for (size_t i = 0; i < round->n && !leave; i++) {
        struct mount_result result = {0};

        result.ok = round->statvfs(round->paths[i], &result.size) == 0;
        (void)pthread_mutex_lock(&round->lock);
        round->results[i] = result;
        round->done = i + 1;
        leave = round->leave;
        (void)pthread_cond_signal(&round->changed);
        (void)pthread_mutex_unlock(&round->lock);
    }
    (void)pthread_mutex_lock(&round->lock);
    round->over = true;
    round_unref_locked(round);
    return NULL;
}

static bool start(struct probe_round *round)
{
    pthread_attr_t attr;
    pthread_t thread;
    bool ok;

    round->refs++; /* the thread's */
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    ok = pthread_create(&thread, &attr, work, round) == 0;
    (void)pthread_attr_destroy(&attr);
    if (!ok)
        round->refs--;
    return ok;
}

/* Waits until one more is done. False when it does not come in time. */
static bool wait_next(struct probe_round *round, size_t seen, int patience_ms)
{
    struct timespec end;
    int waited = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += patience_ms / 1000;
    end.tv_nsec += (long)(patience_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    while (round->done == seen && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&round->changed, &round->lock, &end);
    return round->done > seen;
}

/* How many of the n answered before one did not; results of those are set. */
static size_t run_until_hung(struct mount_probe *probe,
                             const char *const *paths, size_t n,
                             struct mount_result *results)
{
    struct probe_round *round = round_new(probe, paths, n);
    size_t done = 0;

    if (round == NULL)
        return n; /* no memory: all have failed */
    if (!start(round)) {
        round_unref(round);
        return n;
    }
    (void)pthread_mutex_lock(&round->lock);
    while (done < n && wait_next(round, done, probe->patience_ms))
        done = round->done;
    memcpy(results, round->results, done * sizeof(*results));
    round->leave = true;
    if (done < n && probe->hung_count < MOUNT_PROBE_HUNG_MAX) {
        probe->hung[probe->hung_count].round = round;
        (void)snprintf(probe->hung[probe->hung_count].path,
                       sizeof(probe->hung[0].path), "%s", paths[done]);
        probe->hung_count++;
        (void)pthread_mutex_unlock(&round->lock); /* the reference is kept */
        return done;
    }
    round_unref_locked(round);
    return done < n ? done : n;
}

static void forget_recovered(struct mount_probe *probe)
{
    size_t kept = 0;

    for (size_t i = 0; i < probe->hung_count; i++) {
        struct probe_round *round = probe->hung[i].round;
        bool over;

        (void)pthread_mutex_lock(&round->lock);
        over = round->over;
        (void)pthread_mutex_unlock(&round->lock);
        if (over)
            round_unref(round);
        else
            probe->hung[kept++] = probe->hung[i];
    }
    probe->hung_count = kept;
}

static bool is_hung(const struct mount_probe *probe, const char *path)
{
    for (size_t i = 0; i < probe->hung_count; i++)
        if (strcmp(probe->hung[i].path, path) == 0)
            return true;
    return false;
}

void mount_probe_run(struct mount_probe *probe, const char *const *paths,
                     size_t n, struct mount_result *results)
{
    size_t i = 0;

    forget_recovered(probe);
    memset(results, 0, n * sizeof(*results));
    while (i < n && probe->hung_count < MOUNT_PROBE_HUNG_MAX) {
        size_t end = i + 1;

        if (is_hung(probe, paths[i])) {
            i++;
            continue;
        }
        while (end < n && !is_hung(probe, paths[end]))
            end++;
        i += run_until_hung(probe, paths + i, end - i, results + i);
        if (i < end)
            i++; /* the one that hangs */
    }
}

void mount_probe_release(struct mount_probe *probe)
{
    for (size_t i = 0; i < probe->hung_count; i++)
        round_unref(probe->hung[i].round);
    probe->hung_count = 0;
}
