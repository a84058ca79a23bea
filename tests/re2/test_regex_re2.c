/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Our regexes beside RE2's: what RE2 refuses is refused, and what both take
 * matches the same texts. Patterns are made by a grammar and then, every
 * other time, spoilt by a few random characters.
 */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/storage.h"
#include "tests/re2/re2_oracle.h"
#include "tests/support/synth.h"

#define PATTERNS 20000
#define TEXTS 12
#define ROOM 400

static struct synth_rng rng;

static uint32_t below(uint32_t n)
{
    return (uint32_t)(synth_u64(&rng) % n);
}

/* ---- Patterns ---- */

struct text {
    char p[ROOM];
    size_t n;
};

static void add(struct text *t, const char *more)
{
    size_t n = strlen(more);

    if (t->n + n < ROOM) {
        memcpy(t->p + t->n, more, n);
        t->n += n;
    }
}

#define PICK(from) ((from)[below(sizeof(from) / sizeof((from)[0]))])

static void add_atom(struct text *t, int depth);

static bool ends_in_flags(const struct text *t)
{
    return t->n >= 4 && t->p[t->n - 4] == '(' && t->p[t->n - 3] == '?' &&
           t->p[t->n - 1] == ')';
}

static void add_concat(struct text *t, int depth)
{
    static const char *const repeats[] = {"*",     "+",     "?",    "*?",
                                          "+?",    "??",    "{2}",  "{1,2}",
                                          "{0,3}", "{2,}?", "{,2}", "{1001}"};

    for (uint32_t n = below(4); n > 0; n--) {
        add_atom(t, depth);
        /* RE2 lets (?i)* repeat what stands before the flags; we refuse it. */
        if (below(3) == 0 && !ends_in_flags(t))
            add(t, repeats[below(30) > 0 ? below(10) : below(12)]);
    }
}

static void add_alternatives(struct text *t, int depth)
{
    add_concat(t, depth);
    for (uint32_t n = below(5) == 0 ? 1 + below(3) : 0; n > 0; n--) {
        add(t, "|");
        add_concat(t, depth);
    }
}

static void add_class(struct text *t)
{
    static const char *const items[] = {
        "a",   "b",   "c",       "0",         "-",          "a-c",      "0-9",
        "\\d", "\\W", "\\s",     "[:alpha:]", "[:^digit:]", "[:word:]", "\\n",
        "^",   ".",   "\\x61",   "\\pL",      "\\P{Nd}",    "\xc3\xa9", "\\]",
        "k",   "\\-", "\\x{e9}", "\\.",       "_",          "[",        "c-a"};

    add(t, below(3) == 0 ? "[^" : "[");
    for (uint32_t n = 1 + below(3); n > 0; n--)
        add(t, items[below(40) > 0 ? below(26) : below(28)]);
    add(t, "]");
}

static void add_atom(struct text *t, int depth)
{
    static const char *const atoms[] = {"a",
                                        "b",
                                        "c",
                                        "ab",
                                        "0",
                                        "1",
                                        "k",
                                        "K",
                                        "_",
                                        "-",
                                        ".",
                                        ".",
                                        "\\d",
                                        "\\D",
                                        "\\w",
                                        "\\W",
                                        "\\s",
                                        "\\S",
                                        "\\.",
                                        "\\n",
                                        "\\t",
                                        "\xc3\xa9",
                                        "\xe2\x84\xaa",
                                        "\\x41",
                                        "\\x{e9}",
                                        "\\pL",
                                        "\\PN",
                                        "\\p{Greek}",
                                        "^",
                                        "$",
                                        "\\b",
                                        "\\B",
                                        "\\A",
                                        "\\z",
                                        "\\Qa.b\\E",
                                        "\\a",
                                        "\\f",
                                        "\\v",
                                        "\\101",
                                        " ",
                                        "(?i)",
                                        "(?s)",
                                        "\\Z",
                                        "\\1",
                                        "\\8",
                                        "\\e",
                                        "\\h",
                                        "\\K",
                                        "\\R",
                                        "\\X",
                                        "\\N",
                                        "\\G",
                                        "\\cA",
                                        "\\u0041",
                                        "\\p{Nope}"};
    static const char *const opens[] = {
        "(",   "(?:", "(?i:", "(?s:", "(?-s:", "(?m:", "(?P<x>", "(?U:",
        "(?=", "(?!", "(?<=", "(?>",  "(?|",   "(?#",  "(?x:",   "(?im-s:"};

    if (depth > 0 && below(4) == 0) {
        add(t, below(25) == 0 ? PICK(opens) : opens[below(6)]);
        add_alternatives(t, depth - 1);
        add(t, ")");
    } else if (below(5) == 0) {
        add_class(t);
    } else {
        add(t, below(40) == 0 ? PICK(atoms) : atoms[below(37)]);
    }
}

static void spoil(struct text *t)
{
    static const char chars[] = "()[]{}|*+?\\^$.-,:0aP<>=!#&\n \x80\xc3";

    for (uint32_t n = 1 + below(2); n > 0 && t->n > 0; n--) {
        uint32_t at = below((uint32_t)t->n);

        if (below(2) == 0) {
            t->p[at] = chars[below(sizeof(chars) - 1)];
        } else {
            memmove(t->p + at, t->p + at + 1, t->n - at - 1);
            t->n--;
        }
    }
}

/* ---- Texts ---- */

static void make_text(struct text *t)
{
    static const char *const parts[] = {
        "a",        "b",        "c", "0",        "1",  "k", "K",
        "_",        "-",        ".", "\n",       "\t", " ", "A",
        "\xc3\xa9", "\xc3\x89", "B", "\xce\xb1", "ab", "x"};

    t->n = 0;
    for (uint32_t n = below(7); n > 0; n--)
        add(t, parts[below(3) > 0 ? below(5) : below(20)]);
}

/* ---- The comparison ---- */

/* True if the ')' at `end` closes (?flags). */
static bool flags_end_at(const struct text *t, size_t end)
{
    size_t i = end;

    while (i > 0 && strchr("imsU-", t->p[i - 1]) != NULL)
        i--;
    return i >= 2 && t->p[i - 1] == '?' && t->p[i - 2] == '(';
}

/*
 * Not compared: what this RE2 and Go's regexp, which Prometheus uses, see
 * otherwise; and flags that are repeated, which we refuse. (?i) makes RE2 take
 * the Kelvin sign for \w and small letters for \p{Lu}, and not us, so that
 * neither is in the texts and patterns above.
 */
static bool left_out(const struct text *t)
{
    unsigned names = 0;

    for (size_t i = 0; i + 1 < t->n; i++) {
        if (t->p[i] == '\\' && t->p[i + 1] == 'C')
            return true; /* a byte: not in Go */
        names += t->p[i] == 'P' && t->p[i + 1] == '<';
        if (names > 1)
            return true; /* the same name twice: Go refuses it, this RE2 not */
        if (t->p[i] == '?' && t->p[i + 1] == '<')
            return true; /* (?<name>: newer than this RE2 */
        if (t->p[i] == ')' && strchr("*+?{", t->p[i + 1]) != NULL &&
            flags_end_at(t, i))
            return true;
    }
    return false;
}

static void fail_on(const char *what, const struct text *pattern,
                    const struct text *text, const char *why)
{
    fail_msg("%s: pattern '%.*s', text '%.*s': %s", what, (int)pattern->n,
             pattern->p, (int)text->n, text->p, why);
}

static void patterns_mean_what_they_mean_to_re2(void **state)
{
    static const struct text none;
    unsigned taken = 0, refused = 0, matched = 0;

    (void)state;
    for (unsigned i = 0; i < PATTERNS; i++) {
        struct text pattern = {.n = 0}, text;
        struct fw_str ours;
        struct fw_regex *regex = NULL;
        struct fw_err err = {0};
        const char *why = "";
        void *oracle;

        add_alternatives(&pattern, 3);
        if (i % 2 == 1)
            spoil(&pattern);
        if (left_out(&pattern))
            continue;
        ours = (struct fw_str){pattern.p, pattern.n};
        oracle = re2_oracle_new(pattern.p, pattern.n, &why);
        if (fw_regex_compile(ours, &regex, &err) != FW_OK) {
            if (oracle != NULL)
                fail_on("RE2 takes it", &pattern, &none, err.text);
            refused++;
            continue;
        }
        if (oracle == NULL)
            fail_on("RE2 refuses it", &pattern, &none, why);
        taken++;
        for (unsigned k = 0; k < TEXTS; k++) {
            bool said, is;

            make_text(&text);
            said = fw_regex_matches(regex, (struct fw_str){text.p, text.n});
            is = re2_oracle_matches(oracle, text.p, text.n) != 0;
            if (said != is)
                fail_on("another answer", &pattern, &text,
                        is ? "RE2 matches" : "RE2 does not match");
            matched += is;
        }
        re2_oracle_free(oracle);
        fw_regex_free(regex);
    }
    printf("%u patterns taken, %u refused, %u matches\n", taken, refused,
           matched);
    /* The grammar is worth something only if it gives all three. */
    assert_true(taken > PATTERNS / 3);
    assert_true(refused > PATTERNS / 20);
    assert_true(matched > PATTERNS / 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_mean_what_they_mean_to_re2),
    };

    rng = synth_seed(fixture_seed());
    return fixture_main(argc, argv, tests);
}
