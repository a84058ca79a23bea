/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/local/local_server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/cli/commands.h"
#include "server/local/local_frame.h"
#include "server/local/local_path.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define REQUEST_MS 5000 /* to send the whole request */
#define STALL_MS 30000  /* a reader that takes nothing for so long is gone */
#define POLL_MS 200     /* between two looks at the cancel flag */
#define STOP_POLL_US 2000
#define OUT_BUFFER_BYTES 32768
#define READ_BYTES 4096

struct local_conn {
    struct loop_watch watch;
    struct loop_timer deadline; /* for the request */
    struct loop_task over;      /* the worker has finished */
    struct worker_job job;
    struct local_server *server;
    struct local_conn *prev, *next;
    struct fw_buf in;
    struct local_request request;
    bool running;       /* a worker has it */
    bool hung;          /* not watched any more */
    atomic_bool cancel; /* the reader went away, or the server stops */
    bool broken;        /* writing failed; the worker's */
};

struct local_server {
    struct loop_watch watch;
    struct loop_task stop;
    struct local_server_options options;
    struct local_conn *first; /* the loop's */
    size_t count;             /* the loop's */
    atomic_bool stopped;      /* the loop has let go of everything */
    bool stopping;            /* the loop's */
    _Atomic uint64_t answered;
    _Atomic uint64_t refused[LOCAL_REFUSALS];
};

static void count_refused(struct local_server *server, enum local_refusal why)
{
    atomic_fetch_add_explicit(&server->refused[why], 1, memory_order_relaxed);
}

/* ---- the worker's side: writing frames ---- */

static bool write_all(struct local_conn *conn, const void *bytes, size_t n)
{
    const char *p = bytes;
    int waited = 0;

    while (n > 0 && !conn->broken) {
        ssize_t done = send(conn->watch.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd room = {.fd = conn->watch.fd, .events = POLLOUT};

        if (done > 0) {
            p += done;
            n -= (size_t)done;
            waited = 0;
        } else if (errno == EAGAIN) {
            if (waited >= STALL_MS)
                count_refused(conn->server, LOCAL_REFUSED_STALL);
            if (atomic_load(&conn->cancel) || waited >= STALL_MS)
                conn->broken = true;
            else if (poll(&room, 1, POLL_MS) == 0)
                waited += POLL_MS;
        } else if (errno != EINTR) {
            conn->broken = true;
        }
    }
    return !conn->broken;
}

static bool write_frame(struct local_conn *conn, enum local_kind kind,
                        const char *payload, size_t n)
{
    uint8_t head[LOCAL_FRAME_HEAD];

    while (n > LOCAL_MAX_PAYLOAD) {
        if (!write_frame(conn, kind, payload, LOCAL_MAX_PAYLOAD))
            return false;
        payload += LOCAL_MAX_PAYLOAD;
        n -= LOCAL_MAX_PAYLOAD;
    }
    local_head_put(head, (struct local_head){kind, (uint32_t)n});
    return write_all(conn, head, sizeof(head)) && write_all(conn, payload, n);
}

static ssize_t on_out(void *self, const char *bytes, size_t n)
{
    return write_frame(self, LOCAL_OUT, bytes, n) ? (ssize_t)n : -1;
}

static ssize_t on_err(void *self, const char *bytes, size_t n)
{
    return write_frame(self, LOCAL_ERR, bytes, n) ? (ssize_t)n : -1;
}

/* True if this command may run inside the server. */
static bool serves(const struct local_request *request)
{
    const struct fw_command *command = commands_find(request->argv[0]);

    return command != NULL &&
           !commands_is_local(command, request->argc, request->argv);
}

static void run_command(struct local_conn *conn)
{
    const struct local_server_options *options = &conn->server->options;
    const struct local_request *request = &conn->request;
    struct fw_cli cli = {.tty = (request->flags & LOCAL_TTY) != 0,
                         .color = (request->flags & LOCAL_COLOR) != 0,
                         .utf8 = (request->flags & LOCAL_UTF8) != 0,
                         .columns = request->columns,
                         .rows = request->rows,
                         .clock = options->clock,
                         .store = options->store,
                         .data_dir = fw_store_dir(options->store),
                         .cancel = &conn->cancel};
    /* Parsing moves the words of its array about; ours keeps each once. */
    char **words = calloc((size_t)request->argc + 1, sizeof(*request->argv));
    char code = FW_EXIT_FAIL;

    cli.out = fopencookie(conn, "w", (cookie_io_functions_t){.write = on_out});
    cli.err = fopencookie(conn, "w", (cookie_io_functions_t){.write = on_err});
    if (cli.out != NULL && cli.err != NULL && words != NULL) {
        memcpy(words, request->argv,
               (size_t)request->argc * sizeof(*request->argv));
        (void)setvbuf(cli.out, NULL, _IOFBF, OUT_BUFFER_BYTES);
        (void)setvbuf(cli.err, NULL, _IOLBF, BUFSIZ);
        code = (char)commands_run_here(&cli, request->argc, words);
    }
    if (cli.out != NULL)
        (void)fclose(cli.out);
    if (cli.err != NULL)
        (void)fclose(cli.err);
    free(words);
    (void)write_frame(conn, LOCAL_EXIT, &code, 1);
}

static void on_job(struct worker_job *job)
{
    struct local_conn *conn = LOOP_OWNER(job, struct local_conn, job);

    run_command(conn);
    loop_post(conn->server->options.loop, &conn->over);
}

/* ---- the loop's side ---- */

static void conn_free(struct local_conn *conn)
{
    struct local_server *server = conn->server;

    loop_timer_clear(&conn->deadline);
    if (!conn->hung)
        loop_remove(server->options.loop, &conn->watch);
    (void)close(conn->watch.fd);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        server->first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    server->count--;
    fw_buf_release(&conn->in);
    local_request_release(&conn->request);
    free(conn);
    if (server->stopping && server->first == NULL)
        atomic_store(&server->stopped, true);
}

static void on_over(struct loop_task *task)
{
    struct local_conn *conn = LOOP_OWNER(task, struct local_conn, over);

    atomic_fetch_add(&conn->server->answered, 1);
    conn_free(conn);
}

static void send_elsewhere(struct local_conn *conn, const char *why)
{
    /* It fits an empty socket buffer, so this does not wait. */
    (void)write_frame(conn, LOCAL_ELSEWHERE, why, strlen(why));
    conn_free(conn);
}

static void refuse(struct local_conn *conn, enum local_refusal why,
                   const char *text)
{
    count_refused(conn->server, why);
    send_elsewhere(conn, text);
}

/* A whole request is there: hand it to a worker. */
static void start_job(struct local_conn *conn)
{
    struct fw_err err = {0};
    fw_rc rc =
        local_request_get(conn->in.data, conn->in.len, &conn->request, &err);

    if (rc != FW_OK) {
        refuse(conn,
               rc == FW_ETOOBIG ? LOCAL_REFUSED_WORDS : LOCAL_REFUSED_FORM,
               err.text);
        return;
    }
    if (!serves(&conn->request)) {
        send_elsewhere(conn, "this command runs where it was called");
        return;
    }
    loop_timer_clear(&conn->deadline);
    conn->running = true;
    conn->job.run = on_job;
    loop_change(conn->server->options.loop, &conn->watch, EPOLLRDHUP);
    if (workers_submit(conn->server->options.workers, &conn->job) != FW_OK) {
        conn->running = false;
        refuse(conn, LOCAL_REFUSED_WAITING, "the server is busy");
    }
}

static void read_request(struct local_conn *conn)
{
    struct fw_err err = {0};
    size_t size = 0;
    ssize_t n;
    fw_rc rc;

    if (fw_buf_reserve(&conn->in, READ_BYTES) != FW_OK) {
        conn_free(conn);
        return;
    }
    n = recv(conn->watch.fd, conn->in.data + conn->in.len, READ_BYTES,
             MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            conn_free(conn);
        return;
    }
    conn->in.len += (size_t)n;
    rc = local_request_size(conn->in.data, conn->in.len, &size, &err);
    if (rc < 0 || (rc == FW_OK && conn->in.len > size))
        refuse(conn, rc == FW_ETOOBIG ? LOCAL_REFUSED_SIZE : LOCAL_REFUSED_FORM,
               err.text);
    else if (rc == FW_OK && conn->in.len == size)
        start_job(conn);
}

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    struct local_conn *conn = LOOP_OWNER(watch, struct local_conn, watch);

    if (conn->running) {
        if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
            atomic_store(&conn->cancel, true);
            loop_remove(conn->server->options.loop, watch);
            conn->hung = true;
        }
        return;
    }
    read_request(conn);
}

static void on_deadline(struct loop_timer *timer)
{
    struct local_conn *conn = LOOP_OWNER(timer, struct local_conn, deadline);

    count_refused(conn->server, LOCAL_REFUSED_TIME);
    conn_free(conn);
}

/* The file's mode keeps others out; this is for those it did not stop. */
static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static bool conn_start(struct local_server *server, int fd)
{
    struct local_conn *conn = NULL;

    if (server->count >= FW_MAX_LOCAL_CONNECTIONS) {
        count_refused(server, LOCAL_REFUSED_CONNECTIONS);
        return false;
    }
    if (!is_ours(fd)) {
        count_refused(server, LOCAL_REFUSED_USER);
        return false;
    }
    conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return false;
    conn->server = server;
    conn->watch = (struct loop_watch){fd, on_ready};
    conn->deadline.fire = on_deadline;
    conn->over.run = on_over;
    fw_buf_init(&conn->in,
                LOCAL_REQUEST_HEAD + FW_MAX_LOCAL_REQUEST_BYTES + READ_BYTES);
    if (loop_add(server->options.loop, &conn->watch, EPOLLIN, NULL) != FW_OK) {
        free(conn);
        return false;
    }
    loop_timer_set(server->options.loop, &conn->deadline, REQUEST_MS);
    conn->next = server->first;
    if (server->first != NULL)
        server->first->prev = conn;
    server->first = conn;
    server->count++;
    return true;
}

static void on_accept(struct loop_watch *watch, uint32_t events)
{
    struct local_server *server = LOOP_OWNER(watch, struct local_server, watch);
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    /* Turned away, the command opens the folder by itself. */
    if (fd >= 0 && !conn_start(server, fd))
        (void)close(fd);
}

static void on_stop(struct loop_task *task)
{
    struct local_server *server = LOOP_OWNER(task, struct local_server, stop);
    struct local_conn *conn = server->first;

    loop_remove(server->options.loop, &server->watch);
    server->stopping = true;
    while (conn != NULL) {
        struct local_conn *next = conn->next;

        atomic_store(&conn->cancel, true);
        if (!conn->running)
            conn_free(conn);
        conn = next;
    }
    if (server->first == NULL)
        atomic_store(&server->stopped, true);
}

/* ---- opening and closing ---- */

fw_rc local_server_open(const struct local_server_options *options,
                        struct local_server **out, struct fw_err *err)
{
    struct local_server *server = calloc(1, sizeof(*server));
    fw_rc rc;

    if (server == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for the local socket");
    server->options = *options;
    server->watch = (struct loop_watch){-1, on_accept};
    server->stop.run = on_stop;
    rc =
        local_path_listen(fw_store_dir(options->store), &server->watch.fd, err);
    if (rc == FW_OK)
        rc = loop_add(options->loop, &server->watch, EPOLLIN, err);
    if (rc != FW_OK) {
        local_server_close(server);
        return rc;
    }
    *out = server;
    return FW_OK;
}

void local_server_stop(struct local_server *server)
{
    if (server == NULL)
        return;
    local_path_remove(fw_store_dir(server->options.store));
    loop_post(server->options.loop, &server->stop);
    while (!atomic_load(&server->stopped))
        (void)usleep(STOP_POLL_US);
}

void local_server_close(struct local_server *server)
{
    if (server == NULL)
        return;
    if (server->watch.fd >= 0)
        (void)close(server->watch.fd);
    free(server);
}

uint64_t local_server_answered(const struct local_server *server)
{
    return atomic_load(&server->answered);
}

const char *local_refusal_name(enum local_refusal why)
{
    static const char *const names[LOCAL_REFUSALS] = {
        [LOCAL_REFUSED_CONNECTIONS] = "connections",
        [LOCAL_REFUSED_USER] = "user",
        [LOCAL_REFUSED_SIZE] = "request_bytes",
        [LOCAL_REFUSED_WORDS] = "words",
        [LOCAL_REFUSED_FORM] = "form",
        [LOCAL_REFUSED_TIME] = "request_time",
        [LOCAL_REFUSED_WAITING] = "waiting",
        [LOCAL_REFUSED_STALL] = "reader_stall"};

    return names[why];
}

uint64_t local_server_refused(const struct local_server *server,
                              enum local_refusal why)
{
    return atomic_load_explicit(&server->refused[why], memory_order_relaxed);
}
