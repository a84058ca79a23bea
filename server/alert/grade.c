/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * grade.c - was a prediction right, and what does that make of the record?
 *
 * Pure: the ledger stores what is decided here. The Brier score is the mean of
 * (probability - outcome)^2 [Brier 1950, Monthly Weather Review 78, 1].
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/ledger.h"

/* For half of the horizon or more there were no values. */
static bool unseen(const struct prediction *p, const struct observed *o)
{
    return o->watched_ms - p->watched_ms < p->horizon / 2;
}

void prediction_judge(const struct prediction *p, const struct observed *o,
                      fw_ms now, struct score *out)
{
    fw_ms due = p->made_at + p->horizon;
    bool breach = o->breached_at > p->made_at && o->breached_at <= due;
    /* A stay beyond that began in time may still prove long enough. */
    bool undecided =
        o->beyond_since != 0 && o->beyond_since <= due && !o->counted;

    *out = (struct score){.id = p->id, .scored_at = now, .brier = NAN};
    if (breach) {
        double miss = 1.0 - p->probability;

        out->outcome = OUTCOME_BREACH;
        out->breached_at = o->breached_at;
        out->brier = miss * miss;
        return;
    }
    if (o->through < due + p->breach.for_ms || undecided)
        return;
    if (unseen(p, o)) {
        out->outcome = OUTCOME_VOID;
        return;
    }
    out->outcome = OUTCOME_NONE;
    out->brier = p->probability * p->probability;
}

bool prediction_judge_value(const struct prediction *p,
                            const struct observed *o, const struct peaks *peaks,
                            fw_ms now, struct value_score *out)
{
    if (!extreme_is_told(p->extreme) || o->through < p->made_at + p->horizon)
        return false;
    *out = (struct value_score){
        .id = p->id, .scored_at = now, .reached = NAN, .loss = NAN};
    if (unseen(p, o))
        return true;
    out->reached = isnan(p->reached)
                       ? peaks_since(peaks, &p->breach, p->made_at, p->value)
                       : p->reached;
    out->loss = extreme_loss(p->extreme, out->reached);
    return true;
}

static void add_routine(struct totals *t, const struct prediction *p,
                        const struct score *score)
{
    int bin = (int)(p->probability * TOTALS_BINS);

    if (bin < 0)
        bin = 0;
    if (bin >= TOTALS_BINS)
        bin = TOTALS_BINS - 1;
    t->predictions++;
    t->brier_sum += score->brier;
    t->bins[bin].count++;
    t->bins[bin].sum += p->probability;
    if (score->outcome == OUTCOME_BREACH)
        t->bins[bin].breaches++;
}

void totals_add(struct totals *totals, const struct prediction *p,
                const struct score *score)
{
    if (score->outcome == OUTCOME_VOID) {
        totals->voided++;
        return;
    }
    if (p->kind == PREDICTION_ROUTINE) {
        add_routine(totals, p, score);
        return;
    }
    if (score->outcome == OUTCOME_NONE) {
        totals->false_alarms++;
        return;
    }
    totals->right++;
    totals->leads[totals->lead_count++ % TOTALS_LEADS] =
        score->breached_at - p->made_at;
}

void totals_add_value(struct totals *t, const struct prediction *p,
                      const struct value_score *score)
{
    double same[EXTREME_QUANTILES];

    if (isnan(score->loss) || !isfinite(p->value))
        return;
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        same[i] = p->value;
    t->valued++;
    t->loss_sum += score->loss;
    t->naive_sum += extreme_loss(same, score->reached);
    if (score->reached >= p->extreme[0] &&
        score->reached <= p->extreme[EXTREME_QUANTILES - 1])
        t->inside++;
}

double totals_coverage(const struct totals *t)
{
    return t->valued > 0 ? (double)t->inside / (double)t->valued : NAN;
}

double totals_loss(const struct totals *t)
{
    return t->valued > 0 ? t->loss_sum / (double)t->valued : NAN;
}

double totals_skill(const struct totals *t)
{
    return t->naive_sum > 0.0 ? 1.0 - t->loss_sum / t->naive_sum : NAN;
}

static int compare_ms(const void *a, const void *b)
{
    fw_ms x = *(const fw_ms *)a, y = *(const fw_ms *)b;

    return (x > y) - (x < y);
}

void totals_record(const struct totals *totals, struct fw_record *out)
{
    fw_ms leads[TOTALS_LEADS];
    size_t n = totals->lead_count < TOTALS_LEADS ? (size_t)totals->lead_count
                                                 : TOTALS_LEADS;

    *out = (struct fw_record){
        .predictions = totals->predictions,
        .right = totals->right,
        .false_alarms = totals->false_alarms,
        .missed = totals->missed,
        .brier = totals->predictions > 0
                     ? totals->brier_sum / (double)totals->predictions
                     : NAN,
        .median_lead = -1,
    };
    if (n == 0)
        return;
    memcpy(leads, totals->leads, n * sizeof(leads[0]));
    qsort(leads, n, sizeof(leads[0]), compare_ms);
    out->median_lead =
        n % 2 == 1 ? leads[n / 2]
                   : leads[n / 2 - 1] + (leads[n / 2] - leads[n / 2 - 1]) / 2;
}
