/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/collect/collector.h"

#include <stdlib.h>
#include <unistd.h>

#include "server/collect/host.h"
#include "server/ingest/line.h"
#include "server/stepper.h"
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
    struct stepper stepper;
    uint64_t due_ns; /* its thread: monotonic, of the round after this one */
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

/* Rounds keep their distance; what was missed is left out. */
static fw_ms step(void *self)
{
    struct collector *c = self;
    const uint64_t every = (uint64_t)c->options.every * 1000000;
    uint64_t now = fw_clock_mono_ns(c->options.clock);

    if (c->due_ns == 0)
        c->due_ns = now;
    collect(c);
    now = fw_clock_mono_ns(c->options.clock);
    do
        c->due_ns += every;
    while (c->due_ns <= now);
    return (fw_ms)((c->due_ns - now + 999999) / 1000000);
}

static void release(struct collector *c)
{
    mount_probe_release(&c->mounts);
    sample_set_release(&c->set);
    stepper_release(&c->stepper);
    free(c);
}

fw_rc collector_start(const struct collector_options *options,
                      struct collector **out, struct fw_err *err)
{
    struct collector *c = calloc(1, sizeof(*c));
    fw_rc rc;

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
    stepper_init(&c->stepper);
    name_instance(c);
    if (sample_set_init(&c->set) != FW_OK) {
        release(c);
        return fw_err_set(err, FW_ENOMEM, "no memory for the collector");
    }
    rc = stepper_start(
        &c->stepper,
        &(struct stepper_task){.name = "collector", .step = step, .self = c}, 1,
        err);
    if (rc == FW_OK)
        *out = c;
    else
        release(c);
    return rc;
}

void collector_stop(struct collector *collector)
{
    if (collector == NULL)
        return;
    stepper_stop(&collector->stepper);
    release(collector);
}
