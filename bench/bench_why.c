/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_why.c - why a straight line is not enough, as one picture.
 *
 * A disk that is written to as disks are: logs grow and are rotated, a backup
 * lies there for an hour each night, and in the last two days something really
 * fills it. Each quarter of an hour two forecasters are asked whether 90 % will
 * be crossed within four hours, knowing only the past: the rule most people
 * run today, predict_linear(disk[6h], 4h) > 90, and Forewarn at P >= 0.8. A
 * page is a run of "yes" after an hour of "no". A page is right if the disk
 * does cross within those four hours. The picture goes to standard output as
 * SVG, the counts to standard error.
 *
 *     bench_why > docs/img/why.svg
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"
#include "tests/support/synth.h"

#define STEP (5 * FW_MINUTE)
#define PER_DAY 288
#define DAYS 12
#define SAMPLES (DAYS * PER_DAY)
#define WARM_UP (4 * PER_DAY) /* nobody is asked before this */
#define ASK_EVERY 3           /* samples: a quarter of an hour */
#define LIMIT 90.0
#define HORIZON (4 * FW_HOUR)
#define LINE_WINDOW 72 /* samples in six hours */
#define QUIET (FW_HOUR / (ASK_EVERY * STEP))

static fw_ms times[SAMPLES];
static double disk[SAMPLES]; /* per cent used */

static void make_disk(void)
{
    struct synth_rng rng = synth_seed(7);
    double logs = 0;
    double leak = 0;

    for (int i = 0; i < SAMPLES; i++) {
        int of_day = i % PER_DAY;
        /* The backup is written in half an hour, stays for one, is removed. */
        double backup = of_day < 18 && of_day >= 6 ? 12 : 0;

        if (of_day < 6)
            backup = 2.0 * of_day;
        /* Logs grow for eight hours and are rotated away. */
        logs = i % 96 == 0 ? 0 : logs + 0.2 + 0.05 * synth_normal(&rng);
        if (i >= SAMPLES - 2 * PER_DAY)
            leak += 0.05 + 0.01 * synth_normal(&rng);
        times[i] = (fw_ms)1760000000000 / FW_DAY * FW_DAY + i * STEP;
        disk[i] = 62 + logs + backup + leak + 0.3 * synth_normal(&rng);
        disk[i] = disk[i] > 100 ? 100 : disk[i]; /* and then it is full */
    }
}

/* Least squares over the last six hours, drawn on to the horizon. */
static bool line_says_yes(int now)
{
    double n = LINE_WINDOW, sx = 0, sy = 0, sxx = 0, sxy = 0;
    double slope;
    double at_now;

    for (int i = 0; i < LINE_WINDOW; i++) {
        double x = -i;
        double y = disk[now - i];

        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
    }
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    at_now = sy / n - slope * sx / n;
    return at_now + slope * (double)(HORIZON / STEP) > LIMIT;
}

static bool forewarn_says_yes(int now, struct fw_arena *arena)
{
    struct fw_breach breach = {.side = FW_ABOVE, .limit = LIMIT};
    struct fw_forecast_options options = {.now = times[now],
                                          .horizon = HORIZON,
                                          .breach = &breach,
                                          .has_lower = true,
                                          .has_upper = true,
                                          .upper = 100};
    struct fw_forecast *forecast = NULL;
    struct fw_err err = {0};

    fw_arena_clear(arena);
    if (fw_forecast_run(times, disk, (size_t)now + 1, &options, arena,
                        &forecast, &err) != FW_OK) {
        (void)fprintf(stderr, "forecast: %s\n", err.text);
        exit(3);
    }
    return forecast->has_passage && forecast->passage.probability >= 0.8;
}

struct judge {
    const char *name;
    const char *color;
    int pages[SAMPLES];
    int page_count;
    int right;
    int quiet; /* questions since the last "yes" */
};

/* True if the disk crosses the limit within the horizon after `now`. */
static bool will_cross(int now)
{
    for (int i = now + 1; i < SAMPLES && i <= now + (int)(HORIZON / STEP); i++)
        if (disk[i] > LIMIT)
            return true;
    return false;
}

static void judge_hears(struct judge *j, int now, bool yes)
{
    if (yes && j->quiet >= QUIET) {
        j->pages[j->page_count++] = now;
        j->right += will_cross(now);
    }
    j->quiet = yes ? 0 : j->quiet + 1;
}

/* ---- The picture
 * -------------------------------------------------------------- */

#define WIDTH 920
#define LEFT 60
#define RIGHT 20
#define TOP 30
#define PLOT 210

static double x_of(int i)
{
    return LEFT +
           (double)(i - WARM_UP) / (SAMPLES - WARM_UP) * (WIDTH - LEFT - RIGHT);
}

static double y_of(double v)
{
    return TOP + (100 - v) / 60 * PLOT;
}

static void draw_axes(void)
{
    for (int v = 40; v <= 100; v += 20)
        printf("<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' class='g'/>"
               "<text x='%d' y='%.1f' class='a' text-anchor='end'>%d %%"
               "</text>\n",
               LEFT, WIDTH - RIGHT, y_of(v), y_of(v), LEFT - 6, y_of(v) + 4, v);
    for (int day = WARM_UP / PER_DAY; day < DAYS; day++)
        printf("<text x='%.1f' y='%d' class='a'>day %d</text>\n",
               x_of(day * PER_DAY) + 4, TOP + PLOT + 16, day + 1);
    printf("<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' class='limit'/>"
           "<text x='%d' y='%.1f' class='l'>limit 90 %%</text>\n",
           LEFT, WIDTH - RIGHT, y_of(LIMIT), y_of(LIMIT), LEFT + 6,
           y_of(LIMIT) - 5);
}

static void draw_disk(void)
{
    printf("<polyline class='d' points='");
    for (int i = WARM_UP; i < SAMPLES; i++)
        printf("%.1f,%.1f ", x_of(i), y_of(disk[i]));
    printf("'/>\n");
}

static void draw_judge(const struct judge *j, double y)
{
    printf("<text x='%d' y='%.1f' class='t'>%s: %d page%s, %d of them "
           "right</text>\n",
           LEFT, y, j->name, j->page_count, j->page_count == 1 ? "" : "s",
           j->right);
    printf("<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' class='g'/>\n", LEFT,
           WIDTH - RIGHT, y + 18, y + 18);
    for (int i = 0; i < j->page_count; i++)
        printf("<circle cx='%.1f' cy='%.1f' r='5' fill='%s'/>\n",
               x_of(j->pages[i]), y + 18, j->color);
}

static void draw(const struct judge *line, const struct judge *ours)
{
    printf("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d 370' "
           "font-family='system-ui,sans-serif' role='img'>\n"
           "<title>A disk with log rotation, nightly backups and, at the end, "
           "a real leak: pages of predict_linear and of Forewarn</title>\n"
           "<style>.g{stroke:#d0d7de}.a{font-size:11px;fill:#6e7781}"
           ".l{font-size:11px;fill:#cf222e}.t{font-size:14px;fill:#57606a}"
           ".d{fill:none;stroke:#0969da;stroke-width:1.2}"
           ".limit{stroke:#cf222e;stroke-dasharray:5 4}</style>\n"
           "<rect width='%d' height='370' fill='#ffffff'/>\n",
           WIDTH, WIDTH);
    draw_axes();
    draw_disk();
    draw_judge(line, TOP + PLOT + 46);
    draw_judge(ours, TOP + PLOT + 92);
    printf("</svg>\n");
}

static void print_counts(const struct judge *j)
{
    (void)fprintf(stderr, "%-32s %3d pages, %3d right, %3d false\n", j->name,
                  j->page_count, j->right, j->page_count - j->right);
}

int main(void)
{
    static struct judge line = {.name = "predict_linear(disk[6h], 4h) > 90",
                                .color = "#cf222e",
                                .quiet = QUIET};
    static struct judge ours = {.name = "Forewarn, P(> 90 within 4h) >= 0.8",
                                .color = "#1a7f37",
                                .quiet = QUIET};
    struct fw_arena *arena = fw_arena_new((size_t)256 << 20);

    if (arena == NULL)
        return 3;
    make_disk();
    for (int i = WARM_UP; i < SAMPLES; i += ASK_EVERY) {
        if (disk[i] > LIMIT)
            continue; /* nobody needs a forecast of the present */
        judge_hears(&line, i, line_says_yes(i));
        judge_hears(&ours, i, forewarn_says_yes(i, arena));
    }
    draw(&line, &ours);
    print_counts(&line);
    print_counts(&ours);
    fw_arena_free(arena);
    return 0;
}
