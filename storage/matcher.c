/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/matcher.h"

#include "storage/regex.h"

fw_rc matcher_init(struct matcher *m, const struct fw_matcher *from,
                   struct fw_err *err)
{
    fw_rc rc = FW_OK;

    *m = (struct matcher){.name = from->name, .value = from->value};
    m->negated = from->op == FW_MATCH_DIFFERS || from->op == FW_MATCH_NOT_REGEX;
    if (from->op == FW_MATCH_REGEX || from->op == FW_MATCH_NOT_REGEX)
        rc = fw_regex_compile(from->value, &m->regex, err);
    if (rc == FW_OK)
        m->takes_empty = matcher_takes(m, (struct fw_str){"", 0});
    return rc;
}

void matcher_release(struct matcher *m)
{
    fw_regex_free(m->regex);
    m->regex = NULL;
}

bool matcher_takes(struct matcher *m, struct fw_str value)
{
    bool same = m->regex != NULL ? fw_regex_matches(m->regex, value)
                                 : fw_str_eq(m->value, value);

    return same != m->negated;
}

size_t matcher_words(const struct matcher *m, const struct fw_str **words)
{
    if (m->negated)
        return 0;
    if (m->regex == NULL) {
        *words = &m->value;
        return 1;
    }
    if (m->regex->shape != REGEX_ALTERNATIVES)
        return 0;
    *words = m->regex->words;
    return m->regex->word_count;
}
