/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/line_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/ingest/intake.h"

#define DATAGRAM_BYTES 65536
#define READS_AT_ONCE 256
#define RECEIVE_BUFFER_BYTES (4 << 20)

struct line_udp {
    struct loop_watch watch;
    struct line_udp_options options;
    struct intake intake;
    _Atomic size_t in_flight;
    uint64_t line_number;
    char datagram[DATAGRAM_BYTES];
};

/* On the committer's thread. */
static void on_done(void *self, const struct fw_append_result *result)
{
    struct line_udp *udp = self;
    uint64_t lost = (uint64_t)result->too_old + result->too_new;

    if (result->rc != FW_OK || lost > 0)
        bad_lines_refused(udp->options.bad,
                          fw_clock_mono_ns(udp->options.clock), "UDP", lost,
                          result->err.text);
    atomic_fetch_sub(&udp->in_flight, 1);
}

static void submit(struct line_udp *udp)
{
    struct fw_err err = {0};
    size_t n = udp->intake.batch.n;

    if (n == 0)
        return;
    atomic_fetch_add(&udp->in_flight, 1);
    if (fw_store_submit(udp->options.store, &udp->intake.batch, on_done, udp,
                        &err) == FW_OK)
        return;
    atomic_fetch_sub(&udp->in_flight, 1);
    udp->intake.batch.n = 0;
    bad_lines_refused(udp->options.bad, loop_now_ns(udp->options.loop), "UDP",
                      n, err.text);
}

static void take_line(struct line_udp *udp, struct fw_str text, fw_ms now)
{
    struct line_stats *stats = udp->options.stats;
    struct intake *intake = &udp->intake;
    enum line_fault fault;

    udp->line_number++;
    intake->err.text[0] = '\0';
    fault = intake_line(intake, text, now, now + udp->options.max_future);
    if (fault != LINE_OK) {
        bad_lines_name(udp->options.bad, loop_now_ns(udp->options.loop), "UDP",
                       udp->line_number, fault,
                       intake->err.text[0] != '\0' ? intake->err.text : NULL,
                       text);
        return;
    }
    line_stats_add(&stats->skipped, intake->skipped);
    if (intake->taken == 0)
        return;
    line_stats_add(&stats->lines[intake->protocol], 1);
    line_stats_add(&stats->values[intake->protocol], intake->taken);
}

static void take_datagram(struct line_udp *udp, size_t n, fw_ms now)
{
    struct fw_str rest = {udp->datagram, n};

    line_stats_add(&udp->options.stats->bytes, n);
    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t line = end != NULL ? (size_t)(end - rest.p) : rest.n;

        if (intake_is_full(&udp->intake))
            submit(udp);
        take_line(udp, (struct fw_str){rest.p, line}, now);
        line += end != NULL ? 1 : 0;
        rest = (struct fw_str){rest.p + line, rest.n - line};
    }
}

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    struct line_udp *udp = LOOP_OWNER(watch, struct line_udp, watch);
    fw_ms now = fw_clock_now(udp->options.clock);

    (void)events;
    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t n =
            recv(watch->fd, udp->datagram, sizeof(udp->datagram), MSG_DONTWAIT);

        if (n < 0 && errno != EINTR)
            break;
        if (n > 0)
            take_datagram(udp, (size_t)n, now);
    }
    submit(udp);
    line_stats_add(&udp->options.stats->forgotten,
                   names_take_resets(&udp->intake.names));
}

void line_udp_end(struct line_udp *udp)
{
    on_ready(&udp->watch, EPOLLIN);
    loop_remove(udp->options.loop, &udp->watch);
}

size_t line_udp_in_flight(const struct line_udp *udp)
{
    return atomic_load(&udp->in_flight);
}

void line_udp_close(struct line_udp *udp)
{
    if (udp == NULL)
        return;
    if (udp->watch.fd >= 0)
        (void)close(udp->watch.fd);
    intake_release(&udp->intake);
    free(udp);
}

fw_rc line_udp_open(const struct line_udp_options *options,
                    struct line_udp **out, struct fw_err *err)
{
    struct line_udp *udp = calloc(1, sizeof(*udp));
    int room = RECEIVE_BUFFER_BYTES;
    fw_rc rc;

    if (udp == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for datagrams");
    udp->options = *options;
    udp->watch = (struct loop_watch){-1, on_ready};
    rc = intake_init(&udp->intake, options->store);
    if (rc != FW_OK)
        (void)fw_err_set(err, rc, "no memory for datagrams");
    if (rc == FW_OK) {
        /* Bursts come faster than a loop turns; as much as the system gives. */
        (void)setsockopt(options->fd, SOL_SOCKET, SO_RCVBUF, &room,
                         sizeof(room));
        udp->watch.fd = options->fd;
        rc = loop_add(options->loop, &udp->watch, EPOLLIN, err);
    }
    if (rc != FW_OK) {
        udp->watch.fd = -1; /* stays the caller's */
        line_udp_close(udp);
        return rc;
    }
    *out = udp;
    return FW_OK;
}
