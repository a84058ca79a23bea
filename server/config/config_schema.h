/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_schema.h - the keys of forewarn.yml as data: name, type, bounds,
 * default, help, and the field each one fills.
 */
#ifndef SERVER_CONFIG_SCHEMA_H
#define SERVER_CONFIG_SCHEMA_H

#include "server/config/config.h"

enum config_type {
    CONFIG_TEXT,      /* const char * */
    CONFIG_URL,       /* const char *, http or https */
    CONFIG_ADDRESS,   /* const char *, "HOST:PORT" or "off" */
    CONFIG_EXPR,      /* const char *, a query */
    CONFIG_BREACH,    /* const char *, "> 90" */
    CONFIG_DURATION,  /* fw_ms */
    CONFIG_EVERY,     /* fw_ms, "off" is 0 */
    CONFIG_COUNT,     /* uint32_t */
    CONFIG_BIG_COUNT, /* uint64_t */
    CONFIG_BYTES,     /* uint64_t */
    CONFIG_SHARE,     /* double, above 0 and below 1 */
    CONFIG_BOOL,      /* bool */
    CONFIG_LEVEL,     /* enum fw_log_level */
    CONFIG_TEXTS,     /* const char ** and a count */
    CONFIG_LABELS,    /* struct config_label * and a count */
    CONFIG_SECTION,   /* a map of `below`, filling the same struct */
    CONFIG_LIST       /* a list of maps of `below`: items and a count */
};

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset;       /* of the field */
    size_t count_offset; /* TEXTS, LABELS, LIST: of the size_t beside it */
    const char *initial; /* default as it would be written; NULL: none */
    bool required;
    bool secret;        /* never shown: passwords, URLs that permit to post */
    bool may_be_empty;  /* TEXT */
    double least, most; /* DURATION, EVERY (ms), COUNT, BYTES; 0, 0: any */
    const char *help;   /* a sentence without its full stop */
    const struct config_key *below;
    size_t item_bytes;   /* LIST */
    size_t place_offset; /* LIST: of the item's int `line` */
    size_t most_items;   /* LIST */
};

/* Tables end with a row of zeros. */
extern const struct config_key config_keys[];       /* forewarn.yml */
extern const struct config_key config_watch_file[]; /* a file of watches */
extern const struct config_key config_watch_keys[];
extern const struct config_key config_webhook_keys[];
extern const struct config_key config_schedule_keys[];
extern const struct config_key config_notify_keys[];
extern const struct config_key config_alerting_keys[];
extern const struct config_key config_relabel_keys[];
extern const struct config_key config_action_keys[];
extern const struct config_key config_window_keys[];

/* "a duration such as 90s, 5m or 1h30m": what a value of this type is. */
const char *config_type_help(enum config_type type);

const struct config_key *config_key_find(const struct config_key *keys,
                                         struct fw_str name);

/* The key whose name is nearest to a wrong one, or NULL. */
const char *config_key_nearest(const struct config_key *keys,
                               struct fw_str name);

/*
 * Reads `text` as a value of `key` into the field at `base` + key->offset;
 * texts are copied into `arena`. FW_EINVAL with a sentence without place.
 */
FW_CHECK fw_rc config_value_set(const struct config_key *key,
                                struct fw_str text, void *base,
                                struct fw_arena *arena, struct fw_err *err);

#endif
