/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * times.c - timestamps are runs of integers and nothing else (ints.h). The
 * grid prediction is made for them: the jitter of a clock enters a residual
 * from the grid once, a difference twice and a second difference four times.
 */
#include "storage/codec/times.h"

#include <string.h>

#include "storage/codec/bits.h"
#include "storage/codec/ints.h"

size_t times_bound(size_t n)
{
    size_t runs = (n + INTS_MAX - 1) / INTS_MAX;
    size_t groups = (n + CODEC_GROUP - 1) / CODEC_GROUP;

    return n * sizeof(fw_ms) + groups + runs * INTS_HEADER_BYTES_MAX +
           BITS_SLACK;
}

size_t times_encode(const fw_ms *t, size_t n, uint8_t *out)
{
    uint64_t x[INTS_MAX];
    struct ints_plan plan;
    size_t bytes = 0;

    for (size_t i = 0; i < n; i += INTS_MAX) {
        size_t run = n - i < INTS_MAX ? n - i : INTS_MAX;
        memcpy(x, t + i, run * sizeof(*x));
        ints_plan(x, run, &plan);
        bytes += ints_write(x, &plan, out + bytes);
    }
    return bytes;
}

/* Reads one run; NULL if the bytes do not hold it. */
static const uint8_t *run_read(const uint8_t *in, const uint8_t *end, size_t n,
                               fw_ms *out)
{
    struct ints_reader reader;
    CODEC_ALIGNED uint64_t x[CODEC_ROOM];

    if (!ints_open(&reader, in, end))
        return NULL;
    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        size_t m = n - i < CODEC_GROUP ? n - i : CODEC_GROUP;
        if (!ints_next(&reader, m, x))
            return NULL;
        memcpy(out + i, x, m * sizeof(*x));
    }
    return reader.in;
}

fw_rc times_decode(const uint8_t *in, size_t len, size_t n, fw_ms *out,
                   struct fw_err *err)
{
    const uint8_t *end = in + len;

    for (size_t i = 0; i < n; i += INTS_MAX) {
        size_t run = n - i < INTS_MAX ? n - i : INTS_MAX;
        in = run_read(in, end, run, out + i);
        if (in == NULL)
            return fw_err_set(err, FW_ECORRUPT,
                              "time column: its %zu bytes do not hold %zu "
                              "timestamps",
                              len, n);
    }
    if (in != end)
        return fw_err_set(err, FW_ECORRUPT,
                          "time column: %zu bytes are left over behind %zu "
                          "timestamps",
                          (size_t)(end - in), n);
    return FW_OK;
}
