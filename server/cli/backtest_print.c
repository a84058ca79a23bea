/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/backtest_print.h"

#include <math.h>
#include <stdlib.h>

#include "server/cli/text_table.h"
#include "storage/base/limits.h"

/* Thresholds of the table; that of the watch is put in its place. */
static const double ladder[] = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};
#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

/* All that is shown of one watch. */
struct answer {
    const struct config_watch *watch;
    const struct hindsight_options *options;
    struct hindsight_verdict verdict; /* at its own probability */
    struct hindsight_verdict rungs[RUNGS + 1];
    size_t rung_count;
    bool has_choice;
    struct hindsight_verdict choice;
    struct hindsight_belief belief;
    struct hindsight_claim *claims; /* in the arena; the newest */
    size_t claim_count, claim_all;
    size_t looks, series;
};

static fw_rc judge_rungs(const struct hindsight *replay, struct answer *a,
                         struct fw_err *err)
{
    double own = a->watch->probability;
    bool placed = false;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i <= RUNGS; i++) {
        double next = i < RUNGS ? ladder[i] : 2;
        size_t count;

        if (!placed && own <= next) {
            a->rungs[a->rung_count++] = a->verdict;
            placed = true;
        }
        if (i < RUNGS && ladder[i] != own)
            rc = hindsight_judge(replay, ladder[i], &a->rungs[a->rung_count++],
                                 NULL, 0, &count, err);
    }
    return rc;
}

static fw_rc judge_claims(struct backtest_print *p,
                          const struct hindsight *replay, struct answer *a,
                          struct fw_err *err)
{
    struct hindsight_claim *all;
    size_t count;
    fw_rc rc = hindsight_judge(replay, a->watch->probability, &a->verdict, NULL,
                               0, &a->claim_all, err);

    if (rc != FW_OK)
        return rc;
    all = fw_arena_calloc(p->arena, a->claim_all + 1, sizeof(*all));
    if (all == NULL)
        return fw_arena_err(p->arena, err);
    rc = hindsight_judge(replay, a->watch->probability, &a->verdict, all,
                         a->claim_all, &count, err);
    a->claim_count = count < p->claims ? count : p->claims;
    a->claims = all + (count - a->claim_count);
    return rc;
}

static fw_rc judge_all(struct backtest_print *p, const struct hindsight *replay,
                       struct answer *a, struct fw_err *err)
{
    size_t all;
    fw_ms watched;
    fw_rc rc = judge_claims(p, replay, a, err);

    if (rc == FW_OK)
        rc = judge_rungs(replay, a, err);
    if (rc == FW_OK)
        rc = hindsight_choose(replay, p->false_alarms, &a->choice, err);
    a->has_choice = rc == FW_OK;
    if (rc == FW_NONE)
        rc = FW_OK;
    hindsight_believe(replay, &a->belief);
    hindsight_progress(replay, &a->looks, &all);
    hindsight_seen(replay, &a->series, &watched);
    return rc;
}

static const char *outcome_word(enum outcome outcome)
{
    static const char *const words[] = {"not known yet", "right", "false alarm",
                                        "void"};

    return words[outcome];
}

/* ---- for people
 * ----------------------------------------------------------------------- */

static void add_span(struct text_table *t, fw_ms span)
{
    char text[FW_DURATION_TEXT_BYTES] = "";

    if (span >= 0)
        (void)fw_format_span(text, span);
    text_table_add(t, fw_str_of(text));
}

static fw_rc print_head(struct fw_buf *out, const struct answer *a)
{
    char history[FW_DURATION_TEXT_BYTES], step[FW_DURATION_TEXT_BYTES],
        horizon[FW_DURATION_TEXT_BYTES];
    const struct hindsight_options *o = a->options;
    fw_ms every =
        o->step > 0 ? o->step : hindsight_step_of(a->watch, o->from, o->to);

    (void)fw_format_span(history, o->to - o->from);
    (void)fw_format_span(step, every);
    (void)fw_format_span(horizon, a->watch->horizon);
    return fw_buf_printf(out,
                         "%s %s within %s: %s of the past, looked at every "
                         "%s (%zu looks, %zu series)\n",
                         a->watch->name, a->watch->breach_text, horizon,
                         history, step, a->looks, a->series);
}

static fw_rc print_verdict(struct fw_buf *out, const struct answer *a)
{
    const struct hindsight_verdict *v = &a->verdict;
    char lead[FW_DURATION_TEXT_BYTES];
    fw_rc rc = fw_buf_printf(
        out,
        "  at probability %g it would have warned %zu times (%.2g a week): "
        "%llu right, %llu false,\n  %llu void, %llu not known yet; %llu "
        "breaches missed",
        v->probability, a->claim_all, v->per_week, (unsigned long long)v->right,
        (unsigned long long)v->false_alarms, (unsigned long long)v->voided,
        (unsigned long long)v->open, (unsigned long long)v->missed);

    if (rc == FW_OK && v->median_lead >= 0) {
        (void)fw_format_span(lead, v->median_lead);
        rc = fw_buf_printf(out, "; median lead %s", lead);
    }
    return rc == FW_OK ? fw_buf_adds(out, "\n") : rc;
}

static fw_rc print_ladder(struct backtest_print *p, const struct answer *a)
{
    static const char *const heads[] = {"PROBABILITY", "RIGHT",
                                        "FALSE",       "MISSED",
                                        "MEDIAN LEAD", "ALERTS A WEEK"};
    struct text_table t;

    text_table_init(&t, p->arena, "rrrrlr", heads);
    for (size_t i = 0; i < a->rung_count; i++) {
        const struct hindsight_verdict *v = &a->rungs[i];

        text_table_printf(&t, "%s%.2f",
                          v->probability == a->watch->probability ? "> " : "",
                          v->probability);
        text_table_printf(&t, "%llu", (unsigned long long)v->right);
        text_table_printf(&t, "%llu", (unsigned long long)v->false_alarms);
        text_table_printf(&t, "%llu", (unsigned long long)v->missed);
        add_span(&t, v->median_lead);
        text_table_printf(&t, "%.2f", v->per_week);
    }
    return text_table_print(&t, p->out);
}

static fw_rc print_choice(struct backtest_print *p, const struct answer *a)
{
    if (!a->has_choice)
        return fw_buf_printf(p->out,
                             "  No probability below 1 gives at most %g false "
                             "alarm%s in 30 days.\n",
                             p->false_alarms, p->false_alarms == 1 ? "" : "s");
    return fw_buf_printf(
        p->out,
        "  At most %g false alarm%s in 30 days: probability %.2f (right %llu, "
        "missed %llu).\n",
        p->false_alarms, p->false_alarms == 1 ? "" : "s", a->choice.probability,
        (unsigned long long)a->choice.right,
        (unsigned long long)a->choice.missed);
}

static fw_rc print_belief(struct backtest_print *p, const struct answer *a)
{
    static const char *const heads[] = {"SAID", "MEAN", "HAPPENED", "OF"};
    const struct hindsight_belief *b = &a->belief;
    double always = b->base_rate * (1 - b->base_rate);
    struct text_table t;
    fw_rc rc;

    if (b->predictions == 0)
        return fw_buf_adds(p->out, "  No prediction could be graded.\n");
    rc = fw_buf_printf(p->out,
                       "  Of %llu graded predictions a breach followed %.1f %%;"
                       " Brier score %.4f (always saying so: %.4f).\n",
                       (unsigned long long)b->predictions, 100 * b->base_rate,
                       b->brier, always);
    text_table_init(&t, p->arena, "rrrr", heads);
    for (int i = 0; i < TOTALS_BINS; i++) {
        double count = (double)b->bins[i].count;

        if (b->bins[i].count == 0)
            continue;
        text_table_printf(&t, "%d-%d %%", i * 10, i * 10 + 10);
        text_table_printf(&t, "%.2f", b->bins[i].sum / count);
        text_table_printf(&t, "%.2f", (double)b->bins[i].breaches / count);
        text_table_printf(&t, "%llu", (unsigned long long)b->bins[i].count);
    }
    return rc == FW_OK ? text_table_print(&t, p->out) : rc;
}

static void add_claim(struct text_table *t, const struct hindsight_claim *c)
{
    struct fw_buf labels = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 4);
    char when[FW_TIME_TEXT_BYTES];

    (void)fw_format_second(when, c->made_at);
    text_table_add(t, fw_str_of(when));
    text_table_printf(t, "%.2f", c->probability);
    add_span(t, c->p50);
    text_table_add(t, fw_str_of(outcome_word(c->outcome)));
    add_span(t,
             c->outcome == OUTCOME_BREACH ? c->breached_at - c->made_at : -1);
    if (fw_labels_print(&labels, c->labels) == FW_OK && labels.data != NULL)
        text_table_add(t, (struct fw_str){labels.data, labels.len});
    else
        text_table_add(t, FW_STR("?"));
    fw_buf_release(&labels);
}

static fw_rc print_claims(struct backtest_print *p, const struct answer *a)
{
    static const char *const heads[] = {"ALERT AT",   "P",    "BREACH IN",
                                        "CAME OF IT", "LEAD", "SERIES"};
    struct text_table t;
    fw_rc rc = FW_OK;

    if (a->claim_count == 0)
        return FW_OK;
    if (a->claim_count < a->claim_all)
        rc = fw_buf_printf(p->out, "  The newest %zu of %zu alerts:\n",
                           a->claim_count, a->claim_all);
    text_table_init(&t, p->arena, "lrllll", heads);
    for (size_t i = 0; i < a->claim_count; i++)
        add_claim(&t, &a->claims[i]);
    return rc == FW_OK ? text_table_print(&t, p->out) : rc;
}

static fw_rc print_text(struct backtest_print *p, const struct answer *a)
{
    fw_rc rc = p->out->len > 0 ? fw_buf_adds(p->out, "\n") : FW_OK;

    if (rc == FW_OK)
        rc = print_head(p->out, a);
    if (rc == FW_OK && a->series == 0)
        return fw_buf_adds(p->out, "  the expression returned no data\n");
    if (rc == FW_OK)
        rc = print_verdict(p->out, a);
    if (rc == FW_OK)
        rc = print_ladder(p, a);
    if (rc == FW_OK)
        rc = print_choice(p, a);
    if (rc == FW_OK)
        rc = print_belief(p, a);
    if (rc == FW_OK)
        rc = print_claims(p, a);
    return rc;
}

/* ---- for programs
 * --------------------------------------------------------------------- */

static void put_verdict(struct fw_json *j, const struct hindsight_verdict *v)
{
    fw_json_object(j);
    fw_json_field_double(j, "probability", v->probability);
    fw_json_field_count(j, "right", v->right);
    fw_json_field_count(j, "falseAlarms", v->false_alarms);
    fw_json_field_count(j, "missed", v->missed);
    fw_json_field_count(j, "void", v->voided);
    fw_json_field_count(j, "open", v->open);
    fw_json_field_span(j, "medianLead", v->median_lead);
    fw_json_field_double(j, "alertsPerWeek", v->per_week);
    fw_json_object_end(j);
}

static void put_belief(struct fw_json *j, const struct hindsight_belief *b)
{
    fw_json_field_count(j, "predictions", b->predictions);
    fw_json_field_double(j, "brier", b->brier);
    fw_json_field_double(j, "baseRate", b->base_rate);
    fw_json_key(j, "reliability");
    fw_json_array(j);
    for (int i = 0; i < TOTALS_BINS; i++) {
        fw_json_object(j);
        fw_json_field_count(j, "count", b->bins[i].count);
        fw_json_field_count(j, "breaches", b->bins[i].breaches);
        fw_json_field_double(j, "mean",
                             b->bins[i].count > 0
                                 ? b->bins[i].sum / (double)b->bins[i].count
                                 : NAN);
        fw_json_object_end(j);
    }
    fw_json_array_end(j);
}

static void put_claim(struct fw_json *j, const struct hindsight_claim *c)
{
    fw_json_object(j);
    fw_json_field_seconds(j, "at", c->made_at);
    fw_json_field_double(j, "probability", c->probability);
    fw_json_field_span(j, "timeToBreach", c->p50);
    fw_json_field_text(j, "outcome", outcome_word(c->outcome));
    fw_json_field_span(
        j, "lead",
        c->outcome == OUTCOME_BREACH ? c->breached_at - c->made_at : -1);
    fw_json_key(j, "labels");
    fw_labels_json(j, c->labels);
    fw_json_object_end(j);
}

static void put_answer(struct fw_json *j, const struct answer *a)
{
    fw_json_object(j);
    fw_json_field_text(j, "watch", a->watch->name);
    fw_json_field_text(j, "expr", a->watch->expr);
    fw_json_field_text(j, "breach", a->watch->breach_text);
    fw_json_field_span(j, "horizon", a->watch->horizon);
    fw_json_field_seconds(j, "from", a->options->from);
    fw_json_field_seconds(j, "to", a->options->to);
    fw_json_field_count(j, "looks", a->looks);
    fw_json_field_count(j, "series", a->series);
    fw_json_field_count(j, "alerts", a->claim_all);
    fw_json_key(j, "verdict");
    put_verdict(j, &a->verdict);
    fw_json_key(j, "thresholds");
    fw_json_array(j);
    for (size_t i = 0; i < a->rung_count; i++)
        put_verdict(j, &a->rungs[i]);
    fw_json_array_end(j);
    fw_json_key(j, "suggested");
    if (a->has_choice)
        put_verdict(j, &a->choice);
    else
        fw_json_null(j);
    put_belief(j, &a->belief);
    fw_json_key(j, "claims");
    fw_json_array(j);
    for (size_t i = 0; i < a->claim_count; i++)
        put_claim(j, &a->claims[i]);
    fw_json_array_end(j);
    fw_json_object_end(j);
}

/* ---- all of it
 * ------------------------------------------------------------------------ */

static fw_rc checked(fw_rc rc, struct fw_err *err)
{
    if (rc != FW_OK)
        return fw_err_set(err, rc, "the answer cannot be built: %s",
                          fw_rc_name(rc));
    return FW_OK;
}

fw_rc backtest_print_start(struct backtest_print *p, struct fw_err *err)
{
    if (!p->json)
        return FW_OK;
    fw_json_init(&p->writer, p->out);
    fw_json_array(&p->writer);
    return checked(fw_json_rc(&p->writer), err);
}

fw_rc backtest_print_one(struct backtest_print *p,
                         const struct config_watch *watch,
                         const struct hindsight *replay,
                         const struct hindsight_options *options,
                         struct fw_err *err)
{
    struct answer a = {.watch = watch, .options = options};
    fw_rc rc = judge_all(p, replay, &a, err);

    if (rc != FW_OK)
        return rc;
    if (!p->json)
        return checked(print_text(p, &a), err);
    put_answer(&p->writer, &a);
    return checked(fw_json_rc(&p->writer), err);
}

fw_rc backtest_print_end(struct backtest_print *p, struct fw_err *err)
{
    if (!p->json)
        return FW_OK;
    fw_json_array_end(&p->writer);
    return checked(fw_json_rc(&p->writer) == FW_OK ? fw_buf_addc(p->out, '\n')
                                                   : fw_json_rc(&p->writer),
                   err);
}
