/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>

#include "server/alert/alert_state.h"

#define END (-1.0)      /* of a script */
#define CANNOT_TELL 2.0 /* as a probability */

/* One look a minute: a probability and what is seen, and what must follow. */
struct look {
    double probability;
    enum seen seen;
    enum alert_change change;
    enum alert_phase phase;
    fw_ms p50; /* 0: an hour */
};

struct story {
    const char *name;
    struct look looks[24];
};

static const struct alert_policy policy = {
    .probability = 0.8,
    .recover = 0.6,
    .lead = 10 * FW_MINUTE,
    .settle = 3 * FW_MINUTE,
    .gone = 5 * FW_MINUTE,
};

#define NO SEEN_NOTHING
#define IN SEEN_INSIDE
#define OUT SEEN_BEYOND
#define BREACH SEEN_BREACH

static const struct story stories[] = {
    {"one likely look does not fire",
     {{0.1, IN, ALERT_SAME, ALERT_INACTIVE, 0},
      {0.95, IN, ALERT_TO_PENDING, ALERT_PENDING, 0},
      {0.1, IN, ALERT_TO_QUIET, ALERT_INACTIVE, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"two in a row fire",
     {{0.8, IN, ALERT_TO_PENDING, ALERT_PENDING, 0},
      {0.8, IN, ALERT_TO_FIRING, ALERT_FIRING, 0},
      {0.9, IN, ALERT_SAME, ALERT_FIRING, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"between recover and probability nothing flaps",
     {{0.9, IN, ALERT_TO_PENDING, ALERT_PENDING, 0},
      {0.9, IN, ALERT_TO_FIRING, ALERT_FIRING, 0},
      {0.7, IN, ALERT_SAME, ALERT_FIRING, 0},
      {0.79, IN, ALERT_SAME, ALERT_FIRING, 0},
      {0.61, IN, ALERT_SAME, ALERT_FIRING, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"one calm look does not clear, two do",
     {{0.9, IN, ALERT_TO_PENDING, ALERT_PENDING, 0},
      {0.9, IN, ALERT_TO_FIRING, ALERT_FIRING, 0},
      {0.2, IN, ALERT_SAME, ALERT_FIRING, 0},
      {0.9, IN, ALERT_SAME, ALERT_FIRING, 0},
      {0.2, IN, ALERT_SAME, ALERT_FIRING, 0},
      {0.2, IN, ALERT_TO_RESOLVED, ALERT_INACTIVE, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"a foretold breach, and back",
     {{0.9, IN, ALERT_TO_PENDING, ALERT_PENDING, 0},
      {0.95, IN, ALERT_TO_FIRING, ALERT_FIRING, 0},
      {0.99, OUT, ALERT_SAME, ALERT_FIRING, 0},
      {0.99, BREACH, ALERT_TO_BREACHED, ALERT_BREACHED, 0},
      {0.99, BREACH, ALERT_SAME, ALERT_BREACHED, 0},
      {0.5, IN, ALERT_SAME, ALERT_BREACHED, 0},
      {0.5, OUT, ALERT_SAME, ALERT_BREACHED, 0},
      {0.3, IN, ALERT_SAME, ALERT_BREACHED, 0},
      {0.3, IN, ALERT_SAME, ALERT_BREACHED, 0},
      {0.3, IN, ALERT_SAME, ALERT_BREACHED, 0},
      {0.3, IN, ALERT_TO_RESOLVED, ALERT_INACTIVE, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"back inside, but predicted still",
     {{CANNOT_TELL, BREACH, ALERT_TO_BREACHED, ALERT_BREACHED, 0},
      {0.9, IN, ALERT_SAME, ALERT_BREACHED, 0},
      {0.9, IN, ALERT_SAME, ALERT_BREACHED, 0},
      {0.9, IN, ALERT_SAME, ALERT_BREACHED, 0},
      {0.9, IN, ALERT_TO_FORETOLD, ALERT_FIRING, 0},
      {0.9, BREACH, ALERT_TO_BREACHED, ALERT_BREACHED, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"a breach nobody foretold is told",
     {{0.1, IN, ALERT_SAME, ALERT_INACTIVE, 0},
      {0.1, OUT, ALERT_SAME, ALERT_INACTIVE, 0},
      {0.1, BREACH, ALERT_TO_BREACHED, ALERT_BREACHED, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"cannot tell never starts an alert",
     {{CANNOT_TELL, IN, ALERT_SAME, ALERT_INACTIVE, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_INACTIVE, 0},
      {0.9, IN, ALERT_TO_PENDING, ALERT_PENDING, 0},
      {CANNOT_TELL, IN, ALERT_TO_QUIET, ALERT_INACTIVE, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"cannot tell holds a running alert, but not for ever",
     {{0.9, IN, ALERT_TO_PENDING, ALERT_PENDING, 0},
      {0.9, IN, ALERT_TO_FIRING, ALERT_FIRING, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_FIRING, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_FIRING, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_FIRING, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_FIRING, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_FIRING, 0},
      {CANNOT_TELL, NO, ALERT_TO_RESOLVED, ALERT_INACTIVE, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"silence in a breach ends it, but not for ever",
     {{0.9, BREACH, ALERT_TO_BREACHED, ALERT_BREACHED, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_BREACHED, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_BREACHED, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_BREACHED, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_BREACHED, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_BREACHED, 0},
      {CANNOT_TELL, NO, ALERT_SAME, ALERT_BREACHED, 0},
      {CANNOT_TELL, NO, ALERT_TO_RESOLVED, ALERT_INACTIVE, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"nearer than the lead is not announced ahead",
     {{0.9, IN, ALERT_TO_PENDING, ALERT_PENDING, 5 * FW_MINUTE},
      {0.9, IN, ALERT_SAME, ALERT_PENDING, 4 * FW_MINUTE},
      {0.9, IN, ALERT_TO_FIRING, ALERT_FIRING, 11 * FW_MINUTE},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
    {"pending waits out a stay beyond the limit",
     {{0.9, IN, ALERT_TO_PENDING, ALERT_PENDING, FW_MINUTE},
      {0.5, OUT, ALERT_SAME, ALERT_PENDING, 0},
      {0.5, BREACH, ALERT_TO_BREACHED, ALERT_BREACHED, 0},
      {END, NO, ALERT_SAME, ALERT_INACTIVE, 0}}},
};

static void alerts_live_as_their_stories_tell(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        struct alert alert = {0};

        for (size_t k = 0; stories[i].looks[k].probability != END; k++) {
            const struct look *look = &stories[i].looks[k];
            struct alert_input in = {
                .now = (fw_ms)(k + 1) * FW_MINUTE,
                .told = look->probability != CANNOT_TELL,
                .probability = look->probability,
                .p50 = look->p50 != 0 ? look->p50 : FW_HOUR,
                .seen = look->seen,
            };
            enum alert_end why = ALERT_END_NONE;
            enum alert_change change = alert_look(&alert, &policy, &in, &why);

            if (change != look->change || alert.phase != look->phase)
                fail_msg("%s, look %zu: change %d to %s", stories[i].name,
                         k + 1, (int)change, alert_phase_name(alert.phase));
            assert_int_equal(change == ALERT_TO_RESOLVED,
                             why != ALERT_END_NONE);
            assert_int_equal(alert_is_active(&alert), alert.fired_at != 0);
        }
    }
}

static void a_breach_remembers_whether_it_was_foretold(void **state)
{
    struct alert alert = {.phase = ALERT_FIRING, .fired_at = 5, .since = 5};
    struct alert_input in = {.now = 100, .seen = SEEN_BREACH};
    enum alert_end why;

    (void)state;
    assert_int_equal(alert_look(&alert, &policy, &in, &why), ALERT_TO_BREACHED);
    assert_true(alert.foretold);
    assert_int_equal(alert.fired_at, 5); /* still the same alert */
    alert = (struct alert){0};
    assert_int_equal(alert_look(&alert, &policy, &in, &why), ALERT_TO_BREACHED);
    assert_false(alert.foretold);
    assert_int_equal(alert.fired_at, 100);
}

/* Whatever comes, an alert is never told twice nor ended twice. */
static void random_looks_keep_the_order_of_changes(void **state)
{
    uint64_t seed = fixture_seed() * 2654435761u + 1;
    struct alert alert = {0};
    bool active = false;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct alert_input in;
        enum alert_end why;
        enum alert_change change;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        in = (struct alert_input){
            .now = (fw_ms)(i + 1) * FW_MINUTE,
            .told = (seed >> 60) > 2,
            .probability = (double)((seed >> 40) & 1023) / 1023.0,
            .p50 = (fw_ms)((seed >> 30) & 63) * FW_MINUTE,
            .seen = (enum seen)((seed >> 36) & 3),
        };
        change = alert_look(&alert, &policy, &in, &why);
        if (change == ALERT_TO_FIRING)
            assert_false(active);
        if (change == ALERT_TO_RESOLVED || change == ALERT_TO_FORETOLD)
            assert_true(active);
        active = alert_is_active(&alert);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alerts_live_as_their_stories_tell),
        cmocka_unit_test(a_breach_remembers_whether_it_was_foretold),
        cmocka_unit_test(random_looks_keep_the_order_of_changes),
    };

    return fixture_main(argc, argv, tests);
}
