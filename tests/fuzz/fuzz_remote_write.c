/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_remote_write.c - a body as protobuf and as a snappy block. What passes
 * the check is then read to the last sample, inside its bytes.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/ingest/remote_write.h"
#include "server/ingest/snappy.h"
#include "server/ingest/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool only_labels(struct fw_str bytes)
{
    struct wire_field field;

    if (bytes.n == 0)
        return false;
    while (bytes.n > 0)
        if (wire_next(&bytes, &field) != FW_OK || field.number != 1 ||
            field.type != WIRE_BYTES)
            return false;
    return true;
}

/*
 * Where the name of a point is labels and nothing else, the whole reader finds
 * the same name and the same sample, and nothing behind it.
 */
static void compare_points(struct fw_str body)
{
    struct fw_str whole = body;
    struct rw_point point;

    while (rw_next_point(&body, &point) == RW_POINT) {
        struct fw_str rest;
        struct rw_series series;
        double v;
        fw_ms t;

        if (!rw_next(&whole, &series))
            abort();
        if (!only_labels(point.name))
            continue;
        rest = series.bytes;
        if (!fw_str_eq(point.name, series.name) || series.samples != 1 ||
            series.exemplars + series.histograms > 0 ||
            !rw_sample(&rest, &t, &v) || t != point.t ||
            fw_double_bits(v) != fw_double_bits(point.v))
            abort();
    }
}

static void read_all(struct fw_str body)
{
    struct fw_err err = {0};
    struct rw_series series;

    if (rw_check(body, &err) != FW_OK) {
        if (err.text[0] == '\0')
            abort();
        return;
    }
    while (rw_next(&body, &series)) {
        struct fw_label labels[FW_MAX_LABELS + 1];
        struct fw_str rest = series.bytes;
        size_t n, samples = 0;
        double v;
        fw_ms t;

        rw_labels(&series, labels, &n);
        for (size_t i = 0; i < n; i++)
            if (labels[i].name.n > series.bytes.n ||
                labels[i].value.n > series.bytes.n)
                abort();
        while (rw_sample(&rest, &t, &v))
            samples++;
        if (samples != series.samples || series.name.n > series.bytes.n)
            abort();
    }
}

static void read_both(struct fw_str body)
{
    read_all(body);
    compare_points(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_str body = {(const char *)data, size};
    struct fw_buf plain = FW_BUF_INIT(1 << 20);
    struct fw_err err = {0};

    read_both(body);
    if (snappy_block_add(body, &plain, &err) == FW_OK)
        read_both((struct fw_str){plain.data, plain.len});
    else if (err.text[0] == '\0')
        abort();
    fw_buf_release(&plain);
    return 0;
}
