/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/watch_news.h"

#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"

#define T_NEWS "news"
#define NEWS_VERSION 1
#define NOTICES_FROM (UINT64_C(1) << 32) /* above all subjects */
#define MAX_NEWS 200000

const char *news_state_name(enum news_state state)
{
    static const char *const names[] = {"predicted", "breached", "resolved",
                                        "notice"};

    return names[state];
}

/* ---- writing ---- */

static void put_labels(struct record_writer *w, const struct fw_labels *labels)
{
    record_put_u32(w, (uint32_t)labels->n);
    for (size_t i = 0; i < labels->n; i++) {
        record_put_str(w, labels->v[i].name);
        record_put_str(w, labels->v[i].value);
    }
}

static fw_rc put_record(const struct news *n, struct fw_buf *out,
                        struct fw_err *err)
{
    struct record_writer w;

    record_begin(&w, out, RECORD_NEWS, NEWS_VERSION);
    record_put_u8(&w, (uint8_t)n->state);
    record_put_ms(&w, n->starts_at);
    record_put_ms(&w, n->changed_at);
    record_put_ms(&w, n->updated_at);
    record_put_ms(&w, n->ends_at);
    record_put_ms(&w, n->interval);
    put_labels(&w, &n->labels);
    put_labels(&w, &n->annotations);
    record_put_str(&w, n->expr);
    record_put_str(&w, n->forecast);
    record_put_str(&w, n->card);
    return record_end(&w, err);
}

static enum news_state state_of(const struct alert_note *note)
{
    if (note->change == ALERT_TO_RESOLVED)
        return NEWS_ENDED;
    return note->state->alert.phase == ALERT_BREACHED ? NEWS_BREACHED
                                                      : NEWS_PREDICTED;
}

/* The news of a note, but for its card; texts live in `words` and buffers. */
static fw_rc news_of(const struct alert_note *note, struct alert_words *words,
                     struct fw_label labels[ALERT_NOTE_LABELS],
                     struct fw_buf *forecast, struct news *out)
{
    struct fw_json json;
    fw_rc rc = alert_words_make(words, note);

    if (rc != FW_OK)
        return rc;
    fw_json_init(&json, forecast);
    alert_note_forecast(note, &json);
    *out = (struct news){
        .state = state_of(note),
        .starts_at = note->fired_at,
        .changed_at = note->now,
        .updated_at = note->now,
        .ends_at = note->change == ALERT_TO_RESOLVED ? note->now : 0,
        .interval = note->watch->interval,
        .labels = {labels, alert_note_labels(note->watch, note->labels,
                                             note->state->told, labels)},
        .annotations = {words->v, words->n},
        .expr = fw_str_of(note->watch->expr),
        .forecast = {forecast->data, forecast->len},
    };
    return fw_json_rc(&json);
}

fw_rc news_write(const struct alert_note *note, struct fw_buf *out,
                 struct fw_err *err)
{
    struct fw_buf forecast = FW_BUF_INIT(FW_MAX_RECORD_BYTES / 4);
    struct fw_buf card = FW_BUF_INIT(FW_MAX_RECORD_BYTES / 4);
    struct fw_label labels[ALERT_NOTE_LABELS];
    struct alert_words words = {0};
    struct fw_json json;
    struct news news;
    fw_rc rc = news_of(note, &words, labels, &forecast, &news);

    if (rc == FW_OK && note->card != NULL) {
        fw_json_init(&json, &card);
        card_json(note->card, &json);
        rc = fw_json_rc(&json);
        news.card = (struct fw_str){card.data, card.len};
    }
    rc = rc == FW_OK ? put_record(&news, out, err)
                     : fw_err_set(err, rc, "news of '%s' cannot be written",
                                  note->watch->name);
    alert_words_release(&words);
    fw_buf_release(&forecast);
    fw_buf_release(&card);
    return rc;
}

fw_rc news_put(struct fw_txn *txn, uint32_t subject, struct fw_str record,
               struct fw_err *err)
{
    struct record_key key = record_key_u64(subject);

    return fw_txn_put(txn, T_NEWS, record_key_str(&key), record, err);
}

/* ---- reading ---- */

static bool get_labels(struct record_reader *r, struct fw_arena *arena,
                       struct fw_labels *out)
{
    uint32_t n = record_get_u32(r);
    struct fw_label *v;

    if (r->bad || n > ALERT_NOTE_LABELS)
        return false;
    v = fw_arena_calloc(arena, n + 1, sizeof(*v));
    if (v == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        v[i].name = record_get_str(r);
        v[i].value = record_get_str(r);
    }
    *out = (struct fw_labels){v, n};
    return !r->bad;
}

/* `bytes` must live as long as what is made of them. */
static bool get_record(struct fw_str bytes, uint64_t id, struct fw_arena *arena,
                       struct news *out)
{
    struct record_reader r;
    struct news n = {.id = id};
    uint8_t state;

    if (record_open(&r, bytes, RECORD_NEWS, NEWS_VERSION, NULL) != FW_OK)
        return false;
    state = record_get_u8(&r);
    n.starts_at = record_get_ms(&r);
    n.changed_at = record_get_ms(&r);
    n.updated_at = record_get_ms(&r);
    n.ends_at = record_get_ms(&r);
    n.interval = record_get_ms(&r);
    if (!get_labels(&r, arena, &n.labels) ||
        !get_labels(&r, arena, &n.annotations))
        return false;
    n.expr = record_get_str(&r);
    n.forecast = record_get_str(&r);
    n.card = record_get_str(&r);
    if (record_close(&r, NULL) != FW_OK || state > NEWS_NOTICE)
        return false;
    n.state = (enum news_state)state;
    *out = n;
    return true;
}

fw_rc news_refresh(struct fw_txn *txn, const struct alert_note *note,
                   uint32_t subject, struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new(4 * (size_t)FW_MAX_RECORD_BYTES);
    struct fw_buf forecast = FW_BUF_INIT(FW_MAX_RECORD_BYTES / 4);
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_key key = record_key_u64(subject);
    struct fw_label labels[ALERT_NOTE_LABELS];
    struct alert_words words = {0};
    struct fw_str stored;
    struct news news, old;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = news_of(note, &words, labels, &forecast, &news);
    if (rc != FW_OK) {
        rc = fw_err_set(err, rc, "news of '%s' cannot be written",
                        note->watch->name);
        goto out;
    }
    rc = fw_txn_get(txn, T_NEWS, record_key_str(&key), &stored, err);
    if (rc == FW_OK && get_record(stored, subject, arena, &old) &&
        old.starts_at == news.starts_at && old.state == news.state) {
        news.changed_at = old.changed_at;
        news.card = old.card;
    }
    if (rc >= 0)
        rc = put_record(&news, &record, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_NEWS, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
out:
    alert_words_release(&words);
    fw_buf_release(&forecast);
    fw_buf_release(&record);
    fw_arena_free(arena);
    return rc;
}

static struct fw_labels labels_of(const struct notice_pair *pairs,
                                  struct fw_label *v, size_t cap)
{
    size_t n = 0;

    /* In the order of their names, as labels are everywhere. */
    for (; pairs->name != NULL && n < cap; pairs++) {
        size_t at = n++;

        while (at > 0 &&
               fw_str_cmp(v[at - 1].name, fw_str_of(pairs->name)) > 0) {
            v[at] = v[at - 1];
            at--;
        }
        v[at] =
            (struct fw_label){fw_str_of(pairs->name), fw_str_of(pairs->text)};
    }
    return (struct fw_labels){v, n};
}

fw_rc news_notice(struct fw_txn *txn, const struct notice_pair *labels,
                  const struct notice_pair *annotations, fw_ms at,
                  struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct fw_label a[16], b[16];
    struct news news = {.id = NOTICES_FROM + (uint64_t)at * 16,
                        .state = NEWS_NOTICE,
                        .starts_at = at,
                        .changed_at = at,
                        .updated_at = at,
                        .ends_at = at + NEWS_NOTICE_MS,
                        .interval = NEWS_NOTICE_MS,
                        .labels = labels_of(labels, a, 16),
                        .annotations = labels_of(annotations, b, 16)};
    struct record_key key = record_key_u64(news.id);
    struct fw_str taken;
    fw_rc rc = FW_OK;

    /* A few may be of one millisecond. */
    for (int i = 0; i < 15 && rc == FW_OK; i++) {
        rc = fw_txn_get(txn, T_NEWS, record_key_str(&key), &taken, err);
        if (rc == FW_OK)
            key = record_key_u64(++news.id);
    }
    if (rc >= 0)
        rc = put_record(&news, &record, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_NEWS, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

fw_rc notice_tell(struct fw_txn *txn, const struct notice_pair *labels,
                  const struct notice_pair *annotations, fw_ms at,
                  struct fw_buf *body, struct fw_err *err)
{
    fw_rc rc = notice_payload(labels, annotations, at, body);

    if (rc != FW_OK)
        return fw_err_set(err, rc, "a notice cannot be built: %s",
                          fw_rc_name(rc));
    return news_notice(txn, labels, annotations, at, err);
}

/* ---- all of it ---- */

struct reading {
    struct fw_arena *arena;
    struct news *v; /* owned while it grows */
    size_t n, cap;
    fw_rc rc;
};

static bool read_one(void *self, struct fw_str key, struct fw_str value)
{
    struct reading *all = self;
    struct fw_str bytes = {fw_arena_strndup(all->arena, value.p, value.n),
                           value.n};
    uint64_t id;

    if (bytes.p == NULL)
        all->rc = FW_ENOMEM;
    if (all->rc == FW_OK)
        all->rc =
            fw_grow(&all->v, &all->cap, all->n + 1, sizeof(*all->v), MAX_NEWS);
    if (all->rc == FW_OK && record_key_read(key, &id) &&
        get_record(bytes, id, all->arena, &all->v[all->n]))
        all->n++;
    return all->rc == FW_OK;
}

fw_rc news_all(struct fw_txn *txn, struct fw_arena *arena, struct news **out,
               size_t *count, struct fw_err *err)
{
    struct record_key from = record_key_u64(0);
    struct reading all = {.arena = arena};
    struct news *kept = NULL;
    fw_rc rc =
        fw_txn_scan(txn, T_NEWS, record_key_str(&from), read_one, &all, err);

    if (rc >= 0 && all.rc != FW_OK)
        rc = fw_err_set(err, all.rc, "the news of watches cannot be read: %s",
                        fw_rc_name(all.rc));
    if (rc >= 0) {
        kept = fw_arena_calloc(arena, all.n + 1, sizeof(*kept));
        rc = kept != NULL ? FW_OK : fw_arena_err(arena, err);
    }
    if (rc == FW_OK && all.n > 0)
        memcpy(kept, all.v, all.n * sizeof(*kept));
    free(all.v);
    if (rc == FW_OK) {
        *out = kept;
        *count = all.n;
    }
    return rc;
}

fw_rc news_prune(struct fw_txn *txn, fw_ms now, size_t *removed,
                 struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new((size_t)1 << 30);
    struct news *all = NULL;
    size_t n = 0;
    fw_rc rc;

    *removed = 0;
    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = news_all(txn, arena, &all, &n, err);
    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        struct record_key key = record_key_u64(all[i].id);
        fw_ms keep = all[i].state == NEWS_NOTICE ? 0 : NEWS_RESOLVED_MS;

        if (all[i].ends_at == 0 || now - all[i].ends_at <= keep)
            continue;
        rc = fw_txn_delete(txn, T_NEWS, record_key_str(&key), err);
        if (rc >= 0) {
            rc = FW_OK;
            (*removed)++;
        }
    }
    fw_arena_free(arena);
    return rc;
}

void news_forecast(const struct news *news, struct fw_json *json)
{
    struct fw_str open = {news->forecast.p, news->forecast.n};

    if (news->card.n == 0 || open.n == 0 || open.p[open.n - 1] != '}') {
        fw_json_raw(json, news->forecast);
        return;
    }
    /* The object as it was written, and one member more before its end. */
    open.n--;
    fw_json_raw(json, open);
    if (json->rc == FW_OK)
        json->rc = fw_buf_adds(json->out, ",\"card\":");
    if (json->rc == FW_OK)
        json->rc = fw_buf_add(json->out, news->card.p, news->card.n);
    if (json->rc == FW_OK)
        json->rc = fw_buf_addc(json->out, '}');
}
