/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_intake.c - what one sender says, line by line, taken in quickly and by
 * line_parse(): the same samples, the same faults. All of it is said twice, so
 * that its names are known the second time. The first byte chooses the unit of
 * times.
 */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/fuzz/intake_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/forewarn-fuzz-XXXXXX";
static struct fw_store *store;

static int drop(const char *path, const struct stat *st, int type,
                struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void clean_up(void)
{
    fw_store_close(store);
    (void)nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void open_store(void)
{
    struct fw_store_options options = {
        .create = true, .linger = -1, .max_series = 1000};
    struct fw_err err = {0};

    if (store != NULL)
        return;
    FW_ASSERT(mkdtemp(folder) != NULL);
    FW_ASSERT(fw_store_open(folder, &options, &store, &err) == FW_OK);
    FW_ASSERT(atexit(clean_up) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct intake_pair pair;

    if (size < 2 || size > 65536)
        return 0;
    open_store();
    intake_pair_init(&pair, store);
    pair.quick.unit = pair.slow.unit = (enum time_unit)(data[0] % 5);
    for (int round = 0; round < 2; round++) {
        const char *p = (const char *)data + 1;
        const char *end = (const char *)data + size;

        while (p < end) {
            const char *eol = memchr(p, '\n', (size_t)(end - p));
            size_t n = (size_t)((eol != NULL ? eol : end) - p);

            intake_pair_take(&pair, p, n);
            p += n + (eol != NULL);
        }
    }
    intake_pair_release(&pair);
    return 0;
}
