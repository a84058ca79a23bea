/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_note.h - what is said when an alert changes: a sentence for people and
 * logs, labels and annotations as Alertmanager has them, and one object
 * `forecast` with what only we know.
 */
#ifndef SERVER_ALERT_ALERT_NOTE_H
#define SERVER_ALERT_ALERT_NOTE_H

#include "server/alert/card.h"
#include "storage/base/json.h"
#include "storage/base/limits.h"

/* One change. Everything is borrowed. */
struct alert_note {
    const struct config_watch *watch;
    const struct fw_labels *labels; /* of the series */
    const struct watched_state *state;
    enum alert_change change;
    enum alert_end end; /* ALERT_TO_RESOLVED: why */
    fw_ms fired_at;     /* when this alert was first told */
    fw_ms now;
    struct fw_record record;
    const struct card *card; /* NULL: there is none */
};

/* Adds "DiskFull{host="a"}: predicted ...", without a full stop. */
FW_CHECK fw_rc alert_note_sentence(const struct alert_note *note,
                                   struct fw_buf *out);

/* Adds `DiskFull{host="a"}`: the watch, and what tells its series apart. */
FW_CHECK fw_rc alert_note_name(const struct config_watch *watch,
                               const struct fw_labels *labels,
                               struct fw_buf *out);

/*
 * The annotations of a note, by name: summary, state, reason, owner, record,
 * runbook_url; where there is a forecast probability, time_to_breach_p10, _p50,
 * _p90, forecast_value_p10, _p50, _p90, value and model; resolved_because.
 * Zero, then make; they live in it.
 */
#define ALERT_NOTE_ANNOTATIONS 18
struct alert_words {
    struct fw_buf sentence, record;
    char probability[FW_DOUBLE_TEXT_BYTES], value[FW_DOUBLE_TEXT_BYTES];
    char extreme[EXTREME_QUANTILES][FW_DOUBLE_TEXT_BYTES];
    char p10[FW_DURATION_TEXT_BYTES], p50[FW_DURATION_TEXT_BYTES],
        p90[FW_DURATION_TEXT_BYTES];
    struct fw_label v[ALERT_NOTE_ANNOTATIONS];
    size_t n;
};
FW_CHECK fw_rc alert_words_make(struct alert_words *words,
                                const struct alert_note *note);
void alert_words_release(struct alert_words *words);

/* Writes the object `forecast`, but for the card. */
void alert_note_forecast(const struct alert_note *note, struct fw_json *json);

/*
 * Writes the members "labels" and "annotations" of an open JSON object, as in
 * the body of a webhook. FW_ENOMEM leaves the object as it was.
 */
FW_CHECK fw_rc alert_note_members(const struct alert_note *note,
                                  struct fw_json *json);

/* Adds the record in words: "right 3 times, 1 false alarm, 0 missed, ...". */
FW_CHECK fw_rc alert_record_words(const struct fw_record *record,
                                  struct fw_buf *out);

/*
 * The labels of the alert, sorted: the series' but its name, the watch's own,
 * and alertname. Returns how many; texts are borrowed.
 */
#define ALERT_NOTE_LABELS (2 * FW_MAX_LABELS + 2)
size_t alert_note_labels(const struct config_watch *watch,
                         const struct fw_labels *labels, enum told told,
                         struct fw_label out[ALERT_NOTE_LABELS]);

#endif
