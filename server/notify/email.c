/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * email.c - one mail, one connection. A mail server that says 4xx is asked
 * again later, one that says 5xx is not.
 *
 * Texts of alerts come from anywhere: a header gets no line breaks and only
 * ASCII (RFC 2047 words else), lines of the body are kept below 998 bytes.
 */
#include "server/notify/email.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/config/yaml_tree.h"
#include "storage/base/file.h"
#include "storage/base/hash.h"

#define MAX_MAIL_BYTES ((size_t)4 << 20)
#define MAX_SUBJECT 120
#define MAX_LINE 900

/* ---- composing ---- */

/* RFC 2047, "B" encoding: safe for any text. */
static fw_rc add_word(struct fw_buf *out, struct fw_str text)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
        "uvwxyz0123456789+/";
    fw_rc rc = fw_buf_adds(out, "=?UTF-8?B?");

    for (size_t i = 0; rc == FW_OK && i < text.n; i += 3) {
        unsigned v = (unsigned)(unsigned char)text.p[i] << 16;
        size_t left = text.n - i;

        if (left > 1)
            v |= (unsigned)(unsigned char)text.p[i + 1] << 8;
        if (left > 2)
            v |= (unsigned char)text.p[i + 2];
        rc = fw_buf_printf(out, "%c%c%c%c", digits[v >> 18],
                           digits[v >> 12 & 63],
                           left > 1 ? digits[v >> 6 & 63] : '=',
                           left > 2 ? digits[v & 63] : '=');
    }
    return rc == FW_OK ? fw_buf_adds(out, "?=") : rc;
}

/* In words of 45 bytes, never inside a character. */
static fw_rc add_subject(struct fw_buf *out, struct fw_str text)
{
    fw_rc rc = fw_buf_adds(out, "Subject:");

    while (rc == FW_OK && text.n > 0) {
        size_t n = text.n < 45 ? text.n : 45;

        while (n > 1 && n < text.n && (text.p[n] & 0xC0) == 0x80)
            n--;
        rc = fw_buf_adds(out, " ");
        if (rc == FW_OK)
            rc = add_word(out, (struct fw_str){text.p, n});
        text = (struct fw_str){text.p + n, text.n - n};
        if (rc == FW_OK)
            rc = fw_buf_adds(out, "\r\n");
    }
    return rc;
}

/* A line of the body; what would break it is made visible. */
static fw_rc add_line(struct fw_buf *out, const char *head, struct fw_str name,
                      struct fw_str value)
{
    struct fw_buf text = FW_BUF_INIT(65536);
    fw_rc rc = fw_buf_printf(&text, "%s%.*s: ", head, FW_STR_ARG(name));

    if (rc == FW_OK)
        rc = fw_add_visible(&text, value);
    for (size_t i = 0; rc == FW_OK && i < text.len;) {
        size_t n = text.len - i < MAX_LINE ? text.len - i : MAX_LINE;

        while (n > 1 && i + n < text.len && (text.data[i + n] & 0xC0) == 0x80)
            n--;
        if (text.data[i] == '.') /* SMTP's dot; libcurl doubles it not here */
            rc = fw_buf_adds(out, " ");
        if (rc == FW_OK)
            rc = fw_buf_add(out, text.data + i, n);
        if (rc == FW_OK)
            rc = fw_buf_adds(out, "\r\n");
        i += n;
    }
    fw_buf_release(&text);
    return rc;
}

static fw_rc add_map(struct fw_buf *out, const struct node *map,
                     const char *head)
{
    fw_rc rc = FW_OK;

    if (map == NULL || map->kind != NODE_MAP)
        return FW_OK;
    for (const struct node *i = map->first; rc == FW_OK && i; i = i->next)
        rc = add_line(out, head, i->key->text, i->text);
    return rc;
}

static fw_rc add_alerts(struct fw_buf *out, const struct node *alerts,
                        struct fw_str status)
{
    fw_rc rc = FW_OK;

    for (const struct node *a = alerts->first; rc == FW_OK && a; a = a->next) {
        if (!fw_str_eq(yaml_member_text(a, "status"), status))
            continue;
        rc = add_line(out, "", FW_STR("alert"),
                      yaml_member_text(yaml_member(a, "labels"), "alertname"));
        if (rc == FW_OK)
            rc = add_line(out, "  ", FW_STR("status"), status);
        if (rc == FW_OK)
            rc = add_line(out, "  ", FW_STR("since"),
                          yaml_member_text(a, "startsAt"));
        if (rc == FW_OK)
            rc = add_map(out, yaml_member(a, "annotations"), "  ");
        if (rc == FW_OK)
            rc = add_map(out, yaml_member(a, "labels"), "  label ");
        if (rc == FW_OK && yaml_member_text(a, "generatorURL").n > 0)
            rc = add_line(out, "  ", FW_STR("link"),
                          yaml_member_text(a, "generatorURL"));
        if (rc == FW_OK)
            rc = fw_buf_adds(out, "\r\n");
    }
    return rc;
}

static size_t count(const struct node *alerts, struct fw_str status)
{
    size_t n = 0;

    for (const struct node *a = alerts->first; a; a = a->next)
        n += fw_str_eq(yaml_member_text(a, "status"), status);
    return n;
}

static fw_rc add_header(struct fw_buf *out, const struct config_email *email,
                        const struct node *root, const struct node *alerts,
                        fw_ms now)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
                                       "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    struct fw_str name =
        yaml_member_text(yaml_member(root, "groupLabels"), "alertname");
    size_t firing = count(alerts, FW_STR("firing"));
    time_t seconds = (time_t)(now / 1000);
    char subject[MAX_SUBJECT + 40];
    struct tm tm;
    fw_rc rc;

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(subject, sizeof(subject), "[%s%.0zu] %.*s",
                   firing > 0 ? "FIRING:" : "RESOLVED", firing,
                   (int)(name.n > MAX_SUBJECT ? MAX_SUBJECT : name.n), name.p);
    rc = fw_buf_printf(out,
                       "From: <%s>\r\nTo: <%s>\r\nDate: %s, %02d %s %d "
                       "%02d:%02d:%02d +0000\r\nMessage-ID: "
                       "<%016llx@forewarn>\r\nMIME-Version: "
                       "1.0\r\nContent-Type: text/plain; "
                       "charset=utf-8\r\nContent-Transfer-Encoding: "
                       "8bit\r\nAuto-Submitted: auto-generated\r\n",
                       email->from, email->to, days[tm.tm_wday], tm.tm_mday,
                       months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
                       tm.tm_min, tm.tm_sec,
                       (unsigned long long)fw_hash_random_seed());
    return rc == FW_OK ? add_subject(out, fw_str_of(subject)) : rc;
}

fw_rc email_compose(const struct config_email *email, struct fw_str payload,
                    fw_ms now, struct fw_buf *out, struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    const struct node *root = NULL, *alerts;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = yaml_tree_read(payload, arena, &root, err);
    alerts = yaml_member(root, "alerts");
    if (rc == FW_OK && (alerts == NULL || alerts->kind != NODE_LIST))
        rc = fw_err_set(err, FW_EINVAL, "the notification has no alerts");
    if (rc == FW_OK)
        rc = add_header(out, email, root, alerts, now);
    if (rc == FW_OK)
        rc = fw_buf_adds(out, "\r\n");
    if (rc == FW_OK)
        rc = add_alerts(out, alerts, FW_STR("firing"));
    if (rc == FW_OK)
        rc = add_alerts(out, alerts, FW_STR("resolved"));
    fw_arena_free(arena);
    return rc;
}

/* ---- sending ---- */

struct upload {
    const char *p;
    size_t left;
};

static size_t give(char *to, size_t size, size_t n, void *self)
{
    struct upload *u = self;
    size_t room = size * n;

    if (room > u->left)
        room = u->left;
    memcpy(to, u->p, room);
    u->p += room;
    u->left -= room;
    return room;
}

static size_t drop(char *bytes, size_t size, size_t n, void *self)
{
    (void)bytes;
    (void)self;
    return size * n;
}

static CURLcode prepare(CURL *c, const struct config_email *email,
                        const char *url, const char *password,
                        struct curl_slist *to, struct upload *upload)
{
    char from[512];
    CURLcode rc = CURLE_OK;

    (void)snprintf(from, sizeof(from), "<%s>", email->from);
#define SET(option, value)                                                     \
    rc = rc == CURLE_OK ? curl_easy_setopt(c, option, value) : rc
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)email->timeout);
    SET(CURLOPT_USE_SSL,
        (long)(email->require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    SET(CURLOPT_MAIL_FROM, from);
    SET(CURLOPT_MAIL_RCPT, to);
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_READFUNCTION, give);
    SET(CURLOPT_READDATA, upload);
    SET(CURLOPT_WRITEFUNCTION, drop);
    if (email->user != NULL) {
        SET(CURLOPT_USERNAME, email->user);
        SET(CURLOPT_PASSWORD, password);
    }
#undef SET
    return rc;
}

static enum webhook_answer judge(CURLcode rc, long status,
                                 const struct config_email *email,
                                 struct fw_err *err)
{
    if (rc == CURLE_OK)
        return WEBHOOK_DELIVERED;
    (void)fw_err_set(err, FW_EIO, "mail to %s by %s: %s (code %ld)", email->to,
                     email->smarthost, curl_easy_strerror(rc), status);
    return status >= 500 && status < 600 ? WEBHOOK_NEVER : WEBHOOK_LATER;
}

enum webhook_answer email_post(const struct config_email *email,
                               struct fw_str payload, fw_ms now,
                               struct fw_err *err)
{
    struct fw_buf mail = FW_BUF_INIT(MAX_MAIL_BYTES);
    struct fw_buf secret = FW_BUF_INIT(4096);
    enum webhook_answer answer = WEBHOOK_LATER;
    struct curl_slist *to = NULL;
    struct upload upload;
    CURL *c = NULL;
    char url[600], rcpt[512];
    long status = 0;
    CURLcode code;
    fw_rc rc = email_compose(email, payload, now, &mail, err);

    if (rc == FW_EINVAL || rc == FW_ETOOBIG)
        answer = WEBHOOK_NEVER;
    if (rc == FW_OK && email->password_file != NULL)
        rc = fw_file_read(email->password_file, &secret, err);
    while (secret.len > 0 && strchr("\r\n", secret.data[secret.len - 1]))
        secret.data[--secret.len] = '\0';
    if (rc != FW_OK)
        goto out;
    (void)snprintf(url, sizeof(url), "smtp://%s", email->smarthost);
    (void)snprintf(rcpt, sizeof(rcpt), "<%s>", email->to);
    upload = (struct upload){mail.data, mail.len};
    c = curl_easy_init();
    to = curl_slist_append(NULL, rcpt);
    if (c == NULL || to == NULL) {
        (void)fw_err_set(err, FW_ENOMEM, "out of memory");
        goto out;
    }
    code =
        prepare(c, email, url, secret.len > 0 ? secret.data : "", to, &upload);
    if (code == CURLE_OK)
        code = curl_easy_perform(c);
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    answer = judge(code, status, email, err);
out:
    curl_easy_cleanup(c);
    curl_slist_free_all(to);
    fw_buf_release(&mail);
    fw_buf_release(&secret);
    return answer;
}
