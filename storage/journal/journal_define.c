/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/journal/journal_define.h"

#include "storage/base/bytes.h"
#include "storage/index/definition.h"

#define SAME_LABEL 0
#define SAME_NAME 1
#define NEW_NAME 1 /* and more: the length of the name behind it */

static fw_rc put_number(struct fw_buf *out, uint64_t number)
{
    char room[FW_VARINT_MAX_BYTES];

    return fw_buf_add(out, room, fw_varint_put(room, number));
}

static fw_rc put_text(struct fw_buf *out, struct fw_str text)
{
    return text.n > 0 ? fw_buf_add(out, text.p, text.n) : FW_OK;
}

static bool same(const struct fw_label *a, const struct fw_label *b)
{
    return fw_str_eq(a->value, b->value) && fw_str_eq(a->name, b->name);
}

/* `old` is the label at the same place before, or NULL. */
static fw_rc put_label(struct fw_buf *out, const struct fw_label *label,
                       const struct fw_label *old)
{
    bool name = old != NULL && fw_str_eq(label->name, old->name);
    fw_rc rc;

    if (name && fw_str_eq(label->value, old->value))
        return put_number(out, SAME_LABEL);
    rc = put_number(out, name ? SAME_NAME : NEW_NAME + label->name.n);
    if (rc == FW_OK && !name)
        rc = put_text(out, label->name);
    if (rc == FW_OK)
        rc = put_number(out, label->value.n);
    return rc == FW_OK ? put_text(out, label->value) : rc;
}

fw_rc journal_define_put(struct journal_before *before, uint32_t id,
                         const struct fw_labels *labels, struct fw_buf *out)
{
    size_t n = labels->n, head = 0, most = n < before->n ? n : before->n;
    fw_rc rc = put_number(out, fw_zigzag((int64_t)id - (int64_t)before->id));

    while (head < most && same(&labels->v[head], &before->v[head]))
        head++;
    if (rc == FW_OK)
        rc = put_number(out, n);
    if (rc == FW_OK)
        rc = put_number(out, head);
    for (size_t i = head; i < n && rc == FW_OK; i++)
        rc =
            put_label(out, &labels->v[i], i < before->n ? &before->v[i] : NULL);
    before->id = id;
    before->n = n;
    for (size_t i = 0; i < n; i++)
        before->v[i] = labels->v[i];
    return rc;
}

/* ---- Reading --------------------------------------------------------------
 */

struct place {
    const char *p;
    size_t n, at;
};

static bool get_number(struct place *from, uint64_t *out)
{
    size_t took = fw_varint_get(from->p + from->at, from->n - from->at, out);

    from->at += took;
    return took > 0;
}

static bool get_text(struct place *from, uint64_t n, struct fw_str *out)
{
    if (n > from->n - from->at)
        return false;
    *out = (struct fw_str){from->p + from->at, (size_t)n};
    from->at += (size_t)n;
    return true;
}

/* Over the label at the same place before, which there is if `old`. */
static bool get_label(struct place *from, struct fw_label *label, bool old)
{
    uint64_t word = 0, n = 0;

    if (!get_number(from, &word) || (word <= SAME_NAME && !old))
        return false;
    if (word == SAME_LABEL)
        return true;
    if (word > SAME_NAME && !get_text(from, word - NEW_NAME, &label->name))
        return false;
    return get_number(from, &n) && get_text(from, n, &label->value);
}

size_t journal_define_get(const char *p, size_t n,
                          struct journal_before *before)
{
    struct place from = {p, n, 0};
    struct fw_labels labels = {before->v, 0};
    uint64_t step = 0, count = 0, head = 0;
    int64_t id;

    if (!get_number(&from, &step) || !get_number(&from, &count) ||
        !get_number(&from, &head) || step > (uint64_t)UINT32_MAX * 2 ||
        count > FW_MAX_LABELS || head > count || head > before->n)
        return 0;
    id = (int64_t)before->id + fw_unzigzag(step);
    if (id < 0 || id >= UINT32_MAX)
        return 0;
    for (size_t i = (size_t)head; i < count; i++)
        if (!get_label(&from, &before->v[i], i < before->n))
            return 0;
    labels.n = (size_t)count;
    before->id = (uint32_t)id;
    before->n = labels.n;
    return definition_canonical(&labels) ? from.at : 0;
}
