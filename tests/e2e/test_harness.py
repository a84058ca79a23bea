#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness against a stand-in for the server: what it would miss here, it
would miss in every other end-to-end test."""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.request

import forewarn_e2e as e2e

STAND_IN = """#!%s
import json, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(%%d))
s = socket.create_server(("127.0.0.1", 0))
sys.stderr.write("level=info starting\\n")
sys.stderr.write('level=info msg=ready data="a b" line=127.0.0.1:%%%%d\\n'
                 %%%% s.getsockname()[1])
sys.stderr.flush()
c, _ = s.accept()
for line in c.makefile("rb"):
    if line == b"wrong\\n":
        c.sendall(b"#bad 1 wrong\\n")
    elif line == b"#sync full\\n":
        c.sendall(b"#refused full disk full\\n")
    elif line.startswith(b"#sync "):
        c.sendall(b"#synced " + line[6:])
c.close()
time.sleep(60)
""" % sys.executable


class Harness(e2e.Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, e2e, "BIN", e2e.BIN)

    def stand_in(self, text):
        path = self.write("stand-in", text)
        (self.tmp / "stand-in").chmod(0o755)
        e2e.BIN = path

    def test_ready_line_names_the_listeners(self):
        self.stand_in(STAND_IN % 0)
        server = self.serve(listen=[])
        self.assertEqual(server.ready["data"], "a b")
        self.assertEqual(server.addr("line")[0], "127.0.0.1")
        self.assertRaises(AssertionError, server.addr, "http")
        server.stop()

    def test_sync_returns_what_was_said_and_raises_when_refused(self):
        self.stand_in(STAND_IN % 0)
        with self.serve(listen=[]).line_client() as line:
            line.send("wrong", b"good")
            self.assertEqual(line.sync(), ["#bad 1 wrong"])
            self.assertEqual(line.sync(), [])
            self.assertRaises(e2e.Refused, line.sync, "full")
            self.assertEqual(line.finish(), [])

    def test_bad_end_and_early_end_are_failures(self):
        self.stand_in(STAND_IN % 3)
        server = self.serve(listen=[])
        self.assertRaises(AssertionError, server.stop)
        self.stand_in("#!/bin/sh\necho 'no such folder' >&2\nexit 3\n")
        self.assertRaisesRegex(AssertionError, "no such folder", self.serve,
                               listen=[])

    def test_who_ends_unasked_has_last_words(self):
        self.stand_in("#!/bin/sh\necho ready >&2\necho 'a bug' >&2\nexit 5\n")
        server = self.serve(listen=[])
        self.assertEqual(server.wait(), 5)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            server.last_words()
        self.assertIn("ended by itself (5):\nready\na bug", said.getvalue())
        self.stand_in(STAND_IN % 0)
        server = self.serve(listen=[])
        server.stop()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            server.last_words()
        self.assertEqual(said.getvalue(), "")

    def test_kill9_leaves_nothing(self):
        self.stand_in(STAND_IN % 0)
        server = self.serve(listen=[])
        server.kill9()
        self.assertFalse(server.running())
        self.assertEqual(server.child.returncode, -9)

    def test_cli_checks_the_exit_code_and_sees_a_crash(self):
        self.stand_in("#!/bin/sh\ncat\necho \"$1\"\nexit 2\n")
        got = self.cli("a b", stdin="in ", rc=2)
        self.assertEqual(got.out, "in a b\n")
        self.assertRaises(AssertionError, self.cli, "a")
        self.stand_in("#!/bin/sh\nkill -SEGV $$\n")
        self.assertRaisesRegex(AssertionError, "crashed", self.cli, rc=None)

    def test_webhook_keeps_the_bodies_and_gives_the_codes(self):
        hook = self.webhook(answers=(503, 200))
        ask = urllib.request.Request(hook.url, data=b'{"a": 1}')
        self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, ask)
        with urllib.request.urlopen(ask) as answer:
            self.assertEqual(answer.status, 200)
        self.assertEqual(hook.wait(2), [{"a": 1}] * 2)
        self.assertRaises(AssertionError, hook.wait, 3, 0.1)

    def test_peers_that_cannot_be_had_skip_their_test(self):
        self.assertRaises(unittest.SkipTest, e2e.peer, "prometheus", "none")
        self.stand_in("#!/bin/sh\nexit 100\n")
        (self.tmp / "stand-in").rename(self.tmp / "apt-get")
        done = subprocess.run(
            [e2e.TOP / "tests/e2e/peers", "none"], text=True,
            stderr=subprocess.PIPE,
            env={"PATH": "%s:/usr/bin:/bin" % self.tmp})
        self.assertEqual(done.returncode, 1)
        self.assertIn("no Debian mirror", done.stderr)

    def test_a_small_disk_fills_and_frees_and_is_seen_by_nobody_else(self):
        folder = self.small_disk(2)
        ballast = e2e.fill(folder, leave=8192)
        done = subprocess.run(["head", "-c", "65536", "/dev/zero"],
                              stdout=subprocess.PIPE)
        self.assertRaises(OSError, (folder / "more").write_bytes, done.stdout)
        ballast.unlink()
        self.assertEqual((folder / "more").write_bytes(done.stdout), 65536)
        mounts = pathlib.Path("/proc/%d/mounts" % os.getppid()).read_text()
        self.assertNotIn(str(folder), mounts)

    def test_a_disk_fault_strikes_a_whole_program_once(self):
        for text, rc, said, size in (
                ("write 2 once ENOSPC", 1, "No space left", 512),
                ("write 2 forever EIO", 1, "Input/output error", 512),
                ("sync 1 once EIO", 1, "Input/output error", 2048),
                ("write 9 once EIO", 0, "", 2048)):
            path = self.tmp / "out"
            done = subprocess.run(
                ["dd", "if=/dev/zero", "of=" + str(path), "bs=512", "count=4",
                 "conv=fsync"], stderr=subprocess.PIPE, text=True,
                env={**os.environ, **e2e.fault(text)})
            self.assertEqual(done.returncode, rc, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertEqual("fault: given" in done.stderr, rc == 1)
            self.assertEqual(path.stat().st_size, size, text)
        done = subprocess.run(["true"], stderr=subprocess.PIPE, text=True,
                              env={**os.environ, **e2e.fault("write x")})
        self.assertEqual(done.returncode, 125)
        self.assertIn("makes no sense", done.stderr)

    def test_logfmt(self):
        self.assertEqual(
            e2e.logfmt(r'ready a=1 b="x \"y\" = z" c= d=[::1]:5'),
            {"ready": "", "a": "1", "b": 'x "y" = z', "c": "",
             "d": "[::1]:5"})
        self.assertEqual(json.dumps(e2e.logfmt("")), "{}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
