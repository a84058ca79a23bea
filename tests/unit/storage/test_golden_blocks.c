/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_golden_blocks.c - blocks written when the format was new are read for
 * ever, by every kind of kernels.
 */
#include "tests/support/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/codec/kernels.h"
#include "storage/codec/times.h"
#include "storage/codec/values.h"

#define FOLDER "tests/golden/blocks"
#define FILE_MAX 65536

/* Reads FOLDER/stem.ext into a heap block of exactly its size. */
static uint8_t *slurp(const char *stem, const char *ext, size_t *len)
{
    char path[512];
    uint8_t buffer[FILE_MAX];
    uint8_t *all;
    FILE *f;

    snprintf(path, sizeof(path), FOLDER "/%s.%s", stem, ext);
    f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s cannot be opened", path);
    *len = fread(buffer, 1, sizeof(buffer), f);
    (void)fclose(f); /* was only read */
    all = malloc(*len > 0 ? *len : 1);
    assert_non_null(all);
    memcpy(all, buffer, *len);
    return all;
}

static void check(const char *stem, bool values)
{
    size_t len;
    size_t want_bytes;
    uint8_t *in = slurp(stem, values ? "block" : "column", &len);
    uint8_t *want = slurp(stem, values ? "values" : "times", &want_bytes);
    uint8_t *got = malloc(want_bytes);
    size_t n = want_bytes / 8;
    struct fw_err err = {0};
    fw_rc rc;

    assert_non_null(got);
    rc = values ? values_decode(in, len, n, (double *)(void *)got, &err)
                : times_decode(in, len, n, (fw_ms *)(void *)got, &err);
    if (rc != FW_OK)
        fail_msg("%s: %s", stem, err.text);
    if (memcmp(got, want, want_bytes) != 0)
        fail_msg("%s: came back otherwise", stem);
    free(got);
    free(want);
    free(in);
}

static size_t check_folder(const char *ext, bool values)
{
    DIR *dir = opendir(FOLDER);
    struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot + 1, ext) != 0)
            continue;
        *dot = '\0';
        check(entry->d_name, values);
        count++;
    }
    (void)closedir(dir); /* was only read */
    return count;
}

static void golden_blocks_are_read_by_all_kernels(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CODEC_KERNELS; i++) {
        if (codec_kernels_at(i) == NULL)
            continue;
        codec_kernels_use(codec_kernels_at(i));
        assert_true(check_folder("block", true) > 10);
        assert_true(check_folder("column", false) > 5);
    }
    codec_kernels_use(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_blocks_are_read_by_all_kernels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
