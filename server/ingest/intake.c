/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/intake.h"

#include <stdlib.h>

#define LABEL_ARENA_BYTES                                                      \
    (4u << 20) /* labels of the new series of one line                         \
                */

/* The raw name is `series` and `part`, side by side in `names`. */
struct intake_known {
    size_t at;
    uint32_t series_n, part_n;
    uint32_t id;
    uint32_t next; /* the one that came after it, the last time */
};

struct raw_name {
    struct fw_str series, part;
};

fw_rc intake_init(struct intake *intake, struct fw_store *store)
{
    *intake = (struct intake){
        .store = store, .seed = fw_hash_random_seed(), .last = FW_INDEX_NONE};
    fw_buf_init(&intake->names, FW_MAX_SERIES_CACHE_BYTES);
    intake->arena = fw_arena_new(LABEL_ARENA_BYTES);
    return intake->arena != NULL ? FW_OK : FW_ENOMEM;
}

void intake_release(struct intake *intake)
{
    fw_batch_release(&intake->batch);
    line_release(&intake->line);
    fw_arena_free(intake->arena);
    fw_index_release(&intake->index);
    free(intake->known);
    fw_buf_release(&intake->names);
    *intake = (struct intake){0};
}

bool intake_is_full(const struct intake *intake)
{
    return intake->batch.n + FW_MAX_LINE_VALUES > FW_MAX_BATCH_SAMPLES;
}

static bool same_name(const void *self, uint32_t value, const void *key)
{
    const struct intake *intake = self;
    const struct intake_known *known = &intake->known[value];
    const struct raw_name *name = key;
    const char *at = intake->names.data + known->at;

    return known->series_n == name->series.n && known->part_n == name->part.n &&
           memcmp(at, name->series.p, name->series.n) == 0 &&
           memcmp(at + known->series_n, name->part.p, name->part.n) == 0;
}

/* A sender with more series than we remember starts over; nothing is lost. */
static void forget_all(struct intake *intake)
{
    fw_index_release(&intake->index);
    fw_buf_clear(&intake->names);
    intake->known_count = 0;
    intake->last = FW_INDEX_NONE;
}

/* What comes after the last one now is what we expect there the next time. */
static void step_to(struct intake *intake, uint32_t place)
{
    if (intake->last != FW_INDEX_NONE)
        intake->known[intake->last].next = place;
    intake->last = place;
}

/* Failing to remember costs time, never data: no error comes of it. */
static void remember(struct intake *intake, const struct raw_name *name,
                     uint64_t hash, uint32_t id)
{
    uint32_t place;
    size_t at;

    if (intake->known_count == FW_MAX_SERIES_CACHE ||
        intake->names.len + name->series.n + name->part.n >
            FW_MAX_SERIES_CACHE_BYTES)
        forget_all(intake);
    at = intake->names.len;
    place = (uint32_t)intake->known_count;
    if (fw_buf_reserve(&intake->names, name->series.n + name->part.n + 1) !=
            FW_OK ||
        fw_buf_add(&intake->names, name->series.p, name->series.n) != FW_OK ||
        fw_buf_add(&intake->names, name->part.p, name->part.n) != FW_OK ||
        fw_grow(&intake->known, &intake->known_cap, intake->known_count + 1,
                sizeof(*intake->known), FW_MAX_SERIES_CACHE) != FW_OK ||
        fw_index_add(&intake->index, hash, place) != FW_OK)
        return;
    intake->known[place] =
        (struct intake_known){at, (uint32_t)name->series.n,
                              (uint32_t)name->part.n, id, FW_INDEX_NONE};
    intake->known_count++;
    step_to(intake, place);
}

/* The id of a series the sender has not named before. */
static enum line_fault resolve(struct intake *intake, size_t i, uint32_t *id)
{
    struct line_labels labels;
    struct fw_labels canonical;
    enum line_fault fault =
        line_labels(&intake->line, i, intake->arena, &labels);

    if (fault != LINE_OK)
        return fault;
    if (fw_labels_canonical(labels.v, &labels.n, &intake->err) != FW_OK)
        return LINE_BAD_LABELS;
    canonical = (struct fw_labels){labels.v, labels.n};
    switch (fw_store_series(intake->store, &canonical, id, &intake->err)) {
    case FW_OK:
        return LINE_OK;
    case FW_ETOOBIG:
        return LINE_SERIES_LIMIT;
    case FW_ENOMEM:
        return LINE_NO_MEMORY;
    case FW_EINVAL:
        return LINE_BAD_LABELS;
    default:
        return LINE_NOT_STORED;
    }
}

/*
 * Senders name their series in the same order again and again, so the one that
 * followed the last one before is tried first: a compare, without a hash.
 */
static bool is_expected(struct intake *intake, const struct raw_name *name,
                        uint32_t *id)
{
    uint32_t place;

    if (intake->last == FW_INDEX_NONE)
        return false;
    place = intake->known[intake->last].next;
    if (place == FW_INDEX_NONE || !same_name(intake, place, name))
        return false;
    intake->last = place;
    *id = intake->known[place].id;
    return true;
}

static enum line_fault find_id(struct intake *intake, size_t i, uint32_t *id)
{
    struct raw_name name = {intake->line.series, intake->line.values[i].part};
    enum line_fault fault;
    uint32_t place;
    uint64_t hash;

    if (is_expected(intake, &name, id))
        return LINE_OK;
    hash = fw_hash64(name.part.p, name.part.n,
                     fw_hash64(name.series.p, name.series.n, intake->seed));
    place = fw_index_find(&intake->index, hash, same_name, intake, &name);
    if (place != FW_INDEX_NONE) {
        step_to(intake, place);
        *id = intake->known[place].id;
        return LINE_OK;
    }
    fault = resolve(intake, i, id);
    if (fault == LINE_OK)
        remember(intake, &name, hash, *id);
    return fault;
}

enum line_fault intake_line(struct intake *intake, struct fw_str text,
                            fw_ms now, fw_ms latest)
{
    struct line *line = &intake->line;
    size_t before = intake->batch.n;
    enum line_fault fault = line_parse(text, intake->unit, line);
    fw_ms t;

    intake->taken = 0;
    intake->skipped = line->skipped;
    if (fault != LINE_OK || line->n == 0)
        return fault;
    t = line->timed ? line->t : now;
    if (t > latest)
        return LINE_TOO_NEW;
    fw_arena_clear(intake->arena);
    for (size_t i = 0; i < line->n; i++) {
        uint32_t id;

        fault = find_id(intake, i, &id);
        if (fault == LINE_OK &&
            fw_batch_add(&intake->batch, id, t, line->values[i].v) != FW_OK)
            fault = LINE_NO_MEMORY;
        if (fault != LINE_OK) {
            intake->batch.n = before; /* all of a line or none */
            return fault;
        }
    }
    intake->taken = line->n;
    intake->protocol = line->protocol;
    return LINE_OK;
}
