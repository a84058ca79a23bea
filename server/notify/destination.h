/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * destination.h - may we connect there? Judged on the address a name resolved
 * to, at the moment of connecting, so that a name which changes cannot fool it.
 */
#ifndef SERVER_NOTIFY_DESTINATION_H
#define SERVER_NOTIFY_DESTINATION_H

#include <stdbool.h>
#include <sys/socket.h>

enum destination_kind {
    DESTINATION_PUBLIC,
    DESTINATION_PRIVATE, /* loopback, private, shared, unique local */
    DESTINATION_NEVER /* link-local (cloud metadata too), multicast, reserved */
};

/* IPv4 inside IPv6 (mapped, NAT64, 6to4) is judged as what it carries. */
enum destination_kind destination_kind_of(const struct sockaddr *address);

static inline bool destination_allowed(const struct sockaddr *address,
                                       bool allow_private)
{
    enum destination_kind kind = destination_kind_of(address);

    return kind == DESTINATION_PUBLIC ||
           (kind == DESTINATION_PRIVATE && allow_private);
}

#endif
