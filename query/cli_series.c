/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_series.c - `forewarn series` and `forewarn labels`. */
#include "query/cli_query.h"
#include "storage/base/limits.h"

const struct fw_option cli_series_options[] = {
    {"start", 0, "TIME", NULL, "only series that may have samples after this"},
    {"end", 0, "TIME", NULL, "and before this [now]"},
    {"fail-empty", 0, NULL, NULL, "exit with 1 if there are none"},
    {0},
};

static fw_rc period(struct fw_cli *cli, const struct fw_args *args, fw_ms *from,
                    fw_ms *to, struct fw_err *err)
{
    fw_ms now = fw_clock_now(cli->clock);
    const char *start = fw_args_get(cli, args, "start");
    const char *end = fw_args_get(cli, args, "end");
    fw_rc rc = FW_OK;

    *from = INT64_MIN / 4;
    *to = INT64_MAX / 4;
    if (start != NULL)
        rc = fw_parse_time(fw_str_of(start), now, from, err);
    if (rc == FW_OK && end != NULL)
        rc = fw_parse_time(fw_str_of(end), now, to, err);
    return rc;
}

static fw_rc print_series(struct fw_cli *cli, struct fw_store *store,
                          const struct fw_args *args, struct fw_arena *arena,
                          size_t *count, struct fw_err *err)
{
    struct fw_buf out = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    struct fw_matcher *matchers = NULL;
    struct fw_series *series = NULL;
    size_t n = 0;
    fw_ms from, to;
    fw_rc rc = period(cli, args, &from, &to, err);

    if (rc == FW_OK)
        rc = fw_parse_selector(fw_str_of(args->rest[0]), arena, &matchers, &n,
                               err);
    if (rc == FW_OK)
        rc = fw_store_select(store, matchers, n, from, to, FW_MAX_QUERY_SERIES,
                             arena, &series, count, err);
    for (size_t i = 0; i < *count && rc == FW_OK; i++) {
        fw_buf_clear(&out);
        rc = fw_labels_print(&out, &series[i].labels);
        if (rc == FW_OK)
            rc = fw_buf_addc(&out, '\n');
        if (rc == FW_OK && cli->tty)
            fw_cli_print_text(cli, out.data);
        else if (rc == FW_OK)
            (void)fputs(out.data, cli->out);
        if (rc == FW_OK && cli->tty)
            (void)fputc('\n', cli->out);
    }
    fw_buf_release(&out);
    return rc;
}

int cmd_series(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_arena *arena = fw_arena_new(FW_MAX_QUERY_BYTES);
    struct fw_store *store = NULL;
    struct fw_err err = {0};
    struct fw_args args;
    size_t count = 0;
    int code = FW_EXIT_OK;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK) {
        fw_arena_free(arena);
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    }
    if (arena == NULL)
        rc = fw_err_set(&err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = cli_one_expression(cli, &args, &err);
    if (rc == FW_OK)
        rc = fw_cli_store_open(cli, &store, &err);
    if (rc == FW_OK)
        rc = print_series(cli, store, &args, arena, &count, &err);
    if (rc != FW_OK)
        code = fw_cli_fail(cli, &err);
    else if (count == 0)
        (void)fprintf(cli->err, "no series matches %s\n", args.rest[0]);
    if (rc == FW_OK && count == 0 && fw_args_has(cli, &args, "fail-empty"))
        code = FW_EXIT_NO;
    if (store != NULL)
        fw_cli_store_close(cli, store);
    fw_arena_free(arena);
    return code;
}

static fw_rc print_labels(struct fw_cli *cli, struct fw_store *store,
                          const char *name, struct fw_arena *arena,
                          struct fw_err *err)
{
    struct fw_str *texts = NULL;
    size_t count = 0;
    fw_rc rc =
        name == NULL
            ? fw_store_label_names(store, NULL, arena, &texts, &count, err)
            : fw_store_label_values(store, fw_str_of(name), NULL, arena, &texts,
                                    &count, err);

    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        char *text = fw_arena_strndup(arena, texts[i].p, texts[i].n);

        if (text == NULL)
            return fw_arena_err(arena, err);
        if (cli->tty)
            fw_cli_print_text(cli, text);
        else
            (void)fputs(text, cli->out);
        (void)fputc('\n', cli->out);
    }
    if (rc == FW_OK && count == 0 && name != NULL)
        (void)fprintf(cli->err,
                      "no series has a label '%s'; `forewarn labels` lists "
                      "those there are\n",
                      name);
    else if (rc == FW_OK && count == 0)
        (void)fprintf(cli->err, "the store holds no series yet\n");
    return rc;
}

int cmd_labels(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_arena *arena = fw_arena_new(FW_MAX_QUERY_BYTES);
    struct fw_store *store = NULL;
    struct fw_err err = {0};
    struct fw_args args;
    int code = FW_EXIT_OK;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK) {
        fw_arena_free(arena);
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    }
    if (arena == NULL)
        rc = fw_err_set(&err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK && args.rest_count > 1)
        rc = fw_err_set(&err, FW_EINVAL, "one label name at most is taken");
    if (rc == FW_OK)
        rc = fw_cli_store_open(cli, &store, &err);
    if (rc == FW_OK)
        rc = print_labels(cli, store, args.rest_count > 0 ? args.rest[0] : NULL,
                          arena, &err);
    if (rc != FW_OK)
        code = fw_cli_fail(cli, &err);
    if (store != NULL)
        fw_cli_store_close(cli, store);
    fw_arena_free(arena);
    return code;
}
