/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
/*
 * test_line_port.c - the line port over real sockets and a real store, with
 * several loops and senders at once.
 */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/ingest/line_port.h"
#include "storage/base/log.h"
#include "tests/support/tmpdir.h"

#define LOOPS 2

struct station {
    struct fw_store *store;
    struct loop *loops[LOOPS];
    pthread_t threads[LOOPS];
    struct peers peers;
    struct line_port *port;
};

static void *run_loop(void *loop)
{
    loop_run(loop);
    return NULL;
}

static void no_log(void *self, enum fw_log_level level, const char *line)
{
    (void)self;
    (void)level;
    (void)line;
}

static int open_station(void **state, size_t max_connections)
{
    struct station *s = calloc(1, sizeof(*s));
    struct fw_store_options store = {.create = true};
    struct line_port_options options = {.clock = fw_clock_system(),
                                        .loop_count = LOOPS,
                                        .max_future = FW_MAX_FUTURE_MS,
                                        .listen = "127.0.0.1:0"};
    struct fw_err err = {0};

    assert_non_null(s);
    fw_log_to(no_log, NULL);
    assert_int_equal(fw_store_open(tmpdir_new(), &store, &s->store, &err),
                     FW_OK);
    peers_init(&s->peers, max_connections);
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(loop_open(fw_clock_system(), &s->loops[i], &err),
                         FW_OK);
    options.store = s->store;
    options.loops = s->loops;
    options.peers = &s->peers;
    assert_int_equal(line_port_open(&options, &s->port, &err), FW_OK);
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(
            pthread_create(&s->threads[i], NULL, run_loop, s->loops[i]), 0);
    *state = s;
    return 0;
}

static int set_up(void **state)
{
    return open_station(state, 100);
}

static int set_up_small(void **state)
{
    return open_station(state, 2);
}

static int tear_down(void **state)
{
    struct station *s = *state;

    line_port_stop(s->port, 5000);
    for (int i = 0; i < LOOPS; i++)
        loop_stop(s->loops[i]);
    for (int i = 0; i < LOOPS; i++)
        (void)pthread_join(s->threads[i], NULL);
    line_port_close(s->port);
    for (int i = 0; i < LOOPS; i++)
        loop_close(s->loops[i]);
    fw_store_close(s->store);
    peers_release(&s->peers);
    fw_log_to(NULL, NULL);
    free(s);
    return 0;
}

static int dial(struct station *s)
{
    struct timeval patience = {.tv_sec = 60};
    struct address to;
    struct fw_err err = {0};
    int fd;

    assert_int_equal(address_parse(line_port_address(s->port), &to, &err),
                     FW_OK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to.sa, to.len), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static void say(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t done = send(fd, text, n, MSG_NOSIGNAL);

        assert_true(done > 0);
        text += done;
        n -= (size_t)done;
    }
}

/* Everything up to and including `end`, or to the end of the stream. */
static void hear(int fd, const char *end, char *out, size_t bytes)
{
    size_t n = 0;

    while (n + 1 < bytes) {
        ssize_t got = recv(fd, out + n, 1, 0);

        if (got <= 0)
            break;
        n += (size_t)got;
        out[n] = '\0';
        if (n >= strlen(end) && strcmp(out + n - strlen(end), end) == 0)
            break;
    }
    out[n] = '\0';
}

static uint64_t stored(struct station *s)
{
    struct fw_store_stats stats;

    fw_store_stats(s->store, &stats);
    return stats.samples_stored;
}

static void a_token_is_answered_when_all_before_it_is_stored(void **state)
{
    struct station *s = *state;
    int fd = dial(s);
    char got[1024];

    say(fd, "disk,host=a used=1,free=2 1700000000\n#sync one\n");
    hear(fd, "one\n", got, sizeof(got));
    assert_string_equal(got, "#synced one\n");
    assert_int_equal(stored(s), 2);
    (void)close(fd);
}

static void bad_lines_are_named_when_asked_and_harm_no_other(void **state)
{
    struct station *s = *state;
    int fd = dial(s);
    char got[4096];

    say(fd, "bad\n#verbose on\nm v=x\na 1\r\n\n# a comment\nb,c 1\n"
            "#verbose off\nm v=y\n#sync\n#sync t\n");
    hear(fd, "t\n", got, sizeof(got));
    assert_string_equal(got, "#bad 3 a value is not a number\n#synced t\n");
    assert_int_equal(stored(s), 2);
    assert_int_equal(
        atomic_load(&line_port_stats(s->port)->bad[LINE_BAD_VALUE]), 2);
    assert_int_equal(
        atomic_load(&line_port_stats(s->port)->bad[LINE_BAD_COMMAND]), 1);
    (void)close(fd);
}

static void bytes_one_at_a_time_are_lines_all_the_same(void **state)
{
    struct station *s = *state;
    const char *text = "a.b;x=y 1 1700000000\nput c 1700000000 2 d=e  \n#sync "
                       "slow\n";
    int fd = dial(s);
    char got[256];

    for (const char *p = text; *p != '\0'; p++)
        say(fd, (char[]){*p, '\0'});
    hear(fd, "slow\n", got, sizeof(got));
    assert_string_equal(got, "#synced slow\n");
    assert_int_equal(stored(s), 2);
    (void)close(fd);
}

static void the_end_of_the_stream_is_answered_when_all_is_stored(void **state)
{
    struct station *s = *state;
    int fd = dial(s);
    char got[256];

    for (int i = 0; i < 1000; i++) {
        char line[64];

        (void)snprintf(line, sizeof(line), "m,i=%d v=%d 1700000000\n", i, i);
        say(fd, line);
    }
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    hear(fd, "\n", got, sizeof(got));
    assert_string_equal(got, "");
    assert_int_equal(stored(s), 1000);
    (void)close(fd);
}

static void a_line_that_was_cut_off_is_not_stored(void **state)
{
    struct station *s = *state;
    int fd = dial(s);
    char got[256];

    say(fd, "#verbose on\na 1 1700000000\nb 123");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    hear(fd, "-", got, sizeof(got));
    assert_non_null(strstr(got, "#bad 3 "));
    assert_int_equal(stored(s), 1);
    (void)close(fd);
}

static void http_is_turned_away_with_nothing_stored(void **state)
{
    struct station *s = *state;
    int fd = dial(s);
    char got[1024];

    say(fd, "POST / HTTP/1.1\r\nHost: x\r\n\r\na 1\nb 2\n");
    hear(fd, "-", got, 9);
    (void)shutdown(fd, SHUT_WR);
    hear(fd, "\n\n", got, sizeof(got));
    assert_int_equal(stored(s), 0);
    (void)close(fd);
}

static void a_line_without_end_is_an_error_and_a_close(void **state)
{
    struct station *s = *state;
    char *text = malloc(FW_MAX_LINE_BYTES + 4096);
    int fd = dial(s);
    char got[256];

    assert_non_null(text);
    memset(text, 'x', FW_MAX_LINE_BYTES + 4095);
    text[FW_MAX_LINE_BYTES + 4095] = '\0';
    say(fd, "a 1\n");
    say(fd, text);
    hear(fd, "\n", got, sizeof(got));
    assert_string_equal(got, "#bad 2 the line is too long\n");
    hear(fd, "\n", got, sizeof(got));
    assert_string_equal(got, "");
    (void)close(fd);
    free(text);
}

static void a_line_of_the_longest_length_is_taken(void **state)
{
    struct station *s = *state;
    struct fw_buf text = FW_BUF_INIT(FW_MAX_LINE_BYTES + 64);
    int fd = dial(s);
    char got[256];

    assert_int_equal(fw_buf_adds(&text, "m v=1,s=\""), FW_OK);
    while (text.len < FW_MAX_LINE_BYTES - 1)
        assert_int_equal(fw_buf_addc(&text, 'x'), FW_OK);
    assert_int_equal(fw_buf_adds(&text, "\"\n#sync big\n"), FW_OK);
    say(fd, text.data);
    hear(fd, "\n", got, sizeof(got));
    assert_string_equal(got, "#synced big\n");
    assert_int_equal(stored(s), 1);
    (void)close(fd);
    fw_buf_release(&text);
}

static void the_longest_silent_sender_makes_room(void **state)
{
    struct station *s = *state;
    int a = dial(s), b, c;
    char got[64];

    say(a, "#sync a\n");
    hear(a, "\n", got, sizeof(got));
    b = dial(s);
    say(b, "#sync b\n");
    hear(b, "\n", got, sizeof(got));
    c = dial(s);
    say(c, "#sync c\n");
    hear(c, "\n", got, sizeof(got));
    assert_string_equal(got, "#synced c\n");
    hear(a, "\n", got, sizeof(got));
    assert_string_equal(got, ""); /* closed */
    say(b, "#sync b2\n");
    hear(b, "\n", got, sizeof(got));
    assert_string_equal(got, "#synced b2\n");
    (void)close(a);
    (void)close(b);
    (void)close(c);
}

struct sender {
    struct station *s;
    int number;
};

#define ROUNDS 20
#define LINES 200

static void *send_much(void *self)
{
    struct sender *sender = self;
    int fd = dial(sender->s);

    for (int round = 0; round < ROUNDS; round++) {
        char line[96], want[64], got[64];

        for (int i = 0; i < LINES; i++) {
            (void)snprintf(line, sizeof(line), "m,s=%d,i=%d v=%d %d\n",
                           sender->number, i, round, 1700000000 + round);
            say(fd, line);
        }
        (void)snprintf(line, sizeof(line), "#sync r%d\n", round);
        say(fd, line);
        (void)snprintf(want, sizeof(want), "#synced r%d\n", round);
        hear(fd, "\n", got, sizeof(got));
        if (strcmp(got, want) != 0)
            fail_msg("wanted %s got %s", want, got);
    }
    (void)close(fd);
    return NULL;
}

static void many_senders_lose_nothing(void **state)
{
    struct station *s = *state;
    struct sender senders[6];
    pthread_t threads[6];

    for (int i = 0; i < 6; i++) {
        senders[i] = (struct sender){s, i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, send_much, &senders[i]), 0);
    }
    for (int i = 0; i < 6; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(stored(s), 6 * ROUNDS * LINES);
}

static void what_was_sent_before_the_stop_is_stored(void **state)
{
    struct station *s = *state;
    int fd = dial(s);
    char got[64];

    say(fd, "#sync here\n"); /* it is known to the server */
    hear(fd, "\n", got, sizeof(got));
    say(fd, "a 1\nb 2\n#sync last\n");
    line_port_stop(s->port, 5000);
    hear(fd, "\n", got, sizeof(got));
    assert_string_equal(got, "#synced last\n");
    assert_int_equal(stored(s), 2);
    (void)close(fd);
}

/* The port is stopped already. */
static int tear_down_stopped(void **state)
{
    struct station *s = *state;

    for (int i = 0; i < LOOPS; i++)
        loop_stop(s->loops[i]);
    for (int i = 0; i < LOOPS; i++)
        (void)pthread_join(s->threads[i], NULL);
    line_port_close(s->port);
    for (int i = 0; i < LOOPS; i++)
        loop_close(s->loops[i]);
    fw_store_close(s->store);
    peers_release(&s->peers);
    fw_log_to(NULL, NULL);
    free(s);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_token_is_answered_when_all_before_it_is_stored, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            bad_lines_are_named_when_asked_and_harm_no_other, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            bytes_one_at_a_time_are_lines_all_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_end_of_the_stream_is_answered_when_all_is_stored, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_was_cut_off_is_not_stored,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(http_is_turned_away_with_nothing_stored,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_line_without_end_is_an_error_and_a_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_of_the_longest_length_is_taken,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_silent_sender_makes_room,
                                        set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(many_senders_lose_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_sent_before_the_stop_is_stored,
                                        set_up, tear_down_stopped),
    };
    return fixture_main(argc, argv, tests);
}
