/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_head_slab.c - pieces of memory: nobody has what another one has, and
 * what is given back serves again.
 */
#include "storage/head/head_slab.h"
#include "tests/support/fixture.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/synth.h"

#define PIECES 20000

static struct {
    unsigned char *p;
    size_t n;
    unsigned char mark;
} pieces[PIECES];

static void take(struct head_slabs *slabs, size_t i, size_t n)
{
    pieces[i].p = head_slabs_new(slabs, n);
    assert_non_null(pieces[i].p);
    assert_int_equal((uintptr_t)pieces[i].p % 16, 0);
    pieces[i].n = n;
    pieces[i].mark = (unsigned char)(i * 7 + n);
    memset(pieces[i].p, pieces[i].mark, n);
}

static void give_back(struct head_slabs *slabs, size_t i)
{
    for (size_t k = 0; k < pieces[i].n; k++)
        assert_int_equal(pieces[i].p[k], pieces[i].mark);
    head_slabs_free(slabs, pieces[i].p, pieces[i].n);
    pieces[i].p = NULL;
}

static void pieces_are_apart(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct head_slabs slabs;

    (void)state;
    head_slabs_init(&slabs);
    head_slabs_free(&slabs, NULL, 10);
    for (int k = 0; k < 100000; k++) {
        size_t i = synth_u64(&rng) % PIECES;

        if (pieces[i].p != NULL)
            give_back(&slabs, i);
        else
            take(&slabs, i, 1 + synth_u64(&rng) % 1500);
    }
    for (size_t i = 0; i < PIECES; i++)
        if (pieces[i].p != NULL)
            give_back(&slabs, i);
    assert_int_equal(slabs.used_bytes, 0);
    head_slabs_release(&slabs);
}

/* Series that grow one after the other, round by round: few holes stay. */
static void growing_leaves_no_holes(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct head_slabs slabs;
    size_t bytes = 0, most = 0;

    (void)state;
    head_slabs_init(&slabs);
    for (size_t round = 0; round < 12; round++)
        for (size_t i = 0; i < PIECES; i++) {
            unsigned char *old = pieces[i].p;
            size_t had = round == 0 ? 0 : pieces[i].n;
            size_t n = had + 20 + synth_u64(&rng) % 40;

            take(&slabs, i, n);
            head_slabs_free(&slabs, old, had);
            bytes += n - had;
        }
    most = slabs.region_count * HEAD_SLAB_REGION;
    assert_true(most <= bytes + bytes / 4);
    for (size_t i = 0; i < PIECES; i++)
        give_back(&slabs, i);
    head_slabs_release(&slabs);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_apart),
        cmocka_unit_test(growing_leaves_no_holes),
    };

    return fixture_main(argc, argv, tests);
}
