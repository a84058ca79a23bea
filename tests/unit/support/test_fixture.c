/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_fixture.c - clock, folders and series do what their headers say.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fake_clock.h"
#include "tests/support/fixture.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

static void time_moves_only_when_told(void **state)
{
    (void)state;
    struct fake_clock fake;
    fake_clock_init(&fake, 1000);
    const struct fw_clock *clock = &fake.clock;
    uint64_t mono = fw_clock_mono_ns(clock);
    assert_int_equal(fw_clock_now(clock), 1000);
    fake_clock_advance(&fake, 500);
    assert_int_equal(fw_clock_now(clock), 1500);
    assert_int_equal(fw_clock_mono_ns(clock) - mono, 500000000);
}

static void a_step_leaves_monotonic_time_alone(void **state)
{
    (void)state;
    struct fake_clock fake;
    fake_clock_init(&fake, 1000);
    uint64_t mono = fw_clock_mono_ns(&fake.clock);
    fake_clock_step(&fake, -5);
    assert_int_equal(fw_clock_now(&fake.clock), -5);
    assert_int_equal(fw_clock_mono_ns(&fake.clock), mono);
}

static void a_folder_goes_with_all_that_is_in_it(void **state)
{
    (void)state;
    char inner[512], path[600];
    struct stat st;
    const char *folder = tmpdir_new();
    tmpdir_path(inner, sizeof(inner), folder, "inner");
    assert_int_equal(mkdir(inner, 0700), 0);
    FILE *f = fopen(tmpdir_path(path, sizeof(path), inner, "file"), "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(symlink("/", tmpdir_path(path, sizeof(path), inner, "up")),
                     0);
    tmpdir_remove(folder);
    assert_int_equal(stat(folder, &st), -1);
    assert_int_equal(stat("/etc", &st), 0);
}

static void two_folders_are_two(void **state)
{
    (void)state;
    assert_string_not_equal(tmpdir_new(), tmpdir_new());
}

static void shapes_add_up(void **state)
{
    (void)state;
    double out[8] = {0};
    synth_ramp(out, 8, 10.0, 2.0);
    synth_step(out, 8, 6, 100.0);
    assert_true(out[0] == 10.0);
    assert_true(out[5] == 20.0);
    assert_true(out[6] == 122.0);
    double saw[8] = {0};
    synth_sawtooth(saw, 8, 4, 1.0, 5.0);
    assert_true(saw[0] == 1.0);
    assert_true(saw[3] == 4.0);
    assert_true(saw[4] == 1.0);
    double wave[8] = {0};
    synth_season(wave, 8, 8.0, 3.0);
    assert_true(fabs(wave[2] - 3.0) < 1e-12);
    assert_true(fabs(wave[6] + 3.0) < 1e-12);
}

static void noise_has_the_moments_it_promises(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double out[N];
    struct synth_rng rng = synth_seed(fixture_seed());
    memset(out, 0, sizeof(out));
    synth_noise(&rng, out, N, 2.0);
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < N; i++) {
        sum += out[i];
        squares += out[i] * out[i];
    }
    /* Six standard errors: once in 5e8 seeds. */
    assert_true(fabs(sum / N) < 6.0 * 2.0 / sqrt(N));
    assert_true(fabs(squares / N - 4.0) < 6.0 * 4.0 * sqrt(2.0 / N));
}

static void the_same_seed_gives_the_same_series(void **state)
{
    (void)state;
    struct synth_rng one = synth_seed(7), two = synth_seed(7);
    double a[100] = {0}, b[100] = {0};
    synth_walk(&one, a, 100, 1.0);
    synth_walk(&two, b, 100, 1.0);
    assert_memory_equal(a, b, sizeof(a));
    struct synth_rng zero = synth_seed(0);
    assert_true(synth_u64(&zero) == UINT64_C(0xe220a8397b1dcdaf));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_moves_only_when_told),
        cmocka_unit_test(a_step_leaves_monotonic_time_alone),
        cmocka_unit_test(a_folder_goes_with_all_that_is_in_it),
        cmocka_unit_test(two_folders_are_two),
        cmocka_unit_test(shapes_add_up),
        cmocka_unit_test(noise_has_the_moments_it_promises),
        cmocka_unit_test(the_same_seed_gives_the_same_series),
    };
    return fixture_main(argc, argv, tests);
}
