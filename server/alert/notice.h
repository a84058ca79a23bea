/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notice.h - word of Forewarn's own to an owner, in the form of a webhook's
 * body (Alertmanager's version 4), so that the same receivers take it.
 */
#ifndef SERVER_ALERT_NOTICE_H
#define SERVER_ALERT_NOTICE_H

#include "storage/base/buf.h"
#include "storage/base/clock.h"

/* Pairs of name and text, ended by a NULL name. */
struct notice_pair {
    const char *name, *text;
};

/* `labels` has "alertname"; one alert, firing since `at`. FW_ENOMEM. */
FW_CHECK fw_rc notice_payload(const struct notice_pair *labels,
                              const struct notice_pair *annotations, fw_ms at,
                              struct fw_buf *out);

#endif
