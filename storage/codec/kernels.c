/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels.c - picks the kernels for this processor, once.
 */
#include "storage/codec/kernels.h"

#include <stdatomic.h>

const double codec_power10[CODEC_DECIMALS_MAX + 1] = {
    1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
    1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

/* Written with the same answer by whoever comes first. */
static _Atomic(const struct codec_kernels *) g_kernels;

const struct codec_kernels *codec_kernels_at(unsigned index)
{
    switch (index) {
    case 0:
        return kernels_scalar();
    case 1:
        return kernels_sse2();
    case 2:
        return kernels_avx2();
    case 3:
        return kernels_avx512();
    default:
        return NULL;
    }
}

const struct codec_kernels *codec_kernels(void)
{
    const struct codec_kernels *k =
        atomic_load_explicit(&g_kernels, memory_order_acquire);

    if (k != NULL)
        return k;
    for (unsigned i = 0; i < CODEC_KERNELS; i++)
        if (codec_kernels_at(i) != NULL)
            k = codec_kernels_at(i);
    atomic_store_explicit(&g_kernels, k, memory_order_release);
    return k;
}

void codec_kernels_use(const struct codec_kernels *kernels)
{
    atomic_store_explicit(&g_kernels, kernels, memory_order_release);
}
