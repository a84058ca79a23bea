/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: timeout=600 */
/*
 * test_power_loss.c - the power goes at any moment, and the disk has any part
 * of what was not synced: nothing acknowledged is lost.
 *
 * A process writes to a store (samples, tables, sealing, retention, backups,
 * closing and opening, dying) and every call it makes to the disk is logged
 * (record.h), with what it was told between them. From the log, folders are
 * made as a power loss may leave them (disk.h), each is opened and compared
 * with what had been acknowledged by then.
 *
 * $FOREWARN_IMAGES: how many (default 400, with FOREWARN_LONG=1 20,000). A
 * failure keeps the image and the log and names both; FOREWARN_POWER_LOG=LOG
 * takes that log instead of writing one.
 */
#include "tests/support/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/sealer.h"
#include "tests/powerloss/disk.h"
#include "tests/powerloss/record.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)1700000000000)
#define SERIES 12
#define STEP (20 * FW_MINUTE)
#define RETENTION (6 * FW_DAY)
#define LIVES 8    /* of the writing process */
#define BATCHES 45 /* of each */
#define KEYS 20
#define PATH_ROOM 8192
#define WORKERS 2

static struct fake_clock fake;
static struct fw_err err;

/* ---- What is written
 * ----------------------------------------------------------
 */

/* Notes that the writer leaves in the log. */
struct note {
    uint32_t what;
    uint32_t series;
    uint64_t count;
};
enum { NOTE_SENT, NOTE_STORED, NOTE_PUT, NOTE_KEPT, NOTE_BACKUP };

/* What is known at a moment. */
struct ledger {
    uint64_t sent[SERIES], stored[SERIES]; /* samples 0 .. n-1 */
    uint64_t put, kept;                    /* versions of the table */
    uint64_t backups;                      /* whole ones */
    uint64_t stored_in_all;
    fw_ms newest; /* sent */
};

static fw_ms time_of(uint32_t series, uint64_t k)
{
    return START + (fw_ms)series * 1000 + (fw_ms)k * STEP;
}

static uint64_t bits_of(uint32_t series, uint64_t k)
{
    struct synth_rng rng = synth_seed((uint64_t)series << 32 | k);

    return series % 3 == 0 ? synth_u64(&rng)
                           : fw_double_bits((double)(k * series % 977) / 10);
}

static struct fw_store_options options_of(bool read_only)
{
    return (struct fw_store_options){.create = true,
                                     .read_only = read_only,
                                     .linger = -1,
                                     .retention = RETENTION,
                                     .ooo_window = 1000 * FW_DAY,
                                     .disk_floor = 1,
                                     .clock = &fake.clock};
}

static fw_rc series_id(struct fw_store *store, uint32_t number, uint32_t *id)
{
    char text[16];
    struct fw_label v[] = {{FW_STR("n"), {text, 0}}};
    struct fw_labels labels = {v, 1};

    v[0].value.n = (size_t)snprintf(text, sizeof(text), "%u", number);
    return fw_store_series(store, &labels, id, &err);
}

/* ---- The process that writes
 * --------------------------------------------------
 */

struct writer {
    char data[PATH_ROOM], copies[PATH_ROOM];
    struct fw_store *store;
    struct synth_rng rng;
    /* Shared with the lives that follow. */
    struct ledger *ledger;
};

static void must(fw_rc rc)
{
    if (rc == FW_OK)
        return;
    fprintf(stderr, "the writer: %s\n", err.text);
    _exit(3);
}

static void tell(uint32_t what, uint32_t series, uint64_t count)
{
    struct note note = {what, series, count};

    record_note(&note, sizeof(note));
}

static void write_samples(struct writer *w, uint32_t series, uint32_t n)
{
    struct ledger *l = w->ledger;
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint64_t next = l->stored[series];
    uint32_t id = 0;

    must(series_id(w->store, series, &id));
    for (uint32_t i = 0; i < n; i++)
        must(fw_batch_add(&batch, id, time_of(series, next + i),
                          fw_double_of_bits(bits_of(series, next + i))));
    if (time_of(series, next + n) > fw_clock_now(&fake.clock))
        fake_clock_step(&fake, time_of(series, next + n));
    tell(NOTE_SENT, series, next + n);
    must(fw_store_append(w->store, &batch, &result, &err));
    if (result.stored + result.duplicates != n) {
        fprintf(stderr, "the writer: %s\n", result.err.text);
        _exit(3);
    }
    tell(NOTE_STORED, series, next + n);
    l->stored[series] = next + n;
}

/* No series runs far ahead of another, for retention counts from the newest. */
static uint32_t choose_series(struct writer *w)
{
    uint32_t least = 0;

    if (synth_u64(&w->rng) % 4 == 0)
        return (uint32_t)(synth_u64(&w->rng) % SERIES);
    for (uint32_t i = 1; i < SERIES; i++)
        if (w->ledger->stored[i] < w->ledger->stored[least])
            least = i;
    return least;
}

static void put_number(struct fw_txn *txn, const char *key, uint64_t number)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%" PRIu64, number);

    must(fw_txn_put(txn, "ledger", fw_str_of(key),
                    (struct fw_str){text, (size_t)n}, &err));
}

/* Version v changes one key of twenty, and `last`. */
static void write_table(struct writer *w)
{
    uint64_t v = ++w->ledger->put;
    struct fw_txn *txn = NULL;
    char key[32];

    tell(NOTE_PUT, 0, v);
    must(fw_txn_begin(w->store, true, &txn, &err));
    (void)snprintf(key, sizeof(key), "key %02" PRIu64, v % KEYS);
    put_number(txn, key, v);
    put_number(txn, "last", v);
    must(fw_txn_commit(txn, &err));
    tell(NOTE_KEPT, 0, v);
}

static void write_backup(struct writer *w)
{
    struct fw_backup_report report = {0};
    char to[PATH_ROOM + 32];

    (void)snprintf(to, sizeof(to), "%s/%" PRIu64, w->copies,
                   w->ledger->backups);
    must(fw_store_backup(w->store, to, NULL, &report, &err));
    w->ledger->backups++;
    tell(NOTE_BACKUP, 0, w->ledger->backups);
}

static _Noreturn void live(struct writer *w, int life)
{
    struct fw_store_options options = options_of(false);

    must(fw_store_open(w->data, &options, &w->store, &err));
    for (int i = 0; i < BATCHES; i++) {
        uint64_t chance = synth_u64(&w->rng) % 100;

        write_samples(w, choose_series(w),
                      1 + (uint32_t)(synth_u64(&w->rng) % 60));
        if (chance < 14)
            write_table(w);
        if (chance >= 90)
            must(sealer_run(w->store->sealer,
                            chance >= 95 ? SEAL_ALL : SEAL_FULL, &err));
        if (chance >= 86 && chance < 90) /* what is old is sealed by itself */
            fake_clock_advance(&fake, 4 * FW_HOUR);
    }
    if (life % 3 == 2)
        write_backup(w);
    if (life % 2 == 0)
        _exit(0); /* dies with a journal to replay */
    fw_store_close(w->store);
    _exit(0);
}

/* The writer's lives, logged to `log`. */
static void make_log(const char *dir, const char *log)
{
    char root[PATH_ROOM];
    struct writer w = {.rng = synth_seed(fixture_seed())};

    (void)tmpdir_path(root, sizeof(root), dir, "recorded");
    assert_int_equal(mkdir(root, 0750), 0);
    (void)tmpdir_path(w.data, sizeof(w.data), root, "data");
    (void)tmpdir_path(w.copies, sizeof(w.copies), root, "copies");
    w.ledger = mmap(NULL, sizeof(*w.ledger), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(w.ledger != MAP_FAILED);
    record_begin(root, log);
    for (int life = 0; life < LIVES; life++) {
        int status = 0;
        pid_t pid;

        fake_clock_step(&fake, fw_clock_now(&fake.clock) + FW_HOUR);
        (void)synth_u64(&w.rng);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            record_continue();
            /* What the last life's clock said is in the samples. */
            for (uint32_t i = 0; i < SERIES; i++)
                if (time_of(i, w.ledger->stored[i]) > fw_clock_now(&fake.clock))
                    fake_clock_step(&fake, time_of(i, w.ledger->stored[i]));
            live(&w, life);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    record_end();
    (void)munmap(w.ledger, sizeof(*w.ledger));
    tmpdir_remove(root);
}

/* ---- The process that looks at what is left
 * -----------------------------------
 */

struct outcome {
    uint64_t images, opened, refused, written; /* refused: nothing was there */
    uint64_t backups;
    bool failed;
    char text[4096];
};

struct checker {
    struct disk *disk;
    struct ledger ledger;
    struct outcome *out;   /* shared with the one who waits */
    char dir[PATH_ROOM];   /* for images */
    char image[PATH_ROOM]; /* the one at hand */
    uint64_t moment, number;
};

static void take_note(void *self, const struct record_head *head,
                      const char *bytes)
{
    struct ledger *l = &((struct checker *)self)->ledger;
    struct note note;

    if (head->kind != RECORD_NOTE)
        return;
    memcpy(&note, bytes, sizeof(note));
    switch (note.what) {
    case NOTE_SENT:
        l->sent[note.series] = note.count;
        if (time_of(note.series, note.count) > l->newest)
            l->newest = time_of(note.series, note.count);
        break;
    case NOTE_STORED:
        l->stored_in_all += note.count - l->stored[note.series];
        l->stored[note.series] = note.count;
        break;
    case NOTE_PUT:
        l->put = note.count;
        break;
    case NOTE_KEPT:
        l->kept = note.count;
        break;
    default:
        l->backups = note.count;
    }
}

/* Tells what is wrong and ends this process; the image stays. */
FW_PRINTF(2, 3)
static _Noreturn void wrong(struct checker *c, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)snprintf(c->out->text, sizeof(c->out->text),
                   "moment %" PRIu64 ", image %" PRIu64 " (kept: %.1000s): %s",
                   c->moment, c->number, c->image, text);
    c->out->failed = true;
    _exit(1);
}

static void check_series(struct checker *c, struct fw_store *store,
                         uint32_t series)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    uint64_t next = 0; /* sample that comes, or a later one */
    uint64_t must_from = 0;
    uint32_t id = 0;
    fw_rc rc;

    /* Retention may have taken what is older than this, or not yet. */
    while (time_of(series, must_from) < c->ledger.newest - RETENTION)
        must_from++;
    rc = series_id(store, series, &id);
    if (rc != FW_OK) {
        if (c->ledger.stored[series] > must_from)
            wrong(c, "series %u is not known", series);
        return;
    }
    if (fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, &err) != FW_OK)
        wrong(c, "series %u: %s", series, err.text);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, next++) {
            uint64_t k = (uint64_t)((run.t[i] - time_of(series, 0)) / STEP);

            if (run.t[i] != time_of(series, k) || k < next)
                wrong(c, "series %u: a time that was never sent", series);
            if (k > next && k > must_from)
                wrong(c, "series %u: %" PRIu64 " to %" PRIu64 " are missing",
                      series, next, k);
            if (fw_double_bits(run.v[i]) != bits_of(series, k))
                wrong(c, "series %u: sample %" PRIu64 " is another one", series,
                      k);
            next = k;
        }
    if (rc != FW_END)
        wrong(c, "series %u: %s", series, err.text);
    fw_cursor_close(cursor);
    if (next < c->ledger.stored[series] && c->ledger.stored[series] > must_from)
        wrong(c, "series %u: %" PRIu64 " acknowledged, the last is %" PRIu64,
              series, c->ledger.stored[series], next);
    if (next > c->ledger.sent[series])
        wrong(c, "series %u: %" PRIu64 " sent, the last is %" PRIu64, series,
              c->ledger.sent[series], next);
}

static uint64_t get_number(struct checker *c, struct fw_txn *txn,
                           const char *key)
{
    struct fw_str value = {0};
    char text[32] = "";
    fw_rc rc = fw_txn_get(txn, "ledger", fw_str_of(key), &value, &err);

    if (rc == FW_NONE)
        return 0;
    if (rc != FW_OK || value.n >= sizeof(text))
        wrong(c, "key %s: %s", key, err.text);
    memcpy(text, value.p, value.n);
    return strtoull(text, NULL, 10);
}

static void check_table(struct checker *c, struct fw_store *store)
{
    struct fw_txn *txn = NULL;
    uint64_t last;

    if (fw_txn_begin(store, false, &txn, &err) != FW_OK)
        wrong(c, "%s", err.text);
    last = get_number(c, txn, "last");
    if (last < c->ledger.kept || last > c->ledger.put)
        wrong(c,
              "the table has version %" PRIu64 "; kept %" PRIu64
              ", put %" PRIu64,
              last, c->ledger.kept, c->ledger.put);
    for (uint64_t i = 0; i < KEYS; i++) {
        uint64_t want = last < i ? 0 : last - (last - i) % KEYS;
        char key[32];

        (void)snprintf(key, sizeof(key), "key %02" PRIu64, i);
        if (get_number(c, txn, key) != want)
            wrong(c, "%s is %" PRIu64 ", with %" PRIu64 " the last", key,
                  get_number(c, txn, key), last);
    }
    fw_txn_abort(txn);
}

static void check_store(struct checker *c, struct fw_store *store)
{
    struct fw_store_stats stats;

    fw_store_stats(store, &stats);
    if (stats.corrupt_found != 0)
        wrong(c, "%" PRIu64 " damaged blocks or records", stats.corrupt_found);
    for (uint32_t i = 0; i < SERIES; i++)
        check_series(c, store, i);
    check_table(c, store);
}

/* Opens it, unless nothing had been acknowledged and nothing is there. */
static struct fw_store *open_image(struct checker *c, const char *data,
                                   bool read_only)
{
    struct fw_store_options options = options_of(read_only);
    struct fw_store *store = NULL;
    fw_rc rc = fw_store_open(data, &options, &store, &err);

    if (rc == FW_OK)
        return store;
    if (c->ledger.stored_in_all > 0 || c->ledger.kept > 0 || !read_only)
        wrong(c, "it cannot be opened%s: %s", read_only ? "" : " for writing",
              err.text);
    c->out->refused++;
    return NULL;
}

/* As a server would do: it goes on. */
static void write_on(struct checker *c, const char *data)
{
    struct fw_store *store = open_image(c, data, false);
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = 0;

    check_store(c, store);
    if (series_id(store, SERIES, &id) != FW_OK ||
        fw_batch_add(&batch, id, fw_clock_now(&fake.clock), 1) != FW_OK ||
        fw_store_append(store, &batch, &result, &err) != FW_OK ||
        result.stored != 1)
        wrong(c, "it takes no new sample: %s", err.text);
    if (sealer_run(store->sealer, SEAL_ALL, &err) != FW_OK)
        wrong(c, "sealing: %s", err.text);
    check_store(c, store);
    fw_store_close(store);
    store = open_image(c, data, true);
    check_store(c, store);
    fw_store_close(store);
    c->out->written++;
}

/* What is called a backup is a whole one, and those that were made are there.
 */
static void check_backups(struct checker *c)
{
    char path[PATH_ROOM + 64], copy[PATH_ROOM + 400];
    struct fw_backup_report report;
    struct dirent *entry;
    uint64_t found = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/copies", c->image);
    d = opendir(path);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.' ||
            strstr(entry->d_name, ".unfinished") != NULL)
            continue;
        (void)snprintf(copy, sizeof(copy), "%s/%s", path, entry->d_name);
        if (fw_backup_check(copy, &report, &err) != FW_OK)
            wrong(c, "a backup that is none: %s", err.text);
        found++;
    }
    if (d != NULL)
        (void)closedir(d);
    if (found < c->ledger.backups)
        wrong(c, "of %" PRIu64 " backups %" PRIu64 " are there",
              c->ledger.backups, found);
    c->out->backups += found;
}

static void check_image(struct checker *c, enum disk_luck luck,
                        struct synth_rng *rng)
{
    char data[PATH_ROOM + 64];
    struct fw_store *store;

    (void)snprintf(c->image, sizeof(c->image), "%.4000s/%" PRIu64 "-%" PRIu64,
                   c->dir, c->moment, c->number);
    if (mkdir(c->image, 0750) != 0)
        wrong(c, "cannot make the folder: %s", strerror(errno));
    disk_build(c->disk, c->image, luck, rng);
    /* At start the clock is at or behind the newest sample. */
    fake_clock_step(&fake, c->ledger.newest > START ? c->ledger.newest : START);
    (void)snprintf(data, sizeof(data), "%s/data", c->image);
    store = open_image(c, data, true);
    if (store != NULL) {
        check_store(c, store);
        fw_store_close(store);
        c->out->opened++;
    }
    check_backups(c);
    if (synth_u64(rng) % 4 == 0)
        write_on(c, data);
    tmpdir_remove(c->image);
    c->out->images++;
}

static enum disk_luck luck_of(uint64_t number, struct synth_rng *rng)
{
    uint64_t chance = synth_u64(rng) % 100;

    (void)number;
    return chance < 12 ? DISK_NONE : chance < 20 ? DISK_ALL : DISK_SOME;
}

struct moments {
    const char *log;
    size_t log_n;
    uint64_t count;  /* moments in the log */
    uint64_t images; /* to be made of all of them */
};

/* Every WORKERS-th image, from number `worker` on. */
static _Noreturn void work(const struct moments *m, int worker, const char *dir,
                           struct outcome *out)
{
    struct checker c = {.out = out};
    uint64_t next = (uint64_t)worker;

    (void)snprintf(c.dir, sizeof(c.dir), "%.4000s", dir);
    c.disk = disk_new(m->log, m->log_n);
    while (disk_next(c.disk, take_note, &c)) {
        for (; next < m->images && next * m->count / m->images == c.moment;
             next += WORKERS) {
            struct synth_rng rng = synth_seed(fixture_seed() << 32 ^ next);

            c.number = next;
            check_image(&c, luck_of(next, &rng), &rng);
        }
        c.moment++;
    }
    disk_free(c.disk);
    _exit(0);
}

static void nothing(void *self, const struct record_head *head,
                    const char *bytes)
{
    (void)self;
    (void)head;
    (void)bytes;
}

static uint64_t count_moments(const char *log, size_t n)
{
    struct disk *disk = disk_new(log, n);
    uint64_t count = 0;

    while (disk_next(disk, nothing, NULL))
        count++;
    disk_free(disk);
    return count;
}

static uint64_t images_wanted(void)
{
    const char *text = getenv("FOREWARN_IMAGES");
    const char *whole = getenv("FOREWARN_LONG");

    if (text != NULL && *text != '\0')
        return strtoull(text, NULL, 10);
    return whole != NULL && strcmp(whole, "1") == 0 ? 20000 : 400;
}

/* In memory where there is such a place: it is for reading once. */
static const char *scratch(void)
{
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1);
    return tmpdir_new();
}

static struct moments read_log(const char *log)
{
    struct moments m = {.images = images_wanted()};
    struct stat st;
    int fd = open(log, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0)
        fail_msg("%s cannot be opened", log);
    m.log_n = (size_t)st.st_size;
    m.log = mmap(NULL, m.log_n, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(m.log != MAP_FAILED);
    (void)close(fd);
    m.count = count_moments(m.log, m.log_n);
    return m;
}

static void whatever_the_disk_has_is_enough(void **state)
{
    const char *given = getenv("FOREWARN_POWER_LOG");
    const char *dir = scratch();
    char log[PATH_ROOM], kept[PATH_ROOM];
    struct moments m;
    struct outcome *out, sum = {0};
    pid_t pids[WORKERS];
    int status[WORKERS];

    (void)state;
    (void)tmpdir_path(log, sizeof(log), dir, "log");
    if (given == NULL)
        make_log(dir, log);
    m = read_log(given != NULL ? given : log);
    assert_true(m.count > 500);
    out = mmap(NULL, WORKERS * sizeof(*out), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(out != MAP_FAILED);
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            work(&m, i, dir, &out[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(waitpid(pids[i], &status[i], 0), pids[i]);
    for (int i = 0; i < WORKERS; i++) {
        sum.images += out[i].images;
        sum.opened += out[i].opened;
        sum.refused += out[i].refused;
        sum.written += out[i].written;
        sum.backups += out[i].backups;
    }
    print_message("%" PRIu64 " moments, log of %zu bytes; %" PRIu64
                  " images: %" PRIu64 " opened, %" PRIu64
                  " written to, %" PRIu64 " empty; %" PRIu64 " backups\n",
                  m.count, m.log_n, sum.images, sum.opened, sum.written,
                  sum.refused, sum.backups);
    for (int i = 0; i < WORKERS; i++) {
        if (WIFEXITED(status[i]) && WEXITSTATUS(status[i]) == 0)
            continue;
        (void)snprintf(kept, sizeof(kept), "%.4000s-kept", dir);
        (void)rename(dir, kept); /* else it is removed at the end */
        fail_msg("a process that looked ended with %d; %s; the log and the "
                 "image: %s",
                 status[i], out[i].text, kept);
    }
    assert_int_equal(sum.images, m.images);
    assert_true(sum.opened > m.images * 9 / 10);
    (void)munmap(out, WORKERS * sizeof(*out));
    (void)munmap((void *)(uintptr_t)m.log, m.log_n);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_disk_has_is_enough),
    };

    fake_clock_init(&fake, START);
    return fixture_main(argc, argv, tests);
}
