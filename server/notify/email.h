/* SPDX-License-Identifier: GPL-3.0-or-later */
/* email.h - a notification as a mail, by SMTP through libcurl. */
#ifndef SERVER_NOTIFY_EMAIL_H
#define SERVER_NOTIFY_EMAIL_H

#include "server/config/config.h"
#include "server/notify/webhook.h"

/*
 * Adds the whole mail, header and body, for a webhook's payload (JSON): what
 * is firing and what is resolved, with labels and annotations in words.
 * FW_EINVAL if the payload is none.
 */
FW_CHECK fw_rc email_compose(const struct config_email *email,
                             struct fw_str payload, fw_ms now,
                             struct fw_buf *out, struct fw_err *err);

/* Sends it and waits; as webhook_post(). */
enum webhook_answer email_post(const struct config_email *email,
                               struct fw_str payload, fw_ms now,
                               struct fw_err *err);

#endif
