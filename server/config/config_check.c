/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/config/config_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/notify/relabel.h"
#include "server/schedule/cron.h"
#include "storage/base/limits.h"

#define EXPR_ARENA_BYTES ((size_t)16 << 20)
#define MAX_WATCH_NAME_BYTES 200 /* it is a key of small tables */

fw_rc config_fail(const struct config_file *f, const struct node *at,
                  struct fw_err *err, const char *fmt, ...)
{
    char text[FW_ERR_TEXT_BYTES];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fw_err_at(err, FW_EINVAL, at->line, at->column, "%s:%d:%d: %s",
                     f->name, at->line, at->column, text);
}

/* The value of a key that stands in this map, else the map itself. */
static const struct node *value_of(const struct node *map, const char *key)
{
    for (const struct node *item = map->first; item; item = item->next)
        if (fw_str_eq(item->key->text, fw_str_of(key)))
            return item;
    return map;
}

static fw_rc check_name(const struct config_file *f, const struct node *map,
                        const struct config_watch *w, struct fw_err *err)
{
    const struct node *at = value_of(map, "watch");
    const struct config *config = f->config;

    if (strlen(w->name) > MAX_WATCH_NAME_BYTES)
        return config_fail(f, at, err, "'watch' is longer than %d bytes",
                           MAX_WATCH_NAME_BYTES);
    for (const char *p = w->name; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return config_fail(f, at, err,
                               "'watch' must not hold control characters");
    for (size_t i = 0; i < config->watch_count; i++)
        if (strcmp(config->watches[i].name, w->name) == 0)
            return config_fail(
                f, at, err, "the watch '%s' stands already in %s, line %d",
                w->name, config->watches[i].file, config->watches[i].line);
    return FW_OK;
}

static fw_ms default_history(fw_ms horizon)
{
    fw_ms least = horizon >= 30 * FW_MINUTE ? 4 * FW_DAY : FW_HOUR;
    fw_ms wanted = horizon > INT64_MAX / 12 ? INT64_MAX : 12 * horizon;

    return wanted > least ? wanted : least;
}

struct fw_forecast_options
config_watch_question(const struct config_watch *watch, fw_ms now)
{
    return (struct fw_forecast_options){.now = now,
                                        .horizon = watch->horizon,
                                        .breach = &watch->breach,
                                        .events = watch->events,
                                        .event_count = watch->event_count,
                                        .zone = watch->zone,
                                        .limit_expr = watch->limit_expr};
}

void config_watch_derive(struct config_watch *w)
{
    if (w->history == 0)
        w->history = default_history(w->horizon);
    if (w->recover == 0)
        w->recover = rint(750 * w->probability) / 1000;
}

static fw_rc check_spans(const struct config_file *f, const struct node *map,
                         const struct config_watch *w, struct fw_err *err)
{
    if (w->recover > w->probability)
        return config_fail(f, value_of(map, "recover"), err,
                           "'recover' (%g) must not be above 'probability' "
                           "(%g), or the alert could not settle",
                           w->recover, w->probability);
    if (w->lead >= w->horizon)
        return config_fail(f, value_of(map, "lead"), err,
                           "'lead' must be shorter than 'horizon', or nothing "
                           "would ever be announced");
    if (w->breach.for_ms >= w->horizon)
        return config_fail(f, value_of(map, "for"), err,
                           "'for' must be shorter than 'horizon', or no breach "
                           "could be seen within it");
    if (w->interval > w->horizon)
        return config_fail(f, value_of(map, "interval"), err,
                           "'interval' must not be longer than 'horizon', or "
                           "breaches could pass unseen between two looks");
    if (w->history < w->horizon)
        return config_fail(f, value_of(map, "history"), err,
                           "'history' must not be shorter than 'horizon'");
    return FW_OK;
}

/*
 * The place inside a value, where it stands in the file as it reads; else the
 * place where the value begins.
 */
static struct node place_in(const struct node *value, int line, int column)
{
    struct node at = *value;

    if (value->one_line && line <= 1 && column > 0)
        at.column += column - 1;
    return at;
}

/* Parsed here only to be refused with its place; the watcher parses it again.
 */
static fw_rc check_expr(const struct config_file *f, const struct node *map,
                        const struct config_watch *w, struct fw_err *err)
{
    const struct node *value = value_of(map, "expr");
    struct fw_arena *arena = fw_arena_new(EXPR_ARENA_BYTES);
    struct fw_query *query = NULL;
    struct fw_err inner = {0};
    struct node at;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = fw_query_parse(fw_str_of(w->expr), arena, &query, &inner);
    if (rc == FW_EINVAL || rc == FW_ETOOBIG) {
        at = place_in(value, inner.line, inner.column);
        rc = config_fail(f, &at, err, "%s", inner.text);
    } else if (rc != FW_OK) {
        rc = fw_err_set(err, rc, "%s", inner.text);
    } else if (fw_query_type(query) == FW_STRING ||
               fw_query_type(query) == FW_MATRIX) {
        rc = config_fail(f, value, err,
                         "'expr' must give one value per series and instant: "
                         "%s",
                         fw_query_type(query) == FW_STRING
                             ? "a text cannot be watched"
                             : "put a function such as avg_over_time() around "
                               "the range");
    }
    fw_arena_free(arena);
    return rc;
}

static fw_rc check_breach(const struct config_file *f, const struct node *map,
                          struct config_watch *w, struct fw_err *err)
{
    struct fw_err inner = {0};
    struct fw_breach breach;
    struct fw_str limit;
    char text[FW_DOUBLE_TEXT_BYTES + 8];
    fw_rc rc = fw_breach_parse_limit(fw_str_of(w->breach_text), &breach, &limit,
                                     &inner);

    /* What is watched is the difference then, and the limit is nothing: so
     * the past is judged by the limits it had. */
    if (rc == FW_OK && limit.n > 0) {
        fw_breach_print(&breach, text);
        rc = fw_limit_difference(fw_str_of(w->expr), limit, f->config->arena,
                                 &w->expr, &inner);
        w->breach_text = fw_arena_strdup(f->config->arena, text);
        if (w->breach_text == NULL)
            return fw_arena_err(f->config->arena, err);
    }
    if (rc != FW_OK)
        return config_fail(f, value_of(map, "breach"), err, "%s", inner.text);
    breach.for_ms = w->breach.for_ms;
    w->breach = breach;
    return FW_OK;
}

static fw_rc read_event(const struct config_event *row, struct fw_arena *arena,
                        struct fw_event *out, struct fw_err *err)
{
    const struct {
        const char *name, *value;
    } parts[] = {{"at", row->at},       {"delta", row->delta},
                 {"until", row->until}, {"for", row->lasts},
                 {"every", row->every}, {"why", row->why}};
    struct fw_event_draft *draft = fw_event_begin(arena);
    fw_rc rc = draft != NULL ? FW_OK : fw_arena_err(arena, err);

    for (size_t i = 0; rc == FW_OK && i < sizeof(parts) / sizeof(*parts); i++)
        if (parts[i].value != NULL)
            rc = fw_event_take(draft, fw_str_of(parts[i].name),
                               fw_str_of(parts[i].value), 0, arena, err);
    return rc == FW_OK ? fw_event_end(draft, out, err) : rc;
}

static fw_rc check_known(const struct config_file *f, const struct node *map,
                         struct config_watch *w, struct fw_err *err)
{
    struct fw_arena *arena = f->config->arena;
    struct fw_err inner = {0};
    fw_rc rc = FW_OK;

    w->events = fw_arena_calloc(arena, w->event_count + 1, sizeof(*w->events));
    if (w->events == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < w->event_count; i++) {
        struct config_event *row = &w->event_rows[i];

        if (read_event(row, arena, &w->events[i], &inner) != FW_OK)
            return fw_err_at(err, FW_EINVAL, row->line, 1, "%s:%d:1: %s",
                             f->name, row->line, inner.text);
    }
    if (w->time_zone != NULL)
        rc = fw_zone_open(w->time_zone, &w->zone, &inner);
    if (rc != FW_OK)
        return config_fail(f, value_of(map, "time_zone"), err, "%s",
                           inner.text);
    return FW_OK;
}

fw_rc config_check_watch(const struct config_file *f, const struct node *map,
                         struct config_watch *watch, struct fw_err *err)
{
    fw_rc rc;

    watch->file = f->name;
    config_watch_derive(watch);
    rc = check_name(f, map, watch, err);
    if (rc == FW_OK)
        rc = check_expr(f, map, watch, err);
    if (rc == FW_OK)
        rc = check_breach(f, map, watch, err);
    if (rc == FW_OK)
        rc = check_spans(f, map, watch, err);
    if (rc == FW_OK)
        rc = check_known(f, map, watch, err);
    return rc;
}

/* ---- schedules
 * ----------------------------------------------------------------------- */

static bool is_plain_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                            "WXYZ0123456789-_");

    return n > 0 && n <= MAX_WATCH_NAME_BYTES && name[n] == '\0';
}

static fw_rc one_of(const struct config_file *f, const struct node *map,
                    const char *key, const char *text, const char *const *words,
                    struct fw_err *err)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return FW_OK;
    return config_fail(f, value_of(map, key), err, "no %s '%s'", key, text);
}

fw_rc config_check_schedule(const struct config_file *f, const struct node *map,
                            struct config_schedule *s, struct fw_err *err)
{
    static const char *const kinds[] = {"report", "digest", NULL};
    static const char *const formats[] = {"html", "text", "json",
                                          "csv",  "pdf",  NULL};
    const struct config *config = f->config;
    struct fw_err inner = {0};
    struct fw_zone *zone = NULL;
    struct cron cron;
    fw_rc rc;

    if (!is_plain_name(s->name))
        return config_fail(f, value_of(map, "schedule"), err,
                           "'%s' is no name for a schedule: letters, digits, "
                           "- and _ only, for its files have it too",
                           s->name);
    for (size_t i = 0; i < config->schedule_count; i++)
        if (strcmp(config->schedules[i].name, s->name) == 0)
            return config_fail(f, value_of(map, "schedule"), err,
                               "the schedule '%s' stands already in line %d",
                               s->name, config->schedules[i].line);
    if (cron_parse(fw_str_of(s->cron), &cron, &inner) != FW_OK)
        return config_fail(f, value_of(map, "cron"), err, "%s", inner.text);
    if (fw_zone_open(s->timezone, &zone, &inner) != FW_OK)
        return config_fail(f, value_of(map, "timezone"), err, "%s", inner.text);
    fw_zone_close(zone);
    rc = one_of(f, map, "kind", s->kind, kinds, err);
    if (rc == FW_OK)
        rc = one_of(f, map, "format", s->format, formats, err);
    if (rc == FW_OK && s->folder == NULL && !s->notify)
        rc = config_fail(f, map, err,
                         "a schedule needs a 'folder' or 'notify: true', or "
                         "nobody would see what it makes");
    return rc;
}

/* ---- relabelling ---- */

fw_rc config_check_relabel(const struct config_file *f, const struct node *map,
                           const struct config_relabel *rule,
                           struct fw_err *err)
{
    struct fw_err inner = {0};
    fw_rc rc = relabel_check(rule, &inner);

    return rc == FW_OK ? FW_OK : config_fail(f, map, err, "%s", inner.text);
}
