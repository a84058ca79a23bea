/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * address.h - ADDR:PORT as people write it, and sockets that listen there.
 */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "storage/base/err.h"

#define ADDRESS_TEXT_BYTES 64

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
};

/*
 * "127.0.0.1:9778", "[::1]:9778", "localhost:9778", ":9778" (every address).
 * FW_EINVAL says what is wrong with it.
 */
FW_CHECK fw_rc address_parse(const char *text, struct address *out,
                             struct fw_err *err);

void address_print(const struct address *address, char out[ADDRESS_TEXT_BYTES]);

bool address_is_loopback(const struct address *address);

/*
 * A non-blocking TCP socket that listens; `address` gets the port that was
 * taken where it asked for port 0. A port in use is FW_EBUSY with a sentence.
 * The caller closes *fd.
 */
FW_CHECK fw_rc address_listen(struct address *address, int *fd,
                              struct fw_err *err);

/*
 * The same and a non-blocking UDP socket on the same port. Port 0 takes one
 * that is free for both. Both are set or none.
 */
FW_CHECK fw_rc address_listen_both(struct address *address, int *tcp, int *udp,
                                   struct fw_err *err);

#endif
