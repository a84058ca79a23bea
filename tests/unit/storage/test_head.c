/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_head.c - samples in memory: whatever is packed, shared, late, cut or
 * taken away meanwhile, a snap has what a plain list has.
 */
#include "storage/head.h"
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "tests/support/synth.h"

#define START ((fw_ms)1700000000000)
#define SERIES 70 /* so that two locks are needed */
#define MAX 8000

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

static void add(uint32_t id, fw_ms t, uint64_t bits)
{
    struct model *m = &models[id];
    enum head_verdict verdict = head_stage(&hold, id, t, bits, -1, true);
    size_t at = head_lower_bound(m->t, m->n, t);

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
    leaving = (struct head_leaving){snap->run, snap->t, snap->n};
    assert_int_equal(head_publish(&head, id, &ref, 1, &leaving), FW_OK);
    model_drop(&models[id], snap->t, snap->n);
}

static void a_snap_has_what_a_list_has(void **state)
{
    struct head_snap snap = {0};

    (void)state;
    rng = synth_seed(fixture_seed());
    models = calloc(SERIES, sizeof(*models));
    assert_non_null(models);
    assert_int_equal(head_init(&head, 1000), FW_OK);
    hold = (struct head_hold){.head = &head};
    for (uint32_t id = 0; id < SERIES; id++)
        assert_int_equal(head_make(&head, id), FW_OK);
    for (int round = 0; round < 20; round++) {
        rows(40);
        for (int i = 0; i < 10; i++)
            seal(&snap, (uint32_t)(synth_u64(&rng) % SERIES), i % 2 == 0);
        for (uint32_t id = 0; id < SERIES; id++) {
            compare(&snap, id);
            compare_part(&snap, id);
        }
    }
    head_snap_release(&snap);
    head_hold_release(&hold);
    head_release(&head);
    free(models);
}

/* ---- Times that are shared
 * ---------------------------------------------------- */

static void neighbours_share_their_times(void **state)
{
    (void)state;
    assert_int_equal(head_init(&head, 1000), FW_OK);
    hold = (struct head_hold){.head = &head};
    for (uint32_t id = 0; id < SERIES; id++)
        assert_int_equal(head_make(&head, id), FW_OK);
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
    head_hold_release(&hold);
    head_release(&head);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snap_has_what_a_list_has),
        cmocka_unit_test(neighbours_share_their_times),
    };

    return fixture_main(argc, argv, tests);
}
