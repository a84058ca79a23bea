/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/postings.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"

struct pair {
    uint32_t name;
    uint32_t value;
};

void postings_release(struct postings *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i].ids);
    for (size_t i = 0; i < p->name_count; i++)
        free(p->names[i].lists);
    free(p->v);
    free(p->names);
    fw_index_release(&p->by_pair);
    fw_index_release(&p->by_name);
    *p = (struct postings){0};
}

static uint64_t hash_pair(struct pair pair)
{
    return fw_hash64(&pair, sizeof(pair), 0);
}

static bool same_pair(const void *self, uint32_t value, const void *key)
{
    const struct postings *p = self;
    const struct pair *pair = key;

    return p->v[value].name == pair->name && p->v[value].value == pair->value;
}

static bool same_name(const void *self, uint32_t value, const void *key)
{
    const struct postings *p = self;
    const uint32_t *name = key;

    return p->names[value].name == *name;
}

static uint32_t find_pair(const struct postings *p, struct pair pair)
{
    return fw_index_find(&p->by_pair, hash_pair(pair), same_pair, p, &pair);
}

static uint32_t find_name(const struct postings *p, uint32_t name)
{
    return fw_index_find(&p->by_name, fw_hash64(&name, sizeof(name), 0),
                         same_name, p, &name);
}

static fw_rc name_new(struct postings *p, uint32_t name, uint32_t *out)
{
    fw_rc rc = fw_grow(&p->names, &p->name_cap, p->name_count + 1,
                       sizeof(*p->names), UINT32_MAX - 1);

    if (rc == FW_OK)
        rc = fw_index_add(&p->by_name, fw_hash64(&name, sizeof(name), 0),
                          (uint32_t)p->name_count);
    if (rc != FW_OK)
        return rc;
    p->names[p->name_count] = (struct posting_name){.name = name};
    *out = (uint32_t)p->name_count++;
    return FW_OK;
}

static fw_rc list_new(struct postings *p, struct pair pair, uint32_t *out)
{
    uint32_t name = find_name(p, pair.name);
    struct posting_name *owner;
    fw_rc rc = FW_OK;

    if (name == FW_INDEX_NONE)
        rc = name_new(p, pair.name, &name);
    if (rc != FW_OK)
        return rc;
    owner = &p->names[name];
    rc = fw_grow(&owner->lists, &owner->cap, owner->n + 1,
                 sizeof(*owner->lists), UINT32_MAX - 1);
    if (rc == FW_OK)
        rc = fw_grow(&p->v, &p->cap, p->n + 1, sizeof(*p->v), UINT32_MAX - 1);
    if (rc == FW_OK)
        rc = fw_index_add(&p->by_pair, hash_pair(pair), (uint32_t)p->n);
    if (rc != FW_OK)
        return rc;
    p->v[p->n] = (struct posting){.name = pair.name, .value = pair.value};
    owner->lists[owner->n++] = (uint32_t)p->n;
    *out = (uint32_t)p->n++;
    return FW_OK;
}

static fw_rc ids_add(struct posting *list, uint32_t id)
{
    size_t at = list->n;
    fw_rc rc = fw_grow(&list->ids, &list->cap, list->n + 1, sizeof(*list->ids),
                       UINT32_MAX);

    if (rc != FW_OK)
        return rc;
    while (at > 0 && list->ids[at - 1] > id)
        at--;
    if (at > 0 && list->ids[at - 1] == id)
        return FW_OK;
    memmove(list->ids + at + 1, list->ids + at,
            (list->n - at) * sizeof(*list->ids));
    list->ids[at] = id;
    list->n++;
    return FW_OK;
}

fw_rc postings_add(struct postings *p, uint32_t name, uint32_t value,
                   uint32_t id)
{
    struct pair pair = {name, value};
    uint32_t list = find_pair(p, pair);
    fw_rc rc = FW_OK;

    if (list == FW_INDEX_NONE)
        rc = list_new(p, pair, &list);
    return rc == FW_OK ? ids_add(&p->v[list], id) : rc;
}

const struct posting *postings_find(const struct postings *p, uint32_t name,
                                    uint32_t value)
{
    uint32_t list = find_pair(p, (struct pair){name, value});

    return list == FW_INDEX_NONE ? NULL : &p->v[list];
}

const struct posting_name *postings_name(const struct postings *p,
                                         uint32_t name)
{
    uint32_t found = find_name(p, name);

    return found == FW_INDEX_NONE ? NULL : &p->names[found];
}
