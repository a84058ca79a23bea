/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/matcher.h"
#include "tests/support/fixture.h"

#include <stdio.h>

#include "tests/support/synth.h"

static struct synth_rng rng;
static struct fw_err err;

static struct fw_str write_text(char room[64], unsigned number)
{
    int n = snprintf(room, 64, "host-%u.rack-%u", number, number % 7);

    return (struct fw_str){room, (size_t)n};
}

static uint32_t add(struct symbols *s, struct fw_str text)
{
    uint32_t number = 0;

    assert_int_equal(symbols_add(s, text, symbols_hash(s, text), &number),
                     FW_OK);
    return number;
}

static struct fw_matcher of_regex(const char *regex)
{
    return (struct fw_matcher){FW_MATCH_REGEX, FW_STR("host"),
                               fw_str_of(regex)};
}

/* What the cache gives back has been asked before; ours never has. */
static void check_all(struct matcher_cache *cache, const struct symbols *s,
                      const uint32_t *numbers, const bool *there, size_t n,
                      const struct fw_matcher *from)
{
    struct matcher kept;
    struct matcher fresh;

    assert_int_equal(matcher_begin(&kept, from, cache, &err), FW_OK);
    assert_int_equal(matcher_begin(&fresh, from, NULL, &err), FW_OK);
    assert_int_equal(kept.takes_empty, fresh.takes_empty);
    assert_int_equal(matcher_prepare(&kept, s), FW_OK);
    for (size_t i = 0; i < n; i++)
        if (there[i])
            assert_int_equal(
                matcher_takes_symbol(&kept, s, numbers[i]),
                matcher_takes(&fresh, symbols_text(s, numbers[i])));
    matcher_end(&kept, cache);
    matcher_end(&fresh, NULL);
}

/* Values come, and go, and their numbers are given to others. */
static void what_is_remembered_is_what_the_regex_says(void **state)
{
    enum { TEXTS = 500 };
    static const char *const regexes[] = {"host-1.*", ".*rack-[35]",
                                          "host-(17|170|4)[.]rack-.*", ".*",
                                          "host-[0-9]{2}[.].+"};
    static uint32_t numbers[TEXTS];
    static bool there[TEXTS];
    struct matcher_cache cache;
    struct symbols s;
    char room[64];

    (void)state;
    matcher_cache_init(&cache);
    assert_int_equal(symbols_init(&s), FW_OK);
    for (unsigned round = 0; round < 300; round++) {
        struct fw_matcher from =
            of_regex(regexes[round % (sizeof(regexes) / sizeof(regexes[0]))]);

        from.op = round % 2 == 0 ? FW_MATCH_REGEX : FW_MATCH_NOT_REGEX;
        for (unsigned k = 0; k < 60; k++) {
            unsigned i = (unsigned)(synth_u64(&rng) % TEXTS);

            if (there[i])
                symbols_unref(&s, numbers[i]);
            else
                numbers[i] = add(&s, write_text(room, i));
            there[i] = !there[i];
        }
        check_all(&cache, &s, numbers, there, TEXTS, &from);
    }
    assert_int_equal(cache.misses, sizeof(regexes) / sizeof(regexes[0]));
    assert_int_equal(cache.hits, 300 - cache.misses);
    assert_true(s.forgotten > 0);
    matcher_cache_release(&cache);
    symbols_release(&s);
}

static void use(struct matcher_cache *cache, const struct symbols *s,
                const char *regex)
{
    struct fw_matcher from = of_regex(regex);
    struct matcher m;

    assert_int_equal(matcher_begin(&m, &from, cache, &err), FW_OK);
    assert_int_equal(matcher_prepare(&m, s), FW_OK);
    matcher_end(&m, cache);
}

static void the_latest_are_kept(void **state)
{
    struct matcher_cache cache;
    struct symbols s;
    char regex[32];

    (void)state;
    matcher_cache_init(&cache);
    assert_int_equal(symbols_init(&s), FW_OK);
    for (int i = 0; i < 2 * MATCHER_CACHE; i++) {
        (void)snprintf(regex, sizeof(regex), "a%d.*b", i);
        use(&cache, &s, regex);
        use(&cache, &s, "always.*asked");
    }
    assert_int_equal(cache.count, MATCHER_CACHE);
    assert_int_equal(cache.misses, 2 * MATCHER_CACHE + 1);
    assert_int_equal(cache.hits, 2 * MATCHER_CACHE - 1);
    use(&cache, &s, "a0.*b"); /* gone for long */
    assert_int_equal(cache.misses, 2 * MATCHER_CACHE + 2);
    matcher_cache_release(&cache);
    symbols_release(&s);
}

/* The same regex on two labels, or twice at once, is not the same matcher. */
static void what_is_in_use_is_nobody_elses(void **state)
{
    struct fw_matcher from = of_regex("x.*y");
    struct fw_matcher other = from;
    struct matcher_cache cache;
    struct matcher a, b, c;

    (void)state;
    other.name = FW_STR("pod");
    matcher_cache_init(&cache);
    assert_int_equal(matcher_begin(&a, &from, &cache, &err), FW_OK);
    assert_int_equal(matcher_begin(&b, &from, &cache, &err), FW_OK);
    assert_true(a.regex != b.regex);
    matcher_end(&a, &cache);
    assert_int_equal(matcher_begin(&c, &other, &cache, &err), FW_OK);
    assert_int_equal(cache.hits, 0);
    matcher_end(&b, &cache);
    matcher_end(&c, &cache);
    assert_int_equal(cache.count, 3);
    matcher_cache_release(&cache);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_remembered_is_what_the_regex_says),
        cmocka_unit_test(the_latest_are_kept),
        cmocka_unit_test(what_is_in_use_is_nobody_elses),
    };

    rng = synth_seed(fixture_seed());
    return fixture_main(argc, argv, tests);
}
