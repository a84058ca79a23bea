/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
/*
 * test_local_server.c - both ends of the local socket, with a real store.
 */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/local/local_client.h"
#include "server/local/local_frame.h"
#include "server/local/local_path.h"
#include "server/local/local_server.h"
#include "tests/support/tmpdir.h"

struct station {
    char dir[256];
    struct fw_store *store;
    struct loop *loop;
    pthread_t thread;
    struct workers *workers;
    struct local_server *server;
    bool stopped;
};

static void *run_loop(void *loop)
{
    loop_run(loop);
    return NULL;
}

static void put_sample(struct fw_store *store)
{
    struct fw_label labels[] = {{FW_STR(FW_METRIC_NAME), FW_STR("here")},
                                {FW_STR("a"), FW_STR("b")}};
    struct fw_labels set = {labels, 2};
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    struct fw_err err = {0};
    uint32_t id;

    assert_int_equal(fw_store_series(store, &set, &id, &err), FW_OK);
    assert_int_equal(fw_batch_add(&batch, id, 1700000000000, 42), FW_OK);
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    fw_batch_release(&batch);
}

static int set_up(void **state)
{
    struct station *s = calloc(1, sizeof(*s));
    struct fw_store_options store = {.create = true};
    struct local_server_options options = {.clock = fw_clock_system()};
    struct fw_err err = {0};

    assert_non_null(s);
    (void)snprintf(s->dir, sizeof(s->dir), "%s", tmpdir_new());
    assert_int_equal(fw_store_open(s->dir, &store, &s->store, &err), FW_OK);
    put_sample(s->store);
    assert_int_equal(loop_open(fw_clock_system(), &s->loop, &err), FW_OK);
    assert_int_equal(workers_start(2, 0, 16, &s->workers, &err), FW_OK);
    options.store = s->store;
    options.loop = s->loop;
    options.workers = s->workers;
    assert_int_equal(local_server_open(&options, &s->server, &err), FW_OK);
    assert_int_equal(pthread_create(&s->thread, NULL, run_loop, s->loop), 0);
    *state = s;
    return 0;
}

static void stop(struct station *s)
{
    local_server_stop(s->server);
    workers_stop(s->workers);
    loop_stop(s->loop);
    (void)pthread_join(s->thread, NULL);
    local_server_close(s->server);
    loop_close(s->loop);
    fw_store_close(s->store);
    s->stopped = true;
}

static int tear_down(void **state)
{
    struct station *s = *state;

    if (!s->stopped)
        stop(s);
    free(s);
    return 0;
}

struct said {
    fw_rc rc;
    int code;
    char *out, *err;
};

static struct said ask(struct station *s, int argc, const char *const *words)
{
    struct said said = {.code = -1};
    size_t out_n = 0, err_n = 0;
    struct fw_err err = {0};
    char *argv[16] = {0};
    struct fw_cli cli = {.out = open_memstream(&said.out, &out_n),
                         .err = open_memstream(&said.err, &err_n),
                         .columns = 80,
                         .rows = 24,
                         .clock = fw_clock_system(),
                         .data_dir = s->dir};

    for (int i = 0; i < argc; i++)
        argv[i] = strdup(words[i]);
    said.rc = local_ask(&cli, argc, argv, &said.code, &err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    (void)fclose(cli.out);
    (void)fclose(cli.err);
    return said;
}

static void forget(struct said *said)
{
    free(said->out);
    free(said->err);
}

static const char *const query[] = {"query",      "here",     "--time",
                                    "1700000000", "--format", "csv"};

static void a_command_is_answered_by_the_server(void **state)
{
    struct said said = ask(*state, 6, query);

    assert_int_equal(said.rc, FW_OK);
    assert_int_equal(said.code, FW_EXIT_OK);
    assert_non_null(strstr(said.out, "1700000000,42"));
    assert_string_equal(said.err, "");
    forget(&said);
}

static void words_and_codes_come_through(void **state)
{
    const char *const bad[] = {"query", "sum("};
    struct said said = ask(*state, 2, bad);

    assert_int_equal(said.rc, FW_OK);
    assert_int_equal(said.code, FW_EXIT_USAGE);
    assert_string_equal(said.out, "");
    assert_string_not_equal(said.err, "");
    forget(&said);
}

static void what_belongs_to_the_caller_is_sent_back(void **state)
{
    const char *const serve[] = {"serve"};
    const char *const input[] = {"forecast", "--input", "x.csv"};
    const char *const nothing[] = {"nothing"};
    struct said said = ask(*state, 1, serve);

    assert_int_equal(said.rc, FW_NONE);
    forget(&said);
    said = ask(*state, 3, input);
    assert_int_equal(said.rc, FW_NONE);
    forget(&said);
    said = ask(*state, 1, nothing);
    assert_int_equal(said.rc, FW_NONE);
    forget(&said);
}

static void without_a_server_nobody_answers(void **state)
{
    struct station *s = *state;
    struct said said;

    stop(s);
    said = ask(s, 6, query);
    assert_int_equal(said.rc, FW_NONE);
    forget(&said);
}

static void a_folder_without_a_socket_is_no_server(void **state)
{
    struct station elsewhere = {.dir = "/nowhere/at/all"};
    struct said said = ask(&elsewhere, 6, query);

    (void)state;
    assert_int_equal(said.rc, FW_NONE);
    forget(&said);
}

#define CALLERS 6
#define CALLS 20

static void *call_often(void *self)
{
    for (int i = 0; i < CALLS; i++) {
        struct said said = ask(self, 6, query);

        if (said.rc != FW_OK || strstr(said.out, ",42") == NULL)
            fail_msg("rc %d, '%s' '%s'", said.rc, said.out, said.err);
        forget(&said);
    }
    return NULL;
}

static void many_callers_get_their_answers(void **state)
{
    pthread_t threads[CALLERS];

    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, *state),
                         0);
    for (int i = 0; i < CALLERS; i++)
        (void)pthread_join(threads[i], NULL);
}

static void callers_that_go_away_are_forgotten(void **state)
{
    struct station *s = *state;
    struct fw_buf bytes = FW_BUF_INIT(4096);
    struct local_request request = {.columns = 80, .rows = 24, .argc = 6};
    struct fw_err err = {0};
    struct said said;
    char *argv[7] = {0};

    for (int i = 0; i < 6; i++)
        argv[i] = strdup(query[i]);
    request.argv = argv;
    assert_int_equal(local_request_put(&bytes, &request, &err), FW_OK);
    for (size_t cut = 0; cut <= bytes.len; cut += 7) {
        int fd = -1;

        assert_int_equal(local_path_connect(s->dir, &fd), FW_OK);
        assert_int_equal(send(fd, bytes.data, cut, MSG_NOSIGNAL), (int)cut);
        (void)close(fd);
    }
    said = ask(s, 6, query);
    assert_int_equal(said.rc, FW_OK);
    forget(&said);
    for (int i = 0; i < 6; i++)
        free(argv[i]);
    fw_buf_release(&bytes);
}

static void a_stop_does_not_wait_for_callers_that_say_nothing(void **state)
{
    struct station *s = *state;
    int fd = -1;
    char byte;

    assert_int_equal(local_path_connect(s->dir, &fd), FW_OK);
    stop(s);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_command_is_answered_by_the_server,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(words_and_codes_come_through, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_belongs_to_the_caller_is_sent_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_server_nobody_answers, set_up,
                                        tear_down),
        cmocka_unit_test(a_folder_without_a_socket_is_no_server),
        cmocka_unit_test_setup_teardown(many_callers_get_their_answers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(callers_that_go_away_are_forgotten,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_stop_does_not_wait_for_callers_that_say_nothing, set_up,
            tear_down),
    };
    return fixture_main(argc, argv, tests);
}
