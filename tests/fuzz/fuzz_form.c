/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_form.c - parameters as hostile bytes: what was taken and is written
 * again with every byte escaped is read as the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/http/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_escaped(struct fw_buf *out, struct fw_str text, char end)
{
    for (size_t i = 0; i < text.n; i++)
        if (fw_buf_printf(out, "%%%02x", (unsigned char)text.p[i]) != FW_OK)
            abort();
    if (fw_buf_addc(out, end) != FW_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_arena *arena = fw_arena_new(16 << 20);
    struct fw_buf again = FW_BUF_INIT(16 << 20);
    struct form form = {0}, second = {0};
    struct fw_err err = {0};
    fw_rc rc;

    if (arena == NULL || size > 65536)
        goto out;
    rc = form_parse(&form, (struct fw_str){(const char *)data, size}, arena,
                    &err);
    if (rc != FW_OK) {
        if (err.text[0] == '\0')
            abort();
        goto out;
    }
    for (size_t i = 0; i < form.n; i++) {
        put_escaped(&again, form.v[i].name, '=');
        put_escaped(&again, form.v[i].value, '&');
    }
    if (form_parse(&second, (struct fw_str){again.data, again.len}, arena,
                   &err) != FW_OK ||
        second.n != form.n)
        abort();
    for (size_t i = 0; i < form.n; i++)
        if (!fw_str_eq(form.v[i].name, second.v[i].name) ||
            !fw_str_eq(form.v[i].value, second.v[i].value))
            abort();
out:
    fw_buf_release(&again);
    fw_arena_free(arena);
    return 0;
}
