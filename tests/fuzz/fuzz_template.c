/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_template.c - texts of annotations as hostile bytes: each is refused
 * with a sentence, or gives a text of at most a mebibyte.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/rules/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fw_label own[] = {{{"instance", 8}, {"a:9100", 6}},
                                      {{"job", 3}, {"node", 4}}};
static const struct fw_labels labels = {own, 2};
static double value = 42;

static fw_rc answer(void *self, struct fw_str expr, struct fw_arena *arena,
                    struct fw_result *out, struct fw_err *err)
{
    static struct fw_result_series series[2];

    (void)self;
    (void)arena;
    if (expr.n > 20)
        return fw_err_set(err, FW_EINVAL, "too long a question");
    series[0] = series[1] =
        (struct fw_result_series){.labels = labels, .v = &value, .n = 1};
    *out = (struct fw_result){
        .type = FW_VECTOR, .series = series, .count = expr.n % 3};
    return FW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct template_data d = {.labels = &labels,
                              .external_labels = &labels,
                              .external_url = "http://x/p",
                              .value = 1234.5,
                              .now = 1700000000000,
                              .query = answer};
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    struct fw_buf out = FW_BUF_INIT((size_t)2 << 20);
    struct template *t = NULL;
    struct fw_err err = {0};
    fw_rc rc;

    if (arena == NULL)
        return 0;
    rc = template_parse((struct fw_str){(const char *)data, size}, "f", arena,
                        &t, &err);
    if (rc == FW_OK)
        rc = template_expand(t, &d, arena, &out, &err);
    if ((rc != FW_OK && err.text[0] == '\0') || out.len > (1 << 20) + size)
        abort();
    fw_buf_release(&out);
    fw_arena_free(arena);
    return 0;
}
