/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A printed configuration reads back as itself, without its secrets. */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "server/config/config_print.h"

static const char full[] = "data: '/srv/fore warn'\n"
                           "listen_line: 0.0.0.0:7\n"
                           "listen_http: \"[::1]:0\"\n"
                           "retention: 30d\n"
                           "commit_linger: 0s\n"
                           "disk_floor: 2GiB\n"
                           "retention_size: 1500000000B\n"
                           "query_max_samples: 5000000000\n"
                           "collect: off\n"
                           "log_level: warn\n";

static const char nested[] =
    "global:\n"
    "  evaluation_interval: 7s\n"
    "  external_labels: {site: 'on', rack: '12', odd: \"a: b # c\\n\"}\n"
    "alerting:\n"
    "  alertmanagers:\n"
    "    - scheme: https\n"
    "      basic_auth: {username: us, password: hunter2}\n"
    "      static_configs:\n"
    "        - targets: ['a:9093', 'b:9093']\n"
    "    - authorization: {credentials: topsecret}\n"
    "      dns_sd_configs:\n"
    "        - names: [_am._tcp.example.org]\n"
    "notify:\n"
    "  group_by: [host, alertname]\n"
    "  inhibit_rules:\n"
    "    - source_matchers: ['severity=\"page\"']\n"
    "      target_matchers: ['severity=~\"warn|info\"']\n"
    "      equal: [host]\n"
    "  webhooks:\n"
    "    - url: https://hooks.example.org/services/T0/B1/letmein?x=1\n"
    "    - url: http://127.0.0.1:9\n"
    "      allow_private: true\n"
    "watches:\n"
    "  - watch: DiskFull\n"
    "    expr: 'disk_free{path=~\".*\"} / 2'\n"
    "    breach: \"< 5\"\n"
    "    for: 5m\n"
    "    horizon: 6h\n"
    "    probability: 0.9\n"
    "    owner: storage@example.org\n"
    "    reason: 'no: really'\n"
    "    labels: {severity: page}\n";

static char *print(const char *text)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    struct config *config = NULL;
    struct fw_err err = {0};
    char *copy;

    if (config_read(fw_str_of(text), "f.yml", &config, &err) != FW_OK)
        fail_msg("%s\n%s", err.text, text);
    assert_int_equal(config_print(config, &out, &err), FW_OK);
    copy = strndup(out.data, out.len);
    assert_non_null(copy);
    config_free(config);
    fw_buf_release(&out);
    return copy;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("lacks '%s':\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("has '%s':\n%s", part, text);
}

/* Printed, read and printed again it is the same. */
static char *print_twice(const char *text)
{
    char *once = print(text);
    char *twice = print(once);

    assert_string_equal(once, twice);
    free(twice);
    return once;
}

static void defaults_are_written_out(void **state)
{
    char *text = print_twice("log_level: debug\n");

    (void)state;
    assert_has(text, "log_level: debug\n");
    assert_has(text, "retention: 90d\n");
    assert_has(text, "query_max_memory: 1GiB\n");
    assert_lacks(text, "watches:");
    assert_lacks(text, "alerting:");
    free(text);
}

static void plain_keys_read_back(void **state)
{
    char *text = print_twice(full);

    (void)state;
    assert_has(text, "data: /srv/fore warn\n");
    assert_has(text, "disk_floor: 2GiB\n");
    assert_has(text, "retention_size: 1500000000B\n");
    assert_has(text, "query_max_samples: 5000000000\n");
    assert_has(text, "commit_linger: 0s\n");
    assert_has(text, "collect: off\n");
    free(text);
}

static void maps_and_lists_read_back(void **state)
{
    char *text = print_twice(nested);

    (void)state;
    assert_has(text, "evaluation_interval: 7s\n");
    assert_has(text, "site: \"on\"\n");
    assert_has(text, "rack: \"12\"\n");
    assert_has(text, "- a:9093\n");
    assert_has(text, "reason: 'no: really'\n");
    assert_has(text, "probability: 0.9\n");
    free(text);
}

static void secrets_are_masked(void **state)
{
    char *text = print(nested);

    (void)state;
    assert_lacks(text, "hunter2");
    assert_lacks(text, "topsecret");
    assert_lacks(text, "letmein");
    assert_has(text, "username: us\n");
    assert_has(text, "password: <secret>\n");
    assert_has(text, "credentials: <secret>\n");
    assert_has(text, "url: https://hooks.example.org/<secret>\n");
    assert_has(text, "url: http://127.0.0.1:9\n");
    free(text);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    struct fw_buf out = FW_BUF_INIT(64);
    struct config *config = NULL;
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(config_defaults(&config, NULL), FW_OK);
    assert_int_equal(fw_buf_adds(&out, "before"), FW_OK);
    assert_int_not_equal(config_print(config, &out, &err), FW_OK);
    assert_int_equal(out.len, 6);
    config_free(config);
    fw_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_written_out),
        cmocka_unit_test(plain_keys_read_back),
        cmocka_unit_test(maps_and_lists_read_back),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
