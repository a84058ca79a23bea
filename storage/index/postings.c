/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * postings.c - see postings.h.
 *
 *   chunk: u32 first id, u8 ids - 1, u8 width, varint least gap,
 *          (ids - 1) x width bits: gap - least gap, lowest bits first
 *
 * The gaps of series that were made together are all alike, so most chunks are
 * seven bytes for 128 ids.
 */
#include "storage/index/postings.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/bytes.h"

#define CHUNK_IDS 128
#define CHUNK_HEAD 6
#define CHUNK_BYTES_MAX (CHUNK_HEAD + 5 + CHUNK_IDS * 4)
#define SLACK 8

/* ---- Chunks ---------------------------------------------------------------
 */

/* Writes n ids, 1 to CHUNK_IDS, and returns the bytes it took. */
static size_t chunk_put(const uint32_t *ids, size_t n, uint8_t *to)
{
    uint32_t least = UINT32_MAX, widest = 0;
    unsigned width;
    size_t at = CHUNK_HEAD;

    for (size_t i = 1; i < n; i++) {
        uint32_t gap = ids[i] - ids[i - 1];

        least = gap < least ? gap : least;
        widest = gap > widest ? gap : widest;
    }
    least = n > 1 ? least : 0;
    width = n > 1 && widest > least
                ? 32 - (unsigned)__builtin_clz(widest - least)
                : 0;
    fw_put_le32(to, ids[0]);
    to[4] = (uint8_t)(n - 1);
    to[5] = (uint8_t)width;
    at += fw_varint_put((char *)to + at, least);
    memset(to + at, 0, ((n - 1) * width + 7) / 8 + SLACK);
    for (size_t i = 1; i < n && width > 0; i++) {
        size_t bit = (i - 1) * width;
        uint8_t *p = to + at + bit / 8;

        fw_put_le64(p, fw_get_le64(p) | (uint64_t)(ids[i] - ids[i - 1] - least)
                                            << (bit % 8));
    }
    return at + ((n - 1) * width + 7) / 8;
}

struct chunk {
    uint32_t first;
    size_t n;
    unsigned width;
    uint64_t least;
    const uint8_t *bits;
    const uint8_t *end;
};

static struct chunk chunk_open(const uint8_t *p)
{
    struct chunk c = {
        .first = fw_get_le32(p), .n = (size_t)p[4] + 1, .width = p[5]};

    c.bits = p + CHUNK_HEAD;
    c.bits += fw_varint_get(c.bits, FW_VARINT_MAX_BYTES, &c.least);
    c.end = c.bits + ((c.n - 1) * c.width + 7) / 8;
    return c;
}

static void chunk_ids(const struct chunk *c, uint32_t *out)
{
    uint64_t mask = ((uint64_t)1 << c->width) - 1;
    uint32_t least = (uint32_t)c->least;
    uint32_t id = c->first;

    out[0] = id;
    if (c->width == 0) {
        for (size_t i = 1; i < c->n; i++)
            out[i] = id + (uint32_t)i * least;
        return;
    }
    for (size_t i = 1; i < c->n; i++) {
        size_t bit = (i - 1) * c->width;

        id += least +
              (uint32_t)(fw_get_le64(c->bits + bit / 8) >> (bit % 8) & mask);
        out[i] = id;
    }
}

/* ---- Memory -----------------------------------------------------------------
 */

static void name_drop_packed(struct posting_name *name)
{
    free(name->singles);
    free(name->lists);
    free(name->bytes);
}

static void name_drop_tail(struct posting_name *name)
{
    for (size_t i = 0; i < name->tail_count; i++)
        free(name->tail[i].ids);
    free(name->tail);
    tag_index_release(&name->tail_by_value);
    name->tail = NULL;
    name->tail_count = 0;
    name->tail_cap = 0;
}

void postings_release(struct postings *p)
{
    for (size_t i = 0; i < p->name_count; i++) {
        name_drop_packed(&p->names[i]);
        name_drop_tail(&p->names[i]);
    }
    free(p->names);
    tag_index_release(&p->by_name);
    *p = (struct postings){0};
}

size_t postings_bytes(const struct postings *p)
{
    size_t sum = p->name_cap * sizeof(*p->names) +
                 p->by_name.capacity * sizeof(uint64_t);

    for (size_t i = 0; i < p->name_count; i++) {
        const struct posting_name *name = &p->names[i];

        sum += name->single_count * sizeof(*name->singles) +
               name->list_count * sizeof(*name->lists) + name->byte_count +
               name->tail_cap * sizeof(*name->tail) +
               name->tail_by_value.capacity * sizeof(uint64_t);
        for (size_t j = 0; j < name->tail_count; j++)
            sum += name->tail[j].cap * sizeof(uint32_t);
    }
    return sum;
}

/* ---- Adding -----------------------------------------------------------------
 */

static uint64_t hash_number(uint32_t number)
{
    uint64_t h = (uint64_t)number * 0x9E3779B97F4A7C15u;

    return h ^ h >> 32;
}

static bool same_name(const void *self, uint32_t value, const void *key)
{
    const struct postings *p = self;

    return p->names[value].name == *(const uint32_t *)key;
}

static bool same_value(const void *self, uint32_t value, const void *key)
{
    const struct posting_name *name = self;

    return name->tail[value].value == *(const uint32_t *)key;
}

static uint32_t find_name(const struct postings *p, uint32_t name)
{
    return tag_index_find(&p->by_name, hash_number(name), same_name, p, &name);
}

static uint32_t find_tail(const struct posting_name *name, uint32_t value)
{
    return tag_index_find(&name->tail_by_value, hash_number(value), same_value,
                          name, &value);
}

static fw_rc name_new(struct postings *p, uint32_t name, uint32_t *out)
{
    fw_rc rc = fw_grow(&p->names, &p->name_cap, p->name_count + 1,
                       sizeof(*p->names), UINT32_MAX - 1);

    if (rc == FW_OK)
        rc = tag_index_add(&p->by_name, hash_number(name),
                           (uint32_t)p->name_count);
    if (rc != FW_OK)
        return rc;
    p->names[p->name_count] = (struct posting_name){.name = name};
    *out = (uint32_t)p->name_count++;
    return FW_OK;
}

static fw_rc tail_new(struct posting_name *name, uint32_t value, uint32_t *out)
{
    fw_rc rc = fw_grow(&name->tail, &name->tail_cap, name->tail_count + 1,
                       sizeof(*name->tail), UINT32_MAX - 1);

    if (rc == FW_OK)
        rc = tag_index_add(&name->tail_by_value, hash_number(value),
                           (uint32_t)name->tail_count);
    if (rc != FW_OK)
        return rc;
    name->tail[name->tail_count] = (struct posting_tail){.value = value};
    *out = (uint32_t)name->tail_count++;
    return FW_OK;
}

static fw_rc tail_room(struct posting_tail *list, size_t n)
{
    uint32_t need = list->n + (uint32_t)n;
    uint32_t cap = list->cap == 0 ? (uint32_t)n : list->cap;
    uint32_t *ids;

    if (need <= list->cap)
        return FW_OK;
    while (cap < need)
        cap = cap < UINT32_MAX / 2 ? cap * 2 : UINT32_MAX;
    ids = realloc(list->ids, cap * sizeof(*ids));
    if (ids == NULL)
        return FW_ENOMEM;
    list->ids = ids;
    list->cap = cap;
    return FW_OK;
}

/* One that belongs before the last, which happens after a crash only. */
static void insert_id(struct posting_tail *list, uint32_t id)
{
    size_t at = list->n;

    while (at > 0 && list->ids[at - 1] > id)
        at--;
    if (at > 0 && list->ids[at - 1] == id)
        return;
    memmove(list->ids + at + 1, list->ids + at,
            (list->n - at) * sizeof(*list->ids));
    list->ids[at] = id;
    list->n++;
}

fw_rc postings_add(struct postings *p, uint32_t name, uint32_t value,
                   const uint32_t *ids, size_t n)
{
    uint32_t at = find_name(p, name);
    uint32_t list = 0;
    struct posting_tail *tail;
    size_t before;
    fw_rc rc = FW_OK;

    if (at == FW_INDEX_NONE)
        rc = name_new(p, name, &at);
    if (rc != FW_OK)
        return rc;
    list = find_tail(&p->names[at], value);
    if (list == FW_INDEX_NONE)
        rc = tail_new(&p->names[at], value, &list);
    if (rc != FW_OK)
        return rc;
    tail = &p->names[at].tail[list];
    rc = tail_room(tail, n);
    if (rc != FW_OK)
        return rc;
    before = tail->n;
    for (size_t i = 0; i < n; i++) {
        if (tail->n == 0 || ids[i] > tail->ids[tail->n - 1])
            tail->ids[tail->n++] = ids[i];
        else
            insert_id(tail, ids[i]);
    }
    p->tail_ids += tail->n - before;
    return FW_OK;
}

/* ---- Reading ----------------------------------------------------------------
 */

const struct posting_name *postings_name(const struct postings *p,
                                         uint32_t name)
{
    uint32_t found = find_name(p, name);

    return found == FW_INDEX_NONE ? NULL : &p->names[found];
}

size_t posting_lists(const struct posting_name *name)
{
    return name->single_count + name->list_count + name->tail_count;
}

uint32_t posting_list_value(const struct posting_name *name, size_t list,
                            size_t *n)
{
    *n = 1;
    if (list < name->single_count)
        return name->singles[list].value;
    list -= name->single_count;
    if (list < name->list_count) {
        *n = name->lists[list].n;
        return name->lists[list].value;
    }
    list -= name->list_count;
    *n = name->tail[list].n;
    return name->tail[list].value;
}

static fw_rc id_room(struct id_list *out, size_t n)
{
    return fw_grow(&out->v, &out->cap, out->n + n, sizeof(*out->v),
                   SIZE_MAX / 8);
}

static fw_rc packed_ids(const struct posting_name *name, size_t list,
                        struct id_list *out)
{
    const uint8_t *p = name->bytes + name->lists[list].at;
    size_t left = name->lists[list].n;
    fw_rc rc = id_room(out, left);

    while (rc == FW_OK && left > 0) {
        struct chunk c = chunk_open(p);

        chunk_ids(&c, out->v + out->n);
        out->n += c.n;
        left -= c.n;
        p = c.end;
    }
    return rc;
}

fw_rc posting_list_ids(const struct posting_name *name, size_t list,
                       struct id_list *out)
{
    fw_rc rc = FW_OK;

    if (list < name->single_count) {
        rc = id_room(out, 1);
        if (rc == FW_OK)
            out->v[out->n++] = name->singles[list].id;
        return rc;
    }
    list -= name->single_count;
    if (list < name->list_count)
        return packed_ids(name, list, out);
    list -= name->list_count;
    rc = id_room(out, name->tail[list].n);
    if (rc == FW_OK && name->tail[list].n > 0) {
        memcpy(out->v + out->n, name->tail[list].ids,
               name->tail[list].n * sizeof(*out->v));
        out->n += name->tail[list].n;
    }
    return rc;
}

/* The first of n items of `bytes` each whose first field is >= value. */
static size_t lower_bound(const void *items, size_t n, size_t bytes,
                          uint32_t value)
{
    const char *p = items;
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;
        uint32_t there;

        memcpy(&there, p + (low + half) * bytes, sizeof(there));
        if (there < value) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

size_t posting_find(const struct posting_name *name, uint32_t value,
                    size_t lists[2])
{
    size_t found = 0;
    size_t at = lower_bound(name->singles, name->single_count,
                            sizeof(*name->singles), value);
    uint32_t tail;

    if (at < name->single_count && name->singles[at].value == value)
        lists[found++] = at;
    at =
        lower_bound(name->lists, name->list_count, sizeof(*name->lists), value);
    if (at < name->list_count && name->lists[at].value == value)
        lists[found++] = name->single_count + at;
    tail = find_tail(name, value);
    if (tail != FW_INDEX_NONE && found < 2)
        lists[found++] = name->single_count + name->list_count + tail;
    return found;
}

/* ---- Merging ----------------------------------------------------------------
 */

/* Ids to be left out, as bits from the first to the last of them. */
struct gone {
    uint64_t *bits; /* owned */
    uint32_t first, last;
};

static bool is_gone(const struct gone *gone, uint32_t id)
{
    uint32_t at = id - gone->first;

    return id >= gone->first && id <= gone->last &&
           (gone->bits[at / 64] >> at % 64 & 1) != 0;
}

static fw_rc gone_begin(struct gone *gone, const uint32_t *ids, size_t n)
{
    gone->first = ids[0];
    gone->last = ids[n - 1];
    gone->bits =
        calloc((gone->last - gone->first) / 64 + 1, sizeof(*gone->bits));
    if (gone->bits == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < n; i++)
        gone->bits[(ids[i] - gone->first) / 64] |=
            (uint64_t)1 << (ids[i] - gone->first) % 64;
    return FW_OK;
}

/* The packed generation of one name in the making. */
struct build {
    struct posting_name to;
    size_t single_cap, list_cap;
    struct fw_buf bytes;
    struct id_list ids;
    const struct gone *gone; /* ids that are to be left out; or NULL */
};

static void build_release(struct build *b)
{
    free(b->to.singles);
    free(b->to.lists);
    fw_buf_release(&b->bytes);
    free(b->ids.v);
}

static fw_rc put_chunks(struct build *b, const uint32_t *ids, size_t n)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < n && rc == FW_OK; i += CHUNK_IDS) {
        size_t some = n - i < CHUNK_IDS ? n - i : CHUNK_IDS;

        rc = fw_buf_reserve(&b->bytes, CHUNK_BYTES_MAX + SLACK);
        if (rc == FW_OK)
            b->bytes.len += chunk_put(ids + i, some,
                                      (uint8_t *)b->bytes.data + b->bytes.len);
    }
    return rc;
}

static fw_rc put_list(struct build *b, uint32_t value, size_t n)
{
    fw_rc rc = fw_grow(&b->to.lists, &b->list_cap, b->to.list_count + 1,
                       sizeof(*b->to.lists), UINT32_MAX);

    if (rc == FW_OK)
        b->to.lists[b->to.list_count++] =
            (struct posting_packed){value, (uint32_t)n, (uint32_t)b->bytes.len};
    return rc;
}

static fw_rc put_ids(struct build *b, uint32_t value, const uint32_t *ids,
                     size_t n)
{
    fw_rc rc;

    if (n == 0)
        return FW_OK;
    if (n == 1) {
        rc = fw_grow(&b->to.singles, &b->single_cap, b->to.single_count + 1,
                     sizeof(*b->to.singles), UINT32_MAX);
        if (rc == FW_OK)
            b->to.singles[b->to.single_count++] =
                (struct posting_single){value, ids[0]};
        return rc;
    }
    rc = put_list(b, value, n);
    return rc == FW_OK ? put_chunks(b, ids, n) : rc;
}

/* A packed list gets ids that all come behind its own: only its end changes. */
static fw_rc put_longer(struct build *b, const struct posting_name *from,
                        const struct posting_packed *list,
                        const struct posting_tail *tail)
{
    const uint8_t *start = from->bytes + list->at;
    struct chunk last = chunk_open(start);
    const uint8_t *last_at = start;
    size_t left = list->n;
    uint32_t own[CHUNK_IDS];
    size_t n;
    fw_rc rc;

    while (left > last.n) {
        left -= last.n;
        last_at = last.end;
        last = chunk_open(last_at);
    }
    chunk_ids(&last, own);
    if (own[last.n - 1] >= tail->ids[0])
        return FW_NONE;
    rc = put_list(b, list->value, list->n + tail->n);
    if (rc == FW_OK && last_at > start)
        rc = fw_buf_add(&b->bytes, (const char *)start,
                        (size_t)(last_at - start));
    b->ids.n = 0;
    if (rc == FW_OK)
        rc = id_room(&b->ids, last.n + tail->n);
    if (rc != FW_OK)
        return rc;
    memcpy(b->ids.v, own, last.n * sizeof(*own));
    memcpy(b->ids.v + last.n, tail->ids, tail->n * sizeof(*own));
    n = last.n + tail->n;
    return put_chunks(b, b->ids.v, n);
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static bool any_gone(const struct build *b, const struct id_list *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        if (is_gone(b->gone, ids->v[i]))
            return true;
    return false;
}

/* Sorted, each once, without those that are gone. */
static void tidy_ids(struct build *b)
{
    size_t kept = 0;

    if (b->ids.n > 1)
        qsort(b->ids.v, b->ids.n, sizeof(*b->ids.v), by_number);
    for (size_t i = 0; i < b->ids.n; i++) {
        uint32_t id = b->ids.v[i];

        if ((kept > 0 && b->ids.v[kept - 1] == id) ||
            (b->gone != NULL && is_gone(b->gone, id)))
            continue;
        b->ids.v[kept++] = id;
    }
    b->ids.n = kept;
}

/* All ids of a value, whatever lists they are in, written anew. */
static fw_rc put_anew(struct build *b, const struct posting_name *from,
                      uint32_t value)
{
    size_t lists[2];
    size_t n = posting_find(from, value, lists);
    fw_rc rc = FW_OK;

    b->ids.n = 0;
    for (size_t i = 0; i < n && rc == FW_OK; i++)
        rc = posting_list_ids(from, lists[i], &b->ids);
    if (rc != FW_OK)
        return rc;
    tidy_ids(b);
    return put_ids(b, value, b->ids.v, b->ids.n);
}

static fw_rc put_same(struct build *b, const struct posting_name *from,
                      size_t list)
{
    const struct posting_packed *l = &from->lists[list];
    size_t end = list + 1 < from->list_count ? l[1].at : from->byte_count;
    fw_rc rc = put_list(b, l->value, l->n);

    return rc == FW_OK
               ? fw_buf_add(&b->bytes, (const char *)from->bytes + l->at,
                            end - l->at)
               : rc;
}

/* A packed list without those that are gone. */
static fw_rc put_rest(struct build *b, const struct posting_name *from,
                      size_t list)
{
    fw_rc rc;

    b->ids.n = 0;
    rc = packed_ids(from, list, &b->ids);
    if (rc != FW_OK)
        return rc;
    if (!any_gone(b, &b->ids))
        return put_same(b, from, list);
    tidy_ids(b);
    return put_ids(b, from->lists[list].value, b->ids.v, b->ids.n);
}

static int by_value(const void *a, const void *b)
{
    const struct posting_tail *left = a;
    const struct posting_tail *right = b;

    return (left->value > right->value) - (left->value < right->value);
}

/* Walks singles, lists and tail together, in the order of values. */
static fw_rc build_name(struct build *b, const struct posting_name *from,
                        const struct posting_tail *tail)
{
    size_t s = 0, l = 0, t = 0;
    fw_rc rc = FW_OK;

    while (rc == FW_OK && (s < from->single_count || l < from->list_count ||
                           t < from->tail_count)) {
        uint32_t single =
            s < from->single_count ? from->singles[s].value : UINT32_MAX;
        uint32_t list =
            l < from->list_count ? from->lists[l].value : UINT32_MAX;
        uint32_t fresh = t < from->tail_count ? tail[t].value : UINT32_MAX;
        uint32_t value = single < list ? single : list;

        value = fresh < value ? fresh : value;
        if (b->gone != NULL && value != fresh && value == list)
            rc = put_rest(b, from, l);
        else if (b->gone != NULL)
            rc = put_anew(b, from, value);
        else if (value != fresh && value == list)
            rc = put_same(b, from, l);
        else if (value != fresh)
            rc = put_ids(b, value, &from->singles[s].id, 1);
        else if (value == list && value != single)
            rc = put_longer(b, from, &from->lists[l], &tail[t]);
        else if (value != list && value != single)
            rc = put_ids(b, value, tail[t].ids, tail[t].n);
        else
            rc = FW_NONE;
        if (rc == FW_NONE)
            rc = put_anew(b, from, value);
        s += value == single;
        l += value == list;
        t += value == fresh;
    }
    return rc;
}

/* Gives memory that was doubled too often back; a failure changes nothing. */
static void *fit(void *items, size_t bytes)
{
    void *smaller = bytes == 0 ? NULL : realloc(items, bytes);

    return smaller == NULL ? items : smaller;
}

static fw_rc rebuild(struct posting_name *name, const struct gone *gone)
{
    struct build b = {.gone = gone};
    struct posting_tail *sorted = NULL;
    fw_rc rc = FW_OK;

    fw_buf_init(&b.bytes, UINT32_MAX);
    if (name->tail_count > 0) {
        sorted = malloc(name->tail_count * sizeof(*sorted));
        if (sorted == NULL)
            return FW_ENOMEM;
        memcpy(sorted, name->tail, name->tail_count * sizeof(*sorted));
        qsort(sorted, name->tail_count, sizeof(*sorted), by_value);
    }
    rc = build_name(&b, name, sorted);
    free(sorted);
    if (rc == FW_OK)
        rc = fw_buf_reserve(&b.bytes, SLACK);
    if (rc != FW_OK) {
        build_release(&b);
        return FW_ENOMEM;
    }
    name_drop_packed(name);
    name_drop_tail(name);
    memset(b.bytes.data + b.bytes.len, 0, SLACK);
    name->singles =
        fit(b.to.singles, b.to.single_count * sizeof(*b.to.singles));
    name->single_count = b.to.single_count;
    name->lists = fit(b.to.lists, b.to.list_count * sizeof(*b.to.lists));
    name->list_count = b.to.list_count;
    name->byte_count = b.bytes.len;
    name->bytes = fit(b.bytes.data, b.bytes.len + SLACK);
    free(b.ids.v);
    return FW_OK;
}

fw_rc postings_merge(struct postings *p)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < p->name_count && rc == FW_OK; i++)
        if (p->names[i].tail_count > 0)
            rc = rebuild(&p->names[i], NULL);
    if (rc == FW_OK)
        p->tail_ids = 0;
    return rc;
}

fw_rc postings_remove(struct postings *p, const uint32_t *ids, size_t n)
{
    struct gone gone = {0};
    fw_rc rc = n == 0 ? FW_OK : gone_begin(&gone, ids, n);

    for (size_t i = 0; n > 0 && i < p->name_count && rc == FW_OK; i++)
        rc = rebuild(&p->names[i], &gone);
    if (n > 0 && rc == FW_OK)
        p->tail_ids = 0;
    free(gone.bits);
    return rc;
}
