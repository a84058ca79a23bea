/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * known_options.c - what is known beforehand, from the options of a command:
 * --event, --exclude, --events and --time-zone.
 */
#include <string.h>

#include "predict/cli/forecast_job.h"
#include "predict/predict.h"

#define EVENTS_BYTES ((size_t)1 << 20)

struct reading {
    struct fw_arena *arena;
    struct fw_event *events; /* FW_MAX_EVENTS of them */
    size_t count;
    fw_ms now;
};

static fw_rc read_file(struct reading *r, const char *path, struct fw_err *err)
{
    struct fw_buf file = FW_BUF_INIT(EVENTS_BYTES);
    struct fw_event *read;
    size_t n;
    fw_rc rc = job_read_file(path, &file, err);

    if (rc == FW_OK)
        rc = fw_events_read(
            (struct fw_str){file.data != NULL ? file.data : "", file.len},
            r->now, r->arena, &read, &n, err);
    fw_buf_release(&file);
    if (rc != FW_OK)
        return fw_err_prefix(err, "%s", path);
    memcpy(r->events, read, n * sizeof(*read));
    r->count = n;
    return FW_OK;
}

static fw_rc add(struct reading *r, const char *text, bool exclude,
                 struct fw_err *err)
{
    struct fw_event *out = &r->events[r->count];
    fw_rc rc;

    if (r->count == FW_MAX_EVENTS)
        return fw_err_set(err, FW_EINVAL, "more than %d events", FW_MAX_EVENTS);
    rc = exclude ? fw_exclude_parse(fw_str_of(text), r->now, r->arena, out, err)
                 : fw_event_parse(fw_str_of(text), r->now, r->arena, out, err);
    r->count += rc == FW_OK;
    return rc;
}

static fw_rc read_each(struct reading *r, struct fw_cli *cli,
                       const struct fw_args *args, const char *option,
                       bool exclude, struct fw_err *err)
{
    const char *text;
    fw_rc rc = FW_OK;

    for (size_t i = 0;
         rc == FW_OK && (text = fw_args_each(cli, args, option, i)) != NULL;
         i++)
        rc = add(r, text, exclude, err);
    return rc;
}

fw_rc fw_known_of_args(struct fw_cli *cli, const struct fw_args *args,
                       fw_ms now, struct fw_arena *arena, struct fw_known *out,
                       struct fw_err *err)
{
    const char *path = fw_args_get(cli, args, "events");
    const char *name = fw_args_get(cli, args, "time-zone");
    struct reading r = {.arena = arena, .now = now};
    struct fw_zone *zone = NULL;
    fw_rc rc = FW_OK;

    r.events = fw_arena_calloc(arena, FW_MAX_EVENTS, sizeof(*r.events));
    if (r.events == NULL)
        return fw_arena_err(arena, err);
    if (path != NULL)
        rc = read_file(&r, path, err);
    if (rc == FW_OK)
        rc = read_each(&r, cli, args, "event", false, err);
    if (rc == FW_OK)
        rc = read_each(&r, cli, args, "exclude", true, err);
    if (rc == FW_OK && name != NULL)
        rc = fw_zone_open(name, &zone, err);
    if (rc == FW_ENOTFOUND)
        rc = err->rc = FW_EINVAL; /* a word of the caller's, not an answer */
    if (rc == FW_OK)
        *out = (struct fw_known){r.events, r.count, zone};
    return rc;
}
