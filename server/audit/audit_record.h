/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_record.h - entries and head of the audit log as bytes. */
#ifndef SERVER_AUDIT_AUDIT_RECORD_H
#define SERVER_AUDIT_AUDIT_RECORD_H

#include "server/alert/record_codec.h"
#include "server/audit/audit.h"

FW_CHECK fw_rc audit_record_put(struct fw_buf *out,
                                const struct audit_entry *entry,
                                struct fw_err *err);
/* Texts point into `record`. FW_ECORRUPT, FW_EVERSION. */
FW_CHECK fw_rc audit_record_get(struct fw_str record, struct audit_entry *out,
                                struct fw_err *err);

FW_CHECK fw_rc audit_record_put_head(struct fw_buf *out,
                                     const struct audit_head *head,
                                     struct fw_err *err);
FW_CHECK fw_rc audit_record_get_head(struct fw_str record,
                                     struct audit_head *out,
                                     struct fw_err *err);

#endif
