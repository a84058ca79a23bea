/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=images timeout=1800 */
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
 * $FOREWARN_IMAGES: how many (default 400, with FOREWARN_LONG=1 20,000; `./dev
 * test` makes 20,000 without sanitizers and 400 with them). A failure keeps the
 * image and the log and names both; FOREWARN_POWER_LOG=LOG takes that log
 * instead of writing one.
 */
#include "tests/support/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/segments/sealer.h"
#include "tests/powerloss/disk.h"
#include "tests/powerloss/record.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/life.h"

#define LIVES 8  /* of the writing process */
#define STEPS 55 /* of each */
#define PATH_ROOM 8192
#define WORKERS 2

static struct fake_clock fake;
static struct fw_err err;

/* ---- The process that writes
 * --------------------------------------------------
 */

static void log_note(void *self, const struct life_note *note)
{
    (void)self;
    record_note(note, sizeof(*note));
}

static void must(fw_rc rc)
{
    if (rc == FW_OK)
        return;
    fprintf(stderr, "the writer: %s\n", err.text);
    _exit(3);
}

static _Noreturn void live(struct life *life, int number)
{
    must(life_open(life, &err));
    for (int i = 0; i < STEPS; i++)
        must(life_step(life, &err));
    if (number % 3 == 2)
        must(life_backup(life, &err));
    if (number % 2 == 0)
        _exit(0); /* dies with a journal to replay */
    fw_store_close(life->store);
    _exit(0);
}

/* The writer's lives, logged to `log`. */
static void make_log(const char *dir, const char *log)
{
    char root[PATH_ROOM], data[PATH_ROOM], copies[PATH_ROOM];
    struct life life = {.data = data,
                        .copies = copies,
                        .fake = &fake,
                        .tell = log_note,
                        .rng = synth_seed(fixture_seed())};

    (void)tmpdir_path(root, sizeof(root), dir, "recorded");
    assert_int_equal(mkdir(root, 0750), 0);
    (void)tmpdir_path(data, sizeof(data), root, "data");
    (void)tmpdir_path(copies, sizeof(copies), root, "copies");
    life.ledger = mmap(NULL, sizeof(*life.ledger), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(life.ledger != MAP_FAILED);
    record_begin(root, log);
    for (int number = 0; number < LIVES; number++) {
        int status = 0;
        pid_t pid;

        (void)synth_u64(&life.rng); /* each life has another course */
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            record_continue();
            live(&life, number);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    record_end();
    (void)munmap(life.ledger, sizeof(*life.ledger));
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
    struct life_ledger ledger;
    struct outcome *out;   /* shared with the one who waits */
    char dir[PATH_ROOM];   /* for images */
    char image[PATH_ROOM]; /* the one at hand */
    uint64_t moment, number;
};

static void take_note(void *self, const struct record_head *head,
                      const char *bytes)
{
    struct life_note note;

    if (head->kind != RECORD_NOTE)
        return;
    memcpy(&note, bytes, sizeof(note));
    life_take_note(&((struct checker *)self)->ledger, &note);
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

static void check_store(struct checker *c, struct fw_store *store)
{
    if (life_check(&c->ledger, store, &err) != FW_OK)
        wrong(c, "%s", err.text);
}

/* Opens it, unless nothing had been acknowledged and nothing is there. */
static struct fw_store *open_image(struct checker *c, const char *data,
                                   bool read_only)
{
    struct fw_store_options options = life_options(&fake, read_only);
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
    struct fw_label v[] = {{FW_STR("n"), FW_STR("new")}};
    struct fw_labels labels = {v, 1};
    uint32_t id = 0;

    check_store(c, store);
    if (fw_store_series(store, &labels, &id, &err) != FW_OK ||
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

static void check_image(struct checker *c, enum disk_luck luck,
                        struct synth_rng *rng)
{
    char data[PATH_ROOM + 64], copies[PATH_ROOM + 64];
    struct fw_store *store;

    (void)snprintf(c->image, sizeof(c->image), "%.4000s/%" PRIu64 "-%" PRIu64,
                   c->dir, c->moment, c->number);
    if (mkdir(c->image, 0750) != 0)
        wrong(c, "cannot make the folder: %s", strerror(errno));
    disk_build(c->disk, c->image, luck, rng);
    /* At start the clock is at or behind the newest sample. */
    fake_clock_step(&fake, c->ledger.newest > LIFE_START ? c->ledger.newest
                                                         : LIFE_START);
    (void)snprintf(data, sizeof(data), "%s/data", c->image);
    (void)snprintf(copies, sizeof(copies), "%s/copies", c->image);
    store = open_image(c, data, true);
    if (store != NULL) {
        check_store(c, store);
        fw_store_close(store);
        c->out->opened++;
    }
    if (life_check_backups(&c->ledger, copies, &c->out->backups, &err) != FW_OK)
        wrong(c, "%s", err.text);
    if (synth_u64(rng) % 4 == 0)
        write_on(c, data);
    tmpdir_remove(c->image);
    c->out->images++;
}

static enum disk_luck luck_of(struct synth_rng *rng)
{
    uint64_t chance = synth_u64(rng) % 100;

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
            check_image(&c, luck_of(&rng), &rng);
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

    fake_clock_init(&fake, LIFE_START);
    return fixture_main(argc, argv, tests);
}
