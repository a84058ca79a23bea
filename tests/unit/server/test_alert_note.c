/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "server/alert/alert_note.h"

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
    (void)state;
    assert_int_equal(alert_fingerprint(&watch, &labels, TOLD),
                     UINT64_C(0x7a292067c5ad4b7b));
}

static const char *text_at(const json_t *root, const char *a, const char *b)
{
    return json_string_value(json_object_get(json_object_get(root, a), b));
}

static void the_body_is_alertmanagers_and_a_forecast(void **state)
{
    struct watched_state s = state_at(0.934);
    struct alert_note note = {.watch = &watch,
                              .labels = &labels,
                              .state = &s,
                              .change = ALERT_TO_FIRING,
                              .fired_at = 30 * FW_MINUTE,
                              .now = 31 * FW_MINUTE,
                              .record = {.right = 3,
                                         .false_alarms = 1,
                                         .predictions = 9,
                                         .brier = NAN,
                                         .median_lead = FW_HOUR}};
    struct fw_buf body = FW_BUF_INIT(65536);
    const json_t *alert;
    json_t *root;

    (void)state;
    assert_int_equal(alert_note_payload(&note, &body), FW_OK);
    root = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "version")),
                        "4");
    assert_string_equal(text_at(root, "commonLabels", "severity"), "page");
    assert_string_equal(text_at(root, "commonLabels", "alertname"), "DiskFull");
    assert_null(text_at(root, "commonLabels", FW_METRIC_NAME));
    assert_string_equal(text_at(root, "commonAnnotations", "record"),
                        "right 3 times, 1 false alarm, 0 missed, median lead "
                        "1h");
    alert = json_array_get(json_object_get(root, "alerts"), 0);
    assert_string_equal(json_string_value(json_object_get(alert, "startsAt")),
                        "1970-01-01T00:30:00Z");
    assert_string_equal(json_string_value(json_object_get(alert, "endsAt")),
                        "0001-01-01T00:00:00Z");
    assert_true(
        json_real_value(json_object_get(json_object_get(root, "forecast"),
                                        "probability")) == 0.934);
    assert_true(json_is_null(json_object_get(
        json_object_get(json_object_get(root, "forecast"), "record"),
        "brier")));
    json_decref(root);
    fw_buf_clear(&body);
    note.change = ALERT_TO_RESOLVED;
    note.end = ALERT_END_GONE;
    s.outlook.told = false;
    assert_int_equal(alert_note_payload(&note, &body), FW_OK);
    root = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "status")),
                        "resolved");
    alert = json_array_get(json_object_get(root, "alerts"), 0);
    assert_string_equal(json_string_value(json_object_get(alert, "endsAt")),
                        "1970-01-01T00:31:00Z");
    assert_true(json_is_null(
        json_object_get(json_object_get(root, "forecast"), "probability")));
    json_decref(root);
    fw_buf_release(&body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_in_sentences),
        cmocka_unit_test(the_fingerprint_is_alertmanagers),
        cmocka_unit_test(the_body_is_alertmanagers_and_a_forecast),
    };

    return fixture_main(argc, argv, tests);
}
