/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_report_without_cairo.c - a build with -DFW_PDF=OFF, or where there is no
 * cairo, says so instead of making a PDF, and makes all the rest.
 *
 * report_pdf.c is compiled once more for it, as such a build does, and is
 * linked in place of the library's (tests/CMakeLists.txt).
 */
#include "tests/support/fixture.h"

#include <string.h>

#include "predict/predict.h"

static void a_pdf_is_refused_and_the_rest_is_made(void **state)
{
    static const enum fw_report_format others[] = {
        FW_REPORT_TEXT, FW_REPORT_JSON, FW_REPORT_CSV, FW_REPORT_HTML};
    struct fw_buf out = FW_BUF_INIT((size_t)1 << 20);
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(fw_report_print(NULL, 0, 0, FW_REPORT_PDF, false, 80,
                                     FW_STR(""), &out, &err),
                     FW_EINVAL);
    assert_non_null(strstr(err.text, "without cairo"));
    assert_non_null(strstr(err.text, "--format html"));
    assert_int_equal(out.len, 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        fw_buf_clear(&out);
        assert_int_equal(fw_report_print(NULL, 0, 0, others[i], false, 80,
                                         FW_STR(""), &out, &err),
                         FW_OK);
        assert_true(out.len > 0);
    }
    fw_buf_release(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pdf_is_refused_and_the_rest_is_made),
    };

    return fixture_main(argc, argv, tests);
}
