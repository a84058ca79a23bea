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
    if (o->watched_ms - p->watched_ms < p->horizon / 2) {
        out->outcome = OUTCOME_VOID;
        return;
    }
    out->outcome = OUTCOME_NONE;
    out->brier = p->probability * p->probability;
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
