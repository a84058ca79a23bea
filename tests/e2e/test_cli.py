# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: help, typos, exit codes, streams, terminals, and the two
ways to an answer: from the running server and from the folder."""
import fcntl
import os
import pathlib
import pty
import re
import shutil
import socket
import struct
import subprocess
import termios
import threading
import unittest

from forewarn_e2e import BIN, PATIENCE, Case, main, run


class Cli(Case):
    def test_help_and_version(self):
        got = run("version")
        self.assertEqual((got.rc, got.err), (0, ""))
        self.assertRegex(got.out, r"^forewarn \d+\.\d+\.\d+\n$")
        self.assertEqual(run("--version").out, got.out)
        listed = run("help")
        self.assertEqual((listed.rc, listed.err), (0, ""))
        self.assertEqual(run("--help").out, listed.out)
        for name in ("serve", "query", "forecast", "help"):
            self.assertRegex(listed.out, r"(?m)^  %s +\S" % name)
            for way in (("help", name), (name, "--help"), (name, "-h")):
                got = run(*way)
                self.assertEqual((got.rc, got.err), (0, ""))
                self.assertTrue(got.out.startswith("Usage: forewarn " + name))

    def complete(self, *words):
        """What bash would offer for the last of `words`."""
        script = self.write("complete.sh", (
            '. <(forewarn help --completion bash)\n'
            'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _forewarn\n'
            'printf "%s\\n" "${COMPREPLY[@]}"\n'))
        path = "%s:%s" % (pathlib.Path(BIN).resolve().parent,
                          os.environ["PATH"])
        done = subprocess.run(["bash", script, "forewarn", *words], text=True,
                              env=dict(os.environ, PATH=path), check=True,
                              capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1]

    def test_bash_completes_a_command_line(self):
        self.assertEqual(self.complete("que"), ["query"])
        self.assertEqual(self.complete("query", "--fo"), ["--format"])
        self.assertEqual(self.complete("audit", "ver"), ["verify"])
        self.assertEqual(self.complete("query", "--format", ""), [""])
        (self.tmp / "with a blank.yml").write_text("")
        self.assertEqual(
            self.complete("serve", "--config", str(self.tmp / "with")),
            [str(self.tmp / "with a blank.yml")])

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_manual_pages_are_without_a_warning(self):
        names = re.findall(r"(?m)^  ([a-z]+) +\S", run("help").out)
        self.assertGreater(len(names), 20)
        for page in ([], *([name] for name in names)):
            told = run("help", "--man", *page).out
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"],
                                  input=told.encode(), capture_output=True,
                                  timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stderr), (0, b""), page)
            self.assertIn("NAME", re.sub(".\b", "", done.stdout.decode()))

    def test_wrong_usage_is_2_and_goes_to_stderr(self):
        for args in ([], ["qeury"], ["help", "qeury"], ["version", "--wrong"],
                     ["query"], ["--data"], ["query", "up", "--data="]):
            got = run(*args)
            self.assertEqual(got.rc, 2, got)
            self.assertEqual(got.out, "", got)
            self.assertNotEqual(got.err, "", got)
        self.assertIn("did you mean 'query'?", run("qeury").err)

    def test_no_store_is_3_with_a_sentence(self):
        got = run("query", "up", "--data", self.tmp / "nowhere")
        self.assertEqual(got.rc, 3, got)
        self.assertIn("nowhere", got.err)
        self.assertFalse((self.tmp / "nowhere").exists())

    def test_the_folder_comes_from_the_environment(self):
        got = run("query", "up", env={"FOREWARN_DATA":
                                      str(self.tmp / "from-env")})
        self.assertIn("from-env", got.err)
        got = run("query", "up", env={
            "FOREWARN_DATA": "", "XDG_DATA_HOME": str(self.tmp / "xdg")})
        self.assertTrue("xdg/forewarn" in got.err or
                        "/var/lib/forewarn" in got.err, got)

    def test_a_reader_that_goes_away_is_no_failure(self):
        child = subprocess.Popen([BIN, "help"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        child.stdout.close()
        self.assertEqual(child.wait(PATIENCE), 0)
        self.assertEqual(child.stderr.read(), b"")
        child.stderr.close()

    def test_a_full_stdout_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([BIN, "help"], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn("standard output", done.stderr)

    def filled(self):
        server = self.serve("--collect", "off")
        with server.line_client() as line:
            line.send(*["wave,i=%d v=%d %d" % (i, i * k, 1700000000 + 15 * k)
                        for i in range(3) for k in range(100)])
            line.sync()
        return server

    def ask(self, server, *more, **kw):
        return run("query", "wave_v", "--time", "1700000300", "--data",
                   server.data, *more, **kw)

    def test_the_server_and_the_folder_give_the_same_answer(self):
        server = self.filled()
        online = [self.ask(server, "--format", f).out
                  for f in ("csv", "json", "table")]
        bad = self.ask(server, "--format", "wrong")
        broken = run("query", "sum(", "--data", server.data)
        server.stop()
        offline = [self.ask(server, "--format", f).out
                   for f in ("csv", "json", "table")]
        self.assertEqual(online, offline)
        self.assertIn("wave_v", online[0])
        self.assertEqual(self.ask(server, "--format", "wrong").err, bad.err)
        again = run("query", "sum(", "--data", server.data)
        self.assertEqual((again.rc, again.err), (broken.rc, broken.err))
        self.assertEqual(broken.rc, 2)

    def on_a_terminal(self, args, columns):
        """What a command writes to a terminal so many columns wide."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 30, columns, 0, 0))
        child = subprocess.Popen([BIN, *map(str, args)], stdout=follower,
                                 stderr=subprocess.PIPE,
                                 env={**os.environ, "TERM": "xterm"})
        os.close(follower)
        out = b""
        while True:
            try:
                more = os.read(leader, 65536)
            except OSError:
                break
            if not more:
                break
            out += more
        os.close(leader)
        child.stderr.close()
        self.assertEqual(child.wait(PATIENCE), 0)
        return out.decode()

    def test_a_terminal_is_a_terminal_through_the_server_too(self):
        server = self.filled()
        args = ["query", "wave_v", "--start", "1700000000", "--end",
                "1700001000", "--step", "15s", "--data", server.data]
        wide = self.on_a_terminal(args, 120)
        narrow = self.on_a_terminal(args, 60)
        server.stop()
        self.assertEqual(self.on_a_terminal(args, 120), wide)
        self.assertNotEqual(wide, narrow)
        self.assertNotEqual(run(*args).out.replace("\n", "\r\n"), wide)

    def test_hostile_words_at_the_local_socket(self):
        server = self.filled()
        path = os.path.join(server.data, "forewarn.sock")
        for bytes_ in (b"", b"\0", b"FLWS", b"GET / HTTP/1.1\r\n\r\n",
                       struct.pack("<II", 0x53574c46, 0xffffffff),
                       struct.pack("<II", 0x53574c46, 12) +
                       struct.pack("<HHHHI", 1, 0, 80, 24, 0xffffffff),
                       struct.pack("<II", 0x53574c46, 17) +
                       struct.pack("<HHHHI", 1, 0, 80, 24, 1) +
                       struct.pack("<I", 1) + b"\0",
                       os.urandom(4096)):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE)
                s.connect(path)
                s.sendall(bytes_)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
        self.assertIn("wave_v", self.ask(server).out)
        server.stop()

    def test_commands_of_the_caller_do_not_run_in_the_server(self):
        server = self.filled()
        for words in ([b"serve"], [b"nothing"],
                      [b"forecast", b"--input", b"/etc/passwd"]):
            body = struct.pack("<HHHHI", 1, 0, 80, 24, len(words)) + \
                b"".join(struct.pack("<I", len(w)) + w for w in words)
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE)
                s.connect(os.path.join(server.data, "forewarn.sock"))
                s.sendall(struct.pack("<II", 0x53574c46, len(body)) + body)
                answer = b""
                while True:
                    more = s.recv(65536)
                    if not more:
                        break
                    answer += more
            self.assertEqual(struct.unpack_from("<I", answer)[0], 4, answer)
        server.stop()

    def test_a_caller_that_goes_away_frees_its_worker(self):
        server = self.filled()
        words = [b"query", b"wave_v", b"--start", b"1700000000", b"--end",
                 b"1700001000", b"--step", b"1s", b"--format", b"csv"]
        body = struct.pack("<HHHHI", 1, 0, 80, 24, len(words)) + \
            b"".join(struct.pack("<I", len(w)) + w for w in words)
        for _ in range(30):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(os.path.join(server.data, "forewarn.sock"))
                s.sendall(struct.pack("<II", 0x53574c46, len(body)) + body)
        self.assertIn("wave_v", self.ask(server).out)
        server.stop()

    def test_many_callers_at_once(self):
        server = self.filled()
        got = []

        def ask():
            got.append(self.ask(server, "--format", "csv").out)

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(got)), 1)
        self.assertEqual(len(got), 24)
        server.stop()


if __name__ == "__main__":
    main()
