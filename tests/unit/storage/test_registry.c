/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/registry.h"
#include "tests/support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "storage/index/registry_page.h"

static struct fw_err err;
static const struct registry_limits five = {.series = 5000};

struct host {
    char text[32];
    struct fw_label v[2];
    struct fw_labels labels;
};

static const struct fw_labels *host(struct host *h, unsigned number)
{
    int n = snprintf(h->text, sizeof(h->text), "host-%u", number);

    h->v[0] = (struct fw_label){FW_STR(FW_METRIC_NAME), FW_STR("cpu")};
    h->v[1] = (struct fw_label){FW_STR("host"), {h->text, (size_t)n}};
    h->labels = (struct fw_labels){h->v, 2};
    return &h->labels;
}

static void ids_count_up_and_stay(void **state)
{
    struct registry r;
    struct host h;
    uint32_t id = 0;

    (void)state;
    assert_int_equal(registry_init(&r), FW_OK);
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < 5000; i++) {
            assert_int_equal(registry_id(&r, host(&h, i), &five, &id, &err),
                             FW_OK);
            assert_int_equal(id, i);
        }
    assert_int_equal(registry_id(&r, host(&h, 5000), &five, &id, &err),
                     FW_ETOOBIG);
    assert_non_null(strstr(err.text, "--max-series"));
    assert_int_equal(registry_find(&r, host(&h, 5000), &id), FW_NONE);
    registry_release(&r);
}

static void labels_out_of_order_are_refused(void **state)
{
    struct fw_label v[] = {{FW_STR("b"), FW_STR("1")},
                           {FW_STR("a"), FW_STR("1")}};
    struct fw_labels labels = {v, 2};
    struct registry r;
    uint32_t id = 0;

    (void)state;
    assert_int_equal(registry_init(&r), FW_OK);
    assert_int_equal(registry_id(&r, &labels, &five, &id, &err), FW_EINVAL);
    registry_release(&r);
}

static void a_series_cannot_be_defined_twice_otherwise(void **state)
{
    struct registry r;
    struct host h;
    uint32_t id = 0;

    (void)state;
    assert_int_equal(registry_init(&r), FW_OK);
    assert_int_equal(registry_define(&r, 3, host(&h, 3), &err), FW_OK);
    assert_int_equal(registry_define(&r, 3, host(&h, 3), &err), FW_OK);
    assert_int_equal(registry_define(&r, 3, host(&h, 4), &err), FW_ECORRUPT);
    assert_int_equal(registry_define(&r, 5, host(&h, 3), &err), FW_ECORRUPT);
    /* 0 to 2 are holes and not given out again */
    assert_int_equal(registry_id(&r, host(&h, 9), &five, &id, &err), FW_OK);
    assert_int_equal(id, 4);
    assert_int_equal(registry_known(&r), 2);
    registry_release(&r);
}

struct copy {
    struct registry *to;
    size_t n;
};

static fw_rc define(void *self, uint32_t id, const struct fw_labels *labels,
                    struct fw_err *e)
{
    struct copy *copy = self;

    copy->n++;
    return registry_define(copy->to, id, labels, e);
}

static void pages_keep_series_and_holes(void **state)
{
    struct registry from, to;
    struct fw_buf page = FW_BUF_INIT(1 << 20);
    struct copy copy = {&to, 0};
    struct host h;
    uint32_t id = 0, rows = 0;

    (void)state;
    assert_int_equal(registry_init(&from), FW_OK);
    assert_int_equal(registry_init(&to), FW_OK);
    for (unsigned i = 0; i < 512; i++)
        if (i % 5 != 0)
            assert_int_equal(registry_define(&from, i, host(&h, i), &err),
                             FW_OK);
    assert_int_equal(registry_page_put(&from, 0, &page, &rows), FW_OK);
    assert_int_equal(rows, 512);
    assert_true(page.len < 512 * 6); /* columns and zlib earn their keep */
    assert_int_equal(registry_page_get((struct fw_str){page.data, page.len},
                                       define, &copy, &err),
                     FW_OK);
    assert_int_equal(copy.n, registry_known(&from));
    for (unsigned i = 0; i < 512; i++)
        if (i % 5 != 0) {
            assert_int_equal(registry_find(&to, host(&h, i), &id), FW_OK);
            assert_int_equal(id, i);
        }
    fw_buf_release(&page);
    registry_release(&from);
    registry_release(&to);
}

static void damaged_pages_are_refused(void **state)
{
    struct registry from, to;
    struct fw_buf page = FW_BUF_INIT(1 << 20);
    struct copy copy = {&to, 0};
    struct host h;
    uint32_t rows = 0;

    (void)state;
    assert_int_equal(registry_init(&from), FW_OK);
    assert_int_equal(registry_init(&to), FW_OK);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(registry_define(&from, i, host(&h, i), &err), FW_OK);
    assert_int_equal(registry_page_put(&from, 0, &page, &rows), FW_OK);
    for (size_t bit = 0; bit < page.len * 8; bit++) {
        page.data[bit / 8] = (char)(page.data[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(registry_page_get((struct fw_str){page.data, page.len},
                                           define, &copy, &err),
                         FW_ECORRUPT);
        page.data[bit / 8] = (char)(page.data[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t n = 0; n < page.len; n++)
        assert_int_equal(registry_page_get((struct fw_str){page.data, n},
                                           define, &copy, &err),
                         FW_ECORRUPT);
    assert_int_equal(copy.n, 0);
    fw_buf_release(&page);
    registry_release(&from);
    registry_release(&to);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_count_up_and_stay),
        cmocka_unit_test(labels_out_of_order_are_refused),
        cmocka_unit_test(a_series_cannot_be_defined_twice_otherwise),
        cmocka_unit_test(pages_keep_series_and_holes),
        cmocka_unit_test(damaged_pages_are_refused),
    };

    return fixture_main(argc, argv, tests);
}
