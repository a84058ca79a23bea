/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "predict/predict.h"
#include "tests/support/synth.h"

#define N 400

struct page {
    struct fw_arena *arena;
    struct fw_report_row rows[3];
    struct fw_buf out;
    fw_ms now;
};

static void forecast(struct page *p, size_t row, size_t n, double slope,
                     double limit)
{
    static fw_ms t[N];
    static double v[N];
    struct fw_forecast_options o = {.now = p->now, .horizon = 6 * FW_HOUR};
    struct fw_report_row *r = &p->rows[row];

    memset(v, 0, sizeof(v));
    synth_ramp(v, n, 10.0, slope);
    for (size_t i = 0; i < n; i++)
        t[i] = p->now - (fw_ms)(n - 1 - i) * 5 * FW_MINUTE;
    r->breach = (struct fw_breach){.side = FW_ABOVE, .limit = limit};
    o.breach = &r->breach;
    r->horizon = o.horizon;
    r->probability = 0.7;
    r->record.median_lead = -1;
    r->record.brier = NAN;
    r->series.current = v[n - 1];
    r->series.current_at = p->now;
    assert_int_equal(
        fw_forecast_run(t, v, n, &o, p->arena, &r->series.forecast, NULL),
        FW_OK);
}

static int set_up(void **state)
{
    static struct page p;

    memset(&p, 0, sizeof(p));
    p.arena = fw_arena_new((size_t)64 << 20);
    if (p.arena == NULL)
        return 1;
    p.now = 1700000000000;
    fw_buf_init(&p.out, (size_t)16 << 20);
    forecast(&p, 0, N, 0.0, 99.0);
    p.rows[0].watch = FW_STR("calm <one>");
    p.rows[0].expr = FW_STR("a{b=\"<script>alert(1)</script>\"}");
    p.rows[0].reason = FW_STR("it's \"the\" <b>reason</b> & more\x1b[31m");
    forecast(&p, 1, 3, 0.0, 99.0);
    p.rows[1].watch = FW_STR("unknown");
    forecast(&p, 2, N, 0.1, 52.0);
    p.rows[2].watch = FW_STR("filling");
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    struct page *p = *state;

    fw_buf_release(&p->out);
    fw_arena_free(p->arena);
    return 0;
}

static const char *print(struct page *p, enum fw_report_format format)
{
    fw_buf_clear(&p->out);
    assert_int_equal(fw_report_print(p->rows, 3, p->now, format, false, 90,
                                     FW_STR("The <end>."), &p->out, NULL),
                     FW_OK);
    return p->out.data;
}

static void the_most_urgent_comes_first(void **state)
{
    struct page *p = *state;
    static const enum fw_report_format formats[] = {
        FW_REPORT_TEXT, FW_REPORT_JSON, FW_REPORT_HTML};

    for (size_t i = 0; i < 3; i++) {
        const char *text = print(p, formats[i]);
        const char *filling = strstr(text, "filling");
        const char *unknown = strstr(text, "unknown");
        const char *calm = strstr(text, "calm");

        assert_non_null(filling);
        assert_non_null(unknown);
        assert_non_null(calm);
        assert_true(filling < unknown);
    }
}

static void beyond_the_horizon_a_steady_climb_is_told_as_a_line(void **state)
{
    struct page *p = *state;
    struct fw_report_row *r = &p->rows[0];
    struct fw_report_row before = *r;
    const char *text;

    /* 0.01 each 5 minutes from 10; at 14 now, at 20 in 50 hours. */
    forecast(p, 0, N, 0.01, 20.0);
    r->watch = FW_STR("slow");
    text = print(p, FW_REPORT_TEXT);
    assert_non_null(strstr(text, "by trend in 2d "));
    assert_non_null(
        strstr(text, "a straight line at its rate meets the limit"));
    assert_non_null(strstr(print(p, FW_REPORT_JSON), "\"by_trend_s\":18"));
    /* What is further than eight times what was seen is not claimed, nor what
     * is behind. */
    forecast(p, 0, N, 0.01, 99.0);
    assert_null(strstr(print(p, FW_REPORT_TEXT), "by trend"));
    forecast(p, 0, N, -0.01, 20.0);
    assert_null(strstr(print(p, FW_REPORT_TEXT), "by trend"));
    *r = before;
}

static void the_page_is_harmless_and_stands_alone(void **state)
{
    const char *text = print(*state, FW_REPORT_HTML);

    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "<b>reason"));
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "calm &lt;one&gt;"));
    assert_non_null(strstr(text, "&lt;b&gt;reason&lt;/b&gt; &amp; more"));
    assert_null(strstr(text, "http://"));
    assert_null(strstr(text, "https://"));
    assert_null(strstr(text, "url("));
    assert_null(strstr(text, "src="));
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    assert_non_null(strstr(text, "@media print"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf "));
}

static void every_picture_has_words(void **state)
{
    const char *text = print(*state, FW_REPORT_HTML);
    size_t pictures = 0, titles = 0, ends = 0;

    for (const char *at = text; (at = strstr(at, "<svg ")) != NULL; at++)
        pictures++;
    for (const char *at = text; (at = strstr(at, "<desc id")) != NULL; at++)
        titles++;
    for (const char *at = text; (at = strstr(at, "</section>")) != NULL; at++)
        ends++;
    assert_int_equal(pictures, 3);
    assert_int_equal(titles, 3);
    assert_int_equal(ends, 3);
}

static void an_empty_report_says_so(void **state)
{
    struct page *p = *state;

    assert_int_equal(fw_report_print(NULL, 0, p->now, FW_REPORT_HTML, false, 80,
                                     FW_STR(""), &p->out, NULL),
                     FW_OK);
    assert_non_null(strstr(p->out.data, "No watch has a series"));
}

static void a_full_buffer_is_an_error(void **state)
{
    struct page *p = *state;

    p->out.max = 5000;
    assert_int_equal(fw_report_print(p->rows, 3, p->now, FW_REPORT_HTML, false,
                                     80, FW_STR(""), &p->out, NULL),
                     FW_ETOOBIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_most_urgent_comes_first),
        TEST(beyond_the_horizon_a_steady_climb_is_told_as_a_line),
        TEST(the_page_is_harmless_and_stands_alone),
        TEST(every_picture_has_words),
        TEST(an_empty_report_says_so),
        TEST(a_full_buffer_is_an_error),
    };
    return fixture_main(argc, argv, tests);
}
