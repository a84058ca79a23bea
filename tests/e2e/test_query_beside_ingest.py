#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""While queries that would take hours hold every thread that answers, what is
written is acknowledged all the same; and when those who asked have gone, the
threads are free again."""
import json
import os
import pathlib
import socket
import time
import urllib.parse

from forewarn_e2e import Case, main, wait_until
from forewarn_wire import REMOTE_WRITE, series, snappy

NOW = int(time.time()) // 60 * 60
SERIES, SAMPLES = 100, 600
ENDLESS = {"query": "sum(forecast(many[40m], 86400))", "start": NOW - 10000,
           "end": NOW, "step": 1}


class Beside(Case):
    def feed(self, server):
        body = b"".join(
            series({"__name__": "many", "i": str(i)},
                   [((NOW - 20 * (SAMPLES - k)) * 1000, float(i * k % 97))
                    for k in range(SAMPLES)]) for i in range(SERIES))
        self.assertEqual(server.http("/api/v1/write", snappy(body),
                                     REMOTE_WRITE)[0], 204)

    def ask_without_waiting(self, server):
        asker = socket.create_connection(server.addr("http"))
        self.addCleanup(asker.close)
        asker.sendall(("GET /api/v1/query_range?%s HTTP/1.1\r\nHost: x\r\n\r\n"
                       % urllib.parse.urlencode(ENDLESS)).encode())
        asker.setblocking(False)
        return asker

    @staticmethod
    def used(server):
        """CPU that each worker thread has used, in ticks, by thread."""
        out = {}
        for task in pathlib.Path("/proc/%d/task" % server.pid).iterdir():
            name, rest = (task / "stat").read_text().split("(")[1].split(")")
            if name == "worker":
                out[task.name] = sum(map(int, rest.split()[11:13]))
        return out

    def busy(self, server, before):
        """How many of them have used 0.2 s since."""
        return sum(ticks - before.get(task, 0) >= 20
                   for task, ticks in self.used(server).items())

    def assertUnanswered(self, asker):
        with self.assertRaises(BlockingIOError):
            asker.recv(1)

    def test_writers_are_acknowledged(self):
        server = self.serve("--collect", "off", "--query-timeout", "10h",
                            "--query-max-samples", "1000000000000")
        self.feed(server)
        cores = len(os.sched_getaffinity(0))
        before = self.used(server)
        askers = [self.ask_without_waiting(server) for _ in range(cores + 2)]
        wait_until(lambda: self.busy(server, before) >= cores,
                   "a query on every thread")
        with server.line_client() as line:
            for n in range(20):
                line.send("beside value=%d %d000000000" % (n, NOW - 20 + n))
                line.sync()
        for n in range(20):
            body = snappy(series({"__name__": "pushed"},
                                 [((NOW - 20 + n) * 1000, float(n))]))
            self.assertEqual(server.http("/api/v1/write", body,
                                         REMOTE_WRITE)[0], 204)
        for asker in askers:
            self.assertUnanswered(asker)
            asker.close()
        status, body = server.http("/api/v1/query?" + urllib.parse.urlencode(
            {"query": "count_over_time(beside_value[1m]) + "
                      "count_over_time(pushed[1m])", "time": NOW}))
        self.assertEqual(status, 200, body)
        self.assertEqual(json.loads(body)["data"]["result"][0]["value"][1],
                         "40")
        server.stop()


if __name__ == "__main__":
    main()
