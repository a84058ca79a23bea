/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/intake.h"

#include "server/ingest/quick.h"

#define LABEL_ARENA_BYTES                                                      \
    (4u << 20) /* labels of the new series of one line                         \
                */

fw_rc intake_init(struct intake *intake, struct fw_store *store)
{
    *intake = (struct intake){.store = store, .epoch = fw_store_epoch(store)};
    names_init(&intake->names);
    intake->arena = fw_arena_new(LABEL_ARENA_BYTES);
    return intake->arena != NULL ? FW_OK : FW_ENOMEM;
}

void intake_release(struct intake *intake)
{
    fw_batch_release(&intake->batch);
    line_release(&intake->line);
    fw_arena_free(intake->arena);
    names_release(&intake->names);
    *intake = (struct intake){0};
}

bool intake_is_full(const struct intake *intake)
{
    return intake->batch.n + FW_MAX_LINE_VALUES > FW_MAX_BATCH_SAMPLES;
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

/* Where the names of a line stand while its values are looked up. */
struct walk {
    uint32_t head;   /* of the line; NAMES_NONE if it is not known */
    uint32_t before; /* the field that was taken last */
    uint32_t like;   /* the field that stood here in the line before */
};

/* The field that is expected, found or, with the id it names, learned. */
static enum line_fault find_field(struct intake *intake, struct walk *walk,
                                  size_t i, uint32_t *id)
{
    struct names *names = &intake->names;
    struct fw_str part = intake->line.values[i].part;
    enum line_fault fault = LINE_OK;
    uint32_t place;

    if (intake->line.protocol == LINE_OPENTSDB)
        part = (struct fw_str){"", 0}; /* its tags are of the head */
    place = walk->head != NAMES_NONE ? names_find_field(names, walk->head, part)
                                     : NAMES_NONE;
    if (place != NAMES_NONE) {
        *id = names->fields[place].id;
    } else {
        fault = resolve(intake, i, id);
        if (fault == LINE_OK && walk->head != NAMES_NONE)
            place = names_add_field(names, walk->head, part, *id, walk->like);
    }
    if (place != NAMES_NONE) {
        if (walk->before != NAMES_NONE)
            names->fields[walk->before].next = place;
        else
            names->heads[walk->head].first = place;
        walk->before = place;
    }
    if (walk->like != NAMES_NONE)
        walk->like = names->fields[walk->like].next;
    return fault;
}

/* Finds or learns the head of the line, and what to compare its fields with. */
static void begin_walk(struct intake *intake, struct walk *walk)
{
    const struct line *line = &intake->line;
    struct names *names = &intake->names;
    struct fw_str tail = {"", 0};

    if (line->protocol == LINE_OPENTSDB)
        tail = line->values[0].part;
    names_make_room(names, line->n, FW_MAX_LINE_BYTES);
    *walk = (struct walk){NAMES_NONE, NAMES_NONE, NAMES_NONE};
    walk->head = names_find_head(names, line->protocol, line->series, tail);
    if (walk->head == NAMES_NONE)
        walk->head = names_add_head(names, line->protocol, line->series, tail);
    if (names->last != NAMES_NONE)
        walk->like = names->heads[names->last].first;
}

static enum line_fault take_values(struct intake *intake, fw_ms t)
{
    const struct line *line = &intake->line;
    size_t before = intake->batch.n;
    struct walk walk;

    fw_arena_clear(intake->arena);
    begin_walk(intake, &walk);
    for (size_t i = 0; i < line->n; i++) {
        uint32_t id;
        enum line_fault fault = find_field(intake, &walk, i, &id);

        if (fault == LINE_OK &&
            fw_batch_add(&intake->batch, id, t, line->values[i].v) != FW_OK)
            fault = LINE_NO_MEMORY;
        if (fault != LINE_OK) {
            intake->batch.n = before; /* all of a line or none */
            return fault;
        }
    }
    if (walk.head != NAMES_NONE)
        names_step(&intake->names, walk.head);
    return LINE_OK;
}

enum line_fault intake_line(struct intake *intake, struct fw_str text,
                            fw_ms now, fw_ms latest)
{
    struct line *line = &intake->line;
    uint64_t epoch = fw_store_epoch(intake->store);
    enum line_fault fault;
    fw_ms t;

    if (epoch != intake->epoch) { /* some of the ids will be forgotten */
        names_forget(&intake->names);
        intake->epoch = epoch;
    }
    intake->skipped = 0;
    if (intake->batch.cap == 0)
        fw_store_spare_batch(intake->store, &intake->batch);
    if (!intake->slow && quick_take(intake, text, now, latest))
        return LINE_OK;
    intake->taken = 0;
    fault = line_parse(text, intake->unit, line);
    intake->skipped = line->skipped;
    if (fault != LINE_OK || line->n == 0)
        return fault;
    t = line->timed ? line->t : now;
    if (t > latest)
        return LINE_TOO_NEW;
    fault = take_values(intake, t);
    if (fault != LINE_OK)
        return fault;
    intake->taken = line->n;
    intake->protocol = line->protocol;
    return LINE_OK;
}
