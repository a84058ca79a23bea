/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/rules/rule_table.h"

#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "storage/base/bytes.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define T_RULE_ALERTS "rule_alerts"
#define RULE_ALERT_VERSION 1
#define KEEP_RESOLVED (20 * FW_MINUTE) /* they are told of for fifteen */
#define MAX_REMOVED 100000

struct alert_key {
    char bytes[16];
};

static struct fw_str key_of(struct alert_key *key, uint64_t identity,
                            uint64_t hash)
{
    struct record_key parts[2] = {record_key_u64(identity),
                                  record_key_u64(hash)};

    memcpy(key->bytes, parts[0].bytes, 8);
    memcpy(key->bytes + 8, parts[1].bytes, 8);
    return (struct fw_str){key->bytes, sizeof(key->bytes)};
}

static void put_labels(struct record_writer *w, const struct fw_labels *labels)
{
    record_put_u32(w, (uint32_t)labels->n);
    for (size_t i = 0; i < labels->n; i++) {
        record_put_str(w, labels->v[i].name);
        record_put_str(w, labels->v[i].value);
    }
}

fw_rc rule_table_put(struct fw_txn *txn, const struct rule_run *r,
                     const struct rule_alert *a, struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    struct alert_key key;
    fw_rc rc;

    record_begin(&w, &record, RECORD_RULE_ALERT, RULE_ALERT_VERSION);
    record_put_u8(&w, (uint8_t)a->state);
    record_put_ms(&w, a->active_at);
    record_put_ms(&w, a->fired_at);
    record_put_ms(&w, a->resolved_at);
    record_put_ms(&w, a->last_sent_at);
    record_put_ms(&w, a->keep_firing_since);
    record_put_double(&w, a->value);
    put_labels(&w, &a->labels);
    put_labels(&w, &a->annotations);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_RULE_ALERTS, key_of(&key, r->identity, a->hash),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

/* ---- reading ---- */

struct loading {
    struct group_run *groups;
    size_t group_count;
    fw_ms now, tolerance;
    size_t loaded;
    bool all;                 /* load; else only look for what is old */
    struct alert_key *remove; /* owned */
    size_t remove_count, remove_cap;
    fw_rc rc;
    struct fw_err *err;
};

static bool get_labels(struct record_reader *r, struct fw_label *v,
                       struct fw_labels *out)
{
    uint32_t n = record_get_u32(r);

    if (n > 2 * FW_MAX_LABELS + 4)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        v[i].name = record_get_str(r);
        v[i].value = record_get_str(r);
    }
    *out = (struct fw_labels){v, n};
    return true;
}

static struct rule_run *find_rule(const struct loading *l, uint64_t identity,
                                  fw_ms *interval)
{
    for (size_t g = 0; g < l->group_count; g++)
        for (size_t i = 0; i < l->groups[g].count; i++)
            if (l->groups[g].rules[i].identity == identity &&
                l->groups[g].rules[i].rule->alerting) {
                *interval = l->groups[g].interval;
                return &l->groups[g].rules[i];
            }
    return NULL;
}

static bool is_of_use(const struct loading *l, const struct rule_alert *a)
{
    if (a->state == RULE_INACTIVE)
        return a->resolved_at != 0 && l->now - a->resolved_at < KEEP_RESOLVED;
    return !l->all || l->now - a->last_sent_at <= l->tolerance;
}

static fw_rc take_back(struct loading *l, uint64_t identity,
                       const struct rule_alert *from)
{
    fw_ms interval = 0;
    struct rule_run *r = find_rule(l, identity, &interval);
    struct rule_alert *a = NULL;
    fw_rc rc;

    if (r == NULL)
        return FW_NONE;
    rc = rule_run_add_alert(r, &from->labels, &from->annotations, &a, l->err);
    if (rc != FW_OK)
        return rc;
    a->state = from->state;
    a->active_at = from->active_at;
    a->fired_at = from->fired_at;
    a->resolved_at = from->resolved_at;
    a->last_sent_at = from->last_sent_at;
    a->keep_firing_since = from->keep_firing_since;
    a->value = from->value;
    if (a->state == RULE_FIRING)
        a->held_until =
            l->now + (3 * interval > FW_MINUTE ? 3 * interval : FW_MINUTE);
    l->loaded++;
    return FW_OK;
}

/* Room for the labels of one alert while it is looked at. */
struct decoded {
    struct rule_alert alert;
    struct fw_label labels[2 * FW_MAX_LABELS + 4];
    struct fw_label annotations[2 * FW_MAX_LABELS + 4];
};

static bool decode(struct fw_str value, struct decoded *out)
{
    struct rule_alert *a = &out->alert;
    struct record_reader r;

    *a = (struct rule_alert){0};
    if (record_open(&r, value, RECORD_RULE_ALERT, RULE_ALERT_VERSION, NULL) !=
        FW_OK)
        return false;
    a->state = (enum rule_alert_state)record_get_u8(&r);
    a->active_at = record_get_ms(&r);
    a->fired_at = record_get_ms(&r);
    a->resolved_at = record_get_ms(&r);
    a->last_sent_at = record_get_ms(&r);
    a->keep_firing_since = record_get_ms(&r);
    a->value = record_get_double(&r);
    return get_labels(&r, out->labels, &a->labels) &&
           get_labels(&r, out->annotations, &a->annotations) &&
           record_close(&r, NULL) == FW_OK && a->state <= RULE_FIRING;
}

static bool see(void *self, struct fw_str key, struct fw_str value)
{
    struct loading *l = self;
    struct decoded d;
    uint64_t identity = 0;
    fw_rc rc = FW_NONE;

    if (key.n == 16 && record_key_read((struct fw_str){key.p, 8}, &identity) &&
        decode(value, &d) && is_of_use(l, &d.alert))
        rc = l->all ? take_back(l, identity, &d.alert) : FW_OK;
    if (rc < 0) {
        l->rc = rc;
        return false;
    }
    if (rc == FW_NONE && key.n == 16 &&
        fw_grow(&l->remove, &l->remove_cap, l->remove_count + 1,
                sizeof(*l->remove), MAX_REMOVED) == FW_OK)
        memcpy(l->remove[l->remove_count++].bytes, key.p, 16);
    return true;
}

struct showing {
    bool (*each)(void *self, const struct rule_alert *a);
    void *self;
};

static bool show(void *self, struct fw_str key, struct fw_str value)
{
    struct showing *s = self;
    struct decoded d;

    (void)key;
    return !decode(value, &d) || s->each(s->self, &d.alert);
}

fw_rc rule_table_each(struct fw_txn *txn,
                      bool (*each)(void *self, const struct rule_alert *a),
                      void *self, struct fw_err *err)
{
    static const char first[1] = {0};
    struct showing s = {each, self};
    fw_rc rc = fw_txn_scan(txn, T_RULE_ALERTS, (struct fw_str){first, 1}, show,
                           &s, err);

    return rc < 0 ? rc : FW_OK;
}

static fw_rc scan(struct fw_txn *txn, struct loading *l, struct fw_err *err)
{
    static const char first[1] = {0};
    fw_rc rc =
        fw_txn_scan(txn, T_RULE_ALERTS, (struct fw_str){first, 1}, see, l, err);

    if (rc >= 0)
        rc = l->rc;
    for (size_t i = 0; rc == FW_OK && i < l->remove_count; i++)
        rc = fw_txn_delete(txn, T_RULE_ALERTS,
                           (struct fw_str){l->remove[i].bytes, 16}, err);
    free(l->remove);
    return rc;
}

fw_rc rule_table_load(struct fw_txn *txn, struct group_run *groups,
                      size_t count, fw_ms now, fw_ms tolerance, size_t *loaded,
                      struct fw_err *err)
{
    struct loading l = {.groups = groups,
                        .group_count = count,
                        .now = now,
                        .tolerance = tolerance,
                        .all = true,
                        .err = err};
    fw_rc rc = scan(txn, &l, err);

    *loaded = l.loaded;
    return rc;
}

fw_rc rule_table_prune(struct fw_txn *txn, fw_ms now, size_t *removed,
                       struct fw_err *err)
{
    struct loading l = {.now = now, .err = err};
    fw_rc rc = scan(txn, &l, err);

    *removed = l.remove_count;
    return rc;
}
