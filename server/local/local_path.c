/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/local/local_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/local/local_frame.h"

#define BACKLOG 64

/* Opens the folder, and names its socket by that descriptor. */
static int open_dir(const char *dir, struct sockaddr_un *address)
{
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (dir_fd >= 0)
        (void)snprintf(address->sun_path, sizeof(address->sun_path),
                       "/proc/self/fd/%d/" LOCAL_SOCKET_NAME, dir_fd);
    return dir_fd;
}

fw_rc local_path_connect(const char *dir, int *fd)
{
    struct sockaddr_un address;
    int dir_fd = open_dir(dir, &address);
    int s = -1;
    fw_rc rc = FW_NONE;

    if (dir_fd < 0)
        return FW_NONE;
    s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 &&
        connect(s, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        *fd = s;
        s = -1;
        rc = FW_OK;
    }
    if (s >= 0)
        (void)close(s);
    (void)close(dir_fd);
    return rc;
}

fw_rc local_path_listen(const char *dir, int *fd, struct fw_err *err)
{
    struct sockaddr_un address;
    int dir_fd = open_dir(dir, &address);
    int s = -1;
    fw_rc rc = FW_OK;

    if (dir_fd < 0)
        return fw_err_sys(err, errno, "cannot open the folder %s", dir);
    s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlinkat(dir_fd, LOCAL_SOCKET_NAME, 0);
    /* Before bind(): the file is born with these rights. */
    if (s < 0 || fchmod(s, 0600) != 0 ||
        bind(s, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(s, BACKLOG) != 0) {
        rc = fw_err_sys(err, errno, "cannot listen on %s/%s", dir,
                        LOCAL_SOCKET_NAME);
        goto out;
    }
    *fd = s;
    s = -1;
out:
    if (s >= 0)
        (void)close(s);
    (void)close(dir_fd);
    return rc;
}

void local_path_remove(const char *dir)
{
    struct sockaddr_un address;
    int dir_fd = open_dir(dir, &address);

    if (dir_fd < 0)
        return;
    (void)unlinkat(dir_fd, LOCAL_SOCKET_NAME, 0);
    (void)close(dir_fd);
}
