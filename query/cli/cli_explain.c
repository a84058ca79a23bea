/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_explain.c - `forewarn explain`: the plan, and what each step cost. */
#include "query/cli/cli_query.h"
#include "query/cli/cli_range.h"
#include "query/cli/cli_remote.h"
#include "query/engine.h"
#include "query/functions/functions.h"
#include "storage/base/limits.h"

#define TEXT_COLUMNS 48

/* What a node does, in a few words of its own. */
static fw_rc describe(const struct node *node, struct fw_buf *out)
{
    switch (node->kind) {
    case NODE_CALL:
        return fw_buf_printf(out, "%s()", node->function->name);
    case NODE_BINARY:
        return fw_buf_printf(out, "%s", token_text(node->op));
    case NODE_UNARY:
        return fw_buf_printf(out, "%s (sign)", token_text(node->op));
    case NODE_AGGREGATE:
        return fw_buf_printf(out, "%s, one pass over its input",
                             token_text(node->op));
    case NODE_SUBQUERY:
        return fw_buf_adds(out, "subquery");
    default:
        return node_print(node, out);
    }
}

/* "read 12 series, 4096 samples in 8 blocks (6 of them summaries)" */
static fw_rc add_reading(struct fw_buf *out, const struct node_cost *cost)
{
    fw_rc rc = fw_buf_printf(
        out, "  read %llu series, %llu samples in %llu %s",
        (unsigned long long)cost->series, (unsigned long long)cost->samples,
        (unsigned long long)cost->runs, cost->runs == 1 ? "block" : "blocks");

    if (rc == FW_OK && cost->skipped > 0)
        rc = fw_buf_printf(out, ", %llu by summary (%llu samples)",
                           (unsigned long long)cost->skipped,
                           (unsigned long long)cost->summarised);
    if (rc == FW_OK && cost->rolled > 0)
        rc = fw_buf_printf(out, ", %llu rows of rollups",
                           (unsigned long long)cost->rolled);
    if (rc == FW_OK && cost->threads > 1)
        rc = fw_buf_printf(out, ", on %llu threads",
                           (unsigned long long)cost->threads);
    return rc;
}

static fw_rc add_costs(struct fw_buf *out, const struct node *node,
                       const struct node_cost *cost)
{
    fw_rc rc = FW_OK;

    if (cost->rows > 0)
        rc = fw_buf_printf(out, "  %llu series out",
                           (unsigned long long)cost->rows);
    if (cost->as_twin && rc == FW_OK)
        return fw_buf_adds(out, "  those made above");
    if (node->kind == NODE_SELECTOR && rc == FW_OK)
        rc = add_reading(out, cost);
    if (cost->ns > 0 && rc == FW_OK)
        rc = fw_buf_printf(out, "  %.3f ms", (double)cost->ns / 1e6);
    if (node->steady && node->kind != NODE_NUMBER &&
        node->kind != NODE_STRING && node->type != FW_MATRIX && rc == FW_OK)
        rc = fw_buf_adds(out, "  once, for all steps");
    return rc;
}

/* One line per node, indented by depth, costs in a column of their own. */
static fw_rc add_plan(struct fw_buf *out, const struct node *node, int depth,
                      const struct node_cost *costs)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_QUERY_TEXT_BYTES * 2);
    struct fw_buf cost = FW_BUF_INIT(512);
    int columns = TEXT_COLUMNS - 2 * depth;
    fw_rc rc;

    if (node->kind == NODE_PAREN)
        return add_plan(out, node->args[0], depth, costs);
    rc = describe(node, &text);
    if (rc == FW_OK)
        rc = add_costs(&cost, node, &costs[node->id]);
    if (rc == FW_OK && cost.len > 0)
        rc = fw_buf_printf(out, "%*s%-*s%s\n", 2 * depth, "",
                           columns > 0 ? columns : 0, text.data, cost.data);
    else if (rc == FW_OK)
        rc = fw_buf_printf(out, "%*s%s\n", 2 * depth, "", text.data);
    fw_buf_release(&text);
    fw_buf_release(&cost);
    for (size_t i = 0; i < node->arg_count && rc == FW_OK; i++)
        rc = add_plan(out, node->args[i], depth + 1, costs);
    return rc;
}

static fw_rc add_total(struct fw_buf *out, const struct fw_query *query,
                       const struct fw_query_options *options,
                       const struct fw_result *result,
                       const struct fw_arena *arena)
{
    size_t steps =
        options->step > 0
            ? (size_t)((options->end - options->start) / options->step) + 1
            : 1;

    return fw_buf_printf(
        out,
        "\n%s at %zu instant%s: %zu series in the answer, "
        "%llu series and %llu samples read, %zu KiB used\n",
        value_type_name(query->root->type), steps, steps == 1 ? "" : "s",
        result->count, (unsigned long long)result->series_read,
        (unsigned long long)result->samples_read, fw_arena_used(arena) >> 10);
}

fw_rc fw_query_explain(struct fw_query *query, const struct fw_source *src,
                       const struct fw_query_options *options,
                       struct fw_arena *arena, struct fw_buf *out,
                       struct fw_err *err)
{
    struct node_cost *costs =
        fw_arena_calloc(arena, query->node_count, sizeof(*costs));
    struct fw_result result = {0};
    size_t before = out->len;
    fw_rc rc = costs == NULL
                   ? fw_arena_err(arena, err)
                   : query_run(query, src, options, arena, costs, &result, err);

    if (rc != FW_OK)
        return rc;
    rc = add_plan(out, query->root, 0, costs);
    if (rc == FW_OK)
        rc = add_total(out, query, options, &result, arena);
    if (rc == FW_OK)
        return FW_OK;
    out->len = before;
    return fw_err_set(err, rc, "the plan is too long to show");
}

/* ---- the command ---- */

static fw_rc explain_here(struct fw_cli *cli, const char *text,
                          struct fw_query_options *options,
                          struct fw_arena *arena, struct fw_buf *out,
                          struct fw_err *err)
{
    struct fw_query *query = NULL;
    struct fw_store *store = NULL;
    struct fw_source source;
    fw_rc rc = fw_query_parse(fw_str_of(text), arena, &query, err);

    if (rc == FW_OK)
        rc = fw_cli_store_open(cli, &store, err);
    if (rc != FW_OK)
        return rc;
    source = fw_source_of_store(store);
    options->crew = fw_crew_of_cores();
    rc = fw_query_explain(query, &source, options, arena, out, err);
    fw_crew_free(options->crew);
    fw_cli_store_close(cli, store);
    return rc;
}

static fw_rc explain(struct fw_cli *cli, const struct fw_args *args,
                     struct fw_arena *arena, struct fw_buf *out,
                     struct fw_err *err)
{
    struct fw_query_options options = {.clock = cli->clock,
                                       .cancel = cli->cancel};
    struct fw_buf form = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    struct remote_answer answer = {.series = NULL};
    fw_rc rc = cli_one_expression(cli, args, err);

    if (rc == FW_OK)
        rc = cli_times(cli, args, &options, err);
    if (rc != FW_OK)
        return rc;
    if (cli_remote_server(cli, args) == NULL)
        return explain_here(cli, args->rest[0], &options, arena, out, err);
    rc = cli_remote_query_form(&form, args->rest[0], &options, err);
    if (rc == FW_OK)
        rc = cli_remote_ask(cli_remote_server(cli, args), "/api/v1/explain",
                            FW_STR(""), "", &form, arena, &answer, err);
    if (rc == FW_OK)
        rc = fw_buf_add(out, answer.result.text.p, answer.result.text.n);
    fw_buf_release(&form);
    return rc;
}

int cmd_explain(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_buf out = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    struct fw_arena *arena = NULL;
    struct fw_err err = {0};
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    arena = fw_arena_new(fw_query_limits().max_bytes);
    rc = arena == NULL ? fw_err_set(&err, FW_ENOMEM, "out of memory")
                       : explain(cli, &args, arena, &out, &err);
    if (rc == FW_OK && out.len > 0 &&
        fwrite(out.data, 1, out.len, cli->out) != out.len)
        rc = fw_err_set(&err, FW_EIO, "the plan could not be written");
    fw_buf_release(&out);
    fw_arena_free(arena);
    return rc == FW_OK ? FW_EXIT_OK : fw_cli_fail(cli, &err);
}
