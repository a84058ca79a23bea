/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * follow.h - what is foreseen of each series of a watch, without fitting anew
 * at each look.
 *
 * Each series has a forecaster (predict.h). A look reads what came since the
 * last one and gives it to them; all of the history is read when a series is
 * new or fits are due, and then not too often.
 */
#ifndef SERVER_ALERT_FOLLOW_H
#define SERVER_ALERT_FOLLOW_H

#include "server/alert/watching.h"

/* Sets the outlook of every series of the watch. */
FW_CHECK fw_rc follow_watch(struct watching *g,
                            const struct watcher_sight *sight, fw_ms now,
                            struct fw_arena *arena, struct fw_err *err);

/*
 * The forecast of one series in full, for its card; its passage is the outlook
 * that was told. FW_NONE where the series has no samples.
 */
FW_CHECK fw_rc follow_forecast(const struct watching *g,
                               const struct watched *s,
                               const struct watcher_sight *sight, fw_ms now,
                               struct fw_arena *arena,
                               struct fw_forecast_series **out,
                               struct fw_err *err);

/* Memory that the forecasters of a watch take. */
size_t follow_bytes(const struct watching *g);

/* What a forecast says, as an outlook of `now`. */
void follow_outlook(struct outlook *o, fw_ms now, const struct fw_forecast *f);

#endif
