/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "server/http/router.h"

static void nothing(struct call *call)
{
    (void)call;
}

static const struct route g_table[] = {
    {METHOD_GET, "/a", ROUTE_HERE, 0, nothing},
    {METHOD_POST, "/a", ROUTE_HERE, 0, nothing},
    {METHOD_GET, "/label/{}/values", ROUTE_HERE, 0, nothing},
    {0}};

static const struct route *find(const char *path, enum method_bit method,
                                struct fw_str *hole, unsigned *allowed)
{
    return router_find(g_table, fw_str_of(path), method, hole, allowed);
}

static void paths_and_methods_are_matched(void **state)
{
    struct fw_str hole;
    unsigned allowed;

    (void)state;
    assert_ptr_equal(find("/a", METHOD_GET, &hole, &allowed), &g_table[0]);
    assert_ptr_equal(find("/a", METHOD_HEAD, &hole, &allowed), &g_table[0]);
    assert_ptr_equal(find("/a", METHOD_POST, &hole, &allowed), &g_table[1]);
    assert_null(find("/a", METHOD_PUT, &hole, &allowed));
    assert_int_equal(allowed, METHOD_GET | METHOD_HEAD | METHOD_POST);
    assert_null(find("/b", METHOD_GET, &hole, &allowed));
    assert_int_equal(allowed, 0);
}

static void the_hole_takes_one_segment(void **state)
{
    struct fw_str hole;
    unsigned allowed;

    (void)state;
    assert_non_null(find("/label/job/values", METHOD_GET, &hole, &allowed));
    assert_true(fw_str_eq(hole, FW_STR("job")));
    assert_non_null(find("/label/a%2Fb/values", METHOD_GET, &hole, &allowed));
    assert_true(fw_str_eq(hole, FW_STR("a%2Fb")));
    assert_null(find("/label//values", METHOD_GET, &hole, &allowed));
    assert_null(find("/label/a/b/values", METHOD_GET, &hole, &allowed));
    assert_null(find("/label/values", METHOD_GET, &hole, &allowed));
}

static void there_is_one_spelling_of_a_path(void **state)
{
    static const char *const others[] = {"/a/",  "//a",   "/%61",    "/A",
                                         "/a;x", "/./a",  "/b/../a", "a",
                                         "",     "/a%00", "/a%2e",   "*"};
    struct fw_str hole;
    unsigned allowed;

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_null(find(others[i], METHOD_GET, &hole, &allowed));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_methods_are_matched),
        cmocka_unit_test(the_hole_takes_one_segment),
        cmocka_unit_test(there_is_one_spelling_of_a_path),
    };
    return fixture_main(argc, argv, tests);
}
