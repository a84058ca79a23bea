/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>

#include "query/cli/chart_axis.h"
#include "query/query.h"

#define POINTS 60

static fw_ms times[POINTS];
static double rising[POINTS], level[POINTS], lower[POINTS], upper[POINTS];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < POINTS; i++) {
        times[i] = 1700000000000 + (fw_ms)i * 60000;
        rising[i] = (double)i;
        level[i] = 7;
        lower[i] = (double)i - 5;
        upper[i] = (double)i + 5;
    }
    return 0;
}

static struct fw_chart_line line_of(const double *v)
{
    return (struct fw_chart_line){
        .title = FW_STR("line"), .t = times, .v = v, .n = POINTS};
}

static size_t rows_of(const struct fw_buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < out->len; i++)
        n += out->data[i] == '\n';
    return n;
}

static size_t widest_row(const struct fw_buf *out)
{
    size_t widest = 0;
    size_t start = 0;

    for (size_t i = 0; i < out->len; i++) {
        size_t n;

        if (out->data[i] != '\n')
            continue;
        n = fw_utf8_columns(out->data + start, i - start);
        widest = n > widest ? n : widest;
        start = i + 1;
    }
    return widest;
}

static void a_chart_fits_its_window(void **state)
{
    static const int sizes[][2] = {{0, 0},  {80, 20}, {40, 10}, {200, 50},
                                   {24, 6}, {1, 1},   {120, 8}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct fw_chart_line line = line_of(rising);
        struct fw_chart chart = {.lines = &line,
                                 .line_count = 1,
                                 .title = "a title",
                                 .columns = sizes[i][0],
                                 .rows = sizes[i][1]};
        size_t columns = sizes[i][0] > 24 ? (size_t)sizes[i][0] : 24;
        size_t rows = sizes[i][1] > 7 ? (size_t)sizes[i][1] : 7;
        struct fw_buf out = FW_BUF_INIT(1 << 20);

        if (sizes[i][0] == 0) {
            columns = 80;
            rows = 20;
        }
        assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
        assert_true(widest_row(&out) <= columns);
        assert_true(rows_of(&out) <= rows);
        fw_buf_release(&out);
    }
}

static void ascii_charts_are_plain_bytes(void **state)
{
    struct fw_chart_line line = line_of(rising);
    struct fw_chart chart = {.lines = &line,
                             .line_count = 1,
                             .rows = 10,
                             .columns = 50,
                             .ascii = true};
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    double limit = 40;

    (void)state;
    line.lower = lower;
    line.upper = upper;
    chart.limits = &limit;
    chart.limit_count = 1;
    assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
    for (size_t i = 0; i < out.len; i++)
        assert_true(out.data[i] == '\n' ||
                    (out.data[i] >= ' ' && out.data[i] <= '~'));
    assert_non_null(strchr(out.data, '*'));
    assert_non_null(strchr(out.data, '.'));
    fw_buf_release(&out);
}

/* Rows of the chart that the line, drawn as '*', is on. */
static size_t rows_drawn(const struct fw_buf *out)
{
    size_t rows = 0;
    bool drawn = false;

    for (size_t i = 0; i < out->len; i++) {
        drawn |= out->data[i] == '*';
        if (out->data[i] == '\n') {
            rows += drawn ? 1 : 0;
            drawn = false;
        }
    }
    return rows;
}

static void a_limit_far_off_flattens_nothing(void **state)
{
    static const double limits[] = {70, 1e6, -1e6};
    static const char *const arrows[] = {NULL, "^ limit 1.000M",
                                         "v limit -1.000M"};
    struct fw_chart_line line = line_of(rising);
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    size_t before = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fw_chart chart = {.lines = &line,
                                 .line_count = 1,
                                 .limits = &limits[i],
                                 .limit_count = 1,
                                 .rows = 20,
                                 .ascii = true};

        fw_buf_clear(&out);
        assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
        assert_true(rows_of(&out) <= 20);
        if (arrows[i] == NULL)
            assert_null(strstr(out.data, "limit"));
        else
            assert_non_null(strstr(out.data, arrows[i]));
        before = i == 0 ? rows_drawn(&out) : before;
        assert_true(rows_drawn(&out) + 3 >= before);
        assert_true(rows_drawn(&out) >= 10);
    }
    fw_buf_release(&out);
}

static void colours_come_only_when_asked_for(void **state)
{
    struct fw_chart_line line = line_of(rising);
    struct fw_chart chart = {.lines = &line, .line_count = 1};
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    (void)state;
    assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
    assert_null(strchr(out.data, '\033'));
    fw_buf_clear(&out);
    chart.color = true;
    assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
    assert_non_null(strstr(out.data, "\033[36m"));
    assert_non_null(strstr(out.data, "\033[0m"));
    fw_buf_release(&out);
}

static void names_cannot_reach_the_terminal(void **state)
{
    struct fw_chart_line line = line_of(rising);
    struct fw_chart chart = {
        .lines = &line, .line_count = 1, .title = "evil \033[2J title"};
    struct fw_buf out = FW_BUF_INIT(1 << 20);

    (void)state;
    line.title = FW_STR("\033]0;gone\007");
    assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
    assert_null(strchr(out.data, '\033'));
    fw_buf_release(&out);
}

static void odd_data_is_drawn_too(void **state)
{
    double odd[POINTS];
    struct fw_chart_line lines[3] = {line_of(level), line_of(odd),
                                     line_of(rising)};
    struct fw_chart chart = {.lines = lines, .line_count = 3};
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    fw_ms mark = 1700000000000 + 1800000;

    (void)state;
    for (size_t i = 0; i < POINTS; i++)
        odd[i] = i % 3 == 0 ? NAN : i % 5 == 0 ? INFINITY : 1e300 * (double)i;
    lines[2].n = 0;
    chart.marks = &mark;
    chart.mark_count = 1;
    assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
    chart.line_count = 0;
    assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
    chart.line_count = 1;
    lines[0].n = 1;
    assert_int_equal(fw_print_chart(&chart, &out), FW_OK);
    fw_buf_release(&out);
}

static void expect_axis(double min, double max, int ticks, bool binary,
                        const char *first, const char *second)
{
    struct value_axis axis = value_axis_make(min, max, ticks, binary);
    char label[AXIS_LABEL_BYTES];

    assert_true(axis.low <= min && axis.high >= max);
    value_axis_label(&axis, axis.low, label);
    assert_string_equal(label, first);
    value_axis_label(&axis, axis.low + axis.step, label);
    assert_string_equal(label, second);
}

static void ticks_stand_at_round_values(void **state)
{
    (void)state;
    expect_axis(0, 100, 5, false, "0", "20");
    expect_axis(0.1, 0.9, 4, false, "0.0", "0.2");
    expect_axis(0, 1234567, 4, false, "0.0", "0.5M");
    expect_axis(0, 4e9, 4, true, "0", "1Gi");
    expect_axis(-5, 5, 4, false, "-5", "0");
    expect_axis(1e-9, 5e-9, 4, false, "0.000000001", "0.000000002");
    expect_axis(7, 7, 2, false, "6", "7");
    expect_axis(0, 0, 2, false, "-1", "0");
    expect_axis(1500, 2500, 4, false, "1.5k", "2.0k");
}

static void time_labels_suit_their_distance(void **state)
{
    char label[AXIS_LABEL_BYTES];
    fw_ms t = 1700000000000; /* 2023-11-14 22:13:20 */
    struct time_axis axis = time_axis_make(t, t + 60000, 60);

    (void)state;
    time_axis_label(&axis, axis.first, label);
    assert_string_equal(label, "22:13:30");
    axis = time_axis_make(t, t + FW_HOUR, 60);
    time_axis_label(&axis, axis.first, label);
    assert_string_equal(label, "22:20");
    axis = time_axis_make(t, t + 30 * FW_DAY, 60);
    time_axis_label(&axis, axis.first, label);
    assert_string_equal(label, "16 Nov");
    axis = time_axis_make(-40 * 365 * FW_DAY, t, 60);
    assert_true(axis.step >= 365 * FW_DAY);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup(f, fill)
    const struct CMUnitTest tests[] = {
        TEST(a_chart_fits_its_window),
        TEST(ascii_charts_are_plain_bytes),
        TEST(a_limit_far_off_flattens_nothing),
        TEST(colours_come_only_when_asked_for),
        TEST(names_cannot_reach_the_terminal),
        TEST(odd_data_is_drawn_too),
        TEST(ticks_stand_at_round_values),
        TEST(time_labels_suit_their_distance),
    };
    return fixture_main(argc, argv, tests);
}
