/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * storage.h - the store: series of samples in a data folder, on LMDB.
 *
 * A series is a set of labels (`__name__` is the metric name, any UTF-8); a
 * sample is an int64 millisecond timestamp and a float64 kept bit for bit. An
 * append that was answered with FW_OK is on disk.
 *
 * Threads: a `struct fw_store` may be used by any number of threads at once,
 * unless a function says otherwise. One process writes to a folder; others
 * open it read-only.
 */
#ifndef FW_STORAGE_STORAGE_H
#define FW_STORAGE_STORAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/arena.h"
#include "storage/base/cli.h"
#include "storage/base/clock.h"
#include "storage/base/err.h"
#include "storage/base/str.h"

/* ---- Labels ------------------------------------------------------------ */

#define FW_METRIC_NAME "__name__"

/* The stale marker of Prometheus: one NaN among many, told by its bits. */
#define FW_STALE_BITS 0x7ff0000000000002u

struct fw_label {
    struct fw_str name;
    struct fw_str value;
};

/* Sorted by name (byte order), names unique, no empty values. */
struct fw_labels {
    const struct fw_label *v;
    size_t n;
};

/*
 * Sorts `v` in place into the canonical form: empty values dropped. FW_EINVAL
 * names a name that stands twice, is empty or is not UTF-8; FW_ETOOBIG the
 * limit that struck (limits.h).
 */
FW_CHECK fw_rc fw_labels_canonical(struct fw_label *v, size_t *n,
                                   struct fw_err *err);

/* The value of a label, or an empty string. */
struct fw_str fw_labels_get(const struct fw_labels *labels, struct fw_str name);

/* Label by label in byte order; <0, 0, >0. */
int fw_labels_cmp(const struct fw_labels *a, const struct fw_labels *b);

/* Adds `name{a="b",c="d"}` with Go's escapes; quoted names where needed. */
FW_CHECK fw_rc fw_labels_print(struct fw_buf *out,
                               const struct fw_labels *labels);

struct fw_json;

/* Writes them as one JSON object: {"job":"node"}. */
void fw_labels_json(struct fw_json *json, const struct fw_labels *labels);

/* ---- Matchers ---------------------------------------------------------- */

enum fw_match_op {
    FW_MATCH_EQUAL,    /* =  */
    FW_MATCH_DIFFERS,  /* != */
    FW_MATCH_REGEX,    /* =~ fully anchored, RE2 syntax */
    FW_MATCH_NOT_REGEX /* !~ */
};

/* A missing label counts as the empty value, as in Prometheus. */
struct fw_matcher {
    enum fw_match_op op;
    struct fw_str name;
    struct fw_str value;
};

/* FW_EINVAL with the reason if `pattern` is not a regex RE2 would take. */
FW_CHECK fw_rc fw_regex_check(struct fw_str pattern, struct fw_err *err);

/*
 * A compiled regex for callers above (label_replace, ...). Owned by the caller;
 * one may be used by one thread at a time.
 */
struct fw_regex;
FW_CHECK fw_rc fw_regex_compile(struct fw_str pattern, struct fw_regex **out,
                                struct fw_err *err);
void fw_regex_free(struct fw_regex *regex);
/* How many were longer than FW_MAX_REGEX_BYTES since the program began. */
uint64_t fw_regex_too_long(void);
bool fw_regex_matches(struct fw_regex *regex, struct fw_str text);

/*
 * Groups of a match: group 0 is the whole text; a group that took no part has
 * p == NULL. FW_NONE if the text does not match. Writes at most max, sets
 * *count to the number of groups of the pattern plus one.
 */
FW_CHECK fw_rc fw_regex_groups(struct fw_regex *regex, struct fw_str text,
                               struct fw_str *groups, size_t max,
                               size_t *count);

/* The number of the group with that name, 0 where there is none. */
size_t fw_regex_group_number(const struct fw_regex *regex, struct fw_str name);

/*
 * Adds `with`, its $1, ${1}, $name and $$ filled in, by the rules of Go's
 * Regexp.Expand: a name is as long as it can be, an unknown one is empty, and
 * a "$" that starts none stays. `groups` are those of fw_regex_groups().
 */
FW_CHECK fw_rc fw_regex_expand(const struct fw_regex *regex, struct fw_str with,
                               const struct fw_str *groups, size_t count,
                               struct fw_buf *out);

/* ---- The store ----------------------------------------------------------- */

struct fw_store;

struct fw_store_options {
    bool read_only;         /* never writes; sees what is durable when opened */
    bool create;            /* make the folder if it is not there */
    fw_ms retention;        /* 0: FW_RETENTION_MS */
    fw_ms rollup_retention; /* of hourly summaries; 0: none are made */
    fw_ms rollup_step;      /* what they span; 0: FW_HOUR */
    fw_ms rollup_lead;      /* made so long before the samples go; 0:
                               FW_ROLLUP_LEAD_MS; INT64_MAX: as days are closed */
    fw_ms max_future;       /* 0: FW_MAX_FUTURE_MS */
    fw_ms ooo_window;       /* 0: FW_OOO_WINDOW_MS */
    fw_ms linger;        /* commit linger; 0: FW_COMMIT_LINGER_MS, <0: none */
    uint32_t max_series; /* 0: FW_MAX_SERIES */
    uint32_t max_metric_series; /* with the same metric name; 0: no limit */
    uint64_t disk_floor;      /* free bytes kept back; 0: FW_DISK_FLOOR_BYTES */
    uint64_t retention_bytes; /* of all files, whole days; 0: no limit */
    fw_ms close_after; /* a day's end, by the clock; 0: FW_CLOSE_AFTER_MS */
    uint64_t plain_samples;   /* bytes in memory that are not packed; 0:
                                 FW_PLAIN_SAMPLES_BYTES */
    uint64_t journal_bytes;   /* past these, or ... */
    uint64_t journal_samples; /* ... these its older half goes to a checkpoint;
                                 0: FW_JOURNAL_BYTES, FW_JOURNAL_SAMPLES */
    fw_ms snapshot; /* a reader's view of a file, at most; 0: FW_SNAPSHOT_MS */
    size_t map_bytes; /* LMDB map per environment; 0: sensible; for tests */
    const struct fw_clock *clock; /* NULL: the system's */
};

/*
 * Opens the store in `dir`, replaying its journal. FW_ENOTFOUND where there is
 * no store and `create` is off (the sentence tells a missing folder from one
 * that holds something else); FW_EBUSY if another process writes to it;
 * FW_EVERSION for a format this build does not know; FW_ECORRUPT. The caller
 * closes *out.
 */
FW_CHECK fw_rc fw_store_open(const char *dir,
                             const struct fw_store_options *options,
                             struct fw_store **out, struct fw_err *err);

/* Stops the committer after what is queued, seals the head, closes. */
void fw_store_close(struct fw_store *store);

const char *fw_store_dir(const struct fw_store *store);

/*
 * Rewrites now what is rewritten when a day is over: everything on disk, series
 * by series, without what was deleted. Waits for it (seconds for each 10
 * million samples); the store goes on meanwhile. FW_END when *cancel (or NULL)
 * is set.
 */
FW_CHECK fw_rc fw_store_compact(struct fw_store *store,
                                const atomic_bool *cancel, struct fw_err *err);

/* ---- Writing ---------------------------------------------------------------
 */

/*
 * The id of the series with these labels (canonical), made if new; it becomes
 * durable with the first batch that uses it. FW_ETOOBIG when --max-series,
 * --max-metric-series or a label limit struck, FW_EREADONLY.
 *
 * An id holds while its series has samples, and for an hour after it was
 * given out. Then the series may be forgotten, and a batch with its id is
 * refused (FW_EINVAL): who keeps ids for longer asks for them anew when
 * fw_store_epoch() has changed.
 */
FW_CHECK fw_rc fw_store_series(struct fw_store *store,
                               const struct fw_labels *labels, uint32_t *id,
                               struct fw_err *err);

/* Changes an hour before series are forgotten. Any thread, cheap. */
uint64_t fw_store_epoch(const struct fw_store *store);

/*
 * Samples of any series in any order; three arrays of n items. `patience` is
 * how long they may wait for company where nobody waits for their answer: a
 * commit costs the disk some 20 KiB whatever it holds. Less than the store's
 * linger (0) means the linger.
 */
struct fw_batch {
    uint32_t *series;
    fw_ms *t;
    double *v;
    size_t n, cap;
    fw_ms patience;
};

void fw_batch_release(struct fw_batch *batch);
/* FW_ETOOBIG past FW_MAX_BATCH_SAMPLES, FW_ENOMEM. */
FW_CHECK fw_rc fw_batch_add(struct fw_batch *batch, uint32_t series, fw_ms t,
                            double v);

/* Room for so many in all, or as many as a batch may have; FW_ENOMEM. */
FW_CHECK fw_rc fw_batch_reserve(struct fw_batch *batch, size_t samples);

/*
 * Gives a batch without room that of one which was answered, if there is one:
 * for who fills one batch after the other. Any thread.
 */
void fw_store_spare_batch(struct fw_store *store, struct fw_batch *batch);

/* What became of the samples of one batch. */
struct fw_append_result {
    fw_rc rc; /* FW_OK: those stored are durable; else none is */
    uint32_t stored;
    uint32_t duplicates; /* same time and bits as one already there */
    uint32_t conflicts;  /* same time, other bits: the first one stays */
    uint32_t too_old;    /* behind the out-of-order window */
    uint32_t too_new;    /* further ahead than max_future */
    struct fw_err err;   /* the sentence for rc, or for the first refusal */
};

typedef void (*fw_append_done)(void *self,
                               const struct fw_append_result *result);

/*
 * Hands a batch to the committer, which journals it with others in one commit
 * and then calls `done` once, on its own thread, which must not block. The
 * store takes the batch's arrays (the batch is left empty) unless it fails:
 * FW_EBUSY when FW_MAX_PENDING_SAMPLES wait already, FW_EREADONLY.
 */
FW_CHECK fw_rc fw_store_submit(struct fw_store *store, struct fw_batch *batch,
                               fw_append_done done, void *self,
                               struct fw_err *err);

/* The same, waiting for the outcome. `batch` is left empty. */
FW_CHECK fw_rc fw_store_append(struct fw_store *store, struct fw_batch *batch,
                               struct fw_append_result *result,
                               struct fw_err *err);

/* ---- Reading ---------------------------------------------------------------
 */

struct fw_series {
    uint32_t id;
    struct fw_labels labels;
};

/*
 * The series that satisfy all matchers (at least one of which must not match
 * the empty value) and may have samples in [from, to], in label order. The
 * array and its texts live in `arena`. FW_ETOOBIG past max_series.
 */
FW_CHECK fw_rc fw_store_select(struct fw_store *store,
                               const struct fw_matcher *matchers, size_t n,
                               fw_ms from, fw_ms to, size_t max_series,
                               struct fw_arena *arena,
                               struct fw_series **series, size_t *count,
                               struct fw_err *err);

/* A decoded run of samples, times strictly rising; valid until the next. */
struct fw_run {
    const fw_ms *t;
    const double *v;
    size_t n;
    fw_ms step; /* t[i] is t[0] + i * step; 0: not so, or not known */
};

/* What is known of a run of samples without reading it. */
struct fw_summary {
    fw_ms t_first, t_last;
    uint32_t n;    /* samples, those of `nans` too */
    uint32_t nans; /* NaNs among them, stale markers too; the rest is without */
    double min, max;    /* NaN if all are NaN */
    double sum;         /* compensated */
    double first, last; /* as they are, NaN or not */
    double increase;    /* sum of the rises, a fall being a reset to 0 */
};

/* Reads one series over [from, to], both ends included, oldest first. */
struct fw_cursor;
FW_CHECK fw_rc fw_cursor_open(struct fw_store *store, uint32_t series,
                              fw_ms from, fw_ms to, struct fw_cursor **out,
                              struct fw_err *err);
/*
 * The same for another series or range, keeping the cursor's memory. On
 * failure it is at its end and can be reset again.
 */
FW_CHECK fw_rc fw_cursor_reset(struct fw_cursor *cursor, uint32_t series,
                               fw_ms from, fw_ms to, struct fw_err *err);
/*
 * FW_OK and the next run, FW_END after the last. FW_ECORRUPT names the file,
 * the series and the time range that cannot be read. One thread at a time.
 */
FW_CHECK fw_rc fw_cursor_next(struct fw_cursor *cursor, struct fw_run *run,
                              struct fw_err *err);
/*
 * FW_OK and what is known of the run that fw_cursor_next() would read, where
 * that is known without reading it: fw_cursor_skip() then steps over it.
 * FW_NONE: it has to be read. FW_END. FW_ECORRUPT: reading it may still do.
 * Where s.nans > 0, mind that `first` and `last` may be NaN.
 */
FW_CHECK fw_rc fw_cursor_peek(struct fw_cursor *cursor, struct fw_summary *s,
                              struct fw_err *err);
void fw_cursor_skip(struct fw_cursor *cursor);
/*
 * FW_OK and times that the next run lies within, before anything is read;
 * FW_END. Cheaper than a peek, to see whether that is worth while.
 */
FW_CHECK fw_rc fw_cursor_span(const struct fw_cursor *cursor, fw_ms *first,
                              fw_ms *last);
/*
 * For reading many series: from one to the next the cursor keeps its look at
 * the disk and its partitions. Meanwhile files cannot grow or go away, so turn
 * it off after some ten thousand samples, and before waiting for anything. Off
 * at first.
 */
void fw_cursor_hold(struct fw_cursor *cursor, bool on);
void fw_cursor_close(struct fw_cursor *cursor);

/*
 * Summaries of samples that retention has dropped: of each hour (or as
 * rollup_step was) one row, as fw_summary says it, but that stale markers are
 * not counted and `first` and `last` are no NaN where there is another value.
 * An hour of which anything was deleted is left out. One thread at a time; a
 * reader sees what there was when it was opened.
 */
struct fw_rollups;
FW_CHECK fw_rc fw_rollups_open(struct fw_store *store, struct fw_rollups **out,
                               struct fw_err *err);
/*
 * The rows of a series that lie in [from, to] with all their samples, by time;
 * valid until the next call. FW_ECORRUPT names the file.
 */
FW_CHECK fw_rc fw_rollups_read(struct fw_rollups *rollups, uint32_t series,
                               fw_ms from, fw_ms to,
                               const struct fw_summary **rows, size_t *n,
                               struct fw_err *err);
void fw_rollups_close(struct fw_rollups *rollups);

/* The newest time there may be such a row of; INT64_MIN: none. Cheap. */
fw_ms fw_store_rollups_last(const struct fw_store *store);

/* Which series are asked for their labels; NULL: all of all times. */
struct fw_label_query {
    const struct fw_matcher *matchers; /* as of fw_store_select(); n 0: all */
    size_t n;
    fw_ms from, to; /* of series that may have samples there */
    size_t limit;   /* at most so many, the first in order; 0: all */
};

/* All label names, or all values of one, sorted; texts live in `arena`. */
FW_CHECK fw_rc fw_store_label_names(struct fw_store *store,
                                    const struct fw_label_query *query,
                                    struct fw_arena *arena,
                                    struct fw_str **names, size_t *count,
                                    struct fw_err *err);
FW_CHECK fw_rc fw_store_label_values(struct fw_store *store, struct fw_str name,
                                     const struct fw_label_query *query,
                                     struct fw_arena *arena,
                                     struct fw_str **values, size_t *count,
                                     struct fw_err *err);

/* What the series are made of: each list the largest first. */
struct fw_index_entry {
    struct fw_str name;
    struct fw_str value; /* of pairs; else empty */
    uint64_t n;
};
struct fw_index_stats {
    uint64_t series;
    uint64_t pairs;                 /* different name=value */
    fw_ms oldest, newest;           /* sample; INT64_MAX, INT64_MIN: none */
    uint64_t blocks;                /* of samples, on disk and in memory */
    uint64_t memory_bytes;          /* of labels, postings and hash */
    struct fw_index_entry *metrics; /* series by metric name */
    struct fw_index_entry *values;  /* different values by label name */
    struct fw_index_entry *bytes;   /* of those values, by label name */
    struct fw_index_entry *by_pair; /* series by name=value */
    size_t metric_count, value_count, byte_count, by_pair_count;
};
/* At most `top` of each; they live in `arena`. FW_ENOMEM, FW_ETOOBIG. */
FW_CHECK fw_rc fw_store_index_stats(struct fw_store *store, size_t top,
                                    struct fw_arena *arena,
                                    struct fw_index_stats *out,
                                    struct fw_err *err);

/*
 * Deletes what there is of the series that satisfy all matchers (as of
 * fw_store_select()) in [from, to], both included: at once for every reader
 * that begins from now on, and off the disk when their partitions are rewritten
 * next (fw_store_compact() does it now). Samples that come later stay. *series
 * tells how many series it was. Durable on FW_OK. FW_EINVAL, FW_EREADONLY;
 * FW_ETOOBIG where too many deletions wait to be carried out.
 */
FW_CHECK fw_rc fw_store_delete(struct fw_store *store,
                               const struct fw_matcher *matchers, size_t n,
                               fw_ms from, fw_ms to, uint64_t *series,
                               struct fw_err *err);

/* ---- Small tables beside the samples ----------------------------------------
 */

/*
 * The rooms above keep their durable state (ledger, alert state, outbox, audit)
 * in tables of meta/: ordered maps from bytes to bytes, in transactions.
 * A write transaction belongs to one thread; only one is open at a time and
 * the others wait, so keep it short. Values read are valid until the
 * transaction ends or writes. Keys: 1 to 480 bytes. Table names: [a-z_]{1,32}.
 */
struct fw_txn;
FW_CHECK fw_rc fw_txn_begin(struct fw_store *store, bool write,
                            struct fw_txn **out, struct fw_err *err);
/* Durable when it returns FW_OK; the transaction is gone either way. */
FW_CHECK fw_rc fw_txn_commit(struct fw_txn *txn, struct fw_err *err);
void fw_txn_abort(struct fw_txn *txn); /* none at all may be NULL */
/*
 * Ends it as the work on it went: commits if `rc` is FW_OK, else aborts and
 * returns `rc`.
 */
FW_CHECK fw_rc fw_txn_end(struct fw_txn *txn, fw_rc rc, struct fw_err *err);
FW_CHECK fw_rc fw_txn_put(struct fw_txn *txn, const char *table,
                          struct fw_str key, struct fw_str value,
                          struct fw_err *err);
/* FW_NONE where there is no such key. */
FW_CHECK fw_rc fw_txn_get(struct fw_txn *txn, const char *table,
                          struct fw_str key, struct fw_str *value,
                          struct fw_err *err);
FW_CHECK fw_rc fw_txn_delete(struct fw_txn *txn, const char *table,
                             struct fw_str key, struct fw_err *err);
/*
 * Calls `each` for the keys >= from in order until it answers false.
 */
typedef bool (*fw_txn_each)(void *self, struct fw_str key, struct fw_str value);
FW_CHECK fw_rc fw_txn_scan(struct fw_txn *txn, const char *table,
                           struct fw_str from, fw_txn_each each, void *self,
                           struct fw_err *err);
/* The last key of a table and its value; FW_NONE if it is empty. */
FW_CHECK fw_rc fw_txn_last(struct fw_txn *txn, const char *table,
                           struct fw_str *key, struct fw_str *value,
                           struct fw_err *err);

/* ---- What the store knows of itself
 * ------------------------------------------ */

/* Why a head checkpoint was made: what had grown too long. */
enum fw_checkpoint_reason {
    FW_CHECKPOINT_BYTES,   /* of the journal: journal_bytes */
    FW_CHECKPOINT_SAMPLES, /* of the journal: journal_samples */
    FW_CHECKPOINT_RING,    /* the checkpoints themselves */
    FW_CHECKPOINT_REASONS
};

/* Counters since it was opened, and gauges. The server exports them. */
struct fw_store_stats {
    uint64_t series;           /* known */
    uint64_t series_forgotten; /* all of whose samples retention dropped */
    uint64_t head_samples;     /* in memory, not yet in a block on disk */
    uint64_t head_plain_bytes; /* for those of them that are not packed */
    uint64_t samples_stored;
    uint64_t samples_duplicate;
    uint64_t samples_conflict;
    uint64_t samples_too_old;
    uint64_t samples_too_new;
    uint64_t series_refused; /* by a limit of series or of labels */
    uint64_t samples_sealed; /* put into blocks on disk */
    uint64_t seal_cpu_ns;    /* CPU time that took, encoding included */
    uint64_t commits;
    uint64_t commit_bytes; /* journal payload */
    uint64_t commit_failures;
    uint64_t journal_bytes;   /* of records that are needed, gauge */
    uint64_t journal_samples; /* in those, gauge */
    uint64_t checkpoints[FW_CHECKPOINT_REASONS]; /* of the head */
    uint64_t checkpoint_bytes;                   /* payload */
    uint64_t pending_samples;
    uint64_t busy;             /* batches refused because too many waited */
    uint64_t disk_bytes;       /* of all files of the folder */
    uint64_t replayed_samples; /* at the last open */
    uint64_t corrupt_found;    /* blocks or records that failed a checksum */
    uint64_t records_bad;      /* of the journal, left out at the last open */
    uint64_t records_lost;     /* at the last open: numbers that it lacks */
    uint64_t salvages; /* 1: its damaged file was made anew of what it had */
    uint64_t quarantine_files; /* kept in quarantine/, gauge */
    uint64_t quarantine_bytes;
    uint64_t quarantine_refused; /* did not fit there at the last open */
    uint64_t partitions;         /* stretches of time on disk, gauge */
    uint64_t partitions_closed;  /* rewritten since the store was opened */
    uint64_t close_failures;
    uint64_t tombstones; /* deletions not carried out on disk yet, gauge */
    uint64_t partitions_dropped; /* by retention, of age or of size */
    uint64_t snapshots_renewed;  /* views of readers that grew too old */
    uint64_t stale_readers;      /* slots of dead processes that were cleared */
    uint64_t
        reader_lag; /* commits the oldest view of a file is behind, gauge */
    bool read_only; /* turned so by a full or failing disk */
    char read_only_reason[256];
};
void fw_store_stats(struct fw_store *store, struct fw_store_stats *out);

/*
 * What was found damaged when the store was opened, and what became of it: *v
 * has as many sentences as are answered, the first ones of all, and lives as
 * long as the store; *more, how many others there were.
 */
size_t fw_store_findings(const struct fw_store *store, char *const **v,
                         size_t *more);

/* ---- Copies ----------------------------------------------------------------
 */

struct fw_backup_report {
    uint64_t record; /* journal records up to this one are in it, whole */
    fw_ms at;        /* by the clock, when it was caught */
    uint64_t files;
    uint64_t bytes;
};

/*
 * Copies the store, as it is at one moment, to the new folder `to` (an empty
 * one will do), while it goes on being written to: every sample acknowledged
 * before the call is in it. The folder is a data folder with a MANIFEST of
 * SHA-256 (docs/formats/backup.md); until that is whole and durable it is
 * called `to`.unfinished. FW_EINVAL if `to` is taken, FW_ENOSPC, FW_ECANCELED
 * once *cancel (may be NULL) is true, FW_EBUSY for a store opened read-only
 * that another process writes to. Any thread; one at a time.
 */
FW_CHECK fw_rc fw_store_backup(struct fw_store *store, const char *to,
                               const atomic_bool *cancel,
                               struct fw_backup_report *out,
                               struct fw_err *err);

/*
 * Sees that every file of a backup is there, none else, each with the hash
 * that MANIFEST says. FW_ECORRUPT names the first that is not.
 */
FW_CHECK fw_rc fw_backup_check(const char *from, struct fw_backup_report *out,
                               struct fw_err *err);

/*
 * Makes the data folder `to`, which must not be there or be empty, of a
 * backup: copies while checking every hash, then reads the copy as `verify`
 * does. It is called `to`.unfinished until all is well.
 */
FW_CHECK fw_rc fw_store_restore(const char *from, const char *to,
                                const atomic_bool *cancel,
                                struct fw_backup_report *out,
                                struct fw_err *err);

/* ---- For commands
 * -------------------------------------------------------------- */

extern const struct fw_command fw_storage_commands[]; /* ends with zeros */

/*
 * The store a command works on: the server's own where it runs inside one,
 * else the folder cli->data_dir opened read-only. Give it back with
 * fw_cli_store_close().
 */
FW_CHECK fw_rc fw_cli_store_open(struct fw_cli *cli, struct fw_store **out,
                                 struct fw_err *err);
void fw_cli_store_close(struct fw_cli *cli, struct fw_store *store);

#endif
