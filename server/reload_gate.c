/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/reload_gate.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 60

void reload_gate_init(struct reload_gate *gate)
{
    *gate = (struct reload_gate){.main_thread = pthread_self()};
    (void)pthread_mutex_init(&gate->turn, NULL);
    (void)pthread_mutex_init(&gate->lock, NULL);
    (void)pthread_cond_init(&gate->done, NULL);
}

void reload_gate_close(struct reload_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->closed = true;
    (void)pthread_cond_broadcast(&gate->done);
    (void)pthread_mutex_unlock(&gate->lock);
}

void reload_gate_release(struct reload_gate *gate)
{
    (void)pthread_cond_destroy(&gate->done);
    (void)pthread_mutex_destroy(&gate->lock);
    (void)pthread_mutex_destroy(&gate->turn);
}

static fw_rc read_asker(struct reload_asker *out, struct fw_str actor,
                        struct fw_str reason, const char *door,
                        struct fw_err *err)
{
    if (actor.n == 0 || reason.n == 0)
        return fw_err_set(err, FW_EINVAL,
                          "who does this and why is kept: say actor=... and "
                          "reason=...");
    if (actor.n >= sizeof(out->actor) || reason.n >= sizeof(out->reason))
        return fw_err_set(err, FW_EINVAL,
                          "the name has %zu bytes and the reason %zu; at most "
                          "%zu and %zu are kept",
                          actor.n, reason.n, sizeof(out->actor) - 1,
                          sizeof(out->reason) - 1);
    (void)snprintf(out->actor, sizeof(out->actor), "%.*s", FW_STR_ARG(actor));
    (void)snprintf(out->reason, sizeof(out->reason), "%.*s",
                   FW_STR_ARG(reason));
    (void)snprintf(out->door, sizeof(out->door), "%s", door);
    return FW_OK;
}

/*
 * The one that is under way may have read the files before they changed, so a
 * second one is waited for.
 */
static fw_rc wait_turn(struct reload_gate *gate, struct fw_err *err)
{
    struct timespec until;
    uint64_t want = gate->reloads + 1;
    fw_rc rc;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    (void)pthread_kill(gate->main_thread, SIGHUP);
    while (gate->reloads < want && !gate->closed)
        if (pthread_cond_timedwait(&gate->done, &gate->lock, &until) ==
            ETIMEDOUT)
            break;
    if (gate->reloads < want && gate->closed)
        return fw_err_set(err, FW_EBUSY, "the server is stopping");
    if (gate->reloads < want)
        return fw_err_set(err, FW_EBUSY, "it takes longer than %d s",
                          PATIENCE_S);
    rc = gate->rc;
    if (rc != FW_OK && err != NULL)
        *err = gate->err;
    return rc;
}

fw_rc reload_gate_ask(struct reload_gate *gate, struct fw_str actor,
                      struct fw_str reason, const char *door,
                      struct fw_err *err)
{
    struct reload_asker asker;
    fw_rc rc = read_asker(&asker, actor, reason, door, err);

    if (rc != FW_OK)
        return rc;
    (void)pthread_mutex_lock(&gate->turn);
    (void)pthread_mutex_lock(&gate->lock);
    gate->asker = asker;
    rc = wait_turn(gate, err);
    (void)pthread_mutex_unlock(&gate->lock);
    (void)pthread_mutex_unlock(&gate->turn);
    return rc;
}

/* The kernel knows who sent a signal. The askers here send it themselves. */
void reload_gate_take(struct reload_gate *gate, const siginfo_t *info,
                      struct reload_asker *out)
{
    char names[1024];
    struct passwd user, *found = NULL;

    if (info->si_pid == getpid()) {
        (void)pthread_mutex_lock(&gate->lock);
        *out = gate->asker;
        (void)pthread_mutex_unlock(&gate->lock);
        return;
    }
    (void)getpwuid_r(info->si_uid, &user, names, sizeof(names), &found);
    (void)snprintf(out->actor, sizeof(out->actor), "%.80s (uid %u)",
                   found != NULL ? found->pw_name : "a user",
                   (unsigned)info->si_uid);
    (void)snprintf(out->reason, sizeof(out->reason),
                   "none was given: a signal carries none");
    (void)snprintf(out->door, sizeof(out->door), "SIGHUP from process %ld",
                   (long)info->si_pid);
}

void reload_gate_done(struct reload_gate *gate, fw_rc rc,
                      const struct fw_err *err)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->reloads++;
    gate->rc = rc;
    gate->err = *err;
    (void)pthread_cond_broadcast(&gate->done);
    (void)pthread_mutex_unlock(&gate->lock);
}
