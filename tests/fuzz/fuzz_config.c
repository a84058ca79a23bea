/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_config.c - forewarn.yml as hostile bytes. Whatever comes, it is either
 * refused with a sentence or a config that holds together.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct fw_err err = {0};
    fw_rc rc = config_read((struct fw_str){(const char *)data, size}, "f.yml",
                           &config, &err);

    if (rc != FW_OK) {
        if (config != NULL || err.text[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < config->watch_count; i++) {
        const struct config_watch *w = &config->watches[i];

        if (w->name == NULL || w->expr == NULL || w->owner == NULL ||
            w->horizon <= 0 || w->recover > w->probability ||
            w->interval <= 0 || w->history < w->horizon)
            abort();
    }
    config_free(config);
    return 0;
}
