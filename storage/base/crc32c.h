/* SPDX-License-Identifier: GPL-3.0-or-later */
/* crc32c.h - CRC-32C (Castagnoli, RFC 3720 appendix B.4). */
#ifndef FW_STORAGE_BASE_CRC32C_H
#define FW_STORAGE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of n bytes; SSE 4.2 where the processor has it. */
uint32_t fw_crc32c(const void *bytes, size_t n);

/* Continues a checksum: fw_crc32c_more(fw_crc32c(a), b) is that of a then b. */
uint32_t fw_crc32c_more(uint32_t crc, const void *bytes, size_t n);

/* The table version, the reference that the other one is tested against. */
uint32_t fw_crc32c_more_portable(uint32_t crc, const void *bytes, size_t n);

#endif
