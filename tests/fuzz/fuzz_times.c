/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_times.c - hostile time columns, and any times there and back.
 *
 * Input: u16 n, then the column. The same bytes are also taken as timestamps,
 * encoded and compared, and all kernels must give the same answer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels.h"
#include "storage/codec/times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

static void *must_alloc(size_t bytes)
{
    void *p = malloc(bytes > 0 ? bytes : 1);

    must(p != NULL);
    return p;
}

static void decode_all(const uint8_t *in, size_t len, size_t n)
{
    fw_ms *first = must_alloc(n * sizeof(*first));
    fw_ms *other = must_alloc(n * sizeof(*other));
    fw_rc expected = FW_OK;

    for (unsigned k = 0; k < CODEC_KERNELS; k++) {
        if (codec_kernels_at(k) == NULL)
            continue;
        codec_kernels_use(codec_kernels_at(k));
        fw_rc rc = times_decode(in, len, n, k == 0 ? first : other, NULL);
        must(rc == FW_OK || rc == FW_ECORRUPT);
        if (k == 0)
            expected = rc;
        must(rc == expected);
        if (k > 0 && rc == FW_OK)
            must(memcmp(first, other, n * sizeof(*first)) == 0);
    }
    codec_kernels_use(NULL);
    free(first);
    free(other);
}

static void there_and_back(const uint8_t *data, size_t size)
{
    size_t n = size / sizeof(fw_ms);
    fw_ms *t = must_alloc(n * sizeof(*t));
    fw_ms *back = must_alloc(n * sizeof(*back));
    uint8_t *bytes = must_alloc(times_bound(n));

    memcpy(t, data, n * sizeof(*t));
    size_t len = times_encode(t, n, bytes);
    must(len <= times_bound(n));
    must(times_decode(bytes, len, n, back, NULL) == FW_OK);
    must(memcmp(t, back, n * sizeof(*t)) == 0);
    free(t);
    free(back);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t *column = must_alloc(size - 2); /* ends where it says */
    memcpy(column, data + 2, size - 2);
    decode_all(column, size - 2, fw_get_le16(data));
    there_and_back(column, size - 2);
    free(column);
    return 0;
}
