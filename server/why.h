/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * why.h - the cards of a watch's series, made afresh from the store: for
 * `forewarn why` and /api/v1/why.
 */
#ifndef SERVER_WHY_H
#define SERVER_WHY_H

#include "server/alert/card.h"
#include "server/cli/alert_commands.h"
#include "storage/base/json.h"

/* One series of the watch that was asked about. */
struct why_row {
    struct card_input in;
    struct card card;
};

struct why {
    struct alert_view view;
    struct why_row *rows; /* in the view's arena; the worst first */
    size_t count;
    size_t left_out; /* past WHY_MOST */
};

#define WHY_MOST 5

/*
 * `alert` is the name of a watch, or `Watch{label="value",...}` for the series
 * with those labels. FW_ENOTFOUND says which watches or series there are.
 * why_close() whatever comes back.
 */
FW_CHECK fw_rc why_open(struct why *why, struct fw_cli *cli,
                        struct fw_str alert, struct fw_err *err);
void why_close(struct why *why);

/* The cards as a JSON array. */
void why_json(const struct why *why, struct fw_json *json);

#endif
