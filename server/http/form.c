/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/form.h"

#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

fw_rc form_decode(struct fw_str text, bool plus, struct fw_arena *arena,
                  struct fw_str *out, struct fw_err *err)
{
    char *to = fw_arena_alloc(arena, text.n);
    size_t n = 0;

    if (to == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '%') {
            int high = i + 1 < text.n ? hex(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? hex(text.p[i + 2]) : -1;

            if (high < 0 || low < 0)
                return fw_err_set(err, FW_EINVAL,
                                  "invalid URL escape at byte %zu", i + 1);
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[n++] = c;
    }
    *out = (struct fw_str){to, n};
    return FW_OK;
}

/* Room for one more pair; the old array stays behind in the arena. */
static fw_rc grow(struct form *form, struct fw_arena *arena, struct fw_err *err)
{
    size_t cap = form->cap == 0 ? 16 : form->cap * 2;
    struct form_pair *v;

    if (form->n < form->cap)
        return FW_OK;
    if (form->n >= FW_MAX_HTTP_PARAMETERS)
        return fw_err_set(err, FW_ETOOBIG, "more than %d parameters",
                          FW_MAX_HTTP_PARAMETERS);
    v = fw_arena_calloc(arena, cap, sizeof(*v));
    if (v == NULL)
        return fw_arena_err(arena, err);
    if (form->n > 0)
        memcpy(v, form->v, form->n * sizeof(*v));
    form->v = v;
    form->cap = cap;
    return FW_OK;
}

static fw_rc add_pair(struct form *form, struct fw_str text,
                      struct fw_arena *arena, struct fw_err *err)
{
    const char *equals = memchr(text.p, '=', text.n);
    struct fw_str name = text;
    struct fw_str value = {text.p + text.n, 0};
    struct form_pair pair;
    fw_rc rc;

    if (equals != NULL) {
        name.n = (size_t)(equals - text.p);
        value = (struct fw_str){equals + 1, text.n - name.n - 1};
    }
    rc = form_decode(name, true, arena, &pair.name, err);
    if (rc == FW_OK)
        rc = form_decode(value, true, arena, &pair.value, err);
    if (rc == FW_OK)
        rc = grow(form, arena, err);
    if (rc == FW_OK)
        form->v[form->n++] = pair;
    return rc;
}

fw_rc form_parse(struct form *form, struct fw_str text, struct fw_arena *arena,
                 struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (text.n > 0 && memchr(text.p, ';', text.n) != NULL)
        return fw_err_set(err, FW_EINVAL,
                          "invalid semicolon separator in query");
    while (text.n > 0 && rc == FW_OK) {
        const char *amp = memchr(text.p, '&', text.n);
        size_t n = amp == NULL ? text.n : (size_t)(amp - text.p);

        if (n > 0)
            rc = add_pair(form, (struct fw_str){text.p, n}, arena, err);
        n += amp == NULL ? 0 : 1;
        text.p += n;
        text.n -= n;
    }
    return rc;
}

const struct form_pair *form_each(const struct form *form, const char *name,
                                  size_t *i)
{
    struct fw_str wanted = fw_str_of(name);

    while (*i < form->n) {
        const struct form_pair *pair = &form->v[(*i)++];

        if (fw_str_eq(pair->name, wanted))
            return pair;
    }
    return NULL;
}

struct fw_str form_get(const struct form *form, const char *name)
{
    size_t i = 0;
    const struct form_pair *pair = form_each(form, name, &i);

    return pair == NULL ? (struct fw_str){NULL, 0} : pair->value;
}

bool form_has(const struct form *form, const char *name)
{
    return form_get(form, name).p != NULL;
}
