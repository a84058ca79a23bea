/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_why.c - `forewarn why ALERT`: the Socratic card. */
#include <errno.h>
#include <string.h>

#include "server/why.h"
#include "storage/base/limits.h"

#define OUT_BYTES ((size_t)16 << 20)
#define WIDEST 100

const struct fw_option why_options[] = {
    {"format", 'f', "FORMAT", "text", "text or json"},
    {0},
};

/* One paragraph, broken between words. */
static fw_rc wrap(struct fw_buf *out, struct fw_str text, size_t columns)
{
    fw_rc rc = fw_buf_adds(out, "  ");
    size_t at = 2;

    while (rc == FW_OK && text.n > 0) {
        const char *blank = memchr(text.p, ' ', text.n);
        size_t word = blank != NULL ? (size_t)(blank - text.p) : text.n;

        if (at > 2 && at + 1 + word > columns) {
            rc = fw_buf_adds(out, "\n  ");
            at = 2;
        } else if (at > 2) {
            rc = fw_buf_addc(out, ' ');
            at++;
        }
        if (rc == FW_OK)
            rc = fw_add_visible(out, (struct fw_str){text.p, word});
        at += word;
        text.p += word + (blank != NULL ? 1 : 0);
        text.n -= word + (blank != NULL ? 1 : 0);
    }
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

static fw_rc print_answer(struct fw_buf *out, struct fw_str text,
                          size_t columns)
{
    fw_rc rc = FW_OK;

    while (rc == FW_OK && text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;

        rc = wrap(out, (struct fw_str){text.p, n}, columns);
        text.p += n + (end != NULL ? 1 : 0);
        text.n -= n + (end != NULL ? 1 : 0);
    }
    return rc;
}

static fw_rc print_row(struct fw_cli *cli, const struct why_row *row,
                       struct fw_buf *out)
{
    struct fw_buf name = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 4);
    size_t columns = (size_t)(cli->columns < 40       ? 40
                              : cli->columns > WIDEST ? WIDEST
                                                      : cli->columns);
    fw_rc rc = out->len > 0 ? fw_buf_addc(out, '\n') : FW_OK;

    if (rc == FW_OK)
        rc = fw_labels_print(&name, row->in.labels);
    if (rc == FW_OK)
        rc = fw_buf_printf(out, "%s%s ", cli->color ? "\033[1m" : "",
                           row->in.watch->name);
    if (rc == FW_OK)
        rc = fw_add_visible(out, (struct fw_str){name.data, name.len});
    if (rc == FW_OK)
        rc = fw_buf_adds(out, cli->color ? "\033[0m\n" : "\n");
    for (int i = 0; rc == FW_OK && i < CARD_PARTS; i++) {
        rc = fw_buf_printf(out, "\n%s%s%s\n", cli->color ? "\033[1m" : "",
                           card_question((enum card_part)i),
                           cli->color ? "\033[0m" : "");
        if (rc == FW_OK)
            rc = print_answer(out, row->card.answers[i], columns);
    }
    fw_buf_release(&name);
    return rc;
}

static fw_rc print_all(struct fw_cli *cli, const struct why *why, bool json,
                       struct fw_buf *out, struct fw_err *err)
{
    struct fw_json j;
    fw_rc rc = FW_OK;

    fw_json_init(&j, out);
    if (json) {
        why_json(why, &j);
        rc = fw_json_rc(&j) == FW_OK ? fw_buf_addc(out, '\n') : fw_json_rc(&j);
    } else {
        for (size_t i = 0; rc == FW_OK && i < why->count; i++)
            rc = print_row(cli, &why->rows[i], out);
    }
    if (rc != FW_OK)
        return fw_err_set(err, rc, "the cards cannot be printed: %s",
                          fw_rc_name(rc));
    return FW_OK;
}

int cmd_why(struct fw_cli *cli, int argc, char **argv)
{
    static const char *const formats[] = {"text", "json", NULL};
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct why why = {0};
    struct fw_err err = {0};
    struct fw_args args;
    int format, code = FW_EXIT_OK;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = fw_args_choice(cli, &args, "format", formats, &format, &err);
    if (rc == FW_OK && args.rest_count != 1)
        rc = fw_err_set(&err, FW_EINVAL,
                        "takes an alert: the name of a watch, or "
                        "'DiskFull{host=\"a\"}'");
    if (rc == FW_OK)
        rc = why_open(&why, cli, fw_str_of(args.rest[0]), &err);
    if (rc == FW_OK)
        rc = print_all(cli, &why, format == 1, &out, &err);
    if (rc == FW_OK && fwrite(out.data, 1, out.len, cli->out) != out.len)
        rc = fw_err_sys(&err, errno, "cannot write the card");
    if (rc == FW_OK && why.left_out > 0)
        (void)fprintf(cli->err,
                      "forewarn why: the %zu most urgent series; %zu more "
                      "are not shown, name one by its labels\n",
                      why.count, why.left_out);
    if (rc != FW_OK)
        code = fw_cli_fail(cli, &err);
    if (err.rc == FW_ENOTFOUND)
        code = FW_EXIT_NO;
    why_close(&why);
    fw_buf_release(&out);
    return code;
}
