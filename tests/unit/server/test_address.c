/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>
#include <unistd.h>

#include "server/address.h"

#define CROWD 900

static void assert_address(const char *text, const char *want, bool loopback)
{
    char got[ADDRESS_TEXT_BYTES];
    struct address address = {0};
    struct fw_err err = {0};

    assert_int_equal(address_parse(text, &address, &err), FW_OK);
    address_print(&address, got);
    assert_string_equal(got, want);
    assert_int_equal(address_is_loopback(&address), loopback);
}

static void addresses_are_read_and_printed(void **state)
{
    (void)state;
    assert_address("127.0.0.1:9778", "127.0.0.1:9778", true);
    assert_address("127.9.9.9:1", "127.9.9.9:1", true);
    assert_address("[::1]:9778", "[::1]:9778", true);
    assert_address("0.0.0.0:0", "0.0.0.0:0", false);
    assert_address("[2001:db8::1]:65535", "[2001:db8::1]:65535", false);
}

static void what_is_no_address_is_named(void **state)
{
    static const char *const bad[] = {
        "",       "9778",        "127.0.0.1",
        "a:b",    "127.0.0.1:",  "127.0.0.1:-1",
        "::1:80", "[::1:80",     "127.0.0.1:65536",
        "[]:",    "1.2.3.4.5:6", "x y:80"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct address address;
        struct fw_err err = {0};

        assert_int_equal(address_parse(bad[i], &address, &err), FW_EINVAL);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

static void port_0_takes_a_free_one_and_a_taken_one_is_busy(void **state)
{
    struct address first = {0}, second = {0};
    char text[ADDRESS_TEXT_BYTES];
    struct fw_err err = {0};
    int a = -1, b = -1;

    (void)state;
    assert_int_equal(address_parse("127.0.0.1:0", &first, &err), FW_OK);
    assert_int_equal(address_listen(&first, &a, &err), FW_OK);
    address_print(&first, text);
    assert_string_not_equal(text, "127.0.0.1:0");
    assert_int_equal(address_parse(text, &second, &err), FW_OK);
    assert_int_equal(address_listen(&second, &b, &err), FW_EBUSY);
    assert_non_null(strstr(err.text, "in use"));
    assert_int_equal(b, -1);
    (void)close(a);
}

static int udp_at(const char *text)
{
    struct address address = {0};
    struct fw_err err = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(address_parse(text, &address, &err), FW_OK);
    assert_int_equal(
        bind(fd, (const struct sockaddr *)&address.sa, address.len), 0);
    return fd;
}

/* With so many UDP ports in use some of the ports that TCP gets are taken. */
static void port_0_takes_one_that_is_free_for_both(void **state)
{
    int taken[CROWD];

    (void)state;
    for (size_t i = 0; i < CROWD; i++)
        taken[i] = udp_at("127.0.0.1:0");
    for (size_t i = 0; i < CROWD / 2; i++) {
        struct address tcp = {0}, udp = {.len = sizeof(udp.sa)};
        char a[ADDRESS_TEXT_BYTES], b[ADDRESS_TEXT_BYTES];
        struct fw_err err = {0};
        int t = -1, u = -1;

        assert_int_equal(address_parse("127.0.0.1:0", &tcp, &err), FW_OK);
        assert_int_equal(address_listen_both(&tcp, &t, &u, &err), FW_OK);
        assert_int_equal(getsockname(u, (struct sockaddr *)&udp.sa, &udp.len),
                         0);
        address_print(&tcp, a);
        address_print(&udp, b);
        assert_string_equal(a, b);
        (void)close(t);
        (void)close(u);
    }
    for (size_t i = 0; i < CROWD; i++)
        (void)close(taken[i]);
}

static void a_port_that_udp_has_is_busy(void **state)
{
    struct address address = {0}, there = {.len = sizeof(there.sa)};
    char text[ADDRESS_TEXT_BYTES];
    int fd = udp_at("127.0.0.1:0"), t = -1, u = -1;
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&there.sa, &there.len),
                     0);
    address_print(&there, text);
    assert_int_equal(address_parse(text, &address, &err), FW_OK);
    assert_int_equal(address_listen_both(&address, &t, &u, &err), FW_EBUSY);
    assert_non_null(strstr(err.text, text));
    assert_true(t == -1 && u == -1);
    (void)close(fd);
}

static void an_address_of_another_machine_is_refused(void **state)
{
    struct address address = {0};
    struct fw_err err = {0};
    int fd = -1;

    (void)state;
    assert_int_equal(address_parse("192.0.2.1:0", &address, &err), FW_OK);
    assert_int_equal(address_listen(&address, &fd, &err), FW_EIO);
    assert_non_null(strstr(err.text, "not an address of this machine"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_printed),
        cmocka_unit_test(what_is_no_address_is_named),
        cmocka_unit_test(port_0_takes_a_free_one_and_a_taken_one_is_busy),
        cmocka_unit_test(port_0_takes_one_that_is_free_for_both),
        cmocka_unit_test(a_port_that_udp_has_is_busy),
        cmocka_unit_test(an_address_of_another_machine_is_refused),
    };
    return fixture_main(argc, argv, tests);
}
