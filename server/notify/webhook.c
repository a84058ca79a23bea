/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/webhook.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/notify/destination.h"

#define MAX_ANSWER_BYTES (64 << 10) /* read and thrown away; then enough */

struct webhook_client {
    CURL *curl;
    struct curl_slist *headers;
    size_t answer_bytes;
    bool allow_private;
    bool refused; /* an address of ours to refuse was met */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global;

static void init_global(void)
{
    global = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static curl_socket_t open_socket(void *self, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    struct webhook_client *client = self;

    (void)purpose;
    if (!destination_allowed(&address->addr, client->allow_private)) {
        client->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

static size_t drop_answer(char *bytes, size_t size, size_t n, void *self)
{
    struct webhook_client *client = self;

    (void)bytes;
    client->answer_bytes += size * n;
    return client->answer_bytes > MAX_ANSWER_BYTES ? 0 : size * n;
}

fw_rc webhook_open(struct webhook_client **out, struct fw_err *err)
{
    struct webhook_client *client;

    (void)pthread_once(&once, init_global);
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    client->curl = curl_easy_init();
    client->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (global != CURLE_OK || client->curl == NULL || client->headers == NULL) {
        webhook_close(client);
        return fw_err_set(err, FW_ENOMEM, "libcurl cannot be set up");
    }
    *out = client;
    return FW_OK;
}

void webhook_close(struct webhook_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    free(client);
}

static CURLcode prepare(struct webhook_client *client,
                        const struct config_webhook *hook, struct fw_str body)
{
    CURL *c = client->curl;
    CURLcode rc = CURLE_OK;

    curl_easy_reset(c); /* keeps the connections */
#define SET(option, value)                                                     \
    rc = rc == CURLE_OK ? curl_easy_setopt(c, option, value) : rc
    SET(CURLOPT_URL, hook->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)hook->timeout);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, body.p);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    SET(CURLOPT_HTTPHEADER, client->headers);
    SET(CURLOPT_USERAGENT, "forewarn/" FW_VERSION);
    SET(CURLOPT_WRITEFUNCTION, drop_answer);
    SET(CURLOPT_WRITEDATA, client);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, client);
#undef SET
    return rc;
}

enum webhook_answer webhook_post(struct webhook_client *client,
                                 const struct config_webhook *hook,
                                 struct fw_str body, struct fw_err *err)
{
    long status = 0;
    CURLcode rc;

    client->allow_private = hook->allow_private;
    client->refused = false;
    client->answer_bytes = 0;
    rc = prepare(client, hook, body);
    if (rc == CURLE_OK)
        rc = curl_easy_perform(client->curl);
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (client->refused) {
        (void)fw_err_set(err, FW_EINVAL,
                         "%s leads to a loopback, private or link-local "
                         "address; 'allow_private: true' lets the first two "
                         "through",
                         hook->url);
        return WEBHOOK_LATER; /* names may change */
    }
    if (status >= 200 && status < 300)
        return WEBHOOK_DELIVERED;
    if (rc != CURLE_OK && status == 0) {
        (void)fw_err_set(err, FW_EIO, "%s: %s", hook->url,
                         curl_easy_strerror(rc));
        return WEBHOOK_LATER;
    }
    (void)fw_err_set(err, FW_EIO, "%s answers with status %ld", hook->url,
                     status);
    return status >= 500 || status == 408 || status == 429 ? WEBHOOK_LATER
                                                           : WEBHOOK_NEVER;
}
