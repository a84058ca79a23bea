/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_intake.c - what one sender says, line by line, taken in quickly and by
 * line_parse(): the same samples, the same faults. All of it is said twice, so
 * that its names are known the second time. The first byte chooses the unit of
 * times.
 */
#include <stdint.h>

#include "tests/fuzz/intake_target.h"
#include "tests/fuzz/store_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct intake_pair pair;

    if (size < 2 || size > 65536)
        return 0;
    intake_pair_init(&pair, store_target());
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
