/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_values.c - hostile value blocks, and any values there and back.
 *
 * Input: u16 n, then the block. The same bytes are also taken as doubles,
 * encoded and compared, and all kernels must give the same answer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels.h"
#include "storage/codec/values.h"

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

/* Good bytes give the same values by all kernels, bad ones an error by all. */
static void decode_all(const uint8_t *in, size_t len, size_t n)
{
    double *first = must_alloc(n * sizeof(*first));
    double *other = must_alloc(n * sizeof(*other));
    fw_rc expected = FW_OK;

    for (unsigned k = 0; k < CODEC_KERNELS; k++) {
        if (codec_kernels_at(k) == NULL)
            continue;
        codec_kernels_use(codec_kernels_at(k));
        fw_rc rc = values_decode(in, len, n, k == 0 ? first : other, NULL);
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
    size_t n = size / sizeof(double);
    double *v = must_alloc(n * sizeof(*v));
    double *back = must_alloc(n * sizeof(*back));
    uint8_t *bytes = must_alloc(values_bound(n));

    memcpy(v, data, n * sizeof(*v));
    size_t len = values_encode(v, n, NULL, bytes);
    must(len <= values_bound(n));
    must(values_decode(bytes, len, n, back, NULL) == FW_OK);
    must(memcmp(v, back, n * sizeof(*v)) == 0);
    free(v);
    free(back);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t *block = must_alloc(size - 2); /* ends where it says */
    memcpy(block, data + 2, size - 2);
    decode_all(block, size - 2, fw_get_le16(data));
    there_and_back(block, size - 2);
    free(block);
    return 0;
}
