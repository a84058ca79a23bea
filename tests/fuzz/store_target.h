/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_target.h - a store for targets that need one behind them: made at the
 * first input, in a folder that goes away with the process.
 */
#ifndef TESTS_FUZZ_STORE_TARGET_H
#define TESTS_FUZZ_STORE_TARGET_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/storage.h"

static char store_folder[] = "/tmp/forewarn-fuzz-XXXXXX";
static struct fw_store *store_of_target;

static inline int store_target_drop(const char *path, const struct stat *st,
                                    int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void store_target_close(void)
{
    fw_store_close(store_of_target);
    (void)nftw(store_folder, store_target_drop, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct fw_store *store_target(void)
{
    struct fw_store_options options = {
        .create = true, .linger = -1, .max_series = 1000};
    struct fw_err err = {0};

    if (store_of_target != NULL)
        return store_of_target;
    FW_ASSERT(mkdtemp(store_folder) != NULL);
    FW_ASSERT(fw_store_open(store_folder, &options, &store_of_target, &err) ==
              FW_OK);
    FW_ASSERT(atexit(store_target_close) == 0);
    return store_of_target;
}

#endif
