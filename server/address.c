/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/ingest/number.h"

#define BACKLOG 1024
#define PORT_TRIES 32

static bool split(const char *text, char *host, size_t host_bytes,
                  const char **port)
{
    const char *colon = strrchr(text, ':');
    const char *from = text;
    const char *to = colon;
    uint64_t number;

    if (colon == NULL || !number_parse_uint(fw_str_of(colon + 1), &number) ||
        number > 65535)
        return false;
    if (*from == '[') {
        if (to == from || to[-1] != ']')
            return false;
        from++;
        to--;
    } else if (memchr(from, ':', (size_t)(to - from)) != NULL) {
        return false; /* an IPv6 address needs its brackets */
    }
    if ((size_t)(to - from) >= host_bytes)
        return false;
    (void)snprintf(host, host_bytes, "%.*s", (int)(to - from), from);
    *port = colon + 1;
    return true;
}

fw_rc address_parse(const char *text, struct address *out, struct fw_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const char *port;
    char host[256];
    int failed;

    if (!split(text, host, sizeof(host), &port))
        return fw_err_set(err, FW_EINVAL,
                          "'%s' is not ADDRESS:PORT, such as 127.0.0.1:9778 "
                          "or [::1]:9778",
                          text);
    failed = getaddrinfo(*host != '\0' ? host : NULL, port, &hints, &found);
    if (failed != 0)
        return fw_err_set(err, FW_EINVAL, "'%s' is no address: %s", text,
                          gai_strerror(failed));
    memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return FW_OK;
}

void address_print(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->sa.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&address->sa;

        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT_BYTES, "%s:%u", host,
                       (unsigned)ntohs(in->sin_port));
    } else if (address->sa.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)&address->sa;

        (void)inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT_BYTES, "[%s]:%u", host,
                       (unsigned)ntohs(in->sin6_port));
    } else {
        (void)snprintf(out, ADDRESS_TEXT_BYTES, "?");
    }
}

bool address_is_loopback(const struct address *address)
{
    if (address->sa.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&address->sa;

        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)&address->sa;

        return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr);
    }
    return false;
}

static fw_rc listen_failed(const struct address *address, struct fw_err *err)
{
    char text[ADDRESS_TEXT_BYTES];
    int failed = errno;

    address_print(address, text);
    if (failed == EADDRINUSE)
        return fw_err_set(err, FW_EBUSY,
                          "%s is in use: stop the program that listens there, "
                          "or choose another port (port 0 takes a free one)",
                          text);
    if (failed == EACCES)
        return fw_err_set(err, FW_EIO,
                          "%s may not be listened on: ports below 1024 need "
                          "CAP_NET_BIND_SERVICE; choose another port",
                          text);
    if (failed == EADDRNOTAVAIL)
        return fw_err_set(err, FW_EIO, "%s is not an address of this machine",
                          text);
    return fw_err_sys(err, failed, "cannot listen on %s", text);
}

fw_rc address_listen(struct address *address, int *fd, struct fw_err *err)
{
    int s = socket(address->sa.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    fw_rc rc = FW_OK;

    if (s < 0)
        return listen_failed(address, err);
    /* Not SO_REUSEPORT: a second server must not share the port unseen. */
    (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(s, (const struct sockaddr *)&address->sa, address->len) != 0 ||
        listen(s, BACKLOG) != 0) {
        rc = listen_failed(address, err);
        goto out;
    }
    address->len = sizeof(address->sa);
    if (getsockname(s, (struct sockaddr *)&address->sa, &address->len) != 0) {
        rc = listen_failed(address, err);
        goto out;
    }
    *fd = s;
    s = -1;
out:
    if (s >= 0)
        (void)close(s);
    return rc;
}

static fw_rc bind_udp(const struct address *address, int *fd,
                      struct fw_err *err)
{
    int s = socket(address->sa.ss_family,
                   SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (s < 0 ||
        bind(s, (const struct sockaddr *)&address->sa, address->len) != 0) {
        fw_rc rc = listen_failed(address, err);

        if (s >= 0)
            (void)close(s);
        return rc;
    }
    *fd = s;
    return FW_OK;
}

static bool any_port(const struct address *address)
{
    /* The port stands in the same place for both families. */
    return ((const struct sockaddr_in *)&address->sa)->sin_port == 0;
}

/*
 * The system chooses a port that no TCP socket has; a UDP socket may have it
 * all the same. Then another one is chosen.
 */
fw_rc address_listen_both(struct address *address, int *tcp, int *udp,
                          struct fw_err *err)
{
    int left = any_port(address) ? PORT_TRIES : 1;
    fw_rc rc = FW_EBUSY;

    while (rc == FW_EBUSY && left-- > 0) {
        struct address asked = *address;
        int fd = -1;

        rc = address_listen(&asked, &fd, err);
        if (rc != FW_OK)
            return rc;
        rc = bind_udp(&asked, udp, err);
        if (rc == FW_OK) {
            *tcp = fd;
            *address = asked;
        } else {
            (void)close(fd);
        }
    }
    return rc;
}
