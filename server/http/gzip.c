/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/gzip.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include "storage/base/limits.h"

#define STEP_BYTES 65536
#define FREE_BYTES (1 << 20) /* decoded bytes before the ratio counts */
#define REPLY_LEVEL 2 /* text shrinks well here; 6 costs thrice as much */

struct gunzip {
    z_stream z;
    bool begun; /* z is set up, for the form the first byte told */
    bool ended; /* behind the end of a member */
    bool gzip;  /* members may follow each other */
    uint64_t taken;
};

fw_rc gunzip_new(struct gunzip **out)
{
    struct gunzip *gunzip = calloc(1, sizeof(*gunzip));

    if (gunzip == NULL)
        return FW_ENOMEM;
    *out = gunzip;
    return FW_OK;
}

void gunzip_free(struct gunzip *gunzip)
{
    if (gunzip == NULL)
        return;
    if (gunzip->begun)
        (void)inflateEnd(&gunzip->z); /* frees; has no other outcome here */
    free(gunzip);
}

/*
 * "deflate" means zlib's form [RFC 9110, 8.4.1.2], but some clients send the
 * raw one. The first byte tells: 0x1f is gzip, method 8 with a window of at
 * most 32 KiB is zlib, anything else is raw.
 */
static fw_rc begin(struct gunzip *gunzip, unsigned char first)
{
    int bits = -15;
    int rc;

    if (first == 0x1f)
        bits = 15 + 16;
    else if ((first & 0x0f) == 8 && (first >> 4) <= 7)
        bits = 15;
    rc = inflateInit2(&gunzip->z, bits);
    if (rc != Z_OK)
        return rc == Z_MEM_ERROR ? FW_ENOMEM : FW_EINVAL;
    gunzip->begun = true;
    gunzip->gzip = first == 0x1f;
    return FW_OK;
}

static bool beyond_ratio(const struct gunzip *gunzip, size_t len)
{
    return len > FREE_BYTES && len / FW_MAX_HTTP_RATIO > gunzip->taken;
}

/* One call of inflate() into fresh room of `out`. */
static fw_rc step(struct gunzip *gunzip, struct fw_buf *out)
{
    size_t room = out->max - out->len;
    unsigned before;
    fw_rc rc;
    int z;

    if (room == 0)
        return FW_ETOOBIG;
    room = room < STEP_BYTES ? room : STEP_BYTES;
    rc = fw_buf_reserve(out, room);
    if (rc != FW_OK)
        return rc;
    before = gunzip->z.avail_in;
    gunzip->z.next_out = (unsigned char *)out->data + out->len;
    gunzip->z.avail_out = (unsigned)room;
    z = inflate(&gunzip->z, Z_NO_FLUSH);
    gunzip->taken += before - gunzip->z.avail_in;
    out->len += room - gunzip->z.avail_out;
    out->data[out->len] = '\0';
    if (z == Z_STREAM_END)
        gunzip->ended = true;
    else if (z == Z_MEM_ERROR)
        return FW_ENOMEM;
    else if (z != Z_OK && z != Z_BUF_ERROR)
        return FW_EINVAL;
    return beyond_ratio(gunzip, out->len) ? FW_ETOOBIG : FW_OK;
}

fw_rc gunzip_add(struct gunzip *gunzip, struct fw_str in, struct fw_buf *out)
{
    fw_rc rc = FW_OK;

    if (in.n == 0)
        return FW_OK;
    if (!gunzip->begun)
        rc = begin(gunzip, (unsigned char)in.p[0]);
    if (rc != FW_OK)
        return rc;
    gunzip->z.next_in = (const unsigned char *)in.p;
    gunzip->z.avail_in = (unsigned)in.n;
    do {
        if (gunzip->ended) {
            if (gunzip->z.avail_in == 0)
                break;
            if (!gunzip->gzip || inflateReset(&gunzip->z) != Z_OK)
                return FW_EINVAL; /* bytes behind the end */
            gunzip->ended = false;
        }
        rc = step(gunzip, out);
        if (rc != FW_OK)
            return rc;
        /* Room left in the output means that inflate wants more input. */
    } while (gunzip->z.avail_in > 0 ||
             (gunzip->z.avail_out == 0 && !gunzip->ended));
    return FW_OK;
}

bool gunzip_whole(const struct gunzip *gunzip)
{
    return gunzip->ended;
}

struct gzip {
    z_stream z;
};

fw_rc gzip_new(struct gzip **out)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (gzip == NULL)
        return FW_ENOMEM;
    if (deflateInit2(&gzip->z, REPLY_LEVEL, Z_DEFLATED, 15 + 16, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        return FW_ENOMEM;
    }
    *out = gzip;
    return FW_OK;
}

void gzip_free(struct gzip *gzip)
{
    if (gzip == NULL)
        return;
    (void)deflateEnd(&gzip->z); /* an unfinished stream is no concern here */
    free(gzip);
}

fw_rc gzip_add(struct gzip *gzip, struct fw_str in, bool last,
               struct fw_buf *out)
{
    gzip->z.next_in = (const unsigned char *)in.p;
    gzip->z.avail_in = (unsigned)in.n;
    for (;;) {
        size_t room = STEP_BYTES;
        fw_rc rc = fw_buf_reserve(out, room);
        int z;

        if (rc != FW_OK)
            return rc;
        gzip->z.next_out = (unsigned char *)out->data + out->len;
        gzip->z.avail_out = (unsigned)room;
        z = deflate(&gzip->z, last ? Z_FINISH : Z_NO_FLUSH);
        out->len += room - gzip->z.avail_out;
        out->data[out->len] = '\0';
        if (z == Z_STREAM_ERROR)
            return FW_EINVAL;
        if (gzip->z.avail_out > 0)
            return FW_OK;
    }
}
