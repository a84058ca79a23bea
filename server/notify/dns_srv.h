/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dns_srv.h - the targets of a DNS SRV record, HOST:PORT. */
#ifndef SERVER_NOTIFY_DNS_SRV_H
#define SERVER_NOTIFY_DNS_SRV_H

#include "storage/base/err.h"

/*
 * Asks and waits, as the resolver of the system is set up. Calls `each` per
 * record. FW_EIO: no answer; FW_ENOTFOUND: no such name.
 */
FW_CHECK fw_rc dns_srv_each(const char *name,
                            void (*each)(void *self, const char *target),
                            void *self, struct fw_err *err);

#endif
