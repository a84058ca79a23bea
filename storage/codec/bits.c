/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bits.c - chooses, writes and reads the packing of one group.
 *
 *   tag 0..64     plain: n integers of `tag` bits
 *   tag 65..128   patched, w = tag - 65: count e, high width h, n x w bits,
 *                 e position bytes, e x h bits that go above the w
 *   tag 129..192  sparse, w = tag - 129: bitmap of n bits, then each
 *                 non-zero integer less one in w bits
 *   tag 193..248  Rice, k = tag - 193: n x k low bits, then each quotient
 *                 as that many zeros and a one
 *
 * Every run of bits begins at a byte and is filled from the least significant
 * bit.
 */
#include "storage/codec/bits.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels.h"

enum {
    TAG_PATCHED = 65,
    TAG_SPARSE = 129,
    TAG_RICE = 193,
    TAG_END = 249,
    RICE_MAX = TAG_END - 1 - TAG_RICE
};

static size_t packed_bytes(size_t n, unsigned width)
{
    return (n * width + 7) / 8;
}

static unsigned bit_length(uint64_t v)
{
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(v);
}

/* ---- choosing ----------------------------------------------------------- */

struct choice {
    uint8_t tag;
    size_t bytes;
};

static void consider(struct choice *best, uint8_t tag, size_t bytes)
{
    if (bytes < best->bytes) {
        best->tag = tag;
        best->bytes = bytes;
    }
}

static size_t patched_bytes(size_t n, unsigned w, size_t patches, unsigned top)
{
    return 2 + packed_bytes(n, w) + patches + packed_bytes(patches, top - w);
}

/* Walks w down from the widest; the patches only get more, so once they
 * alone cost too much no smaller w can win. */
static void consider_patched(struct choice *best, size_t n,
                             const struct codec_lengths *l, unsigned top)
{
    size_t patches = 0;

    for (unsigned w = top; w-- > 0;) {
        patches += l->count[w + 1];
        if (patches >= best->bytes)
            break;
        consider(best, (uint8_t)(TAG_PATCHED + w),
                 patched_bytes(n, w, patches, top));
    }
}

static void consider_sparse(struct choice *best, size_t n,
                            const struct codec_lengths *l)
{
    unsigned w = bit_length(l->max - 1);

    if (l->max > 0 && l->count[0] > 0 && w < 64)
        consider(best, (uint8_t)(TAG_SPARSE + w),
                 packed_bytes(n, 1) + packed_bytes(n - l->count[0], w));
}

static uint64_t rice_bits(const uint64_t *u, size_t n, unsigned k)
{
    return n * (k + 1) + codec_kernels()->quotients(u, n, k);
}

static size_t rice_bytes(size_t n, unsigned k, uint64_t bits)
{
    return packed_bytes(n, k) + packed_bytes(bits - n * k, 1);
}

/*
 * The bits are convex in k: one more k costs n and saves the sum of
 * ceil(q / 2), which only shrinks. The best k lies next to log2 of the mean
 * [Rice and Plaunt 1971]: start there and walk downhill.
 */
static void consider_rice(struct choice *best, const uint64_t *u, size_t n,
                          const struct codec_lengths *l, unsigned top)
{
    unsigned low = 0;
    unsigned k;
    uint64_t here;
    uint64_t there;

    if (top == 0 || top > 56)
        return;
    while (l->max >> low > CODEC_UNARY_MAX)
        low++;
    k = bit_length(l->sum / n);
    k = k > low + 1 ? k - 1 : low;
    here = rice_bits(u, n, k);
    if (here / 8 > best->bytes + n / 8) /* a neighbour saves at most this */
        return;
    while (k > low && (there = rice_bits(u, n, k - 1)) < here) {
        here = there;
        k--;
    }
    while (k < RICE_MAX && (there = rice_bits(u, n, k + 1)) < here) {
        here = there;
        k++;
    }
    consider(best, (uint8_t)(TAG_RICE + k), rice_bytes(n, k, here));
}

uint8_t bits_choose(const uint64_t *u, size_t n, size_t *bytes)
{
    struct codec_lengths lengths;
    struct choice best;
    unsigned top;

    codec_kernels()->lengths(u, n, &lengths);
    top = bit_length(lengths.max);
    best.tag = (uint8_t)top;
    best.bytes = packed_bytes(n, top);
    if (top > 0) {
        consider_patched(&best, n, &lengths, top);
        consider_sparse(&best, n, &lengths);
        consider_rice(&best, u, n, &lengths, top);
    }
    *bytes = best.bytes;
    return best.tag;
}

static size_t size_plain(const struct codec_lengths *l, size_t n, unsigned w)
{
    return bit_length(l->max) > w ? SIZE_MAX : packed_bytes(n, w);
}

static size_t size_patched(const struct codec_lengths *l, size_t n, unsigned w)
{
    unsigned top = bit_length(l->max);
    size_t patches = 0;

    for (unsigned i = w + 1; i <= top; i++)
        patches += l->count[i];
    return patched_bytes(n, w, patches, top > w ? top : w);
}

static size_t size_sparse(const struct codec_lengths *l, size_t n, unsigned w)
{
    if (l->max > 0 && bit_length(l->max - 1) > w)
        return SIZE_MAX;
    return packed_bytes(n, 1) + packed_bytes(n - l->count[0], w);
}

size_t bits_size(const uint64_t *u, size_t n, uint8_t tag)
{
    struct codec_lengths lengths;

    codec_kernels()->lengths(u, n, &lengths);
    if (tag < TAG_PATCHED)
        return size_plain(&lengths, n, tag);
    if (tag < TAG_SPARSE)
        return size_patched(&lengths, n, tag - TAG_PATCHED);
    if (tag < TAG_RICE)
        return size_sparse(&lengths, n, tag - TAG_SPARSE);
    assert(tag < TAG_END);
    if (lengths.max >> (tag - TAG_RICE) > CODEC_UNARY_MAX)
        return SIZE_MAX;
    return rice_bytes(n, tag - TAG_RICE, rice_bits(u, n, tag - TAG_RICE));
}

/* ---- writing ------------------------------------------------------------ */

static size_t write_plain(const uint64_t *u, size_t n, unsigned w, uint8_t *out)
{
    codec_kernels()->pack(u, n, w, out);
    return packed_bytes(n, w);
}

static size_t write_patched(const uint64_t *u, size_t n, unsigned w,
                            uint8_t *out)
{
    uint64_t high[CODEC_ROOM];
    uint8_t at[CODEC_GROUP];
    uint64_t all = 0;
    size_t patches = 0;
    uint8_t *p = out + 2;

    for (size_t i = 0; i < n; i++) {
        high[patches] = u[i] >> w;
        at[patches] = (uint8_t)i;
        all |= high[patches];
        patches += high[patches] != 0;
    }
    out[0] = (uint8_t)patches;
    out[1] = (uint8_t)bit_length(all);
    p += write_plain(u, n, w, p);
    memcpy(p, at, patches);
    p += patches;
    p += write_plain(high, patches, out[1], p);
    return (size_t)(p - out);
}

static size_t write_sparse(const uint64_t *u, size_t n, unsigned w,
                           uint8_t *out)
{
    uint64_t less_one[CODEC_ROOM];
    size_t count = 0;
    size_t head = packed_bytes(n, 1);

    memset(out, 0, head);
    for (size_t i = 0; i < n; i++) {
        less_one[count] = u[i] - 1;
        count += u[i] != 0;
        out[i / 8] |= (uint8_t)((u[i] != 0) << (i % 8));
    }
    return head + write_plain(less_one, count, w, out + head);
}

static size_t write_unary(const uint64_t *u, size_t n, unsigned k, uint8_t *out)
{
    uint64_t word = 0;
    size_t bit = 0; /* where the next quotient begins, from `out` */

    for (size_t i = 0; i < n; i++) {
        size_t one = bit + (size_t)(u[i] >> k);
        while (one / 64 > bit / 64) {
            fw_put_le64(out + bit / 64 * 8, word);
            word = 0;
            bit = (bit / 64 + 1) * 64;
        }
        word |= UINT64_C(1) << (one % 64);
        bit = one + 1;
        if (bit % 64 == 0) {
            fw_put_le64(out + one / 64 * 8, word);
            word = 0;
        }
    }
    if (bit % 64 != 0)
        fw_put_le64(out + bit / 64 * 8, word);
    return (bit + 7) / 8;
}

size_t bits_write(const uint64_t *u, size_t n, uint8_t tag, uint8_t *out)
{
    size_t low;

    assert(n > 0 && n <= CODEC_GROUP);
    assert(tag < TAG_END);
    if (tag < TAG_PATCHED)
        return write_plain(u, n, tag, out);
    if (tag < TAG_SPARSE)
        return write_patched(u, n, tag - TAG_PATCHED, out);
    if (tag < TAG_RICE)
        return write_sparse(u, n, tag - TAG_SPARSE, out);
    low = write_plain(u, n, tag - TAG_RICE, out);
    return low + write_unary(u, n, tag - TAG_RICE, out + low);
}

/* ---- reading ------------------------------------------------------------ */

/*
 * Unpacks n x w bits at `in`, of which all bytes are known to lie before
 * `end`. Kernels read in large bites: near the end they get a copy with room.
 */
static void unpack(const uint8_t *in, const uint8_t *end, unsigned w, size_t n,
                   uint64_t *out)
{
    uint8_t copy[BITS_GROUP_BYTES_MAX + CODEC_PAD];
    size_t bytes = packed_bytes(n, w);

    if ((size_t)(end - in) < bytes + CODEC_PAD) {
        memcpy(copy, in, bytes);
        memset(copy + bytes, 0, CODEC_PAD);
        in = copy;
    }
    codec_kernels()->unpack(in, w, n, out);
}

static bool holds(const uint8_t *in, const uint8_t *end, size_t bytes)
{
    return (size_t)(end - in) >= bytes;
}

static const uint8_t *read_plain(const uint8_t *in, const uint8_t *end,
                                 unsigned w, size_t n, uint64_t *out)
{
    size_t bytes = packed_bytes(n, w);

    if (!holds(in, end, bytes))
        return NULL;
    unpack(in, end, w, n, out);
    return in + bytes;
}

static const uint8_t *read_patched(const uint8_t *in, const uint8_t *end,
                                   unsigned w, size_t n, uint64_t *out)
{
    uint64_t high[CODEC_ROOM];
    const uint8_t *at;
    size_t patches;
    unsigned width;

    if (!holds(in, end, 2))
        return NULL;
    patches = in[0];
    width = in[1];
    if (patches > n || width > 64 - w)
        return NULL;
    at = read_plain(in + 2, end, w, n, out);
    if (at == NULL || !holds(at, end, patches))
        return NULL;
    end = read_plain(at + patches, end, width, patches, high);
    if (end == NULL)
        return NULL;
    for (size_t i = 0; i < patches; i++) {
        if (at[i] >= n)
            return NULL;
        out[at[i]] |= high[i] << w;
    }
    return end;
}

static const uint8_t *read_sparse(const uint8_t *in, const uint8_t *end,
                                  unsigned w, size_t n, uint64_t *out)
{
    uint8_t bitmap[CODEC_GROUP / 8] = {0};
    CODEC_ALIGNED uint64_t packed[CODEC_ROOM];
    size_t head = packed_bytes(n, 1);
    size_t count;

    if (!holds(in, end, head))
        return NULL;
    memcpy(bitmap, in, head);
    if (n % 8 != 0) /* bits behind the last integer mean nothing */
        bitmap[head - 1] &= (uint8_t)((1u << (n % 8)) - 1);
    count = (size_t)__builtin_popcountll(fw_get_le64(bitmap)) +
            (size_t)__builtin_popcountll(fw_get_le64(bitmap + 8));
    in = read_plain(in + head, end, w, count, packed);
    if (in == NULL)
        return NULL;
    packed[count] = 0; /* expand looks one ahead */
    codec_kernels()->expand(bitmap, packed, n, out);
    return in;
}

static const uint8_t *read_rice(const uint8_t *in, const uint8_t *end,
                                unsigned k, size_t n, uint64_t *out)
{
    uint8_t copy[BITS_GROUP_BYTES_MAX + CODEC_PAD];
    size_t bytes = packed_bytes(n, k);
    const uint8_t *low = in;

    if (!holds(in, end, bytes))
        return NULL;
    if ((size_t)(end - in) < bytes + CODEC_PAD) {
        memcpy(copy, in, bytes);
        memset(copy + bytes, 0, CODEC_PAD);
        low = copy;
    }
    return codec_kernels()->unrice(low, k, in + bytes, end, n, out);
}

const uint8_t *bits_read(const uint8_t *in, const uint8_t *end, uint8_t tag,
                         size_t n, uint64_t *out)
{
    assert(n > 0 && n <= CODEC_GROUP);
    if (tag < TAG_PATCHED)
        return read_plain(in, end, tag, n, out);
    if (tag < TAG_SPARSE)
        return read_patched(in, end, tag - TAG_PATCHED, n, out);
    if (tag < TAG_RICE)
        return read_sparse(in, end, tag - TAG_SPARSE, n, out);
    if (tag < TAG_END)
        return read_rice(in, end, tag - TAG_RICE, n, out);
    return NULL;
}

const uint8_t *bits_read_narrow(const uint8_t *in, const uint8_t *end,
                                uint8_t tag, size_t n, struct codec_line *line,
                                unsigned k, double *out)
{
    uint8_t copy[BITS_GROUP_BYTES_MAX + CODEC_PAD];
    bool rice = tag >= TAG_RICE && tag < TAG_END;
    unsigned w = rice ? tag - TAG_RICE : tag;
    size_t bytes = packed_bytes(n, w);
    const uint8_t *low = in;
    const uint8_t *unary = NULL;

    assert(n > 0 && n <= CODEC_GROUP);
    if (codec_kernels()->narrow == NULL ||
        w > (rice ? CODEC_NARROW_RICE : CODEC_NARROW_PLAIN) ||
        !holds(in, end, bytes))
        return NULL;
    if ((size_t)(end - in) < bytes + CODEC_PAD) {
        memcpy(copy, in, bytes);
        memset(copy + bytes, 0, CODEC_PAD);
        low = copy;
    }
    if (rice)
        unary = in + bytes;
    else
        end = in + bytes;
    return codec_kernels()->narrow(low, w, unary, end, n, line, k, out);
}
