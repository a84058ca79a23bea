/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_head.c - what a store with very many series needs between blocks:
 * memory, the time to be there again after kill -9, how soon a sample is
 * acknowledged, what sealing costs.
 *
 *   bench_head memory  [-s SERIES] [-n SAMPLES] [-d DIR] [-w] [-p BYTES]
 *   bench_head recover [-s SERIES] [-n SAMPLES] [-d DIR]
 *   bench_head killed  [-s SERIES] [-n SAMPLES] [-d DIR]
 *   bench_head open    [-s SERIES] [-d DIR]
 *   bench_head latency [-s SERIES] [-n SECONDS] [-r RATE] [-l LINGER_MS] ...
 *   bench_head seal    [-s SERIES] [-n SAMPLES] [-d DIR]
 *
 * Series are walks in 0..100 of whole numbers, one tenth or one hundredth, ten
 * seconds apart, all at the same times; with -w whole numbers only, as TSBS's
 * cpu set has. -p is --plain-samples. `recover` is `killed`, which leaves the
 * folder as kill -9 does, and `open`, with which two builds can be compared
 * over copies of one folder; both open it with nothing of it in memory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "storage/base/limits.h"
#include "storage/codec/values.h"
#include "storage/store.h"

#define START ((fw_ms)1700000000000)
#define STEP (10 * FW_SECOND)
#define BATCH 5000
#define HEAD_BLOCK 512 /* samples of a block */
#define ACKS 400000
#define PROBES 4000

static size_t g_series = 1000000;
static size_t g_samples = 511;
static double g_rate = 1e6;
static fw_ms g_linger;
static uint64_t g_plain;
static bool g_whole;
static const char *g_dir = "bench_head.data";

static struct fw_store *open_store(void)
{
    struct fw_store_options options = {.create = true,
                                       .retention = INT64_MAX,
                                       .linger = g_linger,
                                       .disk_floor = 1,
                                       .plain_samples = g_plain};
    struct fw_store *store = NULL;
    struct fw_err err = {0};

    measure_must(fw_store_open(g_dir, &options, &store, &err), &err);
    return store;
}

/* Ids count up from 0 in a new store. */
static void make_series(struct fw_store *store)
{
    struct fw_err err = {0};

    measure_must_be_new(store, g_dir);
    for (size_t i = 0; i < g_series; i++) {
        char host[32], core[32];
        struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("cpu_usage")},
                               {FW_STR("core"), {core, 0}},
                               {FW_STR("host"), {host, 0}},
                               {FW_STR("region"), FW_STR("eu-central-1")}};
        struct fw_labels labels = {v, 4};
        uint32_t id = 0;

        v[1].value.n = (size_t)snprintf(core, sizeof(core), "%zu", i % 10);
        v[2].value.n = (size_t)snprintf(host, sizeof(host), "host_%zu", i / 10);
        measure_must(fw_store_series(store, &labels, &id, &err), &err);
        if (id != i)
            exit(1);
    }
}

/* ---- Samples --------------------------------------------------------------
 */

static int16_t *g_at; /* hundredths */
static uint64_t g_random = 88172645463325252u;

/* A step of a walk with a deviation of about one: 32 coins. */
static double next_value(size_t series)
{
    static const double scale[] = {1, 10, 100};
    double s = scale[g_whole ? 0 : series % 3];
    int at;

    g_random ^= g_random << 13;
    g_random ^= g_random >> 7;
    g_random ^= g_random << 17;
    at = g_at[series] + (__builtin_popcount((unsigned)g_random) - 16) * 35 +
         (int)(g_random >> 60);
    at = at < 0 ? 0 : at > 10000 ? 10000 : at;
    g_at[series] = (int16_t)at;
    return (double)(int64_t)(at * s / 100) / s;
}

static void begin_samples(void)
{
    g_at = malloc(g_series * sizeof(*g_at));
    for (size_t i = 0; g_at != NULL && i < g_series; i++)
        g_at[i] = 5000;
    if (g_at == NULL)
        exit(1);
}

static _Atomic uint64_t g_answered;
static uint64_t g_sent;

struct sent {
    double at;
};

static float *g_acks;
static _Atomic size_t g_ack_count;

static void answered(void *self, const struct fw_append_result *result)
{
    struct sent *sent = self;

    if (result->rc != FW_OK) {
        fprintf(stderr, "bench_head: %s\n", result->err.text);
        exit(1);
    }
    if (sent != NULL) {
        size_t n = atomic_fetch_add(&g_ack_count, 1);

        if (n < ACKS)
            g_acks[n] = (float)(measure_wall() - sent->at);
        free(sent);
    }
    (void)atomic_fetch_add(&g_answered, result->stored);
}

static void submit(struct fw_store *store, struct fw_batch *batch,
                   struct sent *sent)
{
    struct fw_err err = {0};
    fw_rc rc;

    g_sent += batch->n;
    while ((rc = fw_store_submit(store, batch, answered, sent, &err)) ==
           FW_EBUSY)
        (void)usleep(1000);
    measure_must(rc, &err);
}

static void wait_for_answers(void)
{
    while (atomic_load(&g_answered) < g_sent)
        (void)usleep(500);
}

static void add(struct fw_batch *batch, size_t series, size_t row)
{
    if (fw_batch_add(batch, (uint32_t)series, START + (fw_ms)row * STEP,
                     next_value(series)) != FW_OK)
        exit(1);
}

static void write_row(struct fw_store *store, size_t row)
{
    struct fw_batch batch = {0};

    for (size_t i = 0; i < g_series; i++) {
        add(&batch, i, row);
        if (batch.n == BATCH)
            submit(store, &batch, NULL);
    }
    if (batch.n > 0)
        submit(store, &batch, NULL);
    wait_for_answers();
}

static void print_state(struct fw_store *store, size_t rows)
{
    struct fw_store_stats stats;

    fw_store_stats(store, &stats);
    printf("%4zu samples a series: %5.0f MB anonymous, %6.1f M samples in "
           "memory, %.0f MB on disk\n",
           rows, measure_anonymous() / 1e6, (double)stats.head_samples / 1e6,
           (double)stats.disk_bytes / 1e6);
    (void)fflush(stdout);
}

/* ---- Memory ---------------------------------------------------------------
 */

static void bench_memory(void)
{
    struct fw_store *store = open_store();
    double c0, w0 = measure_written();

    begin_samples();
    make_series(store);
    printf("%zu series: %.0f MB anonymous before the first sample\n", g_series,
           measure_anonymous() / 1e6);
    c0 = measure_cpu();
    for (size_t row = 0; row < g_samples; row++) {
        write_row(store, row);
        if ((row + 1) % 64 == 0 || row + 1 == g_samples)
            print_state(store, row + 1);
    }
    printf("%.3f CPU-s and %.2f device bytes a million samples / a sample\n",
           (measure_cpu() - c0) / ((double)g_sent / 1e6),
           (measure_written() - w0) / (double)g_sent);
    fw_store_close(store);
}

/* ---- After kill -9 --------------------------------------------------------
 */

static size_t count_samples(struct fw_store *store, uint32_t series)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    struct fw_err err = {0};
    size_t n = 0;

    measure_must(
        fw_cursor_open(store, series, INT64_MIN, INT64_MAX, &cursor, &err),
        &err);
    while (fw_cursor_next(cursor, &run, &err) == FW_OK)
        n += run.n;
    fw_cursor_close(cursor);
    return n;
}

static void check_series(struct fw_store *store)
{
    for (uint32_t i = 0; i < g_series; i += (uint32_t)g_series / 1000 + 1)
        if (count_samples(store, i) != g_samples) {
            fprintf(stderr, "bench_head: series %u has lost samples\n", i);
            exit(1);
        }
}

static _Noreturn void writer(void)
{
    struct fw_store *store = open_store();
    double c0 = measure_cpu(), w0 = measure_written();

    begin_samples();
    make_series(store);
    for (size_t row = 0; row < g_samples; row++)
        write_row(store, row);
    print_state(store, g_samples);
    printf("%.3f CPU-s a million, %.2f device bytes a sample\n",
           (measure_cpu() - c0) / ((double)g_sent / 1e6),
           (measure_written() - w0) / (double)g_sent);
    (void)fflush(stdout);
    (void)kill(getpid(), SIGKILL);
    _exit(1);
}

/* No page of the files below is in memory, as after the machine started. */
static void drop_pages(const char *dir)
{
    char path[4096];
    struct dirent *entry;
    DIR *d = opendir(dir);

    while (d != NULL && (entry = readdir(d)) != NULL) {
        int fd;

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_type == DT_DIR)
            drop_pages(path);
        fd = entry->d_type == DT_REG ? open(path, O_RDONLY) : -1;
        if (fd < 0)
            continue;
        (void)fsync(fd); /* pages that are not written yet stay */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
    }
    if (d != NULL)
        (void)closedir(d);
}

/* Opens the folder cold, and asks for one series. */
static struct fw_store *first_query(const char *when)
{
    struct fw_store_stats stats;
    struct fw_store *store;
    double t0, c0;
    size_t n;

    drop_pages(g_dir);
    t0 = measure_wall();
    c0 = measure_cpu();
    store = open_store();
    n = count_samples(store, (uint32_t)g_series / 2);
    t0 = measure_wall() - t0;
    c0 = measure_cpu() - c0;
    fw_store_stats(store, &stats);
    printf("after %s: first query (%zu samples) %.2f s wall, %.2f s CPU; "
           "%.1f M samples replayed of %.1f M in memory\n",
           when, n, t0, c0, (double)stats.replayed_samples / 1e6,
           (double)stats.head_samples / 1e6);
    printf("%.0f MB anonymous\n", measure_anonymous() / 1e6);
    (void)fflush(stdout);
    return store;
}

static _Noreturn void bench_open(void)
{
    (void)first_query("kill -9");
    _exit(0); /* and nothing is written */
}

static void bench_recover(void)
{
    struct fw_store *store;
    double t0;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        writer();
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
        exit(1);
    store = first_query("kill -9");
    check_series(store);
    t0 = measure_wall();
    fw_store_close(store);
    printf("close: %.2f s\n", measure_wall() - t0);
    store = first_query("a clean close");
    check_series(store);
    fw_store_close(store);
}

/* ---- Acknowledgements -----------------------------------------------------
 */

static atomic_bool g_stop;
static float g_probes[PROBES];
static size_t g_probe_count;

/* What the disk itself needs, in the same minutes: 4 KiB and fdatasync. */
static void *probe(void *self)
{
    char path[4096], bytes[4096] = {0};
    int fd;

    (void)self;
    (void)snprintf(path, sizeof(path), "%s.probe", g_dir);
    fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    while (fd >= 0 && !atomic_load(&g_stop) && g_probe_count < PROBES) {
        double t0 = measure_wall();

        if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) ||
            fdatasync(fd) != 0)
            break;
        g_probes[g_probe_count++] = (float)(measure_wall() - t0);
        (void)usleep(20000);
    }
    if (fd >= 0)
        (void)close(fd);
    (void)unlink(path);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;

    return (left > right) - (left < right);
}

static void print_percentiles(const char *what, float *v, size_t n)
{
    if (n == 0)
        return;
    qsort(v, n, sizeof(*v), by_size);
    printf("%s: p50 %.1f, p90 %.1f, p99 %.1f, max %.1f ms of %zu\n", what,
           v[n / 2] * 1e3, v[n * 9 / 10] * 1e3, v[n * 99 / 100] * 1e3,
           v[n - 1] * 1e3, n);
}

/* A batch each millisecond, however long the answers take. */
static void bench_latency(void)
{
    struct fw_store *store = open_store();
    size_t batch_n = (size_t)(g_rate / 1000), i = 0, row = 0;
    double start, w0, c0;
    pthread_t thread;

    g_acks = calloc(ACKS, sizeof(*g_acks));
    begin_samples();
    make_series(store);
    write_row(store, row++); /* what makes series is not what is asked for */
    if (g_acks == NULL || pthread_create(&thread, NULL, probe, NULL) != 0)
        exit(1);
    w0 = measure_written();
    c0 = measure_cpu();
    g_sent = 0;
    atomic_store(&g_answered, 0);
    start = measure_wall();
    for (size_t k = 0; k < g_samples * 1000; k++) {
        struct fw_batch batch = {0};
        struct sent *sent = malloc(sizeof(*sent));
        double due = start + (double)k / 1000;

        while (measure_wall() < due)
            (void)usleep(100);
        if (sent == NULL)
            exit(1);
        sent->at = measure_wall();
        for (size_t j = 0; j < batch_n; j++) {
            add(&batch, i, row);
            if (++i == g_series) {
                i = 0;
                row++;
            }
        }
        submit(store, &batch, sent);
    }
    wait_for_answers();
    atomic_store(&g_stop, true);
    (void)pthread_join(thread, NULL);
    printf("%.2f M samples/s for %.1f s, linger %lld ms: %.3f CPU-s a million, "
           "%.2f device bytes a sample (the probe's taken off)\n",
           (double)g_sent / 1e6 / (measure_wall() - start),
           measure_wall() - start,
           (long long)(g_linger == 0 ? FW_COMMIT_LINGER_MS : g_linger),
           (measure_cpu() - c0) / ((double)g_sent / 1e6),
           (measure_written() - w0 - (double)g_probe_count * 8192) /
               (double)g_sent);
    print_percentiles(
        "acknowledged after", g_acks,
        atomic_load(&g_ack_count) < ACKS ? atomic_load(&g_ack_count) : ACKS);
    print_percentiles("4 KiB and fdatasync", g_probes, g_probe_count);
    fw_store_close(store);
}

/* ---- Sealing --------------------------------------------------------------
 */

#define FIRST_ROWS 544 /* first blocks are of many lengths; all are sealed */
#define SEAL_ROWS 32

#define ENCODED                                                                \
    64 /* blocks for one look at the clock, which is a system call */

/*
 * CPU seconds of the codec alone for a million samples in blocks of 512, with
 * the hint that the block before has taught.
 */
static double encoding_cpu(void)
{
    size_t rounds = (g_series < 20000 ? g_series : 20000) / ENCODED + 1;
    static double v[ENCODED][HEAD_BLOCK];
    uint8_t *out = malloc(values_bound(HEAD_BLOCK));
    double spent = 0;

    for (size_t r = 0; out != NULL && r < rounds; r++) {
        struct values_hint hints[ENCODED] = {{0}};

        for (int timed = 0; timed < 2; timed++) {
            double t0;

            for (size_t i = 0; i < ENCODED * HEAD_BLOCK; i++)
                v[i / HEAD_BLOCK][i % HEAD_BLOCK] =
                    next_value((r * ENCODED + i / HEAD_BLOCK) % g_series);
            t0 = measure_thread_cpu();
            for (size_t i = 0; i < ENCODED; i++)
                (void)values_encode(v[i], HEAD_BLOCK, &hints[i], out);
            spent += timed ? measure_thread_cpu() - t0 : 0;
        }
    }
    free(out);
    return spent * 1e6 / ((double)rounds * ENCODED * HEAD_BLOCK);
}

/* What the files of samples take. */
static double part_bytes(void)
{
    char path[4096];
    struct dirent *entry;
    struct stat st;
    double bytes = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/part", g_dir);
    d = opendir(path);
    while (d != NULL && (entry = readdir(d)) != NULL)
        if (fstatat(dirfd(d), entry->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode))
            bytes += (double)st.st_blocks * 512;
    if (d != NULL)
        (void)closedir(d);
    return bytes;
}

/*
 * Writes so many rows while the sealing thread waits, lets it work, and so on:
 * what sealing costs is to be seen, not what threads cost each other.
 */
static void write_and_seal(struct fw_store *store, size_t from, size_t rows)
{
    int64_t few = (int64_t)(g_series / 64 + 128) * HEAD_BLOCK;

    for (size_t row = 0; row < rows; row++) {
        (void)pthread_mutex_lock(&store->quiet);
        write_row(store, from + row);
        (void)pthread_mutex_unlock(&store->quiet);
        (void)usleep(1000);
        while ((row + 1) % SEAL_ROWS == 0 &&
               atomic_load(&store->head.full) > few)
            (void)usleep(10000);
    }
}

/*
 * What it takes to seal about as many blocks of 512 as there are series, and
 * then what a clean close writes for all that is open.
 */
static void bench_seal(void)
{
    struct fw_store *store = open_store();
    struct fw_store_stats before, after;
    double encoding, millions, spent, written, part;

    begin_samples();
    make_series(store);
    write_and_seal(store, 0, FIRST_ROWS);
    fw_store_stats(store, &before);
    write_and_seal(store, FIRST_ROWS, g_samples);
    fw_store_stats(store, &after);
    encoding = encoding_cpu();
    millions = (double)(after.samples_sealed - before.samples_sealed) / 1e6;
    spent = (double)(after.seal_cpu_ns - before.seal_cpu_ns) / 1e9;
    printf("sealing %.1f M samples of %zu series: %.2f s CPU; encoding alone "
           "%.2f s, beyond it %.2f s\n",
           millions, g_series, spent, encoding * millions,
           spent - encoding * millions);
    printf("of 1 M series with 512 samples each: %.2f s beyond encoding\n",
           (spent / millions - encoding) * 512);
    part = part_bytes();
    written = measure_written();
    fw_store_close(store);
    written = measure_written() - written;
    part = part_bytes() - part;
    printf("a clean close writes %.1f MB for %.1f MB of blocks: %.3f\n",
           written / 1e6, part / 1e6, written / part);
    printf("all blocks: %.4f bytes a sample\n",
           part_bytes() /
               ((double)g_series * (double)(FIRST_ROWS + g_samples)));
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int letter;

    optind = 2;
    while ((letter = getopt(argc, argv, "s:n:d:r:l:p:w")) != -1) {
        if (letter == 's')
            g_series = strtoul(optarg, NULL, 10);
        else if (letter == 'n')
            g_samples = strtoul(optarg, NULL, 10);
        else if (letter == 'd')
            g_dir = optarg;
        else if (letter == 'r')
            g_rate = strtod(optarg, NULL);
        else if (letter == 'l')
            g_linger = strtol(optarg, NULL, 10);
        else if (letter == 'p')
            g_plain = strtoull(optarg, NULL, 10);
        else if (letter == 'w')
            g_whole = true;
        else
            return 2;
    }
    if (strcmp(what, "memory") == 0)
        bench_memory();
    else if (strcmp(what, "recover") == 0)
        bench_recover();
    else if (strcmp(what, "killed") == 0)
        writer();
    else if (strcmp(what, "open") == 0)
        bench_open();
    else if (strcmp(what, "latency") == 0)
        bench_latency();
    else if (strcmp(what, "seal") == 0)
        bench_seal();
    else
        return 2;
    free(g_at);
    free(g_acks);
    return 0;
}
