/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/config.h"
#include "server/config/config_schema.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"
#include "tests/support/fault.h"
#include "tests/support/tmpdir.h"

#define WATCH_HEAD                                                             \
    "watches:\n"                                                               \
    "  - watch: DiskFull\n"                                                    \
    "    expr: disk_free\n"                                                    \
    "    breach: \"< 5\"\n"
#define WATCH_TAIL                                                             \
    "    horizon: 6h\n"                                                        \
    "    owner: storage@example.org\n"                                         \
    "    reason: writes fail\n"

static const char full[] =
    "data: /srv/forewarn\n"
    "listen_line: 0.0.0.0:7\n"
    "listen_http: \"[::1]:0\"\n"
    "retention: 30d\n"
    "max_future: 5m\n"
    "out_of_order_window: 2h\n"
    "commit_linger: 0s\n"
    "max_series: 5000\n"
    "disk_floor: 2GiB\n"
    "max_connections: 9\n"
    "collect: off\n"
    "log_level: warn\n"
    "notify:\n"
    "  webhooks:\n"
    "    - url: http://127.0.0.1:9/hook\n"
    "      timeout: 3s\n"
    "      allow_private: true\n"
    "    - url: https://example.org/x\n" WATCH_HEAD "    for: 5m\n"
    "    history: 7d\n"
    "    probability: 0.9\n"
    "    recover: 0.5\n"
    "    lead: 30m\n"
    "    interval: 2m\n"
    "    runbook: https://example.org/disk\n"
    "    labels: {severity: page, team: storage}\n" WATCH_TAIL;

static struct config *read_ok(const char *text)
{
    struct config *config = NULL;
    struct fw_err err = {0};

    if (config_read(fw_str_of(text), "f.yml", &config, &err) != FW_OK)
        fail_msg("%s", err.text);
    return config;
}

static void every_key_reaches_its_field(void **state)
{
    struct config *c = read_ok(full);
    const struct config_watch *w = &c->watches[0];

    (void)state;
    assert_string_equal(c->data, "/srv/forewarn");
    assert_string_equal(c->listen_line, "0.0.0.0:7");
    assert_string_equal(c->listen_http, "[::1]:0");
    assert_int_equal(c->retention, 30 * FW_DAY);
    assert_int_equal(c->max_future, 5 * FW_MINUTE);
    assert_int_equal(c->out_of_order_window, 2 * FW_HOUR);
    assert_int_equal(c->commit_linger, 0);
    assert_int_equal(c->max_series, 5000);
    assert_int_equal(c->disk_floor, UINT64_C(2) << 30);
    assert_int_equal(c->max_connections, 9);
    assert_int_equal(c->collect, 0);
    assert_int_equal(c->log_level, FW_LOG_WARN);
    assert_int_equal(c->webhook_count, 2);
    assert_string_equal(c->webhooks[0].url, "http://127.0.0.1:9/hook");
    assert_int_equal(c->webhooks[0].timeout, 3 * FW_SECOND);
    assert_true(c->webhooks[0].allow_private);
    assert_int_equal(c->webhooks[1].timeout, 10 * FW_SECOND);
    assert_false(c->webhooks[1].allow_private);
    assert_int_equal(c->watch_count, 1);
    assert_string_equal(w->name, "DiskFull");
    assert_string_equal(w->expr, "disk_free");
    assert_string_equal(w->breach_text, "< 5");
    assert_int_equal(w->breach.side, FW_BELOW);
    assert_true(w->breach.limit == 5.0);
    assert_int_equal(w->breach.for_ms, 5 * FW_MINUTE);
    assert_int_equal(w->horizon, 6 * FW_HOUR);
    assert_int_equal(w->history, 7 * FW_DAY);
    assert_int_equal(w->interval, 2 * FW_MINUTE);
    assert_int_equal(w->lead, 30 * FW_MINUTE);
    assert_true(w->probability == 0.9 && w->recover == 0.5);
    assert_string_equal(w->owner, "storage@example.org");
    assert_string_equal(w->reason, "writes fail");
    assert_string_equal(w->runbook, "https://example.org/disk");
    assert_int_equal(w->label_count, 2);
    assert_string_equal(w->labels[1].name, "team");
    assert_string_equal(w->labels[1].value, "storage");
    assert_string_equal(w->file, "f.yml");
    assert_int_equal(w->line, 20);
    config_free(c);
}

static void what_is_left_out_is_derived(void **state)
{
    struct config *c = read_ok(WATCH_HEAD WATCH_TAIL);
    const struct config_watch *w = &c->watches[0];

    (void)state;
    assert_int_equal(w->history, 4 * FW_DAY);
    assert_int_equal(w->interval, FW_MINUTE);
    assert_true(w->probability == 0.8);
    assert_true(w->recover > 0.599 && w->recover < 0.601);
    assert_int_equal(w->lead, 0);
    assert_null(w->runbook);
    config_free(c);
}

static void defaults_agree_with_the_limits(void **state)
{
    struct config *c = NULL;
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(config_defaults(&c, &err), FW_OK);
    assert_int_equal(c->retention, FW_RETENTION_MS);
    assert_int_equal(c->max_future, FW_MAX_FUTURE_MS);
    assert_int_equal(c->out_of_order_window, FW_OOO_WINDOW_MS);
    assert_int_equal(c->commit_linger, FW_COMMIT_LINGER_MS);
    assert_int_equal(c->max_series, FW_MAX_SERIES);
    assert_int_equal(c->disk_floor, FW_DISK_FLOOR_BYTES);
    assert_int_equal(c->max_connections, FW_MAX_CONNECTIONS);
    assert_int_equal(c->log_level, FW_LOG_INFO);
    assert_null(c->data);
    config_free(c);
}

static void printed_defaults_read_back_as_the_defaults(void **state)
{
    struct fw_buf text = FW_BUF_INIT(65536);
    struct config *c;

    (void)state;
    assert_int_equal(config_print_defaults(&text), FW_OK);
    c = read_ok(text.data);
    assert_int_equal(c->collect, 15 * FW_SECOND);
    assert_int_equal(c->watch_count, 0);
    config_free(c);
    fw_buf_release(&text);
}

static void an_empty_file_is_all_defaults(void **state)
{
    struct config *c = read_ok("# nothing here\n");

    (void)state;
    assert_string_equal(c->listen_line, "127.0.0.1:9778");
    config_free(c);
    c = read_ok("");
    config_free(c);
}

static void a_key_can_be_set_as_from_the_command_line(void **state)
{
    struct config *c = read_ok("");
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(config_set(c, "retention", "2d", &err), FW_OK);
    assert_int_equal(c->retention, 2 * FW_DAY);
    assert_int_equal(config_set(c, "retention", "soon", &err), FW_EINVAL);
    assert_string_equal(err.text, "'retention' takes a duration such as 90s, "
                                  "5m or 1h30m, not 'soon'");
    assert_int_equal(c->retention, 2 * FW_DAY);
    config_free(c);
}

struct mistake {
    const char *text;
    int line, column;
    const char *says; /* somewhere in the sentence */
};

#define W(extra) WATCH_HEAD extra WATCH_TAIL

static const struct mistake mistakes[] = {
    {"retentoin: 5d\n", 1, 1, "did you mean 'retention'?"},
    {"zzzzzzzz: 1\n", 1, 1, "there are data, listen_line"},
    {"\nretention:\n", 2, 11, "'retention' has no value"},
    {"retention: 5 days\n", 1, 12, "a duration such as 90s"},
    {"retention: 5m\n", 1, 12, "must lie between 1h and"},
    {"retention: [5d]\n", 1, 12, "not a list"},
    {"retention: {a: b}\n", 1, 12, "not a map"},
    {"retention: 5d\nlog_level: info\nretention: 6d\n", 3, 1, "stands twice"},
    {"max_series: many\n", 1, 13, "a whole number, not 'many'"},
    {"max_series: -5\n", 1, 13, "a whole number"},
    {"max_series: 0\n", 1, 13, "must lie between 1 and"},
    {"max_series: 99999999999999999999\n", 1, 13, "a whole number"},
    {"disk_floor: 16Mib\n", 1, 13, "a size such as 16MiB"},
    {"disk_floor: 9000TiB\n", 1, 13, "must lie between"},
    {"log_level: loud\n", 1, 12, "debug, info, warn or error, not 'loud'"},
    {"collect: sometimes\n", 1, 10, "or off, not 'sometimes'"},
    {"listen_line: 9778\n", 1, 14, "an address such as"},
    {"listen_line: \"host:99999\"\n", 1, 15, "an address such as"},
    {"commit_linger: 1h\n", 1, 16, "must lie between 0s and 10s"},
    {"- a\n- b\n", 1, 1, "must be a map, not a list"},
    {"just words\n", 1, 1, "must be a map, not a text"},
    {"watches: {}\n", 1, 10, "'watches' takes a list of maps, not a map"},
    {"watches:\n  - DiskFull\n", 2, 5, "must be a map, not a text"},
    {"watches:\n  - expr: a\n", 2, 5, "lacks 'watch'"},
    {WATCH_HEAD "    horizon: 6h\n    reason: x\n", 2, 5, "lacks 'owner'"},
    {WATCH_HEAD "    horizon: 6h\n    owner: x\n", 2, 5, "lacks 'reason'"},
    {W("    probabilty: 0.5\n"), 5, 5, "did you mean 'probability'?"},
    {W("    probability: 80\n"), 5, 18, "a number between 0 and 1"},
    {W("    probability: 1\n"), 5, 18, "a number between 0 and 1"},
    {W("    recover: 0.95\n"), 5, 14, "must not be above 'probability'"},
    {W("    lead: 6h\n"), 5, 11, "'lead' must be shorter than 'horizon'"},
    {W("    for: 7h\n"), 5, 10, "'for' must be shorter"},
    {W("    interval: 7h\n"), 5, 15, "'interval' must not be longer"},
    {W("    interval: 10ms\n"), 5, 15, "must lie between 1s and"},
    {W("    history: 1h\n"), 5, 14, "'history' must not be shorter"},
    {W("    runbook: wiki\n"), 5, 14, "a URL such as"},
    {W("    labels: [a]\n"), 5, 13, "'labels' takes a map of label names"},
    {W("    labels: {a-b: c}\n"), 5, 14, "'a-b' is no label name"},
    {W("    labels: {a: c, a: d}\n"), 5, 20, "the label 'a' stands twice"},
    {W("    labels:\n      a: [b]\n"), 6, 10, "the label 'a' takes a text"},
    {W("") "  - watch: DiskFull\n    expr: x\n    breach: \"> 1\"\n" WATCH_TAIL,
     8, 12, "'DiskFull' stands already in f.yml, line 2"},
    {"watches:\n  - watch: A\n    expr: a\n    breach: 90\n" WATCH_TAIL, 4, 13,
     "a limit begins with"},
    {"watches:\n  - watch: A\n    expr: a\n    breach: \"> \"\n" WATCH_TAIL, 4,
     14, "lacks a finite number"},
    {"watches:\n  - watch: A\n    expr: rate(a[5m]\n    breach: '> "
     "1'\n" WATCH_TAIL,
     3, 21, "rate(a[5m]"},
    {"watches:\n  - watch: A\n    expr: \"sum(b) bye (c)\"\n    breach: '> "
     "1'\n" WATCH_TAIL,
     3, 19, "bye"},
    {"watches:\n  - watch: A\n    expr: b[5m]\n    breach: '> 1'\n" WATCH_TAIL,
     3, 11, "avg_over_time()"},
    {"watches:\n  - watch: A\n    expr: '\"words\"'\n    breach: '> "
     "1'\n" WATCH_TAIL,
     3, 12, "a text cannot be watched"},
    {"notify: {webhook: []}\n", 1, 10, "did you mean 'webhooks'?"},
    {"notify:\n  webhooks:\n    - timeout: 3s\n", 3, 7, "lacks 'url'"},
    {"notify: {webhooks: [{url: ftp://x/}]}\n", 1, 27, "a URL such as"},
    {"notify: {webhooks: [{url: \"http://u:p@x/\"}]}\n", 1, 28,
     "a URL such as"},
    {"notify: {webhooks: [{url: http://x, allow_private: yes}]}\n", 1, 52,
     "true or false, not 'yes'"},
    {"notify: {webhooks: [{url: http://x, timeout: 10m}]}\n", 1, 46,
     "must lie between 100ms and 2m"},
    {"watch_files: w.yml\n", 1, 14, "a list of texts, not a text"},
    {"watch_files: [[a]]\n", 1, 15, "a list of texts"},
    {"a: &x 1\nb: *x\n", 2, 4, "aliases (*name) are not taken"},
    {"retention: 5d\n\tlog_level: info\n", 2, 1, "found a tab"},
    {"retention: 5d\n log_level: info\n", 2, 11, "this is no YAML"},
    {"retention: \"5d\n", 2, 1, "this is no YAML"},
    {"retention: 5d\n---\nretention: 6d\n", 2, 1, "one file, one document"},
    {"? {a: b}\n: c\n", 1, 3, "a key is a plain word"},
    {"# fine\ndata: \xff\n", 2, 1, "not UTF-8"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 1, 17, "deeper than 16 levels"},
};

static void a_mistake_is_named_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        const struct mistake *m = &mistakes[i];
        struct config *config = NULL;
        struct fw_err err = {0};
        char head[64];

        assert_int_equal(
            config_read(fw_str_of(m->text), "f.yml", &config, &err), FW_EINVAL);
        assert_null(config);
        if (strstr(err.text, m->says) == NULL || err.line != m->line ||
            err.column != m->column)
            fail_msg("for '%s':\n  want %d:%d ... %s\n  have %s", m->text,
                     m->line, m->column, m->says, err.text);
        (void)snprintf(head, sizeof(head), "f.yml:%d:%d: ", m->line, m->column);
        assert_memory_equal(err.text, head, strlen(head));
    }
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[FW_PATH_BYTES];

    tmpdir_path(path, sizeof(path), dir, name);
    assert_int_equal(fw_file_write(path, text, strlen(text), NULL), FW_OK);
}

static fw_rc load(const char *dir, struct config **out, struct fw_err *err)
{
    char path[FW_PATH_BYTES];

    return config_load(tmpdir_path(path, sizeof(path), dir, "forewarn.yml"),
                       out, err);
}

static void files_of_watches_are_found_beside_the_file(void **state)
{
    const char *dir = tmpdir_new();
    struct config *c = NULL;
    struct fw_err err = {0};

    (void)state;
    write_file(dir, "forewarn.yml", "watch_files: ['w-*.yml']\n" W(""));
    write_file(dir, "w-2.yml",
               "watches:\n  - {watch: B, expr: b, breach: '> 1', horizon: 1h, "
               "owner: o, reason: r}\n");
    write_file(dir, "w-1.yml",
               "watches:\n  - {watch: A, expr: a, breach: '> 1', horizon: 1h, "
               "owner: o, reason: r}\n");
    assert_int_equal(load(dir, &c, &err), FW_OK);
    assert_int_equal(c->watch_count, 3);
    assert_string_equal(c->watches[0].name, "DiskFull");
    assert_string_equal(c->watches[1].name, "A");
    assert_string_equal(c->watches[2].name, "B");
    assert_non_null(strstr(c->watches[2].file, "/w-2.yml"));
    config_free(c);
}

static void a_file_of_watches_holds_nothing_else(void **state)
{
    const char *dir = tmpdir_new();
    struct config *c = NULL;
    struct fw_err err = {0};

    (void)state;
    write_file(dir, "forewarn.yml", "watch_files: [w.yml]\n");
    write_file(dir, "w.yml", "retention: 5d\n");
    assert_int_equal(load(dir, &c, &err), FW_EINVAL);
    assert_non_null(strstr(err.text, "w.yml:1:1: a file of watches has no key "
                                     "'retention'"));
}

static void a_named_file_that_is_not_there_is_refused(void **state)
{
    const char *dir = tmpdir_new();
    struct config *c = NULL;
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(load(dir, &c, &err), FW_ENOTFOUND);
    write_file(dir, "forewarn.yml", "watch_files: [gone.yml]\n");
    assert_int_equal(load(dir, &c, &err), FW_EINVAL);
    assert_non_null(strstr(err.text, "gone.yml', which is not there"));
    write_file(dir, "forewarn.yml", "watch_files: ['none-*.yml']\n");
    assert_int_equal(load(dir, &c, &err), FW_OK);
    config_free(c);
}

static void a_huge_file_is_refused(void **state)
{
    const char *dir = tmpdir_new();
    struct config *c = NULL;
    struct fw_err err = {0};
    size_t n = FW_MAX_CONFIG_BYTES + 10;
    char *text = malloc(n + 1);
    char path[FW_PATH_BYTES];

    (void)state;
    assert_non_null(text);
    memset(text, '#', n);
    text[n] = '\0';
    tmpdir_path(path, sizeof(path), dir, "forewarn.yml");
    assert_int_equal(fw_file_write(path, text, n, NULL), FW_OK);
    assert_int_equal(load(dir, &c, &err), FW_ETOOBIG);
    memset(text, 0, n);
    for (size_t i = 0; i < 600000; i += 2)
        memcpy(text + i, i == 0 ? "[1" : ",1", 2);
    assert_int_equal(config_read(fw_str_of(text), "f.yml", &c, &err),
                     FW_EINVAL);
    assert_non_null(strstr(err.text, "more than 200000 values"));
    free(text);
}

static void no_memory_is_a_clean_refusal(void **state)
{
    struct fw_err err = {0};

    (void)state;
    for (uint64_t nth = 1; nth < 10000; nth++) {
        struct config *c = NULL;
        fw_rc rc;

        fault_memory(nth, FAULT_ONCE);
        rc = config_read(fw_str_of(full), "f.yml", &c, &err);
        if (!fault_end()) {
            assert_int_equal(rc, FW_OK);
            config_free(c);
            return;
        }
        if (rc == FW_OK)
            config_free(c); /* an allocation for words it did not need */
        else
            assert_int_equal(rc, FW_ENOMEM);
    }
    fail_msg("every allocation up to the 10000th failed something");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_reaches_its_field),
        cmocka_unit_test(what_is_left_out_is_derived),
        cmocka_unit_test(defaults_agree_with_the_limits),
        cmocka_unit_test(printed_defaults_read_back_as_the_defaults),
        cmocka_unit_test(an_empty_file_is_all_defaults),
        cmocka_unit_test(a_key_can_be_set_as_from_the_command_line),
        cmocka_unit_test(a_mistake_is_named_with_its_place),
        cmocka_unit_test(files_of_watches_are_found_beside_the_file),
        cmocka_unit_test(a_file_of_watches_holds_nothing_else),
        cmocka_unit_test(a_named_file_that_is_not_there_is_refused),
        cmocka_unit_test(a_huge_file_is_refused),
        cmocka_unit_test(no_memory_is_a_clean_refusal),
    };

    return fixture_main(argc, argv, tests);
}
