/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/line_conn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/ingest/line_queue.h"
#include "storage/base/log.h"

#define READS_AT_ONCE 8     /* then the others get their turn */
#define READS_AT_THE_END 64 /* what a sender may have under way */
#define SMALL_BATCH 4096    /* waits for company while another is in flight */
#define GOOD_BATCH 8192     /* goes at once; more of it leaves the caches */
#define RETRY_MS 5          /* the store had no room */
#define ANSWER_BYTES 1024   /* the longest answer to one line */
#define PARTIAL_BYTES 65536 /* a piece of a line that goes on */
#define WRITE_STALL_NS (30 * UINT64_C(1000000000))
#define LINGER_NS UINT64_C(1000000000)

enum conn_state {
    CONN_OPEN,
    CONN_ENDING,    /* no more to read; closes when all is answered */
    CONN_LINGERING, /* told to go: reads and forgets until the peer closes */
    CONN_CLOSED     /* no socket; the store still has batches of it */
};

struct line_conn {
    struct peer peer;
    struct loop_watch watch;
    struct loop_task begin;
    struct line_part *part;
    struct line_conn *prev, *next; /* of the part */
    char name[64];
    uint64_t accepted_ns;

    enum conn_state state;
    bool hung;     /* the peer is gone: not watched, read while it lasts */
    bool evicted;  /* the eviction has arrived */
    bool may_free; /* nobody will evict it any more */
    uint32_t interest;
    uint64_t deadline_ns; /* of lingering, or of a stalled write; 0: none */

    struct intake intake;
    struct fw_buf partial; /* bytes read and not taken yet */
    size_t scanned;        /* of them, known to hold no end of line */
    struct fw_buf out;     /* answers not written yet */
    uint64_t line_number;
    bool verbose;
    uint64_t lines[LINE_PROTOCOLS], values[LINE_PROTOCOLS], skipped;
    struct line_pending *waiting; /* the batch the store had no room for */

    struct line_queue queue;
    size_t batches; /* in flight */
};

static void run(struct line_conn *conn);

/* ---- the end of a connection ---- */

static void free_if_over(struct line_conn *conn)
{
    if (conn->state != CONN_CLOSED || conn->batches > 0 || !conn->may_free)
        return;
    intake_release(&conn->intake);
    fw_buf_release(&conn->partial);
    fw_buf_release(&conn->out);
    atomic_fetch_sub(conn->part->open, 1);
    free(conn);
}

void line_conn_drop(struct line_conn *conn)
{
    struct line_part *part = conn->part;

    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    if (!conn->hung)
        loop_remove(part->loop, &conn->watch);
    (void)close(conn->watch.fd);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        part->first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    if (conn->waiting != NULL)
        conn->waiting->done = true; /* never to be submitted */
    conn->may_free = peers_remove(part->peers, &conn->peer) || conn->evicted;
    line_queue_forget(&conn->queue);
    atomic_fetch_sub(&part->count, 1);
    free_if_over(conn);
}

static void evict(struct peer *peer)
{
    struct line_conn *conn = LOOP_OWNER(peer, struct line_conn, peer);

    conn->evicted = true;
    if (conn->state == CONN_CLOSED) {
        conn->may_free = true;
        free_if_over(conn);
        return;
    }
    fw_log(FW_LOG_INFO,
           "closed %s, silent for longest: the limit of connections is reached",
           conn->name);
    line_conn_drop(conn);
}

/*
 * An orderly close tells the sender that all it sent is durable; where that is
 * not so, it gets a reset instead.
 */
static void close_with_verdict(struct line_conn *conn)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (conn->queue.refused)
        (void)setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &reset,
                         sizeof(reset));
    line_conn_drop(conn);
}

/* ---- answers ---- */

static void flush_answers(struct line_conn *conn)
{
    while (conn->out.len > 0) {
        ssize_t n = send(conn->watch.fd, conn->out.data, conn->out.len,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EINTR) {
            if (errno != EAGAIN)
                fw_buf_clear(&conn->out); /* nobody listens any more */
            break;
        }
        if (n > 0) {
            fw_buf_consume(&conn->out, (size_t)n);
            conn->deadline_ns = 0;
        }
    }
    if (conn->out.len == 0 && conn->state != CONN_LINGERING)
        conn->deadline_ns = 0;
    else if (conn->out.len > 0 && conn->deadline_ns == 0)
        conn->deadline_ns = loop_now_ns(conn->part->loop) + WRITE_STALL_NS;
}

/* There is room: may_take() saw to it before the line was taken. */
static void answer(struct line_conn *conn, const char *word,
                   struct fw_str subject, const char *reason)
{
    struct fw_buf text = FW_BUF_INIT(ANSWER_BYTES * 8);

    if (fw_buf_printf(&text, "#%s %.*s%s", word, FW_STR_ARG(subject),
                      reason != NULL ? " " : "") == FW_OK &&
        (reason == NULL || fw_add_visible(&text, fw_str_of(reason)) == FW_OK) &&
        fw_buf_addc(&text, '\n') == FW_OK)
        (void)!fw_buf_add(&conn->out, text.data, text.len);
    fw_buf_release(&text);
}

static void linger(struct line_conn *conn)
{
    flush_answers(conn);
    (void)shutdown(conn->watch.fd, SHUT_WR);
    conn->state = CONN_LINGERING;
    conn->deadline_ns = loop_now_ns(conn->part->loop) + LINGER_NS;
}

/* ---- batches and tokens ---- */

static void answer_token(void *self, const char *token, const char *reason)
{
    answer(self, reason != NULL ? "refused" : "synced", fw_str_of(token),
           reason);
}

/* Answers the tokens that have come to the front. */
static void settle(struct line_conn *conn)
{
    line_queue_settle(&conn->queue, answer_token, conn);
}

static void on_answer(struct loop_task *task)
{
    struct line_pending *p = LOOP_OWNER(task, struct line_pending, task);
    struct line_conn *conn = p->owner;

    conn->batches--;
    p->done = true;
    if (p->refused > 0)
        bad_lines_refused(conn->part->bad, loop_now_ns(conn->part->loop),
                          conn->name, p->refused, p->text);
    if (conn->state == CONN_CLOSED) {
        line_queue_forget(&conn->queue);
        free_if_over(conn);
        return;
    }
    settle(conn);
    run(conn);
}

/* On the committer's thread. */
static void on_done(void *self, const struct fw_append_result *result)
{
    struct line_pending *p = self;
    struct line_conn *conn = p->owner;

    line_pending_set(p, result->rc,
                     result->rc == FW_OK ? result->too_old + result->too_new
                                         : p->samples,
                     result->err.text);
    loop_post(conn->part->loop, &p->task);
}

/* The store cannot: the samples are lost. */
static void lose_batch(struct line_conn *conn, const char *reason)
{
    struct line_part *part = conn->part;

    bad_lines_refused(part->bad, loop_now_ns(part->loop), conn->name,
                      conn->intake.batch.n, reason);
    conn->intake.batch.n = 0;
}

/*
 * Hands the batch over. Where the store has no room it keeps its place in the
 * queue, so that a token behind it stays behind it, and nothing more is taken
 * from this sender until it has gone.
 */
static void submit(struct line_conn *conn)
{
    struct line_part *part = conn->part;
    struct line_pending *p = conn->waiting;
    struct fw_err err = {0};
    fw_rc rc;

    if (conn->intake.batch.n == 0)
        return;
    if (p == NULL) {
        p = line_queue_batch(&conn->queue, conn, on_answer);
        if (p == NULL) {
            lose_batch(conn, "memory ran out");
            return;
        }
    }
    conn->waiting = NULL;
    p->samples = (uint32_t)conn->intake.batch.n;
    rc = fw_store_submit(part->store, &conn->intake.batch, on_done, p, &err);
    if (rc == FW_OK) {
        conn->batches++;
    } else if (rc == FW_EBUSY) {
        conn->waiting = p;
        line_stats_add(&part->stats->stalls, 1);
        if (part->retry.place == NULL)
            loop_timer_set(part->loop, &part->retry, RETRY_MS);
    } else {
        line_pending_set(p, rc, p->samples, err.text);
        p->done = true;
        lose_batch(conn, err.text);
    }
}

/*
 * A small batch waits while another is in flight: so one slow commit gathers
 * what comes meanwhile, instead of many small ones queueing up.
 */
static void submit_if_due(struct line_conn *conn)
{
    if (conn->batches == 0 || conn->intake.batch.n >= SMALL_BATCH ||
        conn->state != CONN_OPEN)
        submit(conn);
}

static void add_token(struct line_conn *conn, struct fw_str token)
{
    submit(conn); /* what came before it must stand before it */
    if (line_queue_token(&conn->queue, token) != FW_OK)
        answer(conn, "refused", token, "memory ran out");
}

/* ---- lines ---- */

static void bad_line(struct line_conn *conn, enum line_fault fault,
                     const char *detail, struct fw_str text)
{
    char number[32];

    bad_lines_name(conn->part->bad, loop_now_ns(conn->part->loop), conn->name,
                   conn->line_number, fault, detail, text);
    if (!conn->verbose && fault != LINE_TOO_LONG)
        return;
    (void)snprintf(number, sizeof(number), "%" PRIu64, conn->line_number);
    answer(conn, "bad", fw_str_of(number), line_fault_text(fault));
}

/* `#sync TOKEN`, `#verbose on|off`, `#precision UNIT`; others are comments. */
static void take_command(struct line_conn *conn, struct fw_str text)
{
    struct fw_str rest = text;
    struct fw_str word = line_word(&rest);
    struct fw_str arg = line_word(&rest);
    bool ok = line_word(&rest).n == 0;

    if (fw_str_eq(word, FW_STR("#sync"))) {
        ok = ok && arg.n > 0 && arg.n < FW_MAX_SYNC_TOKEN_BYTES &&
             line_is_text(arg);
        if (ok)
            add_token(conn, arg);
    } else if (fw_str_eq(word, FW_STR("#verbose"))) {
        ok = ok &&
             (fw_str_eq(arg, FW_STR("on")) || fw_str_eq(arg, FW_STR("off")));
        if (ok)
            conn->verbose = arg.n == 2;
    } else if (fw_str_eq(word, FW_STR("#precision"))) {
        ok = ok && time_unit_parse(arg, &conn->intake.unit);
    } else {
        return;
    }
    if (!ok)
        bad_line(conn, LINE_BAD_COMMAND, NULL, text);
}

/* A browser can be made to post to any port; nothing of it may be stored. */
static void turn_away(struct line_conn *conn)
{
    static const char reply[] = "HTTP/1.1 400 Bad Request\r\n"
                                "Connection: close\r\n"
                                "Content-Type: text/plain\r\n"
                                "Content-Length: 40\r\n\r\n"
                                "This port takes lines of text, not HTTP\n";

    (void)!fw_buf_add(&conn->out, reply, sizeof(reply) - 1);
    linger(conn);
}

static void take_line(struct line_conn *conn, struct fw_str text, fw_ms now)
{
    struct line_part *part = conn->part;
    enum line_fault fault;

    conn->line_number++;
    if (text.n > 0 && text.p[0] == '#') {
        take_command(conn, text);
        return;
    }
    conn->intake.err.text[0] = '\0';
    fault = intake_line(&conn->intake, text, now, now + part->max_future);
    if (fault == LINE_OK) {
        if (conn->intake.taken > 0)
            conn->lines[conn->intake.protocol]++;
        conn->values[conn->intake.protocol] += conn->intake.taken;
        conn->skipped += conn->intake.skipped;
        return;
    }
    bad_line(conn, fault,
             conn->intake.err.text[0] != '\0' ? conn->intake.err.text : NULL,
             text);
    if (fault == LINE_SERIES_LIMIT || fault == LINE_NOT_STORED ||
        fault == LINE_NO_MEMORY)
        line_queue_note(&conn->queue, conn->intake.err.text[0] != '\0'
                                          ? conn->intake.err.text
                                          : line_fault_text(fault));
    else if (line_is_foreign(text))
        turn_away(conn);
}

/* False while the sender has to wait: for the store, or to read answers. */
static bool may_take(const struct line_conn *conn)
{
    return (conn->state == CONN_OPEN || conn->state == CONN_ENDING) &&
           conn->waiting == NULL && conn->batches < FW_MAX_LINE_BATCHES &&
           conn->queue.count < FW_MAX_LINE_SYNCS &&
           conn->out.len + ANSWER_BYTES <= FW_MAX_LINE_REPLY_BYTES;
}

/* Takes the whole lines among n bytes, of which `from` hold no end of line. */
static size_t take_lines(struct line_conn *conn, const char *p, size_t n,
                         size_t from)
{
    fw_ms now = fw_clock_now(conn->part->clock);
    size_t taken = 0;

    while (may_take(conn)) {
        const char *end = memchr(p + taken + from, '\n', n - taken - from);

        if (end == NULL)
            break;
        take_line(conn, (struct fw_str){p + taken, (size_t)(end - p) - taken},
                  now);
        taken = (size_t)(end - p) + 1;
        from = 0;
        if (conn->intake.batch.n >= GOOD_BATCH)
            submit(conn);
    }
    return taken;
}

static void too_long(struct line_conn *conn)
{
    conn->line_number++;
    bad_line(conn, LINE_TOO_LONG, NULL,
             (struct fw_str){conn->partial.data, conn->partial.len});
    submit(conn);
    linger(conn);
}

static void take_partial(struct line_conn *conn)
{
    size_t taken;

    if (conn->partial.len == 0)
        return;
    taken =
        take_lines(conn, conn->partial.data, conn->partial.len, conn->scanned);
    if (conn->state != CONN_OPEN && conn->state != CONN_ENDING)
        return;
    fw_buf_consume(&conn->partial, taken);
    conn->scanned = may_take(conn) ? conn->partial.len : 0;
    if (conn->partial.len == 0)
        fw_buf_release(&conn->partial);
    else if (conn->scanned > FW_MAX_LINE_BYTES)
        too_long(conn);
}

static void keep_partial(struct line_conn *conn, const char *p, size_t n)
{
    if (n == 0 || (conn->state != CONN_OPEN && conn->state != CONN_ENDING))
        return;
    conn->partial.max = FW_MAX_LINE_BYTES + 2 * LINE_SCRATCH_BYTES;
    if (fw_buf_add(&conn->partial, p, n) != FW_OK) {
        fw_log(FW_LOG_ERROR, "memory ran out: closing %s", conn->name);
        line_queue_note(&conn->queue, "memory ran out");
        conn->state = CONN_ENDING;
        return;
    }
    conn->scanned = may_take(conn) ? n : 0;
}

/* ---- reading ---- */

/* Reads once. False when there is no more for now, or ever. */
static bool read_once(struct line_conn *conn)
{
    struct line_part *part = conn->part;
    bool goes_on = conn->partial.len > 0;
    char *to = part->scratch;
    size_t room = LINE_SCRATCH_BYTES;
    ssize_t n;

    if (goes_on) {
        if (fw_buf_reserve(&conn->partial, PARTIAL_BYTES) != FW_OK)
            return false;
        to = conn->partial.data + conn->partial.len;
        room = PARTIAL_BYTES;
    }
    n = recv(conn->watch.fd, to, room, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR) || conn->hung)
            conn->state = CONN_ENDING;
        return n < 0 && errno == EINTR;
    }
    line_stats_add(&part->stats->bytes, (uint64_t)n);
    peer_touch(&conn->peer, loop_now_ns(part->loop));
    if (goes_on) {
        conn->partial.len += (size_t)n;
        take_partial(conn);
    } else {
        size_t taken = take_lines(conn, to, (size_t)n, 0);

        keep_partial(conn, to + taken, (size_t)n - taken);
    }
    return true;
}

static void read_lines(struct line_conn *conn)
{
    bool last_time = conn->hung || conn->part->ending;
    int left = last_time ? READS_AT_THE_END : READS_AT_ONCE;

    take_partial(conn);
    while (conn->state == CONN_OPEN && may_take(conn) && left-- > 0)
        if (!read_once(conn))
            break;
    if (conn->state == CONN_OPEN && last_time && may_take(conn))
        conn->state = CONN_ENDING;
}

/* The stream ended inside a line: its number may have lost its last digits. */
static void cut_off(struct line_conn *conn)
{
    conn->line_number++;
    bad_line(conn, LINE_CUT_OFF, NULL,
             (struct fw_str){conn->partial.data, conn->partial.len});
    fw_buf_release(&conn->partial);
}

static bool is_over(struct line_conn *conn)
{
    return conn->state == CONN_ENDING && conn->partial.len == 0 &&
           conn->queue.first == NULL && conn->intake.batch.n == 0 &&
           conn->out.len == 0;
}

static void discard(struct line_conn *conn)
{
    ssize_t n = 1;

    fw_buf_release(&conn->partial);
    for (int i = 0; i < READS_AT_ONCE && n > 0; i++)
        n = recv(conn->watch.fd, conn->part->scratch, LINE_SCRATCH_BYTES,
                 MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || conn->hung)
        line_conn_drop(conn);
}

static void update_interest(struct line_conn *conn)
{
    uint32_t want = conn->out.len > 0 ? EPOLLOUT : 0;

    if (conn->state == CONN_LINGERING ||
        (conn->state == CONN_OPEN && may_take(conn)))
        want |= EPOLLIN;
    if (conn->hung || want == conn->interest)
        return;
    if ((want & EPOLLIN) == 0 && (conn->interest & EPOLLIN) != 0 &&
        conn->state == CONN_OPEN && conn->waiting == NULL)
        line_stats_add(&conn->part->stats->held, 1);
    conn->interest = want;
    loop_change(conn->part->loop, &conn->watch, want);
}

/* Counters are shared by all loops, so they are added up here first. */
static void add_counts(struct line_conn *conn)
{
    struct line_stats *stats = conn->part->stats;

    for (int i = 0; i < LINE_PROTOCOLS; i++) {
        if (conn->lines[i] == 0)
            continue;
        line_stats_add(&stats->lines[i], conn->lines[i]);
        line_stats_add(&stats->values[i], conn->values[i]);
        conn->lines[i] = conn->values[i] = 0;
    }
    if (conn->skipped > 0)
        line_stats_add(&stats->skipped, conn->skipped);
    conn->skipped = 0;
    line_stats_add(&stats->forgotten, names_take_resets(&conn->intake.names));
}

/* Does whatever can be done now. Everything that happens ends up here. */
static void run(struct line_conn *conn)
{
    if (conn->waiting != NULL)
        submit(conn);
    if (conn->state == CONN_OPEN || conn->state == CONN_ENDING)
        read_lines(conn);
    if (conn->state == CONN_ENDING && conn->partial.len > 0 && may_take(conn))
        cut_off(conn);
    if (conn->waiting == NULL)
        submit_if_due(conn);
    settle(conn);
    add_counts(conn);
    flush_answers(conn);
    if (conn->state == CONN_LINGERING)
        discard(conn);
    else if (is_over(conn))
        close_with_verdict(conn);
    else
        update_interest(conn);
}

/* ---- from the part ---- */

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    struct line_conn *conn = LOOP_OWNER(watch, struct line_conn, watch);

    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        /* It would be reported for ever; what was sent can still be read. */
        loop_remove(conn->part->loop, watch);
        conn->hung = true;
    }
    run(conn);
}

static void on_begin(struct loop_task *task)
{
    struct line_conn *conn = LOOP_OWNER(task, struct line_conn, begin);
    struct line_part *part = conn->part;
    struct fw_err err = {0};

    conn->next = part->first;
    if (part->first != NULL)
        part->first->prev = conn;
    part->first = conn;
    /* Since it was accepted: loops begin with their newcomers in any order. */
    peers_add(part->peers, &conn->peer, part->loop, evict, conn->accepted_ns);
    conn->interest = EPOLLIN;
    if (loop_add(part->loop, &conn->watch, EPOLLIN, &err) != FW_OK) {
        fw_log(FW_LOG_ERROR, "%s: %s", conn->name, err.text);
        line_conn_drop(conn);
        return;
    }
    run(conn);
}

fw_rc line_conn_start(struct line_part *part, int fd, const char *name)
{
    struct line_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL)
        return FW_ENOMEM;
    if (intake_init(&conn->intake, part->store) != FW_OK) {
        intake_release(&conn->intake);
        free(conn);
        return FW_ENOMEM;
    }
    conn->part = part;
    conn->accepted_ns = loop_now_ns(part->loop);
    conn->watch = (struct loop_watch){fd, on_ready};
    conn->begin.run = on_begin;
    line_queue_init(&conn->queue);
    fw_buf_init(&conn->out, FW_MAX_LINE_REPLY_BYTES);
    (void)snprintf(conn->name, sizeof(conn->name), "%s", name);
    atomic_fetch_add(part->open, 1);
    atomic_fetch_add(&part->count, 1);
    line_stats_add(&part->stats->accepted, 1);
    loop_post(part->loop, &conn->begin);
    return FW_OK;
}

void line_conn_retry(struct line_conn *conn)
{
    if (conn->waiting != NULL || conn->part->ending)
        run(conn);
}

void line_conn_sweep(struct line_conn *conn, uint64_t now_ns)
{
    if (conn->deadline_ns == 0 || now_ns < conn->deadline_ns)
        return;
    if (conn->state != CONN_LINGERING)
        fw_log(FW_LOG_WARN, "closed %s: it does not read its answers",
               conn->name);
    line_conn_drop(conn);
}

struct line_conn *line_conn_next(struct line_conn *conn)
{
    return conn->next;
}
