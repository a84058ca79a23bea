/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/sha256.h"

#include <openssl/evp.h>
#include <string.h>

static fw_rc failed(struct fw_err *err)
{
    return fw_err_set(err, FW_ENOMEM, "SHA-256 cannot be computed: no memory");
}

fw_rc fw_sha256_start(struct fw_sha256_state *state, struct fw_err *err)
{
    state->context = EVP_MD_CTX_new();
    if (state->context == NULL)
        return failed(err);
    if (EVP_DigestInit_ex(state->context, EVP_sha256(), NULL) != 1)
        return failed(err);
    return FW_OK;
}

fw_rc fw_sha256_add(struct fw_sha256_state *state, const void *bytes, size_t n,
                    struct fw_err *err)
{
    if (EVP_DigestUpdate(state->context, bytes, n) != 1)
        return failed(err);
    return FW_OK;
}

fw_rc fw_sha256_end(struct fw_sha256_state *state, struct fw_sha256_digest *out,
                    struct fw_err *err)
{
    if (EVP_DigestFinal_ex(state->context, out->bytes, NULL) != 1)
        return failed(err);
    return FW_OK;
}

void fw_sha256_release(struct fw_sha256_state *state)
{
    EVP_MD_CTX_free(state->context);
    state->context = NULL;
}

fw_rc fw_sha256(const void *bytes, size_t n, struct fw_sha256_digest *out,
                struct fw_err *err)
{
    struct fw_sha256_digest digest;

    if (EVP_Digest(bytes, n, digest.bytes, NULL, EVP_sha256(), NULL) != 1)
        return failed(err);
    *out = digest;
    return FW_OK;
}

void fw_sha256_hex(const struct fw_sha256_digest *digest,
                   char out[FW_SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < FW_SHA256_BYTES; i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    out[2 * FW_SHA256_BYTES] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool fw_sha256_read_hex(const char *text, size_t n,
                        struct fw_sha256_digest *out)
{
    if (n != 2 * FW_SHA256_BYTES)
        return false;
    for (size_t i = 0; i < FW_SHA256_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

fw_rc fw_md5(const void *bytes, size_t n, unsigned char out[16],
             struct fw_err *err)
{
    unsigned char whole[EVP_MAX_MD_SIZE];

    if (EVP_Digest(bytes, n, whole, NULL, EVP_md5(), NULL) != 1)
        return fw_err_set(err, FW_EIO, "this OpenSSL has no MD5");
    memcpy(out, whole, 16);
    return FW_OK;
}
