/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/writing.h"

#include <stdio.h>

/* How much of a series' name or a line an error repeats. */
#define ECHO_BYTES 120

struct writing *writing_new(struct call *call, enum api_write_protocol protocol)
{
    struct writing *w = fw_arena_calloc(call->arena, 1, sizeof(*w));

    atomic_fetch_add(&call->api->counters->requests[protocol], 1);
    if (w != NULL)
        w->scratch = fw_arena_new(4 * FW_MAX_SERIES_BYTES);
    if (w == NULL || w->scratch == NULL) {
        writing_reply(call, protocol, 503, "out of memory");
        call_done(call);
        return NULL;
    }
    w->call = call;
    w->protocol = protocol;
    w->now = fw_clock_now(call->api->clock);
    series_cache_at(call->api->cache, fw_store_epoch(call->api->store));
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->back, NULL);
    return w;
}

void writing_refuse(struct writing *w, uint64_t samples, const char *fmt, ...)
{
    va_list ap;

    w->refused += samples;
    if (w->reason[0] != '\0')
        return;
    va_start(ap, fmt);
    (void)vsnprintf(w->reason, sizeof(w->reason), fmt, ap); /* cut to fit */
    va_end(ap);
}

/* ---- replies ---- */

/* Influx's clients read JSON, all others a line of text. */
void writing_reply(struct call *call, enum api_write_protocol protocol,
                   int status, const char *text)
{
    struct fw_json json;
    bool v2 = fw_str_eq(call->head->path, FW_STR("/api/v2/write"));

    reply_release(&call->reply);
    if (status == 204) {
        call->reply.status = 204;
        return;
    }
    call_text(call, status, protocol == API_INFLUX ? "" : text);
    if (status == 503 || status == 429)
        reply_field(&call->reply, "Retry-After", "1");
    if (protocol != API_INFLUX) {
        if (fw_buf_addc(&call->reply.body, '\n') != FW_OK)
            fw_buf_clear(&call->reply.body);
        return;
    }
    call->reply.type = TYPE_JSON;
    fw_json_init(&json, &call->reply.body);
    fw_json_object(&json);
    if (v2) {
        fw_json_field_text(&json, "code",
                           status >= 500 ? "unavailable" : "invalid");
    }
    fw_json_field_text(&json, v2 ? "message" : "error", text);
    fw_json_object_end(&json);
    if (fw_json_rc(&json) != FW_OK)
        fw_buf_clear(&call->reply.body);
}

static void release(struct writing *w)
{
    fw_batch_release(&w->batch);
    fw_arena_free(w->scratch);
    (void)pthread_cond_destroy(&w->back);
    (void)pthread_mutex_destroy(&w->lock);
}

void writing_fail(struct writing *w, int status, const char *fmt, ...)
{
    struct call *call = w->call;
    char text[768];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap); /* cut to fit */
    va_end(ap);
    writing_reply(call, w->protocol, status, text);
    release(w);
    call_done(call);
}

/*
 * 503 for what may work later, 429 for series past the limit, 400 for what
 * never will; the good part is stored in any case but the first, and a client
 * that sends it all again makes no duplicates.
 */
static void answer(struct writing *w)
{
    struct api_counters *counters = w->call->api->counters;
    uint64_t lost = w->refused + w->limited + w->turned;
    const char *reason = w->reason[0] != '\0' ? w->reason : w->err.text;
    char text[1536];
    int status = w->refused + w->turned > 0 ? 400 : 429;

    atomic_fetch_add(&counters->stored[w->protocol], w->stored);
    atomic_fetch_add(&counters->refused[w->protocol], lost);
    if (w->rc != FW_OK) {
        writing_fail(w, 503, "not stored: %s",
                     w->err.text[0] != '\0' ? w->err.text : fw_rc_name(w->rc));
    } else if (lost == 0) {
        writing_fail(w, 204, "%s", "");
    } else {
        (void)snprintf(
            text, sizeof(text), "partial write: %llu stored, %llu refused: %s",
            (unsigned long long)w->stored, (unsigned long long)lost, reason);
        writing_fail(w, status, "%s", text);
    }
}

/* ---- batches ---- */

/* On the committer's thread. */
static void batch_done(void *self, const struct fw_append_result *result)
{
    struct writing *w = self;
    uint64_t turned = (uint64_t)result->conflicts + result->too_old +
                      (uint64_t)result->too_new;
    bool last;

    (void)pthread_mutex_lock(&w->lock);
    if ((result->rc != FW_OK && w->rc == FW_OK) ||
        (turned > 0 && w->turned == 0 && w->rc == FW_OK))
        w->err = result->err;
    if (result->rc != FW_OK && w->rc == FW_OK)
        w->rc = result->rc;
    if (result->rc == FW_OK) {
        w->stored += (uint64_t)result->stored + result->duplicates;
        w->turned += turned;
    }
    w->out--;
    last = w->out == 0 && w->parsed;
    (void)pthread_cond_signal(&w->back);
    (void)pthread_mutex_unlock(&w->lock);
    if (last)
        answer(w);
}

/* Until one of our own batches is back; false if none is out. */
static bool wait_for_batch(struct writing *w)
{
    size_t before;

    (void)pthread_mutex_lock(&w->lock);
    before = w->out;
    while (before > 0 && w->out >= before)
        (void)pthread_cond_wait(&w->back, &w->lock);
    (void)pthread_mutex_unlock(&w->lock);
    return before > 0;
}

static void note_failure(struct writing *w, fw_rc rc, const struct fw_err *err)
{
    (void)pthread_mutex_lock(&w->lock);
    if (w->rc == FW_OK) {
        w->rc = rc;
        w->err = *err;
    }
    (void)pthread_mutex_unlock(&w->lock);
}

bool writing_broken(struct writing *w)
{
    bool broken;

    (void)pthread_mutex_lock(&w->lock);
    broken = w->rc != FW_OK;
    (void)pthread_mutex_unlock(&w->lock);
    return broken;
}

/*
 * Hands the batch over. A store that has too much waiting is asked again once
 * a batch of ours is back: one large request must not fail for ever because of
 * its own size. What runs on the loop is not large.
 */
static bool submit(struct writing *w)
{
    struct fw_err err = {0};
    fw_rc rc;

    if (w->batch.n == 0)
        return true;
    do {
        (void)pthread_mutex_lock(&w->lock);
        w->out++;
        (void)pthread_mutex_unlock(&w->lock);
        rc = fw_store_submit(w->call->api->store, &w->batch, batch_done, w,
                             &err);
        if (rc == FW_OK)
            return true;
        (void)pthread_mutex_lock(&w->lock);
        w->out--;
        (void)pthread_mutex_unlock(&w->lock);
    } while (rc == FW_EBUSY && !w->call->on_loop && wait_for_batch(w));
    note_failure(w, rc, &err);
    return false;
}

bool writing_add(struct writing *w, uint32_t series, fw_ms t, double v)
{
    struct fw_err err = {0};
    fw_rc rc;

    if (w->batch.n == FW_MAX_BATCH_SAMPLES && !submit(w))
        return false;
    rc = fw_batch_add(&w->batch, series, t, v);
    if (rc == FW_OK)
        return true;
    (void)fw_err_set(&err, rc, "no memory for a batch of samples");
    note_failure(w, rc, &err);
    return false;
}

bool writing_series(struct writing *w, struct fw_label *labels, size_t n,
                    struct series_key key, struct fw_str name, uint64_t samples,
                    uint32_t *id)
{
    int echo = name.n < ECHO_BYTES ? (int)name.n : ECHO_BYTES;
    struct fw_err err = {0};
    fw_rc rc = fw_labels_canonical(labels, &n, &err);

    if (rc == FW_OK && n == 0)
        rc = fw_err_set(&err, FW_EINVAL, "it has no labels");
    if (rc != FW_OK) {
        writing_refuse(w, samples, "series '%.*s': %s", echo, name.p, err.text);
        return false;
    }
    rc = fw_store_series(w->call->api->store, &(struct fw_labels){labels, n},
                         id, &err);
    if (rc == FW_OK) {
        series_cache_put(w->call->api->cache, key, *id);
        return true;
    }
    if (rc == FW_ETOOBIG) {
        writing_refuse(w, 0, "series '%.*s': %s", echo, name.p, err.text);
        w->limited += samples;
    } else {
        note_failure(w, rc, &err);
    }
    return false;
}

void writing_end(struct writing *w)
{
    bool last;

    if (!writing_broken(w))
        (void)submit(w); /* its failure is noted in w->rc */
    (void)pthread_mutex_lock(&w->lock);
    w->parsed = true;
    last = w->out == 0;
    (void)pthread_mutex_unlock(&w->lock);
    if (last)
        answer(w);
}
