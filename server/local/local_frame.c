/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * local_frame.c - requests and frames as bytes.
 *
 *     request   le32 magic | le32 length of what follows
 *               le16 version | le16 flags | le16 columns | le16 rows
 *               le32 argc | argc x ( le32 length | bytes, no NUL )
 *     frame     le32 kind | le32 length | bytes
 */
#include "server/local/local_frame.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/limits.h"

#define FIXED_BYTES 12 /* version to argc */

static fw_rc put_body(struct fw_buf *out, const struct local_request *request)
{
    uint8_t fixed[FIXED_BYTES];
    fw_rc rc;

    fw_put_le16(fixed + 0, LOCAL_VERSION);
    fw_put_le16(fixed + 2, (uint16_t)request->flags);
    fw_put_le16(fixed + 4, request->columns);
    fw_put_le16(fixed + 6, request->rows);
    fw_put_le32(fixed + 8, (uint32_t)request->argc);
    rc = fw_buf_add(out, fixed, sizeof(fixed));
    for (int i = 0; i < request->argc && rc == FW_OK; i++) {
        size_t n = strlen(request->argv[i]);
        uint8_t length[4];

        fw_put_le32(length, (uint32_t)n);
        rc = fw_buf_add(out, length, sizeof(length));
        if (rc == FW_OK)
            rc = fw_buf_add(out, request->argv[i], n);
    }
    return rc;
}

fw_rc local_request_put(struct fw_buf *out, const struct local_request *request,
                        struct fw_err *err)
{
    struct fw_buf body = FW_BUF_INIT(FW_MAX_LOCAL_REQUEST_BYTES);
    uint8_t head[LOCAL_REQUEST_HEAD];
    fw_rc rc = FW_ETOOBIG;

    if (request->argc <= LOCAL_MAX_ARGS)
        rc = put_body(&body, request);
    if (rc == FW_OK) {
        fw_put_le32(head, LOCAL_MAGIC);
        fw_put_le32(head + 4, (uint32_t)body.len);
        rc = fw_buf_add(out, head, sizeof(head));
    }
    if (rc == FW_OK)
        rc = fw_buf_add(out, body.data, body.len);
    fw_buf_release(&body);
    if (rc != FW_OK)
        return fw_err_set(err, rc,
                          "the command line is too long to be sent to "
                          "the running server");
    return FW_OK;
}

fw_rc local_request_size(const void *bytes, size_t n, size_t *size,
                         struct fw_err *err)
{
    const uint8_t *p = bytes;
    uint32_t length;

    if (n >= 4 && fw_get_le32(p) != LOCAL_MAGIC)
        return fw_err_set(err, FW_ECORRUPT, "no request of ours");
    if (n < LOCAL_REQUEST_HEAD)
        return FW_NONE;
    length = fw_get_le32(p + 4);
    if (length < FIXED_BYTES || length > FW_MAX_LOCAL_REQUEST_BYTES)
        return fw_err_set(err, FW_ETOOBIG, "a request of %u bytes",
                          (unsigned)length);
    *size = LOCAL_REQUEST_HEAD + (size_t)length;
    return FW_OK;
}

/* One text at *at; FW_ECORRUPT where it runs past the end or holds a NUL. */
static fw_rc get_text(const uint8_t *p, size_t n, size_t *at, char **out,
                      struct fw_err *err)
{
    size_t length;

    if (n - *at < 4)
        return fw_err_set(err, FW_ECORRUPT, "a request that is cut short");
    length = fw_get_le32(p + *at);
    *at += 4;
    if (length > n - *at || memchr(p + *at, '\0', length) != NULL)
        return fw_err_set(err, FW_ECORRUPT, "a request with a bad text");
    *out = strndup((const char *)p + *at, length);
    if (*out == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for a request");
    *at += length;
    return FW_OK;
}

fw_rc local_request_get(const void *bytes, size_t n, struct local_request *out,
                        struct fw_err *err)
{
    const uint8_t *p = bytes;
    struct local_request request = {0};
    size_t at = LOCAL_REQUEST_HEAD + FIXED_BYTES;
    uint32_t argc;
    fw_rc rc = FW_OK;

    if (n < at)
        return fw_err_set(err, FW_ECORRUPT, "a request that is cut short");
    if (fw_get_le16(p + 8) != LOCAL_VERSION)
        return fw_err_set(err, FW_EVERSION,
                          "a request of version %u, and this server speaks %d",
                          fw_get_le16(p + 8), LOCAL_VERSION);
    request.flags = fw_get_le16(p + 10);
    request.columns = fw_get_le16(p + 12);
    request.rows = fw_get_le16(p + 14);
    argc = fw_get_le32(p + 16);
    if (argc < 1 || argc > LOCAL_MAX_ARGS)
        return fw_err_set(err, argc < 1 ? FW_ECORRUPT : FW_ETOOBIG,
                          "a request of %u words", (unsigned)argc);
    request.argv = calloc(argc + 1, sizeof(*request.argv));
    if (request.argv == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for a request");
    for (; rc == FW_OK && request.argc < (int)argc; request.argc++)
        rc = get_text(p, n, &at, &request.argv[request.argc], err);
    if (rc == FW_OK && at != n)
        rc = fw_err_set(err, FW_ECORRUPT, "a request with bytes behind it");
    if (rc != FW_OK) {
        local_request_release(&request);
        return rc;
    }
    *out = request;
    return FW_OK;
}

void local_request_release(struct local_request *request)
{
    for (int i = 0; i < request->argc; i++)
        free(request->argv[i]);
    free(request->argv);
    *request = (struct local_request){0};
}

void local_head_put(uint8_t out[LOCAL_FRAME_HEAD], struct local_head head)
{
    fw_put_le32(out, (uint32_t)head.kind);
    fw_put_le32(out + 4, head.length);
}

fw_rc local_head_get(const uint8_t in[LOCAL_FRAME_HEAD], struct local_head *out,
                     struct fw_err *err)
{
    uint32_t kind = fw_get_le32(in);
    uint32_t length = fw_get_le32(in + 4);

    if (kind < LOCAL_OUT || kind > LOCAL_ELSEWHERE ||
        length > LOCAL_MAX_PAYLOAD || (kind == LOCAL_EXIT && length != 1))
        return fw_err_set(err, FW_ECORRUPT,
                          "the running server sent no frame of ours");
    *out = (struct local_head){(enum local_kind)kind, length};
    return FW_OK;
}
