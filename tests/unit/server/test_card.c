/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/alert/card.h"

#define NOW (1700000000 * FW_SECOND)
#define POINTS 24

static struct fw_err err;
static struct fw_arena *arena;

static fw_ms t[POINTS], past_t[100];
static double point[POINTS], lower[POINTS], upper[POINTS], past_v[100];

static struct config_watch watch = {
    .name = "DiskFull",
    .expr = "disk_free",
    .breach_text = "< 5",
    .breach = {.side = FW_BELOW, .limit = 5, .for_ms = 10 * FW_MINUTE},
    .horizon = FW_DAY,
    .probability = 0.8,
    .owner = "storage@example.org",
    .reason = "writes fail",
    .minimum_precision = 0.7};
static struct fw_forecast forecast;
static struct standing standing;
static struct fw_label label = {{"host", 4}, {"a", 1}};
static struct fw_labels labels = {&label, 1};
static struct card_input in;

static int begin(void **state)
{
    (void)state;
    arena = fw_arena_new((size_t)1 << 20);
    for (int i = 0; i < POINTS; i++) {
        t[i] = NOW + (i + 1) * FW_HOUR;
        point[i] = 24 - i;
        lower[i] = point[i] - 2;
        upper[i] = point[i] + 2;
    }
    for (int i = 0; i < 100; i++) {
        past_t[i] = NOW - (99 - i) * FW_HOUR;
        past_v[i] = 124 - i;
    }
    forecast = (struct fw_forecast){
        .verdict = FW_TREND,
        .why = "it changes by -1 per hour",
        .step = FW_HOUR,
        .n = POINTS,
        .t = t,
        .point = point,
        .lower = lower,
        .upper = upper,
        .history_n = 100,
        .history_t = past_t,
        .history_v = past_v,
        .level = 0.95,
        .model = "robust trend",
        .scores = {{"robust trend", 1, 0.25, 0.94, 24}},
        .score_count = 1,
        .beats_naive = true,
        .assumes = "It is assumed that it goes on.",
        .has_passage = true,
        .passage = {.probability = 0.93,
                    .p10 = 16 * FW_HOUR,
                    .p50 = 19 * FW_HOUR,
                    .p90 = 22 * FW_HOUR},
    };
    standing = (struct standing){.state = STANDING_TRIAL};
    in = (struct card_input){
        .watch = &watch,
        .labels = &labels,
        .forecast = &forecast,
        .current = 25,
        .current_at = NOW,
        .spacing = FW_MINUTE,
        .now = NOW,
        .watch_record = {.brier = NAN, .median_lead = -1},
        .standing = &standing,
        .standing_why = "0 of its alerts have been judged, 5 are the least",
    };
    return 0;
}

static int end(void **state)
{
    (void)state;
    fw_arena_free(arena);
    return 0;
}

static struct card write(void)
{
    struct card card;

    err = (struct fw_err){0};
    if (card_write(&in, arena, &card, &err) != FW_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < CARD_PARTS; i++)
        assert_true(card.answers[i].n > 20);
    return card;
}

static void must_say(const struct card *card, enum card_part part,
                     const char *words)
{
    if (strstr(card->answers[part].p, words) == NULL)
        fail_msg("'%s' is not in: %s", words, card->answers[part].p);
}

static void must_not_say(const struct card *card, enum card_part part,
                         const char *words)
{
    if (strstr(card->answers[part].p, words) != NULL)
        fail_msg("'%s' is in: %s", words, card->answers[part].p);
}

static void a_warning_says_what_would_refute_it(void **state)
{
    struct card card = write();

    (void)state;
    must_say(&card, CARD_CLAIM,
             "The value, now 25, will be < 5 for at least 10m within 1d with a "
             "probability of 93 %. It is likely in 19h, with four chances in "
             "five between 16h and 22h.");
    must_say(&card, CARD_ASSUMES, "it changes by -1 per hour");
    must_say(&card, CARD_ASSUMES, "It is assumed that it goes on.");
    must_say(&card, CARD_ASSUMES,
             "robust trend: error 0.25 times the naive one's over 24 earlier "
             "moments, 94 % of outcomes inside its interval");
    /* A quarter of the horizon on: 6 h from now, where 19 +- 2 is expected. */
    assert_int_equal(card.wrong_at, NOW + 6 * FW_HOUR);
    assert_true(card.wrong_value == 21);
    assert_int_equal(card.wrong_side, FW_ABOVE);
    must_say(&card, CARD_WRONG_IF,
             "If at 2023-11-15T04:13:20Z the value is above 21");
    must_say(&card, CARD_WRONG_IF,
             "If no breach has begun by 2023-11-15T22:13:20Z, it was a false "
             "alarm");
    must_say(&card, CARD_RECORD, "This watch: no record yet.");
    must_say(&card, CARD_RECORD, "So the watch is trial: 0 of its alerts");
    must_not_say(&card, CARD_RECORD, "This series");
    must_say(&card, CARD_DUTY,
             "Owner: storage@example.org. It matters because "
             "writes fail.");
    must_say(&card, CARD_DUTY, "record=\"unproven\"");
}

static void calm_is_refuted_by_what_comes_near_the_limit(void **state)
{
    struct card card;

    (void)state;
    forecast.passage = (struct fw_passage){
        .probability = 0.002, .p10 = -1, .p50 = -1, .p90 = -1};
    card = write();
    must_say(&card, CARD_CLAIM, "with a probability of less than 1 %.");
    must_say(&card, CARD_CLAIM, "More likely than not it does not come");
    must_say(&card, CARD_CLAIM, "The watch warns from 80 % on");
    assert_int_equal(card.wrong_side, FW_BELOW);
    assert_true(card.wrong_value == 17);
    must_say(&card, CARD_WRONG_IF, "nobody was warned by then, it was missed");
}

static void a_limit_above_turns_the_sides_round(void **state)
{
    struct config_watch above = watch;
    struct card card;

    (void)state;
    above.breach = (struct fw_breach){.side = FW_ABOVE, .limit = 90};
    above.breach_text = "> 90";
    in.watch = &above;
    card = write();
    assert_int_equal(card.wrong_side, FW_BELOW);
    assert_true(card.wrong_value == 17);
}

static void cannot_tell_is_an_answer_with_its_reason(void **state)
{
    struct card card;

    (void)state;
    forecast.verdict = FW_CANNOT_TELL;
    forecast.reason = FW_TOO_SHORT;
    forecast.has_passage = false;
    forecast.history_n = 0;
    (void)snprintf(forecast.why, sizeof(forecast.why), "3 samples are too few");
    card = write();
    must_say(&card, CARD_CLAIM,
             "Nothing: we cannot tell (too short). 3 "
             "samples are too few.");
    must_say(&card, CARD_WRONG_IF, "once more samples are there");
    assert_int_equal(card.wrong_at, 0);
}

static void the_record_and_other_explanations_have_numbers(void **state)
{
    struct fw_record series = {.right = 2, .median_lead = 3 * FW_HOUR};
    struct card card;

    (void)state;
    in.watch_record = (struct fw_record){.predictions = 240,
                                         .right = 9,
                                         .false_alarms = 1,
                                         .missed = 2,
                                         .brier = 0.0314,
                                         .median_lead = 6 * FW_HOUR};
    in.series_record = in.model_record = &series;
    in.last_false_alarm = NOW - FW_DAY;
    in.current_at = NOW - FW_HOUR;
    standing.state = STANDING_SHADOW;
    forecast.verdict = FW_SAWTOOTH;
    forecast.season = 12;
    forecast.beats_naive = false;
    past_v[3] = past_v[4] = NAN;
    card = write();
    must_say(&card, CARD_RECORD,
             "This watch: right 9 times, 1 false alarm, 2 missed, median lead "
             "6h; Brier score 0.031 over 240 graded predictions; its last "
             "false alarm was on 2023-11-13T22:13:20Z.");
    must_say(&card, CARD_RECORD, "This series: right 2 times");
    must_say(&card, CARD_RECORD, "The model (robust trend), over all watches");
    must_say(&card, CARD_ELSE, "it has come back by itself before");
    must_say(&card, CARD_ELSE, "one of 12h was found");
    must_say(&card, CARD_ELSE, "no model did better");
    must_say(&card, CARD_ELSE, "the newest sample is 1h old");
    must_say(&card, CARD_ELSE, "2.0 % of the past is missing");
    must_say(&card, CARD_UNKNOWN,
             "4d 3h of history is used; a season longer "
             "than 2d 1h could not be seen.");
    must_say(&card, CARD_UNKNOWN, "held 94 %");
    must_say(&card, CARD_DUTY, "tells nobody: the watch is in shadow");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_warning_says_what_would_refute_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            calm_is_refuted_by_what_comes_near_the_limit, begin, end),
        cmocka_unit_test_setup_teardown(a_limit_above_turns_the_sides_round,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            cannot_tell_is_an_answer_with_its_reason, begin, end),
        cmocka_unit_test_setup_teardown(
            the_record_and_other_explanations_have_numbers, begin, end),
    };

    return fixture_main(argc, argv, tests);
}
