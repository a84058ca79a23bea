# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=10
"""serve: starting, refusing to start, telling systemd, stopping."""
import os
import signal
import socket
import stat
import time

from forewarn_e2e import BIN, PATIENCE, Case, Process, Server, main, run, \
    wait_until


class Serve(Case):
    def refuse(self, *args, **env):
        """serve with these options ends by itself; its result."""
        return run("serve", *args, "--listen-line", "127.0.0.1:0",
                   "--listen-http", "off", env=env or None)

    def test_the_ready_line_names_what_is_open(self):
        server = self.serve("--collect", "off")
        self.assertEqual(server.ready["level"], "info")
        self.assertEqual(server.ready["msg"], "ready")
        self.assertEqual(server.ready["data"], server.data)
        self.assertRegex(server.ready["line"], r"^127\.0\.0\.1:[1-9]\d*$")
        server.stop()

    def test_a_listener_can_be_off(self):
        server = Server(self.tmp / "data", "--listen-line", "off",
                        "--listen-http", "off", "--collect", "off", listen=())
        self.addCleanup(server.kill9)
        server.start()
        self.assertEqual(server.ready["line"], "off")
        self.assertEqual(server.ready["http"], "off")
        server.stop()

    def test_a_folder_with_blanks_and_quotes_is_quoted(self):
        server = self.serve("--collect", "off", data=self.tmp / 'a "b" c')
        self.assertEqual(server.ready["data"], str(self.tmp / 'a "b" c'))
        server.stop()

    def test_a_very_long_folder_name_works(self):
        data = self.tmp / ("x" * 120) / ("y" * 120)
        server = self.serve("--collect", "off", data=data)
        with server.line_client() as line:
            line.send("long 1 1700000000")
            line.sync()
        got = self.cli("query", "long", "--time", "1700000000", "--data", data,
                       "--format", "csv")
        self.assertIn("long,1700000000,1", got.out)
        server.stop()

    def test_sigterm_and_sigint_end_it_well(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve("--collect", "1s")
            server.signal(number)
            self.assertEqual(server.wait(), 0)
            self.assertFalse((self.tmp / "data/forewarn.sock").exists())

    def test_sighup_reads_the_watches_again(self):
        watch = """
  - watch: Filling
    expr: filling
    breach: '> 90'
    horizon: 1h
    owner: ops
    reason: the disk is full
"""
        config = self.write("forewarn.yml", "collect: off\n")
        server = self.serve("--config", config)
        self.write("forewarn.yml", "collect: off\nwatches:" + watch)
        server.signal(signal.SIGHUP)
        server.wait_log("configuration read again: 1 watches")
        self.write("forewarn.yml", "colect: off\n")
        server.signal(signal.SIGHUP)
        server.wait_log("configuration not read again: .*forewarn.yml:1:")
        with server.line_client() as line:
            line.sync()
        server.stop()

    def test_a_port_in_use_says_what_to_do(self):
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        for name, other in (("line", "http"), ("http", "line")):
            got = run("serve", "--data", self.tmp / "data",
                      "--listen-" + name, "127.0.0.1:%d" % port,
                      "--listen-" + other, "off")
            self.assertEqual(got.rc, 3, got)
            self.assertIn("127.0.0.1:%d is in use" % port, got.err)
            self.assertIn("another port", got.err)

    def test_beyond_the_loopback_only_when_said_out_loud(self):
        for option, listen in (("--listen-line", "0.0.0.0:0"),
                               ("--listen-http", "[::]:0")):
            got = run("serve", "--data", self.tmp / "data", option, listen)
            self.assertEqual(got.rc, 2, got.err)
            self.assertIn("--insecure", got.err)
        self.assertFalse((self.tmp / "data").exists())
        server = Server(self.tmp / "data", "--listen-line", "0.0.0.0:0",
                        "--listen-http", "off", "--collect", "off",
                        "--insecure", listen=())
        self.addCleanup(server.kill9)
        server.start()
        self.assertRegex(server.ready["line"], r"^0\.0\.0\.0:[1-9]\d*$")
        server.stop()

    def test_two_servers_do_not_share_a_port(self):
        server = self.serve("--collect", "off")
        got = run("serve", "--data", self.tmp / "other", "--listen-line",
                  "%s:%d" % server.addr(), "--listen-http", "off")
        self.assertEqual(got.rc, 3, got)
        self.assertIn("in use", got.err)

    def test_two_servers_do_not_share_a_folder(self):
        server = self.serve("--collect", "off")
        got = self.refuse("--data", server.data)
        self.assertEqual(got.rc, 3, got)
        self.assertIn(server.data, got.err)
        with server.line_client() as line:
            line.send("alive 1")
            line.sync()
        server.stop()

    def test_a_folder_of_something_else_is_left_alone(self):
        self.write("data/holiday.jpg", "not ours")
        got = self.refuse("--data", self.tmp / "data")
        self.assertEqual(got.rc, 3, got)
        self.assertEqual(os.listdir(self.tmp / "data"), ["holiday.jpg"])

    def test_a_file_is_no_folder(self):
        path = self.write("data", "a file")
        got = self.refuse("--data", path)
        self.assertEqual(got.rc, 3, got)
        self.assertIn(path, got.err)

    def test_a_folder_that_cannot_be_written(self):
        got = self.refuse("--data", "/proc/forewarn")
        self.assertEqual(got.rc, 3, got)
        self.assertIn("/proc/forewarn", got.err)

    def test_wrong_options_are_wrong_usage(self):
        for args in (["--retention", "soon"], ["--max-series", "-1"],
                     ["--listen-line", "nowhere"], ["--log-level", "loud"],
                     ["--colect", "1s"], ["too", "much"], ["--collect"]):
            got = run("serve", "--data", self.tmp / "data", *args)
            self.assertEqual(got.rc, 2, got)
            self.assertFalse((self.tmp / "data").exists())
        self.assertIn("did you mean --collect?",
                      run("serve", "--colect", "1s").err)

    def test_a_config_file_sets_what_options_do_not(self):
        config = self.write("forewarn.yml",
                            "data: %s\nlisten_line: 127.0.0.1:0\n"
                            "listen_http: off\ncollect: off\n" % (self.tmp / "from-file"))
        process = Process([BIN, "serve", "--config", config],
                          env={"FOREWARN_DATA": ""})
        self.addCleanup(process.kill9)
        process.start()
        process.wait_log('msg="ready".*from-file')
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 0)

    def test_a_bad_config_names_the_place(self):
        config = self.write("forewarn.yml", "collect: 1s\nretenton: 30d\n")
        got = run("serve", "--config", config, "--data", self.tmp / "data")
        self.assertEqual(got.rc, 2, got)
        self.assertIn("forewarn.yml:2:", got.err)
        self.assertIn("retention", got.err)

    def test_systemd_is_told(self):
        path = str(self.tmp / "notify")
        hear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        hear.bind(path)
        hear.settimeout(PATIENCE)
        self.addCleanup(hear.close)
        server = self.serve("--collect", "off", env={"NOTIFY_SOCKET": path})
        self.assertEqual(hear.recv(100), b"READY=1")
        server.stop()
        self.assertEqual(hear.recv(100), b"STOPPING=1")

    def test_the_socket_is_ours_alone(self):
        server = self.serve("--collect", "off")
        mode = os.stat(os.path.join(server.data, "forewarn.sock")).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_a_stale_socket_is_no_obstacle(self):
        server = self.serve("--collect", "off")
        with server.line_client() as line:
            line.send("stale 1 1700000000")
            line.sync()
        server.kill9()
        self.assertTrue((self.tmp / "data/forewarn.sock").exists())
        got = self.cli("query", "stale", "--time", "1700000000", "--format",
                       "csv", "--data", server.data)
        self.assertIn("stale,1700000000,1", got.out)
        again = self.serve("--collect", "off")
        again.stop()

    def test_this_machine_and_the_server_itself_are_collected(self):
        server = self.serve("--collect", "1s")

        # A slow disk's statvfs comes in a later round.
        want = {"node_cpu_seconds_total", "node_memory_MemTotal_bytes",
                "node_load1", "node_filesystem_avail_bytes",
                "node_network_receive_bytes_total", "node_boot_time_seconds",
                "node_uname_info", "forewarn_series",
                "forewarn_lines_bad_total", "process_open_fds"}
        wait_until(lambda: want <= set(self.cli(
            "labels", "__name__", "--data", server.data).out.split()),
            "all names")
        got = self.cli("query", 'node_load1{job="host"}', "--data",
                       server.data, "--format", "csv")
        self.assertIn("instance=", got.out)
        server.stop()

    def test_kill_9_loses_nothing_that_was_acknowledged(self):
        sent = 0
        for round_ in range(4):
            server = self.serve("--collect", "off")
            line = server.line_client()
            for _ in range(5):
                line.send(*["kept,i=%d v=%d 1700000000" % (i, i)
                            for i in range(sent, sent + 200)])
                line.sync()
                sent += 200
            line.send(*["lost,i=%d v=1 1700000000" % i for i in range(500)])
            time.sleep(0.01 * round_)
            server.kill9()
            line.close()
        server = self.serve("--collect", "off")
        got = self.cli("query", "sum(kept_v)", "--time", "1700000000",
                       "--format", "json", "--data", server.data).json()
        self.assertEqual(float(got["data"]["result"][0]["value"][1]),
                         sum(range(sent)))

    def test_a_full_disk_is_refused_and_recovers(self):
        disk = self.small_disk(24)
        server = self.serve("--collect", "off", "--disk-floor", "4MiB",
                            data=disk / "data")
        from forewarn_e2e import Refused, fill
        line = server.line_client()
        line.send("before 1 1700000000")
        line.sync()
        ballast = fill(disk)
        for i in range(50):
            line.send("during,i=%d v=1 1700000000" % i)
            try:
                line.sync()
            except Refused:
                break
        else:
            self.fail("a full disk was never refused")
        self.assertTrue(server.running())
        ballast.unlink()

        def recovered():
            line.send("after 1 1700000000")
            try:
                line.sync()
                return True
            except Refused:
                return False

        wait_until(recovered, "room to be found", every=0.2)
        for name in ("before", "after"):
            got = self.cli("query", name, "--time", "1700000000", "--format",
                           "csv", "--data", server.data)
            self.assertIn("%s,1700000000,1" % name, got.out)
        server.stop()


if __name__ == "__main__":
    main()
