/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_host.c - the collector's families over a made-up /proc and /sys.
 */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/collect/host.h"
#include "storage/base/file.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

struct tree {
    struct host host;
    struct mount_probe mounts;
    struct sample_set set;
    char proc[256], sys[256];
};

static int fake_statvfs(const char *path, struct statvfs *out)
{
    if (strcmp(path, "/broken") == 0)
        return -1;
    *out = (struct statvfs){.f_frsize = 4096,
                            .f_blocks = 1000,
                            .f_bfree = 300,
                            .f_bavail = 250,
                            .f_files = 64,
                            .f_ffree = 32};
    return 0;
}

static int plant(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    const char *dir = tmpdir_new();

    assert_non_null(tree);
    (void)tmpdir_path(tree->proc, sizeof(tree->proc), dir, "proc");
    (void)tmpdir_path(tree->sys, sizeof(tree->sys), dir, "sys");
    tree->mounts.statvfs = fake_statvfs;
    tree->mounts.patience_ms = 5000;
    tree->host = (struct host){tree->proc, tree->sys, &tree->mounts, 100};
    assert_int_equal(sample_set_init(&tree->set), FW_OK);
    *state = tree;
    return 0;
}

static int fell(void **state)
{
    struct tree *tree = *state;

    mount_probe_release(&tree->mounts);
    sample_set_release(&tree->set);
    free(tree);
    return 0;
}

static void put_bytes(const char *root, const char *name, const void *bytes,
                      size_t n)
{
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};
    char *slash;

    assert_int_equal(fw_path_join(path, root, name, &err), FW_OK);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(fw_dir_make(path, &err), FW_OK);
    *slash = '/';
    assert_int_equal(fw_file_write(path, bytes, n, &err), FW_OK);
}

static void put(const char *root, const char *name, const char *text)
{
    put_bytes(root, name, text, strlen(text));
}

/* "metric{a=b,c=d} value" of one sample. */
static void show(const struct sample *s, struct fw_buf *out)
{
    char number[FW_DOUBLE_TEXT_BYTES];

    (void)fw_format_double(number, s->v);
    fw_buf_clear(out);
    assert_int_equal(
        fw_buf_printf(out, "%.*s{", FW_STR_ARG(s->labels[0].value)), FW_OK);
    for (size_t i = 1; i < s->n; i++)
        assert_int_equal(fw_buf_printf(out, "%s%.*s=%.*s", i > 1 ? "," : "",
                                       FW_STR_ARG(s->labels[i].name),
                                       FW_STR_ARG(s->labels[i].value)),
                         FW_OK);
    assert_int_equal(fw_buf_printf(out, "} %s", number), FW_OK);
}

static bool has(struct tree *tree, const char *want)
{
    struct fw_buf text = FW_BUF_INIT(65536);
    bool found = false;

    for (size_t i = 0; i < tree->set.n && !found; i++) {
        show(&tree->set.v[i], &text);
        found = strcmp(text.data, want) == 0;
    }
    fw_buf_release(&text);
    return found;
}

static void assert_has(struct tree *tree, const char *want)
{
    if (!has(tree, want)) {
        struct fw_buf text = FW_BUF_INIT(65536);

        for (size_t i = 0; i < tree->set.n; i++) {
            show(&tree->set.v[i], &text);
            print_message("  %s\n", text.data);
        }
        fw_buf_release(&text);
        fail_msg("no %s", want);
    }
}

static void processors_are_read_in_seconds(void **state)
{
    struct tree *tree = *state;

    put(tree->proc, "stat",
        "cpu  9 9 9 9 9 9 9 9 9 9\n"
        "cpu0 150 2 3 4 5 6 7 8 9 10\n"
        "cpu1 1 2 3\n"
        "intr 12345 1 2 3\nctxt 777\nbtime 1700000000\nprocesses 42\n"
        "procs_running 3\nprocs_blocked 1\nsoftirq 1 2 3\n");
    assert_true(host_stat(&tree->host, &tree->set));
    assert_has(tree, "node_cpu_seconds_total{cpu=0,mode=user} 1.5");
    assert_has(tree, "node_cpu_seconds_total{cpu=0,mode=steal} 0.08");
    assert_has(tree, "node_cpu_guest_seconds_total{cpu=0,mode=nice} 0.1");
    assert_has(tree, "node_cpu_seconds_total{cpu=1,mode=system} 0.03");
    assert_has(tree, "node_boot_time_seconds{} 1700000000");
    assert_has(tree, "node_intr_total{} 12345");
    assert_has(tree, "node_context_switches_total{} 777");
    assert_has(tree, "node_forks_total{} 42");
    assert_has(tree, "node_procs_running{} 3");
    assert_has(tree, "node_procs_blocked{} 1");
    assert_false(has(tree, "node_cpu_seconds_total{cpu=,mode=user} 0.09"));
}

static void memory_is_bytes_under_the_kernels_names(void **state)
{
    struct tree *tree = *state;

    put(tree->proc, "meminfo",
        "MemTotal:       16384 kB\nActive(anon):    2 kB\n"
        "HugePages_Total:       7\nDirectMap2M: 1 kB\nNoise\nX: y kB\n");
    put(tree->proc, "vmstat",
        "pgfault 12\nnr_dirty 5\npgmajfault 3\noom_kill 1\npswpin x\n");
    put(tree->proc, "loadavg", "0.50 1.25 2.00 3/1234 5678\n");
    assert_true(host_meminfo(&tree->host, &tree->set));
    assert_true(host_vmstat(&tree->host, &tree->set));
    assert_true(host_loadavg(&tree->host, &tree->set));
    assert_has(tree, "node_memory_MemTotal_bytes{} 16777216");
    assert_has(tree, "node_memory_Active_anon_bytes{} 2048");
    assert_has(tree, "node_memory_HugePages_Total{} 7");
    assert_has(tree, "node_vmstat_pgfault{} 12");
    assert_has(tree, "node_vmstat_oom_kill{} 1");
    assert_has(tree, "node_load5{} 1.25");
    assert_false(has(tree, "node_vmstat_nr_dirty{} 5"));
}

static void pressure_is_seconds_of_waiting_and_stalling(void **state)
{
    struct tree *tree = *state;

    put(tree->proc, "pressure/cpu",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n");
    put(tree->proc, "pressure/io",
        "some avg10=0.00 total=2000000\nfull avg10=0.00 total=1000000\n");
    put(tree->proc, "pressure/memory", "some total=500000\nfull total=x\n");
    assert_true(host_pressure(&tree->host, &tree->set));
    assert_has(tree, "node_pressure_cpu_waiting_seconds_total{} 1.5");
    assert_has(tree, "node_pressure_io_waiting_seconds_total{} 2");
    assert_has(tree, "node_pressure_io_stalled_seconds_total{} 1");
    assert_has(tree, "node_pressure_memory_waiting_seconds_total{} 0.5");
    assert_int_equal(tree->set.n, 4);
}

static void disks_are_whole_ones_only(void **state)
{
    struct tree *tree = *state;

    put(tree->proc, "diskstats",
        "   8       0 sda 10 1 8 500 20 2 16 250 3 1000 2000 4 5 6 7 8 9\n"
        "   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1\n"
        " 259       0 nvme0n1 1 1 1 1 1 1 1 1 1 1 1\n"
        " 259       1 nvme0n1p1 1 1 1 1 1 1 1 1 1 1 1\n"
        "   7       0 loop0 1 1 1 1 1 1 1 1 1 1 1\n"
        " 253       0 dm-0 1 1 1 1 1 1 1 1 1 1 1\n"
        "garbage\n\n");
    assert_true(host_diskstats(&tree->host, &tree->set));
    assert_has(tree, "node_disk_read_bytes_total{device=sda} 4096");
    assert_has(tree, "node_disk_written_bytes_total{device=sda} 8192");
    assert_has(tree, "node_disk_read_time_seconds_total{device=sda} 0.5");
    assert_has(tree, "node_disk_io_now{device=sda} 3");
    assert_has(tree, "node_disk_io_time_seconds_total{device=sda} 1");
    assert_has(tree, "node_disk_flush_requests_total{device=sda} 8");
    assert_has(tree, "node_disk_reads_completed_total{device=nvme0n1} 1");
    assert_has(tree, "node_disk_reads_completed_total{device=dm-0} 1");
    assert_false(has(tree, "node_disk_reads_completed_total{device=sda1} 1"));
    assert_false(
        has(tree, "node_disk_reads_completed_total{device=nvme0n1p1} 1"));
    assert_false(has(tree, "node_disk_reads_completed_total{device=loop0} 1"));
}

static void interfaces_have_counters_and_a_state(void **state)
{
    struct tree *tree = *state;

    put(tree->proc, "net/dev",
        "Inter-|   Receive                    |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|"
        "bytes packets errs drop fifo colls carrier compressed\n"
        "  eth0: 1000 10 1 2 3 4 5 6 2000 20 7 8 9 10 11 12\n"
        "    lo:5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n");
    put(tree->sys, "class/net/eth0/operstate", "up\n");
    put(tree->sys, "class/net/eth0/mtu", "1500\n");
    put(tree->sys, "class/net/eth0/speed", "-1\n");
    assert_true(host_netdev(&tree->host, &tree->set));
    assert_has(tree, "node_network_receive_bytes_total{device=eth0} 1000");
    assert_has(tree, "node_network_receive_multicast_total{device=eth0} 6");
    assert_has(tree, "node_network_transmit_bytes_total{device=eth0} 2000");
    assert_has(tree, "node_network_transmit_carrier_total{device=eth0} 11");
    assert_has(tree, "node_network_receive_bytes_total{device=lo} 5");
    assert_has(tree, "node_network_up{device=eth0} 1");
    assert_has(tree, "node_network_mtu_bytes{device=eth0} 1500");
}

static void file_systems_have_sizes_and_a_broken_one_says_so(void **state)
{
    struct tree *tree = *state;

    put(tree->proc, "self/mounts",
        "/dev/sda1 / ext4 rw,relatime 0 0\n"
        "/dev/sdb1 /mnt/a\\040b ext4 ro 0 0\n"
        "server:/x /broken nfs rw 0 0\n"
        "proc /proc proc rw 0 0\n"
        "overlay /var/lib/x overlay rw 0 0\n"
        "tmpfs /dev/shm tmpfs rw 0 0\n"
        "/dev/sda1 / ext4 rw 0 0\n"
        "junk\n");
    assert_true(host_filesystem(&tree->host, &tree->set));
    assert_has(tree, "node_filesystem_size_bytes{device=/dev/sda1,"
                     "mountpoint=/,fstype=ext4} 4096000");
    assert_has(tree, "node_filesystem_avail_bytes{device=/dev/sda1,"
                     "mountpoint=/,fstype=ext4} 1024000");
    assert_has(tree, "node_filesystem_files_free{device=/dev/sdb1,"
                     "mountpoint=/mnt/a b,fstype=ext4} 32");
    assert_has(tree, "node_filesystem_readonly{device=/dev/sdb1,"
                     "mountpoint=/mnt/a b,fstype=ext4} 1");
    assert_has(tree, "node_filesystem_device_error{device=server:/x,"
                     "mountpoint=/broken,fstype=nfs} 1");
    assert_int_equal(tree->set.n, 7 + 7 + 1);
}

static void the_machine_has_a_name(void **state)
{
    struct tree *tree = *state;

    put(tree->proc, "sys/kernel/ostype", "Linux\n");
    put(tree->proc, "sys/kernel/osrelease", "6.1.0\n");
    put(tree->proc, "sys/kernel/hostname", "edge1\n");
    put(tree->proc, "sys/fs/file-nr", "992\t0\t9223372036854775807\n");
    assert_true(host_uname(&tree->host, &tree->set));
    assert_int_equal(tree->set.n, 1);
    assert_true(host_filefd(&tree->host, &tree->set));
    assert_has(tree, "node_filefd_allocated{} 992");
}

static void a_machine_without_files_fails_family_by_family(void **state)
{
    struct tree *tree = *state;

    host_gather(&tree->host, &tree->set);
    assert_has(tree, "node_scrape_collector_success{collector=cpu} 0");
    assert_has(tree, "node_scrape_collector_success{collector=filesystem} 0");
    assert_int_equal(tree->set.n, 10);
}

static void hostile_contents_never_do_worse_than_nothing(void **state)
{
    static const char *const files[] = {"stat",           "loadavg",
                                        "meminfo",        "vmstat",
                                        "diskstats",      "net/dev",
                                        "self/mounts",    "pressure/cpu",
                                        "pressure/io",    "pressure/memory",
                                        "sys/fs/file-nr", "sys/kernel/ostype"};
    struct tree *tree = *state;
    struct synth_rng rng = synth_seed(fixture_seed());
    static const char alphabet[] = "cpu0 sd:\\04\n\t.-9e/x(\xff";

    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
            char bytes[512];
            size_t n = 1 + (size_t)(synth_u64(&rng) % sizeof(bytes));

            for (size_t k = 0; k < n; k++) {
                uint64_t pick = synth_u64(&rng);

                bytes[k] = (pick & 0x700) == 0
                               ? (char)pick
                               : alphabet[pick % (sizeof(alphabet) - 1)];
            }
            put_bytes(tree->proc, files[i], bytes, n);
        }
        sample_set_clear(&tree->set);
        host_gather(&tree->host, &tree->set);
        assert_true(tree->set.n >= 10);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(processors_are_read_in_seconds, plant,
                                        fell),
        cmocka_unit_test_setup_teardown(memory_is_bytes_under_the_kernels_names,
                                        plant, fell),
        cmocka_unit_test_setup_teardown(
            pressure_is_seconds_of_waiting_and_stalling, plant, fell),
        cmocka_unit_test_setup_teardown(disks_are_whole_ones_only, plant, fell),
        cmocka_unit_test_setup_teardown(interfaces_have_counters_and_a_state,
                                        plant, fell),
        cmocka_unit_test_setup_teardown(
            file_systems_have_sizes_and_a_broken_one_says_so, plant, fell),
        cmocka_unit_test_setup_teardown(the_machine_has_a_name, plant, fell),
        cmocka_unit_test_setup_teardown(
            a_machine_without_files_fails_family_by_family, plant, fell),
        cmocka_unit_test_setup_teardown(
            hostile_contents_never_do_worse_than_nothing, plant, fell),
    };
    return fixture_main(argc, argv, tests);
}
