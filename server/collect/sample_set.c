/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/collect/sample_set.h"

#include <stdlib.h>

#include "storage/base/buf.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define PATIENCE 500 /* ms: only the collector waits for them */
#define COMMON_MAX 2
#define TEXT_BYTES 16384 /* of one label, made visible */

fw_rc sample_set_init(struct sample_set *set)
{
    *set = (struct sample_set){.arena = fw_arena_new(ARENA_BYTES)};
    return set->arena != NULL ? FW_OK : FW_ENOMEM;
}

void sample_set_release(struct sample_set *set)
{
    fw_arena_free(set->arena);
    free(set->v);
    *set = (struct sample_set){0};
}

void sample_set_clear(struct sample_set *set)
{
    fw_arena_clear(set->arena);
    set->n = 0;
    set->dropped = 0;
}

/*
 * What /proc and /sys say is mostly text; where it is not (a mount point may
 * be any bytes), what is not UTF-8 or is a control becomes visible.
 */
static bool copy_text(struct fw_arena *arena, const char *text,
                      struct fw_str *out)
{
    struct fw_buf shown = FW_BUF_INIT(TEXT_BYTES);
    char *copy = NULL;

    if (fw_add_visible(&shown, fw_str_of(text)) == FW_OK)
        copy = fw_arena_strndup(arena, shown.data != NULL ? shown.data : "",
                                shown.len);
    if (copy != NULL)
        *out = (struct fw_str){copy, shown.len};
    fw_buf_release(&shown);
    return copy != NULL;
}

static bool add_label(struct sample_set *set, struct sample *sample,
                      const char *name, const char *value)
{
    struct fw_label *label = &sample->labels[sample->n];

    if (sample->n > SAMPLE_SET_LABELS ||
        !copy_text(set->arena, name, &label->name) ||
        !copy_text(set->arena, value, &label->value))
        return false;
    sample->n++;
    return true;
}

void sample_set_add(struct sample_set *set, const char *metric, double v, ...)
{
    struct sample *sample;
    const char *name;
    va_list args;
    bool ok;

    if (fw_grow(&set->v, &set->cap, set->n + 1, sizeof(*set->v),
                SAMPLE_SET_MAX) != FW_OK) {
        set->dropped++;
        return;
    }
    sample = &set->v[set->n];
    *sample = (struct sample){.v = v};
    ok = add_label(set, sample, FW_METRIC_NAME, metric);
    va_start(args, v);
    while (ok && (name = va_arg(args, const char *)) != NULL)
        ok = add_label(set, sample, name, va_arg(args, const char *));
    va_end(args);
    if (ok)
        set->n++;
    else
        set->dropped++;
}

static fw_rc add_to_batch(struct sample_set *set, struct sample *sample,
                          struct fw_store *store, fw_ms t,
                          const struct fw_label *common, size_t common_n,
                          struct fw_batch *batch)
{
    struct fw_labels labels;
    uint32_t id;
    fw_rc rc;

    for (size_t i = 0; i < common_n && i < COMMON_MAX; i++)
        sample->labels[sample->n++] = common[i];
    rc = fw_labels_canonical(sample->labels, &sample->n, NULL);
    labels = (struct fw_labels){sample->labels, sample->n};
    if (rc == FW_OK)
        rc = fw_store_series(store, &labels, &id, NULL);
    if (rc == FW_OK)
        rc = fw_batch_add(batch, id, t, sample->v);
    if (rc != FW_OK)
        set->dropped++;
    return rc;
}

fw_rc sample_set_store(struct sample_set *set, struct fw_store *store, fw_ms t,
                       const struct fw_label *common, size_t common_n,
                       struct fw_err *err)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {.patience = PATIENCE};
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < set->n; i++)
        if (add_to_batch(set, &set->v[i], store, t, common, common_n, &batch) ==
            FW_ENOMEM)
            break;
    if (batch.n > 0)
        rc = fw_store_append(store, &batch, &result, err);
    fw_batch_release(&batch);
    return rc;
}
