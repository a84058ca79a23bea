/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_head.c - samples in memory: whatever is packed, shared, late, cut or
 * taken away meanwhile, a snap has what a plain list has.
 */
#include "storage/head/head.h"
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "tests/support/synth.h"

#define START ((fw_ms)1700000000000)
#define SERIES 70 /* so that two locks are needed */
#define MAX 8000

#define ALL_PLAIN ((uint64_t)1 << 30)

/* What may lie there as it came, in bytes. */
static uint64_t all_packed = 1, some_packed = 60000, all_plain = ALL_PLAIN;

static struct head head;
static struct head_hold hold;
static struct synth_rng rng;

/* What should be there, by time. */
struct model {
    fw_ms t[MAX];
    uint64_t bits[MAX];
    size_t n;
};

static struct model *models;

static bool model_add(struct model *m, fw_ms t, uint64_t bits)
{
    size_t at = head_lower_bound(m->t, m->n, t);

    if (at < m->n && m->t[at] == t)
        return false;
    memmove(m->t + at + 1, m->t + at, (m->n - at) * sizeof(*m->t));
    memmove(m->bits + at + 1, m->bits + at, (m->n - at) * sizeof(*m->bits));
    m->t[at] = t;
    m->bits[at] = bits;
    m->n++;
    return true;
}

static void model_drop(struct model *m, const fw_ms *t, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->n; i++) {
        size_t at = head_lower_bound(t, n, m->t[i]);

        if (at < n && t[at] == m->t[i])
            continue;
        m->t[kept] = m->t[i];
        m->bits[kept++] = m->bits[i];
    }
    m->n = kept;
}

/* As most samples go: by runs. False if this one is not of the usual kind. */
static bool add_by_run(uint32_t id, fw_ms t, uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    if (head_stage_run(&hold, &id, &t, 1, INT64_MIN, INT64_MAX) == 0)
        return false;
    assert_int_equal(head_stage_run(&hold, &id, &t, 1, INT64_MIN, INT64_MAX),
                     0); /* a time is taken once */
    assert_int_equal(head_apply_run(&hold, &id, &t, &v, 1, 1), 1);
    assert_true(model_add(&models[id], t, bits));
    return true;
}

static void add(uint32_t id, fw_ms t, uint64_t bits)
{
    struct model *m = &models[id];
    enum head_verdict verdict;
    size_t at;

    if (synth_u64(&rng) % 4 != 0 && add_by_run(id, t, bits))
        return;
    verdict = head_stage(&hold, id, t, bits, -1, true);
    at = head_lower_bound(m->t, m->n, t);
    if (at < m->n && m->t[at] == t) {
        assert_int_equal(verdict,
                         m->bits[at] == bits ? HEAD_DUPLICATE : HEAD_CONFLICT);
        return;
    }
    assert_true(verdict == HEAD_ACCEPTED || verdict == HEAD_LATE);
    if (synth_u64(&rng) % 50 == 0) {
        head_unstage(&hold, id);
        return;
    }
    assert_int_equal(head_apply(&hold, id, t, bits, 1), HEAD_ACCEPTED);
    assert_true(model_add(m, t, bits));
}

static void compare(struct head_snap *snap, uint32_t id)
{
    const struct model *m = &models[id];

    head_lock(&head, id);
    assert_int_equal(
        head_snap_take(snap, head_get(&head, id), INT64_MIN, INT64_MAX), FW_OK);
    assert_int_equal(head_count(head_get(&head, id)), m->n);
    head_unlock(&head, id);
    assert_int_equal(head_snap_unpack(snap), FW_OK);
    assert_int_equal(snap->n, m->n);
    for (size_t i = 0; i < m->n; i++)
        assert_true(snap->t[i] == m->t[i] &&
                    fw_double_bits(snap->v[i]) == m->bits[i]);
}

/* Takes a part of the range: all of it has to be there, and may be more. */
static void compare_part(struct head_snap *snap, uint32_t id)
{
    const struct model *m = &models[id];
    size_t a = m->n > 0 ? synth_u64(&rng) % m->n : 0;
    size_t b = m->n > 0 ? a + synth_u64(&rng) % (m->n - a) : 0;
    size_t at;

    if (m->n == 0)
        return;
    head_lock(&head, id);
    assert_int_equal(
        head_snap_take(snap, head_get(&head, id), m->t[a], m->t[b]), FW_OK);
    head_unlock(&head, id);
    assert_int_equal(head_snap_unpack(snap), FW_OK);
    at = head_lower_bound(snap->t, snap->n, m->t[a]);
    assert_true(at + (b - a) < snap->n);
    for (size_t i = a; i <= b; i++)
        assert_true(snap->t[at + i - a] == m->t[i] &&
                    fw_double_bits(snap->v[at + i - a]) == m->bits[i]);
}

static void rows(size_t n)
{
    static fw_ms now = START;

    for (size_t k = 0; k < n; k++) {
        now += 1 + (fw_ms)(synth_u64(&rng) % 3);
        for (uint32_t id = 0; id < SERIES; id++) {
            uint64_t dice = synth_u64(&rng) % 1000;
            fw_ms t = dice < 990   ? now
                      : dice < 995 ? now - (fw_ms)(synth_u64(&rng) % 300)
                                   : now + (fw_ms)(synth_u64(&rng) % 3);
            double v = id % 3 == 0 ? (double)(k % 17) / 10 : 1;

            add(id, t,
                id % 3 == 2 ? synth_u64(&rng) % 5 << 60 : fw_double_bits(v));
        }
        head_let_go(&hold);
        if (synth_u64(&rng) % 4 != 0)
            head_pack_tails(&hold);
    }
}

/* Seals as seal.c does, with samples coming between copy and publication. */
static void seal(struct head_snap *snap, uint32_t id, bool whole)
{
    struct block_ref ref = {0};
    struct head_leaving leaving = {0};
    struct head_series *s = head_get(&head, id);

    head_lock(&head, id);
    assert_int_equal(whole ? head_snap_take(snap, s, INT64_MIN, INT64_MAX)
                           : head_snap_take_full(snap, s),
                     FW_OK);
    head_unlock(&head, id);
    assert_int_equal(head_snap_unpack(snap), FW_OK);
    if (snap->n == 0)
        return;
    rows(synth_u64(&rng) % 40);
    head_pack_tails(&hold);
    ref =
        (struct block_ref){.t_min = snap->t[0], .t_max = snap->t[snap->n - 1]};
    leaving = (struct head_leaving){snap->run, snap->t, snap->n, snap->hint};
    assert_int_equal(head_publish(&head, id, &ref, 1, &leaving), FW_OK);
    model_drop(&models[id], snap->t, snap->n);
}

static void begin_head(uint64_t plain_bytes)
{
    assert_int_equal(head_init(&head, 1000, plain_bytes), FW_OK);
    hold = (struct head_hold){.head = &head};
    for (uint32_t id = 0; id < SERIES; id++) {
        assert_int_equal(head_make(&head, id), FW_OK);
        head_get(&head, id)->defined = true;
    }
}

static void end_head(void)
{
    head_hold_release(&hold);
    head_release(&head);
    assert_int_equal(atomic_load(&head.plain_bytes), 0);
}

/* What is counted by the way is what is there. */
static void compare_counts(void)
{
    int64_t full = 0;
    uint64_t samples = 0;

    head_let_go(&hold);
    for (uint32_t id = 0; id < SERIES; id++) {
        full += head_full(head_get(&head, id));
        samples += head_count(head_get(&head, id));
    }
    assert_int_equal(atomic_load(&head.full), full);
    assert_int_equal(atomic_load(&head.samples), samples);
}

static void a_snap_has_what_a_list_has(void **state)
{
    const uint64_t *plain_bytes = *state;
    struct head_snap snap = {0};

    rng = synth_seed(fixture_seed());
    models = calloc(SERIES, sizeof(*models));
    assert_non_null(models);
    begin_head(*plain_bytes);
    for (int round = 0; round < 20; round++) {
        rows(40);
        for (int i = 0; i < 10; i++)
            seal(&snap, (uint32_t)(synth_u64(&rng) % SERIES), i % 2 == 0);
        for (uint32_t id = 0; id < SERIES; id++) {
            compare(&snap, id);
            compare_part(&snap, id);
        }
        compare_counts();
    }
    if (*plain_bytes == ALL_PLAIN) {
        for (uint32_t id = 0; id < SERIES; id++)
            assert_int_equal(head_get(&head, id)->packed, 0);
    }
    head_snap_release(&snap);
    end_head();
    free(models);
}

/* ---- Times that are shared
 * ---------------------------------------------------- */

static void neighbours_share_their_times(void **state)
{
    (void)state;
    begin_head(1);
    for (int k = 0; k < 40; k++) {
        for (uint32_t id = 0; id < SERIES; id++) {
            if (k == 20 && id % 7 == 0)
                continue; /* these missed one scrape, all the same one */
            assert_int_equal(
                head_stage(&hold, id, START + k, (uint64_t)k, -1, false),
                HEAD_ACCEPTED);
            assert_int_equal(head_apply(&hold, id, START + k, (uint64_t)k, 1),
                             HEAD_ACCEPTED);
        }
        head_pack_tails(&hold);
        if (k == 30) {
            const struct head_series *a = head_get(&head, 1);
            const struct head_series *b = head_get(&head, 0);

            for (uint32_t id = 2; id < SERIES; id++)
                assert_ptr_equal(head_get(&head, id)->column,
                                 id % 7 == 0 ? b->column : a->column);
            assert_ptr_not_equal(a->column, b->column);
        }
    }
    end_head();
}

/* A series that is sealed again and again does not keep its old times. */
static void columns_do_not_grow_for_ever(void **state)
{
    size_t bytes_most = 0;
    fw_ms t = START;

    (void)state;
    begin_head(ALL_PLAIN);
    for (int k = 0; k < 20 * HEAD_BLOCK_SAMPLES; k++, t++) {
        for (uint32_t id = 0; id < SERIES; id++) {
            assert_int_equal(head_stage(&hold, id, t, 7, -1, false),
                             HEAD_ACCEPTED);
            assert_int_equal(head_apply(&hold, id, t, 7, 1), HEAD_ACCEPTED);
        }
        head_let_go(&hold);
        for (uint32_t id = 0; k > HEAD_BLOCK_SAMPLES &&
                              k % HEAD_BLOCK_SAMPLES == 20 && id < SERIES;
             id++) {
            struct block_ref ref = {.t_min = t - 20, .t_max = t - 19};
            struct head_leaving leaving = {.run = HEAD_BLOCK_SAMPLES};

            assert_int_equal(head_publish(&head, id, &ref, 1, &leaving), FW_OK);
        }
        if ((size_t)atomic_load(&head.plain_bytes) > bytes_most)
            bytes_most = (size_t)atomic_load(&head.plain_bytes);
    }
    /* Tails of 1,024; and columns of up to 2,048 times, with the smaller ones
     * that they grew from, for all together. */
    assert_true(bytes_most <= SERIES * 1024 * 8 + HEAD_RECENT * 4096 * 8);
    for (uint32_t id = 1; id < SERIES; id++)
        assert_ptr_equal(head_get(&head, id)->column,
                         head_get(&head, 0)->column);
    end_head();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_snap_has_what_a_list_has, &all_packed),
        cmocka_unit_test_prestate(a_snap_has_what_a_list_has, &some_packed),
        cmocka_unit_test_prestate(a_snap_has_what_a_list_has, &all_plain),
        cmocka_unit_test(neighbours_share_their_times),
        cmocka_unit_test(columns_do_not_grow_for_ever),
    };

    return fixture_main(argc, argv, tests);
}
