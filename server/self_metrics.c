/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/self_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/action/action_book.h"
#include "server/audit/audit.h"
#include "server/cli/alert_commands.h"
#include "server/collect/host.h"
#include "storage/base/log.h"

struct row {
    const char *metric;
    double v;
};

static void add_rows(struct sample_set *set, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sample_set_add(set, rows[i].metric, rows[i].v, NULL);
}

#define ADD_ROWS(set, rows)                                                    \
    add_rows((set), (rows), sizeof(rows) / sizeof((rows)[0]))

static void add_store(struct fw_store *store, struct sample_set *set)
{
    struct fw_store_stats s;

    fw_store_stats(store, &s);
    {
        const struct row rows[] = {
            {"forewarn_series", (double)s.series},
            {"forewarn_head_samples", (double)s.head_samples},
            {"forewarn_head_plain_bytes", (double)s.head_plain_bytes},
            {"forewarn_samples_stored_total", (double)s.samples_stored},
            {"forewarn_samples_sealed_total", (double)s.samples_sealed},
            {"forewarn_seal_cpu_seconds_total", (double)s.seal_cpu_ns / 1e9},
            {"forewarn_series_refused_total", (double)s.series_refused},
            {"forewarn_series_forgotten_total", (double)s.series_forgotten},
            {"forewarn_commits_total", (double)s.commits},
            {"forewarn_commit_bytes_total", (double)s.commit_bytes},
            {"forewarn_commit_failures_total", (double)s.commit_failures},
            {"forewarn_journal_bytes", (double)s.journal_bytes},
            {"forewarn_journal_samples", (double)s.journal_samples},
            {"forewarn_checkpoint_bytes_total", (double)s.checkpoint_bytes},
            {"forewarn_pending_samples", (double)s.pending_samples},
            {"forewarn_store_busy_total", (double)s.busy},
            {"forewarn_disk_bytes", (double)s.disk_bytes},
            {"forewarn_replayed_samples", (double)s.replayed_samples},
            {"forewarn_corrupt_found_total", (double)s.corrupt_found},
            {"forewarn_journal_records_bad", (double)s.records_bad},
            {"forewarn_journal_records_lost", (double)s.records_lost},
            {"forewarn_journal_salvaged", (double)s.salvages},
            {"forewarn_quarantine_files", (double)s.quarantine_files},
            {"forewarn_quarantine_bytes", (double)s.quarantine_bytes},
            {"forewarn_quarantine_refused_total", (double)s.quarantine_refused},
            {"forewarn_regexes_too_long_total", (double)fw_regex_too_long()},
            {"forewarn_partitions", (double)s.partitions},
            {"forewarn_partitions_closed_total", (double)s.partitions_closed},
            {"forewarn_partition_close_failures_total",
             (double)s.close_failures},
            {"forewarn_partitions_dropped_total", (double)s.partitions_dropped},
            {"forewarn_tombstones", (double)s.tombstones},
            {"forewarn_snapshots_renewed_total", (double)s.snapshots_renewed},
            {"forewarn_stale_readers_cleared_total", (double)s.stale_readers},
            {"forewarn_reader_lag_commits", (double)s.reader_lag},
            {"forewarn_read_only", s.read_only ? 1 : 0},
        };

        ADD_ROWS(set, rows);
    }
    {
        static const char *const reasons[] = {
            [FW_CHECKPOINT_BYTES] = "journal_bytes",
            [FW_CHECKPOINT_SAMPLES] = "journal_samples",
            [FW_CHECKPOINT_RING] = "head"};

        for (int i = 0; i < FW_CHECKPOINT_REASONS; i++)
            sample_set_add(set, "forewarn_checkpoints_total",
                           (double)s.checkpoints[i], "reason", reasons[i],
                           NULL);
    }
    {
        const struct row refused[] = {
            {"duplicate", (double)s.samples_duplicate},
            {"conflict", (double)s.samples_conflict},
            {"too_old", (double)s.samples_too_old},
            {"too_new", (double)s.samples_too_new},
        };

        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
            sample_set_add(set, "forewarn_samples_refused_total", refused[i].v,
                           "reason", refused[i].metric, NULL);
    }
}

/* The head of the audit chain, so that whoever scrapes us keeps a witness. */
static void add_audit(struct fw_store *store, struct sample_set *set)
{
    char text[AUDIT_HEAD_TEXT_BYTES];
    struct audit_head head;
    struct fw_txn *txn = NULL;

    if (fw_txn_begin(store, false, &txn, NULL) != FW_OK)
        return;
    if (audit_head(txn, &head, NULL) == FW_OK) {
        audit_head_text(&head, text);
        sample_set_add(set, "forewarn_audit_entries", (double)head.id, NULL);
        sample_set_add(set, "forewarn_audit_head_info", 1, "head", text, NULL);
    }
    fw_txn_abort(txn);
}

static void add_watch(struct alert_view *view, const struct config_watch *w,
                      struct sample_set *set)
{
    struct standing standing;
    struct calibration calibration;
    struct totals totals;
    struct fw_record r;

    if (alert_view_standing(view, w, &standing, NULL) != FW_OK ||
        alert_view_totals(view, w, &totals, NULL) != FW_OK)
        return;
    totals_record(&totals, &r);
    for (int i = STANDING_TRIAL; i <= STANDING_SHADOW; i++)
        sample_set_add(set, "forewarn_watch_standing",
                       standing.state == (enum standing_state)i ? 1 : 0,
                       "watch", w->name, "standing",
                       standing_name((enum standing_state)i), NULL);
    if (r.right + r.false_alarms > 0)
        sample_set_add(set, "forewarn_watch_precision",
                       (double)r.right / (double)(r.right + r.false_alarms),
                       "watch", w->name, NULL);
    if (r.predictions > 0)
        sample_set_add(set, "forewarn_watch_brier", r.brier, "watch", w->name,
                       NULL);
    if (totals.valued > 0) {
        sample_set_add(set, "forewarn_watch_coverage", totals_coverage(&totals),
                       "watch", w->name, NULL);
        sample_set_add(set, "forewarn_watch_pinball", totals_loss(&totals),
                       "watch", w->name, NULL);
    }
    if (totals.naive_sum > 0)
        sample_set_add(set, "forewarn_watch_skill", totals_skill(&totals),
                       "watch", w->name, NULL);
    sample_set_add(set, "forewarn_watch_calibrated",
                   alert_view_calibration(view, w, &calibration, NULL) ==
                               FW_OK &&
                           calibration.in_force
                       ? 1
                       : 0,
                   "watch", w->name, NULL);
    if (r.median_lead >= 0)
        sample_set_add(set, "forewarn_watch_lead_seconds",
                       (double)r.median_lead / 1000, "watch", w->name, NULL);
    sample_set_add(set, "forewarn_watch_missed_total", (double)r.missed,
                   "watch", w->name, NULL);
}

static bool add_action(void *self, struct fw_str name,
                       const struct action_book *b)
{
    char text[ACTION_TEXT_BYTES];

    (void)snprintf(text, sizeof(text), "%.*s", FW_STR_ARG(name));
    sample_set_add(self, "forewarn_action_runs_total", (double)b->run_total,
                   "action", text, NULL);
    sample_set_add(self, "forewarn_action_held_total", (double)b->held_total,
                   "action", text, NULL);
    sample_set_add(self, "forewarn_action_refused_total",
                   (double)b->refused_total, "action", text, NULL);
    return true;
}

static void add_actions(struct fw_store *store, struct sample_set *set)
{
    struct fw_txn *txn = NULL;
    struct fw_err err = {0};

    if (fw_txn_begin(store, false, &txn, NULL) != FW_OK)
        return;
    if (action_books_each(txn, add_action, set, &err) != FW_OK)
        fw_log(FW_LOG_DEBUG, "actions are not among the metrics: %s", err.text);
    fw_txn_abort(txn);
}

/* The record of each watch, from the tables of meta/. */
static void add_watches(struct fw_store *store, struct sample_set *set)
{
    struct fw_cli cli = {.store = store};
    struct alert_view view = {0};

    if (alert_view_open(&view, &cli, NULL) == FW_OK)
        for (size_t i = 0; i < view.watch_count; i++)
            add_watch(&view, &view.watches[i], set);
    alert_view_close(&view);
}

static double count(_Atomic uint64_t *counter)
{
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_lines(struct line_port *port, struct sample_set *set)
{
    static const char *const protocols[LINE_PROTOCOLS] = {
        [LINE_INFLUX] = "influx",
        [LINE_GRAPHITE] = "graphite",
        [LINE_OPENTSDB] = "opentsdb"};
    struct line_stats *s = line_port_stats(port);
    const struct row rows[] = {
        {"forewarn_line_bytes_total", count(&s->bytes)},
        {"forewarn_line_connections_total", count(&s->accepted)},
        {"forewarn_line_values_skipped_total", count(&s->skipped)},
        {"forewarn_line_samples_refused_total", count(&s->refused)},
        {"forewarn_line_stalls_total", count(&s->stalls)},
        {"forewarn_line_held_total", count(&s->held)},
        {"forewarn_line_names_forgotten_total", count(&s->forgotten)},
        {"forewarn_line_bad_unlogged_total", count(&s->bad_unlogged)},
    };

    ADD_ROWS(set, rows);
    for (size_t i = 0; i < LINE_PROTOCOLS; i++) {
        sample_set_add(set, "forewarn_lines_total", count(&s->lines[i]),
                       "protocol", protocols[i], NULL);
        sample_set_add(set, "forewarn_line_values_total", count(&s->values[i]),
                       "protocol", protocols[i], NULL);
    }
    for (int i = LINE_OK + 1; i < LINE_FAULTS; i++)
        sample_set_add(set, "forewarn_lines_bad_total", count(&s->bad[i]),
                       "reason", line_fault_name((enum line_fault)i), NULL);
}

static size_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

static double resident_bytes(void)
{
    struct fw_buf text;
    struct fw_str rest;
    double pages = 0;

    if (host_read("/proc", "self/statm", &text)) {
        rest = (struct fw_str){text.data, text.len};
        if (!host_number(&rest, &pages) || !host_number(&rest, &pages))
            pages = 0;
    }
    fw_buf_release(&text);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void add_process(fw_ms started, struct sample_set *set)
{
    struct rusage used = {0};
    struct rlimit files = {0};

    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
    (void)getrlimit(RLIMIT_NOFILE, &files);
    {
        const struct row rows[] = {
            {"process_cpu_seconds_total",
             seconds(used.ru_utime) + seconds(used.ru_stime)},
            {"process_resident_memory_bytes", resident_bytes()},
            {"process_open_fds", (double)count_descriptors()},
            {"process_max_fds", (double)files.rlim_cur},
            {"process_start_time_seconds", (double)started / 1000},
        };

        ADD_ROWS(set, rows);
    }
}

void self_metrics_add_alerting(struct watcher *watcher,
                               struct notifier *notifier,
                               struct sample_set *set)
{
    struct watcher_stats w = {0};
    struct notifier_stats n = {0};

    if (watcher != NULL)
        watcher_stats(watcher, &w);
    if (notifier != NULL)
        notifier_stats(notifier, &n);
    {
        const struct row rows[] = {
            {"forewarn_watch_looks_total", (double)w.looks},
            {"forewarn_watch_failures_total", (double)w.failures},
            {"forewarn_watched_series", (double)w.series},
            {"forewarn_alerts_active", (double)w.active},
            {"forewarn_predictions_total", (double)w.predictions},
            {"forewarn_scores_total", (double)w.scores},
            {"forewarn_watch_forecaster_bytes", (double)w.forecaster_bytes},
            {"forewarn_predictions_held_total", (double)w.held},
            {"forewarn_alert_changes_silent_total", (double)w.silent},
            {"forewarn_watch_backtests_refused_total",
             (double)w.backtests_refused},
            {"forewarn_notifications_delivered_total", (double)n.delivered},
            {"forewarn_notifications_failed_total", (double)n.failed},
            {"forewarn_notifications_dropped_total", (double)n.dropped},
        };

        ADD_ROWS(set, rows);
    }
}

void self_metrics_add_rules(struct ruler *ruler, struct managers *managers,
                            struct sample_set *set)
{
    struct ruler_stats r = {0};
    struct managers_stats m = {0};

    if (ruler != NULL)
        ruler_stats(ruler, &r);
    if (managers != NULL)
        managers_stats(managers, &m);
    {
        const struct row rows[] = {
            {"forewarn_rule_groups", (double)r.groups},
            {"forewarn_rules", (double)r.rules},
            {"forewarn_rule_evaluations_total", (double)r.evaluations},
            {"forewarn_rule_evaluation_failures_total", (double)r.failures},
            {"forewarn_rule_group_evaluations_missed_total", (double)r.missed},
            {"forewarn_rule_alerts_pending", (double)r.pending},
            {"forewarn_rule_alerts_firing", (double)r.firing},
            {"forewarn_rule_series", (double)r.series},
            {"forewarn_alertmanagers", (double)m.found},
            {"forewarn_alertmanager_sent_total", (double)m.sent},
            {"forewarn_alertmanager_errors_total", (double)m.errors},
            {"forewarn_alertmanager_dropped_total", (double)m.dropped},
            {"forewarn_alertmanager_waiting", (double)m.waiting},
        };

        ADD_ROWS(set, rows);
    }
}

void self_metrics_add_schedules(struct scheduler *scheduler,
                                struct sample_set *set)
{
    struct scheduler_stats stats = {0};

    if (scheduler != NULL)
        scheduler_stats(scheduler, &stats);
    sample_set_add(set, "forewarn_schedule_runs_total", (double)stats.runs,
                   NULL);
    sample_set_add(set, "forewarn_schedule_failures_total",
                   (double)stats.failures, NULL);
}

static void add_local(const struct local_server *local, struct sample_set *set)
{
    sample_set_add(set, "forewarn_local_commands_total",
                   (double)local_server_answered(local), NULL);
    for (int i = 0; i < LOCAL_REFUSALS; i++)
        sample_set_add(
            set, "forewarn_local_refused_total",
            (double)local_server_refused(local, (enum local_refusal)i),
            "reason", local_refusal_name((enum local_refusal)i), NULL);
}

void self_metrics_add(void *self, struct sample_set *set)
{
    struct self_metrics *m = self;

    add_store(m->store, set);
    add_audit(m->store, set);
    add_actions(m->store, set);
    add_watches(m->store, set);
    if (m->line_port != NULL)
        add_lines(m->line_port, set);
    if (m->peers != NULL) {
        size_t open;
        uint64_t evicted;

        peers_count(m->peers, &open, &evicted);
        sample_set_add(set, "forewarn_connections", (double)open, NULL);
        sample_set_add(set, "forewarn_connections_evicted_total",
                       (double)evicted, NULL);
    }
    if (m->workers != NULL)
        sample_set_add(set, "forewarn_worker_jobs_waiting",
                       (double)workers_waiting(m->workers), NULL);
    if (m->local != NULL)
        add_local(m->local, set);
    add_process(m->started, set);
    sample_set_add(set, "forewarn_build_info", 1, "version", FW_VERSION, NULL);
}
