/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/local/local_client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/local/local_frame.h"
#include "server/local/local_path.h"
#include "storage/base/limits.h"

static fw_rc write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n); /* SIGPIPE is ignored */

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return FW_EIO;
        p += done;
        n -= (size_t)done;
    }
    return FW_OK;
}

static fw_rc read_all(int fd, void *to, size_t n, struct fw_err *err)
{
    char *p = to;

    while (n > 0) {
        ssize_t got = read(fd, p, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fw_err_set(err, FW_EIO,
                              "the running server went away before it had "
                              "answered; try again");
        p += got;
        n -= (size_t)got;
    }
    return FW_OK;
}

static fw_rc send_request(struct fw_cli *cli, int fd, int argc, char **argv)
{
    struct fw_buf bytes =
        FW_BUF_INIT(FW_MAX_LOCAL_REQUEST_BYTES + LOCAL_REQUEST_HEAD);
    struct local_request request = {.flags = (cli->tty ? LOCAL_TTY : 0u) |
                                             (cli->color ? LOCAL_COLOR : 0u) |
                                             (cli->utf8 ? LOCAL_UTF8 : 0u),
                                    .columns = (uint16_t)cli->columns,
                                    .rows = (uint16_t)cli->rows,
                                    .argc = argc,
                                    .argv = argv};
    fw_rc rc = local_request_put(&bytes, &request, NULL);

    if (rc == FW_OK)
        rc = write_all(fd, bytes.data, bytes.len);
    fw_buf_release(&bytes);
    return rc;
}

/* Copies frames until the last one. Nothing has been printed when FW_NONE. */
static fw_rc copy_answer(struct fw_cli *cli, int fd, char *payload, int *code,
                         struct fw_err *err)
{
    for (;;) {
        uint8_t bytes[LOCAL_FRAME_HEAD];
        struct local_head head;
        fw_rc rc = read_all(fd, bytes, sizeof(bytes), err);

        if (rc == FW_OK)
            rc = local_head_get(bytes, &head, err);
        if (rc == FW_OK)
            rc = read_all(fd, payload, head.length, err);
        if (rc != FW_OK)
            return rc;
        switch (head.kind) {
        case LOCAL_OUT:
            if (fwrite(payload, 1, head.length, cli->out) != head.length) {
                /* Nobody reads on, so nobody needs the rest. */
                *code = FW_EXIT_OK;
                return FW_OK;
            }
            break;
        case LOCAL_ERR:
            (void)fflush(cli->out);
            (void)fwrite(payload, 1, head.length, cli->err);
            break;
        case LOCAL_EXIT:
            *code = (unsigned char)payload[0];
            return FW_OK;
        case LOCAL_ELSEWHERE:
            return FW_NONE;
        }
    }
}

fw_rc local_ask(struct fw_cli *cli, int argc, char **argv, int *code,
                struct fw_err *err)
{
    char *payload = NULL;
    int fd = -1;
    fw_rc rc = local_path_connect(cli->data_dir, &fd);

    if (rc != FW_OK)
        return FW_NONE;
    rc = FW_NONE;
    payload = malloc(LOCAL_MAX_PAYLOAD);
    if (payload == NULL || send_request(cli, fd, argc, argv) != FW_OK)
        goto out;
    rc = copy_answer(cli, fd, payload, code, err);
out:
    free(payload);
    (void)close(fd);
    return rc;
}
