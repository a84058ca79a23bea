/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values.c - blocks of values back to doubles.
 *
 * A run is decoded group by group: integers are unpacked into a buffer of
 * one group, which stays in the first-level cache, and leave it as doubles.
 * Readers return the byte behind what they read, or NULL if the bytes are no
 * such run; one sentence is made of that at the top.
 */
#include "storage/codec/values.h"

#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/values_format.h"

static size_t group_size(size_t n, size_t at)
{
    return n - at < CODEC_GROUP ? n - at : CODEC_GROUP;
}

static const uint8_t *read_raw(const uint8_t *in, const uint8_t *end, size_t n,
                               double *out)
{
    if ((size_t)(end - in) / sizeof(*out) < n)
        return NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = fw_double_of_bits(fw_get_le64(in + 8 * i));
    return in + n * sizeof(*out);
}

static const uint8_t *read_constant(const uint8_t *in, const uint8_t *end,
                                    unsigned bytes, size_t n, double *out)
{
    uint8_t all[8] = {0};
    double v;

    if (bytes > 8 || (size_t)(end - in) < bytes)
        return NULL;
    memcpy(all + 8 - bytes, in, bytes);
    v = fw_double_of_bits(fw_get_le64(all));
    for (size_t i = 0; i < n; i++)
        out[i] = v;
    return in + bytes;
}

static const uint8_t *read_bits(const uint8_t *in, const uint8_t *end, size_t n,
                                double *out)
{
    const struct codec_kernels *k = codec_kernels();
    struct ints_reader reader;
    CODEC_ALIGNED uint64_t x[CODEC_ROOM];

    if (!ints_open(&reader, in, end))
        return NULL;
    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        size_t m = group_size(n, i);
        if (!ints_next(&reader, m, x))
            return NULL;
        k->unorder(x, m, out + i);
    }
    return reader.in;
}

/* ---- decimals ----------------------------------------------------------- */

static const uint8_t *read_quotients(const uint8_t *in, const uint8_t *end,
                                     unsigned decimals, size_t n, double *out)
{
    struct ints_reader reader;

    if (!ints_open(&reader, in, end))
        return NULL;
    for (size_t i = 0; i < n; i += CODEC_GROUP)
        if (!ints_next_decimals(&reader, group_size(n, i), decimals, out + i))
            return NULL;
    return reader.in;
}

static const uint8_t *read_ulps(const uint8_t *in, const uint8_t *end, size_t n,
                                double *out)
{
    const struct codec_kernels *k = codec_kernels();
    struct ints_reader reader;
    CODEC_ALIGNED uint64_t x[CODEC_ROOM];

    if (!ints_open(&reader, in, end))
        return NULL;
    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        size_t m = group_size(n, i);
        if (!ints_next(&reader, m, x))
            return NULL;
        k->nudge(x, m, out + i);
    }
    return reader.in;
}

static const uint8_t *read_varint(const uint8_t *in, const uint8_t *end,
                                  uint64_t *v)
{
    size_t bytes = fw_varint_get(in, (size_t)(end - in), v);

    return bytes == 0 ? NULL : in + bytes;
}

static const uint8_t *read_few_gaps(const uint8_t *in, const uint8_t *end,
                                    size_t count, uint64_t *gaps)
{
    for (size_t i = 0; i < count && in != NULL; i++)
        in = read_varint(in, end, &gaps[i]);
    return in;
}

static const uint8_t *read_gaps(const uint8_t *in, const uint8_t *end,
                                size_t count, uint64_t *gaps)
{
    struct ints_reader reader;

    if (count < VALUES_GAPS_RUN)
        return read_few_gaps(in, end, count, gaps);
    if (!ints_open(&reader, in, end))
        return NULL;
    for (size_t i = 0; i < count; i += CODEC_GROUP)
        if (!ints_next(&reader, group_size(count, i), gaps + i))
            return NULL;
    return reader.in;
}

static const uint8_t *read_exceptions(const uint8_t *in, const uint8_t *end,
                                      size_t n, double *out)
{
    uint64_t gaps[VALUES_RUN + CODEC_ROOM];
    uint64_t count;
    uint64_t at = 0;
    size_t step;

    in = read_varint(in, end, &count);
    if (in == NULL || count / 2 > n)
        return NULL;
    step = count % 2 != 0 ? 0 : 8; /* from the bits of one to the next */
    count /= 2;
    in = read_gaps(in, end, count, gaps);
    if (in == NULL || (size_t)(end - in) / 8 < (step != 0 ? count : 1))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (gaps[i] >= n - at)
            return NULL;
        at += gaps[i];
        out[at] = fw_double_of_bits(fw_get_le64(in + step * i));
    }
    return in + (step != 0 ? 8 * count : 8);
}

static const uint8_t *read_decimals(const uint8_t *in, const uint8_t *end,
                                    unsigned flags, size_t n, double *out)
{
    unsigned decimals = flags & VALUES_DECIMAL_DIGITS;

    if (decimals > CODEC_DECIMALS_MAX)
        return NULL;
    in = read_quotients(in, end, decimals, n, out);
    if (in != NULL && (flags & VALUES_DECIMAL_ULPS) != 0)
        in = read_ulps(in, end, n, out);
    if (in != NULL && (flags & VALUES_DECIMAL_EXCEPTIONS) != 0)
        in = read_exceptions(in, end, n, out);
    return in;
}

/* ---- runs --------------------------------------------------------------- */

/* Any run but a dictionary, which may not stand inside another. */
static const uint8_t *read_plain(const uint8_t *in, const uint8_t *end,
                                 size_t n, double *out)
{
    unsigned kind;

    if (in == end)
        return NULL;
    kind = *in++;
    if (kind >= VALUES_DECIMAL)
        return read_decimals(in, end, kind, n, out);
    if (kind >= VALUES_CONSTANT)
        return read_constant(in, end, kind - VALUES_CONSTANT, n, out);
    if (kind == VALUES_BITS)
        return read_bits(in, end, n, out);
    if (kind == VALUES_RAW)
        return read_raw(in, end, n, out);
    return NULL;
}

static const uint8_t *read_dictionary(const uint8_t *in, const uint8_t *end,
                                      size_t n, double *out)
{
    const struct codec_kernels *k = codec_kernels();
    double entries[VALUES_ENTRIES_MAX];
    struct ints_reader reader;
    CODEC_ALIGNED uint64_t ranks[CODEC_ROOM];
    uint64_t count;

    in = read_varint(in, end, &count);
    if (in == NULL || count == 0 || count > n || count > VALUES_ENTRIES_MAX)
        return NULL;
    in = read_plain(in, end, count, entries);
    if (in == NULL || !ints_open(&reader, in, end))
        return NULL;
    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        size_t m = group_size(n, i);
        if (!ints_next(&reader, m, ranks) ||
            !k->lookup(entries, count, ranks, m, out + i))
            return NULL;
    }
    return reader.in;
}

static const uint8_t *read_run(const uint8_t *in, const uint8_t *end, size_t n,
                               double *out)
{
    if (in != end && *in == VALUES_DICTIONARY)
        return read_dictionary(in + 1, end, n, out);
    return read_plain(in, end, n, out);
}

fw_rc values_decode(const uint8_t *in, size_t len, size_t n, double *out,
                    struct fw_err *err)
{
    const uint8_t *end;

    if (n == 0 && len == 0)
        return FW_OK;
    end = in + len;
    for (size_t i = 0; i < n; i += VALUES_RUN) {
        size_t run = n - i < VALUES_RUN ? n - i : VALUES_RUN;
        in = read_run(in, end, run, out + i);
        if (in == NULL)
            return fw_err_set(err, FW_ECORRUPT,
                              "value block: its %zu bytes do not hold %zu "
                              "values",
                              len, n);
    }
    if (in != end)
        return fw_err_set(err, FW_ECORRUPT,
                          "value block: %zu bytes are left over behind %zu "
                          "values",
                          (size_t)(end - in), n);
    return FW_OK;
}
