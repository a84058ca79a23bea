/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_store_model.c - random writing, sealing, closing, rewriting and reading,
 * beside a model that is nothing but sorted arrays. Whatever the order of
 * things, the store and the model must hold the same bits.
 */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000)
#define SERIES 7
#define WINDOW FW_HOUR

struct model_series {
    fw_ms *t;
    uint64_t *bits;
    size_t n, cap;
};

struct model {
    struct model_series series[SERIES];
    uint64_t stored, duplicates, conflicts, too_old;
};

static struct fake_clock fake;
static struct fw_err err;

static void model_release(struct model *m)
{
    for (size_t i = 0; i < SERIES; i++) {
        free(m->series[i].t);
        free(m->series[i].bits);
    }
}

static void model_add(struct model *m, uint32_t id, fw_ms t, uint64_t bits)
{
    struct model_series *s = &m->series[id];
    size_t at = head_lower_bound(s->t, s->n, t);

    if (at < s->n && s->t[at] == t) {
        m->duplicates += s->bits[at] == bits ? 1 : 0;
        m->conflicts += s->bits[at] != bits ? 1 : 0;
        return;
    }
    if (s->n > 0 && t < s->t[s->n - 1] &&
        (uint64_t)s->t[s->n - 1] - (uint64_t)t > (uint64_t)WINDOW) {
        m->too_old++;
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 1024 : s->cap * 2;
        s->t = realloc(s->t, s->cap * sizeof(*s->t));
        s->bits = realloc(s->bits, s->cap * sizeof(*s->bits));
        assert_non_null(s->t);
        assert_non_null(s->bits);
    }
    memmove(s->t + at + 1, s->t + at, (s->n - at) * sizeof(*s->t));
    memmove(s->bits + at + 1, s->bits + at, (s->n - at) * sizeof(*s->bits));
    s->t[at] = t;
    s->bits[at] = bits;
    s->n++;
    m->stored++;
}

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .ooo_window = WINDOW,
                                       .disk_floor = 1,
                                       .plain_samples = 4096, /* some */
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static void make_series(struct fw_store *store)
{
    for (uint32_t i = 0; i < SERIES; i++) {
        char host[16];
        struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("m")},
                               {FW_STR("host"), {host, 0}}};
        struct fw_labels labels = {v, 2};
        uint32_t id = 99;

        v[1].value.n = (size_t)snprintf(host, sizeof(host), "h%u", i);
        assert_int_equal(fw_labels_cmp(&labels, &labels), 0);
        v[0] = (struct fw_label){FW_STR(FW_METRIC_NAME), FW_STR("m")};
        assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
        assert_int_equal(id, i);
    }
}

/* The whole of a series and a random part of it, compared bit for bit. */
static void compare_range(struct fw_store *store, const struct model *m,
                          uint32_t id, fw_ms from, fw_ms to)
{
    const struct model_series *s = &m->series[id];
    size_t at = head_lower_bound(s->t, s->n, from);
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    fw_rc rc;

    assert_int_equal(fw_cursor_open(store, id, from, to, &cursor, &err), FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, at++) {
            if (at >= s->n || run.t[i] != s->t[at] ||
                fw_double_bits(run.v[i]) != s->bits[at])
                fail_msg("series %u: sample %zu differs", id, at);
        }
    if (rc != FW_END)
        fail_msg("cursor: %s", err.text);
    if (at < s->n && s->t[at] <= to)
        fail_msg("series %u: %zu samples of %zu", id, at, s->n);
    fw_cursor_close(cursor);
}

static void compare(struct fw_store *store, const struct model *m,
                    struct synth_rng *rng)
{
    for (uint32_t id = 0; id < SERIES; id++) {
        const struct model_series *s = &m->series[id];

        compare_range(store, m, id, INT64_MIN, INT64_MAX);
        for (int i = 0; i < 3 && s->n > 0; i++) {
            fw_ms a = s->t[synth_u64(rng) % s->n];
            fw_ms b = s->t[synth_u64(rng) % s->n];

            compare_range(store, m, id, a < b ? a : b, a < b ? b : a);
        }
    }
}

static uint64_t random_bits(struct synth_rng *rng)
{
    switch (synth_u64(rng) % 8) {
    case 0:
        return synth_u64(rng);
    case 1:
        return FW_STALE_BITS;
    case 2:
        return fw_double_bits(-0.0);
    default:
        return fw_double_bits((double)(int64_t)(synth_u64(rng) % 1000) / 10);
    }
}

/* A batch that mostly goes on where its series are, and sometimes goes back. */
static void write_batch(struct fw_store *store, struct model *m,
                        struct synth_rng *rng, size_t n)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    struct model before = *m;

    for (size_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)(synth_u64(rng) % SERIES);
        const struct model_series *s = &m->series[id];
        fw_ms last =
            s->n > 0 ? s->t[s->n - 1] : (fw_ms)(id % 3) * -40 * FW_DAY - FW_DAY;
        fw_ms step = id == 5 ? FW_HOUR : id == 6 ? 1 : 15 * FW_SECOND;
        fw_ms t = last + step;
        uint64_t bits = random_bits(rng);

        switch (synth_u64(rng) % 40) {
        case 0:
            t = last - (fw_ms)(synth_u64(rng) % (2 * WINDOW));
            break;
        case 1: /* the same again */
            if (s->n > 0) {
                size_t k = synth_u64(rng) % s->n;

                t = s->t[k];
                bits = s->bits[k];
            }
            break;
        case 2:
            t = last;
            break;
        case 3:
            t = last + FW_DAY;
            break;
        default:
            break;
        }
        assert_int_equal(fw_batch_add(&batch, id, t, fw_double_of_bits(bits)),
                         FW_OK);
        model_add(m, id, t, bits);
    }
    if (fw_store_append(store, &batch, &result, &err) != FW_OK)
        fail_msg("append: %s", err.text);
    assert_int_equal(result.stored, m->stored - before.stored);
    /* A repetition within one batch, older than the window, is told as old. */
    assert_int_equal(result.duplicates + result.conflicts + result.too_old,
                     n - result.stored);
}

/*
 * A range of one series, or of all: never the newest sample, which says what is
 * too old.
 */
static void delete_some(struct fw_store *store, struct model *m,
                        struct synth_rng *rng)
{
    uint32_t id = (uint32_t)(synth_u64(rng) % SERIES);
    struct model_series *s = &m->series[id];
    char host[16];
    struct fw_matcher matchers[] = {
        {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME), FW_STR("m")},
        {FW_MATCH_EQUAL, FW_STR("host"), {host, 0}}};
    uint64_t hit = 0;
    size_t a, b;

    matchers[1].value.n = (size_t)snprintf(host, sizeof(host), "h%u", id);
    if (s->n < 3)
        return;
    a = synth_u64(rng) % (s->n - 1);
    b = a + synth_u64(rng) % (s->n - 1 - a);
    b = synth_u64(rng) % 2 == 0 && b > a + 100 ? a + 100 : b;
    if (fw_store_delete(store, matchers, 2, s->t[a], s->t[b], &hit, &err) !=
        FW_OK)
        fail_msg("delete: %s", err.text);
    assert_int_equal(hit, 1);
    memmove(s->t + a, s->t + b + 1, (s->n - b - 1) * sizeof(*s->t));
    memmove(s->bits + a, s->bits + b + 1, (s->n - b - 1) * sizeof(*s->bits));
    s->n -= b + 1 - a;
}

static void store_and_model_agree_whatever_happens(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    struct model m = {0};

    (void)state;
    make_series(store);
    for (int round = 0; round < 120; round++) {
        write_batch(store, &m, &rng, 1 + synth_u64(&rng) % 1500);
        switch (synth_u64(&rng) % 9) {
        case 8:
            assert_int_equal(sealer_run(store->sealer, SEAL_RING, &err), FW_OK);
            break;
        case 0:
            assert_int_equal(sealer_run(store->sealer, SEAL_FULL, &err), FW_OK);
            break;
        case 1:
            assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
            break;
        case 2:
            fw_store_close(store);
            store = open_store(dir, synth_u64(&rng) % 2 == 0);
            if (store->options.read_only) {
                compare(store, &m, &rng);
                fw_store_close(store);
                store = open_store(dir, false);
            }
            assert_int_equal(atomic_load(&store->head.samples), 0);
            break;
        case 4:
            assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
            break;
        case 5:
            delete_some(store, &m, &rng);
            break;
        case 3: {
            struct fw_store *reader = open_store(dir, true);

            compare(reader, &m, &rng);
            fw_store_close(reader);
            break;
        }
        default:
            break;
        }
        compare(store, &m, &rng);
    }
    print_message(
        "%llu stored, %llu duplicates, %llu conflicts, %llu old\n",
        (unsigned long long)m.stored, (unsigned long long)m.duplicates,
        (unsigned long long)m.conflicts, (unsigned long long)m.too_old);
    fw_store_close(store);
    model_release(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_and_model_agree_whatever_happens),
    };

    fake_clock_init(&fake, NOW + 400 * FW_DAY);
    return fixture_main(argc, argv, tests);
}
