/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/season.h"

#include <math.h>
#include <stdlib.h>

#include "predict/numeric.h"

#define LOOK_BACK 8192      /* newest values the autocorrelation is taken of */
#define CALENDAR_LEAST 0.10 /* autocorrelation that makes a day a season */
#define FOUND_LEAST 0.30    /* and one that nobody named */

static const fw_ms calendar[] = {FW_HOUR, FW_DAY, 7 * FW_DAY, 364 * FW_DAY};

/* The line from the mean of the first third to that of the last is taken off:
 * a trend correlates with itself at every lag and would hide the peaks. */
static void detrend(const double *y, size_t n, double *out)
{
    size_t third = n / 3;
    double head = 0.0, tail = 0.0, slope;

    for (size_t i = 0; i < third; i++) {
        head += y[i] / (double)third;
        tail += y[n - 1 - i] / (double)third;
    }
    slope = (tail - head) / (double)(n - third);
    for (size_t i = 0; i < n; i++)
        out[i] = y[i] - slope * (double)i;
}

/* A season stands out: its lag correlates better than those half a period
 * before and after, which a mere slow wander would not bring about. */
static bool stands_out(const double *acf, size_t lags, size_t s, double least)
{
    size_t half = s / 2;

    if (s < 2 || s + half >= lags || acf[s] < least)
        return false;
    return acf[s] > acf[half] + 0.5 * least &&
           acf[s] > acf[s + half] + 0.25 * least;
}

/* The strongest local peak that stands out, or 0. */
static size_t strongest_peak(const double *acf, size_t lags)
{
    size_t best = 0;

    for (size_t s = 3; s + s / 2 + 1 < lags; s++)
        if (acf[s] > acf[s - 1] && acf[s] >= acf[s + 1] &&
            stands_out(acf, lags, s, FOUND_LEAST) &&
            (best == 0 || acf[s] > acf[best] + 0.05))
            best = s;
    return best;
}

fw_rc season_find(const double *y, size_t n, fw_ms step, double hint,
                  struct season *out)
{
    struct season found = {0};
    double *work = NULL, *acf;
    size_t most, lags, m;
    fw_rc rc;

    *out = found;
    m = n > LOOK_BACK ? LOOK_BACK : n;
    most = m / SEASON_SEEN;
    lags = m > 1 ? m / 2 : 0;
    if (most < 2)
        return FW_OK;
    work = calloc(m + lags + 1, sizeof(*work));
    if (work == NULL)
        return FW_ENOMEM;
    acf = work + m;
    detrend(y + (n - m), m, work);
    rc = numeric_autocorrelation(work, m, acf, lags);
    if (rc != FW_OK)
        goto out;
    if (hint >= 2.0 && hint <= (double)most)
        found.length = (size_t)(hint + 0.5);
    for (size_t i = 0; i < sizeof(calendar) / sizeof(*calendar); i++) {
        size_t s = (size_t)(calendar[i] / step);

        if (calendar[i] % step != 0 || s < 2 || s > most)
            continue;
        if (found.length == 0 && stands_out(acf, lags, s, CALENDAR_LEAST))
            found.length = s;
        else if (found.length != 0 && s > found.length &&
                 s % found.length == 0 && acf[s] > CALENDAR_LEAST)
            found.longer = s;
    }
    if (found.length == 0)
        found.length = strongest_peak(acf, lags);
    found.strength = found.length > 0 ? acf[found.length] : 0.0;
    *out = found;
out:
    free(work);
    return rc;
}
