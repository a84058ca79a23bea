/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_emit.c - `forewarn emit`: lines to the line port, and the word that they
 * are durable.
 *
 * Lines go out as they come in, so that it can stand at the end of a pipe for
 * hours; what the server says to bad ones is shown at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/address.h"
#include "server/cli/alert_commands.h"
#include "storage/base/limits.h"
#include "storage/base/str.h"

#define TOKEN "emit"
#define CHUNK_BYTES 65536
#define CONNECT_MS 5000

const struct fw_option emit_options[] = {
    {"to", 0, "ADDR:PORT", "127.0.0.1:9778", "the line port"},
    {"wait", 0, "SPAN", "30s",
     "how long to wait for the word that all is durable"},
    {0},
};

struct emit {
    struct fw_cli *cli;
    int fd;            /* the connection */
    int in;            /* where lines come from; -1: no more */
    struct fw_buf out; /* not sent yet */
    struct fw_buf answers;
    fw_ms wait;
    uint64_t deadline_ns; /* once all is sent; 0: not yet */
    bool ended;           /* the last #sync is in `out` or sent */
    bool line_open;       /* the last byte taken was no newline */
    bool durable;
    uint64_t bad;
    struct fw_err err;
};

/* 0, or the errno that kept it from happening. */
static int finish_connect(int fd, const struct address *address)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    int rc = connect(fd, (const struct sockaddr *)&address->sa, address->len);

    if (rc != 0 && errno == EINPROGRESS) {
        if (poll(&wait, 1, CONNECT_MS) != 1)
            return ETIMEDOUT;
        rc = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    return rc != 0 ? errno : error;
}

static fw_rc connect_to(const char *to, int *out, struct fw_err *err)
{
    struct address address;
    int fd, error;
    fw_rc rc = address_parse(to, &address, err);

    if (rc != FW_OK)
        return fw_err_prefix(err, "--to");
    fd = socket(address.sa.ss_family,
                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fw_err_sys(err, errno, "no socket");
    error = finish_connect(fd, &address);
    if (error != 0) {
        (void)close(fd);
        return fw_err_sys(err, error,
                          "nobody takes lines at %s (is 'forewarn "
                          "serve' running?)",
                          to);
    }
    *out = fd;
    return FW_OK;
}

static fw_rc add_end(struct emit *e)
{
    fw_rc rc = e->line_open ? fw_buf_addc(&e->out, '\n') : FW_OK;

    e->in = -1;
    e->ended = true;
    return rc == FW_OK ? fw_buf_adds(&e->out, "#sync " TOKEN "\n") : rc;
}

static fw_rc take_input(struct emit *e)
{
    char bytes[CHUNK_BYTES];
    ssize_t got = read(e->in, bytes, sizeof(bytes));

    if (got < 0)
        return errno == EINTR || errno == EAGAIN
                   ? FW_OK
                   : fw_err_sys(&e->err, errno, "cannot read standard input");
    if (got == 0)
        return add_end(e);
    e->line_open = bytes[got - 1] != '\n';
    return fw_buf_add(&e->out, bytes, (size_t)got);
}

static fw_rc send_some(struct emit *e)
{
    ssize_t sent = send(e->fd, e->out.data, e->out.len, MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EINTR || errno == EAGAIN
                   ? FW_OK
                   : fw_err_sys(&e->err, errno, "the server went away");
    fw_buf_consume(&e->out, (size_t)sent);
    return FW_OK;
}

/* "17 REASON": the server has counted our `#verbose on` as a line. */
static void show_bad(struct emit *e, struct fw_str rest)
{
    struct fw_buf shown = FW_BUF_INIT(FW_MAX_LINE_BYTES);
    char *reason = NULL;
    long number = 0;

    e->bad++;
    if (fw_add_visible(&shown, rest) == FW_OK && shown.data != NULL)
        number = strtol(shown.data, &reason, 10);
    if (reason != NULL && number > 1)
        (void)fprintf(e->cli->err, "forewarn emit: line %ld:%s\n", number - 1,
                      reason);
    fw_buf_release(&shown);
}

static fw_rc take_answer(struct emit *e, struct fw_str line)
{
    static const char bad[] = "#bad ", refused[] = "#refused ";

    if (fw_str_eq(line, FW_STR("#synced " TOKEN))) {
        e->durable = true;
    } else if (line.n > sizeof(refused) - 1 &&
               memcmp(line.p, refused, sizeof(refused) - 1) == 0) {
        return fw_err_set(&e->err, FW_EIO, "the server stored nothing: %.*s",
                          FW_STR_ARG(line));
    } else if (line.n > sizeof(bad) - 1 &&
               memcmp(line.p, bad, sizeof(bad) - 1) == 0) {
        show_bad(e, (struct fw_str){line.p + sizeof(bad) - 1,
                                    line.n - (sizeof(bad) - 1)});
    }
    return FW_OK;
}

static fw_rc take_answers(struct emit *e)
{
    char bytes[4096];
    ssize_t got = recv(e->fd, bytes, sizeof(bytes), 0);
    char *newline;
    fw_rc rc;

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return FW_OK;
    if (got <= 0)
        return fw_err_set(&e->err, FW_EIO,
                          "the server closed before all was durable");
    rc = fw_buf_add(&e->answers, bytes, (size_t)got);
    while (rc == FW_OK && e->answers.len > 0 &&
           (newline = memchr(e->answers.data, '\n', e->answers.len)) != NULL) {
        size_t n = (size_t)(newline - e->answers.data);

        rc = take_answer(e, (struct fw_str){e->answers.data, n});
        fw_buf_consume(&e->answers, n + 1);
    }
    return rc;
}

/* One turn: whatever is ready. Input is not read while too much is unsent. */
static fw_rc turn(struct emit *e)
{
    bool room = e->out.len < 4 * (size_t)CHUNK_BYTES;
    struct pollfd fds[2] = {
        {.fd = e->fd,
         .events = (short)(POLLIN | (e->out.len > 0 ? POLLOUT : 0))},
        {.fd = room ? e->in : -1, .events = POLLIN},
    };
    uint64_t now = fw_clock_mono_ns(e->cli->clock);
    fw_rc rc = FW_OK;

    if (e->ended && e->out.len == 0 && e->deadline_ns == 0)
        e->deadline_ns = now + (uint64_t)e->wait * 1000000;
    if (e->deadline_ns != 0 && now > e->deadline_ns)
        return fw_err_set(&e->err, FW_EIO, "the server does not answer");
    if (poll(fds, 2, 200) < 0)
        return errno == EINTR ? FW_OK
                              : fw_err_sys(&e->err, errno, "cannot wait");
    if ((fds[0].revents & POLLOUT) != 0)
        rc = send_some(e);
    if (rc == FW_OK && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        rc = take_answers(e);
    if (rc == FW_OK && (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        rc = take_input(e);
    if (rc != FW_OK && e->err.text[0] == '\0')
        (void)fw_err_set(&e->err, rc, "a buffer is full: %s", fw_rc_name(rc));
    return rc;
}

static fw_rc add_words(struct emit *e, const struct fw_args *args)
{
    fw_rc rc = fw_buf_adds(&e->out, "#verbose on\n");

    for (int i = 0; rc == FW_OK && i < args->rest_count; i++) {
        rc = fw_buf_adds(&e->out, args->rest[i]);
        if (rc == FW_OK)
            rc = fw_buf_addc(&e->out, '\n');
    }
    if (rc == FW_OK && args->rest_count > 0)
        rc = add_end(e);
    return rc;
}

int cmd_emit(struct fw_cli *cli, int argc, char **argv)
{
    struct emit e = {.cli = cli, .fd = -1, .in = STDIN_FILENO};
    struct fw_args args;
    int code = FW_EXIT_OK;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    fw_buf_init(&e.out, (size_t)64 << 20);
    fw_buf_init(&e.answers, FW_MAX_LINE_BYTES);
    rc = fw_args_duration(cli, &args, "wait", &e.wait, &e.err);
    if (rc == FW_OK)
        rc = connect_to(fw_args_get(cli, &args, "to"), &e.fd, &e.err);
    if (rc == FW_OK)
        rc = add_words(&e, &args);
    while (rc == FW_OK && !e.durable)
        rc = turn(&e);
    if (rc != FW_OK)
        code = fw_cli_fail(cli, &e.err);
    else if (e.bad > 0)
        code = FW_EXIT_NO;
    if (e.fd >= 0)
        (void)close(e.fd);
    fw_buf_release(&e.out);
    fw_buf_release(&e.answers);
    return code;
}
