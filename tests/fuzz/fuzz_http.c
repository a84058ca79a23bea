/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_http.c - a client's bytes into a connection. However the network splits
 * them, what comes back is the same: one reply for each request that was
 * read, and after a refusal nothing more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/http_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct call *call)
{
    call->reply.type = TYPE_TEXT;
    fw_buf_init(&call->reply.body, 1 << 20);
    if (fw_buf_printf(&call->reply.body, "%zu:%zu:%zu", call->body.n,
                      call->form.n, call->hole.n) != FW_OK)
        abort();
}

static const struct route routes[] = {
    {METHOD_GET | METHOD_POST, "/a", ROUTE_QUERY, 5000, answer},
    {METHOD_GET, "/l/{}/v", ROUTE_QUERY, 5000, answer},
    {0}};

static bool g_answered;

static void done(struct call *call)
{
    (void)call;
}

static fw_rc work(struct http_conn *conn)
{
    conn->call.done = done;
    g_answered = true;
    call_run(&conn->call);
    return FW_OK;
}

/* Takes what would be sent; "100 Continue" depends on the split and is not
 * kept. */
static void drain(struct http_conn *conn, struct fw_buf *out)
{
    struct iovec parts[2];
    int n;

    for (;;) {
        bool interim = conn->interim;

        while (g_answered) {
            g_answered = false;
            http_conn_answered(conn, 0, 0);
        }
        n = http_conn_output(conn, parts);
        if (n == 0)
            return;
        if (!interim &&
            fw_buf_add(out, parts[0].iov_base, parts[0].iov_len) != FW_OK)
            abort();
        http_conn_sent(conn, parts[0].iov_len, 0, 0);
    }
}

static void run(const uint8_t *data, size_t size, size_t step,
                struct fw_buf *out)
{
    struct http_conn conn;

    http_conn_init(&conn, routes, NULL, NULL, 0);
    conn.work = work;
    g_answered = false;
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (!http_conn_wants_input(&conn))
            break;
        http_conn_input(&conn, (const char *)data + at, n, 0, 0);
        drain(&conn, out);
    }
    if (conn.state != CONN_READ && conn.state != CONN_DRAIN &&
        conn.state != CONN_CLOSED)
        abort();
    http_conn_release(&conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {HTTP_INPUT_BYTES, 1, 7, 61};
    struct fw_buf first = FW_BUF_INIT(64 << 20);

    if (size > HTTP_INPUT_BYTES)
        return 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct fw_buf out = FW_BUF_INIT(64 << 20);

        run(data, size, steps[i], i == 0 ? &first : &out);
        if (i > 0 && (out.len != first.len ||
                      (out.len > 0 && memcmp(out.data, first.data, out.len))))
            abort();
        fw_buf_release(&out);
    }
    fw_buf_release(&first);
    return 0;
}
