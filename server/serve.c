/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * serve.c - the one file that sees the whole machine.
 *
 * It opens the parts from the ground up, each standing on the ones before, and
 * closes them the other way round. Those that take input stop first, so that
 * what they took is durable before the store closes.
 */
#include "server/serve.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/action/runner.h"
#include "server/acts.h"
#include "server/address.h"
#include "server/alert/watcher.h"
#include "server/alert_api.h"
#include "server/audit/audit.h"
#include "server/collect/collector.h"
#include "server/config/loaded.h"
#include "server/dispatch/dispatch.h"
#include "server/http/api.h"
#include "server/ingest/line_port.h"
#include "server/local/local_server.h"
#include "server/notify/notifier.h"
#include "server/reload_gate.h"
#include "server/schedule/scheduler.h"
#include "server/sd_notify.h"
#include "server/self_metrics.h"
#include "storage/base/limits.h"

#define MAX_LOOPS 64
#define STOP_PATIENCE_MS 10000 /* for senders that are in the middle */

struct serve {
    const struct config *config;
    const struct fw_clock *clock;
    struct fw_store *store;
    struct peers peers;
    struct loop *loops[MAX_LOOPS];
    pthread_t loop_threads[MAX_LOOPS];
    size_t loop_count, thread_count;
    struct workers *workers;
    struct local_server *local;
    struct line_port *line_port;
    struct http_server *http;
    struct api_counters api_counters;
    struct series_cache *series_cache;
    struct alert_api alert_api;
    struct api api;
    char retention_text[FW_DURATION_TEXT_BYTES];
    char own_url[512];
    struct collector *collector;
    struct loaded loaded;
    struct config *reloaded;       /* NULL: that of the setup; main thread */
    pthread_mutex_t alerting_lock; /* takes those two's locks inside */
    struct notifier *notifier;     /* alerting_lock; main thread sets it */
    struct watcher *watcher;       /* alerting_lock; main thread sets it */
    struct managers *managers;     /* alerting_lock; main thread sets it */
    struct ruler *ruler;           /* alerting_lock; main thread sets it */
    struct scheduler *scheduler;   /* alerting_lock; main thread sets it */
    struct runner *runner;         /* of actions; NULL: there are none */
    struct dispatch *dispatch;     /* main thread */
    struct reload_gate gate;
    struct self_metrics metrics;
};

static bool is_off(const char *listen)
{
    return strcmp(listen, "off") == 0;
}

/* What the store could not read: said once, where whoever starts it looks. */
static void log_damage(const struct fw_store *store)
{
    char *const *v = NULL;
    size_t more = 0;
    size_t n = fw_store_findings(store, &v, &more);

    for (size_t i = 0; i < n; i++)
        fw_log(FW_LOG_ERROR, "damaged: %s", v[i]);
    if (more > 0)
        fw_log(FW_LOG_ERROR,
               "damaged: %zu other things; 'forewarn verify' says which", more);
}

static fw_rc open_store(struct serve *s, const char *dir, struct fw_err *err)
{
    const struct config *config = s->config;
    struct fw_store_options options = {
        .create = true,
        .retention = config->retention,
        .retention_bytes = config->retention_size,
        .rollup_retention = config->rollup_retention,
        .rollup_step = config->rollup_step,
        .rollup_lead = config->rollup_lead,
        .close_after = config->close_after,
        .max_future = config->max_future,
        .ooo_window = config->out_of_order_window,
        .linger = config->commit_linger > 0 ? config->commit_linger : -1,
        .max_series = config->max_series,
        .max_metric_series = config->max_metric_series,
        .disk_floor = config->disk_floor,
        .plain_samples = config->plain_samples,
        .journal_bytes = config->journal_bytes,
        .journal_samples = config->journal_samples,
        .snapshot = config->query_snapshot,
        .clock = s->clock};
    fw_rc rc = fw_store_open(dir, &options, &s->store, err);

    if (rc == FW_OK)
        log_damage(s->store);
    return rc;
}

/* ---- threads ---- */

static size_t core_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > MAX_LOOPS ? MAX_LOOPS : (size_t)n;
}

static fw_rc open_loops(struct serve *s, struct fw_err *err)
{
    size_t want = core_count();
    fw_rc rc = FW_OK;

    while (s->loop_count < want && rc == FW_OK) {
        rc = loop_open(s->clock, &s->loops[s->loop_count], err);
        if (rc == FW_OK)
            s->loop_count++;
    }
    return rc;
}

static void *run_loop(void *loop)
{
    (void)pthread_setname_np(pthread_self(), "loop");
    loop_run(loop);
    return NULL;
}

static fw_rc start_loops(struct serve *s, struct fw_err *err)
{
    while (s->thread_count < s->loop_count) {
        int failed = pthread_create(&s->loop_threads[s->thread_count], NULL,
                                    run_loop, s->loops[s->thread_count]);

        if (failed != 0)
            return fw_err_sys(err, failed, "cannot start a loop thread");
        s->thread_count++;
    }
    return FW_OK;
}

static void end_loops(struct serve *s)
{
    for (size_t i = 0; i < s->thread_count; i++)
        loop_stop(s->loops[i]);
    for (size_t i = 0; i < s->thread_count; i++)
        (void)pthread_join(s->loop_threads[i], NULL);
}

/* ---- from the ground up ---- */

/*
 * Nothing here asks who is calling yet, so whoever can reach a listener may
 * write and read everything: beyond the loopback that must be said out loud.
 */
static fw_rc check_reach(const struct config *config, const char *option,
                         const char *listen, struct fw_err *err)
{
    struct address address;
    fw_rc rc;

    if (config->insecure || is_off(listen))
        return FW_OK;
    rc = address_parse(listen, &address, err);
    if (rc != FW_OK || address_is_loopback(&address))
        return rc;
    return fw_err_set(err, FW_EINVAL,
                      "%s %s can be reached from other machines, and there is "
                      "no TLS or login yet: put a proxy in front and listen on "
                      "127.0.0.1, or add --insecure if you mean it",
                      option, listen);
}

static fw_rc open_line_port(struct serve *s, struct fw_err *err)
{
    struct line_port_options options = {.store = s->store,
                                        .clock = s->clock,
                                        .loops = s->loops,
                                        .loop_count = s->loop_count,
                                        .peers = &s->peers,
                                        .max_future = s->config->max_future,
                                        .listen = s->config->listen_line};

    if (is_off(s->config->listen_line))
        return FW_OK;
    return line_port_open(&options, &s->line_port, err);
}

/* Values of this server, and of its HTTP side: for /metrics and the store. */
static void add_own_values(void *self, struct sample_set *set)
{
    struct serve *s = self;

    self_metrics_add(&s->metrics, set);
    loaded_metrics_add(&s->loaded, set);
    (void)pthread_mutex_lock(&s->alerting_lock);
    self_metrics_add_alerting(s->watcher, s->notifier, set);
    self_metrics_add_rules(s->ruler, s->managers, set);
    self_metrics_add_schedules(s->scheduler, set);
    (void)pthread_mutex_unlock(&s->alerting_lock);
    api_metrics_add(&s->api, set);
}

/* "" for a text that was not set. */
static struct fw_str text_of(const char *text)
{
    return fw_str_of(text != NULL ? text : "");
}

static fw_rc reload_by_http(void *self, struct fw_str actor,
                            struct fw_str reason, struct fw_err *err)
{
    struct serve *s =
        (struct serve *)(void *)((char *)self -
                                 offsetof(struct serve, alert_api));

    return reload_gate_ask(&s->gate, actor, reason, "POST /-/reload", err);
}

static fw_rc open_http(struct serve *s, struct fw_err *err)
{
    struct http_server_options options = {.listen = s->config->listen_http,
                                          .loops = s->loops,
                                          .loop_count = s->loop_count,
                                          .peers = &s->peers,
                                          .clock = s->clock,
                                          .api = &s->api};
    fw_rc rc;

    (void)fw_format_duration(s->retention_text, s->config->retention);
    s->api = (struct api){.store = s->store,
                          .source = fw_source_of_store(s->store),
                          .crew = fw_crew_of_cores(),
                          .clock = s->clock,
                          .started = fw_clock_now(s->clock),
                          .max_future = s->config->max_future,
                          .loaded = &s->loaded,
                          .retention_text = s->retention_text,
                          .counters = &s->api_counters,
                          .metrics = add_own_values,
                          .metrics_self = s,
                          .alerts = alert_api_alerts,
                          .rules = alert_api_rules,
                          .alertmanagers = alert_api_managers,
                          .why = alert_api_why,
                          .record = alert_api_record,
                          .admin = s->config->enable_admin_api,
                          .reload = s->config->enable_lifecycle ? reload_by_http
                                                                : NULL,
                          .reload_actor = text_of(s->config->lifecycle_actor),
                          .reload_reason = text_of(s->config->lifecycle_reason),
                          .self = &s->alert_api};
    s->alert_api = (struct alert_api){s->store, s->clock, &s->alerting_lock,
                                      &s->ruler, &s->managers};
    if (is_off(s->config->listen_http))
        return FW_OK;
    rc = series_cache_new(s->config->max_series, &s->series_cache);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "no memory for the HTTP listener");
    s->api.cache = s->series_cache;
    rc = http_server_start(&options, &s->http, err);
    s->api.http = s->http;
    return rc;
}

static fw_rc open_local(struct serve *s, struct fw_err *err)
{
    size_t threads = core_count() < 2 ? 2 : core_count();
    struct local_server_options options = {
        .store = s->store, .clock = s->clock, .loop = s->loops[0]};
    fw_rc rc = workers_start(threads, WORKERS_NICENESS, FW_MAX_WORKER_JOBS,
                             &s->workers, err);

    options.workers = s->workers;
    return rc == FW_OK ? local_server_open(&options, &s->local, err) : rc;
}

/* Before anybody can ask for them. */
static void gather_parts(struct serve *s)
{
    s->metrics = (struct self_metrics){.store = s->store,
                                       .line_port = s->line_port,
                                       .peers = &s->peers,
                                       .workers = s->workers,
                                       .local = s->local,
                                       .started = fw_clock_now(s->clock)};
}

static fw_rc start_collector(struct serve *s, struct fw_err *err)
{
    struct collector_options options = {.store = s->store,
                                        .clock = s->clock,
                                        .every = s->config->collect,
                                        .own = add_own_values,
                                        .self = s};

    if (s->config->collect == 0)
        return FW_OK;
    return collector_start(&options, &s->collector, err);
}

static void wake_notifier(void *notifier)
{
    notifier_wake(notifier);
}

static void set_alerting(struct serve *s, struct notifier *notifier,
                         struct watcher *watcher, struct scheduler *scheduler)
{
    (void)pthread_mutex_lock(&s->alerting_lock);
    s->notifier = notifier;
    s->watcher = watcher;
    s->scheduler = scheduler;
    (void)pthread_mutex_unlock(&s->alerting_lock);
}

static void set_rules(struct serve *s, struct managers *managers,
                      struct ruler *ruler)
{
    (void)pthread_mutex_lock(&s->alerting_lock);
    s->managers = managers;
    s->ruler = ruler;
    (void)pthread_mutex_unlock(&s->alerting_lock);
}

static fw_rc start_dispatch(struct serve *s, struct fw_err *err)
{
    struct dispatch_options options = {.store = s->store,
                                       .clock = s->clock,
                                       .config = s->config,
                                       .managers = s->managers,
                                       .external_url =
                                           s->config->external_url != NULL
                                               ? s->config->external_url
                                               : s->own_url,
                                       .wake = wake_notifier,
                                       .wake_self = s->notifier};

    return dispatch_start(&options, &s->dispatch, err);
}

/* `previous` hands its alerts over; it stays the caller's. */
static fw_rc start_rules(struct serve *s, struct ruler *previous,
                         struct fw_err *err)
{
    const struct config *config = s->config;
    struct managers_options tell = {.store = s->store,
                                    .clock = s->clock,
                                    .managers = config->alertmanagers,
                                    .count = config->alertmanager_count};
    struct ruler_options options = {.store = s->store,
                                    .clock = s->clock,
                                    .config = config,
                                    .threads = core_count()};
    struct managers *managers = NULL;
    struct ruler *ruler = NULL;
    fw_rc rc = FW_OK;

    if (s->http != NULL)
        (void)snprintf(s->own_url, sizeof(s->own_url), "http://%s/",
                       http_server_address(s->http));
    if (config->alertmanager_count > 0)
        rc = managers_start(&tell, &managers, err);
    options.managers = managers;
    options.external_url = s->own_url;
    if (rc == FW_OK)
        rc = ruler_open(&options, previous, &ruler, err);
    if (rc == FW_OK)
        rc = ruler_start(ruler, err);
    set_rules(s, managers, ruler);
    if (rc == FW_OK &&
        (config->webhook_count > 0 || config->alertmanager_count > 0))
        rc = start_dispatch(s, err);
    if (rc == FW_OK) {
        struct runner_options run = {
            .store = s->store, .clock = s->clock, .config = config};

        rc = config->action_count > 0 ? runner_start(&run, &s->runner, err)
                                      : runner_clear(s->store, err);
    }
    return rc;
}

static fw_rc start_alerting(struct serve *s, struct fw_err *err)
{
    const struct config *config = s->config;
    struct notifier *notifier = NULL;
    struct watcher *watcher = NULL;
    struct notifier_options notify = {.store = s->store,
                                      .clock = s->clock,
                                      .webhooks = config->webhooks,
                                      .webhook_count = config->webhook_count};
    struct watcher_options watch = {.store = s->store,
                                    .clock = s->clock,
                                    .watches = config->watches,
                                    .watch_count = config->watch_count,
                                    .webhooks = config->webhooks,
                                    .webhook_count = config->webhook_count,
                                    .retention = config->retention,
                                    .backtest = config->watch_backtest,
                                    .page_budget = config->page_budget,
                                    .page_digest = config->page_digest,
                                    .wake = wake_notifier};
    struct scheduler_options plan = {.store = s->store,
                                     .clock = s->clock,
                                     .schedules = config->schedules,
                                     .schedule_count = config->schedule_count,
                                     .webhooks = config->webhooks,
                                     .webhook_count = config->webhook_count,
                                     .alertmanagers =
                                         config->alertmanager_count > 0,
                                     .wake = wake_notifier};
    struct scheduler *scheduler = NULL;
    fw_rc rc = notifier_start(&notify, &notifier, err);

    watch.wake_self = plan.wake_self = notifier;
    if (rc == FW_OK)
        rc = watcher_start(&watch, &watcher, err);
    if (rc == FW_OK && config->schedule_count > 0)
        rc = scheduler_start(&plan, &scheduler, err);
    set_alerting(s, notifier, watcher, scheduler);
    return rc;
}

/* The rules' state in memory, for those that go on; the caller closes it. */
static struct ruler *stop_rules(struct serve *s)
{
    struct managers *managers = s->managers;
    struct ruler *ruler = s->ruler;

    runner_stop(s->runner);
    s->runner = NULL;
    dispatch_stop(s->dispatch);
    s->dispatch = NULL;
    set_rules(s, NULL, NULL);
    ruler_stop(ruler);
    managers_stop(managers);
    return ruler;
}

static void stop_alerting(struct serve *s)
{
    struct notifier *notifier = s->notifier;
    struct watcher *watcher = s->watcher;
    struct scheduler *scheduler = s->scheduler;

    set_alerting(s, NULL, NULL, NULL);
    scheduler_stop(scheduler);
    watcher_stop(watcher);
    notifier_stop(notifier);
}

static fw_rc start(struct serve *s, const char *dir, struct fw_err *err)
{
    fw_rc rc =
        check_reach(s->config, "listen-line", s->config->listen_line, err);

    if (rc == FW_OK)
        rc = check_reach(s->config, "listen-http", s->config->listen_http, err);
    if (rc == FW_OK)
        rc = open_store(s, dir, err);
    if (rc == FW_OK)
        rc = open_loops(s, err);
    if (rc == FW_OK)
        rc = open_line_port(s, err);
    if (rc == FW_OK)
        rc = open_http(s, err);
    if (rc == FW_OK)
        rc = open_local(s, err);
    gather_parts(s);
    if (rc == FW_OK)
        rc = start_loops(s, err);
    if (rc == FW_OK)
        rc = start_alerting(s, err);
    if (rc == FW_OK)
        rc = start_rules(s, NULL, err);
    if (rc == FW_OK)
        rc = start_collector(s, err);
    return rc;
}

/* ---- and down again ---- */

static void stop(struct serve *s)
{
    bool running = s->thread_count > 0;

    collector_stop(s->collector);
    if (running) {
        line_port_stop(s->line_port, STOP_PATIENCE_MS);
        http_server_stop(s->http, STOP_PATIENCE_MS);
        local_server_stop(s->local);
    }
    ruler_close(stop_rules(s));
    stop_alerting(s);
    workers_stop(s->workers);
    end_loops(s);
    local_server_close(s->local);
    line_port_close(s->line_port);
    http_server_close(s->http);
    fw_crew_free(s->api.crew);
    series_cache_free(s->series_cache);
    for (size_t i = 0; i < s->loop_count; i++)
        loop_close(s->loops[i]);
    fw_store_close(s->store);
}

/* ---- between the two ---- */

/* A value of the ready line, in quotes where logfmt wants them. */
static fw_rc add_field(struct fw_buf *line, const char *name, const char *value)
{
    bool plain = *value != '\0' && strpbrk(value, " \"=\\") == NULL;
    fw_rc rc = fw_buf_printf(line, " %s=%s", name, plain ? "" : "\"");

    for (const char *p = value; rc == FW_OK && *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            rc = fw_buf_addc(line, '\\');
        if (rc == FW_OK)
            rc = fw_add_visible(line, (struct fw_str){p, 1});
    }
    return rc == FW_OK && !plain ? fw_buf_addc(line, '"') : rc;
}

/*
 * The one line that says what is open. Its form is fixed (docs/serve.md):
 * programs wait for it.
 */
static fw_rc say_ready(const struct serve *s, FILE *to)
{
    struct fw_buf line = FW_BUF_INIT(65536);
    char when[FW_TIME_TEXT_BYTES];
    fw_rc rc;

    (void)fw_format_time(when, fw_clock_now(s->clock));
    rc = fw_buf_printf(&line, "time=%s level=info msg=\"ready\"", when);
    if (rc == FW_OK)
        rc = add_field(&line, "data", fw_store_dir(s->store));
    if (rc == FW_OK)
        rc = add_field(&line, "line",
                       s->line_port != NULL ? line_port_address(s->line_port)
                                            : "off");
    if (rc == FW_OK)
        rc = add_field(&line, "http",
                       s->http != NULL ? http_server_address(s->http) : "off");
    if (rc == FW_OK) {
        (void)fprintf(to, "%s\n", line.data);
        (void)fflush(to);
    }
    fw_buf_release(&line);
    return rc;
}

/*
 * Watches, webhooks, rules and Alertmanagers begin anew with what the files
 * say now; what has been predicted and told so far is in the store, and rules
 * that stay keep their alerts. A file that is wrong changes nothing.
 */
static void audit_reload(struct serve *s, const struct config *fresh,
                         const struct reload_asker *asker)
{
    char after[160];
    struct audit_entry entry = {
        .at = fw_clock_now(s->clock),
        .actor = fw_str_of(asker->actor),
        .act = FW_STR("config-reloaded"),
        .what = fw_str_of(fresh->path != NULL ? fresh->path : "defaults"),
        .reason = fw_str_of(asker->reason),
    };
    size_t groups = fresh->rules != NULL ? fresh->rules->count : 0;
    struct fw_txn *txn = NULL;
    struct fw_err err = {0};
    fw_rc rc = fw_txn_begin(s->store, true, &txn, &err);

    (void)snprintf(after, sizeof(after),
                   "by %s: %zu watch%s, %zu group%s of rules", asker->door,
                   fresh->watch_count, fresh->watch_count == 1 ? "" : "es",
                   groups, groups == 1 ? "" : "s");
    entry.after = fw_str_of(after);
    if (rc == FW_OK)
        rc = audit_add(txn, &entry, &err);
    rc = fw_txn_end(txn, rc, &err);
    if (rc != FW_OK)
        fw_log(FW_LOG_ERROR, "the audit log lacks this reload: %s", err.text);
}

/* For whoever asks which configuration is in force. */
static void show_config(struct serve *s)
{
    struct fw_err err = {0};

    if (loaded_set(&s->loaded, s->config, fw_clock_now(s->clock), &err) !=
        FW_OK)
        fw_log(FW_LOG_ERROR, "status/config does not show what is in force: %s",
               err.text);
}

static fw_rc reload(struct serve *s, const struct serve_setup *setup,
                    const struct reload_asker *asker, struct fw_err *err)
{
    struct config *fresh = NULL;
    fw_rc rc;

    sd_notify_send("RELOADING=1");
    rc = setup->load(setup->self, &fresh, err);
    if (rc == FW_OK) {
        struct ruler *rules = stop_rules(s);

        stop_alerting(s);
        s->config = fresh;
        fw_log_set_level(fresh->log_level);
        rc = start_alerting(s, err);
        if (rc == FW_OK)
            rc = start_rules(s, rules, err);
        ruler_close(rules);
        config_free(s->reloaded);
        s->reloaded = fresh;
        audit_reload(s, fresh, asker);
        show_config(s);
    }
    if (rc == FW_OK)
        fw_log(FW_LOG_INFO,
               "configuration read again: %zu watches, %zu webhooks, %zu "
               "groups of rules; other keys wait for a restart",
               fresh->watch_count, fresh->webhook_count,
               fresh->rules != NULL ? fresh->rules->count : 0);
    else {
        loaded_failed(&s->loaded);
        fw_log(FW_LOG_ERROR, "configuration not read again: %s", err->text);
    }
    sd_notify_send("READY=1");
    return rc;
}

static void wait_for_end(struct serve *s, const struct serve_setup *setup,
                         const sigset_t *signals)
{
    struct reload_asker asker;
    siginfo_t info;
    int number = 0;

    while (number != SIGTERM && number != SIGINT) {
        struct fw_err err = {0};
        fw_rc rc;

        number = sigwaitinfo(signals, &info);
        if (number != SIGHUP)
            continue;
        reload_gate_take(&s->gate, &info, &asker);
        rc = reload(s, setup, &asker, &err);
        reload_gate_done(&s->gate, rc, &err);
    }
    fw_log(FW_LOG_INFO, "stopping on %s",
           number == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* ---- what commands may ask of us ---- */

static fw_rc reload_by_command(void *self, struct fw_str actor,
                               struct fw_str reason, struct fw_err *err)
{
    struct serve *s = self;

    return reload_gate_ask(&s->gate, actor, reason, "forewarn reload", err);
}

static fw_rc list_schedules(void *self, struct fw_arena *arena,
                            struct act_schedule **out, size_t *count,
                            struct fw_err *err)
{
    struct serve *s = self;
    fw_rc rc = FW_OK;

    *count = 0;
    (void)pthread_mutex_lock(&s->alerting_lock);
    if (s->scheduler != NULL)
        rc = scheduler_list(s->scheduler, arena, out, count, err);
    (void)pthread_mutex_unlock(&s->alerting_lock);
    return rc;
}

static fw_rc run_schedule(void *self, const char *name, struct fw_str actor,
                          struct fw_str reason, struct fw_err *err)
{
    struct serve *s = self;
    fw_rc rc;

    (void)pthread_mutex_lock(&s->alerting_lock);
    rc = s->scheduler != NULL
             ? scheduler_ask(s->scheduler, name, actor, reason, err)
             : fw_err_set(err, FW_ENOTFOUND, "there are no schedules");
    (void)pthread_mutex_unlock(&s->alerting_lock);
    return rc;
}

fw_rc serve_run(const struct serve_setup *setup, struct fw_err *err)
{
    struct serve serve = {.config = setup->config, .clock = setup->clock};
    sigset_t signals;
    sigset_t before;
    fw_rc rc;

    /* Blocked before the first thread is made, so that all inherit it. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, &before);
    fw_log_set_level(setup->config->log_level);
    peers_init(&serve.peers, setup->config->max_connections);
    (void)pthread_mutex_init(&serve.alerting_lock, NULL);
    reload_gate_init(&serve.gate);
    loaded_init(&serve.loaded);
    show_config(&serve);
    rc = start(&serve, setup->dir, err);
    if (rc == FW_OK)
        rc = say_ready(&serve, setup->ready);
    if (rc == FW_OK) {
        struct acts acts = {reload_by_command, list_schedules, run_schedule,
                            &serve};

        sd_notify_send("READY=1");
        acts_offer(&acts);
        wait_for_end(&serve, setup, &signals);
        sd_notify_send("STOPPING=1");
        reload_gate_close(&serve.gate);
        acts_offer(NULL);
    }
    stop(&serve);
    config_free(serve.reloaded);
    loaded_release(&serve.loaded);
    reload_gate_release(&serve.gate);
    (void)pthread_mutex_destroy(&serve.alerting_lock);
    peers_release(&serve.peers);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}
