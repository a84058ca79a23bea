/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http.c - head, then body, then ready; or refused.
 *
 * Deadlines are absolute for each phase. An idle timer, which every byte sets
 * back, lets a client that sends one byte a second hold a connection for ever.
 */
#include "server/http/http.h"

#include <string.h>

#define MS_NS UINT64_C(1000000)

static void refuse(struct http_reader *reader, int status, const char *reason)
{
    reader->state = HTTP_REFUSED;
    reader->refusal = (struct http_refusal){status, reason, HTTP_LIMIT_NONE};
}

static void strike(struct http_reader *reader, enum http_limit limit,
                   int status, const char *reason)
{
    refuse(reader, status, reason);
    reader->refusal.limit = limit;
}

/* Gives back our part of the common memory and what the body holds. */
static void drop_body(struct http_reader *reader)
{
    if (reader->memory != NULL && reader->held > 0)
        atomic_fetch_sub(reader->memory, reader->held);
    reader->held = 0;
    fw_buf_release(&reader->body);
    gunzip_free(reader->gunzip);
    reader->gunzip = NULL;
}

void http_reader_init(struct http_reader *reader, _Atomic size_t *memory,
                      uint64_t now_ns)
{
    *reader = (struct http_reader){.memory = memory, .began_ns = now_ns};
    fw_buf_init(&reader->bytes, FW_MAX_HTTP_HEAD_BYTES);
}

void http_reader_release(struct http_reader *reader)
{
    drop_body(reader);
    fw_buf_release(&reader->bytes);
}

void http_reader_next(struct http_reader *reader, uint64_t now_ns)
{
    drop_body(reader);
    fw_buf_clear(&reader->bytes);
    reader->state = HTTP_READING_HEAD;
    reader->seen = 0;
    reader->begun = false;
    reader->blank = 0;
    reader->began_ns = now_ns;
    reader->chunk = (struct chunk){0};
    reader->wire = 0;
}

struct fw_buf http_reader_take_body(struct http_reader *reader)
{
    struct fw_buf body = reader->body;

    reader->body = (struct fw_buf){0};
    return body;
}

/* The head is past its cap: the request line alone, or all of it? */
static void refuse_long_head(struct http_reader *reader)
{
    const struct fw_buf *bytes = &reader->bytes;

    if (memchr(bytes->data, '\n', bytes->len) == NULL)
        strike(reader, HTTP_LIMIT_TARGET_BYTES, 414,
               "the target is longer than 8 KiB");
    else
        strike(reader, HTTP_LIMIT_HEAD_BYTES, 431,
               "the head is longer than 16 KiB");
}

static size_t feed_head(struct http_reader *reader, const char *bytes, size_t n,
                        uint64_t now_ns)
{
    size_t had = reader->bytes.len;
    size_t room = FW_MAX_HTTP_HEAD_BYTES - had;
    size_t take = n < room ? n : room;
    size_t end;

    if (!reader->begun) {
        reader->begun = true;
        reader->began_ns = now_ns;
    }
    if (fw_buf_add(&reader->bytes, bytes, take) != FW_OK) {
        refuse(reader, 503, "out of memory");
        return 0;
    }
    end = http_head_end(reader->bytes.data, reader->bytes.len, &reader->seen,
                        &reader->refusal);
    if (reader->refusal.status != 0) {
        reader->state = HTTP_REFUSED;
        return take;
    }
    if (end == 0) {
        if (take == room)
            refuse_long_head(reader);
        return take;
    }
    if (http_head_parse(reader->bytes.data, end, &reader->head,
                        &reader->refusal))
        reader->state = HTTP_HEAD_READY;
    else
        reader->state = HTTP_REFUSED;
    return end - had;
}

/* Chooses the decoder; false if there is none for this encoding. */
static bool choose_decoder(struct http_reader *reader)
{
    struct fw_str coding = http_head_get(&reader->head, "content-encoding");

    if (coding.n == 0 || http_same(coding, "identity") ||
        http_same(coding, "snappy"))
        return true; /* a snappy block is decoded whole, by who asked for it */
    if (!http_same(coding, "gzip") && !http_same(coding, "x-gzip") &&
        !http_same(coding, "deflate")) {
        refuse(reader, 415,
               "Content-Encoding is none of gzip, deflate, snappy");
        return false;
    }
    if (gunzip_new(&reader->gunzip) != FW_OK) {
        refuse(reader, 503, "out of memory");
        return false;
    }
    return true;
}

/* Past the route's cap, which is that of a form or that of a write. */
static void refuse_large_body(struct http_reader *reader)
{
    strike(reader,
           reader->body.max > FW_MAX_HTTP_FORM_BYTES ? HTTP_LIMIT_BODY_BYTES
                                                     : HTTP_LIMIT_FORM_BYTES,
           413, "the body is larger than the limit");
}

void http_reader_accept(struct http_reader *reader, size_t max, uint64_t now_ns)
{
    const struct http_head *head = &reader->head;

    fw_buf_init(&reader->body, max);
    reader->body_ns = now_ns;
    if (!head->chunked && head->length == 0) {
        reader->state = HTTP_READY;
        return;
    }
    if (head->length > max) {
        refuse_large_body(reader);
        return;
    }
    if (choose_decoder(reader))
        reader->state = HTTP_READING_BODY;
}

/* Counts what the body's memory has grown by into the common sum. */
static bool count_memory(struct http_reader *reader)
{
    size_t grown = reader->body.cap - reader->held;

    if (reader->memory == NULL || grown == 0)
        return true;
    reader->held = reader->body.cap;
    if (atomic_fetch_add(reader->memory, grown) + grown <=
        FW_MAX_HTTP_MEMORY_BYTES)
        return true;
    strike(reader, HTTP_LIMIT_BODY_MEMORY, 503,
           "too many bytes of bodies are being received");
    return false;
}

/* Adds data of the body, decoding it. False: refused. */
static bool add_data(struct http_reader *reader, struct fw_str data)
{
    fw_rc rc;

    reader->wire += data.n;
    if (reader->gunzip != NULL)
        rc = gunzip_add(reader->gunzip, data, &reader->body);
    else
        rc = fw_buf_add(&reader->body, data.p, data.n);
    if (rc == FW_ETOOBIG && reader->gunzip != NULL &&
        reader->body.len < reader->body.max)
        strike(reader, HTTP_LIMIT_BODY_RATIO, 413,
               "the body is larger than the limit");
    else if (rc == FW_ETOOBIG)
        refuse_large_body(reader);
    else if (rc == FW_ENOMEM)
        refuse(reader, 503, "out of memory");
    else if (rc != FW_OK)
        refuse(reader, 400, "the body does not inflate");
    return rc == FW_OK && count_memory(reader);
}

static void finish_body(struct http_reader *reader)
{
    if (reader->gunzip != NULL && reader->wire > 0 &&
        !gunzip_whole(reader->gunzip))
        refuse(reader, 400, "the compressed body is cut short");
    else
        reader->state = HTTP_READY;
}

static size_t feed_chunked(struct http_reader *reader, struct fw_str in)
{
    size_t n = in.n;

    while (in.n > 0 && reader->state == HTTP_READING_BODY) {
        struct fw_str data;

        chunk_take(&reader->chunk, &in, &data);
        if (data.n > 0 && !add_data(reader, data))
            break;
        if (reader->chunk.state == CHUNK_BAD)
            strike(reader, reader->chunk.limit, 400,
                   "the chunks of the body do not parse");
        else if (reader->chunk.state == CHUNK_END)
            finish_body(reader);
    }
    return n - in.n;
}

static size_t feed_body(struct http_reader *reader, const char *bytes, size_t n)
{
    uint64_t left = reader->head.length - reader->wire;
    size_t take = n;

    if (reader->head.chunked)
        return feed_chunked(reader, (struct fw_str){bytes, n});
    if (take > left)
        take = (size_t)left;
    if (add_data(reader, (struct fw_str){bytes, take}) && take == left)
        finish_body(reader);
    return take;
}

/* An empty line before a request is to be ignored [RFC 9112, 2.2]. */
static size_t skip_blank_line(struct http_reader *reader, const char *bytes,
                              size_t n)
{
    size_t used = 0;

    if (reader->blank == 0 && bytes[0] == '\r') {
        reader->blank = 1;
        used = 1;
    }
    if (reader->blank == 1 && used < n) {
        if (bytes[used] == '\n') {
            reader->blank = 2;
            used++;
        } else {
            refuse(reader, 400, "a CR without its LF");
        }
    }
    return used;
}

size_t http_reader_feed(struct http_reader *reader, const char *bytes, size_t n,
                        uint64_t now_ns)
{
    size_t used = 0;

    if (n == 0)
        return 0;
    if (reader->state == HTTP_READING_HEAD && reader->bytes.len == 0)
        used = skip_blank_line(reader, bytes, n);
    if (used == n)
        return used;
    if (reader->state == HTTP_READING_HEAD)
        used += feed_head(reader, bytes + used, n - used, now_ns);
    else if (reader->state == HTTP_READING_BODY)
        used += feed_body(reader, bytes + used, n - used);
    return used;
}

bool http_reader_idle(const struct http_reader *reader)
{
    return reader->state == HTTP_READING_HEAD && !reader->begun;
}

bool http_too_slow(uint64_t bytes, uint64_t since_ns, uint64_t now_ns,
                   uint64_t grace_ms)
{
    uint64_t ms = (now_ns - since_ns) / MS_NS;

    return ms > grace_ms && bytes < ms * FW_HTTP_LEAST_RATE / 1000;
}

bool http_reader_late(struct http_reader *reader, uint64_t now_ns)
{
    uint64_t ms = (now_ns - reader->began_ns) / MS_NS;

    if (http_reader_idle(reader)) {
        if (ms <= FW_HTTP_IDLE_MS)
            return false;
        strike(reader, HTTP_LIMIT_IDLE_TIME, 0, "idle");
    } else if (reader->state == HTTP_READING_HEAD) {
        if (ms <= FW_HTTP_HEAD_MS)
            return false;
        strike(reader, HTTP_LIMIT_HEAD_TIME, 408,
               "the head did not arrive in 10 s");
    } else if (reader->state == HTTP_READING_BODY) {
        if (!http_too_slow(reader->wire, reader->body_ns, now_ns,
                           FW_HTTP_GRACE_MS))
            return false;
        strike(reader, HTTP_LIMIT_BODY_RATE, 408,
               "the body arrives slower than 1 KiB/s");
    } else {
        return false;
    }
    return true;
}
