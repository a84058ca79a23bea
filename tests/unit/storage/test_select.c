/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Selections and label lists against a plain model: every series is looked at
 * one by one, with the regexes of fw_regex_matches().
 */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/storage.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000)
#define SERIES 3500
#define LABELS 5

struct model_series {
    char text[LABELS][24];
    struct fw_label v[LABELS];
    struct fw_labels labels;
    uint32_t id;
    fw_ms from, to; /* its samples */
};

static struct model_series g_series[SERIES];
static size_t g_count;
static struct fake_clock fake;
static struct synth_rng rng;
static struct fw_err err;

static uint32_t below(uint32_t n)
{
    return (uint32_t)(synth_u64(&rng) % n);
}

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static void add_label(struct model_series *s, const char *name,
                      const char *format, uint32_t number)
{
    size_t i = s->labels.n++;

    (void)snprintf(s->text[i], sizeof(s->text[i]), format, number);
    s->v[i] = (struct fw_label){fw_str_of(name), fw_str_of(s->text[i])};
}

static void make_one(struct model_series *s, uint32_t i)
{
    s->labels = (struct fw_labels){s->v, 0};
    add_label(s, FW_METRIC_NAME, "metric_%u", i % 5);
    if (i % 3 != 0)
        add_label(s, "group", "g%u", i / 50 % 9);
    add_label(s, "pod", "pod-%06u", i / 5);
    if (i % 7 < 4)
        add_label(s, "zone", "z%u", below(4));
    s->from = NOW - FW_HOUR + (fw_ms)(i % 100) * FW_SECOND;
    s->to = s->from + (fw_ms)below(60) * FW_SECOND;
}

static void grow(struct fw_store *store, size_t to)
{
    struct fw_batch batch = {0};
    struct fw_append_result result;

    for (; g_count < to; g_count++) {
        struct model_series *s = &g_series[g_count];

        make_one(s, (uint32_t)g_count);
        assert_int_equal(fw_store_series(store, &s->labels, &s->id, &err),
                         FW_OK);
        assert_int_equal(fw_batch_add(&batch, s->id, s->from, 1), FW_OK);
        if (s->to > s->from)
            assert_int_equal(fw_batch_add(&batch, s->id, s->to, 2), FW_OK);
    }
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
}

/* ---- Matchers ---- */

static struct fw_matcher any_matcher(void)
{
    static const char *const names[] = {FW_METRIC_NAME, "group", "pod", "zone",
                                        "nothing"};
    static const char *const texts[] = {"metric_1", "g3",  "pod-000123", "z2",
                                        "",         "pod", "nowhere"};
    static const char *const patterns[] = {
        "metric_.*",    "g[1-4]",  ".*",   ".+",           "pod-0000[0-9]+",
        "z1|z2",        "pod-.*7", "",     "metric_(1|3)", "pod-0001.*",
        "g.|z.|pod-.*", "x|",      ".*2.*"};
    enum fw_match_op op = (enum fw_match_op)below(4);
    const char *value = op == FW_MATCH_REGEX || op == FW_MATCH_NOT_REGEX
                            ? patterns[below(13)]
                            : texts[below(7)];

    return (struct fw_matcher){op, fw_str_of(names[below(5)]),
                               fw_str_of(value)};
}

static bool takes(const struct fw_matcher *m, struct fw_regex *regex,
                  const struct model_series *s)
{
    struct fw_str value = fw_labels_get(&s->labels, m->name);

    switch (m->op) {
    case FW_MATCH_EQUAL:
        return fw_str_eq(value, m->value);
    case FW_MATCH_DIFFERS:
        return !fw_str_eq(value, m->value);
    case FW_MATCH_REGEX:
        return fw_regex_matches(regex, value);
    case FW_MATCH_NOT_REGEX:
        return !fw_regex_matches(regex, value);
    }
    return false;
}

static int by_labels(const void *a, const void *b)
{
    const struct model_series *const *left = a;
    const struct model_series *const *right = b;

    return fw_labels_cmp(&(*left)->labels, &(*right)->labels);
}

static size_t expect(const struct fw_matcher *m, size_t n, fw_ms from, fw_ms to,
                     const struct model_series *out[SERIES])
{
    struct fw_regex *regexes[4] = {0};
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        if (m[i].op == FW_MATCH_REGEX || m[i].op == FW_MATCH_NOT_REGEX)
            assert_int_equal(fw_regex_compile(m[i].value, &regexes[i], &err),
                             FW_OK);
    for (size_t k = 0; k < g_count; k++) {
        const struct model_series *s = &g_series[k];
        bool all = s->from <= to && s->to >= from;

        for (size_t i = 0; i < n && all; i++)
            all = takes(&m[i], regexes[i], s);
        if (all)
            out[found++] = s;
    }
    for (size_t i = 0; i < n; i++)
        fw_regex_free(regexes[i]);
    if (found > 1)
        qsort(out, found, sizeof(*out), by_labels);
    return found;
}

static bool refuses_empty(const struct fw_matcher *m, size_t n)
{
    const struct model_series nobody = {0};

    for (size_t i = 0; i < n; i++) {
        struct fw_regex *regex = NULL;
        bool empty;

        if (m[i].op == FW_MATCH_REGEX || m[i].op == FW_MATCH_NOT_REGEX)
            assert_int_equal(fw_regex_compile(m[i].value, &regex, &err), FW_OK);
        empty = takes(&m[i], regex, &nobody);
        fw_regex_free(regex);
        if (!empty)
            return true;
    }
    return false;
}

/* ---- Checks ---- */

static void check_select(struct fw_store *store, const struct fw_matcher *m,
                         size_t n, fw_ms from, fw_ms to)
{
    static const struct model_series *want[SERIES];
    size_t count = expect(m, n, from, to, want), got = 0;
    struct fw_arena *arena = fw_arena_new(64 << 20);
    struct fw_series *series = NULL;

    if (fw_store_select(store, m, n, from, to, SERIES, arena, &series, &got,
                        &err) != FW_OK)
        fail_msg("select: %s", err.text);
    assert_int_equal(got, count);
    for (size_t i = 0; i < got; i++) {
        assert_int_equal(series[i].id, want[i]->id);
        assert_int_equal(fw_labels_cmp(&series[i].labels, &want[i]->labels), 0);
    }
    fw_arena_free(arena);
}

static int by_text(const void *a, const void *b)
{
    return fw_str_cmp(*(const struct fw_str *)a, *(const struct fw_str *)b);
}

/* The values of `name` of what is wanted, or the names where it is empty. */
static void check_lists(struct fw_store *store, const struct fw_matcher *m,
                        size_t n, fw_ms from, fw_ms to, const char *name,
                        size_t limit)
{
    static const struct model_series *want[SERIES];
    static struct fw_str texts[SERIES * LABELS];
    struct fw_label_query query = {m, n, from, to, limit};
    size_t series = expect(m, n, from, to, want), count = 0, kept = 0, got = 0;
    struct fw_arena *arena = fw_arena_new(64 << 20);
    struct fw_str *list = NULL;
    fw_rc rc;

    for (size_t i = 0; i < series; i++)
        for (size_t j = 0; j < want[i]->labels.n; j++)
            if (name[0] == '\0')
                texts[count++] = want[i]->labels.v[j].name;
            else if (fw_str_eq(want[i]->labels.v[j].name, fw_str_of(name)))
                texts[count++] = want[i]->labels.v[j].value;
    if (count > 1)
        qsort(texts, count, sizeof(*texts), by_text);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !fw_str_eq(texts[kept - 1], texts[i]))
            texts[kept++] = texts[i];
    kept = limit > 0 && limit < kept ? limit : kept;
    rc = name[0] == '\0'
             ? fw_store_label_names(store, &query, arena, &list, &got, &err)
             : fw_store_label_values(store, fw_str_of(name), &query, arena,
                                     &list, &got, &err);
    assert_int_equal(rc, FW_OK);
    assert_int_equal(got, kept);
    for (size_t i = 0; i < got; i++)
        assert_true(fw_str_eq(list[i], texts[i]));
    fw_arena_free(arena);
}

static void check_everything(struct fw_store *store, unsigned rounds)
{
    static const char *const names[] = {"", FW_METRIC_NAME, "pod", "zone",
                                        "nothing"};

    for (unsigned round = 0; round < rounds; round++) {
        struct fw_matcher m[3];
        size_t n = 1 + below(3);
        bool always = below(2) == 0;
        fw_ms from =
            always ? INT64_MIN : NOW - FW_HOUR + (fw_ms)below(160) * FW_SECOND;
        fw_ms to = always ? INT64_MAX : from + (fw_ms)below(30) * FW_SECOND;

        for (size_t i = 0; i < n; i++)
            m[i] = any_matcher();
        if (!refuses_empty(m, n))
            m[0] = (struct fw_matcher){FW_MATCH_REGEX, FW_STR(FW_METRIC_NAME),
                                       FW_STR(".+")};
        check_select(store, m, n, from, to);
        if (round % 4 == 0)
            check_lists(store, m, n, from, to, names[below(5)], below(3) * 7);
        if (round % 8 == 0)
            check_lists(store, m, 0, from, to, names[below(5)], 0);
    }
}

static void selections_are_those_of_a_plain_look(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;

    (void)state;
    g_count = 0;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    grow(store, 300); /* all in a page that is open */
    check_everything(store, 80);
    grow(store, 513);
    check_everything(store, 80);
    grow(store, 3300);
    check_everything(store, 200);
    fw_store_close(store);
    store = open_store(dir, false); /* from pages on disk */
    check_everything(store, 100);
    grow(store, SERIES);
    check_everything(store, 100);
    fw_store_close(store);
    store = open_store(dir, true);
    check_everything(store, 100);
    fw_store_close(store);
}

static void a_series_is_found_by_its_labels_again(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;

    (void)state;
    g_count = 0;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    grow(store, 2000);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < g_count; i++) {
            uint32_t id = 0;

            assert_int_equal(
                fw_store_series(store, &g_series[i].labels, &id, &err), FW_OK);
            assert_int_equal(id, g_series[i].id);
        }
        fw_store_close(store);
        store = open_store(dir, false);
    }
    fw_store_close(store);
}

static uint64_t count_of(const char *name, const char *value)
{
    uint64_t n = 0;

    for (size_t i = 0; i < g_count; i++)
        n += fw_str_eq(fw_labels_get(&g_series[i].labels, fw_str_of(name)),
                       fw_str_of(value));
    return n;
}

static void check_stats(struct fw_store *store)
{
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_index_stats s;

    assert_int_equal(fw_store_index_stats(store, 6, arena, &s, &err), FW_OK);
    assert_int_equal(s.series, g_count);
    assert_int_equal(s.metric_count, 5);
    for (size_t i = 0; i < s.metric_count; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%.*s",
                       FW_STR_ARG(s.metrics[i].name));
        assert_int_equal(s.metrics[i].n, count_of(FW_METRIC_NAME, name));
    }
    assert_int_equal(s.value_count, 4); /* __name__, group, pod, zone */
    assert_true(fw_str_eq(s.values[0].name, FW_STR("pod")));
    assert_int_equal(s.values[0].n, (g_count + 4) / 5);
    assert_int_equal(s.byte_count, 4);
    assert_true(fw_str_eq(s.bytes[0].name, FW_STR("pod")));
    assert_int_equal(s.bytes[0].n, (g_count + 4) / 5 * strlen("pod-000000"));
    assert_int_equal(s.by_pair_count, 6);
    for (size_t i = 0; i < s.by_pair_count; i++) {
        char name[32], value[32];

        (void)snprintf(name, sizeof(name), "%.*s",
                       FW_STR_ARG(s.by_pair[i].name));
        (void)snprintf(value, sizeof(value), "%.*s",
                       FW_STR_ARG(s.by_pair[i].value));
        assert_int_equal(s.by_pair[i].n, count_of(name, value));
        assert_true(i == 0 || s.by_pair[i].n <= s.by_pair[i - 1].n);
    }
    assert_true(s.memory_bytes > 0 && s.memory_bytes < (size_t)1 << 20);
    fw_arena_free(arena);
}

static void the_index_knows_what_it_is_made_of(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;

    (void)state;
    g_count = 0;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    grow(store, 400);
    check_stats(store);
    grow(store, 3000);
    check_stats(store);
    fw_store_close(store);
    store = open_store(dir, false);
    check_stats(store);
    fw_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selections_are_those_of_a_plain_look),
        cmocka_unit_test(a_series_is_found_by_its_labels_again),
        cmocka_unit_test(the_index_knows_what_it_is_made_of),
    };

    rng = synth_seed(fixture_seed());
    return fixture_main(argc, argv, tests);
}
