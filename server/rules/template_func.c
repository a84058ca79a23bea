/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_func.c - the functions a template may call: Go's own and those
 * Prometheus adds [prometheus/template/template.go].
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/rules/template_tree.h"
#include "storage/base/limits.h"

#define CALL(name)                                                             \
    static fw_rc name(struct trun *run, const struct tv *args, size_t n,       \
                      struct tv *out, struct fw_err *err)
#define UNUSED_CALL (void)run, (void)args, (void)n, (void)err

/* ---- helpers ---- */

static fw_rc keep(struct trun *run, struct fw_buf *text, fw_rc rc,
                  struct tv *out, struct fw_err *err)
{
    if (rc == FW_OK)
        rc = tv_keep(trun_arena(run), text, out, err);
    else if (rc == FW_ETOOBIG)
        rc = fw_err_set(err, FW_EINVAL, "the text is too long");
    else if (rc == FW_ENOMEM)
        rc = fw_err_set(err, rc, "out of memory");
    fw_buf_release(text);
    return rc;
}

#define TEXT_BUF FW_BUF_INIT(TEMPLATE_MAX_OUTPUT)

/* As Prometheus's convertToFloat(). */
static fw_rc to_float(const struct tv *v, double *out, struct fw_err *err)
{
    if (v->kind == TV_FLOAT)
        *out = v->f;
    else if (v->kind == TV_INT)
        *out = (double)v->i;
    else if (v->kind == TV_SPAN)
        *out = (double)v->i / 1e9;
    else if (v->kind == TV_TEXT) {
        if (fw_parse_double(v->s, out, NULL) != FW_OK)
            return fw_err_set(err, FW_EINVAL,
                              "strconv.ParseFloat: parsing \"%.*s\": invalid "
                              "syntax",
                              FW_STR_ARG(v->s));
    } else {
        return fw_err_set(err, FW_EINVAL, "can't convert %s to float",
                          tv_type_name(v));
    }
    return FW_OK;
}

/* ---- numbers for people ---- */

static fw_rc add_scaled(struct fw_buf *text, double v, double by,
                        const char *const *prefixes, bool small,
                        const char *unit)
{
    const char *prefix = "";
    fw_rc rc;

    for (; *prefixes != NULL; prefixes++) {
        if (small ? fabs(v) >= 1 : fabs(v) < by)
            break;
        prefix = *prefixes;
        v = small ? v * by : v / by;
    }
    rc = tv_add_4g(text, v);
    if (rc == FW_OK)
        rc = fw_buf_adds(text, prefix);
    return rc == FW_OK ? fw_buf_adds(text, unit) : rc;
}

static const char *const large[] = {"k", "M", "G", "T", "P",
                                    "E", "Z", "Y", NULL};
static const char *const small[] = {"m", "u", "n", "p", "f",
                                    "a", "z", "y", NULL};
static const char *const binary[] = {"ki", "Mi", "Gi", "Ti", "Pi",
                                     "Ei", "Zi", "Yi", NULL};

CALL(humanize)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    (void)n;
    if (rc != FW_OK)
        return rc;
    if (v == 0 || !isfinite(v))
        rc = tv_add_4g(&text, v);
    else if (fabs(v) >= 1)
        rc = add_scaled(&text, v, 1000, large, false, "");
    else
        rc = add_scaled(&text, v, 1000, small, true, "");
    return keep(run, &text, rc, out, err);
}

CALL(humanize1024)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    (void)n;
    if (rc != FW_OK)
        return rc;
    if (fabs(v) <= 1 || !isfinite(v))
        rc = tv_add_4g(&text, v);
    else
        rc = add_scaled(&text, v, 1024, binary, false, "");
    return keep(run, &text, rc, out, err);
}

static fw_rc add_long_span(struct fw_buf *text, double v)
{
    const char *sign = v < 0 ? "-" : "";
    long long d;
    fw_rc rc;

    v = fabs(v);
    if (v >= 9.2e18) /* int64(v) is the least number in Go */
        v = 9.2e18;
    d = (long long)v;
    if (d >= 86400)
        return fw_buf_printf(text, "%s%lldd %lldh %lldm %llds", sign, d / 86400,
                             d / 3600 % 24, d / 60 % 60, d % 60);
    if (d >= 3600)
        return fw_buf_printf(text, "%s%lldh %lldm %llds", sign, d / 3600,
                             d / 60 % 60, d % 60);
    if (d >= 60)
        return fw_buf_printf(text, "%s%lldm %llds", sign, d / 60, d % 60);
    rc = fw_buf_adds(text, sign);
    if (rc == FW_OK)
        rc = tv_add_4g(text, v);
    return rc == FW_OK ? fw_buf_addc(text, 's') : rc;
}

CALL(humanize_duration)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    (void)n;
    if (rc != FW_OK)
        return rc;
    if (!isfinite(v))
        rc = tv_add_4g(&text, v);
    else if (v == 0)
        rc = fw_buf_adds(&text, "0s");
    else if (fabs(v) >= 1)
        rc = add_long_span(&text, v);
    else
        rc = add_scaled(&text, v, 1000, small, true, "s");
    return keep(run, &text, rc, out, err);
}

CALL(humanize_percentage)
{
    struct fw_buf text = TEXT_BUF;
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    (void)n;
    if (rc != FW_OK)
        return rc;
    rc = tv_add_4g(&text, v * 100);
    if (rc == FW_OK)
        rc = fw_buf_addc(&text, '%');
    return keep(run, &text, rc, out, err);
}

static fw_rc to_time_of(double v, fw_ms *out, struct fw_err *err)
{
    if (!(fabs(v) < 9.2e15))
        return fw_err_set(err, FW_EINVAL,
                          "%g cannot be represented as a nanoseconds timestamp "
                          "since it overflows int64",
                          v);
    *out = (fw_ms)floor(v * 1000 + 0.5e-6);
    return FW_OK;
}

CALL(humanize_timestamp)
{
    struct fw_buf text = TEXT_BUF;
    struct tv when = {.kind = TV_TIME};
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    (void)n;
    if (rc != FW_OK)
        return rc;
    if (!isfinite(v)) {
        rc = tv_add_4g(&text, v);
    } else {
        rc = to_time_of(v, &when.i, err);
        if (rc == FW_OK)
            rc = tv_print(&text, &when);
    }
    return keep(run, &text, rc, out, err);
}

CALL(to_time)
{
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    UNUSED_CALL;
    *out = (struct tv){.kind = TV_TIME};
    return rc == FW_OK ? to_time_of(v, &out->i, err) : rc;
}

CALL(to_duration)
{
    double v = 0;
    fw_rc rc = to_float(&args[0], &v, err);

    UNUSED_CALL;
    if (rc == FW_OK && !(fabs(v) < 9.2e9))
        return fw_err_set(err, FW_EINVAL,
                          "%g cannot be represented as a duration", v);
    if (rc == FW_OK)
        *out = (struct tv){.kind = TV_SPAN, .i = llround(v * 1e9)};
    return rc;
}

CALL(now)
{
    UNUSED_CALL;
    *out = tv_float((double)trun_data(run)->now / 1000);
    return FW_OK;
}

CALL(parse_duration)
{
    fw_ms span = 0;

    UNUSED_CALL;
    if (fw_parse_duration(args[0].s, &span, NULL) != FW_OK)
        return fw_err_set(err, FW_EINVAL,
                          "not a valid duration string: \"%.*s\"",
                          FW_STR_ARG(args[0].s));
    *out = tv_float((double)span / 1000);
    return FW_OK;
}

/* ---- queries and their samples ---- */

CALL(query)
{
    const struct template_data *d = trun_data(run);
    struct fw_arena *arena = trun_arena(run);
    struct fw_result result = {0};
    struct tv_sample *samples;
    fw_rc rc;

    (void)n;
    if (d->query == NULL)
        return fw_err_set(err, FW_EINVAL, "no query function");
    rc = d->query(d->self, args[0].s, arena, &result, err);
    if (rc != FW_OK)
        return rc == FW_ENOMEM ? rc : FW_EINVAL;
    samples = fw_arena_calloc(arena, result.count + 1, sizeof(*samples));
    if (samples == NULL)
        return fw_arena_err(arena, err);
    *out = (struct tv){.kind = TV_SAMPLES};
    out->samples.v = samples;
    for (size_t i = 0; i < result.count; i++)
        if (result.series[i].n > 0)
            samples[out->samples.n++] = (struct tv_sample){
                result.series[i].labels, result.series[i].v[0]};
    return FW_OK;
}

CALL(first)
{
    UNUSED_CALL;
    if (args[0].samples.n == 0)
        return fw_err_set(err, FW_EINVAL,
                          "first() called on vector with no elements");
    *out = (struct tv){.kind = TV_SAMPLE, .sample = args[0].samples.v};
    return FW_OK;
}

CALL(label)
{
    UNUSED_CALL;
    *out = tv_text(fw_labels_get(&args[1].sample->labels, args[0].s));
    return FW_OK;
}

CALL(value)
{
    UNUSED_CALL;
    *out = tv_float(args[0].sample->value);
    return FW_OK;
}

CALL(strvalue)
{
    UNUSED_CALL;
    *out = tv_text(fw_labels_get(&args[0].sample->labels, FW_STR("__value__")));
    return FW_OK;
}

/* Insertion keeps the order of equals; results of templates are short. */
CALL(sort_by_label)
{
    size_t count = args[1].samples.n;
    struct tv_sample *v =
        fw_arena_calloc(trun_arena(run), count + 1, sizeof(*v));

    (void)n;
    if (v == NULL)
        return fw_arena_err(trun_arena(run), err);
    for (size_t i = 0; i < count; i++) {
        struct tv_sample s = args[1].samples.v[i];
        struct fw_str key = fw_labels_get(&s.labels, args[0].s);
        size_t at = i;

        while (at > 0 && fw_str_cmp(fw_labels_get(&v[at - 1].labels, args[0].s),
                                    key) > 0) {
            v[at] = v[at - 1];
            at--;
        }
        v[at] = s;
    }
    *out = (struct tv){.kind = TV_SAMPLES};
    out->samples.v = v;
    out->samples.n = count;
    return FW_OK;
}

/* ---- texts ---- */

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
    return keep(run, &text, rc, out, err);
}

CALL(to_upper)
{
    (void)n;
    return map_text(run, args[0].s, upper, out, err);
}

CALL(to_lower)
{
    (void)n;
    return map_text(run, args[0].s, lower, out, err);
}

CALL(title)
{
    (void)n;
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

    (void)n;
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

    (void)n;
    if (rc != FW_OK)
        return rc;
    rc = replace_all(&text, regex, args[1].s, args[2].s);
    fw_regex_free(regex);
    return keep(run, &text, rc, out, err);
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
    UNUSED_CALL;
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

    (void)n;
    if (is_ip(host)) {
        *out = tv_text(s);
        return FW_OK;
    }
    dot = memchr(host.p, '.', host.n);
    rc = fw_buf_add(&text, host.p,
                    dot != NULL ? (size_t)(dot - host.p) : host.n);
    if (rc == FW_OK && host.n < s.n && s.p[0] != '[')
        rc = fw_buf_add(&text, s.p + host.n, s.n - host.n);
    return keep(run, &text, rc, out, err);
}

/* url.QueryEscape. */
static fw_rc add_escaped(struct fw_buf *text, struct fw_str s)
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
        rc = add_escaped(&text, expr);
    if (rc == FW_OK)
        rc = fw_buf_printf(&text, "&g0.tab=%d", tab);
    return keep(run, &text, rc, out, err);
}

CALL(graph_link)
{
    (void)n;
    return link_to(run, args[0].s, 0, out, err);
}

CALL(table_link)
{
    (void)n;
    return link_to(run, args[0].s, 1, out, err);
}

CALL(url_query_escape)
{
    struct fw_buf text = TEXT_BUF;

    (void)n;
    return keep(run, &text, add_escaped(&text, args[0].s), out, err);
}

CALL(external_url)
{
    UNUSED_CALL;
    *out = tv_text(fw_str_of(trun_data(run)->external_url));
    return FW_OK;
}

CALL(path_prefix)
{
    const char *p = strstr(trun_data(run)->external_url, "://");

    UNUSED_CALL;
    p = p != NULL ? strchr(p + 3, '/') : NULL;
    *out = tv_text(fw_str_of(p != NULL ? p : ""));
    return FW_OK;
}

CALL(as_is)
{
    UNUSED_CALL;
    *out = args[0];
    return FW_OK;
}

CALL(args_of)
{
    struct tv *copy = fw_arena_calloc(trun_arena(run), n + 1, sizeof(*copy));

    if (copy == NULL)
        return fw_arena_err(trun_arena(run), err);
    memcpy(copy, args, n * sizeof(*copy));
    *out = (struct tv){.kind = TV_ARGS};
    out->args.v = copy;
    out->args.n = n;
    return FW_OK;
}

CALL(tmpl)
{
    struct fw_buf text = TEXT_BUF;

    (void)n;
    return keep(run, &text, trun_named(run, args[0].s, args[1], &text, err),
                out, err);
}

/* ---- Go's own ---- */

CALL(go_printf)
{
    struct fw_buf text = TEXT_BUF;

    return keep(run, &text, tv_printf(&text, args[0].s, args + 1, n - 1), out,
                err);
}

/* Blanks between operands when neither is a text; print has no newline. */
static fw_rc print_all(struct fw_buf *text, const struct tv *args, size_t n,
                       bool line)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        if (i > 0 &&
            (line || (args[i].kind != TV_TEXT && args[i - 1].kind != TV_TEXT)))
            rc = fw_buf_addc(text, ' ');
        if (rc == FW_OK)
            rc = tv_print(text, &args[i]);
    }
    return rc == FW_OK && line ? fw_buf_addc(text, '\n') : rc;
}

CALL(go_print)
{
    struct fw_buf text = TEXT_BUF;

    return keep(run, &text, print_all(&text, args, n, false), out, err);
}

CALL(go_println)
{
    struct fw_buf text = TEXT_BUF;

    return keep(run, &text, print_all(&text, args, n, true), out, err);
}

static fw_rc add_html(struct fw_buf *text, struct fw_str s)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < s.n; i++) {
        switch (s.p[i]) {
        case '"':
            rc = fw_buf_adds(text, "&#34;");
            break;
        case '\'':
            rc = fw_buf_adds(text, "&#39;");
            break;
        case '&':
            rc = fw_buf_adds(text, "&amp;");
            break;
        case '<':
            rc = fw_buf_adds(text, "&lt;");
            break;
        case '>':
            rc = fw_buf_adds(text, "&gt;");
            break;
        default:
            rc = fw_buf_addc(text, s.p[i]);
        }
    }
    return rc;
}

CALL(go_html)
{
    struct fw_buf plain = TEXT_BUF, text = TEXT_BUF;
    fw_rc rc = print_all(&plain, args, n, false);

    if (rc == FW_OK && plain.len > 0)
        rc = add_html(&text, (struct fw_str){plain.data, plain.len});
    fw_buf_release(&plain);
    return keep(run, &text, rc, out, err);
}

CALL(go_urlquery)
{
    struct fw_buf plain = TEXT_BUF, text = TEXT_BUF;
    fw_rc rc = print_all(&plain, args, n, false);

    if (rc == FW_OK && plain.len > 0)
        rc = add_escaped(&text, (struct fw_str){plain.data, plain.len});
    fw_buf_release(&plain);
    return keep(run, &text, rc, out, err);
}

CALL(go_len)
{
    UNUSED_CALL;
    switch (args[0].kind) {
    case TV_TEXT:
        *out = tv_int((int64_t)args[0].s.n);
        return FW_OK;
    case TV_LABELS:
        *out = tv_int((int64_t)args[0].labels.n);
        return FW_OK;
    case TV_SAMPLES:
        *out = tv_int((int64_t)args[0].samples.n);
        return FW_OK;
    case TV_ARGS:
        *out = tv_int((int64_t)args[0].args.n);
        return FW_OK;
    default:
        return fw_err_set(err, FW_EINVAL, "len of type %s",
                          tv_type_name(&args[0]));
    }
}

static fw_rc index_one(struct trun *run, struct tv *v, const struct tv *at,
                       struct fw_err *err)
{
    char name[24];

    (void)run;
    if (v->kind == TV_LABELS && at->kind == TV_TEXT) {
        *v = tv_text(fw_labels_get(&v->labels, at->s));
        return FW_OK;
    }
    if (v->kind == TV_ARGS && at->kind == TV_TEXT) {
        for (size_t i = 0; i < v->args.n; i++) {
            (void)snprintf(name, sizeof(name), "arg%zu", i);
            if (fw_str_eq(fw_str_of(name), at->s)) {
                *v = v->args.v[i];
                return FW_OK;
            }
        }
        *v = (struct tv){.kind = TV_NONE};
        return FW_OK;
    }
    if (v->kind != TV_SAMPLES && v->kind != TV_TEXT)
        return fw_err_set(err, FW_EINVAL, "can't index item of type %s",
                          tv_type_name(v));
    if (at->kind != TV_INT)
        return fw_err_set(err, FW_EINVAL,
                          "cannot index slice/array with type "
                          "%s",
                          tv_type_name(at));
    if (at->i < 0 ||
        (uint64_t)at->i >= (v->kind == TV_TEXT ? v->s.n : v->samples.n))
        return fw_err_set(err, FW_EINVAL, "index out of range: %lld",
                          (long long)at->i);
    if (v->kind == TV_TEXT)
        *v = tv_int((unsigned char)v->s.p[at->i]);
    else
        *v = (struct tv){.kind = TV_SAMPLE, .sample = &v->samples.v[at->i]};
    return FW_OK;
}

CALL(go_index)
{
    struct tv v = args[0];
    fw_rc rc = FW_OK;

    for (size_t i = 1; rc == FW_OK && i < n; i++)
        rc = index_one(run, &v, &args[i], err);
    if (rc == FW_OK)
        *out = v;
    return rc;
}

/* slice of a text: 1 to 3 bounds. */
CALL(go_slice)
{
    struct fw_str s = args[0].s;
    int64_t from = 0, to;

    (void)run;
    if (args[0].kind != TV_TEXT)
        return fw_err_set(err, FW_EINVAL, "can't slice item of type %s",
                          tv_type_name(&args[0]));
    to = (int64_t)s.n;
    if (n > 1 && args[1].kind == TV_INT)
        from = args[1].i;
    if (n > 2 && args[2].kind == TV_INT)
        to = args[2].i;
    if (from < 0 || to < from || to > (int64_t)s.n)
        return fw_err_set(err, FW_EINVAL, "index out of range: %lld",
                          (long long)(from < 0 || from > to ? from : to));
    *out = tv_text((struct fw_str){s.p + from, (size_t)(to - from)});
    return FW_OK;
}

CALL(go_not)
{
    UNUSED_CALL;
    *out = tv_bool(!tv_true(&args[0]));
    return FW_OK;
}

/* Reached only when no argument decided: the last one is the answer. */
CALL(go_last)
{
    UNUSED_CALL;
    *out = args[n - 1];
    return FW_OK;
}

static fw_rc incompatible(struct fw_err *err)
{
    return fw_err_set(err, FW_EINVAL, "incompatible types for comparison");
}

static bool is_basic(const struct tv *v)
{
    return v->kind == TV_BOOL || v->kind == TV_INT || v->kind == TV_FLOAT ||
           v->kind == TV_TEXT || v->kind == TV_SPAN;
}

/* *order: <0, 0, >0; 2 where NaN takes part. */
static fw_rc compare(const struct tv *a, const struct tv *b, int *order,
                     struct fw_err *err)
{
    if (!is_basic(a) || !is_basic(b))
        return fw_err_set(err, FW_EINVAL, "invalid type for comparison");
    if (a->kind != b->kind)
        return incompatible(err);
    switch (a->kind) {
    case TV_BOOL:
        *order = (int)a->b - (int)b->b;
        break;
    case TV_INT:
    case TV_SPAN:
        *order = a->i < b->i ? -1 : a->i > b->i;
        break;
    case TV_FLOAT:
        *order = isnan(a->f) || isnan(b->f) ? 2
                 : a->f < b->f              ? -1
                                            : a->f > b->f;
        break;
    default:
        *order = fw_str_cmp(a->s, b->s);
        *order = *order < 0 ? -1 : *order > 0;
        break;
    }
    return FW_OK;
}

CALL(go_eq)
{
    (void)run;
    *out = tv_bool(false);
    for (size_t i = 1; i < n; i++) {
        int order = 0;
        fw_rc rc = compare(&args[0], &args[i], &order, err);

        if (rc != FW_OK)
            return rc;
        if (order == 0) {
            *out = tv_bool(true);
            return FW_OK;
        }
    }
    return FW_OK;
}

CALL(go_ne)
{
    int order = 0;
    fw_rc rc = compare(&args[0], &args[1], &order, err);

    UNUSED_CALL;
    *out = tv_bool(order != 0);
    return rc;
}

/* Booleans have no order. */
static fw_rc ordered(const struct tv *args, int *order, struct fw_err *err)
{
    if (args[0].kind == TV_BOOL && args[1].kind == TV_BOOL)
        return fw_err_set(err, FW_EINVAL, "invalid type for comparison");
    return compare(&args[0], &args[1], order, err);
}

CALL(go_lt)
{
    int order = 0;
    fw_rc rc = ordered(args, &order, err);

    UNUSED_CALL;
    *out = tv_bool(order == -1);
    return rc;
}

CALL(go_le)
{
    int order = 0;
    fw_rc rc = ordered(args, &order, err);

    UNUSED_CALL;
    *out = tv_bool(order == -1 || order == 0);
    return rc;
}

CALL(go_gt)
{
    int order = 0;
    fw_rc rc = ordered(args, &order, err);

    UNUSED_CALL;
    *out = tv_bool(order == 1);
    return rc;
}

CALL(go_ge)
{
    int order = 0;
    fw_rc rc = ordered(args, &order, err);

    UNUSED_CALL;
    *out = tv_bool(order == 1 || order == 0);
    return rc;
}

static const struct tfunction functions[] = {
    {"and", 1, -1, "a", go_last},
    {"args", 0, -1, "a", args_of},
    {"eq", 2, -1, "a", go_eq},
    {"externalURL", 0, 0, "a", external_url},
    {"first", 1, 1, "S", first},
    {"ge", 2, 2, "a", go_ge},
    {"graphLink", 1, 1, "s", graph_link},
    {"gt", 2, 2, "a", go_gt},
    {"html", 0, -1, "a", go_html},
    {"humanize", 1, 1, "a", humanize},
    {"humanize1024", 1, 1, "a", humanize1024},
    {"humanizeDuration", 1, 1, "a", humanize_duration},
    {"humanizePercentage", 1, 1, "a", humanize_percentage},
    {"humanizeTimestamp", 1, 1, "a", humanize_timestamp},
    {"index", 1, -1, "a", go_index},
    {"label", 2, 2, "sp", label},
    {"le", 2, 2, "a", go_le},
    {"len", 1, 1, "a", go_len},
    {"lt", 2, 2, "a", go_lt},
    {"match", 2, 2, "ss", match},
    {"ne", 2, 2, "a", go_ne},
    {"not", 1, 1, "a", go_not},
    {"now", 0, 0, "a", now},
    {"or", 1, -1, "a", go_last},
    {"parseDuration", 1, 1, "s", parse_duration},
    {"pathPrefix", 0, 0, "a", path_prefix},
    {"print", 0, -1, "a", go_print},
    {"printf", 1, -1, "sa", go_printf},
    {"println", 0, -1, "a", go_println},
    {"query", 1, 1, "s", query},
    {"reReplaceAll", 3, 3, "sss", re_replace_all},
    {"safeHtml", 1, 1, "s", as_is},
    {"slice", 1, 4, "a", go_slice},
    {"sortByLabel", 2, 2, "sS", sort_by_label},
    {"stripDomain", 1, 1, "s", strip_domain},
    {"stripPort", 1, 1, "s", strip_port},
    {"strvalue", 1, 1, "p", strvalue},
    {"tableLink", 1, 1, "s", table_link},
    {"title", 1, 1, "s", title},
    {"tmpl", 2, 2, "sa", tmpl},
    {"toDuration", 1, 1, "a", to_duration},
    {"toLower", 1, 1, "s", to_lower},
    {"toTime", 1, 1, "a", to_time},
    {"toUpper", 1, 1, "s", to_upper},
    {"urlQueryEscape", 1, 1, "s", url_query_escape},
    {"urlquery", 0, -1, "a", go_urlquery},
    {"value", 1, 1, "p", value},
};

const struct tfunction *tfunction_find(struct fw_str name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (fw_str_eq(fw_str_of(functions[i].name), name))
            return &functions[i];
    return NULL;
}
