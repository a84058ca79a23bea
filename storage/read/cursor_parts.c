/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/read/cursor_parts.h"

#include <stdlib.h>

void cursor_parts_clear(struct cursor_parts *p)
{
    for (size_t i = 0; i < p->count; i++)
        partition_unref(p->list[i]);
    p->count = 0;
    p->last = 0;
}

void cursor_parts_release(struct cursor_parts *p)
{
    cursor_parts_clear(p);
    free(p->list);
    *p = (struct cursor_parts){0};
}

static fw_rc keep(struct cursor_parts *p, struct partition *part)
{
    fw_rc rc =
        fw_grow(&p->list, &p->cap, p->count + 1, sizeof(struct partition *),
                SIZE_MAX / sizeof(struct partition *));

    if (rc == FW_OK)
        p->list[p->count++] = part;
    return rc;
}

fw_rc cursor_parts_add(struct cursor_parts *p, struct partition *part)
{
    fw_rc rc = keep(p, part);

    if (rc == FW_OK)
        (void)partition_ref(part);
    return rc;
}

fw_rc cursor_parts_get(struct cursor_parts *p, struct manifest *manifest,
                       uint16_t index, struct partition **out)
{
    struct partition *part;
    fw_rc rc;

    for (size_t n = 0; n < p->count; n++) {
        size_t i = (p->last + n) % p->count;

        if (p->list[i]->index != index)
            continue;
        p->last = i;
        *out = p->list[i];
        return FW_OK;
    }
    part = manifest_ref(manifest, index);
    if (part == NULL)
        return FW_NONE;
    rc = keep(p, part);
    if (rc == FW_OK)
        *out = part;
    else
        partition_unref(part);
    return rc;
}
