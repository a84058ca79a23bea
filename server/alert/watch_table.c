/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/watch_table.h"

#include <math.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "storage/base/bytes.h"
#include "storage/base/hash.h"
#include "storage/base/limits.h"

#define T_WATCHES "watches"
#define T_WATCHED "watched"
#define WATCH_VERSION 3
#define WATCHED_VERSION 3

uint64_t watch_definition(const struct config_watch *watch)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    uint64_t hash = 0;

    /* Out of memory gives 0: the record starts anew, nothing breaks. */
    if (fw_buf_printf(&text, "%s\n%s\n%lld\n%lld", watch->expr,
                      watch->breach_text, (long long)watch->breach.for_ms,
                      (long long)watch->horizon) == FW_OK)
        hash = fw_hash64(text.data, text.len, 0);
    fw_buf_release(&text);
    return hash;
}

/* ---- definitions
 * -------------------------------------------------------------- */

static fw_rc watch_put(struct fw_buf *out, const struct config_watch *w,
                       struct fw_err *err)
{
    struct record_writer r;

    record_begin(&r, out, RECORD_WATCH, WATCH_VERSION);
    record_put_str(&r, fw_str_of(w->expr));
    record_put_str(&r, fw_str_of(w->breach_text));
    record_put_ms(&r, w->breach.for_ms);
    record_put_ms(&r, w->horizon);
    record_put_ms(&r, w->history);
    record_put_ms(&r, w->interval);
    record_put_ms(&r, w->lead);
    record_put_double(&r, w->probability);
    record_put_double(&r, w->recover);
    record_put_str(&r, fw_str_of(w->owner));
    record_put_str(&r, fw_str_of(w->reason));
    record_put_str(&r, fw_str_of(w->runbook != NULL ? w->runbook : ""));
    record_put_u32(&r, (uint32_t)w->label_count);
    for (size_t i = 0; i < w->label_count; i++) {
        record_put_str(&r, fw_str_of(w->labels[i].name));
        record_put_str(&r, fw_str_of(w->labels[i].value));
    }
    record_put_double(&r, w->minimum_precision);
    record_put_u8(&r, w->shadow ? 1 : 0);
    record_put_str(&r, fw_str_of(w->time_zone != NULL ? w->time_zone : ""));
    record_put_u32(&r, (uint32_t)w->event_count);
    for (size_t i = 0; i < w->event_count; i++) {
        const struct fw_event *e = &w->events[i];

        record_put_u8(&r, e->exclude ? 1 : 0);
        record_put_ms(&r, e->at);
        record_put_ms(&r, e->until);
        record_put_ms(&r, e->every);
        record_put_double(&r, e->delta);
        record_put_str(&r, fw_str_of(e->amount));
        record_put_str(&r, fw_str_of(e->why));
    }
    return record_end(&r, err);
}

struct names {
    struct fw_arena *arena;
    struct fw_str *v;
    size_t n, cap;
    bool failed;
};

static bool keep_name(void *self, struct fw_str key, struct fw_str value)
{
    struct names *names = self;

    (void)value;
    if (names->n == names->cap) {
        size_t cap = names->cap == 0 ? 64 : names->cap * 2;
        struct fw_str *v = fw_arena_calloc(names->arena, cap, sizeof(*v));

        if (v == NULL) {
            names->failed = true;
            return false;
        }
        if (names->n > 0)
            memcpy(v, names->v, names->n * sizeof(*v));
        names->v = v;
        names->cap = cap;
    }
    names->v[names->n] =
        (struct fw_str){fw_arena_strndup(names->arena, key.p, key.n), key.n};
    names->failed = names->v[names->n].p == NULL;
    names->n += names->failed ? 0 : 1;
    return !names->failed;
}

static fw_rc all_names(struct fw_txn *txn, const char *table,
                       struct names *names, struct fw_err *err)
{
    fw_rc rc = fw_txn_scan(txn, table, FW_STR("\0"), keep_name, names, err);

    if (rc == FW_OK && names->failed)
        rc = fw_arena_err(names->arena, err);
    return rc;
}

fw_rc watch_table_set(struct fw_txn *txn, const struct config_watch *watches,
                      size_t n, struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct names old = {.arena = fw_arena_new((size_t)64 << 20)};
    fw_rc rc = FW_ENOMEM;

    if (old.arena != NULL)
        rc = all_names(txn, T_WATCHES, &old, err);
    for (size_t i = 0; rc == FW_OK && i < old.n; i++) {
        rc = fw_txn_delete(txn, T_WATCHES, old.v[i], err);
        if (rc == FW_NONE)
            rc = FW_OK;
    }
    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        rc = watch_put(&record, &watches[i], err);
        if (rc == FW_OK)
            rc = fw_txn_put(txn, T_WATCHES, fw_str_of(watches[i].name),
                            (struct fw_str){record.data, record.len}, err);
    }
    fw_arena_free(old.arena);
    fw_buf_release(&record);
    return rc;
}

/* A text of the record, copied; "" once memory ran out, told by *failed. */
static const char *take_text(struct record_reader *r, struct fw_arena *arena,
                             bool *failed)
{
    struct fw_str text = record_get_str(r);
    const char *copy = fw_arena_strndup(arena, text.p, text.n);

    if (copy == NULL)
        *failed = true;
    return copy != NULL ? copy : "";
}

/* What is known beforehand; since version 3. */
static fw_rc read_known(struct record_reader *r, struct fw_arena *arena,
                        struct config_watch *w, struct fw_err *err)
{
    bool failed = false;

    w->time_zone = take_text(r, arena, &failed);
    if (w->time_zone[0] == '\0')
        w->time_zone = NULL;
    w->event_count = record_get_u32(r);
    if (w->event_count > FW_MAX_EVENTS)
        return fw_err_set(err, FW_ECORRUPT, "a watch with %zu events",
                          w->event_count);
    w->events = fw_arena_calloc(arena, w->event_count + 1, sizeof(*w->events));
    for (size_t i = 0; w->events != NULL && i < w->event_count; i++) {
        struct fw_event *e = &w->events[i];

        e->exclude = record_get_u8(r) != 0;
        e->at = record_get_ms(r);
        e->until = record_get_ms(r);
        e->every = record_get_ms(r);
        e->delta = record_get_double(r);
        e->amount = take_text(r, arena, &failed);
        e->why = take_text(r, arena, &failed);
        if (!isfinite(e->delta) || e->every < 0)
            return fw_err_set(err, FW_ECORRUPT, "an event that cannot be");
    }
    return failed || w->events == NULL ? fw_arena_err(arena, err) : FW_OK;
}

static fw_rc watch_read(struct fw_str name, struct fw_str bytes,
                        struct fw_arena *arena, struct config_watch *out,
                        struct fw_err *err)
{
    struct config_watch w = {0};
    struct record_reader r;
    bool failed = false;
    fw_rc rc = record_open(&r, bytes, RECORD_WATCH, WATCH_VERSION, err);

    if (rc != FW_OK)
        return rc;
    w.name = fw_arena_strndup(arena, name.p, name.n);
    w.expr = take_text(&r, arena, &failed);
    w.breach_text = take_text(&r, arena, &failed);
    w.breach.for_ms = record_get_ms(&r);
    w.horizon = record_get_ms(&r);
    w.history = record_get_ms(&r);
    w.interval = record_get_ms(&r);
    w.lead = record_get_ms(&r);
    w.probability = record_get_double(&r);
    w.recover = record_get_double(&r);
    w.owner = take_text(&r, arena, &failed);
    w.reason = take_text(&r, arena, &failed);
    w.runbook = take_text(&r, arena, &failed);
    if (w.runbook[0] == '\0')
        w.runbook = NULL;
    w.label_count = record_get_u32(&r);
    if (w.label_count > FW_MAX_LABELS)
        return fw_err_set(err, FW_ECORRUPT, "a watch with %zu labels",
                          w.label_count);
    w.labels = fw_arena_calloc(arena, w.label_count + 1, sizeof(*w.labels));
    for (size_t i = 0; w.labels != NULL && i < w.label_count; i++) {
        w.labels[i].name = take_text(&r, arena, &failed);
        w.labels[i].value = take_text(&r, arena, &failed);
    }
    if (failed || w.labels == NULL || w.name == NULL)
        return fw_arena_err(arena, err);
    w.minimum_precision = CONFIG_MINIMUM_PRECISION;
    if (record_version(bytes) >= 2) {
        w.minimum_precision = record_get_double(&r);
        w.shadow = record_get_u8(&r) != 0;
    }
    if (record_version(bytes) >= 3)
        rc = read_known(&r, arena, &w, err);
    if (rc != FW_OK)
        return rc;
    rc = record_close(&r, err);
    if (rc == FW_OK) {
        fw_ms for_ms = w.breach.for_ms;

        rc = fw_breach_parse(fw_str_of(w.breach_text), &w.breach, err);
        w.breach.for_ms = for_ms;
    }
    if (rc == FW_OK)
        *out = w;
    return rc;
}

fw_rc watch_table_all(struct fw_txn *txn, struct fw_arena *arena,
                      struct config_watch **out, size_t *count,
                      struct fw_err *err)
{
    struct names names = {.arena = arena};
    struct config_watch *watches;
    fw_rc rc = all_names(txn, T_WATCHES, &names, err);

    if (rc != FW_OK)
        return rc;
    watches = fw_arena_calloc(arena, names.n + 1, sizeof(*watches));
    if (watches == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; rc == FW_OK && i < names.n; i++) {
        struct fw_str value;

        rc = fw_txn_get(txn, T_WATCHES, names.v[i], &value, err);
        if (rc == FW_OK)
            rc = watch_read(names.v[i], value, arena, &watches[i], err);
        if (rc < 0)
            return fw_err_prefix(err, "the stored watch '%.*s'",
                                 FW_STR_ARG(names.v[i]));
    }
    *out = watches;
    *count = names.n;
    return FW_OK;
}

/* ---- states
 * -------------------------------------------------------------------- */

static struct fw_str subject_key(uint32_t subject, char out[4])
{
    fw_put_be32(out, subject);
    return (struct fw_str){out, 4};
}

static void put_alert(struct record_writer *w, const struct alert *a)
{
    record_put_u8(w, (uint8_t)a->phase);
    record_put_ms(w, a->since);
    record_put_ms(w, a->fired_at);
    record_put_u8(w, a->foretold ? 1 : 0);
    record_put_ms(w, a->told_at);
    record_put_ms(w, a->inside_since);
    record_put_u32(w, a->calm);
    record_put_double(w, a->probability);
}

static void put_observed(struct record_writer *w, const struct observed *o)
{
    record_put_ms(w, o->through);
    record_put_ms(w, o->watched_ms);
    record_put_ms(w, o->last_at);
    record_put_ms(w, o->beyond_since);
    record_put_ms(w, o->breached_at);
    record_put_double(w, o->value);
    record_put_u8(w,
                  (uint8_t)((o->counted ? 1 : 0) | (o->been_inside ? 2 : 0)));
}

static void put_outlook(struct record_writer *w, const struct outlook *o)
{
    record_put_ms(w, o->at);
    record_put_u8(w, o->told ? 1 : 0);
    record_put_double(w, o->probability);
    record_put_ms(w, o->p10);
    record_put_ms(w, o->p50);
    record_put_ms(w, o->p90);
    record_put_u8(w, (uint8_t)o->reason);
    record_put_str(w, fw_str_of(o->model));
}

static void put_extremes(struct record_writer *w, const struct watched_state *s)
{
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        record_put_double(w, s->outlook.extreme[i]);
    record_put_u32(w, s->peaks.n);
    for (uint32_t i = 0; i < s->peaks.n; i++) {
        record_put_ms(w, s->peaks.v[i].t);
        record_put_double(w, s->peaks.v[i].v);
    }
}

/* False where there are more peaks than there can be. */
static bool get_extremes(struct record_reader *r, struct watched_state *s)
{
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        s->outlook.extreme[i] = record_get_double(r);
    s->peaks.n = record_get_u32(r);
    if (s->peaks.n > PEAKS_KEPT)
        return false;
    for (uint32_t i = 0; i < s->peaks.n; i++) {
        s->peaks.v[i].t = record_get_ms(r);
        s->peaks.v[i].v = record_get_double(r);
    }
    return true;
}

fw_rc watched_put(struct fw_txn *txn, const struct watched_state *s,
                  struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    char key[4];
    fw_rc rc;

    record_begin(&w, &record, RECORD_ALERT, WATCHED_VERSION);
    put_alert(&w, &s->alert);
    put_observed(&w, &s->observed);
    put_outlook(&w, &s->outlook);
    record_put_ms(&w, s->routine_at);
    record_put_u8(&w, (uint8_t)s->told);
    record_put_ms(&w, s->told_at);
    put_extremes(&w, s);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_WATCHED, subject_key(s->subject, key),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

fw_rc watched_delete(struct fw_txn *txn, uint32_t subject, struct fw_err *err)
{
    char key[4];
    fw_rc rc = fw_txn_delete(txn, T_WATCHED, subject_key(subject, key), err);

    return rc == FW_NONE ? FW_OK : rc;
}

static fw_rc watched_read(uint32_t subject, struct fw_str bytes,
                          struct watched_state *out)
{
    struct watched_state s = {.subject = subject};
    struct record_reader r;
    struct fw_str model;
    uint8_t phase, flags, reason, told;
    fw_rc rc = record_open(&r, bytes, RECORD_ALERT, WATCHED_VERSION, NULL);

    if (rc != FW_OK)
        return rc;
    phase = record_get_u8(&r);
    s.alert.since = record_get_ms(&r);
    s.alert.fired_at = record_get_ms(&r);
    s.alert.foretold = record_get_u8(&r) != 0;
    s.alert.told_at = record_get_ms(&r);
    s.alert.inside_since = record_get_ms(&r);
    s.alert.calm = record_get_u32(&r);
    s.alert.probability = record_get_double(&r);
    s.observed.through = record_get_ms(&r);
    s.observed.watched_ms = record_get_ms(&r);
    s.observed.last_at = record_get_ms(&r);
    s.observed.beyond_since = record_get_ms(&r);
    s.observed.breached_at = record_get_ms(&r);
    s.observed.value = record_get_double(&r);
    flags = record_get_u8(&r);
    s.observed.counted = (flags & 1) != 0;
    s.observed.been_inside = (flags & 2) != 0;
    s.outlook.at = record_get_ms(&r);
    s.outlook.told = record_get_u8(&r) != 0;
    s.outlook.probability = record_get_double(&r);
    s.outlook.p10 = record_get_ms(&r);
    s.outlook.p50 = record_get_ms(&r);
    s.outlook.p90 = record_get_ms(&r);
    reason = record_get_u8(&r);
    model = record_get_str(&r);
    s.routine_at = record_get_ms(&r);
    told = phase >= ALERT_FIRING ? TOLD : TOLD_NOBODY;
    if (record_version(bytes) >= 2) {
        told = record_get_u8(&r);
        s.told_at = record_get_ms(&r);
    }
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        s.outlook.extreme[i] = NAN;
    if (record_version(bytes) >= 3 && !get_extremes(&r, &s))
        return FW_ECORRUPT;
    rc = record_close(&r, NULL);
    if (rc != FW_OK)
        return rc;
    if (phase > ALERT_BREACHED || told > TOLD_UNPROVEN ||
        model.n >= sizeof(s.outlook.model))
        return FW_ECORRUPT;
    s.alert.phase = (enum alert_phase)phase;
    s.told = (enum told)told;
    s.outlook.reason = (enum fw_reason)reason;
    memcpy(s.outlook.model, model.p, model.n);
    *out = s;
    return FW_OK;
}

struct states {
    struct fw_arena *arena;
    struct watched_state *v;
    size_t n, cap, damaged;
    bool failed;
};

static bool keep_state(void *self, struct fw_str key, struct fw_str value)
{
    struct states *s = self;

    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct watched_state *v = fw_arena_calloc(s->arena, cap, sizeof(*v));

        if (v == NULL) {
            s->failed = true;
            return false;
        }
        if (s->n > 0)
            memcpy(v, s->v, s->n * sizeof(*v));
        s->v = v;
        s->cap = cap;
    }
    if (key.n == 4 &&
        watched_read(fw_get_be32(key.p), value, &s->v[s->n]) == FW_OK)
        s->n++;
    else
        s->damaged++;
    return true;
}

fw_rc watched_all(struct fw_txn *txn, struct fw_arena *arena,
                  struct watched_state **out, size_t *count, size_t *damaged,
                  struct fw_err *err)
{
    struct states s = {.arena = arena};
    char first[4];
    fw_rc rc =
        fw_txn_scan(txn, T_WATCHED, subject_key(0, first), keep_state, &s, err);

    if (rc == FW_OK && s.failed)
        rc = fw_arena_err(arena, err);
    if (rc != FW_OK)
        return rc;
    *out = s.v;
    *count = s.n;
    *damaged = s.damaged;
    return FW_OK;
}
