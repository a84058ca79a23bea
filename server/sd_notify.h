/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sd_notify.h - tells systemd (Type=notify) how the server is.
 */
#ifndef SERVER_SD_NOTIFY_H
#define SERVER_SD_NOTIFY_H

/*
 * Sends a state such as "READY=1" to $NOTIFY_SOCKET; without one, nothing. A
 * failure is not reported: it is systemd's to notice.
 */
void sd_notify_send(const char *state);

#endif
