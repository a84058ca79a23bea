/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/storage/numbered.h"

#include <stdio.h>

#include "tests/support/fixture.h"

fw_rc numbered_try(const char *dir, struct fake_clock *fake, bool read_only,
                   struct fw_store **out, struct fw_err *err)
{
    const struct fw_store_options options = {.create = !read_only,
                                             .read_only = read_only,
                                             .linger = -1,
                                             .retention = INT64_MAX,
                                             .disk_floor = 1,
                                             .clock = &fake->clock};

    return fw_store_open(dir, &options, out, err);
}

struct fw_store *numbered_open(const char *dir, struct fake_clock *fake,
                               bool read_only)
{
    struct fw_store *store = NULL;
    struct fw_err err = {0};

    if (numbered_try(dir, fake, read_only, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

fw_rc numbered_series(struct fw_store *store, uint32_t number, uint32_t *id,
                      struct fw_err *err)
{
    char text[16];
    struct fw_label v[] = {{FW_STR("n"), {text, 0}}};
    struct fw_labels labels = {v, 1};

    v[0].value.n = (size_t)snprintf(text, sizeof(text), "%u", number);
    return fw_store_series(store, &labels, id, err);
}

uint32_t numbered_id(struct fw_store *store, uint32_t number)
{
    struct fw_err err = {0};
    uint32_t id = 0;

    assert_int_equal(numbered_series(store, number, &id, &err), FW_OK);
    return id;
}
