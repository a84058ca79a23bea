/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch_news.h - what there is to tell of the alerts of watches: table `news`
 * of meta/. The watcher writes it in the transaction of the look that changed
 * an alert; the dispatcher reads it beside the alerts of rules, and is the only
 * one who tells.
 *
 *     series of a watch   subject id          its alert, until 15 min after it
 *     notice              2^32 + time, n      word of Forewarn's own, an hour
 */
#ifndef SERVER_ALERT_WATCH_NEWS_H
#define SERVER_ALERT_WATCH_NEWS_H

#include "server/alert/alert_note.h"
#include "server/alert/notice.h"

/* Ended alerts are told again for so long [prometheus/rules/alerting.go]. */
#define NEWS_RESOLVED_MS (15 * FW_MINUTE)
#define NEWS_NOTICE_MS FW_HOUR

enum news_state { NEWS_PREDICTED, NEWS_BREACHED, NEWS_ENDED, NEWS_NOTICE };

struct news {
    uint64_t id;
    enum news_state state;
    fw_ms starts_at;
    fw_ms changed_at; /* when it came to this state */
    fw_ms updated_at; /* the newest look */
    fw_ms ends_at;    /* ENDED, NOTICE; else 0 */
    fw_ms interval;   /* between two looks */
    struct fw_labels labels, annotations;
    struct fw_str expr;
    struct fw_str forecast; /* a JSON object; "" for a notice */
    struct fw_str card;     /* JSON, as of the last change; "" without one */
};

const char *news_state_name(enum news_state state); /* "predicted", ... */

/*
 * The record of a change, to be put in the table later: into `out`. Unlike
 * news_put() it needs no transaction.
 */
FW_CHECK fw_rc news_write(const struct alert_note *note, struct fw_buf *out,
                          struct fw_err *err);
/* Puts what news_write() wrote. */
FW_CHECK fw_rc news_put(struct fw_txn *txn, uint32_t subject,
                        struct fw_str record, struct fw_err *err);
/*
 * A look that changed nothing: the same news with the numbers of now. The card
 * and the time of the change stay.
 */
FW_CHECK fw_rc news_refresh(struct fw_txn *txn, const struct alert_note *note,
                            uint32_t subject, struct fw_err *err);
/* Word of Forewarn's own, for those who are told by Alertmanager. */
FW_CHECK fw_rc news_notice(struct fw_txn *txn, const struct notice_pair *labels,
                           const struct notice_pair *annotations, fw_ms at,
                           struct fw_err *err);

/* Both at once: news_notice(), and notice_payload() into `body`. */
FW_CHECK fw_rc notice_tell(struct fw_txn *txn, const struct notice_pair *labels,
                           const struct notice_pair *annotations, fw_ms at,
                           struct fw_buf *body, struct fw_err *err);

/* All there is, in `arena`; what cannot be read is left out. */
FW_CHECK fw_rc news_all(struct fw_txn *txn, struct fw_arena *arena,
                        struct news **out, size_t *count, struct fw_err *err);
/* Removes what ended too long ago; *removed of them. */
FW_CHECK fw_rc news_prune(struct fw_txn *txn, fw_ms now, size_t *removed,
                          struct fw_err *err);

/* Writes the forecast, with the card in it, as one JSON value. */
void news_forecast(const struct news *news, struct fw_json *json);

#endif
