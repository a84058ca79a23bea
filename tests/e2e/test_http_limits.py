#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=140
"""Each limit of HTTP and of the local socket is made to strike a real server,
and its counter rises by exactly that, and no other. Not here: reply_bytes,
which takes an answer of 256 MiB, and of the local socket `user` and `waiting`,
behind a file mode and behind fewer connections than jobs may wait."""
import contextlib
import gzip
import os
import pathlib
import re
import resource
import socket
import struct
import time
import urllib.parse

from forewarn_e2e import Case, main, wait_until
from forewarn_wire import (REMOTE_WRITE, Raw, request, series, snappy, statuses,
                           varint, whole)

NOW = int(time.time()) // 60 * 60
HTTP = {"head_bytes", "target_bytes", "fields", "head_time", "form_bytes",
        "body_bytes", "body_ratio", "body_memory", "body_rate", "chunk_digits",
        "chunk_line", "chunk_trailers", "parameters", "query_bytes",
        "query_steps", "line_bytes", "waiting", "reply_bytes", "reader_rate",
        "idle_time", "connections", "descriptors"}
LOCAL = {"local connections", "local user", "local request_bytes",
         "local words", "local form", "local request_time", "local waiting",
         "local reader_stall"}
SECONDS = 300  # for the slowest of machines; the longest limit is two minutes
ANY_QUERY = request("GET", "/api/v1/query?query=1")
FORM = {"Content_Type": "application/x-www-form-urlencoded"}
CHUNKED = (b"POST /write HTTP/1.1\r\nHost: a\r\n"
           b"Transfer-Encoding: chunked\r\n\r\n")


def metrics_of(text):
    out = {}
    for where, label, limit, v in re.findall(
            r'(?m)^forewarn_(http_limit_struck|local_refused)_total'
            r'\{(limit|reason)="(\w+)"\} (\S+)$', text):
        assert (where[0], label[0]) in (("h", "l"), ("l", "r"))
        out[limit if where[0] == "h" else "local " + limit] = int(float(v))
    return out


class Reader:
    """Asks for /metrics on one connection, which stays."""

    def __init__(self, server):
        self.raw = Raw(server.addr("http"), SECONDS)

    def text(self):
        self.raw.got = b""
        assert self.raw.send(request("GET", "/metrics"))
        assert self.raw.replies(1) == [200], self.raw.got[:300]
        return self.raw.got.decode()

    def struck(self):
        return metrics_of(self.text().replace("\r\n", "\n"))


class Limits(Case):
    def start_server(self, *args):
        self.server = self.serve("--collect", "off", *args)
        self.reader = Reader(self.server)
        self.addCleanup(self.reader.raw.sock.close)
        self.before = self.reader.struck()
        self.assertEqual(self.before, dict.fromkeys(HTTP | LOCAL, 0))

    def rose(self, **by):
        """Since the last look: these, by so many, and no others."""
        now = self.reader.struck()
        rose = {k.replace("local ", "local_"): v - self.before[k]
                for k, v in now.items() if v != self.before[k]}
        self.before = now
        self.assertEqual(rose, by)

    def refused(self, data, status, limit, times=2):
        for _ in range(times):
            with Raw(self.server.addr("http"), SECONDS) as raw:
                raw.send(data)
                self.assertEqual(raw.replies(1), [status], limit)
        self.rose(**{limit: times})

    def test_heads(self):
        self.start_server()
        get = b"GET /version HTTP/1.1\r\nHost: a\r\n"
        self.refused(get + b"A: " + b"b" * 20000, 431, "head_bytes")
        self.refused(get + b"A: b\r\n" * 100 + b"\r\n", 431, "fields")
        self.refused(b"GET /" + b"a" * 20000, 414, "target_bytes")
        self.refused(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414,
                     "target_bytes")
        with Raw(self.server.addr("http"), SECONDS) as raw:
            raw.send(get + b"A: b\r\n" * 99 + b"\r\n" + b"G\x01")
            self.assertEqual(raw.replies(2), [200, 400])
        self.rose()  # as many fields as may be; what is wrong is no limit

    def test_bodies(self):
        self.start_server()
        large = b"query=" + b"1" * (1 << 20)
        self.refused(request("POST", "/api/v1/query", large, **FORM), 413,
                     "form_bytes")
        self.refused(request("POST", "/api/v1/query", gzip.compress(large),
                             Content_Encoding="gzip", **FORM), 413,
                     "form_bytes")
        self.refused(b"POST /write HTTP/1.1\r\nHost: a\r\n"
                     b"Content-Length: %d\r\n\r\n" % ((32 << 20) + 1), 413,
                     "body_bytes")
        self.refused(request("POST", "/api/v1/write",
                             varint((32 << 20) + 1) + b"\0x",
                             Content_Encoding="snappy"), 413, "body_bytes")
        self.refused(request("POST", "/write", gzip.compress(bytes(4 << 20)),
                             Content_Encoding="gzip"), 413, "body_ratio")
        self.refused(CHUNKED + b"0" * 15 + b"1\r\n", 400, "chunk_digits")
        self.refused(CHUNKED + b"1;" + b"e" * 300 + b"\r\n", 400, "chunk_line")
        self.refused(CHUNKED + b"0\r\n" + b"A: bcdefghijk\r\n" * 300, 400,
                     "chunk_trailers")
        with Raw(self.server.addr("http"), SECONDS) as raw:
            raw.send(CHUNKED + b"x\r\n")
            self.assertEqual(raw.replies(1), [400])
        self.rose()

    def test_queries_and_lines(self):
        self.start_server()
        self.refused(request("POST", "/api/v1/query", b"a=b&" * 1025, **FORM),
                     400, "parameters")
        self.refused(request("POST", "/api/v1/query", b"query=" + b"1" * 65537,
                             **FORM), 400, "query_bytes")
        self.refused(request("GET", "/api/v1/query_range?query=1&start=0"
                             "&end=11001&step=1"), 400, "query_steps")
        line = b"m,pad=" + b"x" * (1 << 20) + b" f=1\n"
        self.refused(request("POST", "/write", line), 400, "line_bytes")
        self.refused(request("POST", "/api/v1/import/prometheus", line), 400,
                     "line_bytes")

    def test_memory_of_bodies(self):
        self.start_server()
        with contextlib.ExitStack() as stack:
            for n in range(1, 13):
                raw = stack.enter_context(Raw(self.server.addr("http"),
                                              SECONDS))
                raw.send(b"POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: "
                         b"%d\r\n\r\n" % (32 << 20) + bytes(31 << 20))
                self.assertTrue(wait_until(lambda n=n: self.full(n), "bodies"))
                if self.reader.struck()["body_memory"] > 0:
                    self.assertEqual(raw.replies(1), [503])
                    break
        self.rose(body_memory=1)

    def full(self, n):
        text = self.reader.text()
        held = re.search(r"(?m)^forewarn_http_body_bytes (\S+)", text).group(1)
        return float(held) >= n * (31 << 20) or \
            'struck_total{limit="body_memory"} 0' not in text

    def test_connections(self):
        """The reader is younger than those that were silent before it."""
        self.start_server("--max-connections", "4", "--listen-line", "off")

        def one(stack):
            raw = stack.enter_context(Raw(self.server.addr("http"), SECONDS))
            raw.send(request("GET", "/version"))
            self.assertEqual(raw.replies(1), [200])
            return raw

        with contextlib.ExitStack() as stack:
            old = [one(stack) for _ in range(3)]
            self.rose()
            more = [one(stack) for _ in range(2)]
            for raw in old[:2]:
                raw.until_closed()
            self.rose(connections=2)
            for raw in old[2:] + more:
                raw.got = b""
                raw.send(request("GET", "/version"))
                self.assertEqual(raw.replies(1), [200])

    def test_descriptors(self):
        """How often it strikes is a matter of time: once each half second."""
        self.start_server()
        pid = self.server.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = {int(x) for x in os.listdir("/proc/%d/fd" % pid)}
        for fd in range(max(used) + 2):  # the lowest free one is what counts
            if fd not in used:
                break
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (fd, limits[1]))
        with Raw(self.server.addr("http"), SECONDS) as raw:
            raw.send(request("GET", "/version"))
            wait_until(lambda: self.reader.struck()["descriptors"] > 0,
                       "no descriptor")
            self.assertEqual(raw.got, b"")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
            self.assertEqual(raw.replies(1), [200])
        n = self.reader.struck()["descriptors"]
        self.rose(descriptors=n)

    def test_waiting(self):
        """Queries that last hold all workers; behind them 256 may wait."""
        self.start_server()
        self.feed(3000, 100)
        slow = request("GET", "/api/v1/query?" + urllib.parse.urlencode({
            "query": "sum(quantile_over_time(0.9, quantile_over_time(0.5, "
            "many[10m:50ms])[10m:50ms]))", "time": NOW}))
        with contextlib.ExitStack() as stack:
            busy = [stack.enter_context(Raw(self.server.addr("http"), SECONDS))
                    for _ in range(2 * (os.cpu_count() or 1))]
            for raw in busy:
                raw.send(slow)
            many = [stack.enter_context(Raw(self.server.addr("http"), SECONDS))
                    for _ in range(400)]
            for raw in many:
                raw.send(ANY_QUERY)
            # Loops take them in any order: until the slow ones hold all
            # workers, who was answered asks again.
            wait_until(lambda: self.some_refused(many), "a refusal")
            for raw in busy:  # the end of its stream cancels a query
                raw.sock.shutdown(socket.SHUT_WR)
            got = [raw.replies(1)[0] for raw in many]
            self.assertEqual(set(got), {200, 503})
            refused = got.count(503)
            for raw in busy:  # they may have been taken after the many
                refused += statuses(raw.until_closed()).count(503)
            for raw in many + busy:
                if statuses(raw.got) == [503]:
                    self.assertIn(b"too many requests are waiting", raw.got)
            self.rose(waiting=refused)

    def some_refused(self, many):
        for raw in many:
            try:
                raw.got += raw.sock.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            if statuses(raw.got) == [503]:
                return True
            if statuses(raw.got) and whole(raw.got):
                raw.got = b""
                raw.send(ANY_QUERY)
        return False

    # ---- the local socket ----

    def local(self):
        sock = socket.socket(socket.AF_UNIX)
        # It waits for its place; with a time limit it would fail for want of it.
        sock.connect(str(pathlib.Path(self.server.data) / "forewarn.sock"))
        sock.settimeout(SECONDS)
        self.addCleanup(sock.close)
        return sock

    @staticmethod
    def call(*words, argc=None):
        body = struct.pack("<HHHHI", 1, 0, 80, 24, argc or len(words))
        for word in words:
            body += struct.pack("<I", len(word)) + word.encode()
        return struct.pack("<II", 0x53574c46, len(body)) + body

    @staticmethod
    def all_of(sock):
        out = b""
        while more := sock.recv(65536):
            out += more
        return out

    def test_local_requests(self):
        self.start_server()
        for data, reason in (
                (struct.pack("<II", 0x53574c46, (1 << 20) + 1),
                 "request_bytes"),
                (self.call("query", argc=1025), "words"),
                (b"GET / HTTP/1.1\r\n", "form"),
                (self.call("version")[:8] + b"\x02" + self.call("version")[9:],
                 "form")):
            for _ in range(2):
                sock = self.local()
                sock.sendall(data)
                kind, n = struct.unpack("<II", self.all_of(sock)[:8])
                self.assertEqual(kind, 4, reason)
                self.assertGreater(n, 0)
            self.rose(**{"local_" + reason: 2})
        sock = self.local()
        sock.sendall(self.call("query", "1"))
        self.assertEqual(self.all_of(sock)[-9:],
                         struct.pack("<IIB", 3, 1, 0))
        self.rose()

    def test_local_connections(self):
        """64 say nothing, and go after five seconds; on a machine so slow that
        some went before the last came, fewer than six are turned away."""
        self.start_server()
        socks = [self.local() for _ in range(70)]
        for sock in socks:
            self.assertEqual(self.all_of(sock), b"")
        now = self.reader.struck()
        full, late = (now["local connections"], now["local request_time"])
        self.assertEqual(full + late, 70)
        self.assertLessEqual(full, 6)
        self.assertGreater(full, 0)
        self.rose(local_connections=full, local_request_time=late)

    # ---- what takes its time ----

    def feed(self, count=200, samples=1):
        many = b"".join(
            series({"__name__": "many", "i": str(i)},
                   [((NOW - 5 * k) * 1000, 1.5 * i + k)
                    for k in reversed(range(samples))]) for i in range(count))
        self.assertEqual(self.server.http("/api/v1/write", snappy(many),
                                          REMOTE_WRITE)[0], 204)

    def test_times(self):
        self.start_server()
        self.feed()
        # More than the buffers of a socket: 200 series of 7,000 points.
        asked = {"query": "last_over_time(many[3h])", "start": NOW,
                 "end": NOW + 7000, "step": 1}
        addr = self.server.addr("http")
        with contextlib.ExitStack() as stack:
            idle, head, body, reader = (
                stack.enter_context(Raw(addr, SECONDS)) for _ in range(4))
            head.send(b"GET /version HTTP/1.1\r\n")
            body.send(b"POST /write HTTP/1.1\r\nHost: a\r\n"
                      b"Content-Length: 100\r\n\r\nm")
            reader.send(request("GET", "/api/v1/query_range?" +
                                urllib.parse.urlencode(asked)))
            sock = self.local()
            sock.sendall(self.call(
                "query", asked["query"], "--start", str(NOW), "--end",
                str(NOW + 7000), "--step", "1s"))
            self.assertEqual(statuses(head.until_closed()), [408])
            self.assertEqual(statuses(body.until_closed()), [408])
            wait_until(lambda: self.reader.struck()["reader_rate"] > 0,
                       "the reader to be given up", SECONDS, 0.5)
            self.assertEqual(statuses(reader.until_closed()), [200])
            self.assertFalse(reader.got.endswith(b"0\r\n\r\n"))
            wait_until(lambda: self.reader.struck()["local reader_stall"] > 0,
                       "the command to be given up", SECONDS, 0.5)
            self.assertNotEqual(self.all_of(sock)[-9:-1],
                                struct.pack("<II", 3, 1))
            # The reader's own requests keep it alive meanwhile.
            wait_until(lambda: self.reader.struck()["idle_time"] > 0,
                       "the idle one to be closed", SECONDS, 0.5)
            self.assertEqual(idle.until_closed(), b"")
        self.rose(head_time=1, body_rate=1, reader_rate=1, idle_time=1,
                  local_reader_stall=1)


if __name__ == "__main__":
    main()
