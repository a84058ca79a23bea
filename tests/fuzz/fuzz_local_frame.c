/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/local/local_frame.h"
#include "storage/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is decoded encodes to the same bytes again. */
static void check_request(const uint8_t *data, size_t size)
{
    struct local_request request = {0};
    struct fw_err err = {0};
    struct fw_buf again =
        FW_BUF_INIT(LOCAL_REQUEST_HEAD + FW_MAX_LOCAL_REQUEST_BYTES);

    if (local_request_get(data, size, &request, &err) == FW_OK) {
        FW_ASSERT(request.argc >= 1 && request.argv[request.argc] == NULL);
        FW_ASSERT(local_request_put(&again, &request, &err) == FW_OK);
        FW_ASSERT(again.len == size);
        FW_ASSERT(memcmp(again.data + LOCAL_REQUEST_HEAD,
                         data + LOCAL_REQUEST_HEAD,
                         size - LOCAL_REQUEST_HEAD) == 0);
    }
    local_request_release(&request);
    fw_buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct local_head head;
    struct fw_err err = {0};
    size_t want = 0;

    if (local_request_size(data, size, &want, &err) == FW_OK)
        FW_ASSERT(want > LOCAL_REQUEST_HEAD &&
                  want <= LOCAL_REQUEST_HEAD + FW_MAX_LOCAL_REQUEST_BYTES);
    check_request(data, size);
    if (size >= LOCAL_FRAME_HEAD && local_head_get(data, &head, &err) == FW_OK)
        FW_ASSERT(head.length <= LOCAL_MAX_PAYLOAD);
    return 0;
}
