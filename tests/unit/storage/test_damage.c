/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=flips timeout=7200 cost=60 */
/*
 * test_damage.c - bits flip, files are cut: what is read is right, or an error
 * says what is damaged; nothing else, and nobody dies of it.
 *
 * Each file of a folder is damaged in place, one thing at a time, by processes
 * of their own (a crash is theirs). Every sample that comes must be one that
 * was written; where one does not come, the store must have said so by an
 * error or by fw_store_stats(). Every twentieth damaged folder is also opened
 * for writing, in a copy, and takes a sample or says why it does not; where the
 * journal or head/ is damaged it must open.
 *
 * FOREWARN_FLIPS: how many, a thousand if it does not say.
 * FOREWARN_FLIPS=whole: every bit of the first 64 KiB, and 2,000 others of each
 * file, but of 16 bytes that may hold anything at all, as nine in ten do that
 * lie in free pages or between records, no bit by itself: their complement,
 * zeros and noise are tried in its place, and no more if nobody sees or says
 * anything. FOREWARN_LONG=1: of those too, which makes 2.2 million flips: some
 * twenty minutes of a processor, four times that with sanitizers.
 * FOREWARN_EVERY=64 tries every 64th of them, from the one on that the seed
 * says, so that seeds 0 to 63 are all of them, one share after the other. Cuts
 * are at every page either way.
 */
#include "tests/support/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/file.h"
#include "storage/segments/sealer.h"
#include "storage/storage.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define START ((fw_ms)1700000000000)
#define SERIES 5
/* Samples of each: in a closed day, in a hot one, in head/, in the journal. */
#define SAMPLES 1700
#define CLOSED 600
#define SEALED 1300
#define PACKED 1500
#define STEP 100000 /* two days in all */
#define BATCH 100   /* times of a commit */
#define OLD 100     /* samples of each that only their rollup is left of */
#define OLD_START (START - 20 * FW_DAY)
#define ROWS_MAX 16 /* of a series */
#define PATH_ROOM 4096
#define ENTRIES 40
#define MAX_FILES 32
#define WORKERS 2
#define FLIPS 1000 /* in all, of the usual run */
#define WHOLE_BYTES 65536
#define CHUNK 64
#define PART 16
#define FILLS 3
#define OTHERS 2000

static struct fake_clock fake;
static struct fw_err err;
static uint64_t written[SERIES][SAMPLES]; /* the bits that are expected */
static struct fw_summary rows_made[SERIES][ROWS_MAX];
static size_t row_counts[SERIES], row_count;

/* Of series 3 stretches are deleted, of each kind of place. */
static const struct {
    uint32_t from, to;
} deleted[] = {{100, 150}, {1250, 1350}, {1650, 1670}};
#define DELETED 170u

struct damaged_file {
    char name[PATH_ROOM]; /* below the folder */
    size_t bytes;
};
static struct damaged_file files[MAX_FILES];
static size_t file_count;
static size_t root_length;

/* What the processes found; shared. */
struct outcome {
    uint64_t looked, right, told, refused, written, free_bits;
    char what[512]; /* the damage at hand, which a crash cannot tell */
    char text[2048];
};

struct worker {
    char dir[PATH_ROOM];
    const struct damaged_file *file;
    struct outcome *out;
    int number;
    bool silent; /* the last look found all and no error was told */
};

static fw_ms time_of(uint32_t k)
{
    return START + (fw_ms)k * STEP;
}

static void choose_samples(void)
{
    struct synth_rng rng = synth_seed(1);

    for (uint32_t series = 0; series < SERIES; series++)
        for (uint32_t k = 0; k < SAMPLES; k++)
            written[series][k] =
                series == 0 ? synth_u64(&rng)
                            : fw_double_bits((double)(k * series % 977) / 10);
}

static bool is_deleted(uint32_t series, uint32_t k)
{
    bool is = false;

    for (size_t i = 0; i < sizeof(deleted) / sizeof(deleted[0]); i++)
        is |= k >= deleted[i].from && k < deleted[i].to;
    return is && series == 3;
}

static fw_rc open_keeping(const char *dir, bool read_only, fw_ms retention,
                          struct fw_store **out)
{
    struct fw_store_options options = {.create = !read_only,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = retention,
                                       .rollup_retention = INT64_MAX,
                                       .rollup_lead = INT64_MAX,
                                       .ooo_window = 1000 * FW_DAY,
                                       .disk_floor = 1,
                                       /* room for more is cleared each time */
                                       .max_series = 1000,
                                       .clock = &fake.clock};

    return fw_store_open(dir, &options, out, &err);
}

static fw_rc open_store(const char *dir, bool read_only, struct fw_store **out)
{
    return open_keeping(dir, read_only, 10 * FW_DAY, out);
}

/* ---- The folder -----------------------------------------------------------
 */

static fw_rc add(struct fw_store *store, struct fw_batch *batch,
                 uint32_t series, fw_ms t, uint64_t bits)
{
    uint32_t id = 0;
    fw_rc rc = numbered_series(store, series, &id, &err);

    return rc == FW_OK ? fw_batch_add(batch, id, t, fw_double_of_bits(bits))
                       : rc;
}

static fw_rc write_part(struct fw_store *store, uint32_t from, uint32_t to)
{
    fw_rc rc = FW_OK;

    for (uint32_t k = from; k < to && rc == FW_OK; k += BATCH) {
        struct fw_append_result result = {0};
        struct fw_batch batch = {0};

        for (uint32_t i = k; i < k + BATCH && i < to && rc == FW_OK; i++)
            for (uint32_t series = 0; series < SERIES && rc == FW_OK; series++)
                rc = add(store, &batch, series, time_of(i), written[series][i]);
        if (rc == FW_OK)
            rc = fw_store_append(store, &batch, &result, &err);
    }
    return rc;
}

/* A day that was closed, and of which retention left the rollup. */
static fw_rc write_rollup(const char *dir)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    struct fw_store *store = NULL;
    fw_rc rc = open_keeping(dir, false, INT64_MAX, &store);

    for (uint32_t k = 0; k < OLD && rc == FW_OK; k++)
        for (uint32_t series = 0; series < SERIES && rc == FW_OK; series++)
            rc = add(store, &batch, series, OLD_START + (fw_ms)k * STEP,
                     written[series][k]);
    if (rc == FW_OK)
        rc = fw_store_append(store, &batch, &result, &err);
    if (rc == FW_OK)
        rc = fw_store_compact(store, NULL, &err);
    fw_store_close(store);
    return rc;
}

static fw_rc delete_some(struct fw_store *store)
{
    struct fw_matcher matcher = {FW_MATCH_EQUAL, FW_STR("n"), FW_STR("3")};
    uint64_t hit = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < sizeof(deleted) / sizeof(deleted[0]); i++)
        if (rc == FW_OK)
            rc = fw_store_delete(store, &matcher, 1, time_of(deleted[i].from),
                                 time_of(deleted[i].to - 1), &hit, &err);
    return rc;
}

static struct fw_str entry_key(char room[16], unsigned i)
{
    return (struct fw_str){room, (size_t)snprintf(room, 16, "key-%u", i)};
}

/* Of a table as the rooms above have them. */
static fw_rc write_entries(struct fw_store *store)
{
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(store, true, &txn, &err);
    char room[16];

    for (unsigned i = 0; i < ENTRIES && rc == FW_OK; i++) {
        struct fw_str key = entry_key(room, i);

        rc = fw_txn_put(txn, "table", key, key, &err);
    }
    return rc == FW_OK ? fw_txn_commit(txn, &err) : rc;
}

static fw_rc live(const char *dir)
{
    struct fw_store *store = NULL;
    fw_rc rc = write_rollup(dir);

    if (rc == FW_OK)
        rc = open_store(dir, false, &store);
    if (rc == FW_OK)
        rc = write_part(store, 0, CLOSED);
    if (rc == FW_OK)
        rc = fw_store_compact(store, NULL, &err);
    if (rc == FW_OK)
        rc = write_part(store, CLOSED, SEALED);
    if (rc == FW_OK)
        rc = sealer_run(store->sealer, SEAL_ALL, &err);
    if (rc == FW_OK)
        rc = write_part(store, SEALED, PACKED);
    if (rc == FW_OK)
        rc = sealer_run(store->sealer, SEAL_RING, &err);
    if (rc == FW_OK)
        rc = write_part(store, PACKED, SAMPLES);
    if (rc == FW_OK)
        rc = delete_some(store);
    return rc == FW_OK ? write_entries(store) : rc;
}

/* By a process that dies, so that there is a journal. */
static void make_folder(const char *dir)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (live(dir) == FW_OK)
            _exit(0);
        fprintf(stderr, "the writer: %s\n", err.text);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The rows as the undamaged folder has them. */
static void note_rows(const char *dir)
{
    struct fw_store *store = NULL;
    struct fw_rollups *rollups = NULL;
    const struct fw_summary *rows = NULL;
    uint32_t id = 0;

    row_count = 0;
    assert_int_equal(open_store(dir, true, &store), FW_OK);
    assert_int_equal(fw_rollups_open(store, &rollups, &err), FW_OK);
    for (uint32_t i = 0; i < SERIES; i++) {
        assert_int_equal(numbered_series(store, i, &id, &err), FW_OK);
        assert_int_equal(fw_rollups_read(rollups, id, INT64_MIN, INT64_MAX,
                                         &rows, &row_counts[i], &err),
                         FW_OK);
        assert_in_range(row_counts[i], 2, ROWS_MAX);
        for (size_t k = 0; k < row_counts[i]; k++)
            rows_made[i][k] = rows[k];
        row_count += row_counts[i];
    }
    fw_rollups_close(rollups);
    fw_store_close(store);
}

static int note_file(const char *path, const struct stat *st, int kind,
                     struct FTW *at)
{
    size_t n = strlen(path);

    (void)at;
    if (kind != FTW_F || st->st_size == 0 || strstr(path, "lock") != NULL)
        return 0;
    if (file_count == MAX_FILES || n - root_length >= PATH_ROOM)
        return 1;
    memcpy(files[file_count].name, path + root_length, n - root_length + 1);
    files[file_count++].bytes = (size_t)st->st_size;
    return 0;
}

static void list_files(const char *dir)
{
    file_count = 0;
    root_length = strlen(dir);
    assert_int_equal(nftw(dir, note_file, 8, FTW_PHYS), 0);
    assert_true(file_count >= 7); /* meta, journal, head, days, rollups */
}

static void copy_folder(const char *from, const char *to)
{
    char command[2 * PATH_ROOM + 64];

    (void)snprintf(command, sizeof(command), "cp -r %s %s", from, to);
    if (system(command) != 0)
        abort();
}

/* ---- Looking --------------------------------------------------------------
 */

FW_PRINTF(2, 3)
static _Noreturn void wrong(struct worker *w, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)snprintf(w->out->text, sizeof(w->out->text), "%s", text);
    _exit(1);
}

/* What came of a store, and how often it said that something did not. */
struct tally {
    uint32_t samples, back, entries, rows, errors;
};

static void see_run(struct worker *w, const struct fw_run *run, uint32_t series,
                    int64_t *last, struct tally *tally)
{
    for (size_t i = 0; i < run->n; i++) {
        int64_t k = (run->t[i] - START) / STEP;

        if (k < 0 || k >= SAMPLES || k <= *last ||
            run->t[i] != time_of((uint32_t)k))
            wrong(w, "series %u: a time that was never written", series);
        if (fw_double_bits(run->v[i]) != written[series][k])
            wrong(w, "series %u: sample %" PRId64 " is another one", series, k);
        *last = k;
        if (is_deleted(series, (uint32_t)k))
            tally->back++;
        else
            tally->samples++;
    }
}

/* What a block says of itself is what is in it. */
static void compare_summary(struct worker *w, const struct fw_summary *s,
                            const struct fw_run *run, uint32_t series)
{
    double min = INFINITY, max = -INFINITY;

    for (size_t i = 0; i < run->n; i++) {
        min = run->v[i] < min ? run->v[i] : min;
        max = run->v[i] > max ? run->v[i] : max;
    }
    if (s->n != run->n || s->t_first != run->t[0] ||
        s->t_last != run->t[run->n - 1] || (min <= max && s->min != min) ||
        (min <= max && s->max != max))
        wrong(w, "series %u: a block is not what its summary says", series);
}

static void read_series(struct worker *w, struct fw_store *store,
                        uint32_t series, struct tally *tally)
{
    struct fw_cursor *cursor = NULL;
    struct fw_summary summary;
    struct fw_run run = {0};
    uint32_t id = 0;
    int64_t last = -1;
    fw_rc rc, peeked;

    if (numbered_series(store, series, &id, &err) != FW_OK)
        return;
    if (fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, &err) !=
        FW_OK) {
        tally->errors++;
        return;
    }
    for (;;) {
        peeked = fw_cursor_peek(cursor, &summary, &err);
        rc = fw_cursor_next(cursor, &run, &err);
        if (rc == FW_END)
            break;
        if (rc != FW_OK) {
            if (err.text[0] == '\0')
                wrong(w, "an error without a sentence");
            if (++tally->errors > 1000)
                wrong(w, "the errors have no end");
            if (rc != FW_ECORRUPT)
                break;
            continue;
        }
        if (peeked == FW_OK)
            compare_summary(w, &summary, &run, series);
        see_run(w, &run, series, &last, tally);
    }
    fw_cursor_close(cursor);
}

static bool same_row(const struct fw_summary *a, const struct fw_summary *b)
{
    return a->t_first == b->t_first && a->t_last == b->t_last && a->n == b->n &&
           a->nans == b->nans &&
           fw_double_bits(a->min) == fw_double_bits(b->min) &&
           fw_double_bits(a->max) == fw_double_bits(b->max) &&
           fw_double_bits(a->sum) == fw_double_bits(b->sum) &&
           fw_double_bits(a->first) == fw_double_bits(b->first) &&
           fw_double_bits(a->last) == fw_double_bits(b->last) &&
           fw_double_bits(a->increase) == fw_double_bits(b->increase);
}

/* Where a closed day is set aside its rollup stands for it: of what it had. */
static bool true_row(const struct fw_summary *row, uint32_t series)
{
    struct fw_summary is = {.min = NAN, .max = NAN};

    for (uint32_t k = 0; k < CLOSED; k++) {
        double v = fw_double_of_bits(written[series][k]);

        if (time_of(k) < row->t_first || time_of(k) > row->t_last)
            continue;
        is.n++;
        is.nans += isnan(v) ? 1 : 0;
        is.min = fmin(is.min, v);
        is.max = fmax(is.max, v);
    }
    return is.n == row->n && is.nans == row->nans && is.n > 0 &&
           !(is.min < row->min || is.min > row->min) &&
           !(is.max < row->max || is.max > row->max);
}

static void see_rows(struct worker *w, const struct fw_summary *rows, size_t n,
                     uint32_t series)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (rows[i].t_first >= START && true_row(&rows[i], series))
            continue;
        while (at < row_counts[series] &&
               !same_row(&rows[i], &rows_made[series][at]))
            at++;
        if (at++ >= row_counts[series])
            wrong(w, "series %u: row %zu of a rollup is another one", series,
                  i);
    }
}

static void read_rows(struct worker *w, struct fw_store *store,
                      struct tally *tally)
{
    struct fw_rollups *rollups = NULL;
    const struct fw_summary *rows = NULL;
    uint32_t id = 0;
    size_t n = 0;

    if (fw_rollups_open(store, &rollups, &err) != FW_OK) {
        tally->errors++;
        return;
    }
    for (uint32_t i = 0; i < SERIES; i++) {
        if (numbered_series(store, i, &id, &err) != FW_OK)
            continue;
        if (fw_rollups_read(rollups, id, INT64_MIN, INT64_MAX, &rows, &n,
                            &err) != FW_OK) {
            tally->errors++;
            continue;
        }
        see_rows(w, rows, n, i);
        tally->rows += (uint32_t)n;
    }
    fw_rollups_close(rollups);
}

static void read_entries(struct worker *w, struct fw_store *store,
                         struct tally *tally)
{
    struct fw_txn *txn = NULL;
    struct fw_str value = {0};
    char room[16];

    if (fw_txn_begin(store, false, &txn, &err) != FW_OK) {
        tally->errors++;
        return;
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct fw_str key = entry_key(room, i);
        fw_rc rc = fw_txn_get(txn, "table", key, &value, &err);

        if (rc == FW_OK && !fw_str_eq(value, key))
            wrong(w, "entry %u is another one", i);
        tally->entries += rc == FW_OK ? 1 : 0;
        tally->errors += rc < 0 ? 1 : 0;
    }
    fw_txn_abort(txn);
}

/* True if all is there; else something must have been said. */
static bool look(struct worker *w, struct fw_store *store)
{
    struct fw_store_stats stats;
    struct tally all = {0};
    bool right;

    read_entries(w, store, &all);
    for (uint32_t i = 0; i < SERIES; i++)
        read_series(w, store, i, &all);
    read_rows(w, store, &all);
    fw_store_stats(store, &stats);
    w->silent = false;
    right = all.samples == SERIES * SAMPLES - DELETED && all.back == 0 &&
            all.entries == ENTRIES && all.rows == row_count;
    if (!right && all.errors == 0 && stats.corrupt_found == 0)
        wrong(w,
              "%u of %u samples, %u that were deleted, %u of %u entries, %u of "
              "%zu rows, and not a word",
              all.samples, SERIES * SAMPLES - DELETED, all.back, all.entries,
              ENTRIES, all.rows, row_count);
    w->silent = right && all.errors == 0 && stats.corrupt_found == 0;
    return right;
}

static void read_damaged(struct worker *w)
{
    struct fw_store *store = NULL;

    w->out->looked++;
    w->silent = false;
    err = (struct fw_err){0};
    if (open_store(w->dir, true, &store) != FW_OK) {
        if (err.text[0] == '\0')
            wrong(w, "it does not open and does not say why");
        w->out->refused++;
        return;
    }
    if (look(w, store))
        w->out->right++;
    else
        w->out->told++;
    fw_store_close(store);
}

/* What a writer makes anew of what is left in it. */
static bool is_ring(const struct damaged_file *f)
{
    return strncmp(f->name, "/journal/", 9) == 0 ||
           strncmp(f->name, "/head/", 6) == 0;
}

static void write_damaged(struct worker *w)
{
    char copy[PATH_ROOM + 8];
    struct fw_store *store = NULL;
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = 0;

    (void)snprintf(copy, sizeof(copy), "%s.copy", w->dir);
    copy_folder(w->dir, copy);
    err = (struct fw_err){0};
    if (open_store(copy, false, &store) == FW_OK) {
        (void)look(w, store);
        /* A new series: its labels may not take the place of others'. */
        if (numbered_series(store, 77, &id, &err) == FW_OK &&
            fw_batch_add(&batch, id, START, 1) == FW_OK &&
            fw_store_append(store, &batch, &result, &err) == FW_OK &&
            result.stored == 1)
            w->out->written++;
        else if (err.text[0] == '\0')
            wrong(w, "it takes no sample and does not say why");
        (void)!sealer_run(store->sealer, SEAL_ALL, &err);
        (void)look(w, store);
        fw_batch_release(&batch);
        fw_store_close(store);
    } else if (is_ring(w->file)) {
        wrong(w, "it does not open for writing: %s", err.text);
    } else if (err.text[0] == '\0') {
        wrong(w, "it does not open for writing and does not say why");
    }
    tmpdir_remove(copy);
}

/* ---- Damaging -------------------------------------------------------------
 */

static void open_damaged(struct worker *w, int *fd)
{
    char path[2 * PATH_ROOM];

    (void)snprintf(path, sizeof(path), "%s%s", w->dir, w->file->name);
    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0)
        abort();
}

FW_PRINTF(2, 3)
static void note_damage(struct worker *w, const char *fmt, ...)
{
    size_t n = (size_t)snprintf(w->out->what, sizeof(w->out->what),
                                "%.300s: ", w->file->name);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(w->out->what + n, sizeof(w->out->what) - n, fmt, ap);
    va_end(ap);
}

static void flip(struct worker *w, size_t at, unsigned bit, bool writing)
{
    unsigned char byte, other;
    int fd;

    open_damaged(w, &fd);
    if (pread(fd, &byte, 1, (off_t)at) != 1)
        abort();
    other = (unsigned char)(byte ^ (1u << bit));
    if (pwrite(fd, &other, 1, (off_t)at) != 1)
        abort();
    note_damage(w, "bit %u of byte %zu", bit, at);
    read_damaged(w);
    if (writing)
        write_damaged(w);
    if (pwrite(fd, &byte, 1, (off_t)at) != 1)
        abort();
    (void)close(fd);
}

static void cut(struct worker *w, size_t to)
{
    char *bytes = malloc(w->file->bytes);
    ssize_t n = (ssize_t)w->file->bytes;
    int fd;

    open_damaged(w, &fd);
    if (bytes == NULL || pread(fd, bytes, w->file->bytes, 0) != n ||
        ftruncate(fd, (off_t)to) != 0)
        abort();
    note_damage(w, "cut to %zu bytes", to);
    read_damaged(w);
    write_damaged(w);
    if (pwrite(fd, bytes, w->file->bytes, 0) != n)
        abort();
    (void)close(fd);
    free(bytes);
}

typedef void (*damage)(struct worker *w);

static bool is_long(void)
{
    const char *text = getenv("FOREWARN_LONG");

    return text != NULL && strcmp(text, "1") == 0;
}

static bool is_whole(void)
{
    const char *text = getenv("FOREWARN_FLIPS");

    return text != NULL && strcmp(text, "whole") == 0;
}

static size_t flips_wanted(void)
{
    const char *text = getenv("FOREWARN_FLIPS");

    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : FLIPS;
}

static size_t every(void)
{
    const char *text = getenv("FOREWARN_EVERY");
    size_t n = text != NULL ? strtoull(text, NULL, 10) : 1;

    return n > 0 ? n : 1;
}

/*
 * LMDB's two heads, which say where all else is, stand at the beginning of the
 * first two pages. One that is no head at all is passed over for the other; one
 * that nearly is might be believed.
 */
static bool is_lmdb_head(size_t at)
{
    return at < 2 * 4096 && at % 4096 < 3 * CHUNK;
}

/* False if nobody sees or says anything whatever these bytes are. */
static bool is_read(struct worker *w, size_t at, size_t n)
{
    struct synth_rng rng = synth_seed(at);
    unsigned char is[CHUNK], other[CHUNK];
    bool read = false;
    int fd;

    open_damaged(w, &fd);
    if (pread(fd, is, n, (off_t)at) != (ssize_t)n)
        abort();
    for (unsigned fill = 0; fill < FILLS && !read; fill++) {
        for (size_t i = 0; i < n; i++) {
            uint64_t noise = synth_u64(&rng);

            other[i] = (unsigned char)noise;
            if (fill < 2)
                other[i] = fill == 0 ? (unsigned char)(is[i] ^ 0xff) : 0;
        }
        if (pwrite(fd, other, n, (off_t)at) != (ssize_t)n)
            abort();
        note_damage(w, "%zu bytes at %zu are others", n, at);
        read_damaged(w);
        read = !w->silent;
    }
    if (pwrite(fd, is, n, (off_t)at) != (ssize_t)n)
        abort();
    (void)close(fd);
    return read;
}

/* Seeded, of what lies behind the part of which each bit is flipped. */
static void flip_others(struct worker *w, struct synth_rng *rng)
{
    if (w->file->bytes <= WHOLE_BYTES)
        return;
    for (size_t n = 0; n < OTHERS / WORKERS; n++) {
        size_t others = w->file->bytes - WHOLE_BYTES;
        size_t at = WHOLE_BYTES + synth_u64(rng) % others;
        unsigned bit = (unsigned)(synth_u64(rng) % 8);

        if (n % every() == fixture_seed() % every())
            flip(w, at, bit, n % 20 == 0);
    }
}

/* Of n bytes each bit, unless all of them may be anything. */
static void flip_part(struct worker *w, size_t at, size_t n, uint64_t *count)
{
    if (!is_lmdb_head(at) && !is_read(w, at, n)) {
        w->out->free_bits += n * 8;
        return;
    }
    if (n > PART) {
        for (size_t i = 0; i < n; i += PART)
            flip_part(w, at + i, n - i < PART ? n - i : PART, count);
        return;
    }
    for (size_t bit = 0; bit < n * 8; bit++, (*count)++)
        flip(w, at + bit / 8, (unsigned)(bit % 8), *count % 200 == 0);
}

static void flip_whole(struct worker *w)
{
    size_t end = w->file->bytes < WHOLE_BYTES ? w->file->bytes : WHOLE_BYTES;
    uint64_t count = 0;

    for (size_t at = (size_t)w->number * CHUNK; at < end; at += WORKERS * CHUNK)
        flip_part(w, at, end - at < CHUNK ? end - at : CHUNK, &count);
}

static void flip_bits(struct worker *w)
{
    struct synth_rng rng =
        synth_seed(fixture_seed() / every() * 7 + (uint64_t)w->number);
    size_t n = 0;

    if (is_whole() && !is_long()) {
        flip_whole(w);
        flip_others(w, &rng);
        return;
    }
    if (!is_long()) {
        /* Each bit of the two numbers that say which commit was the last. */
        for (unsigned i = (unsigned)w->number; i < 2 * 64; i += WORKERS)
            flip(w, (size_t)(i / 64) * 4096 + 144 + i % 64 / 8, i % 8, true);
        for (size_t i = 0; i < flips_wanted() / WORKERS / file_count; i++) {
            /* Heads and first pages are where much depends on little. */
            size_t within = i % 3 == 0 ? 512 : w->file->bytes;
            size_t at = synth_u64(&rng) % within +
                        (i % 6 == 0 && w->file->bytes > 4608 ? 4096 : 0);

            flip(w, at, (unsigned)(synth_u64(&rng) % 8), i % 20 == 0);
        }
        return;
    }
    for (size_t at = 0; at < w->file->bytes && at < WHOLE_BYTES; at++)
        for (unsigned bit = 0; bit < 8; bit++, n++)
            if ((int)(n % WORKERS) == w->number &&
                n / WORKERS % every() == fixture_seed() % every())
                flip(w, at, bit, n % 200 == (unsigned)w->number);
    flip_others(w, &rng);
}

static void cut_at_pages(struct worker *w)
{
    size_t pages = w->file->bytes / 4096;

    for (size_t page = 0; page < pages; page++)
        if ((int)(page % WORKERS) == w->number) {
            cut(w, page * 4096);
            cut(w, page * 4096 + 512);
        }
}

static _Noreturn void work(struct worker *w, damage each)
{
    for (size_t i = 0; i < file_count; i++) {
        w->file = &files[i];
        each(w);
    }
    _exit(0);
}

/* Each worker has a folder of its own. */
static void damage_all(damage each)
{
    const char *dir;
    char data[PATH_ROOM];
    struct outcome *out, sum = {0};
    pid_t pids[WORKERS];
    int status[WORKERS];

    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1);
    dir = tmpdir_new();
    make_folder(tmpdir_path(data, sizeof(data), dir, "data"));
    note_rows(data);
    list_files(data);
    out = mmap(NULL, WORKERS * sizeof(*out), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(out != MAP_FAILED);
    for (int i = 0; i < WORKERS; i++) {
        struct worker w = {.out = &out[i], .number = i};

        (void)snprintf(w.dir, sizeof(w.dir), "%.4000s-%d", data, i);
        copy_folder(data, w.dir);
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            work(&w, each);
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(waitpid(pids[i], &status[i], 0), pids[i]);
    for (int i = 0; i < WORKERS; i++) {
        if (status[i] != 0)
            fail_msg("a process ended with %d after %" PRIu64 ": %s: %s",
                     status[i], out[i].looked, out[i].what, out[i].text);
        sum.looked += out[i].looked;
        sum.right += out[i].right;
        sum.told += out[i].told;
        sum.refused += out[i].refused;
        sum.written += out[i].written;
        sum.free_bits += out[i].free_bits;
    }
    print_message("%" PRIu64 " damaged folders: %" PRIu64
                  " read as if nothing were, %" PRIu64 " told, %" PRIu64
                  " refused; %" PRIu64 " written to; %" PRIu64
                  " bits lie where nobody reads\n",
                  sum.looked, sum.right, sum.told, sum.refused, sum.written,
                  sum.free_bits);
    assert_true(sum.right > 0 && sum.told + sum.refused > 0);
    (void)munmap(out, WORKERS * sizeof(*out));
}

static void a_flipped_bit_is_harmless_or_told(void **state)
{
    (void)state;
    damage_all(flip_bits);
}

static void a_cut_file_is_told(void **state)
{
    (void)state;
    damage_all(cut_at_pages);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_is_harmless_or_told),
        cmocka_unit_test(a_cut_file_is_told),
    };

    fake_clock_init(&fake, START + 4 * FW_DAY);
    choose_samples();
    return fixture_main(argc, argv, tests);
}
