/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_file.h - Prometheus's rule files, read and checked.
 *
 * What Prometheus 3 takes is taken unchanged, and what it refuses is refused:
 * unknown keys, expressions that do not parse, templates that do not parse,
 * names that are no names. Each sentence has line and column.
 */
#ifndef SERVER_RULES_RULE_FILE_H
#define SERVER_RULES_RULE_FILE_H

#include "query/query.h"
#include "server/rules/template.h"

#define RULES_DEFAULT (-1) /* of an interval or offset that is not given */

struct rule_text {
    struct fw_str name;
    struct fw_str value;
    struct template *text; /* of an alert; NULL: the value as it stands */
};

struct rule {
    bool alerting;
    const char *name; /* of the alert or of the recorded series */
    const char *expr; /* as Prometheus prints it back */
    fw_ms for_ms, keep_firing_for;
    struct rule_text *labels; /* by name, with those of the group */
    size_t label_count;
    struct rule_text *annotations; /* by name */
    size_t annotation_count;
    int line;
};

struct rule_group {
    const char *name, *file;
    fw_ms interval;     /* RULES_DEFAULT: that of the configuration */
    fw_ms query_offset; /* RULES_DEFAULT: the same */
    int64_t limit;      /* 0: none */
    struct rule *rules;
    size_t rule_count;
    int line;
};

struct rule_set {
    struct fw_arena *arena; /* owned, and all below */
    struct rule_group *groups;
    size_t count, cap;
};

FW_CHECK fw_rc rule_set_new(struct rule_set **out, struct fw_err *err);
void rule_set_free(struct rule_set *set);

/* Hears each mistake: "FILE:LINE:COLUMN: group ..., rule ...: ...". */
typedef void (*rule_complaint)(void *self, const struct fw_err *err);

/*
 * Adds the groups of one text. Every mistake is told to `complain` (may be
 * NULL); FW_EINVAL with the first one in `err` if there was any, and then
 * nothing is added.
 */
FW_CHECK fw_rc rule_set_read(struct rule_set *set, struct fw_str text,
                             const char *file, rule_complaint complain,
                             void *self, struct fw_err *err);

/* The same from a file. */
FW_CHECK fw_rc rule_set_load(struct rule_set *set, const char *path,
                             rule_complaint complain, void *self,
                             struct fw_err *err);

/* All files of a pattern, in byte order; none is fine. */
FW_CHECK fw_rc rule_set_glob(struct rule_set *set, const char *pattern,
                             struct fw_err *err);

#endif
