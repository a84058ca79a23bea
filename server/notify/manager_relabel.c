/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manager_relabel.c - finds the labels in the text that waits in the queue.
 *
 * Within a string of JSON a quote never stands without a backslash before it;
 * so `,"labels":{` is never part of one, and the last of them begins the last
 * member.
 */
#include "server/notify/manager_relabel.h"

#include <string.h>

#include "storage/base/json.h"

#define BEGIN ",\"labels\":{"
#define ARENA_BYTES ((size_t)8 << 20)

struct reader {
    const char *p, *end;
    struct fw_arena *arena;
};

static bool takes(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four digits of a character below U+10000, as UTF-8; our writer escapes no
 * other. Bytes written; 0: it is none. */
static size_t take_hex(struct reader *r, char *out)
{
    unsigned cp = 0;

    for (int i = 0; i < 4; i++, r->p++) {
        int d = r->p < r->end ? digit(*r->p) : -1;

        if (d < 0)
            return 0;
        cp = cp * 16 + (unsigned)d;
    }
    if (cp >= 0xd800 && cp < 0xe000)
        return 0;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | (cp >> 6));
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | (cp >> 12));
    out[1] = (char)(0x80 | ((cp >> 6) & 0x3f));
    out[2] = (char)(0x80 | (cp & 0x3f));
    return 3;
}

/* What stands behind a backslash. Bytes written, at most 3; 0: nothing good. */
static size_t take_escape(struct reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at;

    if (r->p == r->end || *r->p == '\0')
        return 0;
    if (*r->p == 'u') {
        r->p++;
        return take_hex(r, out);
    }
    at = strchr(from, *r->p);
    if (at == NULL)
        return 0;
    *out = to[at - from];
    r->p++;
    return 1;
}

static bool take_string(struct reader *r, struct fw_str *out)
{
    size_t most = (size_t)(r->end - r->p), n = 0, used;
    char *text = fw_arena_alloc(r->arena, most + 1);

    if (text == NULL || !takes(r, '"'))
        return false;
    while (r->p < r->end && *r->p != '"') {
        if (*r->p != '\\') {
            text[n++] = *r->p++;
            continue;
        }
        r->p++;
        used = take_escape(r, &text[n]);
        if (used == 0)
            return false;
        n += used;
    }
    *out = (struct fw_str){text, n};
    return takes(r, '"');
}

/* `"name":"value",...}}` to its end. */
static bool take_labels(struct reader *r, struct label_set *set)
{
    struct fw_str name, value;

    set->n = 0;
    while (r->p < r->end && *r->p != '}')
        if (!take_string(r, &name) || !takes(r, ':') ||
            !take_string(r, &value) ||
            label_set_put(set, name, value) != FW_OK ||
            (!takes(r, ',') && r->p < r->end && *r->p != '}'))
            return false;
    return takes(r, '}') && takes(r, '}') && r->p == r->end;
}

static const char *last_begin(struct fw_str alert)
{
    size_t n = strlen(BEGIN);

    for (size_t at = alert.n < n ? 0 : alert.n - n + 1; at-- > 0;)
        if (memcmp(alert.p + at, BEGIN, n) == 0)
            return alert.p + at;
    return NULL;
}

static fw_rc write_alert(struct fw_str alert, const char *begin,
                         const struct label_set *set, struct fw_buf *out)
{
    struct fw_json json;
    fw_rc rc = fw_buf_add(out, alert.p, (size_t)(begin - alert.p));

    if (rc == FW_OK)
        rc = fw_buf_adds(out, ",\"labels\":");
    fw_json_init(&json, out);
    fw_json_object(&json);
    for (size_t i = 0; i < set->n; i++) {
        fw_json_key_str(&json, set->v[i].name);
        fw_json_str(&json, set->v[i].value);
    }
    fw_json_object_end(&json);
    if (rc == FW_OK)
        rc = fw_json_rc(&json);
    return rc == FW_OK ? fw_buf_addc(out, '}') : rc;
}

fw_rc manager_relabel(struct relabel *relabel, struct fw_str alert,
                      struct fw_buf *out, struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new(ARENA_BYTES);
    const char *begin = last_begin(alert);
    struct reader r = {.end = alert.p + alert.n, .arena = arena};
    struct label_set set;
    fw_rc rc = FW_OK;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    if (begin != NULL)
        r.p = begin + strlen(BEGIN);
    if (begin == NULL || !take_labels(&r, &set))
        rc = fw_err_set(err, FW_ECORRUPT,
                        "an alert in the queue cannot be relabelled");
    if (rc == FW_OK)
        rc = relabel_apply(relabel, &set, arena, err);
    if (rc == FW_OK)
        rc = write_alert(alert, begin, &set, out);
    fw_arena_free(arena);
    return rc;
}
