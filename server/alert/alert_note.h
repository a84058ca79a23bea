/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_note.h - what is said when an alert changes: a sentence for people and
 * logs, and the body of a webhook (Alertmanager's version 4, plus one object
 * `forecast` with what only we know).
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

/* Adds the JSON body. */
FW_CHECK fw_rc alert_note_payload(const struct alert_note *note,
                                  struct fw_buf *out);

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

/*
 * Alertmanager's fingerprint: FNV-1a over the sorted labels [prometheus/common
 * model.LabelSet.Fingerprint], so that receivers see the id they would have
 * seen from there. `alertname`, the watch's labels and record="unproven" are
 * part of it.
 */
uint64_t alert_fingerprint(const struct config_watch *watch,
                           const struct fw_labels *labels, enum told told);

#endif
