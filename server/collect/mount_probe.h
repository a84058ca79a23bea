/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mount_probe.h - statvfs() that gives up waiting.
 *
 * A file server that went away leaves statvfs() hanging for ever, and nothing
 * can call it back. So it runs on a thread of its own; a mount that does not
 * answer in time keeps that thread, is reported as failing, and is left alone
 * until the thread returns.
 */
#ifndef SERVER_COLLECT_MOUNT_PROBE_H
#define SERVER_COLLECT_MOUNT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/statvfs.h>

#define MOUNT_PROBE_HUNG_MAX 16

struct mount_result {
    bool ok; /* false: it failed, or did not answer */
    struct statvfs size;
};

struct probe_round;

/* Used by one thread. Zero-initialise, then set the first two. */
struct mount_probe {
    int (*statvfs)(const char *path, struct statvfs *out);
    int patience_ms;
    struct {
        struct probe_round *round;
        char path[1024];
    } hung[MOUNT_PROBE_HUNG_MAX];
    size_t hung_count;
};

void mount_probe_run(struct mount_probe *probe, const char *const *paths,
                     size_t n, struct mount_result *results);

/* Lets go of the threads that hang; they free what they hold when they end. */
void mount_probe_release(struct mount_probe *probe);

#endif
