/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/verify.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/index/registry_page.h"
#include "storage/journal/checkpoint_record.h"
#include "storage/journal/quarantine.h"
#include "storage/meta.h"
#include "storage/segments/rollup.h"

struct verifier {
    struct fw_store *store;
    verify_finding finding;
    void *self;
    struct verify_totals *totals;
    struct partition *part;
    uint32_t segment;
    fw_ms *t; /* owned: room for the largest block */
    double *v;
    struct rollup_check rows;      /* of the partition, if it has such */
    struct rollup_compare *beside; /* the rollup of its samples, if any */
};

FW_PRINTF(2, 3)
static void found(struct verifier *v, const char *fmt, ...)
{
    char text[FW_ERR_TEXT_BYTES + 512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    v->totals->findings++;
    v->finding(v->self, text);
}

/*
 * A reader beside a writer of another process sees series, files and records
 * that came after it opened the folder.
 */
static bool may_be_outdated(const struct verifier *v)
{
    return v->store->options.read_only && !v->store->check_files;
}

static bool is_defined(const struct verifier *v, uint32_t series)
{
    return series < registry_next_id(&v->store->registry) || may_be_outdated(v);
}

/* ---- Blocks ---------------------------------------------------------------
 */

static void found_block(struct verifier *v, const struct segment_block *b,
                        const char *what)
{
    char series[512], from[FW_TIME_TEXT_BYTES], to[FW_TIME_TEXT_BYTES];

    registry_describe(&v->store->registry, b->series, series, sizeof(series));
    (void)fw_format_time(from, b->t_min);
    (void)fw_format_time(to, b->t_max);
    found(v, "%s, segment %u, %s from %s to %s: %s", v->part->path, v->segment,
          series, from, to, what);
}

static bool same_bits(double a, double b)
{
    return fw_double_bits(a) == fw_double_bits(b) || (a != a && b != b);
}

/* The directory must say what the samples say. */
static const char *compare_summary(const struct segment_block *said,
                                   const fw_ms *t, const double *values)
{
    struct segment_block is = {0};

    segment_summarise(&is, values, said->n);
    if (t[0] != said->t_min || t[said->n - 1] != said->t_max)
        return "its times do not agree with the directory";
    for (uint32_t i = 1; i < said->n; i++)
        if (t[i] <= t[i - 1])
            return "its times do not rise";
    if (is.nans != said->nans || !same_bits(is.min, said->min) ||
        !same_bits(is.max, said->max) || !same_bits(is.sum, said->sum) ||
        !same_bits(is.first, said->first) || !same_bits(is.last, said->last) ||
        !same_bits(is.increase, said->increase))
        return "its values do not agree with the directory";
    return NULL;
}

/* It came later; or it was forgotten, as its partition was, meanwhile. */
static bool may_lack_labels(const struct verifier *v, uint32_t series)
{
    return (series >= registry_next_id(&v->store->registry) &&
            may_be_outdated(v)) ||
           atomic_load(&v->part->dropped);
}

static void check_block(struct verifier *v, const struct segment *s,
                        const struct segment_block *b)
{
    struct fw_err err = {0};
    const char *what;
    struct fw_buf labels = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 2);
    fw_rc rc = segment_times(s, b->column, b->n, v->t, &err);

    v->totals->blocks++;
    v->totals->samples += b->n;
    if (rc == FW_OK)
        rc =
            segment_values(s, b->series, b->offset, b->bytes, b->n, v->v, &err);
    what = rc == FW_OK ? compare_summary(b, v->t, v->v) : err.text;
    if (rc == FW_OK && v->beside != NULL)
        rc = rollup_compare_samples(v->beside, b->series, v->t, v->v, b->n,
                                    &err);
    if (rc != FW_OK) { /* told below, or where the rollup itself is read */
        rollup_compare_free(v->beside);
        v->beside = NULL;
    }
    if (what != NULL)
        found_block(v, b, what);
    if (b->t_min < v->part->first || b->t_max > v->part->last)
        found_block(v, b, "its times belong to another partition");
    if (registry_put_definition(&v->store->registry, b->series, &labels) ==
            FW_NONE &&
        !may_lack_labels(v, b->series))
        found_block(v, b, "its series has no labels in the registry");
    fw_buf_release(&labels);
}

static fw_rc inflate(struct segment *s, uint8_t **out, struct fw_err *err)
{
    uint8_t *data = malloc(s->data_bytes);
    fw_rc rc;

    if (data == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = segment_inflate(s, data, err);
    if (rc != FW_OK) {
        free(data);
        return rc;
    }
    s->data = data;
    *out = data;
    return FW_OK;
}

/* Samples where there should be some, else rows of a rollup. */
static void check_contents(struct verifier *v, const struct segment *s,
                           const struct segment_block *blocks)
{
    const char *what = NULL;

    if (rollup_is(v->part))
        what = rollup_check_segment(&v->rows, s, blocks);
    else if (s->rows)
        what = "it has no samples";
    else
        for (uint32_t i = 0; i < s->block_count; i++)
            check_block(v, s, &blocks[i]);
    if (what != NULL)
        found(v, "%s, segment %u: %s", v->part->path, v->segment, what);
}

static fw_rc check_segment(void *self, uint32_t number, struct fw_str value,
                           struct fw_err *err)
{
    struct verifier *v = self;
    struct segment_block *blocks = NULL;
    uint8_t *inflated = NULL;
    struct segment segment;
    struct fw_err why = {0};
    fw_rc rc = segment_open(&segment, value, &why);

    (void)err; /* whatever is wrong here, the next segment is looked at */
    v->segment = number;
    v->totals->segments++;
    if (rc == FW_OK)
        rc = segment_directory(&segment, &blocks, &why);
    if (rc == FW_OK && segment.deflated)
        rc = inflate(&segment, &inflated, &why);
    if (rc != FW_OK) {
        found(v, "%s, segment %u: %s", v->part->path, number, why.text);
        rollup_compare_free(v->beside);
        v->beside = NULL;
        free(blocks);
        return FW_OK;
    }
    check_contents(v, &segment, blocks);
    for (size_t i = segment.used; i < segment.n; i++)
        if (segment.p[i] != 0) {
            found(v, "%s, segment %u: bytes behind its end are not zero",
                  v->part->path, number);
            break;
        }
    free(blocks);
    free(inflated);
    return FW_OK;
}

/* ---- Partitions -----------------------------------------------------------
 */

static void check_hidden(struct verifier *v, const struct lmdb_env *env,
                         const char *path)
{
    if (env != NULL && lmdb_hides_commit(env))
        found(v, LMDB_HIDES_TEXT, path);
}

/* Its file may go while we look, once another one has taken its place. */
static bool has_gone(const struct verifier *v, const struct partition *part)
{
    return may_be_outdated(v) &&
           !manifest_may_be_live(&v->store->manifest, part);
}

/* The list of files, at a moment when nobody changes them. */
struct parts {
    struct partition **v;
    bool *exists; /* owned */
    size_t n;
};

/* Another rollup may tell of samples that came too late for their own. */
static bool overlaps_another(const struct parts *parts,
                             const struct partition *rollup)
{
    for (size_t i = 0; i < parts->n; i++)
        if (rollup_is(parts->v[i]) && parts->v[i] != rollup &&
            parts->v[i]->first <= rollup->last &&
            parts->v[i]->last >= rollup->first)
            return true;
    return false;
}

static void tell_differences(struct verifier *v, const struct parts *parts)
{
    struct rollup_differences d = {0};
    struct fw_err err = {0};
    char series[512], at[FW_TIME_TEXT_BYTES];

    if (rollup_compare_end(v->beside, &d, &err) != FW_OK ||
        has_gone(v, d.rollup) || has_gone(v, v->part))
        return;
    if (d.count > 0) {
        registry_describe(&v->store->registry, d.series, series,
                          sizeof(series));
        (void)fw_format_time(at, d.t);
        found(v, "%s, %s from %s: %s (%zu rows)", d.rollup->path, series, at,
              d.what, d.count);
    }
    if (d.bare > 0 && !overlaps_another(parts, d.rollup))
        found(v, "%s has no rows for %zu samples of %s", d.rollup->path, d.bare,
              v->part->path);
}

static fw_rc scan_partition(struct verifier *v, const struct parts *parts,
                            struct partition_end *end, struct fw_err *err)
{
    struct fw_err damage = {0};
    fw_rc rc;

    /* What is wrong with the rollup is told when it is its turn. */
    if (atomic_load(&v->part->kind) == PARTITION_CLOSED &&
        rollup_compare_begin(parts->v, parts->n, v->part, &v->beside,
                             &damage) != FW_OK)
        v->beside = NULL;
    rc = partition_scan(v->part, check_segment, v, end, err);
    if (v->beside != NULL && rc == FW_OK)
        tell_differences(v, parts);
    rollup_compare_free(v->beside);
    v->beside = NULL;
    return rc;
}

static void check_partition(struct verifier *v, const struct parts *parts,
                            struct partition *part, bool exists)
{
    struct partition_end end = {0};
    struct lmdb_env *env = NULL;
    struct fw_err err = {0};
    bool live;
    fw_rc rc;

    v->part = part;
    v->rows = (struct rollup_check){.part = part, .store = v->store};
    if (!lmdb_is_begun(part->path)) {
        if (exists && !has_gone(v, part))
            found(v, "%s is gone", part->path);
        return;
    }
    v->totals->partitions++;
    /* Before it is read, since it becomes live when it has been written to. */
    live = manifest_may_be_live(&v->store->manifest, part);
    rc = partition_enter(part, &env, &err);
    if (rc == FW_OK) {
        check_hidden(v, env, part->path);
        rc = scan_partition(v, parts, &end, &err);
        partition_leave(part);
    }
    if (rc == FW_OK && live && !end.header)
        rc = fw_err_set(&err, FW_ECORRUPT, PARTITION_EMPTY_TEXT, part->path);
    if (rc != FW_OK && !has_gone(v, part))
        found(v, "%s", err.text);
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n >= m && strcmp(name + n - m, ending) == 0;
}

/*
 * A file that no entry of the manifest names holds data nobody reads. Entries
 * come before their files; one that was planned in vain goes before its file,
 * which is then gone a moment later.
 */
static fw_rc check_stray(struct verifier *v, const char *name,
                         struct fw_err *err)
{
    char path[FW_PATH_BYTES];
    bool named = false;
    fw_rc rc = fw_path_join(path, v->store->manifest.dir, name, err);

    for (int i = 0; i < 20 && rc == FW_OK && !named; i++) {
        rc = manifest_names(&v->store->manifest, name, &named, err);
        if (!fw_file_exists(path))
            return rc;
        if (!named && may_be_outdated(v))
            (void)usleep(10000);
    }
    if (rc == FW_OK && !named)
        found(v, "%s is no partition the manifest knows", path);
    return rc;
}

static fw_rc check_strays(struct verifier *v, struct fw_err *err)
{
    DIR *d = opendir(v->store->manifest.dir);
    struct dirent *entry;
    fw_rc rc = FW_OK;

    while (d != NULL && rc == FW_OK && (entry = readdir(d)) != NULL) {
        if (ends_with(entry->d_name, ".damaged"))
            found(v, "%s/%s was set aside: it could not be opened",
                  v->store->manifest.dir, entry->d_name);
        if (ends_with(entry->d_name, ".hot") ||
            ends_with(entry->d_name, ".sealed") ||
            ends_with(entry->d_name, ".rollup"))
            rc = check_stray(v, entry->d_name, err);
    }
    if (d != NULL)
        (void)closedir(d);
    return rc;
}

static fw_rc list_parts(struct verifier *v, struct parts *out,
                        struct fw_err *err)
{
    struct fw_store *store = v->store;
    fw_rc rc;

    (void)pthread_mutex_lock(&store->quiet);
    rc = manifest_list(&store->manifest, &out->v, &out->n);
    if (rc == FW_OK)
        out->exists = calloc(out->n + 1, sizeof(bool));
    if (rc != FW_OK || out->exists == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; rc == FW_OK && i < out->n; i++)
        out->exists[i] = out->v[i]->exists;
    if (rc == FW_OK)
        rc = check_strays(v, err);
    (void)pthread_mutex_unlock(&store->quiet);
    return rc;
}

static fw_rc check_partitions(struct verifier *v, struct fw_err *err)
{
    struct parts parts = {0};
    fw_rc rc = list_parts(v, &parts, err);

    for (size_t i = 0; rc == FW_OK && i < parts.n; i++)
        check_partition(v, &parts, parts.v[i], parts.exists[i]);
    manifest_list_free(parts.v, parts.n);
    free(parts.exists);
    return rc;
}

/* ---- Registry and journal
 * -----------------------------------------------------
 */

static fw_rc count_series(void *self, uint32_t id,
                          const struct fw_labels *labels, struct fw_err *err)
{
    struct verifier *v = self;

    (void)id;
    (void)labels;
    (void)err;
    v->totals->series++;
    return FW_OK;
}

static void bad_page(void *self, uint32_t page, const struct fw_err *why)
{
    struct verifier *v = self;

    found(v, "%s/meta, registry page %u: %s", v->store->dir, page, why->text);
}

static const char *read_record(struct verifier *v, uint64_t seq,
                               struct fw_str text, struct fw_err *why)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels;
    struct journal_reader reader;
    uint32_t id = 0;
    fw_ms t = 0;
    uint64_t bits = 0;
    fw_rc rc = journal_reader_open(&reader, text, why);

    if (rc == FW_OK && reader.seq != seq)
        return "it stands at the place of another one";
    while (rc == FW_OK)
        rc = journal_reader_definition(&reader, &id, room, &labels, why);
    if (rc == FW_END)
        rc = FW_OK;
    while (rc == FW_OK) {
        rc = journal_reader_sample(&reader, &id, &t, &bits, why);
        if (rc == FW_OK && !is_defined(v, id))
            return "it has samples of a series that is defined nowhere";
    }
    return rc == FW_END ? NULL : why->text;
}

static fw_rc check_record(void *self, uint64_t seq, struct fw_str text,
                          struct fw_err *err)
{
    struct verifier *v = self;
    struct fw_err why = {0};
    const char *what = read_record(v, seq, text, &why);

    (void)err;
    v->totals->journal_records++;
    if (what != NULL)
        found(v, "%s/journal, record %llu: %s", v->store->dir,
              (unsigned long long)seq, what);
    return FW_OK;
}

static fw_rc check_series_of(struct verifier *v, struct checkpoint_reader *r,
                             struct fw_err *why)
{
    struct head_chunk chunk;
    uint32_t id = 0;
    fw_rc rc = checkpoint_reader_series(r, &id, why);

    if (rc == FW_OK && !is_defined(v, id))
        return fw_err_set(why, FW_ECORRUPT,
                          "it has samples of a series that is defined nowhere");
    if (rc != FW_OK)
        return rc;
    while ((rc = checkpoint_reader_chunk(r, &chunk, why)) == FW_OK)
        ;
    return rc == FW_END ? FW_OK : rc;
}

/* A record of head/; the journal's totals count it too. */
static fw_rc check_checkpoint(void *self, uint64_t seq, struct fw_str text,
                              struct fw_err *err)
{
    struct verifier *v = self;
    struct checkpoint_reader r;
    struct fw_err why = {0};
    fw_rc rc = checkpoint_reader_open(&r, text, &why);

    if (rc == FW_OK && r.seq != seq)
        rc = fw_err_set(&why, FW_ECORRUPT,
                        "it stands at the place of another one");
    while (rc == FW_OK)
        rc = check_series_of(v, &r, &why);
    checkpoint_reader_release(&r);
    v->totals->journal_records++;
    if (rc == FW_ENOMEM)
        return fw_err_set(err, rc, "%s", why.text);
    if (rc != FW_END)
        found(v, "%s/head, record %llu: %s", v->store->dir,
              (unsigned long long)seq, why.text);
    return FW_OK;
}

static fw_rc check_records(struct verifier *v, const struct journal *j,
                           journal_each each, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    fw_rc rc;

    if (j->env == NULL)
        return FW_OK;
    rc = lmdb_begin_read(j->env, &txn, err);
    if (rc == FW_OK)
        rc = journal_replay(&txn, each, v, err);
    lmdb_end(&txn);
    return rc;
}

/* A folder that was closed well has none, and says so. */
static fw_rc check_ring_is_there(struct verifier *v, const struct journal *j,
                                 const char *name, struct fw_err *err)
{
    struct meta_ring note = {0};
    fw_rc rc = FW_OK;

    if (j->env == NULL && v->store->check_files)
        rc = meta_ring_get(v->store->meta, name, &note, err);
    if (note.noted)
        found(v, "%s/%s is gone", v->store->dir, name);
    return rc;
}

static fw_rc check_journal(struct verifier *v, struct fw_err *err)
{
    fw_rc rc = check_ring_is_there(v, &v->store->ring, "head", err);

    if (rc == FW_OK)
        rc = check_ring_is_there(v, &v->store->journal, "journal", err);
    if (rc == FW_OK)
        rc = check_records(v, &v->store->ring, check_checkpoint, err);
    if (rc == FW_OK)
        rc = check_records(v, &v->store->journal, check_record, err);
    return rc;
}

/* Nobody reads it, and only a person knows when it is of no use any more. */
static void check_quarantine(struct verifier *v)
{
    char dir[FW_PATH_BYTES];
    struct fw_err err = {0};
    struct dirent *entry;
    uint64_t lost = atomic_load(&v->store->counters.records_lost);
    DIR *d;

    if (fw_path_join(dir, v->store->dir, QUARANTINE_FOLDER, &err) != FW_OK)
        return;
    d = opendir(dir);
    while (d != NULL && (entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            found(v,
                  "%s/%s was set aside, as it is damaged or of unknown series; "
                  "remove it once its samples are here again, or given up",
                  dir, entry->d_name);
    if (d != NULL)
        (void)closedir(d);
    if (lost > 0)
        found(v, "%s: %llu records of the journal or of head/ were lost",
              v->store->dir, (unsigned long long)lost);
}

static void bad_entry(void *self, const char *sentence)
{
    struct verifier *v = self;

    found(v, "%s/%s", v->store->dir, sentence);
}

static fw_rc check_keys(struct verifier *v, struct fw_err *err)
{
    struct fw_err why = {0};
    fw_rc rc = meta_check_keys(v->store->meta, v->store->dir, &why);

    if (rc == FW_ECORRUPT)
        found(v, "%s", why.text);
    else if (rc != FW_OK)
        return fw_err_set(err, rc, "%s", why.text);
    return meta_check_entries(v->store->meta, bad_entry, v, err);
}

/* They were left out when the folder was opened. */
static void check_entries(struct verifier *v)
{
    if (v->store->manifest.damaged > 0)
        found(v,
              "%s/meta: %llu entries of partitions are damaged; what is in "
              "their files is not read",
              v->store->dir, (unsigned long long)v->store->manifest.damaged);
    if (v->store->tombs.damaged > 0)
        found(v,
              "%s/meta: %llu tombstones are damaged; what they deleted may "
              "be seen again",
              v->store->dir, (unsigned long long)v->store->tombs.damaged);
}

fw_rc verify_store(struct fw_store *store, verify_finding finding, void *self,
                   struct verify_totals *totals, struct fw_err *err)
{
    struct verifier v = {
        .store = store, .finding = finding, .self = self, .totals = totals};
    fw_rc rc = FW_OK;

    *totals = (struct verify_totals){0};
    v.t = malloc(SEGMENT_SAMPLES_MAX * sizeof(*v.t));
    v.v = malloc(SEGMENT_SAMPLES_MAX * sizeof(*v.v));
    if (v.t == NULL || v.v == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    check_hidden(&v, store->meta, "meta/");
    check_hidden(&v, store->journal.env, "journal/");
    check_hidden(&v, store->ring.env, "head/");
    if (rc == FW_OK)
        rc = check_keys(&v, err);
    if (rc == FW_OK)
        rc = registry_load(store->meta, count_series, bad_page, &v, err);
    if (rc == FW_OK)
        rc = check_journal(&v, err);
    if (rc == FW_OK)
        rc = check_partitions(&v, err);
    check_entries(&v);
    check_quarantine(&v);
    free(v.t);
    free(v.v);
    return rc;
}
