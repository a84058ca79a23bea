/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_remote_answer.c - what another server may answer. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "query/cli/remote_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_arena *arena = fw_arena_new((size_t)16 << 20);
    struct fw_buf out = FW_BUF_INIT((size_t)1 << 20);
    struct remote_answer answer = {.series = NULL};
    struct fw_err err = {0};

    if (arena == NULL)
        abort();
    if (remote_answer_read((struct fw_str){(const char *)data, size}, arena,
                           &answer, &err) == FW_OK)
        (void)!fw_print_json(&answer.result, &out);
    fw_buf_release(&out);
    fw_arena_free(arena);
    return 0;
}
