/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <errno.h>
#include <string.h>

#include "storage/base/err.h"
#include "storage/base/str.h"

static void set_returns_its_code_and_keeps_the_sentence(void **state)
{
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(fw_err_set(&err, FW_EINVAL, "port %d is taken", 9778),
                     FW_EINVAL);
    assert_int_equal(err.rc, FW_EINVAL);
    assert_string_equal(err.text, "port 9778 is taken");
}

static void at_keeps_the_place(void **state)
{
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(fw_err_at(&err, FW_EINVAL, 3, 9, "what?"), FW_EINVAL);
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 9);
}

static void sys_tells_a_full_disk_from_other_failures(void **state)
{
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(fw_err_sys(&err, ENOSPC, "cannot write %s", "x"),
                     FW_ENOSPC);
    assert_non_null(strstr(err.text, "cannot write x: No space left"));
    assert_int_equal(fw_err_sys(&err, EIO, "y"), FW_EIO);
    assert_int_equal(fw_err_sys(&err, ENOMEM, "y"), FW_ENOMEM);
    assert_int_equal(fw_err_sys(&err, ENOENT, "y"), FW_ENOTFOUND);
}

static void prefix_puts_a_context_in_front(void **state)
{
    struct fw_err err = {0};

    (void)state;
    (void)fw_err_set(&err, FW_EIO, "no");
    assert_int_equal(fw_err_prefix(&err, "watch '%s'", "w"), FW_EIO);
    assert_string_equal(err.text, "watch 'w': no");
}

static void a_cut_sentence_stays_utf8(void **state)
{
    char wide[3000] = "";
    struct fw_err err = {0};

    (void)state;
    for (size_t i = 0; i + 4 < sizeof(wide); i += 3)
        memcpy(wide + i, "\xe2\x82\xac", 4);
    (void)fw_err_set(&err, FW_EINVAL, "%s", wide);
    assert_true(strlen(err.text) > FW_ERR_TEXT_BYTES - 8);
    assert_true(fw_utf8_valid(err.text, strlen(err.text)));
}

static void a_null_err_is_fine(void **state)
{
    (void)state;
    assert_int_equal(fw_err_set(NULL, FW_EBUSY, "x"), FW_EBUSY);
    assert_int_equal(fw_err_sys(NULL, EIO, "x"), FW_EIO);
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (int rc = FW_EREADONLY; rc <= FW_NONE; rc++)
        assert_string_not_equal(fw_rc_name((fw_rc)rc), "unknown");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_returns_its_code_and_keeps_the_sentence),
        cmocka_unit_test(at_keeps_the_place),
        cmocka_unit_test(sys_tells_a_full_disk_from_other_failures),
        cmocka_unit_test(prefix_puts_a_context_in_front),
        cmocka_unit_test(a_cut_sentence_stays_utf8),
        cmocka_unit_test(a_null_err_is_fine),
        cmocka_unit_test(every_code_has_a_name),
    };

    return fixture_main(argc, argv, tests);
}
