/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * batch.c - samples on their way to the committer.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/limits.h"
#include "storage/storage.h"

#define FIRST_CAP 64

void fw_batch_release(struct fw_batch *batch)
{
    free(batch->series);
    free(batch->t);
    free(batch->v);
    *batch = (struct fw_batch){0};
}

/* The three arrays grow together; `cap` is that of the shortest. */
static fw_rc grow(struct fw_batch *b, size_t cap)
{
    void *p;

    p = realloc(b->series, cap * sizeof(*b->series));
    if (p == NULL)
        return FW_ENOMEM;
    b->series = p;
    p = realloc(b->t, cap * sizeof(*b->t));
    if (p == NULL)
        return FW_ENOMEM;
    b->t = p;
    p = realloc(b->v, cap * sizeof(*b->v));
    if (p == NULL)
        return FW_ENOMEM;
    b->v = p;
    b->cap = cap;
    return FW_OK;
}

/* Doubles; past the cap there is no more. */
static fw_rc room(struct fw_batch *b)
{
    size_t cap = b->cap == 0 ? FIRST_CAP : b->cap * 2;

    if (cap > FW_MAX_BATCH_SAMPLES)
        cap = FW_MAX_BATCH_SAMPLES;
    return b->n < cap ? grow(b, cap) : FW_ETOOBIG;
}

fw_rc fw_batch_reserve(struct fw_batch *batch, size_t samples)
{
    if (samples > FW_MAX_BATCH_SAMPLES)
        samples = FW_MAX_BATCH_SAMPLES;
    return samples > batch->cap ? grow(batch, samples) : FW_OK;
}

fw_rc fw_batch_add(struct fw_batch *batch, uint32_t series, fw_ms t, double v)
{
    if (batch->n == batch->cap) {
        fw_rc rc = room(batch);

        if (rc != FW_OK)
            return rc;
    }
    batch->series[batch->n] = series;
    batch->t[batch->n] = t;
    memcpy(&batch->v[batch->n], &v, sizeof(v)); /* NaN payloads stay */
    batch->n++;
    return FW_OK;
}
