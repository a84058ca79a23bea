/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_forecast.c - how many series a second are forecast, and how many breach
 * questions answered, by one thread, on generated series; and what the
 * forecasts are worth on them beside the naive ones, and beside R's theta and
 * ets where R is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "predict/breach/breach_tasks.h"
#include "predict/predict.h"

#define SERIES 200
#define LENGTH 4000

static uint64_t state = 1;

/* xorshift64* [Vigna 2016]: the same series everywhere. */
static double uniform(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (double)((state * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2.0 * log(1.0 - uniform())) *
           cos(6.283185307179586 * uniform());
}

/* Daily and weekly seasons, a trend, noise that remembers, now and then a
 * burst. */
static void make(double *v, size_t n, size_t day)
{
    double a = 5.0 + 10.0 * uniform(), b = 3.0 * uniform(), phase = uniform();
    double trend = 0.01 * normal(), rho = 0.9 * uniform(), e = 0.0;

    for (size_t i = 0; i < n; i++) {
        double x = (double)i / (double)day + phase;

        e = rho * e + normal();
        v[i] = 50.0 + a * sin(6.283185307179586 * x) +
               b * sin(6.283185307179586 * x / 7.0) + trend * (double)i + e;
        if (uniform() < 0.002)
            e += 8.0;
    }
}

static void forecasts(size_t n, fw_ms step, size_t day, size_t h, bool breach,
                      bool quick)
{
    fw_ms *t = calloc(n, sizeof(*t));
    double *v = calloc(n + h, sizeof(*v));
    double spent = 0.0, ratio = 0.0, covered = 0.0, points = 0.0;
    struct fw_breach limit = {.side = FW_ABOVE};
    size_t done = 0;

    if (t == NULL || v == NULL)
        goto out;
    for (size_t i = 0; i < n; i++)
        t[i] = 1700006400000 + (fw_ms)i * step;
    for (size_t s = 0; s < SERIES; s++) {
        struct fw_arena *arena = fw_arena_new((size_t)256 << 20);
        struct fw_forecast_options o = {.now = t[n - 1],
                                        .horizon = (fw_ms)h * step,
                                        .breach = breach ? &limit : NULL,
                                        .point_only = quick};
        struct fw_forecast *f;
        double from, ours = 0.0, naive = 0.0;

        make(v, n + h, day);
        limit.limit = v[n - 1] + 8.0;
        from = measure_thread_cpu();
        if (arena == NULL ||
            fw_forecast_run(t, v, n, &o, arena, &f, NULL) != FW_OK) {
            fw_arena_free(arena);
            continue;
        }
        spent += measure_thread_cpu() - from;
        for (size_t k = 0; k < f->n && k < h; k++) {
            ours += fabs(f->point[k] - v[n + k]);
            naive += fabs(v[n - 1] - v[n + k]);
            covered +=
                v[n + k] >= f->lower[k] && v[n + k] <= f->upper[k] ? 1.0 : 0.0;
            points += 1.0;
        }
        ratio += log((ours + 1e-9) / (naive + 1e-9));
        done++;
        fw_arena_free(arena);
    }
    (void)printf("%6zu samples, %3zu steps%s  %8.0f series/s  error %.2f of "
                 "naive",
                 n, h,
                 breach  ? ", breach"
                 : quick ? ", points"
                         : "        ",
                 (double)done / spent, exp(ratio / (double)done));
    if (!quick)
        (void)printf("  coverage %.3f", covered / points);
    (void)putchar('\n');
out:
    free(t);
    free(v);
}

static void questions(void)
{
    static fw_ms t[LENGTH];
    static double v[LENGTH];
    static struct csv_task tasks[2000];
    static struct breach_answer answers[2000];
    struct csv_series s = {FW_STR("a"), t, v, LENGTH};
    double spent = 0.0;
    size_t n = 0;

    for (size_t i = 0; i < LENGTH; i++)
        t[i] = 1700006400000 + (fw_ms)i * 5 * FW_MINUTE;
    make(v, LENGTH, 288);
    for (size_t o = 1500; o < 3500; o++, n++)
        tasks[n] = (struct csv_task){FW_STR("q"), s.name,          t[o - 1],
                                     6 * FW_HOUR, v[o - 1] + 10.0, false};
    spent = measure_thread_cpu();
    if (breach_tasks_run(&s, 1, tasks, n, answers, NULL) != FW_OK)
        return;
    spent = measure_thread_cpu() - spent;
    (void)printf("breach questions in bulk               %8.0f questions/s\n",
                 (double)n / spent);
}

/* What a watch costs: a look (one sample more, one question) and a fit. */
static void looks(size_t n, fw_ms step, size_t day, size_t h)
{
    static fw_ms t[LENGTH + SERIES];
    static double v[LENGTH + SERIES];
    struct fw_forecaster_options o = {.horizon = (fw_ms)h * step,
                                      .breach = {.side = FW_ABOVE}};
    struct fw_forecaster *f = NULL;
    struct fw_passage p;
    double fit, look, sum = 0.0;

    for (size_t i = 0; i < n + SERIES; i++)
        t[i] = 1700006400000 + (fw_ms)i * step;
    make(v, n + SERIES, day);
    if (fw_forecaster_new(&o, &f, NULL) != FW_OK)
        return;
    fit = measure_thread_cpu();
    for (int i = 0; i < 10; i++)
        if (fw_forecaster_fit(f, t, v, n, t[n - 1], NULL) != FW_OK)
            goto out;
    fit = (measure_thread_cpu() - fit) / 10.0;
    look = measure_thread_cpu();
    for (size_t i = n; i < n + SERIES; i++) {
        fw_forecaster_add(f, t[i], v[i]);
        if (fw_forecaster_ask(f, t[i], v[i] + 8.0, &p, NULL, NULL) == FW_OK)
            sum += p.probability;
    }
    look = (measure_thread_cpu() - look) / SERIES;
    (void)printf("watched: %4zu samples, %2zu steps  fit %6.3f ms  look %6.3f "
                 "ms  %6zu bytes  mean p %.2f\n",
                 n, h, 1e3 * fit, 1e3 * look, fw_forecaster_bytes(f),
                 sum / SERIES);
out:
    fw_forecaster_free(f);
}

/* ---- Beside R ------------------------------------------------------------ */

#define R_SERIES 8

/* The published theta and ets of R's package forecast, over the series of a
 * file: a row each, the last `h` values are what came. */
static const char r_script[] =
    "a <- commandArgs(TRUE); h <- as.integer(a[2]); m <- as.integer(a[3]);"
    "suppressMessages(library(forecast));"
    "Y <- as.matrix(read.csv(a[1], header=FALSE)); n <- ncol(Y) - h;"
    "for (name in c(\"theta\", \"ets\")) { e <- c(); t0 <- proc.time();"
    "for (i in 1:nrow(Y)) { y <- ts(Y[i, 1:n], frequency=m);"
    "f <- if (name == \"theta\") thetaf(y, h=h) else forecast(ets(y), h=h);"
    "z <- Y[i, n + 1:h];"
    "e <- c(e, log(sum(abs(f$mean - z)) / sum(abs(Y[i, n] - z)))) };"
    "t1 <- proc.time() - t0;"
    "cat(sprintf(\"%6d samples, %3d steps, R %-5s %8.2f series/s  error %.2f "
    "of naive\\n\", n, h, name, nrow(Y) / (t1[[1]] + t1[[2]]), exp(mean(e)))) "
    "}";

static void beside_r(size_t n, size_t day, size_t h)
{
    char path[] = "/tmp/forewarn-bench-XXXXXX", command[4096];
    double *v = calloc(n + h, sizeof(*v));
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (v == NULL || file == NULL) {
        (void)printf("R: no room for its series\n");
        goto out;
    }
    for (size_t s = 0; s < R_SERIES; s++) {
        make(v, n + h, day);
        for (size_t i = 0; i < n + h; i++)
            (void)fprintf(file, "%s%.6f", i > 0 ? "," : "", v[i]);
        (void)fputc('\n', file);
    }
    (void)fflush(file);
    (void)fflush(stdout);
    (void)snprintf(command, sizeof(command),
                   "command -v Rscript >/dev/null && Rscript -e '%s' %s %zu "
                   "%zu 2>/dev/null || echo 'R with its package forecast is "
                   "not here: no comparison'",
                   r_script, path, h, day);
    if (system(command) != 0)
        (void)printf("R: no comparison\n");
out:
    if (file != NULL)
        (void)fclose(file);
    if (fd >= 0)
        (void)remove(path);
    free(v);
}

int main(void)
{
    (void)printf("CPU time of one thread; %d generated series each\n", SERIES);
    forecasts(300, FW_HOUR, 24, 24, false, false);
    forecasts(900, FW_HOUR, 24, 48, false, false);
    forecasts(2016, 5 * FW_MINUTE, 288, 72, false, false);
    forecasts(300, FW_HOUR, 24, 24, false, true);
    forecasts(900, FW_HOUR, 24, 48, false, true);
    forecasts(300, FW_HOUR, 24, 24, true, false);
    forecasts(2016, 5 * FW_MINUTE, 288, 72, true, false);
    forecasts(60, FW_SECOND, 288, 90, true, false);
    questions();
    looks(336, FW_HOUR, 24, 24);
    looks(LENGTH, 5 * FW_MINUTE, 288, 72);
    beside_r(900, 24, 48);
    return 0;
}
