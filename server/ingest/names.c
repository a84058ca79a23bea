/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/names.h"

#include <stdlib.h>

void names_init(struct names *names)
{
    *names = (struct names){.seed = fw_hash_random_seed(), .last = NAMES_NONE};
    fw_buf_init(&names->text, FW_MAX_SERIES_CACHE_BYTES + NAMES_SLACK);
}

void names_release(struct names *names)
{
    free(names->heads);
    free(names->fields);
    fw_index_release(&names->by_head);
    fw_index_release(&names->by_field);
    fw_buf_release(&names->text);
    *names = (struct names){.last = NAMES_NONE};
}

void names_forget(struct names *names)
{
    fw_index_release(&names->by_head);
    fw_index_release(&names->by_field);
    fw_buf_clear(&names->text);
    names->head_count = names->field_count = 0;
    names->last = NAMES_NONE;
}

void names_make_room(struct names *names, size_t fields, size_t bytes)
{
    if (names->head_count < FW_MAX_SERIES_CACHE &&
        names->field_count + fields <= FW_MAX_SERIES_CACHE &&
        names->text.len + bytes <= FW_MAX_SERIES_CACHE_BYTES)
        return;
    names_forget(names);
    names->resets++;
}

/* ---- finding --------------------------------------------------------------
 */

struct head_key {
    enum line_protocol protocol;
    struct fw_str series, tail;
};

struct field_key {
    uint32_t head;
    struct fw_str field;
};

static bool same_head(const void *self, uint32_t value, const void *key)
{
    const struct names *names = self;
    const struct names_head *head = &names->heads[value];
    const struct head_key *k = key;
    const char *at = names->text.data + head->at;

    return head->protocol == (uint8_t)k->protocol && head->n == k->series.n &&
           head->tail_n == k->tail.n &&
           memcmp(at, k->series.p, k->series.n) == 0 &&
           (k->tail.n == 0 || memcmp(at + head->n, k->tail.p, k->tail.n) == 0);
}

static bool same_field(const void *self, uint32_t value, const void *key)
{
    const struct names *names = self;
    const struct names_field *field = &names->fields[value];
    const struct field_key *k = key;

    return field->head == k->head && field->n == k->field.n &&
           (k->field.n == 0 ||
            memcmp(names->text.data + field->at, k->field.p, k->field.n) == 0);
}

static uint64_t hash_head(const struct names *names,
                          enum line_protocol protocol, struct fw_str series,
                          struct fw_str tail)
{
    uint64_t seed = names->seed + (uint64_t)protocol;

    if (tail.n > 0)
        seed = fw_hash64(tail.p, tail.n, seed);
    return fw_hash64(series.p, series.n, seed);
}

static uint64_t hash_field(const struct names *names, uint32_t head,
                           struct fw_str field)
{
    return fw_hash64(field.p, field.n,
                     names->seed ^ (head * UINT64_C(0x9E3779B97F4A7C15)));
}

uint32_t names_find_head(const struct names *names, enum line_protocol protocol,
                         struct fw_str series, struct fw_str tail)
{
    struct head_key key = {protocol, series, tail};

    return fw_index_find(&names->by_head,
                         hash_head(names, protocol, series, tail), same_head,
                         names, &key);
}

uint32_t names_find_field(const struct names *names, uint32_t head,
                          struct fw_str field)
{
    struct field_key key = {head, field};

    return fw_index_find(&names->by_field, hash_field(names, head, field),
                         same_field, names, &key);
}

/* ---- adding ---------------------------------------------------------------
 */

/*
 * What is foreseen is not looked at by the recogniser of protocols, so only
 * heads are foreseen that leave it no choice: `put` may turn out to be
 * OpenTSDB's word, and a backslash means something to InfluxDB only.
 */
static bool is_plain(enum line_protocol protocol, struct fw_str series)
{
    return !fw_str_eq(series, FW_STR("put")) &&
           (protocol != LINE_GRAPHITE ||
            memchr(series.p, '\\', series.n) == NULL);
}

static bool add_text(struct names *names, struct fw_str a, struct fw_str b)
{
    if (fw_buf_reserve(&names->text, a.n + b.n + NAMES_SLACK) != FW_OK)
        return false;
    return (a.n == 0 || fw_buf_add(&names->text, a.p, a.n) == FW_OK) &&
           (b.n == 0 || fw_buf_add(&names->text, b.p, b.n) == FW_OK);
}

uint32_t names_add_head(struct names *names, enum line_protocol protocol,
                        struct fw_str series, struct fw_str tail)
{
    uint32_t place = (uint32_t)names->head_count;
    size_t at = names->text.len;

    if (fw_grow(&names->heads, &names->head_cap, names->head_count + 1,
                sizeof(*names->heads), FW_MAX_SERIES_CACHE) != FW_OK ||
        !add_text(names, series, tail) ||
        fw_index_add(&names->by_head, hash_head(names, protocol, series, tail),
                     place) != FW_OK)
        return NAMES_NONE;
    names->heads[place] =
        (struct names_head){.at = (uint32_t)at,
                            .n = (uint32_t)series.n,
                            .tail_n = (uint32_t)tail.n,
                            .next = NAMES_NONE,
                            .first = NAMES_NONE,
                            .protocol = (uint8_t)protocol,
                            .plain = is_plain(protocol, series)};
    names->head_count++;
    return place;
}

/* Hosts have the same fields, so mostly the bytes are there already. */
static bool field_text(struct names *names, struct fw_str field, uint32_t like,
                       uint32_t *at)
{
    const struct names_field *l =
        like != NAMES_NONE ? &names->fields[like] : NULL;

    if (l != NULL && l->n == field.n &&
        (field.n == 0 ||
         memcmp(names->text.data + l->at, field.p, field.n) == 0)) {
        *at = l->at;
        return true;
    }
    *at = (uint32_t)names->text.len;
    return add_text(names, field, (struct fw_str){0});
}

uint32_t names_add_field(struct names *names, uint32_t head,
                         struct fw_str field, uint32_t id, uint32_t like)
{
    uint32_t place = (uint32_t)names->field_count;
    uint32_t at;

    if (fw_grow(&names->fields, &names->field_cap, names->field_count + 1,
                sizeof(*names->fields), FW_MAX_SERIES_CACHE) != FW_OK ||
        !field_text(names, field, like, &at) ||
        fw_index_add(&names->by_field, hash_field(names, head, field), place) !=
            FW_OK)
        return NAMES_NONE;
    names->fields[place] =
        (struct names_field){at, (uint32_t)field.n, head, id, NAMES_NONE};
    names->field_count++;
    return place;
}
