/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/collect/collector.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/collect/host.h"
#include "server/ingest/line.h"
#include "storage/base/log.h"

#define MOUNT_PATIENCE_MS 2000
#define TELL_EVERY                                                             \
    40 /* rounds between two log lines about the same trouble                  \
        */

struct collector {
    struct collector_options options;
    struct host host;
    struct mount_probe mounts;
    struct sample_set set;
    char instance[256];
    unsigned failures; /* rounds in a row */
    pthread_t thread;
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t changed;
    bool stopping; /* lock */
};

static void name_instance(struct collector *c)
{
    struct fw_buf text;

    (void)snprintf(c->instance, sizeof(c->instance), "localhost");
    if (host_read(c->host.proc, "sys/kernel/hostname", &text)) {
        struct fw_str rest = {text.data, text.len};
        struct fw_str line = {"", 0};
        struct fw_str word;

        (void)host_line(&rest, &line);
        word = line_word(&line);
        if (word.n > 0 && line_is_text(word))
            host_copy(word, c->instance, sizeof(c->instance));
    }
    fw_buf_release(&text);
}

static fw_rc store(struct collector *c, fw_ms t, const char *job,
                   struct fw_err *err)
{
    struct fw_label common[] = {{FW_STR("instance"), fw_str_of(c->instance)},
                                {FW_STR("job"), fw_str_of(job)}};

    return sample_set_store(&c->set, c->options.store, t, common, 2, err);
}

static void tell(struct collector *c, const struct fw_err *err)
{
    if (c->failures++ % TELL_EVERY == 0)
        fw_log(FW_LOG_WARN, "this machine's values were not stored: %s",
               err->text);
}

static void collect(struct collector *c)
{
    fw_ms t = fw_clock_now(c->options.clock);
    struct fw_err err = {0};
    fw_rc rc;

    sample_set_clear(&c->set);
    host_gather(&c->host, &c->set);
    sample_set_add(&c->set, "node_time_seconds", (double)t / 1000, NULL);
    rc = store(c, t, "host", &err);
    if (rc == FW_OK && c->options.own != NULL) {
        sample_set_clear(&c->set);
        c->options.own(c->options.self, &c->set);
        rc = store(c, t, "forewarn", &err);
    }
    if (rc != FW_OK)
        tell(c, &err);
    else
        c->failures = 0;
}

static struct timespec later(struct timespec t, fw_ms span)
{
    t.tv_sec += (time_t)(span / 1000);
    t.tv_nsec += (long)(span % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static bool is_past(struct timespec t)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > t.tv_sec ||
           (now.tv_sec == t.tv_sec && now.tv_nsec >= t.tv_nsec);
}

/* Waits until `due`. False when the collector is to stop. */
static bool wait_until(struct collector *c, struct timespec due)
{
    bool stopping;

    (void)pthread_mutex_lock(&c->lock);
    while (!c->stopping && !is_past(due))
        (void)pthread_cond_timedwait(&c->changed, &c->lock, &due);
    stopping = c->stopping;
    (void)pthread_mutex_unlock(&c->lock);
    return !stopping;
}

static void *work(void *self)
{
    struct collector *c = self;
    struct timespec due;

    (void)pthread_setname_np(pthread_self(), "collector");
    (void)clock_gettime(CLOCK_MONOTONIC, &due);
    do {
        collect(c);
        do /* rounds that were missed are left out */
            due = later(due, c->options.every);
        while (is_past(due));
    } while (wait_until(c, due));
    return NULL;
}

static void release(struct collector *c)
{
    mount_probe_release(&c->mounts);
    sample_set_release(&c->set);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

fw_rc collector_start(const struct collector_options *options,
                      struct collector **out, struct fw_err *err)
{
    struct collector *c = calloc(1, sizeof(*c));
    pthread_condattr_t attr;
    int failed;

    if (c == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for the collector");
    c->options = *options;
    c->mounts.statvfs = statvfs;
    c->mounts.patience_ms = MOUNT_PATIENCE_MS;
    c->host =
        (struct host){.proc = options->proc != NULL ? options->proc : "/proc",
                      .sys = options->sys != NULL ? options->sys : "/sys",
                      .mounts = &c->mounts,
                      .ticks_per_second = sysconf(_SC_CLK_TCK)};
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    name_instance(c);
    if (sample_set_init(&c->set) != FW_OK) {
        release(c);
        return fw_err_set(err, FW_ENOMEM, "no memory for the collector");
    }
    failed = pthread_create(&c->thread, NULL, work, c);
    if (failed != 0) {
        release(c);
        return fw_err_sys(err, failed, "cannot start the collector");
    }
    *out = c;
    return FW_OK;
}

void collector_stop(struct collector *collector)
{
    if (collector == NULL)
        return;
    (void)pthread_mutex_lock(&collector->lock);
    collector->stopping = true;
    (void)pthread_cond_signal(&collector->changed);
    (void)pthread_mutex_unlock(&collector->lock);
    (void)pthread_join(collector->thread, NULL);
    release(collector);
}
