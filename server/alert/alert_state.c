/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/alert_state.h"

#define CALM_LOOKS 2 /* below `recover` so often in a row before it clears */

const char *alert_phase_name(enum alert_phase phase)
{
    static const char *const names[] = {"quiet", "pending", "firing",
                                        "breached"};

    return names[phase];
}

const char *alert_end_text(enum alert_end why)
{
    static const char *const texts[] = {
        "",
        "the danger has passed",
        "the value is back inside its limit",
        "there is no forecast any more",
        "its watch was changed or removed",
    };

    return texts[why];
}

static void enter(struct alert *a, enum alert_phase phase, fw_ms now)
{
    a->phase = phase;
    a->since = now;
    a->calm = 0;
    a->inside_since = 0;
    if (phase < ALERT_FIRING) {
        a->fired_at = 0;
        a->foretold = false;
    } else if (a->fired_at == 0) {
        a->fired_at = now;
    }
}

static enum alert_change resolve(struct alert *a, fw_ms now,
                                 enum alert_end reason, enum alert_end *why)
{
    enter(a, ALERT_INACTIVE, now);
    *why = reason;
    return ALERT_TO_RESOLVED;
}

static bool likely(const struct alert_policy *p, const struct alert_input *in)
{
    return in->told && in->probability >= p->probability;
}

/* Near enough that telling it ahead would only be noise before the breach. */
static bool too_near(const struct alert_policy *p, const struct alert_input *in)
{
    return in->p50 >= 0 && in->p50 < p->lead;
}

static enum alert_change look_pending(struct alert *a,
                                      const struct alert_policy *p,
                                      const struct alert_input *in)
{
    if (!likely(p, in)) {
        /* The value may have crossed before `for` has run: wait for it. */
        if (in->seen == SEEN_BEYOND)
            return ALERT_SAME;
        enter(a, ALERT_INACTIVE, in->now);
        return ALERT_TO_QUIET;
    }
    if (in->now <= a->since || too_near(p, in))
        return ALERT_SAME;
    enter(a, ALERT_FIRING, in->now);
    a->foretold = true;
    return ALERT_TO_FIRING;
}

static enum alert_change look_firing(struct alert *a,
                                     const struct alert_policy *p,
                                     const struct alert_input *in,
                                     enum alert_end *why)
{
    if (in->told && in->probability < p->recover && in->seen == SEEN_INSIDE) {
        if (++a->calm >= CALM_LOOKS)
            return resolve(a, in->now, ALERT_END_CALM, why);
        return ALERT_SAME;
    }
    if (in->told)
        a->calm = 0;
    if (!in->told && in->seen != SEEN_BEYOND &&
        in->now - (a->told_at > a->since ? a->told_at : a->since) > p->gone)
        return resolve(a, in->now, ALERT_END_GONE, why);
    return ALERT_SAME;
}

static enum alert_change look_breached(struct alert *a,
                                       const struct alert_policy *p,
                                       const struct alert_input *in,
                                       enum alert_end *why)
{
    if (in->seen == SEEN_BREACH || in->seen == SEEN_BEYOND) {
        a->inside_since = 0;
        return ALERT_SAME;
    }
    if (a->inside_since == 0)
        a->inside_since = in->now;
    if (in->seen == SEEN_NOTHING) {
        if (in->now - a->inside_since > p->gone)
            return resolve(a, in->now, ALERT_END_GONE, why);
        return ALERT_SAME;
    }
    if (in->now - a->inside_since < p->settle)
        return ALERT_SAME;
    if (in->told && in->probability >= p->recover) {
        enter(a, ALERT_FIRING, in->now);
        return ALERT_TO_FORETOLD;
    }
    return resolve(a, in->now, ALERT_END_INSIDE, why);
}

enum alert_change alert_look(struct alert *a, const struct alert_policy *p,
                             const struct alert_input *in, enum alert_end *why)
{
    *why = ALERT_END_NONE;
    if (in->told) {
        a->told_at = in->now;
        a->probability = in->probability;
    }
    if (in->seen == SEEN_BREACH && a->phase != ALERT_BREACHED) {
        bool foretold = a->phase == ALERT_FIRING;

        enter(a, ALERT_BREACHED, in->now);
        a->foretold = foretold;
        return ALERT_TO_BREACHED;
    }
    switch (a->phase) {
    case ALERT_PENDING:
        return look_pending(a, p, in);
    case ALERT_FIRING:
        return look_firing(a, p, in, why);
    case ALERT_BREACHED:
        return look_breached(a, p, in, why);
    case ALERT_INACTIVE:
        break;
    }
    if (!likely(p, in))
        return ALERT_SAME;
    enter(a, ALERT_PENDING, in->now);
    return ALERT_TO_PENDING;
}
