/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * router.h - which function answers which request; the table is data.
 *
 * A path is matched byte by byte as it was sent, so there is one spelling of
 * each: no "..", no "//", no percent-encoded letters. The one placeholder, {},
 * takes a non-empty run up to the next slash, still percent-encoded.
 */
#ifndef SERVER_HTTP_ROUTER_H
#define SERVER_HTTP_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/http_head.h"

struct call;

enum route_place {
    ROUTE_HERE,  /* on the loop: at once, never waits, never long */
    ROUTE_QUERY, /* on the workers for queries */
    ROUTE_WRITE  /* on the loop if small, else on the workers for writes; ends
                    with call_done() */
};

struct route {
    unsigned methods; /* of enum method_bit */
    const char *path; /* "/api/v1/label/{}/values" */
    enum route_place place;
    size_t max_body; /* decoded */
    void (*answer)(struct call *call);
};

/*
 * The route of a path and method in a table that ends with a NULL path, or
 * NULL: *allowed then has the methods the path does take (0: no such path).
 * HEAD goes where GET goes. `hole` is what stands in the placeholder.
 */
const struct route *router_find(const struct route *table, struct fw_str path,
                                enum method_bit method, struct fw_str *hole,
                                unsigned *allowed);

/* Adds "GET, HEAD, POST" for an Allow field. */
FW_CHECK fw_rc router_methods(unsigned methods, struct fw_buf *out);

#endif
