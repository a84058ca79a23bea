/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cursor.c - the samples of one series in order of time.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/store.h"

struct fw_cursor {
    fw_ms *t; /* owned: times, then values */
    double *v;
    size_t n;
    bool done;
};

static fw_rc copy_head(struct fw_cursor *c, const struct head_series *s,
                       fw_ms from, fw_ms to)
{
    const fw_ms *times = head_times(s);
    size_t first = head_lower_bound(times, s->n, from);
    size_t last = first;

    while (last < s->n && times[last] <= to)
        last++;
    c->n = last - first;
    if (c->n == 0)
        return FW_OK;
    c->t = malloc(c->n * (sizeof(*c->t) + sizeof(*c->v)));
    if (c->t == NULL)
        return FW_ENOMEM;
    c->v = (double *)(void *)(c->t + c->n);
    memcpy(c->t, times + first, c->n * sizeof(*c->t));
    memcpy(c->v, head_values(s) + first, c->n * sizeof(*c->v));
    return FW_OK;
}

fw_rc fw_cursor_open(struct fw_store *store, uint32_t series, fw_ms from,
                     fw_ms to, struct fw_cursor **out, struct fw_err *err)
{
    struct fw_cursor *c = calloc(1, sizeof(*c));
    struct head_series *s = head_get(&store->head, series);
    fw_rc rc = c == NULL ? FW_ENOMEM : FW_OK;

    if (rc == FW_OK && s != NULL) {
        head_lock(&store->head, series);
        if (s->n > 0)
            rc = copy_head(c, s, from, to);
        head_unlock(&store->head, series);
    }
    if (rc != FW_OK) {
        fw_cursor_close(c);
        return fw_err_set(err, rc, "out of memory");
    }
    *out = c;
    return FW_OK;
}

fw_rc fw_cursor_next(struct fw_cursor *cursor, struct fw_run *run,
                     struct fw_err *err)
{
    (void)err; /* memory cannot fail to be read */
    if (cursor->done || cursor->n == 0)
        return FW_END;
    *run = (struct fw_run){cursor->t, cursor->v, cursor->n};
    cursor->done = true;
    return FW_OK;
}

void fw_cursor_close(struct fw_cursor *cursor)
{
    if (cursor == NULL)
        return;
    free(cursor->t);
    free(cursor);
}
