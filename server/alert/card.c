/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/card.h"

#include <math.h>
#include <stdio.h>

#include "server/alert/alert_note.h"
#include "storage/base/limits.h"

static const struct {
    const char *question, *key;
} parts[CARD_PARTS] = {
    [CARD_CLAIM] = {"What do we claim?", "claim"},
    [CARD_ASSUMES] = {"What does it assume, and how was that tested?",
                      "assumptions"},
    [CARD_WRONG_IF] = {"What would prove us wrong, and by when?", "wrongIf"},
    [CARD_RECORD] = {"How often were we right before?", "record"},
    [CARD_ELSE] = {"What else explains the data?", "alternatives"},
    [CARD_UNKNOWN] = {"What is not known?", "unknown"},
    [CARD_DUTY] = {"Who owns it, and what is to be done?", "duty"},
};

const char *card_question(enum card_part part)
{
    return parts[part].question;
}

const char *card_key(enum card_part part)
{
    return parts[part].key;
}

/* One answer being written; the first failure stops it. */
struct answer {
    const struct card_input *in;
    struct fw_buf text;
    fw_rc rc;
};

static void say(struct answer *a, const char *fmt, ...) FW_PRINTF(2, 3);
static void say(struct answer *a, const char *fmt, ...)
{
    char piece[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(piece, sizeof(piece), fmt, ap);
    va_end(ap);
    if (a->rc == FW_OK)
        a->rc = fw_buf_adds(&a->text, piece);
}

#define NUMBER_BYTES FW_DOUBLE_TEXT_BYTES

static const char *number(char out[NUMBER_BYTES], double v)
{
    if (isnan(v))
        return "unknown";
    (void)fw_format_short(out, v, 4);
    return out;
}

static const char *span(char out[FW_DURATION_TEXT_BYTES], fw_ms ms)
{
    (void)fw_format_span(out, ms);
    return out;
}

/* Nothing is certain, nothing impossible. */
static const char *chance(char out[32], double p)
{
    if (p > 0.99)
        return "more than 99 %";
    if (p < 0.01)
        return "less than 1 %";
    (void)snprintf(out, 32, "%.0f %%", 100 * p);
    return out;
}

static bool can_tell(const struct card_input *in)
{
    return in->forecast->verdict != FW_CANNOT_TELL && in->forecast->has_passage;
}

/* It is likely enough to warn, or somebody has been warned. */
static bool warns_now(const struct card_input *in)
{
    return in->forecast->passage.breached_now ||
           in->forecast->passage.probability >= in->watch->probability ||
           (in->state != NULL && alert_is_active(&in->state->alert));
}

/* ---- the claim
 * ----------------------------------------------------------------------- */

static void say_when(struct answer *a, const struct fw_passage *p)
{
    char p10[FW_DURATION_TEXT_BYTES], p50[FW_DURATION_TEXT_BYTES],
        p90[FW_DURATION_TEXT_BYTES];

    if (p->p50 < 0)
        say(a, " More likely than not it does not come within that time.");
    else if (p->p90 < 0)
        say(a, " It is likely in %s, and with one chance in ten before %s.",
            span(p50, p->p50), span(p10, p->p10 < 0 ? 0 : p->p10));
    else
        say(a,
            " It is likely in %s, with four chances in five between %s and "
            "%s.",
            span(p50, p->p50), span(p10, p->p10 < 0 ? 0 : p->p10),
            span(p90, p->p90));
}

static void say_extreme(struct answer *a)
{
    const struct watched_state *s = a->in->state;
    char low[NUMBER_BYTES], middle[NUMBER_BYTES], high[NUMBER_BYTES];

    if (s == NULL || !s->outlook.told || !extreme_is_told(s->outlook.extreme))
        return;
    say(a,
        " At its worst within that time it should be %s, with four chances "
        "in five between %s and %s.",
        number(middle, s->outlook.extreme[1]),
        number(low, s->outlook.extreme[0]),
        number(high, s->outlook.extreme[2]));
}

static void write_claim(struct answer *a)
{
    const struct card_input *in = a->in;
    const struct fw_passage *p = &in->forecast->passage;
    const struct config_watch *w = in->watch;
    char now[NUMBER_BYTES], horizon[FW_DURATION_TEXT_BYTES],
        stay[FW_DURATION_TEXT_BYTES], percent[32];

    if (!can_tell(in)) {
        say(a, "Nothing: we cannot tell (%s). %s.",
            fw_reason_name(in->forecast->reason), in->forecast->why);
        return;
    }
    if (p->breached_now) {
        say(a, "The value is %s: it is %s already.", number(now, in->current),
            w->breach_text);
        return;
    }
    say(a, "The value, now %s, will be %s", number(now, in->current),
        w->breach_text);
    if (w->breach.for_ms > 0)
        say(a, " for at least %s", span(stay, w->breach.for_ms));
    say(a, " within %s with a probability of %s.", span(horizon, w->horizon),
        chance(percent, p->probability));
    say_when(a, p);
    say_extreme(a);
    if (!warns_now(in))
        say(a, " The watch warns from %.0f %% on, so it does not now.",
            100 * w->probability);
}

/* ---- what it stands on
 * --------------------------------------------------------------- */

static void write_assumptions(struct answer *a)
{
    const struct fw_forecast *f = a->in->forecast;
    size_t shown = f->score_count < 4 ? f->score_count : 4;

    say(a, "The shape of the past: %s: %s.", fw_verdict_name(f->verdict),
        f->why);
    if (!can_tell(a->in))
        return;
    say(a, "\n%s", f->assumes);
    if (f->known != NULL && *f->known != '\0')
        say(a, "\n%s", f->known);
    if (f->counter)
        say(a, "\nNote: %s.", fw_forecast_hint(f));
    for (size_t i = 0; i < shown; i++)
        say(a,
            "%s%s: error %.2f times the naive one's over %d earlier "
            "moments, %.0f %% of outcomes inside its interval",
            i == 0 ? "\nTried on the past, the best first: " : "; ",
            f->scores[i].model, f->scores[i].mase, f->scores[i].origins,
            100 * f->scores[i].coverage);
    if (shown > 0)
        say(a, ".");
}

/* The grid point where the claim can first be told from its failure. */
static size_t telling_point(const struct fw_forecast *f)
{
    fw_ms until = f->passage.p50 > 0 ? f->passage.p50 / 2 : 0;
    size_t i = 0;

    if (until <= 0 || until > f->step * (fw_ms)f->n / 4)
        until = f->step * (fw_ms)f->n / 4;
    while (i + 1 < f->n && f->t[i] - f->t[0] + f->step < until)
        i++;
    return i;
}

static void write_falsifier(struct answer *a, struct card *card)
{
    const struct card_input *in = a->in;
    const struct fw_forecast *f = in->forecast;
    bool below = in->watch->breach.side == FW_BELOW, warns = warns_now(in);
    char when[FW_TIME_TEXT_BYTES], value[NUMBER_BYTES];
    double bound;
    size_t i;

    if (!can_tell(in)) {
        say(a, "There is no claim to be wrong. It can be made once %s.",
            in->forecast->reason == FW_TOO_SHORT ? "more samples are there"
            : in->forecast->reason == FW_STALE   ? "new samples come again"
            : in->forecast->reason == FW_GAPS    ? "the gaps end"
                                                 : "the values are numbers");
        return;
    }
    if (f->n > 0 && !f->passage.breached_now) {
        i = telling_point(f);
        /* A warning is refuted by calm, calm by what comes near the limit. */
        bound = below == warns ? f->upper[i] : f->lower[i];
        if (isfinite(bound)) {
            card->wrong_at = f->t[i];
            card->wrong_value = bound;
            card->wrong_side = below == warns ? FW_ABOVE : FW_BELOW;
            (void)fw_format_second(when, f->t[i]);
            say(a,
                "If at %s the value is %s %s, it has left the interval that "
                "should hold %.0f %% of outcomes, and the claim does not "
                "stand any more.\n",
                when, card->wrong_side == FW_ABOVE ? "above" : "below",
                number(value, bound), 100 * f->level);
        }
    }
    (void)fw_format_second(when, in->now + in->watch->horizon);
    if (warns)
        say(a,
            "If no breach has begun by %s, it was a false alarm, and is "
            "graded so.",
            when);
    else
        say(a,
            "If a breach begins before %s and nobody was warned by then, it "
            "was missed, and is graded so.",
            when);
}

/* ---- the record
 * ---------------------------------------------------------------------- */

static void say_record(struct answer *a, const char *whose,
                       const struct fw_record *r)
{
    struct fw_buf words = FW_BUF_INIT(1024);

    if (a->rc == FW_OK)
        a->rc = alert_record_words(r, &words);
    if (a->rc == FW_OK)
        say(a, "%s: %.*s", whose, (int)words.len, words.data);
    fw_buf_release(&words);
}

/* A claim is kept with the guess that led it, which need not be the model that
 * draws the forecast's line. */
const char *card_model(const struct card_input *in)
{
    if (in->state != NULL && in->state->outlook.model[0] != '\0')
        return in->state->outlook.model;
    return in->forecast->model != NULL ? in->forecast->model : "";
}

static void write_record(struct answer *a)
{
    const struct card_input *in = a->in;
    char when[FW_TIME_TEXT_BYTES];

    say_record(a, "This watch", &in->watch_record);
    if (in->watch_record.predictions > 0)
        say(a, "; Brier score %.3f over %llu graded predictions",
            in->watch_record.brier,
            (unsigned long long)in->watch_record.predictions);
    if (in->last_false_alarm != 0) {
        (void)fw_format_second(when, in->last_false_alarm);
        say(a, "; its last false alarm was on %s", when);
    }
    say(a, ".\n");
    if (in->series_record != NULL) {
        say_record(a, "This series", in->series_record);
        say(a, ".\n");
    }
    if (in->model_record != NULL && can_tell(in)) {
        say(a, "The model (%s), over all watches", card_model(in));
        say_record(a, "", in->model_record);
        say(a, ".\n");
    }
    if (in->calibration != NULL && in->calibration->in_force)
        say(a,
            "Its probabilities are corrected by what became of its earlier "
            "ones; on those that came after, that brought the Brier score "
            "from %.3f to %.3f.\n",
            in->calibration->brier_raw, in->calibration->brier_mapped);
    if (in->standing->tested_at > in->standing->tested_from)
        say(a,
            "Over the past that was stored when it was new it would have "
            "been right %llu times, wrong %llu times and missed %llu "
            "breaches.\n",
            (unsigned long long)in->standing->tested_right,
            (unsigned long long)in->standing->tested_false,
            (unsigned long long)in->standing->tested_missed);
    say(a, "So the watch is %s: %s.", standing_name(in->standing->state),
        in->standing_why);
}

/* ---- other explanations
 * -------------------------------------------------------------- */

static size_t missing_points(const struct fw_forecast *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->history_n; i++)
        n += isnan(f->history_v[i]) ? 1 : 0;
    return n;
}

static void write_else(struct answer *a)
{
    const struct fw_forecast *f = a->in->forecast;
    char age[FW_DURATION_TEXT_BYTES], season[FW_DURATION_TEXT_BYTES];
    fw_ms old = a->in->now - a->in->current_at;
    size_t holes = missing_points(f);

    if (f->verdict == FW_SAWTOOTH)
        say(a, "A sawtooth: it has come back by itself before, so this may be "
               "one more tooth; the forecast reckons with that.\n");
    else
        say(a,
            "A sawtooth (a log that rotates, a backup): no regular fall-back "
            "was found in the past.\n");
    if (f->verdict == FW_STEP)
        say(a, "A step: the level changed of a sudden; what was before it "
               "says little.\n");
    if (f->season > 0)
        say(a, "A season: one of %s was found and is in the forecast.\n",
            span(season, (fw_ms)(f->season * (double)f->step)));
    else if (can_tell(a->in))
        say(a, "A season: none was found that repeats itself.\n");
    if (can_tell(a->in) && !f->beats_naive)
        say(a, "Chance: no model did better on the past than repeating the "
               "last value.\n");
    if (a->in->current_at > 0 && a->in->spacing > 0 && old > 3 * a->in->spacing)
        say(a, "A silent source: the newest sample is %s old.\n",
            span(age, old));
    if (holes > 0 && f->history_n > 0)
        say(a, "Gaps: %.1f %% of the past is missing.\n",
            100.0 * (double)holes / (double)f->history_n);
    if (a->text.len > 0)
        a->text.len--; /* the last newline */
}

static void write_unknown(struct answer *a)
{
    const struct card_input *in = a->in;
    const struct fw_forecast *f = in->forecast;
    char known[FW_DURATION_TEXT_BYTES], horizon[FW_DURATION_TEXT_BYTES],
        half[FW_DURATION_TEXT_BYTES];
    fw_ms history =
        f->history_n > 0 ? f->history_t[f->history_n - 1] - f->history_t[0] : 0;

    say(a, "%s of history %s used; a season longer than %s could not be seen.",
        span(known, history), "is", span(half, history / 2));
    if (history < in->watch->horizon)
        say(a,
            " It is shorter than the horizon of %s: what is said of the far "
            "end is a guess.",
            span(horizon, in->watch->horizon));
    if (can_tell(in) && f->score_count > 0 && f->scores[0].origins > 0)
        say(a,
            " The intervals should hold %.0f %% of outcomes; on the past "
            "they held %.0f %%.",
            100 * f->level, 100 * f->scores[0].coverage);
    say(a, " Of what people are about to do (a clean-up, a migration, more "
           "load) the series knows nothing before it happens.");
}

static void write_duty(struct answer *a)
{
    const struct config_watch *w = a->in->watch;
    enum standing_state standing = a->in->standing->state;
    char horizon[FW_DURATION_TEXT_BYTES];

    say(a, "Owner: %s. It matters because %s.", w->owner, w->reason);
    if (w->runbook != NULL)
        say(a, " What to do: %s.", w->runbook);
    if (standing == STANDING_SHADOW)
        say(a, "\nBy itself Forewarn tells nobody: the watch is in shadow.");
    else if (standing == STANDING_TRIAL)
        say(a,
            "\nBy itself Forewarn tells the receivers, labelled "
            "record=\"unproven\", at most once per series in %s.",
            span(horizon, w->horizon));
    else
        say(a, "\nBy itself Forewarn tells the receivers.");
    if (a->in->actions != NULL && a->in->actions[0] != '\0')
        say(a,
            " It starts %s. Each start and each refusal is in the audit log.",
            a->in->actions);
    say(a, " It changes nothing else.");
}

fw_rc card_write(const struct card_input *in, struct fw_arena *arena,
                 struct card *out, struct fw_err *err)
{
    struct card card = {.wrong_at = 0, .wrong_value = NAN};
    fw_rc rc = FW_OK;

    for (int i = 0; rc == FW_OK && i < CARD_PARTS; i++) {
        struct answer a = {.in = in, .text = FW_BUF_INIT(65536)};

        switch ((enum card_part)i) {
        case CARD_CLAIM:
            write_claim(&a);
            break;
        case CARD_ASSUMES:
            write_assumptions(&a);
            break;
        case CARD_WRONG_IF:
            write_falsifier(&a, &card);
            break;
        case CARD_RECORD:
            write_record(&a);
            break;
        case CARD_ELSE:
            write_else(&a);
            break;
        case CARD_UNKNOWN:
            write_unknown(&a);
            break;
        case CARD_DUTY:
            write_duty(&a);
            break;
        case CARD_PARTS:
            break;
        }
        rc = a.rc;
        if (rc == FW_OK) {
            card.answers[i] = (struct fw_str){
                fw_arena_strndup(arena, a.text.data, a.text.len), a.text.len};
            if (card.answers[i].p == NULL)
                rc = FW_ENOMEM;
        }
        fw_buf_release(&a.text);
    }
    if (rc != FW_OK)
        return fw_err_set(err, rc, "the card cannot be written: %s",
                          fw_rc_name(rc));
    *out = card;
    return FW_OK;
}

void card_json(const struct card *card, struct fw_json *j)
{
    fw_json_array(j);
    for (int i = 0; i < CARD_PARTS; i++) {
        fw_json_object(j);
        fw_json_field_text(j, "key", card_key((enum card_part)i));
        fw_json_field_text(j, "question", card_question((enum card_part)i));
        fw_json_field_str(j, "answer", card->answers[i]);
        fw_json_object_end(j);
    }
    fw_json_array_end(j);
}
