/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/why.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/action/action_book.h"
#include "server/alert/alert_note.h"
#include "server/config/config_check.h"
#include "storage/base/limits.h"

/* Claims this far back in the ledger make the records of series and model. */
#define NEWEST_PREDICTIONS 200000

/* ---- records
 * --------------------------------------------------------------------- */

struct recording {
    struct why *why;
    struct fw_str watch;
    struct totals *series, *model; /* beside the rows */
    fw_ms last_false;
    fw_rc rc;
    struct fw_err *err;
};

static bool add_claim(void *self, uint64_t id, const struct prediction *p)
{
    struct recording *r = self;
    struct score score;

    (void)id;
    if (p == NULL || p->kind != PREDICTION_ALERT)
        return true;
    r->rc = ledger_score_get(r->why->view.txn, p->id, &score, r->err);
    if (r->rc == FW_NONE)
        r->rc = FW_OK; /* still open */
    else if (r->rc == FW_OK)
        for (size_t i = 0; i < r->why->count; i++) {
            const struct card_input *in = &r->why->rows[i].in;

            if (in->state != NULL && in->state->subject == p->subject)
                totals_add(&r->series[i], p, &score);
            if (p->model[0] != '\0' && strcmp(card_model(in), p->model) == 0)
                totals_add(&r->model[i], p, &score);
        }
    return r->rc == FW_OK;
}

/* The last false alarm of any series of the watch. */
static bool note_false(void *self, uint64_t id, const struct prediction *p)
{
    struct recording *r = self;
    struct subject subject;
    struct score score;

    (void)id;
    if (p == NULL || p->kind != PREDICTION_ALERT ||
        ledger_score_get(r->why->view.txn, p->id, &score, NULL) != FW_OK ||
        score.outcome != OUTCOME_NONE)
        return true;
    if (ledger_subject_get(r->why->view.txn, p->subject, r->why->view.arena,
                           &subject, NULL) == FW_OK &&
        fw_str_eq(subject.watch, r->watch))
        r->last_false = p->made_at;
    return true;
}

static fw_rc add_records(struct why *why, const struct config_watch *watch,
                         struct fw_err *err)
{
    struct fw_arena *arena = why->view.arena;
    struct recording r = {
        .why = why,
        .watch = fw_str_of(watch->name),
        .series = fw_arena_calloc(arena, why->count + 1, sizeof(struct totals)),
        .model = fw_arena_calloc(arena, why->count + 1, sizeof(struct totals)),
        .err = err};
    struct fw_buf words = FW_BUF_INIT(65536);
    struct calibration *calibration =
        fw_arena_calloc(arena, 1, sizeof(*calibration));
    const char *actions = NULL;
    uint64_t newest, from;
    fw_rc rc;

    if (r.series == NULL || r.model == NULL || calibration == NULL)
        return fw_arena_err(arena, err);
    rc = ledger_newest(why->view.txn, &newest, err);
    if (rc == FW_OK)
        rc = action_words(why->view.txn, watch->name, &words, err);
    if (rc == FW_OK)
        rc = alert_view_calibration(&why->view, watch, calibration, err);
    if (rc == FW_OK && words.len > 0)
        actions = fw_arena_strndup(arena, words.data, words.len);
    fw_buf_release(&words);
    if (rc != FW_OK)
        return rc;
    from = newest > NEWEST_PREDICTIONS ? newest - NEWEST_PREDICTIONS : 0;
    rc = ledger_each_from(why->view.txn, from, add_claim, &r, err);
    if (rc == FW_OK)
        rc = r.rc;
    if (rc == FW_OK)
        rc = ledger_each_from(why->view.txn, from, note_false, &r, err);
    for (size_t i = 0; rc == FW_OK && i < why->count; i++) {
        struct fw_record *records = fw_arena_calloc(arena, 2, sizeof(*records));

        if (records == NULL)
            return fw_arena_err(arena, err);
        totals_record(&r.series[i], &records[0]);
        totals_record(&r.model[i], &records[1]);
        why->rows[i].in.series_record = &records[0];
        why->rows[i].in.model_record = &records[1];
        why->rows[i].in.last_false_alarm = r.last_false;
        why->rows[i].in.actions = actions;
        why->rows[i].in.calibration = calibration;
    }
    return rc;
}

/* ---- which series
 * ---------------------------------------------------------------- */

/* Every label in `wanted` stands in `labels` with the same value. */
static bool has_all(const struct fw_labels *labels,
                    const struct fw_labels *want)
{
    for (size_t i = 0; i < want->n; i++)
        if (!fw_str_eq(fw_labels_get(labels, want->v[i].name),
                       want->v[i].value))
            return false;
    return true;
}

/* `Watch{a="b"}` into the name and the labels of equality. */
static fw_rc split_alert(struct fw_str alert, struct fw_arena *arena,
                         const char **name, struct fw_labels *labels,
                         struct fw_err *err)
{
    const char *brace = memchr(alert.p, '{', alert.n);
    size_t n = brace != NULL ? (size_t)(brace - alert.p) : alert.n;
    struct fw_matcher *matchers = NULL;
    struct fw_label *v;
    size_t count = 0;
    fw_rc rc;

    *labels = (struct fw_labels){0};
    *name = fw_arena_strndup(arena, alert.p, n);
    if (*name == NULL)
        return fw_arena_err(arena, err);
    if (brace == NULL || (alert.n - n == 2 && brace[1] == '}'))
        return FW_OK;
    rc = fw_parse_selector((struct fw_str){brace, alert.n - n}, arena,
                           &matchers, &count, err);
    if (rc != FW_OK)
        return fw_err_prefix(err, "the labels of the alert");
    v = fw_arena_calloc(arena, count + 1, sizeof(*v));
    if (v == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < count; i++) {
        if (matchers[i].op != FW_MATCH_EQUAL)
            return fw_err_set(err, FW_EINVAL,
                              "an alert is named by labels with =, as in "
                              "DiskFull{host=\"a\"}");
        v[i] = (struct fw_label){matchers[i].name, matchers[i].value};
    }
    *labels = (struct fw_labels){v, count};
    return FW_OK;
}

static const struct watched_state *find_state(struct why *why,
                                              const struct config_watch *watch,
                                              const struct fw_labels *labels,
                                              const struct watched_state *all,
                                              size_t n)
{
    uint32_t subject;

    if (ledger_subject(why->view.txn, fw_str_of(watch->name), labels, false,
                       &subject, NULL) == FW_OK)
        for (size_t i = 0; i < n; i++)
            if (all[i].subject == subject)
                return &all[i];
    return NULL;
}

static double urgency(const struct why_row *row)
{
    const struct fw_forecast *f = row->in.forecast;

    if (f->verdict == FW_CANNOT_TELL || !f->has_passage)
        return -1;
    return f->passage.breached_now ? 2 : f->passage.probability;
}

static int compare_rows(const void *a, const void *b)
{
    double x = urgency(a), y = urgency(b);

    return (x < y) - (x > y);
}

static fw_rc make_rows(struct why *why, const struct config_watch *watch,
                       const struct fw_labels *wanted, fw_ms now,
                       struct fw_err *err)
{
    struct fw_source source = fw_source_of_store(why->view.store);
    struct fw_forecast_options options = config_watch_question(watch, now);
    struct fw_arena *arena = why->view.arena;
    struct fw_forecast_series *series = NULL;
    struct watched_state *states = NULL;
    size_t count = 0, state_count = 0, damaged = 0;
    fw_rc rc = fw_forecast_expr(fw_str_of(watch->expr), &source, watch->history,
                                &options, arena, &series, &count, err);

    if (rc == FW_OK)
        rc = watched_all(why->view.txn, arena, &states, &state_count, &damaged,
                         err);
    if (rc != FW_OK)
        return rc;
    why->rows = fw_arena_calloc(arena, count + 1, sizeof(*why->rows));
    if (why->rows == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < count; i++) {
        if (!has_all(&series[i].labels, wanted))
            continue;
        why->rows[why->count++].in = (struct card_input){
            .watch = watch,
            .labels = &series[i].labels,
            .state =
                find_state(why, watch, &series[i].labels, states, state_count),
            .forecast = series[i].forecast,
            .current = series[i].current,
            .current_at = series[i].current_at,
            .spacing = series[i].spacing,
            .now = now,
        };
    }
    if (why->count == 0)
        return fw_err_set(err, FW_ENOTFOUND,
                          "the watch '%s' has %zu series, and none that is "
                          "asked for ('forewarn watches' lists them)",
                          watch->name, count);
    qsort(why->rows, why->count, sizeof(*why->rows), compare_rows);
    if (why->count > WHY_MOST) {
        why->left_out = why->count - WHY_MOST;
        why->count = WHY_MOST;
    }
    return FW_OK;
}

static fw_rc write_cards(struct why *why, const struct config_watch *watch,
                         fw_ms now, struct fw_err *err)
{
    struct fw_arena *arena = why->view.arena;
    struct standing *standing = fw_arena_calloc(arena, 1, sizeof(*standing));
    char *sentence = fw_arena_calloc(arena, STANDING_WHY_BYTES, 1);
    struct standing_override override;
    struct totals totals;
    fw_rc rc;

    if (standing == NULL || sentence == NULL)
        return fw_arena_err(arena, err);
    rc = alert_view_totals(&why->view, watch, &totals, err);
    if (rc == FW_OK)
        rc = alert_view_standing(&why->view, watch, standing, err);
    if (rc != FW_OK)
        return rc;
    rc = standing_override_get(why->view.txn, fw_str_of(watch->name), &override,
                               err);
    (void)standing_earned(standing, rc == FW_OK ? &override : NULL, watch, now,
                          sentence);
    rc = FW_OK;
    for (size_t i = 0; rc == FW_OK && i < why->count; i++) {
        struct card_input *in = &why->rows[i].in;

        totals_record(&totals, &in->watch_record);
        in->standing = standing;
        in->standing_why = sentence;
        rc = card_write(in, arena, &why->rows[i].card, err);
    }
    return rc;
}

fw_rc why_open(struct why *why, struct fw_cli *cli, struct fw_str alert,
               struct fw_err *err)
{
    fw_ms now = fw_clock_now(cli->clock);
    struct fw_labels wanted;
    const char *name;
    fw_rc rc;

    *why = (struct why){0};
    rc = alert_view_open(&why->view, cli, err);
    if (rc == FW_OK)
        rc = split_alert(alert, why->view.arena, &name, &wanted, err);
    if (rc == FW_OK)
        rc = alert_view_choose(&why->view, name, err);
    if (rc == FW_OK)
        rc = make_rows(why, why->view.watches, &wanted, now, err);
    if (rc == FW_OK)
        rc = add_records(why, why->view.watches, err);
    if (rc == FW_OK)
        rc = write_cards(why, why->view.watches, now, err);
    return rc;
}

void why_close(struct why *why)
{
    alert_view_close(&why->view);
}

/* ---- JSON
 * ------------------------------------------------------------------------ */

static void put_claim(struct fw_json *j, const struct why_row *row)
{
    const struct fw_forecast *f = row->in.forecast;
    bool told = urgency(row) >= 0;
    const fw_ms spans[] = {f->passage.p10, f->passage.p50, f->passage.p90};
    static const char *const keys[] = {"timeToBreachP10", "timeToBreach",
                                       "timeToBreachP90"};

    fw_json_field_double(j, "value", row->in.current);
    fw_json_field_double(j, "probability", told ? f->passage.probability : NAN);
    for (int i = 0; i < 3; i++) {
        fw_json_key(j, keys[i]);
        if (!told || spans[i] < 0)
            fw_json_null(j);
        else
            fw_json_seconds(j, spans[i]);
    }
    fw_json_key(j, "cannotTell");
    if (told)
        fw_json_null(j);
    else
        fw_json_text(j, fw_reason_name(f->reason));
    fw_json_key(j, "wrongIf");
    if (row->card.wrong_at == 0) {
        fw_json_null(j);
        return;
    }
    fw_json_object(j);
    fw_json_field_seconds(j, "at", row->card.wrong_at);
    fw_json_field_text(j, "side",
                       row->card.wrong_side == FW_ABOVE ? "above" : "below");
    fw_json_field_double(j, "value", row->card.wrong_value);
    fw_json_object_end(j);
}

void why_json(const struct why *why, struct fw_json *j)
{
    fw_json_array(j);
    for (size_t i = 0; i < why->count; i++) {
        const struct why_row *row = &why->rows[i];

        fw_json_object(j);
        fw_json_field_text(j, "watch", row->in.watch->name);
        fw_json_key(j, "labels");
        fw_json_object(j);
        for (size_t k = 0; k < row->in.labels->n; k++) {
            fw_json_key_str(j, row->in.labels->v[k].name);
            fw_json_str(j, row->in.labels->v[k].value);
        }
        fw_json_object_end(j);
        put_claim(j, row);
        fw_json_key(j, "card");
        card_json(&row->card, j);
        fw_json_object_end(j);
    }
    fw_json_array_end(j);
}
