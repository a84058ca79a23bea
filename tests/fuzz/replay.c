/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay.c - runs a fuzz target over files, without libFuzzer.
 *
 * Each argument is a file or a folder of files. Each file is handed to the
 * target in a heap block of exactly its size, so that
 * the address sanitizer sees a read one byte past the end. No input at all is
 * a failure: a corpus that went missing must not look like a passed test.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t g_files;

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return -1;
    }
    int rc = -1;
    uint8_t *bytes = NULL;
    struct stat st;
    if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
        goto out;
    size_t size = (size_t)st.st_size;
    bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL || fread(bytes, 1, size, f) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        goto out;
    }
    (void)LLVMFuzzerTestOneInput(bytes, size); /* its verdict is a crash */
    g_files++;
    rc = 0;
out:
    free(bytes);
    (void)fclose(f); /* opened for reading: nothing to lose */
    return rc;
}

static int run_folder(const char *path)
{
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0) {
        perror(path);
        return -1;
    }
    int rc = 0;
    for (int i = 0; i < count; i++) {
        char file[4096];
        if (names[i]->d_name[0] != '.') {
            int n =
                snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
            if (n < 0 || (size_t)n >= sizeof(file) || run_file(file) != 0)
                rc = -1;
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0) {
            perror(argv[i]);
            rc = -1;
        } else if (S_ISDIR(st.st_mode)) {
            rc |= run_folder(argv[i]);
        } else {
            rc |= run_file(argv[i]);
        }
    }
    printf("replayed %zu inputs\n", g_files);
    return rc == 0 && g_files > 0 ? 0 : 1;
}
