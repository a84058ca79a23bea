/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host.h - what this machine says of itself, under node_exporter's names.
 *
 * Each family reads its files beneath the given roots and adds what it
 * understands; a line it does not understand is left out, a missing file makes
 * the family fail, and nothing in a file can do worse than that.
 */
#ifndef SERVER_COLLECT_HOST_H
#define SERVER_COLLECT_HOST_H

#include "server/collect/mount_probe.h"
#include "server/collect/sample_set.h"

struct host {
    const char *proc;           /* "/proc" */
    const char *sys;            /* "/sys" */
    struct mount_probe *mounts; /* borrowed */
    long ticks_per_second;      /* of /proc/stat: USER_HZ */
};

struct host_family {
    const char *name;
    bool (*gather)(const struct host *host, struct sample_set *set);
};

bool host_stat(const struct host *host, struct sample_set *set);
bool host_loadavg(const struct host *host, struct sample_set *set);
bool host_meminfo(const struct host *host, struct sample_set *set);
bool host_vmstat(const struct host *host, struct sample_set *set);
bool host_pressure(const struct host *host, struct sample_set *set);
bool host_diskstats(const struct host *host, struct sample_set *set);
bool host_netdev(const struct host *host, struct sample_set *set);
bool host_filesystem(const struct host *host, struct sample_set *set);
bool host_uname(const struct host *host, struct sample_set *set);
bool host_filefd(const struct host *host, struct sample_set *set);

/* All families, with node_scrape_collector_success for each. */
void host_gather(const struct host *host, struct sample_set *set);

/* ---- for the families ---- */

#define HOST_FILE_BYTES (4u << 20)

/* Reads root/name; false where it cannot be read. Release `out` either way. */
bool host_read(const char *root, const char *name, struct fw_buf *out);

/* Takes the next line off the front; false at the end. */
bool host_line(struct fw_str *rest, struct fw_str *line);

/* Takes the next word and reads it as a number; false where it is none. */
bool host_number(struct fw_str *line, double *out);

/* A word as a C string, cut to fit. */
void host_copy(struct fw_str word, char *out, size_t bytes);

#endif
