/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/notify/notifier.h"
#include "server/notify/outbox.h"
#include "storage/base/log.h"
#include "tests/support/tmpdir.h"

#define MAX_POSTS 64

/* A receiver on a thread: answers each connection once, by its list. */
struct receiver {
    int fd;
    char url[64];
    pthread_t thread;
    const int *answers; /* the last one for ever; 0: closes without a word */
    atomic_bool stop;
    atomic_int count;
    char bodies[MAX_POSTS][64];
};

static void answer_one(struct receiver *r, int fd)
{
    char request[4096], reply[128];
    int n = atomic_load(&r->count), code = r->answers[0];
    size_t got = 0;
    char *body = NULL;

    while (got < sizeof(request) - 1) {
        ssize_t more = recv(fd, request + got, sizeof(request) - 1 - got, 0);

        if (more <= 0)
            break;
        got += (size_t)more;
        request[got] = '\0';
        body = strstr(request, "\r\n\r\n");
        if (body != NULL && strchr(body, '}') != NULL)
            break;
    }
    if (r->answers[1] != -1)
        r->answers++;
    if (body == NULL || n >= MAX_POSTS)
        return;
    (void)snprintf(r->bodies[n], sizeof(r->bodies[n]), "%s", body + 4);
    atomic_store(&r->count, n + 1);
    if (code == 0)
        return;
    (void)snprintf(reply, sizeof(reply),
                   "HTTP/1.1 %d X\r\nContent-Length: 0\r\n"
                   "Connection: close\r\n\r\n",
                   code);
    (void)send(fd, reply, strlen(reply), MSG_NOSIGNAL);
}

static void *receive(void *self)
{
    /* Not the listener's, which only looks whether it is to stop. */
    const struct timeval patience = {60, 0};
    struct receiver *r = self;

    while (!atomic_load(&r->stop)) {
        int fd = accept(r->fd, NULL, NULL);

        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                         sizeof(patience));
        answer_one(r, fd);
        (void)close(fd);
    }
    return NULL;
}

static void receiver_start(struct receiver *r, const int *answers)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    struct timeval patience = {0, 50000};

    memset(r, 0, sizeof(*r));
    r->answers = answers;
    r->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(r->fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(r->fd, 16), 0);
    assert_int_equal(getsockname(r->fd, (struct sockaddr *)&in, &size), 0);
    assert_int_equal(
        setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
        0);
    (void)snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%d/",
                   ntohs(in.sin_port));
    assert_int_equal(pthread_create(&r->thread, NULL, receive, r), 0);
}

static void receiver_stop(struct receiver *r)
{
    atomic_store(&r->stop, true);
    (void)pthread_join(r->thread, NULL);
    (void)close(r->fd);
}

static struct fw_store *store;
static struct fw_err err;

static void quiet(void *self, enum fw_log_level level, const char *line)
{
    (void)self;
    (void)level;
    (void)line;
}

static int open_store(void **state)
{
    struct fw_store_options options = {.create = true, .disk_floor = 1};

    (void)state;
    fw_log_to(quiet, NULL);
    return fw_store_open(tmpdir_new(), &options, &store, &err) != FW_OK;
}

static int close_store(void **state)
{
    (void)state;
    fw_store_close(store);
    fw_log_to(NULL, NULL);
    return 0;
}

static void queue(const char *url, const char *body)
{
    struct note note = {.url = fw_str_of(url),
                        .created_at = fw_clock_now(fw_clock_system()),
                        .payload = fw_str_of(body)};
    struct fw_txn *txn = NULL;
    size_t dropped;

    assert_int_equal(fw_txn_begin(store, true, &txn, &err), FW_OK);
    assert_int_equal(outbox_add(txn, &note, &dropped, &err), FW_OK);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
}

static bool count_one(void *self, const struct note *note)
{
    (void)note;
    (*(int *)self)++;
    return true;
}

static int waiting(void)
{
    struct fw_txn *txn = NULL;
    int n = 0;

    assert_int_equal(fw_txn_begin(store, false, &txn, &err), FW_OK);
    assert_int_equal(outbox_walk(txn, count_one, &n, &err), FW_OK);
    fw_txn_abort(txn);
    return n;
}

/* Until the outbox is empty; false if it never is. */
static bool drained(void)
{
    struct patience patience = {0};

    while (waiting() > 0)
        if (!patience_lasts(&patience))
            return false;
    return true;
}

static struct notifier *start(const struct config_webhook *hooks, size_t n)
{
    struct notifier_options options = {
        .store = store, .webhooks = hooks, .webhook_count = n};
    struct notifier *notifier = NULL;

    assert_int_equal(notifier_start(&options, &notifier, &err), FW_OK);
    return notifier;
}

static void notes_arrive_in_order_and_are_gone(void **state)
{
    static const int answers[] = {200, -1};
    struct receiver r;
    struct config_webhook hook = {.timeout = FW_MINUTE, .allow_private = true};
    struct notifier_stats stats;
    struct notifier *n;

    (void)state;
    receiver_start(&r, answers);
    hook.url = r.url;
    queue(r.url, "{1}");
    n = start(&hook, 1);
    queue(r.url, "{2}");
    queue(r.url, "{3}");
    notifier_wake(n);
    assert_true(drained());
    assert_int_equal(atomic_load(&r.count), 3);
    assert_string_equal(r.bodies[0], "{1}");
    assert_string_equal(r.bodies[1], "{2}");
    assert_string_equal(r.bodies[2], "{3}");
    notifier_stats(n, &stats);
    assert_int_equal(stats.delivered, 3);
    notifier_stop(n);
    receiver_stop(&r);
}

static void what_fails_is_tried_again_before_what_came_later(void **state)
{
    static const int answers[] = {503, 0, 200, -1};
    struct receiver r;
    struct config_webhook hook = {.timeout = FW_MINUTE, .allow_private = true};
    struct notifier_stats stats;
    struct notifier *n;

    (void)state;
    receiver_start(&r, answers);
    hook.url = r.url;
    queue(r.url, "{1}");
    queue(r.url, "{2}");
    n = start(&hook, 1);
    assert_true(drained());
    assert_int_equal(atomic_load(&r.count), 4);
    assert_string_equal(r.bodies[0], "{1}");
    assert_string_equal(r.bodies[1], "{1}");
    assert_string_equal(r.bodies[2], "{1}");
    assert_string_equal(r.bodies[3], "{2}");
    notifier_stats(n, &stats);
    assert_int_equal(stats.delivered, 2);
    assert_int_equal(stats.failed, 2);
    notifier_stop(n);
    receiver_stop(&r);
}

static void a_refused_note_is_given_up_and_the_next_one_goes(void **state)
{
    static const int answers[] = {400, 200, -1};
    struct receiver r;
    struct config_webhook hook = {.timeout = FW_MINUTE, .allow_private = true};
    struct notifier_stats stats;
    struct notifier *n;

    (void)state;
    receiver_start(&r, answers);
    hook.url = r.url;
    queue(r.url, "{1}");
    queue(r.url, "{2}");
    queue("http://gone.example.org/", "{3}"); /* no longer configured */
    n = start(&hook, 1);
    assert_true(drained());
    assert_string_equal(r.bodies[1], "{2}");
    notifier_stats(n, &stats);
    assert_int_equal(stats.delivered, 1);
    assert_int_equal(stats.dropped, 2);
    notifier_stop(n);
    receiver_stop(&r);
}

static void one_that_is_down_holds_up_nobody_else(void **state)
{
    static const int answers[] = {200, -1};
    struct receiver r;
    struct config_webhook hooks[2] = {
        {.url = "http://127.0.0.1:1/",
         .timeout = FW_MINUTE,
         .allow_private = true},
        {.timeout = FW_MINUTE, .allow_private = true},
    };
    struct patience patience = {0};
    struct notifier *n;

    (void)state;
    receiver_start(&r, answers);
    hooks[1].url = r.url;
    queue(hooks[0].url, "{1}");
    queue(hooks[0].url, "{2}");
    queue(r.url, "{3}");
    n = start(hooks, 2);
    while (atomic_load(&r.count) == 0 && patience_lasts(&patience))
        continue;
    assert_string_equal(r.bodies[0], "{3}");
    notifier_stop(n);
    assert_int_equal(waiting(), 2); /* they wait for the next start */
    receiver_stop(&r);
}

static void a_private_address_is_not_connected_to(void **state)
{
    static const int answers[] = {200, -1};
    struct receiver r;
    struct config_webhook hook = {.timeout = FW_MINUTE};
    struct notifier_stats stats = {0};
    struct patience patience = {0};
    struct notifier *n;

    (void)state;
    receiver_start(&r, answers);
    hook.url = r.url;
    queue(r.url, "{1}");
    n = start(&hook, 1);
    while (stats.failed == 0 && patience_lasts(&patience))
        notifier_stats(n, &stats);
    notifier_stop(n);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(atomic_load(&r.count), 0);
    receiver_stop(&r);
}

#define STORE_TEST(test)                                                       \
    cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(notes_arrive_in_order_and_are_gone),
        STORE_TEST(what_fails_is_tried_again_before_what_came_later),
        STORE_TEST(a_refused_note_is_given_up_and_the_next_one_goes),
        STORE_TEST(one_that_is_down_holds_up_nobody_else),
        STORE_TEST(a_private_address_is_not_connected_to),
    };

    return fixture_main(argc, argv, tests);
}
