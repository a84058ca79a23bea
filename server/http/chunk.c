/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/chunk.h"

#include <stdbool.h>
#include <string.h>

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_visible(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7F);
}

static enum chunk_state strike(struct chunk *chunk, enum http_limit limit)
{
    chunk->limit = limit;
    return CHUNK_BAD;
}

static enum chunk_state take_size(struct chunk *chunk, unsigned char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (++chunk->digits > 15)
            return strike(chunk, HTTP_LIMIT_CHUNK_DIGITS);
        chunk->left = chunk->left * 16 + (uint64_t)digit;
        return CHUNK_SIZE;
    }
    if (chunk->digits == 0)
        return CHUNK_BAD;
    if (c == '\r')
        return CHUNK_SIZE_LF;
    return c == ';' ? CHUNK_EXTENSION : CHUNK_BAD;
}

/* A trailer line begins with a token character; an empty line ends it all. */
static enum chunk_state take_trailer(struct chunk *chunk, unsigned char c)
{
    if (++chunk->trailers > CHUNK_MAX_TRAILERS)
        return strike(chunk, HTTP_LIMIT_CHUNK_TRAILERS);
    if (c == '\r')
        return CHUNK_TRAILER_LF;
    if (chunk->line == 1 && (c == ' ' || c == '\t' || c == ':'))
        return CHUNK_BAD;
    return is_visible(c) ? CHUNK_TRAILER : CHUNK_BAD;
}

static enum chunk_state take_byte(struct chunk *chunk, unsigned char c)
{
    if (++chunk->line > CHUNK_MAX_LINE)
        return strike(chunk, HTTP_LIMIT_CHUNK_LINE);
    switch (chunk->state) {
    case CHUNK_SIZE:
        return take_size(chunk, c);
    case CHUNK_EXTENSION:
        if (c == '\r')
            return CHUNK_SIZE_LF;
        return is_visible(c) ? CHUNK_EXTENSION : CHUNK_BAD;
    case CHUNK_SIZE_LF:
        chunk->line = 0;
        chunk->digits = 0;
        if (c != '\n')
            return CHUNK_BAD;
        return chunk->left > 0 ? CHUNK_BYTES : CHUNK_TRAILER;
    case CHUNK_BYTES_CR:
        return c == '\r' ? CHUNK_BYTES_LF : CHUNK_BAD;
    case CHUNK_BYTES_LF:
        chunk->line = 0;
        return c == '\n' ? CHUNK_SIZE : CHUNK_BAD;
    case CHUNK_TRAILER:
        return take_trailer(chunk, c);
    case CHUNK_TRAILER_LF:
        if (c != '\n')
            return CHUNK_BAD;
        if (chunk->line == 2) /* only its CR and LF */
            return CHUNK_END;
        chunk->line = 0;
        return CHUNK_TRAILER;
    default:
        return CHUNK_BAD;
    }
}

void chunk_take(struct chunk *chunk, struct fw_str *in, struct fw_str *data)
{
    *data = (struct fw_str){NULL, 0};
    while (in->n > 0 && chunk->state != CHUNK_END &&
           chunk->state != CHUNK_BAD) {
        if (chunk->state == CHUNK_BYTES) {
            size_t n = chunk->left < in->n ? (size_t)chunk->left : in->n;

            *data = (struct fw_str){in->p, n};
            in->p += n;
            in->n -= n;
            chunk->left -= n;
            if (chunk->left == 0) {
                chunk->state = CHUNK_BYTES_CR;
                chunk->line = 0;
            }
            return;
        }
        chunk->state = take_byte(chunk, (unsigned char)in->p[0]);
        in->p++;
        in->n--;
    }
}
