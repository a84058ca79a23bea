/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault_env.c - disk faults for a whole program, from outside.
 *
 * With fault_disk.c and fault_point.c it makes fw_fault.so, which end-to-end
 * tests preload into the real binary:
 *
 *     LD_PRELOAD=.../fw_fault.so FOREWARN_FAULT="write,sync 12 once ENOSPC"
 *
 * Words: which calls (write sync resize name read, by commas), the number of
 * the call that fails, `once` or `forever`, and EIO, ENOSPC or `short`. The
 * first fault given is told on stderr as "fault: given". Programs it starts are
 * not affected: the variable is taken out of the environment.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fault_point.h"

static void tell(void)
{
    static const char text[] = "fault: given\n";
    /* Nobody could be told that the telling failed. */
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
}

static unsigned calls_of(const char *words)
{
    static const struct {
        const char *word;
        unsigned calls;
    } rows[] = {{"write", FAULT_WRITE},
                {"sync", FAULT_SYNC},
                {"resize", FAULT_RESIZE},
                {"name", FAULT_NAME},
                {"read", FAULT_READ}};
    unsigned calls = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strstr(words, rows[i].word) != NULL)
            calls |= rows[i].calls;
    return calls;
}

static int error_of(const char *word)
{
    if (strcmp(word, "ENOSPC") == 0)
        return ENOSPC;
    return strcmp(word, "short") == 0 ? FAULT_SHORT : EIO;
}

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *text = getenv("FOREWARN_FAULT");
    char calls[64], mode[16], error[16];
    unsigned long long nth;
    if (text == NULL)
        return;
    if (sscanf(text, "%63s %llu %15s %15s", calls, &nth, mode, error) != 4 ||
        calls_of(calls) == 0) {
        fprintf(stderr, "fault: FOREWARN_FAULT='%s' makes no sense\n", text);
        exit(125);
    }
    fault_told = tell;
    fault_disk(calls_of(calls), nth,
               strcmp(mode, "forever") == 0 ? FAULT_FOREVER : FAULT_ONCE,
               error_of(error));
    (void)unsetenv("LD_PRELOAD"); /* fails for a name with '=' only */
    (void)unsetenv("FOREWARN_FAULT");
}
