/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_server.c - sockets, loops and workers around http_conn.c.
 *
 * A client belongs to the loop that accepted it. While a worker has its
 * request the client must not be freed, even if its socket is gone: it is
 * closed then, and freed when the answer comes back.
 */
#include "server/http/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/address.h"
#include "server/http/api.h"
#include "server/http/http_conn.h"
#include "server/http/http_limit.h"
#include "server/workers.h"
#include "storage/base/log.h"

#define TICK_MS 500
#define ACCEPT_BUDGET 32 /* newcomers before the others get a turn */
#define SEND_BUDGET 64   /* writes to one client before the others */
#define GONE_MS 1000     /* from the end of a client's stream to a cancel */
#define WRITE_THREADS 2
#define MS_NS UINT64_C(1000000)

struct http_server;

/* What one loop has; only its thread touches it. */
struct shard {
    struct http_server *server;
    struct loop *loop;
    struct loop_watch watch; /* the listening socket */
    struct loop_timer tick;
    struct loop_task ending, cutting;
    struct client *clients;
    bool deaf; /* listens again at the next tick, unless the end is near */
    bool over; /* takes nobody any more */
    char input[HTTP_INPUT_BYTES];
};

struct client {
    struct http_conn conn;
    struct shard *shard;
    struct loop_watch watch; /* fd -1: closed */
    struct worker_job job;
    struct loop_task answered;
    struct peer peer;
    struct client *prev, *next;
    uint32_t events;  /* what the loop watches for */
    uint64_t gone_ns; /* the end of the stream was seen while working */
    bool listed;      /* peers has it */
    bool awaited;     /* peers has it, or its eviction is on the way */
    bool pressing;    /* input came that is not wanted yet */
    bool shut;        /* we send no more */
};

struct http_server {
    int fd;
    struct peers *peers;
    const struct fw_clock *clock;
    const struct api *api;
    struct workers *queries, *writes;
    struct shard *shards;
    size_t shard_count;
    _Atomic size_t body_bytes;
    _Atomic uint64_t connections, bytes_in, bytes_out, requests[6];

    pthread_mutex_t lock; /* leaf */
    pthread_cond_t fewer;
    size_t clients; /* lock; over all loops */
    char address[ADDRESS_TEXT_BYTES];
};

#define OWNER(type, member, pointer)                                           \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void count_client(struct http_server *server, bool more)
{
    (void)pthread_mutex_lock(&server->lock);
    server->clients += more ? 1 : (size_t)-1;
    if (server->clients == 0)
        (void)pthread_cond_broadcast(&server->fewer);
    (void)pthread_mutex_unlock(&server->lock);
}

static uint64_t now_ns(const struct client *client)
{
    return loop_now_ns(client->shard->loop);
}

static fw_ms now(const struct client *client)
{
    return fw_clock_now(client->shard->server->clock);
}

/* Frees a closed client that nobody else holds any more. */
static void client_free(struct client *client)
{
    struct shard *shard = client->shard;

    if (client->conn.in_work || client->awaited)
        return;
    if (client->prev != NULL)
        client->prev->next = client->next;
    else
        shard->clients = client->next;
    if (client->next != NULL)
        client->next->prev = client->prev;
    http_conn_release(&client->conn);
    free(client);
    count_client(shard->server, false);
}

static void client_close(struct client *client)
{
    if (client->watch.fd >= 0) {
        loop_remove(client->shard->loop, &client->watch);
        (void)close(client->watch.fd); /* nothing to learn from its failure */
        client->watch.fd = -1;
    }
    atomic_store(&client->conn.call.cancel, true);
    if (client->listed) {
        client->listed = false;
        if (peers_remove(client->shard->server->peers, &client->peer))
            client->awaited = false;
    }
    client->conn.state = CONN_CLOSED;
    client_free(client);
}

static void client_evict(struct peer *peer)
{
    struct client *client = OWNER(struct client, peer, peer);

    if (client->watch.fd >= 0)
        http_limit_strike(HTTP_LIMIT_CONNECTIONS);
    client_close(client); /* takes it off the list; does not free it yet */
    client->awaited = false;
    client_free(client);
}

static void count_reply(struct client *client)
{
    int hundred = client->conn.call.reply.status / 100;

    if (hundred >= 1 && hundred <= 5)
        atomic_fetch_add(&client->shard->server->requests[hundred], 1);
}

/* Sends what there is. False: the client is lost. */
static bool client_send(struct client *client)
{
    struct http_conn *conn = &client->conn;
    struct iovec out[2];
    int parts;

    for (int i = 0; i < SEND_BUDGET; i++) {
        struct msghdr message = {.msg_iov = out};
        enum conn_state before = conn->state;
        ssize_t n;

        parts = http_conn_output(conn, out);
        if (parts == 0)
            return true;
        message.msg_iovlen = (size_t)parts;
        n = sendmsg(client->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        atomic_fetch_add(&client->shard->server->bytes_out, (uint64_t)n);
        if (before == CONN_SEND && conn->call.reply.head.len > 0 &&
            conn->head_sent == 0 && !conn->interim)
            count_reply(client);
        http_conn_sent(conn, (size_t)n, now(client), now_ns(client));
    }
    return true;
}

/* After anything happened: send, close, and watch for what matters now. */
static void client_settle(struct client *client)
{
    struct http_conn *conn = &client->conn;
    uint32_t events = EPOLLRDHUP;
    struct iovec out[2];

    if (client->watch.fd < 0) {
        client_free(client);
        return;
    }
    if (!client_send(client)) {
        client_close(client);
        return;
    }
    if (conn->state == CONN_DRAIN && !client->shut) {
        (void)shutdown(client->watch.fd, SHUT_WR); /* may be gone already */
        client->shut = true;
    }
    if (conn->state == CONN_CLOSED ||
        (conn->state == CONN_DRAIN && conn->eof)) {
        client_close(client);
        return;
    }
    if (client->gone_ns != 0)
        events = 0; /* it would be told for ever */
    else if (!client->pressing)
        events |= client->events & EPOLLIN; /* most wait for their answer */
    if (http_conn_wants_input(conn)) {
        events |= EPOLLIN;
        client->pressing = false;
    }
    if (http_conn_output(conn, out) > 0)
        events |= EPOLLOUT;
    if (events != client->events) {
        loop_change(client->shard->loop, &client->watch, events);
        client->events = events;
    }
}

/* Reads once: level-triggered, so the rest comes in its turn. */
static bool client_read(struct client *client)
{
    struct shard *shard = client->shard;
    ssize_t n = recv(client->watch.fd, shard->input, sizeof(shard->input), 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0) {
        http_conn_eof(&client->conn);
        return true;
    }
    atomic_fetch_add(&shard->server->bytes_in, (uint64_t)n);
    peer_touch(&client->peer, now_ns(client));
    http_conn_input(&client->conn, shard->input, (size_t)n, now(client),
                    now_ns(client));
    return true;
}

static void client_ready(struct loop_watch *watch, uint32_t events)
{
    struct client *client = OWNER(struct client, watch, watch);
    bool alive = (events & (EPOLLERR | EPOLLHUP)) == 0;

    bool wanted = http_conn_wants_input(&client->conn);

    client->pressing = !wanted && (events & EPOLLIN) != 0;
    if (alive && wanted && (events & (EPOLLIN | EPOLLRDHUP)) != 0)
        alive = client_read(client);
    else if (alive && (events & EPOLLRDHUP) != 0)
        client->gone_ns = now_ns(client);
    if (alive)
        client_settle(client);
    else
        client_close(client);
}

/* ---- answering ---- */

static void client_answered(struct loop_task *task)
{
    struct client *client = OWNER(struct client, answered, task);

    peer_touch(&client->peer, now_ns(client));
    http_conn_answered(&client->conn, now(client), now_ns(client));
    client_settle(client);
}

/* On whichever thread made the answer. The client may be gone once posted. */
static void answer_elsewhere(struct call *call)
{
    struct client *client = OWNER(struct client, conn.call, call);

    loop_post(client->shard->loop, &client->answered);
}

static void answer_here(struct call *call)
{
    struct client *client = OWNER(struct client, conn.call, call);

    http_conn_answered(&client->conn, now(client), now_ns(client));
}

static void run_first(struct worker_job *job)
{
    call_run(&OWNER(struct client, job, job)->conn.call);
}

static void run_more(struct worker_job *job)
{
    call_continue(&OWNER(struct client, job, job)->conn.call);
}

static fw_rc client_work(struct http_conn *conn)
{
    struct client *client = OWNER(struct client, conn, conn);
    struct http_server *server = client->shard->server;
    enum route_place place = conn->call.route->place;

    client->job.run = conn->state == CONN_MORE ? run_more : run_first;
    if (place == ROUTE_HERE) {
        conn->call.done = answer_here;
        client->job.run(&client->job);
        return FW_OK;
    }
    conn->call.done = answer_elsewhere;
    if (place == ROUTE_WRITE && api_is_small_write(&conn->call)) {
        conn->call.on_loop = true;
        client->job.run(&client->job);
        return FW_OK;
    }
    return workers_submit(
        place == ROUTE_WRITE ? server->writes : server->queries, &client->job);
}

/* ---- newcomers ---- */

static fw_rc client_new(struct shard *shard, int fd, struct fw_err *err)
{
    struct http_server *server = shard->server;
    struct client *client = calloc(1, sizeof(*client));
    uint64_t mono = loop_now_ns(shard->loop);
    fw_rc rc;

    if (client == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    http_conn_init(&client->conn, api_routes, server->api, &server->body_bytes,
                   mono);
    client->conn.work = client_work;
    client->shard = shard;
    client->answered.run = client_answered;
    client->watch = (struct loop_watch){.fd = fd, .ready = client_ready};
    client->events = EPOLLIN | EPOLLRDHUP;
    rc = loop_add(shard->loop, &client->watch, client->events, err);
    if (rc != FW_OK) {
        http_conn_release(&client->conn);
        free(client);
        return rc;
    }
    client->next = shard->clients;
    if (client->next != NULL)
        client->next->prev = client;
    shard->clients = client;
    client->listed = true;
    client->awaited = true;
    count_client(server, true);
    atomic_fetch_add(&server->connections, 1);
    peers_add(server->peers, &client->peer, shard->loop, client_evict, mono);
    return FW_OK;
}

static fw_rc listen_begin(struct shard *shard, struct fw_err *err)
{
    return loop_add(shard->loop, &shard->watch, EPOLLIN | EPOLLEXCLUSIVE, err);
}

/* The system has no descriptor left; asking again at once would only spin. */
static void listen_pause(struct shard *shard)
{
    http_limit_strike(HTTP_LIMIT_DESCRIPTORS);
    fw_log(FW_LOG_WARN, "http: no file descriptor left for a new connection");
    loop_remove(shard->loop, &shard->watch);
    shard->deaf = true;
}

static void listen_ready(struct loop_watch *watch, uint32_t events)
{
    struct shard *shard = OWNER(struct shard, watch, watch);
    struct fw_err err = {0};
    int on = 1;

    (void)events; /* it listens: only newcomers */
    for (int i = 0; i < ACCEPT_BUDGET; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS)
                listen_pause(shard);
            return; /* else: none left, or another loop took it */
        }
        /* Small replies go at once; where it fails they only go later. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (client_new(shard, fd, &err) != FW_OK) {
            fw_log(FW_LOG_WARN, "http: %s", err.text);
            (void)close(fd);
        }
    }
}

static void shard_tick(struct loop_timer *timer)
{
    struct shard *shard = OWNER(struct shard, tick, timer);
    uint64_t mono = loop_now_ns(shard->loop);
    struct client *next;
    struct fw_err err = {0};

    if (shard->deaf && !shard->over)
        shard->deaf = listen_begin(shard, &err) != FW_OK;
    for (struct client *client = shard->clients; client != NULL;
         client = next) {
        next = client->next;
        if (client->gone_ns != 0 && client->conn.in_work &&
            client->conn.call.route->place == ROUTE_QUERY &&
            mono - client->gone_ns > GONE_MS * MS_NS) {
            client_close(client); /* nobody waits for it: cancels the query */
            continue;
        }
        http_conn_tick(&client->conn, now(client), mono);
        client_settle(client);
    }
    loop_timer_set(shard->loop, timer, TICK_MS);
}

/* ---- start and stop ---- */

static fw_rc start_shards(struct http_server *server,
                          const struct http_server_options *options,
                          struct fw_err *err)
{
    server->shards = calloc(options->loop_count, sizeof(*server->shards));
    if (server->shards == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < options->loop_count; i++) {
        struct shard *shard = &server->shards[i];
        fw_rc rc;

        shard->server = server;
        shard->loop = options->loops[i];
        shard->watch =
            (struct loop_watch){.fd = server->fd, .ready = listen_ready};
        shard->tick.fire = shard_tick;
        rc = listen_begin(shard, err);
        if (rc != FW_OK)
            return rc;
        loop_timer_set(shard->loop, &shard->tick, TICK_MS);
        server->shard_count++;
    }
    return FW_OK;
}

static fw_rc start_listening(struct http_server *server, const char *listen,
                             struct fw_err *err)
{
    struct address address;
    fw_rc rc = address_parse(listen, &address, err);

    if (rc == FW_OK)
        rc = address_listen(&address, &server->fd, err);
    if (rc == FW_OK)
        address_print(&address, server->address);
    return rc;
}

fw_rc http_server_start(const struct http_server_options *options,
                        struct http_server **out, struct fw_err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = options->query_threads;
    struct http_server *server = calloc(1, sizeof(*server));
    fw_rc rc;

    if (server == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for the HTTP listener");
    if (threads == 0)
        threads = cores > 0 ? (size_t)cores : 1;
    server->fd = -1;
    server->peers = options->peers;
    server->clock = options->clock;
    server->api = options->api;
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_cond_init(&server->fewer, NULL);
    rc = start_listening(server, options->listen, err);
    if (rc == FW_OK)
        rc = workers_start(threads, WORKERS_NICENESS, FW_MAX_WORKER_JOBS,
                           &server->queries, err);
    if (rc == FW_OK)
        rc = workers_start(WRITE_THREADS, 0, FW_MAX_WORKER_JOBS,
                           &server->writes, err);
    if (rc == FW_OK)
        rc = start_shards(server, options, err);
    if (rc != FW_OK) {
        http_server_close(server);
        return rc;
    }
    *out = server;
    return FW_OK;
}

/* Takes nobody any more; who is not being answered goes. */
static void shard_end(struct loop_task *task)
{
    struct shard *shard = OWNER(struct shard, ending, task);
    struct client *next;

    shard->over = true;
    if (!shard->deaf)
        loop_remove(shard->loop, &shard->watch);
    for (struct client *client = shard->clients; client != NULL;
         client = next) {
        next = client->next;
        client->conn.closing = true;
        if (client->conn.state == CONN_READ || client->conn.state == CONN_DRAIN)
            client_close(client);
    }
}

/* The patience is over: the others go too, and their queries are canceled. */
static void shard_cut(struct loop_task *task)
{
    struct shard *shard = OWNER(struct shard, cutting, task);
    struct client *next;

    loop_timer_clear(&shard->tick);
    for (struct client *client = shard->clients; client != NULL;
         client = next) {
        next = client->next;
        client_close(client);
    }
}

/* Until nobody is left; forever where `until` is NULL. */
static void wait_for_clients(struct http_server *server,
                             const struct timespec *until)
{
    int rc = 0;

    (void)pthread_mutex_lock(&server->lock);
    while (server->clients > 0 && rc == 0) {
        if (until != NULL)
            rc = pthread_cond_timedwait(&server->fewer, &server->lock, until);
        else
            rc = pthread_cond_wait(&server->fewer, &server->lock);
    }
    (void)pthread_mutex_unlock(&server->lock);
}

void http_server_stop(struct http_server *server, fw_ms patience)
{
    struct timespec until;

    if (server == NULL)
        return;
    (void)clock_gettime(CLOCK_REALTIME, &until); /* the condition's clock */
    until.tv_sec += patience / 1000;
    for (size_t i = 0; i < server->shard_count; i++) {
        server->shards[i].ending.run = shard_end;
        loop_post(server->shards[i].loop, &server->shards[i].ending);
    }
    wait_for_clients(server, &until);
    for (size_t i = 0; i < server->shard_count; i++) {
        server->shards[i].cutting.run = shard_cut;
        loop_post(server->shards[i].loop, &server->shards[i].cutting);
    }
    /* A canceled query stops soon, and the committer answers every batch. */
    wait_for_clients(server, NULL);
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    workers_stop(server->queries);
    workers_stop(server->writes);
    if (server->fd >= 0)
        (void)close(server->fd); /* it only listened */
    (void)pthread_cond_destroy(&server->fewer);
    (void)pthread_mutex_destroy(&server->lock);
    free(server->shards);
    free(server);
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}

void http_server_stats(struct http_server *server,
                       struct http_server_stats *out)
{
    for (int i = 0; i < 6; i++)
        out->requests[i] = atomic_load(&server->requests[i]);
    out->connections = atomic_load(&server->connections);
    out->bytes_in = atomic_load(&server->bytes_in);
    out->bytes_out = atomic_load(&server->bytes_out);
    out->body_bytes = atomic_load(&server->body_bytes);
}
