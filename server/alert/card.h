/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * card.h - the Socratic card: a prediction asked seven questions, and what it
 * answers, in plain words with numbers.
 *
 * Pure: everything it says is computed from what it is given.
 */
#ifndef SERVER_ALERT_CARD_H
#define SERVER_ALERT_CARD_H

#include "server/alert/calibration.h"
#include "server/alert/standing.h"
#include "storage/base/json.h"

/* Borrowed. */
struct card_input {
    const struct config_watch *watch;
    const struct fw_labels *labels;
    const struct watched_state *state; /* NULL: not looked at yet */
    const struct fw_forecast *forecast;
    double current; /* NaN: none */
    fw_ms current_at, spacing;
    fw_ms now;
    struct fw_record watch_record;
    const struct fw_record *series_record, *model_record; /* NULL: not asked */
    fw_ms last_false_alarm; /* of the watch; 0: none known */
    const struct standing *standing;
    const char *standing_why;
    const struct calibration *calibration; /* of the watch; NULL: not asked */
    const char *actions; /* what is done by itself, in words; NULL: nothing */
};

enum card_part {
    CARD_CLAIM,
    CARD_ASSUMES,
    CARD_WRONG_IF,
    CARD_RECORD,
    CARD_ELSE,
    CARD_UNKNOWN,
    CARD_DUTY,
    CARD_PARTS
};

struct card {
    struct fw_str answers[CARD_PARTS]; /* in the arena; paragraphs by '\n' */
    /* What would prove the claim wrong first; wrong_at 0: nothing yet. */
    fw_ms wrong_at;
    double wrong_value;
    enum fw_side wrong_side; /* the claim is dropped on this side of it */
};

/* The model that the claim is of: the one the ledger has, if there is one. */
const char *card_model(const struct card_input *in);

/* "What do we claim?" Static. */
const char *card_question(enum card_part part);
/* "claim": the key of a part in JSON. Static. */
const char *card_key(enum card_part part);

/* The answers as a JSON array of {key, question, answer}. */
void card_json(const struct card *card, struct fw_json *json);

FW_CHECK fw_rc card_write(const struct card_input *in, struct fw_arena *arena,
                          struct card *out, struct fw_err *err);

#endif
