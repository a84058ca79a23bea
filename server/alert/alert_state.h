/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_state.h - the life of one alert, as a pure function of what is known.
 *
 *                P >= probability         again at the next look
 *     INACTIVE ------------------> PENDING ----------------------> FIRING
 *        ^  ^   P < probability      |                               |  |
 *        |  +------------------------+      P < recover, twice       |  |
 *        +-----------------------------------------------------------+  |
 *        |                                                breach seen   |
 *        +---- inside long enough, P < recover ---- BREACHED <----------+
 *
 * A breach that nobody announced goes to BREACHED from anywhere. "Cannot
 * tell" never starts an alert and holds a running one for a while. One look
 * alone never fires: a single odd value must not wake anybody.
 */
#ifndef SERVER_ALERT_ALERT_STATE_H
#define SERVER_ALERT_ALERT_STATE_H

#include "server/alert/observe.h"

enum alert_phase {
    ALERT_INACTIVE,
    ALERT_PENDING,
    ALERT_FIRING, /* predicted */
    ALERT_BREACHED
};

struct alert_policy {
    double probability;
    double recover;
    fw_ms lead;
    fw_ms settle; /* how long a value must be back inside; see policy_of() */
    fw_ms gone;   /* silence that ends an alert */
};

/* Durable. Zero is a new one. Times are epoch ms, 0 where there is none. */
struct alert {
    enum alert_phase phase;
    fw_ms since;    /* of this phase */
    fw_ms fired_at; /* when somebody was first told; 0 unless active */
    bool foretold;  /* it was FIRING before it was BREACHED */
    fw_ms told_at;  /* newest look that gave a probability */
    fw_ms inside_since;
    uint32_t calm;      /* looks in a row below `recover` */
    double probability; /* newest one told */
};

struct alert_input {
    fw_ms now;
    bool told; /* the forecast gave a probability */
    double probability;
    fw_ms p50; /* median time to breach; -1: beyond the horizon */
    enum seen seen;
};

enum alert_change {
    ALERT_SAME,
    ALERT_TO_PENDING,
    ALERT_TO_QUIET, /* pending, and then it was nothing */
    ALERT_TO_FIRING,
    ALERT_TO_BREACHED,
    ALERT_TO_FORETOLD, /* back inside, but a breach is still predicted */
    ALERT_TO_RESOLVED
};

enum alert_end { /* why an alert resolved */
                 ALERT_END_NONE,
                 ALERT_END_CALM,   /* the danger has passed */
                 ALERT_END_INSIDE, /* the value is back inside its limit */
                 ALERT_END_GONE,   /* no data, or no forecast, for too long */
                 ALERT_END_CHANGED /* its watch was changed or removed */
};

/* Takes one look. *why is set when the answer is ALERT_TO_RESOLVED. */
enum alert_change alert_look(struct alert *alert,
                             const struct alert_policy *policy,
                             const struct alert_input *in, enum alert_end *why);

/* "quiet", "pending", "firing", "breached". Static. */
const char *alert_phase_name(enum alert_phase phase);
/* "the danger has passed", ... Static. */
const char *alert_end_text(enum alert_end why);

/* When it began: when it was first told, or while nobody was, its phase. */
static inline fw_ms alert_active_at(const struct alert *alert)
{
    return alert->fired_at > 0 ? alert->fired_at : alert->since;
}

/* True while somebody has been told and not yet been told that it is over. */
static inline bool alert_is_active(const struct alert *alert)
{
    return alert->phase >= ALERT_FIRING;
}

#endif
