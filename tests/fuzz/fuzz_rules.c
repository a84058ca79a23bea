/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_rules.c - rule files as hostile bytes: each is refused with a sentence
 * that begins with a place, or gives groups that hold together.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/rules/rule_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule_set *set = NULL;
    struct fw_err err = {0};
    fw_rc rc;

    if (size > 20000 || rule_set_new(&set, &err) != FW_OK)
        return 0;
    rc = rule_set_read(set, (struct fw_str){(const char *)data, size}, "f",
                       NULL, NULL, &err);
    if (rc != FW_OK && (strncmp(err.text, "f:", 2) != 0 || set->count != 0))
        abort();
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->groups[i].rule_count; k++)
            if (set->groups[i].rules[k].name[0] == '\0' ||
                set->groups[i].rules[k].expr[0] == '\0')
                abort();
    rule_set_free(set);
    return 0;
}
