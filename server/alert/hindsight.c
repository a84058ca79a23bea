/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/hindsight.h"

#include <math.h>
#include <stdlib.h>

#include "server/alert/look.h"
#include "storage/base/limits.h"

#define LOOKS_PER_HORIZON 24
#define MOST_LOOKS 2000
#define MONTH (30 * FW_DAY)

/* What one look knew of one series. */
struct glimpse {
    fw_ms at;
    fw_ms watched_ms; /* of the series, in all, by then */
    fw_ms p50;
    float probability; /* if told */
    uint8_t told;
    uint8_t seen; /* enum seen */
};

/* A breach, and the glimpse during which it was noticed. */
struct happened {
    fw_ms at;
    size_t glimpse;
};

struct past {
    const struct watched *series;
    struct glimpse *looks;     /* owned */
    struct happened *breaches; /* owned; those that could be foretold */
    size_t look_count, look_cap, breach_count, breach_cap;
    fw_ms newest_breach;
};

struct hindsight {
    struct hindsight_options o;
    struct watching watching;
    struct past *pasts; /* owned; one for each series of `watching` */
    size_t past_count, past_cap;
    fw_ms next;
    size_t made, all;
};

fw_ms hindsight_step_of(const struct config_watch *watch, fw_ms from, fw_ms to)
{
    fw_ms step = watch->horizon / LOOKS_PER_HORIZON;

    if (step < watch->interval)
        step = watch->interval;
    if (to > from && (to - from) / step > MOST_LOOKS)
        step = (to - from) / MOST_LOOKS;
    return step > 0 ? step : 1;
}

fw_ms hindsight_span(const struct config_watch *watch, fw_ms most)
{
    fw_ms step = hindsight_step_of(watch, 0, 0);

    return most / step > MOST_LOOKS ? MOST_LOOKS * step : most;
}

fw_rc hindsight_new(const struct hindsight_options *options,
                    struct hindsight **out, struct fw_err *err)
{
    struct hindsight *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    r->o = *options;
    if (r->o.step <= 0)
        r->o.step = hindsight_step_of(r->o.watch, r->o.from, r->o.to);
    if (r->o.max_series == 0)
        r->o.max_series = FW_MAX_FORECAST_SERIES;
    watching_init(&r->watching, r->o.watch);
    r->watching.replay = true;
    /* Looks at round times, so that two runs of a day see the same. */
    r->o.from += r->o.step - 1;
    r->o.from -= ((r->o.from % r->o.step) + r->o.step) % r->o.step;
    r->next = r->o.from;
    if (r->o.to >= r->o.from)
        r->all = (size_t)((r->o.to - r->o.from) / r->o.step) + 1;
    *out = r;
    return FW_OK;
}

void hindsight_free(struct hindsight *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->past_count; i++) {
        free(r->pasts[i].looks);
        free(r->pasts[i].breaches);
    }
    free(r->pasts);
    watching_release(&r->watching);
    free(r);
}

void hindsight_progress(const struct hindsight *r, size_t *made, size_t *all)
{
    *made = r->made;
    *all = r->all;
}

/* ---- looking
 * -------------------------------------------------------------------------- */

/* What would be told is worked out later, at any threshold. */
static void ignore_change(void *self, struct watched *s,
                          const struct alert_note *note, struct fw_arena *arena)
{
    (void)self;
    (void)s;
    (void)note;
    (void)arena;
}

static fw_rc keep_glimpse(struct hindsight *r, struct past *p, fw_ms now)
{
    const struct watched_state *s = &p->series->state;
    const struct observed *o = &s->observed;
    fw_rc rc = fw_grow(&p->looks, &p->look_cap, p->look_count + 1,
                       sizeof(*p->looks), SIZE_MAX);

    if (rc != FW_OK)
        return rc;
    if (o->breached_at != p->newest_breach) {
        p->newest_breach = o->breached_at;
        /* As in life: what was beyond at the first look nobody can foretell. */
        if (p->look_count > 0 && o->been_inside) {
            rc = fw_grow(&p->breaches, &p->breach_cap, p->breach_count + 1,
                         sizeof(*p->breaches), SIZE_MAX);
            if (rc != FW_OK)
                return rc;
            p->breaches[p->breach_count++] =
                (struct happened){o->breached_at, p->look_count};
        }
    }
    p->looks[p->look_count++] = (struct glimpse){
        .at = now,
        .watched_ms = o->watched_ms,
        .p50 = s->outlook.p50,
        .probability = (float)s->outlook.probability,
        .told = s->outlook.at == now && s->outlook.told,
        .seen = (uint8_t)observed_seen(
            o, now,
            watched_gap(p->series, watching_gap(r->o.watch, FW_SECOND))),
    };
    return FW_OK;
}

static fw_rc keep_all(struct hindsight *r, fw_ms now, struct fw_err *err)
{
    fw_rc rc = fw_grow(&r->pasts, &r->past_cap, r->watching.count,
                       sizeof(*r->pasts), SIZE_MAX);

    while (rc == FW_OK && r->past_count < r->watching.count) {
        r->pasts[r->past_count] =
            (struct past){.series = r->watching.series[r->past_count]};
        r->past_count++;
    }
    for (size_t i = 0; rc == FW_OK && i < r->past_count; i++)
        rc = keep_glimpse(r, &r->pasts[i], now);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    return FW_OK;
}

fw_rc hindsight_look(struct hindsight *r, struct fw_err *err)
{
    fw_ms now = r->next;
    fw_rc rc;

    if (now > r->o.to)
        return FW_END;
    rc = look_at(&r->watching, &r->o.sight, now, ignore_change, NULL, err);
    if (rc != FW_OK)
        return rc;
    if (r->watching.count > r->o.max_series)
        return fw_err_set(err, FW_ETOOBIG,
                          "'%s' has %zu series; %zu are the most that are "
                          "replayed",
                          r->o.watch->name, r->watching.count, r->o.max_series);
    r->next = now + r->o.step;
    r->made++;
    return keep_all(r, now, err);
}

/* ---- judging
 * -------------------------------------------------------------------------- */

struct judging {
    const struct hindsight *r;
    struct alert_policy policy;
    struct hindsight_verdict *out;
    struct hindsight_claim *claims; /* owned, all of them */
    size_t count, cap;
};

/* The first breach after `after`, or NULL. */
static const struct happened *next_breach(const struct past *p, fw_ms after)
{
    for (size_t i = 0; i < p->breach_count; i++)
        if (p->breaches[i].at > after)
            return &p->breaches[i];
    return NULL;
}

/* How long the series had values between a look and the horizon after it. */
static fw_ms watched_within(const struct past *p, size_t look, fw_ms horizon)
{
    fw_ms due = p->looks[look].at + horizon;
    fw_ms until = p->looks[look].watched_ms;

    for (size_t i = look; i < p->look_count && p->looks[i].at <= due; i++)
        until = p->looks[i].watched_ms;
    return until - p->looks[look].watched_ms;
}

/* As prediction_judge(), with all of the past known. */
static enum outcome outcome_of(const struct hindsight *r, const struct past *p,
                               size_t look, fw_ms *breached_at)
{
    fw_ms made_at = p->looks[look].at, horizon = r->o.watch->horizon;
    const struct happened *breach = next_breach(p, made_at);

    *breached_at = 0;
    if (breach != NULL && breach->at <= made_at + horizon) {
        *breached_at = breach->at;
        return OUTCOME_BREACH;
    }
    if (made_at + horizon + r->o.watch->breach.for_ms > r->o.to)
        return OUTCOME_OPEN;
    return watched_within(p, look, horizon) < horizon / 2 ? OUTCOME_VOID
                                                          : OUTCOME_NONE;
}

static fw_rc add_claim(struct judging *j, const struct past *p, size_t look)
{
    const struct glimpse *g = &p->looks[look];
    struct hindsight_claim claim = {.labels = &p->series->labels,
                                    .made_at = g->at,
                                    .probability = (double)g->probability,
                                    .p50 = g->p50};
    fw_rc rc = fw_grow(&j->claims, &j->cap, j->count + 1, sizeof(*j->claims),
                       SIZE_MAX);

    if (rc != FW_OK)
        return rc;
    claim.outcome = outcome_of(j->r, p, look, &claim.breached_at);
    switch (claim.outcome) {
    case OUTCOME_BREACH:
        j->out->right++;
        break;
    case OUTCOME_NONE:
        j->out->false_alarms++;
        break;
    case OUTCOME_VOID:
        j->out->voided++;
        break;
    case OUTCOME_OPEN:
        j->out->open++;
        break;
    }
    j->claims[j->count++] = claim;
    return FW_OK;
}

static fw_rc judge_series(struct judging *j, const struct past *p)
{
    struct alert alert = {0};
    size_t breach = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < p->look_count; i++) {
        const struct glimpse *g = &p->looks[i];
        struct alert_input in = {.now = g->at,
                                 .told = g->told != 0,
                                 .probability = (double)g->probability,
                                 .p50 = g->p50,
                                 .seen = (enum seen)g->seen};
        enum alert_end why;

        for (; breach < p->breach_count && p->breaches[breach].glimpse == i;
             breach++)
            if (!alert_is_active(&alert))
                j->out->missed++;
        if (alert_look(&alert, &j->policy, &in, &why) == ALERT_TO_FIRING)
            rc = add_claim(j, p, i);
    }
    return rc;
}

static int compare_claims(const void *a, const void *b)
{
    const struct hindsight_claim *x = a, *y = b;

    return (x->made_at > y->made_at) - (x->made_at < y->made_at);
}

static int compare_ms(const void *a, const void *b)
{
    fw_ms x = *(const fw_ms *)a, y = *(const fw_ms *)b;

    return (x > y) - (x < y);
}

static fw_rc median_lead(struct judging *j)
{
    fw_ms *leads = calloc(j->count + 1, sizeof(*leads));
    size_t n = 0;

    if (leads == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < j->count; i++)
        if (j->claims[i].outcome == OUTCOME_BREACH)
            leads[n++] = j->claims[i].breached_at - j->claims[i].made_at;
    qsort(leads, n, sizeof(*leads), compare_ms);
    j->out->median_lead = n == 0 ? -1 : (leads[(n - 1) / 2] + leads[n / 2]) / 2;
    free(leads);
    return FW_OK;
}

fw_rc hindsight_judge(const struct hindsight *r, double probability,
                      struct hindsight_verdict *out,
                      struct hindsight_claim *claims, size_t most,
                      size_t *count, struct fw_err *err)
{
    struct judging j = {.r = r, .policy = r->watching.policy, .out = out};
    fw_ms span = r->o.to - r->o.from;
    fw_rc rc = FW_OK;

    *out = (struct hindsight_verdict){.probability = probability};
    j.policy.recover -= j.policy.probability - probability;
    j.policy.probability = probability;
    if (j.policy.recover < 0)
        j.policy.recover = 0;
    for (size_t i = 0; rc == FW_OK && i < r->past_count; i++)
        rc = judge_series(&j, &r->pasts[i]);
    if (rc == FW_OK)
        rc = median_lead(&j);
    if (rc == FW_OK) {
        if (j.count > 0)
            qsort(j.claims, j.count, sizeof(*j.claims), compare_claims);
        out->per_week =
            span > 0 ? (double)j.count * (7 * FW_DAY) / (double)span : 0;
        for (size_t i = 0; claims != NULL && i < j.count && i < most; i++)
            claims[i] = j.claims[i];
        *count = j.count;
    } else {
        rc = fw_err_set(err, rc, "out of memory");
    }
    free(j.claims);
    return rc;
}

fw_rc hindsight_choose(const struct hindsight *r, double most,
                       struct hindsight_verdict *out, struct fw_err *err)
{
    double months = (double)(r->o.to - r->o.from) / (double)MONTH;

    for (int hundredths = 50; hundredths < 100; hundredths++) {
        size_t count;
        fw_rc rc =
            hindsight_judge(r, hundredths / 100.0, out, NULL, 0, &count, err);

        if (rc != FW_OK)
            return rc;
        if ((double)out->false_alarms <= most * months)
            return FW_OK;
    }
    return FW_NONE;
}

/* ---- believing
 * ------------------------------------------------------------------------ */

static void believe_one(const struct hindsight *r, const struct past *p,
                        size_t look, struct hindsight_belief *out)
{
    const struct glimpse *g = &p->looks[look];
    double miss, q = (double)g->probability;
    int bin = (int)(q * TOTALS_BINS);
    fw_ms breached_at;
    enum outcome outcome = outcome_of(r, p, look, &breached_at);

    if (outcome != OUTCOME_BREACH && outcome != OUTCOME_NONE)
        return;
    if (bin >= TOTALS_BINS)
        bin = TOTALS_BINS - 1;
    miss = q - (outcome == OUTCOME_BREACH ? 1 : 0);
    out->predictions++;
    out->brier += miss * miss;
    out->bins[bin].count++;
    out->bins[bin].sum += q;
    if (outcome == OUTCOME_BREACH) {
        out->base_rate += 1;
        out->bins[bin].breaches++;
    }
}

void hindsight_believe(const struct hindsight *r, struct hindsight_belief *out)
{
    fw_ms every = r->o.watch->horizon / LOOKS_PER_HORIZON;

    *out = (struct hindsight_belief){0};
    for (size_t i = 0; i < r->past_count; i++) {
        const struct past *p = &r->pasts[i];
        fw_ms next = INT64_MIN;

        for (size_t k = 0; k < p->look_count; k++) {
            if (!p->looks[k].told || p->looks[k].seen != SEEN_INSIDE ||
                p->looks[k].at < next)
                continue;
            next = p->looks[k].at + every;
            believe_one(r, p, k, out);
        }
    }
    if (out->predictions == 0) {
        out->brier = out->base_rate = NAN;
        return;
    }
    out->brier /= (double)out->predictions;
    out->base_rate /= (double)out->predictions;
}

void hindsight_seen(const struct hindsight *r, size_t *series, fw_ms *watched)
{
    *series = r->past_count;
    *watched = 0;
    for (size_t i = 0; i < r->past_count; i++)
        *watched += r->pasts[i].series->state.observed.watched_ms;
}
