/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/schedule/scheduler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/alert/watch_news.h"
#include "server/audit/audit.h"
#include "server/notify/outbox.h"
#include "server/schedule/cron.h"
#include "server/schedule/page.h"
#include "server/stepper.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define T_SCHEDULES "schedules"
#define SCHEDULE_VERSION 2 /* 1 did not say whether it ran */
#define TRY_AGAIN FW_MINUTE
#define LONGEST_WAIT FW_MINUTE /* a clock that is set is noticed so soon */
#define TOLD_BYTES (96 * 1024) /* of a page that goes into a notification */

/* Who wants a run, and why; no name: nobody does. */
struct asked {
    char actor[128], reason[512];
};

struct planned {
    const struct config_schedule *schedule;
    struct cron cron;
    struct fw_zone *zone; /* owned */
    fw_ms last, next;     /* lock; the scheduler's thread writes */
    struct asked asked;   /* lock */
};

struct scheduler {
    struct scheduler_options o;
    struct planned *plans; /* owned */
    pthread_mutex_t lock;  /* leaf */
    _Atomic uint64_t runs, failures;
    struct stepper stepper;
};

/* ---- when it last ran
 * ---------------------------------------------------------------- */

static fw_rc last_put(struct fw_txn *txn, const char *name, fw_ms at, bool ran,
                      struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(256);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_SCHEDULE, SCHEDULE_VERSION);
    record_put_ms(&w, at);
    record_put_u8(&w, ran ? 1 : 0);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_SCHEDULES, fw_str_of(name),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

/* FW_NONE where it never ran, or its record is damaged. */
static fw_rc last_get(struct fw_txn *txn, const char *name, fw_ms *at,
                      bool *ran, struct fw_err *err)
{
    struct record_reader r;
    struct fw_str bytes;
    fw_rc rc = fw_txn_get(txn, T_SCHEDULES, fw_str_of(name), &bytes, err);

    if (rc != FW_OK)
        return rc;
    if (record_open(&r, bytes, RECORD_SCHEDULE, SCHEDULE_VERSION, NULL) !=
        FW_OK)
        return FW_NONE;
    *at = record_get_ms(&r);
    *ran = record_version(bytes) < 2 || record_get_u8(&r) != 0;
    return record_close(&r, NULL) == FW_OK ? FW_OK : FW_NONE;
}

/* ---- one run
 * -------------------------------------------------------------------------- */

static fw_rc tell(struct scheduler *s, struct fw_txn *txn,
                  const struct config_schedule *schedule,
                  const struct fw_buf *text, const char *path, fw_ms now,
                  struct fw_err *err)
{
    bool digest = strcmp(schedule->kind, "digest") == 0;
    char summary[512];
    const struct notice_pair labels[] = {
        {"alertname", digest ? "AlertDigest" : "ForecastReport"},
        {"schedule", schedule->name},
        {"owner", schedule->owner},
        {NULL, NULL}};
    const struct notice_pair annotations[] = {{"summary", summary},
                                              {"path", path},
                                              {"text", text->data},
                                              {NULL, NULL}};
    struct fw_buf body = FW_BUF_INIT(FW_MAX_RECORD_BYTES / 2);
    fw_rc rc;

    (void)snprintf(summary, sizeof(summary), "%s %s: %s",
                   digest ? "digest" : "forecast report", schedule->name,
                   schedule->reason);
    rc = notice_tell(txn, labels, annotations, now, &body, err);
    for (size_t i = 0; rc == FW_OK && i < s->o.webhook_count; i++) {
        struct note note = {.url = fw_str_of(s->o.webhooks[i].url),
                            .created_at = now,
                            .payload = {body.data, body.len}};
        size_t dropped;

        rc = outbox_add(txn, &note, &dropped, err);
    }
    fw_buf_release(&body);
    return rc;
}

static fw_rc store(struct scheduler *s, const struct config_schedule *schedule,
                   const struct asked *asked, const struct fw_buf *told,
                   const char *path, fw_ms now, struct fw_err *err)
{
    bool on_time = asked->actor[0] == '\0';
    char after[512];
    struct audit_entry entry = {
        .at = now,
        .actor = on_time ? FW_STR("forewarn") : fw_str_of(asked->actor),
        .owner = fw_str_of(schedule->owner),
        .act = FW_STR("schedule-run"),
        .what = fw_str_of(schedule->name),
        .reason = fw_str_of(on_time ? schedule->reason : asked->reason),
    };
    bool tells =
        schedule->notify && (s->o.webhook_count > 0 || s->o.alertmanagers);
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(s->o.store, true, &txn, err);

    if (rc != FW_OK)
        return rc;
    (void)snprintf(after, sizeof(after), "%s%s%s%s",
                   path[0] != '\0' ? "written to " : "", path,
                   path[0] != '\0' && tells ? ", " : "",
                   tells ? "told to the receivers" : "");
    entry.after = fw_str_of(after);
    if (tells)
        rc = tell(s, txn, schedule, told, path, now, err);
    if (rc == FW_OK && on_time)
        rc = last_put(txn, schedule->name, now, true, err);
    if (rc == FW_OK)
        rc = audit_add(txn, &entry, err);
    rc = fw_txn_end(txn, rc, err);
    if (rc == FW_OK && tells && s->o.wake != NULL)
        s->o.wake(s->o.wake_self);
    return rc;
}

static fw_rc run_once(struct scheduler *s,
                      const struct config_schedule *schedule,
                      const struct asked *asked, fw_ms now, struct fw_err *err)
{
    struct fw_buf page = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    struct fw_buf told = FW_BUF_INIT(TOLD_BYTES);
    char path[4096] = "";
    fw_rc rc = FW_OK;

    if (schedule->folder != NULL) {
        rc = page_make(s->o.store, s->o.clock, schedule->kind, schedule->format,
                       &page, err);
        if (rc == FW_OK)
            rc = page_write(schedule, now, &page, path, sizeof(path), err);
    }
    if (rc == FW_OK && schedule->notify) {
        rc = page_make(s->o.store, s->o.clock, schedule->kind, "text", &told,
                       err);
        if (rc == FW_ETOOBIG) { /* a page for the eye, not for a pager */
            fw_buf_clear(&told);
            rc = fw_buf_adds(&told, "The report is too long for a "
                                    "notification.");
        }
    }
    if (rc == FW_OK)
        rc = store(s, schedule, asked, &told, path, now, err);
    fw_buf_release(&page);
    fw_buf_release(&told);
    return rc;
}

static void set_next(struct scheduler *s, struct planned *plan, fw_ms last,
                     fw_ms next)
{
    (void)pthread_mutex_lock(&s->lock);
    plan->last = last > 0 ? last : plan->last;
    plan->next = next;
    (void)pthread_mutex_unlock(&s->lock);
}

static void run_due(struct scheduler *s, struct planned *plan, fw_ms now)
{
    const struct asked nobody = {.actor = ""};
    struct fw_err err = {0};

    if (run_once(s, plan->schedule, &nobody, now, &err) != FW_OK) {
        atomic_fetch_add(&s->failures, 1);
        fw_log(FW_LOG_ERROR, "schedule '%s' failed and is tried again: %s",
               plan->schedule->name, err.text);
        set_next(s, plan, 0, now + TRY_AGAIN);
        return;
    }
    atomic_fetch_add(&s->runs, 1);
    fw_log(FW_LOG_INFO, "schedule '%s' ran", plan->schedule->name);
    set_next(s, plan, now, cron_next(&plan->cron, plan->zone, now));
}

/* One that is asked for is tried once: who asked can ask again. */
static void run_asked(struct scheduler *s, struct planned *plan, fw_ms now)
{
    struct fw_err err = {0};
    struct asked asked;

    (void)pthread_mutex_lock(&s->lock);
    asked = plan->asked;
    plan->asked = (struct asked){.actor = ""};
    (void)pthread_mutex_unlock(&s->lock);
    if (asked.actor[0] == '\0')
        return;
    if (run_once(s, plan->schedule, &asked, now, &err) != FW_OK) {
        atomic_fetch_add(&s->failures, 1);
        fw_log(FW_LOG_ERROR, "schedule '%s', asked for by %s, failed: %s",
               plan->schedule->name, asked.actor, err.text);
        return;
    }
    atomic_fetch_add(&s->runs, 1);
    fw_log(FW_LOG_INFO, "schedule '%s' ran, asked for by %s",
           plan->schedule->name, asked.actor);
}

fw_ms scheduler_step(struct scheduler *s)
{
    fw_ms wait = LONGEST_WAIT;

    for (size_t i = 0;
         i < s->o.schedule_count && !stepper_stopping(&s->stepper); i++) {
        struct planned *plan = &s->plans[i];
        fw_ms now = fw_clock_now(s->o.clock);

        run_asked(s, plan, now);
        if (plan->next <= now)
            run_due(s, plan, now);
        if (plan->next - now < wait)
            wait = plan->next > now ? plan->next - now : 0;
    }
    return wait;
}

/* ---- asked from elsewhere ---- */

fw_rc scheduler_list(struct scheduler *s, struct fw_arena *arena,
                     struct act_schedule **out, size_t *count,
                     struct fw_err *err)
{
    size_t n = s->o.schedule_count;
    struct act_schedule *all = fw_arena_calloc(arena, n + 1, sizeof(*all));

    if (all == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < n; i++) {
        const struct planned *plan = &s->plans[i];
        const struct config_schedule *c = plan->schedule;

        (void)pthread_mutex_lock(&s->lock);
        all[i] = (struct act_schedule){
            .notify = c->notify, .last = plan->last, .next = plan->next};
        (void)pthread_mutex_unlock(&s->lock);
        all[i].name = fw_arena_printf(arena, "%s", c->name);
        all[i].kind = fw_arena_printf(arena, "%s", c->kind);
        all[i].cron = fw_arena_printf(arena, "%s", c->cron);
        all[i].timezone = fw_arena_printf(arena, "%s", c->timezone);
        if (c->folder != NULL)
            all[i].folder = fw_arena_printf(arena, "%s", c->folder);
        if (all[i].name == NULL || all[i].kind == NULL || all[i].cron == NULL ||
            all[i].timezone == NULL || (c->folder && all[i].folder == NULL))
            return fw_arena_err(arena, err);
    }
    *out = all;
    *count = n;
    return FW_OK;
}

fw_rc scheduler_ask(struct scheduler *s, const char *name, struct fw_str actor,
                    struct fw_str reason, struct fw_err *err)
{
    struct planned *plan = NULL;

    for (size_t i = 0; i < s->o.schedule_count && plan == NULL; i++)
        if (strcmp(s->plans[i].schedule->name, name) == 0)
            plan = &s->plans[i];
    if (plan == NULL)
        return fw_err_set(err, FW_ENOTFOUND, "there is no schedule '%s'", name);
    if (actor.n == 0 || actor.n >= sizeof(plan->asked.actor) || reason.n == 0 ||
        reason.n >= sizeof(plan->asked.reason))
        return fw_err_set(err, FW_EINVAL,
                          "who asks and why must be said, in at most %zu and "
                          "%zu bytes",
                          sizeof(plan->asked.actor) - 1,
                          sizeof(plan->asked.reason) - 1);
    (void)pthread_mutex_lock(&s->lock);
    (void)snprintf(plan->asked.actor, sizeof(plan->asked.actor), "%.*s",
                   FW_STR_ARG(actor));
    (void)snprintf(plan->asked.reason, sizeof(plan->asked.reason), "%.*s",
                   FW_STR_ARG(reason));
    (void)pthread_mutex_unlock(&s->lock);
    stepper_wake(&s->stepper);
    return FW_OK;
}

/* ---- its life
 * ------------------------------------------------------------------------- */

static fw_rc plan_one(struct scheduler *s, struct fw_txn *txn, size_t i,
                      struct fw_err *err)
{
    struct planned *plan = &s->plans[i];
    fw_ms last, now = fw_clock_now(s->o.clock);
    bool ran = false;
    fw_rc rc;

    plan->schedule = &s->o.schedules[i];
    rc = cron_parse(fw_str_of(plan->schedule->cron), &plan->cron, err);
    if (rc == FW_OK)
        rc = fw_zone_open(plan->schedule->timezone, &plan->zone, err);
    if (rc != FW_OK)
        return fw_err_prefix(err, "schedule '%s'", plan->schedule->name);
    rc = last_get(txn, plan->schedule->name, &last, &ran, err);
    if (rc < 0)
        return rc;
    plan->last = rc == FW_OK && ran ? last : 0;
    /* A new one begins now; an old one makes up for what it missed, once. */
    if (rc == FW_NONE || last > now) {
        last = now;
        rc = last_put(txn, plan->schedule->name, now, false, err);
    }
    plan->next = cron_next(&plan->cron, plan->zone, last);
    return rc;
}

fw_rc scheduler_open(const struct scheduler_options *options,
                     struct scheduler **out, struct fw_err *err)
{
    struct scheduler *s = calloc(1, sizeof(*s));
    struct fw_txn *txn = NULL;
    fw_rc rc;

    if (s == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    s->o = *options;
    if (s->o.clock == NULL)
        s->o.clock = fw_clock_system();
    stepper_init(&s->stepper);
    (void)pthread_mutex_init(&s->lock, NULL);
    s->plans = calloc(s->o.schedule_count + 1, sizeof(*s->plans));
    if (s->plans == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    else
        rc = fw_txn_begin(s->o.store, true, &txn, err);
    for (size_t i = 0; rc == FW_OK && i < s->o.schedule_count; i++)
        rc = plan_one(s, txn, i, err);
    rc = fw_txn_end(txn, rc, err);
    if (rc == FW_OK)
        *out = s;
    else
        scheduler_close(s);
    return rc;
}

void scheduler_close(struct scheduler *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; s->plans != NULL && i < s->o.schedule_count; i++)
        fw_zone_close(s->plans[i].zone);
    stepper_release(&s->stepper);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->plans);
    free(s);
}

static fw_ms step(void *self)
{
    return scheduler_step(self);
}

fw_rc scheduler_start(const struct scheduler_options *options,
                      struct scheduler **out, struct fw_err *err)
{
    struct scheduler *s = NULL;
    struct stepper_task task = {
        .name = "scheduler", .step = step, .longest = LONGEST_WAIT};
    fw_rc rc = scheduler_open(options, &s, err);

    if (rc != FW_OK)
        return rc;
    task.self = s;
    rc = stepper_start(&s->stepper, &task, 1, err);
    if (rc == FW_OK)
        *out = s;
    else
        scheduler_close(s);
    return rc;
}

void scheduler_stop(struct scheduler *s)
{
    if (s == NULL)
        return;
    stepper_stop(&s->stepper);
    scheduler_close(s);
}

void scheduler_stats(struct scheduler *s, struct scheduler_stats *out)
{
    *out = (struct scheduler_stats){.runs = atomic_load(&s->runs),
                                    .failures = atomic_load(&s->failures)};
}
