# SPDX-License-Identifier: GPL-3.0-or-later
"""forewarn_e2e - drives the real binary from outside.

    from forewarn_e2e import Case, main

    class Ingest(Case):
        def test_a_line_is_found_again(self):
            server = self.serve()
            with server.line_client() as line:
                line.send("disk,host=a used=1 1700000000000000000")
                line.sync()
            got = self.cli("query", "disk_used", "--time", "1700000000",
                           "--data", server.data)
            self.assertIn("disk_used", got.out)

    if __name__ == "__main__":
        main()

The binary is $FOREWARN_BIN. Every wait is bounded; every process and folder is
gone when the test ends. Only python3's standard library is used.
"""
import ctypes
import http.server
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

PATIENCE = float(os.environ.get("FOREWARN_PATIENCE", "60"))
TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("FOREWARN_BUILD", str(TOP / "build/dev"))
BIN = os.environ.get("FOREWARN_BIN", str(TOP / "build/dev/forewarn"))


def wait_until(true, what, seconds=PATIENCE, every=0.02):
    """Calls true() until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        got = true()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("waited %g s in vain for %s" %
                                 (seconds, what))
        time.sleep(every)


class Sleeper:
    """Sleeps 0.1 s at a time and keeps by how much that was too long: how late
    whatever should run each second runs on this machine, at the moment."""

    def __init__(self):
        self.worst = 0.0
        self.stop = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        last = time.monotonic()
        while not self.stop.wait(0.1):
            now = time.monotonic()
            self.worst = max(self.worst, now - last - 0.1)
            last = now


def free_port():
    """A port nobody listens on. Not one of those the kernel gives to clients:
    it would be another's before our peer has opened it."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def logfmt(line):
    """The fields of one logfmt line; a bare word is a field with value ''."""
    fields = {}
    for hit in re.finditer(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|\S*))?', line):
        value = hit.group(2) or ""
        if value.startswith('"'):
            try:
                value = json.loads(value)
            except ValueError:
                value = value[1:-1]
        fields[hit.group(1)] = value
    return fields


class Result:
    """What a command answered: rc, out and err as text."""

    def __init__(self, done, args):
        self.rc = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.args = args

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return "%s\nrc %d\n-- out\n%s-- err\n%s" % (
            shlex.join(self.args), self.rc, self.out, self.err)


def run(*args, stdin=None, env=None, cwd=None, seconds=PATIENCE * 4):
    """Runs `forewarn ARGS`; any exit code is an answer, a signal is not."""
    command = [BIN, *map(str, args)]
    done = subprocess.run(
        command, input=stdin, text=True, encoding="utf-8", errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
        env={**os.environ, **(env or {})}, cwd=cwd,
        **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    result = Result(done, command)
    if result.rc < 0 or "Sanitizer" in result.err:
        raise AssertionError("it crashed: %r" % result)
    return result


class Process:
    """A program in the background whose stderr is kept line by line."""

    def __init__(self, command, env=None, cwd=None):
        self.command = [str(word) for word in command]
        self.env = {**os.environ, **(env or {})}
        self.cwd = cwd
        self.log = []
        self.child = None
        self.reader = None
        self.asked = False  # to end

    def start(self):
        self.asked = False
        self.child = subprocess.Popen(
            self.command, env=self.env, cwd=self.cwd, text=True,
            encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.reader = threading.Thread(
            target=self._read, args=(self.child.stderr,), daemon=True)
        self.reader.start()
        return self

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                self.log.append(line.rstrip("\n"))

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child is not None and self.child.poll() is None

    def wait_log(self, pattern, seconds=PATIENCE, since=0):
        """The first log line (from number `since`) that matches a regex."""
        seek = re.compile(pattern)

        def look():
            for line in self.log[since:]:
                if seek.search(line):
                    return line
            if not self.running():
                self.reader.join(5)
                for line in self.log[since:]:
                    if seek.search(line):
                        return line
                raise AssertionError("it ended (%s) before it said /%s/:\n%s" %
                                     (self.child.returncode, pattern,
                                      "\n".join(self.log)))
            return None

        return wait_until(look, "/%s/ in the log" % pattern, seconds)

    def signal(self, number):
        self.asked = True
        self.child.send_signal(number)

    def wait(self, seconds=PATIENCE):
        """The exit code; the whole log has been read then."""
        code = self.child.wait(seconds)
        self.reader.join(5)
        return code

    def kill9(self):
        """What a power cut or the OOM killer does to a process."""
        if self.running():
            self.asked = True
            self.child.kill()
            self.wait()

    def last_words(self):
        """Ends it. If it has ended unasked, says what it said: a test that
        fails for want of a server shows why there was none."""
        if self.child is not None and not self.running() and not self.asked:
            self.reader.join(5)
            print("%s ended by itself (%s):\n%s" % (
                self.command[:2], self.child.returncode,
                "\n".join(self.log[-60:])), flush=True)
        self.kill9()


def listeners():
    """The names X of serve's options --listen-X."""
    return re.findall(r"^\s+--listen-([a-z]+)", run("serve", "--help").out,
                      re.M)


class Server(Process):
    """`forewarn serve` on a folder, on free ports of the loopback: all the
    listeners it has, or those named in `listen` and the others off."""

    def __init__(self, data, *args, listen=None, env=None):
        options = []
        if listen is None:
            listen = listeners()
        elif listen:
            for name in set(listeners()).difference(listen):
                options += ["--listen-" + name, "off"]
        for name in listen:
            options += ["--listen-" + name, "127.0.0.1:0"]
        super().__init__([BIN, "serve", "--data", data, *options, *args],
                         env=env)
        self.data = str(data)
        self.ready = {}

    def start(self):
        """Starts it and waits for the ready line."""
        since = len(self.log)
        super().start()
        self.ready = logfmt(self.wait_log(r"(^|[ =\"])ready\b", since=since))
        return self

    def stop(self):
        """Asks it to end, as systemd would; it must end well."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        if code != 0:
            raise AssertionError("serve ended with %d:\n%s" %
                                 (code, "\n".join(self.log)))

    def addr(self, name="line"):
        """(host, port) of a listener, from the ready line."""
        if name not in self.ready:
            raise AssertionError("the ready line names no '%s': %s" %
                                 (name, self.ready))
        host, port = self.ready[name].rsplit(":", 1)
        return host.strip("[]"), int(port)

    def line_client(self):
        return LineClient(self.addr("line"))

    def http(self, path, data=None, headers=None, seconds=PATIENCE * 2):
        """(status, body) of a request to the HTTP listener."""
        url = "http://%s:%d%s" % (*self.addr("http"), path)
        ask = urllib.request.Request(url, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(ask, timeout=seconds) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode("utf-8", "replace")


class LineClient:
    """A sender of text lines over TCP."""

    def __init__(self, addr):
        self.sock = socket.create_connection(addr, timeout=PATIENCE)
        self.pending = b""
        self.tokens = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *lines):
        """Sends lines (text or bytes, without their newline)."""
        out = b"".join((x if isinstance(x, bytes) else x.encode()) + b"\n"
                       for x in lines)
        self.sock.sendall(out)

    def send_raw(self, data):
        self.sock.sendall(data)

    def read_line(self, seconds=PATIENCE):
        """The next line the server says, or None at the end of its stream."""
        self.sock.settimeout(seconds)
        while b"\n" not in self.pending:
            more = self.sock.recv(65536)
            if not more:
                return None
            self.pending += more
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")

    def sync(self, token=None, seconds=PATIENCE):
        """Returns when all lines so far are durable; what else the server
        said meanwhile (`#bad ...`) is returned. `#refused` is an error."""
        self.tokens += 1
        token = token or "t%d" % self.tokens
        self.send("#sync " + token)
        said = []
        while True:
            line = self.read_line(seconds)
            if line is None:
                raise AssertionError("closed before '#synced %s'" % token)
            if line == "#synced " + token:
                return said
            if line.startswith("#refused " + token):
                raise Refused(line)
            said.append(line)

    def finish(self, seconds=PATIENCE):
        """Ends our stream and waits until the server has closed too."""
        self.sock.shutdown(socket.SHUT_WR)
        said = []
        while True:
            line = self.read_line(seconds)
            if line is None:
                self.close()
                return said
            said.append(line)

    def close(self):
        self.sock.close()


def fill(folder, leave=0):
    """Fills the disk under `folder` but for `leave` bytes; the file that does
    it, for unlink()."""
    path = pathlib.Path(folder) / "ballast"
    with open(path, "wb", buffering=0) as f:
        while True:
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
            size = min(free - leave, 1 << 20)
            if size <= 0:
                return path
            try:
                f.write(b"\0" * size)
            except OSError:
                return path


class Refused(Exception):
    """The server answered `#refused TOKEN REASON`."""


class Webhook:
    """Receives POSTs on the loopback; `answers` are the codes to give, the
    last one for ever."""

    def __init__(self, answers=(200,)):
        self.got = []
        self.answers = list(answers)
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size)
                code = hook.answers[0]
                if len(hook.answers) > 1:
                    hook.answers.pop(0)
                hook.got.append((self.path, dict(self.headers), body))
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05},
                                       daemon=True)
        self.thread.start()
        self.url = "http://127.0.0.1:%d/hook" % self.server.server_address[1]

    def wait(self, count=1, seconds=PATIENCE):
        """The bodies, as JSON, once there are at least `count`."""
        wait_until(lambda: len(self.got) >= count,
                   "%d webhook calls" % count, seconds)
        return [json.loads(body) for _, _, body in list(self.got)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


def fault(text):
    """The environment in which a program meets faults of its disk, such as
    fault("write,sync 12 once ENOSPC"); see tests/support/fault_env.c. It says
    "fault: given" when the first one strikes."""
    shim = pathlib.Path(BUILD) / "tests" / "fw_fault.so"
    if not shim.exists():
        raise unittest.SkipTest("this build has no fw_fault.so")
    return {"LD_PRELOAD": str(shim), "FOREWARN_FAULT": text}


def peer(name, suite="bookworm"):
    """The path of a real peer's binary, or the test is skipped."""
    path = TOP / "build" / "peers" / suite / "usr" / "bin" / name
    if not path.exists():
        raise unittest.SkipTest("%s of %s is not in build/peers: "
                                "tests/e2e/peers fetches it" % (name, suite))
    return str(path)


class Case(unittest.TestCase):
    """A test with a folder of its own; whatever it starts ends with it."""

    maxDiff = None

    def setUp(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="forewarn-e2e-"))
        self.addCleanup(shutil.rmtree, self.tmp, ignore_errors=True)

    def write(self, name, text):
        """A file in the test's folder; its path."""
        path = self.tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def serve(self, *args, data=None, listen=None, env=None):
        """A running server; its data folder is self.tmp/data if not given."""
        server = Server(data or self.tmp / "data", *args, listen=listen,
                        env=env)
        self.addCleanup(server.last_words)
        return server.start()

    def start(self, *command, env=None, cwd=None):
        """Any other program in the background."""
        process = Process(command, env=env, cwd=cwd)
        self.addCleanup(process.last_words)
        return process.start()

    def small_disk(self, mib):
        """A folder on a file system of its own of so many MiB, mounted where
        only this test and what it starts can see it, so that it vanishes with
        them. Skips where that is not allowed."""
        folder = self.tmp / "disk"
        folder.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
            self.skipTest("no mount namespace: %s" %
                          os.strerror(ctypes.get_errno()))
        for words in (["mount", "--make-rprivate", "/"],
                      ["mount", "-t", "tmpfs", "-o", "size=%dm" % mib,
                       "tmpfs", str(folder)]):
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode != 0:
                self.skipTest("no mounts here: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", str(folder)],
                        check=True)
        return folder

    def webhook(self, answers=(200,)):
        hook = Webhook(answers)
        self.addCleanup(hook.close)
        return hook

    def cli(self, *args, rc=0, **kw):
        """Runs a command and checks its exit code (None: any)."""
        result = run(*args, **kw)
        if rc is not None:
            self.assertEqual(result.rc, rc, "%r" % result)
        return result


def main():
    if not os.access(BIN, os.X_OK):
        sys.exit("no binary at '%s': set FOREWARN_BIN" % BIN)
    unittest.main(verbosity=2)
