/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/fetch.h"

#include <curl/curl.h>

#include "storage/base/limits.h"

#define CONNECT_MS 10000L
#define TOTAL_MS (FW_MAX_QUERY_MS + 30000L)

static size_t keep(char *bytes, size_t size, size_t n, void *self)
{
    struct fw_buf *body = self;

    return fw_buf_add(body, bytes, size * n) == FW_OK ? size * n : 0;
}

static CURLcode prepare(CURL *c, const char *url, struct fw_str form,
                        struct fw_buf *body)
{
    CURLcode rc = CURLE_OK;

#define SET(option, value)                                                     \
    rc = rc == CURLE_OK ? curl_easy_setopt(c, option, value) : rc
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, TOTAL_MS);
    SET(CURLOPT_ACCEPT_ENCODING, ""); /* whatever curl can inflate */
    SET(CURLOPT_USERAGENT, "forewarn/" FW_VERSION);
    SET(CURLOPT_WRITEFUNCTION, keep);
    SET(CURLOPT_WRITEDATA, body);
    if (form.n > 0) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, form.p);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)form.n);
    }
#undef SET
    return rc;
}

fw_rc fetch_url(struct fw_str url, struct fw_str form, struct fw_arena *arena,
                struct fw_str *body, struct fw_err *err)
{
    struct fw_buf got = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    const char *text = fw_arena_strndup(arena, url.p, url.n);
    CURL *c = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    char *kept = NULL;
    fw_rc rc = FW_OK;

    if (c != NULL && text != NULL)
        code = prepare(c, text, form, &got);
    if (code == CURLE_OK)
        code = curl_easy_perform(c);
    if (code != CURLE_OK)
        rc = fw_err_set(err, FW_EIO, "%.*s: %s", FW_STR_ARG(url),
                        curl_easy_strerror(code));
    if (rc == FW_OK)
        kept = fw_arena_strndup(arena, got.len > 0 ? got.data : "", got.len);
    if (rc == FW_OK && kept == NULL)
        rc = fw_arena_err(arena, err);
    if (rc == FW_OK)
        *body = (struct fw_str){kept, got.len};
    curl_easy_cleanup(c);
    fw_buf_release(&got);
    return rc;
}
