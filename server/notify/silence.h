/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * silence.h - silences and acknowledgements: who asked for quiet about what,
 * until when, and why. Alertmanager's model, so that amtool can manage ours.
 *
 * Tables of meta/: `silences` (id -> record), `acks` (be64 fingerprint ->
 * record). Each change is written with its entry of the audit in one
 * transaction.
 */
#ifndef SERVER_NOTIFY_SILENCE_H
#define SERVER_NOTIFY_SILENCE_H

#include "storage/storage.h"

#define SILENCE_ID_BYTES 37 /* a UUID and its NUL */
#define SILENCE_MAX_MATCHERS 64
#define SILENCE_MAX 10000         /* kept at once */
#define SILENCE_KEEP (5 * FW_DAY) /* after its end */

struct silence {
    char id[SILENCE_ID_BYTES];
    struct fw_matcher matchers[SILENCE_MAX_MATCHERS];
    size_t matcher_count;
    fw_ms starts_at, ends_at, updated_at;
    struct fw_str created_by, comment; /* both required */
};

enum silence_state { SILENCE_EXPIRED, SILENCE_PENDING, SILENCE_ACTIVE };
enum silence_state silence_state(const struct silence *s, fw_ms now);
const char *silence_state_name(enum silence_state state); /* static */

/*
 * Checks it as Alertmanager does; fills in id and updated_at; stores it. One
 * with an id that is there changes that one, unless it has ended. FW_EINVAL
 * with a sentence, FW_ENOTFOUND for an id that is not there, FW_ETOOBIG.
 */
FW_CHECK fw_rc silence_put(struct fw_txn *txn, struct silence *s, fw_ms now,
                           struct fw_err *err);

/* Ends it now. FW_ENOTFOUND. `actor` and `reason` go into the audit. */
FW_CHECK fw_rc silence_expire(struct fw_txn *txn, struct fw_str id, fw_ms now,
                              struct fw_str actor, struct fw_str reason,
                              struct fw_err *err);

/* All that there are, in `arena`; texts are copied. */
FW_CHECK fw_rc silence_all(struct fw_txn *txn, struct fw_arena *arena,
                           struct silence **out, size_t *count,
                           struct fw_err *err);

/* True if all its matchers hold for the labels. */
bool silence_matches(const struct silence *s, const struct fw_labels *labels);

/*
 * True if one of the active silences holds for the labels. What cannot be read
 * silences nobody.
 */
bool silence_covers(struct fw_store *store, const struct fw_labels *labels,
                    fw_ms now);

/*
 * One matcher as amtool writes it: name="value", name=value, !=, =~, !~. The
 * texts live in `arena`.
 */
FW_CHECK fw_rc silence_parse_matcher(struct fw_str text, struct fw_arena *arena,
                                     struct fw_matcher *out,
                                     struct fw_err *err);
bool silence_matcher_holds(const struct fw_matcher *m, struct fw_str value);

/* ---- acknowledgements ---- */

struct ack {
    uint64_t fingerprint; /* Alertmanager's, of the alert's labels */
    fw_ms starts_at;      /* of the alert: another firing is not acknowledged */
    fw_ms at;
    struct fw_str actor, reason;
};

/* `what` names the alert for the audit. */
FW_CHECK fw_rc ack_put(struct fw_txn *txn, const struct ack *ack,
                       struct fw_str what, struct fw_err *err);
/* FW_NONE: this firing of it is not acknowledged. Texts until txn ends. */
FW_CHECK fw_rc ack_get(struct fw_txn *txn, uint64_t fingerprint,
                       fw_ms starts_at, struct ack *out, struct fw_err *err);

/* FNV-1a over sorted labels [prometheus/common LabelSet.Fingerprint]. */
uint64_t silence_fingerprint(const struct fw_labels *labels);

#endif
