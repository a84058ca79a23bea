/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/store_sight.h"

void store_sight_init(struct store_sight *sight, struct fw_store *store,
                      const struct fw_clock *clock)
{
    sight->source = fw_source_of_store(store);
    sight->clock = clock != NULL ? clock : fw_clock_system();
}

static fw_rc observe_store(void *self, struct fw_str expr, fw_ms from, fw_ms to,
                           fw_ms step, struct fw_arena *arena,
                           struct fw_result *result, struct fw_err *err)
{
    struct store_sight *sight = self;
    struct fw_query_options options = {
        .start = from, .end = to, .step = step, .clock = sight->clock};
    struct fw_query *query = NULL;
    fw_rc rc = fw_query_parse(expr, arena, &query, err);

    if (rc == FW_OK)
        rc = fw_query_run(query, &sight->source, &options, arena, result, err);
    return rc;
}

static fw_rc fetch_store(void *self, struct fw_str expr, fw_ms span,
                         fw_ms history,
                         const struct fw_forecast_options *options,
                         struct fw_arena *arena, struct fw_result *result,
                         struct fw_err *err)
{
    struct store_sight *sight = self;

    return fw_forecast_fetch(expr, &sight->source, span, history, options,
                             arena, result, err);
}

struct watcher_sight store_sight_of(struct store_sight *sight)
{
    return (struct watcher_sight){
        .observe = observe_store, .fetch = fetch_store, .self = sight};
}
