/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/collect/host.h"

#include "server/ingest/line.h"
#include "storage/base/file.h"

static const struct host_family families[] = {
    {"cpu", host_stat},          {"loadavg", host_loadavg},
    {"meminfo", host_meminfo},   {"vmstat", host_vmstat},
    {"pressure", host_pressure}, {"diskstats", host_diskstats},
    {"netdev", host_netdev},     {"filesystem", host_filesystem},
    {"uname", host_uname},       {"filefd", host_filefd},
};

bool host_read(const char *root, const char *name, struct fw_buf *out)
{
    char path[FW_PATH_BYTES];

    fw_buf_init(out, HOST_FILE_BYTES);
    return fw_path_join(path, root, name, NULL) == FW_OK &&
           fw_file_read(path, out, NULL) == FW_OK && out->len > 0;
}

bool host_line(struct fw_str *rest, struct fw_str *line)
{
    const char *end;
    size_t n;

    if (rest->n == 0)
        return false;
    end = memchr(rest->p, '\n', rest->n);
    n = end != NULL ? (size_t)(end - rest->p) : rest->n;
    *line = (struct fw_str){rest->p, n};
    n += end != NULL ? 1 : 0;
    *rest = (struct fw_str){rest->p + n, rest->n - n};
    return true;
}

bool host_number(struct fw_str *line, double *out)
{
    return number_parse(line_word(line), out);
}

void host_copy(struct fw_str word, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%.*s", FW_STR_ARG(word));
}

void host_gather(const struct host *host, struct sample_set *set)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        bool ok = families[i].gather(host, set);

        sample_set_add(set, "node_scrape_collector_success", ok ? 1 : 0,
                       "collector", families[i].name, NULL);
    }
}
