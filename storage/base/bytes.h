/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bytes.h - fields of files and protocols, one by one, little-endian, and
 * variable-length integers (LEB128, as in protobuf).
 *
 * Big-endian puts exist for LMDB keys, which are compared as bytes.
 */
#ifndef FW_STORAGE_BASE_BYTES_H
#define FW_STORAGE_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FW_VARINT_MAX_BYTES 10

/* Compilers turn these into one move on a little-endian machine. */
static inline void fw_put_le16(void *to, uint16_t v)
{
    unsigned char *p = to;

    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static inline void fw_put_le32(void *to, uint32_t v)
{
    unsigned char *p = to;

    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
    p[2] = (unsigned char)(v >> 16);
    p[3] = (unsigned char)(v >> 24);
}

static inline void fw_put_le64(void *to, uint64_t v)
{
    unsigned char *p = to;

    fw_put_le32(p, (uint32_t)v);
    fw_put_le32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t fw_get_le16(const void *from)
{
    const unsigned char *p = from;

    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t fw_get_le32(const void *from)
{
    const unsigned char *p = from;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static inline uint64_t fw_get_le64(const void *from)
{
    const unsigned char *p = from;

    return (uint64_t)fw_get_le32(p) | (uint64_t)fw_get_le32(p + 4) << 32;
}

static inline void fw_put_be16(void *to, uint16_t v)
{
    unsigned char *p = to;

    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

static inline void fw_put_be32(void *to, uint32_t v)
{
    unsigned char *p = to;

    p[0] = (unsigned char)(v >> 24);
    p[1] = (unsigned char)(v >> 16);
    p[2] = (unsigned char)(v >> 8);
    p[3] = (unsigned char)v;
}

static inline void fw_put_be64(void *to, uint64_t v)
{
    unsigned char *p = to;

    fw_put_be32(p, (uint32_t)(v >> 32));
    fw_put_be32(p + 4, (uint32_t)v);
}

static inline uint32_t fw_get_be32(const void *from)
{
    const unsigned char *p = from;

    return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 |
           (uint32_t)p[0] << 24;
}

static inline uint64_t fw_get_be64(const void *from)
{
    const unsigned char *p = from;

    return (uint64_t)fw_get_be32(p + 4) | (uint64_t)fw_get_be32(p) << 32;
}

/* The bits of a double, and back: never through arithmetic (NaN payloads). */
static inline uint64_t fw_double_bits(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static inline double fw_double_of_bits(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static inline uint64_t fw_zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t fw_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Writes v to `to` (room for FW_VARINT_MAX_BYTES) and returns its length. */
static inline size_t fw_varint_put(void *to, uint64_t v)
{
    unsigned char *p = to;
    size_t n = 0;

    while (v >= 0x80) {
        p[n++] = (unsigned char)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (unsigned char)v;
    return n;
}

/*
 * Reads a varint from the `n` hostile bytes at `from`. Returns how many bytes
 * it took, 0 if it is cut short or does not fit 64 bits; *v is then untouched.
 */
static inline size_t fw_varint_get(const void *from, size_t n, uint64_t *v)
{
    const unsigned char *p = from;
    uint64_t x = 0;

    for (size_t i = 0; i < n && i < FW_VARINT_MAX_BYTES; i++) {
        if (i == 9 && p[i] > 1)
            return 0;
        x |= (uint64_t)(p[i] & 0x7F) << (7 * i);
        if ((p[i] & 0x80) == 0) {
            *v = x;
            return i + 1;
        }
    }
    return 0;
}

#endif
