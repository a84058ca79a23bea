/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/line_port.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/ingest/line_conn.h"
#include "server/ingest/line_udp.h"
#include "storage/base/log.h"

#define ACCEPTS_AT_ONCE 64
#define ACCEPT_PAUSE_MS 200 /* when there are no descriptors left */
#define RETRY_MS 5
#define SWEEP_MS 500
#define STOP_POLL_US 2000

/* A part as the port keeps it: with the task that carries the end to it. */
struct port_part {
    struct line_part part;
    struct loop_task end;
    struct loop_task cut;
};

struct line_port {
    struct loop_watch watch;
    struct loop_timer resume;
    struct loop_task stop;
    struct loop *loop; /* accepts */
    char address[ADDRESS_TEXT_BYTES];
    struct line_udp *udp;
    struct line_stats stats;
    struct bad_lines bad;
    _Atomic size_t open;  /* connections, and those with batches in flight */
    _Atomic size_t tasks; /* posted at the end and not run yet */
    size_t part_count;
    struct port_part parts[];
};

/* ---- accepting ---- */

static struct line_part *least_busy(struct line_port *port)
{
    struct line_part *best = &port->parts[0].part;

    for (size_t i = 1; i < port->part_count; i++)
        if (atomic_load(&port->parts[i].part.count) < atomic_load(&best->count))
            best = &port->parts[i].part;
    return best;
}

static void pause_accepting(struct line_port *port, int failed)
{
    struct fw_err err = {0};

    (void)fw_err_sys(&err, failed, "cannot accept a connection");
    fw_log(FW_LOG_ERROR, "%s", err.text);
    loop_change(port->loop, &port->watch, 0);
    loop_timer_set(port->loop, &port->resume, ACCEPT_PAUSE_MS);
}

static void on_resume(struct loop_timer *timer)
{
    struct line_port *port = LOOP_OWNER(timer, struct line_port, resume);

    loop_change(port->loop, &port->watch, EPOLLIN);
}

static void on_accept(struct loop_watch *watch, uint32_t events)
{
    struct line_port *port = LOOP_OWNER(watch, struct line_port, watch);

    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct address from = {.len = sizeof(from.sa)};
        char name[ADDRESS_TEXT_BYTES];
        int on = 1;
        int fd = accept4(watch->fd, (struct sockaddr *)&from.sa, &from.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                errno == ENOBUFS)
                pause_accepting(port, errno);
            return;
        }
        /* Answers to `#sync` are small and waited for. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        address_print(&from, name);
        if (line_conn_start(least_busy(port), fd, name) != FW_OK) {
            (void)close(fd);
            pause_accepting(port, ENOMEM);
            return;
        }
    }
}

/* ---- what the parts do by time ---- */

static void on_retry(struct loop_timer *timer)
{
    struct line_part *part = LOOP_OWNER(timer, struct line_part, retry);
    struct line_conn *conn = part->first;

    while (conn != NULL) {
        struct line_conn *next = line_conn_next(conn); /* it may close */

        line_conn_retry(conn);
        conn = next;
    }
    if (part->ending && part->retry.place == NULL)
        loop_timer_set(part->loop, &part->retry, RETRY_MS);
}

static void on_sweep(struct loop_timer *timer)
{
    struct line_part *part = LOOP_OWNER(timer, struct line_part, sweep);
    uint64_t now_ns = loop_now_ns(part->loop);
    struct line_conn *conn = part->first;

    while (conn != NULL) {
        struct line_conn *next = line_conn_next(conn);

        line_conn_sweep(conn, now_ns);
        conn = next;
    }
    loop_timer_set(part->loop, &part->sweep, SWEEP_MS);
}

/* ---- the end ---- */

static struct line_port *port_of(struct line_part *part)
{
    return LOOP_OWNER(part->open, struct line_port, open);
}

static void on_end(struct loop_task *task)
{
    struct port_part *p = LOOP_OWNER(task, struct port_part, end);

    p->part.ending = true;
    on_retry(&p->part.retry);
    atomic_fetch_sub(&port_of(&p->part)->tasks, 1);
}

static void on_cut(struct loop_task *task)
{
    struct port_part *p = LOOP_OWNER(task, struct port_part, cut);

    while (p->part.first != NULL)
        line_conn_drop(p->part.first);
    loop_timer_clear(&p->part.retry);
    loop_timer_clear(&p->part.sweep);
    atomic_fetch_sub(&port_of(&p->part)->tasks, 1);
}

static void on_stop(struct loop_task *task)
{
    struct line_port *port = LOOP_OWNER(task, struct line_port, stop);

    loop_timer_clear(&port->resume);
    loop_remove(port->loop, &port->watch);
    (void)close(port->watch.fd);
    port->watch.fd = -1;
    line_udp_end(port->udp);
    for (size_t i = 0; i < port->part_count; i++)
        loop_post(port->parts[i].part.loop, &port->parts[i].end);
    atomic_fetch_sub(&port->tasks, 1);
}

/* Waits until nothing is open, at most `patience` (< 0: for ever). */
static void wait_closed(struct line_port *port, fw_ms patience)
{
    const struct fw_clock *clock = fw_clock_system();
    uint64_t end = fw_clock_mono_ns(clock) + (uint64_t)patience * 1000000u;

    while (atomic_load(&port->open) > 0 || atomic_load(&port->tasks) > 0 ||
           line_udp_in_flight(port->udp) > 0)
        if (patience >= 0 && fw_clock_mono_ns(clock) > end)
            return;
        else
            (void)usleep(STOP_POLL_US);
}

void line_port_stop(struct line_port *port, fw_ms patience)
{
    if (port == NULL)
        return;
    atomic_store(&port->tasks, 1 + port->part_count);
    loop_post(port->loop, &port->stop);
    wait_closed(port, patience);
    atomic_fetch_add(&port->tasks, port->part_count);
    for (size_t i = 0; i < port->part_count; i++)
        loop_post(port->parts[i].part.loop, &port->parts[i].cut);
    wait_closed(port, -1); /* the store answers every batch it has taken */
}

void line_port_close(struct line_port *port)
{
    if (port == NULL)
        return;
    if (port->watch.fd >= 0)
        (void)close(port->watch.fd);
    for (size_t i = 0; i < port->part_count; i++)
        free(port->parts[i].part.scratch);
    line_udp_close(port->udp);
    bad_lines_release(&port->bad);
    free(port);
}

/* ---- opening ---- */

static fw_rc part_init(struct line_port *port, size_t i,
                       const struct line_port_options *options)
{
    struct port_part *p = &port->parts[i];

    p->end.run = on_end;
    p->cut.run = on_cut;
    p->part = (struct line_part){.loop = options->loops[i],
                                 .store = options->store,
                                 .clock = options->clock,
                                 .peers = options->peers,
                                 .stats = &port->stats,
                                 .bad = &port->bad,
                                 .max_future = options->max_future,
                                 .open = &port->open,
                                 .retry = {.fire = on_retry},
                                 .sweep = {.fire = on_sweep}};
    p->part.scratch = malloc(LINE_SCRATCH_BYTES);
    if (p->part.scratch == NULL)
        return FW_ENOMEM;
    loop_timer_set(p->part.loop, &p->part.sweep, SWEEP_MS);
    return FW_OK;
}

/* Takes over the socket. */
static fw_rc open_udp(struct line_port *port,
                      const struct line_port_options *options, int *fd,
                      struct fw_err *err)
{
    struct line_udp_options udp = {.store = options->store,
                                   .clock = options->clock,
                                   .loop = port->loop,
                                   .stats = &port->stats,
                                   .bad = &port->bad,
                                   .max_future = options->max_future,
                                   .fd = *fd};
    fw_rc rc = line_udp_open(&udp, &port->udp, err);

    if (rc == FW_OK)
        *fd = -1;
    return rc;
}

fw_rc line_port_open(const struct line_port_options *options,
                     struct line_port **out, struct fw_err *err)
{
    struct line_port *port =
        calloc(1, sizeof(*port) + options->loop_count * sizeof(port->parts[0]));
    struct address address;
    int udp = -1;
    fw_rc rc = FW_OK;

    if (port == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for the line port");
    bad_lines_init(&port->bad, &port->stats);
    port->watch = (struct loop_watch){-1, on_accept};
    port->resume.fire = on_resume;
    port->stop.run = on_stop;
    port->loop = options->loops[0];
    rc = address_parse(options->listen, &address, err);
    if (rc == FW_OK)
        rc = address_listen_both(&address, &port->watch.fd, &udp, err);
    if (rc != FW_OK)
        goto out;
    address_print(&address, port->address);
    if (!address_is_loopback(&address))
        fw_log(FW_LOG_WARN,
               "%s is open to other machines, and the line port asks for no "
               "credentials: whoever reaches it may write",
               port->address);
    rc = loop_add(port->loop, &port->watch, EPOLLIN, err);
    for (; rc == FW_OK && port->part_count < options->loop_count;
         port->part_count++)
        if (part_init(port, port->part_count, options) != FW_OK)
            rc = fw_err_set(err, FW_ENOMEM, "no memory for the line port");
    if (rc == FW_OK)
        rc = open_udp(port, options, &udp, err);
    if (rc != FW_OK)
        goto out;
    *out = port;
    port = NULL;
out:
    if (udp >= 0)
        (void)close(udp);
    line_port_close(port);
    return rc;
}

const char *line_port_address(const struct line_port *port)
{
    return port->address;
}

struct line_stats *line_port_stats(struct line_port *port)
{
    return &port->stats;
}
