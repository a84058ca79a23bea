/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_memory.c - /proc/meminfo and the part of /proc/vmstat people look at.
 */
#include "server/collect/host.h"
#include "server/ingest/line.h"

#define NAME_BYTES 128

/*
 * "Active(anon):" becomes node_memory_Active_anon_bytes, as node_exporter
 * writes it; a row without kB is a count and has no unit.
 */
static bool metric_name(struct fw_str word, bool bytes, char out[NAME_BYTES])
{
    size_t n = (size_t)snprintf(out, NAME_BYTES, "node_memory_");

    if (word.n == 0 || word.p[word.n - 1] != ':' || word.n > 64)
        return false;
    for (size_t i = 0; i + 1 < word.n; i++) {
        char c = word.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c >= '0' && c <= '9') || c == '_';

        if (plain)
            out[n++] = c;
        else if (c == '(')
            out[n++] = '_';
        else if (c != ')')
            return false;
    }
    (void)snprintf(out + n, NAME_BYTES - n, "%s", bytes ? "_bytes" : "");
    return true;
}

bool host_meminfo(const struct host *host, struct sample_set *set)
{
    struct fw_buf text;
    struct fw_str rest, line;
    bool ok = host_read(host->proc, "meminfo", &text);

    rest = (struct fw_str){text.data, text.len};
    while (ok && host_line(&rest, &line)) {
        struct fw_str word = line_word(&line);
        char name[NAME_BYTES];
        double v;
        bool bytes;

        if (!host_number(&line, &v))
            continue;
        bytes = fw_str_eq(line_word(&line), FW_STR("kB"));
        if (metric_name(word, bytes, name))
            sample_set_add(set, name, bytes ? v * 1024 : v, NULL);
    }
    fw_buf_release(&text);
    return ok;
}

bool host_vmstat(const struct host *host, struct sample_set *set)
{
    static const char *const words[] = {"pgpgin",  "pgpgout", "pswpin",
                                        "pswpout", "pgfault", "pgmajfault",
                                        "oom_kill"};
    struct fw_buf text;
    struct fw_str rest, line;
    bool ok = host_read(host->proc, "vmstat", &text);

    rest = (struct fw_str){text.data, text.len};
    while (ok && host_line(&rest, &line)) {
        struct fw_str word = line_word(&line);
        char name[NAME_BYTES];
        double v;

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (!fw_str_eq(word, fw_str_of(words[i])) ||
                !host_number(&line, &v))
                continue;
            (void)snprintf(name, sizeof(name), "node_vmstat_%s", words[i]);
            sample_set_add(set, name, v, NULL);
        }
    }
    fw_buf_release(&text);
    return ok;
}
