/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/cli/cli_remote.h"

#include "query/cli/cli_query.h"
#include "storage/base/limits.h"

/* Handed down before the first command runs. */
static fw_fetch fetch;

void fw_query_set_fetch(fw_fetch f)
{
    fetch = f;
}

const char *cli_remote_server(const struct fw_cli *cli,
                              const struct fw_args *args)
{
    return fw_args_get(cli, args, "server");
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
           c == '~';
}

static fw_rc add_encoded(struct fw_buf *out, struct fw_str text)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < text.n && rc == FW_OK; i++)
        rc = is_plain(text.p[i])
                 ? fw_buf_addc(out, text.p[i])
                 : fw_buf_printf(out, "%%%02X", (unsigned char)text.p[i]);
    return rc;
}

fw_rc cli_remote_add(struct fw_buf *form, const char *name, struct fw_str value)
{
    fw_rc rc = fw_buf_printf(form, "%s%s=", form->len > 0 ? "&" : "", name);

    return rc == FW_OK ? add_encoded(form, value) : rc;
}

fw_rc cli_remote_add_time(struct fw_buf *form, const char *name, fw_ms t)
{
    char text[FW_DOUBLE_TEXT_BYTES];

    (void)fw_format_double(text, (double)t / 1000);
    return cli_remote_add(form, name, fw_str_of(text));
}

fw_rc cli_remote_query_form(struct fw_buf *form, const char *text,
                            const struct fw_query_options *options,
                            struct fw_err *err)
{
    char lookback[FW_DURATION_TEXT_BYTES];
    bool range = options->step > 0;
    fw_rc rc = cli_remote_add(form, "query", fw_str_of(text));

    if (rc == FW_OK)
        rc =
            cli_remote_add_time(form, range ? "start" : "time", options->start);
    if (rc == FW_OK && range)
        rc = cli_remote_add_time(form, "end", options->end);
    if (rc == FW_OK && range)
        rc = cli_remote_add_time(form, "step", options->step);
    if (rc == FW_OK && options->lookback > 0) {
        (void)fw_format_duration(lookback, options->lookback);
        rc = cli_remote_add(form, "lookback_delta", fw_str_of(lookback));
    }
    return rc == FW_OK
               ? FW_OK
               : fw_err_set(err, FW_EINVAL, "the expression is too long");
}

static fw_rc make_url(struct fw_buf *url, const char *server, const char *path,
                      struct fw_str part, const char *after)
{
    size_t n = strlen(server);
    bool schemed = strstr(server, "://") != NULL;
    fw_rc rc;

    while (n > 0 && server[n - 1] == '/')
        n--;
    rc = fw_buf_printf(url, "%s%.*s%s", schemed ? "" : "http://", (int)n,
                       server, path);
    if (rc == FW_OK)
        rc = add_encoded(url, part);
    return rc == FW_OK ? fw_buf_adds(url, after) : rc;
}

fw_rc cli_remote_ask(const char *server, const char *path, struct fw_str part,
                     const char *after, const struct fw_buf *form,
                     struct fw_arena *arena, struct remote_answer *out,
                     struct fw_err *err)
{
    struct fw_buf url = FW_BUF_INIT(FW_MAX_HTTP_TARGET_BYTES);
    struct fw_str body = {NULL, 0};
    fw_rc rc = FW_OK;

    if (fetch == NULL)
        return fw_err_set(err, FW_EINVAL,
                          "this program cannot ask another server");
    if (make_url(&url, server, path, part, after) != FW_OK)
        rc = fw_err_set(err, FW_EINVAL, "--server: that URL is too long");
    if (rc == FW_OK)
        rc = fetch((struct fw_str){url.data, url.len},
                   (struct fw_str){form->data, form->len}, arena, &body, err);
    if (rc == FW_OK)
        rc = remote_answer_read(body, arena, out, err);
    fw_buf_release(&url);
    return rc;
}
