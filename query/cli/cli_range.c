/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/cli/cli_range.h"

#include <stdlib.h>

#include "query/parse/ast.h"
#include "storage/base/limits.h"

#define POINTS_WANTED 240 /* of a range whose step nobody named */
#define NAMES_CONSIDERED 100000

/* ---- Times --------------------------------------------------------------- */

static fw_rc time_option(struct fw_cli *cli, const struct fw_args *args,
                         const char *name, fw_ms *out, struct fw_err *err)
{
    const char *text = fw_args_get(cli, args, name);

    if (text == NULL)
        return FW_OK;
    if (fw_parse_time(fw_str_of(text), fw_clock_now(cli->clock), out, err) !=
        FW_OK)
        return fw_err_prefix(err, "--%s", name);
    return FW_OK;
}

/* A step people would choose: the range in some 240 points at most. */
static fw_ms nice_step(fw_ms range)
{
    static const fw_ms steps[] = {
        FW_SECOND,      2 * FW_SECOND,  5 * FW_SECOND,  10 * FW_SECOND,
        15 * FW_SECOND, 30 * FW_SECOND, FW_MINUTE,      2 * FW_MINUTE,
        5 * FW_MINUTE,  10 * FW_MINUTE, 15 * FW_MINUTE, 30 * FW_MINUTE,
        FW_HOUR,        2 * FW_HOUR,    6 * FW_HOUR,    12 * FW_HOUR};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (range / steps[i] <= POINTS_WANTED)
            return steps[i];
    }
    return FW_DAY * (1 + range / FW_DAY / POINTS_WANTED);
}

static fw_rc range_times(struct fw_cli *cli, const struct fw_args *args,
                         struct fw_query_options *out, struct fw_err *err)
{
    fw_rc rc = time_option(cli, args, "start", &out->start, err);

    out->end = fw_clock_now(cli->clock);
    if (rc == FW_OK)
        rc = time_option(cli, args, "end", &out->end, err);
    if (rc != FW_OK)
        return rc;
    if (out->end < out->start)
        return fw_err_set(err, FW_EINVAL, "--end lies before --start");
    out->step = nice_step(out->end - out->start);
    if (fw_args_has(cli, args, "step"))
        rc = fw_args_duration(cli, args, "step", &out->step, err);
    if (rc == FW_OK && out->step <= 0)
        return fw_err_set(err, FW_EINVAL, "--step must be more than 0");
    return rc;
}

fw_rc cli_times(struct fw_cli *cli, const struct fw_args *args,
                struct fw_query_options *out, struct fw_err *err)
{
    const char *feature = fw_args_get(cli, args, "enable-feature");
    fw_rc rc = FW_OK;

    if (feature != NULL)
        rc = fw_query_enable(feature, err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, args, "lookback", &out->lookback, err);
    if (rc != FW_OK)
        return rc;
    if (fw_args_has(cli, args, "start")) {
        if (fw_args_has(cli, args, "time"))
            return fw_err_set(err, FW_EINVAL,
                              "--time asks for an instant and --start for a "
                              "range: give one of them");
        return range_times(cli, args, out, err);
    }
    if (fw_args_has(cli, args, "end") || fw_args_has(cli, args, "step"))
        return fw_err_set(err, FW_EINVAL,
                          "--end and --step belong to a range: give --start "
                          "too, such as --start -1h");
    out->start = fw_clock_now(cli->clock);
    rc = time_option(cli, args, "time", &out->start, err);
    out->end = out->start;
    return rc;
}

/* ---- Why there is nothing ------------------------------------------------ */

/* The first selector of an expression, in the order it is written. */
static const struct node *first_selector(const struct node *node)
{
    const struct node *found = node->kind == NODE_SELECTOR ? node : NULL;

    for (size_t i = 0; i < node->arg_count; i++) {
        const struct node *inside = first_selector(node->args[i]);

        if (inside != NULL &&
            (found == NULL || inside->span.from < found->span.from))
            found = inside;
    }
    return found;
}

struct names {
    const char **v;
    size_t n;
};

static bool load_names(struct fw_store *store, struct fw_arena *arena,
                       struct names *out)
{
    struct fw_str *values = NULL;
    size_t count = 0;

    if (fw_store_label_values(store, FW_STR(FW_METRIC_NAME), NULL, arena,
                              &values, &count, NULL) != FW_OK)
        return false;
    if (count > NAMES_CONSIDERED)
        count = NAMES_CONSIDERED;
    out->v = fw_arena_alloc(arena, count * sizeof(*out->v));
    if (out->v == NULL)
        return false;
    for (out->n = 0; out->n < count; out->n++) {
        out->v[out->n] =
            fw_arena_strndup(arena, values[out->n].p, values[out->n].n);
        if (out->v[out->n] == NULL)
            return false;
    }
    return true;
}

static bool is_known(const struct names *names, struct fw_str name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (fw_str_eq(fw_str_of(names->v[i]), name))
            return true;
    }
    return false;
}

static void say_unknown(struct fw_cli *cli, const struct names *names,
                        struct fw_str name)
{
    char word[256];
    const char *near;

    (void)snprintf(word, sizeof(word), "%.*s", FW_STR_ARG(name));
    near = fw_nearest(word, names->v, names->n);
    (void)fprintf(cli->err, "no data: there is no metric '%s'", word);
    if (near != NULL)
        (void)fprintf(cli->err, "; did you mean '%s'?\n", near);
    else
        (void)fprintf(cli->err,
                      "; `forewarn labels __name__` lists the %zu "
                      "there are\n",
                      names->n);
}

/* The metric is there: do the labels match, or is it the time? */
static void say_empty(struct fw_cli *cli, struct fw_store *store,
                      struct fw_arena *arena, const struct node *selector,
                      const struct fw_query_options *options)
{
    const struct selector *sel = &selector->selector;
    struct fw_buf text = FW_BUF_INIT(4096);
    struct fw_series *series = NULL;
    size_t count = 0;
    char from[FW_TIME_TEXT_BYTES];
    char to[FW_TIME_TEXT_BYTES];
    fw_rc rc = fw_store_select(store, sel->matchers, sel->count, INT64_MIN / 4,
                               INT64_MAX / 4, FW_MAX_QUERY_SERIES, arena,
                               &series, &count, NULL);

    if (node_print(selector, &text) != FW_OK)
        fw_buf_clear(&text);
    (void)fw_format_time(from, options->start);
    (void)fw_format_time(to, options->end);
    if (rc == FW_OK && count == 0)
        (void)fprintf(cli->err,
                      "no data: no series matches %s; `forewarn series` with "
                      "fewer labels shows what there is\n",
                      text.len > 0 ? text.data : "the selector");
    else if (options->start == options->end)
        (void)fprintf(cli->err,
                      "no data: %s has no sample within the lookback before "
                      "%s, or the expression leaves none; try --time or a "
                      "range (--start -6h)\n",
                      text.len > 0 ? text.data : "the selector", from);
    else
        (void)fprintf(cli->err,
                      "no data: %s has no sample from %s to %s, or the "
                      "expression leaves none\n",
                      text.len > 0 ? text.data : "the selector", from, to);
    fw_buf_release(&text);
}

void cli_explain_nothing(struct fw_cli *cli, struct fw_store *store,
                         const struct fw_query *query,
                         const struct fw_query_options *options)
{
    const struct node *selector = first_selector(query->root);
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    struct names names = {0};

    if (arena == NULL || selector == NULL || !load_names(store, arena, &names))
        (void)fprintf(cli->err, "no data for this expression\n");
    else if (names.n == 0)
        (void)fprintf(cli->err,
                      "no data: the store in %s holds no series yet; start "
                      "`forewarn serve` and send it some\n",
                      fw_store_dir(store));
    else if (selector->selector.name.n > 0 &&
             !is_known(&names, selector->selector.name))
        say_unknown(cli, &names, selector->selector.name);
    else
        say_empty(cli, store, arena, selector, options);
    fw_arena_free(arena);
}
