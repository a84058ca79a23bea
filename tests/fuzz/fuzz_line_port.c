/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_line_port.c - a whole conversation with the line port, over a socket
 * pair, with a store behind it. The first byte says how the rest is cut into
 * pieces. Whatever is sent, the connection ends, and what the server said are
 * answers.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/ingest/line_conn.h"
#include "storage/base/log.h"
#include "tests/fuzz/store_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_log(void *self, enum fw_log_level level, const char *line)
{
    (void)self;
    (void)level;
    (void)line;
}

/* Feeds the input and reads the answers, a turn at a time, on the loop. */
struct talk {
    struct loop_timer turn;
    struct loop *loop;
    _Atomic size_t *open;
    const uint8_t *data;
    size_t left, piece;
    bool ended;
    int fd;
    char said[1 << 16];
    size_t said_n;
};

static void listen_to_it(struct talk *t)
{
    ssize_t n;

    while ((n = recv(t->fd, t->said + t->said_n, sizeof(t->said) - t->said_n,
                     MSG_DONTWAIT)) > 0)
        t->said_n = t->said_n + (size_t)n < sizeof(t->said) / 2
                        ? t->said_n + (size_t)n
                        : 0; /* its beginning is enough to look at */
}

static void take_turn(struct loop_timer *timer)
{
    struct talk *t = LOOP_OWNER(timer, struct talk, turn);
    size_t n = t->left < t->piece ? t->left : t->piece;

    listen_to_it(t);
    if (n > 0) {
        ssize_t sent = send(t->fd, t->data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            t->data += sent;
            t->left -= (size_t)sent;
        } else {
            t->left = 0; /* it hung up on us */
        }
    } else if (!t->ended) {
        (void)shutdown(t->fd, SHUT_WR);
        t->ended = true;
    }
    if (*t->open == 0)
        loop_stop(t->loop);
    else
        loop_timer_set(t->loop, &t->turn, t->ended ? 1 : 0);
}

static void check_answers(const struct talk *t)
{
    static const char *const starts[] = {"#synced ", "#refused ", "#bad ",
                                         "HTTP/1.1 400 "};
    bool known = t->said_n == 0;

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        known = known || strncmp(t->said, starts[i], strlen(starts[i])) == 0;
    FW_ASSERT(known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct talk talk;
    static char scratch[LINE_SCRATCH_BYTES];
    struct line_stats stats = {0};
    struct bad_lines bad;
    struct peers peers;
    _Atomic size_t open = 0;
    struct line_part part = {.clock = fw_clock_system(),
                             .peers = &peers,
                             .stats = &stats,
                             .bad = &bad,
                             .max_future = FW_MAX_FUTURE_MS,
                             .open = &open,
                             .scratch = scratch};
    struct fw_err err = {0};
    int ends[2];

    if (size < 2 || size > 65536)
        return 0;
    fw_log_to(no_log, NULL);
    bad_lines_init(&bad, &stats);
    peers_init(&peers, 10);
    part.store = store_target();
    FW_ASSERT(loop_open(part.clock, &part.loop, &err) == FW_OK);
    FW_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    FW_ASSERT(line_conn_start(&part, ends[0], "fuzz") == FW_OK);
    memset(&talk, 0, sizeof(talk));
    talk.turn.fire = take_turn;
    talk.loop = part.loop;
    talk.open = &open;
    talk.data = data + 1;
    talk.left = size - 1;
    talk.piece = data[0] == 0 ? size : data[0];
    talk.fd = ends[1];
    loop_timer_set(part.loop, &talk.turn, 0);
    loop_run(part.loop);
    check_answers(&talk);
    (void)close(ends[1]);
    loop_close(part.loop);
    peers_release(&peers);
    bad_lines_release(&bad);
    return 0;
}
