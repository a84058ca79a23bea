#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: timeout=900
"""A burst of series nobody knew, by remote_write from several senders at once,
as when a cluster is restarted: none is refused, all are found, also after a
kill. 20,000 of them; FOREWARN_LONG=1: a million."""
import json
import os
import threading
import time
import urllib.parse

from forewarn_e2e import Case, main
from forewarn_wire import REMOTE_WRITE, series, snappy

LONG = os.environ.get("FOREWARN_LONG") == "1"
SERIES = 1000000 if LONG else 20000
OF_ONE_REQUEST = 2000
SENDERS = 4
NOW = int(time.time()) // 60 * 60


class Burst(Case):
    def send(self, server, sender, answers):
        for first in range(sender * OF_ONE_REQUEST, SERIES,
                           SENDERS * OF_ONE_REQUEST):
            body = b"".join(
                series({"__name__": "burst_total", "namespace": "shop",
                        "pod": "checkout-%08x" % (i * 2654435761 % 2 ** 32),
                        "number": str(i)}, [(NOW * 1000, float(i))])
                for i in range(first, first + OF_ONE_REQUEST))
            answers.append(server.http("/api/v1/write", snappy(body),
                                       REMOTE_WRITE, seconds=300)[0])

    def ask(self, server, query):
        answer = json.loads(server.http(
            "/api/v1/query?" + urllib.parse.urlencode(
                {"query": query, "time": NOW}), seconds=300)[1])
        self.assertEqual(answer["status"], "success", answer)
        return [s["value"][1] for s in answer["data"]["result"]]

    def expect_all(self, server):
        self.assertEqual(self.ask(server, "count(burst_total)"),
                         [str(SERIES)])
        self.assertEqual(self.ask(server, "sum(burst_total)"),
                         [str(SERIES * (SERIES - 1) // 2)])
        self.assertEqual(self.ask(server, 'burst_total{number="12345"}'),
                         ["12345"])

    def test_none_is_refused_and_all_are_found(self):
        server = self.serve("--collect", "off", "--query-max-series",
                            str(SERIES))
        answers = []
        threads = [threading.Thread(target=self.send,
                                    args=(server, i, answers))
                   for i in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [204] * (SERIES // OF_ONE_REQUEST))
        self.expect_all(server)
        server.kill9()
        self.expect_all(server.start())


if __name__ == "__main__":
    main()
