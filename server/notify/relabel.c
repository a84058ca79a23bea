/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/relabel.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/letters.h"
#include "storage/base/sha256.h"

#define MAX_GROUPS 64
#define ANY "(.*)" /* the default, which also matches nothing at all */

enum action {
    REPLACE,
    KEEP,
    DROP,
    KEEP_EQUAL,
    DROP_EQUAL,
    HASH_MOD,
    LABEL_MAP,
    LABEL_DROP,
    LABEL_KEEP,
    LOWERCASE,
    UPPERCASE
};

/* What an action needs beside its name. */
static const struct row {
    const char *name;
    enum action action;
    bool target; /* target_label must be there */
} rows[] = {
    {"replace", REPLACE, true},
    {"keep", KEEP, false},
    {"drop", DROP, false},
    {"keepequal", KEEP_EQUAL, true},
    {"dropequal", DROP_EQUAL, true},
    {"hashmod", HASH_MOD, true},
    {"labelmap", LABEL_MAP, false},
    {"labeldrop", LABEL_DROP, false},
    {"labelkeep", LABEL_KEEP, false},
    {"lowercase", LOWERCASE, true},
    {"uppercase", UPPERCASE, true},
};

static const struct row *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *a = rows[i].name, *b = name;

        while (*a != '\0' && *a == (char)tolower((unsigned char)*b)) {
            a++;
            b++;
        }
        if (*a == *b)
            return &rows[i];
    }
    return NULL;
}

/* ---- checking ---- */

static bool is_untouched(const struct config_relabel *r, bool target)
{
    return (!target || r->target == NULL) && strcmp(r->regex, ANY) == 0 &&
           strcmp(r->separator, ";") == 0 && r->modulus == 0 &&
           strcmp(r->replacement, "$1") == 0;
}

fw_rc relabel_check(const struct config_relabel *r, struct fw_err *err)
{
    const struct row *row = find_action(r->action);
    fw_rc rc = fw_regex_check(fw_str_of(r->regex), err);

    if (rc != FW_OK)
        return fw_err_prefix(err, "'regex' of a relabelling");
    if (row == NULL)
        return fw_err_set(err, FW_EINVAL,
                          "no relabelling '%s'; there are replace, keep, drop, "
                          "keepequal, dropequal, hashmod, labelmap, labeldrop, "
                          "labelkeep, lowercase and uppercase",
                          r->action);
    if (row->target && (r->target == NULL || r->target[0] == '\0'))
        return fw_err_set(err, FW_EINVAL,
                          "the relabelling '%s' needs a 'target_label'",
                          row->name);
    if (row->action == HASH_MOD && r->modulus == 0)
        return fw_err_set(err, FW_EINVAL,
                          "the relabelling 'hashmod' needs a 'modulus' above "
                          "0");
    if ((row->action == LABEL_DROP || row->action == LABEL_KEEP) &&
        (r->source_count > 0 || r->target != NULL || r->modulus != 0 ||
         strcmp(r->separator, ";") != 0 || strcmp(r->replacement, "$1") != 0))
        return fw_err_set(err, FW_EINVAL,
                          "the relabelling '%s' takes a 'regex' and nothing "
                          "else",
                          row->name);
    if ((row->action == KEEP_EQUAL || row->action == DROP_EQUAL) &&
        !is_untouched(r, false))
        return fw_err_set(err, FW_EINVAL,
                          "the relabelling '%s' takes 'source_labels' and "
                          "'target_label' and nothing else",
                          row->name);
    return FW_OK;
}

/* ---- its life ---- */

struct one {
    const struct config_relabel *config;
    enum action action;
    struct fw_regex *regex; /* owned; lock */
};

struct relabel {
    pthread_mutex_t lock; /* leaf; a regex is for one thread at a time */
    struct one *rules;    /* owned */
    size_t count;
};

fw_rc relabel_new(const struct config_relabel *rules, size_t count,
                  struct relabel **out, struct fw_err *err)
{
    struct relabel *r = calloc(1, sizeof(*r));
    fw_rc rc = FW_OK;

    if (r != NULL)
        r->rules = calloc(count + 1, sizeof(*r->rules));
    if (r == NULL || r->rules == NULL) {
        free(r);
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&r->lock, NULL);
    for (; rc == FW_OK && r->count < count; r->count++) {
        struct one *one = &r->rules[r->count];

        one->config = &rules[r->count];
        one->action = find_action(one->config->action)->action;
        rc = fw_regex_compile(fw_str_of(one->config->regex), &one->regex, err);
    }
    if (rc == FW_OK)
        *out = r;
    else
        relabel_free(r);
    return rc;
}

void relabel_free(struct relabel *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        fw_regex_free(r->rules[i].regex);
    (void)pthread_mutex_destroy(&r->lock);
    free(r->rules);
    free(r);
}

/* ---- one rule ---- */

struct turn {
    const struct one *one;
    struct label_set *set;
    struct fw_arena *arena;
    struct fw_buf value; /* the values of the source labels, joined */
    struct fw_err *err;
};

static struct fw_str text_of(const struct fw_buf *buf)
{
    return (struct fw_str){buf->len > 0 ? buf->data : "", buf->len};
}

static struct fw_str get(const struct turn *t, struct fw_str name)
{
    struct fw_labels labels = label_set_labels(t->set);

    return fw_labels_get(&labels, name);
}

static fw_rc put(struct turn *t, struct fw_str name, struct fw_str value)
{
    char *n = fw_arena_strndup(t->arena, name.p, name.n);
    char *v = fw_arena_strndup(t->arena, value.p, value.n);

    if (n == NULL || v == NULL)
        return fw_arena_err(t->arena, t->err);
    if (label_set_put(t->set, (struct fw_str){n, name.n},
                      (struct fw_str){v, value.n}) != FW_OK)
        return fw_err_set(t->err, FW_ETOOBIG,
                          "relabelling makes too many "
                          "labels");
    return FW_OK;
}

static fw_rc join(struct turn *t)
{
    const struct config_relabel *c = t->one->config;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < c->source_count; i++) {
        struct fw_str value = get(t, fw_str_of(c->source[i]));

        if (i > 0)
            rc = fw_buf_adds(&t->value, c->separator);
        if (rc == FW_OK)
            rc = fw_buf_add(&t->value, value.p, value.n);
    }
    return rc;
}

static bool matches(const struct turn *t, struct fw_str text)
{
    return fw_regex_matches(t->one->regex, text);
}

/* A target may be made of groups; a name that is none changes nothing. */
static fw_rc replace(struct turn *t)
{
    const struct config_relabel *c = t->one->config;
    struct fw_buf name = FW_BUF_INIT(FW_MAX_SERIES_BYTES);
    struct fw_buf value = FW_BUF_INIT(FW_MAX_SERIES_BYTES);
    struct fw_str groups[MAX_GROUPS];
    size_t count = 0;
    fw_rc rc = fw_regex_groups(t->one->regex, text_of(&t->value), groups,
                               MAX_GROUPS, &count);

    if (rc == FW_NONE)
        return FW_OK;
    if (count > MAX_GROUPS)
        count = MAX_GROUPS;
    if (rc == FW_OK)
        rc = fw_regex_expand(t->one->regex, fw_str_of(c->target), groups, count,
                             &name);
    if (rc == FW_OK)
        rc = fw_regex_expand(t->one->regex, fw_str_of(c->replacement), groups,
                             count, &value);
    if (rc == FW_OK && name.len > 0 && fw_utf8_valid(name.data, name.len))
        rc = put(t, text_of(&name), text_of(&value));
    fw_buf_release(&name);
    fw_buf_release(&value);
    return rc;
}

static fw_rc hash_mod(struct turn *t)
{
    const struct config_relabel *c = t->one->config;
    struct fw_str value = text_of(&t->value);
    unsigned char md5[16];
    uint64_t number = 0;
    char text[24];
    fw_rc rc = fw_md5(value.p, value.n, md5, t->err);

    if (rc != FW_OK)
        return rc;
    for (int i = 8; i < 16; i++) /* the last half, as Prometheus reads it */
        number = number << 8 | md5[i];
    (void)snprintf(text, sizeof(text), "%llu",
                   (unsigned long long)(number % c->modulus));
    return put(t, fw_str_of(c->target), fw_str_of(text));
}

/* The labels as they are now; what the rule makes does not come by again. */
static fw_rc each_label(struct turn *t)
{
    const struct config_relabel *c = t->one->config;
    const struct label_set before = *t->set;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < before.n; i++) {
        struct fw_buf name = FW_BUF_INIT(FW_MAX_SERIES_BYTES);
        struct fw_str groups[MAX_GROUPS];
        size_t count = 0;
        bool hit = fw_regex_groups(t->one->regex, before.v[i].name, groups,
                                   MAX_GROUPS, &count) == FW_OK;

        if (t->one->action == LABEL_MAP && hit) {
            rc = fw_regex_expand(
                t->one->regex, fw_str_of(c->replacement), groups,
                count < MAX_GROUPS ? count : MAX_GROUPS, &name);
            if (rc == FW_OK && name.len > 0)
                rc = put(t, text_of(&name), before.v[i].value);
        } else if (t->one->action != LABEL_MAP &&
                   hit == (t->one->action == LABEL_DROP)) {
            rc = put(t, before.v[i].name, FW_STR(""));
        }
        fw_buf_release(&name);
    }
    return rc;
}

static fw_rc turn_letters(struct turn *t)
{
    struct fw_buf turned = FW_BUF_INIT(FW_MAX_SERIES_BYTES);
    fw_rc rc = t->one->action == LOWERCASE
                   ? fw_letters_lower(text_of(&t->value), &turned)
                   : fw_letters_upper(text_of(&t->value), &turned);

    if (rc == FW_OK)
        rc = put(t, fw_str_of(t->one->config->target), text_of(&turned));
    fw_buf_release(&turned);
    return rc;
}

/* FW_NONE drops it. */
static fw_rc act(struct turn *t)
{
    const struct config_relabel *c = t->one->config;
    struct fw_str value = text_of(&t->value);

    switch (t->one->action) {
    case REPLACE:
        return replace(t);
    case KEEP:
        return matches(t, value) ? FW_OK : FW_NONE;
    case DROP:
        return matches(t, value) ? FW_NONE : FW_OK;
    case KEEP_EQUAL:
        return fw_str_eq(get(t, fw_str_of(c->target)), value) ? FW_OK : FW_NONE;
    case DROP_EQUAL:
        return fw_str_eq(get(t, fw_str_of(c->target)), value) ? FW_NONE : FW_OK;
    case HASH_MOD:
        return hash_mod(t);
    case LOWERCASE:
    case UPPERCASE:
        return turn_letters(t);
    default:
        return each_label(t);
    }
}

fw_rc relabel_apply(struct relabel *r, struct label_set *set,
                    struct fw_arena *arena, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (r == NULL)
        return FW_OK;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; rc == FW_OK && i < r->count; i++) {
        struct turn t = {&r->rules[i], set, arena,
                         FW_BUF_INIT(FW_MAX_SERIES_BYTES), err};

        rc = join(&t);
        if (rc == FW_OK)
            rc = act(&t);
        if (rc < 0 && (err == NULL || err->rc == FW_OK))
            rc = fw_err_set(err, rc, "relabelling makes a text too long");
        fw_buf_release(&t.value);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return rc == FW_OK && set->n == 0 ? FW_NONE : rc;
}
