/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/events.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/decimal.h"

/* ---- As people write them ------------------------------------------------ */

fw_rc fw_amount_parse(struct fw_str text, double *out, struct fw_err *err)
{
    static const char letters[] = "kMGTPE";
    struct fw_str rest = text;
    double v, factor = 1.0, base = 1000.0;
    size_t used;

    if (rest.n > 1 && *rest.p == '+' && rest.p[1] >= '0' && rest.p[1] <= '9') {
        rest.p++;
        rest.n--;
    }
    used = fw_decimal_parse(rest.p, rest.n, &v);
    if (used == 0 || !isfinite(v))
        goto bad;
    rest.p += used;
    rest.n -= used;
    while (rest.n > 0 && *rest.p == ' ') {
        rest.p++;
        rest.n--;
    }
    if (rest.n > 0 && *rest.p != 'B') {
        const char *at = strchr(letters, *rest.p == 'K' ? 'k' : *rest.p);

        if (at == NULL || *at == '\0')
            goto bad;
        if (rest.n > 1 && rest.p[1] == 'i')
            base = 1024.0;
        factor = pow(base, (double)(at - letters + 1));
        rest.p += base > 1000.0 ? 2 : 1;
        rest.n -= base > 1000.0 ? 2 : 1;
    }
    if (rest.n > 1 || (rest.n == 1 && *rest.p != 'B'))
        goto bad;
    *out = v * factor;
    return FW_OK;
bad:
    return fw_err_set(err, FW_EINVAL,
                      "'%.*s' is no amount; write a number with k, M, G, T or "
                      "Ki, Mi, Gi, Ti behind it if need be, as in -200GB",
                      FW_STR_ARG(text));
}

/* One piece of "a=1,b=2": its name and value; a value that is the last may
 * hold commas if `last` names it. */
static bool next_part(struct fw_str *rest, const char *last,
                      struct fw_str *name, struct fw_str *value)
{
    size_t at = 0, end;

    while (rest->n > 0 && (*rest->p == ' ' || *rest->p == ',')) {
        rest->p++;
        rest->n--;
    }
    if (rest->n == 0)
        return false;
    while (at < rest->n && rest->p[at] != '=' && rest->p[at] != ',')
        at++;
    *name = (struct fw_str){rest->p, at};
    if (at == rest->n || rest->p[at] == ',') {
        *value = FW_STR("");
    } else {
        at++;
        end = at;
        while (end < rest->n &&
               (rest->p[end] != ',' || fw_str_eq(*name, fw_str_of(last))))
            end++;
        *value = (struct fw_str){rest->p + at, end - at};
        at = end;
    }
    rest->p += at;
    rest->n -= at;
    return true;
}

static fw_rc check(const struct fw_event *e, struct fw_err *err)
{
    if (e->until != 0 && e->until <= e->at)
        return fw_err_set(err, FW_EINVAL, "it ends before it begins");
    if (e->every < 0 || (e->every > 0 && e->every < FW_MINUTE))
        return fw_err_set(err, FW_EINVAL, "'every' is at least a minute");
    if (e->every > 0 && e->until != 0 && e->until - e->at > e->every)
        return fw_err_set(err, FW_EINVAL,
                          "it lasts longer than until it comes again");
    return FW_OK;
}

struct fw_event_draft *fw_event_begin(struct fw_arena *arena)
{
    return fw_arena_calloc(arena, 1, sizeof(struct fw_event_draft));
}

fw_rc fw_event_take(struct fw_event_draft *d, struct fw_str name,
                    struct fw_str value, fw_ms now, struct fw_arena *arena,
                    struct fw_err *err)
{
    const char **text;

    if (fw_str_eq(name, FW_STR("at"))) {
        d->has_at = true;
        return fw_parse_time(value, now, &d->event.at, err);
    }
    if (fw_str_eq(name, FW_STR("until")))
        return fw_parse_time(value, now, &d->event.until, err);
    if (fw_str_eq(name, FW_STR("for")))
        return fw_parse_duration(value, &d->lasts, err);
    if (fw_str_eq(name, FW_STR("every")))
        return fw_parse_duration(value, &d->event.every, err);
    if (fw_str_eq(name, FW_STR("why"))) {
        text = &d->event.why;
    } else if (fw_str_eq(name, FW_STR("delta"))) {
        fw_rc rc = fw_amount_parse(value, &d->event.delta, err);

        if (rc != FW_OK)
            return rc;
        text = &d->event.amount;
        d->has_delta = true;
    } else {
        return fw_err_set(err, FW_EINVAL,
                          "an event has at, delta, for, until, every and why, "
                          "not '%.*s'",
                          FW_STR_ARG(name));
    }
    *text = fw_arena_strndup(arena, value.p, value.n);
    return *text != NULL ? FW_OK : fw_arena_err(arena, err);
}

fw_rc fw_event_end(const struct fw_event_draft *d, struct fw_event *out,
                   struct fw_err *err)
{
    struct fw_event e = d->event;
    fw_rc rc;

    e.why = e.why != NULL ? e.why : "";
    e.amount = e.amount != NULL ? e.amount : "";
    e.exclude = !d->has_delta;
    if (d->lasts > 0)
        e.until = e.at + d->lasts;
    if (!d->has_at || (e.exclude && e.until == 0))
        return fw_err_set(err, FW_EINVAL,
                          "an event needs at and delta, as in "
                          "'at=2026-11-27T10:00Z,delta=+200GB,why=migration', "
                          "or to be left out at and until");
    rc = check(&e, err);
    if (rc == FW_OK)
        *out = e;
    return rc;
}

fw_rc fw_event_parse(struct fw_str text, fw_ms now, struct fw_arena *arena,
                     struct fw_event *out, struct fw_err *err)
{
    struct fw_event_draft draft = {0};
    struct fw_str rest = text, name, value;
    fw_rc rc = FW_OK;

    while (rc == FW_OK && next_part(&rest, "why", &name, &value))
        rc = fw_event_take(&draft, name, value, now, arena, err);
    if (rc == FW_OK && !draft.has_delta)
        draft.has_at = false; /* what is left out is written otherwise */
    if (rc == FW_OK)
        rc = fw_event_end(&draft, out, err);
    return rc == FW_OK ? rc
                       : fw_err_prefix(err, "event '%.*s'", FW_STR_ARG(text));
}

fw_rc fw_exclude_parse(struct fw_str text, fw_ms now, struct fw_arena *arena,
                       struct fw_event *out, struct fw_err *err)
{
    struct fw_event_draft draft = {0};
    struct fw_str rest = text, from = text, to, name, value;
    const char *slash;
    fw_rc rc;

    for (from.n = 0; from.n < text.n && text.p[from.n] != ','; from.n++)
        continue;
    rest.p += from.n;
    rest.n -= from.n;
    slash = from.n > 0 ? memchr(from.p, '/', from.n) : NULL;
    if (slash == NULL) {
        rc = fw_err_set(err, FW_EINVAL,
                        "what to leave out is FROM/TO, as in "
                        "'2026-11-01T02:00Z/2026-11-01T04:00Z,every=7d'");
        goto out;
    }
    to = (struct fw_str){slash + 1, from.n - (size_t)(slash + 1 - from.p)};
    from.n = (size_t)(slash - from.p);
    rc = fw_event_take(&draft, FW_STR("at"), from, now, arena, err);
    if (rc == FW_OK)
        rc = fw_event_take(&draft, FW_STR("until"), to, now, arena, err);
    while (rc == FW_OK && next_part(&rest, "why", &name, &value))
        rc = fw_event_take(&draft, name, value, now, arena, err);
    if (rc == FW_OK && draft.has_delta)
        rc = fw_err_set(err, FW_EINVAL, "what is left out has no delta");
    if (rc == FW_OK)
        rc = fw_event_end(&draft, out, err);
out:
    return rc == FW_OK
               ? rc
               : fw_err_prefix(err, "left out '%.*s'", FW_STR_ARG(text));
}

/* ---- When ---------------------------------------------------------------- */

/* What the clocks show that tell when it comes again: those of the zone for
 * whole days, UTC for all else. */
static fw_ms shown(const struct events *e, const struct fw_event *event,
                   fw_ms t)
{
    bool days = event->every > 0 && event->every % FW_DAY == 0;

    return e->zone != NULL && days ? t + fw_zone_offset(e->zone, t) : t;
}

static fw_ms instant(const struct events *e, const struct fw_event *event,
                     fw_ms clock)
{
    bool days = event->every > 0 && event->every % FW_DAY == 0;

    return e->zone != NULL && days ? fw_zone_instant(e->zone, clock) : clock;
}

/* The moment of its next beginning (or end) after t; INT64_MAX: none. */
static fw_ms next_of(const struct events *e, const struct fw_event *event,
                     fw_ms first, fw_ms t)
{
    fw_ms clock, past, at;

    if (first > t)
        return first;
    if (event->every == 0)
        return INT64_MAX;
    clock = shown(e, event, first);
    past = shown(e, event, t) - clock;
    at = clock + (past / event->every + 1) * event->every;
    /* Clocks that were just put back would show it again. */
    while (instant(e, event, at) <= t)
        at += event->every;
    return instant(e, event, at);
}

size_t events_steps(const struct events *e, fw_ms from, fw_ms to,
                    struct events_step *out, size_t most)
{
    size_t n = 0;

    while (n < most) {
        fw_ms next = INT64_MAX;

        for (size_t i = 0; i < e->n; i++) {
            const struct fw_event *event = &e->all[i];
            fw_ms at =
                event->exclude ? INT64_MAX : next_of(e, event, event->at, from);

            next = at < next ? at : next;
            at = event->exclude || event->until == 0
                     ? INT64_MAX
                     : next_of(e, event, event->until, from);
            next = at < next ? at : next;
        }
        if (next > to)
            break;
        for (size_t i = 0; i < e->n && n < most; i++) {
            const struct fw_event *event = &e->all[i];

            if (event->exclude)
                continue;
            if (next_of(e, event, event->at, from) == next)
                out[n++] = (struct events_step){next, event->delta, event};
            if (n < most && event->until != 0 &&
                next_of(e, event, event->until, from) == next)
                out[n++] = (struct events_step){next, -event->delta, event};
        }
        from = next;
    }
    return n;
}

const struct fw_event *events_leaving_out(const struct events *e, fw_ms t)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct fw_event *event = &e->all[i];
        fw_ms past;

        if (!event->exclude || t < event->at)
            continue;
        past = shown(e, event, t) - shown(e, event, event->at);
        if (event->every > 0)
            past %= event->every;
        if (past >= 0 && past < event->until - event->at)
            return event;
    }
    return NULL;
}

bool fw_events_change(const struct fw_event *events, size_t n,
                      const struct fw_zone *zone, fw_ms from, fw_ms to)
{
    const struct events e = {events, n, zone};
    struct events_step step;

    return n > 0 && events_steps(&e, from, to, &step, 1) > 0;
}

const char *events_moment(const struct fw_zone *zone, fw_ms t,
                          char out[EVENTS_MOMENT_BYTES])
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun",
                                       "Mon", "Tue", "Wed"};
    fw_ms offset = zone != NULL ? fw_zone_offset(zone, t) : 0;
    fw_ms clock = t + offset, day = clock / FW_DAY - (clock % FW_DAY < 0);
    char iso[FW_TIME_TEXT_BYTES];
    long long minutes = llabs((long long)(offset / FW_MINUTE));

    (void)fw_format_time(iso, clock);
    if (zone == NULL)
        (void)snprintf(out, EVENTS_MOMENT_BYTES, "%s %.10s %.5s Z",
                       days[((day % 7) + 7) % 7], iso, iso + 11);
    else
        (void)snprintf(out, EVENTS_MOMENT_BYTES,
                       "%s %.10s %.5s %c%02lld:%02lld",
                       days[((day % 7) + 7) % 7], iso, iso + 11,
                       offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
    return out;
}
