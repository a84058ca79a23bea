/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/http_conn.h"

#include <string.h>

#define DRAIN_MS 2000 /* for the client to read our last words */
#define MS_NS UINT64_C(1000000)

static const char interim_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void enter(struct http_conn *conn, enum conn_state state,
                  uint64_t now_ns)
{
    conn->state = state;
    conn->since_ns = now_ns;
}

void http_conn_init(struct http_conn *conn, const struct route *routes,
                    const struct api *api, _Atomic size_t *memory,
                    uint64_t now_ns)
{
    *conn = (struct http_conn){.routes = routes, .api = api};
    http_reader_init(&conn->reader, memory, now_ns);
    fw_buf_init(&conn->in, HTTP_INPUT_BYTES);
    enter(conn, CONN_READ, now_ns);
}

/* The call is over: what it held goes. */
static void drop_call(struct http_conn *conn)
{
    reply_release(&conn->call.reply);
    fw_arena_free(conn->call.arena);
    memset(&conn->call, 0, sizeof(conn->call));
    conn->head_sent = 0;
    conn->body_sent = 0;
}

void http_conn_release(struct http_conn *conn)
{
    drop_call(conn);
    http_reader_release(&conn->reader);
    fw_buf_release(&conn->in);
    conn->state = CONN_CLOSED;
}

/* The bytes of a reply are there: on to sending them. */
static void send_reply(struct http_conn *conn, uint64_t now_ns)
{
    conn->sent = 0;
    conn->head_sent = 0;
    conn->body_sent = 0;
    enter(conn, CONN_SEND, now_ns);
}

static void call_begin(struct http_conn *conn, fw_ms now)
{
    const struct http_head *head = &conn->reader.head;
    struct call *call = &conn->call;

    call->api = conn->api;
    call->head = head;
    call->shape = (struct reply_form){
        .method = head->method,
        .minor = head->minor,
        .gzip = http_list_has(http_head_get(head, "accept-encoding"), "gzip"),
        .keep_alive = head->keep_alive && !conn->eof,
        .now = now};
}

/*
 * One reply that we make here, without a route's function. `close`: nothing
 * more is read from this client.
 */
static void answer_error(struct http_conn *conn, int status, const char *text,
                         bool close, uint64_t now_ns)
{
    struct call *call = &conn->call;

    call_error(call, status, NULL, "%s", text);
    if (close)
        call->shape.keep_alive = false;
    call->made = reply_start(&call->reply, &call->shape);
    conn->closing = !call->shape.keep_alive || call->made < 0;
    send_reply(conn, now_ns);
}

static void answer_refusal(struct http_conn *conn, fw_ms now, uint64_t now_ns)
{
    const struct http_refusal *refusal = &conn->reader.refusal;

    http_limit_strike(refusal->limit);
    if (refusal->status == 0) {
        enter(conn, CONN_CLOSED, now_ns);
        return;
    }
    conn->call.shape.method =
        conn->call.head != NULL ? conn->call.head->method : METHOD_GET;
    conn->call.shape.minor = 1;
    conn->call.shape.now = now;
    answer_error(conn, refusal->status, refusal->reason, true, now_ns);
}

/* The path exists, the method does not; or neither does. */
static void answer_lost(struct http_conn *conn, unsigned allowed,
                        uint64_t now_ns)
{
    char text[128];
    struct fw_buf names = FW_BUF_INIT(sizeof(text));
    struct call *call = &conn->call;

    if (allowed == 0) {
        answer_error(conn, 404, "no such path", false, now_ns);
        return;
    }
    if (router_methods(allowed | METHOD_OPTIONS, &names) != FW_OK)
        fw_buf_clear(&names);
    if (call->head->method == METHOD_OPTIONS) {
        call->reply.status = 204;
        reply_field(&call->reply, "Allow", "%s",
                    names.data != NULL ? names.data : "");
        call->made = reply_start(&call->reply, &call->shape);
        conn->closing = !call->shape.keep_alive || call->made < 0;
        send_reply(conn, now_ns);
    } else {
        answer_error(conn, 405, "the method is not allowed here", false,
                     now_ns);
    }
    fw_buf_release(&names);
}

/* The head is there: whose request is it, and how large may its body be? */
static void begin_request(struct http_conn *conn, bool more_came, fw_ms now,
                          uint64_t now_ns)
{
    const struct http_head *head = &conn->reader.head;
    struct call *call = &conn->call;
    size_t max = FW_MAX_HTTP_FORM_BYTES;
    unsigned allowed;

    call_begin(conn, now);
    call->route = router_find(conn->routes, head->path, head->method,
                              &call->hole, &allowed);
    if (call->route != NULL)
        max = call->route->max_body;
    http_reader_accept(&conn->reader, max, now_ns);
    if (conn->reader.state == HTTP_READING_BODY && head->expect_continue &&
        !more_came) {
        conn->interim = true;
        conn->interim_sent = 0;
    }
}

/* False: nobody has time for it. */
static bool hand_over(struct http_conn *conn)
{
    fw_rc rc;

    conn->in_work = true;
    rc = conn->work(conn);
    if (rc == FW_OK)
        return true;
    conn->in_work = false;
    if (rc == FW_EBUSY)
        http_limit_strike(HTTP_LIMIT_WAITING);
    return false;
}

/* The request is whole: answer it, or say why not. */
static void whole_request(struct http_conn *conn, uint64_t now_ns)
{
    struct call *call = &conn->call;
    unsigned allowed;

    call->body = (struct fw_str){conn->reader.body.data, conn->reader.body.len};
    if (call->route == NULL) {
        (void)router_find(conn->routes, call->head->path, call->head->method,
                          &call->hole, &allowed); /* only for `allowed` */
        answer_lost(conn, allowed, now_ns);
        return;
    }
    enter(conn, CONN_WORK, now_ns);
    if (!hand_over(conn))
        answer_error(conn, 503, "too many requests are waiting", false, now_ns);
}

/* Reads as far as the bytes go. Returns how many were taken. */
static size_t read_some(struct http_conn *conn, const char *bytes, size_t n,
                        fw_ms now, uint64_t now_ns)
{
    struct http_reader *reader = &conn->reader;
    size_t used = 0;

    while (conn->state == CONN_READ && used < n) {
        used += http_reader_feed(reader, bytes + used, n - used, now_ns);
        if (reader->state == HTTP_HEAD_READY)
            begin_request(conn, used < n, now, now_ns);
        if (reader->state == HTTP_READY)
            whole_request(conn, now_ns);
        else if (reader->state == HTTP_REFUSED)
            answer_refusal(conn, now, now_ns);
    }
    return used;
}

bool http_conn_wants_input(const struct http_conn *conn)
{
    return !conn->eof &&
           (conn->state == CONN_READ || conn->state == CONN_DRAIN);
}

void http_conn_input(struct http_conn *conn, const char *bytes, size_t n,
                     fw_ms now, uint64_t now_ns)
{
    size_t used;

    if (conn->state != CONN_READ)
        return; /* CONN_DRAIN: dropped */
    used = read_some(conn, bytes, n, now, now_ns);
    if (conn->closing || used == n)
        return;
    /* `in` was empty, so what is left of one read fits; out of memory ends it
     */
    if (fw_buf_add(&conn->in, bytes + used, n - used) != FW_OK)
        conn->closing = true;
}

void http_conn_eof(struct http_conn *conn)
{
    conn->eof = true;
    if (conn->state == CONN_READ || conn->state == CONN_DRAIN)
        conn->state = CONN_CLOSED;
}

int http_conn_output(const struct http_conn *conn, struct iovec out[2])
{
    const struct reply *reply = &conn->call.reply;
    int n = 0;

    if (conn->interim) {
        out[0].iov_base =
            (void *)(uintptr_t)(interim_text + conn->interim_sent);
        out[0].iov_len = sizeof(interim_text) - 1 - conn->interim_sent;
        return 1;
    }
    if (conn->state != CONN_SEND)
        return 0;
    if (reply->head.len > conn->head_sent) {
        out[n].iov_base = reply->head.data + conn->head_sent;
        out[n++].iov_len = reply->head.len - conn->head_sent;
    }
    if (reply->body.len > conn->body_sent) {
        out[n].iov_base = reply->body.data + conn->body_sent;
        out[n++].iov_len = reply->body.len - conn->body_sent;
    }
    return n;
}

/* The reply has gone out: the next request, or the end. */
static void next_request(struct http_conn *conn, fw_ms now, uint64_t now_ns)
{
    size_t used;

    conn->requests++;
    drop_call(conn);
    if (conn->closing) {
        enter(conn, CONN_DRAIN, now_ns);
        return;
    }
    http_reader_next(&conn->reader, now_ns);
    enter(conn, CONN_READ, now_ns);
    if (conn->in.len > 0) {
        used = read_some(conn, conn->in.data, conn->in.len, now, now_ns);
        fw_buf_consume(&conn->in, used);
    }
    if (conn->eof && conn->state == CONN_READ)
        enter(conn, CONN_CLOSED, now_ns);
}

static void piece_sent(struct http_conn *conn, fw_ms now, uint64_t now_ns)
{
    struct call *call = &conn->call;

    if (call->made < 0) {
        enter(conn, CONN_CLOSED, now_ns); /* broken off in the middle */
    } else if (call->made == FW_END) {
        next_request(conn, now, now_ns);
    } else {
        fw_buf_clear(&call->reply.head);
        enter(conn, CONN_MORE, now_ns);
        if (!hand_over(conn))
            enter(conn, CONN_CLOSED, now_ns);
    }
}

void http_conn_sent(struct http_conn *conn, size_t n, fw_ms now,
                    uint64_t now_ns)
{
    const struct reply *reply = &conn->call.reply;
    size_t head;

    if (conn->interim) {
        conn->interim_sent += n;
        conn->interim = conn->interim_sent < sizeof(interim_text) - 1;
        return;
    }
    if (conn->state != CONN_SEND)
        return;
    conn->sent += n;
    head = reply->head.len - conn->head_sent;
    head = n < head ? n : head;
    conn->head_sent += head;
    conn->body_sent += n - head;
    if (conn->head_sent == reply->head.len &&
        conn->body_sent == reply->body.len)
        piece_sent(conn, now, now_ns);
}

void http_conn_answered(struct http_conn *conn, fw_ms now, uint64_t now_ns)
{
    struct call *call = &conn->call;

    conn->in_work = false;
    if (conn->state != CONN_WORK && conn->state != CONN_MORE)
        return; /* closed meanwhile */
    if (call->made < 0) {
        enter(conn, CONN_CLOSED, now_ns);
        return;
    }
    conn->closing = conn->closing || !call->shape.keep_alive;
    send_reply(conn, now_ns);
    if (call->reply.head.len == 0 && call->reply.body.len == 0)
        piece_sent(conn, now, now_ns); /* a piece that packed to nothing */
}

void http_conn_tick(struct http_conn *conn, fw_ms now, uint64_t now_ns)
{
    switch (conn->state) {
    case CONN_READ:
        if (http_reader_late(&conn->reader, now_ns))
            answer_refusal(conn, now, now_ns);
        break;
    case CONN_SEND:
        if (http_too_slow(conn->sent, conn->since_ns, now_ns,
                          FW_HTTP_STALL_MS)) {
            http_limit_strike(HTTP_LIMIT_READER_RATE);
            enter(conn, CONN_CLOSED, now_ns);
        }
        break;
    case CONN_DRAIN:
        if (now_ns - conn->since_ns > DRAIN_MS * MS_NS)
            enter(conn, CONN_CLOSED, now_ns);
        break;
    default:
        break;
    }
}

bool http_conn_idle(const struct http_conn *conn)
{
    return conn->state == CONN_READ && http_reader_idle(&conn->reader);
}
