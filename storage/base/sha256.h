/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sha256.h - SHA-256 (FIPS 180-4), by OpenSSL: for what must show tampering,
 * the audit chain and the manifests of backups. Checksums against accidents
 * are crc32c.h, tables hash.h: both far cheaper.
 */
#ifndef FW_STORAGE_BASE_SHA256_H
#define FW_STORAGE_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/err.h"

#define FW_SHA256_BYTES 32
#define FW_SHA256_HEX_BYTES (2 * FW_SHA256_BYTES + 1)

struct fw_sha256_digest {
    unsigned char bytes[FW_SHA256_BYTES];
};

/* The digest of n bytes. FW_ENOMEM. */
FW_CHECK fw_rc fw_sha256(const void *bytes, size_t n,
                         struct fw_sha256_digest *out, struct fw_err *err);

/*
 * The same in pieces: start, add any number of times, end. Zero is a state that
 * release may be given; release after a failure and after end alike.
 */
struct fw_sha256_state {
    void *context; /* owned */
};
FW_CHECK fw_rc fw_sha256_start(struct fw_sha256_state *state,
                               struct fw_err *err);
FW_CHECK fw_rc fw_sha256_add(struct fw_sha256_state *state, const void *bytes,
                             size_t n, struct fw_err *err);
FW_CHECK fw_rc fw_sha256_end(struct fw_sha256_state *state,
                             struct fw_sha256_digest *out, struct fw_err *err);
void fw_sha256_release(struct fw_sha256_state *state);

/* As 64 small hexadecimal digits and a NUL. */
void fw_sha256_hex(const struct fw_sha256_digest *digest,
                   char out[FW_SHA256_HEX_BYTES]);

/* Reads 64 hexadecimal digits (n of them stand at text); false if it is not. */
bool fw_sha256_read_hex(const char *text, size_t n,
                        struct fw_sha256_digest *out);

/* MD5, for what others have fixed to it; nothing of ours relies on it. */
FW_CHECK fw_rc fw_md5(const void *bytes, size_t n, unsigned char out[16],
                      struct fw_err *err);

#endif
