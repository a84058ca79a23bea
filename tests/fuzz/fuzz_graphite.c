/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/fuzz/line_target.h"

#include "server/ingest/graphite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line line = {0};
    struct fw_str text = {(const char *)data, size};
    enum line_fault fault = graphite_parse(text, &line);

    line_target_check(text, &line, fault);
    line_release(&line);
    return 0;
}
