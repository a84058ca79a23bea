/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/name_trail.h"

#include <stdlib.h>

#include "storage/base/bytes.h"
#include "storage/base/limits.h"

void trail_init(struct name_trail *trail)
{
    *trail = (struct name_trail){0};
    fw_buf_init(&trail->text, FW_MAX_NAME_TRAIL_BYTES);
}

void trail_release(struct name_trail *trail)
{
    free(trail->steps);
    fw_buf_release(&trail->text);
    trail->steps = NULL;
    trail->count = 0;
    trail->cap = 0;
}

void trail_clear(struct name_trail *trail)
{
    fw_buf_clear(&trail->text);
    trail->count = 0;
}

bool trail_has_room(const struct name_trail *trail, size_t n)
{
    return trail->count < FW_MAX_NAME_TRAIL &&
           n <= trail->text.max - trail->text.len;
}

uint32_t trail_add(struct name_trail *trail, struct fw_str name, uint32_t id)
{
    struct trail_step *step;
    size_t at = trail->text.len;

    if (!trail_has_room(trail, name.n) ||
        fw_grow(&trail->steps, &trail->cap, trail->count + 1,
                sizeof(*trail->steps), FW_MAX_NAME_TRAIL) != FW_OK ||
        fw_buf_add(&trail->text, name.p, name.n) != FW_OK)
        return TRAIL_NONE;
    step = &trail->steps[trail->count];
    step->at = (uint32_t)at;
    step->n = (uint32_t)name.n;
    step->id = id;
    atomic_init(&step->next, TRAIL_NONE);
    return (uint32_t)trail->count++;
}
