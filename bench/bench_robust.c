/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_robust.c - an old rule and the same with one word changed:
 * predict_linear(v[6h], 4*3600) > 100 beside predict_robust(...), on generated
 * series of a week by the minute. An alert is both of two looks ten minutes
 * apart; it is right if the value passes the limit within the next four hours.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "predict/predict.h"
#include "predict/robust.h"
#include "tests/support/synth.h"

#define WEEK (7 * 1440)
#define SERIES 5 /* of each kind */
#define LOOK 10  /* minutes */
#define AHEAD 240
#define LIMIT 100.0

enum kind {
    FLAT,
    DAILY,
    SAW,
    BACKUP,
    JUMP,
    WANDER,
    OUTLIERS,
    LEAK,
    FAST_LEAK,
    DISK,
    KINDS
};

static const char *const names[KINDS] = {
    "flat noise", "daily season", "sawtooth", "nightly backup",
    "jump",       "wandering",    "outliers", "slow leak",
    "fast leak",  "filling disk"};

static void make(enum kind kind, struct synth_rng *rng, double *v)
{
    double level = 30.0 + 20.0 * synth_uniform(rng), x = 0.0, phase,
           climb = 65.0 / 4320.0 * (0.7 + 0.6 * synth_uniform(rng));

    phase = 1440.0 * synth_uniform(rng);
    for (size_t i = 0; i < WEEK; i++) {
        double day = fmod((double)i + phase, 1440.0);
        double e = synth_normal(rng), u = synth_uniform(rng);

        switch (kind) {
        case DAILY:
            v[i] = 60.0 + 28.0 * sin(6.283185307 * day / 1440.0) + 2.0 * e;
            break;
        case SAW:
            v[i] = 20.0 + 65.0 * fmod((double)i + phase, 100.0) / 100.0 + e;
            break;
        case BACKUP:
            v[i] = level + 2.0 * e + (day < 45.0 ? 40.0 : 0.0);
            break;
        case JUMP:
            v[i] = level + 2.0 * e + ((double)i > 2.0 * phase + 600 ? 35.0 : 0);
            break;
        case WANDER:
            x = 0.99 * x + e;
            v[i] = 60.0 + 1.5 * x;
            break;
        case OUTLIERS:
            v[i] = level + 2.0 * e + (u < 0.01 ? 45.0 : 0.0);
            break;
        case LEAK: /* three days to the limit, then a restart */
        case FAST_LEAK:
            x = v == NULL || i == 0 || v[i - 1] > LIMIT + 1.0
                    ? 30.0
                    : x + (kind == LEAK ? climb : 9.0 * climb);
            v[i] = x + (kind == LEAK ? 1.5 : 2.5) * e;
            break;
        case DISK: /* in steps as files come, cleaned when full */
            x = i == 0 || v[i - 1] > LIMIT + 1.0 ? 40.0 : x;
            x += u < 0.05 ? 1.2 : 0.0;
            v[i] = x;
            break;
        default:
            v[i] = level + 4.0 * e;
        }
    }
}

static fw_rc linear(const fw_ms *t, const double *v, size_t n, fw_ms now,
                    fw_ms ahead, double *out)
{
    double mx = 0.0, my = 0.0, xx = 0.0, xy = 0.0, m = (double)n;

    for (size_t i = 0; i < n; i++) {
        mx += (double)(t[i] - now) / m;
        my += v[i] / m;
    }
    for (size_t i = 0; i < n; i++) {
        xx += ((double)(t[i] - now) - mx) * ((double)(t[i] - now) - mx);
        xy += ((double)(t[i] - now) - mx) * (v[i] - my);
    }
    *out = my + xy / xx * ((double)ahead - mx);
    return FW_OK;
}

struct tally {
    double alerts, wrong, breaches, forewarned, seconds;
};

typedef fw_rc (*method)(const fw_ms *t, const double *v, size_t n, fw_ms now,
                        fw_ms ahead, double *out);

static bool breaches(const double *v, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < WEEK; i++)
        if (v[i] > LIMIT)
            return true;
    return false;
}

static void run(method f, const fw_ms *t, const double *v, size_t window,
                struct tally *out)
{
    bool before = false, active = false;
    size_t until = 0; /* an alert has been there up to this minute */
    double start = measure_thread_cpu();

    for (size_t i = window; i < WEEK; i++) {
        double p = 0.0;
        bool is;

        if (v[i] > LIMIT && v[i - 1] <= LIMIT) {
            out->breaches++;
            out->forewarned += until + LOOK >= i || active;
        }
        if (i % LOOK != 0)
            continue;
        is = f(t + i + 1 - window, v + i + 1 - window, window, t[i],
               AHEAD * FW_MINUTE, &p) == FW_OK &&
             p > LIMIT;
        if (is && before && !active && i + AHEAD < WEEK) {
            out->alerts++;
            out->wrong += !breaches(v, i, i + AHEAD);
        }
        active = is && (before || active);
        if (active)
            until = i;
        before = is;
    }
    out->seconds += measure_thread_cpu() - start;
}

int main(void)
{
    static const struct {
        const char *name;
        method f;
        size_t window;
    } methods[] = {{"predict_linear 1h", linear, 60},
                   {"predict_linear 6h", linear, 360},
                   {"predict_robust 6h", robust_ahead, 360}};
    static double v[WEEK];
    static fw_ms t[WEEK];

    for (size_t i = 0; i < WEEK; i++)
        t[i] = (fw_ms)i * FW_MINUTE;
    (void)printf("%-18s %-16s %18s %12s\n", "", "series", "false/series-week",
                 "forewarned");
    for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
        struct tally all = {0};

        (void)fflush(stdout);

        for (int kind = 0; kind < KINDS; kind++) {
            struct synth_rng rng = synth_seed(17 + (uint64_t)kind);
            struct tally one = {0};

            for (int i = 0; i < SERIES; i++) {
                make((enum kind)kind, &rng, v);
                run(methods[m].f, t, v, methods[m].window, &one);
            }
            (void)printf("%-18s %-16s %18.2f", methods[m].name, names[kind],
                         one.wrong / SERIES);
            if (one.breaches > 0)
                (void)printf(" %6.0f of %2.0f", one.forewarned, one.breaches);
            (void)printf("\n");
            all.wrong += one.wrong;
            all.breaches += one.breaches;
            all.forewarned += one.forewarned;
            all.seconds += one.seconds;
        }
        (void)printf("%-18s %-16s %18.2f %11.0f %%  %.0f us a look\n\n",
                     methods[m].name, "all", all.wrong / (SERIES * KINDS),
                     100.0 * all.forewarned / all.breaches,
                     1e6 * all.seconds /
                         ((double)(SERIES * KINDS) * WEEK / LOOK));
    }
    return 0;
}
