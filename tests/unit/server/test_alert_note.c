/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "server/alert/alert_note.h"
#include "server/notify/silence.h"

static struct fw_label label_v[] = {
    {{FW_METRIC_NAME, 8}, {"disk_free", 9}},
    {{"host", 4}, {"a", 1}},
    {{"severity", 8}, {"info", 4}},
};
static struct config_label own_labels[] = {{"severity", "page"}};
static const struct fw_labels labels = {label_v, 3};
static const struct config_watch watch = {
    .name = "DiskFull",
    .expr = "disk_free",
    .breach_text = "< 5",
    .breach = {.side = FW_BELOW, .limit = 5},
    .horizon = 6 * FW_HOUR,
    .owner = "storage@example.org",
    .reason = "writes fail",
    .labels = own_labels,
    .label_count = 1,
};

static struct watched_state state_at(double probability)
{
    return (struct watched_state){
        .alert = {.phase = ALERT_FIRING, .foretold = true},
        .observed = {.value = 12.25, .breached_at = 90 * FW_MINUTE},
        .outlook = {.told = true,
                    .probability = probability,
                    .p10 = 40 * FW_MINUTE,
                    .p50 = 80 * FW_MINUTE,
                    .p90 = 3 * FW_HOUR,
                    .model = "holt"}};
}

static void sentence_is(const struct alert_note *note, const char *want)
{
    struct fw_buf text = FW_BUF_INIT(4096);

    assert_int_equal(alert_note_sentence(note, &text), FW_OK);
    assert_string_equal(text.data, want);
    fw_buf_release(&text);
}

static void changes_are_told_in_sentences(void **state)
{
    struct watched_state s = state_at(0.934);
    struct alert_note note = {.watch = &watch,
                              .labels = &labels,
                              .state = &s,
                              .change = ALERT_TO_FIRING,
                              .fired_at = 30 * FW_MINUTE,
                              .now = 31 * FW_MINUTE};

    (void)state;
    sentence_is(&note, "DiskFull{host=\"a\",severity=\"info\"} predicted: < 5 "
                       "within 6h with probability 0.93, in about 1h 20m "
                       "(40m to 3h); now 12.25, model holt");
    s.outlook.p90 = -1;
    sentence_is(&note, "DiskFull{host=\"a\",severity=\"info\"} predicted: < 5 "
                       "within 6h with probability 0.93, in about 1h 20m "
                       "(not before 40m); now 12.25, model holt");
    note.change = ALERT_TO_BREACHED;
    sentence_is(&note, "DiskFull{host=\"a\",severity=\"info\"} breached: now "
                       "12.25, limit < 5; foretold 1h ahead");
    s.alert.foretold = false;
    sentence_is(&note, "DiskFull{host=\"a\",severity=\"info\"} breached: now "
                       "12.25, limit < 5; it was not foretold");
    note.change = ALERT_TO_RESOLVED;
    note.end = ALERT_END_CALM;
    s.outlook.probability = 0.1;
    sentence_is(&note, "DiskFull{host=\"a\",severity=\"info\"} resolved: the "
                       "danger has passed; probability 0.10");
}

/*
 * The value that prometheus/common's LabelSet.Fingerprint gives for these three
 * labels, worked out by its definition with another program.
 */
static void the_fingerprint_is_alertmanagers(void **state)
{
    struct fw_label v[ALERT_NOTE_LABELS];
    struct fw_labels own = {v, alert_note_labels(&watch, &labels, TOLD, v)};

    (void)state;
    assert_int_equal(silence_fingerprint(&own), UINT64_C(0x7a292067c5ad4b7b));
}

/* An annotation, or NULL. */
static const char *said(const struct alert_words *words, const char *name)
{
    for (size_t i = 0; i < words->n; i++)
        if (fw_str_eq(words->v[i].name, fw_str_of(name)))
            return words->v[i].value.p;
    return NULL;
}

static void annotations_carry_the_forecast_and_the_record(void **state)
{
    struct watched_state s = state_at(0.934);
    struct alert_note note = {
        .watch = &watch,
        .labels = &labels,
        .state = &s,
        .change = ALERT_TO_FIRING,
        .fired_at = 30 * FW_MINUTE,
        .now = 31 * FW_MINUTE,
        .record = {.right = 3, .false_alarms = 1, .median_lead = FW_HOUR}};
    struct alert_words words = {0};

    (void)state;
    assert_int_equal(alert_words_make(&words, &note), FW_OK);
    assert_string_equal(said(&words, "probability"), "0.93");
    assert_string_equal(said(&words, "time_to_breach_p10"), "40m");
    assert_string_equal(said(&words, "time_to_breach_p90"), "3h");
    assert_string_equal(said(&words, "value"), "12.25");
    assert_string_equal(said(&words, "model"), "holt");
    assert_string_equal(said(&words, "state"), "predicted");
    assert_string_equal(said(&words, "record"),
                        "right 3 times, 1 false alarm, 0 missed, median lead "
                        "1h");
    for (size_t i = 1; i < words.n; i++)
        assert_true(fw_str_cmp(words.v[i - 1].name, words.v[i].name) < 0);
    alert_words_release(&words);
    note.change = ALERT_TO_RESOLVED;
    note.end = ALERT_END_GONE;
    s.outlook.told = false;
    assert_int_equal(alert_words_make(&words, &note), FW_OK);
    assert_null(said(&words, "probability"));
    assert_string_equal(said(&words, "resolved_because"),
                        "there is no forecast any more");
    alert_words_release(&words);
}

static void the_forecast_is_an_object(void **state)
{
    struct watched_state s = state_at(0.934);
    struct alert_note note = {.watch = &watch,
                              .labels = &labels,
                              .state = &s,
                              .change = ALERT_TO_FIRING,
                              .record = {.predictions = 9, .brier = NAN}};
    struct fw_buf text = FW_BUF_INIT(65536);
    struct fw_json json;
    json_t *root;

    (void)state;
    fw_json_init(&json, &text);
    alert_note_forecast(&note, &json);
    assert_int_equal(fw_json_rc(&json), FW_OK);
    root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_true(json_real_value(json_object_get(root, "probability")) == 0.934);
    assert_true(json_is_null(
        json_object_get(json_object_get(root, "record"), "brier")));
    json_decref(root);
    fw_buf_release(&text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_in_sentences),
        cmocka_unit_test(the_fingerprint_is_alertmanagers),
        cmocka_unit_test(annotations_carry_the_forecast_and_the_record),
        cmocka_unit_test(the_forecast_is_an_object),
    };

    return fixture_main(argc, argv, tests);
}
