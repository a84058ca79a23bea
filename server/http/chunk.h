/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chunk.h - takes a chunked body apart [RFC 9112, section 7.1], strictly: a
 * size is hexadecimal digits and nothing else, lines end with CRLF, what an
 * extension or a trailer says is checked for its form and dropped.
 */
#ifndef SERVER_HTTP_CHUNK_H
#define SERVER_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "server/http/http_limit.h"
#include "storage/base/str.h"

/* The longest size line or trailer line, and the most bytes of trailers. */
#define CHUNK_MAX_LINE 256
#define CHUNK_MAX_TRAILERS 4096

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_BYTES,
    CHUNK_BYTES_CR,
    CHUNK_BYTES_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LF,
    CHUNK_END, /* the body is whole */
    CHUNK_BAD
};

/* Zero-initialised is the start of a body. */
struct chunk {
    enum chunk_state state;
    int digits;    /* of the size */
    uint64_t left; /* bytes of this chunk still to come */
    size_t line;   /* bytes of this line */
    size_t trailers;
    enum http_limit limit; /* that made it CHUNK_BAD, if one did */
};

/*
 * Takes bytes off the front of *in. If it meets data it stops behind a run of
 * it and gives the run in *data (else data->n is 0). Call it until *in is empty
 * or the state is CHUNK_END or CHUNK_BAD.
 */
void chunk_take(struct chunk *chunk, struct fw_str *in, struct fw_str *data);

#endif
