/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * local_path.h - the socket file in a data folder.
 *
 * The address of a unix socket holds 107 bytes and a folder's name may be
 * longer, so both ends reach it through a descriptor of the folder.
 */
#ifndef SERVER_LOCAL_LOCAL_PATH_H
#define SERVER_LOCAL_LOCAL_PATH_H

#include "storage/base/err.h"

/* A blocking socket; FW_NONE where nobody listens. The caller closes *fd. */
FW_CHECK fw_rc local_path_connect(const char *dir, int *fd);

/*
 * A non-blocking socket that listens, mode 0600; a stale file is replaced. The
 * caller holds the folder, so nobody else listens there. It closes *fd.
 */
FW_CHECK fw_rc local_path_listen(const char *dir, int *fd, struct fw_err *err);

void local_path_remove(const char *dir);

#endif
