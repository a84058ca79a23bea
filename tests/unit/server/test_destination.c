/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "server/notify/destination.h"

#define PUBLIC DESTINATION_PUBLIC
#define PRIVATE DESTINATION_PRIVATE
#define NEVER DESTINATION_NEVER

static const struct {
    const char *address;
    enum destination_kind kind;
} cases[] = {
    {"8.8.8.8", PUBLIC},
    {"1.1.1.1", PUBLIC},
    {"9.255.255.255", PUBLIC},
    {"11.0.0.0", PUBLIC},
    {"100.63.255.255", PUBLIC},
    {"100.128.0.0", PUBLIC},
    {"128.0.0.1", PUBLIC},
    {"169.253.255.255", PUBLIC},
    {"172.15.255.255", PUBLIC},
    {"172.32.0.0", PUBLIC},
    {"192.167.255.255", PUBLIC},
    {"192.169.0.0", PUBLIC},
    {"223.255.255.255", PUBLIC},
    {"10.0.0.1", PRIVATE},
    {"10.255.255.255", PRIVATE},
    {"100.64.0.1", PRIVATE},
    {"127.0.0.1", PRIVATE},
    {"127.255.255.254", PRIVATE},
    {"172.16.0.1", PRIVATE},
    {"172.31.255.255", PRIVATE},
    {"192.168.1.1", PRIVATE},
    {"198.18.0.1", PRIVATE},
    {"0.0.0.0", NEVER},
    {"0.1.2.3", NEVER},
    {"169.254.169.254", NEVER},
    {"192.0.0.8", NEVER},
    {"224.0.0.1", NEVER},
    {"239.77.77.77", NEVER},
    {"240.0.0.1", NEVER},
    {"255.255.255.255", NEVER},
    {"2001:4860:4860::8888", PUBLIC},
    {"2a00::1", PUBLIC},
    {"::1", PRIVATE},
    {"fc00::1", PRIVATE},
    {"fd12:3456::1", PRIVATE},
    {"::", NEVER},
    {"fe80::1", NEVER},
    {"fec0::1", NEVER},
    {"ff02::1", NEVER},
    {"::127.0.0.1", NEVER},
    {"::ffff:127.0.0.1", PRIVATE},
    {"::ffff:169.254.169.254", NEVER},
    {"::ffff:8.8.8.8", PUBLIC},
    {"64:ff9b::10.0.0.1", PRIVATE},
    {"64:ff9b::a9fe:a9fe", NEVER},
    {"64:ff9b::8.8.8.8", PUBLIC},
    {"2002:7f00:1::", PRIVATE},
    {"2002:a9fe:a9fe::1", NEVER},
    {"2002:808:808::1", PUBLIC},
};

static void addresses_are_known_for_what_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_storage address = {0};
        struct sockaddr_in *in = (struct sockaddr_in *)&address;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
        const struct sockaddr *any = (const struct sockaddr *)&address;

        if (inet_pton(AF_INET, cases[i].address, &in->sin_addr) == 1) {
            in->sin_family = AF_INET;
        } else {
            assert_int_equal(
                inet_pton(AF_INET6, cases[i].address, &in6->sin6_addr), 1);
            in6->sin6_family = AF_INET6;
        }
        if (destination_kind_of(any) != cases[i].kind)
            fail_msg("%s is of kind %d", cases[i].address,
                     (int)destination_kind_of(any));
        assert_int_equal(destination_allowed(any, false),
                         cases[i].kind == PUBLIC);
        assert_int_equal(destination_allowed(any, true),
                         cases[i].kind != NEVER);
    }
}

static void other_families_are_never_allowed(void **state)
{
    struct sockaddr address = {.sa_family = AF_UNIX};

    (void)state;
    assert_false(destination_allowed(&address, true));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_known_for_what_they_are),
        cmocka_unit_test(other_families_are_never_allowed),
    };

    return fixture_main(argc, argv, tests);
}
