// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/re2/re2_oracle.h"

#include <re2/re2.h>

#include <string>

static std::string g_why;

void *re2_oracle_new(const char *pattern, size_t n, const char **why)
{
    RE2::Options options;
    RE2 *re;

    options.set_log_errors(false);
    options.set_dot_nl(true); // as Prometheus: ^(?s:PATTERN)$
    options.set_max_mem(int64_t(256) << 20);
    re = new RE2(re2::StringPiece(pattern, n), options);
    if (re->ok())
        return re;
    g_why = re->error();
    *why = g_why.c_str();
    delete re;
    return nullptr;
}

void re2_oracle_free(void *oracle)
{
    delete static_cast<RE2 *>(oracle);
}

int re2_oracle_matches(const void *oracle, const char *text, size_t n)
{
    return RE2::FullMatch(re2::StringPiece(text, n),
                          *static_cast<const RE2 *>(oracle))
               ? 1
               : 0;
}
