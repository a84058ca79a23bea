/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/record_codec.h"

#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"

#define HEAD_BYTES 2
#define CRC_BYTES 4
#define MS_MOST (INT64_MAX / 4) /* sums and differences of times fit */

static void put(struct record_writer *w, const void *bytes, size_t n)
{
    if (w->rc == FW_OK)
        w->rc = fw_buf_add(w->out, bytes, n);
}

void record_begin(struct record_writer *w, struct fw_buf *out,
                  enum record_kind kind, uint8_t version)
{
    unsigned char head[HEAD_BYTES] = {(unsigned char)kind, version};

    fw_buf_clear(out);
    *w = (struct record_writer){.out = out};
    put(w, head, sizeof(head));
}

void record_put_u8(struct record_writer *w, uint8_t v)
{
    put(w, &v, 1);
}

void record_put_u32(struct record_writer *w, uint32_t v)
{
    unsigned char bytes[4];

    fw_put_le32(bytes, v);
    put(w, bytes, sizeof(bytes));
}

void record_put_u64(struct record_writer *w, uint64_t v)
{
    unsigned char bytes[8];

    fw_put_le64(bytes, v);
    put(w, bytes, sizeof(bytes));
}

void record_put_ms(struct record_writer *w, fw_ms v)
{
    record_put_u64(w, (uint64_t)v);
}

void record_put_double(struct record_writer *w, double v)
{
    record_put_u64(w, fw_double_bits(v));
}

void record_put_str(struct record_writer *w, struct fw_str text)
{
    unsigned char length[FW_VARINT_MAX_BYTES];

    put(w, length, fw_varint_put(length, text.n));
    put(w, text.p, text.n);
}

fw_rc record_end(struct record_writer *w, struct fw_err *err)
{
    if (w->rc == FW_OK)
        record_put_u32(w, fw_crc32c(w->out->data, w->out->len));
    if (w->rc != FW_OK)
        return fw_err_set(err, w->rc,
                          "a record of alerting cannot be built: "
                          "%s",
                          fw_rc_name(w->rc));
    return FW_OK;
}

fw_rc record_open(struct record_reader *r, struct fw_str bytes,
                  enum record_kind kind, uint8_t newest, struct fw_err *err)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    size_t body = bytes.n - CRC_BYTES;

    if (bytes.n < HEAD_BYTES + CRC_BYTES)
        return fw_err_set(err, FW_ECORRUPT, "a record of %zu bytes", bytes.n);
    if (fw_get_le32(p + body) != fw_crc32c(p, body))
        return fw_err_set(err, FW_ECORRUPT, "a record fails its checksum");
    if (p[0] != (unsigned char)kind)
        return fw_err_set(err, FW_ECORRUPT,
                          "a record of kind %u where %d is "
                          "expected",
                          p[0], (int)kind);
    if (p[1] == 0 || p[1] > newest)
        return fw_err_set(err, FW_EVERSION,
                          "a record of version %u; this "
                          "program knows up to %u",
                          p[1], newest);
    *r = (struct record_reader){p + HEAD_BYTES, body - HEAD_BYTES, false};
    return FW_OK;
}

/* n bytes of the record, or NULL once it is bad. */
static const unsigned char *take(struct record_reader *r, size_t n)
{
    const unsigned char *p = r->p;

    if (r->bad || n > r->n) {
        r->bad = true;
        return NULL;
    }
    r->p += n;
    r->n -= n;
    return p;
}

uint8_t record_version(struct fw_str bytes)
{
    return (uint8_t)bytes.p[1];
}

uint8_t record_get_u8(struct record_reader *r)
{
    const unsigned char *p = take(r, 1);

    return p != NULL ? *p : 0;
}

uint32_t record_get_u32(struct record_reader *r)
{
    const unsigned char *p = take(r, 4);

    return p != NULL ? fw_get_le32(p) : 0;
}

uint64_t record_get_u64(struct record_reader *r)
{
    const unsigned char *p = take(r, 8);

    return p != NULL ? fw_get_le64(p) : 0;
}

fw_ms record_get_ms(struct record_reader *r)
{
    fw_ms v = (fw_ms)record_get_u64(r);

    if (v > MS_MOST || v < -MS_MOST) {
        r->bad = true;
        return 0;
    }
    return v;
}

double record_get_double(struct record_reader *r)
{
    return fw_double_of_bits(record_get_u64(r));
}

struct fw_str record_get_str(struct record_reader *r)
{
    uint64_t length = 0;
    size_t used = r->bad ? 0 : fw_varint_get(r->p, r->n, &length);
    const unsigned char *p;

    if (used == 0 || length > r->n - used) {
        r->bad = true;
        return (struct fw_str){"", 0};
    }
    (void)take(r, used);
    p = take(r, (size_t)length);
    return (struct fw_str){(const char *)p, (size_t)length};
}

fw_rc record_close(const struct record_reader *r, struct fw_err *err)
{
    if (r->bad)
        return fw_err_set(err, FW_ECORRUPT, "a record lacks fields");
    if (r->n > 0)
        return fw_err_set(err, FW_ECORRUPT, "a record has %zu bytes too many",
                          r->n);
    return FW_OK;
}

struct record_key record_key_u64(uint64_t id)
{
    struct record_key key;

    fw_put_be64(key.bytes, id);
    return key;
}

struct fw_str record_key_str(const struct record_key *key)
{
    return (struct fw_str){key->bytes, sizeof(key->bytes)};
}

bool record_key_read(struct fw_str key, uint64_t *id)
{
    if (key.n != sizeof(struct record_key))
        return false;
    *id = fw_get_be64(key.p);
    return true;
}
