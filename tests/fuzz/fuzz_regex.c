/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_regex.c - a pattern and a text, cut at the first NUL: neither the
 * translation nor the engine may fail in another way than by saying no, or
 * take long.
 */
#include <stdint.h>
#include <string.h>

#include "storage/index/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    const char *cut = size > 0 ? memchr(p, '\0', size) : NULL;
    size_t n = cut != NULL ? (size_t)(cut - p) : size;
    struct fw_str text = {p + n, size - n};
    struct fw_str groups[16];
    struct fw_regex *regex = NULL;
    struct fw_err err = {0};
    size_t count = 0;
    bool yes;

    if (n > 200 || text.n > 2000 ||
        fw_regex_compile((struct fw_str){p, n}, &regex, &err) != FW_OK)
        return 0;
    yes = fw_regex_matches(regex, text);
    FW_ASSERT(yes ==
              (fw_regex_groups(regex, text, groups, 16, &count) == FW_OK));
    fw_regex_free(regex);
    return 0;
}
