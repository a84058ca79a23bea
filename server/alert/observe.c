/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/observe.h"

#include <math.h>

void observed_init(struct observed *o, fw_ms through)
{
    *o = (struct observed){.through = through, .value = NAN};
}

bool breach_holds(const struct fw_breach *breach, double v)
{
    if (isnan(v))
        return false;
    if (v == breach->limit)
        return breach->or_equal;
    return breach->side == FW_ABOVE ? v > breach->limit : v < breach->limit;
}

static void end_stay(struct observed *o)
{
    o->beyond_since = 0;
    o->counted = false;
}

bool observed_add(struct observed *o, const struct fw_breach *breach, fw_ms t,
                  double v, fw_ms step, fw_ms gap)
{
    if (t <= o->through)
        return false;
    o->through = t;
    if (isnan(v))
        return false;
    if (o->last_at == 0 || t - o->last_at > gap) {
        end_stay(o);
        o->watched_ms += step;
    } else {
        o->watched_ms += t - o->last_at;
    }
    o->last_at = t;
    o->value = v;
    if (!breach_holds(breach, v)) {
        o->been_inside = true;
        end_stay(o);
        return false;
    }
    if (o->beyond_since == 0)
        o->beyond_since = t;
    if (o->counted || t - o->beyond_since < breach->for_ms)
        return false;
    o->counted = true;
    o->breached_at = o->beyond_since;
    return true;
}

enum seen observed_seen(const struct observed *o, fw_ms now, fw_ms gap)
{
    if (o->last_at == 0 || now - o->last_at > gap)
        return SEEN_NOTHING;
    if (o->beyond_since == 0)
        return SEEN_INSIDE;
    return o->counted ? SEEN_BREACH : SEEN_BEYOND;
}
