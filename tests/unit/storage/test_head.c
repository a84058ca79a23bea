/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=7 */
/*
 * test_head.c - samples in memory: whatever is packed, shared, late, cut or
 * taken away meanwhile, a snap has what a plain list has.
 */
#include "storage/head/head.h"
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/head/head_tail.h"
#include "tests/support/synth.h"

#define START ((fw_ms)1700000000000)
#define SERIES 70  /* so that two locks are needed */
#define COMMITS 10 /* of them get samples in commits of several */
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
static bool sealing; /* something has been copied and is about to leave */

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
    if (head_stage_run(&hold, &id, &t, &v, 1, INT64_MIN, INT64_MAX) == 0)
        return false;
    assert_int_equal(
        head_stage_run(&hold, &id, &t, &v, 1, INT64_MIN, INT64_MAX),
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

/* Mostly tenths near each other, as a narrow tail takes them; id decides. */
static uint64_t some_bits(uint32_t id)
{
    static const uint64_t odd[] = {0x7ff0000000000002, 0x8000000000000000,
                                   0x3fb999999999999b, 0x7ff0000000000000,
                                   0x40f86a0000000000, 0x0000000000000001};
    double v = (double)(synth_u64(&rng) % 200) / 10;

    if (synth_u64(&rng) % (id % 2 == 0 ? 100 : 10) == 0)
        return odd[synth_u64(&rng) % (sizeof(odd) / sizeof(odd[0]))];
    return fw_double_bits(v);
}

/* Several of one series in a commit, which may fail; some leave meanwhile. */
static void add_commit(uint32_t id, fw_ms t)
{
    struct head_series *s = head_get(&head, id);
    uint64_t bits[4];
    size_t n = 1 + synth_u64(&rng) % 4;
    bool fails = synth_u64(&rng) % 20 == 0;

    if ((s->flags & HEAD_HAS_SAMPLES) != 0 && t <= s->newest)
        return;
    for (size_t i = 0; i < n; i++) {
        double v;
        fw_ms at = t + (fw_ms)i;

        bits[i] = some_bits(id);
        memcpy(&v, &bits[i], sizeof(v));
        if (head_stage_run(&hold, &id, &at, &v, 1, INT64_MIN, INT64_MAX) == 0)
            assert_int_equal(head_stage(&hold, id, at, bits[i], -1, true),
                             HEAD_ACCEPTED);
    }
    if (!sealing && synth_u64(&rng) % 20 == 0 && models[id].n > 0) {
        size_t run = 1 + synth_u64(&rng) % (s->packed + s->tail_n + 1);
        struct head_leaving leaving = {0};

        head_let_go(&hold);
        leaving.run = run <= s->packed + s->tail_n ? run : run - 1;
        if (head_late_count(s) == 0 && leaving.run > 0) {
            assert_int_equal(head_publish(&head, id, NULL, 0, &leaving), FW_OK);
            model_drop(&models[id], models[id].t, leaving.run);
        }
    }
    if (fails) {
        head_unstage(&hold, id);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(head_apply(&hold, id, t + (fw_ms)i, bits[i], 1),
                         HEAD_ACCEPTED);
        assert_true(model_add(&models[id], t + (fw_ms)i, bits[i]));
    }
}

static void rows(size_t n)
{
    static fw_ms now = START;

    for (size_t k = 0; k < n; k++) {
        now += 1 + (fw_ms)(synth_u64(&rng) % 3);
        for (uint32_t id = 0; id < COMMITS; id++)
            if (synth_u64(&rng) % 3 == 0)
                add_commit(id, now);
        for (uint32_t id = COMMITS; id < SERIES; id++) {
            uint64_t dice = synth_u64(&rng) % 1000;
            fw_ms t = dice < 990   ? now
                      : dice < 995 ? now - (fw_ms)(synth_u64(&rng) % 300)
                                   : now + (fw_ms)(synth_u64(&rng) % 3);
            double v = id % 3 == 0 ? (double)(k % 17) / 10 : 1;

            add(id, t,
                id % 3 == 2 ? synth_u64(&rng) % 5 << 60 : fw_double_bits(v));
        }
        head_let_go(&hold);
        if (synth_u64(&rng) % 2 == 0)
            head_pack_tails(&hold);
        else
            (void)head_pack_some(&hold);
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
    sealing = true;
    rows(synth_u64(&rng) % 40);
    sealing = false;
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

/* ---- Blocks are not all due at once
 * ---------------------------------------------------- */

#define GROUPS 32
#define APART 1024 /* ids of one group */

static void add_next(uint32_t id, fw_ms t)
{
    assert_int_equal(head_stage(&hold, id, t, fw_double_bits(1), -1, false),
                     HEAD_ACCEPTED);
    assert_int_equal(head_apply(&hold, id, t, fw_double_bits(1), 1),
                     HEAD_ACCEPTED);
    head_pack_tails(&hold);
}

/* Takes what is full of a series; how much that is. */
static size_t seal_full(uint32_t id, bool whole)
{
    struct head_series *s = head_get(&head, id);
    struct head_snap snap = {0};
    struct block_ref ref = {0};
    struct head_leaving leaving = {0};

    head_lock(&head, id);
    assert_int_equal(whole ? head_snap_take(&snap, s, INT64_MIN, INT64_MAX)
                           : head_snap_take_full(&snap, s),
                     FW_OK);
    s->flags |= whole ? HEAD_LEAVES : 0;
    head_unlock(&head, id);
    assert_int_equal(head_snap_unpack(&snap), FW_OK);
    leaving.run = snap.run;
    ref.t_min = snap.t[0];
    ref.t_max = snap.t[snap.n - 1];
    assert_int_equal(head_publish(&head, id, &ref, 1, &leaving), FW_OK);
    head_snap_release(&snap);
    return leaving.run;
}

/*
 * Adds samples until a series is full, seals it, and says how many there were;
 * `behind` more come before it is sealed.
 */
static size_t until_full(uint32_t id, fw_ms *t, size_t behind)
{
    size_t n = 0;

    while (head_full(head_get(&head, id)) == 0) {
        add_next(id, ++*t);
        n++;
    }
    for (size_t i = 0; i < behind; i++)
        add_next(id, ++*t);
    while (head_full(head_get(&head, id)) > 0)
        assert_true(seal_full(id, false) > 0);
    assert_int_equal(atomic_load(&head.full), 0);
    return n;
}

static void first_blocks_differ_in_length(void **state)
{
    const size_t step = HEAD_BLOCK_SAMPLES / GROUPS;
    bool seen[GROUPS] = {false};
    fw_ms t = START;

    (void)state;
    assert_int_equal(head_init(&head, 100000, 1), FW_OK);
    hold = (struct head_hold){.head = &head};
    for (uint32_t g = 0; g < GROUPS; g++) {
        uint32_t id = g * APART;
        size_t n;

        assert_int_equal(head_make(&head, id), FW_OK);
        n = until_full(id, &t, 0);
        assert_true(n % step == 0 && n > 0 && n <= HEAD_BLOCK_SAMPLES);
        assert_false(seen[n / step - 1]);
        seen[n / step - 1] = true;
        n = until_full(id, &t, g * 50); /* the next is a whole one */
        assert_true(n + 256 > HEAD_BLOCK_SAMPLES && n <= HEAD_BLOCK_SAMPLES);
        n = head_count(head_get(&head, id));
        assert_true(until_full(id, &t, 0) + n == HEAD_BLOCK_SAMPLES);
        add_next(id, ++t);
        (void)seal_full(id, true); /* and now it begins anew */
        assert_int_equal(head_count(head_get(&head, id)), 0);
        assert_int_equal(head_get(&head, id)->due, 0);
    }
    end_head();
}

/* ---- Nor packed at once, nor moved
 * ----------------------------------------------------
 */

#define MANY 10000 /* series; all have the same times */

static void begin_many(uint64_t plain_bytes)
{
    assert_int_equal(head_init(&head, MANY, plain_bytes), FW_OK);
    hold = (struct head_hold){.head = &head};
    for (uint32_t id = 0; id < MANY; id++) {
        assert_int_equal(head_make(&head, id), FW_OK);
        head_get(&head, id)->defined = true;
    }
}

/* A sample more for each; how many tails it moved or packed. */
static size_t add_row(fw_ms t)
{
    size_t moved = 0;

    for (uint32_t id = 0; id < MANY; id++) {
        struct head_series *s = head_get(&head, id);
        const char *data = s->data;
        uint64_t bits = fw_double_bits((double)(t % 7));

        assert_int_equal(head_stage(&hold, id, t, bits, -1, false),
                         HEAD_ACCEPTED);
        assert_int_equal(head_apply(&hold, id, t, bits, 1), HEAD_ACCEPTED);
        moved += s->data != data;
    }
    head_let_go(&hold);
    return moved;
}

static void plain_tails_do_not_all_grow_at_once(void **state)
{
    (void)state;
    begin_many(ALL_PLAIN);
    for (int k = 0; k < HEAD_BLOCK_SAMPLES; k++) {
        size_t moved = add_row(START + k);

        if (k > HEAD_TAIL)
            assert_true(moved <= MANY / 32);
    }
    head_pack_tails(&hold);
    assert_int_equal(head_get(&head, 0)->packed, 0);
    end_head();
}

static size_t count_packed(void)
{
    size_t packed = 0;

    for (uint32_t id = 0; id < MANY; id++)
        packed += head_get(&head, id)->packed > 0;
    return packed;
}

static void tails_are_packed_some_at_a_time(void **state)
{
    size_t calls = 0, packed = 0;
    bool more = true;

    (void)state;
    begin_many(1);
    for (int k = 0; k < HEAD_TAIL; k++)
        (void)add_row(START + k);
    assert_int_equal(count_packed(), 0);
    for (; more; calls++) {
        size_t before = packed;

        more = head_pack_some(&hold);
        packed = count_packed();
        assert_true(packed > before && packed - before <= 100);
    }
    assert_int_equal(packed, MANY);
    assert_true(calls >= MANY / 100);
    assert_false(head_pack_some(&hold)); /* nothing is left */
    end_head();
}

/* So memory stays small, too, where nobody ever has time to pack. */
static void a_tail_that_waits_is_packed_when_it_needs_room(void **state)
{
    (void)state;
    begin_many(1);
    for (int k = 0; k < 300; k++)
        (void)add_row(START + k);
    assert_int_equal(count_packed(), MANY);
    assert_true(hold.tails_end - hold.tails_begin <= HEAD_TAILS_NOTED);
    for (uint32_t id = 0; id < MANY; id++)
        assert_true(head_get(&head, id)->tail_n <= HEAD_NARROW);
    end_head();
}

/* ---- Where to look for what is due
 * ----------------------------------------------------
 */

static void whoever_is_full_is_marked(void **state)
{
    const uint64_t *plain_bytes = *state;
    uint64_t marked[MANY / HEAD_MARKED + 64] = {0};

    begin_many(*plain_bytes);
    for (int k = 0; k < HEAD_BLOCK_SAMPLES; k++) {
        (void)add_row(START + k);
        head_pack_tails(&hold);
        for (uint32_t id = 0; id < MANY; id += HEAD_STATES) {
            uint64_t marks = head_take_marks(&head, id);

            for (uint32_t i = 0; i < 64; i++)
                marked[id / HEAD_MARKED + i] |= marks >> i & 1;
        }
        for (uint32_t id = 0; k % 16 == 15 && id < MANY; id++)
            if (head_full(head_get(&head, id)) > 0)
                assert_int_equal(marked[id / HEAD_MARKED], 1);
    }
    for (uint32_t id = 0; id < MANY; id++)
        assert_true(head_full(head_get(&head, id)) > 0);
    assert_int_equal(head_take_marks(&head, 0), 0);
    end_head();
}

/* One that is full still, after some of it has left, is due again. */
static void what_stays_full_is_marked_again(void **state)
{
    struct head_leaving leaving = {.run = HEAD_BLOCK_SAMPLES};
    struct block_ref ref = {.t_min = START, .t_max = START + 1};

    (void)state;
    begin_many(ALL_PLAIN);
    for (int k = 0; k < 2 * HEAD_BLOCK_SAMPLES; k++) {
        uint64_t bits = fw_double_bits(k);

        assert_int_equal(head_stage(&hold, 70, START + k, bits, -1, false),
                         HEAD_ACCEPTED);
        assert_int_equal(head_apply(&hold, 70, START + k, bits, 1),
                         HEAD_ACCEPTED);
    }
    head_let_go(&hold);
    assert_int_equal(head_take_marks(&head, 0), 2);
    assert_int_equal(head_publish(&head, 70, &ref, 1, &leaving), FW_OK);
    assert_int_equal(head_take_marks(&head, 0), 2);
    assert_int_equal(head_publish(&head, 70, &ref, 1, &leaving), FW_OK);
    assert_int_equal(head_take_marks(&head, 0), 0);
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
        cmocka_unit_test(first_blocks_differ_in_length),
        cmocka_unit_test(plain_tails_do_not_all_grow_at_once),
        cmocka_unit_test(tails_are_packed_some_at_a_time),
        cmocka_unit_test_prestate(whoever_is_full_is_marked, &all_packed),
        cmocka_unit_test_prestate(whoever_is_full_is_marked, &all_plain),
        cmocka_unit_test(what_stays_full_is_marked_again),
        cmocka_unit_test(a_tail_that_waits_is_packed_when_it_needs_room),
    };

    return fixture_main(argc, argv, tests);
}
