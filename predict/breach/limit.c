/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/limit.h"

#include <math.h>
#include <string.h>

#define LIMIT_MOST 1e12 /* scaled; farther away says nothing more */

bool limit_beyond(const struct fw_breach *b, double v)
{
    if (b->side == FW_ABOVE)
        return v > b->limit || (b->or_equal && v >= b->limit);
    return v < b->limit || (b->or_equal && v <= b->limit);
}

enum samples_aggregate limit_aggregate(const struct fw_breach *b)
{
    /* To have stayed beyond the limit, the mildest value of a cell counts. */
    bool high = (b->side == FW_ABOVE) == (b->for_ms == 0);

    return high ? SAMPLES_MAX : SAMPLES_MIN;
}

/* Smallest of the d values up to each, by blocks of d from both ends [van Herk
 * 1992]: the same cost for any d. */
void limit_hold(double *y, double *raw, size_t n, size_t d, double *work)
{
    if (d < 2 || n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        work[i] = i % d == 0 ? y[i] : fmin(work[i - 1], y[i]);
    /* y becomes the smallest from i to the end of its block. */
    for (size_t i = n - 1; i-- > 0;)
        if ((i + 1) % d != 0)
            y[i] = fmin(y[i], y[i + 1]);
    for (size_t i = n; i-- > 0;) {
        y[i] = i + 1 < d ? work[i] : fmin(work[i], y[i + 1 - d]);
        if (!isnan(raw[i]))
            raw[i] = y[i];
    }
}

double limit_scaled(const struct fw_breach *b, double limit, double shift,
                    double scale)
{
    if (b->or_equal)
        limit = nextafter(limit, b->side == FW_ABOVE ? -INFINITY : INFINITY);
    limit = (limit - shift) / scale;
    limit = b->side == FW_ABOVE ? limit : -limit;
    return fmin(fmax(limit, -LIMIT_MOST), LIMIT_MOST);
}

struct season limit_season(fw_ms step, const struct season *found)
{
    struct season s = {0};

    if (FW_DAY % step != 0 || step >= FW_DAY / 3)
        return *found;
    s.length = (size_t)(FW_DAY / step);
    s.longer = 7 * s.length;
    return s;
}
