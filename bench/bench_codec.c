/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_codec.c - bytes per sample and speed of the value and time codecs.
 *
 *   bench_codec [-p PASSES] [-b BLOCK] [-s SET] [FILE.csv ...]
 *
 * The data sets are made here, from fixed seeds; each FILE is one more set,
 * with lines `series,timestamp,value` or `timestamp,value`. Speeds are
 * medians over the passes, of this thread's CPU time, so that other work on
 * the machine disturbs them little. A plain sum over doubles and a memcpy run
 * in between, to say what memory alone would allow. Every block is compared
 * with its source, bit for bit, before anything is timed.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "storage/codec/kernels.h"
#include "storage/codec/times.h"
#include "storage/codec/values.h"

#define SERIES_SAMPLES 8640 /* a day at 10 s */
#define PASSES_MAX 99
#define SETS_MAX 64

/* ---- numbers ------------------------------------------------------------ */

static uint64_t g_random;

/* splitmix64 [Steele, Lea and Flood, OOPSLA 2014] */
static uint64_t random_bits(void)
{
    uint64_t z = g_random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static double uniform(void)
{
    return (double)(random_bits() >> 11) * 0x1p-53;
}

static double normal(void)
{
    double r = sqrt(-2 * log(1 - uniform()));

    return r * cos(2 * acos(-1) * uniform());
}

/* Poisson: by counting for small means, by the normal beyond. */
static double poisson(double mean)
{
    if (mean > 200)
        return fmax(0, rint(mean + sqrt(mean) * normal()));
    double limit = exp(-mean);
    double product = uniform();
    double count = 0;
    for (; product > limit; count++)
        product *= uniform();
    return count;
}

static void *must_alloc(size_t bytes)
{
    void *p = malloc(bytes > 0 ? bytes : 1);

    if (p == NULL) {
        fprintf(stderr, "bench_codec: out of memory\n");
        exit(3);
    }
    return p;
}

/* ---- data sets ---------------------------------------------------------- */

/* Series one behind the other; a block never spans two of them. */
struct set {
    char name[24];
    size_t count; /* samples of all series */
    size_t series;
    size_t *starts; /* series + 1 */
    double *values;
    fw_ms *times;
};

static struct set g_sets[SETS_MAX];
static size_t g_set_count;

static struct set *set_new(const char *name, size_t series, size_t samples)
{
    struct set *s = &g_sets[g_set_count++];

    snprintf(s->name, sizeof(s->name), "%s", name);
    s->series = series;
    s->count = series * samples;
    s->values = must_alloc(s->count * sizeof(double));
    s->times = must_alloc(s->count * sizeof(fw_ms));
    s->starts = must_alloc((series + 1) * sizeof(size_t));
    for (size_t i = 0; i <= series; i++)
        s->starts[i] = i * samples;
    for (size_t i = 0; i < s->count; i++)
        s->times[i] = 1795000000000 + 10000 * (fw_ms)(i % samples);
    return s;
}

/* TSBS-like: steps of N(0, 1) held within 0..100, cut to so many decimals. */
static void make_walk(const char *name, double scale)
{
    struct set *s = set_new(name, 30, SERIES_SAMPLES);
    double at = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (i % SERIES_SAMPLES == 0)
            at = 100 * uniform();
        at = fmin(100, fmax(0, at + normal()));
        s->values[i] = scale > 0 ? trunc(at * scale) / scale : at;
    }
}

/* Counters of events, at rates from 1 to 1,000 an interval. */
static void make_counters(void)
{
    struct set *s = set_new("ctr15", 30, 5760);
    double at = 0;
    double rate = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (i % 5760 == 0) {
            rate = pow(10, 3 * (double)(i / 5760) / 29);
            at = floor(1e7 * uniform());
        }
        s->values[i] = at += poisson(rate);
        s->times[i] = 1795000000000 + 15000 * (fw_ms)(i % 5760) +
                      (fw_ms)rint(4 * normal());
    }
}

/* Seconds of CPU in ticks of 0.01, 15 s apart. */
static void make_cpu_seconds(void)
{
    struct set *s = set_new("cpus15", 30, 5760);
    double ticks = 0;
    double load = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (i % 5760 == 0) {
            ticks = floor(1e6 * uniform());
            load = 0.05 + 0.6 * uniform();
        }
        double used = 1500 * load * (1 + 0.1 * normal());
        ticks += rint(fmin(1500, fmax(0, used)));
        s->values[i] = ticks / 100;
        s->times[i] = 1795000000000 + 15000 * (fw_ms)(i % 5760) +
                      (fw_ms)rint(4 * normal());
    }
}

/* One series of an idle node: most of them never change. */
static void fill_node(size_t kind, double *v, size_t n)
{
    double at = floor(1e6 * uniform());

    for (size_t i = 0; i < n; i++) {
        switch (kind) {
        case 0: /* memory, by pages */
            at += 4096 * rint(20 * normal());
            break;
        case 1: /* a counter that moves at times */
            at += poisson(0.05);
            break;
        case 2: /* seconds in ticks */
            at = rint(100 * at + poisson(30)) / 100;
            break;
        case 3: /* network bytes */
            at += poisson(4) * (60 + floor(1400 * uniform()));
            break;
        case 4: /* a load average */
            at = rint(100 * (0.99 * fmod(at, 10) + 0.02 * uniform())) / 100;
            break;
        default:
            break;
        }
        v[i] = at;
    }
}

static void make_node(void)
{
    struct set *s = set_new("node", 60, 5400);

    for (size_t i = 0; i < s->series; i++)
        fill_node(i % 12, s->values + s->starts[i], 5400);
}

/* Few distinct states that jump about: dictionary data. */
static void make_states(void)
{
    struct set *s = set_new("states", 20, SERIES_SAMPLES);
    double states[40];

    for (size_t i = 0; i < s->count; i++) {
        if (i % SERIES_SAMPLES == 0)
            for (size_t j = 0; j < 40; j++)
                states[j] = normal();
        s->values[i] = states[(size_t)(40 * uniform() * uniform())];
    }
}

/* Decimals that went through arithmetic: 0.13399999999999998 */
static void make_computed(void)
{
    struct set *s = set_new("computed", 30, SERIES_SAMPLES);
    double at = 0;

    for (size_t i = 0; i < s->count; i++) {
        at = rint(fmin(1e5, fmax(0, at + 30 * normal())));
        s->values[i] = at * 0.001 + 0.1 - 0.1;
    }
}

static void make_sets(void)
{
    g_random = 20261123;
    make_walk("tsbs0", 1);
    make_walk("tsbs1", 10);
    make_walk("tsbs2", 100);
    make_walk("full", 0);
    make_counters();
    make_cpu_seconds();
    make_node();
    make_computed();
    make_states();
}

/* ---- CSV ---------------------------------------------------------------- */

/* The last field is the value; a first of three names the series. */
static bool line_take(const char *line, char name[64], double *v)
{
    const char *comma = strrchr(line, ',');
    const char *first = strchr(line, ',');
    char *end;

    if (comma == NULL)
        return false;
    *v = strtod(comma + 1, &end);
    if (end == comma + 1)
        return false;
    snprintf(name, 64, "%.*s", first == comma ? 0 : (int)(first - line), line);
    return true;
}

static void read_csv(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[1024];
    char name[64];
    char last[64] = "";
    size_t count = 0;
    size_t series = 0;
    double v;

    if (f == NULL) {
        perror(path);
        exit(3);
    }
    while (fgets(line, sizeof(line), f) != NULL)
        count += line_take(line, name, &v);
    rewind(f);
    const char *base = strrchr(path, '/');
    struct set *s = set_new(base != NULL ? base + 1 : path, 1, count);
    free(s->starts);
    s->starts = must_alloc((count + 1) * sizeof(size_t));
    count = 0;
    while (fgets(line, sizeof(line), f) != NULL) {
        if (!line_take(line, name, &v))
            continue;
        if (series == 0 || strcmp(name, last) != 0)
            s->starts[series++] = count;
        memcpy(last, name, sizeof(last));
        s->values[count++] = v;
    }
    s->starts[series] = count;
    s->series = series;
    (void)fclose(f); /* was only read */
}

/* ---- measuring ---------------------------------------------------------- */

struct block {
    size_t first; /* sample */
    size_t n;
    size_t offset; /* in the encoded bytes */
    size_t bytes;
    bool starts_series;
};

struct work {
    const struct set *set;
    struct block *blocks;
    size_t count;
    uint8_t *bytes;
    size_t used;
};

static void work_make(struct work *w, const struct set *set, size_t size)
{
    w->set = set;
    w->count = 0;
    w->blocks = must_alloc((set->count / size + set->series + 1) *
                           sizeof(struct block));
    w->bytes = must_alloc(values_bound(set->count) * 2 + 4096);
    for (size_t s = 0; s < set->series; s++) {
        for (size_t i = set->starts[s]; i < set->starts[s + 1]; i += size) {
            size_t rest = set->starts[s + 1] - i;
            w->blocks[w->count++] =
                (struct block){.first = i,
                               .n = rest < size ? rest : size,
                               .starts_series = i == set->starts[s]};
        }
    }
}

static void work_free(struct work *w)
{
    free(w->blocks);
    free(w->bytes);
}

static void encode_all(struct work *w, bool hinted)
{
    struct values_hint hint = {0};

    w->used = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct block *b = &w->blocks[i];
        if (b->starts_series)
            memset(&hint, 0, sizeof(hint));
        b->offset = w->used;
        b->bytes = values_encode(w->set->values + b->first, b->n,
                                 hinted ? &hint : NULL, w->bytes + w->used);
        w->used += b->bytes;
    }
}

static void encode_times(struct work *w)
{
    w->used = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct block *b = &w->blocks[i];
        b->offset = w->used;
        b->bytes =
            times_encode(w->set->times + b->first, b->n, w->bytes + w->used);
        w->used += b->bytes;
    }
}

static void must_decode(fw_rc rc, const struct fw_err *err)
{
    if (rc == FW_OK)
        return;
    fprintf(stderr, "bench_codec: %s\n", err->text);
    exit(3);
}

static void decode_all(const struct work *w, double *out)
{
    struct fw_err err = {0};

    for (size_t i = 0; i < w->count; i++) {
        const struct block *b = &w->blocks[i];
        must_decode(
            values_decode(w->bytes + b->offset, b->bytes, b->n, out, &err),
            &err);
    }
}

static void decode_times(const struct work *w, fw_ms *out)
{
    struct fw_err err = {0};

    for (size_t i = 0; i < w->count; i++) {
        const struct block *b = &w->blocks[i];
        must_decode(
            times_decode(w->bytes + b->offset, b->bytes, b->n, out, &err),
            &err);
    }
}

static void check_all(const struct work *w, double *out)
{
    struct fw_err err = {0};

    for (size_t i = 0; i < w->count; i++) {
        const struct block *b = &w->blocks[i];
        must_decode(
            values_decode(w->bytes + b->offset, b->bytes, b->n, out, &err),
            &err);
        if (memcmp(out, w->set->values + b->first, b->n * sizeof(*out)) != 0) {
            fprintf(stderr, "bench_codec: %s: block %zu came back otherwise\n",
                    w->set->name, i);
            exit(3);
        }
    }
}

static size_t g_passes = 9;
static size_t g_block = 512;
static const char *g_only; /* the one set to measure, if not NULL */

/* Million samples a second, the median over the passes. */
static double encode_speed(struct work *w, bool hinted)
{
    double t[PASSES_MAX];
    size_t passes = (g_passes + 1) / 2;

    for (size_t p = 0; p < passes; p++) {
        double begin = measure_thread_cpu();
        encode_all(w, hinted);
        t[p] = measure_thread_cpu() - begin;
    }
    return (double)w->set->count / measure_share(t, passes, 0.5) / 1e6;
}

static double decode_speed(struct work *w, double *out)
{
    double t[PASSES_MAX];

    for (size_t p = 0; p < g_passes; p++) {
        double begin = measure_thread_cpu();
        decode_all(w, out);
        t[p] = measure_thread_cpu() - begin;
    }
    return (double)w->set->count / measure_share(t, g_passes, 0.5) / 1e6;
}

static double g_median_of[SETS_MAX][2 + CODEC_KERNELS];

static void bench_set(size_t index)
{
    struct work w;
    double *row = g_median_of[index];
    double *out = must_alloc(g_block * sizeof(*out));

    work_make(&w, &g_sets[index], g_block);
    row[1] = encode_speed(&w, true);
    check_all(&w, out);
    double hinted = (double)w.used / (double)w.set->count;
    row[0] = encode_speed(&w, false);
    check_all(&w, out);
    printf("%-12s %8.4f %8.4f %8.1f %8.1f", w.set->name,
           (double)w.used / (double)w.set->count, hinted, row[0], row[1]);
    for (unsigned k = 0; k < CODEC_KERNELS; k++) {
        if (codec_kernels_at(k) == NULL)
            continue;
        codec_kernels_use(codec_kernels_at(k));
        check_all(&w, out);
        row[2 + k] = decode_speed(&w, out);
        printf(" %8.0f", row[2 + k]);
    }
    codec_kernels_use(NULL);
    printf("\n");
    free(out);
    work_free(&w);
}

static void bench_times(size_t index)
{
    struct work w;
    double t[PASSES_MAX];
    fw_ms *out = must_alloc(g_block * sizeof(*out));

    work_make(&w, &g_sets[index], g_block);
    double begin = measure_thread_cpu();
    encode_times(&w);
    double encode = measure_thread_cpu() - begin;
    for (size_t p = 0; p < g_passes; p++) {
        begin = measure_thread_cpu();
        decode_times(&w, out);
        t[p] = measure_thread_cpu() - begin;
    }
    printf("%-12s %8.4f %17.1f %8.0f\n", w.set->name,
           (double)w.used / (double)w.set->count,
           (double)w.set->count / encode / 1e6,
           (double)w.set->count / measure_share(t, g_passes, 0.5) / 1e6);
    free(out);
    work_free(&w);
}

/* What memory alone allows: 64 MiB, larger than the caches. */
static void bench_memory(void)
{
    size_t n = (size_t)8 << 20;
    double *a = must_alloc(n * sizeof(*a));
    double *b = must_alloc(n * sizeof(*b));
    double sum[PASSES_MAX];
    double copy[PASSES_MAX];
    volatile double sink = 0;

    for (size_t i = 0; i < n; i++)
        a[i] = (double)i;
    memset(b, 0, n * sizeof(*b));
    for (size_t p = 0; p < g_passes; p++) {
        double s[8] = {0};
        double begin = measure_thread_cpu();
        for (size_t i = 0; i < n; i += 8)
            for (size_t j = 0; j < 8; j++)
                s[j] += a[i + j];
        sum[p] = measure_thread_cpu() - begin;
        sink += s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
        begin = measure_thread_cpu();
        memcpy(b, a, n * sizeof(*a));
        copy[p] = measure_thread_cpu() - begin;
        sink += b[p];
    }
    if (isnan(sink)) /* it is not; but nobody may leave the sums out */
        printf("nan\n");
    double mb = (double)(n * sizeof(*a)) / 1e6;
    double sum_s = measure_share(sum, g_passes, 0.5);
    printf("\nplain sum over doubles %.0f MB/s (%.0f M doubles/s), "
           "memcpy %.0f MB/s\n",
           mb / sum_s, (double)n / 1e6 / sum_s,
           mb / measure_share(copy, g_passes, 0.5));
    free(a);
    free(b);
}

static void print_medians(void)
{
    printf("%-12s %17s", "median", "");
    for (unsigned c = 0; c < 2 + CODEC_KERNELS; c++) {
        double all[SETS_MAX];
        if (g_only != NULL || (c >= 2 && codec_kernels_at(c - 2) == NULL))
            continue;
        for (size_t i = 0; i < g_set_count; i++)
            all[i] = g_median_of[i][c];
        printf(c < 2 ? " %8.1f" : " %8.0f",
               measure_share(all, g_set_count, 0.5));
    }
    printf("\n");
}

static void print_head(void)
{
    printf("values in blocks of %zu: bytes/sample, then million samples/s\n",
           g_block);
    printf("%-12s %8s %8s %8s %8s", "set", "searched", "hinted", "search",
           "hint");
    for (unsigned k = 0; k < CODEC_KERNELS; k++)
        if (codec_kernels_at(k) != NULL)
            printf(" %8s", codec_kernels_at(k)->name);
    printf("\n");
}

int main(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "p:b:s:")) != -1) {
        size_t v = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;
        if (c == 'p' && v > 0 && v <= PASSES_MAX)
            g_passes = v;
        else if (c == 'b' && v > 0 && v <= 100000)
            g_block = v;
        else if (c == 's')
            g_only = optarg;
        else
            return 2;
    }
    make_sets();
    size_t made = g_set_count;
    for (int i = optind; i < argc && g_set_count < SETS_MAX; i++)
        read_csv(argv[i]);
    print_head();
    for (size_t i = 0; i < g_set_count; i++)
        if (g_only == NULL || strcmp(g_only, g_sets[i].name) == 0)
            bench_set(i);
    print_medians();
    printf("\ntimes: bytes/sample, encode, decode with %s\n",
           codec_kernels()->name);
    for (size_t i = 0; i < made; i++)
        if (i == 0 || strcmp(g_sets[i].name, "ctr15") == 0)
            bench_times(i);
    bench_memory();
    return 0;
}
