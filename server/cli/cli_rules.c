/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_rules.c - `forewarn rules check FILE... | test FILE...`. */
#include <stdlib.h>
#include <string.h>

#include "server/cli/alert_commands.h"
#include "server/rules/rule_file.h"
#include "server/rules/rule_test.h"
#include "storage/base/log.h"

static void print_mistake(void *self, const struct fw_err *err)
{
    struct fw_cli *cli = self;

    (void)fputs("  ", cli->err);
    (void)fprintf(cli->err, "%s\n", err->text);
}

/* Rules that write the same series: allowed, and mostly a slip of copying. */
static size_t count_twins(struct fw_cli *cli, const struct rule_set *set)
{
    size_t twins = 0;

    for (size_t g = 0; g < set->count; g++)
        for (size_t i = 0; i < set->groups[g].rule_count; i++) {
            const struct rule *a = &set->groups[g].rules[i];

            for (size_t k = 0; k < i; k++) {
                const struct rule *b = &set->groups[g].rules[k];
                bool same = strcmp(a->name, b->name) == 0 &&
                            a->alerting == b->alerting &&
                            a->label_count == b->label_count;

                for (size_t l = 0; same && l < a->label_count; l++)
                    same = fw_str_eq(a->labels[l].name, b->labels[l].name) &&
                           fw_str_eq(a->labels[l].value, b->labels[l].value);
                if (!same)
                    continue;
                (void)fprintf(cli->err,
                              "  %s:%d: warning: group \"%s\" has '%s' with "
                              "the same labels already in line %d\n",
                              set->groups[g].file, a->line, set->groups[g].name,
                              a->name, b->line);
                twins++;
                break;
            }
        }
    return twins;
}

static int check_one(struct fw_cli *cli, const char *path)
{
    struct rule_set *set = NULL;
    struct fw_err err = {0};
    size_t rules = 0;
    fw_rc rc = rule_set_new(&set, &err);

    (void)fprintf(cli->out, "Checking %s\n", path);
    (void)fflush(cli->out);
    if (rc == FW_OK)
        rc = rule_set_load(set, path, print_mistake, cli, &err);
    if (rc == FW_OK) {
        for (size_t i = 0; i < set->count; i++)
            rules += set->groups[i].rule_count;
        (void)count_twins(cli, set);
        (void)fprintf(cli->out, "  SUCCESS: %zu rule%s found\n", rules,
                      rules == 1 ? "" : "s");
    } else {
        (void)fprintf(cli->out, "  FAILED\n");
    }
    rule_set_free(set);
    if (rc != FW_OK && rc != FW_EINVAL)
        return fw_cli_fail(cli, &err);
    return rc == FW_OK ? FW_EXIT_OK : FW_EXIT_NO;
}

static int test_one(struct fw_cli *cli, const char *path)
{
    struct fw_buf text = FW_BUF_INIT((size_t)64 << 20);
    struct fw_err err = {0};
    int code = FW_EXIT_OK;
    fw_rc rc = rule_test_run(path, &text, &err);

    (void)fprintf(cli->out, "Unit Testing:  %s\n", path);
    if (text.len > 0)
        (void)fwrite(text.data, 1, text.len, cli->out);
    if (rc == FW_NONE) {
        code = FW_EXIT_NO;
    } else if (rc != FW_OK) {
        (void)fprintf(cli->out, "  FAILED:\n");
        (void)fw_cli_fail(cli, &err);
        code = rc == FW_EINVAL ? FW_EXIT_NO : FW_EXIT_FAIL;
    }
    fw_buf_release(&text);
    return code;
}

int cmd_rules(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_err err = {0};
    struct fw_args args;
    int code = FW_EXIT_OK;
    bool test;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    fw_log_set_level(FW_LOG_ERROR); /* what a rule says is in the answer */
    test = args.rest_count > 0 && strcmp(args.rest[0], "test") == 0;
    if (args.rest_count < 2 || (!test && strcmp(args.rest[0], "check") != 0)) {
        (void)fw_err_set(&err, FW_EINVAL,
                         "say 'rules check FILE...' or 'rules test FILE...'");
        return fw_cli_fail(cli, &err);
    }
    for (int i = 1; i < args.rest_count; i++) {
        int one =
            test ? test_one(cli, args.rest[i]) : check_one(cli, args.rest[i]);

        code = one > code ? one : code;
    }
    return code;
}
