/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * matcher.h - one condition on a label, ready to be put to many values.
 */
#ifndef STORAGE_MATCHER_H
#define STORAGE_MATCHER_H

#include "storage/storage.h"

struct matcher {
    struct fw_str name;
    struct fw_str value;    /* of = and != */
    struct fw_regex *regex; /* of =~ and !~; owned */
    bool negated;
    bool takes_empty; /* true of a series that lacks the label */
};

/* Texts are borrowed from `from`. FW_EINVAL for a bad regex. */
FW_CHECK fw_rc matcher_init(struct matcher *m, const struct fw_matcher *from,
                            struct fw_err *err);
void matcher_release(struct matcher *m);

bool matcher_takes(struct matcher *m, struct fw_str value);

/*
 * The values the matcher takes where they can be counted: *words and how many;
 * 0 where only trying tells.
 */
size_t matcher_words(const struct matcher *m, const struct fw_str **words);

#endif
