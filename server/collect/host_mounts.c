/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_mounts.c - how full the file systems are.
 */
#include <stdlib.h>

#include "server/collect/host.h"
#include "server/ingest/line.h"

#define MAX_MOUNTS 512
#define TEXT_BYTES 1024

struct mount {
    char device[TEXT_BYTES];
    char point[TEXT_BYTES];
    char type[64];
    bool read_only;
};

/* File systems of the kernel's own, which do not fill up. */
static bool is_virtual(const struct mount *m)
{
    static const char *const types[] = {
        "autofs",    "binfmt_misc", "bpf",        "cgroup",     "cgroup2",
        "configfs",  "debugfs",     "devpts",     "devtmpfs",   "fusectl",
        "hugetlbfs", "iso9660",     "mqueue",     "nsfs",       "proc",
        "procfs",    "pstore",      "rpc_pipefs", "securityfs", "selinuxfs",
        "squashfs",  "sysfs",       "tracefs"};
    static const char *const points[] = {"/dev",
                                         "/proc",
                                         "/sys",
                                         "/run/credentials",
                                         "/var/lib/docker",
                                         "/var/lib/containers/storage"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(m->type, types[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        size_t n = strlen(points[i]);

        if (strncmp(m->point, points[i], n) == 0 &&
            (m->point[n] == '/' || m->point[n] == '\0'))
            return true;
    }
    /* Layers of containers; the root of the one we are in is worth a look. */
    return strcmp(m->type, "overlay") == 0 && strcmp(m->point, "/") != 0;
}

/* The kernel writes blanks, newlines and backslashes as \040 and the like. */
static void unescape(struct fw_str word, char *out, size_t bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < word.n && n + 1 < bytes; i++) {
        const char *p = word.p + i;

        if (*p == '\\' && i + 3 < word.n && p[1] >= '0' && p[1] <= '3' &&
            p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
            out[n++] =
                (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            i += 3;
        } else {
            out[n++] = *p;
        }
    }
    out[n] = '\0';
}

static bool has_option(struct fw_str options, struct fw_str option)
{
    while (options.n > 0) {
        const char *comma = memchr(options.p, ',', options.n);
        size_t n = comma != NULL ? (size_t)(comma - options.p) : options.n;

        if (fw_str_eq((struct fw_str){options.p, n}, option))
            return true;
        n += comma != NULL ? 1 : 0;
        options = (struct fw_str){options.p + n, options.n - n};
    }
    return false;
}

static bool parse_mount(struct fw_str line, struct mount *m)
{
    unescape(line_word(&line), m->device, sizeof(m->device));
    unescape(line_word(&line), m->point, sizeof(m->point));
    host_copy(line_word(&line), m->type, sizeof(m->type));
    m->read_only = has_option(line_word(&line), FW_STR("ro"));
    return *m->type != '\0' && m->point[0] == '/' && !is_virtual(m);
}

static bool is_known(const struct mount *mounts, size_t n, const char *point)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(mounts[i].point, point) == 0)
            return true;
    return false;
}

static void add_mount(struct sample_set *set, const struct mount *m,
                      const struct mount_result *r)
{
    double block = (double)r->size.f_frsize;
    const struct {
        const char *metric;
        double v;
    } rows[] = {
        {"node_filesystem_size_bytes", (double)r->size.f_blocks * block},
        {"node_filesystem_free_bytes", (double)r->size.f_bfree * block},
        {"node_filesystem_avail_bytes", (double)r->size.f_bavail * block},
        {"node_filesystem_files", (double)r->size.f_files},
        {"node_filesystem_files_free", (double)r->size.f_ffree},
        {"node_filesystem_readonly", m->read_only ? 1 : 0},
    };

    sample_set_add(set, "node_filesystem_device_error", r->ok ? 0 : 1, "device",
                   m->device, "mountpoint", m->point, "fstype", m->type, NULL);
    for (size_t i = 0; r->ok && i < sizeof(rows) / sizeof(rows[0]); i++)
        sample_set_add(set, rows[i].metric, rows[i].v, "device", m->device,
                       "mountpoint", m->point, "fstype", m->type, NULL);
}

bool host_filesystem(const struct host *host, struct sample_set *set)
{
    struct mount *mounts = calloc(MAX_MOUNTS, sizeof(*mounts));
    struct mount_result *results = calloc(MAX_MOUNTS, sizeof(*results));
    const char **points = calloc(MAX_MOUNTS, sizeof(*points));
    struct fw_buf text = FW_BUF_INIT(0);
    struct fw_str rest, line;
    size_t n = 0;
    bool ok = mounts != NULL && results != NULL && points != NULL &&
              host_read(host->proc, "self/mounts", &text);

    rest = (struct fw_str){text.data, text.len};
    while (ok && n < MAX_MOUNTS && host_line(&rest, &line))
        if (parse_mount(line, &mounts[n]) &&
            !is_known(mounts, n, mounts[n].point)) {
            points[n] = mounts[n].point;
            n++;
        }
    if (ok)
        mount_probe_run(host->mounts, points, n, results);
    for (size_t i = 0; ok && i < n; i++)
        add_mount(set, &mounts[i], &results[i]);
    fw_buf_release(&text);
    free(mounts);
    free(results);
    free(points);
    return ok;
}
