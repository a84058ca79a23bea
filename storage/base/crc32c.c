/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/crc32c.h"

#include <pthread.h>
#include <string.h>

#define CRC32C_POLY 0x82F63B78u /* reversed 0x1EDC6F41 */

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) ? CRC32C_POLY : 0);
        table[i] = crc;
    }
}

uint32_t fw_crc32c_more_portable(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    (void)pthread_once(&table_once, table_fill);
    crc = ~crc;
    for (size_t i = 0; i < n; i++)
        crc = table[(crc ^ p[i]) & 0xFF] ^ (crc >> 8);
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t wide = ~crc;

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    for (; n > 0; n--, p++)
        wide = __builtin_ia32_crc32qi((uint32_t)wide, *p);
    return ~(uint32_t)wide;
}
#endif

uint32_t fw_crc32c_more(uint32_t crc, const void *bytes, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, bytes, n);
#endif
    return fw_crc32c_more_portable(crc, bytes, n);
}

uint32_t fw_crc32c(const void *bytes, size_t n)
{
    return fw_crc32c_more(0, bytes, n);
}
