/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/fuzz/line_target.h"

#include "server/ingest/influx.h"
#include "server/ingest/scan.h"

/* Sixteen bytes at a time and one by one end at the same byte. */
static void compare_scans(const char *p, const char *end)
{
    static const char stops[][2] = {{' ', ' '}, {'=', ' '}, {',', ' '},
                                    {'"', '"'}, {',', ','}, {'=', ','}};

    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
        for (const char *at = p; at < end; at++) {
            const char *hit = scan_to(at, end, stops[i][0], stops[i][1]);

            FW_ASSERT(hit == scan_to_slowly(at, end, stops[i][0], stops[i][1]));
            at = hit;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line line = {0};
    struct fw_str text = {(const char *)data, size};
    enum line_fault fault;

    if (size > 0)
        compare_scans(text.p, text.p + size);
    fault = influx_parse(text, TIME_AUTO, &line);
    line_target_check(text, &line, fault);
    line_release(&line);
    return 0;
}
