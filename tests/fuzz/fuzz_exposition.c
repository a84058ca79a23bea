/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_exposition.c - lines of text exposition. What is taken is written by
 * exposition_out.c and read again as the same series.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/exposition_out.h"
#include "server/ingest/exposition_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The canonical labels of a line; false if it is refused. */
static bool read_line(struct fw_str text, struct fw_arena *arena,
                      struct line_labels *labels)
{
    struct exposition line;

    return exposition_parse(text, &line) == LINE_OK && line.series.n > 0 &&
           exposition_labels(line.series, arena, labels) == LINE_OK &&
           fw_labels_canonical(labels->v, &labels->n, NULL) == FW_OK &&
           labels->n > 0;
}

static void check_line(struct fw_str text, struct fw_arena *arena)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    struct line_labels first, second;

    if (read_line(text, arena, &first)) {
        struct fw_labels a = {first.v, first.n};

        if (exposition_put_series(&out, &a, NULL, EXPOSITION_UTF8) != FW_OK ||
            fw_buf_adds(&out, " 1") != FW_OK)
            abort();
        if (!read_line((struct fw_str){out.data, out.len}, arena, &second) ||
            fw_labels_cmp(&a, &(struct fw_labels){second.v, second.n}) != 0)
            abort();
    }
    fw_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_arena *arena = fw_arena_new(16 << 20);
    struct fw_str rest = {(const char *)data, size};

    while (arena != NULL && rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end == NULL ? rest.n : (size_t)(end - rest.p);

        check_line((struct fw_str){rest.p, n}, arena);
        n += end != NULL;
        rest = (struct fw_str){rest.p + n, rest.n - n};
        fw_arena_clear(arena);
    }
    fw_arena_free(arena);
    return 0;
}
