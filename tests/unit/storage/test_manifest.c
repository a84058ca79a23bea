/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/manifest.h"
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000) /* 2023-11-14 */

static struct fw_err err;

struct world {
    const char *dir;
    struct lmdb_env *meta;
    struct manifest m;
};

static void open_manifest(struct world *w)
{
    struct lmdb_options options = {.map_bytes = (size_t)4 << 20};
    struct fw_err why = {0};
    char path[FW_PATH_BYTES];

    assert_int_equal(fw_path_join(path, w->dir, "meta", &err), FW_OK);
    assert_int_equal(fw_dir_make(path, &err), FW_OK);
    assert_int_equal(lmdb_open(path, &options, &w->meta, &err), FW_OK);
    assert_int_equal(
        manifest_init(&w->m, w->dir, w->meta, false, (size_t)4 << 20), FW_OK);
    assert_int_equal(fw_dir_make(w->m.dir, &err), FW_OK);
    assert_int_equal(manifest_load(&w->m, &why, &err), FW_OK);
}

static void close_manifest(struct world *w)
{
    manifest_release(&w->m);
    (void)lmdb_close(w->meta);
}

static struct partition *plan(struct world *w, fw_ms t)
{
    struct partition *p = NULL;

    if (manifest_plan(&w->m, t, NOW, &p, &err) != FW_OK)
        fail_msg("%s", err.text);
    assert_true(p->first <= t && t <= p->last);
    return p;
}

static void write_to(struct world *w, struct partition *p)
{
    struct fw_str nothing = {0};

    assert_int_equal(partition_append(p, &nothing, 0, 5, &err), FW_OK);
    assert_int_equal(manifest_live(&w->m, p, &err), FW_OK);
}

static void near_the_clock_a_partition_is_a_day(void **state)
{
    struct world w = {.dir = tmpdir_new()};
    struct partition *today, *before;

    (void)state;
    open_manifest(&w);
    today = plan(&w, NOW);
    before = plan(&w, NOW - 20 * FW_DAY);
    assert_string_equal(today->name, "20231114.hot");
    assert_true(today->last - today->first == FW_DAY - 1);
    assert_true(before->last - before->first == FW_DAY - 1);
    assert_ptr_equal(plan(&w, NOW + 1), today);
    assert_string_equal(plan(&w, -1)->name, "19680807.hot");
    close_manifest(&w);
}

static void all_of_time_fits_in_some_thousand_partitions(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    fw_ms edge = INT64_MIN;
    size_t count = 0;

    (void)state;
    for (;; count++) {
        fw_ms first, last;

        manifest_span(edge, NOW, &first, &last);
        assert_true(first <= edge && edge <= last);
        if (last == INT64_MAX)
            break;
        edge = last + 1;
        assert_true(count < 4000);
    }
    print_message("%zu partitions\n", count);
    for (int i = 0; i < 100000; i++) {
        fw_ms t = (fw_ms)synth_u64(&rng) >> synth_u64(&rng) % 64;
        fw_ms first, last;

        manifest_span(t, NOW, &first, &last);
        assert_true(first <= t && t <= last);
    }
}

static void partitions_never_overlap(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct world w = {.dir = tmpdir_new()};

    (void)state;
    open_manifest(&w);
    for (int i = 0; i < 300; i++)
        (void)plan(&w, (fw_ms)synth_u64(&rng) >> synth_u64(&rng) % 40);
    for (size_t i = 1; i < w.m.count; i++)
        assert_true(w.m.sorted[i - 1]->last < w.m.sorted[i]->first);
    close_manifest(&w);
}

static void a_plan_without_a_file_is_no_damage(void **state)
{
    struct world w = {.dir = tmpdir_new()};
    struct partition *p;

    (void)state;
    open_manifest(&w);
    (void)plan(&w, NOW);
    write_to(&w, plan(&w, NOW - 9 * FW_DAY));
    close_manifest(&w);
    open_manifest(&w);
    p = manifest_find(&w.m, NOW);
    assert_non_null(p);
    assert_false(p->exists);
    p = manifest_find(&w.m, NOW - 9 * FW_DAY);
    assert_non_null(p);
    assert_true(p->exists);
    assert_null(manifest_find(&w.m, NOW - FW_DAY));
    close_manifest(&w);
}

static void a_dropped_partition_goes_with_its_last_reader(void **state)
{
    struct world w = {.dir = tmpdir_new()};
    struct partition *p, *again, *reader;
    char path[FW_PATH_BYTES];

    (void)state;
    open_manifest(&w);
    p = plan(&w, NOW);
    write_to(&w, p);
    (void)snprintf(path, sizeof(path), "%s", p->path);
    reader = manifest_ref(&w.m, p->index);
    assert_int_equal(manifest_drop(&w.m, p, &err), FW_OK);
    assert_null(manifest_find(&w.m, NOW));
    assert_null(manifest_ref(&w.m, reader->index));
    assert_true(fw_file_exists(path));
    /* One made meanwhile must not be removed with the old one. */
    again = plan(&w, NOW);
    assert_string_not_equal(again->path, path);
    write_to(&w, again);
    partition_unref(reader);
    assert_false(fw_file_exists(path));
    assert_true(fw_file_exists(again->path));
    close_manifest(&w);
    open_manifest(&w);
    assert_int_equal(w.m.count, 1);
    close_manifest(&w);
}

static void a_drop_that_was_interrupted_is_finished(void **state)
{
    struct world w = {.dir = tmpdir_new()};
    struct partition *p, *reader;
    char path[FW_PATH_BYTES];

    (void)state;
    open_manifest(&w);
    p = plan(&w, NOW);
    write_to(&w, p);
    (void)snprintf(path, sizeof(path), "%s", p->path);
    reader = manifest_ref(&w.m, p->index);
    assert_int_equal(manifest_drop(&w.m, p, &err), FW_OK);
    atomic_store(&reader->dropped, false); /* as if killed: nobody unlinks */
    partition_unref(reader);
    close_manifest(&w);
    assert_true(fw_file_exists(path));
    open_manifest(&w);
    assert_int_equal(w.m.count, 0);
    assert_false(fw_file_exists(path));
    close_manifest(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_the_clock_a_partition_is_a_day),
        cmocka_unit_test(all_of_time_fits_in_some_thousand_partitions),
        cmocka_unit_test(partitions_never_overlap),
        cmocka_unit_test(a_plan_without_a_file_is_no_damage),
        cmocka_unit_test(a_dropped_partition_goes_with_its_last_reader),
        cmocka_unit_test(a_drop_that_was_interrupted_is_finished),
    };

    return fixture_main(argc, argv, tests);
}
