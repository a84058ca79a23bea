/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/router.h"

#include <string.h>

static bool matches(const char *pattern, struct fw_str path,
                    struct fw_str *hole)
{
    const char *brace = strstr(pattern, "{}");
    size_t before, behind, end;

    if (brace == NULL)
        return fw_str_eq(path, fw_str_of(pattern));
    before = (size_t)(brace - pattern);
    behind = strlen(brace + 2);
    if (path.n <= before + behind || memcmp(path.p, pattern, before) != 0)
        return false;
    end = path.n - behind;
    if (memcmp(path.p + end, brace + 2, behind) != 0 ||
        memchr(path.p + before, '/', end - before) != NULL)
        return false;
    *hole = (struct fw_str){path.p + before, end - before};
    return true;
}

const struct route *router_find(const struct route *table, struct fw_str path,
                                enum method_bit method, struct fw_str *hole,
                                unsigned *allowed)
{
    *allowed = 0;
    *hole = (struct fw_str){NULL, 0};
    for (const struct route *route = table; route->path != NULL; route++) {
        unsigned methods = route->methods;

        if (!matches(route->path, path, hole))
            continue;
        if ((methods & METHOD_GET) != 0)
            methods |= METHOD_HEAD;
        if ((methods & method) != 0)
            return route;
        *allowed |= methods;
    }
    return NULL;
}

fw_rc router_methods(unsigned methods, struct fw_buf *out)
{
    static const char *const names[] = {"GET", "HEAD",   "POST",
                                        "PUT", "DELETE", "OPTIONS"};
    fw_rc rc = FW_OK;
    bool first = true;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((methods & (1u << i)) == 0 || rc != FW_OK)
            continue;
        rc = fw_buf_printf(out, "%s%s", first ? "" : ", ", names[i]);
        first = false;
    }
    return rc;
}
