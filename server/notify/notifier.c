/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notifier.c - one pass after another over the outbox.
 *
 * A pass takes the first waiting note of each receiver that is not resting,
 * copies it out of its transaction, posts it, and removes it when that is
 * settled. Nothing but the pauses is kept in memory, so a restart goes on
 * where the last process stopped.
 */
#include "server/notify/notifier.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "server/notify/command.h"
#include "server/notify/email.h"
#include "server/notify/outbox.h"
#include "server/notify/webhook.h"
#include "server/stepper.h"
#include "storage/base/log.h"

#define FIRST_PAUSE_MS 1000
#define LONGEST_PAUSE_MS 60000
#define KEEP_MS (24 * FW_HOUR) /* an older note is no news any more */
#define IDLE_MS 1000

struct receiver {
    const struct config_webhook *hook;
    uint64_t rest_until_ns; /* monotonic; 0: ready */
    fw_ms pause;
    bool failing;        /* said so in the log already */
    uint64_t note;       /* picked in this pass; 0: none */
    size_t offset, size; /* its payload in the pass's buffer */
};

struct notifier {
    struct fw_store *store;
    const struct fw_clock *clock;
    struct webhook_client *client; /* notifier thread */
    struct receiver *receivers;    /* notifier thread */
    size_t receiver_count;
    struct fw_buf bodies; /* notifier thread */
    uint64_t *done;       /* notifier thread: ids to remove */
    size_t done_count, done_cap;
    struct stepper stepper;
    _Atomic uint64_t delivered, failed, dropped;
};

static struct receiver *receiver_of(struct notifier *n, struct fw_str url)
{
    for (size_t i = 0; i < n->receiver_count; i++)
        if (fw_str_eq(fw_str_of(n->receivers[i].hook->url), url))
            return &n->receivers[i];
    return NULL;
}

/* Out of memory postpones a removal: the note is seen again. */
static void finish(struct notifier *n, uint64_t id)
{
    if (fw_grow(&n->done, &n->done_cap, n->done_count + 1, sizeof(*n->done),
                1 << 20) == FW_OK)
        n->done[n->done_count++] = id;
}

static void drop(struct notifier *n, const struct note *note, const char *why)
{
    fw_log(FW_LOG_ERROR, "a notification to %.*s is given up: %s",
           FW_STR_ARG(note->url), why);
    atomic_fetch_add(&n->dropped, 1);
    finish(n, note->id);
}

/* Settled, but the disk would not let it go yet. */
static bool is_done(const struct notifier *n, uint64_t id)
{
    for (size_t i = 0; i < n->done_count; i++)
        if (n->done[i] == id)
            return true;
    return false;
}

static bool pick(void *self, const struct note *note)
{
    struct notifier *n = self;
    struct receiver *r = receiver_of(n, note->url);

    if (is_done(n, note->id))
        return true;
    if (note->url.n == 0)
        drop(n, note, "its record is damaged");
    else if (r == NULL)
        drop(n, note, "no receiver of the configuration has this URL");
    else if (fw_clock_now(n->clock) - note->created_at > KEEP_MS)
        drop(n, note, "it waited for more than a day");
    else if (r->note == 0 && r->rest_until_ns <= fw_clock_mono_ns(n->clock)) {
        r->offset = n->bodies.len;
        r->size = note->payload.n;
        if (fw_buf_add(&n->bodies, note->payload.p, note->payload.n) == FW_OK)
            r->note = note->id;
    }
    return true;
}

static fw_rc pick_all(struct notifier *n, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc;

    fw_buf_clear(&n->bodies);
    for (size_t i = 0; i < n->receiver_count; i++)
        n->receivers[i].note = 0;
    rc = fw_txn_begin(n->store, false, &txn, err);
    if (rc != FW_OK)
        return rc;
    rc = outbox_walk(txn, pick, n, err);
    fw_txn_abort(txn);
    return rc;
}

static void rest(struct notifier *n, struct receiver *r)
{
    r->pause = r->pause == 0 ? FIRST_PAUSE_MS : r->pause * 2;
    if (r->pause > LONGEST_PAUSE_MS)
        r->pause = LONGEST_PAUSE_MS;
    r->rest_until_ns =
        fw_clock_mono_ns(n->clock) + (uint64_t)r->pause * 1000000;
}

static enum webhook_answer hand_over(struct notifier *n,
                                     const struct receiver *r,
                                     struct fw_str body, struct fw_err *err)
{
    if (r->hook->email != NULL)
        return email_post(r->hook->email, body, fw_clock_now(n->clock), err);
    if (r->hook->command != NULL)
        return command_run(r->hook->command, body, err);
    return webhook_post(n->client, r->hook, body, err);
}

static void post(struct notifier *n, struct receiver *r)
{
    struct fw_str body = {n->bodies.data + r->offset, r->size};
    struct fw_err err = {0};

    switch (hand_over(n, r, body, &err)) {
    case WEBHOOK_DELIVERED:
        if (r->failing)
            fw_log(FW_LOG_INFO, "notifications reach %s again", r->hook->url);
        r->failing = false;
        r->pause = 0;
        r->rest_until_ns = 0;
        atomic_fetch_add(&n->delivered, 1);
        finish(n, r->note);
        return;
    case WEBHOOK_NEVER:
        fw_log(FW_LOG_ERROR, "a notification is given up: %s", err.text);
        atomic_fetch_add(&n->failed, 1);
        atomic_fetch_add(&n->dropped, 1);
        finish(n, r->note);
        return;
    case WEBHOOK_LATER:
        atomic_fetch_add(&n->failed, 1);
        rest(n, r);
        /* Once per outage: the pauses would fill the log otherwise. */
        if (!r->failing)
            fw_log(FW_LOG_WARN, "a notification waits: %s; trying again",
                   err.text);
        r->failing = true;
        return;
    }
}

static fw_rc remove_done(struct notifier *n, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc;

    if (n->done_count == 0)
        return FW_OK;
    rc = fw_txn_begin(n->store, true, &txn, err);
    if (rc != FW_OK)
        return rc;
    for (size_t i = 0; rc == FW_OK && i < n->done_count; i++)
        rc = outbox_remove(txn, n->done[i], err);
    rc = fw_txn_end(txn, rc, err);
    if (rc == FW_OK)
        n->done_count = 0;
    return rc;
}

/* True if something was settled, so that more may be ready at once. */
static bool pass(struct notifier *n)
{
    struct fw_err err = {0};
    fw_rc rc = pick_all(n, &err);
    bool settled;

    for (size_t i = 0; rc == FW_OK && i < n->receiver_count; i++)
        if (n->receivers[i].note != 0 && !stepper_stopping(&n->stepper))
            post(n, &n->receivers[i]);
    settled = n->done_count > 0;
    if (rc == FW_OK)
        rc = remove_done(n, &err);
    if (rc != FW_OK)
        fw_log(FW_LOG_ERROR, "the outbox cannot be worked on: %s", err.text);
    return rc == FW_OK && settled;
}

static fw_ms step(void *self)
{
    return pass(self) ? 0 : IDLE_MS;
}

static void release(struct notifier *n)
{
    webhook_close(n->client);
    fw_buf_release(&n->bodies);
    stepper_release(&n->stepper);
    free(n->done);
    free(n->receivers);
    free(n);
}

fw_rc notifier_start(const struct notifier_options *options,
                     struct notifier **out, struct fw_err *err)
{
    struct notifier *n = calloc(1, sizeof(*n));
    fw_rc rc;

    if (n == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    n->store = options->store;
    n->clock = options->clock != NULL ? options->clock : fw_clock_system();
    fw_buf_init(&n->bodies, (size_t)128 << 20);
    stepper_init(&n->stepper);
    n->receiver_count = options->webhook_count;
    n->receivers = calloc(n->receiver_count + 1, sizeof(*n->receivers));
    rc = n->receivers != NULL ? webhook_open(&n->client, err)
                              : fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; rc == FW_OK && i < n->receiver_count; i++)
        n->receivers[i].hook = &options->webhooks[i];
    if (rc == FW_OK)
        rc = stepper_start(
            &n->stepper,
            &(struct stepper_task){.name = "notifier", .step = step, .self = n},
            1, err);
    if (rc == FW_OK)
        *out = n;
    else
        release(n);
    return rc;
}

void notifier_wake(struct notifier *n)
{
    if (n != NULL)
        stepper_wake(&n->stepper);
}

void notifier_stop(struct notifier *n)
{
    if (n == NULL)
        return;
    stepper_stop(&n->stepper);
    release(n);
}

void notifier_stats(struct notifier *n, struct notifier_stats *out)
{
    *out = (struct notifier_stats){
        .delivered = atomic_load(&n->delivered),
        .failed = atomic_load(&n->failed),
        .dropped = atomic_load(&n->dropped),
    };
}
