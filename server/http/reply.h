/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reply.h - what goes back: status, header fields, and a body that is either
 * whole in a buffer or comes piece by piece from whoever makes it, so that a
 * large result never sits in memory twice.
 */
#ifndef SERVER_HTTP_REPLY_H
#define SERVER_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/gzip.h"
#include "server/http/http_head.h"
#include "storage/base/buf.h"

#define REPLY_FIELDS 8
#define REPLY_VALUE_BYTES 160

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"

struct reply_field {
    const char *name;
    char value[REPLY_VALUE_BYTES];
};

/* Zero-initialised is an empty 200. */
struct reply {
    int status;       /* 0: 200 */
    const char *type; /* static; NULL: none */
    struct reply_field fields[REPLY_FIELDS];
    size_t field_count;
    struct fw_buf body;

    /*
     * Where the body is long: adds the next piece to `out`. FW_OK: there is
     * more; FW_END: that was the last; a failure breaks the connection off, for
     * the status has gone out by then. `release` is called once in any case.
     */
    fw_rc (*more)(void *self, struct fw_buf *out);
    void (*release)(void *self);
    void *self;

    /* its own */
    struct fw_buf head;  /* bytes to send first */
    struct fw_buf piece; /* what a piece is made in */
    struct gzip *gzip;   /* NULL: the body goes as it is */
    bool chunked;        /* else up to the end of the connection */
    bool bodiless;       /* HEAD, or a status without a body */
};

void reply_release(struct reply *reply);

/* Adds a header field; control characters in the value become blanks. */
void reply_field(struct reply *reply, const char *name, const char *fmt, ...)
    FW_PRINTF(3, 4);

/* What a request says about the form of its reply. */
struct reply_form {
    enum method_bit method;
    int minor;       /* HTTP/1.minor */
    bool gzip;       /* the client takes it */
    bool keep_alive; /* the connection goes on; reply_start() may end it */
    fw_ms now;       /* for the Date field */
};

/*
 * Makes the head and the first bytes of the body: they stand in reply->head and
 * reply->body, in that order. FW_OK if reply_continue() must follow, FW_END if
 * that was all. Clears form->keep_alive where only the end of the connection
 * can end the body.
 */
FW_CHECK fw_rc reply_start(struct reply *reply, struct reply_form *form);

/* Puts the next bytes into reply->body; FW_OK or FW_END as above. */
FW_CHECK fw_rc reply_continue(struct reply *reply);

/* "Not Found". Static. */
const char *reply_reason(int status);

#endif
