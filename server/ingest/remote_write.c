/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * remote_write.c - a body is read twice: rw_check() looks at every field that
 * matters, so that a request which turns out to be broken has stored nothing;
 * the second reading then only steps from field to field, and into the labels
 * of a series only where nobody knows its name yet.
 */
#include "server/ingest/remote_write.h"

#include "server/ingest/wire.h"

enum { REQUEST_SERIES = 1 };
enum {
    SERIES_LABEL = 1,
    SERIES_SAMPLE = 2,
    SERIES_EXEMPLAR = 3,
    SERIES_HISTOGRAM = 4
};

static bool read_label(struct fw_str bytes, struct fw_label *out)
{
    struct wire_field field;
    fw_rc rc;

    *out = (struct fw_label){FW_STR(""), FW_STR("")};
    while ((rc = wire_next(&bytes, &field)) == FW_OK) {
        if (field.number != 1 && field.number != 2)
            continue;
        if (field.type != WIRE_BYTES)
            return false;
        if (field.number == 1)
            out->name = field.bytes;
        else
            out->value = field.bytes;
    }
    return rc == FW_END;
}

/* A field that is absent is zero, as proto3 has it. */
static bool read_sample(struct fw_str bytes, fw_ms *t, double *v)
{
    struct wire_field field;
    uint64_t bits = 0;
    fw_rc rc;

    *t = 0;
    while ((rc = wire_next(&bytes, &field)) == FW_OK) {
        if (field.number == 1) {
            if (field.type != WIRE_FIXED64)
                return false;
            bits = field.value;
        } else if (field.number == 2) {
            if (field.type != WIRE_VARINT)
                return false;
            *t = (fw_ms)field.value;
        }
    }
    *v = fw_double_of_bits(bits);
    return rc == FW_END;
}

/* Notes where the labels stand, as long as nothing stands between them. */
static void note_label(struct rw_series *out, const char *begin,
                       const char *end, bool *apart)
{
    if (out->name.n == 0 && !*apart)
        out->name.p = begin;
    else if (out->name.p + out->name.n != begin)
        *apart = true;
    if (*apart)
        out->name = (struct fw_str){begin, 0};
    else
        out->name.n = (size_t)(end - out->name.p);
}

static bool check_field(const struct wire_field *field)
{
    struct fw_label label;
    double v;
    fw_ms t;

    if (field->number < SERIES_LABEL || field->number > SERIES_HISTOGRAM)
        return true;
    if (field->type != WIRE_BYTES)
        return false;
    if (field->number == SERIES_LABEL)
        return read_label(field->bytes, &label);
    return field->number != SERIES_SAMPLE || read_sample(field->bytes, &t, &v);
}

static bool check_series(struct fw_str rest)
{
    struct wire_field field;
    fw_rc rc;

    while ((rc = wire_next(&rest, &field)) == FW_OK)
        if (!check_field(&field))
            return false;
    return rc == FW_END;
}

fw_rc rw_check(struct fw_str body, struct fw_err *err)
{
    struct wire_field field;
    fw_rc rc;

    while ((rc = wire_next(&body, &field)) == FW_OK)
        if (field.number == REQUEST_SERIES &&
            (field.type != WIRE_BYTES || !check_series(field.bytes)))
            break;
    if (rc == FW_END)
        return FW_OK;
    return fw_err_set(err, FW_EINVAL, "the body is no WriteRequest");
}

static void step_through(struct fw_str rest, struct rw_series *out)
{
    struct wire_field field;
    bool apart = false;

    *out = (struct rw_series){.bytes = rest};
    for (;;) {
        const char *begin = rest.p;

        if (wire_next(&rest, &field) != FW_OK)
            return;
        if (field.number == SERIES_SAMPLE)
            out->samples++;
        else if (field.number == SERIES_LABEL)
            note_label(out, begin, rest.p, &apart);
        else if (field.number == SERIES_EXEMPLAR)
            out->exemplars++;
        else if (field.number == SERIES_HISTOGRAM)
            out->histograms++;
    }
}

bool rw_next(struct fw_str *body, struct rw_series *out)
{
    struct wire_field field;

    while (wire_next(body, &field) == FW_OK) {
        if (field.number == REQUEST_SERIES && field.type == WIRE_BYTES) {
            step_through(field.bytes, out);
            return true;
        }
    }
    return false;
}

void rw_labels(const struct rw_series *series,
               struct fw_label out[FW_MAX_LABELS + 1], size_t *n)
{
    struct fw_str rest = series->bytes;
    struct wire_field field;

    *n = 0;
    while (*n <= FW_MAX_LABELS && wire_next(&rest, &field) == FW_OK)
        if (field.number == SERIES_LABEL && field.type == WIRE_BYTES &&
            read_label(field.bytes, &out[*n]))
            (*n)++;
}

bool rw_sample(struct fw_str *rest, fw_ms *t, double *v)
{
    struct wire_field field;

    while (wire_next(rest, &field) == FW_OK)
        if (field.number == SERIES_SAMPLE && field.type == WIRE_BYTES)
            return read_sample(field.bytes, t, v);
    return false;
}

/* ---- points ----------------------------------------------------------------
 */

/*
 * The bytes of a sample at the end of its message, as all senders write it:
 *
 *     12 10 09 <8 bytes: value> 10 <6 bytes: time>
 *     12 07                     10 <6 bytes: time>      where the value is 0
 *
 * Six bytes of varint are the times from 1971 to 2109.
 */
#define TIME_BYTES 6
#define POINT_BYTES (12 + TIME_BYTES)
#define ZERO_BYTES (3 + TIME_BYTES)

static bool take_time(const char *p, fw_ms *t)
{
    uint64_t v;

    if (fw_varint_get(p, TIME_BYTES, &v) != TIME_BYTES)
        return false;
    *t = (fw_ms)v;
    return true;
}

static bool read_point(struct fw_str message, struct rw_point *out)
{
    const char *end = message.p + message.n;
    const char *p = end - POINT_BYTES;

    if (message.n >= POINT_BYTES && p[0] == 0x12 && p[1] == 0x10 &&
        p[2] == 0x09 && p[11] == 0x10) {
        out->name = (struct fw_str){message.p, (size_t)(p - message.p)};
        out->v = fw_double_of_bits(fw_get_le64(p + 3));
        return take_time(p + 12, &out->t);
    }
    p = end - ZERO_BYTES;
    if (message.n < ZERO_BYTES || p[0] != 0x12 || p[1] != 0x07 || p[2] != 0x10)
        return false;
    out->name = (struct fw_str){message.p, (size_t)(p - message.p)};
    out->v = 0;
    return take_time(p + 3, &out->t);
}

enum rw_step rw_next_point(struct fw_str *body, struct rw_point *out)
{
    uint64_t length;
    size_t n;

    if (body->n == 0)
        return RW_END;
    if (body->p[0] != (REQUEST_SERIES << 3 | WIRE_BYTES))
        return RW_OTHER;
    n = fw_varint_get(body->p + 1, body->n - 1, &length);
    if (n == 0 || length > body->n - 1 - n ||
        !read_point((struct fw_str){body->p + 1 + n, (size_t)length}, out))
        return RW_OTHER;
    n += 1 + (size_t)length;
    *body = (struct fw_str){body->p + n, body->n - n};
    return RW_POINT;
}
