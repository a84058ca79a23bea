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
