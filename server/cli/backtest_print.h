/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backtest_print.h - a replay as a table for people, or as JSON. */
#ifndef SERVER_BACKTEST_PRINT_H
#define SERVER_BACKTEST_PRINT_H

#include "server/alert/hindsight.h"
#include "server/alert/store_sight.h"
#include "storage/base/json.h"

struct backtest_print {
    struct fw_arena *arena; /* borrowed */
    struct fw_buf *out;     /* borrowed */
    bool json;
    size_t claims;       /* alerts shown one by one */
    double false_alarms; /* allowed in 30 days */
    struct fw_json writer;
};

/* start, one for each watch, end. FW_ENOMEM, FW_ETOOBIG. */
FW_CHECK fw_rc backtest_print_start(struct backtest_print *print,
                                    struct fw_err *err);
FW_CHECK fw_rc backtest_print_one(struct backtest_print *print,
                                  const struct config_watch *watch,
                                  const struct hindsight *replay,
                                  const struct hindsight_options *options,
                                  struct fw_err *err);
FW_CHECK fw_rc backtest_print_end(struct backtest_print *print,
                                  struct fw_err *err);

#endif
