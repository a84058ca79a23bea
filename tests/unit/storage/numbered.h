/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * numbered.h - a store without surprises, whose series are {n="0"}, {n="1"},
 * ...
 *
 * It commits at once, keeps everything and has room on any disk.
 */
#ifndef TESTS_UNIT_STORAGE_NUMBERED_H
#define TESTS_UNIT_STORAGE_NUMBERED_H

#include "storage/storage.h"
#include "tests/support/fake_clock.h"

/* Made where it is not there yet, unless it is only to be read. */
fw_rc numbered_try(const char *dir, struct fake_clock *fake, bool read_only,
                   struct fw_store **out, struct fw_err *err);
/* The same; the test fails where it cannot be opened. */
struct fw_store *numbered_open(const char *dir, struct fake_clock *fake,
                               bool read_only);

/* The series {n="NUMBER"}, a new one if need be. */
fw_rc numbered_series(struct fw_store *store, uint32_t number, uint32_t *id,
                      struct fw_err *err);
/* The same; the test fails where there is none. */
uint32_t numbered_id(struct fw_store *store, uint32_t number);

#endif
