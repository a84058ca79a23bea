/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_record.c - `forewarn record [WATCH]`: how often it was right. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/alert_commands.h"
#include "server/cli/text_table.h"
#include "storage/base/json.h"
#include "storage/base/limits.h"

#define OUT_BYTES ((size_t)64 << 20)
#define NEWEST_CLAIMS 50

/* A claim with which an alert fired, and what came of it. */
struct claim {
    struct prediction prediction;
    struct score score; /* OUTCOME_OPEN: not known yet */
    struct subject subject;
};

/* The newest claims of one watch, a ring. */
struct claims {
    struct alert_view *view;
    struct fw_str watch;
    struct claim ring[NEWEST_CLAIMS];
    uint64_t count; /* of all */
    fw_rc rc;
    struct fw_err *err;
};

static bool keep_claim(void *self, uint64_t id, const struct prediction *p)
{
    struct claims *c = self;
    struct claim claim = {.score = {.outcome = OUTCOME_OPEN}};
    fw_rc rc;

    (void)id;
    if (p == NULL || p->kind != PREDICTION_ALERT)
        return true;
    rc = ledger_subject_get(c->view->txn, p->subject, c->view->arena,
                            &claim.subject, c->err);
    if (rc == FW_OK && fw_str_eq(claim.subject.watch, c->watch)) {
        claim.prediction = *p;
        rc = ledger_score_get(c->view->txn, p->id, &claim.score, c->err);
        c->ring[c->count++ % NEWEST_CLAIMS] = claim;
    }
    c->rc = rc < 0 ? rc : FW_OK;
    return c->rc == FW_OK;
}

static const char *outcome_word(const struct score *score)
{
    static const char *const words[] = {"open", "right", "false alarm", "void"};

    return words[score->outcome];
}

/* ---- tables
 * -------------------------------------------------------------------- */

static void add_span(struct text_table *t, fw_ms span)
{
    char text[FW_DURATION_TEXT_BYTES] = "";

    if (span >= 0)
        (void)fw_format_span(text, span);
    text_table_add(t, fw_str_of(text));
}

static fw_rc print_totals(struct alert_view *view, struct fw_buf *out,
                          struct fw_err *err)
{
    static const char *const heads[] = {
        "WATCH",       "STANDING",    "RIGHT", "FALSE ALARMS", "MISSED",
        "MEDIAN LEAD", "PREDICTIONS", "BRIER", "VOID"};
    struct text_table t;
    fw_rc rc = FW_OK;

    text_table_init(&t, view->arena, "llrrrlrrr", heads);
    for (size_t i = 0; rc == FW_OK && i < view->watch_count; i++) {
        struct standing standing;
        struct totals totals;
        struct fw_record r;

        rc = alert_view_totals(view, &view->watches[i], &totals, err);
        if (rc == FW_OK)
            rc = alert_view_standing(view, &view->watches[i], &standing, err);
        if (rc != FW_OK)
            break;
        totals_record(&totals, &r);
        text_table_add(&t, fw_str_of(view->watches[i].name));
        text_table_add(&t, fw_str_of(standing_name(standing.state)));
        text_table_printf(&t, "%llu", (unsigned long long)r.right);
        text_table_printf(&t, "%llu", (unsigned long long)r.false_alarms);
        text_table_printf(&t, "%llu", (unsigned long long)r.missed);
        add_span(&t, r.median_lead);
        text_table_printf(&t, "%llu", (unsigned long long)r.predictions);
        if (isnan(r.brier))
            text_table_add(&t, FW_STR(""));
        else
            text_table_printf(&t, "%.3f", r.brier);
        text_table_printf(&t, "%llu", (unsigned long long)totals.voided);
    }
    return rc == FW_OK ? text_table_print(&t, out) : rc;
}

static fw_rc print_bins(struct alert_view *view, const struct totals *totals,
                        struct fw_buf *out)
{
    static const char *const heads[] = {"SAID", "MEAN", "HAPPENED", "OF"};
    struct text_table t;
    fw_rc rc = fw_buf_adds(out, "\nWhen it said so, so often it happened:\n");

    text_table_init(&t, view->arena, "rrrr", heads);
    for (int i = 0; i < TOTALS_BINS; i++) {
        double count = (double)totals->bins[i].count;

        if (totals->bins[i].count == 0)
            continue;
        text_table_printf(&t, "%d-%d %%", i * 10, i * 10 + 10);
        text_table_printf(&t, "%.2f", totals->bins[i].sum / count);
        text_table_printf(&t, "%.2f", (double)totals->bins[i].breaches / count);
        text_table_printf(&t, "%llu",
                          (unsigned long long)totals->bins[i].count);
    }
    return rc == FW_OK ? text_table_print(&t, out) : rc;
}

/* How far it goes at its worst: what was said of that, and what came. */
static fw_rc print_values(const struct totals *t, struct fw_buf *out)
{
    char loss[FW_DOUBLE_TEXT_BYTES];
    double skill = totals_skill(t);
    fw_rc rc;

    (void)fw_format_short(loss, totals_loss(t), 3);
    rc = fw_buf_printf(
        out,
        "\nThe worst value within the horizon lay in the range it gave in "
        "%.0f %% of\n%llu cases (80 %% would be right); mean pinball loss %s",
        100 * totals_coverage(t), (unsigned long long)t->valued, loss);
    if (rc == FW_OK && !isnan(skill))
        rc = fw_buf_printf(out, ",\n%.0f %% %s than by \"it stays as it is\"",
                           100 * fabs(skill), skill >= 0 ? "less" : "more");
    return rc == FW_OK ? fw_buf_adds(out, ".\n") : rc;
}

static void add_claim(struct text_table *t, const struct claim *c)
{
    struct fw_buf labels = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 4);
    char when[FW_TIME_TEXT_BYTES];

    (void)fw_format_second(when, c->prediction.made_at);
    text_table_add(t, fw_str_of(when));
    text_table_printf(t, "%.2f", c->prediction.probability);
    add_span(t, c->prediction.p50);
    text_table_add(t, fw_str_of(c->prediction.model));
    text_table_add(t, fw_str_of(outcome_word(&c->score)));
    add_span(t, c->score.outcome == OUTCOME_BREACH
                    ? c->score.breached_at - c->prediction.made_at
                    : -1);
    if (fw_labels_print(&labels, &c->subject.labels) == FW_OK &&
        labels.data != NULL)
        text_table_add(t, (struct fw_str){labels.data, labels.len});
    else
        text_table_add(t, FW_STR("?"));
    fw_buf_release(&labels);
}

static fw_rc print_claims(struct alert_view *view, const struct claims *c,
                          struct fw_buf *out)
{
    static const char *const heads[] = {"FIRED",   "P",     "SAID IN", "MODEL",
                                        "OUTCOME", "AHEAD", "SERIES"};
    uint64_t shown = c->count < NEWEST_CLAIMS ? c->count : NEWEST_CLAIMS;
    struct text_table t;
    fw_rc rc;

    if (shown == 0)
        return fw_buf_adds(out, "\nIt has not fired yet.\n");
    rc = fw_buf_printf(out, "\nIts newest claims (%llu of %llu):\n",
                       (unsigned long long)shown, (unsigned long long)c->count);
    text_table_init(&t, view->arena, "lrlllll", heads);
    for (uint64_t i = 0; i < shown; i++)
        add_claim(&t, &c->ring[(c->count - 1 - i) % NEWEST_CLAIMS]);
    return rc == FW_OK ? text_table_print(&t, out) : rc;
}

/* ---- JSON
 * ------------------------------------------------------------------------ */

static void put_totals(struct fw_json *j, const char *name,
                       const struct totals *totals)
{
    struct fw_record r;

    totals_record(totals, &r);
    fw_json_field_text(j, "watch", name);
    fw_json_field_count(j, "right", r.right);
    fw_json_field_count(j, "falseAlarms", r.false_alarms);
    fw_json_field_count(j, "missed", r.missed);
    fw_json_field_count(j, "predictions", r.predictions);
    fw_json_field_count(j, "void", totals->voided);
    fw_json_field_double(j, "brier", r.brier);
    fw_json_field_span(j, "medianLead", r.median_lead);
    fw_json_key(j, "reliability");
    fw_json_array(j);
    for (int i = 0; i < TOTALS_BINS; i++) {
        fw_json_object(j);
        fw_json_field_double(j, "meanProbability",
                             totals->bins[i].sum /
                                 (double)totals->bins[i].count);
        fw_json_field_count(j, "breaches", totals->bins[i].breaches);
        fw_json_field_count(j, "count", totals->bins[i].count);
        fw_json_object_end(j);
    }
    fw_json_array_end(j);
}

static void put_values(struct fw_json *j, const struct totals *t)
{
    fw_json_key(j, "values");
    fw_json_object(j);
    fw_json_field_count(j, "count", t->valued);
    fw_json_field_count(j, "inside", t->inside);
    fw_json_field_double(j, "coverage", totals_coverage(t));
    fw_json_field_double(j, "pinball", totals_loss(t));
    fw_json_field_double(j, "skill", totals_skill(t));
    fw_json_object_end(j);
}

static void put_standing(struct fw_json *j, const struct standing *s)
{
    unsigned count, right;

    standing_newest(s, &count, &right);
    fw_json_key(j, "standing");
    fw_json_object(j);
    fw_json_field_text(j, "state", standing_name(s->state));
    fw_json_field_seconds(j, "since", s->since);
    fw_json_field_count(j, "newest", count);
    fw_json_field_count(j, "newestRight", right);
    fw_json_field_count(j, "backtestRight", s->tested_right);
    fw_json_field_count(j, "backtestFalseAlarms", s->tested_false);
    fw_json_field_count(j, "backtestMissed", s->tested_missed);
    fw_json_object_end(j);
}

static void put_calibration(struct fw_json *j, const struct calibration *c)
{
    fw_json_key(j, "calibration");
    fw_json_object(j);
    fw_json_field_bool(j, "inForce", c->in_force);
    fw_json_field_double(j, "slope", c->a);
    fw_json_field_double(j, "shift", c->b);
    fw_json_field_count(j, "trials", c->trials);
    fw_json_field_double(j, "brierRaw", c->trials > 0 ? c->brier_raw : NAN);
    fw_json_field_double(j, "brierCorrected",
                         c->trials > 0 ? c->brier_mapped : NAN);
    fw_json_object_end(j);
}

static void put_claim(struct fw_json *j, const struct claim *c)
{
    fw_json_object(j);
    fw_json_field_seconds(j, "firedAt", c->prediction.made_at);
    fw_json_field_double(j, "probability", c->prediction.probability);
    fw_json_field_text(j, "model", c->prediction.model);
    fw_json_field_double(j, "valueP50", c->prediction.extreme[1]);
    fw_json_field_text(j, "outcome", outcome_word(&c->score));
    if (c->score.outcome == OUTCOME_BREACH) {
        fw_json_field_seconds(j, "lead",
                              c->score.breached_at - c->prediction.made_at);
    }
    fw_json_key(j, "labels");
    fw_labels_json(j, &c->subject.labels);
    fw_json_object_end(j);
}

static fw_rc print_json(struct alert_view *view, const struct claims *claims,
                        struct fw_buf *out, struct fw_err *err)
{
    struct fw_json j;
    fw_rc rc = FW_OK;

    fw_json_init(&j, out);
    fw_json_array(&j);
    for (size_t i = 0; rc == FW_OK && i < view->watch_count; i++) {
        struct calibration calibration;
        struct standing standing;
        struct totals totals;

        rc = alert_view_totals(view, &view->watches[i], &totals, err);
        if (rc == FW_OK)
            rc = alert_view_standing(view, &view->watches[i], &standing, err);
        if (rc == FW_OK)
            rc = alert_view_calibration(view, &view->watches[i], &calibration,
                                        err);
        if (rc != FW_OK)
            break;
        fw_json_object(&j);
        put_totals(&j, view->watches[i].name, &totals);
        put_values(&j, &totals);
        put_standing(&j, &standing);
        put_calibration(&j, &calibration);
        if (claims != NULL) {
            fw_json_key(&j, "claims");
            fw_json_array(&j);
            for (uint64_t k = claims->count; k-- > 0;) {
                if (claims->count - k > NEWEST_CLAIMS)
                    break;
                put_claim(&j, &claims->ring[k % NEWEST_CLAIMS]);
            }
            fw_json_array_end(&j);
        }
        fw_json_object_end(&j);
    }
    fw_json_array_end(&j);
    if (rc == FW_OK)
        rc = fw_json_rc(&j);
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

static fw_rc print_record(struct alert_view *view, const char *watch, bool json,
                          struct fw_buf *out, struct fw_err *err)
{
    struct claims *claims = NULL;
    struct totals totals = {0};
    fw_rc rc = FW_OK;

    if (watch != NULL) {
        rc = alert_view_choose(view, watch, err);
        claims = fw_arena_calloc(view->arena, 1, sizeof(*claims));
        if (claims == NULL)
            rc = fw_arena_err(view->arena, err);
        if (rc != FW_OK)
            return rc;
        *claims = (struct claims){
            .view = view, .watch = fw_str_of(watch), .err = err};
        rc = ledger_each_from(view->txn, 0, keep_claim, claims, err);
        if (rc == FW_OK)
            rc = claims->rc;
        if (rc == FW_OK)
            rc = alert_view_totals(view, view->watches, &totals, err);
    }
    if (rc == FW_OK && json)
        return print_json(view, claims, out, err);
    if (rc == FW_OK)
        rc = print_totals(view, out, err);
    if (rc == FW_OK && claims != NULL && totals.predictions > 0)
        rc = print_bins(view, &totals, out);
    if (rc == FW_OK && claims != NULL && totals.valued > 0)
        rc = print_values(&totals, out);
    if (rc == FW_OK && claims != NULL)
        rc = print_claims(view, claims, out);
    return rc;
}

fw_rc record_json(struct fw_cli *cli, const char *watch, struct fw_buf *out,
                  struct fw_err *err)
{
    struct alert_view view = {0};
    fw_rc rc = alert_view_open(&view, cli, err);

    if (rc == FW_OK)
        rc = print_record(&view, watch, true, out, err);
    alert_view_close(&view);
    return rc;
}

int cmd_record(struct fw_cli *cli, int argc, char **argv)
{
    static const char *const formats[] = {"table", "json", NULL};
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct alert_view view = {0};
    struct fw_err err = {0};
    struct fw_args args;
    int format, code = FW_EXIT_OK;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = fw_args_choice(cli, &args, "format", formats, &format, &err);
    if (rc == FW_OK && args.rest_count > 1)
        rc = fw_err_set(&err, FW_EINVAL, "takes one watch, not %d",
                        args.rest_count);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = print_record(&view, args.rest_count == 1 ? args.rest[0] : NULL,
                          format == 1, &out, &err);
    if (rc != FW_OK) {
        if (err.text[0] == '\0')
            (void)fw_err_set(&err, rc, "the record cannot be printed: %s",
                             fw_rc_name(rc));
        code = err.rc == FW_ENOTFOUND ? FW_EXIT_NO : FW_EXIT_FAIL;
        (void)fw_cli_fail(cli, &err);
        if (err.rc == FW_EINVAL)
            code = FW_EXIT_USAGE;
    } else {
        (void)fwrite(out.data, 1, out.len, cli->out);
    }
    alert_view_close(&view);
    fw_buf_release(&out);
    return code;
}
