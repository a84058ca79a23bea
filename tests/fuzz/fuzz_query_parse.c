/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_query_parse.c - any bytes as a query: refused with a place, or parsed.
 * What was parsed prints as text that parses again and prints the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fw_query *parse(struct fw_str text, struct fw_arena *arena,
                              struct fw_err *err)
{
    struct fw_query *query = NULL;

    return fw_query_parse(text, arena, &query, err) == FW_OK ? query : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_arena *arena = fw_arena_new((size_t)16 << 20);
    struct fw_buf once = FW_BUF_INIT((size_t)4 << 20);
    struct fw_buf twice = FW_BUF_INIT((size_t)4 << 20);
    struct fw_err err = {0};
    struct fw_query *query =
        parse((struct fw_str){(const char *)data, size}, arena, &err);

    if (query == NULL) {
        FW_ASSERT(err.text[0] != '\0');
        FW_ASSERT(err.rc != FW_EINVAL || err.line >= 1);
    } else if (fw_query_print(query, &once) == FW_OK && once.len < 65536) {
        query = parse((struct fw_str){once.data, once.len}, arena, &err);
        FW_ASSERT(query != NULL);
        FW_ASSERT(fw_query_print(query, &twice) == FW_OK);
        FW_ASSERT(once.len == twice.len);
        FW_ASSERT(memcmp(once.data, twice.data, once.len) == 0);
    }
    fw_buf_release(&once);
    fw_buf_release(&twice);
    fw_arena_free(arena);
    return 0;
}
