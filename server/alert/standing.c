/* SPDX-License-Identifier: GPL-3.0-or-later */
/* standing.c - what a watch has earned, as pure functions. */
#include "server/alert/standing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/hindsight.h"

static const char *const state_names[] = {"trial", "paging", "shadow"};

const char *standing_name(enum standing_state state)
{
    return state_names[state];
}

fw_rc standing_parse(struct fw_str text, enum standing_state *out,
                     struct fw_err *err)
{
    for (int i = 0; i < 3; i++)
        if (fw_str_eq(text, fw_str_of(state_names[i]))) {
            *out = (enum standing_state)i;
            return FW_OK;
        }
    return fw_err_set(err, FW_EINVAL,
                      "a watch is trial, paging or shadow, not '%.*s'",
                      FW_STR_ARG(text));
}

void standing_event(struct standing *s, bool right)
{
    s->events++;
    s->outcomes =
        (s->outcomes << 1 | (right ? 1u : 0u)) & ((1u << STANDING_EVENTS) - 1);
}

void standing_newest(const struct standing *s, unsigned *count, unsigned *right)
{
    uint32_t bits = s->outcomes;

    *count =
        s->events < STANDING_EVENTS ? (unsigned)s->events : STANDING_EVENTS;
    *right = 0;
    for (unsigned i = 0; i < *count; i++, bits >>= 1)
        *right += bits & 1;
}

static enum standing_state
by_record(const struct standing *s, const struct config_watch *watch, char *why)
{
    unsigned count, right;
    bool enough;

    standing_newest(s, &count, &right);
    if (count < STANDING_LEAST) {
        (void)snprintf(why, STANDING_WHY_BYTES,
                       "%u of its alerts %s been judged, %d are the least",
                       count, count == 1 ? "has" : "have", STANDING_LEAST);
        return STANDING_TRIAL;
    }
    enough = (double)right >= watch->minimum_precision * (double)count;
    (void)snprintf(why, STANDING_WHY_BYTES,
                   "%u of its newest %u alerts were right, %s the %g %% it "
                   "needs",
                   right, count, enough ? "no less than" : "less than",
                   100 * watch->minimum_precision);
    return enough ? STANDING_PAGING : STANDING_SHADOW;
}

enum standing_state standing_earned(const struct standing *s,
                                    const struct standing_override *override,
                                    const struct config_watch *watch, fw_ms now,
                                    char why[STANDING_WHY_BYTES])
{
    if (override != NULL && now < override->until) {
        char until[FW_TIME_TEXT_BYTES];

        (void)fw_format_second(until, override->until);
        (void)snprintf(why, STANDING_WHY_BYTES, "%s says so until %s: %s",
                       override->actor, until, override->reason);
        return override->state;
    }
    if (watch->shadow) {
        (void)snprintf(why, STANDING_WHY_BYTES,
                       "its configuration asks for shadow");
        return STANDING_SHADOW;
    }
    return by_record(s, watch, why);
}

fw_rc standing_take_past(struct standing *s, const struct hindsight *past,
                         const struct config_watch *watch, fw_ms from,
                         fw_ms now, struct fw_err *err)
{
    struct standing taken = *s;
    struct hindsight_claim *claims;
    struct hindsight_verdict v;
    size_t count;
    uint32_t lived = s->outcomes;
    unsigned lived_count =
        s->events < STANDING_EVENTS ? (unsigned)s->events : STANDING_EVENTS;
    fw_rc rc =
        hindsight_judge(past, watch->probability, &v, NULL, 0, &count, err);

    if (rc != FW_OK)
        return rc;
    claims = calloc(count + 1, sizeof(*claims));
    if (claims == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = hindsight_judge(past, watch->probability, &v, claims, count, &count,
                         err);
    taken.outcomes = 0;
    for (size_t i = 0; rc == FW_OK && i < count; i++)
        if (claims[i].outcome == OUTCOME_BREACH ||
            claims[i].outcome == OUTCOME_NONE)
            standing_event(&taken, claims[i].outcome == OUTCOME_BREACH);
    /* What happened in life came after, oldest first. */
    taken.events -= lived_count;
    for (unsigned i = lived_count; i > 0; i--)
        standing_event(&taken, (lived >> (i - 1) & 1) != 0);
    taken.tested_at = now;
    taken.tested_from = from;
    taken.tested_right = v.right;
    taken.tested_false = v.false_alarms;
    taken.tested_missed = v.missed;
    free(claims);
    if (rc == FW_OK)
        *s = taken;
    return rc;
}

static bool begins(enum standing_state state, struct watched_state *series,
                   fw_ms now, fw_ms horizon)
{
    bool lately = series->told_at != 0 && series->told_at <= now &&
                  now - series->told_at < horizon;

    if (state == STANDING_SHADOW || (state == STANDING_TRIAL && lately))
        return false;
    series->told = state == STANDING_TRIAL ? TOLD_UNPROVEN : TOLD;
    series->told_at = now;
    return true;
}

bool standing_tells(enum standing_state state, struct watched_state *series,
                    enum alert_change change, fw_ms now, fw_ms horizon)
{
    bool was_told = series->told != TOLD_NOBODY;

    switch (change) {
    case ALERT_SAME:
    case ALERT_TO_PENDING:
    case ALERT_TO_QUIET:
        return false;
    case ALERT_TO_FIRING:
    case ALERT_TO_BREACHED:
        return was_told || begins(state, series, now, horizon);
    case ALERT_TO_FORETOLD:
    case ALERT_TO_RESOLVED:
        return was_told;
    }
    return false;
}

bool standing_shows(enum standing_state state,
                    const struct watched_state *series)
{
    return series->alert.phase != ALERT_INACTIVE &&
           (state != STANDING_SHADOW || series->told != TOLD_NOBODY);
}
