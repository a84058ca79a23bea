/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_series.c - `forewarn series`, `labels` and `values`. */
#include <string.h>

#include "query/cli/cli_query.h"
#include "query/cli/cli_remote.h"
#include "storage/base/limits.h"

const struct fw_option cli_series_options[] = {
    {"start", 0, "TIME", NULL, "only series that may have samples after this"},
    {"end", 0, "TIME", NULL, "and before this [now]"},
    {"fail-empty", 0, NULL, NULL, "exit with 1 if there are none"},
    CLI_SERVER_OPTION,
    {0},
};

const struct fw_option cli_label_options[] = {
    {"match", 'm', "SELECTOR", NULL, "only of series that match this"},
    {"start", 0, "TIME", NULL,
     "only of series that may have samples after this"},
    {"end", 0, "TIME", NULL, "and before this [now]"},
    {"fail-empty", 0, NULL, NULL, "exit with 1 if there are none"},
    CLI_SERVER_OPTION,
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

/* start and end, where they were given. */
static fw_rc add_period(struct fw_cli *cli, const struct fw_args *args,
                        struct fw_buf *form, struct fw_err *err)
{
    fw_ms from, to;
    fw_rc rc = period(cli, args, &from, &to, err);

    if (rc == FW_OK && fw_args_has(cli, args, "start"))
        rc = cli_remote_add_time(form, "start", from);
    if (rc == FW_OK && fw_args_has(cli, args, "end"))
        rc = cli_remote_add_time(form, "end", to);
    return rc;
}

/* The series of another server. */
static fw_rc fetch_series(struct fw_cli *cli, const struct fw_args *args,
                          struct fw_arena *arena, struct fw_series **series,
                          size_t *count, struct fw_err *err)
{
    struct fw_buf form = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    struct remote_answer answer = {.series = NULL};
    fw_rc rc = cli_remote_add(&form, "match[]", fw_str_of(args->rest[0]));

    if (rc == FW_OK)
        rc = add_period(cli, args, &form, err);
    if (rc == FW_OK)
        rc = cli_remote_ask(cli_remote_server(cli, args), "/api/v1/series",
                            FW_STR(""), "", &form, arena, &answer, err);
    fw_buf_release(&form);
    if (rc != FW_OK)
        return rc;
    *series = fw_arena_calloc(arena, answer.series_count, sizeof(**series));
    if (*series == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < answer.series_count; i++)
        (*series)[i].labels = answer.series[i];
    *count = answer.series_count;
    return FW_OK;
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

    if (rc == FW_OK && store == NULL)
        rc = fetch_series(cli, args, arena, &series, count, err);
    if (rc == FW_OK && store != NULL)
        rc = fw_parse_selector(fw_str_of(args->rest[0]), arena, &matchers, &n,
                               err);
    if (rc == FW_OK && store != NULL)
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
    if (rc == FW_OK && *count == 0)
        (void)fprintf(cli->err, "no series matches %s\n", args->rest[0]);
    fw_buf_release(&out);
    return rc;
}

/* What a command that lists things takes, and how it prints them. */
struct listing {
    fw_rc (*check)(struct fw_cli *cli, const struct fw_args *args,
                   struct fw_err *err);
    fw_rc (*print)(struct fw_cli *cli, struct fw_store *store,
                   const struct fw_args *args, struct fw_arena *arena,
                   size_t *count, struct fw_err *err);
};

static int list(struct fw_cli *cli, int argc, char **argv,
                const struct listing *what)
{
    struct fw_arena *arena = fw_arena_new(fw_query_limits().max_bytes);
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
        rc = what->check(cli, &args, &err);
    if (rc == FW_OK && cli_remote_server(cli, &args) == NULL)
        rc = fw_cli_store_open(cli, &store, &err);
    if (rc == FW_OK)
        rc = what->print(cli, store, &args, arena, &count, &err);
    if (rc != FW_OK)
        code = fw_cli_fail(cli, &err);
    else if (count == 0 && fw_args_has(cli, &args, "fail-empty"))
        code = FW_EXIT_NO;
    if (store != NULL)
        fw_cli_store_close(cli, store);
    fw_arena_free(arena);
    return code;
}

int cmd_series(struct fw_cli *cli, int argc, char **argv)
{
    static const struct listing series = {cli_one_expression, print_series};

    return list(cli, argc, argv, &series);
}

/* Those of another server. */
static fw_rc fetch_texts(struct fw_cli *cli, const struct fw_args *args,
                         const char *name, struct fw_arena *arena,
                         struct fw_str **texts, size_t *count,
                         struct fw_err *err)
{
    const char *server = cli_remote_server(cli, args);
    const char *selector = fw_args_get(cli, args, "match");
    struct fw_buf form = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    struct fw_buf after = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    struct fw_buf none = FW_BUF_INIT(1);
    struct remote_answer answer = {.texts = NULL};
    fw_rc rc = FW_OK;

    if (selector != NULL)
        rc = cli_remote_add(&form, "match[]", fw_str_of(selector));
    if (rc == FW_OK)
        rc = add_period(cli, args, &form, err);
    /* Values are only got, not posted for. */
    if (rc == FW_OK && name != NULL)
        rc = fw_buf_printf(&after, "/values?%s", form.len > 0 ? form.data : "");
    if (rc == FW_OK)
        rc = name == NULL
                 ? cli_remote_ask(server, "/api/v1/labels", FW_STR(""), "",
                                  &form, arena, &answer, err)
                 : cli_remote_ask(server, "/api/v1/label/", fw_str_of(name),
                                  after.data, &none, arena, &answer, err);
    fw_buf_release(&form);
    fw_buf_release(&after);
    *texts = answer.texts;
    *count = answer.text_count;
    return rc;
}

/* The label names, or the values of one, that are asked for. */
static fw_rc find_texts(struct fw_cli *cli, struct fw_store *store,
                        const struct fw_args *args, const char *name,
                        struct fw_arena *arena, struct fw_str **texts,
                        size_t *count, struct fw_err *err)
{
    const char *selector = fw_args_get(cli, args, "match");
    struct fw_label_query query = {0};
    struct fw_matcher *matchers = NULL;
    fw_rc rc = period(cli, args, &query.from, &query.to, err);

    if (rc == FW_OK && store == NULL)
        return fetch_texts(cli, args, name, arena, texts, count, err);
    if (rc == FW_OK && selector != NULL)
        rc = fw_parse_selector(fw_str_of(selector), arena, &matchers, &query.n,
                               err);
    query.matchers = matchers;
    if (rc != FW_OK)
        return rc;
    return name == NULL
               ? fw_store_label_names(store, &query, arena, texts, count, err)
               : fw_store_label_values(store, fw_str_of(name), &query, arena,
                                       texts, count, err);
}

/* Says why there is nothing, with the name that may have been meant. */
static void explain_no_values(struct fw_cli *cli, struct fw_store *store,
                              const char *name, bool narrowed,
                              struct fw_arena *arena)
{
    struct fw_str *names = NULL;
    const char **texts = NULL;
    const char *near = NULL;
    size_t n = 0;
    fw_rc rc = fw_store_label_names(store, NULL, arena, &names, &n, NULL);

    if (rc == FW_OK && n > 0)
        texts = fw_arena_alloc(arena, n * sizeof(*texts));
    for (size_t i = 0; i < n && texts != NULL; i++) {
        texts[i] = fw_arena_strndup(arena, names[i].p, names[i].n);
        if (texts[i] == NULL)
            texts = NULL;
    }
    if (texts != NULL)
        near = fw_nearest(name, texts, n);
    if (n == 0)
        (void)fprintf(cli->err, "the store holds no series yet\n");
    else if (narrowed)
        (void)fprintf(cli->err,
                      "no series that is asked for has a label '%s'\n", name);
    else if (near != NULL && strcmp(near, name) != 0)
        (void)fprintf(cli->err,
                      "no series has a label '%s'; did you mean '%s'?\n", name,
                      near);
    else
        (void)fprintf(cli->err,
                      "no series has a label '%s'; `forewarn labels` lists "
                      "those there are\n",
                      name);
}

static fw_rc print_labels(struct fw_cli *cli, struct fw_store *store,
                          const struct fw_args *args, struct fw_arena *arena,
                          size_t *found, struct fw_err *err)
{
    const char *name = args->rest_count > 0 ? args->rest[0] : NULL;
    bool narrowed = fw_args_has(cli, args, "match") ||
                    fw_args_has(cli, args, "start") ||
                    fw_args_has(cli, args, "end");
    struct fw_str *texts = NULL;
    size_t count = 0;
    fw_rc rc = find_texts(cli, store, args, name, arena, &texts, &count, err);

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
    *found = count;
    if (rc == FW_OK && count == 0 && store == NULL)
        (void)fprintf(cli->err, "the server has none\n");
    else if (rc == FW_OK && count == 0 && name != NULL)
        explain_no_values(cli, store, name, narrowed, arena);
    else if (rc == FW_OK && count == 0)
        (void)fprintf(cli->err, narrowed ? "no series is that asked for\n"
                                         : "the store holds no series yet\n");
    return rc;
}

static fw_rc check_one_at_most(struct fw_cli *cli, const struct fw_args *args,
                               struct fw_err *err)
{
    (void)cli;
    return args->rest_count <= 1
               ? FW_OK
               : fw_err_set(err, FW_EINVAL, "one label name at most is taken");
}

static fw_rc check_one_name(struct fw_cli *cli, const struct fw_args *args,
                            struct fw_err *err)
{
    if (args->rest_count < 1)
        return fw_err_set(err, FW_EINVAL,
                          "a label name is expected, such as: forewarn values "
                          "job");
    return check_one_at_most(cli, args, err);
}

int cmd_labels(struct fw_cli *cli, int argc, char **argv)
{
    static const struct listing labels = {check_one_at_most, print_labels};

    return list(cli, argc, argv, &labels);
}

int cmd_values(struct fw_cli *cli, int argc, char **argv)
{
    static const struct listing values = {check_one_name, print_labels};

    return list(cli, argc, argv, &values);
}
