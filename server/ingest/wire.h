/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire.h - reads protobuf field by field from hostile bytes, without copying.
 *
 * No schema and no allocation: a message is a run of (number, type, value), and
 * a nested message is bytes again. Groups, which proto3 does not have, are
 * skipped up to WIRE_MAX_DEPTH.
 */
#ifndef SERVER_INGEST_WIRE_H
#define SERVER_INGEST_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/bytes.h"
#include "storage/base/err.h"
#include "storage/base/str.h"

#define WIRE_MAX_DEPTH 32

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;      /* of a varint or a fixed number */
    struct fw_str bytes; /* of WIRE_BYTES */
};

/*
 * Takes the next field off the front of *in. FW_OK; FW_END when there is none;
 * FW_EINVAL for bytes that are no field. A group is skipped whole and given as
 * WIRE_GROUP without a value.
 */
FW_CHECK fw_rc wire_next(struct fw_str *in, struct wire_field *out);

#endif
