/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_kernel.c - processors, load, pressure, name and open files.
 */
#include <sys/utsname.h>

#include "server/collect/host.h"
#include "server/ingest/line.h"

/* "cpu3 user nice system ...": of one processor; the sum of all is left out. */
static void add_cpu(const struct host *host, struct sample_set *set,
                    const char *cpu, struct fw_str line)
{
    static const char *const modes[] = {"user",   "nice", "system",  "idle",
                                        "iowait", "irq",  "softirq", "steal"};
    double ticks = (double)host->ticks_per_second;
    double v;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (!host_number(&line, &v))
            return;
        sample_set_add(set, "node_cpu_seconds_total", v / ticks, "cpu", cpu,
                       "mode", modes[i], NULL);
    }
    for (size_t i = 0; i < 2 && host_number(&line, &v); i++)
        sample_set_add(set, "node_cpu_guest_seconds_total", v / ticks, "cpu",
                       cpu, "mode", modes[i], NULL);
}

static void add_counter(struct sample_set *set, struct fw_str word,
                        struct fw_str line)
{
    static const struct {
        const char *word, *metric;
    } counters[] = {{"btime", "node_boot_time_seconds"},
                    {"intr", "node_intr_total"},
                    {"ctxt", "node_context_switches_total"},
                    {"processes", "node_forks_total"},
                    {"procs_running", "node_procs_running"},
                    {"procs_blocked", "node_procs_blocked"}};
    double v;

    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        if (fw_str_eq(word, fw_str_of(counters[i].word)) &&
            host_number(&line, &v))
            sample_set_add(set, counters[i].metric, v, NULL);
}

bool host_stat(const struct host *host, struct sample_set *set)
{
    struct fw_buf text;
    struct fw_str rest, line;
    bool ok = host_read(host->proc, "stat", &text);

    rest = (struct fw_str){text.data, text.len};
    while (ok && host_line(&rest, &line)) {
        struct fw_str word = line_word(&line);
        char cpu[32];

        if (word.n > 3 && memcmp(word.p, "cpu", 3) == 0) {
            host_copy((struct fw_str){word.p + 3, word.n - 3}, cpu,
                      sizeof(cpu));
            add_cpu(host, set, cpu, line);
        } else {
            add_counter(set, word, line);
        }
    }
    fw_buf_release(&text);
    return ok;
}

bool host_loadavg(const struct host *host, struct sample_set *set)
{
    static const char *const metrics[] = {"node_load1", "node_load5",
                                          "node_load15"};
    struct fw_buf text;
    struct fw_str rest;
    bool ok = host_read(host->proc, "loadavg", &text);
    double v;

    rest = (struct fw_str){text.data, text.len};
    for (size_t i = 0; i < 3 && ok; i++) {
        ok = host_number(&rest, &v);
        if (ok)
            sample_set_add(set, metrics[i], v, NULL);
    }
    fw_buf_release(&text);
    return ok;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234": microseconds. */
static bool total_of(struct fw_str line, double *out)
{
    struct fw_str word;

    while ((word = line_word(&line)).n > 0)
        if (word.n > 6 && memcmp(word.p, "total=", 6) == 0)
            return number_parse((struct fw_str){word.p + 6, word.n - 6}, out);
    return false;
}

static bool pressure_of(const struct host *host, struct sample_set *set,
                        const char *file, const char *waiting,
                        const char *stalled)
{
    struct fw_buf text;
    struct fw_str rest, line;
    bool ok = host_read(host->proc, file, &text);
    double v;

    rest = (struct fw_str){text.data, text.len};
    while (ok && host_line(&rest, &line)) {
        struct fw_str word = line_word(&line);
        const char *metric = fw_str_eq(word, FW_STR("some"))   ? waiting
                             : fw_str_eq(word, FW_STR("full")) ? stalled
                                                               : NULL;

        if (metric != NULL && total_of(line, &v))
            sample_set_add(set, metric, v / 1e6, NULL);
    }
    fw_buf_release(&text);
    return ok;
}

bool host_pressure(const struct host *host, struct sample_set *set)
{
    bool cpu = pressure_of(host, set, "pressure/cpu",
                           "node_pressure_cpu_waiting_seconds_total", NULL);
    bool io = pressure_of(host, set, "pressure/io",
                          "node_pressure_io_waiting_seconds_total",
                          "node_pressure_io_stalled_seconds_total");
    bool memory = pressure_of(host, set, "pressure/memory",
                              "node_pressure_memory_waiting_seconds_total",
                              "node_pressure_memory_stalled_seconds_total");

    return cpu && io && memory;
}

static void read_word(const struct host *host, const char *file, char *out,
                      size_t bytes)
{
    struct fw_buf text;
    struct fw_str rest, line;

    *out = '\0';
    if (host_read(host->proc, file, &text)) {
        rest = (struct fw_str){text.data, text.len};
        if (host_line(&rest, &line))
            host_copy(line, out, bytes);
    }
    fw_buf_release(&text);
}

bool host_uname(const struct host *host, struct sample_set *set)
{
    char ostype[256], release[256], version[256], name[256], domain[256];
    struct utsname machine = {0};

    read_word(host, "sys/kernel/ostype", ostype, sizeof(ostype));
    read_word(host, "sys/kernel/osrelease", release, sizeof(release));
    read_word(host, "sys/kernel/version", version, sizeof(version));
    read_word(host, "sys/kernel/hostname", name, sizeof(name));
    read_word(host, "sys/kernel/domainname", domain, sizeof(domain));
    (void)uname(&machine); /* cannot fail with a good pointer */
    if (*ostype == '\0')
        return false;
    sample_set_add(set, "node_uname_info", 1, "sysname", ostype, "release",
                   release, "version", version, "nodename", name, "domainname",
                   domain, "machine", machine.machine, NULL);
    return true;
}

bool host_filefd(const struct host *host, struct sample_set *set)
{
    struct fw_buf text;
    struct fw_str rest, line;
    bool ok = host_read(host->proc, "sys/fs/file-nr", &text);
    double allocated, unused, most;

    rest = (struct fw_str){text.data, text.len};
    ok = ok && host_line(&rest, &line) && host_number(&line, &allocated) &&
         host_number(&line, &unused) && host_number(&line, &most);
    if (ok) {
        sample_set_add(set, "node_filefd_allocated", allocated, NULL);
        sample_set_add(set, "node_filefd_maximum", most, NULL);
    }
    fw_buf_release(&text);
    return ok;
}
