/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/dispatch/dispatch_hold.h"

#include <string.h>

struct matchers {
    struct fw_matcher *v;
    size_t n;
};

struct hold {
    const struct config *config;
    struct matchers *sources, *targets; /* beside config->inhibits */
};

static bool all_hold(const struct matchers *m, const struct fw_labels *labels)
{
    for (size_t i = 0; i < m->n; i++)
        if (!silence_matcher_holds(&m->v[i],
                                   fw_labels_get(labels, m->v[i].name)))
            return false;
    return true;
}

static bool equal_labels(const struct config_inhibit *rule,
                         const struct fw_labels *a, const struct fw_labels *b)
{
    for (size_t i = 0; i < rule->equal_count; i++) {
        struct fw_str name = fw_str_of(rule->equal[i]);

        if (!fw_str_eq(fw_labels_get(a, name), fw_labels_get(b, name)))
            return false;
    }
    return true;
}

/* What is source and target at once does not hold itself down. */
bool hold_inhibits(const struct hold *h, const struct alert_list *list,
                   const struct listed_alert *a)
{
    for (size_t r = 0; r < h->config->inhibit_count; r++) {
        if (!all_hold(&h->targets[r], &a->labels) ||
            all_hold(&h->sources[r], &a->labels))
            continue;
        for (size_t i = 0; i < list->count; i++)
            if (all_hold(&h->sources[r], &list->alerts[i].labels) &&
                equal_labels(&h->config->inhibits[r], &a->labels,
                             &list->alerts[i].labels))
                return true;
    }
    return false;
}

static int minutes(const char *text)
{
    int h = 0, m = 0;

    if (strlen(text) != 5 || text[2] != ':')
        return -1;
    for (int i = 0; i < 5; i++)
        if (i != 2 && (text[i] < '0' || text[i] > '9'))
            return -1;
    h = (text[0] - '0') * 10 + text[1] - '0';
    m = (text[3] - '0') * 10 + text[4] - '0';
    return h > 24 || m > 59 || h * 60 + m > 1440 ? -1 : h * 60 + m;
}

static const char *const day_names[] = {"sun", "mon", "tue", "wed",
                                        "thu", "fri", "sat"};

static bool has_day(const struct config_window *w, int day)
{
    for (size_t i = 0; i < w->day_count; i++)
        if (strcmp(w->days[i], day_names[day]) == 0)
            return true;
    return w->day_count == 0;
}

fw_rc hold_check_window(const struct config_window *w, struct fw_err *err)
{
    if (minutes(w->from) < 0 || minutes(w->until) < 0)
        return fw_err_set(err, FW_EINVAL, "times are written as 08:30");
    for (size_t i = 0; i < w->day_count; i++) {
        size_t d = 0;

        while (d < 7 && strcmp(w->days[i], day_names[d]) != 0)
            d++;
        if (d == 7)
            return fw_err_set(err, FW_EINVAL,
                              "no day '%s'; there are mon, tue, wed, thu, "
                              "fri, sat and sun",
                              w->days[i]);
    }
    return FW_OK;
}

bool hold_in_window(const struct config_window *w, fw_ms now)
{
    int64_t all = now / FW_MINUTE;
    int minute = (int)(all % 1440);
    int day = (int)((all / 1440 + 4) % 7); /* 1970 began on a Thursday */
    int from = minutes(w->from), until = minutes(w->until);

    if (from <= until)
        return has_day(w, day) && minute >= from && minute < until;
    return (has_day(w, day) && minute >= from) ||
           (has_day(w, (day + 6) % 7) && minute < until);
}

bool hold_hours_allow(const struct hold *h, fw_ms now)
{
    for (size_t i = 0; i < h->config->window_count; i++)
        if (hold_in_window(&h->config->windows[i], now))
            return true;
    return h->config->window_count == 0;
}

/* ---- reading the configuration ---- */

static fw_rc parse_matchers(struct fw_arena *arena, const char **texts,
                            size_t n, int line, struct matchers *out,
                            struct fw_err *err)
{
    fw_rc rc = FW_OK;

    out->v = fw_arena_calloc(arena, n + 1, sizeof(*out->v));
    if (out->v == NULL)
        return fw_arena_err(arena, err);
    for (; rc == FW_OK && out->n < n; out->n++)
        rc = silence_parse_matcher(fw_str_of(texts[out->n]), arena,
                                   &out->v[out->n], err);
    return rc == FW_OK ? FW_OK
                       : fw_err_prefix(err, "inhibit_rules, line %d", line);
}

fw_rc hold_new(const struct config *c, struct fw_arena *arena,
               struct hold **out, struct fw_err *err)
{
    struct hold *h = fw_arena_calloc(arena, 1, sizeof(*h));
    fw_rc rc = FW_OK;

    if (h == NULL)
        return fw_arena_err(arena, err);
    h->config = c;
    h->sources =
        fw_arena_calloc(arena, c->inhibit_count + 1, sizeof(*h->sources));
    h->targets =
        fw_arena_calloc(arena, c->inhibit_count + 1, sizeof(*h->targets));
    if (h->sources == NULL || h->targets == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; rc == FW_OK && i < c->inhibit_count; i++) {
        const struct config_inhibit *rule = &c->inhibits[i];

        rc = parse_matchers(arena, rule->source, rule->source_count, rule->line,
                            &h->sources[i], err);
        if (rc == FW_OK)
            rc = parse_matchers(arena, rule->target, rule->target_count,
                                rule->line, &h->targets[i], err);
    }
    for (size_t i = 0; rc == FW_OK && i < c->window_count; i++)
        if (hold_check_window(&c->windows[i], err) != FW_OK)
            rc =
                fw_err_prefix(err, "time_windows, line %d", c->windows[i].line);
    if (rc == FW_OK)
        *out = h;
    return rc;
}
