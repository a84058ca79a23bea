/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_devices.c - disks and network interfaces.
 */
#include "server/collect/host.h"
#include "server/ingest/line.h"

#define DEVICE_BYTES 128

struct column {
    const char *metric;
    double scale;
};

/* Columns of /proc/diskstats behind the name [kernel: Documentation/admin-guide
 * /iostats.rst]; times are milliseconds, a sector has 512 bytes. */
static const struct column disk_columns[] = {
    {"node_disk_reads_completed_total", 1},
    {"node_disk_reads_merged_total", 1},
    {"node_disk_read_bytes_total", 512},
    {"node_disk_read_time_seconds_total", 1e-3},
    {"node_disk_writes_completed_total", 1},
    {"node_disk_writes_merged_total", 1},
    {"node_disk_written_bytes_total", 512},
    {"node_disk_write_time_seconds_total", 1e-3},
    {"node_disk_io_now", 1},
    {"node_disk_io_time_seconds_total", 1e-3},
    {"node_disk_io_time_weighted_seconds_total", 1e-3},
    {"node_disk_discards_completed_total", 1},
    {"node_disk_discards_merged_total", 1},
    {"node_disk_discarded_sectors_total", 1},
    {"node_disk_discard_time_seconds_total", 1e-3},
    {"node_disk_flush_requests_total", 1},
    {"node_disk_flush_requests_time_seconds_total", 1e-3},
};

static const struct column net_columns[] = {
    {"node_network_receive_bytes_total", 1},
    {"node_network_receive_packets_total", 1},
    {"node_network_receive_errs_total", 1},
    {"node_network_receive_drop_total", 1},
    {"node_network_receive_fifo_total", 1},
    {"node_network_receive_frame_total", 1},
    {"node_network_receive_compressed_total", 1},
    {"node_network_receive_multicast_total", 1},
    {"node_network_transmit_bytes_total", 1},
    {"node_network_transmit_packets_total", 1},
    {"node_network_transmit_errs_total", 1},
    {"node_network_transmit_drop_total", 1},
    {"node_network_transmit_fifo_total", 1},
    {"node_network_transmit_colls_total", 1},
    {"node_network_transmit_carrier_total", 1},
    {"node_network_transmit_compressed_total", 1},
};

static void add_columns(struct sample_set *set, const struct column *columns,
                        size_t count, const char *device, struct fw_str line)
{
    double v;

    for (size_t i = 0; i < count && host_number(&line, &v); i++)
        sample_set_add(set, columns[i].metric, v * columns[i].scale, "device",
                       device, NULL);
}

static bool ends_in_digits_after(const char *name, size_t letters)
{
    const char *p = name + letters;

    return *p != '\0' && strspn(p, "0123456789") == strlen(p);
}

/*
 * Partitions, memory and loop devices are left out, as node_exporter does:
 * ram0, loop1, fd0, sda1, vda2, xvda1, nvme0n1p1.
 */
static bool is_part(const char *name)
{
    static const char *const numbered[] = {"zram", "ram", "loop", "fd"};
    static const char *const lettered[] = {"xvd", "hd", "sd", "vd"};
    const char *p = strrchr(name, 'p');

    for (size_t i = 0; i < 4; i++) {
        size_t n = strlen(numbered[i]);

        if (strncmp(name, numbered[i], n) == 0 && ends_in_digits_after(name, n))
            return true;
        n = strlen(lettered[i]);
        if (strncmp(name, lettered[i], n) == 0 && name[n] >= 'a' &&
            name[n] <= 'z' && ends_in_digits_after(name, n + 1))
            return true;
    }
    return strncmp(name, "nvme", 4) == 0 && p != NULL &&
           ends_in_digits_after(p, 1);
}

bool host_diskstats(const struct host *host, struct sample_set *set)
{
    struct fw_buf text;
    struct fw_str rest, line;
    bool ok = host_read(host->proc, "diskstats", &text);

    rest = (struct fw_str){text.data, text.len};
    while (ok && host_line(&rest, &line)) {
        char device[DEVICE_BYTES];

        (void)line_word(&line); /* major */
        (void)line_word(&line); /* minor */
        host_copy(line_word(&line), device, sizeof(device));
        if (*device != '\0' && !is_part(device))
            add_columns(set, disk_columns,
                        sizeof(disk_columns) / sizeof(disk_columns[0]), device,
                        line);
    }
    fw_buf_release(&text);
    return ok;
}

static bool read_attribute(const struct host *host, const char *device,
                           const char *name, char *out, size_t bytes)
{
    char path[DEVICE_BYTES + 64];
    struct fw_buf text;
    bool ok;

    (void)snprintf(path, sizeof(path), "class/net/%s/%s", device, name);
    ok = host_read(host->sys, path, &text);
    if (ok) {
        struct fw_str rest = {text.data, text.len};
        struct fw_str line;

        ok = host_line(&rest, &line);
        if (ok)
            host_copy(line_word(&line), out, bytes);
    }
    fw_buf_release(&text);
    return ok;
}

static void add_attributes(const struct host *host, struct sample_set *set,
                           const char *device)
{
    char word[64];
    double v;

    /* The name goes into a path. */
    if (strchr(device, '/') != NULL || device[0] == '.')
        return;
    if (read_attribute(host, device, "operstate", word, sizeof(word)))
        sample_set_add(set, "node_network_up", strcmp(word, "up") == 0 ? 1 : 0,
                       "device", device, NULL);
    if (read_attribute(host, device, "mtu", word, sizeof(word)) &&
        number_parse(fw_str_of(word), &v))
        sample_set_add(set, "node_network_mtu_bytes", v, "device", device,
                       NULL);
    if (read_attribute(host, device, "speed", word, sizeof(word)) &&
        number_parse(fw_str_of(word), &v) && v > 0)
        sample_set_add(set, "node_network_speed_bytes", v * 1e6 / 8, "device",
                       device, NULL);
}

bool host_netdev(const struct host *host, struct sample_set *set)
{
    struct fw_buf text;
    struct fw_str rest, line;
    bool ok = host_read(host->proc, "net/dev", &text);

    rest = (struct fw_str){text.data, text.len};
    while (ok && host_line(&rest, &line)) {
        const char *colon = memchr(line.p, ':', line.n);
        char device[DEVICE_BYTES];
        struct fw_str name;

        if (colon == NULL)
            continue; /* the two lines of headings */
        name = (struct fw_str){line.p, (size_t)(colon - line.p)};
        host_copy(line_word(&name), device, sizeof(device));
        if (*device == '\0')
            continue;
        line =
            (struct fw_str){colon + 1, line.n - (size_t)(colon - line.p) - 1};
        add_columns(set, net_columns,
                    sizeof(net_columns) / sizeof(net_columns[0]), device, line);
        add_attributes(host, set, device);
    }
    fw_buf_release(&text);
    return ok;
}
