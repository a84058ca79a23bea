/* SPDX-License-Identifier: GPL-3.0-or-later */
/* regex_expand.c - what a match is turned into: $1, ${1}, $name, $$. */
#include <ctype.h>

#include "storage/index/regex.h"

/* The digits or letters of a group's name behind "$"; *used bytes. */
static struct fw_str group_name(struct fw_str text, size_t *used)
{
    bool braces = text.n > 0 && text.p[0] == '{';
    struct fw_str name = {text.p + braces, 0};

    while (braces + name.n < text.n &&
           (isalnum((unsigned char)name.p[name.n]) || name.p[name.n] == '_'))
        name.n++;
    *used = name.n;
    if (!braces)
        return name;
    if (name.n + 1 >= text.n || name.p[name.n] != '}')
        name.n = 0; /* "${1" or "${a-b}": not a group */
    *used = name.n + 2;
    return name;
}

/* SIZE_MAX where there is none. */
static size_t group_number(const struct fw_regex *regex, struct fw_str name)
{
    size_t number = 0;

    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < '0' || name.p[i] > '9' || number > 1000) {
            number = fw_regex_group_number(regex, name);
            return number != 0 ? number : SIZE_MAX;
        }
        number = number * 10 + (size_t)(name.p[i] - '0');
    }
    return number;
}

fw_rc fw_regex_expand(const struct fw_regex *regex, struct fw_str with,
                      const struct fw_str *groups, size_t count,
                      struct fw_buf *out)
{
    fw_rc rc = FW_OK;

    while (with.n > 0 && rc == FW_OK) {
        size_t used = 0, number;
        struct fw_str name;

        if (with.p[0] != '$') {
            rc = fw_buf_addc(out, with.p[0]);
            with = (struct fw_str){with.p + 1, with.n - 1};
            continue;
        }
        with = (struct fw_str){with.p + 1, with.n - 1};
        if (with.n > 0 && with.p[0] == '$') {
            rc = fw_buf_addc(out, '$');
            with = (struct fw_str){with.p + 1, with.n - 1};
            continue;
        }
        name = group_name(with, &used);
        if (name.n == 0) {
            rc = fw_buf_addc(out, '$');
            continue;
        }
        number = group_number(regex, name);
        if (number < count && groups[number].p != NULL)
            rc = fw_buf_add(out, groups[number].p, groups[number].n);
        with = (struct fw_str){with.p + used, with.n - used};
    }
    return rc;
}
