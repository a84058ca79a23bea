/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/destination.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct block4 {
    uint32_t base;
    int bits;
    enum destination_kind kind;
};

/* IANA's special-purpose registry (RFC 6890 and its updates). */
static const struct block4 blocks4[] = {
    {0x00000000, 8, DESTINATION_NEVER},    /* 0.0.0.0/8 this network */
    {0x0A000000, 8, DESTINATION_PRIVATE},  /* 10.0.0.0/8 */
    {0x64400000, 10, DESTINATION_PRIVATE}, /* 100.64.0.0/10 shared */
    {0x7F000000, 8, DESTINATION_PRIVATE},  /* 127.0.0.0/8 loopback */
    {0xA9FE0000, 16, DESTINATION_NEVER},   /* 169.254.0.0/16 link-local */
    {0xAC100000, 12, DESTINATION_PRIVATE}, /* 172.16.0.0/12 */
    {0xC0000000, 24, DESTINATION_NEVER}, /* 192.0.0.0/24 protocol assignments */
    {0xC0A80000, 16, DESTINATION_PRIVATE}, /* 192.168.0.0/16 */
    {0xC6120000, 15, DESTINATION_PRIVATE}, /* 198.18.0.0/15 benchmarking */
    {0xE0000000, 4, DESTINATION_NEVER},    /* multicast */
    {0xF0000000, 4, DESTINATION_NEVER},    /* reserved, broadcast */
};

static enum destination_kind kind4(uint32_t address)
{
    for (size_t i = 0; i < sizeof(blocks4) / sizeof(blocks4[0]); i++) {
        uint32_t mask = UINT32_MAX << (32 - blocks4[i].bits);

        if ((address & mask) == blocks4[i].base)
            return blocks4[i].kind;
    }
    return DESTINATION_PUBLIC;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static enum destination_kind kind6(const struct in6_addr *address)
{
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0,    0,
                                             0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char zero[15];
    const unsigned char *b = address->s6_addr;

    if (memcmp(b, mapped, 12) == 0 || memcmp(b, nat64, 12) == 0)
        return kind4(be32(b + 12));
    if (b[0] == 0x20 && b[1] == 0x02) /* 6to4 */
        return kind4(be32(b + 2));
    if (memcmp(b, zero, 15) == 0)
        return b[15] == 1 ? DESTINATION_PRIVATE : DESTINATION_NEVER;
    if (memcmp(b, zero, 12) == 0) /* IPv4-compatible, long deprecated */
        return DESTINATION_NEVER;
    if ((b[0] & 0xfe) == 0xfc) /* unique local */
        return DESTINATION_PRIVATE;
    if (b[0] == 0xfe || b[0] == 0xff) /* link-local, site-local, multicast */
        return DESTINATION_NEVER;
    return DESTINATION_PUBLIC;
}

enum destination_kind destination_kind_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        return kind4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof(in6));
        return kind6(&in6.sin6_addr);
    }
    return DESTINATION_NEVER;
}
