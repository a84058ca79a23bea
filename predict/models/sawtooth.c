/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/models/sawtooth.h"

#include <math.h>

#include "predict/models/model.h"
#include "predict/numeric.h"

#define DROP_SHARE 0.25 /* of the robust range: a fall and no jitter */
#define DROP_NOISE 8.0  /* times the usual step */
#define RECENT_PEAKS 8  /* what the next peak, floor and rate are taken from */
#define SPREAD 0.35     /* peaks scatter less than this part of the fall */

double sawtooth_drop(const double *y, size_t n)
{
    double sample[512], step[512];
    size_t m = 0, every = n / 512 + 1;

    for (size_t i = 1; i < n && m < 512; i += every, m++) {
        sample[m] = y[i];
        step[m] = fabs(y[i] - y[i - 1]);
    }
    if (m < 8)
        return INFINITY;
    numeric_sort(sample, m);
    return fmax(DROP_SHARE * (numeric_quantile(sample, m, 0.98) -
                              numeric_quantile(sample, m, 0.02)),
                DROP_NOISE * numeric_median(step, m));
}

void sawtooth_start(struct sawtooth *s)
{
    s->count = 0;
    s->kept = 0;
}

void sawtooth_add(struct sawtooth *s, const double *y, size_t t, double drop)
{
    size_t begin = s->kept > 0 ? s->at[s->kept - 1] : 0, top;
    double floor_before;

    if (t == 0 || t < begin + 2 || !(y[t - 1] - y[t] > drop))
        return;
    if (s->kept == SAWTOOTH_MAX) {
        for (size_t i = 1; i < SAWTOOTH_MAX; i++) {
            s->at[i - 1] = s->at[i];
            s->peak[i - 1] = s->peak[i];
            s->floor[i - 1] = s->floor[i];
            s->rate[i - 1] = s->rate[i];
        }
        s->kept--;
    }
    top = t - 1;
    floor_before = s->kept > 0 ? s->floor[s->kept - 1] : y[begin];
    s->at[s->kept] = t;
    s->peak[s->kept] = y[top];
    s->floor[s->kept] = y[t];
    s->rate[s->kept] =
        (y[top] - floor_before) / (double)(top > begin ? top - begin : 1);
    s->kept++;
    s->count++;
}

static void recent(const struct sawtooth *s, const double *of, double *out,
                   double *spread)
{
    double v[RECENT_PEAKS];
    size_t n = s->kept < RECENT_PEAKS ? s->kept : RECENT_PEAKS;

    for (size_t i = 0; i < n; i++)
        v[i] = of[s->kept - n + i];
    numeric_sort(v, n);
    *out = numeric_quantile(v, n, 0.5);
    if (spread != NULL)
        *spread = v[n - 1] - v[0];
}

bool sawtooth_holds(const struct sawtooth *s, size_t o)
{
    double peak, floor_at, spread, cycle;

    if (s->kept < SAWTOOTH_LEAST)
        return false;
    recent(s, s->peak, &peak, &spread);
    recent(s, s->floor, &floor_at, NULL);
    cycle = (double)(s->at[s->kept - 1] - s->at[0]) / (double)(s->kept - 1);
    /* Still going on: the last fall is not three cycles past. */
    return peak > floor_at && spread < SPREAD * (peak - floor_at) * 2.0 &&
           (double)(o - s->at[s->kept - 1]) < 3.0 * cycle;
}

/* How much a peak is higher than the one before, by the median: a rotation
 * whose files grow. */
static double growth(const struct sawtooth *s)
{
    double d[RECENT_PEAKS];
    size_t n = s->kept - 1 < RECENT_PEAKS ? s->kept - 1 : RECENT_PEAKS;

    for (size_t i = 0; i < n; i++)
        d[i] = s->peak[s->kept - n + i] - s->peak[s->kept - n + i - 1];
    return n > 0 ? numeric_median(d, n) : 0.0;
}

void sawtooth_path(const struct sawtooth *s, const double *y, size_t o,
                   size_t h, double *out)
{
    size_t begin = s->at[s->kept - 1];
    double peak, floor_at, rate, more = growth(s), v = y[o - 1], cycle;
    size_t since = o - begin;

    recent(s, s->peak, &peak, NULL);
    recent(s, s->floor, &floor_at, NULL);
    recent(s, s->rate, &rate, NULL);
    peak += more;
    cycle = (double)(begin - s->at[0]) / (double)(s->kept - 1);
    if (since >= 4 && (double)since > 0.3 * cycle)
        rate = 0.5 * rate + 0.5 * (v - s->floor[s->kept - 1]) / (double)since;
    for (size_t k = 0; k < h; k++) {
        v += rate;
        if (v > peak && rate > 0.0) {
            v = floor_at;
            peak += more;
        }
        out[k] = v;
    }
}

static fw_rc forecast(const struct model_input *in, double *out)
{
    struct sawtooth s;
    double drop = sawtooth_drop(in->y, in->origins[0]);
    size_t next = 0;
    bool any = false;

    sawtooth_start(&s);
    for (size_t t = 0; t <= in->n; t++) {
        while (next < in->count && in->origins[next] == t) {
            double *row = out + next++ * in->h;

            if (sawtooth_holds(&s, t)) {
                sawtooth_path(&s, in->y, t, in->h, row);
                any = true;
            } else {
                model_row(row, in->h, NAN);
            }
        }
        if (t < in->n)
            sawtooth_add(&s, in->y, t, drop);
    }
    return any ? FW_OK : FW_NONE;
}

const struct model model_sawtooth = {
    "sawtooth", forecast,
    "it climbs and falls back at the height where earlier climbs ended"};
