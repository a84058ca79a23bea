/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/silence.h"

#include <stdio.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/audit/audit.h"
#include "storage/base/hash.h"

#define T_SILENCES "silences"
#define T_ACKS "acks"
#define SILENCE_VERSION 1
#define ACK_VERSION 1

enum silence_state silence_state(const struct silence *s, fw_ms now)
{
    if (now >= s->ends_at)
        return SILENCE_EXPIRED;
    return now < s->starts_at ? SILENCE_PENDING : SILENCE_ACTIVE;
}

const char *silence_state_name(enum silence_state state)
{
    static const char *const names[] = {"expired", "pending", "active"};

    return names[state];
}

uint64_t silence_fingerprint(const struct fw_labels *labels)
{
    const uint64_t prime = UINT64_C(1099511628211);
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < labels->n; i++) {
        const struct fw_str parts[] = {labels->v[i].name, labels->v[i].value};

        for (size_t k = 0; k < 2; k++) {
            for (size_t b = 0; b < parts[k].n; b++)
                hash = (hash ^ (unsigned char)parts[k].p[b]) * prime;
            hash = (hash ^ 0xFF) * prime;
        }
    }
    return hash;
}

/* ---- matching ---- */

/* A regex that does not compile matches nothing; it was checked when put. */
bool silence_matcher_holds(const struct fw_matcher *m, struct fw_str value)
{
    struct fw_regex *regex = NULL;
    bool equal;

    if (m->op == FW_MATCH_EQUAL || m->op == FW_MATCH_DIFFERS) {
        equal = fw_str_eq(m->value, value);
        return equal == (m->op == FW_MATCH_EQUAL);
    }
    if (fw_regex_compile(m->value, &regex, NULL) != FW_OK)
        return false;
    equal = fw_regex_matches(regex, value);
    fw_regex_free(regex);
    return equal == (m->op == FW_MATCH_REGEX);
}

bool silence_matches(const struct silence *s, const struct fw_labels *labels)
{
    for (size_t i = 0; i < s->matcher_count; i++)
        if (!silence_matcher_holds(&s->matchers[i],
                                   fw_labels_get(labels, s->matchers[i].name)))
            return false;
    return s->matcher_count > 0;
}

static bool is_name_byte(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == ':' || (!first && c >= '0' && c <= '9');
}

/* "..." with \" \\ \n; or the text as it stands. */
static fw_rc read_value(struct fw_str text, struct fw_arena *arena,
                        struct fw_str *out, struct fw_err *err)
{
    char *copy = fw_arena_alloc(arena, text.n + 1);
    size_t n = 0;

    if (copy == NULL)
        return fw_arena_err(arena, err);
    if (text.n == 0 || text.p[0] != '"') {
        memcpy(copy, text.p, text.n);
        *out = (struct fw_str){copy, text.n};
        return FW_OK;
    }
    if (text.n < 2 || text.p[text.n - 1] != '"')
        return fw_err_set(err, FW_EINVAL, "a quote is missing in '%.*s'",
                          FW_STR_ARG(text));
    for (size_t i = 1; i + 1 < text.n; i++) {
        if (text.p[i] == '\\' && i + 2 < text.n) {
            i++;
            copy[n++] = text.p[i] == 'n' ? '\n' : text.p[i];
        } else {
            copy[n++] = text.p[i];
        }
    }
    *out = (struct fw_str){copy, n};
    return FW_OK;
}

fw_rc silence_parse_matcher(struct fw_str text, struct fw_arena *arena,
                            struct fw_matcher *out, struct fw_err *err)
{
    static const struct {
        const char *sign;
        enum fw_match_op op;
    } signs[] = {{"=~", FW_MATCH_REGEX},
                 {"!~", FW_MATCH_NOT_REGEX},
                 {"!=", FW_MATCH_DIFFERS},
                 {"=", FW_MATCH_EQUAL}};
    struct fw_matcher m = {.op = FW_MATCH_EQUAL};
    struct fw_str rest;
    size_t n = 0;
    fw_rc rc;

    while (n < text.n && is_name_byte(text.p[n], n == 0))
        n++;
    m.name.p = fw_arena_strndup(arena, text.p, n);
    m.name.n = n;
    if (m.name.p == NULL)
        return fw_arena_err(arena, err);
    rest = (struct fw_str){text.p + n, text.n - n};
    for (size_t i = 0; n > 0 && i < 4; i++) {
        size_t length = strlen(signs[i].sign);

        if (rest.n < length || memcmp(rest.p, signs[i].sign, length) != 0)
            continue;
        m.op = signs[i].op;
        rest = (struct fw_str){rest.p + length, rest.n - length};
        rc = read_value(rest, arena, &m.value, err);
        if (rc == FW_OK &&
            (m.op == FW_MATCH_REGEX || m.op == FW_MATCH_NOT_REGEX))
            rc = fw_regex_check(m.value, err);
        if (rc == FW_OK)
            *out = m;
        return rc;
    }
    return fw_err_set(err, FW_EINVAL,
                      "'%.*s' is no matcher: write name=value, name!=value, "
                      "name=~regex or name!~regex",
                      FW_STR_ARG(text));
}

/* ---- records ---- */

static fw_rc put_record(struct fw_txn *txn, const struct silence *s,
                        struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_SILENCE, SILENCE_VERSION);
    record_put_ms(&w, s->starts_at);
    record_put_ms(&w, s->ends_at);
    record_put_ms(&w, s->updated_at);
    record_put_str(&w, s->created_by);
    record_put_str(&w, s->comment);
    record_put_u32(&w, (uint32_t)s->matcher_count);
    for (size_t i = 0; i < s->matcher_count; i++) {
        record_put_u8(&w, (uint8_t)s->matchers[i].op);
        record_put_str(&w, s->matchers[i].name);
        record_put_str(&w, s->matchers[i].value);
    }
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_SILENCES, fw_str_of(s->id),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

static fw_rc read_record(struct fw_str key, struct fw_str value,
                         struct silence *out)
{
    struct silence s = {.matcher_count = 0};
    struct record_reader r;
    uint32_t n;
    fw_rc rc = record_open(&r, value, RECORD_SILENCE, SILENCE_VERSION, NULL);

    if (rc != FW_OK)
        return rc;
    if (key.n != SILENCE_ID_BYTES - 1)
        return FW_ECORRUPT;
    memcpy(s.id, key.p, key.n);
    s.starts_at = record_get_ms(&r);
    s.ends_at = record_get_ms(&r);
    s.updated_at = record_get_ms(&r);
    s.created_by = record_get_str(&r);
    s.comment = record_get_str(&r);
    n = record_get_u32(&r);
    if (n > SILENCE_MAX_MATCHERS)
        return FW_ECORRUPT;
    for (; s.matcher_count < n; s.matcher_count++) {
        struct fw_matcher *m = &s.matchers[s.matcher_count];

        m->op = (enum fw_match_op)record_get_u8(&r);
        m->name = record_get_str(&r);
        m->value = record_get_str(&r);
        if (m->op > FW_MATCH_NOT_REGEX)
            return FW_ECORRUPT;
    }
    rc = record_close(&r, NULL);
    if (rc == FW_OK)
        *out = s;
    return rc;
}

static fw_rc get_one(struct fw_txn *txn, struct fw_str id, struct silence *out,
                     struct fw_err *err)
{
    struct fw_str value;
    fw_rc rc;

    if (id.n != SILENCE_ID_BYTES - 1)
        return fw_err_set(err, FW_ENOTFOUND, "there is no silence '%.*s'",
                          FW_STR_ARG(id));
    rc = fw_txn_get(txn, T_SILENCES, id, &value, err);
    if (rc == FW_NONE)
        return fw_err_set(err, FW_ENOTFOUND, "there is no silence '%.*s'",
                          FW_STR_ARG(id));
    if (rc == FW_OK && read_record(id, value, out) != FW_OK)
        rc = fw_err_set(err, FW_ECORRUPT, "silence '%.*s' is damaged",
                        FW_STR_ARG(id));
    return rc;
}

struct walk {
    struct fw_arena *arena; /* NULL: only count */
    struct silence *v;
    size_t n, cap, damaged;
    fw_ms now;
    char old[64][SILENCE_ID_BYTES]; /* ended long ago */
    size_t old_count;
};

static bool count_one(void *self, struct fw_str key, struct fw_str value)
{
    struct walk *walk = self;
    struct silence s;

    walk->n++;
    if (read_record(key, value, &s) == FW_OK && walk->old_count < 64 &&
        walk->now - s.ends_at > SILENCE_KEEP)
        memcpy(walk->old[walk->old_count++], s.id, SILENCE_ID_BYTES);
    return true;
}

static struct fw_str keep(struct fw_arena *arena, struct fw_str text)
{
    char *copy = fw_arena_strndup(arena, text.p, text.n);

    return copy != NULL ? (struct fw_str){copy, text.n} : FW_STR("");
}

static bool take_one(void *self, struct fw_str key, struct fw_str value)
{
    struct walk *walk = self;
    struct silence *s = &walk->v[walk->n];

    if (walk->n == walk->cap)
        return false;
    if (read_record(key, value, s) != FW_OK) {
        walk->damaged++;
        return true;
    }
    s->created_by = keep(walk->arena, s->created_by);
    s->comment = keep(walk->arena, s->comment);
    for (size_t i = 0; i < s->matcher_count; i++) {
        s->matchers[i].name = keep(walk->arena, s->matchers[i].name);
        s->matchers[i].value = keep(walk->arena, s->matchers[i].value);
    }
    walk->n++;
    return true;
}

#define FIRST_KEY FW_STR("0")

fw_rc silence_all(struct fw_txn *txn, struct fw_arena *arena,
                  struct silence **out, size_t *count, struct fw_err *err)
{
    struct walk walk = {.arena = arena};
    fw_rc rc = fw_txn_scan(txn, T_SILENCES, FIRST_KEY, count_one, &walk, err);

    if (rc < 0)
        return rc;
    walk.cap = walk.n;
    walk.n = 0;
    walk.v = fw_arena_calloc(arena, walk.cap + 1, sizeof(*walk.v));
    if (walk.v == NULL)
        return fw_arena_err(arena, err);
    rc = fw_txn_scan(txn, T_SILENCES, FIRST_KEY, take_one, &walk, err);
    if (rc < 0)
        return rc;
    *out = walk.v;
    *count = walk.n;
    return FW_OK;
}

struct cover {
    const struct fw_labels *labels;
    fw_ms now;
    bool found;
};

static bool covers_one(void *self, struct fw_str key, struct fw_str value)
{
    struct cover *c = self;
    struct silence s;

    c->found = read_record(key, value, &s) == FW_OK &&
               silence_state(&s, c->now) == SILENCE_ACTIVE &&
               silence_matches(&s, c->labels);
    return !c->found;
}

bool silence_covers(struct fw_store *store, const struct fw_labels *labels,
                    fw_ms now)
{
    struct cover c = {labels, now, false};
    struct fw_txn *txn = NULL;

    if (fw_txn_begin(store, false, &txn, NULL) != FW_OK)
        return false;
    if (fw_txn_scan(txn, T_SILENCES, FIRST_KEY, covers_one, &c, NULL) < 0)
        c.found = false;
    fw_txn_abort(txn);
    return c.found;
}

/* ---- acts ---- */

static void new_id(char id[SILENCE_ID_BYTES])
{
    uint64_t a = fw_hash_random_seed(), b = fw_hash_random_seed();

    (void)snprintf(id, SILENCE_ID_BYTES, "%08x-%04x-4%03x-%04x-%012llx",
                   (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xFFFF),
                   (unsigned)(a & 0xFFF),
                   (unsigned)(0x8000 | (b >> 48 & 0x3FFF)),
                   (unsigned long long)(b & 0xFFFFFFFFFFFFu));
}

/* Alertmanager's rules [silence.validateSilence]. */
static fw_rc check(const struct silence *s, fw_ms now, struct fw_err *err)
{
    bool all_empty = true;

    if (s->matcher_count == 0)
        return fw_err_set(err, FW_EINVAL, "at least one matcher required");
    for (size_t i = 0; i < s->matcher_count; i++) {
        const struct fw_matcher *m = &s->matchers[i];
        struct fw_err inner = {0};

        if (m->name.n == 0)
            return fw_err_set(err, FW_EINVAL,
                              "invalid label matcher %zu: invalid label name",
                              i);
        if ((m->op == FW_MATCH_REGEX || m->op == FW_MATCH_NOT_REGEX) &&
            fw_regex_check(m->value, &inner) != FW_OK)
            return fw_err_set(err, FW_EINVAL, "invalid label matcher %zu: %s",
                              i, inner.text);
        all_empty = all_empty && silence_matcher_holds(m, FW_STR(""));
    }
    if (all_empty)
        return fw_err_set(err, FW_EINVAL,
                          "at least one matcher must not match the empty "
                          "string");
    if (s->starts_at == 0 || s->ends_at == 0)
        return fw_err_set(err, FW_EINVAL, "startsAt and endsAt are required");
    if (s->ends_at < s->starts_at)
        return fw_err_set(err, FW_EINVAL,
                          "end time must not be before start time");
    if (s->ends_at <= now)
        return fw_err_set(err, FW_EINVAL, "end time can't be in the past");
    if (s->created_by.n == 0 || s->comment.n == 0)
        return fw_err_set(err, FW_EINVAL,
                          "createdBy and comment are required: who wants "
                          "quiet, and why");
    return FW_OK;
}

/* {a="b", c=~"d"} until ... */
static fw_rc describe(const struct silence *s, struct fw_buf *out)
{
    static const char *const signs[] = {"=", "!=", "=~", "!~"};
    char until[FW_TIME_TEXT_BYTES];
    fw_rc rc = fw_buf_addc(out, '{');

    for (size_t i = 0; rc == FW_OK && i < s->matcher_count; i++)
        rc = fw_buf_printf(out, "%s%.*s%s\"%.*s\"", i > 0 ? ", " : "",
                           FW_STR_ARG(s->matchers[i].name),
                           signs[s->matchers[i].op],
                           FW_STR_ARG(s->matchers[i].value));
    (void)fw_format_time(until, s->ends_at);
    return rc == FW_OK ? fw_buf_printf(out, "} until %s", until) : rc;
}

/*
 * The record and its entry of the audit. The texts of `s` may lie in the
 * transaction, which the first write makes invalid: so they are used first.
 */
static fw_rc write_down(struct fw_txn *txn, const struct silence *s, fw_ms now,
                        struct fw_str act, struct fw_str actor,
                        struct fw_str reason, struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT(65536);
    struct audit_entry entry = {.at = now,
                                .actor = actor,
                                .act = act,
                                .what = fw_str_of(s->id),
                                .reason = reason};
    fw_rc rc = describe(s, &text);

    if (rc != FW_OK)
        (void)fw_err_set(err, rc, "the silence is too long");
    if (rc == FW_OK)
        rc = put_record(txn, s, err);
    if (rc == FW_OK) {
        entry.after = (struct fw_str){text.data, text.len};
        rc = audit_add(txn, &entry, err);
    }
    fw_buf_release(&text);
    return rc;
}

/* Old ones go when new ones come. */
static fw_rc make_room(struct fw_txn *txn, fw_ms now, struct fw_err *err)
{
    struct walk walk = {.now = now};
    fw_rc rc = fw_txn_scan(txn, T_SILENCES, FIRST_KEY, count_one, &walk, err);

    for (size_t i = 0; rc >= 0 && i < walk.old_count; i++)
        rc = fw_txn_delete(txn, T_SILENCES, fw_str_of(walk.old[i]), err);
    if (rc >= 0 && walk.n - walk.old_count >= SILENCE_MAX)
        rc = fw_err_set(err, FW_ETOOBIG, "there are %d silences already",
                        SILENCE_MAX);
    return rc < 0 ? rc : FW_OK;
}

fw_rc silence_put(struct fw_txn *txn, struct silence *s, fw_ms now,
                  struct fw_err *err)
{
    struct silence before;
    bool change = s->id[0] != '\0';
    fw_rc rc;

    if (s->starts_at < now && !change)
        s->starts_at = now;
    rc = check(s, now, err);
    if (rc == FW_OK && change) {
        rc = get_one(txn, fw_str_of(s->id), &before, err);
        if (rc == FW_OK && silence_state(&before, now) == SILENCE_EXPIRED)
            change = false;
    }
    if (rc == FW_OK && !change) {
        rc = make_room(txn, now, err);
        new_id(s->id);
    }
    s->updated_at = now;
    if (rc == FW_OK)
        rc = write_down(txn, s, now, FW_STR("silence"), s->created_by,
                        s->comment, err);
    return rc;
}

fw_rc silence_expire(struct fw_txn *txn, struct fw_str id, fw_ms now,
                     struct fw_str actor, struct fw_str reason,
                     struct fw_err *err)
{
    struct silence s;
    fw_rc rc = get_one(txn, id, &s, err);

    if (rc != FW_OK)
        return rc;
    if (silence_state(&s, now) == SILENCE_EXPIRED)
        return fw_err_set(err, FW_EINVAL, "silence '%.*s' has ended already",
                          FW_STR_ARG(id));
    if (s.starts_at > now)
        s.starts_at = now;
    s.ends_at = now;
    s.updated_at = now;
    return write_down(txn, &s, now, FW_STR("unsilence"), actor, reason, err);
}

/* ---- acknowledgements ---- */

fw_rc ack_put(struct fw_txn *txn, const struct ack *ack, struct fw_str what,
              struct fw_err *err)
{
    struct record_key key = record_key_u64(ack->fingerprint);
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct audit_entry entry = {.at = ack->at,
                                .actor = ack->actor,
                                .act = FW_STR("ack"),
                                .what = what,
                                .reason = ack->reason};
    struct record_writer w;
    fw_rc rc = audit_add(txn, &entry, err);

    record_begin(&w, &record, RECORD_ACK, ACK_VERSION);
    record_put_ms(&w, ack->starts_at);
    record_put_ms(&w, ack->at);
    record_put_str(&w, ack->actor);
    record_put_str(&w, ack->reason);
    if (rc == FW_OK)
        rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_ACKS, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

fw_rc ack_get(struct fw_txn *txn, uint64_t fingerprint, fw_ms starts_at,
              struct ack *out, struct fw_err *err)
{
    struct record_key key = record_key_u64(fingerprint);
    struct ack ack = {.fingerprint = fingerprint};
    struct record_reader r;
    struct fw_str value;
    fw_rc rc = fw_txn_get(txn, T_ACKS, record_key_str(&key), &value, err);

    if (rc != FW_OK)
        return rc;
    rc = record_open(&r, value, RECORD_ACK, ACK_VERSION, err);
    if (rc != FW_OK)
        return rc;
    ack.starts_at = record_get_ms(&r);
    ack.at = record_get_ms(&r);
    ack.actor = record_get_str(&r);
    ack.reason = record_get_str(&r);
    rc = record_close(&r, err);
    if (rc != FW_OK)
        return rc;
    if (ack.starts_at != starts_at)
        return FW_NONE;
    *out = ack;
    return FW_OK;
}
