/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_word.c - texts: letters, regular expressions, hosts, links.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/rules/template_func.h"

typedef uint32_t (*mapper)(uint32_t cp, bool *start);

/* ASCII, Latin-1 and the even/odd blocks: what names of hosts hold. */
static uint32_t upper(uint32_t cp, bool *start)
{
    (void)start;
    if ((cp >= 'a' && cp <= 'z') || (cp >= 0xE0 && cp <= 0xFE && cp != 0xF7) ||
        (cp >= 0x3B1 && cp <= 0x3C9 && cp != 0x3C2) ||
        (cp >= 0x430 && cp <= 0x44F))
        return cp - 32;
    return cp;
}

static uint32_t lower(uint32_t cp, bool *start)
{
    (void)start;
    if ((cp >= 'A' && cp <= 'Z') || (cp >= 0xC0 && cp <= 0xDE && cp != 0xD7) ||
        (cp >= 0x391 && cp <= 0x3A9) || (cp >= 0x410 && cp <= 0x42F))
        return cp + 32;
    return cp;
}

/* The first letter of each word; a word is letters, digits and '. */
static uint32_t titled(uint32_t cp, bool *start)
{
    bool word = cp >= 0x80 || isalnum((int)cp) || cp == '\'' || cp == '_';
    uint32_t got = *start && word ? upper(cp, NULL) : cp;

    *start = !word;
    return got;
}

static fw_rc add_code_point(struct fw_buf *text, uint32_t cp)
{
    char bytes[4];
    size_t n = 0;

    if (cp < 0x80) {
        bytes[n++] = (char)cp;
    } else if (cp < 0x800) {
        bytes[n++] = (char)(0xC0 | cp >> 6);
        bytes[n++] = (char)(0x80 | (cp & 0x3F));
    } else if (cp < 0x10000) {
        bytes[n++] = (char)(0xE0 | cp >> 12);
        bytes[n++] = (char)(0x80 | (cp >> 6 & 0x3F));
        bytes[n++] = (char)(0x80 | (cp & 0x3F));
    } else {
        bytes[n++] = (char)(0xF0 | cp >> 18);
        bytes[n++] = (char)(0x80 | (cp >> 12 & 0x3F));
        bytes[n++] = (char)(0x80 | (cp >> 6 & 0x3F));
        bytes[n++] = (char)(0x80 | (cp & 0x3F));
    }
    return fw_buf_add(text, bytes, n);
}

static fw_rc map_text(struct trun *run, struct fw_str s, mapper map,
                      struct tv *out, struct fw_err *err)
{
    struct fw_buf text = TEXT_BUF;
    bool start = true;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < s.n;) {
        uint32_t cp;

        i += fw_utf8_next(s.p + i, s.n - i, &cp);
        rc = add_code_point(&text, map(cp, &start));
    }
    return template_keep(run, &text, rc, out, err);
}

CALL(to_upper)
{
    return map_text(run, args[0].s, upper, out, err);
}

CALL(to_lower)
{
    return map_text(run, args[0].s, lower, out, err);
}

CALL(title)
{
    return map_text(run, args[0].s, titled, out, err);
}

/*
 * The regex of the store is anchored; "(?s:.*?)(?:RE)(?s:.*)" looks anywhere,
 * leftmost first. The group numbers of RE move by one.
 */
static fw_rc compile(struct trun *run, struct fw_str pattern,
                     struct fw_regex **out, struct fw_err *err)
{
    const char *whole =
        fw_arena_printf(trun_arena(run), "(?s:(.*?))((?-s:%.*s))(?s:(.*))",
                        FW_STR_ARG(pattern));
    struct fw_err inner = {0};

    if (whole == NULL)
        return fw_arena_err(trun_arena(run), err);
    if (fw_regex_compile(fw_str_of(whole), out, &inner) != FW_OK)
        return fw_err_set(err, FW_EINVAL, "error parsing regexp: %s",
                          inner.text);
    return FW_OK;
}

CALL(match)
{
    struct fw_regex *regex = NULL;
    fw_rc rc = compile(run, args[0].s, &regex, err);

    if (rc == FW_OK)
        *out = tv_bool(fw_regex_matches(regex, args[1].s));
    fw_regex_free(regex);
    return rc;
}

#define MAX_GROUPS 64

/* $1, ${1}, $name, ${name}, $$: as Go's Regexp.Expand. */
static fw_rc add_expanded(struct fw_buf *text, struct fw_str repl,
                          const struct fw_regex *regex,
                          const struct fw_str *groups, size_t count)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < repl.n;) {
        bool brace;
        size_t from, to, group = 0;

        if (repl.p[i] != '$' || i + 1 == repl.n) {
            rc = fw_buf_addc(text, repl.p[i++]);
            continue;
        }
        if (repl.p[i + 1] == '$') {
            rc = fw_buf_addc(text, '$');
            i += 2;
            continue;
        }
        brace = repl.p[i + 1] == '{';
        from = to = i + 1 + (brace ? 1 : 0);
        while (to < repl.n &&
               (isalnum((unsigned char)repl.p[to]) || repl.p[to] == '_'))
            to++;
        if (to == from || (brace && (to == repl.n || repl.p[to] != '}'))) {
            rc = fw_buf_addc(text, repl.p[i++]);
            continue;
        }
        if (strspn(repl.p + from, "0123456789") >= to - from) {
            group = strtoul(repl.p + from, NULL, 10);
            group = group + 2; /* behind the prefix and the whole */
        } else {
            group = fw_regex_group_number(
                regex, (struct fw_str){repl.p + from, to - from});
            if (group == 0)
                group = count;
        }
        if (group < count - 1 && groups[group].p != NULL)
            rc = fw_buf_add(text, groups[group].p, groups[group].n);
        i = to + (brace ? 1 : 0);
    }
    return rc;
}

static fw_rc replace_all(struct fw_buf *text, struct fw_regex *regex,
                         struct fw_str repl, struct fw_str s)
{
    struct fw_str groups[MAX_GROUPS];
    bool after_match = false;
    size_t count = 0;
    fw_rc rc = FW_OK;

    for (size_t turns = 0; rc == FW_OK && turns < 100000; turns++) {
        struct fw_str whole;
        size_t step;
        uint32_t cp;

        if (fw_regex_groups(regex, s, groups, MAX_GROUPS, &count) != FW_OK ||
            count < 4 || count > MAX_GROUPS)
            break;
        whole = groups[2];
        rc = fw_buf_add(text, groups[1].p, groups[1].n);
        /* An empty match right behind a match does not count. */
        if (rc == FW_OK && (whole.n > 0 || !after_match || groups[1].n > 0))
            rc = add_expanded(text, repl, regex, groups, count);
        after_match = whole.n > 0;
        step = (size_t)(whole.p + whole.n - s.p);
        s = (struct fw_str){s.p + step, s.n - step};
        if (whole.n > 0)
            continue;
        if (s.n == 0)
            return rc;
        step = fw_utf8_next(s.p, s.n, &cp);
        if (rc == FW_OK)
            rc = fw_buf_add(text, s.p, step);
        s = (struct fw_str){s.p + step, s.n - step};
    }
    return rc == FW_OK ? fw_buf_add(text, s.p, s.n) : rc;
}

CALL(re_replace_all)
{
    struct fw_buf text = TEXT_BUF;
    struct fw_regex *regex = NULL;
    fw_rc rc = compile(run, args[0].s, &regex, err);

    if (rc != FW_OK)
        return rc;
    rc = replace_all(&text, regex, args[1].s, args[2].s);
    fw_regex_free(regex);
    return template_keep(run, &text, rc, out, err);
}

/* "host:port" -> "host"; what has no port stays [net.SplitHostPort]. */
static struct fw_str strip_port_of(struct fw_str s)
{
    size_t colon = s.n;
    size_t colons = 0;

    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == ':') {
            colon = i;
            colons++;
        }
    if (s.n > 0 && s.p[0] == '[') {
        const char *stop = memchr(s.p, ']', s.n);

        if (stop != NULL && stop + 1 < s.p + s.n && stop[1] == ':')
            return (struct fw_str){s.p + 1, (size_t)(stop - s.p - 1)};
        return s;
    }
    return colons == 1 ? (struct fw_str){s.p, colon} : s;
}

CALL(strip_port)
{
    *out = tv_text(strip_port_of(args[0].s));
    return FW_OK;
}

static bool is_ip(struct fw_str host)
{
    size_t dots = 0;

    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == ':')
            return true;
        if (host.p[i] == '.')
            dots++;
        else if (!isdigit((unsigned char)host.p[i]))
            return false;
    }
    return dots == 3;
}

CALL(strip_domain)
{
    struct fw_str s = args[0].s;
    struct fw_str host = strip_port_of(s);
    const char *dot;
    struct fw_buf text = TEXT_BUF;
    fw_rc rc;

    if (is_ip(host)) {
        *out = tv_text(s);
        return FW_OK;
    }
    dot = memchr(host.p, '.', host.n);
    rc = fw_buf_add(&text, host.p,
                    dot != NULL ? (size_t)(dot - host.p) : host.n);
    if (rc == FW_OK && host.n < s.n && s.p[0] != '[')
        rc = fw_buf_add(&text, s.p + host.n, s.n - host.n);
    return template_keep(run, &text, rc, out, err);
}

fw_rc template_add_escaped(struct fw_buf *text, struct fw_str s)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((isalnum(c) && c < 0x80) || c == '-' || c == '_' || c == '.' ||
            c == '~')
            rc = fw_buf_addc(text, (char)c);
        else if (c == ' ')
            rc = fw_buf_addc(text, '+');
        else
            rc = fw_buf_printf(text, "%%%02X", c);
    }
    return rc;
}

static fw_rc link_to(struct trun *run, struct fw_str expr, int tab,
                     struct tv *out, struct fw_err *err)
{
    struct fw_buf text = TEXT_BUF;
    fw_rc rc = fw_buf_adds(&text, "/graph?g0.expr=");

    if (rc == FW_OK)
        rc = template_add_escaped(&text, expr);
    if (rc == FW_OK)
        rc = fw_buf_printf(&text, "&g0.tab=%d", tab);
    return template_keep(run, &text, rc, out, err);
}

CALL(graph_link)
{
    return link_to(run, args[0].s, 0, out, err);
}

CALL(table_link)
{
    return link_to(run, args[0].s, 1, out, err);
}

CALL(url_query_escape)
{
    struct fw_buf text = TEXT_BUF;

    return template_keep(run, &text, template_add_escaped(&text, args[0].s),
                         out, err);
}

const struct tfunction template_words[] = {
    {"graphLink", 1, 1, "s", graph_link},
    {"match", 2, 2, "ss", match},
    {"reReplaceAll", 3, 3, "sss", re_replace_all},
    {"stripDomain", 1, 1, "s", strip_domain},
    {"stripPort", 1, 1, "s", strip_port},
    {"tableLink", 1, 1, "s", table_link},
    {"title", 1, 1, "s", title},
    {"toLower", 1, 1, "s", to_lower},
    {"toUpper", 1, 1, "s", to_upper},
    {"urlQueryEscape", 1, 1, "s", url_query_escape},
    {0},
};
