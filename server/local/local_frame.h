/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * local_frame.h - what a command and the running server say to each other on
 * DATA/forewarn.sock. docs/protocols/local-socket.md has the bytes.
 *
 *     command: request, then nothing; closing the socket cancels it
 *     server:  frames of output, then one `exit` or `elsewhere`
 */
#ifndef SERVER_LOCAL_LOCAL_FRAME_H
#define SERVER_LOCAL_LOCAL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/buf.h"

#define LOCAL_SOCKET_NAME "forewarn.sock"
#define LOCAL_MAGIC 0x53574c46u /* "FLWS" */
#define LOCAL_VERSION 1
#define LOCAL_REQUEST_HEAD 8 /* magic and the length of the rest */
#define LOCAL_FRAME_HEAD 8
#define LOCAL_MAX_ARGS 1024
#define LOCAL_MAX_PAYLOAD 65536 /* of one frame */

enum { LOCAL_TTY = 1, LOCAL_COLOR = 2, LOCAL_UTF8 = 4 };

struct local_request {
    uint32_t flags; /* LOCAL_TTY, LOCAL_COLOR, LOCAL_UTF8 */
    uint16_t columns, rows;
    int argc;
    char **argv; /* argc texts and a NULL */
};

enum local_kind {
    LOCAL_OUT = 1,      /* bytes for stdout */
    LOCAL_ERR = 2,      /* bytes for stderr */
    LOCAL_EXIT = 3,     /* one byte: the exit code; the last frame */
    LOCAL_ELSEWHERE = 4 /* not here: run it yourself; a sentence; the last */
};

struct local_head {
    enum local_kind kind;
    uint32_t length; /* of the payload that follows */
};

/* Adds the whole request. FW_ETOOBIG past FW_MAX_LOCAL_REQUEST_BYTES. */
FW_CHECK fw_rc local_request_put(struct fw_buf *out,
                                 const struct local_request *request,
                                 struct fw_err *err);

/*
 * How many bytes the request at the front of the n bytes has, head included.
 * FW_NONE while too few are there to tell; FW_ECORRUPT, FW_EVERSION or
 * FW_ETOOBIG for what no request begins with.
 */
FW_CHECK fw_rc local_request_size(const void *bytes, size_t n, size_t *size,
                                  struct fw_err *err);

/*
 * Decodes a request of exactly n bytes. The texts are copies; release it with
 * local_request_release(). FW_ETOOBIG past LOCAL_MAX_ARGS; FW_ECORRUPT,
 * FW_EVERSION, FW_ENOMEM.
 */
FW_CHECK fw_rc local_request_get(const void *bytes, size_t n,
                                 struct local_request *out, struct fw_err *err);
void local_request_release(struct local_request *request);

void local_head_put(uint8_t out[LOCAL_FRAME_HEAD], struct local_head head);
FW_CHECK fw_rc local_head_get(const uint8_t in[LOCAL_FRAME_HEAD],
                              struct local_head *out, struct fw_err *err);

#endif
