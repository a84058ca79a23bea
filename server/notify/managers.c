/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * managers.c - posts to Alertmanagers, side by side on one thread.
 *
 * Each address is a peer with a handle of libcurl and a bit in the queue. A
 * peer that is idle and not resting picks what waits for it, at most 64
 * alerts, and posts; when the answer comes it settles them, or rests for 1, 2,
 * 4 ... 15 s. So one that does not answer holds up no other.
 */
#include "server/notify/managers.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/notify/destination.h"
#include "server/notify/dns_srv.h"
#include "server/notify/relabel.h"
#include "storage/base/file.h"
#include "storage/base/log.h"

#define MOST_ALERTS 64 /* of one post */
#define MAX_BODY_BYTES ((size_t)16 << 20)
#define MAX_SECRET_BYTES 65536
#define FIRST_PAUSE_MS 1000
#define LONGEST_PAUSE_MS 15000
#define IDLE_MS 500

struct peer {
    const struct config_alertmanager *config; /* NULL: the slot is free */
    char url[1024];
    char named[1024]; /* the URL by the name its certificate bears, or "" */
    char host[512];
    struct curl_slist *connect_to; /* where `named` really is */
    const struct config_dns *dns;  /* it was found by; NULL: static */
    bool seen;                     /* in this round of DNS */
    CURL *curl;
    struct curl_slist *headers;
    struct fw_buf body;
    struct manager_pick picks[MOST_ALERTS];
    size_t pick_count; /* > 0: a post is under way */
    uint64_t rest_until_ns;
    fw_ms pause;
    bool failing; /* said so in the log already */
    struct managers *m;
};

struct managers {
    struct managers_options o;
    struct manager_queue queue;
    CURLM *multi;
    struct relabel **relabels; /* owned; of o.managers, one each or NULL */
    struct peer peers[FW_MAX_MANAGERS]; /* its thread; urls: peers_lock */
    uint64_t resolve_at_ns;
    pthread_mutex_t peers_lock; /* leaf */
    pthread_t thread;
    atomic_bool stop;
    _Atomic uint64_t sent, errors, refused, found;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_global(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static uint64_t mono(const struct managers *m)
{
    return fw_clock_mono_ns(m->o.clock);
}

/* ---- one post ---- */

static curl_socket_t open_socket(void *self, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    (void)self;
    (void)purpose;
    if (!destination_allowed(&address->addr, true))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

static size_t drop_answer(char *bytes, size_t size, size_t n, void *self)
{
    (void)bytes;
    (void)self;
    return size * n;
}

/* The first line of a file that holds a secret. */
static fw_rc read_secret(const char *path, struct fw_buf *out,
                         struct fw_err *err)
{
    fw_rc rc = fw_file_read(path, out, err);

    while (rc == FW_OK && out->len > 0 &&
           strchr("\r\n", out->data[out->len - 1]) != NULL)
        out->data[--out->len] = '\0';
    return rc;
}

static bool add_header(struct peer *p, const char *text)
{
    struct curl_slist *all = curl_slist_append(p->headers, text);

    if (all != NULL)
        p->headers = all;
    return all != NULL;
}

static fw_rc set_login(struct peer *p, struct fw_err *err)
{
    const struct config_login *login = &p->config->login;
    struct fw_buf secret = FW_BUF_INIT(MAX_SECRET_BYTES);
    const char *text =
        login->user != NULL ? login->password : login->credentials;
    const char *file =
        login->user != NULL ? login->password_file : login->credentials_file;
    bool good = true;
    fw_rc rc = FW_OK;

    if (file != NULL) {
        rc = read_secret(file, &secret, err);
        text = secret.len > 0 ? secret.data : "";
    }
    if (rc == FW_OK && login->user != NULL) {
        good = curl_easy_setopt(p->curl, CURLOPT_HTTPAUTH,
                                (long)CURLAUTH_BASIC) == CURLE_OK &&
               curl_easy_setopt(p->curl, CURLOPT_USERNAME, login->user) ==
                   CURLE_OK &&
               curl_easy_setopt(p->curl, CURLOPT_PASSWORD,
                                text != NULL ? text : "") == CURLE_OK;
    } else if (rc == FW_OK && text != NULL) {
        struct fw_buf header = FW_BUF_INIT(MAX_SECRET_BYTES + 256);

        rc = fw_buf_printf(&header, "Authorization: %s %s",
                           login->scheme != NULL ? login->scheme : "Bearer",
                           text);
        good = rc == FW_OK && add_header(p, header.data);
        fw_buf_release(&header);
    }
    fw_buf_release(&secret);
    if (rc == FW_OK && !good)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    return rc;
}

static CURLcode set_options(struct peer *p)
{
    const struct config_login *login = &p->config->login;
    CURL *c = p->curl;
    CURLcode rc = CURLE_OK;

    curl_easy_reset(c); /* keeps the connection */
#define SET(option, value)                                                     \
    rc = rc == CURLE_OK ? curl_easy_setopt(c, option, value) : rc
    SET(CURLOPT_URL, p->named[0] != '\0' ? p->named : p->url);
    SET(CURLOPT_CONNECT_TO, p->connect_to);
    SET(CURLOPT_PRIVATE, p);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)p->config->timeout);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, p->body.data);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body.len);
    SET(CURLOPT_HTTPHEADER, p->headers);
    SET(CURLOPT_USERAGENT, "forewarn/" FW_VERSION);
    SET(CURLOPT_WRITEFUNCTION, drop_answer);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    if (login->ca_file != NULL)
        SET(CURLOPT_CAINFO, login->ca_file);
    if (login->cert_file != NULL)
        SET(CURLOPT_SSLCERT, login->cert_file);
    if (login->key_file != NULL)
        SET(CURLOPT_SSLKEY, login->key_file);
    if (login->skip_verify) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
#undef SET
    return rc;
}

static void rest(struct peer *p)
{
    p->pause = p->pause == 0 ? FIRST_PAUSE_MS : p->pause * 2;
    if (p->pause > LONGEST_PAUSE_MS)
        p->pause = LONGEST_PAUSE_MS;
    p->rest_until_ns = mono(p->m) + (uint64_t)p->pause * 1000000;
}

static void fail(struct peer *p, const char *why)
{
    atomic_fetch_add(&p->m->errors, 1);
    p->pick_count = 0;
    rest(p);
    /* Once per outage: the pauses would fill the log otherwise. */
    if (!p->failing)
        fw_log(FW_LOG_WARN, "alerts wait for Alertmanager %s: %s", p->url, why);
    p->failing = true;
}

static void settle(struct managers *m, struct peer *p, unsigned bit)
{
    uint64_t gone[MOST_ALERTS];
    struct fw_err err = {0};
    size_t gone_n = 0;

    manager_queue_settle(&m->queue, bit, p->picks, p->pick_count, gone,
                         &gone_n);
    /* If the disk is full they are sent once more after a restart. */
    if (manager_queue_forget(&m->queue, m->o.store, gone, gone_n, &err) !=
        FW_OK)
        fw_log(FW_LOG_WARN, "delivered alerts stay in the table: %s", err.text);
    p->pick_count = 0;
}

static void begin_post(struct managers *m, struct peer *p, unsigned bit)
{
    struct fw_err err = {0};
    size_t dropped;
    fw_rc rc;

    fw_buf_clear(&p->body);
    rc = manager_queue_pick(&m->queue, bit, MOST_ALERTS,
                            m->relabels[p->config - m->o.managers], &p->body,
                            p->picks, &p->pick_count, &dropped);
    if (rc == FW_OK && p->pick_count == dropped) {
        if (dropped > 0)
            settle(m, p, bit);
        return;
    }
    if (p->pick_count == 0)
        return;
    curl_slist_free_all(p->headers);
    p->headers = NULL;
    if (rc == FW_OK && !add_header(p, "Content-Type: application/json"))
        rc = FW_ENOMEM;
    if (rc == FW_OK && p->named[0] != '\0') {
        char header[sizeof(p->host) + 8];

        (void)snprintf(header, sizeof(header), "Host: %s", p->host);
        rc = add_header(p, header) ? FW_OK : FW_ENOMEM;
    }
    if (rc == FW_OK && set_options(p) != CURLE_OK)
        rc = fw_err_set(&err, FW_ENOMEM, "libcurl cannot be set up");
    if (rc == FW_OK)
        rc = set_login(p, &err);
    /* The login may have added a header. */
    if (rc == FW_OK && (curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER,
                                         p->headers) != CURLE_OK ||
                        curl_multi_add_handle(m->multi, p->curl) != CURLM_OK))
        rc = fw_err_set(&err, FW_ENOMEM, "libcurl cannot be set up");
    if (rc != FW_OK)
        fail(p, err.rc != FW_OK ? err.text : "out of memory");
}

static void end_post(struct managers *m, struct peer *p, CURLcode code)
{
    unsigned bit = (unsigned)(p - m->peers);
    char why[128];
    long status = 0;

    (void)curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(m->multi, p->curl);
    if (code != CURLE_OK && status == 0) {
        fail(p, curl_easy_strerror(code));
        return;
    }
    (void)snprintf(why, sizeof(why), "it answers with status %ld", status);
    if (status >= 500 || status == 408 || status == 429) {
        fail(p, why);
        return;
    }
    if (status < 200 || status > 299) {
        /* It has taken what was good among them, and will not take the rest. */
        fw_log(FW_LOG_ERROR, "Alertmanager %s refuses alerts: %s", p->url, why);
        atomic_fetch_add(&m->errors, 1);
        atomic_fetch_add(&m->refused, p->pick_count);
    } else {
        atomic_fetch_add(&m->sent, p->pick_count);
        if (p->failing)
            fw_log(FW_LOG_INFO, "Alertmanager %s takes alerts again", p->url);
        p->failing = false;
    }
    p->pause = 0;
    p->rest_until_ns = 0;
    settle(m, p, bit);
}

/* ---- who there is ---- */

static void drop_peer(struct managers *m, struct peer *p)
{
    if (p->pick_count > 0)
        (void)curl_multi_remove_handle(m->multi, p->curl);
    curl_easy_cleanup(p->curl);
    curl_slist_free_all(p->headers);
    curl_slist_free_all(p->connect_to);
    fw_buf_release(&p->body);
    (void)pthread_mutex_lock(&m->peers_lock);
    *p = (struct peer){.m = m};
    (void)pthread_mutex_unlock(&m->peers_lock);
}

/*
 * Prometheus checks the certificate of a target for `server_name`, if there is
 * one, and asks for the target itself all the same. libcurl checks the host of
 * the URL: so the URL bears that name, and CONNECT_TO leads to the target.
 */
static bool set_server_name(struct peer *p, const char *host)
{
    const char *name = p->config->login.server_name;
    const char *port = strrchr(host, ':');
    char to[sizeof(p->host) + 8];

    if (name == NULL || strcmp(p->config->scheme, "https") != 0)
        return true;
    if (port != NULL && strchr(port, ']') != NULL)
        port = NULL; /* within an address of IPv6 */
    (void)snprintf(p->host, sizeof(p->host), "%s", host);
    (void)snprintf(p->named, sizeof(p->named), "https://%s%s%s", name,
                   port != NULL ? port : "",
                   p->url + strlen("https://") + strlen(host));
    (void)snprintf(to, sizeof(to), "::%s%s", p->host, port == NULL ? ":" : "");
    p->connect_to = curl_slist_append(NULL, to);
    return p->connect_to != NULL;
}

static void add_peer(struct managers *m,
                     const struct config_alertmanager *config,
                     const struct config_dns *dns, const char *host)
{
    const char *prefix = config->path_prefix;
    size_t n = strlen(prefix);
    struct peer fresh = {.config = config, .dns = dns, .seen = true, .m = m};
    struct peer *slot = NULL;

    while (n > 0 && prefix[n - 1] == '/')
        n--;
    (void)snprintf(fresh.url, sizeof(fresh.url), "%s://%s%s%.*s/api/v2/alerts",
                   config->scheme, host, n > 0 && prefix[0] != '/' ? "/" : "",
                   (int)n, prefix);
    for (size_t i = 0; i < FW_MAX_MANAGERS; i++) {
        struct peer *p = &m->peers[i];

        if (p->config == NULL && slot == NULL)
            slot = p;
        if (p->config == config && strcmp(p->url, fresh.url) == 0) {
            p->seen = true;
            return;
        }
    }
    fresh.curl = slot != NULL ? curl_easy_init() : NULL;
    if (fresh.curl == NULL || !set_server_name(&fresh, host)) {
        curl_easy_cleanup(fresh.curl);
        fw_log(FW_LOG_ERROR, "Alertmanager %s is left out: %s", fresh.url,
               slot == NULL ? "there are 64 already" : "out of memory");
        return;
    }
    fw_buf_init(&fresh.body, MAX_BODY_BYTES);
    (void)pthread_mutex_lock(&m->peers_lock);
    *slot = fresh;
    (void)pthread_mutex_unlock(&m->peers_lock);
}

/* What was known stays until DNS answers again. */
static void keep_known(struct managers *m, const struct config_dns *dns,
                       const char *name, const char *why)
{
    fw_log(FW_LOG_WARN, "Alertmanagers of '%s' cannot be looked up: %s", name,
           why);
    for (size_t i = 0; i < FW_MAX_MANAGERS; i++)
        if (m->peers[i].config != NULL && m->peers[i].dns == dns)
            m->peers[i].seen = true;
}

struct srv {
    struct managers *m;
    const struct config_alertmanager *config;
    const struct config_dns *dns;
};

static void add_srv(void *self, const char *target)
{
    struct srv *srv = self;

    add_peer(srv->m, srv->config, srv->dns, target);
}

static void add_addresses(struct managers *m,
                          const struct config_alertmanager *config,
                          const struct config_dns *dns, const char *name)
{
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_family = strcmp(dns->type, "AAAA") == 0 ? AF_INET6 : AF_INET};
    struct srv srv = {m, config, dns};
    struct addrinfo *found = NULL;
    struct fw_err err = {0};
    int answer;

    if (strcmp(dns->type, "SRV") == 0) {
        if (dns_srv_each(name, add_srv, &srv, &err) != FW_OK)
            keep_known(m, dns, name, err.text);
        return;
    }
    answer = getaddrinfo(name, NULL, &hints, &found);
    if (answer != 0)
        keep_known(m, dns, name, gai_strerror(answer));
    for (struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        char address[64], host[80];

        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address),
                        NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        (void)snprintf(host, sizeof(host),
                       a->ai_family == AF_INET6 ? "[%s]:%u" : "%s:%u", address,
                       dns->port);
        add_peer(m, config, dns, host);
    }
    if (found != NULL)
        freeaddrinfo(found);
}

static void resolve(struct managers *m)
{
    fw_ms again = FW_HOUR;
    uint64_t active = 0;

    for (size_t i = 0; i < FW_MAX_MANAGERS; i++)
        m->peers[i].seen = m->peers[i].config != NULL && !m->peers[i].dns;
    for (size_t k = 0; k < m->o.count; k++) {
        const struct config_alertmanager *c = &m->o.managers[k];

        for (size_t d = 0; d < c->dns_count; d++) {
            for (size_t n = 0; n < c->dns[d].name_count; n++)
                add_addresses(m, c, &c->dns[d], c->dns[d].names[n]);
            if (c->dns[d].refresh < again)
                again = c->dns[d].refresh;
        }
    }
    for (size_t i = 0; i < FW_MAX_MANAGERS; i++) {
        if (m->peers[i].config != NULL && !m->peers[i].seen)
            drop_peer(m, &m->peers[i]);
        if (m->peers[i].config != NULL)
            active |= UINT64_C(1) << i;
    }
    manager_queue_set_active(&m->queue, active);
    atomic_store(&m->found, (uint64_t)__builtin_popcountll(active));
    m->resolve_at_ns = mono(m) + (uint64_t)again * 1000000;
}

/* ---- the thread ---- */

static void finish_posts(struct managers *m)
{
    CURLMsg *message;
    int left = 0;

    while ((message = curl_multi_info_read(m->multi, &left)) != NULL) {
        char *private = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                &private);
        end_post(m, (struct peer *)(void *)private, message->data.result);
    }
}

static void *run(void *self)
{
    struct managers *m = self;

    while (!atomic_load(&m->stop)) {
        uint64_t now = mono(m);
        int running = 0;

        if (now >= m->resolve_at_ns)
            resolve(m);
        for (unsigned i = 0; i < FW_MAX_MANAGERS; i++) {
            struct peer *p = &m->peers[i];

            if (p->config != NULL && p->pick_count == 0 &&
                p->rest_until_ns <= now)
                begin_post(m, p, i);
        }
        (void)curl_multi_perform(m->multi, &running);
        finish_posts(m);
        (void)curl_multi_poll(m->multi, NULL, 0, IDLE_MS, NULL);
    }
    return NULL;
}

static void release(struct managers *m)
{
    for (size_t i = 0; i < FW_MAX_MANAGERS; i++)
        if (m->peers[i].config != NULL)
            drop_peer(m, &m->peers[i]);
    (void)curl_multi_cleanup(m->multi);
    manager_queue_release(&m->queue);
    for (size_t k = 0; m->relabels != NULL && k < m->o.count; k++)
        relabel_free(m->relabels[k]);
    free(m->relabels);
    (void)pthread_mutex_destroy(&m->peers_lock);
    free(m);
}

static fw_rc load(struct managers *m, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(m->o.store, true, &txn, err);

    if (rc == FW_OK)
        rc = manager_queue_load(&m->queue, txn, fw_clock_now(m->o.clock), err);
    return fw_txn_end(txn, rc, err);
}

/* One for each of the configuration, NULL where it has no rules. */
static fw_rc open_relabels(struct managers *m, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    m->relabels = calloc(m->o.count + 1, sizeof(struct relabel *));
    if (m->relabels == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t k = 0; rc == FW_OK && k < m->o.count; k++)
        if (m->o.managers[k].relabel_count > 0)
            rc = relabel_new(m->o.managers[k].relabels,
                             m->o.managers[k].relabel_count, &m->relabels[k],
                             err);
    return rc;
}

fw_rc managers_start(const struct managers_options *options,
                     struct managers **out, struct fw_err *err)
{
    struct managers *m;
    fw_rc rc = FW_OK;

    (void)pthread_once(&once, init_global);
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    m->o = *options;
    if (m->o.clock == NULL)
        m->o.clock = fw_clock_system();
    manager_queue_init(&m->queue);
    (void)pthread_mutex_init(&m->peers_lock, NULL);
    m->multi = curl_multi_init();
    for (size_t i = 0; i < FW_MAX_MANAGERS; i++)
        m->peers[i].m = m;
    if (m->multi == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "libcurl cannot be set up");
    if (rc == FW_OK)
        rc = open_relabels(m, err);
    for (size_t k = 0; rc == FW_OK && k < m->o.count; k++)
        for (size_t s = 0; s < m->o.managers[k].static_count; s++)
            for (size_t t = 0; t < m->o.managers[k].statics[s].target_count;
                 t++)
                add_peer(m, &m->o.managers[k], NULL,
                         m->o.managers[k].statics[s].targets[t]);
    if (rc == FW_OK)
        rc = load(m, err);
    if (rc == FW_OK && pthread_create(&m->thread, NULL, run, m) != 0)
        rc = fw_err_set(err, FW_EIO, "the Alertmanagers' thread cannot start");
    if (rc == FW_OK)
        *out = m;
    else
        release(m);
    return rc;
}

void managers_stop(struct managers *m)
{
    if (m == NULL)
        return;
    atomic_store(&m->stop, true);
    (void)curl_multi_wakeup(m->multi);
    (void)pthread_join(m->thread, NULL);
    release(m);
}

fw_rc managers_store(struct managers *m, struct fw_txn *txn,
                     const struct manager_alert *alerts, size_t n,
                     struct fw_err *err)
{
    return m != NULL ? manager_queue_store(txn, alerts, n, err) : FW_OK;
}

void managers_queue(struct managers *m, const struct manager_alert *alerts,
                    size_t n)
{
    if (m == NULL || n == 0)
        return;
    manager_queue_add(&m->queue, alerts, n);
    (void)curl_multi_wakeup(m->multi);
}

void managers_stats(struct managers *m, struct managers_stats *out)
{
    uint64_t dropped = 0;

    *out = (struct managers_stats){0};
    if (m == NULL)
        return;
    out->waiting = manager_queue_length(&m->queue, &dropped);
    out->sent = atomic_load(&m->sent);
    out->errors = atomic_load(&m->errors);
    out->dropped = dropped + atomic_load(&m->refused);
    out->found = atomic_load(&m->found);
}

void managers_each(struct managers *m,
                   void (*each)(void *self, const char *url), void *self)
{
    if (m == NULL)
        return;
    (void)pthread_mutex_lock(&m->peers_lock);
    for (size_t i = 0; i < FW_MAX_MANAGERS; i++)
        if (m->peers[i].config != NULL)
            each(self, m->peers[i].url);
    (void)pthread_mutex_unlock(&m->peers_lock);
}
