/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * webhook.h - posts one body to one URL. The only file that knows libcurl.
 */
#ifndef SERVER_NOTIFY_WEBHOOK_H
#define SERVER_NOTIFY_WEBHOOK_H

#include "server/config/config.h"

struct webhook_client; /* one thread's connections, reused between posts */

FW_CHECK fw_rc webhook_open(struct webhook_client **out, struct fw_err *err);
void webhook_close(struct webhook_client *client);

enum webhook_answer {
    WEBHOOK_DELIVERED, /* 2xx */
    WEBHOOK_LATER,     /* no connection, time-out, 408, 429, 5xx */
    WEBHOOK_NEVER      /* an answer that will not change: any other status */
};

/*
 * Posts and waits for the answer, at most hook->timeout. http and https only,
 * no redirects, no proxy; addresses by destination.h. `err` gets a sentence
 * that names the URL for anything but WEBHOOK_DELIVERED.
 */
enum webhook_answer webhook_post(struct webhook_client *client,
                                 const struct config_webhook *hook,
                                 struct fw_str body, struct fw_err *err);

#endif
